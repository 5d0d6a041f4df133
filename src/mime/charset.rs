//! Charsets: labels as real mail writes them, decoding with and without the way back, encoding, and how ASCII text
//! is put into the middle of a text in each of them.
//!
//! Rules: labels follow the WHATWG Encoding Standard §4.2 (encoding_rs) after a table of the names that mail uses
//! beside it. ISO-2022-JP is our own reader (`iso2022jp`): it keeps offsets and knows the sets that the
//! standard leaves out. UTF-16 without a byte order mark is read as labelled, else little-endian.
//! When it fails: an unknown label is `None`; a malformed text has U+FFFD and says so.

use super::iso2022jp::{self, Detail};
use super::shifted::Shift;
use super::transfer::Edit;
use super::unicode;
use super::view::View;
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, UTF_8, WINDOWS_1252};
use std::borrow::Cow;
use std::ops::Range;

/// How much of a text tells whether it is in wide units, and how many letters of ASCII it must have there.
const WIDE_HEAD: usize = 4096;
const MIN_WIDE: usize = 4;

/// A charset that can be read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    Utf8,
    Iso2022Jp,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
    Utf7,
    /// ISO-2022-KR or HZ.
    Shifted(Shift),
    /// Any other one that encoding_rs knows; ASCII is a part of all of them.
    Legacy(&'static Encoding),
}

impl Charset {
    /// What needs no declaration.
    pub const ASCII: Self = Self::Legacy(WINDOWS_1252);
    /// Shift_JIS with the extensions of Windows (CP932).
    pub const SHIFT_JIS: Self = Self::Legacy(SHIFT_JIS);
    /// EUC-JP.
    pub const EUC_JP: Self = Self::Legacy(EUC_JP);
    /// GB18030, of which GBK and GB2312 are parts.
    pub const GB18030: Self = Self::Legacy(GB18030);
    /// Big5 with the characters of Hong Kong.
    pub const BIG5: Self = Self::Legacy(BIG5);
    /// ISO-2022-KR.
    pub const KOREAN: Self = Self::Shifted(Shift::Korean);
    /// HZ-GB-2312.
    pub const HZ: Self = Self::Shifted(Shift::Hz);
    /// EUC-KR as Windows extends it.
    pub const EUC_KR: Self = Self::Legacy(EUC_KR);

    /// The charset of what stands behind the beginning of `bytes`, whose byte order mark decides for all.
    #[must_use]
    pub fn behind_mark(self, bytes: &[u8]) -> Self {
        let big = unicode::is_big_endian(bytes, matches!(self, Self::Utf16Be | Self::Utf32Be));
        match self {
            Self::Utf16Le | Self::Utf16Be if big => Self::Utf16Be,
            Self::Utf16Le | Self::Utf16Be => Self::Utf16Le,
            Self::Utf32Le | Self::Utf32Be if big => Self::Utf32Be,
            Self::Utf32Le | Self::Utf32Be => Self::Utf32Le,
            _ => self,
        }
    }

