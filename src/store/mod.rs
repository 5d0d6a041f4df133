//! The database: SQLite (embedded default) or PostgreSQL, by URL, with the same statements and the same behaviour.
//!
//! Rules: what is written goes through one writer per process, which commits in groups (`writer`); what is read goes
//! through a pool. SQL sees numbers, sealed bytes and keyed indexes only. SQLite runs in WAL mode with
//! `synchronous=FULL`, so that a commit survives a power cut; PostgreSQL with `synchronous_commit` as the server has
//! it, which must not be `off`. A SQLite file is encrypted whole (`file`).
//! When it fails: [`StoreFault`], which names the cause and never a value.

mod accept;
mod api_replies;
mod batch;
mod bindings;
mod blocks;
mod break_glass;
mod building;
mod census;
mod change;
mod clock;
mod credentials;
mod certificates;
mod containing;
mod corrections;
mod counted;
mod egress_nodes;
mod endings;
mod engine;
mod erased_keys;
mod erasure;
mod erasures;
mod errands;
mod evidence;
mod expiring;
mod extracts;
mod detected;
mod fact_proofs;
mod fact_rows;
mod fact_upkeep;
mod facts;
mod fault;
mod file;
mod filling;
mod greylist;
mod handle;
mod holds;
mod ids;
mod kept_bodies;
mod inventory;
mod kept_texts;
mod keys;
mod known_time;
mod lanes;
mod leaving;
mod looks;
mod marks;
mod menu;
mod menu_changing;
mod menu_logins;
mod menu_mails;
mod menu_one_login;
mod menu_recovery;
mod menu_senders;
mod menu_sessions;
mod needs;
mod network_names;
mod parties;
mod partitions;
mod periods;
mod queue;
mod reader;
mod records;
mod legal_holds;
mod rekey;
mod replicas;
mod report;
mod retention;
mod retention_parts;
mod retries;
mod reviews;
mod rows;
mod schema;
mod search;
mod strangers;
mod tls;
mod touched;
mod tree;
mod webhook_events;
mod webhooks;
mod writer;

pub use api_replies::ApiCall;
pub use bindings::Bound;
pub use blocks::{Block, PauseRow, SuppressedRow};
pub use break_glass::{BreakGlassRow, NewBreakGlass};
pub use census::Census;
pub use certificates::{CertificateRow, day_text};
pub use clock::Rewind;
pub use corrections::{CarriedOut, CorrectionRow, NewCorrection, Readdressed, Repointed, Repointing};
pub use counted::{Counted, CountedOfStore};
pub use credentials::{CREDENTIALS_MAX, Changed, KeptCredential};
pub use detected::{Detected, NewDetection};
pub use endings::{Endings, ended_idx};
pub use erased_keys::{DESTROYED, ErasedKeyRow, Proves};
pub use erasure::{Erasing, Holdings};
pub use erasures::ErasureRow;
pub use errands::Errand;
pub use evidence::{Affected, BreachEntryRow, LookCount, NewBreachEntry, TokenRow};
pub use expiring::{Expiring, Window};
pub use extracts::{EndingExtract, ExtractRow, NewExtract};
pub use fact_proofs::{Proven, proof_of};
pub use fact_rows::FactRow;
pub use facts::{NewFact, NewFile, Usual};
pub use fault::StoreFault;
#[cfg(test)]
pub(crate) use file::connect_for_tests;
pub use file::{Brought, bring_to_newest_key};
pub use greylist::Patience;
pub use handle::Store;
pub use holds::{Ruled, Ruling, Standing};
pub use ids::Ids;
pub use inventory::{Column as KeptColumn, Protection, Table, inventory};
pub use kept_bodies::TIMES as SENT_AGAIN_MAX;
pub use kept_texts::KeptTextRow;
pub use keys::{NewSegment, RingKeyRow, SegmentRow};
pub use lanes::{Claimed, Leases};
pub use leaving::StoreHoldings;
pub use legal_holds::{HeldScope, LegalHoldRow, NewLegalHold};
pub use looks::{LookRequestRow, LookRow, NewLook, NewLookRequest};
pub use menu::{MenuAccessRow, MenuChanged, MenuPersonRow, MenuStoreRow, NewMenuPerson, PEOPLE_MAX};
pub use menu_changing::{Acting, Told};
pub use menu_logins::MenuLoginRow;
pub use menu_mails::{MenuConversationRow, MenuMailEvent, MenuMailRow, MenuMailsAsked};
pub use menu_senders::{ADDRESSES_MAX, MenuCodeRow, NewMenuCode, PersonMoved, SenderRow, SenderRows};
pub use menu_sessions::{MenuSessionRow, NewMenuSession, SecondShown, SigningIn};
pub use parties::{AliasRow, ConversationRow, CredentialRow, KeyRow, MerchantRow, TokenUse};
pub use partitions::DAYS_AHEAD;
pub use periods::{NewPeriod, PeriodRow};
pub use queue::Work;
pub use records::RecordRow;
pub use rekey::{
    Column, IndexedConversation, IndexedRecord, IndexedRow, IndexedTable, RekeyingRow, Rewritten,
};
pub use replicas::Replica;
pub use report::{By, QueueCount, QueueFilter, QueueRow, QueueTotals};
pub use retention::{DAY_MS, NextRows, Noted, Progress};
pub use retention_parts::class_of;
pub use retries::RetryMark;
pub use reviews::{NewReviewItem, ReviewItemRow, ReviewRow};
pub use rows::*;
pub use search::{Rolled, SeenWith};
pub use strangers::stranger_said;
pub use tls::{NewPolicy, NewTlsCount, TLS_COUNTS, TlsCountRow};
pub use tree::{Growth, LeafRow, NodeRow, SEGMENT, TreeRow};
pub use webhooks::{
    NewWebhook, NewWebhookSecret, WEBHOOKS_MAX, WebhookNext, WebhookRow, WebhookSecretRow, WebhookWork,
};

/// A random 63-bit id, for rows whose id must not tell their age or number.
#[must_use]
pub fn random_id() -> i64 {
    i64::from_be_bytes(crate::vault::random_bytes()) & i64::MAX
}
