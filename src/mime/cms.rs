//! S/MIME in one piece: what kind it is, and the content of a signed one without its signature and certificates.
//!
//! Rules: RFC 5652 §3 and §5.2 (ContentInfo, SignedData), RFC 8551 §3.5.2 (the content is a MIME entity), RFC 5083
//! (AuthEnvelopedData), RFC 3274 (CompressedData). BER, not only DER (X.690 §8.1.3.6, §8.7.3): mail programs write
//! indefinite lengths and strings in segments. The armour of RFC 7468 and bare base64 are read too.
//! When it fails: `None`. A signature that breaks off does no harm; a content that does gives nothing.

use super::base64;
use std::borrow::Cow;

/// Deepest nesting of values that is looked into.
const MAX_DEPTH: usize = 16;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmsKind {
    Signed,
    Enveloped,
    AuthEnveloped,
    Compressed,
    Encrypted,
    /// Signed data without content: certificates, or the signature of another part.
    CertsOnly,
}

/// What kind the octets are, by their first object identifier.
#[must_use]
pub fn kind(octets: &[u8]) -> Option<CmsKind> {
    let ber = unarmoured(octets)?;
    let (kind, content) = content_info(&ber)?;
    Some(match kind {
        oid::SIGNED if encapsulated(content).is_none_or(|(_, string)| string.is_none()) => CmsKind::CertsOnly,
        oid::SIGNED => CmsKind::Signed,
        oid::ENVELOPED => CmsKind::Enveloped,
        oid::AUTH_ENVELOPED => CmsKind::AuthEnveloped,
        oid::COMPRESSED => CmsKind::Compressed,
        oid::ENCRYPTED => CmsKind::Encrypted,
        _ => return None,
    })
}

/// The content of a signed message: a MIME entity, as it was signed.
#[must_use]
pub fn signed_content(octets: &[u8]) -> Option<Vec<u8>> {
    let ber = unarmoured(octets)?;
    let (kind, content) = content_info(&ber)?;
    if kind != oid::SIGNED {
        return None;
    }
    let (kind, string) = encapsulated(content)?;
    let string = string.filter(|_| kind == oid::DATA)?;
    let mut out = Vec::with_capacity(string.content.len());
    string.append_octets(0, &mut out)?;
    Some(out)
}

/// Object identifiers, encoded.
mod oid {
    pub const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    pub const SIGNED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    pub const ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
    pub const ENCRYPTED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
    pub const COMPRESSED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9];
    pub const AUTH_ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 23];
}

mod tag {
    pub const OCTET_STRING: u8 = 0x04;
    pub const OID: u8 = 0x06;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    pub const EXPLICIT_0: u8 = 0xa0;
    pub const CONSTRUCTED: u8 = 0x20;
}

/// The BER, taken out of an armour or of base64.
fn unarmoured(octets: &[u8]) -> Option<Cow<'_, [u8]>> {
    if octets.first() == Some(&tag::SEQUENCE) && !is_base64(octets) {
        return Some(Cow::Borrowed(octets));
    }
    let text = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets).trim_ascii_start();
    let body = match text.strip_prefix(b"-----BEGIN ") {
        Some(armoured) => {
            let start = memchr::memchr(b'\n', armoured)?;
            let end = memchr::memmem::find(armoured, b"-----END ").unwrap_or(armoured.len());
            armoured.get(start..end)?
        }
        None => text,
    };
    let ber = is_base64(body).then(|| base64::decode(body).0)?;
    (ber.first() == Some(&tag::SEQUENCE)).then_some(Cow::Owned(ber))
}

/// Whether a text begins as base64 does. A SEQUENCE begins with a digit's octet, but goes on with a length, which
/// in all but the shortest is no character.
fn is_base64(text: &[u8]) -> bool {
    let head = text.get(..text.len().min(32)).unwrap_or_default();
    !head.is_empty() && head.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(b))
}

/// Type and content of a ContentInfo.
fn content_info(ber: &[u8]) -> Option<(&[u8], Contents<'_>)> {
    let mut fields = Contents::of(ber).value(tag::SEQUENCE)?.contents();
    let kind = fields.value(tag::OID)?.content;
    Some((kind, fields.value(tag::EXPLICIT_0)?.contents()))
}

/// The type of what was signed, and its octets where they are within (RFC 5652 §5.2).
fn encapsulated<'a>(mut content: Contents<'a>) -> Option<(&'a [u8], Option<Value<'a>>)> {
    let mut signed = content.value(tag::SEQUENCE)?.contents();
    signed.next()?;
    signed.value(tag::SET)?;
    let mut encapsulated = signed.value(tag::SEQUENCE)?.contents();
    let kind = encapsulated.value(tag::OID)?.content;
    let string = encapsulated
        .value(tag::EXPLICIT_0)
        .and_then(|explicit| explicit.contents().next())
        .filter(|value| value.tag & !tag::CONSTRUCTED == tag::OCTET_STRING);
    Some((kind, string))
}

