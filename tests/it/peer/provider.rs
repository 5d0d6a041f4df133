//! The certified OpenID provider `oidc-provider` (npm) on loopback: who signs in is whom he types, NAME.STORE.ROLE.
//!
//! When it fails: the test panics with what it said.

use super::{HOW_TO_RUN, Scratch};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// It runs until it is dropped.
pub struct Provider {
    child: Child,
    pub issuer: String,
    _scratch: Scratch,
}

impl Provider {
    /// One whose only client comes back to this address, with this secret.
    pub fn start(redirect: &str, secret: &str) -> Self {
        let scratch = Scratch::new("provider");
        let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/peers/provider");
        let log = std::fs::File::create(scratch.path().join("log")).unwrap();
        let mut child = Command::new("node")
            .arg(place.join("server.mjs"))
            .args([redirect, secret])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|fault| panic!("node: {fault}; {HOW_TO_RUN}"));
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let issuer = said.next().unwrap_or_else(|| {
            let log = std::fs::read_to_string(scratch.path().join("log")).unwrap_or_default();
            panic!("the provider does not say where it is: {log}; {HOW_TO_RUN}")
        });
        std::thread::spawn(move || said.for_each(drop));
        Self { child, issuer, _scratch: scratch }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
