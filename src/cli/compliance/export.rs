//! `anshin compliance export`: all that is held about a customer, for the customer, as JSON and as a text in Japanese.
//!
//! Rules: the files are new, encrypted, lie in Japan, and nobody else may read them; what can't be written is not opened.

use super::export_words;
use crate::cli::arguments::Common;
use crate::cli::arguments_desk::{ForArguments, LookArguments};
use crate::cli::desk;
use crate::cli::output::{Failure, print};
use crate::cli::residency;
use crate::cli::sealed_file::{self, SealedFile};
use crate::relay::{Goes, Opened};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) async fn run(
    customer: &str,
    out: Option<&Path>,
    to: &ForArguments,
    arguments: &LookArguments,
    common: &Common,
) -> Result<(), Failure> {
    let (config, relay, look) = desk::relay_named(common, "compliance export", arguments).await?;
    let approved = arguments.approved.as_deref();
    let Some(out) = out else {
        let opening = relay.export_of(customer).await?;
        let opened = relay.open_for(&look, &opening, desk::output_goes(), approved).await?;
        let Opened::Export(document) = opened else { return Err(Failure::new("nothing was opened")) };
        relay.note_clear(&look).await?;
        print(common, &document, &export_words::text(&document));
        return Ok(());
    };
    let recipients = sealed_file::recipients(&config, to)?;
    residency::export(&config, "--out", out).await?;
    let opening = relay.export_of(customer).await?;
    let paths = ["json.age", "txt.age"].map(|ending| with_ending(out, ending));
    let [json_path, text_path] = &paths;
    let json = SealedFile::new(json_path, &recipients)?;
    let text = SealedFile::new(text_path, &recipients)?;
    let opened = relay.open_for(&look, &opening, Goes::ToAFile, approved).await;
    let document = match opened {
        Ok(Opened::Export(document)) => document,
        other => return Err(other.err().map_or_else(|| Failure::new("nothing was opened"), Failure::from)),
    };
    let octets = serde_json::to_vec_pretty(&document).map_err(|_| Failure::new("the export is no JSON"))?;
    let mut files = Vec::new();
    let mut whole = [(json, octets), (text, export_words::text(&document).into_bytes())];
    for (file, octets) in &mut whole {
        file.write_all(octets)?;
    }
    for (file, _) in whole {
        // Both or none; what is there of another's stays.
        let is_second = !files.is_empty();
        let undo = |_: &Failure| {
            if is_second {
                drop(std::fs::remove_file(json_path));
            }
        };
        files.push(file.finish().inspect_err(undo)?);
    }
    let until = relay.note_export(&look, &files).await?.to_rfc3339();
    let count = document.get("conversations").and_then(Value::as_array).map_or(0, Vec::len);
    let names = paths.map(|path| path.display().to_string());
    let to: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    let text = format!(
        "{count} conversations are in {}, which the key of {} opens.\nGive them to the customer alone, and destroy them when the case \
         needs them no more, by {until} at the latest.",
        names.join(" and "),
        to.join(", ")
    );
    let document = json!({ "files": names, "recipients": to, "conversations": count, "destroy_by": until });
    print(common, &document, &text);
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
