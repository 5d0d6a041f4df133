//! Entries of the desk: what is written down about who looks and who decides, and how many looks somebody had today.
//!
//! Rules: an entry is committed before what it is about happens, or in the same transaction. Who it was stands in it by name, and
//! by login or API token where these are known; of both the one with more looks counts.
//! When it fails: [`RelayFault`], and what it was to be about does not happen.

use super::desk::{DeskFault, Goes, LOOKS_A_DAY, look_place};
use super::look::{Account, Look, LookPurpose, Opening};
use super::{Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::NewLook;
use crate::vault::{Class, Index, Indexed};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// How long an export may be kept, whatever becomes of its case.
const EXPORT_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// A file that was written for somebody, as it lies on the disk: encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWritten {
    /// In hexadecimal digits.
    pub sha256: String,
    pub octets: u64,
}

impl Relay {
    /// Commits an entry about a look.
    pub(super) async fn note(
        &self,
        look: &Look,
        opening: &Opening,
        rows: usize,
        outcome: &'static str,
        request: Option<i64>,
    ) -> Result<(), RelayFault> {
        let entry = self.entry(look, opening.kind(), Some(opening.to_json()), rows, outcome, request);
        Ok(self.store().look(&entry).await?)
    }

    /// How often somebody was shown something in the last 24 hours: under this name, or under this login whatever it was called.
    pub(super) async fn looks_today(&self, look: &Look, now: Timestamp) -> Result<i64, RelayFault> {
        let actors = self.vault().index.all(Indexed::Actor(&look.actor));
        let since = Timestamp::from_millis(now.as_millis() - i64::try_from(DAY.as_millis()).unwrap_or(0));
        Ok(self.store().looks_since(&actors, self.login_of(look.token, &look.account), since).await?)
    }

    /// Who called by a token, or logged in, where that is known.
    fn login_of(&self, token: Option<i64>, account: &Account) -> Option<Index> {
        let of = |login: &str| self.vault().index.of(Indexed::Login(login));
        match (token, account.login) {
            (Some(token), _) => Some(of(&format!("token {}", queue_id(token)))),
            (None, Some(login)) => Some(of(&format!("login {login}"))),
            (None, None) => None,
        }
    }

    /// Writes down a look that takes no second person, unless there were enough today.
    pub(super) async fn note_alone(
        &self,
        look: &Look,
        opening: &Opening,
        rows: usize,
        outcome: &'static str,
    ) -> Result<(), DeskFault> {
        self.may_look(look).await?;
        let now = Timestamp::now();
        if self.looks_today(look, now).await? >= LOOKS_A_DAY {
            self.note(look, opening, 0, "limited", None).await?;
            return Err(DeskFault::Limited);
        }
        Ok(self.note(look, opening, rows, outcome, None).await?)
    }

    /// Takes the word of a second person for what opens nothing: the first time it is asked for.
    pub(super) async fn by_two(
        &self,
        look: &Look,
        opening: &Opening,
        approved: Option<&str>,
    ) -> Result<(), DeskFault> {
        let Some(id) = approved else {
            return Err(self.ask(look, opening, Goes::ToTheScreen, 1).await?);
        };
        let request = self.approved(id, look, opening, Goes::ToTheScreen, 1).await?;
        let is_used = self.store().use_look(request, Timestamp::now()).await.map_err(RelayFault::from)?;
        if !is_used {
            return Err(DeskFault::Used);
        }
        Ok(self.note(look, opening, 1, "opened", Some(request)).await?)
    }

    /// Writes down what went to files, by hash, and until when they must be destroyed: the time until then.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn note_export(&self, look: &Look, files: &[FileWritten]) -> Result<Timestamp, RelayFault> {
        let until = Timestamp::now().after(EXPORT_LIFE);
        let file = |file: &FileWritten| json!({ "sha256": file.sha256, "octets": file.octets, "destroy_by": until.to_rfc3339() });
        let files: Vec<Value> = files.iter().map(file).collect();
        self.note_deed(look, "file", json!({ "files": files }), "written").await?;
        Ok(until)
    }

    /// Writes down that what was opened went to standard output in clear.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn note_clear(&self, look: &Look) -> Result<(), RelayFault> {
        self.note_deed(look, "file", json!({ "clear": true }), "clear").await
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
            "user": look.map_or_else(|| account.to_string(), Look::user),
            "case": look.map(|look| &look.case),
            "what": what,
            "origin": self.staff().judge(account.from).to_json(),
        });
        NewLook {
            id,
            at: Timestamp::now(),
            actor_idx: self.vault().index.of(Indexed::Actor(look.map_or("", |look| &look.actor))),
            login_idx: self.login_of(look.and_then(|look| look.token), account),
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
