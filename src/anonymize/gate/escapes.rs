//! Escapes in a text, decoded one layer a call: for the gate alone, apart from the rewriter's spelling.
//!
//! Rules: percent (RFC 3986 §2.1), HTML's numeric entities and the named ones an address can need, JSON and scripts,
//! CSS, undeclared quoted-printable, and letters shifted to seven bits (RFC 1557, RFC 1843).
//! When it fails: never; what is no escape stays.

/// The text with one layer of escapes decoded; `None` when there is none.
pub fn unescaped(text: &str) -> Option<String> {
    if memchr::memchr3(b'%', b'&', b'\\', text.as_bytes()).is_none() && !text.contains('=') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    while let Some(i) = rest.find(['%', '&', '\\', '=']) {
        let (before, from) = rest.split_at(i);
        out.push_str(before);
        let decoded = match from.as_bytes().first() {
            Some(b'%') => percent(from),
            Some(b'&') => entity(from),
            Some(b'=') => quoted(from),
            _ => backslash(from),
        };
        let length = match decoded {
            Some((length, c)) => {
                out.extend(c);
                changed = true;
                length
            }
            None => {
                out.push_str(from.get(..1).unwrap_or_default());
                1
            }
        };
        rest = from.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    changed.then_some(out)
}

fn code(digits: &str, radix: u32) -> Option<char> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
}

/// `%40`; octets above 127 as the UTF-8 they are part of.
fn percent(text: &str) -> Option<(usize, Option<char>)> {
    let mut octets = Vec::new();
    for i in 0..4 {
        let digits = text.get(i * 3..i * 3 + 3)?.strip_prefix('%')?;
        octets.push(u8::try_from(u32::from(code(digits, 16)?)).ok()?);
        if let Ok(decoded) = std::str::from_utf8(&octets) {
            return Some((i * 3 + 3, decoded.chars().next()));
        }
    }
    None
}

/// Undeclared quoted-printable: only what an address needs, for `=` stands in many texts.
fn quoted(text: &str) -> Option<(usize, Option<char>)> {
    let c = match text.get(1..3)? {
        "40" => '@',
        "2E" | "2e" => '.',
        "2D" | "2d" => '-',
        "5F" | "5f" => '_',
        "2B" | "2b" => '+',
        _ => return None,
    };
    Some((3, Some(c)))
}

fn entity(text: &str) -> Option<(usize, Option<char>)> {
    let numeric = text.strip_prefix("&#");
    if let Some(digits) = numeric {
        let (radix, skip) = if digits.starts_with(['x', 'X']) { (16, 1) } else { (10, 0) };
        let digits = digits.get(skip..)?;
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let c = code(digits.get(..end)?.trim_start_matches('0'), radix)?;
        let semicolon = usize::from(digits.get(end..)?.starts_with(';'));
        return Some((2 + skip + end + semicolon, Some(c)));
    }
    let end = text.as_bytes().iter().take(20).position(|b| *b == b';')?;
    let names: [(&str, &str); 20] = [
        ("commat", "@"),
        ("period", "."),
        ("lowbar", "_"),
        ("UnderBar", "_"),
        ("dash", "-"),
        ("hyphen", "-"),
        ("plus", "+"),
        ("amp", "&"),
        ("percnt", "%"),
        ("num", "#"),
        ("nbsp", " "),
        ("ensp", " "),
        ("emsp", " "),
        ("thinsp", " "),
        ("zwj", ""),
        ("quot", "\""),
        ("lt", "<"),
        ("gt", ">"),
        ("shy", ""),
        ("zwnj", ""),
    ];
    let name = text.get(1..end)?;
    let (_, c) = names.iter().find(|(known, _)| *known == name)?;
    Some((end + 1, c.chars().next()))
}

/// A whole escape of CSS (Syntax §4.3.7): one to six digits and a blank, for what stands in addresses.
fn css(text: &str) -> Option<(usize, char)> {
    let count = text.bytes().skip(1).take(6).take_while(u8::is_ascii_hexdigit).count();
    let c = code(text.get(1..=count)?, 16).filter(|c| c.is_ascii_graphic())?;
    Some((1 + count + usize::from(text.get(count + 1..)?.starts_with(' ')), c))
}

/// Text whose letters are shifted to seven bits (ISO-2022-KR by SO and SI, HZ by `~{` and `~}`) with the eighth bit
/// back; `None` where there is none.
pub fn shifted_out(octets: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(0x0e, octets).or_else(|| memchr::memmem::find(octets, b"~{"))?;
    let mut out = Vec::with_capacity(octets.len());
    let mut shifted = false;
    let mut rest = octets;
    while let Some(b) = rest.first() {
        let (length, becomes) = match rest {
            [0x0e, ..] => (1, Some(true)),
            [0x0f, ..] => (1, Some(false)),
            [b'~', b'{', ..] => (2, Some(true)),
            [b'~', b'}', ..] => (2, Some(false)),
            [0x1b, b'$', b')', _, ..] => (4, Some(shifted)),
            _ => (1, None),
        };
        shifted = becomes.unwrap_or(shifted && *b != b'\n');
        if becomes.is_none() {
            out.push(if shifted && b.is_ascii_graphic() { b | 0x80 } else { *b });
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Some(out)
}

fn backslash(text: &str) -> Option<(usize, Option<char>)> {
    let found = match text.as_bytes().get(1)? {
        b'u' if text.as_bytes().get(2) == Some(&b'{') => {
            let end = text.as_bytes().iter().take(12).position(|b| *b == b'}')?;
            (end + 1, code(text.get(3..end)?, 16)?)
        }
        b'u' => (6, code(text.get(2..6)?, 16)?),
        b'x' | b'\'' => (4, code(text.get(2..4)?, 16)?),
        b'n' | b'r' | b't' => (2, ' '),
        b'0'..=b'9' if let Some(found) = css(text) => found,
        b'0'..=b'9' => {
            let digits = text.get(1..)?.trim_start_matches('0');
            let zeros = text.len() - 1 - digits.len();
            let c = code(digits.get(..2)?, 16).filter(|c| "@.-_+".contains(*c))?;
            let blank = usize::from(zeros < 4 && digits.get(2..)?.starts_with(' '));
            (1 + zeros + 2 + blank, c)
        }
        _ => return None,
    };
    Some((found.0, Some(found.1)))
}
