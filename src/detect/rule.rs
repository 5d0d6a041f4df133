//! A rule: what it is called, what it asks of a row, and what becomes of what it finds.
//!
//! Rules: a rule that may hold or refuse asks for mails as they are taken (`event:accepted`), and names no time; whatever it may do has a
//! budget of a day, an owner and an end, since a rule that nobody looks after holds honest mail one day.
//! When it fails: [`Flaw`], at its word; a set with a flaw is none.

use super::field::{Field, Flaw, fields};
use crate::mail::Timestamp;
use crate::query::{Column, Problem, Query};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most rules of a set.
pub const RULES_MAX: usize = 200;
const NAME_MAX: usize = 40;
const OWNER_MAX: usize = 60;
const REASON_MAX: usize = 200;
const BUDGET_MAX: u32 = 10_000;
const VERSION_MAX: u32 = 9999;
/// Longest time over which is counted.
const WITHIN_MAX_S: u64 = 86_400;
const DAY_S: u64 = 86_400;

/// What becomes of what a rule finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// It is noted.
    Shadow,
    /// It counts in the ranking of its day.
    Rank,
    /// The mail waits for a decision.
    Hold,
    /// The mail is not taken.
    Refuse,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Shadow, Mode::Rank, Mode::Hold, Mode::Refuse];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Shadow => "shadow",
            Mode::Rank => "rank",
            Mode::Hold => "hold",
            Mode::Refuse => "refuse",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }

    /// Whether it keeps mail from its recipient.
    #[must_use]
    pub fn acts(self) -> bool {
        matches!(self, Mode::Hold | Mode::Refuse)
    }
}

/// From how many rows with one value within a time on a rule finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    pub at_least: u32,
    pub by: Column,
    pub within: Duration,
}

/// By what may be counted: as words of a file, and as columns.
const COUNTED_BY: [(&str, Column); 8] = [
    ("store", Column::Merchant),
    ("order", Column::Conversation),
    ("from", Column::From),
    ("to", Column::To),
    ("login", Column::Login),
    ("ip", Column::Ip),
    ("net", Column::Net),
    ("mailer", Column::Mailer),
];

/// A rule.
pub struct Rule {
    pub name: String,
    pub version: u32,
    pub mode: Mode,
    /// How many mails of a day it may hold or refuse, or how many stores it may put into the ranking.
    pub budget: u32,
    pub owner: String,
    /// From then on it finds nothing.
    pub expires: Timestamp,
    /// Why what it finds is looked at, in one sentence.
    pub ja: String,
    pub en: String,
    pub threshold: Option<Threshold>,
    pub when: Query,
    /// The file that it stands in; `None`: it came with the program.
    pub file: Option<String>,
    /// The file as it is written.
    pub text: String,
}

impl Rule {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`Flaw`] at the first word that is not as it must be.
    pub fn parse(file: &str, text: &str) -> Result<Self, Flaw> {
        read(text).map_err(|problem| Flaw::new(file, text, problem))
    }

    /// Whether it finds anything at a time.
    #[must_use]
    pub fn is_good_at(&self, at: Timestamp) -> bool {
        at < self.expires
    }

    /// Its name with its version, as facts have it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }
}

fn read(text: &str) -> Result<Rule, Problem> {
    let fields: BTreeMap<&str, Field<'_>> =
        fields(text)?.into_iter().map(|field| (field.name, field)).collect();
    let end = crate::query::Span { start: text.trim_end().len(), end: text.trim_end().len() };
    let field = |name: &str| {
        let missing = || Problem { span: end, reason: format!("{name}: is missing"), nearest: None };
        fields.get(name).copied().ok_or_else(missing)
    };
    let name = field("name")?;
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.value.len() > NAME_MAX || !name.value.chars().all(good) {
        return Err(
            name.wrong(format!("a name has letters of ASCII, digits and hyphens, at most {NAME_MAX}"))
        );
    }
    let version = number(field("version")?, VERSION_MAX)?;
    let mode = field("mode")?;
    let Some(as_mode) = Mode::parse(mode.value) else {
        let near = crate::query::nearest(mode.value, Mode::ALL.into_iter().map(Mode::as_str));
        return Err(Problem { nearest: near, ..mode.wrong("one of shadow, rank, hold and refuse") });
    };
    let budget = number(field("budget")?, BUDGET_MAX)?;
    let owner = line(field("owner")?, OWNER_MAX)?;
    let expires = day_after(field("expires")?)?;
    let (ja, en) = (line(field("ja")?, REASON_MAX)?, line(field("en")?, REASON_MAX)?);
    let threshold = fields.get("at-least").map(threshold).transpose()?;
    let when = field("when")?;
    let moved = |problem: Problem| {
        let span =
            crate::query::Span { start: problem.span.start + when.at, end: problem.span.end + when.at };
        Problem { span, ..problem }
    };
    let query = Query::parse(when.value).map_err(moved)?;
    let all = || {
        // It is no term any more.
        let at = when.value.to_ascii_lowercase().find("all:").unwrap_or(0);
        crate::query::Span { start: at, end: at + "all:".len() }
    };
    if let Some(span) = query.first_time().or_else(|| query.is_of_all_time().then(all)) {
        let reason = "a rule holds at all times: it names no time, no day and not all:";
        return Err(moved(Problem { span, reason: reason.into(), nearest: None }));
    }
    if let Some(span) = query.first_file() {
        let reason = "a rule names a file by its SHA-256, not by a file of this machine";
        return Err(moved(Problem { span, reason: reason.into(), nearest: None }));
    }
    if query.is_everything() {
        return Err(when.wrong("a rule asks for something"));
    }
    if as_mode.acts() && !query.asks_for_event("accepted") {
        let reason = "what may hold or refuse asks for mails as they are taken: event:accepted beside all else in when";
        return Err(mode.wrong(reason));
    }
    if let Some(at_least) = fields.get("at-least").filter(|_| as_mode.acts()) {
        return Err(at_least.wrong("what may hold or refuse judges each mail by itself, and counts none"));
    }
    Ok(Rule {
        name: name.value.to_owned(),
        version,
        mode: as_mode,
        budget,
        owner,
        expires,
        ja,
        en,
        threshold,
        when: query,
        file: None,
        text: text.to_owned(),
    })
}

