//! Checks across keys: each value is good, do they go together? Pure; the machine is not asked.
//!
//! Rules: a key that already has a problem is left alone. A check reports once, at the key that is most likely the
//! mistaken one, and names the other.

use super::egress::{Host, NextHop, RouteDomain};
use super::listen;
use super::pool;
use super::reader::Reader;
use super::{Config, Dnssec, Profile};
use crate::geo::{self, Region};
use crate::mail::RealAddress;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// The shortest wait for the reply to the final dot.
const LEAST_DOT: Duration = Duration::from_secs(60);

/// The shortest and the longest lease of a delivery: a write to the database may take 40 seconds, and a lease bears one that does.
const LEAST_LEASE: Duration = Duration::from_secs(60);
const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// What a production configuration states itself: no default can be right.
const REQUIRED: [(&str, &str); 5] = [
    ("hostname", "write the name under which this machine is known, such as relay.example.jp"),
    ("storage.url", "write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"),
    ("domains.customer", "write your domain for customer aliases"),
    ("domains.merchant", "write your domain for merchant aliases"),
    ("residency.storage", "write \"JP\" if the storage lies in Japan"),
];

pub(super) fn check(config: &Config, r: &mut Reader) {
    if config.profile == Profile::Production && r.are_sound(&["profile"]) {
        production(config, r);
    }
    domains(config, r);
    listeners(config, r);
    routes(config, r);
    shapes(config, r);
    pool::check(&config.egress, r);
    retry(config, r);
    resolvers(config, r);
    timeouts(config, r);
    lease(config, r);
    limits(config, r);
    directories(config, r);
    config.keys.check(r);
    config.menu.login.check(r);
    config.retention.check(config.egress.retry.expire.saturating_add(config.content.hold_expire), r);
    if !config.residency.sites.is_empty()
        && config.residency.officers.is_empty()
        && r.are_sound(&["residency.officers"])
    {
        let reason = "is empty, so nobody's signature under residency.sites counts";
        r.refuse("residency.officers", reason, "add the key that `anshin compliance residency key` printed");
    }
    if let Some(Region::Abroad(region)) = config.storage.url.host().as_deref().and_then(geo::region) {
        let reason =
            format!("the host lies in {region}, outside Japan, where user information may not be stored");
        r.refuse("storage.url", reason, "use storage in Japan, such as ap-northeast-1 or ap-northeast-3");
    }
}

fn production(config: &Config, r: &mut Reader) {
    for (key, cure) in REQUIRED {
        if !r.is_given(key) {
            r.refuse(key, "is missing; the production profile has no default for it", cure);
        }
    }
    if r.are_sound(&["hostname"]) && !config.hostname.as_str().contains('.') {
        r.refuse(
            "hostname",
            "has no dot; other servers refuse such a name",
            "write the full name, such as relay.example.jp",
        );
    }
    if config.storage.url.is_memory() {
        r.refuse(
            "storage.url",
            "memory keeps nothing: acknowledged mail would be lost",
            "write sqlite:PATH or postgres://…",
        );
    }
    if r.are_sound(&["web.listen"]) && config.web.listen.iter().any(|a| !listen::is_private(a.ip())) {
        let reason =
            "is reachable from outside, but speaks HTTP in clear: tokens would be readable on the way";
        let cure = "listen on 127.0.0.1 or a private address and put a proxy with TLS in front";
        r.refuse("web.listen", reason, cure);
    }
}

fn domains(config: &Config, r: &mut Reader) {
    if !r.are_sound(&["domains.customer", "domains.merchant"]) {
        return;
    }
    let (customer, merchant) = (&config.domains.customer, &config.domains.merchant);
    let cure = "write two domains, neither of them inside the other";
    if customer.is_within(merchant) {
        r.refuse("domains.customer", "is the same as domains.merchant or lies inside it", cure);
    } else if merchant.is_within(customer) {
        r.refuse("domains.merchant", "lies inside domains.customer", cure);
    }
    let mailbox = config.domains.postmaster.as_deref().and_then(|text| RealAddress::parse(text).ok());
    if let Some(domain) = mailbox.as_ref().map(RealAddress::reveal_domain)
        && (domain.is_within(customer) || domain.is_within(merchant))
    {
        let reason = "lies in one of our own domains: its mail would come back for ever";
        r.refuse("domains.postmaster", reason, "write a mailbox elsewhere");
    }
    for (key, domain) in [("domains.customer", customer), ("domains.merchant", merchant)] {
        // `pc.` before it, and an alias of 40 octets, must still be an address (254 octets).
        if domain.as_str().len() > 200 {
            r.refuse(
                key,
                "is longer than 200 octets: aliases in it would be no addresses",
                "write a shorter domain",
            );
        }
    }
}

fn listeners(config: &Config, r: &mut Reader) {
    let web = config.web.listen.iter().map(|a| ("web.listen", *a));
    let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
    for (key, address) in config.ingress.listeners().chain(web) {
        if !r.are_sound(&[key]) {
            continue;
        }
        if let Some((other, taken)) = seen.iter().find(|(_, taken)| listen::overlap(*taken, address)) {
            let reason = format!("{address} is already taken by {taken} in {other}");
            r.refuse(key, reason, "give each listener its own address or port; [::] takes IPv4 as well");
        }
        seen.push((key, address));
    }
}

fn shapes(config: &Config, r: &mut Reader) {
    let mut seen = HashSet::new();
    for (shape, number) in config.egress.shapes.iter().zip(1..) {
        for domain in &shape.domains {
            if !seen.insert(domain.as_str()) {
                let key = format!("egress.shape[{number}].domains");
                r.refuse(&key, format!("{domain} has a shape already"), "name each domain in one shape");
            }
        }
    }
}

