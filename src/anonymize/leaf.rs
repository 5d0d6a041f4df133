//! The bodies of parts that have no parts: texts edited in place, encoded messages walked into, files passed.
//!
//! Rules: a body whose decoded octets do not change keeps its own; of one that changes, what is the same at both ends
//! keeps its lines. Decoded text with bare LF has LF again.
//! When it fails: [`Refusal`].

use super::body::{Writer, file_name};
use super::outcome::Removed;
use super::policy::{self, Treatment};
use super::search::Kind;
use super::text::Sought;
use super::{Refusal, armour, calendar, embedded, file, nested, report, unwrap};
use crate::document;
use crate::mime::MAX_DEPTH;
use crate::mime::charset::Charset;
use crate::mime::lines::{self, Break, MAX_LINE};
use crate::mime::long_lines;
use crate::mime::transfer::{self, Edit, Encoding};
use crate::mime::tree::{self, Budget, Entity};
use crate::mime::uuencode;
use crate::mime::{room, slice};
use std::borrow::Cow;

/// How much of a file is looked at first for being a text, in octets.
const HEAD: usize = 4096;
/// Bodies up to so many octets are written without a thought for room.
const SMALL: usize = 64 * 1024;

impl Writer<'_> {
    /// Appends the body of a part without parts.
    pub fn leaf(
        &mut self,
        bytes: &[u8],
        entity: &Entity,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let raw = slice(bytes, entity.body.clone());
        let name = file_name(bytes, entity);
        self.rest = bytes.len().saturating_sub(entity.body.end);
        let treatment =
            policy::treatment(&entity.media, entity.content_type.as_ref(), &name, &self.passage.rules)?;
        let is_named_only = !tree::is_message(&entity.media);
        match treatment {
            // What only its name calls a message, and what is none, would be written anew as one.
            Treatment::Message if is_named_only && !may_be_message(raw, entity) => {
                self.file(raw, entity, &name, out)
            }
            // What is called a text and is a document is opened as one, by whatever goes by its name.
            Treatment::Text(_) | Treatment::ContentLines | Treatment::Report | Treatment::MessageHeader
                if is_document(raw, entity) =>
            {
                file::pass(self, raw, entity, &name, out);
                Ok(())
            }
            Treatment::Text(kind) => self.text(raw, entity, kind, out),
            Treatment::ContentLines => self.content_lines(raw, entity, out),
            // What is called an encoded message and is not encoded is a text.
            Treatment::Message if entity.encoding.encoded_length(raw) < raw.len() => {
                self.text(raw, entity, Kind::Plain, out)
            }
            Treatment::Message => self.encoded_message(raw, entity, depth, out),
            Treatment::MessageHeader => {
                let decoded = entity.encoding.decode(raw);
                let new = nested::header_only(self, &lines::only_crlf(&decoded))?;
                let new = lines::ended_like(&decoded, new);
                self.rewritten(raw, entity.encoding, decoded, new, out);
                Ok(())
            }
            Treatment::Report => {
                let decoded = entity.encoding.decode(raw);
                let new = report::scrubbed(self, &lines::only_crlf(&decoded))?;
                let new = lines::ended_like(&decoded, new);
                self.rewritten(raw, entity.encoding, decoded, new, out);
                Ok(())
            }
            // A message that is nothing else: what else is there would be empty.
            Treatment::Dropped(Removed::Signature) => Err(Refusal::Signed),
            Treatment::Dropped(_) => Err(Refusal::Key),
            Treatment::File => self.file(raw, entity, &name, out),
        }
    }

    /// A file: a text of no type that is known, or what is passed as it is.
    fn file(&mut self, raw: &[u8], entity: &Entity, name: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if is_text(raw, entity, name) {
            return self.one_text(raw, entity.encoding, None, Kind::Plain, out);
        }
        file::pass(self, raw, entity, name, out);
        Ok(())
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

    /// Appends one text.
    pub fn one_text(
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
            let new = if edits.is_empty() { opened } else { transfer::apply(&opened, &edits) };
            self.rewritten(raw, encoding, decoded, new, out);
            return Ok(());
        }
        let edits = armour::edits(self, &decoded, label, kind);
        drop(decoded);
        let grown: usize = edits.iter().map(|edit| edit.with.len()).sum();
        self.make_room(raw.len() + grown_by(grown, encoding), out);
        if edits.is_empty() {
            out.extend_from_slice(raw);
            return Ok(());
        }
        let from = out.len();
        encoding.edit_into(raw, &edits, out);
        let edited = slice(out, from..out.len());
        let long = |text: &[u8]| text.split(|b| *b == b'\n').any(|line| line.len() > MAX_LINE + 1);
        if encoding == Encoding::Identity && long(edited) && !long(raw) {
            let broken = lines::broken_at_blanks(edited, MAX_LINE - 2, Break::BehindBlank);
            let broken = broken.or_else(|| long_lines::broken(edited, charset_of(edited, label)?));
            let broken = broken.ok_or(Refusal::LineTooLong)?;
            out.truncate(from);
            out.extend_from_slice(&broken);
        }
        Ok(())
    }

    /// A calendar or a contact card. One that is uuencoded is changed within its block.
    fn content_lines(&mut self, raw: &[u8], entity: &Entity, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let label = label(entity)?;
        let decoded = entity.encoding.decode(raw);
        let ids = Some(&self.ids);
        let sought = Sought { search: self.search, traces: self.traces, ids, kind: Kind::Plain };
        let label = label.as_deref().map(str::as_bytes);
        let passage = self.passage;
        self.names_in_document |= embedded::stop(&decoded, passage.rules.documents, self.search);
        let scrubbed = |bytes: &[u8]| {
            calendar::scrubbed(bytes, label, &sought, passage.message_id, &|a| passage.is_foreign(a))
        };
        let mut key = false;
        let mut blocks: Vec<Edit> = Vec::new();
        for block in uuencode::blocks(&decoded) {
            if armour::is_file(&block.octets) {
                let name = String::from_utf8_lossy(slice(&decoded, block.name.clone())).into_owned();
                self.names_in_document |= file::stops(&block.octets, &name, "", self.search);
                if Charset::wide_by_octets(&block.octets).is_none() {
                    continue;
                }
            }
            self.names_in_document |= embedded::stop(&block.octets, passage.rules.documents, self.search);
            if let Some(changed) = scrubbed(&block.octets) {
                key |= changed.key;
                let with = uuencode::encode(&changed.bytes, slice(&decoded, block.name));
                blocks.push(Edit { range: block.range, with });
            }
        }
        let opened = (!blocks.is_empty()).then(|| transfer::apply(&decoded, &blocks));
        let changed = scrubbed(opened.as_deref().unwrap_or(&decoded));
        key |= changed.as_ref().is_some_and(|changed| changed.key);
        if key {
            self.removed.insert(Removed::Key);
        }
        match changed.map(|changed| changed.bytes).or(opened) {
            Some(new) => self.rewritten(raw, entity.encoding, decoded, new, out),
            None => out.extend_from_slice(raw),
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
        let rest = self.rest;
        // No more than one form of it at a time, since it can be most of the mail.
        let clear = match entity.encoding.decode(raw) {
            Cow::Owned(decoded) if !lines::is_only_crlf(&decoded) => lines::only_crlf(&decoded).into_owned(),
            decoded => decoded.into_owned(),
        };
        let mut budget = Budget { parts: self.parts_left, depth: MAX_DEPTH.saturating_sub(depth + 1) };
        let opened = unwrap::open(&clear, &mut budget, self.passage)?;
        let (clear, inner) = (opened.bytes.unwrap_or(clear), opened.entity);
        self.removed.extend(opened.removed);
        self.parts_left = budget.parts;
        self.boundaries.collect(&clear, &inner);
        let (search, boundaries) = (self.search, &self.boundaries);
        let names_somebody = |left: &[u8]| search.holds_local_part(left) || boundaries.name_a_host(left);
        self.ids.collect(&clear, &inner, &names_somebody);
        let mut new = Vec::new();
        nested::message(self, &clear, &inner, depth + 1, &mut new)?;
        drop((clear, inner));
        self.rest = rest;
        let old = entity.encoding.decode(raw);
        let new = lines::ended_like(&old, new);
        self.rewritten(raw, entity.encoding, old, new, out);
        Ok(())
    }

    /// Appends a body whose decoded text became `new`: what is the same at both ends keeps its lines.
    fn rewritten(
        &self,
        raw: &[u8],
        encoding: Encoding,
        old: Cow<'_, [u8]>,
        mut new: Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        // A last line without its end stays one.
        if !old.ends_with(b"\n") && new.ends_with(b"\n") {
            new.truncate(new.len() - if new.ends_with(b"\r\n") { 2 } else { 1 });
        }
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        if head == old.len() && head == new.len() {
            drop((old, new));
            self.make_room(raw.len(), out);
            out.extend_from_slice(raw);
            return;
        }
        let most = old.len().min(new.len()) - head;
        let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
        // A line end is never cut in two: in quoted-printable each half would be written in its own way.
        let ends_cut = |at: usize, text: &[u8]| {
            let around = at.checked_sub(1).and_then(|from| text.get(from..=at));
            around == Some(b"\r\n")
        };
        let tail = if ends_cut(old.len() - tail, &old) || ends_cut(new.len() - tail, &new) {
            tail - 1
        } else {
            tail
        };
        // An edit takes the place of something: what is only put in takes a neighbour along.
        let head = if head == old.len() - tail { head.saturating_sub(1) } else { head };
        let head = if ends_cut(head, &old) || ends_cut(head, &new) { head - 1 } else { head };
        let (from, to) = (head, old.len() - tail);
        let grown = new.len().saturating_sub(old.len());
        drop(old);
        self.make_room(raw.len() + grown_by(grown, encoding), out);
        if from >= to {
            encoding.encode_into(&new, out);
            return;
        }
        new.truncate(new.len() - tail);
        new.drain(..head);
        encoding.edit_into(raw, &[Edit { range: from..to, with: new }], out);
    }

    /// Room in `out` for a large body and what follows it, taken only once the decoded one is gone.
    pub fn make_room(&self, needed: usize, out: &mut Vec<u8>) {
        if needed > SMALL && out.capacity() - out.len() < needed {
            let whole = needed + self.rest;
            out.reserve_exact(room(whole + whole / 64));
        }
    }
}

