//! The registered addresses of stores, as their own people change them, and the codes by which something is proven.
//!
//! Rules: `merchant_address` is the one place of which addresses a store has; whoever submits is looked up there. One is added by a code that
//! went to it and is used once; the first, where the store's mail goes, is not taken off here. One that is taken off stays a secret
//! (`merchant.former`), in the same transaction.
//! When it fails: [`StoreFault`]; nothing was changed.

use super::fault::StoreFault;
use super::handle::Store;
use super::menu::{MenuChanged, end_sessions};
use super::menu_changing::Told;
use super::reader::Transaction;
use super::rows::NewAddress;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// Registered addresses of one store.
pub const ADDRESSES_MAX: usize = 50;
/// Addresses of one store that wait for their proof at once.
const CLAIMS_MAX: i64 = 40;
/// Codes of one person that are good at once; with one more the oldest ends. As many as are asked for in a day, so that whoever asks in
/// another's name ends no code of his. They hold up no other person, and no address that waits.
const CODES_OF_PERSON: i64 = 40;

/// A person who is written to at another address from now on.
pub struct PersonMoved {
    pub person: i64,
    /// The label as it was read.
    pub was: Sealed,
    pub label: Sealed,
    pub address_idx: Index,
}

/// A registered address, as kept.
pub struct SenderRow {
    pub id: i64,
    pub address: Sealed,
    /// Its name and whether it gets copies.
    pub label: Option<Sealed>,
}

/// What a store has registered.
pub struct SenderRows {
    /// The one its mail goes to first.
    pub rows: Vec<SenderRow>,
    /// Those that were taken off.
    pub former: Option<Sealed>,
}

/// A code that is good.
pub struct MenuCodeRow {
    pub id: i64,
    pub merchant_id: i64,
    pub person_id: Option<i64>,
    pub label: Option<Sealed>,
    pub ends_at: Timestamp,
}

/// A code to be kept.
pub struct NewMenuCode {
    pub id: i64,
    pub code: [u8; 32],
    pub person_id: Option<i64>,
    pub label: Option<Sealed>,
    pub ends_at: Timestamp,
}

const CODE: &str = "SELECT id, merchant_id, person_id, label, ends_at FROM menu_code";

