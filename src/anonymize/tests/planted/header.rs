//! Header fields that hold a secret: which field, in which form, of which header.

use super::charset::Charset;
use data_encoding::BASE64;

/// What a field is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Text,
    Address,
    Id,
    Parameter,
    Token,
}

/// Whether a reader must find the alias afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Shown,
    Gone,
}

/// A field. `{}` in `value` is where a form puts its text.
pub struct Field {
    pub name: &'static str,
    pub value: &'static str,
    pub syntax: Syntax,
    pub keep: Keep,
}

const fn field(name: &'static str, value: &'static str, syntax: Syntax, keep: Keep) -> Field {
    Field { name, value, syntax, keep }
}

/// Fields of the message, and of a message inside.
pub const FIELDS: &[Field] = &[
    field("Subject", "Subject: {}", Syntax::Text, Keep::Shown),
    field("Comments", "Comments: {}", Syntax::Text, Keep::Gone),
    field("Keywords", "Keywords: {}", Syntax::Text, Keep::Gone),
    field("Organization", "Organization: {}", Syntax::Text, Keep::Gone),
    field("Thread-Topic", "Thread-Topic: {}", Syntax::Text, Keep::Gone),
    field("Thread-Index", "Thread-Index: {}", Syntax::Token, Keep::Gone),
    field("X-Mailer", "X-Mailer: {}", Syntax::Text, Keep::Gone),
    field("User-Agent", "User-Agent: {}", Syntax::Text, Keep::Gone),
    field("unknown field", "X-Any: {}", Syntax::Text, Keep::Gone),
    field("X-Originating-Email", "X-Originating-Email: [{}]", Syntax::Token, Keep::Gone),
    field("To", "To: {}", Syntax::Address, Keep::Gone),
    field("Cc", "Cc: {}", Syntax::Address, Keep::Gone),
    field("Bcc", "Bcc: {}", Syntax::Address, Keep::Gone),
    field("Reply-To", "Reply-To: {}", Syntax::Address, Keep::Gone),
    field("Sender", "Sender: {}", Syntax::Address, Keep::Gone),
    field("Resent-From", "Resent-From: {}", Syntax::Address, Keep::Gone),
    field("Disposition-Notification-To", "Disposition-Notification-To: {}", Syntax::Address, Keep::Gone),
    field("Errors-To", "Errors-To: {}", Syntax::Address, Keep::Gone),
    field("Return-Path", "Return-Path: <{}>", Syntax::Token, Keep::Gone),
    field("Delivered-To", "Delivered-To: {}", Syntax::Token, Keep::Gone),
    field(
        "Received",
        "Received: from x.example (x.example [192.0.2.9])\r\n\tby y.example for <{}>; Sun, 22 Nov 2026 09:00:00 +0900",
        Syntax::Token,
        Keep::Gone,
    ),
    field("Received-SPF", "Received-SPF: pass envelope-from={}", Syntax::Token, Keep::Gone),
    field(
        "Authentication-Results",
        "Authentication-Results: x.example; spf=pass smtp.mailfrom={}",
        Syntax::Token,
        Keep::Gone,
    ),
    field("DKIM-Signature", "DKIM-Signature: v=1; d=x.example; i={}; s=a; b=AA==", Syntax::Token, Keep::Gone),
    field(
        "ARC-Authentication-Results",
        "ARC-Authentication-Results: i=1; x.example; smtp.mailfrom={}",
        Syntax::Token,
        Keep::Gone,
    ),
    field("Autocrypt", "Autocrypt: addr={}; keydata=AA==", Syntax::Token, Keep::Gone),
    field("List-Unsubscribe", "List-Unsubscribe: <mailto:{}>", Syntax::Token, Keep::Gone),
    field("List-Id", "List-Id: x <{}>", Syntax::Token, Keep::Gone),
    field("Message-ID", "Message-ID: {}", Syntax::Id, Keep::Gone),
    field("In-Reply-To", "In-Reply-To: {}", Syntax::Id, Keep::Gone),
    field("References", "References: <1@x.example> {}", Syntax::Id, Keep::Gone),
    field("Original-Message-ID", "Original-Message-ID: {}", Syntax::Id, Keep::Gone),
    field("Date", "Date: Sun, 22 Nov 2026 09:00:00 +0900 ({})", Syntax::Token, Keep::Gone),
    field("MIME-Version", "MIME-Version: 1.0 ({})", Syntax::Token, Keep::Gone),
    field("Importance", "Importance: {}", Syntax::Token, Keep::Gone),
    field("Precedence", "Precedence: {}", Syntax::Token, Keep::Gone),
    field("Auto-Submitted", "Auto-Submitted: auto-replied; owner={}", Syntax::Token, Keep::Gone),
    field("X-Priority", "X-Priority: 3 ({})", Syntax::Token, Keep::Gone),
    field("Accept-Language", "Accept-Language: {}", Syntax::Token, Keep::Gone),
    field("field with a blank before its colon", "X-Any : {}", Syntax::Text, Keep::Gone),
];

