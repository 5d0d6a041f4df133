//! Links that a gateway of mail wrote anew, read as the gateway would: for the gate alone, apart from the rewriter's views.
//!
//! Rules: a link of Proofpoint is read up to a blank or a quote, over line ends: with `-` as `%` and `_` as `/`; its stars in turn by the
//! list behind it, and by what stands behind each. Around any other `*40`, `-40`, `~40` (with `25` before the digits where it is
//! escaped) such marks are read as percent signs. What comes out is read once more, with its escapes decoded.
//! When it fails: never.

use super::escapes::{Kind, unescaped};
use super::tags;
use super::tokens::decode_base64;
use aho_corasick::AhoCorasick;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Longest link that is read, and how far around a mark a text is, in octets.
const MAX_LINK: usize = 1 << 13;
const NEAR: usize = 1024;
/// How much of what links hold is looked at together, in octets.
const AT_ONCE: usize = 64 * 1024;
/// Links in links that are read, and escapes over escapes of a mark.
const MAX_DEPTH: u32 = 3;
const MAX_LAYERS: usize = 3;

/// The name of the gateway, then the marks, plain and behind what ends an escape of one.
const MARKS: [&str; 35] = [
    "urldefense",
    "*40",
    "*25",
    "-40",
    "-25",
    "~40",
    "~25",
    "*2b",
    ";40",
    ";25",
    "2a40",
    "2A40",
    "2a25",
    "2A25",
    "2d40",
    "2D40",
    "7e40",
    "7E40",
    "7e25",
    "7E25",
    "3b40",
    "3B40",
    // Where the digits behind one are escapes too.
    "%2a",
    "%2A",
    "&#42",
    "&#x2a",
    "&#x2A",
    "u002a",
    "u002A",
    "u007e",
    "u007E",
    "&ast;",
    "&midast;",
    "2a2b",
    "2A2B",
];
static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(MARKS).ok());

/// Whether `look` finds something in what links and marked escapes of a text hold: many short ones at once, each on a line of its own, since
/// most cost more to begin with than to read.
pub fn any(text: &[u8], look: impl Fn(&[u8]) -> bool) -> bool {
    let (mut hit, mut all, mut seen) = (false, Vec::new(), BTreeSet::new());
    read(text, &mut |clear| {
        if hit || !seen.insert(clear.to_vec()) {
            return;
        }
        all.extend_from_slice(clear);
        all.extend_from_slice(b" \r\n\r\n ");
        if all.len() > AT_ONCE {
            hit = look(&all);
            all.clear();
            seen.clear();
        }
    });
    hit || look(&all)
}

/// A text without its tags, where a link of a gateway may stand among them: a page may break it anywhere.
pub fn without_tags(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'<', text)?;
    memchr::memmem::find(text, b"urldefense")?;
    let mut bare = Vec::with_capacity(text.len());
    tags::outside(text, tags::View::Strict, |piece| bare.extend_from_slice(piece));
    Some(bare)
}

/// Gives `each` what links and marked escapes of a text hold.
fn read(text: &[u8], each: &mut dyn FnMut(&[u8])) {
    read_layer(text, MAX_DEPTH, each);
}

fn read_layer(text: &[u8], depth: u32, each: &mut dyn FnMut(&[u8])) {
    let Some(search) = SEARCH.as_ref() else { return };
    let (mut near, mut link_end): (Vec<(usize, usize)>, usize) = (Vec::new(), 0);
    let give = |clear: Vec<u8>, each: &mut dyn FnMut(&[u8])| {
        each(&clear);
        if depth > 1 {
            read_layer(&clear, depth - 1, each);
        }
    };
    for found in search.find_iter(text) {
        let at = found.start();
        if found.pattern().as_usize() == 0 {
            if at >= link_end {
                let (link, end) = link_at(text, at);
                link_end = end;
                readings(&link).into_iter().for_each(|clear| give(clear, each));
            }
            continue;
        }
        let (from, to) = (at.saturating_sub(NEAR), (at + NEAR).min(text.len()));
        match near.last_mut() {
            Some((_, last)) if *last >= from => *last = to,
            _ => near.push((from, to)),
        }
    }
    for (from, to) in near {
        let piece = text.get(from..to).unwrap_or_default();
        let clear = with_percents(piece);
        if clear != piece {
            each(&clear);
        }
        if depth < MAX_DEPTH {
            continue;
        }
        let mut below = String::from_utf8_lossy(piece).into_owned();
        for _ in 0..MAX_LAYERS {
            let Some(next) = unescaped(&below, Kind::All) else { break };
            let again = with_percents(next.as_bytes());
            if again != next.as_bytes() {
                each(&again);
            }
            below = next;
        }
    }
}

/// The link from its gateway's name on, without line ends and what quoting puts behind them, and where it ends.
fn link_at(text: &[u8], at: usize) -> (Vec<u8>, usize) {
    let mut link = Vec::new();
    let mut line_start = false;
    let end = (at + MAX_LINK).min(text.len());
    for (i, b) in text.get(at..end).unwrap_or_default().iter().enumerate() {
        match b {
            b'\r' | b'\n' => line_start = true,
            b' ' | b'\t' | b'>' | b'|' if line_start => {}
            b' ' | b'\t' | b'"' | b'<' | b'>' => return (link, at + i),
            _ => {
                line_start = false;
                link.push(*b);
            }
        }
    }
    (link, end)
}

