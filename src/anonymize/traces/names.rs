//! The names of a mail's path and its ids, looked for all at once.
//!
//! Rules: any case; every place counts, also within another one, in the order of their ends, the longest of one end
//! first. Few short names, as nearly all mail has, are looked for by vector instructions in a copy of the text in lower
//! case, some KB at a time; others, and all where the machine has no such instructions, by an automaton.
//! When it fails: never. Without names nothing is found.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Span, packed};
use std::ops::Range;

/// Texts longer than this pay for a faster automaton, in octets.
const LARGE: usize = 256 * 1024;
/// Most octets that the vectors take in all: at each place where one may stand, all are compared.
const MAX_OCTETS: usize = 4096;
/// How much of a text is copied at once, in octets.
const PIECE: usize = 32 * 1024;

/// What is looked for.
#[derive(Default)]
pub struct Names {
    all: Vec<String>,
    lower: Vec<Vec<u8>>,
    longest: usize,
    search: Search,
}

#[derive(Default)]
enum Search {
    #[default]
    Nothing,
    Vectors(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Names {
    /// Prepares the search in texts of up to `text` octets.
    pub fn new(all: Vec<String>, text: usize) -> Self {
        let lower: Vec<Vec<u8>> = all.iter().map(|name| name.to_ascii_lowercase().into_bytes()).collect();
        let longest = lower.iter().map(Vec::len).max().unwrap_or(0);
        let is_small = lower.iter().map(Vec::len).sum::<usize>() <= MAX_OCTETS;
        let vectors = if is_small { packed::Searcher::new(&lower) } else { None };
        let search = match vectors {
            Some(vectors) => Search::Vectors(vectors),
            None if all.is_empty() => Search::Nothing,
            None => automaton(&all, text),
        };
        Self { all, lower, longest, search }
    }

    /// The names as they were given.
    pub fn all(&self) -> &[String] {
        &self.all
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self.search, Search::Nothing)
    }

    /// Every place of each of them.
    pub fn found<'a>(&'a self, hay: &'a [u8]) -> impl Iterator<Item = (&'a str, Range<usize>)> + 'a {
        self.places(hay).filter_map(|(name, range)| Some((self.all.get(name)?.as_str(), range)))
    }

    /// The same, with how many of them were given before each.
    pub fn places<'a>(&'a self, hay: &'a [u8]) -> impl Iterator<Item = (usize, Range<usize>)> + 'a {
        let (vectors, automaton) = match &self.search {
            Search::Nothing => (None, None),
            Search::Vectors(vectors) => (Some(vectors), None),
            Search::Automaton(automaton) => (None, Some(automaton)),
        };
        let by_vectors = vectors.into_iter().flat_map(move |vectors| {
            (0..hay.len()).step_by(PIECE).flat_map(move |from| self.ending_in(vectors, hay, from))
        });
        let by_automaton = automaton.into_iter().flat_map(move |automaton| {
            let all = automaton.find_overlapping_iter(hay);
            all.map(|found| (found.pattern().as_usize(), found.start()..found.end()))
        });
        by_vectors.chain(by_automaton)
    }

    /// The places that end in the piece at `from`.
    fn ending_in(&self, vectors: &packed::Searcher, hay: &[u8], from: usize) -> Vec<(usize, Range<usize>)> {
        let start = from.saturating_sub(self.longest);
        let piece = hay.get(start..(from + PIECE).min(hay.len())).unwrap_or_default().to_ascii_lowercase();
        let mut out: Vec<(usize, Range<usize>)> = Vec::new();
        let mut at = 0;
        while let Some(found) = vectors.find_in(&piece, Span { start: at, end: piece.len() }) {
            let rest = piece.get(found.start()..).unwrap_or_default();
            at = found.start() + 1;
            let place = start + found.start();
            for (i, name) in self.lower.iter().enumerate().filter(|(_, name)| rest.starts_with(name)) {
                if place + name.len() > from {
                    out.push((i, place..place + name.len()));
                }
            }
        }
        out.sort_by_key(|(_, range)| (range.end, range.start));
        out
    }
}

fn automaton(all: &[String], text: usize) -> Search {
    let kind = if text > LARGE { AhoCorasickKind::DFA } else { AhoCorasickKind::NoncontiguousNFA };
    let automaton = AhoCorasick::builder().kind(Some(kind)).ascii_case_insensitive(true).build(all);
    automaton.map_or(Search::Nothing, Search::Automaton)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn vectors_and_automaton_find_the_same_in_the_same_order(
            names in proptest::collection::btree_set("[ab.]{1,6}", 1..8),
            text in "[abAB.]{0,200}",
            blanks in prop_oneof![Just(0), PIECE - 150..PIECE],
        ) {
            let text = " ".repeat(blanks) + &text;
            let all: Vec<String> = names.into_iter().collect();
            let names = Names::new(all.clone(), text.len());
            let slow = Names { search: automaton(&all, text.len()), ..Names::new(all, 0) };
            let expected: Vec<_> = slow.found(text.as_bytes()).collect();
            prop_assert_eq!(names.found(text.as_bytes()).collect::<Vec<_>>(), expected);
        }
    }
}
