//! `[ingress]` and `[limits]`: where mail comes in, with which certificate, and how much of it at once.

use super::door::DoorLimits;
use super::helpers::{Blocklist, Clamd, Greylist, Rspamd};
use super::kind::{self, ByteSize};
use super::network::{self, Network};
use super::reader::Reader;
use super::session::Session;
use super::show;
use super::{Profile, listen};
use crate::mail::Domain;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Largest message that may be configured, in octets. Each message is held in memory several times over while it
/// is anonymized.
const MAX_MESSAGE: u64 = 100 << 20;
/// Largest amount of memory that may be configured for messages in flight, in octets.
const MAX_MEMORY: u64 = 64 << 30;

/// `[ingress]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ingress {
    pub mx: Mx,
    pub submission: Submission,
    pub tls: TlsFiles,
    pub clamd: Clamd,
    pub rspamd: Rspamd,
    pub session: Session,
}

/// `[ingress.mx]`: mail from customers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mx {
    /// Port 25 (RFC 5321). Empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Balancers, whose connections all begin with a PROXY header.
    pub proxy_protocol_from: Vec<Network>,
    /// What is done with certificates of clients.
    pub client_certificates: ClientCertificates,
    /// Lists of addresses that send no good mail.
    #[serde(rename = "blocklist")]
    pub blocklists: Vec<Blocklist>,
    pub greylist: Greylist,
}

/// `[ingress.submission]`: mail from merchants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Submission {
    /// Port 587, with STARTTLS (RFC 6409). Empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Port 465, TLS from the first octet (RFC 8314 §3.3). Empty: nowhere.
    pub tls_listen: Vec<SocketAddr>,
    /// Balancers, whose connections all begin with a PROXY header.
    pub proxy_protocol_from: Vec<Network>,
}

/// What is done with certificates of clients on port 25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Nobody is asked for one.
    Ignore,
    /// Everybody is asked, nobody needs one, and what comes is noted in the log record.
    Note,
}

impl ClientCertificates {
    const WORDS: [(&'static str, Self); 2] = [("ignore", Self::Ignore), ("note", Self::Note)];
}

/// `[ingress.tls]`: PEM files, read again when they change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TlsFiles {
    /// The certificate, then its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Certificates for further names, by SNI (RFC 6066 §3).
    pub named: Vec<NamedCertificate>,
}

/// `[[ingress.tls.named]]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedCertificate {
    /// The names that clients ask for.
    #[serde(serialize_with = "show::texts")]
    pub names: Vec<Domain>,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl NamedCertificate {
    fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let key = |name: &str| format!("ingress.tls.named[{i}].{name}");
        let cure = "name the hosts that clients ask for, such as [\"mx.example.jp\"]";
        let names = r.required(&key("names"), cure, kind::list(kind::domain));
        let certificate =
            r.required(&key("certificate"), "name a PEM file with the certificate and its chain", kind::path);
        let private = r.required(&key("key"), "name a PEM file with the private key", kind::path);
        Some(Self { names: names?, certificate: certificate?, key: private? })
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Largest message accepted, as announced by SIZE (RFC 1870).
    pub message_size: ByteSize,
    /// Recipients of a message.
    pub recipients: u32,
    /// Sessions at once, all listeners together.
    pub sessions: u32,
    /// Sessions at once from one IPv4 address or one IPv6 /64.
    pub sessions_per_ip: u32,
    /// Message octets held at once by all sessions.
    pub memory: ByteSize,
    /// How much may come from whom.
    #[serde(flatten)]
    pub door: DoorLimits,
}

impl Ingress {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let addresses = kind::list(listen::address);
        let mx = r.value("ingress.mx.listen", "0.0.0.0:25", &addresses);
        let starttls = r.value("ingress.submission.listen", "0.0.0.0:587", &addresses);
        let tls = r.value("ingress.submission.tls_listen", "0.0.0.0:465", &addresses);
        let certificate = r.value("ingress.tls.certificate", "tls/certificate.pem", kind::path);
        let key = r.value("ingress.tls.key", "tls/key.pem", kind::path);
        let session = Session::read(r);
        let networks = kind::list(network::balancers);
        let mx_proxies = r.value("ingress.mx.proxy_protocol_from", "[]", &networks);
        let proxies = r.value("ingress.submission.proxy_protocol_from", "[]", &networks);
        let words = kind::word(&ClientCertificates::WORDS);
        let client_certificates = r.value("ingress.mx.client_certificates", "ignore", words);
        let blocklists = Blocklist::read_all(r);
        let clamd = Clamd::read(r);
        let rspamd = Rspamd::read(r);
        let greylist = Greylist::read(r);
        let named = r.tables("ingress.tls.named");
        let named = (1..=named).filter_map(|i| NamedCertificate::read(r, i)).collect();
        Some(Self {
            mx: Mx {
                listen: mx?,
                proxy_protocol_from: mx_proxies?,
                client_certificates: client_certificates?,
                blocklists,
                greylist: greylist?,
            },
            submission: Submission { listen: starttls?, tls_listen: tls?, proxy_protocol_from: proxies? },
            tls: TlsFiles { certificate: certificate?, key: key?, named },
            clamd: clamd?,
            rspamd: rspamd?,
            session: session?,
        })
    }

    /// Every SMTP listener with its key.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let named = |key, list: &[SocketAddr]| list.iter().map(move |a| (key, *a)).collect::<Vec<_>>();
        named("ingress.mx.listen", &self.mx.listen)
            .into_iter()
            .chain(named("ingress.submission.listen", &self.submission.listen))
            .chain(named("ingress.submission.tls_listen", &self.submission.tls_listen))
    }
}

impl Limits {
    pub(super) fn read(r: &mut Reader, profile: Option<Profile>) -> Option<Self> {
        let message_size = r.value("limits.message_size", "25MiB", kind::size(1..=MAX_MESSAGE));
        let recipients = r.value("limits.recipients", "100", kind::count(1..=1000));
        let sessions = r.value("limits.sessions", "500", kind::count(1..=100_000));
        let sessions_per_ip = r.value("limits.sessions_per_ip", "100", kind::count(1..=100_000));
        let memory = r.value("limits.memory", "256MiB", kind::size(1..=MAX_MEMORY));
        let door = DoorLimits::read(r, profile);
        Some(Self {
            message_size: message_size?,
            recipients: recipients?,
            sessions: sessions?,
            sessions_per_ip: sessions_per_ip?,
            memory: memory?,
            door: door?,
        })
    }
}
