//! Failures in groups, and the page of places.
//!
//! Rules: a group is the widest description under which nearly everything fails, so that a fault that shows in
//! thousands of variants is one line.

use super::claim::{Failure, Wrong};
use super::variant::Variant;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What of a variant can describe a group.
const SIDES: [&str; 7] = ["pass", "place", "inside", "encoding", "charset", "spelling", "canary"];
/// Share of a group that must fail, in percent.
const NEARLY_ALL: usize = 85;
/// Groups shown for each kind of failure.
const SHOWN: usize = 40;

type Traits = [u16; SIDES.len()];

/// All verdicts of a run.
#[derive(Default)]
pub struct Verdicts {
    words: Vec<String>,
    index: BTreeMap<String, u16>,
    all: Vec<Traits>,
    failed: BTreeMap<Wrong, Vec<(usize, String)>>,
}

impl Verdicts {
    fn word(&mut self, text: &str) -> u16 {
        if let Some(known) = self.index.get(text) {
            return *known;
        }
        let number = u16::try_from(self.words.len()).unwrap();
        self.words.push(text.to_owned());
        self.index.insert(text.to_owned(), number);
        number
    }

    /// Notes one variant; `failure` is what is wrong with it.
    pub fn note(&mut self, variant: &Variant<'_>, failure: Option<&Failure>) {
        let spelling = format!("{}: {}", variant.spelling.group, variant.spelling.name);
        let traits = [
            variant.pass,
            &variant.place,
            &variant.inside,
            variant.encoding,
            variant.charset,
            &spelling,
            variant.canary.name,
        ]
        .map(|text| self.word(text));
        if let Some(failure) = failure {
            let example =
                format!("variant {}; {}", variant.number, failure.note.chars().take(160).collect::<String>());
            self.failed.entry(failure.wrong).or_default().push((self.all.len(), example));
        }
        self.all.push(traits);
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    pub fn failures(&self) -> usize {
        self.failed.values().map(Vec::len).sum()
    }

    /// The groups, largest first, for each kind of failure.
    pub fn groups(&self) -> String {
        let mut out = String::new();
        for (wrong, failed) in &self.failed {
            writeln!(out, "\n{wrong:?}: {} of {}", failed.len(), self.all.len()).unwrap();
            let mut open: Vec<&(usize, String)> = failed.iter().collect();
            // The way of the mail is a subject of its own.
            let trace = |which: usize| self.words[usize::from(self.all[which][0])].starts_with("trace");
            let traces = open.iter().filter(|(which, _)| trace(*which)).count();
            if traces > 0 {
                writeln!(out, "  {traces:6}  in passes for hosts, IP addresses, domains (trace)").unwrap();
                let many = traces * 10 > open.len() && std::env::var_os("ANSHIN_TRACES").is_none();
                open.retain(|(which, _)| !(many && trace(*which)));
            }
            for _ in 0..SHOWN {
                let Some((sides, count)) = self.widest(&open, failed) else { break };
                let is_in = |which: usize| sides.iter().all(|(side, word)| self.all[which][*side] == *word);
                let example =
                    open.iter().find(|(which, _)| is_in(*which)).map_or("", |(_, text)| text.as_str());
                let name: Vec<String> = sides
                    .iter()
                    .map(|(side, word)| format!("{} {:?}", SIDES[*side], self.words[usize::from(*word)]))
                    .collect();
                writeln!(out, "  {count:6}  {}\n            {example}", name.join(", ")).unwrap();
                open.retain(|(which, _)| !is_in(*which));
            }
            if !open.is_empty() {
                writeln!(out, "  {:6}  others", open.len()).unwrap();
            }
        }
        out
    }

    /// The description with the most failures among `open` of which nearly all fail; of single ones, else of pairs.
    fn widest(
        &self,
        open: &[&(usize, String)],
        failed: &[(usize, String)],
    ) -> Option<(Vec<(usize, u16)>, usize)> {
        let fails: BTreeSet<usize> = failed.iter().map(|(which, _)| *which).collect();
        let mut best: Option<(Vec<(usize, u16)>, usize)> = None;
        for pair in [false, true] {
            let keys = |traits: &Traits| {
                let mut keys: Vec<[(usize, u16); 2]> = Vec::new();
                for side in 0..SIDES.len() {
                    for other in if pair { side + 1..SIDES.len() } else { side..side + 1 } {
                        keys.push([(side, traits[side]), (other, traits[other])]);
                    }
                }
                keys
            };
            let mut counts: BTreeMap<[(usize, u16); 2], [usize; 3]> = BTreeMap::new();
            for (which, _) in open {
                for key in keys(&self.all[*which]) {
                    counts.entry(key).or_default()[0] += 1;
                }
            }
            for (which, traits) in self.all.iter().enumerate() {
                for key in keys(traits) {
                    if let Some(count) = counts.get_mut(&key) {
                        count[1] += 1;
                        count[2] += usize::from(fails.contains(&which));
                    }
                }
            }
            for (key, [now, all, failing]) in counts {
                let good = failing * 100 >= all * NEARLY_ALL && all >= 3;
                if good && best.as_ref().is_none_or(|(_, count)| now > *count) {
                    let mut sides = key.to_vec();
                    sides.dedup();
                    best = Some((sides, now));
                }
            }
            if best.as_ref().is_some_and(|(_, count)| *count * 50 >= open.len()) {
                return best;
            }
        }
        best.or_else(|| {
            // Nothing is clear any more: the most frequent side of those that are left.
            let mut counts: BTreeMap<(usize, u16), usize> = BTreeMap::new();
            for (which, _) in open {
                for side in 1..SIDES.len() - 1 {
                    *counts.entry((side, self.all[*which][side])).or_default() += 1;
                }
            }
            let (side, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
            Some((vec![side], count))
        })
    }
}
