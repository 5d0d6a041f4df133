//! A store's orders in pages, for systems that go through all of them.
//!
//! Rules: the oldest first, by the id of their rows, so that a page goes on where another ended whatever is opened meanwhile. An order number
//! opens where this process has `seal`; elsewhere, and where its key is destroyed, it is left out.
//! When it fails: [`OrderFault`].

use super::conversation::label_place;
use super::{OrderFault, OrderView, Relay, RelayFault};

/// Orders of a page, at most.
pub const ORDERS_MAX: i64 = 1000;

impl Relay {
    /// Orders of a store behind one, by the id of its row; each with its own.
    ///
    /// # Errors
    /// [`OrderFault::NoStore`], or a fault.
    pub async fn orders_after(
        &self,
        store_id: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, OrderView)>, OrderFault> {
        let merchant = self.merchant_row(store_id).await?.ok_or(OrderFault::NoStore)?;
        let rows = self.store().conversations(merchant.id, after, limit.clamp(1, ORDERS_MAX)).await;
        let opens = self.vault().seal.open_it();
        let mut orders = Vec::new();
        for row in rows.map_err(RelayFault::from)? {
            let label = || {
                let key = self.data_key(&row.key).ok()?;
                String::from_utf8(key.open(label_place(row.id), &row.label).ok()?.to_vec()).ok()
            };
            let order_no = opens.then(label).flatten().unwrap_or_default();
            orders.push((row.id, self.view(&row, order_no, false)?));
        }
        Ok(orders)
    }
}
