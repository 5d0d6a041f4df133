//! A third reader of finished messages, for tests alone: neither the rewriter's nor the gate's code, slow and exhaustive.
//!
//! Rules: whatever a mail program, or a person with a decoder, could make of the octets is made of them: the parts as
//! mail-parser reads them, every text in every charset it can be, base64, hexadecimal and quoted-printable wherever
//! they stand, layer by layer, and then letters and at sign alone are compared. It finds too much rather than too little.
//! When it fails: a secret it does not see is no proof; the negative control of each variant shows what it sees.

mod charset;
mod embedded;
mod normal;

use mail_parser::{HeaderForm, HeaderValue, MessageParser, PartKind};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

pub use charset::{EBCDIC, decode};
pub use normal::{fold, squeeze, visible};

/// Most encodings inside encodings that are taken off.
const MAX_DEPTH: usize = 5;
/// Most escapes inside escapes.
const MAX_LAYERS: usize = 5;

/// What is looked for.
pub struct Wanted {
    local: String,
    domains: Vec<String>,
    dots_ignored: bool,
    ascii: bool,
    /// A piece that stands in every plain spelling, for looks that must be cheap.
    fragment: Vec<u8>,
}

impl Wanted {
    /// An address.
    pub fn address(address: &str) -> Self {
        let (local, domain) = address.rsplit_once('@').unwrap();
        let dots_ignored = matches!(domain, "gmail.com" | "googlemail.com");
        let mut domains = vec![
            domain.to_owned(),
            idna::domain_to_unicode(domain).0,
            idna::domain_to_ascii(domain).unwrap_or_default(),
        ];
        if dots_ignored {
            domains = vec!["gmail.com".to_owned(), "googlemail.com".to_owned()];
        }
        let mut domains: Vec<String> =
            domains.iter().map(|one| squeeze(&fold(one))).filter(|d| !d.is_empty()).collect();
        domains.dedup();
        let local = squeeze(&fold(local)).replace('@', "");
        let local = if dots_ignored { local.replace('.', "") } else { local };
        let ascii = local.is_ascii() && domains.iter().all(|domain| domain.is_ascii());
        Self { fragment: fragment(domain), local, domains, dots_ignored, ascii }
    }

    /// A host name, an IP address, the domain of a Message-ID or of a signature.
    pub fn name(name: &str) -> Self {
        Self {
            local: String::new(),
            domains: vec![squeeze(&fold(name))],
            dots_ignored: false,
            ascii: true,
            fragment: fragment(name),
        }
    }

    /// Whether a squeezed text spells it.
    fn is_in(&self, text: &str) -> bool {
        self.domains.iter().any(|domain| {
            memchr::memmem::find_iter(text.as_bytes(), domain.as_bytes()).any(|at| self.left_of(text, at))
        })
    }

    /// Whether a folded text has it as a whole word.
    fn stands_in(&self, text: &str) -> bool {
        let letter =
            |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
        self.domains.iter().any(|domain| {
            let whole = format!("{}@{domain}", self.local);
            text.match_indices(&whole).any(|(at, _)| {
                let behind = text[at + whole.len()..].chars().next();
                !letter(text[..at].chars().next_back()) && !letter(behind)
            })
        })
    }

    fn left_of(&self, text: &str, at: usize) -> bool {
        if self.local.is_empty() {
            return true;
        }
        let Some(before) = text.get(..at).and_then(|text| text.strip_suffix(['@', '='])) else {
            return false;
        };
        if before.ends_with(&self.local) {
            return true;
        }
        let from = before.char_indices().rev().take(80).last().map_or(0, |(i, _)| i);
        let near =
            if self.dots_ignored { before[from..].replace('.', "") } else { before[from..].to_owned() };
        near.ends_with(&self.local)
            || memchr::memmem::find_iter(near.as_bytes(), format!("{}+", self.local).as_bytes()).any(|at| {
                let tag = &near[at + self.local.len()..];
                tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_=".contains(&b))
            })
    }
}

