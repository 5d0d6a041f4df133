//! NSD as the name server of everybody in a test: it serves zones written in the test on one loopback port.
//!
//! Rules: a zone without a text is configured and not there, so that asking for it gets SERVFAIL.
//! When it fails: the test panics with NSD's log.

use super::{HOW_TO_RUN, Scratch, eventually};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An NSD; stopped and removed when dropped.
pub struct Nsd {
    scratch: Scratch,
    address: SocketAddr,
    child: Child,
}

impl Nsd {
    /// Serves these zones: the name of each, and its records below the SOA; `None` for a zone that is broken.
    pub fn start(zones: &[(&str, Option<&str>)]) -> Self {
        // NSD cannot choose a port itself; another process may take the one we found, so try again.
        for _ in 0..3 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let scratch = Scratch::new("nsd");
            write_configuration(&scratch, address, zones);
            let child = spawn(&scratch);
            let mut nsd = Self { scratch, address, child };
            let up = eventually("NSD answers or ends", || {
                if nsd.child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                answers(address).then_some(true)
            });
            if up {
                let log = nsd.log();
                assert!(!log.contains("read with"), "a zone is wrong:\n{log}");
                return nsd;
            }
            eprintln!("nsd did not start on port {port}:\n{}", nsd.log());
        }
        panic!("nsd does not start; {HOW_TO_RUN}, as root");
    }

    /// Answers nobody any more.
    pub fn go_down(&mut self) {
        // Its children end with it when it is asked to end, not when it is killed.
        let asked = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    /// Answers again, where it did before.
    pub fn come_back(&mut self) {
        self.child = spawn(&self.scratch);
        eventually("NSD answers again", || answers(self.address).then_some(()));
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("nsd.log")).unwrap_or_default()
    }
}

fn spawn(scratch: &Scratch) -> Child {
    let mut command = Command::new("/usr/sbin/nsd");
    command.args(["-d", "-c"]).arg(scratch.path().join("nsd.conf"));
    let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    spawned.unwrap_or_else(|fault| panic!("/usr/sbin/nsd: {fault}; {HOW_TO_RUN}"))
}

fn write_configuration(scratch: &Scratch, address: SocketAddr, zones: &[(&str, Option<&str>)]) {
    let dir = scratch.path().display();
    let mut conf = format!(
        "server:\n  ip-address: {}@{}\n  server-count: 1\n  do-ip6: no\n  username: \"\"\n  chroot: \"\"\n  \
         zonesdir: \"{dir}\"\n  database: \"\"\n  pidfile: \"\"\n  logfile: \"{dir}/nsd.log\"\n  \
         xfrdfile: \"{dir}/xfrd.state\"\n  zonelistfile: \"{dir}/zone.list\"\n\
         remote-control:\n  control-enable: no\n",
        address.ip(),
        address.port()
    );
    for (number, (name, records)) in zones.iter().enumerate() {
        conf.push_str(&format!("zone:\n  name: \"{name}\"\n  zonefile: \"{dir}/{number}.zone\"\n"));
        if let Some(records) = records {
            let text = format!(
                "$ORIGIN {name}.\n$TTL 60\n@ IN SOA ns hostmaster 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\n{records}\n"
            );
            fs::write(scratch.path().join(format!("{number}.zone")), text).unwrap();
        }
    }
    fs::write(scratch.path().join("nsd.conf"), conf).unwrap();
}

/// Whether something answers a question about the root.
fn answers(address: SocketAddr) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01";
    let asked = socket.send_to(question, address).and_then(|_| socket.recv(&mut [0; 512]));
    asked.is_ok()
}

impl Drop for Nsd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        self.go_down();
    }
}
