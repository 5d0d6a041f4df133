//! A message on its way out, in pieces: never more than [`PIECE`] octets (and the rest of a line) are copied at a
//! time. What a line end is, and which dots are doubled, is [`dot_stuff`]'s business alone.
//!
//! When it fails: [`Unsendable`]; the connection must then be closed without the final dot, so that the next hop
//! throws away what it has.

use crate::smtp::{Unsendable, dot_stuff};

/// Octets of the message taken for one piece.
const PIECE: usize = 64 * 1024;
/// What [`dot_stuff`] puts at the end.
const FINAL_DOT: &[u8] = b".\r\n";

/// The pieces of a message in wire form; the last ends with the final dot.
pub struct Content<'a> {
    /// `None` once the final dot was given.
    rest: Option<&'a [u8]>,
}

impl<'a> Content<'a> {
    /// Of a message whose lines end in CRLF.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: Some(message) }
    }

    /// Whether the final dot was given out.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.rest.is_none()
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// [`Unsendable`] when the piece has a bare CR or LF or a NUL.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Unsendable> {
        let Some(rest) = self.rest.take() else { return Ok(None) };
        let (piece, after) = rest.split_at_checked(end_of_piece(rest)).unwrap_or((rest, &[]));
        let mut wire = dot_stuff(piece)?;
        if !after.is_empty() {
            wire.truncate(wire.len().saturating_sub(FINAL_DOT.len()));
            self.rest = Some(after);
        }
        Ok(Some(wire))
    }
}

/// The end of the first line that ends at [`PIECE`] octets or later.
fn end_of_piece(rest: &[u8]) -> usize {
    let from = PIECE.saturating_sub(2);
    match rest.get(from..) {
        Some(tail) => memchr::memmem::find(tail, b"\r\n").map_or(rest.len(), |at| from + at + 2),
        None => rest.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(message: &[u8]) -> Result<Vec<u8>, Unsendable> {
        let mut content = Content::new(message);
        let mut wire = Vec::new();
        while let Some(piece) = content.next_piece()? {
            wire.extend_from_slice(&piece);
        }
        Ok(wire)
    }

    #[test]
    fn the_pieces_are_the_whole() {
        for line in ["a\r\n", ".\r\n", "..x\r\n", "\r\n", "0123456789\r\n"] {
            for over in 0..4 {
                let message = line.repeat(PIECE * 2 / line.len() + over);
                assert_eq!(joined(message.as_bytes()), dot_stuff(message.as_bytes()));
            }
        }
        assert_eq!(joined(b""), Ok(b".\r\n".to_vec()));
        let long = vec![b'.'; PIECE * 3];
        assert_eq!(joined(&long), dot_stuff(&long));
    }

    #[test]
    fn no_piece_is_much_larger_than_the_limit() {
        let message = b"......\r\n".repeat(PIECE);
        let mut content = Content::new(&message);
        while let Some(piece) = content.next_piece().unwrap() {
            assert!(piece.len() <= PIECE + PIECE / 4);
        }
    }

    #[test]
    fn a_bare_line_feed_in_a_later_piece_is_found() {
        let mut message = b"abc\r\n".repeat(PIECE / 2);
        message.extend_from_slice(b"\n.\r\n");
        assert!(joined(&message).is_err());
    }

    proptest! {
        #[test]
        fn pieces_are_cut_only_between_lines(start in 0usize..8, lines in prop::collection::vec(0usize..300, 0..800)) {
            let mut message = vec![b'.'; PIECE - start];
            for length in lines {
                message.extend(std::iter::repeat_n(b'.', length));
                message.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(joined(&message), dot_stuff(&message));
        }
    }
}
