//! A file: passed as it is, if nobody is named in it.
//!
//! Rules: its octets are searched as they stand, and documents (PDF, Office, archives, images) inside. What is found is
//! not changed, since a changed file may be a broken one: the message is held, and its sender decides. So it is with a
//! document that cannot be looked into: one with a password, in an unknown packing, or beyond a bound. Where the
//! installation wants it, metadata is taken out first.
//! When it fails: never.

use super::body::Writer;
use super::outcome::Removed;
use super::rules::DocumentRule;
use super::search::Search;
use super::text;
use crate::document::{self, Cleaned, Finding, Limits, Text, Why};
use crate::mime::tree::Entity;
use crate::mime::uuencode;

/// Appends the body of a file.
pub fn pass(writer: &mut Writer<'_>, raw: &[u8], entity: &Entity, name: &str, out: &mut Vec<u8>) {
    let rule = writer.passage.rules.documents;
    if rule == DocumentRule::Pass {
        writer.make_room(raw.len(), out);
        out.extend_from_slice(raw);
        return;
    }
    let octets = entity.encoding.decode(raw);
    // A transfer encoding that is none: the file stands in a text.
    let within = if octets.starts_with(b"begin") { uuencode::blocks(&octets) } else { Vec::new() };
    let mut stops = within.iter().any(|block| stops(&block.octets, "", "", writer.search));
    let Some(kind) = document::kind(&octets, name, &entity.media) else {
        stops |= text::is_in(&octets, writer.search);
        writer.names_in_document |= stops;
        drop((octets, within));
        writer.make_room(raw.len(), out);
        out.extend_from_slice(raw);
        return;
    };
    let limits = Limits::for_size(octets.len());
    if rule == DocumentRule::CleanMetadata
        && let Cleaned::Changed(clean) = document::without_metadata(&octets, kind, &limits)
    {
        stops |= is_stopped(&clean, kind, writer.search);
        writer.names_in_document |= stops;
        writer.removed.insert(Removed::Metadata);
        drop(octets);
        let start = out.len();
        out.extend_from_slice(&entity.encoding.encode(&clean));
        out.truncate(out.trim_ascii_end().len().max(start));
        out.extend_from_slice(raw.get(raw.trim_ascii_end().len()..).unwrap_or_default());
        return;
    }
    stops |= is_stopped(&octets, kind, writer.search);
    writer.names_in_document |= stops;
    drop((octets, within));
    writer.make_room(raw.len(), out);
    out.extend_from_slice(raw);
}

/// Whether a file of any kind names somebody, or is a document that cannot be looked into.
pub fn stops(octets: &[u8], name: &str, media: &str, search: &Search) -> bool {
    match document::kind(octets, name, media) {
        Some(kind) => is_stopped(octets, kind, search),
        None => text::is_in(octets, search),
    }
}

fn is_stopped(octets: &[u8], kind: document::Kind, search: &Search) -> bool {
    let mut names = |found: Text<'_>| match found {
        Text::Unicode(text) => text::is_in(text.as_bytes(), search),
        Text::Octets(octets) => text::is_in(octets, search),
    };
    match document::scan(octets, kind, &Limits::for_size(octets.len()), &mut names) {
        // What is broken was searched as far as any reader gets. An RTF is a text too, where links have their own spelling.
        Finding::Clean | Finding::Opaque(Why::Damaged) => {
            kind == document::Kind::Rtf && text::is_in(octets, search)
        }
        Finding::Names | Finding::Opaque(Why::TooLarge | Why::Unreadable | Why::Encrypted) => true,
    }
}
