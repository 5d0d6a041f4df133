//! `anshin keys rewrap` and `retire`: what brings everything to the newest keys, and what destroys an old one.
//!
//! Rules: the work goes in bounded batches, each one transaction with its place, so it can be stopped and started again.
//! A key is destroyed when the database says that nothing needs it, and not before.
//! When it fails: what was done stays done.

use super::arguments::Common;
use super::output::{Failure, print, table};
use super::{keys, process};
use crate::mail::Timestamp;
use crate::relay::{Stage, Step};
use crate::vault::Purpose;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

pub(super) async fn rewrap(common: &Common) -> Result<(), Failure> {
    let (config, relay) = process::relay(common).await?;
    let files = keys::as_it_is(&config)?.wrap_anew()?;
    let mut rows = vec![vec!["key files".to_owned(), files.to_string(), "done".to_owned()]];
    let mut document = vec![json!({ "stage": "key files", "written": files, "state": "done" })];
    for stage in Stage::ALL {
        let (mut written, mut looked) = (0, 0);
        let state = loop {
            match relay.rekey(stage, Timestamp::now()).await? {
                Step::Waits(at) => {
                    break format!("the newest key seals from {at}; come again 15 seconds later");
                }
                Step::NoKey(purpose) => break format!("left: no {} key here", purpose.as_str()),
                Step::Done => break "done".to_owned(),
                Step::More { written: more, looked: seen } => {
                    written += more;
                    looked += seen;
                    progress(stage, looked, written);
                }
            }
        };
        rows.push(vec![stage.as_str().to_owned(), written.to_string(), state.clone()]);
        document.push(json!({ "stage": stage.as_str(), "written": written, "state": state }));
    }
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    print(common, &Value::Array(document), &table(&["what", "written", "state"], &rows));
    Ok(())
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
    let (config, relay) = process::relay(common).await?;
    let needs = relay.needs(purpose, name, Timestamp::now()).await?;
    if !needs.is_empty() {
        let list: Vec<String> = needs.iter().map(ToString::to_string).collect();
        let text = format!("{key} is still needed:\n- {}", list.join("\n- "));
        return Err(Failure { text, details: Some(json!({ "key": key, "needed_for": list })) });
    }
    // The database first: a process that starts in between does not miss the file.
    relay.retire(purpose, name, Timestamp::now()).await?;
    keys::as_it_is(&config)?.destroy(purpose, name)?;
    print(
        common,
        &json!({ "key": key, "retired": true }),
        &format!("{key} is destroyed; its copies in backups are yours"),
    );
    Ok(())
}
