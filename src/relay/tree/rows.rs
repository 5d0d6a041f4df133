//! One hour of the log, held against its leaves.
//!
//! Rules: rows and marks are both in the order of their ids and are walked side by side, a page at a time. A row that no leaf
//! of the walk has may have come late: it is handed back, for a later leaf to claim.
//! When it fails: [`RelayFault`] where the database does not answer. What is wrong with the rows is told as [`Broken`].

use super::broken::Broken;
use super::facts::{KnownFacts, Stretch};
use super::{begins, number};
use crate::ledger::{LogRow, Mark, root_of, unpack};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault};
use crate::store::LeafRow;
use crate::vault::Class;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Rows read at once: some 2 MB, of each hour that is verified beside others.
pub(super) const PAGE: i64 = 1024;

/// What certificates say of the rows of a leaf.
#[derive(Default)]
pub(super) struct Lawful {
    pub rows: Vec<bool>,
    pub headers: Vec<bool>,
    /// Which certificate, which of its leaves, and the rows.
    pub parts: Vec<(usize, usize, Vec<bool>)>,
}

/// Which certificate, which of its leaves, and the rows that it names there with their hashes.
pub(super) type Named = (usize, usize, Vec<(i64, [u8; 32])>);

/// What is lawfully gone.
#[derive(Default)]
pub(super) struct CertifiedRows {
    /// By position of the leaf.
    pub lawful: HashMap<u64, Lawful>,
    /// Days of classes of which nothing is left.
    pub days: HashSet<(Class, i64)>,
}

pub(super) type Certified = Arc<CertifiedRows>;

impl CertifiedRows {
    /// The certificates that name rows of a leaf.
    pub fn parts(&self, leaf: u64) -> &[(usize, usize, Vec<bool>)] {
        self.lawful.get(&leaf).map_or(&[], |lawful| lawful.parts.as_slice())
    }
}

/// Leaves of one hour to be held against the rows from one id to before another.
pub(super) struct Hour {
    pub hour: i64,
    pub leaves: Vec<Leaf>,
    pub from: i64,
    pub to: i64,
}

/// A leaf with what its entry says.
pub(super) struct Leaf {
    pub row: LeafRow,
    pub rows: u64,
    pub root: [u8; 32],
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub rows: u64,
    pub destroyed: u64,
    /// Rows from before there were facts.
    pub without_fact: u64,
    /// Facts from before there were proofs.
    pub unproven_facts: u64,
    /// Facts without any number of anybody.
    pub emptied_facts: u64,
    /// Facts without a row, as far as this hour's leaves go.
    pub orphans: Vec<i64>,
    /// Rows of a leaf that was added to an hour later, which are gone without a certificate.
    pub missed: Vec<i64>,
    pub broken: Vec<Broken>,
    /// Rows that no leaf of these has.
    pub unclaimed: Vec<i64>,
    /// Rows of a leaf that was added to an hour later.
    pub claimed: Vec<i64>,
    /// Rows that certificates name: which one, which of its leaves.
    pub named: Vec<Named>,
    /// Certificates that name rows of a leaf whose list is not what it was.
    pub unlisted: Vec<usize>,
    /// Whether the list of a leaf is not what it was.
    is_unlisted: bool,
}

/// A mark with whether its row, or the header block of it, was destroyed lawfully.
struct Expected {
    mark: Mark,
    gone: bool,
    headers_gone: bool,
}

impl Hour {
    /// The marks of all leaves, in order; those that are not what the leaf says are told and left out.
    fn expected(&self, certified: &Certified, found: &mut Found) -> Vec<Expected> {
        let mut expected = Vec::new();
        for Leaf { row, rows, root } in &self.leaves {
            let position = u64::try_from(row.position).unwrap_or_default();
            let marks = row.marks.as_deref().and_then(unpack).unwrap_or_default();
            if marks.len() as u64 != *rows || root_of(&marks) != *root {
                found.is_unlisted = true;
                found.unlisted.extend(certified.parts(position).iter().map(|(claim, ..)| *claim));
                found.broken.push(Broken::leaf(
                    "changed",
                    Some(begins(self.hour)),
                    position,
                    "its list of rows is not the one that was hashed",
                ));
                continue;
            }
            let lawful = certified.lawful.get(&position);
            for (claim, part, rows) in certified.parts(position) {
                // One that counts other rows than there are is about another leaf, and names none of these.
                let is_own = rows.len() == marks.len();
                let named = marks.iter().zip(rows).filter(|(_, gone)| is_own && **gone);
                let named = named.map(|(mark, _)| (mark.id, mark.hash)).collect();
                found.named.push((*claim, *part, named));
            }
            for (at, mark) in marks.into_iter().enumerate() {
                let says = |list: fn(&Lawful) -> &Vec<bool>| {
                    lawful.is_some_and(|lawful| list(lawful).get(at).copied().unwrap_or(false))
                };
                let (gone, headers_gone) = (says(|lawful| &lawful.rows), says(|lawful| &lawful.headers));
                expected.push(Expected { mark, gone, headers_gone });
            }
        }
        expected.sort_by_key(|expected| expected.mark.id);
        expected
    }
}

