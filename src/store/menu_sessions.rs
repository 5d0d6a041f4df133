//! Where people of stores are signed in, and from where they usually are.
//!
//! Rules: of a token the database has the SHA-256 alone. A sign-in is one transaction: the session, what is known of the person from now
//! on, its record, and the mail that tells of it. A session that is over is deleted; the log has when it began and ended.
//! When it fails: [`StoreFault`]; nobody is signed in.

use super::credentials;
use super::fault::StoreFault;
use super::handle::Store;
use super::menu::{
    MenuChanged, MenuPersonRow, MenuStoreRow, NewMenuPerson, PERSON, add_person, end_sessions, read_person,
    store_at,
};
use super::menu_changing::Told;
use super::menu_one_login::{self, cool};
use super::menu_senders::{end_claims, end_codes};
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// A session to be kept.
pub struct NewMenuSession {
    pub id: i64,
    pub token: [u8; 32],
    pub label: Sealed,
    pub idle_ms: i64,
    pub ends_at: Timestamp,
    /// The second factor is awaited until then.
    pub awaits_until: Option<Timestamp>,
}

/// A second factor that was shown.
pub struct SecondShown<'a> {
    pub session: i64,
    /// The session's new token.
    pub token: [u8; 32],
    /// Of the code.
    pub step: Option<i64>,
    /// What is left of the factor, where it was a recovery code.
    pub factor: Option<&'a Sealed>,
    pub known: &'a [Index],
    pub cools_until: Option<Timestamp>,
}

