//! How an attempt ended, and whether another host may do better.

use super::Outgoing;
use super::demand::TlsFailure;
use super::resolve::{Origin, Target};
use super::tls::TlsInfo;
use crate::schedule::Site;
use crate::smtp::client::{Outcome, Phase, RemoteText, Status, Verdict};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

/// How an attempt ended.
pub struct Report {
    pub outcome: Outcome,
    /// Where it was decided.
    pub phase: Phase,
    /// How the next hop was found; `None` where none was.
    pub origin: Option<Origin>,
    /// The address that was dialled, or used again.
    pub address: Option<SocketAddr>,
    pub tls: Option<TlsInfo>,
    /// Why the last TLS that was tried did not come about as demanded.
    pub tls_failure: Option<TlsFailure>,
    /// What the next hop said; to be sealed.
    pub remote_text: Option<RemoteText>,
    pub connection_reused: bool,
    /// Whether an entry of the configuration says what the reply means: then nothing else does.
    pub is_decided: bool,
    /// The host to which all our connections were in use.
    pub crowded: Option<Site>,
}

/// Whether a connection was kept from an earlier message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    New,
    Kept,
}

impl Report {
    pub(super) fn nowhere(verdict: Verdict) -> Self {
        Self {
            outcome: verdict.outcome,
            phase: verdict.phase,
            origin: None,
            address: None,
            tls: None,
            tls_failure: None,
            remote_text: verdict.remote_text,
            connection_reused: false,
            is_decided: false,
            crowded: None,
        }
    }

    /// All connections to the target's host are in use, whatever is demanded of its TLS.
    pub(super) fn crowded(target: &Target) -> Self {
        let mut hasher = DefaultHasher::new();
        (&target.host, target.addresses.first().map(SocketAddr::port)).hash(&mut hasher);
        let verdict = Verdict::deferred(Status::ours(451, 4, 5), Phase::Slot);
        Self { crowded: Some(Site(hasher.finish())), ..Self::nowhere(verdict) }
    }

    pub(super) fn at(
        target: &Target,
        address: Option<SocketAddr>,
        tls: Option<TlsInfo>,
        verdict: Verdict,
        reuse: Reuse,
    ) -> Self {
        Self {
            origin: Some(target.origin),
            address: address.or(target.addresses.first().copied()),
            tls,
            connection_reused: reuse == Reuse::Kept,
            ..Self::nowhere(verdict)
        }
    }

    /// A server without TLS will not have it tomorrow: what must not go without fails (RFC 8689 §4.2.1).
    pub(super) fn for_good_without(mut self, outgoing: &Outgoing<'_>) -> Self {
        let lacks_tls = self.outcome.status().enhanced == Some((4, 7, 10));
        if outgoing.require_tls && self.phase == Phase::StartTls && lacks_tls {
            self.outcome = Outcome::Failed { status: Status::REQUIRE_TLS };
        }
        self
    }

    /// A host that an MX record names and that takes no mail fails it for good (RFC 7504); one that the operator named is his
    /// mistake, or that host's, and the mail waits until it is mended.
    pub(super) fn kept_for_its_route(mut self) -> Self {
        if let Outcome::Failed { status } = self.outcome
            && matches!(status.code, 521 | 556)
            && self.origin == Some(Origin::Route)
            && self.remote_text.is_some()
            && self.phase <= Phase::Mail
        {
            self.outcome =
                Outcome::Deferred { status: Status::ours(451, 3, 2), phase: self.phase, ambiguous: false };
        }
        self
    }

    /// Whether another host of the same domain may take the message now.
    pub(super) fn leaves_hope_elsewhere(&self, outgoing: &Outgoing<'_>) -> bool {
        match (self.phase, self.outcome) {
            (_, Outcome::Delivered { .. } | Outcome::Deferred { ambiguous: true, .. }) => false,
            (_, outcome) if outcome.status() == Status::REQUIRE_TLS => true,
            (Phase::Slot | Phase::Connect | Phase::Handshake, outcome) => {
                matches!(outcome, Outcome::Deferred { .. })
            }
            // All but a host that is ourselves.
            (Phase::Greeting | Phase::Ehlo | Phase::StartTls, outcome) => {
                outcome.status().enhanced != Some((5, 4, 6))
            }
            // Another host may take what this one does not offer to: the larger message, the address in UTF-8. A header in UTF-8 is ours
            // to write otherwise.
            (Phase::Mail, Outcome::Failed { status }) if self.remote_text.is_none() => {
                match status.enhanced {
                    Some((5, 3, 4)) => true,
                    Some((5, 6, 7)) => !outgoing.forward_path.is_ascii(),
                    _ => false,
                }
            }
            // Lost, or sent away.
            (
                Phase::Reset | Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Content,
                Outcome::Deferred { status, .. },
            ) => self.remote_text.is_none() || status.code == 421,
            _ => false,
        }
    }
}
