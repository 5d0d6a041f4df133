//! The filters of PDF streams (ISO 32000-1 §7.4), one behind the other, piece by piece.
//!
//! Rules: what every filter gives out counts against the limits, so that a chain cannot multiply. What came out before
//! a mistake counts. Filters of images are no matter of texts.
//! When it fails: the chain ends in [`State::Broken`].

use super::lexer::Token;
use super::lzw::Lzw;
use super::predictor::Rows;
use crate::document::inflate::{Inflater, State, Wrapper};
use crate::document::search::Search;

/// Longest chain.
const MAX_CHAIN: usize = 4;
/// Longest row of a predictor, in octets.
const MAX_ROW: usize = 64 * 1024;
/// Octets that are read at once.
pub const STEP: usize = 16 * 1024;

/// What a stream's dictionary says of how it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    pub filters: Vec<Filter>,
    predictor: u32,
    columns: usize,
    colors: usize,
    bits: usize,
    late_change: bool,
    pub length: Option<usize>,
    pub is_image: bool,
    pub is_font: bool,
    pub is_metadata: bool,
    pub is_objects: bool,
}

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    Flate,
    Lzw,
    Hex,
    Base85,
    RunLength,
    /// Of an image, or not known.
    Other,
}

impl Parameters {
    /// Reads the tokens of a dictionary, nested ones included.
    pub fn take(&mut self, key: &[u8], token: Token<'_>) {
        match (key, token) {
            // The way that nothing is encrypted, or the file is.
            (b"Filter", Token::Name(b"Crypt")) => {}
            (b"Filter", Token::Name(name)) => self.filters.push(match name {
                b"FlateDecode" | b"Fl" => Filter::Flate,
                b"LZWDecode" | b"LZW" => Filter::Lzw,
                b"ASCIIHexDecode" | b"AHx" => Filter::Hex,
                b"ASCII85Decode" | b"A85" => Filter::Base85,
                b"RunLengthDecode" | b"RL" => Filter::RunLength,
                _ => Filter::Other,
            }),
            (b"Predictor", Token::Number(n)) => self.predictor = whole(n).try_into().unwrap_or(0),
            (b"Columns", Token::Number(n)) => self.columns = whole(n),
            (b"Colors", Token::Number(n)) => self.colors = whole(n),
            (b"BitsPerComponent", Token::Number(n)) => self.bits = whole(n),
            (b"EarlyChange", Token::Number(n)) => self.late_change = n == 0.0,
            (b"Length", Token::Number(n)) => self.length = Some(whole(n)),
            (b"Length1", Token::Number(_)) => self.is_font = true,
            (b"Type", Token::Name(b"Metadata")) | (b"Subtype", Token::Name(b"XML")) => {
                self.is_metadata = true
            }
            (b"Type", Token::Name(b"ObjStm")) => self.is_objects = true,
            (b"Subtype", Token::Name(b"Image")) => self.is_image = true,
            (b"Subtype", Token::Name(b"Type1C" | b"CIDFontType0C" | b"OpenType")) => self.is_font = true,
            _ => {}
        }
    }

    /// Whether what is compressed is an image that is a file of its own: it can carry more than a picture.
    pub fn is_packed_image(&self) -> bool {
        self.filters.first().is_some_and(|first| *first != Filter::Other)
            && self.filters.contains(&Filter::Other)
    }

    /// The chain that undoes the filters.
    pub fn chain(&self) -> Option<Chain> {
        if self.filters.len() > MAX_CHAIN {
            return None;
        }
        let mut stages: Vec<Box<dyn Stage>> = Vec::new();
        for filter in &self.filters {
            match filter {
                Filter::Flate => stages.push(Box::new(Flate(Inflater::new(Wrapper::Zlib)))),
                Filter::Lzw => stages.push(Box::new(Lzw::new(!self.late_change))),
                Filter::Hex => stages.push(Box::new(Hex(None))),
                Filter::Base85 => stages.push(Box::new(Base85::default())),
                Filter::RunLength => stages.push(Box::new(RunLength::Length)),
                // What is left is an image.
                Filter::Other => break,
            }
            let predicts = matches!(filter, Filter::Flate | Filter::Lzw) && self.predictor >= 2;
            let bits = self.colors.max(1).saturating_mul(if self.bits == 0 { 8 } else { self.bits });
            let row = self.columns.max(1).saturating_mul(bits).div_ceil(8);
            if predicts && row <= MAX_ROW {
                let step = bits.div_ceil(8).max(1);
                let png = self.predictor >= 10;
                stages.push(Box::new(Rows::new(png, step, row)));
            }
        }
        Some(Chain { stages })
    }
}

/// A number as a size.
fn whole(n: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the clamp")]
    let n = n.clamp(0.0, 4e9) as usize;
    n
}

/// A filter at work.
pub trait Stage {
    /// Undoes the filter; `next` gets what comes out and says whether to go on.
    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> State;
    /// Gives what is left.
    fn finish(&mut self, _next: &mut dyn FnMut(&[u8]) -> bool) {}
}

