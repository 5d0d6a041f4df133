//! The class of a message, from its envelope and the few header fields by which programs that write to many say so.
//!
//! Rules: what goes to several customers is bulk, and so is what names a list (RFC 2919 §3, RFC 2369 §3) or says so in
//! Precedence; everything else is mail about one order. A store that lies about it only puts its own mail back.

use super::Recipient;
use super::accept::{Incoming, header_block};
use crate::schedule::Class;

/// The class of a message.
pub(super) fn of(incoming: &Incoming<'_>) -> Class {
    let others = incoming.recipients.iter().filter(|(to, _)| !matches!(to, Recipient::Copy(_))).count();
    if others > 1 || says_bulk(&incoming.bytes) { Class::Bulk } else { Class::Order }
}

fn says_bulk(message: &[u8]) -> bool {
    header_block(message).split(|byte| *byte == b'\n').any(|line| {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let (name, value) = line.split_at(colon);
        let value = value.trim_ascii_end().get(1..).unwrap_or_default().trim_ascii();
        let named = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        named("List-Id")
            || named("List-Unsubscribe")
            || named("List-Post")
            || (named("Precedence")
                && ["bulk", "list", "junk"].iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_and_a_bulk_mailer_say_so_and_a_text_does_not() {
        for header in
            ["Precedence: bulk", "precedence:  LIST ", "List-Id: <a.example>", "List-Unsubscribe: <x>"]
        {
            assert!(says_bulk(format!("From: a\r\n{header}\r\n\r\ntext\r\n").as_bytes()), "{header}");
        }
        for message in
            ["From: a\r\nPrecedence: first-class\r\n\r\n", "From: a\r\n\r\nList-Id: <a.example>\r\n", ""]
        {
            assert!(!says_bulk(message.as_bytes()), "{message}");
        }
    }
}
