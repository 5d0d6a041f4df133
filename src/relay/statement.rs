//! What the yearly statement counts: looks, events, destruction, keys.

use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::LookCount;

/// Counts over a span of time.
pub struct SpanCounts {
    pub looks: Vec<LookCount>,
    /// Events of the log, and how often each was.
    pub events: Vec<(String, i64)>,
    /// Certificates of destruction by kind.
    pub certificates: Vec<(String, i64)>,
    pub erasures: i64,
}

impl Relay {
    /// Counts what happened from a time until another.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn counts(&self, from: Timestamp, until: Timestamp) -> Result<SpanCounts, RelayFault> {
        let store = self.store();
        let (certificates, erasures) = store.destruction_counts(from, until).await?;
        Ok(SpanCounts {
            looks: store.look_counts(from, until).await?,
            events: store.event_counts(from, until).await?,
            certificates,
            erasures,
        })
    }
}
