//! Who a message says it is from, and the ids it knows: what the floors above must look up before it is rewritten.
//!
//! Rules: From is read strictly (RFC 5322 §3.4, §3.6.2): one field, mailboxes, no groups, no routes; wherever two
//! programs could see two addresses the message is refused. Ids are read leniently (§3.6.4), what stands between
//! `<` and `>` without blanks, at most [`MAX_IDS`] of them.
//! When it fails: [`Refusal::NoFrom`], [`Refusal::AmbiguousFrom`], [`Refusal::DuplicateField`].

use super::Refusal;
use crate::mail::RealAddress;
use crate::mime::header::{self, Header, unfold};
use crate::mime::{lines, slice};

/// Most ids taken from one field, and most written.
pub const MAX_IDS: usize = 100;
/// Longest id, in octets with its brackets.
pub const MAX_ID: usize = 512;
/// Most mailboxes in From.
const MAX_MAILBOXES: usize = 20;

/// One mailbox of From.
pub struct Mailbox {
    /// What stands before the brackets, as written, folds removed.
    pub phrase: Vec<u8>,
    /// The address.
    pub address: RealAddress,
}

/// The addresses in header From, for the identity check.
///
/// # Errors
/// [`Refusal`] when there is no From, more than one, or one that another program could read differently.
pub fn header_from(message: &[u8]) -> Result<Vec<RealAddress>, Refusal> {
    let message = lines::only_crlf(message);
    let header = header::scan(&message, 0..message.len())?;
    Ok(mailboxes(single_from(&message, &header)?)?.into_iter().map(|mailbox| mailbox.address).collect())
}

/// The id of the message, with its brackets; `None` where there is none that can be read.
#[must_use]
pub fn message_id(message: &[u8]) -> Option<String> {
    let message = lines::only_crlf(message);
    let header = header::scan(&message, 0..message.len()).ok()?;
    ids(&message, &header, "Message-ID").into_iter().next()
}

/// All ids in Message-ID, In-Reply-To and References, each once, so that the caller can look them up first.
#[must_use]
pub fn message_ids(message: &[u8]) -> Vec<String> {
    let message = lines::only_crlf(message);
    let Ok(header) = header::scan(&message, 0..message.len()) else { return Vec::new() };
    let mut out: Vec<String> = Vec::new();
    for name in ["Message-ID", "In-Reply-To", "References"] {
        for id in ids(&message, &header, name) {
            if !out.contains(&id) {
                out.push(id);
            }
        }
    }
    out
}

/// The ids in all fields of a name. Of too many the first and the last ones: the start of the thread and its end
/// are what programs thread by (RFC 5322 §3.6.4).
pub fn ids(bytes: &[u8], header: &Header, name: &str) -> Vec<String> {
    let mut out: Vec<String> =
        header.all(bytes, name).flat_map(|field| ids_of(slice(bytes, field.value.clone()))).collect();
    keep_ends(&mut out);
    out
}

/// The ids in one value.
pub fn ids_of(value: &[u8]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr::memchr(b'<', rest) {
        rest = rest.get(open..).unwrap_or_default();
        let Some(close) = memchr::memchr(b'>', rest) else { break };
        let id = rest.get(..=close).unwrap_or_default();
        let inner = id.get(1..close).unwrap_or_default();
        let good = !inner.is_empty()
            && id.len() <= MAX_ID
            && inner.iter().all(|b| b.is_ascii_graphic() && *b != b'<');
        if good {
            out.push(String::from_utf8_lossy(id).into_owned());
        }
        // An inner bracket may begin the real id.
        let inner_open = memchr::memrchr(b'<', inner).map(|i| i + 1);
        rest = rest.get(inner_open.unwrap_or(close + 1)..).unwrap_or_default();
    }
    keep_ends(&mut out);
    out
}

fn keep_ends(ids: &mut Vec<String>) {
    if ids.len() > MAX_IDS {
        ids.drain(1..=ids.len() - MAX_IDS);
    }
}

/// The value of the one From field.
pub fn single_from<'a>(bytes: &'a [u8], header: &Header) -> Result<&'a [u8], Refusal> {
    let mut fields = header.all(bytes, "From");
    let field = fields.next().ok_or(Refusal::NoFrom)?;
    if fields.next().is_some() { Err(Refusal::DuplicateField) } else { Ok(slice(bytes, field.value.clone())) }
}

/// The mailboxes of a From value.
pub fn mailboxes(value: &[u8]) -> Result<Vec<Mailbox>, Refusal> {
    let value = unfold(value);
    if value.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
        return Err(Refusal::AmbiguousFrom);
    }
    let mut out = Vec::new();
    let mut rest = value.as_slice();
    while !rest.is_empty() {
        let (mailbox, tail) = one_mailbox(rest)?;
        out.extend(mailbox);
        if out.len() > MAX_MAILBOXES {
            return Err(Refusal::AmbiguousFrom);
        }
        rest = tail;
    }
    if out.is_empty() { Err(Refusal::NoFrom) } else { Ok(out) }
}

