//! The fields of a delivery status (RFC 3464 §2.2, §2.3), as reports hold them in a part of their own and some mail
//! systems in their text.
//!
//! Rules: what counts is Action, in any case, with what follows it; one group of fields a recipient. A message to us
//! has one recipient, so several groups are what that one's address stands for: if one of them got it and another did
//! not, nothing is clear. A status of class 4 beside `failed` is what the last try met, and becomes class 5; where it
//! says nothing, what the other server said is asked for a better one.
//! When it fails: `None`.

use super::wording::Wording;
use super::{Fate, denies_mailbox, speaks_of_us};

/// Most lines that are read.
const MAX_LINES: usize = 5000;
/// Most recipients that are handed on.
const MAX_NAMED: usize = 8;
/// Most octets of what another server said.
const MAX_DIAGNOSTIC: usize = 2000;

/// The fields of one recipient.
#[derive(Default)]
struct Group {
    named: bool,
    /// The mailbox of Final-Recipient.
    mailbox: String,
    action: String,
    status: String,
    diagnostic: String,
}

/// What the fields in a part of their own say; `None` where no action is named.
pub fn read(fields: &str) -> Option<Fate> {
    fate(&groups(fields))
}

/// The recipients that failed, where they are named.
pub fn failed_at(fields: &str) -> Vec<String> {
    let groups = groups(fields);
    let failed = groups.into_iter().filter(|group| group.action.starts_with("fail"));
    failed.map(|group| group.mailbox).filter(|mailbox| !mailbox.is_empty()).take(MAX_NAMED).collect()
}

/// What fields in the middle of a text say; `None` where no recipient or no action is named.
pub fn read_in_text(text: &str) -> Option<Fate> {
    let groups = groups(text);
    if groups.iter().any(|group| group.named) { fate(&groups) } else { None }
}

