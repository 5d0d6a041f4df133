//! The domains that are ours, and the class of a customer's address: one label per class below the customer domain, so
//! that a merchant's tool can tell a mobile address from another without seeing it.

use crate::mail::{Alias, Domain, DomainError, RealAddress};

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
        if address.reveal_domain().is_carriers() { AddressClass::Mobile } else { AddressClass::Pc }
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
