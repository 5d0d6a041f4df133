//! A message for a next hop that takes fewer octets than it has: bodies without 8BITMIME (RFC 6152 §3), headers without
//! SMTPUTF8 (RFC 6531 §3.7.1; RFC 6857 describes such a header).
//!
//! | what | becomes |
//! |---|---|
//! | a body with octets above 127 | quoted-printable where it is text that is mostly ASCII, else base64 |
//! | a nested message or a multipart | itself, with what is in it changed and its own encoding said to be 7bit |
//! | raw octets in a header field | encoded words (RFC 2047), parameters of MIME fields as in RFC 2231 |
//! | raw octets around multiparts | nothing: no program shows them |
//!
//! Rules: what is ASCII already stays as it is, octet for octet. It must happen before signing. An address itself cannot be
//! written otherwise.
//! When it fails: [`None`] where an octet above 127 would be left (in an address, in a field's name, beyond a limit of the
//! reader): such a message cannot go that way.

use super::header::Field;
use super::transfer::{Edit, Encoding, apply};
use super::tree::{self, Budget, Content, Entity};
use super::words::{self, Coding};
use super::{charset::Charset, params, slice};
use std::fmt::Write as _;

/// How much is to become ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Header blocks; bodies may keep their octets.
    Headers,
    /// All of it.
    Whole,
    /// Bodies with lines that no server needs to take, whatever their octets.
    Lines,
}

/// Octets of a line without its end that every server takes (RFC 5321 §4.5.3.1.6).
const LINE_MAX: usize = 998;

/// Fields that hold addresses (RFC 5322 §3.6).
const ADDRESSES: [&str; 11] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Disposition-Notification-To",
];

/// Fields that hold ids or links (RFC 5322 §3.6.4, RFC 2369).
const NO_TEXT: [&str; 9] = [
    "Message-ID",
    "In-Reply-To",
    "References",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// Where a line is folded (RFC 5322 §2.1.1).
const FOLD_AT: usize = 76;

/// The message with fewer octets.
#[must_use]
pub fn downgrade(message: &[u8], extent: Extent) -> Option<Vec<u8>> {
    let entity = tree::parse(message, &mut Budget::default()).ok()?;
    let mut edits = Vec::new();
    change(message, &entity, extent, &mut edits)?;
    let changed = apply(message, &edits);
    let left = match extent {
        Extent::Lines => return Some(changed),
        Extent::Whole => changed.as_slice(),
        Extent::Headers => {
            let end = memchr::memmem::find(&changed, b"\r\n\r\n").unwrap_or(changed.len());
            changed.get(..end)?
        }
    };
    left.is_ascii().then_some(changed)
}

/// Whether a line is longer than every server takes.
#[must_use]
pub fn has_long_lines(octets: &[u8]) -> bool {
    let mut begins = 0;
    memchr::memchr_iter(b'\n', octets).chain(std::iter::once(octets.len())).any(|end| {
        let line = octets.get(begins..end).unwrap_or_default();
        begins = end + 1;
        line.strip_suffix(b"\r").unwrap_or(line).len() > LINE_MAX
    })
}

/// The edits of an entity, in order.
fn change(bytes: &[u8], entity: &Entity, extent: Extent, edits: &mut Vec<Edit>) -> Option<()> {
    let has_octets = |range: &std::ops::Range<usize>| !slice(bytes, range.clone()).is_ascii();
    let is_leaf = matches!(entity.content, Content::Leaf);
    let body_changes = match extent {
        Extent::Headers => false,
        Extent::Whole => {
            has_octets(&entity.body) || (is_leaf && has_long_lines(slice(bytes, entity.body.clone())))
        }
        Extent::Lines => is_leaf && has_long_lines(slice(bytes, entity.body.clone())),
    };
    let encoded = match &entity.content {
        // Parts that could not be told apart here can't be written one by one.
        Content::Leaf if body_changes && entity.type_as_read.is_some() => return None,
        Content::Leaf if body_changes => Some(encoding_for(bytes, entity)),
        _ => None,
    };
    let mut declared = false;
    for field in &entity.header.fields {
        if field.is(bytes, "Content-Transfer-Encoding") && body_changes {
            let with = encoded.map_or("7bit", |(name, _)| name);
            let with = if declared { Vec::new() } else { line("Content-Transfer-Encoding", with) };
            edits.push(Edit { range: field.whole.clone(), with });
            declared = true;
        } else if extent != Extent::Lines && has_octets(&field.whole) {
            edits.push(Edit { range: field.whole.clone(), with: written(bytes, field)? });
        }
    }
    if let Some((name, encoding)) = encoded {
        if !declared {
            let end = entity.header.range.end;
            edits.push(Edit { range: end..end, with: line("Content-Transfer-Encoding", name) });
        }
        let mut with = Vec::new();
        encoding.encode_into(&plain(bytes, entity), &mut with);
        edits.push(Edit { range: entity.body.clone(), with });
        return Some(());
    }
    match &entity.content {
        Content::Leaf => {}
        Content::Message(inner) => change(bytes, inner, extent, edits)?,
        Content::Multipart(multipart) => {
            let blank = |range: &std::ops::Range<usize>, edits: &mut Vec<Edit>| {
                if extent == Extent::Whole && has_octets(range) {
                    edits.push(Edit { range: range.clone(), with: b"\r\n".to_vec() });
                }
            };
            blank(&multipart.preamble, edits);
            for (_, part) in &multipart.parts {
                change(bytes, part, extent, edits)?;
            }
            blank(&multipart.epilogue, edits);
        }
    }
    Some(())
}

/// A body without its own encoding. Raw octets among encoded ones stay; what stands behind base64 is text as it is.
fn plain<'a>(bytes: &'a [u8], entity: &Entity) -> std::borrow::Cow<'a, [u8]> {
    let body = slice(bytes, entity.body.clone());
    let (encoded, behind) =
        body.split_at_checked(entity.encoding.encoded_length(body)).unwrap_or((body, &[]));
    let mut decoded = entity.encoding.decode(encoded);
    if !behind.is_empty() {
        decoded.to_mut().extend_from_slice(behind);
    }
    decoded
}

