//! One attempt to deliver one message: next hops in order, a connection kept or new, a transaction, an outcome.
//!
//! Rules:
//! - Another host is tried after a failed connection, TLS that is required and did not come about, a refusing
//!   greeting, a loss or a 421 before the final dot; not after an answer about the message or its recipient, and never
//!   after the final dot (RFC 1047). At most [`MAX_SESSIONS`] hosts get as far as MAIL.
//! - A kept connection that turns out dead before it answered MAIL is no outcome: the message goes over a new one.
//! - What must not go without TLS (RFC 8689) goes only where the host is beyond doubt: to a static route that does not
//!   forbid TLS, or to an exchange within the recipient's own domain, since nobody can get a certificate for that name
//!   by lying about MX records; and only with a proven certificate and REQUIRETLS offered behind it. Otherwise 5.7.30.
//! - An attempt ends after [`EgressConfig::attempt`]; only the answer to the final dot is awaited longer, so that
//!   [`EgressConfig::longest_attempt`] bounds the whole.
//! - A dropped [`Transport::deliver`] closes its connection and frees its slots. The next hop may have the message.
//!
//! When it fails: never; whatever happens is a [`Report`].

use super::connect::{Connection, Dialer};
use super::pool::{Pool, PoolLimits};
use super::resolve::{NextHops, Origin, Target};
use super::route::{Host, Route, TlsPolicy};
use super::tls::{TlsClient, TlsFault, TlsInfo};
use crate::dns::ResolverFault;
use crate::mail::{Alias, Domain, RealAddress};
use crate::smtp::client::{Deadlines, Envelope, Outcome, Phase, RemoteText, Status, Verdict};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Hosts that get as far as MAIL in one attempt.
const MAX_SESSIONS: usize = 2;

/// What the transport is set up with.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// Our name in EHLO.
    pub hostname: Domain,
    /// Static routes, before any MX look-up.
    pub routes: Vec<Route>,
    /// Name servers; empty: the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// Addresses under which we are reached: no mail is sent there unless a route says so.
    pub own_addresses: Vec<IpAddr>,
    /// Address of this machine to send from; none: the system chooses.
    pub source_address: Option<IpAddr>,
    pub deadlines: Deadlines,
    /// How long one attempt may take up to the final dot.
    pub attempt: Duration,
    pub pool: PoolLimits,
    /// PEM file of authorities beside the usual ones, for routes with `verify`.
    pub authorities: Option<PathBuf>,
    /// How long a host with broken TLS is spoken to in clear.
    pub remember_broken_tls: Duration,
}

impl EgressConfig {
    /// Everything at its default: MX look-up with the system's name servers.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            routes: Vec::new(),
            dns_servers: Vec::new(),
            own_addresses: Vec::new(),
            source_address: None,
            deadlines: Deadlines::default(),
            attempt: Duration::from_secs(30 * 60),
            pool: PoolLimits::default(),
            authorities: None,
            remember_broken_tls: Duration::from_secs(3600),
        }
    }

    /// No attempt takes longer: a lease must not be shorter.
    #[must_use]
    pub fn longest_attempt(&self) -> Duration {
        self.attempt + self.deadlines.dot + self.deadlines.quit
    }
}

/// Why the transport cannot start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressFault {
    #[error(transparent)]
    Resolver(#[from] ResolverFault),
    #[error(transparent)]
    Tls(#[from] TlsFault),
}

/// One message for one recipient. It holds nothing but what an anonymized message and its delivery gave.
pub struct Outgoing<'a> {
    /// `None` is the null reverse-path of a DSN.
    pub reverse_path: Option<&'a Alias>,
    pub forward_path: &'a RealAddress,
    /// With CRLF line ends, dots not doubled.
    pub message: &'a [u8],
    /// It has octets above 127.
    pub eight_bit: bool,
    /// Its header has UTF-8 that needs SMTPUTF8.
    pub utf8_headers: bool,
    /// A connection that has carried so many is closed after this one.
    pub messages_per_connection: u32,
    /// Whether it may go only over proven TLS to servers that keep this rule (RFC 8689).
    pub require_tls: bool,
}

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
    /// What the next hop said; to be sealed.
    pub remote_text: Option<RemoteText>,
    pub connection_reused: bool,
}

