//! What stands directly before an address, ends in a letter, a digit or a plus, and is no part of a local part.
//!
//! Rules: a blank of a link's query (`?q=mail+bob@`, WHATWG URL §5.1), an undeclared escape of a line end, a blank or an octet
//! beyond ASCII (`=0Abob@`, RFC 2045 §6.7), the second octet of a character in the charset of a link, the sequence that
//! takes a text back to ASCII (`ESC ( B`, RFC 1468), `\b` and the like of scripts, and a named character without its
//! semicolon (`&copybob@`, HTML §13.5). Such letters can begin a longer local part too: that is in doubt, and a hit.
//! When it fails: never.

/// How far before a plus the beginning of its link is looked for, in octets.
const MAX_LINK: usize = 2048;
/// Longest name of a character that is known without its semicolon.
const MAX_NAME: usize = 6;

/// The names that are known without their semicolon, in lower case.
const NAMES: &[u8] = b" aelig amp aacute acirc agrave aring atilde auml copy ccedil eth eacute ecirc egrave euml gt iacute \
icirc igrave iuml lt ntilde oacute ocirc ograve oslash otilde ouml quot reg thorn uacute ucirc ugrave uuml yacute acute \
brvbar cedil cent curren deg divide frac12 frac14 frac34 iexcl iquest laquo macr micro middot nbsp not ordf ordm para \
plusmn pound raquo sect shy sup1 sup2 sup3 szlig times uml yen yuml ";

/// Whether what `before` ends with is none of a word.
pub fn ends_other(before: &[u8]) -> bool {
    match before {
        [.., b'+'] => is_in_query(before),
        [.., b'=', high, low] if is_blank(*high, *low) => true,
        // One with a digit, or one of several: `to=data@` is a word.
        [rest @ .., b'=', high, low] if is_beyond(*high, *low) => {
            high.is_ascii_digit() || low.is_ascii_digit() || ends_octet(rest)
        }
        // What stands for an octet that makes no sense, and a letter that may be the second half of its character.
        [.., 0xef, 0xbf, 0xbd, 0x40..=0x7e] => true,
        [.., 0x1b, b'(', b'b' | b'B' | b'j' | b'J'] => true,
        [.., b'\\', b'b' | b'f' | b'v' | b'n' | b'N' | b'r' | b't'] => true,
        _ => ends_name(before),
    }
}

/// Whether two digits are those of a blank or a line end.
fn is_blank(high: u8, low: u8) -> bool {
    matches!((high, low), (b'0', b'9' | b'a' | b'A' | b'd' | b'D') | (b'2', b'0'))
}

/// Whether they are those of an octet beyond ASCII.
fn is_beyond(high: u8, low: u8) -> bool {
    matches!(high, b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F') && low.is_ascii_hexdigit()
}

fn ends_octet(before: &[u8]) -> bool {
    matches!(before, [.., b'=', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// Whether `before` ends within a link, behind what begins its query or fragment. A blank or a line end ends a link, but for a fold,
/// the marks of quoting behind one, and those in a quoted attribute.
pub fn is_in_query(before: &[u8]) -> bool {
    let near = before.get(before.len().saturating_sub(MAX_LINK)..).unwrap_or_default();
    let cut = near.iter().rposition(|b| b"<\"".contains(b));
    let is_attribute = cut.is_some_and(|at| near.get(at.saturating_sub(1)..=at) == Some(b"=\""));
    let mut link: Vec<u8> = Vec::new();
    let mut rest = cut.and_then(|at| near.get(at + 1..)).unwrap_or(near);
    while let Some((first, behind)) = rest.split_first() {
        let blanks = rest.iter().take_while(|b| b" \t\r\n>|".contains(b)).count();
        if blanks == 0 {
            link.push(first.to_ascii_lowercase());
            rest = behind;
            continue;
        }
        let (gap, behind) = rest.split_at_checked(blanks).unwrap_or((rest, &[]));
        let is_seam = matches!(gap, b"\r\n " | b"\n " | b"\r\n\t" | b"\n\t" | b" \r\n" | b" \n")
            || gap.contains(&b'\n') && gap.contains(&b'>');
        if !is_attribute && !is_seam {
            link.clear();
        }
        rest = behind;
    }
    let scheme =
        memchr::memmem::find(&link, b"://").into_iter().chain(memchr::memmem::find(&link, b"mailto:"));
    let behind = scheme.min().and_then(|at| link.get(at..)).unwrap_or_default();
    memchr::memchr3(b'?', b'&', b'#', behind).is_some()
}

fn ends_name(before: &[u8]) -> bool {
    let near = before.get(before.len().saturating_sub(MAX_NAME + 1)..).unwrap_or_default();
    let Some(at) = memchr::memrchr(b'&', near) else { return false };
    let name = near.get(at + 1..).unwrap_or_default();
    let word = [b" ", name, b" "].concat().to_ascii_lowercase();
    name.iter().all(u8::is_ascii_alphanumeric) && memchr::memmem::find(NAMES, &word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_goes_on_over_folds_and_in_attributes_and_ends_at_any_other_blank() {
        for before in [
            "see https://x.example/?view=cm&su=order-123\r\n 4&body=please+write+to",
            "<a href=\"https://x.example/?view=cm&amp;su=order-1234\r\n&amp;body=write+to",
            "<a href=\"mailto:x@y.example?subject=Order 12&body=write+to",
            "https://x.example/?su=order \r\n-1234&body=write+to",
            "> see https://x.example/?su=order\r\n> -1234&body=write+to",
        ] {
            assert!(is_in_query(before.as_bytes()), "{before}");
        }
        for before in [
            "https://x.example/?q=a b",
            "https://x.example/?a=1 or write to hanako",
            "https://x.example/?a=1\r\nhanako",
            "<a href=\"https://x.example/?a=1\">x</a> hanako",
            "",
        ] {
            assert!(!is_in_query(before.as_bytes()), "{before}");
        }
    }

    #[test]
    fn what_is_no_part_of_a_word_is_told_from_what_may_be() {
        for before in [
            "https://x.example/?q=mail+",
            "<a href=\"https://x.example/?a=1&amp;q=mail+",
            "https://x.example/#search/from+",
            "MAILTO:shop@x.example?body=Reply+to+",
            "x=0A",
            "x=0d",
            "x=20",
            "=E3=83=AB",
            "\u{fffd}K",
            "\u{1b}(B",
            "{\"a\":\"x\\b",
            "DESCRIPTION:x\\N",
            "&copy",
            "&middot",
            "&Eacute",
        ] {
            assert!(ends_other(before.as_bytes()), "{before}");
        }
        for before in [
            "",
            "x",
            "mail+",
            "https://x.example/a+",
            "?q=\"x+",
            "https://x.example/?a=1 or hanako+",
            "https://x.example/?a=1\r\nhanako+",
            "x=0B",
            "x=41",
            "to=da",
            "x=FE",
            "\u{fffd}KK",
            "&cop",
            "&a;copy",
        ] {
            assert!(!ends_other(before.as_bytes()), "{before}");
        }
    }
}
