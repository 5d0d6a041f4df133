//! `POST /v1/orders/bulk`: up to 10,000 orders in one call, each with its own result.
//!
//! Rules: an order that is refused keeps no other from being opened; the same bulk again changes nothing and answers the same aliases. So many are
//! opened side by side that the writer commits them in groups, and no more: memory grows with the body alone. Two bulks run at once.
//! When it fails: each order has its problem; the call fails only as a whole where the body can't be read.

use super::super::problem::Problem;
use super::orders::{OPENING, ORDER, answer, opening};
use super::shape::{Field, Fields, Shape, TEXT, must, sometimes};
use super::{Again, Answer, Call, Operation, Reply, Verb};
use crate::relay::Scope;
use axum::http::StatusCode;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

/// Orders of one call.
const ORDERS_MAX: usize = 10_000;
/// Octets of its body.
const BULK_MAX: usize = 4 * 1024 * 1024;
/// Orders that are opened side by side: the writer takes up to 256 changes in one commit.
const TOGETHER: usize = 128;
/// Bulks that run at once.
pub(in crate::web) const AT_ONCE: usize = 2;

const OPENED: Shape = Shape::Object(OPENING);

const PROBLEM: Shape = Shape::Object(PROBLEM_FIELDS);
const PROBLEM_FIELDS: &[Field] = &[
    must("type", TEXT, ""),
    must("title", TEXT, ""),
    must("status", Shape::Number { least: 400, most: 599 }, ""),
    must("detail", TEXT, "the field and the rule, never a value"),
];

const RESULT: Shape = Shape::Object(&[
    must(
        "status",
        Shape::Number { least: 200, most: 599 },
        "what the call for this order alone would have had",
    ),
    sometimes("order", ORDER, "where it is open"),
    sometimes("problem", PROBLEM, "where it is not"),
]);

const RESULTS: Shape = Shape::Object(&[
    must("opened", Shape::Number { least: 0, most: 10_000 }, "how many were opened by this call"),
    must("open", Shape::Number { least: 0, most: 10_000 }, "how many were open"),
    must("refused", Shape::Number { least: 0, most: 10_000 }, "how many were not opened"),
    must("results", Shape::List { of: &RESULT, least: 1, most: ORDERS_MAX }, "in the order of the request"),
]);

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    verb: Verb::Post,
    path: "/v1/orders/bulk",
    id: "openOrders",
    about: "Opens up to 10,000 orders, each with its own result. The same bulk again changes nothing.",
    scope: Scope::Orders,
    query: &[],
    body: Some(&[must("orders", Shape::List { of: &OPENED, least: 1, most: ORDERS_MAX }, "")]),
    again: Again::Made,
    most: BULK_MAX,
    answers: &[Answer { status: 200, about: "What became of each.", shape: &RESULTS }],
    refuses: &[409],
    run: |call| Box::pin(open(call)),
}];

async fn open(mut call: Call) -> Result<Reply, Problem> {
    let orders = call.body.take_objects("orders");
    let relay = &call.shared.relay;
    let Ok(_place) = call.shared.bulks.try_acquire() else {
        let detail = format!("{AT_ONCE} bulks run at once; try the same again in a moment");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many bulks", detail).again_in(5));
    };
    call.shared.requests.take(call.token, u64::try_from(orders.len() / 100).unwrap_or(0))?;
    let mut counts = [0_u32; 3];
    let mut results: Vec<Value> = Vec::with_capacity(orders.len());
    let open = |order: Fields| {
        let relay = relay.clone();
        async move { relay.open_order(opening(&order)).await }
    };
    let mut opened = stream::iter(orders.into_iter().map(open)).buffered(TOGETHER);
    while let Some(result) = opened.next().await {
        let (which, result) = match result {
            Ok(order) if order.is_new => (0, json!({ "status": 201, "order": answer(&order) })),
            Ok(order) => (1, json!({ "status": 200, "order": answer(&order) })),
            Err(fault) => {
                let (status, problem) = Problem::from(fault).told_json();
                (2, json!({ "status": status.as_u16(), "problem": problem }))
            }
        };
        if let Some(count) = counts.get_mut(which) {
            *count += 1;
        }
        results.push(result);
    }
    let [new, open, refused] = counts;
    Ok(Reply::ok(json!({ "opened": new, "open": open, "refused": refused, "results": results })))
}
