//! The messages of the load: what a mail program sends, made to a size, with a number that survives rewriting.
//!
//! Rules: the size is that of the whole message and met to within a line; 1 KB is a short reply, from 4 KB on there is
//! a text and a base64 attachment that fills up. Nothing in the text names a real address, as in most mail.

use crate::ledger::{DIGITS, MARK};
use std::fmt::Write as _;

/// A message but for its number.
pub struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

const QUOTED: &str = "> いつもご利用いただきありがとうございます。ご注文の品を本日発送いたしました。\r\n\
    > お届けは明後日の午前中の予定です。お問い合わせ番号は 1234-5678-9012 です。\r\n";
const TEXT: &str = "お世話になっております。先日注文しました鉢植えの件で、届け先の変更は可能でしょうか。\r\n\
    平日の夕方以降であれば在宅しております。よろしくお願いいたします。\r\n";

impl Template {
    /// A message of about `size` octets from `from` to `to`.
    pub fn new(from: &str, to: &str, size: usize) -> Self {
        let mark = format!("{}{}", std::str::from_utf8(MARK).unwrap(), "0".repeat(DIGITS));
        let domain = from.rsplit_once('@').unwrap().1;
        let mut text = format!(
            "Received: from [192.0.2.7] (pc.{domain} [192.0.2.7])\r\n\tby out.{domain} (Postfix) with ESMTPSA id 4F00\r\n\
             \tfor <{to}>; Sun, 22 Nov 2026 09:30:01 +0900 (JST)\r\n\
             From: =?UTF-8?B?6Iqx5a2Q?= <{from}>\r\nTo: <{to}>\r\n\
             Subject: =?UTF-8?B?44GU5rOo5paH44Gu5Lu2?=\r\nDate: Sun, 22 Nov 2026 09:30:00 +0900\r\n\
             Message-ID: <{mark}@{domain}>\r\nMIME-Version: 1.0\r\nX-Mailer: Post 7.1\r\n"
        );
        let plain = "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
        let body = format!("{mark}\r\n{TEXT}");
        if size < 4096 {
            let _ = write!(text, "{plain}{body}");
            while text.len() + 80 < size {
                text.push_str("> ご注文ありがとうございます。 thank you.\r\n");
            }
        } else {
            let _ = write!(
                text,
                "Content-Type: multipart/mixed; boundary=\"part-7f3a\"\r\n\r\n--part-7f3a\r\n{plain}{body}"
            );
            for _ in 0..5 {
                text.push_str(QUOTED);
            }
            text.push_str(
                "\r\n--part-7f3a\r\nContent-Type: image/jpeg; name=\"photo.jpg\"\r\n\
                 Content-Disposition: attachment; filename=\"photo.jpg\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            );
            let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
            while text.len() + 96 < size {
                let line: Vec<u8> = (0..57).map(|_| noise.octet()).collect();
                let _ = write!(text, "{}\r\n", data_encoding::BASE64.encode(&line));
            }
            text.push_str("--part-7f3a--\r\n");
        }
        text.push_str(".\r\n");
        let bytes = text.into_bytes();
        let places = memchr::memmem::find_iter(&bytes, MARK).map(|at| at + MARK.len()).collect();
        Self { bytes, places }
    }

    /// The content with this number, its final dot included.
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:0DIGITS$}");
        for place in &self.places {
            self.bytes[*place..*place + DIGITS].copy_from_slice(digits.as_bytes());
        }
        &self.bytes
    }
}

/// Octets that do not compress, the same in every run.
struct Noise(u64);

impl Noise {
    fn octet(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes()[0]
    }
}
