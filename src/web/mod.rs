//! The HTTP listener: the marketplace's API `/v1`, the merchants' menu `/menu/` and `/readyz`.
//!
//! Rules: JSON in, JSON out; bearer tokens with scopes; errors as problem details (RFC 9457) that name field and cure.
//! A body is at most 64 KiB, that of a bulk 4 MiB. It speaks HTTP in clear: put a TLS proxy in front where the way to it is not private.
//! When it fails: at start [`WebError`]; a request's fault is that request's 503.

mod api;
mod help;
mod login;
mod menu;
pub mod mta_sts;
mod origin;
mod problem;
pub mod witness;

pub(crate) use api::{added_json, held_json, merchant_json, order_json, pending_json, webhook_json};
pub use login::SetUpFault;

use crate::config::{Config, Network, RateLimit};
use crate::ingress::{Certificates, Inherited, Place};
use crate::relay::Relay;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Largest request body, in octets.
const BODY_MAX: usize = 64 * 1024;

/// How long requests may take to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the web role can't start.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error(
        "web.listen: can't listen on {address}: {cause}; is another server there, or does the port need privileges?"
    )]
    Bind { address: SocketAddr, cause: std::io::Error },
    #[error("web.listen: a socket that was passed on can't be used: {0}")]
    Passed(std::io::Error),
    #[error(transparent)]
    Login(#[from] SetUpFault),
}

/// Where stores submit: what a new store is told.
#[derive(Debug, Clone)]
pub struct SmtpAccess {
    pub host: String,
    pub port: u16,
    /// With TLS from the first octet, where there is such a listener.
    pub tls_port: Option<u16>,
}

/// The bound listeners, before they serve.
pub struct Web {
    listeners: Vec<TcpListener>,
    policy: Option<String>,
    proxies: Vec<Network>,
    /// Records that strangers may make us write a minute.
    records_per_minute: u32,
    kept: menu::KeptDays,
    login: Option<login::Login>,
    requests: Option<RateLimit>,
    hosts: Vec<String>,
    pub listening: Vec<SocketAddr>,
}

pub(crate) struct Shared {
    relay: Relay,
    smtp: SmtpAccess,
    ready: Arc<AtomicBool>,
    /// Those of the listeners, where this process has them.
    certificates: Option<Arc<Certificates>>,
    /// Our MTA-STS policy.
    policy: Option<String>,
    /// Whose word counts on who asks.
    proxies: Vec<Network>,
    /// Places for searches, which must leave the database's readers to mail.
    searches: tokio::sync::Semaphore,
    /// Places for bulks, which must leave its writer to mail.
    bulks: tokio::sync::Semaphore,
    /// Hosts to which events may be posted.
    hosts: Vec<String>,
    /// How often each token calls.
    requests: api::Requests,
    /// How often who calls is recorded.
    logins: api::Logins,
    /// Who may try how often to get into the menu.
    guard: Arc<menu::Guard>,
    /// How long what is kept.
    kept: menu::KeptDays,
    /// The marketplace's one login for all, where there is one.
    login: Option<login::Login>,
}

impl Web {
    /// Binds all listeners, unless the supervisor passed sockets on.
    ///
    /// # Errors
    /// [`WebError`] naming the address.
    pub async fn bind(config: &Config, inherited: &mut Inherited) -> Result<Self, WebError> {
        let addresses = config.web.listen.as_slice();
        let mut listeners = inherited.of(Place::Web).map_err(WebError::Passed)?;
        let mut listening: Vec<SocketAddr> = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
        let addresses: &[SocketAddr] = if listeners.is_empty() { addresses } else { &[] };
        for address in addresses {
            let fault = |cause| WebError::Bind { address: *address, cause };
            let listener = TcpListener::bind(address).await.map_err(fault)?;
            listening.push(listener.local_addr().map_err(fault)?);
            listeners.push(listener);
        }
        let policy = mta_sts::policy(&config.web.mta_sts, &config.hostname);
        let (proxies, records_per_minute) =
            (config.web.proxies.clone(), config.limits.door.records_per_minute);
        let kept = menu::KeptDays::of(
            &config.retention,
            config.egress.retry.keep_failed.map(|period| period.min(config.retention.queue)),
        );
        let login = login::Login::new(config)?;
        let (requests, hosts) = (config.web.requests, config.webhooks.hosts.clone());
        Ok(Self { listeners, policy, proxies, records_per_minute, kept, login, requests, hosts, listening })
    }

