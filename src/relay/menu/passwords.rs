//! Which passwords people may choose for the menu (OWASP ASVS 5.0, 6.2).
//!
//! Rules: 8 to 128 characters, of any kind, spaces too, taken as typed; nothing must be in it and none ends by itself. Refused is what
//! everybody tries first: the passwords that leaks have most often, runs and repetitions, and what is the store's own name, the
//! person's, or ours, with little beside it. Nobody outside is asked about a password.
//! `common_passwords.bin` has the first 8 octets of the SHA-256 of each of 11,611 of them in lower case, sorted: those with 8
//! characters or more of the 30,000 that zxcvbn (MIT) lists by how often they were found.
//! When it fails: [`PasswordFlaw`], which says what to do instead.

use sha2::{Digest, Sha256};

const COMMON: &[u8] = include_bytes!("common_passwords.bin");
/// Fewest and most characters.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=128;
/// A word of the context with less than this beside it is refused.
const BESIDE: usize = 5;
/// What every store would take first.
const OURS: [&str; 8] =
    ["anshin", "anshinmail", "password", "rakuten", "menu", "あんしん", "楽天", "パスワード"];

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordFlaw {
    Short,
    Long,
    /// It is among those that are tried first.
    Common,
    /// It runs or repeats.
    Simple,
    /// It is the name of the store, the person, or the service.
    Context,
    /// It is the one before.
    Same,
}

/// Whether a password may be chosen by somebody of whom these words are known.
pub(super) fn check(password: &str, context: &[&str]) -> Result<(), PasswordFlaw> {
    let length = password.chars().count();
    if length < *PASSWORD_LENGTH.start() {
        return Err(PasswordFlaw::Short);
    }
    if length > *PASSWORD_LENGTH.end() {
        return Err(PasswordFlaw::Long);
    }
    let lower = password.to_lowercase();
    if is_common(&lower) {
        return Err(PasswordFlaw::Common);
    }
    if is_simple(&lower) {
        return Err(PasswordFlaw::Simple);
    }
    let is_of_context = |word: &str| {
        let word = word.to_lowercase();
        let is_in = word.chars().count() >= 3 && lower.contains(&word);
        is_in && lower.replace(&word, "").chars().count() < BESIDE
    };
    if context.iter().chain(&OURS).any(|word| is_of_context(word)) {
        return Err(PasswordFlaw::Context);
    }
    Ok(())
}

fn is_common(lower: &str) -> bool {
    let digest = Sha256::digest(lower.as_bytes());
    let (entries, _) = COMMON.as_chunks::<8>();
    digest.first_chunk::<8>().is_some_and(|first| entries.binary_search(first).is_ok())
}

/// Fewer than four different characters, or each the neighbour of the one before.
fn is_simple(lower: &str) -> bool {
    let letters: Vec<char> = lower.chars().collect();
    let different: std::collections::BTreeSet<&char> = letters.iter().collect();
    let steps = |by: i64| {
        letters
            .iter()
            .zip(letters.iter().skip(1))
            .filter(|(a, b)| i64::from(u32::from(**b)) - i64::from(u32::from(**a)) == by)
            .count()
    };
    different.len() < 4 || steps(1).max(steps(-1)) + 3 > letters.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_first_is_refused_and_nothing_is_asked_for_but_length() {
        let check = |password: &str| check(password, &["hanaya-01", "花屋 Hanaya", "hanako"]);
        for (password, flaw) in [
            ("1qaz2ws", PasswordFlaw::Short),
            ("花屋の鍵です", PasswordFlaw::Short),
            ("password1", PasswordFlaw::Common),
            ("QWERTYUIOP", PasswordFlaw::Common),
            ("baseball1", PasswordFlaw::Common),
            ("aaaaaaaabbbb", PasswordFlaw::Simple),
            ("23456789abc", PasswordFlaw::Simple),
            ("hanaya-01-x", PasswordFlaw::Context),
            ("hanako-hanako", PasswordFlaw::Context),
            ("Hanako2026", PasswordFlaw::Context),
            ("anshinmail!1", PasswordFlaw::Context),
        ] {
            assert_eq!(check(password), Err(flaw), "{password}");
        }
        assert_eq!(check(&"a1b2".repeat(33)), Err(PasswordFlaw::Long));
        for good in [
            "correct horse battery",
            "うみねこの朝ごはん",
            "kxqvtrwz",
            "hanako walks to 7 hills",
            "8a! 2 .,xZ",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_list_is_whole_and_in_order() {
        let (entries, rest) = COMMON.as_chunks::<8>();
        assert!(rest.is_empty() && entries.len() > 11_000);
        assert!(entries.is_sorted());
    }
}
