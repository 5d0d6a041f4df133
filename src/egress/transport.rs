//! One attempt to deliver one message: next hops in order, a connection kept or new, a transaction, an outcome.
//!
//! Rules:
//! - An MTA-STS policy that enforces strikes out the hosts that it does not name and wants a proven certificate of the
//!   others; proven TLSA records come before it (RFC 8461 §2). Neither touches a static route, nor a report on TLS: that
//!   must arrive where TLS fails, and is not reported on in turn (RFC 8460 §3).
//! - A host is tried at its other address where one does not serve (`reach`).
//! - Another host is tried after a failed connection, TLS that is required and did not come about, a refusing
//!   greeting, a loss or a 421 before the final dot; not after an answer about the message or its recipient, and never
//!   after the final dot (RFC 1047). At most [`MAX_SESSIONS`] hosts get as far as MAIL.
//! - A kept connection that turns out dead before it answered MAIL is no outcome: the message goes over a new one.
//! - What must not go without TLS (RFC 8689) goes only where the host is beyond doubt: to a static route that does not
//!   forbid TLS, to one that DNSSEC or an MTA-STS policy names, or to an exchange within the recipient's own domain, since
//!   nobody can get a certificate for that name by lying about MX records; and only with a proven certificate and REQUIRETLS offered behind it. Otherwise 5.7.30.
//! - An attempt ends after [`EgressConfig::attempt`]; only the answer to the final dot is awaited longer, so that
//!   [`EgressConfig::longest_attempt`] bounds the whole.
//! - A dropped [`Transport::deliver`] closes its connection and frees its slots. The next hop may have the message.
//!
//! When it fails: never; whatever happens is a [`Report`].

use super::connect::{Connection, Dialer};
use super::demand::{Demand, TlsFailure};
use super::dotted::Dotted;
use super::ground::Ground;
use super::pool::{Pool, PoolLimits};
use super::reach::{SHUNNED, TlsSeen};
use super::remembered::Remembered;
use super::replies::Overrides;
use super::report::{Report, Reuse};
use super::resolve::{NextHops, Origin, Resolvers, Target};
use super::route::Route;
use super::source::Sources;
use super::sts::Mode;
use super::sts_policies::{Holding, StsPolicies};
use super::tls::{TlsClient, TlsFault};
use super::tls_report::Tally;
use crate::dns::ResolverFault;
use crate::mail::{Alias, Domain, RealAddress};
use crate::smtp::client::{Deadlines, Envelope, Outcome, Phase, Status, Verdict};
use std::net::IpAddr;
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
    pub resolvers: Resolvers,
    /// Addresses under which we are reached: no mail is sent there unless a route says so.
    pub own_addresses: Vec<IpAddr>,
    /// Addresses of this machine to send from.
    pub sources: Sources,
    /// Replies that mean something else at some providers.
    pub replies: Overrides,
    pub deadlines: Deadlines,
    /// How long one attempt may take up to the final dot.
    pub attempt: Duration,
    pub pool: PoolLimits,
    /// PEM file of authorities beside the usual ones, for routes with `verify`.
    pub authorities: Option<PathBuf>,
    /// How long a host with broken TLS is spoken to in clear.
    pub remember_broken_tls: Duration,
    pub(super) ground: Ground,
}

impl EgressConfig {
    /// Everything at its default: MX look-up with the system's name servers.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            routes: Vec::new(),
            resolvers: Resolvers::Plain(Vec::new()),
            own_addresses: Vec::new(),
            sources: Sources::default(),
            replies: Overrides::default(),
            deadlines: Deadlines::default(),
            attempt: Duration::from_secs(30 * 60),
            pool: PoolLimits::default(),
            authorities: None,
            remember_broken_tls: Duration::from_secs(3600),
            ground: Ground::default(),
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
    pub purpose: Purpose,
    /// In place of where the recipient's domain goes.
    pub route: Option<&'a Route>,
    /// Set once the final dot is under way.
    pub dotted: &'a Dotted,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Mail,
    /// The same to many: it may go from other addresses.
    Bulk,
    /// It tells its reader how TLS to the reader's own servers went.
    TlsReport,
}

/// Delivers. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Transport {
    hops: Arc<NextHops>,
    policies: Arc<StsPolicies>,
    dialer: Arc<Dialer>,
    pool: Arc<Pool>,
    replies: Arc<Overrides>,
    tally: Arc<Tally>,
    attempt: Duration,
}

/// What one attempt goes by.
struct Attempt<'a> {
    outgoing: &'a Outgoing<'a>,
    domain: &'a Domain,
    holding: Holding,
    until: Instant,
}

