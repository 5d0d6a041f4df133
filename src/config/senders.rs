//! `[senders]`: whom the ingress believes on port 25, and what becomes of mail that is not proven or comes from elsewhere.

use super::Profile;
use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::tree::Value;
use crate::mail::Domain;
use crate::senders::Network;
use serde::{Serialize, Serializer};

/// What a development installation believes: its own machine, where demo and test mail come from.
const LOOPBACK: &str = "[\"127.0.0.0/8\", \"::1/128\"]";

/// `[senders]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Senders {
    /// Networks whose mail is believed without being checked.
    #[serde(serialize_with = "list")]
    pub trusted_networks: Vec<Network>,
    /// Domains whose ARC seals are believed, with those below them.
    #[serde(serialize_with = "list")]
    pub trusted_forwarders: Vec<Domain>,
    /// Mail whose sender nothing proves.
    pub unproven: Unproven,
    /// Mail to a live alias that is proven to come from another address than the order's.
    pub other_address: OtherAddress,
}

/// What is done with mail whose sender nothing proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unproven {
    Hold,
    Refuse,
}

/// What is done with mail from another address than the order's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherAddress {
    Refuse,
    Hold,
    /// It passes, under an alias pair of its own.
    Admit,
}

impl Senders {
    pub(super) fn read(r: &mut Reader, profile: Option<Profile>) -> Option<Self> {
        let trusted = if profile == Some(Profile::Development) { LOOPBACK } else { "[]" };
        let trusted_networks = r.value("senders.trusted_networks", trusted, kind::list(network));
        let trusted_forwarders = r.value("senders.trusted_forwarders", "[]", kind::list(kind::domain));
        let unproven = [("hold", Unproven::Hold), ("refuse", Unproven::Refuse)];
        let unproven = r.value("senders.unproven", "hold", kind::word(&unproven));
        let other =
            [("refuse", OtherAddress::Refuse), ("hold", OtherAddress::Hold), ("admit", OtherAddress::Admit)];
        let other = r.value("senders.other_address", "refuse", kind::word(&other));
        Some(Self {
            trusted_networks: trusted_networks?,
            trusted_forwarders: trusted_forwarders?,
            unproven: unproven?,
            other_address: other?,
        })
    }
}

/// A network, such as `192.0.2.0/24`. One of everybody is refused: nobody would be checked.
fn network(value: &Value, _: &Context) -> Result<Network, Flaw> {
    let text = kind::text(value)?;
    let cure = "write such as 192.0.2.0/24, 2001:db8::/32 or a single address";
    let network = Network::parse(text.trim())
        .map_err(|fault| Flaw::new(format!("{} is no network: {fault}", kind::quote(text)), cure))?;
    if network.is_everybody() {
        return Err(Flaw::new(
            format!("{} is everybody: no sender would be checked", kind::quote(text)),
            "name the networks of your own mail servers",
        ));
    }
    Ok(network)
}

fn list<T: std::fmt::Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}
