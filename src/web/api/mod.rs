//! `/v1`: the API for the marketplace's own systems. The JSON fields are those of the commands.
//!
//! Rules: each operation is one description ([`Operation`]): its route, what it reads and what it answers come from it, and so does the OpenAPI
//! document ([`openapi`]). What an operation reads has been read by its description, and who calls has been let in (`gate.rs`), before it runs.
//! When it fails: a problem document, for whatever reason; nothing of a request is repeated in it.

mod bulk;
mod erasures;
mod gate;
mod log;
mod logins;
mod merchants;
mod messages;
mod openapi;
mod orders;
mod shape;
mod webhooks;

pub(super) use bulk::AT_ONCE as BULKS;
pub(crate) use erasures::{held_json, pending_json};
pub(super) use gate::Requests;
pub(super) use log::AT_ONCE as SEARCHES;
pub(super) use logins::Logins;
pub(crate) use merchants::merchant_json;
pub(crate) use orders::order_json;
pub(crate) use webhooks::{added_json, webhook_json};

use super::Shared;
use super::problem::Problem;
use crate::relay::{Account, Scope};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{MethodFilter, MethodRouter, get};
use serde_json::Value;
use shape::{Field, Fields, Shape};
use std::pin::Pin;
use std::sync::Arc;

/// A method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

impl Verb {
    fn filter(self) -> MethodFilter {
        match self {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Patch => MethodFilter::PATCH,
            Verb::Delete => MethodFilter::DELETE,
        }
    }

    /// As the OpenAPI document has it.
    fn word(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Post => "post",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }
}

/// What becomes of a call that comes again with its idempotency key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Its first answer is given again.
    SameAnswer,
    /// It is made again, which changes nothing: its answer is too large to keep.
    Made,
}

/// One method of one path.
struct Operation {
    verb: Verb,
    path: &'static str,
    id: &'static str,
    about: &'static str,
    scope: Scope,
    query: &'static [Field],
    /// None: a body is not looked at.
    body: Option<&'static [Field]>,
    again: Again,
    /// Octets of a body, at most.
    most: usize,
    answers: &'static [Answer],
    /// Statuses of problems beside those that any call can have.
    refuses: &'static [u16],
    run: fn(Call) -> Running,
}

/// An answer that is no problem.
struct Answer {
    status: u16,
    about: &'static str,
    shape: &'static Shape,
}

type Running = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// A call that was let in.
struct Call {
    shared: Arc<Shared>,
    /// By which it was let in.
    token: i64,
    account: Account,
    /// The path's parameters, in their order.
    path: Vec<String>,
    query: Fields,
    body: Fields,
}

impl Call {
    fn path(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }
}

/// What is answered.
struct Reply {
    status: StatusCode,
    body: Value,
}

impl Reply {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }
}

/// All operations.
fn operations() -> impl Iterator<Item = &'static Operation> {
    [merchants::OPERATIONS, orders::OPERATIONS, bulk::OPERATIONS, messages::OPERATIONS]
        .into_iter()
        .chain([webhooks::OPERATIONS, erasures::OPERATIONS, log::OPERATIONS])
        .flatten()
}

/// The routes of all operations, and of their description.
pub(super) fn router() -> Router<Arc<Shared>> {
    let mut router = Router::new().route("/v1/openapi.json", get(openapi::show));
    for operation in operations() {
        router = router.route(operation.path, route(operation));
    }
    router
}

/// Of one operation; those of one path are merged by the router.
fn route(operation: &'static Operation) -> MethodRouter<Arc<Shared>> {
    axum::routing::on(operation.verb.filter(), move |state, peer, params, request| {
        gate::serve(operation, state, peer, params, request)
    })
}

/// Any other path.
pub(super) async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "There is no such thing",
        "this path is no part of the API; see the documentation",
    )
}

/// A method that a path does not have.
pub(super) async fn not_allowed() -> Problem {
    let detail = "this path has no such method; see the documentation";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "There is no such thing", detail)
}
