//! Files within texts: uuencoded blocks read and written.
//!
//! Rules: POSIX.1-2017, `uuencode` (`begin` with mode and name, lines with their length in front, `end`;
//! `begin-base64` to `====`). A line may have lost the blanks at its end, and may have a checksum behind it, as mail
//! programs read them. A block without its end is one as far as its lines are right.
//! When it fails: never; what is no block is text.

use super::{base64, slice};
use std::ops::Range;

/// How many times larger than its lines a file may be.
const MAX_RATIO: usize = 4;
/// Octets on a full line.
const LINE: usize = 45;

/// A file within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// From `begin` to the end of the line with `end`.
    pub range: Range<usize>,
    /// Where the text has the file's name.
    pub name: Range<usize>,
    /// The file.
    pub octets: Vec<u8>,
}

/// The files within a text, in order.
#[must_use]
pub fn blocks(text: &[u8]) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut at = 0;
    while let Some(i) = memchr::memmem::find(text.get(at..).unwrap_or_default(), b"begin") {
        let start = at + i;
        at = start + 5;
        let is_line = start == 0 || matches!(text.get(start - 1), Some(b'\n' | b'\r'));
        if is_line && let Some(block) = block_at(text, start) {
            at = block.range.end;
            found.push(block);
        }
    }
    found
}

/// A file as a block, with CRLF line ends.
#[must_use]
pub fn encode(octets: &[u8], name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() / 3 * 4 + octets.len() / 15 + name.len() + 32);
    out.extend_from_slice(b"begin 644 ");
    out.extend(name.iter().filter(|b| !matches!(b, b'\r' | b'\n')));
    out.extend_from_slice(b"\r\n");
    for line in octets.chunks(LINE) {
        out.push(character(u8::try_from(line.len()).unwrap_or(0)));
        for group in line.chunks(3) {
            let [a, b, c] = [0, 1, 2].map(|i| group.get(i).copied().unwrap_or(0));
            out.extend([a >> 2, a << 4 | b >> 4, b << 2 | c >> 6, c].map(|v| character(v & 63)));
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"`\r\nend\r\n");
    out
}

/// The character of six bits. A blank could be lost: zero has the one that stands for it.
fn character(value: u8) -> u8 {
    if value == 0 { b'`' } else { value + 32 }
}

fn block_at(text: &[u8], start: usize) -> Option<Block> {
    let (line, mut at) = line_at(text, start);
    let words = slice(text, line.clone()).strip_prefix(b"begin")?;
    let is_base64 = words.starts_with(b"-base64 ");
    let words = words.strip_prefix(if is_base64 { b"-base64 ".as_slice() } else { b" " })?.trim_ascii_start();
    let digits = words.iter().take_while(|b| matches!(b, b'0'..=b'7')).count();
    let name = words.get(digits..)?.strip_prefix(b" ")?.trim_ascii_start();
    if !(3..=6).contains(&digits) || name.is_empty() {
        return None;
    }
    let name = line.end - name.len()..line.end - name.len() + name.trim_ascii_end().len();
    let mut octets = Vec::new();
    // How far the block goes without its end: no further than lines that lack nothing.
    let (mut certain, mut is_certain) = (None, true);
    while at < text.len() {
        let (line, next) = line_at(text, at);
        let content = slice(text, line);
        let is_end = if is_base64 { content.starts_with(b"====") } else { content.trim_ascii() == b"end" };
        if is_end {
            return Some(Block { range: start..next, name, octets });
        }
        match if is_base64 { base64_line(content, &mut octets) } else { uu_line(content, &mut octets) } {
            Fit::Whole => {}
            Fit::Short => is_certain = false,
            Fit::None => break,
        }
        // Lost blanks are zeros: a text of one character a line would grow without measure.
        if octets.len() > MAX_RATIO * (next - start) {
            break;
        }
        if is_certain {
            certain = Some((next, octets.len()));
        }
        at = next;
    }
    let (end, length) = certain?;
    octets.truncate(length);
    (!octets.is_empty()).then_some(Block { range: start..end, name, octets })
}

/// What a line is to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    /// Blanks at its end may be lost, or octets damaged.
    Short,
    None,
}

/// The line at `at` without its end, and where the next one begins.
fn line_at(text: &[u8], at: usize) -> (Range<usize>, usize) {
    let end = memchr::memchr(b'\n', text.get(at..).unwrap_or_default()).map(|i| at + i);
    let line = at..end.unwrap_or(text.len());
    let has_cr = slice(text, line.clone()).ends_with(b"\r");
    (line.start..line.end - usize::from(has_cr), end.map_or(text.len(), |end| end + 1))
}

