//! Texts inside texts: encoded words, quoted-printable, base64, hexadecimal and uuencode wherever they stand.

use super::charset;
use data_encoding::{BASE64_NOPAD, Encoding, Specification};
use std::sync::LazyLock;

/// Octets that were found, and how they were encoded.
pub struct Inner {
    pub octets: Vec<u8>,
    pub how: &'static str,
}

static LENIENT: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification: Specification = BASE64_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().unwrap()
});

/// Everything that can be decoded out of `octets`. `fragment` is a piece of what is sought.
pub fn in_octets(octets: &[u8], fragment: &[u8], depth: usize) -> Vec<Inner> {
    let mut out = Vec::new();
    if memchr::memmem::find(octets, b"=?").is_some() {
        out.push(Inner { octets: with_words(octets), how: "encoded words" });
        out.push(Inner {
            octets: words(octets, &|_, text| text.to_vec()),
            how: "encoded words, any charset",
        });
    }
    if octets
        .iter()
        .zip(octets.iter().skip(1))
        .any(|(a, b)| *a == b'=' && (b.is_ascii_hexdigit() || *b == b'\r'))
    {
        out.push(Inner { octets: quoted_printable(octets), how: "quoted-printable" });
    }
    for line in octets.split(|b| *b == b'\n') {
        if line.starts_with(b"begin ") {
            out.push(Inner { octets: uudecoded(octets), how: "uuencode" });
            break;
        }
    }
    runs(octets, fragment, &mut out);
    if depth > 0 {
        // Deeper only what makes sense is worth a look.
        out.retain(|inner| !inner.how.starts_with("base64") || makes_sense(&inner.octets, fragment));
    }
    out
}

/// The octets with encoded words (RFC 2047) decoded to UTF-8, also where none is allowed, and also where a character
/// is split between two of them.
pub fn with_words(octets: &[u8]) -> Vec<u8> {
    words(octets, &|label, text| charset::decode(label, text).into_bytes())
}

fn words(octets: &[u8], decode: &dyn Fn(&str, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let close = |open: &mut Option<(String, Vec<u8>)>, out: &mut Vec<u8>| {
        if let Some((label, text)) = open.take() {
            out.extend(decode(&label, &text));
        }
    };
    let mut out: Vec<u8> = Vec::new();
    let mut open: Option<(String, Vec<u8>)> = None;
    let mut at = 0;
    while at < octets.len() {
        let rest = &octets[at..];
        if let Some((length, label, decoded)) = word(rest) {
            match &mut open {
                Some((same, text)) if *same == label => text.extend(decoded),
                _ => {
                    close(&mut open, &mut out);
                    open = Some((label, decoded));
                }
            }
            at += length;
            let blank = octets[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
            if octets[at + blank..].starts_with(b"=?") {
                at += blank;
            }
            continue;
        }
        close(&mut open, &mut out);
        out.push(octets[at]);
        at += 1;
    }
    close(&mut open, &mut out);
    out
}

fn word(rest: &[u8]) -> Option<(usize, String, Vec<u8>)> {
    let inner = rest.strip_prefix(b"=?")?;
    let label_end = inner.iter().take(60).position(|b| *b == b'?')?;
    let label = std::str::from_utf8(&inner[..label_end]).ok()?.split('*').next()?.to_ascii_lowercase();
    let coding = inner.get(label_end + 1)?.to_ascii_lowercase();
    let text = inner.get(label_end + 2..)?.strip_prefix(b"?")?;
    let end = memchr::memmem::find(text, b"?=")?;
    let decoded = match coding {
        b'b' => base64_ignoring_padding(&text[..end]),
        b'q' => quoted_printable(
            &text[..end].iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect::<Vec<_>>(),
        ),
        _ => return None,
    };
    Some((rest.len() - text.len() + end + 2, label, decoded))
}

fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        at += 1;
        if *octet != b'=' {
            out.push(*octet);
            continue;
        }
        let blank = octets[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match octets.get(at..at + 2) {
            Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap();
                out.push(digit(a) << 4 | digit(b));
                at += 2;
            }
            _ if octets[at + blank..].starts_with(b"\r\n") => at += blank + 2,
            _ if octets[at + blank..].starts_with(b"\n") => at += blank + 1,
            _ => out.push(b'='),
        }
    }
    out
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
}

/// Base64 read as some programs do: everything else left out, going on behind padding.
pub fn base64_ignoring_padding(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in octets.split(|b| *b == b'=') {
        let letters: Vec<u8> = block.iter().copied().filter(|b| is_base64(*b)).collect();
        out.extend(decoded(&letters, 0).unwrap_or_default());
    }
    out
}

