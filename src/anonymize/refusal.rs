//! Why a message is not passed: our decision, with a text its sender understands.
//!
//! Rules: a text says what is wrong and how to send it so that it passes; it never carries anything of the message. It
//! is ASCII and fits a reply line (RFC 5321 §4.5.3.1.5). The SMTP floor answers `554 5.6.0` with it, and
//! `docs/replies.md` lists each.

use crate::mime::MimeError;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Structure beyond a limit, or that programs read differently.
    #[error("The message cannot be read with certainty: {0}. Please send it anew from another mail program")]
    Mime(#[from] MimeError),
    /// No From, or no address in it.
    #[error("The message has no From address. Please set your address in the mail program and send it anew")]
    NoFrom,
    /// A From that could be read in more than one way.
    #[error(
        "The From field of the message can be read in more than one way. Please send it with your name and one address"
    )]
    AmbiguousFrom,
    /// A field that must be single is there twice, differently.
    #[error(
        "A header field that must be single is there more than once. Please send it anew from another mail program"
    )]
    DuplicateField,
    /// A NUL octet in a header.
    #[error("The header of the message holds a NUL character. Please send it anew from another mail program")]
    ControlCharacter,
    /// S/MIME or PGP signed: the certificate names its owner.
    #[error(
        "Signed mail (S/MIME, PGP) would name its signer to the other side. Please send it without signature"
    )]
    Signed,
    /// S/MIME or PGP encrypted.
    #[error(
        "Encrypted mail (S/MIME, PGP) cannot be checked for addresses. Please send it without encryption"
    )]
    Encrypted,
    /// A PGP key or a certificate.
    #[error("A key or certificate names its owner to the other side. Please send the mail without it")]
    Key,
    /// Outlook's own format.
    #[error(
        "The attachment winmail.dat names its sender. Please send the mail as HTML or plain text, not as Rich Text"
    )]
    Tnef,
    /// message/partial, message/external-body.
    #[error("The message is in pieces or points to text elsewhere. Please send it whole")]
    Incomplete,
    /// A charset that is no extension of ASCII and that nobody here reads.
    #[error("The text is in a character set that cannot be read. Please send it in UTF-8")]
    Charset,
    /// A changed line became longer than 998 octets and has no blank to break it at.
    #[error("A line of the message is too long. Please send it with shorter lines")]
    LineTooLong,
    /// The gate found a real address in the finished message.
    #[error(
        "A real address is in a place of the message where it cannot be replaced. Please send it without"
    )]
    Residue,
    /// The gate could not read the finished message.
    #[error("The finished message cannot be checked. Please send it anew from another mail program")]
    Unreadable,
    /// An alias that cannot stand in a header as it is. A fault of the caller.
    #[error("The message cannot be addressed, by a fault on our side. Please tell the operator")]
    Alias,
}

impl Refusal {
    /// One of each.
    pub const ALL: [Refusal; 15] = [
        Refusal::Mime(MimeError::TooDeep),
        Refusal::NoFrom,
        Refusal::AmbiguousFrom,
        Refusal::DuplicateField,
        Refusal::ControlCharacter,
        Refusal::Signed,
        Refusal::Encrypted,
        Refusal::Key,
        Refusal::Tnef,
        Refusal::Incomplete,
        Refusal::Charset,
        Refusal::LineTooLong,
        Refusal::Residue,
        Refusal::Unreadable,
        Refusal::Alias,
    ];

    /// The word of its help page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Refusal::Mime(_) => "unclear",
            Refusal::NoFrom => "no-from",
            Refusal::AmbiguousFrom => "from",
            Refusal::DuplicateField => "twice",
            Refusal::ControlCharacter => "nul",
            Refusal::Signed => "signed",
            Refusal::Encrypted => "encrypted",
            Refusal::Key => "key",
            Refusal::Tnef => "winmail",
            Refusal::Incomplete => "pieces",
            Refusal::Charset => "charset",
            Refusal::LineTooLong => "long-line",
            Refusal::Residue => "address",
            Refusal::Unreadable => "unchecked",
            Refusal::Alias => "fault",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_fits_a_reply_line_and_says_how_the_message_would_pass() {
        for refusal in Refusal::ALL {
            let text = refusal.to_string();
            assert!(text.is_ascii() && text.len() <= 250, "{text}");
            assert!(text.contains(". Please "), "{text}");
        }
    }

    #[test]
    fn every_text_stands_in_the_list_of_replies() {
        let list = include_str!("../../docs/replies.md");
        for refusal in Refusal::ALL {
            let text = refusal.to_string();
            let begin =
                text.split(". Please").next().unwrap_or_default().split(": ").next().unwrap_or_default();
            assert!(list.contains(&format!("| {begin} |")), "{text}");
        }
    }
}
