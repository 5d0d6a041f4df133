//! Legal holds: what must not be destroyed while a case is open.
//!
//! Rules: who sets one says who he is, why, and for which case, which is written down among the looks; lifting takes a second
//! person (`desk.rs`). What it keeps stands in its row, sealed beside it, and by its hash in the look: a row that was changed is put
//! back before anything is destroyed. A hold on a person follows the person: conversations that began since are added before anything is
//! destroyed.
//! When it fails: [`DeskFault`], and nothing is held.

use super::desk::DeskFault;
use super::look::Look;
use super::{OrderFault, Relay, RelayFault, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{HeldScope, LegalHoldRow, NewLegalHold};
use crate::vault::{Place, VaultError};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a hold keeps: what meets all of it. At least one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldScope {
    pub store_id: Option<String>,
    /// A customer's address; never shown but to whoever may look.
    pub customer: Option<String>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// A hold, opened as far as it names nobody.
pub struct LegalHoldView {
    pub id: String,
    pub at: Timestamp,
    pub case: Option<String>,
    pub store_id: Option<String>,
    pub by_person: bool,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub lifted_at: Option<Timestamp>,
}

/// Why nothing is held.
#[derive(Debug, thiserror::Error)]
pub enum HoldFault {
    #[error("hold: name a store, a customer or a time, or nothing would ever be destroyed")]
    Empty,
    #[error("--from must be before --until")]
    Times,
    #[error("customer: an address such as name@example.jp")]
    Customer,
    #[error("customer: this address has no conversation here")]
    Nobody,
    #[error("hold: no such hold, or it was lifted already")]
    NoHold,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Relay {
    /// Sets a hold; its id, and how many conversations it names.
    ///
    /// # Errors
    /// [`DeskFault`]; then nothing is held.
    pub async fn add_legal_hold(&self, look: &Look, scope: HoldScope) -> Result<(String, usize), DeskFault> {
        self.may_look(look).await?;
        if scope == HoldScope::default() {
            return Err(HoldFault::Empty.into());
        }
        if let (Some(from), Some(until)) = (scope.from, scope.until)
            && from >= until
        {
            return Err(HoldFault::Times.into());
        }
        let merchant_id = match &scope.store_id {
            Some(store_id) => {
                let row = self.merchant_row(store_id).await?;
                Some(row.ok_or(OrderFault::NoStore)?.id)
            }
            None => None,
        };
        let conversations = match &scope.customer {
            Some(customer) => {
                let address = RealAddress::parse(customer).map_err(|_| HoldFault::Customer)?;
                let found = self.conversations_ever(&address).await?;
                if found.is_empty() {
                    return Err(HoldFault::Nobody.into());
                }
                Some(found)
            }
            None => None,
        };
        let (id, now) = (self.next_id(), Timestamp::now());
        let (key, new_key) = self.new_data_key("hold");
        let held = HeldScope {
            merchant_id,
            by_person: conversations.is_some(),
            from: scope.from.map(Timestamp::as_millis),
            until: scope.until.map(Timestamp::as_millis),
        };
        let detail = json!({
            "case": look.case, "store_id": scope.store_id, "customer": scope.customer, "keeps": held,
        });
        let count = conversations.as_ref().map_or(0, Vec::len);
        let what = json!({ "hold": queue_id(id), "keeps": keeps_hash(id, &held) });
        let entry = self.entry(look, "hold", Some(what), 0, "set", None);
        let new = NewLegalHold {
            id,
            at: now,
            scope: held,
            conversations: conversations.unwrap_or_default(),
            key: new_key,
            detail: key.seal(detail_place(id), detail.to_string().as_bytes()),
        };
        self.store().add_hold(&entry, &new).await.map_err(RelayFault::from)?;
        tracing::info!(event = "legal_hold", hold = queue_id(id), "set");
        Ok((queue_id(id), count))
    }

    /// All holds, the oldest first. Of lifted ones only times are known.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or the keys fail.
    pub async fn legal_holds(&self) -> Result<Vec<LegalHoldView>, RelayFault> {
        let mut views = Vec::new();
        for row in self.store().legal_holds().await? {
            let detail = self.hold_detail(&row)?;
            let word = |name: &str| detail.as_ref()?.get(name)?.as_str().map(str::to_owned);
            views.push(LegalHoldView {
                id: queue_id(row.id),
                at: row.at,
                case: word("case"),
                store_id: word("store_id"),
                by_person: row.scope.by_person,
                from: row.scope.from.map(Timestamp::from_millis),
                until: row.scope.until.map(Timestamp::from_millis),
                lifted_at: row.lifted_at,
            });
        }
        Ok(views)
    }

    fn hold_detail(&self, row: &LegalHoldRow) -> Result<Option<Value>, RelayFault> {
        let key = match self.data_key(&row.key) {
            Err(VaultError::Destroyed { .. }) => return Ok(None),
            key => key?,
        };
        let plain = key.open(detail_place(row.id), &row.detail)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| RelayFault::Malformed("legal_hold.detail"))
    }

    /// The key of a hold, where it opens what the hold has sealed.
    pub(super) async fn own_key_of_hold(&self, id: i64) -> Result<Option<i64>, RelayFault> {
        let row = self.store().legal_holds().await?.into_iter().find(|row| row.id == id);
        Ok(row.filter(|row| matches!(self.hold_detail(row), Ok(Some(_)))).map(|row| row.key.id))
    }

    /// Has every hold that stands keep what it was set to keep. One of an older version does not say it.
    async fn keep_what_was_set(&self) -> Result<(), RelayFault> {
        for row in self.store().legal_holds().await?.into_iter().filter(|row| row.lifted_at.is_none()) {
            let detail = self.hold_detail(&row)?;
            let Some(keeps) = detail.as_ref().and_then(|detail| detail.get("keeps")) else { continue };
            let keeps: HeldScope = serde_json::from_value(keeps.clone())
                .map_err(|_| RelayFault::Malformed("legal_hold.detail"))?;
            if keeps != row.scope {
                let hold = queue_id(row.id);
                tracing::error!(
                    event = "tampered",
                    hold,
                    "it did not keep what it was set to keep, and does again"
                );
                self.store().put_scope_back(row.id, &keeps).await?;
            }
        }
        Ok(())
    }

    /// Adds to the holds on persons what they have begun since.
    pub(super) async fn follow_held_persons(&self) -> Result<(), RelayFault> {
        self.hold_what_is_not_lifted().await?;
        self.keep_what_was_set().await?;
        for row in self.store().legal_holds().await? {
            if !row.scope.by_person || row.lifted_at.is_some() {
                continue;
            }
            let detail = self.hold_detail(&row)?;
            // One that holds again, whose own key is gone: what it named before it keeps.
            if detail.is_none() {
                continue;
            }
            let customer = detail.as_ref().and_then(|detail| detail.get("customer")?.as_str());
            let malformed = RelayFault::Malformed("legal_hold.detail");
            let address = customer.and_then(|text| RealAddress::parse(text).ok()).ok_or(malformed)?;
            let conversations = self.conversations_now(&address).await?;
            self.store().hold_conversations(row.id, &conversations).await?;
        }
        Ok(())
    }
}

/// The hash of what a hold keeps, as its look has it.
pub(super) fn keeps_hash(id: i64, scope: &HeldScope) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("hold {id} keeps {}", json!(scope))))
}

const fn detail_place(id: i64) -> Place {
    Place::new("legal_hold", "detail", id)
}
