//! Whether a name is of a secret: programs put the local part there when they know no other.
//!
//! When it fails: never.

use super::{MIN_LOCAL, Search};
use crate::anonymize::needle::Needle;
use crate::anonymize::{spelling, traces};

impl Search {
    /// Whether the text, which is a name, is the local part of a secret: programs put it there when they know no
    /// name.
    pub fn is_local_part(&self, name: &str) -> bool {
        let folded = spelling::fold(name.trim().as_bytes()).view;
        let is_one = |needle: &Needle| {
            needle.locals().iter().any(|local| local == folded.bytes())
                || needle.is_without_dots(folded.bytes())
        };
        self.needles.iter().any(is_one)
    }

    /// Whether a name, folded, gives a mailbox away: it holds a domain of one that only few have, or a word of it is a local part
    /// that is no mere name.
    pub fn is_named_in(&self, name: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || ".-_".contains(c);
        let mut domains = self.domains().filter(|domain| !traces::is_shared(domain));
        // Also where a word in Japanese letters stands directly beside it.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let words = name.split(|c| !is_part(c)).chain(name.split(|c| !is_plain(c)));
        let mut words = words.map(|word| word.trim_matches('.'));
        let is_local = |word: &str| {
            let says = |local: &&Vec<u8>| local.iter().any(|b| *b == b'.' || b.is_ascii_digit());
            let mut locals = self.needles.iter().flat_map(Needle::locals).filter(says);
            locals.any(|local| local.len() >= MIN_LOCAL && local == word.as_bytes())
                || self.needles.iter().any(|needle| {
                    needle.locals().iter().any(|local| says(&local))
                        && needle.is_without_dots(word.as_bytes())
                })
        };
        words.any(is_local)
            || domains.any(|domain| {
                name.match_indices(domain.as_str()).any(|(at, _)| {
                    let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                    let (before, behind) = (name.get(..at), name.get(at + domain.len()..));
                    !joins(before.and_then(|text| text.chars().next_back()))
                        && !joins(behind.and_then(|text| text.chars().next()))
                })
            })
    }

    /// Whether the octets hold the local part of a secret in ASCII, in any case.
    pub fn holds_local_part(&self, octets: &[u8]) -> bool {
        let octets = octets.to_ascii_lowercase();
        self.needles
            .iter()
            .flat_map(Needle::locals)
            .any(|local| local.len() >= MIN_LOCAL && memchr::memmem::find(&octets, local).is_some())
    }
}
