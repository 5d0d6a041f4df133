//! `anshin compliance export`: all that is held about a customer, for the customer, as JSON and as a text in Japanese.
//!
//! Rules: the files are new, lie in Japan, and nobody else may read them; what can't be written is not opened.

use super::export_words;
use crate::cli::arguments::Common;
use crate::cli::arguments_desk::LookArguments;
use crate::cli::desk;
use crate::cli::output::{Failure, print};
use crate::cli::residency;
use crate::relay::{Goes, Opened};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) async fn run(
    customer: &str,
    out: &Path,
    arguments: &LookArguments,
    common: &Common,
) -> Result<(), Failure> {
    let (config, relay, look) = desk::relay_named(common, "compliance export", arguments).await?;
    residency::export(&config, "--out", out).await?;
    let opening = relay.export_of(customer).await?;
    let paths = ["json", "txt"].map(|ending| with_ending(out, ending));
    let [json_path, text_path] = &paths;
    let json = desk::file(json_path)?;
    let text = desk::file(text_path).inspect_err(|_| drop(std::fs::remove_file(json_path)))?;
    let mut files = Files { json, text };
    let opened = relay.open_for(&look, &opening, Goes::ToAFile, arguments.approved.as_deref()).await;
    let document = match opened {
        Ok(Opened::Export(document)) => document,
        other => {
            paths.iter().for_each(|path| drop(std::fs::remove_file(path)));
            return Err(other.err().map_or_else(|| Failure::new("nothing was opened"), Failure::from));
        }
    };
    let [json, text] = files.write(&document)?;
    let until = relay.note_export(&look, &[&json, &text]).await?.to_rfc3339();
    let count = document.get("conversations").and_then(Value::as_array).map_or(0, Vec::len);
    let names = paths.map(|path| path.display().to_string());
    let text = format!(
        "{count} conversations are in {}.\nGive them to the customer alone, and destroy them when the case needs them no more, by {until} \
         at the latest.",
        names.join(" and ")
    );
    print(common, &json!({ "files": names, "conversations": count, "destroy_by": until }), &text);
    Ok(())
}

struct Files {
    json: File,
    text: File,
}

impl Files {
    /// Writes both; what was written.
    fn write(&mut self, document: &Value) -> Result<[Vec<u8>; 2], Failure> {
        let json = serde_json::to_vec_pretty(document).map_err(|_| Failure::new("the export is no JSON"))?;
        let text = export_words::text(document).into_bytes();
        self.json.write_all(&json)?;
        self.json.sync_all()?;
        self.text.write_all(&text)?;
        self.text.sync_all()?;
        Ok([json, text])
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
