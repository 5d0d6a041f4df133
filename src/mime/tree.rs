//! The tree of parts of a message, each with its header, its body and what lies between the parts.
//!
//! Rules: a delimiter is `--boundary` at a line start, then only blanks to the line end; `--boundary--` closes; the
//! line end before it belongs to it (RFC 2046 §5.1.1). An outer boundary ends inner parts. A part without
//! Content-Type is text, or a message in a digest (§5.1.5). A missing close is accepted: the part ends with what
//! holds it. Recursion is as deep as [`MAX_DEPTH`] and no deeper.
//! When it fails: [`MimeError`], whenever two programs could see different parts.

use super::header::{self, Header};
use super::params::{self, Structured};
use super::transfer::Encoding;
use super::{MAX_DEPTH, MAX_PARTS, MimeError, slice};
use std::ops::Range;

/// A message or a part.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its header block.
    pub header: Header,
    /// Its body, without the line end that belongs to a delimiter.
    pub body: Range<usize>,
    /// Its media type, lower case, such as `text/plain`: the declared one, else the default.
    pub media: String,
    /// Content-Type, where there is one.
    pub content_type: Option<Structured>,
    /// Its transfer encoding.
    pub encoding: Encoding,
    /// What the body is.
    pub content: Content,
}

/// What a body is.
#[derive(Debug, Clone)]
pub enum Content {
    /// Not to be read further here. An encoded message is a leaf: its inside is no range of this buffer.
    Leaf,
    /// Parts and delimiters.
    Multipart(Multipart),
    /// A message in the clear.
    Message(Box<Entity>),
}

/// The body of a multipart.
#[derive(Debug, Clone)]
pub struct Multipart {
    /// What stands before the first delimiter.
    pub preamble: Range<usize>,
    /// Each delimiter line, and the part behind it.
    pub parts: Vec<(Range<usize>, Entity)>,
    /// The closing delimiter line, where there is one.
    pub close: Option<Range<usize>>,
    /// What stands behind it.
    pub epilogue: Range<usize>,
}

/// How much may still be read; shared by a message and the encoded messages in it.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Parts left.
    pub parts: usize,
    /// Levels left.
    pub depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { parts: MAX_PARTS, depth: MAX_DEPTH }
    }
}

/// Reads a message.
///
/// # Errors
/// [`MimeError`].
pub fn parse(bytes: &[u8], budget: &mut Budget) -> Result<Entity, MimeError> {
    entity(bytes, 0..bytes.len(), Place::Message, budget)
}

/// Where an entity stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Message,
    Part,
    DigestPart,
}

fn entity(bytes: &[u8], range: Range<usize>, place: Place, budget: &mut Budget) -> Result<Entity, MimeError> {
    budget.parts = budget.parts.checked_sub(1).ok_or(MimeError::TooManyParts)?;
    let header = header::scan(bytes, range.clone())?;
    if place != Place::Message && !header.gaps.is_empty() {
        return Err(MimeError::PartHeader);
    }
    let body = header.body_start.min(range.end)..range.end;
    let content_type = single(bytes, &header, "Content-Type")?.map(params::parse);
    let encoding = match single(bytes, &header, "Content-Transfer-Encoding")? {
        Some(value) => Encoding::parse(value).ok_or(MimeError::TransferEncoding)?,
        None => Encoding::Identity,
    };
    let default = if place == Place::DigestPart { "message/rfc822" } else { "text/plain" };
    let media = match &content_type {
        Some(value) if is_media_type(&value.head) => value.head.clone(),
        // `Content-Type: text` and the like: programs agree on text. A multipart is never guessed.
        Some(value) if value.head.starts_with("multipart") || value.head.starts_with("message") => {
            return Err(MimeError::ContentType);
        }
        _ => default.to_owned(),
    };
    let content = if media.starts_with("multipart/") {
        let boundary = boundary(content_type.as_ref())?;
        let child = if media == "multipart/digest" { Place::DigestPart } else { Place::Part };
        budget.depth = budget.depth.checked_sub(1).ok_or(MimeError::TooDeep)?;
        let multipart = multipart(bytes, body.clone(), &boundary, child, budget)?;
        budget.depth += 1;
        Content::Multipart(multipart)
    } else if is_message(&media) && encoding == Encoding::Identity {
        budget.depth = budget.depth.checked_sub(1).ok_or(MimeError::TooDeep)?;
        let inner = entity(bytes, body.clone(), Place::Message, budget)?;
        budget.depth += 1;
        Content::Message(Box::new(inner))
    } else {
        Content::Leaf
    };
    Ok(Entity { header, body, media, content_type, encoding, content })
}