impl Store {
    /// The registered addresses of a store, the one its mail goes to first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn senders(&self, merchant: i64) -> Result<SenderRows, StoreFault> {
        let text = "SELECT a.id, a.address, a.label, m.former FROM merchant_address a JOIN merchant m ON m.id = a.merchant_id \
             WHERE a.merchant_id = $1 ORDER BY a.position";
        let rows = sqlx::query(text).bind(merchant).fetch_all(self.pool()).await?;
        let former = rows.first().map(|row| sealed(row, 3)).transpose()?.flatten();
        let read = |row: &AnyRow| {
            Ok(SenderRow {
                id: row.try_get(0)?,
                address: Sealed::from_stored(row.try_get(1)?),
                label: sealed(row, 2)?,
            })
        };
        Ok(SenderRows { rows: rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?, former })
    }

    /// Stores that have registered one of these.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn stores_of_address(&self, indexes: &[Index], limit: i64) -> Result<Vec<i64>, StoreFault> {
        let mut found = Vec::new();
        for index in indexes {
            let text = "SELECT DISTINCT a.merchant_id FROM merchant_address a JOIN merchant m ON m.id = a.merchant_id \
                 WHERE a.address_idx = $1 AND m.left_at IS NULL ORDER BY a.merchant_id LIMIT $2";
            let query = sqlx::query(text).bind(index.as_bytes()).bind(limit);
            for row in query.fetch_all(self.pool()).await? {
                found.push(row.try_get(0)?);
            }
        }
        Ok(found)
    }

    /// Addresses of a store that wait for their proof, the first one first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn claimed_senders(
        &self,
        merchant: i64,
        now: Timestamp,
    ) -> Result<Vec<MenuCodeRow>, StoreFault> {
        let text =
            format!("{CODE} WHERE merchant_id = $1 AND ends_at > $2 AND label IS NOT NULL ORDER BY id");
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(merchant).bind(now.as_millis());
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_code).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// A code that is good still.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_code(
        &self,
        code: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<MenuCodeRow>, StoreFault> {
        let text = format!("{CODE} WHERE code = $1 AND ends_at > $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(&code[..]).bind(now.as_millis());
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(read_code).transpose().map_err(Into::into)
    }

    /// Keeps codes of a store.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_menu_codes(
        &self,
        merchant: i64,
        new: &[NewMenuCode],
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let text = "SELECT COUNT(*) FROM menu_code WHERE merchant_id = $1 AND ends_at > $2 AND person_id IS NULL";
            let query = sqlx::query(text).bind(merchant).bind(now.as_millis());
            let standing: i64 = query.fetch_one(&mut **transaction).await?.try_get(0)?;
            let claims = new.iter().filter(|new| new.person_id.is_none()).count();
            if claims > 0 && standing + i64::try_from(claims).unwrap_or(CLAIMS_MAX) > CLAIMS_MAX {
                return Ok(MenuChanged::TooMany);
            }
            for new in new {
                let text = "INSERT INTO menu_code (id, code, merchant_id, person_id, label, ends_at) VALUES ($1, $2, $3, $4, $5, $6)";
                let query = sqlx::query(text).bind(new.id).bind(&new.code[..]).bind(merchant).bind(new.person_id);
                let query = query.bind(new.label.as_ref().map(Sealed::stored)).bind(new.ends_at.as_millis());
                query.execute(&mut **transaction).await?;
                let Some(person) = new.person_id else { continue };
                let text = "DELETE FROM menu_code WHERE person_id = $1 AND id NOT IN \
                     (SELECT o.id FROM menu_code o WHERE o.person_id = $1 ORDER BY o.id DESC LIMIT $2)";
                let query = sqlx::query(text).bind(person).bind(CODES_OF_PERSON);
                query.execute(&mut **transaction).await?;
            }
            Ok(MenuChanged::Done)
        })
        .await
    }

    /// Registers an address, its code being right.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn register_sender(
        &self,
        (merchant, code): (i64, i64),
        new: &NewAddress,
        label: &Sealed,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            if !use_code(transaction, (merchant, code), now).await? {
                return Ok(MenuChanged::Gone);
            }
            let text = "SELECT COUNT(*) FROM merchant_address WHERE merchant_id = $1";
            let count: i64 = sqlx::query(text).bind(merchant).fetch_one(&mut **transaction).await?.try_get(0)?;
            if usize::try_from(count).is_ok_and(|count| count >= ADDRESSES_MAX) {
                return Ok(MenuChanged::TooMany);
            }
            let text = "INSERT INTO merchant_address (id, merchant_id, address_idx, address, position, label) \
                 SELECT $1, $2, $3, $4, (SELECT MAX(position) FROM merchant_address WHERE merchant_id = $2) + 1, $5 \
                 WHERE NOT EXISTS (SELECT 1 FROM merchant_address o WHERE o.merchant_id = $2 AND o.address_idx = $3)";
            let query = sqlx::query(text).bind(new.id).bind(merchant).bind(new.address_idx.as_bytes());
            let query = query.bind(new.address.stored()).bind(label.stored());
            let done = query.execute(&mut **transaction).await?;
            Ok(if done.rows_affected() == 1 { MenuChanged::Done } else { MenuChanged::Taken })
        })
        .await
    }

    /// Gives a registered address its name, and copies.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn label_sender(
        &self,
        (merchant, sender): (i64, i64),
        label: &Sealed,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let text = "UPDATE merchant_address SET label = $1 WHERE id = $2 AND merchant_id = $3";
            let query = sqlx::query(text).bind(label.stored()).bind(sender).bind(merchant);
            let done = query.execute(&mut **transaction).await?;
            Ok(if done.rows_affected() == 1 { MenuChanged::Done } else { MenuChanged::Gone })
        })
        .await
    }

    /// Makes a registered address the one that the store's mail goes to.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn make_first(
        &self,
        (merchant, sender): (i64, i64),
        moved: &[PersonMoved],
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            for one in moved {
                // A one-time password that went to the address of before is good no more.
                let text = "UPDATE menu_person SET label = $1, address_idx = $2, \
                     initial_until = CASE WHEN initial_until IS NULL THEN NULL ELSE 0 END WHERE id = $3 AND label = $4";
                let query = sqlx::query(text).bind(one.label.stored()).bind(one.address_idx.as_bytes());
                let query = query.bind(one.person).bind(one.was.stored());
                if query.execute(&mut **transaction).await?.rows_affected() == 0 {
                    return Ok(MenuChanged::Gone);
                }
                end_codes(transaction, one.person).await?;
                end_sessions(transaction, one.person, None).await?;
            }
            let text = "UPDATE merchant_address SET position = \
                 (SELECT MIN(o.position) FROM merchant_address o WHERE o.merchant_id = $2) - 1 WHERE id = $1 AND merchant_id = $2";
            let done = sqlx::query(text).bind(sender).bind(merchant).execute(&mut **transaction).await?;
            Ok(if done.rows_affected() == 1 { MenuChanged::Done } else { MenuChanged::Gone })
        })
        .await
    }

    /// Takes a registered address off; the first one stays. `former`: those that were taken off as they were read, and with this one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_sender(
        &self,
        (merchant, sender): (i64, i64),
        former: (Option<&Sealed>, &Sealed),
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        let (read, new) = former;
        self.menu_changing(merchant, told, async |transaction| {
            let text = "SELECT former FROM merchant WHERE id = $1";
            let row = sqlx::query(text).bind(merchant).fetch_one(&mut **transaction).await?;
            if sealed(&row, 0)?.as_ref().map(Sealed::stored) != read.map(Sealed::stored) {
                return Ok(MenuChanged::Gone);
            }
            let text = "DELETE FROM merchant_address WHERE id = $1 AND merchant_id = $2 \
                 AND position > (SELECT MIN(o.position) FROM merchant_address o WHERE o.merchant_id = $2)";
            let done = sqlx::query(text).bind(sender).bind(merchant).execute(&mut **transaction).await?;
            if done.rows_affected() == 0 {
                return Ok(MenuChanged::Gone);
            }
            let text = "UPDATE merchant SET former = $1 WHERE id = $2";
            sqlx::query(text).bind(new.stored()).bind(merchant).execute(&mut **transaction).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }
}

