//! `anshin log trace`.

use super::arguments::{Common, LogCommand};
use super::output::{Failure, print};
use super::process;
use crate::relay::TraceOf;
use serde_json::Value;
use std::fmt::Write as _;

pub(super) async fn run(command: LogCommand, common: &Common) -> Result<(), Failure> {
    let LogCommand::Trace { message, alias, order_no, store_id } = command;
    let of = match (message, alias, order_no, store_id) {
        (Some(queue_id), ..) => TraceOf::Message(queue_id),
        (_, Some(alias), ..) => TraceOf::Alias(alias),
        (_, _, Some(order_no), Some(store_id)) => TraceOf::Order { store_id, order_no },
        _ => {
            return Err(Failure::new("say what to trace: --message, --alias, or --store-id with --order-no"));
        }
    };
    let (_, relay) = process::relay(common).await?;
    let lines = relay.trace(&of).await?;
    let mut text = String::new();
    for line in &lines {
        let _ = writeln!(text, "{}  {:<9}  {}", line.at, line.event, line.queue_id.as_deref().unwrap_or("-"));
        if let Some(fields) = line.detail.as_object() {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                let _ = writeln!(text, "    {name:<14} {}", show(value));
            }
        }
        for header in line.headers.iter().flat_map(|block| block.lines()) {
            let _ = writeln!(text, "    | {header}");
        }
    }
    if lines.is_empty() {
        text.push_str("nothing is recorded of it");
    }
    print(common, &serde_json::to_value(&lines).unwrap_or(Value::Null), &text);
    Ok(())
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let parts: Vec<String> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name}={}", show(value)))
                .collect();
            parts.join(" ")
        }
        other => other.to_string(),
    }
}
