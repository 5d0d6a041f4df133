//! Digests by which links name people: MD5 (RFC 1321), SHA-1 and SHA-256 (FIPS 180-4), in hexadecimal digits. They protect nothing here:
//! pictures of people are called by the digest of an address, and whoever knows the address knows it again.
//!
//! When it fails: never.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The digests of a text, each in small hexadecimal digits: of 32, 40 and 64 digits.
#[must_use]
pub fn digests(text: &[u8]) -> [String; 3] {
    [HEXLOWER.encode(&md5(text)), HEXLOWER.encode(&sha1(text)), HEXLOWER.encode(&Sha256::digest(text))]
}

/// The text in blocks of 64 octets, with a one, zeroes and `length` at the end.
fn blocks(text: &[u8], length: [u8; 8]) -> Vec<[u8; 64]> {
    let zeroes = (119 - text.len() % 64) % 64;
    let whole = [text, &[0x80], [0u8; 64].get(..zeroes).unwrap_or_default(), &length].concat();
    whole.as_chunks::<64>().0.to_vec()
}

fn bits(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX).wrapping_mul(8)
}

fn md5(text: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    // `abs(sin(i + 1)) * 2^32`.
    const SINES: [u32; 64] = [
        0xd76a_a478,
        0xe8c7_b756,
        0x2420_70db,
        0xc1bd_ceee,
        0xf57c_0faf,
        0x4787_c62a,
        0xa830_4613,
        0xfd46_9501,
        0x6980_98d8,
        0x8b44_f7af,
        0xffff_5bb1,
        0x895c_d7be,
        0x6b90_1122,
        0xfd98_7193,
        0xa679_438e,
        0x49b4_0821,
        0xf61e_2562,
        0xc040_b340,
        0x265e_5a51,
        0xe9b6_c7aa,
        0xd62f_105d,
        0x0244_1453,
        0xd8a1_e681,
        0xe7d3_fbc8,
        0x21e1_cde6,
        0xc337_07d6,
        0xf4d5_0d87,
        0x455a_14ed,
        0xa9e3_e905,
        0xfcef_a3f8,
        0x676f_02d9,
        0x8d2a_4c8a,
        0xfffa_3942,
        0x8771_f681,
        0x6d9d_6122,
        0xfde5_380c,
        0xa4be_ea44,
        0x4bde_cfa9,
        0xf6bb_4b60,
        0xbebf_bc70,
        0x289b_7ec6,
        0xeaa1_27fa,
        0xd4ef_3085,
        0x0488_1d05,
        0xd9d4_d039,
        0xe6db_99e5,
        0x1fa2_7cf8,
        0xc4ac_5665,
        0xf429_2244,
        0x432a_ff97,
        0xab94_23a7,
        0xfc93_a039,
        0x655b_59c3,
        0x8f0c_cc92,
        0xffef_f47d,
        0x8584_5dd1,
        0x6fa8_7e4f,
        0xfe2c_e6e0,
        0xa301_4314,
        0x4e08_11a1,
        0xf753_7e82,
        0xbd3a_f235,
        0x2ad7_d2bb,
        0xeb86_d391,
    ];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in blocks(text, bits(text).to_le_bytes()) {
        let mut words = [0u32; 16];
        for (word, octets) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*octets);
        }
        let [mut a, mut b, mut c, mut d] = state;
        for (i, sine) in SINES.iter().enumerate() {
            let (mixed, place) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), 5 * i + 1),
                2 => (b ^ c ^ d, 3 * i + 5),
                _ => (c ^ (b | !d), 7 * i),
            };
            let word = words.get(place % 16).copied().unwrap_or(0);
            let shift = SHIFTS.get(i / 16).and_then(|round| round.get(i % 4)).copied().unwrap_or(0);
            let sum = a.wrapping_add(mixed).wrapping_add(*sine).wrapping_add(word);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(shift)));
        }
        for (own, new) in state.iter_mut().zip([a, b, c, d]) {
            *own = own.wrapping_add(new);
        }
    }
    let mut out = [0; 16];
    for (octets, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *octets = word.to_le_bytes();
    }
    out
}

fn sha1(text: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in blocks(text, bits(text).to_be_bytes()) {
        let mut words = [0u32; 80];
        for (word, octets) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*octets);
        }
        for i in 16..80 {
            let back = |n: usize| words.get(i - n).copied().unwrap_or(0);
            let next = (back(3) ^ back(8) ^ back(14) ^ back(16)).rotate_left(1);
            if let Some(word) = words.get_mut(i) {
                *word = next;
            }
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (i, word) in words.iter().enumerate() {
            let (mixed, constant) = match i / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999_u32),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e);
            let sum = sum.wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
        }
        for (own, new) in state.iter_mut().zip([a, b, c, d, e]) {
            *own = own.wrapping_add(new);
        }
    }
    let mut out = [0; 20];
    for (octets, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *octets = word.to_be_bytes();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::digests;

    #[test]
    fn digests_are_those_that_everybody_computes() {
        let long = b"x".repeat(200);
        for (text, md5, sha1, sha256) in [
            (
                b"".as_slice(),
                "d41d8cd98f00b204e9800998ecf8427e",
                "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                b"abc",
                "900150983cd24fb0d6963f7d28e17f72",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                &long,
                "30a83621ce5422fbdfdd539777458c78",
                "94218caae9904e93a3d7bf578bf4791926fc5e82",
                "aa20c23e3201834050679e1d88941b9a6fed0557c9a705cb2c315e2e63fd486d",
            ),
        ] {
            assert_eq!(digests(text), [md5, sha1, sha256], "{}", text.escape_ascii());
        }
        // Each length of the last block has its end.
        for length in 50..70 {
            assert_eq!(digests(&b"y".repeat(length)).map(|digest| digest.len()), [32, 40, 64]);
        }
    }
}