/// How much longer an encoded body gets with so many octets more.
fn grown_by(octets: usize, encoding: Encoding) -> usize {
    if encoding == Encoding::Base64 { octets * 3 / 2 } else { octets + octets / 16 }
}

/// The charset that a text declares.
fn label(entity: &Entity) -> Result<Option<String>, Refusal> {
    let label = entity.content_type.as_ref().and_then(|value| value.text("charset"));
    if label.as_deref().is_some_and(|label| Charset::is_unreadable(label.as_bytes())) {
        return Err(Refusal::Charset);
    }
    Ok(label)
}

/// The charset in which a text makes sense: UTF-8 where it does in it and has more than ASCII, else the one that it declares.
fn charset_of(text: &[u8], label: Option<&[u8]>) -> Option<Charset> {
    let is_utf8 = !text.is_ascii() && std::str::from_utf8(text).is_ok();
    if is_utf8 { Some(Charset::Utf8) } else { label.and_then(Charset::for_label) }
}

/// How much of a text is looked at for the beginning of a document, in octets.
const DOCUMENT_PREFIX: usize = 1024;

/// Whether a body begins like a document, whatever its type says.
fn is_document(raw: &[u8], entity: &Entity) -> bool {
    let head = entity.encoding.decode(slice(raw, 0..raw.len().min(DOCUMENT_PREFIX)));
    document::kind(&head, "", "").is_some()
}

