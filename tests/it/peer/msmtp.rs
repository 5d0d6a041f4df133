//! msmtp as a merchant's mail program: the one that has SCRAM (through GNU SASL), and that can be told which TLS to use.
//!
//! When it fails: a refusal by the server is a result; only a missing program panics.

use super::HOW_TO_RUN;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// What came of it.
pub struct Sent {
    pub accepted: bool,
    /// The dialogue as msmtp shows it.
    pub transcript: String,
}

/// Sends `mail` (lines end in LF). `options` go to msmtp as they are: `--auth=scram-sha-256`, `--tls-starttls=off`,
/// `--tls-priorities=…`.
pub fn send(
    server: SocketAddr,
    sender: &str,
    recipient: &str,
    mail: &str,
    account: (&str, &str),
    options: &[&str],
) -> Sent {
    let (user, password) = account;
    let mut child = Command::new("msmtp")
        .args([&format!("--host={}", server.ip()), &format!("--port={}", server.port())])
        .args(["--debug", "--tls=on", "--tls-certcheck=off", "--domain=client.example", "--timeout=60"])
        .args([&format!("--user={user}"), &format!("--passwordeval=echo {password}")])
        .args(options)
        .args([&format!("--from={sender}"), "--", recipient])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("msmtp: {fault}; {HOW_TO_RUN}"));
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(mail.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let mut transcript = String::from_utf8_lossy(&output.stdout).into_owned();
    transcript.push_str(&String::from_utf8_lossy(&output.stderr));
    Sent { accepted: output.status.success(), transcript }
}
