//! The Date field: kept when it is a date and nothing else.
//!
//! Rules: `date-time` of RFC 5322 §3.3, the obsolete zones of §4.3, and at most one short comment with the name of
//! the zone, as many programs write it. Some leave out the comma, write days and months out, or lose a zero of the
//! zone: that is a date too. Anything else could carry text and gives way to the time of acceptance.
//! When it fails: never.

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
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let text = text.trim();
    if text.len() > MAX_DATE {
        return false;
    }
    let (text, zone_name) = match text.split_once('(') {
        Some((date, comment)) => (date, comment.strip_suffix(')')),
        None => (text, Some("")),
    };
    let Some(zone_name) = zone_name else { return false };
    if zone_name.len() > 32 || !zone_name.chars().all(|c| c.is_ascii_alphanumeric() || " +-:".contains(c)) {
        return false;
    }
    let (first, behind) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
    let text = match behind.strip_prefix(',') {
        Some(rest) if is_name(first, &DAYS) => rest,
        Some(_) => return false,
        None if is_name(first, &DAYS) => behind.trim_start().strip_prefix(',').unwrap_or(behind),
        None => text,
    };
    let mut words = text.split_ascii_whitespace();
    let (Some(day), Some(month), Some(year), Some(time)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let zone = words.next().unwrap_or("+0000");
    number(day, 1, 2).is_some_and(|day| (1..=31).contains(&day))
        && is_name(month, &MONTHS)
        && number(year, 2, 4).is_some()
        && is_time(time)
        && is_zone(zone)
        && words.next().is_none()
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
