//! Content-Type and Content-Disposition with the secrets taken out of their parameters.
//!
//! Rules: a parameter is read as a mail program reads it (RFC 2231 sections and escapes, encoded words); one that
//! holds a secret is written anew, its other sections go, all others keep their bytes. `start` follows the Content-ID
//! it names. If a secret stands outside the parameters (a comment), what is no parameter goes.
//! When it fails: [`Refusal::Residue`], when a secret is in the type itself.

use super::content_id::ContentIds;
use super::field;
use super::search::{Kind, Search};
use super::text::replacements;
use super::{Refusal, search::Hit, stripping};
use crate::mime::charset::Charset;
use crate::mime::params::{self, Param, Structured};
use crate::mime::slice;
use crate::mime::transfer::{Edit, apply};

/// Longest parameter written on one line, in octets of its value.
const MAX_VALUE: usize = 60;

/// The value of the field without secrets; `None` when it may stay.
///
/// # Errors
/// [`Refusal`].
pub fn scrubbed(value: &[u8], search: &Search, ids: &ContentIds) -> Result<Option<Vec<u8>>, Refusal> {
    let parsed = params::parse(value);
    let mut edits: Vec<Edit> = Vec::new();
    for group in groups(&parsed) {
        let Some(new) = new_parameter(&parsed, &group, search, ids)? else { continue };
        for (i, param) in group.iter().enumerate() {
            let with = if i == 0 { new.clone() } else { format!("{}=\"\"", odd_name(param)).into_bytes() };
            edits.push(Edit { range: param.range.clone(), with });
        }
    }
    edits.sort_by_key(|edit| edit.range.start);
    let new = apply(value, &edits);
    if field::scrubbed(&new, Kind::FileName, search)?.is_none() {
        return Ok(if edits.is_empty() { None } else { Some(new) });
    }
    // Something is left outside the parameters.
    let again = params::parse(&new);
    // Comments go. Else a type is written without the blanks in it, which would join what it names to what stands beside
    // it, where nobody finds it any more.
    let head = stripping::without_comments(slice(&new, again.head_range.clone()));
    if field::scrubbed(head.bytes(), Kind::FileName, search)?.is_some() {
        return Err(Refusal::Residue);
    }
    let mut out = format!(" {}", again.head).into_bytes();
    for param in &again.params {
        out.extend_from_slice(b";\r\n ");
        out.extend_from_slice(slice(&new, param.range.clone()));
    }
    let Some(scrubbed) = field::scrubbed(&out, Kind::FileName, search)? else { return Ok(Some(out)) };
    // A value that spells a secret only before its quoting is read: good if nothing but values changes.
    let (before, behind) = (params::parse(&out), params::parse(&scrubbed));
    let shape = |value: &Structured| {
        let params = value.params.iter().map(|p| (p.name.clone(), p.section, p.extended, p.quoted));
        (value.head.clone(), value.odd, params.collect::<Vec<_>>())
    };
    let same = shape(&before) == shape(&behind) && before.plain("boundary") == behind.plain("boundary");
    if same { Ok(Some(scrubbed)) } else { Err(Refusal::Residue) }
}

/// The value with `multipart/mixed` as its type, and without the parameters of a signature (RFC 1847 §2.1).
pub fn as_mixed(value: &[u8]) -> Vec<u8> {
    let parsed = params::parse(value);
    let mut out = b" multipart/mixed".to_vec();
    for param in parsed.params.iter().filter(|param| !matches!(param.name.as_str(), "protocol" | "micalg")) {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(slice(value, param.range.clone()));
    }
    out
}

/// A section that was emptied keeps a place under a name that nobody reads, so that nothing else moves.
fn odd_name(param: &Param) -> String {
    format!("x-{}-{}", param.name, param.section.unwrap_or(0))
}

/// Parameters that are read together: all sections of one name, every other one for itself.
fn groups(parsed: &Structured) -> Vec<Vec<&Param>> {
    let mut out: Vec<Vec<&Param>> = Vec::new();
    for param in &parsed.params {
        let together = param.section.is_some().then(|| {
            out.iter_mut()
                .find(|group| group.first().is_some_and(|p| p.section.is_some() && p.name == param.name))
        });
        match together.flatten() {
            Some(group) => group.push(param),
            None => out.push(vec![param]),
        }
    }
    out
}

/// The parameter that takes the place of a group; `None` when the group may stay.
fn new_parameter(
    parsed: &Structured,
    group: &[&Param],
    search: &Search,
    ids: &ContentIds,
) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(first) = group.first() else { return Ok(None) };
    let plain = first.section.is_none() && !first.extended;
    if first.name == "start" {
        let new = ids.of_value(&first.value).filter(|new| new.as_bytes() != first.value);
        return Ok(new.map(|new| format!("start=\"{new}\"").into_bytes()));
    }
    let text = params::text_of(group);
    // Apple's `x-apple-part-url` and the like are ids with a host.
    if first.name.starts_with("x-") && text.contains('@') {
        return Ok(Some(quoted(&first.name, b"")));
    }
    let hits = search.hits(text.as_bytes(), Kind::FileName, None);
    if hits.is_empty() {
        return Ok(None);
    }
    match first.name.as_str() {
        // It was renamed before, where it names anybody. Left behind in a text, it delimits nothing.
        "boundary" if parsed.head.starts_with("multipart/") => return Ok(None),
        "charset" => return Ok(Some(b"charset=\"x-unknown\"".to_vec())),
        _ => {}
    }
    if plain && let Some(new) = field::scrubbed(&first.value, Kind::FileName, search)? {
        return Ok(Some(quoted(&first.name, &new)));
    }
    let new = replaced(&text, &hits);
    Ok(Some(if new.is_ascii() { quoted(&first.name, new.as_bytes()) } else { extended(&first.name, &new) }))
}

fn replaced(text: &str, hits: &[Hit]) -> String {
    let edits = Charset::Utf8.edits(text.as_bytes(), &replacements(hits, |range| vec![range]));
    String::from_utf8_lossy(&apply(text.as_bytes(), &edits)).into_owned()
}

fn quoted(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = format!("{name}=\"").into_bytes();
    for b in value {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out.push(b'"');
    out
}

/// A parameter with any text: quoted where it is ASCII.
pub fn parameter(name: &str, value: &str) -> Vec<u8> {
    let plain = value.len() <= MAX_VALUE && value.bytes().all(|b| matches!(b, b' '..=b'~'));
    if plain { quoted(name, value.as_bytes()) } else { extended(name, value) }
}

/// RFC 2231 §4, in UTF-8, in sections where it is long.
fn extended(name: &str, value: &str) -> Vec<u8> {
    let mut pieces = vec![String::from("UTF-8''")];
    for b in value.bytes() {
        let coded = match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        };
        match pieces.last_mut() {
            Some(last) if last.len() + coded.len() <= MAX_VALUE => last.push_str(&coded),
            _ => pieces.push(coded),
        }
    }
    let one = pieces.len() == 1;
    let written = pieces
        .iter()
        .enumerate()
        .map(|(i, piece)| if one { format!("{name}*={piece}") } else { format!("{name}*{i}*={piece}") });
    written.collect::<Vec<_>>().join(";\r\n ").into_bytes()
}
