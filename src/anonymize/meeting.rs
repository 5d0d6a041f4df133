//! A meeting of Outlook's own format as a calendar (RFC 5545, RFC 5546), between the parties of the conversation.
//!
//! Rules: organizer and attendee are the aliases; who asks is the organizer, who answers the attendee. Only what a
//! calendar needs is written.
//! When it fails: never.

use super::Passage;
use crate::mime::tnef::{Answer, Meeting, Method};

/// The METHOD of the calendar and of its part.
pub fn method(meeting: &Meeting) -> &'static str {
    match meeting.method {
        Method::Request => "REQUEST",
        Method::Cancel => "CANCEL",
        Method::Reply(_) => "REPLY",
    }
}

/// The calendar.
pub fn calendar(meeting: &Meeting, passage: &Passage<'_>) -> String {
    let (from, to) =
        (passage.from.to_string(), passage.to.first().map(ToString::to_string).unwrap_or_default());
    let (organizer, attendee, answer) = match meeting.method {
        Method::Reply(answer) => (to, from, Some(answer)),
        Method::Request | Method::Cancel => (from, to, None),
    };
    let status = match answer {
        Some(Answer::Accepted) => "ACCEPTED",
        Some(Answer::Tentative) => "TENTATIVE",
        Some(Answer::Declined) => "DECLINED",
        None => "NEEDS-ACTION",
    };
    let stamp = passage.at.to_string();
    let stamp: String = stamp.chars().filter(|c| !matches!(c, '-' | ':')).take(15).collect();
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "PRODID:-//Anshin Mail//EN".to_owned(),
        "VERSION:2.0".to_owned(),
        format!("METHOD:{}", method(meeting)),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", escaped(meeting.uid.as_deref().unwrap_or(passage.queue_id))),
        format!("DTSTAMP:{stamp}Z"),
        format!("DTSTART:{}", meeting.start),
        format!("DTEND:{}", meeting.end),
        format!("SEQUENCE:{}", meeting.sequence),
        format!("ORGANIZER:mailto:{organizer}"),
        format!("ATTENDEE;PARTSTAT={status};RSVP=TRUE:mailto:{attendee}"),
    ];
    for (name, text) in [("SUMMARY", &meeting.summary), ("LOCATION", &meeting.location)] {
        lines.extend(text.as_ref().map(|text| format!("{name}:{}", escaped(text))));
    }
    if meeting.method == Method::Cancel {
        lines.push("STATUS:CANCELLED".to_owned());
    }
    lines.extend(["END:VEVENT".to_owned(), "END:VCALENDAR".to_owned()]);
    lines.iter().map(|line| folded(line)).collect()
}

/// TEXT of RFC 5545 §3.3.11.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A content line in lines of at most 75 octets (RFC 5545 §3.1).
fn folded(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    let mut width = 0;
    for c in line.chars() {
        if width + c.len_utf8() > 75 {
            out.push_str("\r\n ");
            width = 1;
        }
        out.push(c);
        width += c.len_utf8();
    }
    out.push_str("\r\n");
    out
}