fn groups(fields: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![Group::default()];
    let mut folds_into_diagnostic = false;
    for line in fields.lines().take(MAX_LINES) {
        let Some(group) = groups.last_mut() else { break };
        if line.trim().is_empty() {
            folds_into_diagnostic = false;
            groups.push(Group::default());
            continue;
        }
        if line.starts_with([' ', '\t']) && folds_into_diagnostic {
            if group.diagnostic.len() < MAX_DIAGNOSTIC {
                group.diagnostic.push_str(line);
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let name = name.trim().to_ascii_lowercase();
        folds_into_diagnostic = name == "diagnostic-code";
        let mailbox = || {
            let address = value.split_once(';').map_or(value, |(_, address)| address);
            let bare = address.trim_matches(|c: char| c.is_whitespace() || c == '<' || c == '>');
            if bare.contains('@') { bare.to_owned() } else { String::new() }
        };
        match name.as_str() {
            // Blank lines between the groups are left out by some.
            "final-recipient" if group.named && !group.action.is_empty() => {
                groups.push(Group { named: true, mailbox: mailbox(), ..Group::default() });
            }
            "final-recipient" => (group.named, group.mailbox) = (true, mailbox()),
            "original-recipient" | "x-actual-recipient" => group.named = true,
            "action" => group.action = value.to_ascii_lowercase(),
            "status" => group.status = code(value),
            "diagnostic-code" => group.diagnostic.push_str(value),
            _ => {}
        }
    }
    groups
}

fn fate(groups: &[Group]) -> Option<Fate> {
    let did =
        |words: &[&str]| groups.iter().find(|group| words.iter().any(|word| group.action.starts_with(word)));
    let arrived = did(&["delivered", "relayed", "expanded", "deliverable"]);
    match (did(&["fail"]), arrived, did(&["delay"])) {
        (Some(_), Some(_), _) => Some(Fate::Unclear),
        (Some(group), None, _) => Some(Fate::Failed(group.permanent())),
        (None, _, Some(_)) => Some(Fate::Delayed),
        (None, Some(_), None) => Some(Fate::Arrived),
        // An action that nobody knows.
        (None, None, None) if groups.iter().any(|group| !group.action.is_empty()) => Some(Fate::Unclear),
        (None, None, None) => None,
    }
}

impl Group {
    /// The status as of something that failed for good.
    fn permanent(&self) -> String {
        let wording = Wording::new(&self.diagnostic);
        let given =
            permanent(&self.status).filter(|status| !status.ends_with(".0.0")).or_else(|| wording.given());
        if let Some(status) = given.as_ref().filter(|status| *status != "5.5.0") {
            return status.clone();
        }
        // 5.5.0 is what servers say of a mailbox too that they do not have. Without any code words count, but a name, a sender or a
        // list that they do not know is none of the mailbox.
        if denies_mailbox(&self.diagnostic, given.is_some()) {
            return "5.1.1".into();
        }
        let meant =
            wording.meaning().filter(|status| !status.starts_with("5.1.") || !speaks_of_us(&self.diagnostic));
        meant.or(given).unwrap_or_else(|| "5.0.0".into())
    }
}

fn code(value: &str) -> String {
    value.chars().take_while(|c| c.is_ascii_digit() || *c == '.').take(11).collect()
}

fn permanent(status: &str) -> Option<String> {
    let mut numbers = status.split('.');
    let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let good = matches!(class, "4" | "5")
        && (1..=3).contains(&subject.len())
        && (1..=3).contains(&detail.len())
        && numbers.next().is_none();
    good.then(|| format!("5.{subject}.{detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipient_counts_and_only_what_is_said() {
        let failed = |status: &str| Some(Fate::Failed(status.into()));
        let one = |action: &str, status: &str| {
            read(&format!(
                "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; x@y.example\nAction: {action}\nStatus: {status}\n"
            ))
        };
        assert_eq!(one("failed", "5.1.1 (no such user)"), failed("5.1.1"));
        assert_eq!(one("Failed (bad)", "garbage"), failed("5.0.0"));
        assert_eq!(one("failed", "4.4.7"), failed("5.4.7"));
        assert_eq!(one("delayed", "4.4.1"), Some(Fate::Delayed));
        assert_eq!(one("relayed", "2.1.5"), Some(Fate::Arrived));
        assert_eq!(one("pondered", "5.1.1"), Some(Fate::Unclear));
        assert_eq!(one("", ""), None);
        let two = |first: &str, second: &str| {
            read(&format!(
                "Final-Recipient: a\nStatus: 2.0.0\nAction: {first}\n\nFinal-Recipient: b\nAction: {second}\nStatus: 5.2.2\n"
            ))
        };
        assert_eq!(two("delivered", "failed"), Some(Fate::Unclear));
        assert_eq!(two("delayed", "failed"), failed("5.2.2"));
        assert_eq!(read("Action: failed\nStatus: 5.1.1\n"), failed("5.1.1"));
        assert_eq!(read_in_text("Action: failed\nStatus: 5.1.1\n"), None, "nobody is named");
        assert_eq!(read("Status: 5.1.2\nFinal-Recipient: a\nAction: failed\n"), failed("5.1.2"));
        let vague = "Action: failed\nFinal-Recipient: a\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550\n mailbox\n\tfull\n";
        assert_eq!(read(vague), failed("5.2.2"));
        for (status, said, expected) in [
            ("5.0.0", "550 HELO name does not exist in DNS", "5.0.0"),
            ("5.0.0", "550 Sender verify failed: no such user", "5.0.0"),
            ("5.0.0", "550 Your host is not listed in our directory of friends", "5.0.0"),
            ("5.0.0", "550 User hana (hana@shop.example) not listed in Domino Directory", "5.1.1"),
            ("5.0.0", "550 宛先不明です", "5.1.1"),
            ("5.0.0", "550 5.5.0 Requested action not taken: mailbox unavailable", "5.1.1"),
            ("5.0.0", "550 Requested action not taken: mailbox unavailable", "5.0.0"),
            ("5.5.0", "550 5.5.0 mailbox full", "5.2.2"),
            ("5.5.0", "550 5.5.0 宛先不明", "5.1.1"),
            ("5.5.0", "550 5.5.0 no", "5.5.0"),
        ] {
            let fields = format!("Action: failed\nStatus: {status}\nDiagnostic-Code: smtp; {said}\n");
            assert_eq!(read(&fields), failed(expected), "{status}, {said}");
        }
        let named = "Final-Recipient: rfc822; <Hana@Shop.example>\nAction: failed\n\nFinal-Recipient: x\nAction: failed\n";
        assert_eq!(failed_at(named), ["Hana@Shop.example"]);
    }
}
