//! The tree over a list of entries: one hash that stands for all of them, and short proofs about it
//! (RFC 9162 §2.1, the same as RFC 6962 §2.1).
//!
//! Rules: SHA-256; leaves and nodes are told apart by their first octet, so that no node can be shown as an entry. A tree
//! is never held whole: it grows by its right edge, and a proof asks for the subtrees that it needs.
//! When it fails: a proof that does not fit is `false`, without more.

use sha2::{Digest, Sha256};

/// The hash of an entry, a subtree or a whole tree.
pub type Hash = [u8; 32];

/// The hash of an entry (RFC 9162 §2.1.1).
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into()
}

/// The hash of two subtrees side by side.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([0x01]).chain_update(left).chain_update(right).finalize().into()
}

/// The right edge of a tree: what is needed to add to it. One hash for each bit of the size that is set, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    size: u64,
    /// Roots of full subtrees, the largest first.
    roots: Vec<Hash>,
}

impl Edge {
    /// An edge that was kept: `None` where the number of hashes does not fit the size.
    #[must_use]
    pub fn new(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == size.count_ones() as usize).then_some(Self { size, roots })
    }

    /// An edge from [`Edge::to_octets`]; `None` where it is none.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (size, roots) = octets.split_first_chunk()?;
        let (roots, rest) = roots.as_chunks();
        rest.is_empty().then(|| Self::new(u64::from_be_bytes(*size), roots.to_vec())).flatten()
    }

    /// What has to be kept in one piece: 8 octets size, then the hashes.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        [&self.size.to_be_bytes()[..], self.roots.as_flattened()].concat()
    }

    /// How many entries there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What has to be kept.
    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds an entry by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_noting(leaf, |_, _| {});
    }

    /// The same; tells each subtree that is full now, by its level (it has 2 to the power of it entries) and its root.
    pub fn push_noting(&mut self, leaf: Hash, note: impl FnMut(u32, &Hash)) {
        self.push_full(0, leaf, note);
    }

    /// Adds a full subtree of a level, whose place must be one of its level's.
    pub fn push_full(&mut self, level: u32, root: Hash, mut note: impl FnMut(u32, &Hash)) {
        let (mut hash, mut level) = (root, level);
        let begun = level;
        for _ in 0..(self.size >> begun).trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            hash = node(&left, &hash);
            level += 1;
            note(level, &hash);
        }
        self.roots.push(hash);
        self.size += 1 << begun;
    }

    /// The hash of the whole tree; of an empty one that of nothing (RFC 9162 §2.1.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return Sha256::digest([]).into() };
        roots.fold(*last, |right, left| node(left, &right))
    }
}

/// The root over `leaves`.
#[must_use]
pub fn root(leaves: impl IntoIterator<Item = Hash>) -> Hash {
    let mut edge = Edge::default();
    leaves.into_iter().for_each(|leaf| edge.push(leaf));
    edge.root()
}

/// A range of entries whose hash a proof needs: `first` to `first + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub first: u64,
    pub count: u64,
}

/// The subtrees whose hashes prove that entry `index` stands in a tree of `size`, from the entry up (RFC 9162 §2.1.3.1).
/// Empty where there is no such entry, or it stands alone.
#[must_use]
pub fn inclusion(index: u64, size: u64) -> Vec<Range> {
    let mut path = Vec::new();
    let (mut first, mut count) = (0, size);
    if index >= size {
        return path;
    }
    while count > 1 {
        let split = split(count);
        let left = Range { first, count: split };
        let right = Range { first: first + split, count: count - split };
        let (kept, sibling) = if index < right.first { (left, right) } else { (right, left) };
        path.push(sibling);
        (first, count) = (kept.first, kept.count);
    }
    path.reverse();
    path
}

/// The subtrees whose hashes prove that a tree of `old` is the beginning of one of `new` (RFC 9162 §2.1.4.1).
#[must_use]
pub fn consistency(old: u64, new: u64) -> Vec<Range> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return path;
    }
    let (mut first, mut count, mut old) = (0, new, old);
    let mut is_known = true;
    loop {
        if old == count {
            // The verifier has this subtree's hash where it is the whole old tree.
            if !is_known {
                path.push(Range { first, count });
            }
            break;
        }
        let split = split(count);
        if old <= split {
            path.push(Range { first: first + split, count: count - split });
            count = split;
        } else {
            path.push(Range { first, count: split });
            (first, count, old) = (first + split, count - split, old - split);
            is_known = false;
        }
    }
    path.reverse();
    path
}

/// The largest power of two below `count`, which is more than one.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// Whether `proof` shows that `leaf` is entry `index` of the tree of `size` with `root` (RFC 9162 §2.1.3.2).
#[must_use]
pub fn is_included(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    let ranges = inclusion(index, size);
    if index >= size || ranges.len() != proof.len() {
        return false;
    }
    let join = |hash: Hash, (range, sibling): (&Range, &Hash)| {
        if range.first > index { node(&hash, sibling) } else { node(sibling, &hash) }
    };
    ranges.iter().zip(proof).fold(*leaf, join) == *root
}

