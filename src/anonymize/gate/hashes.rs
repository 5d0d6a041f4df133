//! Digests of addresses in hexadecimal digits, as links to pictures of people have them: for the gate alone.
//!
//! Rules: three functions, over the address in small letters, whole and without its tag. Of a text only every so many octets are
//! looked at: a digest is longer than that. A digest that is of the address counts wherever it begins in a run of digits.
//! When it fails: never.

use crate::mail::digests;
use std::collections::BTreeSet;

/// Length of the shortest one, and of the longest run that is read.
const SHORTEST: usize = 32;
const LONGEST_RUN: usize = 160;

/// The digests of all that is looked for.
pub struct Hashes {
    all: BTreeSet<Vec<u8>>,
    lengths: BTreeSet<usize>,
}

impl Hashes {
    /// Computes those of some addresses.
    pub fn new(addresses: impl Iterator<Item = String>) -> Self {
        let mut all = BTreeSet::new();
        for address in addresses {
            let address = address.to_lowercase();
            all.extend(digests(address.as_bytes()).map(String::into_bytes));
            if let Some((local, domain)) = address.rsplit_once('@')
                && let Some((base, _)) = local.split_once('+')
            {
                all.extend(digests(format!("{base}@{domain}").as_bytes()).map(String::into_bytes));
            }
        }
        let lengths = all.iter().map(Vec::len).collect();
        Self { all, lengths }
    }

    /// Whether one stands in a text.
    pub fn stand_in(&self, text: &[u8]) -> bool {
        if self.all.is_empty() {
            return false;
        }
        let mut done = 0;
        (SHORTEST - 1..text.len()).step_by(SHORTEST).any(|probe| {
            if probe < done || !text.get(probe).is_some_and(u8::is_ascii_hexdigit) {
                return false;
            }
            let mut from = probe;
            while from > done && text.get(from - 1).is_some_and(u8::is_ascii_hexdigit) {
                from -= 1;
            }
            let rest = text.get(from..).unwrap_or_default();
            let run = rest.split(|b| !b.is_ascii_hexdigit()).next().unwrap_or_default();
            done = from + run.len();
            (SHORTEST..=LONGEST_RUN).contains(&run.len()) && self.is_in(&run.to_ascii_lowercase())
        })
    }

    fn is_in(&self, run: &[u8]) -> bool {
        self.lengths.iter().any(|length| run.windows(*length).any(|word| self.all.contains(word)))
    }
}
