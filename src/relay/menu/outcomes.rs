//! What became of a mail, by its delivery in the queue or by the events of the log: states and steps, each with why.
//!
//! Rules: a status of another server is told by the table of notices (`words.rs`), and nothing else of what it said. Of a mail from a
//! customer nothing is told that is between him and the service.
//! When it fails: what nothing is known of is so.

use crate::mail::Timestamp;
use crate::relay::words::{self, Outcome, Why};
use crate::store::{MenuMailEvent, QueueRow};

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    Waiting,
    /// It was tried, and is tried again.
    Deferred,
    Held,
    Delivered,
    Failed,
    /// It could not be delivered in time.
    Expired,
    /// It was withdrawn, or nobody decided in time, or the operator decided against it.
    Dropped,
    /// What is known of it was erased.
    Unknown,
}

impl MailState {
    pub const ALL: [MailState; 8] = [
        MailState::Waiting,
        MailState::Deferred,
        MailState::Held,
        MailState::Delivered,
        MailState::Failed,
        MailState::Expired,
        MailState::Dropped,
        MailState::Unknown,
    ];

    /// The word in a query.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MailState::Waiting => "waiting",
            MailState::Deferred => "deferred",
            MailState::Held => "held",
            MailState::Delivered => "delivered",
            MailState::Failed => "failed",
            MailState::Expired => "expired",
            MailState::Dropped => "dropped",
            MailState::Unknown => "unknown",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Something that happened to a mail.
#[derive(Debug, Clone)]
pub struct MailStep {
    pub at: Timestamp,
    /// The word in the log.
    pub event: &'static str,
    pub why: Option<Why>,
    /// Who decided: a word of the log.
    pub by: Option<String>,
}

/// The end of a mail whose delivery stands no more.
#[derive(Clone)]
pub(super) struct End {
    pub state: MailState,
    pub why: Option<Why>,
}

/// The enhanced code of a status such as `450 4.2.2` or `4.2.2`.
fn enhanced(status: &str) -> &str {
    status.split_once(' ').map_or(status, |(_, enhanced)| enhanced)
}

fn why(outcome: Outcome, status: &str) -> Option<Why> {
    Some(outcome.why(enhanced(status)).1)
}

/// What a delivery in the queue is.
pub(super) fn standing(row: &QueueRow) -> (MailState, Option<Why>) {
    let status = row.last_status.as_deref();
    match row.state.as_str() {
        "waiting" if row.attempts > 0 && status.is_some_and(|status| status.starts_with('4')) => {
            (MailState::Deferred, status.and_then(|status| why(Outcome::Delayed, status)))
        }
        "waiting" => (MailState::Waiting, None),
        "held" => (MailState::Held, Some(words::held(row.held_for.as_deref().unwrap_or_default()))),
        "delivered" => (MailState::Delivered, None),
        "failed" => failed(status),
        "dropped" => (MailState::Dropped, None),
        _ => (MailState::Unknown, None),
    }
}

/// What ended for good is so by the class of its last status: nothing but time ends what is temporary.
fn failed(status: Option<&str>) -> (MailState, Option<Why>) {
    match status.map(enhanced) {
        Some(status) if status.starts_with('5') => (MailState::Failed, why(Outcome::Failed, status)),
        Some(status) if status.starts_with('4') => (MailState::Expired, why(Outcome::Delayed, status)),
        _ => (MailState::Expired, None),
    }
}

/// The end that an event says.
pub(super) fn end(event: &MenuMailEvent) -> Option<End> {
    let (state, why) = match event.event.as_str() {
        "delivered" => (MailState::Delivered, None),
        "failed" => failed(event.result.as_deref()),
        "dropped" => (MailState::Dropped, None),
        "returned" if event.result.as_deref().is_some_and(|said| said.starts_with("5.")) => {
            failed(event.result.as_deref())
        }
        _ => return None,
    };
    Some(End { state, why })
}

/// Why something happened to a mail, as it is told to the marketplace's own systems.
pub(in crate::relay) fn why_of(event: &str, result: Option<&str>, direction: &str) -> Option<Why> {
    let event = MenuMailEvent {
        id: 0,
        at: Timestamp::from_millis(0),
        message_id: 0,
        event: event.to_owned(),
        result: result.map(str::to_owned),
    };
    step(&event, direction == "to_customer").and_then(|step| step.why)
}

/// What happened, as it is told; nothing that is between the other side and the service.
pub(super) fn step(event: &MenuMailEvent, is_own: bool) -> Option<MailStep> {
    let result = event.result.as_deref();
    let (word, why, by) = match event.event.as_str() {
        "accepted" => ("accepted", None, None),
        "delivered" => ("delivered", None, None),
        "deferred" => {
            let status = result.filter(|status| status.starts_with('4'));
            ("deferred", status.and_then(|status| why(Outcome::Delayed, status)), None)
        }
        "failed" => ("failed", failed(result).1, None),
        "returned" if result.is_some_and(|said| said.starts_with("5.")) => {
            ("returned", failed(result).1, None)
        }
        "held" if is_own => ("held", result.map(words::held), None),
        "released" if is_own => ("released", None, result),
        "dropped" if is_own => ("dropped", None, result),
        "retried" => ("retried", None, result),
        "rerouted" => ("rerouted", None, None),
        _ => return None,
    };
    Some(MailStep { at: event.at, event: word, why, by: by.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: &str, result: Option<&str>) -> MenuMailEvent {
        let (event, result) = (event.to_owned(), result.map(str::to_owned));
        MenuMailEvent { id: 1, at: Timestamp::from_millis(1), message_id: 1, event, result }
    }

    #[test]
    fn what_came_of_a_mail_is_what_its_last_end_says() {
        let state = |word: &str, result| end(&event(word, result)).map(|end| end.state);
        assert_eq!(state("delivered", Some("2.0.0")), Some(MailState::Delivered));
        assert_eq!(state("failed", Some("5.1.1")), Some(MailState::Failed));
        assert_eq!(state("failed", Some("4.4.1")), Some(MailState::Expired));
        assert_eq!(state("failed", Some("waits")), Some(MailState::Expired));
        assert_eq!(state("returned", Some("5.2.2")), Some(MailState::Failed));
        for nothing in
            [("returned", Some("receipt")), ("returned", Some("delayed")), ("held", Some("document"))]
        {
            assert_eq!(state(nothing.0, nothing.1), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_store_is_told_nothing_that_is_between_its_customer_and_the_service() {
        for (word, result) in [("held", "unproven"), ("released", "sender"), ("dropped", "time")] {
            assert!(step(&event(word, Some(result)), false).is_none(), "{word}");
        }
        for hidden in [("returned", "receipt"), ("returned", "complaint"), ("blocked", "suppress")] {
            for is_own in [true, false] {
                assert!(step(&event(hidden.0, Some(hidden.1)), is_own).is_none(), "{hidden:?}");
            }
        }
        let held = step(&event("held", Some("document")), true).and_then(|step| step.why);
        assert_eq!(held, Some(words::held("document")), "as its notice says");
    }
}
