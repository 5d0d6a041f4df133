//! Who looks, why, and at what: what the desk is told before it opens anything.

use super::desk::DeskFault;
use super::trace::TraceOf;
use crate::residency::Origin;
use crate::vault::Index;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// Longest name of an actor or a case, in characters.
const NAME_MAX: usize = 64;

/// Why somebody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookPurpose {
    DisputeSupport,
    FraudInvestigation,
    LegalRequest,
    SecurityIncident,
    DataSubjectRequest,
    Audit,
    /// Nobody said: of searches, which open nothing.
    Unstated,
}

impl LookPurpose {
    /// Those that somebody can name.
    pub const ALL: [LookPurpose; 6] = [
        LookPurpose::DisputeSupport,
        LookPurpose::FraudInvestigation,
        LookPurpose::LegalRequest,
        LookPurpose::SecurityIncident,
        LookPurpose::DataSubjectRequest,
        LookPurpose::Audit,
    ];

    /// The word in the database and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LookPurpose::DisputeSupport => "dispute-support",
            LookPurpose::FraudInvestigation => "fraud-investigation",
            LookPurpose::LegalRequest => "legal-request",
            LookPurpose::SecurityIncident => "security-incident",
            LookPurpose::DataSubjectRequest => "data-subject-request",
            LookPurpose::Audit => "audit",
            LookPurpose::Unstated => "unstated",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// Under which account of the system somebody works, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The user that runs this process.
    pub uid: u32,
    /// The user who logged in, whoever he has become since; not known everywhere.
    pub login: Option<u32>,
    pub from: Origin,
}

impl Account {
    /// The user who works, as far as the system knows.
    pub(super) fn person(self) -> u32 {
        self.login.unwrap_or(self.uid)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.uid)?;
        self.login.filter(|login| *login != self.uid).map_or(Ok(()), |login| write!(f, ", login {login}"))
    }
}

/// Who looks, and why.
#[derive(Debug, Clone)]
pub struct Look {
    pub(super) actor: String,
    pub(super) purpose: LookPurpose,
    pub(super) case: String,
    pub(super) account: Account,
    /// Whether from where he comes was found good.
    pub(super) has_passed: bool,
    /// The API token by which somebody calls, where it is one.
    pub(super) token: Option<i64>,
}

impl Look {
    /// Takes what somebody says of himself.
    ///
    /// # Errors
    /// [`DeskFault`] that names the field and the rule.
    pub fn new(actor: &str, purpose: LookPurpose, case: &str, account: Account) -> Result<Self, DeskFault> {
        let actor = Self::named_as(actor)?;
        let case = named(case).ok_or(DeskFault::Case)?.to_owned();
        Ok(Self { actor, purpose, case, account, has_passed: false, token: None })
    }

