//! Whether a domain may follow what reads as an at sign: the quick look that spares most texts the slow one. For the
//! gate alone.
//!
//! Rules: it errs on the side of "may". It steps over whatever any view of the text takes out (tags, comments, blanks,
//! quotes, invisible characters) and reads each character through its escapes, without a copy. Steps are limited, so
//! that many at signs cost no more than a few.
//! When it fails: never; where it cannot tell within its steps, a domain may follow.

use super::compat::{is_invisible, plain};
use super::escapes::{MAX_LAYERS, is_lead, read};
use super::{compose, hidden, marks};
use memchr::{memchr, memmem};
use std::cell::Cell;

/// Longest tag or comment that is stepped over for nothing.
const MAX_TAG: usize = 1024;
/// How much more is looked at each time that the end of one is not found.
const FARTHER: usize = 8;
/// Most characters and tags that are stepped over.
const MAX_STEPS: u32 = 48;

/// Octets that may still be looked at for the ends of long tags and comments; behind what is longer anything may follow.
pub struct Far(Cell<usize>);

impl Far {
    /// For a text of so many octets: no more than it takes to read it a few times.
    pub fn for_text(octets: usize) -> Self {
        Self(Cell::new(octets.saturating_mul(4)))
    }

    /// Whether so many may be looked at.
    fn take(&self, octets: usize) -> bool {
        let left = self.0.get().checked_sub(octets);
        self.0.set(left.unwrap_or_else(|| self.0.get()));
        left.is_some()
    }

    /// What stands at `at` as far as `is_enough` needs it, and whether it is enough.
    fn look<'t>(&self, text: &'t [u8], at: usize, is_enough: impl Fn(&[u8]) -> bool) -> (&'t [u8], bool) {
        let mut limit = MAX_TAG;
        loop {
            let near = text.get(at..(at + limit).min(text.len())).unwrap_or_default();
            if near.len() < limit || is_enough(near) {
                return (near, true);
            }
            limit *= FARTHER;
            if !self.take(limit.min(text.len() - at)) {
                return (near, false);
            }
        }
    }
}

/// Whether `domain` may be read at `at`.
pub fn may_follow(text: &[u8], at: usize, domain: &[u8], far: &Far) -> bool {
    let mut walk = Walk { steps: MAX_STEPS, far };
    follows(text, at, domain, Extent::Whole, &mut walk)
}

/// What a look may still cost.
struct Walk<'f> {
    steps: u32,
    far: &'f Far,
}

/// Whether the first letter of `domain` may be read at the beginning of `text`, which may end before it.
pub fn may_begin(text: &[u8], domain: &[u8]) -> bool {
    let mut walk = Walk { steps: MAX_STEPS, far: &Far(Cell::new(0)) };
    follows(text, 0, domain.get(..1).unwrap_or_default(), Extent::Part, &mut walk)
}

/// Whether the plain letters that `text` begins with are, as far as they go, those of `domain`.
pub fn goes_on(text: &[u8], domain: &[u8]) -> bool {
    let run = text.get(..domain.len().min(text.len())).unwrap_or_default();
    let run = run.split(|b| !is_plain(*b)).next().unwrap_or_default();
    let mut walk = Walk { steps: MAX_STEPS, far: &Far(Cell::new(0)) };
    follows(run, 0, domain, Extent::Part, &mut walk)
}

/// How much of the domain must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Part,
}

