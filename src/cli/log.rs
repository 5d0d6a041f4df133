//! `anshin log`: `trace` here, searches in `log_search.rs` and `log_questions.rs`, what belongs to the audit tree in
//! `log_tree.rs`.

use super::arguments::Common;
use super::arguments_desk::LookArguments;
use super::arguments_log::LogCommand;
use super::output::{Failure, print};
use super::{desk, log_questions, log_search, log_tree, residency};
use crate::relay::{EventLine, Goes, Look, Opened, Opening, Relay, TraceLine, TraceOf};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

pub(super) async fn run(command: LogCommand, common: &Common) -> Result<(), Failure> {
    let (message, alias, order_no, store_id, look, export) = match command {
        LogCommand::Trace { message, alias, order_no, store_id, look, export } => {
            (message, alias, order_no, store_id, look, export)
        }
        LogCommand::Search(arguments) => return log_search::run(&arguments, common).await,
        LogCommand::Question(question) => return log_questions::run(question, common).await,
        other => return log_tree::run(other, common).await,
    };
    let of = match (message, alias, order_no, store_id) {
        (Some(queue_id), ..) => TraceOf::Message(queue_id),
        (_, Some(alias), ..) => TraceOf::Alias(alias),
        (_, _, Some(order_no), Some(store_id)) => TraceOf::Order { store_id, order_no },
        _ => {
            return Err(Failure::new("say what to trace: --message, --alias, or --store-id with --order-no"));
        }
    };
    let (config, relay, named) = desk::relay_for(common, "log trace", &look).await?;
    let Some(named) = named else {
        let lines = relay.events(&of).await?;
        let row = |line: &EventLine| {
            let id = line.queue_id.as_deref().unwrap_or("-");
            format!("{}  {:<9}  {id}\n", line.at, line.event)
        };
        let mut text: String = lines.iter().map(row).collect();
        if lines.is_empty() {
            text.push_str("nothing is recorded of it");
        } else {
            text.push_str("who and how is sealed: name yourself with --actor, --purpose and --case");
        }
        print(common, &serde_json::to_value(&lines).unwrap_or(Value::Null), &text);
        return Ok(());
    };
    if let Some(path) = &export {
        residency::export(&config, "--export", path).await?;
    }
    open(common, &relay, &named, &look, Opening::Trace(of), export).await
}

/// Has rows of the log opened, and prints them or writes them to a file.
pub(super) async fn open(
    common: &Common,
    relay: &Relay,
    named: &Look,
    look: &LookArguments,
    opening: Opening,
    export: Option<PathBuf>,
) -> Result<(), Failure> {
    let goes = if export.is_some() { Goes::ToAFile } else { desk::output_goes() };
    // The file first: what can't be written must not be opened. Whether it lies in Japan was asked before.
    let file = export.as_deref().map(desk::file).transpose()?;
    let opened = relay.open_for(named, &opening, goes, look.approved.as_deref()).await;
    let (lines, path) = match (opened, &export) {
        (Ok(Opened::Trace(lines)), path) => (lines, path),
        (Ok(_), _) => return Ok(()),
        (Err(fault), path) => {
            path.iter().for_each(|path| drop(std::fs::remove_file(path)));
            return Err(fault.into());
        }
    };
    if let (Some(path), Some(mut file)) = (path, file) {
        let document =
            serde_json::to_vec_pretty(&lines).map_err(|_| Failure::new("the lines are no JSON"))?;
        std::io::Write::write_all(&mut file, &document)?;
        file.sync_all()?;
        let until = relay.note_export(named, &[&document]).await?.to_rfc3339();
        let written = json!({ "file": path.display().to_string(), "rows": lines.len(), "destroy_by": until });
        let (rows, path) = (lines.len(), path.display());
        let text = format!(
            "{rows} rows are in {path}: destroy it when the case needs it no more, by {until} at the latest"
        );
        print(common, &written, &text);
        return Ok(());
    }
    print(common, &serde_json::to_value(&lines).unwrap_or(Value::Null), &text_of(&lines));
    Ok(())
}

fn text_of(lines: &[TraceLine]) -> String {
    let mut text = String::new();
    for line in lines {
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
    text
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
