//! Whether a text may be UTF-7 (RFC 2152) under another label.
//!
//! Rules: some programs look for runs of it whatever a label says. Only a run counts that holds what is no letter, by which an
//! address could be spelled: few texts have one by chance.
//! When it fails: never. A text that is read in vain costs time only.

use crate::mime::transfer::sextet;

/// Whether a text of ASCII has an at sign, or what an escape of one begins with, in a run of UTF-7 (RFC 2152), which some
/// programs look for whatever its label says.
pub fn may_be_utf7(bytes: &[u8]) -> bool {
    let mut from = 0;
    let mut any = false;
    while let Some(plus) = memchr::memchr(b'+', bytes.get(from..).unwrap_or_default()).filter(|_| !any) {
        let run = bytes.get(from + plus + 1..).unwrap_or_default();
        let length = run.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        any = has_sign(run.get(..length).unwrap_or_default());
        from += plus + 1 + length;
    }
    any && bytes.is_ascii()
}

/// How far apart places are, in octets: less than one of them reaches.
const STEP: usize = 512;

/// Places of all runs of UTF-7 in a text, in order: what stands elsewhere is read alike in any charset.
pub fn places(bytes: &[u8]) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    let mut from = 0;
    while let Some(plus) = memchr::memchr(b'+', bytes.get(from..).unwrap_or_default()) {
        let start = from + plus;
        let run = bytes.get(start + 1..).unwrap_or_default();
        let length = run.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        from = start + 1 + length;
        for at in (start..from).step_by(STEP).take_while(|_| length > 0) {
            if out.last().is_none_or(|last| at >= last + STEP) {
                out.push(at);
            }
        }
    }
    out
}

/// Whether one of the characters in a run of UTF-7 is no letter, but a sign, a mark or one of a word for one.
fn has_sign(digits: &[u8]) -> bool {
    let (mut bits, mut count) = (0u32, 0u32);
    digits.iter().any(|b| {
        bits = bits << 6 | u32::from(sextet(*b));
        count += 6;
        if count < 16 {
            return false;
        }
        count -= 16;
        let [.., high, low] = (bits >> count).to_be_bytes();
        match [high, low] {
            [0, c] => c.is_ascii_punctuation(),
            // Marks, brackets, the first letters of アット and あっと, signs of full width.
            [0x24..=0x2b, _] | [0x30, 0x08..=0x1b | 0x42 | 0xa2] | [0xfe, 0x50..=0x6b] | [0xff, ..=0x5e] => {
                true
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymize::anchors::windows_at;

    #[test]
    fn a_text_is_read_near_its_runs_alone() {
        let near = "x ".repeat(20_000);
        let text = format!("{near}+AEA- and 1 + 1{near}bob+AEAAYQ-.example{near}");
        let read: usize =
            windows_at(text.as_bytes(), &places(text.as_bytes())).iter().map(|w| w.range.len()).sum();
        assert!((2_000..25_000).contains(&read), "{read} octets of {}", text.len());
        // A long run is read whole, from before its beginning.
        let text = format!("{near}\n+{}-{near}", "AGEAYg".repeat(5_000));
        let windows = windows_at(text.as_bytes(), &places(text.as_bytes()));
        let (plus, minus) = (text.find('+').unwrap(), text.find('-').unwrap());
        assert_eq!(windows.len(), 1);
        assert!(windows[0].range.start < plus && windows[0].range.end > minus);
        assert!(places(b"1 + 1 +-").is_empty());
    }

    #[test]
    fn only_a_run_with_a_sign_counts() {
        for text in [
            "bob+AEA-a",
            "bob+AEA a",
            "+AGIAbwBiAEAAYQ-",
            "bob+ACU-40a",
            "bob +MKIwwzDI- a",
            "a+bc +AFs-at+AF0-",
        ] {
            assert!(may_be_utf7(text.as_bytes()), "{text}");
        }
        for text in ["", "a+b", "1+1=2 +tag@x.example", "+ZeU-", "+ AEA", "bob+AEA-é"] {
            assert!(!may_be_utf7(text.as_bytes()), "{text}");
        }
        crate::anonymize::tests::grows_linearly("plus signs", |n| {
            assert!(!may_be_utf7("+".repeat(4 * n).as_bytes()))
        });
    }
}
