//! The parts of a message as they can be found, whatever is wrong with its structure: what a mail system wrote itself,
//! the fields of its report, and the ids of the message that it is about.
//!
//! Rules: parts are cut at lines of a boundary that some header declared; also at a line of another boundary that a
//! Content- field follows, since reports with wrong boundaries exist. Inside a returned message only boundaries
//! outside it count. Of texts the first [`MAX_TEXT`] octets are looked at, of returned messages the header's part.
//! One walk over the octets, and parts and octets looked at are bounded.
//! When it fails: never; what is not found is empty.

use super::{MAX_IDS, ids_in, status, wording};
use crate::mime::charset::Charset;
use crate::mime::header::{self, Header, unfold};
use crate::mime::transfer::Encoding;
use crate::mime::{params, slice, words};
use std::ops::Range;

/// Most parts that are looked at.
const MAX_PARTS: usize = 64;
/// Most boundaries that are known at once.
const MAX_BOUNDARIES: usize = 16;
/// Most octets of one text, and of all texts.
const MAX_TEXT: usize = 32 * 1024;
const MAX_TEXTS: usize = 64 * 1024;
/// Most octets of the fields of a report.
const MAX_FIELDS: usize = 128 * 1024;
/// Most octets of a returned message.
const MAX_ORIGINAL: usize = 64 * 1024;

/// What was found.
#[derive(Debug, Default)]
pub struct Parts {
    /// What the mail system wrote, without the message that it returned.
    pub own_words: String,
    /// The fields of a delivery status.
    pub status: Option<String>,
    /// Disposition of a receipt (RFC 8098 §3.2.6), in lower case.
    pub disposition: Option<String>,
    /// Feedback-Type of a report (RFC 5965 §3.1), in lower case; empty where it has none.
    pub feedback: Option<String>,
    /// The ids of the returned message.
    pub original_ids: Vec<String>,
}

struct Part {
    media: String,
    charset: Option<String>,
    encoding: Encoding,
    body: Range<usize>,
}

impl Parts {
    pub fn read(bytes: &[u8], header: &Header) -> Self {
        let mut out = Self::default();
        for part in parts(bytes, header) {
            let raw = slice(bytes, part.body.clone());
            match part.media.as_str() {
                "message/delivery-status" | "message/global-delivery-status" => {
                    let fields = part.encoding.decode(cut(raw, MAX_FIELDS));
                    let fields = String::from_utf8_lossy(&fields).into_owned();
                    let empty = out.status.as_deref().is_none_or(|known| known.trim().is_empty());
                    if empty {
                        out.status = Some(fields);
                    }
                }
                "message/disposition-notification" | "message/global-disposition-notification" => {
                    let fields = part.encoding.decode(cut(raw, MAX_FIELDS));
                    out.disposition = Some(value_of(&fields, "disposition"));
                }
                "message/feedback-report" => {
                    let fields = part.encoding.decode(cut(raw, MAX_FIELDS));
                    out.feedback = Some(value_of(&fields, "feedback-type"));
                }
                media if is_original(media) => {
                    let original = part.encoding.decode(cut(raw, MAX_ORIGINAL));
                    out.original_ids.extend(message_id(&original));
                }
                media if media.starts_with("text/") && out.own_words.len() < MAX_TEXTS => {
                    out.text(&part, cut(raw, MAX_TEXT));
                }
                _ => {}
            }
        }
        out.original_ids.truncate(MAX_IDS);
        out
    }

    /// The mailboxes of which the report says that they failed.
    pub fn failed_at(&self) -> Vec<String> {
        self.status.as_deref().map(status::failed_at).unwrap_or_default()
    }

    fn text(&mut self, part: &Part, raw: &[u8]) {
        let octets = part.encoding.decode(raw);
        let declared = part.charset.as_deref().and_then(|label| Charset::for_label(label.as_bytes()));
        let text = match declared.map(|charset| charset.decode(&octets)) {
            Some((text, true)) => text.to_string(),
            _ => words::plain_charset(&octets).decode(&octets).0.to_string(),
        };
        let text = if part.media == "text/html" { without_tags(&text) } else { text };
        let (own, original) = wording::split(&text);
        self.own_words.push_str(own);
        self.own_words.push('\n');
        self.original_ids.extend(message_id(original.as_bytes()));
        // A report whose boundary is not the declared one stands in the text.
        if self.status.is_none() && memchr::memmem::find(text.as_bytes(), b"elivery-status").is_some() {
            let lower = text.to_ascii_lowercase();
            let at = lower.find("content-type: message/delivery-status");
            self.status = at.and_then(|at| text.get(at..)).map(str::to_owned);
            self.original_ids
                .extend(at.and_then(|at| text.get(at..)).and_then(|rest| message_id(rest.as_bytes())));
        }
    }
}

/// The value of a field of a report, in lower case; empty where it is not there.
fn value_of(fields: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(fields);
    let value = text.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
    });
    value.unwrap_or_default()
}

/// Whether a part is the returned message, or its header.
fn is_original(media: &str) -> bool {
    matches!(
        media,
        "message/rfc822"
            | "message/global"
            | "message/partial"
            | "message/rfc822-headers"
            | "message/global-headers"
            | "text/rfc822-headers"
            | "text/rfc822-header"
    )
}

