//! Addresses as systems write them, with another sign than an at sign between local part and domain: the name of a guest in
//! another organization, a personal site, routes, a login in a link.
//!
//! Rules: each secret is spelled out in these forms, which are looked for whole and in any case; what is joined to a longer
//! name is somebody else's. What takes its place has the same form: `owner_shop.example#EXT#@tenant` becomes
//! `ALIAS_RELAY#EXT#@tenant`. Only a form that says what it is counts: `owner_shop_example` alone is anybody's word.
//! When it fails: never.

use super::longer;
use super::needle::{Found, Needle, left_is_clear};
use super::search::Kind;
use super::traces::Names;
use std::ops::Range;

/// Longest password in a link, in octets.
const MAX_PASSWORD: usize = 128;
/// Most spellings of all secrets.
const MAX_SPELLINGS: usize = 1024;

/// What a spelling is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `local_domain` with so many octets of a mark behind it, `#EXT#`.
    Guest(usize),
    /// `local_domain`, all in letters and underscores, behind so many octets of a path.
    Site(usize),
    /// `local%domain` (RFC 5321 appendix C, of old).
    Route,
    /// `domain!local`, only in a text as it was written: folded, every domain that a sentence ends with would be one.
    Bang,
    /// `local_at_domain`.
    Word,
    /// `local@@domain`. Where characters were left out the two signs may be octets of others.
    Doubled,
    /// `local#domain`, as lists write whom they wrote to before their own domain.
    Verp,
    /// `//local:`, before a password and the domain (RFC 3986 §3.2.1).
    Login,
}

struct Spelling {
    form: Form,
    needle: usize,
    text: Vec<u8>,
    with: String,
}

/// What spellings have in common, and each of them with how many of its octets stand before that.
#[derive(Default)]
struct Core {
    text: Vec<u8>,
    spellings: Vec<(usize, usize)>,
}

/// An alias's domain, and the domains whose place it takes.
type Domains = (String, Vec<Vec<u8>>);

/// All spellings of the secrets.
#[derive(Default)]
pub struct Written {
    /// The cores of the spellings: few short words, which cost little to look for and next to nothing to prepare.
    search: Names,
    cores: Vec<Core>,
    /// Length of the longest spelling.
    longest: usize,
    spellings: Vec<Spelling>,
    /// The domains of all secrets.
    places: Names,
    /// What takes the place of the domain in a link with a login, and the domains, by needle.
    domains: Vec<Domains>,
}

impl Written {
    /// Spells the secrets out.
    pub fn new(needles: &[Needle]) -> Self {
        let (spellings, cores, domains) = spelled(needles);
        let longest = spellings.iter().map(|spelling| spelling.text.len()).max().unwrap_or(0);
        let words = |all: Vec<&[u8]>| {
            Names::new(all.into_iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect(), 0)
        };
        let search = words(cores.iter().map(|core| core.text.as_slice()).collect());
        let mut all: Vec<&[u8]> = needles.iter().flat_map(Needle::domains).map(Vec::as_slice).collect();
        all.sort_unstable();
        all.dedup();
        let places = words(all);
        Self { search, cores, longest, spellings, places, domains }
    }

    /// Where a domain stands behind a character beyond ASCII, blanks aside, in any charset that keeps ASCII or as a number.
    pub fn behind_signs(&self, text: &[u8]) -> Vec<usize> {
        let has_none = |mark: &[u8]| memchr::memmem::find(text, mark).is_none();
        let is_plain = || memchr::memchr(0x1b, text).is_none() && has_none(b"~}") && has_none(b"&#");
        if text.is_ascii() && is_plain() {
            return Vec::new();
        }
        let is_behind = |at: &usize| {
            let before = text.get(..*at).unwrap_or_default();
            let blanks = before.iter().rev().take(8).take_while(|b| **b == b' ').count();
            let before = before.get(..before.len() - blanks).unwrap_or_default();
            let back = [b"\x1b(B".as_slice(), b"\x1b(J", b"~}"];
            before.last().is_some_and(|b| *b >= 0x80)
                || back.iter().any(|back| before.ends_with(back))
                || ends_in_wide_entity(before)
        };
        self.places.found(text).map(|(_, domain)| domain.start).filter(is_behind).collect()
    }

