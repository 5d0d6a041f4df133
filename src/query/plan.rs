//! How a query is answered: over which time, by which index, and what of it is then looked at row by row.
//!
//! Rules: pure. There are always two ends of time. An `or` is a union of indexes; where any of its branches has none, and where
//! nothing has, the rows of the time are read one after the other, which without a beginning of time is refused. A search goes
//! from the newest row back, in steps that hold no snapshot and no lock: a day that is destroyed meanwhile is simply not there.
//! No value of a query stands in a statement's text.

use super::bare::Sought;
use super::filter::{Column, Filter, Numbers, Row, Test};
use super::outline::{DEFAULT_DAYS, Label, Outline, Window};
use super::span::{Problem, Span};
use super::when::in_japan;
use crate::mail::Timestamp;
use std::fmt::Write as _;

/// Most numbers in one plan: below what SQLite (32,766) and PostgreSQL (65,535) take as parameters, whatever is repeated.
const NUMBERS_MAX: usize = 8192;
const TOO_MANY: &str =
    "this asks for too many names and networks at once; ask in parts, or for narrower networks";
/// By what rows are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub by: By,
    pub numbers: Numbers,
    /// In place of numbers, of a column of texts.
    pub words: Vec<String>,
}

impl Probe {
    fn keyed(column: Column, numbers: &Numbers) -> Self {
        Self { by: By::Column(column), numbers: numbers.clone(), words: Vec::new() }
    }

    /// Whether its index is one of stretches of time.
    pub(super) fn is_by_stretch(&self) -> bool {
        matches!(self.by, By::Column(column) if column.is_by_stretch())
    }

    /// How many values it asks for.
    fn len(&self) -> usize {
        self.numbers.len() + self.words.len()
    }
}

/// An index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Column(Column),
    File,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            By::Column(column) => column.name(),
            By::File => "fact_file.hash_k",
        }
    }
}

/// The way to an answer.
#[derive(Debug)]
pub struct Plan {
    pub window: Window,
    pub(super) filter: Filter,
    labels: Vec<Label>,
    /// Empty: the rows of the window are read one after the other.
    pub probes: Vec<Probe>,
    /// Whether whatever an index finds is part of the answer.
    is_exact: bool,
    pub(super) files: Vec<Numbers>,
    /// What is read of each row, in the order of [`Column::ALL`].
    columns: Vec<Column>,
}

impl Outline<'_> {
    /// Refuses what no plan could hold once its names have a number for each of so many quarters.
    ///
    /// # Errors
    /// [`Problem`] where it asks for too much at once.
    pub fn numbered_by(&self, quarters: usize) -> Result<(), Problem> {
        let of = |seek: &super::outline::Seek<'_>| match &seek.what {
            Sought::Nets(nets) => nets.len(),
            _ => 1,
        };
        let names: usize = self.seeks.iter().map(of).sum();
        if names.saturating_mul(quarters) > NUMBERS_MAX {
            return Err(Problem::new(Span { start: 0, end: 0 }, TOO_MANY));
        }
        Ok(())
    }
}

impl Plan {
    /// Of an outline, with what each name was found to be, in order.
    ///
    /// # Errors
    /// [`Problem`] where it would read all that is kept, or asks for too much at once.
    pub fn new(outline: Outline<'_>, found: Vec<Filter>) -> Result<Plan, Problem> {
        let mut files = Vec::new();
        let found: Vec<Filter> = found
            .into_iter()
            .zip(&outline.seeks)
            .map(|(filter, seek)| match (&seek.what, filter) {
                (Sought::Hash(_), Filter::Test(Test::File { numbers, .. })) => {
                    files.push(numbers.clone());
                    Filter::Test(Test::File { numbers, place: files.len() - 1 })
                }
                (_, filter) => filter,
            })
            .collect();
        let whole = Span { start: 0, end: 0 };
        let filter = outline.filter.with(&found);
        if filter.weight() > NUMBERS_MAX {
            return Err(Problem::new(whole, TOO_MANY));
        }
        let probes = if filter == Filter::Never {
            Vec::new()
        } else {
            access(&filter).map(|a| a.1).unwrap_or_default()
        };
        if probes.is_empty() && filter != Filter::Never && outline.is_all {
            let reason = "no word of this has an index, so that all: would read all that is kept; name a beginning with after:, \
                or an address, domain, order, store, alias, network, login, id, mailer or hash";
            return Err(Problem::new(whole, reason));
        }
        let labels = outline
            .labels
            .into_iter()
            .map(|label| Label { filter: label.filter.with(&found), ..label })
            .collect();
        let is_exact = is_exact(&filter, &probes, outline.window);
        let columns = Column::ALL.to_vec();
        Ok(Plan { window: outline.window, filter, labels, probes, is_exact, files, columns })
    }