/// Whether the type is a whole message (RFC 2046 §5.2.1, RFC 6532 §3.7).
#[must_use]
pub fn is_message(media: &str) -> bool {
    matches!(media, "message/rfc822" | "message/global" | "message/news")
}

/// The one value of a field; several must be the same.
fn single<'a>(bytes: &'a [u8], header: &Header, name: &str) -> Result<Option<&'a [u8]>, MimeError> {
    let mut values = header.all(bytes, name).map(|field| slice(bytes, field.value.clone()));
    let Some(first) = values.next() else { return Ok(None) };
    if values.all(|value| value.trim_ascii() == first.trim_ascii()) {
        Ok(Some(first))
    } else {
        Err(MimeError::Duplicate)
    }
}

fn is_media_type(head: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
    };
    head.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// The boundary, when all programs read the same one.
fn boundary(content_type: Option<&Structured>) -> Result<Vec<u8>, MimeError> {
    let boundary = content_type.and_then(|value| value.plain("boundary")).ok_or(MimeError::Boundary)?;
    let plain = |b: &u8| (32..127).contains(b) && *b != b'(' && *b != b'"';
    let quoted = content_type.is_some_and(|value| value.all("boundary").all(|param| param.quoted));
    let good = !boundary.is_empty()
        && boundary.len() <= 200
        && boundary.iter().all(|b| if quoted { (32..127).contains(b) } else { plain(b) && *b != b' ' })
        && !boundary.ends_with(b" ");
    if good { Ok(boundary.to_vec()) } else { Err(MimeError::Boundary) }
}

fn multipart(
    bytes: &[u8],
    body: Range<usize>,
    boundary: &[u8],
    child: Place,
    budget: &mut Budget,
) -> Result<Multipart, MimeError> {
    let (lines, close) = delimiters(bytes, body.clone(), boundary, budget.parts)?;
    let first = lines.first().ok_or(MimeError::Boundary)?;
    // The end of a part is the line end before the delimiter that follows, which belongs to the delimiter.
    let before = |line: &Range<usize>, from: usize| line.start.saturating_sub(2).max(from);
    let preamble = body.start..first.start;
    let mut parts = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        let end = match lines.get(i + 1).or(close.as_ref()) {
            Some(next) => before(next, line.end),
            None => body.end,
        };
        parts.push((line.clone(), entity(bytes, line.end..end, child, budget)?));
    }
    let epilogue = close.as_ref().map_or(body.end, |line| line.end)..body.end;
    Ok(Multipart { preamble, parts, close, epilogue })
}

/// All delimiter lines (with their line ends) up to the closing one, and that one.
type Delimiters = (Vec<Range<usize>>, Option<Range<usize>>);

