//! The tree of parts of a message, each with its header, its body and what lies between the parts.
//!
//! Rules: a delimiter is `--boundary` at a line start, then only blanks to the line end; `--boundary--` closes; the
//! line end before it belongs to it (RFC 2046 §5.1.1). An outer boundary ends inner parts. A part without
//! Content-Type is text, or a message in a digest (§5.1.5). A missing close is accepted: the part ends with what
//! holds it. Recursion is as deep as [`MAX_DEPTH`] and no deeper. Where two programs could read a field differently one
//! reading is chosen, and [`Entity::type_as_read`] says how it must be written so that all others choose the same; a
//! multipart whose boundary begins no part is a text.
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
/// Most Content-Type fields of one header whose boundaries are looked for in it.
const MAX_TYPES: usize = 4;

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

/// Ends a header where the empty line was forgotten: at a delimiter of its own, and at a line that is no field where no
/// field that programs know follows it. What stands there is the body. Says whether it did.
fn end_at_text(bytes: &[u8], header: &mut Header, place: Place) -> bool {
    let delimiter = own_delimiter(bytes, header);
    if let Some(at) = delimiter {
        end_at(header, at);
    }
    let is_envelope = |gap: &[u8]| gap.starts_with(b"From ") || gap.starts_with(b">From ");
    let Some(gap) = header.gaps.iter().find(|gap| !is_envelope(slice(bytes, (*gap).clone()))).cloned() else {
        return delimiter.is_some();
    };
    let known = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        name.starts_with(b"content-")
            || name.starts_with(b"x-")
            || (place == Place::Message && KNOWN_FIELDS.iter().any(|known| known.as_bytes() == name))
    };
    let follows = |field: &&header::Field| field.whole.start > gap.start;
    if header.fields.iter().filter(follows).any(|field| known(slice(bytes, field.name.clone()))) {
        return delimiter.is_some();
    }
    end_at(header, gap.start);
    true
}

fn end_at(header: &mut Header, at: usize) {
    header.fields.retain(|field| field.whole.start < at);
    header.gaps.retain(|gap| gap.start < at);
    header.gaps.iter_mut().for_each(|gap| gap.end = gap.end.min(at));
    header.range.end = at;
    header.body_start = at;
}

/// A Content-Type of a header: where it stands, whether it is a multipart's, and the boundaries that it can mean.
type ReadType = (usize, bool, Vec<(Vec<u8>, bool)>);

/// Where in a header a line begins like a delimiter of the multipart that it declares before. With a colon in its
/// boundary it looks like a field.
fn own_delimiter(bytes: &[u8], header: &Header) -> Option<usize> {
    let in_gaps = header.gaps.iter().flat_map(|gap| {
        let lines = slice(bytes, gap.clone()).split_inclusive(|b| *b == b'\n');
        lines.scan(gap.start, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start)
        })
    });
    let lines = in_gaps.chain(header.fields.iter().map(|field| field.whole.start));
    let mut lines: Vec<usize> = lines.filter(|at| slice(bytes, *at..*at + 2) == b"--").collect();
    lines.sort_unstable();
    if lines.is_empty() {
        return None;
    }
    let types = header.all(bytes, "Content-Type").take(MAX_TYPES).map(|field| {
        let value = params::parse(slice(bytes, field.value.clone()));
        (field.whole.start, value.head.starts_with("multipart"), candidates(&value))
    });
    let types: Vec<ReadType> = types.collect();
    lines.into_iter().find(|line| {
        let rest = bytes.get(*line + 2..header.body_start).unwrap_or_default();
        types.iter().filter(|(at, ..)| at < line).any(|(_, is_multipart, found)| {
            let is_word = rest.get(..3).is_some_and(|word| word.iter().all(u8::is_ascii_graphic));
            found.iter().any(|(one, _)| !one.is_empty() && rest.starts_with(one))
                || (found.is_empty() && *is_multipart && is_word)
        })
    })
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

/// The boundary, and whether all programs read the same one: the first of those it can be that begins a part in the
/// body.
fn boundary(bytes: &[u8], body: &Range<usize>, content_type: &Structured) -> Option<(Vec<u8>, bool)> {
    candidates(content_type).into_iter().find(|(candidate, _)| {
        let printable = candidate.iter().all(|b| (32..127).contains(b));
        printable
            && (1..=MAX_BOUNDARY).contains(&candidate.len())
            && delimiters(bytes, body.clone(), candidate, usize::MAX).is_ok_and(|found| found.opens)
    })
}

/// What the boundary can be, and whether it can be nothing else.
fn candidates(content_type: &Structured) -> Vec<(Vec<u8>, bool)> {
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
    candidates
}

/// The value with this boundary and no other.
fn with_boundary(content_type: &Structured, boundary: &[u8]) -> Vec<u8> {
    let quoted = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).replace('\\', "\\\\").replace('"', "\\\"");
        text.chars().filter(|c| matches!(c, ' '..='~')).collect::<String>()
    };
    // The type is read without the blanks in it: what else stood there would be joined to it.
    let is_type =
        content_type.head.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'+'));
    let head = if is_type { content_type.head.as_str() } else { "multipart/mixed" };
    let mut out = format!(" {head}; boundary=\"{}\"", quoted(boundary));
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
    let Delimiters { lines, close, .. } = delimiters(bytes, body.clone(), &boundary, budget.parts)?;
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

/// The delimiter lines of a multipart, with their line ends.
struct Delimiters {
    /// All up to the closing one. A closing one before all others begins a part as well.
    lines: Vec<Range<usize>>,
    /// The closing one.
    close: Option<Range<usize>>,
    /// Whether one of them is no closing one.
    opens: bool,
}

fn delimiters(
    bytes: &[u8],
    body: Range<usize>,
    boundary: &[u8],
    most: usize,
) -> Result<Delimiters, MimeError> {
    let needle = [b"--", boundary].concat();
    let finder = memchr::memmem::Finder::new(&needle);
    let mut found = Delimiters { lines: Vec::new(), close: None, opens: false };
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
        if closing && !found.lines.is_empty() {
            found.close = Some(start..start + end);
            return Ok(found);
        }
        if found.lines.len() >= most {
            return Err(MimeError::TooManyParts);
        }
        found.opens |= !closing;
        found.lines.push(start..start + end);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