fn fragment(name: &str) -> Vec<u8> {
    let longest = name.split(['.', '@', ':']).max_by_key(|label| label.len()).unwrap_or_default();
    longest.to_ascii_lowercase().into_bytes()
}

/// Where the secret was seen first, for a person; `None` where it is nowhere.
pub fn sees(mail: &[u8], wanted: &Wanted) -> Option<String> {
    let mut look = Look { wanted, seen: BTreeSet::new(), place: String::new(), found: None, exact: false };
    look.octets(mail, None, 0, "raw");
    look.message(mail, 0);
    look.found
}

/// The same without squeezing: only an address that stands together, letter for letter, behind encodings and escapes.
pub fn sees_plainly(mail: &[u8], wanted: &Wanted) -> Option<String> {
    let mut look = Look { wanted, seen: BTreeSet::new(), place: String::new(), found: None, exact: true };
    look.octets(mail, None, MAX_DEPTH - 2, "raw");
    look.message(mail, MAX_DEPTH - 2);
    look.found
}

/// The decoded octets of every part that holds no other part, those of messages in messages and in files too.
pub fn leaves(mail: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut open = vec![(mail.to_vec(), 0)];
    while let Some((mail, depth)) = open.pop() {
        let Some(parsed) = MessageParser::new().max_encoded_nesting(12).parse(&mail) else { continue };
        for part in parsed.parts() {
            if matches!(part.kind(), PartKind::Multipart | PartKind::Message(_)) {
                continue;
            }
            let decoded = part.decoded();
            if depth < 2 && decoded.starts_with(b"Subject: ") {
                open.push((decoded.to_vec(), depth + 1));
            }
            out.push(decoded.to_vec());
        }
    }
    out
}

/// The types of all parts, in order.
pub fn shape(mail: &[u8]) -> Vec<String> {
    let Some(parsed) = MessageParser::new().max_encoded_nesting(12).parse(mail) else { return Vec::new() };
    let one = |part: mail_parser::MessagePart<'_>| {
        part.content_type().map_or_else(String::new, |value| {
            format!("{}/{}", value.ctype(), value.subtype().unwrap_or_default()).to_lowercase()
        })
    };
    parsed.parts().map(one).collect()
}

/// All header fields as text and all their parameters, squeezed.
pub fn headers(mail: &[u8]) -> String {
    let mut out = String::new();
    let Some(parsed) = MessageParser::new().max_encoded_nesting(12).parse(mail) else { return out };
    for part in parsed.parts() {
        for header in part.headers().iter() {
            out += &String::from_utf8_lossy(&embedded::with_words(header.raw_value()));
            out.push('|');
            if let HeaderValue::ContentType(value) = header.parse_as(HeaderForm::ContentType).value() {
                out += &normal::unescaped(&String::from_utf8_lossy(&embedded::continued(header.raw_value())));
                out.push('|');
                for (_, text) in value.attributes() {
                    out += &String::from_utf8_lossy(&embedded::with_words(text.as_bytes()));
                    out.push('|');
                }
            }
        }
        // The header of a message that is a part of its own.
        if part.is_content_type("text", "rfc822-headers") {
            out += &String::from_utf8_lossy(&embedded::with_words(&part.decoded()));
        }
    }
    squeeze(&fold(&out))
}

struct Look<'a> {
    wanted: &'a Wanted,
    /// Hashes of what was looked at.
    seen: BTreeSet<u64>,
    place: String,
    found: Option<String>,
    exact: bool,
}

