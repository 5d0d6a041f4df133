//! Addresses of Japanese carriers that RFC 5321 does not know (dots at the start, at the end, in a row), with and without
//! the quotes that other programs put around them: one mailbox, found in every spelling when either is the secret.

use super::super::header_from;
use super::{Direction, MERCHANT, World};
use crate::mail::RealAddress;

/// Local part and domain.
const MAILBOXES: [(&str, &str); 6] = [
    ("a..b", "docomo.ne.jp"),
    (".a", "docomo.ne.jp"),
    ("abc.", "docomo.ne.jp"),
    ("a-._b..", "ezweb.ne.jp"),
    ("...", "softbank.ne.jp"),
    ("tanaka.taro", "docomo.ne.jp"),
];

fn spellings(local: &str, domain: &str) -> Vec<String> {
    vec![
        format!("{local}@{domain}"),
        format!("\"{local}\"@{domain}"),
        format!("{}@{}", local.to_uppercase(), domain.to_uppercase()),
        format!("\"{}\"@{domain}", local.to_uppercase()),
    ]
}

#[test]
fn an_address_of_a_carrier_is_found_in_texts_and_headers_with_and_without_quotes() {
    for (local, domain) in MAILBOXES {
        for secret in spellings(local, domain) {
            let world = World::new(&secret, MERCHANT);
            for written in spellings(local, domain) {
                for body in
                    ["連絡は{}まで", "<{}>", "mailto:{}?subject=x", "「{}」", "{}", "From: \"Hana\" <{}>"]
                {
                    let body = body.replace("{}", &written);
                    let mail = format!(
                        "From: =?utf-8?B?6Iqx?= <{secret}>\r\nTo: {MERCHANT}\r\nSubject: Re: {written} x\r\n\
                        Comments: {written}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
                    );
                    let passed = world.pass(Direction::ToMerchant, mail.as_bytes());
                    let out = passed.unwrap_or_else(|stop| panic!("{secret}: {body}: {stop:?}")).into_bytes();
                    let out = String::from_utf8(out).unwrap();
                    let holds = out.to_lowercase().contains(&format!("@{domain}"));
                    assert!(!holds, "{secret}: {body}:\n{out}");
                    assert!(out.matches(world.customer_alias.local()).count() >= 2, "{secret}:\n{out}");
                    let raw = format!("From: x@y.example\r\n\r\n{body}\r\n").into_bytes();
                    assert!(world.gate(raw).is_err(), "the gate sees nothing: {secret}: {body}");
                }
            }
        }
    }
}

#[test]
fn from_names_such_an_address_as_it_is() {
    for (local, domain) in MAILBOXES {
        let own = RealAddress::parse(&format!("{local}@{domain}")).unwrap();
        for written in spellings(local, domain) {
            for field in
                ["{}", "<{}>", "Hana <{}>", "=?utf-8?B?6Iqx?=\r\n <{}>", "\"Hana, H.\" <{}>", "{} (Hana)"]
            {
                let field = field.replace("{}", &written);
                let from = header_from(format!("From: {field}\r\n\r\nx\r\n").as_bytes());
                let from = from.unwrap_or_else(|why| panic!("{field}: {why}"));
                assert!(from.len() == 1 && from[0].same_mailbox(&own), "{field}");
            }
        }
    }
}
