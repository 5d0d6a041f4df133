//! `[compliance]`: who runs the service, as reports and the yearly statement name it.

use super::reader::Reader;
use super::retention::line;
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
}

impl Compliance {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let company = r.value("compliance.company", "", line);
        let registration = r.value("compliance.registration", "", line);
        let manager = r.value("compliance.manager", "", line);
        Some(Self { company: company?, registration: registration?, manager: manager? })
    }
}
