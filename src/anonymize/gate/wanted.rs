//! What the gate looks for: a secret in the forms in which it may stand in a squeezed text or among octets.
//!
//! Rules: the local part in lower case, the domain as A-labels and as U-labels, all squeezed like the text. In a text
//! it is a hit only where no longer word reaches into it; in a file that is none, wherever it stands.
//! When it fails: never.

use super::squeeze::{Joints, Squeezed, Tags};

/// One secret in the forms in which it may stand in a squeezed text.
pub struct Wanted {
    local: Vec<u8>,
    domains: Vec<Vec<u8>>,
}

impl Wanted {
    /// The forms of an address in canonical form.
    pub fn new(address: &str) -> Self {
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let (unicode, _) = idna::domain_to_unicode(domain);
        let squeezed = |text: &str| Squeezed::new(text, Tags::Kept).into_bytes();
        Self { local: squeezed(local), domains: vec![squeezed(domain), squeezed(&unicode)] }
    }

    /// Whether this address stands around the at sign at `at`.
    pub fn stands_at(&self, text: &Squeezed, at: usize, joints: Joints) -> bool {
        let domain = self
            .domains
            .iter()
            .any(|domain| text.starts_with(at + 1, domain) && !text.continues_word(at + 1 + domain.len()));
        domain
            && (self.local_ends(text, at, joints)
                || text.tag_start(at).is_some_and(|plus| self.local_ends(text, plus, joints)))
    }

    fn local_ends(&self, text: &Squeezed, end: usize, joints: Joints) -> bool {
        text.ends_with(end, &self.local)
            && end.checked_sub(self.local.len()).is_some_and(|start| text.begins_word(start, joints))
    }

    /// Shortest length, in octets.
    pub fn shortest(&self) -> usize {
        self.local.len() + 1 + self.domains.iter().map(Vec::len).min().unwrap_or(0)
    }

    /// The address as plain ASCII octets around the at sign at `at`, whatever stands beside it.
    pub fn is_around(&self, octets: &[u8], at: usize) -> bool {
        let (before, behind) = octets.split_at_checked(at).unwrap_or_default();
        let behind = behind.get(1..).unwrap_or_default();
        let starts = |domain: &Vec<u8>| {
            behind.get(..domain.len()).is_some_and(|head| head.eq_ignore_ascii_case(domain))
        };
        let tail = before.len().checked_sub(self.local.len()).and_then(|start| before.get(start..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(&self.local)) && self.domains.iter().any(starts)
    }

    /// The address as plain ASCII octets around the at sign at `at`, in any case.
    pub fn stands_in_octets(&self, octets: &[u8], at: usize) -> bool {
        let behind = octets.get(at + 1..).unwrap_or_default();
        let domain = |domain: &Vec<u8>| {
            behind.get(..domain.len()).is_some_and(|head| head.eq_ignore_ascii_case(domain))
                && !behind.get(domain.len()).is_some_and(u8::is_ascii_alphanumeric)
        };
        if !self.domains.iter().any(domain) {
            return false;
        }
        let start = at.checked_sub(self.local.len());
        let local = start
            .and_then(|start| octets.get(start..at))
            .is_some_and(|t| t.eq_ignore_ascii_case(&self.local));
        let before = start.and_then(|start| start.checked_sub(1)).and_then(|i| octets.get(i));
        local && !before.is_some_and(|b| b.is_ascii_alphanumeric() || b"._-+".contains(b))
    }
}
