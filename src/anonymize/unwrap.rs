//! Parts whose format names their writer, made ordinary ones before anything else is done: Outlook's `winmail.dat`, and
//! S/MIME that holds its text within the signature.
//!
//! Rules: only what a person sees of such a part comes out of it (RFC 8551 §3.5.2: a signed MIME entity; MS-OXTNEF: text,
//! files, a meeting); it stands in its place, and all other parts keep their octets. What comes out is then treated
//! like what came in the clear. Bounded by the limits of their readers and [`MAX_ROUNDS`].
//! When it fails: [`Refusal`], by the installation's rules, and where the part cannot be read.

use super::body::file_name;
use super::content::parameter;
use super::outcome::Removed;
use super::policy;
use super::rules::{Rules, SignatureRule, TnefRule};
use super::{Passage, Refusal, meeting};
use crate::mime::cms::{self, CmsKind};
use crate::mime::header;
use crate::mime::lines;
use crate::mime::slice;
use crate::mime::tnef::{self, Attachment, Piece, Unwrapped};
use crate::mime::transfer::{Edit, Encoding, apply};
use crate::mime::tree::{self, Budget, Content, Entity};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// How often what came out of a part may hold another one.
const MAX_ROUNDS: usize = 4;

/// A message read, and what was made of it where something had to be unwrapped.
pub struct Opened {
    /// The octets to go on with; none where the message stays as it is.
    pub bytes: Option<Vec<u8>>,
    pub entity: Entity,
    pub removed: BTreeSet<Removed>,
}

/// Reads a message and unwraps its parts.
///
/// # Errors
/// [`Refusal`].
pub fn open(bytes: &[u8], budget: &mut Budget, passage: &Passage<'_>) -> Result<Opened, Refusal> {
    let whole = *budget;
    let mut opened = Opened { bytes: None, entity: tree::parse(bytes, budget)?, removed: BTreeSet::new() };
    for _ in 0..MAX_ROUNDS {
        let now = opened.bytes.as_deref().unwrap_or(bytes);
        let mut edits = Vec::new();
        let mut walk = Walk { bytes: now, passage, edits: &mut edits, removed: &mut opened.removed };
        walk.entity(&opened.entity, false)?;
        if edits.is_empty() {
            break;
        }
        edits.sort_by_key(|edit| edit.range.start);
        let mut new = apply(now, &edits);
        drop(edits);
        if !lines::is_only_crlf(&new) {
            new = lines::only_crlf(&new).into_owned();
        }
        *budget = whole;
        opened.entity = tree::parse(&new, budget)?;
        opened.bytes = Some(new);
    }
    Ok(opened)
}

struct Walk<'a> {
    bytes: &'a [u8],
    passage: &'a Passage<'a>,
    edits: &'a mut Vec<Edit>,
    removed: &'a mut BTreeSet<Removed>,
}