/// Reads up to the next comma outside quotes and comments.
fn one_mailbox(value: &[u8]) -> Result<(Option<Mailbox>, &[u8]), Refusal> {
    let mut bare = Vec::new();
    let mut phrase_end = None;
    let mut angle: Option<&[u8]> = None;
    let mut at = 0;
    while let Some(&b) = value.get(at) {
        let rest = value.get(at..).unwrap_or_default();
        let length = match b {
            b'"' => {
                let length = quoted_length(rest).ok_or(Refusal::AmbiguousFrom)?;
                if angle.is_some() {
                    return Err(Refusal::AmbiguousFrom);
                }
                bare.extend_from_slice(slice(rest, 0..length));
                length
            }
            b'(' => comment_length(rest).ok_or(Refusal::AmbiguousFrom)?,
            b'<' if angle.is_none() => {
                let close = angle_length(rest).ok_or(Refusal::AmbiguousFrom)?;
                angle = rest.get(1..close - 1);
                phrase_end = Some(at);
                close
            }
            b',' => break,
            b'<' | b'>' | b':' | b';' | b'\\' => return Err(Refusal::AmbiguousFrom),
            b' ' | b'\t' => {
                bare.push(b' ');
                1
            }
            _ if angle.is_some() => return Err(Refusal::AmbiguousFrom),
            _ => {
                bare.push(b);
                1
            }
        };
        at += length;
    }
    let tail = value.get(at + 1..).unwrap_or_default();
    let bare = bare.trim_ascii();
    let (phrase, address) = match (angle, phrase_end) {
        (Some(address), Some(end)) => (slice(value, 0..end).trim_ascii(), address.trim_ascii()),
        _ if bare.is_empty() => return Ok((None, tail)),
        _ => (b"".as_slice(), bare),
    };
    // `a@b <c@d>`: some programs read the first. Written twice the same it is harmless, and common.
    if angle.is_some() && !bare.eq_ignore_ascii_case(address) && has_bare_at(bare) {
        return Err(Refusal::AmbiguousFrom);
    }
    let text = std::str::from_utf8(address).map_err(|_| Refusal::AmbiguousFrom)?;
    let address = RealAddress::parse(text).map_err(|_| Refusal::AmbiguousFrom)?;
    Ok((Some(Mailbox { phrase: phrase.to_vec(), address }), tail))
}

/// Whether an at sign stands outside quotes.
fn has_bare_at(text: &[u8]) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    for b in text {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'@' if !quoted => return true,
            _ => {}
        }
    }
    false
}

fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (i, b) in text.iter().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(i + 1),
            _ => {}
        }
    }
    None
}

fn comment_length(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut escaped = false;
    for (i, b) in text.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Length of `<addr-spec>`; `None` when it has a route, a comment or an inner bracket.
fn angle_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(&b) = text.get(at) {
        at += match b {
            b'>' => return Some(at + 1),
            b'"' => quoted_length(text.get(at..)?)?,
            b'<' | b',' | b';' | b'(' | b')' | b'\\' => return None,
            b':' if !text.get(1..at)?.contains(&b'[') => return None,
            _ => 1,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(value: &str) -> Result<Vec<String>, Refusal> {
        let mail = format!("X: y\r\nFrom:{value}\r\n\r\nbody");
        header_from(mail.as_bytes()).map(|all| all.iter().map(RealAddress::reveal).collect())
    }

    #[test]
    fn a_from_that_has_one_meaning_is_read() {
        for (value, expected) in [
            (" hana@a.example", vec!["hana@a.example"]),
            (" \"Hana, S\" <hana@a.example>", vec!["hana@a.example"]),
            (" =?ISO-2022-JP?B?GyRCMlYbKEI=?=\r\n <hana@a.example>", vec!["hana@a.example"]),
            ("hana@a.example (Hana (S))", vec!["hana@a.example"]),
            (" hana@a.example <hana@a.example>", vec!["hana@a.example"]),
            (" \"x@y\" <a..b.@docomo.example>, c@[192.0.2.1]", vec!["a..b.@docomo.example", "c@[192.0.2.1]"]),
            (" 花 <\"h s\"@a.example>", vec!["\"h s\"@a.example"]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(String::from).collect();
            assert_eq!(from(value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn a_from_that_could_mean_two_things_is_refused() {
        for value in [
            " eve@x.example <hana@a.example>",
            " <hana@a.example> <eve@x.example>",
            " <@x.example,@y.example:hana@a.example>",
            " group: hana@a.example;",
            " \"open <hana@a.example>",
            " (open <hana@a.example>",
            " <hana@a.example",
            " <hana@a.example> eve",
            " hana\\@a.example",
            " \u{1b}$B <hana@a.example>",
            " hana a.example",
            " hana@a.example eve@x.example",
        ] {
            assert_eq!(from(value), Err(Refusal::AmbiguousFrom), "{value}");
        }
        assert_eq!(from(""), Err(Refusal::NoFrom));
        assert_eq!(from(" a@b.example\r\nfrom: c@d.example"), Err(Refusal::DuplicateField));
        assert_eq!(header_from(b"To: a@b.example\r\n\r\n").err(), Some(Refusal::NoFrom));
    }

    #[test]
    fn ids_are_listed_once_and_of_too_many_the_ends() {
        let mail = b"Message-ID: <1@a>\r\nReferences: <0@b>\r\n\t<1@a> <bad id> broken> <2@c>\r\nIn-Reply-To: your mail <2@c>\r\n\r\n<9@z>";
        assert_eq!(message_ids(mail), ["<1@a>", "<2@c>", "<0@b>"]);
        assert_eq!(message_id(mail).as_deref(), Some("<1@a>"));
        let many: String = (0..500).map(|i| format!(" <{i}@x>")).collect();
        let ids = message_ids(format!("References:{many}\r\n\r\n").as_bytes());
        assert_eq!(
            (ids.len(), ids.first().unwrap().as_str(), ids.last().unwrap().as_str()),
            (MAX_IDS, "<0@x>", "<499@x>")
        );
    }
}
