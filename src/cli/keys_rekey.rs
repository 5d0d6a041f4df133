//! `anshin keys rewrap` and `retire`: what brings everything to the newest keys, and what destroys an old one.
//!
//! Rules: the work goes in bounded batches, each one transaction with its place, so it can be stopped and started again.
//! A key is destroyed when the database says that nothing needs it, and not before: it is marked as retired, which ends the
//! processes that would still seal with it, and after some seconds the database is asked once more.
//! A SQLite file is written anew under another key only while no other process has it open.
//! When it fails: what was done stays done.

use super::arguments::Common;
use super::output::{Failure, print, table};
use super::{desk, keys, process};
use crate::mail::Timestamp;
use crate::relay::{Binding, Need, Relay, SETTLED, Stage, Step};
use crate::store::{Brought, bring_to_newest_key};
use crate::vault::Purpose;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

pub(super) async fn rewrap(all_updated: bool, common: &Common) -> Result<(), Failure> {
    // Before the database is open here; it shows nobody anything, so it is asked below from where its user comes.
    let brought = bring_file(common).await?;
    let (config, relay) = desk::relay(common, "keys rewrap").await?;
    let files = {
        let _turn = process::turn_at_ring(&config)?;
        keys::as_it_is(&config).await?.wrap_anew()?
    };
    let mut rows = vec![vec!["key files".to_owned(), files.to_string(), "done".to_owned()]];
    let mut document = vec![json!({ "stage": "key files", "written": files, "state": "done" })];
    if config.storage.url.file().is_some() {
        let now = Timestamp::now();
        let lines = keys::as_it_is(&config).await?.list(now);
        let newest =
            lines.iter().filter(|line| line.purpose == Purpose::File).max_by_key(|line| line.created_at);
        let waits = newest.map(|line| line.seals_from).filter(|at| *at > now);
        let (written, state) = match (brought, waits) {
            (Brought::IsNewest, Some(at)) => {
                (0, format!("the newest key seals from {at}; stop every process and come again then"))
            }
            (Brought::IsNewest, None) => (0, "done".into()),
            (Brought::Rewritten, _) => (1, "done".into()),
            (Brought::InUse, _) => {
                (0, "left: another process has it open; stop every process and come again".into())
            }
        };
        rows.push(vec!["database file".to_owned(), written.to_string(), state.to_owned()]);
        document.push(json!({ "stage": "database file", "written": written, "state": state }));
    }
    for stage in Stage::ALL {
        let (mut written, mut looked, mut unreadable) = (0, 0, 0);
        let state = loop {
            match relay.rekey(stage, Timestamp::now()).await? {
                Step::Waits(at) => {
                    break format!("the newest key seals from {at}; come again 15 seconds later");
                }
                Step::NoKey(purpose) => break format!("left: no {} key here", purpose.as_str()),
                Step::Done => break "done".to_owned(),
                Step::More { written: more, looked: seen, unreadable: shut } => {
                    written += more;
                    looked += seen;
                    unreadable += shut;
                    progress(stage, looked, written);
                }
            }
        };
        let shown = told(&state, unreadable);
        rows.push(vec![stage.as_str().to_owned(), written.to_string(), shown]);
        let stage = stage.as_str();
        document
            .push(json!({ "stage": stage, "written": written, "unreadable": unreadable, "state": state }));
    }
    let (state, written, unreadable) = bind(&relay, all_updated).await?;
    rows.push(vec!["bindings".to_owned(), written.to_string(), told(&state, unreadable)]);
    document
        .push(json!({ "stage": "bindings", "written": written, "unreadable": unreadable, "state": state }));
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    print(common, &Value::Array(document), &table(&["what", "written", "state"], &rows));
    Ok(())
}

/// Brings a SQLite file to the newest key, before this process opens it.
async fn bring_file(common: &Common) -> Result<Brought, Failure> {
    let config = process::load(common, &[])?;
    let (_, vault) = process::ring(&config, &[]).await?;
    Ok(bring_to_newest_key(&config.storage.url.connect_url(), &vault.file).await?)
}

/// Binds what older versions have left unbound.
async fn bind(relay: &Relay, all_updated: bool) -> Result<(String, u64, u64), Failure> {
    let (mut from, mut written, mut unreadable) = (-1, 0, 0);
    loop {
        match relay.bind_some(from, all_updated).await? {
            Binding::Unmarked => {
                let state = "done; once every process has this version, come again with --all-updated";
                return Ok((state.to_owned(), written, unreadable));
            }
            Binding::Done => return Ok(("done".to_owned(), written, unreadable)),
            Binding::NoKey(purpose) => {
                return Ok((format!("left: no {} key here", purpose.as_str()), written, unreadable));
            }
            Binding::More { position, written: more, unreadable: shut } => {
                from = position;
                written += more;
                unreadable += shut;
            }
        }
    }
}

fn told(state: &str, unreadable: u64) -> String {
    match unreadable {
        0 => state.to_owned(),
        count => format!("{state}; {count} that do not open are left, the log says which"),
    }
}

/// Where the work is, on a terminal that shows it.
fn progress(stage: Stage, looked: u64, written: u64) {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let _ = write!(error, "\r\x1b[K{}: {looked} looked at, {written} written", stage.as_str());
        let _ = error.flush();
    }
}

pub(super) async fn retire(key: &str, common: &Common) -> Result<(), Failure> {
    let wrong = || Failure::new("give the key as `anshin keys list` shows it, such as seal-a");
    let (word, name) = key.split_once('-').ok_or_else(wrong)?;
    let purpose = Purpose::parse(word).ok_or_else(wrong)?;
    let mut letters = name.chars();
    let (Some(name), None) = (letters.next(), letters.next()) else { return Err(wrong()) };
    let (config, relay) = desk::relay(common, "keys retire").await?;
    // One that was cut off between the mark and the end goes on to the end.
    if !relay.is_half_retired(purpose, name).await? {
        mark(key, purpose, name, &relay).await?;
    }
    let _turn = process::turn_at_ring(&config)?;
    keys::as_it_is(&config).await?.destroy(purpose, name)?;
    // Only now: what certifies that nothing opens any more waits for it, and other machines destroy their copies.
    relay.key_is_gone(purpose, name, Timestamp::now()).await?;
    print(
        common,
        &json!({ "key": key, "retired": true }),
        &format!(
            "{key} is destroyed; running processes on other machines follow, its copies in backups are yours"
        ),
    );
    Ok(())
}

/// Marks a key as retired, and waits until no process seals with it.
async fn mark(key: &str, purpose: Purpose, name: char, relay: &Relay) -> Result<(), Failure> {
    still_needed(key, &relay.needs(purpose, name, Timestamp::now()).await?)?;
    // The database first: a process that starts in between does not miss the file.
    relay.retire(purpose, name, Some(Timestamp::now())).await?;
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let _ = writeln!(error, "{key} is marked; waiting {} s for all processes", SETTLED.as_secs());
    }
    tokio::time::sleep(SETTLED).await;
    let needs = relay.needs(purpose, name, Timestamp::now()).await?;
    if !needs.is_empty() {
        relay.retire(purpose, name, None).await?;
        still_needed(key, &needs)?;
    }
    Ok(())
}

fn still_needed(key: &str, needs: &[Need]) -> Result<(), Failure> {
    if needs.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = needs.iter().map(ToString::to_string).collect();
    let text = format!("{key} is still needed:\n- {}", list.join("\n- "));
    let details = Some(json!({ "key": key, "needed_for": list }));
    Err(Failure { details, ..Failure::new(text) })
}
