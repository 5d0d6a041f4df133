//! What is written before an address without a blank between: `Emailhana.suzuki@`, `1.hana.suzuki@`, `03-1234-5678hana.suzuki@`,
//! where a table lost its cells or a list its blanks.
//!
//! Rules: the name of a field of a card, the number of an item, a date or a telephone number, each
//! as a word of its own. All of them can begin a longer local part too: so only before one that nobody else is likely to have
//! (eight letters and digits, or five with a dot, a digit or a sign among them), and then it is a hit.
//! When it fails: never.

/// Names of fields, in lower case.
const LABELS: [&[u8]; 5] = [b"e-mail", b"email", b"mail", b"tel", b"fax"];
/// Most octets before a local part that are looked at.
const MAX_BEFORE: usize = 64;
/// Fewest and most digits of a telephone number or a date.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=13;

/// Whether `before` ends with something that stands before an address and is none of its `local` part.
pub fn stands_before(before: &[u8], local: &[u8]) -> bool {
    let before = before.get(before.len().saturating_sub(MAX_BEFORE)..).unwrap_or_default();
    is_telling(local) && (ends_with_label(before) || ends_with_item(before) || ends_with_number(before))
}

/// Whether hardly anybody else has this local part at its domain.
fn is_telling(local: &[u8]) -> bool {
    local.len() >= 8 || local.len() >= 5 && local.iter().any(|b| !b.is_ascii_alphabetic())
}

fn is_word(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+')
}

fn ends_with_label(before: &[u8]) -> bool {
    let bare = before.strip_suffix(b"_").or_else(|| before.strip_suffix(b".")).unwrap_or(before);
    let is_it = |label: &&[u8]| {
        let Some(at) = bare.len().checked_sub(label.len()) else { return false };
        let (rest, end) = bare.split_at_checked(at).unwrap_or_default();
        end.eq_ignore_ascii_case(label) && !rest.last().is_some_and(is_word)
    };
    LABELS.iter().any(is_it)
}

/// `1.`
fn ends_with_item(before: &[u8]) -> bool {
    let Some(numbered) = before.strip_suffix(b".") else { return false };
    let digits = numbered.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let rest = numbered.get(..numbered.len() - digits).unwrap_or_default();
    (1..=3).contains(&digits) && !rest.last().is_some_and(is_word)
}

/// `03-1234-5678`, `2026-11-22`.
fn ends_with_number(before: &[u8]) -> bool {
    let length = before.iter().rev().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
    let (rest, number) = before.split_at_checked(before.len() - length).unwrap_or_default();
    let digits = number.iter().filter(|b| b.is_ascii_digit()).count();
    let groups = number.split(|b| *b == b'-');
    DIGITS.contains(&digits)
        && groups.clone().count() == 3
        && groups.clone().all(|group| !group.is_empty())
        && !rest.last().is_some_and(is_word)
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
            "1.",
            "a\r\n 12.",
            "> 3.",
            "03-1234-5678",
            "TEL:090-1234-5678",
            "2026-11-22",
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
            "12345678",
            "--",
        ] {
            assert!(!stands_before(before.as_bytes(), b"hana.suzuki"), "{before}");
        }
    }
}
