//! Elements that a page does not show: for the gate alone.
//!
//! Rules: the content of style sheets, scripts and templates, and of what an attribute, its own style or a class of a style
//! sheet before it hides. An element ends at the end tag of its name that is no other one's.
//! When it fails: never; an element without an end is taken for shown.

use super::{escapes, tags};
use memchr::{memchr, memmem};

/// Elements whose content is never shown.
const NEVER_SHOWN: [&[u8]; 4] = [b"style", b"script", b"template", b"noframes"];
/// Elements of which some programs show something else, or nothing until they are opened.
const ELSEWHERE: [&[u8]; 12] = [
    b"iframe",
    b"object",
    b"select",
    b"datalist",
    b"dialog",
    b"rp",
    b"noembed",
    b"video",
    b"audio",
    b"canvas",
    b"title",
    b"noscript",
];
/// Elements without content (HTML §13.1.2).
const EMPTY: [&[u8]; 13] = [
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"source",
    b"track", b"wbr",
];
/// Declarations that hide, without blanks.
const HIDING: [&[u8]; 4] = [b"display:none", b"visibility:hidden", b"visibility:collapse", b"mso-hide:all"];
/// Properties that hide what they make nothing of.
const SIZES: [&[u8]; 7] =
    [b"font-size:", b"font:", b"opacity:", b"height:", b"max-height:", b"width:", b"max-width:"];
/// Properties that take away what they move so far that no screen has it.
const MOVES: [&[u8]; 6] =
    [b"left:-", b"top:-", b"right:-", b"text-indent:-", b"margin-left:-", b"margin-top:-"];
/// Digits of a length that is farther than any screen.
const FAR: usize = 3;
/// Most names whose elements are remembered to have no end.
const MAX_UNCLOSED: usize = 16;
/// Longest tag whose style is read.
const MAX_TAG: usize = 1 << 12;

/// Most classes of style sheets that are remembered.
const MAX_CLASSES: usize = 256;

/// What is known of the markup so far.
#[derive(Default)]
pub struct Known {
    /// Names of elements that have no end in the rest of the markup.
    unclosed: Vec<Vec<u8>>,
    /// Classes and ids, in lower case, that a style sheet hides.
    classes: Vec<Vec<u8>>,
    /// Attributes and elements that it hides somewhere.
    others: Vec<Vec<u8>>,
    /// Whether nothing is shown that only some programs show, or only some of such elements.
    pub is_least: bool,
}

impl Known {
    /// Takes in what a style sheet says.
    fn sheet(&mut self, sheet: &[u8]) {
        let mut rest = sheet;
        while let Some(open) = memchr(b'{', rest) {
            let close = memchr(b'}', rest).filter(|close| *close > open);
            let block = rest.get(open + 1..close.unwrap_or(rest.len())).unwrap_or_default();
            if declares_hiding(block) {
                for selector in rest.get(..open).unwrap_or_default().split(|b| *b == b',') {
                    // The last of its elements, without what says when: a class, an id, an attribute, or the element.
                    let last = selector.trim_ascii().rsplit(|b| b" \t\r\n>+~".contains(b)).next();
                    let last = last.unwrap_or_default().split(|b| *b == b':').next().unwrap_or_default();
                    let marks = last.iter().rposition(|b| matches!(b, b'.' | b'#' | b'['));
                    let name = last.get(marks.map_or(0, |at| at + 1)..).unwrap_or_default();
                    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | 0x80..);
                    let name = name.split(|b| !is_name(b)).next().unwrap_or_default();
                    let is_class = marks.is_some_and(|at| last.get(at) != Some(&b'['));
                    let known = if is_class { &mut self.classes } else { &mut self.others };
                    if !name.is_empty() && known.len() < MAX_CLASSES {
                        known.push(name.to_ascii_lowercase());
                    }
                }
            }
            rest = rest.get(close.map_or(rest.len(), |close| close + 1)..).unwrap_or_default();
        }
    }

    /// Whether a tag has one of the classes, ids or attributes, or is one of the elements.
    fn hides(&self, tag: &[u8]) -> bool {
        let separates =
            |b: &u8| b.is_ascii_whitespace() || matches!(b, b'<' | b'>' | b'/' | b'=' | b'"' | b'\'');
        let others = if self.is_least { self.others.as_slice() } else { &[] };
        let known = || self.classes.iter().chain(others);
        known().next().is_some()
            && tag.len() <= MAX_TAG
            && tag.split(separates).any(|word| known().any(|name| name.eq_ignore_ascii_case(word)))
    }
}

