//! `anshin log stats`: how much there was, with bars of plain text.
//!
//! Rules: counts alone, so it names nobody; it says how far it is where a person waits, and Ctrl-C ends it with nothing printed.

use super::arguments::Common;
use super::arguments_search::{SpanArguments, StatsArguments, Stretch};
use super::desk;
use super::log_questions::quoted;
use super::log_rows::Clock;
use super::log_search::{read, told};
use super::output::{Failure, print};
use crate::mail::Timestamp;
use crate::query::Outline;
use crate::relay::{Amount, Interval, Searcher, Stats, StatsAsked, StoreAmounts};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Hours of Japan's clock ahead of UTC; it knows no summer time.
const JAPAN_H: i64 = 9;
/// Columns of the longest bar.
const WIDTH: i64 = 40;
/// Most lines of a count that are shown to a person.
const SHOWN: usize = 20;
/// Events that have a column of their own, where there are any.
const EVENTS: [&str; 6] = ["accepted", "delivered", "deferred", "failed", "refused", "held"];
/// How often it says how far it is.
const TELLS: Duration = Duration::from_secs(1);

pub(super) async fn run(arguments: &StatsArguments, common: &Common) -> Result<(), Failure> {
    let StatsArguments { store_id, by, span } = arguments;
    let (from, until) = window(span, common)?;
    let (_, relay) = desk::relay(common, "log stats").await?;
    let by = match by {
        Stretch::Hour => Interval::Hour,
        Stretch::Day => Interval::Day,
        Stretch::Month => Interval::Month,
    };
    let hours_east = if span.utc { 0 } else { JAPAN_H };
    let asked = StatsAsked { store: store_id.clone(), from, until, by, hours_east };
    let mut stats = relay.stats(asked, &Searcher::Account(desk::account(&relay))).await?;
    let (from, until) = stats.window();
    let (mut out, mut told_at, mut has_told) = (std::io::stderr(), Instant::now(), false);
    while stats.step().await? {
        if out.is_terminal() && told_at.elapsed() > TELLS {
            let _ = write!(out, "\r{:.0} % ", stats.progress() * 100.0);
            (told_at, has_told) = (Instant::now(), true);
        }
    }
    if has_told {
        let _ = writeln!(out);
    }
    let stores = stats.stores().await?;
    let clock = Clock::of(span.utc);
    let document = document(&stats, &stores, store_id.as_deref(), (from, until));
    print(common, &document, &text(&stats, &stores, (from, until), by, clock));
    Ok(())
}

/// From when until when is asked for; without an end until now.
pub(super) fn window(span: &SpanArguments, common: &Common) -> Result<(Timestamp, Timestamp), Failure> {
    let until = span.to.as_ref().map(|to| format!(" {}", quoted("before", to))).unwrap_or_default();
    let (text, now) = (format!("{}{until}", quoted("after", &span.from)), Timestamp::now());
    let query = read(&text, common)?;
    let outline = Outline::of(&query, now).map_err(|problem| told(problem.into(), &text, common))?;
    let until = if outline.window.is_open { now.as_millis() } else { outline.window.until };
    Ok((Timestamp::from_millis(outline.window.from), Timestamp::from_millis(until)))
}

/// The time from which something is asked for.
pub(super) fn since(text: &str, common: &Common) -> Result<Timestamp, Failure> {
    let span = SpanArguments { from: text.to_owned(), to: None, utc: false };
    window(&span, common).map(|(from, _)| from)
}

fn document(
    stats: &Stats,
    stores: &StoreAmounts,
    store_id: Option<&str>,
    (from, until): (Timestamp, Timestamp),
) -> Value {
    let bars: Vec<Value> = stats
        .bars
        .iter()
        .map(|bar| {
            json!({ "from": bar.from.to_rfc3339(), "rows": bar.rows, "octets": bar.octets, "events": bar.events })
        })
        .collect();
    let amount = |amount: &Amount| json!({ "rows": amount.rows, "octets": amount.octets });
    let sizes: BTreeMap<&str, Value> = stats
        .mails
        .iter()
        .map(|(direction, of)| {
            let size = json!({ "mails": of.rows, "octets": of.octets, "mean": mean(of) });
            (named(direction), size)
        })
        .collect();
    let named: Vec<Value> = stores
        .named
        .iter()
        .map(|(store, of)| json!({ "store": store, "rows": of.rows, "octets": of.octets }))
        .collect();
    json!({
        "from": from.to_rfc3339(),
        "until": until.to_rfc3339(),
        "store": store_id,
        "rows": stats.rows,
        "volume": bars,
        "events": stats.events,
        "directions": stats.directions,
        "results": stats.results,
        "countries": stats.countries,
        "sizes": sizes,
        "stores": named,
        "other_stores": { "stores": stores.others.0, "amount": amount(&stores.others.1) },
    })
}

