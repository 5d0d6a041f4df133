//! Text whose characters are shifted to seven bits: the gate's own decoders of ISO-2022 (RFC 1468, RFC 1554, RFC 1557,
//! RFC 1922, with the variants that Japanese programs write), HZ (RFC 1843) and UTF-7 (RFC 2152).
//!
//! Rules: every escape sequence that is known is obeyed, whatever the label says. Where programs differ (what a bare
//! shift-out means, whether a line end brings ASCII back) there is a reading for each.
//! When it fails: never; what is no character becomes U+00A4.

use super::charset::{Pairs, Sink, UNKNOWN};

/// A way to read shifted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What a shift-out selects that nothing was designated for.
    shift_out: Set,
    /// Whether a line end brings ASCII back.
    line_end: LineEnd,
    /// Whether `~{` and `~}` shift.
    tilde: Tilde,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    KeepsSet,
    ToAscii,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tilde {
    IsText,
    Shifts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Ascii,
    Kana,
    Double(Pairs),
    /// Pairs that hold nothing that reads as ASCII.
    Foreign,
}

/// The readings that differ for `octets`; none where nothing is shifted.
pub fn readings(octets: &[u8]) -> Vec<Reading> {
    let escapes = memchr::memchr(0x1b, octets).is_some();
    let shift_out = memchr::memchr(0x0e, octets).is_some();
    let tilde = memchr::memmem::find(octets, b"~{").is_some();
    let mut out = Vec::new();
    let base = Reading { shift_out: Set::Kana, line_end: LineEnd::KeepsSet, tilde: Tilde::IsText };
    if escapes || shift_out {
        out.push(base);
        if ends_line_shifted(octets) {
            out.push(Reading { line_end: LineEnd::ToAscii, ..base });
        }
    }
    if shift_out {
        out.push(Reading { shift_out: Set::Double(Pairs::EucKr), ..base });
        out.push(Reading { shift_out: Set::Double(Pairs::Gb18030), ..base });
    }
    if tilde {
        out.push(Reading { tilde: Tilde::Shifts, ..base });
    }
    out
}

/// Whether a line may end while two octets still make a character.
fn ends_line_shifted(octets: &[u8]) -> bool {
    let mut shifted = false;
    for at in memchr::memchr2_iter(0x1b, b'\n', octets) {
        if octets.get(at) == Some(&b'\n') {
            if shifted {
                return true;
            }
        } else {
            // A sequence of three octets, of this line.
            let sequence = octets.get(at + 1..at + 3).filter(|sequence| !sequence.contains(&b'\n'));
            shifted = sequence.is_some_and(|sequence| sequence.starts_with(b"$"));
        }
    }
    shifted
}

impl Reading {
    /// Decodes `octets` into `out`.
    pub fn decode(self, octets: &[u8], out: &mut Sink<'_>) {
        let (mut set, mut designated, mut out_set) = (Set::Ascii, self.shift_out, None);
        let mut rest = octets;
        while let Some(&b) = rest.first() {
            let now = out_set.unwrap_or(set);
            let used = match (b, now) {
                (0x1b, _) => {
                    let (used, change) = sequence(rest);
                    match change {
                        Change::Set(to) => set = to,
                        Change::ShiftOut(to) => designated = to,
                        Change::None => {}
                    }
                    used
                }
                (0x0e, _) => {
                    out_set = Some(designated);
                    1
                }
                (0x0f, _) => {
                    out_set = None;
                    1
                }
                (b'~', _) if self.tilde == Tilde::Shifts => {
                    let (used, to, text) = match rest.get(1) {
                        Some(b'{') => (2, Set::Double(Pairs::Gb18030), b"".as_slice()),
                        Some(b'}') => (2, Set::Ascii, b"".as_slice()),
                        Some(b'\n') => (2, set, b"".as_slice()),
                        Some(b'~') => (2, set, b"~".as_slice()),
                        _ => (1, set, b"~".as_slice()),
                    };
                    set = to;
                    out.text.extend_from_slice(text);
                    used
                }
                (b'\n', _) => {
                    if self.line_end == LineEnd::ToAscii || self.tilde == Tilde::Shifts {
                        set = Set::Ascii;
                    }
                    out.text.push(b);
                    1
                }
                (_, Set::Ascii) => {
                    let run = ascii_run(rest);
                    out.text.extend_from_slice(rest.get(..run).unwrap_or_default());
                    run
                }
                (0x21..=0x7e, _) => shifted_run(rest, now, &mut out.text),
                _ => {
                    out.text.push(b);
                    1
                }
            };
            rest = rest.get(used..).unwrap_or_default();
            out.settle();
        }
    }
}

