//! The Date field: kept when it is a date and nothing else.
//!
//! Rules: `date-time` of RFC 5322 §3.3, the obsolete zones of §4.3, and at most one short comment with the name of
//! the zone, as many programs write it. Anything else could carry text and gives way to the time of acceptance.
//! When it fails: never.

/// Whether `value` (folds removed) is a date and nothing else.
pub fn is_date(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let text = text.trim();
    if text.len() > 80 {
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
    let text = match text.split_once(',') {
        Some((day, rest)) if is_one_of(day.trim(), "Mon Tue Wed Thu Fri Sat Sun") => rest,
        Some(_) => return false,
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
        && is_one_of(month, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
        && number(year, 2, 4).is_some()
        && is_time(time)
        && is_zone(zone)
        && words.next().is_none()
}

fn is_one_of(word: &str, all: &str) -> bool {
    all.split(' ').any(|one| one.eq_ignore_ascii_case(word))
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
        Some(offset) => number(offset, 4, 4).is_some(),
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
        ] {
            assert!(!is_date(bad.as_bytes()), "{bad}");
        }
    }
}
