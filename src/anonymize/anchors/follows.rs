//! Whether a domain may stand behind a sign of a text in UTF-8: what spares most signs that chance has made, in octets that are
//! no text, the slow look.
//!
//! Rules: steps over what some view of the text leaves out, and says yes to whatever may be an escape, a tag, a comment or
//! a letter in another form. No is said only to a character that every view keeps as it is, and that begins no domain.
//! When it fails: never; where it cannot tell, a domain may follow.

use super::Needle;

/// Most characters that are stepped over.
const MAX_STEPS: usize = 64;
/// Longest comment whose end is looked for, and how far before it the line begins that quotes like the next one, in octets.
const MAX_COMMENT: usize = 1024;
const MAX_LINE: usize = 4096;
/// Most ends that a comment may have.
const MAX_ENDS: usize = 16;

/// Whether comments are stepped over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comments {
    Stepped,
    Unknown,
}

/// Whether the domain of one of the needles may be read at `at` of a text in UTF-8.
pub fn may_follow(text: &[u8], at: usize, needles: &[Needle]) -> bool {
    follows(text, at, needles, Comments::Stepped)
}

fn follows(text: &[u8], mut at: usize, needles: &[Needle], comments: Comments) -> bool {
    let domains = || needles.iter().flat_map(Needle::domains);
    for _ in 0..MAX_STEPS {
        let rest = text.get(at..).unwrap_or_default();
        let Some((b, behind)) = rest.split_first() else { return true };
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => {
                return !needles.iter().all(|needle| needle.is_ruled_out_behind(rest));
            }
            _ if domains().any(|domain| domain.first() == Some(b)) => return true,
            b'=' if ends_line(behind) => {}
            b'%' if matches!(next(behind), Next::One(b'u' | b'U', _)) => return true,
            b'%' | b'=' => return begins_with_digits(behind),
            b'&' => return begins_entity(behind),
            b'<' => return behind.first().is_some_and(|b| b.is_ascii_alphabetic() || b"/!?".contains(b)),
            b'\\' if begins_escape(behind) => return true,
            b'^' if matches!(next(behind), Next::One(b'n' | b'\'', _) | Next::Unknown) => return true,
            b'\n' => {
                if quotes_alike(text, at) {
                    return true;
                }
                let is_mark = |b: &&u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'|');
                at += behind.iter().take_while(is_mark).count();
            }
            // One comment behind another is too much to tell.
            b'(' if comments == Comments::Unknown => return true,
            b'(' => {
                let near = rest.get(..rest.len().min(MAX_COMMENT)).unwrap_or_default();
                let mut count = 0;
                let may_follow = memchr::memchr_iter(b')', near).any(|end| {
                    count += 1;
                    count > MAX_ENDS || follows(text, at + end + 1, needles, Comments::Unknown)
                });
                return count == 0 || may_follow;
            }
            b'!' | b'#' | b'$' | b'*' | b',' | b'/' | b':' | b'?' | b'@' | b'[' | b'^' | b'`' | b'{'
            | b'|' | b'~' => {
                return false;
            }
            // What stands for an octet that makes no sense is left out.
            0xef if rest.starts_with("\u{fffd}".as_bytes()) => at += 2,
            0x80.. => return !(domains().all(|domain| domain.is_ascii()) && stays(rest)),
            _ => {}
        }
        at += 1;
    }
    true
}

/// What stands next in a text, when all is left out that some view leaves out.
enum Next<'t> {
    /// A character that stays, and the text behind it.
    One(u8, &'t [u8]),
    /// None that begins or goes on with an escape.
    Other,
    /// What may become anything: an escape itself, a tag, a comment, a letter in another form.
    Unknown,
}

fn next(text: &[u8]) -> Next<'_> {
    let mut rest = text;
    for _ in 0..MAX_STEPS {
        let Some((b, behind)) = rest.split_first() else { return Next::Unknown };
        rest = match b {
            b'\n' | b'(' | b'<' | b'%' | b'&' | b'=' | b'\\' | b'^' => return Next::Unknown,
            0x21..=0x7e => return Next::One(*b, behind),
            0..0x80 => behind,
            0xef if rest.starts_with("\u{fffd}".as_bytes()) => rest.get(3..).unwrap_or_default(),
            _ => return if stays(rest) { Next::Other } else { Next::Unknown },
        };
    }
    Next::Unknown
}

/// Whether two hexadecimal digits may stand at the beginning.
fn begins_with_digits(text: &[u8]) -> bool {
    let is_digit = |text| match next(text) {
        Next::One(b, behind) => b.is_ascii_hexdigit().then_some(Some(behind)),
        Next::Other => None,
        Next::Unknown => Some(None),
    };
    match is_digit(text) {
        Some(Some(behind)) => is_digit(behind).is_some(),
        Some(None) => true,
        None => false,
    }
}

/// Whether what is behind an ampersand may make an entity of it: a number, or a name by its first letters.
fn begins_entity(text: &[u8]) -> bool {
    match next(text) {
        Next::One(b'#', _) | Next::Unknown => true,
        Next::One(b, behind) if b"abcdeghlmnpqrstvzAGHLMNQTUVZ".contains(&b) => match next(behind) {
            Next::One(b, _) => b.is_ascii_alphabetic(),
            Next::Other => false,
            Next::Unknown => true,
        },
        _ => false,
    }
}

/// Whether what is behind a backslash may make an escape of it; else it is left out at most.
fn begins_escape(text: &[u8]) -> bool {
    match next(text) {
        Next::One(b'u' | b'U' | b'x' | b'\'', behind) => match next(behind) {
            Next::One(b, _) => b.is_ascii_hexdigit() || b == b'{',
            Next::Other => false,
            Next::Unknown => true,
        },
        Next::One(b, _) => b.is_ascii_digit() || b"nNrtbfv_-.@+/".contains(&b),
        Next::Other => false,
        Next::Unknown => true,
    }
}

/// Whether a line ends at the beginning, but for what is not seen.
fn ends_line(text: &[u8]) -> bool {
    let visible = text.iter().take(MAX_STEPS).find(|b| **b > b' ' || **b == b'\n');
    visible.is_none_or(|b| *b == b'\n')
}

/// Whether the line behind the line end at `newline` begins like the one before it, so that both may be quoted.
fn quotes_alike(text: &[u8], newline: usize) -> bool {
    let from = newline.saturating_sub(MAX_LINE);
    let line = text.get(from..newline).unwrap_or_default();
    match memchr::memrchr(b'\n', line) {
        None if from > 0 => true,
        start => text.get(newline + 1) == line.get(start.map_or(0, |at| at + 1)),
    }
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
        let may = |text: &str| may_follow(text.as_bytes(), 0, &needles);
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
            "%\u{200b}61",
            "%\u{1}6\u{fffd}1",
            "%６1",
            "&\u{1}#97;",
            "&a<b>mp;",
            "=\u{1}\r\na",
            "\r\n|a",
            "(x(y)z)a",
            "\u{fffd}\\\u{fffd}u\u{1}0061",
        ] {
            assert!(may(text), "{text}");
        }
        assert!(may(&"()".repeat(100_000)) && may(&"(\n".repeat(100_000)));
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
            "%g1",
            "%\u{fffd}字a",
            "&x",
            "=\u{fffd}g",
            "\\z",
            "\n字",
            "(a) b",
        ] {
            assert!(!may(text), "{text}");
        }
        let idn = [Needle::new("bob@xn--wgv71a.example", String::new())];
        assert!(may_follow("日本.example".as_bytes(), 0, &idn) && may_follow(b"xn--wgv71a.example", 0, &idn));
    }
}
