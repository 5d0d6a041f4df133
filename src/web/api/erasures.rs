//! `POST /v1/erasures`: what is kept about a customer, and its erasure, as `anshin compliance erase` does it.
//!
//! Rules: a preview unless `carry_out` is true. Either is written down among the looks, with the token, and counts to what one
//! may see a day. To carry it out takes a second person, at the relay (`anshin reveal
//! approve`): until then the answer is 202 with the request that waits. The same call asked again does nothing twice:
//! it says how far it has come, and in the end that all is erased. Who calls must come from where staff may, also for a preview.
//! When it fails: a problem document, and nothing is erased.

use super::super::problem::Problem;
use super::shape::{ADDRESS, Shape, TEXT, broken, may, must, sometimes, text};
use super::{Again, Answer, Call, Operation, Reply, Verb};
use crate::mail::Timestamp;
use crate::relay::{ErasurePending, ErasureStep, LeftKey, Look, LookPurpose, Scope, queue_id};
use crate::store::Holdings;
use axum::http::StatusCode;
use serde_json::{Value, json};

const COUNT: Shape = Shape::Number { least: 0, most: i64::MAX };

const HELD: Shape = Shape::Object(&[
    must("orders", COUNT, ""),
    must("inquiries", COUNT, ""),
    must("guests", COUNT, ""),
    must("open_orders", COUNT, ""),
    must("mails_waiting", COUNT, ""),
    must("records", COUNT, ""),
    must("refused_days", COUNT, ""),
    must("corrections", COUNT, ""),
    must("legal_holds", Shape::List { of: &TEXT, least: 0, most: usize::MAX }, "what forbids it"),
    must("erased", Shape::Flag, ""),
    sometimes("request", TEXT, "which a second person approves at the relay"),
    sometimes("state", TEXT, ""),
    sometimes(
        "without_certificate",
        Shape::List { of: &Shape::Anything, least: 0, most: usize::MAX },
        "what waits for its certificate, or is not complete",
    ),
]);

const PURPOSES: [&str; 6] = [
    "dispute-support",
    "fraud-investigation",
    "legal-request",
    "security-incident",
    "data-subject-request",
    "audit",
];

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    verb: Verb::Post,
    path: "/v1/erasures",
    id: "erase",
    about: "What is kept about a customer at all stores, and its erasure, which takes a second person at the relay.",
    scope: Scope::Erasures,
    query: &[],
    body: Some(&[
        must("customer", ADDRESS, "the real address, the one of now or one before"),
        may("open_orders", Shape::Flag, "orders that are open too"),
        may("carry_out", Shape::Flag, "otherwise it is a preview"),
        may("actor", text(1, 64), "who asks for it; needed"),
        may("purpose", Shape::Word(&PURPOSES), "otherwise data-subject-request"),
        may("case", text(1, 64), "the number of the case; needed"),
    ]),
    // Asked again it says how far it has come, which is another answer.
    again: Again::Made,
    most: super::super::BODY_MAX,
    answers: &[
        Answer { status: 200, about: "What is kept, or that it was erased.", shape: &HELD },
        Answer { status: 202, about: "It waits for a second person; ask again.", shape: &HELD },
    ],
    refuses: &[404, 409],
    run: |call| Box::pin(erase(call)),
}];

async fn erase(call: Call) -> Result<Reply, Problem> {
    let (relay, body) = (&call.shared.relay, &call.body);
    let (Some(actor), Some(case)) = (body.text("actor"), body.text("case")) else {
        return Err(broken("actor, case: who asks for it, and the number of the case"));
    };
    let purpose = body.text("purpose").unwrap_or(LookPurpose::DataSubjectRequest.as_str());
    let purpose = LookPurpose::parse(purpose).ok_or_else(|| broken("purpose: one of the desk's list"))?;
    let look = relay.let_in(Look::new(actor, purpose, case, call.account)?.by_token(call.token)).await?;
    let (customer, open_orders) = (body.must("customer"), body.flag("open_orders"));
    if !body.flag("carry_out") {
        let (held, _) = relay.preview_erasure(&look, &customer, open_orders).await?;
        return Ok(Reply::ok(held_json(&held, false)));
    }
    let (held, step) = relay.step_erasure(&look, &customer, open_orders).await?;
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
    Ok(Reply { status, body: document })
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
    fn every_purpose_of_the_desk_is_in_the_document() {
        assert_eq!(LookPurpose::ALL.map(LookPurpose::as_str), PURPOSES);
    }

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
