//! The mails of a store, as its people see them: what was sent and received, when, and what became of it.
//!
//! Rules: which mails there were say the facts of the log, for as long as they are kept; what becomes of one its delivery, while that stands in
//! the queue, else the last fact. Nothing is opened but the order number, by a process that has `seal`; the other side is its alias. What
//! a customer wrote is there once it goes on to the store: for what it was held, and that its sender withdrew it, is between him and
//! the service. What a remote server said is told by the table of notices (`words.rs`).
//! When it fails: [`RelayFault`]; one row that does not open has no order number.

use super::outcomes::{End, MailState, MailStep, end, standing, step};
use super::{MenuRole, MenuSession};
use crate::mail::{Alias, Timestamp};
use crate::relay::conversation::label_place;
use crate::relay::words::Why;
use crate::relay::{Relay, RelayFault, hold};
use crate::store::{Ids, Kind, MenuConversationRow, MenuMailRow, MenuMailsAsked, QueueRow};
use crate::vault::Side;
use std::collections::HashMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// What happens to a mail happens within so long: it waits, is held, waits again, and comes back.
const LIFE: Duration = Duration::from_secs(60 * 86_400);
/// The fact of a mail and its number are made within so long of each other.
const APART: Duration = Duration::from_secs(3600);
/// Mails of one look at their events lie within so long of each other: with what happens to them it fits into a statement.
const TOGETHER: Duration = Duration::from_secs(30 * 86_400);
/// Facts of one step of a walk.
const STEP: i64 = 200;
/// At least: some are not to be seen.
const LEAST: i64 = 20;
/// Held messages that are shown: as many as a store can have.
const HELD_MAX: i64 = 100;

/// Which mails are asked for.
#[derive(Debug, Clone, Default)]
pub struct MailsAsked {
    /// Of this order, by the number of its conversation.
    pub order: Option<i64>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub state: Option<MailState>,
    /// Older than this one, by its place.
    pub before: Option<i64>,
    /// As many lines at most.
    pub lines: usize,
    /// As many are looked at for them at most.
    pub looked_at: i64,
}

/// From whom to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailDirection {
    ToCustomer,
    ToStore,
    /// To the store's own address, by its own programs.
    Copy,
}

/// With whom a mail was.
#[derive(Debug, Clone, Default)]
pub struct MailOf {
    pub conversation: Option<i64>,
    /// None: it was an inquiry, or this process opens no order.
    pub order_no: Option<String>,
    /// What the store knows the customer by.
    pub alias: Option<Alias>,
    pub is_inquiry: bool,
}

/// A mail.
#[derive(Debug, Clone)]
pub struct MailView {
    /// Where it stands in the list.
    pub place: i64,
    pub message: i64,
    pub at: Timestamp,
    pub direction: MailDirection,
    pub of: MailOf,
    /// Octets as it came.
    pub size: i64,
    pub state: MailState,
    pub why: Option<Why>,
    pub attempts: i64,
    /// Waiting: when it is tried next.
    pub next_at: Option<Timestamp>,
    /// Waiting or held: until when.
    pub until: Option<Timestamp>,
    pub may_send: bool,
    pub may_withdraw: bool,
    /// It failed, and until then it can be sent once more.
    pub again_until: Option<Timestamp>,
}

