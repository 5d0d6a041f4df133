//! Questions that have a command of their own: each is a query, or what was counted beside the rows.
//!
//! Rules: as those of a search: entered for the audit first, nothing opened but the ids of stores.
//! When it fails: [`SearchFault`].

use super::walk::Found;
use super::{SearchFault, Searcher};
use crate::mail::Timestamp;
use crate::query::Column;
use crate::relay::{Relay, RelayFault, queue_id};
use crate::store::{Detected, SeenWith};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Most different things that are counted of one kind; what comes beyond is counted together.
const KINDS_MAX: usize = 10_000;
/// Most conversations that are told apart.
const CONVERSATIONS_MAX: usize = 4_000_000;
/// What is usual is what was so in as many days before today.
const USUAL_DAYS: u32 = 28;
const DAY: Duration = Duration::from_secs(86_400);
/// Most of what a store was seen with, and most stores with something new, that one answer has.
const SEEN_MAX: i64 = 10_000;

/// What an answer comes to.
#[derive(Default)]
pub struct Pivot {
    pub rows: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub octets: u64,
    conversations: HashSet<i64>,
    pub stores: BTreeMap<String, u64>,
    pub events: BTreeMap<String, u64>,
    pub results: BTreeMap<String, u64>,
    pub countries: BTreeMap<String, u64>,
    pub matched: BTreeMap<String, u64>,
}

impl Pivot {
    /// What it asks of a row.
    pub const COLUMNS: [Column; 6] = [
        Column::Event,
        Column::Result,
        Column::Country,
        Column::Merchant,
        Column::Conversation,
        Column::Size,
    ];

    /// Adds a row.
    pub fn add(&mut self, found: &Found) {
        let line = &found.line;
        self.rows += 1;
        self.first = Some(self.first.map_or(line.at, |first| first.min(line.at)));
        self.last = Some(self.last.map_or(line.at, |last| last.max(line.at)));
        self.octets =
            self.octets.saturating_add(line.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0));
        if self.conversations.len() < CONVERSATIONS_MAX {
            self.conversations.extend(found.conversation);
        }
        count(&mut self.events, &line.event);
        line.store.iter().for_each(|store| count(&mut self.stores, store));
        line.result.iter().for_each(|result| count(&mut self.results, result));
        line.country.iter().for_each(|country| count(&mut self.countries, country));
        line.matched.iter().for_each(|term| count(&mut self.matched, term));
    }

    /// How many conversations, and whether that is all of them.
    #[must_use]
    pub fn conversations(&self) -> (usize, bool) {
        (self.conversations.len(), self.conversations.len() < CONVERSATIONS_MAX)
    }
}

fn count(counts: &mut BTreeMap<String, u64>, what: &str) {
    let what = if counts.len() < KINDS_MAX || counts.contains_key(what) { what } else { "others" };
    *counts.entry(what.to_owned()).or_default() += 1;
}

/// A store in the last 24 hours, against what is usual for it.
pub struct Card {
    pub store_id: String,
    pub from: Timestamp,
    pub until: Timestamp,
    pub counts: Vec<Usually>,
    /// What it was first seen with in these hours, where it was seen with others before: country or asn, and which.
    pub new: Vec<SeenWith>,
    /// Of each kind how many it was ever seen with, and how many of them are new.
    pub seen: BTreeMap<String, (u64, u64)>,
    /// Since when it is kept from sending.
    pub contained_at: Option<Timestamp>,
}

/// A count of today beside the one of a usual day.
#[derive(Default)]
pub struct Usually {
    pub direction: String,
    pub event: String,
    pub country: String,
    pub today: i64,
    /// On a day of the 28 before, in the middle.
    pub usual: f64,
}

