//! The merchants' menu, `/menu/`: pages made here, for browsers without JavaScript too, Japanese first.
//!
//! Rules: every request goes one way ([`answer`]): its form is read, within [`FORM_TIME`], then who asks, from where, whether that may be, what
//! is done, its record in the access log, then the answer. So nobody keeps a right open by sending slowly. Nothing is changed by GET. A POST comes from a page of ours (`Sec-Fetch-Site`, `Origin`) and brings the word of its
//! form (`form.rs`). Nothing of a page is kept by a browser, and no page takes anything from elsewhere.
//! When it fails: a page that says so, in the reader's language; without its record in the log nothing is shown (503).

mod access_words;
mod confirm;
mod credentials;
mod csv;
mod devices;
mod first;
mod forgotten;
mod form;
mod guard;
mod history;
mod language;
mod leaving;
mod logins;
mod mail;
mod mail_words;
mod mails;
mod not_me;
mod one_login;
mod own_password;
mod page;
mod people;
mod place;
mod second;
mod senders;
mod sign_in;
mod test_mail;
mod visit;
mod words;

pub(super) use form::decoded_text;
pub(super) use guard::Guard;
pub(super) use leaving::KeptDays;

use super::Shared;
use crate::relay::{Access, MenuRole, MenuSession, RelayFault};
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use form::Form;
use guard::Room;
use place::{Place, Who};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use visit::{Cookies, Visitor};

/// Largest form, in octets.
const FORM_MAX: usize = 16 * 1024;
/// Longest time that it may take to come.
const FORM_TIME: Duration = Duration::from_secs(10);

/// What came of a request, before it is recorded.
struct Outcome {
    response: Response,
    action: &'static str,
    result: &'static str,
    /// Whether its record stands already, in the transaction of what was changed.
    is_recorded: bool,
    /// What was looked at, by its number.
    about: Option<String>,
}

impl Outcome {
    fn shown(response: Response) -> Self {
        Self { response, action: "look", result: "shown", is_recorded: false, about: None }
    }

    fn refused(response: Response, action: &'static str, result: &'static str) -> Self {
        Self { response, action, result, is_recorded: false, about: None }
    }

    /// Something was changed, and its record is in.
    fn done(response: Response) -> Self {
        Self { response, action: "", result: "", is_recorded: true, about: None }
    }
}

/// A request on its way.
struct Asked<'a> {
    shared: &'a Shared,
    visitor: &'a Visitor,
    session: Option<&'a MenuSession>,
    place: Place,
    query: &'a str,
}

/// Any request below `/menu`.
pub(super) async fn menu(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let path = request.uri().path().strip_prefix("/menu").unwrap_or_default().trim_matches('/').to_owned();
    if path == page::style_name() && matches!(*request.method(), Method::GET | Method::HEAD) {
        return page::style();
    }
    let visitor = Visitor::of(peer.ip(), request.headers(), request.uri().query(), &shared.proxies);
    let form_to = shared.login.as_ref().filter(|_| leads_out(&path)).map(|login| login.origins());
    let response = match answer(&shared, &visitor, &path, request).await {
        Ok(response) => response,
        Err(fault) => {
            tracing::error!(event = "fault", %fault, "a page of the menu was not shown");
            words::unavailable(visitor.language)
        }
    };
    finish(&visitor, form_to.as_deref(), response)
}

