//! `POST /v1/erasures`: what is kept about a customer, and its erasure, as `anshin compliance erase` does it.
//!
//! Rules: a preview unless `carry_out` is true. Either is written down among the looks, with the token, and counts to what one
//! may see a day. To carry it out takes a second person, at the relay (`anshin reveal
//! approve`): until then the answer is 202 with the request that waits. The same call asked again does nothing twice:
//! it says how far it has come, and in the end that all is erased. Who calls must come from where staff may, also for a preview.
//! When it fails: a problem document, and nothing is erased.

use super::Shared;
use super::api::{Body, authorize, parse};
use super::origin;
use super::problem::Problem;
use crate::mail::Timestamp;
use crate::relay::{Account, ErasurePending, ErasureStep, LeftKey, Look, LookPurpose, Scope, queue_id};
use crate::store::Holdings;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErasureBody {
    customer: String,
    #[serde(default)]
    open_orders: bool,
    #[serde(default)]
    carry_out: bool,
    actor: Option<String>,
    purpose: Option<String>,
    case: Option<String>,
}

/// `POST /v1/erasures`
pub(super) async fn erase(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let token = authorize(&shared, &headers, Scope::Erasures).await?;
    let body: ErasureBody = parse(body)?;
    let relay = &shared.relay;
    let breaks = |detail: &str| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", detail.to_owned())
    };
    let (Some(actor), Some(case)) = (&body.actor, &body.case) else {
        return Err(breaks("actor, case: who asks for it, and the number of the case"));
    };
    let purpose = body.purpose.as_deref().unwrap_or(LookPurpose::DataSubjectRequest.as_str());
    let purpose = LookPurpose::parse(purpose).ok_or_else(|| breaks("purpose: one of the desk's list"))?;
    // Who called is behind a token; the account is that of this process.
    let from = origin::of(peer.ip(), &headers, &shared.proxies);
    let account = Account { uid: rustix::process::getuid().as_raw(), login: None, from };
    let look = relay.let_in(Look::new(actor, purpose, case, account)?.by_token(token)).await?;
    if !body.carry_out {
        let (held, _) = relay.preview_erasure(&look, &body.customer, body.open_orders).await?;
        return Ok((StatusCode::OK, Json(held_json(&held, false))));
    }
    let (held, step) = relay.step_erasure(&look, &body.customer, body.open_orders).await?;
    let mut document = held_json(&held, step == ErasureStep::Erased);
    let status = match &step {
        ErasureStep::Asked(_) => StatusCode::ACCEPTED,
        ErasureStep::Refused(request) => {
            let detail = format!("request {request}: a second person was against it; ask with another case");
            return Err(Problem::new(StatusCode::CONFLICT, "It was refused", detail));
        }
        ErasureStep::Erased => StatusCode::OK,
    };
    if let Some(fields) = document.as_object_mut() {
        match step {
            ErasureStep::Erased => {
                let pending = relay.certify_erasures(Timestamp::now()).await?;
                fields.insert("without_certificate".into(), pending_json(&pending));
            }
            ErasureStep::Asked(request) | ErasureStep::Refused(request) => {
                fields.insert("request".into(), request.into());
                fields.insert("state".into(), "waits for a second person".into());
            }
        }
    }
    Ok((status, Json(document)))
}

/// What is kept, here and by `anshin compliance erase`.
pub(crate) fn held_json(held: &Holdings, erased: bool) -> Value {
    let holds: Vec<String> = held.holds.iter().copied().map(queue_id).collect();
    json!({
        "orders": held.orders,
        "inquiries": held.inquiries,
        "guests": held.guests,
        "open_orders": held.open_orders,
        "mails_waiting": held.waiting,
        "records": held.records,
        "refused_days": held.refused_days,
        "corrections": held.corrections,
        "legal_holds": holds,
        "erased": erased,
    })
}

/// Erasures that wait for their certificate, or that have one which says that they are not complete, here and there.
pub(crate) fn pending_json(pending: &[ErasurePending]) -> Value {
    let one = |waits: &ErasurePending| {
        let mut one = json!({ "erasure": waits.id, "seal_keys": waits.seal_keys });
        if let (false, Some(fields)) = (waits.is_proven, one.as_object_mut()) {
            fields.insert("proven".into(), false.into());
        }
        if let (false, Some(fields)) = (waits.left.is_empty(), one.as_object_mut()) {
            fields.insert("not_complete".into(), waits.left.iter().map(ToString::to_string).collect());
            fields.insert("what_to_do".into(), LeftKey::CURE.into());
        }
        one
    };
    pending.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_erasure_left_is_told_with_what_to_do() {
        let pending = |left| ErasurePending {
            id: "1".into(),
            at: Timestamp::from_millis(0),
            seal_keys: Vec::new(),
            is_proven: true,
            left,
        };
        let told = pending_json(&[pending(vec![LeftKey::Conversation("00A1".into())]), pending(Vec::new())]);
        assert_eq!(told[0]["not_complete"], json!(["conversation 00A1"]));
        assert_eq!(told[0]["what_to_do"], LeftKey::CURE);
        assert!(told[1].get("not_complete").is_none() && told[1].get("what_to_do").is_none());
    }
}