fn follows(text: &[u8], mut at: usize, mut domain: &[u8], extent: Extent, walk: &mut Walk<'_>) -> bool {
    loop {
        let Some(&expected) = domain.first() else {
            return extent == Extent::Part || !text.get(at).is_some_and(u8::is_ascii_alphanumeric);
        };
        let Some(&b) = text.get(at) else { return extent == Extent::Part };
        if is_plain(b) {
            if b.to_ascii_lowercase() != expected {
                // A letter whose mark stands behind it.
                if expected >= 0x80 && text.get(at + 1).is_some_and(|next| *next >= 0x80 || is_lead(*next)) {
                    return true;
                }
                // " dot ".
                return expected == b'.' && b | 0x20 == b'd';
            }
            domain = domain.get(1..).unwrap_or_default();
            at += 1;
            continue;
        }
        walk.steps = walk.steps.saturating_sub(1);
        if walk.steps == 0 {
            return true;
        }
        match b {
            b'<' => {
                if expected == b'.' && may_spell_dot(text, at) {
                    return true;
                }
                match tag_ends(text, at, walk.far) {
                    Ends::Unknown => return true,
                    Ends::At(ends) => {
                        return ends.iter().flatten().any(|end| follows(text, *end, domain, extent, walk));
                    }
                }
            }
            b'(' | b'[' | b'{' => {
                if expected == b'.' && may_spell_dot(text, at) {
                    return true;
                }
                if b == expected {
                    // An address literal.
                    domain = domain.get(1..).unwrap_or_default();
                    at += 1;
                    continue;
                }
                if b != b'(' {
                    return false;
                }
                let ends = |text: &[u8]| {
                    memchr(b')', text)
                        .and_then(|end| text.get(1..end))
                        .is_some_and(|inside| !is_nested(inside))
                        || closes(text)
                };
                let (behind, is_known) = walk.far.look(text, at, ends);
                match memchr(b')', behind).and_then(|end| behind.get(1..end)) {
                    // A comment in a comment, or a bracket that is quoted: programs may see its end at any bracket.
                    Some(inside) if is_nested(inside) => {
                        return !is_known
                            || memchr::memchr_iter(b')', behind)
                                .any(|end| follows(text, at + end + 1, domain, extent, walk));
                    }
                    Some(inside) => at += inside.len() + 2,
                    None => return !is_known,
                }
            }
            b'%' | b'&' | b'\\' | b'=' | 0x80.. => match unit(text, at, domain) {
                Unit::Out(end) => at = end,
                Unit::Part(length, end) => {
                    domain = domain.get(length..).unwrap_or_default();
                    at = end;
                }
                Unit::Unknown => return true,
                Unit::Other => return false,
            },
            _ if b == expected => {
                domain = domain.get(1..).unwrap_or_default();
                at += 1;
            }
            _ if is_out(b) => {
                let mark = if b == b'\n' { marks::behind(text, at) } else { 0 };
                if mark > 0 && follows(text, at + 1 + mark, domain, extent, walk) {
                    return true;
                }
                at += 1;
            }
            _ => return false,
        }
    }
}

/// Whether a comment may end elsewhere than at its first bracket.
fn is_nested(inside: &[u8]) -> bool {
    memchr::memchr2(b'(', b'\\', inside).is_some()
}

/// Whether the comment that `text` begins with ends in it, whether or not a backslash quotes a bracket.
fn closes(text: &[u8]) -> bool {
    if memchr(b')', text).is_none() {
        return false;
    }
    let (mut plain, mut quoting) = (0usize, 0usize);
    let (mut ended_plain, mut ended_quoting, mut is_quoted) = (false, false, false);
    for b in text {
        match b {
            b'(' => plain += 1,
            b')' => plain = plain.saturating_sub(1),
            _ => {}
        }
        match b {
            _ if is_quoted => {}
            b'(' => quoting += 1,
            b')' => quoting = quoting.saturating_sub(1),
            _ => {}
        }
        is_quoted = *b == b'\\' && !is_quoted;
        ended_plain |= plain == 0;
        ended_quoting |= quoting == 0;
        if ended_plain && ended_quoting {
            return true;
        }
    }
    false
}

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

/// What some view of the text takes out, or what closes `(at)`.
fn is_out(b: u8) -> bool {
    b.is_ascii_whitespace() || b.is_ascii_control() || matches!(b, b'"' | b'>' | b'|' | b')' | b']' | b'}')
}

/// Whether what stands in the bracket at `at` could be a dot.
fn may_spell_dot(text: &[u8], at: usize) -> bool {
    let mut inside = text.get(at + 1..(at + 20).min(text.len())).unwrap_or_default().iter();
    inside
        .find(|b| !b.is_ascii_whitespace())
        .is_some_and(|b| !b.is_ascii_graphic() || b".dD&%\\=".contains(b))
}

enum Ends {
    /// Where the text goes on, as different programs see it.
    At([Option<usize>; 4]),
    /// Too far to tell.
    Unknown,
}

/// Where the tag, comment or section ends that begins at `at`.
fn tag_ends(text: &[u8], at: usize, far: &Far) -> Ends {
    let ends = |tag: &[u8]| !matches!(ends_within(tag, at, Rest::More), Ends::Unknown);
    let (tag, is_known) = far.look(text, at, ends);
    ends_within(tag, at, if is_known && at + tag.len() == text.len() { Rest::Nothing } else { Rest::More })
}

