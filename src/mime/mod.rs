//! Where things are in a message: header fields, parts, transfer encodings, encoded words, parameters, charsets,
//! always as byte ranges over the buffer that was received, so that a change touches nothing but what it changes.
//!
//! Rules: the buffer has only CRLF line ends ([`lines::only_crlf`]); nothing here decides what may pass, nothing
//! knows an address. Every walk is bounded by the limits below.
//! When it fails: [`MimeError`], beyond a limit. Nothing else fails: what is broken is read as leniently as mail programs
//! read it.

pub mod automatic;
mod base64;
pub mod base64_block;
pub mod binary;
pub mod charset;
pub mod cms;
mod codepage;
pub mod downgrade;
pub mod header;
mod iso2022jp;
pub mod line_value;
pub mod lines;
pub mod long_lines;
pub mod params;
pub mod pgp;
mod quoted_printable;
pub mod rtf;
mod shifted;
pub mod tnef;
pub mod transfer;
pub mod tree;
mod unicode;
pub mod uuencode;
pub mod view;
pub mod way_back;
pub mod words;
pub mod yenc;

use std::ops::Range;

/// Longest header block, in octets, of a message or a part.
pub const MAX_HEADER: usize = 256 * 1024;
/// Most header fields in one block.
pub const MAX_FIELDS: usize = 2000;
/// Deepest nesting of multiparts and messages.
pub const MAX_DEPTH: usize = 32;
/// Most parts in a message, those of nested messages included.
pub const MAX_PARTS: usize = 1000;

/// Why a structure cannot be read. No variant carries text of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    #[error("a header is longer than 256 KiB")]
    HeaderTooLong,
    #[error("a header has more than 2000 fields")]
    TooManyFields,
    #[error("the message is nested more than 32 levels deep")]
    TooDeep,
    #[error("the message has more than 1000 parts")]
    TooManyParts,
}

/// From how many octets on a buffer is given back as soon as it is freed.
const LARGE: usize = 1 << 20;
/// What is larger glibc maps by itself and never keeps for reuse (`DEFAULT_MMAP_THRESHOLD_MAX`, mallopt(3)).
const GIVEN_BACK: usize = (32 << 20) + (1 << 12);

/// How much room to ask for so that a buffer of so many octets is given back to the system when it is freed. Room that is
/// never written to takes no memory.
#[must_use]
pub fn room(octets: usize) -> usize {
    if octets < LARGE { octets } else { octets.max(GIVEN_BACK) }
}

/// The bytes of `range`, or none where the range is not inside.
#[must_use]
pub fn slice(bytes: &[u8], range: Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}
