//! Every place that a configuration names where user information lies, or whom it is told.
//!
//! Rules: the structures are taken apart without `..`, so that a new key does not compile until somebody has said
//! whether it names a place. Delivery to the recipients' own servers is their communication and stands apart; a smarthost works for
//! the operator, and does not.

use crate::config::{
    Audit, AwsKms, Config, Detections, Dkim, Dns, Domains, Egress, Host, Ingress, Keys, Menu, MenuLogin, Mx,
    NextHop, Pkcs11, Provider, Residency, RouteDomain, ScannerAddress, Storage, StorageUrl, Submission, Web,
    Webhooks,
};
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// What a place is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// It wraps and unwraps the keys of the ring.
    KeyService,
    /// User information lies there, sealed.
    Storage,
    /// A copy of the database that its server keeps.
    Replica,
    /// The keys that open it.
    Keys,
    /// Names of senders' and recipients' domains are asked for there.
    Resolver,
    /// Addresses of clients are asked for there.
    BlockList,
    /// Mail is looked at there.
    Scanner,
    /// Mail of one domain is handed over there, on its way to its recipient.
    Delivery,
    /// Mail to everybody is handed over there, to somebody who works for the operator.
    Smarthost,
    /// Mail to the operator goes there.
    Operator,
    /// Checkpoints of the audit tree are kept there.
    Anchor,
    /// People of stores sign in there, and it says who they are.
    Login,
    /// What becomes of mails is told there, to the marketplace's own systems.
    Webhook,
    /// A file into which somebody has user information written.
    Export,
    /// No place: a statement about some.
    Statement,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    File(PathBuf),
    Socket(PathBuf),
    Ip(IpAddr),
    Host(String),
    /// A zone of the DNS, which others serve.
    Zone(String),
    /// What /etc/resolv.conf names.
    SystemResolvers,
    /// The database did not show it to this user.
    Hidden,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::File(path) | At::Socket(path) => write!(f, "{}", path.display()),
            At::Ip(ip) => write!(f, "{ip}"),
            At::Host(name) | At::Zone(name) => f.write_str(name),
            At::SystemResolvers => f.write_str("the system's resolvers"),
            At::Hidden => f.write_str("a replica"),
        }
    }
}

/// A place, by the key that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub key: String,
    pub purpose: Purpose,
    pub at: At,
}

/// All places of a configuration.
#[must_use]
pub fn places(config: &Config) -> Vec<Place> {
    let Config {
        profile: _,
        hostname: _,
        storage: Storage { url },
        domains: Domains { customer: _, merchant: _, postmaster },
        ingress,
        senders: _,
        egress,
        dns,
        web,
        menu,
        webhooks,
        keys,
        limits: _,
        content: _,
        names: _,
        residency,
        retention: _,
        // Who opens exports has a key and is no host; where a file is written is judged as it is named (`residency::export`).
        compliance: _,
        audit,
        // Rules name no host, and what they find lies in the database.
        detections: Detections { rules: _ },
    } = config;
    let mut places = vec![storage(url)];
    ring(keys, &mut places);
    resolvers(dns, &mut places);
    helpers(ingress, &mut places);
    routes(egress, &mut places);
    if let Some((_, domain)) = postmaster.as_deref().and_then(|mailbox| mailbox.rsplit_once('@')) {
        places.push(place("domains.postmaster", Purpose::Operator, At::Zone(domain.to_owned())));
    }
    anchors(audit, &mut places);
    login(menu, &mut places);
    let Webhooks { hosts, networks: _, authorities: _ } = webhooks;
    places.extend(hosts.iter().map(|host| place("webhooks.hosts", Purpose::Webhook, at_host(host))));
    // Statements and data about networks hold nothing of users, people who come from somewhere are judged apart; `web` only listens, and its links and reports go to readers
    // of our own DNS records, who send to it.
    let Residency { storage: _, officers: _, sites: _, country_overlay: _, network_overlay: _, staff: _ } =
        residency;
    let Web { listen: _, public_url: _, proxies: _, requests: _, mta_sts: _ } = web;
    places
}

fn place(key: impl Into<String>, purpose: Purpose, at: At) -> Place {
    Place { key: key.into(), purpose, at }
}

fn storage(url: &StorageUrl) -> Place {
    let at = match (url.file(), url.host()) {
        (Some(file), _) => At::File(file.to_owned()),
        (None, Some(host)) => at_host(&host),
        (None, None) => At::Ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    };
    place("storage.url", Purpose::Storage, at)
}

/// A socket's directory, an address or a name.
pub(super) fn at_host(host: &str) -> At {
    if host.starts_with('/') {
        return At::Socket(PathBuf::from(host));
    }
    host.parse().map_or_else(|_| At::Host(host.to_owned()), At::Ip)
}

/// Where the keys are, and who can unwrap them. A token's library is this machine's, whatever it talks to.
fn ring(keys: &Keys, places: &mut Vec<Place>) {
    let Keys {
        dir,
        provider,
        former_provider,
        pkcs11: Pkcs11 { module, token: _, key: _, pin_file: _ },
        aws_kms,
    } = keys;
    places.push(place("keys.dir", Purpose::Keys, At::File(dir.clone())));
    let AwsKms { key, credentials_file: _, endpoint } = aws_kms;
    let opens = [*provider, *former_provider];
    if opens.contains(&Provider::Pkcs11) {
        let library = |path: &PathBuf| place("keys.pkcs11.module", Purpose::Keys, At::File(path.clone()));
        places.extend(module.iter().map(library));
    }
    if opens.contains(&Provider::AwsKms) {
        // arn:aws:kms:REGION:ACCOUNT:key/ID
        let of_key = || format!("kms.{}.amazonaws.com", key.split(':').nth(3).unwrap_or_default());
        let host = host_of(endpoint).map_or_else(of_key, str::to_owned);
        places.push(place("keys.aws_kms.key", Purpose::KeyService, at_host(&host)));
    }
}

