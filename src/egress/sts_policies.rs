//! Which MTA-STS policy holds for a domain now: the TXT record, the policy fetched over HTTPS, and the memory of both
//! (RFC 8461 §3.3, §5.1).
//!
//! Rules:
//! - A policy is kept for its `max_age`, at most a year, in memory and in the database: a restart must not open the door
//!   to whoever can suppress the record. It is fetched anew when the id in the record changes, and once a day.
//! - While a kept policy lives, neither a missing record, a DNS fault nor a policy host that is down ends it.
//! - A fetch that fails is not repeated for [`FETCH_AGAIN`]; meanwhile the kept policy holds, or none does.
//! - The record is looked up at most once in [`LOOK_AGAIN`] for a domain.
//! - Of several deliveries that need the policy of one domain at once, one asks and the others wait for it: none may slip
//!   through without the policy. Nobody waits for another domain's policy host.
//! - What is not known here is looked for in the database before the policy host is asked: another process may have fetched
//!   it. An attempt that is given up while it fetches counts as a fetch that failed.
//! - At most [`MAX_KNOWN`] domains are remembered; those nearest to their end are forgotten first.
//!
//! When it fails: no policy holds beyond the kept one; [`Holding::failure`] says so for the report.

use super::demand::TlsFailure;
use super::ground::Ground;
use super::http_response::HttpFault;
use super::https::{self, FETCH};
use super::names::{Found, NameService};
use super::sts::{Mode, Policy, read_record};
use super::tls_report::Endpoint;
use crate::mail::{Domain, Timestamp};
use crate::relay::Relay;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::time::timeout;

/// Domains remembered.
const MAX_KNOWN: usize = 10_000;
/// How long a look-up of the record is good for.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// How long after a failed fetch the next one comes (§3.3: five minutes or more).
const FETCH_AGAIN: Duration = Duration::from_secs(900);
/// How long a fetched policy is good without another fetch (§3.3: about a day).
const REFRESH: Duration = Duration::from_secs(86_400);
/// Gates that nobody holds are cleared away beyond so many.
const GATES: usize = 256;

const NEVER: Timestamp = Timestamp::from_millis(0);

/// What is kept of one domain beyond a restart.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    pub domain: String,
    /// The id of the record under which it was fetched.
    pub id: String,
    pub policy: String,
    /// Milliseconds since 1970.
    pub fetched_at: i64,
}

/// What holds for a domain.
#[derive(Clone, Default)]
pub(super) struct Holding {
    pub(super) policy: Option<Arc<Policy>>,
    /// Why there is none, or none that is new.
    pub(super) failure: Option<TlsFailure>,
}

#[derive(Clone)]
struct Known {
    kept: Option<(Arc<Policy>, Kept)>,
    failure: Option<TlsFailure>,
    looked_at: Timestamp,
    fetch_not_before: Timestamp,
}

/// Finds policies, and remembers them.
pub(super) struct StsPolicies {
    dns: Arc<NameService>,
    tls: Arc<ClientConfig>,
    ground: Ground,
    known: Mutex<HashMap<Domain, Known>>,
    /// One for each domain whose policy is being found.
    gates: Mutex<HashMap<Domain, Weak<tokio::sync::Mutex<()>>>>,
    /// What was fetched and is not written yet.
    fresh: Mutex<Vec<Kept>>,
    /// Where all processes keep theirs.
    shared: OnceLock<Relay>,
}

impl StsPolicies {
    pub(super) fn new(dns: Arc<NameService>, tls: Arc<ClientConfig>, ground: Ground) -> Self {
        let (known, gates, fresh) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { dns, tls, ground, known, gates, fresh, shared: OnceLock::new() }
    }

    /// Looks into the database too, from now on.
    pub(super) fn share(&self, relay: Relay) {
        let _ = self.shared.set(relay);
    }

