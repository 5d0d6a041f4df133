//! Octets of any charset as UTF-8: the gate's own decoders, apart from the readers of `mime`.
//!
//! Rules: a decoder goes on behind an octet that it does not know. Double octets are looked up in tables, which are
//! made once from the WHATWG indexes. A long text is decoded in pieces: whenever much has gathered, the one who asked
//! is told and may take it away.
//! When it fails: never; what is no character becomes U+00A4.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, SHIFT_JIS};
use mail_parser::Charset;
use std::sync::LazyLock;

/// Where decoded text gathers.
pub struct Sink<'a> {
    /// What has gathered.
    pub text: Vec<u8>,
    /// Told when there is much of it.
    pub full: &'a mut dyn FnMut(&mut Vec<u8>),
}

/// How much gathers before a sink is emptied.
pub const PIECE: usize = 1 << 16;
/// What stands for a character that is none, or that no one here knows.
pub const UNKNOWN: &[u8] = "\u{a4}".as_bytes();

impl Sink<'_> {
    /// Adds decoded text.
    pub fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.settle();
    }

    fn push_char(&mut self, c: char) {
        let mut room = [0; 4];
        self.text.extend_from_slice(c.encode_utf8(&mut room).as_bytes());
    }

    /// Has it emptied when there is much.
    pub fn settle(&mut self) {
        if self.text.len() > PIECE {
            (self.full)(&mut self.text);
        }
    }
}

/// What a label says of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// ASCII, UTF-8, or nothing that is known.
    Plain,
    Utf7,
    Utf16,
    Utf32,
    /// Shifted by escape sequences.
    Iso2022,
    Pairs(Pairs),
    Single(Charset),
}

impl Label {
    /// Reads the name of a charset.
    pub fn of(name: &str) -> Self {
        let name = name.trim_matches(['"', '\'', ' ']).to_ascii_lowercase();
        if name.starts_with("iso-2022") || name.starts_with("csiso2022") || name.starts_with("cp5022") {
            return Label::Iso2022;
        }
        if name.contains("utf-32") || name.contains("ucs-4") {
            return Label::Utf32;
        }
        let word = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if word(&["932", "sjis", "shift", "31j", "ms_kanji", "mskanji"]) {
            return Label::Pairs(Pairs::ShiftJis);
        }
        if word(&["euc-jp", "eucjp", "euc_jp", "ujis", "51932", "20932"]) {
            return Label::Pairs(Pairs::EucJp);
        }
        if word(&["949", "uhc", "johab", "ks_c", "ksc"]) {
            return Label::Pairs(Pairs::EucKr);
        }
        if word(&["936", "gb18030", "gbk", "gb2312", "gb_2312", "euc-cn", "euccn"]) && !name.starts_with("hz")
        {
            return Label::Pairs(Pairs::Gb18030);
        }
        if word(&["big5", "cp950", "ms950", "windows-950"]) {
            return Label::Pairs(Pairs::Big5);
        }
        match Charset::from_label(name.as_bytes()) {
            Some(Charset::Utf7) => Label::Utf7,
            _ if name.contains("utf-7") => Label::Utf7,
            Some(Charset::Utf16 | Charset::Utf16Le | Charset::Utf16Be) => Label::Utf16,
            _ if name.contains("ucs-2") => Label::Utf16,
            Some(Charset::Iso2022Jp) => Label::Iso2022,
            Some(Charset::ShiftJis) => Label::Pairs(Pairs::ShiftJis),
            Some(Charset::EucJp) => Label::Pairs(Pairs::EucJp),
            Some(Charset::Gb18030 | Charset::Gbk) => Label::Pairs(Pairs::Gb18030),
            Some(Charset::Big5) => Label::Pairs(Pairs::Big5),
            Some(Charset::EucKr) => Label::Pairs(Pairs::EucKr),
            Some(Charset::Utf8 | Charset::Replacement) | None => Label::Plain,
            Some(single) => Label::Single(single),
        }
    }
}

/// Charsets in which two octets make a character, and ASCII stays ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    ShiftJis,
    EucJp,
    Gb18030,
    Big5,
    EucKr,
}

impl Pairs {
    /// All of them.
    pub const EACH: [Pairs; 5] = [Pairs::ShiftJis, Pairs::EucJp, Pairs::Gb18030, Pairs::Big5, Pairs::EucKr];

