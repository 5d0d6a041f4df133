//! One hash over many rows: the root of a Merkle tree (RFC 6962 §2.1), computed as the rows go by.
//!
//! Rules: of what has gone by only the roots of whole subtrees are kept, at most 64, so a tree of any size is built in a few
//! steps, each of which may be another process's: [`Root::to_octets`] is all that it takes to go on.
//! When it fails: octets that are no such state give `None`.

use super::merkle::node;
use sha2::{Digest, Sha256};

const HASH: usize = 32;

/// A tree that grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Root {
    count: u64,
    /// Roots of the whole subtrees, the largest first: one for each bit of `count` that is set.
    peaks: Vec<[u8; HASH]>,
}

impl Root {
    /// Adds the hash of a row.
    pub fn push(&mut self, leaf: [u8; HASH]) {
        let mut whole = leaf;
        // Each subtree of the same size makes one of twice that.
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                whole = node(&left, &whole);
            }
        }
        self.peaks.push(whole);
        self.count += 1;
    }

    /// How many rows it is over.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root of what was added so far; of nothing the hash of nothing (RFC 6962 §2.1).
    #[must_use]
    pub fn root(&self) -> [u8; HASH] {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Sha256::digest([]).into() };
        peaks.fold(*last, |right, left| node(left, &right))
    }

    /// The state: 8 octets count, then the peaks.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        [&self.count.to_be_bytes()[..], self.peaks.as_flattened()].concat()
    }

    /// Reads a state.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (count, rest) = octets.split_first_chunk()?;
        let count = u64::from_be_bytes(*count);
        let (peaks, rest) = rest.as_chunks::<HASH>();
        let is_whole = rest.is_empty() && u32::try_from(peaks.len()) == Ok(count.count_ones());
        is_whole.then(|| Self { count, peaks: peaks.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::leaf;
    use data_encoding::HEXLOWER;

    /// The definition itself.
    fn by_definition(leaves: &[[u8; HASH]]) -> [u8; HASH] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            more => {
                let half = more.len().next_power_of_two() / 2;
                node(&by_definition(&more[..half]), &by_definition(&more[half..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_whenever_it_was_put_away_and_taken_up_again() {
        let leaves: Vec<_> = (0_u32..300).map(|row| leaf(&row.to_be_bytes())).collect();
        let mut root = Root::default();
        for (count, one) in leaves.iter().enumerate() {
            assert_eq!(root.root(), by_definition(&leaves[..count]));
            root = Root::from_octets(&root.to_octets()).unwrap();
            root.push(*one);
        }
        assert_eq!(root.count(), 300);
        assert_ne!(root.root(), by_definition(&leaves[1..]));
    }

    #[test]
    fn the_hashes_are_those_of_certificate_transparency() {
        // The empty tree and the empty leaf, as RFC 6962's reference implementation has them.
        let hex = |hash: [u8; HASH]| HEXLOWER.encode(&hash);
        assert_eq!(
            hex(Root::default().root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(hex(leaf(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    #[test]
    fn octets_that_are_no_state_are_none() {
        for octets in [&[][..], &[0; 7], &[0; 9], &[0, 0, 0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(Root::from_octets(octets), None);
        }
    }
}
