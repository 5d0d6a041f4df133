//! Who is writing: what the path of a mail and the signatures in it prove of the address in its header From.
//!
//! SPF (RFC 7208), DKIM (RFC 6376, 8301, 8463), DMARC (RFC 7489), ARC of trusted forwarders (RFC 8617) and iprev (RFC 8601
//! §2.7.3) are asked of the DNS at the same time; [`Findings::verdict`] decides. docs/senders.md tells, case by case,
//! what comes of it. The floor knows no alias and no customer: the relay above decides what a verdict means.
//!
//! Rules: everything has a bound: the time of a whole check ([`CHECK`]), the look-ups of each method, the signatures looked
//! at, the answers kept. What is not known in time is unknown, and never taken for *no*.
//! When it fails: [`Verdict::Unknown`].

mod arc;
mod dmarc;
mod dns;
mod findings;
mod network;
mod results;
mod signed;
mod spf;
#[cfg(test)]
mod tests;
mod verdict;

pub use arc::{Arc, Chain};
pub use dmarc::{Dmarc, Mode, Wish, registrable};
pub use findings::{Checked, Dkim, DkimFound, Findings, Identity, Iprev, SpfFound};
pub use network::{Network, NetworkError};
pub use signed::Message;
pub use spf::Spf;
pub use verdict::{By, Verdict};

use crate::dns::ResolverFault;
use crate::mail::{Domain, RealAddress, Timestamp};
use dns::{Dns, Found};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long all checks of one mail may take (RFC 7208 §4.6.4 asks for at least 20 seconds). A client waits ten minutes
/// for the reply to its final dot (RFC 5321 §4.5.3.2.6).
pub const CHECK: Duration = Duration::from_secs(20);
/// How long its name may take, on which nothing hangs: many reverse zones answer nobody.
const NAME: Duration = Duration::from_secs(5);
/// Names of the client's address that are followed for iprev.
const NAMES_MAX: usize = 3;

/// How senders are checked.
pub struct Setup {
    /// Name servers; none: the system's.
    pub servers: Vec<SocketAddr>,
    /// Clients that are believed without being checked.
    pub trusted_networks: Vec<Network>,
    /// Domains whose ARC seals are believed, with those below them.
    pub trusted_forwarders: Vec<Domain>,
}

/// Who sent, by the envelope.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub ip: IpAddr,
    /// What it said of itself in EHLO.
    pub helo: &'a str,
    pub reverse_path: Option<&'a RealAddress>,
}

/// Checks senders.
pub struct Verifier {
    dns: Dns,
    setup: Setup,
}

impl Verifier {
    /// A verifier with a resolver of its own.
    ///
    /// # Errors
    /// [`ResolverFault`] when there are no name servers to ask.
    pub fn new(setup: Setup) -> Result<Self, ResolverFault> {
        Ok(Self { dns: Dns::new(&setup.servers)?, setup })
    }

    /// Whether a client is believed without being checked.
    #[must_use]
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.setup.trusted_networks.iter().any(|network| network.contains(ip))
    }

    /// Whether the envelope alone proves the reverse-path: SPF passes for its domain, or the client is trusted.
    pub async fn proves_envelope(&self, client: &Client<'_>) -> bool {
        if self.trusts(client.ip) {
            return true;
        }
        client.reverse_path.is_some() && self.spf(client, Instant::now() + CHECK).await.result == Spf::Pass
    }

    /// Checks a mail.
    pub async fn check(&self, client: &Client<'_>, message: &Message<'_>) -> Findings {
        if self.trusts(client.ip) {
            return Findings::Trusted;
        }
        let deadline = Instant::now() + CHECK;
        let policy = async {
            match &message.author {
                Some(author) => {
                    timeout_at(deadline, dmarc::policy(&self.dns, author)).await.unwrap_or(Dmarc::Unknown)
                }
                None => Dmarc::UNPUBLISHED,
            }
        };
        let (spf, dkim, dmarc, iprev) = tokio::join!(
            self.spf(client, deadline),
            self.signatures(message, deadline),
            policy,
            self.iprev(client.ip)
        );
        let trusted = self.setup.trusted_forwarders.as_slice();
        let arc = match &message.author {
            Some(author) if arc::is_from_trusted(message, trusted) => {
                let said = arc::said(&self.dns, message, trusted, author, &dmarc);
                timeout_at(deadline, said).await.unwrap_or(Arc::TempError)
            }
            _ => Arc::None,
        };
        Findings::Checked(Checked { author: message.author.clone(), spf, dkim, arc, dmarc, iprev })
    }

    /// Whether a chain of ARC seals holds, whoever made it.
    pub async fn chain(&self, message: &Message<'_>) -> Chain {
        timeout_at(Instant::now() + CHECK, arc::chain(&self.dns, message)).await.unwrap_or(Chain::TempError)
    }

    async fn spf(&self, client: &Client<'_>, deadline: Instant) -> SpfFound {
        let sender =
            client.reverse_path.map_or_else(|| format!("postmaster@{}", client.helo), RealAddress::reveal);
        let (identity, name) = match client.reverse_path {
            Some(path) => (Identity::MailFrom, path.reveal_domain().as_str()),
            None => (Identity::Helo, client.helo),
        };
        let asked = spf::Client { ip: client.ip.to_canonical(), helo: client.helo, sender: &sender };
        let result =
            timeout_at(deadline, spf::check(&self.dns, &asked, name)).await.unwrap_or(Spf::TempError);
        SpfFound { result, identity, domain: Domain::parse(name).ok().filter(|name| !name.is_literal()) }
    }

    async fn signatures(&self, message: &Message<'_>, deadline: Instant) -> Vec<DkimFound> {
        let now = Timestamp::now();
        let mut all = Vec::new();
        for claim in message.claims() {
            let result = match claim.key_name(message, now) {
                Err(check) => Dkim::of(check),
                Ok(name) => match timeout_at(deadline, self.dns.txt(&name)).await {
                    Ok(Found::Some(records)) => Dkim::of(claim.check(message, &records)),
                    Ok(Found::Nothing) => Dkim::PermError,
                    Ok(Found::Unknown) | Err(_) => Dkim::TempError,
                },
            };
            let (domain, selector) = (claim.domain.clone(), claim.selector.clone());
            all.push(DkimFound { result, domain, selector });
        }
        all
    }

    async fn iprev(&self, ip: IpAddr) -> Iprev {
        let ip = ip.to_canonical();
        let look = async {
            let names = match self.dns.names(ip).await {
                Found::Some(names) => names,
                Found::Nothing => return Iprev::PermError,
                Found::Unknown => return Iprev::TempError,
            };
            let mut worst = Iprev::Fail;
            for name in names.iter().take(NAMES_MAX) {
                match self.dns.addresses(name, ip).await {
                    Found::Some(addresses) if addresses.contains(&ip) => return Iprev::Pass,
                    Found::Some(_) | Found::Nothing => {}
                    Found::Unknown => worst = Iprev::TempError,
                }
            }
            worst
        };
        timeout(NAME, look).await.unwrap_or(Iprev::TempError)
    }
}
