//! Residency of a process: looked at before the database is opened, then every hour and at SIGHUP while it serves.
//!
//! Rules: what is refused is said whole, each place with key, reason and cure. A running process whose place lapses
//! stops taking mail and orders, goes on delivering what it took, and takes again when the place is proven again.
//! When it fails: the start fails; later, the log says `residency_lapsed`.

use super::output::Failure;
use crate::config::{Config, Profile};
use crate::mail::Timestamp;
use crate::relay::Relay;
use crate::residency::{Checker, Finding, Report, ResidencyError, Standing};
use crate::store::Replica;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(3600);

/// Looks at the places of the configuration, before anything is sent to one.
pub(super) async fn before(config: &Config) -> Result<Checker, Failure> {
    let checker = Checker::new(config).map_err(unusable)?;
    let report = checker.look(&[], Timestamp::now()).await.map_err(unusable)?;
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

/// Looks at who copies the database, once it is open.
pub(super) async fn replicas(checker: &Checker, relay: &Relay, profile: Profile) -> Result<(), Failure> {
    let replicas = relay.store().replicas().await?;
    if replicas.is_empty() {
        return Ok(());
    }
    let report = checker.look(&replicas, Timestamp::now()).await.map_err(unusable)?;
    refuse(&report, profile)
}

fn unusable(fault: ResidencyError) -> Failure {
    Failure::new(format!("{fault}; `anshin compliance residency attest` writes statements"))
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
    Err(Failure { text, details: serde_json::to_value(&refused).ok() })
}

/// A finding in the form of a configuration problem.
fn said(finding: &Finding) -> String {
    let word = match finding.standing {
        Standing::Abroad => "lies outside Japan",
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
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EVERY) => {}
            () = again.notified() => {}
        }
        let Ok(replicas) = relay.store().replicas().await else {
            // The database does not answer, so nothing is stored anywhere; what is known of its place stays.
            continue;
        };
        let lapsed = look(&checker, &replicas, profile).await;
        relay.halt(lapsed);
    }
}

/// Whether a place lapsed; each of them goes to the log.
async fn look(checker: &Checker, replicas: &[Replica], profile: Profile) -> bool {
    match checker.look(replicas, Timestamp::now()).await {
        Ok(report) => {
            let mut lapsed = report.lapsed(profile).peekable();
            let has_lapsed = lapsed.peek().is_some();
            for Finding { key, place, evidence, .. } in lapsed {
                tracing::error!(
                    event = "residency_lapsed",
                    key,
                    place,
                    evidence,
                    "it is not proven any more that this lies in Japan: mail is not taken until it is"
                );
            }
            has_lapsed
        }
        Err(fault) => {
            tracing::error!(event = "residency_lapsed", %fault, "mail is not taken until this is mended");
            profile == Profile::Production
        }
    }
}
