//! A query as text again, in one form: words in lower case, values as they are compared, quotes only where they are needed.
//! For whoever asked, and sealed for the audit: it may hold what people are called.

use super::lexer::{ends, field};
use super::masked::masked;
use super::tree::{Expression, Query, Term};
use super::value::{Compare, Value};
use super::words::Word;
use crate::mail::Domain;

/// How the sign of an address may be written: itself, its wide and small forms, and percent-encoded (RFC 6068 §2).
const SIGNS: [&str; 4] = ["@", "＠", "﹫", "%40"];

/// Whether an address may stand somewhere in a text, alone or among other words.
#[must_use]
pub fn may_hold_address(text: &str) -> bool {
    SIGNS.iter().any(|sign| text.contains(sign))
}

impl Query {
    /// The canonical text; [`Query::parse`] reads the same query from it.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.text_with(&|_| None)
    }

    /// The canonical text with a mask in place of each value that may hold an address, for whoever has the answer.
    #[must_use]
    pub fn to_masked(&self) -> String {
        self.text_with(&|text| Some(masked(Word::From, text.trim_start_matches('<'))))
    }

    /// The canonical text with something else in place of each whole value that may hold an address, where there is something.
    pub fn text_with(&self, name: &dyn Fn(&str) -> Option<String>) -> String {
        let mut text = String::new();
        if self.is_all {
            text.push_str("all:");
        }
        if let Some(expression) = &self.expression {
            if self.is_all {
                text.push(' ');
            }
            let needs_brackets = self.is_all && matches!(expression, Expression::Any(_));
            put_within(&mut text, expression, needs_brackets, name);
        }
        text
    }
}

type Names<'a> = &'a dyn Fn(&str) -> Option<String>;

fn put_within(text: &mut String, expression: &Expression, brackets: bool, name: Names<'_>) {
    if brackets {
        text.push('(');
    }
    put(text, expression, name);
    if brackets {
        text.push(')');
    }
}

fn put(text: &mut String, expression: &Expression, name: Names<'_>) {
    match expression {
        Expression::All(parts) => {
            for (n, part) in parts.iter().enumerate() {
                if n > 0 {
                    text.push(' ');
                }
                put_within(text, part, matches!(part, Expression::Any(_)), name);
            }
        }
        Expression::Any(parts) => {
            for (n, part) in parts.iter().enumerate() {
                if n > 0 {
                    text.push_str(" or ");
                }
                put(text, part, name);
            }
        }
        Expression::Not(inner) => {
            text.push_str("not ");
            put_within(text, inner, matches!(**inner, Expression::All(_) | Expression::Any(_)), name);
        }
        Expression::Term(term) => text.push_str(&term_text(term, name)),
    }
}

fn term_text(term: &Term, name: Names<'_>) -> String {
    let value = value_text(&term.value, term.word);
    // Whatever the word takes: people write addresses into texts, order numbers and names of files too.
    let named = if is_bound_to_a_domain(&term.value) { None } else { named(&value, name) };
    let value = named.unwrap_or(value);
    match term.word {
        Some(word) if needs_quotes(&value) => format!("{}:{}", word.name(), quoted(&value)),
        Some(word) => format!("{}:{value}", word.name()),
        None => {
            let is_operator = ["or", "and", "not"].iter().any(|word| value.eq_ignore_ascii_case(word));
            if needs_quotes(&value) || is_operator || value.starts_with('-') || field(&value).is_some() {
                quoted(&value)
            } else {
                value
            }
        }
    }
}

fn named(value: &str, name: Names<'_>) -> Option<String> {
    may_hold_address(value).then(|| name(value)).flatten()
}

/// Whether a value is a domain with the sign of an address before it.
fn is_bound_to_a_domain(value: &Value) -> bool {
    match value {
        Value::Domain(_) => true,
        Value::Text(text) => text
            .strip_prefix('@')
            .is_some_and(|domain| !may_hold_address(domain) && Domain::parse(domain).is_ok()),
        _ => false,
    }
}

/// A value as it is compared.
pub(super) fn value_text(value: &Value, word: Option<Word>) -> String {
    match value {
        Value::Address(address) => address.reveal_canonical(),
        Value::Domain(domain) if word == Some(Word::From) => format!("@{domain}"),
        Value::Domain(domain) => domain.to_string(),
        Value::Order { store: Some(store), no } => format!("{store}/{no}"),
        Value::Order { store: None, no } => {
            let reads_as_store = no.split_once('/').is_some_and(|(head, _)| super::value::is_store_id(head));
            if reads_as_store || no.starts_with('/') { format!("/{no}") } else { no.clone() }
        }
        Value::Text(text) => text.clone(),
        Value::Ip(ip) => ip.to_string(),
        Value::Net(net) => format!("{}/{}", net.address, net.prefix),
        Value::Asn(number) => number.to_string(),
        Value::Country(Some(letters)) => String::from_utf8_lossy(letters).into_owned(),
        Value::Country(None) => "ZZ".into(),
        Value::Hash(hash) => data_encoding::HEXLOWER.encode(hash),
        Value::File(name) => format!("@{name}"),
        Value::Auth { method, verdict } => format!("{method}={verdict}"),
        Value::Pattern { text, is_prefix } => format!("{text}{}", if *is_prefix { "*" } else { "" }),
        Value::OneOf(word) => (*word).to_owned(),
        Value::Flag(flag) => flag.as_str().to_owned(),
        Value::Number(compare) => match compare {
            Compare::Equal(n) => n.to_string(),
            Compare::Below(n) => format!("<{n}"),
            Compare::AtMost(n) => format!("<={n}"),
            Compare::Above(n) => format!(">{n}"),
            Compare::AtLeast(n) => format!(">={n}"),
            Compare::Between(from, until) => format!("{from}..{until}"),
        },
        Value::When(when) => when.text(),
        Value::Nothing => String::new(),
    }
}

fn needs_quotes(value: &str) -> bool {
    value.contains(ends)
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
