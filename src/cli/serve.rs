//! `anshin serve`: runs the roles until SIGTERM or SIGINT, then drains and exits 0.

use super::arguments::{Common, RoleName};
use super::output::Failure;
use super::process::{self, Process};
use crate::config::Role;
use tokio::signal::unix::{SignalKind, signal};

pub(super) async fn run(names: &[RoleName], common: &Common) -> Result<(), Failure> {
    process::start_logging(common.json);
    let roles = roles(names);
    let config = process::load(common, &roles)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut process = Process::start(&config, &roles).await?;
    tracing::info!(
        event = "started",
        mx = ?process.listening.mx,
        submission = ?process.listening.submission,
        submissions = ?process.listening.submissions,
        web = ?process.web,
        roles = ?roles,
        version = env!("CARGO_PKG_VERSION"),
    );
    let ended = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = process.role_ended() => true,
    };
    if ended {
        tracing::error!(
            event = "role_ended",
            "a role ended by itself; stopping, so that a supervisor can start anew"
        );
    }
    tracing::info!(event = "stopping", "finishing what is under way; a second signal stops at once");
    tokio::select! {
        () = process.stop() => {}
        _ = terminate.recv() => tracing::warn!(event = "stopped_at_once", "leases end by themselves"),
        _ = interrupt.recv() => tracing::warn!(event = "stopped_at_once", "leases end by themselves"),
    }
    tracing::info!(event = "stopped");
    if ended { Err(Failure::new("a role ended by itself; the log says why")) } else { Ok(()) }
}

fn roles(names: &[RoleName]) -> Vec<Role> {
    let has = |name| names.contains(&RoleName::All) || names.contains(&name);
    [(RoleName::Ingress, Role::Ingress), (RoleName::Egress, Role::Egress), (RoleName::Web, Role::Web)]
        .into_iter()
        .filter(|(name, _)| has(*name))
        .map(|(_, role)| role)
        .collect()
}
