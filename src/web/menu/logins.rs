//! Logins of the store's mail programs: a part of the login history, as page and file.
//!
//! When it fails: as all pages do.

use super::page::{Frame, asked_for, in_japan, page};
use super::{Asked, Outcome, csv, words};
use crate::relay::{LoginResult, LoginView, MenuSession, RelayFault, parse_queue_id, queue_id};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

/// Lines of a page, and of a file.
const LINES: i64 = 50;
const FILE_LINES: i64 = 10_000;

#[derive(Template)]
#[template(path = "menu/logins.html")]
struct Page {
    f: Frame,
    lines: Vec<Line>,
    older: Option<String>,
}

struct Line {
    at: String,
    name: String,
    user: String,
    result: &'static str,
    is_bad: bool,
    country: String,
    network: String,
}

/// Whether the history of mail programs is asked for.
pub(super) fn are_asked_for(asked: &Asked<'_>) -> bool {
    asked_for(asked.query, "kind") == Some("smtp")
}

pub(super) async fn show(asked: &Asked<'_>, session: &MenuSession) -> Result<Response, RelayFault> {
    let before = asked_for(asked.query, "before").and_then(parse_queue_id);
    let (views, older) = asked.shared.relay.menu_logins(session, before, LINES).await?;
    let f = Frame::new(asked, None);
    let lines = views.iter().map(|view| line(&f, view)).collect();
    Ok(page(StatusCode::OK, &Page { f, lines, older: older.map(queue_id) }))
}

/// The same as a file; two are made at once.
pub(super) async fn file(asked: &Asked<'_>, session: &MenuSession) -> Result<Outcome, RelayFault> {
    let Some(_place) = asked.shared.guard.file() else {
        return Ok(Outcome::refused(words::too_fast(asked.visitor.language, None), "look", "limited"));
    };
    let (views, _) = asked.shared.relay.menu_logins(session, None, FILE_LINES).await?;
    let f = Frame::new(asked, None);
    let mut text = csv::begun("time (JST),credential,user name,result,country,network");
    for view in &views {
        let Line { at, name, user, result, country, network, .. } = &line(&f, view);
        csv::line(&mut text, &[at, name, user, result, country, network]);
    }
    Ok(Outcome::shown(csv::file(text, "attachment; filename=\"mail-logins.csv\"")))
}

fn line(f: &Frame, view: &LoginView) -> Line {
    let unknown = || "-".to_owned();
    let (name, user) = view.credential.clone().unwrap_or_else(|| (unknown(), unknown()));
    Line {
        at: in_japan(view.at),
        name,
        user,
        result: match view.result {
            LoginResult::In => f.say("ログイン", "in"),
            LoginResult::NewNetwork => f.say("初めてのネットワーク", "new network"),
            LoginResult::Refused => f.say("拒否", "refused"),
        },
        is_bad: view.result != LoginResult::In,
        country: view.country.clone().unwrap_or_else(unknown),
        network: view.network.map_or_else(unknown, |number| format!("AS{number}")),
    }
}
