//! Digests of an address in links, as pictures of people are called by (`/avatar/ebbd1f…`): whoever guesses the address knows it again.
//!
//! Rules: MD5, SHA-1 and SHA-256 of each address in small letters, with and without its tag, in hexadecimal digits of either case.
//! The digest of the alias takes its place, by the same function, in the same case. A longer run of digits may hold it: the
//! digits of an escape may stand before it.
//! When it fails: never; other functions, and digests with a salt, are not found.

use super::needle::Needle;
use crate::mail::digests;
use crate::mime::transfer::Edit;

/// Fewest digits of a digest, and most of a run that is looked into.
const LEAST: usize = 32;
const MOST: usize = 160;

/// The digests of all secrets, each with what takes its place.
#[derive(Default)]
pub struct Hashes {
    known: Vec<(String, String)>,
}

impl Hashes {
    /// Computes them; `written` are the same addresses as their owners write them.
    pub fn new(needles: &[Needle], written: &[String]) -> Self {
        let mut known: Vec<(String, String)> = Vec::new();
        for (i, needle) in needles.iter().enumerate() {
            let canonical = needle.canonical();
            let (local, domain) = canonical.rsplit_once('@').unwrap_or((canonical, ""));
            let base = local.split('+').next().unwrap_or(local);
            let mut texts = vec![canonical.to_owned(), format!("{base}@{domain}")];
            texts.extend(written.get(i).map(|text| text.to_lowercase()));
            texts.sort_unstable();
            texts.dedup();
            let with = digests(needle.alias().to_lowercase().as_bytes());
            for text in texts {
                known.extend(digests(text.as_bytes()).into_iter().zip(with.iter().cloned()));
            }
        }
        known.sort_unstable();
        known.dedup();
        Self { known }
    }

    /// The edits that take them out of a text, in order, apart from each other.
    pub fn edits(&self, text: &[u8]) -> Vec<Edit> {
        let mut out = Vec::new();
        if self.known.is_empty() {
            return out;
        }
        // No run as long as one lies between two places that are looked at.
        let mut at = LEAST - 1;
        while let Some(b) = text.get(at) {
            if !b.is_ascii_hexdigit() {
                at += LEAST;
                continue;
            }
            let (before, behind) = text.split_at_checked(at).unwrap_or_default();
            let is_one = |b: &&u8| b.is_ascii_hexdigit();
            let start = at - before.iter().rev().take(MOST).take_while(is_one).count();
            let end = at + behind.iter().take(MOST).take_while(is_one).count();
            if (LEAST..=MOST).contains(&(end - start)) {
                let mut from = start;
                while let Some(edit) = self.edit(text, from, end) {
                    from = edit.range.end;
                    out.push(edit);
                }
            }
            at = end + LEAST - 1;
        }
        out
    }

    fn edit(&self, text: &[u8], start: usize, end: usize) -> Option<Edit> {
        (start..=end.checked_sub(LEAST)?).find_map(|at| {
            let rest = text.get(at..end)?;
            let first = rest.first()?.to_ascii_lowercase();
            let mut all = self.known.iter().filter(|(digest, _)| digest.as_bytes().first() == Some(&first));
            let (digest, with) = all.find(|(digest, _)| {
                rest.get(..digest.len()).is_some_and(|found| found.eq_ignore_ascii_case(digest.as_bytes()))
            })?;
            let range = at..at + digest.len();
            let upper = text.get(range.clone())?.iter().any(u8::is_ascii_uppercase);
            let with = if upper { with.to_uppercase() } else { with.clone() };
            Some(Edit { range, with: with.into_bytes() })
        })
    }
}
