//! What was decided is proven: approvals of requests, certified accesses and lifted holds by a keyed index in their row, all of
//! them and the register of breaches by the entry that the desk made.
//!
//! Rules: a word in a column decides nothing. Before something is done because of it, its row must have the index that only a
//! process with the key ring makes; `anshin log verify` holds each against the list of looks, which the audit tree is over.
//! Rows of older versions have no index: they count until everything is bound (`binding.rs`), which gives one to those that the
//! list of looks shows.
//! When it fails: [`RelayFault`]; then nothing counts as decided.

mod glasses;
mod reviews;

use self::glasses::Glasses;
use super::break_glass;
use super::desk::{REQUEST_LIFE, look_place};
use super::legal_hold::keeps_hash;
use super::tree::{Broken, hour_of_row};
use super::{Relay, RelayFault, parse_queue_id, queue_id};
use crate::mail::Timestamp;
use crate::store::{BreachEntryRow, Ids, LegalHoldRow, LookRow, ReviewItemRow};
use crate::vault::{Index, Indexed, Purpose};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// Entries read at once.
const MANY: i64 = 1000;
/// How much later than its id a row may be made.
const A_MOMENT: Duration = Duration::from_secs(60);

/// What the list of looks says of decisions.
#[derive(Default)]
struct Book {
    /// Requests and what was decided about them.
    requests: HashSet<(i64, String)>,
    /// Accesses in reviews, too.
    accesses: HashSet<(i64, String)>,
    /// Reviews that were begun, and of how many accesses each is.
    reviews: BTreeMap<i64, Option<u64>>,
    /// Holds that were set, and the hash of what each keeps where it says so.
    set: HashMap<i64, Option<String>>,
    lifted: HashSet<i64>,
    glasses: Glasses,
    /// Entries about breaches, and the hash of each where it says so.
    breaches: HashMap<i64, Option<String>>,
    /// The first entry that there is: what was decided before it has none any more.
    first: Option<Timestamp>,
}

/// The hash of an entry about a breach, as its look has it.
pub(super) fn hash_of(detail: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(detail))
}

impl Relay {
    /// The index that proves what was decided about a row.
    pub(super) fn proof_of(&self, table: &'static str, row: i64, said: &str) -> Index {
        self.vault().index.of(Indexed::Ruling { table, row, said })
    }

    fn is_ruled(&self, table: &'static str, row: i64, said: &str, ruling: Option<&Vec<u8>>) -> bool {
        match ruling {
            Some(ruling) => ruling.as_slice() == self.proof_of(table, row, said).as_bytes(),
            None => !self.is_bound(),
        }
    }

    /// Whether a request was decided so by somebody with the key ring, and ends when it was to end: the id, over which the proof is, has its
    /// time.
    pub(super) fn is_request_ruled(&self, row: &crate::store::LookRequestRow) -> bool {
        let (Some(decision), Some(at), Some(by)) = (&row.decision, row.decided_at, &row.decider_idx) else {
            return false;
        };
        if row.expires_at > Ids::time_of(row.id).after(REQUEST_LIFE + A_MOMENT) {
            return false;
        }
        self.is_ruled("look_request", row.id, &request_said(decision, at, by), row.ruling.as_ref())
    }

    /// What was decided about an access, as far as it is proven. Who revokes is believed without: it shuts out, and no more.
    pub(super) fn proven(&self, row: &ReviewItemRow) -> Option<String> {
        let decision = row.decision.as_ref()?;
        let is_proven = decision != "certified" || self.is_item_ruled(row);
        if !is_proven {
            let access = queue_id(row.id);
            tracing::error!(event = "tampered", %access, "nothing proves that it was certified; it does not count");
        }
        is_proven.then(|| decision.clone())
    }

    fn is_item_ruled(&self, row: &ReviewItemRow) -> bool {
        let (Some(decision), Some(at)) = (&row.decision, row.decided_at) else { return false };
        self.is_ruled("review_item", row.id, &item_said(decision, at), row.ruling.as_ref())
    }

