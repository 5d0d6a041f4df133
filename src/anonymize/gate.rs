//! The gate: the last look at a finished message, by another decoder and another search than those that wrote it.
//!
//! Rules: the message is taken apart by `mail-parser`, and every octet of it is looked at: headers, bodies decoded and
//! as they stand, nested messages, and what stands between the parts. A text is searched in every way a program could
//! read it ([`look`]): quickly for what could be an at sign with one of the domains behind it, slowly only around that
//! ([`scan`]). Nothing of the rewriter's reading or searching is used.
//! When it fails: [`Refusal::Residue`] on a hit, [`Refusal::Unreadable`] when the message cannot be decoded whole.

mod ahead;
mod backwards;
mod charset;
mod compat;
mod compose;
mod escapes;
mod events;
mod fold;
mod forms;
mod garbled;
mod gateways;
mod glued;
mod hidden;
mod ids;
mod labels;
mod large;
mod longer;
mod look;
mod marks;
mod numbers;
mod scan;
mod shifted;
mod spelled;
mod tags;
mod texture;
mod tokens;
mod torn;
mod traces;
mod wanted;
mod words;

#[cfg(test)]
mod tests;

use super::{Anonymized, Refusal, Secret};
use forms::Forms;
use look::{How, Look};
use mail_parser::{
    DecodeProblems, Encoding, Header, HeaderForm, HeaderValue, MessageParser, MessagePart, PartFlags,
    PartKind,
};
use std::ops::Range;
use texture::is_binary;
use traces::{Place, Traces};
use wanted::{Neighbours, Wanted};

/// What a finished message must not hold.
pub struct Forbidden<'a> {
    /// The real addresses of both parties.
    pub secrets: &'a [Secret<'a>],
    /// Host names and IP addresses of the mail path, lower case, and ids that were replaced.
    pub traces: &'a [String],
    /// Whether files are looked into.
    pub files: Files,
}

/// What is done with attached files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Their octets are searched.
    Checked,
    /// Their sender has confirmed them: only texts and headers are searched.
    Confirmed,
}

/// A message that was stopped.
pub struct Stopped {
    /// Its octets.
    pub message: Vec<u8>,
    /// [`Refusal::Residue`] when a secret is in it, in any spelling; [`Refusal::Unreadable`] when it cannot be checked.
    pub why: Refusal,
}

/// Lets a finished message through: a rewritten one, a notice of our own, or one that comes back from the spool.
///
/// # Errors
/// [`Stopped`], with the message.
pub fn pass_gate(message: Vec<u8>, forbidden: &Forbidden<'_>) -> Result<Anonymized, Stopped> {
    match Gate::new(forbidden).check(&message) {
        Ok(()) => Ok(Anonymized { bytes: message }),
        Err(why) => Err(Stopped { message, why }),
    }
}

/// Fields whose at signs make no addresses (RFC 5322 §3.6.4).
const IDENTIFIERS: [&str; 4] = ["Message-ID", "References", "In-Reply-To", "Resent-Message-ID"];

struct Gate {
    look: Look,
    files: Files,
}

/// Octets that have been looked at, of the message or of one that was decoded out of it.
struct Seen<'m> {
    source: &'m [u8],
    ranges: Vec<Range<usize>>,
}

impl Gate {
    fn new(forbidden: &Forbidden<'_>) -> Self {
        let wanted: Vec<Wanted> =
            forbidden.secrets.iter().map(|secret| Wanted::new(&secret.address.reveal_canonical())).collect();
        let shortest = wanted.iter().map(Wanted::shortest).min().unwrap_or(usize::MAX / 8);
        let forms = Forms::new(&wanted);
        let look = Look { wanted, forms, traces: Traces::new(forbidden.traces), shortest };
        Self { look, files: forbidden.files }
    }

