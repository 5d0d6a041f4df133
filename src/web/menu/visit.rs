//! Who asks, as far as a request shows it: address, browser, language, cookies.
//!
//! Rules: cookies have the prefix `__Host-` (RFC 6265bis §4.1.3.2): they are this host's own, come over TLS, and no neighbour can set them.
//! Over HTTP in clear browsers keep them for `localhost` alone, where the way is within the machine. `SameSite=Strict`: whoever follows a
//! link from elsewhere begins signed out. What identifies is `HttpOnly`.
//! When it fails: a cookie that is not as we write them is not there.

use super::language::Language;
use crate::config::Network;
use crate::relay::{Stays, Visit};
use crate::residency::Origin;
use crate::web::login::LASTS_S;
use axum::http::{HeaderMap, HeaderValue, header};
use std::net::IpAddr;

/// Longest User-Agent that is kept, in characters.
const AGENT_MAX: usize = 200;
/// Longest value of a cookie of ours.
const VALUE_MAX: usize = 64;

const SESSION: &str = "__Host-anshin-menu";
const FORM: &str = "__Host-anshin-form";
const OUTER: &str = "__Host-anshin-outer";
const DEVICE: &str = "__Host-anshin-device";
const LANGUAGE: &str = "__Host-anshin-language";
/// A device is known for so long, in seconds: 180 days.
const DEVICE_S: u32 = 180 * 86_400;
const LANGUAGE_S: u32 = 365 * 86_400;

/// Who asks.
pub(super) struct Visitor {
    pub visit: Visit,
    pub language: Language,
    /// What the query asks for, to be remembered.
    chosen: Option<Language>,
    pub cookies: Cookies,
}

/// The cookies of a request.
pub(super) struct Cookies(Vec<(&'static str, String)>);

impl Visitor {
    pub fn of(peer: IpAddr, headers: &HeaderMap, query: Option<&str>, proxies: &[Network]) -> Self {
        let cookies = Cookies::of(headers);
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (ip, is_known) = match crate::web::origin::of(peer, headers, proxies) {
            Origin::At(ip, _) => (ip, true),
            Origin::Here => (peer, true),
            Origin::Hidden(_) => (peer.to_canonical(), false),
        };
        let visit = Visit {
            ip,
            is_known,
            agent: agent.chars().take(AGENT_MAX).collect(),
            device: cookies.value(DEVICE).map(str::to_owned),
        };
        let chosen = query
            .and_then(|query| query.split('&').find_map(|pair| Language::parse(pair.strip_prefix("lang=")?)));
        let kept = cookies.value(LANGUAGE).and_then(Language::parse);
        let language = chosen.or(kept).or_else(|| Language::asked(headers)).unwrap_or(Language::Japanese);
        Self { visit, language, chosen, cookies }
    }
}

impl Cookies {
    fn of(headers: &HeaderMap) -> Self {
        let mut cookies = Vec::new();
        for value in headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            for (name, value) in value.split(';').filter_map(|pair| pair.trim().split_once('=')) {
                let own = [SESSION, FORM, OUTER, DEVICE, LANGUAGE].into_iter().find(|own| *own == name);
                let is_good = value.len() <= VALUE_MAX && value.bytes().all(|b| b.is_ascii_alphanumeric());
                if let Some(own) = own.filter(|_| is_good && !value.is_empty()) {
                    cookies.push((own, value.to_owned()));
                }
            }
        }
        Self(cookies)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// The token of a session.
    pub fn session(&self) -> Option<&str> {
        self.value(SESSION)
    }

    /// What forms of somebody who is not signed in are bound to.
    pub fn form(&self) -> Option<&str> {
        self.value(FORM)
    }

    /// What is kept while somebody signs in elsewhere.
    pub fn outer(&self) -> Option<&str> {
        self.value(OUTER)
    }

    pub fn of_outer(value: &str) -> Option<HeaderValue> {
        cookie(OUTER, value, u32::try_from(LASTS_S).ok())
    }

    pub fn no_outer() -> Option<HeaderValue> {
        cookie(OUTER, "", Some(0))
    }

    pub fn of_session(token: &str) -> Option<HeaderValue> {
        cookie(SESSION, token, None)
    }

    pub fn of_form(value: &str) -> Option<HeaderValue> {
        cookie(FORM, value, None)
    }

    /// The mark of a device; on one that is shared it goes.
    pub fn of_device(value: Option<&str>) -> Option<HeaderValue> {
        match value {
            Some(value) => cookie(DEVICE, value, Some(DEVICE_S)),
            None => cookie(DEVICE, "", Some(0)),
        }
    }

    /// What takes the session off a browser.
    pub fn no_session() -> Option<HeaderValue> {
        cookie(SESSION, "", Some(0))
    }

    /// The language, where it was just chosen.
    pub fn of_language(visitor: &Visitor) -> Option<HeaderValue> {
        let chosen = visitor.chosen?;
        cookie(LANGUAGE, chosen.tag(), Some(LANGUAGE_S))
    }
}

fn cookie(name: &str, value: &str, max_age_s: Option<u32>) -> Option<HeaderValue> {
    let mut text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict");
    if let Some(seconds) = max_age_s {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    HeaderValue::from_str(&text).ok()
}

/// How long somebody stays, by the box of the form.
pub(super) fn stays(is_shared: bool) -> Stays {
    if is_shared { Stays::Shared } else { Stays::Own }
}
