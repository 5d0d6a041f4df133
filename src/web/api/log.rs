//! `GET /v1/log`: searching the log, in pages; `GET /v1/log/plan`: what that costs; `GET /v1/log/complete`: what can be typed. docs/query.md has the language.
//!
//! Rules: rows name nobody, and nothing is opened but ids of stores where this process can. Each page is entered for the audit, by
//! the token. A page ends when it is full or after [`PAGE_TIME`], and its cursor goes on from there; two searches run at once.
//! When it fails: a problem with the place in the query.

use super::super::Shared;
use super::super::problem::Problem;
use super::shape::{Shape, TEXT, broken, may, must, nullable};
use super::{Again, Answer, Call, Operation, Reply, Verb};
use crate::mail::Timestamp;
use crate::query::{Query, complete};
use crate::relay::{Scope, SearchFault, Searcher, parse_queue_id, queue_id};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::SemaphorePermit;

/// Searches that run at once.
pub(in crate::web) const AT_ONCE: usize = 2;
/// Rows of a page, unless it says otherwise, and at most.
const ROWS: i64 = 100;
const ROWS_MAX: i64 = 1000;
/// How far the clock of the process that gave a cursor may be ahead.
const AHEAD_MS: i64 = 600_000;
/// How long a page is looked for.
const PAGE_TIME: Duration = Duration::from_secs(5);

const PAGE: Shape = Shape::Object(&[
    must("rows", Shape::List { of: &Shape::Anything, least: 0, most: 1000 }, "as docs/query.md says"),
    nullable("cursor", TEXT, "for the next page; null: this is the last"),
    must("from", Shape::Time, ""),
    must("until", Shape::Time, ""),
    must("by_default", Shape::Flag, "whether the query named no time"),
    must("searched_back_to", Shape::Time, ""),
]);

const PLANNED: Shape = Shape::Object(&[
    must("plan", TEXT, "as `anshin log search --explain` shows it"),
    must("rows", Shape::Number { least: 0, most: i64::MAX }, "that are read"),
    must("rows_are_all", Shape::Flag, "false: there are more, which were not counted"),
    must("from", Shape::Time, ""),
    must("until", Shape::Time, ""),
]);

const PLACE: Shape = Shape::Number { least: 0, most: i64::MAX };
const ITEM: Shape = Shape::Object(&[must("text", TEXT, ""), must("about", TEXT, "")]);
const COMPLETIONS: Shape = Shape::Object(&[
    must("replaces", Shape::Object(&[must("from", PLACE, ""), must("until", PLACE, "")]), "octets"),
    must("items", Shape::List { of: &ITEM, least: 0, most: usize::MAX }, ""),
]);

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        verb: Verb::Get,
        path: "/v1/log",
        id: "searchLog",
        about: "Searches the log, the newest first. Each page is entered among the looks.",
        scope: Scope::Log,
        query: &[
            may("query", TEXT, "in the language of docs/query.md"),
            may("cursor", TEXT, "the one of the page before"),
            may("limit", Shape::Number { least: 1, most: ROWS_MAX }, "rows of a page; otherwise 100"),
        ],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: &[Answer { status: 200, about: "A page.", shape: &PAGE }],
        refuses: &[404, 422],
        run: |call| Box::pin(search(call)),
    },
    Operation {
        verb: Verb::Get,
        path: "/v1/log/plan",
        id: "planSearch",
        about: "What a search would read, and how much, before it is made. Entered among the looks as the search is.",
        scope: Scope::Log,
        query: &[may("query", TEXT, "in the language of docs/query.md")],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: &[Answer { status: 200, about: "The plan.", shape: &PLANNED }],
        refuses: &[422],
        run: |call| Box::pin(planned(call)),
    },
    Operation {
        verb: Verb::Get,
        path: "/v1/log/complete",
        id: "completeQuery",
        about: "What can be typed at a place of a query.",
        scope: Scope::Log,
        query: &[
            may("query", TEXT, ""),
            may("at", Shape::Number { least: 0, most: 1 << 32 }, "in octets; otherwise its end"),
        ],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: &[Answer { status: 200, about: "The words.", shape: &COMPLETIONS }],
        refuses: &[422],
        run: |call| Box::pin(completions(call)),
    },
];

