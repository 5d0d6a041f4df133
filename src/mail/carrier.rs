//! The mail domains of Japanese mobile carriers. Until 2009 they gave out local parts that RFC 5321 does not know (dots at
//! the start, at the end, in a row), and many live on; their servers take them as they are, without quotes.

use super::Domain;

/// Themselves or with labels in front.
const DOMAINS: [&str; 21] = [
    "docomo.ne.jp",
    "mopera.net",
    "mopera.ne.jp",
    "dwmail.jp",
    "ezweb.ne.jp",
    "au.com",
    "uqmobile.jp",
    "softbank.ne.jp",
    "i.softbank.jp",
    "vodafone.ne.jp",
    "jp-t.ne.jp",
    "jp-d.ne.jp",
    "jp-h.ne.jp",
    "jp-c.ne.jp",
    "jp-r.ne.jp",
    "jp-k.ne.jp",
    "jp-n.ne.jp",
    "jp-s.ne.jp",
    "jp-q.ne.jp",
    "ymobile.ne.jp",
    "rakumail.jp",
];

impl Domain {
    /// Whether it is a mobile carrier's.
    #[must_use]
    pub fn is_carriers(&self) -> bool {
        let domain = self.as_str();
        DOMAINS.iter().any(|carrier| {
            domain == *carrier || domain.strip_suffix(carrier).is_some_and(|head| head.ends_with('.'))
        })
    }
}
