//! Rows as the tree knows them: what of a row is hashed, in one form for ever, and the hashes of many rows in one value.
//!
//! Rules: every stored column counts, sealed ones by their hash; what is derived anew when keys change (keyed indexes of
//! the log) does not. A field has its kind and, where it has no fixed length, its length before it, so that no two rows
//! have one form. Sealed values begin with a random nonce: who has a row's hash alone can't guess the row.
//! When it fails: a value that is no list of marks is `None`.

use super::merkle::{self, Hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A row of the log, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRow {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub event: String,
    pub merchant_id: Option<i64>,
    pub conversation_id: Option<i64>,
    pub message_id: Option<i64>,
    pub delivery_id: Option<i64>,
    pub data_key_id: i64,
    /// Sealed.
    #[serde(with = "base64")]
    pub detail: Vec<u8>,
    /// Sealed.
    #[serde(with = "base64_or_none")]
    pub headers: Option<Vec<u8>>,
}

/// An entry about a look, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookEntry {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    #[serde(with = "base64")]
    pub actor_idx: Vec<u8>,
    pub purpose: String,
    pub kind: String,
    pub rows: i64,
    pub outcome: String,
    pub request_id: Option<i64>,
    pub data_key_id: i64,
    /// Sealed.
    #[serde(with = "base64")]
    pub detail: Vec<u8>,
}

/// A request for a second person, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestEntry {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub expires_at: i64,
    pub actor_idx: Vec<u8>,
    pub data_key_id: i64,
    /// Sealed.
    pub detail: Vec<u8>,
    pub decision: Option<String>,
    pub decided_at: Option<i64>,
    pub decider_idx: Option<Vec<u8>>,
    pub used_at: Option<i64>,
}

/// A text that stays after its delivery, as it is stored. It stands in no leaf: its hash is that of a certificate of destruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptText {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub merchant_id: Option<i64>,
    pub conversation_id: Option<i64>,
    pub data_key_id: i64,
    /// Sealed.
    pub body: Vec<u8>,
}

impl KeptText {
    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Form::of("kept_text")
            .number(self.id)
            .number(self.at)
            .number_or_none(self.merchant_id)
            .number_or_none(self.conversation_id)
            .number(self.data_key_id)
            .hash(&Sha256::digest(&self.body).into())
            .leaf()
    }
}

/// What is remembered of a row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub id: i64,
    pub hash: Hash,
    /// Of its header block, so that the rest of the row can be verified when that is destroyed.
    pub headers: Option<Hash>,
}

/// A row of the log, as it is to be stored.
#[derive(Clone, Copy)]
pub struct LogFields<'a> {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub event: &'a str,
    pub merchant_id: Option<i64>,
    pub conversation_id: Option<i64>,
    pub message_id: Option<i64>,
    pub delivery_id: Option<i64>,
    pub data_key_id: i64,
    /// Sealed.
    pub detail: &'a [u8],
    /// Sealed.
    pub headers: Option<&'a [u8]>,
}

impl LogRow {
    fn fields(&self) -> LogFields<'_> {
        LogFields {
            id: self.id,
            at: self.at,
            event: &self.event,
            merchant_id: self.merchant_id,
            conversation_id: self.conversation_id,
            message_id: self.message_id,
            delivery_id: self.delivery_id,
            data_key_id: self.data_key_id,
            detail: &self.detail,
            headers: self.headers.as_deref(),
        }
    }

    /// What is remembered of it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.fields().mark()
    }

    /// Its hash, with a header block of this hash.
    #[must_use]
    pub fn hash_with(&self, headers: Option<Hash>) -> Hash {
        self.fields().hash_with(headers)
    }
}

