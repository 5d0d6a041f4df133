//! A mail as its reader sees it: header texts, texts of the parts, attached files; decoded by `mail-parser` and
//! by a small decoder of encoded words, which know nothing of how the relay reads and writes.
//!
//! When it fails: `None` for what is no mail at all. What cannot be decoded is shown as it is.

use super::words;
use mail_parser::{Header, MessageParser, PartKind};

/// A decoded mail.
pub(super) struct Reading {
    /// Names as written and decoded values on one line, in order.
    pub headers: Vec<(String, String)>,
    /// The texts, in order.
    pub texts: Vec<Text>,
    /// Everything else.
    pub attachments: Vec<Attachment>,
}

/// A part that is text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// `plain`, `html` and the like.
    pub subtype: String,
    /// As declared; empty if not.
    pub charset: String,
    /// With LF as line end, blanks at the end of the whole taken off.
    pub content: String,
}

/// A part that is a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    pub name: String,
    pub media_type: String,
    pub octets: Vec<u8>,
}

impl Reading {
    /// Decodes a mail.
    pub fn of(mail: &[u8]) -> Option<Self> {
        let message = MessageParser::new().parse(mail)?;
        let headers = message.root().headers().iter().map(|h| (h.raw_name().to_owned(), header_text(&h)));
        let (mut texts, mut attachments) = (Vec::new(), Vec::new());
        for part in message.parts() {
            let declared = part.content_type();
            let subtype = declared.and_then(|t| t.subtype()).unwrap_or("plain").to_lowercase();
            match part.kind() {
                PartKind::Multipart | PartKind::Message(_) => {}
                PartKind::Text | PartKind::Html if part.attachment_name().is_none() => {
                    let charset = declared.and_then(|t| t.attribute("charset")).unwrap_or_default();
                    let content = part.text().unwrap_or_default().replace("\r\n", "\n");
                    let content = content.trim_end().to_owned();
                    texts.push(Text { subtype, charset: charset.to_owned(), content });
                }
                _ => attachments.push(Attachment {
                    name: part.attachment_name().unwrap_or_default().to_owned(),
                    media_type: declared.map_or_else(String::new, |t| format!("{}/{subtype}", t.ctype())),
                    octets: part.decoded().into_owned(),
                }),
            }
        }
        Some(Self { headers: headers.collect(), texts, attachments })
    }

    /// The first header field of this name, in any case; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.next().map_or("", |(_, value)| value.as_str())
    }

    /// All header fields of this name, in any case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The address between the angle brackets of a field, or the whole of it.
    pub fn address_in(&self, name: &str) -> &str {
        let value = self.header(name);
        value
            .rsplit_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or(value, |(address, _)| address)
    }

    /// The first text.
    pub fn main_text(&self) -> &str {
        self.texts.first().map_or("", |text| text.content.as_str())
    }
}

/// A field as text on one line, encoded words decoded.
fn header_text(header: &Header<'_>) -> String {
    words::decoded(&String::from_utf8_lossy(header.raw_value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_as_its_reader_would() {
        let mail = "Subject: =?ISO-2022-JP?B?GyRCMlYbKEI=?=\r\nReferences: <a@x>\r\n <b@x>\r\n\
            From: =?utf-8?Q?=E8=8A=B1?= <a@x.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\n\r\n\u{1b}$B2V\u{1b}(B\r\n\r\n\
            --b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n";
        let reading = Reading::of(mail.as_bytes()).unwrap();
        assert_eq!(reading.header("subject"), "花");
        assert_eq!(reading.header("references"), "<a@x> <b@x>");
        assert_eq!(reading.address_in("From"), "a@x.example");
        assert_eq!(
            reading.texts,
            [Text { subtype: "plain".into(), charset: "ISO-2022-JP".into(), content: "花".into() }]
        );
        let file =
            Attachment { name: "x.pdf".into(), media_type: "application/pdf".into(), octets: vec![0, 1, 2] };
        assert_eq!(reading.attachments, [file]);
    }
}
