//! Who is writing: the table of docs/senders.md, row by row, against the running relay with a real name server; and what
//! follows from it for guests, for those who guess, and for name servers that do not answer.
//!
//! Everything that belongs to the customer, names of servers and senders' domains too, has her needle in it. Her provider
//! sends from 127.0.0.11, everybody else from elsewhere.

use super::client::{Client, Reply};
use super::letter::Letter;
use super::process::{On, Setup, TestRelay};
use super::scene::{Account, Order, Person, add_merchant, open_order};
use super::senders_rows::Outcome;
use super::senders_table::rows;
use super::watch::Watch;
use crate::peer::nsd::Nsd;
use crate::peer::{dkimpy, eventually};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The servers that the customer's provider sends from.
pub const PROVIDER: &str = "127.0.0.11";
/// Some other server.
pub const ELSEWHERE: &str = "127.0.0.12";
/// The forwarder that the operator trusts.
pub const FORWARDER: &str = "127.0.0.13";

/// A store, a customer whose domains publish what the rows need, and their relay, which trusts nobody.
pub struct Stage {
    // Dropped first: it reads what the others were shown.
    pub relay: TestRelay,
    pub watch: Arc<Watch>,
    pub mise: Person,
    pub hana: Person,
    pub account: Account,
    pub needle: String,
    /// RSA keys in PEM: of the customer's domains, a short one, the forwarder's.
    pub keys: [String; 3],
    /// An Ed25519 key (PKCS#8).
    pub ed25519: Vec<u8>,
    _dns: Nsd,
}

impl Stage {
    pub fn new(change: impl FnOnce(Setup) -> Setup) -> Self {
        let watch = Arc::new(Watch::default());
        let [mise, hana] = ["mise", "hana"].map(|who| Person::new(&watch, who));
        let needle = hana.domain.trim_start_matches("hana-").trim_end_matches(".test").to_owned();
        let [(own, own_p), (short, short_p), (forwarder, forwarder_p)] =
            [2048, 768, 2048].map(dkimpy::rsa_key);
        let ed25519 = mail_auth::crypto::Ed25519Key::generate_pkcs8().unwrap();
        let ed25519_p = data_encoding::BASE64
            .encode(&mail_auth::crypto::Ed25519Key::from_pkcs8_der(&ed25519).unwrap().public_key());
        let zone = zone()
            .replace("IDN", idn(&needle).trim_end_matches(".test"))
            .replace("NEEDLE", &needle)
            .replace("OWN", &text(&format!("v=DKIM1; k=rsa; p={own_p}")))
            .replace("TRIAL", &text(&format!("v=DKIM1; k=rsa; t=y; p={own_p}")))
            .replace("SHORT", &text(&format!("v=DKIM1; k=rsa; p={short_p}")))
            .replace("FORWARDER", &text(&format!("v=DKIM1; k=rsa; p={forwarder_p}")))
            .replace("ED25519", &text(&format!("v=DKIM1; k=ed25519; p={ed25519_p}")));
        // Of loopback addresses resolvers know the names themselves (RFC 6761 §6.3), so this one is asked about by hand.
        let reverse = format!("11 PTR out.spf-{needle}.test.\n");
        let dns = Nsd::start(&[
            ("test", Some(&zone)),
            (&format!("broken-{needle}.test"), None),
            ("2.0.192.in-addr.arpa", Some(&reverse)),
        ]);
        let setup = Setup::new(On::Sqlite)
            .route(&mise.domain, mise.mailbox.address())
            .route("*", hana.mailbox.address())
            .key("dns.servers", &format!("'{}'", dns.address()))
            .key("senders.trusted_networks", "[]")
            .key("senders.trusted_forwarders", &format!("['forward-{needle}.test']"));
        let relay = change(setup).start(&watch);
        let account = add_merchant(&relay, "mise", &[&mise.address]);
        let keys = [own, short, forwarder];
        Self { relay, watch, mise, hana, account, needle, keys, ed25519, _dns: dns }
    }

    pub fn order(&self, number: &str, customer: &str) -> Order {
        open_order(&self.relay, "mise", number, customer)
    }

