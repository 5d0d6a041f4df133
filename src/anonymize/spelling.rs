//! Spelling: one form for all the ways in which an address can be written in a text.
//!
//! Rules: letters in lower case; full-width and other compatibility letters (as NFKC has them) as ASCII; percent
//! (RFC 3986 §2.1), HTML (numeric and the named ones an address can need), JSON, CSS and RTF escapes decoded, one
//! layer a call; what has no width and controls left out; `(at)`, `[at]`, ` at `, `(dot)` and the like as the
//! character they stand for. Decoding can only make an address visible; that a hit needs the whole address to match
//! keeps other text as it is.
//! When it fails: never. What is no escape stays.

mod forms;

use crate::mime::transfer::hex;
use crate::mime::view::View;
use forms::{FORMS, Form, form, shifted};
use unicode_normalization::UnicodeNormalization as _;

/// A folded text.
pub struct Folded {
    /// The text, with the way back.
    pub view: View,
    /// Whether an escape was decoded, so that another layer may lie below.
    pub escaped: bool,
}

/// How one piece is spelled in one form.
struct Piece {
    length: usize,
    becomes: Becomes,
    escaped: bool,
}

/// What a piece stands for.
enum Becomes {
    /// Nothing that is seen.
    Nothing,
    One(char),
    /// A character that stands for several, such as a ligature.
    Several(char),
}

impl From<Option<char>> for Becomes {
    fn from(c: Option<char>) -> Self {
        c.map_or(Self::Nothing, Self::One)
    }
}

/// Octets at which a piece may begin; all others are copied.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "i is below 256")]
        let b = i as u8;
        table[i] = matches!(b, 0..=8 | 10..=31 | 127 | b' ' | b'%' | b'&' | b'\\' | b'=' | b'-' | b'(' | b'[' | b'{' | b'<' | b'^')
            || matches!(b, 0xc2..=0xdf | 0xe1..=0xe3 | 0xef | 0xf0 | 0xf3);
        i += 1;
    }
    table
};

/// `text` (UTF-8) in one form.
#[must_use]
pub fn fold(text: &[u8]) -> Folded {
    let mut view = View::with_capacity(text.len());
    let mut escaped = false;
    let (mut at, mut copied) = (0, 0);
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let Some(skip) = rest.iter().position(|b| SPECIAL.get(usize::from(*b)).copied().unwrap_or(false))
        else {
            break;
        };
        at += skip;
        let kana = kana_length(rest.get(skip..).unwrap_or_default());
        if kana > 0 {
            at += kana;
            continue;
        }
        let Some(piece) = piece(rest.get(skip..).unwrap_or_default()) else {
            at += 1;
            continue;
        };
        view.push_lowered(text.get(copied..at).unwrap_or_default(), copied);
        let mut room = [0; 4];
        match piece.becomes {
            Becomes::Nothing => {}
            Becomes::One(c) => {
                let c = c.to_ascii_lowercase();
                view.push_made(c.encode_utf8(&mut room).as_bytes(), at..at + piece.length);
            }
            Becomes::Several(c) => {
                let text: String = c.nfkc().flat_map(char::to_lowercase).collect();
                view.push_made(text.as_bytes(), at..at + piece.length);
            }
        }
        escaped |= piece.escaped;
        at += piece.length.max(1);
        copied = at;
    }
    view.push_lowered(text.get(copied..).unwrap_or_default(), copied);
    Folded { view, escaped }
}

/// Length of the kana that `rest` begins with, and of the commas and long marks between them: most of Japanese text, and
/// spelled in one way.
fn kana_length(rest: &[u8]) -> usize {
    let stays = |c: &[u8; 3]| {
        matches!(c, [0xe3, 0x80, 0x81] | [0xe3, 0x81, 0x81..=0xbf] | [0xe3, 0x82, 0x80..=0x96 | 0xa1..=0xbf])
            || matches!(c, [0xe3, 0x83, 0x80..=0xba | 0xbc])
    };
    3 * rest.as_chunks::<3>().0.iter().take_while(|c| stays(c)).count()
}

