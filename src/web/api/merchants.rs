//! `/v1/merchants`: stores.

use super::super::SmtpAccess;
use super::super::problem::Problem;
use super::shape::{ADDRESS, Shape, TEXT, must, sometimes};
use super::{Again, Answer, Call, Operation, Reply, Verb};
use crate::relay::{MerchantAdded, NewMerchantRequest, Scope};
use axum::http::StatusCode;
use serde_json::{Value, json};

const ADDED: Shape = Shape::Object(&[
    must("store_id", TEXT, ""),
    must("public_alias", TEXT, "to be printed on the store's pages"),
    must(
        "smtp",
        Shape::Object(&[
            must("host", TEXT, ""),
            must("port", Shape::Number { least: 1, most: 65_535 }, "STARTTLS"),
            must("auth_id", TEXT, ""),
            must("auth_password", TEXT, "shown this once"),
        ]),
        "where the store submits its mail",
    ),
    must(
        "menu",
        Shape::Object(&[must("store_id", TEXT, ""), must("password", TEXT, "shown this once")]),
        "for the first sign-in to the menu",
    ),
]);

const MERCHANT: Shape = Shape::Object(&[
    must("store_id", TEXT, ""),
    must("name", TEXT, "what customers see"),
    must("public_alias", TEXT, ""),
    sometimes("left", Shape::Flag, "nothing is opened with it any more"),
]);

const STORE_ID: Shape = Shape::Text { least: 1, most: 24, pattern: "^[a-z0-9][a-z0-9_-]*$", format: "" };
const NAME: Shape =
    Shape::Text { least: 1, most: 100, pattern: "^[^@\\u0000-\\u001f\\u007f-\\u009f]*$", format: "" };

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        verb: Verb::Post,
        path: "/v1/merchants",
        id: "addMerchant",
        about: "Adds a store, with its first submission credential and the first person of its menu.",
        scope: Scope::Merchants,
        query: &[],
        body: Some(&[
            must("store_id", STORE_ID, "becomes the public alias"),
            must("name", NAME, "what customers see"),
            must(
                "addresses",
                Shape::List { of: &ADDRESS, least: 1, most: 50 },
                "real addresses: the first takes the store's mail, all may send",
            ),
        ]),
        again: Again::SameAnswer,
        most: super::super::BODY_MAX,
        answers: &[Answer { status: 201, about: "It was added.", shape: &ADDED }],
        refuses: &[409],
        run: |call| Box::pin(add(call)),
    },
    Operation {
        verb: Verb::Get,
        path: "/v1/merchants/{store_id}",
        id: "showMerchant",
        about: "A store.",
        scope: Scope::Merchants,
        query: &[],
        body: None,
        again: Again::SameAnswer,
        most: 0,
        answers: &[Answer { status: 200, about: "The store.", shape: &MERCHANT }],
        refuses: &[404],
        run: |call| Box::pin(show(call)),
    },
];

async fn add(call: Call) -> Result<Reply, Problem> {
    let Call { shared, body, .. } = call;
    let request = NewMerchantRequest {
        store_id: body.must("store_id"),
        name: body.must("name"),
        addresses: body.texts("addresses"),
    };
    let added = shared.relay.add_merchant(request).await?;
    Ok(Reply { status: StatusCode::CREATED, body: merchant_json(&added, &shared.smtp) })
}

async fn show(call: Call) -> Result<Reply, Problem> {
    let relay = &call.shared.relay;
    let merchant = relay.merchant(call.path(0)).await?.ok_or_else(|| {
        let detail = "store id: no such store";
        Problem::new(StatusCode::NOT_FOUND, "There is no such thing", detail)
    })?;
    let mut body = json!({
        "store_id": merchant.store_id,
        "name": merchant.name,
        "public_alias": relay.domains().public_alias(&merchant.store_id).to_string(),
    });
    let has_left = relay.store().has_left(merchant.id).await.map_err(crate::relay::RelayFault::from)?;
    if let (true, Some(fields)) = (has_left, body.as_object_mut()) {
        fields.insert("left".into(), true.into());
    }
    Ok(Reply::ok(body))
}

/// What a new store is told, here and by `anshin merchant add`.
pub(crate) fn merchant_json(added: &MerchantAdded, smtp: &SmtpAccess) -> Value {
    json!({
        "store_id": added.store_id,
        "public_alias": added.public_alias.to_string(),
        "smtp": {
            "host": smtp.host,
            "port": smtp.port,
            "auth_id": added.auth_id,
            "auth_password": added.auth_password.show(),
        },
        "menu": { "store_id": added.store_id, "password": added.menu_password.show() },
    })
}
