//! `GET /v1/orders/{store_id}/{order_no}/messages`: which mails passed, and what became of each.
//!
//! Rules: as the store's people see it in the menu. Each page is entered among the looks, by the token, and who calls must come from where
//! staff may: that there was a communication is a secret of it too.
//! When it fails: a problem document.

use super::super::problem::Problem;
use super::orders::wrong_cursor;
use super::shape::{Shape, TEXT, may, must, nullable, sometimes};
use super::{Again, Answer, Call, Operation, Reply, Verb};
use crate::mail::Timestamp;
use crate::relay::{MailDirection, MailState, MailView, Scope, parse_queue_id, queue_id};
use serde_json::{Value, json};

/// Messages of a page, unless it says otherwise, and at most.
const LINES: i64 = 50;
const LINES_MAX: i64 = 200;

const STATES: [&str; 8] =
    ["waiting", "deferred", "held", "delivered", "failed", "expired", "dropped", "unknown"];
const DIRECTIONS: [&str; 3] = ["to_customer", "to_merchant", "copy"];

const MESSAGE: Shape = Shape::Object(&[
    must("id", TEXT, "its queue id"),
    must("at", Shape::Time, "when it was accepted"),
    must("direction", Shape::Word(&DIRECTIONS), ""),
    must("state", Shape::Word(&STATES), ""),
    must("size", Shape::Number { least: 0, most: i64::MAX }, "octets"),
    sometimes("reason", TEXT, "why it is in this state, in English"),
    sometimes("reason_ja", TEXT, "the same in Japanese"),
    sometimes("attempts", Shape::Number { least: 0, most: i64::MAX }, "of one that waits"),
    sometimes("next_at", Shape::Time, "when one that waits is tried next"),
    sometimes("until", Shape::Time, "when one that waits or is held ends"),
]);

const PAGE: Shape = Shape::Object(&[
    must("messages", Shape::List { of: &MESSAGE, least: 0, most: 200 }, "the latest first"),
    nullable("cursor", TEXT, "for older ones; null: there are none"),
]);

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    verb: Verb::Get,
    path: "/v1/orders/{store_id}/{order_no}/messages",
    id: "listMessages",
    about: "The messages of an order and what became of each, the latest first. A page can be empty and have a cursor all the same.",
    scope: Scope::Messages,
    query: &[
        may("cursor", TEXT, "the one of the page before"),
        may("limit", Shape::Number { least: 1, most: LINES_MAX }, "messages of a page; otherwise 50"),
    ],
    body: None,
    again: Again::SameAnswer,
    most: 0,
    answers: &[Answer { status: 200, about: "A page.", shape: &PAGE }],
    refuses: &[404, 422],
    run: |call| Box::pin(list(call)),
}];

async fn list(call: Call) -> Result<Reply, Problem> {
    let relay = &call.shared.relay;
    relay.may_command(&call.account, "GET /v1/orders/…/messages").await?;
    let before = match call.query.text("cursor") {
        Some(cursor) => Some(parse_queue_id(cursor).ok_or_else(wrong_cursor)?),
        None => None,
    };
    let lines = usize::try_from(call.query.number("limit").unwrap_or(LINES)).unwrap_or(1);
    let order = (call.path(0), call.path(1));
    let (found, next) = relay.order_messages((call.token, call.account), order, before, lines).await?;
    let messages: Vec<Value> = found.iter().map(message_json).collect();
    Ok(Reply::ok(json!({ "messages": messages, "cursor": next.map(queue_id) })))
}

fn message_json(mail: &MailView) -> Value {
    let direction = match mail.direction {
        MailDirection::ToCustomer => "to_customer",
        MailDirection::ToStore => "to_merchant",
        MailDirection::Copy => "copy",
    };
    let waits = matches!(mail.state, MailState::Waiting | MailState::Deferred);
    let mut message = json!({
        "id": queue_id(mail.message),
        "at": mail.at.to_rfc3339(),
        "direction": direction,
        "state": mail.state.as_str(),
        "size": mail.size,
        "reason": mail.why.map(|why| why.english),
        "reason_ja": mail.why.map(|why| why.japanese),
        "attempts": waits.then_some(mail.attempts),
        "next_at": mail.next_at.map(Timestamp::to_rfc3339),
        "until": mail.until.map(Timestamp::to_rfc3339),
    });
    if let Some(fields) = message.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_in_the_document() {
        assert_eq!(MailState::ALL.map(MailState::as_str), STATES);
    }
}
