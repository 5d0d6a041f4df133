//! `anshin log`: `trace` here, searches in `log_search.rs` and `log_questions.rs`, counts in `log_stats.rs`, what belongs to the audit tree in
//! `log_tree.rs`.

use super::arguments::Common;
use super::arguments_desk::{ForArguments, LookArguments};
use super::arguments_log::LogCommand;
use super::output::{Failure, print};
use super::sealed_file::{self, SealedFile};
use super::{
    desk, generate, log_extract, log_message, log_questions, log_rule, log_search, log_stats, log_tree,
    residency,
};
use crate::config::Config;
use crate::relay::{EventLine, Goes, Look, Opened, Opening, Relay, TraceLine, TraceOf};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

pub(super) async fn run(command: LogCommand, common: &Common) -> Result<(), Failure> {
    let (message, alias, order_no, store_id, look, export, to) = match command {
        LogCommand::Trace { message, alias, order_no, store_id, look, export, to } => {
            (message, alias, order_no, store_id, look, export, to)
        }
        LogCommand::Search(arguments) => return log_search::run(&arguments, common).await,
        LogCommand::Generate(arguments) => return generate::run(&arguments, common).await,
        LogCommand::Export(arguments) => return log_search::run(&arguments.search(), common).await,
        LogCommand::Text { message, look } => return text(message, &look, common).await,
        LogCommand::Extract { command } => return log_extract::run(command, common).await,
        LogCommand::Stats(arguments) => return log_stats::run(&arguments, common).await,
        LogCommand::Rule { command } => return log_rule::run(command, common).await,
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
    if let TraceOf::Message(id) = &of
        && log_message::is_message_id(id)
    {
        if let Some(path) = &export {
            residency::export(&config, "--export", path).await?;
        }
        let asked = named.as_ref().map(|named| Asked { config: &config, named, look: &look, to: &to });
        return log_message::trace(id, asked.as_ref(), (&relay, common), export).await;
    }
    let Some(named) = named else {
        let lines = relay.events(&of).await?;
        let row = |line: &EventLine| {
            let id = line.queue_id.as_deref().unwrap_or("-");
            let [direction, result, country] =
                [&line.direction, &line.result, &line.country].map(|word| word.as_deref().unwrap_or("-"));
            format!("{}  {:<9}  {id}  {direction:<11}  {result:<15}  {country}\n", line.at, line.event)
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
    let to = Asked { config: &config, named: &named, look: &look, to: &to };
    open(common, &relay, &to, Opening::Trace(of), export).await
}

/// Who asks for rows to be opened, and for whom a file of them is.
pub(super) struct Asked<'a> {
    pub config: &'a Config,
    pub named: &'a Look,
    pub look: &'a LookArguments,
    pub to: &'a ForArguments,
}

/// Has the text of a mail opened, and shows it.
async fn text(queue_id: String, look: &LookArguments, common: &Common) -> Result<(), Failure> {
    desk::must_not_be_a_file()?;
    let (_, relay, named) = desk::relay_named(common, "log text", look).await?;
    let opening = Opening::Content { queue_id: queue_id.clone() };
    let opened = relay.open_for(&named, &opening, desk::output_goes(), look.approved.as_deref()).await?;
    if let Opened::Content(text) = opened {
        print(common, &json!({ "queue_id": queue_id, "text": text }), &text);
    }
    Ok(())
}

/// Has rows of the log opened, and prints them or writes them to a file.
pub(super) async fn open(
    common: &Common,
    relay: &Relay,
    &Asked { config, named, look, to }: &Asked<'_>,
    opening: Opening,
    export: Option<PathBuf>,
) -> Result<(), Failure> {
    let goes = if export.is_some() { Goes::ToAFile } else { desk::output_goes() };
    if export.is_none() && goes == Goes::ToAFile && !to.clear {
        return Err(Failure::new(
            "standard output is a file, which would have it in clear: write an encrypted one with --export (--out for a search), or say \
             --clear",
        ));
    }
    // The file first: what can't be written must not be opened. Whether it lies in Japan was asked before.
    let file = match export.as_deref() {
        Some(path) => Some(SealedFile::new(path, &sealed_file::recipients(config, to)?)?),
        None => None,
    };
    let opened = relay.open_for(named, &opening, goes, look.approved.as_deref()).await;
    let (lines, path) = match (opened, &export) {
        (Ok(Opened::Trace(lines)), path) => (lines, path),
        (Ok(_), _) => return Ok(()),
        (Err(fault), _) => return Err(fault.into()),
    };
    if let (Some(path), Some(mut file)) = (path, file) {
        let document =
            serde_json::to_vec_pretty(&lines).map_err(|_| Failure::new("the lines are no JSON"))?;
        std::io::Write::write_all(&mut file, &document)?;
        let until = relay.note_export(named, &[file.finish()?]).await?.to_rfc3339();
        let written = json!({ "file": path.display().to_string(), "rows": lines.len(), "destroy_by": until });
        let (rows, path) = (lines.len(), path.display());
        let text = format!(
            "{rows} rows are in {path}: destroy it when the case needs it no more, by {until} at the latest"
        );
        print(common, &written, &text);
        return Ok(());
    }
    if to.clear {
        relay.note_clear(named).await?;
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
        for (number, hop) in (1..).zip(&line.hops) {
            let _ = writeln!(text, "    hop {number:<10} {hop}");
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
