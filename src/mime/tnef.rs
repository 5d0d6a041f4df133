//! Outlook's winmail.dat unwrapped to what a person sees of it: texts, attachments, a meeting.
//!
//! Rules: MS-OXTNEF. A TNEF stream is a whole message store record: it names sender and recipients, search keys,
//! entry ids, programs. Only what [`Unwrapped`] lists comes out of it. A text is plain or HTML; RTF becomes one of
//! them ([`super::rtf`]), and only where there is none. Embedded messages are unwrapped to the same, [`MAX_DEPTH`]
//! deep.
//! When it fails: `None`. A stream that breaks off gives what is whole in it, and [`Unwrapped::whole`] is false; so
//! does one with more than the limits allow, or with an object that cannot be read.

mod attachment;
mod lzfu;
mod meeting;
mod message;
mod stream;

pub use meeting::{Answer, Meeting, Method};

use crate::mime::MAX_PARTS;
use message::Message;
use stream::{Attributes, Reader};

/// Deepest nesting of messages in messages.
pub const MAX_DEPTH: usize = 4;
/// Most attributes and properties of a stream, those of nested messages included.
const MAX_ITEMS: usize = 100_000;
/// What every stream begins with (MS-OXTNEF §2.1.3.1).
const SIGNATURE: &[u8] = &[0x78, 0x9f, 0x3e, 0x22];
/// The code page of a stream that names none.
const WESTERN: u32 = 1252;

/// A part to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Type and subtype, in lower case.
    pub media: String,
    /// The charset of a text, where it is known.
    pub charset: Option<&'static str>,
    /// The file name, without a path.
    pub name: Option<String>,
    /// The Content-ID, without its angle brackets.
    pub content_id: Option<String>,
    /// The content; a text has CRLF line ends.
    pub octets: Vec<u8>,
}

/// What hangs at a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    File(Piece),
    /// Another message, with what it is called: mostly its subject.
    Message {
        name: Option<String>,
        content: Unwrapped,
    },
}

/// What a person sees of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unwrapped {
    /// At most a plain text and an HTML text, in this order, as multipart/alternative has them.
    pub bodies: Vec<Piece>,
    pub attachments: Vec<Attachment>,
    /// The meeting that the message is about.
    pub meeting: Option<Meeting>,
    /// Whether all of the stream could be read, nested messages included.
    pub whole: bool,
}

/// What may still be read.
struct Budget {
    items: usize,
    parts: usize,
    rtf: usize,
}

impl Budget {
    /// Takes one from `left`; false where nothing is left.
    fn spend(left: &mut usize) -> bool {
        let spent = left.checked_sub(1);
        *left = spent.unwrap_or(0);
        spent.is_some()
    }
}

/// Whether octets are a TNEF stream by their beginning.
#[must_use]
pub fn is_tnef(octets: &[u8]) -> bool {
    octets.starts_with(SIGNATURE)
}

/// What is in a TNEF stream. A whole one may have nothing: the text of its message then stands beside it.
#[must_use]
pub fn unwrap(octets: &[u8]) -> Option<Unwrapped> {
    let mut budget = Budget { items: MAX_ITEMS, parts: MAX_PARTS, rtf: lzfu::MAX_RTF };
    read(octets, 0, &mut budget)
}

fn read(octets: &[u8], depth: usize, budget: &mut Budget) -> Option<Unwrapped> {
    let mut reader = Reader { rest: octets };
    if reader.take(SIGNATURE.len())? != SIGNATURE {
        return None;
    }
    reader.u16()?;
    let mut attributes = Attributes::new(reader.rest);
    let mut message = Message::new(attributes.clone());
    for attribute in attributes.by_ref() {
        if !Budget::spend(&mut budget.items) {
            message.whole = false;
            break;
        }
        message.attribute(attribute, budget);
    }
    message.whole &= !attributes.is_damaged();
    let unwrapped = message.finish(depth, budget);
    let has_content = !unwrapped.bodies.is_empty() || !unwrapped.attachments.is_empty();
    (has_content || unwrapped.whole).then_some(unwrapped)
}

#[cfg(test)]
mod tests;
