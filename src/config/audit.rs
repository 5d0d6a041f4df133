//! `[audit]`: where the checkpoints of the audit tree go besides the database, so that whoever changes the database can't
//! change what is known of it.

use super::egress::{NextHop, next_hop};
use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use crate::ledger::{Signs, Verifier};
use serde::Serialize;
use std::path::PathBuf;

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// The file to which every checkpoint is added.
    #[serde(serialize_with = "show::optional_path")]
    pub anchors: Option<PathBuf>,
    /// Who gets the checkpoint by mail once a day.
    #[serde(serialize_with = "show::optional")]
    pub officer: Option<String>,
    #[serde(rename = "witness")]
    pub witnesses: Vec<Witness>,
}

/// `[[audit.witness]]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Witness {
    /// Where it listens.
    pub address: NextHop,
    /// Its public key.
    #[serde(serialize_with = "show::text")]
    pub key: Verifier,
}

impl Audit {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let anchors = r.value("audit.anchors", "anchors.txt", kind::optional(kind::path));
        let officer = r.value("audit.officer", "", kind::optional(address));
        let count = r.tables("audit.witness");
        let witnesses: Vec<_> = (1..=count).map(|i| Witness::read(r, i)).collect();
        let witnesses = witnesses.into_iter().collect::<Option<Vec<_>>>();
        Some(Self { anchors: anchors?, officer: officer?, witnesses: witnesses? })
    }
}

impl Audit {
    /// What a person should know: who can write both database and file leaves no trace that is kept elsewhere.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        if self.officer.is_some() || !self.witnesses.is_empty() {
            return Vec::new();
        }
        let said = "audit: neither officer nor witness is set; who can write the database and audit.anchors can cut off their end unseen";
        vec![said.to_owned()]
    }
}

impl Witness {
    fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let name = |name: &str| format!("audit.witness[{i}].{name}");
        let address =
            r.required(&name("address"), "write host:port of the machine where it listens", next_hop);
        let key =
            r.required(&name("key"), "write the line that `anshin log witness-key` printed", witness_key);
        Some(Self { address: address?, key: key? })
    }
}

fn witness_key(value: &Value, _: &Context) -> Result<Verifier, Flaw> {
    let text = kind::text(value)?.trim();
    let cure = "write the line that `anshin log witness-key` printed";
    let key =
        Verifier::parse(text).map_err(|fault| Flaw::new(format!("{}: {fault}", kind::quote(text)), cure))?;
    if key.signs() == Signs::Cosignatures { Ok(key) } else { Err(Flaw::new("is no key of a witness", cure)) }
}

fn address(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    match crate::mail::RealAddress::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Flaw::new(
            format!("{} is no mail address", kind::quote(text)),
            "write such as audit@example.jp, or nothing",
        )),
    }
}
