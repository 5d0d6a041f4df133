//! A text made from another one (decoded, folded, stripped), with the way back: for each stretch of it, the bytes
//! of the source it came from. Views stack, so that what is found in the topmost is changed in the lowest.
//!
//! Rules: stretches are in order; a stretch as long as its source maps byte by byte, any other maps as a whole;
//! what was left out of the source belongs to no stretch and is never touched. Memory: three words a stretch.
//! When it fails: never; a range outside maps to nothing.

use std::ops::Range;

/// A text and where it came from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct View {
    bytes: Vec<u8>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    at: usize,
    source: usize,
    source_len: usize,
    /// Whether any part of it stands for all of the source, be they as long as each other.
    whole: bool,
}

impl View {
    /// An empty view with room for `bytes` octets.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        // A stretch for each line or so.
        Self { bytes: Vec::with_capacity(bytes), runs: Vec::with_capacity(bytes / 64 + 4) }
    }

    /// The text.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the text away and forgets where it came from.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends `bytes`, which stand one to one at `source`.
    pub fn push_copied(&mut self, bytes: &[u8], source: usize) {
        self.push(bytes, source, bytes.len());
    }

    /// Appends `bytes` in lower-case ASCII letters, which stand one to one at `source`.
    pub fn push_lowered(&mut self, bytes: &[u8], source: usize) {
        let from = self.bytes.len();
        self.push(bytes, source, bytes.len());
        if let Some(new) = self.bytes.get_mut(from..) {
            new.make_ascii_lowercase();
        }
    }

    /// Appends `bytes`, which were made from all of `source`.
    pub fn push_made(&mut self, bytes: &[u8], source: Range<usize>) {
        self.push(bytes, source.start, source.len());
    }

    /// Appends `bytes`, every one of which stands for all of `source`.
    pub fn push_whole(&mut self, bytes: &[u8], source: Range<usize>) {
        if bytes.is_empty() {
            return;
        }
        self.runs.push(Run {
            at: self.bytes.len(),
            source: source.start,
            source_len: source.len(),
            whole: true,
        });
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends `bytes` for the `source_len` octets at `source`: one to one where they are as many.
    pub fn push(&mut self, bytes: &[u8], source: usize, source_len: usize) {
        if bytes.is_empty() {
            return;
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.note(at, source, source_len);
    }

    /// Appends what `write` appends, made from all of `source`.
    pub fn push_written(&mut self, source: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() > at {
            self.note(at, source.start, source.len());
        }
    }

    /// Says where the octets from `at` on came from.
    fn note(&mut self, at: usize, source: usize, source_len: usize) {
        if self.bytes.len() - at == source_len
            && let Some(last) = self.runs.last_mut()
            && !last.whole
            && at - last.at == last.source_len
            && last.source + last.source_len == source
        {
            last.source_len += source_len;
            return;
        }
        self.runs.push(Run { at, source, source_len, whole: false });
    }

    /// The source ranges that `range` of the text came from, in order, neighbours joined.
    #[must_use]
    pub fn sources(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut out: Vec<Range<usize>> = Vec::new();
        let first = self.runs.partition_point(|run| run.at <= range.start).saturating_sub(1);
        for (i, run) in self.runs.iter().enumerate().skip(first) {
            if run.at >= range.end {
                break;
            }
            let end = self.runs.get(i + 1).map_or(self.bytes.len(), |next| next.at);
            let (from, to) = (range.start.max(run.at), range.end.min(end));
            if from >= to {
                continue;
            }
            let piece = if end - run.at == run.source_len && !run.whole {
                run.source + (from - run.at)..run.source + (to - run.at)
            } else {
                run.source..run.source + run.source_len
            };
            match out.last_mut() {
                Some(last) if last.end >= piece.start => last.end = last.end.max(piece.end),
                _ => out.push(piece),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_maps_back_to_just_the_source_it_came_from() {
        // b%6Fb<i>@</i>x
        let mut view = View::default();
        view.push_copied(b"b", 0);
        view.push_made(b"o", 1..4);
        view.push_copied(b"b", 4);
        view.push_copied(b"@", 8);
        view.push_copied(b"x", 13);
        assert_eq!(view.bytes(), b"bob@x");
        assert_eq!(view.sources(0..5), [0..5, 8..9, 13..14]);
        assert_eq!(view.sources(1..2).first(), Some(&(1..4)));
        assert!(view.sources(2..2).is_empty());
        assert_eq!(view.sources(4..9).first(), Some(&(13..14)));
    }
}
