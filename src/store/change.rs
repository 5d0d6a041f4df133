//! What is asked of the writer, and what it answers: one list.

use super::blocks::Block;
use super::clock::{LaneKey, Rewind, TurnKey};
use super::lanes::{Ask, Claimed, Woken};
use super::rows::{
    Acceptance, Bounced, Gone, NewConversation, NewMerchant, NewMessage, NewRecord, Settlement, Verifiers,
};
use super::tls::{NewPolicy, NewTlsCount};
use super::{Patience, Readdressed, Repointing, Ruling};
use crate::mail::Timestamp;
use crate::schedule::Left;
use crate::vault::{Index, Sealed};
use std::time::Duration;

/// A change of the database.
pub(super) enum Change {
    Accept(Vec<NewMessage>),
    Record(Vec<NewRecord>),
    OpenConversation(Box<NewConversation>),
    ExtendConversation {
        id: i64,
        expires_at: Timestamp,
    },
    Readdress(Box<Readdressed>),
    CloseConversation {
        id: i64,
        at: Timestamp,
    },
    AddMerchant(Box<NewMerchant>),
    KeepVerifiers {
        credential: i64,
        verifiers: Verifiers,
        at: Timestamp,
    },
    ClearFastHashes {
        at: Timestamp,
        now: Timestamp,
    },
    AddToken {
        id: i64,
        token_idx: Index,
        scopes: String,
        label: Sealed,
        at: Timestamp,
    },
    Claim(Box<Ask>),
    /// Gives deliveries of an older version their lanes.
    Adopt {
        now: Timestamp,
    },
    /// Makes resting lanes of these routes due, from behind one on where all but some are meant.
    Wake {
        routes: Left,
        after: LaneKey,
        now: Timestamp,
    },
    LookAgain(Vec<(i64, Timestamp)>),
    /// The clock went back.
    Rewind(Rewind),
    WakeLanes {
        lanes: (LaneKey, LaneKey),
        now: Timestamp,
    },
    WakeTurns {
        turns: (TurnKey, TurnKey),
        now: Timestamp,
    },
    EndLeases {
        now: Timestamp,
        longest: Duration,
    },
    Block(Box<Block>),
    Extend {
        deliveries: Vec<(i64, i64)>,
        until: Timestamp,
    },
    Settle(Box<Settlement>),
    Bounced {
        delivery: i64,
        at: Timestamp,
        status: String,
        record: Box<NewRecord>,
        notice: Option<Box<NewMessage>>,
        gone: Option<Gone>,
    },
    Rule(Box<Ruling>),
    Retry {
        deliveries: Vec<i64>,
        now: Timestamp,
        record: Box<NewRecord>,
    },
    Greylist {
        guard: Index,
        now: Timestamp,
        patience: Patience,
    },
    Purge {
        ended_before: Timestamp,
        now: Timestamp,
    },
    KeepPolicies(Vec<NewPolicy>),
    CountTls(Vec<NewTlsCount>),
    ForgetTls {
        counts: Vec<i64>,
        ended_before: Timestamp,
    },
}

impl Change {
    /// Whether it may read or write many rows that are nobody's mail of now: nobody's mail shall wait in one transaction with it.
    pub(super) fn is_upkeep(&self) -> bool {
        matches!(
            self,
            Change::Adopt { .. }
                | Change::Wake { .. }
                | Change::Rewind(_)
                | Change::WakeLanes { .. }
                | Change::WakeTurns { .. }
                | Change::EndLeases { .. }
                | Change::ClearFastHashes { .. }
                | Change::Purge { .. }
                | Change::ForgetTls { .. }
        )
    }

    /// Octets that it adds to a transaction, roughly.
    pub(super) fn weight(&self) -> usize {
        match self {
            Change::Accept(messages) => {
                let octets = |message: &NewMessage| {
                    message.body.len() + message.kept.as_ref().map_or(0, |kept| kept.stored().len())
                };
                messages.iter().map(octets).sum()
            }
            _ => 512,
        }
    }
}

/// What a change answered.
pub enum Effect {
    Done,
    Accepted(Vec<Acceptance>),
    Conversation { id: i64, is_new: bool },
    Claimed(Claimed),
    Settled(bool),
    Bounced(Bounced),
    Ruled(bool),
    Purged { more: bool },
    Woken(Woken),
    Count(u64),
    Repointed(Repointing),
}
