//! `anshin serve`: runs the roles until SIGTERM or SIGINT, then drains and exits 0. SIGHUP reads certificates again and looks at
//! the places of user information.

use super::arguments::{Common, RoleName};
use super::output::Failure;
use super::process::{self, Process};
use crate::config::{Config, Role};
use crate::ingress::Inherited;
use tokio::signal::unix::{SignalKind, signal};

/// Open files besides sessions and connections: database, logs, listeners, resolver, peers that are turned away.
const RESERVED: u64 = 256;

pub(super) async fn run(names: &[RoleName], common: &Common) -> Result<(), Failure> {
    process::start_logging(common.json);
    let roles = roles(names);
    let config = process::load(common, &roles)?;
    // A rule that can't be read is told before anything is opened.
    super::rules::of(&config)?;
    raise_descriptors(&config, &roles);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut process = Process::start(&config, &roles, Inherited::take(&config)?).await?;
    tracing::info!(
        event = "started",
        mx = ?process.listening.mx,
        submission = ?process.listening.submission,
        submissions = ?process.listening.submissions,
        web = ?process.web,
        roles = ?roles,
        version = env!("CARGO_PKG_VERSION"),
    );
    let ended = loop {
        tokio::select! {
            _ = terminate.recv() => break false,
            _ = interrupt.recv() => break false,
            _ = hangup.recv() => process.reload(),
            () = process.role_ended() => break true,
        }
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

/// Lets the process have as many open files as the system allows, and says so when that is too few for the configuration.
fn raise_descriptors(config: &Config, roles: &[Role]) {
    let (mut needed, ingress, egress) =
        (RESERVED, u64::from(config.limits.sessions), u64::from(config.egress.concurrency));
    needed += if roles.contains(&Role::Ingress) { ingress } else { 0 };
    needed += if roles.contains(&Role::Egress) { egress } else { 0 };
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit >= needed => {}
        Ok(limit) => tracing::warn!(
            event = "few_descriptors",
            limit,
            needed,
            "connections beyond the limit will wait unanswered: raise LimitNOFILE= of the unit (ulimit -Hn), or lower \
             limits.sessions or egress.concurrency"
        ),
        Err(error) => {
            tracing::warn!(event = "few_descriptors", kind = %error.kind(), needed, "the limit is unknown")
        }
    }
}

fn roles(names: &[RoleName]) -> Vec<Role> {
    let has = |name| names.contains(&RoleName::All) || names.contains(&name);
    [(RoleName::Ingress, Role::Ingress), (RoleName::Egress, Role::Egress), (RoleName::Web, Role::Web)]
        .into_iter()
        .filter(|(name, _)| has(*name))
        .map(|(_, role)| role)
        .collect()
}