    /// Serves until `stop` turns true; running requests end first.
    pub async fn serve(
        self,
        relay: Relay,
        smtp: SmtpAccess,
        ready: Arc<AtomicBool>,
        certificates: Option<Arc<Certificates>>,
        mut stop: watch::Receiver<bool>,
    ) {
        let router = Router::new()
            .merge(api::router())
            .route("/readyz", get(readyz))
            .route("/menu", any(menu::menu))
            .route("/menu/", any(menu::menu))
            .route("/menu/{*rest}", any(menu::menu))
            .route("/help", get(help::list))
            .route("/help/{name}", get(help::page))
            .route("/.well-known/mta-sts.txt", get(policy))
            .fallback(api::not_found)
            .method_not_allowed_fallback(api::not_allowed)
            .layer(DefaultBodyLimit::max(BODY_MAX))
            .with_state(Arc::new(Shared {
                relay,
                smtp,
                ready,
                certificates,
                policy: self.policy,
                proxies: self.proxies,
                searches: tokio::sync::Semaphore::new(api::SEARCHES),
                bulks: tokio::sync::Semaphore::new(api::BULKS),
                hosts: self.hosts,
                requests: api::Requests::new(self.requests),
                logins: api::Logins::new(self.records_per_minute),
                guard: Arc::new(menu::Guard::new(self.records_per_minute)),
                kept: self.kept,
                login: self.login,
            }))
            .into_make_service_with_connect_info::<SocketAddr>();
        let mut servers = JoinSet::new();
        for listener in self.listeners {
            let mut stop = stop.clone();
            let stopped = async move {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            let server = axum::serve(listener, router.clone()).with_graceful_shutdown(stopped);
            servers.spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!(event = "web_ended", kind = %error.kind(), "the HTTP listener ended");
                }
            });
        }
        let mut asked = stop.clone();
        let ended = async {
            while servers.join_next().await.is_some() {}
            // Without a listener there is nothing to serve, and the role is up all the same.
            let _ = asked.wait_for(|stop| *stop).await;
        };
        let late = async {
            let _ = stop.wait_for(|stop| *stop).await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            () = ended => {}
            // A client that sent half a request, or none, would keep the process for ever.
            () = late => tracing::warn!(event = "drain_cut", "HTTP requests did not end in time and were cut"),
        }
    }
}

/// 200 once every role of this process serves and the database answers; with it, until when the certificates are valid, and whether its
/// egress doubts its own way out. That is no reason for a 503: who balances by it would take away a process that takes mail well, for what
/// may be other people's servers.
async fn readyz(
    axum::extract::State(shared): axum::extract::State<Arc<Shared>>,
) -> (axum::http::StatusCode, String) {
    use axum::http::StatusCode;
    if !shared.ready.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
    }
    if shared.relay.is_halted() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "nothing is taken: see residency_lapsed in the log\n".into(),
        );
    }
    match shared.relay.store().ping().await {
        Ok(()) => {
            let until = shared.certificates.as_ref().and_then(|certificates| certificates.valid_until());
            let until = until.map(|until| format!("certificates valid until {}\n", until.to_rfc3339()));
            let doubt = match shared.relay.is_way_out_in_doubt() {
                true => "egress doubts its own way out: see egress_suspects_itself in the log\n",
                false => "",
            };
            (StatusCode::OK, format!("ready\n{}{doubt}", until.unwrap_or_default()))
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n".into()),
    }
}

/// `GET /.well-known/mta-sts.txt` (RFC 8461 §3.2, §3.3): text, without a redirection.
async fn policy(axum::extract::State(shared): axum::extract::State<Arc<Shared>>) -> axum::response::Response {
    use axum::response::IntoResponse;
    match &shared.policy {
        Some(policy) => policy.clone().into_response(),
        None => axum::http::StatusCode::NOT_FOUND.into_response(),
    }
}