/// Fields that say how to read a part: of the message and of its parts.
pub const PART_FIELDS: &[Field] = &[
    field(
        "Content-Type: name",
        "Content-Type: application/octet-stream; name{}",
        Syntax::Parameter,
        Keep::Shown,
    ),
    field(
        "Content-Disposition: filename",
        "Content-Type: image/png\r\nContent-Disposition: attachment; filename{}",
        Syntax::Parameter,
        Keep::Shown,
    ),
    field(
        "Content-Type: unknown parameter",
        "Content-Type: text/plain; x-any{}",
        Syntax::Parameter,
        Keep::Gone,
    ),
    field("Content-Type: charset", "Content-Type: text/plain; charset{}", Syntax::Parameter, Keep::Gone),
    field(
        "Content-Disposition: unknown parameter",
        "Content-Disposition: inline; x-any{}",
        Syntax::Parameter,
        Keep::Gone,
    ),
    field("Content-Description", "Content-Description: {}", Syntax::Text, Keep::Shown),
    field("Content-ID", "Content-ID: {}", Syntax::Id, Keep::Gone),
    field("Content-Location", "Content-Location: {}", Syntax::Token, Keep::Gone),
    field("Content-Base", "Content-Base: mailto:{}", Syntax::Token, Keep::Gone),
    field("Content-Language", "Content-Language: en ({})", Syntax::Token, Keep::Gone),
    field("Content-Transfer-Encoding", "Content-Transfer-Encoding: 7bit ({})", Syntax::Token, Keep::Gone),
    field("Content-Type: comment", "Content-Type: text/plain ({})", Syntax::Token, Keep::Gone),
    field("Content-MD5", "Content-MD5: {}", Syntax::Token, Keep::Gone),
    field("unknown field of a part", "X-Part: {}", Syntax::Text, Keep::Gone),
    field("unknown Content field", "Content-X-Any: {}", Syntax::Text, Keep::Gone),
];

/// What a form is given.
pub struct Written<'a> {
    pub charset: &'a Charset,
    pub spelled: &'a str,
    pub before: &'a str,
    pub behind: &'a str,
}

