//! The people of a store, for its administrators.

use super::form::Form;
use super::guard::Budget;
use super::page::{Frame, Said, in_japan, page, typed};
use super::{Asked, Outcome, confirm, words};
use crate::relay::{MenuRole, MenuSession, PeopleFault, PersonView, RelayFault, parse_queue_id, queue_id};
use askama::Template;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "menu/people.html")]
struct Page {
    f: Frame,
    people: Vec<Line>,
    name: String,
    address: String,
    chosen: MenuRole,
    asks_password: bool,
}

struct Line {
    id: String,
    name: String,
    address: String,
    role: MenuRole,
    state: String,
    has_factor: bool,
    has_login: bool,
    is_oneself: bool,
}

pub(super) async fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    again: Option<(Option<&Form>, Said)>,
) -> Result<Outcome, RelayFault> {
    let people = match asked.shared.relay.menu_people(session).await {
        Ok(people) => people,
        Err(PeopleFault::Fault(fault)) => return Err(fault),
        Err(_) => {
            return Ok(Outcome::refused(words::forbidden(asked.visitor.language), "look", "not-allowed"));
        }
    };
    let (form, said) = again.unzip();
    let (form, f) = (form.flatten(), Frame::new(asked, said));
    let line = |one: PersonView| {
        let state = match one.invited_until {
            Some(until) => format!("{} {}", f.say("招待中:", "invited, until"), in_japan(until)),
            None => f.say("利用中", "in use").to_owned(),
        };
        Line {
            id: queue_id(one.id),
            has_factor: one.has_factor,
            has_login: one.has_login,
            is_oneself: one.id == session.person.id,
            name: one.name,
            address: one.address,
            role: one.role,
            state,
        }
    };
    let people = people.into_iter().map(line).collect();
    let (name, address) = (typed(form, "name"), typed(form, "address"));
    let chosen = form.and_then(|form| MenuRole::parse(form.value("role"))).unwrap_or(MenuRole::Staff);
    Ok(Outcome::shown(page(
        status,
        &Page { f, people, name, address, chosen, asks_password: confirm::asks(session) },
    )))
}

pub(super) async fn change(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let (relay, visit, language) = (&asked.shared.relay, &asked.visitor.visit, asked.visitor.language);
    let (person, role) = (parse_queue_id(form.value("person")), MenuRole::parse(form.value("role")));
    if let Some((said, word)) = confirm::refuses(asked, session, form).await? {
        return refused(asked, session, form, said, ("people", word)).await;
    }
    let spent = match budget(asked, session, form, person).await? {
        Some(budget) => match asked.shared.guard.spend(budget.of()) {
            Some(spent) => Some(spent),
            None => {
                let said = Said::bad(language.say(
                    "今日はこれ以上変更できません。明日、もう一度お試しください。",
                    "There were as many changes as there may be in a day. Please try again tomorrow.",
                ));
                return refused(asked, session, form, said, ("people", "limited")).await;
            }
        },
        None => None,
    };
    let (action, changed, text) = match (form.value("do"), person, role) {
        ("invite", _, Some(role)) => {
            let asked_for = (form.value("name"), form.value("address"), role);
            let text = ("招待のメールを送りました。", "The invitation is on its way.");
            ("invite", relay.invite(session, asked_for, visit).await, text)
        }
        ("role", Some(person), Some(role)) => {
            let text = ("権限を変更しました。", "The role is changed.");
            ("role", relay.set_role(session, person, Some(role), visit).await, text)
        }
        ("remove", Some(person), _) => {
            let text = ("削除しました。", "The person is taken off.");
            ("remove", relay.set_role(session, person, None, visit).await, text)
        }
        ("drop-factor", Some(person), _) => {
            let text = ("2段階認証を解除しました。", "The second factor is taken off.");
            ("drop-factor", relay.drop_factor_of(session, person, visit).await, text)
        }
        ("reset", Some(person), _) => {
            let text = ("初回用パスワードを送りました。", "A one-time password is on its way.");
            ("reset", relay.reset_password(session, person, visit).await, text)
        }
        _ => return Ok(Outcome::refused(words::not_allowed(language), "post", "refused")),
    };
    if let Some(spent) = spent.filter(|_| changed.is_err()) {
        asked.shared.guard.forgive(&spent);
    }
    match changed {
        Ok(()) => {
            let said = Said::good(language.say(text.0, text.1));
            let Outcome { response, .. } = show(asked, session, StatusCode::OK, Some((None, said))).await?;
            Ok(Outcome::done(response))
        }
        Err(PeopleFault::Fault(fault)) => Err(fault),
        Err(fault) => {
            let (text, word) = words::why(&fault, language).unwrap_or_default();
            refused(asked, session, form, Said::bad(&text), (action, word)).await
        }
    }
}

async fn refused(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
    said: Said,
    (action, word): (&'static str, &'static str),
) -> Result<Outcome, RelayFault> {
    let again = Some((Some(form), said));
    let Outcome { response, .. } = show(asked, session, StatusCode::UNPROCESSABLE_ENTITY, again).await?;
    Ok(Outcome::refused(response, action, word))
}

/// What a change sends: a one-time password to an address, or word of it to people. To take somebody off waits for nothing.
enum Sends {
    Password(i64, String),
    Word(i64),
}

impl Sends {
    fn of(&self) -> Budget<'_> {
        match self {
            Sends::Password(store, address) => Budget::Password(*store, address),
            Sends::Word(store) => Budget::People(*store),
        }
    }
}

async fn budget(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
    person: Option<i64>,
) -> Result<Option<Sends>, RelayFault> {
    let store = session.store.id;
    let address = match form.value("do") {
        "remove" => return Ok(None),
        "invite" => form.value("address").to_owned(),
        "reset" => match asked.shared.relay.menu_people(session).await {
            Ok(people) => {
                let is_it = |one: &PersonView| Some(one.id) == person;
                people.into_iter().find(is_it).map(|one| one.address).unwrap_or_default()
            }
            Err(PeopleFault::Fault(fault)) => return Err(fault),
            Err(_) => String::new(),
        },
        _ => return Ok(Some(Sends::Word(store))),
    };
    Ok(Some(Sends::Password(store, address)))
}
