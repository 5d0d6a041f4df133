//! Inflating piece by piece (RFC 1951, RFC 1950), with one window of 32 KiB.
//!
//! Rules: what came out before a mistake counts; checksums are not looked at, as most readers do not. Every step in
//! and out counts against the limits.
//! When it fails: [`State::Broken`], when what comes is no deflated data.

use super::search::Search;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_IGNORE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
};
use miniz_oxide::inflate::core::{DecompressorOxide, TINFL_LZ_DICT_SIZE, decompress};

/// What stands around the deflated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    None,
    /// RFC 1950.
    Zlib,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// More can come.
    Open,
    /// The data said that it ends.
    Done,
    /// It makes no sense from here.
    Broken,
}

/// A running inflation.
pub struct Inflater {
    machine: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
    flags: u32,
    state: State,
}

impl Inflater {
    pub fn new(wrapper: Wrapper) -> Self {
        let header = if wrapper == Wrapper::Zlib { TINFL_FLAG_PARSE_ZLIB_HEADER } else { 0 };
        Self {
            machine: Box::default(),
            window: vec![0; TINFL_LZ_DICT_SIZE],
            at: 0,
            flags: header | TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_IGNORE_ADLER32,
            state: State::Open,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Inflates; `next` gets what comes out and says whether to go on. Gives back how much was read.
    pub fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> usize {
        let mut read = 0;
        while self.state == State::Open {
            let rest = input.get(read..).unwrap_or_default();
            let (status, used, made) =
                decompress(&mut self.machine, rest, &mut self.window, self.at, self.flags);
            read += used;
            let out = self.window.get(self.at..self.at + made).unwrap_or_default();
            self.at = (self.at + made) % TINFL_LZ_DICT_SIZE;
            let go_on = out.is_empty() || next(out);
            match status {
                TINFLStatus::Done => self.state = State::Done,
                TINFLStatus::NeedsMoreInput => return read,
                TINFLStatus::HasMoreOutput => {}
                _ => self.state = State::Broken,
            }
            if !go_on {
                return read;
            }
        }
        read
    }
}

/// Inflates `input` whole, counting it. Gives the state at its end and how much of it was read.
pub fn inflate(
    input: &[u8],
    wrapper: Wrapper,
    search: &mut Search<'_>,
    each: &mut dyn FnMut(&[u8], &mut Search<'_>),
) -> (State, usize) {
    let mut inflater = Inflater::new(wrapper);
    // Piece by piece, so that also what is read and gives nothing counts.
    const STEP: usize = 16 * 1024;
    let mut read = 0;
    while inflater.state() == State::Open && !search.is_over() {
        let rest = input.get(read..).unwrap_or_default();
        let piece = rest.get(..STEP).unwrap_or(rest);
        if piece.is_empty() || !search.spend(0) {
            break;
        }
        let (mut made, mut go_on) = (0, true);
        let used = inflater.push(piece, &mut |out| {
            made += out.len();
            go_on = search.spend(out.len());
            if go_on {
                each(out, search);
            }
            go_on
        });
        read += used;
        if !go_on || !search.spend(used.saturating_sub(made)) {
            break;
        }
    }
    (inflater.state(), read)
}
