//! RTF as tokens: groups, control words, control symbols, octets, text.
//!
//! Rules: Rich Text Format 1.9.1, "RTF Syntax". A control word is letters with an optional number, and takes one
//! blank behind it; line ends in the file mean nothing; the octets behind `\bin` are skipped.
//! When it fails: never; what is no token is passed over.

use crate::mime::transfer::hex;

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    Open,
    Close,
    /// A control word without its backslash, and its number.
    Word(&'a [u8], Option<i32>),
    /// A control symbol: the octet behind the backslash.
    Symbol(u8),
    /// `\'xx`.
    Octet(u8),
    Text(&'a [u8]),
}

/// The tokens of a file.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub fn new(rtf: &'a [u8]) -> Self {
        Self { rest: rtf }
    }

    fn skip(&mut self, octets: usize) {
        self.rest = self.rest.get(octets..).unwrap_or_default();
    }

    fn control(&mut self) -> Option<Token<'a>> {
        let first = *self.rest.first()?;
        if first == b'\'' {
            let digits = self.rest.get(1..3).unwrap_or_default();
            let [high, low] = [digits.first(), digits.get(1)].map(|d| d.and_then(|d| hex(*d)));
            // What is no number is text.
            self.skip(if high.is_some() && low.is_some() { 3 } else { 1 });
            return Some(high.zip(low).map_or(Token::Text(&[]), |(high, low)| Token::Octet(high << 4 | low)));
        }
        if !first.is_ascii_alphabetic() {
            self.skip(1);
            return Some(Token::Symbol(first));
        }
        let length = self.rest.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (name, behind) = self.rest.split_at_checked(length)?;
        self.rest = behind;
        let sign = usize::from(behind.first() == Some(&b'-'));
        let digits = behind.iter().skip(sign).take_while(|b| b.is_ascii_digit()).count();
        let mut number = None;
        if digits > 0 {
            let text = behind.get(..sign + digits)?;
            number = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
            self.skip(sign + digits);
        }
        if self.rest.first() == Some(&b' ') {
            self.skip(1);
        }
        if name == b"bin" {
            self.skip(number.and_then(|n: i32| usize::try_from(n).ok()).unwrap_or(0));
        }
        Some(Token::Word(name, number))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&first, behind) = loop {
            match self.rest.split_first()? {
                (b'\r' | b'\n' | 0, behind) => self.rest = behind,
                found => break found,
            }
        };
        match first {
            b'{' => self.rest = behind,
            b'}' => self.rest = behind,
            b'\\' => {
                self.rest = behind;
                return self.control();
            }
            _ => {
                let is_end = |b: &u8| matches!(b, b'{' | b'}' | b'\\' | b'\r' | b'\n' | 0);
                let length = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
                let (text, behind) = self.rest.split_at_checked(length)?;
                self.rest = behind;
                return Some(Token::Text(text));
            }
        }
        Some(if first == b'{' { Token::Open } else { Token::Close })
    }
}
