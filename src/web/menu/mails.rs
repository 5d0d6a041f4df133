//! Mails: what the store sent and received, and what became of it; searched by order, days and state; as a file too.
//!
//! Rules: the other side is its alias. An order number comes by POST and stands in no URL: what stands there is the number of its
//! conversation, which is nothing to another store. Pages go on from a place, not from a count.
//! When it fails: as all pages do.

use super::form::Form;
use super::page::{Frame, Said, asked_for, in_japan, page};
use super::place::Place;
use super::{Asked, Outcome, csv, mail_words, words};
use crate::mail::Timestamp;
use crate::relay::{MailState, MailView, MailsAsked, MenuSession, RelayFault, parse_queue_id, queue_id};
use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use std::time::Duration;

/// Lines of a page, and as many facts are looked at for them.
const LINES: usize = 50;
const LOOKED_AT: i64 = 2000;
/// The same of a file.
const FILE_LINES: usize = 10_000;
const FILE_LOOKED_AT: i64 = 50_000;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Template)]
#[template(path = "menu/mails.html")]
struct Page {
    f: Frame,
    lines: Vec<Line>,
    states: Vec<(&'static str, &'static str, bool)>,
    /// The order that is asked for, as it was typed or as it is known.
    order: String,
    from: String,
    until: String,
    unreachable: bool,
    /// What asks for the same as a file, and for older ones.
    query: String,
    older: Option<String>,
    shows_orders: bool,
}

struct Line {
    at: String,
    id: String,
    order: String,
    direction: &'static str,
    alias: String,
    state: &'static str,
    is_bad: bool,
    why: &'static str,
    size: String,
}

/// What a query asks for.
struct Query {
    asked: MailsAsked,
    from: String,
    until: String,
}

impl Query {
    fn read(query: &str) -> Self {
        let text = |name| asked_for(query, name).unwrap_or_default();
        let (from, until) = (text("from"), text("until"));
        let asked = MailsAsked {
            order: asked_for(query, "order").and_then(parse_queue_id),
            from: day(from),
            // To its end.
            until: day(until).map(|begins| begins.after(DAY)),
            state: MailState::parse(text("state")),
            before: asked_for(query, "before").and_then(parse_queue_id),
            lines: LINES,
            looked_at: LOOKED_AT,
        };
        let typed = |text: &str| day(text).map(|_| text.to_owned()).unwrap_or_default();
        Self { from: typed(from), until: typed(until), asked }
    }

    /// The same once more, from the newest on; it ends with `&` unless it is empty.
    fn written(&self) -> String {
        let order = self.asked.order.map(queue_id).unwrap_or_default();
        let state = self.asked.state.map_or("", MailState::as_str);
        let all = [("order", order.as_str()), ("from", &self.from), ("until", &self.until), ("state", state)];
        let asked = all.iter().filter(|(_, value)| !value.is_empty());
        asked.map(|(name, value)| format!("{name}={value}&")).collect()
    }
}

/// When a day begins in Japan.
fn day(text: &str) -> Option<Timestamp> {
    (text.len() == 10).then(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00+09:00"))).flatten()
}

/// What is said instead of a list, with what was typed.
pub(super) struct Missed<'a> {
    form: &'a Form,
    said: Said,
}