    fn check(&self, message: &[u8]) -> Result<(), Refusal> {
        if self.look.is_idle() {
            return Ok(());
        }
        let parser = MessageParser::new().max_encoded_nesting(crate::mime::MAX_DEPTH);
        let parsed = parser.parse(message).ok_or(Refusal::Unreadable)?;
        let damage = PartFlags::LIMIT_REACHED | PartFlags::NESTING_LIMIT;
        if parsed.parts().any(|part| part.flags().intersects(damage)) {
            return Err(Refusal::Unreadable);
        }
        let mut seen: Vec<Seen<'_>> = Vec::new();
        for part in parsed.parts() {
            let source = part.message().source_bytes();
            let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
            let header = at(part.offset_header())..at(part.offset_body());
            let is_leaf = !matches!(part.kind(), PartKind::Multipart | PartKind::Message(_));
            // A nested message in base64 is looked at decoded, as its own source.
            let decoded = matches!(part.kind(), PartKind::Message(_))
                && part.encoding() == Encoding::Base64
                && !is_odd(part.raw_body(), DecodeProblems::MALFORMED_TRANSFER_ENCODING);
            let end = if is_leaf || decoded { part.offset_end() } else { part.offset_body() };
            let body = at(part.offset_body())..at(end);
            let known = seen.iter_mut().find(|seen| std::ptr::eq(seen.source, source));
            match known {
                Some(known) => known.ranges.extend([header.clone(), body]),
                None => seen.push(Seen { source, ranges: vec![header.clone(), body] }),
            }
            if self.header(&part, source.get(header).unwrap_or_default()) || (is_leaf && self.leaf(&part)) {
                return Err(Refusal::Residue);
            }
        }
        if seen.into_iter().any(|seen| self.between(seen)) { Err(Refusal::Residue) } else { Ok(()) }
    }

    /// Preambles, epilogues, boundaries, and whatever else no part holds.
    fn between(&self, mut seen: Seen<'_>) -> bool {
        seen.ranges.sort_unstable_by_key(|range| range.start);
        let mut at = 0;
        let end = seen.source.len();
        seen.ranges.push(end..end);
        seen.ranges.iter().any(|range| {
            let gap = seen.source.get(at..range.start).unwrap_or_default();
            at = at.max(range.end);
            !gap.is_empty() && self.look.text(gap, None, How::new(Place::Body))
        })
    }

    /// The body of a part that has no parts.
    fn leaf(&self, part: &MessagePart<'_>) -> bool {
        if self.files == Files::Confirmed && is_confirmed_file(part) {
            return false;
        }
        let how = How::new(Place::Body);
        if part.encoding() == Encoding::Base64 && !part.is_text() {
            match large::look(part.raw_body(), is_binary, |octets| self.look.binary(octets, how)) {
                large::Seen::Secret => return true,
                large::Seen::Nothing => return false,
                large::Seen::Unread => {}
            }
        }
        let charset = part.content_type().and_then(|kind| kind.attribute("charset"));
        let (octets, problems) = part.decoded_checked();
        let hit = match part.encoding() {
            Encoding::None => false,
            Encoding::QuotedPrintable => self.look.at_signs(part.raw_body(), Neighbours::Apart),
            // As it stands it can hold no address, unless there is more than base64.
            Encoding::Base64 if !is_odd(part.raw_body(), problems) => false,
            Encoding::Base64 => {
                let other = tokens::decode_over_padding(part.raw_body());
                self.look.text(part.raw_body(), charset, how)
                    || other.is_some_and(|octets| self.octets(part, &octets, charset, how))
            }
        };
        hit || self.octets(part, &octets, charset, how)
            || (events::are_in(part)
                && events::any(&octets, |id| self.look.traces.stand_in(id, Place::Identifiers)))
    }

    fn octets(&self, part: &MessagePart<'_>, octets: &[u8], charset: Option<&str>, how: How) -> bool {
        if part.is_text() || !is_binary(octets) {
            self.look.text(octets, charset, how)
        } else {
            self.look.binary(octets, how)
        }
    }

