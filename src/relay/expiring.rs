//! Addresses that end in a week: both sides of a conversation in which mail passed lately are told.
//!
//! Rules: a customer is told of each conversation once, a store once a day of all that end on one day; of another end, where one
//! was extended, they are told anew. Told is who wrote or was written to in the last 30 days, or everybody would get a mail about each old
//! order. What one of them shows is what its reader knows: the order's number goes to the store alone, and the other side's address to nobody.
//! When it fails: [`RelayFault`]; the next round goes on where this one was.

use super::conversation::{Conversation, Merchant};
use super::menu::MenuText;
use super::own::ToCustomer;
use super::{Refusal, Relay, RelayFault, words};
use crate::mail::Timestamp;
use crate::store::{Expiring, Kind, Window};
use crate::vault::{Indexed, Side};
use std::collections::{BTreeSet, HashSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

const DAY: Duration = Duration::from_millis(DAY_MS.unsigned_abs());
/// How long before the end.
const AHEAD: Duration = Duration::from_secs(7 * 86_400);
/// How long nobody is told of the same end: until it has come.
const TOLD: Duration = Duration::from_secs(8 * 86_400);
const DAY_MS: i64 = 86_400_000;
/// Midnight in Japan is so much before that of UTC.
const JAPAN_MS: i64 = 9 * 3_600_000;
/// How long before now a conversation was opened, and mail passed in it.
const OPENED: Duration = Duration::from_secs(7 * 86_400);
const USED: Duration = Duration::from_secs(30 * 86_400);
/// Conversations that one statement looks at, and that are told at once.
const SPAN: i64 = 50_000;
const MOST: i64 = 200;
/// How long round follows round before other work of the house has its turn.
const ROUNDS: Duration = Duration::from_secs(2);
/// Once all were looked at, that is enough for so long.
const REST: Duration = Duration::from_secs(6 * 3600);
/// Most order numbers that a mail lists, and most conversations that are counted for it.
const LISTED: usize = 100;
const COUNTED: i64 = 300;

/// Where the round is.
#[derive(Default)]
pub(super) struct Rounds {
    after: i64,
    /// Stores and days that were looked at in this round.
    told: HashSet<(i64, i64)>,
    rests_until: Option<Instant>,
}

/// The day in Japan.
fn day_of(at: Timestamp) -> i64 {
    (at.as_millis() + JAPAN_MS).div_euclid(DAY_MS)
}

impl Relay {
    /// Tells some of those whose addresses end soon.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn tell_of_ends(&self, now: Timestamp) -> Result<(), RelayFault> {
        let back = |by: Duration| {
            Timestamp::from_millis(now.as_millis() - i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
        };
        let window = Window {
            now,
            ends_before: now.after(AHEAD),
            opened_before: back(OPENED),
            used_since: back(USED),
        };
        let begun = Instant::now();
        while begun.elapsed() < ROUNDS {
            let (after, rests) = {
                let rounds = self.inner.expiring.lock().unwrap_or_else(PoisonError::into_inner);
                (rounds.after, rounds.rests_until.is_some_and(|until| until > Instant::now()))
            };
            if rests {
                break;
            }
            let (some, next) = self.store().expiring(window, after, SPAN, MOST).await?;
            for one in some {
                self.tell_of_end(one, window).await?;
                self.inner.expiring.lock().unwrap_or_else(PoisonError::into_inner).after = one.id;
                if begun.elapsed() >= ROUNDS {
                    return Ok(());
                }
            }
            let mut rounds = self.inner.expiring.lock().unwrap_or_else(PoisonError::into_inner);
            match next {
                Some(next) => rounds.after = next,
                None => *rounds = Rounds { rests_until: Some(Instant::now() + REST), ..Rounds::default() },
            }
        }
        Ok(())
    }

    async fn tell_of_end(&self, one: Expiring, window: Window) -> Result<(), RelayFault> {
        match self.tell_both_of_end(one, window).await {
            Err(RelayFault::Store(fault)) if fault.is_passing() => Err(fault.into()),
            // Somebody can't be told of it; the others are.
            Err(fault) => {
                tracing::warn!(event = "unreadable", stage = "expiring", id = one.id, %fault);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn tell_both_of_end(&self, one: Expiring, window: Window) -> Result<(), RelayFault> {
        let Some(conversation) = self.conversation_by_id(one.id).await? else { return Ok(()) };
        self.tell_customer_of_end(&conversation, one.expires_at, window.now).await?;
        let told = (one.merchant_id, day_of(one.expires_at));
        let is_told = self.inner.expiring.lock().unwrap_or_else(PoisonError::into_inner).told.contains(&told);
        if !is_told {
            self.tell_store_of_ends(&conversation.merchant, told.1, window).await?;
            self.inner.expiring.lock().unwrap_or_else(PoisonError::into_inner).told.insert(told);
        }
        Ok(())
    }

    /// Whether somebody was told, whatever became of the mail: one that came back would go out again and again.
    async fn is_told_of_end(&self, told: Indexed<'_>, now: Timestamp) -> Result<bool, RelayFault> {
        Ok(self.store().stands(&self.vault().index.of(told), now).await?)
    }

    async fn tell_customer_of_end(
        &self,
        conversation: &Conversation,
        ends: Timestamp,
        now: Timestamp,
    ) -> Result<(), RelayFault> {
        let what = format!("ends {}", day_of(ends));
        let told = Indexed::Told { conversation: conversation.id, what: &what };
        // A mailbox that is gone would bring the operator a notice about the notice.
        if self.is_told_of_end(told, now).await?
            || self.check_mailbox(conversation, Side::Customer).await == Err(Refusal::Suppressed)
        {
            return Ok(());
        }
        let (store, alias) = (&conversation.merchant, conversation.merchant_alias.to_string());
        let mail = ToCustomer {
            subject: "連絡先アドレスの有効期限のお知らせ / An address ends soon",
            text: words::ends_soon(&store.name, &alias, &words::time(ends)),
            action: "ends-soon",
            once: (&what, TOLD),
        };
        self.write_to_customer(conversation, &self.registered(store).await?, mail, now).await
    }

    /// Tells a store what of it ends on a day.
    async fn tell_store_of_ends(&self, store: &Merchant, day: i64, window: Window) -> Result<(), RelayFault> {
        let what = format!("ends {day}");
        let told = Indexed::Told { conversation: store.id, what: &what };
        if self.is_told_of_end(told, window.now).await? {
            return Ok(());
        }
        let (mut numbers, mut inquiries) = (BTreeSet::new(), 0_usize);
        // The whole day, of which the first end alone may be near enough for now.
        let begins = Timestamp::from_millis(day * DAY_MS - JAPAN_MS);
        // Midnight is the first instant of a day.
        let before = Timestamp::from_millis(begins.as_millis() - 1);
        let of_day = Window { now: before.max(window.now), ends_before: begins.after(DAY), ..window };
        for one in self.store().expiring_of(store.id, of_day, COUNTED).await? {
            match self.conversation_by_id(one.id).await {
                Ok(Some(Conversation { kind: Kind::Inquiry, .. })) => inquiries += 1,
                Ok(Some(conversation)) => _ = numbers.insert(conversation.order_no),
                Ok(None) => {}
                Err(fault @ RelayFault::Store(_)) => return Err(fault),
                Err(_) => {}
            }
        }
        let to = self.registered(store).await?.into_iter().next();
        let Some(to) = to.filter(|_| !numbers.is_empty() || inquiries > 0) else { return Ok(()) };
        let date = words::time(begins);
        let date = date.split('T').next().unwrap_or_default();
        let listed: Vec<&str> = numbers.iter().take(LISTED).map(String::as_str).collect();
        let more = numbers.len().saturating_sub(LISTED) + inquiries;
        let text = MenuText {
            subject: format!(
                "[{}] まもなく連絡できなくなるご注文 / Orders whose addresses end on {date}",
                self.policy().brand
            ),
            text: words::orders_end_soon(date, &listed, more),
        };
        let mut row = self.menu_mail(store, &to, &text, "ends-soon", window.now)?;
        row.guard = Some((self.vault().index.of(told), window.now.after(TOLD)));
        self.store().accept(vec![row]).await?;
        Ok(())
    }
}
