//! Block lists at a running relay that asks NSD, with zones as lists publish them (RFC 5782): who is listed, who is not, and
//! what is no answer. A balancer's header says from which address a mail comes.

use super::client::Client;
use super::process::On;
use super::scene::Scene;
use crate::peer::nsd::Nsd;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// What the list publishes, by the address turned round.
const ZONE: &str = "\
    2.0.0.127                                                       A    127.0.0.2\n\
    2.2.0.192                                                       A    127.0.0.2\n\
    2.2.0.192                                                       TXT  \"see https://list.test/\"\n\
    3.2.0.192                                                       A    127.0.0.4\n\
    3.2.0.192                                                       A    127.0.0.10\n\
    4.2.0.192                                                       A    127.255.255.254\n\
    5.2.0.192                                                       A    127.255.255.252\n\
    6.2.0.192                                                       A    203.0.113.7\n\
    7.2.0.192                                                       AAAA ::1\n\
    8.2.0.192                                                       TXT  \"no address\"\n\
    10.2.0.192                                                      CNAME 2.2.0.192\n\
    11.2.0.192                                                      A    127.0.0.1\n\
    1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 A    127.0.0.2\n";

/// Passes questions on to a name server, but says nothing to those for names below `silent.test`, however they are asked.
fn forwarder(to: SocketAddr) -> (SocketAddr, Arc<AtomicU32>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let counter = asked.clone();
    // Ends with the process of the test.
    thread::spawn(move || {
        let mut question = [0; 4096];
        while let Ok((octets, from)) = socket.recv_from(&mut question) {
            let question = &question[..octets];
            if question.windows(7).any(|label| label.eq_ignore_ascii_case(b"\x06silent")) {
                counter.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let up = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            up.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut answer = [0; 4096];
            if let Ok(octets) = up.send_to(question, to).and_then(|_| up.recv(&mut answer)) {
                let _ = socket.send_to(&answer[..octets], from);
            }
        }
    });
    (address, asked)
}

/// A relay that asks these lists, each with its action.
fn asks(dns: SocketAddr, lists: &[(&str, &str)]) -> Scene {
    let lists: Vec<String> =
        lists.iter().map(|(zone, action)| format!("{{ zone = '{zone}', action = '{action}' }}")).collect();
    Scene::with(On::Sqlite, |setup| {
        setup
            .key("dns.servers", &format!("'{dns}'"))
            .key("ingress.mx.proxy_protocol_from", "'127.0.0.0/8'")
            .key("senders.trusted_networks", "['192.0.2.0/24', '2001:db8::/32', '127.0.0.0/8']")
            .key("ingress.mx.blocklist", &format!("[{}]", lists.join(", ")))
    })
}

/// A session from this address.
fn session(scene: &Scene, ip: &str) -> Client {
    let mut client = Client::open(scene.relay.mx(), &scene.watch, "taro").unwrap();
    let (family, own) = if ip.contains(':') { ("TCP6", "::1") } else { ("TCP4", "127.0.0.1") };
    client.wire().write(format!("PROXY {family} {ip} {own} 4000 25\r\n").as_bytes()).unwrap();
    client.read().unwrap().is("220");
    client.say("EHLO client.test").unwrap().is("250");
    client.say("MAIL FROM:<someone@elsewhere.test>").unwrap().is("250");
    client
}

/// How an inquiry from this address is answered.
fn inquiry(scene: &Scene, ip: &str) -> String {
    let rcpt = format!("RCPT TO:<{}>", scene.account.public_alias);
    session(scene, ip).say(&rcpt).unwrap().to_string()
}

#[test]
fn who_is_listed_is_refused_and_what_is_no_listing_stops_nobody() {
    let nsd = Nsd::start(&[("bl.test", Some(ZONE))]);
    let scene = asks(nsd.address(), &[("bl.test", "refuse")]);
    for (ip, is_listed, why) in [
        ("192.0.2.2", true, "listed"),
        ("192.0.2.3", true, "listed for two reasons"),
        ("192.0.2.4", false, "the list refuses the question: a public resolver, says Spamhaus"),
        ("192.0.2.5", false, "the list says that the question is wrong"),
        ("192.0.2.6", false, "the list's domain was parked, and answers everything"),
        ("192.0.2.7", false, "no IPv4 address in the answer"),
        ("192.0.2.8", false, "an explanation alone"),
        ("192.0.2.9", false, "not listed"),
        ("192.0.2.10", true, "listed by another name"),
        ("192.0.2.11", false, "the list refuses the question, as URIBL says it"),
        ("192.0.2.22", false, "the end of a listed name"),
        ("2001:db8::1", true, "listed by nibbles"),
        ("2001:db8::2", false, "not listed"),
        ("2001:db8::10", false, "the nibbles of another"),
        ("::ffff:192.0.2.2", true, "an IPv4 address in another dress"),
    ] {
        let told = inquiry(&scene, ip);
        let begins = if is_listed { "550 5.7.1" } else { "250 2.1.5" };
        assert!(told.starts_with(begins), "{ip}, {why}: {told}");
    }
}

#[test]
fn a_list_that_does_not_answer_lists_nobody_and_the_others_count_all_the_same() {
    let nsd = Nsd::start(&[("bl.test", Some(ZONE)), ("broken.test", None)]);
    let (dns, silent) = forwarder(nsd.address());
    // SERVFAIL, REFUSED, and nothing.
    let mute = [("broken.test", "refuse"), ("bl.example", "refuse"), ("silent.test", "refuse")];
    let scene = asks(dns, &mute);
    assert!(inquiry(&scene, "192.0.2.2").starts_with("250"));
    let scene = asks(dns, &[&mute[..], &[("bl.test", "defer")]].concat());
    assert!(inquiry(&scene, "192.0.2.2").starts_with("450 4.7.1"));
    assert!(inquiry(&scene, "192.0.2.9").starts_with("250"));
    assert!(silent.load(Ordering::Relaxed) >= 3, "it was asked");
}

#[test]
fn mail_of_an_order_passes_from_a_listed_address_and_the_record_names_the_lists() {
    let nsd = Nsd::start(&[("bl.test", Some(ZONE)), ("other.test", Some("2.2.0.192 A 127.0.0.3\n"))]);
    let scene = asks(nsd.address(), &[("bl.test", "refuse"), ("other.test", "label")]);
    let letter = scene.to_merchant();
    let mut client = session(&scene, "192.0.2.2");
    client.say("RSET").unwrap().is("250");
    let told = client.send(&scene.hana.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
    let trace = scene.relay.trace(&["--message", &told.queue_ids()[0]]);
    let accepted = trace.iter().find(|line| line["event"] == "accepted").unwrap();
    assert!(accepted.to_string().contains(r#""lists":["bl.test","other.test"]"#), "{accepted}");
    // One that only labels stops no inquiry either.
    let scene = asks(nsd.address(), &[("other.test", "label")]);
    assert!(inquiry(&scene, "192.0.2.2").starts_with("250"));
}
