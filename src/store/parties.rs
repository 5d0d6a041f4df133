//! Stores, their addresses and credentials, conversations and aliases.

use super::accept;
use super::credentials;
use super::fault::StoreFault;
use super::handle::Store;
use super::rows::{Kind, NewMerchant};
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed, SecretHash, Side};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A wrapped data key.
#[derive(Clone)]
pub struct KeyRow {
    pub id: i64,
    pub wrapped: Vec<u8>,
}

/// A store as it is kept.
pub struct MerchantRow {
    pub id: i64,
    pub key: KeyRow,
    pub profile: Sealed,
}

/// A conversation as it is kept, with its store and its alias pair.
pub struct ConversationRow {
    pub id: i64,
    pub merchant: MerchantRow,
    pub kind: Kind,
    /// Of a guest: the order's conversation, whose times are its own.
    pub parent: Option<i64>,
    pub key: KeyRow,
    pub customer: Sealed,
    /// Index of the customer's address, as the key of its time made it.
    pub customer_idx: Vec<u8>,
    /// Addresses the customer had before.
    pub former: Option<Sealed>,
    /// What of it leads mail; not known of one that an older version wrote.
    pub revision: Option<Sealed>,
    pub label: Sealed,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub customer_alias: AliasRow,
    pub merchant_alias: AliasRow,
}

/// An alias as it is kept.
pub struct AliasRow {
    pub id: i64,
    pub key_name: u8,
    pub domain: String,
    /// Whose it is; not known of one that an older version wrote.
    pub tag: Option<Sealed>,
}

/// A submission credential as it is kept.
pub struct CredentialRow {
    pub id: i64,
    pub merchant_id: i64,
    /// SHA-256; counts only where there is no verifier.
    pub secret: Option<SecretHash>,
    /// Argon2id; None for one that is older and was not used since.
    pub verifier: Option<Sealed>,
    /// None for one that is older than SCRAM and was not used since.
    pub scram: Option<Sealed>,
    pub revoked_at: Option<Timestamp>,
    pub networks: Option<Sealed>,
    pub used: Option<Sealed>,
}

/// An API token at its use.
pub struct TokenUse {
    pub id: i64,
    /// Separated by commas.
    pub scopes: String,
    pub indexed_at: Timestamp,
    pub used_at: Option<Timestamp>,
    /// Another has taken its place by then.
    pub ends_at: Option<Timestamp>,
}

const CONVERSATION: &str = "\
    SELECT c.id, c.kind, c.data_key_id, ck.wrapped, c.customer, c.label, c.created_at, \
    COALESCE(p.expires_at, c.expires_at), COALESCE(p.closed_at, c.closed_at), m.id, m.data_key_id, mk.wrapped, m.profile, ca.id, ca.key_name, ca.domain, ma.id, ma.key_name, ma.domain, c.former, c.parent_id, c.customer_idx, c.revision, ca.tag, ma.tag \
    FROM conversation c \
    LEFT JOIN conversation p ON p.id = c.parent_id \
    JOIN data_key ck ON ck.id = c.data_key_id \
    JOIN merchant m ON m.id = c.merchant_id \
    JOIN data_key mk ON mk.id = m.data_key_id \
    JOIN alias ca ON ca.conversation_id = c.id AND ca.side = 'customer' \
    JOIN alias ma ON ma.conversation_id = c.id AND ma.side = 'merchant' ";

fn read_conversation(row: &AnyRow) -> Result<ConversationRow, sqlx::Error> {
    let sealed =
        |at: usize| Ok::<_, sqlx::Error>(row.try_get::<Option<Vec<u8>>, _>(at)?.map(Sealed::from_stored));
    let alias = |at: usize, tag: usize| -> Result<AliasRow, sqlx::Error> {
        let key_name: String = row.try_get(at + 1)?;
        Ok(AliasRow {
            id: row.try_get(at)?,
            key_name: key_name.bytes().next().unwrap_or_default(),
            domain: row.try_get(at + 2)?,
            tag: sealed(tag)?,
        })
    };
    Ok(ConversationRow {
        id: row.try_get(0)?,
        kind: Kind::of(&row.try_get::<String, _>(1)?),
        key: KeyRow { id: row.try_get(2)?, wrapped: row.try_get(3)? },
        customer: Sealed::from_stored(row.try_get(4)?),
        label: Sealed::from_stored(row.try_get(5)?),
        created_at: Timestamp::from_millis(row.try_get(6)?),
        expires_at: Timestamp::from_millis(row.try_get(7)?),
        closed_at: row.try_get::<Option<i64>, _>(8)?.map(Timestamp::from_millis),
        merchant: MerchantRow {
            id: row.try_get(9)?,
            key: KeyRow { id: row.try_get(10)?, wrapped: row.try_get(11)? },
            profile: Sealed::from_stored(row.try_get(12)?),
        },
        customer_alias: alias(13, 23)?,
        merchant_alias: alias(16, 24)?,
        former: sealed(19)?,
        parent: row.try_get(20)?,
        customer_idx: row.try_get(21)?,
        revision: sealed(22)?,
    })
}

