//! The meeting that a message of Outlook asks for, calls off or answers.
//!
//! Rules: MS-OXOCAL §2.2.1 and §2.2.6 (properties), MS-OXCMAIL and MS-OXTNEF §2.1.3.3.4 (message classes, new and
//! old), MS-OXCICAL §2.1.3.1.1.20.26 (UID). Only what the calendar part needs is read; organizer and attendees are
//! not, since the parties of the conversation take their places.
//! When it fails: no meeting, where the class is another one or a time cannot be read.

use super::message::Text;
use super::stream::{Property, kind};
use data_encoding::HEXUPPER;
use time::OffsetDateTime;

/// PSETID_Appointment.
const APPOINTMENT: [u8; 16] = [2, 0x20, 6, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
/// PSETID_Meeting.
const MEETING: [u8; 16] =
    [0x90, 0xda, 0xd8, 0x6e, 0x0b, 0x45, 0x1b, 0x10, 0x98, 0xda, 0, 0xaa, 0, 0x3f, 0x13, 5];
/// How many of FILETIME's units are a second, and how many seconds its epoch lies before that of Unix.
const UNITS: i64 = 10_000_000;
const EPOCH_S: i64 = 11_644_473_600;
/// Longest global object id that is used.
const MAX_UID: usize = 1000;
/// What stands before a UID that came from another calendar program.
const FOREIGN_UID: &[u8] = b"vCal-Uid\x01\0\0\0";

/// The METHOD of the calendar part (RFC 5546 §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Request,
    Cancel,
    Reply(Answer),
}

/// The PARTSTAT of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    Tentative,
    Declined,
}

/// What a calendar part needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    pub method: Method,
    /// UTC, as RFC 5545 §3.3.5 writes it: `20260131T090000Z`.
    pub start: String,
    pub end: String,
    pub summary: Option<String>,
    pub location: Option<String>,
    /// The UID: hexadecimal digits, or, where another program gave it, the text that it gave.
    pub uid: Option<String>,
    pub sequence: u32,
    /// Whether it is the first one of a series, whose rule is not read.
    pub recurring: bool,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    /// In FILETIME's units; the properties of the appointment go before those of the message.
    start: Option<i64>,
    end: Option<i64>,
    message_start: Option<i64>,
    message_end: Option<i64>,
    location: Option<Text<'a>>,
    id: Option<&'a [u8]>,
    clean_id: Option<&'a [u8]>,
    sequence: u32,
    recurring: bool,
}

impl<'a> Fields<'a> {
    pub fn named(&mut self, property: &Property<'a>) {
        let Some((set, number)) = property.named else { return };
        let binary =
            (property.kind == kind::BINARY && property.value.len() <= MAX_UID).then_some(property.value);
        match number {
            0x820d if set == APPOINTMENT => self.start = time(property),
            0x820e if set == APPOINTMENT => self.end = time(property),
            0x8208 if set == APPOINTMENT => self.location = Text::of(property),
            0x8201 if set == APPOINTMENT => self.sequence = long(property).unwrap_or(0),
            0x8223 if set == APPOINTMENT && property.kind == kind::BOOLEAN => {
                self.recurring = property.value.first().is_some_and(|b| *b != 0);
            }
            0x0003 if set == MEETING => self.id = binary,
            0x0023 if set == MEETING => self.clean_id = binary,
            0x0002 if set == MEETING => self.location = self.location.or(Text::of(property)),
            _ => {}
        }
    }

    pub fn tagged(&mut self, property: &Property<'a>) {
        match property.id {
            0x0060 => self.message_start = time(property),
            0x0061 => self.message_end = time(property),
            _ => {}
        }
    }

    pub fn finish(&self, class: &str, subject: Option<String>, page: u32) -> Option<Meeting> {
        let method = method(class)?;
        let start = written(self.start.or(self.message_start)?)?;
        let end = written(self.end.or(self.message_end)?)?;
        let text = |text: String| {
            let text = text.trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        Some(Meeting {
            method,
            start,
            end,
            summary: subject.and_then(text),
            location: self.location.map(|l| l.decode(page)).and_then(text),
            uid: self.clean_id.or(self.id).and_then(uid),
            sequence: self.sequence,
            recurring: self.recurring,
        })
    }
}

/// The method that goes with a message class, in its new or its old name.
fn method(class: &str) -> Option<Method> {
    let class = class.to_ascii_lowercase();
    let named = class
        .strip_prefix("ipm.schedule.meeting.")
        .or_else(|| class.strip_prefix("ipm.microsoft schedule."))?;
    Some(match named {
        "request" | "mtgreq" => Method::Request,
        "canceled" | "mtgcncl" => Method::Cancel,
        "resp.pos" | "mtgrespp" => Method::Reply(Answer::Accepted),
        "resp.tent" | "mtgrespa" => Method::Reply(Answer::Tentative),
        "resp.neg" | "mtgrespn" => Method::Reply(Answer::Declined),
        _ => return None,
    })
}

fn long(property: &Property<'_>) -> Option<u32> {
    let octets = (property.kind == kind::LONG).then_some(property.value)?;
    Some(u32::from_le_bytes(octets.get(..4)?.try_into().ok()?))
}

fn time(property: &Property<'_>) -> Option<i64> {
    let octets = (property.kind == kind::TIME).then_some(property.value)?;
    Some(i64::from_le_bytes(octets.get(..8)?.try_into().ok()?))
}

fn written(units: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(units / UNITS - EPOCH_S).ok()?;
    // Before 1601 and from 4500 on stand the times that mean none.
    (1601..4500).contains(&at.year()).then(|| {
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second())
    })
}

/// The UID of a global object id.
fn uid(id: &[u8]) -> Option<String> {
    // Class, date of the instance, time of making, 8 octets reserved, length of what follows.
    let foreign = id.get(40..).and_then(|rest| rest.strip_prefix(FOREIGN_UID));
    let Some(foreign) = foreign else {
        return (!id.is_empty()).then(|| HEXUPPER.encode(id));
    };
    let end = foreign.iter().position(|b| *b == 0).unwrap_or(foreign.len());
    let text: String =
        String::from_utf8_lossy(foreign.get(..end)?).chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}
