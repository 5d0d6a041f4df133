//! Sessions of the menu: found by their token, listed, ended.
//!
//! Rules: a token is 256 random bits; the database has its SHA-256. A session ends when it was not used for a while, at a fixed time after
//! its beginning, with its person's password, role or place in the store, and when somebody ends it. Each request asks the database, so
//! an end counts at once and on every machine.
//! When it fails: [`RelayFault`]; nobody is let in.

use super::access::{Access, By};
use super::{MenuPerson, Visit, Whence, session_place};
use crate::mail::Timestamp;
use crate::relay::{Event, Merchant, Relay, RelayFault};
use crate::store::{Acting, MenuChanged, MenuSessionRow, Told};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A use is written down when the last one that was is so old.
const SEEN_AGAIN: Duration = Duration::from_secs(60);

/// Somebody who is signed in.
pub struct MenuSession {
    pub id: i64,
    pub store: Merchant,
    pub person: MenuPerson,
    pub created_at: Timestamp,
    pub ends_at: Timestamp,
    /// How long it may go unused.
    pub idle: Duration,
    /// Whether the second factor is awaited, and nothing else is shown.
    pub awaits_second: bool,
}

/// A session as its person sees it.
pub struct SessionView {
    pub id: i64,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    pub whence: Option<Whence>,
    pub is_current: bool,
}

/// What the database has of a token.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Relay {
    /// The session of a token, if it still stands.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or the keys fail.
    pub async fn menu_session(&self, token: &str) -> Result<Option<MenuSession>, RelayFault> {
        let now = Timestamp::now();
        let found = self.store().menu_session(&digest(token), now).await?;
        let Some((row, person, store)) = found else { return Ok(None) };
        let store = self.open_menu_store(store)?.merchant;
        let person = self.open_person(&store.key, person)?;
        if person.has_password && person.row.initial_until.is_some_and(|until| until <= now) {
            return Ok(None);
        }
        if now >= row.seen_at.after(SEEN_AGAIN) {
            self.store().menu_session_used(row.id, now).await?;
        }
        let idle = Duration::from_millis(u64::try_from(row.idle_ms).unwrap_or(0));
        let MenuSessionRow { id, created_at, ends_at, awaits_second, .. } = row;
        Ok(Some(MenuSession { id, store, person, created_at, ends_at, idle, awaits_second }))
    }

    /// Where a person is signed in.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_sessions(&self, who: &MenuSession) -> Result<Vec<SessionView>, RelayFault> {
        let rows = self.store().menu_sessions(who.person.id, Timestamp::now()).await?;
        let view = |row: MenuSessionRow| {
            let plain = who.store.key.open(session_place(row.id), &row.label).ok();
            SessionView {
                id: row.id,
                created_at: row.created_at,
                seen_at: row.seen_at,
                whence: plain.and_then(|plain| serde_json::from_slice(&plain).ok()),
                is_current: row.id == who.id,
            }
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Ends one session of a person: this one, or another. Whether it was there.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn end_menu_session(
        &self,
        who: &MenuSession,
        session: i64,
        visit: &Visit,
        page: &'static str,
    ) -> Result<bool, RelayFault> {
        let action = if session == who.id { "sign-out" } else { "end-session" };
        let told = self.menu_told(who, visit, page, action, Some(crate::relay::queue_id(session)));
        let of = (who.store.id, who.person.id);
        Ok(self.store().end_menu_session(of, session, &told).await? == MenuChanged::Done)
    }

    /// Ends all sessions of a person but this one.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn end_other_menu_sessions(
        &self,
        who: &MenuSession,
        visit: &Visit,
        page: &'static str,
    ) -> Result<(), RelayFault> {
        let told = self.menu_told(who, visit, page, "end-other-sessions", None);
        let of = (who.store.id, who.person.id);
        self.store().end_menu_sessions(of, Some(who.id), &told).await?;
        Ok(())
    }

    /// Forgets sessions that are over, from where nobody has signed in for long, and who was taken off before `ended_before`.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn forget_menu(
        &self,
        ended_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), RelayFault> {
        Ok(self.store().forget_menu(super::known_since(now), ended_before, now).await?)
    }

    /// The record of what a person changes.
    pub(super) fn menu_told(
        &self,
        who: &MenuSession,
        visit: &Visit,
        page: &'static str,
        action: &'static str,
        about: Option<String>,
    ) -> Told {
        let access = Access { page, action, result: "done", left_out: 0 };
        let record = self.access_record(Event::Menu, By::Session(who), visit, access, about);
        let by = Acting {
            session: who.id,
            person: who.person.id,
            role: who.person.role.as_str(),
            is_for_later: false,
            at: Timestamp::now(),
        };
        Told { by: Some(by), records: vec![record], mails: Vec::new() }
    }
}
