//! A search for anything that is known, in octets that must hold nothing of it: whatever stands there for twelve octets in a
//! row, in any of the charsets and encodings that mail, dumps and archives have, one within another.
//!
//! Rules: what is known is kept as all its runs of twelve octets, in each charset, capitals made small as in what is searched,
//! which is decoded. So a hit needs no guess at where a text begins, or how its encoding was aligned. Each octet is passed
//! once; only what looks like an encoding is decoded and passed again.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use encoding_rs::{EUC_JP, ISO_2022_JP, SHIFT_JIS};
use miniz_oxide::inflate::{decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

/// Octets in a row by which something is recognized.
pub const RUN: usize = 12;
/// The least length of a run of digits that is decoded: what holds a run of twelve.
const DIGITS: usize = 16;
/// How much of one packed stream is unpacked, and to how much: the library makes room for twice what it is given.
const PACKED: usize = 1 << 16;
const UNPACKED: usize = 1 << 20;
/// Bits of the filter in front of the sorted runs: a 16-fold of the most that is known.
const FILTER_BITS: u32 = 29;
/// Encodings within encodings.
const DEPTH: usize = 3;

/// What is known.
pub struct Known {
    runs: Vec<[u8; RUN]>,
    filter: Vec<u64>,
}

/// Gathers what is known.
#[derive(Default)]
pub struct Knowing(Vec<[u8; RUN]>);

impl Knowing {
    /// A text: all its runs, in each charset. What is shorter than a run counts for nothing.
    pub fn learn(&mut self, text: &str) {
        self.octets(text.as_bytes());
        let units: Vec<u16> = text.encode_utf16().collect();
        let before = self.0.len();
        self.octets(&units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>());
        self.octets(&units.iter().flat_map(|unit| unit.to_be_bytes()).collect::<Vec<_>>());
        let wide = self.0.split_off(before);
        self.0.extend(wide.into_iter().filter(|run| !is_a_list_of_line_numbers(run)));
        if !text.is_ascii() {
            for charset in [SHIFT_JIS, ISO_2022_JP, EUC_JP] {
                self.octets(&charset.encode(text).0);
            }
        }
    }

    fn octets(&mut self, octets: &[u8]) {
        let small = octets.to_ascii_lowercase();
        self.0.extend(small.windows(RUN).map(|run| <[u8; RUN]>::try_from(run).unwrap()));
    }

    pub fn done(mut self) -> Known {
        self.0.sort_unstable();
        self.0.dedup();
        let mut filter = vec![0_u64; 1 << (FILTER_BITS - 6)];
        for run in &self.0 {
            let bit = place(number(run));
            filter[bit / 64] |= 1 << (bit % 64);
        }
        Known { runs: self.0, filter }
    }
}

/// Whether six characters in UTF-16 are what PostgreSQL's WAL lists by itself when it prunes a page: numbers of lines, each larger
/// than the one before (heapam_xlog.h). `124579` stands there so, 49, 50, 52, 53, 55, 57, whoever wrote what.
fn is_a_list_of_line_numbers(run: &[u8; RUN]) -> bool {
    let ascends = |of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = run.chunks_exact(2).map(|unit| of([unit[0], unit[1]])).collect();
        units.windows(2).all(|pair| pair[0] < pair[1]) && units.iter().all(|unit| *unit < 0x100)
    };
    ascends(u16::from_le_bytes) || ascends(u16::from_be_bytes)
}

/// The octets of a run as a number.
fn number(run: &[u8; RUN]) -> u128 {
    run.iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
}

/// Where the filter has a run.
fn place(run: u128) -> usize {
    let mixed = ((run as u64) ^ ((run >> 64) as u64).rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (64 - FILTER_BITS)) as usize
}

impl Known {
    /// How many runs.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether anything known stands there as it is.
    pub fn stands_in(&self, octets: &[u8]) -> bool {
        self.first(octets).is_some()
    }

    /// Where anything known stands: under which encodings, and what.
    pub fn find(&self, octets: &[u8]) -> Option<String> {
        self.find_in(octets, "raw", DEPTH)
    }