    /// One name, however it is typed: the letters of full width, of both cases, any blanks.
    ///
    /// # Errors
    /// [`DeskFault::Actor`] when it can't be one.
    pub(super) fn named_as(actor: &str) -> Result<String, DeskFault> {
        let actor = named(actor).ok_or(DeskFault::Actor)?.nfkc().collect::<String>().to_lowercase();
        Ok(actor.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// His name, as it is written down.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The same, called by an API token.
    #[must_use]
    pub fn by_token(self, token: i64) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Under which account it is, as it is written down.
    pub(super) fn user(&self) -> String {
        match self.token {
            Some(token) => format!("{}, token {}", self.account, super::queue_id(token)),
            None => self.account.to_string(),
        }
    }

    /// Somebody who says neither who he is nor why, by what the system knows of him.
    pub(super) fn unstated(actor: &str, account: Account) -> Self {
        Self {
            actor: actor.to_owned(),
            purpose: LookPurpose::Unstated,
            case: "-".into(),
            account,
            has_passed: false,
            token: None,
        }
    }
}

fn named(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_good = (1..=NAME_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_good.then_some(text)
}

/// What is to be opened.
#[derive(Clone, PartialEq, Eq)]
pub enum Opening {
    /// What the log has on something.
    Trace(TraceOf),
    /// The text of a message that the queue still has.
    Content { queue_id: String },
    /// The real address of an order's customer.
    Customer { store_id: String, order_no: String },
    /// Nothing: a legal hold is lifted, which takes a second person as an opening does.
    Lift { hold: String },
    /// What the log has on the rows that a query found, at most so many. Written down by the query.
    Search { query: String, limit: usize, records: Vec<i64> },
    /// Nothing: a person is erased. By a keyed index of the address, since what is written down outlives the person's keys.
    Erase {
        person: String,
        conversations: Vec<i64>,
        stranger: Index,
        numbers: Vec<(i64, i64)>,
        open_orders: bool,
    },
    /// All that is held about a person, for the person. Written down by the same index.
    Export { person: String, customer: String, conversations: Vec<i64>, stranger: Index },
    /// Nothing: a customer's address is corrected, once the new one answers. Written down by the same index.
    Correct { person: String, new: String, customer: String, to: String },
    /// Nothing: one order gets another customer address at once. The new one is written down by its index.
    Readdress { store_id: String, order_no: String, new: String, to: String },
    /// Who is behind an alias.
    Behind { alias: String },
    /// What the log has on the rows of a case, with what proves them.
    Evidence { case: String, named: Vec<TraceOf>, records: Vec<i64> },
    /// Nothing: an extract for others is made.
    Extract(super::extracts::ExtractAsked),
    /// Nothing: where everybody is suspended, an access is certified by two who are.
    Certify { access: String },
}

impl Opening {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Opening::Trace(_) => "trace",
            Opening::Content { .. } => "content",
            Opening::Customer { .. } => "customer",
            Opening::Search { .. } => "search",
            Opening::Lift { .. } => "hold",
            Opening::Erase { .. } => "erasure",
            Opening::Export { .. } => "export",
            Opening::Correct { .. } => "correction",
            Opening::Readdress { .. } => "readdress",
            Opening::Behind { .. } => "alias",
            Opening::Evidence { .. } => "evidence",
            Opening::Extract(_) => "extract",
            Opening::Certify { .. } => "review",
        }
    }

    /// Whether it takes a second person however little it is.
    pub(super) fn takes_two(&self) -> bool {
        match self {
            Opening::Trace(_)
            | Opening::Customer { .. }
            | Opening::Behind { .. }
            | Opening::Search { .. } => false,
            Opening::Content { .. }
            | Opening::Evidence { .. }
            | Opening::Extract(_)
            | Opening::Lift { .. }
            | Opening::Erase { .. }
            | Opening::Export { .. }
            | Opening::Correct { .. }
            | Opening::Readdress { .. }
            | Opening::Certify { .. } => true,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Opening::Trace(of) => json!({ "trace": traced(of) }),
            Opening::Content { queue_id } => json!({ "content": { "queue_id": queue_id } }),
            Opening::Customer { store_id, order_no } => {
                json!({ "customer": { "store_id": store_id, "order_no": order_no } })
            }
            Opening::Search { query, limit, .. } => {
                json!({ "search": { "query": query, "limit": limit } })
            }
            Opening::Lift { hold } => json!({ "lift": { "hold": hold } }),
            Opening::Erase { person, open_orders, .. } => {
                json!({ "erase": { "person": person, "open_orders": open_orders } })
            }
            Opening::Export { person, .. } => json!({ "export": { "person": person } }),
            Opening::Correct { person, new, .. } => json!({ "correct": { "person": person, "to": new } }),
            Opening::Readdress { store_id, order_no, new, .. } => {
                json!({ "readdress": { "store_id": store_id, "order_no": order_no, "to": new } })
            }
            Opening::Behind { alias } => json!({ "behind": { "alias": alias } }),
            // Who approves says yes to these records, not to a case.
            Opening::Evidence { case, named, records } => {
                let mut hash = Sha256::new();
                records.iter().for_each(|id| hash.update(id.to_be_bytes()));
                let named: Vec<Value> = named.iter().map(traced).collect();
                let records = HEXLOWER.encode(&hash.finalize());
                json!({ "evidence": { "case": case, "named": named, "records": records } })
            }
            Opening::Extract(asked) => json!({ "extract": {
                "for": asked.recipient, "query": asked.query, "kind": asked.kind, "least": asked.least,
                "days": asked.days,
            } }),
            Opening::Certify { access } => json!({ "certify": { "access": access } }),
        }
    }
}

/// What is traced, as entries have it.
fn traced(of: &TraceOf) -> Value {
    match of {
        TraceOf::Message(id) => json!({ "message": id }),
        TraceOf::Alias(alias) => json!({ "alias": alias }),
        TraceOf::Order { store_id, order_no } => json!({ "store_id": store_id, "order_no": order_no }),
    }
}
