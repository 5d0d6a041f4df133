//! Tokens become a tree. `or` binds least, then `and` or nothing between two terms, then `not`.
//!
//! When it fails: the first [`Problem`], at its word. At most 256 terms, 32 brackets and `not`s within each other.

use super::lexer::{Kind, Token, tokens};
use super::span::{Problem, Span};
use super::tree::{Expression, Query, Term};
use super::value::{self, Value};
use super::words::Word;

/// Most terms.
pub const TERMS_MAX: usize = 256;
/// Deepest nesting of brackets and `not`.
pub const DEPTH_MAX: usize = 32;

impl Query {
    /// Reads a query. An empty one asks for everything.
    ///
    /// # Errors
    /// [`Problem`] with the place, what is expected there, and the nearest right word.
    pub fn parse(text: &str) -> Result<Query, Problem> {
        let tokens = tokens(text)?;
        let mut parser = Parser { text, tokens: tokens.into_iter().peekable(), terms: 0 };
        let whole = if parser.tokens.peek().is_none() { None } else { Some(parser.any(0)?) };
        if let Some(token) = parser.tokens.next() {
            return Err(Problem::new(token.span, "a bracket that nothing opened"));
        }
        take_all(whole)
    }
}

/// Takes `all:` out of the terms that stand side by side at the top.
fn take_all(whole: Option<Expression>) -> Result<Query, Problem> {
    let parts = match whole {
        None => Vec::new(),
        Some(Expression::All(parts)) => parts,
        Some(other) => vec![other],
    };
    let is_all = |part: &Expression| matches!(part, Expression::Term(Term { word: Some(Word::All), .. }));
    let (all, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_all);
    let expression = Expression::all(parts);
    if let Some(span) = expression.as_ref().and_then(inner_all) {
        return Err(Problem::new(span, "all: stands beside all others, not within brackets, or or not"));
    }
    Ok(Query { is_all: !all.is_empty(), expression })
}

fn inner_all(expression: &Expression) -> Option<Span> {
    match expression {
        Expression::All(parts) | Expression::Any(parts) => parts.iter().find_map(inner_all),
        Expression::Not(inner) => inner_all(inner),
        Expression::Term(term) => (term.word == Some(Word::All)).then_some(term.span),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    terms: usize,
}

impl Parser<'_> {
    fn end(&self) -> Span {
        Span { start: self.text.len(), end: self.text.len() }
    }

    fn any(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut parts = vec![self.all(depth)?];
        while self.tokens.next_if(|token| token.kind == Kind::Any).is_some() {
            parts.push(self.all(depth)?);
        }
        Expression::any(parts).ok_or_else(|| self.missing(None))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut parts = vec![self.unary(depth)?];
        loop {
            let joins = self.tokens.next_if(|token| token.kind == Kind::All).is_some();
            let ends = self.tokens.peek().is_none_or(|token| matches!(token.kind, Kind::Close | Kind::Any));
            if ends && !joins {
                break;
            }
            parts.push(self.unary(depth)?);
        }
        Expression::all(parts).ok_or_else(|| self.missing(None))
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, Problem> {
        let Some(token) = self.tokens.next() else { return Err(self.missing(None)) };
        if depth >= DEPTH_MAX {
            let reason = format!("brackets and not within each other, {DEPTH_MAX} deep at most");
            return Err(Problem::new(token.span, reason));
        }
        match token.kind {
            Kind::Not => Ok(Expression::Not(Box::new(self.unary(depth + 1)?))),
            Kind::Open => {
                let inner = self.any(depth + 1)?;
                match self.tokens.next() {
                    Some(Token { kind: Kind::Close, .. }) => Ok(inner),
                    _ => Err(Problem::new(token.span, "a bracket without its end")),
                }
            }
            Kind::Field { name, value, value_span } => self.field(name, &value, value_span, token.span),
            Kind::Bare { text, is_quoted } => {
                self.count(token.span)?;
                if text.trim().is_empty() || (is_quoted && text.chars().any(char::is_control)) {
                    return Err(Problem::new(token.span, "nothing to look for"));
                }
                let term = Term { span: token.span, word: None, value: Value::Text(text) };
                Ok(Expression::Term(term))
            }
            Kind::Any | Kind::All | Kind::Close => Err(self.missing(Some(token.span))),
        }
    }

    fn field(
        &mut self,
        name: Span,
        value: &str,
        value_span: Span,
        span: Span,
    ) -> Result<Expression, Problem> {
        self.count(span)?;
        let written = self.text.get(name.start..name.end).unwrap_or_default();
        let Some(word) = Word::parse(written) else {
            let words: Vec<&str> = Word::ALL.into_iter().map(Word::name).collect();
            let reason = format!(
                "no such word before a colon; there are {}; put quotes around a value that has a colon",
                words.join(", ")
            );
            return Err(Problem::new(name, reason).near(Word::nearest(written)));
        };
        let at = if value.is_empty() { span } else { value_span };
        let value = value::read(word, value, at)?;
        Ok(Expression::Term(Term { span, word: Some(word), value }))
    }

    fn count(&mut self, span: Span) -> Result<(), Problem> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(Problem::new(span, format!("at most {TERMS_MAX} terms; ask in parts")));
        }
        Ok(())
    }

    fn missing(&self, at: Option<Span>) -> Problem {
        let reason = "something to look for is missing here: a word such as from:, a bracket, or a value";
        Problem::new(at.unwrap_or_else(|| self.end()), reason)
    }
}