impl Written<'_> {
    fn octets(&self, text: &str) -> Option<Vec<u8>> {
        Some([self.charset.mark(), &self.charset.encode(text)?].concat())
    }

    fn whole(&self) -> Option<Vec<u8>> {
        self.octets(&format!("{}{}{}", self.before, self.spelled, self.behind))
    }

    fn label(&self) -> &str {
        if self.charset.label.is_empty() { "utf-8" } else { self.charset.label }
    }

    fn b(&self, octets: &[u8]) -> String {
        format!("=?{}?B?{}?=", self.label(), BASE64.encode(octets))
    }

    fn q(&self, octets: &[u8]) -> String {
        let text = octets.iter().map(|b| match b {
            b' ' => "_".to_owned(),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(*b).to_string(),
            _ => format!("={b:02X}"),
        });
        format!("=?{}?Q?{}?=", self.label(), text.collect::<String>())
    }

    /// The secret in two halves, each of whole characters.
    fn halves(&self) -> (&str, &str) {
        let middle = self.spelled.char_indices().nth(self.spelled.chars().count() / 2).map_or(0, |(i, _)| i);
        self.spelled.split_at(middle)
    }

    fn percent(&self, octets: &[u8]) -> String {
        octets
            .iter()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(*b).to_string() } else { format!("%{b:02X}") })
            .collect()
    }

    fn plain(&self) -> Option<&str> {
        let quiet = |c: char| !matches!(c, '"' | '\\' | '\r' | '\n');
        self.spelled.chars().all(quiet).then_some(self.spelled)
    }
}

