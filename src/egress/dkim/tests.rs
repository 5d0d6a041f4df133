//! Signatures verified as a receiver would, with the records we publish and no network.

use super::*;
use mail_auth::dkim::DomainKey;
use mail_auth::dns::TxtRecordParser;
use mail_auth::{AuthenticatedMessage, DkimResult, DnsCache, MessageAuthenticator, Parameters};
use mail_auth::{ResolverCache, TxtRecord};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

const MESSAGE: &str = "From: <aa7@pc.fw.example>\r\nTo: hana\r\nSubject: =?ISO-2022-JP?B?GyRCJDobKEI=?=\r\n\
    Date: Sun, 22 Nov 2026 00:00:00 +0000\r\nMessage-ID: <1@pc.fw.example>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=us-ascii\r\n\r\n";

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("dkim-{:016x}", getrandom::u64().unwrap()));
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Made once: an RSA key takes a while.
static MADE: LazyLock<(Directory, Arc<Signer>)> = LazyLock::new(|| {
    let directory = Directory::new();
    Signer::make(&directory.0, "rsa1", "ed1").unwrap();
    let signer = Arc::new(Signer::load(&directory.0).unwrap());
    (directory, signer)
});

#[derive(Default)]
struct Zone(HashMap<Box<str>, TxtRecord>);
struct Nothing;

impl ResolverCache<Box<str>, TxtRecord> for Zone {
    fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<TxtRecord>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.get(name).cloned()
    }
    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<TxtRecord>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }
    fn insert(&self, _: Box<str>, _: TxtRecord, _: Instant) {}
}

impl<K, V> ResolverCache<K, V> for Nothing {
    fn get<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        None
    }
    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        None
    }
    fn insert(&self, _: K, _: V, _: Instant) {}
}

impl DnsCache for Zone {
    type Txt = Self;
    type Mx = Nothing;
    type Ipv4 = Nothing;
    type Ipv6 = Nothing;
    type Ptr = Nothing;
    fn txt(&self) -> Option<&Self> {
        Some(self)
    }
    fn mx(&self) -> Option<&Nothing> {
        None
    }
    fn ipv4(&self) -> Option<&Nothing> {
        None
    }
    fn ipv6(&self) -> Option<&Nothing> {
        None
    }
    fn ptr(&self) -> Option<&Nothing> {
        None
    }
}

/// Verifies as a receiver would, with the records we publish and no network.
async fn verify(signer: &Signer, domain: &Domain, message: &[u8]) -> Vec<DkimResult> {
    let mut zone = Zone::default();
    for record in signer.dns_records(domain) {
        let key = DomainKey::parse(record.value.as_bytes()).unwrap();
        zone.0.insert(format!("{}.", record.name).into(), TxtRecord::from(key));
    }
    let config = mail_auth::hickory_resolver::config::ResolverConfig::default();
    let verifier = MessageAuthenticator::new(config, Default::default()).unwrap();
    let parsed = AuthenticatedMessage::parse(message).unwrap();
    let outputs = verifier.verify_dkim(Parameters::new(&parsed).with_cache(&zone)).await;
    outputs.iter().map(|output| output.result().clone()).collect()
}

fn signed(signer: &Signer, domain: &Domain, message: &str) -> Vec<u8> {
    let mut whole = signer.sign(message.as_bytes(), domain).unwrap();
    whole.extend_from_slice(message.as_bytes());
    whole
}

#[tokio::test]
async fn both_signatures_verify_with_the_records_we_publish() {
    let signer = &MADE.1;
    let domain = Domain::parse("pc.fw.example").unwrap();
    for body in
        ["Hello\r\n", "", "\r\n\r\n", "a  b \t\r\n \r\n\t \r\n  \r\n", "no end", " \r\n", "x\r\n\r\n   "]
    {
        let whole = signed(signer, &domain, &format!("{MESSAGE}{body}"));
        let results = verify(signer, &domain, &whole).await;
        assert_eq!(results, [DkimResult::Pass, DkimResult::Pass], "{body:?}");
    }
}

