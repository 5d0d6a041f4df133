//! Octets out of base64 and encoded words wherever they stand: for the gate alone, apart from the readers of `mime`.
//!
//! Rules: whatever looks like it is decoded, in any charset and alphabet (RFC 4648 §4 and §5, RFC 2047), blanks and
//! line ends inside ignored.
//! When it fails: never; what is no base64 gives octets that mean nothing.

/// A header value with all that looks like an encoded word decoded, whatever its charset, and the blanks between
/// words out.
pub fn words_as_octets(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    // Without an end no word begins: looked for once, so that many openings cost no more than one.
    let last_end = memchr::memmem::rfind(value, b"?=").unwrap_or(0);
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        if !before.iter().all(u8::is_ascii_whitespace) {
            out.extend_from_slice(before);
        }
        let mut pieces = from.get(2..).unwrap_or_default().splitn(3, |b| *b == b'?');
        let (label, coding, text) = (pieces.next(), pieces.next(), pieces.next());
        let coding = coding.filter(|coding| matches!(coding, [b'b' | b'B' | b'q' | b'Q']));
        let text = text.filter(|text| coding.is_some() && value.len() - text.len() <= last_end);
        let text = text.and_then(|text| memchr::memmem::find(text, b"?=").and_then(|end| text.get(..end)));
        let (Some(label), Some([coding]), Some(text)) = (label, coding, text) else {
            out.extend_from_slice(b"=?");
            rest = from.get(2..).unwrap_or_default();
            continue;
        };
        if coding.eq_ignore_ascii_case(&b'b') {
            out.extend(decode_base64(text));
        } else {
            let mut text = text.iter().copied();
            while let Some(b) = text.next() {
                let digits = if b == b'=' { text.clone().next().zip(text.clone().nth(1)) } else { None };
                let digit = |b: u8| char::from(b).to_digit(16);
                let octet = digits.and_then(|(high, low)| u8::try_from(digit(high)? * 16 + digit(low)?).ok());
                if octet.is_some() {
                    text.nth(1);
                }
                out.push(octet.unwrap_or(if b == b'_' { b' ' } else { b }));
            }
        }
        rest = from.get(2 + label.len() + 3 + text.len() + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// What all words in base64 of a value hold when their texts are put together first: some programs cut the text of a
/// word where no group of four ends, and some put it together again.
pub fn words_together(value: &[u8]) -> Vec<u8> {
    let (mut out, mut texts) = (Vec::new(), Vec::new());
    let mut pieces = value.split(|b| *b == b'?').peekable();
    let mut in_word = false;
    while let Some(piece) = pieces.next() {
        if matches!(piece, [b'b' | b'B']) {
            texts.extend(pieces.next().into_iter().flatten().copied().filter(|b| *b != b'='));
            in_word = true;
            continue;
        }
        // What stands between two words: only blanks, or a new beginning.
        let blank = piece.iter().all(|b| *b == b'=' || b.is_ascii_whitespace());
        let follows = in_word && blank;
        if !follows && !texts.is_empty() && memchr::memchr(b'=', piece).is_some() {
            out.extend(decode_base64(&texts));
            out.push(b' ');
            texts.clear();
        }
        in_word = false;
    }
    out.extend(decode_base64(&texts));
    out
}

/// What the octets hold as base64 to a program that skips `=` like any other octet outside the alphabet; `None`
/// where one stands at the end only.
pub fn decode_over_padding(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|b| *b != b'=' && !b.is_ascii_whitespace())?;
    let text = text.get(..=end)?;
    memchr::memchr(b'=', text)?;
    let letters: Vec<u8> = text.iter().copied().filter(|b| *b != b'=').collect();
    Some(decode_base64(&letters))
}

/// Stretches of base64 or hexadecimal digits inside a text, such as in links, each decoded in every way it can be cut.
pub fn tokens(text: &[u8], least: usize, mut each: impl FnMut(&[u8])) {
    let is_token = |b: &u8| is_base64(*b) && *b != b'=';
    for token in text.split(|b| !is_token(b)).filter(|token| (least..=MAX_TOKEN).contains(&token.len())) {
        for skip in 0..4 {
            each(&decode_base64(token.get(skip..).unwrap_or_default()));
        }
    }
    let digits = |token: &&[u8]| (least..=MAX_TOKEN).contains(&token.len());
    for token in text.split(|b| !b.is_ascii_hexdigit()).filter(digits) {
        for skip in 0..2 {
            let pairs = token.get(skip..).unwrap_or_default();
            let pairs = pairs.get(..pairs.len() & !1).unwrap_or_default();
            each(&data_encoding::HEXLOWER_PERMISSIVE.decode(pairs).unwrap_or_default());
        }
    }
}

/// Longest token of a link that is decoded, in octets; longer ones are files.
const MAX_TOKEN: usize = 8192;

/// Whether the octet belongs to base64, of either alphabet.
pub fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// What the octets hold as base64, of either alphabet, whatever else is among them.
pub fn decode_base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for b in text {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.extend(u8::try_from(bits >> count & 0xff));
        }
    }
    out
}
