//! Postfix beside it: a private instance that relays everything to the sink and does nothing else.
//!
//! Rules: Debian's defaults except what keeps it private and lets it run at full speed: no chroot, no name look-ups,
//! no pause between taking and sending (`in_flow_delay`), as many sessions as there are. The queue lies on the same
//! disk as the relay's database and is synced as Postfix does it. It needs root, as Postfix does.
//! When it fails: [`Postfix::start`] says why and the bench goes on without; nothing is ever installed.

use crate::generator::{Connections, Load};
use crate::machine::Tree;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROGRAM: &str = "/usr/sbin/postfix";

const SERVICES: &str = "pickup unix n - n 60 1 pickup\n\
    cleanup unix n - n - 0 cleanup\n\
    qmgr unix n - n 300 1 qmgr\n\
    rewrite unix - - n - - trivial-rewrite\n\
    bounce unix - - n - 0 bounce\n\
    defer unix - - n - 0 bounce\n\
    trace unix - - n - 0 bounce\n\
    proxymap unix - - n - - proxymap\n\
    smtp unix - - n - - smtp\n\
    showq unix n - n - - showq\n\
    error unix - - n - - error\n\
    retry unix - - n - - error\n\
    anvil unix - - n - 1 anvil\n\
    scache unix - - n - 1 scache\n\
    postlog unix-dgram n - n - 1 postlogd\n";

/// A running instance; stopped when dropped.
pub struct Postfix {
    conf: PathBuf,
    address: SocketAddr,
    master: u32,
}

impl Postfix {
    /// Starts an instance below `dir` that sends everything to `sink`.
    pub fn start(dir: &Path, sink: SocketAddr) -> Result<Self, String> {
        if !Path::new(PROGRAM).exists() {
            return Err("Postfix is not installed".to_owned());
        }
        // Postfix can't choose a port itself.
        let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).unwrap();
        let conf = dir.join("conf");
        for place in [dir, &conf, &dir.join("queue")] {
            std::fs::create_dir_all(place).unwrap();
            std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let services = format!("{address} inet n - n - - smtpd\n{SERVICES}");
        std::fs::write(conf.join("master.cf"), services).unwrap();
        let (place, hop) = (dir.display(), format!("[{}]:{}", sink.ip(), sink.port()));
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {place}/queue\ndata_directory = {place}/data\n\
             maillog_file = {place}/mail.log\nmaillog_file_prefixes = {place}\nmyhostname = plain.bench.example\n\
             mydestination =\nalias_maps =\nalias_database =\nlocal_recipient_maps =\ninet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
             smtpd_peername_lookup = no\nsmtpd_client_connection_count_limit = 0\nrelayhost = {hop}\n\
             disable_dns_lookups = yes\nsmtp_host_lookup = native\nin_flow_delay = 0\n\
             message_size_limit = 52428800\n"
        );
        std::fs::write(conf.join("main.cf"), main).unwrap();
        let mut postfix = Self { conf, address, master: 0 };
        postfix.say("start")?;
        let pid = std::fs::read_to_string(dir.join("queue/pid/master.pid")).unwrap_or_default();
        postfix.master = pid.trim().parse().map_err(|_| "Postfix has no master.pid".to_owned())?;
        Ok(postfix)
    }

    fn say(&self, verb: &str) -> Result<(), String> {
        let output = Command::new(PROGRAM).arg("-c").arg(&self.conf).arg(verb).stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("Postfix does not {verb} (it needs root): {}", said.trim()))
            }
            Err(fault) => Err(format!("{PROGRAM}: {fault}")),
        }
    }

    /// Its processes.
    pub fn tree(&self) -> Tree {
        Tree { roots: vec![self.master] }
    }

    /// The same mail as the relay gets.
    pub fn load(&self, sessions: usize, size: usize, connections: Connections) -> Load {
        let parties =
            (0..sessions).map(|n| (format!("hanako{n}@plain.example"), "tenpo@plain.example".into()));
        Load { to: vec![self.address], sessions, size, connections, access: None, parties: parties.collect() }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if let Err(fault) = self.say("stop") {
            eprintln!("{fault}");
        }
    }
}

/// The version in one line, or that there is none.
pub fn version() -> String {
    let output = Command::new("/usr/sbin/postconf").args(["-d", "-h", "mail_version"]).output();
    match output {
        Ok(output) if output.status.success() => {
            format!("Postfix {}", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => "no Postfix".to_owned(),
    }
}
