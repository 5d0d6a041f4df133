//! The kinds of values: what text or number is accepted for a key, and what to write where it is not.
//!
//! Rules: a kind takes a TOML value or the raw text of a variable or default and gives a typed value. A quoted value
//! in a reason is cut at 40 characters; keys that may hold a secret have a kind of their own that quotes nothing.

use super::place;
use super::reader::{Context, Flaw};
use super::tree::Value;
use crate::mail::Domain;
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Longest duration accepted: ten years. A bound against overflow and slips of the unit.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 86_400);

/// A number of octets, written with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// From a number of octets.
    #[must_use]
    pub const fn new(octets: u64) -> Self {
        Self(octets)
    }

    /// The number of octets.
    #[must_use]
    pub const fn octets(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0B"),
            n if n.is_multiple_of(1 << 30) => write!(f, "{}GiB", n >> 30),
            n if n.is_multiple_of(1 << 20) => write!(f, "{}MiB", n >> 20),
            n if n.is_multiple_of(1 << 10) => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text of a value.
pub(super) fn text(value: &Value) -> Result<&str, Flaw> {
    match value {
        Value::Text(text) | Value::Raw(text) => Ok(text),
        other => Err(Flaw::new(format!("is {}, not text", article(other)), "write it in quotes")),
    }
}

/// A domain that can be a name of ours: no address literal.
pub(super) fn domain(value: &Value, _: &Context) -> Result<Domain, Flaw> {
    let cure = "write a domain such as relay.example.jp";
    let text = text(value)?;
    let domain =
        Domain::parse(text).map_err(|e| Flaw::new(format!("{} is no domain: {e}", quote(text)), cure))?;
    // RFC 1123 §2.1: a top-level label is never all digits, so this is an address.
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    if domain.is_literal() || domain.as_str().rsplit('.').next().is_some_and(numeric) {
        return Err(Flaw::new(format!("{} is an address, not a domain", quote(text)), cure));
    }
    Ok(domain)
}

/// A single label of a domain (RFC 1035 §2.3.4), such as a DKIM selector.
pub(super) fn label(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = text(value)?;
    match Domain::parse(text) {
        Ok(label) if !text.contains('.') && !label.is_literal() => Ok(label.as_str().to_owned()),
        _ => Err(Flaw::new(
            format!("{} is no label of a domain", quote(text)),
            "write 1 to 63 letters, digits and hyphens",
        )),
    }
}

/// A path, absolute or seen from the directory of the file.
pub(super) fn path(value: &Value, context: &Context) -> Result<PathBuf, Flaw> {
    place::resolve(&context.dir, text(value)?)
        .ok_or_else(|| Flaw::new("is no path", "write the path of a file or directory"))
}

/// As the kind given, but an empty text means that the key is not set.
pub(super) fn optional<T>(
    kind: impl Fn(&Value, &Context) -> Result<T, Flaw>,
) -> impl Fn(&Value, &Context) -> Result<Option<T>, Flaw> {
    move |value, context| match value {
        Value::Text(text) | Value::Raw(text) if text.is_empty() => Ok(None),
        other => kind(other, context).map(Some),
    }
}

/// A list, or a single value, which is a list of one.
pub(super) fn list<T>(
    kind: impl Fn(&Value, &Context) -> Result<T, Flaw>,
) -> impl Fn(&Value, &Context) -> Result<Vec<T>, Flaw> {
    move |value, context| match value {
        Value::List(items) => items.iter().map(|item| kind(item, context)).collect(),
        Value::Raw(text) if text.starts_with('[') && text.ends_with(']') => match Value::list_from_text(text)
        {
            Some(items) => items.iter().map(|item| kind(item, context)).collect(),
            None => kind(value, context).map(|one| vec![one]),
        },
        one => kind(one, context).map(|one| vec![one]),
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&Value, &Context) -> Result<T, Flaw> {
    move |value, _| {
        let text = text(value)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Flaw::new(format!("{} is not known", quote(text)), format!("write one of: {}", names.join(", ")))
        })
    }
}

/// A whole number within bounds.
pub(super) fn count(range: RangeInclusive<u32>) -> impl Fn(&Value, &Context) -> Result<u32, Flaw> {
    move |value, _| {
        let number = match value {
            Value::Integer(number) => Some(*number),
            Value::Raw(text) => text.trim().parse().ok(),
            _ => None,
        };
        let cure = format!("write a whole number from {} to {}, without quotes", range.start(), range.end());
        let Some(number) = number else { return Err(Flaw::new("is no whole number", cure)) };
        match u32::try_from(number) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(Flaw::new(format!("{number} is out of bounds"), cure)),
        }
    }
}