    /// The same for whoever needs no more of a row than some columns, and what says which terms it fulfils: most of what a row
    /// costs is the driver's, column by column.
    #[must_use]
    pub fn reading(mut self, wanted: &[Column]) -> Self {
        let asked: Vec<Column> = self.labels.iter().flat_map(|label| label.filter.columns()).collect();
        self.columns.retain(|column| wanted.contains(column) || asked.contains(column));
        self
    }

    /// What is read of each row, behind its id and time.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether no row can be what is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filter == Filter::Never || self.window.from >= self.window.until
    }

    /// Whether every index gives just rows of the answer, and gives them in order, so that a statement reads no more than it
    /// returns, however much time it is asked for.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.is_exact && self.probes.iter().all(|probe| probe.numbers.is_one_a_quarter())
    }

    /// Whether an index of stretches of time is read, which is in order within one of them.
    #[must_use]
    pub fn is_by_stretch(&self) -> bool {
        self.probes.iter().any(Probe::is_by_stretch)
    }

    /// How many files a row is asked for.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Whether a row is what is asked for.
    #[must_use]
    pub fn holds(&self, row: &Row) -> bool {
        self.filter.holds(row)
    }

    /// Whether a row is what is asked for that was not read, and has these files, by their numbers.
    #[must_use]
    pub fn holds_with(&self, row: &Row, files: &[i64]) -> bool {
        if self.files.is_empty() {
            return self.filter.holds(row);
        }
        let has = |numbers: &Numbers| files.iter().any(|file| numbers.has(*file));
        self.filter.holds(&Row { files: self.files.iter().map(has).collect(), ..row.clone() })
    }

    /// Which terms a row fulfils, masked.
    #[must_use]
    pub fn matched(&self, row: &Row) -> Vec<&str> {
        let mut matched: Vec<&str> = Vec::new();
        for label in self.labels.iter().filter(|label| label.filter.holds(row)) {
            if !matched.contains(&label.text.as_str()) {
                matched.push(&label.text);
            }
        }
        matched
    }

    /// The plan in words: nothing in it names anybody.
    #[must_use]
    pub fn explain(&self) -> String {
        let Window { from, until, is_default, is_default_of_branches, .. } = self.window;
        let at = |millis| in_japan(Timestamp::from_millis(millis));
        let mut text = String::new();
        let by_default = match is_default {
            true => {
                format!(" ({DEFAULT_DAYS} days, since the query names no beginning: after: or all: for more)")
            }
            false if is_default_of_branches => {
                format!(" ({DEFAULT_DAYS} days where a branch names no beginning)")
            }
            false => String::new(),
        };
        let _ = writeln!(text, "from    {}{by_default}", at(from));
        let _ = writeln!(text, "until   {}", at(until));
        let reads = match (self.is_empty(), self.probes.as_slice()) {
            (true, _) => "nothing: no row can be this".to_owned(),
            (_, []) => "every row of this time".to_owned(),
            (_, probes) => {
                let names: Vec<String> =
                    probes.iter().map(|probe| format!("{} ({})", probe.by.name(), probe.len())).collect();
                format!("by index, {}", names.join(" and "))
            }
        };
        let _ = writeln!(text, "reads   {reads}");
        if !self.is_exact && !self.is_empty() {
            let _ = writeln!(text, "keeps   {}", shown(&self.filter));
        }
        text.push_str("order   newest first\n");
        text
    }
}

