//! PNG (third edition, §5 and §11.3): texts, compressed or not, EXIF, colour profiles.
//!
//! Rules: profiles that ImageMagick writes as hexadecimal text are decoded.
//! When it fails: `Damaged` where a text cannot be inflated or a chunk is longer than the file.

use super::{EXIF, behind, exif};
use crate::document::Why;
use crate::document::content::Content;
use crate::document::inflate::{State, Wrapper, inflate};
use crate::document::search::Search;

pub const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// One chunk.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'o> {
    pub name: &'o [u8],
    pub content: &'o [u8],
    /// With length, name and checksum.
    pub whole: &'o [u8],
}

/// The chunks up to and with IEND.
pub struct Chunks<'o> {
    rest: &'o [u8],
    ended: bool,
}

impl<'o> Chunks<'o> {
    pub fn new(octets: &'o [u8]) -> Self {
        Self { rest: octets.get(SIGNATURE.len()..).unwrap_or_default(), ended: false }
    }

    /// What is left: behind the end, or what is no chunk.
    pub fn rest(&self) -> &'o [u8] {
        self.rest
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

impl<'o> Iterator for Chunks<'o> {
    type Item = Chunk<'o>;

    fn next(&mut self) -> Option<Chunk<'o>> {
        if self.ended {
            return None;
        }
        let length = usize::try_from(u32::from_be_bytes(*self.rest.first_chunk()?)).ok()?;
        let (whole, rest) = self.rest.split_at_checked(length.checked_add(12)?)?;
        self.rest = rest;
        let name = whole.get(4..8)?;
        self.ended = name == b"IEND";
        Some(Chunk { name, content: whole.get(8..8 + length)?, whole })
    }
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let mut chunks = Chunks::new(octets);
    for chunk in chunks.by_ref() {
        if !search.stream() {
            return;
        }
        let (keyword, rest) = split(chunk.content);
        match chunk.name {
            b"tEXt" => text(keyword, rest, false, search),
            // One octet says how they are compressed; there is one way.
            b"zTXt" | b"iCCP" => text(keyword, rest.get(1..).unwrap_or_default(), true, search),
            b"iTXt" => {
                let compressed = rest.first() == Some(&1);
                let (language, rest) = split(rest.get(2..).unwrap_or_default());
                let (translated, rest) = split(rest);
                search.octets(language);
                search.octets(translated);
                text(keyword, rest, compressed, search);
            }
            b"eXIf" => exif(chunk.content, search),
            b"IDAT" | b"fdAT" | b"PLTE" => {}
            _ => search.edges(chunk.content),
        }
    }
    if chunks.has_ended() {
        behind(chunks.rest(), search);
    } else if !chunks.rest().is_empty() {
        search.is_opaque(Why::Damaged);
    }
}

/// What stands before the first zero, and what behind it.
fn split(octets: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr::memchr(0, octets).unwrap_or(octets.len());
    (octets.get(..at).unwrap_or_default(), octets.get(at + 1..).unwrap_or_default())
}

fn text(keyword: &[u8], octets: &[u8], compressed: bool, search: &mut Search<'_>) {
    search.octets(keyword);
    let mut content = Content::new("");
    let mut profile = keyword.starts_with(b"Raw profile type").then(Profile::default);
    let mut take = |out: &[u8], search: &mut Search<'_>| {
        content.push(out, search);
        if let Some(profile) = &mut profile {
            profile.push(out, search);
        }
    };
    if compressed {
        if inflate(octets, Wrapper::Zlib, search, &mut take).0 != State::Done {
            search.is_opaque(Why::Damaged);
        }
    } else {
        take(octets, search);
    }
    content.finish(search);
    if let Some(profile) = profile {
        profile.finish(search);
    }
}

/// A profile in hexadecimal digits, behind three line ends: its name stands before the second, its length before the
/// third.
#[derive(Default)]
struct Profile {
    line_ends: usize,
    digit: Option<u8>,
    octets: Vec<u8>,
}

impl Profile {
    fn push(&mut self, text: &[u8], search: &mut Search<'_>) {
        let before = self.octets.len();
        for b in text {
            if self.line_ends < 3 {
                self.line_ends += usize::from(*b == b'\n');
                continue;
            }
            let Some(digit) = char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
                continue;
            };
            match self.digit.take() {
                Some(first) => self.octets.push(first << 4 | digit),
                None => self.digit = Some(digit),
            }
        }
        if !search.hold(self.octets.len() - before) {
            self.octets.truncate(before);
        }
    }

    fn finish(self, search: &mut Search<'_>) {
        search.octets(&self.octets);
        if self.octets.starts_with(EXIF) {
            exif(&self.octets, search);
        } else {
            crate::document::nested(&self.octets, "", search);
        }
        search.release(self.octets.len());
    }
}
