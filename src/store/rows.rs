//! What is written: rows before they are rows. Everything textual is already [`Sealed`] or an [`Index`].

use super::bindings::Bound;
use super::facts::NewFact;
use crate::mail::Timestamp;
use crate::schedule::Class;
use crate::vault::{Index, Sealed};

/// A data key to be kept: its id and its wrapped form.
#[derive(Clone)]
pub struct NewKey {
    pub id: i64,
    pub subject: &'static str,
    pub wrapped: Vec<u8>,
    /// Of a store: boxed for the menu.
    pub menu: Option<Vec<u8>>,
}

/// A store with its addresses and its first credential.
pub struct NewMerchant {
    pub id: i64,
    pub store_idx: Index,
    pub key: NewKey,
    pub profile: Sealed,
    pub menu: Sealed,
    pub addresses: Vec<NewAddress>,
    pub credential: NewCredential,
    pub at: Timestamp,
}

/// A registered address.
pub struct NewAddress {
    pub id: i64,
    pub address_idx: Index,
    pub address: Sealed,
}

/// A submission credential.
pub struct NewCredential {
    pub id: i64,
    pub auth_idx: Index,
    /// SHA-256, for processes of the version before.
    pub secret: Vec<u8>,
    pub verifiers: Verifiers,
    pub label: Sealed,
    /// From where it may be used; None: from anywhere.
    pub networks: Option<Sealed>,
}

/// What a password is checked against, sealed.
pub struct Verifiers {
    /// Argon2id.
    pub password: Sealed,
    /// SCRAM-SHA-256.
    pub scram: Sealed,
}

/// What kind of conversation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opened by the marketplace for an order.
    Order,
    /// Opened by a mail to a store's public alias.
    Inquiry,
    /// Another address of an order's customer, admitted to the order.
    Guest,
}

impl Kind {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Order => "order",
            Kind::Inquiry => "inquiry",
            Kind::Guest => "guest",
        }
    }

    /// Of the word in the database.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "order" => Kind::Order,
            "guest" => Kind::Guest,
            _ => Kind::Inquiry,
        }
    }
}

/// A conversation with its alias pair.
#[derive(Clone)]
pub struct NewConversation {
    pub id: i64,
    pub merchant_id: i64,
    pub kind: Kind,
    /// Of a guest: the order's conversation.
    pub parent: Option<i64>,
    pub key_idx: Index,
    pub key: NewKey,
    pub customer_idx: Index,
    pub customer: Sealed,
    pub label: Sealed,
    pub aliases: [NewAlias; 2],
    pub bound: Bound,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// One alias of a pair.
#[derive(Clone)]
pub struct NewAlias {
    pub id: i64,
    pub side: &'static str,
    pub key_name: String,
    pub domain: String,
}

/// A message to one recipient, with all that is committed with it.
pub struct NewMessage {
    pub id: i64,
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    pub data_key_id: i64,
    pub direction: &'static str,
    pub envelope: Sealed,
    pub body: Sealed,
    /// What stays of its text after its delivery, where something does.
    pub kept: Option<Sealed>,
    pub size: i64,
    pub at: Timestamp,
    pub delivery: NewDelivery,
    pub record: NewRecord,
    pub threads: Vec<NewThread>,
    /// Refuses the same message a second time within the window.
    pub guard: Option<(Index, Timestamp)>,
    /// What its sender is told at once. Written with it, so not for one that was accepted before.
    pub notices: Vec<NewNotice>,
}

/// A notice that comes with a message.
pub struct NewNotice {
    pub message: NewMessage,
    /// It is written if one of these guards is new, or if there are none.
    pub once: Vec<Index>,
    /// How long the guards stand.
    pub until: Timestamp,
}

/// The delivery of a new message.
pub struct NewDelivery {
    pub id: i64,
    pub class: Class,
    /// When its sender may have to be told something, if it still waits.
    pub look_at: Timestamp,
    pub route: i64,
    pub recipient: Sealed,
    /// Given up then; a held one is dropped then.
    pub expires_at: Timestamp,
    /// None for one that waits for its first attempt.
    pub hold: Option<NewHold>,
}

/// What holds a new delivery.
pub struct NewHold {
    /// The word in the database.
    pub why: &'static str,
    pub record: NewRecord,
}

/// A Message-ID and the pseudonym under which the other side knows it.
pub struct NewThread {
    pub conversation_id: i64,
    pub tag: Vec<u8>,
    pub data_key_id: i64,
    pub original: Sealed,
    /// The message that was sent under it.
    pub message_id: i64,
}

/// One line of the log.
pub struct NewRecord {
    pub id: i64,
    pub at: Timestamp,
    pub event: &'static str,
    pub merchant_id: Option<i64>,
    pub conversation_id: Option<i64>,
    pub message_id: Option<i64>,
    pub delivery_id: Option<i64>,
    pub source: Option<i64>,
    pub data_key_id: i64,
    pub detail: Sealed,
    pub headers: Option<Sealed>,
    /// Of a login of a store's program: from where, for the store's administrators.
    pub whence: Option<Sealed>,
    /// By which it is found.
    pub fact: Box<NewFact>,
}

impl NewRecord {
    /// The same, found by this; what it says of the result stays where the fact says nothing.
    #[must_use]
    pub fn found_by(mut self, fact: NewFact) -> Self {
        let result = self.fact.result.take();
        *self.fact = NewFact { result: fact.result.or(result), ..fact };
        self
    }
}

/// What became of an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It waits for delivery, or for a decision.
    New(i64),
    /// It is the same as this earlier one, which was delivered or still may be.
    Duplicate(i64),
}

