//! The language in which the log is searched: text to tree, tree to plan, plan to statements, and back to text.
//! docs/query.md has the grammar and every word.
//!
//! Rules: pure; the time comes in, and so do the numbers under which names are kept. Bounded: 4,096 octets, 256 terms, 32
//! brackets deep, and time that grows with the text, since the language has no pattern but a beginning (`5.*`). A query may
//! hold what people are called: no part of its tree can be printed but by [`Query::to_text`], for whoever asked.
//! When it fails: [`Problem`], at its word.

mod asks;
mod bare;
mod complete;
mod filter;
mod hull;
mod index;
mod lexer;
mod masked;
mod outline;
mod parser;
mod plan;
mod print;
mod slice;
mod span;
mod sql;
#[cfg(test)]
mod tests;
mod tree;
mod value;
mod when;
mod words;

pub use bare::{Keyed, Sought};
pub use complete::{Completion, complete};
pub use filter::{Column, Comparison, Filter, Numbers, Row, TEXTS, Test};
pub use lexer::LENGTH_MAX;
pub use outline::{DEFAULT_DAYS, Outline, Seek, Window};
pub use parser::{DEPTH_MAX, TERMS_MAX};
pub use plan::{By, Plan, Probe};
pub use print::may_hold_address;
pub use slice::{Slice, quarter_of};
pub(crate) use span::nearest;
pub use span::{Problem, Span};
pub use sql::{Bound, STRETCH, Span as IdSpan, Statement};
pub use tree::Query;
pub use when::in_japan;
pub use words::{DIRECTIONS, EVENTS, Word};
