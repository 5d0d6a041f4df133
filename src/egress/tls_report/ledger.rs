//! What outlives the attempts: policies that were fetched and counts of sessions go to the database every minute; once a
//! day the counts of the day before become reports.
//!
//! Rules: several processes may count and report; rows are added up, and a report is accepted or posted once (a guard of the store).
//! Reports leave some hours after midnight UTC, at a time that follows from our name, so that not everybody's arrive at
//! once (RFC 8460 §4.1), and of several processes one is first and leaves the others nothing. A domain that does not ask
//! for reports gets none, and its counts are forgotten with the day. Where the DNS does not say who asks, or an `https:`
//! reader does not take the report, the counts stay and it is tried again every hour, for [`TRIED`] days.
//! When it fails: counts that could not be written are lost, and logged; a report that could not be made is made at the next
//! look.

use super::mail::Report;
use super::report::{About, Period, gzip, json_of};
use super::rua::{Readers, readers};
use super::tally::Kind;
use crate::egress::Transport;
use crate::egress::names::Found;
use crate::egress::sts::Policy;
use crate::egress::sts_policies::Kept;
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use crate::relay::{KeptPolicy, Relay, RelayFault, TlsCount, TlsReport};
use crate::store::Errand;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

const DAY: Duration = Duration::from_secs(86_400);
/// How often the database is written to.
const FLUSH: Duration = Duration::from_secs(60);
/// The hours after midnight in which reports leave.
const SPREAD: u64 = 4 * 3600;
/// By how much processes of one name differ.
const APART: u64 = 600;
/// How long after a report that did not reach everybody it is tried again.
const AGAIN: Duration = Duration::from_secs(3600);
/// Days for which a report is tried: after that it is no news.
const TRIED: i64 = 2;
/// How long delivering one report over HTTPS may take.
const POST: Duration = Duration::from_secs(30);
/// The first of them: other processes have written their last counts of the day by then.
const EARLIEST: u64 = 15 * 60;

/// Whether reports are sent, and who answers questions about them.
#[derive(Debug, Clone)]
pub(in crate::egress) enum Reporting {
    Off,
    On { contact: String },
}

/// The keeper of both.
pub(in crate::egress) struct Ledger {
    pub(in crate::egress) relay: Relay,
    pub(in crate::egress) transport: Transport,
    pub(in crate::egress) reporting: Reporting,
}

/// What became of the reports of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::egress) enum Reported {
    All,
    /// Some have to be tried again.
    Some,
}

impl Ledger {
    /// Gives the transport what an earlier process kept. Before the first attempt.
    pub(in crate::egress) async fn restore(&self) {
        match self.relay.kept_policies().await {
            Ok(kept) => {
                let kept = kept.iter().filter_map(|octets| serde_json::from_slice(octets).ok());
                self.transport.policies().restore(kept.collect());
            }
            Err(fault) => tracing::error!(event = "fault", %fault, "kept MTA-STS policies can't be read"),
        }
    }

