//! What is asked of a row, in columns and numbers: what a query becomes once its names are known.

use super::value::Compare;

/// The columns of `fact` that are read. The order is that of every statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Event,
    Direction,
    Result,
    Country,
    Country2,
    OriginCountry,
    Tls,
    Spf,
    Dkim,
    Dmarc,
    Arc,
    Merchant,
    Conversation,
    Message,
    Delivery,
    From,
    Author,
    Reply,
    To,
    Rcpt,
    Order,
    Login,
    MessageId,
    SentId,
    Answers,
    Ip,
    Net,
    Origin,
    PeerDomain,
    AuthorDomain,
    FromDomain,
    DkimDomain,
    Mailer,
    Asn,
    Size,
    Recipients,
    Files,
    Hops,
    Flags,
}

/// How many of the columns are texts: the first.
pub const TEXTS: usize = 11;

impl Column {
    pub const ALL: [Column; 39] = [
        Column::Event,
        Column::Direction,
        Column::Result,
        Column::Country,
        Column::Country2,
        Column::OriginCountry,
        Column::Tls,
        Column::Spf,
        Column::Dkim,
        Column::Dmarc,
        Column::Arc,
        Column::Merchant,
        Column::Conversation,
        Column::Message,
        Column::Delivery,
        Column::From,
        Column::Author,
        Column::Reply,
        Column::To,
        Column::Rcpt,
        Column::Order,
        Column::Login,
        Column::MessageId,
        Column::SentId,
        Column::Answers,
        Column::Ip,
        Column::Net,
        Column::Origin,
        Column::PeerDomain,
        Column::AuthorDomain,
        Column::FromDomain,
        Column::DkimDomain,
        Column::Mailer,
        Column::Asn,
        Column::Size,
        Column::Recipients,
        Column::Files,
        Column::Hops,
        Column::Flags,
    ];

    /// Its name in the schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Column::Event => "event",
            Column::Direction => "direction",
            Column::Result => "result",
            Column::Country => "country",
            Column::Country2 => "country2",
            Column::OriginCountry => "origin_country",
            Column::Tls => "tls",
            Column::Spf => "spf",
            Column::Dkim => "dkim",
            Column::Dmarc => "dmarc",
            Column::Arc => "arc",
            Column::Merchant => "merchant_id",
            Column::Conversation => "conversation_id",
            Column::Message => "message_id",
            Column::Delivery => "delivery_id",
            Column::From => "from_k",
            Column::Author => "author_k",
            Column::Reply => "reply_k",
            Column::To => "to_k",
            Column::Rcpt => "rcpt_k",
            Column::Order => "order_k",
            Column::Login => "login_k",
            Column::MessageId => "msgid_k",
            Column::SentId => "sent_id_k",
            Column::Answers => "answers_k",
            Column::Ip => "ip_k",
            Column::Net => "net_k",
            Column::Origin => "origin_k",
            Column::PeerDomain => "peer_dom_k",
            Column::AuthorDomain => "author_dom_k",
            Column::FromDomain => "from_dom_k",
            Column::DkimDomain => "dkim_dom_k",
            Column::Mailer => "mailer_k",
            Column::Asn => "asn",
            Column::Size => "size",
            Column::Recipients => "recipients",
            Column::Files => "files",
            Column::Hops => "hops",
            Column::Flags => "flags",
        }
    }

    /// Its place among the columns of its type.
    pub(super) fn place(self) -> usize {
        let at = self as usize;
        if at < TEXTS { at } else { at - TEXTS }
    }

    /// Whether it has words rather than numbers.
    #[must_use]
    pub fn is_text(self) -> bool {
        (self as usize) < TEXTS
    }
}

/// Numbers that a column may have. One of a quarter is good for rows of that quarter alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(Vec<(Option<i64>, i64)>);

impl Numbers {
    /// Numbers that hold at all times.
    #[must_use]
    pub fn fixed(numbers: Vec<i64>) -> Self {
        Self(numbers.into_iter().map(|number| (None, number)).collect())
    }

    /// Quarters since 1970 with the number that a value has in each.
    #[must_use]
    pub fn by_quarter(numbers: Vec<(i64, i64)>) -> Self {
        Self(numbers.into_iter().map(|(quarter, number)| (Some(quarter), number)).collect())
    }

