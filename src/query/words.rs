//! The words of the language, each in one place: its name, what it takes, an example, and what can stand behind it.
//! docs/query.md is held against this table by a test.

use super::span::nearest;

/// What a word takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// An address, or `@domain`.
    Correspondent,
    /// An address.
    Address,
    /// STORE/NO, or NO.
    Order,
    /// A text, compared whole.
    Text,
    Ip,
    Net,
    Asn,
    Country,
    /// An address or a country.
    Origin,
    Domain,
    Hash,
    /// METHOD=RESULT.
    Auth,
    /// A text, or its beginning and `*`.
    Pattern,
    /// One of a closed list.
    OneOf(&'static [&'static str]),
    /// One of the flags.
    Flag,
    /// A number, a comparison or a range.
    Number,
    /// A time.
    When,
    /// A day, or a month.
    Day,
    Nothing,
}

/// What stands before a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    From,
    To,
    Alias,
    Order,
    Store,
    Ip,
    Net,
    Asn,
    Country,
    Origin,
    Domain,
    Hash,
    Mailer,
    Auth,
    Login,
    Id,
    Answers,
    Event,
    Result,
    Direction,
    Flag,
    Tls,
    Size,
    Files,
    Hops,
    Recipients,
    After,
    Before,
    On,
    All,
}

/// `record.event`.
pub const EVENTS: [&str; 25] = [
    "accepted",
    "refused",
    "delivered",
    "deferred",
    "failed",
    "held",
    "released",
    "retried",
    "rerouted",
    "dropped",
    "ignored",
    "returned",
    "blocked",
    "login",
    "login_proven",
    "login_new_network",
    "login_refused",
    "credential",
    "menu",
    "menu_login",
    "menu_refused",
    "menu_alarm",
    "api_login",
    "api_refused",
    "limited",
];
/// `fact.direction`.
pub const DIRECTIONS: [&str; 4] = ["to_customer", "to_merchant", "copy", "notice"];
/// Versions of TLS as they are asked for, and as they are recorded.
pub(super) const TLS: [(&str, Option<&str>); 3] =
    [("1.3", Some("TLSv1.3")), ("1.2", Some("TLSv1.2")), ("none", None)];
const VERSIONS: [&str; 3] = ["1.3", "1.2", "none"];
/// What proves a sender, and what comes of it (RFC 8601 §2.7).
pub(super) const METHODS: [&str; 4] = ["spf", "dkim", "dmarc", "arc"];
pub(super) const VERDICTS: [&str; 8] =
    ["pass", "fail", "softfail", "neutral", "policy", "none", "temperror", "permerror"];

impl Word {
    pub const ALL: [Word; 30] = [
        Word::From,
        Word::To,
        Word::Alias,
        Word::Order,
        Word::Store,
        Word::Ip,
        Word::Net,
        Word::Asn,
        Word::Country,
        Word::Origin,
        Word::Domain,
        Word::Hash,
        Word::Mailer,
        Word::Auth,
        Word::Login,
        Word::Id,
        Word::Answers,
        Word::Event,
        Word::Result,
        Word::Direction,
        Word::Flag,
        Word::Tls,
        Word::Size,
        Word::Files,
        Word::Hops,
        Word::Recipients,
        Word::After,
        Word::Before,
        Word::On,
        Word::All,
    ];

