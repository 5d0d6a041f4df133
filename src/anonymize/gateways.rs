//! Links as a gateway of mail writes them anew, with the escapes of the link in a form of its own.
//!
//! Rules: Proofpoint's second form writes `-` for `%` and `_` for `/`; its third one writes `*` for each special character
//! and lists them, in base64, behind the link (`**A` stands for two of them, `**B` for three, …). Each link is a view in which
//! its characters are what they stand for; where the list is not whole, and in any other text, `*40`, `-2540` and `~40` are
//! read as `%40` is, and so is what an address needs beside them. A link ends where a blank, a quote or a bracket stands.
//! When it fails: never; what is no such link stays as it is.

use crate::mime::transfer::hex;
use crate::mime::view::View;
use data_encoding::BASE64URL_NOPAD;
use std::ops::Range;

/// Longest link that is read, in octets.
const MAX_LINK: usize = 8 * 1024;
/// How far apart places are that one window each is opened at.
const STEP: usize = 1024;
/// How far behind the gateway's name its form is said.
const MAX_NAME: usize = 40;
/// Octets that stand for the percent sign.
const LEADS: [u8; 3] = [b'*', b'-', b'~'];
/// Escapes of an at sign that are no others.
const SIGNS: [&[u8]; 5] = [b"*40", b"*25", b"-25", b"~40", b"~25"];
/// The same where the mark is an escape of another kind than those that open a window anyway.
const BELOW: [&[u8]; 9] =
    [b"u002a", b"u002A", b"u007e", b"u007E", b";2540", b"2A25", b"2a25", b"7E25", b"7e25"];
/// How the octets of a mark, and of the end of an entity, are written in an escape.
const MARKS: [&[u8]; 4] = [b"2a", b"2d", b"7e", b"3b"];
/// Escapes of a mark that the digits behind it may be escapes behind.
const ESCAPED: [&[u8]; 7] = [b"u002a", b"u002A", b"u007e", b"u007E", b"#42", b"#x2a", b"#x2A"];

/// The texts with all that such links hold in clear, each with its way back.
pub fn views(text: &[u8]) -> Vec<View> {
    let links = links(text);
    let mut out = Vec::new();
    out.extend(translated(text, &links));
    out.extend(marked(text, &links));
    out
}

/// Whether such a link or escape may lie below other escapes of a text: the digits of an at sign behind the end of an entity or the
/// digits of a mark.
pub fn may_lie_below(text: &[u8]) -> bool {
    let is_behind_mark = |at: usize| {
        let mut before = text.get(..at).unwrap_or_default();
        while let Some(rest) = before.strip_suffix(b"25") {
            before = rest;
        }
        let two = before.get(before.len().saturating_sub(2)..).unwrap_or_default().to_ascii_lowercase();
        before.ends_with(b";") || MARKS.contains(&two.as_slice())
    };
    // `%2A%34%30`, `%2a4%30`.
    let is_before_escape = |at: usize| match text.get(at + 1..at + 5) {
        Some([b'2', b'a' | b'A', b'%', _]) => true,
        Some([b'2', b'a' | b'A', digit, b'%']) => digit.is_ascii_digit(),
        _ => false,
    };
    memchr::memmem::find(text, b"urldefense").is_some()
        || memchr::memmem::find_iter(text, b"40").any(is_behind_mark)
        || memchr::memchr_iter(b'%', text).any(is_before_escape)
        || ESCAPED.iter().any(|mark| memchr::memmem::find(text, mark).is_some())
}

/// Where a text holds what only these views show.
pub fn places(text: &[u8]) -> Vec<usize> {
    let mut out: Vec<usize> =
        links(text).into_iter().flat_map(|link| link.range.clone().step_by(STEP)).collect();
    for sign in SIGNS.iter().chain(&BELOW) {
        out.extend(memchr::memmem::find_iter(text, sign));
    }
    out
}

/// How a link is written.
enum Form {
    Second,
    /// With the characters that its stars stand for, where they are all there.
    Third(Option<Vec<char>>),
}

struct Link {
    range: Range<usize>,
    form: Form,
}

