//! One secret address in the forms in which it may stand in a folded text, and where it stands around an at sign.
//!
//! Rules: what is sought is `local@domain`, the domain as A-labels and as U-labels, the local part also quoted and with
//! a `+tag` (RFC 5233); of an address that has a tag itself also the one without. Where the provider ignores dots (Gmail)
//! so do we, and both of its domains are one. A hit never begins in the middle of a longer local part nor ends in the
//! middle of a longer label, so other people's addresses stay.
//! When it fails: never.

use super::search::Kind;
use super::{before, glued, longer, spelling, stripping};
use std::ops::Range;

/// Longest local part with its tag that is looked at, in octets.
const MAX_RUN: usize = 254;
/// Longest escape of one character that ends in a letter or a digit, in octets.
const LONGEST_ESCAPE: usize = 8;
/// Shortest local part that is looked for on its own, in octets.
const MIN_LOCAL: usize = 3;
/// Domains whose mailboxes are the same with and without dots, and in each of them.
const DOTLESS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// Domains of one provider in which a local part is one mailbox.
const SAME: [&[&str]; 3] =
    [&DOTLESS, &["icloud.com", "me.com", "mac.com"], &["proton.me", "protonmail.com", "pm.me"]];

/// One secret, in the forms in which it is compared.
pub struct Needle {
    locals: Vec<Vec<u8>>,
    domains: Vec<Vec<u8>>,
    /// The local part without dots, where dots are ignored.
    dotless: Option<Vec<u8>>,
    alias: String,
    canonical: String,
}

/// An address in one view, before it is known whether its neighbours really are its neighbours.
pub struct Found {
    pub range: Range<usize>,
    pub with: String,
    pub left_clear: bool,
    pub right_clear: bool,
}

impl Needle {
    /// The forms of an address in canonical form.
    pub fn new(canonical: &str, alias: String) -> Self {
        let (local, domain) = canonical.rsplit_once('@').unwrap_or((canonical, ""));
        let mut locals = forms(local);
        // The mailbox is the same without the tag.
        if let Some((base, _)) = local.split_once('+').filter(|(base, _)| !base.is_empty()) {
            locals.extend(forms(base));
        }
        let mut domains = domain_forms(domain);
        let same = SAME.iter().find(|group| group.contains(&domain)).copied().unwrap_or_default();
        domains.extend(same.iter().filter(|other| **other != domain).map(|other| other.as_bytes().to_vec()));
        let dotless = DOTLESS.contains(&domain).then(|| {
            let base = local.split('+').next().unwrap_or(local);
            base.bytes().filter(|b| *b != b'.').collect()
        });
        Self { locals, domains, dotless, alias, canonical: canonical.to_owned() }
    }

    /// The address in canonical form.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// What takes its place.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// What Google Calendar writes for `address`, which is this one, at the end of a token: `local@m`, where it is of Gmail.
    pub fn short_form(&self, address: &str) -> Option<String> {
        let (local, _) = address.rsplit_once('@').filter(|_| self.dotless.is_some())?;
        Some(format!("{local}@m"))
    }

    /// Whether a text in small letters is its local part but for dots, where those mean nothing.
    pub fn is_without_dots(&self, text: &[u8]) -> bool {
        let Some(own) = self.dotless.as_deref().filter(|own| own.len() >= MIN_LOCAL) else { return false };
        let base = text.split(|b| *b == b'+').next().unwrap_or_default();
        base.iter().filter(|b| **b != b'.').eq(own)
    }

    /// What Google Calendar writes for it behind the id of an event, with and without its dots and its tag.
    pub fn short_forms(&self) -> Vec<Vec<u8>> {
        let Some(dotless) = &self.dotless else { return Vec::new() };
        let all = self.locals.iter().chain([dotless]);
        all.map(|local| [b" ", local.as_slice(), b"@m"].concat()).collect()
    }

    /// Its local part, in its forms.
    pub fn locals(&self) -> &[Vec<u8>] {
        &self.locals
    }

    /// Its domain, in its forms.
    pub fn domains(&self) -> &[Vec<u8>] {
        &self.domains
    }

    /// Whether a text begins with its domain.
    pub fn has_domain(&self, text: &[u8]) -> bool {
        self.domains.iter().any(|domain| starts_with(text, domain))
    }

    /// Whether plain letters directly behind an at sign rule this address out: `behind` begins there. What is no plain
    /// letter may be an escape, a tag or a break, and rules nothing out.
    pub fn is_ruled_out_behind(&self, behind: &[u8]) -> bool {
        self.domains.iter().all(|domain| {
            let mut both = behind.iter().zip(domain).take_while(|(b, _)| is_plain(**b));
            let other = both.position(|(b, own)| b.to_ascii_lowercase() != *own);
            // A mark may stand behind a letter that it makes another one of.
            let is_marked = |at: usize| {
                !domain.get(at).is_some_and(u8::is_ascii) && !behind.get(at + 1).is_some_and(|b| is_plain(*b))
            };
            other.is_some_and(|at| !is_marked(at))
        })
    }