    /// Those of some quarters, each once.
    pub(super) fn within(&self, quarters: (i64, i64)) -> Vec<i64> {
        let is_of = |quarter: Option<i64>| {
            quarter.is_none_or(|quarter| quarters.0 <= quarter && quarter <= quarters.1)
        };
        let mut numbers: Vec<i64> =
            self.0.iter().filter(|(quarter, _)| is_of(*quarter)).map(|n| n.1).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Whether no two of them may stand in rows of the same time.
    pub(super) fn is_one_a_quarter(&self) -> bool {
        let mut quarters: Vec<Option<i64>> = self.0.iter().map(|(quarter, _)| *quarter).collect();
        quarters.sort_unstable();
        quarters.windows(2).all(|pair| pair.first() != pair.last())
    }

    /// Whether one of them is this one.
    pub(super) fn has(&self, number: i64) -> bool {
        self.0.iter().any(|(_, own)| *own == number)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, other: &Numbers) {
        self.0.extend(other.0.iter().filter(|one| !self.0.contains(one)).copied().collect::<Vec<_>>());
    }
}

/// One condition on a row. Each is true or false: a column without a value fulfils none but `Absent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    Keyed {
        column: Column,
        numbers: Numbers,
    },
    Absent(Column),
    Text {
        column: Column,
        text: String,
        is_prefix: bool,
    },
    /// From when until before when, in milliseconds.
    Time {
        from: i64,
        until: i64,
    },
    Number {
        column: Column,
        compare: Comparison,
    },
    Flag(i64),
    /// An attached file; `place` counts these tests.
    File {
        numbers: Numbers,
        place: usize,
    },
}

/// A comparison with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison(pub(super) Compare);

impl Comparison {
    pub(super) fn holds(self, value: i64) -> bool {
        match self.0 {
            Compare::Equal(n) => value == n,
            Compare::Below(n) => value < n,
            Compare::AtMost(n) => value <= n,
            Compare::Above(n) => value > n,
            Compare::AtLeast(n) => value >= n,
            Compare::Between(from, until) => from <= value && value <= until,
        }
    }
}

/// Conditions and what joins them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    Always,
    Never,
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Test(Test),
    /// A name whose numbers are not known yet, by its place in the outline.
    Sought(usize),
}

impl Filter {
    /// That one of the columns has one of the numbers.
    #[must_use]
    pub fn keyed(columns: &[Column], numbers: &Numbers) -> Self {
        let test = |column: &Column| Filter::Test(Test::Keyed { column: *column, numbers: numbers.clone() });
        Self::any(columns.iter().map(test).collect())
    }

    /// That a column has this text.
    #[must_use]
    pub fn text(column: Column, text: &str) -> Self {
        Filter::Test(Test::Text { column, text: text.to_owned(), is_prefix: false })
    }

    /// All of several, without what says nothing.
    #[must_use]
    pub fn all(parts: Vec<Filter>) -> Self {
        if parts.contains(&Filter::Never) {
            return Filter::Never;
        }
        let mut parts: Vec<Filter> = parts.into_iter().filter(|part| *part != Filter::Always).collect();
        match parts.len() {
            0 => Filter::Always,
            1 => parts.pop().unwrap_or(Filter::Always),
            _ => Filter::All(parts),
        }
    }

    /// Any of several, without what is never so.
    #[must_use]
    pub fn any(parts: Vec<Filter>) -> Self {
        if parts.contains(&Filter::Always) {
            return Filter::Always;
        }
        let mut parts: Vec<Filter> = parts.into_iter().filter(|part| *part != Filter::Never).collect();
        match parts.len() {
            0 => Filter::Never,
            1 => parts.pop().unwrap_or(Filter::Never),
            _ => Filter::Any(parts),
        }
    }

    /// The opposite.
    pub(super) fn not(inner: Filter) -> Self {
        match inner {
            Filter::Always => Filter::Never,
            Filter::Never => Filter::Always,
            other => Filter::Not(Box::new(other)),
        }
    }

