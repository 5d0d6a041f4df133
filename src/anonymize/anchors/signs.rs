//! What may stand for an at sign beside `@` itself: escapes, the word, and the wide forms of each charset.
//!
//! Rules: found by two octets of each that are rare in all texts, so that most of a text costs one look at each octet.
//! What only looks like a sign is the caller's to tell.
//! When it fails: never.

use std::ops::Range;

/// The next octets of which a sign beside `@` itself may be made, at `from` or behind it, and where it stands. Of most signs
/// two octets are looked for that are rare in all texts.
pub fn next_sign(text: &[u8], mut from: usize) -> Option<(usize, Range<usize>)> {
    loop {
        let pairs = text.get(from..)?.windows(2);
        let may_be = |pair: &[u8]| match pair {
            [a, b] => {
                (FIRST.get(usize::from(*a)).unwrap_or(&0) & SECOND.get(usize::from(*b)).unwrap_or(&0)) != 0
            }
            _ => false,
        };
        let key = from + pairs.into_iter().position(may_be)?;
        from = key + 1;
        let (first, second) = (text.get(key)?, text.get(key + 1)?);
        let from_pair = usize::from(FIRST_PAIR.get(usize::from(*first)).copied().unwrap_or(0xff));
        let same = PAIRS.iter().skip(from_pair).take_while(|pair| pair.0 == *first);
        let Some((_, _, sign, before)) = same.into_iter().find(|pair| pair.1 == *second) else { continue };
        let Some(start) = key.checked_sub(*before) else { continue };
        if text.get(start..).is_some_and(|rest| rest.starts_with(sign)) {
            return Some((key, start..start + sign.len()));
        }
    }
}

/// Two octets of a sign, the sign, and how many of its octets stand before them.
pub(super) type Pair = (u8, u8, &'static [u8], usize);

/// What may stand for an at sign beside `@` itself; those that begin with the same octet stand together.
pub(super) const PAIRS: [Pair; 26] = [
    // In UTF-8 its octets are the end of a frequent letter.
    (0x81, 0x97, b"\x81\x97", 0),
    (b'4', b'0', b"40", 0),
    (b'6', b'4', b"64", 0),
    (b'\\', b'1', b"\\100", 0),
    (b'a', b't', b"at", 0),
    (b'a', b'T', b"aT", 0),
    (b'A', b't', b"At", 0),
    (b'A', b'T', b"AT", 0),
    // The wide at sign of UTF-8 in percent escapes; アット in ISO-2022-JP.
    (b'%', b'B', b"%BC%A0", 0),
    (b'%', b'b', b"%bc%a0", 0),
    (b'%', b'"', b"%\"%C%H", 0),
    // The wide at signs: UTF-8 (two of them), EUC-JP, GBK and EUC-KR, Big5, ISO-2022-JP; small ones. アット and あっと in
    // the same charsets and in Shift_JIS.
    (0xbc, 0xa0, "\u{ff20}".as_bytes(), 1),
    (0xb9, 0xab, "\u{fe6b}".as_bytes(), 1),
    (0xa1, 0xf7, b"\xa1\xf7", 0),
    (0xa3, 0xc0, b"\xa3\xc0", 0),
    (0xa3, 0xe3, "あっと".as_bytes(), 5),
    (0xa2, 0x49, b"\xa2\x49", 0),
    (0xa2, 0x4e, b"\xa2\x4e", 0),
    (b'!', b'w', b"!w", 0),
    (0xa9, 0x88, b"\xa9\x88", 0),
    (0x83, 0x83, "アット".as_bytes(), 4),
    (0x83, 0x41, b"\x83\x41\x83\x62\x83\x67", 0),
    (0x82, 0xc1, b"\x82\xa0\x82\xc1\x82\xc6", 2),
    (0xa5, 0xc3, b"\xa5\xa2\xa5\xc3\xa5\xc8", 2),
    (0xa4, 0xc3, b"\xa4\xa2\xa4\xc3\xa4\xc8", 2),
    (b'$', b'"', b"$\"$C$H", 0),
];

/// The first of the pairs that an octet begins; there are none where it is 0xff.
static FIRST_PAIR: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut i = PAIRS.len();
    while i > 0 {
        i -= 1;
        #[expect(clippy::cast_possible_truncation, reason = "there are few pairs")]
        let place = i as u8;
        table[PAIRS[i].0 as usize] = place;
    }
    table
};

/// Which pairs an octet may begin, and which it may end, by classes of pairs that hardly stand in the same texts.
static FIRST: [u8; 256] = classes(0);
static SECOND: [u8; 256] = classes(1);

const fn classes(place: usize) -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < PAIRS.len() {
        let (first, second, ..) = PAIRS[i];
        let class = match first {
            b'4' | b'6' => 1,
            b'a' | b'A' => 1 << 1,
            0..=0x7f => 1 << 2,
            0x81 => 1 << 3,
            0x82 | 0x83 => 1 << 4,
            0xb9 | 0xbc => 1 << 5,
            0xa1..=0xa3 => 1 << 6,
            _ => 1 << 7,
        };
        table[if place == 0 { first } else { second } as usize] |= class;
        i += 1;
    }
    table
}