/// The links of a text, in order.
fn links(text: &[u8]) -> Vec<Link> {
    let mut out: Vec<Link> = Vec::new();
    let mut from = 0;
    while let Some(i) = text.get(from..).and_then(|rest| memchr::memmem::find(rest, b"urldefense")) {
        let name = from + i;
        from = name + 10;
        let near = text.get(from..(from + MAX_NAME).min(text.len())).unwrap_or_default();
        let third = memchr::memmem::find(near, b"v3").and_then(|v3| {
            let open = memchr::memmem::find(near.get(v3..)?.get(..8).unwrap_or_default(), b"__")?;
            Some(from + v3 + open + 2)
        });
        let second = || Some(from + memchr::memmem::find(near, b"v2")? + 2);
        let link = match third {
            Some(start) => third_link(text, start),
            None => match second() {
                Some(start) => Link { range: start..end(text, start, b"d="), form: Form::Second },
                None => continue,
            },
        };
        from = link.range.end;
        out.push(link);
    }
    out
}

/// Where a link ends: `last` is what no line end cuts any more.
fn end(text: &[u8], start: usize, last: &[u8]) -> usize {
    let near = text.get(start..(start + MAX_LINK).min(text.len())).unwrap_or_default();
    let whole = memchr::memmem::find(near, last).unwrap_or(near.len());
    let mut at = 0;
    while let Some(b) = near.get(at) {
        match b {
            b'"' | b'\'' | b'<' | b'>' | b' ' | b'\t' => break,
            b'\r' | b'\n' if at > whole => break,
            b'\n' => {
                // Marks of quoting, and the blank of a fold.
                let marks = near.iter().skip(at + 1).take_while(|b| matches!(b, b'>' | b'|' | b' ' | b'\t'));
                at += marks.count();
            }
            _ => {}
        }
        at += 1;
    }
    start + at.min(near.len())
}

fn third_link(text: &[u8], start: usize) -> Link {
    let end = end(text, start, b"__;");
    let link = text.get(start..end).unwrap_or_default();
    let closed = memchr::memmem::find(link, b"__;");
    let body = closed.map_or(end, |at| start + at);
    let list = closed.and_then(|at| {
        let list = link.get(at + 3..)?;
        let length = memchr::memchr(b'!', list)?;
        let digits: Vec<u8> = list
            .iter()
            .take(length)
            .copied()
            .filter(|b| !b.is_ascii_whitespace() && !b"=>|".contains(b))
            .collect();
        let octets = BASE64URL_NOPAD.decode(&digits).ok()?;
        let listed: Vec<char> = String::from_utf8(octets).ok()?.chars().collect();
        let stars: usize = stars(link.get(..at)?).map(|(_, count)| count).sum();
        // Letters and digits are never replaced: a list with them has lost its case.
        let is_whole = stars == listed.len() && !listed.iter().any(char::is_ascii_alphanumeric);
        is_whole.then_some(listed)
    });
    Link { range: start..body, form: Form::Third(list) }
}

/// The stars of a link, and for how many characters each stands.
fn stars(link: &[u8]) -> impl Iterator<Item = (Range<usize>, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += memchr::memchr(b'*', link.get(at..)?)?;
        let from = at;
        let run = match link.get(at + 1..at + 3) {
            Some([b'*', length]) => run_length(*length),
            _ => None,
        };
        at += if run.is_some() { 3 } else { 1 };
        Some((from..at, run.unwrap_or(1)))
    })
}

/// The length of a run behind two stars: the digits of base64 from two on.
fn run_length(digit: u8) -> Option<usize> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(usize::from(value) + 2)
}

/// The text with its links in clear; `None` where there are none.
fn translated(text: &[u8], links: &[Link]) -> Option<View> {
    links.first()?;
    let mut view = View::with_capacity(text.len());
    let mut copied = 0;
    for link in links {
        view.push_copied(text.get(copied..link.range.start)?, copied);
        copied = link.range.end;
        let body = text.get(link.range.clone())?;
        match &link.form {
            Form::Second => {
                let clear = |b: &u8| match b {
                    b'-' => b'%',
                    b'_' => b'/',
                    b => *b,
                };
                view.push_copied(&body.iter().map(clear).collect::<Vec<u8>>(), link.range.start);
            }
            Form::Third(list) => {
                let mut done = 0;
                let mut listed = list.as_ref().map(|list| list.iter());
                for (star, count) in stars(body) {
                    view.push_copied(body.get(done..star.start)?, link.range.start + done);
                    done = star.end;
                    let clear: String = match &mut listed {
                        Some(listed) => listed.by_ref().take(count).collect(),
                        None if is_escape(body, star.start) => "%".to_owned(),
                        None => "+".to_owned(),
                    };
                    let source = link.range.start + star.start..link.range.start + star.end;
                    view.push_made(clear.as_bytes(), source);
                }
                view.push_copied(body.get(done..)?, link.range.start + done);
            }
        }
    }
    view.push_copied(text.get(copied..)?, copied);
    Some(view)
}

