//! Secrets in base64 or in hexadecimal digits inside a text, as links and `data:` URIs carry them.
//!
//! Rules: the few known addresses are spelled out in both alphabets (RFC 4648 §4, §5, §8), in each of the three places
//! in which they can stand in a group of base64, as written and in lower case, and these spellings are looked for. A
//! token that holds one is decoded, changed, and written again as it was: same alphabet, same case, padded or not.
//! A token within a token is read too, and one that line ends cut ([`cut`]). Where the end of a line cuts no address and may
//! be the end of the token, it is. Google Calendar writes `local@m` for an address of Gmail at the end of a token.
//! When it fails: never.

use super::cut;
use super::needle::Needle;
use crate::mime::transfer::{Edit, apply, sextet};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE, HEXUPPER};
use std::cmp::Reverse;
use std::ops::Range;

/// Longest token that is read, in octets.
const MAX_TOKEN: usize = 64 * 1024;
/// Shortest spelling that is looked for.
const MIN_PATTERN: usize = 8;

/// Fewest digits of base64 that stand before a calendar's short form.
const BEFORE_SHORT: usize = 5;

/// What a spelling is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Base64, where in a group of four the spelling begins, and whether it is base64 of base64.
    Base64 {
        phase: usize,
        twice: bool,
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
    /// Length of the shortest token that is read.
    shortest: Option<usize>,
}

impl Tokens {
    /// The spellings of these secrets; `written` are the same addresses as their owners write them.
    pub fn new(needles: &[Needle], written: &[String]) -> Self {
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut lengths: Vec<usize> = Vec::new();
        for (needle, one) in needles.iter().enumerate() {
            let mut texts = vec![one.canonical().to_owned()];
            texts.extend(written.get(needle).filter(|text| **text != one.canonical()).cloned());
            for text in texts {
                let known = patterns.len();
                spell(text.as_bytes(), needle, &mut patterns);
                lengths.extend(patterns.iter().skip(known).map(|pattern| pattern.spelled.len()));
                if let Some(short) = one.short_form(&text) {
                    let known = patterns.len();
                    spell(short.as_bytes(), needle, &mut patterns);
                    // The id of an event and a blank stand before it.
                    lengths.extend(
                        patterns.iter().skip(known).map(|pattern| pattern.spelled.len() + BEFORE_SHORT),
                    );
                }
            }
        }
        Self { shortest: lengths.into_iter().min(), patterns }
    }

    /// The edits that take the secrets out of all tokens of `text`, in order, apart from each other.
    pub fn edits(&self, text: &[u8], needles: &[Needle]) -> Vec<Edit> {
        let mut out = self.torn_edits(text, needles);
        let torn = out.len();
        for edit in self.edits_of(text, needles, true) {
            let known = out.get(..torn).unwrap_or_default();
            let next = known.partition_point(|known| known.range.end <= edit.range.start);
            if known.get(next).is_none_or(|known| known.range.start >= edit.range.end) {
                out.push(edit);
            }
        }
        out.sort_by_key(|edit| edit.range.start);
        out
    }

    /// The edits of tokens that line ends cut, in order.
    fn torn_edits(&self, text: &[u8], needles: &[Needle]) -> Vec<Edit> {
        let mut out: Vec<Edit> = Vec::new();
        let Some(shortest) = self.shortest else { return out };
        cut::tokens(text, is_token_octet, shortest, MAX_TOKEN, |torn| {
            let found = self.edits_of(&torn.whole, needles, true);
            // What stands in one line alone is changed there, unless it is certain that the token goes on.
            let mut pieces = torn.pieces(text);
            if found.is_empty()
                || !torn.is_folded(text)
                    && pieces.any(|piece| !self.edits_of(piece, needles, true).is_empty())
            {
                return;
            }
            for edits in found.iter().map(|edit| torn.edits(edit)) {
                // Two of them may have a line in common: the first one has it.
                let done = out.last().map_or(0, |last| last.range.end);
                if edits.first().is_some_and(|first| first.range.start >= done) {
                    out.extend(edits);
                }
            }
        });
        out
    }

