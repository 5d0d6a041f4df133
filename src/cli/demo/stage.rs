//! The stage: a relay with all roles in temporary storage, a store and an order in it, the mail servers of both sides.
//!
//! Rules: nothing is read from a file or from the environment, every port is chosen by the system and lies on
//! loopback, and mail for any domain but those of the two goes nowhere.
//! When it fails: with the text of what could not start.

use super::cast::{
    CUSTOMER, CUSTOMER_DOMAIN, MERCHANT_DOMAIN, ORDER_NO, Player, RELAY_HOST, STORE, STORE_ID,
};
use super::mailbox::{self, Arrival, Mailbox};
use super::program::{Access, Login, Tls};
use super::scratch::Scratch;
use crate::cli::output::Failure;
use crate::cli::process::Process;
use crate::config::{Config, Host, NextHop, Role, Route, RouteDomain, RouteTls};
use crate::ingress::Inherited;
use crate::mail::Domain;
use crate::relay::{MerchantAdded, NewMerchantRequest, OrderRequest, OrderView};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longest wait for a mail that the relay took.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that runs. The order of the fields is that of their end: the directory goes last.
pub(super) struct Stage {
    pub process: Process,
    pub store: MerchantAdded,
    pub order: OrderView,
    /// Where the three listeners are.
    pub mx: SocketAddr,
    pub submission: SocketAddr,
    pub submissions: SocketAddr,
    connector: TlsConnector,
    pub boxes: [Mailbox; 2],
    pub arrivals: mpsc::Receiver<Arrival>,
    pub scratch: Scratch,
}

impl Stage {
    /// Starts everything.
    pub async fn set_up() -> Result<Self, Failure> {
        let scratch = Scratch::new()?;
        let (sender, arrivals) = mailbox::channel();
        let boxes = [Mailbox::open(&STORE, sender.clone()).await?, Mailbox::open(&CUSTOMER, sender).await?];
        let mut config = Config::development(scratch.path())
            .map_err(|errors| Failure::new(format!("the demo's own configuration: {errors}")))?;
        config.hostname = Domain::parse(RELAY_HOST)?;
        config.domains.customer = Domain::parse(CUSTOMER_DOMAIN)?;
        config.domains.merchant = Domain::parse(MERCHANT_DOMAIN)?;
        for (player, server) in [&STORE, &CUSTOMER].into_iter().zip(&boxes) {
            config.egress.routes.push(route(player, server.address)?);
        }
        let process = Process::start(&config, &Role::ALL, Inherited::default()).await?;
        let request = NewMerchantRequest {
            store_id: STORE_ID.to_owned(),
            name: STORE.name.to_owned(),
            addresses: STORE.addresses.iter().map(|address| (*address).to_owned()).collect(),
        };
        let store = process.relay.add_merchant(request).await?;
        let request = OrderRequest {
            store_id: STORE_ID.to_owned(),
            order_no: ORDER_NO.to_owned(),
            customer: CUSTOMER.address().to_owned(),
            expires_at: None,
        };
        let order = process.relay.open_order(request).await?;
        let first = |addresses: &[SocketAddr], what| {
            addresses
                .first()
                .copied()
                .ok_or_else(|| Failure::new(format!("the relay has no {what} listener")))
        };
        let connector = trusting(&config.ingress.tls.certificate)?;
        Ok(Self {
            mx: first(&process.listening.mx, "MX")?,
            submission: first(&process.listening.submission, "submission")?,
            submissions: first(&process.listening.submissions, "submissions")?,
            process,
            store,
            order,
            connector,
            boxes,
            arrivals,
            scratch,
        })
    }

    /// Stops the relay in order, then takes everything away.
    pub async fn end(self) {
        let Self { process, boxes, arrivals, scratch, .. } = self;
        // Nobody reads on: servers that wait to hand a mail over are let go.
        drop((boxes, arrivals));
        process.stop().await;
        drop(scratch);
    }

    /// The way into the relay for a player's program or server.
    pub fn access<'a>(
        &self,
        player: &'a Player,
        server: SocketAddr,
        tls: Tls,
        login: Option<Login<'a>>,
    ) -> Result<Access<'a>, Failure> {
        let server_name = ServerName::try_from(RELAY_HOST)?.to_owned();
        let connector = self.connector.clone();
        Ok(Access {
            server,
            server_name,
            connector,
            tls,
            login,
            source: player.source,
            helo: player.sends_as,
        })
    }

    /// The next mail that arrives at either side.
    pub async fn arrival(&mut self) -> Result<Arrival, Failure> {
        match timeout(PATIENCE, self.arrivals.recv()).await {
            Ok(Some(arrival)) => Ok(arrival),
            _ => Err(Failure::new("the relay took a mail, and within 20 seconds it did not arrive")),
        }
    }
}

fn route(player: &Player, server: SocketAddr) -> Result<Route, Failure> {
    Ok(Route {
        domain: RouteDomain::Exactly(Domain::parse(player.domain)?),
        next_hop: NextHop { host: Host::Ip(server.ip()), port: server.port() },
        tls: RouteTls::May,
        pool: None,
    })
}

/// A client that trusts the relay's certificate and no other.
fn trusting(certificate: &Path) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certificate)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