impl Transport {
    /// Sets up name resolution and TLS. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`EgressFault`] when the name servers are unknown or the file of authorities is no good.
    pub fn new(config: EgressConfig) -> Result<Self, EgressFault> {
        let tls = TlsClient::new(config.authorities.as_deref(), config.remember_broken_tls)?;
        let hops = NextHops::new(
            &config.resolvers,
            tls.proven_config(),
            config.routes,
            config.hostname.clone(),
            config.own_addresses,
            config.ground,
        )?;
        let policies = StsPolicies::new(hops.dns(), Arc::new(tls.proven_config().clone()), config.ground);
        let hostname = config.hostname.as_str().to_owned();
        let dialer = Dialer {
            hostname,
            deadlines: config.deadlines,
            tls,
            sources: config.sources,
            shunned: Remembered::new(SHUNNED),
        };
        Ok(Self {
            hops: Arc::new(hops),
            policies: Arc::new(policies),
            dialer: Arc::new(dialer),
            pool: Pool::new(config.pool),
            replies: Arc::new(config.replies),
            tally: Arc::default(),
            attempt: config.attempt,
        })
    }

    /// The policies that it has found, to be kept beyond this process.
    pub(super) fn policies(&self) -> &StsPolicies {
        &self.policies
    }

    /// How TLS went.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Who is asked about what is not ours.
    pub(super) fn dns(&self) -> Arc<super::names::NameService> {
        self.hops.dns()
    }

    /// One attempt.
    pub async fn deliver(&self, outgoing: Outgoing<'_>) -> Report {
        let domain = outgoing.forward_path.reveal_domain();
        let report = self.attempt(&outgoing, domain).await.kept_for_its_route();
        self.replies.apply(domain, report)
    }

