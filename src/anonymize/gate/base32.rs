//! Tokens in base32 (RFC 4648 §6 and §7): for the gate alone.
//!
//! Rules: a run of digits of one case in either alphabet, long enough for what is looked for, is read from each of its first eight
//! digits on.
//! When it fails: never; what is none gives octets that mean nothing.

/// Longest run that is read, in digits: more is no token.
const MAX_DIGITS: usize = 8192;

/// The value of a digit in the usual alphabet and in that of hexadecimal digits.
fn plain(b: u8) -> Option<u8> {
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a'),
        b'2'..=b'7' => Some(b - b'2' + 26),
        _ => None,
    }
}

fn extended(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'V' => Some(b - b'A' + 10),
        b'a'..=b'v' => Some(b - b'a' + 10),
        _ => None,
    }
}

/// Gives `each` what runs in a token hold, where they are long enough for `least` octets; `octets` is room.
pub fn read(token: &[u8], least: usize, octets: &mut Vec<u8>, each: &mut impl FnMut(&[u8])) {
    let needed = (least * 8 / 5).max(1);
    let (upper, lower) = (|b: &u8| b.is_ascii_uppercase(), |b: &u8| b.is_ascii_lowercase());
    for other in [upper as fn(&u8) -> bool, lower] {
        let is_one = |b: &u8| b.is_ascii_alphanumeric() && !other(b);
        let mut done = 0;
        // No run that is long enough lies between two of these places; digits of base64 change their case every few.
        for probe in (needed - 1..token.len()).step_by(needed) {
            if probe < done {
                continue;
            }
            let (before, behind) = token.split_at_checked(probe).unwrap_or_default();
            let start = probe - before.iter().rev().take_while(|b| is_one(b)).count();
            done = probe + behind.iter().take_while(|b| is_one(b)).count();
            let run = token.get(start..done).unwrap_or_default();
            if !(needed..=MAX_DIGITS).contains(&run.len()) {
                continue;
            }
            for value in [plain as fn(u8) -> Option<u8>, extended] {
                let runs = run.split(|b| value(*b).is_none()).filter(|run| run.len() >= needed);
                runs.for_each(|run| decode(run, value, octets, each));
            }
        }
    }
}

fn decode(run: &[u8], value: fn(u8) -> Option<u8>, octets: &mut Vec<u8>, each: &mut impl FnMut(&[u8])) {
    for skip in 0..8 {
        octets.clear();
        let (mut bits, mut count) = (0u32, 0);
        for b in run.iter().skip(skip) {
            bits = bits << 5 | u32::from(value(*b).unwrap_or(0));
            count += 5;
            if count >= 8 {
                count -= 8;
                let [.., octet] = (bits >> count).to_be_bytes();
                octets.push(octet);
            }
        }
        each(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use data_encoding::{BASE32_NOPAD, BASE32HEX_NOPAD};

    #[test]
    fn runs_of_either_alphabet_are_read_from_any_place_on() {
        for before in ["", "x", "ab/", "12345"] {
            for write in [BASE32_NOPAD, BASE32HEX_NOPAD] {
                let digits = write.encode(b"id bob.smith@a.example");
                for digits in [digits.to_lowercase(), digits] {
                    let mut found = false;
                    read(format!("{before}{digits}").as_bytes(), 8, &mut Vec::new(), &mut |octets| {
                        found |= memchr::memmem::find(octets, b"bob.smith@a.example").is_some();
                    });
                    let is_one_case = before.chars().all(|c| !c.is_ascii_lowercase())
                        || !digits.contains(|c: char| c.is_ascii_uppercase());
                    assert!(found || !is_one_case, "{before}{digits}");
                }
            }
        }
    }
}