impl Store {
    /// The conversation to which the alias with this id belongs.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn conversation_of_alias(
        &self,
        alias: i64,
        side: Side,
    ) -> Result<Option<ConversationRow>, StoreFault> {
        let text = match side {
            Side::Customer => format!("{CONVERSATION} WHERE ca.id = $1"),
            Side::Merchant => format!("{CONVERSATION} WHERE ma.id = $1"),
        };
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(alias).fetch_optional(self.pool()).await?;
        row.as_ref().map(read_conversation).transpose().map_err(Into::into)
    }

    /// A conversation by its id.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn conversation(&self, id: i64) -> Result<Option<ConversationRow>, StoreFault> {
        let text = format!("{CONVERSATION} WHERE c.id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(self.pool()).await?;
        row.as_ref().map(read_conversation).transpose().map_err(Into::into)
    }

    /// A store's conversation by the index of its order number (or of the inquirer).
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn conversation_by_key(
        &self,
        merchant: i64,
        kind: Kind,
        key_idx: Index,
    ) -> Result<Option<ConversationRow>, StoreFault> {
        let text = format!("{CONVERSATION} WHERE c.merchant_id = $1 AND c.kind = $2 AND c.key_idx = $3");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(merchant)
            .bind(kind.as_str())
            .bind(key_idx.as_bytes())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read_conversation).transpose().map_err(Into::into)
    }

    /// A store's order conversations after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn conversations(
        &self,
        merchant: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ConversationRow>, StoreFault> {
        let text = format!(
            "{CONVERSATION} WHERE c.merchant_id = $1 AND c.kind = 'order' AND c.id > $2 ORDER BY c.id LIMIT $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(merchant)
            .bind(after)
            .bind(limit)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read_conversation).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// All conversations after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn conversations_after(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ConversationRow>, StoreFault> {
        let text = format!("{CONVERSATION} WHERE c.id > $1 ORDER BY c.id LIMIT $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(after).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_conversation).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// How many guests an order's conversation has.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn guests(&self, conversation: i64) -> Result<i64, StoreFault> {
        let row = sqlx::query("SELECT COUNT(*) FROM conversation WHERE parent_id = $1")
            .bind(conversation)
            .fetch_one(self.pool())
            .await?;
        Ok(row.try_get(0)?)
    }

    /// A store by the index of its id.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn merchant_by_store_idx(&self, store_idx: Index) -> Result<Option<MerchantRow>, StoreFault> {
        let row = sqlx::query(
            "SELECT m.id, m.data_key_id, k.wrapped, m.profile FROM merchant m JOIN data_key k ON k.id = m.data_key_id \
             WHERE m.store_idx = $1",
        )
        .bind(store_idx.as_bytes())
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| read_merchant(&row)).transpose().map_err(Into::into)
    }

    /// A store by its row.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn merchant(&self, id: i64) -> Result<Option<MerchantRow>, StoreFault> {
        let row = sqlx::query(
            "SELECT m.id, m.data_key_id, k.wrapped, m.profile FROM merchant m JOIN data_key k ON k.id = m.data_key_id \
             WHERE m.id = $1",
        )
        .bind(id)
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| read_merchant(&row)).transpose().map_err(Into::into)
    }

    /// The credential with this user name.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn credential(&self, auth_idx: Index) -> Result<Option<CredentialRow>, StoreFault> {
        let row = sqlx::query(
            // Of a store that is contained none stands.
            "SELECT id, merchant_id, secret, CASE WHEN EXISTS (SELECT 1 FROM merchant m WHERE m.id = c.merchant_id \
             AND m.contained_at IS NOT NULL) THEN CAST(0 AS BIGINT) ELSE revoked_at END, scram, verifier, networks, used \
             FROM credential c WHERE auth_idx = $1",
        )
        .bind(auth_idx.as_bytes())
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            let sealed =
                |at| Ok::<_, sqlx::Error>(row.try_get::<Option<Vec<u8>>, _>(at)?.map(Sealed::from_stored));
            Ok(CredentialRow {
                id: row.try_get(0)?,
                merchant_id: row.try_get(1)?,
                secret: SecretHash::from_stored(&row.try_get::<Vec<u8>, _>(2)?),
                revoked_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_millis),
                scram: sealed(4)?,
                verifier: sealed(5)?,
                networks: sealed(6)?,
                used: sealed(7)?,
            })
        })
        .transpose()
        .map_err(|error: sqlx::Error| error.into())
    }

    /// The originals of those thread tags that this conversation issued.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn originals(
        &self,
        conversation: i64,
        tags: &[Vec<u8>],
    ) -> Result<Vec<(Vec<u8>, Sealed)>, StoreFault> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (0..tags.len()).map(|i| format!("${}", i + 2)).collect();
        let text = format!(
            "SELECT tag, original FROM thread_id WHERE conversation_id = $1 AND tag IN ({})",
            places.join(", ")
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(conversation);
        for tag in tags {
            query = query.bind(tag.as_slice());
        }
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, Sealed::from_stored(row.try_get(1)?))))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// The delivery of the last message that was sent in this direction under one of those thread tags.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn delivery_under(
        &self,
        conversation: i64,
        direction: &str,
        tags: &[Vec<u8>],
    ) -> Result<Option<i64>, StoreFault> {
        for tag in tags {
            let row = sqlx::query(
                "SELECT d.id FROM thread_id t JOIN message m ON m.id = t.message_id \
                 JOIN delivery d ON d.message_id = m.id \
                 WHERE t.conversation_id = $1 AND t.tag = $2 AND m.direction = $3",
            )
            .bind(conversation)
            .bind(tag.as_slice())
            .bind(direction)
            .fetch_optional(self.pool())
            .await?;
            if let Some(row) = row {
                return Ok(Some(row.try_get(0)?));
            }
        }
        Ok(None)
    }

    /// An API token that was not revoked.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn token(&self, token_idx: Index) -> Result<Option<TokenUse>, StoreFault> {
        let text = "SELECT id, scopes, COALESCE(reindexed_at, created_at), used_at, ends_at FROM api_token \
             WHERE token_idx = $1 AND revoked_at IS NULL";
        let row = sqlx::query(text).bind(token_idx.as_bytes()).fetch_optional(self.pool()).await?;
        let read = |row: AnyRow| {
            Ok(TokenUse {
                id: row.try_get(0)?,
                scopes: row.try_get(1)?,
                indexed_at: Timestamp::from_millis(row.try_get(2)?),
                used_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_millis),
                ends_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_millis),
            })
        };
        row.map(read).transpose().map_err(|error: sqlx::Error| error.into())
    }
}

