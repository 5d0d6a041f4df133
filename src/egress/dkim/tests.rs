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
fn the_key_whose_time_began_last_signs_and_all_that_are_planned_are_published() {
    let directory = Directory::new();
    std::fs::create_dir(&directory.0).unwrap();
    for selector in ["old", "next", "later", "retired", "forgotten"] {
        Signer::add(&directory.0, selector, KeyAlgorithm::Ed25519).unwrap();
    }
    let again = Signer::add(&directory.0, "old", KeyAlgorithm::Ed25519).err();
    assert_eq!(again, Some(DkimFault::Exists("old".into())));
    let domain = Domain::parse("fw.example").unwrap();
    let plan = |selector: &str, signs_from: Option<i64>| KeyPlan {
        selector: selector.into(),
        signs_from: signs_from.map(Timestamp::from_millis),
    };
    let far = Timestamp::now().as_millis() + 86_400_000;
    for (plans, signs) in [
        (vec![plan("old", Some(0)), plan("next", None), plan("retired", None)], "old"),
        (vec![plan("old", Some(0)), plan("next", Some(0)), plan("retired", None)], "next"),
        (vec![plan("old", Some(0)), plan("next", Some(1000)), plan("later", Some(far))], "next"),
        (vec![plan("next", Some(1000)), plan("old", Some(0)), plan("later", None)], "next"),
    ] {
        let signer = Signer::load(&directory.0).unwrap().planned(&plans).unwrap();
        let text = String::from_utf8(signer.sign(MESSAGE.as_bytes(), &domain).unwrap()).unwrap();
        assert!(text.contains(&format!("s={signs};")), "{plans:?}\n{text}");
        assert_eq!(text.matches("DKIM-Signature:").count(), 1);
        assert_eq!(signer.dns_records(&domain).len(), 3);
    }
    let missing = Signer::load(&directory.0).unwrap().planned(&[plan("new", None)]).err();
    assert_eq!(missing, Some(DkimFault::Missing("new".into())));
}

/// A next hop that offers no 8BITMIME and no SMTPUTF8 gets ASCII, and signatures over just that.
#[tokio::test]
async fn what_is_written_anew_for_a_narrow_hop_is_signed_anew() {
    use crate::egress::Transport;
    use crate::egress::prepare::{Letter, send};
    use crate::egress::tests::{HELLO, Script, TAKE, describe, to_server};
    let script = [HELLO, TAKE, "c: QUIT"].concat();
    let server = Script::start(&[script]).await;
    let transport = Transport::new(to_server(server.address, "none")).unwrap();
    let domain = Domain::parse("pc.fw.example").unwrap();
    let alias = crate::mail::Alias::new("aa7", domain.clone());
    let forward_path = crate::mail::RealAddress::parse("hana@mail.example").unwrap();
    let message = MESSAGE.replace("=?ISO-2022-JP?B?GyRCJDobKEI=?=", "ご注文").replace("us-ascii", "utf-8")
        + "花束をお届けします\r\n";
    let letter = Letter {
        reverse_path: Some(&alias),
        forward_path: &forward_path,
        message: message.as_bytes(),
        utf8_headers: true,
        require_tls: false,
        purpose: crate::egress::Purpose::Mail,
        messages_per_connection: 100,
        route: None,
        domain: &domain,
        dotted: &crate::egress::Dotted::default(),
    };
    let report = send(&transport, &MADE.1, &letter).await.unwrap();
    assert_eq!(describe(&report), "delivered 2.0.0 dot reused");
    transport.close().await;
    let arrived = server.ended().await.remove(0);
    assert!(arrived.is_ascii());
    assert_eq!(verify(&MADE.1, &domain, &arrived).await, [DkimResult::Pass, DkimResult::Pass]);
    let parsed = mail_parser::MessageParser::default().parse(&arrived).unwrap();
    assert_eq!(parsed.subject(), Some("ご注文"));
    assert_eq!(parsed.body_text(0).unwrap().trim_end(), "花束をお届けします");
}
