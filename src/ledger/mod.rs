//! Signed statements: texts that name their signer, in the format that other tools read too; and one hash over many rows.
//!
//! Rules: pure; keys and texts come in as arguments. What is signed is a text of lines, so that a person can read what
//! a machine checks.
//! When it fails: [`NoteError`], which says what is wrong with the text and never quotes a private key.

mod note;
mod root;

pub use note::{Note, NoteError, Signer, Verifier};
pub use root::{Root, leaf};
