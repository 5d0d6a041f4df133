//! Addresses with another sign than an at sign, and signs in Japanese words and marks: for the gate alone, apart from the
//! rewriter's spellings.
//!
//! Rules: a domain is looked for, and what stands beside it says whether an address does: `_at_`, a percent sign, `_` before it
//! with `#EXT#` behind, a login, `!` and the local part behind it; in letters and underscores behind `personal/`. Around a domain in a
//! text beyond ASCII words and marks are read as the signs they stand for.
//! When it fails: never.

use super::fold::{Folded, Joints, Leave};
use super::labels::Labels;
use super::wanted::Wanted;
use super::{garbled, longer};

/// How far around a domain a text is read, in octets.
const NEAR: usize = 384;
/// Longest login before a domain.
const MAX_LOGIN: usize = 200;

/// Words, longest first, with the sign that each stands for.
const SAID: [(&str, char); 12] = [
    ("アットマーク", '@'),
    ("ｱｯﾄﾏｰｸ", '@'),
    ("あっとまーく", '@'),
    ("＠マーク", '@'),
    ("@マーク", '@'),
    ("アット", '@'),
    ("ｱｯﾄ", '@'),
    ("あっと", '@'),
    ("ドット", '.'),
    ("ﾄﾞｯﾄ", '.'),
    ("どっと", '.'),
    ("＠", '@'),
];
/// Marks that stand for an at sign between a letter and a domain; anywhere else they begin an item or a remark.
const DRAWN: [char; 15] = ['★', '☆', '◎', '●', '○', '◆', '◇', '■', '□', '▲', '△', '▼', '▽', '※', '＊'];
const OPENING: [char; 7] = ['《', '『', '〈', '「', '【', '（', '〔'];
const CLOSING: [char; 7] = ['》', '』', '〉', '」', '】', '）', '〕'];

/// What a pattern is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Domain,
    /// In letters, digits and underscores alone.
    Flat,
}

/// A domain as it may be written: how many of its octets stand before the label by which it is found.
struct Pattern {
    party: usize,
    what: What,
    text: Vec<u8>,
    before: usize,
}

/// The domains of the secrets, and what may stand beside them.
pub struct Forms {
    labels: Labels,
    /// By label.
    patterns: Vec<Vec<Pattern>>,
    parties: Vec<Wanted>,
}

impl Forms {
    /// Makes them ready to be looked for, each by its longest label: all that is sought has one.
    pub fn new(wanted: &[Wanted]) -> Self {
        let (mut labels, mut patterns): (Vec<Vec<u8>>, Vec<Vec<Pattern>>) = (Vec::new(), Vec::new());
        let mut add = |party, text: Vec<u8>, what, label: &[u8]| {
            let Some(before) = memchr::memmem::find(&text, label).filter(|_| !label.is_empty()) else {
                return;
            };
            let place = labels.iter().position(|known| known == label).unwrap_or(labels.len());
            if place == labels.len() {
                labels.push(label.to_vec());
                patterns.push(Vec::new());
            }
            if let Some(own) = patterns.get_mut(place) {
                own.push(Pattern { party, what, text, before });
            }
        };
        for (party, one) in wanted.iter().enumerate() {
            for domain in one.domains() {
                let label = domain.split(|b| *b == b'.').max_by_key(|label| label.len()).unwrap_or_default();
                let bare = |text: &[u8]| -> Vec<u8> {
                    text.iter().map(|b| if *b == b'-' { b'_' } else { *b }).collect()
                };
                let kept = flat(domain);
                add(party, domain.to_vec(), What::Domain, label);
                add(party, bare(&kept), What::Flat, &bare(&flat(label)));
                add(party, kept, What::Flat, &flat(label));
            }
        }
        Self { labels: Labels::new(labels), patterns, parties: wanted.to_vec() }
    }

