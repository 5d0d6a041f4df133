//! One mail with all that happened to it; what is held, and why; and what a store decides about either.
//!
//! Rules: a mail of another store, and one that is not to be seen, is not there. Buttons stand where the decision is the store's; what a form
//! asks for is looked at again by who decides (`relay/menu/deciding.rs`).
//! When it fails: the page says why nothing was decided.

use super::form::Form;
use super::mails::size;
use super::page::{Frame, Said, asked_for, in_japan, page};
use super::place::Place;
use super::{Asked, Outcome, mail_words, words};
use crate::relay::{MailDecision, MailFault, MailView, MenuSession, RelayFault, parse_queue_id, queue_id};
use askama::Template;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "menu/mail.html")]
struct Page {
    f: Frame,
    one: Shown,
    steps: Vec<Step>,
    unreachable: bool,
}

#[derive(Template)]
#[template(path = "menu/held.html")]
struct HeldPage {
    f: Frame,
    mails: Vec<Shown>,
}

/// A mail as a page shows it.
struct Shown {
    id: String,
    at: String,
    order: String,
    /// The number of its conversation.
    conversation: Option<String>,
    direction: &'static str,
    alias: String,
    state: &'static str,
    is_bad: bool,
    why: &'static str,
    means: &'static str,
    next_at: Option<String>,
    until: Option<String>,
    attempts: i64,
    size: String,
    may_send: bool,
    may_withdraw: bool,
    may_go_again: bool,
}

struct Step {
    at: String,
    what: String,
    why: &'static str,
}

/// Which mail is shown, and what is said of what was just done.
pub(super) struct After {
    message: Option<i64>,
    status: StatusCode,
    said: Option<Said>,
}

impl After {
    /// What the query asks for.
    pub fn of(asked: &Asked<'_>) -> Self {
        let message = asked_for(asked.query, "id").and_then(parse_queue_id);
        Self { message, status: StatusCode::OK, said: None }
    }
}

pub(super) async fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    after: After,
) -> Result<Outcome, RelayFault> {
    let relay = &asked.shared.relay;
    let found = match after.message {
        Some(message) => relay.menu_mail_with_steps(session, message).await?,
        None => None,
    };
    let Some((view, steps)) = found else {
        let response = words::not_found(asked.visitor.language);
        let about = after.message.map(queue_id);
        return Ok(Outcome { about, ..Outcome::refused(response, "look", "not-found") });
    };
    let unreachable = match view.of.conversation {
        Some(conversation) => relay.menu_is_unreachable(session, conversation).await,
        None => false,
    };
    let mut f = Frame::new(asked, after.said);
    f.kept = format!("id={}&", queue_id(view.message));
    let step = |step: &crate::relay::MailStep| Step {
        at: in_japan(step.at),
        what: mail_words::step(step, f.language),
        why: mail_words::why(step.why, f.language),
    };
    let shown = Page { one: one(&f, &view), steps: steps.iter().map(step).collect(), unreachable, f };
    let response = page(after.status, &shown);
    Ok(Outcome { about: Some(shown.one.id), ..Outcome::shown(response) })
}

/// What of the store's own is held.
pub(super) async fn held(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    said: Option<Said>,
) -> Result<Outcome, RelayFault> {
    let views = asked.shared.relay.menu_held(session).await?;
    let f = Frame::new(asked, said);
    let shown = HeldPage { mails: views.iter().map(|view| one(&f, view)).collect(), f };
    Ok(Outcome::shown(page(status, &shown)))
}

fn one(f: &Frame, view: &MailView) -> Shown {
    Shown {
        id: queue_id(view.message),
        at: in_japan(view.at),
        order: mail_words::of(&view.of, f.language),
        conversation: view.of.conversation.map(queue_id),
        direction: mail_words::direction(view.direction, f.language),
        alias: view.of.alias.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        state: mail_words::state(view.state, f.language),
        is_bad: mail_words::is_bad(view.state),
        why: mail_words::why(view.why, f.language),
        means: mail_words::means(view, f.language),
        next_at: view.next_at.map(in_japan),
        until: mail_words::until(view, f.language),
        attempts: view.attempts,
        size: size(view.size),
        may_send: view.may_send,
        may_withdraw: view.may_withdraw,
        may_go_again: view.again_until.is_some(),
    }
}

pub(super) async fn decide(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let language = asked.visitor.language;
    let decision = match form.value("do") {
        "send" => MailDecision::Send,
        "withdraw" => MailDecision::Withdraw,
        "again" => MailDecision::Again,
        _ => return Ok(Outcome::refused(words::not_allowed(language), "post", "refused")),
    };
    let message = parse_queue_id(form.value("mail"));
    let relay = &asked.shared.relay;
    let decided = match message {
        Some(message) => {
            let of = (message, decision);
            relay.menu_decide(session, of, asked.place.word(), &asked.visitor.visit).await
        }
        None => Err(MailFault::NotThere),
    };
    let (status, said, word) = match decided {
        Ok(()) => (StatusCode::OK, mail_words::decided(decision, language), None),
        Err(MailFault::Fault(fault)) => return Err(fault),
        Err(fault) => match mail_words::refused(&fault, language) {
            Some((said, word)) => (StatusCode::UNPROCESSABLE_ENTITY, said, Some(word)),
            None => return Err(RelayFault::Malformed("mail")),
        },
    };
    let Outcome { response, .. } = match asked.place {
        Place::Held => held(asked, session, status, Some(said)).await?,
        _ => show(asked, session, After { message, status, said: Some(said) }).await?,
    };
    Ok(match word {
        Some(word) => {
            let refused = Outcome::refused(response, decision.word(), word);
            Outcome { about: message.map(queue_id), ..refused }
        }
        None => Outcome::done(response),
    })
}
