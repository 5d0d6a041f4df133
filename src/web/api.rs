//! `/v1`: stores and orders. The JSON fields are those of the commands.

use super::problem::Problem;
use super::{BODY_MAX, Shared};
use crate::mail::Timestamp;
use crate::relay::{MerchantAdded, NewMerchantRequest, OrderRequest, OrderView, Scope};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MerchantBody {
    store_id: String,
    name: String,
    addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    store_id: String,
    order_no: String,
    customer: String,
    expires_at: Option<String>,
}

/// A request's body, or why it could not be read.
pub(super) type Body = Result<Bytes, BytesRejection>;

/// `POST /v1/merchants`
pub(super) async fn add_merchant(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    authorize(&shared, &headers, Scope::Merchants).await?;
    let body: MerchantBody = parse(body)?;
    let request = NewMerchantRequest { store_id: body.store_id, name: body.name, addresses: body.addresses };
    let added = shared.relay.add_merchant(request).await?;
    Ok((StatusCode::CREATED, Json(merchant_json(&added, &shared.smtp))))
}

/// `POST /v1/orders`: 201 when it opens one, 200 when it was open.
pub(super) async fn open_order(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    authorize(&shared, &headers, Scope::Orders).await?;
    let body: OrderBody = parse(body)?;
    let expires_at = match body.expires_at {
        Some(text) => Some(Timestamp::parse_rfc3339(&text).ok_or_else(|| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The request breaks a rule",
                "expires_at: an RFC 3339 time such as 2027-01-31T23:59:59+09:00",
            )
        })?),
        None => None,
    };
    let request = OrderRequest {
        store_id: body.store_id,
        order_no: body.order_no,
        customer: body.customer,
        expires_at,
    };
    let order = shared.relay.open_order(request).await?;
    let status = if order.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(order_json(&order))))
}

/// `GET /v1/orders/{store_id}/{order_no}`
pub(super) async fn show_order(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    authorize(&shared, &headers, Scope::Orders).await?;
    let Path((store_id, order_no)) = path.map_err(|_| {
        let detail = "store_id and order_no are UTF-8, percent-encoded; / is %2F";
        Problem::new(StatusCode::BAD_REQUEST, "The path is malformed", detail)
    })?;
    Ok(Json(order_json(&shared.relay.show_order(&store_id, &order_no).await?)))
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

/// What a new store is told, here and by `anshin merchant add`.
pub(crate) fn merchant_json(added: &MerchantAdded, smtp: &super::SmtpAccess) -> Value {
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

/// An order, here and by `anshin order`.
pub(crate) fn order_json(order: &OrderView) -> Value {
    let mut json = json!({
        "order_no": order.order_no,
        "customer_alias": order.customer_alias.to_string(),
        "merchant_alias": order.merchant_alias.to_string(),
        "expires_at": order.expires_at.to_rfc3339(),
    });
    if let (Some(at), Some(object)) = (order.closed_at, json.as_object_mut()) {
        object.insert("closed_at".into(), at.to_rfc3339().into());
    }
    if let (true, Some(object)) = (order.is_destroyed, json.as_object_mut()) {
        object.insert("destroyed".into(), true.into());
    }
    json
}

/// The id of the token, where it has the scope.
pub(super) async fn authorize(shared: &Shared, headers: &HeaderMap, scope: Scope) -> Result<i64, Problem> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let refused = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "Not authorized",
            "send Authorization: Bearer TOKEN; make a token with `anshin token add`",
        )
    };
    let token = token.ok_or_else(refused)?;
    match shared.relay.token_holder(token, scope).await? {
        Some(Some(id)) => Ok(id),
        Some(None) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Not allowed",
            format!("this token lacks the scope {}", scope.as_str()),
        )),
        None => Err(refused()),
    }
}

pub(super) fn parse<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let body = body.map_err(|rejection| {
        let detail = format!("a body is at most {BODY_MAX} octets, and comes whole");
        Problem::new(rejection.status(), "The body can't be read", detail)
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        // The position only: the library's text can quote a value.
        let detail = format!(
            "the body is not the JSON object that is expected (line {}, column {}); see the documentation for its fields",
            error.line(),
            error.column()
        );
        Problem::new(StatusCode::BAD_REQUEST, "The body is malformed", detail)
    })
}
