//! The Date field: kept when it is a date and nothing else.
//!
//! Rules: `date-time` of RFC 5322 §3.3, the obsolete zones of §4.3, and at most one short comment with the name of
//! the zone, as many programs write it. Some leave out the comma, write days and months out, or lose a zero of the
//! zone: that is a date too. A comment that is more than the name of a zone goes. Anything else could carry text and gives way to the time of acceptance.
//! When it fails: never.

use crate::mail::Timestamp;

/// Longest date, in octets.
const MAX_DATE: usize = 80;
/// The days of the week; the first three letters are enough.
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// The months, likewise.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Whether `value` (folds removed) is a date and nothing else.
pub fn is_date(value: &[u8]) -> bool {
    words(value).is_some()
}

/// A date without its comment, where that is more than the name of a zone: capital letters alone, an offset, or words of which the
/// last one is *Time*. `None` where it has no such comment.
pub fn without_remark(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let (date, comment) = text.split_once('(')?;
    let name = comment.strip_suffix(')').unwrap_or(comment).trim();
    let is_short = name.len() <= MAX_ZONE && name.bytes().all(|b| b.is_ascii_uppercase());
    let is_offset = ["GMT", "UTC"].iter().any(|zone| {
        name.strip_prefix(zone)
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b"+-:".contains(&b)))
    });
    let is_long =
        name.ends_with(" Time") && name.split(' ').all(|word| !word.bytes().any(|b| b.is_ascii_digit()));
    let stays = is_short || is_offset || is_long;
    (!stays).then(|| format!(" {}", date.trim_end()).into_bytes())
}

/// Longest short name of a zone.
const MAX_ZONE: usize = 5;

/// What a date says: the time, and the minutes that its zone lies east of UTC. `None` where it is no date, or of no calendar.
pub fn read(value: &[u8]) -> Option<(Timestamp, i64)> {
    let Words { day, month, year, time, zone } = words(value)?;
    let month = MONTHS.iter().position(|name| {
        (name.get(..3)).is_some_and(|short| month.get(..3).is_some_and(|own| own.eq_ignore_ascii_case(short)))
    })?;
    let month = time::Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let number: i32 = year.parse().ok()?;
    // RFC 5322 §4.3: years of two and three digits.
    let year = match (year.len(), number) {
        (2, 0..50) => number + 2000,
        (2 | 3, _) => number + 1900,
        _ => number,
    };
    let date = time::Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    let mut clock = time.split(':').map(|part| part.parse::<i64>().unwrap_or(0));
    let (hour, minute, second) =
        (clock.next().unwrap_or(0), clock.next().unwrap_or(0), clock.next().unwrap_or(0));
    let east = minutes_east(zone)?;
    let days = i64::from(date.to_julian_day()) - JULIAN_1970;
    let minutes = (days * 24 + hour) * 60 + minute - east;
    Some((Timestamp::from_millis((minutes * 60 + second) * 1000), east))
}

/// The Julian day of 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;

/// How far a zone lies east of UTC (RFC 5322 §3.3, §4.3), in minutes.
fn minutes_east(zone: &str) -> Option<i64> {
    let Some(digits) = zone.strip_prefix(['+', '-']) else {
        return match zone.to_ascii_uppercase().as_str() {
            "UT" | "GMT" | "UTC" | "Z" => Some(0),
            "JST" => Some(540),
            "EDT" => Some(-240),
            "EST" | "CDT" => Some(-300),
            "CST" | "MDT" => Some(-360),
            "MST" | "PDT" => Some(-420),
            "PST" => Some(-480),
            _ => None,
        };
    };
    let number: i64 = digits.parse().ok()?;
    let minutes = number / 100 * 60 + number % 100;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

/// The words of a date.
struct Words<'a> {
    day: u32,
    month: &'a str,
    year: &'a str,
    time: &'a str,
    zone: &'a str,
}

