//! Header fields and bodies in the form in which they are signed (RFC 6376 §3.4). Pure.

use sha2::{Digest, Sha256};

/// How much may change on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Simple,
    Relaxed,
}

/// Line ends that are written at once.
const ENDS: [u8; 1024] = {
    let mut ends = [b'\r'; 1024];
    let mut at = 1;
    while at < ends.len() {
        ends[at] = b'\n';
        at += 2;
    }
    ends
};

/// SHA-256 of a body. Lines end in CRLF alone.
pub(super) fn body_hash(body: &[u8], form: Form) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut empty_lines = 0_usize;
    let mut is_empty = true;
    let mut relaxed = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (line, behind) = match memchr::memmem::find(rest, b"\r\n") {
            Some(at) => (rest.get(..at), rest.get(at.saturating_add(2)..)),
            None => (Some(rest), None),
        };
        let line = line.unwrap_or_default();
        rest = behind.unwrap_or_default();
        let line = match form {
            Form::Simple => line,
            Form::Relaxed => {
                relaxed.clear();
                push_reduced(&mut relaxed, line);
                relaxed.as_slice()
            }
        };
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        while empty_lines > 0 {
            let lines = empty_lines.min(ENDS.len() / 2);
            hasher.update(ENDS.get(..lines.saturating_mul(2)).unwrap_or_default());
            empty_lines -= lines;
        }
        hasher.update(line);
        hasher.update(b"\r\n");
        is_empty = false;
    }
    if is_empty && form == Form::Simple {
        hasher.update(b"\r\n");
    }
    hasher.finalize().into()
}

/// Adds a field without its last line end: `whole` is all of it, `name` and `value` its halves.
pub(super) fn push_field(out: &mut Vec<u8>, form: Form, (name, value, whole): (&[u8], &[u8], &[u8])) {
    match form {
        Form::Simple => out.extend_from_slice(whole.strip_suffix(b"\r\n").unwrap_or(whole)),
        Form::Relaxed => {
            out.extend(name.to_ascii_lowercase());
            out.push(b':');
            let unfolded: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
            let blanks = unfolded.iter().take_while(|b| is_blank(**b)).count();
            push_reduced(out, unfolded.get(blanks..).unwrap_or_default());
        }
    }
}

/// Adds a line with each run of blanks made one space, and none at the end.
fn push_reduced(out: &mut Vec<u8>, line: &[u8]) {
    let end = line.iter().rposition(|b| !is_blank(*b)).map_or(0, |at| at.saturating_add(1));
    let mut in_blanks = false;
    for byte in line.get(..end).unwrap_or_default() {
        if is_blank(*byte) {
            if !in_blanks {
                out.push(b' ');
            }
            in_blanks = true;
        } else {
            out.push(*byte);
            in_blanks = false;
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(text: &[u8]) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    #[test]
    fn bodies_are_as_rfc_6376_has_them_in_3_4() {
        for (body, simple, relaxed) in [
            (&b" C \r\nD \t E\r\n\r\n\r\n"[..], &b" C \r\nD \t E\r\n"[..], &b" C\r\nD E\r\n"[..]),
            (b"", b"\r\n", b""),
            (b"\r\n\r\n", b"\r\n", b""),
            (b" \t\r\n", b" \t\r\n", b""),
            (b"a\r\n\r\n\r\nb", b"a\r\n\r\n\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n"),
            (b"a\nb \r\n", b"a\nb \r\n", b"a\nb\r\n"),
        ] {
            assert_eq!(body_hash(body, Form::Simple), sha(simple), "{body:?}");
            assert_eq!(body_hash(body, Form::Relaxed), sha(relaxed), "{body:?}");
        }
        let many = [b"a".to_vec(), b"\r\n".repeat(2000), b"b\r\n".to_vec()].concat();
        assert_eq!(body_hash(&many, Form::Simple), sha(&many));
    }

    #[test]
    fn fields_are_as_rfc_6376_has_them_in_3_4() {
        let field = |form| {
            let mut out = Vec::new();
            push_field(&mut out, form, (b"B", b" Y\t\r\n\tZ  ", b"B : Y\t\r\n\tZ  \r\n"));
            out
        };
        assert_eq!(field(Form::Relaxed), b"b:Y Z");
        assert_eq!(field(Form::Simple), b"B : Y\t\r\n\tZ  ");
    }
}
