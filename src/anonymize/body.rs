//! The parts of a message, written anew in order: what needs no change is copied byte for byte.
//!
//! Rules: the header of a part passes by allow-list ([`part_header`](Writer::part_header)); text is edited in place;
//! messages are walked into with the rules for theirs ([`super::nested`]); preamble and epilogue, which no program
//! shows, are blanked. Delimiters keep their bytes.
//! When it fails: [`Refusal`].

use super::boundary::Boundaries;
use super::content_id::ContentIds;
use super::nested;
use super::policy::{self, Treatment};
use super::search::{Kind, Search};
use super::{Passage, Refusal, content, field, text};
use crate::mime::MAX_DEPTH;
use crate::mime::charset::Charset;
use crate::mime::header::Field;
use crate::mime::lines::{self, Break, MAX_LINE};
use crate::mime::slice;
use crate::mime::transfer::Encoding;
use crate::mime::tree::{self, Budget, Content, Entity, Multipart};
use std::borrow::Cow;

/// Writes one message.
pub struct Writer<'a> {
    /// What is done to the message.
    pub passage: &'a Passage<'a>,
    /// What is sought.
    pub search: &'a Search,
    /// Content ids and what takes their place.
    pub ids: ContentIds,
    pub boundaries: Boundaries,
    /// Parts that may still be read in encoded messages.
    pub parts_left: usize,
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
                policy::multipart(&entity.media)?;
                self.multipart(bytes, entity, multipart, depth, out)
            }
            Content::Message(inner) => {
                policy::treatment(&entity.media, entity.content_type.as_ref(), "")?;
                nested::message(self, bytes, inner, depth + 1, out)
            }
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
        let is_blank = |text: &[u8]| text.iter().all(u8::is_ascii_whitespace);
        let preamble = slice(bytes, multipart.preamble.clone());
        if is_blank(preamble) {
            out.extend_from_slice(preamble);
        }
        let mut at = multipart.preamble.end;
        for (delimiter, part) in &multipart.parts {
            // The line end before the delimiter, and the delimiter.
            out.extend_from_slice(slice(bytes, at..delimiter.start));
            self.boundaries.delimiter(slice(bytes, delimiter.clone()), entity, out);
            self.part_header(bytes, part, out)?;
            self.body(bytes, part, depth + 1, out)?;
            at = part.body.end.max(delimiter.end);
        }
        let Some(close) = &multipart.close else { return Ok(()) };
        out.extend_from_slice(slice(bytes, at..close.start));
        self.boundaries.delimiter(slice(bytes, close.clone()), entity, out);
        let epilogue = slice(bytes, multipart.epilogue.clone());
        if is_blank(epilogue) {
            out.extend_from_slice(epilogue);
        }
        Ok(())
    }

    /// The header of a part: only the fields that say how to read it, scrubbed.
    pub fn part_header(&mut self, bytes: &[u8], part: &Entity, out: &mut Vec<u8>) -> Result<(), Refusal> {
        for one in &part.header.fields {
            self.content_field(bytes, part, one, out)?;
        }
        out.extend_from_slice(slice(bytes, part.header.range.end..part.header.body_start));
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
                if repeated =>
            {
                // The tree has seen that they agree, or it does not matter; one is enough.
                return Ok(true);
            }
            b"content-type" => {
                let scrubbed = content::scrubbed(value, self.search, &self.ids)?;
                self.boundaries.in_content_type(scrubbed.as_deref().unwrap_or(value), part).or(scrubbed)
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

    fn leaf(
        &mut self,
        bytes: &[u8],
        entity: &Entity,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let raw = slice(bytes, entity.body.clone());
        let name = file_name(bytes, entity);
        match policy::treatment(&entity.media, entity.content_type.as_ref(), &name)? {
            Treatment::Text(kind) => self.text(raw, entity, kind, out),
            Treatment::Message => self.encoded_message(raw, entity, depth, out),
            Treatment::MessageHeader => {
                let decoded = entity.encoding.decode(raw);
                let decoded = lines::only_crlf(&decoded);
                let new = nested::header_only(self, &decoded)?;
                out.extend_from_slice(&entity.encoding.encode(&new));
                Ok(())
            }
            Treatment::File => {
                // Enough of it to see armour; the gate looks at all of it.
                let prefix = slice(raw, 0..raw.len().min(policy::ARMOUR_PREFIX));
                policy::armour(&entity.encoding.decode(prefix))?;
                out.extend_from_slice(raw);
                Ok(())
            }
        }
    }

    fn text(&mut self, raw: &[u8], entity: &Entity, kind: Kind, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let decoded = entity.encoding.decode(raw);
        policy::armour(&decoded)?;
        let label = entity.content_type.as_ref().and_then(|value| value.text("charset"));
        if label.as_deref().is_some_and(|label| Charset::is_unreadable(label.as_bytes())) {
            return Err(Refusal::Charset);
        }
        let ids = (kind == Kind::Markup).then_some(&self.ids);
        let edits = text::edits(&decoded, label.as_deref().map(str::as_bytes), kind, self.search, ids);
        if edits.is_empty() {
            out.extend_from_slice(raw);
            return Ok(());
        }
        let edited = entity.encoding.edit(raw, &edits);
        let long = |text: &[u8]| text.split(|b| *b == b'\n').any(|line| line.len() > MAX_LINE + 1);
        if entity.encoding == Encoding::Identity && long(&edited) {
            let broken = lines::broken_at_blanks(&edited, MAX_LINE - 2, Break::BehindBlank);
            out.extend_from_slice(&broken.ok_or(Refusal::LineTooLong)?);
        } else {
            out.extend_from_slice(&edited);
        }
        Ok(())
    }

    /// A message in base64 or quoted-printable (which RFC 2046 §5.2.1 forbids and programs do): edited in the
    /// clear, encoded anew where it changed.
    fn encoded_message(
        &mut self,
        raw: &[u8],
        entity: &Entity,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let decoded = entity.encoding.decode(raw);
        let clear = lines::only_crlf(&decoded);
        let mut budget = Budget { parts: self.parts_left, depth: MAX_DEPTH.saturating_sub(depth + 1) };
        let inner = tree::parse(&clear, &mut budget)?;
        self.parts_left = budget.parts;
        self.boundaries.collect(&clear, &inner);
        let (search, boundaries) = (self.search, &self.boundaries);
        let names_somebody = |left: &[u8]| search.holds_local_part(left) || boundaries.name_a_host(left);
        self.ids.collect(&clear, &inner, &names_somebody);
        let mut new = Vec::with_capacity(clear.len() + 256);
        nested::message(self, &clear, &inner, depth + 1, &mut new)?;
        if new == *decoded {
            out.extend_from_slice(raw);
        } else {
            let encoded = entity.encoding.encode(&new);
            out.extend_from_slice(encoded.strip_suffix(b"\r\n").unwrap_or(&encoded));
            if raw.ends_with(b"\r\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
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

fn file_name(bytes: &[u8], entity: &Entity) -> String {
    let disposition = entity.header.all(bytes, "Content-Disposition").next();
    let disposition = disposition.map(|one| crate::mime::params::parse(slice(bytes, one.value.clone())));
    let named = disposition.and_then(|value| value.text("filename"));
    named.or_else(|| entity.content_type.as_ref().and_then(|value| value.text("name"))).unwrap_or_default()
}
