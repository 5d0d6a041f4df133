//! What mail systems write in words: subjects, openings, verdicts, and where the copy of the message begins.
//!
//! Rules: English and Japanese in full, other languages by the words of the systems that are met most. A text is read
//! in lower case with blanks and line breaks as one blank, and once without any, since Japanese is broken anywhere.
//! Only the first [`MAX_OWN`] octets of a text are a mail system's own: longer ones are letters.
//! When it fails: never; an unknown wording says nothing.

/// Octets of a text in which words are looked for.
const MAX_OWN: usize = 6 * 1024;

/// Subjects by which a mail system says that it failed.
const FAILED_SUBJECTS: [&str; 57] = [
    "undelivered mail returned",
    "undelivered",
    "undeliverable",
    "undeliverd",
    "returned mail",
    "returned to sender",
    "return to sender",
    "mail delivery failed",
    "mail delivery failure",
    "mail delivery error",
    "mail system error",
    "mail could not be delivered",
    "mail failure",
    "mail failed",
    "message delivery has failed",
    "message delivery failure",
    "message could not be delivered",
    "your message could not be delivered",
    "sorry, your message could not be delivered",
    "delivery failure",
    "delivery failed",
    "delivery has failed",
    "delivery error",
    "failed delivery",
    "failed mail",
    "failure delivery",
    "failure notice",
    "permanent delivery failure",
    "non-delivery",
    "nondeliverable",
    "non deliverable",
    "unable to deliver",
    "could not deliver",
    "there was an error sending your mail",
    "delivery status notification (failure",
    "delivery status notification: failed",
    "delivery status notification: error",
    "delivery notification: delivery has failed",
    "non remis",
    "échec de la remise",
    "non recapitabile",
    "unzustellbar",
    "no se puede entregar",
    "não entregue",
    "недоставленное",
    "ваше сообщение не доставлено",
    "无法投递",
    "退信",
    "系统退信",
    "반송",
    "配信不能",
    "配信エラー",
    "配信失敗",
    "送信エラー",
    "不達",
    "未達",
    "エラーメール",
];

/// The same, in Japanese, wherever in the subject.
const FAILED_INSIDE: [&str; 16] = [
    "mail delivery failed",
    "returning message to sender",
    "配信できません",
    "配信に失敗",
    "送信できません",
    "送信に失敗",
    "送信できなかった",
    "送信失敗",
    "届けできません",
    "配信不能",
    "配信エラー",
    "メールエラー",
    "エラー通知",
    "宛先不明",
    "あて先不明",
    "返送",
];

/// Subjects of mail systems that do not say what happened.
const REPORT_SUBJECTS: [&str; 9] = [
    "delivery status notification",
    "delivery notification",
    "delivery report",
    "delivery status",
    "mail delivery status",
    "mail delivery problem",
    "notice: mail delivery status",
    "postmaster notify",
    "メール配送状況",
];

const LATE_SUBJECTS: [&str; 9] = [
    "delayed mail",
    "(delay",
    "delivery delay",
    "been delayed",
    "notification: delayed",
    "notification: warning",
    "warning: could not send message",
    "still being retried",
    "遅延",
];

/// Beginnings of the texts that mail systems write, anywhere near the top.
const OPENINGS: [&str; 44] = [
    "this is the qmail-send program",
    "this is the mail system at host",
    "this is the postfix program at host",
    "this is the dragonfly mail agent",
    "this is the mailer-daemon",
    "this is an automatically generated delivery status notification",
    "this message was created automatically by",
    "this report relates to a message you sent",
    "the original message was received at",
    "transcript of session follows",
    "the following addresses had",
    "following addresses had delivery errors",
    "your message did not reach",
    "did not reach the following recipient",
    "was not delivered to:",
    "failure reasons",
    "i'm sorry to have to inform you that",
    "i wasn't able to deliver your message",
    "sorry, we were unable to deliver your message",
    "we had trouble delivering your message",
    "unable to deliver message to",
    "delivery has failed to these recipients",
    "delivery to the following recipient",
    "an error has occurred while attempting to deliver",
    "an error occurred while trying to deliver",
    "your mail message to the following address",
    "your mail sent on:",
    "each of the following recipients was rejected",
    "the following recipients did not receive this message",
    "message log follows",
    "address not found",
    "message not delivered",
    "generating server:",
    "reporting-mta:",
    "returned message follows",
    "unsent message follows",
    "your message: from:",
    "unknown user:",
    "user unknown",
    "the user(s) account is",
    "message from interscan",
    "次のあて先への",
    "自動的に生成して",
    "次の受信者",
];

const FOR_GOOD: [&str; 15] = [
    "permanent error",
    "permanent fatal error",
    "permanent failure",
    "permanently",
    "i've given up",
    "not going to try again",
    "no further delivery attempts",
    "will not be retried",
    "won't be retried",
    "will not try again",
    "won't try again",
    "retry timeout exceeded",
    "再送は行われません",
    "再送されません",
    "再送は行いません",
];

const LATE: [&str; 24] = [
    "warning message only",
    "this is a warning only",
    "only a warning",
    "do not need to resend",
    "need not resend",
    "has been delayed",
    "is delayed",
    "was delayed",
    "been delayed",
    "not yet been delivered",
    "not been delivered yet",
    "still trying to deliver",
    "will be retried",
    "will keep trying",
    "will continue to try",
    "continue trying to deliver",
    "delivery attempts will continue",
    "only a temporary failure report",
    "temporarily delayed",
    "まだ配信されて",
    "まだ届けられて",
    "配信が遅れて",
    "配送が遅れて",
    "再送を続け",
];

