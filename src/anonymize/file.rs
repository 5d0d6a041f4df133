//! A file: passed as it is, if nobody is named in it.
//!
//! Rules: its octets are searched as they stand. What is found is not changed, since a changed file may be a broken one:
//! the message is held, and its sender decides.
//! When it fails: [`Refusal`].

use super::Refusal;
use super::body::Writer;
use super::rules::DocumentRule;
use super::text;
use crate::mime::tree::Entity;

/// Appends the body of a file.
pub fn pass(
    writer: &mut Writer<'_>,
    raw: &[u8],
    entity: &Entity,
    _name: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if writer.passage.rules.documents != DocumentRule::Pass {
        let octets = entity.encoding.decode(raw);
        writer.names_in_document |= text::is_in(&octets, writer.search);
    }
    out.extend_from_slice(raw);
    Ok(())
}
