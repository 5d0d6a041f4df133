//! Reading a server's replies (RFC 5321 §4.2): `250-text`, `250 text`, or `250` alone, ended by CRLF or, as some
//! servers write, LF.
//!
//! Rules: a line is at most [`MAX_LINE`] octets, a reply at most [`MAX_REPLY`] and [`MAX_LINES`] lines; all lines
//! of a reply have one code, 200 to 599. An enhanced code (RFC 2034 §4) counts when its class is the first digit of
//! the code. How the octets were cut makes no difference.
//! When it fails: [`ReplyFault`], and nothing more can be read from that connection: where the next reply begins
//! is no longer known.

use super::{RemoteText, Status};

/// Octets of one line, CRLF included. RFC 5321 §4.5.3.1.5 has 512; real servers write longer ones.
pub const MAX_LINE: usize = 4096;
/// Octets of one reply.
pub const MAX_REPLY: usize = 64 * 1024;
/// Lines of one reply.
pub const MAX_LINES: usize = 200;

/// Why what a server sent is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    #[error("a line or the whole of the reply is too long")]
    TooLong,
    #[error("the line is no reply line")]
    Malformed,
    #[error("the lines of one reply have different codes")]
    MixedCodes,
}

/// One whole reply of a server. Its text cannot be printed.
pub struct RemoteReply {
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    /// The lines without their ends, each still with its code.
    lines: Vec<Vec<u8>>,
}

impl RemoteReply {
    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Code and enhanced code.
    #[must_use]
    pub fn status(&self) -> Status {
        Status { code: self.code, enhanced: self.enhanced }
    }

    /// The texts of the lines after code and hyphen or space.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|line| line.get(4..).unwrap_or_default())
    }

    /// The whole as text for sealing.
    pub(crate) fn into_text(self) -> RemoteText {
        RemoteText::new(&self.lines.join(&b"\r\n"[..]))
    }
}

/// Collects octets until they make a reply.
#[derive(Default)]
pub struct ReplyReader {
    input: Vec<u8>,
    /// How far `input` has been read: whole lines before it are in `lines`.
    read: usize,
    /// How far beyond `read` there is no LF.
    searched: usize,
    lines: Vec<Vec<u8>>,
    octets: usize,
    code: Option<u16>,
}

impl ReplyReader {
    /// A reader before the first reply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was received.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.read > 0 {
            self.input.drain(..self.read.min(self.input.len()));
            self.read = 0;
        }
        self.input.extend_from_slice(octets);
    }

    /// Whether nothing at all is left over, not even a part of a reply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.input.len() <= self.read
    }

    /// Forgets everything received, as at the switch to TLS (RFC 3207 §4.2, CVE-2011-0411).
    pub fn discard(&mut self) {
        *self = Self::default();
    }

    /// The next whole reply, if it is there.
    ///
    /// # Errors
    /// [`ReplyFault`] when what came is no reply; the connection is then of no use.
    pub fn take(&mut self) -> Result<Option<RemoteReply>, ReplyFault> {
        while let Some(line) = self.next_line()? {
            if self.octets > MAX_REPLY || self.lines.len() >= MAX_LINES {
                return Err(ReplyFault::TooLong);
            }
            let (code, last) = parse_line(&line)?;
            if self.code.is_some_and(|first| first != code) {
                return Err(ReplyFault::MixedCodes);
            }
            self.code = Some(code);
            self.lines.push(line);
            if last {
                self.code = None;
                self.octets = 0;
                let lines = std::mem::take(&mut self.lines);
                let enhanced = lines.first().and_then(|line| parse_enhanced(code, line.get(4..)?));
                return Ok(Some(RemoteReply { code, enhanced, lines }));
            }
        }
        Ok(None)
    }

    /// The next line without its end.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReplyFault> {
        let rest = self.input.get(self.read..).unwrap_or_default();
        let unseen = rest.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unseen).map(|at| at + self.searched) else {
            self.searched = rest.len();
            return if rest.len() > MAX_LINE { Err(ReplyFault::TooLong) } else { Ok(None) };
        };
        if at >= MAX_LINE {
            return Err(ReplyFault::TooLong);
        }
        let line = rest.get(..at).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.read += at + 1;
        self.searched = 0;
        self.octets += at + 1;
        Ok(Some(line))
    }
}

