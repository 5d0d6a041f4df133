//! The members of Pages, Numbers and Keynote files: pieces that Snappy compressed, each behind four octets.
//!
//! Rules: a piece holds at most 64 KiB once it is out, and comes out whole; what came out before a mistake counts.
//! When it fails: [`unpack`] says so.

use super::search::Search;

/// Most octets that come out of a piece.
const MAX_PIECE: usize = 64 * 1024;

/// Unpacks all pieces. Says whether they made sense to the end.
pub fn unpack(octets: &[u8], search: &mut Search<'_>, each: &mut dyn FnMut(&[u8], &mut Search<'_>)) -> bool {
    let mut rest = octets;
    let mut out = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<4>() {
        let [kind, low, middle, high] = *header;
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        let Some((piece, behind)) = behind.split_at_checked(length).filter(|_| kind == 0) else {
            return false;
        };
        rest = behind;
        out.clear();
        let is_whole = piece_out(piece, &mut out).is_some();
        if !search.spend(out.len()) {
            return true;
        }
        each(&out, search);
        if !is_whole {
            return false;
        }
    }
    rest.is_empty()
}

/// One piece: its length, then literals and copies of what came out before.
fn piece_out(piece: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = piece.iter().take_while(|b| **b & 0x80 != 0).count() + 1;
    let mut rest = piece.get(length..)?;
    while let Some((tag, behind)) = rest.split_first() {
        let number = |octets: &[u8]| octets.iter().rev().fold(0, |n: usize, b| n << 8 | usize::from(*b));
        let high = usize::from(tag >> 2);
        let (length, offset) = match tag & 3 {
            0 => {
                // From 60 on the length stands in one to four octets behind the tag.
                let more = high.saturating_sub(59);
                let length = if more == 0 { high } else { number(behind.get(..more)?) } + 1;
                let literal = behind.get(more..more.checked_add(length)?)?;
                rest = behind.get(more + length..)?;
                if out.len() + length > MAX_PIECE {
                    return None;
                }
                out.extend_from_slice(literal);
                continue;
            }
            1 => {
                let offset = usize::from(tag >> 5) << 8 | number(behind.get(..1)?);
                rest = behind.get(1..)?;
                ((high & 7) + 4, offset)
            }
            kind => {
                let width = if kind == 2 { 2 } else { 4 };
                let offset = number(behind.get(..width)?);
                rest = behind.get(width..)?;
                (high + 1, offset)
            }
        };
        let from = out.len().checked_sub(offset).filter(|_| offset > 0)?;
        if out.len() + length > MAX_PIECE {
            return None;
        }
        for at in from..from + length {
            let octet = *out.get(at)?;
            out.push(octet);
        }
    }
    Some(())
}
