//! What was written down at the desk, for people: requests and what is decided about them, and who looked.
//!
//! When it fails: [`DeskFault`]; nothing is decided.

use super::desk::{DeskFault, Ruling, look_place, request_place};
use super::look::{Account, Look, LookPurpose};
use super::rulings::request_said;
use super::{Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::LookRow;
use crate::vault::Indexed;
use serde_json::Value;

/// Most entries and requests in one list.
const LIST_MAX: i64 = 1000;

/// A request, opened.
pub struct RequestView {
    pub id: String,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub state: String,
    pub detail: Value,
}

/// An entry, opened.
pub struct LookView {
    pub id: String,
    pub at: Timestamp,
    pub purpose: String,
    pub kind: String,
    pub rows: i64,
    pub outcome: String,
    pub request: Option<String>,
    pub detail: Value,
}

impl Relay {
    /// Decides a request of somebody else.
    ///
    /// # Errors
    /// [`DeskFault`] when it can't be decided, or not by this one.
    pub async fn decide_look(
        &self,
        id: &str,
        actor: &str,
        account: Account,
        ruling: Ruling,
    ) -> Result<(), DeskFault> {
        let id = super::parse_queue_id(id).ok_or(DeskFault::NoRequest)?;
        let row =
            self.store().look_request(id).await.map_err(RelayFault::from)?.ok_or(DeskFault::NoRequest)?;
        let detail = self.opened_detail(&row.key, request_place(id), &row.detail).await?;
        let word = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let purpose =
            LookPurpose::parse(&word("purpose")).ok_or(RelayFault::Malformed("look_request.detail"))?;
        let look = Look::new(actor, purpose, &word("case"), account)?;
        match self.may_look(&look).await {
            // The way out of a review that suspended everybody.
            Err(DeskFault::Suspended)
                if detail.pointer("/what/certify").is_some() && self.is_nobody_left().await? => {}
            allowed => allowed?,
        }
        // By name, under whichever key the request was indexed, and by who logged in where the system knows that.
        let login = detail.get("login").and_then(Value::as_u64);
        if look.actor == word("actor") || (login.is_some() && login == account.login.map(u64::from)) {
            return Err(DeskFault::OwnRequest);
        }
        let outcome = match ruling {
            Ruling::Approved => "approved",
            Ruling::Refused => "refused",
        };
        let decider = self.vault().index.of(Indexed::Actor(&look.actor));
        let entry = self.entry(&look, "request", None, 0, outcome, Some(id));
        let said = request_said(outcome, entry.at, decider.as_bytes());
        let ruling = self.proof_of("look_request", id, &said);
        let decided = self.store().decide_look(id, outcome, decider, ruling, &entry).await;
        decided.map_err(RelayFault::from)?.then_some(()).ok_or(DeskFault::Decided)
    }

    /// Requests that are not over.
    ///
    /// # Errors
    /// [`DeskFault::Fault`] when the database does not answer, or the log's key is not here.
    pub async fn look_requests(&self) -> Result<Vec<RequestView>, DeskFault> {
        let rows = self.store().look_requests(Timestamp::now(), LIST_MAX).await.map_err(RelayFault::from)?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            views.push(RequestView {
                id: queue_id(row.id),
                at: row.at,
                expires_at: row.expires_at,
                state: row.decision.unwrap_or_else(|| "open".into()),
                detail: self.opened_detail(&row.key, request_place(row.id), &row.detail).await?,
            });
        }
        Ok(views)
    }

    /// The last looks, the latest first.
    ///
    /// # Errors
    /// [`DeskFault::Fault`] when the database does not answer, or the log's key is not here.
    pub async fn looks(&self) -> Result<Vec<LookView>, DeskFault> {
        self.looks_before(i64::MAX).await
    }

    /// The last entries before one, the latest first.
    pub(super) async fn looks_before(&self, id: i64) -> Result<Vec<LookView>, DeskFault> {
        let rows = self.store().looks(id, LIST_MAX).await.map_err(RelayFault::from)?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            let detail = self.opened_detail(&row.key, look_place(row.id), &row.detail).await?;
            let LookRow { at, purpose, kind, rows, outcome, request_id, .. } = row;
            views.push(LookView {
                id: queue_id(row.id),
                at,
                purpose,
                kind,
                rows,
                outcome,
                request: request_id.map(queue_id),
                detail,
            });
        }
        Ok(views)
    }
}
