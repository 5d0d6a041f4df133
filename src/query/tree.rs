//! What a query is once it is read. It may hold what people are called, and so can't be printed by accident: it has no
//! `Debug` and no `Display`; `print.rs` writes it for whoever asked.

use super::span::Span;
use super::value::Value;
use super::words::Word;

/// A query. Two are equal that ask for the same in the same order, wherever their words stand.
#[derive(PartialEq)]
pub struct Query {
    /// Whether it reaches back over all that is kept.
    pub(super) is_all: bool,
    /// `None`: everything.
    pub(super) expression: Option<Expression>,
}

/// Terms and what joins them.
#[derive(PartialEq)]
pub(super) enum Expression {
    /// Two or more, none of them an `All`.
    All(Vec<Expression>),
    /// Two or more, none of them an `Any`.
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Term(Term),
}

/// One thing that is asked of a row.
pub(super) struct Term {
    pub span: Span,
    /// `None`: a bare word, which is looked for among all identities.
    pub word: Option<Word>,
    pub value: Value,
}

impl Query {
    /// Puts in place of each file that it names the SHA-256 of what is in it.
    ///
    /// # Errors
    /// The first of `hash`.
    pub fn with_files<E>(mut self, hash: &mut dyn FnMut(&str) -> Result<[u8; 32], E>) -> Result<Self, E> {
        if let Some(expression) = &mut self.expression {
            expression.put_hashes(hash)?;
        }
        Ok(self)
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word && self.value == other.value
    }
}

impl Expression {
    /// All of several; one alone is itself.
    pub fn all(parts: Vec<Expression>) -> Option<Expression> {
        let flat = parts.into_iter().flat_map(|part| match part {
            Expression::All(inner) => inner,
            other => vec![other],
        });
        Self::joined(flat.collect(), Expression::All)
    }

    /// Any of several; one alone is itself.
    pub fn any(parts: Vec<Expression>) -> Option<Expression> {
        let flat = parts.into_iter().flat_map(|part| match part {
            Expression::Any(inner) => inner,
            other => vec![other],
        });
        Self::joined(flat.collect(), Expression::Any)
    }

    fn put_hashes<E>(&mut self, hash: &mut dyn FnMut(&str) -> Result<[u8; 32], E>) -> Result<(), E> {
        match self {
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter_mut().try_for_each(|part| part.put_hashes(hash))
            }
            Expression::Not(inner) => inner.put_hashes(hash),
            Expression::Term(term) => {
                if let Value::File(name) = &term.value {
                    term.value = Value::Hash(hash(name)?);
                }
                Ok(())
            }
        }
    }

    fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Option<Expression> {
        match parts.len() {
            0 | 1 => parts.pop(),
            _ => Some(join(parts)),
        }
    }
}
