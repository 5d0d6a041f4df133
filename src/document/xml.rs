//! Markup as texts: XML of any document, XMP, HTML.
//!
//! Rules: three texts come out of one: what is shown, with a line end where a paragraph or a cell ends; the same with
//! nothing between its pieces, for a word that is split over runs and lines; the values of attributes, with comments
//! and instructions. Character references are decoded. Nothing has to be well-formed.
//! When it fails: never.

use super::search::{Search, TextWindow};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Octets that are decoded at once.
const STEP: usize = 8 * 1024;
/// Longest name of a tag that is kept, in octets.
const MAX_NAME: usize = 32;
/// Longest character reference, in octets.
const MAX_REFERENCE: usize = 16;

/// Elements that end a word, by their names without a prefix: of HTML, of Office documents, of OpenDocument.
const BLOCKS: [&str; 39] = [
    "p",
    "br",
    "tab",
    "cr",
    "tr",
    "td",
    "th",
    "tc",
    "row",
    "c",
    "si",
    "li",
    "div",
    "h",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "table",
    "title",
    "head",
    "body",
    "option",
    "line-break",
    "s",
    "list-item",
    "table-cell",
    "table-row",
    "comment",
    "author",
    "creator",
];

/// Whether the octets begin like markup.
pub fn is_markup(octets: &[u8]) -> bool {
    let head = octets.get(..64).unwrap_or(octets);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut letters = head.iter().filter(|b| !b.is_ascii_whitespace());
    match letters.next() {
        Some(b'<') => letters.next().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'!' | b'?' | 0)),
        Some(0) => head.starts_with(b"\0<"),
        Some(0xff) => head.starts_with(b"\xff\xfe<\0"),
        Some(0xfe) => head.starts_with(b"\xfe\xff\0<"),
        _ => false,
    }
}

/// Where the machine is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// Behind `<`, before it is known what it begins.
    Opening,
    /// In a tag, outside of a value.
    Tag,
    /// In a value, until this quote.
    Value(char),
    /// In a comment, instruction or declaration, until these characters.
    Until(&'static str),
    /// In character data that is shown (XML §2.7).
    Data,
}

/// Whether a text stays or is marked as taken out (ECMA-376 part 1, §17.3.3.7).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Kept,
    TakenOut,
    /// What was taken out ends with the tag that is being read.
    Ended,
}

/// Markup that comes piece by piece.
pub struct Markup {
    decoder: Decoder,
    decoded: String,
    state: State,
    /// The beginning of a tag's name, the last characters in [`State::Until`], what may be the end in [`State::Data`].
    word: String,
    in_name: bool,
    reference: Option<String>,
    lines: TextWindow,
    joined: TextWindow,
    /// The same without what a reviewer took out, from the first such text on.
    kept: Option<TextWindow>,
    part: Part,
    values: TextWindow,
    /// White space that is only layout unless a letter follows.
    blanks: String,
    has_letters: bool,
}

impl Markup {
    /// For octets that begin with `head`.
    pub fn new(head: &[u8]) -> Self {
        Self {
            decoder: encoding(head).new_decoder(),
            decoded: String::with_capacity(STEP * 3),
            state: State::Text,
            word: String::new(),
            in_name: false,
            reference: None,
            lines: TextWindow::default(),
            joined: TextWindow::default(),
            kept: None,
            part: Part::Kept,
            values: TextWindow::default(),
            blanks: String::new(),
            has_letters: false,
        }
    }

    pub fn push(&mut self, octets: &[u8], search: &mut Search<'_>) {
        for piece in octets.chunks(STEP) {
            self.decode(piece, false, search);
        }
    }

    fn decode(&mut self, piece: &[u8], last: bool, search: &mut Search<'_>) {
        let mut read = 0;
        let mut decoded = std::mem::take(&mut self.decoded);
        loop {
            decoded.clear();
            let rest = piece.get(read..).unwrap_or_default();
            let (result, used, _) = self.decoder.decode_to_string(rest, &mut decoded, last);
            read += used;
            self.take_all(&decoded, search);
            if result == CoderResult::InputEmpty || search.is_over() {
                break;
            }
        }
        self.decoded = decoded;
    }

    pub fn finish(&mut self, search: &mut Search<'_>) {
        self.decode(&[], true, search);
        self.end_reference(search);
        for window in [&mut self.lines, &mut self.joined, &mut self.values].into_iter().chain(&mut self.kept)
        {
            window.finish(search);
        }
    }

