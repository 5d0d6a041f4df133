//! `/v1/orders`: a conversation for each order, and its alias pair.
//!
//! Rules: opening, extending and closing can be asked for again and change nothing then. Another customer address takes a second person at
//! the relay, as at the desk: until somebody approves it the answer is 202, and the same call asked again does it.
//! When it fails: a problem document.

use super::super::problem::Problem;
use super::shape::{ADDRESS, Field, Fields, Shape, TEXT, broken, may, must, nullable, sometimes, text};
use super::{Again, Answer, Call, Operation, Reply, Verb};
use crate::relay::{
    Look, LookPurpose, ORDERS_MAX, OrderRequest, OrderView, ReaddressStep, Scope, parse_queue_id, queue_id,
};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// What an order has in every answer.
const ORDER_FIELDS: &[Field] = &[
    must("order_no", TEXT, ""),
    must("customer_alias", TEXT, "what the store writes to"),
    must("merchant_alias", TEXT, "what the customer writes to"),
    must(
        "emailAddress",
        TEXT,
        "the customer's alias once more, under the name that merchants' tools look for",
    ),
    must("expires_at", Shape::Time, "when its aliases end"),
    sometimes("closed_at", Shape::Time, "when it was closed"),
    sometimes("destroyed", Shape::Flag, "its key is destroyed: its aliases lead nowhere"),
];
pub(super) const ORDER: Shape = Shape::Object(ORDER_FIELDS);

const LISTED: Shape = Shape::Object(&[
    nullable("order_no", TEXT, "null where this process opens none, or where its key is destroyed"),
    must("customer_alias", TEXT, ""),
    must("merchant_alias", TEXT, ""),
    must("emailAddress", TEXT, ""),
    must("expires_at", Shape::Time, ""),
    sometimes("closed_at", Shape::Time, ""),
    sometimes("destroyed", Shape::Flag, ""),
]);

const PAGE: Shape = Shape::Object(&[
    must("orders", Shape::List { of: &LISTED, least: 0, most: 1000 }, ""),
    nullable("cursor", TEXT, "for the next page; null: this is the last"),
]);

const WAITS: Shape = Shape::Object(&[
    must("request", TEXT, "which a second person approves at the relay"),
    must("state", TEXT, ""),
]);

const ORDER_NO: Shape = Shape::Text {
    least: 1,
    most: 64,
    pattern: "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f])?$",
    format: "",
};

/// What opens an order, alone and in a bulk.
pub(super) const OPENING: &[Field] = &[
    must("store_id", text(1, 24), "of a store that was added"),
    must("order_no", ORDER_NO, "unique within the store"),
    must("customer", ADDRESS, "the customer's real address"),
    may("expires_at", Shape::Time, "when its aliases end; otherwise after the configured lifetime"),
];

const ONE: &[Answer] = &[Answer { status: 200, about: "The order.", shape: &ORDER }];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        verb: Verb::Post,
        path: "/v1/orders",
        id: "openOrder",
        about: "Opens the conversation of an order, or finds it: the aliases are the same each time.",
        scope: Scope::Orders,
        query: &[],
        body: Some(OPENING),
        again: Again::SameAnswer,
        most: super::super::BODY_MAX,
        answers: &[
            Answer { status: 201, about: "It was opened.", shape: &ORDER },
            Answer { status: 200, about: "It was open.", shape: &ORDER },
        ],
        refuses: &[404, 409],
        run: |call| Box::pin(open(call)),
    },
    Operation {
        verb: Verb::Get,
        path: "/v1/orders",
        id: "listOrders",
        about: "The orders of a store, the oldest first, in pages.",
        scope: Scope::Orders,
        query: &[
            must("store_id", TEXT, "whose"),
            may("cursor", TEXT, "the one of the page before"),
            may("limit", Shape::Number { least: 1, most: ORDERS_MAX }, "orders of a page; otherwise 100"),
        ],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: &[Answer { status: 200, about: "A page.", shape: &PAGE }],
        refuses: &[404, 422],
        run: |call| Box::pin(list(call)),
    },
    Operation {
        verb: Verb::Get,
        path: "/v1/orders/{store_id}/{order_no}",
        id: "showOrder",
        about: "An order.",
        scope: Scope::Orders,
        query: &[],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: ONE,
        refuses: &[404],
        run: |call| Box::pin(show(call)),
    },
    Operation {
        verb: Verb::Patch,
        path: "/v1/orders/{store_id}/{order_no}",
        id: "changeOrder",
        about: "Gives an order another end (`expires_at`), or another customer address (`customer`, with `actor` and `case`), which takes a second person at the relay.",
        scope: Scope::Orders,
        query: &[],
        body: Some(&[
            may("expires_at", Shape::Time, "when its aliases end"),
            may("customer", ADDRESS, "the customer's new real address; the one before is told"),
            may("actor", text(1, 64), "with customer: who asks for it"),
            may("case", text(1, 64), "with customer: the number of the case"),
        ]),
        again: Again::Made,
        most: super::super::BODY_MAX,
        answers: &[
            Answer { status: 200, about: "The order as it is now.", shape: &ORDER },
            Answer { status: 202, about: "It waits for a second person; ask again.", shape: &WAITS },
        ],
        refuses: &[404, 409],
        run: |call| Box::pin(change(call)),
    },
    Operation {
        verb: Verb::Delete,
        path: "/v1/orders/{store_id}/{order_no}",
        id: "closeOrder",
        about: "Closes an order: its aliases end now, and for good.",
        scope: Scope::Orders,
        query: &[],
        body: None,
        again: Again::Made,
        most: 0,
        answers: ONE,
        refuses: &[404, 422],
        run: |call| Box::pin(close(call)),
    },
];

