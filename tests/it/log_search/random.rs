//! Random queries against a naive reading of what was recorded: another program, which knows no numbers, quarters, indexes or
//! statements, asks each row by itself.

use super::{Ground, address, at};
use crate::store::on_both;
use anshin::mail::{Flag, Flags, Timestamp};
use anshin::store::{NewFact, NewFile, NewRecord};
use anshin::vault::{Numbered, Place};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Write;

const PEOPLE: [&str; 3] = ["ai.canary@mail.one.example", "bun.canary@two.example", "chi.canary@one.example"];
const ORDERS: [&str; 3] = ["A-1", "B 2", "C/3"];
const EVENTS: [&str; 4] = ["accepted", "delivered", "refused", "held"];
const RESULTS: [&str; 4] = ["5.1.1", "5.7.1", "4.2.2", "relaying"];
const COUNTRIES: [&str; 3] = ["JP", "US", "CN"];
const IPS: [&str; 3] = ["192.0.2.7", "192.0.2.9", "198.51.100.1"];
const IDS: [&str; 2] = ["<1@mail.example.jp>", "<2@mail.example.jp>"];
const FLAGS: [Flag; 2] = [Flag::Unproven, Flag::List];
/// Days from the first of August 2026, which takes in two quarters.
const DAYS: i64 = 80;
/// Rows, and queries an engine.
const ROWS: usize = 300;
const QUERIES: usize = 120;

/// A row as it happened.
#[derive(Debug, Clone)]
struct Happened {
    at: i64,
    event: &'static str,
    from: Option<usize>,
    author: Option<usize>,
    to: Option<usize>,
    order: Option<usize>,
    result: Option<&'static str>,
    country: Option<&'static str>,
    ip: Option<usize>,
    id: Option<usize>,
    answers: Option<usize>,
    size: Option<i64>,
    flags: Option<usize>,
    files: Vec<u8>,
}

/// What is asked.
#[derive(Debug, Clone)]
enum Asked {
    From(usize),
    FromDomain(usize),
    To(usize),
    Bare(usize),
    Order(usize),
    Event(usize),
    Result(usize),
    ResultBegins(&'static str),
    Country(usize),
    Unknown,
    Ip(usize),
    Net(usize),
    Id(usize),
    Answers(usize),
    SizeAbove(i64),
    SizeBetween(i64, i64),
    Flag(usize),
    File(u8),
    /// Days.
    After(i64),
    Before(i64),
    On(i64),
    All(Vec<Asked>),
    Any(Vec<Asked>),
    Not(Box<Asked>),
}

fn begin() -> i64 {
    at("2026-08-01T00:00:00+09:00").as_millis()
}

fn day_text(day: i64) -> String {
    let at = Timestamp::from_millis(begin() + day * 86_400_000 + 9 * 3_600_000).to_rfc3339();
    at.chars().take(10).collect()
}

fn domain(person: usize) -> &'static str {
    ["one.example", "two.example", "one.example"][person]
}

impl Asked {
    fn text(&self, out: &mut String) {
        let _ = match self {
            Asked::From(n) => write!(out, "from:{}", PEOPLE[*n]),
            Asked::FromDomain(n) => write!(out, "from:@{}", domain(*n)),
            Asked::To(n) => write!(out, "to:{}", PEOPLE[*n]),
            Asked::Bare(n) => write!(out, "{}", PEOPLE[*n]),
            Asked::Order(n) => write!(out, "order:\"{}\"", ORDERS[*n]),
            Asked::Event(n) => write!(out, "event:{}", EVENTS[*n]),
            Asked::Result(n) => write!(out, "result:{}", RESULTS[*n]),
            Asked::ResultBegins(text) => write!(out, "result:{text}*"),
            Asked::Country(n) => write!(out, "country:{}", COUNTRIES[*n]),
            Asked::Unknown => write!(out, "country:ZZ"),
            Asked::Ip(n) => write!(out, "ip:{}", IPS[*n]),
            Asked::Net(n) => write!(out, "net:{}/24", IPS[*n].rsplit_once('.').unwrap().0.to_owned() + ".0"),
            Asked::Id(n) => write!(out, "id:{}", IDS[*n]),
            Asked::Answers(n) => write!(out, "answers:{}", IDS[*n]),
            Asked::SizeAbove(n) => write!(out, "size:>{n}"),
            Asked::SizeBetween(a, b) => write!(out, "size:{a}..{b}"),
            Asked::Flag(n) => write!(out, "flag:{}", FLAGS[*n].as_str()),
            Asked::File(n) => write!(out, "hash:{}", format!("{n:02x}").repeat(32)),
            Asked::After(day) => write!(out, "after:{}", day_text(*day)),
            Asked::Before(day) => write!(out, "before:{}", day_text(*day)),
            Asked::On(day) => write!(out, "on:{}", day_text(*day)),
            Asked::All(parts) => return joined(parts, " ", out),
            Asked::Any(parts) => return joined(parts, " or ", out),
            Asked::Not(inner) => {
                out.push_str("not (");
                inner.text(out);
                out.push(')');
                Ok(())
            }
        };
    }