/// Where the first octet stands of which `is_one` is true; the length of `octets` where there is none. Looked for in blocks.
fn first(octets: &[u8], is_one: impl Fn(u8) -> bool) -> usize {
    let (blocks, tail) = octets.as_chunks::<16>();
    let without = |block: &&[u8; 16]| !block.iter().fold(false, |any, b| any | is_one(*b));
    let whole = blocks.iter().take_while(without).count();
    let rest = blocks.get(whole).map_or(tail, <[u8; 16]>::as_slice);
    16 * whole + rest.iter().take_while(|b| !is_one(**b)).count()
}

/// How many octets of ASCII begin `octets`, at least one.
fn ascii_run(octets: &[u8]) -> usize {
    let limit = octets.get(..octets.len().min(1 << 14)).unwrap_or_default();
    let stops = |b: u8| (b == 0x1b) | (b == 0x0e) | (b == 0x0f) | (b == b'~') | (b == b'\n');
    first(limit, stops).max(1)
}

/// Decodes the shifted octets that begin `octets`; how many they are.
fn shifted_run(octets: &[u8], set: Set, out: &mut Vec<u8>) -> usize {
    let limit = octets.get(..octets.len().min(1 << 14)).unwrap_or_default();
    let run = first(limit, |b| !(0x21..b'~').contains(&b));
    let run = limit.get(..run).unwrap_or_default();
    match set {
        Set::Double(pairs) => {
            pairs.add_seven_bit(run.as_chunks::<2>().0, out);
            let even = run.len() & !1;
            // A pair is never torn: its halves may be tildes.
            let torn = run.len() % 2 == 1 || run.is_empty();
            match octets.get(even..) {
                Some([first @ 0x21..=0x7e, second @ 0x21..=0x7e, ..]) if torn => {
                    pairs.add_seven_bit(&[[*first, *second]], out);
                    even + 2
                }
                _ if even == 0 => {
                    out.extend_from_slice(UNKNOWN);
                    1
                }
                _ => even,
            }
        }
        Set::Foreign => {
            run.chunks(2).for_each(|_| out.extend_from_slice(UNKNOWN));
            (run.len() & !1).max(1)
        }
        Set::Kana | Set::Ascii => {
            for b in run {
                let half = char::from_u32(0xff40 + u32::from(*b)).filter(|_| *b <= 0x5f).unwrap_or('\u{a4}');
                out.extend_from_slice(half.encode_utf8(&mut [0; 4]).as_bytes());
            }
            if run.is_empty() {
                out.push(b'~');
            }
            run.len().max(1)
        }
    }
}

enum Change {
    Set(Set),
    ShiftOut(Set),
    None,
}