/// Who signs in.
pub enum SigningIn<'a> {
    /// Somebody with this verifier.
    Person(&'a MenuPersonRow),
    /// A store's first person, with the one-time password, which ends with it.
    First { merchant: i64, first: &'a Sealed, person: &'a NewMenuPerson },
    /// Somebody whom a login elsewhere says it is, with the role that it says, where that is another.
    OfLogin { person: &'a MenuPersonRow, role: Option<&'static str> },
    /// The same for the first time.
    NewOfLogin { merchant: i64, person: &'a NewMenuPerson, login: Index },
}

/// A session as kept, without its person.
pub struct MenuSessionRow {
    pub id: i64,
    pub label: Sealed,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    pub idle_ms: i64,
    pub ends_at: Timestamp,
    /// Whether the second factor is awaited.
    pub awaits_second: bool,
}

/// Sessions of one person, and those that wait for the second factor; with one more the oldest of its kind ends.
const SESSIONS_MAX: i64 = 20;
const WAITING_MAX: i64 = 5;
/// Devices, networks and countries that are known of one person; beyond, what was seen last stays.
const KNOWN_MAX: i64 = 100;

const SESSION: &str = "s.id, s.label, s.created_at, s.seen_at, s.idle_ms, s.ends_at, s.awaits_until";
/// `$2`: now.
const LIVE: &str =
    "s.ends_at > $2 AND s.seen_at + s.idle_ms > $2 AND (s.awaits_until IS NULL OR s.awaits_until > $2)";

impl Store {
    /// Signs somebody in. `known`: from where, as it is known from now on. `cools_until`: nothing that leads mail is changed before.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn sign_in(
        &self,
        who: SigningIn<'_>,
        new: &NewMenuSession,
        known: &[Index],
        cools_until: Option<Timestamp>,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        let (merchant, person) = match &who {
            SigningIn::Person(row) => (row.merchant_id, row.id),
            SigningIn::OfLogin { person, .. } => (person.merchant_id, person.id),
            SigningIn::First { merchant, person, .. } | SigningIn::NewOfLogin { merchant, person, .. } => {
                (*merchant, person.id)
            }
        };
        self.menu_changing(merchant, told, async |transaction| {
            let come = menu_one_login::come(transaction, &who, now).await?;
            if come != MenuChanged::Done {
                return Ok(come);
            }
            let is_it = match &who {
                // The password may have been changed while it was checked.
                SigningIn::Person(row) | SigningIn::OfLogin { person: row, .. } => {
                    let text = "UPDATE menu_person SET cools_until = CASE WHEN $1 > COALESCE(cools_until, 0) THEN $1 ELSE cools_until END \
                         WHERE id = $2 AND verifier = $3 AND ended_at IS NULL";
                    let cools = cools_until.map_or(0, Timestamp::as_millis);
                    let query = sqlx::query(text).bind(cools).bind(row.id).bind(row.verifier.stored());
                    query.execute(&mut **transaction).await?.rows_affected() == 1
                }
                SigningIn::NewOfLogin { person, .. } => cool(transaction, person.id, cools_until).await?,
                SigningIn::First { merchant, first, person } => {
                    let text = "UPDATE merchant SET menu = $1 WHERE id = $2 AND menu = $3";
                    let query = sqlx::query(text).bind(&[][..]).bind(*merchant).bind(first.stored());
                    let is_it = query.execute(&mut **transaction).await?.rows_affected() == 1
                        && add_person(transaction, *merchant, person, now).await?;
                    cool(transaction, person.id, cools_until).await?;
                    is_it
                }
            };
            if !is_it {
                return Ok(MenuChanged::Gone);
            }
            let text = "DELETE FROM menu_session WHERE person_id = $1 AND (ends_at <= $2 OR seen_at + idle_ms <= $2)";
            sqlx::query(text).bind(person).bind(now.as_millis()).execute(&mut **transaction).await?;
            // Who has found out the password alone ends nobody's session by coming again and again.
            let (kind, most) = match new.awaits_until {
                Some(_) => ("IS NOT NULL", WAITING_MAX),
                None => ("IS NULL", SESSIONS_MAX),
            };
            let text = format!(
                "DELETE FROM menu_session WHERE person_id = $1 AND awaits_until {kind} AND id NOT IN \
                 (SELECT s.id FROM menu_session s WHERE s.person_id = $1 AND s.awaits_until {kind} ORDER BY s.id DESC LIMIT $2)"
            );
            let query = sqlx::query(AssertSqlSafe(text)).bind(person).bind(most - 1);
            query.execute(&mut **transaction).await?;
            let text = "INSERT INTO menu_session (id, token, person_id, merchant_id, label, created_at, seen_at, idle_ms, ends_at, awaits_until) \
                 VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)";
            sqlx::query(text)
                .bind(new.id)
                .bind(&new.token[..])
                .bind(person)
                .bind(merchant)
                .bind(new.label.stored())
                .bind(now.as_millis())
                .bind(new.idle_ms)
                .bind(new.ends_at.as_millis())
                .bind(new.awaits_until.map(Timestamp::as_millis))
                .execute(&mut **transaction)
                .await?;
            learn(transaction, person, known, now).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }

    /// Lets somebody in whose second factor was shown: the session gets a new token, and the code counts no more.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn pass_second(
        &self,
        person: &MenuPersonRow,
        shown: &SecondShown<'_>,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(person.merchant_id, told, async |transaction| {
            let text = "UPDATE menu_person SET factor = COALESCE($1, factor), factor_step = COALESCE($2, factor_step), \
                 cools_until = CASE WHEN $3 > COALESCE(cools_until, 0) THEN $3 ELSE cools_until END \
                 WHERE id = $4 AND factor = $5 AND ended_at IS NULL AND ($2 IS NULL OR factor_step IS NULL OR factor_step < $2)";
            let done = sqlx::query(text)
                .bind(shown.factor.map(Sealed::stored))
                .bind(shown.step)
                .bind(shown.cools_until.map_or(0, Timestamp::as_millis))
                .bind(person.id)
                .bind(person.factor.as_ref().map(Sealed::stored))
                .execute(&mut **transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(MenuChanged::Gone);
            }
            let text = "UPDATE menu_session SET token = $1, awaits_until = NULL, created_at = $2, seen_at = $2 \
                 WHERE id = $3 AND person_id = $4 AND awaits_until > $2";
            let done = sqlx::query(text)
                .bind(&shown.token[..])
                .bind(now.as_millis())
                .bind(shown.session)
                .bind(person.id)
                .execute(&mut **transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(MenuChanged::Gone);
            }
            learn(transaction, person.id, shown.known, now).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }

    /// Gives a person a second factor, of which this step was used, or takes it off. Sessions end with it, but for `except`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn set_menu_factor(
        &self,
        person: &MenuPersonRow,
        factor: Option<(&Sealed, i64)>,
        except: Option<i64>,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(person.merchant_id, told, async |transaction| {
            let text = "UPDATE menu_person SET factor = $1, factor_step = $2 WHERE id = $3 AND ended_at IS NULL \
                 AND (factor = $4 OR ($4 IS NULL AND factor IS NULL))";
            let done = sqlx::query(text)
                .bind(factor.map(|(sealed, _)| sealed.stored()))
                .bind(factor.map(|(_, step)| step))
                .bind(person.id)
                .bind(person.factor.as_ref().map(Sealed::stored))
                .execute(&mut **transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(MenuChanged::Gone);
            }
            end_sessions(transaction, person.id, except).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }

    /// Writes records and mails about a store's menu where nothing else is changed.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_tell(&self, merchant: i64, told: &Told) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |_| Ok(MenuChanged::Done)).await
    }

    /// What of this is known of a person since a time, in the same order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_known(
        &self,
        person: i64,
        what: &[Index],
        since: Timestamp,
    ) -> Result<Vec<bool>, StoreFault> {
        let mut known = Vec::with_capacity(what.len());
        for index in what {
            let text =
                "SELECT seen_at FROM menu_known WHERE person_id = $1 AND what_idx = $2 AND seen_at > $3";
            let query = sqlx::query(text).bind(person).bind(index.as_bytes()).bind(since.as_millis());
            known.push(query.fetch_optional(self.pool()).await?.is_some());
        }
        Ok(known)
    }

    /// Forgets from where people were who have not been there since a time, sessions that are over, and people who were taken off, or
    /// whose store left, before `ended_before`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_menu(
        &self,
        known_before: Timestamp,
        ended_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreFault> {
        if let Some(before) = ended_before {
            // Who came by a login elsewhere and was taken off would come again if it were forgotten.
            let text = "DELETE FROM menu_person WHERE (ended_at < $1 AND login_idx IS NULL) \
                 OR merchant_id IN (SELECT m.id FROM merchant m WHERE m.left_at < $1)";
            sqlx::query(text).bind(before.as_millis()).execute(self.pool()).await?;
        }
        let text = "DELETE FROM menu_known WHERE seen_at < $1";
        sqlx::query(text).bind(known_before.as_millis()).execute(self.pool()).await?;
        let text = "DELETE FROM menu_session WHERE ends_at <= $1 OR seen_at + idle_ms <= $1";
        sqlx::query(text).bind(now.as_millis()).execute(self.pool()).await?;
        let text = "DELETE FROM menu_code WHERE ends_at <= $1";
        sqlx::query(text).bind(now.as_millis()).execute(self.pool()).await?;
        Ok(())
    }

    /// The session of a token, with its person and store.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_session(
        &self,
        token: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<(MenuSessionRow, MenuPersonRow, MenuStoreRow)>, StoreFault> {
        let text = format!(
            "SELECT {SESSION}, {PERSON}, m.id, m.data_key_id, k.wrapped, m.profile, k.menu_wrapped, m.menu, m.left_at \
             FROM menu_session s JOIN menu_person p ON p.id = s.person_id JOIN merchant m ON m.id = s.merchant_id \
             JOIN data_key k ON k.id = m.data_key_id \
             WHERE s.token = $1 AND {LIVE} AND p.ended_at IS NULL AND m.left_at IS NULL AND m.contained_at IS NULL"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(&token[..]).bind(now.as_millis());
        let row = query.fetch_optional(self.pool()).await?;
        let read = |row: AnyRow| Ok((read_session(&row)?, read_person(&row, 7)?, store_at(&row, 20)?));
        row.map(read).transpose().map_err(|error: sqlx::Error| error.into())
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_session_used(&self, session: i64, now: Timestamp) -> Result<(), StoreFault> {
        let text = "UPDATE menu_session SET seen_at = $1 WHERE id = $2 AND seen_at < $1";
        sqlx::query(text).bind(now.as_millis()).bind(session).execute(self.pool()).await?;
        Ok(())
    }

    /// Ends what somebody may have got hold of: the other sessions of a person, whose password has to be changed before `until`, codes that
    /// are on their way to the person or to addresses of the store, and the credentials of the store, where that is said.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_alarm(
        &self,
        (merchant, person, session): (i64, i64, i64),
        ends_credentials: bool,
        until: Timestamp,
        now: Timestamp,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            // Who signs in by a login elsewhere has no password to change.
            let text = "UPDATE menu_person SET initial_until = $1 WHERE id = $2 AND initial_until IS NULL AND login_idx IS NULL";
            let query = sqlx::query(text).bind(until.as_millis()).bind(person);
            query.execute(&mut **transaction).await?;
            end_sessions(transaction, person, Some(session)).await?;
            end_codes(transaction, person).await?;
            end_claims(transaction, merchant).await?;
            if ends_credentials {
                let text = "UPDATE credential SET revoked_at = $1 WHERE merchant_id = $2 AND (revoked_at IS NULL OR revoked_at > $1)";
                let query = sqlx::query(text).bind(now.as_millis()).bind(merchant);
                query.execute(&mut **transaction).await?;
                credentials::forget_ended(transaction, Some(merchant), now).await?;
            }
            Ok(MenuChanged::Done)
        })
        .await
    }

    /// Where a person is signed in, the last first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_sessions(
        &self,
        person: i64,
        now: Timestamp,
    ) -> Result<Vec<MenuSessionRow>, StoreFault> {
        let text = format!(
            "SELECT {SESSION} FROM menu_session s WHERE s.person_id = $1 AND s.awaits_until IS NULL AND {LIVE} ORDER BY s.id DESC LIMIT 100"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(person).bind(now.as_millis());
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_session).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Ends one session of a person.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_menu_session(
        &self,
        (merchant, person): (i64, i64),
        session: i64,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let text = "DELETE FROM menu_session WHERE id = $1 AND person_id = $2";
            let done = sqlx::query(text).bind(session).bind(person).execute(&mut **transaction).await?;
            Ok(if done.rows_affected() == 1 { MenuChanged::Done } else { MenuChanged::Gone })
        })
        .await
    }

    /// Ends the sessions of a person, but for one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_menu_sessions(
        &self,
        (merchant, person): (i64, i64),
        except: Option<i64>,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            end_sessions(transaction, person, except).await?;
            Ok(MenuChanged::Done)
        })
        .await
    }
}

