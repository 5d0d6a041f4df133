//! The door: limits, balancers, certificates, and sockets that outlive a process.

use super::client::Client;
use super::process::{On, Setup, TestRelay};
use super::scene::Scene;
use super::watch::Watch;
use super::wire::Wire;
use crate::peer::clamd::{self, Clamd, MALWARE};
use crate::peer::rspamd::{self, Rspamd};
use crate::peer::{HOW_TO_RUN, eventually, sqlite};
use sqlx::Row;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// A scene in which loopback counts like any network.
pub fn limited(keys: &[(&str, &str)]) -> Scene {
    Scene::with(On::Sqlite, |setup| {
        keys.iter().fold(setup.key("limits.exempt", "[]"), |setup, (key, value)| setup.key(key, value))
    })
}

pub fn log_has(relay: &TestRelay, event: &str, word: &str) -> bool {
    let log = relay.log();
    log.lines().any(|line| line.contains(&format!("\"event\":\"{event}\"")) && line.contains(word))
}

/// Log records of an event.
pub fn records(relay: &TestRelay, event: &str) -> usize {
    counted(relay, "SELECT COUNT(*) FROM record WHERE event = $1", event)
}

fn counted(relay: &TestRelay, text: &'static str, event: &str) -> usize {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = sqlite::connect(&relay.database_url()).await;
        let count: i64 = sqlx::query(text).bind(event).fetch_one(&mut connection).await.unwrap().get(0);
        usize::try_from(count).unwrap()
    })
}

#[test]
fn connections_beyond_the_rate_are_told_when_to_come_again() {
    let scene = limited(&[("limits.ip.connections", "'3/1h'"), ("limits.longest_delay", "'1ms'")]);
    for _ in 0..3 {
        scene.customer().unwrap();
    }
    let refused = scene.customer().err().unwrap().to_string();
    assert!(refused.starts_with("421 4.7.0") && refused.contains("try again in 20 minutes"), "{refused}");
    assert!(log_has(&scene.relay, "limited", "connections"));
}

#[test]
fn whoever_guesses_aliases_is_cut_and_mail_to_a_known_one_passes_all_the_same() {
    let scene = limited(&[("limits.ip.unknown_recipients", "'3/1h'"), ("limits.longest_delay", "'1ms'")]);
    let guess = |n: usize| format!("RCPT TO:<a{n}guess@shop.anshin.test>");
    let mut guesser = scene.customer().unwrap();
    guesser.say("MAIL FROM:<guesser@elsewhere.test>").unwrap().is("250");
    for n in 0..3 {
        guesser.say(&guess(n)).unwrap().is("550 5.1.1");
    }
    guesser.say(&guess(4)).unwrap().is("421 4.7.0");
    assert!(guesser.read().is_err());
    assert!(log_has(&scene.relay, "limited", "unknown_recipients"));
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.mise.mailbox.wait_for(1);
}

#[test]
fn a_sender_and_an_alias_have_their_own_limits() {
    let scene = limited(&[
        ("limits.sender.messages", "'2/1h'"),
        ("limits.alias.messages", "'3/1h'"),
        ("limits.longest_delay", "'1ms'"),
    ]);
    for _ in 0..2 {
        scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    }
    let told = scene.deliver(&scene.to_merchant()).is("450 4.7.1");
    assert!(told.to_string().contains("from this sender: try again in 30 minutes"), "{told}");
    // Bounces have no sender, and the store its own limits.
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    let mut inquirer = scene.customer().unwrap();
    for n in 0..3 {
        inquirer.say(&format!("MAIL FROM:<someone{n}@elsewhere.test>")).unwrap().is("250");
        inquirer.say(&format!("RCPT TO:<{}>", scene.account.public_alias)).unwrap().is("250");
        inquirer.say("RSET").unwrap().is("250");
    }
    inquirer.say("MAIL FROM:<someone4@elsewhere.test>").unwrap().is("250");
    let told = inquirer.say(&format!("RCPT TO:<{}>", scene.account.public_alias)).unwrap().is("450 4.7.1");
    assert!(told.to_string().contains("to this address"), "{told}");
}

#[test]
fn whoever_knows_an_alias_shuts_out_nobody_else_and_proven_mail_counts_for_all() {
    let scene = limited(&[("limits.alias.messages", "'2/1h'"), ("limits.longest_delay", "'1ms'")]);
    let rcpt = format!("RCPT TO:<{}>", scene.order.merchant_alias);
    let from = |host: &str, n: usize| {
        let mut client =
            Client::open_from(host.parse().unwrap(), scene.relay.mx(), &scene.watch, "x").unwrap();
        client.read().unwrap().is("220");
        client.say("EHLO x.elsewhere.test").unwrap().is("250");
        client.say(&format!("MAIL FROM:<someone{n}@elsewhere.test>")).unwrap().is("250");
        client.say(&rcpt).unwrap()
    };
    for n in 0..2 {
        from("127.0.9.1", n).is("250");
    }
    from("127.0.9.2", 2).is("450 4.7.1");
    for _ in 0..2 {
        scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    }
    scene.mise.mailbox.wait_for(2);
    from("127.0.8.1", 3).is("450 4.7.1");
}

