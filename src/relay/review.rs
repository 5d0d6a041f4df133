//! Reviews of who has access: people who have had something opened, and API tokens; each certified by somebody else, or not.
//!
//! Rules: a review lists who has access now. Who is certified by nobody by the time it is due is suspended, which the desk and the API
//! see by themselves: nothing has to run for it. One login is one person where the system knows it, whatever names it gives: it is
//! suspended if any name is that worked under it, and nobody certifies a name of his own login. Who is suspended begins, certifies
//! and revokes nothing; where everybody is, two of them together certify one, who then certifies the others. A person who is revoked, and a
//! token, stay so until a later review certifies the person; a token is then refused for good. Beginning, certifying and
//! revoking are in the list of looks, so in the audit tree.
//! When it fails: [`ReviewFault`]; nothing was decided.

use super::access::OtherAccess;
use super::desk::look_place;
use super::look::{LookPurpose, Opening};
use super::rulings::item_said;
use super::{Account, DeskFault, Look, Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::{KeyRow, NewReviewItem, ReviewItemRow, ReviewRow};
use crate::vault::Place;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Shortest time until a review is due, and until one is that lists API tokens.
const DUE_MIN: Duration = Duration::from_secs(3600);
const DUE_MIN_OF_TOKENS: Duration = Duration::from_secs(7 * 86_400);
/// Longest time until a review is due.
const DUE_MAX: Duration = Duration::from_secs(90 * 86_400);

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
    pub others: OtherAccess,
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
    #[error("due: at least 7 days, since it lists API tokens, without which the marketplace stands still")]
    DueOfTokens,
    #[error(transparent)]
    Desk(#[from] DeskFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// What all reviews say of a person.
#[derive(Default)]
pub(super) struct Reviewed {
    /// The latest first, each with when it was due.
    pub(super) decisions: Vec<(Option<String>, Timestamp)>,
    /// Its accounts alone.
    pub(super) facts: AccessFacts,
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
        if !(DUE_MIN..=DUE_MAX).contains(&due) {
            return Err(ReviewFault::Due);
        }
        self.may_look(look).await?;
        let now = Timestamp::now();
        let (key, new_key) = self.new_data_key("review");
        let id = self.next_id();
        let mut items = Vec::new();
        let accesses = self.accesses(now).await?;
        // The marketplace stands still when its tokens are suspended.
        if due < DUE_MIN_OF_TOKENS && accesses.iter().any(|(token, ..)| token.is_some()) {
            return Err(ReviewFault::DueOfTokens);
        }
        for (token_id, whose, facts) in accesses {
            let id = self.next_id();
            let text = serde_json::to_vec(&Item { whose, facts })
                .map_err(|_| RelayFault::Malformed("review_item.detail"))?;
            items.push(NewReviewItem { id, token_id, detail: key.seal(item_place(id), &text) });
        }
        let what = serde_json::json!({ "review": queue_id(id), "accesses": items.len() });
        let entry = self.entry(look, "review", Some(what), 0, "begun", None);
        let review = ReviewRow {
            id,
            at: now,
            due_at: now.after(due),
            key: KeyRow { id: new_key.id, wrapped: Vec::new() },
            begun_by: key.seal(begun_place(id), look.actor.as_bytes()),
        };
        self.store().begin_review(&entry, &review, &new_key, &items).await.map_err(RelayFault::from)?;
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
                (_, Some(token)) => suspended(&self.token_decisions(token).await?, now),
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
                decision: self.proven(item),
                decided_at: item.decided_at,
                decided_by,
                is_suspended,
            });
        }
        let begun_by = self.open_name(&row.key, begun_place(row.id), &row.begun_by)?;
        let others = self.other_access(now).await?;
        Ok(ReviewView { id: queue_id(row.id), at: row.at, due_at: row.due_at, begun_by, accesses, others })
    }

    /// Decides about an access of the last review. Where everybody is suspended, two of them together certify: `approved` names
    /// the request that another one has approved.
    ///
    /// # Errors
    /// [`ReviewFault`] when it can't be decided, or not by this one.
    pub async fn decide_access(
        &self,
        look: &Look,
        access: &str,
        decision: Decision,
        approved: Option<&str>,
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
        match self.may_look(look).await {
            Err(DeskFault::Suspended) if decision == Decision::Certified && self.is_nobody_left().await? => {
                self.by_two(look, &Opening::Certify { access: queue_id(id) }, approved).await?;
            }
            allowed => allowed?,
        }
        let what = serde_json::json!({ "access": queue_id(id), "whose": whose });
        let entry = self.entry(look, "review", Some(what), 0, decision.as_str(), None);
        let by = self
            .data_key(&item.key)
            .map_err(RelayFault::from)?
            .seal(decided_place(id), look.actor.as_bytes());
        let (store, now) = (self.store(), entry.at);
        let ruling = self.proof_of("review_item", id, &item_said(decision.as_str(), now));
        let decided = store.decide_review(id, decision.as_str(), &entry, &by, ruling).await;
        if !decided.map_err(RelayFault::from)? {
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

    /// What reviews decided about an API token, the latest first, each with when it was due.
    pub(super) async fn token_decisions(
        &self,
        token: i64,
    ) -> Result<Vec<(Option<String>, Timestamp)>, RelayFault> {
        let items = self.store().token_reviews(token).await?;
        Ok(items.iter().map(|item| (self.proven(item), item.due_at)).collect())
    }

    /// Whether everybody whom reviews know, and who has access still, is suspended. Who was certified years ago and has not come since
    /// has left: nobody can ask him to certify, so he must not keep all others out.
    pub(super) async fn is_nobody_left(&self) -> Result<bool, RelayFault> {
        let (mut reviewed, now) = (self.people_reviewed().await?, Timestamp::now());
        let here = self.people(now).await?;
        reviewed.retain(|name, _| here.contains_key(name));
        Ok(!reviewed.is_empty() && reviewed.values().all(|one| suspended(&one.decisions, now)))
    }

    /// What reviews decided about people, the latest first, and under which accounts they worked. Who was revoked by what the list of
    /// looks says is so, also where an old row was put back or the row is gone.
    pub(super) async fn people_reviewed(&self) -> Result<BTreeMap<String, Reviewed>, RelayFault> {
        let mut people: BTreeMap<String, Reviewed> = BTreeMap::new();
        let (mut revoked, mut rows) = (self.revoked().await?, Vec::new());
        for row in self.store().review_items(None).await? {
            let Item { whose, facts } = self.open_item(&row)?;
            if let Whose::Person(name) = whose {
                people.entry(name.clone()).or_default().facts.accounts.extend(facts.accounts);
                let decision = match revoked.remove(&row.id) {
                    Some(_) => Some(Decision::Revoked.as_str().to_owned()),
                    None => self.proven(&row),
                };
                rows.push((row.id, name, decision, row.due_at));
            }
        }
        for (id, whose) in revoked {
            if let Whose::Person(name) = whose {
                rows.push((id, name, Some(Decision::Revoked.as_str().to_owned()), Timestamp::from_millis(0)));
            }
        }
        rows.sort_by_key(|(id, ..)| std::cmp::Reverse(*id));
        for (_, name, decision, due_at) in rows {
            people.entry(name).or_default().decisions.push((decision, due_at));
        }
        Ok(people)
    }

    /// Accesses that were revoked, by what the list of looks says, and whose each is. Without its key nothing.
    async fn revoked(&self) -> Result<BTreeMap<i64, Whose>, RelayFault> {
        let mut revoked = BTreeMap::new();
        if self.lacks_key_of_looks().is_some() {
            return Ok(revoked);
        }
        for row in self.store().revocations().await? {
            // One that does not open was written by nobody with the key ring, or its day is over.
            let Ok(detail) = self.opened_detail(&row.key, look_place(row.id), &row.detail).await else {
                continue;
            };
            let what = |name: &str| detail.pointer(&format!("/what/{name}"));
            let id = what("access").and_then(serde_json::Value::as_str).and_then(super::parse_queue_id);
            let whose = what("whose").and_then(|whose| serde_json::from_value(whose.clone()).ok());
            revoked.extend(id.zip(whose));
        }
        Ok(revoked)
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

    /// Refuses a person who comes from where nobody may, or whose access is suspended.
    pub(super) async fn may_look(&self, look: &Look) -> Result<(), DeskFault> {
        self.may_come(look).await?;
        self.is_not_suspended(look).await
    }

    /// Refuses a person whose access is suspended.
    pub(super) async fn is_not_suspended(&self, look: &Look) -> Result<(), DeskFault> {
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
            let account = Account { uid, login: Some(login), from: crate::residency::Origin::Here };
            assert_eq!(login_of(&account.to_string()), Some(login), "{account}");
        }
        // Who logged in was not known: the user is what there is.
        assert_eq!(login_of("uid 5"), Some(5));
        for other in ["", "uid", "uid x", "login 5", "uid 5, login x"] {
            assert_eq!(login_of(other), None, "{other}");
        }
    }
}