impl Relay {
    /// A store's last 24 hours, to the hour.
    ///
    /// # Errors
    /// [`SearchFault::NoStore`], or a fault.
    pub async fn store_card(
        &self,
        store_id: &str,
        searcher: &Searcher<'_>,
        now: Timestamp,
    ) -> Result<Card, SearchFault> {
        self.enter(searcher, json!({ "merchant": self.audited_text(store_id) })).await?;
        let row = self.merchant_row(store_id).await?.ok_or(SearchFault::NoStore)?;
        let back = |days: u32| {
            let millis = i64::try_from((DAY * days).as_millis()).unwrap_or(0);
            Timestamp::from_millis(now.as_millis().saturating_sub(millis))
        };
        let (from, until) = (back(1), now.after(Duration::from_secs(3600)));
        let mut counts: BTreeMap<(String, String, String), Usually> = BTreeMap::new();
        for (from, until, is_today) in [(from, until, true), (back(1 + USUAL_DAYS), from, false)] {
            for rolled in self.store().rolled_up(row.id, from, until).await.map_err(RelayFault::from)? {
                let key = (rolled.direction.clone(), rolled.event.clone(), rolled.country.clone());
                let line = counts.entry(key).or_insert(Usually {
                    direction: rolled.direction,
                    event: rolled.event,
                    country: rolled.country,
                    ..Usually::default()
                });
                if is_today {
                    line.today = rolled.n;
                } else {
                    #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
                    let usual = rolled.n as f64 / f64::from(USUAL_DAYS);
                    line.usual = usual;
                }
            }
        }
        let mut counts: Vec<Usually> = counts.into_values().collect();
        counts.sort_by_key(|line| std::cmp::Reverse(line.today));
        let seen = self.store().seen_with(row.id, SEEN_MAX).await.map_err(RelayFault::from)?;
        let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for one in &seen {
            let (all, new) = kinds.entry(one.what.clone()).or_default();
            *all += 1;
            *new += u64::from(one.first_at >= from);
        }
        let is_new = |one: &SeenWith| {
            let was_seen = kinds.get(&one.what).is_some_and(|(all, new)| all > new);
            was_seen && one.first_at >= from && matches!(one.what.as_str(), "country" | "asn")
        };
        let new = seen.into_iter().filter(is_new).collect();
        let contained_at = self.store().contained_at(row.id).await.map_err(RelayFault::from)?;
        Ok(Card { store_id: store_id.to_owned(), from, until, counts, new, seen: kinds, contained_at })
    }

    /// How often rules found something since a time, by rule and by what was done.
    ///
    /// # Errors
    /// [`SearchFault`] when the database does not answer.
    pub async fn rule_hits(
        &self,
        since: Timestamp,
        searcher: &Searcher<'_>,
    ) -> Result<Vec<Detected>, SearchFault> {
        self.enter(searcher, json!({ "rule_hits": since.to_rfc3339() })).await?;
        Ok(self.store().detected_since(since).await.map_err(RelayFault::from)?)
    }

    /// Countries and networks with which stores, or one, were first seen since a time: the store, and what.
    ///
    /// # Errors
    /// [`SearchFault::NoStore`], or when the database does not answer.
    pub async fn new_places(
        &self,
        since: Timestamp,
        store: Option<&str>,
        searcher: &Searcher<'_>,
    ) -> Result<Vec<(String, SeenWith)>, SearchFault> {
        let of = store.map(|store| self.audited_text(store));
        self.enter(searcher, json!({ "new_geo": since.to_rfc3339(), "store": of })).await?;
        let merchant = match store {
            Some(store) => Some(self.merchant_row(store).await?.ok_or(SearchFault::NoStore)?.id),
            None => None,
        };
        let mut places = Vec::new();
        for seen in self.store().first_seen(since, merchant, SEEN_MAX).await.map_err(RelayFault::from)? {
            let store =
                self.store_name(seen.merchant_id).await?.unwrap_or_else(|| queue_id(seen.merchant_id));
            places.push((store, seen));
        }
        Ok(places)
    }
}
