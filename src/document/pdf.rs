//! PDF (ISO 32000-1): every object and every stream there is in the file, of every revision, used or not.
//!
//! Rules: the cross-reference table is not believed; what looks like a stream is one. The first walk looks at strings,
//! at what comes out of streams, and collects the tables of the fonts; the second one puts the text of the pages
//! together under all of them. Images are left: their octets are in the clear, or are picture points.
//! When it fails: `Encrypted`; `Damaged` where compressed data make no sense; a stream that only ends too early is read
//! as far as it goes, as every reader does.

mod cmap;
mod filters;
pub mod lexer;
mod lzw;
mod predictor;
mod shown;
mod streams;
mod strings;

use super::Why;
use super::content::Content;
use super::inflate::{State, Wrapper, inflate};
use super::search::Search;
use cmap::Tables;
use filters::Filter;
use lexer::{Lexer, Token};
use shown::Shown;
use streams::Stream;
pub use streams::Streams;
use strings::Strings;

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let mut file = File { tables: Tables::new(), strings: Strings::default() };
    // Of each stream whether it shows text.
    let mut shows = Vec::new();
    let mut streams = Streams::new(octets);
    let mut any = false;
    for stream in streams.by_ref() {
        if !search.stream() {
            return;
        }
        any = true;
        file.objects(stream.before, search);
        shows.push(file.stream(&stream, search));
    }
    file.objects(streams.rest(), search);
    file.strings.finish(search);
    if file.tables.is_full {
        search.is_opaque(Why::TooLarge);
    }
    if !any && memchr::memmem::find(octets, b"endobj").is_none() {
        search.is_opaque(Why::Damaged);
    }
    // The contents of a page may be several streams, cut anywhere between two operators.
    let mut shown = Shown::new(&file.tables.tables);
    for (stream, shows) in Streams::new(octets).zip(shows) {
        if shows && !search.is_over() {
            let mut lexer = Lexer::new(true);
            unfiltered(&stream, search, &mut |out, search| {
                lexer.push(out, &mut |token| shown.take(token, search));
            });
            lexer.finish(&mut |token| shown.take(token, search));
        }
    }
    shown.give(search);
}

/// What is collected over the whole file.
struct File {
    tables: Tables,
    strings: Strings,
}

impl File {
    /// What stands outside of streams: objects.
    fn objects(&mut self, octets: &[u8], search: &mut Search<'_>) {
        // A string that is not closed ends with its object.
        let mut rest = octets;
        while !rest.is_empty() && !search.is_over() {
            let end = memchr::memmem::find(rest, b"endobj").map_or(rest.len(), |at| at + b"endobj".len());
            let (object, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let mut lexer = Lexer::new(false);
            let mut each = |token: Token<'_>| {
                if token == Token::Name(b"Encrypt") {
                    search.is_opaque(Why::Encrypted);
                }
                self.tables.take(token);
                self.strings.take(token, search);
            };
            lexer.push(object, &mut each);
            lexer.finish(&mut each);
            rest = behind;
        }
        self.tables.end();
    }

    /// The first look at a stream. Says whether it shows text.
    fn stream(&mut self, stream: &Stream<'_>, search: &mut Search<'_>) -> bool {
        if stream.parameters.is_image && !stream.parameters.is_packed_image() {
            return false;
        }
        let mut shows = false;
        let mut content = Content::new("");
        let mut lexer = Lexer::new(true);
        let is_font = stream.parameters.is_font;
        let mut take = |token: Token<'_>, search: &mut Search<'_>| {
            shows |= matches!(token, Token::Word(b"Tj" | b"TJ" | b"'" | b"\""));
            self.tables.take(token);
            self.strings.take(token, search);
        };
        let state = unfiltered(stream, search, &mut |out, search| {
            content.push(out, search);
            if !is_font {
                lexer.push(out, &mut |token| take(token, search));
            }
        });
        content.finish(search);
        lexer.finish(&mut |token| take(token, search));
        self.tables.end();
        if state == State::Broken {
            search.is_opaque(Why::Damaged);
        }
        shows
    }
}

/// Gives what comes out of a stream.
pub fn unfiltered(
    stream: &Stream<'_>,
    search: &mut Search<'_>,
    each: &mut dyn FnMut(&[u8], &mut Search<'_>),
) -> State {
    let filters = &stream.parameters.filters;
    if filters.is_empty() && is_zlib(stream.octets) {
        // A filter that is named elsewhere, or not at all. Where it is wrong, what comes below is right.
        inflate(stream.octets, Wrapper::Zlib, search, each);
    }
    let Some(chain) = stream.parameters.chain() else {
        search.is_opaque(Why::TooLarge);
        return State::Open;
    };
    let mut any = false;
    let state = chain.run(stream.octets, search, &mut |out, search| {
        any |= !out.is_empty();
        each(out, search);
    });
    if state == State::Broken && !any && *filters == [Filter::Flate] {
        // A wrong zlib header, or none.
        let deflated = stream.octets.get(2..).unwrap_or_default();
        return inflate(deflated, Wrapper::None, search, each).0;
    }
    state
}

/// Whether the octets begin like deflated data (RFC 1950 §2.2).
fn is_zlib(octets: &[u8]) -> bool {
    matches!(octets, [first @ 0x78, second, ..] if (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}
