//! What is written before an address without a blank between: `Emailhana.suzuki@`, `1.hana.suzuki@`, `TEL03-1234-5678hana.suzuki@`,
//! where a table lost its cells or a list its blanks.
//!
//! Rules: the name of a field of a card, the number of an item, a date, a time or a telephone number, and few of them in a row, up to
//! what is of no word. All of them can begin a longer local part too: so only before one that nobody else is likely to have
//! (eight letters and digits, or five with a dot, a digit or a sign among them), and then it is a hit.
//! When it fails: never.

/// Names of fields, in lower case.
const LABELS: [&[u8]; 11] = [
    b"e-mail",
    b"email",
    b"mail",
    b"mailto",
    b"address",
    b"telephone",
    b"phone",
    b"mobile",
    b"cell",
    b"tel",
    b"fax",
];
/// Those before a number that has no hyphens.
const CALLED: [&[u8]; 5] = [b"phone", b"mobile", b"cell", b"tel", b"fax"];
/// Most octets before a local part that are looked at, and most pieces in a row.
const MAX_BEFORE: usize = 96;
const MAX_PIECES: usize = 5;
/// Longest number with its marks.
const MAX_NUMBER: usize = 24;
/// Fewest and most digits of a telephone number.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=13;

/// Whether `before` ends with something that stands before an address and is none of its `local` part.
pub fn stands_before(before: &[u8], local: &[u8]) -> bool {
    // Most local parts have a blank or a bracket before them.
    if !before.last().is_some_and(is_word) || !is_telling(local) {
        return false;
    }
    let mut rest = before.get(before.len().saturating_sub(MAX_BEFORE)..).unwrap_or_default();
    let mut behind_label = false;
    for _ in 0..MAX_PIECES {
        let label = without_label(rest);
        let Some(less) =
            label.or_else(|| without_number(rest)).or_else(|| without_item(rest)).or_else(|| {
                // `123Mail`: whose number it is nobody asks.
                let digits = trailing_digits(rest);
                let is_one = behind_label && (1..=*DIGITS.end()).contains(&digits);
                if is_one { rest.get(..rest.len() - digits) } else { None }
            })
        else {
            return false;
        };
        behind_label = label.is_some();
        rest = less;
        if !rest.last().is_some_and(is_word) {
            return true;
        }
    }
    false
}

/// Whether hardly anybody else has this local part at its domain.
fn is_telling(local: &[u8]) -> bool {
    local.len() >= 8 || local.len() >= 5 && local.iter().any(|b| !b.is_ascii_alphabetic())
}

fn is_word(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+')
}

fn trailing_digits(text: &[u8]) -> usize {
    text.iter().rev().take_while(|b| b.is_ascii_digit()).count()
}

/// What stands before `end`, where a text ends with it in any case.
fn without_end<'t>(text: &'t [u8], end: &[u8]) -> Option<&'t [u8]> {
    let (before, found) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    found.eq_ignore_ascii_case(end).then_some(before)
}

/// `Mail`, `E-mail_`, `Tel.`
fn without_label(before: &[u8]) -> Option<&[u8]> {
    let bare = before.strip_suffix(b"_").or_else(|| before.strip_suffix(b".")).unwrap_or(before);
    // The longest: `mail` ends `e-mail` too.
    LABELS.iter().filter_map(|label| without_end(bare, label)).min_by_key(|rest| rest.len())
}

/// `1.`
fn without_item(before: &[u8]) -> Option<&[u8]> {
    let numbered = before.strip_suffix(b".")?;
    let digits = trailing_digits(numbered);
    if (1..=3).contains(&digits) { numbered.get(..numbered.len() - digits) } else { None }
}

/// `03-1234-5678`, `(03)1234-5678`, `+81-3-1234-5678`, `2026/11/22`, `09:00`, and `0312345678` behind the name of its field.
fn without_number(before: &[u8]) -> Option<&[u8]> {
    let is_part = |b: &&u8| b.is_ascii_digit() || b"-/.:()".contains(b);
    let length = before.iter().rev().take(MAX_NUMBER).take_while(is_part).count();
    let run = before.get(before.len() - length..)?;
    if !run.last()?.is_ascii_digit() {
        return None;
    }
    let first = run.iter().position(|b| b.is_ascii_digit() || *b == b'(')?;
    let (rest, number) = before.split_at_checked(before.len() - length + first)?;
    let groups: Vec<usize> =
        number.split(|b| !b.is_ascii_digit()).map(<[u8]>::len).filter(|length| *length > 0).collect();
    let marks: Vec<u8> = number.iter().copied().filter(|b| !b.is_ascii_digit()).collect();
    let digits: usize = groups.iter().sum();
    let abroad = rest.strip_suffix(b"+");
    match (marks.as_slice(), groups.as_slice()) {
        (b"---", [1..=3, ..]) if DIGITS.contains(&digits) && groups.len() == 4 => abroad,
        (b"--", [_, _, _]) if DIGITS.contains(&digits) => Some(rest),
        (b"()-" | b"()", [_, _, _]) if DIGITS.contains(&digits) => Some(rest),
        (b"--" | b"//" | b"..", [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4]) if !rest.ends_with(b"/") => Some(rest),
        (b":" | b"::", [1..=2, 2] | [1..=2, 2, 2]) => Some(rest),
        (b"", [_]) if DIGITS.contains(&digits) => {
            let named = rest.strip_suffix(b":").or_else(|| rest.strip_suffix(b".")).unwrap_or(rest);
            CALLED.iter().any(|label| without_end(named, label).is_some()).then_some(rest)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lost_its_blank_is_none_of_the_local_part() {
        for before in [
            "Email",
            "E-MAIL",
            "・mail",
            "e-mail_",
            "Mail.",
            "FAX",
            "Address",
            "MailAddress",
            "E-mail.address",
            "1.",
            "a\r\n 12.",
            "> 3.",
            "03-1234-5678",
            "TEL:090-1234-5678",
            "TEL03-1234-5678",
            "Tel.(03)1234-5678",
            "TEL0312345678",
            "TEL:0312345678",
            "+81-3-1234-5678",
            "03-1234-5678Mail",
            "TEL03-1234-5678FAX03-1234-5679E-mail",
            "123Mail",
            "5.Mail",
            "18:00",
            "2026-11-22",
            "2026/11/22",
            "2026/1/2",
            "22.11.2026",
        ] {
            assert!(stands_before(before.as_bytes(), b"hana.suzuki"), "{before}");
            assert!(!stands_before(before.as_bytes(), b"hana"), "{before}");
            assert!(!stands_before(before.as_bytes(), b"support"), "{before}");
        }
        for before in [
            "",
            "rob",
            "hotmail",
            "x-mail",
            "mail-",
            "x1.",
            "1234.",
            "1-2-3",
            "x03-1234-5678",
            "-03-1234-5678",
            "1-03-1234-5678",
            "12345678",
            "x0312345678",
            "--",
            "headdress",
            "bob.mail",
            "bob123Mail",
            "x.2026.11.22",
            "https://x.example/2026/11/22",
            "v2:1",
        ] {
            assert!(!stands_before(before.as_bytes(), b"hana.suzuki"), "{before}");
        }
    }
}
