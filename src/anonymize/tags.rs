//! Tags of HTML and XML, taken out with the way back: what a program shows between them, with and without what it hides.
//!
//! Rules: tags and comments, quotes in tags understood; elements that hide what is in them, by name, attribute or style.
//! When it fails: never. A tag that is never closed reaches to the end, as programs show nothing of it.

use crate::mime::view::View;

/// Longest name of a tag of HTML that is looked for, in octets.
const MAX_TAG_NAME: usize = 12;

/// Whether a text has tags: a name of letters and digits behind `<` or `</`, and what ends one behind it. An address in angle
/// brackets is none.
#[must_use]
pub fn has_tags(text: &[u8]) -> bool {
    memchr::memchr_iter(b'<', text).any(|at| {
        let inside = text.get(at + 1..).unwrap_or_default();
        let inside = inside.strip_prefix(b"/").unwrap_or(inside);
        let length = inside.iter().take(MAX_TAG_NAME + 1).take_while(|b| b.is_ascii_alphanumeric()).count();
        let ends = |b: &u8| matches!(b, b'>' | b'/') || b.is_ascii_whitespace();
        let is_name =
            (1..=MAX_TAG_NAME).contains(&length) && inside.first().is_some_and(u8::is_ascii_alphabetic);
        is_name && inside.get(length).is_some_and(ends) || inside.starts_with(b"!--")
    })
}

/// The elements that begin a line, a cell or an item, and end one.
const BLOCKS: [&[u8]; 18] = [
    b"br", b"p", b"div", b"li", b"ul", b"ol", b"td", b"th", b"tr", b"tbody", b"table", b"hr", b"h1", b"h2",
    b"h3", b"h4", b"h5", b"h6",
];

/// Whether a tag in a text ends a line, a cell or an item: what stands before it and behind it are things apart.
#[must_use]
pub fn end_line(text: &[u8]) -> bool {
    let mut tags = text.split(|b| *b == b'<').skip(1);
    tags.any(|tag| {
        let tag = tag.strip_prefix(b"/").unwrap_or(tag);
        let name = tag.split(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default();
        BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block))
    })
}

/// The text of HTML or XML between its tags and comments.
#[must_use]
pub fn without_tags(text: &[u8]) -> View {
    between_tags(text, |_, _| 0)
}

/// The text that a browser shows: without tags, and without what stands in elements that are never shown. `None` where
/// there are no such elements, so that it is the text without tags.
#[must_use]
pub fn shown(text: &[u8]) -> Option<View> {
    let mut hides = false;
    let view = between_tags(text, |tag, rest| {
        let length = hidden_element(tag).map_or(0, |name| element_length(rest, &name));
        hides |= length > 0;
        length
    });
    hides.then_some(view)
}

/// The same where one such element stands within another, which then counts as shown: a page sets letters of no size around
/// what has a size of its own. `None` where none stands so.
#[must_use]
pub fn shown_within(text: &[u8]) -> Option<View> {
    let mut nests = false;
    let view = between_tags(text, |tag, rest| {
        let length = hidden_element(tag).map_or(0, |name| element_length(rest, &name));
        let is_outer = has_hidden_element(rest.get(..length).unwrap_or_default());
        nests |= is_outer;
        if is_outer { 0 } else { length }
    });
    nests.then_some(view)
}

fn has_hidden_element(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(tag) = memchr::memchr(b'<', rest).and_then(|at| rest.get(at..)) {
        let (tag, behind) = tag.split_at_checked(tag_length(tag).max(1)).unwrap_or((tag, &[]));
        if hidden_element(tag).is_some() {
            return true;
        }
        rest = behind;
    }
    false
}

/// The text between tags, without as much behind each tag as `skipped` says of it and of what follows.
fn between_tags(text: &[u8], mut skipped: impl FnMut(&[u8], &[u8]) -> usize) -> View {
    let mut view = View::with_capacity(text.len());
    let mut at = 0;
    while let Some(i) = memchr::memchr(b'<', text.get(at..).unwrap_or_default()) {
        let open = at + i;
        let rest = text.get(open..).unwrap_or_default();
        let length = tag_length(rest);
        let until = if length == 0 { open + 1 } else { open };
        view.push_copied(text.get(at..until).unwrap_or_default(), at);
        at = open + length.max(1);
        at += skipped(rest.get(..length).unwrap_or_default(), text.get(at..).unwrap_or_default());
    }
    view.push_copied(text.get(at..).unwrap_or_default(), at);
    view
}

/// Longest tag whose style is read, in octets.
const MAX_TAG: usize = 1000;
/// Farthest end of a hidden element that is looked for, in octets.
const MAX_HIDDEN: usize = 4000;

