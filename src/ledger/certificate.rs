//! Certificates of destruction: which rows of the log were destroyed lawfully, by what rule; signed by the tree's key, so that
//! nobody who can merely change the database makes one.
//!
//! Rules: a signed note; rows are named by their leaf and their places in it, with the root over their hashes. What a
//! certificate names is destroyed for ever: a row that is there again did not come from the log.
//! When it fails: [`CertificateError`].

use super::merkle::Hash;
use super::note::{Note, NoteError, Verifier};
use crate::mail::Timestamp;
use data_encoding::BASE64;

const KIND: &str = "anshin-mail destruction certificate v1";

/// What was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub at: Timestamp,
    pub what: What,
    /// The rule by which it was due, in one line.
    pub rule: String,
    /// How many rows.
    pub count: u64,
    /// Over the hashes of these rows.
    pub root: Hash,
    /// Which, by leaf.
    pub gone: Vec<Gone>,
}

/// How much of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// All of it.
    Rows,
    /// Its header block; the rest stays.
    Headers,
}

/// Rows of one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    pub position: u64,
    /// One for each row of the leaf, in its order.
    pub rows: Vec<bool>,
}

/// Why a certificate does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("{0}")]
    Note(#[from] NoteError),
    #[error("it is no certificate of destruction")]
    Malformed,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            What::Rows => "rows",
            What::Headers => "headers",
        }
    }
}

impl Certificate {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { at, what, rule, count, root, gone } = self;
        let (what, root) = (what.as_str(), BASE64.encode(root));
        let mut text = format!("{KIND}\nat {at}\nwhat {what}\nrule {rule}\ncount {count}\nroot {root}\n");
        for Gone { position, rows } in gone {
            let places = match rows.iter().all(|gone| *gone) {
                true => "all".to_owned(),
                false => BASE64.encode(&bits(rows)),
            };
            text.push_str(&format!("leaf {position} {} {places}\n", rows.len()));
        }
        text
    }

    /// Reads a certificate that one of `known` signed.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn read(octets: &[u8], known: &[Verifier]) -> Result<Self, CertificateError> {
        let note = Note::parse(octets)?;
        let (text, _) = note.verify(known)?;
        Self::parse(text).ok_or(CertificateError::Malformed)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != KIND {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let at = Timestamp::parse_rfc3339(value("at")?)?;
        let what = value("what")?;
        let what = [What::Rows, What::Headers].into_iter().find(|word| word.as_str() == what)?;
        let rule = value("rule")?.to_owned();
        let count = value("count")?.parse().ok()?;
        let root = BASE64.decode(value("root")?.as_bytes()).ok()?.try_into().ok()?;
        let gone = lines.map(gone).collect::<Option<Vec<_>>>()?;
        Some(Self { at, what, rule, count, root, gone })
    }
}

fn gone(line: &str) -> Option<Gone> {
    let mut words = line.strip_prefix("leaf ")?.split(' ');
    let position = words.next()?.parse().ok()?;
    let rows: usize = words.next()?.parse().ok()?;
    let rows = match words.next()? {
        // No leaf has more rows than a note has octets to name them by.
        "all" if rows <= u16::MAX.into() => vec![true; rows],
        places => {
            let octets =
                BASE64.decode(places.as_bytes()).ok().filter(|octets| octets.len() == rows.div_ceil(8))?;
            (0..rows).map(|at| octets.get(at / 8).is_some_and(|octet| octet >> (at % 8) & 1 == 1)).collect()
        }
    };
    words.next().is_none().then_some(Gone { position, rows })
}

/// One bit a row, the first in the lowest bit of the first octet.
fn bits(rows: &[bool]) -> Vec<u8> {
    let octet = |rows: &[bool]| rows.iter().rev().fold(0, |octet, gone| octet << 1 | u8::from(*gone));
    rows.chunks(8).map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Signer;
    use zeroize::Zeroizing;

    #[test]
    fn a_certificate_names_rows_and_counts_only_signed_by_the_tree() {
        let certificate = Certificate {
            at: Timestamp::from_millis(1_795_000_000_000),
            what: What::Rows,
            rule: "rejected mail, 30 days".into(),
            count: 12,
            root: [1; 32],
            gone: vec![
                Gone { position: 3, rows: vec![true; 10] },
                Gone {
                    position: 9,
                    rows: [true, false, false, false, false, false, false, false, false, true].into(),
                },
            ],
        };
        let signer = |seed| Signer::new("fw.example/audit", Zeroizing::new([seed; 32])).unwrap();
        let known = [signer(1).verifier().clone()];
        let signed = signer(1).sign(&certificate.to_text()).unwrap();
        assert_eq!(Certificate::read(signed.as_bytes(), &known), Ok(certificate.clone()));
        let other = signer(2).sign(&certificate.to_text()).unwrap();
        assert_eq!(Certificate::read(other.as_bytes(), &known), Err(NoteError::UnknownSigner.into()));
        let text = certificate.to_text();
        for bad in
            [text.replace("v1", "v2"), text.replace("10 all", "11 AQ=="), text.replace("leaf 3", "leaf x")]
        {
            let signed = signer(1).sign(&bad).unwrap();
            assert_eq!(
                Certificate::read(signed.as_bytes(), &known),
                Err(CertificateError::Malformed),
                "{bad}"
            );
        }
    }
}
