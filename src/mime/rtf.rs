//! RTF read as the HTML or the text that it was made from, else as plain text.
//!
//! Rules: MS-OXRTFEX §2.1.3 (HTML within RTF: `\*\htmltag` groups are markup, `\htmlrtf` marks what only RTF readers
//! see) and §2.1.4 (text within RTF); Rich Text Format 1.9.1 for the rest: octets are in the code page of the
//! current font, those of markup in that of the document; `\uN` stands for itself and `\ucN` octets behind it.
//! Groups that hold no text (fonts, colours, pictures, the names of authors) give nothing.
//! When it fails: never; what is no RTF reads as the text that it is.

mod token;

use crate::mime::codepage;
use std::collections::BTreeMap;
use token::{Token, Tokens};

/// Deepest nesting of groups that keep their own state; those below share that of the last.
const MAX_GROUPS: usize = 1000;
/// Most fonts that are told apart.
const MAX_FONTS: usize = 4096;
/// Longest target of a link that is written behind its text.
const MAX_LINK: usize = 2000;

/// What an RTF is when it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Html(String),
    Text(String),
}

/// Reads a whole RTF. The text is at most four times as long.
#[must_use]
pub fn read(rtf: &[u8]) -> Content {
    let mut reader = Reader::new(rtf.len());
    for token in Tokens::new(rtf) {
        reader.token(token);
    }
    reader.flush();
    match reader.form {
        Form::Html => Content::Html(declare_utf8(&reader.out)),
        Form::Text => Content::Text(reader.out),
    }
}

/// HTML whose `meta` names the charset that it has now, where it named another one.
#[must_use]
pub fn declare_utf8(html: &str) -> String {
    let mut end = html.len().min(4096);
    while !html.is_char_boundary(end) {
        end -= 1;
    }
    let head = html.get(..end).unwrap_or_default().to_ascii_lowercase();
    let label = head.match_indices("<meta").find_map(|(at, _)| {
        let tag = head.get(at..)?.split('>').next()?;
        let value = at + tag.find("charset=")? + "charset=".len();
        let quote = usize::from(head.get(value..)?.starts_with(['"', '\'']));
        let length =
            head.get(value + quote..)?.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.:".contains(c))?;
        Some(value + quote..value + quote + length)
    });
    match label {
        Some(label) => {
            let (before, behind) = (html.get(..label.start), html.get(label.end..));
            [before.unwrap_or_default(), "utf-8", behind.unwrap_or_default()].concat()
        }
        None => html.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Html,
}

/// What the text of a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Body,
    /// HTML markup.
    Markup,
    Fonts,
    /// The instruction of a field, in which a link has its target.
    Instruction,
    /// The text of a field, and where in the output it began.
    Result(usize),
    Nothing,
}

/// What a group inherits, and gives back at its end.
#[derive(Debug, Clone, Copy)]
struct Group {
    destination: Destination,
    /// `\htmlrtf`: only for readers of RTF.
    only_rtf: bool,
    hidden: bool,
    /// How many octets stand in for a `\uN`.
    fallback: usize,
    font: i32,
}

struct Reader {
    form: Form,
    groups: Vec<Group>,
    /// Groups that are open below the last of `groups`.
    deeper: usize,
    group: Group,
    page: u32,
    default_font: i32,
    fonts: BTreeMap<i32, u32>,
    /// `\*` stood before: a group that is not known is to be skipped.
    is_starred: bool,
    /// Octets that still stand in for the last `\uN`.
    skip: usize,
    /// The first half of a character beyond the first plane.
    surrogate: Option<u16>,
    /// Octets of one code page, to be read together.
    pending: Vec<u8>,
    pending_page: u32,
    instruction: String,
    link: Option<String>,
    out: String,
}

impl Reader {
    fn new(length: usize) -> Self {
        let group =
            Group { destination: Destination::Body, only_rtf: false, hidden: false, fallback: 1, font: 0 };
        Self {
            form: Form::Text,
            groups: Vec::new(),
            deeper: 0,
            group,
            page: 1252,
            default_font: 0,
            fonts: BTreeMap::new(),
            is_starred: false,
            skip: 0,
            surrogate: None,
            pending: Vec::new(),
            pending_page: 1252,
            instruction: String::new(),
            link: None,
            out: String::with_capacity(length / 4),
        }
    }

