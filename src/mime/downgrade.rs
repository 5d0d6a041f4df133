//! A message for a next hop that takes fewer octets than it has: bodies without 8BITMIME (RFC 6152 §3), headers without
//! SMTPUTF8 (RFC 6531 §3.7.1; RFC 6857 describes such a header).
//!
//! | what | becomes |
//! |---|---|
//! | a body with octets above 127 | quoted-printable where it is text that is mostly ASCII, else base64 |
//! | a nested message or a multipart | itself, with what is in it changed and its own encoding said to be 7bit |
//! | raw octets in a header field | encoded words (RFC 2047), parameters of MIME fields as in RFC 2231 |
//! | raw octets around multiparts | nothing: no program shows them |
//!
//! Rules: what is ASCII already stays as it is, octet for octet. It must happen before signing. An address itself cannot be
//! written otherwise.
//! When it fails: [`None`] where an octet above 127 would be left (in an address, in a field's name, beyond a limit of the
//! reader): such a message cannot go that way.

use super::header::Field;
use super::transfer::{Edit, Encoding, apply};
use super::tree::{self, Budget, Content, Entity};
use super::words::{self, Coding};
use super::{charset::Charset, params, slice};
use std::fmt::Write as _;

/// How much is to become ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Header blocks; bodies may keep their octets.
    Headers,
    /// All of it.
    Whole,
}

/// Fields that hold addresses (RFC 5322 §3.6).
const ADDRESSES: [&str; 11] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Disposition-Notification-To",
];

/// The message with fewer octets.
#[must_use]
pub fn downgrade(message: &[u8], extent: Extent) -> Option<Vec<u8>> {
    let entity = tree::parse(message, &mut Budget::default()).ok()?;
    let mut edits = Vec::new();
    change(message, &entity, extent, &mut edits)?;
    let changed = apply(message, &edits);
    let left = match extent {
        Extent::Whole => changed.as_slice(),
        Extent::Headers => {
            let end = memchr::memmem::find(&changed, b"\r\n\r\n").unwrap_or(changed.len());
            changed.get(..end)?
        }
    };
    left.is_ascii().then_some(changed)
}

/// The edits of an entity, in order.
fn change(bytes: &[u8], entity: &Entity, extent: Extent, edits: &mut Vec<Edit>) -> Option<()> {
    let has_octets = |range: &std::ops::Range<usize>| !slice(bytes, range.clone()).is_ascii();
    let body_changes = extent == Extent::Whole && has_octets(&entity.body);
    let encoded = match &entity.content {
        Content::Leaf if body_changes => Some(encoding_for(bytes, entity)),
        _ => None,
    };
    let mut declared = false;
    for field in &entity.header.fields {
        if field.is(bytes, "Content-Transfer-Encoding") && body_changes {
            let with = encoded.map_or("7bit", |(name, _)| name);
            let with = if declared { Vec::new() } else { line("Content-Transfer-Encoding", with) };
            edits.push(Edit { range: field.whole.clone(), with });
            declared = true;
        } else if has_octets(&field.whole) {
            edits.push(Edit { range: field.whole.clone(), with: written(bytes, field)? });
        }
    }
    if let Some((name, encoding)) = encoded {
        if !declared {
            let end = entity.header.range.end;
            edits.push(Edit { range: end..end, with: line("Content-Transfer-Encoding", name) });
        }
        let mut with = Vec::new();
        encoding.encode_into(slice(bytes, entity.body.clone()), &mut with);
        edits.push(Edit { range: entity.body.clone(), with });
        return Some(());
    }
    match &entity.content {
        Content::Leaf => {}
        Content::Message(inner) => change(bytes, inner, extent, edits)?,
        Content::Multipart(multipart) => {
            let blank = |range: &std::ops::Range<usize>, edits: &mut Vec<Edit>| {
                if extent == Extent::Whole && has_octets(range) {
                    edits.push(Edit { range: range.clone(), with: b"\r\n".to_vec() });
                }
            };
            blank(&multipart.preamble, edits);
            for (_, part) in &multipart.parts {
                change(bytes, part, extent, edits)?;
            }
            blank(&multipart.epilogue, edits);
        }
    }
    Some(())
}

/// Quoted-printable keeps Western text readable; Japanese in it would be three times as long.
fn encoding_for(bytes: &[u8], entity: &Entity) -> (&'static str, Encoding) {
    let body = slice(bytes, entity.body.clone());
    let high = body.iter().filter(|octet| !octet.is_ascii()).count();
    if entity.media.starts_with("text/") && high.saturating_mul(6) < body.len() {
        ("quoted-printable", Encoding::QuotedPrintable)
    } else {
        ("base64", Encoding::Base64)
    }
}

fn line(name: &str, value: &str) -> Vec<u8> {
    format!("{name}: {value}\r\n").into_bytes()
}

