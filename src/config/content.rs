//! `[content]` and `[names]`: what an installation decides about contents and display names that more than one way is
//! right for.

use super::kind;
use super::reader::Reader;
use super::show;
use crate::anonymize::{DocumentRule, Rules, SignatureRule, TnefRule};
use serde::{Serialize, Serializer};
use std::time::Duration;

const TNEF: [(&str, TnefRule); 2] = [("unwrap", TnefRule::Unwrap), ("refuse", TnefRule::Refuse)];
const SIGNATURES: [(&str, SignatureRule); 2] =
    [("strip", SignatureRule::Strip), ("refuse", SignatureRule::Refuse)];
const DOCUMENTS: [(&str, DocumentRule); 3] = [
    ("scan", DocumentRule::Scan),
    ("clean-metadata", DocumentRule::CleanMetadata),
    ("pass", DocumentRule::Pass),
];

/// `[content]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Content {
    /// Outlook's `winmail.dat`.
    #[serde(serialize_with = "tnef")]
    pub tnef: TnefRule,
    /// S/MIME and PGP signatures.
    #[serde(serialize_with = "signatures")]
    pub signatures: SignatureRule,
    /// PDF, Office documents, ZIP archives, images.
    #[serde(serialize_with = "documents")]
    pub documents: DocumentRule,
    /// How long a message that nobody decides about is held before it is dropped.
    #[serde(serialize_with = "show::duration")]
    pub hold_expire: Duration,
}

/// `[names]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Names {
    /// What a customer sees of a store.
    pub merchant: MerchantName,
    /// What a store sees of a customer.
    pub customer: CustomerName,
}

/// The display name of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MerchantName {
    /// As its program writes it; the registered name where that holds a secret or contact data.
    AsWritten,
    /// The name it was added with.
    Registered,
    /// What it is: 店舗 / Store.
    Role,
}

/// The display name of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CustomerName {
    /// As its program writes it; the role where that holds a secret or contact data.
    AsWritten,
    /// What it is: お客様 / Customer.
    Role,
}

impl Content {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let tnef = r.value("content.tnef", "unwrap", kind::word(&TNEF));
        let signatures = r.value("content.signatures", "strip", kind::word(&SIGNATURES));
        let documents = r.value("content.documents", "scan", kind::word(&DOCUMENTS));
        let hold_expire = r.value("content.hold_expire", "7d", kind::duration);
        Some(Self { tnef: tnef?, signatures: signatures?, documents: documents?, hold_expire: hold_expire? })
    }

    /// The rules of the anonymizer; whose name is shown is decided for each message.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules { tnef: self.tnef, signatures: self.signatures, documents: self.documents, ..Rules::default() }
    }
}

impl Names {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let merchant = [
            ("as-written", MerchantName::AsWritten),
            ("registered", MerchantName::Registered),
            ("role", MerchantName::Role),
        ];
        let customer = [("as-written", CustomerName::AsWritten), ("role", CustomerName::Role)];
        let merchant = r.value("names.merchant", "as-written", kind::word(&merchant));
        let customer = r.value("names.customer", "as-written", kind::word(&customer));
        Some(Self { merchant: merchant?, customer: customer? })
    }
}

fn tnef<S: Serializer>(rule: &TnefRule, serializer: S) -> Result<S::Ok, S::Error> {
    word_of(&TNEF, *rule, serializer)
}

fn signatures<S: Serializer>(rule: &SignatureRule, serializer: S) -> Result<S::Ok, S::Error> {
    word_of(&SIGNATURES, *rule, serializer)
}

fn documents<S: Serializer>(rule: &DocumentRule, serializer: S) -> Result<S::Ok, S::Error> {
    word_of(&DOCUMENTS, *rule, serializer)
}

fn word_of<T: Copy + PartialEq, S: Serializer>(
    words: &[(&'static str, T)],
    rule: T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let word = words.iter().find(|(_, meaning)| *meaning == rule).map_or("", |(word, _)| *word);
    serializer.serialize_str(word)
}