pub(super) async fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    missed: Option<Missed<'_>>,
) -> Result<Outcome, RelayFault> {
    let relay = &asked.shared.relay;
    let mut query = Query::read(asked.query);
    let (said, typed) = match missed {
        Some(Missed { form, said }) => {
            query = Query::read(&dates_and_state(form));
            (Some(said), form.value("order").to_owned())
        }
        None => (None, String::new()),
    };
    let is_missed = said.is_some();
    let (views, older) = match is_missed {
        true => (Vec::new(), None),
        false => relay.menu_mails(session, &query.asked).await?,
    };
    let unreachable = match query.asked.order {
        Some(order) => relay.menu_is_unreachable(session, order).await,
        None => false,
    };
    let f = Frame::new(asked, said);
    let state =
        |one: MailState| (one.as_str(), mail_words::state(one, f.language), query.asked.state == Some(one));
    let known =
        views.iter().find_map(|view| view.of.order_no.clone()).filter(|_| query.asked.order.is_some());
    let written = query.written();
    let shown = Page {
        lines: views.iter().map(|view| line(&f, view)).collect(),
        states: MailState::ALL.into_iter().map(state).collect(),
        order: known.unwrap_or(typed),
        from: query.from,
        until: query.until,
        unreachable,
        older: older.map(|place| format!("{written}before={}", queue_id(place))),
        query: written,
        shows_orders: views.iter().any(|view| view.of.order_no.is_some()) || views.is_empty(),
        f,
    };
    let status = if is_missed { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let about = query.asked.order.map(queue_id);
    Ok(Outcome { about, ..Outcome::shown(page(status, &shown)) })
}

fn line(f: &Frame, view: &MailView) -> Line {
    let held = view.state == MailState::Held;
    Line {
        at: in_japan(view.at),
        id: queue_id(view.message),
        order: mail_words::of(&view.of, f.language),
        direction: mail_words::direction(view.direction, f.language),
        alias: view.of.alias.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        state: mail_words::state(view.state, f.language),
        is_bad: mail_words::is_bad(view.state),
        // What it is held for takes a page.
        why: if held { "" } else { mail_words::why(view.why, f.language) },
        size: size(view.size),
    }
}

/// Octets as people read them.
pub(super) fn size(octets: i64) -> String {
    match octets {
        0..1000 => format!("{octets} B"),
        1000..1_000_000 => format!("{} kB", (octets + 500) / 1000),
        _ => format!("{}.{} MB", octets / 1_000_000, octets % 1_000_000 / 100_000),
    }
}

fn dates_and_state(form: &Form) -> String {
    let fields = ["from", "until", "state"].map(|name| (name, form.value(name).trim()));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let good = fields.iter().filter(|(_, value)| !value.is_empty() && plain(value));
    good.map(|(name, value)| format!("{name}={value}&")).collect()
}

/// Leads to what a form asks for.
pub(super) async fn search(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let language = asked.visitor.language;
    let mut query = Query::read(&dates_and_state(form));
    let order_no = form.value("order").trim();
    let mut flaw = None;
    if [form.value("from"), form.value("until")].iter().any(|text| !text.is_empty() && day(text).is_none()) {
        flaw = Some(("日付は 2026-11-28 の形で入力してください。", "Write days such as 2026-11-28.", "day"));
    } else if !order_no.is_empty() {
        query.asked.order = asked.shared.relay.menu_order(session, order_no).await?;
        if query.asked.order.is_none() {
            flaw = Some((
                "その注文番号は、お店の注文にありません。",
                "The store has no order of this number.",
                "no-order",
            ));
        }
    }
    if let Some((japanese, english, word)) = flaw {
        let missed = Missed { form, said: Said::bad(language.say(japanese, english)) };
        let Outcome { response, .. } = show(asked, session, Some(missed)).await?;
        return Ok(Outcome::refused(response, "search", word));
    }
    let written = query.written();
    let path = format!("{}?{}", Place::Mails.path(), written.trim_end_matches('&'));
    let response = (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response();
    let about = query.asked.order.map(queue_id);
    Ok(Outcome { action: "search", about, ..Outcome::shown(response) })
}

/// The same as a file; two are made at once.
pub(super) async fn file(asked: &Asked<'_>, session: &MenuSession) -> Result<Outcome, RelayFault> {
    let language = asked.visitor.language;
    let Some(_place) = asked.shared.guard.file() else {
        return Ok(Outcome::refused(words::too_fast(language, None), "look", "limited"));
    };
    let mut query = Query::read(asked.query).asked;
    (query.lines, query.looked_at) = (FILE_LINES, FILE_LOOKED_AT);
    let (views, _) = asked.shared.relay.menu_mails(session, &query).await?;
    let about = query.order.map(queue_id);
    let mut text = csv::begun(language.say(
        "日時(日本時間),番号,注文番号,方向,お客様のアドレス,状態,理由,バイト数",
        "time (JST),id,order,direction,customer alias,state,reason,octets",
    ));
    for view in views {
        let alias = view.of.alias.as_ref().map(ToString::to_string).unwrap_or_default();
        csv::line(
            &mut text,
            &[
                &in_japan(view.at),
                &queue_id(view.message),
                &mail_words::of(&view.of, language),
                mail_words::direction(view.direction, language),
                &alias,
                mail_words::state(view.state, language),
                mail_words::why(view.why, language),
                &view.size.to_string(),
            ],
        );
    }
    let response = csv::file(text, "attachment; filename=\"mails.csv\"");
    Ok(Outcome { about, ..Outcome::shown(response) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_japan_and_a_size_is_read_by_people() {
        assert_eq!(day("2026-11-28").map(Timestamp::to_rfc3339).as_deref(), Some("2026-11-27T15:00:00Z"));
        for wrong in ["2026-13-28", "2026-11-2", "", "2026/11/28", "２０２６-11"] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
        assert_eq!([size(7), size(1500), size(2_345_678)], ["7 B", "2 kB", "2.3 MB"]);
    }

    #[test]
    fn a_query_is_written_again_as_it_was_read_and_nothing_else_of_it() {
        let query = Query::read("order=0000000000000001&from=2026-11-01&until=x&state=held&x=%22&before=zz");
        assert_eq!(query.written(), "order=0000000000000001&from=2026-11-01&state=held&");
        assert_eq!(Query::read("order=A-1001").written(), "");
    }
}
