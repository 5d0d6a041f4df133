//! gzip (RFC 1952), zlib (RFC 1950) and tar (POSIX.1-2017, pax).
//!
//! Rules: all members of a gzip file are read, one behind the other; names are in the clear.
//! When it fails: `Damaged` where deflated data break off or a header is none.

use super::content::Content;
use super::inflate::{State, Wrapper, inflate};
use super::search::Search;
use super::{Why, nested};

/// Octets of a block of a tar file.
const BLOCK: usize = 512;

pub fn gzip(octets: &[u8], search: &mut Search<'_>) {
    let mut rest = octets;
    while rest.starts_with(b"\x1f\x8b\x08") {
        if !search.member() {
            return;
        }
        let Some(deflated) = behind_header(rest) else { return search.is_opaque(Why::Damaged) };
        let mut content = Content::new("");
        let (state, read) =
            inflate(deflated, Wrapper::None, search, &mut |out, search| content.push(out, search));
        content.finish(search);
        if state != State::Done {
            return search.is_opaque(Why::Damaged);
        }
        // Checksum and length.
        rest = deflated.get(read + 8..).unwrap_or_default();
    }
}

pub fn zlib(octets: &[u8], search: &mut Search<'_>) {
    let mut content = Content::new("");
    let (state, _) = inflate(octets, Wrapper::Zlib, search, &mut |out, search| content.push(out, search));
    content.finish(search);
    if state != State::Done {
        search.is_opaque(Why::Damaged);
    }
}

/// What stands behind the header of a member (RFC 1952 §2.3).
fn behind_header(octets: &[u8]) -> Option<&[u8]> {
    let flags = *octets.get(3)?;
    let mut rest = octets.get(10..)?;
    if flags & 4 != 0 {
        let length = u16::from_le_bytes(*rest.first_chunk()?);
        rest = rest.get(2 + usize::from(length)..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

pub fn tar(octets: &[u8], search: &mut Search<'_>) {
    let mut at = 0;
    while let Some(header) = octets.get(at..at + BLOCK) {
        if header.iter().all(|b| *b == 0) {
            at += BLOCK;
            continue;
        }
        if !search.member() {
            return;
        }
        let name = header.get(..100).unwrap_or_default();
        let name = String::from_utf8_lossy(name.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        search.octets(name.as_bytes());
        let Some(size) = size(header.get(124..136).unwrap_or_default()) else {
            return search.is_opaque(Why::Damaged);
        };
        let from = at + BLOCK;
        let content = octets.get(from..from.saturating_add(size).min(octets.len())).unwrap_or_default();
        search.edges(content);
        nested(content, &name, search);
        at = from.saturating_add(size.next_multiple_of(BLOCK));
    }
}

/// A size in octal digits, or binary where the first bit is set.
fn size(field: &[u8]) -> Option<usize> {
    if field.first()? & 0x80 != 0 {
        return field
            .iter()
            .skip(4)
            .try_fold(0usize, |size, b| size.checked_mul(256)?.checked_add(usize::from(*b)))
            .filter(|size| *size < usize::MAX / 2);
    }
    let digits = field.iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit());
    digits
        .map(|b| usize::from(b - b'0'))
        .try_fold(0usize, |size, digit| size.checked_mul(8)?.checked_add(digit))
}