    /// The same for the letters before an at sign. What may be the end of an escape or the second octet of a character
    /// is no plain letter.
    pub fn is_ruled_out_before(&self, before: &[u8]) -> bool {
        let run = before.iter().rev().take(MAX_RUN).take_while(|b| is_atext(**b)).count();
        let near = before.len().saturating_sub(LONGEST_ESCAPE);
        let may_be_other = before.len() - run..before.len();
        let opened = before.get(near..).unwrap_or_default().iter().any(|b| matches!(b, b'%' | b'\\' | b'='));
        let tagged = before.get(may_be_other).unwrap_or_default().contains(&b'+');
        if opened || tagged || self.dotless.is_some() {
            return false;
        }
        self.locals.iter().all(|local| {
            // Nor is the last octet of `ESC ( B`.
            let back = |i: usize| before.len().checked_sub(i).and_then(|i| before.get(i)).copied();
            let shifts = |i: usize| back(i) == Some(b'(') && back(i + 1) == Some(0x1b);
            let lead = (2..).map(|i| back(i).is_none_or(|b| b.is_ascii()) && !shifts(i));
            let both = before.iter().rev().zip(lead).zip(local.iter().rev());
            both.take_while(|((b, alone), _)| *alone && is_plain(**b))
                .any(|((b, _), own)| b.to_ascii_lowercase() != *own)
        })
    }

    /// The address around the at sign at `at`, if it is this one.
    pub fn around(&self, hay: &[u8], at: usize, kind: Kind) -> Option<Found> {
        let behind = hay.get(at + 1..)?;
        let domain =
            self.domains.iter().filter(|domain| starts_with(behind, domain)).max_by_key(|d| d.len())?;
        let end = at + 1 + domain.len();
        let before = hay.get(..at)?;
        let start = self.local_start(before)?;
        Some(Found {
            range: start..end,
            with: self.alias.clone(),
            left_clear: left_is_clear(hay.get(..start)?, kind)
                || glued::stands_before(hay.get(..start)?, hay.get(start..at)?),
            right_clear: is_right_clear(
                hay,
                end,
                if hay.get(at) == Some(&b'=') { Kind::Plain } else { kind },
            ),
        })
    }

    /// The address around the equals sign at `at` as one who forwards writes it before his own (SRS): `a.example=bob@`.
    pub fn turned(&self, hay: &[u8], at: usize) -> Option<Found> {
        let (before, behind) = (hay.get(..at)?, hay.get(at + 1..)?);
        // Few equals signs stand behind one of the domains.
        let domain =
            self.domains.iter().filter(|domain| ends_with(before, domain)).max_by_key(|d| d.len())?;
        let length = behind.iter().take(MAX_RUN).position(|b| *b == b'@')?;
        let written = behind.get(..length)?;
        let base = written.split(|b| *b == b'+').next().unwrap_or_default();
        let is_own = |text: &[u8]| self.plain_start(text) == Some(0);
        let start = at - domain.len();
        let joins = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        (is_own(written) || is_own(base)).then(|| Found {
            range: start..at + 1 + length,
            with: self.alias.clone(),
            left_clear: !start.checked_sub(1).and_then(|i| hay.get(i)).is_some_and(joins),
            right_clear: true,
        })
    }

    /// Where the local part that ends with `before` begins.
    fn local_start(&self, before: &[u8]) -> Option<usize> {
        if let Some(start) = self.plain_start(before) {
            return Some(start);
        }
        // A quoted local part (RFC 5321 §4.1.2), its quotes escaped or not.
        let inner = before.strip_suffix(b"\"").map(|text| text.strip_suffix(b"\\").unwrap_or(text));
        if let Some(start) = inner.and_then(|inner| self.plain_start(inner)) {
            let opened = before.get(..start).is_some_and(|text| text.ends_with(b"\""));
            return Some(if opened { start - 1 } else { start });
        }
        // `local+tag` (RFC 5233).
        let run = before.iter().rev().take(MAX_RUN).take_while(|b| is_atext(**b)).count();
        let from = before.len() - run;
        let plus = memchr::memchr(b'+', before.get(from..)?)?;
        self.plain_start(before.get(..from + plus)?)
    }

    fn plain_start(&self, text: &[u8]) -> Option<usize> {
        let fits = self.locals.iter().filter(|local| ends_with(text, local));
        let plain = fits.map(|local| text.len() - local.len()).min();
        plain.or_else(|| dotless_start(text, self.dotless.as_deref()?))
    }
}

