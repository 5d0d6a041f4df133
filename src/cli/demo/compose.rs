//! Writing mail as real programs do: encoded words, transfer encodings, charsets, a file to attach.
//!
//! RFC 2047 (encoded words of at most 75 characters, each whole in its charset), RFC 2045 §6.7 and §6.8
//! (quoted-printable and base64, lines of at most 76), RFC 1468 (ISO-2022-JP, every line ends in ASCII).
//! When it fails: never; a character that a charset lacks becomes a numeric reference, which the tests exclude.

use data_encoding::BASE64;
use encoding_rs::Encoding;
use std::fmt::Write as _;

/// Characters of one encoded word: 16 of three octets, in base64 with charset name and marks, stay below 75.
const WORD_CHARS: usize = 11;
/// Octets of one line of base64.
const BASE64_LINE: usize = 57;
/// Longest line of quoted-printable, without the soft break.
const QP_LINE: usize = 75;

/// A header text as encoded words, folded.
pub(super) fn encoded_words(charset: &'static Encoding, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let words = chars.chunks(WORD_CHARS).map(|chunk| {
        let word: String = chunk.iter().collect();
        format!("=?{}?B?{}?=", charset.name(), BASE64.encode(&encode(charset, &word)))
    });
    words.collect::<Vec<_>>().join("\r\n ")
}

/// A text in a charset.
pub(super) fn encode(charset: &'static Encoding, text: &str) -> Vec<u8> {
    charset.encode(text).0.into_owned()
}

/// Lines ended by LF as lines ended by CRLF.
pub(super) fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Octets as lines of base64.
pub(super) fn base64(octets: &[u8]) -> String {
    octets.chunks(BASE64_LINE).fold(String::new(), |out, chunk| out + &BASE64.encode(chunk) + "\r\n")
}

/// A text with CRLF line ends as UTF-8 in quoted-printable.
pub(super) fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for line in text.split_inclusive("\r\n") {
        let (line, end) = line.strip_suffix("\r\n").map_or((line, ""), |line| (line, "\r\n"));
        let mut length = 0;
        for (i, octet) in line.bytes().enumerate() {
            let is_last = i + 1 == line.len();
            let is_plain =
                matches!(octet, b'!'..=b'<' | b'>'..=b'~') || (matches!(octet, b' ' | b'\t') && !is_last);
            let size = if is_plain { 1 } else { 3 };
            if length + size > QP_LINE {
                out.push_str("=\r\n");
                length = 0;
            }
            if is_plain {
                out.push(char::from(octet));
            } else {
                let _ = write!(out, "={octet:02X}");
            }
            length += size;
        }
        out.push_str(end);
    }
    out
}

/// A PDF of one page (ISO 32000-1 §7.5), with the octets above 127 in its second line that tell programs it is binary.
pub(super) fn pdf(line: &str) -> Vec<u8> {
    let page = format!("BT /F1 18 Tf 72 720 Td ({line}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(&objects) {
        let _ = writeln!(table, "{:010} 00000 n ", out.len());
        out.extend_from_slice(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    let start = out.len();
    let size = objects.len() + 1;
    let tail = format!(
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    out.extend_from_slice(tail.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;
    use encoding_rs::{ISO_2022_JP, SHIFT_JIS, UTF_8};
    use mail_parser::MessageParser;

    #[test]
    fn encoded_words_are_short_and_read_back() {
        let text = "ご注文ありがとうございます（注文番号 2026-1122、季節の花束「秋桜」）";
        for charset in [ISO_2022_JP, SHIFT_JIS, UTF_8] {
            let folded = encoded_words(charset, text);
            assert!(folded.split("\r\n ").all(|word| word.len() <= 75), "{folded}");
            assert_eq!(words::decoded(&folded), text, "{}", charset.name());
        }
    }

    #[test]
    fn quoted_printable_and_base64_read_back_from_short_lines() {
        let text = "お届けは午前中に = できますか \r\n\r\n> 山田 花子 <a@b.example>\r\n終わり\t";
        for (name, body) in
            [("quoted-printable", quoted_printable(text)), ("base64", base64(text.as_bytes()))]
        {
            assert!(body.split("\r\n").all(|line| line.len() <= 76), "{body}");
            let mail = format!(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {name}\r\n\r\n{body}"
            );
            assert_eq!(MessageParser::new().parse(mail.as_bytes()).unwrap().body_text(0).unwrap(), text);
        }
    }

    #[test]
    fn the_cross_reference_of_the_pdf_points_at_its_objects() {
        let file = pdf("order 2026-1122");
        let text = String::from_utf8_lossy(&file).into_owned();
        let table = text.split("f \n").nth(1).unwrap();
        for (number, entry) in (1..=5).zip(table.lines()) {
            let at: usize = entry[..10].parse().unwrap();
            assert!(file[at..].starts_with(format!("{number} 0 obj").as_bytes()), "{number}");
        }
    }
}