/// Code, and whether it is the last line.
fn parse_line(line: &[u8]) -> Result<(u16, bool), ReplyFault> {
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyFault::Malformed)?;
    let code = digits.iter().try_fold(0u16, |code, byte| {
        if byte.is_ascii_digit() { Some(code * 10 + u16::from(byte - b'0')) } else { None }
    });
    let code = code.filter(|code| (200..600).contains(code)).ok_or(ReplyFault::Malformed)?;
    match rest.first() {
        None | Some(b' ') => Ok((code, true)),
        Some(b'-') => Ok((code, false)),
        Some(_) => Err(ReplyFault::Malformed),
    }
}

/// `class.subject.detail` at the start of a text, where its class is that of the code and both numbers have at
/// most three digits (RFC 3463 §2).
fn parse_enhanced(code: u16, text: &[u8]) -> Option<(u8, u16, u16)> {
    let word = text.split(|b| *b == b' ').next()?;
    let mut numbers = std::str::from_utf8(word).ok()?.split('.');
    let mut number = || {
        let text = numbers.next()?;
        let good = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if good { text.parse::<u16>().ok() } else { None }
    };
    let (class, subject, detail) = (number()?, number()?, number()?);
    if numbers.next().is_some() || class != code / 100 {
        return None;
    }
    Some((u8::try_from(class).ok()?, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Code, enhanced code, number of lines.
    type Seen = (u16, Option<(u8, u16, u16)>, usize);

    fn read_all(octets: &[u8], size: usize) -> Result<Vec<Seen>, ReplyFault> {
        let mut reader = ReplyReader::new();
        let mut seen = Vec::new();
        for chunk in octets.chunks(size.max(1)) {
            reader.feed(chunk);
            while let Some(reply) = reader.take()? {
                seen.push((reply.code(), reply.status().enhanced, reply.lines.len()));
            }
        }
        Ok(seen)
    }

    #[test]
    fn replies_are_read_alike_in_any_pieces() {
        let wire = b"220 hi\r\n250-2.1.0 a\r\n250-\r\n250\r\n550 5.1.1 no\n250 2.1.0.9 x\r\n450 5.1.1 x\r\n";
        let expected = vec![
            (220, None, 1),
            (250, Some((2, 1, 0)), 3),
            (550, Some((5, 1, 1)), 1),
            (250, None, 1),
            (450, None, 1),
        ];
        for size in 1..=wire.len() {
            assert_eq!(read_all(wire, size), Ok(expected.clone()), "{size}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for (wire, fault) in [
            (&b"hello\r\n"[..], ReplyFault::Malformed),
            (b"\r\n", ReplyFault::Malformed),
            (b"25\r\n", ReplyFault::Malformed),
            (b"199 x\r\n", ReplyFault::Malformed),
            (b"600 x\r\n", ReplyFault::Malformed),
            (b"250x\r\n", ReplyFault::Malformed),
            (b"250-a\r\n251 b\r\n", ReplyFault::MixedCodes),
        ] {
            assert_eq!(read_all(wire, 1), Err(fault), "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn neither_a_line_nor_a_reply_grows_without_end() {
        let long = vec![b'2'; MAX_LINE + 1];
        assert_eq!(read_all(&long, 100), Err(ReplyFault::TooLong));
        let many = b"250-a\r\n".repeat(MAX_LINES + 1);
        assert_eq!(read_all(&many, 1000), Err(ReplyFault::TooLong));
        let wide = [b"250-".to_vec(), vec![b'a'; 4000], b"\r\n".to_vec()].concat().repeat(20);
        assert_eq!(read_all(&wide, 1000), Err(ReplyFault::TooLong));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(wire in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..20) {
            prop_assert_eq!(read_all(&wire, size), read_all(&wire, wire.len().max(1)));
        }
    }
}
