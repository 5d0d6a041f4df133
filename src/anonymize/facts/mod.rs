//! What a message as it came says of itself, read for the log: who it claims to be from, its ids, its date, its path, its mail
//! program and its attachments. Nothing of it decides where a mail goes.
//!
//! Rules: what can be read in one way only is read, the rest is left out; each fact means exactly what [`Flag`] says. Bounded by
//! the limits of `mime`: 256 KiB and 2000 fields of a header block, 1000 parts; [`FILES_MAX`] attachments are described, the others
//! counted. Each attachment is decoded and hashed once.
//! When it fails: never; a structure that is beyond a limit has no attachments, and a flag says so.

mod files;
mod path;

pub use files::{FILES_MAX, FileFacts};

use super::identity::{self, ids};
use super::{Refusal, date};
use crate::mail::{Flag, Flags, RealAddress, Timestamp};
use crate::mime::header::{self, Header, unfold};
use crate::mime::tree::{self, Budget};
use crate::mime::{lines, slice, words};
use std::net::IpAddr;

/// Longest name of a mail program, in characters.
const MAILER_MAX: usize = 64;
/// Longest value that a name of a mail program is read from, in octets.
const MAILER_VALUE: usize = 512;

/// What a message says of itself.
#[derive(Default)]
pub struct MailFacts {
    /// The first address in From.
    pub author: Option<RealAddress>,
    /// The first address in Reply-To.
    pub reply: Option<RealAddress>,
    /// With its brackets.
    pub message_id: Option<String>,
    /// The first id in In-Reply-To, else the last in References.
    pub answers: Option<String>,
    /// When Date says that it was written.
    pub dated_at: Option<Timestamp>,
    /// Minutes that the zone of Date lies east of UTC.
    pub zone: Option<i64>,
    /// How many Received fields it has.
    pub hops: usize,
    /// The first public address in the oldest Received field that has one.
    pub origin: Option<IpAddr>,
    /// What User-Agent or X-Mailer names, without its version.
    pub mailer: Option<String>,
    /// How many attachments it has.
    pub files: usize,
    /// The first of them.
    pub described: Vec<FileFacts>,
    pub flags: Flags,
}

/// Reads a message as it was received.
#[must_use]
pub fn facts(message: &[u8]) -> MailFacts {
    let bytes = lines::only_crlf(message);
    let Ok(header) = header::scan(&bytes, 0..bytes.len()) else {
        return MailFacts { flags: Flags::default().with(Flag::Unreadable, true), ..MailFacts::default() };
    };
    let mut facts = of_header(&bytes, &header);
    match tree::parse(&bytes, &mut Budget::default()) {
        Ok(entity) => files::read(&bytes, &entity, &mut facts),
        Err(_) => facts.flags.set(Flag::Unreadable),
    }
    facts
}

fn of_header(bytes: &[u8], header: &Header) -> MailFacts {
    let mut facts = MailFacts::default();
    let mut flags = Flags::default();
    match identity::single_from(bytes, header).and_then(identity::mailboxes) {
        Ok(mailboxes) => {
            flags = flags.with(Flag::SeveralAuthors, mailboxes.len() > 1);
            if let Some(mailbox) = mailboxes.into_iter().next() {
                let name = words::text(&mailbox.phrase);
                let is_own = RealAddress::parse(name.trim().trim_matches('"'))
                    .is_ok_and(|named| named.same_mailbox(&mailbox.address));
                flags = flags.with(Flag::AddressInName, name.contains(['@', '＠']) && !is_own);
                facts.author = Some(mailbox.address);
            }
        }
        Err(why) => {
            flags = flags
                .with(Flag::NoAuthor, true)
                .with(Flag::SeveralAuthors, matches!(why, Refusal::DuplicateField));
        }
    }
    let value =
        |name: &'static str| header.all(bytes, name).next().map(|f| unfold(slice(bytes, f.value.clone())));
    facts.reply = value("Reply-To")
        .and_then(|value| identity::mailboxes(&value).ok())
        .and_then(|mailboxes| mailboxes.into_iter().next())
        .map(|mailbox| mailbox.address);
    if let (Some(author), Some(reply)) = (&facts.author, &facts.reply) {
        flags = flags.with(Flag::ReplyDiffers, !author.same_mailbox(reply));
    }
    facts.message_id = ids(bytes, header, "Message-ID").into_iter().next();
    facts.answers = (ids(bytes, header, "In-Reply-To").into_iter().next())
        .or_else(|| ids(bytes, header, "References").into_iter().next_back());
    if let Some((at, zone)) = value("Date").and_then(|value| date::read(&value)) {
        (facts.dated_at, facts.zone) = (Some(at), Some(zone));
    }
    let path = path::read(bytes, header);
    (facts.hops, facts.origin) = (path.hops, path.origin);
    facts.mailer = value("User-Agent").or_else(|| value("X-Mailer")).and_then(|value| mailer(&value));
    let word = |name: &'static str| {
        let value = value(name).unwrap_or_default();
        let word = value.trim_ascii().split(|b| matches!(b, b' ' | b';' | b'(')).next().unwrap_or_default();
        word.to_ascii_lowercase()
    };
    let submitted = word("Auto-Submitted");
    let is_report = value("Content-Type")
        .is_some_and(|value| value.trim_ascii_start().to_ascii_lowercase().starts_with(b"multipart/report"));
    facts.flags = flags
        .with(Flag::NoMessageId, facts.message_id.is_none())
        .with(Flag::NoDate, facts.dated_at.is_none())
        .with(Flag::PrivateReceivedOnly, path.private_only)
        .with(Flag::List, value("List-Id").is_some() || value("List-Unsubscribe").is_some())
        .with(Flag::Bulk, [b"bulk".as_slice(), b"junk", b"list"].contains(&word("Precedence").as_slice()))
        .with(Flag::Auto, is_report || !(submitted.is_empty() || submitted == b"no"));
    facts
}

/// The name of a mail program without its version: up to the first digit, slash or bracket, and without a word for "version".
fn mailer(value: &[u8]) -> Option<String> {
    let text = words::text(value.get(..MAILER_VALUE).unwrap_or(value));
    let name = text.split(|c: char| c.is_ascii_digit() || "/([{<".contains(c)).next().unwrap_or_default();
    let mut words: Vec<&str> = name.split_whitespace().collect();
    while words.last().is_some_and(|word| {
        ["v", "v.", "ver", "ver.", "version", "-", "build"].contains(&word.to_ascii_lowercase().as_str())
    }) {
        words.pop();
    }
    let name: String = words.join(" ").chars().filter(|c| !c.is_control()).take(MAILER_MAX).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;