/// The escape sequence that `octets` begins with: its length and what it does (ISO/IEC 2022, the registered sets).
fn sequence(octets: &[u8]) -> (usize, Change) {
    let jis = Set::Double(Pairs::EucJp);
    match octets {
        [_, b'(', b'I', ..] => (3, Change::Set(Set::Kana)),
        [_, b'(', b'!'..=b'/', _, ..] => (4, Change::Set(Set::Ascii)),
        [_, b'(', _, ..] => (3, Change::Set(Set::Ascii)),
        [_, b')', b'I', ..] => (3, Change::ShiftOut(Set::Kana)),
        [_, b'$', b'@' | b'B', ..] => (3, Change::Set(jis)),
        [_, b'$', b'A', ..] => (3, Change::Set(Set::Double(Pairs::Gb18030))),
        [_, b'$', b'(', set, ..] => (4, Change::Set(double(*set))),
        [_, b'$', b')', set, ..] => (4, Change::ShiftOut(double(*set))),
        [_, b'$', b'*' | b'+' | b'-' | b'.' | b'/', _, ..] => (4, Change::None),
        [_, b'&' | b'.' | b')' | b'*' | b'+' | b'-' | b'/', _, ..] => (3, Change::None),
        [_, b'N' | b'O', _, ..] => (3, Change::None),
        [_, b'n' | b'o', ..] => (2, Change::None),
        _ => (1, Change::None),
    }
}

/// The set of pairs with this final octet.
fn double(last: u8) -> Set {
    match last {
        b'@' | b'B' | b'O' | b'Q' => Set::Double(Pairs::EucJp),
        b'A' | b'E' => Set::Double(Pairs::Gb18030),
        b'C' => Set::Double(Pairs::EucKr),
        _ => Set::Foreign,
    }
}

/// Whether a run of UTF-7 begins here as an encoder writes it (RFC 2152): fewer than six bits are left over, and the
/// characters are such as stand in a text. By chance, as in uuencoded text, few plus signs are one.
pub fn is_utf7_run(behind: &[u8]) -> bool {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let length = behind.iter().take(1 << 14).take_while(|b| is_digit(b)).count();
    let run = behind.get(..length).unwrap_or_default();
    let left = length * 6 % 16;
    let octets = super::tokens::decode_base64(run);
    let units = octets.as_chunks::<2>().0;
    let stands_in_text = |unit: &[u8; 2]| {
        let code = u16::from_be_bytes(*unit);
        matches!(code, 0x09 | 0x0a | 0x0d | 0x20..=0x7e | 0xa0..=0x24ff | 0x2e80..=0x9fff | 0xac00..=0xdfff | 0xf900..=0xfffd)
    };
    left < 6 && !units.is_empty() && units.iter().all(stands_in_text)
}

/// Whether a run of UTF-7 in a text holds what is no letter: a sign, a mark, or what begins an escape or a word for one.
pub fn holds_sign(text: &[u8]) -> bool {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let is_sign = |unit: &[u8; 2]| {
        let code = u16::from_be_bytes(*unit);
        matches!(code, 0x21..=0x2f | 0x3a..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e | 0x2000..=0x2bff | 0x3001..=0x303f)
            || matches!(code, 0x3042 | 0x30a2 | 0xfe50..=0xfe6b | 0xff01..=0xff5e)
    };
    let mut rest = text;
    while let Some(plus) = memchr::memchr(b'+', rest) {
        let behind = rest.get(plus + 1..).unwrap_or_default();
        let (run, more) = behind.split_at(behind.iter().take_while(|b| is_digit(b)).count());
        if run.len() > 2 && super::tokens::decode_base64(run).as_chunks::<2>().0.iter().any(is_sign) {
            return true;
        }
        rest = more;
    }
    false
}

/// Decodes UTF-7.
pub fn utf7(octets: &[u8], out: &mut Sink<'_>) {
    let mut rest = octets;
    while let Some((&b, behind)) = rest.split_first() {
        if b != b'+' {
            let run = memchr::memchr(b'+', rest).unwrap_or(rest.len()).min(1 << 14);
            out.push(rest.get(..run).unwrap_or_default());
            rest = rest.get(run..).unwrap_or_default();
            continue;
        }
        let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        let run = behind.iter().take(1 << 14).take_while(|b| is_digit(b)).count();
        if run == 0 {
            out.push(b"+");
        } else {
            let units = super::tokens::decode_base64(behind.get(..run).unwrap_or_default());
            super::charset::utf16(&units, super::charset::Order::BigEndian, out);
        }
        let minus = usize::from(behind.get(run) == Some(&b'-'));
        rest = behind.get(run + minus..).unwrap_or_default();
    }
}
