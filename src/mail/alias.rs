//! An address of ours: an alias of a party, a return address, a store's public address. It gives nobody away and
//! may be printed.

use super::Domain;
use std::fmt;

/// An address in one of this installation's own domains.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Alias {
    local: String,
    domain: Domain,
}

impl Alias {
    /// Puts an alias together from a token (or a store's id) and the domain it lives in.
    #[must_use]
    pub fn new(local: impl Into<String>, domain: Domain) -> Self {
        Self { local: local.into(), domain }
    }

    /// The local part.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
