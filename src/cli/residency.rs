//! Residency of a process: looked at before the database is opened, then every hour, at SIGHUP and when a statement, a mount
//! or a resolver changes, while it serves.
//!
//! Rules: what is refused is said whole, each place with key, reason and cure. A running process whose place lapses
//! stops taking mail and orders, goes on delivering what it took, and takes again when the place is proven again. Where
//! the DNS is silent it stays as it is.
//! When it fails: the start fails; later, the log says `residency_lapsed`.

use super::output::Failure;
use crate::config::{Config, Profile};
use crate::mail::Timestamp;
use crate::relay::Relay;
use crate::residency::{Checker, Finding, Report, Standing, Told};
use crate::store::{Store, StoreFault};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The longest time between two looks.
const EVERY: Duration = Duration::from_secs(3600);
/// How often it is seen whether something changed; so often is looked again while nothing is taken.
const SOON: Duration = Duration::from_secs(30);
/// A lapse is looked at twice, since a file may just be written anew.
const AGAIN: Duration = Duration::from_secs(2);

/// Looks at the places of the configuration, before anything is sent to one.
pub(super) async fn before(config: &Config) -> Result<Checker, Failure> {
    let checker = checker(config)?;
    let report = checker.look(&Told::default(), Timestamp::now()).await;
    refuse(&report, config.profile)?;
    for Finding { key, place, evidence, .. } in report.findings.iter().filter(|finding| finding.is_doubtful())
    {
        tracing::warn!(
            event = "residency_unproven",
            key,
            place,
            evidence,
            "nothing proves that this is in Japan"
        );
    }
    Ok(checker)
}

/// Looks at a next hop that an operator names: other people's mail goes there.
pub(super) async fn next_hop(config: &Config, host: &str) -> Result<(), Failure> {
    let report = checker(config)?.for_next_hop(host).look(&Told::default(), Timestamp::now()).await;
    refuse(&report, config.profile)
}

/// Looks at the service that wraps the keys, before it is asked for any.
pub(in crate::cli) async fn key_service(config: &Config) -> Result<(), Failure> {
    let report = checker(config)?.for_key_service().look(&Told::default(), Timestamp::now()).await;
    refuse(&report, config.profile)
}

/// Looks at where a file lies into which somebody has user information written.
pub(in crate::cli) async fn export(config: &Config, key: &str, path: &Path) -> Result<(), Failure> {
    let report = checker(config)?.for_export(key, path).look(&Told::default(), Timestamp::now()).await;
    refuse(&report, config.profile)
}

pub(in crate::cli) fn checker(config: &Config) -> Result<Checker, Failure> {
    Checker::new(config).map_err(|fault| {
        let keys = "residency.country_overlay, residency.network_overlay";
        Failure::new(format!("{keys}: {fault}; take it out, or name another"))
    })
}

/// Looks at what the database tells of itself, once it is open.
pub(super) async fn database(checker: &Checker, store: &Store, profile: Profile) -> Result<(), Failure> {
    let told = told(store).await?;
    if told.replicas.is_empty() && told.server.is_none() {
        return Ok(());
    }
    refuse(&checker.look(&told, Timestamp::now()).await, profile)
}

/// Asks the database where it is and who copies it.
pub(in crate::cli) async fn told(store: &Store) -> Result<Told, StoreFault> {
    Ok(Told { server: store.server_address().await?, replicas: store.replicas().await? })
}

fn refuse(report: &Report, profile: Profile) -> Result<(), Failure> {
    let refused: Vec<_> = report.refused(profile).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let mut text = "user information must be stored, used and reached only inside Japan (Telecommunications Business Act \
                    art. 27-5 ff.), and this is not proven:"
        .to_owned();
    for finding in &refused {
        text.push_str(&format!("\n{}", said(finding)));
    }
    Err(Failure { details: serde_json::to_value(&refused).ok(), ..Failure::new(text) })
}

/// A finding in the form of a configuration problem.
fn said(finding: &Finding) -> String {
    let word = match finding.standing {
        Standing::Abroad => "lies outside Japan",
        Standing::Void | Standing::Ended => "proves nothing",
        _ => "is not proven to lie in Japan",
    };
    let Finding { key, place, evidence, .. } = finding;
    format!("{key}\n  reason: {place} {word}: {evidence}\n  cure: {}", finding.cure())
}

/// Looks again and again, until `stop`.
pub(super) async fn watch(
    checker: Checker,
    relay: Relay,
    profile: Profile,
    again: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    let looking = async {
        let (mut print, mut looked_at) = (checker.fingerprint(), Instant::now());
        // What the database last told: when it is silent, nothing new is stored anywhere.
        let mut known = Told::default();
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(SOON) => false,
                () = again.notified() => true,
            };
            let now = checker.fingerprint();
            let is_due = is_asked || now != print || relay.is_halted() || looked_at.elapsed() >= EVERY;
            if !is_due {
                continue;
            }
            if let Err(fault) = checker.geo().renew() {
                tracing::error!(event = "geo", %fault, "it is judged by the file as it was before");
            }
            (print, looked_at) = (now, Instant::now());
            match told(relay.store()).await {
                Ok(told) => known = told,
                Err(fault) => {
                    tracing::warn!(event = "residency_unasked", %fault, "the database was not asked who copies it")
                }
            }
            let mut may = checker.look(&known, Timestamp::now()).await.may_take(profile);
            if may == Some(false) && !relay.is_halted() {
                tokio::time::sleep(AGAIN).await;
                let report = checker.look(&known, Timestamp::now()).await;
                may = report.may_take(profile);
                tell(&report, profile);
            }
            if let Some(may) = may {
                relay.halt(!may);
            }
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = looking => {}
    }
}

/// Each place that lapsed, to the log.
fn tell(report: &Report, profile: Profile) {
    for Finding { key, place, evidence, .. } in report.lapsed(profile) {
        tracing::error!(
            event = "residency_lapsed",
            key,
            place,
            evidence,
            "it is not proven any more that this lies in Japan: mail is not taken until it is"
        );
    }
}