    fn find_in(&self, octets: &[u8], way: &str, depth: usize) -> Option<String> {
        if let Some(run) = self.first(octets) {
            return Some(format!("{way}: {}", String::from_utf8_lossy(&run).escape_debug()));
        }
        if depth == 0 {
            return None;
        }
        let next = |name: &str, decoded: Vec<u8>| {
            (decoded.len() >= RUN).then(|| self.find_in(&decoded, &format!("{way}, {name}"), depth - 1))?
        };
        for (mark, name) in [(b'=', "quoted-printable"), (b'%', "percent")] {
            if let Some(run) = self.first(&unescaped_parts(octets, mark)) {
                return Some(format!("{way}, {name}: {}", String::from_utf8_lossy(&run).escape_debug()));
            }
        }
        next(
            "base64",
            digits(octets, is_base64, |run| {
                let run: Vec<u8> = run
                    .iter()
                    .map(|b| match b {
                        b'-' => b'+',
                        b'_' => b'/',
                        b => *b,
                    })
                    .collect();
                aligned(&run, 4, |run| BASE64_NOPAD.decode(run).or_else(|_| BASE64URL_NOPAD.decode(run)).ok())
            }),
        )
        .or_else(|| {
            next(
                "hexadecimal",
                digits(
                    octets,
                    |b| b.is_ascii_hexdigit(),
                    |run| aligned(run, 2, |run| HEXLOWER_PERMISSIVE.decode(run).ok()),
                ),
            )
        })
        .or_else(|| next("packed", unpacked(octets)))
    }

    /// The first known run. Written for a build without optimization: each octet costs a few operations.
    fn first(&self, octets: &[u8]) -> Option<[u8; RUN]> {
        const MASK: u128 = (1 << (8 * RUN)) - 1;
        const ZEROS: [u8; 1024] = [0; 1024];
        let (mut window, mut at) = (0_u128, 0);
        while let Some(octet) = octets.get(at) {
            // Files of a database have much that is zero: behind a run's worth of it what is zero is passed over.
            if window == 0 && *octet == 0 && octets[at..].starts_with(&ZEROS) {
                at += ZEROS.len();
                continue;
            }
            at += 1;
            window = window << 8 & MASK
                | u128::from(if octet.is_ascii_uppercase() { octet | 0x20 } else { *octet });
            let bit = place(window);
            if self.filter[bit / 64] & (1 << (bit % 64)) != 0 && at >= RUN {
                let run: [u8; RUN] = window.to_be_bytes()[16 - RUN..].try_into().unwrap();
                if self.runs.binary_search(&run).is_ok() {
                    return Some(run);
                }
            }
        }
        None
    }
}

/// What stands around escapes, decoded: as far as a run of twelve with one in it can reach.
fn unescaped_parts(octets: &[u8], mark: u8) -> Vec<u8> {
    const AROUND: usize = 5 * RUN;
    let (mut decoded, mut done) = (Vec::new(), 0);
    for at in memchr::memchr_iter(mark, octets) {
        let is_escape =
            hex_pair(octets, at + 1).is_some() || matches!(octets.get(at + 1), Some(b'\r' | b'\n'));
        if is_escape && at + AROUND > done {
            let from = at.saturating_sub(AROUND).max(done.saturating_sub(AROUND));
            done = octets.len().min(at + 2 * AROUND);
            decoded.extend(unescaped(&octets[from..done], mark));
            decoded.push(0);
        }
    }
    decoded
}

fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"+/-_".contains(&octet)
}

fn hex_pair(octets: &[u8], at: usize) -> Option<u8> {
    HEXLOWER_PERMISSIVE.decode(octets.get(at..at + 2)?).ok()?.first().copied()
}

/// `=XX` or `%XX`, and soft line breaks after `=` (RFC 2045 §6.7).
fn unescaped(octets: &[u8], mark: u8) -> Vec<u8> {
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        let rest = &octets[at + 1..];
        at += 1;
        if octet != mark {
            plain.push(octet);
        } else if let Some(decoded) = hex_pair(octets, at) {
            plain.push(decoded);
            at += 2;
        } else if rest.starts_with(b"\r\n") {
            at += 2;
        } else if rest.starts_with(b"\n") {
            at += 1;
        } else {
            plain.push(octet);
        }
    }
    plain
}

/// What stands in runs of digits, decoded, one after the other; line ends within a run are none of it.
fn digits(octets: &[u8], is_digit: impl Fn(u8) -> bool, decode: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (mut decoded, mut run) = (Vec::new(), Vec::new());
    for octet in octets.iter().copied().chain([0]) {
        if is_digit(octet) {
            run.push(octet);
        } else if run.is_empty() || !matches!(octet, b'\r' | b'\n') {
            if run.len() >= DIGITS {
                decoded.extend(decode(&run));
                decoded.push(0);
            }
            run.clear();
        }
    }
    decoded
}

/// A run of digits decoded from each place at which a group of them can begin.
fn aligned(run: &[u8], group: usize, decode: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    for from in 0..group {
        let whole = (run.len() - from) / group * group;
        all.extend(decode(&run[from..from + whole]).unwrap_or_default());
        all.push(0);
    }
    all
}

