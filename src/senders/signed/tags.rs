//! The tag lists of DKIM and ARC (RFC 6376 §3.2). Pure.
//!
//! A list that breaks the grammar is none: a reader who overlooks a tag that is there twice, or one without a name, could be
//! made to see what others do not.

/// Most tags of a list; a signature has some twelve (RFC 6376 §3.5).
const MAX_TAGS: usize = 64;

/// A list, in order; blanks are taken out of the values.
pub(super) struct Tags(Vec<(String, String)>);

impl Tags {
    /// Reads a list. `None` where the grammar is broken.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let text = text.strip_suffix(';').unwrap_or(text);
        let mut tags: Vec<(String, String)> = Vec::new();
        for tag in text.split(';') {
            let (name, value) = tag.split_once('=')?;
            let name = name.trim();
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !is_name || tags.len() >= MAX_TAGS || tags.iter().any(|(other, _)| other == name) {
                return None;
            }
            tags.push((name.to_owned(), value.chars().filter(|c| !c.is_whitespace()).collect()));
        }
        Some(Self(tags))
    }

    /// The value of a tag.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str())
    }

    /// The value of a tag that must be there and not be empty.
    pub fn required(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|value| !value.is_empty())
    }

    /// Where a tag stands in the list.
    pub fn is_first(&self, name: &str) -> bool {
        self.0.first().is_some_and(|(tag, _)| tag == name)
    }
}

/// The value of a signature's field without that of its tag `b` (RFC 6376 §3.7).
pub(super) fn without_b(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for (n, tag) in value.split(|b| *b == b';').enumerate() {
        if n > 0 {
            out.push(b';');
        }
        match tag.iter().position(|b| *b == b'=') {
            Some(at) if tag.get(..at).is_some_and(|name| name.trim_ascii() == b"b") => {
                out.extend_from_slice(tag.get(..=at).unwrap_or_default());
            }
            _ => out.extend_from_slice(tag),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_breaks_the_grammar_is_none() {
        for good in ["a=x; b=A B\r\n C", " a = x;b=;", "a=x; b=y=z; zz_1=1"] {
            assert!(Tags::parse(good.as_bytes()).is_some_and(|tags| tags.find("a") == Some("x")), "{good}");
        }
        for bad in ["", "a", "a=x; a=y", "a=x;; b=y", "a=x; =z", "1a=x", "a-b=x"] {
            assert!(Tags::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        let many: String = (0..65).map(|n| format!("a{n}=;")).collect();
        assert!(Tags::parse(many.as_bytes()).is_none());
        assert_eq!(without_b(b" v=1; bh=AA;\r\n\tb = Zm9v\r\n\tYmFy ; d=x"), b" v=1; bh=AA;\r\n\tb =; d=x");
    }
}