impl LogFields<'_> {
    /// What is remembered of it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let headers = self.headers.map(|headers| Sha256::digest(headers).into());
        Mark { id: self.id, hash: self.hash_with(headers), headers }
    }

    fn hash_with(&self, headers: Option<Hash>) -> Hash {
        Form::of("record")
            .number(self.id)
            .number(self.at)
            .octets(self.event.as_bytes())
            .number_or_none(self.merchant_id)
            .number_or_none(self.conversation_id)
            .number_or_none(self.message_id)
            .number_or_none(self.delivery_id)
            .number(self.data_key_id)
            .hash(&Sha256::digest(self.detail).into())
            .hash_or_none(headers.as_ref())
            .leaf()
    }
}

impl LookEntry {
    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Form::of("look")
            .number(self.id)
            .number(self.at)
            .octets(&self.actor_idx)
            .octets(self.purpose.as_bytes())
            .octets(self.kind.as_bytes())
            .number(self.rows)
            .octets(self.outcome.as_bytes())
            .number_or_none(self.request_id)
            .number(self.data_key_id)
            .hash(&Sha256::digest(&self.detail).into())
            .leaf()
    }
}

impl RequestEntry {
    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Form::of("look_request")
            .number(self.id)
            .number(self.at)
            .number(self.expires_at)
            .octets(&self.actor_idx)
            .number(self.data_key_id)
            .hash(&Sha256::digest(&self.detail).into())
            .octets_or_none(self.decision.as_deref().map(str::as_bytes))
            .number_or_none(self.decided_at)
            .octets_or_none(self.decider_idx.as_deref())
            .number_or_none(self.used_at)
            .leaf()
    }
}

/// The root over marks.
#[must_use]
pub fn root_of(marks: &[Mark]) -> Hash {
    merkle::root(marks.iter().map(|mark| mark.hash))
}

/// Octets of a mark without a header block.
const PLAIN: usize = 8 + 32 + 1;

/// Marks as one value: id, hash, then 0, or 1 and the hash of the header block.
#[must_use]
pub fn pack(marks: &[Mark]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(marks.len() * (PLAIN + 32));
    for mark in marks {
        packed.extend_from_slice(&mark.id.to_be_bytes());
        packed.extend_from_slice(&mark.hash);
        packed.push(u8::from(mark.headers.is_some()));
        packed.extend(mark.headers.iter().flatten());
    }
    packed
}

/// Reads [`pack`].
#[must_use]
pub fn unpack(mut packed: &[u8]) -> Option<Vec<Mark>> {
    let mut marks = Vec::with_capacity(packed.len() / PLAIN);
    while !packed.is_empty() {
        let (id, rest) = packed.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (has_headers, rest) = rest.split_first()?;
        let (headers, rest) = match has_headers {
            0 => (None, rest),
            1 => rest.split_first_chunk().map(|(headers, rest)| (Some(*headers), rest))?,
            _ => return None,
        };
        marks.push(Mark { id: i64::from_be_bytes(*id), hash: *hash, headers });
        packed = rest;
    }
    Some(marks)
}

/// The form of a row, field by field.
struct Form(Vec<u8>);

impl Form {
    fn of(table: &str) -> Self {
        Self(Vec::with_capacity(256)).octets(b"anshin-mail row v1").octets(table.as_bytes())
    }

    fn number(mut self, number: i64) -> Self {
        self.0.push(1);
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn octets(mut self, octets: &[u8]) -> Self {
        self.0.push(2);
        self.0.extend_from_slice(&(octets.len() as u64).to_be_bytes());
        self.0.extend_from_slice(octets);
        self
    }

    fn hash(mut self, hash: &Hash) -> Self {
        self.0.push(3);
        self.0.extend_from_slice(hash);
        self
    }

    fn none(mut self) -> Self {
        self.0.push(0);
        self
    }

    fn number_or_none(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.number(number),
            None => self.none(),
        }
    }

    fn octets_or_none(self, octets: Option<&[u8]>) -> Self {
        match octets {
            Some(octets) => self.octets(octets),
            None => self.none(),
        }
    }

