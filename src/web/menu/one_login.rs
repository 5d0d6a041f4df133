//! Signing in by the marketplace's one login for all: the way there, the way back, and once more before a change.
//!
//! Rules: a POST of our form leads there. Back from there comes a request that began at another site, without our cookies
//! (`SameSite=Strict`): it is answered by a page that leads on ([`back`]), and what it leads to comes from here ([`arrive`]) with all of them: what
//! was kept of the beginning, the mark of the device, the language, the session of who confirms. Until then nothing is looked at. What was
//! kept goes with the answer to it, whatever comes of it, and with no other. Who has no password confirms a change by signing in there anew.
//! When it fails: the sign-in page says so, and passwords go on working.

use super::form::Form;
use super::page::{Frame, Said, page, style_name};
use super::place::Place;
use super::visit::{Cookies, stays};
use super::{Asked, Outcome, confirm, sign_in, to, words};
use crate::relay::{MenuSession, OneLogin, RelayFault, SignInFault, Stays};
use crate::web::login::{Back, Login, LoginFault, Outer, Said as Proven, Why, encoded, now_s};
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// A session may go unused for so long on a device that is shared.
const SHARED_IDLE: Duration = Duration::from_secs(10 * 60);

#[derive(Template)]
#[template(path = "menu/one_login_again.html")]
struct Again {
    f: Frame,
    /// Where somebody goes on.
    to: &'static str,
}

/// What a form of a page says where to go on, and what is kept for it.
const AFTER: [(&str, Why, Place); 5] = [
    ("people", Why::ForPeople, Place::People),
    ("mail-server", Why::ForMailServer, Place::MailServer),
    ("second-factor", Why::ForFactor, Place::Factor),
    ("not-me", Why::ForNotMe, Place::NotMe),
    ("senders", Why::ForSenders, Place::Senders),
];

/// Where who is signed in without a password confirms a change of this page, if it is asked for.
pub(super) fn again_at(asked: &Asked<'_>) -> Option<String> {
    let session = asked.session.filter(|session| confirm::is_elsewhere(session))?;
    asked.shared.login.as_ref()?;
    let (word, ..) = AFTER.iter().find(|(.., place)| *place == asked.place)?;
    (!session.awaits_second).then(|| format!("{}?to={word}", Place::OneLogin.path()))
}