    /// The gate of a domain.
    fn gate(&self, domain: &Domain) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get(domain).and_then(Weak::upgrade) {
            return gate;
        }
        if gates.len() >= GATES {
            gates.retain(|_, gate| gate.strong_count() > 0);
        }
        let gate = Arc::default();
        gates.insert(domain.clone(), Arc::downgrade(&gate));
        gate
    }

    /// What another process kept, or this one before it forgot.
    async fn kept_elsewhere(&self, domain: &Domain) -> Option<(Arc<Policy>, Kept)> {
        let octets = match self.shared.get()?.kept_policy(domain).await {
            Ok(octets) => octets?,
            Err(fault) => {
                tracing::error!(event = "fault", %fault, "a kept MTA-STS policy can't be read");
                return None;
            }
        };
        let kept: Kept = serde_json::from_slice(&octets).ok()?;
        Some((Arc::new(Policy::read(kept.policy.as_bytes())?), kept))
    }

    /// Takes what an earlier process kept.
    pub(super) fn restore(&self, kept: Vec<Kept>) {
        let mut known = lock(&self.known);
        for kept in kept.into_iter().take(MAX_KNOWN) {
            let (Ok(domain), Some(policy)) =
                (Domain::parse(&kept.domain), Policy::read(kept.policy.as_bytes()))
            else {
                continue;
            };
            let entry = Known {
                kept: Some((Arc::new(policy), kept)),
                failure: None,
                looked_at: NEVER,
                fetch_not_before: NEVER,
            };
            known.insert(domain, entry);
        }
    }

    /// What was fetched since this was last asked.
    pub(super) fn take_fresh(&self) -> Vec<Kept> {
        std::mem::take(&mut lock(&self.fresh))
    }

    /// Takes back what could not be written.
    pub(super) fn give_back(&self, kept: Vec<Kept>) {
        let mut fresh = lock(&self.fresh);
        fresh.extend(kept);
        let beyond = fresh.len().saturating_sub(MAX_KNOWN);
        fresh.drain(..beyond);
    }

    /// What holds for mail to `domain`.
    pub(super) async fn of(&self, domain: &Domain) -> Holding {
        if let Some(holding) = self.known_now(domain) {
            return holding;
        }
        let gate = self.gate(domain);
        let _held = gate.lock().await;
        if let Some(holding) = self.known_now(domain) {
            return holding;
        }
        let now = Timestamp::now();
        let mut known = lock(&self.known).get(domain).cloned().unwrap_or(Known {
            kept: None,
            failure: None,
            looked_at: NEVER,
            fetch_not_before: NEVER,
        });
        if known.kept.is_none() {
            known.kept = self.kept_elsewhere(domain).await;
        }
        let id = match self.dns.texts(&format!("_mta-sts.{domain}.")).await {
            Found::Some(texts) => read_record(&texts),
            Found::NoData(_) | Found::NoName | Found::Unknown => None,
        };
        let live = known.live(now);
        let stale = match (&id, &known.kept) {
            (None, _) => false,
            (Some(id), Some((_, kept))) if live => {
                kept.id != *id || now >= Timestamp::from_millis(kept.fetched_at).after(REFRESH)
            }
            (Some(_), _) => true,
        };
        if let Some(id) = id.filter(|_| stale && known.may_fetch(now)) {
            known.fetch_not_before = now.after(FETCH_AGAIN);
            // For whoever comes after an attempt that is given up meanwhile; not looked at, so that nobody passes the gate by it.
            let given_up =
                Known { failure: Some(TlsFailure::PolicyFetch), looked_at: NEVER, ..known.clone() };
            self.remember(domain.clone(), given_up);
            match self.fetch(domain).await {
                Ok((text, policy)) => {
                    let kept =
                        Kept { domain: domain.to_string(), id, policy: text, fetched_at: now.as_millis() };
                    self.give_back(vec![kept.clone()]);
                    known.kept = Some((Arc::new(policy), kept));
                    known.failure = None;
                }
                Err(failure) => known.failure = Some(failure),
            }
        }
        if !known.live(now) {
            known.kept = None;
        }
        known.looked_at = now;
        let holding = known.holding(now);
        self.remember(domain.clone(), known);
        holding
    }

    /// What holds, where the record was looked up not long ago.
    fn known_now(&self, domain: &Domain) -> Option<Holding> {
        let now = Timestamp::now();
        let known = lock(&self.known);
        // A look-up of a time that has not come was made before the clock went back.
        let known = known
            .get(domain)
            .filter(|known| now >= known.looked_at && now < known.looked_at.after(LOOK_AGAIN))?;
        Some(known.holding(now))
    }

    async fn fetch(&self, domain: &Domain) -> Result<(String, Policy), TlsFailure> {
        let host = domain.below("mta-sts").map_err(|_| TlsFailure::PolicyFetch)?;
        let fetched = async {
            let addresses = self.addresses(&host).await?;
            https::policy(Arc::clone(&self.tls), &host, &addresses).await
        };
        let octets = match timeout(FETCH, fetched).await {
            Ok(Ok(octets)) => octets,
            Ok(Err(HttpFault::Certificate)) => return Err(TlsFailure::PolicyHostCertificate),
            Ok(Err(HttpFault::MediaType | HttpFault::TooLong)) => return Err(TlsFailure::PolicyInvalid),
            Ok(Err(_)) | Err(_) => return Err(TlsFailure::PolicyFetch),
        };
        let policy = Policy::read(&octets).ok_or(TlsFailure::PolicyInvalid)?;
        let text = String::from_utf8(octets).map_err(|_| TlsFailure::PolicyInvalid)?;
        Ok((text, policy))
    }

    /// Addresses of a web server that may be dialled.
    async fn addresses(&self, host: &Domain) -> Result<Vec<SocketAddr>, HttpFault> {
        let Found::Some(found) = self.dns.addresses(host).await else { return Err(HttpFault::Unreachable) };
        Ok(https::reachable(found.v6.into_iter().chain(found.v4), self.ground))
    }

    /// Posts octets to who reads reports.
    pub(super) async fn post(
        &self,
        endpoint: &Endpoint,
        media: &str,
        octets: &[u8],
    ) -> Result<(), HttpFault> {
        let addresses = self.addresses(&endpoint.host).await?;
        https::post(Arc::clone(&self.tls), &addresses, endpoint, media, octets).await
    }

    fn remember(&self, domain: Domain, entry: Known) {
        let mut known = lock(&self.known);
        if known.len() >= MAX_KNOWN && !known.contains_key(&domain) {
            let end = |known: &Known| known.kept.as_ref().map(|(policy, kept)| end_of(policy, kept));
            if let Some(first) =
                known.iter().min_by_key(|(_, known)| end(known)).map(|(domain, _)| domain.clone())
            {
                known.remove(&first);
            }
        }
        known.insert(domain, entry);
    }
}

impl Known {
    /// Whether the policy host may be asked again. A time beyond any wait is one of before the clock went back.
    fn may_fetch(&self, now: Timestamp) -> bool {
        now >= self.fetch_not_before || self.fetch_not_before.since(now) > FETCH_AGAIN
    }

    /// Whether a policy is kept that has not ended.
    fn live(&self, now: Timestamp) -> bool {
        self.kept.as_ref().is_some_and(|(policy, kept)| now < end_of(policy, kept))
    }

    fn holding(&self, now: Timestamp) -> Holding {
        let policy = self.kept.as_ref().filter(|_| self.live(now)).map(|(policy, _)| Arc::clone(policy));
        Holding { policy: policy.filter(|policy| policy.mode != Mode::None), failure: self.failure }
    }
}

fn end_of(policy: &Policy, kept: &Kept) -> Timestamp {
    Timestamp::from_millis(kept.fetched_at).after(policy.max_age)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