    /// Until `stop` turns true, and once more then.
    pub(in crate::egress) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let mut flush = tokio::time::interval(FLUSH);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let apart = Duration::from_secs(getrandom::u64().unwrap_or_default() % APART);
        let mut due = self.due(Period::of(Timestamp::now())).after(apart);
        'looks: loop {
            let stopped = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                _ = flush.tick() => false,
            };
            self.flush().await;
            if stopped {
                return;
            }
            let now = Timestamp::now();
            let today = Period::of(now);
            // Counts are there again tomorrow; a clock that went back by days must not keep them.
            if now >= due || due.since(now) > 2 * DAY {
                // Readers may be slow; what is counted meanwhile is written all the same.
                let mut reporting = std::pin::pin!(self.report(today));
                let reported = loop {
                    let reported = tokio::select! {
                        // Whoever comes next takes up what is there still.
                        _ = stop.wait_for(|stop| *stop) => continue 'looks,
                        reported = &mut reporting => Some(reported),
                        _ = flush.tick() => None,
                    };
                    match reported {
                        Some(reported) => break reported,
                        None => self.flush().await,
                    }
                };
                match reported {
                    Ok(Reported::All) => due = self.due(Period { day: today.day + 1 }).after(apart),
                    Ok(Reported::Some) => due = now.after(AGAIN),
                    Err(fault) => {
                        tracing::error!(event = "fault", %fault, "TLS reports can't be made; trying again");
                    }
                }
            }
        }
    }

    /// When the reports of the day before are due.
    fn due(&self, today: Period) -> Timestamp {
        let name = self.relay.policy().hostname.bytes();
        let spread = name.fold(7_u64, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
        today.start().after(Duration::from_secs(EARLIEST + spread % SPREAD))
    }

    /// Writes what has come together.
    pub(in crate::egress) async fn flush(&self) {
        let fresh = self.transport.policies().take_fresh();
        let rows: Vec<KeptPolicy> = fresh.iter().filter_map(kept_policy).collect();
        if !rows.is_empty()
            && let Err(fault) = self.relay.keep_policies(&rows).await
        {
            tracing::error!(event = "fault", %fault, "MTA-STS policies can't be kept; trying again");
            self.transport.policies().give_back(fresh);
        }
        let counts = self.transport.tally().take();
        if matches!(self.reporting, Reporting::Off) {
            return;
        }
        let day = Period::of(Timestamp::now()).day;
        let counts: Vec<TlsCount> = counts
            .iter()
            .filter_map(|(kind, sessions)| {
                let kind = serde_json::to_vec(kind).ok()?;
                Some(TlsCount { id: 0, day, kind, sessions: *sessions })
            })
            .collect();
        if !counts.is_empty()
            && let Err(fault) = self.relay.count_tls(&counts).await
        {
            tracing::error!(event = "fault", %fault, "counts of TLS sessions can't be written");
        }
    }

    /// Makes the reports of all days before this one.
    pub(in crate::egress) async fn report(&self, today: Period) -> Result<Reported, RelayFault> {
        let counts = self.relay.tls_counts(today.day).await?;
        let mut over: Vec<i64> = Vec::new();
        let mut by_domain: BTreeMap<(i64, String), Counted> = BTreeMap::new();
        for count in &counts {
            match serde_json::from_slice::<Kind>(&count.kind) {
                Ok(kind) => {
                    let counted = by_domain.entry((count.day, kind.policy.domain.clone())).or_default();
                    counted.kinds.push((kind, count.sessions));
                    counted.ids.push(count.id);
                }
                Err(_) => over.push(count.id),
            }
        }
        let mut reported = Reported::All;
        for ((day, domain), counted) in by_domain {
            let done = match (&self.reporting, Domain::parse(&domain)) {
                (Reporting::On { contact }, Ok(domain)) => {
                    self.report_one(contact, Period { day }, &domain, &counted.kinds).await?
                }
                _ => Reported::All,
            };
            if done == Reported::All || day < today.day - TRIED {
                // At once: what is gone nobody posts again.
                self.relay.report_tls(Vec::new(), counted.ids).await?;
            } else {
                reported = Reported::Some;
            }
        }
        self.relay.report_tls(Vec::new(), over).await?;
        Ok(reported)
    }

    /// Reports on one day and domain.
    async fn report_one(
        &self,
        contact: &str,
        period: Period,
        domain: &Domain,
        kinds: &[(Kind, u64)],
    ) -> Result<Reported, RelayFault> {
        let readers = match self.transport.dns().texts(&format!("_smtp._tls.{domain}.")).await {
            Found::Some(texts) => readers(&texts),
            Found::NoData(_) | Found::NoName => Readers::default(),
            Found::Unknown => return Ok(Reported::Some),
        };
        let reports = readers.addresses.into_iter();
        let reports: Vec<TlsReport> =
            reports.map(|recipient| self.made(contact, period, domain, kinds, recipient)).collect();
        // A mail that was accepted before is not accepted again.
        self.relay.report_tls(reports, Vec::new()).await?;
        let mut reported = Reported::All;
        let packed = if readers.endpoints.is_empty() {
            Vec::new()
        } else {
            self.with_about(contact, period, domain, |about| {
                gzip(json_of(about, kinds).to_string().as_bytes())
            })
        };
        for endpoint in &readers.endpoints {
            let name = format!("https://{}{}", endpoint.host, endpoint.path);
            match self.relay.begin_post(period.day, domain, &name).await? {
                Errand::Done => {}
                Errand::Theirs => reported = Reported::Some,
                Errand::Ours => {
                    let posted = self.transport.policies().post(endpoint, "application/tlsrpt+gzip", &packed);
                    let is_taken = matches!(tokio::time::timeout(POST, posted).await, Ok(Ok(())));
                    self.relay.end_post(period.day, domain, &name, is_taken).await?;
                    if !is_taken {
                        reported = Reported::Some;
                    }
                }
            }
        }
        Ok(reported)
    }

    /// Who reports to whom about what. The id is the same whenever it is made: a reader that got it twice can tell.
    fn with_about<T>(
        &self,
        contact: &str,
        period: Period,
        domain: &Domain,
        of: impl FnOnce(&About<'_>) -> T,
    ) -> T {
        let hostname = &self.relay.policy().hostname;
        let id = format!("{}.{domain}.{hostname}", period.day);
        of(&About { organization: hostname, contact, id: &id, period })
    }

    fn made(
        &self,
        contact: &str,
        period: Period,
        domain: &Domain,
        kinds: &[(Kind, u64)],
        recipient: RealAddress,
    ) -> TlsReport {
        let from = Alias::new("mailer-daemon", self.relay.domains().merchant().clone());
        let message = self.with_about(contact, period, domain, |about| {
            Report { about: *about, domain, from: &from, kinds, now: Timestamp::now() }.message(&recipient)
        });
        TlsReport { day: period.day, domain: domain.clone(), recipient, message }
    }
}

/// What was counted of one domain on one day, with the rows that hold it.
#[derive(Default)]
struct Counted {
    kinds: Vec<(Kind, u64)>,
    ids: Vec<i64>,
}

fn kept_policy(kept: &Kept) -> Option<KeptPolicy> {
    let policy = Policy::read(kept.policy.as_bytes())?;
    let domain = Domain::parse(&kept.domain).ok()?;
    let octets = serde_json::to_vec(kept).ok()?;
    Some(KeptPolicy {
        domain,
        octets,
        expires_at: Timestamp::from_millis(kept.fetched_at).after(policy.max_age),
    })
}