fn delimiters(
    bytes: &[u8],
    body: Range<usize>,
    boundary: &[u8],
    most: usize,
) -> Result<Delimiters, MimeError> {
    let needle = [b"--", boundary].concat();
    let finder = memchr::memmem::Finder::new(&needle);
    let mut lines = Vec::new();
    let mut at = body.start;
    while let Some(i) = finder.find(slice(bytes, at..body.end)) {
        let start = at + i;
        at = start + 1;
        if start != body.start && !slice(bytes, body.start..start).ends_with(b"\r\n") {
            continue;
        }
        let rest = slice(bytes, start..body.end);
        let (length, end) = match memchr::memmem::find(rest, b"\r\n") {
            Some(line) => (line, line + 2),
            None => (rest.len(), rest.len()),
        };
        let tail = slice(rest, needle.len()..length);
        let (tail, closing) = match tail.strip_prefix(b"--") {
            Some(tail) => (tail, true),
            None => (tail, false),
        };
        if !tail.iter().all(|b| matches!(b, b' ' | b'\t')) {
            continue;
        }
        at = start + end;
        if closing && !lines.is_empty() {
            return Ok((lines, Some(start..start + end)));
        }
        if lines.len() >= most {
            return Err(MimeError::TooManyParts);
        }
        lines.push(start..start + end);
    }
    Ok((lines, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(mail: &str) -> Result<Vec<String>, MimeError> {
        fn walk(mail: &str, entity: &Entity, out: &mut Vec<String>) {
            match &entity.content {
                Content::Leaf => out.push(mail[entity.body.clone()].to_owned()),
                Content::Multipart(multipart) => {
                    multipart.parts.iter().for_each(|(_, part)| walk(mail, part, out))
                }
                Content::Message(inner) => walk(mail, inner, out),
            }
        }
        let mut out = Vec::new();
        walk(mail, &parse(mail.as_bytes(), &mut Budget::default())?, &mut out);
        Ok(out)
    }

    #[test]
    fn only_a_whole_line_at_a_line_start_is_a_delimiter() {
        let mail = "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\nx --b y\r\n--bb\r\n--b z\r\n --b\r\n--b \t\r\n\r\n\r\n--b--\r\nepilogue --b\r\n--b\r\n";
        assert_eq!(bodies(mail).unwrap(), ["x --b y\r\n--bb\r\n--b z\r\n --b", ""]);
    }

    #[test]
    fn an_outer_boundary_ends_inner_parts_and_a_close_may_be_missing() {
        let mail = "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\na\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nb";
        assert_eq!(bodies(mail).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_part_without_type_is_text_and_in_a_digest_a_message() {
        let digest =
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--";
        assert_eq!(bodies(digest).unwrap(), ["x"]);
        assert_eq!(bodies("Content-Type: text\r\n\r\nx").unwrap(), ["x"]);
        assert_eq!(bodies("no header at all").unwrap(), [""]);
    }

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        for (head, error) in [
            ("Content-Type: text/plain\r\nContent-Type: text/html", MimeError::Duplicate),
            ("Content-Type: multipart/mixed", MimeError::Boundary),
            ("Content-Type: multipart/mixed; boundary=a; boundary=b", MimeError::Boundary),
            ("Content-Type: multipart/mixed; boundary*=us-ascii''b", MimeError::Boundary),
            ("Content-Type: multipart/mixed; boundary=b (c)", MimeError::Boundary),
            ("Content-Type: multipart/mixed; boundary=absent", MimeError::Boundary),
            ("Content-Type: multipart", MimeError::ContentType),
            ("Content-Transfer-Encoding: x-uuencode", MimeError::TransferEncoding),
            ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno header", MimeError::PartHeader),
        ] {
            assert_eq!(bodies(&format!("{head}\r\n\r\nbody")).unwrap_err(), error, "{head}");
        }
    }

    #[test]
    fn a_hundred_levels_and_too_many_parts_are_refused() {
        let mut deep = String::new();
        for i in 0..100 {
            deep += &format!("Content-Type: multipart/mixed; boundary=b{i}x\r\n\r\n--b{i}x\r\n");
        }
        assert_eq!(bodies(&deep).unwrap_err(), MimeError::TooDeep);
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(100);
        assert_eq!(bodies(&nested).unwrap_err(), MimeError::TooDeep);
        let many =
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\n\r\n".repeat(2000));
        assert_eq!(bodies(&many).unwrap_err(), MimeError::TooManyParts);
    }
}
