//! What a query asks for at all, for who keeps one to ask it again and again.

use super::span::Span;
use super::tree::{Expression, Query, Term};
use super::value::Value;
use super::words::Word;

impl Query {
    /// Whether it asks for everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.expression.is_none()
    }

    /// Whether it reaches back over all that is kept.
    #[must_use]
    pub fn is_of_all_time(&self) -> bool {
        self.is_all
    }

    /// The first term that names a time.
    #[must_use]
    pub fn first_time(&self) -> Option<Span> {
        self.first(&|term| matches!(term.value, Value::When(_) | Value::Nothing))
    }

    /// The first term that names a file of this machine.
    #[must_use]
    pub fn first_file(&self) -> Option<Span> {
        self.first(&|term| matches!(term.value, Value::File(_)))
    }

    /// Whether nothing but one event can be what it asks for.
    #[must_use]
    pub fn asks_for_event(&self, event: &str) -> bool {
        let is_it = |part: &Expression| matches!(part, Expression::Term(Term { word: Some(Word::Event), value: Value::OneOf(own), .. }) if *own == event);
        match &self.expression {
            Some(Expression::All(parts)) => parts.iter().any(is_it),
            Some(part) => is_it(part),
            None => false,
        }
    }

    fn first(&self, is_it: &dyn Fn(&Term) -> bool) -> Option<Span> {
        fn within(part: &Expression, is_it: &dyn Fn(&Term) -> bool) -> Option<Span> {
            match part {
                Expression::All(parts) | Expression::Any(parts) => {
                    parts.iter().find_map(|part| within(part, is_it))
                }
                Expression::Not(inner) => within(inner, is_it),
                Expression::Term(term) => is_it(term).then_some(term.span),
            }
        }
        self.expression.as_ref().and_then(|whole| within(whole, is_it))
    }
}
