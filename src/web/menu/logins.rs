//! Logins of the store's mail programs: a part of the login history, as page and file.
//!
//! When it fails: as all pages do.

use super::page::{Frame, asked_for, in_japan, page};
use super::{Asked, Outcome, csv, words};
use crate::relay::{LoginResult, LoginView, MenuRole, MenuSession, RelayFault, parse_queue_id, queue_id};
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
    /// Whether addresses are shown.
    is_administrator: bool,
    older: Option<String>,
}

struct Line {
    at: String,
    name: String,
    user: String,
    result: &'static str,
    is_bad: bool,
    ip: String,
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
    let is_administrator = session.person.role == MenuRole::Administrator;
    Ok(page(StatusCode::OK, &Page { f, lines, is_administrator, older: older.map(queue_id) }))
}

/// The same as a file; two are made at once.
pub(super) async fn file(asked: &Asked<'_>, session: &MenuSession) -> Result<Outcome, RelayFault> {
    let Some(_place) = asked.shared.guard.file() else {
        return Ok(Outcome::refused(words::too_fast(asked.visitor.language, None), "look", "limited"));
    };
    let (views, _) = asked.shared.relay.menu_logins(session, None, FILE_LINES).await?;
    let f = Frame::new(asked, None);
    let mut text = csv::begun(f.say(
        "日時(日本時間),認証情報,ユーザー名,結果,IPアドレス,国・地域,ネットワーク",
        "time (JST),credential,user name,result,ip,country,network",
    ));
    for view in &views {
        let Line { at, name, user, result, ip, country, network, .. } = &line(&f, view);
        csv::line(&mut text, &[at, name, user, result, ip, country, network]);
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
        ip: view.whence.as_ref().map_or_else(unknown, |whence| whence.ip.clone()),
        country: view.country.clone().unwrap_or_else(unknown),
        network: match (&view.whence, view.network) {
            (Some(whence), _) => whence.network.clone(),
            (None, Some(number)) => format!("AS{number}"),
            (None, None) => unknown(),
        },
    }
}
