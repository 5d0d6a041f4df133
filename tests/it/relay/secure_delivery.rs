//! Mail servers found through the DNS at their real ports, with TLSA records in a signed zone or an MTA-STS policy: Postfix,
//! NSD, Unbound, OpenSSL as the policy's host and the relay in a network of their own, where public addresses are ours to give.
//!
//! When it fails: as any test; needs root, as Postfix does.

use super::client::Client;
use super::letter::Letter;
use super::process::{On, Setup};
use super::scene::{add_merchant, open_order};
use super::watch::Watch;
use crate::peer::dns::Dnssec;
use crate::peer::eventually;
use crate::peer::postfix::Postfix;
use crate::peer::{HOW_TO_RUN, Scratch};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Set for the test that runs within the network of its own.
const INSIDE: &str = "ANSHIN_TEST_OWN_NETWORK";

/// Runs the test of this name in a network of its own that has these addresses besides loopback.
pub fn in_own_network(test: &str, addresses: &[&str], within: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let ip = |arguments: &[&str]| {
            let status = Command::new("ip").args(arguments).status();
            let status = status.unwrap_or_else(|fault| panic!("ip: {fault}; {HOW_TO_RUN}"));
            assert!(status.success(), "ip {arguments:?}");
        };
        ip(&["link", "set", "lo", "up"]);
        for address in addresses {
            ip(&["address", "add", address, "dev", "lo"]);
        }
        return within();
    }
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.arg("--net").arg("--").arg(own).args(["--exact", test, "--nocapture"]).env(INSIDE, "yes");
    let output = command.output().unwrap_or_else(|fault| panic!("unshare: {fault}; {HOW_TO_RUN}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let both = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{HOW_TO_RUN}, as root\n{both}");
}

#[test]
fn a_mail_server_is_held_to_its_tlsa_records_at_the_real_port() {
    let name = "relay::secure_delivery::a_mail_server_is_held_to_its_tlsa_records_at_the_real_port";
    in_own_network(name, &["8.8.1.25/32", "8.8.2.2/32"], || {
        let watch = Arc::new(Watch::default());
        let [mise, hana, taro] = ["mise", "hana", "taro"].map(|who| watch.needle(who));
        let domain = |who: &str, needle: &str| format!("{who}-{needle}.example");
        let (good, bad) = (domain("hana", &hana), domain("taro", &taro));
        let postfix = Postfix::start_at(&good, "8.8.1.25:25".parse().unwrap());
        let certificate = CertificateDer::from_pem_file(postfix.certificate()).unwrap();
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&certificate));
        let records = [(&good, digest.as_str()), (&bad, &"ab".repeat(32))].map(|(domain, digest)| {
            format!(
                "{domain}. MX 10 mx.{domain}.\nmx.{domain}. A 8.8.1.25\n\
                 _25._tcp.mx.{domain}. TLSA 3 0 1 {digest}\n"
            )
        });
        let dns = Dnssec::start(&records.concat(), "");
        let relay = Setup::new(On::Sqlite)
            .key("dns.servers", &format!("['{}']", dns.address))
            .key("dns.dnssec", "'trust'")
            .key("egress.source_addresses", "['8.8.2.2']")
            .start(&watch);
        let store = format!("mise.{mise}@{}", domain("mise", &mise));
        let account = add_merchant(&relay, "mise", &[&store]);
        let submit = |order: &str, customer: &str| {
            let order = open_order(&relay, "mise", order, customer);
            let letter = Letter::new(&watch, &store, &order.customer_alias);
            let (user, password) = (&account.user, &account.password);
            let mut client = Client::log_in(relay.submissions(), &watch, "mise", user, password).unwrap();
            client.send(&store, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0").queue_ids().remove(0)
        };
        let tried = |id: &str| {
            eventually("an attempt", || {
                let text = serde_json::to_string(&relay.trace(&["--message", id])).unwrap();
                text.contains("\"phase\"").then_some(text)
            })
        };
        let text = tried(&submit("A-1", &format!("hana.{hana}@{good}")));
        assert!(text.contains("certificate: Dane"), "{text}\n{}", dns.logs());
        postfix.wait_for_mails(&format!("hana.{hana}"), 1);

        let text = tried(&submit("A-2", &format!("taro.{taro}@{bad}")));
        assert!(text.contains("451 4.7.5"), "{text}");
        assert!(text.contains("tlsa-mismatch"), "{text}");
        assert!(!postfix.log().contains(&format!("taro.{taro}")), "{}", postfix.log());
    });
}

