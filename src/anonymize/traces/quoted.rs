//! Quoted header fields of ids in a text: what stands behind an at sign there is a host, and nobody's address.
//!
//! Rules: the name of the field, a colon, and nothing but ids in angle brackets up to the host, over folds and the marks of
//! quoting; a single id may stand without brackets. Brackets may be those of HTML.
//! When it fails: never.

/// How far before a host its field is looked for, in octets.
const MAX_FIELD: usize = 16 * 1024;
/// How far before its end an id begins, in octets.
const MAX_ID: usize = 512;
/// The fields of ids (RFC 5322 §3.6.4), as the last word of a longer name too.
const FIELDS: [&[u8]; 3] = [b"message-id", b"in-reply-to", b"references"];

/// How the bracket of an id may be written in one word with it.
const OPENINGS: [&[u8]; 2] = [b"&lt;", b"\\u003c"];

/// Whether the host at `host` belongs to an id of a quoted field.
pub fn is_host_of_id(text: &[u8], host: usize) -> bool {
    let mut rest = text.get(host.saturating_sub(MAX_FIELD)..host).unwrap_or_default();
    if !rest.ends_with(b"@") {
        return false;
    }
    // Backwards over the ids.
    while !rest.is_empty() {
        let opens = |at: usize| {
            let rest = rest.get(at..).unwrap_or_default();
            rest.starts_with(b"<") || OPENINGS.iter().any(|open| rest.starts_with(open))
        };
        let ends = |b: u8| b.is_ascii_whitespace() || b == b'>';
        let from = rest.len().saturating_sub(MAX_ID);
        let near = rest.get(from..).unwrap_or_default().iter().enumerate().rev();
        let mut marks = near.filter(|(_, b)| ends(**b) || matches!(b, b'<' | b'&' | b'\\'));
        let start = marks.find(|(at, b)| ends(**b) || opens(from + at)).map(|(at, _)| from + at);
        let Some(head) = start.filter(|at| opens(*at)).and_then(|at| rest.get(..at)) else {
            // The first of a field may stand without brackets.
            let from = start.map_or(from, |at| at + 1);
            let id = rest.get(from..).unwrap_or_default();
            let glued = memchr::memrchr(b':', id).map_or(from, |colon| from + colon + 1);
            let head = rest.get(..glued).unwrap_or_default();
            return field_before(head).is_some_and(|field| field != FIELDS[2]);
        };
        if field_before(head).is_some() {
            return true;
        }
        rest = without_between(head);
    }
    false
}

/// The field whose name and colon `head` ends with.
fn field_before(head: &[u8]) -> Option<&'static [u8]> {
    let name = without_between(head).strip_suffix(b":")?.trim_ascii_end();
    let name = name.strip_suffix(b"\"").unwrap_or(name);
    FIELDS.into_iter().find(|field| {
        let end = name.len().checked_sub(field.len()).and_then(|at| name.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(field))
    })
}

/// A text without what stands between ids at its end.
fn without_between(text: &[u8]) -> &[u8] {
    let between = |b: &u8| b.is_ascii_whitespace() || b",>|\"".contains(b);
    let length = text.iter().rposition(|b| !between(b)).map_or(0, |at| at + 1);
    text.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_from_an_address_by_its_field() {
        for before in [
            "Message-ID: <1.a@",
            "> Message-Id:\r\n>  <1.a@",
            "References: <0@y.example> <1.a@",
            "x\r\nReferences: <0@y.example>\r\n\t<1.a@",
            "> References: <0@y.example>,\r\n>   <1.a@",
            "<b>In-Reply-To:</b> &lt;1.a@",
            "\"message-id\": \"<1.a@",
            "X-Original-Message-ID: 1.a@",
        ] {
            assert!(is_host_of_id(before.as_bytes(), before.len()), "{before}");
        }
        let many = format!("> References:{}\r\n>  <1.a@", "\r\n>  <0.0123456789@y.example>".repeat(400));
        assert!(many.len() > 10_000 && is_host_of_id(many.as_bytes(), many.len()));
        for before in [
            "References: Taro Mori <taro@",
            "References: taro@",
            "Message-ID: <1.a@y.example>\r\nFrom: <taro@",
            "Message-ID: <1.a@y.example>\r\ntaro@",
            "Message-ID: <1.a@y.example> by taro@",
            "<taro@",
            "Message-ID: <1.a",
        ] {
            assert!(!is_host_of_id(before.as_bytes(), before.len()), "{before}");
        }
    }
}
