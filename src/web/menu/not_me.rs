//! "This wasn't me": what is done when somebody finds a sign-in that was not his.

use super::form::Form;
use super::page::{Frame, Said, page};
use super::place::Place;
use super::{Asked, Outcome, confirm, to};
use crate::relay::{MenuRole, MenuSession, RelayFault};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

#[derive(Template)]
#[template(path = "menu/not_me.html")]
struct Page {
    f: Frame,
    handles_mail: bool,
    asks_password: bool,
    has_password: bool,
}

pub(super) fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    said: Option<Said>,
) -> Response {
    let handles_mail = session.person.role != MenuRole::Reader;
    let (asks_password, has_password) = (confirm::asks(session), session.person.has_password);
    page(status, &Page { f: Frame::new(asked, said), handles_mail, asks_password, has_password })
}

pub(super) async fn raise(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    if let Some((said, word)) = confirm::refuses(asked, session, form).await? {
        let response = show(asked, session, StatusCode::UNPROCESSABLE_ENTITY, Some(said));
        return Ok(Outcome::refused(response, "not-me", word));
    }
    let ends_credentials = session.person.role != MenuRole::Reader && form.value("credentials") == "yes";
    if !asked.shared.relay.raise_alarm(session, ends_credentials, &asked.visitor.visit).await? {
        return Ok(Outcome::refused(to(Place::SignIn), "not-me", "gone"));
    }
    Ok(Outcome::done(to(if session.person.has_password { Place::Password } else { Place::Devices })))
}