/// A field with its octets written in ASCII.
fn written(bytes: &[u8], field: &Field) -> Option<Vec<u8>> {
    let name = slice(bytes, field.name.clone());
    let value = slice(bytes, field.value.clone());
    if !name.is_ascii() {
        return None;
    }
    let unfolded = super::header::unfold(value);
    let text = words::plain_charset(&unfolded).decode(&unfolded).0.into_owned();
    let value = if name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
        && !name.eq_ignore_ascii_case(b"content-description")
    {
        parameters(value)?
    } else if ADDRESSES.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())) {
        addresses(&text)?
    } else {
        unstructured(&text)
    };
    let mut whole = name.to_vec();
    whole.extend_from_slice(b":");
    whole.extend_from_slice(&value);
    whole.extend_from_slice(b"\r\n");
    Some(whole)
}

fn encoded(text: &str) -> Vec<u8> {
    words::encode(text, "UTF-8", Charset::Utf8, Coding::B)
}

/// Words with other letters, and the blanks between them, as encoded words; what is ASCII stays.
fn unstructured(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut Vec<u8>| {
        if !run.is_empty() {
            out.extend_from_slice(b"\r\n ");
            out.extend_from_slice(&encoded(run));
            run.clear();
        }
    };
    for word in text.split_ascii_whitespace() {
        if word.is_ascii() {
            flush(&mut run, &mut out);
            out.push(b' ');
            out.extend_from_slice(word.as_bytes());
        } else {
            if !run.is_empty() {
                // Blanks between encoded words are not shown (RFC 2047 §6.2), so this one is part of the text.
                run.push(' ');
            }
            run.push_str(word);
        }
    }
    flush(&mut run, &mut out);
    out
}

/// Display names and comments as encoded words. None where an address itself has other letters.
fn addresses(text: &str) -> Option<Vec<u8>> {
    let mut out = vec![b' '];
    // Only ASCII blanks separate: an ideographic one is a letter of a name.
    let blank = |c: char| c.is_ascii_whitespace();
    let mut rest = text.trim_matches(blank);
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '"' => rest.split_at_checked(quoted_end(rest))?,
            '<' => rest.split_at_checked(rest.find('>')? + 1)?,
            '(' => rest.split_at_checked(rest.find(')')? + 1)?,
            '>' | ')' | ',' | ':' | ';' => rest.split_at_checked(1)?,
            c if blank(c) => {
                out.push(b' ');
                rest = rest.trim_start_matches(blank);
                continue;
            }
            _ => {
                let end = rest.find(['"', '<', '(', ',', ';', ':']).unwrap_or(rest.len());
                let (run, _) = rest.split_at_checked(end)?;
                rest.split_at_checked(run.trim_end_matches(blank).len())?
            }
        };
        rest = after;
        if token.is_ascii() {
            out.extend_from_slice(token.as_bytes());
            continue;
        }
        match first {
            '<' => return None,
            '"' => {
                let inner = token.trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
                out.extend_from_slice(b"\r\n ");
                out.extend_from_slice(&encoded(&inner));
            }
            '(' => {
                out.push(b'(');
                out.extend_from_slice(&encoded(token.trim_start_matches('(').trim_end_matches(')')));
                out.push(b')');
            }
            _ if token.contains('@') => return None,
            _ => {
                out.extend_from_slice(b"\r\n ");
                out.extend_from_slice(&encoded(token));
            }
        }
    }
    Some(out)
}

/// The end of the quoted string that begins here.
fn quoted_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Parameters with other letters as in RFC 2231 §4; the others as they are.
fn parameters(value: &[u8]) -> Option<Vec<u8>> {
    let structured = params::parse(value);
    let head = slice(value, structured.head_range.clone());
    let mut out = format!(" {}", std::str::from_utf8(head).ok()?.trim()).into_bytes();
    for param in &structured.params {
        out.extend_from_slice(b";\r\n ");
        let raw = slice(value, param.range.clone());
        if raw.is_ascii() {
            out.extend_from_slice(raw);
            continue;
        }
        let text = words::plain_charset(&param.value).decode(&param.value).0.into_owned();
        let mut escaped = String::new();
        for octet in text.bytes() {
            if octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_') {
                escaped.push(char::from(octet));
            } else {
                let _ = write!(escaped, "%{octet:02X}");
            }
        }
        // Sections keep lines short (RFC 2231 §3).
        let pieces: Vec<&[u8]> = pieces(escaped.as_bytes());
        for (number, piece) in pieces.iter().enumerate() {
            let section = if pieces.len() > 1 { format!("*{number}") } else { String::new() };
            let prefix = if number == 0 { "UTF-8''" } else { "" };
            let separator = if number == 0 { "" } else { ";\r\n " };
            out.extend_from_slice(format!("{separator}{}{section}*={prefix}", param.name).as_bytes());
            out.extend_from_slice(piece);
        }
    }
    Some(out)
}