/// Delivers. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Transport {
    hops: Arc<NextHops>,
    dialer: Arc<Dialer>,
    pool: Arc<Pool>,
    attempt: Duration,
}

impl Transport {
    /// Sets up name resolution and TLS. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`EgressFault`] when the name servers are unknown or the file of authorities is no good.
    pub fn new(config: EgressConfig) -> Result<Self, EgressFault> {
        let tls = TlsClient::new(config.authorities.as_deref(), config.remember_broken_tls)?;
        let hops = NextHops::new(
            &config.dns_servers,
            tls.proven_config(),
            config.routes,
            config.hostname.clone(),
            config.own_addresses,
        )?;
        let hostname = config.hostname.as_str().to_owned();
        let dialer =
            Arc::new(Dialer { hostname, deadlines: config.deadlines, tls, source: config.source_address });
        Ok(Self { hops: Arc::new(hops), dialer, pool: Pool::new(config.pool), attempt: config.attempt })
    }

    /// One attempt.
    pub async fn deliver(&self, outgoing: Outgoing<'_>) -> Report {
        let until = Instant::now() + self.attempt;
        // Only spreads load between equal exchanges.
        let random = getrandom::u64().unwrap_or_default();
        let domain = outgoing.forward_path.reveal_domain();
        let targets = match timeout(self.dialer.deadlines.resolve, self.hops.find(domain, random)).await {
            Ok(Ok(targets)) => targets,
            Ok(Err(verdict)) => return Report::nowhere(verdict),
            Err(_) => return Report::nowhere(Verdict::deferred(Status::ours(451, 4, 3), Phase::Resolve)),
        };
        let mut best: Option<Report> = None;
        let mut sessions = 0;
        for target in &targets {
            let proven;
            let target = if outgoing.require_tls {
                let Some(strict) = strict(target, domain) else {
                    let verdict = Verdict::failed(Status::REQUIRE_TLS, Phase::StartTls);
                    best.get_or_insert_with(|| Report::at(target, None, verdict, Reuse::New));
                    continue;
                };
                proven = strict;
                &proven
            } else {
                target
            };
            let report = self.try_target(target, &outgoing, until).await.for_good_without(&outgoing);
            if !report.leaves_hope_elsewhere() {
                return report;
            }
            sessions += usize::from(report.phase >= Phase::Reset);
            // A host that takes no mail at all does not outweigh one that may take it later.
            if best.is_none() || matches!(report.outcome, Outcome::Deferred { .. }) {
                best = Some(report);
            }
            if sessions >= MAX_SESSIONS || Instant::now() >= until {
                break;
            }
        }
        best.unwrap_or_else(|| Report::nowhere(Verdict::deferred(Status::ours(451, 4, 4), Phase::Resolve)))
    }

    /// Begins nothing new, lets what is under way finish, closes all connections. Whoever cannot wait that long stops
    /// waiting; the connections close when the transport is dropped.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn try_target(&self, target: &Target, outgoing: &Outgoing<'_>, until: Instant) -> Report {
        let patience = until.min(Instant::now() + self.dialer.deadlines.slot);
        let Ok(_slot) = self.pool.slot(target, patience).await else {
            return Report::nowhere(Verdict::deferred(Status::ours(451, 4, 5), Phase::Slot));
        };
        let envelope = Envelope {
            reverse_path: outgoing.reverse_path,
            forward_path: outgoing.forward_path,
            size: u64::try_from(outgoing.message.len()).unwrap_or(u64::MAX),
            eight_bit: outgoing.eight_bit,
            utf8_headers: outgoing.utf8_headers,
            require_tls: outgoing.require_tls,
        };
        if let Some(mut connection) = self.pool.take(target).await {
            let verdict = connection.transact(&envelope, outgoing.message, until).await;
            if !is_stale(&verdict, &connection) {
                return self.finish(target, connection, verdict, Reuse::Kept, outgoing);
            }
        }
        self.pool.make_room();
        match self.dialer.reach(target, until).await {
            Err(verdict) => Report::at(target, None, verdict, Reuse::New),
            Ok(mut connection) => {
                let verdict = connection.transact(&envelope, outgoing.message, until).await;
                self.finish(target, connection, verdict, Reuse::New, outgoing)
            }
        }
    }

    fn finish(
        &self,
        target: &Target,
        connection: Connection,
        verdict: Verdict,
        reuse: Reuse,
        outgoing: &Outgoing<'_>,
    ) -> Report {
        let tls = connection.tls();
        self.pool.put_back(target, connection, outgoing.messages_per_connection);
        Report::at(target, tls, verdict, reuse)
    }
}

