//! Reads one command line, or one line of an AUTH exchange (RFC 5321 §2.3.8 and §4.1.1).
//!
//! Rules: only CRLF ends a line. A CR or LF alone, a NUL, octets that are no UTF-8 and a line beyond its limit are
//! each told apart; the line is read to its end all the same, so that the next one starts where the client
//! started it. A line may carry a password, so its memory is wiped.
//! When it fails: [`LineFault`] at the end of the line; [`LineProgress::Flood`] when the end does not come within
//! the limit and 16 KiB more.

use zeroize::{Zeroize, Zeroizing};

/// Longest command line, in octets with its CRLF. RFC 5321 §4.5.3.1.4 asks for 512; the parameters of RFC 1870,
/// 3461, 4954 and 6531 add about 1,200.
pub(crate) const MAX_COMMAND_LINE: usize = 2048;
/// Longest line of an AUTH exchange, in octets with its CRLF (RFC 4954 §4).
pub(crate) const MAX_AUTH_LINE: usize = 12_288;
/// How much of an overlong line is read and thrown away before the client is cut off, in octets.
const MAX_SKIP: usize = 16 * 1024;

/// What is wrong with a line that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineFault {
    #[error("the line is too long")]
    TooLong,
    #[error("the line has a CR without an LF")]
    BareCr,
    #[error("the line has an LF without a CR")]
    BareLf,
    #[error("the line has a NUL")]
    Nul,
    #[error("the line is no UTF-8")]
    NotUtf8,
}

/// Where reading stands after a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineProgress {
    /// All of the chunk belongs to the line; more is to come.
    More,
    /// The line ended; this many octets of the chunk belonged to it.
    End(usize),
    /// No end in sight: the connection must be closed.
    Flood,
}

/// Reads one line.
pub(crate) struct LineReader {
    kept: Zeroizing<Vec<u8>>,
    limit: usize,
    read: usize,
    after_cr: bool,
    fault: Option<LineFault>,
}

impl LineReader {
    /// A reader for one line of at most `limit` octets with its CRLF.
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: Zeroizing::new(Vec::new()), limit, read: 0, after_cr: false, fault: None }
    }

    /// Reads a chunk, up to the end of the line at most.
    pub(crate) fn read(&mut self, chunk: &[u8]) -> LineProgress {
        for (at, &byte) in chunk.iter().enumerate() {
            self.read = self.read.saturating_add(1);
            if self.read > self.limit.saturating_add(MAX_SKIP) {
                return LineProgress::Flood;
            }
            match (self.after_cr, byte) {
                (true, b'\n') => return LineProgress::End(at.saturating_add(1)),
                (true, _) => self.note(LineFault::BareCr),
                (false, b'\n') => self.note(LineFault::BareLf),
                (false, _) => {}
            }
            self.after_cr = byte == b'\r';
            if byte == 0 {
                self.note(LineFault::Nul);
            }
            if byte != b'\r' {
                self.keep(byte);
            }
        }
        LineProgress::More
    }

    /// How many octets of memory the line occupies now.
    pub(crate) fn held(&self) -> usize {
        self.kept.capacity()
    }

    /// The line without its CRLF. To be called after [`LineProgress::End`].
    ///
    /// # Errors
    /// [`LineFault`]: the first that was found; not being UTF-8 is found last.
    pub(crate) fn finish(mut self) -> Result<Zeroizing<String>, LineFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match String::from_utf8(std::mem::take(&mut *self.kept)) {
            Ok(line) => Ok(Zeroizing::new(line)),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(LineFault::NotUtf8)
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.kept.len().saturating_add(3) > self.limit {
            self.note(LineFault::TooLong);
        }
        if self.fault.is_some() {
            return;
        }
        if self.kept.len() == self.kept.capacity() {
            // Growing by hand, because a growing vector leaves a copy behind unwiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(self.kept.len().saturating_mul(2).max(128)));
            larger.extend_from_slice(&self.kept);
            self.kept = larger;
        }
        self.kept.push(byte);
    }

    fn note(&mut self, fault: LineFault) {
        self.fault.get_or_insert(fault);
        self.kept = Zeroizing::new(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(wire: &[u8], limit: usize, size: usize) -> Option<(Result<String, LineFault>, usize)> {
        let mut reader = LineReader::new(limit);
        let mut at = 0;
        for chunk in wire.chunks(size) {
            match reader.read(chunk) {
                LineProgress::More => at += chunk.len(),
                LineProgress::End(used) => {
                    return Some((reader.finish().map(|line| line.as_str().to_owned()), at + used));
                }
                LineProgress::Flood => return None,
            }
        }
        None
    }

    fn read(wire: &[u8], limit: usize) -> Option<(Result<String, LineFault>, usize)> {
        let whole = read_in(wire, limit, wire.len().max(1));
        for size in 1..4 {
            assert_eq!(read_in(wire, limit, size), whole, "in pieces of {size}: {}", wire.escape_ascii());
        }
        whole
    }

    #[test]
    fn only_crlf_ends_a_line_and_each_fault_is_told_apart() {
        use LineFault::{BareCr, BareLf, NotUtf8, Nul};
        let cases: &[(&[u8], Result<&str, LineFault>, usize)] = &[
            (b"NOOP\r\nQUIT\r\n", Ok("NOOP"), 6),
            (b"\r\n", Ok(""), 2),
            ("あ\r\n".as_bytes(), Ok("あ"), 5),
            (b"NOOP\nQUIT\r\n", Err(BareLf), 11),
            (b"\n\r\n", Err(BareLf), 3),
            (b"NOOP\rQUIT\r\n", Err(BareCr), 11),
            (b"NOOP\r\r\n", Err(BareCr), 7),
            (b"NO\0OP\r\n", Err(Nul), 7),
            (b"NOOP \xff\r\n", Err(NotUtf8), 8),
            (b"\x83\x41\x83\x42\r\n", Err(NotUtf8), 6),
            (b"a\nb\rc\0\r\n", Err(BareLf), 8),
        ];
        for (wire, line, used) in cases {
            assert_eq!(read(wire, 100), Some((line.map(str::to_owned), *used)), "{}", wire.escape_ascii());
        }
        for open in [&b"NOOP"[..], b"NOOP\n", b"NOOP\r", b"NOOP\n\r", b"NOOP\n\n"] {
            assert_eq!(read(open, 100), None, "{}", open.escape_ascii());
        }
    }

    #[test]
    fn a_line_of_just_the_limit_is_read_and_one_octet_more_is_too_long() {
        let mut wire = vec![b'a'; 98];
        wire.extend_from_slice(b"\r\n");
        assert_eq!(read(&wire, 100), Some((Ok("a".repeat(98)), 100)));
        wire.insert(0, b'\n');
        assert_eq!(read(&wire, 100), Some((Err(LineFault::BareLf), 101)));
        wire.insert(0, b'a');
        assert_eq!(read(&wire, 101), Some((Err(LineFault::BareLf), 102)));
        assert_eq!(read(b"aaaaaaaaa\r\n", 10), Some((Err(LineFault::TooLong), 11)));
        assert_eq!(
            read(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\r\n", 10),
            Some((Err(LineFault::TooLong), 11))
        );
    }

    #[test]
    fn a_line_without_end_is_cut_off_and_holds_no_more_than_twice_its_limit() {
        let mut reader = LineReader::new(100);
        let mut fed = 0;
        while reader.read(b"a") == LineProgress::More {
            fed += 1;
            assert!(reader.held() <= 200);
        }
        assert_eq!(fed, 100 + MAX_SKIP);
    }
}
