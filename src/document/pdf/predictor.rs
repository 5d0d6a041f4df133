//! Predictors of PDF streams (ISO 32000-1 §7.4.4.4): TIFF's, of 8 bits, and PNG's.
//!
//! Rules: a row that ends too early is undone as far as it goes.
//! When it fails: never.

use super::filters::Stage;
use crate::document::inflate::State;

/// Rows of samples, each written as what differs from its neighbours.
pub struct Rows {
    png: bool,
    /// Octets of a pixel.
    step: usize,
    row: Vec<u8>,
    above: Vec<u8>,
}

impl Rows {
    pub fn new(png: bool, step: usize, row: usize) -> Self {
        Self { png, step, row: Vec::new(), above: vec![0; row] }
    }

    /// Undoes the prediction of a whole row.
    fn row(&mut self) {
        let kind = if self.png { self.row.first().copied().unwrap_or(0) } else { 1 };
        if self.png {
            self.row.drain(..1.min(self.row.len()));
        }
        for at in 0..self.row.len() {
            let back = |row: &[u8]| at.checked_sub(self.step).and_then(|i| row.get(i)).copied().unwrap_or(0);
            let (left, corner) = (back(&self.row), back(&self.above));
            let up = self.above.get(at).copied().unwrap_or(0);
            let guess = match kind {
                1 => left,
                2 => up,
                3 => u8::midpoint(left, up),
                4 => paeth(left, up, corner),
                _ => 0,
            };
            if let Some(octet) = self.row.get_mut(at) {
                *octet = octet.wrapping_add(guess);
            }
        }
    }
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let p = a + b - c;
    let (pa, pb, pc) = ((p - a).abs(), (p - b).abs(), (p - c).abs());
    if pa <= pb && pa <= pc {
        left
    } else if pb <= pc {
        up
    } else {
        corner
    }
}

impl Stage for Rows {
    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> bool) -> State {
        let full = self.above.len() + usize::from(self.png);
        let mut out = Vec::with_capacity(input.len());
        let mut rest = input;
        while !rest.is_empty() {
            let room = full.saturating_sub(self.row.len()).min(rest.len());
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            self.row.extend_from_slice(now);
            rest = later;
            if self.row.len() >= full {
                self.row();
                out.extend_from_slice(&self.row);
                std::mem::swap(&mut self.above, &mut self.row);
                self.row.clear();
            }
        }
        if next(&out) { State::Open } else { State::Broken }
    }

    fn finish(&mut self, next: &mut dyn FnMut(&[u8]) -> bool) {
        if !self.row.is_empty() {
            self.row();
            let row = std::mem::take(&mut self.row);
            next(&row);
        }
    }
}
