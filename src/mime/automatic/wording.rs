//! What mail systems write in words: subjects, openings, verdicts, and where the copy of the message begins.
//!
//! Rules: English and Japanese in full, other languages by the words of the systems that are met most. A text is read
//! in lower case with blanks and line breaks as one blank, and once without any, since Japanese is broken anywhere.
//! Only the first [`MAX_OWN`] octets of a text are a mail system's own: longer ones are letters.
//! When it fails: never; an unknown wording says nothing.

use super::phrases::{
    COPIES, FAILED, FAILED_INSIDE, FAILED_SUBJECTS, FOR_GOOD, LATE, LATE_SUBJECTS, MEANINGS, OPENINGS,
    REPORT_SUBJECTS,
};

/// Octets of a text in which words are looked for.
const MAX_OWN: usize = 6 * 1024;

/// What a subject says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Failed,
    Late,
    /// It is a report's, and says no more.
    Report,
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    FailedForGood,
    Failed,
    Late,
}

/// Reads a subject in lower case; `None` when it is no mail system's, or is one under a person's answer.
pub fn subject(subject: &str) -> Option<Subject> {
    let begins = |list: &[&str]| list.iter().any(|form| subject.starts_with(form));
    let holds = |list: &[&str]| list.iter().any(|form| subject.contains(form));
    if begins(&["re:", "re：", "aw:", "sv:", "fw:", "fwd:", "返信", "転送"]) {
        return None;
    }
    let is_report = begins(&REPORT_SUBJECTS) || begins(&["warning:", "メール", "配信", "mail"]);
    if (is_report || begins(&["delayed", "delivery", "message"])) && holds(&LATE_SUBJECTS) {
        Some(Subject::Late)
    } else if begins(&FAILED_SUBJECTS) || holds(&FAILED_INSIDE) {
        Some(Subject::Failed)
    } else if begins(&REPORT_SUBJECTS) {
        Some(Subject::Report)
    } else {
        None
    }
}

/// Cuts a text into what its writer says and the copy behind it.
pub fn split(text: &str) -> (&str, &str) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim().trim_start_matches(|c: char| c.is_whitespace() || "-*=_|>#<[(".contains(c));
        let lower = bare.get(..bare.len().min(64)).unwrap_or(bare).to_lowercase();
        let begins_header = ["received:", "return-path:", "received-spf:", "dkim-signature:"]
            .iter()
            .any(|name| lower.starts_with(name));
        // A copy may follow words of the system itself on one line only where the line is a rule or a title.
        let is_title = COPIES.iter().any(|title| lower.starts_with(title)) && line.trim().len() < 100;
        if begins_header || (is_title && at > 0) {
            return text.split_at(at);
        }
        at += line.len();
    }
    (text, "")
}

/// A reply in lower case with blanks as one blank, without what is no word: addresses, names of hosts, codes.
pub fn plain_words(reply: &str) -> String {
    let lower = reply.to_lowercase().replace(['\u{2019}', '`'], "'").replace('-', " ");
    let inner = |word: &str| word.trim_end_matches(['.', ',', ';', ':', '!']).to_owned();
    let words = lower.split_whitespace().map(inner).filter(|word| !word.contains(['@', '.']));
    words.collect::<Vec<_>>().join(" ")
}

/// A text to look for words in.
pub struct Wording {
    spaced: String,
    joined: String,
}

impl Wording {
    pub fn new(own: &str) -> Self {
        let mut end = own.len().min(MAX_OWN);
        while !own.is_char_boundary(end) {
            end -= 1;
        }
        let lower = own.get(..end).unwrap_or_default().to_lowercase().replace(['\u{2019}', '`'], "'");
        let words: Vec<&str> = lower.split_whitespace().collect();
        Self { spaced: words.join(" "), joined: words.concat() }
    }

    fn holds(&self, list: &[&str]) -> bool {
        list.iter().any(|phrase| self.has(phrase))
    }

    fn has(&self, phrase: &str) -> bool {
        let text = if phrase.is_ascii() { &self.spaced } else { &self.joined };
        // Cyrillic and French stand with blanks, Japanese without.
        text.contains(phrase) || (!phrase.is_ascii() && self.spaced.contains(phrase))
    }

    /// Whether it has the opening of a known mail system.
    pub fn has_opening(&self) -> bool {
        self.holds(&OPENINGS)
    }

    /// What it says of a message's fate.
    pub fn says(&self) -> Option<Says> {
        let for_good = self.holds(&FOR_GOOD);
        match (self.holds(&LATE), self.holds(&FAILED)) {
            (true, _) if !for_good => Some(Says::Late),
            (_, true) if for_good => Some(Says::FailedForGood),
            (_, true) => Some(Says::Failed),
            _ => None,
        }
    }

    /// The status that it gives, or means: `5.0.0` where it does neither.
    pub fn status(&self) -> String {
        self.given().or_else(|| self.meaning()).unwrap_or_else(|| "5.0.0".to_owned())
    }

    /// The status that it gives.
    pub fn given(&self) -> Option<String> {
        enhanced(&self.spaced)
    }

    /// The status that its words mean.
    pub fn meaning(&self) -> Option<String> {
        let meant = MEANINGS.iter().find(|(words, _)| self.has(words));
        meant.map(|(_, code)| (*code).to_owned())
    }
}

/// The enhanced status of class 5 that stands alone in a text, the first that says more than `x.n.0`; no version number, no
/// IP address. Gateways put their own, general one before that of the server that refused.
fn enhanced(text: &str) -> Option<String> {
    let mut general = None;
    for code in codes(text) {
        if !code.ends_with(".0") {
            return Some(code);
        }
        general.get_or_insert(code);
    }
    general
}

fn codes(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|token| {
        let token = token.trim_end_matches('.');
        let mut numbers = token.split('.');
        let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let short =
            |number: &str| (1..=3).contains(&number.len()) && (number.len() == 1 || !number.starts_with('0'));
        // RFC 3463 §2: subjects are 0 to 7.
        let good =
            class == "5" && numbers.next().is_none() && subject.len() == 1 && subject <= "7" && short(detail);
        (good && token != "5.0.0").then(|| format!("5.{subject}.{detail}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_given_or_meant() {
        let status = |text: &str| Wording::new(text).status();
        assert_eq!(status("host mx [192.0.2.5] said: 550 5.1.1 <x>"), "5.1.1");
        assert_eq!(status("smtpd 5.65.1.2 on 5.9.22: unknown\r\nuser: x"), "5.1.1");
        assert_eq!(status("(#5.2.2)"), "5.2.2");
        assert_eq!(status("5.1.0 - Unknown address error 550-'5.1.1 user unknown'"), "5.1.1");
        assert_eq!(status("5.7.0 refused"), "5.7.0");
        assert_eq!(status("550 Requested action not taken: mailbox unavailable"), "5.0.0");
        assert_eq!(status("メールボックスが一\r\n杯のため"), "5.2.2");
        assert_eq!(status("no"), "5.0.0");
    }

    #[test]
    fn a_subject_under_an_answer_is_a_persons() {
        assert_eq!(subject("undeliverable: flowers"), Some(Subject::Failed));
        assert_eq!(subject("re: undeliverable: flowers"), None);
        assert_eq!(subject("fwd: 配信不能: 花"), None);
        assert_eq!(subject("delivery status notification (delay)"), Some(Subject::Late));
        assert_eq!(subject("delivery of your flowers"), None);
    }
}
