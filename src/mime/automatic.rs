//! What kind of mail it is: a person's, or one that a program wrote by itself in answer to another.
//!
//! Rules: a wrong "automatic" loses a person's mail, a wrong "person" does not, so the first needs proof. A report by
//! its form (RFC 6522 with RFC 3464, RFC 8098, RFC 5965) proves itself. Any other bounce needs an origin (the null
//! reverse-path of RFC 5321 §4.5.5, a mailer daemon in From, or a field that only programs write) and beside it a
//! subject or an opening of a known mail system, and words that say what happened. Words are looked for in what the
//! mail system wrote itself, never in the copy of the message behind it. An answer of a program (RFC 3834) is known by
//! its fields, and by its subject only beside such a field.
//! When it fails: it does not; what is not recognized is a person's.

mod facts;
mod parts;
mod phrases;
mod status;
mod wording;

use super::header;
use super::lines;
use facts::{Facts, Reply};
use parts::Parts;

/// Most ids of the original message that are handed on.
const MAX_IDS: usize = 10;
/// Longest id, in octets with its brackets.
const MAX_ID: usize = 512;

/// What the envelope says of the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversePath {
    /// The null reverse-path, or a mailer daemon's own address.
    Null,
    /// A mailbox.
    Named,
}

/// A kind of mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Automatic {
    /// A mail system tells what became of a message.
    Bounce(Bounce),
    /// A program answers for a person: a vacation text, an acknowledgement.
    AutoReply,
    /// A mail program tells that a message was shown (RFC 8098).
    Receipt,
    /// A provider passes on that somebody wants no more of it (RFC 5965 §7.3: `abuse`, `fraud` and the like).
    Complaint,
    /// A provider reports something else: that it is no spam (RFC 6430), how it was authenticated (RFC 6591).
    Feedback,
    /// None of these.
    Person,
}

/// What a bounce says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    pub fate: Fate,
    /// It has the form of RFC 3464; otherwise it is one by its words.
    pub has_form: bool,
    /// The Message-IDs that may be the original's, with their brackets, the likeliest first.
    pub original_ids: Vec<String>,
    /// The mailboxes that failed, as it names them: others than ours when our recipient has his mail forwarded, or is several.
    pub failed_at: Vec<String>,
}

/// What became of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It failed for good, with this enhanced status (RFC 3463): the one that was given, or what the words mean.
    Failed(String),
    /// It is late, and tried again.
    Delayed,
    /// It was delivered, or handed on.
    Arrived,
    /// It does not say, or not clearly.
    Unclear,
}

/// Reads a message as it was received.
#[must_use]
pub fn read(message: &[u8], reverse_path: ReversePath) -> Automatic {
    let bytes = lines::only_crlf(message);
    let Ok(header) = header::scan(&bytes, 0..bytes.len()) else { return Automatic::Person };
    let facts = Facts::read(&bytes, &header, reverse_path);
    // A form at the top of a report is a program's; inside another multipart it may be a file that a person passes on.
    if facts.media == "multipart/report" || facts.is_of_a_program() {
        let parts = Parts::read(&bytes, &header);
        if let Some(fate) = parts.status.as_deref().and_then(status::read) {
            return bounce(fate, true, &facts, &parts);
        }
        match parts.feedback.as_deref() {
            Some(kind) if asks_to_end(kind) => return Automatic::Complaint,
            Some(_) => return Automatic::Feedback,
            None => {}
        }
        if let Some(disposition) = parts.disposition.as_deref() {
            // A filter that refuses says so in a receipt (RFC 5429 §2.1.2), and in a field that no reader's program writes.
            let refused = facts.rejected && disposition.ends_with("deleted");
            let refusal = || bounce(Fate::Failed("5.7.1".into()), true, &facts, &parts);
            return if refused { refusal() } else { Automatic::Receipt };
        }
        if let Some(fate) = fate_by_words(&facts, &parts) {
            return bounce(fate, false, &facts, &parts);
        }
    }
    match facts.reply {
        Reply::Certain => Automatic::AutoReply,
        Reply::None if facts.null && facts.says_automatic => Automatic::AutoReply,
        Reply::None => Automatic::Person,
    }
}

