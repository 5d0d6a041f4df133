//! The rules of an installation: those of the program, and the files of `detections.rules`.
//!
//! Rules: only files that end in `.rule` are read, in the order of their names; one with a flaw leaves no set.
//! When it fails: all flaws, each at its word.

use super::output::Failure;
use crate::config::Config;
use crate::detect::{Flaw, RULES_MAX, Rules};
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// Longest file that is read; a longer one is refused as a rule.
const FILE_MAX: u64 = 64 * 1024;

/// All rules of a configuration.
pub(super) fn of(config: &Config) -> Result<Rules, Failure> {
    let files = match &config.detections.rules {
        Some(directory) => directory_of(directory)?,
        None => Vec::new(),
    };
    Rules::with_files(&files).map_err(|flaws| told(&flaws))
}

fn directory_of(directory: &Path) -> Result<Vec<(String, String)>, Failure> {
    let fault = |error: std::io::Error| {
        Failure::new(format!(
            "detections.rules: {}: {error}; name a directory that this user can read",
            directory.display()
        ))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|extension| extension == "rule") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.len() > RULES_MAX {
        return Err(Failure::new(format!("detections.rules: there are more than {RULES_MAX} files")));
    }
    paths.iter().map(|path| file(path)).collect()
}

/// A file by its name, with its text.
pub(super) fn file(path: &Path) -> Result<(String, String), Failure> {
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let fault = |reason: &str| Failure::new(format!("{}: {reason}", path.display()));
    let mut octets = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut octets));
    read.map_err(|error| fault(&error.to_string()))?;
    let text = String::from_utf8(octets).map_err(|_| fault("not UTF-8; save the file as UTF-8"))?;
    Ok((name, text))
}

/// Flaws, for whoever wrote the files.
pub(super) fn told(flaws: &[Flaw]) -> Failure {
    let shown: Vec<&str> = flaws.iter().map(|flaw| flaw.shown.as_str()).collect();
    let details: Vec<_> = flaws
        .iter()
        .map(|flaw| json!({ "file": flaw.file, "line": flaw.line, "column": flaw.column, "reason": flaw.reason }))
        .collect();
    Failure { details: Some(details.into()), ..Failure::new(format!("not a rule\n{}", shown.join("\n"))) }
}
