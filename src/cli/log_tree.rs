//! `anshin log verify|prove|verify-bundle|key|checkpoint|witness|witness-key`: the audit tree, from outside.
//!
//! Rules: `verify-bundle` and `witness` read no configuration, no key ring and no database: they run where none of these is.
//! When it fails: exit status 1, with the first hour and row that is not as it was entered, or why there is no answer.

use super::arguments::Common;
use super::arguments_log::LogCommand;
use super::compliance::residency::{make_key, read_key, write_new};
use super::output::{Failure, print, table};
use super::{desk, log_case, process, residency};
use crate::config::Config;
use crate::egress::NotesFile;
use crate::ledger::{Bundle, Entry, LookEntry, ProvenRow, Signs, Verifier, notes, whole_notes};
use crate::mail::Timestamp;
use crate::relay::{Anchors, Broken, Progress, Relay, Signed, Verification, queue_id};
use crate::web::witness::Witness;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) async fn run(command: LogCommand, common: &Common) -> Result<(), Failure> {
    match command {
        LogCommand::Trace { .. }
        | LogCommand::Search(_)
        | LogCommand::Stats(_)
        | LogCommand::Export(_)
        | LogCommand::Text { .. }
        | LogCommand::Extract { .. }
        | LogCommand::Question(_)
        | LogCommand::Rule { .. }
        | LogCommand::Generate(_) => Ok(()),
        LogCommand::Verify { anchors, since, keys } => {
            verify(&anchors, since.as_deref(), &keys, common).await
        }
        LogCommand::Prove { message, look, alias, order, who, to, out } if who.case.is_some() => {
            let _ = look;
            log_case::prove(
                &log_case::Named { messages: message, aliases: alias, orders: order },
                (&who, &to),
                &out,
                common,
            )
            .await
        }
        LogCommand::Prove { message, look, out, .. } => prove(&message, look, &out, common).await,
        LogCommand::VerifyBundle { file, page, keys } => verify_bundle(&file, page.as_deref(), &keys, common),
        LogCommand::Key => {
            let (_, relay) = desk::relay(common, "log").await?;
            let keys: Vec<String> = relay.tree_keys().await?.iter().map(ToString::to_string).collect();
            if keys.is_empty() {
                return Err(Failure::new(
                    "no key here signs the audit tree: `anshin keys rotate --purpose tree` makes one",
                ));
            }
            print(common, &json!({ "keys": keys }), &keys.join("\n"));
            Ok(())
        }
        LogCommand::Checkpoint => {
            let (_, relay) = desk::relay(common, "log").await?;
            let last = relay.last_checkpoint().await?;
            let Signed { checkpoint, note } =
                last.ok_or_else(|| Failure::new("the audit tree is empty so far"))?;
            print(common, &json!({ "size": checkpoint.size, "checkpoint": note }), &note);
            Ok(())
        }
        LogCommand::BeginAnchors { actor, case } => begin_anchors(&actor, &case, common).await,
        LogCommand::WitnessKey { name, out } => {
            let public = make_key(&name, Signs::Cosignatures, &out)?;
            let text = format!(
                "The private key is in {}. Keep it on the witness's machine.\nWrite this into the relay's configuration:\n\n\
                 [[audit.witness]]\naddress = \"HOST:PORT\"\nkey = \"{public}\"",
                out.display()
            );
            print(common, &json!({ "public": public, "file": out.display().to_string() }), &text);
            Ok(())
        }
        LogCommand::Witness { listen, key, trees, state } => {
            process::start_logging(common.json);
            let signer = read_key(&key)?;
            if signer.verifier().signs() != Signs::Cosignatures {
                return Err(Failure::new(format!("{}: it is no key of a witness", key.display())));
            }
            let witness = Witness::open(&state, signer, parse_keys(&trees)?)?;
            let listener = tokio::net::TcpListener::bind(listen).await?;
            tracing::info!(event = "started", witness = ?listener.local_addr()?);
            Ok(witness.serve(listener).await?)
        }
    }
}

fn parse_keys(texts: &[String]) -> Result<Vec<Verifier>, Failure> {
    let parse = |text: &String| {
        Verifier::parse(text.trim()).map_err(|fault| Failure::new(format!("{text}: {fault}")))
    };
    texts.iter().map(parse).collect()
}

async fn verify(
    files: &[PathBuf],
    since: Option<&str>,
    keys: &[String],
    common: &Common,
) -> Result<(), Failure> {
    let (config, relay) = desk::relay(common, "log").await?;
    let keys = if keys.is_empty() { relay.tree_keys().await? } else { parse_keys(keys)? };
    let since = since.map(|text| {
        let wrong = || Failure::new("--since: a time such as 2026-11-26T00:00:00+09:00");
        Timestamp::parse_rfc3339(text).ok_or_else(wrong)
    });
    let found = verification(&config, &relay, &keys, files, since.transpose()?).await?;
    let document = serde_json::to_value(&found).unwrap_or_default();
    // With --json a failure is the one document.
    if found.intact || !common.json {
        print(common, &document, &told(&found));
    }
    match found.broken.first() {
        None => Ok(()),
        Some(first) => {
            let more = found.broken.len() as u64 + found.untold - 1;
            let more = if more == 0 { String::new() } else { format!(", and {more} more") };
            let text = format!("the log is not intact: {}{more}", one(first));
            Err(Failure { document: Some(document), ..Failure::new(text) })
        }
    }
}

