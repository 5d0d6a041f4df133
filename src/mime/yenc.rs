//! Files within texts in yEnc: read, for they are searched and never written.
//!
//! Rules: yEnc draft 1.3: a line `=ybegin …`, lines of octets that are each 42 too large, `=` before one that is 64 larger
//! still, a line `=yend …`. A block without its end reaches to the end of the text.
//! When it fails: never; what is no block is text.

/// The files within a text, in order, each decoded when it is asked for.
pub fn blocks(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = memchr::memmem::find(rest, b"=ybegin ")?;
        let begin = rest.get(at..).unwrap_or_default();
        let line = memchr::memchr(b'\n', begin).map_or(begin.len(), |end| end + 1);
        let body = begin.get(line..).unwrap_or_default();
        let end = memchr::memmem::find(body, b"\n=yend").map_or(body.len(), |end| end + 1);
        rest = body.get(end..).unwrap_or_default();
        Some(decoded(body.get(..end).unwrap_or_default()))
    })
}

fn decoded(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut escaped = false;
    for line in body.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A line of a part's own fields.
        if line.starts_with(b"=ypart ") {
            continue;
        }
        for b in line {
            if escaped {
                out.push(b.wrapping_sub(64 + 42));
                escaped = false;
            } else if *b == b'=' {
                escaped = true;
            } else {
                out.push(b.wrapping_sub(42));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_with_its_escapes_and_over_its_lines() {
        let mut text = b"x\r\n=ybegin line=128 size=6 name=a.txt\r\n".to_vec();
        for b in b"bob@\x13x" {
            let b = b.wrapping_add(42);
            if b == b'=' {
                text.extend([b'=', b.wrapping_add(64)]);
            } else {
                text.push(b);
            }
        }
        text.extend_from_slice(b"\r\n=yend size=6\r\nbehind");
        assert_eq!(blocks(&text).collect::<Vec<_>>(), [b"bob@\x13x".to_vec()]);
        assert_eq!(blocks(&text.repeat(100)).count(), 100);
        assert_eq!(blocks(b"=ybeginning of a text").count(), 0);
    }
}