    /// A session from this address of a server that calls itself so.
    pub fn session(&self, ip: &str, helo: &str) -> Client {
        let from = ip.parse().unwrap();
        let mut client = Client::open_from(from, self.relay.mx(), &self.watch, "hana").unwrap();
        assert_eq!(client.read().unwrap().code, 220);
        client.say(&format!("EHLO {helo}")).unwrap().is("250");
        client
    }

    /// A mail over such a session.
    pub fn send(&self, ip: &str, path: &str, to: &str, mail: &[u8]) -> Reply {
        self.session(ip, &format!("out.spf-{}.test", self.needle)).send(path, &[to], mail).unwrap()
    }

    /// Waits until a mail with this subject has come to the store; its bytes.
    pub fn arrives(&self, subject: &str) -> Vec<u8> {
        eventually(&format!("{subject} arrives"), || {
            self.mise.mailbox.look(|received| {
                let is_it =
                    |mail: &&super::mailbox::Received| String::from_utf8_lossy(&mail.bytes).contains(subject);
                received.iter().find(is_it).map(|mail| mail.bytes.clone())
            })
        })
    }

    /// Why a message is held; `None` when it is not.
    pub fn held_for(&self, id: &str) -> Option<String> {
        let shown = self.relay.anshin(&["queue", "show", id]);
        shown[0]["held_for"].as_str().map(str::to_owned)
    }
}

/// The customer's domain with Japanese letters, as it stands in the DNS.
pub fn idn(needle: &str) -> String {
    anshin::mail::Domain::parse(&format!("花{needle}.test")).unwrap().as_str().to_owned()
}

/// A TXT record's strings, of 255 octets at most.
fn text(value: &str) -> String {
    let pieces: Vec<String> =
        value.as_bytes().chunks(200).map(|piece| format!("\"{}\"", String::from_utf8_lossy(piece))).collect();
    pieces.join(" ")
}

/// What the customer's domains, and those of forwarders and liars, publish.
fn zone() -> String {
    let many: String = (0..11).map(|n| format!("n{n}.many-NEEDLE TXT \"v=spf1 ?all\"\n")).collect();
    let includes: String = (0..11).map(|n| format!("\"include:n{n}.many-NEEDLE.test \" ")).collect();
    format!(
        "spf-NEEDLE                     TXT \"v=spf1 ip4:127.0.0.11 -all\"\n\
         out.spf-NEEDLE                 A   127.0.0.11\n\
         out.spf-NEEDLE                 A   192.0.2.11\n\
         out.spf-NEEDLE                 TXT \"v=spf1 a -all\"\n\
         bounce.spf-NEEDLE              TXT \"v=spf1 ip4:127.0.0.11 -all\"\n\
         quarantine-NEEDLE              TXT \"v=spf1 -all\"\n\
         _dmarc.quarantine-NEEDLE       TXT \"v=DMARC1; p=quarantine\"\n\
         reject-NEEDLE                  TXT \"v=spf1 ip4:127.0.0.11 -all\"\n\
         _dmarc.reject-NEEDLE           TXT \"v=DMARC1; p=reject\"\n\
         own._domainkey.reject-NEEDLE   TXT OWN\n\
         strict-NEEDLE                  TXT \"v=spf1 ip4:127.0.0.11 -all\"\n\
         bounce.strict-NEEDLE           TXT \"v=spf1 ip4:127.0.0.11 -all\"\n\
         _dmarc.strict-NEEDLE           TXT \"v=DMARC1; p=reject; aspf=s; adkim=s\"\n\
         own._domainkey.bounce.strict-NEEDLE TXT OWN\n\
         bare-NEEDLE                    A   127.0.0.11\n\
         own._domainkey.dkim-NEEDLE     TXT OWN\n\
         trial._domainkey.dkim-NEEDLE   TXT TRIAL\n\
         short._domainkey.dkim-NEEDLE   TXT SHORT\n\
         ed._domainkey.dkim-NEEDLE      TXT ED25519\n\
         own._domainkey.liar-NEEDLE     TXT OWN\n\
         liar-NEEDLE                    TXT \"v=spf1 ip4:127.0.0.12 -all\"\n\
         forward-NEEDLE                 TXT \"v=spf1 ip4:127.0.0.13 -all\"\n\
         arc._domainkey.forward-NEEDLE  TXT FORWARDER\n\
         arc._domainkey.liar-NEEDLE     TXT FORWARDER\n\
         IDN                            TXT \"v=spf1 ip4:127.0.0.11 -all\"\n\
         many-NEEDLE                    TXT \"v=spf1 \" {includes} \"ip4:127.0.0.11 -all\"\n\
         void-NEEDLE                    TXT \"v=spf1 a:v1.void-NEEDLE.test a:v2.void-NEEDLE.test a:v3.void-NEEDLE.test ip4:127.0.0.11 -all\"\n\
         slow-NEEDLE                    TXT \"v=spf1 include:x.broken-NEEDLE.test -all\"\n\
         {many}"
    )
}

