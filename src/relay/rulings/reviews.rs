//! Reviews, held against the list of looks: what was decided otherwise than a look says, and what is gone.
//!
//! Rules: an access that was revoked once stays so, whatever was certified before or after; what was begun or decided has its look in
//! the same transaction. Looks go with their day; what is older is believed with its index.
//! When it fails: [`RelayFault`]; nothing is told.

use super::Book;
use crate::relay::{Relay, RelayFault};
use std::collections::{BTreeSet, HashSet};

impl Relay {
    /// What does not fit: whose row, and why.
    pub(super) async fn unproven_reviews(&self, book: &Book) -> Result<Vec<(i64, &'static str)>, RelayFault> {
        let (items, mut broken) = (self.store().all_items().await?, Vec::new());
        let tokens = self.store().tokens().await?.into_iter().filter(|token| token.revoked_at.is_none());
        let standing: HashSet<i64> = tokens.map(|token| token.id).collect();
        for row in &items {
            let mut tell = |why| broken.push((row.id, why));
            let says = |decision: &str| book.accesses.contains(&(row.id, decision.to_owned()));
            let decision = row.decision.as_deref();
            if says("revoked") && decision != Some("revoked") {
                tell("the row of review_item does not say that it was revoked, and a look says so");
            } else if says("certified") && decision.is_none() {
                tell("the row of review_item does not say that it was decided, and a look says so");
            }
            if says("revoked") && row.token_id.is_some_and(|token| standing.contains(&token)) {
                tell("the row of api_token does not say that it was revoked, and a look says so");
            }
            let is_known = decision.is_none_or(says);
            if !(is_known || (book.is_old(row.decided_at) && self.is_item_ruled(row))) {
                tell("the row of review_item says that it was decided, and no look says so");
            }
        }
        let known: HashSet<i64> = items.iter().map(|row| row.id).collect();
        let named: BTreeSet<i64> = book.accesses.iter().map(|(id, _)| *id).collect();
        let gone = named.into_iter().filter(|id| !known.contains(id));
        broken.extend(gone.map(|id| (id, "the row of review_item is gone")));
        let reviews: HashSet<i64> = self.store().review_ids().await?.into_iter().collect();
        for (id, accesses) in &book.reviews {
            let left = items.iter().filter(|row| row.review_id == *id).count() as u64;
            if !reviews.contains(id) {
                broken.push((*id, "the row of review is gone"));
            } else if accesses.is_some_and(|accesses| accesses != left) {
                broken.push((*id, "rows of review_item of this review are gone, or were put in"));
            }
        }
        Ok(broken)
    }
}
