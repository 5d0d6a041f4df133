//! A received message in, one that names nobody out: pure, edited in place, and searched once more at the end.
//!
//! Rules: only this floor makes an [`Anonymized`], and only the `gate` makes it: what was rewritten is decoded and
//! searched again by code that shares nothing with the code that rewrote it. Header fields pass by allow-list, parts
//! without a hit keep their bytes. Nothing here knows a clock, a database or a route.
//! When it fails: [`Refusal`], whenever it is not certain that nothing is left. Nothing is passed on a guess.

mod body;
mod boundary;
mod content;
mod content_id;
mod date;
mod field;
mod gate;
mod identity;
mod name;
mod nested;
mod outcome;
mod policy;
mod refusal;
mod rules;
mod search;
mod spelling;
mod stripping;
mod text;
mod top;

#[cfg(test)]
mod tests;

use crate::mail::{Alias, RealAddress, Timestamp};
use crate::mime::lines;
use crate::mime::tree::{self, Budget};
use body::Writer;
use boundary::Boundaries;
use content_id::ContentIds;
use search::Search;

pub use gate::{Files, Forbidden, Stopped, pass_gate};
pub use identity::{MAX_IDS, header_from, message_id, message_ids};
pub use outcome::{Held, Hold, Outcome, Removed};
pub use refusal::Refusal;
pub use rules::{DocumentRule, NameRule, Rules, SignatureRule, TnefRule};
pub use top::HOPS_FIELD;

/// What is done to one message on its way to one recipient.
pub struct Passage<'a> {
    /// Whom the recipient sees as the sender: the alias in From and Reply-To.
    pub from: &'a Alias,
    /// The name in From where the written one does not pass; empty for none.
    pub fallback_name: &'a str,
    /// What the recipient sees in To.
    pub to: &'a [Alias],
    /// The real addresses known in this conversation, of both parties, and the alias that takes the place of each.
    pub secrets: &'a [Secret<'a>],
    /// Maps a Message-ID (with its brackets) as the sender wrote it to the one that the recipient sees. Total: an
    /// unknown id gets a stable pseudonym. What is no id in return is left out.
    pub message_id: &'a dyn Fn(&str) -> String,
    /// Our host name, for our one Received line, and for ids that need a host.
    pub relay_host: &'a str,
    /// Our id of the message, for the same line.
    pub queue_id: &'a str,
    /// The value of [`HOPS_FIELD`]: how often the message has passed us; empty for none.
    pub hops: &'a str,
    /// When the message was accepted, for the same line and for a missing Date.
    pub at: Timestamp,
    /// What is known of the sender's machine beside the message: the peer's IP address and the name it gave.
    pub peer: &'a [String],
    /// What the installation decided about contents.
    pub rules: Rules,
}

/// A real address and what takes its place.
pub struct Secret<'a> {
    /// The address that must not be found.
    pub address: &'a RealAddress,
    /// The alias of the same party.
    pub alias: &'a Alias,
}

/// A finished message that has passed the gate. Has only CRLF line ends. Made nowhere but there.
pub struct Anonymized {
    bytes: Vec<u8>,
}

impl Anonymized {
    /// The message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the message away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether it has octets above 127, so that the next hop must offer 8BITMIME (RFC 6152).
    #[must_use]
    pub fn needs_8bit(&self) -> bool {
        !self.bytes.is_ascii()
    }

    /// Whether its header has raw UTF-8, so that the next hop must offer SMTPUTF8 (RFC 6531, RFC 6532). Other raw
    /// octets in a header, which old programs write, are no UTF-8 and ask for [`needs_8bit`](Self::needs_8bit).
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        let end = memchr::memmem::find(&self.bytes, b"\r\n\r\n").unwrap_or(self.bytes.len());
        let header = self.bytes.get(..end).unwrap_or_default();
        !header.is_ascii() && std::str::from_utf8(header).is_ok()
    }
}

/// Rewrites a message for its recipient and sends it through the gate.
///
/// # Errors
/// [`Refusal`], with a text for the sender.
pub fn anonymize(message: &[u8], passage: &Passage<'_>) -> Result<Outcome, Refusal> {
    let bytes = rewrite(message, passage)?;
    let traces = Vec::new();
    let forbidden = Forbidden { secrets: passage.secrets, traces: &traces, files: Files::Checked };
    let message = match pass_gate(bytes, &forbidden) {
        Ok(message) => Ok(message),
        Err(stopped) if stopped.why == Refusal::Residue => {
            Err(Held { bytes: stopped.message, why: Hold::Residue })
        }
        Err(stopped) => return Err(stopped.why),
    };
    Ok(Outcome { message, removed: Vec::new(), traces })
}

/// The message rewritten, before the gate.
fn rewrite(message: &[u8], passage: &Passage<'_>) -> Result<Vec<u8>, Refusal> {
    let bytes = lines::only_crlf(message);
    let mut budget = Budget::default();
    let entity = tree::parse(&bytes, &mut budget)?;
    let search = Search::new(passage)?;
    let boundaries = Boundaries::new(&bytes, &entity, &search, passage.queue_id);
    let mut ids = ContentIds::new(passage.relay_host);
    ids.collect(&bytes, &entity, &|left| search.holds_local_part(left) || boundaries.name_a_host(left));
    let mut out = Vec::with_capacity(bytes.len() + 1024);
    let mut writer = Writer { passage, search: &search, ids, boundaries, parts_left: budget.parts };
    top::header(&mut writer, &bytes, &entity, &mut out)?;
    writer.body(&bytes, &entity, 0, &mut out)?;
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    Ok(out)
}

/// The alias as text, when it can stand in any header and text as it is.
fn safe_alias(alias: &Alias) -> Result<String, Refusal> {
    let text = alias.to_string();
    let good = text.len() <= 254 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_@".contains(&b));
    if good { Ok(text) } else { Err(Refusal::Alias) }
}