#[test]
fn every_row_of_the_table_of_senders_is_as_it_stands_there() {
    let stage = Stage::new(|setup| setup);
    let mut wrong = Vec::new();
    let rows = rows(&stage);
    for (number, row) in rows.iter().enumerate() {
        let order = stage.order(&format!("T-{number}"), &row.customer);
        let letter = Letter::new(&stage.watch, &row.from, &order.merchant_alias);
        let mail = (row.make)(&stage, letter.bytes());
        let mut session = stage.session(row.ip, &row.helo);
        let reply = session.send(&row.path, &[&letter.to], &mail).unwrap();
        let came = match reply.code {
            250 => match stage.held_for(&reply.queue_ids()[0]).as_deref() {
                Some("unproven") => Outcome::Held,
                None => {
                    stage.arrives(&letter.subject);
                    Outcome::Arrives
                }
                Some(other) => panic!("{}: held for {other}", row.case),
            },
            451 => Outcome::Deferred,
            _ => Outcome::Refused,
        };
        let code = reply.lines[0].replacen('-', " ", 1);
        if came != row.outcome || !code.starts_with(row.code) {
            wrong.push(format!("{}: {came:?}, not {:?}: {reply}", row.case, row.outcome));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The page and the rows say the same.
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/senders.md")).unwrap();
    let written: Vec<String> = page
        .lines()
        .skip_while(|line| !line.starts_with("| case |"))
        .skip(2)
        .take_while(|line| line.starts_with("| "))
        .map(|line| line.split('|').skip(1).take(2).map(str::trim).collect::<Vec<_>>().join(": "))
        .collect();
    let tested: Vec<String> =
        rows.iter().map(|row| format!("{}: {}", row.case, row.outcome.on_the_page(row.code))).collect();
    assert_eq!(written, tested, "docs/senders.md and its test differ");
}

#[test]
fn what_was_found_stands_in_the_sealed_record_and_reaches_nobody() {
    let stage = Stage::new(|setup| setup);
    let customer = format!("hana@spf-{}.test", stage.needle);
    let order = stage.order("R-1", &customer);
    let letter = Letter::new(&stage.watch, &customer, &order.merchant_alias);
    let mut mail = b"Authentication-Results: relay.anshin.test; spf=pass\r\n".to_vec();
    mail.extend(letter.bytes());
    let id = stage.send(PROVIDER, &customer, &letter.to, &mail).is("250 2.0.0").queue_ids().remove(0);
    let arrived = stage.arrives(&letter.subject);
    assert!(!String::from_utf8_lossy(&arrived).to_lowercase().contains("authentication-results"));
    let accepted = stage.relay.trace(&["--message", &id]).remove(0);
    let proof = &accepted["detail"]["proof"];
    assert_eq!(proof["verdict"], "proven by spf", "{proof}");
    assert_eq!((&proof["spf"]["result"], &proof["iprev"]), (&"pass".into(), &"fail".into()), "{proof}");
    assert_eq!(proof["author"], format!("spf-{}.test", stage.needle).as_str());
    let log = stage.relay.log();
    let event = log.lines().find(|line| line.contains("sender_checked")).unwrap();
    assert!(event.contains("proven by spf") && !event.contains(&stage.needle), "{event}");
}

#[test]
fn a_guess_of_the_customers_address_is_confirmed_by_no_reply() {
    for (policy, code) in [("'hold'", "250 2.0.0"), ("'refuse'", "550 5.7.1")] {
        let stage =
            Stage::new(|setup| setup.key("senders.unproven", policy).key("senders.other_address", "'admit'"));
        let needle = &stage.needle;
        let right = format!("hana@spf-{needle}.test");
        let order = stage.order("G-1", &right);
        let mut replies = Vec::new();
        // Somebody who has the alias and wants to know whose it is.
        for guess in [right.clone(), format!("taro@spf-{needle}.test"), stage.hana.address.clone()] {
            let letter = Letter::new(&stage.watch, &guess, &order.merchant_alias);
            let mut session = stage.session(ELSEWHERE, "guess.test");
            let mut told = Vec::new();
            told.push(session.say(&format!("MAIL FROM:<{guess}>")).unwrap().to_string());
            told.push(session.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().to_string());
            session.say("RSET").unwrap();
            let reply = session.send(&guess, &[&letter.to], &letter.bytes()).unwrap().is(code);
            let ids = reply.queue_ids();
            told.push(ids.iter().fold(reply.to_string(), |reply, id| reply.replace(id, "ID")));
            replies.push(told);
        }
        assert!(replies.iter().all(|told| *told == replies[0]), "{replies:#?}");
        // An alias that ended looks like one that never was, but to its own party.
        stage.relay.anshin(&["order", "close", "--store-id", "mise", "--order-no", "G-1"]);
        let ask = |ip: &str, sender: &str| {
            let mut session = stage.session(ip, "guess.test");
            session.say(&format!("MAIL FROM:<{sender}>")).unwrap().is("250");
            session.say(&format!("RCPT TO:<{}>", order.merchant_alias)).unwrap()
        };
        ask(ELSEWHERE, &right).is("550 5.1.1");
        ask(ELSEWHERE, &stage.hana.address).is("550 5.1.1");
        ask(PROVIDER, &format!("taro@spf-{needle}.test")).is("550 5.1.1");
        ask(PROVIDER, &right).is("550 5.1.6");
    }
}

#[test]
fn a_held_mail_asks_the_customer_who_decides_by_mail() {
    let stage = Stage::new(|setup| setup);
    let customer = format!("hana@bare-{}.test", stage.needle);
    let order = stage.order("H-1", &customer);
    let letter = Letter::new(&stage.watch, &customer, &order.merchant_alias);
    let id =
        stage.send(PROVIDER, &customer, &letter.to, &letter.bytes()).is("250 2.0.0").queue_ids().remove(0);
    assert_eq!(stage.held_for(&id).as_deref(), Some("unproven"));
    let listed = stage.relay.queue(Some("held"));
    assert_eq!((listed.len(), &listed[0]["held_for"]), (1, &"unproven".into()));
    let notice = stage.hana.mailbox.wait_for(1).remove(0).bytes;
    let parsed = mail_parser::MessageParser::default().parse(&notice).unwrap();
    let text = parsed.body_text(0).unwrap().into_owned();
    let confirm = text.lines().find_map(|line| line.trim().strip_prefix("mailto:c")).unwrap();
    let confirm = format!("c{}", confirm.split_once('?').unwrap().0);
    let decision = format!("From: {customer}\r\nTo: {confirm}\r\nSubject: OK\r\n\r\n");
    // Who knows the address of the notice reads her mail; nothing else proves her today either.
    stage.send(PROVIDER, &customer, &confirm, decision.as_bytes()).is("250 2.0.0");
    stage.arrives(&letter.subject);
}

#[test]
fn a_guest_writes_and_is_answered_and_nobody_sees_an_address() {
    let stage = Stage::new(|setup| setup.key("senders.other_address", "'admit'"));
    let needle = stage.needle.clone();
    let (own, guest) = (format!("hana@spf-{needle}.test"), format!("hana.work@reject-{needle}.test"));
    let order = stage.order("A-1", &own);
    // The store writes to the order's address; she answers from work.
    let (user, password) = (&stage.account.user, &stage.account.password);
    let mut store = Client::log_in(stage.relay.submissions(), &stage.watch, "mise", user, password).unwrap();
    let first = Letter::new(&stage.watch, &stage.mise.address, &order.customer_alias);
    store.send(&stage.mise.address, &[&first.to], &first.bytes()).unwrap().is("250 2.0.0");
    let got = stage.hana.mailbox.wait_for(1).remove(0).bytes;
    let answer = Letter::new(&stage.watch, &guest, &order.merchant_alias).answering(&got);
    stage.send(PROVIDER, &guest, &answer.to, &answer.bytes()).is("250 2.0.0");
    let at_store = stage.arrives(&answer.subject);
    assert_eq!(super::letter::header(&at_store, "In-Reply-To").as_deref(), Some(first.message_id.as_str()));
    let from = super::letter::header(&at_store, "From").unwrap();
    let guest_alias = from.split(['<', '>']).nth(1).unwrap().to_owned();
    assert_ne!(guest_alias, order.customer_alias);
    let back = Letter::new(&stage.watch, &stage.mise.address, &guest_alias).answering(&at_store);
    store.send(&stage.mise.address, &[&back.to], &back.bytes()).unwrap().is("250 2.0.0");
    let received = stage.hana.mailbox.wait_for(2).remove(1);
    assert_eq!(received.forward_paths, std::slice::from_ref(&guest));
    let text = String::from_utf8_lossy(&received.bytes).into_owned();
    assert!(!text.contains(&order.merchant_alias) && text.contains(&answer.message_id), "{text}");
    // Somebody whom nothing proves is no guest.
    let liar = Letter::new(&stage.watch, &guest, &order.merchant_alias);
    stage.send(ELSEWHERE, &guest, &liar.to, &liar.bytes()).is("550 5.7.26");
    let traced = stage.relay.trace(&["--store-id", "mise", "--order-no", "A-1"]);
    let accepted = traced.iter().filter(|line| line["event"] == "accepted").count();
    assert_eq!(accepted, 3, "a guest's mail is the order's: {traced:#?}");
}

#[test]
fn an_inquiry_that_nothing_proves_is_held_and_sends_nothing_to_whoever_it_names() {
    let stage = Stage::new(|setup| setup);
    let named = format!("hana@bare-{}.test", stage.needle);
    let letter = Letter::new(&stage.watch, &named, &stage.account.public_alias);
    let id = stage.send(ELSEWHERE, &named, &letter.to, &letter.bytes()).is("250 2.0.0").queue_ids().remove(0);
    assert_eq!(stage.held_for(&id).as_deref(), Some("unproven"));
    let proven = format!("hana@spf-{}.test", stage.needle);
    let letter = Letter::new(&stage.watch, &proven, &stage.account.public_alias);
    stage.send(PROVIDER, &proven, &letter.to, &letter.bytes()).is("250 2.0.0");
    stage.arrives(&letter.subject);
    assert_eq!(stage.hana.mailbox.count(), 0);
}

#[test]
fn name_servers_that_never_answer_defer_mail_in_bounded_time() {
    // Bound, and read by nobody.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = format!("'{}'", silent.local_addr().unwrap());
    let stage = Stage::new(|setup| setup.key("dns.servers", &server));
    let customer = format!("hana@spf-{}.test", stage.needle);
    let order = stage.order("S-1", &customer);
    let letter = Letter::new(&stage.watch, &customer, &order.merchant_alias);
    let start = Instant::now();
    stage.send(PROVIDER, &customer, &letter.to, &letter.bytes()).is("451 4.7.0");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn an_operator_can_ask_what_proves_a_sender() {
    let stage = Stage::new(|setup| setup);
    let customer = format!("hana@reject-{}.test", stage.needle);
    let letter = Letter::new(&stage.watch, &customer, "x@shop.anshin.test");
    let file = stage.relay.config().with_file_name("mail.eml");
    std::fs::write(&file, letter.bytes()).unwrap();
    let file = file.display().to_string();
    let ask = |ip: &str| {
        let arguments = ["senders", "check", "--ip", ip, "--mail-from", &customer, "--message", &file];
        let output = stage.relay.binary().args(arguments).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(ask(PROVIDER)["verdict"], "proven by spf");
    assert_eq!(ask("192.0.2.11")["iprev"], "pass");
    assert_eq!(ask("192.0.2.12")["iprev"], "permerror");
    let elsewhere = ask(ELSEWHERE);
    assert_eq!((&elsewhere["verdict"], &elsewhere["dmarc_policy"]), (&"unproven".into(), &"reject".into()));
    std::fs::remove_file(file).unwrap();
}
