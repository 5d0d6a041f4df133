//! Libraries that are preloaded into one process to make its machine misbehave: `preload/*.c`, built when needed.
//!
//! When it fails: the test panics, and says that there is no C compiler.

use super::{HOW_TO_RUN, Scratch};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `preload/NAME.c` below a directory; where the library is.
pub fn build(name: &str, into: &Scratch) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/peer/preload/{name}.c"));
    let library = into.path().join(format!("{name}.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .output()
        .unwrap_or_else(|fault| panic!("cc: {fault}; {HOW_TO_RUN}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}