    /// All that stands in `hay`, in order; `as_written` is whether nothing was folded or joined in it.
    pub fn found(&self, hay: &[u8], as_written: bool) -> Vec<Found> {
        let mut out: Vec<Found> = Vec::new();
        for near in near_signs(hay, self.longest) {
            for (core, place) in self.search.places(hay.get(near.clone()).unwrap_or_default()) {
                let around = self.cores.get(core).map(|core| core.spellings.as_slice()).unwrap_or_default();
                for (spelling, before) in around {
                    let Some(spelling) = self.spellings.get(*spelling) else { continue };
                    let Some(start) = (near.start + place.start).checked_sub(*before) else { continue };
                    let whole = start..start + spelling.text.len();
                    if matches!(spelling.form, Form::Bang | Form::Doubled) && !as_written {
                        continue;
                    }
                    if hay.get(whole.clone()).is_some_and(|text| text.eq_ignore_ascii_case(&spelling.text)) {
                        self.take(hay, whole, spelling, &mut out);
                    }
                }
            }
        }
        // The longest of those that begin at the same place.
        out.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
        out
    }

    fn take(&self, hay: &[u8], whole: Range<usize>, spelling: &Spelling, out: &mut Vec<Found>) {
        let behind = |end: usize| hay.get(end..).unwrap_or_default();
        let before = |start: usize| hay.get(..start).unwrap_or_default();
        let ends = |end: usize| !joins(behind(end)) && !longer::goes_on(before(end), behind(end));
        let (range, left_clear, right_clear) = match spelling.form {
            Form::Guest(mark) => {
                (whole.start..whole.end - mark, left_is_clear(before(whole.start), Kind::Plain), true)
            }
            Form::Site(path) => {
                let is_path = matches!(before(whole.start).last(), Some(b'/' | b'f' | b'F'));
                let next = behind(whole.end).first();
                let ends = !next.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
                (whole.start + path..whole.end, is_path, ends)
            }
            Form::Route | Form::Word | Form::Doubled => {
                let right = ends(whole.end);
                (whole.clone(), left_is_clear(before(whole.start), Kind::Plain), right)
            }
            Form::Verp => {
                let left = left_is_clear(before(whole.start), Kind::FileName);
                (whole.clone(), left, ends(whole.end))
            }
            Form::Bang => {
                let is_longer =
                    before(whole.start).last().is_some_and(|b| is_of_word(*b) || b"@/.".contains(b));
                let goes_on = match behind(whole.end) {
                    [b'.' | b'+', next, ..] => is_of_word(*next),
                    rest => rest.first().is_some_and(|b| is_of_word(*b)),
                };
                (whole.clone(), !is_longer, !goes_on)
            }
            Form::Login => {
                let from = whole.start + opening(hay, whole.start);
                let Some(domain) = self.behind_password(hay, whole.end, spelling.needle) else { return };
                let with = self.domains.get(spelling.needle).map_or(String::new(), |(with, _)| with.clone());
                let right_clear = ends(domain.end);
                if right_clear {
                    out.push(Found { range: domain, with, left_clear: true, right_clear });
                }
                (from..whole.end - 1, true, right_clear)
            }
        };
        out.push(Found { range, with: spelling.with.clone(), left_clear, right_clear });
    }

    /// Where the domain of the needle stands behind a password that begins at `from`.
    fn behind_password(&self, hay: &[u8], from: usize, needle: usize) -> Option<Range<usize>> {
        let near = hay.get(from..(from + MAX_PASSWORD).min(hay.len()))?;
        let length = near.iter().position(|b| !b.is_ascii_graphic() || b"@/<>\"'".contains(b))?;
        let start = from + length + 1;
        let (_, domains) = self.domains.get(needle)?;
        let begins = |domain: &&Vec<u8>| {
            hay.get(start..start + domain.len()).is_some_and(|text| text.eq_ignore_ascii_case(domain))
        };
        let domain = domains.iter().filter(begins).max_by_key(|domain| domain.len())?;
        (near.get(length) == Some(&b'@')).then_some(start..start + domain.len())
    }
}

