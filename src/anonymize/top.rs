//! The header of the message itself.
//!
//! Rules: fields pass by allow-list. Written by us: Received (one line that says nothing of the client; RFC 5321
//! §4.4), Anshin-Hops, From, Reply-To, To, Message-ID, In-Reply-To, References. Kept as they are while they hold no
//! secret: Subject, Date, MIME-Version, what says how to read the body, Auto-Submitted, Importance, Priority, X-Priority,
//! Precedence (the first word of each alone), and `TLS-Required: No` (RFC 8689 §3). All else goes, and lines that are no field with it. Of a field that must be single the first is kept;
//! two From are refused.
//! When it fails: [`Refusal`].

use super::body::{Writer, write_field};
use super::date::{self, is_date};
use super::identity::{self, MAX_IDS};
use super::search::Kind;
use super::{Passage, Refusal, field, name, safe_alias, stripping};
use crate::mime::header::unfold;
use crate::mime::slice;
use crate::mime::tree::Entity;

/// The field that counts how often a message has passed us; the last one where Received lines are stripped.
pub const HOPS_FIELD: &str = "Anshin-Hops";
/// Longest id that is written, in octets with its brackets.
const MAX_ID: usize = 400;

/// Longest word of a field that is kept, in octets.
const MAX_WORD: usize = 40;

/// Appends the header with its empty line.
pub fn header(
    writer: &mut Writer<'_>,
    bytes: &[u8],
    entity: &Entity,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let passage = writer.passage;
    let from = identity::single_from(bytes, &entity.header)?;
    if memchr::memchr(0, slice(bytes, entity.header.range.clone())).is_some() {
        return Err(Refusal::ControlCharacter);
    }
    let host = plain_token(passage.relay_host);
    let queue_id = plain_token(passage.queue_id);
    let date = passage.at.to_rfc5322();
    out.extend_from_slice(format!("Received: by {host} id {queue_id}; {date}\r\n").as_bytes());
    if !passage.hops.is_empty() {
        let hops: Vec<String> = passage.hops.split_ascii_whitespace().map(plain_token).collect();
        out.extend_from_slice(format!("{HOPS_FIELD}: {}\r\n", hops.join(" ")).as_bytes());
    }
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for one in &entity.header.fields {
        let name = slice(bytes, one.name.clone()).to_ascii_lowercase();
        let value = slice(bytes, one.value.clone());
        if seen.contains(&name) {
            continue;
        }
        match name.as_slice() {
            b"from" => {
                let alias = safe_alias(passage.from)?;
                out.extend_from_slice(b"From: ");
                out.extend_from_slice(&name::display(from, passage, writer.search));
                out.extend_from_slice(format!("<{alias}>\r\nReply-To: <{alias}>\r\n").as_bytes());
            }
            b"to" => recipients(passage, out)?,
            b"message-id" | b"in-reply-to" | b"references" => {
                let title = slice(bytes, one.name.clone());
                let ids = identity::ids(bytes, &entity.header, &String::from_utf8_lossy(title));
                let ids = ids.get(..if name == b"message-id" { ids.len().min(1) } else { ids.len() });
                match mapped_ids(ids.unwrap_or_default(), passage) {
                    Some(new) => write_field(bytes, one, Some(new), out),
                    None => continue,
                }
            }
            b"date" if is_date(&unfold(value)) => {
                write_field(bytes, one, date::without_remark(&unfold(value)), out);
            }
            b"date" => out.extend_from_slice(format!("Date: {date}\r\n").as_bytes()),
            b"subject" => {
                write_field(bytes, one, field::scrubbed(value, Kind::Addresses, writer.search)?, out)
            }
            b"mime-version" | b"auto-submitted" | b"importance" | b"priority" | b"x-priority"
            | b"precedence"
                if !writer.boundaries.name_a_host(value)
                    && field::scrubbed(value, Kind::Addresses, writer.search)?.is_none() =>
            {
                let Some(word) = first_word(value).filter(|word| !writer.search.is_named_in(word)) else {
                    continue;
                };
                if writer.search.is_local_part(&word) {
                    continue;
                }
                let is_alone = value.trim_ascii() == word.as_bytes();
                write_field(bytes, one, (!is_alone).then(|| format!(" {word}").into_bytes()), out);
            }
            b"tls-required" if value.trim_ascii().eq_ignore_ascii_case(b"no") => {
                write_field(bytes, one, None, out);
            }
            _ if !writer.content_field(bytes, entity, one, out)? => continue,
            _ => {}
        }
        seen.push(name);
    }
    if !seen.iter().any(|name| name == b"to") {
        recipients(passage, out)?;
    }
    if !seen.iter().any(|name| name == b"date") {
        out.extend_from_slice(format!("Date: {date}\r\n").as_bytes());
    }
    if !seen.iter().any(|name| name == b"message-id") {
        out.extend_from_slice(format!("Message-ID: <{queue_id}@{host}>\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn recipients(passage: &Passage<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if passage.to.is_empty() {
        return Ok(());
    }
    out.extend_from_slice(b"To: ");
    for (i, alias) in passage.to.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"" } else { b",\r\n " });
        out.extend_from_slice(format!("<{}>", safe_alias(alias)?).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The value of a field of ids, each on a line of its own; `None` where none is left.
pub fn mapped_ids(ids: &[String], passage: &Passage<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for id in ids.iter().take(MAX_IDS) {
        let new = (passage.message_id)(id);
        let inner = new.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        let good = inner.is_some_and(|text| {
            !text.is_empty()
                && new.len() <= MAX_ID
                && text.bytes().all(|b| b.is_ascii_graphic() && !b"<>".contains(&b))
        });
        if good {
            out.extend_from_slice(if out.is_empty() { b" " } else { b"\r\n " });
            out.extend_from_slice(new.as_bytes());
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The first word of a value, without comments: all that these fields need. `None` where it is none of letters, digits, hyphens
/// and dots.
fn first_word(value: &[u8]) -> Option<String> {
    let bare = stripping::without_comments(&unfold(value)).into_bytes();
    let mut words = bare.split(|b| b.is_ascii_whitespace() || *b == b';');
    let word = words.find(|word| !word.is_empty())?.to_owned();
    let good =
        word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) && word.len() <= MAX_WORD;
    String::from_utf8(word).ok().filter(|_| good)
}

/// A word of ours, cut to what may stand in a trace field.
fn plain_token(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "._-:[]".contains(*c)).take(255).collect()
}
