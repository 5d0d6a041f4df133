//! Putting the floors together: configuration to database, keys, relay and roles.

use super::arguments::Common;
use super::output::Failure;
use super::residency;
use crate::config::{self, Audit, Config, Keep, Keys, Profile, Role};
use crate::egress::{Egress, close_audit};
use crate::ingress::{Ingress, Inherited, Listening, make_self_signed};
use crate::mail::{RealAddress, Timestamp};
use crate::relay::{Boxing, Domains, KeepFailed, Policy, Relay, RelayFault, SenderPolicy};
use crate::residency::{Checker, Staff};
use crate::senders;
use crate::store::Store;
use crate::vault::{Keeper, Make, Vault};
use crate::web::{SmtpAccess, Web};
use std::fs::File;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Life of an order's aliases where the order names no end.
const ORDER_LIFETIME: Duration = Duration::from_secs(180 * 86_400);
/// The same message within this time is delivered once.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(86_400);

/// Where the configuration is looked for.
const PLACES: [&str; 2] = ["anshin.toml", "/etc/anshin/anshin.toml"];

/// Reads the configuration of a command.
pub(super) fn load(common: &Common, roles: &[Role]) -> Result<Config, Failure> {
    let path = config_path(common);
    Config::load_for(roles, path.as_deref(), config::environment()).map_err(config_failure)
}

pub(super) fn config_path(common: &Common) -> Option<PathBuf> {
    common.config.clone().or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.exists()))
}

pub(super) fn config_failure(errors: config::ConfigErrors) -> Failure {
    let details = serde_json::to_value(errors.problems()).ok();
    Failure { details, ..Failure::new(errors.to_string()) }
}

/// Opens the key ring as far as these roles need it.
pub(super) async fn ring(config: &Config, roles: &[Role]) -> Result<(Keeper, Vault), Failure> {
    let make = match config.profile {
        Profile::Development => Make::Missing,
        Profile::Production => Make::Nothing,
    };
    let wrapping = super::providers::wrapping(config).await?;
    Ok(Keeper::open(
        &config.keys.dir,
        wrapping,
        Keys::take(roles, &config.storage.url),
        make,
        Timestamp::now(),
    )?)
}

/// Opens the database with its keys, once it is proven where it lies.
pub(super) async fn open(config: &Config, vault: Vault) -> Result<(Relay, Checker), Failure> {
    let checker = residency::before(config).await?;
    let store = Store::open(&config.storage.url.connect_url(), &vault.file).await?;
    let domains = Domains::new(&config.domains.customer, &config.domains.merchant)?;
    let policy = Policy {
        hostname: config.hostname.to_string(),
        postmaster: match &config.domains.postmaster {
            Some(text) => Some(Arc::new(
                RealAddress::parse(text)
                    .map_err(|_| Failure::new("domains.postmaster: this is no mailbox".to_owned()))?,
            )),
            None => None,
        },
        expire: config.egress.retry.expire,
        delay_notice: config.egress.retry.delay_notice,
        keep_failed: config.egress.retry.keep_failed.map(|period| KeepFailed {
            period: period.min(config.retention.queue),
            texts: config.retention.texts.period,
        }),
        order_lifetime: ORDER_LIFETIME,
        duplicate_window: DUPLICATE_WINDOW,
        hold_expire: config.content.hold_expire,
        rules: config.content.rules(),
        names: config.names,
        senders: SenderPolicy {
            unproven: config.senders.unproven,
            other_address: config.senders.other_address,
        },
        brand: config.menu.brand.clone(),
        staff: Arc::new(Staff::new(config, checker.geo().as_ref().clone())),
    };
    let relay = Relay::open(store, vault, domains, policy).await?;
    relay.locates_by(checker.geo());
    if config.retention.kept_texts.keep == Keep::On {
        relay.keeps_texts(config.retention.kept_texts.largest.octets());
    }
    residency::database(&checker, relay.store(), config.profile).await?;
    Ok((relay, checker))
}

/// How senders are checked, by the configuration.
pub(super) fn senders(config: &Config) -> senders::Setup {
    senders::Setup {
        servers: config.dns.servers.clone(),
        trusted_networks: config.senders.trusted_networks.clone(),
        trusted_forwarders: config.senders.trusted_forwarders.clone(),
    }
}