/// The name of the element, lower case, if the tag opens one whose text is not shown.
fn hidden_element(tag: &[u8]) -> Option<Vec<u8>> {
    let tag = tag.get(..tag.len().min(MAX_TAG))?.strip_prefix(b"<")?;
    let length = tag.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(tag.len());
    let (name, rest) = tag.split_at_checked(length).filter(|(name, _)| !name.is_empty())?;
    let is = |other: &&[u8]| name.eq_ignore_ascii_case(other);
    let never = [b"style".as_slice(), b"script", b"template", b"title", b"noscript"].iter().any(is);
    // Most tags have neither a style nor anything that could be the word.
    if !(never || is(&b"hidden".as_slice()) || rest.iter().any(|b| matches!(b, b':' | b'h' | b'H'))) {
        return None;
    }
    let tag = tag.to_ascii_lowercase();
    let squeezed: Vec<u8> = tag.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let words = tag.split(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>'));
    let hidden = is_hiding(&squeezed)
        || words
            .map(|word| word.split(|b| *b == b'=').next().unwrap_or_default())
            .any(|name| name == b"hidden");
    (never || hidden).then(|| name.to_ascii_lowercase())
}

/// Declarations that hide what they are for, and sizes that do where they are nought.
const HIDING: [&[u8]; 4] = [b"display:none", b"visibility:hidden", b"visibility:collapse", b"mso-hide:all"];
const SIZES: [&[u8]; 6] =
    [b"font-size:0", b"opacity:0", b"height:0", b"max-height:0", b"width:0", b"max-width:0"];

/// Whether a style, in lower case and without blanks, hides what it is for.
fn is_hiding(style: &[u8]) -> bool {
    let is_nought = |at: usize| {
        // `line-height:0` hides nothing, nor does `0.5em`.
        let own = !at
            .checked_sub(1)
            .and_then(|i| style.get(i))
            .is_some_and(|b| *b == b'-' || b.is_ascii_alphanumeric());
        let rest = style.get(at..).unwrap_or_default();
        let value = rest.get(memchr::memchr(b':', rest).map_or(0, |i| i + 1)..).unwrap_or_default();
        let digits = value.iter().take_while(|b| b.is_ascii_digit() || **b == b'.');
        own && digits.into_iter().all(|b| matches!(b, b'0' | b'.'))
    };
    HIDING.iter().any(|own| memchr::memmem::find(style, own).is_some())
        || SIZES.iter().any(|own| memchr::memmem::find_iter(style, own).any(is_nought))
}

/// Length up to where the end tag of `name` begins; 0 where it is not near.
fn element_length(text: &[u8], name: &[u8]) -> usize {
    let near = text.get(..text.len().min(MAX_HIDDEN)).unwrap_or_default();
    let mut ends = memchr::memmem::find_iter(near, b"</");
    let found = ends
        .find(|at| near.get(at + 2..at + 2 + name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)));
    found.unwrap_or(0)
}

/// Length of the tag or comment that `rest` begins with; 0 when it begins with none.
fn tag_length(rest: &[u8]) -> usize {
    if rest.starts_with(b"<!--") {
        return memchr::memmem::find(rest, b"-->").map_or(rest.len(), |i| i + 3);
    }
    if !matches!(rest.get(1), Some(b'/' | b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z')) {
        return 0;
    }
    let mut quote = None;
    let mut last = b'<';
    for (i, b) in rest.iter().enumerate().skip(1) {
        match (quote, b) {
            (None, b'>') => return i + 1,
            // A quote opens only where a value does, so that an apostrophe in a broken tag swallows nothing.
            (None, b'"' | b'\'') if last == b'=' => quote = Some(*b),
            (Some(open), b) if open == *b => quote = None,
            _ => {}
        }
        if !b.is_ascii_whitespace() {
            last = *b;
        }
    }
    // Never closed: programs show nothing of it.
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_comments_and_what_is_hidden_can_be_taken_out() {
        assert_eq!(without_tags(b"a<b x='>'>b</b><!-- > -->c < d <i").bytes(), b"abc < d ");
        assert_eq!(without_tags(b"a<b x = '>'>b</b>").bytes(), b"ab");
        assert_eq!(
            shown(b"a<STYLE>x</style>b<i style='display: none'>y</i>c<b>d</b><p hidden>z</p>")
                .map(View::into_bytes),
            Some(b"abcd".to_vec())
        );
        assert_eq!(shown(b"a<b class='x'>b</b><a href='mailto:c'>c</a>"), None);
        let within = |text: &[u8]| shown_within(text).map(View::into_bytes);
        assert_eq!(within(b"<p style='font-size:0'>a<b hidden>b</b>c</p>"), Some(b"ac".to_vec()));
        assert_eq!(within(b"<p style='font-size:0'>a<b>b</b>c</p>"), None);
    }
}
