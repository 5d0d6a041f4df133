//! Structured MIME values: `type/subtype; name=value; …` of Content-Type and Content-Disposition.
//!
//! Rules: RFC 2045 §5.1 (tokens, quoted strings, comments), RFC 2231 §3 and §4 (sections `name*0`, charset and
//! percent escapes `name*`), and what real programs write beside it: unquoted values with blanks, raw octets,
//! encoded words inside quotes. Every parameter knows the range it was written in.
//! When it fails: what is no parameter is left out and the value is marked as odd.

use super::charset::Charset;
use super::slice;
use super::transfer::hex;
use super::words;
use std::ops::Range;

/// Most parameters read from one value.
const MAX_PARAMS: usize = 200;

/// A structured value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structured {
    /// What stands before the first semicolon, lower case, without blanks and comments.
    pub head: String,
    /// Where that stands.
    pub head_range: Range<usize>,
    /// The parameters as written.
    pub params: Vec<Param>,
    /// Whether something in it is no parameter (a comment, text without `=`).
    pub odd: bool,
}

/// One parameter, or one section of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The name, lower case, without section and star.
    pub name: String,
    /// The section number (RFC 2231 §3).
    pub section: Option<u32>,
    /// Whether the value has charset or percent escapes (RFC 2231 §4).
    pub extended: bool,
    /// The value without quotes and backslashes.
    pub value: Vec<u8>,
    /// Whether it was quoted.
    pub quoted: bool,
    /// From the name to the end of the value.
    pub range: Range<usize>,
}

/// Reads a value; never fails.
#[must_use]
pub fn parse(value: &[u8]) -> Structured {
    let mut out = Structured::default();
    let mut at = 0;
    let mut first = true;
    while at <= value.len() && out.params.len() < MAX_PARAMS {
        let end = piece_end(value, at);
        let piece = slice(value, at..end);
        if first {
            let (head, comment) = without_comments(piece);
            out.odd |= comment;
            out.head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let lead = piece.len() - piece.trim_ascii_start().len();
            out.head_range = at + lead..(at + piece.trim_ascii_end().len()).max(at + lead);
            first = false;
        } else if !piece.trim_ascii().is_empty() {
            match param(piece, at) {
                Some((param, clean)) => {
                    out.odd |= !clean;
                    out.params.push(param);
                }
                None => out.odd = true,
            }
        }
        at = end + 1;
    }
    out.odd |= at <= value.len();
    out
}

/// Where the piece that begins at `from` ends: at the next semicolon outside quotes, or at the end.
fn piece_end(value: &[u8], from: usize) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (i, b) in value.iter().enumerate().skip(from) {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => return i,
            _ => {}
        }
    }
    value.len()
}

/// A piece without its comments and blanks, and whether there were comments.
fn without_comments(piece: &[u8]) -> (Vec<u8>, bool) {
    let mut depth = 0usize;
    let mut seen = false;
    let mut out = Vec::new();
    for b in piece {
        match b {
            b'(' => {
                depth += 1;
                seen = true;
            }
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 || b.is_ascii_whitespace() => {}
            _ => out.push(*b),
        }
    }
    (out, seen)
}

/// The parameter in `piece`, and whether nothing else is in it.
fn param(piece: &[u8], at: usize) -> Option<(Param, bool)> {
    let equals = memchr::memchr(b'=', piece)?;
    let written = piece.get(..equals)?;
    let lead = written.len() - written.trim_ascii_start().len();
    let name = written.trim_ascii();
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?".contains(b)) {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let (name, section, extended) = sectioned(&name);
    let raw = piece.get(equals + 1..)?;
    let start = equals + 1 + (raw.len() - raw.trim_ascii_start().len());
    let raw = raw.trim_ascii();
    let (value, quoted, clean) = match raw.strip_prefix(b"\"") {
        Some(inner) => unquote(inner),
        None => (raw.to_vec(), false, !raw.contains(&b'(') && !raw.contains(&b'"')),
    };
    let range = at + lead..at + start + raw.len();
    Some((Param { name, section, extended, value, quoted, range }, clean))
}