/// Configuration and relay of a command that only uses the database. Who asks from where is not asked here: `desk.rs` does.
pub(super) async fn relay(common: &Common) -> Result<(Config, Relay), Failure> {
    let config = load(common, &[])?;
    let _making = making(&config)?;
    let (_, vault) = ring(&config, &[]).await?;
    let (relay, _) = open(&config, vault).await?;
    relay.works_for(super::desk::account(&relay));
    Ok((config, relay))
}

/// The right to make what is missing, held until it is dropped: processes that start at the same moment on a new
/// installation make one key ring, one certificate and one set of signing keys. None in production, which makes nothing.
fn making(config: &Config) -> Result<Option<File>, Failure> {
    if config.profile == Profile::Production { Ok(None) } else { turn_at_ring(config).map(Some) }
}

/// The right to add to the key ring, or to take from it, held until it is dropped.
pub(super) fn turn_at_ring(config: &Config) -> Result<File, Failure> {
    let dir = &config.keys.dir;
    let fault = |cause: std::io::Error| {
        let user = "give the key directory to the user that runs anshin (mode 0700)";
        Failure::new(format!("{}: {cause}; {user}", dir.display()))
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fault)?;
    let lock = File::open(dir).map_err(fault)?;
    // Ends with the process, whatever becomes of it.
    lock.lock().map_err(fault)?;
    Ok(lock)
}

/// Where stores submit, by the configuration.
pub(super) fn smtp_access(config: &Config, listening: Option<&Listening>) -> SmtpAccess {
    let bound = listening.map(|listening| listening.submission.as_slice()).unwrap_or_default();
    let port = bound.first().or(config.ingress.submission.listen.first()).map_or(587, SocketAddr::port);
    let bound = listening.map(|listening| listening.submissions.as_slice()).unwrap_or_default();
    let tls_port = bound.first().or(config.ingress.submission.tls_listen.first()).map(SocketAddr::port);
    SmtpAccess { host: config.hostname.to_string(), port, tls_port }
}

/// The roles of this process, running.
pub(super) struct Process {
    pub relay: Relay,
    pub listening: Listening,
    pub web: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    ready: Arc<AtomicBool>,
    reload: Arc<Notify>,
    places: Arc<Notify>,
    ring: Arc<Notify>,
    keeping: tokio::task::JoinHandle<()>,
    tasks: JoinSet<()>,
    roles: Vec<&'static str>,
    /// Where the role egress is.
    audit: Option<Audit>,
}

impl Process {
    /// Makes what the development profile may make, binds everything, then serves.
    pub async fn start(config: &Config, roles: &[Role], mut inherited: Inherited) -> Result<Self, Failure> {
        let making = making(config)?;
        let (keeper, vault) = ring(config, roles).await?;
        super::hardening::warn_unlocked(&vault);
        let (relay, checker) = open(config, vault).await?;
        relay.detects_by(Arc::new(super::rules::of(config)?));
        relay.make_room_for_facts(Timestamp::now()).await;
        if config.profile == Profile::Development && roles.contains(&Role::Ingress) {
            let mut names = vec![config.hostname.to_string()];
            names.extend(relay.domains().all().map(ToString::to_string));
            let files = &config.ingress.tls;
            make_self_signed(&files.certificate, &files.key, names)?;
        }
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut listening = Listening::default();
        // Everything is bound and read before anything serves: a process is up whole or not at all.
        let ingress = match roles.contains(&Role::Ingress) {
            true => Some(Ingress::bind(config, &relay, senders(config), &mut inherited).await?),
            false => None,
        };
        let egress = match roles.contains(&Role::Egress) {
            true => Some(Egress::new(config, &relay)?),
            false => None,
        };
        let web = match roles.contains(&Role::Web) {
            true => Some(Web::bind(config, &mut inherited).await?),
            false => None,
        };
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        if let Err(fault) = relay.note_process(super::desk::account(&relay), &names, "started").await {
            tracing::error!(event = "fault", %fault, "that this process has started is not written down");
        }
        drop(making);
        let mut reload = Arc::default();
        let places = Arc::new(Notify::new());
        let mut certificates = None;
        if let Some(ingress) = ingress {
            reload = ingress.reload.clone();
            certificates = Some(ingress.certificates.clone());
            listening = ingress.listening.clone();
            tasks.spawn(ingress.serve(stopped.clone()));
        }
        if let Some(egress) = egress {
            tasks.spawn(egress.serve(stopped.clone()));
        }
        let watched = (relay.clone(), config.profile, places.clone(), stopped.clone());
        let (of, profile, again, until) = watched;
        tasks.spawn(residency::watch(checker, of, profile, again, until));
        let smtp = smtp_access(config, Some(&listening));
        let mut addresses = Vec::new();
        // HTTP serves last: its first answer says that everything else serves already.
        let ready = Arc::new(AtomicBool::new(true));
        if let Some(web) = web {
            addresses.clone_from(&web.listening);
            tasks.spawn(web.serve(relay.clone(), smtp, ready.clone(), certificates, stopped));
        }
        let ring = Arc::new(Notify::new());
        let keeping = keep_keys(relay.clone(), keeper, ring.clone());
        let audit = roles.contains(&Role::Egress).then(|| config.audit.clone());
        Ok(Self {
            relay,
            listening,
            web: addresses,
            stop,
            ready,
            reload,
            places,
            ring,
            keeping,
            tasks,
            roles: names,
            audit,
        })
    }

