//! People of stores by their address, and a password that one of them sets anew with a code.
//!
//! When it fails: [`StoreFault`]; nothing was changed.

use super::fault::StoreFault;
use super::handle::Store;
use super::menu::{MenuChanged, MenuPersonRow, PERSON, end_sessions, read_person};
use super::menu_changing::Told;
use super::menu_senders::{end_codes, use_code};
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::AssertSqlSafe;

impl Store {
    /// People with this address, of whatever store; who signs in by a login elsewhere has nothing to forget.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_people_at(&self, address: Index, limit: i64) -> Result<Vec<MenuPersonRow>, StoreFault> {
        let text = format!(
            "SELECT {PERSON} FROM menu_person p WHERE p.address_idx = $1 AND p.ended_at IS NULL \
             AND p.login_idx IS NULL ORDER BY p.id LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(address.as_bytes()).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(|row| read_person(row, 0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// People of an older version, who are not found by their address yet, after an id.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn people_without_address(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<MenuPersonRow>, StoreFault> {
        let text = format!(
            "SELECT {PERSON} FROM menu_person p WHERE p.address_idx IS NULL AND p.ended_at IS NULL AND p.id > $1 \
             ORDER BY p.id LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(after).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(|row| read_person(row, 0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Lets a person be found by an address.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keep_menu_address(&self, person: i64, address: Index) -> Result<(), StoreFault> {
        let text = "UPDATE menu_person SET address_idx = $1 WHERE id = $2 AND address_idx IS NULL";
        sqlx::query(text).bind(address.as_bytes()).bind(person).execute(self.pool()).await?;
        Ok(())
    }

    /// Gives a person the password that he has chosen with a code; the code and all others of his are used up, and his sessions end.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn recover_menu_password(
        &self,
        person: &MenuPersonRow,
        code: i64,
        verifier: &Sealed,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(person.merchant_id, told, async |transaction| {
            if !use_code(transaction, (person.merchant_id, code), now).await? {
                return Ok(MenuChanged::Gone);
            }
            let text = "UPDATE menu_person SET verifier = $1, initial_until = NULL, password_at = $2 \
                 WHERE id = $3 AND verifier = $4 AND ended_at IS NULL AND login_idx IS NULL";
            let query = sqlx::query(text).bind(verifier.stored()).bind(now.as_millis()).bind(person.id);
            let done = query.bind(person.verifier.stored()).execute(&mut **transaction).await?;
            if done.rows_affected() == 0 {
                return Ok(MenuChanged::Gone);
            }
            end_codes(transaction, person.id).await?;
            end_sessions(transaction, person.id, None).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }
}