impl Relay {
    /// Holds an hour's rows against its leaves. `is_whole`: the leaves are the hour's first ones, and rows between theirs count.
    pub(super) async fn verify_hour(
        &self,
        hour: Hour,
        is_whole: bool,
        (certified, facts): (Certified, KnownFacts),
    ) -> Result<Found, RelayFault> {
        let (mut found, mut missed) = (Found::default(), Vec::new());
        let (at, begins) = (hour.hour, begins(hour.hour));
        let mut expected = hour.expected(&certified, &mut found).into_iter().peekable();
        let (mut from, to) = match (is_whole, expected.peek()) {
            (true, _) => (hour.from, hour.to),
            (false, Some(first)) => (first.mark.id, hour.to),
            (false, None) => return Ok(found),
        };
        loop {
            let rows = self.store().log_rows(from, to, PAGE).await?;
            let is_last = number(rows.len()) < PAGE;
            let end = rows.last().filter(|_| !is_last).map_or(to, |last| last.id.saturating_add(1));
            let begin = std::mem::replace(&mut from, end);
            let mut sound = Vec::with_capacity(rows.len());
            for row in &rows {
                while let Some(missing) = expected.next_if(|expected| expected.mark.id < row.id) {
                    found.miss(&missing, begins, &mut missed);
                }
                let own = expected.next_if(|expected| expected.mark.id == row.id);
                if is_whole && own.is_none() {
                    found.unclaimed.push(row.id);
                }
                sound.push(own.is_some_and(|own| found.compare(row, &own, begins, is_whole, &certified)));
            }
            if is_last {
                expected.by_ref().for_each(|missing| found.miss(&missing, begins, &mut missed));
            }
            let (rows, sound) = (rows.as_slice(), sound.as_slice());
            let stretch = Stretch { hour: at, from: begin, to: end, rows, sound, is_whole, missed: &missed };
            self.verify_facts(&stretch, &facts, &mut found).await?;
            if is_last || (!is_whole && expected.peek().is_none()) {
                break;
            }
        }
        // Without a leaf's list nobody knows which rows are its.
        if found.is_unlisted {
            found.unclaimed.clear();
            found.orphans.clear();
        }
        if !is_whole {
            found.missed = missed;
        }
        Ok(found)
    }
}

impl Found {
    fn miss(&mut self, missing: &Expected, hour: Timestamp, missed: &mut Vec<i64>) {
        if missing.gone {
            self.destroyed += 1;
        } else {
            missed.push(missing.mark.id);
            self.broken.push(Broken::row(
                "deleted",
                hour,
                missing.mark.id,
                "it is gone, and no certificate says why",
            ));
        }
    }

    /// Whether the row is as it was entered.
    fn compare(
        &mut self,
        row: &LogRow,
        own: &Expected,
        hour: Timestamp,
        is_first: bool,
        certified: &Certified,
    ) -> bool {
        self.rows += 1;
        if !is_first {
            self.claimed.push(row.id);
        }
        let hash = match &row.headers {
            None if own.headers_gone => row.hash_with(own.mark.headers),
            _ => row.mark().hash,
        };
        if own.gone || (own.headers_gone && row.headers.is_some()) {
            self.broken.push(Broken::row(
                "restored",
                hour,
                row.id,
                "a certificate says that it was destroyed, and it is there",
            ));
        } else if certified.is_restored(row.id, &row.event, row.headers.is_some()) {
            let why = "a certificate says that all of its day was destroyed, and it is there";
            self.broken.push(Broken::row("restored", hour, row.id, why));
        } else if hash != own.mark.hash {
            self.broken.push(Broken::row("changed", hour, row.id, "it is not what was entered"));
        } else {
            return true;
        }
        false
    }
}
