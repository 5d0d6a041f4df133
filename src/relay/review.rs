//! Reviews of who has access: people who have had something opened, and API tokens; each certified by somebody else, or not.
//!
//! Rules: a review lists who has access now. Who is certified by nobody by the time it is due is suspended, which the desk and the API
//! see by themselves: nothing has to run for it. One login is one person where the system knows it, whatever names it gives: it is
//! suspended if any name is that worked under it, and nobody certifies a name of his own login. A person who is revoked, and a
//! token, stay so until a later review certifies the person; a token is then refused for good. Beginning, certifying and
//! revoking are in the list of looks, so in the audit tree.
//! When it fails: [`ReviewFault`]; nothing was decided.

use super::desk::look_place;
use super::look::LookPurpose;
use super::{Account, DeskFault, Look, Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::{KeyRow, NewReviewItem, ReviewItemRow, ReviewRow};
use crate::vault::Place;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who has not used his access for so long sleeps.
const DORMANT: Duration = Duration::from_secs(90 * 86_400);
/// People are remembered for so long after their last look.
const REMEMBERED_MS: i64 = 395 * 86_400_000;
/// Longest time until a review is due.
const DUE_MAX: Duration = Duration::from_secs(90 * 86_400);
/// Looks read at once.
const MANY: i64 = 1000;

/// Whose access it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    Person(String),
    Token(String),
}

/// What is known of an access.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessFacts {
    /// Of a token.
    pub scopes: Option<String>,
    /// Milliseconds since 1970; of a person, of the looks that are kept.
    pub since: Option<i64>,
    pub last_use: Option<i64>,
    /// Looks that opened something, that went to a file, that asked for a second person, and decisions about requests.
    pub opened: u64,
    pub exported: u64,
    pub asked: u64,
    pub decided: u64,
    /// Accounts of the system under which a person worked.
    pub accounts: BTreeSet<String>,
    pub is_dormant: bool,
    /// What goes badly together.
    pub conflicts: Vec<String>,
}

/// An access in a review.
pub struct ReviewedAccess {
    pub id: String,
    pub whose: Whose,
    pub facts: AccessFacts,
    /// certified, revoked, or none.
    pub decision: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub decided_by: Option<String>,
    pub is_suspended: bool,
}

/// A review.
pub struct ReviewView {
    pub id: String,
    pub at: Timestamp,
    pub due_at: Timestamp,
    pub begun_by: String,
    pub accesses: Vec<ReviewedAccess>,
}

/// What may be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Certified,
    Revoked,
}

