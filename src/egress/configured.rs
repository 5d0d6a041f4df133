//! From `[egress]` and `[dns]` of the configuration to what the parts of this floor are set up with.

use super::dkim::{DkimFault, KeyPlan, Signer};
use super::replies::{Override, Overrides};
use super::resolve::Resolvers;
use super::route::Route;
use super::scheduler::EgressError;
use super::source::{SourcePool, Sources};
use super::tls_report::Reporting;
use super::{EgressConfig, PoolLimits};
use crate::config::{self, Config, DkimKeyState, Dnssec, Profile, RouteDomain, TlsReports};
use crate::mail::Timestamp;
use crate::relay::Relay;
use crate::schedule::{Board, Bounds, Groups, Rate, Rest, Shape, at_once};
use crate::smtp::client::Deadlines;

/// The transport's set-up.
pub(super) fn transport(config: &Config) -> Result<EgressConfig, EgressError> {
    let own = &config.egress;
    let mut egress = EgressConfig::new(config.hostname.clone());
    for route in &own.routes {
        let (domain, next_hop) = (route.domain.to_string(), route.next_hop.to_string());
        let parsed = Route::parse(&domain, &next_hop, route.tls.as_str())?;
        egress.routes.push(parsed.from_pool(pool(own, route.pool.as_deref())));
    }
    let mut replies = Vec::new();
    for reply in own.replies.iter().chain(&config::Reply::built_in()) {
        let domain = reply.domain.to_string();
        replies.push(Override::parse(&domain, &reply.code, &reply.text, reply.class.as_str())?);
    }
    egress.replies = Overrides(replies);
    let servers = config.dns.servers.clone();
    egress.resolvers = match config.dns.dnssec {
        Dnssec::Ignore => Resolvers::Plain(servers),
        Dnssec::Trust => Resolvers::Validating(servers),
    };
    egress.authorities.clone_from(&own.ca_file);
    egress.sources = sources(own);
    let listeners = [&config.ingress.mx.listen, &config.ingress.submission.listen];
    let bound = listeners.into_iter().flatten().map(|address| address.ip());
    let bound = bound.chain(egress.sources.all());
    egress.own_addresses = bound.filter(|ip| !ip.is_unspecified()).collect();
    let reuse = &own.reuse;
    egress.pool = PoolLimits {
        per_hop: own.per_destination as usize,
        total: at_once(own.concurrency as usize),
        idle: reuse.idle,
        messages: reuse.messages,
        age: reuse.age,
        ..PoolLimits::default()
    };
    let times = &own.timeouts;
    egress.attempt = times.attempt;
    egress.deadlines = Deadlines {
        connect: times.connect,
        handshake: times.tls,
        start_tls: times.command,
        greeting: times.greeting,
        ehlo: times.command,
        mail: times.command,
        rcpt: times.command,
        data: times.data,
        content: times.content,
        dot: times.dot,
        ..Deadlines::default()
    };
    Ok(egress)
}

/// The pool of this name.
fn pool(egress: &config::Egress, name: Option<&str>) -> Option<SourcePool> {
    egress.pools.iter().position(|pool| Some(pool.name.as_str()) == name).map(SourcePool)
}

/// What is sent from where.
fn sources(egress: &config::Egress) -> Sources {
    let of_shape = |shape: &config::Shape| {
        let pool = pool(egress, shape.pool.as_deref())?;
        Some(shape.domains.iter().map(move |domain| (domain.clone(), pool)).collect::<Vec<_>>())
    };
    Sources {
        plain: egress.source_addresses.clone(),
        pools: egress.pools.iter().map(|pool| pool.source_addresses.clone()).collect(),
        by_domain: egress.shapes.iter().filter_map(of_shape).flatten().collect(),
        notices: pool(egress, egress.notice_pool.as_deref()),
        bulk: pool(egress, egress.bulk_pool.as_deref()),
    }
}

/// The signing keys; the development profile makes the first ones.
pub(super) fn signer(config: &Config) -> Result<Signer, DkimFault> {
    let dkim = &config.egress.dkim;
    if config.profile == Profile::Development && !dkim.dir.exists() {
        Signer::make(&dkim.dir, &dkim.selector_rsa, &dkim.selector_ed25519)?;
    }
    Signer::configured(dkim)
}

/// Whether TLS reports are sent.
pub(super) fn reporting(config: &Config) -> Reporting {
    match config.egress.tls_reports {
        TlsReports::None => Reporting::Off,
        TlsReports::Send => {
            let contact = config.egress.tls_reports_contact.clone();
            Reporting::On { contact: contact.unwrap_or_else(|| format!("postmaster@{}", config.hostname)) }
        }
    }
}

impl Signer {
    /// The keys that the configuration names, and when each signs.
    ///
    /// # Errors
    /// [`DkimFault`] when one of them is not there or no good.
    pub fn configured(dkim: &crate::config::Dkim) -> Result<Self, DkimFault> {
        let always = |selector: &str| KeyPlan {
            selector: selector.to_owned(),
            signs_from: Some(Timestamp::from_millis(0)),
        };
        let mut plans = vec![always(&dkim.selector_rsa), always(&dkim.selector_ed25519)];
        plans.extend(dkim.keys.iter().map(|key| KeyPlan {
            selector: key.selector.clone(),
            signs_from: match key.state {
                DkimKeyState::Publish | DkimKeyState::Retire => None,
                DkimKeyState::Sign => Some(key.not_before.unwrap_or(Timestamp::from_millis(0))),
            },
        }));
        Self::load(&dkim.dir)?.planned(&plans)
    }
}

/// The board of a process: what bounds it, which domains are one receiver, what those bear.
pub(super) fn board(config: &Config, relay: &Relay, shapes: &[config::Shape]) -> Board {
    let egress = &config.egress;
    let bounds = Bounds {
        concurrency: egress.concurrency as usize,
        per_destination: egress.per_destination as usize,
        messages_per_connection: egress.reuse.messages,
        rest: Rest { first: egress.retry.first, max: egress.retry.max },
    };
    let named = shapes
        .iter()
        .enumerate()
        .flat_map(|(place, shape)| shape.domains.iter().map(move |domain| (relay.route_of(domain), place)));
    let exact = egress.routes.iter().filter_map(|route| match &route.domain {
        RouteDomain::Exactly(domain) => Some(relay.route_of(domain)),
        RouteDomain::Any => None,
    });
    let has_smarthost = egress.routes.iter().any(|route| route.domain == RouteDomain::Any);
    let groups = Groups::new(named.collect(), has_smarthost.then(|| exact.collect()));
    let shapes = shapes.iter().map(|shape| Shape {
        // There are no more connections to one host than that.
        connections: shape.connections.min(egress.per_destination) as usize,
        messages_per_connection: shape.messages_per_connection,
        rate: shape.rate.map(|rate| Rate { messages: rate.messages, per: rate.per }),
    });
    Board::new(bounds, groups, shapes.collect())
}
