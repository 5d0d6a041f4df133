//! The whole treatment of CR, LF and the final dot, in both directions (RFC 5321 §2.3.8 and §4.5.2).
//!
//! Rules: a message ends at CRLF `.` CRLF and nowhere else, where the CRLF of the DATA command counts as the first
//! one, so that an empty message and a dot on the first line are read right. A CR without LF, an LF without CR and
//! a NUL are damage: reading goes on to the true end, because ending earlier is what smuggling lives on
//! (CVE-2023-51764), and then the message is refused whole. Nothing is ever repaired. How the bytes were cut into
//! chunks makes no difference.
//! When it fails: the first lasting [`DataFault`] is kept, what was collected is dropped at once, and the rest is
//! read and thrown away up to one and a half times the limit and 64 KiB more; who sends more than that is cut off.

use memchr::memchr3;

/// What a sender may go on sending beyond one and a half times the limit before it is cut off, in octets.
const FLOOD_MARGIN: u64 = 64 * 1024;

/// Damage to the line structure, found on reading or before sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("a CR without an LF")]
    BareCr,
    #[error("an LF without a CR")]
    BareLf,
    #[error("a NUL")]
    Nul,
}

/// Why a message that was read to its end is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataFault {
    #[error("the message has {0}")]
    Damaged(Damage),
    #[error("the message is larger than the limit")]
    TooLarge,
    #[error("the message was given up for want of memory")]
    Discarded,
}

/// Where reading stands after a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DotProgress {
    /// All of the chunk belongs to the message; more is to come.
    More,
    /// The message ended; this many octets of the chunk belonged to it, the rest are the next commands.
    End(usize),
    /// The sender went far beyond the limit: the connection must be closed.
    Flood,
}

/// Where in a line the reader stands. `Bol` is the beginning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Bol,
    Dot,
    DotCr,
    Mid,
    Cr,
}

/// Reads one message after `354`, to its end and not an octet further.
///
/// ```text
/// state   CR      LF            .       NUL          other
/// Bol     Cr      Mid, damage   Dot     Mid, damage  Mid
/// Dot     DotCr   Mid, damage   Mid     Mid, damage  Mid       (the dot itself is dropped)
/// DotCr   Cr, d.  END           Mid, d. Mid, damage  Mid, d.
/// Mid     Cr      Mid, damage   Mid     Mid, damage  Mid
/// Cr      Cr, d.  Bol           Mid, d. Mid, damage  Mid, d.
/// ```
pub struct DotReader {
    state: State,
    kept: Vec<u8>,
    /// Octets of the message so far, kept or not, without doubled dots (RFC 1870 §5).
    size: u64,
    /// Octets read from the wire so far.
    read: u64,
    limit: u64,
    fault: Option<DataFault>,
}

impl DotReader {
    /// A reader for one message of at most `limit` octets (RFC 1870 §5: CRLFs counted, doubled dots not).
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { state: State::Bol, kept: Vec::new(), size: 0, read: 0, limit, fault: None }
    }

    /// Reads a chunk, up to the end of the message at most.
    pub fn read(&mut self, chunk: &[u8]) -> DotProgress {
        let flood_at = self.limit.saturating_add(self.limit / 2).saturating_add(FLOOD_MARGIN);
        let left = usize::try_from(flood_at.saturating_sub(self.read)).unwrap_or(usize::MAX);
        let (allowed, over) = chunk.split_at_checked(left).unwrap_or((chunk, &[]));
        let mut rest = allowed;
        loop {
            if self.state == State::Mid {
                let plain = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                let (text, after) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
                self.keep(text);
                rest = after;
            }
            let Some((&byte, after)) = rest.split_first() else { break };
            rest = after;
            if self.step(byte) {
                let used = allowed.len().saturating_sub(rest.len());
                self.count(used);
                return DotProgress::End(used);
            }
        }
        self.count(allowed.len());
        if over.is_empty() {
            DotProgress::More
        } else {
            self.give_up(DataFault::TooLarge);
            DotProgress::Flood
        }
    }

    /// Throws away what was collected and what still comes, because there is no memory for it.
    pub fn discard(&mut self) {
        self.give_up(DataFault::Discarded);
    }

    /// How many octets of memory the message occupies now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.kept.capacity()
    }

    /// The message, which is empty or ends in CRLF. To be called after [`DotProgress::End`].
    ///
    /// # Errors
    /// [`DataFault`] when it was damaged, too large or given up.
    pub fn finish(self) -> Result<Vec<u8>, DataFault> {
        match self.fault {
            None => Ok(self.kept),
            Some(fault) => Err(fault),
        }
    }

    /// Takes one octet; true at the end of the message.
    fn step(&mut self, byte: u8) -> bool {
        match (self.state, byte) {
            (State::DotCr, b'\n') => return true,
            (State::Cr, b'\n') => {
                self.keep(b"\r\n");
                self.state = State::Bol;
                return false;
            }
            // A CR was pending and no LF came.
            (State::DotCr | State::Cr, _) => self.give_up(DataFault::Damaged(Damage::BareCr)),
            _ => {}
        }
        self.state = match (self.state, byte) {
            (State::Dot, b'\r') => State::DotCr,
            (_, b'\r') => State::Cr,
            (State::Bol, b'.') => State::Dot,
            (_, b'\n') => {
                self.give_up(DataFault::Damaged(Damage::BareLf));
                State::Mid
            }
            (_, 0) => {
                self.give_up(DataFault::Damaged(Damage::Nul));
                State::Mid
            }
            _ => {
                self.keep(&[byte]);
                State::Mid
            }
        };
        false
    }

    fn keep(&mut self, text: &[u8]) {
        self.size = self.size.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if self.size > self.limit {
            self.give_up(DataFault::TooLarge);
        }
        if self.fault.is_none() {
            self.kept.extend_from_slice(text);
        }
    }

    fn count(&mut self, octets: usize) {
        self.read = self.read.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
    }

    /// Notes the fault. The first stays, except that want of memory, which passes, yields to one that lasts.
    fn give_up(&mut self, fault: DataFault) {
        if matches!(self.fault, None | Some(DataFault::Discarded)) {
            self.fault = Some(fault);
        }
        self.kept = Vec::new();
    }
}

/// Why a message must not be sent, and where. It carries no text of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has {damage} at octet {offset}")]
pub struct Unsendable {
    pub damage: Damage,
    /// Octets from the start of the message.
    pub offset: usize,
}

/// The message as it goes on the wire after `354`: dots at the beginning of a line doubled, the first line
/// included; a CRLF added only where the last one is missing; then the final dot.
///
/// # Errors
/// [`Unsendable`] when it has a bare CR, a bare LF or a NUL: a next hop might see its end there.
pub fn dot_stuff(message: &[u8]) -> Result<Vec<u8>, Unsendable> {
    let mut out = Vec::with_capacity(message.len().saturating_add(message.len() / 64).saturating_add(5));
    let mut rest = message;
    while !rest.is_empty() {
        if rest.first() == Some(&b'.') {
            out.push(b'.');
        }
        let found = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
        let (text, end) = rest.split_at_checked(found).unwrap_or((rest, &[]));
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
        rest = match end {
            [] => &[],
            [b'\r', b'\n', after @ ..] => after,
            [byte, ..] => {
                let damage = match byte {
                    b'\r' => Damage::BareCr,
                    b'\n' => Damage::BareLf,
                    _ => Damage::Nul,
                };
                return Err(Unsendable { damage, offset: message.len().saturating_sub(end.len()) });
            }
        };
    }
    out.extend_from_slice(b".\r\n");
    Ok(out)
}

#[cfg(test)]
mod tests;
