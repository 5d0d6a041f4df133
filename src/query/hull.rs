//! Of what time a filter asks, and what its branches ask that name none.
//!
//! Rules: an `or` reaches as far as its widest branch; a branch that names no beginning while another one does gets one of its
//! own, so that neither cuts the other short. What is negated counts only where it is a beginning or an end as it stands.

use super::filter::{Filter, Test};

impl Filter {
    /// From when until before when a row must be, as far as the filter says: milliseconds.
    pub(super) fn hull(&self) -> (i64, i64) {
        let whole = (i64::MIN, i64::MAX);
        match self {
            Filter::Test(Test::Time { from, until }) => (*from, *until),
            Filter::Never => (0, 0),
            Filter::All(parts) => {
                parts.iter().map(Filter::hull).fold(whole, |a, b| (a.0.max(b.0), a.1.min(b.1)))
            }
            Filter::Any(parts) => {
                parts.iter().map(Filter::hull).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or(whole)
            }
            Filter::Not(inner) => match **inner {
                Filter::Test(Test::Time { from: i64::MIN, until }) => (until, i64::MAX),
                Filter::Test(Test::Time { from, until: i64::MAX }) => (i64::MIN, from),
                _ => whole,
            },
            Filter::Always | Filter::Test(_) | Filter::Sought(_) => whole,
        }
    }

    /// Whether it names a beginning, if only in a branch.
    pub(super) fn names_a_beginning(&self) -> bool {
        match self {
            Filter::All(parts) | Filter::Any(parts) => parts.iter().any(Filter::names_a_beginning),
            other => other.hull().0 != i64::MIN,
        }
    }

    /// The same, from a time on wherever it names no beginning: where a branch of it names one, only in the others.
    pub(super) fn since(self, from: i64) -> Filter {
        if self.hull().0 != i64::MIN {
            return self;
        }
        match self {
            Filter::Any(parts) if parts.iter().any(Filter::names_a_beginning) => {
                Filter::any(parts.into_iter().map(|part| part.since(from)).collect())
            }
            Filter::All(mut parts) if parts.iter().any(Filter::names_a_beginning) => {
                if let Some(part) = parts.iter_mut().find(|part| part.names_a_beginning()) {
                    *part = std::mem::replace(part, Filter::Always).since(from);
                }
                Filter::all(parts)
            }
            Filter::All(mut parts) => {
                parts.push(Filter::Test(Test::Time { from, until: i64::MAX }));
                Filter::all(parts)
            }
            other => Filter::all(vec![other, Filter::Test(Test::Time { from, until: i64::MAX })]),
        }
    }
}
