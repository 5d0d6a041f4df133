//! API tokens: shown once, kept as a keyed index, with scopes.

use super::review::suspended;
use super::{Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::vault::{Indexed, Place, Purpose, Secret};
use std::time::Duration;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Merchants,
    Orders,
    Messages,
    Erasures,
    Log,
}

impl Scope {
    /// The word in lists and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Merchants => "merchants",
            Scope::Orders => "orders",
            Scope::Messages => "messages",
            Scope::Erasures => "erasures",
            Scope::Log => "log",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Scope::Merchants, Scope::Orders, Scope::Messages, Scope::Erasures, Scope::Log]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// A use is written down again after this long.
const USED_AGAIN: Duration = Duration::from_secs(86_400);

/// A token as it is listed.
pub struct TokenView {
    pub id: String,
    pub name: String,
    pub scopes: String,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Another has taken its place, and it is refused from then on.
    pub ends_at: Option<Timestamp>,
    /// Nobody certified it in a review that was due.
    pub is_suspended: bool,
}

/// A token that stands, by which somebody calls.
pub struct TokenHolder {
    pub id: i64,
    scopes: String,
}

impl TokenHolder {
    /// Whether it may do this.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.split(',').any(|word| word == scope.as_str())
    }
}

/// A new token, shown once.
pub struct TokenAdded {
    pub id: String,
    pub token: Secret,
}

/// Longest time for which a token and its successor both count.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    #[error("scope: one or more of merchants, orders, messages, erasures, log, separated by commas")]
    Scope,
    #[error("name: 1 to 100 characters")]
    Name,
    #[error("overlap: at most 30 days")]
    Overlap,
    #[error("token: it is suspended; certify it first (`anshin compliance review`)")]
    Suspended,
    #[error("token: there is none of this id that stands; `anshin token list` shows them")]
    NotThere,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Relay {
    /// Makes a token.
    ///
    /// # Errors
    /// [`TokenFault`] that names the field and the rule.
    pub async fn add_token(&self, name: &str, scopes: &str) -> Result<TokenAdded, TokenFault> {
        if name.trim().is_empty() || name.chars().count() > 100 {
            return Err(TokenFault::Name);
        }
        let mut words: Vec<&str> = Vec::new();
        for word in scopes.split(',').map(str::trim) {
            let scope = Scope::parse(word).ok_or(TokenFault::Scope)?;
            if !words.contains(&scope.as_str()) {
                words.push(scope.as_str());
            }
        }
        let token = Secret::generate("anst_");
        let id = self.next_id();
        let label = self.inner.installation.seal(Place::new("api_token", "label", id), name.as_bytes());
        let index = self.vault().index.of(Indexed::Token(token.show()));
        let added = self.store().add_token(id, index, words.join(","), label, Timestamp::now()).await;
        added.map_err(RelayFault::from)?;
        Ok(TokenAdded { id: queue_id(id), token })
    }

    /// Makes another token with the name and the scopes of one that stands, which is refused once `overlap` is over.
    ///
    /// # Errors
    /// [`TokenFault`] that names the field and the rule.
    pub async fn rotate_token(
        &self,
        id: &str,
        overlap: Duration,
    ) -> Result<(TokenAdded, Timestamp), TokenFault> {
        if overlap > OVERLAP_MAX {
            return Err(TokenFault::Overlap);
        }
        let now = Timestamp::now();
        let stands = |token: &TokenView| {
            token.id == id && token.revoked_at.is_none() && token.ends_at.is_none_or(|at| at > now)
        };
        let old = self.tokens().await?.into_iter().find(stands).ok_or(TokenFault::NotThere)?;
        if old.is_suspended {
            return Err(TokenFault::Suspended);
        }
        let added = self.add_token(&old.name, &old.scopes).await?;
        let row = super::parse_queue_id(&old.id).ok_or(TokenFault::NotThere)?;
        let ends_at = now.after(overlap);
        self.store().end_token(row, ends_at).await.map_err(RelayFault::from)?;
        Ok((added, old.ends_at.map_or(ends_at, |before| before.min(ends_at))))
    }

    /// All tokens, revoked ones too, the oldest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, RelayFault> {
        let now = Timestamp::now();
        let mut views = Vec::new();
        for row in self.store().tokens().await? {
            let label = self.open_for_installation(Place::new("api_token", "label", row.id), &row.label)?;
            views.push(TokenView {
                id: queue_id(row.id),
                name: String::from_utf8_lossy(&label).into_owned(),
                scopes: row.scopes,
                created_at: row.created_at,
                used_at: row.used_at,
                revoked_at: row.revoked_at,
                ends_at: row.ends_at,
                is_suspended: suspended(&self.token_decisions(row.id).await?, now),
            });
        }
        Ok(views)
    }

    /// Revokes a token: refused from then on.
    ///
    /// # Errors
    /// [`TokenFault::NotThere`] when none stands.
    pub async fn revoke_token(&self, id: &str) -> Result<(), TokenFault> {
        let id = super::parse_queue_id(id).ok_or(TokenFault::NotThere)?;
        let done = self.store().revoke_token(id, Timestamp::now()).await.map_err(RelayFault::from)?;
        done.then_some(()).ok_or(TokenFault::NotThere)
    }

    /// The id of a bearer token, and whether it has a scope: `None` when there is no such token.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn token_allows(&self, token: &str, scope: Scope) -> Result<Option<bool>, RelayFault> {
        Ok(self.token_holder(token).await?.map(|holder| holder.has(scope)))
    }

    /// Whose a bearer token is: `None` when no such token stands.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn token_holder(&self, token: &str) -> Result<Option<TokenHolder>, RelayFault> {
        for index in self.vault().index.all(Indexed::Token(token)) {
            if let Some(found) = self.store().token(index).await? {
                let newest = self.vault().index.of(Indexed::Token(token));
                let now = Timestamp::now();
                if found.ends_at.is_some_and(|at| at <= now) {
                    self.store().revoke_token(found.id, now).await?;
                    return Ok(None);
                }
                // One that was indexed while the newest key had not settled is told apart from older ones only by its time.
                let is_unsure =
                    self.settled(Purpose::Index).is_some_and(|at| found.indexed_at < at && at <= now);
                if newest != index || is_unsure {
                    self.store().reindex_token(index, newest, now).await?;
                }
                if suspended(&self.token_decisions(found.id).await?, now) {
                    return Ok(None);
                }
                // The day is enough to tell that it sleeps.
                if found.used_at.is_none_or(|at| now.since(at) > USED_AGAIN) {
                    self.store().token_used(found.id, now).await?;
                }
                return Ok(Some(TokenHolder { id: found.id, scopes: found.scopes }));
            }
        }
        Ok(None)
    }
}