/// Whether `proof` shows that the tree of `old` with `old_root` is the beginning of that of `new` with `new_root`
/// (RFC 9162 §2.1.4.2).
#[must_use]
pub fn is_consistent(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty();
    }
    let ranges = consistency(old, new);
    if old > new || ranges.len() != proof.len() {
        return false;
    }
    let mut steps = ranges.iter().zip(proof);
    // Where the old tree is one full subtree its root is known, else the proof begins with the subtree at its end.
    let seed = if old.is_power_of_two() { Some(*old_root) } else { steps.next().map(|(_, hash)| *hash) };
    let Some(seed) = seed else { return false };
    let (mut of_old, mut of_new) = (seed, seed);
    for (range, hash) in steps {
        if range.first >= old {
            of_new = node(&of_new, hash);
        } else {
            of_old = node(hash, &of_old);
            of_new = node(hash, &of_new);
        }
    }
    of_old == *old_root && of_new == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|n| leaf(&n.to_be_bytes())).collect()
    }

    fn hashes(leaves: &[Hash], ranges: &[Range]) -> Vec<Hash> {
        let of = |range: &Range| root(leaves[range.first as usize..][..range.count as usize].iter().copied());
        ranges.iter().map(of).collect()
    }

    /// The definition of RFC 9162 §2.1.1, word for word.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                node(&defined(&many[..k]), &defined(&many[k..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_at_every_size() {
        let all = leaves(130);
        let mut edge = Edge::default();
        assert_eq!(
            HEXLOWER.encode(&edge.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for size in 0..all.len() {
            assert_eq!(edge.root(), defined(&all[..size]), "{size}");
            assert_eq!(Edge::new(edge.size(), edge.roots().to_vec()), Some(edge.clone()));
            edge.push(all[size]);
        }
        assert_eq!(Edge::new(3, vec![all[0]]), None);
    }

    #[test]
    fn full_subtrees_make_the_same_tree() {
        let all = leaves(1000);
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for leaf in &all {
            edge.push_noting(*leaf, |level, hash| full.extend((level == 8).then_some(*hash)));
        }
        assert_eq!(full.len(), 3);
        let mut again = Edge::default();
        full.into_iter().for_each(|hash| again.push_full(8, hash, |_, _| {}));
        all.iter().skip(768).for_each(|leaf| again.push(*leaf));
        assert_eq!(again, edge);
    }

    #[test]
    fn every_entry_of_every_small_tree_is_proven_and_in_no_other_place() {
        for size in 1..40 {
            let all = leaves(size);
            let whole = root(all.iter().copied());
            for index in 0..size {
                let proof = hashes(&all, &inclusion(index, size));
                assert!(is_included(&all[index as usize], index, size, &proof, &whole), "{index} of {size}");
                for other in (0..size + 1).filter(|other| *other != index) {
                    assert!(
                        !is_included(&all[index as usize], other, size, &proof, &whole),
                        "{index} {other}"
                    );
                }
                for at in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[at][0] ^= 1;
                    assert!(!is_included(&all[index as usize], index, size, &bad, &whole));
                }
            }
        }
    }

    #[test]
    fn every_small_tree_is_proven_to_begin_every_larger_one_and_no_forged_one() {
        for new in 0..40 {
            let all = leaves(new);
            let new_root = root(all.iter().copied());
            for old in 0..=new {
                let old_root = root(all[..old as usize].iter().copied());
                let proof = hashes(&all, &consistency(old, new));
                assert!(is_consistent(old, &old_root, new, &new_root, &proof), "{old} {new}");
                let mut forged = old_root;
                forged[3] ^= 1;
                assert!(old == 0 || !is_consistent(old, &forged, new, &new_root, &proof), "{old} {new}");
                let longer = [proof.clone(), vec![old_root]].concat();
                assert!(!is_consistent(old, &old_root, new, &new_root, &longer), "{old} {new}");
            }
            assert!(!is_consistent(new + 1, &new_root, new, &new_root, &[]));
        }
    }

    proptest! {
        #[test]
        fn no_proof_makes_it_panic(index: u64, size: u64, old: u64, proof: Vec<[u8; 32]>) {
            let hash = [7; 32];
            let _ = is_included(&hash, index, size, &proof, &hash);
            let _ = is_consistent(old, &hash, size, &hash, &proof);
        }
    }

    #[test]
    fn an_edge_that_was_put_away_is_taken_up_again_and_other_octets_are_none() {
        let mut edge = Edge::default();
        for entry in 0_u32..300 {
            edge = Edge::from_octets(&edge.to_octets()).unwrap();
            edge.push(leaf(&entry.to_be_bytes()));
        }
        assert_eq!(edge.root(), root((0_u32..300).map(|entry| leaf(&entry.to_be_bytes()))));
        for octets in [&[][..], &[0; 7], &[0; 9], &[0, 0, 0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(Edge::from_octets(octets), None);
        }
    }
}
