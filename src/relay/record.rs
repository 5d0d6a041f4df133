//! The log: one record for each message, attempt, bounce and refusal. Who, when, from where, how large, with what
//! result: sealed; time, event and ids of rows: plain, so that retention and counting need no key.

use super::Relay;
use crate::mail::Timestamp;
use crate::store::{NewFact, NewRecord};
use crate::vault::{Class, DataKey, Indexed, Nonce, Place, nonces};
use std::net::{IpAddr, SocketAddr};

/// What can happen. The words stand in `record.event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A message was taken for delivery.
    Accepted,
    /// A message was not taken.
    Refused,
    /// A delivery was tried and made.
    Delivered,
    /// A delivery was tried and put off.
    Deferred,
    /// A delivery was given up.
    Failed,
    /// A message waits for a decision.
    Held,
    /// It was decided to send it.
    Released,
    /// The operator made it due now.
    Retried,
    /// The operator sends it another way.
    Rerouted,
    /// It was decided not to send it, or nobody decided in time.
    Dropped,
    /// A mail that would have decided was nobody's.
    Ignored,
    /// Mail of a program was read and not passed on: a bounce, a receipt, a complaint, an automatic reply too many.
    Returned,
    /// A destination or a mailbox is not sent to for a while, or is again.
    Blocked,
    /// A store logged in to submission.
    Login,
    /// A store's password was proven by SCRAM, and that was confirmed; it is in once it takes the confirmation.
    LoginProven,
    /// The same, from a network that was never used before.
    LoginNewNetwork,
    /// Somebody failed to.
    LoginRefused,
    /// What a store logs in with was added, limited or ended.
    Credential,
    /// Somebody used the menu.
    Menu,
    /// Somebody signed in to the menu.
    MenuLogin,
    /// Somebody failed to.
    MenuRefused,
    /// Somebody says that a sign-in was not his.
    MenuAlarm,
    /// A program used a token of the API from somewhere, for the first time in an hour.
    ApiLogin,
    /// Somebody called the API with no token that stands, or one without the right.
    ApiRefused,
    /// Somebody met a limit on how much may come in how long.
    Limited,
}

impl Event {
    /// For how long its record is kept, by class.
    fn class(self) -> Class {
        crate::store::class_of(self.as_str())
    }

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Accepted => "accepted",
            Event::Refused => "refused",
            Event::Delivered => "delivered",
            Event::Deferred => "deferred",
            Event::Failed => "failed",
            Event::Held => "held",
            Event::Released => "released",
            Event::Retried => "retried",
            Event::Rerouted => "rerouted",
            Event::Dropped => "dropped",
            Event::Ignored => "ignored",
            Event::Returned => "returned",
            Event::Blocked => "blocked",
            Event::Login => "login",
            Event::LoginProven => "login_proven",
            Event::LoginNewNetwork => "login_new_network",
            Event::LoginRefused => "login_refused",
            Event::Credential => "credential",
            Event::Menu => "menu",
            Event::MenuLogin => "menu_login",
            Event::MenuRefused => "menu_refused",
            Event::MenuAlarm => "menu_alarm",
            Event::ApiLogin => "api_login",
            Event::ApiRefused => "api_refused",
            Event::Limited => "limited",
        }
    }
}

/// The other end of a session.
#[derive(Clone)]
pub struct Peer {
    pub ip: IpAddr,
    pub port: u16,
    /// What it said of itself in EHLO.
    pub helo: String,
    /// Version and cipher suite, where TLS is on.
    pub tls: Option<String>,
    /// SHA-256 of the certificate that it showed, in hexadecimal digits.
    pub certificate: Option<String>,
    /// Block lists in which its address stands.
    pub lists: Vec<String>,
    /// mx, submission or submissions.
    pub service: &'static str,
}

impl Peer {
    /// One that has said nothing yet.
    #[must_use]
    pub fn new(address: SocketAddr, service: &'static str) -> Self {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        Self { ip, port, helo: String::new(), tls: None, certificate: None, lists: Vec::new(), service }
    }
}

/// What a filter said of a message that goes on all the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// The filter's word.
    pub action: &'static str,
    pub score: f64,
}