/// All that a link may mean.
fn readings(link: &[u8]) -> Vec<Vec<u8>> {
    let mut out = vec![with_percents(link)];
    let text = String::from_utf8_lossy(link);
    let mut forms = vec![text.clone().into_owned()];
    forms.extend(unescaped(&text, Kind::All));
    for form in forms {
        let head = form.chars().take(60).collect::<String>();
        if head.contains("v2") {
            out.push(form.replace('-', "%").replace('_', "/").into_bytes());
        }
        let Some((_, rest)) = form.split_once("v3").and_then(|(_, rest)| rest.split_once("__")) else {
            continue;
        };
        out.push(starred(rest, None).into_bytes());
        if let Some((body, list)) = rest.split_once("__;") {
            let list = list.split('!').next().unwrap_or_default();
            let octets = decode_base64(list.as_bytes());
            out.push(starred(body, Some(&String::from_utf8_lossy(&octets))).into_bytes());
        }
    }
    for clear in &mut out {
        if let Some(below) = std::str::from_utf8(clear).ok().and_then(|text| unescaped(text, Kind::All)) {
            // The layer itself is read by whoever looks at it; links in it are found once it is gone.
            clear.push(b'\n');
            clear.extend_from_slice(below.as_bytes());
        }
    }
    out
}

/// A link with what its stars stand for.
fn starred(body: &str, list: Option<&str>) -> String {
    const RUNS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut listed = list.map(str::chars);
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, behind)) = rest.split_once('*') {
        out.push_str(before);
        let run = behind.strip_prefix('*').and_then(|more| Some((RUNS.find(more.chars().next()?)?, more)));
        let (count, next) = match run {
            Some((length, more)) => (length + 2, more.get(1..).unwrap_or_default()),
            None => (1, behind),
        };
        match &mut listed {
            Some(listed) => out.extend(listed.by_ref().take(count)),
            None if behind.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2 => out.push('%'),
            None => out.push('+'),
        }
        rest = next;
    }
    out + rest
}

/// A text with a percent sign for each mark before an escape of what an address needs.
fn with_percents(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    for (i, b) in out.iter_mut().enumerate() {
        if !matches!(b, b'*' | b'-' | b'~') {
            continue;
        }
        let mut digits = text.get(i + 1..).unwrap_or_default();
        while let [b'2', b'5', rest @ ..] = digits
            && rest.get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
        {
            digits = rest;
        }
        if let [a, c, ..] = digits
            && matches!(
                (*a, c.to_ascii_lowercase()),
                (b'4', b'0')
                    | (b'2', b'b' | b'd' | b'e' | b'0' | b'2' | b'6' | b'7' | b'8' | b'c' | b'f')
                    | (b'3', b'a'..=b'f')
                    | (b'5', b'f')
            )
        {
            *b = b'%';
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, clear: &str) -> bool {
        let mut any = false;
        read(text.as_bytes(), &mut |piece| any |= memchr::memmem::find(piece, clear.as_bytes()).is_some());
        any
    }

    #[test]
    fn links_and_links_in_links_are_read() {
        for (text, clear) in [
            (
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__x.example_-3Fe-3Da-40b-2Dc&d=D",
                "/x.example/%3Fe%3Da%40b%2Dc&",
            ),
            ("https://urldefense.com/v3/__https://x.example/?e=a*40b**Ac__;JSsr!!A!b$", "?e=a%40b++c"),
            ("https://urldefense.com/v3/__https://x.example/?e=a*40b*c", "?e=a%40b+c"),
            (
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__urldefense.com_v3_-5F-5Fhttps-3A_x.example_-3Fe-3Da-2A40b-5F-5F-3BJQ-21-21A&d=D",
                "?e=a%40b",
            ),
            ("e=a%2A40b", "e=a%40b"),
            ("e=a%2A%34%30b", "e=a%40b"),
            ("e=a%2A4%30b", "e=a%40b"),
            ("e=a%2a%340b", "e=a%40b"),
            ("e=a&#42&#52;0b", "e=a%40b"),
            ("e=a&#x2A&#52;0b", "e=a%40b"),
            ("e=a&ast;&#52;0b", "e=a%40b"),
            ("e=a&midast;&#52;0b", "e=a%40b"),
            ("e=a\\u002a\\u00340b", "e=a%40b"),
            ("e=a\\u002A\\u0034\\u0030b", "e=a%40b"),
            ("e=a\\u007E\\u00340b", "e=a%40b"),
            ("e=a%2A2Btag@b", "e=a%2Btag@b"),
            ("> urldefense.com/v3/__https://x.example/?e=a*4\r\n> 0b__;JQ!!A!b$", "?e=a%40b"),
        ] {
            assert!(holds(text, clear), "{text}");
        }
        assert!(!holds("03-4012-3456 and 2*2", "%4012-3456 and 2+2"));
    }
}
