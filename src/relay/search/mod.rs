//! Searching the log (docs/query.md): names become numbers here, a plan is walked back through time, and rows come out that
//! name nobody. What is sealed is opened at the desk alone (`desk.rs`).
//!
//! Rules: every search is entered for the audit before it reads, with its text sealed, by whoever asks: a person, an account of
//! the system, or a token. Nothing is opened for it but the ids of stores, which are on their pages.
//! When it fails: [`SearchFault`]: a [`Problem`] of the query, at its word, or our breakage.

mod names;
mod questions;
mod stats;
mod walk;

pub use questions::{Card, Pivot, Usually};
pub use stats::{Amount, Bar, Interval, Stats, StatsAsked, StoreAmounts};
pub use walk::{Found, Search};

use super::desk::DeskFault;
use super::look::{Account, Look};
use super::{Relay, RelayFault, queue_id};
use crate::mail::{Flag, Flags, RealAddress, Timestamp};
use crate::query::{Column, Outline, Plan, Problem, Query, Row, may_hold_address};
use crate::vault::Indexed;
use data_encoding::HEXLOWER;
use serde_json::json;

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum SearchFault {
    /// Something is wrong with the query.
    #[error("query: {}", .0.sentence())]
    Query(Problem),
    #[error("cursor: the one of the answer before, as it stands there")]
    Cursor,
    #[error("store: no such store")]
    NoStore,
    /// More of them than anybody looks at.
    #[error(
        "by: more than {} hours, days or months; ask for longer ones (--by day, --by month) or from a later time (--from)",
        stats::BARS_MAX
    )]
    TooManyBars,
    #[error(transparent)]
    Desk(#[from] DeskFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl From<Problem> for SearchFault {
    fn from(problem: Problem) -> Self {
        SearchFault::Query(problem)
    }
}

/// Who searches.
pub enum Searcher<'a> {
    /// Somebody who says who he is and why.
    Named(&'a Look),
    /// Whoever has this account of the system.
    Account(Account),
    /// The holder of a token, by its id, and the account that serves him.
    Token(i64, Account),
}

/// A row of an answer. Nothing in it names anybody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FoundLine {
    /// The record.
    pub id: String,
    #[serde(serialize_with = "in_utc")]
    pub at: Timestamp,
    pub event: String,
    pub direction: Option<String>,
    pub result: Option<String>,
    /// Its id, or its number where this process opens none.
    pub store: Option<String>,
    pub queue_id: Option<String>,
    pub country: Option<String>,
    pub country_overlay: Option<String>,
    /// How far `country` can be relied on: high, medium or low.
    pub country_confidence: Option<&'static str>,
    pub origin_country: Option<String>,
    pub asn: Option<i64>,
    /// What the operator's database calls that.
    pub asn_name: Option<String>,
    pub tls: Option<String>,
    pub spf: Option<String>,
    pub dkim: Option<String>,
    pub dmarc: Option<String>,
    pub arc: Option<String>,
    pub size: Option<i64>,
    pub recipients: Option<i64>,
    pub files: Option<i64>,
    pub hops: Option<i64>,
    pub flags: Vec<&'static str>,
    /// Which terms of the query it fulfils, masked.
    pub matched: Vec<String>,
}

fn in_utc<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339())
}

impl FoundLine {
    /// It as a JSON object, times in UTC, without what it does not have.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut row = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = row.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        row
    }

    fn new(row: &Row, store: Option<String>, matched: &[&str]) -> Self {
        let text = |column| row.text(column).map(str::to_owned);
        let flags = Flags::from_bits(row.number(Column::Flags).unwrap_or(0));
        Self {
            id: queue_id(row.id),
            at: Timestamp::from_millis(row.at),
            event: text(Column::Event).unwrap_or_default(),
            direction: text(Column::Direction),
            result: text(Column::Result),
            store,
            queue_id: row.number(Column::Message).map(queue_id),
            country: text(Column::Country),
            country_overlay: text(Column::Country2),
            country_confidence: confidence(row, flags),
            origin_country: text(Column::OriginCountry),
            asn: row.number(Column::Asn),
            asn_name: None,
            tls: text(Column::Tls),
            spf: text(Column::Spf),
            dkim: text(Column::Dkim),
            dmarc: text(Column::Dmarc),
            arc: text(Column::Arc),
            size: row.number(Column::Size),
            recipients: row.number(Column::Recipients),
            files: row.number(Column::Files),
            hops: row.number(Column::Hops),
            flags: flags.iter().map(Flag::as_str).collect(),
            matched: matched.iter().map(|term| (*term).to_owned()).collect(),
        }
    }
}