fn piece(rest: &[u8]) -> Option<Piece> {
    let (length, becomes, escaped) = match *rest.first()? {
        b'%' => percent(rest).map(|(length, c)| (length, Some(c), true)),
        b'&' => entity(rest).map(|(length, c)| (length, c, true)),
        b'\\' => backslash(rest).map(|(length, c)| (length, Some(c), true)),
        b'=' => quoted(rest).map(|(length, c)| (length, Some(c), true)),
        // As calendars and cards write line ends and quotes in parameters (RFC 6868 §3.1).
        b'^' => match rest.get(1)? {
            b'n' => Some((2, Some(' '), true)),
            b'\'' => Some((2, Some('"'), true)),
            b'^' => Some((2, Some('^'), true)),
            _ => None,
        },
        // As services write a link within a link.
        b'-' => match rest.get(1..3)? {
            b"40" => Some((3, Some('@'), false)),
            b"3D" => Some((3, Some('='), false)),
            b"3A" => Some((3, Some(':'), false)),
            b"26" => Some((3, Some('&'), false)),
            b"3F" => Some((3, Some('?'), false)),
            _ => None,
        },
        b'(' => bracketed(rest, b')'),
        b'[' => bracketed(rest, b']'),
        b'{' => bracketed(rest, b'}'),
        b'<' => bracketed(rest, b'>'),
        b' ' if !matches!(rest.get(1)?, b' ' | b'a' | b'A' | b'd' | b'D') => None,
        b' ' => bracketed(rest, b' '),
        b'\r' | b'\n' => word_of_line(rest),
        0..=31 | 127 => Some((1, None, false)),
        _ => return wide(rest),
    }?;
    Some(Piece { length, becomes: becomes.into(), escaped })
}

/// `=40` and the like: quoted-printable where nothing declares it, as in vCards and quoted sources. Only what an
/// address needs.
fn quoted(rest: &[u8]) -> Option<(usize, char)> {
    let [high, low] = rest.get(1..3)? else { return None };
    let c = char::from(hex(*high)? << 4 | hex(*low)?);
    if !(c.is_ascii_alphanumeric() || "@.-_+=".contains(c)) {
        return None;
    }
    Some((3, c))
}

/// What Japanese says for both signs, the longer word first.
const WORDS: [(&str, char); 6] = [
    ("アットマーク", '@'),
    ("アット", '@'),
    ("あっと", '@'),
    ("@マーク", '@'),
    ("ドット", '.'),
    ("どっと", '.'),
];

/// `(at)`, `[ at ]`, ` at `, `(dot)`, `[@]`, with blanks inside. A line may end behind ` at`; the line end stays.
fn bracketed(rest: &[u8], close: u8) -> Option<(usize, Option<char>, bool)> {
    let inner = rest.get(1..rest.len().min(32))?;
    let lead = inner.iter().take_while(|b| **b == b' ').count();
    let word = inner.get(lead..)?;
    let (length, c) = match word {
        [b'a' | b'A', b't' | b'T', ..] => (2, '@'),
        [b'd' | b'D', b'o' | b'O', b't' | b'T', ..] => (3, '.'),
        [b'@', rest @ ..] if close != b' ' && !rest.starts_with("マーク".as_bytes()) => (1, '@'),
        [b'.', ..] if close != b' ' => (1, '.'),
        // Full-width at sign.
        [0xef, 0xbc, 0xa0, ..] if close != b' ' => (3, '@'),
        _ if close == b' ' => return None,
        _ => {
            WORDS.iter().find(|(own, _)| word.starts_with(own.as_bytes())).map(|(own, c)| (own.len(), *c))?
        }
    };
    let tail = word.get(length..)?;
    if close == b' ' && matches!(tail, [b'\n', ..] | [b'\r', b'\n', ..]) {
        return Some((1 + lead + length, Some(c), false));
    }
    let blanks = if close == b' ' { 0 } else { tail.iter().take_while(|b| **b == b' ').count() };
    (tail.get(blanks) == Some(&close)).then_some((1 + lead + length + blanks + 1, Some(c), false))
}

/// `at ` and `dot ` with which a line begins, or what it quotes: the line end before them goes too.
fn word_of_line(rest: &[u8]) -> Option<(usize, Option<char>, bool)> {
    let line = rest.strip_prefix(b"\r").unwrap_or(rest).strip_prefix(b"\n")?;
    let marks = line.iter().take(32).take_while(|b| matches!(b, b'>' | b'|')).count();
    let before = rest.len() - line.len() + marks;
    let (length, c, behind) = match line.get(marks..)? {
        [b'a' | b'A', b't' | b'T', behind, ..] => (2, '@', behind),
        [b'd' | b'D', b'o' | b'O', b't' | b'T', behind, ..] => (3, '.', behind),
        _ => return None,
    };
    let blank = usize::from(*behind == b' ');
    matches!(behind, b' ' | b'\r' | b'\n').then_some((before + length + blank, Some(c), false))
}

