//! In which language a page is: what its reader chose, else what the browser asks for, else Japanese.

use axum::http::{HeaderMap, header};

/// A language of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Japanese,
    English,
}

impl Language {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ja" => Some(Self::Japanese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// The tag (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::Japanese => "ja",
            Self::English => "en",
        }
    }

    /// One of two texts that say the same.
    pub fn say<'t>(self, japanese: &'t str, english: &'t str) -> &'t str {
        match self {
            Self::Japanese => japanese,
            Self::English => english,
        }
    }

    /// What a browser asks for (RFC 9110 §12.5.4): the first of its list that is one of ours. Weights follow the order in practice.
    pub fn asked(headers: &HeaderMap) -> Option<Self> {
        let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        list.split(',').find_map(|range| Self::parse(range.trim().get(..2)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_first_language_of_the_browser_that_is_ours_counts() {
        for (list, language) in [
            ("ja", Some(Language::Japanese)),
            ("en-US,en;q=0.9,ja;q=0.8", Some(Language::English)),
            ("de, ja;q=0.7, en;q=0.3", Some(Language::Japanese)),
            ("de", None),
            ("é", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_bytes(list.as_bytes()).unwrap());
            assert_eq!(Language::asked(&headers), language, "{list}");
        }
    }
}