/// The spellings, their cores, and for each needle what takes the place of its domain, and its domains.
fn spelled(needles: &[Needle]) -> (Vec<Spelling>, Vec<Core>, Vec<Domains>) {
    let mut spellings: Vec<Spelling> = Vec::new();
    let mut cores: Vec<Core> = Vec::new();
    let mut domains = Vec::new();
    for (needle, one) in needles.iter().enumerate() {
        let (alias_local, alias_domain) = one.alias().split_once('@').unwrap_or((one.alias(), ""));
        let mut add = |text: Vec<u8>, form, with: String, core: &[u8]| {
            let known = spellings.iter().any(|spelling| spelling.text == text);
            let Some(before) = memchr::memmem::find(&text, core).filter(|_| !known) else { return };
            if spellings.len() >= MAX_SPELLINGS {
                return;
            }
            let place = cores.iter().position(|known| known.text == core).unwrap_or(cores.len());
            if place == cores.len() {
                cores.push(Core { text: core.to_vec(), spellings: Vec::new() });
            }
            if let Some(core) = cores.get_mut(place) {
                core.spellings.push((spellings.len(), before));
            }
            spellings.push(Spelling { form, needle, text, with });
        };
        for local in one.locals() {
            for opening in [b"//".as_slice(), b"%2f%2f", b"\\/\\/"] {
                let core = [local, b":".as_slice()].concat();
                add([opening, &core].concat(), Form::Login, alias_local.to_owned(), &core);
            }
            for domain in one.domains() {
                let joined = |sign: &[u8]| [local, sign, domain].concat();
                for mark in [b"#ext#".as_slice(), b"%23ext%23"] {
                    let with = format!("{alias_local}_{alias_domain}");
                    add([&joined(b"_"), mark].concat(), Form::Guest(mark.len()), with, domain);
                }
                let site = |text: &[u8], keeps: &[u8]| -> Vec<u8> {
                    let stays = |b: &u8| b.is_ascii_alphanumeric() || !b.is_ascii() || keeps.contains(b);
                    text.iter().map(|b| if stays(b) { *b } else { b'_' }).collect()
                };
                for path in [b"personal/".as_slice(), b"personal%2f", b"personal%252f"] {
                    for keeps in [b"-".as_slice(), b""] {
                        let with = site(one.alias().as_bytes(), keeps);
                        let with = String::from_utf8_lossy(&with).into_owned();
                        let text = [path, &site(&joined(b"_"), keeps)].concat();
                        add(text, Form::Site(path.len()), with, &site(domain, keeps));
                    }
                }
                for sign in ["%", "%25"] {
                    let with = format!("{alias_local}{sign}{alias_domain}");
                    add(joined(sign.as_bytes()), Form::Route, with, domain);
                }
                let with = format!("{alias_domain}!{alias_local}");
                add([domain, b"!".as_slice(), local].concat(), Form::Bang, with, domain);
                for (sign, form) in [
                    ("_at_", Form::Word),
                    ("-at-", Form::Word),
                    ("@@", Form::Doubled),
                    ("#", Form::Verp),
                    ("%23", Form::Verp),
                ] {
                    let with = format!("{alias_local}{sign}{alias_domain}");
                    add(joined(sign.as_bytes()), form, with, domain);
                }
            }
        }
        domains.push((alias_domain.to_owned(), one.domains().to_vec()));
    }
    (spellings, cores, domains)
}

/// The stretches, apart from each other, in which a spelling of up to `longest` octets may stand: each has an octet or two in it
/// that few texts have.
fn near_signs(hay: &[u8], longest: usize) -> Vec<Range<usize>> {
    let is_sign = |at: &usize| match hay.get(*at..).unwrap_or_default() {
        [b'/', b'/', ..] => true,
        [b'/', ..] => at.checked_sub(1).is_some_and(|i| hay.get(i) == Some(&b'\\')),
        [b'@', b'@', ..] => true,
        [b'-', word @ ..] => word.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"at-")),
        _ => false,
    };
    let mut marks = memchr::memchr3_iter(b'_', b'%', b'!', hay).peekable();
    let mut others = memchr::memchr3_iter(b'/', b'-', b'@', hay).filter(is_sign).peekable();
    let mut hashes = memchr::memchr_iter(b'#', hay).peekable();
    let places = std::iter::from_fn(|| {
        let next = [marks.peek(), others.peek(), hashes.peek()].map(|at| at.copied().unwrap_or(usize::MAX));
        match next.iter().copied().min()? {
            usize::MAX => None,
            least if least == next[0] => marks.next(),
            least if least == next[1] => others.next(),
            _ => hashes.next(),
        }
    });
    let mut out: Vec<Range<usize>> = Vec::new();
    for at in places {
        let near = at.saturating_sub(longest)..(at + longest).min(hay.len());
        match out.last_mut() {
            Some(last) if last.end >= near.start => last.end = near.end,
            _ => out.push(near),
        }
    }
    out
}

/// Length of what opens the authority of a link at `at`.
fn opening(hay: &[u8], at: usize) -> usize {
    match hay.get(at) {
        Some(b'%') => 6,
        Some(b'\\') => 4,
        _ => 2,
    }
}

