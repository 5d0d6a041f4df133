//! The tag lists of DKIM and ARC (RFC 6376 §3.2): is one well formed, and does it say what we want to hear? Pure.
//!
//! The crate that verifies signatures reads them kindly: a tag twice, a tag without a name, an algorithm that is not there. A
//! kind reader can be made to see what others do not, so a list that breaks the grammar proves nothing here.

/// Whether a value is a well-formed list that has all of these tags, with an algorithm that counts (RFC 8301 §3.1,
/// RFC 8463 §3).
pub(super) fn is_sound(value: &[u8], required: &[&str]) -> bool {
    let Some(tags) = parse(value) else { return false };
    let find = |name: &str| tags.iter().find(|(tag, _)| *tag == name).map(|(_, value)| value.as_str());
    required.iter().all(|name| find(name).is_some_and(|value| !value.is_empty()))
        && find("a").is_some_and(|algorithm| {
            ["rsa-sha256", "ed25519-sha256"].iter().any(|known| algorithm.eq_ignore_ascii_case(known))
        })
}

/// The tags in order, blanks taken out of their values. `None` where the grammar is broken.
fn parse(value: &[u8]) -> Option<Vec<(&str, String)>> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut tags: Vec<(&str, String)> = Vec::new();
    for tag in text.split(';') {
        let (name, value) = tag.split_once('=')?;
        let name = name.trim();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name || tags.iter().any(|(other, _)| *other == name) {
            return None;
        }
        tags.push((name, value.chars().filter(|c| !c.is_whitespace()).collect()));
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_breaks_the_grammar_is_not_sound() {
        let required = ["d", "s", "b"];
        for good in [
            "a=rsa-sha256; d=x.example; s=k; b=A B\r\n C",
            " a=ed25519-sha256;d=x;s=k;b=A;",
            "a=RSA-SHA256; d=x; s=k; b=A; zz=1",
        ] {
            assert!(is_sound(good.as_bytes(), &required), "{good}");
        }
        for bad in [
            "",
            "a=rsa-sha1; d=x; s=k; b=A",
            "d=x; s=k; b=A",
            "A=rsa-sha256; d=x; s=k; b=A",
            "a=rsa-sha256; d=x; d=y; s=k; b=A",
            "a=rsa-sha256;; d=x; s=k; b=A",
            "a=rsa-sha256; =z; d=x; s=k; b=A",
            "a=rsa-sha256; d=x; s=k; b=",
            "a=rsa-sha256; d=x; s=k; b",
        ] {
            assert!(!is_sound(bad.as_bytes(), &required), "{bad}");
        }
    }
}
