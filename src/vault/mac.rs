//! HMAC-SHA-256 (RFC 2104) of short values under a key that stays: what the key makes of the first block of both hashes is kept, so that a
//! value of up to 55 octets takes two compressions and nothing else. A message has some two dozen of them.
//!
//! Rules: the same octets as the crate `hmac` gives, which the tests hold it against. States and blocks are wiped.
//! When it fails: never.

use sha2::block_api::compress256;
use std::slice::from_ref;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Octets of a block of SHA-256, and of its result.
const BLOCK: usize = 64;
const RESULT: usize = 32;
/// Where a block ends for the length behind a message (FIPS 180-4 §5.1.1).
const LENGTH_AT: usize = BLOCK - 8;
/// FIPS 180-4 §5.3.3.
const FIRST: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A key, as what both hashes are once they have taken it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct MacKey {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl MacKey {
    /// Of a key of one block; a shorter one has zeros behind it.
    pub fn new(key: &[u8; BLOCK]) -> Self {
        let after = |pad: u8| {
            let (mut state, mut block) = (FIRST, [key.map(|octet| octet ^ pad)]);
            compress256(&mut state, &block);
            block.zeroize();
            state
        };
        Self { inner: after(0x36), outer: after(0x5c) }
    }

    /// Begins one of a value.
    pub fn begin(&self) -> Mac<'_> {
        Mac { key: self, state: self.inner, block: [0; BLOCK], filled: 0, length: BLOCK as u64 }
    }
}

/// One that is under way.
pub(super) struct Mac<'a> {
    key: &'a MacKey,
    state: [u32; 8],
    block: [u8; BLOCK],
    filled: usize,
    /// Octets, the key's block among them.
    length: u64,
}

impl Mac<'_> {
    /// Takes more of the value.
    pub fn update(&mut self, mut octets: &[u8]) {
        self.length = self.length.wrapping_add(octets.len() as u64);
        while let (Some(room), false) = (self.block.get_mut(self.filled..), octets.is_empty()) {
            let (now, later) = octets.split_at(octets.len().min(room.len()));
            room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.filled += now.len();
            octets = later;
            if self.filled == BLOCK {
                compress256(&mut self.state, from_ref(&self.block));
                self.filled = 0;
            }
        }
    }

    /// The same, for values of one piece.
    pub fn chain_update(mut self, octets: &[u8]) -> Self {
        self.update(octets);
        self
    }

    /// What it comes to.
    pub fn finalize(mut self) -> [u8; RESULT] {
        let length = self.length;
        close(&mut self.state, &mut self.block, self.filled, length);
        let mut hash = octets_of(&self.state);
        self.block = [0; BLOCK];
        self.block.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        self.state = self.key.outer;
        close(&mut self.state, &mut self.block, RESULT, (BLOCK + RESULT) as u64);
        hash = octets_of(&self.state);
        hash
    }
}

impl Drop for Mac<'_> {
    fn drop(&mut self) {
        (self.state, self.block) = ([0; 8], [0; BLOCK]);
        zeroize::optimization_barrier(self);
    }
}

/// Ends a message of which the block has `filled` octets that were not taken yet.
fn close(state: &mut [u32; 8], block: &mut [u8; BLOCK], filled: usize, length: u64) {
    for (at, octet) in block.iter_mut().enumerate().skip(filled) {
        *octet = if at == filled { 0x80 } else { 0 };
    }
    if filled >= LENGTH_AT {
        compress256(state, from_ref(block));
        *block = [0; BLOCK];
    }
    if let Some(end) = block.last_chunk_mut() {
        *end = length.wrapping_mul(8).to_be_bytes();
    }
    compress256(state, from_ref(block));
}

fn octets_of(state: &[u32; 8]) -> [u8; RESULT] {
    let mut octets = [0; RESULT];
    octets.as_chunks_mut().0.iter_mut().zip(state).for_each(|(to, word)| *to = word.to_be_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use hmac::{Hmac, KeyInit, Mac as _};
    use proptest::prelude::*;
    use sha2::Sha256;

    fn own(key: &[u8], parts: &[&[u8]]) -> [u8; RESULT] {
        let mut block = [0; BLOCK];
        block[..key.len()].copy_from_slice(key);
        let key = MacKey::new(&block);
        let mut mac = key.begin();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize()
    }

    #[test]
    fn the_standards_own_examples_come_out() {
        // RFC 4231 §4.2 and §4.3.
        for (key, value, expected) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            assert_eq!(HEXLOWER.encode(&own(key, &[value])), expected);
        }
    }

    #[test]
    fn every_length_is_what_the_crate_gives() {
        let theirs = Hmac::<Sha256>::new(&[7; BLOCK].into());
        for length in 0..3 * BLOCK {
            let value: Vec<u8> = (0..length).map(|at| u8::try_from(at).unwrap()).collect();
            let expected: [u8; RESULT] = theirs.clone().chain_update(&value).finalize().into_bytes().into();
            assert_eq!(own(&[7; BLOCK], &[&value]), expected, "{length}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_what_the_crate_makes_of_the_whole(
            key in prop::collection::vec(any::<u8>(), BLOCK),
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
        ) {
            let theirs = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(parts.concat());
            let expected: [u8; RESULT] = theirs.finalize().into_bytes().into();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(own(&key, &parts), expected);
        }
    }
}
