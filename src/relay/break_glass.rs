//! Break-glass: for some hours one person may come from elsewhere than Japan, since another person in Japan approved it.
//!
//! Rules: who will come asks himself, from wherever he is, under the account that he will use, with case and reason. Another person,
//! from where staff may come, approves within 72 hours; then it is good for the hours that were asked for, 24 at most,
//! for that name under that account, and ends by itself. The operator's people are told by mail. Asking, approving, each use and the end
//! are in the list of looks, so in the audit tree.
//! When it fails: [`DeskFault`], and nobody is let through. Where nobody can be told, what was approved is ended again.

use super::desk::DeskFault;
use super::look::{Account, Look, LookPurpose};
use super::{Relay, RelayFault, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{BreakGlassRow, NewBreakGlass};
use crate::vault::{Class, Index, Indexed, Place};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Of entries about it.
pub(super) const KIND: &str = "break-glass";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// How long it can be approved.
const DECIDED_WITHIN: Duration = Duration::from_secs(72 * 3600);
/// The longest that it is good.
const HOURS_MAX: u32 = 24;
/// How often one person may ask for it in a day.
const ASKED_A_DAY: usize = 10;
const REASON_MAX: usize = 1000;
/// Most of them in one list.
const LIST_MAX: i64 = 1000;

/// A break-glass, opened.
#[derive(Debug, Clone)]
pub struct BreakGlass {
    pub id: String,
    pub at: Timestamp,
    pub actor: String,
    pub user: String,
    pub case: String,
    pub reason: String,
    pub hours: i64,
    /// From where it was asked for, as an entry has it.
    pub origin: Value,
    pub approved_at: Option<Timestamp>,
    /// Until when it can be approved, or is good.
    pub until: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl BreakGlass {
    /// How it stands at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> &'static str {
        match (self.approved_at, self.ended_at) {
            (_, Some(_)) => "ended",
            (_, None) if self.until <= now => "over",
            (Some(_), None) => "stands",
            (None, None) => "waits",
        }
    }
}

/// What is proven of an approval.
fn approved_said(at: Timestamp, until: Timestamp, by: &[u8]) -> String {
    format!("approved {} {} {}", at.as_millis(), until.as_millis(), HEXLOWER.encode(by))
}

/// The hash of what was asked for, as its look has it: of all that is not decided later.
pub(super) fn asked_hash(id: i64, at: Timestamp, hours: i64, parts: [&[u8]; 3]) -> String {
    let mut hash = Sha256::new().chain_update(b"anshin break-glass 1\0");
    for number in [id, at.as_millis(), hours] {
        hash.update(number.to_be_bytes());
    }
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

impl Relay {
    /// Asks that somebody may come from elsewhere: he himself. The id.
    ///
    /// # Errors
    /// [`DeskFault`] that says what is wrong.
    pub async fn ask_break_glass(&self, look: &Look, reason: &str, hours: u32) -> Result<String, DeskFault> {
        self.is_not_suspended(look).await?;
        let reason = reason.trim();
        if !(1..=REASON_MAX).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
            return Err(DeskFault::Reason);
        }
        if !(1..=HOURS_MAX).contains(&hours) {
            return Err(DeskFault::Hours);
        }
        let (id, now) = (self.next_id(), Timestamp::now());
        let actors = self.vault().index.all(Indexed::Actor(&look.actor));
        let day = i64::try_from(DAY.as_millis()).unwrap_or(0);
        let since = Timestamp::from_millis(now.as_millis() - day);
        let asked =
            self.store().break_glasses(since, now.after(DAY), LIST_MAX).await.map_err(RelayFault::from)?;
        if asked.iter().filter(|row| is_one(&actors, &row.actor_idx)).count() >= ASKED_A_DAY {
            return Err(DeskFault::TooMany);
        }
        let key = &self.inner.installation;
        let detail = json!({
            "actor": look.actor,
            "user": look.account.to_string(),
            "person": look.account.person(),
            "case": look.case,
            "reason": reason,
            "origin": self.staff().judge(look.account.from).to_json(),
        });
        let index = &self.vault().index;
        let new = NewBreakGlass {
            id,
            at: now,
            expires_at: now.after(DECIDED_WITHIN),
            hours: i64::from(hours),
            actor_idx: index.of(Indexed::Actor(&look.actor)),
            account_idx: index.of(Indexed::Actor(&account_text(&look.account))),
            data_key_id: key.id(),
            detail: self.seal_in(Class::Audit, key, place(id), detail.to_string().as_bytes()),
        };
        let what = json!({
            "break_glass": queue_id(id),
            "hours": hours,
            "reason": reason,
            "hash": asked_hash(id, now, new.hours, [new.actor_idx.as_bytes(), new.account_idx.as_bytes(), new.detail.stored()]),
        });
        let asked = self.entry(look, KIND, Some(what), 0, "asked", None);
        self.store().ask_break_glass(&asked, &new).await.map_err(RelayFault::from)?;
        Ok(queue_id(id))
    }

    /// Approves somebody else's, and tells `people`.
    ///
    /// # Errors
    /// [`DeskFault`] when it can't be approved, or not by this one or from there.
    pub async fn approve_break_glass(
        &self,
        id: &str,
        actor: &str,
        account: Account,
        people: &[RealAddress],
    ) -> Result<BreakGlass, DeskFault> {
        let (id, row) = self.break_glass_row(id).await?;
        let detail = self.opened_detail(&row.key, place(id), &row.detail).await?;
        let word = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let look = Look::new(actor, LookPurpose::Audit, &word("case"), account)?;
        self.must_be_in_place(&look).await?;
        self.is_not_suspended(&look).await?;
        // By name, and by who logged in where the system knows that.
        let person = detail.get("person").and_then(Value::as_u64);
        if look.actor == word("actor") || (account.login.is_some() && person == account.login.map(u64::from))
        {
            return Err(DeskFault::OwnRequest);
        }
        let now = Timestamp::now();
        let until = now.after(HOUR * u32::try_from(row.hours).unwrap_or(1).min(HOURS_MAX));
        let what =
            json!({ "break_glass": queue_id(id), "whose": word("actor"), "until": until.to_rfc3339() });
        let approved = self.entry(&look, KIND, Some(what), 0, "approved", None);
        let decider = self.vault().index.of(Indexed::Actor(&look.actor));
        let store = self.store();
        let ruling = self.proof_of("break_glass", id, &approved_said(now, until, decider.as_bytes()));
        let done = store.approve_break_glass(&approved, id, decider, ruling, now, until).await;
        if !done.map_err(RelayFault::from)? {
            return Err(DeskFault::NoBreakGlass);
        }
        tracing::warn!(
            event = "break_glass",
            break_glass = queue_id(id),
            until = until.to_rfc3339(),
            "approved"
        );
        let (subject, text) = self.told(&queue_id(id), &word("actor"), &look.actor, until);
        for (to, number) in people.iter().zip(1..) {
            // The same is told once, and each of the people has a mail of his own.
            let once = format!("break-glass {} {number}", queue_id(id));
            if let Err(fault) = self.write_to(to, &once, &subject, &text, now).await {
                let what = json!({ "break_glass": queue_id(id), "why": "nobody could be told" });
                let ended = self.entry(&look, KIND, Some(what), 0, "ended", None);
                let _ = store.end_break_glass(&ended, id, now).await;
                return Err(fault.into());
            }
        }
        let row = store.break_glass(id).await.map_err(RelayFault::from)?.ok_or(DeskFault::NoBreakGlass)?;
        Ok(self.open_break_glass(row).await?)
    }

    /// Ends one, approved or not.
    ///
    /// # Errors
    /// [`DeskFault`] when it is over already.
    pub async fn end_break_glass(&self, id: &str, look: &Look) -> Result<(), DeskFault> {
        let (id, _) = self.break_glass_row(id).await?;
        let what = json!({ "break_glass": queue_id(id) });
        let ended = self.entry(look, KIND, Some(what), 0, "ended", None);
        match self.store().end_break_glass(&ended, id, Timestamp::now()).await.map_err(RelayFault::from)? {
            true => Ok(()),
            false => Err(DeskFault::NoBreakGlass),
        }
    }

    /// Those that were asked for in a span of time, the latest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or the log's key is not here.
    pub async fn break_glasses(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<BreakGlass>, RelayFault> {
        let mut views = Vec::new();
        for row in self.store().break_glasses(from, until, LIST_MAX).await? {
            views.push(self.open_break_glass(row).await?);
        }
        Ok(views)
    }

    /// The ids of those that are good now, and until when.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn standing_break_glasses(&self, now: Timestamp) -> Result<Vec<(i64, Timestamp)>, RelayFault> {
        let rows = self.store().standing_break_glasses(now).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.expires_at)).collect())
    }

    /// The one that lets somebody through who works under an account: of his name, if he gave one.
    pub(super) async fn let_through(
        &self,
        look: Option<&Look>,
        account: &Account,
        now: Timestamp,
    ) -> Result<Option<i64>, RelayFault> {
        // A page or a call has its process's account, not that of who asks.
        if !account.from.is_of_a_login() {
            return Ok(None);
        }
        let index = &self.vault().index;
        let actors = look.map(|look| index.all(Indexed::Actor(&look.actor)));
        let accounts = index.all(Indexed::Actor(&account_text(account)));
        let rows = self.store().standing_break_glasses(now).await?;
        let is_his = |row: &&BreakGlassRow| {
            self.is_approved(row)
                && is_one(&accounts, &row.account_idx)
                && actors.as_ref().is_none_or(|actors| is_one(actors, &row.actor_idx))
        };
        Ok(rows.iter().find(is_his).map(|row| row.id))
    }

    /// Whether somebody with the key ring approved it, for as long as may be.
    fn is_approved(&self, row: &BreakGlassRow) -> bool {
        let (Some(at), Some(by), Some(ruling)) = (row.decided_at, &row.decider_idx, &row.ruling) else {
            return false;
        };
        let proof = self.proof_of("break_glass", row.id, &approved_said(at, row.expires_at, by));
        ruling.as_slice() == proof.as_bytes() && row.expires_at <= at.after(HOUR * HOURS_MAX)
    }

    async fn break_glass_row(&self, id: &str) -> Result<(i64, BreakGlassRow), DeskFault> {
        let id = super::parse_queue_id(id).ok_or(DeskFault::NoBreakGlass)?;
        let row = self.store().break_glass(id).await.map_err(RelayFault::from)?;
        Ok((id, row.ok_or(DeskFault::NoBreakGlass)?))
    }

    async fn open_break_glass(&self, row: BreakGlassRow) -> Result<BreakGlass, RelayFault> {
        let detail = self.opened_detail(&row.key, place(row.id), &row.detail).await?;
        let word = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(BreakGlass {
            id: queue_id(row.id),
            at: row.at,
            actor: word("actor"),
            user: word("user"),
            case: word("case"),
            reason: word("reason"),
            hours: row.hours,
            origin: detail.get("origin").cloned().unwrap_or_default(),
            approved_at: row.decided_at,
            until: row.expires_at,
            ended_at: row.ended_at,
        })
    }

    /// What the operator's people are told: subject and text. Case and reason stay here: somebody may have written a customer's
    /// name there.
    fn told(&self, id: &str, actor: &str, decider: &str, until: Timestamp) -> (String, String) {
        let (host, until) = (&self.policy().hostname, until.to_rfc3339());
        let text = format!(
            "{actor} さんは {until} まで、国内の決められた場所以外からも利用者情報を開くことができます。承認者: {decider}\r\n\
             心当たりがなければ、すぐに終わらせてください: anshin compliance break-glass end {id} --actor 氏名\r\n\
             \r\n\
             {actor} may have user information opened from elsewhere than Japan until {until}. Approved by {decider}.\r\n\
             If you know nothing of it, end it at once: anshin compliance break-glass end {id} --actor NAME\r\n"
        );
        (format!("Break-glass {id} at {host}"), text)
    }
}

/// An account, as an index has it. No name of a person is the same: one has no second blank.
fn account_text(account: &Account) -> String {
    format!("account  {}", account.person())
}

fn is_one(indexes: &[Index], stored: &[u8]) -> bool {
    indexes.iter().any(|index| index.as_bytes() == stored)
}

const fn place(id: i64) -> Place {
    Place::new("break_glass", "detail", id)
}
