//! One form for every way to write a letter: folded, without escapes, without what a page does not show.

use unicode_normalization::UnicodeNormalization;

/// Compatibility letters as the letters they look like, lower case, what has no width out, at words as the sign.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // Plain letters and the letters of Chinese and Japanese have one form only.
        let plain = |c: char| {
            c.is_ascii()
                || matches!(c, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}')
        };
        let end = rest.find(|c| plain(c) != plain(first)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        rest = behind;
        if plain(first) {
            folded.extend(
                run.chars().filter(|c| !c.is_ascii() || !is_hidden(*c)).map(|c| c.to_ascii_lowercase()),
            );
            continue;
        }
        for c in run.nfkc().filter(|c| !is_hidden(*c)) {
            match c {
                '。' | '｡' => folded.push('.'),
                '\u{2010}'..='\u{2015}' | '\u{2212}' => folded.push('-'),
                _ => folded.extend(c.to_lowercase()),
            }
        }
    }
    at_words(&in_japanese(folded))
}

/// Signs that are said in Japanese or drawn.
fn in_japanese(mut text: String) -> String {
    for (word, sign) in [("アット", "@"), ("あっと", "@"), ("★", "@"), ("ドット", ".")] {
        if text.contains(word) {
            text = text.replace(word, sign);
        }
    }
    text
}

/// Controls, and what stands for octets that are no text.
pub fn is_no_text(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffd}')
}

fn is_hidden(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `(at)`, `[ dot ]`, ` at ` as the sign.
fn at_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find(['(', '[', '{', '<', ' ']) {
        out.push_str(&text[at..at + found]);
        at += found;
        let open = text.as_bytes()[at];
        let inner = text[at + 1..].trim_start_matches(' ');
        let sign = [("at", '@'), ("dot", '.'), ("@", '@'), (".", '.')]
            .into_iter()
            .find_map(|(word, sign)| Some((inner.strip_prefix(word)?, word, sign)));
        let close = match open {
            b'(' => ')',
            b'[' => ']',
            b'{' => '}',
            b'<' => '>',
            _ => ' ',
        };
        if let Some((rest, word, sign)) = sign
            && let Some(rest) =
                rest.trim_start_matches(if close == ' ' { '\0' } else { ' ' }).strip_prefix(close)
            && (close != ' ' || word.len() > 1)
        {
            out.push(sign);
            at = text.len() - rest.len();
        } else {
            out.push(char::from(open));
            at += 1;
        }
    }
    out.push_str(&text[at..]);
    out
}

/// The same for what is sought in ASCII: letters of other alphabets are out too.
pub fn squeeze_ascii(folded: &str) -> String {
    const KEPT: [bool; 256] = {
        let mut kept = [false; 256];
        let mut i = 0;
        while i < 128 {
            #[expect(clippy::cast_possible_truncation, reason = "i is below 128")]
            let b = i as u8;
            kept[i] = b.is_ascii_alphanumeric() || matches!(b, b'@' | b'.' | b'-' | b'_' | b'+' | b'=');
            i += 1;
        }
        kept
    };
    let mut out = Vec::with_capacity(folded.len());
    for b in folded.bytes().filter(|b| KEPT[usize::from(*b)]) {
        if b == b'@' && out.last() == Some(&b'=') {
            out.pop();
        }
        out.push(b);
    }
    String::from_utf8(out).unwrap()
}

/// Letters, digits and what joins them to an address; all else out.
pub fn squeeze(folded: &str) -> String {
    folded
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '@' | '.' | '-' | '_' | '+' | '='))
        .collect::<String>()
        .replace("=@", "@")
}

/// A page as it may be shown: without tags (read in two ways), without comments, without what is hidden by a style.
pub fn visible(text: &str) -> Vec<String> {
    let bare = without_hidden(&without_comments(text));
    let mut out = vec![without_tags(&bare, true), without_tags(&bare, false)];
    if bare != text {
        out.push(without_tags(text, false));
    }
    if text.contains('(') {
        out.push(without_brackets(text));
    }
    out
}

fn without_comments(text: &str) -> String {
    let mut out = text.to_owned();
    for (open, close) in
        [("<!--", "-->"), ("<style", "</style>"), ("<script", "</script>"), ("/*", "*/"), ("<![cdata[", "")]
    {
        if !out.contains(open) {
            continue;
        }
        let mut rest = out.as_str();
        let mut kept = String::with_capacity(out.len());
        while let Some(at) = rest.find(open) {
            kept.push_str(&rest[..at]);
            let inner = &rest[at + open.len()..];
            rest = inner.find(close).map_or(inner, |end| &inner[end + close.len()..]);
        }
        kept.push_str(rest);
        out = kept;
    }
    out
}

