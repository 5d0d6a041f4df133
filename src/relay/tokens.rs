//! API tokens: shown once, kept as a keyed index, with scopes.

use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::vault::{Indexed, Place, Purpose, Secret};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Merchants,
    Orders,
    Messages,
    Erasures,
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
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Scope::Merchants, Scope::Orders, Scope::Messages, Scope::Erasures]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// A new token, shown once.
pub struct TokenAdded {
    pub token: Secret,
}

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    #[error("scope: one or more of merchants, orders, messages, erasures, separated by commas")]
    Scope,
    #[error("name: 1 to 100 characters")]
    Name,
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
        Ok(TokenAdded { token })
    }

    /// Whether a bearer token has a scope: `None` when there is no such token.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn token_allows(&self, token: &str, scope: Scope) -> Result<Option<bool>, RelayFault> {
        for index in self.vault().index.all(Indexed::Token(token)) {
            if let Some((scopes, indexed_at)) = self.store().token_scopes(index).await? {
                let newest = self.vault().index.of(Indexed::Token(token));
                let now = Timestamp::now();
                // One that was indexed while the newest key had not settled is told apart from older ones only by its time.
                let is_unsure = self.settled(Purpose::Index).is_some_and(|at| indexed_at < at && at <= now);
                if newest != index || is_unsure {
                    self.store().reindex_token(index, newest, now).await?;
                }
                return Ok(Some(scopes.split(',').any(|word| word == scope.as_str())));
            }
        }
        Ok(None)
    }
}