#[test]
fn a_store_that_sends_too_much_is_told_which_limit_it_met() {
    let scene = limited(&[("limits.store.messages", "'2/1h'"), ("limits.longest_delay", "'1ms'")]);
    for _ in 0..2 {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
    }
    let told = scene.submit(&scene.to_customer()).is("450 4.7.1");
    assert!(told.to_string().contains("from this store"), "{told}");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
}

#[test]
fn what_strangers_make_us_record_is_bounded() {
    let scene = limited(&[
        ("limits.records_per_minute", "20"),
        ("limits.ip.unknown_recipients", "'off'"),
        ("limits.network.unknown_recipients", "'off'"),
    ]);
    for _ in 0..3 {
        let mut guesser = scene.customer().unwrap();
        guesser.say("MAIL FROM:<guesser@elsewhere.test>").unwrap().is("250");
        for n in 0..9 {
            guesser.say(&format!("RCPT TO:<a{n}guess@shop.anshin.test>")).unwrap().is("550 5.1.1");
        }
    }
    // Of one network a tenth of all: 2 at once, and one more each half minute.
    let kept = records(&scene.relay, "refused");
    assert!((2..=4).contains(&kept), "{kept}");
    // What a record is found by is bounded with it.
    let counted = |text| counted(&scene.relay, text, "refused");
    assert_eq!(counted("SELECT COUNT(*) FROM fact WHERE event = $1"), kept);
    assert!(counted("SELECT COUNT(*) FROM rollup WHERE event = $1") <= kept);
}

