//! What another server wrote down of its own checks: the value of Authentication-Results (RFC 8601 §2.2), as it stands in
//! ARC-Authentication-Results (RFC 8617 §4.1.1). Pure.
//!
//! Rules: only methods that passed come out, each with its properties; comments and versions are skipped. What does not
//! follow the grammar ends the reading: what was read before it counts, what stands behind it does not.

use crate::mail::Domain;

/// Methods read of one field. A server that did more than these did nothing that we ask for.
const METHODS_MAX: usize = 64;

/// A method that passed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Lower case: `spf`, `dkim`, `dmarc`, …
    pub method: String,
    /// `header.from` and the like in lower case, each with its value.
    pub properties: Vec<(String, String)>,
}

impl Passed {
    /// The domain of a property: of an address behind its last `@`, or the whole.
    pub fn domain(&self, property: &str) -> Option<Domain> {
        let (_, value) = self.properties.iter().find(|(name, _)| name == property)?;
        Domain::parse(value.rsplit_once('@').map_or(value, |(_, domain)| domain)).ok()
    }
}

/// Reads a field's value behind the instance of ARC and the name of the server.
pub(super) fn passed(value: &[u8]) -> Vec<Passed> {
    let text = String::from_utf8_lossy(value);
    let mut tokens = Tokens { rest: &text };
    let mut found = Vec::new();
    // `i=1; mx.example.org 1;`: whatever stands before the first method.
    loop {
        match tokens.statement() {
            Some(statement) => {
                if let Some(passed) = of_statement(&statement) {
                    found.push(passed);
                }
            }
            None => return found,
        }
        if found.len() >= METHODS_MAX {
            return found;
        }
    }
}

/// `spf=pass smtp.mailfrom=a@b` as a method that passed.
fn of_statement(words: &[String]) -> Option<Passed> {
    let mut words = words.iter();
    let method = words.next()?.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if words.next().map(String::as_str) != Some("=") || !words.next()?.eq_ignore_ascii_case("pass") {
        return None;
    }
    // Name, sign and value in turn: what stands where none of them may is part of a value that somebody else wrote, and
    // must not become a property.
    let words: Vec<&String> = words.collect();
    let mut properties: Vec<(String, String)> = Vec::new();
    for three in words.chunks(3) {
        let [name, equals, value] = three else { return None };
        let name = name.to_ascii_lowercase();
        if *equals != "="
            || name == "="
            || *value == "="
            || properties.iter().any(|(other, _)| *other == name)
        {
            return None;
        }
        properties.push((name, (*value).clone()));
    }
    properties.retain(|(name, _)| name.contains('.'));
    Some(Passed { method, properties })
}

struct Tokens<'a> {
    rest: &'a str,
}

impl Tokens<'_> {
    /// The words up to the next semicolon, `=` a word of its own. `None` at the end, or where the grammar ends.
    fn statement(&mut self) -> Option<Vec<String>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut words: Vec<String> = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let Some(c) = self.rest.chars().next() else { return Some(words) };
            match c {
                ';' => {
                    self.skip(c);
                    return Some(words);
                }
                '=' => {
                    self.skip(c);
                    words.push("=".to_owned());
                }
                '(' => self.comment()?,
                '"' => words.push(self.quoted()?),
                _ => words.push(self.word()),
            }
        }
    }

    fn skip(&mut self, c: char) {
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
    }

    fn word(&mut self) -> String {
        let end =
            self.rest.find(|c: char| c.is_whitespace() || "=;(\"".contains(c)).unwrap_or(self.rest.len());
        // A quoted local part belongs to its address.
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word.to_owned()
    }

    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => value.push(chars.next()?.1),
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    // `"a b"@example.org`
                    if self.rest.starts_with('@') {
                        value.push_str(&self.word());
                    }
                    return Some(value);
                }
                c => value.push(c),
            }
        }
        None
    }

    /// A comment with those inside it.
    fn comment(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => {
                    chars.next()?;
                }
                '(' => depth += 1,
                ')' if depth == 1 => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Some(());
                }
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(value: &str) -> Vec<String> {
        passed(value.as_bytes()).into_iter().map(|passed| passed.method).collect()
    }

    #[test]
    fn what_passed_is_read_with_its_properties() {
        let value = " i=1; mx.forwarder.example 1;\r\n\tspf=pass (sender (really) is \\) fine) smtp.mailfrom=hana@mail.example;\r\n\
            \tdkim=fail header.d=mail.example; dmarc/1=Pass (p=reject; dis=none) header.from=Mail.Example";
        let found = passed(value.as_bytes());
        assert_eq!(found.iter().map(|p| p.method.as_str()).collect::<Vec<_>>(), ["spf", "dmarc"]);
        assert_eq!(found[0].domain("smtp.mailfrom"), Domain::parse("mail.example").ok());
        assert_eq!(found[1].domain("header.from"), Domain::parse("mail.example").ok());
        assert_eq!(found[1].domain("header.d"), None);
    }

    #[test]
    fn a_value_that_somebody_else_wrote_becomes_no_property() {
        for statement in [
            "dkim=pass header.i=header.d=bank.example(a)@evil.example header.s=k",
            "dkim=pass reason=header.d=bank.example header.d=evil.example",
            "dkim=pass header.d=bank.example header.d=evil.example",
        ] {
            assert!(passed(format!("i=1; mx; {statement}").as_bytes()).is_empty(), "{statement}");
        }
        assert_eq!(methods("i=1; mx; dkim=pass reason=\"fine\" header.i=@a.example header.s=k"), ["dkim"]);
    }

    #[test]
    fn what_a_sender_put_into_comments_and_quotes_is_no_result() {
        assert!(methods("i=1; mx; spf=fail (; dmarc=pass header.from=a.example;)").is_empty());
        assert!(methods("i=1; mx; spf=fail reason=\"; dmarc=pass header.from=a.example\"").is_empty());
        assert!(
            methods("i=1; mx; spf=fail smtp.mailfrom=\"; dmarc=pass header.from=a.example; \"@b.example")
                .is_empty()
        );
        assert!(methods("i=1; mx; none").is_empty());
        assert!(methods("i=1; mx (unended; dmarc=pass header.from=a.example").is_empty());
        assert!(methods("i=1; mx; dkim=passed header.d=a.example").is_empty());
    }
}
