//! Who has access, as it shows: people at the desk by the looks that are kept, and API tokens.
//!
//! When it fails: [`RelayFault`]; nobody is listed.

use super::conflict::Conflict;
use super::desk::look_place;
use super::look::LookPurpose;
use super::review::{AccessFacts, Whose, suspended};
use super::tree::PROCESS;
use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::LookRow;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who has not used his access for so long sleeps.
const DORMANT: Duration = Duration::from_secs(90 * 86_400);
/// People are remembered for so long after their last look.
const REMEMBERED_MS: i64 = 395 * 86_400_000;
/// Looks read at once.
const MANY: i64 = 1000;

/// Who else has access: shown in a review, which decides nothing about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherAccess {
    /// Accounts of the system under which processes with keys began, with their roles, and when one last did.
    pub processes: BTreeMap<(String, String), Timestamp>,
    /// Credentials of stores that stand.
    pub credentials: i64,
}

impl Relay {
    /// Who has access beside people at the desk and API tokens, as far as it shows.
    pub(super) async fn other_access(&self, now: Timestamp) -> Result<OtherAccess, RelayFault> {
        let credentials = self.store().count_credentials(now).await?;
        let mut others = OtherAccess { credentials, ..OtherAccess::default() };
        for row in self.store().looks_of_kind(PROCESS, MANY).await? {
            // One that does not open says nothing, and stops no review.
            let Ok(detail) = self.opened_detail(&row.key, look_place(row.id), &row.detail).await else {
                continue;
            };
            let user = detail.get("user").and_then(Value::as_str).unwrap_or_default().to_owned();
            let roles = detail.pointer("/what/roles").and_then(Value::as_array);
            let roles: Vec<&str> = roles.into_iter().flatten().filter_map(Value::as_str).collect();
            others.processes.entry((user, roles.join(", "))).or_insert(row.at);
        }
        Ok(others)
    }

    /// Who has access now.
    pub(super) async fn accesses(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(Option<i64>, Whose, AccessFacts)>, RelayFault> {
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
        let stands =
            |token: &super::TokenView| token.revoked_at.is_none() && token.ends_at.is_none_or(|at| at > now);
        for token in self.tokens().await?.into_iter().filter(stands) {
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
    pub(super) async fn people(&self, now: Timestamp) -> Result<BTreeMap<String, AccessFacts>, RelayFault> {
        let since = Timestamp::from_millis(now.as_millis().saturating_sub(REMEMBERED_MS));
        let mut people: BTreeMap<String, AccessFacts> = BTreeMap::new();
        let mut places: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut after = 0;
        loop {
            let rows = self.store().looks_after(after, since, MANY).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            // A process that begins or ends is nobody, and a search that nobody signed shows nobody anything.
            let is_person =
                |row: &&LookRow| row.kind != PROCESS && row.purpose != LookPurpose::Unstated.as_str();
            for row in rows.iter().filter(is_person) {
                let detail = self.opened_detail(&row.key, look_place(row.id), &row.detail).await?;
                let word = |name: &str| detail.get(name).and_then(Value::as_str);
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
                    "elsewhere" => places.entry(actor.to_owned()).or_default().0 += 1,
                    "used" if row.kind == "break-glass" => places.entry(actor.to_owned()).or_default().1 += 1,
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
            let (refused, used) = places.get(name).copied().unwrap_or_default();
            let mut conflicts = Vec::new();
            if refused > 0 {
                conflicts.push(Conflict::Refused(refused));
            }
            if used > 0 {
                conflicts.push(Conflict::Elsewhere(used));
            }
            if facts.decided > 0 && facts.opened + facts.exported > 0 {
                conflicts.push(Conflict::Decides);
            }
            if facts.accounts.len() > 1 {
                conflicts.push(Conflict::Accounts(facts.accounts.len() as u64));
            }
            let shared = facts.accounts.iter().filter_map(|account| by_account.get(account));
            let others: BTreeSet<&String> = shared.flatten().filter(|other| *other != name).collect();
            if !others.is_empty() {
                let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
                conflicts.push(Conflict::Shares(others.join(", ")));
            }
            facts.conflicts = conflicts.iter().map(Conflict::to_string).collect();
        }
        Ok(people)
    }
}
