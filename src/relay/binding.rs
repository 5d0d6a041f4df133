//! What leads mail is bound: aliases to their conversation, and a conversation's address to its revision.
//!
//! Rules: who can write the database and has no key must not be able to lead mail elsewhere by moving rows or putting old ones
//! back. So a conversation keeps, sealed with its key, how often its address was changed and a hash of store, order and
//! addresses; each of its two aliases keeps whose it is, and at which revision. Three rows must agree before a mail follows
//! them. Versions before this one wrote neither: until `anshin keys rewrap` has bound what they left nothing is compared, and
//! from then on what is not bound leads nowhere. A new installation is bound from the start.
//! When it fails: [`RelayFault::Tampered`]: mail is deferred, and the operator is told.

use super::conversation::{Conversation, former_place, label_place};
use super::{Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::{AliasRow, Bound, ConversationRow};
use crate::vault::{DataKey, Index, IndexKey, Indexed, Place, Purpose, Sealed, Side, VaultError};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::atomic::Ordering;

/// Conversations of one batch.
const BATCH: i64 = 200;

/// What a conversation's revision says.
#[derive(Serialize, Deserialize)]
struct Revision {
    number: u64,
    hash: String,
}

/// What an alias's tag says.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Tag {
    conversation: i64,
    side: String,
    revision: u64,
}

/// What of a conversation leads mail.
pub(super) struct Leads<'a> {
    pub id: i64,
    pub merchant: i64,
    pub parent: Option<i64>,
    pub customer: &'a Sealed,
    pub former: Option<&'a Sealed>,
    /// The customer's alias and the store's.
    pub aliases: [i64; 2],
}

/// What a batch of the binding came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Up to which conversation, how many were bound, and how many do not open.
    More { position: i64, written: u64, unreadable: u64 },
    /// All are, but nobody has said that no older version runs any more.
    Unmarked,
    /// All are, and what is not leads nowhere.
    Done,
    /// A secret that it takes is not in this ring.
    NoKey(Purpose),
}

impl<'a> Leads<'a> {
    fn of(row: &'a ConversationRow) -> Self {
        Self {
            id: row.id,
            merchant: row.merchant.id,
            parent: row.parent,
            customer: &row.customer,
            former: row.former.as_ref(),
            aliases: [row.customer_alias.id, row.merchant_alias.id],
        }
    }

    fn hash(&self) -> String {
        let mut hash = Sha256::new().chain_update(b"anshin revision 1\0");
        for number in [self.id, self.merchant, self.parent.unwrap_or_default()] {
            hash.update(number.to_be_bytes());
        }
        for sealed in [Some(self.customer), self.former] {
            let octets = sealed.map_or(&[][..], Sealed::stored);
            hash.update((octets.len() as u64).to_be_bytes());
            hash.update(octets);
        }
        HEXLOWER.encode(&hash.finalize())
    }

    /// Binds it under its key at a revision.
    pub(super) fn bind(&self, key: &DataKey, number: u64) -> Result<Bound, RelayFault> {
        let malformed = |_| RelayFault::Malformed("conversation.revision");
        let revision = serde_json::to_vec(&Revision { number, hash: self.hash() }).map_err(malformed)?;
        let mut tags = Vec::new();
        for (alias, side) in self.aliases.into_iter().zip([Side::Customer, Side::Merchant]) {
            let tag = Tag { conversation: self.id, side: side.as_str().to_owned(), revision: number };
            let text = serde_json::to_vec(&tag).map_err(malformed)?;
            tags.push((alias, key.seal(tag_place(alias), &text)));
        }
        Ok(Bound { revision: key.seal(revision_place(self.id), &revision), tags })
    }
}

const fn revision_place(conversation: i64) -> Place {
    Place::new("conversation", "revision", conversation)
}

const fn tag_place(alias: i64) -> Place {
    Place::new("alias", "tag", alias)
}

impl Relay {
    /// The revision of a conversation whose rows belong together.
    ///
    /// # Errors
    /// [`RelayFault::Tampered`] when they do not.
    pub(super) fn revision_of(&self, row: &ConversationRow, key: &DataKey) -> Result<u64, RelayFault> {
        if !self.is_bound() {
            return Ok(stored_revision(row, key).unwrap_or_default());
        }
        bound_revision(row, key).ok_or(RelayFault::Tampered(row.id))
    }

    /// Whether everything of older versions is bound. What was so stays so.
    pub(super) fn is_bound(&self) -> bool {
        self.inner.is_bound.load(Ordering::Relaxed)
    }

