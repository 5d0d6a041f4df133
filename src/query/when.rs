//! Times as people say them: dates and times of day in Japan unless an offset stands beside them, and times ago.
//!
//! Rules: a query keeps what was said; what it means is found when it is answered, from a time that comes in.

use crate::mail::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Milliseconds of Japan's clock ahead of UTC; it knows no summer time.
const JAPAN_MS: i64 = 9 * 3_600_000;
const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 86_400_000;
/// Most units of a time ago.
const AGO_MAX: u32 = 100_000;

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Today,
    Yesterday,
    Day(Date),
    /// Its first day.
    Month(Date),
    /// To the second, or to the minute where no seconds were said.
    At(Timestamp),
    Ago(u32, Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Minutes,
    Hours,
    Days,
    Weeks,
}

impl Unit {
    const ALL: [(Unit, &'static str, i64); 4] = [
        (Unit::Minutes, "m", 60_000),
        (Unit::Hours, "h", 3_600_000),
        (Unit::Days, "d", DAY_MS),
        (Unit::Weeks, "w", 7 * DAY_MS),
    ];

    fn row(self) -> (Unit, &'static str, i64) {
        Self::ALL.into_iter().find(|row| row.0 == self).unwrap_or((self, "m", 60_000))
    }
}

impl When {
    /// Reads one.
    pub fn parse(text: &str) -> Option<When> {
        match text {
            "today" => Some(When::Today),
            "yesterday" => Some(When::Yesterday),
            _ => ago(text).or_else(|| day(text)).or_else(|| month(text)).or_else(|| at(text)),
        }
    }

    /// From when until before when it is, in milliseconds.
    pub fn range(self, now: Timestamp) -> (i64, i64) {
        let today = (now.as_millis() + JAPAN_MS).div_euclid(DAY_MS);
        let days = |first: i64, after: i64| (first * DAY_MS - JAPAN_MS, after * DAY_MS - JAPAN_MS);
        match self {
            When::Today => days(today, today + 1),
            When::Yesterday => days(today - 1, today),
            When::Day(date) => days(number(date), number(date) + 1),
            When::Month(first) => {
                let length = i64::from(first.month().length(first.year()));
                days(number(first), number(first) + length)
            }
            When::At(at) => (at.as_millis(), at.as_millis().saturating_add(SECOND_MS)),
            When::Ago(count, unit) => {
                let at = now.as_millis().saturating_sub(i64::from(count).saturating_mul(unit.row().2));
                (at, at)
            }
        }
    }

    /// Whether it is whole days.
    pub fn is_days(self) -> bool {
        matches!(self, When::Today | When::Yesterday | When::Day(_) | When::Month(_))
    }

    /// As it is written.
    pub fn text(self) -> String {
        match self {
            When::Today => "today".into(),
            When::Yesterday => "yesterday".into(),
            When::Day(date) => format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()),
            When::Month(date) => format!("{:04}-{:02}", date.year(), u8::from(date.month())),
            When::At(at) => in_japan(at),
            When::Ago(count, unit) => format!("{count}{}", unit.row().1),
        }
    }
}