    fn edits_of(&self, text: &[u8], needles: &[Needle], also_twice: bool) -> Vec<Edit> {
        let mut out: Vec<Edit> = Vec::new();
        let Some(shortest) = self.shortest else { return out };
        let is_twice = |pattern: &&Pattern| matches!(pattern.alphabet, Alphabet::Base64 { twice: true, .. });
        runs(text, shortest, |run| {
            for pattern in self.patterns.iter().filter(|pattern| also_twice || !is_twice(pattern)) {
                let mut from = run.start;
                while let Some(i) =
                    memchr::memmem::find(text.get(from..run.end).unwrap_or_default(), &pattern.spelled)
                {
                    let at = from + i;
                    from = at + 1;
                    let Some(edit) = self.edit(text, at, pattern, needles) else { continue };
                    from = from.max(edit.range.end);
                    add(edit, run.start, &mut out);
                }
            }
            // In another case than anybody writes it.
            if out.last().is_none_or(|last| last.range.end <= run.start) {
                in_any_case(text, run, needles).into_iter().for_each(|edit| out.push(edit));
            }
        });
        out.sort_by_key(|edit| edit.range.start);
        out
    }

    /// The edit of the token around one spelling.
    fn edit(&self, text: &[u8], at: usize, pattern: &Pattern, needles: &[Needle]) -> Option<Edit> {
        let needle = needles.get(pattern.needle)?;
        match pattern.alphabet {
            Alphabet::Hex => hex_token(text, at, pattern.spelled.len(), needle),
            Alphabet::Base64 { phase, twice } => {
                let inner = |octets: &[u8]| {
                    // A token can name both parties, as the one behind an invitation's buttons does.
                    if !twice {
                        return all_replaced(octets, needles);
                    }
                    let edits = self.edits_of(octets, needles, false);
                    (!edits.is_empty()).then(|| apply(octets, &edits))
                };
                base64_token(text, at, phase, &inner)
            }
        }
    }
}

/// Takes an edit in, unless it meets one of those from `start` on.
fn add(edit: Edit, start: usize, out: &mut Vec<Edit>) {
    let apart = |other: &Edit| other.range.end <= edit.range.start || edit.range.end <= other.range.start;
    if out.iter().rev().take_while(|other| other.range.end > start).all(apart) {
        out.push(edit);
    }
}

/// The edit of a run that holds an address in whatever case, from whichever digit on it is read.
fn in_any_case(text: &[u8], run: Range<usize>, needles: &[Needle]) -> Option<Edit> {
    let digits = text.get(run.clone()).filter(|digits| digits.len() <= MAX_TOKEN)?;
    let inner = |octets: &[u8]| memchr::memchr(b'@', octets).and_then(|_| all_replaced(octets, needles));
    let holds = |skip: &usize| {
        let octets = loosely_decoded(digits.get(*skip..).unwrap_or_default());
        memchr::memchr_iter(b'@', &octets).any(|at| {
            let domain = octets.get(at + 1..).unwrap_or_default();
            needles.iter().any(|needle| needle.has_domain(domain))
        })
    };
    if let Some(skip) = (0..4).find(holds) {
        return base64_token(text, run.start + skip, 0, &inner);
    }
    let mut start = run.start;
    digits.split(|b| !b.is_ascii_hexdigit()).find_map(|piece| {
        let range = start..start + piece.len();
        start = range.end + 1;
        let with = inner(&HEXLOWER_PERMISSIVE.decode(piece).ok()?)?;
        let upper = piece.iter().any(u8::is_ascii_uppercase);
        let with = if upper { HEXUPPER.encode(&with) } else { HEXLOWER_PERMISSIVE.encode(&with) };
        Some(Edit { range, with: with.into_bytes() })
    })
}

/// What whole groups of base64 hold, in either alphabet.
fn loosely_decoded(digits: &[u8]) -> Vec<u8> {
    let groups = digits.chunks(4);
    let octets = groups.flat_map(|group| {
        let bits = group.iter().fold(0u32, |bits, b| bits << 6 | u32::from(sextet(*b)));
        let missing = 4 - group.len();
        let [_, octets @ ..] = (bits << (6 * missing)).to_be_bytes();
        octets.into_iter().take(3 - missing.min(3))
    });
    octets.collect()
}

