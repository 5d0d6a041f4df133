//! What a server offered in its reply to EHLO (RFC 5321 §4.1.1.1): the keywords we make use of. Everything else is
//! ignored. Learnt anew after STARTTLS (RFC 3207 §4.2); after HELO there is nothing.

use super::RemoteReply;

/// The extensions of one server, as offered on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtp_utf8: bool,
    /// RFC 3207.
    pub start_tls: bool,
    /// RFC 1870: `None` not offered; the limit in octets, 0 for "not said".
    pub size: Option<u64>,
    /// RFC 8689.
    pub require_tls: bool,
    /// RFC 9422: messages that one session may bring. The limits on recipients never matter to us, who send to one.
    pub mail_max: Option<u32>,
}

impl Capabilities {
    /// Reads the lines after the first. A SIZE that is no number counts as offered without a limit.
    #[must_use]
    pub(super) fn read(reply: &RemoteReply) -> Self {
        let mut offered = Self::default();
        for line in reply.texts().skip(1) {
            let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_slice() {
                b"PIPELINING" => offered.pipelining = true,
                b"8BITMIME" => offered.eight_bit_mime = true,
                b"SMTPUTF8" => offered.smtp_utf8 = true,
                b"STARTTLS" => offered.start_tls = true,
                b"REQUIRETLS" => offered.require_tls = true,
                b"LIMITS" => offered.mail_max = words.find_map(mail_max),
                b"SIZE" => offered.size = Some(words.next().map_or(0, read_limit)),
                _ => {}
            }
        }
        offered
    }

    /// Whether a message of `size` octets is over the limit this server named.
    #[must_use]
    pub fn is_too_large(&self, size: u64) -> bool {
        self.size.is_some_and(|limit| limit > 0 && size > limit)
    }
}

/// `MAILMAX=n` (RFC 9422 §4.1); a limit of none would make the server useless, and is not believed.
fn mail_max(word: &[u8]) -> Option<u32> {
    let (name, number) = std::str::from_utf8(word).ok()?.split_once('=')?;
    let number = number.parse().ok().filter(|number| *number > 0)?;
    name.eq_ignore_ascii_case("MAILMAX").then_some(number)
}

fn read_limit(digits: &[u8]) -> u64 {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::client::ReplyReader;

    fn read(wire: &str) -> Capabilities {
        let mut reader = ReplyReader::new();
        reader.feed(wire.as_bytes());
        Capabilities::read(&reader.take().unwrap().unwrap())
    }

    #[test]
    fn keywords_are_read_in_any_case_and_the_greeting_line_is_none() {
        let offered = read("250-pipelining STARTTLS\r\n250-Size 1000 x\r\n250-8bitmime\r\n250 X-NEW\r\n");
        let expected = Capabilities { eight_bit_mime: true, size: Some(1000), ..Capabilities::default() };
        assert_eq!(offered, expected);
        assert_eq!(read("250 PIPELINING\r\n"), Capabilities::default());
    }

    #[test]
    fn the_limit_on_messages_is_read_among_others() {
        for (line, limit) in [
            ("LIMITS RCPTMAX=5 mailmax=20 RCPTDOMAINMAX=1", Some(20)),
            ("LIMITS MAILMAX=0", None),
            ("LIMITS MAILMAX=x RCPTMAX=1", None),
            ("LIMITS", None),
        ] {
            assert_eq!(read(&format!("250-a\r\n250 {line}\r\n")).mail_max, limit, "{line}");
        }
        assert!(read("250-a\r\n250 requiretls\r\n").require_tls);
    }

    #[test]
    fn a_size_without_a_usable_limit_limits_nothing() {
        for line in ["SIZE", "SIZE 0", "SIZE 99999999999999999999999", "SIZE x"] {
            let offered = read(&format!("250-a\r\n250 {line}\r\n"));
            assert_eq!(offered.size, Some(0), "{line}");
            assert!(!offered.is_too_large(u64::MAX), "{line}");
        }
        assert!(read("250-a\r\n250 SIZE 10\r\n").is_too_large(11));
        assert!(!read("250-a\r\n250 SIZE 10\r\n").is_too_large(10));
    }
}