    /// Looks whether everything is bound by now.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn learn_bound(&self) -> Result<(), RelayFault> {
        if !self.is_bound() {
            let mark = self.store().bound().await?;
            let is_ours = mark.as_deref() == Some(bound_mark(&self.vault().index).as_bytes());
            self.inner.is_bound.store(is_ours, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Binds some of what older versions have written, after a position (-1 at first). `all_have`: somebody says that no process
    /// of an older version runs any more; from the end of this walk on what is not bound leads no mail.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or a key is not here.
    pub async fn bind_some(&self, position: i64, all_have: bool) -> Result<Binding, RelayFault> {
        if self.is_bound() {
            return Ok(Binding::Done);
        }
        if let Some(purpose) = self.lacks_key_of_looks() {
            return Ok(Binding::NoKey(purpose));
        }
        let rows = self.store().conversations_after(position, BATCH).await?;
        let Some(last) = rows.last() else {
            self.prove_rulings().await?;
            if !all_have {
                return Ok(Binding::Unmarked);
            }
            let mark = bound_mark(&self.vault().index);
            self.store().set_bound(mark).await?;
            self.inner.is_bound.store(true, Ordering::Relaxed);
            return Ok(Binding::Done);
        };
        let (mut bound, mut unreadable) = (Vec::new(), 0);
        for row in &rows {
            let key = match self.data_key(&row.key) {
                Err(VaultError::Destroyed { .. }) => continue,
                key => key?,
            };
            // What does not open stays as it is, and leads nowhere.
            match self.open_unbound(row, key.clone()) {
                Ok(_) => {
                    let number = stored_revision(row, &key).unwrap_or_default();
                    bound.push((row.id, row.customer.clone(), Leads::of(row).bind(&key, number)?));
                }
                Err(RelayFault::Vault(VaultError::DoesNotOpen { .. }) | RelayFault::Malformed(_)) => {
                    tracing::warn!(event = "unreadable", stage = "bindings", id = row.id);
                    unreadable += 1;
                }
                Err(fault) => return Err(fault),
            }
        }
        let written = self.store().bind(&bound).await?;
        Ok(Binding::More { position: last.id, written, unreadable })
    }

    /// Opens a conversation, and tells the operator where its rows do not belong together.
    pub(super) async fn open_bound(&self, row: &ConversationRow) -> Result<Conversation, RelayFault> {
        let opened = self.open_conversation_row(row);
        if let Err(RelayFault::Tampered(id)) = opened {
            self.tell_tampered(id).await;
        }
        opened
    }

    /// Tells the operator that rows of a conversation do not belong together; once a week.
    async fn tell_tampered(&self, conversation: i64) {
        let id = queue_id(conversation);
        tracing::error!(
            event = "tampered",
            conversation = %id,
            "its rows do not belong together: mail for it is deferred (docs/audit-tree.md)"
        );
        let Some(postmaster) = self.policy().postmaster.clone() else { return };
        let subject = format!("Rows of conversation {id} were changed");
        let text = super::words::tampered(&id);
        let once = format!("tampered {id}");
        let told = self.write_to(&postmaster, &once, &subject, &text, Timestamp::now()).await;
        if let Err(fault) = told {
            tracing::error!(event = "fault", %fault, "the operator could not be told");
        }
    }
}

/// What says in the database that everything is bound.
pub(super) fn bound_mark(index: &IndexKey) -> Index {
    index.of(Indexed::Ruling { table: "installation", row: 1, said: "bound" })
}

fn stored_revision(row: &ConversationRow, key: &DataKey) -> Option<u64> {
    let plain = key.open(revision_place(row.id), row.revision.as_ref()?).ok()?;
    serde_json::from_slice::<Revision>(&plain).ok().map(|revision| revision.number)
}

/// Whether a key opens anything that a conversation's row or its aliases have sealed. Nobody without the key makes what opens there, so one
/// value is enough, whatever was done to the others.
pub(super) fn is_key_of(row: &ConversationRow, key: &DataKey) -> bool {
    let sealed = [
        (Place::new("conversation", "customer", row.id), Some(&row.customer)),
        (label_place(row.id), Some(&row.label)),
        (former_place(row.id), row.former.as_ref()),
        (revision_place(row.id), row.revision.as_ref()),
    ];
    let is_its_tag = |alias: &AliasRow| {
        let plain = alias.tag.as_ref().and_then(|tag| key.open(tag_place(alias.id), tag).ok());
        let tag = plain.and_then(|plain| serde_json::from_slice::<Tag>(&plain).ok());
        tag.is_some_and(|tag| tag.conversation == row.id)
    };
    sealed.into_iter().any(|(place, value)| value.is_some_and(|value| key.open(place, value).is_ok()))
        || [&row.customer_alias, &row.merchant_alias].into_iter().any(is_its_tag)
}

fn bound_revision(row: &ConversationRow, key: &DataKey) -> Option<u64> {
    let plain = key.open(revision_place(row.id), row.revision.as_ref()?).ok()?;
    let revision: Revision = serde_json::from_slice(&plain).ok()?;
    let is_bound = |(alias, side): (&AliasRow, Side)| {
        let plain = key.open(tag_place(alias.id), alias.tag.as_ref()?).ok()?;
        let tag: Tag = serde_json::from_slice(&plain).ok()?;
        let own = Tag { conversation: row.id, side: side.as_str().to_owned(), revision: revision.number };
        (tag == own).then_some(())
    };
    let pair = [(&row.customer_alias, Side::Customer), (&row.merchant_alias, Side::Merchant)];
    let is_whole =
        revision.hash == Leads::of(row).hash() && pair.into_iter().all(|one| is_bound(one).is_some());
    is_whole.then_some(revision.number)
}

impl Conversation {
    /// What the same conversation with other addresses is bound by.
    pub(super) fn bound_to(&self, customer: &Sealed, former: &Sealed) -> Result<Bound, RelayFault> {
        let leads = Leads {
            id: self.id,
            merchant: self.merchant.id,
            parent: self.parent,
            customer,
            former: Some(former),
            aliases: self.alias_ids,
        };
        leads.bind(&self.key, self.revision + 1)
    }
}
