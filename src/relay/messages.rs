//! The messages of an order, as the marketplace's own systems see them: which there were, and what became of each.
//!
//! Rules: they are what the store's people see in the menu, and no more. Nothing is opened; each page is entered for the audit before it is
//! read, by the token.
//! When it fails: [`DeskFault`]; then nothing is told.

use super::look::{Account, Look};
use super::{DeskFault, MailView, MailsAsked, Relay, queue_id};
use serde_json::json;

/// Facts that one page looks at.
const LOOKED_AT: i64 = 2000;

impl Relay {
    /// Messages of an order, the latest first, and the place from which older ones are asked for, where there may be some.
    ///
    /// # Errors
    /// [`DeskFault`] when there is no such order, or the entry can't be written.
    pub async fn order_messages(
        &self,
        (token, account): (i64, Account),
        (store_id, order_no): (&str, &str),
        before: Option<i64>,
        lines: usize,
    ) -> Result<(Vec<MailView>, Option<i64>), DeskFault> {
        let order = self.order_of(store_id, order_no).await?;
        let look = Look::unstated(&format!("token {}", queue_id(token)), account).by_token(token);
        let what = json!({ "search": { "store_id": store_id, "order_no": order_no } });
        self.note_deed(&look, "search", what, "masked").await?;
        let asked = MailsAsked {
            order: Some(order.id),
            before,
            lines,
            looked_at: LOOKED_AT,
            ..MailsAsked::default()
        };
        Ok(self.mails_of(order.merchant.id, false, &asked).await?)
    }
}
