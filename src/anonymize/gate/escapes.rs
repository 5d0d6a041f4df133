//! Escapes in a text: for the gate alone, apart from the rewriter's spelling.
//!
//! Rules: percent (RFC 3986 §2.1), HTML's numeric entities and the named ones an address can need, JSON and scripts,
//! octal and CSS, and undeclared quoted-printable. A text is decoded one layer a call; a single character is read
//! through all its layers where it stands.
//! When it fails: never; what is no escape stays.

/// Most layers of escapes in escapes.
pub const MAX_LAYERS: u32 = 4;
/// Longest name or number of an entity, in characters.
const MAX_ENTITY: usize = 24;

/// Which escapes a reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    All,
    Percent,
    Entities,
    Backslashes,
    Octal,
    Quoted,
}

impl Kind {
    /// Every kind, the widest first.
    pub const EACH: [Kind; 6] =
        [Kind::All, Kind::Percent, Kind::Entities, Kind::Backslashes, Kind::Octal, Kind::Quoted];

    /// Where the next octet stands that may begin an escape of this kind.
    fn next(self, text: &[u8]) -> Option<usize> {
        match self {
            Kind::All => text.iter().position(|b| is_lead(*b)),
            Kind::Percent => memchr::memchr(b'%', text),
            Kind::Entities => memchr::memchr(b'&', text),
            Kind::Backslashes | Kind::Octal => memchr::memchr(b'\\', text),
            Kind::Quoted => memchr::memchr(b'=', text),
        }
    }
}

/// Whether an escape can begin with `b`.
pub fn is_lead(b: u8) -> bool {
    matches!(b, b'%' | b'&' | b'\\' | b'=')
}

/// The text with one layer of escapes decoded; `None` when there is none.
pub fn unescaped(text: &str, kind: Kind) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut done, mut at) = (0, 0);
    while let Some(i) = kind.next(bytes.get(at..).unwrap_or_default()) {
        at += i;
        let b = bytes.get(at).copied().unwrap_or(0);
        match escape(bytes, at, b, 1, kind, 0) {
            Some((c, end)) if end > at => {
                if done == 0 {
                    out.reserve(text.len());
                }
                out.push_str(text.get(done..at).unwrap_or_default());
                out.push(c);
                (done, at) = (end, end);
            }
            // Of another charset: no letter of an address.
            _ if matches!(kind, Kind::All | Kind::Percent) && is_other_octet(bytes, at) => {
                out.push_str(text.get(done..at).unwrap_or_default());
                out.push(char::REPLACEMENT_CHARACTER);
                (done, at) = (at + 3, at + 3);
            }
            _ => at += 1,
        }
    }
    if done == 0 {
        return None;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Some(out)
}

/// Whether an escape of an octet beyond ASCII stands at `at`, `%E9`.
fn is_other_octet(text: &[u8], at: usize) -> bool {
    let digits =
        |high: u8, low: u8| high.is_ascii_hexdigit() && !high.is_ascii_digit() && low.is_ascii_hexdigit();
    match text.get(at..at + 3) {
        Some([b'%', b'8' | b'9', low]) => low.is_ascii_hexdigit(),
        Some([b'%', high, low]) => digits(*high, *low),
        _ => false,
    }
}

/// The character that stands at `at`, read through `layers` of escapes, and where the next one begins. `None` at the
/// end, and for octets that are no UTF-8.
pub fn read(text: &[u8], at: usize, layers: u32) -> Option<(char, usize)> {
    let b = *text.get(at)?;
    if b < 0x80 && !is_lead(b) {
        return Some((char::from(b), at + 1));
    }
    if layers == 0 || b >= 0x80 {
        return raw(text, at);
    }
    let (mut c, mut end) = (char::from(b), at + 1);
    for layer in 0..layers {
        let Some(lead) = u8::try_from(c).ok().filter(|b| is_lead(*b)) else { break };
        // What follows a lead that stands there is read as it stands first (`&#64&#97;` is two characters), what
        // follows a decoded one through its escapes first.
        let orders = if layer == 0 { [0, layers - 1] } else { [layers - 1, 0] };
        let through = |inner| escape(text, at, lead, end - at, Kind::All, inner);
        let meant = through(orders[0]).or_else(|| if layers > 1 { through(orders[1]) } else { None });
        let Some(meant) = meant else { break };
        (c, end) = meant;
    }
    Some((c, end))
}

