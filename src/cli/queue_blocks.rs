//! `anshin queue pause|resume|paused|suppress`: what nothing is sent to.

use super::arguments::Common;
use super::arguments_queue::SuppressCommand;
use super::output::{Failure, print, table};
use super::queue_many::destination;
use crate::relay::{Destination, Relay};
use crate::store::QueueFilter;
use serde_json::{Value, json};

/// Pauses a destination.
pub(super) async fn pause(common: &Common, relay: &Relay, domain: &str) -> Result<(), Failure> {
    let domain = destination(domain)?;
    // A number that was mistyped would pause nothing.
    if let Destination::Number(number) = domain {
        let filter = QueueFilter { routes: vec![number], limit: 1, ..QueueFilter::default() };
        if relay.store().queue_count(&filter).await? == 0 {
            return Err(Failure::new(format!(
                "nothing waits for {domain}; `anshin queue summary` shows what does"
            )));
        }
    }
    let text = match relay.pause(&domain).await? {
        true => format!(
            "within a few seconds no new attempt to {domain} begins; what is being sent just now goes on, and what was \
             moved to a route of its own (`queue route`) is not paused; its mail is taken and waits"
        ),
        false => format!("{domain} was paused already"),
    };
    print(common, &json!({ "domain": domain.to_string(), "state": "paused" }), &text);
    Ok(())
}

/// Lets mail go to a destination again.
pub(super) async fn resume(common: &Common, relay: &Relay, domain: &str) -> Result<(), Failure> {
    let domain = destination(domain)?;
    if !relay.resume(&domain).await? {
        return Err(Failure::new(format!("{domain} is not paused; `anshin queue paused` lists what is")));
    }
    print(
        common,
        &json!({ "domain": domain.to_string(), "state": "open" }),
        &format!("{domain} is sent to again"),
    );
    Ok(())
}

/// Lists paused destinations.
pub(super) async fn paused(common: &Common, relay: &Relay) -> Result<(), Failure> {
    let views = relay.pauses().await?;
    let document =
        views.iter().map(|view| json!({ "domain": view.domain, "since": view.since.to_rfc3339() })).collect();
    let rows: Vec<_> = views.iter().map(|view| vec![view.domain.clone(), view.since.to_rfc3339()]).collect();
    print(common, &Value::Array(document), &table(&["domain", "since"], &rows));
    Ok(())
}

/// Lists, adds and removes suppressed mailboxes, by alias.
pub(super) async fn suppress(
    common: &Common,
    relay: &Relay,
    command: SuppressCommand,
) -> Result<(), Failure> {
    match command {
        SuppressCommand::Add { alias } => {
            relay.suppress(&alias).await?;
            print(common, &json!({ "alias": alias, "state": "suppressed" }), &format!("{alias} suppressed"));
        }
        SuppressCommand::Remove { alias } => {
            relay.unsuppress(&alias).await?;
            print(common, &json!({ "alias": alias, "state": "open" }), &format!("{alias} is sent to again"));
        }
        SuppressCommand::List => {
            let views = relay.suppressions().await?;
            let alias = |alias: &Option<crate::mail::Alias>| alias.as_ref().map(ToString::to_string);
            let document = views
                .iter()
                .map(|view| {
                    json!({
                        "alias": alias(&view.alias),
                        "status": view.status,
                        "failures": view.failures,
                        "since": view.since.to_rfc3339(),
                        "expires_at": view.expires_at.to_rfc3339(),
                    })
                })
                .collect();
            let rows: Vec<_> = views
                .iter()
                .map(|view| {
                    let alias = alias(&view.alias).unwrap_or_else(|| "-".into());
                    let (since, expires_at) = (view.since.to_rfc3339(), view.expires_at.to_rfc3339());
                    vec![alias, view.status.clone(), view.failures.to_string(), since, expires_at]
                })
                .collect();
            let head = ["alias", "status", "failures", "since", "until"];
            print(common, &Value::Array(document), &table(&head, &rows));
        }
    }
    Ok(())
}
