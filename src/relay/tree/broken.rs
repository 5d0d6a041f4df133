//! What a verification finds, as it is told.
//!
//! When it fails: it does not.

use crate::mail::Timestamp;
use crate::relay::queue_id;
use serde::Serialize;

/// What a verification came to.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    pub intact: bool,
    pub leaves: u64,
    pub rows: u64,
    pub looks: u64,
    /// Whether decisions, holds and the register of breaches were held against the looks: it takes the key of the log.
    pub decisions: bool,
    /// Rows that are gone lawfully.
    pub destroyed: u64,
    /// Rows from before there were facts, which have none.
    pub without_fact: u64,
    /// Facts that a version before proofs wrote: nothing shows that their numbers are what they were.
    pub unproven_facts: u64,
    /// Facts without any number, as erasing a person leaves them: no search for somebody finds them.
    pub emptied_facts: u64,
    /// Rows that came after their hour was entered, and are entered too.
    pub late: u64,
    /// Rows of hours that are not entered yet: nothing is known of them.
    pub open: u64,
    pub checkpoints: u64,
    /// Checkpoints from elsewhere that fit, and the size of the largest.
    pub anchors: u64,
    pub anchored: u64,
    /// When the last checkpoint was signed.
    pub signed_at: Option<String>,
    pub broken: Vec<Broken>,
    /// How many more there are.
    pub untold: u64,
}

/// What is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// changed, deleted, inserted, restored, replayed, truncated, forged, unsigned or unproven.
    pub what: &'static str,
    /// The hour of the log that it is in.
    pub hour: Option<String>,
    /// The row of the log, or of `look`.
    pub row: Option<String>,
    pub leaf: Option<u64>,
    pub why: String,
}

impl Verification {
    /// Tells that the file of checkpoints holds none.
    pub fn tell_lost(&mut self, path: &str) {
        let why =
            format!("{path} holds no checkpoint: it was emptied, or is gone (`anshin log begin-anchors`)");
        self.broken.push(Broken { what: "deleted", hour: None, row: None, leaf: None, why });
        self.intact = false;
    }
}

impl Broken {
    pub(in crate::relay) fn row(what: &'static str, hour: Timestamp, id: i64, why: &str) -> Self {
        Self { what, hour: Some(hour.to_rfc3339()), row: Some(queue_id(id)), leaf: None, why: why.into() }
    }

    pub(super) fn leaf(what: &'static str, hour: Option<Timestamp>, leaf: u64, why: &str) -> Self {
        Self { what, hour: hour.map(Timestamp::to_rfc3339), row: None, leaf: Some(leaf), why: why.into() }
    }
}