    /// The same with what was found in place of what was sought.
    pub(super) fn with(self, found: &[Filter]) -> Self {
        match self {
            Filter::All(parts) => Self::all(parts.into_iter().map(|part| part.with(found)).collect()),
            Filter::Any(parts) => Self::any(parts.into_iter().map(|part| part.with(found)).collect()),
            Filter::Not(inner) => Self::not(inner.with(found)),
            Filter::Sought(at) => found.get(at).cloned().unwrap_or(Filter::Never),
            other => other,
        }
    }

    /// How many numbers it holds.
    pub(super) fn weight(&self) -> usize {
        match self {
            Filter::All(parts) | Filter::Any(parts) => parts.iter().map(Filter::weight).sum(),
            Filter::Not(inner) => inner.weight(),
            Filter::Test(Test::Keyed { numbers, .. } | Test::File { numbers, .. }) => numbers.len(),
            _ => 1,
        }
    }

    /// The columns that it asks about.
    pub(super) fn columns(&self) -> Vec<Column> {
        match self {
            Filter::All(parts) | Filter::Any(parts) => parts.iter().flat_map(Filter::columns).collect(),
            Filter::Not(inner) => inner.columns(),
            Filter::Test(test) => match test {
                Test::Keyed { column, .. }
                | Test::Absent(column)
                | Test::Text { column, .. }
                | Test::Number { column, .. } => vec![*column],
                Test::Flag(_) => vec![Column::Flags],
                Test::Time { .. } | Test::File { .. } => Vec::new(),
            },
            Filter::Always | Filter::Never | Filter::Sought(_) => Vec::new(),
        }
    }

    /// Whether a row is what is asked for.
    #[must_use]
    pub fn holds(&self, row: &Row) -> bool {
        match self {
            Filter::Always => true,
            Filter::Never | Filter::Sought(_) => false,
            Filter::All(parts) => parts.iter().all(|part| part.holds(row)),
            Filter::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Filter::Not(inner) => !inner.holds(row),
            Filter::Test(test) => match test {
                Test::Keyed { column, numbers } => {
                    row.number(*column).is_some_and(|own| numbers.0.iter().any(|(_, number)| *number == own))
                }
                Test::Absent(column) => row.text(*column).is_none() && row.number(*column).is_none(),
                Test::Text { column, text, is_prefix } => row
                    .text(*column)
                    .is_some_and(|own| if *is_prefix { own.starts_with(text) } else { own == text }),
                Test::Time { from, until } => *from <= row.at && row.at < *until,
                Test::Number { column, compare } => row.number(*column).is_some_and(|own| compare.holds(own)),
                Test::Flag(bit) => row.number(Column::Flags).is_some_and(|flags| flags & bit != 0),
                Test::File { place, .. } => row.files.get(*place).copied().unwrap_or(false),
            },
        }
    }
}

/// A row of `fact`, as a search reads it; a column that was not read has nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    pub id: i64,
    /// Milliseconds.
    pub at: i64,
    pub texts: Vec<Option<String>>,
    pub numbers: Vec<Option<i64>>,
    /// Which of the tests for files hold.
    pub files: Vec<bool>,
}

impl Row {
    /// One of which nothing was read yet.
    #[must_use]
    pub fn new(id: i64, at: i64) -> Self {
        let (texts, numbers) = (vec![None; TEXTS], vec![None; Column::ALL.len() - TEXTS]);
        Self { id, at, texts, numbers, files: Vec::new() }
    }

    /// Gives a column of texts what was read.
    pub fn set_text(&mut self, column: Column, text: Option<String>) {
        if let Some(place) = self.texts.get_mut(column.place()).filter(|_| column.is_text()) {
            *place = text;
        }
    }

    /// Gives a column of numbers what was read.
    pub fn set_number(&mut self, column: Column, number: Option<i64>) {
        if let Some(place) = self.numbers.get_mut(column.place()).filter(|_| !column.is_text()) {
            *place = number;
        }
    }

    /// What a column of texts has.
    #[must_use]
    pub fn text(&self, column: Column) -> Option<&str> {
        if !column.is_text() {
            return None;
        }
        self.texts.get(column.place()).and_then(Option::as_deref)
    }

    /// What a column of numbers has.
    #[must_use]
    pub fn number(&self, column: Column) -> Option<i64> {
        if column.is_text() {
            return None;
        }
        self.numbers.get(column.place()).copied().flatten()
    }
}