fn cut(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

fn parts(bytes: &[u8], header: &Header) -> Vec<Part> {
    let mut boundaries: Vec<Vec<u8>> = Vec::new();
    let mut open = part(bytes, header, &mut boundaries);
    let mut out = Vec::new();
    // A message that is none of several parts is one; lines in it are lines.
    if boundaries.is_empty() {
        return vec![open];
    }
    let mut at = open.body.start;
    while let Some(line) = next_dashes(bytes, at) {
        let end = memchr::memmem::find(slice(bytes, line..bytes.len()), b"\r\n")
            .map_or(bytes.len(), |length| line + length + 2);
        at = end;
        let text = slice(bytes, line + 2..end).trim_ascii_end();
        let closes = text.strip_suffix(b"--");
        let known = boundaries.iter().any(|own| text == own || closes == Some(own));
        let looks_so = || {
            let next = slice(bytes, end..bytes.len()).get(..8);
            next.is_some_and(|next| next.eq_ignore_ascii_case(b"content-"))
        };
        if !known && (is_original(&open.media) || !looks_so()) {
            continue;
        }
        open.body.end = line;
        out.push(open);
        if out.len() >= MAX_PARTS {
            return out;
        }
        let is_end = closes.is_some_and(|closes| boundaries.iter().any(|own| own == closes));
        let read = header::scan(bytes, end..bytes.len()).ok().filter(|_| !is_end);
        open = match read {
            Some(header) => part(bytes, &header, &mut boundaries),
            None => nothing(end, bytes.len()),
        };
        at = at.max(open.body.start.saturating_sub(2));
    }
    out.push(open);
    out
}

/// Behind the end of a multipart.
fn nothing(start: usize, end: usize) -> Part {
    Part { media: String::new(), charset: None, encoding: Encoding::Identity, body: start..end }
}

/// The next line from `at` on that begins with two dashes.
fn next_dashes(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = slice(bytes, at..bytes.len());
    let is_line_start = at < 2 || slice(bytes, at - 2..at) == b"\r\n";
    if is_line_start && rest.starts_with(b"--") {
        return Some(at);
    }
    memchr::memmem::find(rest, b"\r\n--").map(|found| at + found + 2)
}

/// The part that begins with this header, its body up to the end of the message.
fn part(bytes: &[u8], header: &Header, boundaries: &mut Vec<Vec<u8>>) -> Part {
    let value =
        |name: &str| header.all(bytes, name).next().map(|field| unfold(slice(bytes, field.value.clone())));
    let content_type = params::parse(&value("Content-Type").unwrap_or_default());
    let media = match content_type.head.as_str() {
        head if head.contains('/') => head.to_owned(),
        _ => "text/plain".to_owned(),
    };
    if media.starts_with("multipart/")
        && boundaries.len() < MAX_BOUNDARIES
        && let Some(boundary) = content_type.text("boundary")
        && !boundary.trim().is_empty()
    {
        boundaries.push(boundary.trim_end().as_bytes().to_vec());
    }
    let encoding = value("Content-Transfer-Encoding").and_then(|value| Encoding::parse(&value));
    Part {
        media,
        charset: content_type.text("charset"),
        encoding: encoding.unwrap_or(Encoding::Identity),
        body: header.body_start.min(bytes.len())..bytes.len(),
    }
}

/// The id in the first Message-ID field of a header that stands somewhere in a text.
fn message_id(text: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"message-id:";
    text.split(|b| *b == b'\n')
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len() + 1;
            Some((start, line))
        })
        .filter(|(_, line)| {
            let line = line.trim_ascii_start();
            line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        })
        .find_map(|(start, _)| {
            // The id may stand on the next line.
            let rest = cut(slice(text, start..text.len()), 1200);
            let field_end = rest.windows(2).position(|pair| {
                pair.first() == Some(&b'\n') && !pair.ends_with(b" ") && !pair.ends_with(b"\t")
            });
            ids_in(rest.get(..field_end.unwrap_or(rest.len())).unwrap_or_default()).into_iter().next()
        })
}

/// The text between tags, with blanks for them.
fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((text, tag)) = rest.split_once('<') {
        out.push_str(text);
        out.push(' ');
        rest = tag.split_once('>').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out.replace("&nbsp;", " ")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mail: &str) -> Parts {
        let header = header::scan(mail.as_bytes(), 0..mail.len()).unwrap();
        Parts::read(mail.as_bytes(), &header)
    }

    #[test]
    fn parts_are_found_behind_declared_and_other_boundaries() {
        let part = |boundary: &str| {
            format!(
                "Content-Type: multipart/report; boundary=\"a\"\r\n\r\n--a\r\n\r\nsorry\r\n--{boundary}\r\n\
                 Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n--{boundary}\r\n\
                 Content-Type: message/rfc822\r\n\r\nMessage-ID:\r\n <1@x>\r\nContent-Type: multipart/mixed; boundary=a2\r\n\
                 \r\n--a2\r\nContent-Type: text/plain\r\n\r\ntheir words\r\n--a2--\r\n--{boundary}--\r\n"
            )
        };
        for boundary in ["a", "b"] {
            let parts = read(&part(boundary));
            assert_eq!(parts.status.as_deref().map(str::trim), Some("Action: failed"), "{boundary}");
            assert_eq!(parts.original_ids, ["<1@x>"], "{boundary}");
            assert_eq!(parts.own_words.trim(), "sorry", "{boundary}");
        }
    }

    #[test]
    fn a_plain_text_is_one_part_and_its_copy_of_the_message_is_not_its_own_words() {
        let parts = read(
            "Subject: x\r\n\r\nno luck\r\n--- Below this line is a copy of the message.\r\n\r\n--x\r\nMessage-Id: <2@y>\r\n\r\nhello",
        );
        assert_eq!(parts.own_words.trim(), "no luck");
        assert_eq!(parts.original_ids, ["<2@y>"]);
    }
}
