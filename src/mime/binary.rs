//! A message that may hold any octets (BODY=BINARYMIME, RFC 3030 §3) as one of lines, which any next hop takes.
//!
//! Rules: what is no line is in the bodies of leaves: each that has a CR or LF alone, a NUL or a line of more than 998
//! octets is encoded in base64, octet for octet, so that its text or file is what its writer sent. `binary` becomes
//! `8bit` elsewhere (RFC 2045 §6.2 and §6.4), and a missing last line end is added. Boundaries are looked for behind
//! CRLF alone; nothing else of the message is touched.
//! When it fails: [`BinaryFault`], where there is no such way: headers, text between parts, bodies that say that they are
//! encoded and are no lines.

use super::header::{self, Field, Header};
use super::lines::{MAX_LINE, has_bare};
use super::transfer::Encoding;
use super::{MAX_DEPTH, MAX_PARTS, params, slice};
use std::ops::Range;

/// Why a binary message cannot become one of lines. It carries no text of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BinaryFault {
    #[error("a header, or the text between two parts, has a NUL or a CR or LF alone")]
    NoLines,
    #[error("a part has a NUL or a CR or LF alone although its transfer encoding has none")]
    Encoded,
    #[error("its structure is read differently by different programs, or has too many parts or levels")]
    Structure,
}

/// The message as one of lines, ending in CRLF unless it is empty.
///
/// # Errors
/// [`BinaryFault`].
pub fn to_lines(message: &[u8]) -> Result<Vec<u8>, BinaryFault> {
    let mut writer =
        Writer { bytes: message, out: Vec::with_capacity(message.len()), parts: 0, encoded_to: None };
    writer.entity(0..message.len(), 0)?;
    let mut out = writer.out;
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    Ok(out)
}

/// What the fields of an entity say of its body.
enum Kind {
    /// Parts between these boundaries.
    Multipart(Vec<u8>),
    Message,
    Leaf,
}

struct Writer<'a> {
    bytes: &'a [u8],
    out: Vec<u8>,
    parts: usize,
    /// Where the last encoded body ends in `out`, with a line end of its own.
    encoded_to: Option<usize>,
}

