//! Questions about the log that have a command of their own: `pair`, `pivot`, `same`, `blast`, `merchant`, `new-geo`; `timeline` is in
//! `log_timeline.rs`.
//!
//! Rules: each is a query and what is counted of its rows, or what was counted beside them; nothing names anybody.

use super::arguments::Common;
use super::arguments_search::{QuestionCommand, SpanArguments};
use super::log_rows::{self, Clock};
use super::log_search::{Progress, read, told, warn_of_cost};
use super::output::{Failure, print, table};
use super::{desk, log_timeline};
use crate::mail::Timestamp;
use crate::query::{Outline, Query};
use crate::relay::{FoundLine, Pivot, Relay, Search, Searcher};
use crate::store::SeenWith;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most rows of one order that are shown.
const PAIR_MAX: usize = 10_000;
/// Most lines of a count that are shown to a person.
const SHOWN: usize = 20;

pub(super) async fn run(command: QuestionCommand, common: &Common) -> Result<(), Failure> {
    let (_, relay) = desk::relay(common, "log").await?;
    match command {
        QuestionCommand::Pair { store_id, order_no, utc } => {
            let text = format!("all: {}", quoted("order", &format!("{store_id}/{order_no}")));
            pair(&relay, common, &text, Clock::of(utc)).await
        }
        QuestionCommand::Pivot { what, span } => {
            let text = within(&what, &span);
            pivot(&relay, common, &text, Clock::of(span.utc)).await
        }
        QuestionCommand::Same { hash, span } => {
            let text = within(&quoted("hash", &hash), &span);
            pivot(&relay, common, &text, Clock::of(span.utc)).await
        }
        QuestionCommand::Blast { store_id, span } => {
            let text = within(&format!("{} direction:to_customer", quoted("store", &store_id)), &span);
            pivot(&relay, common, &text, Clock::of(span.utc)).await
        }
        QuestionCommand::Merchant { store_id, utc } => {
            merchant(&relay, common, &store_id, Clock::of(utc)).await
        }
        QuestionCommand::Timeline { store_id, span } => {
            log_timeline::run(&relay, common, &store_id, &span).await
        }
        QuestionCommand::NewGeo { since, utc } => new_geo(&relay, common, &since, Clock::of(utc)).await,
    }
}