/// Whether a file may be a message: a text in whose beginning any line reads as a field.
fn may_be_message(raw: &[u8], entity: &Entity) -> bool {
    let head = entity.encoding.decode(slice(raw, 0..raw.len().min(HEAD)));
    let is_field = |line: &[u8]| {
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        name.len() < line.len() && !name.is_empty() && name.trim_ascii_end().iter().all(is_name)
    };
    is_plain(&head) && document::kind(&head, "", "").is_none() && head.split(|b| *b == b'\n').any(is_field)
}

/// Whether a file is a text that can be edited: one of no type that is known, without anything but text in it.
pub fn is_text(raw: &[u8], part: &Entity, name: &str) -> bool {
    let is_other = ["image/", "audio/", "video/", "font/"].iter().any(|kind| part.media.starts_with(kind));
    let head = part.encoding.decode(slice(raw, 0..raw.len().min(HEAD)));
    if is_other || !is_plain(&head) {
        return false;
    }
    let octets = part.encoding.decode(raw);
    is_plain(&octets) && document::kind(&octets, name, &part.media).is_none()
}

/// Whether octets hold no control characters but those of texts, with the ones that switch character sets.
fn is_plain(octets: &[u8]) -> bool {
    let control = |b: &u8| *b < 0x20 && !matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | 0x0e | 0x0f | 0x1b);
    !octets.iter().any(control)
}