impl Writer<'_> {
    /// A message, or a part with its own header.
    fn entity(&mut self, range: Range<usize>, depth: usize) -> Result<(), BinaryFault> {
        self.parts += 1;
        if depth > MAX_DEPTH || self.parts > MAX_PARTS {
            return Err(BinaryFault::Structure);
        }
        let header = header::scan(self.bytes, range.clone()).map_err(|_| BinaryFault::Structure)?;
        let body = header.body_start..range.end;
        if !is_lines(slice(self.bytes, range.start..header.body_start)) {
            return Err(BinaryFault::NoLines);
        }
        let label = self.only(&header, "Content-Transfer-Encoding")?;
        let is_encoded = label.is_some_and(|label| !is_identity(slice(self.bytes, label.value.clone())));
        match self.kind(&header)? {
            Kind::Multipart(boundary) if !is_encoded => {
                self.head(&header, label, Some("8bit"));
                self.parts(body, &boundary, depth)
            }
            Kind::Message if !is_encoded => {
                self.head(&header, label, Some("8bit"));
                self.entity(body, depth + 1)
            }
            _ => {
                let octets = slice(self.bytes, body);
                let fits = is_lines(octets) && !has_long_line(octets);
                if !fits && is_encoded {
                    return Err(BinaryFault::Encoded);
                }
                let new = match label {
                    _ if !fits => Some("base64"),
                    Some(_) if !is_encoded => Some("8bit"),
                    _ => None,
                };
                self.head(&header, label, new);
                if fits {
                    self.out.extend_from_slice(octets);
                } else {
                    Encoding::Base64.encode_into(octets, &mut self.out);
                    self.encoded_to = self.out.ends_with(b"\r\n").then_some(self.out.len());
                }
                Ok(())
            }
        }
    }

    /// The header with `new` for its transfer encoding: in place of a label, or behind all fields where the body changes.
    fn head(&mut self, header: &Header, label: Option<&Field>, new: Option<&str>) {
        let all = header.range.start..header.body_start;
        let Some(new) = new.filter(|new| label.is_some() || *new == "base64") else {
            self.out.extend_from_slice(slice(self.bytes, all));
            return;
        };
        let at = label.map_or(header.range.end..header.range.end, |label| label.whole.clone());
        self.out.extend_from_slice(slice(self.bytes, all.start..at.start));
        let is_same = new == "8bit" && !holds_binary(slice(self.bytes, at.clone()));
        if is_same {
            self.out.extend_from_slice(slice(self.bytes, at.clone()));
        } else {
            if !self.out.is_empty() && !self.out.ends_with(b"\r\n") {
                self.out.extend_from_slice(b"\r\n");
            }
            self.out.extend_from_slice(format!("Content-Transfer-Encoding: {new}\r\n").as_bytes());
        }
        self.out.extend_from_slice(slice(self.bytes, at.end..all.end));
    }

    /// The parts of a multipart, with what stands around them as it is.
    fn parts(&mut self, body: Range<usize>, boundary: &[u8], depth: usize) -> Result<(), BinaryFault> {
        let mut at = body.start;
        let mut is_part = false;
        loop {
            let found = delimiter(self.bytes, at..body.end, boundary);
            let end = found.as_ref().map_or(body.end, |delimiter| delimiter.line.start);
            if is_part {
                self.entity(at..end, depth + 1)?;
            } else if is_lines(slice(self.bytes, at..end)) {
                self.out.extend_from_slice(slice(self.bytes, at..end));
            } else {
                return Err(BinaryFault::NoLines);
            }
            let Some(delimiter) = found else { return Ok(()) };
            // The line end before a delimiter belongs to it; an encoded body has its own.
            let line = slice(self.bytes, delimiter.line.clone());
            let has_own = self.encoded_to == Some(self.out.len());
            let line = if has_own { line.strip_prefix(b"\r\n").unwrap_or(line) } else { line };
            self.out.extend_from_slice(line);
            is_part = !delimiter.closes;
            at = delimiter.line.end;
        }
    }

    fn kind(&self, header: &Header) -> Result<Kind, BinaryFault> {
        let Some(field) = self.only(header, "Content-Type")? else { return Ok(Kind::Leaf) };
        let value = params::parse(slice(self.bytes, field.value.clone()));
        Ok(match value.head.as_str() {
            "message/rfc822" | "message/global" => Kind::Message,
            head if head.starts_with("multipart/") => {
                let boundary = value.plain("boundary").filter(|boundary| !boundary.is_empty());
                Kind::Multipart(boundary.ok_or(BinaryFault::Structure)?.to_owned())
            }
            _ => Kind::Leaf,
        })
    }

    /// The field of this name, which must not stand there twice.
    fn only<'h>(&self, header: &'h Header, name: &str) -> Result<Option<&'h Field>, BinaryFault> {
        let mut all = header.fields.iter().filter(|field| field.is(self.bytes, name));
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(BinaryFault::Structure),
            (first, None) => Ok(first),
        }
    }
}

/// A line that separates parts, with the line ends around it.
struct Delimiter {
    line: Range<usize>,
    closes: bool,
}

/// The next delimiter (RFC 2046 §5.1.1) in `range`, which begins at a line's start. Each line is looked at once.
fn delimiter(bytes: &[u8], range: Range<usize>, boundary: &[u8]) -> Option<Delimiter> {
    let text = slice(bytes, range.clone());
    let ends = memchr::memchr_iter(b'\n', text)
        .filter(|at| at.checked_sub(1).and_then(|i| text.get(i)) == Some(&b'\r'));
    std::iter::once(0).chain(ends.map(|at| at + 1)).find_map(|begin| {
        let rest = text.get(begin..)?.strip_prefix(b"--")?.strip_prefix(boundary)?;
        let (closes, tail) = match rest.strip_prefix(b"--") {
            Some(tail) => (true, tail),
            None => (false, rest),
        };
        let blanks = tail.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let behind = tail.get(blanks..).unwrap_or_default();
        let width = match behind {
            [] => 0,
            [b'\r', b'\n', ..] => 2,
            _ => return None,
        };
        let start = range.start + begin - if begin == 0 { 0 } else { 2 };
        Some(Delimiter { line: start..range.end - behind.len() + width, closes })
    })
}

fn is_identity(value: &[u8]) -> bool {
    let value = header::unfold(value);
    ["7bit", "8bit", "binary"].iter().any(|known| value.trim_ascii().eq_ignore_ascii_case(known.as_bytes()))
}

fn holds_binary(field: &[u8]) -> bool {
    field.to_ascii_lowercase().windows(6).any(|word| word == b"binary")
}

/// Whether there is nothing but lines; the last may lack its end.
fn is_lines(octets: &[u8]) -> bool {
    !has_bare(octets) && memchr::memchr(0, octets).is_none()
}

