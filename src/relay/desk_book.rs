//! What was written down at the desk, for people: requests and what is decided about them, and who looked.
//!
//! When it fails: [`DeskFault`]; nothing is decided.

use super::desk::{DeskFault, Ruling, look_place, request_place};
use super::look::{Account, Look, LookPurpose};
use super::rulings::request_said;
use super::{Relay, RelayFault, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::store::LookRow;
use crate::vault::{Index, Indexed};
use data_encoding::HEXLOWER;
use serde_json::Value;

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

/// Which looks are asked for.
#[derive(Debug, Default, Clone)]
pub struct LooksAsked {
    /// By whom, by name.
    pub by: Option<String>,
    /// At what.
    pub about: Option<String>,
    pub since: Option<Timestamp>,
    pub limit: usize,
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
        match self.may_look(&look).await {
            // The way out of a review that suspended everybody.
            Err(DeskFault::Suspended)
                if detail.pointer("/what/certify").is_some() && self.is_nobody_left().await? => {}
            allowed => allowed?,
        }
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
        let said = request_said(outcome, entry.at, decider.as_bytes());
        let ruling = self.proof_of("look_request", id, &said);
        let decided = self.store().decide_look(id, outcome, decider, ruling, &entry).await;
        decided.map_err(RelayFault::from)?.then_some(()).ok_or(DeskFault::Decided)
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
        self.looks_before(i64::MAX).await
    }

    /// The last looks of somebody, or at something, the latest first.
    ///
    /// # Errors
    /// [`DeskFault`] when a name can't be one, the database does not answer, or the log's key is not here.
    pub async fn looks_of(&self, asked: &LooksAsked) -> Result<Vec<LookView>, DeskFault> {
        let by = asked.by.as_deref().map(Look::named_as).transpose()?;
        let actors: Vec<Index> =
            by.iter().flat_map(|name| self.vault().index.all(Indexed::Actor(name))).collect();
        let wanted = asked.about.as_deref().map(|about| self.as_written(about));
        if wanted.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let (mut found, mut before) = (Vec::new(), i64::MAX);
        loop {
            let rows = match by {
                Some(_) => self.store().looks_by(&actors, before, LIST_MAX).await,
                None => self.store().looks(before, LIST_MAX).await,
            };
            let views = self.look_views(rows.map_err(RelayFault::from)?).await?;
            let Some(last) = views.last() else { return Ok(found) };
            before = super::parse_queue_id(&last.id).unwrap_or(0);
            for view in views {
                if asked.since.is_some_and(|since| view.at < since) {
                    return Ok(found);
                }
                if wanted.as_ref().is_none_or(|wanted| is_about(&view, wanted)) {
                    found.push(view);
                    if found.len() >= asked.limit {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// How entries have what somebody looked at: each word of it, each in one of these ways.
    fn as_written(&self, about: &str) -> Vec<Vec<String>> {
        let about = about.trim();
        let Ok(address) = RealAddress::parse(about) else {
            let words = about.split('/').filter(|word| !word.is_empty());
            return words.map(|word| vec![word.to_lowercase()]).collect();
        };
        // An address of ours stands there as it is, any other by its index, under the key of then.
        let indexes = self.vault().index.all(Indexed::Stranger(&address)).into_iter();
        let mut ways: Vec<String> = indexes.map(|index| HEXLOWER.encode(index.as_bytes())).collect();
        ways.push(about.to_lowercase());
        vec![ways]
    }

    /// The last entries before one, the latest first.
    pub(super) async fn looks_before(&self, id: i64) -> Result<Vec<LookView>, DeskFault> {
        let rows = self.store().looks(id, LIST_MAX).await.map_err(RelayFault::from)?;
        self.look_views(rows).await
    }

    async fn look_views(&self, rows: Vec<LookRow>) -> Result<Vec<LookView>, DeskFault> {
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
}

/// Whether an entry names all of it.
fn is_about(view: &LookView, wanted: &[Vec<String>]) -> bool {
    let mut texts = Vec::new();
    texts_of(view.detail.get("what").unwrap_or(&Value::Null), &mut texts);
    let stands = |way: &String| texts.iter().any(|text| has_word(text, way));
    !wanted.is_empty() && wanted.iter().all(|ways| ways.iter().any(stands))
}

fn texts_of(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.to_lowercase()),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| texts_of(field, texts)),
        _ => {}
    }
}

/// Whether a word stands in a text by itself: `A-1` not in `A-10`.
fn has_word(text: &str, word: &str) -> bool {
    let is_apart =
        |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | '@'));
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        is_apart(before) && is_apart(after)
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_word_is_found_where_it_stands_by_itself() {
        for text in ["a-1", "hana-ya/a-1", "order:a-1 or store:x", "\"a-1\""] {
            assert!(has_word(text, "a-1"), "{text}");
        }
        for text in ["a-10", "xa-1", "a-1.b", "ba-1@x.example", "-a-1"] {
            assert!(!has_word(text, "a-1"), "{text}");
        }
    }
}
