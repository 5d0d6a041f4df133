//! Calendars and contact cards: the addresses of the parties become their aliases, so that an invitation can be
//! accepted and the answer finds its way back; ids with a host are mapped both ways, like those of messages.
//!
//! Rules: content lines are folded at 75 octets (RFC 5545 §3.1, RFC 6350 §3.2): an address is found over a fold, and a
//! line that grew is folded anew. UID and RELATED-TO (RFC 5545 §3.8.4.5, §3.8.4.7) with an at sign name a machine and
//! are mapped, however many and long they are; others stay, so that every update meets its event. KEY (RFC 6350 §6.8.1) goes: a key names its owner.
//! An ATTENDEE (RFC 5545 §3.8.4.1) that is the alias of another order goes: one customer learns of no other.
//! When it fails: never.

use super::armour;
use super::body::file_name;
use super::policy::{self, Treatment};
use super::rules::Rules;
use super::text::{self, Sought};
use crate::mime::charset::Charset;
use crate::mime::header::unfold;
use crate::mime::tnef;
use crate::mime::transfer::{Edit, Encoding, apply};
use crate::mime::tree::{self, Budget, Content, Entity};
use crate::mime::{lines, slice};
use std::ops::Range;

/// Longest content line, in octets without its line end.
const MAX_LINE: usize = 75;
/// Most ids of one message that are looked up.
const MAX_IDS: usize = 50;
/// Longest id that is looked up, in octets.
const MAX_ID: usize = 400;

/// A calendar or card after it was changed.
pub struct Changed {
    pub bytes: Vec<u8>,
    /// Whether a key went.
    pub key: bool,
}

/// Whether a type is written in content lines.
pub fn has_content_lines(media: &str) -> bool {
    matches!(
        media,
        "text/calendar"
            | "text/x-vcalendar"
            | "text/vcard"
            | "text/x-vcard"
            | "text/directory"
            | "application/ics"
    )
}

/// The text without secrets; `None` when there are none in it.
pub fn scrubbed(
    bytes: &[u8],
    label: Option<&[u8]>,
    sought: &Sought<'_>,
    map: &dyn Fn(&str) -> String,
    is_foreign: &dyn Fn(&str) -> bool,
) -> Option<Changed> {
    let mut edits = text::edits(bytes, label, sought);
    let mut lines: Vec<Edit> = Vec::new();
    let mut key = false;
    let mut next = 0;
    for line in content_lines(bytes) {
        let name = property(slice(bytes, line.clone()));
        let new = if name.eq_ignore_ascii_case(b"key") {
            key = true;
            Some(Vec::new())
        } else if name.eq_ignore_ascii_case(b"attendee")
            && is_foreign(attendee(slice(bytes, line.clone())).trim())
        {
            Some(Vec::new())
        } else if is_id(name) {
            mapped(slice(bytes, line.clone()), map)
        } else {
            let content = slice(bytes, line.clone());
            while edits.get(next).is_some_and(|edit| edit.range.end <= line.start) {
                next += 1;
            }
            let is_edited = edits.get(next).is_some_and(|edit| edit.range.start < line.end);
            relinked(content, label, sought)
                .or_else(|| encoded(content, label, sought))
                .or_else(|| if is_edited { None } else { quoted(content, label, sought) })
        };
        lines.extend(new.map(|with| Edit { range: line, with }));
    }
    // Both are in order and apart: what lies in a line that is written anew goes.
    next = 0;
    edits.retain(|edit| {
        while lines.get(next).is_some_and(|line| line.range.end <= edit.range.start) {
            next += 1;
        }
        lines.get(next).is_none_or(|line| edit.range.end <= line.range.start)
    });
    edits.append(&mut lines);
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|edit| edit.range.start);
    let new = apply(bytes, &edits);
    // A fold within a run of UTF-7 would end it, and what follows would be other letters.
    let shifts = label.and_then(Charset::for_label) == Some(Charset::Utf7) || text::may_be_utf7(bytes);
    Some(Changed { bytes: if shifts { new } else { refolded(bytes, &new) }, key })
}