/// Calls `each` for every stretch of at least `shortest` octets of base64. Only every so many octets are looked at: a
/// stretch that long cannot lie between two of them.
fn runs(text: &[u8], shortest: usize, mut each: impl FnMut(Range<usize>)) {
    let mut at = shortest.max(1) - 1;
    while let Some(b) = text.get(at) {
        if !is_token_octet(*b) {
            at += shortest;
            continue;
        }
        let before = text.get(..at).unwrap_or_default();
        let start = at - before.iter().rev().take_while(|b| is_token_octet(**b)).count();
        let behind = text.get(at..).unwrap_or_default();
        let end = at + behind.iter().take_while(|b| is_token_octet(**b)).count();
        if end - start >= shortest {
            each(start..end);
        }
        at = end + shortest;
    }
}

fn is_token_octet(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
}

fn spell(text: &[u8], needle: usize, patterns: &mut Vec<Pattern>) {
    let mut add = |spelled: &str, alphabet| {
        let known = patterns.iter().any(|pattern| pattern.spelled == spelled.as_bytes());
        if spelled.len() >= MIN_PATTERN && !known {
            patterns.push(Pattern { spelled: spelled.as_bytes().to_vec(), alphabet, needle });
        }
    };
    // How many octets stand before the address in its group, and how many characters they have a part in.
    let places = [(0, 0), (1, 2), (2, 3)];
    // In both alphabets, where they differ.
    let spellings = |text: &[u8], before: usize, phase: usize| {
        let octets = [&[0; 2][..before], text].concat();
        let whole = octets.len() * 8 / 6;
        let standard = BASE64_NOPAD.encode(&octets).get(phase..whole).unwrap_or_default().to_owned();
        let other = standard.contains(['+', '/']).then(|| standard.replace('+', "-").replace('/', "_"));
        std::iter::once(standard).chain(other)
    };
    for (before, phase) in places {
        for once in spellings(text, before, phase) {
            add(&once, Alphabet::Base64 { phase, twice: false });
            for (before, phase) in places {
                for twice in spellings(once.as_bytes(), before, phase) {
                    add(&twice, Alphabet::Base64 { phase, twice: true });
                }
            }
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

/// The edit of the token in base64 of which a spelling stands at `at`, in `phase` of its group, where `inner` changes its octets.
pub fn base64_token(
    text: &[u8],
    at: usize,
    phase: usize,
    inner: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Edit> {
    let run = stretch(text, at, is_token_octet);
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
    let changed = inner(&octets)?;
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

/// The octets with every address replaced in them, the longest first: one may end with another.
pub fn all_replaced(octets: &[u8], needles: &[Needle]) -> Option<Vec<u8>> {
    let mut by_length: Vec<&Needle> = needles.iter().collect();
    by_length.sort_by_key(|needle| Reverse(needle.canonical().len()));
    let mut changed: Option<Vec<u8>> = None;
    for needle in by_length {
        changed = replaced(changed.as_deref().unwrap_or(octets), needle).or(changed);
    }
    changed
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
    let rest = octets.get(copied..)?;
    let short = needle.short_form(needle.canonical()).filter(|short| ends_with_word(rest, short.as_bytes()));
    if let Some(short) = short {
        out.extend_from_slice(rest.get(..rest.len() - short.len())?);
        out.extend_from_slice(needle.alias().as_bytes());
        return Some(out);
    }
    out.extend_from_slice(rest);
    (copied > 0).then_some(out)
}

/// Whether octets end with a word, in any case, with a blank or nothing before it.
fn ends_with_word(octets: &[u8], word: &[u8]) -> bool {
    let Some((before, end)) = octets.len().checked_sub(word.len()).and_then(|at| octets.split_at_checked(at))
    else {
        return false;
    };
    end.eq_ignore_ascii_case(word) && before.last().is_none_or(|b| *b == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let twice = BASE64.encode(BASE64.encode(b"to: bob@a.example;").as_bytes());
        let out = after(&format!("t={twice}&"));
        let once = BASE64_NOPAD.decode(out[2..out.len() - 1].trim_end_matches('=').as_bytes()).unwrap();
        let plain = BASE64_NOPAD.decode(once.trim_ascii_end().strip_suffix(b"=").unwrap_or(&once)).unwrap();
        assert_eq!(plain, b"to: alias@r.example;");
        assert_eq!(after("/cm9iQGEuZXhhbXBsZQ and text"), "/cm9iQGEuZXhhbXBsZQ and text");
    }
}
