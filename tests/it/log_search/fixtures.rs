//! Fixtures of rows: what is recorded, queries, and which rows each finds, the newest first, on both engines (`fixtures/query-rows`).

use super::{Ground, address, at};
use crate::store::on_both;
use anshin::mail::{Domain, Flag, Flags, Timestamp};
use anshin::query::EVENTS;
use anshin::store::{NewFact, NewFile};
use anshin::vault::Numbered;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Fills one field of a fact as the fixture says it.
fn fill(ground: &Ground, when: Timestamp, fact: &mut NewFact, field: &str, value: &'static str) {
    let k = |value| ground.number(when, value);
    let ip = || value.parse::<IpAddr>().unwrap();
    let of = |text: &'static str| Some(std::borrow::Cow::Borrowed(text));
    match field {
        "direction" => fact.direction = of(value),
        "result" => fact.result = of(value),
        "from" => fact.from_k = k(Numbered::Address(&address(value))),
        "author" => fact.author_k = k(Numbered::Address(&address(value))),
        "reply" => fact.reply_k = k(Numbered::Address(&address(value))),
        "to" => fact.to_k = k(Numbered::Alias(value)),
        "rcpt" => fact.rcpt_k = k(Numbered::Address(&address(value))),
        "order" => fact.order_k = k(Numbered::OrderNo(value)),
        "login" => fact.login_k = k(Numbered::Login(value)),
        "id" => fact.msgid_k = k(Numbered::MessageId(value)),
        "sentid" => fact.sent_id_k = k(Numbered::MessageId(value)),
        "answers" => fact.answers_k = k(Numbered::MessageId(value)),
        "ip" => (fact.ip_k, fact.net_k) = (k(Numbered::Ip(ip())), k(Numbered::Net(ip()))),
        "origin" => fact.origin_k = k(Numbered::Ip(ip())),
        "origin_country" => fact.origin_country = of(value),
        "domain" => fact.from_dom_k = k(Numbered::Domain(&Domain::parse(value).unwrap())),
        "mailer" => fact.mailer_k = k(Numbered::Mailer(value)),
        "asn" => fact.asn = value.parse().ok(),
        "country" => fact.country = of(value),
        "country2" => fact.country2 = of(value),
        "tls" => fact.tls = of(value),
        "spf" => fact.spf = Some(value),
        "dkim" => fact.dkim = Some(value),
        "dmarc" => fact.dmarc = Some(value),
        "size" => fact.size = value.parse().ok(),
        "recipients" => fact.recipients = value.parse().ok(),
        "files" => fact.files = value.parse().ok(),
        "hops" => fact.hops = value.parse().ok(),
        "flags" => {
            let flags = value.split(',').map(|word| Flag::parse(word).unwrap());
            fact.flags = Some(flags.fold(Flags::default(), |flags, flag| flags.with(flag, true)));
        }
        "null" => fact.flags = Some(Flags::default().with(Flag::NullSender, true)),
        "file" => fact.attachments.push(NewFile {
            hash_k: k(Numbered::File(&[value.parse().unwrap(); 32])),
            kind: None,
            declared: None,
            found: None,
            size: 1,
            is_encrypted: false,
        }),
        other => panic!("no such field: {other}"),
    }
}

async fn check(ground: &Ground, name: &str, text: &'static str) {
    let now = at("2026-10-20T00:00:00Z");
    let (rows, queries) = text.split_once("\n\n").unwrap();
    let mut names: BTreeMap<i64, &str> = BTreeMap::new();
    for line in rows.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (row, when, event) = (words.next().unwrap(), at(words.next().unwrap()), words.next().unwrap());
        let event = EVENTS.into_iter().find(|known| *known == event).unwrap();
        let mut fields: Vec<(&str, &'static str)> = words.map(|word| word.split_once('=').unwrap()).collect();
        let store = fields.iter().position(|(field, _)| *field == "store").map(|at| fields.remove(at).1);
        let merchant = match store {
            Some(store) => Some(ground.relay.merchant(store).await.unwrap().unwrap().id),
            None => None,
        };
        let id = ground
            .keep(when, event, |record| {
                record.merchant_id = merchant;
                for (field, value) in fields {
                    fill(ground, when, &mut record.fact, field, value);
                }
            })
            .await;
        names.insert(id, row);
    }
    let mut wrong = String::new();
    for line in queries.lines() {
        let (query, expected) = line.rsplit_once(" =").unwrap_or_else(|| panic!("{name}: {line}"));
        let found: Vec<&str> = ground.ids(query, now).await.iter().map(|id| names[id]).collect();
        let expected: Vec<&str> = expected.split_whitespace().collect();
        if found != expected {
            wrong.push_str(&format!("{query} = {}\n", found.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{wrong}");
}

#[test]
fn queries_find_the_rows_of_the_fixtures() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/query-rows");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let fixtures: Vec<(String, &'static str)> = files
        .iter()
        .map(|file| {
            let text: &'static str = Box::leak(std::fs::read_to_string(file).unwrap().into_boxed_str());
            (file.display().to_string(), text)
        })
        .collect();
    for (name, text) in fixtures {
        on_both(|url, vault| {
            let name = name.clone();
            async move { check(&Ground::open(url, vault).await, &name, text).await }
        });
    }
}