    /// Holds on again what nobody has lifted.
    pub(super) async fn hold_what_is_not_lifted(&self) -> Result<(), RelayFault> {
        for row in self.store().legal_holds().await? {
            if row.lifted_at.is_some() && !self.is_lifted(&row) {
                tracing::error!(
                    event = "tampered",
                    hold = %queue_id(row.id),
                    "nothing proves that it was lifted; it holds again"
                );
                self.store().hold_again(row.id).await?;
            }
        }
        Ok(())
    }

    fn is_lifted(&self, row: &LegalHoldRow) -> bool {
        row.lifted_at
            .is_some_and(|at| self.is_ruled("legal_hold", row.id, &hold_said(at), row.ruling.as_ref()))
    }

    /// What was decided, or entered, and is in no entry of the desk, or not as that says. `None`: the key of the log is not here.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub(super) async fn unproven(&self) -> Result<Option<Vec<Broken>>, RelayFault> {
        let Some(book) = self.book().await? else { return Ok(None) };
        let mut broken = Vec::new();
        let mut tell = |id: i64, why: &str| broken.push(Broken::row("unproven", hour_of_row(id), id, why));
        let is_old = |at: Option<Timestamp>| book.is_old(at);
        let used = self.store().look_uses().await?;
        for (_, last, _) in used.iter().filter(|(_, _, uses)| *uses > 1) {
            tell(*last, "more than one look was opened by one approval");
        }
        let used: HashSet<i64> = used.into_iter().map(|(request, ..)| request).collect();
        for row in self.store().decided_requests().await? {
            if row.used_at.is_none() && used.contains(&row.id) {
                tell(row.id, "the row of look_request says that it was not used, and a look says so");
            }
            let Some(decision) = row.decision.clone() else { continue };
            let is_known = book.requests.contains(&(row.id, decision));
            if !(is_known || (is_old(row.decided_at) && self.is_request_ruled(&row))) {
                tell(row.id, "the row of look_request says that it was decided, and no look says so");
            }
        }
        for (id, why) in self.unproven_reviews(&book).await? {
            tell(id, why);
        }
        let mut holds = HashSet::new();
        for row in self.store().legal_holds().await? {
            holds.insert(row.id);
            if matches!(book.set.get(&row.id), Some(Some(keeps)) if *keeps != keeps_hash(row.id, &row.scope))
            {
                tell(row.id, "the row of legal_hold does not keep what it was set to keep");
            }
            let is_known = book.lifted.contains(&row.id);
            if row.lifted_at.is_some() && !(is_known || (is_old(row.lifted_at) && self.is_lifted(&row))) {
                tell(row.id, "the row of legal_hold says that it was lifted, and no look says so");
            }
        }
        for id in book.set.keys().filter(|id| !holds.contains(id)) {
            tell(*id, "the row of legal_hold is gone");
        }
        let mut entries = HashSet::new();
        for BreachEntryRow { id, at, detail, .. } in self.store().breach_entries().await? {
            entries.insert(id);
            match book.breaches.get(&id) {
                Some(Some(hash)) if *hash != hash_of(detail.stored()) => {
                    tell(id, "the row of breach_entry is not what was entered");
                }
                None if !is_old(Some(at)) => {
                    tell(id, "no look says that the row of breach_entry was entered")
                }
                _ => {}
            }
        }
        for id in book.breaches.keys().filter(|id| !entries.contains(id)) {
            tell(*id, "the row of breach_entry is gone");
        }
        for id in self.unproven_keys().await? {
            tell(id, "the row of erased_key says that a key was destroyed, and nothing proves it");
        }
        for row in self.store().erasures_pending().await?.iter().filter(|row| !self.is_erasure_proven(row)) {
            tell(row.id, "the row of erasure says that a person was erased, and nothing proves it");
        }
        for (id, why) in book.glasses.broken(&self.store().all_break_glasses().await?, book.first) {
            tell(id, why);
        }
        Ok(Some(broken))
    }

    /// Gives what older versions have decided its index, where the list of looks shows it.
    pub(super) async fn prove_rulings(&self) -> Result<(), RelayFault> {
        let broken = self.unproven().await?.unwrap_or_default();
        let unproven: HashSet<i64> =
            broken.iter().filter_map(|broken| parse_queue_id(broken.row.as_deref()?)).collect();
        for row in self.store().all_items().await? {
            if let (None, Some(decision), Some(at)) = (&row.ruling, &row.decision, row.decided_at)
                && !unproven.contains(&row.id)
            {
                let ruling = self.proof_of("review_item", row.id, &item_said(decision, at));
                self.store().rule_item(row.id, ruling).await?;
            }
        }
        for row in self.store().legal_holds().await? {
            if let (None, Some(at)) = (&row.ruling, row.lifted_at)
                && !unproven.contains(&row.id)
            {
                self.store().rule_hold(row.id, self.proof_of("legal_hold", row.id, &hold_said(at))).await?;
            }
        }
        Ok(())
    }

    /// The purpose of a key that it takes to read the list of looks, and that is not here.
    pub(super) fn lacks_key_of_looks(&self) -> Option<Purpose> {
        let vault = self.vault();
        let opens = |purpose| vault.lines.iter().any(|line| line.purpose == purpose && line.opens);
        [Purpose::Seal, Purpose::Log].into_iter().find(|purpose| !opens(*purpose))
    }

    /// What the list of looks says of decisions; `None` where its key is not here.
    async fn book(&self) -> Result<Option<Book>, RelayFault> {
        if self.lacks_key_of_looks().is_some() {
            return Ok(None);
        }
        let mut book = Book { first: self.store().first_look().await?, ..Book::default() };
        let mut after = i64::MIN;
        loop {
            let rows = self.store().rulings_after(after, MANY).await?;
            let Some(last) = rows.last() else { return Ok(Some(book)) };
            after = last.id;
            for row in rows {
                let opened = self.opened_detail(&row.key, look_place(row.id), &row.detail).await;
                match opened {
                    Ok(detail) => book.take(&row, &detail),
                    // Its day is destroyed; or nobody with the key ring wrote it, and the tree says so.
                    Err(RelayFault::Vault(_) | RelayFault::Malformed(_)) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
    }
}

impl Book {
    /// Whether something is from before the first entry that there is.
    fn is_old(&self, at: Option<Timestamp>) -> bool {
        self.first.is_none_or(|first| at.is_some_and(|at| at < first))
    }

    fn take(&mut self, row: &LookRow, detail: &Value) {
        let id = |path: &str| detail.pointer(path).and_then(Value::as_str).and_then(parse_queue_id);
        match (row.kind.as_str(), row.outcome.as_str()) {
            ("request", decision) => {
                self.requests.extend(row.request_id.map(|request| (request, decision.to_owned())));
            }
            ("review", "begun") => {
                let accesses = detail.pointer("/what/accesses").and_then(Value::as_u64);
                self.reviews.extend(id("/what/review").map(|review| (review, accesses)));
            }
            ("review", decision) => {
                self.accesses.extend(id("/what/access").map(|access| (access, decision.to_owned())));
            }
            ("hold", "set") => {
                let keeps = detail.pointer("/what/keeps").and_then(Value::as_str).map(str::to_owned);
                self.set.extend(id("/what/hold").map(|hold| (hold, keeps)));
            }
            ("hold", "opened") => {
                let holds = detail.pointer("/what/lift/hold").and_then(Value::as_str).unwrap_or_default();
                self.lifted.extend(holds.split_whitespace().filter_map(parse_queue_id));
            }
            (break_glass::KIND, outcome) => {
                if let Some(id) = id("/what/break_glass") {
                    self.glasses.take(id, outcome, detail.get("what").unwrap_or(&Value::Null));
                }
            }
            ("breach", "entered") => {
                let hash = detail.pointer("/what/hash").and_then(Value::as_str).map(str::to_owned);
                self.breaches.extend(id("/what/entry").map(|entry| (entry, hash)));
            }
            _ => {}
        }
    }
}

/// What an index of a request's decision is over.
pub(super) fn request_said(decision: &str, at: Timestamp, decider: &[u8]) -> String {
    format!("{decision} {} {}", at.as_millis(), HEXLOWER.encode(decider))
}

/// What an index of a decision about an access is over.
pub(super) fn item_said(decision: &str, at: Timestamp) -> String {
    format!("{decision} {}", at.as_millis())
}

/// What an index of the lifting of a hold is over.
pub(super) fn hold_said(at: Timestamp) -> String {
    format!("lifted {}", at.as_millis())
}
