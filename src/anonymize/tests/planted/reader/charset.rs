//! What octets can be as text: in the declared charset and in every other one that mail uses.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// What is tried beside the declared charset.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Guesses {
    All,
    /// What programs try: no UTF-7.
    Usual,
}

/// The texts that `octets` can be, each once.
pub fn readings(octets: &[u8], label: Option<&str>, guesses: Guesses) -> Vec<String> {
    let mut texts = vec![String::from_utf8_lossy(octets).into_owned()];
    let mut add = |text: String| {
        if !texts.contains(&text) {
            texts.push(text);
        }
    };
    if let Some(label) = label {
        add(decode(label, octets));
    }
    let has = |wanted: &[u8]| memchr::memmem::find(octets, wanted).is_some();
    if has(b"\x1b") || has(b"\x0e") {
        let lines = lines_with(octets, |line| line.iter().any(|b| matches!(b, 0x1b | 0x0e)));
        add(decode("iso-2022-jp", &lines));
        add(decode("iso-2022-kr", &lines));
    }
    if has(b"~{") {
        add(decode("hz-gb-2312", &lines_with(octets, |line| line.contains(&b'~'))));
    }
    if guesses == Guesses::All && has(b"+") {
        // Letters behind the sign: `+0900` is a time zone.
        let shifted = |line: &[u8]| {
            memchr::memchr_iter(b'+', line).any(|at| {
                line[at + 1..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'/')
                    .any(u8::is_ascii_alphabetic)
            })
        };
        add(utf7(&lines_with(octets, shifted)));
    }
    if has(b"\0") {
        for label in ["utf-16le", "utf-16be", "utf-32le", "utf-32be"] {
            add(decode(label, octets));
            add(decode(label, octets.get(1..).unwrap_or_default()));
        }
        add(octets.iter().filter(|b| **b != 0).map(|b| char::from(*b)).collect());
    } else if octets.starts_with(b"\xff\xfe") || octets.starts_with(b"\xfe\xff") {
        add(decode("utf-16", octets));
    }
    if !octets.is_ascii() {
        // Lines of ASCII are the same in all of these.
        let lines = lines_with(octets, |line| !line.is_ascii());
        for encoding in [SHIFT_JIS, EUC_JP, GB18030, BIG5, EUC_KR, WINDOWS_1252] {
            add(encoding.decode_without_bom_handling(&lines).0.into_owned());
        }
    }
    texts
}

/// The lines that `are`, and the one behind each, where a broken address goes on.
fn lines_with(octets: &[u8], are: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = false;
    for line in octets.split_inclusive(|b| *b == b'\n') {
        let is = are(line);
        if is || before {
            out.extend_from_slice(line);
        }
        before = is;
    }
    out
}

/// Whether letters of ASCII may stand there as other octets.
pub fn hides_ascii(octets: &[u8]) -> bool {
    octets.contains(&0) || memchr::memmem::find(octets, b"+A").is_some()
}

/// The printable characters of ASCII, in their order, in IBM code page 37 (EBCDIC).
pub const EBCDIC: &[u8; 95] = b"\
    \x40\x5a\x7f\x7b\x5b\x6c\x50\x7d\x4d\x5d\x5c\x4e\x6b\x60\x4b\x61\xf0\xf1\xf2\
    \xf3\xf4\xf5\xf6\xf7\xf8\xf9\x7a\x5e\x4c\x7e\x6e\x6f\x7c\xc1\xc2\xc3\xc4\xc5\
    \xc6\xc7\xc8\xc9\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xe2\xe3\xe4\xe5\xe6\xe7\
    \xe8\xe9\xba\xe0\xbb\xb0\x6d\x79\x81\x82\x83\x84\x85\x86\x87\x88\x89\x91\x92\
    \x93\x94\x95\x96\x97\x98\x99\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xc0\x4f\xd0\xa1\
    ";

/// A character of IBM code page 37, where it is one of ASCII or a line end.
fn ebcdic(octet: u8) -> char {
    match octet {
        0x0d => '\r',
        0x25 => '\n',
        _ => EBCDIC
            .iter()
            .position(|b| *b == octet)
            .and_then(|at| u8::try_from(at + 0x20).ok())
            .map_or('\u{fffd}', char::from),
    }
}

