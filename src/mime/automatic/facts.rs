//! What the header of a message says of its origin.
//!
//! Rules: a mailer daemon is known by the local part or the name in From, which is read leniently. Fields of answering
//! programs: Auto-Submitted (RFC 3834 §5) and those that went before it. `auto-generated` is no answer: shops mark
//! their order confirmations so. A subject such as "自動返信" alone proves nothing, for the same reason.
//! When it fails: never.

use super::{ReversePath, ids_in};
use crate::mime::header::{Header, unfold};
use crate::mime::{params, slice, words};

/// Local parts of mailer daemons.
const DAEMONS: [&str; 13] = [
    "mailer-daemon",
    "mailerdaemon",
    "mailer_daemon",
    "mail-daemon",
    "maildaemon",
    "mailer",
    "mdaemon",
    "postmaster",
    "post_master",
    "mail.delivery.system",
    "mail-delivery-system",
    "double-bounce",
    "system.administrator",
];

/// Names under which they write.
const DAEMON_NAMES: [&str; 14] = [
    "mail delivery system",
    "mail delivery subsystem",
    "mail delivery service",
    "mail deliver system",
    "mailer-daemon",
    "mailer daemon",
    "internet mail delivery",
    "mail administrator",
    "system administrator",
    "microsoft outlook",
    "postmaster",
    "content-filter at",
    "メール配信システム",
    "メール配送システム",
];

/// Fields that only answering programs write, whatever their value.
const REPLY_FIELDS: [&str; 11] = [
    "x-autoreply",
    "x-auto-reply",
    "x-autoreply-from",
    "x-auto-reply-from",
    "x-mail-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-autoresponse",
    "x-auto-response",
    "x-vacation",
    "x-out-of-office",
];

/// Subjects of people's programs that are away.
const AWAY: [&str; 27] = [
    "automatic reply:",
    "automatic reply :",
    "out of office",
    "out of the office",
    "out-of-office",
    "ooo:",
    "on vacation",
    "vacation",
    "i am away",
    "away from my mail",
    "away from the office",
    "absence",
    "abwesen",
    "automatische antwort",
    "réponse automatique",
    "respuesta automática",
    "risposta automatica",
    "resposta automática",
    "不在",
    "休暇",
    "外出中",
    "自動応答:",
    "自動応答：",
    "自动回复:",
    "自动回复：",
    "자동 회신",
    "автоответ",
];

/// Subjects of any answering program, which shops write over their confirmations too.
const ANSWER: [&str; 9] = [
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "auto:",
    "自動返信",
    "自動応答",
    "自動回覆",
];

/// Whether an answering program wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Certain,
    None,
}

/// The facts.
#[derive(Debug)]
pub struct Facts {
    /// The reverse-path is null.
    pub null: bool,
    /// From names a mailer daemon, or nobody.
    pub daemon: bool,
    /// Auto-Submitted says that no person sent it.
    pub auto: bool,
    /// A filter refused the message, as it says beside Auto-Submitted (RFC 5429 §2.1.2).
    pub rejected: bool,
    /// X-Failed-Recipients (Exim, Gmail).
    pub failed_recipients: bool,
    /// Any field or subject of an answering program.
    pub says_automatic: bool,
    pub reply: Reply,
    /// Without encoded words, lower case.
    pub subject: String,
    /// The type of the whole message.
    pub media: String,
    /// The ids of In-Reply-To and References.
    pub thread: Vec<String>,
}

