//! How often a message has passed us: a signed count in a field of our own, which outlives the Received lines that some
//! programs strip when they send a message on.
//!
//! Rules: every message that we send has one count, one above the highest that is ours in what was received; without
//! one, or with none that is ours, it is the first. At [`PASSES_MAX`] the message is going round.
//! When it fails: [`Refusal::Loop`].

use super::accept::header_block;
use super::{Refusal, Relay};
use crate::anonymize::HOPS_FIELD;
use crate::mime::{header, lines, slice};

/// More Received lines than this are a loop (RFC 5321 §6.3 asks for a limit; real paths stay below 20).
const HOPS_MAX: usize = 30;
/// A message passes so often and no more. Once is usual; more is one who sends a mail on as it is.
const PASSES_MAX: u8 = 5;
/// Most fields that are looked at; programs write one.
const FIELDS_MAX: usize = 20;

impl Relay {
    /// The value of the field for what this message becomes.
    pub(super) fn next_hop_mark(&self, message: &[u8]) -> Result<String, Refusal> {
        let bytes = lines::only_crlf(message);
        // What can't be read as a header is refused by the anonymizer, with its reason.
        let passes = header::scan(&bytes, 0..bytes.len()).map_or(0, |header| {
            let fields = header.all(&bytes, HOPS_FIELD).take(FIELDS_MAX);
            fields
                .filter_map(|field| {
                    let mark = String::from_utf8_lossy(slice(&bytes, field.value.clone())).into_owned();
                    self.vault().hops.open(&mark)
                })
                .max()
                .unwrap_or(0)
        });
        if passes >= PASSES_MAX {
            return Err(Refusal::Loop);
        }
        Ok(self.vault().hops.mint(passes + 1))
    }
}

/// Whether a message made more hops than real ones do.
pub(super) fn is_looping(message: &[u8]) -> bool {
    let received = |line: &&[u8]| line.get(..9).is_some_and(|name| name.eq_ignore_ascii_case(b"received:"));
    header_block(message).split(|b| *b == b'\n').filter(received).count() > HOPS_MAX
}