impl Walk<'_> {
    /// `has_text`: whether the text of the message stands beside this part.
    fn entity(&mut self, entity: &Entity, has_text: bool) -> Result<(), Refusal> {
        match &entity.content {
            Content::Multipart(multipart) => {
                let texts = |part: &Entity| {
                    let is_text = part.media.starts_with("text/") || part.media.starts_with("multipart/");
                    is_text && !slice(self.bytes, part.body.clone()).trim_ascii().is_empty()
                };
                let has_text = has_text || multipart.parts.iter().any(|(_, part)| texts(part));
                multipart.parts.iter().try_for_each(|(_, part)| self.entity(part, has_text))
            }
            Content::Message(inner) => self.entity(inner, false),
            Content::Leaf => self.leaf(entity, has_text),
        }
    }

    fn leaf(&mut self, entity: &Entity, has_text: bool) -> Result<(), Refusal> {
        let rules: &Rules = &self.passage.rules;
        let name = file_name(self.bytes, entity);
        let raw = slice(self.bytes, entity.body.clone());
        if policy::is_tnef(&entity.media, &name) {
            if rules.tnef == TnefRule::Refuse {
                return Err(Refusal::Tnef);
            }
            let content = tnef::unwrap(&entity.encoding.decode(raw)).ok_or(Refusal::Tnef)?;
            if !content.whole {
                return Err(Refusal::Tnef);
            }
            let part = self.tnef_part(content, has_text, &mut 0);
            self.replace(entity, part);
            self.removed.insert(Removed::Tnef);
        } else if policy::is_pkcs7(&entity.media, &name) {
            let octets = entity.encoding.decode(raw);
            match cms::kind(&octets) {
                Some(CmsKind::Signed) if rules.signatures == SignatureRule::Refuse => {
                    return Err(Refusal::Signed);
                }
                Some(CmsKind::Signed) => {
                    let content = cms::signed_content(&octets).ok_or(Refusal::Signed)?;
                    self.replace(entity, content_part(&lines::only_crlf(&content))?);
                    self.removed.insert(Removed::Signature);
                }
                Some(CmsKind::CertsOnly) => {
                    self.replace(entity, b"Content-Type: text/plain\r\n\r\n".to_vec());
                    self.removed.insert(Removed::Key);
                }
                _ => return Err(Refusal::Encrypted),
            }
        }
        Ok(())
    }

    /// Puts `part` (content fields, empty line, body) in the place of the content fields and the body of an entity.
    fn replace(&mut self, entity: &Entity, mut part: Vec<u8>) {
        for field in &entity.header.fields {
            let name = slice(self.bytes, field.name.clone()).to_ascii_lowercase();
            if name.starts_with(b"content-") {
                self.edits.push(Edit { range: field.whole.clone(), with: Vec::new() });
            }
        }
        let range = entity.header.range.end..entity.body.end.max(entity.header.body_start);
        if part.ends_with(b"\r\n") {
            part.truncate(part.len() - 2);
        }
        self.edits.push(Edit { range, with: part });
    }

    /// What was in a TNEF stream as one part.
    fn tnef_part(&self, content: Unwrapped, has_text: bool, count: &mut usize) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        if !has_text || content.bodies.iter().any(|body| body.media == "text/html") {
            let mut bodies: Vec<Vec<u8>> = content.bodies.iter().map(|body| piece(body, false)).collect();
            match bodies.len() {
                0 => {}
                1 => parts.append(&mut bodies),
                _ => parts.push(self.multipart("alternative", bodies, count)),
            }
        }
        if let Some(meeting) = &content.meeting {
            let octets = meeting::calendar(meeting, self.passage).into_bytes();
            let media = format!("text/calendar; method={}", meeting::method(meeting));
            parts.push(piece(
                &Piece { media, charset: Some("UTF-8"), name: None, content_id: None, octets },
                false,
            ));
        }
        for attachment in content.attachments {
            match attachment {
                Attachment::File(file) => parts.push(piece(&file, true)),
                Attachment::Message { name, content } => {
                    let inner = self.tnef_part(content, false, count);
                    let subject = name.map_or_else(String::new, |name| subject(&name));
                    let mut message = b"Content-Type: message/rfc822\r\n\r\n".to_vec();
                    message.extend_from_slice(subject.as_bytes());
                    message.extend_from_slice(b"MIME-Version: 1.0\r\n");
                    message.extend_from_slice(&inner);
                    parts.push(message);
                }
            }
        }
        match parts.len() {
            0 => b"Content-Type: text/plain\r\n\r\n".to_vec(),
            1 => parts.swap_remove(0),
            _ => self.multipart("mixed", parts, count),
        }
    }

    fn multipart(&self, kind: &str, parts: Vec<Vec<u8>>, count: &mut usize) -> Vec<u8> {
        *count += 1;
        let digest = Sha256::new()
            .chain_update(self.passage.queue_id)
            .chain_update(count.to_be_bytes())
            .chain_update(self.bytes.len().to_be_bytes())
            .finalize();
        let boundary = format!("=_{}", HEXLOWER.encode(digest.get(..16).unwrap_or_default()));
        let mut out = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
        for part in parts {
            out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            out.extend_from_slice(&part);
            out.extend_from_slice(if part.ends_with(b"\r\n") { b"" } else { b"\r\n" });
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }
}

/// The content fields of a MIME entity, its empty line and its body; other fields of it go.
fn content_part(entity: &[u8]) -> Result<Vec<u8>, Refusal> {
    let header = header::scan(entity, 0..entity.len())?;
    let mut out = Vec::with_capacity(entity.len());
    for field in &header.fields {
        if slice(entity, field.name.clone()).to_ascii_lowercase().starts_with(b"content-") {
            out.extend_from_slice(slice(entity, field.whole.clone()));
        }
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(slice(entity, header.body_start..entity.len()));
    Ok(out)
}

/// A piece as a part in base64.
fn piece(piece: &Piece, attached: bool) -> Vec<u8> {
    // A message must not be encoded (RFC 2046 §5.2.1), and a multipart has no boundary here.
    if piece.media == "message/rfc822" {
        return [b"Content-Type: message/rfc822\r\n\r\n".as_slice(), &lines::only_crlf(&piece.octets)]
            .concat();
    }
    let media = if piece.media.starts_with("multipart/") { "application/octet-stream" } else { &piece.media };
    let mut out = format!("Content-Type: {media}").into_bytes();
    if let Some(charset) = piece.charset {
        out.extend_from_slice(format!("; charset={charset}").as_bytes());
    }
    out.extend_from_slice(b"\r\nContent-Transfer-Encoding: base64\r\n");
    if let Some(id) = piece.content_id.as_deref().filter(|id| id.bytes().all(|b| b.is_ascii_graphic())) {
        out.extend_from_slice(format!("Content-ID: <{}>\r\n", id.trim_matches(['<', '>'])).as_bytes());
    }
    if attached {
        out.extend_from_slice(b"Content-Disposition: attachment");
        if let Some(name) = &piece.name {
            out.extend_from_slice(b";\r\n ");
            out.extend_from_slice(&parameter("filename", name));
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.reserve_exact(piece.octets.len() / 3 * 4 + piece.octets.len() / 28 + 8);
    Encoding::Base64.encode_into(&piece.octets, &mut out);
    out
}

fn subject(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    let words = crate::mime::words::encode(
        &text,
        "UTF-8",
        crate::mime::charset::Charset::Utf8,
        crate::mime::words::Coding::B,
    );
    format!("Subject: {}\r\n", String::from_utf8_lossy(&words))
}
