//! `[residency]`: what is stated about where user information lies, and from where people may have it opened. Specified User Information is stored, used and
//! reached only inside Japan (Telecommunications Business Act art. 27-5 ff.).
//!
//! Rules: this reads statements; the floor [`crate::residency`] holds every configured place against them, before a
//! process serves and every hour.

use super::Profile;
use super::kind;
use super::network::{self, Network};
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use crate::ledger::Verifier;
use serde::Serialize;
use std::path::PathBuf;

/// `[residency]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Residency {
    /// Country in which this machine and its storage lie (ISO 3166-1 alpha-2). Only `JP` is accepted.
    pub storage: String,
    /// Public keys of those who may sign statements about sites.
    #[serde(serialize_with = "show::texts")]
    pub officers: Vec<Verifier>,
    /// Signed statements about sites in Japan.
    pub sites: Vec<PathBuf>,
    /// A country database in MaxMind's format, over the registries' data.
    #[serde(serialize_with = "show::optional_path")]
    pub country_overlay: Option<PathBuf>,
    /// A database of operators of networks in MaxMind's format.
    #[serde(serialize_with = "show::optional_path")]
    pub network_overlay: Option<PathBuf>,
    pub staff: Staff,
}

/// `[residency.staff]`: from where people may have something opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Staff {
    pub enforce: Enforce,
    /// Networks of providers of servers, beside those that are known.
    pub hosting: Vec<Network>,
    #[serde(rename = "network")]
    pub networks: Vec<StaffNetwork>,
}

/// `[[residency.staff.network]]`: an office or a private network of the operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StaffNetwork {
    pub name: String,
    pub networks: Vec<Network>,
}

/// What is done about somebody who comes from where nobody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforce {
    Refuse,
    Warn,
}

impl Residency {
    pub(super) fn read(r: &mut Reader, profile: Option<Profile>) -> Option<Self> {
        let storage = r.value("residency.storage", "JP", country);
        let officers = r.value("residency.officers", "[]", kind::list(officer));
        let sites = r.value("residency.sites", "[]", kind::list(kind::path));
        let overlay = r.value("residency.country_overlay", "", kind::optional(kind::path));
        let networks = r.value("residency.network_overlay", "", kind::optional(kind::path));
        let staff = Staff::read(r, profile);
        Some(Self {
            storage: storage?,
            officers: officers?,
            sites: sites?,
            country_overlay: overlay?,
            network_overlay: networks?,
            staff: staff?,
        })
    }
}

impl Staff {
    fn read(r: &mut Reader, profile: Option<Profile>) -> Option<Self> {
        const WORDS: [(&str, Enforce); 2] = [("refuse", Enforce::Refuse), ("warn", Enforce::Warn)];
        // Trying out is done from wherever one sits.
        let default = if profile == Some(Profile::Development) { "warn" } else { "refuse" };
        let enforce = r.value("residency.staff.enforce", default, kind::word(&WORDS));
        let hosting = r.value("residency.staff.hosting", "[]", kind::list(network::network));
        let count = r.tables("residency.staff.network");
        let networks: Vec<_> = (1..=count).map(|i| StaffNetwork::read(r, i)).collect();
        let networks = networks.into_iter().collect::<Option<Vec<_>>>();
        Some(Self { enforce: enforce?, hosting: hosting?, networks: networks? })
    }
}

impl StaffNetwork {
    fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let key = |name: &str| format!("residency.staff.network[{i}].{name}");
        let name = r.required(&key("name"), "name the office, such as \"Tokyo office\"", place_name);
        let cure = "list the networks of the office, such as [\"192.0.2.0/24\"]";
        let networks = r.required(&key("networks"), cure, kind::list(office));
        Some(Self { name: name?, networks: networks? })
    }
}

/// One line, as reports show it.
fn place_name(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    if (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Flaw::new("is no name", "write 1 to 64 characters, such as \"Tokyo office\""))
}

/// A network that one office can have: whoever is in it may have user information opened.
fn office(value: &Value, context: &Context) -> Result<Network, Flaw> {
    let network = network::network(value, context)?;
    if network.is_wider_than(8, 24) {
        let cure = "name the office's own networks (/8 for IPv4, /24 for IPv6 at most)";
        return Err(Flaw::new(format!("{network} is wider than any office"), cure));
    }
    Ok(network)
}

/// The one country accepted.
fn country(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?;
    if text == "JP" {
        return Ok(text.to_owned());
    }
    Err(Flaw::new(
        format!("{}: user information must be stored, used and reached only inside Japan", kind::quote(text)),
        "use storage that lies in Japan and write \"JP\"",
    ))
}

fn officer(value: &Value, _: &Context) -> Result<Verifier, Flaw> {
    let text = kind::text(value)?;
    let cure = "write the line that `anshin compliance residency key` printed";
    Verifier::parse(text).map_err(|fault| Flaw::new(format!("{}: {fault}", kind::quote(text)), cure))
}
