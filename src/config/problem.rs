//! What is wrong with a configuration: key, place, reason and cure, all problems at once.
//!
//! Rules: sorted by key, so that one file gives one report; a value is quoted only where it can be no secret.

use serde::Serialize;
use std::fmt;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A line of the file, counted from 1.
    Line(usize),
    /// An environment variable, by name.
    Environment(String),
    /// Not given.
    Default,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The dotted key, such as `egress.retry.first`; `(file)` for the file as a whole.
    pub key: String,
    pub place: Place,
    /// What is wrong, for a person.
    pub reason: String,
    /// What to do about it.
    pub cure: String,
}

impl Problem {
    pub(super) fn new(
        key: impl Into<String>,
        place: Place,
        reason: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), place, reason: reason.into(), cure: cure.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match &self.place {
            Place::Line(line) => write!(f, " (line {line})")?,
            Place::Environment(name) => write!(f, " ({name})")?,
            Place::Default => {}
        }
        write!(f, "\n  reason: {}\n  cure: {}", self.reason, self.cure)
    }
}

/// Every problem of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (&a.key, &a.reason).cmp(&(&b.key, &b.reason)));
        problems.dedup();
        Self { problems }
    }

    /// The problems, sorted by key.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
