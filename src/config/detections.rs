//! `[detections]`: by which rules fraud is looked for.

use super::kind;
use super::reader::Reader;
use super::show;
use serde::Serialize;
use std::path::PathBuf;

/// `[detections]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detections {
    /// The directory of the rules that take the place of, or come beside, those of the program; none: there are no others.
    #[serde(serialize_with = "show::optional_path")]
    pub rules: Option<PathBuf>,
}

impl Detections {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let rules = r.value("detections.rules", "", kind::optional(kind::path));
        Some(Self { rules: rules? })
    }
}
