//! `anshin compliance residency origin`: what is known of an address, and whether staff may come from there.

use crate::cli::arguments::Common;
use crate::cli::output::{Failure, print, table};
use crate::cli::{process, residency};
use crate::config::{self, Config};
use crate::residency::{Judged, Origin, Staff, origins};
use serde_json::{Value, json};
use std::net::IpAddr;

pub(super) fn run(address: Option<IpAddr>, common: &Common) -> Result<(), Failure> {
    let path = process::config_path(common);
    let config = Config::load_before_set_up(path.as_deref(), config::environment())
        .map_err(process::config_failure)?;
    let staff = Staff::new(&config, residency::checker(&config)?.geo().as_ref().clone());
    let origin = address.map_or_else(|| staff.worst(&origins()), Origin::from);
    let judged = staff.judge(origin);
    let operator = match origin {
        Origin::At(ip, _) => staff.geo().operator(ip).map(|operator| operator.to_string()),
        Origin::Here | Origin::Hidden(_) => None,
    };
    let mut document = judged.to_json();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("allowed".into(), judged.ruling.is_allowed().into());
        fields.insert("operator".into(), json!(operator));
        fields.insert("reason".into(), judged.reason().into());
        fields.insert("cure".into(), judged.cure().into());
        fields.insert("enforced".into(), staff.refuses().into());
    }
    print(common, &document, &text(&judged, &document, staff.refuses()));
    Ok(())
}

fn text(judged: &Judged, document: &Value, refuses: bool) -> String {
    let word = |name: &str| document[name].as_str().unwrap_or("-").to_owned();
    let verdict = match (judged.ruling.is_allowed(), refuses) {
        (true, _) => "staff may come from there",
        (false, true) => "refused",
        (false, false) => "refused where residency.staff.enforce is \"refuse\"; here it only warns",
    };
    let rows = ["address", "registry", "overlay", "operator", "network", "ruling", "reason", "cure"];
    let mut rows: Vec<Vec<String>> = rows.iter().map(|name| vec![(*name).to_owned(), word(name)]).collect();
    rows.push(vec!["verdict".to_owned(), verdict.to_owned()]);
    table(&["what", "found"], &rows)
}
