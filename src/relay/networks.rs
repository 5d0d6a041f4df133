//! What autonomous systems are called: the names that the operator's database has of the numbers in facts.
//!
//! Rules: whoever records a fact notes the name in memory, which costs a look at a table; it is written beside the mail, some seconds
//! later, and only where it is new. Names that came before the process ended and were not written are noted again the next time.
//! When it fails: [`RelayFault`]; names wait for the next turn, and numbers go without.

use super::{Relay, RelayFault};
use crate::geo::Operator;
use crate::mail::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

/// Most names that a process remembers: more than there are autonomous systems in the world.
const NAMES_MAX: usize = 200_000;
/// Longest name, in characters.
const NAME_MAX: usize = 120;

/// The names that this process has met.
#[derive(Default)]
pub(super) struct Networks(RwLock<Met>);

#[derive(Default)]
struct Met {
    /// As the database has them, whatever of it is kept.
    known: HashMap<u32, String>,
    /// What is still to be written.
    new: BTreeMap<i64, String>,
}

impl Networks {
    /// Notes a name.
    pub fn note(&self, operator: &Operator) {
        let Some(asn) = operator.asn.filter(|_| !operator.name.is_empty()) else { return };
        {
            let met = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if met.known.get(&asn).is_some_and(|known| *known == operator.name) {
                return;
            }
        }
        let mut met = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if met.known.len() < NAMES_MAX || met.known.contains_key(&asn) {
            met.known.insert(asn, operator.name.clone());
            let name: String = operator.name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
            met.new.insert(i64::from(asn), name);
        }
    }

    fn take(&self) -> Vec<(i64, String)> {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).new.is_empty() {
            return Vec::new();
        }
        let mut met = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut met.new).into_iter().collect()
    }

    fn give_back(&self, names: Vec<(i64, String)>) {
        let mut met = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (asn, name) in names {
            met.new.entry(asn).or_insert(name);
        }
    }
}

impl Relay {
    /// Writes the names of networks that were met since the last time.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn name_networks(&self, now: Timestamp) -> Result<(), RelayFault> {
        let names = self.inner.networks.take();
        if names.is_empty() {
            return Ok(());
        }
        let written = self.store().name_networks(&names, now).await;
        if written.is_err() {
            self.inner.networks.give_back(names);
        }
        Ok(written?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_once_and_again_when_it_is_another() {
        let networks = Networks::default();
        let note = |name| networks.note(&Operator::named(2527, name));
        note("Example Net");
        note("Example Net");
        assert_eq!(networks.take(), [(2527, "Example Net".to_owned())]);
        note("Example Net");
        assert!(networks.take().is_empty());
        note("Example\u{7}Networks");
        networks.note(&Operator::named(1, ""));
        let names = networks.take();
        assert_eq!(names, [(2527, "ExampleNetworks".to_owned())]);
        networks.give_back(names.clone());
        assert_eq!(networks.take(), names);
    }
}