impl Look<'_> {
    fn message(&mut self, mail: &[u8], depth: usize) {
        let Some(parsed) = MessageParser::new().max_encoded_nesting(12).parse(mail) else { return };
        for (i, part) in parsed.parts().enumerate() {
            if self.found.is_some() {
                return;
            }
            for header in part.headers().iter() {
                self.place = format!("part {i}, {}", header.name());
                self.octets(header.raw_value(), None, depth, "header");
                if let HeaderValue::Text(text) = header.parse_as(HeaderForm::Text).value() {
                    self.text(text, "header text");
                }
                if let HeaderValue::ContentType(value) = header.parse_as(HeaderForm::ContentType).value() {
                    for (name, text) in value.attributes() {
                        self.text(name, "parameter name");
                        self.octets(text.as_bytes(), None, depth, "parameter");
                    }
                }
                let continued = embedded::continued(header.raw_value());
                self.octets(&embedded::percent_off(&continued), None, depth, "continued parameter");
                self.octets(&continued, None, depth, "continued parameter");
            }
            self.place = format!("part {i}");
            if matches!(part.kind(), PartKind::Multipart | PartKind::Message(_)) {
                continue;
            }
            let label = part.content_type().and_then(|value| value.attribute("charset")).map(str::to_owned);
            let decoded = part.decoded();
            self.octets(&decoded, label.as_deref(), depth, "body");
            if let Some(text) = part.text() {
                self.text(&text, "body text");
            }
            // Where nothing says base64, only the exhaustive look takes it for some.
            if !self.exact || part.encoding() == mail_parser::Encoding::Base64 {
                let over_padding = embedded::base64_ignoring_padding(part.raw_body());
                self.octets(&over_padding, label.as_deref(), depth, "body over padding");
            }
            if depth < 3 && memchr::memmem::find(&decoded, b": ").is_some() && decoded.len() < mail.len() {
                self.message(&decoded, depth + 1);
            }
        }
    }

    /// Octets of a text in a charset that may or may not be the labelled one.
    fn octets(&mut self, octets: &[u8], label: Option<&str>, depth: usize, how: &str) {
        if octets.len() < 6 || self.found.is_some() {
            return;
        }
        if !self.is_new(&(octets, label)) {
            return;
        }
        for text in charset::readings(octets, label, self.guesses()) {
            self.text(&text, how);
            // A token may stand in a text that is no ASCII.
            let printable =
                || text.chars().filter(|c| matches!(c, ' '..='~')).count() * 2 > text.chars().count();
            if depth < 3
                && how != "base64"
                && charset::hides_ascii(octets)
                && text.as_bytes() != octets
                && printable()
            {
                self.octets(text.as_bytes(), None, MAX_DEPTH - 2, "base64");
            }
        }
        if depth < MAX_DEPTH && self.found.is_none() {
            for inner in
                embedded::in_octets(octets, &self.wanted.fragment, depth, if self.exact { 1 } else { 4 })
            {
                self.octets(&inner.octets, None, depth + 1, inner.how);
            }
        }
    }

    fn guesses(&self) -> charset::Guesses {
        if self.exact { charset::Guesses::Usual } else { charset::Guesses::All }
    }

    fn is_new(&mut self, thing: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }

    fn text(&mut self, text: &str, how: &str) {
        if self.found.is_some() {
            return;
        }
        let mut layer = text.to_owned();
        for _ in 0..MAX_LAYERS {
            if !self.is_new(&layer) {
                return;
            }
            let folded =
                if self.exact { fold(&layer.replace(normal::is_no_text, "?")) } else { fold(&layer) };
            self.compare(&folded, how);
            if !self.exact && folded.contains(['<', '(']) {
                for shown in visible(&folded) {
                    self.compare(&shown, how);
                }
            }
            let next = normal::unescaped(&layer);
            if next == layer {
                break;
            }
            layer = next;
        }
    }

    fn compare(&mut self, folded: &str, how: &str) {
        if self.exact {
            // Octets that are no text stand between letters for some programs; for this look they part words.
            if self.found.is_none() && self.wanted.stands_in(folded) {
                self.found = Some(format!("{} {how}", self.place));
            }
            return;
        }
        let squeezed = if self.wanted.ascii { normal::squeeze_ascii(folded) } else { squeeze(folded) };
        if self.found.is_none() && self.wanted.is_in(&squeezed) {
            self.found = Some(format!("{} {how}", self.place));
        }
    }
}