    fn table(self) -> &'static Table {
        match self {
            Pairs::ShiftJis => &SHIFT_JIS_TABLE,
            Pairs::EucJp => &EUC_JP_TABLE,
            Pairs::Gb18030 => &GB18030_TABLE,
            Pairs::Big5 => &BIG5_TABLE,
            Pairs::EucKr => &EUC_KR_TABLE,
        }
    }

    /// The at signs of other widths, and what stands for them.
    pub fn signs(self) -> &'static [[u8; 2]] {
        &self.table().signs
    }

    /// Decodes `octets` into `out`.
    pub fn decode(self, octets: &[u8], out: &mut Sink<'_>) {
        let table = self.table();
        let mut rest = octets;
        while let Some(b) = rest.first() {
            if *b < 0x80 {
                let length = ascii_run(rest);
                out.text.extend_from_slice(rest.get(..length).unwrap_or_default());
                rest = rest.get(length..).unwrap_or_default();
            } else {
                let plain = self.common_pairs(table, rest, &mut out.text);
                rest = rest.get(plain..).unwrap_or_default();
                if let Some((&b, behind)) = rest.split_first().filter(|(b, _)| **b >= 0x80) {
                    let used = self.character(table, b, behind, &mut out.text);
                    rest = behind.get(used..).unwrap_or_default();
                }
            }
            out.settle();
        }
    }

    /// Adds the characters of two octets that begin `octets`, as far as there are no others; how many octets they are.
    fn common_pairs(self, table: &Table, octets: &[u8], out: &mut Vec<u8>) -> usize {
        // Others begin a character of one octet or of three.
        let begins = |lead: u8| match self {
            Pairs::ShiftJis => !matches!(lead, 0xa1..=0xdf),
            Pairs::EucJp => lead >= 0xa1,
            Pairs::Gb18030 | Pairs::Big5 | Pairs::EucKr => true,
        };
        let near = octets.get(..octets.len().min(PIECE)).unwrap_or_default();
        let mut used = 0;
        for some in near.as_chunks::<2>().0.chunks(RUN) {
            let mut room = [0; 3 * RUN + 1];
            let (mut at, before) = (0, used);
            for [lead, trail] in some {
                let entry = table.entry([*lead, *trail]);
                if matches!(entry, [.., 0]) || !begins(*lead) {
                    break;
                }
                at = put(entry, &mut room, at);
                used += 2;
            }
            out.extend_from_slice(room.get(..at).unwrap_or_default());
            if used - before < 2 * RUN {
                break;
            }
        }
        used
    }

    /// Adds the character that begins with `b`; how many of the octets `behind` it belong to it.
    fn character(self, table: &Table, b: u8, behind: &[u8], out: &mut Vec<u8>) -> usize {
        match (self, b, behind) {
            (Pairs::ShiftJis, 0xa1..=0xdf, _) => {
                let half = char::from_u32(0xff61 + u32::from(b) - 0xa1).unwrap_or(' ');
                out.extend_from_slice(half.encode_utf8(&mut [0; 4]).as_bytes());
                0
            }
            (Pairs::EucJp, 0x8e, [kana @ 0xa1..=0xdf, ..]) => {
                let half = char::from_u32(0xff61 + u32::from(*kana) - 0xa1).unwrap_or(' ');
                out.extend_from_slice(half.encode_utf8(&mut [0; 4]).as_bytes());
                1
            }
            (Pairs::EucJp, 0x8f, [0xa1..=0xfe, 0xa1..=0xfe, ..]) => {
                out.extend_from_slice(UNKNOWN);
                2
            }
            (Pairs::Gb18030, _, [second @ b'0'..=b'9', third @ 0x81..=0xfe, fourth @ b'0'..=b'9', ..]) => {
                let four = [b, *second, *third, *fourth];
                out.extend_from_slice(GB18030.decode_without_bom_handling(&four).0.as_bytes());
                3
            }
            (_, _, [second, ..]) => match table.entry([b, *second]) {
                [.., 0] => {
                    out.extend_from_slice(UNKNOWN);
                    usize::from(*second >= 0x80)
                }
                [x, y, z, length] => {
                    out.extend([x, y, z].iter().take(usize::from(length)));
                    1
                }
            },
            (_, _, []) => 0,
        }
    }

    /// Adds the characters of pairs of seven-bit octets, all above 0x20.
    pub fn add_seven_bit(self, pairs: &[[u8; 2]], out: &mut Vec<u8>) {
        let table = self.table();
        out.reserve(3 * pairs.len());
        for some in pairs.chunks(RUN) {
            let (mut room, mut at) = ([0; 3 * RUN + 1], 0);
            for [first, second] in some {
                let entry = match table.entry([first | 0x80, second | 0x80]) {
                    [.., 0] => [0xc2, 0xa4, 0, 2],
                    entry => entry,
                };
                at = put(entry, &mut room, at);
            }
            out.extend_from_slice(room.get(..at).unwrap_or_default());
        }
    }
}

