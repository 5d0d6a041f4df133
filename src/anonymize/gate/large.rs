//! A large file in base64, decoded and looked at a piece at a time, so that it never lies in memory whole: for the gate
//! alone.
//!
//! Rules: only where the body is digits and line ends and nothing else, so that it can be cut between two groups. Pieces
//! share more than a search of a file that is no text reaches over; a link whose content could be longer is read whole.
//! When it fails: never.

use mail_parser::Encoding;

/// Bodies up to so many octets are decoded whole.
const SMALL: usize = 1 << 20;
/// How much of a body is decoded at once, and how many decoded octets the next piece repeats.
const PIECE: usize = 1 << 19;
const OVERLAP: usize = 1 << 16;

/// What was seen of a body in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Secret,
    Nothing,
    /// It must be decoded whole.
    Unread,
}

/// Looks at a body in base64 that is no text by `is_binary`.
pub fn look(body: &[u8], is_binary: impl Fn(&[u8]) -> bool, is_in: impl Fn(&[u8]) -> bool) -> Seen {
    if body.len() <= SMALL || !is_whole(body) {
        return Seen::Unread;
    }
    let mut octets: Vec<u8> = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at_checked(group_end(rest)).unwrap_or((rest, &[]));
        let is_first = octets.is_empty();
        octets.drain(..octets.len().saturating_sub(OVERLAP));
        Encoding::Base64.decode_append(piece, &mut octets);
        rest = behind;
        if (is_first && !is_binary(&octets)) || memchr::memmem::find(&octets, b"base64,").is_some() {
            return Seen::Unread;
        }
        if is_in(&octets) {
            return Seen::Secret;
        }
    }
    Seen::Nothing
}

/// Whether a body is digits of base64 and blanks, with padding at its end alone.
fn is_whole(body: &[u8]) -> bool {
    let end = body.iter().rposition(|b| *b != b'=' && !b.is_ascii_whitespace()).map_or(0, |i| i + 1);
    body.iter().take(end).all(|b| is_digit(*b) || b.is_ascii_whitespace())
}

fn is_digit(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')
}

/// Where the last whole group of a piece ends.
fn group_end(body: &[u8]) -> usize {
    let Some(piece) = body.get(..PIECE) else { return body.len() };
    let mut over = piece.iter().filter(|b| is_digit(**b)).count() % 4;
    let mut end = piece.len();
    while let Some(b) = piece.get(end.wrapping_sub(1)).filter(|_| over > 0) {
        over -= usize::from(is_digit(*b));
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn the_pieces_of_a_large_body_are_the_body_and_what_is_cut_stands_whole_in_one() {
        let file: Vec<u8> =
            (0..1_500_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        for width in [57, 58] {
            let mut body = Vec::new();
            for line in file.chunks(width) {
                body.extend_from_slice(data_encoding::BASE64_NOPAD.encode(line).as_bytes());
                body.extend_from_slice(b"\r\n");
            }
            let whole = Encoding::Base64.decode(&body);
            let (ends, at) = (RefCell::new(Vec::new()), RefCell::new(0));
            let seen = look(
                &body,
                |_| true,
                |piece| {
                    let from = usize::max(*at.borrow(), OVERLAP) - OVERLAP;
                    assert_eq!(Some(piece), whole.get(from..from + piece.len()));
                    *at.borrow_mut() = from + piece.len();
                    ends.borrow_mut().push(from + piece.len());
                    false
                },
            );
            assert_eq!((seen, ends.borrow().last()), (Seen::Nothing, Some(&whole.len())));
            assert!(ends.borrow().len() > 3);
        }
    }

    #[test]
    fn a_body_that_cannot_be_cut_is_read_whole() {
        let digits = |text: &str| text.repeat(SMALL).into_bytes();
        let link = data_encoding::BASE64.encode(b"x data:;base64,abcd ").repeat(SMALL / 16);
        for (body, expected) in [
            (digits("AAAA"), Seen::Nothing),
            (digits("AA=="), Seen::Unread),
            (digits("AA A."), Seen::Unread),
            (link.into_bytes(), Seen::Unread),
            (b"AAAA".to_vec(), Seen::Unread),
        ] {
            assert_eq!(look(&body, |_| true, |_| false), expected);
        }
        assert_eq!(look(&digits("AAAA"), |_| false, |_| false), Seen::Unread);
        assert_eq!(look(&digits("AAAA"), |_| true, |_| true), Seen::Secret);
    }
}