impl Facts {
    pub fn read(bytes: &[u8], header: &Header, reverse_path: ReversePath) -> Self {
        let values = |name: &str| -> Vec<Vec<u8>> {
            header.all(bytes, name).map(|field| unfold(slice(bytes, field.value.clone()))).collect()
        };
        let first = |name: &str| values(name).into_iter().next().unwrap_or_default();
        let word = |name: &str| String::from_utf8_lossy(&first(name)).trim().to_ascii_lowercase();
        let is_there = |name: &str| header.all(bytes, name).next().is_some();
        let submitted = word("Auto-Submitted");
        let auto = submitted.starts_with("auto");
        let subject = words::text(&first("Subject")).trim().to_lowercase();
        let mut thread: Vec<String> = Vec::new();
        for value in values("In-Reply-To").iter().chain(&values("References")) {
            thread.extend(ids_in(value));
        }
        let null = reverse_path == ReversePath::Null;
        let suppress = is_there("X-Auto-Response-Suppress");
        let rules_loop = is_there("X-MS-Exchange-Inbox-Rules-Loop");
        let is_reply_word =
            |value: String| matches!(value.as_str(), "auto_reply" | "auto-reply" | "autoreply");
        let bare = subject.trim_start_matches(|c: char| c.is_whitespace() || "【[(（<＜「『《〔".contains(c));
        let away = AWAY.iter().any(|begin| bare.starts_with(begin));
        let answer = ANSWER.iter().any(|begin| bare.starts_with(begin));
        let marked = REPLY_FIELDS.iter().any(|name| is_there(name) && word(name) != "no")
            || is_reply_word(word("Precedence"))
            || is_reply_word(word("X-Precedence"))
            || is_reply_word(word("Preference"))
            || word("X-Autogenerated") == "reply"
            || word("X-Apple-Action") == "vacation"
            || word("X-POST-MessageClass").contains("autoresponder");
        let certain = marked
            || submitted.starts_with("auto-replied")
            || (away && (auto || suppress || rules_loop || null))
            || (answer && (null || ((auto || suppress) && !thread.is_empty())))
            || (rules_loop && (suppress || auto));
        let content_type = params::parse(&first("Content-Type"));
        Self {
            null,
            daemon: is_daemon(&words::text(&first("From"))),
            auto,
            rejected: submitted.contains("(rejected)"),
            failed_recipients: is_there("X-Failed-Recipients"),
            says_automatic: auto || suppress || rules_loop || away || answer,
            reply: if certain { Reply::Certain } else { Reply::None },
            subject,
            media: content_type.head,
            thread,
        }
    }

    /// Whether anything proves that no person sent it.
    pub fn is_of_a_program(&self) -> bool {
        self.null || self.daemon || self.auto || self.failed_recipients
    }
}

/// Whether a From value names a mailer daemon. Nobody (`MAILER-DAEMON <>`) is one too.
fn is_daemon(from: &str) -> bool {
    let lower = from.trim().to_lowercase();
    let (name, address) = match lower.rsplit_once('<') {
        Some((name, rest)) => (name, rest.split('>').next().unwrap_or_default()),
        // `mailer-daemon@mx.example (Mail Delivery System)`
        None => match lower.split_once('(') {
            Some((address, comment)) => (comment, address),
            None => ("", lower.as_str()),
        },
    };
    let local = address.split('@').next().unwrap_or_default().trim().trim_matches('"');
    let name = name.trim().trim_matches('"').trim();
    local.is_empty()
        || DAEMONS.contains(&local)
        || (local.starts_with("microsoftexchange") && local.len() > 40)
        || DAEMON_NAMES.iter().any(|known| name.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::is_daemon;

    #[test]
    fn a_daemon_is_known_by_local_part_name_or_by_being_nobody() {
        for from in [
            "MAILER-DAEMON@mx.example (Mail Delivery System)",
            "\"Mail Delivery Subsystem\" <bounces@mx.example>",
            "<Postmaster@carrier.example>",
            "MAILER-DAEMON <>",
            "mailer-daemon",
            "",
            "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@a.example>",
        ] {
            assert!(is_daemon(from), "{from}");
        }
        for from in ["Hana <hana@a.example>", "postmasters@a.example", "hana@a.example (Postal Hana)"] {
            assert!(!is_daemon(from), "{from}");
        }
    }
}