/// Whether a tag opens an element that a style sheet far before it may hide, by whatever it has.
pub fn may_be_hidden(tag: &[u8]) -> bool {
    let name = name(tag.get(1..).unwrap_or_default());
    !name.is_empty() && !EMPTY.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Where the element ends that the tag at the beginning of `markup` opens, if it is not shown: the place behind its end
/// tag. `tag` is the length of the tag.
pub fn end(markup: &[u8], tag: usize, known: &mut Known) -> Option<usize> {
    let tag = markup.get(..tag)?;
    let name = name(tag.get(1..)?);
    let has_content = || !name.is_empty() && !EMPTY.iter().any(|one| one.eq_ignore_ascii_case(name));
    if !(hides(tag) || known.is_least && may_hide(tag) || (known.hides(tag) && has_content())) {
        return None;
    }
    let is_unclosed = known.unclosed.iter().any(|open| open.eq_ignore_ascii_case(name));
    if is_unclosed || known.unclosed.len() >= MAX_UNCLOSED {
        return None;
    }
    let end = end_tag(markup.get(tag.len()..)?, name).map(|end| tag.len() + end);
    match end {
        None => known.unclosed.push(name.to_vec()),
        Some(end) if name.eq_ignore_ascii_case(b"style") => {
            known.sheet(markup.get(tag.len()..end).unwrap_or_default());
        }
        Some(_) => {}
    }
    end
}

/// Whether what the tag opens is not shown.
pub fn hides(tag: &[u8]) -> bool {
    let name = name(tag.get(1..).unwrap_or_default());
    let is_in = |names: &[&[u8]]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
    if is_in(&NEVER_SHOWN) {
        return true;
    }
    let attributes = tag.get(1 + name.len()..).unwrap_or_default();
    if name.is_empty() || attributes.len() < 6 || attributes.len() > MAX_TAG || is_in(&EMPTY) {
        return false;
    }
    let separates = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'/' | b'=' | b'"' | b'\'');
    if attributes.split(separates).any(|word| word.eq_ignore_ascii_case(b"hidden")) {
        return true;
    }
    let is_spelled = memchr::memchr2(b'&', b'\\', attributes).is_some();
    let spelled = is_spelled.then(|| String::from_utf8_lossy(attributes).into_owned());
    let plain = spelled.map(|text| {
        let text = escapes::unescaped(&text, escapes::Kind::Entities).unwrap_or(text);
        escapes::unescaped(&text, escapes::Kind::Backslashes).unwrap_or(text)
    });
    let attributes = plain.as_ref().map_or(attributes, String::as_bytes);
    memchr(b':', attributes).is_some() && declares_hiding(attributes)
}

/// Whether one of the declarations of a style hides.
fn declares_hiding(style: &[u8]) -> bool {
    let bare: Vec<u8> = without_comments(style)
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .map(u8::to_ascii_lowercase)
        .collect();
    bare.split(|b| matches!(b, b';' | b'"' | b'\'' | b'=' | b'>')).any(|declaration| {
        HIDING.iter().any(|hiding| declaration.starts_with(hiding))
            || SIZES.iter().any(|size| declaration.strip_prefix(*size).is_some_and(is_zero))
    })
}

/// Whether some programs do not show what the tag opens, or not where it stands.
fn may_hide(tag: &[u8]) -> bool {
    let name = name(tag.get(1..).unwrap_or_default());
    let tag = tag.get(..tag.len().min(MAX_TAG)).unwrap_or_default();
    let bare: Vec<u8> = tag.iter().filter(|b| !b.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect();
    let moves = |motion: &&[u8]| {
        let mut found = memmem::find_iter(&bare, motion);
        found.any(|at| bare.get(at + motion.len()..).is_some_and(is_far))
    };
    ELSEWHERE.iter().any(|one| one.eq_ignore_ascii_case(name)) || MOVES.iter().any(moves)
}

/// A style without its comments (CSS Syntax §4.3.2).
fn without_comments(style: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(style.len());
    let mut rest = style;
    while let Some(open) = memmem::find(rest, b"/*") {
        let (before, comment) = rest.split_at_checked(open).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let end = memmem::find(comment, b"*/").map_or(comment.len(), |end| end + 2);
        rest = comment.get(end..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

fn is_far(length: &[u8]) -> bool {
    length.iter().take_while(|b| b.is_ascii_digit()).count() >= FAR
}

fn is_zero(value: &[u8]) -> bool {
    let digits = value.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let digits = value.get(..digits).unwrap_or_default();
    !digits.is_empty() && digits.iter().all(|b| matches!(b, b'0' | b'.'))
}

/// The name that begins a tag.
fn name(tag: &[u8]) -> &[u8] {
    let length = tag.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || b"-:".contains(b)).count();
    tag.get(..length).unwrap_or_default()
}

/// The place behind the end tag that closes an open element.
fn end_tag(markup: &[u8], wanted: &[u8]) -> Option<usize> {
    let (mut at, mut open) = (0, 1usize);
    loop {
        at += memchr(b'<', markup.get(at..)?)? + 1;
        let tag = markup.get(at..)?;
        let closes = tag.first() == Some(&b'/');
        if !name(tag.get(usize::from(closes)..)?).eq_ignore_ascii_case(wanted) {
            continue;
        }
        open = if closes { open - 1 } else { open + 1 };
        if open == 0 {
            return tags::end(markup.get(at - 1..)?).map(|end| at - 1 + end);
        }
    }
}
