//! What the rows of docs/senders.md are made of: outcomes, and the ways in which a mail is written, signed, forwarded and
//! broken.

use super::senders::Stage;
use crate::peer::dkimpy;
use mail_auth::crypto::{RsaKey, Sha256, SigningKey};
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::HeaderWriter;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer};

/// What becomes of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Arrives,
    Held,
    Refused,
    Deferred,
}

impl Outcome {
    /// As it stands on the page.
    pub fn on_the_page(self, code: &str) -> String {
        match self {
            Outcome::Arrives => "arrives".to_owned(),
            Outcome::Held => "held".to_owned(),
            Outcome::Refused | Outcome::Deferred => code.to_owned(),
        }
    }
}

/// One row.
pub struct Row {
    pub case: &'static str,
    /// The address of the order.
    pub customer: String,
    pub from: String,
    pub path: String,
    pub ip: &'static str,
    pub helo: String,
    pub make: fn(&Stage, Vec<u8>) -> Vec<u8>,
    pub outcome: Outcome,
    pub code: &'static str,
}

pub const SIGNED: [&str; 4] = ["From", "Subject", "Date", "Message-ID"];

pub fn as_written(_: &Stage, mail: Vec<u8>) -> Vec<u8> {
    mail
}

pub fn rsa(stage: &Stage) -> RsaKey<Sha256> {
    let der = PrivatePkcs1KeyDer::from_pem_slice(stage.keys[0].as_bytes()).unwrap();
    RsaKey::<Sha256>::from_key_der(PrivateKeyDer::Pkcs1(der)).unwrap()
}

/// The mail with a signature in front.
pub fn signed(key: impl SigningKey, domain: &str, selector: &str, headers: &[&str], mail: &[u8]) -> Vec<u8> {
    let signer = DkimSigner::from_key(key).domain(domain).selector(selector).headers(headers.to_vec());
    [signer.sign(mail).unwrap().to_header().into_bytes(), mail.to_vec()].concat()
}

pub fn of(stage: &Stage, name: &str) -> String {
    format!("{name}-{}.test", stage.needle)
}

pub fn own_signature(stage: &Stage, mail: Vec<u8>) -> Vec<u8> {
    signed(rsa(stage), &of(stage, "dkim"), "own", &SIGNED, &mail)
}

/// Signed with the key of the domain that wants bad mail refused.
pub fn rejecting_signature(stage: &Stage, mail: Vec<u8>) -> Vec<u8> {
    signed(rsa(stage), &of(stage, "reject"), "own", &SIGNED, &mail)
}

pub fn with_footer(mail: &[u8]) -> Vec<u8> {
    [mail, b"-- \r\nThis list is kept by somebody.\r\n"].concat()
}

/// A list that writes down what it checked, changes the mail, and seals it under this name.
pub fn listed(stage: &Stage, mail: Vec<u8>, list: &str) -> Vec<u8> {
    let mail = with_footer(&rejecting_signature(stage, mail));
    let author = of(stage, "reject");
    let results = format!(
        "Authentication-Results: mx.{list};\r\n\tdkim=pass header.d={author};\r\n\tdmarc=pass header.from={author}\r\n"
    );
    dkimpy::seal(&[results.as_bytes(), &mail].concat(), list, "arc", &format!("mx.{list}"), &stage.keys[2])
}

pub fn replaced(mail: &[u8], what: &str, with: &str) -> Vec<u8> {
    String::from_utf8(mail.to_vec()).unwrap().replacen(what, with, 1).into_bytes()
}

/// Says that a program wrote it.
pub fn automatic(_: &Stage, mail: Vec<u8>) -> Vec<u8> {
    [b"Auto-Submitted: auto-replied\r\n", &mail[..]].concat()
}

/// The From field in other words, from the address that stands there.
pub fn with_from(mail: &[u8], write: impl Fn(&str) -> String) -> Vec<u8> {
    let text = String::from_utf8(mail.to_vec()).unwrap();
    let address = super::letter::header(mail, "From").unwrap();
    text.replacen(&format!("From: {address}\r\n"), &write(&address), 1).into_bytes()
}