async fn answer(
    shared: &Shared,
    visitor: &Visitor,
    path: &str,
    request: Request,
) -> Result<Response, RelayFault> {
    let relay = &shared.relay;
    if relay.is_halted() || !relay.serves_menu() {
        return Ok(words::unavailable(visitor.language));
    }
    let place = Place::parse(path).filter(|place| shared.login.is_some() || !is_of_login(*place));
    let Some(place) = place else {
        let response = words::not_found(visitor.language);
        return stranger(shared, visitor, "other", Outcome::refused(response, "look", "not-found")).await;
    };
    let is_post = match *request.method() {
        Method::GET | Method::HEAD => false,
        Method::POST if place.takes_post() => true,
        _ => {
            let response = words::not_allowed(visitor.language);
            return stranger(shared, visitor, place.word(), Outcome::refused(response, "other", "refused"))
                .await;
        }
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let form = if is_post { Some(read(request).await) } else { None };
    let session = match visitor.cookies.session() {
        Some(token) => relay.menu_session(token).await?,
        None => None,
    };
    let asked = Asked { shared, visitor, session: session.as_ref(), place, query: &query };
    let Some(session) = asked.session else {
        let outcome = match (place, form) {
            (Place::SignIn, Some(form)) => match ours(&asked, form) {
                Ok(form) => sign_in::sign_in(&asked, &form).await?,
                Err(why) => forged(&asked, why),
            },
            (Place::Forgotten, Some(form)) => match ours(&asked, form) {
                Ok(form) => forgotten::change(&asked, &form).await?,
                Err(why) => forged(&asked, why),
            },
            (Place::Forgotten, None) => Outcome::shown(forgotten::show(&asked, StatusCode::OK, None)),
            (Place::OneLogin, Some(form)) => match ours(&asked, form) {
                Ok(form) => one_login::start(&asked, None, &form).await?,
                Err(why) => forged(&asked, why),
            },
            (Place::OneLogin, None) => one_login::back(&asked, None),
            (Place::OneLoginIn, None) => one_login::arrive(&asked, None).await?,
            (Place::SignIn, None) => Outcome::shown(sign_in::show(&asked, StatusCode::OK, None)),
            _ => Outcome::refused(to(Place::SignIn), if is_post { "post" } else { "look" }, "signed-out"),
        };
        return stranger(shared, visitor, place.word(), outcome).await;
    };
    if shared.guard.is_too_fast(session.id) {
        return Ok(words::too_fast(visitor.language, None));
    }
    let outcome = signed_in(&asked, session, form).await?;
    if !outcome.is_recorded {
        let Outcome { action, result, about, .. } = outcome;
        let access = Access { page: place.word(), action, result, left_out: 0 };
        relay.record_access(Some(session), &visitor.visit, access, about).await?;
    }
    Ok(outcome.response)
}

/// What somebody gets who is signed in.
async fn signed_in(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: Option<Result<Form, &'static str>>,
) -> Result<Outcome, RelayFault> {
    let place = asked.place;
    // Until the second factor was shown there is one page.
    if session.awaits_second && !matches!(place, Place::Second | Place::SignOut) {
        return Ok(Outcome::refused(to(Place::Second), "look", "second-factor-first"));
    }
    // Until the password is one's own there is one page.
    if session.person.must_change && !matches!(place, Place::Password | Place::Second | Place::SignOut) {
        return Ok(Outcome::refused(to(Place::Password), "look", "password-first"));
    }
    let may = match place.who() {
        Who::Anybody | Who::Person => true,
        Who::Administrator => session.person.role == MenuRole::Administrator,
    };
    let action = if form.is_some() { "post" } else { "look" };
    if !may {
        let response = words::forbidden(asked.visitor.language);
        return Ok(Outcome::refused(response, action, "not-allowed"));
    }
    // Who signs in elsewhere has no password here.
    if place == Place::Password && !session.person.has_password {
        return Ok(Outcome::refused(words::not_allowed(asked.visitor.language), action, "no-password"));
    }
    if let Some(form) = form {
        return match ours(asked, form) {
            Ok(form) => changing(asked, session, form).await,
            Err(why) => Ok(forged(asked, why)),
        };
    }
    Ok(match place {
        Place::Home => Outcome::shown(first::show(asked, session).await?),
        Place::Second if session.awaits_second => Outcome::shown(second::show(asked, StatusCode::OK, None)),
        Place::Factor => {
            Outcome::shown(second::settings(asked, session, StatusCode::OK, second::Shown::default())?)
        }
        Place::SignIn | Place::Second | Place::Forgotten => Outcome::shown(to(Place::Home)),
        Place::OneLogin => one_login::back(asked, Some(session)),
        Place::OneLoginIn => one_login::arrive(asked, Some(session)).await?,
        Place::SignOut => Outcome::shown(to(Place::Home)),
        Place::Password => Outcome::shown(own_password::show(asked, session, StatusCode::OK, None)),
        Place::Devices => Outcome::shown(devices::show(asked).await?),
        Place::NotMe => Outcome::shown(not_me::show(asked, session, StatusCode::OK, None)),
        Place::History => Outcome::shown(history::show(asked, session).await?),
        Place::HistoryFile => history::file(asked, session).await?,
        Place::Mails => mails::show(asked, session, None).await?,
        Place::MailsFile => mails::file(asked, session).await?,
        Place::Mail => mail::show(asked, session, mail::After::of(asked)).await?,
        Place::Held => mail::held(asked, session, StatusCode::OK, None).await?,
        Place::MailServer => {
            credentials::show(asked, session, StatusCode::OK, credentials::After::default()).await?
        }
        Place::Test => test_mail::show(asked, session, StatusCode::OK, None).await?,
        Place::Senders => senders::show(asked, session, StatusCode::OK, None).await?,
        Place::People => people::show(asked, session, StatusCode::OK, None).await?,
        Place::Leaving => Outcome::shown(leaving::show(asked, session).await?),
    })
}

async fn changing(asked: &Asked<'_>, session: &MenuSession, form: Form) -> Result<Outcome, RelayFault> {
    match asked.place {
        Place::SignOut => devices::sign_out(asked, session).await,
        Place::OneLogin if !session.person.has_password => {
            one_login::start(asked, Some(session), &form).await
        }
        Place::Password => own_password::change(asked, session, &form).await,
        Place::Devices => devices::end(asked, session, &form).await,
        Place::MailServer => credentials::change(asked, session, &form).await,
        Place::Test => test_mail::send(asked, session, &form).await,
        Place::Senders => senders::change(asked, session, &form).await,
        Place::NotMe => not_me::raise(asked, session, &form).await,
        Place::Mails => mails::search(asked, session, &form).await,
        Place::Mail | Place::Held => mail::decide(asked, session, &form).await,
        Place::People => people::change(asked, session, &form).await,
        // A form of before that sign-in: it is over.
        Place::Second if session.awaits_second => second::second(asked, session, &form).await,
        Place::Factor => second::change(asked, session, &form).await,
        Place::SignIn | Place::Second | Place::Forgotten | Place::OneLogin => {
            Ok(Outcome::shown(to(Place::Home)))
        }
        Place::OneLoginIn
        | Place::Home
        | Place::History
        | Place::HistoryFile
        | Place::MailsFile
        | Place::Leaving => {
            Ok(Outcome::refused(words::not_allowed(asked.visitor.language), "post", "refused"))
        }
    }
}

/// The form of a POST; else why it is none, in a word of the log.
async fn read(request: Request) -> Result<Form, &'static str> {
    if !form::is_from_here(request.headers()) {
        return Err("from-elsewhere");
    }
    match tokio::time::timeout(FORM_TIME, to_bytes(request.into_body(), FORM_MAX)).await {
        Ok(Ok(body)) => Ok(Form::parse(&body)),
        Ok(Err(_)) => Err("too-large"),
        Err(_) => Err("too-slow"),
    }
}

