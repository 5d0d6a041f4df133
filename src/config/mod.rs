//! The one configuration file: TOML, read whole, every value typed, before the first socket is opened.
//!
//! Rules: a key that nobody reads is refused; an environment variable `ANSHIN__SECTION__KEY` replaces the key of
//! that name; all problems are reported at once, each with key, reason and cure. Which keys there are, with unit,
//! default and reason, stands in `deploy/anshin.toml`; a test holds that file and this code together.
//! When it fails: [`ConfigErrors`], which never quotes a value that may hold a secret. Nothing was started yet.

mod audit;
mod compliance;
mod content;
mod cross;
mod delivery;
mod detections;
mod deployment;
mod door;
mod egress;
mod helpers;
mod ingress;
mod keys;
mod kind;
mod listen;
mod login;
mod machine;
mod network;
mod place;
mod pool;
mod problem;
mod rates;
mod reader;
mod residency;
mod retention;
mod senders;
mod session;
mod shape;
mod show;
mod storage;
mod tree;
mod menu;
mod web;
mod web_address;
mod webhooks;

#[cfg(test)]
mod fixtures;

pub use audit::{Audit, Witness};
pub use compliance::Compliance;
pub use content::{Content, CustomerName, MerchantName, Names};
pub use delivery::{DkimKey, DkimKeyState, Dnssec, Reply, ReplyClass, Reuse, Timeouts, TlsReports};
pub use deployment::{Domains, Profile, Role};
pub use detections::Detections;
pub use door::DoorLimits;
pub use egress::{Dkim, Egress, Host, NextHop, Retry, Route, RouteDomain, RouteTls};
pub use helpers::{BlockAction, Blocklist, Clamd, Greylist, OnFailure, OnSpam, Rspamd, ScannerAddress};
pub use ingress::{ClientCertificates, Ingress, Limits, Mx, NamedCertificate, Submission, TlsFiles};
pub use keys::{AwsKms, Keys, Pkcs11, Provider};
pub use kind::ByteSize;
pub use login::{LoginRole, MenuLogin};
pub use menu::Menu;
pub use network::{Network, mask};
pub use pool::Pool;
pub use problem::{ConfigErrors, Place, Problem};
pub use rates::{AliasRates, MailRates, PeerRates, RateLimit};
pub use residency::{Enforce, Residency, Staff, StaffNetwork};
pub use retention::{Keep, KeptTexts, Retention, Rule};
pub use senders::{OtherAddress, Senders, Unproven};
pub use session::Session;
pub use shape::{Rate, Shape};
pub use storage::{Engine, StorageUrl};
pub use web::{MtaSts, MtaStsMode, Web};
pub use web_address::WebAddress;
pub use webhooks::Webhooks;

use crate::mail::Domain;
use reader::Reader;
use serde::Serialize;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::Tree;

/// Longest configuration file that is read, in octets. A bound against a wrong path, such as a database.
const MAX_FILE: u64 = 1024 * 1024;

/// The effective configuration: the file, the environment on top, defaults for the rest, all checked.
///
/// Serialized ([`Config::to_toml`], [`Config::to_json`]) it has the keys of the file, secrets masked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// What may be made at the first start, and what must be there.
    pub profile: Profile,
    /// Our name in greetings, EHLO, Received and Message-ID (RFC 5321 §4.1.1.1).
    #[serde(serialize_with = "show::text")]
    pub hostname: Domain,
    pub storage: Storage,
    pub domains: Domains,
    pub ingress: Ingress,
    pub senders: Senders,
    pub egress: Egress,
    pub dns: Dns,
    pub web: Web,
    pub menu: Menu,
    pub webhooks: Webhooks,
    pub keys: Keys,
    pub limits: Limits,
    pub content: Content,
    pub names: Names,
    pub residency: Residency,
    pub retention: Retention,
    pub audit: Audit,
    pub compliance: Compliance,
    pub detections: Detections,
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Storage {
    /// Where everything durable lies.
    pub url: StorageUrl,
}

/// `[dns]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dns {
    /// Resolvers to ask, in this order; empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// What their word on DNSSEC is worth.
    pub dnssec: Dnssec,
}

