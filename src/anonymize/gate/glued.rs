//! Words and numbers that stand before an address where a blank was lost, as the gate reads them.
//!
//! Rules: backwards from the address: the name of a field, the number of an item, three groups of digits.
//! Behind any of them an address begins, if its local part is long or has more than letters.
//! When it fails: never.

use super::fold::{Folded, MAX_LOCAL};
use std::iter::Rev;
use std::slice::Iter;

/// Names of fields, from their ends.
const NAMES: [&str; 5] = ["liam-e", "liame", "liam", "let", "xaf"];

/// Whether the address whose local part is `start..at` begins there, in a folded text.
pub fn stand_before(text: &Folded, start: usize, at: usize) -> bool {
    let (before, local) = text.before(at).split_at_checked(start).unwrap_or_default();
    let reaches = |from: &usize| *from == 0 || text.is_gap(*from);
    let from = (start.saturating_sub(MAX_LOCAL)..=start).rev().find(reaches);
    let Some(from) = from else { return end_before(before, local) };
    // What was taken out there is a line end, a blank or a tag.
    let own = [b"\n", before.get(from..).unwrap_or_default()].concat();
    end_before(&own, local)
}

/// Whether an address begins behind `before`, although a letter, a digit or a joint stands there.
pub fn end_before(before: &[u8], local: &[u8]) -> bool {
    let plain = local.iter().all(u8::is_ascii_alphabetic);
    if local.len() < if plain { 8 } else { 5 } {
        return false;
    }
    let backwards = before.iter().rev();
    named(backwards.clone()) || item(backwards.clone()) || grouped(backwards)
}

fn joins(b: Option<&u8>) -> bool {
    b.is_some_and(|b| b.is_ascii_alphanumeric() || b"._-+".contains(b))
}

fn named(mut backwards: Rev<Iter<'_, u8>>) -> bool {
    let mut bare = backwards.clone();
    if matches!(bare.next(), Some(b'.' | b'_')) {
        backwards = bare;
    }
    NAMES.iter().any(|name| {
        let mut rest = backwards.clone();
        name.bytes().all(|b| rest.next().is_some_and(|own| own.to_ascii_lowercase() == b))
            && !joins(rest.next())
    })
}

fn item(mut backwards: Rev<Iter<'_, u8>>) -> bool {
    if backwards.next() != Some(&b'.') {
        return false;
    }
    let digits = backwards.clone().take_while(|b| b.is_ascii_digit()).count();
    (1..=3).contains(&digits) && !joins(backwards.nth(digits))
}

fn grouped(backwards: Rev<Iter<'_, u8>>) -> bool {
    let (mut digits, mut hyphens, mut last) = (0, 0, b'-');
    let mut beyond = None;
    for b in backwards {
        match b {
            b'-' if last != b'-' => hyphens += 1,
            b'0'..=b'9' => digits += 1,
            _ => {
                beyond = Some(b);
                break;
            }
        }
        if digits > 13 || hyphens > 2 {
            return false;
        }
        last = *b;
    }
    digits >= 8 && hyphens == 2 && last != b'-' && !joins(beyond)
}

#[cfg(test)]
mod tests {
    use super::end_before;

    #[test]
    fn an_address_begins_behind_names_of_fields_and_numbers() {
        for before in
            ["email", "E-Mail", " mail", "e-mail_", "fax.", "1.", "\n> 10.", "03-1234-5678", ":2026-11-22"]
        {
            assert!(end_before(before.as_bytes(), b"hana.suzuki"), "{before}");
            assert!(!end_before(before.as_bytes(), b"support"), "{before}");
        }
        for before in
            ["", "b", "gmail", "-mail", "x1.", "5-1.", "1234.", "1-2-3", "1-03-1234-5678", "a03-1234-5678"]
        {
            assert!(!end_before(before.as_bytes(), b"hana.suzuki"), "{before}");
        }
    }
}