    fn hash_or_none(self, hash: Option<&Hash>) -> Self {
        match hash {
            Some(hash) => self.hash(hash),
            None => self.none(),
        }
    }

    fn leaf(self) -> Hash {
        merkle::leaf(&self.0)
    }
}

mod base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(octets))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?.as_bytes()).map_err(D::Error::custom)
    }
}

mod base64_or_none {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer>(octets: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        octets.as_ref().map(|octets| BASE64.encode(octets)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| BASE64.decode(text.as_bytes()).map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn row(id: i64) -> LogRow {
        LogRow {
            id,
            at: 1_795_000_000_000 + id,
            event: "accepted".into(),
            merchant_id: Some(1),
            conversation_id: None,
            message_id: Some(7),
            delivery_id: None,
            data_key_id: 9,
            detail: vec![5; 40],
            headers: (id % 2 == 0).then(|| vec![6; 60]),
        }
    }

    #[test]
    fn every_column_counts_and_none_can_stand_for_another() {
        let changes: [fn(&mut LogRow); 12] = [
            |row| row.id += 1,
            |row| row.at += 1,
            |row| row.event.push('x'),
            |row| row.merchant_id = None,
            |row| (row.merchant_id, row.conversation_id) = (None, Some(1)),
            |row| row.message_id = Some(8),
            |row| (row.message_id, row.delivery_id) = (None, Some(7)),
            |row| row.data_key_id = 8,
            |row| row.detail[3] ^= 1,
            |row| row.headers = None,
            |row| row.headers = Some(Vec::new()),
            |row| (row.detail, row.headers) = (vec![6; 60], Some(vec![5; 40])),
        ];
        let mut hashes: Vec<Hash> = changes
            .iter()
            .map(|change| {
                let mut changed = row(2);
                change(&mut changed);
                changed.mark().hash
            })
            .collect();
        hashes.push(row(2).mark().hash);
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
        let mark = row(2).mark();
        assert_eq!(LogRow { headers: None, ..row(2) }.hash_with(mark.headers), mark.hash);
    }

    #[test]
    fn the_form_never_changes() {
        // Rows of today are verified in five years: whoever changes this has broken every tree.
        let hex = |hash: Hash| data_encoding::HEXLOWER.encode(&hash);
        let look = LookEntry {
            id: 1,
            at: 2,
            actor_idx: vec![3; 16],
            purpose: "audit".into(),
            kind: "trace".into(),
            rows: 4,
            outcome: "opened".into(),
            request_id: None,
            data_key_id: 5,
            detail: vec![6; 20],
        };
        assert_eq!(
            hex(row(2).mark().hash),
            "affb1793c7976e04ec53b8c2388d7ff0b7de6c6b774f7d0137bcf250d439ad1e"
        );
        let request = RequestEntry {
            id: 1,
            at: 2,
            expires_at: 3,
            actor_idx: vec![3; 16],
            data_key_id: 5,
            detail: vec![6; 20],
            decision: Some("approved".into()),
            decided_at: Some(7),
            decider_idx: Some(vec![8; 16]),
            used_at: None,
        };
        assert_eq!(hex(request.hash()), "bc88d76a6550fa9778085a160129f4311fef8e73e5adc6a2e5fcf9aa606e9d11");
        assert_eq!(hex(look.hash()), "d701bcd8bc7c52c8c027f81e9c79c380561315bfc88796c4d60676e09176a59e");
    }

    #[test]
    fn marks_are_read_as_they_were_packed() {
        let marks: Vec<Mark> = (0..5).map(|id| row(id).mark()).collect();
        let packed = pack(&marks);
        assert_eq!(unpack(&packed), Some(marks));
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn no_octets_make_reading_marks_panic(octets: Vec<u8>) {
            if let Some(marks) = unpack(&octets) {
                prop_assert_eq!(pack(&marks), octets);
            }
        }
    }
}