    /// Takes stretches of text and values at once, the rest character by character.
    fn take_all(&mut self, text: &str, search: &mut Search<'_>) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let plain = match self.state {
                _ if self.reference.is_some() => 0,
                State::Text => memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len()),
                State::Value('"') => memchr::memchr2(b'"', b'&', rest.as_bytes()).unwrap_or(rest.len()),
                State::Value(_) => memchr::memchr2(b'\'', b'&', rest.as_bytes()).unwrap_or(rest.len()),
                State::Tag if !self.in_name => {
                    memchr::memchr3(b'>', b'"', b'\'', rest.as_bytes()).unwrap_or(rest.len())
                }
                _ => 0,
            };
            let (stretch, behind) = rest.split_at_checked(plain).unwrap_or((rest, ""));
            rest = behind;
            match self.state {
                _ if plain == 0 => {
                    self.take(c, search);
                    rest = behind.get(c.len_utf8()..).unwrap_or_default();
                }
                State::Value(_) | State::Tag => self.values.push_str(stretch, search),
                _ => self.show_all(stretch, search),
            }
        }
    }

    fn show_all(&mut self, text: &str, search: &mut Search<'_>) {
        let blank = if self.has_letters { 0 } else { text.len() - text.trim_start().len() };
        let (blanks, letters) = text.split_at_checked(blank).unwrap_or(("", text));
        blanks.chars().for_each(|c| self.show(c, search));
        if let Some(first) = letters.chars().next() {
            self.show(first, search);
            let letters = letters.get(first.len_utf8()..).unwrap_or_default();
            self.lines.push_str(letters, search);
            self.joined.push_str(letters, search);
            self.keep(letters, search);
        }
    }

    fn keep(&mut self, text: &str, search: &mut Search<'_>) {
        if let Some(kept) = self.kept.as_mut().filter(|_| self.part != Part::TakenOut) {
            kept.push_str(text, search);
        }
    }

    fn take(&mut self, c: char, search: &mut Search<'_>) {
        match self.state {
            State::Text | State::Value(_) if self.reference.is_some() => self.referring(c, search),
            State::Text if c == '<' => {
                self.word.clear();
                self.state = State::Opening;
            }
            State::Text | State::Value(_) if c == '&' => self.reference = Some(String::new()),
            State::Text => self.show(c, search),
            State::Opening => self.opening(c, search),
            State::Tag => self.tag(c, search),
            State::Value(quote) if c == quote => {
                self.values.push('\n', search);
                self.state = State::Tag;
            }
            State::Value(_) => self.values.push(c, search),
            State::Until(end) => {
                self.values.push(c, search);
                let ended = self.ends(c, end);
                match self.word.as_str() {
                    // A comment ends later than a declaration.
                    "--" if end == ">" => self.state = State::Until("-->"),
                    "[CDATA[" if end == ">" => {
                        self.word.clear();
                        self.state = State::Data;
                    }
                    _ if ended => {
                        self.values.push('\n', search);
                        self.state = State::Text;
                    }
                    _ => {}
                }
            }
            State::Data => self.data(c, search),
        }
    }

    /// Whether the characters up to `c` are `end`.
    fn ends(&mut self, c: char, end: &str) -> bool {
        if self.word.len() > MAX_NAME {
            let from = self.word.ceil_char_boundary(self.word.len() - 4);
            self.word.drain(..from);
        }
        self.word.push(c);
        self.word.ends_with(end)
    }

    /// Character data, of which only its end is no text.
    fn data(&mut self, c: char, search: &mut Search<'_>) {
        match c {
            ']' if self.word.len() < 2 => self.word.push(c),
            '>' if self.word.len() == 2 => self.state = State::Text,
            ']' => self.show(c, search),
            c => {
                for _ in 0..std::mem::take(&mut self.word).len() {
                    self.show(']', search);
                }
                self.show(c, search);
            }
        }
    }

    fn show(&mut self, c: char, search: &mut Search<'_>) {
        if c.is_whitespace() && !self.has_letters {
            if self.blanks.len() < MAX_NAME {
                self.blanks.push(c);
            }
            return;
        }
        if !self.has_letters {
            self.has_letters = true;
            let blanks = std::mem::take(&mut self.blanks);
            self.lines.push_str(&blanks, search);
            self.joined.push_str(&blanks, search);
            self.keep(&blanks, search);
        }
        self.lines.push(c, search);
        self.joined.push(c, search);
        self.keep(c.encode_utf8(&mut [0; 4]), search);
    }

    /// White space alone between two tags: layout, where there is a line end in it or words may not part.
    fn end_text(&mut self, search: &mut Search<'_>) {
        let blanks = std::mem::take(&mut self.blanks);
        if !self.has_letters && !blanks.contains('\n') {
            self.lines.push_str(&blanks, search);
        }
        self.has_letters = false;
    }

    fn opening(&mut self, c: char, search: &mut Search<'_>) {
        match c {
            '?' => self.until("?>"),
            '!' => self.until(">"),
            '/' if self.word.is_empty() => self.word.push('/'),
            c if c.is_alphabetic() || c == '_' => {
                if self.word == "/" {
                    self.part = Part::Ended;
                }
                self.word.clear();
                self.word.push(c);
                self.in_name = true;
                self.state = State::Tag;
                self.end_text(search);
            }
            c => {
                self.state = State::Text;
                self.show('<', search);
                self.take(c, search);
            }
        }
    }

    fn until(&mut self, end: &'static str) {
        self.word.clear();
        self.state = State::Until(end);
    }

    fn tag(&mut self, c: char, search: &mut Search<'_>) {
        match c {
            '>' => {
                self.state = State::Text;
                let name = self.word.rsplit([':', '/']).next().unwrap_or_default();
                if BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block)) {
                    self.lines.end_line(search);
                } else if name == "noBreakHyphen" {
                    self.show('-', search);
                } else if name == "delText" && self.part != Part::Ended {
                    self.kept = self.kept.take().or_else(|| Some(self.joined.clone()));
                    self.part = Part::TakenOut;
                }
                if self.part == Part::Ended {
                    self.part = Part::Kept;
                }
            }
            '"' | '\'' => self.state = State::Value(c),
            c if self.in_name && !c.is_whitespace() && c != '/' => {
                if self.word.len() < MAX_NAME {
                    self.word.push(c);
                }
            }
            c => {
                self.in_name = false;
                // Values without quotes, in HTML.
                self.values.push(c, search);
            }
        }
    }

    /// A character behind `&`.
    fn referring(&mut self, c: char, search: &mut Search<'_>) {
        let Some(reference) = &mut self.reference else { return };
        if c == ';' {
            self.end_reference(search);
        } else if (c.is_ascii_alphanumeric() || c == '#') && reference.len() < MAX_REFERENCE {
            reference.push(c);
        } else {
            self.end_reference(search);
            self.take(c, search);
        }
    }

    fn end_reference(&mut self, search: &mut Search<'_>) {
        let Some(reference) = self.reference.take() else { return };
        let text = referred(&reference);
        let raw = format!("&{reference}");
        let mut room = [0; 4];
        let text = text.map_or(raw.as_str(), |c| &*c.encode_utf8(&mut room));
        for c in text.chars() {
            if matches!(self.state, State::Value(_)) {
                self.values.push(c, search);
            } else {
                self.show(c, search);
            }
        }
    }
}

/// The character that a reference stands for (XML §4.1, HTML §13.5).
fn referred(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    Some(match reference {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "commat" => '@',
        "period" => '.',
        "lowbar" => '_',
        "hyphen" | "dash" => '-',
        "plus" => '+',
        "shy" => '\u{ad}',
        _ => return None,
    })
}

/// The charset of markup: by its byte order mark (the decoder looks for that), its first octets or its declaration
/// (XML, appendix F).
fn encoding(head: &[u8]) -> &'static Encoding {
    if head.starts_with(b"<\0") {
        return UTF_16LE;
    }
    if head.starts_with(b"\0<") {
        return UTF_16BE;
    }
    let head = head.get(..256).unwrap_or(head);
    let declared = memchr::memmem::find(head, b"encoding=").and_then(|at| head.get(at + 9..));
    let label = declared.and_then(|rest| rest.split(|b| matches!(b, b'"' | b'\'')).nth(1));
    let found = label.and_then(Encoding::for_label).unwrap_or(UTF_8);
    // A declaration that could be read is not in UTF-16.
    if found == UTF_16LE || found == UTF_16BE { UTF_8 } else { found }
}