impl Config {
    /// Reads `path` (or only defaults and environment), checks everything, also against the machine: files that
    /// must be there, their modes, for all roles.
    ///
    /// Relative paths count from the directory of the file, without a file from the working directory.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem found.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        Self::load_for(&Role::ALL, path, env)
    }

    /// As [`Config::load`], but of the machine only what `roles` use is checked: a process that only sends needs no
    /// certificate. With no role the key ring alone is checked (the commands that use the database).
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem found.
    pub fn load_for(
        roles: &[Role],
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let (config, mut reader) = Self::read_file(path, env)?;
        let Some(config) = config else { return Err(ConfigErrors::new(reader.finish())) };
        cross::check(&config, &mut reader);
        machine::check(&config, roles, path, &mut reader);
        let problems = reader.finish();
        if problems.is_empty() { Ok(config) } else { Err(ConfigErrors::new(problems)) }
    }

    /// As [`Config::load`], but without a look at the machine: for commands that make what is not there yet.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem of the text and the environment.
    pub fn load_before_set_up(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let (config, mut reader) = Self::read_file(path, env)?;
        if let Some(config) = &config {
            cross::check(config, &mut reader);
        }
        match config {
            Some(config) if reader.is_sound() => Ok(config),
            _ => Err(ConfigErrors::new(reader.finish())),
        }
    }

    /// A duration as the file writes it, such as `30m` or `2d`.
    #[must_use]
    pub fn duration(text: &str) -> Option<Duration> {
        let context = reader::Context { dir: PathBuf::new() };
        kind::duration(&tree::Value::Raw(text.to_owned()), &context).ok()
    }

    fn read_file(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<(Option<Self>, Reader), ConfigErrors> {
        let (text, dir) = match path {
            Some(path) => (
                read_file(path)?,
                path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            ),
            None => (String::new(), Path::new(".")),
        };
        // Absolute from here on, so that a later change of the working directory moves nothing.
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        Ok(Self::read(&text, &dir, env))
    }

    /// The defaults of the development profile with everything durable below `dir`: the database, the key ring,
    /// DKIM keys and the certificate, none of which need be there. Listeners are on loopback, ports chosen by the system.
    ///
    /// # Errors
    /// [`ConfigErrors`] when `dir` has a path that no file may have (a NUL, or not UTF-8).
    pub fn development(dir: &Path) -> Result<Self, ConfigErrors> {
        const TEXT: &str = "profile = 'development'\nhostname = 'localhost'\n\
            [ingress]\nmx.listen = '127.0.0.1:0'\nsubmission.listen = '127.0.0.1:0'\nsubmission.tls_listen = '127.0.0.1:0'\n\
            [web]\nlisten = '127.0.0.1:0'\n";
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let (config, mut reader) = Self::read(TEXT, &dir, std::iter::empty());
        if let Some(config) = &config {
            cross::check(config, &mut reader);
        }
        match config {
            Some(config) if reader.is_sound() => Ok(config),
            _ => Err(ConfigErrors::new(reader.finish())),
        }
    }

    /// Text to typed values. `None` only when a default itself is broken, which the tests exclude.
    fn read(text: &str, dir: &Path, env: impl Iterator<Item = (String, String)>) -> (Option<Self>, Reader) {
        let mut problems = Vec::new();
        let mut tree = Tree::parse(text, &mut problems);
        tree.overlay(env, &mut problems);
        let mut reader = Reader::new(tree, dir, problems);
        let config = Self::from_reader(&mut reader);
        reader.refuse_unknown();
        (config, reader)
    }

    fn from_reader(r: &mut Reader) -> Option<Self> {
        // Each section is read before any `?`, so that one broken value hides no other.
        let profile = r.value("profile", "production", kind::word(&Profile::WORDS));
        let hostname = r.value("hostname", "relay.example.jp", kind::domain);
        let storage = r.value("storage.url", "sqlite:anshin.db", storage::url);
        let domains = Domains::read(r);
        let ingress = Ingress::read(r);
        let senders = Senders::read(r, profile);
        let egress = Egress::read(r);
        let servers = r.value("dns.servers", "[]", kind::list(listen::resolver));
        let dnssec = r.value("dns.dnssec", "ignore", kind::word(&Dnssec::WORDS));
        let web = Web::read(r);
        let menu = Menu::read(r);
        let webhooks = Webhooks::read(r);
        let keys = Keys::read(r);
        let limits = Limits::read(r, profile);
        let content = Content::read(r);
        let names = Names::read(r);
        let residency = Residency::read(r, profile);
        let audit = Audit::read(r);
        let retention = Retention::read(r);
        let compliance = Compliance::read(r);
        let detections = Detections::read(r);
        Some(Self {
            profile: profile?,
            hostname: hostname?,
            storage: Storage { url: storage? },
            domains: domains?,
            ingress: ingress?,
            senders: senders?,
            egress: egress?,
            dns: Dns { servers: servers?, dnssec: dnssec? },
            web: web?,
            menu: menu?,
            webhooks: webhooks?,
            keys: keys?,
            limits: limits?,
            content: content?,
            names: names?,
            residency: residency?,
            audit: audit?,
            retention: retention?,
            compliance: compliance?,
            detections: detections?,
        })
    }
}

/// The variables of this process that override keys, for [`Config::load`]. Those that are no UTF-8 come with
/// replacement characters and are refused as values.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(tree::ENVIRONMENT_PREFIX))
}

fn read_file(path: &Path) -> Result<String, ConfigErrors> {
    let refuse = |reason: &str, cure: &str| {
        ConfigErrors::new(vec![Problem::new(
            "(file)",
            Place::Default,
            format!("{}: {reason}", path.display()),
            cure,
        )])
    };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    if let Err(fault) = read {
        return Err(refuse(&place::reason_of(&fault), "name a file that this user can read with --config"));
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(refuse(
            "longer than 1 MiB, so no configuration",
            "name the configuration file with --config",
        ));
    }
    String::from_utf8(bytes).map_err(|_| refuse("not UTF-8", "save the file as UTF-8"))
}