    /// Whether a row is what is asked for, as the page of the language says it.
    fn holds(&self, row: &Happened) -> bool {
        let day = |day: &i64| begin() + day * 86_400_000;
        match self {
            Asked::From(n) => row.from == Some(*n) || row.author == Some(*n),
            Asked::FromDomain(n) => {
                [row.from, row.author].into_iter().flatten().any(|person| domain(person) == domain(*n))
            }
            Asked::To(n) => row.to == Some(*n),
            Asked::Bare(n) => Asked::From(*n).holds(row) || Asked::To(*n).holds(row),
            Asked::Order(n) => row.order == Some(*n),
            Asked::Event(n) => row.event == EVENTS[*n],
            Asked::Result(n) => row.result == Some(RESULTS[*n]),
            Asked::ResultBegins(text) => row.result.is_some_and(|result| result.starts_with(text)),
            Asked::Country(n) => row.country == Some(COUNTRIES[*n]),
            Asked::Unknown => row.country.is_none(),
            Asked::Ip(n) => row.ip == Some(*n),
            Asked::Net(n) => row.ip.is_some_and(|ip| net(ip) == net(*n)),
            Asked::Id(n) => row.id == Some(*n),
            Asked::Answers(n) => row.answers == Some(*n),
            Asked::SizeAbove(n) => row.size.is_some_and(|size| size > *n),
            Asked::SizeBetween(a, b) => row.size.is_some_and(|size| *a <= size && size <= *b),
            Asked::Flag(n) => row.flags == Some(*n),
            Asked::File(n) => row.files.contains(n),
            Asked::After(n) => row.at >= day(n),
            Asked::Before(n) => row.at < day(n),
            Asked::On(n) => day(n) <= row.at && row.at < day(&(n + 1)),
            Asked::All(parts) => parts.iter().all(|part| part.holds(row)),
            Asked::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Asked::Not(inner) => !inner.holds(row),
        }
    }
}

fn net(ip: usize) -> &'static str {
    IPS[ip].rsplit_once('.').unwrap().0
}

fn joined(parts: &[Asked], by: &str, out: &mut String) {
    out.push('(');
    for (n, part) in parts.iter().enumerate() {
        out.push_str(if n > 0 { by } else { "" });
        part.text(out);
    }
    out.push(')');
}

fn asked() -> impl Strategy<Value = Asked> {
    let leaf = prop_oneof![
        3 => (0..3_usize).prop_map(Asked::From),
        1 => (0..3_usize).prop_map(Asked::FromDomain),
        2 => (0..3_usize).prop_map(Asked::To),
        2 => (0..3_usize).prop_map(Asked::Bare),
        3 => (0..3_usize).prop_map(Asked::Order),
        3 => (0..4_usize).prop_map(Asked::Event),
        1 => (0..4_usize).prop_map(Asked::Result),
        1 => prop_oneof![Just("5."), Just("4"), Just("r")].prop_map(Asked::ResultBegins),
        2 => (0..3_usize).prop_map(Asked::Country),
        1 => Just(Asked::Unknown),
        2 => (0..3_usize).prop_map(Asked::Ip),
        1 => (0..3_usize).prop_map(Asked::Net),
        2 => (0..2_usize).prop_map(Asked::Id),
        1 => (0..2_usize).prop_map(Asked::Answers),
        1 => (0..3000_i64).prop_map(Asked::SizeAbove),
        1 => (0..1500_i64, 1500..3000_i64).prop_map(|(a, b)| Asked::SizeBetween(a, b)),
        1 => (0..2_usize).prop_map(Asked::Flag),
        1 => (0..3_u8).prop_map(Asked::File),
        1 => (0..DAYS).prop_map(Asked::After),
        1 => (0..DAYS).prop_map(Asked::Before),
        1 => (0..DAYS).prop_map(Asked::On),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Asked::All),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Asked::Any),
            inner.prop_map(|inner| Asked::Not(Box::new(inner))),
        ]
    })
}

