//! The tokens of PDF (ISO 32000-1 §7.2, §7.3): of objects, object streams, page contents and CMaps alike.
//!
//! Rules: octets come piece by piece; a string longer than a limit comes in pieces; what stands in an inline image is
//! no token. Nothing has to be well-formed.
//! When it fails: never.

/// Longest string that comes in one piece, in octets.
const MAX_STRING: usize = 32 * 1024;
/// Longest other token that is kept, in octets.
const MAX_WORD: usize = 256;
/// Deepest parentheses that are counted.
const MAX_PARENS: u32 = 1 << 20;

/// A token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'t> {
    /// Literal or hexadecimal, decoded.
    String(&'t [u8]),
    /// Without its slash, decoded.
    Name(&'t [u8]),
    Number(f64),
    /// An operator or keyword.
    Word(&'t [u8]),
    /// `[`
    Open,
    /// `]`
    Close,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Blank,
    Comment,
    Word,
    Name,
    /// In parentheses, this deep.
    Literal(u32),
    /// Behind a backslash in parentheses.
    Escape(u32),
    /// Behind digits of an octal escape: depth, value, how many.
    Octal(u32, u16, u8),
    /// Behind `<`.
    Angle,
    /// Between `<` and `>`; the first digit of a pair.
    Hex(Option<u8>),
    /// Behind ID: binary.
    Image([u8; 3]),
}

/// The machine.
pub struct Lexer {
    state: State,
    token: Vec<u8>,
    /// Whether an inline image can come: in the contents of a page.
    images: bool,
    after_cr: bool,
}

impl Lexer {
    pub fn new(images: bool) -> Self {
        Self { state: State::Blank, token: Vec::new(), images, after_cr: false }
    }

    pub fn push(&mut self, octets: &[u8], each: &mut dyn FnMut(Token<'_>)) {
        let mut rest = octets;
        while let Some((b, behind)) = rest.split_first() {
            if matches!(self.state, State::Literal(_)) && !self.after_cr {
                // Most of a literal string is itself.
                let room = MAX_STRING.saturating_sub(self.token.len());
                let plain = rest.iter().take(room).take_while(|b| !matches!(b, b'(' | b')' | b'\\')).count();
                if let Some((text, behind)) = rest.split_at_checked(plain).filter(|_| plain > 0) {
                    self.token.extend_from_slice(text);
                    self.limit(each);
                    rest = behind;
                    continue;
                }
            }
            self.take(*b, each);
            rest = behind;
        }
    }

    pub fn finish(&mut self, each: &mut dyn FnMut(Token<'_>)) {
        match self.state {
            State::Word | State::Name => self.take(b' ', each),
            State::Literal(_) | State::Escape(_) | State::Octal(..) | State::Hex(_) => self.string(each),
            _ => {}
        }
        self.state = State::Blank;
        self.token.clear();
    }

    fn string(&mut self, each: &mut dyn FnMut(Token<'_>)) {
        each(Token::String(&self.token));
        self.token.clear();
    }

    fn take(&mut self, b: u8, each: &mut dyn FnMut(Token<'_>)) {
        match self.state {
            State::Blank => self.begin(b, each),
            State::Comment => {
                if matches!(b, b'\r' | b'\n') {
                    self.state = State::Blank;
                }
            }
            State::Word | State::Name if is_regular(b) => {
                if self.token.len() < MAX_WORD {
                    self.token.push(b);
                }
            }
            State::Word => {
                let is_image = self.images && self.token == b"ID";
                word(&self.token, each);
                self.token.clear();
                self.begin(b, each);
                if is_image {
                    self.state = State::Image([0; 3]);
                }
            }
            State::Name => {
                each(Token::Name(&unescaped_name(&self.token)));
                self.token.clear();
                self.begin(b, each);
            }
            State::Literal(depth) => self.literal(b, depth, each),
            State::Escape(depth) => self.escape(b, depth),
            State::Octal(depth, value, count) => match b {
                b'0'..=b'7' if count < 3 => {
                    self.state = State::Octal(depth, value * 8 + u16::from(b - b'0'), count + 1);
                }
                _ => {
                    // High-order overflow is ignored (§7.3.4.2).
                    self.token.push(u8::try_from(value & 0xff).unwrap_or(0));
                    self.state = State::Literal(depth);
                    self.literal(b, depth, each);
                }
            },
            State::Angle => {
                if b == b'<' {
                    self.state = State::Blank;
                } else {
                    self.state = State::Hex(None);
                    self.take(b, each);
                }
            }
            State::Hex(first) => match (char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()), first)
            {
                (Some(digit), Some(first)) => {
                    self.token.push(first << 4 | digit);
                    self.state = State::Hex(None);
                    self.limit(each);
                }
                (Some(digit), None) => self.state = State::Hex(Some(digit)),
                (None, first) if b == b'>' => {
                    self.token.extend(first.map(|first| first << 4));
                    self.string(each);
                    self.state = State::Blank;
                }
                _ => {}
            },
            State::Image(last) => {
                let [_, second, third] = last;
                let ends =
                    last.first().is_some_and(|b| is_blank(*b)) && [second, third] == *b"EI" && !is_regular(b);
                self.state = if ends { State::Blank } else { State::Image([second, third, b]) };
            }
        }
    }

    fn begin(&mut self, b: u8, each: &mut dyn FnMut(Token<'_>)) {
        self.state = match b {
            b'(' => State::Literal(1),
            b'<' => State::Angle,
            b'/' => State::Name,
            b'%' => State::Comment,
            b'[' => {
                each(Token::Open);
                State::Blank
            }
            b']' => {
                each(Token::Close);
                State::Blank
            }
            b if is_regular(b) => {
                self.token.push(b);
                State::Word
            }
            _ => State::Blank,
        };
    }

    fn literal(&mut self, b: u8, depth: u32, each: &mut dyn FnMut(Token<'_>)) {
        let after_cr = std::mem::take(&mut self.after_cr);
        match b {
            b')' if depth == 1 => {
                self.string(each);
                self.state = State::Blank;
                return;
            }
            b'\\' => {
                self.state = State::Escape(depth);
                return;
            }
            b'(' => self.state = State::Literal((depth + 1).min(MAX_PARENS)),
            b')' => self.state = State::Literal(depth - 1),
            // A line end behind a backslash is none, be it one octet or two.
            b'\n' if after_cr => return,
            _ => {}
        }
        self.token.push(b);
        self.limit(each);
    }

    fn escape(&mut self, b: u8, depth: u32) {
        self.state = State::Literal(depth);
        match b {
            b'n' => self.token.push(b'\n'),
            b'r' => self.token.push(b'\r'),
            b't' => self.token.push(b'\t'),
            b'b' => self.token.push(8),
            b'f' => self.token.push(12),
            b'0'..=b'7' => self.state = State::Octal(depth, u16::from(b - b'0'), 1),
            b'\r' => self.after_cr = true,
            b'\n' => {}
            b => self.token.push(b),
        }
    }

    fn limit(&mut self, each: &mut dyn FnMut(Token<'_>)) {
        if self.token.len() >= MAX_STRING {
            self.string(each);
        }
    }
}

fn is_blank(b: u8) -> bool {
    matches!(b, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

fn is_regular(b: u8) -> bool {
    !is_blank(b) && !matches!(b, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

fn word(token: &[u8], each: &mut dyn FnMut(Token<'_>)) {
    let starts_number = token.first().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
    let number =
        if starts_number { std::str::from_utf8(token).ok().and_then(|t| t.parse().ok()) } else { None };
    each(number.map_or(Token::Word(token), Token::Number));
}

/// A name with its `#` escapes decoded (§7.3.5).
fn unescaped_name(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((b, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<2>().filter(|_| *b == b'#');
        let octet = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(octet.unwrap_or(*b));
        rest = if octet.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    out
}
