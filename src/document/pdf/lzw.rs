//! LZW (ISO 32000-1 §7.4.4.2), piece by piece.
//!
//! Rules: the width of codes grows one code early unless the file says otherwise.
//! When it fails: [`State::Broken`] at a code that cannot be.

use super::filters::{STEP, Stage};
use crate::document::inflate::State;

/// The decoder.
pub struct Lzw {
    /// For every code from 258 on: the code before, its last octet, its first octet.
    table: Vec<(u16, u8, u8)>,
    early: u32,
    bits: u32,
    count: u32,
    last: Option<u16>,
}

impl Lzw {
    pub fn new(early: bool) -> Self {
        Self { table: Vec::with_capacity(4096), early: u32::from(early), bits: 0, count: 0, last: None }
    }

    fn width(&self) -> u32 {
        let next = u32::try_from(self.table.len()).unwrap_or(0) + 258 + self.early;
        match next {
            0..=511 => 9,
            512..=1023 => 10,
            1024..=2047 => 11,
            _ => 12,
        }
    }

    fn first(&self, code: u16) -> Option<u8> {
        match code.checked_sub(258) {
            None => u8::try_from(code).ok(),
            Some(at) => self.table.get(usize::from(at)).map(|entry| entry.2),
        }
    }

    /// What a code stands for, at the end of `out`.
    fn expand(&self, code: u16, out: &mut Vec<u8>) {
        let start = out.len();
        let mut code = code;
        while let Some((before, octet, _)) =
            code.checked_sub(258).and_then(|at| self.table.get(usize::from(at)))
        {
            out.push(*octet);
            code = *before;
        }
        out.extend(u8::try_from(code));
        if let Some(new) = out.get_mut(start..) {
            new.reverse();
        }
    }

    /// `None` where the code makes no sense.
    fn code(&mut self, code: u16, out: &mut Vec<u8>) -> Option<()> {
        if code == 256 {
            self.table.clear();
            self.last = None;
            return Some(());
        }
        if let Some(last) = self.last {
            let known = usize::from(code) < 258 + self.table.len();
            let octet = self.first(if known { code } else { last })?;
            if self.table.len() < 4096 - 258 {
                self.table.push((last, octet, self.first(last)?));
            }
        }
        self.first(code)?;
        self.expand(code, out);
        self.last = Some(code);
        Some(())
    }
}

impl Stage for Lzw {
    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> State {
        let mut out = Vec::with_capacity(input.len() * 2);
        for b in input {
            self.bits = self.bits << 8 | u32::from(*b);
            self.count += 8;
            let width = self.width();
            if self.count < width {
                continue;
            }
            self.count -= width;
            let code = u16::try_from(self.bits >> self.count & ((1 << width) - 1)).unwrap_or(0);
            if code == 257 || self.code(code, &mut out).is_none() {
                next(&out);
                return if code == 257 { State::Done } else { State::Broken };
            }
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
