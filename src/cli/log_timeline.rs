//! `anshin log timeline`: a store's logins, what it changed and what it sent, on one axis of time, the oldest first: how a takeover looks.
//!
//! Rules: logins and changes are rows of the log, those of one kind from one network within an hour as one step; what was sent is counted by the hour.
//! Countries and networks with which the store was first seen in this time are marked. Nothing names anybody.
//! When it fails: [`Failure`]; nothing is printed.

use super::arguments::Common;
use super::arguments_search::SpanArguments;
use super::desk;
use super::log_questions::{begin, quoted, walk, within};
use super::log_rows::Clock;
use super::log_stats::window;
use super::output::{Failure, print, table};
use crate::mail::Timestamp;
use crate::relay::{FoundLine, Interval, Relay, Searcher, StatsAsked};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a store's people and programs do beside sending.
const DEEDS: &str = "(event:login or event:login_proven or event:login_new_network or event:credential or event:menu_login or \
    event:menu_refused or event:menu_alarm or event:limited or event:menu result:done)";
/// Rows of one kind that are no further apart are one step.
const APART: Duration = Duration::from_secs(3600);
/// Most user names that failed logins are looked for by, the newest: a query has an end.
const NAMES_MAX: usize = 100;
/// Most rows that are read.
const ROWS_MAX: usize = 100_000;

/// Something that happened, perhaps several times.
struct Step {
    first: Timestamp,
    last: Timestamp,
    n: u64,
    event: String,
    result: Option<String>,
    country: Option<String>,
    asn: Option<(i64, Option<String>)>,
    new: Vec<&'static str>,
    /// Whether it is all that came within an hour.
    is_hour: bool,
}

impl Step {
    fn of(line: FoundLine) -> Self {
        Self {
            first: line.at,
            last: line.at,
            n: 1,
            event: line.event,
            result: line.result,
            country: line.country,
            asn: line.asn.map(|asn| (asn, line.asn_name)),
            new: Vec::new(),
            is_hour: false,
        }
    }

    fn takes(&self, line: &FoundLine) -> bool {
        self.event == line.event
            && self.result == line.result
            && self.country == line.country
            && self.asn.as_ref().map(|(asn, _)| *asn) == line.asn
            && line.at <= self.last.after(APART)
    }

    fn network(&self) -> String {
        let Some((asn, name)) = &self.asn else { return "-".into() };
        format!("AS{asn} {}", name.as_deref().unwrap_or_default()).trim_end().to_owned()
    }

    fn to_json(&self) -> Value {
        let mut step = json!({
            "first": self.first.to_rfc3339(), "last": self.last.to_rfc3339(), "n": self.n, "event": self.event,
            "result": self.result, "country": self.country, "asn": self.asn.as_ref().map(|(asn, _)| *asn),
            "asn_name": self.asn.as_ref().and_then(|(_, name)| name.clone()), "new": self.new,
            "by": self.is_hour.then_some("hour"),
        });
        if let Some(fields) = step.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        step
    }
}

pub(super) async fn run(
    relay: &Relay,
    common: &Common,
    store_id: &str,
    span: &SpanArguments,
) -> Result<(), Failure> {
    let (from, until) = window(span, common)?;
    // Whose name it was is known of nobody who failed: they are found by the names that the store has.
    let names = relay.credentials(store_id).await?;
    let newest = names.iter().rev().take(NAMES_MAX);
    let logins: Vec<String> = newest.map(|own| quoted("login", &own.auth_id)).collect();
    let failed = match logins.as_slice() {
        [] => String::new(),
        logins => format!(" or (event:login_refused ({}))", logins.join(" or ")),
    };
    let text = within(&format!("({} {DEEDS}){failed}", quoted("store", store_id)), span);
    let (_, search) = begin(relay, common, &text).await?;
    let mut lines: Vec<FoundLine> = Vec::new();
    walk(search, &mut |found| {
        lines.push(found.line);
        lines.len() < ROWS_MAX
    })
    .await?;
    let is_cut = lines.len() >= ROWS_MAX;
    lines.reverse();
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        match steps.last_mut() {
            Some(step) if step.takes(&line) => (step.last, step.n) = (line.at, step.n + 1),
            _ => steps.push(Step::of(line)),
        }
    }
    steps.extend(sent(relay, store_id, (from, until)).await?);
    steps.sort_by_key(|step| step.first);
    mark_new(relay, store_id, from, &mut steps).await?;
    let clock = Clock::of(span.utc);
    let document = json!({
        "store": store_id, "from": from.to_rfc3339(), "until": until.to_rfc3339(), "limited": is_cut,
        "steps": steps.iter().map(Step::to_json).collect::<Vec<_>>(),
    });
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let new = step.new.iter().map(|what| format!("new {what}")).collect::<Vec<_>>().join(", ");
            let (at, n) = (clock.show(step.first), step.n.to_string());
            let result = if step.is_hour { "in this hour".to_owned() } else { dash(&step.result) };
            vec![at, n, step.event.clone(), result, dash(&step.country), step.network(), new]
        })
        .collect();
    let head = ["time", "times", "event", "result", "country", "network", ""];
    let mut shown = table(&head, &rows);
    if steps.is_empty() {
        shown = "nothing is recorded of it".into();
    } else if is_cut {
        shown.push_str("\nolder rows were left out: ask for a shorter time");
    }
    print(common, &document, &shown);
    Ok(())
}

/// Mail that the store sent, and mail of it that was refused, by the hour.
async fn sent(
    relay: &Relay,
    store_id: &str,
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<Step>, Failure> {
    let asked =
        StatsAsked { store: Some(store_id.to_owned()), from, until, by: Interval::Hour, hours_east: 0 };
    let mut stats = relay.stats(asked, &Searcher::Account(desk::account(relay))).await?;
    while stats.step().await? {}
    let mut steps = Vec::new();
    for bar in &stats.bars {
        for event in ["accepted", "refused", "failed", "held"] {
            let n = bar.own.get(event).copied().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            if n > 0 {
                let last = bar.from.after(APART);
                let (event, new) = (event.to_owned(), Vec::new());
                let (result, country, asn, is_hour) = (None, None, None, true);
                steps.push(Step { first: bar.from, last, n, event, result, country, asn, new, is_hour });
            }
        }
    }
    Ok(steps)
}

/// Marks the first step with each country and network that is new to the store.
async fn mark_new(relay: &Relay, store_id: &str, from: Timestamp, steps: &mut [Step]) -> Result<(), Failure> {
    let places = relay.new_places(from, Some(store_id), &Searcher::Account(desk::account(relay))).await?;
    let mut new: BTreeSet<(String, String)> =
        places.into_iter().map(|(_, seen)| (seen.what, seen.value)).collect();
    for step in steps {
        let country = step.country.clone().map(|country| ("country", country));
        let asn = step.asn.as_ref().map(|(asn, _)| ("asn", asn.to_string()));
        for (what, value) in country.into_iter().chain(asn) {
            if new.remove(&(what.to_owned(), value)) {
                step.new.push(if what == "asn" { "network" } else { what });
            }
        }
    }
    Ok(())
}
