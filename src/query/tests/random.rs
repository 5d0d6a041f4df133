//! Random queries: any tree, any values.

use crate::mail::{Domain, Flag, RealAddress, Timestamp};
use crate::query::span::Span;
use crate::query::tree::{Expression, Query, Term};
use crate::query::value::{Compare, Value, is_of_result, read};
use crate::query::words::{METHODS, Takes, VERDICTS, Word};
use proptest::prelude::*;

/// What a query is made of.
pub type Made = (bool, Option<Seed>);

/// Anything to make a query of.
pub fn made() -> impl Strategy<Value = Made> {
    (any::<bool>(), proptest::option::of(seed(4)))
}

/// The query.
pub fn query((is_all, seed): &Made) -> Query {
    Query { is_all: *is_all, expression: seed.as_ref().and_then(tree) }
}

/// What a tree is made of; itself a tree of plain data, since a query can be neither printed nor copied.
#[derive(Debug, Clone)]
pub enum Seed {
    All(Vec<Seed>),
    Any(Vec<Seed>),
    Not(Box<Seed>),
    Word(usize, String, u64),
    Bare(String),
}

fn seed(depth: u32) -> impl Strategy<Value = Seed> {
    let text = prop_oneof!["[a-zA-Z0-9._@/:<>\\-]{1,20}", "\\PC{1,12}", "(or|and|not|-x|from:a|\"|\\\\)"];
    let leaf = prop_oneof![
        3 => (0..Word::ALL.len(), text.clone(), any::<u64>()).prop_map(|(word, text, n)| Seed::Word(word, text, n)),
        1 => text.prop_map(Seed::Bare),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Seed::All),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Seed::Any),
            inner.prop_map(|inner| Seed::Not(Box::new(inner))),
        ]
    })
}

fn tree(seed: &Seed) -> Option<Expression> {
    match seed {
        Seed::All(parts) => Expression::all(parts.iter().filter_map(tree).collect()),
        Seed::Any(parts) => Expression::any(parts.iter().filter_map(tree).collect()),
        Seed::Not(inner) => tree(inner).map(|inner| Expression::Not(Box::new(inner))),
        Seed::Bare(text) => {
            let is_good = !text.trim().is_empty() && !text.chars().any(char::is_control);
            is_good.then(|| term(None, Value::Text(text.clone())))
        }
        Seed::Word(at, text, n) => {
            let word = *Word::ALL.get(*at)?;
            value(word, text, *n).map(|value| term(Some(word), value))
        }
    }
}

fn term(word: Option<Word>, value: Value) -> Expression {
    Expression::Term(Term { span: Span { start: 0, end: 0 }, word, value })
}

/// A value that the word takes, from a text and a number.
fn value(word: Word, text: &str, n: u64) -> Option<Value> {
    let small = i64::try_from(n % 1_000_000).ok()?;
    let pick = |length: usize| usize::try_from(n).unwrap_or(0) % length;
    let ip = || std::net::IpAddr::from(std::net::Ipv6Addr::from(u128::from(n) << 64));
    let domain = || Domain::parse(&format!("d{small}.example.jp")).ok();
    Some(match word.takes() {
        Takes::Correspondent if n.is_multiple_of(2) => Value::Domain(domain()?),
        Takes::Correspondent | Takes::Address => {
            let written = format!("{}@example.jp", text.split('@').next()?);
            Value::Address(RealAddress::parse(&written).ok()?)
        }
        Takes::Domain => Value::Domain(domain()?),
        Takes::Order => {
            let store = n.is_multiple_of(2).then(|| format!("store-{small}"));
            let is_good = !text.chars().any(char::is_control) && !text.is_empty();
            is_good.then(|| Value::Order { store, no: text.to_owned() })?
        }
        Takes::Text => (!text.chars().any(char::is_control)).then(|| Value::Text(text.to_owned()))?,
        Takes::Ip | Takes::Origin => Value::Ip(ip().to_canonical()),
        Takes::Net => read(word, &format!("{}/{}", ip(), 40 + n % 9), Span { start: 0, end: 0 }).ok()?,
        Takes::Asn => Value::Asn(small),
        Takes::Country => Value::Country(n.is_multiple_of(2).then_some(*b"JP")),
        Takes::Hash if n.is_multiple_of(2) => Value::File(format!("f{small} x")),
        Takes::Hash => Value::Hash([u8::try_from(n % 256).ok()?; 32]),
        Takes::Auth => Value::Auth {
            method: METHODS.get(pick(METHODS.len())).copied()?,
            verdict: VERDICTS.get(pick(VERDICTS.len())).copied()?,
        },
        Takes::Pattern => {
            let text: String = text.chars().filter(|c| is_of_result(*c)).collect();
            (!text.is_empty()).then_some(Value::Pattern { text, is_prefix: n.is_multiple_of(2) })?
        }
        Takes::OneOf(list) => Value::OneOf(list.get(pick(list.len())).copied()?),
        Takes::Flag => Value::Flag(Flag::all().nth(pick(Flag::all().count()))?),
        Takes::Number => Value::Number(match n % 6 {
            0 => Compare::Equal(small),
            1 => Compare::Below(small),
            2 => Compare::AtMost(small),
            3 => Compare::Above(small),
            4 => Compare::AtLeast(small),
            _ => Compare::Between(small, small * 2),
        }),
        Takes::When | Takes::Day => {
            let at = Timestamp::from_millis(1_700_000_000_000 + small * 1_000_000);
            let iso = at.to_rfc3339();
            let text = match n % 3 {
                0 => iso.get(..10)?.to_owned(),
                1 => iso.get(..7)?.to_owned(),
                _ if word == Word::On => "yesterday".to_owned(),
                _ => iso,
            };
            read(word, &text, Span { start: 0, end: 0 }).ok()?
        }
        Takes::Nothing => return None,
    })
}
