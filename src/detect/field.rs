//! The lines of a rule's file: a name, a colon and a value each; what stands behind `when:` goes to the end of the file.
//!
//! When it fails: [`Flaw`], with the line and the column of the word.

use crate::query::{Problem, Span};

/// Longest file of a rule, in octets.
const LENGTH_MAX: usize = 16 * 1024;
/// The names, in the order in which files have them.
pub(super) const NAMES: [&str; 10] =
    ["name", "version", "mode", "budget", "owner", "expires", "ja", "en", "at-least", "when"];

/// Why a text is no rule, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file, as it is called.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what is expected; it quotes nothing.
    pub reason: String,
    /// The line with a mark under the word, and the reason, for whoever wrote it.
    pub shown: String,
}

impl Flaw {
    /// Of a problem within a text.
    pub(super) fn new(file: &str, text: &str, problem: Problem) -> Self {
        let start = problem.span.start.min(text.len());
        let head = text.get(..start).unwrap_or_default();
        let begins = head.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(begins..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let within = Span {
            start: start - begins,
            end: problem
                .span
                .end
                .saturating_sub(begins)
                .clamp(start - begins, line.len().max(start - begins)),
        };
        let number = head.matches('\n').count() + 1;
        let problem = Problem { span: within, ..problem };
        let column = problem.column(line);
        let shown = format!("{file}:{number}:{column}\n{}", problem.show(line));
        Self { file: file.to_owned(), line: number, column, reason: problem.sentence(), shown }
    }
}

/// A value with its place in the text.
#[derive(Clone, Copy)]
pub(super) struct Field<'t> {
    pub name: &'static str,
    pub value: &'t str,
    pub at: usize,
}

impl Field<'_> {
    pub fn span(&self) -> Span {
        Span { start: self.at, end: self.at + self.value.len() }
    }

    /// That its value is none.
    pub fn wrong(&self, reason: impl Into<String>) -> Problem {
        Problem { span: self.span(), reason: reason.into(), nearest: None }
    }
}

/// All fields of a file, in order.
pub(super) fn fields(text: &str) -> Result<Vec<Field<'_>>, Problem> {
    let at = |start, end, reason: String| Problem { span: Span { start, end }, reason, nearest: None };
    if text.len() > LENGTH_MAX {
        return Err(at(0, 0, format!("a rule has at most {LENGTH_MAX} octets")));
    }
    let (mut found, mut start): (Vec<Field<'_>>, usize) = (Vec::new(), 0);
    while start < text.len() {
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        let begins = start + (line.len() - line.trim_start().len());
        let bare = line.trim();
        start += length;
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let Some((name, _)) = bare.split_once(':') else {
            return Err(at(begins, begins + bare.len(), "a line is a name, a colon and a value".into()));
        };
        let end = begins + name.len();
        let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
            let near = crate::query::nearest(name, NAMES.into_iter());
            let reason = format!("no such name; there are {}", NAMES.join(", "));
            return Err(Problem { nearest: near, ..at(begins, end, reason) });
        };
        if found.iter().any(|field| field.name == known) {
            return Err(at(begins, end, "it stands there twice".into()));
        }
        // An expression goes on over lines.
        let whole = if known == "when" { text.get(end + 1..) } else { text.get(end + 1..start) };
        let whole = whole.unwrap_or_default();
        let value = whole.trim();
        let lead = whole.len() - whole.trim_start().len();
        if value.is_empty() {
            return Err(at(begins, end, format!("{known}: has no value")));
        }
        found.push(Field { name: known, value, at: end + 1 + lead });
        if known == "when" {
            break;
        }
    }
    Ok(found)
}