/// The character at `at` as UTF-8.
pub fn raw(text: &[u8], at: usize) -> Option<(char, usize)> {
    let first = *text.get(at)?;
    let length = match first {
        0..0x80 => return Some((char::from(first), at + 1)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let c = std::str::from_utf8(text.get(at..at + length)?).ok()?.chars().next()?;
    Some((c, at + length))
}

/// What an escape means, and where it ends.
type Meaning = Option<(char, usize)>;

/// The escape at `at` whose lead is `length` octets long; what follows is read through `layers`.
fn escape(text: &[u8], at: usize, lead: u8, length: usize, kind: Kind, layers: u32) -> Meaning {
    let from = at + length;
    match lead {
        b'%' => percent(text, from, layers),
        b'&' => entity(text, from, layers),
        b'=' => quoted(text, from, kind, layers),
        _ => backslash(text, from, kind, layers),
    }
}

/// `count` hexadecimal digits.
fn hex(text: &[u8], from: usize, count: usize, layers: u32) -> Option<(u32, usize)> {
    let (mut value, mut at) = (0, from);
    for _ in 0..count {
        let (c, end) = read(text, at, layers)?;
        value = value * 16 + c.to_digit(16)?;
        at = end;
    }
    Some((value, at))
}

/// `%40`; octets above 127 as the UTF-8 they are part of; `%u0040`.
fn percent(text: &[u8], from: usize, layers: u32) -> Meaning {
    let (c, after) = read(text, from, layers)?;
    if c == 'u' || c == 'U' {
        let (code, end) = hex(text, after, 4, layers)?;
        return Some((char::from_u32(code)?, end));
    }
    let mut octets = [0u8; 4];
    let mut at = from;
    for i in 0..4 {
        let (value, end) = hex(text, at, 2, layers)?;
        *octets.get_mut(i)? = u8::try_from(value).ok()?;
        if let Ok(decoded) = std::str::from_utf8(octets.get(..=i)?) {
            return Some((decoded.chars().next()?, end));
        }
        let (c, after) = read(text, end, layers)?;
        if c != '%' {
            return None;
        }
        at = after;
    }
    None
}

/// Undeclared quoted-printable. Beside other escapes only for what an address needs, for `=` stands in many texts.
fn quoted(text: &[u8], from: usize, kind: Kind, layers: u32) -> Meaning {
    let (value, end) = hex(text, from, 2, layers)?;
    if kind == Kind::Quoted && (matches!(value, 9 | 10 | 13) || value >= 0x80) {
        return Some((if value < 0x80 { ' ' } else { char::REPLACEMENT_CHARACTER }, end));
    }
    let c = char::from_u32(value).filter(|c| matches!(c, ' '..='~'))?;
    (kind == Kind::Quoted || layers > 0 || "@.-_+=%&\\".contains(c)).then_some((c, end))
}

fn entity(text: &[u8], from: usize, layers: u32) -> Meaning {
    let (first, mut at) = read(text, from, layers)?;
    // Calendars escape it (RFC 5545 §3.3.11).
    let closes = |at: usize| match read(text, at, layers)? {
        (';', end) => Some(end),
        ('\\', end) => read(text, end, layers).filter(|(c, _)| *c == ';').map(|(_, end)| end),
        _ => None,
    };
    let semicolon = |at: usize| closes(at).unwrap_or(at);
    if first == '#' {
        let (x, after) = read(text, at, layers)?;
        let radix = if matches!(x, 'x' | 'X') { 16 } else { 10 };
        at = if radix == 16 { after } else { at };
        let (mut value, mut digits) = (0u32, 0);
        while let Some((c, end)) = read(text, at, layers).filter(|(c, _)| c.is_digit(radix)) {
            value = value.saturating_mul(radix).saturating_add(c.to_digit(radix)?);
            digits += 1;
            if digits > MAX_ENTITY {
                return None;
            }
            at = end;
        }
        return (digits > 0).then_some((char::from_u32(value)?, semicolon(at)));
    }
    let mut name = [0u8; MAX_ENTITY];
    let (mut length, mut c) = (0, first);
    while let Some(b) = u8::try_from(c).ok().filter(u8::is_ascii_alphanumeric) {
        *name.get_mut(length)? = b;
        length += 1;
        let Some((next, end)) = read(text, at, layers) else { break };
        if let Some(end) = closes(at) {
            return Some((named(name.get(..length)?)?, end));
        }
        (c, at) = (next, end);
    }
    // These are known without their semicolon too (HTML §13.5).
    let known: [(&str, char); 6] =
        [("amp", '&'), ("nbsp", ' '), ("quot", '"'), ("lt", '<'), ("gt", '>'), ("shy", '\u{ad}')];
    let (known, c) = known
        .iter()
        .copied()
        .chain(MARKS.iter().map(|mark| (*mark, char::REPLACEMENT_CHARACTER)))
        .find(|(known, _)| name.get(..length).is_some_and(|n| n.starts_with(known.as_bytes())))?;
    let mut end = from;
    for _ in 0..known.len() {
        end = read(text, end, layers)?.1;
    }
    Some((c, end))
}

/// Names of other characters that are known without their semicolon (HTML §13.5): none of them is a letter of an address.
/// Of two that begin alike the longer one comes first.
const MARKS: [&str; 67] = [
    "aacute", "acirc", "acute", "aelig", "agrave", "aring", "atilde", "auml", "brvbar", "ccedil", "cedil",
    "cent", "copy", "curren", "deg", "divide", "eacute", "ecirc", "egrave", "eth", "euml", "frac12",
    "frac14", "frac34", "iacute", "icirc", "iexcl", "igrave", "iquest", "iuml", "laquo", "macr", "micro",
    "middot", "not", "ntilde", "oacute", "ocirc", "ograve", "oslash", "otilde", "ouml", "para", "plusmn",
    "pound", "raquo", "reg", "sect", "szlig", "thorn", "times", "uacute", "ucirc", "ugrave", "uml", "uuml",
    "yacute", "yen", "yuml", "AElig", "Eacute", "Oslash", "COPY", "REG", "QUOT", "LT", "GT",
];

/// What a named entity means: itself only where an address can be spelled with it.
fn named(name: &[u8]) -> Option<char> {
    let c = match name {
        b"commat" => '@',
        b"period" => '.',
        b"lowbar" | b"UnderBar" => '_',
        b"dash" | b"hyphen" | b"ndash" | b"mdash" | b"minus" | b"horbar" => '-',
        b"plus" => '+',
        b"amp" | b"AMP" => '&',
        b"percnt" => '%',
        b"num" => '#',
        b"bsol" => '\\',
        b"equals" => '=',
        b"semi" => ';',
        b"sol" => '/',
        b"colon" => ':',
        b"comma" => ',',
        b"excl" => '!',
        b"apos" => '\'',
        b"quot" | b"QUOT" => '"',
        b"lt" | b"LT" => '<',
        b"gt" | b"GT" => '>',
        b"lpar" => '(',
        b"rpar" => ')',
        b"lsqb" | b"lbrack" => '[',
        b"rsqb" | b"rbrack" => ']',
        b"lcub" | b"lbrace" => '{',
        b"rcub" | b"rbrace" => '}',
        b"nbsp" | b"NonBreakingSpace" | b"ensp" | b"emsp" | b"emsp13" | b"emsp14" | b"numsp" | b"puncsp"
        | b"thinsp" | b"ThinSpace" | b"hairsp" | b"VeryThinSpace" | b"MediumSpace" | b"Tab" | b"NewLine" => {
            ' '
        }
        b"zwj" | b"zwnj" | b"shy" | b"lrm" | b"rlm" | b"ZeroWidthSpace" | b"NoBreak" | b"ic" | b"it"
        | b"af" | b"InvisibleComma" | b"InvisibleTimes" | b"ApplyFunction" => '\u{200b}',
        b"sup1" => '1',
        b"sup2" => '2',
        b"sup3" => '3',
        b"ordf" => 'a',
        b"ordm" => 'o',
        b"fflig" => '\u{fb00}',
        b"filig" => '\u{fb01}',
        b"fllig" => '\u{fb02}',
        b"ffilig" => '\u{fb03}',
        b"ffllig" => '\u{fb04}',
        // Letters of mathematics: `&bopf;`.
        [letter, b'f', b'r'] | [letter, b's', b'c', b'r'] | [letter, b'o', b'p', b'f'] => char::from(*letter),
        _ => return None,
    };
    Some(c)
}

fn backslash(text: &[u8], from: usize, kind: Kind, layers: u32) -> Meaning {
    let (c, after) = read(text, from, layers)?;
    match c {
        'u' => {
            if let Some(('{', mut at)) = read(text, after, layers) {
                let mut value = 0u32;
                for _ in 0..9 {
                    let (c, end) = read(text, at, layers)?;
                    if c == '}' {
                        return Some((char::from_u32(value)?, end));
                    }
                    value = value.saturating_mul(16).saturating_add(c.to_digit(16)?);
                    at = end;
                }
                return None;
            }
            let (code, end) = hex(text, after, 4, layers)?;
            if (0xd800..0xdc00).contains(&code) {
                return surrogates(text, code, end, layers);
            }
            Some((char::from_u32(code)?, end))
        }
        'U' => hex(text, after, 8, layers).and_then(|(code, end)| Some((char::from_u32(code)?, end))),
        'x' | '\'' => hex(text, after, 2, layers).and_then(|(code, end)| Some((char::from_u32(code)?, end))),
        'n' | 'N' | 'r' | 't' | 'f' | 'v' | 'b' => Some((' ', after)),
        '\\' => Some(('\\', after)),
        _ if kind == Kind::Octal => octal(text, from, layers),
        _ if kind == Kind::All => css(text, from, layers).or_else(|| octal(text, from, layers)),
        _ => css(text, from, layers),
    }
}

fn surrogates(text: &[u8], high: u32, from: usize, layers: u32) -> Meaning {
    let (_, at) = read(text, from, layers).filter(|(c, _)| *c == '\\')?;
    let (_, at) = read(text, at, layers).filter(|(c, _)| *c == 'u')?;
    let (low, end) = hex(text, at, 4, layers)?;
    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)?, end))
}

