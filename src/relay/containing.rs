//! A store is contained: somebody suspects that another is behind it, and keeps it from sending and from its menu until that is cleared.
//!
//! Rules: it takes a name, a purpose and a case, which stand among the looks before anything is done, and in the store's log. Its credentials
//! and sessions are none from then on, at the next transaction or request on every node; nothing of them is changed. It still gets mail,
//! and orders are opened for it.
//! When it fails: [`ContainFault`]; nothing was changed.

use super::record::About;
use super::{DeskFault, Event, Look, Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::{MenuChanged, Told};
use serde_json::json;

/// Why a store was not contained, or not let go on.
#[derive(Debug, thiserror::Error)]
pub enum ContainFault {
    #[error("store id: there is no such store")]
    NoStore,
    #[error("the store is contained already, or has left")]
    Contained,
    #[error("the store is not contained")]
    Free,
    #[error(transparent)]
    Desk(#[from] DeskFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Relay {
    /// Contains a store, or lets it go on. Its number.
    ///
    /// # Errors
    /// [`ContainFault`] when there is no such store, or it is so already.
    pub async fn contain(
        &self,
        store_id: &str,
        look: &Look,
        contains: Contains,
    ) -> Result<i64, ContainFault> {
        let merchant = self.merchant(store_id).await?.ok_or(ContainFault::NoStore)?;
        self.may_look(look).await?;
        let (now, is_on) = (Timestamp::now(), contains == Contains::FromNow);
        let change = if is_on { "contained" } else { "let_go_on" };
        self.note_deed(
            look,
            "contain",
            json!({ "contain": { "store": store_id, "change": change } }),
            change,
        )
        .await?;
        let detail = json!({
            "change": change, "user": self.user(), "by": look.actor(), "purpose": look.purpose.as_str(), "case": look.case,
        });
        let about = About { merchant: Some(merchant.id), ..About::default() };
        let record = self.new_record(&merchant.key, Event::Credential, about, None, &detail, None);
        let told = Told { records: vec![record], ..Told::default() };
        let done = self.store().contain(merchant.id, is_on.then_some(now), &told).await;
        match done.map_err(RelayFault::from)? {
            MenuChanged::Done => Ok(merchant.id),
            _ if is_on => Err(ContainFault::Contained),
            _ => Err(ContainFault::Free),
        }
    }
}

/// What becomes of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contains {
    FromNow,
    NoMore,
}
