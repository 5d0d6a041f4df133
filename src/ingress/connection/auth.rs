//! AUTH of a session: passwords and SCRAM, as the limits and the relay judge them.
//!
//! Rules: a password, and a proof of SCRAM, counts as a wrong one before the relay looks at it, and is given back where it was
//! not; whether the proof fits the session has computed by then, which says nothing to anybody before. The first step of SCRAM
//! shows nothing that could be wrong: it needs room among the wrong ones too, and a turn, but counts only while the verifier is
//! looked up, whether the client goes on or not. A store is in when it has heard so: with SCRAM when it has taken our proof of its password (RFC 5802 §3, RFC 4954 §4). Who breaks off
//! there has seen that its password is right, and so that is recorded before, and is no login.
//! When it fails: the reply that the refusal or the limit has; 454 where nobody can tell.

use super::Connection;
use crate::ingress::logins::Denied;
use crate::relay::{Login, Refusal};
use crate::smtp::server::ScramName;
use crate::smtp::{Credentials, Proof, Reply};
use crate::vault::Secret;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A SCRAM exchange in which the client owes the word that it has taken our proof.
pub(super) struct Proven {
    login: Box<Login>,
    auth_id: Zeroizing<String>,
    /// When its credential was looked at.
    asked_at: Instant,
}

impl Connection {
    /// Answers the beginning of SCRAM.
    pub(super) async fn begin_scram(&mut self, name: ScramName) {
        self.proven = None;
        let attempt = match self.guard.login().await {
            Ok(attempt) => attempt,
            Err(denied) => {
                let reply = self.denied(&denied).await;
                return self.session.answer_scram(Err(reply));
            }
        };
        let verdict = self.shared.relay.scram(name.auth_id()).await;
        // Nothing is wrong yet: the proof counts when it comes, so sessions that begin together don't count each other.
        attempt.was_not_wrong();
        self.session.answer_scram(verdict.map_err(|refusal| self.auth_told(&refusal)));
    }

    /// Answers what a client has to show for itself.
    pub(super) async fn authenticate(&mut self, credentials: Credentials) {
        self.note_hello();
        self.proven = None;
        let attempt = match self.guard.login().await {
            Ok(attempt) => attempt,
            Err(denied) => {
                let reply = self.denied(&denied).await;
                return self.session.answer_auth(Err(reply));
            }
        };
        let (relay, peer, auth_id) = (&self.shared.relay, &self.peer, credentials.auth_id());
        let asked_at = Instant::now();
        let result = match credentials.proof() {
            Proof::Password(password) => {
                let password = Secret::received(Zeroizing::new(password.reveal().to_owned()));
                relay.authenticate(auth_id, &password, peer.ip).await
            }
            Proof::Known => relay.authenticated(auth_id, peer.ip).await,
            Proof::Unknown => Err(Refusal::Credentials),
        };
        match result {
            Ok(login) => {
                attempt.was_not_wrong();
                if let Proof::Known = credentials.proof() {
                    relay.record_proof(&login, auth_id, peer).await;
                    let (login, auth_id) = (Box::new(login), Zeroizing::new(auth_id.to_owned()));
                    self.proven = Some(Proven { login, auth_id, asked_at });
                } else {
                    tokio::join!(relay.record_login(&login, auth_id, peer), relay.note_network(&login, peer));
                    (self.login, self.asked_at) = (Some(login), asked_at);
                }
                self.session.answer_auth(Ok(()));
            }
            Err(Refusal::Credentials) => {
                if self.guard.may_record() {
                    relay.record_login_refused(auth_id, peer).await;
                }
                self.session.answer_auth(Err(self.auth_told(&Refusal::Credentials)));
            }
            Err(refusal) => {
                attempt.was_not_wrong();
                self.session.answer_auth(Err(self.auth_told(&refusal)));
            }
        }
    }

    /// The client has taken our proof.
    pub(super) async fn take_in(&mut self) {
        if let Some(Proven { login, auth_id, asked_at }) = self.proven.take() {
            self.shared.relay.record_login(&login, &auth_id, &self.peer).await;
            (self.login, self.asked_at) = (Some(*login), asked_at);
        }
    }

    async fn denied(&mut self, denied: &Denied) -> Reply {
        match denied {
            Denied::Limited(limited) => self.limited(limited).await,
            Denied::Busy => self.auth_told(&Refusal::TryAgain),
        }
    }
}
