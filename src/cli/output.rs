//! Printing: text for a person, or one JSON document.

use super::arguments::Common;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Why a command failed: one text that names cause and cure.
#[derive(Debug)]
pub(super) struct Failure {
    pub text: String,
    /// What stands beside the text with `--json`.
    pub details: Option<Value>,
    /// The same document as without a fault, beside whose fields the text stands with `--json`.
    pub document: Option<Value>,
}

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), details: None, document: None }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// Prints a result.
pub(super) fn print(common: &Common, document: &Value, text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away (`| head`) is no failure of ours.
    let _ = if common.json { writeln!(out, "{document:#}") } else { writeln!(out, "{}", text.trim_end()) };
}

/// The same of one look of many: JSON takes one line, so that a reader knows where it ends.
pub(super) fn print_look(common: &Common, document: &Value, text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = if common.json { writeln!(out, "{document}") } else { writeln!(out, "{}", text.trim_end()) };
}

/// Says how far something is that takes its time, beside the result.
pub(super) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Makes room for what is printed next, where a person watches.
pub(super) fn clear(common: &Common) {
    let mut out = std::io::stdout().lock();
    if !common.json && std::io::IsTerminal::is_terminal(&out) {
        let _ = write!(out, "\x1b[2J\x1b[H");
    }
}

/// Prints why a command failed.
pub(super) fn failed(failure: &Failure, json: bool) -> ExitCode {
    if json {
        let mut document = failure.document.clone().unwrap_or_else(|| json!({}));
        if let Some(fields) = document.as_object_mut() {
            fields.insert("error".into(), failure.text.clone().into());
            if let Some(details) = &failure.details {
                fields.insert("details".into(), details.clone());
            }
        }
        let _ = writeln!(std::io::stdout(), "{document:#}");
    } else {
        let _ = writeln!(std::io::stderr(), "anshin: {}", failure.text);
    }
    ExitCode::FAILURE
}

/// Says what a command does not fail for.
pub(super) fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "anshin: warning: {text}");
}

/// Lines of a table, columns aligned.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain(head.get(column).map(|cell| cell.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// Says where the program is defective, before there is a log.
pub(super) fn defect(place: &str) {
    let _ = writeln!(std::io::stderr(), "anshin: a defect at {place}");
}
