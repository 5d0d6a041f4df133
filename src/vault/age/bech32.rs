//! Bech32 (BIP 173), the spelling of age's keys: a word, `1`, 5 bits a letter, six letters of checksum.
//!
//! Of keys alone: 32 octets. When it fails: what is misspelt is `None`.

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM: usize = 6;
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    values.fold(1, |checksum, value| {
        let top = checksum >> 25;
        let shifted = (checksum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let bits = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        bits.fold(shifted, |sum, (_, term)| sum ^ term)
    })
}

fn expanded(word: &str) -> impl Iterator<Item = u8> + '_ {
    word.bytes().map(|letter| letter >> 5).chain([0]).chain(word.bytes().map(|letter| letter & 31))
}

/// Regroups bits; `None` where bits that are left over are not zero, or are more than padding.
fn regroup(values: impl Iterator<Item = u8>, from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut out) = (0_u32, 0, Vec::new());
    for value in values {
        held = (held << from | u32::from(value)) & 0xfff;
        bits += from;
        while bits >= to {
            bits -= to;
            out.push(u8::try_from(held >> bits & ((1 << to) - 1)).ok()?);
        }
    }
    let left = held & ((1 << bits) - 1);
    match (pad, bits) {
        (true, 1..) => out.push(u8::try_from(left << (to - bits)).ok()?),
        (false, _) if bits >= from || left != 0 => return None,
        _ => {}
    }
    Some(out)
}

/// Spells a key behind a word of small letters.
pub(super) fn encode(word: &str, key: &[u8; 32]) -> String {
    let values = regroup(key.iter().copied(), 8, 5, true).unwrap_or_default();
    let checksum = polymod(expanded(word).chain(values.iter().copied()).chain([0; CHECKSUM])) ^ 1;
    let checks = (0..CHECKSUM).map(|at| u8::try_from(checksum >> (5 * (5 - at)) & 31).unwrap_or_default());
    let letters = values.iter().copied().chain(checks);
    let spelt = letters.filter_map(|value| LETTERS.get(usize::from(value))).map(|letter| char::from(*letter));
    format!("{word}1{}", spelt.collect::<String>())
}

/// Reads a key behind that word: in small letters or in capitals, not in both.
pub(super) fn decode(word: &str, text: &str) -> Option<[u8; 32]> {
    let small = text.to_ascii_lowercase();
    if small != text && text.to_ascii_uppercase() != text {
        return None;
    }
    let letters = small.strip_prefix(word)?.strip_prefix('1')?;
    let value = |letter: u8| LETTERS.iter().position(|known| *known == letter).map(|at| at as u8);
    let values: Vec<u8> = letters.bytes().map(value).collect::<Option<_>>()?;
    if polymod(expanded(word).chain(values.iter().copied())) != 1 {
        return None;
    }
    let key = values.get(..values.len().checked_sub(CHECKSUM)?)?;
    regroup(key.iter().copied(), 5, 8, false)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelt_and_read_and_a_slip_of_the_pen_is_seen() {
        // The example of the C2SP specification.
        let known = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        let key = decode("age", known).unwrap();
        assert_eq!(encode("age", &key), known);
        assert_eq!(decode("age", &known.to_ascii_uppercase()), Some(key));
        for at in 4..known.len() {
            let mut letters = known.as_bytes().to_vec();
            letters[at] = if letters[at] == b'q' { b'p' } else { b'q' };
            assert_eq!(decode("age", std::str::from_utf8(&letters).unwrap()), None, "{at}");
            assert_eq!(decode("age", &known[..at]), None, "{at}");
        }
        for other in
            ["", "age1", "age", "AGE1zvk", "abc1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"]
        {
            assert_eq!(decode("age", other), None, "{other}");
        }
        for octet in 0..=255 {
            let key = [octet; 32];
            assert_eq!(decode("age-secret-key-", &encode("age-secret-key-", &key)), Some(key));
        }
    }
}