/// Quoted-printable keeps Western text readable; Japanese in it would be three times as long.
fn encoding_for(bytes: &[u8], entity: &Entity) -> (&'static str, Encoding) {
    let body = plain(bytes, entity);
    // Three octets for one that can't stand as it is, against four for three of any.
    let odd = body
        .iter()
        .filter(|b| **b == b'=' || !(matches!(**b, b'\t' | b'\r' | b'\n') || (b' '..=b'~').contains(*b)));
    if entity.media.starts_with("text/") && odd.count().saturating_mul(6) < body.len() {
        ("quoted-printable", Encoding::QuotedPrintable)
    } else {
        ("base64", Encoding::Base64)
    }
}

fn line(name: &str, value: &str) -> Vec<u8> {
    format!("{name}: {value}\r\n").into_bytes()
}

/// A field with its octets written in ASCII.
fn written(bytes: &[u8], field: &Field) -> Option<Vec<u8>> {
    let name = slice(bytes, field.name.clone());
    let value = slice(bytes, field.value.clone());
    // Ids and links are no text: written otherwise they are others.
    if !name.is_ascii() || NO_TEXT.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())) {
        return None;
    }
    let unfolded = super::header::unfold(value);
    let text = words::plain_charset(&unfolded).decode(&unfolded).0.into_owned();
    let value = if name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
        && !name.eq_ignore_ascii_case(b"content-description")
    {
        parameters(value)?
    } else if ADDRESSES.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())) {
        addresses(&text)?
    } else {
        unstructured(&text)
    };
    let mut whole = name.to_vec();
    whole.extend_from_slice(b":");
    whole.extend_from_slice(&value);
    whole.extend_from_slice(b"\r\n");
    Some(whole)
}

fn encoded(text: &str) -> Vec<u8> {
    words::encode(text, "UTF-8", Charset::Utf8, Coding::B)
}

/// Octets of the last line.
fn column(out: &[u8]) -> usize {
    out.len() - memchr::memrchr(b'\n', out).map_or(0, |at| at + 1)
}

/// Words with other letters, and the blanks between them, as encoded words; what is ASCII stays.
fn unstructured(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut Vec<u8>| {
        if !run.is_empty() {
            out.extend_from_slice(b"\r\n ");
            out.extend_from_slice(&encoded(run));
            run.clear();
        }
    };
    // Blanks between encoded words are not shown (RFC 2047 §6.2): beside one the blank is part of the text.
    let is_encoded = |word: &str| word.starts_with("=?") && word.ends_with("?=");
    let mut behind_word = false;
    for word in text.split_ascii_whitespace() {
        if word.is_ascii() {
            if !run.is_empty() && is_encoded(word) {
                run.push(' ');
            }
            flush(&mut run, &mut out);
            behind_word = is_encoded(word);
            if column(&out) > 0 && column(&out) + word.len() >= FOLD_AT {
                out.extend_from_slice(b"\r\n");
            }
            out.push(b' ');
            out.extend_from_slice(word.as_bytes());
        } else {
            if !run.is_empty() || behind_word {
                run.push(' ');
            }
            behind_word = false;
            run.push_str(word);
        }
    }
    flush(&mut run, &mut out);
    out
}

