//! What the leaves of the audit tree say: texts of a few lines, so that a person reads what a machine hashed.
//!
//! Rules: the first line names the kind and its version. An hour of the log is one leaf, or several where it has many rows
//! or some came late; a row of another table is a leaf by itself.
//! When it fails: a text that is none of these is `None`.

use super::merkle::{self, Hash};
use crate::mail::Timestamp;
use data_encoding::BASE64;

const SEGMENT: &str = "anshin-mail log segment v1";
const ROW: &str = "anshin-mail audit row v1";

/// A leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Rows of the log of one hour.
    Segment {
        /// When the hour begins.
        hour: Timestamp,
        rows: u64,
        /// Over the hashes of the rows.
        root: Hash,
        entered: Timestamp,
    },
    /// A row of another table.
    Row { table: Table, id: i64, hash: Hash, entered: Timestamp },
}

/// Tables whose rows are leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Who had something opened.
    Look,
    /// Which rows of leaves were destroyed lawfully.
    Destruction,
    /// What retention and erasure destroyed, for people.
    Certificate,
}

impl Table {
    pub const ALL: [Table; 3] = [Table::Look, Table::Destruction, Table::Certificate];

    /// The word in the leaf and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Table::Look => "look",
            Table::Destruction => "destruction",
            Table::Certificate => "certificate",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == text)
    }
}

impl Entry {
    /// The text that is hashed.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Entry::Segment { hour, rows, root, entered } => {
                let root = BASE64.encode(root);
                format!("{SEGMENT}\nhour {hour}\nrows {rows}\nroot {root}\nentered {entered}\n")
            }
            Entry::Row { table, id, hash, entered } => {
                let (table, hash) = (table.as_str(), BASE64.encode(hash));
                format!("{ROW}\ntable {table}\nid {id}\nhash {hash}\nentered {entered}\n")
            }
        }
    }

    /// Reads [`Entry::to_text`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split_inclusive('\n').map(|line| line.strip_suffix('\n'));
        let kind = lines.next()??;
        let mut value = |name: &str| lines.next()??.strip_prefix(name)?.strip_prefix(' ');
        let entry = match kind {
            SEGMENT => Entry::Segment {
                hour: Timestamp::parse_rfc3339(value("hour")?)?,
                rows: value("rows")?.parse().ok()?,
                root: hash(value("root")?)?,
                entered: Timestamp::parse_rfc3339(value("entered")?)?,
            },
            ROW => Entry::Row {
                table: Table::parse(value("table")?)?,
                id: value("id")?.parse().ok()?,
                hash: hash(value("hash")?)?,
                entered: Timestamp::parse_rfc3339(value("entered")?)?,
            },
            _ => return None,
        };
        // One text for each meaning.
        (entry.to_text() == text).then_some(entry)
    }

    /// The hash of its leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        merkle::leaf(self.to_text().as_bytes())
    }
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_is_written_and_in_no_other_form() {
        let (hour, entered) =
            (Timestamp::from_millis(1_795_000_000_000), Timestamp::from_millis(1_795_003_000_000));
        for entry in [
            Entry::Segment { hour, rows: 12, root: [3; 32], entered },
            Entry::Row { table: Table::Look, id: 77, hash: [4; 32], entered },
            Entry::Row { table: Table::Destruction, id: -1, hash: [4; 32], entered },
        ] {
            let text = entry.to_text();
            assert_eq!(Entry::parse(&text), Some(entry));
            for other in [
                format!("{text}\n"),
                text.replace("v1", "v2"),
                text.replace("entered", "Entered"),
                text.trim_end().to_owned(),
            ] {
                assert_eq!(Entry::parse(&other), None, "{other:?}");
            }
        }
    }
}
