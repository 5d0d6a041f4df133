//! What belongs to a case: what is named, else what was opened for it; and who looked for it.
//!
//! When it fails: [`DeskFault`].

use super::desk::DeskFault;
use super::trace::TraceOf;
use super::{LookView, Relay, parse_queue_id};
use crate::store::RecordRow;
use serde_json::Value;
use std::collections::BTreeMap;

/// Records and looks of a case, by their ids.
pub struct CaseFile {
    pub records: Vec<i64>,
    /// The hour of each record, to see which is not in the tree yet.
    pub looks: Vec<i64>,
    /// Those looks, opened.
    pub views: Vec<LookView>,
}

impl Relay {
    /// All of a case. `named`: what to take; where nothing is named, what was opened for the case so far.
    ///
    /// # Errors
    /// [`DeskFault`]; what is named and not there is one, what was opened and has gone since is left out.
    pub async fn case_file(&self, case: &str, named: &[TraceOf]) -> Result<CaseFile, DeskFault> {
        let of_case = |view: &LookView| view.detail.get("case").and_then(Value::as_str) == Some(case.trim());
        let (mut views, mut before) = (Vec::new(), i64::MAX);
        // All there are, however many others lie between them: a page for a court must be whole.
        loop {
            let some = self.looks_before(before).await?;
            let Some(last) = some.last().and_then(|view| parse_queue_id(&view.id)) else { break };
            before = last;
            views.extend(some.into_iter().filter(of_case));
        }
        let mut records: BTreeMap<i64, RecordRow> = BTreeMap::new();
        let mut add = |rows: Vec<RecordRow>| records.extend(rows.into_iter().map(|row| (row.id, row)));
        if named.is_empty() {
            let opened = views.iter().filter(|view| ["opened", "exported"].contains(&view.outcome.as_str()));
            for of in opened.filter_map(|view| view.detail.get("what")).flat_map(opened_of) {
                match self.traced(&of).await {
                    Ok(rows) => add(rows),
                    Err(super::TraceFault::Fault(fault)) => return Err(fault.into()),
                    Err(_) => {}
                }
            }
        }
        for of in named {
            add(self.traced(of).await?);
        }
        let looks = views.iter().filter_map(|view| parse_queue_id(&view.id)).collect();
        Ok(CaseFile { records: records.into_keys().collect(), looks, views })
    }
}

/// What was opened, as the entry about it has it.
fn opened_of(what: &Value) -> Vec<TraceOf> {
    let word = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let order = |of: &Value| {
        Some(TraceOf::Order { store_id: word(of, "store_id")?, order_no: word(of, "order_no")? })
    };
    let traced = |of: &Value| {
        let message = word(of, "message").map(TraceOf::Message);
        message.or_else(|| word(of, "alias").map(TraceOf::Alias)).or_else(|| order(of))
    };
    if let Some(named) = what.get("evidence").and_then(|of| of.get("named")).and_then(Value::as_array) {
        return named.iter().filter_map(traced).collect();
    }
    let content = || what.get("content").and_then(|of| word(of, "queue_id")).map(TraceOf::Message);
    let behind = || what.get("behind").and_then(|of| word(of, "alias")).map(TraceOf::Alias);
    let one = what.get("trace").and_then(traced).or_else(content).or_else(behind);
    one.or_else(|| what.get("customer").and_then(order)).into_iter().collect()
}
