//! The relay under test: the release binary with a configuration, keys and database of its own.
//!
//! Rules: SQLite (or the PostgreSQL that `--storage` names, an empty database), development profile, one store, an
//! order for each session, all mail goes in clear to the sink. Of several nodes each has its part of the sessions. It is started anew for each cell, so that no cell
//! inherits the memory of another.

use crate::arguments::Arguments;
use crate::generator::{Access, Connections, Load};
use crate::machine::Tree;
use crate::sink::HIDDEN;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HOST: &str = "relay.bench.example";
/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The installation, running or not.
pub struct Relay {
    binary: String,
    dir: PathBuf,
    parties: Vec<Party>,
    auth: (String, String),
    nodes: usize,
    running: Vec<Running>,
    /// Keys of the configuration, as variables.
    pub environment: Vec<(&'static str, String)>,
}

struct Party {
    customer: String,
    customer_alias: String,
    merchant_alias: String,
}

/// A node.
struct Running {
    child: Child,
    mx: SocketAddr,
    submission: SocketAddr,
}

impl Relay {
    /// Makes the installation: configuration, store, and an order for each session.
    pub fn install(dir: &Path, sink: SocketAddr, arguments: &Arguments) -> Self {
        let storage = &arguments.storage;
        let orders = arguments.sessions.iter().copied().max().unwrap_or(1);
        let config = format!(
            "profile = \"development\"\nhostname = \"{HOST}\"\n\
             [storage]\nurl = \"{storage}\"\n\
             [domains]\ncustomer = \"fw.bench.example\"\nmerchant = \"shop.bench.example\"\n\
             [ingress.mx]\nlisten = \"127.0.0.1:0\"\n\
             [ingress.submission]\nlisten = \"127.0.0.1:0\"\ntls_listen = []\n\
             [web]\nlisten = \"127.0.0.1:0\"\n\
             [[egress.route]]\ndomain = \"*\"\nnext_hop = \"{sink}\"\ntls = \"none\"\n"
        );
        std::fs::write(dir.join("anshin.toml"), config).unwrap();
        let mut relay = Self {
            binary: arguments.binary.clone(),
            dir: dir.to_owned(),
            parties: Vec::new(),
            auth: Default::default(),
            nodes: arguments.nodes,
            running: Vec::new(),
            environment: Vec::new(),
        };
        let sender = format!("tenpo@store.{HIDDEN}");
        let store = ["--store-id", "bench"];
        let merchant = relay.run("merchant", "add", &store, &["--name", "Hanaya", "--address", &sender]);
        relay.auth = (text(&merchant["smtp"]["auth_id"]), text(&merchant["smtp"]["auth_password"]));
        for number in 0..orders {
            let customer = format!("hanako{number}@customer.{HIDDEN}");
            let order_no = format!("B-{number}");
            let order =
                relay.run("order", "open", &store, &["--order-no", &order_no, "--customer", &customer]);
            relay.parties.push(Party {
                customer,
                customer_alias: text(&order["customer_alias"]),
                merchant_alias: text(&order["merchant_alias"]),
            });
        }
        relay
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.dir.join("anshin.toml")).arg("--json");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, noun: &str, verb: &str, store: &[&str], rest: &[&str]) -> Value {
        let output = self.command().args([noun, verb]).args(store).args(rest).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{noun} {verb}: {said}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&said).unwrap()
    }

    /// Starts its nodes and waits until they serve.
    pub async fn start(&mut self) {
        self.stop().await;
        for number in 0..self.nodes {
            let node = self.start_node(number).await;
            self.running.push(node);
        }
    }

    async fn start_node(&self, number: usize) -> Running {
        let log = self.dir.join(format!("relay-{number}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let child = self.command().arg("serve").stdin(Stdio::null()).stderr(file).spawn().unwrap();
        let start = Instant::now();
        let said = loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(said) = lines.map(|line| line["fields"].clone()).find(|f| f["event"] == "started") {
                break said;
            }
            assert!(start.elapsed() < PATIENCE, "the relay does not start:\n{text}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let address = |name: &str| text(&said[name]).trim_matches(['[', ']']).parse().unwrap();
        Running { child, mx: address("mx"), submission: address("submission") }
    }

    /// Lets them drain and waits for their end.
    pub async fn stop(&mut self) {
        for running in &self.running {
            let _ = Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status();
        }
        let start = Instant::now();
        for mut running in self.running.drain(..) {
            while running.child.try_wait().unwrap().is_none() {
                if start.elapsed() > PATIENCE {
                    let _ = running.child.kill();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// A client that trusts its certificate.
    pub fn connector(&self) -> tokio_rustls::TlsConnector {
        tls(&self.dir.join("tls/certificate.pem"))
    }

    /// Where port 25 of the first node is.
    pub fn mx_address(&self) -> SocketAddr {
        self.running.first().unwrap().mx
    }

    /// Its processes.
    pub fn tree(&self) -> Tree {
        Tree { roots: self.running.iter().map(|node| node.child.id()).collect() }
    }

    /// Customers write to the store: port 25 in clear.
    pub fn mx(&self, sessions: usize, size: usize, connections: Connections) -> Load {
        let parties = self.parties.iter().map(|p| (p.customer.clone(), p.merchant_alias.clone())).collect();
        let to = self.running.iter().map(|node| node.mx).collect();
        Load { to, sessions, size, connections, access: None, parties }
    }

    /// The store writes to customers: STARTTLS and AUTH, connections kept.
    pub fn submission(&self, sessions: usize, size: usize) -> Load {
        let sender = format!("tenpo@store.{HIDDEN}");
        let parties = self.parties.iter().map(|p| (sender.clone(), p.customer_alias.clone())).collect();
        let access = Access {
            tls: tls(&self.dir.join("tls/certificate.pem")),
            host: HOST.to_owned(),
            auth_id: self.auth.0.clone(),
            auth_password: self.auth.1.clone(),
        };
        let to = self.running.iter().map(|node| node.submission).collect();
        Load { to, sessions, size, connections: Connections::Kept, access: Some(access), parties }
    }

    /// Octets of the database with its log.
    pub fn disk_octets(&self) -> u64 {
        let size = |name: &str| std::fs::metadata(self.dir.join(name)).map_or(0, |m| m.len());
        size("anshin.db") + size("anshin.db-wal")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for running in &mut self.running {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A client that trusts this certificate alone.
fn tls(certificate: &Path) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}
