//! Ids that were replaced, of messages, parts and queues, which would tell two mails to be one or name a host: for the
//! gate alone.
//!
//! Rules: an id is looked for as it is, in any case where it has a host, and not inside a longer word. A link to a part
//! (RFC 2392) is read over line ends, marks of quoting and escapes.
//! When it fails: never.

use super::escapes::{Kind, MAX_LAYERS, unescaped};
use super::traces::is_behind_escape;
use memchr::memmem::Finder;

/// How much behind `cid:` is read, in octets.
const MAX_LINK: usize = 768;
/// How far before a host the field of its id is looked for, in octets.
const MAX_FIELD: usize = 16 * 1024;
/// Most links of one text that are read slowly. With more, each is read as it stands.
const MAX_LINKS: usize = 2048;

/// The ids of one message.
#[derive(Default)]
pub struct Ids {
    /// Those with a host, in lower case.
    hosted: Vec<Vec<u8>>,
    /// The first letters behind the at signs, for most signs are told by the next octet.
    firsts: Vec<u8>,
    /// The others.
    words: Vec<Finder<'static>>,
}

impl Ids {
    /// Adds one.
    pub fn add(&mut self, id: &str) {
        let lower = id.to_ascii_lowercase().into_bytes();
        match memchr::memchr(b'@', &lower) {
            Some(at) => {
                self.firsts.extend(lower.get(at + 1));
                self.hosted.push(lower);
            }
            None => self.words.push(Finder::new(id.as_bytes()).into_owned()),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hosted.is_empty() && self.words.is_empty()
    }

    /// Whether one stands in a text as it is.
    pub fn stand_in(&self, text: &[u8]) -> bool {
        let hosted = !self.hosted.is_empty()
            && memchr::memchr_iter(b'@', text).any(|at| {
                let next = text.get(at + 1).map(u8::to_ascii_lowercase);
                next.is_some_and(|b| self.firsts.contains(&b))
                    && self.hosted.iter().any(|id| stands_around(text, at, id))
            });
        hosted
            || self.words.iter().any(|word| {
                let length = word.needle().len();
                word.find_iter(text).any(|at| is_whole(text, at, at + length))
            })
    }

    /// Whether one stands behind `cid:`, however it is broken.
    pub fn stand_in_links(&self, text: &[u8]) -> bool {
        if self.hosted.is_empty() {
            return false;
        }
        let is_link =
            |at: &usize| !at.checked_sub(1).and_then(|i| text.get(i)).is_some_and(u8::is_ascii_alphanumeric);
        let words = [b"cid", b"CID", b"Cid"];
        let places = words.into_iter().flat_map(|word| memchr::memmem::find_iter(text, word));
        let mut places = places.filter(is_link).take(MAX_LINKS);
        places.any(|at| {
            let near = text.get(at..(at + MAX_LINK).min(text.len())).unwrap_or_default();
            let mut link = joined(&String::from_utf8_lossy(near));
            for _ in 0..=MAX_LAYERS {
                let id = link.trim_start_matches(|c: char| c.is_ascii_alphabetic());
                let id = id.trim_start_matches(':').as_bytes();
                let begins =
                    |own: &Vec<u8>| id.get(..own.len()).is_some_and(|id| id.eq_ignore_ascii_case(own));
                if self.hosted.iter().any(begins) {
                    return true;
                }
                let Some(next) = unescaped(&link, Kind::All) else { break };
                link = joined(&next);
            }
            false
        })
    }
}

/// A text without line ends, blanks around them and marks of quoting behind them.
fn joined(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().trim_ascii_end().to_owned();
    for line in lines {
        let line = line.trim_start_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '|'));
        out.truncate(out.strip_suffix('=').map_or(out.len(), str::len));
        out.push_str(line.trim_ascii_end());
    }
    out
}

fn stands_around(text: &[u8], at: usize, id: &[u8]) -> bool {
    let left = memchr::memchr(b'@', id).unwrap_or(0);
    let Some(start) = at.checked_sub(left) else { return false };
    let end = start + id.len();
    text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(id)) && is_whole(text, start, end)
}

/// Whether no longer word reaches into what stands from `start` to `end`.
fn is_whole(text: &[u8], start: usize, end: usize) -> bool {
    let joins = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let longer = text.get(end) == Some(&b'.') && joins(text.get(end + 1));
    let apart = !joins(start.checked_sub(1).and_then(|i| text.get(i))) || is_behind_escape(text, start);
    apart && !joins(text.get(end)) && !longer
}

/// Whether what stands at `at` is the host of an id in a quoted field: `> References: <1@host>`.
pub fn is_quoted(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(MAX_FIELD)..at).unwrap_or_default();
    let labels = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b".-_".contains(b)).count();
    let Some(mut rest) = before.get(..before.len() - labels).and_then(|before| before.strip_suffix(b"@"))
    else {
        return false;
    };
    // Backwards over the ids, each in its brackets.
    while let Some(open) = memchr::memrchr(b'<', rest) {
        if rest.get(open..).is_some_and(|id| id.iter().any(u8::is_ascii_whitespace)) {
            return false;
        }
        let head = rest.get(..open).unwrap_or_default();
        let is_between = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'|' | b',');
        let length = head.iter().rposition(|b| !is_between(b)).map_or(0, |i| i + 1);
        // A field before it, or the id before it with its bracket.
        let (head, gap) = head.split_at(length);
        if let Some(name) = head.strip_suffix(b":") {
            let names = [b"message-id".as_slice(), b"references", b"in-reply-to"];
            return names.iter().any(|field| {
                name.len()
                    .checked_sub(field.len())
                    .and_then(|i| name.get(i..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(field))
            });
        }
        if gap.first() != Some(&b'>') {
            return false;
        }
        rest = head;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_and_in_links_however_it_is_broken() {
        let mut ids = Ids::default();
        ids.add("Logo.1@hana-mac.lan");
        ids.add("4XyZ7Q1cbvz9kT2");
        for text in ["x logo.1@HANA-mac.lan.", "id 4XyZ7Q1cbvz9kT2;"] {
            assert!(ids.stand_in(text.as_bytes()), "{text}");
        }
        for text in
            ["xlogo.1@hana-mac.lan", "logo.1@hana-mac.lan.example", "14XyZ7Q1cbvz9kT2", "logo.1@relay"]
        {
            assert!(!ids.stand_in(text.as_bytes()), "{text}");
        }
        for text in [
            "cid:lo\r\n go.1@hana-mac.lan",
            "CID:logo.1%40hana-\r\n> mac.lan",
            "x cid&#58;logo&#46;1@hana-mac.lan",
        ] {
            assert!(ids.stand_in_links(text.as_bytes()), "{text}");
        }
        assert!(!ids.stand_in_links(b"acid:logo.1@hana-mac.lan cid:logo.2@hana-mac.lan"));
    }

    #[test]
    fn a_quoted_field_of_ids_is_told_from_an_address() {
        for before in [
            "Message-ID: <1@",
            "> References: <0@y.example>\r\n>  <1@",
            "> In-Reply-To: <0@y.example>, <1@x.",
        ] {
            assert!(is_quoted(before.as_bytes(), before.len()), "{before}");
        }
        let many = format!("> References:{}\r\n> <1@", "\r\n>  <0.0123456789@y.example>".repeat(400));
        assert!(many.len() > 10_000 && is_quoted(many.as_bytes(), many.len()));
        for before in
            ["References: Taro <taro@", "From: <taro@", "References: <0@y.example> by <taro@", "<taro@", "a@"]
        {
            assert!(!is_quoted(before.as_bytes(), before.len()), "{before}");
        }
    }
}
