//! The register of breaches: what leaked, who was told, and until when the law wants to be told what.
//!
//! Rules: what is known grows: each entry adds to those before, is kept under the name of who made it, and is in the list of
//! looks too, so in the audit tree. The items are the ten of the first report on a breach of the secrecy of communications
//! (Telecommunications Business Act art. 28, its Enforcement Regulations art. 57), of which the name and the registration of
//! the company come from the configuration. Clocks: first report at once, which is a day here; full report within 30 days of
//! knowing (secrecy, and Specified User Information of a designated carrier); personal data 3 to 5 days, so 3 here, then 30, or
//! 60 where somebody meant harm (APPI art. 26, its Enforcement Rules art. 8). Nothing of the register is destroyed.
//! When it fails: [`BreachFault`]; nothing was entered.

use super::rulings::hash_of;
use super::{DeskFault, Look, Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::{Affected, BreachEntryRow, NewBreachEntry};
use crate::vault::Place;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;
/// Longest text of an item, in characters.
const TEXT_MAX: usize = 10_000;

/// What was breached; of one event it may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breached {
    /// 通信の秘密
    Secrecy,
    /// 特定利用者情報
    SpecifiedUserInformation,
    /// 個人データ
    PersonalData,
}

impl Breached {
    pub const ALL: [Breached; 3] =
        [Breached::Secrecy, Breached::SpecifiedUserInformation, Breached::PersonalData];

    /// The word on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Breached::Secrecy => "secrecy",
            Breached::SpecifiedUserInformation => "specified-user-information",
            Breached::PersonalData => "personal-data",
        }
    }

    /// As the law calls it.
    #[must_use]
    pub fn japanese(self) -> &'static str {
        match self {
            Breached::Secrecy => "通信の秘密",
            Breached::SpecifiedUserInformation => "特定利用者情報",
            Breached::PersonalData => "個人データ",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// A report that the law asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    First,
    Full,
}

impl Stage {
    /// The word on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::First => "first",
            Stage::Full => "full",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Stage::First, Stage::Full].into_iter().find(|one| one.as_str() == text)
    }
}

/// What an entry says; what it leaves out stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreachFacts {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breached: Vec<Breached>,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<i64>,
    /// When it came to be known: from then the clocks run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_at: Option<i64>,
    /// Whether somebody meant harm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malicious: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub information: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persons: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secondary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevention: Option<String>,
    /// Reports that were made, and when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reported: Vec<(Breached, Stage, i64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<bool>,
}

/// An entry as it is sealed.
#[derive(Serialize, Deserialize)]
struct Detail {
    actor: String,
    facts: BreachFacts,
}

/// A breach, as its entries say.
#[derive(Debug, Clone)]
pub struct Breach {
    pub id: String,
    pub facts: BreachFacts,
    /// When, and by whom, each entry was made.
    pub entries: Vec<(Timestamp, String)>,
}

/// A report that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub breached: Breached,
    pub stage: Stage,
    pub due_at: Timestamp,
    pub reported_at: Option<Timestamp>,
}

/// Why nothing was entered.
#[derive(Debug, thiserror::Error)]
pub enum BreachFault {
    #[error("breach: there is none of this id; `anshin compliance breach list` shows them")]
    NoBreach,
    #[error("breach: say what was breached (--breached) and when that came to be known (--known)")]
    Incomplete,
    #[error("breach: it occurred before it came to be known, and neither lies ahead")]
    Times,
    #[error("breach: a text has at most {TEXT_MAX} characters, and no control characters but line ends")]
    Text,
    #[error("store id: there is no such store")]
    NoStore,
    #[error("breach: it is closed; nothing is added")]
    Closed,
    #[error("breach: reports that the law asks for are not made yet; it can't be closed")]
    Open,
    #[error("breach: no such report is due: it is not what was breached")]
    NotDue,
    #[error(transparent)]
    Desk(#[from] DeskFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Breach {
    /// The reports that the law asks for, the first due first.
    #[must_use]
    pub fn clocks(&self) -> Vec<Clock> {
        let facts = &self.facts;
        let Some(known) = facts.known_at else { return Vec::new() };
        let days = |breached, stage| match (breached, stage) {
            (Breached::PersonalData, Stage::First) => 3,
            (_, Stage::First) => 1,
            (Breached::PersonalData, Stage::Full) if facts.malicious == Some(true) => 60,
            (_, Stage::Full) => 30,
        };
        let mut clocks: Vec<Clock> = facts
            .breached
            .iter()
            .flat_map(|breached| [Stage::First, Stage::Full].map(|stage| (*breached, stage)))
            .map(|(breached, stage)| Clock {
                breached,
                stage,
                due_at: Timestamp::from_millis(known.saturating_add(days(breached, stage) * DAY_MS)),
                reported_at: facts
                    .reported
                    .iter()
                    .filter(|(of, at, _)| (*of, *at) == (breached, stage))
                    .map(|(_, _, at)| Timestamp::from_millis(*at))
                    .min(),
            })
            .collect();
        clocks.sort_by_key(|clock| clock.due_at);
        clocks
    }
}

impl BreachFacts {
    fn add(&mut self, later: BreachFacts) {
        fn put<T>(into: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *into = later;
            }
        }
        if !later.breached.is_empty() {
            self.breached = later.breached;
            self.breached.sort();
            self.breached.dedup();
        }
        put(&mut self.occurred_at, later.occurred_at);
        put(&mut self.known_at, later.known_at);
        put(&mut self.malicious, later.malicious);
        put(&mut self.summary, later.summary);
        put(&mut self.information, later.information);
        put(&mut self.persons, later.persons);
        put(&mut self.cause, later.cause);
        put(&mut self.secondary, later.secondary);
        put(&mut self.published, later.published);
        put(&mut self.response, later.response);
        put(&mut self.prevention, later.prevention);
        self.reported.extend(later.reported);
        put(&mut self.closed, later.closed);
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        let all = [
            &self.summary,
            &self.information,
            &self.cause,
            &self.secondary,
            &self.published,
            &self.response,
            &self.prevention,
        ];
        all.into_iter().flatten()
    }
}