/// Appends what a line holds, if it is one.
fn uu_line(line: &[u8], out: &mut Vec<u8>) -> Fit {
    let Some((&first, characters)) = line.split_first() else { return Fit::Whole };
    let foreign = line.iter().filter(|b| !(32..=96).contains(*b)).count();
    let length = usize::from(first.wrapping_sub(32) & 63);
    let needed = length.div_ceil(3) * 4;
    // A checksum may stand at the end. A few damaged octets are read like any other, as programs read them, in a line
    // that else is one.
    let is_damaged = foreign > 0;
    let is_line = foreign * 8 <= line.len() && (32..=96).contains(&first) && characters.len() >= needed;
    if (is_damaged && !is_line) || characters.len() > needed + 4 {
        return Fit::None;
    }
    let value = |i: usize| characters.get(i).map_or(0, |b| (b.wrapping_sub(32)) & 63);
    let from = out.len();
    for group in 0..length.div_ceil(3) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| value(group * 4 + i));
        out.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    out.truncate(from + length);
    if characters.len() < needed || is_damaged { Fit::Short } else { Fit::Whole }
}

fn base64_line(line: &[u8], out: &mut Vec<u8>) -> Fit {
    let (octets, is_clean) = base64::decode(line);
    if !is_clean {
        return Fit::None;
    }
    out.extend_from_slice(&octets);
    Fit::Whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(&str, &str, Vec<u8>)> {
        let name = |block: &Block| &text[block.name.clone()];
        blocks(text.as_bytes()).into_iter().map(|b| (&text[b.range.clone()], name(&b), b.octets)).collect()
    }

    #[test]
    fn blocks_are_found_with_their_names_whatever_their_lines_lost() {
        for block in [
            "begin 644 a b.txt\r\n#0V%T\r\n`\r\nend\r\n",
            "begin 0755 a b.txt\n#0V%T\n \nend\n",
            "begin 644  a b.txt  \r\n#0V%T$\r\nend",
            "begin-base64 600 a b.txt\r\nQ2F0\r\n====\r\n",
        ] {
            let text = format!("Hello\r\n{block}");
            assert_eq!(found(&text), [(block, "a b.txt", b"Cat".to_vec())]);
        }
        let zeros = "begin 644 a\r\n#    \r\n#\r\nend\r\n";
        assert_eq!(found(zeros), [(zeros, "a", vec![0; 6])]);
    }

    #[test]
    fn a_damaged_octet_hides_nothing_of_its_line() {
        let mut text = encode(b"the end of the day", b"a.txt");
        let middle = memchr::memchr(b'\n', &text).unwrap() + 12;
        text[middle] = 0xff;
        let found = blocks(&text);
        assert_eq!(found.len(), 1);
        assert!(found[0].octets.starts_with(b"the en") && found[0].octets.ends_with(b" the day"));
    }

    #[test]
    fn a_block_without_its_end_is_one_as_far_as_its_lines_are_right() {
        let text = "begin 644 a.txt\r\n#0V%T\r\n#0V%T\r\nThat was all.\r\n";
        let block = "begin 644 a.txt\r\n#0V%T\r\n#0V%T\r\n";
        assert_eq!(found(text), [(block, "a.txt", b"CatCat".to_vec())]);
    }

    #[test]
    fn a_text_that_begins_something_else_is_none() {
        for text in [
            "begin 644\r\n#0V%T\r\nend\r\n",
            "begin the day\r\n#0V%T\r\nend\r\n",
            "to begin 644 a\r\n#0V%T\r\nend\r\n",
            "begin 644 paragraphs later\r\nThe text goes on.\r\n",
            "begin 644 A\r\nTHE NEWS\r\nof the day\r\n",
            "begin-base64 644 a\r\nno base64!\r\n====\r\n",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(octets in proptest::collection::vec(any::<u8>(), 0..300), before in "[a-z\r\n]{0,20}") {
            let text = [before.as_bytes(), b"\n", &encode(&octets, b"a\r\n.bin"), b"behind"].concat();
            let found = blocks(&text);
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].octets, &octets);
            prop_assert_eq!(slice(&text, found[0].name.clone()), b"a.bin");
            prop_assert_eq!(text.get(found[0].range.end..), Some(&b"behind"[..]));
            // Programs that write a blank for zero, and transports that lose it at the end of a line.
            let blanks: Vec<u8> = text.iter().map(|b| if *b == b'`' { b' ' } else { *b }).collect();
            prop_assert_eq!(&blocks(&blanks)[0].octets, &octets);
        }

        #[test]
        fn arbitrary_lines_do_no_harm(lines in "(begin 644 a\n|begin-base64 644 a\n|#0V%T\n|end\n|====\n|[ -`]{0,9}\n|.{0,9}){0,30}") {
            let mut at = 0;
            for block in blocks(lines.as_bytes()) {
                prop_assert!(block.range.start >= at && block.range.end <= lines.len());
                prop_assert!(block.octets.len() <= MAX_RATIO * lines.len());
                at = block.range.end;
            }
        }
    }
}
