//! Whether a program may have written a mail by itself: an answer to it, or a decision by it, would be nobody's. Here a
//! wrong "yes" costs little, so that more counts than where it would lose a person's mail (`mime::automatic`).

use crate::mime::automatic::{Automatic, ReversePath, read};

/// Most octets of a header that are looked at.
const LOOKED_AT: usize = 256 * 1024;

/// Whether a message is automatic, or says so: Auto-Submitted other than `no` (RFC 3834 §5), Precedence of mass mail or
/// of answering programs, a list, a report (RFC 6522).
pub(super) fn is_automatic(message: &[u8]) -> bool {
    says_so(message) || read(message, ReversePath::Named) != Automatic::Person
}

fn says_so(message: &[u8]) -> bool {
    fields(message).any(|(name, value)| {
        let word = value.split([';', ' ', '\t', '(', '\r', '\n']).find(|word| !word.is_empty());
        let word = word.unwrap_or_default().to_ascii_lowercase();
        match name.to_ascii_lowercase().as_str() {
            "auto-submitted" => word != "no",
            "precedence" => matches!(word.as_str(), "bulk" | "junk" | "list" | "auto_reply"),
            "list-id" | "x-autoreply" | "x-autorespond" => true,
            "content-type" => word == "multipart/report",
            _ => false,
        }
    })
}

/// The fields of the header, by name and value with its folds.
fn fields(message: &[u8]) -> impl Iterator<Item = (String, String)> {
    let block = message.get(..LOOKED_AT).unwrap_or(message);
    let end = [&b"\r\n\r\n"[..], b"\n\n"]
        .iter()
        .filter_map(|empty| memchr::memmem::find(block, empty))
        .min()
        .unwrap_or(block.len());
    let text = String::from_utf8_lossy(block.get(..end).unwrap_or_default());
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.split('\n') {
        match (line.starts_with([' ', '\t']), line.split_once(':')) {
            (true, _) => {
                if let Some((_, value)) = fields.last_mut() {
                    value.push_str(line);
                }
            }
            (false, Some((name, value))) => fields.push((name.trim().to_owned(), value.to_owned())),
            (false, None) => {}
        }
    }
    fields.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_says_so_is_automatic_and_a_person_is_not() {
        for header in [
            "Auto-Submitted: auto-replied",
            "AUTO-SUBMITTED:\r\n auto-generated (rejected)",
            "Auto-Submitted:",
            "Precedence: bulk",
            "X-Autoreply: yes",
            "Content-Type: multipart/report; report-type=disposition-notification",
        ] {
            let mail = format!("Subject: x\r\n{header}\r\n\r\nAway.\r\n");
            assert!(is_automatic(mail.as_bytes()), "{header}");
            assert!(is_automatic(mail.replace("\r\n", "\n").as_bytes()), "{header}");
        }
        for header in [
            "Auto-Submitted: no",
            "Auto-Submitted: No; (a person)",
            "Precedence: normal",
            "Subject: Precedence: bulk",
            "X: y\r\n\r\nAuto-Submitted: auto-replied",
        ] {
            let mail = format!("Subject: x\r\n{header}\r\n\r\nHello.\r\n");
            assert!(!is_automatic(mail.as_bytes()), "{header}");
        }
    }
}
