//! A reply we give: a code, an enhanced code whose class always agrees with it, and a text for a person.
//!
//! RFC 5321 §4.2 (form, 512 octets a line), RFC 2034 and RFC 3463 (enhanced codes on every reply but greeting and
//! EHLO's).

use std::borrow::Cow;
use std::fmt;

/// A reply of ours. Its texts never contain anything a peer sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    detail: Option<(u16, u16)>,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// `code c.subject.detail text`; the class `c` is the first digit of `code`.
    #[must_use]
    pub fn new(code: u16, subject: u16, detail: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: Some((subject, detail)), lines: vec![text.into()] }
    }

    /// A reply without an enhanced code (greeting, EHLO, 334, 354).
    #[must_use]
    pub fn bare(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: None, lines: vec![text.into()] }
    }

    /// One more line, with the same codes.
    #[must_use]
    pub fn line(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// With the name of the host before the text, as a reply has it that ends the session (RFC 5321 §4.2.3).
    #[must_use]
    pub fn named(mut self, host: &str) -> Self {
        if let Some(first) = self.lines.first_mut() {
            *first = format!("{host} {first}").into();
        }
        self
    }

    /// Without the lines that are not ASCII; the first, which every reply has in ASCII, stays whatever it is.
    #[must_use]
    pub fn in_ascii(mut self) -> Self {
        let mut is_first = true;
        self.lines.retain(|line| std::mem::take(&mut is_first) || line.is_ascii());
        self
    }

    /// The three-digit code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code, such as `5.1.1`, where there is one.
    #[must_use]
    pub fn enhanced(&self) -> Option<String> {
        self.detail.map(|(subject, detail)| format!("{}.{subject}.{detail}", self.code / 100))
    }

    /// Whether it says yes (2yz or 3yz).
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Appends the reply as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lines.len().saturating_sub(1);
        for (i, text) in self.lines.iter().enumerate() {
            write!(f, "{}{}", self.code, if i == last { ' ' } else { '-' })?;
            if let Some((subject, detail)) = self.detail {
                write!(f, "{}.{subject}.{detail} ", self.code / 100)?;
            }
            write!(f, "{text}\r\n")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_string().trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_the_enhanced_code_is_that_of_the_reply() {
        let reply = Reply::new(450, 7, 1, "one").line("two");
        assert_eq!(reply.to_string(), "450-4.7.1 one\r\n450 4.7.1 two\r\n");
        assert_eq!(reply.enhanced().as_deref(), Some("4.7.1"));
    }
}
