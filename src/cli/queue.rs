//! `anshin queue list|show|retry`. Shows no address: an operator needs none to move mail.

use super::arguments::{Common, QueueCommand};
use super::output::{Failure, print, table};
use super::process;
use crate::mail::Timestamp;
use crate::relay::{parse_queue_id, queue_id};
use crate::store::{QueueFilter, QueueRow};
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
                return Err(Failure::new(
                    "queue id: no such message in the queue; ended ones are purged after a while",
                ));
            }
            rows
        }
        QueueCommand::Retry { queue_id, all: _ } => {
            let message = queue_id.as_deref().map(parse).transpose()?;
            let count = store.retry(message, Timestamp::now()).await?;
            print(common, &json!({ "retried": count }), &format!("{count} made due now"));
            return Ok(());
        }
    };
    let document = Value::Array(rows.iter().map(document).collect());
    let head = ["queue id", "to", "state", "tries", "next try", "received", "status", "octets"];
    print(common, &document, &table(&head, &rows.iter().map(row).collect::<Vec<_>>()));
    Ok(())
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
        row.attempts.to_string(),
        next,
        row.received_at.to_rfc3339(),
        row.last_status.clone().unwrap_or_else(|| "-".into()),
        row.size.to_string(),
    ]
}