fn happened() -> impl Strategy<Value = Happened> {
    let maybe = |most: usize| proptest::option::of(0..most);
    let texts = (
        (0..4_usize).prop_map(|n| EVENTS[n]),
        proptest::option::of((0..4_usize).prop_map(|n| RESULTS[n])),
        proptest::option::of((0..3_usize).prop_map(|n| COUNTRIES[n])),
    );
    let people = (maybe(3), maybe(3), maybe(3), maybe(3), maybe(3));
    let rest = (
        maybe(2),
        maybe(2),
        proptest::option::of(0..3000_i64),
        maybe(2),
        proptest::collection::vec(0..3_u8, 0..3),
    );
    (0..DAYS * 86_400_000, texts, people, rest).prop_map(|(at, texts, people, rest)| Happened {
        at: begin() + at,
        event: texts.0,
        result: texts.1,
        country: texts.2,
        from: people.0,
        author: people.1,
        to: people.2,
        order: people.3,
        ip: people.4,
        id: rest.0,
        answers: rest.1,
        size: rest.2,
        flags: rest.3,
        files: rest.4,
    })
}

impl Ground {
    /// Records it as the relay does.
    fn recorded(&self, row: &Happened) -> NewRecord {
        let when = Timestamp::from_millis(row.at);
        let id = self.ids.next(when);
        let k = |value: Numbered<'_>| self.number(when, value);
        let person = |n: Option<usize>| n.and_then(|n| k(Numbered::Address(&address(PEOPLE[n]))));
        let of_domain = |n: Option<usize>| {
            let domain = n.map(|n| anshin::mail::Domain::parse(domain(n)).unwrap());
            domain.and_then(|domain| k(Numbered::Domain(&domain)))
        };
        let ip = row.ip.map(|n| IPS[n].parse().unwrap());
        let fact = NewFact {
            result: row.result.map(Into::into),
            country: row.country.map(Into::into),
            from_k: person(row.from),
            author_k: person(row.author),
            rcpt_k: person(row.to),
            from_dom_k: of_domain(row.from),
            author_dom_k: of_domain(row.author),
            order_k: row.order.and_then(|n| k(Numbered::OrderNo(ORDERS[n]))),
            msgid_k: row.id.and_then(|n| k(Numbered::MessageId(IDS[n]))),
            answers_k: row.answers.and_then(|n| k(Numbered::MessageId(IDS[n]))),
            ip_k: ip.and_then(|ip| k(Numbered::Ip(ip))),
            net_k: ip.and_then(|ip| k(Numbered::Net(ip))),
            size: row.size,
            flags: row.flags.map(|n| Flags::default().with(FLAGS[n], true)),
            attachments: row
                .files
                .iter()
                .map(|n| NewFile {
                    hash_k: k(Numbered::File(&[*n; 32])),
                    kind: None,
                    declared: None,
                    found: None,
                    size: 1,
                    is_encrypted: false,
                })
                .collect(),
            ..NewFact::default()
        };
        NewRecord {
            id,
            at: when,
            event: row.event,
            merchant_id: None,
            conversation_id: None,
            message_id: None,
            delivery_id: None,
            source: None,
            data_key_id: self.key.id(),
            detail: self.key.seal(Place::new("record", "detail", id), b"{}"),
            headers: None,
            whence: None,
            fact: Box::new(fact),
        }
    }
}

#[test]
fn random_queries_find_what_each_row_says_of_itself() {
    let seed: [u8; 32] = match std::env::var("ANSHIN_TEST_SEED") {
        Ok(text) => data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap(),
        Err(_) => anshin::vault::random_bytes(),
    };
    println!("ANSHIN_TEST_SEED={}", data_encoding::HEXLOWER.encode(&seed));
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut rows: Vec<Happened> =
            (0..ROWS).map(|_| happened().new_tree(&mut runner).unwrap().current()).collect();
        rows.sort_by_key(|row| row.at);
        let records: Vec<NewRecord> = rows.iter().map(|row| ground.recorded(row)).collect();
        let ids: Vec<i64> = records.iter().map(|record| record.id).collect();
        ground.store.record(records).await.unwrap();
        let now = Timestamp::from_millis(begin() + DAYS * 86_400_000);
        let mut found_any = 0;
        for _ in 0..QUERIES {
            let asked = asked().new_tree(&mut runner).unwrap().current();
            let mut text = String::new();
            asked.text(&mut text);
            // What is asked of all that is kept here has a beginning, so that the default of 30 days is not part of it.
            let text = format!("after:2026-08-01 ({text})");
            let holding = rows.iter().zip(&ids).filter(|(row, _)| asked.holds(row)).map(|(_, id)| *id);
            let mut expected: Vec<i64> = holding.collect();
            expected.reverse();
            found_any += usize::from(!expected.is_empty());
            assert_eq!(ground.ids(&text, now).await, expected, "{text}");
        }
        assert!(found_any > QUERIES / 4, "{found_any}");
    });
}