/// There.
pub(super) async fn start(
    asked: &Asked<'_>,
    session: Option<&MenuSession>,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let Some(login) = &asked.shared.login else { return Ok(no_page(asked)) };
    let (why, stays) = match session {
        None => (Why::SignIn, stays(form.value("shared") == "yes")),
        Some(session) => {
            let (_, why, _) = AFTER.iter().find(|(word, ..)| *word == form.value("to")).unwrap_or(&AFTER[0]);
            (*why, if session.idle <= SHARED_IDLE { Stays::Shared } else { Stays::Own })
        }
    };
    let outer = Outer::new(&crate::vault::random_bytes(), why, stays, now_s());
    let bound = asked.shared.relay.bound_to(outer.text());
    let location = match login.begin(&outer, bound.as_bytes()).await {
        Ok(location) => HeaderValue::from_str(&location).ok(),
        Err(fault) => return Ok(failed(asked, session, fault)),
    };
    let (Some(location), Some(cookie)) = (location, Cookies::of_outer(outer.text())) else {
        return Err(RelayFault::Malformed("menu.login"));
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(Outcome { action: "begin", ..Outcome::shown(response) })
}

/// Back: the page that leads on. Without an answer it is the page on which a change is confirmed.
pub(super) fn back(asked: &Asked<'_>, session: Option<&MenuSession>) -> Outcome {
    let Some(back) = Back::parse(asked.query) else {
        return match session {
            Some(session) if !session.person.has_password => {
                Outcome::shown(again(asked, StatusCode::OK, None))
            }
            Some(_) => Outcome::shown(to(Place::Home)),
            None => Outcome::shown(to(Place::SignIn)),
        };
    };
    let Back { code, state, error, issuer } = back;
    let mut query = format!("state={}", encoded(&state));
    let more = [("code", code.as_ref().map(|code| code.as_str())), ("error", error.as_deref())];
    for (name, value) in more.into_iter().chain([("iss", issuer.as_deref())]) {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let language = asked.visitor.language;
    let shown = words::Message {
        tag: language.tag(),
        style: style_name(),
        title: language.say("ログインしています", "Signing you in"),
        text: language.say(
            "自動的に次へ進みます。進まないときは、下のリンクを押してください。",
            "You are led on. If not, follow the link.",
        ),
        link: language.say("次へ進む", "Go on"),
        to: format!("{}?{query}", Place::OneLoginIn.path()),
        leads_on: true,
    };
    Outcome::shown(page(StatusCode::OK, &shown))
}

/// In.
pub(super) async fn arrive(asked: &Asked<'_>, session: Option<&MenuSession>) -> Result<Outcome, RelayFault> {
    let Some(login) = &asked.shared.login else { return Ok(no_page(asked)) };
    let kept = asked.visitor.cookies.outer().and_then(|text| Outer::parse(text, now_s()));
    let (Some(back), Some(outer)) = (Back::parse(asked.query), kept) else {
        return Ok(late(asked, session, "forged"));
    };
    let bound = asked.shared.relay.bound_to(outer.text());
    // Whoever sends a browser here without its having asked gets nowhere: the provider hears nothing of it, and what the browser keeps stays for
    // the answer that it waits for.
    if !outer.is_answered_by(&back.state, bound.as_bytes()) {
        return Ok(late(asked, session, "forged"));
    }
    let mut outcome = answered(asked, session, login, (&back, &outer, bound.as_bytes())).await?;
    if let Some(cookie) = Cookies::no_outer() {
        outcome.response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(outcome)
}

async fn answered(
    asked: &Asked<'_>,
    session: Option<&MenuSession>,
    login: &Login,
    (back, outer, bound): (&Back, &Outer, &[u8]),
) -> Result<Outcome, RelayFault> {
    let (relay, guard, visit) = (&asked.shared.relay, &asked.shared.guard, &asked.visitor.visit);
    let confirms = session.filter(|session| outer.why != Why::SignIn && !session.person.has_password);
    if outer.why != Why::SignIn && confirms.is_none() {
        return Ok(late(asked, session, "signed-out"));
    }
    let Some(attempting) = guard.outer(visit.ip) else {
        return Ok(Outcome::refused(words::too_fast(asked.visitor.language, None), "sign-in", "limited"));
    };
    let proven = async {
        if !login.is_of_issuer(back).await? {
            return Ok(None);
        }
        match &back.code {
            Some(code) => login.exchange(code, outer, bound).await.map(Some),
            None => Ok(None),
        }
    };
    let Proven { subject, store_id, claimed } = match proven.await {
        Ok(Some(proven)) => proven,
        Ok(None) if back.error.as_deref() == Some("access_denied") => {
            guard.forgive(&attempting);
            let text = ("ログインは取り消されました。", "The sign-in was cancelled.");
            return Ok(again_or_sign_in(asked, session, StatusCode::OK, text, "cancelled"));
        }
        Ok(None) => return Ok(late(asked, session, "provider-refused")),
        Err(fault) => return Ok(failed(asked, session, fault)),
    };
    let account = format!("one-login {store_id}/{}", *subject);
    if let Err(wait) = guard.may_sign_in(&account) {
        let response = words::too_fast(asked.visitor.language, Some(wait));
        return Ok(Outcome::refused(response, "sign-in", "limited"));
    }
    let wanted = OneLogin {
        issuer: login.issuer(),
        subject: &subject,
        store_id: &store_id,
        claimed,
        otherwise: login.role(),
        stays: outer.stays,
        expected: confirms.map(|session| session.person.id),
    };
    let signed_in = match relay.one_login(&wanted, visit).await {
        Ok(signed_in) => signed_in,
        Err(SignInFault::Refused(attempt)) => {
            let at = Asked { place: Place::OneLogin, ..copy(asked) };
            sign_in::keep_refused(&at, (&store_id, Place::OneLogin.word()), Some(&attempt), "refused")
                .await?;
            let text = (
                "このアカウントでは、店舗メニューを使えません。お店の管理者か、マーケットプレイスにお問い合わせください。",
                "This account can't use the store menu. Ask an administrator of your store, or the marketplace.",
            );
            let refused = again_or_sign_in(asked, session, StatusCode::FORBIDDEN, text, "refused");
            return Ok(Outcome { is_recorded: true, ..refused });
        }
        Err(SignInFault::Busy) => return Ok(failed(asked, session, LoginFault::Busy)),
        Err(SignInFault::Fault(fault)) => return Err(fault),
    };
    guard.succeeded(&attempting, &account);
    // The session that asked for it, or was here before, gives way to the new one.
    if let Some(old) = session {
        relay.end_menu_session(old, old.id, visit, Place::OneLogin.word()).await?;
    }
    let after = AFTER.iter().find(|(_, why, _)| *why == outer.why).map_or(Place::Home, |(.., place)| *place);
    let mut response = to(if signed_in.awaits_second { Place::Second } else { after });
    let cookies =
        [Cookies::of_session(signed_in.token.show()), Cookies::of_device(signed_in.device.as_deref())];
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(Outcome::done(response))
}

/// What came answers nothing that was asked, or is too old.
fn late(asked: &Asked<'_>, session: Option<&MenuSession>, word: &'static str) -> Outcome {
    let text = (
        "ログインを確認できませんでした。時間がたったか、別の画面で始めたログインです。もう一度お試しください。",
        "The sign-in could not be confirmed: it took too long, or began in another window. Please try again.",
    );
    again_or_sign_in(asked, session, StatusCode::FORBIDDEN, text, word)
}

/// The provider, or its answer, is not as it has to be.
fn failed(asked: &Asked<'_>, session: Option<&MenuSession>, fault: LoginFault) -> Outcome {
    tracing::warn!(event = "one_login_failed", %fault, "somebody could not sign in by the marketplace's login");
    let (status, text) = match fault {
        LoginFault::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            (
                "ただいま混み合っています。少し待ってから、もう一度お試しください。",
                "It is busy just now. Please try again in a moment.",
            ),
        ),
        LoginFault::Away(_) | LoginFault::Provider(_) | LoginFault::Keys => (
            StatusCode::BAD_GATEWAY,
            (
                "マーケットプレイスのログインが、ただいま利用できません。しばらくしてからもう一度お試しいただくか、店舗IDとパスワードでログインしてください。",
                "The marketplace's login does not answer just now. Try again in a while, or sign in with store ID and password.",
            ),
        ),
        LoginFault::Code(_) | LoginFault::Token(_) | LoginFault::NoStore | LoginFault::Role => (
            StatusCode::FORBIDDEN,
            (
                "マーケットプレイスのログインを確認できませんでした。もう一度お試しください。続くときは、マーケットプレイスにお問い合わせください。",
                "What the marketplace's login said could not be confirmed. Please try again. If it goes on, ask the marketplace.",
            ),
        ),
    };
    again_or_sign_in(asked, session, status, text, fault.word())
}

/// The page on which somebody began, with a word about what became of it.
fn again_or_sign_in(
    asked: &Asked<'_>,
    session: Option<&MenuSession>,
    status: StatusCode,
    (japanese, english): (&str, &str),
    word: &'static str,
) -> Outcome {
    let said = Said::bad(asked.visitor.language.say(japanese, english));
    let response = match session {
        Some(_) => again(asked, status, Some(said)),
        None => {
            // What came in the query is nothing for links.
            let at = Asked { place: Place::SignIn, query: "", ..copy(asked) };
            sign_in::show(&at, status, Some((&Form::default(), said)))
        }
    };
    Outcome::refused(response, "sign-in", word)
}

fn again(asked: &Asked<'_>, status: StatusCode, said: Option<Said>) -> Response {
    let word = super::page::asked_for(asked.query, "to").unwrap_or_default();
    let (word, ..) = AFTER.iter().find(|(own, ..)| *own == word).unwrap_or(&AFTER[0]);
    let query = if Back::parse(asked.query).is_some() { "" } else { asked.query };
    let at = Asked { place: Place::OneLogin, query, ..copy(asked) };
    page(status, &Again { f: Frame::new(&at, said), to: word })
}

fn copy<'a>(asked: &Asked<'a>) -> Asked<'a> {
    let Asked { shared, visitor, session, place, query } = *asked;
    Asked { shared, visitor, session, place, query }
}

fn no_page(asked: &Asked<'_>) -> Outcome {
    Outcome::refused(words::not_found(asked.visitor.language), "look", "not-found")
}
