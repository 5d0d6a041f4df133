//! Mails as they come: a header block as programs write it, a text of some hundred words, and attachments.

use crate::mail::Timestamp;
use std::fmt::Write as _;
use std::net::IpAddr;

/// What a text is made of.
const LINE: &str = "\u{3053}\u{306e}\u{5ea6}\u{306f}\u{3054}\u{6ce8}\u{6587}\u{3044}\u{305f}\u{3060}\u{304d}\u{8aa0}\u{306b}\
    \u{3042}\u{308a}\u{304c}\u{3068}\u{3046}\u{3054}\u{3056}\u{3044}\u{307e}\u{3059}\r\n";

/// A file that is attached: its name, its media type, and what it holds.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub name: &'static str,
    pub kind: &'static str,
    pub begins: &'static str,
    /// Another number is another file.
    pub number: u64,
}

/// A mail.
#[derive(Default)]
pub(super) struct Letter<'a> {
    pub from: &'a str,
    pub from_name: &'a str,
    pub to: &'a str,
    pub reply_to: Option<&'a str>,
    pub subject: &'a str,
    pub id: &'a str,
    pub answers: Option<&'a str>,
    pub mailer: &'a str,
    /// What its path says: name and address of who gave it to whom, the last first.
    pub path: Vec<(String, Option<IpAddr>)>,
    pub written_at: i64,
    /// Minutes east of UTC.
    pub zone: i32,
    pub lines: u64,
    pub file: Option<File>,
    pub is_automatic: bool,
}

impl Letter<'_> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(3000);
        let date = date(self.written_at, self.zone);
        for (name, ip) in &self.path {
            let ip = ip.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_string());
            let _ = write!(
                text,
                "Received: from {name} ({name} [{ip}])\r\n\tby mx.{name} with ESMTPS; {date}\r\n"
            );
        }
        let _ = write!(
            text,
            "From: {} <{}>\r\nTo: <{}>\r\nSubject: {}\r\nDate: {date}\r\nMessage-ID: {}\r\n",
            self.from_name, self.from, self.to, self.subject, self.id
        );
        if let Some(reply) = self.reply_to {
            let _ = write!(text, "Reply-To: <{reply}>\r\n");
        }
        if let Some(answers) = self.answers {
            let _ = write!(text, "In-Reply-To: {answers}\r\nReferences: {answers}\r\n");
        }
        if self.is_automatic {
            text.push_str("Auto-Submitted: auto-replied\r\n");
        }
        let _ = write!(text, "X-Mailer: {}\r\nMIME-Version: 1.0\r\n", self.mailer);
        match &self.file {
            None => {
                text.push_str(
                    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
                );
                self.body(&mut text);
            }
            Some(file) => {
                text.push_str("Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Type: text/plain; ");
                text.push_str("charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
                self.body(&mut text);
                let _ = write!(
                    text,
                    "--=_b\r\nContent-Type: {}; name=\"{}\"\r\nContent-Disposition: attachment; filename=\"{}\"\r\n\
                     Content-Transfer-Encoding: 7bit\r\n\r\n{}\r\n",
                    file.kind, file.name, file.name, file.begins
                );
                for n in 0..12_u64 {
                    let _ = write!(text, "{:016x}{:016x}\r\n", file.number, file.number.wrapping_mul(n + 3));
                }
                text.push_str("--=_b--\r\n");
            }
        }
        text.into_bytes()
    }

    fn body(&self, text: &mut String) {
        for _ in 0..self.lines {
            text.push_str(LINE);
        }
    }
}

/// RFC 5322 §3.3.
fn date(at_ms: i64, zone: i32) -> String {
    let offset = time::UtcOffset::from_whole_seconds(zone * 60).unwrap_or(time::UtcOffset::UTC);
    let at = time::OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000));
    let at = at.unwrap_or(time::OffsetDateTime::UNIX_EPOCH).to_offset(offset);
    at.format(&time::format_description::well_known::Rfc2822)
        .unwrap_or_else(|_| Timestamp::from_millis(at_ms).to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_of_itself_what_it_was_given() {
        let file = File { name: "photo.jpg", kind: "image/jpeg", begins: "\u{ff}", number: 7 };
        let letter = Letter {
            from: "hana@customer.example",
            to: "a@shop.example",
            id: "<1@customer.example>",
            answers: Some("<2@shop.example>"),
            mailer: "Becky! ver. 2.81",
            path: vec![("mail.customer.example".into(), Some("126.65.1.1".parse().unwrap()))],
            written_at: 1_790_000_000_000,
            zone: 540,
            lines: 3,
            file: Some(file),
            ..Letter::default()
        };
        let facts = crate::anonymize::facts(&letter.to_bytes());
        assert_eq!(facts.message_id.as_deref(), Some("<1@customer.example>"));
        assert_eq!(facts.answers.as_deref(), Some("<2@shop.example>"));
        assert_eq!(facts.mailer.as_deref(), Some("Becky!"));
        assert_eq!((facts.hops, facts.files, facts.zone), (1, 1, Some(540)));
        assert_eq!(facts.dated_at.unwrap().as_millis(), 1_790_000_000_000);
        assert_eq!(facts.origin, Some("126.65.1.1".parse().unwrap()));
    }
}