/// What a record is about.
#[derive(Clone, Copy, Default)]
pub(super) struct About {
    pub merchant: Option<i64>,
    pub conversation: Option<i64>,
    pub message: Option<i64>,
    pub delivery: Option<i64>,
}

/// When something happened, and the id of its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub at: Timestamp,
    pub id: i64,
}

/// What a record says, before it is sealed.
pub(super) struct Entry<'a> {
    pub event: Event,
    pub about: About,
    /// The address of the peer.
    pub source: Option<IpAddr>,
    pub detail: &'a serde_json::Value,
    pub headers: Option<&'a [u8]>,
}

impl Relay {
    /// Now.
    pub(super) fn moment(&self) -> Moment {
        Moment { at: Timestamp::now(), id: self.next_id() }
    }

    /// Seals a record under the key of its subject; it is found by its ids, and by the address `source`.
    pub(super) fn new_record(
        &self,
        key: &DataKey,
        event: Event,
        about: About,
        source: Option<IpAddr>,
        detail: &serde_json::Value,
        headers: Option<&[u8]>,
    ) -> NewRecord {
        let record = self.sealed_record(key, event, about, source, detail, headers);
        let fact = self.fact_of_ip(source, record.at);
        self.examined(record.found_by(fact), None)
    }

    /// Seals a record, to which comes the fact that it is found by.
    pub(super) fn sealed_record(
        &self,
        key: &DataKey,
        event: Event,
        about: About,
        source: Option<IpAddr>,
        detail: &serde_json::Value,
        headers: Option<&[u8]>,
    ) -> NewRecord {
        self.sealed_at(self.moment(), key, &Entry { event, about, source, detail, headers })
    }

    /// The same of what happened at a moment.
    pub(super) fn sealed_at(&self, moment: Moment, key: &DataKey, entry: &Entry<'_>) -> NewRecord {
        self.sealed_with(nonces(), moment, key, entry)
    }

    /// The same with nonces that were drawn with others: of its detail, and of its header block.
    pub(super) fn sealed_with(
        &self,
        [of_detail, of_block]: [Nonce; 2],
        moment: Moment,
        key: &DataKey,
        entry: &Entry<'_>,
    ) -> NewRecord {
        let (Moment { at, id }, Entry { event, about, source, detail, headers }) = (moment, entry);
        let class = event.class();
        let of_headers = if class == Class::Metadata { Class::Headers } else { class };
        let seal = |nonce, class, column, plain: &[u8]| {
            self.seal_in_with(nonce, class, at, key, Place::new("record", column, id), plain)
        };
        NewRecord {
            id,
            at,
            event: event.as_str(),
            merchant_id: about.merchant,
            conversation_id: about.conversation,
            message_id: about.message,
            delivery_id: about.delivery,
            source: source.map(|ip| self.vault().index.of(Indexed::Ip(ip)).to_i64()),
            data_key_id: key.id(),
            detail: seal(of_detail, class, "detail", detail.to_string().as_bytes()),
            headers: headers.map(|block| seal(of_block, of_headers, "headers", block)),
            whence: None,
            fact: Box::new(NewFact { result: result_of(*event, detail), ..NewFact::default() }),
        }
    }

    /// Keeps a record of what concerns nobody's message; a fault is logged, since nothing can be refused any more.
    pub(super) async fn keep(&self, record: NewRecord) {
        if let Err(fault) = self.store().record(vec![record]).await {
            tracing::error!(event = "fault", %fault, "a log record was not kept");
        }
    }

    /// Keeps a record of a peer that met a limit: `what` was too much, `whose` it was, and how many records were left
    /// out since the last one of this kind.
    pub async fn record_limited(
        &self,
        login: Option<&super::Login>,
        what: &'static str,
        whose: &'static str,
        left_out: u64,
        peer: &Peer,
    ) {
        let detail = serde_json::json!({
            "what": what, "whose": whose, "left_out": left_out, "peer": peer_json(peer),
        });
        let (key, merchant) = match login {
            Some(login) => (&*login.merchant.key, Some(login.merchant.id)),
            None => (&*self.inner.installation, None),
        };
        let about = About { merchant, ..About::default() };
        let record = self.sealed_record(key, Event::Limited, about, Some(peer.ip), &detail, None);
        let auth_id = login.map(|login| login.auth_id.as_str());
        let fact = self.fact_of_login(None, auth_id, peer, record.at);
        let record = self.examined(record.found_by(fact), None);
        self.keep(record).await;
    }

