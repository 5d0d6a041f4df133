//! From the codes of a font to characters: ToUnicode CMaps (ISO 32000-1 §9.10.3), encodings with differences (§9.6.6),
//! and what fonts without either usually mean.
//!
//! Rules: a table that cannot write an at sign is not kept, since it cannot write an address.
//! When it fails: beyond the bounds, what is left is not kept, and the collector says so.

use super::lexer::Token;
use super::shown::SIGNS;

/// Most tables of one document.
const MAX_TABLES: usize = 64;
/// Most ranges of all tables.
const MAX_RANGES: usize = 128 * 1024;
/// Most characters that one code stands for.
const MAX_TEXT: usize = 16;

/// Codes that follow one another and stand for characters that do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    first: u32,
    last: u32,
    /// Of the first code.
    to: char,
    /// What follows `to`, of a code that stands for several characters: a place in [`Table::texts`].
    more: Option<u16>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Octets of a code.
    width: usize,
    stretches: Vec<Stretch>,
    texts: Vec<String>,
    /// Whether codes that it does not name stand for themselves.
    latin: bool,
}

impl Table {
    fn new(width: usize, latin: bool) -> Self {
        Self { width, stretches: Vec::new(), texts: Vec::new(), latin }
    }

    fn add(&mut self, first: u32, last: u32, text: &str) {
        let mut chars = text.chars();
        let Some(to) = chars.next() else { return };
        let more: String = chars.take(MAX_TEXT).collect();
        let more = if more.is_empty() {
            None
        } else {
            self.texts.push(more);
            u16::try_from(self.texts.len() - 1).ok()
        };
        self.stretches.push(Stretch { first, last, to, more });
    }

    fn find(&self, code: u32) -> Option<(char, &str)> {
        let behind = self.stretches.partition_point(|stretch| stretch.first <= code);
        let stretch = behind.checked_sub(1).and_then(|at| self.stretches.get(at));
        let Some(stretch) = stretch.filter(|stretch| code <= stretch.last) else {
            return self.latin.then(|| char::from_u32(code)).flatten().map(|c| (c, ""));
        };
        let c = char::from_u32(u32::from(stretch.to).saturating_add(code - stretch.first))?;
        let more = stretch.more.and_then(|at| self.texts.get(usize::from(at)));
        Some((c, more.map_or("", String::as_str)))
    }

    /// Decodes a string.
    pub fn decode(&self, string: &[u8], out: &mut String) {
        for code in string.chunks(self.width.max(1)) {
            let code = code.iter().fold(0, |code: u32, b| code << 8 | u32::from(*b));
            match self.find(code) {
                Some((c, more)) => {
                    out.push(c);
                    out.push_str(more);
                }
                None => out.push('\u{fffd}'),
            }
        }
    }

    fn writes(&self, wanted: char) -> bool {
        let code = u32::from(wanted);
        let in_stretch = |s: &Stretch| {
            let to = u32::from(s.to);
            (to..=to.saturating_add(s.last - s.first)).contains(&code)
        };
        self.stretches.iter().any(in_stretch) || self.texts.iter().any(|text| text.contains(wanted))
    }

    fn writes_addresses(&self) -> bool {
        SIGNS.iter().any(|c| self.writes(*c))
    }
}

/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Nothing,
    Widths,
    Chars,
    Ranges,
    /// In an array of differences, at this code.
    Differences(u32),
}

/// All tables of a document, as its tokens come.
pub struct Tables {
    pub tables: Vec<Table>,
    current: Table,
    differences: Table,
    mode: Mode,
    codes: Vec<u32>,
    in_array: bool,
    awaits_differences: bool,
    ranges_left: usize,
    pub is_full: bool,
}

impl Tables {
    pub fn new() -> Self {
        Self {
            tables: usual(),
            current: Table::new(0, false),
            differences: Table::new(1, true),
            mode: Mode::Nothing,
            codes: Vec::new(),
            in_array: false,
            awaits_differences: false,
            ranges_left: MAX_RANGES,
            is_full: false,
        }
    }

