//! Words and numbers that stand before an address where a blank was lost, as the gate reads them.
//!
//! Rules: backwards from the address, piece by piece, up to where a word begins: the name of a field, the number of an item, a number
//! that is called, a day, a time. Behind any of them an address begins, if its local part is long or has more than letters.
//! When it fails: never.

use super::fold::{Folded, MAX_LOCAL};

/// Names of fields; behind those of the second half a number may stand without any mark.
const NAMES: [&str; 11] =
    ["address", "mailto", "mail", "email", "e-mail", "cell", "fax", "mobile", "phone", "tel", "telephone"];
const CALLS_FROM: usize = 5;
/// Most pieces.
const MAX_PIECES: u32 = 5;
/// How numbers look, each digit a 9 and a run of up to two of them a 1: days, and times.
const LOOKS: [&str; 8] =
    ["9999-1-1", "9999/1/1", "9999.1.1", "1-1-9999", "1/1/9999", "1.1.9999", "1:1", "1:1:1"];

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
    if local.len() < if plain { 8 } else { 5 } || !joins(before.last()) {
        return false;
    }
    let near = before.get(before.len().saturating_sub(MAX_LOCAL + 16)..).unwrap_or_default();
    let near: String = near.iter().map(|b| char::from(b.to_ascii_lowercase())).collect();
    is_row(&near, MAX_PIECES, false)
}

fn joins(b: Option<&u8>) -> bool {
    b.is_some_and(|b| b.is_ascii_alphanumeric() || b"._-+".contains(b))
}

/// Whether `text` ends with pieces that begin where a word does; `named` is whether the name of a field follows.
fn is_row(text: &str, left: u32, named: bool) -> bool {
    let goes_on =
        |rest: &str, named| !joins(rest.as_bytes().last()) || (left > 1 && is_row(rest, left - 1, named));
    let bare = text.strip_suffix(['.', '_']).unwrap_or(text);
    if NAMES.iter().filter_map(|name| bare.strip_suffix(name)).any(|rest| goes_on(rest, true)) {
        return true;
    }
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - head.len();
    if digits == 0 {
        let item = text.strip_suffix('.').unwrap_or_default();
        let head = item.trim_end_matches(|c: char| c.is_ascii_digit());
        return (1..=3).contains(&(item.len() - head.len())) && goes_on(head, false);
    }
    if named && digits <= 13 && goes_on(head, false) {
        return true;
    }
    let called = head.strip_suffix([':', '.']).unwrap_or(head);
    let is_called = NAMES.iter().skip(CALLS_FROM).any(|name| called.ends_with(name));
    if is_called && (8..=13).contains(&digits) && goes_on(head, false) {
        return true;
    }
    number(text).is_some_and(|rest| goes_on(rest, false))
}

/// What stands before a number with marks, whole.
fn number(text: &str) -> Option<&str> {
    let run = text.trim_end_matches(|c: char| c.is_ascii_digit() || "()-/.:".contains(c));
    let number = text.get(run.len()..)?.trim_start_matches(['-', '/', '.', ':', ')']);
    let rest = text.get(..text.len() - number.len())?;
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let groups = number.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).count();
    let marks = number.bytes().filter(|b| !b.is_ascii_digit()).collect::<Vec<u8>>();
    let is_phone = (8..=13).contains(&digits) && [&b"--"[..], b"()-", b"()"].contains(&marks.as_slice());
    if is_phone && groups == 3 {
        return Some(rest);
    }
    if marks == b"---" && groups == 4 && (8..=13).contains(&digits) {
        return rest.strip_suffix('+');
    }
    let mut look = String::new();
    for piece in number.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let mark = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        match piece.len() - mark.len() {
            1 | 2 => look.push('1'),
            count => look.extend(std::iter::repeat_n('9', count)),
        }
        look.push_str(mark);
    }
    let is_time = look.contains(':');
    let minutes = number.rsplit(':').next().is_some_and(|last| last.len() == 2);
    let looks = LOOKS.contains(&look.as_str()) && (if is_time { minutes } else { !rest.ends_with('/') });
    looks.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::end_before;

    #[test]
    fn an_address_begins_behind_names_of_fields_and_numbers() {
        for before in [
            "email",
            "E-Mail",
            " mail",
            "e-mail_",
            "fax.",
            "address",
            "Mail.Address",
            "1.",
            "\n> 10.",
            "03-1234-5678",
            "TEL(03)1234-5678",
            "tel0312345678",
            "tel:0312345678",
            "+81-90-1234-5678",
            "tel03-1234-5678fax03-1234-5679mail",
            "12mail",
            "9:30",
            ":2026-11-22",
            "2026/1/22",
            "1.2.2026",
        ] {
            assert!(end_before(before.as_bytes(), b"hana.suzuki"), "{before}");
            assert!(!end_before(before.as_bytes(), b"support"), "{before}");
        }
        for before in [
            "",
            "b",
            "gmail",
            "-mail",
            "x1.",
            "5-1.",
            "1234.",
            "1-2-3",
            "1-03-1234-5678",
            "a03-1234-5678",
            "-03-1234-5678",
            "0312345678",
            "headdress",
            "x12mail",
            "//x/2026/11/22",
            "v2:1",
        ] {
            assert!(!end_before(before.as_bytes(), b"hana.suzuki"), "{before}");
        }
    }
}
