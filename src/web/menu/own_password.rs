//! Changing one's own password.

use super::form::Form;
use super::guard::Budget;
use super::page::{Frame, Said, page};
use super::{Asked, Outcome, words};
use crate::relay::{MenuSession, PeopleFault, RelayFault, menu_account, queue_id};
use crate::vault::Secret;
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "menu/password.html")]
struct Page {
    f: Frame,
    name: String,
    is_first: bool,
}

pub(super) fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    said: Option<Said>,
) -> Response {
    let is_done = status == StatusCode::OK && said.is_some();
    let mut f = Frame::new(asked, said);
    if let Some(own) = f.own.as_mut().filter(|_| is_done) {
        own.is_whole = true;
    }
    let is_first = session.person.must_change && !is_done;
    page(status, &Page { f, name: session.person.name.clone(), is_first })
}

pub(super) async fn change(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let language = asked.visitor.language;
    let secret = |name| Secret::received(Zeroizing::new(form.value(name).to_owned()));
    let refused = |text: &str, word| {
        let response = show(asked, session, StatusCode::UNPROCESSABLE_ENTITY, Some(Said::bad(text)));
        Ok(Outcome::refused(response, "change-password", word))
    };
    if form.value("new") != form.value("again") {
        let text = language.say("新しいパスワードが一致しません。", "The new passwords are not the same.");
        return refused(text, "not-the-same");
    }
    // A session that somebody else got hold of must not find the password out.
    let account = menu_account(&session.store.store_id, &session.person.name);
    let (guard, own) = (&asked.shared.guard, queue_id(session.id));
    let Some(spent) = guard.spend(Budget::OwnPassword(session.person.id)) else {
        return Ok(Outcome::refused(words::too_fast(language, None), "change-password", "limited"));
    };
    let attempting = match guard.attempt_from(&account, Some(&own), asked.visitor.visit.ip).await {
        Ok(attempting) => attempting,
        Err(wait) => {
            guard.forgive(&spent);
            let response = words::too_fast(language, Some(wait));
            return Ok(Outcome::refused(response, "change-password", "limited"));
        }
    };
    let (old, new) = (secret("old"), secret("new"));
    let changed = asked.shared.relay.change_password(session, (&old, &new), &asked.visitor.visit).await;
    if !matches!(changed, Err(PeopleFault::WrongPassword)) {
        guard.forgive(&attempting);
    }
    if changed.is_err() {
        guard.forgive(&spent);
    }
    match changed {
        Ok(()) => {
            let said = Said::good(language.say("パスワードを変更しました。", "Your password is changed."));
            Ok(Outcome::done(show(asked, session, StatusCode::OK, Some(said))))
        }
        Err(PeopleFault::Fault(fault)) => Err(fault),
        Err(fault) => {
            let (text, word) = words::why(&fault, language).unwrap_or_default();
            refused(&text, word)
        }
    }
}