    /// The word, what it takes, an example, and what it asks.
    fn row(self) -> (&'static str, Takes, &'static str, &'static str) {
        match self {
            Word::From => (
                "from",
                Takes::Correspondent,
                "from:hana@example.jp",
                "who wrote: envelope, From or Reply-To; @domain for a registrable domain",
            ),
            Word::To => {
                ("to", Takes::Address, "to:hana@example.jp", "who it was for: an alias or the real address")
            }
            Word::Alias => (
                "alias",
                Takes::Address,
                "alias:aa5liexmc3gqlsyo354a7p2atafa@pc.fw.example.jp",
                "the conversation of an alias",
            ),
            Word::Order => {
                ("order", Takes::Order, "order:hana-ya/A-1001", "an order: STORE/NO, or NO at any store")
            }
            Word::Store => ("store", Takes::Text, "store:hana-ya", "a store, by its id"),
            Word::Ip => ("ip", Takes::Ip, "ip:192.0.2.7", "the address that the peer had"),
            Word::Net => ("net", Takes::Net, "net:192.0.2.0/24", "its network: /24 to /16, or /48 to /40"),
            Word::Asn => ("asn", Takes::Asn, "asn:2527", "its autonomous system"),
            Word::Country => (
                "country",
                Takes::Country,
                "country:JP",
                "its country, by the registries or the operator's database; ZZ: not known",
            ),
            Word::Origin => {
                ("origin", Takes::Origin, "origin:US", "the first public address in Received, or its country")
            }
            Word::Domain => (
                "domain",
                Takes::Domain,
                "domain:example.jp",
                "a registrable domain: of From, envelope, DKIM or EHLO",
            ),
            Word::Hash => (
                "hash",
                Takes::Hash,
                "hash:@invoice.pdf",
                "a file that was attached, by SHA-256, or @ and a file of this machine",
            ),
            Word::Mailer => (
                "mailer",
                Takes::Text,
                "mailer:\"Example Mailer\"",
                "User-Agent or X-Mailer, without its version",
            ),
            Word::Auth => {
                ("auth", Takes::Auth, "auth:dmarc=fail", "what proved the sender: spf, dkim, dmarc, arc")
            }
            Word::Login => ("login", Takes::Text, "login:9096760334", "the user name at AUTH"),
            Word::Id => (
                "id",
                Takes::Text,
                "id:<1.2@mail.example.jp>",
                "a queue id, or a Message-ID as it came or as it was given",
            ),
            Word::Answers => {
                ("answers", Takes::Text, "answers:<1.2@mail.example.jp>", "which Message-ID it answers")
            }
            Word::Event => ("event", Takes::OneOf(&EVENTS), "event:refused", "what happened"),
            Word::Result => (
                "result",
                Takes::Pattern,
                "result:5.*",
                "why it was refused or held, or the status of an attempt; * at the end",
            ),
            Word::Direction => {
                ("direction", Takes::OneOf(&DIRECTIONS), "direction:to_merchant", "which way it went")
            }
            Word::Flag => ("flag", Takes::Flag, "flag:unproven", "a fact that has a name"),
            Word::Tls => ("tls", Takes::OneOf(&VERSIONS), "tls:none", "TLS on the connection"),
            Word::Size => {
                ("size", Takes::Number, "size:10k..2m", "octets of the mail; k, m and g count by 1024")
            }
            Word::Files => ("files", Takes::Number, "files:>0", "how many files are attached"),
            Word::Hops => ("hops", Takes::Number, "hops:>=8", "how many Received fields it came with"),
            Word::Recipients => {
                ("recipients", Takes::Number, "recipients:>10", "how many recipients its transaction had")
            }
            Word::After => ("after", Takes::When, "after:2026-11-22", "from then on, that time included"),
            Word::Before => {
                ("before", Takes::When, "before:\"2h ago\"", "until then, that time not included")
            }
            Word::On => ("on", Takes::Day, "on:yesterday", "a day, or a month such as 2026-11"),
            Word::All => ("all", Takes::Nothing, "all:", "over all that is kept, not 30 days"),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    pub(super) fn takes(self) -> Takes {
        self.row().1
    }

    /// A query that uses it.
    #[must_use]
    pub fn example(self) -> &'static str {
        self.row().2
    }

    /// What it asks.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.row().3
    }

    /// Reads one, in any case.
    pub(super) fn parse(text: &str) -> Option<Word> {
        Self::ALL.into_iter().find(|word| word.name().eq_ignore_ascii_case(text))
    }

    /// The one that may have been meant.
    pub(super) fn nearest(text: &str) -> Option<&'static str> {
        nearest(text, Self::ALL.into_iter().map(Word::name))
    }
}
