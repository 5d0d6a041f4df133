//! `anshin log search`: rows as they are found, the newest first, and what a search costs.
//!
//! Rules: a long search says what it costs before it begins and how far it is while it runs, and Ctrl-C ends it; what was shown
//! by then stays, and a file appears only when it is whole.

use super::arguments::Common;
use super::arguments_search::{Format, SearchArguments};
use super::log::Asked;
use super::log_parquet::{self, ParquetRows};
use super::log_rows::{self, Clock};
use super::output::{Failure, print};
use super::sealed_file::{self, ExportFile};
use super::{desk, log, residency};
use crate::mail::Timestamp;
use crate::query::{Problem, Query, complete};
use crate::relay::{Found, Opening, Search, SearchFault, Searcher};
use crate::vault::Recipient;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// Rows that are shown of a search, unless it says otherwise.
const LIMIT: u64 = 100;
/// Rows that a search may have before it counts as long.
const LONG: i64 = 10_000;
/// Most rows that are opened at once, a second person given.
const OPENED_MAX: u64 = 10_000;
/// How long a search is silent, and how often it says how far it is.
const SILENT: Duration = Duration::from_secs(1);
/// The same where no person watches, but a file is written to.
const SELDOM: Duration = Duration::from_secs(10);
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
    warn_of_cost(&mut search).await?;
    let to_file = arguments.out.is_some();
    let limit = arguments.limit.unwrap_or(if arguments.all || to_file { u64::MAX } else { LIMIT });
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
        let asked = Asked { config: &config, named, look: &arguments.look, to: &arguments.to };
        return log::open(common, &relay, &asked, opening, arguments.out.clone()).await;
    }
    if arguments.count {
        let (mut rows, mut progress, mut search) = (0, Progress::new(), search.counting());
        while let Some(found) = progress.step(&mut search).await? {
            rows += found.len();
        }
        progress.end();
        print(common, &json!({ "query": query.to_masked(), "rows": rows }), &rows.to_string());
        return Ok(());
    }
    let recipients = sealed_file::recipients_if_any(&config, &arguments.to)?;
    show(arguments, common, &query, &mut search, limit, &recipients).await
}

