//! `anshin queue …`: lists, decisions, retries. Shows no address: an operator needs none to move mail.

use super::arguments::{ClassName, Common, QueueCommand, QueueSelection};
use super::output::{Failure, print, table};
use super::{desk, queue_blocks, queue_counts, queue_route};
use crate::anonymize::Files;
use crate::config::Config;
use crate::mail::{Domain, Timestamp};
use crate::relay::{Opened, Opening, QueueFault, Relay, parse_queue_id, queue_id};
use crate::schedule::Class;
use crate::store::{QueueFilter, QueueRow};
use serde_json::{Value, json};

pub(super) async fn run(command: QueueCommand, common: &Common) -> Result<(), Failure> {
    let (config, relay, named) = match &command {
        QueueCommand::Show { content: true, look, .. } => desk::relay_for(common, "queue show", look).await?,
        _ => {
            let (config, relay) = desk::relay(common, "queue").await?;
            (config, relay, None)
        }
    };
    match command {
        QueueCommand::List { selection, limit } => list(common, &relay, &selection, limit).await,
        QueueCommand::Show { queue_id, content: true, look } => {
            let named = named.ok_or_else(|| Failure::new("name yourself with --actor"))?;
            let opening = Opening::Content { queue_id: queue_id.clone() };
            let opened =
                relay.open_for(&named, &opening, desk::output_goes(), look.approved.as_deref()).await?;
            if let Opened::Content(text) = opened {
                print(common, &json!({ "queue_id": queue_id, "content": text }), &text);
            }
            Ok(())
        }
        QueueCommand::Show { queue_id, content: false, look: _ } => {
            let rows = relay.store().queue_of_message(parse(&queue_id)?).await?;
            if rows.is_empty() {
                return Err(QueueFault::NoMessage.into());
            }
            shown(common, &rows);
            Ok(())
        }
        QueueCommand::Hold { queue_id } => {
            relay.hold_waiting(parse(&queue_id)?).await?;
            moved(common, &queue_id, "held")
        }
        QueueCommand::Release { queue_id, files } => {
            let files = if files { Files::Confirmed } else { Files::Checked };
            relay.release(parse(&queue_id)?, files).await?;
            moved(common, &queue_id, "waiting")
        }
        QueueCommand::Drop { queue_id } => {
            relay.drop_message(parse(&queue_id)?).await?;
            moved(common, &queue_id, "dropped")
        }
        QueueCommand::Retry { queue_id, all: _ } => {
            let message = queue_id.as_deref().map(parse).transpose()?;
            let count = relay.retry(message).await?;
            print(common, &json!({ "retried": count }), &format!("{count} made due now"));
            Ok(())
        }
        QueueCommand::Stats { follow } => queue_counts::stats(common, &relay, follow).await,
        QueueCommand::Summary { by, limit } => {
            queue_counts::summary(common, &config, &relay, by, limit).await
        }
        QueueCommand::Watch { every, limit } => {
            queue_counts::watch(common, &config, &relay, every, limit).await
        }
        QueueCommand::Route { queue_id, selection, to, tls, limit } => {
            let to = queue_route::next_hop(&config, &to, &tls).await?;
            let messages = match queue_id {
                Some(id) => queue_route::Chosen::One(parse(&id)?),
                None => queue_route::Chosen::All(filter(&relay, &selection, limit).await?),
            };
            queue_route::run(common, &relay, messages, to).await
        }
        QueueCommand::Pause { domain } => queue_blocks::pause(common, &relay, &domain).await,
        QueueCommand::Resume { domain } => queue_blocks::resume(common, &relay, &domain).await,
        QueueCommand::Paused => queue_blocks::paused(common, &relay).await,
        QueueCommand::Suppress { command } => queue_blocks::suppress(common, &relay, command).await,
    }
}

async fn list(common: &Common, relay: &Relay, selection: &QueueSelection, limit: u32) -> Result<(), Failure> {
    shown(common, &relay.store().queue(&filter(relay, selection, limit).await?).await?);
    Ok(())
}

/// The filter that a selection means.
async fn filter(relay: &Relay, selection: &QueueSelection, limit: u32) -> Result<QueueFilter, Failure> {
    let merchant = match &selection.store_id {
        Some(id) => {
            Some(relay.merchant(id).await?.ok_or_else(|| Failure::new("--store-id: no such store"))?.id)
        }
        None => None,
    };
    let route = match &selection.destination {
        Some(domain) => Some(relay.route_of(&parse_domain(domain)?)),
        None => None,
    };
    let received_by = match &selection.older {
        Some(text) => {
            let age = Config::duration(text)
                .ok_or_else(|| Failure::new("--older: write a time such as 30m, 4h or 2d"))?;
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            Some(Timestamp::from_millis(Timestamp::now().as_millis().saturating_sub(age)))
        }
        None => None,
    };
    Ok(QueueFilter {
        state: selection.state.clone(),
        merchant,
        class: selection.class.map(|class| match class {
            ClassName::Notice => Class::Notice,
            ClassName::Order => Class::Order,
            ClassName::Bulk => Class::Bulk,
        }),
        route,
        received_by,
        status: selection.status.clone(),
        limit: i64::from(limit),
    })
}

fn shown(common: &Common, rows: &[QueueRow]) {
    let document = Value::Array(rows.iter().map(document).collect());
    let head =
        ["queue id", "to", "class", "state", "held for", "tries", "next try", "received", "status", "octets"];
    print(common, &document, &table(&head, &rows.iter().map(row).collect::<Vec<_>>()));
}

/// A message that was moved to another state.
fn moved(common: &Common, queue_id: &str, state: &str) -> Result<(), Failure> {
    print(common, &json!({ "queue_id": queue_id, "state": state }), &format!("{queue_id} {state}"));
    Ok(())
}

pub(super) fn parse_domain(text: &str) -> Result<Domain, Failure> {
    Domain::parse(text).map_err(|flaw| Failure::new(format!("the domain of the recipients: {flaw}")))
}

fn parse(text: &str) -> Result<i64, Failure> {
    parse_queue_id(text)
        .ok_or_else(|| Failure::new("queue id: 16 digits and letters A-F, as in the reply to DATA"))
}

fn state(row: &QueueRow) -> &str {
    if row.state == "waiting" && row.leased && row.next_at > Timestamp::now() {
        "in delivery"
    } else {
        &row.state
    }
}

fn document(row: &QueueRow) -> Value {
    json!({
        "queue_id": queue_id(row.message_id),
        "direction": row.direction,
        "class": row.class.map(Class::as_str),
        "state": state(row),
        "held_for": row.held_for,
        "attempts": row.attempts,
        "next_at": row.next_at.to_rfc3339(),
        "expires_at": row.expires_at.to_rfc3339(),
        "received_at": row.received_at.to_rfc3339(),
        "last_status": row.last_status,
        "doubtful_attempts": row.doubtful,
        "size": row.size,
    })
}

fn row(row: &QueueRow) -> Vec<String> {
    let next = if row.state == "waiting" { row.next_at.to_rfc3339() } else { "-".into() };
    vec![
        queue_id(row.message_id),
        row.direction.clone(),
        row.class.map_or("-", Class::as_str).into(),
        state(row).into(),
        row.held_for.clone().unwrap_or_else(|| "-".into()),
        row.attempts.to_string(),
        next,
        row.received_at.to_rfc3339(),
        row.last_status.clone().unwrap_or_else(|| "-".into()),
        row.size.to_string(),
    ]
}
