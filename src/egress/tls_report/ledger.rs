//! What outlives the attempts: policies that were fetched and counts of sessions go to the database every minute; once a
//! day the counts of the day before become reports.
//!
//! Rules: several processes may count and report; rows are added up, and a report is accepted once (a guard of the store).
//! Reports leave some hours after midnight UTC, at a time that follows from our name, so that not everybody's arrive at
//! once (RFC 8460 §4.1). A domain that does not ask for reports gets none, and its counts are forgotten with the day.
//! When it fails: counts that could not be written are lost, and logged; a report that could not be made is made at the next
//! look.

use super::mail::Report;
use super::report::{About, Period};
use super::rua::reporting_addresses;
use super::tally::Kind;
use crate::egress::Transport;
use crate::egress::names::Found;
use crate::egress::sts::Policy;
use crate::egress::sts_policies::Kept;
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use crate::relay::{KeptPolicy, Relay, RelayFault, TlsCount, TlsReport};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// How often the database is written to.
const FLUSH: Duration = Duration::from_secs(60);
/// The hours after midnight in which reports leave.
const SPREAD: u64 = 4 * 3600;
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
        let mut reported = None;
        loop {
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
            if reported != Some(today) && now >= self.due(today) {
                match self.report(today).await {
                    Ok(()) => reported = Some(today),
                    Err(fault) => {
                        tracing::error!(event = "fault", %fault, "TLS reports can't be made; trying again")
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
    pub(in crate::egress) async fn report(&self, today: Period) -> Result<(), RelayFault> {
        let counts = self.relay.tls_counts(today.day).await?;
        let ids: Vec<i64> = counts.iter().map(|count| count.id).collect();
        let mut by_domain: BTreeMap<(i64, String), Vec<(Kind, u64)>> = BTreeMap::new();
        for count in &counts {
            if let Ok(kind) = serde_json::from_slice::<Kind>(&count.kind) {
                let place = (count.day, kind.policy.domain.clone());
                by_domain.entry(place).or_default().push((kind, count.sessions));
            }
        }
        let mut reports = Vec::new();
        if let Reporting::On { contact } = &self.reporting {
            for ((day, domain), kinds) in &by_domain {
                let Ok(domain) = Domain::parse(domain) else { continue };
                for recipient in self.readers(&domain).await {
                    reports.push(self.made(contact, Period { day: *day }, &domain, kinds, recipient));
                }
            }
        }
        self.relay.report_tls(reports, ids).await
    }

    /// Who wants the reports about a domain.
    async fn readers(&self, domain: &Domain) -> Vec<RealAddress> {
        match self.transport.dns().texts(&format!("_smtp._tls.{domain}.")).await {
            Found::Some(texts) => reporting_addresses(&texts),
            Found::NoData(_) | Found::NoName | Found::Unknown => Vec::new(),
        }
    }

    fn made(
        &self,
        contact: &str,
        period: Period,
        domain: &Domain,
        kinds: &[(Kind, u64)],
        recipient: RealAddress,
    ) -> TlsReport {
        let hostname = &self.relay.policy().hostname;
        let from = Alias::new("mailer-daemon", self.relay.domains().merchant().clone());
        let id = format!("{}.{domain}.{hostname}", period.day);
        let about = About { organization: hostname, contact, id: &id, period };
        let report = Report { about, domain, from: &from, kinds, now: Timestamp::now() };
        let message = report.message(&recipient);
        TlsReport { day: period.day, domain: domain.clone(), recipient, message }
    }
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
