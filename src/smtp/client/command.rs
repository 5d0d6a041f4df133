//! The commands we send, written whole. The one place where a real address goes on the wire.
//!
//! RFC 5321 §4.1.1; parameters of MAIL: SIZE (RFC 1870 §6), BODY (RFC 6152 §3), SMTPUTF8 (RFC 6531 §3.4),
//! REQUIRETLS (RFC 8689 §4.2.1). DSN
//! parameters (RFC 3461) are never sent: ORCPT would tell the next hop who stands behind an alias.

use super::{Capabilities, Status};
use crate::mail::{Alias, RealAddress};

/// What a transaction is about: who it is from, whom it is for, what its content needs.
pub struct Envelope<'a> {
    /// `None` is the null reverse-path `<>` of a DSN.
    pub reverse_path: Option<&'a Alias>,
    pub forward_path: &'a RealAddress,
    /// Octets of the message, before doubling dots.
    pub size: u64,
    /// It has octets above 127.
    pub eight_bit: bool,
    /// Its header has UTF-8 that needs RFC 6532.
    pub utf8_headers: bool,
    /// It may go only to a server that offers REQUIRETLS (RFC 8689).
    pub require_tls: bool,
}

impl Envelope<'_> {
    /// Whether RFC 6531 is needed, for the header or for an address.
    fn needs_smtp_utf8(&self) -> bool {
        self.utf8_headers
            || !self.forward_path.is_ascii()
            || self.reverse_path.is_some_and(|alias| !alias.local().is_ascii())
    }

    /// Why this server cannot take it, known before anything is sent.
    ///
    /// # Errors
    /// 5.7.30 without REQUIRETLS where that is needed, 5.3.4 over its SIZE, 5.6.7 without SMTPUTF8 where that is needed, 5.6.3 without 8BITMIME where that is.
    pub(super) fn fits(&self, offered: &Capabilities) -> Result<(), Status> {
        if self.require_tls && !offered.require_tls {
            Err(Status::REQUIRE_TLS)
        } else if offered.is_too_large(self.size) {
            Err(Status::ours(552, 3, 4))
        } else if self.needs_smtp_utf8() && !offered.smtp_utf8 {
            Err(Status::ours(553, 6, 7))
        } else if self.eight_bit && !offered.eight_bit_mime {
            Err(Status::ours(554, 6, 3))
        } else {
            Ok(())
        }
    }

    /// MAIL with the parameters this server offered and the message needs.
    pub(super) fn write_mail(&self, offered: &Capabilities, out: &mut Vec<u8>) {
        let path = self.reverse_path.map(Alias::to_string).unwrap_or_default();
        let mut line = format!("MAIL FROM:<{path}>");
        if offered.size.is_some() {
            line.push_str(&format!(" SIZE={}", self.size));
        }
        if self.eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        if self.needs_smtp_utf8() {
            line.push_str(" SMTPUTF8");
        }
        if self.require_tls {
            line.push_str(" REQUIRETLS");
        }
        line.push_str("\r\n");
        out.extend_from_slice(line.as_bytes());
    }

    /// RCPT.
    pub(super) fn write_rcpt(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("RCPT TO:<{}>\r\n", self.forward_path.reveal_for_wire()).as_bytes());
    }
}
