//! What a browser keeps while somebody signs in elsewhere, and what follows from it: `state`, `nonce` and the code verifier. Pure.
//!
//! Rules: 256 random bits, what for, and when; all three follow from them and from a keyed number that only this installation makes (`bound`),
//! so no node keeps anything, any node answers, and who sends a browser there with a time or a nonce of his own gets no further. It is
//! good for [`LASTS_S`].
//! When it fails: what is not as we write it is not there.

use crate::relay::Stays;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longest time that somebody may take elsewhere, in seconds.
pub(in crate::web) const LASTS_S: i64 = 10 * 60;
/// How far the clock of the node that wrote it may be ahead, in seconds.
const SKEW_S: i64 = 60;
/// Base32 of 32 octets.
const SECRET_LENGTH: usize = 52;

/// Why somebody is sent elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Why {
    SignIn,
    /// Before a change, which is made on one of these pages.
    ForPeople,
    ForMailServer,
    ForFactor,
    ForNotMe,
    ForSenders,
}

impl Why {
    const LETTERS: [(Why, char); 6] = [
        (Why::SignIn, 's'),
        (Why::ForPeople, 'p'),
        (Why::ForMailServer, 'm'),
        (Why::ForFactor, 'f'),
        (Why::ForNotMe, 'n'),
        (Why::ForSenders, 'a'),
    ];
}

/// What a browser keeps.
pub(in crate::web) struct Outer {
    text: Zeroizing<String>,
    pub why: Why,
    pub stays: Stays,
    /// Seconds since 1970.
    pub at: i64,
}

impl Outer {
    pub fn new(secret: &[u8; 32], why: Why, stays: Stays, now: i64) -> Self {
        let letter = Why::LETTERS.iter().find(|(own, _)| *own == why).map_or('s', |(_, letter)| *letter);
        let letter = if stays == Stays::Shared { letter.to_ascii_uppercase() } else { letter };
        let secret = Zeroizing::new(BASE32_NOPAD.encode(secret).to_ascii_lowercase());
        Self { text: Zeroizing::new(format!("{}{letter}{now:010}", *secret)), why, stays, at: now }
    }

    /// Reads what a browser brings, if it is not too old.
    pub fn parse(text: &str, now: i64) -> Option<Self> {
        let (secret, rest) = text.split_at_checked(SECRET_LENGTH)?;
        BASE32_NOPAD.decode(secret.to_ascii_uppercase().as_bytes()).ok()?;
        let (letter, at) = rest.split_at_checked(1)?;
        let letter = letter.chars().next()?;
        let own = |(_, own): &&(Why, char)| *own == letter.to_ascii_lowercase();
        let (why, _) = Why::LETTERS.iter().find(own)?;
        let stays = if letter.is_ascii_uppercase() { Stays::Shared } else { Stays::Own };
        let at: i64 = at.parse().ok().filter(|_| at.bytes().all(|b| b.is_ascii_digit()))?;
        let is_good = at <= now + SKEW_S && now - at <= LASTS_S;
        is_good.then(|| Self { text: Zeroizing::new(text.to_owned()), why: *why, stays, at })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    fn derived(&self, label: &str, bound: &[u8]) -> Zeroizing<String> {
        let mut derived = Zeroizing::new(String::new());
        // HMAC takes keys of every length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.text.as_bytes()) {
            mac.update(label.as_bytes());
            mac.update(&[0]);
            mac.update(bound);
            *derived = BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
        }
        derived
    }

    /// Ties the answer to this browser (RFC 6749 §10.12).
    pub fn state(&self, bound: &[u8]) -> Zeroizing<String> {
        self.derived("anshin outer state 1", bound)
    }

    /// Whether an answer is to this browser.
    pub fn is_answered_by(&self, state: &str, bound: &[u8]) -> bool {
        self.state(bound).as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// Ties the ID token to it (OpenID Connect Core 1.0 §3.1.2.1).
    pub fn nonce(&self, bound: &[u8]) -> Zeroizing<String> {
        self.derived("anshin outer nonce 1", bound)
    }

    /// Without it the code is good for nothing (RFC 7636 §4.1).
    pub fn verifier(&self, bound: &[u8]) -> Zeroizing<String> {
        self.derived("anshin outer verifier 1", bound)
    }

    /// What of it is told before (RFC 7636 §4.2).
    pub fn challenge(&self, bound: &[u8]) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.verifier(bound).as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn what_a_browser_keeps_is_read_as_it_was_written_for_ten_minutes() {
        let outer = Outer::new(&[7; 32], Why::ForPeople, Stays::Shared, NOW);
        assert!(outer.text().len() <= 64 && outer.text().bytes().all(|b| b.is_ascii_alphanumeric()));
        let read = Outer::parse(outer.text(), NOW + LASTS_S).unwrap();
        assert_eq!((read.why, read.stays, read.at), (Why::ForPeople, Stays::Shared, NOW));
        assert!(Outer::parse(outer.text(), NOW + LASTS_S + 1).is_none());
        assert!(Outer::parse(outer.text(), NOW - SKEW_S).is_some(), "the clock of another node");
        assert!(Outer::parse(outer.text(), NOW - SKEW_S - 1).is_none(), "from the future");
        for wrong in ["", "s", &outer.text()[1..], &outer.text().replace('P', "x"), &"é".repeat(32)] {
            assert!(Outer::parse(wrong, NOW).is_none(), "{wrong}");
        }
    }

    #[test]
    fn all_that_follows_is_of_one_browser_one_purpose_one_time_and_one_installation() {
        let of = |outer: &Outer, bound: &[u8]| {
            [outer.state(bound), outer.nonce(bound), outer.verifier(bound)].map(|text| text.to_string())
        };
        let one = Outer::new(&[7; 32], Why::SignIn, Stays::Own, NOW);
        let all = [
            of(&one, b"here"),
            of(&one, b"elsewhere"),
            of(&Outer::new(&[8; 32], Why::SignIn, Stays::Own, NOW), b"here"),
            of(&Outer::new(&[7; 32], Why::ForPeople, Stays::Own, NOW), b"here"),
            of(&Outer::new(&[7; 32], Why::SignIn, Stays::Own, NOW + 1), b"here"),
        ];
        let mut texts: Vec<&String> = all.iter().flatten().collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 15);
        assert!(texts.iter().all(|text| text.len() == 43), "RFC 7636: 43 to 128 characters");
        assert!(one.is_answered_by(&one.state(b"here"), b"here") && !one.is_answered_by("", b"here"));
        // RFC 7636, appendix B has the same way from verifier to challenge.
        assert_eq!(one.challenge(b"here").len(), 43);
    }
}
