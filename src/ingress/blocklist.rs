//! Block lists in the DNS (RFC 5782): is the peer's address listed?
//!
//! Rules: off unless configured, for each question tells the operator of a list who writes to us. All lists are asked at
//! once, in at most three seconds, and once in a session. Only answers in 127.0.0.0/8 count, and not those by which lists
//! say that they do not answer: 127.255.255.0/24 (Spamhaus) and 127.0.0.1 (URIBL). Mail to the alias of an order
//! is labelled and never stopped: a list knows networks, not people.
//! When it fails: who could not be looked up is not listed.

use crate::config::{BlockAction, Blocklist};
use crate::dns::{Kind, Looked, Lookup, reversed};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::timeout;

/// How long all lists together may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The lists, with what to ask them by.
pub(super) struct Blocklists {
    lookup: Lookup,
    lists: Vec<Blocklist>,
}

/// Where an address is listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listed {
    /// The zones, for the record.
    pub zones: Vec<String>,
    /// The strictest of their actions.
    pub action: Option<BlockAction>,
}

impl Blocklists {
    pub fn new(lookup: Lookup, lists: Vec<Blocklist>) -> Self {
        Self { lookup, lists }
    }

    /// Asks all lists.
    pub async fn ask(&self, ip: IpAddr) -> Listed {
        let reversed = reversed(ip);
        let mut asked = tokio::task::JoinSet::new();
        for (number, list) in self.lists.iter().enumerate() {
            let (lookup, name) = (self.lookup.clone(), format!("{reversed}.{}", list.zone));
            asked.spawn(async move { (number, lookup.ask(&name, Kind::Address).await) });
        }
        let mut hits = vec![false; self.lists.len()];
        let all = async {
            while let Some(answer) = asked.join_next().await {
                if let Ok((number, Looked::Found(found))) = answer
                    && let Some(hit) = hits.get_mut(number)
                {
                    *hit = found.iter().any(|text| text.parse().is_ok_and(is_listing));
                }
            }
        };
        // Who is late is dropped with its task; what came counts.
        let _ = timeout(PATIENCE, all).await;
        let mut listed = Listed::default();
        for (list, _) in self.lists.iter().zip(hits).filter(|(_, hit)| *hit) {
            listed.zones.push(list.zone.to_string());
            listed.action = listed.action.max(Some(list.action));
        }
        listed
    }
}

/// Whether an answer says that the address is listed (RFC 5782 §2.1).
fn is_listing(answer: Ipv4Addr) -> bool {
    let [a, b, c, _] = answer.octets();
    a == 127 && !(b == 255 && c == 255) && answer != Ipv4Addr::LOCALHOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_answers_list_and_those_of_a_list_that_does_not_answer_do_not() {
        for (answer, is) in [
            ([127, 0, 0, 2], true),
            ([127, 0, 0, 10], true),
            ([127, 255, 255, 254], false),
            ([127, 0, 0, 1], false),
            ([192, 0, 2, 1], false),
        ] {
            assert_eq!(is_listing(answer.into()), is);
        }
    }
}
