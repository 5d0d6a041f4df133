//! Encoded words of a header field to text (RFC 2047), each word decoded by itself.
//!
//! A decoder of its own, since `mail-parser` joins the octets of adjacent words first, and two shifts of ISO-2022-JP
//! in a row are an error to the decoder of the WHATWG (Encoding §12.2.1): it shows U+FFFD where each word is right.
//! When it fails: what is no good word stays as it is.

use data_encoding::BASE64_MIME_PERMISSIVE;
use encoding_rs::Encoding;

/// Unfolds a field's value and decodes its encoded words.
pub(super) fn decoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut after_word = false;
    for token in value.split_whitespace() {
        let (text, is_word) = words_of(token);
        // Blanks between two words belong to the folding (RFC 2047 §6.2).
        if !(out.is_empty() || after_word && is_word) {
            out.push(' ');
        }
        out.push_str(&text);
        after_word = is_word;
    }
    out
}

/// Decodes the encoded words in a token without blanks; whether it is one from end to end.
fn words_of(token: &str) -> (String, bool) {
    let (mut out, mut rest) = (String::new(), token);
    let mut is_word = false;
    while let Some((before, behind)) = rest.split_once("=?") {
        let Some((text, after)) = word(behind) else {
            out.push_str(before);
            out.push_str("=?");
            rest = behind;
            continue;
        };
        is_word = before.is_empty() && after.is_empty();
        out.push_str(before);
        out.push_str(&text);
        rest = after;
    }
    out.push_str(rest);
    (out, is_word)
}

/// `charset?B?text?=` and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (coded, after) = rest.split_once("?=")?;
    let charset = charset.split('*').next()?;
    let charset = Encoding::for_label(charset.as_bytes())?;
    let octets = match encoding {
        "B" | "b" => BASE64_MIME_PERMISSIVE.decode(coded.as_bytes()).ok()?,
        "Q" | "q" => unquoted(coded)?,
        _ => return None,
    };
    Some((charset.decode_without_bom_handling(&octets).0.into_owned(), after))
}

/// The Q encoding (RFC 2047 §4.2).
fn unquoted(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        octets.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_field_are_decoded_each_by_itself() {
        for (value, text) in [
            (" =?ISO-2022-JP?B?GyRCMlYbKEI=?=\r\n =?ISO-2022-JP?B?GyRCMlYbKEI=?= x", "花花 x"),
            ("=?utf-8?Q?a_=E8=8A=B1?= <a@x.example>", "a 花 <a@x.example>"),
            ("=?utf-8*ja?b?6Iqx?=,=?utf-8?b?6Iqx?=", "花,花"),
            (
                "=?x-unknown?Q?a?= =?utf-8?Q?=4?= =?utf-8?X?a?= =?",
                "=?x-unknown?Q?a?= =?utf-8?Q?=4?= =?utf-8?X?a?= =?",
            ),
            (" a\r\n\tb ", "a b"),
        ] {
            assert_eq!(decoded(value), text);
        }
    }
}
