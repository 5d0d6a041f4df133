//! Encoded words (RFC 2047) in a text, where people quote headers.
//!
//! Rules: each stretch of them is changed like a header value. In quoted lines it keeps the marks that stand before them.
//! When it fails: never; what it misses the gate refuses.

use super::{Edits, Sought};
use crate::anonymize::field;
use crate::mime::transfer::Edit;
use std::ops::Range;

/// Longest stretch that is looked at as one value with encoded words, in octets.
const MAX_WORDS: usize = 8 * 1024;

/// Adds the edits of encoded words in a text.
pub(super) fn edits(bytes: &[u8], sought: &Sought<'_>, all: &mut Edits) {
    let mut from = 0;
    while let Some(i) = memchr::memmem::find(bytes.get(from..).unwrap_or_default(), b"=?") {
        let start = from + i;
        let (end, seams) = words_end(bytes, start);
        from = end.max(start + 2);
        let Some(value) = bytes.get(start..end).filter(|value| value.len() > 8) else { continue };
        let mut bare = value.to_vec();
        for seam in &seams {
            let marks = bare.get_mut(seam.start - start..seam.end - start).unwrap_or_default();
            marks.iter_mut().filter(|b| is_mark(**b)).for_each(|b| *b = b' ');
        }
        if let Ok(Some(new)) = field::words_scrubbed(&bare, sought.search) {
            let marked = seams
                .iter()
                .filter_map(|seam| bytes.get(seam.clone()))
                .find(|s| s.iter().any(|b| is_mark(*b)));
            let with = marked.map_or_else(|| new.clone(), |seam| refolded(&new, seam));
            all.insert(Edit { range: start..end, with });
        }
    }
}

/// A mark of quoting.
fn is_mark(b: u8) -> bool {
    matches!(b, b'>' | b'|')
}

/// A folded value with `seam` at each of its folds.
fn refolded(value: &[u8], seam: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + seam.len());
    let mut rest = value;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        out.extend_from_slice(rest.get(..at).unwrap_or_default().trim_ascii_end());
        out.extend_from_slice(seam);
        rest = rest.get(at..).unwrap_or_default().trim_ascii_start();
    }
    out.extend_from_slice(rest);
    out
}

/// Where the stretch of words ends that begins at `start`, with what stands between them: only blanks, line ends and marks of
/// quoting.
fn words_end(bytes: &[u8], start: usize) -> (usize, Vec<Range<usize>>) {
    let limit = (start + MAX_WORDS).min(bytes.len());
    let (mut end, mut at, mut seams) = (start, start, Vec::new());
    while let Some(rest) = bytes.get(at..limit).filter(|rest| rest.starts_with(b"=?")) {
        let mut marks = memchr::memchr_iter(b'?', rest);
        let Some(close) = marks.nth(3) else { break };
        if rest.get(close + 1) != Some(&b'=') || rest.get(..close).unwrap_or_default().contains(&b'\n') {
            break;
        }
        if end > start {
            seams.push(end..at);
        }
        end = at + close + 2;
        let mut is_line = false;
        let blanks = bytes.get(end..limit).unwrap_or_default().iter().take_while(|b| {
            is_line |= **b == b'\n';
            b.is_ascii_whitespace() || is_line && is_mark(**b)
        });
        at = end + blanks.count();
    }
    (end, seams)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_words_goes_on_over_marks_of_quoting_and_keeps_them() {
        let text = b"> To: =?utf-8?Q?a?=\r\n>  =?utf-8?Q?b?= =?utf-8?Q?c?=\r\n> text";
        let (end, seams) = words_end(text, 6);
        assert_eq!(&text[6..end], b"=?utf-8?Q?a?=\r\n>  =?utf-8?Q?b?= =?utf-8?Q?c?=");
        assert_eq!(
            seams.iter().map(|seam| &text[seam.clone()]).collect::<Vec<_>>(),
            [b"\r\n>  ".as_slice(), b" "]
        );
        assert_eq!(refolded(b"a \r\n b", b"\r\n>  "), b"a\r\n>  b");
    }
}