/// The ids with a host in all calendars of a message, in angle brackets like those of messages, so that the caller can
/// look them up first.
#[must_use]
pub fn calendar_ids(message: &[u8]) -> Vec<String> {
    let words = [b"calendar".as_slice(), b".ics", b"/ics", b"tnef", b"winmail.dat", b"win.dat"];
    let lower = message.to_ascii_lowercase();
    if !words.iter().any(|word| memchr::memmem::find(&lower, word).is_some()) {
        return Vec::new();
    }
    drop(lower);
    let message = lines::only_crlf(message);
    let Ok(entity) = tree::parse(&message, &mut Budget::default()) else { return Vec::new() };
    let mut out = Vec::new();
    collect(&message, &entity, &mut out);
    out.truncate(MAX_IDS);
    out
}

fn collect(bytes: &[u8], entity: &Entity, out: &mut Vec<String>) {
    match &entity.content {
        Content::Multipart(multipart) => {
            multipart.parts.iter().for_each(|(_, part)| collect(bytes, part, out))
        }
        Content::Message(inner) => collect(bytes, inner, out),
        Content::Leaf => {
            let name = file_name(bytes, entity);
            let treatment =
                policy::treatment(&entity.media, entity.content_type.as_ref(), &name, &Rules::default());
            if policy::is_tnef(&entity.media, &name) {
                let content = tnef::unwrap(&entity.encoding.decode(slice(bytes, entity.body.clone())));
                let uid = content.and_then(|content| content.meeting).and_then(|meeting| meeting.uid);
                out.extend(uid.filter(|uid| uid.contains('@')).map(|uid| format!("<{uid}>")));
            } else if treatment == Ok(Treatment::ContentLines) {
                let decoded = entity.encoding.decode(slice(bytes, entity.body.clone()));
                out.extend(ids(&decoded).into_iter().filter(|id| !out.contains(id)).collect::<Vec<_>>());
            }
        }
    }
}

/// The ids with a host in a calendar.
fn ids(bytes: &[u8]) -> Vec<String> {
    let lines = content_lines(bytes);
    let ids = lines.into_iter().filter(|line| is_id(property(slice(bytes, line.clone()))));
    let ids = ids.take(MAX_IDS).filter_map(|line| id_of(slice(bytes, line)).map(|(_, id)| format!("<{id}>")));
    ids.collect()
}

fn is_id(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"uid") || name.eq_ignore_ascii_case(b"related-to")
}

/// The content lines with their folds and line ends. Quoted-printable is broken in its own way (vCard 2.1 §2.1.3).
fn content_lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    let mut is_open = false;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let is_soft = line.trim_ascii_end().ends_with(b"=");
        match out.last_mut() {
            Some(last) if is_open || line.starts_with(b" ") || line.starts_with(b"\t") => {
                last.end += line.len();
                is_open &= is_soft;
            }
            _ => {
                out.push(at..at + line.len());
                is_open = is_soft && is_quoted(line);
            }
        }
        at += line.len();
    }
    out
}

/// Whether a line says that its value is quoted-printable.
fn is_quoted(line: &[u8]) -> bool {
    let head = line.split(|b| *b == b':').next().unwrap_or_default();
    let says = |parameter: &[u8]| {
        let value = parameter.rsplit(|b| *b == b'=').next().unwrap_or_default();
        value.trim_ascii().eq_ignore_ascii_case(b"quoted-printable")
    };
    memchr::memchr(b';', head).is_some() && head.split(|b| *b == b';').skip(1).any(says)
}

/// A line whose value in quoted-printable holds a secret that is not there as it stands, without it, in the charset that the line
/// says.
fn quoted(line: &[u8], label: Option<&[u8]>, sought: &Sought<'_>) -> Option<Vec<u8>> {
    let content = line.trim_ascii_end();
    if memchr::memchr(b'=', content).is_none() || !is_quoted(content) {
        return None;
    }
    let (head, value) = content.split_at_checked(memchr::memchr(b':', content)? + 1)?;
    let charset = head.split(|b| matches!(b, b';' | b':')).find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(8)?;
        name.eq_ignore_ascii_case(b"charset=").then_some(value)
    });
    let decoded = Encoding::QuotedPrintable.decode(value);
    let edits = text::edits(&decoded, charset.or(label), &Sought { ids: None, ..*sought });
    if edits.is_empty() {
        return None;
    }
    let mut out = head.to_vec();
    Encoding::QuotedPrintable.edit_into(value, &edits, &mut out);
    out.extend_from_slice(line.get(content.len()..).unwrap_or_default());
    Some(out)
}

