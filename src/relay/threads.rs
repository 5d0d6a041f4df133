//! Message-IDs, mapped both ways within a conversation.
//!
//! What a side writes is `ID`; what the other side sees is `<m…@domain of the writer's alias>`, where `…` is
//! HMAC-SHA-256 over `ID` under a subkey of the conversation's data key, truncated to 128 bits: stable, so that a
//! thread holds together, and unlinkable between conversations. The original of each id that was accepted is kept
//! sealed under that tag; when the other side answers, the tag leads back. An id that leads nowhere gets a pseudonym
//! like any other: nothing passes as it was written, except to the side that wrote it.

use super::{Conversation, Relay, RelayFault};
use crate::mail::Alias;
use crate::store::NewThread;
use crate::vault::{Place, Side, Tags};
use data_encoding::BASE32_NOPAD;
use std::collections::HashMap;
use std::fmt::Write as _;

/// The ids of one message, looked up.
pub(super) struct Threads {
    tags: Tags,
    writer: Alias,
    known: HashMap<String, String>,
}

impl Threads {
    /// Of what `writer` writes, with the ids that he has got from us.
    pub(super) fn new(conversation: &Conversation, writer: Side, known: HashMap<String, String>) -> Self {
        let tags = conversation.key.tags("thread ids");
        Self { tags, writer: conversation.alias(writer).clone(), known }
    }

    /// The id that the recipient sees.
    pub fn map(&self, id: &str) -> String {
        match self.known.get(id) {
            Some(original) => original.clone(),
            None => {
                let tag = BASE32_NOPAD.encode(&self.tag(id)).to_ascii_lowercase();
                let mut mapped = String::with_capacity(64);
                let _ = write!(mapped, "<m{tag}@{}>", self.writer.domain());
                mapped
            }
        }
    }

    /// Whether the id is a pseudonym of ours, which leads back to what it stands for.
    pub fn is_known(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    fn tag(&self, id: &str) -> Vec<u8> {
        self.tags.of(id.as_bytes()).to_vec()
    }
}

impl Relay {
    /// Whether an id is of a mail that this side wrote itself in the conversation.
    pub(super) async fn is_own_id(
        &self,
        conversation: &Conversation,
        threads: &Threads,
        id: &str,
    ) -> Result<bool, RelayFault> {
        Ok(!self.store().originals(conversation.id, &[threads.tag(id)]).await?.is_empty())
    }

    /// Looks up the ids that a message of `writer` names.
    pub(super) async fn threads(
        &self,
        conversation: &Conversation,
        writer: Side,
        ids: &[String],
    ) -> Result<Threads, RelayFault> {
        // Ids that the writer can have got from us: pseudonyms of what the other side wrote.
        let other = conversation.alias(writer.other()).domain().as_str();
        let candidates: Vec<(&String, Vec<u8>)> =
            ids.iter().filter_map(|id| Some((id, parse_pseudonym(id, other)?))).collect();
        let tags: Vec<Vec<u8>> = candidates.iter().map(|(_, tag)| tag.clone()).collect();
        let mut known = HashMap::new();
        for (tag, sealed) in self.store().originals(conversation.id, &tags).await? {
            let plain = conversation.key.open(original_place(&tag), &sealed)?;
            let original =
                String::from_utf8(plain.to_vec()).map_err(|_| RelayFault::Malformed("thread_id.original"))?;
            for (id, _) in candidates.iter().filter(|(_, own)| *own == tag) {
                known.insert((*id).clone(), original.clone());
            }
        }
        // A guest answers, from another address, what the order's own address was written.
        if let Some(order) = conversation.parent
            && known.len() < candidates.len()
            && let Some(order) = self.conversation_by_id(order).await?
        {
            for (tag, sealed) in self.store().originals(order.id, &tags).await? {
                let plain = order.key.open(original_place(&tag), &sealed)?;
                let original = String::from_utf8(plain.to_vec())
                    .map_err(|_| RelayFault::Malformed("thread_id.original"))?;
                for (id, _) in candidates.iter().filter(|(_, own)| *own == tag) {
                    known.entry((*id).clone()).or_insert_with(|| original.clone());
                }
            }
        }
        Ok(Threads::new(conversation, writer, known))
    }

    /// The row by which an answer to this id finds its way back.
    pub(super) fn new_thread(
        conversation: &Conversation,
        threads: &Threads,
        id: &str,
        message_id: i64,
    ) -> NewThread {
        let tag = threads.tag(id);
        NewThread {
            conversation_id: conversation.id,
            data_key_id: conversation.key.id(),
            original: conversation.key.seal(original_place(&tag), id.as_bytes()),
            tag,
            message_id,
        }
    }
}

fn original_place(tag: &[u8]) -> Place {
    let row = tag.first_chunk::<8>().map_or(0, |head| i64::from_be_bytes(*head));
    Place::new("thread_id", "original", row)
}

/// The tag of a pseudonym that we gave out in this domain.
pub(super) fn parse_pseudonym(id: &str, domain: &str) -> Option<Vec<u8>> {
    let (local, host) = id.strip_prefix('<')?.strip_suffix('>')?.rsplit_once('@')?;
    if !host.eq_ignore_ascii_case(domain) || local.len() != 27 {
        return None;
    }
    let body = local.strip_prefix(['m', 'M'])?;
    BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes()).ok()
}
