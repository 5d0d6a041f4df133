//! Reports about other mail (delivery status, read receipts, complaints) as somebody forwards them: what they say stays,
//! who said it goes.
//!
//! Rules: fields pass by allow-list (RFC 3464 §2.2, §2.3, RFC 8098 §3.2, RFC 5965 §3): what happened, when, to whom. The
//! reporting machine is ours, ids are mapped, addresses of the parties become their aliases; what a remote server said,
//! which often quotes the recipient, goes. A report is text in seven bits.
//! When it fails: [`Refusal`].

use super::body::{Writer, write_field};
use super::date::is_date;
use super::field;
use super::identity;
use super::search::Kind;
use super::top::mapped_ids;
use super::{Refusal, search::Search};
use crate::mime::header::{self, Field, unfold};
use crate::mime::slice;

/// Whether a type is a report's fields.
pub fn is_report(media: &str) -> bool {
    matches!(
        media,
        "message/delivery-status"
            | "message/global-delivery-status"
            | "message/disposition-notification"
            | "message/global-disposition-notification"
            | "message/feedback-report"
            | "message/tracking-status"
    )
}

/// The report without what names a machine. Blocks of fields are parted by empty lines.
pub fn scrubbed(writer: &Writer<'_>, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let block = header::scan(bytes, at..bytes.len())?;
        for one in &block.fields {
            write(writer, bytes, one, &mut out)?;
        }
        out.extend_from_slice(slice(bytes, block.range.end..block.body_start));
        at = block.body_start.max(at + 1);
    }
    Ok(out)
}

fn write(writer: &Writer<'_>, bytes: &[u8], one: &Field, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let name = slice(bytes, one.name.clone()).to_ascii_lowercase();
    let value = slice(bytes, one.value.clone());
    let search: &Search = writer.search;
    match name.as_slice() {
        b"reporting-mta" => {
            write_field(bytes, one, Some(format!(" dns; {}", writer.passage.relay_host).into_bytes()), out);
        }
        b"original-message-id" => {
            let ids = identity::ids_of(value);
            if let Some(new) = mapped_ids(&ids, writer.passage) {
                write_field(bytes, one, Some(new), out);
            }
        }
        b"arrival-date" | b"last-attempt-date" | b"will-retry-until" | b"received-date"
            if is_date(&unfold(value)) =>
        {
            write_field(bytes, one, None, out);
        }
        b"action" | b"status" | b"disposition" | b"feedback-type" | b"version" | b"incidents"
            if !writer.traces.stand_in(value)
                && field::scrubbed(value, Kind::Addresses, search)?.is_none() =>
        {
            write_field(bytes, one, None, out);
        }
        b"original-recipient" | b"final-recipient" => {
            write_field(bytes, one, field::scrubbed(value, Kind::Addresses, search)?, out);
        }
        _ => {}
    }
    Ok(())
}
