//! Domain names with macros in them (RFC 7208 §7). Pure.

use std::net::IpAddr;

/// Longest name that comes out, without the root dot (RFC 7208 §7.3).
const NAME_MAX: usize = 253;
/// What a value can be split at (RFC 7208 §7.1).
const DELIMITERS: &str = ".-+,/_=";

/// A domain name, to be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DomainSpec(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro { letter: char, parts: usize, order: Order, delimiters: String, escape: Escape },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AsIs,
    Reversed,
}

/// Whether the value is written as it may stand in a URL: an upper-case letter asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    No,
    Url,
}

/// What the macros stand for.
pub(super) struct Values<'a> {
    pub ip: IpAddr,
    pub sender: &'a str,
    pub helo: &'a str,
    pub domain: &'a str,
    /// The validated name of the client, or `unknown`.
    pub validated: &'a str,
}

impl DomainSpec {
    /// Reads a `domain-spec`: macros and characters that end in a macro or a top-level label.
    pub fn parse(text: &str) -> Option<Self> {
        let pieces = pieces(text)?;
        let ends_well = match pieces.last()? {
            Piece::Macro { .. } => true,
            // `%%` and the like may not end it; a label must stand behind a dot.
            Piece::Literal(literal) => {
                let literal = literal.strip_suffix('.').unwrap_or(literal);
                !text.ends_with("%%")
                    && !text.ends_with("%_")
                    && !text.ends_with("%-")
                    && literal.rsplit_once('.').is_some_and(|(_, label)| is_top_label(label))
            }
        };
        ends_well.then_some(Self(pieces))
    }

    /// Whether it asks for the client's validated name.
    pub fn needs_validated_name(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro { letter: 'p', .. }))
    }

    /// The name; labels in front go where it is too long.
    pub fn expand(&self, values: &Values<'_>) -> String {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => name.push_str(literal),
                Piece::Macro { letter, parts, order, delimiters, escape } => {
                    let value = transformed(&value(*letter, values), *parts, *order, delimiters);
                    match escape {
                        Escape::No => name.push_str(&value),
                        Escape::Url => push_escaped(&mut name, &value),
                    }
                }
            }
        }
        let mut rest = name.strip_suffix('.').unwrap_or(&name);
        while rest.len() > NAME_MAX {
            rest = rest.split_once('.').map_or("", |(_, behind)| behind);
        }
        rest.to_owned()
    }
}

/// Whether a text is a `macro-string`.
pub(super) fn is_macro_string(text: &str) -> bool {
    pieces(text).is_some()
}

fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut found = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        if c != '%' {
            if !c.is_ascii_graphic() {
                return None;
            }
            literal.push(c);
            continue;
        }
        let kind = rest.chars().next()?;
        rest = rest.get(kind.len_utf8()..)?;
        match kind {
            '%' => literal.push('%'),
            '_' => literal.push(' '),
            '-' => literal.push_str("%20"),
            '{' => {
                let (inner, behind) = rest.split_once('}')?;
                rest = behind;
                if !literal.is_empty() {
                    found.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                found.push(expansion(inner)?);
            }
            _ => return None,
        }
    }
    if !literal.is_empty() {
        found.push(Piece::Literal(literal));
    }
    Some(found)
}

/// `d2r-` and the like.
fn expansion(inner: &str) -> Option<Piece> {
    let letter = inner.chars().next().filter(|c| "slodipvh".contains(c.to_ascii_lowercase()))?;
    let rest = inner.get(1..)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let parts = match number {
        "" => usize::MAX,
        number => number.parse().ok().filter(|parts| *parts > 0)?,
    };
    let (order, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(delimiters) => (Order::Reversed, delimiters),
        None => (Order::AsIs, rest),
    };
    if !delimiters.chars().all(|c| DELIMITERS.contains(c)) {
        return None;
    }
    let delimiters = if delimiters.is_empty() { "." } else { delimiters }.to_owned();
    let escape = if letter.is_ascii_uppercase() { Escape::Url } else { Escape::No };
    Some(Piece::Macro { letter: letter.to_ascii_lowercase(), parts, order, delimiters, escape })
}

fn value(letter: char, values: &Values<'_>) -> String {
    let (local, domain) = values.sender.rsplit_once('@').unwrap_or(("postmaster", values.sender));
    match letter {
        's' => values.sender.to_owned(),
        'l' => local.to_owned(),
        'o' => domain.to_owned(),
        'd' => values.domain.to_owned(),
        'p' => values.validated.to_owned(),
        'h' => values.helo.to_owned(),
        'v' => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
        _ => match values.ip {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => {
                let nibbles = format!("{:032x}", v6.to_bits());
                let nibbles: Vec<String> = nibbles.chars().map(String::from).collect();
                nibbles.join(".")
            }
        },
    }
}

/// The right-hand parts of a value, joined by dots.
fn transformed(value: &str, parts: usize, order: Order, delimiters: &str) -> String {
    let mut split: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
    if order == Order::Reversed {
        split.reverse();
    }
    split.split_off(split.len().saturating_sub(parts)).join(".")
}

fn push_escaped(out: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
}

/// `toplabel`: not digits alone, no hyphen at either end.
fn is_top_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.bytes().all(|b| b.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, ip: &str) -> Option<String> {
        let values = Values {
            ip: ip.parse().unwrap(),
            sender: "strong-bad@email.example.com",
            helo: "mx.example.org",
            domain: "email.example.com",
            validated: "unknown",
        };
        DomainSpec::parse(text).map(|spec| spec.expand(&values))
    }

    #[test]
    fn macros_stand_for_what_rfc_7208_says_in_7_4() {
        for (text, name) in [
            ("%{d}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{S}", "strong-bad%40email.example.com"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{p}.a.example.", "unknown.a.example"),
            ("a%%b%-c.example", "a%b%20c.example"),
        ] {
            assert_eq!(expanded(text, "192.0.2.3").as_deref(), Some(name), "{text}");
        }
        assert_eq!(
            expanded("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01").as_deref(),
            Some("1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com")
        );
    }

    #[test]
    fn a_name_that_grows_too_long_loses_labels_in_front() {
        let text = format!("{}.%{{d}}", "a123456789.".repeat(30).trim_end_matches('.'));
        let name = expanded(&text, "192.0.2.3").unwrap();
        assert!(name.len() <= 253 && name.ends_with(".email.example.com"), "{name}");
        assert_eq!(expanded("%{d}..x", "192.0.2.3").as_deref(), Some("email.example.com..x"));
    }
}