/// The text in the charset of a label; an unknown one is read as UTF-8.
pub fn decode(label: &str, octets: &[u8]) -> String {
    let label = label.trim().trim_matches('"').to_ascii_lowercase();
    match label.as_str() {
        "utf-7" | "unicode-1-1-utf-7" | "csunicode11utf7" => utf7(octets),
        "utf-16" => match octets {
            [0xfe, 0xff, rest @ ..] => by(UTF_16BE, rest),
            [0xff, 0xfe, rest @ ..] => by(UTF_16LE, rest),
            _ => by(UTF_16BE, octets),
        },
        "utf-16le" => by(UTF_16LE, octets),
        "utf-16be" => by(UTF_16BE, octets),
        "utf-32" => match octets {
            [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
            [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
            _ => utf32(octets, u32::from_be_bytes),
        },
        "utf-32le" => utf32(octets, u32::from_le_bytes),
        "utf-32be" => utf32(octets, u32::from_be_bytes),
        "iso-2022-kr" => by(EUC_KR, &shifted_out(octets)),
        "hz-gb-2312" => by(GB18030, &hz(octets)),
        _ if label.contains("2022-jp") || label.starts_with("cp5022") || label == "jis" => {
            by(EUC_JP, &jis_to_euc(octets))
        }
        "cp932" | "ms932" | "windows-932" => by(SHIFT_JIS, octets),
        "ibm037" => octets.iter().map(|b| ebcdic(*b)).collect(),
        _ => by(Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8), octets),
    }
}

fn by(encoding: &'static Encoding, octets: &[u8]) -> String {
    encoding.decode_without_bom_handling(octets).0.into_owned()
}

fn utf32(octets: &[u8], number: fn([u8; 4]) -> u32) -> String {
    let chars = octets.as_chunks::<4>().0.iter();
    chars.map(|four| char::from_u32(number(*four)).unwrap_or('\u{fffd}')).collect()
}

/// ISO-2022-JP in all its variants as EUC-JP, which has the same sets (JIS X 0208, 0212, half-width letters).
fn jis_to_euc(octets: &[u8]) -> Vec<u8> {
    #[derive(Clone, Copy, PartialEq)]
    enum Set {
        One,
        Kana,
        Two,
        Supplement,
    }
    let (mut out, mut set, mut shifted, mut at) = (Vec::new(), Set::One, false, 0);
    while let Some(octet) = octets.get(at) {
        let rest = &octets[at..];
        let escapes: [(&[u8], Set); 8] = [
            (b"\x1b(B", Set::One),
            (b"\x1b(J", Set::One),
            (b"\x1b(H", Set::One),
            (b"\x1b(I", Set::Kana),
            (b"\x1b$(D", Set::Supplement),
            (b"\x1b$(B", Set::Two),
            (b"\x1b$@", Set::Two),
            (b"\x1b$B", Set::Two),
        ];
        if let Some((escape, next)) = escapes.iter().find(|(escape, _)| rest.starts_with(escape)) {
            set = *next;
            at += escape.len();
            continue;
        }
        match (*octet, set) {
            (b'\r' | b'\n', _) => {
                (set, shifted) = (Set::One, false);
                out.push(*octet);
            }
            (0x0e, _) => shifted = true,
            (0x0f, _) => shifted = false,
            (0x21..=0x5f, Set::Kana) => out.extend([0x8e, octet | 0x80]),
            (0x21..=0x5f, Set::One) if shifted => out.extend([0x8e, octet | 0x80]),
            (0xa1..=0xdf, Set::One) => out.extend([0x8e, *octet]),
            (0x21..=0x7e, Set::Two | Set::Supplement) => {
                if set == Set::Supplement {
                    out.push(0x8f);
                }
                out.extend([octet | 0x80, rest.get(1).copied().unwrap_or(0) | 0x80]);
                at += 1;
            }
            _ => out.push(*octet),
        }
        at += 1;
    }
    out
}

/// ISO-2022-KR (RFC 1557) as EUC-KR.
fn shifted_out(octets: &[u8]) -> Vec<u8> {
    let mut shifted = false;
    let mut out = Vec::new();
    // What names the set stands at the beginning of a line and shows nothing.
    let mut rest = octets;
    while let Some((octet, behind)) = rest.split_first() {
        rest = behind;
        if let Some(behind) = rest.strip_prefix(b"$)C").filter(|_| *octet == 0x1b) {
            rest = behind;
            continue;
        }
        match octet {
            0x0e => shifted = true,
            0x0f => shifted = false,
            b'\n' => {
                shifted = false;
                out.push(b'\n');
            }
            0x21..=0x7e if shifted => out.push(octet | 0x80),
            _ => out.push(*octet),
        }
    }
    out
}

/// HZ (RFC 1843) as GB 2312 in eight bits.
fn hz(octets: &[u8]) -> Vec<u8> {
    let (mut wide, mut at, mut out) = (false, 0, Vec::new());
    while let Some(octet) = octets.get(at) {
        match octets.get(at..at + 2) {
            Some(b"~{") => wide = true,
            Some(b"~}") => wide = false,
            Some(b"~~") => out.push(b'~'),
            _ => {
                out.push(if wide && octet.is_ascii_graphic() { octet | 0x80 } else { *octet });
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    out
}

/// UTF-7 (RFC 2152), read leniently.
fn utf7(octets: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        at += 1;
        if *octet != b'+' {
            out.push(char::from(*octet));
            continue;
        }
        let run =
            octets[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        if run == 0 {
            out.push('+');
        }
        let (mut bits, mut held, mut units) = (0u32, 0, Vec::new());
        for b in &octets[at..at + run] {
            let value = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' => 62,
                _ => 63,
            };
            bits = (bits << 6 | u32::from(value)) & 0x3f_ffff;
            held += 6;
            if held >= 16 {
                held -= 16;
                units.push(u16::try_from(bits >> held & 0xffff).unwrap());
            }
        }
        out.push_str(&String::from_utf16_lossy(&units));
        at += run + usize::from(octets.get(at + run) == Some(&b'-'));
    }
    out
}
