//! Exim as the mail server of a customer's provider that hands mail over in chunks (BDAT), as Postfix does not: one
//! message, sent at once, and what Exim's log says of it.
//!
//! Debian's package cannot stand beside Postfix's, so `tests/run` unpacks it below `target/peers`.
//! When it fails: the test panics with Exim's words.

use super::{HOW_TO_RUN, Scratch};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

/// Where `tests/run` unpacks it.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/usr/sbin/exim4");

/// Sends `mail` (lines end in LF) to `server`, over TLS, in chunks. The lines of Exim's log.
pub fn send(server: SocketAddr, sender: &str, recipient: &str, mail: &[u8]) -> String {
    let scratch = Scratch::new("exim");
    let dir = scratch.path().display().to_string();
    for name in ["spool", "log"] {
        fs::create_dir(scratch.path().join(name)).unwrap();
        let (user, group) = ids();
        chown(scratch.path().join(name), Some(user), Some(group))
            .unwrap_or_else(|fault| panic!("{fault}; {HOW_TO_RUN}, as root"));
    }
    let conf = scratch.path().join("exim.conf");
    let text = format!(
        "primary_hostname = outgoing.test\n\
         exim_path = {PROGRAM}\n\
         keep_environment =\n\
         spool_directory = {dir}/spool\n\
         log_file_path = {dir}/log/%slog\n\
         log_selector = +tls_cipher\n\
         begin routers\n\
         out:\n  driver = manualroute\n  route_list = * {ip}\n  self = send\n  transport = out\n\
         begin transports\n\
         out:\n  driver = smtp\n  port = {port}\n  hosts_try_chunking = *\n  hosts_require_tls = *\n  \
         tls_verify_certificates =\n  tls_try_verify_hosts =\n",
        ip = server.ip(),
        port = server.port()
    );
    fs::write(&conf, text).unwrap();
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o644)).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["-C", &conf.display().to_string(), "-odf", "-oi", "-f", sender, recipient])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("{PROGRAM}: {fault}; {HOW_TO_RUN}"));
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = fs::read_to_string(scratch.path().join("log/mainlog")).unwrap_or_default();
    assert!(output.status.success(), "{}{log}", String::from_utf8_lossy(&output.stderr));
    log
}

/// User and group of the name that Debian's Exim is built for.
fn ids() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find_map(|line| line.strip_prefix("Debian-exim:"));
    let line = line.unwrap_or_else(|| panic!("there is no user Debian-exim; {HOW_TO_RUN}, as root"));
    let mut numbers = line.split(':').skip(1).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}