#[tokio::test]
async fn a_changed_body_and_an_added_or_changed_field_break_both() {
    let signer = &MADE.1;
    let domain = Domain::parse("pc.fw.example").unwrap();
    let whole = String::from_utf8(signed(signer, &domain, &format!("{MESSAGE}Hello\r\n"))).unwrap();
    for (what, broken) in [
        ("body", whole.replace("Hello", "Hallo")),
        ("subject", whole.replace("Subject: ", "Subject: Re: ")),
        ("second From", format!("From: evil@x.example\r\n{whole}")),
        ("second Subject", whole.replace("To: hana\r\n", "To: hana\r\nSubject: evil\r\n")),
        ("new Reply-To", format!("Reply-To: evil@x.example\r\n{whole}")),
        ("new Content-Transfer-Encoding", format!("Content-Transfer-Encoding: base64\r\n{whole}")),
    ] {
        assert_ne!(whole, broken, "{what}");
        let results = verify(signer, &domain, broken.as_bytes()).await;
        assert_eq!(results.len(), 2, "{what}");
        assert!(!results.contains(&DkimResult::Pass), "{what}");
    }
}

#[test]
fn the_lines_are_whole_and_short_enough() {
    let domain = Domain::parse("pc.fw.example").unwrap();
    let lines = MADE.1.sign(format!("{MESSAGE}Hello\r\n").as_bytes(), &domain).unwrap();
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text.matches("DKIM-Signature: v=1;").count(), 2);
    assert!(text.ends_with("\r\n") && text.lines().all(|line| line.len() <= 100));
    assert!(text.contains("a=rsa-sha256; s=rsa1; d=pc.fw.example; c=relaxed/relaxed;"));
    assert!(text.contains("a=ed25519-sha256; s=ed1; d=pc.fw.example; c=relaxed/relaxed;"));
}

#[test]
fn records_are_cut_into_strings_a_zone_file_takes() {
    let records = MADE.1.dns_records(&Domain::parse("fw.example").unwrap());
    let lines: Vec<String> = records.iter().map(KeyRecord::to_string).collect();
    assert!(
        lines[0].starts_with("ed1._domainkey.fw.example. IN TXT ( \"v=DKIM1; k=ed25519; p="),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("rsa1._domainkey.fw.example. IN TXT ( \"v=DKIM1; k=rsa; p=MIIBIjAN"));
    assert!(lines[1].split('"').all(|piece| piece.len() <= 255));
}

#[test]
fn keys_are_private_files_and_stay_when_made_again() {
    use std::os::unix::fs::PermissionsExt;
    let directory = &MADE.0.0;
    let before = std::fs::read(directory.join("ed1.pem")).unwrap();
    Signer::make(directory, "rsa1", "ed1").unwrap();
    assert_eq!(std::fs::read(directory.join("ed1.pem")).unwrap(), before);
    for name in ["rsa1.pem", "ed1.pem"] {
        let mode = std::fs::metadata(directory.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_directory_without_a_good_key_is_refused() {
    let directory = Directory::new();
    assert_eq!(Signer::load(&directory.0).err(), Some(DkimFault::Directory));
    std::fs::create_dir(&directory.0).unwrap();
    assert_eq!(Signer::load(&directory.0).err(), Some(DkimFault::NoKey));
    let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    std::fs::write(directory.0.join("bad.pem"), junk).unwrap();
    assert_eq!(Signer::load(&directory.0).err(), Some(DkimFault::Key("bad".into())));
}

#[test]
fn the_newest_selector_of_an_algorithm_signs_and_the_old_one_stays_published() {
    let directory = Directory::new();
    std::fs::create_dir(&directory.0).unwrap();
    for selector in ["ed1", "ed2"] {
        write_key(&directory.0, selector, &Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    }
    let signer = Signer::load(&directory.0).unwrap();
    let domain = Domain::parse("fw.example").unwrap();
    let text = String::from_utf8(signer.sign(MESSAGE.as_bytes(), &domain).unwrap()).unwrap();
    assert!(text.contains("s=ed2;") && !text.contains("s=ed1;"));
    assert_eq!(signer.dns_records(&domain).len(), 2);
}
