//! Which columns have an index, what it is good for, and of which rows it is (`migrations/0018_facts.sql`, `0023_fact_days.sql`).

use super::filter::Column;

impl Column {
    /// How many rows of one value are to be expected, from 1 (few) on, where an index begins with it.
    pub(super) fn index(self) -> Option<u32> {
        match self {
            Column::MessageId | Column::SentId => Some(1),
            Column::Message => Some(2),
            Column::Order => Some(3),
            Column::Conversation => Some(4),
            Column::Reply => Some(6),
            Column::From | Column::Author | Column::To | Column::Rcpt => Some(8),
            Column::Net => Some(40),
            Column::Login => Some(60),
            Column::Merchant => Some(100),
            Column::Answers => Some(2),
            Column::Origin => Some(20),
            Column::PeerDomain | Column::AuthorDomain | Column::FromDomain | Column::DkimDomain => Some(200),
            Column::Asn => Some(250),
            Column::Mailer => Some(300),
            Column::Country | Column::Country2 | Column::OriginCountry => Some(400),
            _ => None,
        }
    }

    /// Whether its index begins with the stretch of time (`id >> 51`), and so finds what a stretch has of a value.
    pub(super) fn is_by_stretch(self) -> bool {
        matches!(
            self,
            Column::Answers
                | Column::Origin
                | Column::PeerDomain
                | Column::AuthorDomain
                | Column::FromDomain
                | Column::DkimDomain
                | Column::Asn
                | Column::Mailer
                | Column::Country
                | Column::Country2
                | Column::OriginCountry
        )
    }

    /// Of which rows its index is, where it is not of all that have a value: the words of `migrations/0023_fact_days.sql`.
    pub(super) fn indexed_rows(self) -> Option<&'static str> {
        match self {
            Column::AuthorDomain => Some("(from_dom_k IS NULL OR author_dom_k <> from_dom_k)"),
            Column::DkimDomain => Some("(from_dom_k IS NULL OR dkim_dom_k <> from_dom_k)"),
            Column::PeerDomain => Some("(from_dom_k IS NULL OR peer_dom_k <> from_dom_k)"),
            Column::Country => Some("country <> 'JP'"),
            Column::OriginCountry => Some("origin_country <> 'JP'"),
            _ => None,
        }
    }
}
