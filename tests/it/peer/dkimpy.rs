//! dkimpy as another author's signer: it makes what the program's own signer does not, signatures with SHA-1 or a key that
//! is too short, and the seals of a forwarder (ARC).
//! When it fails: the test panics with what Python said.

use super::HOW_TO_RUN;
use std::io::Write;
use std::process::{Command, Stdio};

const SIGN: &str = "import sys, dkim\n\
    _, domain, selector, algorithm, key = sys.argv\n\
    mail = sys.stdin.buffer.read()\n\
    headers = [b'from', b'subject', b'date', b'message-id']\n\
    signature = dkim.sign(mail, selector.encode(), domain.encode(), key.encode(), include_headers=headers,\n\
    \x20   signature_algorithm=algorithm.encode(), canonicalize=(b'relaxed', b'relaxed'))\n\
    sys.stdout.buffer.write(signature + mail)\n";

const SEAL: &str = "import sys, dkim\n\
    _, domain, selector, server, key = sys.argv\n\
    mail = sys.stdin.buffer.read()\n\
    headers = [b'from', b'subject', b'date', b'message-id']\n\
    fields = dkim.arc_sign(mail, selector.encode(), domain.encode(), key.encode(), server.encode(),\n\
    \x20   include_headers=headers)\n\
    sys.stdout.buffer.write(b''.join(fields) + mail)\n";

/// The mail with a signature in front; `algorithm` is `rsa-sha256` or `rsa-sha1`, `key` a private RSA key in PEM.
pub fn sign(mail: &[u8], domain: &str, selector: &str, algorithm: &str, key: &str) -> Vec<u8> {
    python(SIGN, &[domain, selector, algorithm, key], mail)
}

/// The mail with an ARC set in front, made of the Authentication-Results that `server` wrote into it.
pub fn seal(mail: &[u8], domain: &str, selector: &str, server: &str, key: &str) -> Vec<u8> {
    python(SEAL, &[domain, selector, server, key], mail)
}

/// A private RSA key in PEM, and the `p=` of its DNS record.
pub fn rsa_key(bits: u32) -> (String, String) {
    let text = |output: std::process::Output| {
        assert!(
            output.status.success(),
            "openssl: {}; {HOW_TO_RUN}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let private =
        text(Command::new("openssl").args(["genrsa", "-traditional", &bits.to_string()]).output().unwrap());
    let mut child = Command::new("openssl")
        .args(["rsa", "-pubout", "-outform", "PEM"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(private.as_bytes()).unwrap();
    let public = text(child.wait_with_output().unwrap());
    let p = public.lines().filter(|line| !line.starts_with('-')).collect();
    (private, p)
}

fn python(program: &str, arguments: &[&str], mail: &[u8]) -> Vec<u8> {
    // Debian's own Python has Debian's modules.
    let mut child = Command::new("/usr/bin/python3")
        .arg("-c")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("/usr/bin/python3: {fault}; {HOW_TO_RUN}"));
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}; {HOW_TO_RUN}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
