//! The parts of a message, written anew in order: what needs no change is copied byte for byte.
//!
//! Rules: the header of a part passes by allow-list ([`part_header`](Writer::part_header)); text is edited in place;
//! messages are walked into with the rules for theirs ([`super::nested`]); what names its owner by its nature is left
//! out with its delimiter; preamble and epilogue, which no program shows, stay while they are plain words. Delimiters
//! keep their bytes.
//! When it fails: [`Refusal`].

use super::armour;
use super::boundary::Boundaries;
use super::calendar;
use super::content_id::ContentIds;
use super::file;
use super::nested;
use super::outcome::Removed;
use super::policy::{self, Treatment};
use super::search::{Kind, Search};
use super::text::Sought;
use super::traces::Traces;
use super::{Passage, Refusal, content, field, report, text, unwrap};
use crate::mime::MAX_DEPTH;
use crate::mime::charset::Charset;
use crate::mime::header::Field;
use crate::mime::lines::{self, Break, MAX_LINE};
use crate::mime::slice;
use crate::mime::transfer::{self, Encoding};
use crate::mime::tree::{Budget, Content, Entity, Multipart};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Longest preamble or epilogue that stays, in octets.
const MAX_PREAMBLE: usize = 1000;

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
    pub boundaries: Boundaries,
    /// Parts that may still be read in encoded messages.
    pub parts_left: usize,
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
        let preamble = slice(bytes, multipart.preamble.clone());
        if self.is_harmless(preamble) {
            out.extend_from_slice(preamble);
        }
        // Behind the preamble stands the line end that belongs to the first delimiter.
        let mut at = multipart.preamble.end;
        let mut written = 0;
        for (delimiter, part) in &multipart.parts {
            let dropped = self.drops(bytes, part)?;
            if let Some(what) = dropped {
                self.removed.insert(what);
            } else {
                // The line end before the delimiter, and the delimiter.
                let gap = slice(bytes, at..delimiter.start);
                let gap = if written == 0 && !out.ends_with(b"\r\n") { b"\r\n" } else { gap };
                out.extend_from_slice(gap);
                self.boundaries.delimiter(slice(bytes, delimiter.clone()), entity, out);
                self.part_header(bytes, part, out)?;
                self.body(bytes, part, depth + 1, out)?;
                written += 1;
            }
            at = part.body.end.max(delimiter.end);
        }
        if written == 0
            && let Some((delimiter, _)) = multipart.parts.first()
        {
            // Nothing is left: an empty text, since a multipart has at least one part (RFC 2046 §5.1.1).
            self.boundaries.delimiter(slice(bytes, delimiter.clone()), entity, out);
            out.extend_from_slice(b"Content-Type: text/plain\r\n\r\n");
        }
        let Some(close) = &multipart.close else { return Ok(()) };
        let gap = slice(bytes, at..close.start);
        out.extend_from_slice(if gap.is_empty() && !out.ends_with(b"\r\n") { b"\r\n" } else { gap });
        self.boundaries.delimiter(slice(bytes, close.clone()), entity, out);
        let epilogue = slice(bytes, multipart.epilogue.clone());
        if self.is_harmless(epilogue) {
            out.extend_from_slice(epilogue);
        }
        Ok(())
    }

    /// Whether a text that no program shows is plain words and nothing that could be read otherwise.
    fn is_harmless(&self, text: &[u8]) -> bool {
        let plain = |b: &u8| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n') && !b"@%&=<>\\:".contains(b);
        text.len() <= MAX_PREAMBLE
            && text.iter().all(plain)
            && !self.traces.stand_in(text)
            && !self.boundaries.name_a_host(text)
            && !text.split(|b| *b == b'\n').any(|line| line.starts_with(b"--"))
            && (text.trim_ascii().is_empty() || !text::is_in(text, self.search))
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
                match policy::armour(&prefix) {
                    Some(Refusal::Signed) if self.passage.rules.signatures == super::SignatureRule::Strip => {
                        Ok(Some(Removed::Signature))
                    }
                    Some(Refusal::Key) => Ok(Some(Removed::Key)),
                    Some(refusal) => Err(refusal),
                    None => Ok(None),
                }
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

    fn leaf(
        &mut self,
        bytes: &[u8],
        entity: &Entity,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let raw = slice(bytes, entity.body.clone());
        let name = file_name(bytes, entity);
        match policy::treatment(&entity.media, entity.content_type.as_ref(), &name, &self.passage.rules)? {
            Treatment::Text(kind) => self.text(raw, entity, kind, out),
            Treatment::ContentLines => {
                self.content_lines(raw, entity, out);
                Ok(())
            }
            // What is called an encoded message and is not encoded is a text.
            Treatment::Message if entity.encoding.encoded_length(raw) < raw.len() => {
                self.text(raw, entity, Kind::Plain, out)
            }
            Treatment::Message => self.encoded_message(raw, entity, depth, out),
            Treatment::MessageHeader => {
                let decoded = entity.encoding.decode(raw);
                let new = nested::header_only(self, &lines::only_crlf(&decoded))?;
                rewritten(raw, entity.encoding, &decoded, &new, out);
                Ok(())
            }
            Treatment::Report => {
                let decoded = entity.encoding.decode(raw);
                let new = report::scrubbed(self, &lines::only_crlf(&decoded))?;
                rewritten(raw, entity.encoding, &decoded, &new, out);
                Ok(())
            }
            // A message that is nothing else: what else is there would be empty.
            Treatment::Dropped(Removed::Signature) => Err(Refusal::Signed),
            Treatment::Dropped(_) => Err(Refusal::Key),
            Treatment::File => {
                file::pass(self, raw, entity, &name, out);
                Ok(())
            }
        }
    }

    /// A text; what stands behind its encoded lines is one too, as it stands.
    fn text(&mut self, raw: &[u8], entity: &Entity, kind: Kind, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let label = label(entity)?;
        let label = label.as_deref().map(str::as_bytes);
        let (encoded, plain) =
            raw.split_at_checked(entity.encoding.encoded_length(raw)).unwrap_or((raw, &[]));
        self.one_text(encoded, entity.encoding, label, kind, out)?;
        if plain.is_empty() { Ok(()) } else { self.one_text(plain, Encoding::Identity, label, kind, out) }
    }

    fn one_text(
        &mut self,
        raw: &[u8],
        encoding: Encoding,
        label: Option<&[u8]>,
        kind: Kind,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let decoded = encoding.decode(raw);
        if let Some(opened) = armour::opened(self, &decoded)? {
            let edits = armour::edits(self, &opened, label, kind);
            rewritten(raw, encoding, &decoded, &transfer::apply(&opened, &edits), out);
            return Ok(());
        }
        let edits = armour::edits(self, &decoded, label, kind);
        if edits.is_empty() {
            out.extend_from_slice(raw);
            return Ok(());
        }
        drop(decoded);
        let from = out.len();
        encoding.edit_into(raw, &edits, out);
        let edited = slice(out, from..out.len());
        let long = |text: &[u8]| text.split(|b| *b == b'\n').any(|line| line.len() > MAX_LINE + 1);
        if encoding == Encoding::Identity && long(edited) && !long(raw) {
            let broken = lines::broken_at_blanks(edited, MAX_LINE - 2, Break::BehindBlank);
            let broken = broken.ok_or(Refusal::LineTooLong)?;
            out.truncate(from);
            out.extend_from_slice(&broken);
        }
        Ok(())
    }

    /// A calendar or a contact card.
    fn content_lines(&mut self, raw: &[u8], entity: &Entity, out: &mut Vec<u8>) {
        let decoded = entity.encoding.decode(raw);
        let label = entity.content_type.as_ref().and_then(|value| value.text("charset"));
        let sought = Sought { search: self.search, traces: self.traces, ids: None, kind: Kind::Plain };
        let label = label.as_deref().map(str::as_bytes);
        match calendar::scrubbed(&decoded, label, &sought, self.passage.message_id) {
            Some(changed) => {
                if changed.key {
                    self.removed.insert(Removed::Key);
                }
                rewritten(raw, entity.encoding, &decoded, &changed.bytes, out);
            }
            None => out.extend_from_slice(raw),
        }
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
        let opened = unwrap::open(&clear, &mut budget, self.passage)?;
        let (clear, inner) = (opened.bytes.map_or(clear, Cow::Owned), opened.entity);
        self.removed.extend(opened.removed);
        self.parts_left = budget.parts;
        self.boundaries.collect(&clear, &inner);
        let (search, boundaries) = (self.search, &self.boundaries);
        let names_somebody = |left: &[u8]| search.holds_local_part(left) || boundaries.name_a_host(left);
        self.ids.collect(&clear, &inner, &names_somebody);
        let mut new = Vec::with_capacity(clear.len() + 256);
        nested::message(self, &clear, &inner, depth + 1, &mut new)?;
        rewritten(raw, entity.encoding, &decoded, &new, out);
        Ok(())
    }
}