const FAILED: [&str; 80] = [
    "could not be delivered",
    "couldn't be delivered",
    "can't be delivered",
    "cannot be delivered",
    "can not be delivered",
    "could not deliver",
    "couldn't deliver",
    "cannot deliver",
    "was not delivered",
    "wasn't delivered",
    "were not delivered",
    "not delivered",
    "not been delivered",
    "could not be sent",
    "couldn't be sent",
    "unable to deliver",
    "able to deliver your message",
    "unable to be delivered",
    "undeliverable",
    "undelivered",
    "delivery failed",
    "delivery has failed",
    "delivery failure",
    "failed to deliver",
    "failed to be delivered",
    "failed recipient",
    "failed addresses",
    "failure reasons",
    "error delivering your mail",
    "error has occurred while attempting to deliver",
    "error occurred while trying to deliver",
    "did not reach",
    "did not receive this message",
    "had delivery problems",
    "had delivery errors",
    "had trouble delivering",
    "had permanent",
    "incorrectly constructed",
    "returned to sender",
    "returned to you",
    "unsent message follows",
    "rejected by a remote mail server",
    "rejected your message",
    "message was rejected",
    "address not found",
    "no valid recipients",
    "no such user",
    "user unknown",
    "unknown user",
    "unknown recipient",
    "recipient unknown",
    "unknown address",
    "does not exist",
    "account is disabled",
    "account is temporarily limited",
    "mailbox is full",
    "mailbox full",
    "mailfolder is full",
    "mailbox exceeded",
    "exceeded the local limit",
    "over quota",
    "送信できませんでした",
    "送信できません",
    "送信に失敗",
    "送信されませんでした",
    "配信できませんでした",
    "配信できません",
    "配信に失敗",
    "配信されませんでした",
    "配送できませんでした",
    "配送に失敗",
    "お届けできませんでした",
    "届けることができませんでした",
    "届きませんでした",
    "あて先不明",
    "宛先不明",
    "エラーのため",
    "не может быть доставлено",
    "n'a pas pu être",
    "konnte nicht zugestellt werden",
];

/// Verdicts in words and the status that they mean (RFC 3463 §3). The first that is found counts.
const MEANINGS: [(&str, &str); 44] = [
    ("account is temporarily limited", "5.2.1"),
    ("account is disabled", "5.2.1"),
    ("mailbox disabled", "5.2.1"),
    ("mailbox is full", "5.2.2"),
    ("mailbox full", "5.2.2"),
    ("mailfolder is full", "5.2.2"),
    ("over quota", "5.2.2"),
    ("quota exceeded", "5.2.2"),
    ("exceeded the local limit", "5.2.2"),
    ("exceeded storage", "5.2.2"),
    ("mailbox exceeded", "5.2.2"),
    ("容量を超え", "5.2.2"),
    ("容量オーバー", "5.2.2"),
    ("ボックスが一杯", "5.2.2"),
    ("ボックスがいっぱい", "5.2.2"),
    ("message too large", "5.3.4"),
    ("message size exceeds", "5.3.4"),
    ("too big", "5.3.4"),
    ("サイズが大きすぎ", "5.3.4"),
    ("unknown user", "5.1.1"),
    ("user unknown", "5.1.1"),
    ("no such user", "5.1.1"),
    ("unknown recipient", "5.1.1"),
    ("recipient name is not recognized", "5.1.1"),
    ("recipient unknown", "5.1.1"),
    ("address not found", "5.1.1"),
    ("no mailbox here", "5.1.1"),
    ("does not exist", "5.1.1"),
    ("not listed in", "5.1.1"),
    ("doesn't have a", "5.1.1"),
    ("no valid recipients", "5.1.1"),
    ("アドレスが見つかりません", "5.1.1"),
    ("見つからないか", "5.1.1"),
    ("宛先不明", "5.1.1"),
    ("あて先不明", "5.1.1"),
    ("domain filter", "5.7.1"),
    ("spam", "5.7.1"),
    ("受信を拒否", "5.7.1"),
    ("受信拒否", "5.7.1"),
    ("host unknown", "5.1.2"),
    ("not responding", "5.4.1"),
    ("timed out", "5.4.1"),
    ("unable to connect", "5.4.1"),
    ("been in the queue too long", "5.4.7"),
];

/// Lines behind which the returned message stands: how they begin, without dashes, stars, blanks and brackets.
const COPIES: [&str; 28] = [
    "this is a copy of the message",
    "this is a copy of your message",
    "this is a copy of the",
    "below this line is a copy",
    "below is a copy of the original",
    "enclosed is a copy",
    "included is a copy",
    "the header of the original message",
    "the headers of the original",
    "original message follows",
    "original message headers",
    "original message",
    "original mail",
    "original headers",
    "message header follows",
    "message headers follow",
    "message header",
    "message text follows",
    "returned message",
    "returned mail",
    "unsent message follows",
    "undelivered message",
    "begin forwarded message",
    "forwarded message",
    "元のメッセージ",
    "元のメール",
    "以下は送信されたメッセージ",
    "送信メッセージ",
];

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
        if let Some(code) = enhanced(&self.spaced) {
            return code;
        }
        let meant = MEANINGS.iter().find(|(words, _)| self.has(words));
        meant.map_or("5.0.0", |(_, code)| code).to_owned()
    }
}

/// The first enhanced status of class 5 that stands alone in a text; no version number, no IP address.
fn enhanced(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|token| {
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