/// The target as REQUIRETLS wants it, if its host is beyond doubt.
fn strict(target: &Target, domain: &Domain) -> Option<Target> {
    let is_sure = match (&target.origin, &target.host) {
        (Origin::Route, _) => target.tls != TlsPolicy::None,
        (Origin::Mx | Origin::ImplicitMx, Host::Name(name)) => name.is_within(domain),
        (Origin::Mx | Origin::ImplicitMx, Host::Address(_)) => false,
    };
    is_sure.then(|| Target { tls: TlsPolicy::Verify, ..target.clone() })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    New,
    Kept,
}

/// A kept connection that was dead, or about to be closed, when we spoke again.
fn is_stale(verdict: &Verdict, connection: &Connection) -> bool {
    matches!(verdict.outcome, Outcome::Deferred { ambiguous: false, .. })
        && matches!(verdict.phase, Phase::Reset | Phase::Mail)
        && !connection.is_reusable()
}

impl Report {
    fn nowhere(verdict: Verdict) -> Self {
        Self {
            outcome: verdict.outcome,
            phase: verdict.phase,
            origin: None,
            address: None,
            tls: None,
            remote_text: verdict.remote_text,
            connection_reused: false,
        }
    }

    fn at(target: &Target, tls: Option<TlsInfo>, verdict: Verdict, reuse: Reuse) -> Self {
        Self {
            origin: Some(target.origin),
            address: Some(target.address),
            tls,
            connection_reused: reuse == Reuse::Kept,
            ..Self::nowhere(verdict)
        }
    }

    /// A server without TLS will not have it tomorrow: what must not go without fails (RFC 8689 §4.2.1).
    fn for_good_without(mut self, outgoing: &Outgoing<'_>) -> Self {
        let lacks_tls = self.outcome.status().enhanced == Some((4, 7, 10));
        if outgoing.require_tls && self.phase == Phase::StartTls && lacks_tls {
            self.outcome = Outcome::Failed { status: Status::REQUIRE_TLS };
        }
        self
    }

    /// Whether another host of the same domain may take the message now.
    fn leaves_hope_elsewhere(&self) -> bool {
        match (self.phase, self.outcome) {
            (_, Outcome::Delivered { .. } | Outcome::Deferred { ambiguous: true, .. }) => false,
            (_, outcome) if outcome.status() == Status::REQUIRE_TLS => true,
            (Phase::Connect | Phase::Handshake, outcome) => matches!(outcome, Outcome::Deferred { .. }),
            // All but a host that is ourselves.
            (Phase::Greeting | Phase::Ehlo | Phase::StartTls, outcome) => {
                outcome.status().enhanced != Some((5, 4, 6))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_only_the_dns_named_is_beyond_doubt_within_the_recipients_domain() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let target =
            |host: Host, origin, tls| Target { host, address: ([8, 8, 1, 1], 25).into(), origin, tls };
        let sure = |host: &str, origin, tls| {
            strict(&target(Host::Name(domain(host)), origin, tls), &domain("mail.example"))
        };
        let found = sure("mx.mail.example", Origin::Mx, TlsPolicy::May).unwrap();
        assert_eq!(found.tls, TlsPolicy::Verify);
        assert!(sure("mail.example", Origin::ImplicitMx, TlsPolicy::May).is_some());
        assert!(sure("mx.provider.example", Origin::Mx, TlsPolicy::May).is_none());
        assert!(sure("mx.provider.example", Origin::Route, TlsPolicy::May).is_some());
        assert!(sure("mx.mail.example", Origin::Route, TlsPolicy::None).is_none());
        let literal = target(Host::Address([8, 8, 1, 1].into()), Origin::ImplicitMx, TlsPolicy::May);
        assert!(strict(&literal, &domain("[8.8.1.1]")).is_none());
    }
}