    /// The wide charset that octets tell without a label: by their byte order mark, or by where their NULs stand.
    #[must_use]
    pub fn wide_by_octets(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xfe, 0, 0, ..] => return Some(Self::Utf32Le),
            [0, 0, 0xfe, 0xff, ..] => return Some(Self::Utf32Be),
            [0xff, 0xfe, ..] => return Some(Self::Utf16Le),
            [0xfe, 0xff, ..] => return Some(Self::Utf16Be),
            _ => {}
        }
        let head = bytes.get(..bytes.len().min(WIDE_HEAD)).unwrap_or_default();
        memchr::memchr(0, head)?;
        let most = |count: usize, of: usize| count > 0 && count * 10 >= of * 9;
        let fours = |fits: fn(&[u8]) -> bool| {
            most(head.chunks_exact(4).filter(|unit| fits(unit)).count(), head.len() / 4)
        };
        if fours(|unit| matches!(unit, [0, 0..=16, _, _])) {
            return Some(Self::Utf32Be);
        }
        if fours(|unit| matches!(unit, [_, _, 0..=16, 0])) {
            return Some(Self::Utf32Le);
        }
        // Letters of ASCII, line ends and blanks have their NUL on one side.
        let (mut first, mut second) = (0usize, 0usize);
        for unit in head.chunks_exact(2) {
            first += usize::from(matches!(unit, [0, b'\t'..=b'~']));
            second += usize::from(matches!(unit, [b'\t'..=b'~', 0]));
        }
        match (first >= MIN_WIDE, second >= MIN_WIDE) {
            (true, _) if first > 8 * second => Some(Self::Utf16Be),
            (_, true) if second > 8 * first => Some(Self::Utf16Le),
            _ => None,
        }
    }

    /// The charset of a label, in any case; `None` when it is not known.
    #[must_use]
    pub fn for_label(label: &[u8]) -> Option<Self> {
        let label: Vec<u8> = label.trim_ascii().iter().map(u8::to_ascii_lowercase).collect();
        Some(match label.as_slice() {
            b"iso-2022-jp-ms"
            | b"iso-2022-jp-1"
            | b"iso-2022-jp-2"
            | b"iso-2022-jp-3"
            | b"iso-2022-jp-2004"
            | b"iso2022-jp"
            | b"iso2022jp"
            | b"iso-2022jp"
            | b"iso_2022_jp"
            | b"cp50220"
            | b"cp50221"
            | b"cp50222"
            | b"x-windows-50220"
            | b"x-windows-50221"
            | b"x-windows-iso2022jp"
            | b"jis"
            | b"jis7" => Self::Iso2022Jp,
            b"cp932" | b"ms932" | b"windows-932" | b"x-ms-cp932" | b"sjis-win" | b"shift-jis"
            | b"shiftjis" | b"shift_jisx0213" | b"shift_jis-2004" | b"ibm943" | b"cp943" | b"cp943c"
            | b"mskanji" => Self::SHIFT_JIS,
            b"cp51932" | b"eucjp-ms" | b"eucjp-win" | b"eucjp" | b"euc_jp" | b"ujis" | b"euc-jisx0213"
            | b"euc-jis-2004" => Self::EUC_JP,
            b"utf8" | b"utf-8mb4" | b"cp65001" | b"utf_8" => Self::Utf8,
            b"ascii" | b"us_ascii" | b"usascii" | b"646" | b"iso646-us" | b"cp1252" => Self::ASCII,
            b"cp936" | b"ms936" | b"windows-936" => Self::Legacy(GBK),
            b"cp949" | b"ms949" => Self::Legacy(EUC_KR),
            b"utf-16be" => Self::Utf16Be,
            b"utf-16" | b"utf-16le" | b"utf16" | b"ucs-2" | b"iso-10646-ucs-2" | b"unicode" => Self::Utf16Le,
            b"utf-32be" | b"ucs-4be" => Self::Utf32Be,
            b"utf-32" | b"utf-32le" | b"utf32" | b"ucs-4" | b"iso-10646-ucs-4" => Self::Utf32Le,
            b"utf-7"
            | b"utf7"
            | b"unicode-1-1-utf-7"
            | b"unicode-2-0-utf-7"
            | b"x-unicode-2-0-utf-7"
            | b"csunicode11utf7" => Self::Utf7,
            b"iso-2022-kr" | b"csiso2022kr" => Self::Shifted(Shift::Korean),
            b"hz-gb-2312" | b"hz" => Self::Shifted(Shift::Hz),
            _ => {
                let encoding = Encoding::for_label_no_replacement(&label)?;
                match encoding.name() {
                    "UTF-8" => Self::Utf8,
                    "ISO-2022-JP" => Self::Iso2022Jp,
                    "UTF-16BE" => Self::Utf16Be,
                    "UTF-16LE" => Self::Utf16Le,
                    // What the standard gives to five-bit fun, not to mail.
                    "x-user-defined" | "replacement" => return None,
                    _ => Self::Legacy(encoding),
                }
            }
        })
    }

    /// Whether a label names a charset in which octets of ASCII letters are other letters and the other way round,
    /// so that a text in it can only be read by who knows it: EBCDIC in all its pages, Johab.
    #[must_use]
    pub fn is_unreadable(label: &[u8]) -> bool {
        const PAGES: [&str; 36] = [
            "037", "273", "277", "278", "280", "284", "285", "290", "297", "420", "423", "424", "500", "838",
            "870", "871", "875", "880", "905", "918", "930", "931", "933", "935", "937", "939", "1026",
            "1047", "1140", "1141", "1148", "1390", "1399", "20273", "20290", "20924",
        ];
        let label = String::from_utf8_lossy(label).to_ascii_lowercase();
        let page = label.trim_start_matches(['c', 'p', 'i', 'b', 'm', 's', 'x', '-', '_', '0']);
        label.contains("ebcdic")
            // Of Korean, whose letters of full width are none of any other charset's.
            || matches!(label.as_str(), "johab" | "cp1361" | "ms1361" | "windows-1361")
            || PAGES.iter().any(|known| known.trim_start_matches('0') == page) && label.len() <= 12
    }

    /// The text, and whether every octet of it made sense.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> (Cow<'_, str>, bool) {
        match self {
            Self::Utf8 => {
                let (text, faulty) = UTF_8.decode_without_bom_handling(bytes);
                (text, !faulty)
            }
            Self::Legacy(encoding) => {
                let (text, faulty) = encoding.decode_without_bom_handling(bytes);
                (text, !faulty)
            }
            Self::Iso2022Jp => {
                let text = into_text(iso2022jp::decode(bytes, Detail::Stretches).into_bytes());
                let good = !text.contains('\u{fffd}');
                (Cow::Owned(text), good)
            }
            Self::Utf16Le | Self::Utf16Be | Self::Utf32Le | Self::Utf32Be | Self::Utf7 | Self::Shifted(_) => {
                let text = into_text(self.decode_view(bytes).into_bytes());
                let good = !text.contains('\u{fffd}');
                (Cow::Owned(text), good)
            }
        }
    }

    /// The text with the way back of every character. It is the one [`decode`](Self::decode) gives where every
    /// octet makes sense; else the two may differ in how many U+FFFD stand for what makes none.
    #[must_use]
    pub fn decode_view(self, bytes: &[u8]) -> View {
        match self {
            Self::Utf8 => {
                if std::str::from_utf8(bytes).is_ok() {
                    let mut view = View::with_capacity(bytes.len());
                    view.push_copied(bytes, 0);
                    return view;
                }
                stepwise(UTF_8, bytes)
            }
            Self::Legacy(encoding) => in_step(encoding, bytes).unwrap_or_else(|| stepwise(encoding, bytes)),
            Self::Iso2022Jp => iso2022jp::decode(bytes, Detail::Characters),
            Self::Utf16Le | Self::Utf16Be => unicode::utf16(bytes, self == Self::Utf16Be),
            Self::Utf32Le | Self::Utf32Be => unicode::utf32(bytes, self == Self::Utf32Be),
            Self::Utf7 => unicode::utf7(bytes),
            Self::Shifted(shift) => shift.decode(bytes),
        }
    }

    /// The text in this charset; `None` when a character has no place in it.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Self::Utf16Be => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Self::Utf32Le => Some(text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
            Self::Utf32Be => Some(text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
            Self::Utf7 => Some(unicode::encode_utf7(text)),
            Self::Shifted(shift) => shift.encode(text),
            Self::Iso2022Jp => {
                let (bytes, _, unmappable) = encoding_rs::ISO_2022_JP.encode(text);
                (!unmappable).then(|| bytes.into_owned())
            }
            Self::Legacy(encoding) => {
                let (bytes, _, unmappable) = encoding.encode(text);
                (!unmappable).then(|| bytes.into_owned())
            }
        }
    }

    /// Turns replacements by ASCII text (in order, apart from each other) into edits of the octets that leave the
    /// charset's state as it was.
    #[must_use]
    pub fn edits(self, bytes: &[u8], replacements: &[(Range<usize>, &str)]) -> Vec<Edit> {
        match self {
            Self::Iso2022Jp => return iso2022jp::edits(bytes, replacements),
            Self::Shifted(shift) => return shift.edits(bytes, replacements),
            _ => {}
        }
        let big = unicode::is_big_endian(bytes, matches!(self, Self::Utf16Be | Self::Utf32Be));
        let writes_as = match self {
            Self::Utf16Le | Self::Utf16Be if big => Self::Utf16Be,
            Self::Utf16Le | Self::Utf16Be => Self::Utf16Le,
            Self::Utf32Le | Self::Utf32Be if big => Self::Utf32Be,
            Self::Utf32Le | Self::Utf32Be => Self::Utf32Le,
            Self::Utf7 => Self::Utf7,
            // ASCII is a part of all others.
            _ => Self::Utf8,
        };
        let encode = |text: &str| writes_as.encode(text).unwrap_or_default();
        replacements.iter().map(|(range, text)| Edit { range: range.clone(), with: encode(text) }).collect()
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Decodes at once what is whole, in charsets whose characters have a length that their first octet tells.
fn in_step(encoding: &'static Encoding, bytes: &[u8]) -> Option<View> {
    let length = |first: u8| match first {
        _ if encoding.is_single_byte() => 1,
        0x81..=0x9f | 0xe0..=0xfc if encoding == SHIFT_JIS => 2,
        0x8f if encoding == EUC_JP => 3,
        0x8e | 0xa1..=0xfe if encoding == EUC_JP => 2,
        _ => 1,
    };
    if !(encoding.is_single_byte() || encoding == SHIFT_JIS || encoding == EUC_JP) {
        return None;
    }
    let (text, faulty) = encoding.decode_without_bom_handling(bytes);
    let mut view = View::with_capacity(text.len());
    let (mut at, mut made) = (0, text.as_ref());
    while let Some(first) = bytes.get(at).filter(|_| !faulty) {
        // ASCII is itself in all of these.
        let plain = bytes.get(at..)?.iter().take_while(|b| b.is_ascii()).count();
        let (character, used) =
            if plain > 0 { (plain, plain) } else { (made.chars().next()?.len_utf8(), length(*first)) };
        let (character, rest) = made.split_at_checked(character)?;
        view.push(character.as_bytes(), at, used);
        (at, made) = (at + used, rest);
    }
    (!faulty && at == bytes.len() && made.is_empty()).then_some(view)
}

/// Feeds a decoder octet by octet; what comes out belongs to the octets since it last gave something.
fn stepwise(encoding: &'static Encoding, bytes: &[u8]) -> View {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut view = View::with_capacity(bytes.len() * 3 / 2);
    let mut mark = 0;
    // One octet gives at most a few characters (those of a broken sequence that ends with it).
    let mut room = [0u8; 32];
    let mut next = 0;
    while let Some(octet) = bytes.get(next) {
        let i = next;
        // ASCII between characters is itself in all of these, and needs no decoder.
        if mark == i && octet.is_ascii() {
            let rest = bytes.get(i..).unwrap_or_default();
            let length = rest.iter().position(|b| !b.is_ascii()).unwrap_or(rest.len());
            view.push_copied(rest.get(..length).unwrap_or_default(), i);
            next += length;
            mark = next;
            continue;
        }
        next += 1;
        let (_, _, written, _) = decoder.decode_to_utf8(std::slice::from_ref(octet), &mut room, false);
        let made = room.get(..written).unwrap_or_default();
        if let Some((broken, [last])) = made.split_last_chunk::<1>()
            && last == octet
            && octet.is_ascii()
            && !broken.is_empty()
        {
            // The octet stands for itself; what came before it broke off, and is not to go where it goes.
            view.push_made(broken, mark..i);
            view.push_made(&[*last], i..i + 1);
            mark = i + 1;
        } else if written > 0 {
            view.push_made(made, mark..i + 1);
            mark = i + 1;
        }
    }
    let (_, _, written, _) = decoder.decode_to_utf8(&[], &mut room, true);
    view.push_made(room.get(..written).unwrap_or_default(), mark..bytes.len());
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_of_real_mail_are_known() {
        for (label, name) in [
            ("ISO-2022-JP-MS", Charset::Iso2022Jp),
            ("cp932", Charset::SHIFT_JIS),
            ("x-sjis", Charset::SHIFT_JIS),
            ("Windows-31J", Charset::SHIFT_JIS),
            ("CP51932", Charset::EUC_JP),
            ("x-euc-jp", Charset::EUC_JP),
            ("us-ascii", Charset::ASCII),
            ("UTF-16", Charset::Utf16Le),
            ("utf-32be", Charset::Utf32Be),
            ("UTF-7", Charset::Utf7),
            ("ISO-2022-KR", Charset::Shifted(Shift::Korean)),
        ] {
            assert_eq!(Charset::for_label(label.as_bytes()), Some(name), "{label}");
        }
        for (label, unreadable) in [
            ("IBM037", true),
            ("cp500", true),
            ("x-EBCDIC-JP-kana", true),
            ("cp50220", false),
            ("koi8-r", false),
            ("500", true),
            ("Johab", true),
        ] {
            assert_eq!(Charset::is_unreadable(label.as_bytes()), unreadable, "{label}");
        }
        for label in ["", "x-unknown", "replacement"] {
            assert_eq!(Charset::for_label(label.as_bytes()), None, "{label}");
        }
    }

    #[test]
    fn ascii_put_among_two_octet_characters_comes_back_to_them() {
        let bytes = b"\x1b$B$\"#b#o#b!w#x$\"\x1b(B";
        let view = Charset::Iso2022Jp.decode_view(bytes);
        assert_eq!(view.sources(3..18).first(), Some(&(5..15)));
        let edits = Charset::Iso2022Jp.edits(bytes, &[(5..15, "a@b")]);
        let out = crate::mime::transfer::apply(bytes, &edits);
        assert_eq!(Charset::Iso2022Jp.decode(&out).0, "あa@bあ");
        assert_eq!(encoding_rs::ISO_2022_JP.decode(&out).0, "あa@bあ");
    }

    #[test]
    fn a_character_that_breaks_off_is_no_part_of_the_letter_behind_it() {
        let view = Charset::Utf8.decode_view(b"\xa1\xd6bob");
        let at = memchr::memmem::find(view.bytes(), b"bob").unwrap();
        assert_eq!(view.sources(at..at + 3), vec![2..5]);
    }

    #[test]
    fn octets_that_are_none_in_iso_2022_jp_do_not_become_characters_of_another_charset() {
        for bytes in [b"\xe0\xe0".as_slice(), b"\x1b$B\x01!\x1b(B"] {
            assert!(!Charset::Iso2022Jp.decode(bytes).1);
        }
    }

    proptest! {
        #[test]
        fn what_is_decoded_at_once_has_the_same_way_back(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x81u8..0xa8], 0..40)) {
            for encoding in [SHIFT_JIS, EUC_JP, WINDOWS_1252] {
                if let Some(view) = in_step(encoding, &bytes) {
                    prop_assert_eq!(view, stepwise(encoding, &bytes));
                }
            }
        }

        #[test]
        fn both_ways_of_reading_give_one_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for charset in [Charset::Utf8, Charset::Iso2022Jp, Charset::SHIFT_JIS, Charset::EUC_JP, Charset::ASCII, Charset::Utf16Be, Charset::Utf32Le, Charset::Utf7, Charset::Shifted(Shift::Korean), Charset::Shifted(Shift::Hz), Charset::Legacy(encoding_rs::GB18030), Charset::Legacy(encoding_rs::BIG5)] {
                let (text, good) = charset.decode(&bytes);
                let view = charset.decode_view(&bytes);
                prop_assert!(!good || view.bytes() == text.as_bytes());
                for range in view.sources(0..view.bytes().len()) {
                    prop_assert!(range.end <= bytes.len());
                }
            }
        }
    }
}
