//! What a key is for, and which keys a process takes from the ring.

/// What a key is for. Keys of different purposes are unrelated, so a process can hold some without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Alias tokens, return and decision addresses, hop marks.
    Alias,
    /// Keyed blind indexes of persons, stores, orders and tokens.
    Index,
    /// Keyed numbers of the running operation: routes, duplicates, policies, salts. Made once, since they must not change.
    Guard,
    /// Wraps the data keys: who people are, and what stands in the queue beside a message.
    Seal,
    /// Opens the texts of messages.
    Body,
    /// Opens the log.
    Log,
    /// Opens what the menu shows: the keys of stores, and the menu's access log. A ring without it serves no menu.
    Menu,
    /// Signs the checkpoints of the audit tree and certificates of destruction.
    Tree,
    /// Encrypts the database file, where it is one of SQLite.
    File,
}

impl Purpose {
    /// All of them, in the order of lists.
    pub const ALL: [Purpose; 9] = [
        Purpose::Alias,
        Purpose::Index,
        Purpose::Guard,
        Purpose::Seal,
        Purpose::Body,
        Purpose::Log,
        Purpose::Menu,
        Purpose::Tree,
        Purpose::File,
    ];

    /// Those that a new key can be made of later.
    pub const ROTATED: [Purpose; 8] = [
        Purpose::Alias,
        Purpose::Index,
        Purpose::Seal,
        Purpose::Body,
        Purpose::Log,
        Purpose::Menu,
        Purpose::Tree,
        Purpose::File,
    ];

    /// The word in file names and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Alias => "alias",
            Purpose::Index => "index",
            Purpose::Guard => "guard",
            Purpose::Seal => "seal",
            Purpose::Body => "body",
            Purpose::Log => "log",
            Purpose::Menu => "menu",
            Purpose::Tree => "tree",
            Purpose::File => "file",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// Whether a key of it has a public half, with which everybody can seal.
    #[must_use]
    pub fn has_halves(self) -> bool {
        matches!(self, Purpose::Seal | Purpose::Body | Purpose::Log | Purpose::Menu)
    }

    /// Whether a ring may be without it: what an older version made is, and only what takes it is missing.
    #[must_use]
    pub fn may_lack(self) -> bool {
        matches!(self, Purpose::Tree | Purpose::Menu)
    }
}

/// Which secret keys a process takes. Public halves are for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// What is there: a command does what the keys of its user allow.
    Found,
    /// These, all of which must be there, and no others even if they are.
    Only(Vec<Purpose>),
}

impl Take {
    /// Whether secret keys of this purpose are taken where they are.
    #[must_use]
    pub fn wants(&self, purpose: Purpose) -> bool {
        match self {
            Take::Found => true,
            Take::Only(purposes) => purposes.contains(&purpose),
        }
    }

    /// Whether nothing works without a secret key of this purpose. Mail passes without a tree and without the menu,
    /// which a ring of an older version has no key for. Whether a command needs one for the database file the store knows, which says so.
    #[must_use]
    pub fn needs(&self, purpose: Purpose) -> bool {
        match self {
            _ if purpose.may_lack() => false,
            Take::Found => !purpose.has_halves() && purpose != Purpose::File,
            Take::Only(purposes) => purposes.contains(&purpose),
        }
    }
}
