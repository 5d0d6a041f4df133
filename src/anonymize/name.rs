//! The display name in From: as its sender wrote it where it gives nobody away, else the name the caller knows.
//!
//! Rules: where the installation wants the name that the caller gives, that one. Else a name passes when it holds no at sign in any spelling, no telephone number, no link, no domain, is not
//! the local part of a secret, names no mailbox in words, and is at most [`MAX_NAME`] characters. It keeps its bytes where they are a phrase
//! (RFC 5322 §3.2.5) of ASCII; else its text is written as an encoded word.
//! When it fails: never; what does not pass gives way.

use super::identity::mailboxes;
use super::search::{Kind, Search};
use super::{NameRule, Passage, spelling};
use crate::mail::RealAddress;
use crate::mime::charset::Charset;
use crate::mime::words::{self, Coding};

/// Longest display name, in characters.
const MAX_NAME: usize = 100;
/// Longest display name as written, in octets.
const MAX_WRITTEN: usize = 600;
/// A name with this many digits holds a telephone number (Japan: 10 or 11).
const MANY_DIGITS: usize = 8;
/// What ends a domain that a name would be written for.
const ENDINGS: [&str; 16] = [
    ".jp", ".com", ".net", ".org", ".info", ".biz", ".shop", ".store", ".me", ".io", ".co", ".cc", ".tv",
    ".tokyo", ".site", ".online",
];

/// What to write before the brackets in From, with a blank behind it; empty where there is no name at all.
pub fn display(from: &[u8], passage: &Passage<'_>, search: &Search) -> Vec<u8> {
    let fallback = passage.fallback_name;
    let as_written = passage.rules.name == NameRule::AsWritten;
    let from = if as_written { from } else { b"" };
    let written = mailboxes(from).ok().and_then(|mut all| if all.len() == 1 { all.pop() } else { None });
    let mut out = match written.map(|mailbox| mailbox.phrase) {
        Some(phrase) if !phrase.is_empty() => {
            let text = unquoted(&words::text(&phrase));
            if phrase.len() > MAX_WRITTEN || !passes(&text, search) {
                name(fallback)
            } else if is_phrase(&phrase) {
                phrase
            } else {
                name(&text)
            }
        }
        _ => name(fallback),
    };
    if !out.is_empty() {
        out.push(b' ');
    }
    out
}

/// A text as a phrase.
fn name(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let text = text.trim();
    if text.is_empty() {
        Vec::new()
    } else if text.is_ascii() {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")).into_bytes()
    } else {
        words::encode(text, "UTF-8", Charset::Utf8, Coding::B)
    }
}

fn unquoted(phrase: &str) -> String {
    let mut out = String::with_capacity(phrase.len());
    let mut chars = phrase.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {}
            '\\' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// Whether a name that is shown of its own may be: it gives away neither these addresses nor another way round the relay.
pub fn may_be_shown<'a>(name: &str, addresses: impl Iterator<Item = &'a RealAddress> + Clone) -> bool {
    passes(name.trim(), &Search::seeking(addresses))
}

fn passes(text: &str, search: &Search) -> bool {
    if text.is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        return false;
    }
    if search.is_local_part(text) || !search.hits(text.as_bytes(), Kind::Addresses, None).is_empty() {
        return false;
    }
    let mut folded = text.as_bytes().to_vec();
    for _ in 0..3 {
        let next = spelling::fold(&folded);
        folded = next.view.into_bytes();
        if !next.escaped {
            break;
        }
    }
    let folded = String::from_utf8_lossy(&folded).into_owned();
    let digits = folded.bytes().filter(u8::is_ascii_digit).count();
    let is_domain = |word: &str| ENDINGS.iter().any(|end| word.ends_with(end) && word.len() > end.len());
    !search.is_named_in(&folded)
        && !folded.contains('@')
        && !folded.contains("://")
        && !folded.contains("www.")
        && digits < MANY_DIGITS
        && !folded.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').any(is_domain)
}

/// Whether the octets are atoms, quoted strings and encoded words, all ASCII, and nothing else.
fn is_phrase(phrase: &[u8]) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    for b in phrase {
        if !matches!(b, b' '..=b'~') {
            return false;
        }
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'[' | b']' if !quoted => {
                return false;
            }
            _ => {}
        }
    }
    !quoted && !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_chosen_shows_no_address_and_no_other_way() {
        let own = [RealAddress::parse("hanako.suzuki@mise.example").unwrap()];
        for name in ["花屋 本店", "Hanaya", "Hanako Suzuki", "24h flowers", "(株)花屋・二号店"] {
            assert!(may_be_shown(name, own.iter()), "{name}");
        }
        for name in [
            "hanako.suzuki",
            "HANAKO.SUZUKI",
            "hanako.suzuki@mise.example",
            "hanako.suzuki＠mise.example",
            "hanaya.co.jp 03-1234-5678",
            "花屋 ０９０-１２３４-５６７８",
            "https://shop.example/contact",
            "www.hanaya",
            "",
        ] {
            assert!(!may_be_shown(name, own.iter()), "{name}");
        }
    }
}