/// A word with a value that somebody gave apart from a query.
pub(super) fn quoted(word: &str, value: &str) -> String {
    format!("{word}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn within(what: &str, span: &SpanArguments) -> String {
    let until = span.to.as_ref().map(|to| format!(" {}", quoted("before", to))).unwrap_or_default();
    format!("({what}) {}{until}", quoted("after", &span.from))
}

/// Begins a search, and says what it costs.
pub(super) async fn begin(relay: &Relay, common: &Common, text: &str) -> Result<(Query, Search), Failure> {
    let query = read(text, common)?;
    let searcher = Searcher::Account(desk::account(relay));
    let begun = relay.search(&query, Timestamp::now(), &searcher, None).await;
    let mut search = begun.map_err(|fault| told(fault, text, common))?;
    warn_of_cost(&mut search).await?;
    Ok((query, search))
}

/// All rows of a search, the newest first, each to `each` until it has enough.
pub(super) async fn walk(
    mut search: Search,
    each: &mut dyn FnMut(crate::relay::Found) -> bool,
) -> Result<(), Failure> {
    let mut progress = Progress::new();
    while let Some(found) = progress.step(&mut search).await? {
        if !found.into_iter().all(&mut *each) {
            break;
        }
    }
    progress.end();
    Ok(())
}

async fn pair(relay: &Relay, common: &Common, text: &str, clock: Clock) -> Result<(), Failure> {
    let mut lines: Vec<FoundLine> = Vec::new();
    let (_, search) = begin(relay, common, text).await?;
    walk(search, &mut |found| {
        lines.push(found.line);
        lines.len() < PAIR_MAX
    })
    .await?;
    lines.reverse();
    let mut both: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for line in &lines {
        let direction = line.direction.clone().unwrap_or_else(|| "-".into());
        *both.entry(direction).or_default().entry(line.event.clone()).or_default() += 1;
    }
    let mut shown = format!("{}\n", log_rows::COLUMNS);
    for line in &lines {
        let _ = writeln!(shown, "{}", log_rows::text(line, clock));
    }
    let mails = outcomes(&lines);
    for (queue_id, mail) in &mails {
        let [direction, outcome, result] = [&mail.direction, &mail.outcome, &mail.result].map(String::as_str);
        let at = clock.show(mail.at);
        let _ = writeln!(
            shown,
            "{queue_id}  {direction}: {outcome} {result} at {at}, {} attempts",
            mail.attempts
        );
    }
    for (direction, events) in &both {
        let events: Vec<String> = events.iter().map(|(event, n)| format!("{n} {event}")).collect();
        let _ = writeln!(shown, "{direction}: {}", events.join(", "));
    }
    if lines.is_empty() {
        shown = "nothing is recorded of it".into();
    }
    let rows: Vec<Value> = lines.iter().map(FoundLine::to_json).collect();
    let mails: Vec<Value> = mails
        .iter()
        .map(|(queue_id, mail)| {
            json!({
                "queue_id": queue_id, "direction": mail.direction, "outcome": mail.outcome, "result": mail.result,
                "at": mail.at.to_rfc3339(), "attempts": mail.attempts,
            })
        })
        .collect();
    let document =
        json!({ "rows": rows, "mails": mails, "counts": both, "limited": lines.len() >= PAIR_MAX });
    print(common, &document, &shown);
    Ok(())
}

/// What became of a mail so far.
struct Outcome {
    direction: String,
    /// The last of its events.
    outcome: String,
    result: String,
    at: Timestamp,
    attempts: u64,
}

/// What became of each mail, of rows the oldest first.
fn outcomes(lines: &[FoundLine]) -> BTreeMap<&str, Outcome> {
    let mut mails: BTreeMap<&str, Outcome> = BTreeMap::new();
    for line in lines {
        let Some(queue_id) = line.queue_id.as_deref() else { continue };
        let mail = mails.entry(queue_id).or_insert_with(|| Outcome {
            direction: "-".into(),
            outcome: String::new(),
            result: String::new(),
            at: line.at,
            attempts: 0,
        });
        if let Some(direction) = &line.direction {
            mail.direction.clone_from(direction);
        }
        mail.outcome.clone_from(&line.event);
        mail.result = line.result.clone().unwrap_or_default();
        mail.at = line.at;
        mail.attempts += u64::from(["delivered", "deferred", "failed"].contains(&line.event.as_str()));
    }
    mails
}

async fn pivot(relay: &Relay, common: &Common, text: &str, clock: Clock) -> Result<(), Failure> {
    let mut pivot = Pivot::default();
    let (query, search) = begin(relay, common, text).await?;
    walk(search.counting(), &mut |found| {
        pivot.add(&found);
        true
    })
    .await?;
    let at = |at: Option<Timestamp>| at.map_or_else(|| "-".into(), |at| clock.show(at));
    let (conversations, is_all) = pivot.conversations();
    let document = json!({
        "query": query.to_masked(),
        "rows": pivot.rows,
        "first": pivot.first.map(Timestamp::to_rfc3339),
        "last": pivot.last.map(Timestamp::to_rfc3339),
        "octets": pivot.octets,
        "conversations": conversations,
        "conversations_are_all": is_all,
        "stores": pivot.stores,
        "events": pivot.events,
        "results": pivot.results,
        "countries": pivot.countries,
        "matched": pivot.matched,
    });
    let more = if is_all { "" } else { " and more" };
    let mut shown = format!(
        "first          {}\nlast           {}\nrows           {}\nconversations  {conversations}{more}\nstores         {}\n",
        at(pivot.first),
        at(pivot.last),
        pivot.rows,
        pivot.stores.len()
    );
    for (title, counts) in [
        ("by store", &pivot.stores),
        ("by event", &pivot.events),
        ("by result", &pivot.results),
        ("by country", &pivot.countries),
        ("by what matched", &pivot.matched),
    ] {
        let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        if counts.is_empty() {
            continue;
        }
        let _ = writeln!(shown, "{title}");
        for (what, n) in counts.iter().take(SHOWN) {
            let _ = writeln!(shown, "  {n:>9}  {what}");
        }
        if counts.len() > SHOWN {
            let _ = writeln!(shown, "  and {} more: --json", counts.len() - SHOWN);
        }
    }
    print(common, &document, &shown);
    Ok(())
}

async fn merchant(relay: &Relay, common: &Common, store_id: &str, clock: Clock) -> Result<(), Failure> {
    let searcher = Searcher::Account(desk::account(relay));
    let card = relay.store_card(store_id, &searcher, Timestamp::now()).await?;
    let counts: Vec<Value> = card
        .counts
        .iter()
        .map(|line| {
            json!({
                "direction": line.direction,
                "event": line.event,
                "country": line.country,
                "today": line.today,
                "usual": line.usual,
            })
        })
        .collect();
    let new: Vec<Value> = card
        .new
        .iter()
        .map(|seen| json!({ "what": seen.what, "value": seen.value, "name": seen.name, "first_at": seen.first_at.to_rfc3339(), "n": seen.n }))
        .collect();
    let seen: BTreeMap<&String, Value> =
        card.seen.iter().map(|(what, (all, new))| (what, json!({ "all": all, "new": new }))).collect();
    let document = json!({
        "store": card.store_id,
        "from": card.from.to_rfc3339(),
        "until": card.until.to_rfc3339(),
        "counts": counts,
        "new": new,
        "seen": seen,
        "contained_at": card.contained_at.map(Timestamp::to_rfc3339),
    });
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let rows: Vec<Vec<String>> = card
        .counts
        .iter()
        .map(|line| {
            vec![
                dash(&line.direction),
                line.event.clone(),
                dash(&line.country),
                line.today.to_string(),
                format!("{:.1}", line.usual),
            ]
        })
        .collect();
    let head = ["direction", "event", "country", "24 hours", "usual day"];
    let mut shown = format!("{} since {}\n{}\n", card.store_id, clock.show(card.from), table(&head, &rows));
    if let Some(at) = card.contained_at {
        let _ = writeln!(shown, "contained since {}: it sends nothing", clock.show(at));
    }
    for (what, (all, new)) in &card.seen {
        let _ = writeln!(shown, "{what}: {all} known, {new} of them new");
    }
    for seen in &card.new {
        let _ = writeln!(shown, "new {}: {} since {}", seen.what, which(seen), clock.show(seen.first_at));
    }
    print(common, &document, &shown);
    Ok(())
}

/// What something is, with its name where it has one.
fn which(seen: &SeenWith) -> String {
    match &seen.name {
        Some(name) => format!("{} {name}", seen.value),
        None => seen.value.clone(),
    }
}

async fn new_geo(relay: &Relay, common: &Common, since: &str, clock: Clock) -> Result<(), Failure> {
    let now = Timestamp::now();
    let text = quoted("after", since);
    let query = read(&text, common)?;
    let outline = Outline::of(&query, now).map_err(|problem| told(problem.into(), &text, common))?;
    let since = Timestamp::from_millis(outline.window.from);
    let places = relay.new_places(since, None, &Searcher::Account(desk::account(relay))).await?;
    let document: Vec<Value> = places
        .iter()
        .map(|(store, seen)| {
            json!({
                "store": store,
                "what": seen.what,
                "value": seen.value,
                "name": seen.name,
                "first_at": seen.first_at.to_rfc3339(),
                "last_at": seen.last_at.to_rfc3339(),
                "n": seen.n,
            })
        })
        .collect();
    let rows: Vec<Vec<String>> = places
        .iter()
        .map(|(store, seen)| {
            let (first, n) = (clock.show(seen.first_at), seen.n.to_string());
            vec![store.clone(), seen.what.clone(), which(seen), first, n]
        })
        .collect();
    print(common, &Value::Array(document), &table(&["store", "what", "which", "first seen", "times"], &rows));
    Ok(())
}