/// High: the registries and the operator's database say the same. Low: they contradict each other. Medium: one of them says something.
fn confidence(row: &Row, flags: Flags) -> Option<&'static str> {
    let is_known = row.text(Column::Country).is_some() || row.text(Column::Country2).is_some();
    is_known.then(|| {
        if flags.has(Flag::CountryConfirmed) {
            "high"
        } else if flags.has(Flag::CountryDisputed) {
            "low"
        } else {
            "medium"
        }
    })
}

impl Relay {
    /// Enters for the audit a search that is asked at a time, then looks up the names in it and begins it. `cursor`: it goes on
    /// from there.
    ///
    /// # Errors
    /// [`SearchFault`]: the problem of the query, or when it can't be entered: then nothing is read, no name either.
    pub async fn search(
        &self,
        query: &Query,
        now: Timestamp,
        searcher: &Searcher<'_>,
        cursor: Option<i64>,
    ) -> Result<Search, SearchFault> {
        let outline = Outline::of(query, now)?;
        let at = |millis| Timestamp::from_millis(millis).to_rfc3339();
        let what = json!({
            "query": self.audited(query),
            "from": at(outline.window.from),
            "until": at(outline.window.until),
        });
        self.enter(searcher, what).await?;
        let found = self.named(&outline).await?;
        Ok(Search::new(self.clone(), Plan::new(outline, found)?, cursor))
    }

    /// A query as it is written down: in place of each value that may hold an address stands its keyed index, but for addresses
    /// of ours, since what is written down outlives the keys of a person.
    #[must_use]
    pub fn audited(&self, query: &Query) -> String {
        query.text_with(&|text| self.indexed(text))
    }

    /// What is written down in place of a text that may hold an address; `None`: it is wholly an address of ours. An address alone
    /// has the index by which a person's erasure is written down, so that an auditor finds both.
    fn indexed(&self, text: &str) -> Option<String> {
        let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
        let index = match RealAddress::parse(bare) {
            Ok(address) => {
                let is_ours = self.domains().all().any(|own| own == address.reveal_domain());
                // A local part can quote another address.
                let is_one = bare.rsplit_once('@').is_some_and(|(local, _)| !may_hold_address(local));
                if is_ours && is_one {
                    return None;
                }
                self.vault().index.of(Indexed::Stranger(&address))
            }
            Err(_) => self.vault().index.of(Indexed::Request(text)),
        };
        Some(HEXLOWER.encode(index.as_bytes()))
    }

    /// A text beside a query, as it is written down.
    fn audited_text(&self, text: &str) -> String {
        may_hold_address(text).then(|| self.indexed(text)).flatten().unwrap_or_else(|| text.to_owned())
    }

    /// Enters for the audit who is about to be told what.
    async fn enter(&self, searcher: &Searcher<'_>, what: serde_json::Value) -> Result<(), SearchFault> {
        let what = json!({ "search": what });
        let unstated;
        let look = match searcher {
            Searcher::Named(look) => {
                self.may_look(look).await?;
                *look
            }
            Searcher::Account(account) => {
                unstated = Look::unstated(&account.to_string(), *account);
                self.is_not_suspended(&unstated).await?;
                &unstated
            }
            Searcher::Token(id, account) => {
                unstated = Look::unstated(&format!("token {}", queue_id(*id)), *account).by_token(*id);
                &unstated
            }
        };
        self.note_deed(look, "search", what, "masked").await?;
        Ok(())
    }
}
