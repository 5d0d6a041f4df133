//! XML with the texts of some elements and the values of some attributes blanked.
//!
//! Rules: everything else stays, octet for octet.
//! When it fails: `None` for XML that is not in a charset like ASCII, or whose tags do not end.

/// What is blanked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blank {
    /// Elements whose text goes, by their names with or without a prefix.
    pub elements: &'static [&'static str],
    /// Attributes whose value goes, by their names with or without a prefix, and what takes its place.
    pub attributes: &'static [(&'static str, &'static str)],
}

/// Whether a name is in the list, be it there with its prefix or without.
fn is(name: &[u8], wanted: &str) -> bool {
    let bare = memchr::memrchr(b':', name).and_then(|at| name.get(at + 1..)).unwrap_or(name);
    name == wanted.as_bytes() || (bare == wanted.as_bytes() && !wanted.contains(':'))
}

pub fn blanked(markup: &[u8], blank: &Blank) -> Option<Vec<u8>> {
    if markup.contains(&0) {
        return None;
    }
    let mut out = Vec::with_capacity(markup.len());
    let mut rest = markup;
    // The name of the element whose text goes.
    let mut within: Option<&[u8]> = None;
    while !rest.is_empty() {
        let open = memchr::memchr(b'<', rest).unwrap_or(rest.len());
        let (text, from) = rest.split_at_checked(open)?;
        if within.is_none() {
            out.extend_from_slice(text);
        }
        if from.is_empty() {
            break;
        }
        let (tag, behind) = from.split_at_checked(tag_end(from)?)?;
        rest = behind;
        if within.is_some() && tag.starts_with(b"<!") {
            continue;
        }
        let (name, is_end) = name(tag);
        if is_end && within == Some(name) {
            within = None;
        }
        attributes(tag, blank, &mut out);
        let opens = !is_end && !tag.ends_with(b"/>");
        if opens && within.is_none() && blank.elements.iter().any(|wanted| is(name, wanted)) {
            within = Some(name);
        }
    }
    Some(out)
}

/// The name of a tag, and whether it ends an element.
fn name(tag: &[u8]) -> (&[u8], bool) {
    let inner = tag.get(1..).unwrap_or_default();
    let (inner, is_end) = inner.strip_prefix(b"/").map_or((inner, false), |inner| (inner, true));
    let length = inner.iter().take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'/' | b'>')).count();
    (inner.get(..length).unwrap_or_default(), is_end)
}

/// Where the tag ends that `markup` begins with.
fn tag_end(markup: &[u8]) -> Option<usize> {
    let until = |end: &[u8]| memchr::memmem::find(markup, end).map(|at| at + end.len());
    if markup.starts_with(b"<!--") {
        return until(b"-->");
    }
    if markup.starts_with(b"<![CDATA[") {
        return until(b"]]>");
    }
    if markup.starts_with(b"<?") {
        return until(b"?>");
    }
    let mut quote = None;
    for (at, b) in markup.iter().enumerate() {
        match (b, quote) {
            (b'>', None) => return Some(at + 1),
            (b'"' | b'\'', None) => quote = Some(b),
            (b, Some(open)) if b == open => quote = None,
            _ => {}
        }
    }
    None
}

/// Copies a tag with its attributes blanked.
fn attributes(tag: &[u8], blank: &Blank, out: &mut Vec<u8>) {
    let mut rest = tag;
    while let Some(at) = memchr::memchr2(b'"', b'\'', rest) {
        let quote = rest.get(at).copied().unwrap_or(b'"');
        let value = rest.get(at + 1..).unwrap_or_default();
        let Some(length) = memchr::memchr(quote, value) else { break };
        let before = rest.get(..at).unwrap_or_default();
        let key = before.trim_ascii_end().strip_suffix(b"=").unwrap_or_default().trim_ascii_end();
        let begin = key.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
        let key = key.get(begin..).unwrap_or_default();
        let instead =
            blank.attributes.iter().find(|(wanted, _)| is(key, wanted)).map(|(_, instead)| *instead);
        out.extend_from_slice(rest.get(..=at).unwrap_or_default());
        out.extend_from_slice(instead.map_or(value.get(..length).unwrap_or_default(), str::as_bytes));
        out.push(quote);
        rest = value.get(length + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
