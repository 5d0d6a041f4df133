//! Mails among files: a member of an archive that is one, with or without parts, or a folder of them (mbox, RFC 4155); and a
//! file in uuencode.
//!
//! Rules: told by the first lines, of which two are fields of a mail and one is none that a table or a log has too. What
//! stands there in the clear was searched among other octets; here bodies are decoded, each part is a content of its own,
//! and so is what is uuencoded in it.
//! When it fails: [`Why::TooLarge`], for a mail beyond the bounds of [`tree`] in which something may be encoded.

use super::content::Content;
use super::search::Search;
use super::{Why, nested};
use crate::mime::transfer::Encoding;
use crate::mime::tree::{self, Budget, Entity};
use crate::mime::{lines, slice, uuencode};

/// How much is looked at for a field, in octets.
const HEAD: usize = 1024;
/// Fields of which two stand at the beginning of every mail.
const FIELDS: [&[u8]; 16] = [
    b"from",
    b"to",
    b"cc",
    b"date",
    b"subject",
    b"sender",
    b"reply-to",
    b"received",
    b"return-path",
    b"delivered-to",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"dkim-signature",
    b"authentication-results",
];

/// Those that nothing but a mail has.
const OWN: [&[u8]; 6] = [
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"received",
    b"message-id",
    b"dkim-signature",
];
/// What begins a line of a mail in which something is encoded.
const ENCODED: [&[u8]; 2] = [b"mime-version", b"content-transfer-encoding"];

/// Whether octets begin like a mail, a folder of mails or a file in uuencode.
pub fn is_mail(octets: &[u8]) -> bool {
    let head = octets.get(..HEAD).unwrap_or(octets);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if begins_uuencode(head) {
        return true;
    }
    let mut lines = head.split(|b| *b == b'\n');
    let name = |line: &[u8]| {
        let colon = memchr::memchr(b':', line)?;
        let name = line.get(..colon)?.trim_ascii_end();
        (!name.is_empty() && name.iter().all(|b| b.is_ascii_graphic())).then(|| name.to_ascii_lowercase())
    };
    if head.starts_with(b"From ") {
        return lines.nth(1).is_some_and(|line| line.starts_with(b">From ") || name(line).is_some());
    }
    let Some(first) = lines.next().and_then(name) else { return false };
    let fields = lines.take_while(|line| !line.trim_ascii().is_empty()).filter_map(name);
    let (mut known, mut is_own) = (0, has_uuencode(head));
    for name in std::iter::once(first).chain(fields) {
        known += usize::from(FIELDS.contains(&name.as_slice()));
        is_own |= OWN.contains(&name.as_slice());
    }
    known >= 2 && is_own
}

/// Whether anything in a mail may be encoded: what is not stands in the clear, and was searched there.
pub fn may_be_encoded(octets: &[u8]) -> bool {
    let begins = |line: &[u8]| {
        let line = line.trim_ascii_start();
        let starts = |field: &&[u8]| line.get(..field.len()).is_some_and(|s| s.eq_ignore_ascii_case(field));
        ENCODED.iter().any(starts) || begins_uuencode(line)
    };
    octets.split(|b| *b == b'\n').any(begins)
}

fn has_uuencode(octets: &[u8]) -> bool {
    octets.split(|b| *b == b'\n').any(begins_uuencode)
}

fn begins_uuencode(head: &[u8]) -> bool {
    let mode = head.get(6..9).unwrap_or_default();
    head.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"begin "))
        && mode.iter().all(u8::is_ascii_digit)
        && head.get(9) == Some(&b' ')
}

/// Looks at what is encoded in a mail or in all mails of a folder.
pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    if begins_uuencode(octets.trim_ascii_start()) {
        return blocks(octets, search);
    }
    for message in messages(octets) {
        if !search.member() {
            return;
        }
        let clear = lines::only_crlf(message);
        match tree::parse(&clear, &mut Budget::default()) {
            Ok(entity) => part(&clear, &entity, search),
            Err(_) if may_be_encoded(&clear) => search.is_opaque(Why::TooLarge),
            Err(_) => {}
        }
    }
}

/// The mails of a folder, each without the line that begins it; a mail that is none is one.
fn messages(octets: &[u8]) -> Vec<&[u8]> {
    if !octets.starts_with(b"From ") {
        return vec![octets];
    }
    let begins = memchr::memmem::find_iter(octets, b"\nFrom ").map(|at| at + 1);
    let starts: Vec<usize> = std::iter::once(0).chain(begins).collect();
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(octets.len()));
    let whole = starts.iter().zip(ends).filter_map(|(start, end)| octets.get(*start..end));
    whole.filter_map(|message| message.get(memchr::memchr(b'\n', message)? + 1..)).collect()
}

fn part(bytes: &[u8], entity: &Entity, search: &mut Search<'_>) {
    match &entity.content {
        tree::Content::Multipart(multipart) => {
            multipart.parts.iter().for_each(|(_, inner)| part(bytes, inner, search));
        }
        tree::Content::Message(inner) => part(bytes, inner, search),
        tree::Content::Leaf => {
            let raw = slice(bytes, entity.body.clone());
            if !search.stream() {
                return;
            }
            let octets = entity.encoding.decode(raw);
            if entity.encoding == Encoding::Identity {
                nested(&octets, "", search);
            } else if search.spend(octets.len()) {
                give(&octets, search);
            }
            blocks(&octets, search);
        }
    }
}

/// Files in uuencode.
fn blocks(octets: &[u8], search: &mut Search<'_>) {
    for block in uuencode::blocks(octets) {
        if !search.stream() || !search.spend(block.octets.len()) {
            return;
        }
        give(&block.octets, search);
    }
}

/// A content that came out of another one.
fn give(octets: &[u8], search: &mut Search<'_>) {
    let mut content = Content::new("");
    content.push(octets, search);
    content.finish(search);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_told_by_its_first_lines() {
        for text in [
            "From: a@b.example\r\nContent-Type: text/plain\r\n\r\nx",
            "X-Own: 1\nSubject: x\nMIME-Version: 1.0\n\nx",
            "From x Sun Nov 22 09:00:00 2026\nTo: y\n",
            "\r\nReceived : from x\r\n by y\r\nReceived: from z",
            "From: a@b.example\nTo: y\n\nbegin 644 a.txt\n#86)C\n`\nend\n",
            "begin 644 a.txt\n#86)C\n`\nend\n",
        ] {
            assert!(is_mail(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "key: value\n\nSubject: x",
            "a text\nSubject: x",
            "{\"to\": 1}",
            "Date: 2026-11-22\nTo: Osaka\nSubject: x\n",
            "Date: x,From: y,To: z\n1,2,3\n",
            "Content-Type: text/html\nX-Frame-Options: DENY\n",
            "begin with this",
            "From Tokyo to Osaka\nin 3 hours\n",
            "BEGIN:VCARD\nTEL: 1",
        ] {
            assert!(!is_mail(text.as_bytes()), "{text}");
        }
        assert_eq!(messages(b"From a\nx\nFrom b\ny\nFrom c"), [b"x\n".as_slice(), b"y\n"]);
    }
}