fn words(value: &[u8]) -> Option<Words<'_>> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim();
    if text.len() > MAX_DATE {
        return None;
    }
    let (text, zone_name) = match text.split_once('(') {
        Some((date, comment)) => (date, comment.strip_suffix(')')?),
        None => (text, ""),
    };
    if zone_name.len() > 32 || !zone_name.chars().all(|c| c.is_ascii_alphanumeric() || " +-:".contains(c)) {
        return None;
    }
    let (first, behind) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
    let text = match behind.strip_prefix(',') {
        Some(rest) if is_name(first, &DAYS) => rest,
        Some(_) => return None,
        None if is_name(first, &DAYS) => behind.trim_start().strip_prefix(',').unwrap_or(behind),
        None => text,
    };
    let mut words = text.split_ascii_whitespace();
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let zone = words.next().unwrap_or("+0000");
    let day = number(day, 1, 2).filter(|day| (1..=31).contains(day))?;
    let good = is_name(month, &MONTHS)
        && number(year, 2, 4).is_some()
        && is_time(time)
        && is_zone(zone)
        && words.next().is_none();
    good.then_some(Words { day, month, year, time, zone })
}

fn is_one_of(word: &str, all: &str) -> bool {
    all.split(' ').any(|one| one.eq_ignore_ascii_case(word))
}

/// Whether a word is one of the names, whole or by its first three letters.
fn is_name(word: &str, names: &[&str]) -> bool {
    let is = |text: Option<&str>| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
    // `Sept` and `Thur` are common.
    let short = |name: &&str| (3..=4).any(|length| is(name.get(..length)));
    names.iter().any(|name| is(Some(name)) || short(name))
}

fn number(text: &str, least: usize, most: usize) -> Option<u32> {
    let good = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

fn is_time(text: &str) -> bool {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next(), parts.next(), parts.next());
    hour.and_then(|text| number(text, 1, 2)).is_some_and(|hour| hour < 24)
        && minute.and_then(|text| number(text, 2, 2)).is_some_and(|minute| minute < 60)
        && second.is_none_or(|text| number(text, 2, 2).is_some_and(|second| second <= 60))
        && parts.next().is_none()
}

fn is_zone(text: &str) -> bool {
    match text.strip_prefix(['+', '-']) {
        Some(offset) => number(offset, 3, 4).is_some(),
        None => is_one_of(&text.to_ascii_uppercase(), "UT GMT UTC JST EST EDT CST CDT MST MDT PST PDT Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_with_its_zone() {
        for (text, expected) in [
            ("Fri, 27 Nov 2026 10:00:00 +0900", Some(("2026-11-27T01:00:00Z", 540))),
            ("27 November 26 10:00 JST", Some(("2026-11-27T01:00:00Z", 540))),
            ("Thu, 31 Dec 1998 23:59:60 -0330 (NST)", Some(("1999-01-01T03:30:00Z", -210))),
            ("1 Jan 126 00:00:00 +900", Some(("2025-12-31T15:00:00Z", 540))),
            ("1 Jan 2026 00:00:00", Some(("2026-01-01T00:00:00Z", 0))),
            ("31 Feb 2026 00:00:00 GMT", None),
            ("yesterday", None),
        ] {
            let read = read(text.as_bytes()).map(|(at, east)| (at.to_rfc3339(), east));
            assert_eq!(read, expected.map(|(at, east)| (at.to_owned(), east)), "{text}");
        }
    }

    #[test]
    fn dates_pass_and_nothing_else_does() {
        for good in [
            "Sun, 22 Nov 2026 09:00:00 +0900",
            " 2 nov 26 9:00 JST",
            "Sun, 22 Nov 2026 09:00:00 +0900 (GMT+09:00)",
            "Sun 22 Nov 2026 09:00:00 +0900",
            "Sun ,22 Nov 2026 09:00:00 +0900",
            "Sunday, 22 November 2026 09:00:00 -600",
            "22 June 2026 09:00 +900",
            "Thur, 3 Sept 2026 09:00:00 +0900",
            "Sun,  22 Nov\t 2026\t09:00:00\t +0900",
        ] {
            assert!(is_date(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "yesterday",
            "Sun, 22 Nov 2026 09:00:00 +0900 (a@b)",
            "Sun, 22 Nov 2026 09:00:00 +0900 x",
            "22 Nov 2026 25:00 +0900",
            "Sun, 32 Nov 2026 09:00 +0900",
            "22 Nov 2026 09:00 hana",
            "hana 22 Nov 2026 09:00",
            "Sun Mon 22 Nov 2026 09:00",
            "Sun,, 22 Nov 2026 09:00",
            "22 Novem 2026 09:00",
            "22 Nov 2026 09:00 +09",
        ] {
            assert!(!is_date(bad.as_bytes()), "{bad}");
        }
    }
}