/// The charset that a text declares.
fn label(entity: &Entity) -> Result<Option<String>, Refusal> {
    let label = entity.content_type.as_ref().and_then(|value| value.text("charset"));
    if label.as_deref().is_some_and(|label| Charset::is_unreadable(label.as_bytes())) {
        return Err(Refusal::Charset);
    }
    Ok(label)
}

/// Appends the empty line that ends a header, also where it was forgotten.
pub fn empty_line(bytes: &[u8], part: &Entity, out: &mut Vec<u8>) {
    if part.lacks_empty_line {
        out.extend_from_slice(b"\r\n");
    } else {
        out.extend_from_slice(slice(bytes, part.header.range.end..part.header.body_start));
    }
}

/// Appends a body whose decoded text became `new`: what is the same at both ends keeps its lines.
fn rewritten(raw: &[u8], encoding: Encoding, old: &[u8], new: &[u8], out: &mut Vec<u8>) {
    // A last line without its end stays one.
    let new = if old.ends_with(b"\r\n") { new } else { new.strip_suffix(b"\r\n").unwrap_or(new) };
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    if head == old.len() && head == new.len() {
        out.extend_from_slice(raw);
        return;
    }
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    // An edit takes the place of something: what is only put in takes a neighbour along.
    let head = if head == old.len() - tail { head.saturating_sub(1) } else { head };
    let (from, to) = (head, old.len() - tail);
    if from >= to {
        out.extend_from_slice(&encoding.encode(new));
        return;
    }
    let with = slice(new, head..new.len() - tail).to_vec();
    encoding.edit_into(raw, &[transfer::Edit { range: from..to, with }], out);
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