    /// A header: as it stands, with its words and parameters decoded, and as the parser reads it.
    fn header(&self, part: &MessagePart<'_>, octets: &[u8]) -> bool {
        let how = How::new(Place::Header);
        // A subject is its writer's text, and a link in it is content.
        let (subject, others) = words::subject_apart(octets);
        if self.fields(&others, how) || (!subject.is_empty() && self.fields(&subject, How::new(Place::Body)))
        {
            return true;
        }
        part.headers().iter().any(|header| {
            let identifies = IDENTIFIERS.iter().any(|name| name.eq_ignore_ascii_case(header.raw_name()));
            let is_subject = header.raw_name().eq_ignore_ascii_case("subject");
            let how = match (identifies, is_subject) {
                (true, _) => How::new(Place::Identifiers),
                (_, true) => How::new(Place::Body),
                _ => how,
            };
            (identifies && self.look.traces.stand_in(header.raw_value(), how.place))
                || self.field(&header, how)
        })
    }

    /// Fields as they stand, and with all words and parameters decoded as programs join them.
    fn fields(&self, octets: &[u8], how: How) -> bool {
        if self.look.text(octets, None, how) {
            return true;
        }
        if let Some((whole, charset)) = words::seamless(octets) {
            let charset = Some(charset.as_str()).filter(|name| !name.is_empty());
            if self.look.text(&whole, None, how)
                || (memchr::memchr(b'%', &whole).is_some()
                    && self.look.text(&words::percent_octets(&whole), charset, how))
            {
                return true;
            }
            let sorted = words::in_order(octets);
            if !sorted.is_empty()
                && (self.look.text(&sorted, charset, how)
                    || self.look.text(&words::percent_octets(&sorted), charset, how))
            {
                return true;
            }
        }
        false
    }

    fn field(&self, header: &Header<'_>, how: How) -> bool {
        let raw = header.raw_value();
        let text = |text: &str, how| self.look.text(text.as_bytes(), Some("utf-8"), how);
        if memchr::memmem::find(raw, b"=?").is_some() {
            if let HeaderValue::Text(value) = header.parse_as(HeaderForm::Text).value()
                && text(value, how)
            {
                return true;
            }
            if let HeaderValue::Address(list) = header.parse_as(HeaderForm::Addresses).value()
                && list.mailboxes().any(|mailbox| {
                    text(mailbox.name().unwrap_or_default(), how)
                        || text(mailbox.address().unwrap_or_default(), how)
                })
            {
                return true;
            }
        }
        if memchr::memchr(b';', raw).is_none() {
            return false;
        }
        // What stands in a name of a file beside an address is rarely a part of it.
        match header.parse_as(HeaderForm::ContentType).value() {
            HeaderValue::ContentType(value) => {
                value.attributes().any(|(name, value)| text(name, how.parted()) || text(value, how.parted()))
            }
            _ => false,
        }
    }
}

/// Whether a body in base64 has anything else in it, or ends before its end.
fn is_odd(body: &[u8], problems: DecodeProblems) -> bool {
    let end = body.iter().rposition(|b| *b != b'=' && !b.is_ascii_whitespace()).map_or(0, |i| i + 1);
    let body = body.get(..end).unwrap_or_default();
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/') || b.is_ascii_whitespace();
    memchr::memchr(b'=', body).is_some() || (!problems.is_empty() && !body.iter().all(is_digit))
}

/// Whether a part is a file that is no text, whole, and said so once.
fn is_confirmed_file(part: &MessagePart<'_>) -> bool {
    let Some(kind) = part.content_type() else { return false };
    let named = |name: &str| kind.ctype().eq_ignore_ascii_case(name);
    let subtype = kind.subtype().unwrap_or_default().to_ascii_lowercase();
    let readable = ["xml", "json"].iter().any(|word| {
        subtype == *word || subtype.strip_suffix(word).is_some_and(|rest| rest.ends_with(['+', '-', '.']))
    });
    // A document all the same, whatever its first word says.
    let is_rtf = named("text") && subtype == "rtf" && part.decoded_checked().0.starts_with(b"{\\rtf");
    let once = part.headers().all("content-type".to_owned()).count() == 1;
    let text = named("text") || named("message") || named("multipart");
    (is_rtf || !text && !part.is_text()) && !readable && once && part.flags().is_empty()
}
