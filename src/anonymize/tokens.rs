//! Secrets in base64 or in hexadecimal digits inside a text, as links and `data:` URIs carry them.
//!
//! Rules: the few known addresses are spelled out in both alphabets (RFC 4648 §4, §5, §8), in each of the three places
//! in which they can stand in a group of base64, as written and in lower case, and these spellings are looked for. A
//! token that holds one is decoded, changed, and written again as it was: same alphabet, same case, padded or not.
//! When it fails: never. An address that is cut by a line end inside a token is left to the gate.

use super::needle::Needle;
use crate::mime::transfer::Edit;
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE, HEXUPPER};
use std::ops::Range;

/// Longest token that is read, in octets.
const MAX_TOKEN: usize = 64 * 1024;
/// Shortest spelling that is looked for.
const MIN_PATTERN: usize = 8;

/// What a spelling is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Base64, and where in a group of four the spelling begins.
    Base64 {
        phase: usize,
    },
    Hex,
}

struct Pattern {
    spelled: Vec<u8>,
    alphabet: Alphabet,
    needle: usize,
}

/// The spellings of all secrets.
pub struct Tokens {
    patterns: Vec<Pattern>,
}

impl Tokens {
    /// The spellings of these secrets; `written` are the same addresses as their owners write them.
    pub fn new(needles: &[Needle], written: &[String]) -> Self {
        let mut patterns: Vec<Pattern> = Vec::new();
        for (needle, one) in needles.iter().enumerate() {
            let mut texts = vec![one.canonical().to_owned()];
            texts.extend(written.get(needle).filter(|text| **text != one.canonical()).cloned());
            for text in texts {
                spell(text.as_bytes(), needle, &mut patterns);
            }
        }
        Self { patterns }
    }

    /// The edits that take the secrets out of all tokens of `text`, in order, apart from each other.
    pub fn edits(&self, text: &[u8], needles: &[Needle]) -> Vec<Edit> {
        let mut out: Vec<Edit> = Vec::new();
        for pattern in &self.patterns {
            let mut from = 0;
            while let Some(i) = memchr::memmem::find(text.get(from..).unwrap_or_default(), &pattern.spelled) {
                let at = from + i;
                from = at + 1;
                let Some(needle) = needles.get(pattern.needle) else { continue };
                let edit = match pattern.alphabet {
                    Alphabet::Base64 { phase } => base64_token(text, at, phase, needle),
                    Alphabet::Hex => hex_token(text, at, pattern.spelled.len(), needle),
                };
                let Some(edit) = edit else { continue };
                from = from.max(edit.range.end);
                let free = out
                    .iter()
                    .all(|other| other.range.end <= edit.range.start || edit.range.end <= other.range.start);
                if free {
                    out.push(edit);
                }
            }
        }
        out.sort_by_key(|edit| edit.range.start);
        out
    }
}

fn spell(text: &[u8], needle: usize, patterns: &mut Vec<Pattern>) {
    let mut add = |spelled: &str, alphabet| {
        let known = patterns.iter().any(|pattern| pattern.spelled == spelled.as_bytes());
        if spelled.len() >= MIN_PATTERN && !known {
            patterns.push(Pattern { spelled: spelled.as_bytes().to_vec(), alphabet, needle });
        }
    };
    // How many octets stand before the address in its group, and how many characters they have a part in.
    for (before, phase) in [(0, 0), (1, 2), (2, 3)] {
        let octets = [&[0; 2][..before], text].concat();
        let whole = octets.len() * 8 / 6;
        for encoded in [BASE64_NOPAD.encode(&octets), BASE64URL_NOPAD.encode(&octets)] {
            add(encoded.get(phase..whole).unwrap_or_default(), Alphabet::Base64 { phase });
        }
    }
    add(&HEXLOWER_PERMISSIVE.encode(text), Alphabet::Hex);
    add(&HEXUPPER.encode(text), Alphabet::Hex);
}

/// The stretch around `at` whose octets all fit.
fn stretch(text: &[u8], at: usize, fits: impl Fn(u8) -> bool) -> Range<usize> {
    let before = text.get(..at).unwrap_or_default();
    let behind = text.get(at..).unwrap_or_default();
    let back = before.iter().rev().take(MAX_TOKEN).take_while(|b| fits(**b)).count();
    let length = behind.iter().take(MAX_TOKEN).take_while(|b| fits(**b)).count();
    at - back..at + length
}

