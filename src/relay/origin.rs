//! From where somebody has something opened, or decides: held against the rules for staff before anything else is done.
//!
//! Rules: who comes from where nobody may is refused, and written down with both countries and the class of his network, under
//! his name if he gave one. A break-glass that stands lets its actor through, under his own account alone; each use is written down.
//! Where the configuration only warns, he goes on; the entries of what he does have his origin all the same.
//! When it fails: [`DeskFault::Elsewhere`], with the reason and the cure; or the database's fault, and then too nothing is done.

use super::desk::DeskFault;
use super::look::{Account, Look};
use super::{Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use serde_json::json;

impl Relay {
    /// Lets somebody through who gave his name, once for all that one command does.
    ///
    /// # Errors
    /// [`DeskFault::Elsewhere`]; or the database does not answer.
    pub async fn let_in(&self, look: Look) -> Result<Look, DeskFault> {
        self.may_come(&look).await?;
        Ok(Look { has_passed: true, ..look })
    }

    /// Lets a command through that asks for no name. `what`: the command, without what it is about.
    ///
    /// # Errors
    /// [`DeskFault::Elsewhere`]; or the database does not answer.
    pub async fn may_command(&self, account: &Account, what: &'static str) -> Result<(), DeskFault> {
        self.passes(None, account, what).await
    }

    /// Refuses somebody who comes from where nobody may.
    pub(super) async fn may_come(&self, look: &Look) -> Result<(), DeskFault> {
        if look.has_passed { Ok(()) } else { self.passes(Some(look), &look.account, "").await }
    }

    async fn passes(
        &self,
        look: Option<&Look>,
        account: &Account,
        what: &'static str,
    ) -> Result<(), DeskFault> {
        let judged = self.staff().judge(account.from);
        if judged.ruling.is_allowed() {
            return Ok(());
        }
        let what = (!what.is_empty()).then(|| json!({ "command": what }));
        if let Some(id) = self.let_through(look, account, Timestamp::now()).await? {
            let entry = self.entry_of(look, account, "break-glass", what, 0, "used", Some(id));
            self.store().look(&entry).await.map_err(RelayFault::from)?;
            tracing::warn!(
                event = "break_glass_used",
                break_glass = queue_id(id),
                from = judged.ruling.as_str()
            );
            return Ok(());
        }
        if !self.staff().refuses() {
            return Ok(());
        }
        self.refused(look, account, what).await?;
        Err(DeskFault::Elsewhere(Box::new(judged)))
    }

    /// Refuses somebody who comes from where nobody may, whatever stands for him: who decides about a break-glass is in Japan.
    pub(super) async fn must_be_in_place(&self, look: &Look) -> Result<(), DeskFault> {
        let judged = self.staff().judge(look.account.from);
        if judged.ruling.is_allowed() || !self.staff().refuses() {
            return Ok(());
        }
        self.refused(Some(look), &look.account, None).await?;
        Err(DeskFault::Elsewhere(Box::new(judged)))
    }

    /// Writes down that somebody was refused for where he came from.
    async fn refused(
        &self,
        look: Option<&Look>,
        account: &Account,
        what: Option<serde_json::Value>,
    ) -> Result<(), RelayFault> {
        let ruling = self.staff().judge(account.from).ruling;
        tracing::warn!(
            event = "staff_refused",
            from = ruling.as_str(),
            "somebody came from where nobody may"
        );
        let entry = self.entry_of(look, account, "origin", what, 0, "elsewhere", None);
        Ok(self.store().look(&entry).await?)
    }
}
