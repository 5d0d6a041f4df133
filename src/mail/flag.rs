//! Named facts about a mail or a login, one bit each in `fact.flags`. The bits are in databases: a new fact takes the next one, and
//! none is ever given another meaning.
//!
//! Rules: a fact is set only where it is known exactly, by what stands in its line; that it is not set says nothing where the
//! event has no such thing.

/// A named fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// Reply-To names another address than From.
    ReplyDiffers,
    /// The registrable domains of the envelope's sender and of From are not the same.
    FromDomainDiffers,
    /// From names more than one address.
    SeveralAuthors,
    /// There is no From, or none that can be read in one way only.
    NoAuthor,
    /// The display name in From has an at sign.
    AddressInName,
    /// A label of the domain in From is written in other letters than ASCII (`xn--`).
    ForeignLetters,
    /// There is no Message-ID that can be read.
    NoMessageId,
    /// There is no Date that can be read.
    NoDate,
    /// Date is more than a day before or after the mail came.
    DateFar,
    /// It has Received fields, and all addresses in them are of networks that are not public.
    PrivateReceivedOnly,
    /// Its transaction had ten recipients and more.
    ManyRecipients,
    /// It has a List-Id or List-Unsubscribe field (RFC 2919, RFC 2369).
    List,
    /// It has Precedence: bulk, junk or list.
    Bulk,
    /// It says that a program wrote it by itself (Auto-Submitted of RFC 3834), is a report (RFC 6522), or is passed on as an automatic
    /// reply.
    Auto,
    /// An attachment needs a password (ZIP, Office, PDF), or a part is encrypted (S/MIME, PGP/MIME).
    EncryptedFile,
    /// An attachment is a program or a script, by its content or its name's extension.
    ExecutableFile,
    /// An attachment's name has an extension of a document before the one of a program.
    DoubleExtension,
    /// An attachment's content is of another kind than its name's extension says.
    TypeDiffers,
    /// It has more attachments than are recorded.
    MoreFiles,
    /// It is beyond a limit of structure, so that its parts were not read.
    Unreadable,
    /// Who wrote it was asked, and is not proven.
    Unproven,
    /// Its author is proven and is not the order's customer.
    OtherAddress,
    /// It belongs to a guest of an order.
    Guest,
    /// It opened its conversation: the first mail of an inquiry or of a guest.
    FirstContact,
    /// A filter marked it.
    Labelled,
    /// The peer's address stands in a block list.
    Listed,
    /// It came with the null reverse-path.
    NullSender,
    /// The registries and the operator's database name different countries.
    CountryDisputed,
    /// It answers a Message-ID that was never given to who wrote it, nor comes from that side.
    UnknownThread,
    /// The registries and the operator's database name the same country.
    CountryConfirmed,
}

/// All of them, in the order of their bits.
const ALL: [(Flag, &str); 30] = [
    (Flag::ReplyDiffers, "reply_differs"),
    (Flag::FromDomainDiffers, "from_domain_differs"),
    (Flag::SeveralAuthors, "several_authors"),
    (Flag::NoAuthor, "no_author"),
    (Flag::AddressInName, "address_in_name"),
    (Flag::ForeignLetters, "foreign_letters"),
    (Flag::NoMessageId, "no_message_id"),
    (Flag::NoDate, "no_date"),
    (Flag::DateFar, "date_far"),
    (Flag::PrivateReceivedOnly, "private_received_only"),
    (Flag::ManyRecipients, "many_recipients"),
    (Flag::List, "list"),
    (Flag::Bulk, "bulk"),
    (Flag::Auto, "auto"),
    (Flag::EncryptedFile, "encrypted_file"),
    (Flag::ExecutableFile, "executable_file"),
    (Flag::DoubleExtension, "double_extension"),
    (Flag::TypeDiffers, "type_differs"),
    (Flag::MoreFiles, "more_files"),
    (Flag::Unreadable, "unreadable"),
    (Flag::Unproven, "unproven"),
    (Flag::OtherAddress, "other_address"),
    (Flag::Guest, "guest"),
    (Flag::FirstContact, "first_contact"),
    (Flag::Labelled, "labelled"),
    (Flag::Listed, "listed"),
    (Flag::NullSender, "null_sender"),
    (Flag::CountryDisputed, "country_disputed"),
    (Flag::UnknownThread, "unknown_thread"),
    (Flag::CountryConfirmed, "country_confirmed"),
];

impl Flag {
    /// All of them, in the order of their bits.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter().map(|(flag, _)| flag)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ALL.iter().find(|(flag, _)| *flag == self).map_or("", |(_, word)| word)
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        ALL.iter().find(|(_, own)| *own == word).map(|(flag, _)| *flag)
    }

    /// Its bit.
    #[must_use]
    pub const fn bit(self) -> i64 {
        1 << self as u32
    }
}

/// A set of named facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(i64);

impl Flags {
    /// Adds a fact.
    pub fn set(&mut self, flag: Flag) {
        self.0 |= flag.bit();
    }

    /// Adds a fact if it holds.
    #[must_use]
    pub fn with(self, flag: Flag, holds: bool) -> Self {
        if holds { Self(self.0 | flag.bit()) } else { self }
    }

    /// Both sets together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a fact is in it.
    #[must_use]
    pub fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// What stands in the database.
    #[must_use]
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// Reads what stands in the database; bits of a newer version stay.
    #[must_use]
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// The facts that are in it.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::all().filter(move |flag| self.has(*flag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_its_bit_and_its_word() {
        for (place, (flag, word)) in ALL.into_iter().enumerate() {
            assert_eq!((flag.bit(), flag.as_str(), Flag::parse(word)), (1 << place, word, Some(flag)));
        }
        let set = Flags::default().with(Flag::Auto, true).with(Flag::List, false);
        assert_eq!((set.iter().collect::<Vec<_>>(), Flags::from_bits(set.bits())), (vec![Flag::Auto], set));
        assert_eq!(Flag::parse("nothing"), None);
    }
}
