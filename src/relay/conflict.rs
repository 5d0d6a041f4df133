//! What goes badly together in one access: words for the list, in English as they are kept, and in Japanese for the page that is signed.
//!
//! When it fails: what an older or newer version kept is `None`, and stands on the page as it is.

use std::fmt;

/// Something notable about who has access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// How often he was refused for where he came from.
    Refused(u64),
    /// How often he came from elsewhere by break-glass.
    Elsewhere(u64),
    /// He decides about requests, and opens.
    Decides,
    /// Under how many accounts he works.
    Accounts(u64),
    /// With whom he shares an account.
    Shares(String),
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Conflict::Refused(times) => write!(f, "was refused {times} times for where he came from"),
            Conflict::Elsewhere(times) => write!(f, "came from elsewhere {times} times, by break-glass"),
            Conflict::Decides => f.write_str("decides about requests, and opens"),
            Conflict::Accounts(count) => write!(f, "works under {count} accounts"),
            Conflict::Shares(names) => write!(f, "shares an account with {names}"),
        }
    }
}

impl Conflict {
    /// Reads what was kept.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let between = |before: &str, after: &str| {
            text.strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .and_then(|text| text.parse().ok())
        };
        if text == Conflict::Decides.to_string() {
            return Some(Conflict::Decides);
        }
        let refused = between("was refused ", " times for where he came from").map(Conflict::Refused);
        refused
            .or_else(|| between("came from elsewhere ", " times, by break-glass").map(Conflict::Elsewhere))
            .or_else(|| between("works under ", " accounts").map(Conflict::Accounts))
            .or_else(|| {
                text.strip_prefix("shares an account with ").map(|names| Conflict::Shares(names.to_owned()))
            })
    }

    /// As it is said in Japanese.
    #[must_use]
    pub fn japanese(&self) -> String {
        match self {
            Conflict::Refused(times) => format!("国外等からのため拒否 {times}回"),
            Conflict::Elsewhere(times) => format!("緊急アクセスによる国外等からの利用 {times}回"),
            Conflict::Decides => "申請の決裁と情報の開示の両方を行っています".to_owned(),
            Conflict::Accounts(count) => format!("{count}個のアカウントを使っています"),
            Conflict::Shares(names) => format!("アカウントを共用しています({names})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_has_japanese_words() {
        for conflict in [
            Conflict::Refused(3),
            Conflict::Elsewhere(1),
            Conflict::Decides,
            Conflict::Accounts(2),
            Conflict::Shares("チカ, 花".into()),
        ] {
            assert_eq!(Conflict::parse(&conflict.to_string()), Some(conflict.clone()));
            assert!(!conflict.japanese().contains(|c: char| c.is_ascii_alphabetic()), "{conflict}");
        }
        assert_eq!(Conflict::parse("came by night"), None);
    }
}
