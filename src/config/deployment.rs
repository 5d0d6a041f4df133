//! Who we are and how strict a start is: profile, roles of a process, the alias domains.

use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use crate::mail::{Domain, RealAddress};
use serde::Serialize;

/// What a start may make, and what must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Missing keys, certificate and database are made at the first start.
    Development,
    /// Nothing is made: what is missing or readable by others stops the start.
    Production,
}

impl Profile {
    pub(super) const WORDS: [(&'static str, Self); 2] =
        [("development", Self::Development), ("production", Self::Production)];
}

/// A part of the relay that a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Ingress,
    Egress,
    Web,
}

impl Role {
    /// All of them, as `anshin serve` runs without `--role`.
    pub const ALL: [Self; 3] = [Self::Ingress, Self::Egress, Self::Web];

    /// The word on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Ingress => "ingress",
            Role::Egress => "egress",
            Role::Web => "web",
        }
    }
}

/// `[domains]`: where our aliases live.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Domains {
    /// Parent of the domains of customer aliases, `pc.` and `mb.` below it.
    #[serde(serialize_with = "show::text")]
    pub customer: Domain,
    /// The domain of merchant aliases and of public aliases.
    #[serde(serialize_with = "show::text")]
    pub merchant: Domain,
    /// The mailbox to which mail for postmaster and abuse goes.
    pub postmaster: Option<String>,
}

impl Domains {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let customer = r.value("domains.customer", "fw.example.jp", kind::domain);
        let merchant = r.value("domains.merchant", "shop.example.jp", kind::domain);
        let postmaster = r.value("domains.postmaster", "", kind::optional(mailbox));
        Some(Self { customer: customer?, merchant: merchant?, postmaster: postmaster? })
    }
}

fn mailbox(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    match RealAddress::parse(text) {
        Ok(_) if text.is_ascii() => Ok(text.to_owned()),
        _ => Err(Flaw::new(
            format!("{} is no mailbox", kind::quote(text)),
            "write an address in ASCII, such as ops@example.co.jp",
        )),
    }
}
