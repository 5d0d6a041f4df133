//! The parts of a message, written anew in order: what needs no change is copied byte for byte.
//!
//! Rules: the header of a part passes by allow-list ([`part_header`](Writer::part_header)); text is edited in place;
//! messages are walked into with the rules for theirs ([`super::nested`]); what names its owner by its nature is left
//! out with its delimiter; preamble and epilogue are texts. Delimiters keep their bytes. What a part without parts holds
//! is written by [`super::leaf`].
//! When it fails: [`Refusal`].

use super::armour;
use super::boundary::{self, Boundaries};
use super::content_id::ContentIds;
use super::leaf;
use super::nested;
use super::outcome::Removed;
use super::policy::{self, Treatment};
use super::search::{Kind, Search};
use super::traces::Traces;
use super::{Passage, Refusal, content, field, text};
use crate::mime::header::Field;
use crate::mime::slice;
use crate::mime::transfer::Encoding;
use crate::mime::tree::{Content, Entity, Multipart};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

/// Writes one message.
pub struct Writer<'a> {
    /// What is done to the message.
    pub passage: &'a Passage<'a>,
    /// What is sought.
    pub search: &'a Search,
    /// Hosts, addresses and ids of the mail's path.
    pub traces: &'a Traces,
    /// Content ids and what takes their place.
    pub ids: ContentIds,
    pub boundaries: Boundaries<'a>,
    /// Parts that may still be read in encoded messages.
    pub parts_left: usize,
    /// How much of the buffer follows the body that is written, in octets.
    pub rest: usize,
    /// What was taken out.
    pub removed: BTreeSet<Removed>,
    /// Whether a document names somebody.
    pub names_in_document: bool,
}