/// The name of the property, without its group.
fn property(line: &[u8]) -> &[u8] {
    let name = line.split(|b| matches!(b, b':' | b';' | b'\r' | b'\n')).next().unwrap_or_default();
    name.rsplit(|b| *b == b'.').next().unwrap_or_default()
}

/// The address of an ATTENDEE, without `mailto:`.
fn attendee(line: &[u8]) -> String {
    let whole = String::from_utf8_lossy(&unfolded(line)).to_ascii_lowercase();
    whole.rsplit(':').next().unwrap_or_default().to_owned()
}

/// What stands before the id of a line, and the id, where it has a host and can be looked up.
fn id_of(line: &[u8]) -> Option<(Vec<u8>, String)> {
    whole_id(line).filter(|(_, id)| is_plain(id))
}

/// Whether an id is one like those of messages.
fn is_plain(id: &str) -> bool {
    id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>".contains(&b))
}

/// The same for an id of any length and of any characters.
fn whole_id(line: &[u8]) -> Option<(Vec<u8>, String)> {
    let whole = String::from_utf8_lossy(&unfolded(line)).into_owned();
    let colon = whole.find(':')?;
    let (head, id) = (whole.get(..=colon)?, whole.get(colon + 1..)?.trim());
    id.contains('@').then(|| (head.as_bytes().to_vec(), id.to_owned()))
}

/// The line with the id that the recipient sees: one that is not looked up gets a pseudonym too. Where there is none that can
/// stand there, the host goes.
fn mapped(line: &[u8], map: &dyn Fn(&str) -> String) -> Option<Vec<u8>> {
    let (mut out, id) = whole_id(line)?;
    let new = map(&format!("<{id}>"));
    let new = new.trim_start_matches('<').trim_end_matches('>');
    let local = id.split('@').next().unwrap_or_default();
    out.extend_from_slice(if is_plain(new) { new } else { local }.as_bytes());
    let end = line.len() - line.trim_ascii_end().len();
    out.extend_from_slice(line.get(line.len() - end..).unwrap_or_default());
    Some(out)
}

/// A line whose fold cuts a link to a part (RFC 2392), in one piece and without secrets; `None` where none is cut.
fn relinked(line: &[u8], label: Option<&[u8]>, sought: &Sought<'_>) -> Option<Vec<u8>> {
    let ids = sought.ids?;
    let content = line.trim_ascii_end();
    let is_folded = memchr::memchr(b'\n', content).is_some();
    // In wide units and shifted letters a fold is none of octets.
    if !is_folded || memchr::memchr2(0, 0x1b, line).is_some() {
        return None;
    }
    let whole = unfolded(content);
    let links = ids.references(&whole).map(|(range, new)| Edit { range, with: new.into_bytes() });
    let links: Vec<Edit> = links.collect();
    if links.is_empty() {
        return None;
    }
    let whole = apply(&whole, &links);
    let mut whole = apply(&whole, &text::edits(&whole, label, sought));
    whole.extend_from_slice(line.get(content.len()..).unwrap_or_default());
    Some(whole)
}

/// A line whose value in base64 holds a secret, without it, and folded as it was: what stands behind the one blank of a fold is part of
/// the value's form.
fn encoded(line: &[u8], label: Option<&[u8]>, sought: &Sought<'_>) -> Option<Vec<u8>> {
    // A parameter of two signs, or two colons.
    let may_be = memchr::memmem::find(line, b"::").is_some() || memchr::memchr(b';', line).is_some();
    let content = line.trim_ascii_end();
    if !may_be {
        return None;
    }
    let edits = armour::value_edits(content, &Sought { ids: None, ..*sought });
    if edits.is_empty() {
        return None;
    }
    let whole = apply(content, &edits);
    let mut whole = apply(&whole, &text::edits(&whole, label, sought));
    whole.extend_from_slice(line.get(content.len()..).unwrap_or_default());
    Some(whole)
}

