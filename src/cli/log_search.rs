//! `anshin log search`: rows as they are found, the newest first, and what a search costs.
//!
//! Rules: a long search says what it costs before it begins and how far it is while it runs, and Ctrl-C ends it; what has been
//! written by then stays.

use super::arguments::Common;
use super::arguments_search::SearchArguments;
use super::log_rows::{self, Clock};
use super::output::{Failure, print};
use super::{desk, log, residency};
use crate::mail::Timestamp;
use crate::query::{Problem, Query, complete};
use crate::relay::{Found, Opening, Search, SearchFault, Searcher};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows that a search may have before it counts as long.
const LONG: i64 = 10_000;
/// Most rows that are opened at once, a second person given.
const OPENED_MAX: u64 = 10_000;
/// How long a search is silent, and how often it says how far it is.
const SILENT: Duration = Duration::from_secs(1);
/// Octets of a file that are hashed at a time.
const BLOCK: usize = 64 * 1024;

pub(super) async fn run(arguments: &SearchArguments, common: &Common) -> Result<(), Failure> {
    let text = arguments.query.join(" ");
    if arguments.complete {
        return completions(common, &text);
    }
    let query = read(&text, common)?;
    let (config, relay, named) = desk::relay_for(common, "log search", &arguments.look).await?;
    if let Some(path) = &arguments.out {
        residency::export(&config, "--out", path).await?;
    }
    let searcher = named.as_ref().map_or_else(|| Searcher::Account(desk::account(&relay)), Searcher::Named);
    let begun = relay.search(&query, Timestamp::now(), &searcher, None).await;
    let mut search = begun.map_err(|fault| told(fault, &text, common))?;
    if arguments.explain {
        let explained = search.plan().explain();
        let (rows, is_all) = search.cost().await?;
        let about = if is_all { "about" } else { "more than" };
        let shown = format!("{explained}cost    {about} {rows} rows to read\n");
        print(
            common,
            &json!({ "query": query.to_masked(), "plan": explained, "cost": rows, "cost_is_all": is_all }),
            &shown,
        );
        return Ok(());
    }
    warn_of_cost(&search).await?;
    let limit = if arguments.all { u64::MAX } else { arguments.limit };
    if let Some(named) = &named {
        let most = limit.min(OPENED_MAX + 1);
        let (mut records, mut progress) = (Vec::new(), Progress::new());
        while (records.len() as u64) < most
            && let Some(found) = progress.step(&mut search).await?
        {
            let room = usize::try_from(most - records.len() as u64).unwrap_or(usize::MAX);
            records.extend(found.iter().take(room).map(|found| found.id));
        }
        progress.end();
        if records.len() as u64 > OPENED_MAX {
            return Err(Failure::new(format!("more than {OPENED_MAX} rows: ask for fewer at once")));
        }
        let limit = usize::try_from(limit.min(OPENED_MAX)).unwrap_or(usize::MAX);
        let opening = Opening::Search { query: relay.audited(&query), limit, records };
        return log::open(common, &relay, named, &arguments.look, opening, arguments.out.clone()).await;
    }
    if arguments.count {
        let (mut rows, mut progress) = (0, Progress::new());
        while let Some(found) = progress.step(&mut search).await? {
            rows += found.len();
        }
        progress.end();
        print(common, &json!({ "query": query.to_masked(), "rows": rows }), &rows.to_string());
        return Ok(());
    }
    show(arguments, common, &query, &mut search, limit).await
}

/// Rows to the screen, as one document, or for another program.
async fn show(
    arguments: &SearchArguments,
    common: &Common,
    query: &Query,
    search: &mut Search,
    limit: u64,
) -> Result<(), Failure> {
    let clock = Clock::of(arguments.utc);
    let window = search.plan().window;
    let (from, until) = (Timestamp::from_millis(window.from), Timestamp::from_millis(window.until));
    let to_file = arguments.out.is_some();
    let mut out: Box<dyn Write> = match &arguments.out {
        Some(path) => Box::new(std::io::BufWriter::new(desk::file(path)?)),
        None => Box::new(std::io::stdout()),
    };
    let as_document = common.json && arguments.format.is_none() && !to_file;
    let head = match arguments.format {
        Some(format) => log_rows::head(format, arguments.names),
        None if as_document => {
            let head = json!({
                "query": query.to_masked(),
                "from": from.to_rfc3339(),
                "until": until.to_rfc3339(),
                "by_default": window.is_default,
            });
            format!("{},\"rows\":[", head.to_string().trim_end_matches('}'))
        }
        None => format!("{}\n", log_rows::COLUMNS),
    };
    let (mut rows, mut progress, mut is_open) = (0_u64, Progress::new(), put(&mut out, &head, to_file)?);
    while is_open
        && rows < limit
        && let Some(found) = progress.step(search).await?
    {
        for Found { line, .. } in found.iter().take(usize::try_from(limit - rows).unwrap_or(usize::MAX)) {
            let text = match arguments.format {
                Some(format) => log_rows::row(line, format, arguments.names),
                None if as_document => {
                    format!("{}{}", if rows > 0 { "," } else { "" }, line.to_json())
                }
                None => format!("{}\n", log_rows::text(line, clock)),
            };
            is_open = is_open && put(&mut out, &text, to_file)?;
            rows += 1;
        }
    }
    progress.end();
    let is_more = rows >= limit;
    if as_document {
        put(&mut out, &format!("],\"count\":{rows},\"limited\":{is_more}}}\n"), to_file)?;
    }
    out.flush().or_else(|fault| if to_file { Err(fault) } else { Ok(()) })?;
    if let Some(path) = &arguments.out {
        let written = json!({ "file": path.display().to_string(), "rows": rows, "limited": is_more });
        print(common, &written, &format!("{rows} rows are in {}", path.display()));
    }
    if !as_document {
        let by_default = if window.is_default { ", 30 days by default: after: or all: for more" } else { "" };
        let more = if is_more { "; perhaps more: --limit, --all" } else { "" };
        let _ = writeln!(
            std::io::stderr(),
            "{rows} rows from {} until {}{by_default}{more}",
            clock.show(from),
            clock.show(until)
        );
    }
    Ok(())
}

