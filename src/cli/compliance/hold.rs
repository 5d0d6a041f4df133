//! `anshin compliance hold add|list|lift`.

use super::HoldCommand;
use crate::cli::arguments::Common;
use crate::cli::desk;
use crate::cli::output::{Failure, print, table};
use crate::cli::process;
use crate::mail::Timestamp;
use crate::relay::{Goes, HoldScope, LegalHoldView, Opening};
use serde_json::{Value, json};

pub(super) async fn run(command: HoldCommand, common: &Common) -> Result<(), Failure> {
    let (_, relay) = process::relay(common).await?;
    let admitted = async |look| desk::named(desk::admitted(&relay, "compliance hold", look).await?);
    match command {
        HoldCommand::Add { look, store_id, customer, from, until } => {
            let look = admitted(&look).await?;
            let time = |text: &String| {
                let cure = || Failure::new(format!("{text} is no time such as 2027-01-31T00:00:00+09:00"));
                Timestamp::parse_rfc3339(text).ok_or_else(cure)
            };
            let (from, until) = (from.as_ref().map(time).transpose()?, until.as_ref().map(time).transpose()?);
            let scope = HoldScope { store_id, customer, from, until };
            let (id, conversations) = relay.add_legal_hold(&look, scope).await?;
            let document = json!({ "hold": id, "conversations": conversations });
            print(common, &document, &format!("{id} holds ({conversations} conversations named)"));
        }
        HoldCommand::Lift { hold, of_case, look } => {
            let approved = look.approved.clone();
            let look = admitted(&look).await?;
            let hold = match (hold, of_case) {
                (Some(hold), _) => hold,
                (None, case) => {
                    let holds = of(relay.legal_holds().await?, case.as_deref());
                    holds.into_iter().map(|hold| hold.id).collect::<Vec<_>>().join(" ")
                }
            };
            let opening = Opening::Lift { hold: hold.clone() };
            relay.open_for(&look, &opening, Goes::ToTheScreen, approved.as_deref()).await?;
            print(common, &json!({ "hold": hold, "state": "lifted" }), "lifted");
        }
        HoldCommand::List { of_case } => {
            desk::come(&relay, "compliance hold list").await?;
            let holds = of(relay.legal_holds().await?, of_case.as_deref());
            let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
            let document = holds.iter().map(|hold| {
                json!({
                    "hold": hold.id,
                    "at": hold.at.to_rfc3339(),
                    "case": hold.case,
                    "store_id": hold.store_id,
                    "by_person": hold.by_person,
                    "from": time(hold.from),
                    "until": time(hold.until),
                    "lifted_at": time(hold.lifted_at),
                })
            });
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            let row = |hold: &LegalHoldView| {
                let person = if hold.by_person { "one" } else { "-" };
                vec![
                    hold.id.clone(),
                    hold.at.to_rfc3339(),
                    or_dash(hold.case.clone()),
                    or_dash(hold.store_id.clone()),
                    person.to_owned(),
                    or_dash(time(hold.from)),
                    or_dash(time(hold.until)),
                    or_dash(time(hold.lifted_at)),
                ]
            };
            let rows: Vec<Vec<String>> = holds.iter().map(row).collect();
            let head = ["hold", "since", "case", "store", "person", "from", "until", "lifted"];
            print(common, &Value::Array(document.collect()), &table(&head, &rows));
        }
    }
    Ok(())
}

/// Those that hold for a case; all without one.
fn of(mut holds: Vec<LegalHoldView>, case: Option<&str>) -> Vec<LegalHoldView> {
    if case.is_some() {
        holds.retain(|hold| hold.lifted_at.is_none() && hold.case.as_deref() == case);
    }
    holds
}
