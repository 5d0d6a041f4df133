//! Each fault that a relay could have is planted, and the check for it fails.

use super::*;
use crate::cli::demo::program::Answer;
use crate::cli::demo::traces::Sweep;
use crate::mail::{Alias, Domain, Timestamp};

const STORE_ALIAS: &str = "amm@shop.anshin.test";
const CUSTOMER_ALIAS: &str = "acc@pc.fw.anshin.test";

fn order() -> OrderView {
    let alias = |text: &str| {
        let (local, domain) = text.split_once('@').unwrap();
        Alias::new(local, Domain::parse(domain).unwrap())
    };
    OrderView {
        order_no: "1".into(),
        customer_alias: alias(CUSTOMER_ALIAS),
        merchant_alias: alias(STORE_ALIAS),
        expires_at: Timestamp::from_millis(0),
        closed_at: None,
        is_destroyed: false,
        is_new: true,
    }
}

/// A mail with a text in ISO-2022-JP (花 and an address) and a file.
fn mail(header: &str, address: &str) -> String {
    format!(
        "{header}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\n\r\n\u{1b}$B2V\u{1b}(B {address}\r\n\
         --b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"
    )
}

fn exchange(number: usize) -> Exchange {
    let store_writes = number != 2;
    let (from, to) = if store_writes { (&STORE, &CUSTOMER) } else { (&CUSTOMER, &STORE) };
    let (alias, domain) =
        if store_writes { (STORE_ALIAS, "shop.anshin.test") } else { (CUSTOMER_ALIAS, "pc.fw.anshin.test") };
    let thread = match number {
        1 => String::new(),
        2 => format!("In-Reply-To: {id}\r\nReferences: {id}\r\n", id = own_id(1)),
        _ => format!("In-Reply-To: {id}\r\nReferences: <1@relay> {id}\r\n", id = own_id(2)),
    };
    let sent = mail(&format!("From: <{}>\r\nSubject: s\r\n", from.address()), from.address());
    let header = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d={domain}; b=x\r\nDKIM-Signature: v=1; a=ed25519-sha256; d={domain}; b=x\r\n\
         From: <{alias}>\r\nSubject: s\r\nMessage-ID: <{number}@relay>\r\n{thread}"
    );
    Exchange {
        title: "",
        from,
        to,
        way: String::new(),
        mail_from: from.address().into(),
        rcpt_to: String::new(),
        octets: sent.into_bytes(),
        answer: Answer { code: 250, text: String::new() },
        arrival: Arrival {
            server: to.receives_as,
            role: to.role,
            helo: RELAY_HOST.into(),
            mail_from: format!("r0@{domain}"),
            rcpt_to: vec![to.address().into()],
            tls: Some("TLSv1.3".into()),
            octets: mail(&header, alias).into_bytes(),
        },
    }
}

fn attempts() -> Attempts {
    let no = |at, code, text: &str| Sending::Refused { at, answer: Answer { code, text: text.into() } };
    Attempts {
        stranger: no("DATA", 550, "5.7.1 no"),
        wrong_password: no("AUTH", 535, "5.7.8 no"),
        sweep: Sweep { files: 9, octets: 9, found: Vec::new() },
    }
}

/// The names of the checks that fail after `fault` is planted.
fn failing(fault: impl Fn(&mut [Exchange], &mut Attempts)) -> Vec<String> {
    let mut exchanges = [exchange(1), exchange(2), exchange(3)];
    let mut attempts = attempts();
    fault(&mut exchanges, &mut attempts);
    all(&exchanges, &order(), &attempts).into_iter().filter(|c| !c.ok).map(|c| c.name).collect()
}

/// Replaces text in the mail that arrived.
fn edit(exchange: &mut Exchange, from: &str, to: &str) {
    let text = String::from_utf8(exchange.arrival.octets.clone()).unwrap();
    assert!(text.contains(from), "{from}");
    exchange.arrival.octets = text.replacen(from, to, 1).into_bytes();
}