/// Rows to the screen, as one document, or for another program.
async fn show(
    arguments: &SearchArguments,
    common: &Common,
    query: &Query,
    search: &mut Search,
    limit: u64,
    recipients: &[Recipient],
) -> Result<(), Failure> {
    let clock = Clock::of(arguments.utc);
    let window = search.plan().window;
    let (from, until) = (Timestamp::from_millis(window.from), Timestamp::from_millis(window.until));
    let as_document = common.json && arguments.format.is_none() && arguments.out.is_none();
    let head = match arguments.format {
        Some(format) => log_rows::head(format, arguments.names),
        None if as_document => {
            let head = json!({
                "query": query.to_masked(),
                "from": from.to_rfc3339(),
                "until": until.to_rfc3339(),
                "by_default": window.is_default || window.is_default_of_branches,
            });
            format!("{},\"rows\":[", head.to_string().trim_end_matches('}'))
        }
        None => format!("{}\n", log_rows::COLUMNS),
    };
    let mut out = match (&arguments.out, arguments.format) {
        (Some(path), Some(Format::Parquet)) => {
            let about =
                [("query", query.to_masked()), ("from", from.to_rfc3339()), ("until", until.to_rfc3339())];
            let columns = log_parquet::columns(arguments.names);
            Out::Parquet(Box::new(ParquetRows::begin(ExportFile::begin(path, recipients)?, columns, &about)?))
        }
        (Some(path), _) => Out::File(ExportFile::begin(path, recipients)?),
        (None, Some(Format::Parquet)) => return Err(Failure::new("--format parquet: name a file by --out")),
        (None, _) => Out::Screen(std::io::stdout()),
    };
    let (mut rows, mut progress, mut is_open) = (0_u64, Progress::new(), out.put(&head)?);
    while is_open
        && rows < limit
        && let Some(found) = progress.step(search).await?
    {
        for Found { line, .. } in found.iter().take(usize::try_from(limit - rows).unwrap_or(usize::MAX)) {
            is_open = is_open
                && match (&mut out, arguments.format) {
                    (Out::Parquet(parquet), _) => {
                        let mut row = line.to_json();
                        row["at"] = line.at.as_millis().into();
                        parquet.add(row).map(|()| true)?
                    }
                    (out, Some(format)) => out.put(&log_rows::row(line, format, arguments.names))?,
                    (out, None) if as_document => {
                        out.put(&format!("{}{}", if rows > 0 { "," } else { "" }, line.to_json()))?
                    }
                    (out, None) => out.put(&format!("{}\n", log_rows::text(line, clock)))?,
                };
            rows += 1;
        }
    }
    progress.end();
    let is_more = rows >= limit;
    if as_document {
        out.put(&format!("],\"count\":{rows},\"limited\":{is_more}}}\n"))?;
    }
    out.finish()?;
    if let Some(path) = &arguments.out {
        let written = json!({ "file": path.display().to_string(), "rows": rows, "limited": is_more });
        print(common, &written, &format!("{rows} rows are in {}", path.display()));
    }
    if !as_document {
        let by_default = match (window.is_default, window.is_default_of_branches) {
            (true, _) => ", 30 days by default: after: or all: for more",
            (_, true) => ", 30 days in branches that name no beginning",
            _ => "",
        };
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

/// Where rows go.
enum Out {
    Screen(std::io::Stdout),
    File(ExportFile),
    Parquet(Box<ParquetRows<ExportFile>>),
}

impl Out {
    /// Writes; `false` when whoever reads standard output went away.
    fn put(&mut self, text: &str) -> Result<bool, Failure> {
        match self {
            Out::Screen(out) => Ok(out.write_all(text.as_bytes()).is_ok()),
            Out::File(file) => file.put(text.as_bytes()).map(|()| true),
            Out::Parquet(_) => Ok(true),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Out::Screen(mut out) => out.flush().or(Ok(())),
            Out::File(file) => file.finish().map(drop),
            Out::Parquet(parquet) => parquet.finish()?.finish().map(drop),
        }
    }
}

/// Says what a long search costs, before it begins.
pub(super) async fn warn_of_cost(search: &mut Search) -> Result<(), Failure> {
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
    /// From the first look at it on no Ctrl-C is lost, also where it comes between two steps.
    stop: Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>,
}

impl Progress {
    pub fn new() -> Self {
        let stop = Box::pin(tokio::signal::ctrl_c());
        Self { told_at: Instant::now(), rows: 0, has_told: false, stop }
    }

    /// The next step, unless Ctrl-C came.
    pub async fn step(&mut self, search: &mut Search) -> Result<Option<Vec<Found>>, Failure> {
        let found = tokio::select! {
            biased;
            _ = &mut self.stop => {
                self.end();
                self.stop = Box::pin(std::future::pending());
                return Err(Failure::new("stopped; what was found until then is above, and no file was made"));
            }
            found = search.step() => found?,
        };
        self.rows += found.as_ref().map_or(0, Vec::len);
        let mut out = std::io::stderr();
        let (before, after, often) = if out.is_terminal() { ("\r", " ", SILENT) } else { ("", "\n", SELDOM) };
        if self.told_at.elapsed() > often {
            let (at, share) = search.progress();
            let (at, share) = (Clock::Japan.show(at), share * 100.0);
            let _ = write!(out, "{before}back to {at}, {share:.0} %, {} rows{after}", self.rows);
            self.told_at = Instant::now();
            self.has_told = out.is_terminal();
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
    Failure { details: Some(details), ..Failure::new(format!("the query can't be answered\n{said}")) }
}

/// A fault of a search of this text.
pub(super) fn told(fault: SearchFault, text: &str, common: &Common) -> Failure {
    match fault {
        SearchFault::Query(problem) => shown(&problem, text, common),
        other => other.into(),
    }
}

/// SHA-256 of a file.
pub(super) fn hash(path: &Path) -> Result<[u8; 32], Failure> {
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
