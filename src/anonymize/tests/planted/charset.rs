//! Charsets as mails carry them, declared rightly and wrongly: how a text is written in each.

use super::reader;
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, SHIFT_JIS};

/// What the octets really are.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    Utf8,
    Utf8Mark,
    Utf7,
    /// UTF-16 or UTF-32: octets a unit, big-endian, with a mark.
    Wide(usize, Order, Mark),
    /// ISO-2022-JP.
    Jis,
    /// ISO-2022-JP with half-width letters (CP50221).
    JisKana,
    /// ISO-2022-KR.
    Kr,
    /// HZ.
    Hz,
    /// IBM code page 37.
    Ebcdic,
    /// By its WHATWG label.
    Legacy(&'static str),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    Big,
    Little,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Mark {
    With,
    Without,
}

/// A charset and how it is declared.
pub struct Charset {
    /// For the table and for people.
    pub name: &'static str,
    pub form: Form,
    /// What stands in `charset=`; empty for nothing.
    pub label: &'static str,
    /// A text before and one behind the secret; and one of the lines around.
    pub texts: [&'static str; 3],
    /// Octets that have no place in Unicode, put behind the first text: emoji of the carriers.
    pub octets: &'static [u8],
}

const JA: [&str; 3] = ["連絡先「", "」まで。表ソ能", "注文の品は届きました。ソ連の表"];
const JA_KANA: [&str; 3] = ["ｱﾄﾞﾚｽ「", "」ﾏﾃﾞ。", "ﾁｭｳﾓﾝ ﾉ 品"];
const ZH: [&str; 3] = ["联系：", "。谢谢", "订单已经收到了"];
const ZH_TW: [&str; 3] = ["聯絡：", "。功許蓋", "訂單已經收到了"];
const KO: [&str; 3] = ["연락처 ", " 입니다", "주문한 상품이 왔습니다"];
const WEST: [&str; 3] = ["Café à «", "», déjà", "La commande est arrivée"];
const EAST: [&str; 3] = ["Łódź: ", " – żółć", "Zażółć gęślą jaźń"];
const RU: [&str; 3] = ["Пишите: ", " спасибо", "Заказ получен"];
const ASCII: [&str; 3] = ["write to: ", ", please", "The goods have come."];

const fn charset(name: &'static str, form: Form, label: &'static str, texts: [&'static str; 3]) -> Charset {
    Charset { name, form, label, texts, octets: b"" }
}

/// All charsets, by declaration: right, none, unknown, wrong.
pub const CHARSETS: &[Charset] = &[
    charset("UTF-8", Form::Utf8, "utf-8", JA),
    charset("UTF-8 with mark", Form::Utf8Mark, "UTF-8", JA),
    charset("US-ASCII", Form::Utf8, "us-ascii", ASCII),
    charset("ISO-2022-JP", Form::Jis, "ISO-2022-JP", JA),
    charset("ISO-2022-JP half-width", Form::JisKana, "iso-2022-jp", JA_KANA),
    charset("CP50220", Form::JisKana, "CP50220", JA_KANA),
    charset("ISO-2022-JP-1 with JIS X 0212", Form::JisKana, "iso-2022-jp-1", ["丂丄：", "丅丌", "丂丄丅"]),
    charset("Shift_JIS", Form::Legacy("shift_jis"), "Shift_JIS", JA),
    charset("CP932", Form::Legacy("shift_jis"), "cp932", ["①髙：", "㈱まで。表", "ﾊﾝｶｸ ソ"]),
    Charset {
        name: "Shift_JIS with docomo emoji",
        form: Form::Legacy("shift_jis"),
        label: "Shift_JIS",
        texts: ["晴れ", "まで。", "雨ソ"],
        octets: b"\xf8\x9f\xf9\x8b\xf9\xb1",
    },
    Charset {
        name: "Shift_JIS with SoftBank emoji",
        form: Form::Legacy("shift_jis"),
        label: "x-sjis",
        texts: ["晴れ", "まで。", "雨ソ"],
        octets: b"\xf9\x41\xf7\x40\xfb\xd7",
    },
    Charset {
        name: "Shift_JIS with au emoji",
        form: Form::Legacy("shift_jis"),
        label: "shift_jis",
        texts: ["晴れ", "まで。", "雨ソ"],
        octets: b"\xf6\x60\xf3\x40\xf4\x7e",
    },
    charset("EUC-JP", Form::Legacy("euc-jp"), "EUC-JP", JA),
    charset("GB18030", Form::Legacy("gb18030"), "gb18030", ZH),
    charset("GB2312", Form::Legacy("gb18030"), "gb2312", ZH),
    charset("HZ", Form::Hz, "hz-gb-2312", ZH),
    charset("Big5", Form::Legacy("big5"), "Big5", ZH_TW),
    charset("EUC-KR", Form::Legacy("euc-kr"), "EUC-KR", KO),
    charset("ISO-2022-KR", Form::Kr, "ISO-2022-KR", KO),
    charset("ISO-8859-1", Form::Legacy("windows-1252"), "iso-8859-1", WEST),
    charset("ISO-8859-2", Form::Legacy("iso-8859-2"), "iso-8859-2", EAST),
    charset("ISO-8859-5", Form::Legacy("iso-8859-5"), "ISO-8859-5", RU),
    charset("ISO-8859-15", Form::Legacy("iso-8859-15"), "ISO-8859-15", WEST),
    charset("windows-1250", Form::Legacy("windows-1250"), "windows-1250", EAST),
    charset("windows-1251", Form::Legacy("windows-1251"), "windows-1251", RU),
    charset("windows-1252", Form::Legacy("windows-1252"), "windows-1252", WEST),
    charset("KOI8-R", Form::Legacy("koi8-r"), "koi8-r", RU),
    charset("UTF-7", Form::Utf7, "utf-7", JA),
    charset("UTF-16 with mark", Form::Wide(2, Order::Little, Mark::With), "utf-16", JA),
    charset("UTF-16 big-endian with mark", Form::Wide(2, Order::Big, Mark::With), "UTF-16", JA),
    charset("UTF-16LE", Form::Wide(2, Order::Little, Mark::Without), "utf-16le", JA),
    charset("UTF-16BE", Form::Wide(2, Order::Big, Mark::Without), "utf-16be", JA),
    charset("UTF-32 with mark", Form::Wide(4, Order::Little, Mark::With), "utf-32", JA),
    charset("UTF-32LE", Form::Wide(4, Order::Little, Mark::Without), "utf-32le", JA),
    charset("UTF-32BE", Form::Wide(4, Order::Big, Mark::Without), "utf-32be", JA),
    charset("no label: UTF-8", Form::Utf8, "", JA),
    charset("no label: ISO-2022-JP", Form::Jis, "", JA),
    charset("no label: Shift_JIS", Form::Legacy("shift_jis"), "", JA),
    charset("no label: EUC-JP", Form::Legacy("euc-jp"), "", JA),
    charset("no label: UTF-16 with mark", Form::Wide(2, Order::Little, Mark::With), "", JA),
    charset("unknown label: UTF-8", Form::Utf8, "x-unknown", JA),
    charset("unknown label: Shift_JIS", Form::Legacy("shift_jis"), "x-unknown", JA),
    charset("unknown label: ISO-2022-JP", Form::Jis, "unknown-8bit", JA),
    charset("unknown label: GB18030", Form::Legacy("gb18030"), "x-unknown", ZH),
    charset("unknown label: UTF-16BE", Form::Wide(2, Order::Big, Mark::Without), "x-unknown", JA),
    charset("wrong label: UTF-8 as ISO-8859-1", Form::Utf8, "iso-8859-1", JA),
    charset("wrong label: UTF-8 as US-ASCII", Form::Utf8, "us-ascii", JA),
    charset("wrong label: UTF-8 as ISO-2022-JP", Form::Utf8, "iso-2022-jp", JA),
    charset("wrong label: UTF-8 as Shift_JIS", Form::Utf8, "shift_jis", JA),
    charset("wrong label: UTF-8 as UTF-16", Form::Utf8, "utf-16", JA),
    charset("wrong label: UTF-8 as UTF-7", Form::Utf8, "utf-7", JA),
    charset("wrong label: Shift_JIS as UTF-8", Form::Legacy("shift_jis"), "utf-8", JA),
    charset("wrong label: Shift_JIS as ISO-2022-JP", Form::Legacy("shift_jis"), "iso-2022-jp", JA),
    charset("wrong label: Shift_JIS as ISO-8859-1", Form::Legacy("shift_jis"), "iso-8859-1", JA),
    charset("wrong label: EUC-JP as Shift_JIS", Form::Legacy("euc-jp"), "shift_jis", JA),
    charset("wrong label: ISO-2022-JP as UTF-8", Form::Jis, "utf-8", JA),
    charset("wrong label: ISO-2022-JP as US-ASCII", Form::Jis, "us-ascii", JA),
    charset("wrong label: GB18030 as Big5", Form::Legacy("gb18030"), "big5", ZH),
    charset("wrong label: UTF-16LE as UTF-8", Form::Wide(2, Order::Little, Mark::With), "utf-8", JA),
    charset("wrong label: UTF-7 as US-ASCII", Form::Utf7, "us-ascii", JA),
    charset("wrong label: UTF-7 as UTF-8", Form::Utf7, "utf-8", JA),
    charset("wrong label: UTF-7 as ISO-8859-1", Form::Utf7, "iso-8859-1", JA),
    charset("wrong label: UTF-7 as ISO-2022-JP", Form::Utf7, "iso-2022-jp", JA),
    charset("wrong label: UTF-7 as Shift_JIS", Form::Utf7, "shift_jis", JA),
    charset("EBCDIC", Form::Ebcdic, "IBM037", ASCII),
    charset("wrong label: UTF-16BE as US-ASCII", Form::Wide(2, Order::Big, Mark::Without), "us-ascii", JA),
];

impl Charset {
    /// The text in octets, without a mark; `None` where it does not come back as it was.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let legacy = |encoding: &'static Encoding| {
            let (octets, _, unmappable) = encoding.encode(text);
            (!unmappable).then(|| octets.into_owned())
        };
        let octets = match self.form {
            Form::Utf8 | Form::Utf8Mark => text.as_bytes().to_vec(),
            Form::Utf7 => utf7(text),
            Form::Wide(2, order, _) => text
                .encode_utf16()
                .flat_map(|unit| if order == Order::Big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect(),
            Form::Wide(_, order, _) => text
                .chars()
                .map(u32::from)
                .flat_map(|unit| if order == Order::Big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect(),
            Form::Jis => {
                if text.chars().any(|c| matches!(c, '\u{ff61}'..='\u{ff9f}')) {
                    return None;
                }
                legacy(encoding_rs::ISO_2022_JP)?
            }
            Form::JisKana => jis_of_euc(&euc_jp(text)?),
            Form::Kr => kr_of_euc(&legacy(EUC_KR)?),
            Form::Hz => hz_of_gb(&legacy(GB18030)?)?,
            Form::Ebcdic => text
                .chars()
                .map(|c| match c {
                    '\r' => Some(0x0d),
                    '\n' => Some(0x25),
                    ' '..='~' => reader::EBCDIC.get(usize::try_from(u32::from(c)).ok()? - 0x20).copied(),
                    _ => None,
                })
                .collect::<Option<Vec<u8>>>()?,
            Form::Legacy("shift_jis") => legacy(SHIFT_JIS)?,
            Form::Legacy("euc-jp") => legacy(EUC_JP)?,
            Form::Legacy("big5") => legacy(BIG5)?,
            Form::Legacy(label) => legacy(Encoding::for_label(label.as_bytes())?)?,
        };
        (self.decode(&octets) == text).then_some(octets)
    }

    /// What stands at the beginning of a text.
    pub fn mark(&self) -> &'static [u8] {
        match self.form {
            Form::Utf8Mark => b"\xef\xbb\xbf",
            Form::Wide(2, Order::Little, Mark::With) => b"\xff\xfe",
            Form::Wide(2, Order::Big, Mark::With) => b"\xfe\xff",
            Form::Wide(_, Order::Little, Mark::With) => b"\xff\xfe\0\0",
            Form::Wide(_, Order::Big, Mark::With) => b"\0\0\xfe\xff",
            _ => b"",
        }
    }

    /// The octets, without mark, as what they really are.
    pub fn decode(&self, octets: &[u8]) -> String {
        let label = match self.form {
            Form::Utf8 | Form::Utf8Mark => "utf-8",
            Form::Utf7 => "utf-7",
            Form::Wide(2, Order::Big, _) => "utf-16be",
            Form::Wide(2, Order::Little, _) => "utf-16le",
            Form::Wide(_, Order::Big, _) => "utf-32be",
            Form::Wide(..) => "utf-32le",
            Form::Jis | Form::JisKana => "iso-2022-jp",
            Form::Kr => "iso-2022-kr",
            Form::Hz => "hz-gb-2312",
            Form::Ebcdic => "ibm037",
            Form::Legacy(label) => label,
        };
        reader::decode(label, octets)
    }

    /// Whether ASCII text is octet for octet itself.
    pub fn extends_ascii(&self) -> bool {
        !matches!(self.form, Form::Wide(..) | Form::Ebcdic)
    }
}

/// EUC-JP with JIS X 0212, which encoding_rs reads and does not write.
fn euc_jp(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for c in text.chars() {
        // The first letters of row 16.
        let supplement = [('丂', 0xa1), ('丄', 0xa2), ('丅', 0xa3), ('丌', 0xa4)];
        if let Some((_, column)) = supplement.iter().find(|(letter, _)| *letter == c) {
            out.extend([0x8f, 0xb0, *column]);
        } else {
            let one = c.to_string();
            let (octets, _, unmappable) = EUC_JP.encode(&one);
            if unmappable {
                return None;
            }
            out.extend_from_slice(&octets);
        }
    }
    Some(out)
}

fn jis_of_euc(euc: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    let mut now: &[u8] = b"\x1b(B";
    while let Some(octet) = euc.get(at) {
        let (escape, skip, length): (&[u8], _, _) = match octet {
            0x8e => (b"\x1b(I", 1, 1),
            0x8f => (b"\x1b$(D", 1, 2),
            0x80.. => (b"\x1b$B", 0, 2),
            _ => (b"\x1b(B", 0, 1),
        };
        if escape != now {
            out.extend_from_slice(escape);
            now = escape;
        }
        out.extend(euc[at + skip..at + skip + length].iter().map(|b| b & 0x7f));
        at += skip + length;
    }
    if now != b"\x1b(B" {
        out.extend_from_slice(b"\x1b(B");
    }
    out
}

fn kr_of_euc(euc: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut shifted = false;
    for octet in euc {
        if shifted != (*octet >= 0x80) {
            shifted = *octet >= 0x80;
            out.push(if shifted { 0x0e } else { 0x0f });
        }
        out.push(octet & 0x7f);
    }
    if shifted {
        out.push(0x0f);
    }
    out
}

fn hz_of_gb(gb: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut wide, mut at) = (Vec::new(), false, 0);
    while let Some(octet) = gb.get(at) {
        let is_wide = *octet >= 0x80;
        if is_wide != wide {
            out.extend_from_slice(if is_wide { b"~{" } else { b"~}" });
            wide = is_wide;
        }
        if is_wide {
            let pair = gb.get(at..at + 2)?;
            if pair.iter().any(|b| *b < 0xa1) {
                return None;
            }
            out.extend(pair.iter().map(|b| b & 0x7f));
            at += 2;
        } else {
            out.extend_from_slice(if *octet == b'~' { b"~~" } else { std::slice::from_ref(octet) });
            at += 1;
        }
    }
    if wide {
        out.extend_from_slice(b"~}");
    }
    Some(out)
}

/// UTF-7 as programs write it: everything that is not a letter, a digit or plain punctuation is shifted, `@` too.
fn utf7(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut held: Vec<u8> = Vec::new();
    let close = |held: &mut Vec<u8>, out: &mut Vec<u8>| {
        if !held.is_empty() {
            out.push(b'+');
            out.extend(data_encoding::BASE64_NOPAD.encode(held).bytes());
            out.push(b'-');
            held.clear();
        }
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || " \r\n\t'(),-./:?".contains(c) {
            close(&mut held, &mut out);
            out.push(u8::try_from(c).unwrap());
        } else {
            let mut room = [0; 2];
            held.extend(c.encode_utf16(&mut room).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    close(&mut held, &mut out);
    out
}