fn base64_token(text: &[u8], at: usize, phase: usize, needle: &Needle) -> Option<Edit> {
    let run = stretch(text, at, |b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b));
    // What stands before the first whole group belongs to something else: a path, a parameter's name.
    let start = run.start + (at - run.start + 4 - phase) % 4;
    let token = text.get(start..run.end)?;
    let url: Vec<u8> = token
        .iter()
        .map(|b| match b {
            b'+' => b'-',
            b'/' => b'_',
            b => *b,
        })
        .collect();
    let whole = if url.len() % 4 == 1 { url.len() - 1 } else { url.len() };
    let mut lenient = data_encoding::Specification::new();
    lenient.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    lenient.check_trailing_bits = false;
    let octets = lenient.encoding().ok()?.decode(url.get(..whole)?).ok()?;
    let changed = replaced(&octets, needle)?;
    let standard =
        token.iter().any(|b| matches!(b, b'+' | b'/')) || !token.iter().any(|b| matches!(b, b'-' | b'_'));
    let mut with = if standard { BASE64_NOPAD.encode(&changed) } else { BASE64URL_NOPAD.encode(&changed) };
    let padding = text.get(run.end..)?.iter().take(2).take_while(|b| **b == b'=').count();
    // A token of whole groups does not say whether padding belongs to it; behind `base64,` it does (RFC 2397).
    let declared = text.get(..start)?.ends_with(b"base64,");
    if padding > 0 || declared && url.len().is_multiple_of(4) {
        with.push_str(match with.len() % 4 {
            2 => "==",
            3 => "=",
            _ => "",
        });
    }
    Some(Edit { range: start..run.end + padding, with: with.into_bytes() })
}

fn hex_token(text: &[u8], at: usize, length: usize, needle: &Needle) -> Option<Edit> {
    let spelled = text.get(at..at + length)?;
    let octets = HEXLOWER_PERMISSIVE.decode(spelled).ok()?;
    let changed = replaced(&octets, needle)?;
    let upper = spelled.iter().any(u8::is_ascii_uppercase);
    let with = if upper { HEXUPPER.encode(&changed) } else { HEXLOWER_PERMISSIVE.encode(&changed) };
    Some(Edit { range: at..at + length, with: with.into_bytes() })
}

/// The octets with the address replaced in them, wherever it stands in ASCII.
fn replaced(octets: &[u8], needle: &Needle) -> Option<Vec<u8>> {
    let secret = needle.canonical().as_bytes();
    let mut out = Vec::with_capacity(octets.len() + 16);
    let (mut at, mut copied) = (0, 0);
    while let Some(window) = octets.get(at..at + secret.len()) {
        if window.eq_ignore_ascii_case(secret) {
            out.extend_from_slice(octets.get(copied..at)?);
            out.extend_from_slice(needle.alias().as_bytes());
            at += secret.len();
            copied = at;
        } else {
            at += 1;
        }
    }
    out.extend_from_slice(octets.get(copied..)?);
    (copied > 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::transfer::apply;
    use data_encoding::BASE64;

    fn after(text: &str) -> String {
        let needles = [Needle::new("bob@a.example", "alias@r.example".into())];
        let edits = Tokens::new(&needles, &["Bob@a.example".into()]).edits(text.as_bytes(), &needles);
        String::from_utf8(apply(text.as_bytes(), &edits)).unwrap()
    }

    #[test]
    fn addresses_in_tokens_become_aliases_in_the_same_alphabet() {
        for plain in ["bob@a.example", "x=bob@a.example", "id:Bob@a.example;7", "??>>bob@a.example>>??"] {
            let expected = plain.to_lowercase().replace("bob@a.example", "alias@r.example");
            let data = |t: &str| format!("see data:x;base64,{} there", BASE64.encode(t.as_bytes()));
            let link = |t: &str| format!("see ?u={}&y=1", BASE64URL_NOPAD.encode(t.as_bytes()));
            let hex = |t: &str| format!("/u/{}/", HEXLOWER_PERMISSIVE.encode(t.as_bytes()));
            for write in [&data as &dyn Fn(&str) -> String, &link, &hex] {
                assert_eq!(after(&write(plain)), write(&expected));
            }
        }
        assert_eq!(after("/cm9iQGEuZXhhbXBsZQ and text"), "/cm9iQGEuZXhhbXBsZQ and text");
    }
}