    /// Reads the certificates again, whether or not their files changed, the key ring if it did, and looks at the places of
    /// user information.
    pub fn reload(&self) {
        self.reload.notify_one();
        self.places.notify_one();
        self.ring.notify_one();
    }

    /// Stops taking, finishes what is under way.
    pub async fn stop(mut self) {
        self.ready.store(false, Ordering::Release);
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        let closed = async {
            let stopped =
                self.relay.note_process(super::desk::account(&self.relay), &self.roles, "stopped").await;
            if let Err(fault) = stopped {
                tracing::error!(event = "fault", %fault, "that this process has stopped is not written down");
            }
            if let Some(audit) = &self.audit {
                close_audit(&self.relay, audit).await;
            }
        };
        // What is not entered now is entered after the next start; nobody waits for a database that is away.
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            tracing::warn!(event = "audit", "what happened last is not in the audit tree: it took too long");
        }
        self.keeping.abort();
    }

    /// Waits until a role ends by itself, which none should, or this process may seal nothing more.
    pub async fn role_ended(&mut self) {
        let ended = async {
            if self.tasks.join_next().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = ended => {}
            _ = &mut self.keeping => {}
        }
    }
}

/// How long a stop takes for its last entries.
const CLOSING: Duration = Duration::from_secs(10);

/// How often the key ring is looked at. A new key seals a minute after it was made, so every process knows it by then.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The least time between two looks, whatever asks for them.
const LOOK_APART: Duration = Duration::from_secs(1);

