//! The strings of PDF objects: titles, authors, comments, form fields, links (ISO 32000-1 §7.9.2).
//!
//! Rules: each string is a line. With a byte order mark it is decoded; without one its octets are given. One that
//! begins like markup (rich text) is also read as markup.
//! When it fails: never.

use super::lexer::Token;
use crate::document::search::{OctetWindow, Search, TextWindow};
use crate::document::xml::{Markup, is_markup};
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};

#[derive(Default)]
pub struct Strings {
    octets: OctetWindow,
    texts: TextWindow,
}

impl Strings {
    pub fn take(&mut self, token: Token<'_>, search: &mut Search<'_>) {
        let Token::String(string) = token else { return };
        let charset = match string {
            [0xfe, 0xff, ..] => Some(UTF_16BE),
            [0xff, 0xfe, ..] => Some(UTF_16LE),
            [0xef, 0xbb, 0xbf, ..] => Some(UTF_8),
            _ => None,
        };
        match charset {
            Some(charset) => {
                self.texts.push_str(&charset.decode_with_bom_removal(string).0, search);
                self.texts.push('\n', search);
            }
            None => {
                self.octets.push(string, search);
                self.octets.push(b"\n", search);
            }
        }
        if is_markup(string) {
            let mut markup = Markup::new(string);
            markup.push(string, search);
            markup.finish(search);
        }
    }

    pub fn finish(&mut self, search: &mut Search<'_>) {
        self.octets.finish(search);
        self.texts.finish(search);
    }
}