/// What a bounce met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounced {
    /// A delivered message: it counts as failed now.
    Delivered,
    /// A delivery whose attempt is not settled yet, or is to be repeated. Nothing was written.
    Waiting,
    /// A delivery that had ended otherwise, or is gone. Only the record was written.
    Over,
}

/// How a delivery goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Delivered,
    /// Tried again, not before this time.
    Again(Timestamp),
    Failed,
    /// Not sent until somebody decides: why, in the word of the database, and until when it is kept.
    Held {
        why: &'static str,
        until: Timestamp,
    },
}

impl Next {
    /// Whether the delivery has ended.
    pub(crate) fn is_end(self) -> bool {
        matches!(self, Next::Delivered | Next::Failed)
    }
}

/// The result of one attempt.
pub struct Settlement {
    pub delivery_id: i64,
    pub message_id: i64,
    /// The lease under which the attempt ran; if it is not the current one, only the record is kept.
    pub lease: i64,
    pub at: Timestamp,
    pub next: Next,
    pub status: Option<String>,
    /// Whether it counts as an attempt.
    pub was_tried: bool,
    pub record: Option<NewRecord>,
    /// A notice to the sender, committed with the result.
    pub notice: Option<Box<NewMessage>>,
    /// Set where the notice says "delayed": when the delivery is looked at next.
    pub late: Option<Timestamp>,
    pub doubt: Doubt,
    pub mailbox: Mailbox,
    /// Of one that failed: until when its body stays, for it may be sent once more.
    pub keep_body: Option<Timestamp>,
}

/// Whether it is known what became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    Clear,
    /// The final dot was sent and no answer came (RFC 1047): the recipient may get it twice.
    Ambiguous,
}

/// What an attempt said of the recipient's mailbox.
pub enum Mailbox {
    Nothing,
    /// It took mail: what was suppressed is so no longer.
    /// By any of the indexes that the keys of the ring give.
    Alive(Vec<Index>),
    Gone(Gone),
}

/// A mailbox that refused for good.
#[derive(Clone)]
pub struct Gone {
    /// Of the address, scoped to the store.
    pub address_idx: Index,
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    pub side: &'static str,
    /// Code and enhanced code, or `operator`.
    pub status: String,
    /// It was told by a bounce, after the next hop had taken the message.
    pub late: bool,
}