/// Takes new keys of the ring while the process runs: now and then, at SIGHUP, and when something needs one that is not
/// here. Ends when the key that it seals with was retired: whoever retires one waits for that.
fn keep_keys(relay: Relay, mut keeper: Keeper, asked: Arc<Notify>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        // The same fault is told once.
        let (mut said, mut kept) = (None, Vec::new());
        let mut boxing = Boxing::default();
        loop {
            tokio::time::sleep(LOOK_APART).await;
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = asked.notified() => {}
                () = relay.missed_a_key() => {}
            }
            // First, whatever else takes long: whoever retires a key counts on it. A database that is silent takes nothing either.
            let may_seal = tokio::time::timeout(LOOK_EVERY, relay.may_seal()).await;
            if let Ok(Err(fault @ RelayFault::RetiredKey(_))) = may_seal {
                relay.seal_no_more();
                tracing::error!(event = "fault", %fault, "nothing more is taken, and this process stops");
                return;
            }
            let erased = follow_erasures(&relay, keeper).await;
            let Ok((again, is_followed)) = erased else { return };
            keeper = again;
            if let Err(fault) = is_followed {
                tracing::error!(
                    event = "fault",
                    fault,
                    "what was erased is still in the tree of this key ring"
                );
            }
            let _ = relay.learn_bound().await;
            if let Err(fault) = relay.open_stores_to_menu(&mut boxing).await {
                tracing::error!(event = "fault", %fault, "stores of an older version are not opened to the menu yet");
            }
            if let Err(fault) = relay.find_people_by_address(&mut boxing).await {
                tracing::error!(event = "fault", %fault, "people of an older version are not found by their address yet");
            }
            let destroyed = follow_retired(&relay, keeper).await;
            let Ok((again, left)) = destroyed else { return };
            keeper = again;
            for fault in left.iter().filter(|fault| !kept.contains(*fault)) {
                tracing::error!(event = "fault", fault, "a key that was retired is still in this key ring");
            }
            kept = left;
            relay.make_room_for_facts(Timestamp::now()).await;
            // A provider may take its time.
            let looked = tokio::task::spawn_blocking(move || {
                let found = keeper.look(Timestamp::now());
                (keeper, found)
            });
            let Ok((again, found)) = looked.await else { return };
            keeper = again;
            let is_new = !matches!(found, Ok(None));
            let taken = match found {
                Ok(None) => Ok(()),
                Ok(Some(vault)) => relay.renew(vault).await.map_err(|fault| {
                    keeper.again();
                    fault.to_string()
                }),
                Err(fault) => Err(fault.to_string()),
            };
            match taken {
                Ok(()) if !is_new => continue,
                Ok(()) => tracing::info!(event = "keys", "the key ring has changed and was read again"),
                Err(fault) if said.as_ref() != Some(&fault) => {
                    tracing::error!(
                        event = "fault",
                        fault,
                        "the key ring has changed and can't be used; the keys stay as they were, and it is tried again"
                    );
                    said = Some(fault);
                    continue;
                }
                Err(_) => continue,
            }
            said = None;
        }
    })
}

/// Takes out of the tree of this ring what any process has erased, and certifies what is out.
async fn follow_erasures(
    relay: &Relay,
    keeper: Keeper,
) -> Result<(Keeper, Result<(), String>), tokio::task::JoinError> {
    // A database that is away is told by those who need it.
    let keys = relay.keys_to_erase().await.unwrap_or_default();
    if keys.is_empty() {
        let _ = relay.certify_erasures(Timestamp::now()).await;
        return Ok((keeper, Ok(())));
    }
    let taken_out = move || {
        let done = keeper.erase(&keys).map(|_| ()).map_err(|fault| fault.to_string());
        (keeper, done)
    };
    tokio::task::spawn_blocking(taken_out).await
}

/// Destroys in this ring's directory what was destroyed in another machine's; why some is left, which opens old copies of the
/// database.
async fn follow_retired(
    relay: &Relay,
    keeper: Keeper,
) -> Result<(Keeper, Vec<String>), tokio::task::JoinError> {
    let keys = relay.keys_to_destroy(Timestamp::now()).await.unwrap_or_default();
    if keys.is_empty() {
        return Ok((keeper, Vec::new()));
    }
    let destroyed = move || {
        let mut left = Vec::new();
        for (purpose, name) in keys {
            let key = format!("{}-{name}", purpose.as_str());
            match keeper.destroy(purpose, name) {
                Ok(()) => tracing::info!(event = "key_destroyed", key, "it was retired"),
                Err(fault) => left.push(format!("{key}: {fault}")),
            }
        }
        (keeper, left)
    };
    tokio::task::spawn_blocking(destroyed).await
}

/// Logging to standard error: our own events only, since libraries name hosts and statements.
pub(super) fn start_logging(json: bool) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let targets = Targets::new().with_target("anshin", LevelFilter::INFO);
    let registry = tracing_subscriber::registry().with(targets);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start in one process (a test) keeps the first.
    let _ = if json { registry.with(layer.json()).try_init() } else { registry.with(layer).try_init() };
}

/// Whether a path is there, for messages.
pub(super) fn describe(path: Option<&Path>) -> String {
    path.map_or_else(|| "defaults and environment".into(), |path| path.display().to_string())
}