/// Pieces of an escaped text, no escape cut in two.
fn pieces(escaped: &[u8]) -> Vec<&[u8]> {
    const LONGEST: usize = 54;
    let mut pieces = Vec::new();
    let mut rest = escaped;
    while rest.len() > LONGEST {
        let end = (LONGEST - 2..=LONGEST).find(|end| rest.get(*end) == Some(&b'%')).unwrap_or(LONGEST);
        let cut = if rest.get(end.saturating_sub(2)..end).is_some_and(|tail| tail.contains(&b'%'))
            && rest.get(end) != Some(&b'%')
        {
            LONGEST - 2
        } else {
            end
        };
        let Some((piece, after)) = rest.split_at_checked(cut) else { break };
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(message: &str) -> String {
        String::from_utf8(downgrade(message.as_bytes(), Extent::Whole).unwrap()).unwrap()
    }

    #[test]
    fn what_is_ascii_stays_octet_for_octet() {
        let message = "From:  a <a@b.example>\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\n\r\n1\r\n--x--\r\n";
        assert_eq!(whole(message), message);
    }

    #[test]
    fn an_ideographic_blank_beside_an_address_is_part_of_the_name() {
        let out = whole("From: 花屋\u{3000}<a@b.example>\r\nTo: \u{3000} <c@d.example>\r\n\r\nx\r\n");
        assert!(out.is_ascii() && out.contains("<a@b.example>") && out.contains("<c@d.example>"), "{out}");
    }

    #[test]
    fn bodies_are_encoded_and_say_so() {
        let french = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nUn café, et beaucoup de texte.\r\n";
        assert_eq!(
            whole(french),
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nUn caf=C3=A9, et beaucoup de texte.\r\n"
        );
        let japanese = "Content-Type: text/plain; charset=utf-8\r\n\r\n日本\r\n";
        assert_eq!(
            whole(japanese),
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n5pel5pysDQo=\r\n"
        );
    }

    #[test]
    fn parts_and_nested_messages_are_changed_where_they_stand() {
        let message = "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: 8bit\r\n\r\npré\r\n--x\r\n\
            Content-Type: text/plain\r\n\r\nascii\r\n--x\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
            Subject: é\r\nContent-Transfer-Encoding: binary\r\n\r\né and much more that is ASCII\r\n--x--\r\n";
        let out = whole(message);
        assert!(
            out.starts_with(
                "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
            ),
            "{out}"
        );
        assert!(out.contains("\r\nContent-Type: text/plain\r\n\r\nascii\r\n--x\r\n"), "{out}");
        assert!(
            out.contains(
                "message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject:\r\n =?UTF-8?B?w6k=?=\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9 and"
            ),
            "{out}"
        );
        assert!(out.ends_with("\r\n--x--\r\n"), "{out}");
    }

    #[test]
    fn header_fields_keep_their_text() {
        for (field, expected) in [
            ("Subject: Re: ご注文 ありがとう order 5", "Re: ご注文 ありがとう order 5"),
            (
                "From: 花工房 <a@b.example>, \"み \\\"ど\" <c@d.example> (森)",
                "花工房 <a@b.example>, み \"ど <c@d.example> (森)",
            ),
        ] {
            let out = whole(&format!("{field}\r\n\r\n"));
            let value = out.split_once(':').unwrap().1.trim_end();
            let text = words::text(value.as_bytes());
            let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(squeezed, expected, "{out}");
            assert!(out.lines().all(|line| line.len() <= 78), "{out}");
        }
        let name = "日本語のとても長いファイル名がここにある.pdf";
        let out = whole(&format!("Content-Disposition: attachment; filename=\"{name}\"; size=5\r\n\r\n"));
        let value = out.split_once(':').unwrap().1;
        assert_eq!(params::parse(value.as_bytes()).text("filename").as_deref(), Some(name), "{out}");
        assert!(out.contains("size=5"), "{out}");
    }

    #[test]
    fn headers_alone_leave_the_body() {
        let message = "Subject: é\r\n\r\né\r\n";
        let out = downgrade(message.as_bytes(), Extent::Headers).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "Subject:\r\n =?UTF-8?B?w6k=?=\r\n\r\né\r\n");
    }

    #[test]
    fn an_address_with_other_letters_cannot_go_that_way() {
        for message in ["To: 花@mail.example\r\n\r\n", "To: a <花@mail.example>\r\n\r\n"] {
            assert_eq!(downgrade(message.as_bytes(), Extent::Whole), None, "{message}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_out_is_ascii_and_reads_the_same(body in ".{0,200}", subject in "[a-zé日 ]{0,60}") {
            let body = body.replace(['\r', '\n'], " ");
            let message = format!("Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n");
            let out = downgrade(message.as_bytes(), Extent::Whole).unwrap();
            prop_assert!(out.is_ascii());
            let parsed = mail_parser::MessageParser::default().parse(&out).unwrap();
            let read = parsed.body_text(0).unwrap_or_default();
            prop_assert_eq!(read.trim_end(), body.trim_end());
            let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(squeeze(parsed.subject().unwrap_or_default()), squeeze(&subject));
        }
    }
}
