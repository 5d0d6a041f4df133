//! What the relay decides: who may write to whom, which alias stands for whom, what is committed, what a bounce says.
//!
//! This floor opens what the store keeps sealed, decides, and seals what the store shall keep. It owns no socket; the
//! ingress, egress and web floors ask it. Every refusal it can give stands in `refusal.rs`.
//! When it fails: [`Refusal`] (our decision, told to the peer) or [`RelayFault`] (our breakage).

mod accept;
mod access;
mod admission;
mod api_calls;
mod api_logins;
mod automatic;
mod behind;
mod binding;
mod bounces;
mod breach;
mod break_glass;
mod case;
mod class;
mod clock;
mod conflict;
mod containing;
mod conversation;
mod credentials;
mod correction;
mod deadline;
mod detections;
mod desk;
mod desk_book;
mod destination;
mod decision;
mod domains;
mod draft;
mod endings;
mod entries;
mod envelope;
mod erased_keys;
mod erasure;
mod expiring;
mod export;
mod extracts;
mod facts;
mod fault;
mod first_use;
mod hashes;
mod help;
mod hold;
mod hops;
mod kept_texts;
mod keys;
mod leaving;
mod leg;
mod legal_hold;
mod login;
mod look;
mod mailbox;
mod menu;
mod merchants;
mod messages;
mod needs;
mod networks;
mod notice;
mod operator;
mod orders;
mod order_pages;
mod origin;
mod outbound;
mod own;
mod past;
mod postmaster;
mod person;
mod proof;
mod pause;
mod policy;
mod periods;
mod readdress;
mod record;
mod rekey;
mod refusal;
mod refused;
mod registered;
mod reroute;
mod retention;
mod retry;
mod returns;
mod review;
mod routing;
mod rulings;
mod search;
#[cfg(test)]
mod tests;
mod statement;
mod threads;
mod tls;
mod tokens;
mod trace;
mod tree;
mod turns;
mod webhooks;
mod words;

pub use accept::{COPIES_MAX, Incoming, MailParameters, Receipt};
pub use access::OtherAccess;
pub use api_calls::Once;
pub use api_logins::{ApiCaller, NotLetIn};
pub use binding::Binding;
pub use breach::{Breach, BreachFacts, BreachFault, Breached, Clock, Stage as ReportStage};
pub use break_glass::BreakGlass;
pub use case::CaseFile;
pub use clock::ClockDoubt;
pub use conflict::Conflict;
pub use containing::{ContainFault, Contains};
pub use conversation::{Conversation, Merchant};
pub use correction::{CorrectionAsked, CorrectionFault};
pub use credentials::{CredentialAdded, CredentialFault, CredentialView, LastUse, NewCredentialRequest};
pub use desk::{DeskFault, Goes, Opened, Ruling};
pub use desk_book::{LookView, LooksAsked, RequestView};
pub use destination::{Destination, DestinationFault};
pub use domains::{AddressClass, Domains};
pub use entries::FileWritten;
pub use envelope::{Notify, Wishes};
pub use erasure::{Against, ErasureFault, ErasurePending, ErasureStep, LeftKey, OpenOrder};
pub use extracts::{DAYS_MAX, ExtractAsked, ExtractView, Extracting, LEAST};
pub use facts::Said;
pub use fault::RelayFault;
pub use help::{Help, Words, help, pages};
pub use leaving::{LeaveFault, Left};
pub use legal_hold::{HoldFault, HoldScope, LegalHoldView};
pub use login::Login;
pub use look::{Account, Look, LookPurpose, Opening};
pub use mailbox::{SuppressFault, SuppressedView};
pub use menu::{
    Access, AccessView, Attempt, Boxing, COOLING, ClaimView, FactorView, FirstFault, LoginResult, LoginView,
    MailDecision, MailDirection, MailFault, MailOf, MailState, MailStep, MailView, MailsAsked,
    MenuCredentialFault, MenuRole, MenuSession, OldMailbox, OneLogin, PASSWORD_LENGTH, PasswordFlaw,
    PeopleFault, PersonView, Recovered, SenderFault, SenderView, SessionView, SignIn, SignInFault, SignedIn,
    Stays, TestFault, Visit, Whence, menu_account,
};
pub use merchants::{MerchantAdded, MerchantFault, NewMerchantRequest};
pub use needs::Need;
pub use operator::QueueFault;
pub use order_pages::ORDERS_MAX;
pub use orders::{OrderFault, OrderRequest, OrderView};
pub use outbound::{AttemptResult, Outbound, Unsent, Verdict};
pub use past::{Past, PastMail, PastMessage};
pub use pause::PauseView;
pub use policy::{KeepFailed, Policy, SenderPolicy};
pub use proof::SenderProof;
pub use readdress::ReaddressStep;
pub use record::{Event, Label, Peer};
pub use refusal::Refusal;
pub use rekey::{SETTLED, Stage, Step};
pub use retention::{CertificateView, ClassStanding, DayLeft, Piece};
pub use retry::{Retried, Retrying};
pub use review::{AccessFacts, Decision, ReviewFault, ReviewView, ReviewedAccess, Whose};
pub use routing::Recipient;
pub use search::{
    Amount, Bar, Card, Found, FoundLine, Interval, Pivot, Search, SearchFault, Searcher, Stats, StatsAsked,
    StoreAmounts, Usually,
};
pub use statement::SpanCounts;
pub use tls::{INSTALLATION, KeptPolicy, TlsCount, TlsReport};
pub use tokens::{OVERLAP_MAX, Scope, TokenAdded, TokenFault, TokenHolder, TokenView};
pub use trace::{EventLine, TraceFault, TraceLine, TraceOf};
pub use tree::{Anchors, Broken, Grown, Progress, ProofFault, Signed, Verification};
pub use webhooks::{WebhookAdded, WebhookFault, WebhookLetter, WebhookView, is_named};
pub use words::Why;