impl Decision {
    fn as_str(self) -> &'static str {
        match self {
            Decision::Certified => "certified",
            Decision::Revoked => "revoked",
        }
    }
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ReviewFault {
    #[error("review: none was begun; `anshin compliance review begin` does")]
    NoReview,
    #[error("access: the review has none of this id; `anshin compliance review show` lists them")]
    NoAccess,
    #[error("access: somebody decided about it already; a certified one can be revoked")]
    Decided,
    #[error("access: nobody certifies himself; somebody else does")]
    Own,
    #[error("due: at least an hour and at most 90 days")]
    Due,
    #[error(transparent)]
    Desk(#[from] DeskFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// What all reviews say of a person.
#[derive(Default)]
struct Reviewed {
    /// The latest first, each with when it was due.
    decisions: Vec<(Option<String>, Timestamp)>,
    /// Its accounts alone.
    facts: AccessFacts,
}

#[derive(Serialize, Deserialize)]
struct Item {
    whose: Whose,
    facts: AccessFacts,
}

/// Whether an access is suspended, by what reviews decided about it and when each was due, the latest first.
pub(super) fn suspended(decisions: &[(Option<String>, Timestamp)], now: Timestamp) -> bool {
    for (decision, due_at) in decisions {
        match decision.as_deref() {
            Some("certified") => return false,
            Some(_) => return true,
            None if *due_at <= now => return true,
            // One that is not due yet changes nothing.
            None => {}
        }
    }
    false
}

impl Relay {
    /// Begins a review that is due after a while.
    ///
    /// # Errors
    /// [`ReviewFault`] when that is no good time, or the database does not answer.
    pub async fn begin_review(&self, look: &Look, due: Duration) -> Result<ReviewView, ReviewFault> {
        if !(Duration::from_secs(3600)..=DUE_MAX).contains(&due) {
            return Err(ReviewFault::Due);
        }
        let now = Timestamp::now();
        let (key, new_key) = self.new_data_key("review");
        let id = self.next_id();
        let mut items = Vec::new();
        for (token_id, whose, facts) in self.accesses(now).await? {
            let id = self.next_id();
            let text = serde_json::to_vec(&Item { whose, facts })
                .map_err(|_| RelayFault::Malformed("review_item.detail"))?;
            items.push(NewReviewItem { id, token_id, detail: key.seal(item_place(id), &text) });
        }
        let what = serde_json::json!({ "review": queue_id(id), "accesses": items.len() });
        self.note_deed(look, "review", what, "begun").await?;
        let review = ReviewRow {
            id,
            at: now,
            due_at: now.after(due),
            key: KeyRow { id: new_key.id, wrapped: Vec::new() },
            begun_by: key.seal(begun_place(id), look.actor.as_bytes()),
        };
        self.store().begin_review(&review, &new_key, &items).await.map_err(RelayFault::from)?;
        self.last_review().await
    }

    /// The last review.
    ///
    /// # Errors
    /// [`ReviewFault`] when there is none.
    pub async fn last_review(&self) -> Result<ReviewView, ReviewFault> {
        let reviews = self.store().reviews().await.map_err(RelayFault::from)?;
        let row = reviews.into_iter().next().ok_or(ReviewFault::NoReview)?;
        let now = Timestamp::now();
        let people = self.people_reviewed().await?;
        let mut accesses = Vec::new();
        for item in self.store().review_items(Some(row.id)).await.map_err(RelayFault::from)?.iter().rev() {
            let Item { whose, facts } = self.open_item(item)?;
            let is_suspended = match (&whose, item.token_id) {
                (_, Some(token)) => {
                    suspended(&self.store().token_reviews(token).await.map_err(RelayFault::from)?, now)
                }
                (Whose::Person(name), None) => {
                    people.get(name).is_some_and(|reviewed| suspended(&reviewed.decisions, now))
                }
                (Whose::Token(_), None) => true,
            };
            let decided_by = match &item.decided_by {
                Some(by) => Some(self.open_name(&item.key, decided_place(item.id), by)?),
                None => None,
            };
            accesses.push(ReviewedAccess {
                id: queue_id(item.id),
                whose,
                facts,
                decision: item.decision.clone(),
                decided_at: item.decided_at,
                decided_by,
                is_suspended,
            });
        }
        let begun_by = self.open_name(&row.key, begun_place(row.id), &row.begun_by)?;
        Ok(ReviewView { id: queue_id(row.id), at: row.at, due_at: row.due_at, begun_by, accesses })
    }

    /// Decides about an access of the last review.
    ///
    /// # Errors
    /// [`ReviewFault`] when it can't be decided, or not by this one.
    pub async fn decide_access(
        &self,
        look: &Look,
        access: &str,
        decision: Decision,
    ) -> Result<(), ReviewFault> {
        let id = super::parse_queue_id(access).ok_or(ReviewFault::NoAccess)?;
        let reviews = self.store().reviews().await.map_err(RelayFault::from)?;
        let review = reviews.into_iter().next().ok_or(ReviewFault::NoReview)?;
        let items = self.store().review_items(Some(review.id)).await.map_err(RelayFault::from)?;
        let item = items.iter().find(|item| item.id == id).ok_or(ReviewFault::NoAccess)?;
        let Item { whose, facts } = self.open_item(item)?;
        if decision == Decision::Certified
            && (whose == Whose::Person(look.actor.clone()) || facts.is_of(&look.account))
        {
            return Err(ReviewFault::Own);
        }
        let what = serde_json::json!({ "access": queue_id(id), "whose": whose });
        self.note_deed(look, "review", what, decision.as_str()).await?;
        let by = self
            .data_key(&item.key)
            .map_err(RelayFault::from)?
            .seal(decided_place(id), look.actor.as_bytes());
        let now = Timestamp::now();
        let store = self.store();
        if !store.decide_review(id, decision.as_str(), now, &by).await.map_err(RelayFault::from)? {
            return Err(ReviewFault::Decided);
        }
        if let (Decision::Revoked, Some(token)) = (decision, item.token_id) {
            store.revoke_token(token, now).await.map_err(RelayFault::from)?;
        }
        Ok(())
    }

    /// Whether somebody's access to the desk is suspended: the name's, or that of any name of the same login.
    async fn is_suspended(&self, look: &Look, now: Timestamp) -> Result<bool, RelayFault> {
        let mut people = self.people_reviewed().await?;
        people.retain(|name, reviewed| *name == look.actor || reviewed.facts.is_of(&look.account));
        Ok(people.values().any(|reviewed| suspended(&reviewed.decisions, now)))
    }

    /// What reviews decided about people, the latest first, and under which accounts they worked.
    async fn people_reviewed(&self) -> Result<BTreeMap<String, Reviewed>, RelayFault> {
        let mut people: BTreeMap<String, Reviewed> = BTreeMap::new();
        for row in self.store().review_items(None).await? {
            let Item { whose, facts } = self.open_item(&row)?;
            if let Whose::Person(name) = whose {
                let reviewed = people.entry(name).or_default();
                reviewed.decisions.push((row.decision, row.due_at));
                reviewed.facts.accounts.extend(facts.accounts);
            }
        }
        Ok(people)
    }

    /// Who has access now.
    async fn accesses(&self, now: Timestamp) -> Result<Vec<(Option<i64>, Whose, AccessFacts)>, RelayFault> {
        let is_dormant =
            |last: Option<i64>| last.is_none_or(|last| now.since(Timestamp::from_millis(last)) > DORMANT);
        let mut all = Vec::new();
        let mut people = self.people(now).await?;
        // Who is suspended is listed until somebody decides, however long ago that name was used: it suspends its login.
        for (name, reviewed) in self.people_reviewed().await? {
            if suspended(&reviewed.decisions, now) {
                people.entry(name).or_insert(reviewed.facts);
            }
        }
        for (name, mut facts) in people {
            facts.is_dormant = is_dormant(facts.last_use);
            all.push((None, Whose::Person(name), facts));
        }
        for token in self.tokens().await?.into_iter().filter(|token| token.revoked_at.is_none()) {
            let last_use = token.used_at.map(Timestamp::as_millis);
            let facts = AccessFacts {
                scopes: Some(token.scopes),
                since: Some(token.created_at.as_millis()),
                last_use,
                is_dormant: is_dormant(last_use.or(Some(token.created_at.as_millis()))),
                ..AccessFacts::default()
            };
            all.push((super::parse_queue_id(&token.id), Whose::Token(token.name), facts));
        }
        Ok(all)
    }

    /// People at the desk, as the looks that are kept show them.
    async fn people(&self, now: Timestamp) -> Result<BTreeMap<String, AccessFacts>, RelayFault> {
        let since = Timestamp::from_millis(now.as_millis().saturating_sub(REMEMBERED_MS));
        let mut people: BTreeMap<String, AccessFacts> = BTreeMap::new();
        let mut after = 0;
        loop {
            let rows = self.store().looks_after(after, since, MANY).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            // A search that nobody signed shows nobody anything; tokens are listed by themselves.
            for row in rows.iter().filter(|row| row.purpose != LookPurpose::Unstated.as_str()) {
                let detail = self.opened_detail(&row.key, look_place(row.id), &row.detail).await?;
                let word = |name: &str| detail.get(name).and_then(serde_json::Value::as_str);
                let Some(actor) = word("actor") else { continue };
                let facts = people.entry(actor.to_owned()).or_default();
                let at = row.at.as_millis();
                facts.since = Some(facts.since.map_or(at, |since| since.min(at)));
                facts.last_use = Some(facts.last_use.map_or(at, |last| last.max(at)));
                facts.accounts.extend(word("user").map(str::to_owned));
                match row.outcome.as_str() {
                    "opened" => facts.opened += 1,
                    "exported" => facts.exported += 1,
                    "asked" => facts.asked += 1,
                    "approved" | "refused" => facts.decided += 1,
                    _ => {}
                }
            }
        }
        let mut by_account: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, facts) in &people {
            for account in &facts.accounts {
                by_account.entry(account.clone()).or_default().insert(name.clone());
            }
        }
        for (name, facts) in &mut people {
            if facts.decided > 0 && facts.opened + facts.exported > 0 {
                facts.conflicts.push("decides about requests, and opens".to_owned());
            }
            if facts.accounts.len() > 1 {
                facts.conflicts.push(format!("works under {} accounts", facts.accounts.len()));
            }
            let shared = facts.accounts.iter().filter_map(|account| by_account.get(account));
            let others: BTreeSet<&String> = shared.flatten().filter(|other| *other != name).collect();
            if !others.is_empty() {
                let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
                facts.conflicts.push(format!("shares an account with {}", others.join(", ")));
            }
        }
        Ok(people)
    }

    fn open_item(&self, row: &ReviewItemRow) -> Result<Item, RelayFault> {
        let plain = self.data_key(&row.key)?.open(item_place(row.id), &row.detail)?;
        serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("review_item.detail"))
    }

    fn open_name(
        &self,
        key: &KeyRow,
        place: Place,
        sealed: &crate::vault::Sealed,
    ) -> Result<String, RelayFault> {
        let plain = self.data_key(key)?.open(place, sealed)?;
        Ok(String::from_utf8_lossy(&plain).into_owned())
    }

    /// Refuses a person whose access is suspended.
    pub(super) async fn may_look(&self, look: &Look) -> Result<(), DeskFault> {
        if self.is_suspended(look, Timestamp::now()).await? {
            self.note_deed(look, "review", serde_json::Value::Null, "suspended").await?;
            return Err(DeskFault::Suspended);
        }
        Ok(())
    }
}