/// Whether a report of this type says that its reader wants no more such mail. Those that name no type are of the time
/// before there were several.
fn asks_to_end(feedback_type: &str) -> bool {
    matches!(
        feedback_type,
        "" | "abuse" | "fraud" | "opt-out" | "opt-out-list" | "miscategorized" | "complaint"
    )
}

fn bounce(fate: Fate, has_form: bool, facts: &Facts, parts: &Parts) -> Automatic {
    let mut original_ids: Vec<String> = Vec::new();
    for id in parts.original_ids.iter().chain(&facts.thread) {
        if original_ids.len() < MAX_IDS && !original_ids.contains(id) {
            original_ids.push(id.clone());
        }
    }
    Automatic::Bounce(Bounce { fate, has_form, original_ids, failed_at: parts.failed_at() })
}

/// Whether the words of a server that gave no code for it say that there is no such mailbox, and speak of nothing else. With
/// `is_unavailable` also those that RFC 5321 §4.2.2 has for every 550.
#[must_use]
pub fn denies_mailbox(words: &str, is_unavailable: bool) -> bool {
    let text = wording::plain_words(words);
    let denies = phrases::NOBODY.iter().chain(&phrases::NOT_LISTED).any(|phrase| text.contains(phrase))
        || (is_unavailable && text.contains("mailbox unavailable"));
    denies && !phrases::NOT_OF_IT.iter().any(|word| text.contains(word)) && !is_of_sender(&text)
}

/// Whether the words of a server say that it refuses us: our address, our name, our signature.
#[must_use]
pub fn speaks_of_sender(words: &str) -> bool {
    is_of_sender(&wording::plain_words(words))
}

/// The same, or of something else that is no mailbox: a name that is not in the DNS.
fn speaks_of_us(words: &str) -> bool {
    let text = wording::plain_words(words);
    is_of_sender(&text)
        || ["dns", "mail from", "your host", "your domain"].iter().any(|word| text.contains(word))
}

fn is_of_sender(text: &str) -> bool {
    let text = phrases::NOT_LISTED.iter().fold(text.to_owned(), |text, phrase| text.replace(phrase, ""));
    phrases::OF_SENDER.iter().any(|word| text.contains(word))
}

/// What a bounce without a standard form says; `None` when it is none.
fn fate_by_words(facts: &Facts, parts: &Parts) -> Option<Fate> {
    if !facts.is_of_a_program() {
        return None;
    }
    let own = wording::Wording::new(&parts.own_words);
    // A person's program that is away is no mail system, whatever it says; but a mail system may write as a person.
    let returns_one = own.has_opening() && !parts.original_ids.is_empty();
    if facts.reply == Reply::Certain && !facts.daemon && !facts.failed_recipients && !returns_one {
        return None;
    }
    let subject = wording::subject(&facts.subject);
    let says = own.says();
    let form = subject.is_some() || facts.failed_recipients || own.has_opening();
    // Shops write of parcels that "could not be delivered" too, and a shop may be called postmaster.
    let about_mail = facts.null || own.has_opening() || !parts.original_ids.is_empty();
    let certain = facts.null && (facts.daemon || facts.failed_recipients);
    let is_bounce =
        if certain { subject.is_some() || says.is_some() } else { form && says.is_some() && about_mail };
    if !is_bounce {
        return None;
    }
    // Some mail systems put the fields of a report into their text.
    if let Some(fate) = status::read_in_text(&parts.own_words) {
        return Some(fate);
    }
    Some(match (subject, says) {
        (Some(wording::Subject::Late), Some(wording::Says::FailedForGood)) => Fate::Failed(own.status()),
        (Some(wording::Subject::Late), _) | (_, Some(wording::Says::Late)) => Fate::Delayed,
        (_, Some(wording::Says::FailedForGood | wording::Says::Failed))
        | (Some(wording::Subject::Failed), None) => Fate::Failed(own.status()),
        _ => Fate::Unclear,
    })
}