/// The form, if it is one of ours and of who asks; else why not.
fn ours(asked: &Asked<'_>, form: Result<Form, &'static str>) -> Result<Form, &'static str> {
    let form = form?;
    if form.is_of(&asked.visitor.cookies, asked.session.is_some()) { Ok(form) } else { Err("forged") }
}

fn forged(asked: &Asked<'_>, why: &'static str) -> Outcome {
    Outcome::refused(words::forged(asked.visitor.language), "post", why)
}

/// Records what nobody who is signed in asked for, as far as there is room, and counts the rest.
async fn stranger(
    shared: &Shared,
    visitor: &Visitor,
    page: &'static str,
    outcome: Outcome,
) -> Result<Response, RelayFault> {
    if !outcome.is_recorded
        && let Room::For { left_out } = shared.guard.room_for_record(visitor.visit.ip)
    {
        let Outcome { action, result, .. } = outcome;
        let access = Access { page, action, result, left_out };
        if let Err(fault) = shared.relay.record_access(None, &visitor.visit, access, None).await {
            shared.guard.leave_out(None, left_out);
            return Err(fault);
        }
    }
    Ok(outcome.response)
}

fn is_of_login(place: Place) -> bool {
    matches!(place, Place::OneLogin | Place::OneLoginIn)
}

/// Whether a page has a form that leads to the marketplace's login, or may answer with the sign-in page, which has.
fn leads_out(path: &str) -> bool {
    Place::parse(path)
        .is_some_and(|place| matches!(place, Place::SignIn | Place::Forgotten) || is_of_login(place))
}

/// Another page, by GET.
fn to(place: Place) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place.path())]).into_response()
}

/// What every answer has.
fn finish(visitor: &Visitor, form_to: Option<&str>, mut response: Response) -> Response {
    const ALWAYS: [(HeaderName, &str); 7] = [
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        // With no-referrer a form of ours would have the origin null.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::VARY, "Accept-Language, Cookie"),
    ];
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Browsers hold the redirections that follow a form to it too.
    let form_to = form_to.map(|origins| format!(" {origins}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self'{form_to}; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(cookie) = Cookies::of_language(visitor) {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}
