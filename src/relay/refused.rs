//! Records of what was refused, and the keys of those who are in no conversation.
//!
//! Rules: what is noted about somebody who is in no conversation is sealed with a key of the day for that address, found by a
//! keyed index, so that it can be erased like everything else about a person; it goes with the day's records. Where no address
//! is known, or the database does not give a key, the store's or the installation's seals: what was refused is noted in any case.
//! When it fails: the record is missing, and the log says so.

use super::accept::{Incoming, header_block};
use super::record::{About, Entry, Moment, peer_json};
use super::{Event, Login, Peer, Recipient, Refusal, Relay, RelayFault};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{DAY_MS, NewDetection, NewRecord, stranger_said};
use crate::vault::{DataKey, Index, Indexed};
use std::sync::Arc;

/// A recipient that was refused. `merchant`: the store that named it.
#[derive(Clone, Copy)]
pub(super) struct RefusedRecipient<'a> {
    pub login: Option<&'a Login>,
    pub sender: Option<&'a RealAddress>,
    pub to: &'a RealAddress,
    pub refusal: &'a Refusal,
    pub peer: &'a Peer,
    pub merchant: Option<i64>,
}

impl Relay {
    pub(super) async fn record_refusal(&self, incoming: &Incoming<'_>, refusal: &Refusal) {
        let (key, about) = match incoming.recipients.first() {
            Some((Recipient::Party { conversation, .. } | Recipient::Automatic { conversation, .. }, _)) => (
                conversation.key.clone(),
                About {
                    merchant: Some(conversation.merchant.id),
                    conversation: Some(conversation.id),
                    ..About::default()
                },
            ),
            Some((Recipient::Inquiry(merchant), _)) => (
                self.key_of_stranger(incoming.sender, &merchant.key).await,
                About { merchant: Some(merchant.id), ..About::default() },
            ),
            _ => (self.key_of_stranger(incoming.sender, &self.inner.installation).await, About::default()),
        };
        let detail = serde_json::json!({
            "reason": refusal.name(),
            "reply": refusal.reply().code(),
            "from": incoming.sender.map(RealAddress::reveal),
            "peer": peer_json(incoming.peer),
            "proof": incoming.proof.to_json(),
            "size_received": incoming.bytes.len(),
            "rule": match refusal {
                Refusal::Detected { rule, version } => Some(format!("{rule}/{version}")),
                _ => None,
            },
        });
        let headers = header_block(&incoming.bytes);
        let record =
            self.sealed_record(&key, Event::Refused, about, Some(incoming.peer.ip), &detail, Some(headers));
        let mut fact = self.fact_of_refusal(incoming, record.at);
        if let Refusal::Detected { rule, version } = refusal {
            let (rule, version) = (rule.clone(), i64::from(*version));
            fact.detected.push(NewDetection { rule, version, mode: "refuse" });
        }
        self.keep(self.examined(record.found_by(fact), None)).await;
    }

    /// Keeps a record of a recipient that was refused.
    pub async fn record_refused_recipient(
        &self,
        login: Option<&Login>,
        sender: Option<&RealAddress>,
        to: &RealAddress,
        refusal: &Refusal,
        peer: &Peer,
    ) {
        // A store is known by its login; whom it wrote to may be a customer by the real address.
        let (key, merchant) = match login {
            Some(login) => {
                (self.key_of_stranger(Some(to), &login.merchant.key).await, Some(login.merchant.id))
            }
            None => (self.key_of_stranger(sender, &self.inner.installation).await, None),
        };
        let refused = RefusedRecipient { login, sender, to, refusal, peer, merchant };
        self.keep(self.record_of_recipient(self.moment(), &key, &refused)).await;
    }

    pub(super) fn record_of_recipient(
        &self,
        moment: Moment,
        key: &DataKey,
        refused: &RefusedRecipient<'_>,
    ) -> NewRecord {
        let RefusedRecipient { login, sender, to, refusal, peer, merchant } = *refused;
        let detail = serde_json::json!({
            "reason": refusal.name(),
            "reply": refusal.reply().code(),
            "from": sender.map(RealAddress::reveal),
            "to": to.reveal(),
            "peer": peer_json(peer),
        });
        let about = About { merchant, ..About::default() };
        let (event, source) = (Event::Refused, Some(peer.ip));
        let record =
            self.sealed_at(moment, key, &Entry { event, about, source, detail: &detail, headers: None });
        let fact = self.fact_of_recipient(login, sender, to, peer, record.at);
        self.examined(record.found_by(fact), None)
    }

    /// The key of somebody who writes to the operator, which lives as long as records of mail that was taken.
    pub(super) async fn key_of_writer(&self, sender: Option<&RealAddress>) -> Arc<DataKey> {
        let otherwise = &self.inner.installation;
        let Some(sender) = sender else { return otherwise.clone() };
        let Ok((key, index, day)) = self.day_key(sender).await else { return otherwise.clone() };
        match self.store().keep_stranger(index, day).await {
            Ok(()) => key,
            Err(_) => otherwise.clone(),
        }
    }

    /// The day's key of an address, or the one that seals otherwise.
    async fn key_of_stranger(&self, address: Option<&RealAddress>, otherwise: &Arc<DataKey>) -> Arc<DataKey> {
        match address {
            Some(address) => self.day_key_of(address).await.unwrap_or_else(|_| otherwise.clone()),
            None => otherwise.clone(),
        }
    }

    async fn day_key_of(&self, address: &RealAddress) -> Result<Arc<DataKey>, RelayFault> {
        self.day_key(address).await.map(|(key, ..)| key)
    }

    async fn day_key(&self, address: &RealAddress) -> Result<(Arc<DataKey>, Index, i64), RelayFault> {
        let now = Timestamp::now();
        let (index, day) =
            (self.vault().index.of(Indexed::Stranger(address)), now.as_millis().div_euclid(DAY_MS));
        if let Some(row) = self.store().stranger(index, day).await? {
            return Ok((self.data_key(&row)?, index, day));
        }
        let (key, new) = self.new_data_key("stranger");
        let ruling = self.proof_of("stranger", new.id, &stranger_said(index.as_bytes(), day));
        match self.store().add_stranger(index, day, (&new, ruling), now).await? {
            None => Ok((key, index, day)),
            // Another session was faster.
            Some(row) => Ok((self.data_key(&row)?, index, day)),
        }
    }
}
