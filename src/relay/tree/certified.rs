//! What certificates say was destroyed, held against the leaves that they name.
//!
//! Rules: of a certificate that the tree's key signed, count and root must be those of the rows that it names. What
//! people are told of a day must be what the signed certificates of that walk come to; and of a day that is said to be
//! gone nothing may be there. Rows of a leaf are held only until all leaves of their certificates have come.
//! When it fails: [`RelayFault`] where the database does not answer. What does not fit is told as [`Broken`].

use super::broken::Broken;
use super::rows::{Certified, CertifiedRows, Lawful};
use super::verify::MANY;
use super::{destroy, hour_of};
use crate::ledger::merkle::{self, Hash};
use crate::ledger::{Certificate, Verifier, What};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault, queue_id};
use crate::store::{CertificateRow, DAY_MS, Ids, day_text};
use crate::vault::Class;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A row and its hash.
type Row = (i64, Hash);

/// A signed certificate.
struct Claim {
    id: i64,
    count: u64,
    root: Hash,
    /// How many leaves it names, and their rows, as far as they have come.
    parts: usize,
    found: BTreeMap<usize, Vec<Row>>,
    /// What people are told of it.
    said: Option<usize>,
    state: State,
}

/// What people are told of the destruction of a day.
struct Said {
    id: i64,
    class: String,
    day: i64,
    rows: u64,
    unentered: u64,
    root: String,
    /// How many of its signed certificates have not come to their end.
    waits: usize,
    found: Vec<Row>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waits,
    Done,
    /// A leaf of it is not looked at.
    LeftOut,
}

/// All of them.
#[derive(Default)]
pub(super) struct Claims {
    claims: Vec<Claim>,
    said: Vec<Said>,
    broken: Vec<Broken>,
}

fn broken(what: &'static str, id: i64, why: &str) -> Broken {
    let why = format!("certificate {} of destruction: {why}", queue_id(id));
    Broken { what, hour: None, row: None, leaf: None, why }
}

impl Relay {
    /// What certificates that a known key signed say, by leaf; what has to be held against the leaves; what is wrong
    /// already.
    pub(super) async fn certified(
        &self,
        keys: &[Verifier],
    ) -> Result<(Certified, Claims, Vec<Broken>), RelayFault> {
        let (mut rows, mut claims) = (CertifiedRows::default(), Claims::default());
        let mut wrong = Vec::new();
        let mut by_rule = HashMap::new();
        let mut from = i64::MIN;
        loop {
            let some = self.store().certificates_from(from, MANY).await?;
            let Some(last) = some.last() else { break };
            from = last.id.saturating_add(1);
            for row in some.iter().filter(|row| row.kind == "retention") {
                match Said::read(row) {
                    Some((said, rule, class)) => {
                        if row.is_last {
                            rows.days.insert((class, said.day));
                        }
                        by_rule.insert(rule, claims.said.len());
                        claims.said.push(said);
                    }
                    None => wrong.push(broken("changed", row.id, "its text and its row do not say the same")),
                }
            }
        }
        from = i64::MIN;
        loop {
            let some = self.store().destructions(from, MANY).await?;
            let Some((last, _)) = some.last() else { break };
            from = last.saturating_add(1);
            for (id, note) in &some {
                let Ok(certificate) = Certificate::read(note.as_bytes(), keys) else {
                    let why =
                        format!("certificate {} of destruction is signed by no known key", queue_id(*id));
                    wrong.push(Broken { what: "unsigned", hour: None, row: None, leaf: None, why });
                    continue;
                };
                let said = by_rule.get(&certificate.rule).copied();
                if let Some(said) = said.and_then(|said: usize| claims.said.get_mut(said)) {
                    said.waits += 1;
                }
                if !rows.take(claims.claims.len(), &certificate) {
                    wrong.push(broken("replayed", *id, "it names rows that another one named before"));
                }
                let Certificate { count, root, gone, .. } = certificate;
                let (parts, found) = (gone.len(), BTreeMap::new());
                claims.claims.push(Claim { id: *id, count, root, parts, found, said, state: State::Waits });
            }
        }
        Ok((Arc::new(rows), claims, wrong))
    }
}

impl CertifiedRows {
    /// Takes what a certificate names. Whether it is the first to do so.
    fn take(&mut self, claim: usize, certificate: &Certificate) -> bool {
        let mut is_first = true;
        for (part, gone) in certificate.gone.iter().enumerate() {
            let lawful: &mut Lawful = self.lawful.entry(gone.position).or_default();
            lawful.parts.push((claim, part, gone.rows.clone()));
            let list = match certificate.what {
                What::Rows => &mut lawful.rows,
                What::Headers => &mut lawful.headers,
            };
            list.resize(list.len().max(gone.rows.len()), false);
            for (had, gone) in list.iter_mut().zip(&gone.rows) {
                is_first &= !(*had && *gone);
                *had |= gone;
            }
        }
        is_first
    }
}