/// `openssl s_server` as the host of an MTA-STS policy.
pub struct PolicyHost {
    child: Child,
    _scratch: Scratch,
}

impl PolicyHost {
    /// Serves the policy at this address with a certificate of these names; the certificate as PEM.
    pub fn start(address: &str, names: Vec<String>, policy: &str) -> (Self, String) {
        let scratch = Scratch::new("policy");
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let dir = scratch.path();
        std::fs::create_dir(dir.join(".well-known")).unwrap();
        std::fs::write(dir.join(".well-known/mta-sts.txt"), policy).unwrap();
        std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let mut command = Command::new("openssl");
        command
            .args(["s_server", "-accept", address, "-cert", "cert.pem", "-key", "key.pem", "-WWW", "-quiet"]);
        let child = command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().unwrap_or_else(|fault| panic!("openssl: {fault}; {HOW_TO_RUN}"));
        eventually("the policy's host listens", || std::net::TcpStream::connect(address).ok());
        (Self { child, _scratch: scratch }, made.cert.pem())
    }
}

impl Drop for PolicyHost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_mail_server_is_held_to_its_domains_policy_at_the_real_ports() {
    let name = "relay::secure_delivery::a_mail_server_is_held_to_its_domains_policy_at_the_real_ports";
    in_own_network(name, &["8.8.1.25/32", "8.8.1.80/32", "8.8.2.2/32"], || {
        let watch = Arc::new(Watch::default());
        let [mise, hana, taro] = ["mise", "hana", "taro"].map(|who| watch.needle(who));
        let domain = |who: &str, needle: &str| format!("{who}-{needle}.plain");
        let (good, bad) = (domain("hana", &hana), domain("taro", &taro));
        let postfix = Postfix::start_at(&good, "8.8.1.25:25".parse().unwrap());
        // Both domains have one policy, which names the mail server of one of them.
        let policy = format!("version: STSv1\nmode: enforce\nmx: mx.{good}\nmax_age: 86400\n");
        let names = vec![format!("mta-sts.{good}"), format!("mta-sts.{bad}")];
        let (_host, certificate) = PolicyHost::start("8.8.1.80:443", names, &policy);
        let records = [&good, &bad].map(|domain| {
            format!(
                "{domain}. MX 10 mx.{domain}.\nmx.{domain}. A 8.8.1.25\nmta-sts.{domain}. A 8.8.1.80\n\
                 _mta-sts.{domain}. TXT \"v=STSv1; id=1;\"\n"
            )
        });
        let dns = Dnssec::start("", &records.concat());
        let roots = Scratch::new("roots");
        let file = roots.path().join("roots.pem");
        let own = std::fs::read_to_string(postfix.certificate()).unwrap();
        std::fs::write(&file, format!("{certificate}{own}")).unwrap();
        let relay = Setup::new(On::Sqlite)
            .key("dns.servers", &format!("['{}']", dns.address))
            .key("egress.source_addresses", "['8.8.2.2']")
            .key("egress.ca_file", &format!("'{}'", file.display()))
            .start(&watch);
        let store = format!("mise.{mise}@{}", domain("mise", &mise));
        let account = add_merchant(&relay, "mise", &[&store]);
        let tried = |order: &str, customer: &str| {
            let order = open_order(&relay, "mise", order, customer);
            let letter = Letter::new(&watch, &store, &order.customer_alias);
            let (user, password) = (&account.user, &account.password);
            let mut client = Client::log_in(relay.submissions(), &watch, "mise", user, password).unwrap();
            let sent = client.send(&store, &[&letter.to], &letter.bytes()).unwrap();
            let id = sent.is("250 2.0.0").queue_ids().remove(0);
            eventually("an attempt", || {
                let text = serde_json::to_string(&relay.trace(&["--message", &id])).unwrap();
                text.contains("\"phase\"").then_some(text)
            })
        };
        let text = tried("A-1", &format!("hana.{hana}@{good}"));
        assert!(text.contains("certificate: Proven"), "{text}");
        postfix.wait_for_mails(&format!("hana.{hana}"), 1);
        let text = tried("A-2", &format!("taro.{taro}@{bad}"));
        assert!(text.contains("451 4.7.5") && text.contains("mx-not-in-sts-policy"), "{text}");
    });
}