/// Filters one behind the other.
pub struct Chain {
    stages: Vec<Box<dyn Stage>>,
}

impl Chain {
    /// Runs `input` through. Says where it ended.
    pub fn run(
        mut self,
        input: &[u8],
        search: &mut Search<'_>,
        each: &mut dyn FnMut(&[u8], &mut Search<'_>),
    ) -> State {
        let mut state = State::Open;
        for piece in input.chunks(STEP) {
            // What is read counts too: many streams can share their octets.
            if !search.spend(piece.len()) {
                return State::Broken;
            }
            state = run(&mut self.stages, piece, search, each);
            if state != State::Open {
                break;
            }
        }
        for from in 0..self.stages.len() {
            let Some((stage, rest)) = self.stages.get_mut(from..).and_then(<[_]>::split_first_mut) else {
                break;
            };
            stage.finish(&mut |out| run(rest, out, search, each) == State::Open);
        }
        state
    }
}

fn run(
    stages: &mut [Box<dyn Stage>],
    input: &[u8],
    search: &mut Search<'_>,
    each: &mut dyn FnMut(&[u8], &mut Search<'_>),
) -> State {
    let Some((stage, rest)) = stages.split_first_mut() else {
        each(input, search);
        return if search.is_over() { State::Done } else { State::Open };
    };
    let mut below = State::Open;
    let state = stage.push(input, &mut |out| {
        if !search.spend(out.len()) {
            below = State::Broken;
            return false;
        }
        below = run(rest, out, search, each);
        below == State::Open
    });
    if below == State::Open { state } else { below }
}

struct Flate(Inflater);

impl Stage for Flate {
    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> State {
        self.0.push(input, next);
        self.0.state()
    }
}

/// §7.4.2.
struct Hex(Option<u8>);

impl Stage for Hex {
    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> State {
        let mut out = Vec::with_capacity(input.len() / 2 + 1);
        let mut state = State::Open;
        for b in input {
            match (char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok()), self.0) {
                (Some(digit), Some(first)) => {
                    out.push(first << 4 | digit);
                    self.0 = None;
                }
                (Some(digit), None) => self.0 = Some(digit),
                (None, _) if *b == b'>' => {
                    out.extend(self.0.take().map(|first| first << 4));
                    state = State::Done;
                    break;
                }
                _ => {}
            }
        }
        next(&out);
        state
    }
}

/// §7.4.3.
#[derive(Default)]
struct Base85 {
    value: u32,
    count: usize,
    tilde: bool,
}

impl Base85 {
    fn rest(&mut self, out: &mut Vec<u8>) {
        if self.count > 1 {
            let value = (self.count..5).fold(self.value, |v, _| v.wrapping_mul(85).wrapping_add(84));
            out.extend(value.to_be_bytes().iter().take(self.count - 1));
        }
        self.count = 0;
    }
}

impl Stage for Base85 {
    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> State {
        let mut out = Vec::with_capacity(input.len());
        let mut state = State::Open;
        for b in input {
            match b {
                b'>' if self.tilde => {
                    state = State::Done;
                    break;
                }
                b'~' => self.tilde = true,
                b'z' if self.count == 0 => out.extend_from_slice(&[0; 4]),
                b'!'..=b'u' => {
                    let digit = u32::from(b - b'!');
                    self.value =
                        if self.count == 0 { digit } else { self.value.wrapping_mul(85).wrapping_add(digit) };
                    self.count += 1;
                    if self.count == 5 {
                        out.extend_from_slice(&self.value.to_be_bytes());
                        self.count = 0;
                    }
                }
                _ => {}
            }
        }
        if state == State::Done {
            self.rest(&mut out);
        }
        next(&out);
        state
    }

    fn finish(&mut self, next: &mut dyn FnMut(&[u8]) -> bool) {
        let mut out = Vec::new();
        self.rest(&mut out);
        next(&out);
    }
}

/// §7.4.5.
enum RunLength {
    Length,
    Copy(u8),
    Repeat(u16),
}

impl Stage for RunLength {
    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> State {
        let mut out = Vec::with_capacity(input.len());
        for b in input {
            *self = match self {
                Self::Length if *b == 128 => {
                    next(&out);
                    return State::Done;
                }
                Self::Length if *b < 128 => Self::Copy(b + 1),
                Self::Length => Self::Repeat(257 - u16::from(*b)),
                Self::Copy(left) => {
                    out.push(*b);
                    if *left > 1 { Self::Copy(*left - 1) } else { Self::Length }
                }
                Self::Repeat(times) => {
                    out.resize(out.len() + usize::from(*times), *b);
                    Self::Length
                }
            };
            if out.len() >= STEP {
                if !next(&out) {
                    return State::Broken;
                }
                out.clear();
            }
        }
        next(&out);
        State::Open
    }
}
