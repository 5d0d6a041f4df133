//! Paths: text to an absolute path, and what the system says about a file in words a person understands.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// `text` seen from `dir`. `None` when it is empty or holds a NUL, which no path may.
pub(super) fn resolve(dir: &Path, text: &str) -> Option<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return None;
    }
    // Not canonicalized: what is not there yet has a path too, and a symbolic link may be moved on purpose.
    Some(dir.join(text))
}

/// Why a file could not be read, without its name.
pub(super) fn reason_of(fault: &Error) -> String {
    match fault.kind() {
        ErrorKind::NotFound => "is not there".to_owned(),
        ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        kind => format!("cannot be read ({kind})"),
    }
}