/// The indexes by which everything that a filter lets through is found, and how many rows they may read.
fn access(filter: &Filter) -> Option<(u32, Vec<Probe>)> {
    match filter {
        Filter::Test(Test::Keyed { column, numbers }) => {
            let mut probes = vec![Probe::keyed(*column, numbers)];
            // The indexes of the other domains have only what this one has not.
            if column.indexed_rows().is_some() {
                probes.push(Probe::keyed(Column::FromDomain, numbers));
            }
            column.index().map(|cost| (cost, probes))
        }
        Filter::Test(Test::Text { column, text, is_prefix: false })
            // Where most rows have it there is no index.
            if column.index().is_some() && (column.indexed_rows().is_none() || text != "JP") =>
        {
            let words = vec![text.clone()];
            let probe = Probe { by: By::Column(*column), numbers: Numbers::default(), words };
            column.index().map(|cost| (cost, vec![probe]))
        }
        Filter::Test(Test::File { numbers, .. }) => {
            let probe = Probe { by: By::File, numbers: numbers.clone(), words: Vec::new() };
            Some((5, vec![probe]))
        }
        Filter::All(parts) => parts.iter().filter_map(access).min_by_key(|access| access.0),
        Filter::Any(parts) => {
            let (mut cost, mut probes): (u32, Vec<Probe>) = (0, Vec::new());
            for part in parts {
                let (more, found) = access(part)?;
                cost = cost.saturating_add(more);
                for probe in found {
                    match probes.iter_mut().find(|known| known.by == probe.by) {
                        Some(known) => {
                            known.numbers.add(&probe.numbers);
                            known.words.extend(probe.words);
                            known.words.sort_unstable();
                            known.words.dedup();
                        }
                        None => probes.push(probe),
                    }
                }
            }
            Some((cost, probes))
        }
        Filter::Always | Filter::Never | Filter::Not(_) | Filter::Test(_) | Filter::Sought(_) => None,
    }
}

/// Whether a filter asks for nothing but what the probes find.
fn is_exact(filter: &Filter, probes: &[Probe], window: Window) -> bool {
    if probes.iter().any(Probe::is_by_stretch) {
        return false;
    }
    let is_probe = |part: &Filter| match part {
        Filter::Test(Test::Keyed { column, .. }) => {
            probes.iter().any(|probe| probe.by == By::Column(*column))
        }
        Filter::Test(Test::File { .. }) => probes.iter().any(|probe| probe.by == By::File),
        _ => false,
    };
    let is_union = |part: &Filter| match part {
        Filter::Any(parts) => parts.iter().all(is_probe),
        part => is_probe(part),
    };
    let is_window = |part: &Filter| matches!(part, Filter::Test(Test::Time { from, until }) if *from <= window.from && window.until <= *until);
    match filter {
        Filter::All(parts) => {
            parts.iter().filter(|part| !is_window(part)).count() == 1
                && parts.iter().all(|part| is_window(part) || is_union(part))
        }
        part => is_union(part) || (probes.is_empty() && is_window(part)) || *part == Filter::Always,
    }
}

/// A filter in words.
fn shown(filter: &Filter) -> String {
    let joined = |parts: &[Filter], by: &str| {
        let parts: Vec<String> = parts
            .iter()
            .map(|part| match part {
                Filter::All(_) | Filter::Any(_) => format!("({})", shown(part)),
                part => shown(part),
            })
            .collect();
        parts.join(by)
    };
    match filter {
        Filter::Always => "all".into(),
        Filter::Never | Filter::Sought(_) => "none".into(),
        Filter::All(parts) => joined(parts, " and "),
        Filter::Any(parts) => joined(parts, " or "),
        Filter::Not(inner) => format!("not {}", joined(std::slice::from_ref(inner), "")),
        Filter::Test(test) => match test {
            Test::Keyed { column, numbers } => format!("{} in {} numbers", column.name(), numbers.len()),
            Test::Absent(column) => format!("{} is not known", column.name()),
            Test::Text { column, text, is_prefix } => {
                format!("{} {} {text}", column.name(), if *is_prefix { "begins with" } else { "is" })
            }
            Test::Time { from, until } => {
                let at = |millis| in_japan(Timestamp::from_millis(millis));
                match (*from, *until) {
                    (i64::MIN, until) => format!("at before {}", at(until)),
                    (from, i64::MAX) => format!("at from {}", at(from)),
                    (from, until) => format!("at from {} before {}", at(from), at(until)),
                }
            }
            Test::Number { column, compare } => {
                let value = super::value::Value::Number(compare.0);
                format!("{} {}", column.name(), super::print::value_text(&value, None))
            }
            Test::Flag(bit) => {
                let flags: Vec<_> =
                    crate::mail::Flags::from_bits(*bit).iter().map(crate::mail::Flag::as_str).collect();
                format!("flag {}", flags.join(" "))
            }
            Test::File { numbers, .. } => format!("a file in {} numbers", numbers.len()),
        },
    }
}
