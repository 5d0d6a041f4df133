//! Whether a domain may stand behind a sign of a text in UTF-8: what spares most signs that chance has made, in octets that are
//! no text, the slow look.
//!
//! Rules: steps over what some view of the text leaves out, and says yes to whatever may be an escape, a tag, a comment or
//! a letter in another form. No is said only to a character that every view keeps as it is, and that begins no domain.
//! When it fails: never; where it cannot tell, a domain may follow.

use super::Needle;

/// Most characters that are stepped over.
const MAX_STEPS: usize = 64;

/// Whether the domain of one of the needles may be read at the beginning of `text`, which is UTF-8.
pub fn may_follow(text: &[u8], needles: &[Needle]) -> bool {
    let domains = || needles.iter().flat_map(Needle::domains);
    let mut rest = text;
    for _ in 0..MAX_STEPS {
        let Some(b) = rest.first() else { return true };
        let next = rest.get(1).copied().unwrap_or(b' ');
        // What is left out by one view may stand in the middle of an escape that the next one reads.
        let parts = !next.is_ascii_graphic();
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => {
                return !needles.iter().all(|needle| needle.is_ruled_out_behind(rest));
            }
            _ if domains().any(|domain| domain.first() == Some(b)) => return true,
            b'%' => return parts || next.is_ascii_hexdigit() || matches!(next, b'u' | b'U'),
            b'&' => return parts || next == b'#' || next.is_ascii_alphabetic(),
            b'=' => return parts || next.is_ascii_hexdigit(),
            b'<' => return next.is_ascii_alphabetic() || b"/!?".contains(&next),
            b'\\' if parts || next.is_ascii_alphanumeric() || next == b'\'' => return true,
            // A line end takes marks of quoting along, and a comment what stands in it.
            b'\n' | b'(' => return true,
            b'!' | b'#' | b'$' | b'*' | b',' | b'/' | b':' | b'?' | b'@' | b'[' | b'^' | b'`' | b'{'
            | b'|' | b'~' => {
                return false;
            }
            // What stands for an octet that makes no sense is left out.
            0xef if rest.starts_with("\u{fffd}".as_bytes()) => {
                rest = rest.get(3..).unwrap_or_default();
                continue;
            }
            0x80.. => return !(domains().all(|domain| domain.is_ascii()) && stays(rest)),
            _ => {}
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    true
}

/// Whether `text` begins with a letter of Japanese, Chinese or Korean that stays one when a text is folded, and begins none of
/// the words for a sign.
fn stays(text: &[u8]) -> bool {
    match text {
        // The first letters of アット, あっと, ドット, どっと and マーク.
        [0xe3, 0x81, 0x82 | 0xa9, ..] | [0xe3, 0x82, 0xa2, ..] | [0xe3, 0x83, 0x89 | 0x9e, ..] => false,
        [0xe3, 0x81, 0x81..=0xbf, ..]
        | [0xe3, 0x82, 0x80..=0x96 | 0xa1..=0xbf, ..]
        | [0xe3, 0x83, 0x80..=0xba, ..] => true,
        // The same in half width.
        [0xef, 0xbd, 0xb1, ..] | [0xef, 0xbe, 0x84 | 0x8f, ..] => false,
        [0xef, 0xbd, 0xa6..=0xbf, ..] | [0xef, 0xbe, 0x80..=0x9d, ..] => true,
        [0xe4..=0xed, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_may_follow_unless_a_character_stands_there_that_stays() {
        let needles = [Needle::new("bob@a.example", String::new())];
        let may = |text: &str| may_follow(text.as_bytes(), &needles);
        for text in [
            "",
            "a.example",
            "A.ex",
            "%61.example",
            "&#97;",
            "&shy;a",
            "=61",
            "=\r\na",
            "<b>a",
            "\\u0061",
            "(x)a",
            "\r\n> a",
            " a",
            "\u{1}\u{7f}a",
            ")a",
            "\" 'a",
            "ａ.example",
            "\u{200b}a",
            "\u{ad}a",
            "\u{fffd}a",
            "マークa",
            "𝐚",
            "ⓐ",
            "\\a",
        ] {
            assert!(may(text), "{text}");
        }
        for text in [
            "b.example",
            " b",
            "字a",
            "\u{fffd}字a",
            "かa",
            "ｶa",
            "한a",
            "/a",
            "%!",
            "&!",
            "=!",
            "<1",
            "\u{1}字",
        ] {
            assert!(!may(text), "{text}");
        }
        let idn = [Needle::new("bob@xn--wgv71a.example", String::new())];
        assert!(may_follow("日本.example".as_bytes(), &idn) && may_follow(b"xn--wgv71a.example", &idn));
    }
}