/// What is asked for, of fields as [`OPENING`] says.
pub(super) fn opening(body: &Fields) -> OrderRequest {
    OrderRequest {
        store_id: body.must("store_id"),
        order_no: body.must("order_no"),
        customer: body.must("customer"),
        expires_at: body.time("expires_at"),
    }
}

async fn open(call: Call) -> Result<Reply, Problem> {
    let order = call.shared.relay.open_order(opening(&call.body)).await?;
    let status = if order.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply { status, body: answer(&order) })
}

async fn show(call: Call) -> Result<Reply, Problem> {
    Ok(Reply::ok(answer(&call.shared.relay.show_order(call.path(0), call.path(1)).await?)))
}

async fn list(call: Call) -> Result<Reply, Problem> {
    let after = match call.query.text("cursor") {
        Some(cursor) => parse_queue_id(cursor).ok_or_else(wrong_cursor)?,
        None => 0,
    };
    let limit = call.query.number("limit").unwrap_or(100);
    let store_id = call.query.must("store_id");
    let found = call.shared.relay.orders_after(&store_id, after, limit).await?;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
    let cursor = found.last().filter(|_| is_full).map(|(id, _)| queue_id(*id));
    let orders: Vec<Value> = found.iter().map(|(_, order)| listed(order)).collect();
    Ok(Reply::ok(json!({ "orders": orders, "cursor": cursor })))
}

pub(super) fn wrong_cursor() -> Problem {
    broken("cursor: the one of the answer before, as it stands there")
}

fn listed(order: &OrderView) -> Value {
    let mut body = answer(order);
    if let (true, Some(fields)) = (order.order_no.is_empty(), body.as_object_mut()) {
        fields.insert("order_no".into(), Value::Null);
    }
    body
}

async fn change(call: Call) -> Result<Reply, Problem> {
    let (store_id, order_no) = (call.path(0), call.path(1));
    let relay = &call.shared.relay;
    match (call.body.time("expires_at"), call.body.text("customer")) {
        (Some(expires_at), None) => {
            Ok(Reply::ok(answer(&relay.extend_order(store_id, order_no, expires_at).await?)))
        }
        (None, Some(customer)) => {
            let (Some(actor), Some(case)) = (call.body.text("actor"), call.body.text("case")) else {
                return Err(broken("actor, case: who asks for it, and the number of the case"));
            };
            let look = Look::new(actor, LookPurpose::DataSubjectRequest, case, call.account)?;
            let look = relay.let_in(look.by_token(call.token)).await?;
            match relay.step_readdress(&look, store_id, order_no, customer).await? {
                ReaddressStep::Done(order) => Ok(Reply::ok(answer(&order))),
                ReaddressStep::Asked(request) => Ok(Reply {
                    status: StatusCode::ACCEPTED,
                    body: json!({ "request": request, "state": "waits for a second person" }),
                }),
                ReaddressStep::Refused(request) => {
                    let detail =
                        format!("request {request}: a second person was against it; ask with another case");
                    Err(Problem::new(StatusCode::CONFLICT, "It was refused", detail))
                }
            }
        }
        _ => Err(broken("expires_at, customer: one of both, in a call of its own")),
    }
}

async fn close(call: Call) -> Result<Reply, Problem> {
    Ok(Reply::ok(answer(&call.shared.relay.close_order(call.path(0), call.path(1)).await?)))
}

/// An order as it is answered: as the command prints it, with what merchants' tools look for.
pub(super) fn answer(order: &OrderView) -> Value {
    let mut body = order_json(order);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("emailAddress".into(), order.customer_alias.to_string().into());
    }
    body
}

/// An order, by `anshin order`.
pub(crate) fn order_json(order: &OrderView) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.into(), value);
    put("order_no", order.order_no.clone().into());
    put("customer_alias", order.customer_alias.to_string().into());
    put("merchant_alias", order.merchant_alias.to_string().into());
    put("expires_at", order.expires_at.to_rfc3339().into());
    if let Some(at) = order.closed_at {
        put("closed_at", at.to_rfc3339().into());
    }
    if order.is_destroyed {
        put("destroyed", true.into());
    }
    Value::Object(fields)
}