fn unquote(inner: &[u8]) -> (Vec<u8>, bool, bool) {
    let mut value = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for (i, b) in inner.iter().enumerate() {
        match b {
            _ if escaped => {
                value.push(*b);
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => return (value, true, i + 1 == inner.len()),
            b'\r' | b'\n' => {}
            _ => value.push(*b),
        }
    }
    (value, true, false)
}

/// `name*1*` in its three pieces.
fn sectioned(name: &str) -> (String, Option<u32>, bool) {
    let (rest, extended) = match name.strip_suffix('*') {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    if let Some((base, number)) = rest.split_once('*')
        && let Ok(section) = number.parse()
    {
        return (base.to_owned(), Some(section), extended);
    }
    (rest.to_owned(), None, extended)
}

impl Structured {
    /// All parameters of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Param> + 'a {
        self.params.iter().filter(move |param| param.name == name)
    }

    /// The octets of a parameter that is written plainly, once; `None` when it is absent or written otherwise.
    #[must_use]
    pub fn plain(&self, name: &str) -> Option<&[u8]> {
        let mut all = self.params.iter().filter(|param| param.name == name);
        let param = all.next()?;
        let alone = all.next().is_none() && param.section.is_none() && !param.extended;
        alone.then_some(param.value.as_slice())
    }

    /// The text of a parameter the way a mail program shows it. All spellings of one name are joined.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let sections: Vec<&Param> = self.all(name).collect();
        (!sections.is_empty()).then(|| text_of(&sections))
    }
}

/// The text of one parameter from all its sections: joined in order, escapes and encoded words decoded.
#[must_use]
pub fn text_of(sections: &[&Param]) -> String {
    let mut sections = sections.to_vec();
    sections.sort_by_key(|param| param.section);
    let mut out = String::new();
    let mut octets: Vec<u8> = Vec::new();
    let mut charset = None;
    for param in sections {
        if param.extended {
            let mut value = param.value.as_slice();
            if param.section.unwrap_or(0) == 0
                && let Some((label, rest)) = charset_prefix(value)
            {
                charset = Charset::for_label(label);
                value = rest;
            }
            octets.extend(percent_decoded(value));
        } else if param.section.is_some() {
            octets.extend_from_slice(&param.value);
        } else {
            out.push_str(&words::text(&param.value));
        }
    }
    let charset = charset.unwrap_or_else(|| words::plain_charset(&octets));
    out.push_str(&charset.decode(&octets).0);
    out
}

/// `charset'language'rest`.
fn charset_prefix(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = value.splitn(3, |b| *b == b'\'');
    let (label, _, rest) = (parts.next()?, parts.next()?, parts.next()?);
    Some((label, rest))
}

fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut i = 0;
    while let Some(&b) = value.get(i) {
        i += 1;
        match (b, value.get(i).and_then(|b| hex(*b)), value.get(i + 1).and_then(|b| hex(*b))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                i += 2;
            }
            _ => out.push(b),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_programs_write_them() {
        let read = |value: &str, name: &str| parse(value.as_bytes()).text(name);
        for (value, expected) in [
            ("application/pdf; name=a b.pdf", "a b.pdf"),
            ("application/pdf;\r\n\tname=\"a\\\"b;c.pdf\"", "a\"b;c.pdf"),
            ("x/y; name*0=bo; name*2=\".pdf\"; name*1*=b%40x", "bob@x.pdf"),
            ("x/y; name*=iso-2022-jp'ja'%1B$BF|K%5C%1B%28B.txt", "日本.txt"),
            ("x/y; NAME=\"=?UTF-8?B?5pel5pys?=.txt\"", "日本.txt"),
        ] {
            assert_eq!(read(value, "name").as_deref(), Some(expected), "{value:?}");
        }
    }

    #[test]
    fn head_and_oddities_are_known() {
        let value = parse(b" Text / HTML (a;b) ; charset=utf-8");
        assert!(value.odd);
        let value = parse(b" Text/HTML ; charset=utf-8;");
        assert_eq!((value.head.as_str(), value.odd), ("text/html", false));
        assert_eq!(value.plain("charset"), Some(b"utf-8".as_slice()));
        assert!(parse(b"a/b; boundary=x; boundary=y").plain("boundary").is_none());
    }
}
