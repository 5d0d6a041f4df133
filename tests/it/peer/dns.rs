//! NSD with a signed zone and Unbound with its trust anchor, both on loopback: what a validating resolver says of a world
//! that is signed in part. Below `example.` everything is signed, below `plain.` nothing; records whose text has `dd…dd`
//! (32 octets) are changed after signing, so that nobody can validate them.
//!
//! It uses nothing but the standard library: the tests of the egress floor take it in by its path.
//! When it fails: the test panics and says how to run it, or with the log of the program.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const HOW: &str = "run the tests with `tests/run`, which installs what they need (nsd, unbound, ldnsutils)";
/// What is changed in the signed zone, and into what.
#[allow(dead_code, reason = "only some of those who take this in forge")]
pub const FORGED: (&str, &str) = (
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
);

pub struct Dnssec {
    /// Of the validating resolver.
    pub address: SocketAddr,
    children: Vec<Child>,
    dir: PathBuf,
}

impl Dnssec {
    /// Serves these records, signed and not.
    pub fn start(signed: &str, plain: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("anshin-dns-{}-{number}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let (nsd, unbound) = (free_port(), free_port());
        let anchor = sign(&dir, signed);
        fs::write(dir.join("plain.zone"), zone("plain.", plain)).unwrap();
        let path = dir.display();
        let conf = format!(
            "server:\n port: {nsd}\n ip-address: 127.0.0.1\n username: \"\"\n chroot: \"\"\n zonesdir: \"{path}\"\n database: \"\"\n pidfile: \"\"\n \
             xfrdfile: \"{path}/xfrd\"\n zonelistfile: \"{path}/zones\"\n xfrdir: \"{path}\"\n server-count: 1\n \
             cookie-secret-file: \"\"\nremote-control:\n control-enable: no\n\
             zone:\n name: \"example.\"\n zonefile: \"example.zone.signed\"\n\
             zone:\n name: \"plain.\"\n zonefile: \"plain.zone\"\n"
        );
        fs::write(dir.join("nsd.conf"), conf).unwrap();
        let conf = format!(
            "server:\n interface: 127.0.0.1@{unbound}\n port: {unbound}\n username: \"\"\n chroot: \"\"\n directory: \"{path}\"\n \
             pidfile: \"\"\n use-syslog: no\n logfile: \"{path}/unbound.log\"\n do-not-query-localhost: no\n \
             module-config: \"validator iterator\"\n trust-anchor: \"{anchor}\"\n domain-insecure: \"plain.\"\n \
             num-threads: 1\n do-daemonize: no\n local-zone: \"example.\" nodefault\n\
             remote-control:\n control-enable: no\n\
             stub-zone:\n name: \"example.\"\n stub-addr: 127.0.0.1@{nsd}\n\
             stub-zone:\n name: \"plain.\"\n stub-addr: 127.0.0.1@{nsd}\n"
        );
        fs::write(dir.join("unbound.conf"), conf).unwrap();
        let children = vec![
            spawn(
                Command::new("/usr/sbin/nsd").arg("-d").arg("-c").arg(dir.join("nsd.conf")),
                &dir,
                "nsd.log",
            ),
            spawn(
                Command::new("/usr/sbin/unbound").arg("-d").arg("-c").arg(dir.join("unbound.conf")),
                &dir,
                "out.log",
            ),
        ];
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, unbound));
        let lab = Self { address, children, dir };
        lab.wait();
        lab
    }

    /// Until it answers with a proven address of the name server.
    fn wait(&self) {
        // One question for `ns.example.` of type A, with the AD bit (RFC 1035 §4.1, RFC 6840 §5.7).
        let question =
            b"\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x00\x02ns\x07example\x00\x00\x01\x00\x01";
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut answer = [0; 512];
        for _ in 0..300 {
            let asked = socket.send(question).and_then(|_| socket.recv(&mut answer));
            // Answered, proven, without an error, with a record.
            if asked.is_ok() && answer[3] & 0x2f == 0x20 && answer[7] > 0 {
                return;
            }
            if asked.is_err_and(|fault| fault.kind() == std::io::ErrorKind::ConnectionRefused) {
                std::thread::park_timeout(Duration::from_millis(50));
            }
        }
        panic!("the resolver does not answer:\n{}", self.logs());
    }

    pub fn logs(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        ["nsd.log", "out.log", "unbound.log"].map(read).concat()
    }
}

impl Drop for Dnssec {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn zone(origin: &str, records: &str) -> String {
    let mut text = format!(
        "$ORIGIN {origin}\n$TTL 60\n@ IN SOA ns root 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n"
    );
    for record in records.lines().map(str::trim).filter(|line| !line.is_empty()) {
        text.push_str(record);
        text.push('\n');
    }
    text
}

/// Signs the zone; its DS record.
fn sign(dir: &Path, records: &str) -> String {
    fs::write(dir.join("example.zone"), zone("example.", records)).unwrap();
    let keygen = |ksk: &[&str]| {
        let mut command = Command::new("ldns-keygen");
        let made =
            command.args(["-a", "ECDSAP256SHA256"]).args(ksk).arg("example.").current_dir(dir).output();
        let made = made.unwrap_or_else(|fault| panic!("ldns-keygen: {fault}; {HOW}"));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let (zsk, ksk) = (keygen(&[]), keygen(&["-k"]));
    let signed =
        Command::new("ldns-signzone").args(["-n", "example.zone", &zsk, &ksk]).current_dir(dir).output();
    let signed = signed.unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let path = dir.join("example.zone.signed");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace(FORGED.0, FORGED.1)).unwrap();
    fs::read_to_string(dir.join(format!("{ksk}.ds"))).unwrap().trim().replace('\t', " ")
}

fn spawn(command: &mut Command, dir: &Path, log: &str) -> Child {
    let log = fs::File::create(dir.join(log)).unwrap();
    let spawned = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
    spawned.unwrap_or_else(|fault| panic!("{command:?}: {fault}; {HOW}"))
}

/// Another process may take it before ours does; then the test fails.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