impl AccessFacts {
    /// Whether somebody who logged in is the person that it is of.
    fn is_of(&self, account: &Account) -> bool {
        let Some(login) = account.login else { return false };
        self.accounts.iter().any(|written| login_of(written) == Some(login))
    }
}

/// The login in an account as it is written ([`Account`]'s Display): the user, where no other is named.
fn login_of(written: &str) -> Option<u32> {
    let (uid, login) = written.split_once(", login ").unwrap_or((written, ""));
    if login.is_empty() { uid.strip_prefix("uid ")?.parse().ok() } else { login.parse().ok() }
}

impl Look {
    /// Somebody who reviews, or enters what is no look.
    ///
    /// # Errors
    /// [`DeskFault`] when the name is none.
    pub fn for_audit(actor: &str, account: Account) -> Result<Self, DeskFault> {
        Self::new(actor, LookPurpose::Audit, "-", account)
    }
}

const fn item_place(id: i64) -> Place {
    Place::new("review_item", "detail", id)
}

const fn decided_place(id: i64) -> Place {
    Place::new("review_item", "decided_by", id)
}

const fn begun_place(id: i64) -> Place {
    Place::new("review", "begun_by", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_an_account_is_read_as_it_was_written() {
        for (uid, login) in [(0, 1000), (1000, 1000), (1000, 0)] {
            let account = Account { uid, login: Some(login) };
            assert_eq!(login_of(&account.to_string()), Some(login), "{account}");
        }
        // Who logged in was not known: the user is what there is.
        assert_eq!(login_of(&Account { uid: 5, login: None }.to_string()), Some(5));
        for other in ["", "uid", "uid x", "login 5", "uid 5, login x"] {
            assert_eq!(login_of(other), None, "{other}");
        }
    }
}