fn has_long_line(octets: &[u8]) -> bool {
    octets.split(|b| *b == b'\n').any(|line| line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(message: &[u8]) -> Result<String, BinaryFault> {
        to_lines(message).map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_body_that_is_no_lines_is_encoded_and_the_rest_stays() {
        let message = b"From: a\r\nContent-Transfer-Encoding: binary\r\nSubject: x\r\n\r\n\0a\nb";
        let expected = "From: a\r\nContent-Transfer-Encoding: base64\r\nSubject: x\r\n\r\nAGEKYg==\r\n";
        assert_eq!(text(message).as_deref(), Ok(expected));
        assert_eq!(
            text(b"From: a\r\n\r\na\rb").as_deref(),
            Ok("From: a\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ1i\r\n")
        );
        for same in ["From: a\r\n\r\nb\r\n", "", "\r\nb\r\n", "From: a\r\n"] {
            assert_eq!(text(same.as_bytes()).as_deref(), Ok(same));
        }
    }

    #[test]
    fn a_long_boundary_in_a_body_of_dashes_costs_no_more_than_its_length() {
        let boundary = "-".repeat(100_000);
        let body = format!("{}\r\n", "-".repeat(400)).repeat(2_000);
        let message = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n{body}");
        assert_eq!(text(message.as_bytes()).as_deref(), Ok(message.as_str()));
    }

    #[test]
    fn blanks_at_the_end_of_a_line_count() {
        let long = format!("From: a\r\n\r\nx{}\r\n", " ".repeat(2_000));
        assert!(text(long.as_bytes()).unwrap().contains("Content-Transfer-Encoding: base64"));
    }

    #[test]
    fn parts_are_encoded_each_for_itself() {
        let message = b"Content-Type: multipart/mixed; boundary=\"b b\"\r\nContent-Transfer-Encoding: Binary\r\n\r\n\
            preamble\r\n--b b\r\nContent-Type: text/plain\r\n\r\nline\r\n--b b \r\n\
            Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\0\n--b b\r\r\n--b b\r\n\
            Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n\
            Subject: inside\r\n\r\nx\ny\r\n--b b--\r\nepilogue";
        let expected = "Content-Type: multipart/mixed; boundary=\"b b\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
            preamble\r\n--b b\r\nContent-Type: text/plain\r\n\r\nline\r\n--b b \r\n\
            Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoACi0tYiBiDQ==\r\n--b b\r\n\
            Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
            Subject: inside\r\nContent-Transfer-Encoding: base64\r\n\r\neAp5\r\n--b b--\r\nepilogue\r\n";
        assert_eq!(text(message).as_deref(), Ok(expected));
    }

    #[test]
    fn a_part_without_a_body_keeps_its_empty_line() {
        let message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n\
            Content-Transfer-Encoding: base64\r\n\r\n\r\n--b\r\n\r\n\r\n\r\n--b--\r\n";
        assert_eq!(text(message.as_bytes()).as_deref(), Ok(message));
    }

    #[test]
    fn what_cannot_be_encoded_is_refused_for_its_reason() {
        let long = [b"A: b\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec(), vec![b'a'; 999]].concat();
        for (message, fault) in [
            (&b"Subject: a\nb\r\n\r\nx"[..], BinaryFault::NoLines),
            (b"Subject: a\0\r\n\r\nx", BinaryFault::NoLines),
            (b"Content-Type: multipart/mixed; boundary=b\r\n\r\na\nb\r\n--b--\r\n", BinaryFault::NoLines),
            (b"Content-Transfer-Encoding: quoted-printable\r\n\r\na\nb", BinaryFault::Encoded),
            (b"Content-Transfer-Encoding: x-unknown\r\n\r\n\0", BinaryFault::Encoded),
            (b"Content-Type: multipart/mixed\r\n\r\na\r\n", BinaryFault::Structure),
            (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\na\n", BinaryFault::Structure),
            (&long, BinaryFault::Encoded),
        ] {
            assert_eq!(text(message), Err(fault), "{}", message.escape_ascii());
        }
        let deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(40);
        assert_eq!(text(&deep), Err(BinaryFault::Structure));
    }

    proptest! {
        #[test]
        fn what_comes_out_is_lines_and_a_body_comes_back(
            body in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(0u8), Just(b'-'), any::<u8>()], 0..200),
            head in prop::sample::select(vec![
                "Content-Transfer-Encoding: binary\r\n", "Content-Type: multipart/x; boundary=-\r\n", "",
                "Content-Type: message/rfc822\r\n",
            ]),
        ) {
            let message = [b"A: b\r\n", head.as_bytes(), b"\r\n", &body].concat();
            if let Ok(out) = to_lines(&message) {
                prop_assert!(out.ends_with(b"\r\n") && is_lines(&out), "{}", out.escape_ascii());
                prop_assert_eq!(to_lines(&out), Ok(out.clone()));
            }
        }
    }
}