/// A back-off factor: at least 1, or attempts would come ever faster, and at most 10.
pub(super) fn factor(value: &Value, _: &Context) -> Result<f64, Flaw> {
    let cure = "write a number from 1 to 10, without quotes";
    let number = match value {
        Value::Float(number) => Some(*number),
        Value::Integer(number) => i32::try_from(*number).ok().map(f64::from),
        Value::Raw(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if (1.0..=10.0).contains(&number) => Ok(number),
        Some(number) if number < 1.0 => Err(Flaw::new("is below 1: attempts would come ever faster", cure)),
        Some(_) => Err(Flaw::new("is above 10 or no number", cure)),
        None => Err(Flaw::new("is no number", cure)),
    }
}

/// A duration such as `30s`, `4h` or `1h30m`, above zero.
pub(super) fn duration(value: &Value, _: &Context) -> Result<Duration, Flaw> {
    let cure = "write a number and a unit (ms, s, m, h, d), such as \"30s\", \"4h\" or \"3d\"";
    let text = match value {
        Value::Integer(_) | Value::Float(_) => return Err(Flaw::new("has no unit", cure)),
        other => text(other)?,
    };
    if text.starts_with('-') {
        return Err(Flaw::new(format!("{} is negative", quote(text)), cure));
    }
    let mut total = Duration::ZERO;
    for (number, unit) in
        quantities(text).ok_or_else(|| Flaw::new(format!("{} is no duration", quote(text)), cure))?
    {
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(Flaw::new(format!("{} has no unit", quote(text)), cure)),
            _ => return Err(Flaw::new(format!("{} has an unknown unit", quote(text)), cure)),
        };
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(millis)));
    }
    if total.is_zero() || total > MAX_DURATION {
        return Err(Flaw::new(format!("{} is zero or longer than ten years", quote(text)), cure));
    }
    Ok(total)
}

/// A size such as `25MiB`, within bounds.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&Value, &Context) -> Result<ByteSize, Flaw> {
    move |value, _| {
        let (least, most) = (ByteSize(*range.start()), ByteSize(*range.end()));
        let cure = format!("write a size from {least} to {most} (units B, KiB, MiB, GiB)");
        let text = match value {
            Value::Integer(0) => return Err(Flaw::new("is 0", cure)),
            Value::Integer(_) | Value::Float(_) => return Err(Flaw::new("has no unit", cure)),
            other => text(other)?,
        };
        let octets = match quantities(text).as_deref() {
            Some([(number, unit)]) => match *unit {
                "B" => Some(*number),
                "KiB" => number.checked_mul(1 << 10),
                "MiB" => number.checked_mul(1 << 20),
                "GiB" => number.checked_mul(1 << 30),
                _ => None,
            },
            _ => None,
        };
        match octets {
            Some(octets) if range.contains(&octets) => Ok(ByteSize(octets)),
            Some(_) => Err(Flaw::new(format!("{} is out of bounds", quote(text)), cure)),
            None => Err(Flaw::new(format!("{} is no size", quote(text)), cure)),
        }
    }
}

/// `1h30m` as `[(1, "h"), (30, "m")]`; `None` when it does not start with a digit or a number is too large.
fn quantities(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(letters)?;
        found.push((number.parse().ok()?, unit.trim()));
        rest = next;
    }
    if found.is_empty() { None } else { Some(found) }
}

/// A value as it is quoted in a reason: printable, at most 40 characters.
pub(super) fn quote(text: &str) -> String {
    let cut: String = text.chars().take(40).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

fn article(value: &Value) -> &'static str {
    match value {
        Value::Text(_) | Value::Raw(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::List(_) => "a list",
        Value::EmptyTable => "a section",
        Value::Other(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Value {
        Value::Raw(text.to_owned())
    }

    fn nowhere() -> Context {
        Context { dir: PathBuf::from("/nowhere") }
    }

    #[test]
    fn durations_have_a_unit_and_are_above_zero() {
        for (text, millis) in
            [("30s", 30_000), ("250ms", 250), ("4h", 14_400_000), ("3d", 259_200_000), ("1h30m", 5_400_000)]
        {
            assert_eq!(duration(&raw(text), &nowhere()).ok(), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "0s",
            "1y",
            "1.5h",
            "99999999999999999999s",
            "9999999d",
            "1 fortnight",
            "3650d1ms",
        ] {
            assert!(duration(&raw(text), &nowhere()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_keep_their_unit_when_shown() {
        let size = size(1..=100 << 20);
        for text in ["25MiB", "100MiB", "1B", "1KiB", "1025B"] {
            assert_eq!(size(&raw(text), &nowhere()).map(|s| s.to_string()).ok().as_deref(), Some(text));
        }
        for text in ["", "0B", "101MiB", "25MB", "25", "-1B", "1MiB1KiB", "18446744073709551615GiB"] {
            assert!(size(&raw(text), &nowhere()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_factor_that_is_no_number_from_1_to_10_is_refused() {
        assert_eq!(factor(&raw("1.5"), &nowhere()).ok(), Some(1.5));
        for text in ["0.99", "-2", "nan", "inf", "11", "two"] {
            assert!(factor(&raw(text), &nowhere()).is_err(), "{text}");
        }
    }
}
