//! `[compliance]`: who runs the service, as reports and the yearly statement name it.

use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::retention::line;
use super::show;
use super::tree::Value;
use crate::vault::Recipient;
use serde::Serialize;

/// `[compliance]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compliance {
    /// The company; empty: left open on the pages.
    pub company: String,
    /// Its registration or notification number as a telecommunications carrier.
    pub registration: String,
    /// The chief manager of Specified User Information (Telecommunications Business Act art. 27-10).
    pub manager: String,
    /// Who opens the files that are exported: public keys of age.
    #[serde(serialize_with = "show::texts")]
    pub export_recipients: Vec<Recipient>,
}

impl Compliance {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let company = r.value("compliance.company", "", line);
        let registration = r.value("compliance.registration", "", line);
        let manager = r.value("compliance.manager", "", line);
        let recipients = r.value("compliance.export_recipients", "[]", kind::list(recipient));
        Some(Self {
            company: company?,
            registration: registration?,
            manager: manager?,
            export_recipients: recipients?,
        })
    }
}

fn recipient(value: &Value, _: &Context) -> Result<Recipient, Flaw> {
    let text = kind::text(value)?;
    let cure =
        "write the line that `anshin compliance export-key` printed, or an age1… that somebody gave you";
    Recipient::parse(text)
        .ok_or_else(|| Flaw::new(format!("{}: no public key of age", kind::quote(text)), cure))
}
