//! People of stores who sign in by a login elsewhere: found, added, their role.
//!
//! Rules: a person is found by the keyed index of store, issuer and subject, also one who was taken off: that row stays for as long as the
//! store does, so that who was taken off stays off. Such a person never has a password (`menu.rs`). What changes here is part of the
//! transaction of a sign-in.
//! When it fails: [`StoreFault`]; nobody is signed in.

use super::fault::StoreFault;
use super::handle::Store;
use super::menu::{
    ACTIVE, MenuChanged, MenuPersonRow, NewMenuPerson, PEOPLE_MAX, PERSON, add_person, end_sessions,
    read_person,
};
use super::menu_sessions::SigningIn;
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

impl Store {
    /// Who signs in by this login; also who was taken off.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_person_of_login(&self, login: Index) -> Result<Option<MenuPersonRow>, StoreFault> {
        let text = format!("SELECT {PERSON} FROM menu_person p WHERE p.login_idx = $1");
        let query = sqlx::query(AssertSqlSafe(text)).bind(login.as_bytes());
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(|row| read_person(row, 0)).transpose().map_err(Into::into)
    }
}

/// What a login elsewhere brings with it, before its person is in.
pub(super) async fn come(
    connection: &mut AnyConnection,
    who: &SigningIn<'_>,
    now: Timestamp,
) -> Result<MenuChanged, sqlx::Error> {
    match who {
        SigningIn::OfLogin { person, role: Some(role) } => set_role(connection, person, role).await,
        SigningIn::NewOfLogin { merchant, person, login } => {
            add(connection, *merchant, (person, *login), now).await
        }
        SigningIn::OfLogin { role: None, .. } | SigningIn::Person(_) | SigningIn::First { .. } => {
            Ok(MenuChanged::Done)
        }
    }
}

/// Adds who signs in by this login for the first time.
async fn add(
    connection: &mut AnyConnection,
    merchant: i64,
    (new, login): (&NewMenuPerson, Index),
    now: Timestamp,
) -> Result<MenuChanged, sqlx::Error> {
    let text = format!("SELECT COUNT(*) FROM menu_person WHERE {ACTIVE}");
    let row = sqlx::query(AssertSqlSafe(text)).bind(merchant).fetch_one(&mut *connection).await?;
    if row.try_get::<i64, _>(0)? >= PEOPLE_MAX {
        return Ok(MenuChanged::TooMany);
    }
    // Of two that come at once the second finds the first, behind the store's lock.
    let text = "SELECT id FROM menu_person WHERE login_idx = $1";
    if sqlx::query(text).bind(login.as_bytes()).fetch_optional(&mut *connection).await?.is_some() {
        return Ok(MenuChanged::Gone);
    }
    if !add_person(connection, merchant, new, now).await? {
        return Ok(MenuChanged::Taken);
    }
    let text = "UPDATE menu_person SET login_idx = $1 WHERE id = $2";
    sqlx::query(text).bind(login.as_bytes()).bind(new.id).execute(connection).await?;
    Ok(MenuChanged::Done)
}

/// Gives who signs in another role, as the login says; the sessions of before end with it.
async fn set_role(
    connection: &mut AnyConnection,
    person: &MenuPersonRow,
    role: &'static str,
) -> Result<MenuChanged, sqlx::Error> {
    let text = "UPDATE menu_person SET role = $1 WHERE id = $2 AND role = $3 AND ended_at IS NULL";
    let query = sqlx::query(text).bind(role).bind(person.id).bind(&person.role);
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(MenuChanged::Gone);
    }
    let text = format!(
        "SELECT COUNT(*) FROM menu_person WHERE {ACTIVE} AND role = 'administrator' AND initial_until IS NULL"
    );
    let row = sqlx::query(AssertSqlSafe(text)).bind(person.merchant_id).fetch_one(&mut *connection).await?;
    if person.role == "administrator" && row.try_get::<i64, _>(0)? == 0 {
        return Ok(MenuChanged::LastAdministrator);
    }
    end_sessions(connection, person.id, None).await?;
    Ok(MenuChanged::Done)
}

/// Lets a person who is new wait.
pub(super) async fn cool(
    connection: &mut AnyConnection,
    person: i64,
    until: Option<Timestamp>,
) -> Result<bool, sqlx::Error> {
    let text = "UPDATE menu_person SET cools_until = $1 WHERE id = $2";
    let query = sqlx::query(text).bind(until.map(Timestamp::as_millis)).bind(person);
    Ok(query.execute(connection).await?.rows_affected() == 1)
}