/// A whole escape of CSS (Syntax §4.3.7): one to six digits and a blank, for what stands in addresses.
fn css(text: &[u8], from: usize, layers: u32) -> Meaning {
    let (mut value, mut at, mut digits) = (0u32, from, 0);
    while let Some((c, end)) = read(text, at, layers).filter(|(c, _)| digits < 6 && c.is_ascii_hexdigit()) {
        value = value * 16 + c.to_digit(16)?;
        digits += 1;
        at = end;
    }
    if digits < 2 {
        return None;
    }
    let c = char::from_u32(value).filter(|c| c.is_ascii_graphic() || super::compat::plain(*c).is_some())?;
    match read(text, at, layers) {
        Some((' ' | '\t' | '\n', end)) => Some((c, end)),
        _ => Some((c, at)),
    }
}

/// One to three octal digits, as in scripts and shells.
fn octal(text: &[u8], from: usize, layers: u32) -> Meaning {
    let (mut value, mut at, mut digits) = (0u32, from, 0);
    while let Some((c, end)) = read(text, at, layers).filter(|(c, _)| digits < 3 && c.is_digit(8)) {
        value = value * 8 + c.to_digit(8)?;
        digits += 1;
        at = end;
    }
    let c = char::from_u32(value).filter(|c| c.is_ascii_graphic())?;
    (digits >= 2).then_some((c, at))
}