/// Uses a code up. Whether it was good still.
pub(super) async fn use_code(
    transaction: &mut Transaction<'_>,
    (merchant, code): (i64, i64),
    now: Timestamp,
) -> Result<bool, StoreFault> {
    let text = "DELETE FROM menu_code WHERE id = $1 AND merchant_id = $2 AND ends_at > $3";
    let query = sqlx::query(text).bind(code).bind(merchant).bind(now.as_millis());
    Ok(query.execute(&mut **transaction).await?.rows_affected() == 1)
}

/// Ends the codes that would give a person a password.
pub(super) async fn end_codes(connection: &mut AnyConnection, person: i64) -> Result<(), sqlx::Error> {
    let text = "DELETE FROM menu_code WHERE person_id = $1";
    sqlx::query(text).bind(person).execute(connection).await?;
    Ok(())
}

/// Ends the codes of addresses of a store that wait for their proof.
pub(super) async fn end_claims(connection: &mut AnyConnection, merchant: i64) -> Result<(), sqlx::Error> {
    let text = "DELETE FROM menu_code WHERE merchant_id = $1 AND person_id IS NULL";
    sqlx::query(text).bind(merchant).execute(connection).await?;
    Ok(())
}

fn sealed(row: &AnyRow, at: usize) -> Result<Option<Sealed>, sqlx::Error> {
    Ok(row.try_get::<Option<Vec<u8>>, _>(at)?.map(Sealed::from_stored))
}

fn read_code(row: &AnyRow) -> Result<MenuCodeRow, sqlx::Error> {
    Ok(MenuCodeRow {
        id: row.try_get(0)?,
        merchant_id: row.try_get(1)?,
        person_id: row.try_get(2)?,
        label: sealed(row, 3)?,
        ends_at: Timestamp::from_millis(row.try_get(4)?),
    })
}