fn routes(config: &Config, r: &mut Reader) {
    let mut seen = HashSet::new();
    for (route, number) in config.egress.routes.iter().zip(1..) {
        let (domain_key, hop_key) =
            (format!("egress.route[{number}].domain"), format!("egress.route[{number}].next_hop"));
        if !seen.insert(route.domain.to_string()) {
            r.refuse(&domain_key, "has a route already", "keep one route for each domain");
        }
        if let RouteDomain::Exactly(domain) = &route.domain
            && (domain.is_within(&config.domains.customer) || domain.is_within(&config.domains.merchant))
        {
            r.refuse(&domain_key, "is a domain of ours: its mail would come back to us", "remove the route");
        }
        if leads_here(config, &route.next_hop) {
            r.refuse(
                &hop_key,
                "is a listener of ours: mail would go round in a loop",
                "name the next server, not this one",
            );
        }
    }
}

fn leads_here(config: &Config, hop: &NextHop) -> bool {
    let reached =
        |ip| config.ingress.listeners().any(|(_, l)| listen::reaches(SocketAddr::new(ip, hop.port), l));
    match &hop.host {
        Host::Ip(ip) => reached(*ip),
        Host::Name(name) if name.as_str() == "localhost" => {
            reached(std::net::Ipv4Addr::LOCALHOST.into()) || reached(std::net::Ipv6Addr::LOCALHOST.into())
        }
        Host::Name(name) => {
            *name == config.hostname && config.ingress.listeners().any(|(_, l)| l.port() == hop.port)
        }
    }
}

fn retry(config: &Config, r: &mut Reader) {
    let retry = &config.egress.retry;
    if r.are_sound(&["egress.retry.first", "egress.retry.max"]) && retry.first > retry.max {
        r.refuse("egress.retry.first", "is longer than egress.retry.max", "make first shorter or max longer");
    }
    if r.are_sound(&["egress.retry.first", "egress.retry.expire"]) && retry.expire < retry.first {
        let reason = "is shorter than egress.retry.first: mail would expire before its second attempt";
        r.refuse("egress.retry.expire", reason, "make expire longer; 3d is usual");
    }
}

fn resolvers(config: &Config, r: &mut Reader) {
    if config.dns.dnssec != Dnssec::Trust || !r.are_sound(&["dns.servers", "dns.dnssec"]) {
        return;
    }
    let cure = "run a validating resolver here, such as unbound, and write dns.servers = [\"127.0.0.1\"]";
    if config.dns.servers.is_empty() {
        r.refuse("dns.dnssec", "is \"trust\" without dns.servers to trust", cure);
    } else if config.dns.servers.iter().any(|server| !server.ip().is_loopback()) {
        let reason =
            "is \"trust\", but a resolver is not on this machine: on the way anybody can set the bit";
        r.refuse("dns.dnssec", reason, cure);
    }
}

fn timeouts(config: &Config, r: &mut Reader) {
    let times = &config.egress.timeouts;
    if r.are_sound(&["egress.timeouts.dot"]) && times.dot < LEAST_DOT {
        let reason = "is shorter than 1m: who gives up on the reply to the final dot sends the mail twice";
        r.refuse("egress.timeouts.dot", reason, "leave it at 10m, as RFC 5321 §4.5.3.2.6 has it");
    }
}

fn lease(config: &Config, r: &mut Reader) {
    let least = if config.profile == Profile::Production { LEAST_LEASE } else { LEAST_LEASE / 20 };
    if r.are_sound(&["egress.lease", "profile"]) && !(least..=LONGEST_LEASE).contains(&config.egress.lease) {
        let reason = "is not from 1m (in the development profile 3s) to 10m: who only stalls for a while would be taken for dead, or who \
                      is dead keep its mail for long";
        r.refuse("egress.lease", reason, "leave it at 1m");
    }
}

fn limits(config: &Config, r: &mut Reader) {
    let limits = &config.limits;
    // A buffer that grows doubles: it may hold twice what it has received.
    let needed = limits.message_size.octets().saturating_mul(2);
    if r.are_sound(&["limits.memory", "limits.message_size"]) && limits.memory.octets() < needed {
        let reason = "is below twice limits.message_size: a message of that size could never be taken";
        r.refuse("limits.memory", reason, "make it several times limits.message_size");
    }
}

fn directories(config: &Config, r: &mut Reader) {
    let dkim = &config.egress.dkim;
    if r.are_sound(&["egress.dkim.dir", "keys.dir"]) && dkim.dir == config.keys.dir {
        let reason = "is the same as keys.dir: the roles that hold the key ring must not hold signing keys";
        r.refuse("egress.dkim.dir", reason, "give the signing keys a directory of their own");
    }
    let mut selectors = vec![&dkim.selector_rsa, &dkim.selector_ed25519];
    for (key, number) in dkim.keys.iter().zip(1..) {
        if selectors.contains(&&key.selector) {
            let name = format!("egress.dkim.key[{number}].selector");
            r.refuse(&name, "is named twice", "name each key once; selector_rsa and selector_ed25519 count");
        }
        selectors.push(&key.selector);
    }
    if r.are_sound(&["egress.dkim.selector_rsa", "egress.dkim.selector_ed25519"])
        && dkim.selector_rsa == dkim.selector_ed25519
    {
        let reason = "is the same as egress.dkim.selector_rsa: one DNS record cannot hold both keys";
        r.refuse("egress.dkim.selector_ed25519", reason, "give each key its own selector");
    }
}
