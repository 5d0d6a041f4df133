//! The tree of parts of a message, each with its header, its body and what lies between the parts.
//!
//! Rules: a delimiter is `--boundary` at a line start, then only blanks to the line end; `--boundary--` closes; the
//! line end before it belongs to it (RFC 2046 §5.1.1). An outer boundary ends inner parts. A part without
//! Content-Type is text, or a message in a digest (§5.1.5). A missing close is accepted: the part ends with what
//! holds it. Recursion is as deep as [`MAX_DEPTH`] and no deeper. Where two programs could read a field differently one
//! reading is chosen, and [`Entity::type_as_read`] says how it must be written so that all others choose the same; a
//! multipart whose boundary occurs nowhere is a text.
//! When it fails: [`MimeError`], beyond a limit.

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
    /// The value of Content-Type in the only way in which it can be read as it was read here; `None` where the one that
    /// stands there is already so.
    pub type_as_read: Option<Vec<u8>>,
    /// Whether the empty line between header and body is missing: the body begins with a line that is no field.
    pub lacks_empty_line: bool,
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
    /// The boundary, without hyphens.
    pub boundary: Vec<u8>,
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

/// Longest boundary that is read, in octets (RFC 2046 §5.1.1 allows 70).
const MAX_BOUNDARY: usize = 250;

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
    let mut header = header::scan(bytes, range.clone())?;
    let lacks_empty_line = end_at_text(bytes, &mut header, place);
    let body = header.body_start.min(range.end)..range.end;
    let (value, certain) =
        chosen(bytes, &header, "Content-Type", &|value| is_media_type(&params::parse(value).head));
    let content_type = value.map(params::parse);
    let known = |value: &[u8]| Encoding::parse(value).is_some();
    let (encoding, _) = chosen(bytes, &header, "Content-Transfer-Encoding", &known);
    let encoding = encoding.and_then(Encoding::parse).unwrap_or(Encoding::Identity);
    let default = if place == Place::DigestPart { "message/rfc822" } else { "text/plain" };
    let mut type_as_read = value.filter(|_| !certain).map(<[u8]>::to_vec);
    let mut media = match &content_type {
        Some(value) if is_media_type(&value.head) => value.head.clone(),
        // `Content-Type: text` and the like: programs agree on text. A multipart is never guessed.
        Some(value) if value.head.starts_with("multipart") || value.head.starts_with("message") => {
            type_as_read = Some(b" text/plain".to_vec());
            "text/plain".to_owned()
        }
        _ => default.to_owned(),
    };
    let mut content = Content::Leaf;
    if media.starts_with("multipart/") {
        let child = if media == "multipart/digest" { Place::DigestPart } else { Place::Part };
        budget.depth = budget.depth.checked_sub(1).ok_or(MimeError::TooDeep)?;
        let found = content_type.as_ref().and_then(|value| boundary(bytes, &body, value));
        if let Some((boundary, plain)) = found {
            if !plain || !certain {
                type_as_read = content_type.as_ref().map(|value| with_boundary(value, &boundary));
            }
            content = Content::Multipart(multipart(bytes, body.clone(), boundary, child, budget)?);
        } else {
            type_as_read = Some(b" text/plain".to_vec());
            "text/plain".clone_into(&mut media);
        }
        budget.depth += 1;
    } else if is_message(&media) && encoding == Encoding::Identity {
        budget.depth = budget.depth.checked_sub(1).ok_or(MimeError::TooDeep)?;
        let inner = entity(bytes, body.clone(), Place::Message, budget)?;
        budget.depth += 1;
        content = Content::Message(Box::new(inner));
    }
    Ok(Entity { header, body, media, content_type, type_as_read, lacks_empty_line, encoding, content })
}

/// Ends a header at a line that is no field, where no field that programs know follows it: the empty line was
/// forgotten, and what follows is the text. Says whether it did.
fn end_at_text(bytes: &[u8], header: &mut Header, place: Place) -> bool {
    let is_envelope = |gap: &[u8]| gap.starts_with(b"From ") || gap.starts_with(b">From ");
    let Some(gap) = header.gaps.iter().find(|gap| !is_envelope(slice(bytes, (*gap).clone()))).cloned() else {
        return false;
    };
    let known = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        name.starts_with(b"content-")
            || name.starts_with(b"x-")
            || (place == Place::Message && KNOWN_FIELDS.iter().any(|known| known.as_bytes() == name))
    };
    let follows = |field: &&header::Field| field.whole.start > gap.start;
    if header.fields.iter().filter(follows).any(|field| known(slice(bytes, field.name.clone()))) {
        return false;
    }
    header.fields.retain(|field| field.whole.start < gap.start);
    header.gaps.retain(|other| other.start < gap.start);
    header.range.end = gap.start;
    header.body_start = gap.start;
    true
}

/// Fields by which a header is known to go on behind a line that is none.
const KNOWN_FIELDS: [&str; 18] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "reply-to",
    "sender",
    "mime-version",
    "received",
    "return-path",
    "dkim-signature",
    "list-id",
    "precedence",
    "auto-submitted",
];

/// Whether the type is a whole message (RFC 2046 §5.2.1, RFC 6532 §3.7).
#[must_use]
pub fn is_message(media: &str) -> bool {
    matches!(media, "message/rfc822" | "message/global" | "message/news")
}

/// The value of a field, and whether it is the only one: of several the first that can be read.
fn chosen<'a>(
    bytes: &'a [u8],
    header: &Header,
    name: &str,
    can_be_read: &dyn Fn(&[u8]) -> bool,
) -> (Option<&'a [u8]>, bool) {
    let values: Vec<&[u8]> = header.all(bytes, name).map(|field| slice(bytes, field.value.clone())).collect();
    let Some(first) = values.first() else { return (None, true) };
    let best = values.iter().find(|value| can_be_read(value)).unwrap_or(first);
    (Some(best), values.iter().all(|value| value.trim_ascii() == first.trim_ascii()))
}

