//! The header block of a message or a part: its fields, and the lines in it that are no field.
//!
//! Rules (RFC 5322 §2.2, §3.6.8): a field begins at a line start with a name of printable ASCII other than the
//! colon; blanks before the colon (§4.5.3) belong to neither name nor value; a line that begins with a blank
//! continues the field before it. Everything else up to the empty line is a gap: programs differ in whether such a
//! line ends the header, so the caller must not let it pass.
//! When it fails: [`MimeError`], beyond 256 KiB or 2000 fields.

use super::{MAX_FIELDS, MAX_HEADER, MimeError, slice};
use std::ops::Range;

/// One field, as ranges over the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: Range<usize>,
    /// What follows the colon, folds included, without the last line end.
    pub value: Range<usize>,
    /// The whole field with its last line end.
    pub whole: Range<usize>,
}

impl Field {
    /// Whether the field has this name, in any case.
    #[must_use]
    pub fn is(&self, bytes: &[u8], name: &str) -> bool {
        slice(bytes, self.name.clone()).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A header block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The fields in order.
    pub fields: Vec<Field>,
    /// Lines that are no field, with their continuations and line ends.
    pub gaps: Vec<Range<usize>>,
    /// From the first octet to just before the empty line (or the end of what there is).
    pub range: Range<usize>,
    /// Where the body begins: behind the empty line.
    pub body_start: usize,
}

impl Header {
    /// All fields of a name.
    pub fn all<'a>(&'a self, bytes: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a Field> + 'a {
        self.fields.iter().filter(move |field| field.is(bytes, name))
    }
}

/// Reads the header that begins at `range.start` and ends before `range.end`.
///
/// # Errors
/// [`MimeError::HeaderTooLong`], [`MimeError::TooManyFields`].
pub fn scan(bytes: &[u8], range: Range<usize>) -> Result<Header, MimeError> {
    let mut header = Header { range: range.start..range.start, body_start: range.end, ..Header::default() };
    let mut at = range.start;
    let mut last_is_gap = true;
    while at < range.end {
        let rest = slice(bytes, at..range.end);
        if rest.starts_with(b"\r\n") {
            header.body_start = at + 2;
            break;
        }
        let end = memchr::memmem::find(rest, b"\r\n").map_or(range.end, |i| at + i + 2);
        if end - range.start > MAX_HEADER {
            return Err(MimeError::HeaderTooLong);
        }
        let line = slice(bytes, at..end);
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            match (last_is_gap, header.fields.last_mut(), header.gaps.last_mut()) {
                (false, Some(field), _) => {
                    field.whole.end = end;
                    field.value.end = without_line_end(bytes, field.value.start..end);
                }
                (true, _, Some(gap)) => gap.end = end,
                _ => header.gaps.push(at..end),
            }
        } else if let Some((name, colon)) = name_of(line) {
            if header.fields.len() >= MAX_FIELDS {
                return Err(MimeError::TooManyFields);
            }
            let value = at + colon + 1;
            header.fields.push(Field {
                name: at..at + name,
                value: value..without_line_end(bytes, value..end),
                whole: at..end,
            });
            last_is_gap = false;
        } else {
            let full = header.gaps.len() >= MAX_FIELDS;
            match header.gaps.last_mut() {
                Some(gap) if last_is_gap && gap.end == at => gap.end = end,
                _ if full => return Err(MimeError::TooManyFields),
                _ => header.gaps.push(at..end),
            }
            last_is_gap = true;
        }
        at = end;
        header.range.end = end;
    }
    Ok(header)
}

/// Length of the name and place of the colon, where the line begins a field.
fn name_of(line: &[u8]) -> Option<(usize, usize)> {
    let name = line.iter().take_while(|b| matches!(b, 33..=57 | 59..=126)).count();
    let blanks = line.iter().skip(name).take_while(|b| matches!(b, b' ' | b'\t')).count();
    (name > 0 && line.get(name + blanks) == Some(&b':')).then_some((name, name + blanks))
}

fn without_line_end(bytes: &[u8], range: Range<usize>) -> usize {
    if slice(bytes, range.clone()).ends_with(b"\r\n") { range.end - 2 } else { range.end }
}

/// A value with its folds removed: a line end before a blank goes, the blank stays (RFC 5322 §2.2.3).
#[must_use]
pub fn unfold(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_folds_gaps_and_body_have_exact_ranges() {
        let mail = b"From hana Mon\r\n x\r\nSubject : one\r\n\ttwo\r\nX:\r\nno field\r\nY: z\r\n\r\nbody";
        let header = scan(mail, 0..mail.len()).unwrap();
        let text = |r: &Range<usize>| String::from_utf8_lossy(slice(mail, r.clone())).into_owned();
        let fields: Vec<_> = header.fields.iter().map(|f| (text(&f.name), text(&f.value))).collect();
        assert_eq!(
            fields,
            [("Subject".into(), " one\r\n\ttwo".into()), ("X".into(), "".into()), ("Y".into(), " z".into())]
        );
        assert_eq!(
            header.gaps.iter().map(text).collect::<Vec<_>>(),
            ["From hana Mon\r\n x\r\n", "no field\r\n"]
        );
        assert_eq!(text(&(header.body_start..mail.len())), "body");
    }

    #[test]
    fn a_header_without_end_or_beyond_a_limit_is_refused() {
        let long = vec![b'a'; MAX_HEADER + 1];
        assert_eq!(scan(&long, 0..long.len()), Err(MimeError::HeaderTooLong));
        let many = b"A:b\r\n".repeat(MAX_FIELDS + 1);
        assert_eq!(scan(&many, 0..many.len()), Err(MimeError::TooManyFields));
    }
}
