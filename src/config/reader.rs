//! Takes keys out of the tree, one by one, and notes every problem on the way instead of stopping at the first.
//!
//! Rules: a key is asked for with its default and its kind in one place; what nobody asked for is unknown and
//! refused, with the nearest known key as the cure. A value with a problem is replaced by its default, and checks
//! across keys leave it alone, so that one mistake is reported once.

use super::problem::{Place, Problem};
use super::tree::{Entry, Tree, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Why a value is refused, and what to write instead.
pub(super) struct Flaw {
    pub(super) reason: String,
    pub(super) cure: String,
}

impl Flaw {
    pub(super) fn new(reason: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { reason: reason.into(), cure: cure.into() }
    }
}

/// What a kind may know besides the value.
pub(super) struct Context {
    /// Relative paths count from here.
    pub(super) dir: PathBuf,
}

pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    context: Context,
    problems: Vec<Problem>,
    /// Where each key that was given stands.
    places: BTreeMap<String, Place>,
    known: BTreeSet<String>,
}

impl Reader {
    pub(super) fn new(tree: Tree, dir: &Path, problems: Vec<Problem>) -> Self {
        let places = tree.0.iter().map(|(key, entry)| (key.clone(), entry.place.clone())).collect();
        let context = Context { dir: dir.to_owned() };
        Self { entries: tree.0, context, problems, places, known: BTreeSet::new() }
    }

    /// Takes `key`, or reads `default`, the text that stands in `deploy/anshin.toml`.
    ///
    /// `None` only when the default itself cannot be read.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        default: &str,
        kind: impl Fn(&Value, &Context) -> Result<T, Flaw>,
    ) -> Option<T> {
        self.known.insert(key.to_owned());
        if let Some(entry) = self.entries.remove(key) {
            match kind(&entry.value, &self.context) {
                Ok(value) => return Some(value),
                Err(flaw) => self.problems.push(Problem::new(key, entry.place, flaw.reason, flaw.cure)),
            }
        }
        match kind(&Value::Raw(default.to_owned()), &self.context) {
            Ok(value) => Some(value),
            Err(flaw) => {
                self.refuse(key, format!("the built-in default is refused: {}", flaw.reason), flaw.cure);
                None
            }
        }
    }

    /// Takes `key`, which has no default.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        cure: &str,
        kind: impl Fn(&Value, &Context) -> Result<T, Flaw>,
    ) -> Option<T> {
        self.known.insert(key.to_owned());
        match self.entries.remove(key) {
            Some(entry) => match kind(&entry.value, &self.context) {
                Ok(value) => return Some(value),
                Err(flaw) => self.problems.push(Problem::new(key, entry.place, flaw.reason, flaw.cure)),
            },
            None => self.refuse(key, "is missing", cure),
        }
        None
    }

    /// How many tables the list `key` has: `key[1]`, `key[2]` and so on. The key itself is known afterwards.
    pub(super) fn tables(&mut self, key: &str) -> usize {
        self.known.insert(key.to_owned());
        if self.entries.get(key).is_some_and(|e| e.value == Value::List(Vec::new())) {
            self.entries.remove(key);
        }
        // `[key]` or a value where `[[key]]` belongs: one report for all of it.
        let below = format!("{key}.");
        let misplaced: Vec<_> =
            self.entries.extract_if(.., |k, _| k == key || k.starts_with(&below)).collect();
        if let Some((_, entry)) = misplaced.into_iter().next() {
            let reason = "is a value or a single table, not a list of tables";
            self.problems.push(Problem::new(key, entry.place, reason, format!("write each as [[{key}]]")));
        }
        let has = |i: usize| {
            let (table, below) = (format!("{key}[{i}]"), format!("{key}[{i}]."));
            self.places.keys().any(|k| *k == table || k.starts_with(&below))
        };
        (1..).take_while(|i| has(*i)).count()
    }

    /// Whether `key` was given at all.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// Whether the environment set `key`.
    pub(super) fn is_from_environment(&self, key: &str) -> bool {
        matches!(self.places.get(key), Some(Place::Environment(_)))
    }

    /// Whether none of `keys` has a problem so far.
    pub(super) fn are_sound(&self, keys: &[&str]) -> bool {
        self.problems.iter().all(|p| !keys.contains(&p.key.as_str()))
    }

    /// Whether there is no problem so far.
    pub(super) fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Notes a problem of `key`.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>, cure: impl Into<String>) {
        let place = self.places.get(key).cloned().unwrap_or(Place::Default);
        self.problems.push(Problem::new(key, place, reason, cure));
    }

    /// Notes every key that nobody took.
    pub(super) fn refuse_unknown(&mut self) {
        for (key, entry) in std::mem::take(&mut self.entries) {
            let section = format!("{key}.");
            let is_section = self.known.iter().any(|k| k.starts_with(&section));
            if entry.value == Value::EmptyTable && (is_section || key.ends_with(']')) {
                continue;
            }
            let (reason, cure) = if is_section {
                ("is a section, not a value".to_owned(), format!("write its keys below [{key}]"))
            } else {
                let cure = match self.nearest(&key) {
                    Some(known) => format!("did you mean {known}? deploy/anshin.toml lists every key"),
                    None => "remove it; deploy/anshin.toml lists every key".to_owned(),
                };
                ("there is no such key".to_owned(), cure)
            };
            self.problems.push(Problem::new(key, entry.place, reason, cure));
        }
    }

    /// The known keys, for the test that compares them with `deploy/anshin.toml`.
    #[cfg(test)]
    pub(super) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    pub(super) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// The known key that most likely was meant: the same last word in another section, or few letters away.
    fn nearest(&self, key: &str) -> Option<&str> {
        let last = |k: &str| k.rsplit('.').next().unwrap_or_default().to_owned();
        let allowed = (key.len() / 4).clamp(1, 3);
        let close = self.known.iter().map(|k| (distance(k, key), k)).filter(|(d, _)| *d <= allowed).min();
        let same_word = || self.known.iter().find(|k| last(k) == last(key));
        close.map(|(_, k)| k).or_else(same_word).map(String::as_str)
    }
}

/// Letters to insert, delete or change to come from `a` to `b` (Levenshtein 1966). Keys longer than 64 octets are far.
fn distance(a: &str, b: &str) -> usize {
    if a.len().max(b.len()) > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            left = (diagonal + usize::from(x != y)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_two_words_is_the_least_number_of_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("listen", "listne", 2),
            ("keys.dir", "key.dir", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