use crate::mail::Timestamp;
use crate::residency::Staff;
use crate::store::{Ids, NewKey, Store};
use crate::vault::{DataKey, Place, Vault};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The relay's decisions, with the keys and the database they need. Cheap to clone.
#[derive(Clone)]
pub struct Relay {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    vault: ArcSwap<Vault>,
    ids: Ids,
    domains: Domains,
    policy: Policy,
    /// Seals what belongs to nobody in particular.
    installation: Arc<DataKey>,
    segments: keys::Segments,
    missed_a_key: tokio::sync::Notify,
    /// Under which account of the system somebody gives commands; nobody does to a process that serves.
    user: std::sync::OnceLock<String>,
    turns: tokio::sync::Semaphore,
    hashes: hashes::Hashes,
    /// Made when somebody first logs in.
    nobody: std::sync::OnceLock<crate::store::Verifiers>,
    opened_at: Timestamp,
    /// Which erased keys are known to be out of the tree.
    erased: std::sync::Mutex<erased_keys::Followed>,
    /// When the clock was last found to be right, by the clock and by one that only goes forward.
    clock_began: std::sync::Mutex<Option<clock::Began>>,
    /// Held while a mail to the operator is counted and taken.
    for_operator: tokio::sync::Mutex<()>,
    /// What came back for which message, as far as it was recorded.
    heard: std::sync::Mutex<returns::Heard>,
    /// After which conversation those that ended are looked for.
    ended_from: std::sync::Mutex<i64>,
    expiring: std::sync::Mutex<expiring::Rounds>,
    /// Keys of quarters.
    periods: ArcSwap<periods::Periods>,
    /// Those of which it was said that they do not open.
    shut_periods: std::sync::Mutex<std::collections::BTreeSet<i64>>,
    /// The day for which partitions were last made.
    partitions_of: std::sync::atomic::AtomicI64,
    /// By what addresses are looked up.
    geo: std::sync::OnceLock<Arc<crate::geo::Geo>>,
    /// How much of each mail's text stays after its delivery; nothing where it was not said.
    kept_octets: std::sync::OnceLock<usize>,
    /// Days without a key of their own.
    strays: std::sync::Mutex<retention::Strays>,
    detections: detections::Detections,
    /// What networks are called.
    networks: networks::Networks,
    /// Whether nothing more may be taken.
    is_halted: AtomicBool,
    /// Whether the egress of this process does not trust its own way out.
    is_way_out_in_doubt: AtomicBool,
    /// Whether nothing may be sealed any more.
    seals_no_more: AtomicBool,
    /// Whether nothing that an older version wrote is without its proof.
    is_bound: AtomicBool,
}

const PROBE: Place = Place::new("installation", "probe", 1);