impl Relay {
    /// Enters a breach (`of` is none), or adds to one. Its id.
    ///
    /// # Errors
    /// [`BreachFault`] that says what is missing.
    pub async fn enter_breach(
        &self,
        look: &Look,
        of: Option<&str>,
        facts: BreachFacts,
    ) -> Result<String, BreachFault> {
        self.may_look(look).await?;
        let is_text = |text: &String| {
            text.chars().count() <= TEXT_MAX && !text.chars().any(|c| c.is_control() && c != '\n')
        };
        if !facts.texts().all(is_text) {
            return Err(BreachFault::Text);
        }
        let now = Timestamp::now();
        let before = match of {
            None => None,
            Some(id) => Some(self.breach(id).await?),
        };
        let mut whole = Breach {
            id: String::new(),
            facts: before.as_ref().map(|breach| breach.facts.clone()).unwrap_or_default(),
            entries: Vec::new(),
        };
        if whole.facts.closed == Some(true) {
            return Err(BreachFault::Closed);
        }
        whole.facts.add(facts.clone());
        let Some(known) = whole.facts.known_at.filter(|_| !whole.facts.breached.is_empty()) else {
            return Err(BreachFault::Incomplete);
        };
        if known > now.as_millis() || whole.facts.occurred_at.is_some_and(|occurred| occurred > known) {
            return Err(BreachFault::Times);
        }
        let clocks = whole.clocks();
        for (breached, stage, at) in &facts.reported {
            if !clocks.iter().any(|clock| (clock.breached, clock.stage) == (*breached, *stage)) {
                return Err(BreachFault::NotDue);
            }
            if *at < known || *at > now.as_millis() {
                return Err(BreachFault::Times);
            }
        }
        if facts.closed == Some(true) && clocks.iter().any(|clock| clock.reported_at.is_none()) {
            return Err(BreachFault::Open);
        }
        let id = self.next_id();
        let breach_id = before.as_ref().and_then(|breach| super::parse_queue_id(&breach.id)).unwrap_or(id);
        let detail = Detail { actor: look.actor.clone(), facts };
        let text = serde_json::to_vec(&detail).map_err(|_| RelayFault::Malformed("breach_entry.detail"))?;
        let key = &self.inner.installation;
        let detail = key.seal(entry_place(id), &text);
        let hash = hash_of(detail.stored());
        let what = serde_json::json!({ "breach": queue_id(breach_id), "entry": queue_id(id), "hash": hash });
        let entered = self.entry(look, "breach", Some(what), 0, "entered", None);
        let new = NewBreachEntry { id, breach_id, at: now, data_key_id: key.id(), detail };
        self.store().add_breach_entry(&entered, &new).await.map_err(RelayFault::from)?;
        Ok(queue_id(breach_id))
    }

    /// All breaches, the oldest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or an entry does not open.
    pub async fn breaches(&self) -> Result<Vec<Breach>, RelayFault> {
        let mut all: BTreeMap<i64, Breach> = BTreeMap::new();
        for row in self.store().breach_entries().await? {
            let detail = self.open_breach_entry(&row)?;
            let breach = all.entry(row.breach_id).or_insert_with(|| Breach {
                id: queue_id(row.breach_id),
                facts: BreachFacts::default(),
                entries: Vec::new(),
            });
            breach.facts.add(detail.facts);
            breach.entries.push((row.at, detail.actor));
        }
        Ok(all.into_values().collect())
    }

    /// One breach.
    ///
    /// # Errors
    /// [`BreachFault`] when there is none.
    pub async fn breach(&self, id: &str) -> Result<Breach, BreachFault> {
        let all = self.breaches().await?;
        all.into_iter().find(|breach| breach.id.eq_ignore_ascii_case(id)).ok_or(BreachFault::NoBreach)
    }

    /// How many records, conversations, customers and stores a span of time touched.
    ///
    /// # Errors
    /// [`BreachFault`] when there is no such store.
    pub async fn affected(
        &self,
        store_id: Option<&str>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Affected, BreachFault> {
        let merchant = match store_id {
            None => None,
            Some(id) => Some(self.merchant_row(id).await?.ok_or(BreachFault::NoStore)?.id),
        };
        Ok(self.store().affected(merchant, from, until).await.map_err(RelayFault::from)?)
    }

    fn open_breach_entry(&self, row: &BreachEntryRow) -> Result<Detail, RelayFault> {
        let plain = self.data_key(&row.key)?.open(entry_place(row.id), &row.detail)?;
        serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("breach_entry.detail"))
    }
}

const fn entry_place(id: i64) -> Place {
    Place::new("breach_entry", "detail", id)
}
