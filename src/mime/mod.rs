//! Where things are in a message: header fields, parts, transfer encodings, encoded words, parameters, charsets,
//! always as byte ranges over the buffer that was received, so that a change touches nothing but what it changes.
//!
//! Rules: the buffer has only CRLF line ends ([`lines::only_crlf`]); nothing here decides what may pass, nothing
//! knows an address. Every walk is bounded by the limits below.
//! When it fails: [`MimeError`], when the structure cannot be read with certainty or is beyond a limit. Broken
//! encodings and charsets do not fail: they are read as leniently as mail programs read them.

pub mod automatic;
mod base64;
pub mod charset;
pub mod header;
mod iso2022jp;
pub mod lines;
pub mod params;
mod quoted_printable;
pub mod transfer;
pub mod tree;
pub mod view;
pub mod words;

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
    #[error("a part has two different Content-Type or Content-Transfer-Encoding fields")]
    Duplicate,
    #[error("a Content-Type cannot be read with certainty")]
    ContentType,
    #[error("a multipart names no boundary, or one that occurs nowhere")]
    Boundary,
    #[error("a part has a Content-Transfer-Encoding that is not known")]
    TransferEncoding,
    #[error("a header has a line that is no field, or no empty line before the text")]
    PartHeader,
}

/// The bytes of `range`, or none where the range is not inside.
#[must_use]
pub fn slice(bytes: &[u8], range: Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}