fn read_session(row: &AnyRow) -> Result<MenuSessionRow, sqlx::Error> {
    Ok(MenuSessionRow {
        id: row.try_get(0)?,
        label: Sealed::from_stored(row.try_get(1)?),
        created_at: Timestamp::from_millis(row.try_get(2)?),
        seen_at: Timestamp::from_millis(row.try_get(3)?),
        idle_ms: row.try_get(4)?,
        ends_at: Timestamp::from_millis(row.try_get(5)?),
        awaits_second: row.try_get::<Option<i64>, _>(6)?.is_some(),
    })
}

/// Notes from where a person is known from now on.
async fn learn(
    connection: &mut AnyConnection,
    person: i64,
    known: &[Index],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for what in known {
        let text = "INSERT INTO menu_known (person_id, what_idx, seen_at) VALUES ($1, $2, $3) \
             ON CONFLICT (person_id, what_idx) DO UPDATE SET seen_at = excluded.seen_at";
        let query = sqlx::query(text).bind(person).bind(what.as_bytes()).bind(now.as_millis());
        query.execute(&mut *connection).await?;
    }
    let text = "DELETE FROM menu_known WHERE person_id = $1 AND what_idx NOT IN \
         (SELECT k.what_idx FROM menu_known k WHERE k.person_id = $1 ORDER BY k.seen_at DESC LIMIT $2)";
    sqlx::query(text).bind(person).bind(KNOWN_MAX).execute(&mut *connection).await?;
    Ok(())
}
