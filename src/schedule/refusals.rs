//! When a destination refuses us, rather than one message or one mailbox.
//!
//! Refusals of the sender, or by a policy, are each for good by RFC 5321 §4.2.1. But many in a row, with no message taken
//! between them, are of our address standing in a block list, or of a name or a signature that broke: nothing that another
//! sender could mend, and over when we mended it. To fail all that waits, as fast as it can be leased, would lose it.
//!
//! Rules: from the refusals on that [`MANY`] different conversations met in a row, of which at most [`OF_ONE_STORE`] of one store count, they are deferrals,
//! with their ordinary back-off: one mailbox that refuses, or a few of one store whose mail nobody wants, stops nobody else's. [`VERY_MANY`] are of us
//! whosever they are: to take one store's trouble for ours puts mail off, to take ours for its loses it. One delivery ends the row, and
//! so does [`QUIET`] without a refusal. Each domain of ours that sends has rows of its own: a key that is gone from the DNS breaks the
//! signatures of one and of no other. What was refused before stays refused: its senders know.

use crate::mail::{Domain, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// Conversations whose refusals are of us.
const MANY: usize = 20;
/// How many of one store count: they are of three stores at least.
const OF_ONE_STORE: usize = 7;
/// Conversations whose refusals are of us, were they all of one store.
const VERY_MANY: usize = 60;
/// After so long without a refusal a row begins anew.
const QUIET: Duration = Duration::from_secs(6 * 3600);

/// What a refusal says of our standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may be of this message, mailbox or store.
    Unclear,
    /// It is of us, as is found now.
    Bad,
    /// It is still of us.
    StillBad,
}

/// A row of refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Whose: the store and the conversation. At most [`VERY_MANY`].
    whose: Vec<(i64, i64)>,
    is_bad: bool,
    last: Option<Timestamp>,
}

impl Refusals {
    /// Counts one of a store's conversation.
    pub fn grow(&mut self, whose: (i64, i64), now: Timestamp) -> Standing {
        if self.last.is_some_and(|last| now.since(last) > QUIET) {
            self.end();
        }
        self.last = Some(now);
        if self.is_bad {
            return Standing::StillBad;
        }
        if !self.whose.contains(&whose) {
            self.whose.push(whose);
        }
        let mut of_store: HashMap<i64, usize> = HashMap::new();
        for (store, _) in &self.whose {
            *of_store.entry(*store).or_default() += 1;
        }
        let counted: usize = of_store.into_values().map(|count| count.min(OF_ONE_STORE)).sum();
        self.is_bad = counted >= MANY || self.whose.len() >= VERY_MANY;
        if self.is_bad { Standing::Bad } else { Standing::Unclear }
    }

    fn end(&mut self) {
        *self = Self::default();
    }
}

/// The rows of a destination, by the domain of ours that sent.
#[derive(Debug, Default)]
pub(super) struct Rows(HashMap<String, Refusals>);

impl Rows {
    /// Counts a refusal.
    pub fn grow(&mut self, sender: &Domain, whose: (i64, i64), now: Timestamp) -> Standing {
        match self.0.get_mut(sender.as_str()) {
            Some(row) => row.grow(whose, now),
            None => self.0.entry(sender.as_str().to_owned()).or_default().grow(whose, now),
        }
    }

    /// Whether one of them is of us, by what was refused lately.
    pub fn is_bad(&self, now: Timestamp) -> bool {
        self.0.values().any(|row| row.is_bad && row.last.is_some_and(|last| now.since(last) <= QUIET))
    }

    /// A message of this domain was taken.
    pub fn end(&mut self, sender: &Domain) {
        self.0.remove(sender.as_str());
    }

    /// Whether any of them would go on with the next refusal.
    pub fn go_on(&self, now: Timestamp) -> bool {
        self.0.values().any(|row| row.last.is_some_and(|last| now.since(last) <= QUIET))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    #[test]
    fn refusals_of_many_stores_and_conversations_are_of_us_until_one_message_is_taken() {
        let mut refusals = Refusals::default();
        for n in 1..20 {
            assert_eq!(refusals.grow((n % 4, n), NOW), Standing::Unclear);
        }
        assert_eq!(refusals.grow((1, 20), NOW), Standing::Bad);
        assert_eq!(refusals.grow((1, 1), NOW), Standing::StillBad);
        refusals.end();
        assert_eq!(refusals.grow((1, 1), NOW), Standing::Unclear);
    }

    #[test]
    fn one_mailbox_some_of_one_store_or_a_few_over_days_are_no_row() {
        let (mut mailbox, mut store, mut rare) =
            (Refusals::default(), Refusals::default(), Refusals::default());
        for n in 0..1000 {
            assert_eq!(mailbox.grow((n % 9, 7), NOW), Standing::Unclear);
            let day = Timestamp::from_millis(n * 86_400_000);
            assert_eq!(rare.grow((n, n), day), Standing::Unclear);
        }
        for n in 1..60 {
            assert_eq!(store.grow((1, n), NOW), Standing::Unclear);
        }
        assert_eq!(store.grow((1, 60), NOW), Standing::Bad, "nobody knows whether another's would be taken");
    }

    #[test]
    fn what_one_domain_of_ours_meets_is_not_ended_by_what_another_delivers() {
        let [shops, customers] = ["shop.example", "pc.example"].map(|name| Domain::parse(name).unwrap());
        let mut rows = Rows::default();
        for n in 1..20 {
            assert_eq!(rows.grow(&shops, (n, n), NOW), Standing::Unclear);
            rows.end(&customers);
        }
        assert_eq!(rows.grow(&customers, (20, 20), NOW), Standing::Unclear);
        assert_eq!(rows.grow(&shops, (20, 20), NOW), Standing::Bad);
        let in_hours = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        assert!(rows.go_on(in_hours(6)) && !rows.go_on(in_hours(7)));
        rows.end(&shops);
        assert_eq!(rows.grow(&shops, (21, 21), NOW), Standing::Unclear);
    }
}
