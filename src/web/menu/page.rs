//! What every page of the menu has: frame, title, links, the style sheet. Templates lie in `templates/menu` and escape what they are given.
//!
//! Rules: nothing from elsewhere, no script, no style within a page. The style sheet's name has its hash, so that a browser keeps it
//! for as long as it is this one.
//! When it fails: a template that can't be written is an empty page with 500; none is, since they only write to memory.

use super::Asked;
use super::form::{self, Form};
use super::language::Language;
use super::one_login;
use super::place::Place;
use crate::mail::Timestamp;
use crate::relay::MenuRole;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;
use std::time::Duration;

const STYLE: &str = include_str!("style.css");

/// The style sheet's name below `/menu/`.
pub(super) fn style_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let digest = Sha256::digest(STYLE.as_bytes());
        format!("style-{}.css", HEXLOWER.encode(digest.get(..8).unwrap_or_default()))
    })
}

/// The style sheet: the same for everybody, and nothing of anybody.
pub(super) fn style() -> Response {
    let mut response = STYLE.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What a page says of what was just done.
#[derive(Clone)]
pub(super) struct Said {
    pub text: String,
    pub is_bad: bool,
}

impl Said {
    pub fn good(text: &str) -> Self {
        Self { text: text.to_owned(), is_bad: false }
    }

    pub fn bad(text: &str) -> Self {
        Self { text: text.to_owned(), is_bad: true }
    }
}

/// Who is signed in, as every page shows it.
pub(super) struct Own {
    pub store_id: String,
    pub store_name: String,
    pub name: String,
    pub role: MenuRole,
    /// Whether all pages are open: the second factor was shown, and the password is one's own.
    pub is_whole: bool,
    pub has_password: bool,
}

/// What is around a page.
pub(super) struct Frame {
    pub language: Language,
    pub brand: String,
    pub style: &'static str,
    pub path: &'static str,
    /// What of the query stays when the language changes; it ends with `&` unless it is empty.
    pub kept: String,
    /// What forms of this session have.
    pub word: String,
    pub own: Option<Own>,
    pub said: Option<Said>,
    /// What the button of the marketplace's login says, where there is one.
    pub one_login: Option<String>,
    /// Where who has no password confirms what is changed here.
    pub again: Option<String>,
}

impl Frame {
    pub fn new(asked: &Asked<'_>, said: Option<Said>) -> Self {
        let own = asked.session.map(|session| Own {
            store_id: session.store.store_id.clone(),
            store_name: session.store.name.clone(),
            name: session.person.name.clone(),
            role: session.person.role,
            has_password: session.person.has_password,
            is_whole: !session.person.must_change && !session.awaits_second,
        });
        let secret = asked.visitor.cookies.session().filter(|_| own.is_some());
        let secret = secret.or(asked.visitor.cookies.form());
        Self {
            language: asked.visitor.language,
            brand: asked.shared.relay.policy().brand.clone(),
            style: style_name(),
            path: asked.place.path(),
            kept: kept(asked.query),
            word: secret.map(form::word).unwrap_or_default(),
            own,
            said,
            one_login: asked.shared.login.as_ref().map(|login| {
                let [japanese, english] = &login.names;
                asked.visitor.language.say(japanese, english).to_owned()
            }),
            again: one_login::again_at(asked),
        }
    }

    pub fn tag(&self) -> &'static str {
        self.language.tag()
    }

    pub fn say<'t>(&self, japanese: &'t str, english: &'t str) -> &'t str {
        self.language.say(japanese, english)
    }

    pub fn role(&self, role: impl std::borrow::Borrow<MenuRole>) -> &'static str {
        match role.borrow() {
            MenuRole::Administrator => self.language.say("管理者", "Administrator"),
            MenuRole::Staff => self.language.say("担当者", "Staff"),
            MenuRole::Reader => self.language.say("閲覧のみ", "Read-only"),
        }
    }

    pub fn roles(&self) -> std::slice::Iter<'static, MenuRole> {
        const ROLES: [MenuRole; 3] = MenuRole::ALL;
        const { &ROLES }.iter()
    }

    /// The pages that this person may open.
    pub fn links(&self) -> Vec<(&'static str, &'static str)> {
        let is_administrator = self.own.as_ref().is_some_and(|own| own.role == MenuRole::Administrator);
        let mut links = vec![
            (Place::Home.path(), self.language.say("ホーム", "Home")),
            (Place::Mails.path(), self.language.say("メール", "Mails")),
            (Place::Held.path(), self.language.say("保留中のメール", "Held mails")),
            (Place::MailServer.path(), self.language.say("メールサーバ設定情報", "Mail server settings")),
            (Place::Senders.path(), self.language.say("登録メールアドレス", "Registered addresses")),
            (Place::History.path(), self.language.say("ログイン履歴", "Login history")),
            (Place::Devices.path(), self.language.say("ログイン中の端末", "Signed-in devices")),
            (Place::Password.path(), self.language.say("パスワード", "Password")),
            (Place::Factor.path(), self.language.say("2段階認証", "Second factor")),
        ];
        // Who signs in elsewhere has none here.
        if self.own.as_ref().is_some_and(|own| !own.has_password) {
            links.retain(|(path, _)| *path != Place::Password.path());
        }
        if is_administrator {
            links.push((Place::People.path(), self.language.say("使う人", "People")));
        }
        links
    }

    pub fn is_here(&self, path: &&'static str) -> bool {
        self.path == *path
    }
}

/// A page as an answer.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A time as it is in Japan: always, whoever looks.
pub(super) fn in_japan(at: Timestamp) -> String {
    const AHEAD: Duration = Duration::from_secs(9 * 3600);
    let text = at.after(AHEAD).to_rfc3339();
    let (date, time) = text.split_once('T').unwrap_or_default();
    format!("{} {}", date.replace('-', "/"), time.trim_end_matches('Z'))
}

/// The query as it is written again: fields of plain letters and digits, as our own links have them.
fn kept(query: &str) -> String {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fields = query.split('&').filter_map(|pair| pair.split_once('='));
    let fields = fields.filter(|(name, value)| *name != "lang" && plain(name) && plain(value));
    fields.map(|(name, value)| format!("{name}={value}&")).collect()
}

/// A field of the query.
pub(super) fn asked_for<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(own, _)| *own == name).map(|(_, value)| value))
}

/// What was typed into a field, for the page that shows it again.
pub(super) fn typed(form: Option<&Form>, name: &str) -> String {
    form.map(|form| form.value(name).to_owned()).unwrap_or_default()
}