/// Where checkpoints of the audit tree are kept. They hold a count and a hash and nothing of users, so the officer's mail goes
/// where his mailbox is.
fn anchors(audit: &Audit, places: &mut Vec<Place>) {
    let Audit { anchors, officer: _, witnesses } = audit;
    places.extend(anchors.iter().map(|path| place("audit.anchors", Purpose::Anchor, At::File(path.clone()))));
    for (witness, i) in witnesses.iter().zip(1..) {
        places.push(place(format!("audit.witness[{i}].address"), Purpose::Anchor, hop(&witness.address)));
    }
}

/// Where the people of stores sign in, if they do so elsewhere. The brand is a word; what leads back here is our own; claims, role and
/// authorities name no place.
fn login(menu: &Menu, places: &mut Vec<Place>) {
    let Menu { brand: _, login } = menu;
    let MenuLogin {
        issuer,
        hosts,
        client_id: _,
        client_secret_file: _,
        public_url: _,
        store_claim: _,
        role_claim: _,
        role: _,
        name: _,
        name_en: _,
        authorities: _,
    } = login;
    let Some(issuer) = issuer else { return };
    if let Some(host) = host_of(issuer) {
        places.push(place("menu.login.issuer", Purpose::Login, at_host(host)));
    }
    for host in hosts {
        let host = host_of(&format!("https://{host}")).map(at_host);
        places.extend(host.map(|at| place("menu.login.hosts", Purpose::Login, at)));
    }
}

/// Where a host is.
fn hop(hop: &NextHop) -> At {
    match &hop.host {
        Host::Ip(ip) => At::Ip(*ip),
        Host::Name(name) => At::Host(name.to_string()),
    }
}

/// The host in `https://HOST:PORT/…`.
fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => authority.split(':').next(),
    }
}

fn resolvers(dns: &Dns, places: &mut Vec<Place>) {
    let Dns { servers, dnssec: _ } = dns;
    if servers.is_empty() {
        places.push(place("dns.servers", Purpose::Resolver, At::SystemResolvers));
    }
    places.extend(servers.iter().map(|server| place("dns.servers", Purpose::Resolver, At::Ip(server.ip()))));
}

fn helpers(ingress: &Ingress, places: &mut Vec<Place>) {
    let Ingress { mx, submission, tls: _, clamd, rspamd, session: _ } = ingress;
    let Mx { listen: _, proxy_protocol_from: _, client_certificates: _, blocklists, greylist: _ } = mx;
    let Submission { listen: _, tls_listen: _, proxy_protocol_from: _ } = submission;
    for (list, i) in blocklists.iter().zip(1..) {
        let zone = list.zone.to_string();
        places.push(place(format!("ingress.mx.blocklist[{i}].zone"), Purpose::BlockList, At::Zone(zone)));
    }
    for (key, address) in
        [("ingress.clamd.address", &clamd.address), ("ingress.rspamd.address", &rspamd.address)]
    {
        let at = match address {
            None => continue,
            Some(ScannerAddress::Tcp(address)) => At::Ip(address.ip()),
            Some(ScannerAddress::Unix(path)) => At::Socket(path.clone()),
        };
        places.push(place(key, Purpose::Scanner, at));
    }
}

fn routes(egress: &Egress, places: &mut Vec<Place>) {
    let Egress {
        concurrency: _,
        memory: _,
        per_destination: _,
        source_addresses: _,
        pools: _,
        notice_pool: _,
        bulk_pool: _,
        ca_file: _,
        routes,
        replies: _,
        tls_reports: _,
        tls_reports_contact: _,
        shapes: _,
        retry: _,
        timeouts: _,
        lease: _,
        reuse: _,
        dkim: Dkim { dir, selector_rsa: _, selector_ed25519: _, keys: _ },
    } = egress;
    places.push(place("egress.dkim.dir", Purpose::Keys, At::File(dir.clone())));
    for (route, i) in routes.iter().zip(1..) {
        let purpose = match route.domain {
            RouteDomain::Any => Purpose::Smarthost,
            RouteDomain::Exactly(_) => Purpose::Delivery,
        };
        places.push(place(format!("egress.route[{i}].next_hop"), purpose, hop(&route.next_hop)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menus_login_is_a_place_with_all_its_hosts() {
        let named = |variables: &[(&str, &str)]| {
            let variables = [&[("PROFILE", "development")], variables].concat();
            let named =
                variables.into_iter().map(|(name, value)| (format!("ANSHIN__{name}"), value.to_owned()));
            let config = Config::load_before_set_up(None, named).unwrap_or_else(|fault| panic!("{fault}"));
            let of_login = places(&config).into_iter().filter(|place| place.purpose == Purpose::Login);
            of_login.map(|place| place.at.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(named(&[]), Vec::<String>::new());
        let login = [
            ("MENU__LOGIN__ISSUER", "https://Login.example.jp:8443/shops"),
            ("MENU__LOGIN__HOSTS", "[\"token.example.jp:8443\", \"192.0.2.1\"]"),
            ("MENU__LOGIN__CLIENT_ID", "menu"),
            ("MENU__LOGIN__CLIENT_SECRET_FILE", "secret"),
            ("MENU__LOGIN__PUBLIC_URL", "https://menu.example.jp"),
        ];
        assert_eq!(named(&login), ["Login.example.jp", "token.example.jp", "192.0.2.1"]);
    }
}