    /// Whether one stands in a text or in octets that may be one.
    pub fn stand_in(&self, text: &[u8], joints: Joints) -> bool {
        let is_ascii = text.is_ascii();
        let mut read_to = 0;
        self.labels.any(text, |label, start| {
            let patterns = self.patterns.get(label).map(Vec::as_slice).unwrap_or_default();
            let stands = |pattern: &Pattern| {
                let Some(party) = self.parties.get(pattern.party) else { return false };
                let Some(start) = start.checked_sub(pattern.before) else { return false };
                let end = start + pattern.text.len();
                let Some(found) = text.get(start..end) else { return false };
                if !found.eq_ignore_ascii_case(&pattern.text) {
                    return false;
                }
                let (before, behind) =
                    (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
                match pattern.what {
                    What::Domain => !goes_on(found, behind) && stands_beside(party, before, behind),
                    What::Flat => stands_flat(party, before, behind),
                }
            };
            if patterns.iter().any(stands) {
                return true;
            }
            // Its label alone: the dots may be said.
            let is_said =
                !is_ascii && start >= read_to && patterns.iter().any(|one| one.what == What::Domain);
            if !is_said {
                return false;
            }
            read_to = start + NEAR / 2;
            let near = text.get(start.saturating_sub(NEAR)..(start + 2 * NEAR).min(text.len()));
            self.is_said(near.unwrap_or_default(), joints)
        })
    }

    /// Whether a secret stands in a text with words and marks in place of its signs.
    fn is_said(&self, near: &[u8], joints: Joints) -> bool {
        let text = String::from_utf8_lossy(near);
        let has_words = SAID.iter().any(|(word, _)| text.contains(word));
        if !has_words && !text.contains(DRAWN) && !text.contains(OPENING) {
            return false;
        }
        let text = as_signs(&text).replace(OPENING, "(").replace(CLOSING, ")");
        let folded = Folded::new(&text, Leave::Nothing);
        let stands = |text: &Folded| {
            text.signs().any(|at| {
                !text.is_equals(at) && self.parties.iter().any(|one| one.stands_at(text, at, joints))
            })
        };
        stands(&folded) || folded.with_signs().is_some_and(|folded| stands(&folded))
    }
}

/// A text with the sign in place of each word, and of each mark that stands for one.
fn as_signs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let said = SAID.iter().find_map(|(word, sign)| Some((rest.strip_prefix(word)?, *sign)));
        let next = rest.get(c.len_utf8()..).unwrap_or_default();
        let (behind, sign) = match said {
            Some((behind, sign)) if is_within_line(&out, behind) => (behind, sign),
            None if DRAWN.contains(&c) && is_drawn(&out, next) => (next, '@'),
            _ => (next, c),
        };
        out.push(sign);
        rest = behind;
    }
    out
}

/// Whether something stands on the same line on both sides.
fn is_within_line(before: &str, behind: &str) -> bool {
    let on_line = |c: &char| !c.is_whitespace() || matches!(c, '\r' | '\n');
    let is_text = |c: Option<char>| c.is_some_and(|c| !matches!(c, '\r' | '\n'));
    is_text(before.chars().rev().find(on_line)) && is_text(behind.chars().find(on_line))
}

fn is_drawn(before: &str, behind: &str) -> bool {
    // A carrier's local part may end in a dot.
    let ends_local = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    before.ends_with(ends_local) && behind.starts_with(char::is_alphanumeric)
}

/// A domain as the path of a site has it, where hyphens may stay.
fn flat(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|b| if b.is_ascii_alphanumeric() || !b.is_ascii() || *b == b'-' { *b } else { b'_' })
        .collect()
}

/// Whether a local part stands beside a domain in one of the forms.
fn stands_beside(party: &Wanted, before: &[u8], behind: &[u8]) -> bool {
    if let Some(behind) = behind.strip_prefix(b"!") {
        // A word or an address may end with a domain that a sentence ends with: `…のa.example!Bob`.
        let is_other = before.last().is_some_and(|b| reaches(*b) || matches!(b, b'.' | b'@' | b'/'));
        return !is_other && party.locals().any(|local| begins(behind, local));
    }
    let ends = |sign: &[u8]| strip_end(before, sign).is_some_and(|before| ends_with_local(party, before));
    let starts = |mark: &[u8]| behind.get(..mark.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark));
    ends(b"_at_")
        || ends(b"-at-")
        || ends(b"%")
        || ends(b"%25")
        || ends(b"@@")
        || ends(b"#")
        || ends(b"%23")
        || ((starts(b"#ext#") || starts(b"%23ext%23")) && ends(b"_"))
        || has_login(party, before)
        || garbled::stands_before(party, before)
}

