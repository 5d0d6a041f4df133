//! `[webhooks]`: to which hosts the marketplace's own systems may have events posted.
//!
//! Rules: without hosts there are no webhooks. A host is a place of user information, like any other that is named here.
//! When it fails: a problem with key and cure.

use super::kind;
use super::network::{self, Network};
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use super::web_address::WebAddress;
use serde::Serialize;
use std::path::PathBuf;

/// `[webhooks]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Webhooks {
    /// Hosts to which events may be posted, by name or address.
    pub hosts: Vec<String>,
    /// Networks, not public ones, in which these hosts may be.
    pub networks: Vec<Network>,
    /// A PEM file of authorities of their certificates, beside those that everybody knows.
    #[serde(serialize_with = "show::optional_path")]
    pub authorities: Option<PathBuf>,
}

impl Webhooks {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let hosts = r.value("webhooks.hosts", "[]", kind::list(host));
        let networks = r.value("webhooks.networks", "[]", kind::list(network::network));
        let authorities = r.value("webhooks.authorities", "", kind::optional(kind::path));
        Some(Self { hosts: hosts?, networks: networks?, authorities: authorities? })
    }
}

fn host(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    match WebAddress::parse(&format!("https://{text}/")) {
        Some(address) if address.port == 443 && address.path == "/" && !text.contains(['/', '?']) => {
            Ok(address.host)
        }
        _ => {
            let cure = "write a name or an address without a port, such as hooks.example.jp";
            Err(Flaw::new(format!("{} is no host", kind::quote(text)), cure))
        }
    }
}