fn decoded(letters: &[u8], skip: usize) -> Option<Vec<u8>> {
    let letters = letters.get(skip..)?;
    let whole = letters.len() - usize::from(letters.len() % 4 == 1);
    let plain: Vec<u8> = letters[..whole]
        .iter()
        .map(|b| match b {
            b'-' => b'+',
            b'_' => b'/',
            b => *b,
        })
        .collect();
    LENIENT.decode(&plain).ok()
}

/// Runs of base64, in a line and over lines that are nothing else (quoted, folded, padded inside or not), from each of
/// four starts; and of hexadecimal digits.
fn runs(octets: &[u8], fragment: &[u8], out: &mut Vec<Inner>) {
    const SHORTEST: usize = 12;
    let mut over_lines: Vec<u8> = Vec::new();
    let mut lines = 0;
    for line in octets.split(|b| *b == b'\n').chain([&b"."[..]]) {
        let bare = line.trim_ascii();
        let from = bare.iter().position(|b| !matches!(b, b'>' | b' ')).unwrap_or(0);
        let bare = &bare[from..];
        if !bare.is_empty() && bare.iter().all(|b| is_base64(*b) || *b == b'=') {
            over_lines.extend_from_slice(bare);
            lines += 1;
        } else {
            if lines > 1 {
                out.push(Inner { octets: base64_ignoring_padding(&over_lines), how: "base64 over lines" });
                over_lines.retain(|b| *b != b'=');
                run(&over_lines, fragment, out);
            }
            over_lines.clear();
            lines = 0;
        }
        for letters in line.split(|b| !is_base64(*b)).filter(|letters| letters.len() >= SHORTEST) {
            run(letters, fragment, out);
        }
    }
}

fn makes_sense(octets: &[u8], fragment: &[u8]) -> bool {
    let bare: Vec<u8> = octets.iter().filter(|b| **b != 0).map(u8::to_ascii_lowercase).collect();
    std::str::from_utf8(octets)
        .is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()))
        || memchr::memmem::find(&bare, fragment).is_some()
}

fn run(letters: &[u8], fragment: &[u8], out: &mut Vec<Inner>) {
    for skip in 0..4 {
        let Some(octets) = decoded(letters, skip) else { continue };
        // From the first letter it may be anything; from others only what makes sense.
        if (skip == 0 && letters.len() > 40) || makes_sense(&octets, fragment) {
            out.push(Inner { octets, how: "base64" });
        }
    }
    // Between the signs that are base64 and much else, such as slashes of a path.
    let words = letters
        .split(|b| !b.is_ascii_alphanumeric())
        .filter(|word| word.len() >= 12 && word.len() < letters.len());
    for octets in words.flat_map(|word| (0..4).filter_map(|skip| decoded(word, skip))) {
        if makes_sense(&octets, fragment) {
            out.push(Inner { octets, how: "base64" });
        }
    }
    for digits in letters.split(|b| !b.is_ascii_hexdigit()).filter(|digits| digits.len() >= 12) {
        let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
        out.push(Inner { octets: digits.chunks_exact(2).filter_map(pair).collect(), how: "hexadecimal" });
    }
}

fn uudecoded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut inside = false;
    for line in octets.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"begin ") {
            inside = true;
        } else if inside && let Some((length, text)) = line.split_first() {
            let before = out.len();
            for four in text.chunks(4) {
                let six =
                    |i: usize| u32::from(four.get(i).copied().unwrap_or(b' ').wrapping_sub(b' ') & 0x3f);
                let bits = six(0) << 18 | six(1) << 12 | six(2) << 6 | six(3);
                out.extend_from_slice(&bits.to_be_bytes()[1..]);
            }
            out.truncate(before + usize::from(length.wrapping_sub(b' ') & 0x3f));
        }
    }
    out
}

/// The pieces of a parameter (RFC 2231 §3) in the order of their numbers, whatever order they stand in.
pub fn continued(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value);
    let mut pieces: Vec<(u32, String)> = Vec::new();
    for piece in text.split(';') {
        let Some((name, value)) = piece.split_once('=') else { continue };
        let Some(number) =
            name.trim().trim_end_matches('*').rsplit_once('*').and_then(|(_, n)| n.parse().ok())
        else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        // Charset and language stand in front of the first one.
        let value = if number == 0 { value.rsplit('\'').next().unwrap_or_default() } else { value };
        pieces.push((number, value.to_owned()));
    }
    pieces.sort();
    pieces.into_iter().map(|(_, text)| text).collect::<String>().into_bytes()
}

/// Octets without percent-encoding, whatever charset they are in.
pub fn percent_off(octets: &[u8]) -> Vec<u8> {
    let as_quoted_printable: Vec<u8> = octets.iter().map(|b| if *b == b'%' { b'=' } else { *b }).collect();
    quoted_printable(&as_quoted_printable)
}