/// Where `local` begins, which `text` ends with when its dots are left out.
fn dotless_start(text: &[u8], local: &[u8]) -> Option<usize> {
    let mut wanted = local.iter().rev();
    let mut next = wanted.next()?;
    for (i, b) in text.iter().enumerate().rev() {
        if b.to_ascii_lowercase() == *next {
            match wanted.next() {
                Some(more) => next = more,
                None => return Some(i),
            }
        } else if *b != b'.' {
            return None;
        }
    }
    None
}

/// The text folded not at all, once and twice, and joined: what a search may meet.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![text.to_lowercase().into_bytes()];
    for _ in 0..2 {
        let next = forms.last().map(|form| spelling::fold(form).view.into_bytes()).unwrap_or_default();
        if !forms.contains(&next) {
            forms.push(next);
        }
    }
    if let Some(bare) = forms.first().map(|form| stripping::joined(form).into_bytes())
        && !forms.contains(&bare)
    {
        forms.push(bare);
    }
    forms.retain(|form| !form.is_empty());
    forms
}

fn domain_forms(domain: &str) -> Vec<Vec<u8>> {
    let mut out = forms(domain);
    let (unicode, _) = idna::domain_to_unicode(domain);
    for form in forms(&unicode) {
        if !out.contains(&form) {
            out.push(form);
        }
    }
    out
}

fn starts_with(hay: &[u8], needle: &[u8]) -> bool {
    // The first octet tells for nearly all.
    let first = |text: &[u8]| text.first().map(u8::to_ascii_lowercase);
    first(hay) == first(needle)
        && hay.get(..needle.len()).is_some_and(|head| head.eq_ignore_ascii_case(needle))
}

fn ends_with(hay: &[u8], needle: &[u8]) -> bool {
    hay.len()
        .checked_sub(needle.len())
        .and_then(|at| hay.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(needle))
}

/// Whether another word begins at `at` with a capital letter behind a small one, as where a table lost its lines:
/// `mailbox.exampleTEL`.
fn is_glued(hay: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|i| hay.get(i));
    before.is_some_and(u8::is_ascii_lowercase) && hay.get(at).is_some_and(u8::is_ascii_uppercase)
}

/// Whether no longer domain reaches over `end`. In a name of a file what follows is the rest of the name.
fn is_right_clear(hay: &[u8], end: usize, kind: Kind) -> bool {
    match hay.get(end) {
        Some(b) if b.is_ascii_alphanumeric() => is_glued(hay, end),
        _ => {
            kind == Kind::FileName
                || !longer::goes_on(hay.get(..end).unwrap_or_default(), hay.get(end..).unwrap_or_default())
        }
    }
}

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'.' || b == b'-'
}

fn is_atext(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b)
}

/// Whether `before` ends with what is a run of UTF-7 to who reads it so, `+MAw-`: characters of 16 bits in base64, the
/// bits that are left over zero, and nothing before it of which it could be the tag.
fn ends_utf7_run(before: &[u8]) -> bool {
    let run = before.get(..before.len().saturating_sub(1)).unwrap_or_default();
    let digits = run.iter().rev().take(MAX_RUN);
    let length = digits.take_while(|b| b.is_ascii_alphanumeric() || **b == b'/').count();
    let Some(opening) = run.len().checked_sub(length + 1) else { return false };
    let is_tag = opening.checked_sub(1).and_then(|i| run.get(i)).is_some_and(|b| is_atext(*b));
    let left_over = match length % 8 {
        0 => 0,
        3 => 0b11,
        6 => 0b1111,
        _ => return false,
    };
    let value = match run.last() {
        Some(b @ b'A'..=b'Z') => b - b'A',
        Some(b @ b'a'..=b'z') => b - b'a' + 26,
        Some(b @ b'0'..=b'9') => b - b'0' + 52,
        _ => 63,
    };
    run.get(opening) == Some(&b'+') && !is_tag && length > 0 && value & left_over == 0
}