async fn search(call: Call) -> Result<Reply, Problem> {
    let (shared, asked) = (&call.shared, &call.query);
    shared.relay.may_command(&call.account, "GET /v1/log").await.map_err(SearchFault::from)?;
    let limit = asked.number("limit").unwrap_or(ROWS);
    let now = Timestamp::now();
    let (cursor, now) = match asked.text("cursor") {
        Some(text) => {
            read_cursor(text, now).map(|(id, asked)| (Some(id), asked)).ok_or(SearchFault::Cursor)?
        }
        None => (None, now),
    };
    let _place = place(shared)?;
    let query = Query::parse(asked.text("query").unwrap_or_default()).map_err(SearchFault::from)?;
    let searcher = Searcher::Token(call.token, call.account);
    let mut search = shared.relay.search(&query, now, &searcher, cursor).await?;
    let window = search.plan().window;
    let (begun, limit) = (Instant::now(), usize::try_from(limit).unwrap_or(1));
    let (mut rows, mut next): (Vec<Value>, Option<i64>) = (Vec::new(), search.cursor());
    while begun.elapsed() < PAGE_TIME
        && let Some(found) = search.step().await.map_err(SearchFault::from)?
    {
        let room = limit - rows.len();
        rows.extend(found.iter().take(room).map(|found| found.line.to_json()));
        // A full page goes on below its last row, also where the step had more.
        next = match found.get(room.saturating_sub(1)) {
            Some(last) if found.len() > room || search.cursor().is_some() => Some(last.id),
            _ => search.cursor(),
        };
        if rows.len() >= limit {
            break;
        }
    }
    let at = |millis| Timestamp::from_millis(millis).to_rfc3339();
    Ok(Reply::ok(json!({
        "rows": rows,
        "cursor": next.map(|id| cursor_at(id, now)),
        "from": at(window.from),
        "until": at(window.until),
        "by_default": window.is_default || window.is_default_of_branches,
        "searched_back_to": search.progress().0.to_rfc3339(),
    })))
}

async fn planned(call: Call) -> Result<Reply, Problem> {
    let (shared, asked) = (&call.shared, &call.query);
    shared.relay.may_command(&call.account, "GET /v1/log/plan").await.map_err(SearchFault::from)?;
    let _place = place(shared)?;
    let query = Query::parse(asked.text("query").unwrap_or_default()).map_err(SearchFault::from)?;
    let searcher = Searcher::Token(call.token, call.account);
    let mut search = shared.relay.search(&query, Timestamp::now(), &searcher, None).await?;
    let (rows, is_all) = search.cost().await.map_err(SearchFault::from)?;
    let at = |millis| Timestamp::from_millis(millis).to_rfc3339();
    let window = search.plan().window;
    Ok(Reply::ok(json!({
        "plan": search.plan().explain(),
        "rows": rows,
        "rows_are_all": is_all,
        "from": at(window.from),
        "until": at(window.until),
    })))
}

/// A place for a search among those that run at once.
fn place(shared: &Shared) -> Result<SemaphorePermit<'_>, Problem> {
    shared.searches.try_acquire().map_err(|_| {
        let detail = format!("{AT_ONCE} searches run at once; try the same again in a moment");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many searches", detail).again_in(1)
    })
}

/// Where a page ended, and when the first page was asked for: `3d` means the same on all pages.
fn cursor_at(id: i64, now: Timestamp) -> String {
    format!("{}{}", queue_id(id), queue_id(now.as_millis()))
}

/// `None`: it is no cursor, or of a time to come.
fn read_cursor(text: &str, now: Timestamp) -> Option<(i64, Timestamp)> {
    let (id, asked) = text.split_at_checked(16)?;
    let asked = Timestamp::from_millis(parse_queue_id(asked)?);
    Some((parse_queue_id(id)?, asked))
        .filter(|_| asked.as_millis() <= now.as_millis().saturating_add(AHEAD_MS))
}

async fn completions(call: Call) -> Result<Reply, Problem> {
    let query = call.query.text("query").unwrap_or_default();
    let at = call.query.number("at").and_then(|at| usize::try_from(at).ok());
    if query.len() > crate::query::LENGTH_MAX {
        let detail = format!("query: at most {} octets", crate::query::LENGTH_MAX);
        return Err(broken(detail));
    }
    let completion = complete(query, at.unwrap_or(query.len()));
    let items: Vec<Value> =
        completion.items.iter().map(|(text, about)| json!({ "text": text, "about": about })).collect();
    let replaces = json!({ "from": completion.replaces.start, "until": completion.replaces.end });
    Ok(Reply::ok(json!({ "replaces": replaces, "items": items })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_the_time_of_the_first_page_which_is_not_to_come() {
        let now = Timestamp::from_millis(1_795_000_000_123);
        let text = cursor_at(77, now);
        assert_eq!((text.len(), read_cursor(&text, now)), (32, Some((77, now))));
        assert_eq!(read_cursor(&cursor_at(77, now.after(Duration::from_secs(3600))), now), None);
        for wrong in ["", "01A778B8E4998000", "01A778B8E4998000-", "ああああああああああああ"] {
            assert_eq!(read_cursor(wrong, now), None, "{wrong}");
        }
    }
}
