//! `anshin queue list|show|retry|hold|release|drop|stats`. Shows no address: an operator needs none to move mail.

use super::arguments::{Common, QueueCommand};
use super::output::{Failure, print, table};
use super::process;
use crate::anonymize::Files;
use crate::mail::Timestamp;
use crate::relay::{QueueFault, parse_queue_id, queue_id};
use crate::store::{QueueFilter, QueueRow, QueueTotals};
use serde_json::{Value, json};

pub(super) async fn run(command: QueueCommand, common: &Common) -> Result<(), Failure> {
    let (_, relay) = process::relay(common).await?;
    let store = relay.store();
    let rows = match command {
        QueueCommand::List { state, limit } => {
            store.queue(&QueueFilter { state, limit: i64::from(limit) }).await?
        }
        QueueCommand::Show { queue_id } => {
            let rows = store.queue_of_message(parse(&queue_id)?).await?;
            if rows.is_empty() {
                return Err(QueueFault::NoMessage.into());
            }
            rows
        }
        QueueCommand::Hold { queue_id } => {
            relay.hold_waiting(parse(&queue_id)?).await?;
            return moved(common, &queue_id, "held");
        }
        QueueCommand::Release { queue_id, files } => {
            let files = if files { Files::Confirmed } else { Files::Checked };
            relay.release(parse(&queue_id)?, files).await?;
            return moved(common, &queue_id, "waiting");
        }
        QueueCommand::Drop { queue_id } => {
            relay.drop_message(parse(&queue_id)?).await?;
            return moved(common, &queue_id, "dropped");
        }
        QueueCommand::Stats => {
            stats(common, &store.queue_totals().await?);
            return Ok(());
        }
        QueueCommand::Retry { queue_id, all: _ } => {
            let message = queue_id.as_deref().map(parse).transpose()?;
            let count = store.retry(message, Timestamp::now()).await?;
            print(common, &json!({ "retried": count }), &format!("{count} made due now"));
            return Ok(());
        }
    };
    let document = Value::Array(rows.iter().map(document).collect());
    let head = ["queue id", "to", "state", "held for", "tries", "next try", "received", "status", "octets"];
    print(common, &document, &table(&head, &rows.iter().map(row).collect::<Vec<_>>()));
    Ok(())
}

/// A message that was moved to another state.
fn moved(common: &Common, queue_id: &str, state: &str) -> Result<(), Failure> {
    print(common, &json!({ "queue_id": queue_id, "state": state }), &format!("{queue_id} {state}"));
    Ok(())
}

fn stats(common: &Common, totals: &[QueueTotals]) {
    let oldest = |total: &QueueTotals| total.oldest_at.map(Timestamp::to_rfc3339);
    let document = totals
        .iter()
        .map(|total| {
            json!({
                "state": total.state,
                "held_for": total.held_for,
                "count": total.count,
                "oldest_at": oldest(total),
            })
        })
        .collect();
    let line = |total: &QueueTotals| {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let (why, oldest) = (or_none(total.held_for.clone()), or_none(oldest(total)));
        vec![total.state.clone(), why, total.count.to_string(), oldest]
    };
    let head = ["state", "held for", "deliveries", "oldest received"];
    print(common, &Value::Array(document), &table(&head, &totals.iter().map(line).collect::<Vec<_>>()));
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
        "state": state(row),
        "held_for": row.held_for,
        "attempts": row.attempts,
        "next_at": row.next_at.to_rfc3339(),
        "expires_at": row.expires_at.to_rfc3339(),
        "received_at": row.received_at.to_rfc3339(),
        "last_status": row.last_status,
        "size": row.size,
    })
}

fn row(row: &QueueRow) -> Vec<String> {
    let next = if row.state == "waiting" { row.next_at.to_rfc3339() } else { "-".into() };
    vec![
        queue_id(row.message_id),
        row.direction.clone(),
        state(row).into(),
        row.held_for.clone().unwrap_or_else(|| "-".into()),
        row.attempts.to_string(),
        next,
        row.received_at.to_rfc3339(),
        row.last_status.clone().unwrap_or_else(|| "-".into()),
        row.size.to_string(),
    ]
}