    async fn attempt(&self, outgoing: &Outgoing<'_>, domain: &Domain) -> Report {
        let until = Instant::now() + self.attempt;
        let resolved = timeout(self.dialer.deadlines.resolve, self.resolve(domain, outgoing)).await;
        let (targets, holding) = match resolved {
            Ok(Ok(resolved)) => resolved,
            Ok(Err(report)) => return *report,
            Err(_) => return Report::nowhere(Verdict::deferred(Status::ours(451, 4, 3), Phase::Resolve)),
        };
        let sources = &self.dialer.sources;
        let own = sources.of_kind(outgoing.reverse_path.is_none(), outgoing.purpose);
        let targets: Vec<Target> =
            targets.into_iter().map(|target| sources.apply(target, domain, own)).collect();
        let attempt = Attempt { outgoing, domain, holding, until };
        let mut best: Option<Report> = None;
        let mut sessions = 0;
        for target in &targets {
            let proven;
            let target = if outgoing.require_tls {
                let Some(strict) = strict(target, domain) else {
                    let verdict = Verdict::failed(Status::REQUIRE_TLS, Phase::StartTls);
                    best.get_or_insert_with(|| Report::at(target, None, None, verdict, Reuse::New));
                    continue;
                };
                proven = strict;
                &proven
            } else {
                target
            };
            let report = self.try_target(target, &attempt).await.for_good_without(outgoing);
            if !report.leaves_hope_elsewhere(outgoing) {
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

    /// Where mail for `domain` may go, and under which policy.
    async fn resolve(
        &self,
        domain: &Domain,
        outgoing: &Outgoing<'_>,
    ) -> Result<(Vec<Target>, Holding), Box<Report>> {
        // Only spreads load between equal exchanges.
        let random = getrandom::u64().unwrap_or_default();
        let targets = match self.hops.find(outgoing.route, domain, random).await {
            Ok(targets) => targets,
            Err(verdict) => return Err(Box::new(Report::nowhere(verdict))),
        };
        if targets.iter().any(|target| target.origin == Origin::Route) {
            return Ok((targets, Holding::default()));
        }
        if outgoing.purpose == Purpose::TlsReport {
            let leniently = |target| Target { demand: Demand::May, ..target };
            return Ok((targets.into_iter().map(leniently).collect(), Holding::default()));
        }
        let holding = self.policies.of(domain).await;
        let Some(policy) = holding.policy.clone().filter(|policy| policy.mode == Mode::Enforce) else {
            return Ok((targets, holding));
        };
        let mut allowed = Vec::new();
        for mut target in targets {
            let named = target.host_name().is_some_and(|host| policy.names(host));
            // A policy must not override DANE that fails (RFC 8461 §2); records of which none is usable prove nothing.
            let is_open = match &target.demand {
                Demand::May => true,
                Demand::Dane(dane) => dane.records.is_empty(),
                Demand::Never | Demand::Encrypt | Demand::Verify => false,
            };
            match is_open {
                true if named => target.demand = Demand::Verify,
                true => {
                    let seen = TlsSeen::Failed(TlsFailure::MxNotInPolicy);
                    self.tally.count(domain, &holding, &target, seen, None);
                    continue;
                }
                false => {}
            }
            allowed.push(target);
        }
        if allowed.is_empty() {
            let verdict = Verdict::deferred(Status::ours(451, 7, 5), Phase::Resolve);
            let tls_failure = Some(TlsFailure::MxNotInPolicy);
            return Err(Box::new(Report { tls_failure, ..Report::nowhere(verdict) }));
        }
        Ok((allowed, holding))
    }

    /// Begins nothing new, lets what is under way finish for a while ([`PoolLimits::closing`]), closes the connections that
    /// are kept. The others close when their attempts end or are dropped.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn try_target(&self, target: &Target, attempt: &Attempt<'_>) -> Report {
        let (outgoing, until) = (attempt.outgoing, attempt.until);
        let patience = until.min(Instant::now() + self.dialer.deadlines.slot);
        let Ok(_slot) = self.pool.slot(target, patience).await else {
            return Report::crowded(target);
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
            let verdict = connection.transact(&envelope, outgoing, until).await;
            if !is_stale(&verdict, &connection) {
                return self.finish(target, connection, verdict, Reuse::Kept, outgoing);
            }
        }
        self.pool.make_room();
        let reached = self.dialer.reach(target, until).await;
        if outgoing.purpose != Purpose::TlsReport && target.origin != Origin::Route {
            for (address, seen) in &reached.seen {
                self.tally.count(attempt.domain, &attempt.holding, target, *seen, Some(address.ip()));
            }
        }
        let tls_failure = reached.tls_failure();
        let report = match reached.connection {
            Err(verdict) => Report::at(target, reached.address, None, verdict, Reuse::New),
            Ok(mut connection) => {
                let address = connection.address();
                let verdict = connection.transact(&envelope, outgoing, until).await;
                let report = self.finish(target, connection, verdict, Reuse::New, outgoing);
                if report.leaves_hope_elsewhere(outgoing) {
                    self.dialer.shun(target, address);
                }
                report
            }
        };
        Report { tls_failure, ..report }
    }

    fn finish(
        &self,
        target: &Target,
        connection: Connection,
        verdict: Verdict,
        reuse: Reuse,
        outgoing: &Outgoing<'_>,
    ) -> Report {
        let (tls, address) = (connection.tls(), connection.address());
        self.pool.put_back(target, connection, outgoing.messages_per_connection);
        Report::at(target, Some(address), tls, verdict, reuse)
    }
}

/// The target as REQUIRETLS wants it, if its host is beyond doubt (RFC 8689 §4.2.1).
fn strict(target: &Target, domain: &Domain) -> Option<Target> {
    let demand = match (&target.demand, target.origin) {
        (Demand::Never, Origin::Route) => return None,
        (_, Origin::Route) => Demand::Verify,
        // DNSSEC proves which host it is, and its records prove the host.
        (Demand::Dane(dane), _) if !dane.records.is_empty() => target.demand.clone(),
        // An MTA-STS policy names the host.
        (Demand::Verify, _) => Demand::Verify,
        _ if target.host_name().is_some_and(|name| name.is_within(domain)) => Demand::Verify,
        _ => return None,
    };
    Some(Target { demand, ..target.clone() })
}

/// A kept connection that was dead, or about to be closed, when we spoke again.
fn is_stale(verdict: &Verdict, connection: &Connection) -> bool {
    matches!(verdict.outcome, Outcome::Deferred { ambiguous: false, .. })
        && matches!(verdict.phase, Phase::Reset | Phase::Mail)
        && !connection.is_reusable()
}

#[cfg(test)]
mod tests {
    use super::super::demand::Dane;
    use super::super::route::Host;
    use super::*;

    #[test]
    fn an_exchange_that_only_the_dns_named_is_beyond_doubt_within_the_recipients_domain() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let target = |host: Host, origin, demand| Target {
            host,
            addresses: vec![([8, 8, 1, 1], 25).into()],
            origin,
            demand,
            pool: None,
        };
        let sure = |host: &str, origin, demand| {
            strict(&target(Host::Name(domain(host)), origin, demand), &domain("mail.example"))
        };
        let found = sure("mx.mail.example", Origin::Mx, Demand::May).unwrap();
        assert_eq!(found.demand, Demand::Verify);
        assert!(sure("mail.example", Origin::ImplicitMx, Demand::May).is_some());
        assert!(sure("mx.provider.example", Origin::Mx, Demand::May).is_none());
        assert!(sure("mx.provider.example", Origin::Mx, Demand::Verify).is_some());
        assert!(sure("mx.provider.example", Origin::Route, Demand::May).is_some());
        assert!(sure("mx.mail.example", Origin::Route, Demand::Never).is_none());
        let literal = target(Host::Address([8, 8, 1, 1].into()), Origin::ImplicitMx, Demand::May);
        assert!(strict(&literal, &domain("[8.8.1.1]")).is_none());
        let record = super::super::tlsa::Tlsa::read(3, 1, 1, &[7; 32]);
        for records in [Vec::new(), record.into_iter().collect()] {
            let base = domain("mx.provider.example");
            let dane = Demand::Dane(Arc::new(Dane { base: base.clone(), names: vec![base], records }));
            let expected = matches!(&dane, Demand::Dane(dane) if !dane.records.is_empty());
            let found = sure("mx.provider.example", Origin::Mx, dane.clone());
            assert_eq!(found.map(|target| target.demand == dane), expected.then_some(true));
        }
    }
}
