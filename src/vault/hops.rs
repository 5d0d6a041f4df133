//! Hop marks: how often a message has passed this installation, signed, so that nobody can set the count back and no
//! other installation's count is taken for ours.
//!
//! `COUNT KEY MAC`: the count in decimal, the letter of the alias key, and 80 bits of HMAC-SHA-256 (RFC 2104; truncation
//! §5) over the count under a subkey of that key, in base32. It says nothing else: all messages of one count have the
//! same mark, so nothing can be told from it and no two messages can be linked by it.
//! When it fails: what does not open is `None`, as if there were no mark.

use super::ring::NamedKey;
use super::token::authenticate;
use data_encoding::BASE32_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Makes and opens hop marks.
pub struct HopMarks(Vec<(u8, Hmac<Sha256>)>);

impl HopMarks {
    pub(super) fn new(keys: Vec<&NamedKey>) -> Self {
        let derive = |key: &NamedKey| {
            let mut subkey = Zeroizing::new([0_u8; 64]);
            let _ = Hkdf::<Sha256>::new(Some(b"anshin hops 1"), key.bytes()).expand(b"mac", &mut *subkey);
            (key.name(), Hmac::new(&(*subkey).into()))
        };
        Self(keys.into_iter().map(derive).collect())
    }

    /// The mark of a message that passes for the `count`th time.
    #[must_use]
    pub fn mint(&self, count: u8) -> String {
        let Some((name, key)) = self.0.first() else { return String::new() };
        let mac = BASE32_NOPAD.encode(&authenticate(key, &[count])).to_ascii_lowercase();
        format!("{count} {} {mac}", char::from(*name))
    }

    /// The count, if this is a mark of ours.
    #[must_use]
    pub fn open(&self, mark: &str) -> Option<u8> {
        let mut words = mark.split_ascii_whitespace();
        let (count, name, mac) = (words.next()?, words.next()?, words.next()?);
        let ([name], None) = (name.as_bytes(), words.next()) else { return None };
        let count: u8 = count.parse().ok()?;
        let (_, key) = self.0.iter().find(|(own, _)| own == name)?;
        let mac = BASE32_NOPAD.decode(mac.to_ascii_uppercase().as_bytes()).ok()?;
        bool::from(authenticate(key, &[count]).ct_eq(mac.as_slice())).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::purpose::Purpose;
    use super::super::ring::ring_for_tests;
    use super::*;
    use crate::mail::Timestamp;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn a_count_comes_back_and_an_altered_one_does_not() {
        let marks = HopMarks::new(ring_for_tests().keys(Purpose::Alias, NOW).unwrap());
        for count in [0, 1, 5, 255] {
            let mark = marks.mint(count);
            assert_eq!(marks.open(&mark), Some(count), "{mark}");
            assert_eq!(marks.open(&mark.to_uppercase().replace(" B ", " b ")), Some(count), "{mark}");
            for other in ["0", "2", "256", "-1", "+1", ""] {
                let (_, rest) = mark.split_once(' ').unwrap();
                assert_eq!(
                    marks.open(&format!("{other} {rest}")).filter(|read| *read != count),
                    None,
                    "{other} {rest}"
                );
            }
        }
        let old = HopMarks::new(vec![ring_for_tests().keys(Purpose::Alias, NOW).unwrap()[1]]);
        assert_eq!(marks.open(&old.mint(3)), Some(3), "an older key");
        for text in ["", "1", "1 b", "1 b x", "1 b 2 3", "1 z aaaaaaaaaaaaaaaa"] {
            assert_eq!(marks.open(text), None, "{text}");
        }
    }
}