async fn begin_anchors(actor: &str, case: &str, common: &Common) -> Result<(), Failure> {
    let (config, relay) = process::relay(common).await?;
    let look = desk::for_audit(&relay, actor, case).await?;
    let path = config.audit.anchors.as_ref().ok_or_else(|| Failure::new("audit.anchors: none is set"))?;
    let fault = |fault: std::io::Error| Failure::new(format!("{}: {}", path.display(), fault.kind()));
    let mut file = NotesFile::open(path).map_err(fault)?;
    if !notes(&file.tail().map_err(fault)?).is_empty() {
        return Err(Failure::new(format!("{}: it has checkpoints; nothing begins anew", path.display())));
    }
    let last = relay.begin_anchors(&look).await?;
    let last = last.ok_or_else(|| Failure::new("the audit tree is empty so far"))?;
    file.add(&last.note).map_err(fault)?;
    let (size, shown) = (last.checkpoint.size, path.display().to_string());
    print(common, &json!({ "file": shown, "size": size }), &format!("{shown} begins with {size} leaves"));
    Ok(())
}

/// Holds the log against the tree and against what is kept of it elsewhere.
pub(super) async fn verification(
    config: &Config,
    relay: &Relay,
    keys: &[Verifier],
    files: &[PathBuf],
    since: Option<Timestamp>,
) -> Result<Verification, Failure> {
    if keys.is_empty() {
        return Err(Failure::new("no key here signed the audit tree; name it with --key"));
    }
    // The configured one may not have been begun; those that somebody names must be there.
    let configured = config.audit.anchors.as_ref().filter(|path| path.exists());
    let mut anchors = Vec::new();
    for path in configured.into_iter().chain(files) {
        let mut text = std::fs::read_to_string(path)
            .map_err(|fault| Failure::new(format!("{}: {}", path.display(), fault.kind())))?;
        // What a power cut has left of the last note is no note; the relay cuts it off when it starts.
        if Some(path) == config.audit.anchors.as_ref() {
            let whole = whole_notes(text.as_bytes());
            text.truncate(if whole == 0 { text.len() } else { whole });
        }
        // Mails and files of other systems.
        anchors.push(Anchors { name: path.display().to_string(), text: text.replace("\r\n", "\n") });
    }
    let mut found = relay.verify_tree(keys, &anchors, since, progress).await?;
    if let Some(path) = &config.audit.anchors
        && !anchors.iter().any(|own| own.name == path.display().to_string() && !notes(&own.text).is_empty())
        && relay.is_tree_older(Timestamp::now(), Duration::from_secs(3600)).await?
    {
        found.tell_lost(&path.display().to_string());
    }
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    Ok(found)
}

/// Where the work is, on a terminal that shows it.
fn progress(progress: Progress) {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let Progress { leaf, of, rows } = progress;
        let _ = write!(error, "\r\x1b[Kleaf {leaf} of {of}, {rows} rows");
        let _ = error.flush();
    }
}

pub(super) fn one(broken: &Broken) -> String {
    let mut text = String::new();
    if let Some(hour) = &broken.hour {
        let _ = write!(text, "hour {hour}, ");
    }
    if let Some(row) = &broken.row {
        let _ = write!(text, "row {row}, ");
    }
    if let Some(leaf) = broken.leaf {
        let _ = write!(text, "leaf {leaf}, ");
    }
    let _ = write!(text, "{}: {}", broken.what, broken.why);
    text
}

fn told(found: &Verification) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut line = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    line("leaves of the tree", found.leaves.to_string());
    line("rows as they were entered", found.rows.to_string());
    line("looks", found.looks.to_string());
    line(
        "decisions held against the looks",
        if found.decisions { "yes" } else { "no: the log's key is not here" }.to_owned(),
    );
    line("rows destroyed lawfully, by certificate", found.destroyed.to_string());
    if found.without_fact > 0 {
        line("rows from before there were facts, which no search finds", found.without_fact.to_string());
    }
    if found.unproven_facts > 0 {
        line("facts of an older version, of which nothing is proven", found.unproven_facts.to_string());
    }
    if found.emptied_facts > 0 {
        line("facts without any number: of people who were erased", found.emptied_facts.to_string());
    }
    line("rows that came late and are entered", found.late.to_string());
    line("rows and looks not entered yet", found.open.to_string());
    line("checkpoints", found.checkpoints.to_string());
    line("checkpoints kept elsewhere that fit", format!("{} (up to leaf {})", found.anchors, found.anchored));
    line("last signed at", found.signed_at.clone().unwrap_or_else(|| "never".into()));
    let mut text = table(&["what", "found"], &rows);
    if found.anchors == 0 {
        text.push_str("\n\nNothing that was kept outside the database was compared: a cut off end would not be seen. Name --anchors.");
    }
    if found.broken.is_empty() {
        text.push_str("\n\nEverything that was entered is there, and as it was entered.");
    } else {
        text.push_str("\n\nNot intact:\n");
        found.broken.iter().for_each(|broken| text.push_str(&format!("- {}\n", one(broken))));
    }
    text
}