    fn token(&mut self, token: Token<'_>) {
        let is_word = matches!(token, Token::Word(..));
        match token {
            Token::Open => self.open(),
            Token::Close => self.close(),
            Token::Symbol(b'*') => self.is_starred = true,
            Token::Word(name, number) => {
                self.skip = 0;
                self.word(name, number);
            }
            Token::Symbol(symbol) if self.skip == 0 => self.symbol(symbol),
            Token::Octet(octet) if self.skip == 0 => self.octets(&[octet]),
            Token::Symbol(_) | Token::Octet(_) => self.skip -= 1,
            Token::Text(text) => {
                let skipped = self.skip.min(text.len());
                self.skip -= skipped;
                self.octets(text.get(skipped..).unwrap_or_default());
            }
        }
        if is_word {
            self.is_starred = false;
        }
    }

    fn open(&mut self) {
        self.flush();
        self.skip = 0;
        if self.groups.len() < MAX_GROUPS {
            self.groups.push(self.group);
        } else {
            self.deeper += 1;
        }
    }

    fn close(&mut self) {
        self.flush();
        self.skip = 0;
        self.is_starred = false;
        if let Some(deeper) = self.deeper.checked_sub(1) {
            self.deeper = deeper;
            return;
        }
        let closed = self.group;
        let Some(outer) = self.groups.pop() else { return };
        self.group = outer;
        if outer.destination == closed.destination {
            return;
        }
        match closed.destination {
            Destination::Instruction => {
                self.link = link(&self.instruction);
                self.instruction.clear();
            }
            Destination::Result(start) => self.write_link(start),
            _ => {}
        }
    }

    /// Writes the target of a link behind its text, unless the text says it.
    fn write_link(&mut self, start: usize) {
        let Some(link) = self.link.take() else { return };
        let text = self.out.get(start..).unwrap_or_default();
        let bare = link.trim_start_matches("mailto:").trim_end_matches('/');
        if self.form == Form::Text && (text.len() > MAX_LINK || !text.contains(bare)) {
            self.out.push_str(" <");
            self.out.push_str(&link);
            self.out.push('>');
        }
    }

    fn symbol(&mut self, symbol: u8) {
        let html = self.form == Form::Html;
        match symbol {
            b'\\' | b'{' | b'}' => self.octets(&[symbol]),
            b'\r' | b'\n' => self.write("\r\n"),
            b'~' => self.write(if html { "&nbsp;" } else { "\u{a0}" }),
            b'_' => self.write(if html { "&shy;" } else { "-" }),
            b'-' if html => self.write("&shy;"),
            _ => {}
        }
    }

    fn word(&mut self, name: &[u8], number: Option<i32>) {
        let is_on = number != Some(0);
        match name {
            b"fromhtml" if is_on && self.out.is_empty() => self.form = Form::Html,
            b"ansicpg" => self.page = number.and_then(|n| u32::try_from(n).ok()).unwrap_or(self.page),
            b"mac" => self.page = 10000,
            b"deff" => {
                self.default_font = number.unwrap_or(0);
                self.group.font = self.default_font;
            }
            b"plain" => {
                self.group.font = self.default_font;
                self.group.hidden = false;
            }
            b"f" => self.group.font = number.unwrap_or(0),
            b"fcharset" => self.font(number.and_then(page_of_font_charset)),
            b"cpg" => self.font(number.and_then(|n| u32::try_from(n).ok())),
            b"uc" => self.group.fallback = usize::try_from(number.unwrap_or(1)).unwrap_or(0).min(16),
            b"u" => self.unicode(number.unwrap_or(0)),
            b"v" => self.group.hidden = is_on,
            b"htmlrtf" => {
                self.flush();
                self.group.only_rtf = is_on;
            }
            b"htmltag" => self.enter(Destination::Markup),
            b"fonttbl" => self.enter(Destination::Fonts),
            b"fldinst" => self.enter(Destination::Instruction),
            b"fldrslt" => {
                self.flush();
                self.enter(Destination::Result(self.out.len()));
            }
            b"pntext" if self.form == Form::Html => self.enter(Destination::Nothing),
            _ if self.is_starred || WITHOUT_TEXT.contains(&name) => self.enter(Destination::Nothing),
            _ => {
                if let Some((_, text, html)) = CHARACTERS.iter().find(|(word, ..)| word.as_bytes() == name) {
                    self.write(if self.form == Form::Html { html } else { text });
                }
            }
        }
    }

    /// Makes the rest of the group go elsewhere. What is within nothing stays there.
    fn enter(&mut self, destination: Destination) {
        self.flush();
        if self.group.destination != Destination::Nothing {
            self.group.destination = destination;
        }
    }

