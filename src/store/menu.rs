//! The people of stores and what they sign in with.
//!
//! Rules: whatever changes is one transaction (`menu_changing.rs`). Who was taken off has no password any more, and the row goes with the
//! access log's period.
//! When it fails: [`StoreFault`]; nothing was changed.

use super::fault::StoreFault;
use super::handle::Store;
use super::menu_changing::Told;
use super::menu_senders::end_codes;
use super::parties::{KeyRow, MerchantRow};
use super::rows::NewRecord;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// People of one store who may sign in.
pub const PEOPLE_MAX: i64 = 50;

/// A store as the menu needs it.
pub struct MenuStoreRow {
    pub merchant: MerchantRow,
    /// Its key, boxed for the menu.
    pub menu_key: Option<Vec<u8>>,
    /// The one-time password with which its first person comes in; empty once that was used.
    pub first: Sealed,
    /// Whether nobody may sign in: it has left, or is contained.
    pub has_left: bool,
}

/// A person as kept.
#[derive(Clone)]
pub struct MenuPersonRow {
    pub id: i64,
    pub merchant_id: i64,
    pub role: String,
    pub label: Sealed,
    pub verifier: Sealed,
    pub created_at: Timestamp,
    pub initial_until: Option<Timestamp>,
    pub password_at: Timestamp,
    pub cools_until: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// The second factor.
    pub factor: Option<Sealed>,
    /// The last step whose code was used.
    pub factor_step: Option<i64>,
    /// Whether the person signs in by a login elsewhere, and has no password.
    pub has_login: bool,
}

/// A person to be kept.
pub struct NewMenuPerson {
    pub id: i64,
    pub name_idx: Index,
    /// Of the address for notices.
    pub address_idx: Index,
    pub role: &'static str,
    pub label: Sealed,
    pub verifier: Sealed,
    pub initial_until: Option<Timestamp>,
}

/// A line of the access log, still sealed.
pub struct MenuAccessRow {
    pub id: i64,
    pub at: Timestamp,
    pub event: String,
    pub detail: Sealed,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuChanged {
    Done,
    /// The name is another person's.
    Taken,
    /// As many people may sign in as may.
    TooMany,
    /// Nobody would be left who administers.
    LastAdministrator,
    /// Who asked may not any more.
    NotAllowed,
    /// It is not there any more, or not what it was.
    Gone,
}

const STORE: &str = "SELECT m.id, m.data_key_id, k.wrapped, m.profile, k.menu_wrapped, m.menu, COALESCE(m.left_at, m.contained_at) FROM merchant m \
    JOIN data_key k ON k.id = m.data_key_id ";
pub(super) const PERSON: &str = "p.id, p.merchant_id, p.role, p.label, p.verifier, p.created_at, p.initial_until, p.password_at, \
    p.cools_until, p.ended_at, p.factor, p.factor_step, CAST(CASE WHEN p.login_idx IS NULL THEN 0 ELSE 1 END AS BIGINT)";
/// Of the access log.
const EVENTS: [&str; 4] = ["menu", "menu_login", "menu_refused", "menu_alarm"];
/// Of the store that is locked.
pub(super) const ACTIVE: &str = "merchant_id = $1 AND ended_at IS NULL";

impl Store {
    /// A store by the index of its id, as the menu needs it.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_store(&self, store_idx: Index) -> Result<Option<MenuStoreRow>, StoreFault> {
        let text = format!("{STORE} WHERE m.store_idx = $1");
        let query = sqlx::query(AssertSqlSafe(text)).bind(store_idx.as_bytes());
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(read_store).transpose().map_err(Into::into)
    }