/// A word that may be none.
fn named(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Octets of a mail, in the middle.
fn mean(of: &Amount) -> i64 {
    of.octets.checked_div(of.rows).unwrap_or(0)
}

fn text(
    stats: &Stats,
    stores: &StoreAmounts,
    (from, until): (Timestamp, Timestamp),
    by: Interval,
    clock: Clock,
) -> String {
    let mut shown = format!("from {} until {}\n\n", clock.show(from), clock.show(until));
    let events: Vec<&str> = EVENTS.into_iter().filter(|event| stats.events.contains_key(*event)).collect();
    let most = stats.bars.iter().map(|bar| bar.rows).max().unwrap_or(0);
    let _ = write!(shown, "{:<16}  {:>9}", "", "rows");
    for event in &events {
        let _ = write!(shown, "  {event:>9}");
    }
    shown.push('\n');
    for one in &stats.bars {
        let begins = clock.show(one.from);
        let begins = match by {
            Interval::Hour => begins.get(..16).unwrap_or(&begins).replace('T', " "),
            Interval::Day => begins.get(..10).unwrap_or(&begins).to_owned(),
            Interval::Month => begins.get(..7).unwrap_or(&begins).to_owned(),
        };
        let _ = write!(shown, "{begins:<16}  {:>9}", one.rows);
        for event in &events {
            let _ = write!(shown, "  {:>9}", one.events.get(*event).copied().unwrap_or(0));
        }
        let _ = writeln!(shown, "  {}", bar(one.rows, most));
    }
    for (title, counts) in [
        ("by event", &stats.events),
        ("by direction", &stats.directions),
        ("by result", &stats.results),
        ("by country", &stats.countries),
    ] {
        let mut counts: Vec<(&str, i64)> = counts.iter().map(|(what, n)| (what.as_str(), *n)).collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        list(&mut shown, title, &counts);
    }
    let of_stores: Vec<(&str, i64)> =
        stores.named.iter().map(|(store, of)| (store.as_str(), of.rows)).collect();
    list(&mut shown, "by store", &of_stores);
    if stores.others.0 > 0 {
        let _ = writeln!(shown, "  {:>9}  in {} other stores", stores.others.1.rows, stores.others.0);
    }
    if !stats.mails.is_empty() {
        shown.push_str("\nmails that were accepted, in octets\n");
    }
    for (direction, of) in &stats.mails {
        let direction = named(direction);
        let _ = writeln!(
            shown,
            "  {direction:<11}  {:>9} of {} on average, {} in all",
            of.rows,
            mean(of),
            of.octets
        );
    }
    if stats.rows == 0 {
        shown.push_str("\nnothing was counted\n");
    }
    shown
}

/// Counts, the greatest first, each with its bar.
fn list(shown: &mut String, title: &str, counts: &[(&str, i64)]) {
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(shown, "\n{title}");
    let most = counts.iter().map(|(_, n)| *n).max().unwrap_or(0);
    let width = counts.iter().take(SHOWN).map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    for (what, n) in counts.iter().take(SHOWN) {
        let _ = writeln!(shown, "  {n:>9}  {what:<width$}  {}", bar(*n, most));
    }
    if counts.len() > SHOWN {
        let _ = writeln!(shown, "  and {} more: --json", counts.len() - SHOWN);
    }
}

/// A bar of plain text, as long as its share of the longest; what is there at all has one.
fn bar(n: i64, most: i64) -> String {
    let columns = if most > 0 { n.saturating_mul(WIDTH).div_euclid(most) } else { 0 };
    let columns = columns.clamp(i64::from(n > 0), WIDTH);
    "#".repeat(usize::try_from(columns).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_its_share_of_the_longest_and_what_is_there_is_seen() {
        assert_eq!([bar(0, 0), bar(0, 9)], ["", ""]);
        assert_eq!([bar(1, 1_000_000).len(), bar(500, 1000).len(), bar(1000, 1000).len()], [1, 20, 40]);
        assert_eq!(bar(i64::MAX, i64::MAX).len(), 1, "what overflows is short, and no panic");
    }
}