/// What follows a stretch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    More,
}

fn ends_within(tag: &[u8], at: usize, rest: Rest) -> Ends {
    let from = |i: usize, length: usize| at + i + length;
    let goes_on = rest == Rest::More;
    let Some(plain) = memchr(b'>', tag) else {
        // Nothing is shown behind it.
        return if goes_on { Ends::Unknown } else { Ends::At([None; 4]) };
    };
    let naive = Some(from(plain, 1));
    if tag.starts_with(b"<!") {
        let data = tag.starts_with(b"<![CDATA[").then(|| from(0, 9));
        let comment = memmem::find(tag, b"-->").map(|i| from(i, 3));
        return match (data, comment) {
            (None, None) if goes_on => Ends::Unknown,
            _ => Ends::At([naive, comment, data, None]),
        };
    }
    // A quote may hide that end.
    let inside = tag.get(..plain).unwrap_or_default();
    let is_quoted = memchr::memchr2(b'"', b'\'', inside).is_some();
    let quoted = if is_quoted { super::tags::end(tag) } else { Some(plain + 1) };
    let Some(end) = quoted else {
        return if goes_on { Ends::Unknown } else { Ends::At([naive, None, None, None]) };
    };
    let quoted = Some(from(end, 0)).filter(|end| Some(*end) != naive);
    let tag_alone = tag.get(..end).unwrap_or_default();
    if hidden::may_be_hidden(tag_alone) {
        return Ends::Unknown;
    }
    if !hidden::hides(tag_alone) {
        return Ends::At([naive, quoted, None, None]);
    }
    match hidden::end(tag, end, &mut hidden::Known::default()) {
        None if goes_on => Ends::Unknown,
        hidden => Ends::At([naive, quoted, hidden.map(|i| from(i, 0)), None]),
    }
}

enum Unit {
    /// Nothing that is seen.
    Out(usize),
    /// So many octets of the domain.
    Part(usize, usize),
    /// What only the slow look can tell.
    Unknown,
    /// Another character.
    Other,
}

/// The character at `at`, through its escapes, against the domain.
fn unit(text: &[u8], at: usize, domain: &[u8]) -> Unit {
    let Some((c, end)) = read(text, at, MAX_LAYERS) else { return Unit::Other };
    if end == at + 1 {
        return match c {
            '\\' => Unit::Out(end),
            '=' if text.get(end).is_some_and(u8::is_ascii_whitespace) => Unit::Out(end),
            _ => Unit::Other,
        };
    }
    if domain.first().is_some_and(|b| *b >= 0x80)
        && (compose::is_narrow(c)
            || read(text, end, MAX_LAYERS).is_some_and(|(next, _)| compose::is_mark(next)))
    {
        return Unit::Unknown;
    }
    if let Some(reads) = plain(c) {
        return against(reads.as_bytes(), domain, end);
    }
    if c.is_whitespace() || is_invisible(c) || matches!(c, '"' | '\\' | '>' | '|' | ')' | ']' | '}') {
        return Unit::Out(end);
    }
    if matches!(c, '<' | '(' | '[' | '{') {
        return Unit::Unknown;
    }
    let mut lower = [0; 12];
    let mut length = 0;
    for part in c.to_lowercase() {
        let Some(room) = lower.get_mut(length..length + 4) else { return Unit::Unknown };
        length += part.encode_utf8(room).len();
    }
    against(lower.get(..length).unwrap_or_default(), domain, end)
}

fn against(reads: &[u8], domain: &[u8], end: usize) -> Unit {
    if domain.starts_with(reads) {
        return Unit::Part(reads.len(), end);
    }
    // "(dot)" and "dot" in other letters; the end of "(at)" in other letters.
    match reads {
        [b'(' | b'[' | b'{' | b'd' | b'D', ..] if domain.first() == Some(&b'.') => Unit::Unknown,
        [b'(' | b'<', ..] => Unit::Unknown,
        [b')' | b']' | b'}' | b'>' | b'|' | b'"' | b'\\'] => Unit::Out(end),
        // The last letters of a domain may be the first of one character.
        _ if reads.starts_with(domain) => Unit::Unknown,
        _ => Unit::Other,
    }
}
