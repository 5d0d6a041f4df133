//! Reads a message that comes in chunks whose size was said beforehand (RFC 3030 §2): nothing in it ends it, so nothing
//! in it can pretend to.
//!
//! Rules: how the chunks were cut makes no difference, and no memory is taken for what was only announced. In a
//! message of lines (BODY 7BIT or 8BITMIME) a CR without LF, an LF without CR and a NUL are damage as behind DATA,
//! because the next hop gets it behind DATA; only a CRLF that is missing at the very end is added, which a chunk may
//! lack. A binary message (BODY=BINARYMIME, RFC 3030 §3) is kept as it is: who takes it makes lines of it.
//! When it fails: the first lasting [`DataFault`] is kept, what was collected is dropped at once.

use super::dot::{Damage, DataFault};
use memchr::memchr3;

/// What a message may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Octets {
    /// Lines that end in CRLF.
    Lines,
    /// Anything.
    Binary,
}

/// Collects one message.
pub(crate) struct ChunkReader {
    kept: Vec<u8>,
    octets: Octets,
    limit: u64,
    after_cr: bool,
    fault: Option<DataFault>,
}

impl ChunkReader {
    /// A reader for one message of at most `limit` octets.
    pub(crate) fn new(limit: u64, octets: Octets) -> Self {
        Self { kept: Vec::new(), octets, limit, after_cr: false, fault: None }
    }

    /// Takes octets of a chunk.
    pub(crate) fn read(&mut self, octets: &[u8]) {
        let size = u64::try_from(self.kept.len().saturating_add(octets.len())).unwrap_or(u64::MAX);
        if size > self.limit {
            self.give_up(DataFault::TooLarge);
        }
        if self.octets == Octets::Lines {
            self.look_for_damage(octets);
        }
        if self.fault.is_none() {
            self.kept.extend_from_slice(octets);
        }
    }

    /// Throws away what was collected and what still comes, because there is no memory for it.
    pub(crate) fn discard(&mut self) {
        self.give_up(DataFault::Discarded);
    }

    /// Why the message will not be kept, as far as it is known before its end.
    pub(crate) fn fault(&self) -> Option<DataFault> {
        self.fault
    }

    /// How many octets of memory the message occupies now.
    pub(crate) fn held(&self) -> usize {
        self.kept.capacity()
    }

    /// The message; one of lines is empty or ends in CRLF.
    ///
    /// # Errors
    /// [`DataFault`] when it was damaged, too large or given up.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, DataFault> {
        if self.after_cr {
            self.give_up(DataFault::Damaged(Damage::BareCr));
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.octets == Octets::Lines && !self.kept.is_empty() && !self.kept.ends_with(b"\r\n") {
            self.kept.extend_from_slice(b"\r\n");
        }
        Ok(self.kept)
    }

    fn look_for_damage(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some(&first) = rest.first() {
            if self.after_cr {
                self.after_cr = false;
                if first != b'\n' {
                    return self.give_up(DataFault::Damaged(Damage::BareCr));
                }
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let Some(at) = memchr3(b'\r', b'\n', 0, rest) else { return };
            match rest.get(at) {
                Some(b'\r') => self.after_cr = true,
                Some(b'\n') => return self.give_up(DataFault::Damaged(Damage::BareLf)),
                _ => return self.give_up(DataFault::Damaged(Damage::Nul)),
            }
            rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
        }
    }

    /// Notes the fault. The first stays, except that want of memory, which passes, yields to one that lasts.
    fn give_up(&mut self, fault: DataFault) {
        if matches!(self.fault, None | Some(DataFault::Discarded)) {
            self.fault = Some(fault);
        }
        self.kept = Vec::new();
        self.after_cr = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(octets: Octets, chunks: &[&[u8]]) -> Result<Vec<u8>, DataFault> {
        let mut reader = ChunkReader::new(100, octets);
        chunks.iter().for_each(|chunk| reader.read(chunk));
        reader.finish()
    }

    #[test]
    fn lines_are_kept_and_a_missing_last_line_end_is_added() {
        for (chunks, message) in [
            (&[&b"a\r\n.\r\nb\r\n"[..]][..], &b"a\r\n.\r\nb\r\n"[..]),
            (&[b"a\r", b"\n.", b"\r", b"\n"], b"a\r\n.\r\n"),
            (&[b"a"], b"a\r\n"),
            (&[], b""),
            (&[b"\xff\r\n"], b"\xff\r\n"),
        ] {
            assert_eq!(read(Octets::Lines, chunks).as_deref(), Ok(message));
        }
    }

    #[test]
    fn what_the_next_hop_might_misread_is_damage_unless_the_message_is_binary() {
        for (chunks, damage) in [
            (&[&b"a\nb"[..]][..], Damage::BareLf),
            (&[b"a\r", b"b"], Damage::BareCr),
            (&[b"a\r"], Damage::BareCr),
            (&[b"a\r\n.", b"\n"], Damage::BareLf),
            (&[b"a\r", b"\r\n"], Damage::BareCr),
            (&[b"a", b"\0"], Damage::Nul),
            (&[b"\r\n", b"\n.\r\n"], Damage::BareLf),
        ] {
            assert_eq!(read(Octets::Lines, chunks), Err(DataFault::Damaged(damage)), "{chunks:?}");
            assert_eq!(read(Octets::Binary, chunks), Ok(chunks.concat()));
        }
    }

    #[test]
    fn a_message_of_just_the_limit_is_kept_and_one_octet_more_holds_no_memory() {
        assert_eq!(read(Octets::Binary, &[&[b'a'; 60], &[b'b'; 40]]).map(|m| m.len()), Ok(100));
        let mut reader = ChunkReader::new(100, Octets::Lines);
        reader.read(&[b'a'; 101]);
        assert_eq!((reader.held(), reader.fault()), (0, Some(DataFault::TooLarge)));
        reader.discard();
        assert_eq!(reader.finish(), Err(DataFault::TooLarge));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_alike_in_any_chunks(
            wire in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(0u8), Just(b'a')], 0..40),
            size in 1usize..9,
        ) {
            let pieces: Vec<&[u8]> = wire.chunks(size).collect();
            prop_assert_eq!(read(Octets::Lines, &pieces), read(Octets::Lines, &[&wire]));
        }
    }
}
