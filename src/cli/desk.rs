//! `anshin reveal list|approve|refuse|log`, and what the commands that open something for a person share.

use super::arguments::Common;
use super::arguments_desk::{LookArguments, RevealCommand};
use super::output::{Failure, print, table};
use super::process;
use crate::relay::{Account, Goes, Look, LookPurpose, Ruling};
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Who looks and why, where somebody says so.
pub(super) fn look(arguments: &LookArguments) -> Result<Option<Look>, Failure> {
    let (Some(actor), Some(purpose), Some(case)) = (&arguments.actor, &arguments.purpose, &arguments.case)
    else {
        return Ok(None);
    };
    let purpose = LookPurpose::parse(purpose).ok_or_else(|| Failure::new("--purpose: one of the list"))?;
    Ok(Some(Look::new(actor, purpose, case, account())?))
}

/// Who looks and why, where nothing is done without.
pub(super) fn named(arguments: &LookArguments) -> Result<Look, Failure> {
    let missing = || Failure::new("say who you are, why, and for which case: --actor, --purpose, --case");
    look(arguments)?.ok_or_else(missing)
}

/// The account, as the system knows it: a name can be claimed, this can't.
pub(super) fn account() -> Account {
    // Kept by the kernel through `su` and `sudo`; its largest number says that nobody logged in (proc(5)).
    let login = std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    Account { uid: rustix::process::getuid().as_raw(), login: login.filter(|login| *login != u32::MAX) }
}

/// Where standard output goes: also a shell can write a file.
pub(super) fn output_goes() -> Goes {
    let is_file = std::fs::metadata("/proc/self/fd/1").is_ok_and(|output| output.is_file());
    if is_file { Goes::ToAFile } else { Goes::ToTheScreen }
}

/// A new file that nobody else may read.
pub(super) fn file(path: &Path) -> Result<File, Failure> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| Failure::new(format!("{}: {error}; name a new file", path.display())))
}

pub(super) async fn run(command: RevealCommand, common: &Common) -> Result<(), Failure> {
    let (_, relay) = process::relay(common).await?;
    match command {
        RevealCommand::Approve { request, actor } => {
            relay.decide_look(&request, &actor, account(), Ruling::Approved).await?;
            print(common, &json!({ "request": request, "state": "approved" }), "approved: good for one use");
        }
        RevealCommand::Refuse { request, actor } => {
            relay.decide_look(&request, &actor, account(), Ruling::Refused).await?;
            print(common, &json!({ "request": request, "state": "refused" }), "refused");
        }
        RevealCommand::List => {
            let requests = relay.look_requests().await?;
            let document = requests.iter().map(|request| {
                json!({
                    "request": request.id,
                    "at": request.at.to_rfc3339(),
                    "expires_at": request.expires_at.to_rfc3339(),
                    "state": request.state,
                    "detail": request.detail,
                })
            });
            let rows: Vec<Vec<String>> = requests
                .iter()
                .map(|request| {
                    let word = |name: &str| word(&request.detail, name);
                    let what = request.detail.get("what").map(Value::to_string).unwrap_or_default();
                    let (until, state) = (request.expires_at.to_rfc3339(), request.state.clone());
                    vec![request.id.clone(), state, word("actor"), word("purpose"), word("case"), what, until]
                })
                .collect();
            let head = ["request", "state", "actor", "purpose", "case", "what", "until"];
            print(common, &Value::Array(document.collect()), &table(&head, &rows));
        }
        RevealCommand::Log => {
            let looks = relay.looks().await?;
            let document = looks.iter().map(|look| {
                json!({
                    "id": look.id,
                    "at": look.at.to_rfc3339(),
                    "purpose": look.purpose,
                    "kind": look.kind,
                    "rows": look.rows,
                    "outcome": look.outcome,
                    "request": look.request,
                    "detail": look.detail,
                })
            });
            let rows: Vec<Vec<String>> = looks
                .iter()
                .map(|look| {
                    let word = |name: &str| word(&look.detail, name);
                    let (at, count) = (look.at.to_rfc3339(), look.rows.to_string());
                    let (outcome, kind) = (look.outcome.clone(), look.kind.clone());
                    vec![
                        look.id.clone(),
                        at,
                        word("actor"),
                        word("user"),
                        outcome,
                        kind,
                        count,
                        look.purpose.clone(),
                        word("case"),
                    ]
                })
                .collect();
            let head = ["id", "at", "actor", "user", "outcome", "kind", "rows", "purpose", "case"];
            print(common, &Value::Array(document.collect()), &table(&head, &rows));
        }
    }
    Ok(())
}

fn word(detail: &Value, name: &str) -> String {
    detail.get(name).and_then(Value::as_str).unwrap_or("-").to_owned()
}