/// Whether two hexadecimal digits stand behind `at`.
fn is_escape(text: &[u8], at: usize) -> bool {
    text.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// The text with escapes behind other marks than the percent sign as what they stand for; `None` where there is no at sign among
/// them.
fn marked(text: &[u8], links: &[Link]) -> Option<View> {
    let is_in = |sign: &[u8]| memchr::memmem::find(text, sign).is_some();
    if links.is_empty() && !is_in(b"-40") && !SIGNS.iter().any(|sign| is_in(sign)) {
        return None;
    }
    let mut view = View::with_capacity(text.len());
    let (mut copied, mut at, mut any) = (0, 0, false);
    while let Some(i) = text.get(at..).and_then(|rest| memchr::memchr3(LEADS[0], LEADS[1], LEADS[2], rest)) {
        at += i;
        let Some((c, end)) = escape(text, at) else {
            at += 1;
            continue;
        };
        view.push_copied(text.get(copied..at)?, copied);
        view.push_made(&[c], at..end);
        any |= c == b'@';
        (at, copied) = (end, end);
    }
    view.push_copied(text.get(copied..)?, copied);
    any.then_some(view)
}

/// The escape at `at`, be it escaped itself: what an address needs or what stands before one, and where it ends.
fn escape(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let mut from = at + 1;
    while text.get(from..from + 2) == Some(b"25") && is_escape(text, from + 1) {
        from += 2;
    }
    let [high, low] = text.get(from..from + 2)? else { return None };
    let c = hex(*high)? << 4 | hex(*low)?;
    b"@.-_+=:&?/ ,;<>\"'(".contains(&c).then_some((c, from + 2))
}

/// Where a hit took the escape of an at sign out of a link that lists its stars, the alias has the same: what is listed stays
/// in step.
pub fn kept_in_step(source: &[u8], with: &str) -> Option<String> {
    let mut all = stars(source);
    let (star, _) = all.next().filter(|_| all.next().is_none())?;
    let (sign, end) = escape(source, star.start)?;
    let written = std::str::from_utf8(source.get(star.start..end)?).ok()?;
    (sign == b'@').then(|| with.replacen('@', written, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear(text: &str) -> Vec<String> {
        views(text.as_bytes()).into_iter().map(|view| String::from_utf8(view.into_bytes()).unwrap()).collect()
    }

    #[test]
    fn links_are_read_as_their_gateway_documents_them() {
        let second =
            "https://urldefense.proofpoint.com/v2/url?u=https-3A__x.example_-3Fe-3Da-2540b-2Dc&d=D y_z";
        assert_eq!(
            clear(second)[0],
            "https://urldefense.proofpoint.com/v2/url?u=https%3A//x.example/%3Fe%3Da%2540b%2Dc&d=D y_z"
        );
        let third = "https://urldefense.com/v3/__https://x.example/*a**Ab?e=a*40b__;KyElJQ!!A!b$ c*d";
        assert_eq!(
            clear(third)[0],
            "https://urldefense.com/v3/__https://x.example/+a!%b?e=a%40b__;KyElJQ!!A!b$ c*d"
        );
        // What was lost is told by what stands behind it.
        let torn = "https://urldefense.com/v3/__https://x.example/?e=a*b*40c";
        assert_eq!(clear(torn)[0], "https://urldefense.com/v3/__https://x.example/?e=a+b%40c");
    }

    #[test]
    fn other_texts_have_no_view() {
        for text in ["a*b 2*40 -40 x", "03-2512-3456", "https://urldefense.com/about", "a-25b ~25"] {
            assert!(clear(text).iter().all(|view| view == text || text.contains("*40")), "{text}");
        }
    }
}