async fn prove(
    messages: &[String],
    look: Option<String>,
    out: &Path,
    common: &Common,
) -> Result<(), Failure> {
    let (config, relay) = desk::relay(common, "log").await?;
    residency::export(&config, "--out", out).await?;
    let bundle = match &look {
        Some(look) => relay.prove_look(look).await?,
        None => relay.prove_messages(messages).await?,
    };
    let text = serde_json::to_string_pretty(&bundle).map_err(|_| Failure::new("the bundle is no JSON"))?;
    write_new(out, &format!("{text}\n"), 0o600)?;
    let keys: Vec<String> = relay.tree_keys().await?.iter().map(ToString::to_string).collect();
    let rows: usize =
        bundle.leaves.iter().map(|leaf| leaf.rows.len() + usize::from(leaf.look.is_some())).sum();
    let said = format!(
        "{rows} rows are proven in {}. Whoever gets it checks it with\n\n    anshin log verify-bundle FILE --key '{}'\n\n\
         and should have the key from you in another way.",
        out.display(),
        keys.first().map_or("", String::as_str)
    );
    print(common, &json!({ "file": out.display().to_string(), "rows": rows, "keys": keys }), &said);
    Ok(())
}

fn verify_bundle(file: &Path, page: Option<&Path>, keys: &[String], common: &Common) -> Result<(), Failure> {
    let fault = |fault: &dyn std::fmt::Display| Failure::new(format!("{}: {fault}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|cause| fault(&cause.kind()))?;
    let bundle: Bundle = serde_json::from_str(&text).map_err(|_| fault(&"it is no bundle of evidence"))?;
    let keys = parse_keys(keys)?;
    let (checkpoint, signers) = bundle.check(&keys).map_err(|cause| fault(&cause))?;
    let stated = bundle.stated(&keys).map_err(|cause| fault(&cause))?;
    if let Some(page) = page {
        let stated = stated.as_ref().ok_or_else(|| fault(&"it states nothing of a page"))?;
        if super::log_search::hash(page)? != stated.page {
            return Err(Failure::new(format!("{}: it is not the page that was stated", page.display())));
        }
    }
    let signed_by: Vec<&str> = signers.iter().map(|signer| signer.name()).collect();
    let signed_at = checkpoint.at().map(Timestamp::to_rfc3339);
    let at = |millis: i64| Timestamp::from_millis(millis).to_rfc3339();
    let mut document = Vec::new();
    let mut rows = Vec::new();
    for leaf in &bundle.leaves {
        let entered = match Entry::parse(&leaf.entry) {
            Some(Entry::Segment { entered, .. } | Entry::Row { entered, .. }) => entered.to_rfc3339(),
            None => String::new(),
        };
        for ProvenRow { row, headers_hash, .. } in &leaf.rows {
            let message = row.message_id.map(queue_id);
            document.push(json!({
                "row": queue_id(row.id), "at": at(row.at), "event": row.event, "message": message, "entered_at": entered,
                "header_block": if headers_hash.is_some() { "destroyed since" } else { "as it was entered" },
            }));
            rows.push(vec![
                at(row.at),
                row.event.clone(),
                message.unwrap_or_else(|| "-".into()),
                queue_id(row.id),
                entered.clone(),
            ]);
        }
        if let Some(LookEntry { id, at: when, kind, outcome, .. }) = &leaf.look {
            let event = format!("look: {kind}, {outcome}");
            document.push(
                json!({ "row": queue_id(*id), "at": at(*when), "event": event, "entered_at": entered }),
            );
            rows.push(vec![at(*when), event, "-".into(), queue_id(*id), entered.clone()]);
        }
    }
    let page_said = match (&stated, page) {
        (Some(stated), Some(_)) => {
            format!("\nThe page is the one that was stated for case {}, at {}.", stated.case, stated.at)
        }
        (Some(stated), None) => {
            format!("\nA page was stated for case {}: check it with --page.", stated.case)
        }
        (None, _) => String::new(),
    };
    let said = format!(
        "{}\n\nProven: these rows stood so in the tree {} of {} leaves, signed by {}{}.{page_said}",
        table(&["at", "event", "message", "row", "entered"], &rows),
        checkpoint.origin,
        checkpoint.size,
        signed_by.join(", "),
        signed_at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default()
    );
    let document = json!({
        "proven": true, "tree": checkpoint.origin, "size": checkpoint.size, "signed_by": signed_by,
        "signed_at": signed_at, "rows": document,
        "case": stated.as_ref().map(|stated| &stated.case),
        "page": page.map(|_| "as it was stated"),
    });
    print(common, &document, &said);
    Ok(())
}
