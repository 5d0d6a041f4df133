//! Codes that go out by mail, and prove by coming back that somebody reads a mailbox.
//!
//! Rules: 120 random bits, so that a guess is hopeless without counting; the database has SHA-256 of the code and of what it is bound to. Good once,
//! for half an hour. A link would have to be followed out of a mail, which people are told not to do; a code is typed where it was
//! asked for.
//! When it fails: never.

use super::sign_in::random_text;
use crate::vault::Secret;
use sha2::{Digest, Sha256};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a code is good.
pub const CODE_LASTS: Duration = Duration::from_secs(30 * 60);
/// Random octets of a code.
const OCTETS: usize = 15;

/// What a code is for, and where it counts.
pub(super) enum Bound<'a> {
    /// Proves an address to this store.
    Address(i64),
    /// Gives a password back in the browser that has this mark.
    Password(&'a str),
}

/// A new code, as it is written: four groups of six.
pub(super) fn new_code() -> Secret {
    let text = Zeroizing::new(random_text(OCTETS));
    let groups: Vec<&str> = (0..4).filter_map(|group| text.get(group * 6..group * 6 + 6)).collect();
    Secret::received(Zeroizing::new(groups.join("-")))
}

/// What the database has of a code, however it was typed.
pub(super) fn digest(code: &str, bound: &Bound<'_>) -> [u8; 32] {
    let plain: Zeroizing<String> = Zeroizing::new(code.chars().filter_map(plain).collect());
    let mut hash = Sha256::new();
    match bound {
        Bound::Address(store) => {
            hash.update(b"anshin code address 1");
            hash.update(store.to_be_bytes());
        }
        Bound::Password(mark) => {
            hash.update(b"anshin code password 1");
            hash.update(Sha256::digest(mark.as_bytes()));
        }
    }
    hash.update(plain.as_bytes());
    hash.finalize().into()
}

/// A letter as the alphabet has it: Japanese keyboards write wide ones, and 0 and 1 are not in it.
fn plain(c: char) -> Option<char> {
    let c = match c {
        '！'..='～' => char::from_u32(u32::from(c) - 0xFEE0)?,
        other => other,
    };
    match c.to_ascii_lowercase() {
        '0' => Some('o'),
        '1' => Some('l'),
        c if c.is_ascii_alphanumeric() => Some(c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed_and_where_it_is_bound_to_alone() {
        let code = new_code();
        let text = code.show();
        assert_eq!((text.len(), text.matches('-').count()), (27, 3), "{text}");
        assert_ne!(text, new_code().show());
        let typed = text.replace('-', " ").to_uppercase().replace('O', "0").replace('L', "1");
        let wide: String = text.chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap()).collect();
        let of = |text: &str| digest(text, &Bound::Address(7));
        assert_eq!((of(&typed), of(&wide)), (of(text), of(text)));
        assert_ne!(of(text), digest(text, &Bound::Address(8)));
        assert_ne!(digest(text, &Bound::Password("a")), digest(text, &Bound::Password("b")));
    }
}
