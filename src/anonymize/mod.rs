//! A received message in, one that names nobody out: pure, edited in place, and searched once more at the end.
//!
//! Rules: only this floor makes an [`Anonymized`], and only the `gate` makes it: what was rewritten is decoded and
//! searched again by code that shares nothing with the code that rewrote it. Header fields pass by allow-list, parts
//! without a hit keep their bytes. Nothing here knows a clock, a database or a route.
//! When it fails: [`Refusal`], whenever it is not certain that nothing is left. Nothing is passed on a guess.

mod anchors;
mod armour;
mod before;
mod body;
mod boundary;
mod calendar;
mod carried;
mod compose;
mod content;
mod content_id;
mod cut;
mod date;
mod embedded;
mod facts;
mod field;
mod file;
mod garbled;
mod gate;
mod gateways;
mod glued;
mod identity;
mod leaf;
mod longer;
mod meeting;
mod name;
mod needle;
mod nested;
mod outcome;
mod policy;
mod protected;
mod refusal;
mod report;
mod rules;
mod said;
mod search;
mod spelling;
mod stripping;
mod tags;
mod text;
mod tokens;
mod top;
mod traces;
mod unwrap;
mod written;

#[cfg(test)]
mod tests;

use crate::mail::{Alias, RealAddress, Timestamp};
use crate::mime::lines;
use crate::mime::tree::Budget;
use body::Writer;
use boundary::Boundaries;
use content_id::ContentIds;
use search::Search;
use std::borrow::Cow;
use traces::{Known, Traces};

pub use calendar::calendar_ids;
pub use facts::{FILES_MAX, FileFacts, MailFacts, facts};
pub use gate::{Files, Forbidden, Stopped, pass_gate};
pub use identity::{MAX_IDS, header_from, message_id, message_ids};
pub use name::may_be_shown;
pub use outcome::{Held, Hold, Outcome, Removed};
pub use refusal::Refusal;
pub use rules::{DocumentRule, NameRule, Rules, SignatureRule, TnefRule};
pub use top::HOPS_FIELD;

/// Room that is made for a message before anything of it is written, in octets.
const MAX_ROOM: usize = 64 * 1024;

/// Length of the local part of an alias, in octets; a store's public address is another one.
const ALIAS_LENGTH: usize = 28;

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
    /// What is known of the sender's machine beside the message: the peer's IP address and the name it gave. `None`
    /// where the recipient is its writer, to whom the way that it came is no secret.
    pub peer: Option<&'a [String]>,
    /// Whose message it is.
    pub writer: Party,
    /// What the installation decided about contents.
    pub rules: Rules,
}

/// A side of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// A person, whose domain names a person.
    Customer,
    /// A store, whose registered domain stands on all its pages, and is no trace in a text.
    Merchant,
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
    let Rewritten { bytes, traces, removed, names_in_document } = rewrite(message, passage)?;
    // What a sender may confirm is searched without files, so that only what is left can stop it for good.
    let checked = !names_in_document && passage.rules.documents != DocumentRule::Pass;
    let files = if checked { Files::Checked } else { Files::Confirmed };
    let message = match pass_gate(bytes, &Forbidden { secrets: passage.secrets, traces: &traces, files }) {
        Ok(message) if names_in_document => Err(Held { bytes: message.into_bytes(), why: Hold::Document }),
        Ok(message) => Ok(message),
        Err(stopped) if stopped.why == Refusal::Residue => {
            Err(Held { bytes: stopped.message, why: Hold::Residue })
        }
        Err(stopped) => return Err(stopped.why),
    };
    Ok(Outcome { message, removed, traces })
}

/// A message before the gate.
struct Rewritten {
    bytes: Vec<u8>,
    traces: Vec<String>,
    removed: Vec<Removed>,
    names_in_document: bool,
}

fn rewrite(message: &[u8], passage: &Passage<'_>) -> Result<Rewritten, Refusal> {
    let bytes = lines::only_crlf(message);
    let mut budget = Budget::default();
    let opened = unwrap::open(&bytes, &mut budget, passage)?;
    let (bytes, entity) = (opened.bytes.map_or(bytes, Cow::Owned), opened.entity);
    let mut search = Search::new(passage)?;
    let own = passage.own_domains();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    if let Some(peer) = passage.peer {
        let map = passage.message_id;
        let known = Known { peer, own: &own, writer: passage.writer, queue_id: passage.queue_id };
        search.add_traces(Traces::new(&bytes, &entity.header, &search, &known, map));
    }
    let mut boundaries = Boundaries::new(&bytes, &entity, &search, passage.queue_id);
    boundaries.add_names(search.traces().names());
    let mut ids = ContentIds::new(passage.relay_host);
    ids.collect(&bytes, &entity, &|left| search.holds_local_part(left) || boundaries.name_a_host(left));
    let hosts = boundaries.into_hosts();
    // They stand in texts too, with and without `cid:` before them.
    search.add_ids(ids.changed(), bytes.len());
    let boundaries = Boundaries::of(hosts, &search, passage.queue_id);
    // Room for large bodies is made where they are written.
    let mut out = Vec::with_capacity(bytes.len().min(MAX_ROOM) + 1024);
    let mut writer = Writer {
        passage,
        search: &search,
        traces: search.traces(),
        ids,
        boundaries,
        parts_left: budget.parts,
        rest: 0,
        removed: opened.removed,
        names_in_document: false,
    };
    top::header(&mut writer, &bytes, &entity, &mut out)?;
    writer.body(&bytes, &entity, 0, &mut out)?;
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    Ok(Rewritten {
        bytes: out,
        traces: writer.traces.for_the_gate(),
        removed: writer.removed.into_iter().collect(),
        names_in_document: writer.names_in_document,
    })
}

impl Passage<'_> {
    /// Our host and the domains of the aliases: what is ours and names nobody.
    fn own_domains(&self) -> Vec<String> {
        let aliases = self.to.iter().chain([self.from]).chain(self.secrets.iter().map(|secret| secret.alias));
        let mut out = vec![self.relay_host.to_ascii_lowercase()];
        for alias in aliases {
            let domain = alias.domain().as_str().to_owned();
            if !out.contains(&domain) {
                out.push(domain);
            }
        }
        out
    }

    /// Whether an address is an alias of this installation and of no party here: in a domain that lies beside ours.
    fn is_foreign(&self, address: &str) -> bool {
        let Some((local, domain)) = address.rsplit_once('@') else { return false };
        let known = self.secrets.iter().map(|secret| secret.alias).chain(self.to).chain([self.from]);
        let parent = |domain: &'_ str| domain.split_once('.').map(|(_, parent)| parent.to_owned());
        let mut ours = false;
        for alias in known {
            let own = alias.domain().as_str();
            if alias.local().eq_ignore_ascii_case(local) && own.eq_ignore_ascii_case(domain) {
                return false;
            }
            // One label for each class of addresses: those of `pc.fw.…` and `mb.fw.…` are all ours.
            let beside = parent(own).filter(|parent| parent.contains('.'));
            ours |= own.eq_ignore_ascii_case(domain)
                || beside.is_some_and(|own| parent(domain).is_some_and(|p| p.eq_ignore_ascii_case(&own)));
        }
        ours && local.len() == ALIAS_LENGTH
    }
}

/// The alias as text, when it can stand in any header and text as it is.
fn safe_alias(alias: &Alias) -> Result<String, Refusal> {
    let text = alias.to_string();
    let good = text.len() <= 254 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_@".contains(&b));
    if good { Ok(text) } else { Err(Refusal::Alias) }
}
