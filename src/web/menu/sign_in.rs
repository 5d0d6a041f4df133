//! The sign-in page.
//!
//! Rules: one answer for every way of being wrong, and one for who tries too often. What was typed as a password is never shown again.

use super::form::Form;
use super::page::{Frame, Said, page, typed};
use super::place::Place;
use super::visit::{Cookies, stays};
use super::{Asked, Outcome, Room, to, words};
use crate::relay::{Access, Attempt, RelayFault, SignIn, SignInFault, menu_account};
use crate::vault::Secret;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "menu/sign_in.html")]
struct Page {
    f: Frame,
    store: String,
    name: String,
    is_shared: bool,
}

pub(super) fn show(asked: &Asked<'_>, status: StatusCode, again: Option<(&Form, Said)>) -> Response {
    let (form, said) = again.unzip();
    let (f, cookie) = frame(asked, said);
    let shown = Page {
        f,
        store: typed(form, "store"),
        name: typed(form, "name"),
        is_shared: typed(form, "shared") == "yes",
    };
    let mut response = page(status, &shown);
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The page after something was done on another, ready to sign in.
pub(super) fn show_after(asked: &Asked<'_>, said: Said) -> Response {
    let (mut f, cookie) = frame(asked, Some(said));
    f.path = Place::SignIn.path();
    let shown = Page { f, store: String::new(), name: String::new(), is_shared: false };
    let mut response = page(StatusCode::OK, &shown);
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The frame of a page before the sign-in, and the cookie to which its forms are bound where there is none yet: it says nothing else.
pub(super) fn frame(asked: &Asked<'_>, said: Option<Said>) -> (Frame, Option<HeaderValue>) {
    let mut f = Frame::new(asked, said);
    let mut cookie = None;
    if asked.visitor.cookies.form().is_none() {
        let value = BASE32_NOPAD.encode(&crate::vault::random_bytes::<32>()).to_ascii_lowercase();
        f.word = super::form::word(&value);
        cookie = Cookies::of_form(&value);
    }
    (f, cookie)
}

pub(super) async fn sign_in(asked: &Asked<'_>, form: &Form) -> Result<Outcome, RelayFault> {
    let (relay, guard, visit) = (&asked.shared.relay, &asked.shared.guard, &asked.visitor.visit);
    let language = asked.visitor.language;
    let (store_id, name) = (form.value("store"), form.value("name"));
    let account = menu_account(store_id, name);
    let known = if relay.knows_device(store_id, name, visit).await? { visit.device.as_deref() } else { None };
    let attempting = match guard.may_sign_in(&account) {
        Ok(()) => guard.attempt_from(&account, known, visit.ip).await,
        Err(wait) => Err(wait),
    };
    let attempting = match attempting {
        Ok(attempting) => attempting,
        Err(wait) => {
            keep_refused(asked, (store_id, name), None, "limited").await?;
            return Ok(Outcome::done(words::too_fast(language, Some(wait))));
        }
    };
    let password = Secret::received(Zeroizing::new(form.value("password").to_owned()));
    let stays = stays(form.value("shared") == "yes");
    match relay.sign_in(&SignIn { store_id, name, password: &password, stays }, visit).await {
        Ok(signed_in) => {
            guard.succeeded(&attempting, &account);
            let mut response = to(if signed_in.awaits_second {
                Place::Second
            } else if signed_in.must_change {
                Place::Password
            } else {
                Place::Home
            });
            let cookies = [
                Cookies::of_session(signed_in.token.show()),
                Cookies::of_device(signed_in.device.as_deref()),
            ];
            for cookie in cookies.into_iter().flatten() {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            Ok(Outcome::done(response))
        }
        Err(SignInFault::Refused(attempt)) => {
            let said = Said::bad(language.say(
                "店舗ID、ユーザー名、パスワードのいずれかが違います。",
                "Store ID, user name or password is wrong.",
            ));
            let response = show(asked, StatusCode::UNAUTHORIZED, Some((form, said)));
            keep_refused(asked, (store_id, name), Some(&attempt), "refused").await?;
            Ok(Outcome::done(response))
        }
        Err(SignInFault::Busy) => {
            guard.forgive(&attempting);
            Ok(Outcome::refused(words::too_fast(language, None), "sign-in", "busy"))
        }
        Err(SignInFault::Fault(fault)) => {
            guard.forgive(&attempting);
            Err(fault)
        }
    }
}

/// Keeps that a sign-in was refused, as far as there is room: for the people of the store it is of, if that exists.
pub(super) async fn keep_refused(
    asked: &Asked<'_>,
    (store_id, name): (&str, &str),
    attempt: Option<&Attempt>,
    result: &'static str,
) -> Result<(), RelayFault> {
    let (relay, guard, visit) = (&asked.shared.relay, &asked.shared.guard, &asked.visitor.visit);
    let account = menu_account(store_id, name);
    let (left_out, is_of_store) = match guard.room_for_refusal(&account, visit.ip) {
        Room::For { left_out } => (left_out, false),
        Room::OfStore { left_out } => (left_out, true),
        Room::None => return Ok(()),
    };
    let kept = async {
        let found = match attempt {
            Some(_) => None,
            None => Some(relay.attempt_of(store_id, name).await?),
        };
        let Some(attempt) = attempt.or(found.as_ref()) else { return Ok(()) };
        if is_of_store && !attempt.is_of_store() {
            guard.leave_out(None, left_out + 1);
            return Ok(());
        }
        let access = Access { page: asked.place.word(), action: "sign-in", result, left_out };
        relay.record_attempt(attempt, visit, access).await
    };
    let kept = kept.await;
    if kept.is_err() {
        guard.leave_out(Some(&account), left_out + 1);
    }
    kept
}
