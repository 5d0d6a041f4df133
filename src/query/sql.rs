//! Plans as statements, one text for both engines. Whatever a query says stands among the parameters; the text is made of the
//! schema's own names and of `$1`, `$2`, …

use super::filter::{Column, Filter, Numbers, Test};
use super::plan::{By, Plan, Probe};
use super::value::Compare;
use std::fmt::Write as _;

/// Ids of one stretch of time are equal but for so many bits: 2^29 milliseconds, some six days (`migrations/0023_fact_days.sql`).
pub const STRETCH: u32 = 51;
/// Most stretches that a statement names: eleven years.
const STRETCHES_MAX: i64 = 700;

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    Number(i64),
    Text(String),
}

/// A statement with its parameters, `$1` first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub text: String,
    pub bound: Vec<Bound>,
}

/// Ids from one until before another, and the quarters whose numbers may stand in them.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: i64,
    pub until: i64,
    pub quarters: (i64, i64),
}

impl Plan {
    /// The rows of a span that one index finds, or all of it, the newest first: id, at, the plan's columns, then for each file
    /// that is asked for whether the row has it. `None`: the index has nothing of this time.
    #[must_use]
    pub fn rows(&self, probe: Option<&Probe>, span: Span, limit: i64) -> Option<Statement> {
        let mut making = self.selecting(span);
        making.text.push_str(" FROM fact WHERE ");
        making.span(probe, span)?;
        if self.filter != Filter::Always {
            making.text.push_str(" AND (");
            making.filter(&self.filter);
            making.text.push(')');
        }
        making.text.push_str(" ORDER BY id DESC LIMIT ");
        making.number(limit);
        Some(Statement { text: making.text, bound: making.bound })
    }

    /// All rows that one index has of a span, in any order and no more than `most`: as [`Plan::rows`], whatever the filter says of them, and
    /// last whether it lets them through. So few rows are found and counted by one statement.
    #[must_use]
    pub fn few(&self, probe: &Probe, span: Span, most: i64) -> Option<Statement> {
        let mut making = self.selecting(span);
        making.text.push_str(", CASE WHEN ");
        making.filter(&self.filter);
        making.text.push_str(" THEN 1 ELSE 0 END FROM fact WHERE ");
        making.span(Some(probe), span)?;
        making.text.push_str(" LIMIT ");
        making.number(most);
        Some(Statement { text: making.text, bound: making.bound })
    }

    /// The beginning of a statement: what is read of each row.
    fn selecting(&self, span: Span) -> Making {
        let mut making =
            Making { text: String::from("SELECT id, at"), bound: Vec::new(), quarters: span.quarters };
        for column in self.columns() {
            let _ = write!(making.text, ", {}", column.name());
        }
        for numbers in &self.files {
            making.text.push_str(", CASE WHEN ");
            making.file(numbers);
            making.text.push_str(" THEN 1 ELSE 0 END");
        }
        making
    }

    /// How many rows one index has of a span, counted no further than `most`.
    #[must_use]
    pub fn cost(&self, probe: &Probe, span: Span, most: i64) -> Option<Statement> {
        let text = String::from("SELECT COUNT(*) FROM (SELECT id FROM fact WHERE ");
        let mut making = Making { text, bound: Vec::new(), quarters: span.quarters };
        making.span(Some(probe), span)?;
        making.text.push_str(" LIMIT ");
        making.number(most);
        making.text.push_str(") AS found");
        Some(Statement { text: making.text, bound: making.bound })
    }
}

struct Making {
    text: String,
    bound: Vec<Bound>,
    quarters: (i64, i64),
}

impl Making {
    fn number(&mut self, number: i64) {
        self.bound.push(Bound::Number(number));
        let _ = write!(self.text, "${}", self.bound.len());
    }

    fn word(&mut self, text: &str) {
        self.bound.push(Bound::Text(text.to_owned()));
        let _ = write!(self.text, "${}", self.bound.len());
    }

    /// The ids, and what the index is asked.
    fn span(&mut self, probe: Option<&Probe>, span: Span) -> Option<()> {
        self.text.push_str("id >= ");
        self.number(span.from);
        self.text.push_str(" AND id < ");
        self.number(span.until);
        let Some(probe) = probe else { return Some(()) };
        let numbers = probe.numbers.within(span.quarters);
        if numbers.is_empty() && probe.words.is_empty() {
            return None;
        }
        match probe.by {
            By::Column(column) => {
                if column.is_by_stretch() {
                    let (first, last) = (span.from >> STRETCH, (span.until - 1).max(span.from) >> STRETCH);
                    let _ = write!(self.text, " AND (id >> {STRETCH}) ");
                    if last - first < STRETCHES_MAX {
                        self.one_of(&(first..=last).collect::<Vec<i64>>());
                    } else {
                        // So long is only what lies behind all that has happened, where next to nothing is.
                        self.text.push_str(">= ");
                        self.number(first);
                    }
                }
                if let Some(rows) = column.indexed_rows() {
                    let _ = write!(self.text, " AND {rows}");
                }
                let _ = write!(self.text, " AND {} ", column.name());
                match probe.words.as_slice() {
                    [] => self.one_of(&numbers),
                    words => {
                        self.text.push_str("IN (");
                        for (n, word) in words.iter().enumerate() {
                            self.text.push_str(if n > 0 { ", " } else { "" });
                            self.word(word);
                        }
                        self.text.push(')');
                    }
                }
            }
            By::File => {
                self.text.push_str(" AND id IN (SELECT fact_id FROM fact_file WHERE hash_k ");
                self.one_of(&numbers);
                self.text.push_str(" AND fact_id >= ");
                self.number(span.from);
                self.text.push_str(" AND fact_id < ");
                self.number(span.until);
                self.text.push(')');
            }
        }
        Some(())
    }

