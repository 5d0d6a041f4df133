//! What an installation states beside what the tree proves: that a page of this hash is what it read in the rows of a bundle.
//!
//! Rules: signed as a note with the key of the tree, in lines; its first line keeps it from being read as a checkpoint or a
//! certificate. It names the rows and leaves that go with the page, so that none is left out or put in (version 1 has only their number). It
//! proves who says so and that the page is unchanged, not that what was sealed reads so: whoever doubts that has the rows, as they were
//! entered, held against the page by somebody with the key ring.
//! When it fails: [`StatementError`].

use super::merkle::Hash;
use super::note::{Note, NoteError, Verifier};
use crate::mail::Timestamp;
use data_encoding::HEXLOWER;

const KIND: &str = "anshin-mail statement v2";
/// Of an older version: without what it is about.
const KIND_1: &str = "anshin-mail statement v1";

/// A statement about the page of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub at: Timestamp,
    /// The number of the case, one line.
    pub case: String,
    /// How many rows of the log it reads.
    pub rows: u64,
    /// What goes with the page; None in version 1.
    pub proven: Option<Proven>,
    /// SHA-256 of the page.
    pub page: Hash,
}

/// What the bundle proves that a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    pub looks: u64,
    /// Over its leaves and their rows ([`Bundle::proof`](super::Bundle::proof)).
    pub hash: Hash,
}

/// Why a statement states nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error("it is not {KIND}")]
    Malformed,
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Statement {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { at, case, rows, proven, page } = self;
        let (kind, proof) = match proven {
            Some(Proven { looks, hash }) => {
                (KIND, format!("looks {looks}\nproof {}\n", HEXLOWER.encode(hash)))
            }
            None => (KIND_1, String::new()),
        };
        format!("{kind}\nat {at}\ncase {case}\nrows {rows}\n{proof}page {}\n", HEXLOWER.encode(page))
    }

    /// Reads a statement that one of `known` signed.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn read(octets: &[u8], known: &[Verifier]) -> Result<Self, StatementError> {
        let note = Note::parse(octets)?;
        let (text, _) = note.verify(known)?;
        Self::parse(text).ok_or(StatementError::Malformed)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let kind = lines.next()?;
        if ![KIND, KIND_1].contains(&kind) {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let at = Timestamp::parse_rfc3339(value("at")?)?;
        let case = value("case")?.to_owned();
        let rows = value("rows")?.parse().ok()?;
        let hash = |text: &str| HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok();
        let proven = match kind {
            KIND => Some(Proven { looks: value("looks")?.parse().ok()?, hash: hash(value("proof")?)? }),
            _ => None,
        };
        let page = hash(value("page")?)?;
        lines.next().is_none().then_some(Self { at, case, rows, proven, page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Signer;
    use zeroize::Zeroizing;

    #[test]
    fn a_statement_is_read_as_it_was_signed_and_from_nobody_else() {
        let statement = Statement {
            at: Timestamp::from_millis(1_795_000_000_000),
            case: "C-1 花".into(),
            rows: 12,
            proven: Some(Proven { looks: 2, hash: [9; 32] }),
            page: [7; 32],
        };
        let signer = |seed| Signer::new("fw.example/audit", Zeroizing::new([seed; 32])).unwrap();
        let known = [signer(1).verifier().clone()];
        let signed = signer(1).sign(&statement.to_text()).unwrap();
        assert_eq!(Statement::read(signed.as_bytes(), &known), Ok(statement.clone()));
        let first = Statement { proven: None, ..statement.clone() };
        let signed_first = signer(1).sign(&first.to_text()).unwrap();
        assert_eq!(Statement::read(signed_first.as_bytes(), &known), Ok(first.clone()));
        let other = signer(2).sign(&statement.to_text()).unwrap();
        assert_eq!(Statement::read(other.as_bytes(), &known), Err(NoteError::UnknownSigner.into()));
        for bad in [
            statement.to_text().replace("v2", "v3"),
            statement.to_text().replace("v2", "v1"),
            first.to_text().replace("v1", "v2"),
            format!("{}more\n", statement.to_text()),
        ] {
            let signed = signer(1).sign(&bad).unwrap();
            assert_eq!(Statement::read(signed.as_bytes(), &known), Err(StatementError::Malformed), "{bad}");
        }
        assert!(crate::ledger::Checkpoint::read(signed.as_bytes(), &known).is_err());
        assert!(crate::ledger::Certificate::read(signed.as_bytes(), &known).is_err());
    }
}