impl Writer<'_> {
    /// Appends the body of `entity`, which stands `depth` levels deep.
    pub fn body(
        &mut self,
        bytes: &[u8],
        entity: &Entity,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match &entity.content {
            Content::Multipart(multipart) => {
                policy::multipart(&entity.media, &self.passage.rules)?;
                self.multipart(bytes, entity, multipart, depth, out)
            }
            Content::Message(inner) => nested::message(self, bytes, inner, depth + 1, out),
            Content::Leaf => self.leaf(bytes, entity, depth, out),
        }
    }

    fn multipart(
        &mut self,
        bytes: &[u8],
        entity: &Entity,
        multipart: &Multipart,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let new = self.boundaries.replaced(entity);
        let delimiter = |line: &Range<usize>, out: &mut Vec<u8>| {
            boundary::delimiter(slice(bytes, line.clone()), new.as_ref(), out);
        };
        self.aside(slice(bytes, multipart.preamble.clone()), &multipart.boundary, out)?;
        // Behind the preamble stands the line end that belongs to the first delimiter.
        let mut at = multipart.preamble.end;
        let mut written = 0;
        for (line, part) in &multipart.parts {
            let dropped = self.drops(bytes, part)?;
            if let Some(what) = dropped {
                self.removed.insert(what);
            } else {
                // The line end before the delimiter, and the delimiter.
                let gap = slice(bytes, at..line.start);
                let gap = if written == 0 && !out.ends_with(b"\r\n") { b"\r\n" } else { gap };
                out.extend_from_slice(gap);
                delimiter(line, out);
                self.part_header(bytes, part, out)?;
                self.body(bytes, part, depth + 1, out)?;
                written += 1;
            }
            at = part.body.end.max(line.end);
        }
        if written == 0
            && let Some((line, _)) = multipart.parts.first()
        {
            // Nothing is left: an empty text, since a multipart has at least one part (RFC 2046 §5.1.1).
            delimiter(line, out);
            out.extend_from_slice(b"Content-Type: text/plain\r\n\r\n");
        }
        let Some(close) = &multipart.close else { return Ok(()) };
        let gap = slice(bytes, at..close.start);
        out.extend_from_slice(if gap.is_empty() && !out.ends_with(b"\r\n") { b"\r\n" } else { gap });
        delimiter(close, out);
        self.aside(slice(bytes, multipart.epilogue.clone()), &multipart.boundary, out)
    }

    /// Appends a preamble or an epilogue, which few programs show: a text like any other. Where a program could take a
    /// line of it for a delimiter it goes.
    fn aside(&mut self, text: &[u8], boundary: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        if text.trim_ascii().is_empty() {
            out.extend_from_slice(text);
            return Ok(());
        }
        let from = out.len();
        self.one_text(text, Encoding::Identity, None, Kind::Markup, out)?;
        let delimits = |line: &[u8]| line.strip_prefix(b"--").is_some_and(|rest| rest.starts_with(boundary));
        if slice(out, from..out.len()).split(|b| *b == b'\n').any(delimits) {
            out.truncate(from);
        }
        Ok(())
    }

    /// Whether a part is left out whole, because it names its owner by its nature.
    fn drops(&self, bytes: &[u8], part: &Entity) -> Result<Option<Removed>, Refusal> {
        if !matches!(part.content, Content::Leaf) {
            return Ok(None);
        }
        let name = file_name(bytes, part);
        let treatment =
            policy::treatment(&part.media, part.content_type.as_ref(), &name, &self.passage.rules)?;
        match treatment {
            Treatment::Dropped(what) => Ok(Some(what)),
            Treatment::File => {
                let raw = slice(bytes, part.body.clone());
                let prefix = part.encoding.decode(slice(raw, 0..raw.len().min(policy::ARMOUR_PREFIX)));
                let what = match policy::armour(&prefix) {
                    Some(Refusal::Signed) if self.passage.rules.signatures == super::SignatureRule::Strip => {
                        Removed::Signature
                    }
                    Some(Refusal::Key) => Removed::Key,
                    Some(refusal) => return Err(refusal),
                    None => return Ok(None),
                };
                // Of a text that goes on beside it only the block goes.
                let is_rest = leaf::is_text(raw, part, &name) && armour::has_rest(&part.encoding.decode(raw));
                Ok((!is_rest).then_some(what))
            }
            _ => Ok(None),
        }
    }

    /// The header of a part: only the fields that say how to read it, scrubbed.
    pub fn part_header(&mut self, bytes: &[u8], part: &Entity, out: &mut Vec<u8>) -> Result<(), Refusal> {
        for one in &part.header.fields {
            self.content_field(bytes, part, one, out)?;
        }
        empty_line(bytes, part, out);
        Ok(())
    }

    /// Appends a field that says how to read the body, scrubbed; says whether `one` is such a field.
    pub fn content_field(
        &mut self,
        bytes: &[u8],
        part: &Entity,
        one: &Field,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let name = slice(bytes, one.name.clone()).to_ascii_lowercase();
        let value = slice(bytes, one.value.clone());
        let repeated = part
            .header
            .fields
            .iter()
            .take_while(|other| *other != one)
            .any(|other| slice(bytes, other.name.clone()).eq_ignore_ascii_case(&name));
        let new = match name.as_slice() {
            b"content-type"
            | b"content-disposition"
            | b"content-transfer-encoding"
            | b"content-id"
            | b"content-description"
            | b"content-language"
            | b"content-location"
            | b"content-base"
                if repeated =>
            {
                // The tree has seen that they agree, or it does not matter; one is enough.
                return Ok(true);
            }
            b"content-type" => {
                let as_read = part.type_as_read.as_deref();
                let value = as_read.unwrap_or(value);
                let renamed = self.boundaries.in_content_type(value, part);
                let value = renamed.as_deref().unwrap_or(value);
                let scrubbed = content::scrubbed(value, self.search, &self.ids)?;
                let changed = as_read.is_some() || renamed.is_some();
                let new = scrubbed.or_else(|| changed.then(|| value.to_vec()));
                // Without its signature it is a multipart like any other.
                match part.media.as_str() {
                    "multipart/signed" => Some(content::as_mixed(new.as_deref().unwrap_or(value))),
                    _ => new,
                }
            }
            b"content-disposition" => content::scrubbed(value, self.search, &self.ids)?,
            // Nothing but delimiters decides what a multipart is; an encoding there could only mislead.
            b"content-transfer-encoding"
                if matches!(part.content, Content::Multipart(_)) && part.encoding != Encoding::Identity =>
            {
                return Ok(true);
            }
            b"content-transfer-encoding" | b"content-language" if self.boundaries.name_a_host(value) => {
                Some(format!(" {}", self.token(value)).into_bytes())
            }
            b"content-transfer-encoding" | b"content-language" => {
                match field::scrubbed(value, Kind::Addresses, self.search)? {
                    Some(_) => return Ok(true),
                    None => None,
                }
            }
            b"content-id" => match self.ids.of_value(value) {
                Some(new) if new.as_bytes() != value.trim_ascii() => Some(format!(" {new}").into_bytes()),
                Some(_) => None,
                None => return Ok(true),
            },
            b"content-description" => field::scrubbed(value, Kind::FileName, self.search)?,
            b"content-location" | b"content-base" => {
                // Where a page was: kept for the links to it, unless it says on which machine.
                let lower = value.to_ascii_lowercase();
                let local = memchr::memmem::find(&lower, b"file:").is_some() || lower.contains(&b'@');
                if local || self.boundaries.name_a_host(value) || text::is_in(value, self.search) {
                    return Ok(true);
                }
                None
            }
            _ => return Ok(false),
        };
        write_field(bytes, one, new, out);
        Ok(true)
    }

    /// The first word of a value: what is left where a comment names a host.
    fn token(&self, value: &[u8]) -> String {
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
        let word = value.trim_ascii().split(|b| !is_token(b)).next().unwrap_or_default();
        if self.boundaries.name_a_host(word) {
            String::new()
        } else {
            String::from_utf8_lossy(word).into_owned()
        }
    }
}

/// Appends the empty line that ends a header, also where it was forgotten.
pub fn empty_line(bytes: &[u8], part: &Entity, out: &mut Vec<u8>) {
    if part.lacks_empty_line {
        out.extend_from_slice(b"\r\n");
    } else {
        out.extend_from_slice(slice(bytes, part.header.range.end..part.header.body_start));
    }
}

/// Appends a field: its own bytes where `new` is none, else its name and the new value.
pub fn write_field(bytes: &[u8], one: &Field, new: Option<Vec<u8>>, out: &mut Vec<u8>) {
    out.extend_from_slice(slice(bytes, one.name.clone()));
    out.push(b':');
    let value = match new {
        Some(new) => Cow::Owned(new),
        None => Cow::Borrowed(slice(bytes, one.value.clone())),
    };
    out.extend_from_slice(&value);
    out.extend_from_slice(b"\r\n");
}

pub fn file_name(bytes: &[u8], entity: &Entity) -> String {
    let disposition = entity.header.all(bytes, "Content-Disposition").next();
    let disposition = disposition.map(|one| crate::mime::params::parse(slice(bytes, one.value.clone())));
    let named = disposition.and_then(|value| value.text("filename"));
    named.or_else(|| entity.content_type.as_ref().and_then(|value| value.text("name"))).unwrap_or_default()
}
