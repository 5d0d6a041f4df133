//! `/v1/webhooks`: where events are posted, their secrets, and events that are asked for once more.
//!
//! Rules: an address is of a host that the configuration names. A secret is shown once.
//! When it fails: a problem document.

use super::super::problem::Problem;
use super::shape::{Shape, TEXT, may, must, nullable, sometimes, text};
use super::{Again, Answer, Call, Operation, Reply, Verb};
use crate::mail::Timestamp;
use crate::relay::{Scope, WebhookAdded, WebhookView};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const COUNT: Shape = Shape::Number { least: 0, most: i64::MAX };

const ADDED: Shape = Shape::Object(&[
    must("id", TEXT, ""),
    must("secret", TEXT, "by which what is posted is signed; shown this once"),
]);

const WEBHOOK: Shape = Shape::Object(&[
    must("id", TEXT, ""),
    nullable("url", TEXT, "null where this process does not open it"),
    must("created_at", Shape::Time, ""),
    must("waiting", COUNT, "events that wait"),
    sometimes("last_status", TEXT, "of one that waits and was tried: an HTTP status, or a word"),
    must("given_up", COUNT, "events that were not taken in three days"),
]);

const LIST: Shape =
    Shape::Object(&[must("webhooks", Shape::List { of: &WEBHOOK, least: 0, most: usize::MAX }, "")]);
const REMOVED: Shape = Shape::Object(&[must("id", TEXT, ""), must("state", TEXT, "")]);
const REPLAYED: Shape = Shape::Object(&[must("events", COUNT, "how many are posted once more")]);

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        verb: Verb::Post,
        path: "/v1/webhooks",
        id: "addWebhook",
        about: "Has what becomes of mails posted to an address from now on.",
        scope: Scope::Messages,
        query: &[],
        body: Some(&[must("url", text(1, 512), "https://HOST/PATH, of a host that webhooks.hosts names")]),
        again: Again::SameAnswer,
        most: super::super::BODY_MAX,
        answers: &[Answer { status: 201, about: "It was added.", shape: &ADDED }],
        refuses: &[409],
        run: |call| Box::pin(add(call)),
    },
    Operation {
        verb: Verb::Get,
        path: "/v1/webhooks",
        id: "listWebhooks",
        about: "All webhooks, and what waits for each.",
        scope: Scope::Messages,
        query: &[],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: &[Answer { status: 200, about: "All of them.", shape: &LIST }],
        refuses: &[],
        run: |call| Box::pin(list(call)),
    },
    Operation {
        verb: Verb::Delete,
        path: "/v1/webhooks/{id}",
        id: "removeWebhook",
        about: "Ends a webhook, with what waits for it.",
        scope: Scope::Messages,
        query: &[],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: &[Answer { status: 200, about: "It is gone.", shape: &REMOVED }],
        refuses: &[404],
        run: |call| Box::pin(remove(call)),
    },
    Operation {
        verb: Verb::Post,
        path: "/v1/webhooks/{id}/rotate",
        id: "rotateWebhook",
        about: "Gives a webhook another secret; the one before signs beside it for a while.",
        scope: Scope::Messages,
        query: &[],
        body: Some(&[may(
            "overlap_hours",
            Shape::Number { least: 0, most: 720 },
            "for how long both sign; otherwise 24",
        )]),
        again: Again::SameAnswer,
        most: super::super::BODY_MAX,
        answers: &[Answer { status: 200, about: "The new secret.", shape: &ADDED }],
        refuses: &[404],
        run: |call| Box::pin(rotate(call)),
    },
    Operation {
        verb: Verb::Post,
        path: "/v1/webhooks/{id}/replay",
        id: "replayWebhook",
        about: "Posts all events of a span of time once more, as far back as they are kept (14 days), with the ids that they had.",
        scope: Scope::Messages,
        query: &[],
        body: Some(&[
            must("from", Shape::Time, "events of then and later"),
            may("until", Shape::Time, "and before; otherwise until now"),
        ]),
        again: Again::SameAnswer,
        most: super::super::BODY_MAX,
        answers: &[Answer { status: 200, about: "They are on their way.", shape: &REPLAYED }],
        refuses: &[404],
        run: |call| Box::pin(replay(call)),
    },
];

async fn add(call: Call) -> Result<Reply, Problem> {
    let added = call.shared.relay.add_webhook(&call.body.must("url"), &call.shared.hosts).await?;
    Ok(Reply { status: StatusCode::CREATED, body: added_json(&added) })
}

async fn list(call: Call) -> Result<Reply, Problem> {
    let webhooks = call.shared.relay.webhooks().await?;
    Ok(Reply::ok(json!({ "webhooks": webhooks.iter().map(webhook_json).collect::<Vec<_>>() })))
}

async fn remove(call: Call) -> Result<Reply, Problem> {
    call.shared.relay.end_webhook(call.path(0)).await?;
    Ok(Reply::ok(json!({ "id": call.path(0), "state": "removed" })))
}

async fn rotate(call: Call) -> Result<Reply, Problem> {
    let hours = u64::try_from(call.body.number("overlap_hours").unwrap_or(24)).unwrap_or(0);
    let overlap = Duration::from_secs(hours * 3600);
    Ok(Reply::ok(added_json(&call.shared.relay.rotate_webhook(call.path(0), overlap).await?)))
}

async fn replay(call: Call) -> Result<Reply, Problem> {
    let from = call.body.time("from").unwrap_or(Timestamp::from_millis(0));
    let events = call.shared.relay.replay_webhook(call.path(0), from, call.body.time("until")).await?;
    Ok(Reply::ok(json!({ "events": events })))
}

/// A webhook with its secret, here and by `anshin webhook`.
pub(crate) fn added_json(added: &WebhookAdded) -> Value {
    json!({ "id": added.id, "secret": added.secret.as_str() })
}

/// A webhook, here and there.
pub(crate) fn webhook_json(view: &WebhookView) -> Value {
    let mut webhook = json!({
        "id": view.id,
        "url": view.url,
        "created_at": view.created_at.to_rfc3339(),
        "waiting": view.waiting,
        "given_up": view.given_up,
    });
    if let (Some(status), Some(fields)) = (&view.last_status, webhook.as_object_mut()) {
        fields.insert("last_status".into(), status.as_str().into());
    }
    webhook
}