#[test]
fn a_faultless_exchange_passes_every_check() {
    assert_eq!(failing(|_, _| {}), Vec::<String>::new());
}

#[test]
fn each_planted_fault_is_seen_by_its_check() {
    type Fault = (&'static str, fn(&mut [Exchange], &mut Attempts));
    let faults: [Fault; 22] = [
        ("mail 1 has no address", |e, _| edit(&mut e[0], "Subject", "X-A: info@hanaya.example\r\nSubject")),
        ("mail 2 has no address", |e, _| edit(&mut e[1], "AAEC", "bWFpbC50ZXN0")),
        ("mail 3 has no address", |e, _| e[2].arrival.mail_from = "order@hanaya.example".into()),
        ("mail 1 has no address", |e, _| e[0].octets = b"From: <a@b.example>\r\n\r\nx\r\n".to_vec()),
        ("mail 1 came from the relay", |e, _| e[0].arrival.mail_from = "r0@pc.fw.anshin.test".into()),
        ("mail 2 came from the relay", |e, _| e[1].arrival.rcpt_to.push("eve@hanaya.example".into())),
        ("mail 3 came from the relay", |e, _| e[2].arrival.helo = "localhost".into()),
        ("mail 1 shows the alias", |e, _| edit(&mut e[0], "From: <amm@", "From: <amn@")),
        ("mail 1 shows the alias", |e, _| edit(&mut e[0], "Subject", "Reply-To: <x@y.example>\r\nSubject")),
        ("mail 1 kept its subject", |e, _| edit(&mut e[0], "Subject: s", "Subject: t")),
        ("mail 1 kept its subject", |e, _| edit(&mut e[0], "2V", "2W")),
        ("mail 1 kept its subject", |e, _| edit(&mut e[0], "ISO-2022-JP", "iso-2022-jp-2004")),
        ("mail 2 kept its file", |e, _| edit(&mut e[1], "AAEC", "AAED")),
        ("mail 2 kept its file", |e, _| edit(&mut e[1], "x.pdf", "y.pdf")),
        ("mail 3 is signed", |e, _| edit(&mut e[2], "ed25519", "rsa")),
        ("mail 3 is signed", |e, _| edit(&mut e[2], "d=shop.", "d=")),
        ("mail 1 was delivered inside TLS", |e, _| e[0].arrival.tls = None),
        ("mail 2 answers", |e, _| edit(&mut e[1], "In-Reply-To: <2026-1122.1", "In-Reply-To: <2026-1122.9")),
        ("mail 3 answers", |e, _| edit(&mut e[2], "<1@relay> <7D", "<7D")),
        ("a stranger's mail", |_, a| {
            a.stranger = Sending::Taken(Answer { code: 250, text: "2.0.0".into() });
        }),
        ("a wrong password", |_, a| {
            a.wrong_password =
                Sending::Refused { at: "AUTH", answer: Answer { code: 454, text: "4.7.0".into() } };
        }),
        ("database, WAL", |_, a| {
            a.sweep.found.push(Finding { trace: "x".into(), place: "anshin.db-wal".into() });
        }),
    ];
    for (number, (expected, fault)) in faults.into_iter().enumerate() {
        let failing = failing(fault);
        assert!(failing.iter().any(|name| name.starts_with(expected)), "{number} {expected}: {failing:?}");
        assert!(failing.len() <= 2, "{number}: {failing:?}");
    }
}

#[test]
fn a_message_id_that_passes_unchanged_is_seen() {
    let failing = failing(|e, _| edit(&mut e[1], "<2@relay>", &own_id(2)));
    assert!(failing.iter().any(|name| name.starts_with("no Message-ID")), "{failing:?}");
}

#[test]
fn a_search_that_saw_no_files_proves_nothing() {
    assert_eq!(failing(|_, a| a.sweep.files = 0).len(), 1);
}