impl Relay {
    /// Binds keys to the database: checks that they belong together, and sets a new database up.
    ///
    /// # Errors
    /// [`RelayFault::WrongRing`] when the database was sealed with other keys.
    pub async fn open(
        store: Store,
        vault: Vault,
        domains: Domains,
        policy: Policy,
    ) -> Result<Self, RelayFault> {
        store.prove_facts_by(vault.index.fact_proofs());
        if store.installation().await?.is_none() {
            let id = crate::store::random_id();
            let (key, wrapped) = vault.seal.new_data_key(id);
            let new = NewKey { id, subject: "installation", wrapped, menu: None };
            let bound = binding::bound_mark(&vault.index);
            store.install(&new, &key.seal(PROBE, b"{}"), bound, Timestamp::now()).await?;
        }
        let (row, probe) = store.installation().await?.ok_or(RelayFault::Malformed("installation"))?;
        let installation = if vault.seal.open_it() {
            let key = vault.seal.unwrap_data_key(row.id, &row.wrapped).map_err(RelayFault::WrongRing)?;
            let probe = key.open(PROBE, &probe).map_err(RelayFault::WrongRing)?;
            if store.ring_keys().await?.is_empty() {
                keys::match_probe(&probe, &vault.old_fingerprints)?;
            }
            key
        } else {
            // It opens nothing, not even what it will have sealed itself; those who may will.
            let id = crate::store::random_id();
            let (key, wrapped) = vault.seal.new_data_key(id);
            store
                .add_key(&NewKey { id, subject: "installation", wrapped, menu: None }, Timestamp::now())
                .await?;
            Arc::new(key)
        };
        keys::match_ring(&store, &vault).await?;
        let (ids, turns, hashes) = (Ids::default(), turns::turns(), hashes::Hashes::new());
        let opened_at = Timestamp::now();
        let (vault, segments) = (ArcSwap::from_pointee(vault), keys::Segments::default());
        let missed_a_key = tokio::sync::Notify::new();
        let inner = Inner {
            store,
            vault,
            ids,
            domains,
            policy,
            installation,
            segments,
            missed_a_key,
            user: std::sync::OnceLock::new(),
            turns,
            hashes,
            nobody: std::sync::OnceLock::new(),
            opened_at,
            erased: std::sync::Mutex::default(),
            clock_began: std::sync::Mutex::new(None),
            for_operator: tokio::sync::Mutex::new(()),
            heard: std::sync::Mutex::default(),
            ended_from: std::sync::Mutex::new(-1),
            expiring: std::sync::Mutex::default(),
            periods: ArcSwap::default(),
            shut_periods: std::sync::Mutex::default(),
            partitions_of: std::sync::atomic::AtomicI64::new(i64::MIN),
            geo: std::sync::OnceLock::new(),
            kept_octets: std::sync::OnceLock::new(),
            strays: std::sync::Mutex::default(),
            detections: detections::Detections::default(),
            networks: networks::Networks::default(),
            is_halted: AtomicBool::new(false),
            is_way_out_in_doubt: AtomicBool::new(false),
            seals_no_more: AtomicBool::new(false),
            is_bound: AtomicBool::new(false),
        };
        let relay = Self { inner: Arc::new(inner) };
        relay.learn_bound().await?;
        relay.make_room_for_facts(opened_at).await;
        Ok(relay)
    }

    /// The database below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The domains that are ours.
    #[must_use]
    pub fn domains(&self) -> &Domains {
        &self.inner.domains
    }

    /// Takes nothing from now on, or takes again: user information may not go where it would be kept.
    pub fn halt(&self, is_halted: bool) {
        if self.inner.is_halted.swap(is_halted, Ordering::Relaxed) && !is_halted {
            tracing::info!(event = "residency_restored", "mail is taken again");
        }
    }

    /// Takes nothing from now on, until the process ends: what it would seal nobody could open.
    pub fn seal_no_more(&self) {
        self.inner.seals_no_more.store(true, Ordering::Relaxed);
    }

    /// Notes whether the egress of this process trusts its own way out, for who looks after it.
    pub fn doubt_way_out(&self, is_in_doubt: bool) {
        self.inner.is_way_out_in_doubt.store(is_in_doubt, Ordering::Relaxed);
    }

    /// Whether the egress of this process does not trust its own way out.
    #[must_use]
    pub fn is_way_out_in_doubt(&self) -> bool {
        self.inner.is_way_out_in_doubt.load(Ordering::Relaxed)
    }

    /// Refuses while nothing is taken.
    fn may_take(&self) -> Result<(), Refusal> {
        if self.is_halted() { Err(Refusal::Halted) } else { Ok(()) }
    }

    /// Whether nothing is taken.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.inner.is_halted.load(Ordering::Relaxed) || self.inner.seals_no_more.load(Ordering::Relaxed)
    }

    /// Says under which account of the system what is decided from now on is.
    pub fn works_for(&self, account: Account) {
        let _ = self.inner.user.set(account.to_string());
    }

    /// That account, where somebody gives commands.
    fn user(&self) -> Option<&str> {
        self.inner.user.get().map(String::as_str)
    }

    /// How it is set up.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Who judges from where people may have something opened.
    #[must_use]
    pub fn staff(&self) -> &Staff {
        &self.inner.policy.staff
    }

    /// The number by which the spool knows a domain.
    #[must_use]
    pub fn route_of(&self, domain: &crate::mail::Domain) -> i64 {
        self.vault().index.of(crate::vault::Indexed::Domain(domain)).to_i64()
    }

    /// How long senders wait.
    fn deadlines(&self) -> crate::schedule::Deadlines {
        let Policy { expire, delay_notice, .. } = *self.policy();
        crate::schedule::Deadlines { expire, delay_notice, up_since: self.inner.opened_at }
    }

    fn next_id(&self) -> i64 {
        self.inner.ids.next(Timestamp::now())
    }
}

/// The text form of a message's id: what replies, Received lines and `anshin queue` show.
#[must_use]
pub fn queue_id(message: i64) -> String {
    format!("{message:016X}")
}

/// Reads a queue id back. `None` when it is none.
#[must_use]
pub fn parse_queue_id(text: &str) -> Option<i64> {
    (text.len() == 16).then(|| i64::from_str_radix(text, 16).ok()).flatten()
}
