//! A text squeezed to what could be read as an address: for the gate alone, apart from the rewriter's spelling.
//!
//! Rules: one character stands for all that look like it; blanks, quotes, backslashes, what has no width, soft breaks
//! and the marks of quoting are out, and so on request are tags or comments. Where something was taken out a word
//! may begin or end. Escapes are decoded before ([`super::escapes`]).
//! When it fails: never.

/// What else is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// Nothing.
    Kept,
    /// What stands between `<` and `>`.
    Out,
    /// What stands between `(` and `)`.
    CommentsOut,
}

/// What dots, hyphens, underscores and pluses do between letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joints {
    /// They join: `rob.bob@` is another address than `bob@`.
    Join,
    /// They part, as in file names.
    Part,
}

/// A squeezed text, in UTF-8.
pub struct Squeezed {
    bytes: Vec<u8>,
    /// Places before which something was taken out, in order.
    gaps: Vec<usize>,
}

impl Squeezed {
    /// Squeezes `text`.
    pub fn new(text: &str, tags: Tags) -> Self {
        let (open, close) = match tags {
            Tags::Kept => (0, 0),
            Tags::Out => (b'<', b'>'),
            Tags::CommentsOut => (b'(', b')'),
        };
        let mut out = Self { bytes: Vec::with_capacity(text.len()), gaps: vec![0] };
        let bytes = text.as_bytes();
        let (mut at, mut inside, mut line_start, mut spelled) = (0, 0usize, false, false);
        while let Some(&b) = bytes.get(at) {
            let next = bytes.get(at + 1).copied().unwrap_or(0);
            let begins = b == open && tags != Tags::Kept;
            if begins && tags == Tags::CommentsOut {
                inside += 1;
            } else if begins && inside == 0 && (next.is_ascii_alphabetic() || b"/!?".contains(&next)) {
                inside = 1;
            } else if inside > 0 && b == close {
                inside -= 1;
                out.gap();
                at += 1;
                continue;
            }
            if b >= 0x80 {
                let c = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
                at += c.len_utf8();
                line_start &= c.is_whitespace();
                if inside > 0 || c.is_whitespace() {
                    out.gap();
                } else if !is_invisible(c) {
                    let mut room = [0; 4];
                    for lower in plain(c).to_lowercase() {
                        out.bytes.extend_from_slice(lower.encode_utf8(&mut room).as_bytes());
                        spelled |= lower.is_ascii_punctuation();
                    }
                }
                continue;
            }
            at += 1;
            let mark = line_start && matches!(b, b'>' | b'|');
            line_start = b == b'\n' || (line_start && (b.is_ascii_whitespace() || mark));
            let soft = b == b'=' && next == b'\r';
            if inside > 0 || soft || mark || b.is_ascii_whitespace() || matches!(b, b'"' | b'\\') {
                out.gap();
            } else if !b.is_ascii_control() {
                out.bytes.push(b.to_ascii_lowercase());
                spelled |= matches!(b, b'(' | b'[' | b'{' | b'<');
            }
        }
        if spelled { out.with_signs() } else { out }
    }

    fn gap(&mut self) {
        if self.gaps.last() != Some(&self.bytes.len()) {
            self.gaps.push(self.bytes.len());
        }
    }

    fn is_gap(&self, at: usize) -> bool {
        self.gaps.binary_search(&at).is_ok()
    }

    /// `(at)`, `[at]`, `(dot)` and the like as the sign.
    fn with_signs(self) -> Self {
        let mut out =
            Self { bytes: Vec::with_capacity(self.bytes.len()), gaps: Vec::with_capacity(self.gaps.len()) };
        let mut gaps = self.gaps.iter().peekable();
        let mut at = 0;
        while let Some(&b) = self.bytes.get(at) {
            while gaps.next_if(|gap| **gap <= at).is_some() {
                out.gap();
            }
            match spelled_sign(self.bytes.get(at..).unwrap_or_default()) {
                Some((sign, length)) => {
                    out.gap();
                    out.bytes.push(sign);
                    out.gap();
                    at += length;
                }
                None => {
                    out.bytes.push(b);
                    at += 1;
                }
            }
        }
        out
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Where the at signs stand.
    pub fn at_signs(&self) -> impl Iterator<Item = usize> + '_ {
        memchr::memchr_iter(b'@', &self.bytes)
    }

    /// Whether `word` begins at `from`.
    pub fn starts_with(&self, from: usize, word: &[u8]) -> bool {
        !word.is_empty() && self.bytes.get(from..from + word.len()) == Some(word)
    }

    /// Whether `word` ends before `end`.
    pub fn ends_with(&self, end: usize, word: &[u8]) -> bool {
        !word.is_empty()
            && end.checked_sub(word.len()).and_then(|start| self.bytes.get(start..end)) == Some(word)
    }

