//! Reading a server's replies (RFC 5321 §4.2): `250-text`, `250 text`, or `250` alone, ended by CRLF or, as some
//! servers write, LF.
//!
//! Rules: what a server meant counts, not how well it wrote it: a reply to the final dot that is not understood sends the message twice. Of
//! a line [`MAX_LINE`] octets are kept, of a reply [`MAX_REPLY`] octets and [`MAX_LINES`] lines; what goes beyond is read
//! and forgotten, up to [`MAX_FORGOTTEN`]. Where lines of a reply have different codes that of the last one counts (RFC 5321 §4.2.1). A code is
//! 200 to 599; lines with 1yz, which SMTP has no use for, and empty ones are passed over, [`MAX_FORGOTTEN`] octets of them at most. An
//! enhanced code (RFC 2034 §4) counts when its class is the first digit of the code. How the octets were cut makes no difference.
//! What a client does follows from the code alone (RFC 5321 §4.2), so a line without the blank behind its three digits (`250OK`) says what
//! they say, and is the last of its reply. Behind a fourth digit there is no code.
//! When it fails: [`ReplyFault`], and nothing more can be read from that connection: where the next reply begins
//! is no longer known. [`ReplyReader::begun`] tells what the server had begun to say, also in a line whose end never came: the code is
//! there whole once its third digit is, and nothing that may follow in that line changes it.

use super::{RemoteText, Status};

/// Octets of one line that are kept, its end included. RFC 5321 §4.5.3.1.5 has 512; real servers write longer ones.
pub const MAX_LINE: usize = 4096;
/// Octets of one reply that are kept.
pub const MAX_REPLY: usize = 64 * 1024;
/// Lines of one reply that are kept.
pub const MAX_LINES: usize = 200;
/// Octets that are read beyond those, and then no more.
pub const MAX_FORGOTTEN: usize = 1024 * 1024;

/// Why what a server sent is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    #[error("the reply does not end")]
    TooLong,
    #[error("the line is no reply line")]
    Malformed,
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
        self.lines.iter().map(|line| text_of(line))
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
    /// How far `input` has been read.
    read: usize,
    /// How far beyond `read` there is no LF.
    searched: usize,
    /// The beginning of a line whose rest is forgotten.
    cut: Option<Vec<u8>>,
    lines: Vec<Vec<u8>>,
    /// Of `lines`.
    octets: usize,
    /// Of what was read since the last whole reply, and not kept.
    forgotten: usize,
    /// Of the last line.
    code: Option<u16>,
    /// Whether a line was none.
    is_faulty: bool,
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
        self.lines.is_empty() && self.cut.is_none() && self.input.len() <= self.read
    }

    /// The code of a reply that has begun and not ended: of its last line, whole or not, of which so much came.
    #[must_use]
    pub fn begun(&self) -> Option<u16> {
        if self.is_faulty {
            return self.said_behind().or(self.code);
        }
        let rest = || self.input.get(self.read..).unwrap_or_default();
        let unfinished = self.cut.as_deref().unwrap_or_else(rest);
        let code = code_of(unfinished).ok().map(|(code, _)| code).filter(|code| *code >= 200);
        code.or(self.code)
    }

    /// The code of what stands behind a line that was none, where that is one whole reply and nothing else.
    fn said_behind(&self) -> Option<u16> {
        let rest = self.input.get(self.read..)?.strip_suffix(b"\n")?;
        let mut said = None;
        for line in rest.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match (parse_line(line).ok()?, said) {
                (None, _) => {}
                (Some(_), Some((_, true))) => return None,
                (Some(one), _) => said = Some(one),
            }
        }
        said.filter(|(_, is_last)| *is_last).map(|(code, _)| code)
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
            let parsed = parse_line(&line);
            self.is_faulty |= parsed.is_err();
            let Some((code, last)) = parsed? else {
                self.forget(line.len() + 1)?;
                continue;
            };
            self.code = Some(code);
            let size = self.octets + line.len();
            // The last line says what counts, and is kept whatever came before it.
            if last || (self.lines.len() < MAX_LINES - 1 && size <= MAX_REPLY - MAX_LINE) {
                self.octets = size;
                self.lines.push(line);
            } else {
                self.forget(line.len())?;
            }
            if last {
                self.code = None;
                (self.octets, self.forgotten) = (0, 0);
                let lines = std::mem::take(&mut self.lines);
                let own = |line: &Vec<u8>| line.get(..3) == lines.last().and_then(|last| last.get(..3));
                let speaks = lines.iter().find(|line| own(line));
                let enhanced = speaks.and_then(|line| parse_enhanced(code, text_of(line)));
                return Ok(Some(RemoteReply { code, enhanced, lines }));
            }
        }
        Ok(None)
    }

    /// The next line without its end, cut where it is too long.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReplyFault> {
        let rest = self.input.get(self.read..).unwrap_or_default();
        let unseen = rest.get(self.searched..).unwrap_or_default();
        let end = memchr::memchr(b'\n', unseen).map(|at| at + self.searched);
        let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if end.is_none() && self.cut.is_none() && piece.len() < MAX_LINE {
            self.searched = piece.len();
            return Ok(None);
        }
        let begun = self.cut.is_some();
        let beginning = match self.cut.take() {
            Some(beginning) => beginning,
            None => piece.get(..piece.len().min(MAX_LINE)).unwrap_or_default().to_vec(),
        };
        let left_out = if begun { piece.len() } else { piece.len() - beginning.len() };
        self.read += piece.len() + usize::from(end.is_some());
        self.searched = 0;
        let forgotten = self.forget(left_out);
        // What the line says is there, also where it never ends.
        if end.is_none() || forgotten.is_err() {
            self.cut = Some(beginning);
            return forgotten.map(|()| None);
        }
        let mut line = beginning;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    fn forget(&mut self, octets: usize) -> Result<(), ReplyFault> {
        self.forgotten += octets;
        if self.forgotten > MAX_FORGOTTEN { Err(ReplyFault::TooLong) } else { Ok(()) }
    }
}

