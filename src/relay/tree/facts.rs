//! Facts, held against the records that they find.
//!
//! Rules: a fact is in no tree, since its numbers go with the person; but it says when, what and of whom in clear, as its record does, and is there
//! exactly as long as that. So each row that is as it was entered must have its fact, and each fact its row: what searches no longer find is told.
//! What a fact says beside that has a proof (`store/fact_proofs.rs`), which only a process with the ring makes. Facts of an older version have none, and those that
//! were emptied with their person: these are counted. So are rows from before there were facts.
//! When it fails: [`RelayFault`] where the database does not answer.

use super::begins;
use super::broken::Broken;
use super::rows::{Found, PAGE};
use crate::ledger::LogRow;
use crate::relay::{Relay, RelayFault};
use crate::store::{FactRow, Proven};
use crate::vault::FactProofs;
use std::sync::Arc;

/// What is known of all facts.
#[derive(Clone)]
pub(super) struct KnownFacts {
    /// The first id that has one.
    since: i64,
    /// The first id whose fact has a proof.
    proven_since: i64,
    proofs: Option<Arc<FactProofs>>,
}

impl Default for KnownFacts {
    fn default() -> Self {
        Self { since: i64::MAX, proven_since: i64::MAX, proofs: None }
    }
}

/// Rows of the log, one after the other.
pub(super) struct Stretch<'a> {
    pub hour: i64,
    pub from: i64,
    pub to: i64,
    pub rows: &'a [LogRow],
    /// Which of them are as they were entered.
    pub sound: &'a [bool],
    /// Whether all rows of this stretch are here.
    pub is_whole: bool,
    /// Rows that are gone without a certificate, as was told.
    pub missed: &'a [i64],
}

impl Relay {
    /// What is to be known of facts before they are held against anything.
    pub(super) async fn known_facts(&self) -> Result<KnownFacts, RelayFault> {
        let (since, proven_since) = (self.store().facts_since().await?, self.store().proofs_since().await?);
        Ok(KnownFacts { since, proven_since, proofs: self.store().fact_proofs() })
    }

    /// Holds the facts of a stretch against its rows, a page at a time.
    pub(super) async fn verify_facts(
        &self,
        stretch: &Stretch<'_>,
        known: &KnownFacts,
        found: &mut Found,
    ) -> Result<(), RelayFault> {
        let mut rows = stretch.rows.iter().zip(stretch.sound).peekable();
        let mut from = stretch.from;
        loop {
            let facts = self.store().fact_rows(from, stretch.to, PAGE).await?;
            let is_last = super::number(facts.len()) < PAGE;
            from = facts.last().map_or(stretch.to, |last| last.id.saturating_add(1));
            for fact in &facts {
                while let Some((row, is_sound)) = rows.next_if(|(row, _)| row.id < fact.id) {
                    found.lacks_fact(stretch, row, *is_sound, known.since);
                }
                match rows.next_if(|(row, _)| row.id == fact.id) {
                    Some((row, true)) if !is_of(fact, row) => {
                        found.tell(
                            stretch,
                            "changed",
                            row.id,
                            "its fact, by which it is found, says something else",
                        );
                    }
                    Some((_, true)) => match self.held_said(fact, known).await? {
                        Proven::Yes => {}
                        Proven::Emptied => found.emptied_facts += 1,
                        Proven::No if fact.id < known.proven_since => found.unproven_facts += 1,
                        Proven::No | Proven::Altered => {
                            let why = "its fact, by which it is found, is not what was written";
                            found.tell(stretch, "changed", fact.id, why);
                        }
                    },
                    None if stretch.is_whole && self.is_orphan(stretch, fact.id).await? => {
                        found.orphans.push(fact.id);
                    }
                    _ => {}
                }
            }
            if is_last {
                break;
            }
        }
        rows.for_each(|(row, is_sound)| found.lacks_fact(stretch, row, *is_sound, known.since));
        Ok(())
    }

    /// Holds what a fact says beside its record's words against its proof. It is read by two statements, between which its person may be erased: what
    /// does not fit is read once more.
    async fn held_said(&self, fact: &FactRow, known: &KnownFacts) -> Result<Proven, RelayFault> {
        let Some(proofs) = &known.proofs else { return Ok(Proven::Yes) };
        let proven = fact.said.proven_by(proofs);
        if !matches!(proven, Proven::No | Proven::Altered)
            || fact.id < known.proven_since && proven == Proven::No
        {
            return Ok(proven);
        }
        let again = self.store().fact_rows(fact.id, fact.id.saturating_add(1), 1).await?;
        // One that is gone by now is told as such, where it should not be.
        Ok(again.first().map_or(Proven::Yes, |fact| fact.said.proven_by(proofs)))
    }

    /// Whether a fact has no row, which may have come since the rows were read.
    async fn is_orphan(&self, stretch: &Stretch<'_>, id: i64) -> Result<bool, RelayFault> {
        let is_told = stretch.missed.binary_search(&id).is_ok();
        Ok(!is_told && self.store().count_log_rows(id, id.saturating_add(1)).await? == 0)
    }
}

impl Found {
    fn lacks_fact(&mut self, stretch: &Stretch<'_>, row: &LogRow, is_sound: bool, since: i64) {
        if !is_sound {
            return;
        }
        if row.id < since {
            self.without_fact += 1;
        } else {
            self.tell(stretch, "deleted", row.id, "its fact is gone: no search finds it any more");
        }
    }

    fn tell(&mut self, stretch: &Stretch<'_>, what: &'static str, id: i64, why: &str) {
        self.broken.push(Broken::row(what, begins(stretch.hour), id, why));
    }
}

fn is_of(fact: &FactRow, row: &LogRow) -> bool {
    (fact.at, &fact.event, fact.merchant_id, fact.conversation_id, fact.message_id, fact.delivery_id)
        == (row.at, &row.event, row.merchant_id, row.conversation_id, row.message_id, row.delivery_id)
}
