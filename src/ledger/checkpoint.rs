//! Checkpoints: the size and the root of a tree at one moment, in a text that is signed (C2SP tlog-checkpoint v1.0.0).
//!
//! Rules: the first line names the tree, the second its size in decimal, the third its root in base64; what follows may
//! be said beside it and is kept. Two checkpoints of one size with two roots prove a forgery.
//! When it fails: [`CheckpointError`].

use super::merkle::Hash;
use super::note::{Note, NoteError, Signer, Verifier};
use data_encoding::BASE64;

/// Where a tree stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the tree.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// Further lines.
    pub said: Vec<String>,
}

/// Why a checkpoint is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("{0}")]
    Note(#[from] NoteError),
    #[error("its first three lines are not a name, a size and a root")]
    Malformed,
    #[error("it is of another tree")]
    Origin,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root));
        for line in &self.said {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Signed, as it is written and given away.
    ///
    /// # Errors
    /// [`NoteError`] where a line has a line feed in it.
    pub fn sign(&self, signer: &Signer) -> Result<String, NoteError> {
        signer.sign(&self.to_text())
    }

    /// Reads a text that somebody of `known` signed, about the tree `origin`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(octets: &[u8], origin: &str, known: &[Verifier]) -> Result<Self, CheckpointError> {
        let note = Note::parse(octets)?;
        let (text, _) = note.verify(known)?;
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin == origin { Ok(checkpoint) } else { Err(CheckpointError::Origin) }
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Malformed);
        let (origin, size, root) = (line()?, line()?, line()?);
        let number: u64 = size.parse().map_err(|_| CheckpointError::Malformed)?;
        let root = BASE64.decode(root.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
        let root = root.try_into().map_err(|_| CheckpointError::Malformed)?;
        if number.to_string() != size {
            return Err(CheckpointError::Malformed);
        }
        let said = lines.map(str::to_owned).collect();
        Ok(Self { origin: origin.to_owned(), size: number, root, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::merkle;
    use zeroize::Zeroizing;

    fn signer() -> Signer {
        Signer::new("relay.example.jp", Zeroizing::new([5; 32])).unwrap()
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed() {
        let root = merkle::root((0..5_u64).map(|n| merkle::leaf(&n.to_be_bytes())));
        let said = vec!["2026-11-26T05:00:00Z".to_owned()];
        let checkpoint = Checkpoint { origin: "relay.example.jp/audit".to_owned(), size: 5, root, said };
        let note = checkpoint.sign(&signer()).unwrap();
        let known = [signer().verifier().clone()];
        assert_eq!(Checkpoint::read(note.as_bytes(), "relay.example.jp/audit", &known).unwrap(), checkpoint);
        let error = Checkpoint::read(note.as_bytes(), "relay.example.jp/log", &known).unwrap_err();
        assert_eq!(error, CheckpointError::Origin);
        let error =
            Checkpoint::read(note.replace("\n5\n", "\n6\n").as_bytes(), "relay.example.jp/audit", &known);
        assert_eq!(error.unwrap_err(), CheckpointError::Note(NoteError::Forged));
    }

    #[test]
    fn what_has_not_the_three_lines_is_none() {
        let root = BASE64.encode(&[1; 32]);
        for text in [
            "a\n".to_owned(),
            format!("a\n5\n{}\n", BASE64.encode(&[1; 31])),
            format!("a\n05\n{root}\n"),
            format!("a\n-5\n{root}\n"),
            format!("a\n+5\n{root}\n"),
            format!("a\n5 \n{root}\n"),
            format!("\n5\n{root}\n"),
        ] {
            assert_eq!(Checkpoint::parse(&text).unwrap_err(), CheckpointError::Malformed, "{text:?}");
        }
    }
}