/// A time in Japan, to the second: `2026-11-22T09:00:00+09:00`.
#[must_use]
pub fn in_japan(at: Timestamp) -> String {
    let local = OffsetDateTime::from_unix_timestamp(at.as_millis().div_euclid(1000))
        .ok()
        .and_then(|at| UtcOffset::from_hms(9, 0, 0).ok().and_then(|offset| at.checked_to_offset(offset)));
    local.and_then(|local| local.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Days since 1970.
fn number(date: Date) -> i64 {
    i64::from(date.to_julian_day()) - 2_440_588
}

/// `3d`, `2h ago`.
fn ago(text: &str) -> Option<When> {
    let text = text.strip_suffix("ago").map_or(text, str::trim_end);
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(end)?;
    let count: u32 = count.parse().ok().filter(|count| (1..=AGO_MAX).contains(count))?;
    let unit = Unit::ALL.into_iter().find(|row| row.1 == unit)?.0;
    Some(When::Ago(count, unit))
}

/// The digits of a part that has exactly so many.
fn digits<T: std::str::FromStr>(part: &str, length: usize) -> Option<T> {
    (part.len() == length && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
}

fn day(text: &str) -> Option<When> {
    date(text).map(When::Day)
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month): (i32, u8) = (digits(year, 4)?, digits(month, 2)?);
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, digits(day, 2)?).ok()?;
    (parts.next().is_none() && is_good(year)).then_some(date)
}

/// Years whose ends can be counted.
fn is_good(year: i32) -> bool {
    (1970..=9998).contains(&year)
}

fn month(text: &str) -> Option<When> {
    let (year, month) = text.split_once('-')?;
    let (year, month): (i32, u8) = (digits(year, 4)?, digits(month, 2)?);
    let first = Date::from_calendar_date(year, Month::try_from(month).ok()?, 1).ok()?;
    is_good(year).then_some(When::Month(first))
}

/// `2026-11-22T09:00`, with seconds or not, with `Z`, an offset, or neither.
fn at(text: &str) -> Option<When> {
    let (day, rest) = text.split_once(['T', 't', ' '])?;
    let date = date(day)?;
    let offset_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at_checked(offset_at)?;
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    if parts.next().is_some() {
        return None;
    }
    let east = match offset {
        "" => JAPAN_MS / SECOND_MS,
        "Z" | "z" => 0,
        _ => {
            let (sign, rest) = offset.split_at_checked(1)?;
            let (hours, minutes) = rest.split_once(':')?;
            let (hours, minutes): (i64, i64) = (digits(hours, 2)?, digits(minutes, 2)?);
            let east = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if sign == "-" { -east } else { east })?
        }
    };
    let local = PrimitiveDateTime::new(date, Time::from_hms(hour, minute, second).ok()?);
    let utc = local.checked_sub(Duration::seconds(east))?.assume_utc();
    Some(When::At(Timestamp::from_millis(utc.unix_timestamp() * SECOND_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_japan_unless_an_offset_stands_there() {
        let now = Timestamp::parse_rfc3339("2026-11-27T20:00:00Z").unwrap();
        for (text, from, until) in [
            ("today", "2026-11-27T15:00:00Z", "2026-11-28T15:00:00Z"),
            ("yesterday", "2026-11-26T15:00:00Z", "2026-11-27T15:00:00Z"),
            ("2026-11-22", "2026-11-21T15:00:00Z", "2026-11-22T15:00:00Z"),
            ("2026-02", "2026-01-31T15:00:00Z", "2026-02-28T15:00:00Z"),
            ("2024-02-29", "2024-02-28T15:00:00Z", "2024-02-29T15:00:00Z"),
            ("2026-11-22T09:00", "2026-11-22T00:00:00Z", "2026-11-22T00:00:01Z"),
            ("2026-11-22 09:00:05", "2026-11-22T00:00:05Z", "2026-11-22T00:00:06Z"),
            ("2026-11-22T09:00Z", "2026-11-22T09:00:00Z", "2026-11-22T09:00:01Z"),
            ("2026-11-22T09:00:00-05:30", "2026-11-22T14:30:00Z", "2026-11-22T14:30:01Z"),
            ("3d", "2026-11-24T20:00:00Z", "2026-11-24T20:00:00Z"),
            ("2h ago", "2026-11-27T18:00:00Z", "2026-11-27T18:00:00Z"),
        ] {
            let when = When::parse(text).unwrap_or_else(|| panic!("{text}"));
            let (start, end) = when.range(now);
            let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
            assert_eq!((start.to_rfc3339().as_str(), end.to_rfc3339().as_str()), (from, until), "{text}");
            assert_eq!(When::parse(&when.text()), Some(when), "{text}");
        }
        for text in [
            "",
            "2026-13-01",
            "2026-02-30",
            "2026-1-1",
            "tomorrow",
            "0d",
            "d",
            "3x",
            "9999-12-31",
            "2026-11-22T25:00",
        ] {
            assert_eq!(When::parse(text), None, "{text}");
        }
    }
}