    pub fn take(&mut self, token: Token<'_>) {
        match (self.mode, token) {
            (_, Token::Word(word)) => self.word(word),
            (Mode::Nothing, Token::Name(name)) => self.awaits_differences = name == b"Differences",
            (Mode::Nothing, Token::Open) if self.awaits_differences => self.mode = Mode::Differences(0),
            (Mode::Differences(_), Token::Number(n)) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                let code = n.clamp(0.0, 255.0) as u32;
                self.mode = Mode::Differences(code);
            }
            (Mode::Differences(code), Token::Name(name)) => {
                if let Some(c) = glyph(name).filter(|_| self.room()) {
                    self.differences.add(code, code, c.encode_utf8(&mut [0; 4]));
                }
                self.mode = Mode::Differences(code.saturating_add(1));
            }
            (Mode::Differences(_), Token::Close) => {
                let table = std::mem::replace(&mut self.differences, Table::new(1, true));
                if table.stretches.iter().any(|s| s.to.is_ascii() && u32::from(s.to) != s.first) {
                    self.keep(table);
                }
                self.mode = Mode::Nothing;
                self.awaits_differences = false;
            }
            (Mode::Widths, Token::String(code)) => self.current.width = code.len().clamp(1, 4),
            (Mode::Chars | Mode::Ranges, Token::String(string)) => self.string(string),
            (Mode::Ranges, Token::Open) => self.in_array = true,
            (Mode::Ranges, Token::Close) => {
                self.in_array = false;
                self.codes.clear();
            }
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8]) {
        self.mode = match word {
            b"begincodespacerange" => Mode::Widths,
            b"beginbfchar" => Mode::Chars,
            b"beginbfrange" => Mode::Ranges,
            _ => Mode::Nothing,
        };
        self.awaits_differences = false;
        self.in_array = false;
        self.codes.clear();
    }

    fn room(&mut self) -> bool {
        self.is_full |= self.ranges_left == 0;
        self.ranges_left = self.ranges_left.saturating_sub(1);
        !self.is_full
    }

    /// A code or what it stands for.
    fn string(&mut self, string: &[u8]) {
        let needed = if self.mode == Mode::Chars { 1 } else { 2 };
        if self.codes.len() < needed {
            if self.current.width == 0 {
                self.current.width = string.len().clamp(1, 4);
            }
            self.codes.push(string.iter().take(4).fold(0, |code: u32, b| code << 8 | u32::from(*b)));
            return;
        }
        if !self.room() {
            return;
        }
        let (text, _) = match string {
            [octet] => (char::from(*octet).to_string().into(), false),
            _ => encoding_rs::UTF_16BE.decode_without_bom_handling(string),
        };
        let [first, last] = [self.codes.first(), self.codes.last()].map(|code| code.copied().unwrap_or(0));
        if self.in_array {
            self.current.add(first, first, &text);
            self.codes = vec![first.saturating_add(1), last];
        } else {
            self.current.add(first, last.max(first), &text);
            self.codes.clear();
        }
    }

    /// Ends a stream: what it said is a table of its own.
    pub fn end(&mut self) {
        let table = std::mem::replace(&mut self.current, Table::new(0, false));
        self.word(b"");
        if !table.stretches.is_empty() {
            self.keep(table);
        }
    }

    fn keep(&mut self, mut table: Table) {
        table.stretches.sort_by_key(|stretch| stretch.first);
        if !table.writes_addresses() || self.tables.contains(&table) {
            self.ranges_left = self.ranges_left.saturating_add(table.stretches.len());
        } else if self.tables.len() < MAX_TABLES {
            self.tables.push(table);
        } else {
            self.is_full = true;
        }
    }
}

/// What codes of two octets mean in fonts that say nothing: the half-width and proportional letters of Adobe's Japanese,
/// Chinese and Korean collections, and the order of glyphs in most TrueType fonts.
fn usual() -> Vec<Table> {
    let mut adobe = Table::new(2, false);
    adobe.add(1, 95, " ");
    adobe.add(231, 325, " ");
    let mut truetype = Table::new(2, false);
    truetype.add(3, 97, " ");
    vec![adobe, truetype]
}

/// The character of a glyph by its name (Adobe Glyph List), as far as addresses need it.
fn glyph(name: &[u8]) -> Option<char> {
    let name = std::str::from_utf8(name).ok()?;
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return Some(c);
    }
    let name = name.split('.').next().unwrap_or_default();
    let digits = name.strip_prefix("uni").or_else(|| name.strip_prefix('u'));
    if let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits.get(..4)?, 16).ok()) {
        return char::from_u32(code);
    }
    Some(match name {
        "zero" => '0',
        "one" => '1',
        "two" => '2',
        "three" => '3',
        "four" => '4',
        "five" => '5',
        "six" => '6',
        "seven" => '7',
        "eight" => '8',
        "nine" => '9',
        "at" => '@',
        "period" => '.',
        "hyphen" | "minus" | "sfthyphen" => '-',
        "underscore" => '_',
        "plus" => '+',
        "space" => ' ',
        "parenleft" => '(',
        "parenright" => ')',
        "bracketleft" => '[',
        "bracketright" => ']',
        "less" => '<',
        "greater" => '>',
        "colon" => ':',
        "comma" => ',',
        "semicolon" => ';',
        "slash" => '/',
        "quotedbl" => '"',
        "quotesingle" => '\'',
        "equal" => '=',
        "percent" => '%',
        "numbersign" => '#',
        "dollar" => '$',
        "ampersand" => '&',
        "asterisk" => '*',
        "exclam" => '!',
        "question" => '?',
        "asciicircum" => '^',
        "asciitilde" => '~',
        "grave" => '`',
        "bar" => '|',
        "braceleft" => '{',
        "braceright" => '}',
        _ => return None,
    })
}