impl Said {
    /// Reads what people are told; with the rule of its signed certificates, and the class. `None` where text and row
    /// differ.
    fn read(row: &CertificateRow) -> Option<(Self, String, Class)> {
        let text = std::str::from_utf8(&row.body).ok()?;
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let (class, day) = (value("class")?, row.day?);
        let is_last = !value("keys")?.starts_with("kept");
        let is_same = row.class.as_deref() == Some(class)
            && value("day")? == day_text(day)
            && is_last == row.is_last
            && value("id")? == queue_id(row.id);
        let known = Class::ALL.into_iter().find(|known| known.as_str() == class)?;
        let said = Self {
            id: row.id,
            class: class.to_owned(),
            day,
            rows: value("rows")?.parse().ok()?,
            unentered: value("unentered")?.parse().ok()?,
            root: value("root")?.to_owned(),
            waits: 0,
            found: Vec::new(),
            state: State::Waits,
        };
        let rule = destroy::rule_of(class, &day_text(day), value("begun")?);
        is_same.then_some((said, rule, known))
    }

    fn judge(&mut self) -> Option<Broken> {
        self.state = State::Done;
        let mut rows = std::mem::take(&mut self.found);
        rows.sort_unstable();
        if rows.len() as u64 + self.unentered != self.rows {
            return Some(broken("forged", self.id, "signed certificates name another number of rows"));
        }
        let root = merkle::root(rows.into_iter().map(|(_, hash)| hash));
        let fits = self.unentered > 0 || data_encoding::HEXLOWER.encode(&root) == self.root;
        (!fits).then(|| broken("forged", self.id, "its root is not that of the rows that were entered"))
    }
}

impl Claims {
    /// Takes the rows that a certificate names in one of its leaves.
    pub fn fill(&mut self, claim: usize, part: usize, rows: Vec<Row>) {
        let Some(own) = self.claims.get_mut(claim).filter(|claim| claim.state == State::Waits) else {
            return;
        };
        own.found.insert(part, rows);
        if own.found.len() < own.parts {
            return;
        }
        own.state = State::Done;
        let rows: Vec<Row> = std::mem::take(&mut own.found).into_values().flatten().collect();
        let root = merkle::root(rows.iter().map(|(_, hash)| *hash));
        if rows.len() as u64 != own.count || root != own.root {
            self.broken.push(broken("forged", own.id, "count and root are not those of the rows it names"));
        }
        let Some(said) = own.said.and_then(|said| self.said.get_mut(said)) else { return };
        said.found.extend(rows);
        said.waits = said.waits.saturating_sub(1);
        if said.waits == 0 && said.state == State::Waits {
            self.broken.extend(said.judge());
        }
    }

    /// A leaf of a certificate is not looked at.
    pub fn leave_out(&mut self, claim: usize) {
        let Some(claim) = self.claims.get_mut(claim).filter(|claim| claim.state == State::Waits) else {
            return;
        };
        (claim.state, claim.found) = (State::LeftOut, BTreeMap::new());
        if let Some(said) = claim.said.and_then(|said| self.said.get_mut(said)) {
            (said.state, said.found) = (State::LeftOut, Vec::new());
        }
    }

    /// What does not fit, now that all leaves have come. `first`: the first hour of the log that is in the tree.
    pub fn finish(mut self, first: Option<Timestamp>) -> Vec<Broken> {
        for claim in self.claims.iter().filter(|claim| claim.state == State::Waits) {
            self.broken.push(broken("forged", claim.id, "it names a leaf that is not there"));
            if let Some(said) = claim.said.and_then(|said| self.said.get_mut(said)) {
                said.state = State::LeftOut;
            }
        }
        for said in self.said.iter_mut().filter(|said| said.state == State::Waits) {
            self.broken.extend(said.judge());
        }
        // Looks have requests beside them, which are in no leaf, and the tree may be younger than the log.
        let begun = |day: i64| first.is_some_and(|first| first.as_millis() < day.saturating_mul(DAY_MS));
        for said in
            self.said.iter().filter(|said| said.unentered > 0 && said.class != "audit" && begun(said.day))
        {
            self.broken.push(broken(
                "inserted",
                said.id,
                "rows were destroyed with it that had never been entered",
            ));
        }
        self.broken
    }
}

impl CertifiedRows {
    /// What of the row is there although its day is said to be gone.
    pub fn is_restored(&self, id: i64, event: &str, has_headers: bool) -> bool {
        let day = hour_of(Ids::time_of(id)).div_euclid(24);
        let class = crate::store::class_of(event);
        let headers = has_headers && class == Class::Metadata && self.days.contains(&(Class::Headers, day));
        headers || self.days.contains(&(class, day))
    }
}