    fn one_of(&mut self, numbers: &[i64]) {
        if let [number] = numbers {
            self.text.push_str("= ");
            return self.number(*number);
        }
        self.text.push_str("IN (");
        for (n, number) in numbers.iter().enumerate() {
            self.text.push_str(if n > 0 { ", " } else { "" });
            self.number(*number);
        }
        self.text.push(')');
    }

    fn file(&mut self, numbers: &Numbers) {
        let numbers = numbers.within(self.quarters);
        if numbers.is_empty() {
            return self.text.push_str("1 = 0");
        }
        self.text.push_str("EXISTS (SELECT 1 FROM fact_file f WHERE f.fact_id = fact.id AND f.hash_k ");
        self.one_of(&numbers);
        self.text.push(')');
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Always => self.text.push_str("1 = 1"),
            Filter::Never | Filter::Sought(_) => self.text.push_str("1 = 0"),
            Filter::All(parts) => self.joined(parts, " AND "),
            Filter::Any(parts) => self.joined(parts, " OR "),
            Filter::Not(inner) => {
                self.text.push_str("NOT (");
                self.filter(inner);
                self.text.push(')');
            }
            Filter::Test(test) => self.test(test),
        }
    }

    fn joined(&mut self, parts: &[Filter], by: &str) {
        for (n, part) in parts.iter().enumerate() {
            self.text.push_str(if n > 0 { by } else { "" });
            let needs_brackets = matches!(part, Filter::All(_) | Filter::Any(_));
            self.text.push_str(if needs_brackets { "(" } else { "" });
            self.filter(part);
            self.text.push_str(if needs_brackets { ")" } else { "" });
        }
    }

    /// A condition that is never unknown, so that its opposite is what people mean by it.
    fn test(&mut self, test: &Test) {
        match test {
            Test::Keyed { column, numbers } => {
                let numbers = numbers.within(self.quarters);
                if numbers.is_empty() {
                    return self.text.push_str("1 = 0");
                }
                self.known(*column);
                // With the sign it is no offer of another index: SQLite reads what a filter says of a store, which has many rows, in place
                // of the order that the probe names.
                let _ = write!(self.text, "+{} ", column.name());
                self.one_of(&numbers);
                self.text.push(')');
            }
            Test::Absent(column) => {
                let _ = write!(self.text, "{} IS NULL", column.name());
            }
            Test::Text { column, text, is_prefix } => {
                self.known(*column);
                if *is_prefix {
                    let _ = write!(self.text, "SUBSTR({}, 1, CAST(", column.name());
                    self.number(i64::try_from(text.chars().count()).unwrap_or(i64::MAX));
                    self.text.push_str(" AS INTEGER)) = ");
                } else {
                    let _ = write!(self.text, "{} = ", column.name());
                }
                self.word(text);
                self.text.push(')');
            }
            Test::Time { from, until } => {
                self.text.push_str("(at >= ");
                self.number(*from);
                self.text.push_str(" AND at < ");
                self.number(*until);
                self.text.push(')');
            }
            Test::Number { column, compare } => {
                self.known(*column);
                let name = column.name();
                let (sign, number) = match compare.0 {
                    Compare::Equal(n) => ("=", n),
                    Compare::Below(n) => ("<", n),
                    Compare::AtMost(n) => ("<=", n),
                    Compare::Above(n) => (">", n),
                    Compare::AtLeast(n) => (">=", n),
                    Compare::Between(from, until) => {
                        let _ = write!(self.text, "{name} >= ");
                        self.number(from);
                        self.text.push_str(" AND ");
                        ("<=", until)
                    }
                };
                let _ = write!(self.text, "{name} {sign} ");
                self.number(number);
                self.text.push(')');
            }
            Test::Flag(bit) => {
                self.known(Column::Flags);
                self.text.push_str("(flags & ");
                self.number(*bit);
                self.text.push_str(") <> 0)");
            }
            Test::File { numbers, .. } => self.file(numbers),
        }
    }

    fn known(&mut self, column: Column) {
        let _ = write!(self.text, "({} IS NOT NULL AND ", column.name());
    }
}