/// `%40`, and several of them where they are one UTF-8 character; `%u0040` as old scripts write it. An octet beyond ASCII
/// that is of no such character, as in a link of another charset, stands for no letter of an address.
fn percent(rest: &[u8]) -> Option<(usize, char)> {
    if matches!(rest.get(1), Some(b'u' | b'U')) {
        let digits = std::str::from_utf8(rest.get(2..6)?).ok()?;
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        return if plain { Some((6, char::from_u32(u32::from_str_radix(digits, 16).ok()?)?)) } else { None };
    }
    let mut octets = [0u8; 4];
    for i in 0..octets.len() {
        let octet = match rest.get(i * 3..i * 3 + 3) {
            Some([b'%', a, b]) => hex(*a).zip(hex(*b)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        let Some(octet) = octet else { break };
        *octets.get_mut(i)? = octet;
        if let Some(c) = first_char(octets, i + 1) {
            return Some((i * 3 + 3, c));
        }
    }
    (octets[0] >= 0x80).then_some((3, char::REPLACEMENT_CHARACTER))
}

fn first_char(octets: [u8; 4], length: usize) -> Option<char> {
    std::str::from_utf8(octets.get(..length)?).ok()?.chars().next()
}

/// `&#64;`, `&#x40;`, `&commat;`, the numeric ones also without semicolon. `None` in place of the character where
/// it has no width.
fn entity(rest: &[u8]) -> Option<(usize, Option<char>)> {
    if let Some(digits) = rest.strip_prefix(b"&#") {
        let (lead, radix) = if matches!(digits.first(), Some(b'x' | b'X')) { (1, 16) } else { (0, 10) };
        let digits = digits.get(lead..)?;
        let count = digits.iter().take(12).take_while(|b| char::from(**b).is_digit(radix)).count();
        let text = std::str::from_utf8(digits.get(..count)?).ok()?;
        let c = char::from_u32(u32::from_str_radix(text, radix).ok()?)?;
        // Calendars escape the semicolon (RFC 5545 §3.3.11).
        let close = match digits.get(count..)? {
            [b';', ..] => 1,
            [b'\\', b';', ..] => 2,
            _ => 0,
        };
        return Some((2 + lead + count + close, Some(c)));
    }
    let end = rest.iter().take(24).position(|b| *b == b';')?;
    let name = rest.get(1..end)?;
    let c = match name.strip_suffix(b"\\").unwrap_or(name) {
        b"commat" => '@',
        b"period" => '.',
        b"lowbar" | b"UnderBar" => '_',
        b"dash" | b"hyphen" => '-',
        b"plus" => '+',
        b"percnt" => '%',
        b"num" => '#',
        b"excl" => '!',
        b"dollar" => '$',
        b"amp" | b"AMP" => '&',
        b"apos" => '\'',
        b"ast" | b"midast" => '*',
        b"sol" => '/',
        b"bsol" => '\\',
        b"equals" => '=',
        b"quest" => '?',
        b"Hat" => '^',
        b"grave" => '`',
        b"lcub" | b"lbrace" => '{',
        b"rcub" | b"rbrace" => '}',
        b"verbar" | b"vert" | b"VerticalLine" => '|',
        b"quot" | b"QUOT" => '"',
        b"lt" | b"LT" => '<',
        b"gt" | b"GT" => '>',
        b"colon" => ':',
        b"lpar" => '(',
        b"rpar" => ')',
        b"lsqb" | b"lbrack" => '[',
        b"rsqb" | b"rbrack" => ']',
        b"nbsp" | b"NonBreakingSpace" | b"ensp" | b"emsp" | b"emsp13" | b"emsp14" | b"numsp" | b"puncsp"
        | b"thinsp" | b"ThinSpace" | b"hairsp" | b"VeryThinSpace" | b"MediumSpace" => ' ',
        b"Tab" => '\t',
        b"NewLine" => '\n',
        b"shy" | b"zwj" | b"zwnj" | b"lrm" | b"rlm" | b"ZeroWidthSpace" | b"NoBreak" => {
            return Some((end + 1, None));
        }
        _ => return None,
    };
    Some((end + 1, Some(c)))
}

/// `\u0040`, `\u{40}`, `\x40` (scripts, JSON), `\'40` (RTF), `\40 ` for what stands in addresses (CSS), the line ends of
/// JSON, and `\_` (Markdown).
fn backslash(rest: &[u8]) -> Option<(usize, char)> {
    let digits = |from: usize, count: usize| {
        let text = std::str::from_utf8(rest.get(from..from + count)?).ok()?;
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        char::from_u32(u32::from_str_radix(text, 16).ok()?)
    };
    match rest.get(1)? {
        b'u' if rest.get(2) == Some(&b'{') => {
            let count = rest.iter().skip(3).take(7).position(|b| *b == b'}')?;
            Some((4 + count, digits(3, count)?))
        }
        b'u' => Some((6, digits(2, 4)?)),
        b'U' => Some((10, digits(2, 8)?)),
        b'x' => Some((4, digits(2, 2)?)),
        b'\'' => Some(digits(2, 2).map_or((2, '\''), |c| (4, c))),
        // As Markdown and scripts write what may mean something else.
        b @ (b'_' | b'-' | b'.' | b'@' | b'+' | b'/') => Some((2, char::from(*b))),
        b'n' | b'r' | b't' => Some((2, ' ')),
        // Octal, as old scripts write it.
        b'1' if rest.get(2..4) == Some(b"00") => Some((4, '@')),
        // Style sheets with all six digits (CSS Syntax §4.3.7).
        b'0' if rest.get(2..5) == Some(b"000") && digits(5, 2).is_some_and(|c| c.is_ascii_alphanumeric()) => {
            Some((7, digits(5, 2)?))
        }
        b'0'..=b'9' => {
            let count = rest.iter().skip(1).take(6).take_while(|b| b.is_ascii_hexdigit()).count();
            let text = std::str::from_utf8(rest.get(1..1 + count)?).ok()?;
            let significant = text.trim_start_matches('0').get(..2)?;
            let c = match significant {
                "40" => '@',
                "2e" | "2E" => '.',
                "2d" | "2D" => '-',
                "2b" | "2B" => '+',
                "5f" | "5F" => '_',
                _ => return None,
            };
            let length = 1 + (text.len() - text.trim_start_matches('0').len()) + 2;
            // One blank may end the escape (CSS Syntax §4.3.7).
            Some((length + usize::from(rest.get(length) == Some(&b' ')), c))
        }
        _ => None,
    }
}

/// `at）` and the like behind a wide bracket: the length, and the sign that the word stands for.
fn wide_bracketed(rest: &[u8], open: char) -> Option<(usize, char)> {
    let close = match open {
        '（' => '）',
        '【' => '】',
        '［' => '］',
        '〔' => '〕',
        '「' => '」',
        '〈' => '〉',
        '＜' => '＞',
        _ => '｝',
    };
    let text = rest.get(..rest.len().min(24))?;
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(text.get(..e.valid_up_to())?).ok()?,
    };
    let (word, _) = text.split_once(close)?;
    let sign = match word.trim().nfkc().collect::<String>().to_ascii_lowercase().as_str() {
        "at" | "@" => '@',
        "dot" | "." => '.',
        word => WORDS.iter().find(|(own, _)| *own == word)?.1,
    };
    Some((word.len() + close.len_utf8(), sign))
}

/// Characters outside ASCII, full-width ASCII among them. `None` when the character stays as it is.
fn wide(rest: &[u8]) -> Option<Piece> {
    let length = match rest.first()? {
        0xc2..=0xdf => 2,
        0xe1..=0xef => 3,
        _ => 4,
    };
    let c = std::str::from_utf8(rest.get(..length)?).ok()?.chars().next()?;
    let becomes = match c {
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffd}'
        | '\u{e0000}'..='\u{e0fff}' => Becomes::Nothing,
        '\u{80}'..='\u{9f}' => Becomes::Nothing,
        // Wide brackets around the word.
        '（' | '【' | '［' | '〔' | '「' | '〈' | '＜' | '｛' => {
            let (length, sign) = wide_bracketed(rest.get(length..)?, c)?;
            return Some(Piece {
                length: c.len_utf8() + length,
                becomes: Becomes::One(sign),
                escaped: false,
            });
        }
        '\u{ff01}'..='\u{ff5e}' => shifted(c, 0xff01, '!').map(|c| c.to_ascii_lowercase()).into(),
        '\u{3002}' | '\u{ff61}' => Becomes::One('.'),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Becomes::One('-'),
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' => return None,
        // In brackets, squares and flags they are letters all the same.
        '\u{249c}'..='\u{24b5}' => shifted(c, 0x249c, 'a').into(),
        '\u{1f110}'..='\u{1f129}' => shifted(c, 0x1f110, 'a').into(),
        '\u{1f150}'..='\u{1f169}' => shifted(c, 0x1f150, 'a').into(),
        '\u{1f170}'..='\u{1f189}' => shifted(c, 0x1f170, 'a').into(),
        '\u{1f1e6}'..='\u{1f1ff}' => shifted(c, 0x1f1e6, 'a').into(),
        _ => match FORMS.get(c as usize).copied().unwrap_or_else(|| form(c)) {
            Form::Stays => return None,
            Form::One(one) => Becomes::One(one),
            Form::Several => Becomes::Several(c),
        },
    };
    Some(Piece { length, becomes, escaped: false })
}

/// Whether a letter is a capital, itself or as one escape; `None` where that cannot be told.
pub fn is_capital(raw: &[u8]) -> Option<bool> {
    let mut written = std::str::from_utf8(raw).ok()?.chars();
    let c = match (written.next()?, written.next()) {
        (c, None) => c,
        _ => match piece(raw)? {
            Piece { length, becomes: Becomes::One(c), .. } if length == raw.len() => c,
            _ => return None,
        },
    };
    Some(c.is_uppercase())
}

#[cfg(test)]
mod tests;
