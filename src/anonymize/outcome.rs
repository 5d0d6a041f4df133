//! What became of a message: passed, or held for a decision; and what its sender should know was taken out of it.
//!
//! Rules: only a message that the gate let through is an [`Anonymized`]; one that it stopped keeps its octets, for
//! whoever decides, and can be sent only by passing the gate again.

use super::Anonymized;

/// A message after the anonymizer.
pub struct Outcome {
    /// The message, or why it must wait.
    pub message: Result<Anonymized, Held>,
    /// What was taken out of it, each once.
    pub removed: Vec<Removed>,
    /// Host names and IP addresses of its mail path, lower case, which the gate looks for again before sending.
    pub traces: Vec<String>,
}

/// A message that must not be sent without a decision.
pub struct Held {
    /// The rewritten message.
    pub bytes: Vec<u8>,
    /// Why.
    pub why: Hold,
}

/// Why a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The gate found a secret where the rewriter had left one: the operator decides.
    Residue,
    /// A document (PDF, Office, ZIP, image) names somebody: its sender decides.
    Document,
}

/// What was taken out of a message, and its sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removed {
    /// A signature (S/MIME, PGP): the text passed.
    Signature,
    /// A key or certificate.
    Key,
    /// Outlook's own format, unwrapped to ordinary parts.
    Tnef,
    /// Metadata of a document or an image.
    Metadata,
}
