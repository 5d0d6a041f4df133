//! From a query to what must be found out before it can be planned: which names it has, and of what time it asks.
//!
//! Rules: pure; the time comes in. A query without an `after:` reaches back 30 days, and the answer says so; so does each branch of
//! an `or` without one where another has one.

use super::bare::{Sought, forms};
use super::filter::{Column, Comparison, Filter, Numbers, Test};
use super::masked::masked;
use super::span::{Problem, Span};
use super::tree::{Expression, Query, Term};
use super::value::Value;
use super::when::When;
use super::words::{TLS, Word};
use crate::mail::Timestamp;

/// How far back a query reaches that names no time, in days.
pub const DEFAULT_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;
/// How far clocks of machines may be ahead.
const AHEAD_MS: i64 = 3_600_000;

/// From when until before when, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: i64,
    pub until: i64,
    /// Whether the query named no beginning.
    pub is_default: bool,
    /// Whether only branches of an `or` named none: those reach as far back as a query does that names none.
    pub is_default_of_branches: bool,
    /// Whether the query named no end.
    pub is_open: bool,
    /// Until when ids may be by a clock that is right.
    pub latest: i64,
}

/// A name whose numbers are to be found.
pub struct Seek<'q> {
    pub word: Word,
    pub what: Sought<'q>,
    pub span: Span,
    /// Whether it is one of several things that a bare word may be.
    pub is_bare: bool,
}

/// What a term is called where a row says which matched, without what it names.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub text: String,
    pub filter: Filter,
}

/// A query, half way to its plan.
pub struct Outline<'q> {
    pub window: Window,
    pub seeks: Vec<Seek<'q>>,
    pub(super) is_all: bool,
    pub(super) filter: Filter,
    pub(super) labels: Vec<Label>,
}

impl<'q> Outline<'q> {
    /// Of a query that is asked now.
    ///
    /// # Errors
    /// [`Problem`] where it names a file, which only a command may read.
    pub fn of(query: &'q Query, now: Timestamp) -> Result<Self, Problem> {
        let mut making = Making { now, seeks: Vec::new(), labels: Vec::new() };
        let filter = match &query.expression {
            Some(expression) => making.filter(expression, true)?,
            None => Filter::Always,
        };
        let (from, end) = filter.hull();
        let latest = now.as_millis().saturating_add(AHEAD_MS);
        let until = end.min(latest).max(0);
        let names_none = from == i64::MIN && !query.is_all;
        let by_default = until.min(now.as_millis()).saturating_sub(DEFAULT_DAYS * DAY_MS);
        let is_default_of_branches = names_none && filter.names_a_beginning();
        let filter = if is_default_of_branches { filter.since(by_default) } else { filter };
        let is_default = names_none && !is_default_of_branches;
        let from = if is_default { by_default } else { filter.hull().0 };
        let window = Window {
            from: from.clamp(0, until),
            until,
            is_default,
            is_default_of_branches,
            is_open: end == i64::MAX,
            latest,
        };
        let Making { seeks, labels, .. } = making;
        Ok(Self { window, seeks, is_all: query.is_all, filter, labels })
    }
}

struct Making<'q> {
    now: Timestamp,
    seeks: Vec<Seek<'q>>,
    labels: Vec<Label>,
}

impl<'q> Making<'q> {
    fn filter(&mut self, expression: &'q Expression, is_wanted: bool) -> Result<Filter, Problem> {
        Ok(match expression {
            Expression::All(parts) => {
                Filter::all(parts.iter().map(|part| self.filter(part, is_wanted)).collect::<Result<_, _>>()?)
            }
            Expression::Any(parts) => {
                Filter::any(parts.iter().map(|part| self.filter(part, is_wanted)).collect::<Result<_, _>>()?)
            }
            Expression::Not(inner) => Filter::not(self.filter(inner, !is_wanted)?),
            Expression::Term(term) => self.term(term, is_wanted)?,
        })
    }

    fn term(&mut self, term: &'q Term, is_wanted: bool) -> Result<Filter, Problem> {
        let (Some(word), value) = (term.word, &term.value) else {
            let Value::Text(text) = &term.value else { return Ok(Filter::Never) };
            let found = forms(text);
            if found.is_empty() {
                return Err(Problem::new(term.span, "this has the form of nothing that is recorded"));
            }
            let alternatives = found.into_iter().map(|(word, what)| {
                let filter = self.seek(word, what, term.span, true);
                self.label(word, text, &filter, is_wanted);
                filter
            });
            return Ok(Filter::any(alternatives.collect()));
        };
        let filter = match value {
            Value::When(when) => self.time(word, *when),
            Value::File(_) => {
                return Err(Problem::new(
                    term.span,
                    "hash: a file can be named in a command alone; name its SHA-256",
                ));
            }
            value => match self.plain(word, value) {
                Some(filter) => filter,
                None => match sought(word, value) {
                    Some(what) => self.seek(word, what, term.span, false),
                    None => Filter::Always,
                },
            },
        };
        if !matches!(value, Value::When(_) | Value::Nothing) {
            self.label(word, &super::print::value_text(value, Some(word)), &filter, is_wanted);
        }
        Ok(filter)
    }