/// The ids (`<…>` without blanks) in a text.
fn ids_in(text: &[u8]) -> Vec<String> {
    let mut ids = Vec::new();
    for piece in text.split(|b| *b == b'<').skip(1) {
        let Some(end) = piece.iter().position(|b| *b == b'>') else { continue };
        let inner = piece.get(..end).unwrap_or_default();
        let good = !inner.is_empty() && inner.len() + 2 <= MAX_ID && inner.iter().all(u8::is_ascii_graphic);
        if good && ids.len() < MAX_IDS {
            ids.push(format!("<{}>", String::from_utf8_lossy(inner)));
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Path, PathBuf};

    /// The fixtures, wherever these sources are compiled from.
    fn fixtures() -> PathBuf {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        own.ancestors().find(|top| top.join("fixtures").is_dir()).unwrap().join("fixtures/bounces")
    }

    /// A reading as the fixtures spell it.
    fn spelled(read: &Automatic) -> String {
        let bounce = match read {
            Automatic::Bounce(bounce) => bounce,
            Automatic::AutoReply => return "auto-reply".into(),
            Automatic::Receipt => return "receipt".into(),
            Automatic::Complaint => return "complaint".into(),
            Automatic::Feedback => return "feedback".into(),
            Automatic::Person => return "person".into(),
        };
        let fate = match &bounce.fate {
            Fate::Failed(status) => format!("bounce failed {status}"),
            Fate::Delayed => "bounce delayed".into(),
            Fate::Arrived => "bounce arrived".into(),
            Fate::Unclear => "bounce unclear".into(),
        };
        let ids = bounce.original_ids.iter().map(|id| format!("original {id}"));
        std::iter::once(fate).chain(ids).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_form_is_read_as_the_file_beside_it_says() {
        let (mut wrong, mut count) = (Vec::new(), 0);
        for entry in std::fs::read_dir(fixtures()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "eml") {
                continue;
            }
            count += 1;
            let text = std::fs::read_to_string(path.with_extension("txt")).unwrap();
            let (from, expected) = text.trim_end().split_once('\n').unwrap();
            let reverse_path = match from {
                "from <>" => ReversePath::Null,
                "from a mailbox" => ReversePath::Named,
                other => panic!("{}: {other}", path.display()),
            };
            let found = spelled(&read(&std::fs::read(&path).unwrap(), reverse_path));
            if found != expected {
                wrong.push(format!("{}: {found:?} instead of {expected:?}", path.display()));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        assert!(count >= 40, "{count} fixtures");
    }

    #[test]
    fn no_letter_of_the_anonymizers_fixtures_is_a_programs() {
        let mut automatic: Vec<std::ffi::OsString> = Vec::new();
        for entry in std::fs::read_dir(fixtures().with_file_name("mail")).unwrap() {
            let path = entry.unwrap().path().join("in.eml");
            let Ok(mail) = std::fs::read(&path) else { continue };
            if read(&mail, ReversePath::Named) != Automatic::Person {
                automatic.push(path.parent().unwrap().file_name().unwrap().to_owned());
            }
        }
        assert!(automatic.is_empty(), "{automatic:?}");
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..3000) {
            let _ = read(&bytes, ReversePath::Null);
            // A fixture cut anywhere, with noise behind it.
            let mut mail = std::fs::read(fixtures().join("exchange-japanese.eml")).unwrap();
            mail.truncate(cut);
            mail.extend_from_slice(&bytes);
            let _ = read(&mail, ReversePath::Null);
        }
    }
}