/// A line without its folds: the line end and the one blank behind it go.
fn unfolded(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    for (i, piece) in line.split_inclusive(|b| *b == b'\n').enumerate() {
        out.extend(unfold(piece.get(usize::from(i > 0)..).unwrap_or_default()));
    }
    out
}

/// The new text with lines of at most 75 octets where the old one had no such long line.
fn refolded(old: &[u8], new: &[u8]) -> Vec<u8> {
    let is_long = |line: &&[u8]| line.trim_ascii_end().len() > MAX_LINE;
    let known: std::collections::BTreeSet<&[u8]> =
        old.split_inclusive(|b| *b == b'\n').filter(is_long).collect();
    // Wide units have no lines of octets.
    if memchr::memchr(0, new).is_some() {
        return new.to_vec();
    }
    let is_utf8 = std::str::from_utf8(new).is_ok();
    let mut out = Vec::with_capacity(new.len() + 64);
    let mut goes_on = false;
    for line in new.split_inclusive(|b| *b == b'\n') {
        // vCard 2.1 breaks quoted-printable in a way of its own, and goes on behind a line that ends in `=`.
        let word = b"QUOTED-PRINTABLE";
        let is_quoted = goes_on || line.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word));
        goes_on = is_quoted && line.trim_ascii_end().ends_with(b"=");
        // A line end takes ISO-2022 back to ASCII: a character behind it would be another one.
        let stays = is_quoted || memchr::memchr3(0x1b, 0x0e, b'~', line).is_some();
        if !is_long(&line) || known.contains(line) || stays {
            out.extend_from_slice(line);
            continue;
        }
        let fold: &[u8] = if line.ends_with(b"\n") && !line.ends_with(b"\r\n") { b"\n " } else { b"\r\n " };
        let mut rest = line;
        let mut room = MAX_LINE;
        while rest.trim_ascii_end().len() > room {
            // Between two octets of ASCII no charset has a character; in UTF-8 one ends before each that begins one.
            let plain = |at: &usize| {
                let around = at.checked_sub(1).and_then(|from| rest.get(from..at + 1));
                around.is_some_and(<[u8]>::is_ascii)
            };
            let begins = |at: &usize| !rest.get(*at).is_some_and(|b| (0x80..0xc0).contains(b));
            let cut =
                if is_utf8 { (1..=room).rev().find(begins) } else { (room / 2..=room).rev().find(plain) };
            let Some(cut) = cut else { break };
            let (head, tail) = rest.split_at_checked(cut).unwrap_or((rest, &[]));
            out.extend_from_slice(head);
            out.extend_from_slice(fold);
            rest = tail;
            room = MAX_LINE - 1;
        }
        out.extend_from_slice(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_a_host_are_read_over_folds() {
        let text = b"BEGIN:VEVENT\r\nUID:1@pc.home.\r\n example\r\nRELATED-TO;RELTYPE=PARENT:2@x.example\r\nX-UID:3@y\r\nUID:plain-4\r\n";
        assert_eq!(ids(text), ["<1@pc.home.example>", "<2@x.example>"]);
        let line = content_lines(text)[1].clone();
        let new = mapped(&text[line], &|_| "<m1@relay.example>".to_owned()).unwrap();
        assert_eq!(new, b"UID:m1@relay.example\r\n");
    }

    #[test]
    fn lines_that_grew_are_folded_and_others_stay() {
        let long = format!("X-OLD:{}\r\n", "y".repeat(90));
        let old = format!("{long}A:short\r\n");
        let new = format!("{long}A:{}\r\n", "日".repeat(30));
        let out = refolded(old.as_bytes(), new.as_bytes());
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(&long));
        assert!(text[long.len()..].split("\r\n").all(|line| line.len() <= MAX_LINE));
        assert_eq!(text.replace("\r\n ", ""), new);
    }

    #[test]
    fn the_name_of_a_property_is_read_without_group_and_parameters() {
        for (line, name) in [("item1.KEY;TYPE=PGP:x", "KEY"), ("UID:1", "UID"), ("x", "x")] {
            assert_eq!(property(line.as_bytes()), name.as_bytes());
        }
    }
}