/// Display names and comments as encoded words. None where an address itself has other letters.
fn addresses(text: &str) -> Option<Vec<u8>> {
    let mut out = vec![b' '];
    // Only ASCII blanks separate: an ideographic one is a letter of a name.
    let blank = |c: char| c.is_ascii_whitespace();
    let mut rest = text.trim_matches(blank);
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '"' => rest.split_at_checked(quoted_end(rest))?,
            '<' => rest.split_at_checked(rest.find('>')? + 1)?,
            '(' => rest.split_at_checked(comment_end(rest)?)?,
            '>' | ')' | ',' | ':' | ';' => rest.split_at_checked(1)?,
            c if blank(c) => {
                out.push(b' ');
                rest = rest.trim_start_matches(blank);
                continue;
            }
            _ => {
                let end = rest.find(['"', '<', '(', ',', ';', ':']).unwrap_or(rest.len());
                let (run, _) = rest.split_at_checked(end)?;
                rest.split_at_checked(run.trim_end_matches(blank).len())?
            }
        };
        rest = after;
        if token.is_ascii() {
            out.extend_from_slice(token.as_bytes());
            if token == "," && column(&out) >= FOLD_AT / 2 {
                out.extend_from_slice(b"\r\n ");
                rest = rest.trim_start_matches(blank);
            }
            continue;
        }
        match first {
            '<' => return None,
            // A local part in quotes.
            '"' if rest.starts_with('@') => return None,
            '"' => {
                out.extend_from_slice(b"\r\n ");
                // The quotes at its ends alone: one that is escaped is a letter.
                let inner = token.get(1..).map(|inner| inner.strip_suffix('"').unwrap_or(inner))?;
                out.extend_from_slice(&encoded(&unescaped(inner)));
            }
            '(' => {
                out.push(b'(');
                // What is in it may have been encoded before, wholly or in part.
                let inner = words::text(token.get(1..token.len() - 1)?.as_bytes());
                out.extend_from_slice(&encoded(&unescaped(&inner)));
                out.push(b')');
            }
            _ if token.contains('@') => return None,
            _ => {
                out.extend_from_slice(b"\r\n ");
                out.extend_from_slice(&encoded(&words::text(token.as_bytes())));
            }
        }
    }
    Some(out)
}

/// The end of the comment that begins here, with the comments in it (RFC 5322 §3.2.2).
fn comment_end(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A text without its backslashes (RFC 5322 §3.2.1).
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        out.extend(if c == '\\' { letters.next() } else { Some(c) });
    }
    out
}

/// The end of the quoted string that begins here.
fn quoted_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Parameters with other letters as in RFC 2231 §4; the others as they are.
fn parameters(value: &[u8]) -> Option<Vec<u8>> {
    let structured = params::parse(value);
    let head = slice(value, structured.head_range.clone());
    let mut out = format!(" {}", std::str::from_utf8(head).ok()?.trim()).into_bytes();
    for param in &structured.params {
        out.extend_from_slice(b";\r\n ");
        let raw = slice(value, param.range.clone());
        if raw.is_ascii() {
            out.extend_from_slice(raw);
            continue;
        }
        // A piece of a value, or one that is encoded already and has raw octets too: nobody knows what it means.
        if param.extended || param.section.is_some() {
            return None;
        }
        let text = words::plain_charset(&param.value).decode(&param.value).0.into_owned();
        let mut escaped = String::new();
        for octet in text.bytes() {
            if octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_') {
                escaped.push(char::from(octet));
            } else {
                let _ = write!(escaped, "%{octet:02X}");
            }
        }
        // Sections keep lines short (RFC 2231 §3).
        let pieces: Vec<&[u8]> = pieces(escaped.as_bytes());
        for (number, piece) in pieces.iter().enumerate() {
            let section = if pieces.len() > 1 { format!("*{number}") } else { String::new() };
            let prefix = if number == 0 { "UTF-8''" } else { "" };
            let separator = if number == 0 { "" } else { ";\r\n " };
            out.extend_from_slice(format!("{separator}{}{section}*={prefix}", param.name).as_bytes());
            out.extend_from_slice(piece);
        }
    }
    Some(out)
}

/// Pieces of an escaped text, no escape cut in two.
fn pieces(escaped: &[u8]) -> Vec<&[u8]> {
    const LONGEST: usize = 54;
    let mut pieces = Vec::new();
    let mut rest = escaped;
    while rest.len() > LONGEST {
        let end = (LONGEST - 2..=LONGEST).find(|end| rest.get(*end) == Some(&b'%')).unwrap_or(LONGEST);
        let cut = if rest.get(end.saturating_sub(2)..end).is_some_and(|tail| tail.contains(&b'%'))
            && rest.get(end) != Some(&b'%')
        {
            LONGEST - 2
        } else {
            end
        };
        let Some((piece, after)) = rest.split_at_checked(cut) else { break };
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests;