/// Elements that a style hides, with what is in them.
fn without_hidden(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let tag = rest[open..].find('>').map_or(rest.len(), |end| open + end + 1);
        let inside: String = rest[open..tag].chars().filter(|c| !c.is_whitespace()).collect();
        let hides =
            ["display:none", "font-size:0", "visibility:hidden"].iter().any(|style| inside.contains(style));
        out.push_str(&rest[..open]);
        let end = hides.then(|| rest[tag..].find("</").map(|end| tag + end)).flatten();
        match end {
            Some(end) => rest = &rest[end..],
            None => {
                out.push_str(&rest[open..tag]);
                rest = &rest[tag..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn without_tags(text: &str, quotes: bool) -> String {
    let (mut inside, mut quote) = (false, None);
    text.chars()
        .filter(|c| {
            match *c {
                '<' if !inside => (inside, quote) = (true, None),
                '"' | '\'' if inside && quotes => match quote {
                    None => quote = Some(*c),
                    Some(open) if open == *c => quote = None,
                    Some(_) => {}
                },
                '>' if inside && quote.is_none() => {
                    inside = false;
                    return false;
                }
                _ => {}
            }
            !inside
        })
        .collect()
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|c| {
            if *c == '(' {
                depth += 1;
            }
            let keep = depth == 0;
            if *c == ')' {
                depth = depth.saturating_sub(1);
            }
            keep
        })
        .collect()
}

/// One layer of escapes off: percent, entities, those of scripts, JSON, RTF and style sheets.
pub fn unescaped(text: &str) -> String {
    if !text.contains(['%', '&', '\\']) {
        return text.to_owned();
    }
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let octets = text.as_bytes();
    let mut at = 0;
    while at < octets.len() {
        let found = match octets[at] {
            b'%' => percent(&octets[at..]),
            b'&' => entity(&text[at..]),
            b'\\' => backslash(&text[at..]),
            _ => None,
        };
        match found {
            Some((length, made)) => {
                out.extend(made);
                at += length;
            }
            None => {
                out.push(octets[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn made(code: u32) -> Option<Vec<u8>> {
    Some(char::from_u32(code)?.to_string().into_bytes())
}

fn digits(text: &str, radix: u32, count: usize) -> Option<u32> {
    let text = text.get(..count)?;
    text.bytes().all(|b| char::from(b).is_digit(radix)).then(|| u32::from_str_radix(text, radix).ok())?
}

fn percent(octets: &[u8]) -> Option<(usize, Vec<u8>)> {
    let text = std::str::from_utf8(octets.get(1..octets.len().min(6))?)
        .ok()
        .or_else(|| std::str::from_utf8(octets.get(1..3)?).ok())?;
    if let Some(rest) = text.strip_prefix(['u', 'U']) {
        return Some((6, made(digits(rest, 16, 4)?)?));
    }
    Some((3, vec![u8::try_from(digits(text, 16, 2)?).ok()?]))
}

fn entity(text: &str) -> Option<(usize, Vec<u8>)> {
    if let Some(number) = text.strip_prefix("&#") {
        let (lead, radix) = if number.starts_with(['x', 'X']) { (1, 16) } else { (0, 10) };
        let count = number[lead..].bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
        let code = u32::from_str_radix(&number[lead..lead + count], radix).ok()?;
        let end = 2 + lead + count;
        return Some((end + usize::from(text[end..].starts_with(';')), made(code)?));
    }
    let end = text.bytes().take(32).position(|b| b == b';')?;
    let octets: &[u8] = match &text[1..end] {
        "commat" => b"@",
        "period" => b".",
        "amp" | "AMP" => b"&",
        "lt" | "LT" => b"<",
        "gt" | "GT" => b">",
        "lowbar" => b"_",
        "hyphen" | "dash" => b"-",
        "plus" => b"+",
        "percnt" => b"%",
        "num" => b"#",
        "quot" | "apos" | "shy" | "zwj" | "zwnj" | "ZeroWidthSpace" | "NoBreak" | "lrm" | "rlm" | "nbsp" => {
            b""
        }
        _ => return None,
    };
    Some((end + 1, octets.to_vec()))
}

fn backslash(text: &str) -> Option<(usize, Vec<u8>)> {
    let rest = &text[1..];
    let first = rest.chars().next()?;
    match first {
        'u' if rest.starts_with("u{") => {
            let end = rest.find('}')?;
            Some((end + 2, made(u32::from_str_radix(rest.get(2..end)?, 16).ok()?)?))
        }
        'u' => Some((6, made(digits(&rest[1..], 16, 4)?)?)),
        'U' => Some((10, made(digits(&rest[1..], 16, 8)?)?)),
        'x' | '\'' => Some((4, made(digits(rest.get(1..)?, 16, 2)?)?)),
        '0'..='7'
            if digits(rest, 8, 3).is_some_and(|code| (0x21..0x7f).contains(&code))
                && !rest.starts_with("000") =>
        {
            Some((4, made(digits(rest, 8, 3)?)?))
        }
        'n' | 'r' | 't' => Some((2, b" ".to_vec())),
        '"' | '/' | '\\' => Some((2, vec![u8::try_from(first).ok()?])),
        c if c.is_ascii_hexdigit() => {
            let count = rest.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
            let code = u32::from_str_radix(&rest[..count], 16).ok()?;
            // A style sheet's escape takes as many digits as there are, so what follows is no hexadecimal digit.
            let end = 1 + count;
            Some((end + usize::from(text[end..].starts_with(' ')), made(code)?))
        }
        c if c.is_ascii_graphic() => Some((1, Vec::new())),
        _ => None,
    }
}
