//! A message inside a message: forwarded as an attachment, or the headers of one in a report.
//!
//! Rules: its header passes by allow-list as well: who, to whom, when, about what, with the secrets replaced, its ids
//! mapped like those of the outer message. The way it took (Received, Return-Path, authentication results, all X-)
//! goes, and so do lines that are no field. Its body is walked like any other.
//! When it fails: [`Refusal`].

use super::Refusal;
use super::body::{Writer, empty_line, write_field};
use super::date::{self, is_date};
use super::field;
use super::search::Kind;
use super::top::mapped_ids;
use crate::mime::header::{self, Header, unfold};
use crate::mime::slice;
use crate::mime::transfer::Encoding;
use crate::mime::tree::{Content, Entity};

/// Appends a message that stands `depth` levels deep.
pub fn message(
    writer: &mut Writer<'_>,
    bytes: &[u8],
    entity: &Entity,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    fields(writer, bytes, entity, out)?;
    empty_line(bytes, entity, out);
    writer.body(bytes, entity, depth, out)
}

/// A header without body.
pub fn header_only(writer: &mut Writer<'_>, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let header = header::scan(bytes, 0..bytes.len())?;
    let body = bytes.len()..bytes.len();
    let entity = Entity {
        header,
        body,
        media: "text/plain".to_owned(),
        content_type: None,
        type_as_read: None,
        lacks_empty_line: false,
        encoding: Encoding::Identity,
        content: Content::Leaf,
    };
    let mut out = Vec::with_capacity(bytes.len());
    fields(writer, bytes, &entity, &mut out)?;
    Ok(out)
}

fn fields(writer: &mut Writer<'_>, bytes: &[u8], entity: &Entity, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let header: &Header = &entity.header;
    for one in &header.fields {
        let name = slice(bytes, one.name.clone()).to_ascii_lowercase();
        let value = slice(bytes, one.value.clone());
        match name.as_slice() {
            b"from" | b"to" | b"cc" | b"reply-to" | b"subject" | b"mime-version" | b"auto-submitted" => {
                write_field(bytes, one, field::scrubbed(value, Kind::Addresses, writer.search)?, out);
            }
            b"date" => {
                if is_date(&unfold(value)) {
                    write_field(bytes, one, date::without_remark(&unfold(value)), out);
                }
            }
            b"message-id" | b"in-reply-to" | b"references" => {
                let ids = super::identity::ids_of(value);
                if let Some(new) = mapped_ids(&ids, writer.passage) {
                    write_field(bytes, one, Some(new), out);
                }
            }
            _ => {
                writer.content_field(bytes, entity, one, out)?;
            }
        }
    }
    Ok(())
}