    fn font(&mut self, page: Option<u32>) {
        if self.group.destination == Destination::Fonts
            && self.fonts.len() < MAX_FONTS
            && let Some(page) = page
        {
            self.fonts.insert(self.group.font, page);
        }
    }

    fn unicode(&mut self, number: i32) {
        self.skip = self.group.fallback;
        // Numbers above 32767 are written as negative ones, or as they are.
        let Ok(unit) = u16::try_from(number & 0xffff) else { return };
        let first = self.surrogate.take();
        match char::decode_utf16(first.into_iter().chain([unit])).last() {
            Some(Ok(c)) => self.write(c.encode_utf8(&mut [0; 4])),
            _ if (0xd800..0xdc00).contains(&unit) => self.surrogate = Some(unit),
            _ => self.write("\u{fffd}"),
        }
    }

    /// The octets of a text, in the code page that is current.
    fn octets(&mut self, octets: &[u8]) {
        let page = match self.group.destination {
            Destination::Markup => self.page,
            _ => self.fonts.get(&self.group.font).copied().unwrap_or(self.page),
        };
        if page != self.pending_page {
            self.flush();
            self.pending_page = page;
        }
        if self.is_shown() {
            self.pending.extend_from_slice(octets);
        }
    }

    fn is_shown(&self) -> bool {
        let is_hidden = self.group.hidden && self.form == Form::Text;
        let is_only_rtf = self.group.only_rtf && self.form == Form::Html;
        let has_text = match self.group.destination {
            Destination::Body | Destination::Result(_) | Destination::Instruction => true,
            Destination::Markup => self.form == Form::Html,
            Destination::Fonts | Destination::Nothing => false,
        };
        has_text && !is_hidden && !is_only_rtf
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let text = codepage::charset(self.pending_page).decode(&pending).0;
            self.put(&text);
        }
    }

    /// A text that is no octets.
    fn write(&mut self, text: &str) {
        self.flush();
        if self.is_shown() {
            self.put(text);
        }
    }

    fn put(&mut self, text: &str) {
        match self.group.destination {
            Destination::Instruction if self.instruction.len() < MAX_LINK => self.instruction.push_str(text),
            Destination::Instruction => {}
            _ => self.out.push_str(text),
        }
    }
}

/// Control words that stand for a character: in a text, and in HTML.
const CHARACTERS: [(&str, &str, &str); 17] = [
    ("par", "\r\n", "\r\n"),
    ("line", "\r\n", "\r\n"),
    ("sect", "\r\n", "\r\n"),
    ("page", "\r\n", "\r\n"),
    ("row", "\r\n", "\r\n"),
    ("tab", "\t", "\t"),
    ("cell", "\t", "\t"),
    ("nestcell", "\t", "\t"),
    ("lquote", "\u{2018}", "&lsquo;"),
    ("rquote", "\u{2019}", "&rsquo;"),
    ("ldblquote", "\u{201c}", "&ldquo;"),
    ("rdblquote", "\u{201d}", "&rdquo;"),
    ("bullet", "\u{2022}", "&bull;"),
    ("endash", "\u{2013}", "&ndash;"),
    ("emdash", "\u{2014}", "&mdash;"),
    ("enspace", "\u{2002}", "&ensp;"),
    ("emspace", "\u{2003}", "&emsp;"),
];

/// Groups without `\*` whose text no reader shows within the body.
const WITHOUT_TEXT: [&[u8]; 25] = [
    b"colortbl",
    b"stylesheet",
    b"info",
    b"pict",
    b"nonshppict",
    b"header",
    b"headerl",
    b"headerr",
    b"headerf",
    b"footer",
    b"footerl",
    b"footerr",
    b"footerf",
    b"ftnsep",
    b"ftnsepc",
    b"ftncn",
    b"filetbl",
    b"listtable",
    b"listoverridetable",
    b"revtbl",
    b"objdata",
    b"tc",
    b"xe",
    b"private",
    b"mmathPr",
];

/// The code page of a font's character set; `None` where it is that of the document.
fn page_of_font_charset(charset: i32) -> Option<u32> {
    Some(match charset {
        0 => 1252,
        77 => 10000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}

/// The target in the instruction of a field.
fn link(instruction: &str) -> Option<String> {
    let target = instruction.trim_start().strip_prefix("HYPERLINK")?.trim_start();
    let target = match target.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => target.split_whitespace().next().filter(|t| !t.starts_with('\\'))?,
    };
    (target.len() < MAX_LINK && !target.is_empty()).then(|| target.to_owned())
}

#[cfg(test)]
mod tests;