/// Whether no longer local part reaches into what follows `before`: it ends in no letter or digit, also not behind
/// dots, pluses, hyphens and underscores. (A letter outside ASCII is no part of the addresses that people write
/// into Japanese text without a blank.)
pub fn left_is_clear(before: &[u8], kind: Kind) -> bool {
    let is_joint = |b: &&u8| kind != Kind::FileName && matches!(b, b'.' | b'_' | b'+' | b'-');
    let joint = before.iter().rev().take_while(is_joint).count();
    if joint == 1
        && before.last() == Some(&b'-')
        && (ends_with(before, b"imceasmtp-") || ends_utf7_run(before))
    {
        return true;
    }
    // What ends in a letter or a digit there and is none of a word.
    if before::ends_other(before) {
        return true;
    }
    !before.len().checked_sub(joint + 1).and_then(|i| before.get(i)).is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(secret: &str, text: &str) -> Option<String> {
        let needle = Needle::new(secret, "alias".into());
        let at = text.find('@')?;
        let found = needle.around(text.as_bytes(), at, Kind::Plain)?;
        (found.left_clear && found.right_clear).then(|| text[found.range].to_owned())
    }

    #[test]
    fn variants_of_a_mailbox_are_found_and_other_peoples_are_not() {
        for (secret, text, expected) in [
            ("bob@a.example", "to bob@a.example.", Some("bob@a.example")),
            ("bob@a.example", "bob+x.y@a.example", Some("bob+x.y@a.example")),
            ("bob@a.example", "\"bob\"@a.example", Some("\"bob\"@a.example")),
            ("bob@a.example", "rob.bob@a.example", None),
            ("bob@a.example", "bob@a.examples", None),
            ("bob+shop@a.example", "bob@a.example", Some("bob@a.example")),
            ("bob+shop@a.example", "bob+shop@a.example", Some("bob+shop@a.example")),
            ("b.o.b@gmail.com", "bob@gmail.com", Some("bob@gmail.com")),
            ("bob@gmail.com", "B.o.b+x@googlemail.com", Some("B.o.b+x@googlemail.com")),
            ("b.o.b@a.example", "bob@a.example", None),
            ("bob@icloud.com", "bob@me.com", Some("bob@me.com")),
            ("bob@a.example", "bob@a.exampleTEL:03", Some("bob@a.example")),
            ("bob@a.example", "bob@a.example.tw", None),
            ("bob@a.example", "bob@a.example.Is", Some("bob@a.example")),
            ("bob@a.example", "IMCEASMTP-bob@a.example", Some("bob@a.example")),
            ("bob@a.example", "+MAw-bob@a.example", Some("bob@a.example")),
            ("bob@a.example", "x+y-bob@a.example", None),
            ("bob@a.example", "hana+web-bob@a.example", None),
            ("bob@a.example", "hana+MAw-bob@a.example", None),
            ("bob@a.example", "+MAx-bob@a.example", None),
            ("bob@a.example", "https://x.example/?q=mail+bob@a.example", Some("bob@a.example")),
            ("bob@a.example", "mailto:x?body=to+bob@a.example", Some("bob@a.example")),
            ("bob@a.example", "https://x.example/mail+bob@a.example", None),
            ("bob@a.example", "NOTE:x=0D=0Abob@a.example", Some("bob@a.example")),
            ("bob@a.example", "=E3=BAbob@a.example", Some("bob@a.example")),
            ("bob@a.example", "u=babob@a.example", None),
            ("bob@a.example", "u=61bob@a.example", None),
        ] {
            assert_eq!(found(secret, text).as_deref(), expected, "{secret} in {text}");
        }
    }

    #[test]
    fn an_address_in_one_that_forwards_is_found() {
        for (secret, text, expected) in [
            ("bob@a.example", "SRS0=x1=Tt=a.example=bob@fwd.example", Some("a.example=bob")),
            ("bob@a.example", "srs0=x1=tt=A.EXAMPLE=BOB+x@fwd.example", Some("A.EXAMPLE=BOB+x")),
            ("bob@gmail.com", "SRS0=x1=Tt=gmail.com=b.o.b@fwd.example", Some("gmail.com=b.o.b")),
            ("bob@a.example", "SRS0=x1=Tt=b.a.example=bob@fwd.example", None),
            ("bob@a.example", "SRS0=x1=Tt=a.example=rob@fwd.example", None),
        ] {
            let needle = Needle::new(secret, "alias".into());
            let at = text.rfind('=').unwrap();
            let found = needle.turned(text.as_bytes(), at).filter(|found| found.left_clear);
            assert_eq!(found.map(|found| &text[found.range]), expected, "{text}");
        }
    }

    #[test]
    fn plain_neighbours_of_an_at_sign_rule_out_and_escapes_do_not() {
        let needle = Needle::new("bob@a.example", String::new());
        for (before, behind, out) in [
            ("bob", "a.example", false),
            ("BOB", "A.EXAMPLE>", false),
            ("x", "b.example", true),
            ("rob", "a.example", true),
            ("bob", "%61.example", false),
            ("bob+r", "a<b>.example", false),
            ("", "", false),
            ("\u{1b}(Bb", "a.example", false),
            ("r\u{1b}(Bxob", "a.example", true),
        ] {
            let both = needle.is_ruled_out_before(before.as_bytes())
                || needle.is_ruled_out_behind(behind.as_bytes());
            assert_eq!(both, out, "{before}@{behind}");
        }
    }
}
