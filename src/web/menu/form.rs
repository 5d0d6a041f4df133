//! Forms: where they come from, and what stands in them.
//!
//! Rules: a form is ours when the browser says that it comes from here (`Sec-Fetch-Site`, else `Origin`; one that says neither is too old to
//! say), and it has the word that only pages of this session have: an HMAC of the session's token, so that it needs no place of its own
//! and ends with the session. Before the sign-in a cookie of its own takes the token's place, so that nobody is signed in by others.
//! When it fails: it is not ours.

use super::visit::Cookies;
use axum::http::{HeaderMap, header};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The field with the word.
pub(super) const WORD: &str = "word";
/// Most fields.
const FIELDS_MAX: usize = 64;

/// The fields of a form. Wiped when dropped: passwords are among them.
#[derive(Default)]
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub fn parse(body: &[u8]) -> Self {
        let pairs = body.split(|b| *b == b'&').take(FIELDS_MAX);
        let fields = pairs.filter_map(|pair| {
            let at = pair.iter().position(|b| *b == b'=')?;
            let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
            Some((String::clone(&*decoded(name)?), decoded(value)?))
        });
        Self(fields.collect())
    }

    /// A field's value; empty where it is not there.
    pub fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.as_str())
    }

    /// Whether it has the word of the cookie that came with it.
    pub fn is_of(&self, cookies: &Cookies, is_signed_in: bool) -> bool {
        let secret = if is_signed_in { cookies.session() } else { cookies.form() };
        secret.is_some_and(|secret| word(secret).as_bytes().ct_eq(self.value(WORD).as_bytes()).into())
    }
}

/// The word of the forms that go with a cookie.
pub(super) fn word(secret: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(b"anshin form 1");
    BASE32_NOPAD.encode(&mac.finalize().into_bytes()).to_ascii_lowercase()
}

/// Whether a browser says that the request comes from a page of this host, or does not say.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text(header::HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = text(header::HOST).unwrap_or_default();
            let of = origin.split_once("://").map(|(_, of)| of).unwrap_or_default();
            !host.is_empty() && of.eq_ignore_ascii_case(host)
        }
        (None, None) => true,
    }
}

/// A value as forms and queries have it, in clear.
pub(in crate::web) fn decoded_text(text: &str) -> Option<Zeroizing<String>> {
    decoded(text.as_bytes())
}

fn decoded(text: &[u8]) -> Option<Zeroizing<String>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.iter().copied();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(std::mem::take(&mut *octets)).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = Form::parse("a=1&name=%E8%8A%B1+x%2By&empty=&broken=%zz&cut=%4&a=2".as_bytes());
        assert_eq!((form.value("a"), form.value("name"), form.value("empty")), ("1", "花 x+y", ""));
        assert_eq!((form.value("broken"), form.value("cut"), form.value("none")), ("", "", ""));
    }

    #[test]
    fn a_form_from_elsewhere_is_told_by_what_browsers_say() {
        for (headers, is_ours) in [
            (&[("sec-fetch-site", "same-origin"), ("host", "menu.test")][..], true),
            (
                &[("sec-fetch-site", "cross-site"), ("host", "menu.test"), ("origin", "https://menu.test")],
                false,
            ),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("host", "menu.test"), ("origin", "https://menu.test")], true),
            (&[("host", "menu.test"), ("origin", "https://menu.test.evil.test")], false),
            (&[("host", "menu.test"), ("origin", "null")], false),
            (&[("origin", "null")], false),
            (&[("host", "menu.test")], true),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(is_from_here(&map), is_ours, "{headers:?}");
        }
    }

    #[test]
    fn the_word_is_of_one_secret() {
        assert_eq!(word("a").len(), 52);
        assert_ne!(word("a"), word("b"));
    }
}
