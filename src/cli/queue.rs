//! `anshin queue …`: lists, decisions, retries. Shows no address: an operator needs none to move mail.

use super::arguments::Common;
use super::arguments_queue::{QueueChoice, QueueCommand};
use super::output::{Failure, print, table};
use super::queue_many::{self, Chosen, Walk, chosen, each, is_dry};
use super::{desk, queue_blocks, queue_counts, queue_route};
use crate::anonymize::Files;
use crate::mail::Timestamp;
use crate::relay::{Opened, Opening, QueueFault, Relay, Retrying, parse_queue_id, queue_id};
use crate::schedule::Class;
use crate::store::QueueRow;
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
        QueueCommand::List { selection, limit } => {
            let filter = queue_many::filter(&config, &relay, &selection, i64::from(limit)).await?;
            shown(common, &relay.store().queue(&filter).await?);
            Ok(())
        }
        QueueCommand::Show { queue_id, content: true, look } => {
            let named = named.ok_or_else(|| Failure::new("name yourself with --actor"))?;
            desk::must_not_be_a_file()?;
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
        QueueCommand::Hold { choice } => {
            let chosen = chosen(&config, &relay, &choice, &["waiting"], "held").await?;
            let act = async |message| relay.hold_waiting(message).await;
            moved(common, &relay, &choice, chosen, "held", act).await
        }
        QueueCommand::Release { choice, files } => {
            let files = if files { Files::Confirmed } else { Files::Checked };
            let chosen = chosen(&config, &relay, &choice, &["held"], "released").await?;
            let act = async |message| relay.release(message, files).await;
            moved(common, &relay, &choice, chosen, "waiting", act).await
        }
        QueueCommand::Drop { choice } => {
            let chosen = chosen(&config, &relay, &choice, &["waiting", "held"], "dropped").await?;
            let act = async |message| relay.drop_message(message).await;
            moved(common, &relay, &choice, chosen, "dropped", act).await
        }
        QueueCommand::Retry { choice } => {
            let chosen = chosen(&config, &relay, &choice, &["waiting"], "tried again").await?;
            retry(common, &relay, &choice, chosen).await
        }
        QueueCommand::Stats { follow } => queue_counts::stats(common, &relay, follow).await,
        QueueCommand::Summary { by, limit } => {
            queue_counts::summary(common, &config, &relay, by, limit).await
        }
        QueueCommand::Watch { every, limit } => {
            queue_counts::watch(common, &config, &relay, every, limit).await
        }
        QueueCommand::Route { choice, to, tls } => {
            let chosen = chosen(&config, &relay, &choice, &["waiting"], "sent another way").await?;
            let to = queue_route::next_hop(&config, &to, &tls).await?;
            if is_dry(common, &relay, &choice, &chosen).await? {
                return Ok(());
            }
            queue_route::run(common, &relay, chosen, to).await
        }
        QueueCommand::Pause { domain } => queue_blocks::pause(common, &relay, &domain).await,
        QueueCommand::Resume { domain } => queue_blocks::resume(common, &relay, &domain).await,
        QueueCommand::Paused => queue_blocks::paused(common, &relay).await,
        QueueCommand::Suppress { command } => queue_blocks::suppress(common, &relay, command).await,
    }
}

/// Moves one message to another state, or many.
async fn moved(
    common: &Common,
    relay: &Relay,
    choice: &QueueChoice,
    chosen: Chosen,
    state: &str,
    act: impl AsyncFn(i64) -> Result<(), QueueFault>,
) -> Result<(), Failure> {
    if is_dry(common, relay, choice, &chosen).await? {
        return Ok(());
    }
    match chosen {
        Chosen::One(message) => {
            act(message).await?;
            let id = queue_id(message);
            print(common, &json!({ "queue_id": id, "state": state }), &format!("{id} {state}"));
        }
        Chosen::Many(filter) => queue_many::told(common, &each(relay, filter, act).await?, state),
    }
    Ok(())
}

/// Tries one message now, or many.
async fn retry(common: &Common, relay: &Relay, choice: &QueueChoice, chosen: Chosen) -> Result<(), Failure> {
    if is_dry(common, relay, choice, &chosen).await? {
        return Ok(());
    }
    let retried = match chosen {
        Chosen::One(message) => relay.retry(message).await?,
        Chosen::Many(filter) => {
            let (selected, mut retrying) = (queue_many::selected(choice), Retrying::default());
            let mut walk = Walk::new(relay, filter);
            loop {
                let rows = walk.page().await?;
                if rows.is_empty() {
                    break relay.retried(retrying).await?;
                }
                relay.retry_lot(&rows, &selected, &mut retrying).await?;
            }
        }
    };
    let mut text = format!("{} made due now", retried.due);
    if retried.resting > 0 {
        text.push_str(&format!(
            "; {} of them to destinations that are dead: one of them is tried at each, the others follow if it answers",
            retried.resting
        ));
    }
    if retried.paused > 0 {
        text.push_str(&format!(
            "; {} to paused destinations, which wait until `anshin queue resume`",
            retried.paused
        ));
    }
    let document = json!({ "retried": retried.due, "resting": retried.resting, "paused": retried.paused });
    print(common, &document, &text);
    Ok(())
}

fn shown(common: &Common, rows: &[QueueRow]) {
    let document = Value::Array(rows.iter().map(document).collect());
    let head =
        ["queue id", "to", "class", "state", "held for", "tries", "next try", "received", "status", "octets"];
    print(common, &document, &table(&head, &rows.iter().map(row).collect::<Vec<_>>()));
}

pub(super) fn parse(text: &str) -> Result<i64, Failure> {
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
