//! swaks as a merchant's mail program, or any other SMTP client that is not ours.
//!
//! When it fails: a refusal by the server is a result; only a missing program panics.

use super::HOW_TO_RUN;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// What came of it.
pub struct Sent {
    /// 0: accepted. See EXIT CODES in swaks(1): 2 connection, 23 MAIL, 24 RCPT, 25 and 26 DATA, 28 AUTH, 29 TLS.
    pub exit_code: i32,
    /// The dialogue as swaks shows it: `->` and `<-` in clear, `~>` and `<~` inside TLS.
    pub transcript: String,
}

impl Sent {
    /// Whether the server took the mail for at least one recipient.
    pub fn accepted(&self) -> bool {
        self.exit_code == 0
    }
}

/// Sends `mail` (lines end in LF; swaks sends CRLF and stuffs dots) and shows the dialogue. `options` go to swaks as
/// they are, such as `--tls`, `--tls-on-connect`, `--auth=PLAIN`, `--auth-user=…`, `--auth-password=…`.
pub fn send(
    server: SocketAddr,
    reverse_path: &str,
    recipients: &[&str],
    mail: &str,
    options: &[&str],
) -> Sent {
    let mut child = Command::new("swaks")
        .args(["--server", &server.ip().to_string(), "--port", &server.port().to_string()])
        .args(["--helo", "client.example", "--timeout", "60", "--data", "-"])
        .args(["--from", reverse_path, "--to", &recipients.join(",")])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("swaks: {fault}; {HOW_TO_RUN}"));
    // swaks ends the last line itself, also when it has an end.
    let mail = mail.strip_suffix('\n').unwrap_or(mail);
    // It may end before it has read everything, for instance when nobody listens.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(mail.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let mut transcript = String::from_utf8_lossy(&output.stdout).into_owned();
    transcript.push_str(&String::from_utf8_lossy(&output.stderr));
    Sent { exit_code: output.status.code().unwrap_or(-1), transcript }
}
