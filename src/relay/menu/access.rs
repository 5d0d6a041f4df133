//! The access log of the menu: one record for each request, in the log like all else, in a class of its own.
//!
//! Rules: a record says who, from where, which page, which action, what came of it; nothing of what a page showed. It is sealed with the
//! store's key, that of a request of no store's with the installation's, and stands before its answer goes out. How often refused
//! requests of strangers are recorded one by one the floor above says; what was left out is counted in the next.
//! When it fails: [`RelayFault`], and nothing is shown.

use super::{MenuSession, Visit, Whence};
use crate::mail::Timestamp;
use crate::relay::record::{About, Entry, peer_json};
use crate::relay::{Event, Merchant, Peer, Relay, RelayFault, queue_id};
use crate::store::NewRecord;
use crate::vault::{DataKey, Place};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Longest text of a stranger that is kept, in characters.
const TEXT_MAX: usize = 64;

/// What a request asked for, and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// A word of the floor above.
    pub page: &'static str,
    pub action: &'static str,
    pub result: &'static str,
    /// Records that were left out since the last one.
    pub left_out: u64,
}

/// A sign-in that was refused: under which name of which store, if that exists.
pub struct Attempt {
    pub(super) store: Option<Merchant>,
    /// As it was typed.
    pub(super) store_id: String,
    pub(super) name: String,
}

impl Attempt {
    /// Whether there is such a store.
    #[must_use]
    pub fn is_of_store(&self) -> bool {
        self.store.is_some()
    }
}

/// A line of the access log, as people of the store see it.
#[derive(Debug, Clone)]
pub struct AccessView {
    pub id: i64,
    pub at: Timestamp,
    pub person: String,
    pub page: String,
    pub action: String,
    pub result: String,
    pub whence: Option<Whence>,
    /// The session that it was of, or that it began.
    pub session: Option<String>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default)]
    person: String,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    session: Option<String>,
    page: String,
    action: String,
    result: String,
    #[serde(default)]
    whence: Option<Whence>,
    #[serde(default)]
    agent: String,
    #[serde(default)]
    forwarded: bool,
    #[serde(default, skip_serializing_if = "is_nothing")]
    left_out: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    /// As it was typed, of a sign-in that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    peer: serde_json::Value,
}

fn is_nothing(count: &u64) -> bool {
    *count == 0
}

/// By whom something was done.
pub(super) enum By<'a> {
    Session(&'a MenuSession),
    /// Somebody who has just signed in, or failed to.
    Named {
        store: Option<&'a Merchant>,
        store_id: &'a str,
        name: &'a str,
        session: Option<i64>,
    },
    Nobody,
}

impl Relay {
    /// Keeps that a person, or nobody who is signed in, asked for something. `about`: the number of what was looked at.
    ///
    /// # Errors
    /// [`RelayFault`] when it can't be kept; then nothing may be shown.
    pub async fn record_access(
        &self,
        who: Option<&MenuSession>,
        visit: &Visit,
        access: Access,
        about: Option<String>,
    ) -> Result<(), RelayFault> {
        let by = who.map_or(By::Nobody, By::Session);
        let record = self.access_record(Event::Menu, by, visit, access, about);
        Ok(self.store().record(vec![record]).await?)
    }

    /// Keeps that somebody failed to sign in.
    ///
    /// # Errors
    /// [`RelayFault`] when it can't be kept.
    pub async fn record_attempt(
        &self,
        attempt: &Attempt,
        visit: &Visit,
        access: Access,
    ) -> Result<(), RelayFault> {
        let Attempt { store, store_id, name } = attempt;
        let by = By::Named { store: store.as_ref(), store_id, name, session: None };
        let record = self.access_record(Event::MenuRefused, by, visit, access, None);
        Ok(self.store().record(vec![record]).await?)
    }

    pub(super) fn access_record(
        &self,
        event: Event,
        by: By<'_>,
        visit: &Visit,
        access: Access,
        about: Option<String>,
    ) -> NewRecord {
        let peer = Peer::new(SocketAddr::new(visit.ip, 0), "menu");
        let Access { page, action, result, left_out } = access;
        let (store, store_id, name, role, session) = match &by {
            By::Session(own) => (
                Some(&own.store),
                own.store.store_id.as_str(),
                own.person.name.as_str(),
                Some(own.person.role),
                Some(own.id),
            ),
            By::Named { store, store_id, name, session } => (*store, *store_id, *name, None, *session),
            By::Nobody => (None, "", "", None, None),
        };
        let cut = |text: &str| text.chars().take(TEXT_MAX).collect::<String>();
        let line = Line {
            person: cut(name),
            role: role.map(|role| role.as_str().to_owned()),
            session: session.map(queue_id),
            page: page.to_owned(),
            action: action.to_owned(),
            result: result.to_owned(),
            whence: Some(self.whence(visit)),
            agent: visit.agent.clone(),
            forwarded: !visit.is_known,
            left_out,
            about,
            store: (event == Event::MenuRefused).then(|| cut(store_id)),
            peer: peer_json(&peer),
        };
        let detail = serde_json::to_value(&line).unwrap_or_default();
        let key: &DataKey = store.map_or(&*self.inner.installation, |store| &*store.key);
        let about = About { merchant: store.map(|store| store.id), ..About::default() };
        let entry = Entry { event, about, source: Some(peer.ip), detail: &detail, headers: None };
        let record = self.sealed_at(self.moment(), key, &entry);
        let login = (!name.is_empty()).then(|| format!("{}/{}", cut(store_id), cut(name)));
        let fact = self.fact_of_login(None, login.as_deref(), &peer, record.at);
        record.found_by(fact)
    }

    /// The access log of a store before a line, the latest first: all of it, or sign-ins alone.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_accesses(
        &self,
        who: &MenuSession,
        sign_ins_only: bool,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AccessView>, RelayFault> {
        let rows = self
            .store()
            .menu_accesses(who.store.id, sign_ins_only, before.unwrap_or(i64::MAX), limit)
            .await?;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let place = Place::new("record", "detail", row.id);
            // One that does not open is shown as such: a gap must not look like nothing.
            let plain = self.open_in(&who.store.key, place, &row.detail).await.ok();
            let line = plain.and_then(|plain| serde_json::from_slice::<Line>(&plain).ok());
            let unreadable = || ("?".to_owned(), "?".to_owned(), "?".to_owned(), "?".to_owned(), None, None);
            let (person, page, action, result, whence, session) = line.map_or_else(unreadable, |line| {
                (line.person, line.page, line.action, line.result, line.whence, line.session)
            });
            lines.push(AccessView { id: row.id, at: row.at, person, page, action, result, whence, session });
        }
        Ok(lines)
    }
}
