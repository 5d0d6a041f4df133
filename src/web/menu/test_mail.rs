//! 送信テスト: a mail from the store to itself by the way that all its mail goes, and how far it has come.
//!
//! Rules: each step is said as it is known now; the page is asked for again by a link, without JavaScript. The number of the mail stands in the
//! URL, and nothing of a person.

use super::form::Form;
use super::guard::Budget;
use super::page::{Frame, Said, asked_for, in_japan, page};
use super::{Asked, Outcome, mail_words, words};
use crate::relay::{
    MailState, MailStep, MailView, MenuRole, MenuSession, PeopleFault, RelayFault, TestFault, help,
    parse_queue_id, queue_id,
};
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;

#[derive(Template)]
#[template(path = "menu/test.html")]
struct Page {
    f: Frame,
    senders: Vec<Choice>,
    may_send: bool,
    sent: Option<Sent>,
}

struct Choice {
    id: String,
    address: String,
}

/// A test that was sent.
struct Sent {
    id: String,
    steps: Vec<Step>,
    is_over: bool,
}

struct Step {
    name: &'static str,
    state: &'static str,
    is_bad: bool,
    detail: String,
}

pub(super) async fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    said: Option<Said>,
) -> Result<Outcome, RelayFault> {
    let relay = &asked.shared.relay;
    let (senders, _) = relay.menu_senders(session).await?;
    let message = asked_for(asked.query, "id").and_then(parse_queue_id);
    let found = match message {
        Some(message) => relay.menu_mail_with_steps(session, message).await?,
        None => None,
    };
    let mut f = Frame::new(asked, said);
    if let Some(message) = message {
        f.kept = format!("id={}&", queue_id(message));
    }
    let sent = found.map(|(view, steps)| sent(&f, &view, &steps));
    let choice = |one: crate::relay::SenderView| Choice { id: queue_id(one.id), address: one.address };
    let shown = Page {
        senders: senders.into_iter().map(choice).collect(),
        may_send: session.person.role != MenuRole::Reader,
        sent,
        f,
    };
    let about = message.map(queue_id);
    Ok(Outcome { about, ..Outcome::shown(page(status, &shown)) })
}

/// What is known of each step.
fn sent(f: &Frame, view: &MailView, steps: &[MailStep]) -> Sent {
    let of = |event: &str| steps.iter().find(|step| step.event == event).map(|step| in_japan(step.at));
    let (done, waits) = (f.say("完了", "done"), f.say("待っています", "waiting"));
    let (is_over, is_bad) = match view.state {
        MailState::Waiting => (false, false),
        MailState::Deferred => (false, true),
        MailState::Delivered => (true, false),
        _ => (true, true),
    };
    let tried = match view.attempts {
        0 => String::new(),
        count => format!("{}: {count}", f.say("配信した回数", "Attempts")),
    };
    let next = view.next_at.filter(|_| view.state == MailState::Deferred).map(in_japan);
    let next = next.map_or_else(String::new, |at| format!("{}: {at}", f.say("次の配信", "Next attempt")));
    let why = mail_words::why(view.why, f.language).to_owned();
    let joined = |parts: [String; 3]| {
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" / ")
    };
    let delivered = of("delivered").unwrap_or_default();
    let steps = vec![
        Step {
            name: f.say("受付(送信元の確認、内容の検査)", "Taken: sender and content were checked"),
            state: done,
            is_bad: false,
            detail: of("accepted").unwrap_or_else(|| in_japan(view.at)),
        },
        Step {
            name: f.say("配信待ちの列への保存", "Stored in the queue"),
            state: if view.state == MailState::Held {
                mail_words::state(view.state, f.language)
            } else {
                done
            },
            is_bad: view.state == MailState::Held,
            detail: if view.state == MailState::Held { why.clone() } else { String::new() },
        },
        Step {
            name: f.say("お店のメールサーバーへの配信", "Delivered to the store's mail server"),
            state: match view.state {
                MailState::Waiting => waits,
                other => mail_words::state(other, f.language),
            },
            is_bad,
            detail: joined([if view.state == MailState::Delivered { delivered } else { why }, tried, next]),
        },
    ];
    Sent { id: queue_id(view.message), steps, is_over }
}

pub(super) async fn send(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let (relay, visit, language) = (&asked.shared.relay, &asked.visitor.visit, asked.visitor.language);
    let action = "test-mail";
    let Some(sender) = parse_queue_id(form.value("sender")).filter(|_| form.value("do") == "send") else {
        return Ok(Outcome::refused(words::not_allowed(language), "post", "refused"));
    };
    let Some(spent) = asked.shared.guard.spend(Budget::Test(session.store.id)) else {
        let text = language.say(
            "今日はこれ以上テストできません。明日、もう一度お試しください。",
            "There were as many tests as there may be in a day. Please try again tomorrow.",
        );
        return refused(asked, session, text, (action, "limited")).await;
    };
    match relay.send_test(session, sender, visit).await {
        Ok(id) => {
            let about = queue_id(id);
            let to = HeaderValue::from_str(&format!("{}?id={about}", asked.place.path()));
            let to = to.map_err(|_| RelayFault::Malformed("a number"))?;
            let response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
            let outcome = Outcome { action, result: "sent", ..Outcome::shown(response) };
            Ok(Outcome { about: Some(about), ..outcome })
        }
        Err(TestFault::Person(PeopleFault::Fault(fault))) => Err(fault),
        Err(TestFault::Person(fault)) => {
            asked.shared.guard.forgive(&spent);
            let (text, word) = words::why_sender(&fault.into(), language).unwrap_or_default();
            refused(asked, session, &text, (action, word)).await
        }
        Err(TestFault::Refused(refusal)) => {
            let begin = language.say("受け付けられませんでした: ", "It was refused: ");
            let why = help(&refusal.page());
            let why = why.map_or("", |why| language.say(why.ja.text, why.en.text));
            refused(asked, session, &format!("{begin}{why}"), (action, "refused")).await
        }
    }
}

async fn refused(
    asked: &Asked<'_>,
    session: &MenuSession,
    text: &str,
    (action, word): (&'static str, &'static str),
) -> Result<Outcome, RelayFault> {
    let said = Some(Said::bad(text));
    let Outcome { response, .. } = show(asked, session, StatusCode::UNPROCESSABLE_ENTITY, said).await?;
    Ok(Outcome::refused(response, action, word))
}
