//! Who comes to the API, in the log: the use of a token, and calls that were let in by none.
//!
//! Rules: a record says which token, from where and for which right; nothing of what was asked. How often it is recorded the floor above
//! says; what was left out is counted in the next. A token is found by `login:"token ID"`, as it stands among the looks.
//! When it fails: [`RelayFault`], and the call is not answered.

use super::record::{About, Entry, peer_json};
use super::{Event, Peer, Relay, RelayFault, Scope, queue_id};
use std::net::{IpAddr, SocketAddr};

/// A call, as far as it is recorded.
#[derive(Debug, Clone, Copy)]
pub struct ApiCaller {
    pub ip: IpAddr,
    /// Whether that is where the caller is, and not a proxy that nobody declared.
    pub is_known: bool,
    pub scope: Scope,
    /// Records that were left out since the last one.
    pub left_out: u64,
}

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLetIn {
    /// There was no token.
    NoToken,
    /// No such token stands.
    Unknown,
    /// This one has not the right.
    Scope(i64),
}

impl NotLetIn {
    fn word(self) -> &'static str {
        match self {
            NotLetIn::NoToken => "no-token",
            NotLetIn::Unknown => "unknown",
            NotLetIn::Scope(_) => "scope",
        }
    }
}

impl Relay {
    /// Keeps that a token was used.
    ///
    /// # Errors
    /// [`RelayFault`] when it can't be kept.
    pub async fn record_api_login(&self, token: i64, caller: ApiCaller) -> Result<(), RelayFault> {
        self.record_caller(Event::ApiLogin, Some(token), None, caller).await
    }

    /// Keeps that a call was not let in.
    ///
    /// # Errors
    /// [`RelayFault`] when it can't be kept.
    pub async fn record_api_refused(&self, why: NotLetIn, caller: ApiCaller) -> Result<(), RelayFault> {
        let token = match why {
            NotLetIn::Scope(token) => Some(token),
            NotLetIn::NoToken | NotLetIn::Unknown => None,
        };
        self.record_caller(Event::ApiRefused, token, Some(why.word()), caller).await
    }

    async fn record_caller(
        &self,
        event: Event,
        token: Option<i64>,
        reason: Option<&'static str>,
        caller: ApiCaller,
    ) -> Result<(), RelayFault> {
        let peer = Peer::new(SocketAddr::new(caller.ip, 0), "api");
        let detail = serde_json::json!({
            "token": token.map(queue_id),
            "scope": caller.scope.as_str(),
            "reason": reason,
            "forwarded": !caller.is_known,
            "left_out": caller.left_out,
            "peer": peer_json(&peer),
        });
        let about = About::default();
        let entry = Entry { event, about, source: Some(peer.ip), detail: &detail, headers: None };
        let record = self.sealed_at(self.moment(), &self.inner.installation, &entry);
        let name = token.map(|token| format!("token {}", queue_id(token)));
        let fact = self.fact_of_login(None, name.as_deref(), &peer, record.at);
        let record = self.examined(record.found_by(fact), None);
        Ok(self.store().record(vec![record]).await?)
    }
}
