//! Few short words in octets, in any case, all at once: for the gate alone.
//!
//! Rules: every place of each of them counts, also within another one. They are looked for by vector instructions in a copy in
//! lower case, some KB at a time, and by an automaton where a machine has none.
//! When it fails: never. Without words nothing is found.

use aho_corasick::{AhoCorasick, Span, packed};

/// How much is copied at once, in octets.
const STEP: usize = 1 << 14;

/// What is looked for.
pub struct Labels {
    words: Vec<Vec<u8>>,
    longest: usize,
    vectors: Option<packed::Searcher>,
    automaton: Option<AhoCorasick>,
}

impl Labels {
    /// Makes words in lower case ready, none of them empty.
    pub fn new(words: Vec<Vec<u8>>) -> Self {
        let longest = words.iter().map(Vec::len).max().unwrap_or(0);
        let vectors = packed::Searcher::new(&words);
        let automaton = if vectors.is_some() || words.is_empty() {
            None
        } else {
            AhoCorasick::builder().ascii_case_insensitive(true).build(&words).ok()
        };
        Self { words, longest, vectors, automaton }
    }

    /// Gives `is_in` the number of each word with where it stands, until it says yes.
    pub fn any(&self, text: &[u8], mut is_in: impl FnMut(usize, usize) -> bool) -> bool {
        if let Some(automaton) = &self.automaton {
            let mut all = automaton.find_overlapping_iter(text);
            return all.any(|found| is_in(found.pattern().as_usize(), found.start()));
        }
        let Some(vectors) = &self.vectors else { return false };
        let mut lower = Vec::with_capacity(text.len().min(STEP + self.longest));
        (0..text.len()).step_by(STEP).any(|from| {
            let to = (from + STEP + self.longest).min(text.len());
            lower.clear();
            lower.extend_from_slice(text.get(from..to).unwrap_or_default());
            lower.make_ascii_lowercase();
            let mut at = 0;
            while let Some(found) = vectors.find_in(&lower, Span { start: at, end: lower.len() }) {
                let start = found.start();
                if start >= STEP {
                    // The next piece begins with it.
                    return false;
                }
                at = start + 1;
                let rest = lower.get(start..).unwrap_or_default();
                let mut here = self.words.iter().enumerate().filter(|(_, word)| rest.starts_with(word));
                if here.any(|(word, _)| is_in(word, from + start)) {
                    return true;
                }
            }
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(labels: &Labels, text: &[u8]) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        labels.any(text, |word, start| {
            out.push((start, word));
            false
        });
        out.sort_unstable();
        out
    }

    proptest! {
        #[test]
        fn vectors_and_automaton_find_the_same(
            words in proptest::collection::btree_set("[ab]{1,6}", 1..8),
            text in "[abAB]{0,60}",
            blanks in prop_oneof![Just(0), STEP - 70..STEP],
        ) {
            let text = [b" ".repeat(blanks), text.into_bytes()].concat();
            let words: Vec<Vec<u8>> = words.into_iter().map(String::into_bytes).collect();
            let slow = AhoCorasick::builder().ascii_case_insensitive(true).build(&words).unwrap();
            let slow = Labels { vectors: None, automaton: Some(slow), ..Labels::new(words.clone()) };
            prop_assert_eq!(found(&Labels::new(words), &text), found(&slow, &text));
        }
    }

    #[test]
    fn without_words_nothing_is_found() {
        assert_eq!(found(&Labels::new(Vec::new()), b"bob@a.example"), []);
    }
}