fn read_merchant(row: &AnyRow) -> Result<MerchantRow, sqlx::Error> {
    Ok(MerchantRow {
        id: row.try_get(0)?,
        key: KeyRow { id: row.try_get(1)?, wrapped: row.try_get(2)? },
        profile: Sealed::from_stored(row.try_get(3)?),
    })
}

pub(super) async fn add_merchant(
    connection: &mut AnyConnection,
    new: &NewMerchant,
) -> Result<(), sqlx::Error> {
    accept::data_key(connection, &new.key, new.at).await?;
    sqlx::query(
        "INSERT INTO merchant (id, store_idx, data_key_id, profile, menu, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id)
    .bind(new.store_idx.as_bytes())
    .bind(new.key.id)
    .bind(new.profile.stored())
    .bind(new.menu.stored())
    .bind(new.at.as_millis())
    .execute(&mut *connection)
    .await?;
    for (position, address) in (0_i64..).zip(&new.addresses) {
        sqlx::query(
            "INSERT INTO merchant_address (id, merchant_id, address_idx, address, position) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(address.id)
        .bind(new.id)
        .bind(address.address_idx.as_bytes())
        .bind(address.address.stored())
        .bind(position)
        .execute(&mut *connection)
        .await?;
    }
    credentials::add(connection, new.id, &new.credential, new.at).await
}