#[test]
fn behind_a_balancer_the_clients_address_counts_and_a_header_is_needed() {
    let scene = limited(&[
        ("ingress.mx.proxy_protocol_from", "'127.0.0.0/8'"),
        ("limits.ip.connections", "'1/1h'"),
        ("limits.longest_delay", "'1ms'"),
    ]);
    let mx = scene.relay.mx();
    let open = |header: &[u8]| {
        let mut wire = Wire::new(TcpStream::connect(mx).unwrap()).unwrap();
        wire.write(header).unwrap();
        wire.line().map(|line| String::from_utf8(line).unwrap())
    };
    let v4 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[192, 0, 2, 9, 127, 0, 0, 1, 1, 1, 0, 25]]
        .concat();
    for header in
        [&b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n"[..], &v4, b"PROXY TCP6 2001:db8::1 ::1 4000 25\r\n"]
    {
        assert!(open(header).unwrap().starts_with("220 "));
    }
    let told = open(b"PROXY TCP4 192.0.2.7 127.0.0.1 4001 25\r\n").unwrap();
    assert!(told.starts_with("421 4.7.0"), "{told}");
    for header in [&b"EHLO client.test\r\n"[..], b"PROXY TCP4 192.0.2.8 127.0.0.1 4001\r\n", &v4[..13]] {
        let closed = {
            let mut wire = Wire::new(TcpStream::connect(mx).unwrap()).unwrap();
            wire.write(header).unwrap();
            // The relay may have closed already.
            wire.finish().is_err() || wire.line().is_err()
        };
        assert!(closed);
    }
    assert!(log_has(&scene.relay, "proxy_refused", "PROXY header"));
    // The other listeners take none: whoever sends it is no SMTP client.
    let mut other = Wire::new(TcpStream::connect(scene.relay.submission()).unwrap()).unwrap();
    assert!(other.line().unwrap().starts_with(b"220 "));
    other.write(b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 587\r\n").unwrap();
    assert!(other.line().unwrap().starts_with(b"500 "));
}

#[test]
fn a_mail_through_a_balancer_is_recorded_with_its_clients_address() {
    let scene =
        Scene::with(On::Sqlite, |setup| setup.key("ingress.mx.proxy_protocol_from", "'127.0.0.1/32'"));
    let mut client = Client::open(scene.relay.mx(), &scene.watch, "hana").unwrap();
    client.wire().write(b"PROXY TCP4 192.0.2.77 127.0.0.1 4000 25\r\n").unwrap();
    client.read().unwrap().is("220");
    client.say("EHLO client.test").unwrap().is("250");
    let letter = scene.to_merchant();
    let id = client.send(&scene.hana.address, &[&letter.to], &letter.bytes()).unwrap().is("250").queue_ids();
    let trace = scene.relay.trace(&["--message", &id[0]]);
    assert!(trace.iter().any(|line| line.to_string().contains("192.0.2.77")), "{trace:?}");
}

#[test]
fn sighup_reads_the_certificates_again_and_keeps_the_old_ones_where_the_new_are_broken() {
    let scene = Scene::new(On::Sqlite);
    let seen = || {
        let mut wire = Wire::new(TcpStream::connect(scene.relay.submissions()).unwrap()).unwrap();
        wire.start_tls().unwrap();
        wire.certificate().unwrap()
    };
    let old = seen();
    let certificate = scene.relay.state().join("tls/certificate.pem");
    std::fs::write(&certificate, "no certificate").unwrap();
    scene.relay.signal("HUP");
    eventually("it is complained about", || log_has(&scene.relay, "certificate_refused", "").then_some(()));
    assert_eq!(seen(), old);
    let made = rcgen::generate_simple_self_signed(vec!["relay.anshin.test".to_owned()]).unwrap();
    std::fs::write(scene.relay.state().join("tls/key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    scene.relay.signal("HUP");
    eventually("the new one is served", || (seen() == made.cert.der().to_vec()).then_some(()));
}

/// A process that opens the sockets and outlives the relay.
struct Supervisor {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Supervisor {
    fn new(relay: &TestRelay, names: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/relay/supervisor.py");
        let binary = relay.binary();
        let mut child = Command::new("python3")
            .arg(script)
            .arg(names)
            .arg(binary.get_program())
            .args(binary.get_args())
            .args(["serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|fault| panic!("python3: {fault}; {HOW_TO_RUN}"));
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn connections_wait_at_passed_sockets_while_one_process_ends_and_the_next_begins() {
    let watch = Arc::new(Watch::default());
    let relay = Setup::new(On::Sqlite).prepare(&watch);
    let mut supervisor = Supervisor::new(&relay, "mx:submission:submissions:web");
    let ports: serde_json::Value = serde_json::from_str(&supervisor.line()).unwrap();
    let at = |name: &str| {
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(ports[name].as_u64().unwrap()).unwrap()))
    };
    supervisor.order("start");
    let mut open = Client::hello(at("mx"), &watch, "hana").unwrap();
    assert_eq!(super::http::request(at("web"), "GET", "/readyz", "", "").status, 200);
    let mut tls = Wire::new(TcpStream::connect(at("submissions")).unwrap()).unwrap();
    tls.start_tls().unwrap();
    supervisor.order("stop");
    // What is idle is told that the server stops; nothing is cut without a word.
    open.read().unwrap().is("421 4.3.2");
    assert_eq!(supervisor.line(), "0");
    let waiting: Vec<_> = (0..20).map(|_| TcpStream::connect(at("mx")).unwrap()).collect();
    supervisor.order("start");
    for stream in waiting {
        let mut wire = Wire::new(stream).unwrap();
        assert!(wire.line().unwrap().starts_with(b"220 "));
    }
}

#[test]
fn a_refusal_leads_to_a_page_that_helps_in_both_languages() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("web.public_url", "'https://relay.anshin.test/'"));
    let mut client = scene.customer().unwrap();
    let taro = &scene.taro.address;
    let mut told = |parameter: &str| {
        client.say(&format!("MAIL FROM:<{taro}>{parameter}")).unwrap().is("250");
        client.say(&format!("RCPT TO:<{}>", scene.order.merchant_alias)).unwrap().is("250");
        client.say("DATA").unwrap().is("354");
        client.say(&format!("From: {taro}\r\nSubject: x\r\n\r\nx\r\n.")).unwrap().is("550 5.7.1")
    };
    let refused = told("");
    let last = refused.lines.last().unwrap();
    let path = last.split_once("https://relay.anshin.test").unwrap().1;
    assert!(refused.to_string().is_ascii());
    let page = super::http::request(scene.relay.web(), "GET", path, "", "");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("ご注文時のメールアドレス") && page.body.contains("used for the order"));
    assert_eq!(super::http::request(scene.relay.web(), "GET", "/help/nothing", "", "").status, 404);
    // Who says SMTPUTF8 reads Japanese in the reply itself.
    assert!(told(" SMTPUTF8").to_string().contains("ご注文時"));
}

#[test]
fn the_policy_for_senders_is_served_where_it_is_configured_and_the_dns_records_belong_to_it() {
    let scene = Scene::with(On::Sqlite, |setup| {
        setup.key("web.mta_sts.mode", "'enforce'").key("web.mta_sts.report_to", "'mailto:tls@anshin.test'")
    });
    let policy = super::http::request(scene.relay.web(), "GET", "/.well-known/mta-sts.txt", "", "");
    assert_eq!(policy.status, 200);
    assert_eq!(
        policy.body,
        "version: STSv1\r\nmode: enforce\r\nmx: relay.anshin.test\r\nmax_age: 604800\r\n"
    );
    let records = scene.relay.anshin(&["dns"]);
    let of = |name: &str| {
        let found = records.as_array().unwrap().iter().find(|record| record["name"] == name);
        found.map(|record| record["value"].as_str().unwrap().to_owned())
    };
    assert!(of("_mta-sts.shop.anshin.test").unwrap().starts_with("v=STSv1; id="));
    assert_eq!(of("mta-sts.pc.fw.anshin.test").unwrap(), "relay.anshin.test.");
    assert_eq!(of("_smtp._tls.mb.fw.anshin.test").unwrap(), "v=TLSRPTv1; rua=mailto:tls@anshin.test");
    assert!(of("_25._tcp.relay.anshin.test").unwrap().starts_with("3 1 1 "));
    let silent = Scene::new(On::Sqlite);
    assert_eq!(
        super::http::request(silent.relay.web(), "GET", "/.well-known/mta-sts.txt", "", "").status,
        404
    );
}

#[test]
fn a_first_inquiry_is_put_off_and_taken_when_it_comes_again_and_an_order_is_never_put_off() {
    let scene = limited(&[("ingress.mx.greylist.wait", "'2s'")]);
    let inquire = || {
        let letter =
            super::letter::Letter::new(&scene.watch, &scene.taro.address, &scene.account.public_alias);
        scene.customer().unwrap().send(&scene.taro.address, &[&letter.to], &letter.bytes()).unwrap()
    };
    let told = inquire().is("450 4.7.1");
    assert!(told.to_string().contains("try again in a minute"), "{told}");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    eventually("it has waited long enough", || (inquire().code == 250).then_some(()));
    inquire().is("250 2.0.0");
    scene.mise.mailbox.wait_for(3);
}

#[test]
fn a_mail_that_the_scanner_does_not_like_is_refused_and_one_that_it_cannot_see_is_put_off() {
    let clamd = Clamd::start();
    let address = format!("'{}'", clamd.socket().display());
    let scene = Scene::with(On::Sqlite, |setup| setup.key("ingress.clamd.address", &address));
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    let letter = scene.to_merchant();
    let bad = [letter.bytes(), MALWARE.to_vec()].concat();
    let told = scene.customer().unwrap().send(&scene.hana.address, &[&letter.to], &bad).unwrap();
    told.is("554 5.7.0");
    assert!(log_has(&scene.relay, "malware", clamd::NAME));
    drop(clamd);
    scene.deliver(&scene.to_merchant()).is("451 4.3.0");
}

#[test]
fn a_mail_that_the_filter_marks_or_would_reject_arrives_with_a_label() {
    let filter = Rspamd::start();
    let address = format!("'{}'", filter.address);
    let scene = Scene::with(On::Sqlite, |setup| setup.key("ingress.rspamd.address", &address));
    let send = |words: &[u8]| {
        let letter = scene.to_merchant();
        // What a sender says of his own mail counts for nothing.
        let text = [b"X-Spam-Flag: NO\r\n", letter.bytes().as_slice(), words].concat();
        scene.customer().unwrap().send(&scene.hana.address, &[&letter.to], &text).unwrap()
    };
    let flag = |count: usize| {
        let mail = scene.mise.mailbox.wait_for(count).pop().unwrap();
        super::letter::header(&mail.bytes, "X-Spam-Flag")
    };
    send(b"").is("250 2.0.0");
    assert_eq!(flag(1), None);
    for (count, words) in [(2, rspamd::MARKED), (3, rspamd::REJECTED)] {
        send(words).is("250 2.0.0");
        assert_eq!(flag(count).as_deref(), Some("YES"));
    }
    assert!(log_has(&scene.relay, "labelled", "reject"));
    // Without the filter mail goes on without labels.
    drop(filter);
    send(rspamd::MARKED).is("250 2.0.0");
    assert_eq!(flag(4), None);
    assert!(log_has(&scene.relay, "rating_failed", "rspamd"));
}

#[test]
fn a_mail_that_the_filter_rejects_is_refused_where_that_is_wanted() {
    let filter = Rspamd::start();
    let address = format!("'{}'", filter.address);
    let scene = Scene::with(On::Sqlite, |setup| {
        setup
            .key("ingress.rspamd.address", &address)
            .key("ingress.rspamd.on_spam", "'refuse'")
            .key("ingress.rspamd.on_failure", "'defer'")
    });
    let send = |words: &[u8]| {
        let letter = scene.to_merchant();
        let text = [letter.bytes().as_slice(), words].concat();
        scene.customer().unwrap().send(&scene.hana.address, &[&letter.to], &text).unwrap()
    };
    send(rspamd::REJECTED).is("554 5.7.1");
    send(rspamd::MARKED).is("250 2.0.0");
    scene.mise.mailbox.wait_for(1);
    drop(filter);
    send(b"").is("451 4.3.0");
}