/// `//local:password@`.
fn has_login(party: &Wanted, before: &[u8]) -> bool {
    let Some(before) = before.strip_suffix(b"@") else { return false };
    let near = before.get(before.len().saturating_sub(MAX_LOGIN)..).unwrap_or_default();
    let from = near.iter().rposition(|b| !b.is_ascii_graphic() || b"@<>\"'".contains(b)).map_or(0, |i| i + 1);
    let near = near.get(from..).unwrap_or_default();
    let opening = [b"//".as_slice(), b"%2f%2f", b"%2F%2F", b"\\/\\/"];
    let authority =
        opening.iter().filter_map(|mark| Some(memchr::memmem::rfind(near, mark)? + mark.len())).max();
    let login = authority.and_then(|at| near.get(at..)).unwrap_or_default();
    let Some(colon) = memchr::memchr(b':', login) else { return false };
    let (user, password) = login.split_at(colon);
    !password.contains(&b'/') && party.locals().any(|local| user.eq_ignore_ascii_case(local))
}

/// `/personal/local_domain` with nothing but letters, digits, underscores and perhaps hyphens.
fn stands_flat(party: &Wanted, before: &[u8], behind: &[u8]) -> bool {
    if behind.first().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return false;
    }
    let Some(before) = before.strip_suffix(b"_") else { return false };
    party.locals().any(|local| {
        let alike = |a: &u8, b: &u8| a.eq_ignore_ascii_case(b) || (*a == b'_' && !b.is_ascii_alphanumeric());
        let Some((path, found)) =
            before.len().checked_sub(local.len()).and_then(|at| before.split_at_checked(at))
        else {
            return false;
        };
        let paths = [b"/personal/".as_slice(), b"%2fpersonal%2f", b"%252fpersonal%252f"];
        found.iter().zip(local).all(|(a, b)| alike(a, b))
            && paths.iter().any(|mark| strip_end(path, mark).is_some())
    })
}

/// Whether `before` ends with a local part that no longer one ends with too.
fn ends_with_local(party: &Wanted, before: &[u8]) -> bool {
    party.locals().filter_map(|local| strip_end(before, local)).any(|rest| {
        let joints = rest.iter().rev().take_while(|b| b"._+-".contains(b)).count();
        !rest.iter().rev().nth(joints).is_some_and(u8::is_ascii_alphanumeric)
    })
}

fn begins(text: &[u8], local: &[u8]) -> bool {
    let Some((head, rest)) = text.split_at_checked(local.len()) else { return false };
    let rest = if matches!(rest.first(), Some(b'.' | b'+')) { rest.get(1..) } else { Some(rest) };
    let goes_on = rest.and_then(<[u8]>::first).is_some_and(|b| reaches(*b));
    head.eq_ignore_ascii_case(local) && !goes_on
}

/// Whether an octet is of a word, or of a letter in another script.
fn reaches(b: u8) -> bool {
    b >= 0x80 || b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

fn goes_on(domain: &[u8], behind: &[u8]) -> bool {
    behind.first().is_some_and(u8::is_ascii_alphanumeric) || longer::goes_on(domain, behind)
}

/// What stands before `end`, where a text ends with it in any case.
fn strip_end<'t>(text: &'t [u8], end: &[u8]) -> Option<&'t [u8]> {
    let (before, found) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    found.eq_ignore_ascii_case(end).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_held_and_other_peoples_are_not() {
        let forms = Forms::new(&[Wanted::new("bob@a-b.example")]);
        for text in [
            "bob_a-b.example#EXT#@t.example",
            "/personal/BOB_A-b_example/",
            "%2Fpersonal%2Fbob_a_b_example%2F",
            "bob%a-b.example@gw",
            "gw!a-b.example!Bob,",
            "bob_at_a-b.example",
            "ftp://bob:pw@a-b.example/",
            "はbob★a-b.exampleへ",
            "bob アット a-b ドット example",
            "bob《at》a-b.example",
        ] {
            assert!(forms.stand_in(text.as_bytes(), Joints::Join), "{text}");
        }
        for text in [
            "bob_a-b.example",
            "/team/bob_a-b_example",
            "/personal/xbob_a-b_example",
            "rbob%a-b.example",
            "r.bob%a-b.example",
            "bob%a-b.example.tw",
            "a-b.example!bobs",
            "xa-b.example!bob",
            "ftp://xbob:pw@a-b.example",
            "//bob:80/a-b.example",
            "ほbアットa-b.example",
            "あっとa-b.example",
            "Bob ※a-b.example から",
            "担当: Bob\r\n※a-b.example から",
            "BOB ★ a-b.example",
            "BOB\r\n■ a-b.example",
            "Bob\r\nアット a-b.example",
            "のa-b.example!Bob",
            "x@a-b.example!Bob",
            "//a-b.example!Bob",
            "a-b.example!bobは",
        ] {
            assert!(!forms.stand_in(text.as_bytes(), Joints::Join), "{text}");
        }
    }
}