/// What gzip (RFC 1952) or zlib (RFC 1950) packed, wherever a stream begins.
fn unpacked(octets: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for at in memchr::memchr2_iter(0x1f, 0x78, octets) {
        let packed = &octets[at..octets.len().min(at + PACKED)];
        let plain = match packed {
            [0x1f, 0x8b, 8, ..] => {
                packed.get(10..).map(|packed| decompress_to_vec_with_limit(packed, UNPACKED))
            }
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                Some(decompress_to_vec_zlib_with_limit(packed, UNPACKED))
            }
            _ => None,
        };
        // What broke off is looked at too.
        let plain = plain.map(|plain| plain.unwrap_or_else(|fault| fault.output)).unwrap_or_default();
        if plain.len() >= RUN {
            all.extend(plain);
            all.push(0);
        }
    }
    all
}

#[test]
fn what_is_known_is_found_in_every_charset_and_encoding_and_nothing_else_is() {
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    let secret = "佐藤花子様のご注文 hanako.7f3a@customer-91c2.test";
    let mut knowing = Knowing::default();
    knowing.learn(secret);
    knowing.learn("198.51.100.27");
    let known = knowing.done();
    let mut noise = vec![0; 100_000];
    getrandom::fill(&mut noise).unwrap();
    assert_eq!(known.find(&noise), None);
    let planted = |octets: &[u8]| [&noise[..50_000], octets, &noise[50_000..]].concat();
    // Numbers of lines in a WAL are no text, though they read like one.
    let mut knowing = Knowing::default();
    knowing.learn("order 124579 of hana");
    let digits = knowing.done();
    let wide = |units: &[u16]| units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(digits.find(&planted(&wide(&[49, 50, 52, 53, 55, 57]))), None);
    assert!(digits.find(&planted(&wide(&"order 124579".encode_utf16().collect::<Vec<_>>()))).is_some());
    let gzip =
        |octets: &[u8]| [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &compress_to_vec(octets, 6)].concat();
    let base64 = |octets: &[u8]| data_encoding::BASE64.encode(octets).into_bytes();
    let escaped =
        |mark: char| secret.bytes().map(|b| format!("{mark}{b:02X}")).collect::<String>().into_bytes();
    let utf16 = |to: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    let raw = secret.as_bytes();
    let mut ways: Vec<(String, Vec<u8>)> = vec![
        ("raw".into(), raw.to_vec()),
        ("twelve octets of it".into(), raw[33..45].to_vec()),
        ("an address in capitals".into(), secret.to_ascii_uppercase().into_bytes()),
        ("an IP address".into(), b"198.51.100.27".to_vec()),
        ("UTF-16LE".into(), utf16(u16::to_le_bytes)),
        ("UTF-16BE".into(), utf16(u16::to_be_bytes)),
        ("Shift_JIS".into(), SHIFT_JIS.encode("佐藤花子様のご注文").0.into_owned()),
        ("ISO-2022-JP".into(), ISO_2022_JP.encode("佐藤花子様のご注文").0.into_owned()),
        ("EUC-JP".into(), EUC_JP.encode("佐藤花子様のご注文").0.into_owned()),
        ("quoted-printable".into(), escaped('=')),
        ("soft line breaks".into(), secret.replace("hanako.7f3a", "hana=\r\nko.7f=\r\n3a").into_bytes()),
        ("percent".into(), escaped('%')),
        ("hexadecimal".into(), data_encoding::HEXLOWER.encode(raw).into_bytes()),
        ("HEXADECIMAL".into(), data_encoding::HEXUPPER.encode(raw).into_bytes()),
        ("gzip".into(), gzip(raw)),
        ("zlib".into(), compress_to_vec_zlib(raw, 6)),
        ("gzip in base64".into(), base64(&gzip(raw))),
        ("base64 in hexadecimal".into(), data_encoding::HEXLOWER.encode(&base64(raw)).into_bytes()),
        ("base64url".into(), data_encoding::BASE64URL_NOPAD.encode(raw).into_bytes()),
        ("Shift_JIS in base64".into(), base64(&SHIFT_JIS.encode("佐藤花子様のご注文").0)),
    ];
    for before in 0..3 {
        ways.push((format!("base64 {before} octets later"), base64(&[&b"abc"[..before], raw].concat())));
    }
    let lines: Vec<Vec<u8>> = base64(raw).chunks(20).map(<[u8]>::to_vec).collect();
    ways.push(("base64 in lines".into(), lines.join(&b"\r\n"[..])));
    for (way, octets) in ways {
        assert!(known.find(&planted(&octets)).is_some(), "{way}");
    }
}
