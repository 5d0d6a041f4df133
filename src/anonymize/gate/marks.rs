//! Marks of quoting that programs and people choose themselves (`Hana> `, `: `, `》`), told by what neighbouring lines
//! begin with in common: for the gate alone.
//!
//! Rules: a mark is the longest beginning that a line shares with the line above, as far as its last character that is no
//! letter, digit, dot or at sign. The usual marks, which the folding leaves out, are none of these.
//! When it fails: never. What is no mark is taken out in one more view of the text alone.

/// Longest mark, in octets.
const MAX_MARK: usize = 40;
/// How far a line is followed back, in octets.
const MAX_BACK: usize = 1024;

/// The text without its marks; `None` where there are none.
pub fn without(text: &str) -> Option<String> {
    let lines = || text.split_inclusive('\n');
    let pairs = || std::iter::once("").chain(lines()).zip(lines());
    if !pairs().any(|(above, line)| length(above, line) > 0) {
        return None;
    }
    let bare = pairs().map(|(above, line)| line.get(length(above, line)..).unwrap_or(line));
    Some(bare.collect())
}

/// Length of the mark behind the line end at `at`.
pub fn behind(text: &[u8], at: usize) -> usize {
    let near = text.get(at.saturating_sub(MAX_BACK)..at).unwrap_or_default();
    let above = memchr::memrchr(b'\n', near).and_then(|end| near.get(end + 1..)).unwrap_or(near);
    let above = above.get(..above.len().min(MAX_MARK)).unwrap_or_default();
    let line = text.get(at + 1..(at + 1 + MAX_MARK).min(text.len())).unwrap_or_default();
    let line = memchr::memchr(b'\n', line).and_then(|end| line.get(..end)).unwrap_or(line);
    // They have nothing in common, as most lines.
    if above.first() != line.first() {
        return 0;
    }
    length(&String::from_utf8_lossy(above), &String::from_utf8_lossy(line))
}

fn length(above: &str, line: &str) -> usize {
    let mut end = 0;
    let mut unusual = false;
    for ((at, c), other) in line.char_indices().zip(above.chars()) {
        if c != other || at >= MAX_MARK || matches!(c, '\r' | '\n') {
            break;
        }
        unusual |= !(c.is_whitespace() || matches!(c, '>' | '|' | '＞' | '｜'));
        if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | '_' | '+')) {
            end = at + c.len_utf8();
        }
    }
    if unusual { end } else { 0 }
}