/// Code, and whether it is the last line; none of a line that says nothing.
fn parse_line(line: &[u8]) -> Result<Option<(u16, bool)>, ReplyFault> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let (code, next) = code_of(line)?;
    Ok((code >= 200).then_some((code, next != Some(b'-'))))
}

/// The three digits at the beginning of a line, and what comes behind them.
fn code_of(line: &[u8]) -> Result<(u16, Option<u8>), ReplyFault> {
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyFault::Malformed)?;
    let code = digits.iter().try_fold(0u16, |code, byte| {
        if byte.is_ascii_digit() { Some(code * 10 + u16::from(byte - b'0')) } else { None }
    });
    let code = code.filter(|code| (100..600).contains(code)).ok_or(ReplyFault::Malformed)?;
    match rest.first() {
        Some(digit) if digit.is_ascii_digit() => Err(ReplyFault::Malformed),
        next => Ok((code, next.copied())),
    }
}

/// A line behind its code and what separates them.
fn text_of(line: &[u8]) -> &[u8] {
    match line.get(3..).unwrap_or_default() {
        [b' ' | b'\t' | b'-', text @ ..] | text => text,
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
            (b"25\r\n", ReplyFault::Malformed),
            (b"099 x\r\n", ReplyFault::Malformed),
            (b"600 x\r\n", ReplyFault::Malformed),
            (b"2500 x\r\n", ReplyFault::Malformed),
        ] {
            assert_eq!(read_all(wire, 1), Err(fault), "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn what_a_server_meant_counts_however_it_wrote_it() {
        let long = [b"250-".to_vec(), vec![b'a'; 5000], b"\r\n250 2.0.0 ok\r\n".to_vec()].concat();
        let one_line =
            [b"250 2.0.0 queued ".to_vec(), vec![b'a'; 50_000], b"\r\n220 x\r\n".to_vec()].concat();
        let many = [b"250-a\r\n".repeat(300), b"250 2.0.0 ok\r\n".to_vec()].concat();
        let wide = [
            [b"250-".to_vec(), vec![b'a'; 4000], b"\r\n".to_vec()].concat().repeat(40),
            b"250 ok\r\n".to_vec(),
        ]
        .concat();
        for (wire, expected) in [
            (&b"\r\n \r\n250 2.0.0 ok\r\n"[..], vec![(250, Some((2, 0, 0)), 1)]),
            (b"150 working\r\n150-still\r\n250 2.0.0 ok\r\n", vec![(250, Some((2, 0, 0)), 1)]),
            (b"250OK\r\n220 x\r\n", vec![(250, None, 1), (220, None, 1)]),
            (b"550:5.1.1 no\r\n", vec![(550, None, 1)]),
            (b"250\t2.0.0 ok\r\n", vec![(250, Some((2, 0, 0)), 1)]),
            (b"250-2.0.0 a\r\n251 2.1.5 b\r\n", vec![(251, Some((2, 1, 5)), 2)]),
            (b"250-2.0.0 a\r\n550 5.7.1 no\r\n", vec![(550, Some((5, 7, 1)), 2)]),
            (&long, vec![(250, None, 2)]),
            (&one_line, vec![(250, Some((2, 0, 0)), 1), (220, None, 1)]),
            (&many, vec![(250, None, MAX_LINES)]),
            (&wide, vec![(250, None, 16)]),
        ] {
            for size in [1, 7, 4096, wire.len()] {
                let shown = wire.get(..40.min(wire.len())).unwrap().escape_ascii();
                assert_eq!(read_all(wire, size), Ok(expected.clone()), "{size} {shown}");
            }
        }
    }

    #[test]
    fn neither_a_line_nor_a_reply_grows_without_end() {
        let line = vec![b'2'; MAX_FORGOTTEN + MAX_LINE + 2];
        let many = b"250-a\r\n".repeat(MAX_FORGOTTEN / 5 + MAX_LINES + 2);
        let empty = b"\r\n".repeat(MAX_FORGOTTEN + 2);
        for wire in [line, many, empty] {
            let mut reader = ReplyReader::new();
            let mut most = 0;
            let fault = wire.chunks(1000).find_map(|chunk| {
                reader.feed(chunk);
                let fault = reader.take().err();
                let kept: usize = reader.lines.iter().map(Vec::len).sum();
                most = most.max(kept + reader.input.len() + reader.cut.as_ref().map_or(0, Vec::len));
                fault
            });
            assert_eq!(fault, Some(ReplyFault::TooLong));
            assert!(most < 2 * MAX_REPLY, "{most} octets are kept");
        }
    }

    #[test]
    fn what_a_server_has_begun_to_say_is_known() {
        let mut reader = ReplyReader::new();
        let long = [b' '; 2 * MAX_LINE];
        for (octets, begun) in [
            (&b"25"[..], None),
            (b"0", Some(250)),
            (b"-que", Some(250)),
            (b"ued\r\n", Some(250)),
            (b"25", Some(250)),
            (b"0 ok\r\n", None),
            (b"150", None),
            (b"\r\n250-a\r\n550", Some(550)),
            (b"0", Some(250)),
            (b"\r\n", Some(250)),
        ] {
            reader.feed(octets);
            let _ = reader.take();
            assert_eq!(reader.begun(), begun, "{}", octets.escape_ascii());
        }
        let mut reader = ReplyReader::new();
        for (octets, begun) in [(&b"250 a"[..], Some(250)), (&long, Some(250)), (b"\n", None)] {
            reader.feed(octets);
            let _ = reader.take().unwrap();
            assert_eq!(reader.begun(), begun);
        }
    }

    #[test]
    fn behind_what_makes_no_sense_a_whole_reply_alone_is_read_and_a_code_is_there_in_a_line_of_any_length() {
        for (wire, begun) in [
            (b"x\r\n250-a\r\n554 5.7.1 no\r\n".as_slice(), Some(554)),
            (b"Message accepted\r\n250 2.0.0 ok\r\n", Some(250)),
            (b"250-a\r\nx\r\n554 5.7.1 no\r\n", Some(554)),
            (b"x\r\n250 ok", None),
            (b"x\r\n250-a\r\n", None),
            (b"x\r\n250 a\r\ny\r\n", None),
            (b"x\r\n250 a\r\n554 no\r\n", None),
            (b"250-a\r\nx\r\n", Some(250)),
        ] {
            let mut reader = ReplyReader::new();
            reader.feed(wire);
            assert_eq!(reader.take().err(), Some(ReplyFault::Malformed));
            assert_eq!(reader.begun(), begun, "{}", wire.escape_ascii());
        }
        let mut reader = ReplyReader::new();
        reader.feed(b"250 ");
        let fault = (0..2 * MAX_FORGOTTEN / MAX_LINE).find_map(|_| {
            reader.feed(&[b'a'; MAX_LINE]);
            reader.take().err()
        });
        assert_eq!((fault, reader.begun()), (Some(ReplyFault::TooLong), Some(250)));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(wire in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..20) {
            prop_assert_eq!(read_all(&wire, size), read_all(&wire, wire.len().max(1)));
        }
    }
}