    /// The same by its number.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_store_of(&self, merchant: i64) -> Result<Option<MenuStoreRow>, StoreFault> {
        let query = sqlx::query(AssertSqlSafe(format!("{STORE} WHERE m.id = $1"))).bind(merchant);
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(read_store).transpose().map_err(Into::into)
    }

    /// Keys of stores that are not boxed for the menu yet, after a number.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn stores_without_menu(&self, after: i64, limit: i64) -> Result<Vec<KeyRow>, StoreFault> {
        let text = "SELECT id, wrapped FROM data_key WHERE subject = 'merchant' AND menu_wrapped IS NULL AND id > $1 \
             ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(after).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok(KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? });
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Keys of stores that are boxed for the menu, each with its box, after a number.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn stores_with_menu(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(KeyRow, Vec<u8>)>, StoreFault> {
        let text = "SELECT id, wrapped, menu_wrapped FROM data_key WHERE menu_wrapped IS NOT NULL AND id > $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(after).bind(limit).fetch_all(self.pool()).await?;
        let read =
            |row: &AnyRow| Ok((KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? }, row.try_get(2)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Keeps the key of a store as it is boxed for the menu, unless it was destroyed meanwhile.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keep_menu_key(&self, key: &KeyRow, boxed: &[u8]) -> Result<(), StoreFault> {
        let text = "UPDATE data_key SET menu_wrapped = $1 WHERE id = $2 AND wrapped = $3";
        let query = sqlx::query(text).bind(boxed).bind(key.id).bind(key.wrapped.as_slice());
        query.execute(self.pool()).await?;
        Ok(())
    }

    /// Who signs in under a name of a store.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_person(&self, name: Index) -> Result<Option<MenuPersonRow>, StoreFault> {
        let text = format!("SELECT {PERSON} FROM menu_person p WHERE p.name_idx = $1 AND p.ended_at IS NULL");
        let query = sqlx::query(AssertSqlSafe(text)).bind(name.as_bytes());
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(|row| read_person(row, 0)).transpose().map_err(Into::into)
    }

    /// All people of a store, those that were taken off too, the first one first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_people(&self, merchant: i64) -> Result<Vec<MenuPersonRow>, StoreFault> {
        let text = format!("SELECT {PERSON} FROM menu_person p WHERE p.merchant_id = $1 ORDER BY p.id");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(merchant).fetch_all(self.pool()).await?;
        rows.iter().map(|row| read_person(row, 0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The access log of a store before an id, the latest first: all of it, or sign-ins alone.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_accesses(
        &self,
        merchant: i64,
        sign_ins_only: bool,
        before: i64,
        limit: i64,
    ) -> Result<Vec<MenuAccessRow>, StoreFault> {
        let which = if sign_ins_only { "AND a.event <> 'menu'" } else { "" };
        let text = format!(
            "SELECT r.id, r.at, r.event, r.detail FROM menu_access a JOIN record r ON r.id = a.id \
             WHERE a.merchant_id = $1 AND a.id < $2 {which} ORDER BY a.id DESC LIMIT $3"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(merchant).bind(before).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            Ok(MenuAccessRow {
                id: row.try_get(0)?,
                at: Timestamp::from_millis(row.try_get(1)?),
                event: row.try_get(2)?,
                detail: Sealed::from_stored(row.try_get(3)?),
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Adds a person to a store.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_menu_person(
        &self,
        merchant: i64,
        new: &NewMenuPerson,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let text = format!("SELECT COUNT(*) FROM menu_person WHERE {ACTIVE}");
            let row = sqlx::query(AssertSqlSafe(text)).bind(merchant).fetch_one(&mut **transaction).await?;
            if row.try_get::<i64, _>(0)? >= PEOPLE_MAX {
                return Ok(MenuChanged::TooMany);
            }
            let is_new = add_person(transaction, merchant, new, now).await?;
            Ok(if is_new { MenuChanged::Done } else { MenuChanged::Taken })
        })
        .await
    }

    /// Gives a store in which nobody who has a password administers another one-time password.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn set_first_menu_password(
        &self,
        merchant: i64,
        sealed: &Sealed,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let text = "UPDATE merchant SET menu = $1 WHERE id = $2 \
                 AND NOT EXISTS (SELECT 1 FROM menu_person p WHERE p.merchant_id = $2 AND p.ended_at IS NULL \
                 AND p.role = 'administrator' AND p.login_idx IS NULL)";
            let query = sqlx::query(text).bind(sealed.stored()).bind(merchant);
            let done = query.execute(&mut **transaction).await?;
            Ok(if done.rows_affected() == 1 { MenuChanged::Done } else { MenuChanged::Gone })
        })
        .await
    }

    /// Gives a person a password and ends the sessions that began with the one before, but for `except`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn set_menu_password(
        &self,
        person: &MenuPersonRow,
        new: (&Sealed, Option<Timestamp>),
        except: Option<i64>,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        let (verifier, initial_until) = new;
        self.menu_changing(person.merchant_id, told, async |transaction| {
            // Of two that change it at once the first does. Who signs in by a login elsewhere gets none. Who never had one of his own has not proven the address: it stays so.
            let text = "UPDATE menu_person SET verifier = $1, initial_until = $2, password_at = CASE WHEN $2 IS NOT NULL \
                 AND initial_until IS NOT NULL AND password_at = created_at THEN password_at ELSE $3 END \
                 WHERE id = $4 AND verifier = $5 AND ended_at IS NULL AND login_idx IS NULL";
            let done = sqlx::query(text)
                .bind(verifier.stored())
                .bind(initial_until.map(Timestamp::as_millis))
                .bind(now.as_millis())
                .bind(person.id)
                .bind(person.verifier.stored())
                .execute(&mut **transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(MenuChanged::Gone);
            }
            end_codes(transaction, person.id).await?;
            end_sessions(transaction, person.id, except).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }

    /// Gives a person another role; `None` takes the person off. Sessions end with it: what they may is another thing now.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn set_menu_role(
        &self,
        (merchant, person): (i64, i64),
        role: Option<&'static str>,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let done = match role {
                Some(role) => {
                    let text = "UPDATE menu_person SET role = $1 WHERE id = $2 AND merchant_id = $3 AND ended_at IS NULL";
                    sqlx::query(text).bind(role).bind(person).bind(merchant).execute(&mut **transaction).await?
                }
                None => {
                    let text = "DELETE FROM menu_known WHERE person_id = $1";
                    sqlx::query(text).bind(person).execute(&mut **transaction).await?;
                    let text = "UPDATE menu_person SET ended_at = $1, verifier = $4, factor = NULL \
                         WHERE id = $2 AND merchant_id = $3 AND ended_at IS NULL";
                    let query = sqlx::query(text).bind(now.as_millis()).bind(person).bind(merchant);
                    query.bind(&[][..]).execute(&mut **transaction).await?
                }
            };
            if done.rows_affected() == 0 {
                return Ok(MenuChanged::Gone);
            }
            // Who was invited and has not come yet administers nothing.
            let text = format!(
                "SELECT COUNT(*) FROM menu_person WHERE {ACTIVE} AND role = 'administrator' AND initial_until IS NULL"
            );
            let row = sqlx::query(AssertSqlSafe(text)).bind(merchant).fetch_one(&mut **transaction).await?;
            if row.try_get::<i64, _>(0)? == 0 {
                return Ok(MenuChanged::LastAdministrator);
            }
            end_sessions(transaction, person, None).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }
}

/// Notes records of the access log, and logins of programs with from where they were, by which their store finds them.
pub(super) async fn note(connection: &mut AnyConnection, new: &[&NewRecord]) -> Result<(), sqlx::Error> {
    for (new, merchant) in new.iter().filter_map(|new| Some((new, new.merchant_id?))) {
        if EVENTS.contains(&new.event) {
            let text = "INSERT INTO menu_access (id, merchant_id, event) VALUES ($1, $2, $3)";
            let query = sqlx::query(text).bind(new.id).bind(merchant).bind(new.event);
            query.execute(&mut *connection).await?;
        }
        if let Some(whence) = &new.whence {
            let text = "INSERT INTO menu_whence (id, merchant_id, whence) VALUES ($1, $2, $3)";
            let query = sqlx::query(text).bind(new.id).bind(merchant).bind(whence.stored());
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Adds a person, unless the name is taken.
pub(super) async fn add_person(
    connection: &mut AnyConnection,
    merchant: i64,
    new: &NewMenuPerson,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let text = "INSERT INTO menu_person (id, merchant_id, name_idx, role, label, verifier, created_at, initial_until, password_at, address_idx) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $7, $9 WHERE NOT EXISTS \
         (SELECT 1 FROM menu_person o WHERE o.name_idx = $3 AND o.ended_at IS NULL)";
    let done = sqlx::query(text)
        .bind(new.id)
        .bind(merchant)
        .bind(new.name_idx.as_bytes())
        .bind(new.role)
        .bind(new.label.stored())
        .bind(new.verifier.stored())
        .bind(now.as_millis())
        .bind(new.initial_until.map(Timestamp::as_millis))
        .bind(new.address_idx.as_bytes())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the sessions of a person, but for one.
pub(super) async fn end_sessions(
    connection: &mut AnyConnection,
    person: i64,
    except: Option<i64>,
) -> Result<u64, sqlx::Error> {
    let text = "DELETE FROM menu_session WHERE person_id = $1 AND id <> $2";
    let query = sqlx::query(text).bind(person).bind(except.unwrap_or(-1));
    Ok(query.execute(connection).await?.rows_affected())
}

fn read_store(row: &AnyRow) -> Result<MenuStoreRow, sqlx::Error> {
    store_at(row, 0)
}

pub(super) fn store_at(row: &AnyRow, at: usize) -> Result<MenuStoreRow, sqlx::Error> {
    Ok(MenuStoreRow {
        merchant: MerchantRow {
            id: row.try_get(at)?,
            key: KeyRow { id: row.try_get(at + 1)?, wrapped: row.try_get(at + 2)? },
            profile: Sealed::from_stored(row.try_get(at + 3)?),
        },
        menu_key: row.try_get(at + 4)?,
        first: Sealed::from_stored(row.try_get(at + 5)?),
        has_left: row.try_get::<Option<i64>, _>(at + 6)?.is_some(),
    })
}

pub(super) fn read_person(row: &AnyRow, at: usize) -> Result<MenuPersonRow, sqlx::Error> {
    let time =
        |column: usize| row.try_get::<Option<i64>, _>(column).map(|time| time.map(Timestamp::from_millis));
    Ok(MenuPersonRow {
        id: row.try_get(at)?,
        merchant_id: row.try_get(at + 1)?,
        role: row.try_get(at + 2)?,
        label: Sealed::from_stored(row.try_get(at + 3)?),
        verifier: Sealed::from_stored(row.try_get(at + 4)?),
        created_at: Timestamp::from_millis(row.try_get(at + 5)?),
        initial_until: time(at + 6)?,
        password_at: Timestamp::from_millis(row.try_get(at + 7)?),
        cools_until: time(at + 8)?,
        ended_at: time(at + 9)?,
        factor: row.try_get::<Option<Vec<u8>>, _>(at + 10)?.map(Sealed::from_stored),
        factor_step: row.try_get(at + 11)?,
        has_login: row.try_get::<i64, _>(at + 12)? == 1,
    })
}