impl Relay {
    /// The number of the conversation of an order of the store's own.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_order(&self, who: &MenuSession, order_no: &str) -> Result<Option<i64>, RelayFault> {
        Ok(self.order_row(who.store.id, order_no.trim()).await?.map(|row| row.id))
    }

    /// Mails of the store, the latest first, and the place from which older ones are asked for, where there may be some.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_mails(
        &self,
        who: &MenuSession,
        asked: &MailsAsked,
    ) -> Result<(Vec<MailView>, Option<i64>), RelayFault> {
        self.mails_of(who.store.id, self.menu_decides(who), asked).await
    }

    /// The same of a store; whether who looks decides about mails.
    pub(in crate::relay) async fn mails_of(
        &self,
        merchant: i64,
        decides: bool,
        asked: &MailsAsked,
    ) -> Result<(Vec<MailView>, Option<i64>), RelayFault> {
        let now = Timestamp::now();
        let conversations = match asked.order {
            Some(order) => self.conversations_of_order(merchant, order).await?,
            None => Vec::new(),
        };
        if asked.order.is_some() && conversations.is_empty() {
            return Ok((Vec::new(), None));
        }
        // Ids begin with their time, the store's too.
        let added = Ids::time_of(merchant).before(DAY);
        let first = Ids::first_of(asked.from.map_or(added, |from| from.max(added)));
        let mut before = asked.until.map_or(i64::MAX, Ids::first_of).min(asked.before.unwrap_or(i64::MAX));
        before = before.min(Ids::first_of(now.after(DAY)));
        let (mut found, mut looked_at): (Vec<MailView>, i64) = (Vec::new(), 0);
        while before > first {
            let from = Ids::first_of(Ids::time_of(before).before(super::STRETCH)).max(first);
            // Where every mail is a line no more is opened than is shown.
            let wanted = i64::try_from(asked.lines - found.len()).unwrap_or(STEP);
            let step = if asked.state.is_none() { wanted.clamp(LEAST, STEP) } else { STEP };
            let limit = step.min(asked.looked_at - looked_at);
            if limit <= 0 {
                return Ok((found, Some(before)));
            }
            let step = MenuMailsAsked { merchant, conversations: &conversations, from, before, limit };
            let rows = self.store().menu_mails(&step).await?;
            looked_at += i64::try_from(rows.len()).unwrap_or(limit);
            let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= limit);
            for view in self.views(merchant, decides, rows).await? {
                before = view.0;
                let Some(view) = view.1 else { continue };
                if asked.state.is_none_or(|state| state == view.state) {
                    found.push(view);
                    if found.len() >= asked.lines {
                        return Ok((found, Some(before)));
                    }
                }
            }
            if !is_full {
                before = from;
            }
        }
        Ok((found, None))
    }

    /// One mail of the store, and what happened to it, the first first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_mail_with_steps(
        &self,
        who: &MenuSession,
        message: i64,
    ) -> Result<Option<(MailView, Vec<MailStep>)>, RelayFault> {
        let at = Ids::time_of(message);
        let span = (Ids::first_of(at.before(APART)), Ids::first_of(at.after(LIFE)));
        let Some(row) = self.store().menu_mail(who.store.id, message, span).await? else { return Ok(None) };
        let Some((_, Some(view))) = self.views(who.store.id, self.menu_decides(who), vec![row]).await?.pop()
        else {
            return Ok(None);
        };
        let again_until = match view.again_until {
            Some(until) => self.may_go_again(message).await?.then_some(until),
            None => None,
        };
        let view = MailView { again_until, ..view };
        let events = self.store().menu_mail_events(who.store.id, &[message], span).await?;
        let is_own = view.direction != MailDirection::ToStore;
        Ok(Some((view, events.iter().filter_map(|event| step(event, is_own)).collect())))
    }

    /// What of the store's own is held, the latest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_held(&self, who: &MenuSession) -> Result<Vec<MailView>, RelayFault> {
        let mut rows = Vec::new();
        for message in self.store().menu_held(who.store.id, HELD_MAX).await? {
            let at = Ids::time_of(message);
            let span = (Ids::first_of(at.before(APART)), Ids::first_of(at.after(LIFE)));
            rows.extend(self.store().menu_mail(who.store.id, message, span).await?);
        }
        let views = self.views(who.store.id, self.menu_decides(who), rows).await?;
        Ok(views
            .into_iter()
            .filter_map(|(_, view)| view)
            .filter(|view| view.state == MailState::Held)
            .collect())
    }

    /// How many of the store's own are held.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_held_count(&self, who: &MenuSession) -> Result<usize, RelayFault> {
        Ok(self.store().menu_held(who.store.id, HELD_MAX).await?.len())
    }

    /// Whether mail to the customer of a conversation is refused, as far as this process can tell.
    pub async fn menu_is_unreachable(&self, who: &MenuSession, conversation: i64) -> bool {
        if !self.vault().seal.open_it() {
            return false;
        }
        match self.conversation_by_id(conversation).await {
            Ok(Some(found)) if found.merchant.id == who.store.id => self.is_unreachable(&found).await,
            _ => false,
        }
    }

    /// Whether a person may decide about mails here: who opens no message decides about none.
    #[must_use]
    pub fn menu_decides(&self, who: &MenuSession) -> bool {
        who.person.role != MenuRole::Reader && self.vault().seal.open_it()
    }

    /// A conversation of the store, with those of its guests.
    async fn conversations_of_order(&self, merchant: i64, order: i64) -> Result<Vec<i64>, RelayFault> {
        if self.store().menu_conversations(merchant, &[order]).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = vec![order];
        all.extend(self.store().guests_of(order).await?);
        Ok(all)
    }

    /// What the rows are for who looks, each with its place; none for what is not his to see.
    async fn views(
        &self,
        merchant: i64,
        decides: bool,
        rows: Vec<MenuMailRow>,
    ) -> Result<Vec<(i64, Option<MailView>)>, RelayFault> {
        let messages: Vec<i64> = rows.iter().map(|row| row.message_id).collect();
        let queued = self.store().queue_of_messages(&messages).await?;
        let queued: HashMap<i64, QueueRow> = queued.into_iter().map(|row| (row.message_id, row)).collect();
        let gone: Vec<i64> = messages.iter().copied().filter(|id| !queued.contains_key(id)).collect();
        let ends = self.ends(merchant, gone).await?;
        let now = Timestamp::now();
        let mut ids: Vec<i64> = rows.iter().filter_map(|row| row.conversation_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let conversations = self.store().menu_conversations(merchant, &ids).await?;
        let of: HashMap<i64, MailOf> = conversations.iter().map(|row| (row.id, self.mail_of(row))).collect();
        let view = |row: MenuMailRow| {
            let direction = match row.direction.as_str() {
                "to_customer" => MailDirection::ToCustomer,
                "copy" => MailDirection::Copy,
                _ => MailDirection::ToStore,
            };
            let is_own = direction != MailDirection::ToStore;
            let queued = queued.get(&row.message_id);
            let (state, why) = match (queued, ends.get(&row.message_id)) {
                (Some(queued), _) => standing(queued),
                (None, Some(end)) => (end.state, end.why),
                (None, None) => (MailState::Unknown, None),
            };
            let hidden = matches!(state, MailState::Held | MailState::Dropped | MailState::Unknown);
            if hidden && !is_own {
                return (row.id, None);
            }
            let held_for = queued.and_then(|queued| queued.held_for.as_deref());
            let waits = matches!(state, MailState::Waiting | MailState::Deferred);
            let open = waits || state == MailState::Held;
            let conversation = row.conversation_id.and_then(|id| of.get(&id)).cloned();
            let view = MailView {
                place: row.id,
                message: row.message_id,
                at: row.at,
                direction,
                of: conversation.unwrap_or_default(),
                size: row.size.unwrap_or_default(),
                state,
                why,
                attempts: queued.map_or(0, |queued| queued.attempts),
                next_at: queued.filter(|_| waits).map(|queued| queued.next_at),
                until: queued.filter(|_| open).map(|queued| queued.expires_at),
                may_send: decides && is_own && held_for == Some(hold::DOCUMENT),
                may_withdraw: decides
                    && is_own
                    && open
                    && !matches!(held_for, Some(hold::FAULT | hold::OPERATOR | hold::RULE)),
                again_until: queued
                    .filter(|row| decides && row.state == "failed")
                    .and_then(|row| row.body_until)
                    .filter(|until| *until > now),
            };
            (row.id, Some(view))
        };
        Ok(rows.into_iter().map(view).collect())
    }

    fn mail_of(&self, row: &MenuConversationRow) -> MailOf {
        let label = || {
            let key = self.data_key(&row.key).ok()?;
            String::from_utf8(key.open(label_place(row.id), &row.label).ok()?.to_vec()).ok()
        };
        let order_no = self.vault().seal.open_it().then(label).flatten().filter(|no| !no.is_empty());
        MailOf {
            conversation: Some(row.id),
            order_no,
            alias: self.alias_of(Side::Customer, &row.alias).ok(),
            is_inquiry: row.kind == Kind::Inquiry,
        }
    }

    /// How mails ended that are in the queue no more.
    async fn ends(&self, merchant: i64, mut messages: Vec<i64>) -> Result<HashMap<i64, End>, RelayFault> {
        let mut ends = HashMap::new();
        messages.sort_unstable();
        let mut rest = messages.as_slice();
        while let Some(first) = rest.first() {
            let at = Ids::time_of(*first);
            let beyond = Ids::first_of(at.after(TOGETHER));
            let (lot, later) = rest.split_at(rest.partition_point(|id| *id < beyond).max(1));
            rest = later;
            let last = Ids::time_of(lot.last().copied().unwrap_or(*first));
            let span = (Ids::first_of(at.before(APART)), Ids::first_of(last.after(LIFE)));
            for event in self.store().menu_mail_events(merchant, lot, span).await? {
                if let Some(end) = end(&event) {
                    ends.insert(event.message_id, end);
                }
            }
        }
        Ok(ends)
    }
}
