//! `/v1/openapi.json`: the API in OpenAPI 3.1, made of the descriptions by which it reads and routes.
//!
//! Rules: it is the same for everybody and says nothing of this installation but its version.
//! When it fails: never.

use super::gate::KEY_MAX;
use super::shape::{Field, Need, Shape, TEXT, must, object_schema};
use super::{Operation, Verb, operations};
use axum::Json;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Statuses that any call can have, and what they say.
const ALWAYS: &[u16] = &[401, 403, 429, 503];
/// Of a call with parameters, or an idempotency key; and of one with a body.
const WITH_PARAMETERS: &[u16] = &[400];
const WITH_KEY: &[u16] = &[409, 422];
const WITH_BODY: &[u16] = &[413, 415, 422];

const PROBLEM: &[Field] = &[
    must("type", TEXT, ""),
    must("title", TEXT, ""),
    must("status", Shape::Number { least: 400, most: 599 }, ""),
    must("detail", TEXT, "the field and the rule, never a value"),
];

/// `GET /v1/openapi.json`
pub(super) async fn show() -> Json<&'static Value> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
    Json(&DOCUMENT)
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.verb.word().into(), described(operation));
        }
    }
    // A problem can have more members (RFC 9457 §3.2), as that of a query has.
    let mut problem = object_schema(PROBLEM);
    if let Some(problem) = problem.as_object_mut() {
        problem.insert("additionalProperties".into(), true.into());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Anshin Mail",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Stores, orders and their aliases, for the marketplace's own systems.",
        },
        "paths": paths,
        "components": {
            "schemas": { "Problem": problem },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "made by `anshin token add`; what it may its scopes say",
                },
            },
        },
        "security": [ { "token": [] } ],
    })
}

fn described(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = path_names(operation.path)
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
        })
        .collect();
    parameters.extend(operation.query.iter().map(|field| {
        json!({
            "name": field.name,
            "in": "query",
            "required": field.need == Need::Must,
            "description": field.about,
            "schema": field.shape.schema(),
        })
    }));
    if operation.verb != Verb::Get {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "a call that is made again with its key within 24 hours is made once, and gets the same answer",
            "schema": { "type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[!-~]+$" },
        }));
    }
    let mut answers: Map<String, Value> = Map::new();
    for answer in operation.answers {
        let schema = answer.shape.schema();
        let said = json!({
            "description": answer.about,
            "content": { "application/json": { "schema": schema } },
        });
        answers.insert(answer.status.to_string(), said);
    }
    let with_key: &[u16] = if operation.verb == Verb::Get { &[] } else { WITH_KEY };
    let with_body: &[u16] = if operation.body.is_some() { WITH_BODY } else { &[] };
    let mut refuses: Vec<u16> = [ALWAYS, WITH_PARAMETERS, with_key, with_body, operation.refuses].concat();
    refuses.sort_unstable();
    refuses.dedup();
    for status in refuses {
        answers.insert(status.to_string(), refused(status));
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.about,
        "description": format!("A token with the scope `{}`.", operation.scope.as_str()),
        "parameters": parameters,
        "responses": answers,
    });
    if let (Some(fields), Some(members)) = (operation.body, described.as_object_mut()) {
        let content = json!({ "application/json": { "schema": object_schema(fields) } });
        members.insert("requestBody".into(), json!({ "required": true, "content": content }));
    }
    described
}

fn refused(status: u16) -> Value {
    let about = match status {
        400 => "The body, a parameter or a header is not what is expected.",
        401 => "No token, or none that is known.",
        403 => "The token lacks the scope, or nobody may call from there.",
        404 => "There is no such thing.",
        409 => "It is otherwise already, or the call with this key is under way.",
        413 => "The body is too long.",
        415 => "The body is no JSON.",
        422 => "A rule is broken, or the key came with another call.",
        429 => "Too much at once.",
        _ => "A fault on our side: try the same again later.",
    };
    let mut said = json!({
        "description": about,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    if let (429, Some(said)) = (status, said.as_object_mut()) {
        let after = json!({ "description": "seconds", "schema": { "type": "integer", "minimum": 1 } });
        said.insert("headers".into(), json!({ "Retry-After": after }));
    }
    said
}

/// The names in a path, in their order.
fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described_once_under_a_name_of_its_own() {
        let document = document();
        let mut ids = Vec::new();
        for operation in operations() {
            let described = &document["paths"][operation.path][operation.verb.word()];
            assert_eq!(described["operationId"], operation.id, "{}", operation.path);
            assert!(!ids.contains(&operation.id), "{}", operation.id);
            ids.push(operation.id);
        }
        let order = &document["paths"]["/v1/orders"]["post"];
        let emailed = &order["responses"]["201"]["content"]["application/json"]["schema"];
        assert_eq!(emailed["properties"]["emailAddress"]["type"], "string");
        assert!(emailed["required"].as_array().unwrap().contains(&"emailAddress".into()));
    }
}
