//! `[residency]`: what is stated about where user information lies. Specified User Information is stored, used and
//! reached only inside Japan (Telecommunications Business Act art. 27-5 ff.).
//!
//! Rules: this reads statements; the floor [`crate::residency`] holds every configured place against them, before a
//! process serves and every hour.

use super::kind;
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
}

impl Residency {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let storage = r.value("residency.storage", "JP", country);
        let officers = r.value("residency.officers", "[]", kind::list(officer));
        let sites = r.value("residency.sites", "[]", kind::list(kind::path));
        let overlay = r.value("residency.country_overlay", "", kind::optional(kind::path));
        Some(Self { storage: storage?, officers: officers?, sites: sites?, country_overlay: overlay? })
    }
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
