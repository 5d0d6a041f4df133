//! Files that stand in a text as base64: ATTACH of a calendar (RFC 5545 §3.8.1.1), PHOTO and the like of a card
//! (RFC 6350 §6.2.4, RFC 2426 §3.1.4), `data:` links (RFC 2397). They are searched like attached ones, since a
//! deflated or drawn name is in none of their octets.
//!
//! Rules: a block of base64 begins like a document, and goes on over folds. What is no document is the text's own
//! search to read. A bounded number is looked at; what comes beyond counts as one that cannot be looked into.
//! When it fails: never.

use super::file;
use super::rules::DocumentRule;
use super::search::Search;
use crate::document;

/// How the base64 of a document begins: ZIP, PDF, JPEG, PNG, GIF, gzip, OLE, TIFF of both orders, RIFF, RTF, 7z, RAR.
const HEADS: [&[u8]; 13] = [
    b"UEsDB",
    b"JVBERi",
    b"/9j/",
    b"iVBORw0KG",
    b"R0lGOD",
    b"H4sI",
    b"0M8R4KGx",
    b"SUkqA",
    b"TU0AK",
    b"UklGR",
    b"e1xydG",
    b"N3q8ry",
    b"UmFyIR",
];
/// Most files of one text.
const MAX_FILES: usize = 64;
/// Shortest block that holds a document with a name in it, in octets of base64.
const SHORTEST: usize = 120;

/// Whether one of the files in `text` names somebody, or cannot be looked into.
pub fn stop(text: &[u8], rule: DocumentRule, search: &Search) -> bool {
    if rule == DocumentRule::Pass {
        return false;
    }
    let mut count = 0;
    let mut from = 0;
    while let Some(at) = next_head(text, from) {
        let (octets, end) = block(text, at);
        from = end.max(at + 1);
        if end - at < SHORTEST || document::kind(&octets, "", "").is_none() {
            continue;
        }
        count += 1;
        if count > MAX_FILES || file::stops(&octets, "", "", search) {
            return true;
        }
    }
    false
}

/// The next place behind what opens base64 where a document may begin.
fn next_head(text: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr::memchr3(b',', b':', b'\n', text.get(from..)?)?;
        from = at + 1;
        let begin = at + 1 + blanks(text, at + 1);
        let rest = text.get(begin..)?;
        // Most of what follows is told by its first octet.
        let may_begin = rest.first().is_some_and(|b| b"UJ/iRH0STeN".contains(b));
        if may_begin && HEADS.iter().any(|head| rest.starts_with(head)) {
            return Some(begin);
        }
    }
}

/// Line ends and blanks at `at`: a fold, and what stands before the first line of a block.
fn blanks(text: &[u8], at: usize) -> usize {
    text.get(at..).unwrap_or_default().iter().take(4).take_while(|b| b.is_ascii_whitespace()).count()
}

/// The octets of the block at `at`, and where it ends. An empty line ends it, and what is no base64.
fn block(text: &[u8], at: usize) -> (Vec<u8>, usize) {
    let mut digits = Vec::new();
    let mut end = at;
    let mut newlines = 0;
    for b in text.get(at..).unwrap_or_default() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                digits.push(*b);
                newlines = 0;
            }
            b'\n' => {
                newlines += 1;
                if newlines > 1 {
                    break;
                }
            }
            b'\r' | b' ' | b'\t' => {}
            _ => break,
        }
        end += 1;
    }
    // Beside the block a word may follow on the next line: whole groups are decoded as far as they go.
    digits.truncate(digits.len() / 4 * 4);
    let octets = data_encoding::BASE64.decode(&digits).unwrap_or_default();
    (octets, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymize::tests::{Direction, World};
    use data_encoding::BASE64;

    /// A PNG with a text chunk.
    fn picture(comment: &str) -> Vec<u8> {
        let text = [b"tEXtComment\0", comment.as_bytes()].concat();
        let length = u32::try_from(text.len() - 4).unwrap().to_be_bytes();
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\0\0\0\0";
        [&head[..], &length, &text, &[0; 4], b"\0\0\0\0IEND\xaeB`\x82", &[0; 60]].concat()
    }

    fn folded(line: &str) -> String {
        let pieces: Vec<&str> = line.as_bytes().chunks(74).map(|c| std::str::from_utf8(c).unwrap()).collect();
        pieces.join("\r\n ")
    }

    #[test]
    fn a_file_in_a_calendar_a_card_or_a_link_is_looked_into() {
        World::default().with_passage(Direction::ToMerchant, |passage| {
            let search = Search::new(passage).unwrap();
            for (name, expected) in [("hana.suzuki@mailbox.example", true), ("someone@other.example", false)]
            {
                let file = BASE64.encode(&picture(name));
                for text in [
                    folded(&format!("ATTACH;FMTTYPE=image/png;ENCODING=BASE64;VALUE=BINARY:{file}")),
                    format!("PHOTO;ENCODING=BASE64;TYPE=PNG:\r\n {file}\r\n\r\nTEL:1"),
                    folded(&format!("PHOTO:data:image/png;base64,{file}")),
                    format!("<img src=\"data:image/png;base64,{file}\">"),
                ] {
                    let found = stop(text.as_bytes(), DocumentRule::Scan, &search);
                    assert_eq!(found, expected, "{text}");
                    assert!(!stop(text.as_bytes(), DocumentRule::Pass, &search));
                }
            }
        });
    }
}
