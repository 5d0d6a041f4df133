//! Where something stands in the text of a query, and what is wrong there.
//!
//! A problem is shown to whoever typed the query, with his line and a mark under the word; what goes into logs or to
//! another program is `reason` and `span`, which quote nothing.

use std::fmt::Write as _;

/// Octets of the text, from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// Longest piece of the text that is shown around a problem, in characters on either side.
const AROUND: usize = 60;

/// Why a text is no query, or a query can't be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub span: Span,
    /// What is wrong, and what is expected; it quotes nothing.
    pub reason: String,
    /// The nearest right word, of the language's own.
    pub nearest: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(span: Span, reason: impl Into<String>) -> Self {
        Self { span, reason: reason.into(), nearest: None }
    }

    pub(super) fn near(mut self, nearest: Option<&'static str>) -> Self {
        self.nearest = nearest;
        self
    }

    /// The place as a person counts: characters from 1.
    #[must_use]
    pub fn column(&self, text: &str) -> usize {
        text.get(..self.span.start).map_or(0, |before| before.chars().count()) + 1
    }

    /// The reason with the nearest right word.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.nearest {
            Some(word) => format!("{}; did you mean {word}?", self.reason),
            None => self.reason.clone(),
        }
    }

    /// For whoever typed `text`: his line, a mark under the word, and the reason.
    #[must_use]
    pub fn show(&self, text: &str) -> String {
        let Span { start, end } = self.span;
        let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
        let (word, after) = rest.split_at_checked(end.saturating_sub(start)).unwrap_or((rest, ""));
        let skipped = before.chars().count().saturating_sub(AROUND);
        let before: String = before.chars().skip(skipped).map(plain).collect();
        let word: String = word.chars().take(AROUND).map(plain).collect();
        let after: String = after.chars().take(AROUND).map(plain).collect();
        let lead = if skipped > 0 { "…" } else { "" };
        let indent = " ".repeat(columns(lead) + columns(&before));
        let mark = "^".repeat(columns(&word).max(1));
        let mut shown = String::new();
        let _ = write!(shown, "{lead}{before}{word}{after}\n{indent}{mark}\n{}", self.sentence());
        shown
    }
}

/// A character that moves no cursor and hides none.
fn plain(c: char) -> char {
    if c.is_control() || ('\u{200b}'..='\u{202e}').contains(&c) || ('\u{2060}'..='\u{206f}').contains(&c) {
        ' '
    } else {
        c
    }
}

/// How many columns of a terminal a text takes: letters of East Asia take two (UAX #11, as far as queries need it).
fn columns(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1f64f}'
            | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// Of `words` the one that takes the fewest changes of letters to become, if that is few enough to be meant.
pub(crate) fn nearest(typed: &str, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let typed: Vec<char> = typed.to_lowercase().chars().take(32).collect();
    let far = |word: &&'static str| distance(&typed, &word.chars().collect::<Vec<_>>());
    let best = words.min_by_key(far)?;
    (far(&best) <= 1 + best.len() / 4).then_some(best)
}

/// Changes of one letter, or of two neighbours, that make one word the other (Damerau and Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let (mut two_ago, mut before): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |of: &[usize], j: usize| of.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut least = at(&before, j) + usize::from(x != y);
            least = least.min(at(&before, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&two_ago, j - 1) + 1);
            }
            row.push(least);
        }
        two_ago = std::mem::replace(&mut before, row);
    }
    before.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_the_word_also_behind_wide_letters_and_in_long_queries() {
        let text = "\"花屋\" form:x";
        let start = text.find("form").unwrap();
        let problem = Problem::new(Span { start, end: start + 4 }, "no such word").near(Some("from:"));
        assert_eq!(problem.show(text), "\"花屋\" form:x\n       ^^^^\nno such word; did you mean from:?");
        assert_eq!(problem.column(text), 6);
        let text = format!("{}form:x", "x ".repeat(100));
        let problem = Problem::new(Span { start: 200, end: 204 }, "no such word");
        let shown = problem.show(&text);
        let mut lines = shown.lines();
        let (line, mark) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(line.chars().skip(mark.len() - 4).take(4).collect::<String>(), "form");
    }

    #[test]
    fn the_nearest_word_is_one_that_may_be_meant() {
        let near = |typed| nearest(typed, ["from", "country", "to"].into_iter());
        assert_eq!((near("form"), near("contry"), near("colour")), (Some("from"), Some("country"), None));
    }
}