    fn label(&mut self, word: Word, value: &str, filter: &Filter, is_wanted: bool) {
        if is_wanted {
            let text = format!("{}:{}", word.name(), masked(word, value));
            self.labels.push(Label { text, filter: filter.clone() });
        }
    }

    fn seek(&mut self, word: Word, what: Sought<'q>, span: Span, is_bare: bool) -> Filter {
        self.seeks.push(Seek { word, what, span, is_bare });
        Filter::Sought(self.seeks.len() - 1)
    }

    fn time(&self, word: Word, when: When) -> Filter {
        let (start, end) = when.range(self.now);
        let (from, until) = match word {
            Word::After => (start, i64::MAX),
            Word::Before => (i64::MIN, start),
            _ => (start, end),
        };
        Filter::Test(Test::Time { from, until })
    }

    /// What needs no look-up.
    fn plain(&self, word: Word, value: &Value) -> Option<Filter> {
        Some(match (word, value) {
            (Word::Asn, Value::Asn(number)) => Filter::keyed(&[Column::Asn], &Numbers::fixed(vec![*number])),
            (Word::Country | Word::Origin, Value::Country(letters)) => {
                let columns: &[Column] = match word {
                    Word::Country => &[Column::Country, Column::Country2],
                    _ => &[Column::OriginCountry],
                };
                match letters {
                    Some(letters) => {
                        let text = String::from_utf8_lossy(letters);
                        Filter::any(columns.iter().map(|column| Filter::text(*column, &text)).collect())
                    }
                    None => Filter::all(
                        columns.iter().map(|column| Filter::Test(Test::Absent(*column))).collect(),
                    ),
                }
            }
            (_, Value::Auth { method, verdict }) => {
                let column = match *method {
                    "spf" => Column::Spf,
                    "dkim" => Column::Dkim,
                    "dmarc" => Column::Dmarc,
                    _ => Column::Arc,
                };
                Filter::text(column, verdict)
            }
            (Word::Event, Value::OneOf(event)) => Filter::text(Column::Event, event),
            (Word::Direction, Value::OneOf(direction)) => Filter::text(Column::Direction, direction),
            (Word::Tls, Value::OneOf(version)) => match TLS.iter().find(|known| known.0 == *version) {
                Some((_, Some(recorded))) => Filter::text(Column::Tls, recorded),
                _ => Filter::Test(Test::Absent(Column::Tls)),
            },
            (_, Value::Pattern { text, is_prefix }) => {
                Filter::Test(Test::Text { column: Column::Result, text: text.clone(), is_prefix: *is_prefix })
            }
            (_, Value::Flag(flag)) => Filter::Test(Test::Flag(flag.bit())),
            (word, Value::Number(compare)) => {
                let column = match word {
                    Word::Files => Column::Files,
                    Word::Hops => Column::Hops,
                    Word::Recipients => Column::Recipients,
                    _ => Column::Size,
                };
                Filter::Test(Test::Number { column, compare: Comparison(*compare) })
            }
            _ => return None,
        })
    }
}

/// The name that a value is.
fn sought(word: Word, value: &Value) -> Option<Sought<'_>> {
    Some(match (word, value) {
        (_, Value::Address(address)) => Sought::Address(address),
        (_, Value::Domain(domain)) => Sought::Domain(domain.clone()),
        (_, Value::Order { store, no }) => Sought::Order { store: store.as_deref(), no },
        (Word::Store, Value::Text(text)) => Sought::Store(text),
        (Word::Login, Value::Text(text)) => Sought::Login(text),
        (Word::Mailer, Value::Text(text)) => Sought::Mailer(text),
        (Word::Answers, Value::Text(text)) => Sought::Answers(text),
        (Word::Id, Value::Text(text)) => Sought::Id(text),
        (_, Value::Ip(ip)) => Sought::Ip(*ip),
        (_, Value::Net(net)) => Sought::Nets(net.parts()),
        (_, Value::Hash(hash)) => Sought::Hash(*hash),
        _ => return None,
    })
}