    /// Keeps a record of a login to submission.
    pub async fn record_login(&self, login: &super::Login, auth_id: &str, peer: &Peer) {
        let record = self.record_of_login(self.moment(), login, Event::Login, auth_id, peer);
        let record = self.told_whence(record, &login.merchant.key, peer.ip);
        tokio::join!(self.keep(record), self.note_use(login, peer.ip));
    }

    /// Keeps a record that a password was proven, before that is confirmed, and tells of a network that is new.
    pub async fn record_proof(&self, login: &super::Login, auth_id: &str, peer: &Peer) {
        let record = self.record_of_login(self.moment(), login, Event::LoginProven, auth_id, peer);
        tokio::join!(self.keep(record), self.note_network(login, peer));
    }

    /// Keeps a record of a failed login.
    pub async fn record_login_refused(&self, auth_id: &str, peer: &Peer) {
        self.keep(self.record_of_refused_login(self.moment(), auth_id, peer)).await;
    }

    pub(super) fn record_of_refused_login(&self, moment: Moment, auth_id: &str, peer: &Peer) -> NewRecord {
        let (detail, source) = (login_json(auth_id, peer), Some(peer.ip));
        let (event, about) = (Event::LoginRefused, About::default());
        let entry = Entry { event, about, source, detail: &detail, headers: None };
        let record = self.sealed_at(moment, &self.inner.installation, &entry);
        let fact = self.fact_of_login(None, Some(auth_id), peer, record.at);
        self.examined(record.found_by(fact), None)
    }

    pub(super) fn record_of_login(
        &self,
        moment: Moment,
        login: &super::Login,
        event: Event,
        auth_id: &str,
        peer: &Peer,
    ) -> NewRecord {
        let about = About { merchant: Some(login.merchant.id), ..About::default() };
        let (detail, source) = (login_json(auth_id, peer), Some(peer.ip));
        let entry = Entry { event, about, source, detail: &detail, headers: None };
        let record = self.sealed_at(moment, &login.merchant.key, &entry);
        let fact = self.fact_of_login(Some(login), Some(auth_id), peer, record.at);
        self.examined(record.found_by(fact), None)
    }
}

/// Longest word of a result.
const RESULT_MAX: usize = 40;

/// The word of a closed list, or the status, that says how it came out.
fn result_of(event: Event, detail: &serde_json::Value) -> Option<std::borrow::Cow<'static, str>> {
    let field = match event {
        Event::Refused
        | Event::Held
        | Event::LoginRefused
        | Event::ApiRefused
        | Event::Deferred
        | Event::Failed => "reason",
        Event::ApiLogin => "scope",
        Event::Menu | Event::MenuLogin | Event::MenuRefused | Event::MenuAlarm => "result",
        Event::Returned => "said",
        Event::Limited => "what",
        Event::Blocked => "action",
        Event::Credential => "change",
        Event::Ignored => "decision",
        Event::Released | Event::Dropped | Event::Retried => "by",
        _ => return None,
    };
    let word = detail.get(field)?.as_str()?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    (word.len() <= RESULT_MAX && word.chars().all(good)).then(|| word.to_owned().into())
}

fn login_json(auth_id: &str, peer: &Peer) -> serde_json::Value {
    serde_json::json!({ "auth_id": auth_id, "peer": peer_json(peer) })
}

/// The peer's part of a record.
pub(super) fn peer_json(peer: &Peer) -> serde_json::Value {
    serde_json::json!({
        "ip": peer.ip.to_canonical().to_string(),
        "port": peer.port,
        "helo": peer.helo,
        "tls": peer.tls,
        "certificate": peer.certificate,
        "lists": peer.lists,
        "service": peer.service,
    })
}
