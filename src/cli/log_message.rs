//! `anshin log trace --message <MESSAGE-ID>`: everything that happened to the mails that have a Message-ID, as it came or as it was given, and to
//! what was refused under it.
//!
//! Rules: it is two searches, of the id and of the queue ids that it has, entered for the audit as such; what is sealed is opened at the
//! desk, as of any search.
//! When it fails: [`Failure`]; nothing is opened.

use super::arguments::Common;
use super::log::Asked;
use super::log_questions::quoted;
use super::log_rows::{self, Clock};
use super::log_search::{self, Progress, read, told};
use super::output::{Failure, print};
use super::{desk, log};
use crate::mail::Timestamp;
use crate::query::Query;
use crate::relay::{Found, FoundLine, Opening, Relay, Searcher};
use serde_json::Value;
use std::path::PathBuf;

/// Most mails of one id that are followed: an id belongs to one mail, which may have had several recipients.
const MAILS_MAX: usize = 150;
/// Most rows of all of them.
const ROWS_MAX: usize = 10_000;

/// Whether somebody asks for a Message-ID rather than a queue id.
pub(super) fn is_message_id(text: &str) -> bool {
    text.contains('@') || text.starts_with('<')
}

/// Shows it, masked; or has it opened for whoever names himself.
pub(super) async fn trace(
    id: &str,
    asked: Option<&Asked<'_>>,
    (relay, common): (&Relay, &Common),
    export: Option<PathBuf>,
) -> Result<(), Failure> {
    let searcher = match asked {
        Some(asked) => Searcher::Named(asked.named),
        None => Searcher::Account(desk::account(relay)),
    };
    let text = format!("all: {}", quoted("id", id));
    let (query, of_id) = found(&text, relay, &searcher, common).await?;
    let mut mails: Vec<&str> = of_id.iter().filter_map(|found| found.line.queue_id.as_deref()).collect();
    mails.sort_unstable();
    mails.dedup();
    let is_cut = mails.len() > MAILS_MAX;
    let of_mails: Vec<String> = mails.iter().take(MAILS_MAX).map(|mail| quoted("id", mail)).collect();
    let mut rows = match of_mails.as_slice() {
        [] => Vec::new(),
        mails => found(&format!("all: ({})", mails.join(" or ")), relay, &searcher, common).await?.1,
    };
    rows.extend(of_id);
    rows.sort_unstable_by_key(|found| found.id);
    rows.dedup_by_key(|found| found.id);
    if is_cut || rows.len() > ROWS_MAX {
        let said =
            "more mails have this Message-ID than are followed at once: search for it (id:) within a time";
        return Err(Failure::new(said));
    }
    if let Some(asked) = asked {
        let records: Vec<i64> = rows.iter().map(|found| found.id).collect();
        let opening = Opening::Search { query: relay.audited(&query), limit: ROWS_MAX, records };
        return log::open(common, relay, asked, opening, export).await;
    }
    let lines: Vec<Value> = rows.iter().map(|found| found.line.to_json()).collect();
    print(common, &Value::Array(lines), &shown(rows.iter().map(|found| &found.line)));
    Ok(())
}

fn shown<'a>(lines: impl Iterator<Item = &'a FoundLine>) -> String {
    let rows: Vec<String> = lines.map(|line| log_rows::text(line, Clock::Japan)).collect();
    if rows.is_empty() {
        return "nothing is recorded of it".into();
    }
    format!(
        "{}\n{}\nwho and how is sealed: name yourself with --actor, --purpose and --case",
        log_rows::COLUMNS,
        rows.join("\n")
    )
}

/// All rows of a search.
async fn found(
    text: &str,
    relay: &Relay,
    searcher: &Searcher<'_>,
    common: &Common,
) -> Result<(Query, Vec<Found>), Failure> {
    let query = read(text, common)?;
    let begun = relay.search(&query, Timestamp::now(), searcher, None).await;
    let mut search = begun.map_err(|fault| told(fault, text, common))?;
    log_search::warn_of_cost(&mut search).await?;
    let (mut rows, mut progress) = (Vec::new(), Progress::new());
    while rows.len() <= ROWS_MAX
        && let Some(found) = progress.step(&mut search).await?
    {
        rows.extend(found);
    }
    progress.end();
    Ok((query, rows))
}