/// Whether the last character is one beyond ASCII in HTML's numbers: `&#12305;`.
fn ends_in_wide_entity(before: &[u8]) -> bool {
    let Some(digits) = before.strip_suffix(b";") else { return false };
    let length = digits.iter().rev().take(8).take_while(|b| b.is_ascii_hexdigit()).count();
    let (head, digits) = digits.split_at_checked(digits.len() - length).unwrap_or((digits, &[]));
    digits.len() > 2 && [b"&#".as_slice(), b"&#x", b"&#X"].iter().any(|mark| head.ends_with(mark))
}

/// Whether an octet may belong to a word in any charset.
fn is_of_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || !b.is_ascii() || matches!(b, b'-' | b'_')
}

fn joins(behind: &[u8]) -> bool {
    behind.first().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_spelling_stands_near_a_sign(at in 0_usize..200, which in any::<prop::sample::Index>(), loud in any::<bool>()) {
            let needles = ["bob.x-y@a-b.example", "x@\u{4f8b}.example"].map(|one| Needle::new(one, "x@y.example".into()));
            let written = Written::new(&needles);
            let all: Vec<&[u8]> = written.spellings.iter().map(|spelling| spelling.text.as_slice()).collect();
            let mut text = b"x ".repeat(100);
            let one = &all[which.index(all.len())];
            let one = if loud { one.to_ascii_uppercase() } else { one.to_vec() };
            text.splice(at..at, one.iter().copied());
            let whole = |near: &Range<usize>| near.start <= at && near.end >= at + one.len();
            prop_assert!(near_signs(&text, written.longest).iter().any(whole), "{}", one.escape_ascii());
            // And by its core.
            let found = written.search.places(&text).any(|(core, place)| {
                let spellings = &written.cores[core].spellings;
                spellings.iter().any(|(spelling, before)| all[*spelling].eq_ignore_ascii_case(&one) && place.start == at + before)
            });
            prop_assert!(found, "{}", one.escape_ascii());
        }
    }

    #[test]
    fn each_form_is_found_whole_and_keeps_its_form() {
        let written = Written::new(&[Needle::new("bob@a-b.example", "x@y.example".into())]);
        for (text, expected) in [
            ("bob_a-b.example#EXT#@t.example", "x_y.example#EXT#@t.example"),
            ("Personal/BOB_A-B_example/x", "Personal/BOB_A-B_example/x"),
            ("/Personal/BOB_A-B_example/x", "/Personal/x_y_example/x"),
            ("/personal/bob_a_b_example", "/personal/x_y_example"),
            ("%2Fpersonal%2Fbob_a-b_example%2F", "%2Fpersonal%2Fx_y_example%2F"),
            ("bob%a-b.example@gw", "x%y.example@gw"),
            ("a-b.example!bob", "y.example!x"),
            ("bob_at_a-b.example.", "x_at_y.example."),
            ("bob@@a-b.example", "x@@y.example"),
            ("list-17--bob#a-b.example@list.example", "list-17--x#y.example@list.example"),
            ("?m=bob%23a-b.example", "?m=x%23y.example"),
            ("rbob#a-b.example bob#a-b.example.tw", "rbob#a-b.example bob#a-b.example.tw"),
            (
                "ftp://bob:p@a-b.example/ ftp:\\/\\/bob:@a-b.example",
                "ftp://x:p@y.example/ ftp:\\/\\/x:@y.example",
            ),
            ("ftp%3A%2F%2Fbob:p@a-b.example", "ftp%3A%2F%2Fx:p@y.example"),
            (
                "ftp://bob:p@c.example //bob:80/ //bob:p@a-b.example.tw",
                "ftp://bob:p@c.example //bob:80/ //bob:p@a-b.example.tw",
            ),
            ("rbob%a-b.example r.bob_at_a-b.example", "rbob%a-b.example r.bob_at_a-b.example"),
            ("xa-b.example!bob a-b.example!bob.r", "xa-b.example!bob a-b.example!bob.r"),
            ("bob%a-b.example.tw bob_a-b.example", "bob%a-b.example.tw bob_a-b.example"),
        ] {
            let mut out = text.to_owned();
            for found in written.found(text.as_bytes(), true).into_iter().rev() {
                if found.left_clear && found.right_clear {
                    out.replace_range(found.range, &found.with);
                }
            }
            assert_eq!(out, expected, "{text}");
        }
    }
}