/// A value: tag, octets, and whether all of them are there.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    length: Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Definite,
    /// It goes on to an end mark; `content` then reaches to the end of what is around it.
    Indefinite,
    /// It says more than there is.
    Short,
}

impl<'a> Value<'a> {
    fn contents(&self) -> Contents<'a> {
        Contents { rest: self.content, length: self.length, ended: false }
    }

    /// Appends the octets of a string, which may be in segments.
    fn append_octets(&self, depth: usize, out: &mut Vec<u8>) -> Option<()> {
        self.walk_octets(depth, out).map(|_| ())
    }

    /// How many octets of `content` the string took.
    fn walk_octets(&self, depth: usize, out: &mut Vec<u8>) -> Option<usize> {
        if self.tag & tag::CONSTRUCTED == 0 {
            out.extend_from_slice((self.length == Length::Definite).then_some(self.content)?);
            return Some(self.content.len());
        }
        if depth >= MAX_DEPTH || self.length == Length::Short {
            return None;
        }
        let mut rest = self.content;
        loop {
            if self.length == Length::Definite && rest.is_empty() {
                return Some(self.content.len());
            }
            let (segment, header) = head(rest)?;
            if segment.tag == 0 && self.length == Length::Indefinite {
                return Some(self.content.len() - rest.len() + header);
            }
            if segment.tag & !tag::CONSTRUCTED != tag::OCTET_STRING {
                return None;
            }
            let taken = segment.walk_octets(depth + 1, out)?;
            rest = rest.get(header + taken..)?;
        }
    }
}

/// The values in a constructed one.
#[derive(Debug, Clone, Copy)]
struct Contents<'a> {
    rest: &'a [u8],
    length: Length,
    ended: bool,
}

impl<'a> Contents<'a> {
    fn of(ber: &'a [u8]) -> Self {
        Self { rest: ber, length: Length::Definite, ended: false }
    }

    /// The next value, if it has this tag.
    fn value(&mut self, tag: u8) -> Option<Value<'a>> {
        let before = *self;
        let value = self.next().filter(|value| value.tag == tag);
        if value.is_none() {
            *self = before;
        }
        value
    }

    fn next(&mut self) -> Option<Value<'a>> {
        if self.ended {
            return None;
        }
        let (value, header) = head(self.rest)?;
        self.ended = value.tag == 0 && self.length == Length::Indefinite;
        if self.ended {
            return None;
        }
        let taken = match value.length {
            Length::Indefinite => length_to_end(value.content)?,
            _ => value.content.len(),
        };
        self.rest = self.rest.get(header + taken..).unwrap_or_default();
        Some(value)
    }
}

/// How far an indefinite value reaches, its end mark included; to the end of the buffer where it has none.
fn length_to_end(content: &[u8]) -> Option<usize> {
    let mut open = 1usize;
    let mut rest = content;
    while open > 0 {
        let Some((value, header)) = head(rest) else { return Some(content.len()) };
        let taken = match value.length {
            Length::Indefinite => {
                open += 1;
                0
            }
            _ => value.content.len(),
        };
        open -= usize::from(value.tag == 0 && taken == 0 && value.length == Length::Definite);
        rest = rest.get(header + taken..)?;
    }
    Some(content.len() - rest.len())
}

/// The value at the front, and how long its tag and length are.
fn head(ber: &[u8]) -> Option<(Value<'_>, usize)> {
    let (&tag, rest) = ber.split_first()?;
    // Numbers above 30 take more octets; nothing here has one.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    if first == 0x80 {
        let is_constructed = tag & tag::CONSTRUCTED != 0;
        return is_constructed.then_some((Value { tag, content: rest, length: Length::Indefinite }, 2));
    }
    let (length, header) = match usize::from(first & 0x7f) {
        length if first < 0x80 => (length, 2),
        count => {
            let octets = rest.get(..count)?;
            let significant =
                octets.iter().position(|b| *b != 0).map_or(&[][..], |i| octets.get(i..).unwrap_or_default());
            if significant.len() > 8 {
                return None;
            }
            let length = significant.iter().fold(0u64, |length, b| length << 8 | u64::from(*b));
            (usize::try_from(length).unwrap_or(usize::MAX), 2 + count)
        }
    };
    let rest = ber.get(header..)?;
    Some(match rest.get(..length) {
        Some(content) => (Value { tag, content, length: Length::Definite }, header),
        None => (Value { tag, content: rest, length: Length::Short }, header),
    })
}

#[cfg(test)]
mod tests;