    /// Whether the character at `at` goes on with the word before it.
    pub fn continues_word(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) && !self.is_gap(at)
    }

    /// Whether a local part can begin at `at`: no letter or digit reaches it from the left, be it over joints.
    pub fn begins_word(&self, at: usize, joints: Joints) -> bool {
        let mut i = at;
        while !self.is_gap(i) {
            let Some(before) = i.checked_sub(1) else { return true };
            match self.bytes.get(before) {
                Some(b'.' | b'_' | b'-' | b'+') if joints == Joints::Join => i = before,
                Some(b) => return !b.is_ascii_alphanumeric(),
                None => return true,
            }
        }
        true
    }

    /// Where the plus sign of `local+tag` stands that ends before `end`.
    pub fn tag_start(&self, end: usize) -> Option<usize> {
        let run = self.bytes.get(end.saturating_sub(80)..end)?;
        let length =
            run.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b"+.-_=".contains(b)).count();
        memchr::memchr(b'+', run.get(run.len() - length..)?).map(|plus| end - length + plus)
    }
}

/// The sign that `text` spells at its beginning, and how long that is.
fn spelled_sign(text: &[u8]) -> Option<(u8, usize)> {
    let close = match text.first()? {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        _ => return None,
    };
    let words: [(&[u8], u8); 4] = [(b"at", b'@'), (b"@", b'@'), (b"dot", b'.'), (b".", b'.')];
    let (word, sign) = words.iter().find(|(word, _)| text.get(1..=word.len()) == Some(word))?;
    (text.get(word.len() + 1) == Some(&close)).then_some((*sign, word.len() + 2))
}

/// The text of markup as a browser shows it: comments and tags become a blank, quotes in tags are understood.
pub fn shown(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(open) = rest.find('<') {
        let (text, from) = rest.split_at(open);
        out.push_str(text);
        let end = if from.starts_with("<!--") {
            from.find("-->").map(|i| i + 3)
        } else if let Some(data) = from.strip_prefix("<![CDATA[") {
            // In XML its content is shown.
            let length = data.find("]]>");
            out.push_str(data.get(..length.unwrap_or(data.len())).unwrap_or_default());
            length.map(|length| length + 12)
        } else if from
            .get(1..)
            .is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)))
        {
            tag_end(from)
        } else {
            out.push('<');
            Some(1)
        };
        let length = end.unwrap_or(from.len());
        out.push_str(if length > 1 { " " } else { "" });
        rest = from.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Where the tag ends that `text` begins with.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = '\0';
    let mut last = ' ';
    for (i, c) in text.char_indices() {
        if quote != '\0' {
            if c == quote {
                quote = '\0';
            }
        } else if c == '>' {
            return Some(i + 1);
        } else if last == '=' && (c == '"' || c == '\'') {
            quote = c;
        }
        last = if c.is_ascii_whitespace() { last } else { c };
    }
    None
}

/// The plain character that looks like `c`.
fn plain(c: char) -> char {
    let code = u32::from(c);
    let ascii = match code {
        0xff01..=0xff5e => code - 0xfee0,
        0xfe6b => 0x40,
        0xfe52 | 0x3002 | 0xff61 | 0x2024 => 0x2e,
        0x2010..=0x2015 | 0x2212 | 0xfe63 => 0x2d,
        0x24b6..=0x24cf => code - 0x24b6 + 0x61,
        0x24d0..=0x24e9 => code - 0x24d0 + 0x61,
        0x1d400..=0x1d6a3 => (code - 0x1d400) % 26 + 0x61,
        0x1d7ce..=0x1d7ff => (code - 0x1d7ce) % 10 + 0x30,
        _ => return c,
    };
    char::from_u32(ascii).unwrap_or(c)
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
            | 0xfff9..=0xfffd | 0xe0000..=0xe0fff)
}

/// Whether there is anything in the text that could stand for an at sign.
pub fn may_hold_at(text: &str) -> bool {
    let bytes = text.as_bytes();
    if memchr::memchr(b'@', bytes).is_some() {
        return true;
    }
    let spelled = |i: usize| {
        let rest = bytes.get(i + 1..(i + 12).min(bytes.len())).unwrap_or_default();
        let mut letters = rest.iter().filter(|b| !b.is_ascii_whitespace()).map(u8::to_ascii_lowercase);
        matches!((letters.next(), letters.next()), (Some(b'a'), Some(b't')))
            || memchr::memmem::find(rest, "＠".as_bytes()).is_some()
    };
    // Full-width letters can spell it too.
    memchr::memmem::find(bytes, "＠".as_bytes()).is_some()
        || memchr::memmem::find(bytes, "﹫".as_bytes()).is_some()
        || memchr::memmem::find(bytes, "ａ".as_bytes()).is_some()
        || memchr::memchr3_iter(b'(', b'[', b'{', bytes).any(spelled)
        || memchr::memchr_iter(b'<', bytes).any(spelled)
}
