//! What can stand at a place of a query: words, and the values of closed lists.

use super::lexer::{ends, field};
use super::span::Span;
use super::value::choices;
use super::words::{Takes, Word};

/// What may be typed, and in place of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub replaces: Span,
    /// Each with what it asks, where it is a word.
    pub items: Vec<(String, &'static str)>,
}

/// What can stand at an octet of a text.
#[must_use]
pub fn complete(text: &str, cursor: usize) -> Completion {
    let before = text.get(..cursor).unwrap_or(text);
    let start = start_of_run(before);
    let Some(start) = start else {
        let at = before.len();
        return Completion { replaces: Span { start: at, end: at }, items: Vec::new() };
    };
    let run = before.get(start..).unwrap_or_default();
    let (start, run) = match run.strip_prefix('-') {
        Some(rest) => (start + 1, rest),
        None => (start, run),
    };
    let end = before.len();
    if let Some((name, colon)) = field(run) {
        let (name, value) =
            (run.get(..name).unwrap_or_default(), run.get(name + colon..).unwrap_or_default());
        let listed = Word::parse(name).map(choices).unwrap_or_default();
        let begins = |choice: &String| choice.starts_with(&value.to_lowercase());
        let items = listed.into_iter().filter(begins).map(|choice| (choice, "")).collect();
        return Completion { replaces: Span { start: end - value.len(), end }, items };
    }
    let typed = run.to_lowercase();
    let mut items: Vec<(String, &'static str)> = Word::ALL
        .into_iter()
        .filter(|word| word.name().starts_with(&typed))
        .map(|word| {
            let blank = if word.takes() == Takes::Nothing { " " } else { "" };
            (format!("{}:{blank}", word.name()), word.about())
        })
        .collect();
    let follows =
        before.get(..start).is_some_and(|left| !left.trim_end_matches(['(', '-', '|']).trim().is_empty());
    let operators = [("or ", "either of both"), ("and ", "both"), ("not ", "not what follows")];
    items.extend(
        operators
            .into_iter()
            .filter(|(word, _)| (follows || *word == "not ") && word.starts_with(&typed) && !typed.is_empty())
            .map(|(word, about)| (word.to_owned(), about)),
    );
    Completion { replaces: Span { start, end }, items }
}

/// Where the run begins that ends at the end of the text; `None` within quotes, where nothing is known.
fn start_of_run(before: &str) -> Option<usize> {
    let (mut start, mut is_quoted, mut chars) = (0, false, before.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if is_quoted => drop(chars.next()),
            '"' => {
                is_quoted = !is_quoted;
                start = at + 1;
            }
            c if !is_quoted && ends(c) => start = at + c.len_utf8(),
            _ => {}
        }
    }
    (!is_quoted).then_some(start)
}