fn is_media_type(head: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
    };
    head.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// The boundary, and whether all programs read the same one: the first of those it can be that occurs in the body.
fn boundary(bytes: &[u8], body: &Range<usize>, content_type: &Structured) -> Option<(Vec<u8>, bool)> {
    let mut candidates: Vec<(Vec<u8>, bool)> = Vec::new();
    let certain = content_type.all("boundary").count() == 1;
    for param in content_type.all("boundary") {
        let plain = |b: &u8| {
            if param.quoted {
                (32..127).contains(b)
            } else {
                (33..127).contains(b) && *b != b'(' && *b != b'"'
            }
        };
        let good = param.value.iter().all(plain)
            && !param.value.ends_with(b" ")
            && param.value.len() <= MAX_BOUNDARY;
        let single = certain && good && param.section.is_none() && !param.extended;
        candidates.push((param.value.clone(), single));
        if !param.quoted {
            let word = param.value.split(|b| matches!(b, b' ' | b'\t' | b'(' | b'"' | b',')).next();
            candidates.push((word.unwrap_or_default().to_vec(), false));
        }
        candidates.push((param.value.trim_ascii_end().to_vec(), false));
    }
    candidates.extend(content_type.text("boundary").map(|text| (text.into_bytes(), false)));
    candidates.into_iter().find(|(candidate, _)| {
        let printable = candidate.iter().all(|b| (32..127).contains(b));
        printable
            && (1..=MAX_BOUNDARY).contains(&candidate.len())
            && delimiters(bytes, body.clone(), candidate, usize::MAX)
                .is_ok_and(|(lines, _)| !lines.is_empty())
    })
}

/// The value with this boundary and no other.
fn with_boundary(content_type: &Structured, boundary: &[u8]) -> Vec<u8> {
    let quoted = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).replace('\\', "\\\\").replace('"', "\\\"");
        text.chars().filter(|c| matches!(c, ' '..='~')).collect::<String>()
    };
    let mut out = format!(" {}; boundary=\"{}\"", content_type.head, quoted(boundary));
    for name in ["type", "start", "protocol", "micalg", "report-type"] {
        if let Some(value) = content_type.plain(name) {
            out.push_str(&format!(";\r\n\t{name}=\"{}\"", quoted(value)));
        }
    }
    out.into_bytes()
}

fn multipart(
    bytes: &[u8],
    body: Range<usize>,
    boundary: Vec<u8>,
    child: Place,
    budget: &mut Budget,
) -> Result<Multipart, MimeError> {
    let (lines, close) = delimiters(bytes, body.clone(), &boundary, budget.parts)?;
    let first = lines.first().cloned().unwrap_or(body.end..body.end);
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
    Ok(Multipart { boundary, preamble, parts, close, epilogue })
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
        assert_eq!(bodies("no header at all").unwrap(), ["no header at all"]);
    }

    #[test]
    fn what_two_programs_could_read_differently_is_read_in_one_way_that_can_be_written() {
        for (head, body, media, as_read) in [
            ("Content-Type: text/plain\r\nContent-Type: text/html", "x", "text/plain", Some(" text/plain")),
            ("Content-Type: rubbish\r\nContent-Type: text/html", "x", "text/html", Some(" text/html")),
            ("Content-Type: text/html\r\nContent-Type: text/html", "x", "text/html", None),
            ("Content-Type: multipart/mixed", "--b\r\n\r\nx", "text/plain", Some(" text/plain")),
            ("Content-Type: multipart", "x", "text/plain", Some(" text/plain")),
            ("Content-Type: multipart/mixed; boundary=absent", "x", "text/plain", Some(" text/plain")),
            (
                "Content-Type: multipart/mixed; boundary=a; boundary=b",
                "--b\r\n\r\nx",
                "multipart/mixed",
                Some(" multipart/mixed; boundary=\"b\""),
            ),
            (
                "Content-Type: multipart/related; type=\"text/html\"; boundary*=us-ascii''b",
                "--b\r\n\r\nx",
                "multipart/related",
                Some(" multipart/related; boundary=\"b\";\r\n\ttype=\"text/html\""),
            ),
            (
                "Content-Type: multipart/mixed; boundary=b (c)",
                "--b\r\n\r\nx",
                "multipart/mixed",
                Some(" multipart/mixed; boundary=\"b\""),
            ),
            ("Content-Type: multipart/mixed; boundary=b", "--b\r\n\r\nx", "multipart/mixed", None),
            ("Content-Transfer-Encoding: x-uuencode", "x", "text/plain", None),
        ] {
            let mail = format!("{head}\r\n\r\n{body}");
            let entity = parse(mail.as_bytes(), &mut Budget::default()).unwrap();
            let written = entity.type_as_read.map(|value| String::from_utf8(value).unwrap());
            assert_eq!((entity.media.as_str(), written.as_deref()), (media, as_read), "{head}");
        }
    }

    #[test]
    fn a_text_without_empty_line_before_it_is_the_body() {
        for (mail, expected) in [
            ("Subject: s\r\nHello there\r\nfoo: bar\r\n\r\nend", vec!["Hello there\r\nfoo: bar\r\n\r\nend"]),
            ("Subject: s\r\nno field\r\nContent-Type: text/html\r\n\r\nend", vec!["end"]),
            ("From hana Mon\r\nSubject: s\r\n\r\nend", vec!["end"]),
            ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno header\r\n--b--", vec!["no header"]),
        ] {
            assert_eq!(bodies(mail).unwrap(), expected);
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
