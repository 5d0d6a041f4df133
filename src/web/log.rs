//! `GET /v1/log`: searching the log, in pages, and `GET /v1/log/complete`: what can be typed. docs/query.md has the language.
//!
//! Rules: rows name nobody, and nothing is opened but ids of stores where this process can. Each page is entered for the audit, by
//! the token. A page ends when it is full or after [`PAGE_TIME`], and its cursor goes on from there; two searches run at once.
//! When it fails: a problem with the place in the query.

use super::Shared;
use super::api::authorize;
use super::origin;
use super::problem::Problem;
use crate::mail::Timestamp;
use crate::query::{Query, complete};
use crate::relay::{Account, Scope, SearchFault, Searcher, parse_queue_id, queue_id};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Searches that run at once.
pub(super) const AT_ONCE: usize = 2;
/// Rows of a page, unless it says otherwise, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;
/// How far the clock of the process that gave a cursor may be ahead.
const AHEAD_MS: i64 = 600_000;
/// How long a page is looked for.
const PAGE_TIME: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchParameters {
    #[serde(default)]
    query: String,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteParameters {
    #[serde(default)]
    query: String,
    /// In octets; left out: the end.
    at: Option<usize>,
}

type Parameters<T> = Result<extract::Query<T>, QueryRejection>;

fn parameters<T>(parameters: Parameters<T>, known: &str) -> Result<T, Problem> {
    let malformed = |_| {
        let detail = format!("the parameters are {known}, percent-encoded UTF-8");
        Problem::new(StatusCode::BAD_REQUEST, "The parameters are malformed", detail)
    };
    parameters.map(|extract::Query(parameters)| parameters).map_err(malformed)
}

/// `GET /v1/log?query=…&cursor=…&limit=…`
pub(super) async fn search(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    asked: Parameters<SearchParameters>,
) -> Result<Json<Value>, Problem> {
    let token = authorize(&shared, &headers, Scope::Log).await?;
    // Who called is behind a token; the account is that of this process.
    let from = origin::of(peer.ip(), &headers, &shared.proxies);
    let account = Account { uid: rustix::process::getuid().as_raw(), login: None, from };
    shared.relay.may_command(&account, "GET /v1/log").await.map_err(SearchFault::from)?;
    let asked = parameters(asked, "query, cursor and limit")?;
    let limit = asked.limit.unwrap_or(ROWS);
    if !(1..=ROWS_MAX).contains(&limit) {
        let detail = format!("limit: 1 to {ROWS_MAX}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", detail));
    }
    let now = Timestamp::now();
    let (cursor, now) = match asked.cursor.as_deref() {
        Some(text) => {
            read_cursor(text, now).map(|(id, asked)| (Some(id), asked)).ok_or(SearchFault::Cursor)?
        }
        None => (None, now),
    };
    let Ok(_place) = shared.searches.try_acquire() else {
        let detail = format!("{AT_ONCE} searches run at once; try the same again in a moment");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many searches", detail));
    };
    let query = Query::parse(&asked.query).map_err(SearchFault::from)?;
    let mut search = shared.relay.search(&query, now, &Searcher::Token(token, account), cursor).await?;
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
    Ok(Json(json!({
        "rows": rows,
        "cursor": next.map(|id| cursor_at(id, now)),
        "from": at(window.from),
        "until": at(window.until),
        "by_default": window.is_default || window.is_default_of_branches,
        "searched_back_to": search.progress().0.to_rfc3339(),
    })))
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

/// `GET /v1/log/complete?query=…&at=…`
pub(super) async fn completions(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    asked: Parameters<CompleteParameters>,
) -> Result<Json<Value>, Problem> {
    authorize(&shared, &headers, Scope::Log).await?;
    let asked = parameters(asked, "query and at")?;
    if asked.query.len() > crate::query::LENGTH_MAX {
        let detail = format!("query: at most {} octets", crate::query::LENGTH_MAX);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", detail));
    }
    let completion = complete(&asked.query, asked.at.unwrap_or(asked.query.len()));
    let items: Vec<Value> =
        completion.items.iter().map(|(text, about)| json!({ "text": text, "about": about })).collect();
    let replaces = json!({ "from": completion.replaces.start, "until": completion.replaces.end });
    Ok(Json(json!({ "replaces": replaces, "items": items })))
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
