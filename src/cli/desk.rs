//! `anshin reveal list|approve|refuse|alias|log`, and what the commands share that open something for a person, or decide: from where
//! he comes is asked before anything else, of every command that uses the database.

use super::arguments::Common;
use super::arguments_desk::{LookArguments, RevealCommand};
use super::output::{self, Failure, print, table};
use super::{log_stats, process};
use crate::config::Config;
use crate::relay::{Account, Goes, Look, LookPurpose, LooksAsked, Opened, Opening, Relay, Ruling};
use crate::residency;
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Configuration and relay, for somebody who need not say who he is. `what`: the command, as its entry has it.
pub(super) async fn relay(common: &Common, what: &'static str) -> Result<(Config, Relay), Failure> {
    let (config, relay) = process::relay(common).await?;
    come(&relay, what).await?;
    Ok((config, relay))
}

/// The same, and who looks and why, where somebody says so.
pub(super) async fn relay_for(
    common: &Common,
    what: &'static str,
    arguments: &LookArguments,
) -> Result<(Config, Relay, Option<Look>), Failure> {
    let (config, relay) = process::relay(common).await?;
    let look = admitted(&relay, what, arguments).await?;
    Ok((config, relay, look))
}

/// The same, where nothing is done without a name.
pub(super) async fn relay_named(
    common: &Common,
    what: &'static str,
    arguments: &LookArguments,
) -> Result<(Config, Relay, Look), Failure> {
    let (config, relay, look) = relay_for(common, what, arguments).await?;
    Ok((config, relay, named(look)?))
}

/// Lets somebody through by where he comes from, under his name where he says it.
pub(super) async fn admitted(
    relay: &Relay,
    what: &'static str,
    arguments: &LookArguments,
) -> Result<Option<Look>, Failure> {
    let Some(look) = look(arguments, account(relay))? else {
        come(relay, what).await?;
        return Ok(None);
    };
    warn(relay);
    Ok(Some(relay.let_in(look).await?))
}

/// Somebody who reviews, or enters what is no look.
pub(super) async fn auditor(relay: &Relay, actor: &str) -> Result<Look, Failure> {
    warn(relay);
    Ok(relay.let_in(Look::for_audit(actor, account(relay))?).await?)
}

/// The same, for a case.
pub(super) async fn for_audit(relay: &Relay, actor: &str, case: &str) -> Result<Look, Failure> {
    warn(relay);
    Ok(relay.let_in(Look::new(actor, LookPurpose::Audit, case, account(relay))?).await?)
}

/// Lets a command through by where its user comes from.
pub(super) async fn come(relay: &Relay, what: &'static str) -> Result<(), Failure> {
    warn(relay);
    Ok(relay.may_command(&account(relay), what).await?)
}

/// Says what is refused in production, where the configuration only warns.
fn warn(relay: &Relay) {
    let judged = relay.staff().judge(account(relay).from);
    if !judged.ruling.is_allowed() && !relay.staff().refuses() {
        output::warn(&format!("residency.staff: {judged}; {}", judged.cure()));
    }
}

/// Who looks and why, where somebody says so.
fn look(arguments: &LookArguments, account: Account) -> Result<Option<Look>, Failure> {
    let (Some(actor), Some(purpose), Some(case)) = (&arguments.actor, &arguments.purpose, &arguments.case)
    else {
        return Ok(None);
    };
    let purpose = LookPurpose::parse(purpose).ok_or_else(|| Failure::new("--purpose: one of the list"))?;
    Ok(Some(Look::new(actor, purpose, case, account)?))
}

/// Who looks and why, where nothing is done without.
pub(super) fn named(look: Option<Look>) -> Result<Look, Failure> {
    look.ok_or_else(|| Failure::new("say who you are, why, and for which case: --actor, --purpose, --case"))
}

/// The account, as the system knows it: a name can be claimed, this can't. And from where its user came; of several logins the
/// one that has the least right.
pub(super) fn account(relay: &Relay) -> Account {
    // Kept by the kernel through `su` and `sudo`; its largest number says that nobody logged in (proc(5)).
    let login = std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    Account {
        uid: rustix::process::getuid().as_raw(),
        login: login.filter(|login| *login != u32::MAX),
        from: relay.staff().worst(&residency::origins()),
    }
}

/// Where standard output goes: also a shell can write a file.
pub(super) fn output_goes() -> Goes {
    let is_file = std::fs::metadata("/proc/self/fd/1").is_ok_and(|output| output.is_file());
    if is_file { Goes::ToAFile } else { Goes::ToTheScreen }
}

/// Refuses to print what was opened into a file, which would have it in clear.
pub(super) fn must_not_be_a_file() -> Result<(), Failure> {
    match output_goes() {
        Goes::ToAFile => Err(Failure::new(
            "standard output is a file, which would have it in clear: have it shown on a screen, or write what has a command for \
             files (`log trace --export`, `compliance export`) encrypted",
        )),
        Goes::ToTheScreen => Ok(()),
    }
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
        RevealCommand::Alias { alias, look } => {
            must_not_be_a_file()?;
            let who = named(admitted(&relay, "who is behind an alias", &look).await?)?;
            let opening = Opening::Behind { alias };
            let opened = relay.open_for(&who, &opening, output_goes(), look.approved.as_deref()).await?;
            if let Opened::Behind(party) = opened {
                let line = |(name, value): (&String, &Value)| {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    format!("{name:<12}  {value}")
                };
                let fields = party.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
                print(common, &party, &fields.map(line).collect::<Vec<_>>().join("\n"));
            }
        }
        RevealCommand::Approve { request, actor } => {
            warn(&relay);
            relay.decide_look(&request, &actor, account(&relay), Ruling::Approved).await?;
            print(common, &json!({ "request": request, "state": "approved" }), "approved: good for one use");
        }
        RevealCommand::Refuse { request, actor } => {
            warn(&relay);
            relay.decide_look(&request, &actor, account(&relay), Ruling::Refused).await?;
            print(common, &json!({ "request": request, "state": "refused" }), "refused");
        }
        RevealCommand::List => {
            come(&relay, "list of requests").await?;
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
        RevealCommand::Log { by, about, since, limit } => {
            come(&relay, "list of looks").await?;
            let since = since.map(|text| log_stats::since(&text, common)).transpose()?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let looks = relay.looks_of(&LooksAsked { by, about, since, limit }).await?;
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
