//! What was written down at the desk, for people: requests and what is decided about them, and who looked.
//!
//! When it fails: [`DeskFault`]; nothing is decided.

use super::desk::{DeskFault, Ruling, look_place, request_place};
use super::look::{Account, Look, LookPurpose};
use super::{Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::{LookRow, NewLook};
use crate::vault::{Class, Indexed};
use serde_json::{Value, json};

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
        self.may_look(&look).await?;
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
        self.store().look(&entry).await.map_err(RelayFault::from)?;
        match self
            .store()
            .decide_look(id, outcome, decider, Timestamp::now())
            .await
            .map_err(RelayFault::from)?
        {
            true => Ok(()),
            false => Err(DeskFault::Decided),
        }
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
        let rows = self.store().looks(LIST_MAX).await.map_err(RelayFault::from)?;
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

    /// Writes down what somebody does who opens nothing.
    pub(super) async fn note_deed(
        &self,
        look: &Look,
        kind: &'static str,
        what: Value,
        outcome: &'static str,
    ) -> Result<(), RelayFault> {
        Ok(self.store().look(&self.entry(look, kind, Some(what), 0, outcome, None)).await?)
    }

    pub(super) fn entry(
        &self,
        look: &Look,
        kind: &'static str,
        what: Option<Value>,
        rows: usize,
        outcome: &'static str,
        request_id: Option<i64>,
    ) -> NewLook {
        self.entry_of(Some(look), &look.account, kind, what, rows, outcome, request_id)
    }

    /// An entry about somebody, who may not have named himself.
    #[expect(clippy::too_many_arguments, reason = "the columns of a row")]
    pub(super) fn entry_of(
        &self,
        look: Option<&Look>,
        account: &Account,
        kind: &'static str,
        what: Option<Value>,
        rows: usize,
        outcome: &'static str,
        request_id: Option<i64>,
    ) -> NewLook {
        let id = self.next_id();
        let key = &self.inner.installation;
        let detail = json!({
            "actor": look.map(|look| &look.actor),
            "user": account.to_string(),
            "case": look.map(|look| &look.case),
            "what": what,
            "origin": self.staff().judge(account.from).to_json(),
        });
        let actor = look.map_or("", |look| &look.actor);
        NewLook {
            id,
            at: Timestamp::now(),
            actor_idx: self.vault().index.of(Indexed::Actor(actor)),
            purpose: look.map_or(LookPurpose::Audit, |look| look.purpose).as_str(),
            kind,
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            outcome,
            request_id,
            data_key_id: key.id(),
            detail: self.seal_in(Class::Audit, key, look_place(id), detail.to_string().as_bytes()),
        }
    }
}
