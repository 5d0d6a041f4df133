//! rspamd with a configuration of a few lines: no rules but its own test patterns, no network, a port of its own.

use super::{HOW_TO_RUN, Scratch, eventually};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

/// What it would reject, and what it would mark: GTUBE, the pattern that filters know, and rspamd's own variant.
pub const REJECTED: &[u8] = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n";
pub const MARKED: &[u8] = b"YJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n";

/// It runs until it is dropped.
pub struct Rspamd {
    child: Child,
    pub address: SocketAddr,
    _scratch: Scratch,
}

impl Rspamd {
    pub fn start() -> Self {
        let scratch = Scratch::new("rspamd");
        let dir = scratch.path().display();
        // The port is free again when rspamd takes it; whoever is faster makes the test fail, not pass.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // The list of public suffixes that comes with it takes it half a minute to compile.
        std::fs::write(scratch.path().join("suffixes"), "com\ntest\n").unwrap();
        // Its workers have another user.
        std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let config = format!(
            "options {{\n  pidfile = \"{dir}/pid\";\n  control_socket = \"{dir}/control\";\n  \
             hs_cache_dir = \"{dir}\";\n  url_tld = \"{dir}/suffixes\";\n  disable_hyperscan = true;\n  \
             filters = \"\";\n  gtube_patterns = \"all\";\n  enable_test_patterns = true;\n  \
             dns {{ nameserver = [\"127.0.0.1:9\"]; timeout = 0.1s; retransmits = 1; }}\n}}\n\
             logging {{ type = \"console\"; level = \"error\"; }}\n\
             actions {{ reject = 15; add_header = 6; greylist = 4; }}\n\
             worker \"normal\" {{ bind_socket = \"{address}\"; count = 1; }}\n"
        );
        let file = scratch.path().join("rspamd.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("/usr/bin/rspamd")
            .args(["--no-fork", "--insecure", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|fault| panic!("rspamd: {fault}; {HOW_TO_RUN}"));
        let rspamd = Self { child, address, _scratch: scratch };
        eventually("rspamd listens", || TcpStream::connect(address).ok());
        rspamd
    }
}

impl Drop for Rspamd {
    fn drop(&mut self) {
        // It ends its workers itself, if it is asked.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
