//! Login history and access log, as the store's people see them: always in the time of Japan, the latest first.
//!
//! Rules: administrators see everybody's, others their own, since they were added. Failed attempts under a name are that name's.

use super::language::Language;
use super::page::{Frame, asked_for, in_japan, page};
use super::{Asked, Outcome, access_words, csv, logins, words};
use crate::relay::{
    AccessView, MenuRole, MenuSession, PeopleFault, PersonView, RelayFault, parse_queue_id, queue_id,
};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

/// Lines of a page, and of a file.
const LINES: i64 = 50;
const FILE_LINES: i64 = 10_000;
/// So many lines are looked through for one person's.
const STEPS: usize = 20;

#[derive(Template)]
#[template(path = "menu/history.html")]
struct Page {
    f: Frame,
    lines: Vec<Line>,
    is_all: bool,
    older: Option<String>,
    people: Vec<Choice>,
    /// Whose lines are asked for, as links have it.
    person: Option<String>,
}

/// Somebody whose lines can be asked for.
struct Choice {
    id: String,
    name: String,
    is_chosen: bool,
}

struct Line {
    at: String,
    person: String,
    page: String,
    action: String,
    result: String,
    ip: String,
    country: String,
    network: String,
    device: String,
    is_current: bool,
    is_bad: bool,
}

impl Line {
    fn new(view: AccessView, session: &MenuSession, language: Language) -> Self {
        let is_current = view.session == Some(queue_id(session.id)) && view.action == "sign-in";
        let is_bad =
            !matches!(view.result.as_str(), "in" | "shown" | "done" | "asked" | "sent" | "second-factor");
        let whence = view.whence;
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        Self {
            at: in_japan(view.at),
            person: view.person,
            page: access_words::page(&view.page, language),
            action: access_words::action(&view.action, language),
            result: access_words::result(&view.result, language),
            ip: or(whence.as_ref().map(|whence| whence.ip.clone())),
            country: or(whence.as_ref().and_then(|whence| whence.country.clone())),
            network: or(whence.as_ref().map(|whence| whence.network.clone())),
            device: or(whence.map(|whence| whence.device)),
            is_current,
            is_bad,
        }
    }
}

pub(super) async fn show(asked: &Asked<'_>, session: &MenuSession) -> Result<Response, RelayFault> {
    if logins::are_asked_for(asked) {
        return logins::show(asked, session).await;
    }
    let people = people(asked, session).await?;
    let chosen = chosen(asked, &people);
    let (lines, older) = lines(asked, session, chosen, LINES).await?;
    let choice = |one: &PersonView| Choice {
        id: queue_id(one.id),
        name: one.name.clone(),
        is_chosen: chosen.is_some_and(|chosen| chosen.id == one.id),
    };
    let shown = Page {
        f: Frame::new(asked, None),
        lines,
        is_all: is_all(asked),
        older,
        people: people.iter().map(choice).collect(),
        person: chosen.map(|chosen| queue_id(chosen.id)),
    };
    Ok(page(StatusCode::OK, &shown))
}

/// Those whose lines an administrator may ask for one by one.
async fn people(asked: &Asked<'_>, session: &MenuSession) -> Result<Vec<PersonView>, RelayFault> {
    match asked.shared.relay.menu_people(session).await {
        Ok(people) => Ok(people),
        Err(PeopleFault::Fault(fault)) => Err(fault),
        Err(_) => Ok(Vec::new()),
    }
}

/// Who is asked for. By number: a name stands in no URL.
fn chosen<'p>(asked: &Asked<'_>, people: &'p [PersonView]) -> Option<&'p PersonView> {
    let id = asked_for(asked.query, "person").and_then(parse_queue_id)?;
    people.iter().find(|one| one.id == id)
}

/// How far in time a file reaches is bounded by its lines; two are made at once.
pub(super) async fn file(asked: &Asked<'_>, session: &MenuSession) -> Result<Outcome, RelayFault> {
    if logins::are_asked_for(asked) {
        return logins::file(asked, session).await;
    }
    let Some(_place) = asked.shared.guard.file() else {
        return Ok(Outcome::refused(words::too_fast(asked.visitor.language, None), "look", "limited"));
    };
    let people = people(asked, session).await?;
    let (lines, _) = lines(asked, session, chosen(asked, &people), FILE_LINES).await?;
    let mut text = csv::begun(asked.visitor.language.say(
        "日時(日本時間),ユーザー名,ページ,操作,結果,IPアドレス,国・地域,ネットワーク,端末",
        "time (JST),user,page,action,result,ip,country,network,device",
    ));
    for line in lines {
        let Line { at, person, page, action, result, ip, country, network, device, .. } = &line;
        csv::line(&mut text, &[at, person, page, action, result, ip, country, network, device]);
    }
    Ok(Outcome::shown(csv::file(text, "attachment; filename=\"history.csv\"")))
}

fn is_all(asked: &Asked<'_>) -> bool {
    asked_for(asked.query, "all") == Some("1")
}

async fn lines(
    asked: &Asked<'_>,
    session: &MenuSession,
    person: Option<&PersonView>,
    limit: i64,
) -> Result<(Vec<Line>, Option<String>), RelayFault> {
    let is_own = |view: &AccessView| {
        // What stands under the name from before the person was there is another's who had it.
        let of = |name: &str, since| view.person == name && view.at >= since;
        match person {
            Some(person) => of(&person.name, person.created_at),
            None => {
                session.person.role == MenuRole::Administrator
                    || of(&session.person.name, session.person.created_at)
            }
        }
    };
    let mut before = asked_for(asked.query, "before").and_then(parse_queue_id);
    let mut own = Vec::new();
    for _ in 0..if limit == LINES { STEPS } else { 1 } {
        let found = asked.shared.relay.menu_accesses(session, !is_all(asked), before, limit).await?;
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
        before = found.last().filter(|_| is_full).map(|last| last.id);
        own.extend(found.into_iter().filter(is_own));
        if before.is_none() || i64::try_from(own.len()).is_ok_and(|count| count >= limit) {
            break;
        }
    }
    Ok((
        own.into_iter().map(|view| Line::new(view, session, asked.visitor.language)).collect(),
        before.map(queue_id),
    ))
}
