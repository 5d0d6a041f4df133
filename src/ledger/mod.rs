//! What outsiders can verify: statements that name their signer, and the audit tree with its proofs, in the formats that
//! other tools read too.
//!
//! Rules: pure; keys, times and texts come in as arguments. What is signed or hashed is a text of lines where it can be, so
//! that a person can read what a machine checks.
//! When it fails: errors say what is wrong with the text and never quote a private key.

mod bundle;
mod certificate;
mod checkpoint;
mod entry;
pub mod merkle;
mod note;
mod row;
mod statement;

pub(crate) use bundle::written;
pub use bundle::{Bundle, BundleError, Evidence, ProvenRow};
pub use certificate::{Certificate, CertificateError, Gone, What};
pub use checkpoint::{Checkpoint, CheckpointError, notes, whole_notes};
pub use entry::{Entry, Table};
pub use note::{Note, NoteError, Signer, Signs, Verifier};
pub use row::{KeptText, LogFields, LogRow, LookEntry, Mark, RequestEntry, pack, root_of, unpack};
pub use statement::{Proven, Statement, StatementError};