/// Writes; `false` when whoever reads standard output went away.
fn put(out: &mut Box<dyn Write>, text: &str, to_file: bool) -> Result<bool, Failure> {
    match out.write_all(text.as_bytes()) {
        Ok(()) => Ok(true),
        Err(_) if !to_file => Ok(false),
        Err(fault) => Err(Failure::new(format!("the file can't be written: {fault}"))),
    }
}

/// Says what a long search costs, before it begins.
pub(super) async fn warn_of_cost(search: &Search) -> Result<(), Failure> {
    let (rows, is_all) = search.cost().await?;
    if rows >= LONG {
        let about = if is_all { "about" } else { "more than" };
        let _ = writeln!(std::io::stderr(), "this reads {about} {rows} rows; Ctrl-C ends it");
    }
    Ok(())
}

/// What is told of a search while it runs.
pub(super) struct Progress {
    told_at: Instant,
    rows: usize,
    has_told: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { told_at: Instant::now(), rows: 0, has_told: false }
    }

    /// The next step, unless Ctrl-C came.
    pub async fn step(&mut self, search: &mut Search) -> Result<Option<Vec<Found>>, Failure> {
        let found = tokio::select! {
            found = search.step() => found?,
            _ = tokio::signal::ctrl_c() => {
                self.end();
                return Err(Failure::new("stopped; what was found until then is above, or in the file"));
            }
        };
        self.rows += found.as_ref().map_or(0, Vec::len);
        let mut out = std::io::stderr();
        if self.told_at.elapsed() > SILENT && out.is_terminal() {
            let (at, share) = search.progress();
            let (at, share) = (Clock::Japan.show(at), share * 100.0);
            let _ = write!(out, "\rback to {at}, {share:.0} %, {} rows ", self.rows);
            self.told_at = Instant::now();
            self.has_told = true;
        }
        Ok(found)
    }

    /// Leaves the line on which it told.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.has_told) {
            let _ = writeln!(std::io::stderr());
        }
    }
}

/// Reads a query of the command line, files that it names included.
pub(super) fn read(text: &str, common: &Common) -> Result<Query, Failure> {
    let query = Query::parse(text).map_err(|problem| shown(&problem, text, common))?;
    query.with_files(&mut |name| hash(Path::new(name)))
}

/// A problem: for a person with his line and a mark under the word, for a program, which may keep it, without.
fn shown(problem: &Problem, text: &str, common: &Common) -> Failure {
    let details = json!({
        "reason": problem.reason,
        "column": problem.column(text),
        "nearest": problem.nearest,
    });
    let said = if common.json { problem.sentence() } else { problem.show(text) };
    Failure { text: format!("the query can't be answered\n{said}"), details: Some(details) }
}

/// A fault of a search of this text.
pub(super) fn told(fault: SearchFault, text: &str, common: &Common) -> Failure {
    match fault {
        SearchFault::Query(problem) => shown(&problem, text, common),
        other => other.into(),
    }
}

/// SHA-256 of a file.
fn hash(path: &Path) -> Result<[u8; 32], Failure> {
    let fault = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut file = std::fs::File::open(path).map_err(fault)?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block).map_err(fault)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(block.get(..n).unwrap_or_default()),
        }
    }
}

fn completions(common: &Common, text: &str) -> Result<(), Failure> {
    let completion = complete(text, text.len());
    let start = completion.replaces.start;
    let before = text.get(..start).unwrap_or_default();
    let lines: Vec<String> = completion
        .items
        .iter()
        .map(|(item, about)| format!("{before}{item}\t{about}").trim_end().to_owned())
        .collect();
    let items: Vec<Value> =
        completion.items.iter().map(|(item, about)| json!({ "text": item, "about": about })).collect();
    print(common, &json!({ "replaces_from": start, "items": items }), &lines.join("\n"));
    Ok(())
}
