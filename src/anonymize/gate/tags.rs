//! Markup as it is shown, without its tags: for the gate alone.
//!
//! Rules: programs differ in where a tag ends, so there are four views. One ends every tag at the next `>`; another
//! knows quotes in tags, comments, and that the content of a CDATA section is shown; the third one knows that some
//! elements are not ([`hidden`]), the fourth one that more of them may not be.
//! When it fails: never; a tag without an end takes the rest of the text with it.

use super::hidden;
use memchr::{memchr, memmem};

/// How tags are told from text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Every tag ends at the next `>`.
    Plain,
    /// With quotes, comments and sections.
    Strict,
    /// The same without what is not shown.
    Shown,
    /// The same without what only some programs show.
    Least,
}

impl View {
    /// All.
    pub const EACH: [View; 4] = [View::Plain, View::Strict, View::Shown, View::Least];
}

/// Gives `each` what stands between the tags, piece by piece; between two pieces there was a tag.
pub fn outside(markup: &[u8], view: View, mut each: impl FnMut(&[u8])) {
    let mut rest = markup;
    // Looked for once where there is no further one, so that many openings cost no more than one.
    let mut unclosed = Unclosed::default();
    unclosed.elements.is_least = view == View::Least;
    while let Some(open) = memchr(b'<', rest) {
        let (text, from) = rest.split_at_checked(open).unwrap_or((rest, &[]));
        each(text);
        if !from.get(1).is_some_and(|b| b.is_ascii_alphabetic() || b"/!?".contains(b)) {
            each(b"<");
            rest = from.get(1..).unwrap_or_default();
            continue;
        }
        let length = match view {
            View::Plain => memchr(b'>', from).map(|i| i + 1),
            View::Strict | View::Shown | View::Least if from.starts_with(b"<![CDATA[") => {
                let data = from.get(9..).unwrap_or_default();
                let end = if unclosed.section { None } else { memmem::find(data, b"]]>") };
                unclosed.section = end.is_none();
                each(data.get(..end.unwrap_or(0)).unwrap_or_default());
                Some(end.map_or(9, |end| 9 + end + 3))
            }
            View::Strict | View::Shown | View::Least if from.starts_with(b"<!--") && !unclosed.comment => {
                let end = memmem::find(from, b"-->").map(|i| i + 3);
                unclosed.comment = end.is_none();
                end.or_else(|| end_of_tag(from, &mut unclosed))
            }
            View::Strict => end_of_tag(from, &mut unclosed),
            View::Shown | View::Least => end_of_tag(from, &mut unclosed)
                .map(|tag| hidden::end(from, tag, &mut unclosed.elements).unwrap_or(tag)),
        };
        rest = length.and_then(|length| from.get(length..)).unwrap_or_default();
    }
    each(rest);
}

/// What has no end in the rest of the markup.
#[derive(Default)]
struct Unclosed {
    section: bool,
    comment: bool,
    quote: bool,
    elements: hidden::Known,
}

fn end_of_tag(from: &[u8], unclosed: &mut Unclosed) -> Option<usize> {
    let plain = || memchr(b'>', from).map(|i| i + 1);
    if unclosed.quote {
        return plain();
    }
    end(from).or_else(|| {
        unclosed.quote = true;
        plain()
    })
}

/// Where the tag ends that `tag` begins with, by its quotes: the place behind the `>`.
pub fn end(tag: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut value = false;
    loop {
        let b = *tag.get(at)?;
        at += 1;
        match b {
            b'>' => return Some(at),
            b'"' | b'\'' if value => at += memchr(b, tag.get(at..)?)? + 1,
            _ => {}
        }
        value = b == b'=' || (value && b.is_ascii_whitespace());
    }
}