fn number(field: Field<'_>, most: u32) -> Result<u32, Problem> {
    let number = field.value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| field.wrong(format!("a whole number from 1 to {most}")))
}

fn line(field: Field<'_>, most: usize) -> Result<String, Problem> {
    let is_good = field.value.chars().count() <= most && !field.value.chars().any(char::is_control);
    if is_good {
        return Ok(field.value.to_owned());
    }
    Err(field.wrong(format!("at most {most} characters, none of them a control character")))
}

/// The end of a day, in Japan.
fn day_after(field: Field<'_>) -> Result<Timestamp, Problem> {
    let day = Timestamp::parse_rfc3339(&format!("{}T00:00:00+09:00", field.value));
    let day = day.filter(|_| field.value.len() == "2028-03-31".len());
    let day =
        day.ok_or_else(|| field.wrong("a day such as 2028-03-31: the last on which it finds anything"))?;
    Ok(day.after(Duration::from_secs(DAY_S)))
}

/// Such as `20 by net within 10m`.
fn threshold(field: &Field<'_>) -> Result<Threshold, Problem> {
    let form = "such as 20 by net within 10m";
    let [count, by, what, within, time] = field.value.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(field.wrong(form));
    };
    if by != "by" || within != "within" {
        return Err(field.wrong(form));
    }
    let place = |word: &str| {
        let lead = (word.as_ptr() as usize).saturating_sub(field.value.as_ptr() as usize);
        Field {
            name: field.name,
            value: field.value.get(lead..lead + word.len()).unwrap_or(""),
            at: field.at + lead,
        }
    };
    let at_least = number(place(count), BUDGET_MAX)?;
    let Some((_, by)) = COUNTED_BY.into_iter().find(|(word, _)| *word == what) else {
        let words: Vec<&str> = COUNTED_BY.into_iter().map(|(word, _)| word).collect();
        let near = crate::query::nearest(what, COUNTED_BY.into_iter().map(|(word, _)| word));
        let problem = place(what).wrong(format!("counted is by one of {}", words.join(", ")));
        return Err(Problem { nearest: near, ..problem });
    };
    let (digits, unit) = time.split_at(time.len() - time.chars().next_back().map_or(0, char::len_utf8));
    let unit_s = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = unit_s.zip(digits.parse::<u64>().ok()).and_then(|(unit, n)| n.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=WITHIN_MAX_S).contains(seconds));
    let seconds = seconds.ok_or_else(|| place(time).wrong("a time up to 24h, such as 90s, 10m or 2h"))?;
    Ok(Threshold { at_least, by, within: Duration::from_secs(seconds) })
}

/// A set of rules: those that come with the program, and those of a directory, which take the place of any with their name.
#[derive(Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// Of files by their names, beside those that came with the program.
    ///
    /// # Errors
    /// All flaws that there are.
    pub fn with_files(files: &[(String, String)]) -> Result<Self, Vec<Flaw>> {
        let mut rules = super::built_in()?;
        let (mut flaws, mut names): (Vec<Flaw>, BTreeMap<String, String>) = (Vec::new(), BTreeMap::new());
        for (file, text) in files {
            let whole =
                |reason: String| Flaw::new(file, text, Problem { span: start(text), reason, nearest: None });
            match Rule::parse(file, text) {
                Ok(rule) => {
                    if let Some(other) = names.insert(rule.name.clone(), file.clone()) {
                        flaws.push(whole(format!("{other} has a rule of this name too")));
                    }
                    rules.retain(|known| known.name != rule.name);
                    rules.push(Rule { file: Some(file.clone()), ..rule });
                    if rules.len() > RULES_MAX {
                        flaws.push(whole(format!("there are more than {RULES_MAX} rules")));
                    }
                }
                Err(flaw) => flaws.push(flaw),
            }
        }
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        if flaws.is_empty() { Ok(Self { rules }) } else { Err(flaws) }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// One, by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name.eq_ignore_ascii_case(name))
    }
}

/// The first word of a file.
fn start(text: &str) -> crate::query::Span {
    let at = text.len() - text.trim_start().len();
    crate::query::Span { start: at, end: at + 4 }
}
