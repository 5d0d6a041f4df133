//! Where one is signed in, and the ends of it.

use super::form::Form;
use super::page::{Frame, in_japan, page};
use super::place::Place;
use super::visit::Cookies;
use super::{Asked, Outcome, to, words};
use crate::relay::{MenuSession, RelayFault, SessionView, parse_queue_id, queue_id};
use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::Response;

#[derive(Template)]
#[template(path = "menu/devices.html")]
struct Page {
    f: Frame,
    sessions: Vec<Line>,
}

struct Line {
    id: String,
    device: String,
    ip: String,
    country: String,
    created: String,
    seen: String,
    is_current: bool,
}

pub(super) async fn show(asked: &Asked<'_>) -> Result<Response, RelayFault> {
    let sessions = match asked.session {
        Some(session) => asked.shared.relay.menu_sessions(session).await?,
        None => Vec::new(),
    };
    let line = |one: SessionView| {
        let whence = one.whence;
        Line {
            id: queue_id(one.id),
            device: whence.as_ref().map_or_else(|| "?".into(), |whence| whence.device.clone()),
            ip: whence.as_ref().map_or_else(|| "?".into(), |whence| whence.ip.clone()),
            country: whence.and_then(|whence| whence.country).unwrap_or_else(|| "-".into()),
            created: in_japan(one.created_at),
            seen: in_japan(one.seen_at),
            is_current: one.is_current,
        }
    };
    let shown = Page { f: Frame::new(asked, None), sessions: sessions.into_iter().map(line).collect() };
    Ok(page(StatusCode::OK, &shown))
}

pub(super) async fn end(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let (relay, visit) = (&asked.shared.relay, &asked.visitor.visit);
    match (form.value("do"), parse_queue_id(form.value("session"))) {
        ("end-others", _) => relay.end_other_menu_sessions(session, visit, asked.place.word()).await?,
        ("end", Some(own)) if own == session.id => return sign_out(asked, session).await,
        ("end", Some(other)) => {
            if !relay.end_menu_session(session, other, visit, asked.place.word()).await? {
                return Ok(Outcome::refused(to(Place::Devices), "end-session", "gone"));
            }
        }
        _ => return Ok(Outcome::refused(words::not_allowed(asked.visitor.language), "post", "refused")),
    }
    Ok(Outcome::done(to(Place::Devices)))
}

pub(super) async fn sign_out(asked: &Asked<'_>, session: &MenuSession) -> Result<Outcome, RelayFault> {
    let (relay, visit) = (&asked.shared.relay, &asked.visitor.visit);
    let ended = relay.end_menu_session(session, session.id, visit, asked.place.word()).await?;
    let mut response = to(Place::SignIn);
    if let Some(cookie) = Cookies::no_session() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    // The one who was faster has ended it, and written it down.
    Ok(if ended { Outcome::done(response) } else { Outcome::refused(response, "sign-out", "gone") })
}
