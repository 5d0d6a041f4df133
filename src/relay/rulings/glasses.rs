//! Break-glasses, held against the list of looks: a row that is gone, another one, or decided or ended otherwise than a look says.
//!
//! Rules: from the version on whose look has the hash of what was asked for, a row and the looks about it were written in one
//! transaction each, so they say the same to the letter; of an older one only what was approved must have its look.
//! When it fails: never; it tells what does not fit.

use crate::mail::Timestamp;
use crate::relay::break_glass::asked_hash;
use crate::store::{BreakGlassRow, Ids};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What looks say of one.
#[derive(Default)]
struct Said {
    /// Whether the look of the asking is there, and the hash where it has one.
    asked: Option<Option<String>>,
    /// Until when it was approved.
    approved: Option<String>,
    ended: bool,
}

/// What the list of looks says of break-glasses.
#[derive(Default)]
pub(super) struct Glasses(HashMap<i64, Said>);

impl Glasses {
    /// Takes what an entry says. `what`: its words about the break-glass.
    pub fn take(&mut self, id: i64, outcome: &str, what: &Value) {
        let word = |name: &str| what.get(name).and_then(Value::as_str).map(str::to_owned);
        let said = self.0.entry(id).or_default();
        match outcome {
            "asked" => said.asked = Some(word("hash")),
            "approved" => said.approved = word("until"),
            "ended" => said.ended = true,
            _ => {}
        }
    }

    /// What does not fit: whose row, and why. `first`: when the first entry was made that is still there.
    pub fn broken(&self, rows: &[BreakGlassRow], first: Option<Timestamp>) -> Vec<(i64, &'static str)> {
        let mut broken = Vec::new();
        let is_old = |at: Timestamp| first.is_none_or(|first| at < first);
        for row in rows {
            let nothing = Said::default();
            let said = self.0.get(&row.id).unwrap_or(&nothing);
            match &said.asked {
                // Asked for before the first entry that is left: its look is destroyed with its day, and it goes with it.
                None if is_old(row.at) => continue,
                None => broken.push((row.id, "no look says that the row of break_glass was asked for")),
                Some(hash) => broken.extend(differs(row, said, hash.as_deref()).map(|why| (row.id, why))),
            }
        }
        let there: HashSet<i64> = rows.iter().map(|row| row.id).collect();
        // At midnight a look may be of the day after its row, which is destroyed first.
        let is_kept = |id: i64| !is_old(Ids::time_of(id));
        let gone =
            self.0.iter().filter(|(id, said)| said.asked.is_some() && !there.contains(id) && is_kept(**id));
        broken.extend(gone.map(|(id, _)| (*id, "the row of break_glass is gone")));
        broken
    }
}

fn differs(row: &BreakGlassRow, said: &Said, hash: Option<&str>) -> Option<&'static str> {
    let until = row.decided_at.map(|_| row.expires_at.to_rfc3339());
    let is_approved = "the row of break_glass says that it was approved, and no look says so";
    let Some(hash) = hash else {
        return (until.is_some() && said.approved.is_none()).then_some(is_approved);
    };
    let parts = [row.actor_idx.as_slice(), &row.account_idx, row.detail.stored()];
    if asked_hash(row.id, row.at, row.hours, parts) != hash {
        return Some("the row of break_glass is not what was asked for");
    }
    if until != said.approved {
        return Some(match said.approved {
            None => is_approved,
            Some(_) => "the row of break_glass is not what was approved",
        });
    }
    if row.ended_at.is_some() != said.ended {
        return Some("the row of break_glass does not say as a look does whether it was ended");
    }
    None
}
