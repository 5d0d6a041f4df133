//! The ids of events, tasks and cards, which name the machine that made them behind an at sign: for the gate alone.
//!
//! Rules: lines UID and RELATED-TO (RFC 5545 §3.8.4.5, §3.8.4.7) of a part that says it is a calendar or a card, by its type
//! or by the end of its name, over folds, with and without a group.
//! When it fails: never.

use mail_parser::MessagePart;

/// Longest name of a property with its group.
const MAX_NAME: usize = 80;

/// Whether a part says that it is a calendar or a card.
pub fn are_in(part: &MessagePart<'_>) -> bool {
    let Some(kind) = part.content_type() else { return false };
    let subtype = kind.subtype().unwrap_or_default().to_ascii_lowercase();
    let words = ["calendar", "vcalendar", "vcard", "directory", "ics"];
    let named =
        [kind.attribute("name"), part.content_disposition().and_then(|value| value.attribute("filename"))];
    let ends = |name: &str| {
        let name = name.trim().to_ascii_lowercase();
        [".ics", ".ifb", ".vcf"].iter().any(|end| name.ends_with(end))
    };
    let is_untyped = kind.ctype().eq_ignore_ascii_case("application") && subtype.ends_with("octet-stream");
    words.iter().any(|word| subtype.strip_prefix("x-").unwrap_or(&subtype) == *word)
        || (is_untyped && named.into_iter().flatten().any(ends))
}

/// Whether `is_hit` says yes to the value of one of these lines.
pub fn any(text: &[u8], is_hit: impl Fn(&[u8]) -> bool) -> bool {
    let mut value: Vec<u8> = Vec::new();
    let mut is_id = false;
    for line in text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if let [b' ' | b'\t', rest @ ..] = line {
            value.extend_from_slice(if is_id { rest } else { &[] });
            continue;
        }
        if is_id && names_a_machine(&value) && is_hit(&value) {
            return true;
        }
        value.clear();
        let near = line.get(..line.len().min(MAX_NAME)).unwrap_or_default();
        let end = near.iter().position(|b| matches!(b, b':' | b';'));
        let name = end.and_then(|end| near.get(..end)).unwrap_or_default();
        let name = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
        is_id = name.eq_ignore_ascii_case(b"uid") || name.eq_ignore_ascii_case(b"related-to");
        if is_id {
            value.extend_from_slice(line);
        }
    }
    is_id && names_a_machine(&value) && is_hit(&value)
}

/// Without an at sign it is a link or a number, and what it names is content as anywhere.
fn names_a_machine(value: &[u8]) -> bool {
    value.contains(&b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_over_folds_and_other_lines_are_not() {
        let is_hit = |value: &[u8]| value.ends_with(b"1@pc.home.example");
        for text in [
            "BEGIN:VEVENT\r\nUID:1@pc.\r\n home.example\r\nEND:VEVENT",
            "a.uid:1@pc.home.example",
            "RELATED-TO;RELTYPE=PARENT:1@pc.home.example\r\n",
        ] {
            assert!(any(text.as_bytes(), is_hit), "{text}");
        }
        assert!(!any(b"UID:https://pc.home.example/1", |_| true));
        assert!(!any(b"X-UID:1@pc.home.example\r\nUID:2\r\nX:1@pc.home.example", is_hit));
    }
}
