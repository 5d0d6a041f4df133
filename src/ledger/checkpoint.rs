//! Checkpoints: the size and the root of a tree at one moment, in a text that is signed (C2SP tlog-checkpoint v1.0.0).
//!
//! Rules: the first line names the tree, and so does the key that signs it; the second is its size in decimal, the third
//! its root in base64; what follows is said beside it. Two checkpoints of one size with two roots prove a forgery.
//! When it fails: [`CheckpointError`].

use super::merkle::Hash;
use super::note::{DASH, Note, NoteError, Signer, Signs, Verifier};
use crate::mail::Timestamp;
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

    /// Reads what a key for notes of `known` signed under the tree's name; with it, who of `known` did.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read<'a>(
        octets: &[u8],
        known: &'a [Verifier],
    ) -> Result<(Self, Vec<&'a Verifier>), CheckpointError> {
        let note = Note::parse(octets)?;
        let (text, signers) = note.verify(known)?;
        let checkpoint = Self::parse(text)?;
        let mut own = signers.iter().filter(|signer| signer.signs() == Signs::Notes).peekable();
        own.peek().ok_or(NoteError::UnknownSigner)?;
        if own.any(|signer| signer.name() == checkpoint.origin) {
            Ok((checkpoint, signers))
        } else {
            Err(CheckpointError::Origin)
        }
    }

    /// When it was signed, where it says so in a line of its own.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.said.iter().find_map(|line| Timestamp::parse_rfc3339(line))
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

/// The notes within a text: a file to which one was added after the other, with empty lines between them, or a mail that
/// holds one.
pub fn notes(text: &str) -> Vec<String> {
    let paragraphs: Vec<&str> = text.split("\n\n").map(|paragraph| paragraph.trim_matches('\n')).collect();
    let is_signed = |pair: &&[&str]| matches!(pair, [_, below] if below.lines().all(|line| line.starts_with(DASH)) && !below.is_empty());
    let pairs = paragraphs.windows(2).filter(is_signed);
    pairs.map(|pair| format!("{}\n", pair.join("\n\n"))).collect()
}

/// How many octets at the beginning of a file of notes are whole: up to the empty line below the last signature. What follows
/// was not written to its end.
#[must_use]
pub fn whole_notes(octets: &[u8]) -> usize {
    let is_whole = |end: &usize| {
        let lines = octets.get(..*end).unwrap_or_default();
        let last = lines.rsplit(|octet| *octet == b'\n').nth(1).unwrap_or_default();
        last.starts_with(DASH.as_bytes())
    };
    // The end of a line that an empty one follows.
    let ends = memchr::memmem::rfind_iter(octets, b"\n\n").map(|at| at + 1);
    ends.into_iter().find(is_whole).map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::merkle;
    use zeroize::Zeroizing;

    fn signer() -> Signer {
        Signer::new("relay.example.jp/audit", Zeroizing::new([5; 32])).unwrap()
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed() {
        let root = merkle::root((0..5_u64).map(|n| merkle::leaf(&n.to_be_bytes())));
        let said = vec!["2026-11-26T05:00:00Z".to_owned()];
        let checkpoint = Checkpoint { origin: "relay.example.jp/audit".to_owned(), size: 5, root, said };
        let note = checkpoint.sign(&signer()).unwrap();
        let known = [signer().verifier().clone()];
        assert_eq!(Checkpoint::read(note.as_bytes(), &known).unwrap().0, checkpoint);
        assert_eq!(checkpoint.at().unwrap().to_rfc3339(), "2026-11-26T05:00:00Z");
        let file = format!("{note}\n{note}\n{note}");
        assert_eq!(notes(&file), [note.as_str(); 3]);
        assert_eq!(notes(&format!("To: officer\n\nSee below.\n\n{note}")), [note.as_str()]);
        assert!(notes("").is_empty() && notes("cut\n").is_empty());
        // Whatever a write was cut off after, the notes before it count.
        let one = format!("{note}\n");
        let two = format!("{one}{one}");
        for cut in 0..=two.len() {
            let whole = whole_notes(&two.as_bytes()[..cut]);
            assert_eq!(whole, [0, one.len(), two.len()][cut / one.len()], "{cut}");
        }
        let other = Checkpoint { origin: "relay.example.jp/log".to_owned(), ..checkpoint };
        let error = Checkpoint::read(other.sign(&signer()).unwrap().as_bytes(), &known).unwrap_err();
        assert_eq!(error, CheckpointError::Origin);
        let error = Checkpoint::read(note.replace("\n5\n", "\n6\n").as_bytes(), &known);
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
