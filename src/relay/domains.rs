//! The domains that are ours, and the class of a customer's address: one label per class below the customer domain, so
//! that a merchant's tool can tell a mobile address from another without seeing it.

use crate::mail::{Alias, Domain, DomainError, RealAddress};

/// Domains of Japanese mobile carriers, themselves or with labels in front.
const MOBILE: [&str; 21] = [
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

/// Class of a customer's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// Any mailbox that is not a mobile carrier's.
    Pc,
    /// A mobile carrier's.
    Mobile,
}

impl AddressClass {
    /// The class of an address, by its domain.
    #[must_use]
    pub fn of(address: &RealAddress) -> Self {
        let domain = address.reveal_domain().as_str();
        let mobile = MOBILE.iter().any(|carrier| {
            domain == *carrier || domain.strip_suffix(carrier).is_some_and(|d| d.ends_with('.'))
        });
        if mobile { AddressClass::Mobile } else { AddressClass::Pc }
    }

    fn label(self) -> &'static str {
        match self {
            AddressClass::Pc => "pc",
            AddressClass::Mobile => "mb",
        }
    }
}

/// The installation's own mail domains.
#[derive(Debug, Clone)]
pub struct Domains {
    pc: Domain,
    mobile: Domain,
    merchant: Domain,
}

impl Domains {
    /// From `[domains] customer` and `[domains] merchant`.
    ///
    /// # Errors
    /// [`DomainError`] when a label in front makes the customer domain too long.
    pub fn new(customer: &Domain, merchant: &Domain) -> Result<Self, DomainError> {
        Ok(Self {
            pc: customer.below(AddressClass::Pc.label())?,
            mobile: customer.below(AddressClass::Mobile.label())?,
            merchant: merchant.clone(),
        })
    }

    /// Where the alias of a customer of this class lives.
    #[must_use]
    pub fn customer(&self, class: AddressClass) -> &Domain {
        match class {
            AddressClass::Pc => &self.pc,
            AddressClass::Mobile => &self.mobile,
        }
    }

    /// Where the aliases of merchants live.
    #[must_use]
    pub fn merchant(&self) -> &Domain {
        &self.merchant
    }

    /// All of them: what DNS must point to the ingress.
    pub fn all(&self) -> impl Iterator<Item = &Domain> {
        [&self.pc, &self.mobile, &self.merchant].into_iter()
    }

    /// Whether mail for this domain is ours to decide about.
    #[must_use]
    pub fn is_ours(&self, domain: &Domain) -> bool {
        self.all().any(|own| own == domain)
    }

    /// A store's public alias.
    #[must_use]
    pub fn public_alias(&self, store_id: &str) -> Alias {
        Alias::new(store_id, self.merchant.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mobile_address_is_told_by_its_domain() {
        let class = |text: &str| AddressClass::of(&RealAddress::parse(text).unwrap());
        assert_eq!(class("a..b@docomo.ne.jp"), AddressClass::Mobile);
        assert_eq!(class("a@d.vodafone.ne.jp"), AddressClass::Mobile);
        assert_eq!(class("a@notdocomo.ne.jp"), AddressClass::Pc);
    }
}
