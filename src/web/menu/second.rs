//! The second step of a sign-in, and setting it up.
//!
//! Rules: a new secret is in the page that shows it and in its form, and nowhere here until a code of it came. Recovery codes are in the
//! answer that made them alone.

use super::form::Form;
use super::page::{Frame, Said, in_japan, page};
use super::place::Place;
use super::visit::Cookies;
use super::{Asked, Outcome, confirm, to, words};
use crate::relay::{MenuSession, PeopleFault, RelayFault};
use crate::vault::{Secret, TotpSecret};
use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::Response;
use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt::Write;

#[derive(Template)]
#[template(path = "menu/second.html")]
struct Page {
    f: Frame,
}

#[derive(Template)]
#[template(path = "menu/factor.html")]
struct Settings {
    f: Frame,
    since: Option<String>,
    left: usize,
    codes: Vec<String>,
    /// A new one, where it is being set up.
    secret: String,
    grouped: String,
    side: i32,
    squares: String,
    asks_password: bool,
}

pub(super) fn show(asked: &Asked<'_>, status: StatusCode, said: Option<Said>) -> Response {
    page(status, &Page { f: Frame::new(asked, said) })
}

pub(super) async fn second(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let (relay, guard, visit) = (&asked.shared.relay, &asked.shared.guard, &asked.visitor.visit);
    let language = asked.visitor.language;
    let account = format!("second {}/{}", session.store.store_id, session.person.name);
    let attempting = match guard.attempt(&account, visit.ip).await {
        Ok(attempting) => attempting,
        Err(wait) => {
            return Ok(Outcome::refused(words::too_fast(language, Some(wait)), "second-factor", "limited"));
        }
    };
    match relay.second(session, form.value("code"), visit, asked.place.word()).await? {
        Some(signed_in) => {
            guard.forgive(&attempting);
            let mut response = to(if signed_in.must_change { Place::Password } else { Place::Home });
            let cookies = [
                Cookies::of_session(signed_in.token.show()),
                Cookies::of_device(signed_in.device.as_deref()),
            ];
            for cookie in cookies.into_iter().flatten() {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            Ok(Outcome::done(response))
        }
        None => {
            let text = language.say(
                "確認コードが違うか、すでに使われています。次のコードが表示されるまで待って、入力してください。",
                "The code is wrong or was used. Wait for the next one, and give that.",
            );
            Ok(Outcome::done(show(asked, StatusCode::UNAUTHORIZED, Some(Said::bad(text)))))
        }
    }
}

/// What of the settings is shown beside what is.
#[derive(Default)]
pub(super) struct Shown {
    said: Option<Said>,
    codes: Vec<Secret>,
    secret: Option<TotpSecret>,
}

pub(super) fn settings(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    shown: Shown,
) -> Result<Response, RelayFault> {
    let Shown { said, codes, secret } = shown;
    let is_new = !codes.is_empty();
    let factor = if is_new { None } else { asked.shared.relay.factor(session)? };
    let text = secret.map(|secret| secret.show().to_string()).unwrap_or_default();
    let (side, squares) = drawn(asked, session, &text);
    let settings = Settings {
        f: Frame::new(asked, said),
        since: factor.as_ref().map(|factor| in_japan(factor.since)),
        left: factor.map_or(0, |factor| factor.codes_left),
        codes: codes.iter().map(|code| grouped(code.show())).collect(),
        grouped: grouped(&text),
        secret: text,
        side,
        squares,
        asks_password: confirm::asks(session),
    };
    Ok(page(status, &settings))
}

pub(super) async fn change(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let (relay, visit, language) = (&asked.shared.relay, &asked.visitor.visit, asked.visitor.language);
    let code = form.value("code");
    let (what, secret) = (form.value("do"), TotpSecret::parse(form.value("secret")));
    // Both steps: the secret of the second comes from the form, and may be anybody's.
    let action = match what {
        "begin" => Some("begin-second-factor"),
        "set" => Some("set-second-factor"),
        _ => None,
    };
    if let Some(action) = action
        && let Some((said, word)) = confirm::refuses(asked, session, form).await?
    {
        let shown = Shown { said: Some(said), codes: Vec::new(), secret };
        let response = settings(asked, session, StatusCode::UNPROCESSABLE_ENTITY, shown)?;
        return Ok(Outcome::refused(response, action, word));
    }
    match (what, secret) {
        ("begin", _) => {
            let shown = Shown { secret: Some(TotpSecret::generate()), ..Shown::default() };
            let response = settings(asked, session, StatusCode::OK, shown)?;
            Ok(Outcome { action: "begin-second-factor", ..Outcome::shown(response) })
        }
        ("set", Some(secret)) => match relay.set_factor(session, (&secret, code), visit).await {
            Ok(codes) => {
                let said = Some(Said::good(language.say("設定しました。", "It is set up.")));
                let shown = Shown { said, codes, secret: None };
                Ok(Outcome::done(settings(asked, session, StatusCode::OK, shown)?))
            }
            Err(fault) => refused(asked, session, fault, Some(secret), "set-second-factor"),
        },
        ("drop", _) => {
            // Who got hold of a session must not find a code by trying.
            let account = format!("second {}/{}", session.store.store_id, session.person.name);
            let attempting = match asked.shared.guard.attempt(&account, visit.ip).await {
                Ok(attempting) => attempting,
                Err(wait) => {
                    let response = words::too_fast(language, Some(wait));
                    return Ok(Outcome::refused(response, "drop-second-factor", "limited"));
                }
            };
            match relay.drop_factor(session, code, visit).await {
                Ok(()) => {
                    asked.shared.guard.forgive(&attempting);
                    Ok(Outcome::done(to(Place::Factor)))
                }
                Err(fault) => refused(asked, session, fault, None, "drop-second-factor"),
            }
        }
        _ => Ok(Outcome::refused(words::not_allowed(language), "post", "refused")),
    }
}

fn refused(
    asked: &Asked<'_>,
    session: &MenuSession,
    fault: PeopleFault,
    secret: Option<TotpSecret>,
    action: &'static str,
) -> Result<Outcome, RelayFault> {
    let (text, word) = match (words::why(&fault, asked.visitor.language), fault) {
        (Some(why), _) => why,
        (None, PeopleFault::Fault(fault)) => return Err(fault),
        (None, _) => return Err(RelayFault::Malformed("menu_person.factor")),
    };
    let shown = Shown { said: Some(Said::bad(&text)), codes: Vec::new(), secret };
    let response = settings(asked, session, StatusCode::UNPROCESSABLE_ENTITY, shown)?;
    Ok(Outcome::refused(response, action, word))
}

/// The code that apps read (`otpauth:` URI) as squares of a picture, with the white around it that readers need.
fn drawn(asked: &Asked<'_>, session: &MenuSession, secret: &str) -> (i32, String) {
    const AROUND: i32 = 4;
    let plain = |text: &str| -> String {
        let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        text.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let brand = plain(&asked.shared.relay.policy().brand);
    let account = plain(&format!("{} {}", session.store.store_id, session.person.name));
    let uri = format!("otpauth://totp/{brand}:{account}?secret={secret}&issuer={brand}");
    let Ok(code) = QrCode::encode_text(&uri, QrCodeEcc::Low) else { return (0, String::new()) };
    let mut squares = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            let _ = write!(squares, "M{} {}h1v1h-1z", x + AROUND, y + AROUND);
        }
    }
    (code.size() + 2 * AROUND, squares)
}

/// Groups of four, as people read them.
fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