/// How the text is written in the field.
pub struct Form {
    pub name: &'static str,
    /// The column of the table: in clear, encoded words, parameters in pieces.
    pub column: usize,
    pub syntax: &'static [Syntax],
    pub write: fn(&Written<'_>) -> Option<Vec<u8>>,
}

type Value = Option<Vec<u8>>;

fn split_words(w: &Written<'_>, between: &str, encode: impl Fn(&[u8]) -> String) -> Value {
    let (first, second) = w.halves();
    let words = [
        encode(&w.octets(&format!("{}{first}", w.before))?),
        encode(&w.octets(&format!("{second}{}", w.behind))?),
    ];
    Some(words.join(between).into_bytes())
}

/// The octets cut where they happen to be cut: in a character, in a group of base64.
fn split_octets(w: &Written<'_>, at: usize) -> Value {
    let octets = w.whole()?;
    let words: Vec<String> = octets.chunks(at).map(|piece| w.b(piece)).collect();
    Some(words.join("\r\n ").into_bytes())
}

fn pieces(w: &Written<'_>, order: [usize; 3], extended: Extended) -> Value {
    // A mark in every piece is nothing that a program writes.
    if !w.charset.mark().is_empty() {
        return None;
    }
    let (first, second) = w.halves();
    let octets = [w.octets(w.before)?, w.octets(first)?, w.octets(&format!("{second}{}", w.behind))?];
    let mut out = String::new();
    for number in order {
        let piece = match (extended, number) {
            (Extended::All, 0) | (Extended::First, 0) => {
                format!("*0*={}''{}", w.label(), w.percent(&octets[0]))
            }
            (Extended::All, n) => format!("*{n}*={}", w.percent(&octets[n])),
            (_, n) => format!("*{n}=\"{}\"", if n == 1 { first } else { second }),
        };
        if !out.is_empty() {
            // The place has the name in front of the first piece only.
            out.push_str(";\r\n {NAME}");
        }
        out.push_str(&piece);
    }
    Some(out.into_bytes())
}

#[derive(Clone, Copy, PartialEq)]
enum Extended {
    All,
    First,
}

const TEXTS: &[Syntax] = &[Syntax::Text];
const ADDRESSES: &[Syntax] = &[Syntax::Address];
const PARAMETERS: &[Syntax] = &[Syntax::Parameter];
const IDS: &[Syntax] = &[Syntax::Id];
const TOKENS: &[Syntax] = &[Syntax::Token];
const PHRASES: &[Syntax] = &[Syntax::Text, Syntax::Address];

const fn form(
    name: &'static str,
    column: usize,
    syntax: &'static [Syntax],
    write: fn(&Written<'_>) -> Value,
) -> Form {
    Form { name, column, syntax, write }
}

fn text(w: &Written<'_>, lead: &str, tail: &str) -> Value {
    Some(format!("{lead}{}{tail}", w.plain()?).into_bytes())
}

/// All forms.
pub const FORMS: &[Form] = &[
    form("in clear", 0, &[Syntax::Text, Syntax::Address, Syntax::Token], |w| text(w, "", "")),
    form("folded", 0, TEXTS, |w| text(w, "a\r\n ", "\r\n\tb")),
    form("folded by an empty line of blanks", 0, TEXTS, |w| text(w, "a\r\n  \r\n ", "")),
    form("raw octets", 0, TEXTS, |w| {
        w.whole().filter(|octets| !octets.contains(&0) && !w.spelled.contains('\r'))
    }),
    form("comment", 0, TOKENS, |w| text(w, "x (", ")")),
    form("in brackets", 0, ADDRESSES, |w| text(w, "x <", ">")),
    form("in brackets, folded", 0, ADDRESSES, |w| text(w, "x\r\n\t<", ">,\r\n b@c.example")),
    form("group", 0, ADDRESSES, |w| text(w, "people: b@c.example, <", ">;")),
    form("comment behind an address", 0, ADDRESSES, |w| text(w, "b@c.example (to ", " too)")),
    form("name", 0, ADDRESSES, |w| text(w, "\"", "\" <b@c.example>")),
    form("route", 0, ADDRESSES, |w| text(w, "<@c.example:", ">")),
    form("name of raw octets", 0, ADDRESSES, |w| {
        Some(
            [
                &w.whole().filter(|octets| !octets.contains(&0) && !octets.contains(&b'\r'))?[..],
                b" <b@c.example>",
            ]
            .concat(),
        )
    }),
    form("word, B", 1, PHRASES, |w| Some([w.b(&w.whole()?).as_bytes(), b" <b@c.example>"].concat())),
    form("word, Q", 1, PHRASES, |w| Some([w.q(&w.whole()?).as_bytes(), b" <b@c.example>"].concat())),
    form("word, small letters", 1, PHRASES, |w| Some(w.b(&w.whole()?).replace("?B?", "?b?").into_bytes())),
    form("word with a language", 1, PHRASES, |w| {
        Some(w.b(&w.whole()?).replace("?B?", "*ja?B?").into_bytes())
    }),
    form("word of the whole address", 1, ADDRESSES, |w| {
        Some(format!("<{}>", w.b(&w.octets(w.plain()?)?)).into_bytes())
    }),
    form("word in quotes", 1, PHRASES, |w| {
        Some(format!("\"{}\" <b@c.example>", w.b(&w.whole()?)).into_bytes())
    }),
    form("word in a comment", 1, ADDRESSES, |w| {
        Some(format!("b@c.example ({})", w.q(&w.whole()?)).into_bytes())
    }),
    form("word without blanks around", 1, TEXTS, |w| Some(format!("a{}b", w.b(&w.whole()?)).into_bytes())),
    form("words, B", 1, PHRASES, |w| split_words(w, "\r\n ", |octets| w.b(octets))),
    form("words, Q", 1, PHRASES, |w| split_words(w, " ", |octets| w.q(octets))),
    form("words without blanks between", 1, TEXTS, |w| split_words(w, "", |octets| w.b(octets))),
    form("words cut in characters", 1, PHRASES, |w| split_octets(w, 13)),
    form("words cut often", 1, PHRASES, |w| split_octets(w, 4)),
    form("word and clear text", 1, TEXTS, |w| {
        let (first, second) = w.halves();
        if w.spelled.contains(['&', '=', ':', '%']) {
            return None;
        }
        w.plain()?;
        Some(format!("{} {second}", w.b(&w.octets(first)?)).into_bytes())
    }),
    form("id", 0, IDS, |w| text(w, "<", ">")),
    form("id without brackets", 0, IDS, |w| text(w, "", "")),
    form("id in a phrase", 0, IDS, |w| text(w, "your mail to ", " of today <2@x.example>")),
    form("quoted", 0, PARAMETERS, |w| text(w, "=\"", ".txt\"")),
    form("not quoted", 0, PARAMETERS, |w| {
        text(w, "=", ".txt").filter(|_| !w.spelled.contains([' ', ';', '(', '/', '=', '<', '[']))
    }),
    form("raw octets in quotes", 0, PARAMETERS, |w| {
        let octets = w.whole().filter(|octets| {
            !octets.contains(&0)
                && !octets.contains(&b'"')
                && !octets.contains(&b'\\')
                && !octets.contains(&b'\r')
        })?;
        Some([b"=\"", &octets[..], b"\""].concat())
    }),
    form("word in quotes", 1, PARAMETERS, |w| Some(format!("=\"{}\"", w.b(&w.whole()?)).into_bytes())),
    form("word without quotes", 1, PARAMETERS, |w| Some(format!("={}", w.q(&w.whole()?)).into_bytes())),
    form("words in quotes", 1, PARAMETERS, |w| {
        let words = split_words(w, "\r\n ", |octets| w.b(octets))?;
        Some([b"=\"", &words[..], b"\""].concat())
    }),
    form("extended", 2, PARAMETERS, |w| {
        Some(format!("*={}'ja'{}", w.label(), w.percent(&w.whole()?)).into_bytes())
    }),
    form("in pieces", 2, PARAMETERS, |w| {
        w.plain()?;
        if w.charset.label != "utf-8" {
            return None;
        }
        pieces(w, [0, 1, 2], Extended::First)
    }),
    form("in pieces, extended", 2, PARAMETERS, |w| pieces(w, [0, 1, 2], Extended::All)),
    form("in pieces, last first", 2, PARAMETERS, |w| pieces(w, [2, 1, 0], Extended::All)),
    form("in pieces, middle first", 2, PARAMETERS, |w| pieces(w, [1, 0, 2], Extended::All)),
];

impl Field {
    /// The field, without its last line end; `None` where the form cannot stand in it.
    pub fn write(&self, form: &Form, written: &Written<'_>) -> Option<Vec<u8>> {
        if !form.syntax.contains(&self.syntax) {
            return None;
        }
        let value = (form.write)(written)?;
        let (lead, tail) = self.value.split_once("{}")?;
        // A comment ends at a bracket, an id and a link at theirs.
        if self.syntax != Syntax::Text && form.column == 0 && written.spelled.contains(['(', ')', '<', '>']) {
            return None;
        }
        if self.syntax == Syntax::Token && written.spelled.contains([' ', ';']) {
            return None;
        }
        let name = lead.rsplit([' ']).next().unwrap_or_default();
        let value = if form.column == 2 { replaced(&value, b"{NAME}", name.as_bytes()) } else { value };
        Some([lead.as_bytes(), &value, tail.as_bytes()].concat())
    }
}

fn replaced(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    for found in memchr::memmem::find_iter(text, what) {
        out.extend_from_slice(&text[at..found]);
        out.extend_from_slice(with);
        at = found + what.len();
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// Where a header stands. `{LEAF}` is the field, `{C}` as in [`super::structure`].
pub const SCOPES: &[(&str, &str)] = &[
    ("message", "{LEAF}\r\n\r\nx\r\n"),
    (
        "message with parts",
        "{LEAF}\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "message inside",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nFrom: b@c.example\r\n{LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "message inside, base64",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64[From: b@c.example\r\n{LEAF}\r\n\r\nx\r\n]}\r\n--out--\r\n",
    ),
    (
        "digest",
        "Content-Type: multipart/digest; boundary=out\r\n\r\n--out\r\n\r\nFrom: b@c.example\r\n{LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "text/rfc822-headers",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: b@c.example\r\n{LEAF}\r\n--out--\r\n",
    ),
];

/// Where a header of a part stands.
pub const PART_SCOPES: &[(&str, &str)] = &[
    ("message", "{LEAF}\r\n\r\nx\r\n"),
    (
        "part",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\n{LEAF}\r\n\r\nx\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "part of a message inside",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n{LEAF}\r\n\r\nx\r\n--in--\r\n\r\n--out--\r\n",
    ),
];
