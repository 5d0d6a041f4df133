//! The text of a query as tokens, each with its place.
//!
//! Rules: blanks part tokens, the ideographic one too; brackets and `|` stand alone; `-` before something is `not`; what is in
//! quotes is one value, with `\"` and `\\` within. A token that begins with letters and a colon, that of full width too, is a
//! word of the language, unless the whole is an IP address.
//! When it fails: a control character, a quote without its end, a text that is too long.

use super::span::{Problem, Span};
use super::value;

/// Longest query, in octets.
pub const LENGTH_MAX: usize = 4096;

#[derive(PartialEq)]
pub(super) enum Kind {
    Open,
    Close,
    Any,
    All,
    Not,
    /// `name:value`; the value as it is meant, without quotes.
    Field {
        name: Span,
        value: String,
        value_span: Span,
    },
    /// Whether it was in quotes.
    Bare {
        text: String,
        is_quoted: bool,
    },
}

pub(super) struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// Cuts a text into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    if text.len() > LENGTH_MAX {
        let end = text.len();
        return Err(Problem::new(
            Span { start: end, end },
            format!("a query has at most {LENGTH_MAX} octets; ask in parts"),
        ));
    }
    if let Some((start, c)) = text.char_indices().find(|(_, c)| c.is_control() && !c.is_whitespace()) {
        let span = Span { start, end: start + c.len_utf8() };
        return Err(Problem::new(span, "a control character, which no value has"));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Option<Token>, Problem> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let one = match first {
            '(' => Some(Kind::Open),
            ')' => Some(Kind::Close),
            '|' => Some(Kind::Any),
            '-' if self
                .rest()
                .chars()
                .nth(1)
                .is_some_and(|next| !ends(next) || next == '"' || next == '(') =>
            {
                Some(Kind::Not)
            }
            _ => None,
        };
        if let Some(kind) = one {
            self.at += first.len_utf8();
            return Ok(Some(Token { kind, span: Span { start, end: self.at } }));
        }
        if first == '"' {
            let text = self.quoted()?;
            let span = Span { start, end: self.at };
            return Ok(Some(Token { kind: Kind::Bare { text, is_quoted: true }, span }));
        }
        let run = self.rest();
        let run = run.get(..run.find(ends).unwrap_or(run.len())).unwrap_or_default().to_owned();
        self.at += run.len();
        let whole = Span { start, end: self.at };
        let kind = match field(&run) {
            Some((name, colon)) => {
                let name = Span { start, end: start + name };
                let (value, value_start) =
                    (run.get(name.end - start + colon..).unwrap_or_default(), name.end + colon);
                // A quote behind the colon begins the value.
                let value = if value.is_empty() && self.rest().starts_with('"') {
                    self.quoted()?
                } else {
                    value.to_owned()
                };
                let value_span = Span { start: value_start, end: self.at };
                Kind::Field { name, value, value_span }
            }
            None if run.eq_ignore_ascii_case("or") => Kind::Any,
            None if run.eq_ignore_ascii_case("and") => Kind::All,
            None if run.eq_ignore_ascii_case("not") => Kind::Not,
            None => Kind::Bare { text: run, is_quoted: false },
        };
        Ok(Some(Token { kind, span: Span { end: self.at, ..whole } }))
    }

    /// What is in quotes, from the first quote to behind the last.
    fn quoted(&mut self) -> Result<String, Problem> {
        let (start, mut value) = (self.at, String::new());
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((_, c)) = chars.next() {
            match c {
                '"' => {
                    let behind = chars.next().map_or(self.text.len(), |(at, _)| start + at);
                    self.at = behind;
                    return Ok(value);
                }
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                c => value.push(c),
            }
        }
        let span = Span { start, end: self.text.len() };
        Err(Problem::new(
            span,
            "a quote without its end: put \" behind the value, and \\\" where it has one itself",
        ))
    }
}

/// Whether a character ends a run.
pub(super) fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '|' | '"')
}

/// The length of a word before its colon, and of the colon.
pub(super) fn field(run: &str) -> Option<(usize, usize)> {
    let at = run.find([':', '：'])?;
    let (name, rest) = run.split_at_checked(at)?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let colon = rest.chars().next().map_or(1, char::len_utf8);
    (is_name && value::ip(run).is_none() && value::net(run).is_none()).then_some((at, colon))
}
