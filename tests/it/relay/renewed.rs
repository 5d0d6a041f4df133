//! Certificates that have ended, and are renewed: a next hop's, to which nothing goes meanwhile, and our own, without a restart.

use super::client::Client;
use super::letter::Letter;
use super::process::{On, Setup};
use super::scene::{Scene, add_merchant, open_order};
use super::secure_delivery::{PolicyHost, in_own_network};
use super::watch::Watch;
use crate::peer::dns::Dnssec;
use crate::peer::postfix::Postfix;
use crate::peer::{Scratch, eventually};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fs;
use std::sync::Arc;

/// An authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(Vec::<String>::new()).unwrap();
        own.distinguished_name.push(DnType::CommonName, "authority of a test");
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = own.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(own, key), pem }
    }

    /// A certificate of this name, good until the end of this year, and its key.
    fn issue(&self, name: &str, year: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new([name.to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, name);
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 12, 31));
        (leaf.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

#[test]
fn a_mail_server_whose_certificate_has_ended_gets_nothing_in_clear_and_the_mail_once_it_is_renewed() {
    let name = "relay::renewed::a_mail_server_whose_certificate_has_ended_gets_nothing_in_clear_and_the_mail_once_it_is_renewed";
    in_own_network(name, &["8.8.1.25/32", "8.8.1.80/32", "8.8.2.2/32"], || {
        let watch = Arc::new(Watch::default());
        let [mise, hana] = ["mise", "hana"].map(|who| watch.needle(who));
        let domain = |who: &str, needle: &str| format!("{who}-{needle}.plain");
        let (shop, good) = (domain("mise", &mise), domain("hana", &hana));
        let (authority, host) = (Authority::new(), format!("mx.{good}"));
        let postfix = Postfix::start_at(&good, "8.8.1.25:25".parse().unwrap());
        let (certificate, key) = authority.issue(&host, 2024);
        postfix.use_certificate(&certificate, &key);
        let policy = format!("version: STSv1\nmode: enforce\nmx: {host}\nmax_age: 86400\n");
        let (_host, of_policy) = PolicyHost::start("8.8.1.80:443", vec![format!("mta-sts.{good}")], &policy);
        let records = format!(
            "{good}. MX 10 {host}.\n{host}. A 8.8.1.25\nmta-sts.{good}. A 8.8.1.80\n\
             _mta-sts.{good}. TXT \"v=STSv1; id=1;\"\n"
        );
        let dns = Dnssec::start("", &records);
        let roots = Scratch::new("roots");
        let file = roots.path().join("roots.pem");
        fs::write(&file, format!("{of_policy}{}", authority.pem)).unwrap();
        let relay = Setup::new(On::Sqlite)
            .key("dns.servers", &format!("['{}']", dns.address))
            .key("egress.source_addresses", "['8.8.2.2']")
            .key("egress.ca_file", &format!("'{}'", file.display()))
            .key("egress.retry.first", "'2s'")
            .key("egress.retry.max", "'4s'")
            .start(&watch);
        let store = format!("mise.{mise}@{shop}");
        let account = add_merchant(&relay, "mise", &[&store]);
        let order = open_order(&relay, "mise", "A-1", &format!("hana.{hana}@{good}"));
        let letter = Letter::new(&watch, &store, &order.customer_alias);
        let (user, password) = (&account.user, &account.password);
        let mut client = Client::log_in(relay.submissions(), &watch, "mise", user, password).unwrap();
        let sent = client.send(&store, &[&letter.to], &letter.bytes()).unwrap();
        let id = sent.is("250 2.0.0").queue_ids().remove(0);
        let trace = || serde_json::to_string(&relay.trace(&["--message", &id])).unwrap();
        let text = eventually("an attempt", || Some(trace()).filter(|text| text.contains("\"phase\"")));
        assert!(text.contains("451 4.7.5") && text.contains("certificate-expired"), "{text}");
        assert!(!postfix.log().contains(&format!("hana.{hana}")), "{}", postfix.log());
        assert!(postfix.mails(&format!("hana.{hana}")).is_empty());
        // Renewed there; nobody touches the queue here.
        let (certificate, key) = authority.issue(&host, 2999);
        postfix.use_certificate(&certificate, &key);
        postfix.wait_for_mails(&format!("hana.{hana}"), 1);
        let text = eventually("it is settled", || Some(trace()).filter(|text| text.contains("250 2.")));
        assert!(text.contains("certificate: Proven") && !text.contains("tls: None"), "{text}");
    });
}

#[test]
fn our_own_certificate_that_has_ended_is_replaced_by_a_renewed_one_while_sessions_go_on() {
    let authority = Authority::new();
    let name = "relay.anshin.test";
    let (ended, renewed) = (authority.issue(name, 2024), authority.issue(name, 2999));
    let scene = Scene::prepared(
        On::Sqlite,
        |setup| setup,
        |relay| {
            let dir = relay.state().join("tls");
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("certificate.pem"), &ended.0).unwrap();
            fs::write(dir.join("key.pem"), &ended.1).unwrap();
        },
    );
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    let session = || {
        let mut client = scene.customer().unwrap();
        client.say("STARTTLS").unwrap().is("220");
        client.wire().start_tls().unwrap();
        client.say("EHLO client.test").unwrap().is("250");
        client
    };
    let mut before = session();
    assert_eq!(before.wire().certificate(), Some(der(&ended.0)));
    let processes = scene.relay.process_ids();
    let dir = scene.relay.state().join("tls");
    // One after the other, as programs that renew do it; between the two they don't belong together.
    fs::write(dir.join("certificate.pem"), &renewed.0).unwrap();
    assert_eq!(session().wire().certificate(), Some(der(&ended.0)));
    fs::write(dir.join("key.pem"), &renewed.1).unwrap();
    eventually("the renewed one is shown", || {
        (session().wire().certificate() == Some(der(&renewed.0))).then_some(())
    });
    assert_eq!(scene.relay.process_ids(), processes);
    // Also of a session that began under the old one.
    let letters = [scene.to_merchant(), scene.to_merchant()];
    for (client, letter) in [&mut before, &mut session()].into_iter().zip(&letters) {
        client.send(&scene.hana.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
    }
    scene.mise.mailbox.wait_for(2);
    let ready = super::http::request(scene.relay.web(), "GET", "/readyz", "", "");
    assert!(ready.status == 200 && ready.body.contains("2999-12-31"), "{}", ready.body);
}
