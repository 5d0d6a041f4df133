//! What nobody may see: every end-to-end test is also a test of privacy.
//!
//! Rules: each person has needles, random words that stand in all of that person's real addresses and host names. What
//! the relay shows to somebody is noted here, and at the end searched for everybody else's needles, also behind
//! base64 and quoted-printable. What it stores and logs is searched for all needles, and for all subjects and texts.

use data_encoding::{BASE64, HEXLOWER};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Octets by which a secret is looked up.
const BEGINNING: usize = 8;

/// The needles, and what was shown to whom.
#[derive(Default)]
pub struct Watch {
    needles: Mutex<Vec<(String, String)>>,
    secrets: Mutex<Vec<String>>,
    shown: Mutex<Vec<Shown>>,
}

struct Shown {
    to: String,
    what: String,
    bytes: Vec<u8>,
}

impl Watch {
    /// A new person's needle: 16 hexadecimal digits.
    pub fn needle(&self, person: &str) -> String {
        let needle = random_hex(8);
        self.needles.lock().unwrap_or_else(PoisonError::into_inner).push((person.to_owned(), needle.clone()));
        needle
    }

    /// A subject or text that must not be readable in storage and log.
    pub fn secret(&self, text: &str) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    /// Takes a secret back.
    pub fn forget_secret(&self, text: &str) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).retain(|secret| secret != text);
    }

    /// Notes what the relay showed to `person`.
    pub fn shown(&self, person: &str, what: &str, bytes: &[u8]) {
        let shown = Shown { to: person.to_owned(), what: what.to_owned(), bytes: bytes.to_vec() };
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).push(shown);
    }

    /// Fails where somebody was shown a needle of somebody else.
    pub fn check_shown(&self) {
        let needles = self.needles.lock().unwrap_or_else(PoisonError::into_inner);
        for shown in self.shown.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for layer in layers(&shown.bytes) {
                for (_, needle) in needles.iter().filter(|(person, _)| *person != shown.to) {
                    assert!(
                        !contains(&layer, needle),
                        "{} was shown {needle} in {}:\n{}",
                        shown.to,
                        shown.what,
                        String::from_utf8_lossy(&layer)
                    );
                }
            }
        }
    }

    /// Fails where bytes that were stored or logged show anything of anybody.
    pub fn check_hidden(&self, what: &str, bytes: &[u8]) {
        let lower = bytes.to_ascii_lowercase();
        for (person, needle) in self.needles.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            assert!(
                !contains_lower(&lower, needle),
                "{what} names {person} ({needle}): {}",
                around(bytes, needle)
            );
        }
        // A long run has tens of thousands: they are looked up by their beginnings, all in one pass.
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let folded = secrets.iter().map(|secret| (secret.to_ascii_lowercase(), secret));
        let (long, short): (Vec<_>, Vec<_>) = folded.partition(|(secret, _)| secret.len() >= BEGINNING);
        let mut begins: HashMap<&[u8], Vec<(&[u8], &str)>> = HashMap::new();
        for (secret, shown) in &long {
            begins.entry(&secret.as_bytes()[..BEGINNING]).or_default().push((secret.as_bytes(), shown));
        }
        let found = lower.windows(BEGINNING).enumerate().find_map(|(at, window)| {
            let candidates = begins.get(window)?;
            candidates.iter().find(|(secret, _)| lower[at..].starts_with(secret)).map(|(_, shown)| *shown)
        });
        let short = short.iter().map(|(_, shown)| shown.as_str());
        let found = found.or_else(|| short.into_iter().find(|secret| contains_lower(&lower, secret)));
        assert_eq!(found, None, "{what}: {}", around(bytes, found.unwrap_or_default()));
    }

    /// The same for all files below a directory.
    pub fn check_hidden_below(&self, dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.check_hidden_below(&path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                self.check_hidden(&path.display().to_string(), &bytes);
            }
        }
    }
}

/// So many random octets in hexadecimal digits.
pub fn random_hex(octets: usize) -> String {
    let mut bytes = vec![0; octets];
    getrandom::fill(&mut bytes).unwrap();
    HEXLOWER.encode(&bytes)
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    contains_lower(&haystack.to_ascii_lowercase(), needle)
}

fn contains_lower(lower: &[u8], needle: &str) -> bool {
    memchr::memmem::find(lower, needle.to_ascii_lowercase().as_bytes()).is_some()
}

fn around(bytes: &[u8], needle: &str) -> String {
    let lower = bytes.to_ascii_lowercase();
    let at = memchr::memmem::find(&lower, needle.to_ascii_lowercase().as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&bytes[at.saturating_sub(80)..(at + 120).min(bytes.len())]).into_owned()
}

/// The bytes as they are, as quoted-printable, and every block of base64 in them, decoded.
fn layers(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut layers = vec![bytes.to_vec(), quoted_printable(bytes)];
    let mut block = Vec::new();
    for line in bytes.split(|b| *b == b'\n').chain([&b""[..]]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_base64 =
            line.len() > 3 && line.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b));
        if is_base64 {
            block.extend_from_slice(line);
        } else if !block.is_empty() {
            layers.extend(BASE64.decode(&std::mem::take(&mut block)).ok());
        }
        // Encoded words (RFC 2047 §2).
        for word in String::from_utf8_lossy(line).split("=?").skip(1) {
            if let Some((_, text)) = word.split_once("?B?").or_else(|| word.split_once("?b?")) {
                layers.extend(BASE64.decode(text.split("?=").next().unwrap_or_default().as_bytes()).ok());
            }
        }
    }
    layers
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'=' {
            plain.push(*first);
        } else if let Some(after) = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")) {
            rest = after;
        } else if let Some(octet) =
            after.get(..2).and_then(|digits| HEXLOWER.decode(&digits.to_ascii_lowercase()).ok())
        {
            plain.extend(octet);
            rest = &after[2..];
        } else {
            plain.push(b'=');
        }
    }
    plain
}

#[test]
fn a_needle_is_found_behind_every_encoding_that_mail_uses() {
    let hidden = |text: &str| {
        let watch = Watch::default();
        let needle = watch.needle("hana");
        let text = text
            .replace("NEEDLE", &needle)
            .replace("BASE64", &BASE64.encode(format!("a {needle}").as_bytes()));
        let text = text.replace("HALVES", &format!("{}=\r\n{}", &needle[..5], &needle[5..]));
        watch.shown("mise", "a mail", text.as_bytes());
        watch.shown("hana", "her own", needle.as_bytes());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watch.check_shown())).is_ok()
    };
    assert!(hidden("nothing of her"));
    for text in ["x NEEDLE y", "x HALVES y", "\r\nBASE64\r\n\r\n", "Subject: =?utf-8?B?BASE64?="] {
        assert!(!hidden(text), "{text}");
    }
}