/// How many pairs are decoded before they are added.
const RUN: usize = 32;

/// Puts what a pair means at `at`, four octets at once; says where the next one goes.
fn put(entry: [u8; 4], room: &mut [u8; 3 * RUN + 1], at: usize) -> usize {
    let [.., length] = entry;
    if let Some(room) = room.get_mut(at..at + 4) {
        room.copy_from_slice(&entry);
    }
    at + usize::from(length)
}

fn ascii_run(octets: &[u8]) -> usize {
    let near = octets.get(..octets.len().min(PIECE)).unwrap_or_default();
    let (blocks, tail) = near.as_chunks::<16>();
    let whole = blocks.iter().take_while(|block| block.is_ascii()).count();
    let rest = blocks.get(whole).map_or(tail, <[u8; 16]>::as_slice);
    16 * whole + rest.iter().take_while(|b| b.is_ascii()).count()
}

struct Table {
    /// What pairs of octets mean: up to three octets of UTF-8, and how many; none where the pair is no character.
    entries: Vec<[u8; 4]>,
    /// Those that mean an at sign.
    signs: Vec<[u8; 2]>,
}

static SHIFT_JIS_TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(SHIFT_JIS));
static EUC_JP_TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(EUC_JP));
static GB18030_TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(GB18030));
static BIG5_TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(BIG5));
static EUC_KR_TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(EUC_KR));

impl Table {
    fn new(encoding: &'static Encoding) -> Self {
        let mut entries = vec![[0; 4]; 1 << 16];
        let mut signs = Vec::new();
        for lead in 0x81..=0xfe {
            for trail in 0x40..=0xfe {
                let pair = [lead, trail];
                let (text, errors) = encoding.decode_without_bom_handling(&pair);
                if errors {
                    continue;
                }
                if matches!(text.as_ref(), "＠" | "﹫" | "＝") {
                    signs.push(pair);
                }
                // Longer characters mean nothing to an address.
                let text = if text.len() <= 3 { text.as_bytes() } else { UNKNOWN };
                if let Some(entry) = entries.get_mut(place(pair)) {
                    for (room, b) in entry.iter_mut().zip(text) {
                        *room = *b;
                    }
                    entry[3] = u8::try_from(text.len()).unwrap_or(0);
                }
            }
        }
        Self { entries, signs }
    }

    /// What a pair means; of length 0 where it is no character.
    fn entry(&self, pair: [u8; 2]) -> [u8; 4] {
        self.entries.get(place(pair)).copied().unwrap_or_default()
    }
}

fn place(pair: [u8; 2]) -> usize {
    usize::from(u16::from_be_bytes(pair))
}

/// Decodes a charset of single octets.
pub fn single(charset: Charset, octets: &[u8], out: &mut Sink<'_>) {
    let upper: Vec<String> = (0x80..=0xff_u8).map(|b| charset.decode(&[b]).into_owned()).collect();
    let mut rest = octets;
    while !rest.is_empty() {
        let length = ascii_run(rest);
        out.text.extend_from_slice(rest.get(..length).unwrap_or_default());
        rest = rest.get(length..).unwrap_or_default();
        if let Some((b, behind)) = rest.split_first() {
            let c = b.checked_sub(0x80).and_then(|i| upper.get(usize::from(i)));
            out.text.extend_from_slice(c.map_or(UNKNOWN, |c| c.as_bytes()));
            rest = if *b >= 0x80 { behind } else { rest };
        }
        out.settle();
    }
}

/// The order of the octets of a wide character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    LittleEndian,
    BigEndian,
}

/// Decodes UTF-16.
pub fn utf16(octets: &[u8], order: Order, out: &mut Sink<'_>) {
    let units = octets.chunks_exact(2).map(|unit| match (unit, order) {
        ([a, b], Order::LittleEndian) => u16::from_le_bytes([*a, *b]),
        ([a, b], Order::BigEndian) => u16::from_be_bytes([*a, *b]),
        _ => 0,
    });
    for c in char::decode_utf16(units) {
        out.push_char(c.unwrap_or('\u{a4}'));
        out.settle();
    }
}

/// Decodes UTF-32.
pub fn utf32(octets: &[u8], order: Order, out: &mut Sink<'_>) {
    for unit in octets.chunks_exact(4) {
        let code = match (unit, order) {
            ([a, b, c, d], Order::LittleEndian) => u32::from_le_bytes([*a, *b, *c, *d]),
            ([a, b, c, d], Order::BigEndian) => u32::from_be_bytes([*a, *b, *c, *d]),
            _ => 0,
        };
        out.push_char(char::from_u32(code).unwrap_or('\u{a4}'));
        out.settle();
    }
}
