//! What the fields of a mail say of its path: host names and IP addresses, and which of them name somebody.
//!
//! When it fails: never.

use crate::mime::header::{Header, unfold};
use crate::mime::slice;
use std::net::{IpAddr, Ipv6Addr};

/// Shortest trace that is looked for: shorter ones name nobody.
pub const SHORTEST: usize = 4;
/// Longest field that is read for traces, in octets.
const MAX_VALUE: usize = 16 * 1024;

/// Most that is collected; a mail path has a dozen.
const MAX_FOUND: usize = 128;

/// Fields that say how a mail went and who vouches for it.
const PATH_FIELDS: [&str; 23] = [
    "Received",
    "X-Received",
    "Message-ID",
    "Return-Path",
    "DKIM-Signature",
    "DomainKey-Signature",
    "X-Google-DKIM-Signature",
    "Authentication-Results",
    "Received-SPF",
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
    "X-Originating-IP",
    "X-Originating-Email",
    "X-Sender",
    "X-Sender-IP",
    "X-Source-IP",
    "X-Client-IP",
    "X-Real-IP",
    "X-Forwarded-For",
    "X-Authenticated-Sender",
    "X-EN-UserInfo",
    "X-AntiAbuse",
];

/// Domains that so many share that they name nobody.
const SHARED: [&str; 40] = [
    "google.com",
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "hotmail.co.jp",
    "live.com",
    "live.jp",
    "msn.com",
    "outlook.jp",
    "microsoft.com",
    "office365.com",
    "onmicrosoft.com",
    "yahoo.com",
    "yahoo.co.jp",
    "ymail.ne.jp",
    "icloud.com",
    "me.com",
    "mac.com",
    "apple.com",
    "docomo.ne.jp",
    "ezweb.ne.jp",
    "au.com",
    "softbank.ne.jp",
    "i.softbank.jp",
    "vodafone.ne.jp",
    "ymobile.ne.jp",
    "rakuten.jp",
    "nifty.com",
    "ocn.ne.jp",
    "so-net.ne.jp",
    "biglobe.ne.jp",
    "plala.or.jp",
    "dion.ne.jp",
    "amazon.co.jp",
    "amazon.com",
    "amazonses.com",
    "sendgrid.net",
    "gmx.de",
    "aol.com",
];

/// Adds what the fields of a mail's path name, of each field name so many fields.
pub fn of_fields(bytes: &[u8], header: &Header, most: usize, found: &mut Vec<String>) {
    for name in PATH_FIELDS {
        for field in header.all(bytes, name).take(most) {
            let value = unfold(slice(bytes, field.value.clone()));
            collect(value.get(..value.len().min(MAX_VALUE)).unwrap_or_default(), found);
        }
    }
}

/// Shortest id of a queue that is looked for, in octets: shorter ones may be anything.
const SHORTEST_ID: usize = 10;
/// Longest one.
const LONGEST_ID: usize = 100;

/// The ids under which the mail stood in the queues of its path (RFC 5321 §4.4: `id`), where they are no other word: with
/// digits, and letters of both cases, as no order number has them. The same id in two mails says that they were one.
pub fn queue_ids(bytes: &[u8], header: &Header, most: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for field in ["Received", "X-Received"].iter().flat_map(|name| header.all(bytes, name)).take(most) {
        let value = unfold(slice(bytes, field.value.clone()));
        let value = value.get(..value.len().min(MAX_VALUE)).unwrap_or_default();
        let mut words = value.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            if !word.eq_ignore_ascii_case(b"id") {
                continue;
            }
            let id = words.next().unwrap_or_default();
            let id = id.strip_suffix(b";").unwrap_or(id);
            let is_word = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
            let has = |fits: fn(&u8) -> bool| id.iter().any(fits);
            let is_one = (SHORTEST_ID..=LONGEST_ID).contains(&id.len()) && id.iter().all(is_word);
            let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
            if is_one && has(u8::is_ascii_digit) && is_mixed {
                let id = String::from_utf8_lossy(id).into_owned();
                if !out.contains(&id) {
                    out.push(id);
                }
            }
        }
    }
    out
}

/// How an IPv6 address is written without its short form: with leading zeros, and without (RFC 4291 §2.2). Nothing else
/// is written so.
pub fn spelled_in_full(name: &str) -> Vec<String> {
    let Ok(address) = name.parse::<Ipv6Addr>() else { return Vec::new() };
    let groups = address.segments();
    let joined = |write: fn(&u16) -> String| groups.iter().map(write).collect::<Vec<_>>().join(":");
    vec![joined(|group| format!("{group:04x}")), joined(|group| format!("{group:x}"))]
}

/// Whether so many share a domain that it names nobody.
pub fn is_shared(name: &str) -> bool {
    SHARED.contains(&name)
}

/// Whether a name is one that an organization registered, not one of its machines: two labels, or three below a country's
/// own kinds (`co.jp`).
pub fn is_registered(name: &str) -> bool {
    const KINDS: [&str; 14] =
        ["co", "ne", "or", "ac", "go", "gr", "ad", "ed", "lg", "com", "net", "org", "edu", "gov"];
    let mut labels = name.rsplit('.');
    let (last, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    match labels.count() {
        0 => last.bytes().all(|b| b.is_ascii_alphabetic()),
        1 => last.len() == 2 && KINDS.contains(&second),
        _ => false,
    }
}

/// Adds every host name and address in a text. A word before an at sign is somebody's name, one before an equals sign a
/// parameter's.
pub fn collect(text: &[u8], found: &mut Vec<String>) {
    let add = |name: &str, found: &mut Vec<String>| {
        if found.len() < MAX_FOUND && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    };
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    let mut rest = text;
    while let Some(skip) = rest.iter().position(is_part) {
        rest = rest.get(skip..).unwrap_or_default();
        let length = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = tail;
        if matches!(tail.first(), Some(b'@' | b'=' | b'+')) {
            continue;
        }
        let word = String::from_utf8_lossy(word).to_ascii_lowercase();
        let word = word.trim_matches(['.', '-', '_']);
        let address = word.strip_prefix("ipv6:").unwrap_or(word);
        if let Ok(ip) = address.parse::<IpAddr>() {
            if names_a_machine(ip) {
                add(address, found);
            }
        } else if word.contains(':') {
            // `h=From:To:Date` and times; a port behind a host.
            let host = word.split(':').next().unwrap_or_default();
            if is_host(host) {
                add(host, found);
            }
        } else if is_host(word) {
            add(word, found);
        }
    }
}

/// Whether an address is one of the open network.
fn names_a_machine(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_link_local()
                || ip.is_broadcast())
        }
        IpAddr::V6(ip) => {
            let local = (ip.segments().first().copied().unwrap_or(0) & 0xfe00) == 0xfc00
                || (ip.segments().first().copied().unwrap_or(0) & 0xffc0) == 0xfe80;
            !(ip.is_loopback() || ip.is_unspecified() || local || ip == Ipv6Addr::LOCALHOST)
        }
    }
}

/// Whether a word is a host name of two labels and more, the last one of letters.
fn is_host(word: &str) -> bool {
    let good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    word.len() >= SHORTEST
        && word.len() <= 253
        && word.split('.').all(good)
        && word.rsplit_once('.').is_some_and(|(_, last)| {
            last.len() >= 2 && (last.bytes().all(|b| b.is_ascii_alphabetic()) || last.starts_with("xn--"))
        })
}
