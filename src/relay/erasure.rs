//! Erasing a person: preview, erasure at the desk with a second person, and the certificate.
//!
//! Rules: the keys are destroyed in the database first and in the ring's tree then, by every process that holds the tree; what
//! was begun is so found again after a crash. The certificate is written when no copy of the database opens anything with the
//! ring as it is: the leaves are out of the tree, and the file of every seal key is destroyed that once wrapped one of the keys
//! without it.
//! When it fails: [`ErasureFault`], and nothing is erased.

use super::desk::{DeskFault, Goes};
use super::look::{Look, Opening};
use super::{Relay, RelayFault, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{ErasureRow, Holdings, RingKeyRow};
use crate::vault::{Index, Indexed, KeyLine, Purpose};
use data_encoding::HEXLOWER;
use std::sync::PoisonError;
use std::time::Duration;

/// How long after the first file of a key of the ring is destroyed those of other machines may last: each process looks every
/// five seconds.
const FOLLOWED: Duration = Duration::from_secs(60);
/// How long a transaction may take between its ids and its commit.
const LATE: Duration = Duration::from_secs(600);

/// Why nothing is erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureFault {
    #[error("customer: an address such as name@example.jp")]
    Customer,
    #[error("customer: nothing is kept about this address in any conversation")]
    Nobody,
    #[error("legal holds keep it: {0}; it can be erased when they are lifted")]
    Held(String),
    #[error("{0} orders are open: close them first, or erase them too with --open-orders")]
    OpenOrders(i64),
    #[error(
        "this process can't look at the addresses that customers had before; ask one that delivers mail too (the role egress \
         beside web), or use `anshin compliance erase`"
    )]
    Apart,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// How far an erasure has come that was asked for by the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureStep {
    /// A second person has not decided yet.
    Asked(String),
    /// A second person was against it.
    Refused(String),
    /// It is done.
    Erased,
}

/// An erasure that waits for its certificate.
pub struct ErasurePending {
    pub id: String,
    pub at: Timestamp,
    /// Seal keys that still open old copies; empty: the tree of another key ring does, which its process sees to.
    pub seal_keys: Vec<String>,
}

impl Relay {
    /// What is kept about a customer, for somebody who is written down before he is told, whether there is anything or not: an
    /// address that can be asked for is a question about a person.
    ///
    /// # Errors
    /// [`DeskFault`]; [`ErasureFault::Nobody`] when there is nothing.
    pub async fn preview_erasure(
        &self,
        look: &Look,
        customer: &str,
        open_orders: bool,
    ) -> Result<(Holdings, Opening), DeskFault> {
        let (holdings, opening) = self.all_about(customer, open_orders).await?;
        let conversations = holdings.orders + holdings.inquiries + holdings.guests;
        self.note_alone(look, &opening, usize::try_from(conversations).unwrap_or(0), "previewed").await?;
        if is_nobody(&holdings, &opening) {
            return Err(ErasureFault::Nobody.into());
        }
        Ok((holdings, opening))
    }

    /// What is kept about a customer, and how to erase it at the desk.
    ///
    /// # Errors
    /// [`ErasureFault`] when there is nothing.
    pub async fn erasure_of(
        &self,
        customer: &str,
        open_orders: bool,
    ) -> Result<(Holdings, Opening), ErasureFault> {
        let (holdings, opening) = self.all_about(customer, open_orders).await?;
        if is_nobody(&holdings, &opening) { Err(ErasureFault::Nobody) } else { Ok((holdings, opening)) }
    }

    /// How to have all opened that is kept about a customer, at the desk.
    ///
    /// # Errors
    /// [`ErasureFault`] when there is nothing.
    pub async fn export_of(&self, customer: &str) -> Result<Opening, ErasureFault> {
        match self.erasure_of(customer, false).await? {
            (_, Opening::Erase { person, conversations, stranger, .. }) => {
                Ok(Opening::Export { person, customer: customer.to_owned(), conversations, stranger })
            }
            _ => Err(ErasureFault::Nobody),
        }
    }

    async fn all_about(
        &self,
        customer: &str,
        open_orders: bool,
    ) -> Result<(Holdings, Opening), ErasureFault> {
        let address = RealAddress::parse(customer).map_err(|_| ErasureFault::Customer)?;
        if !self.vault().seal.open_it() {
            return Err(ErasureFault::Apart);
        }
        let conversations = self.conversations_ever(&address).await?;
        let stranger = self.vault().index.of(Indexed::Stranger(&address));
        let holdings = self.store().holdings(&conversations, stranger, Timestamp::now()).await;
        let holdings = holdings.map_err(RelayFault::from)?;
        // The entry about it outlives the person's keys, so it has an index and no address.
        let person = HEXLOWER.encode(stranger.as_bytes());
        let numbers = self.numbers_of(&address).await?;
        Ok((holdings, Opening::Erase { person, conversations, stranger, numbers, open_orders }))
    }

    /// Erases a person as soon as a second person has approved it; asked again and again, it says how far it has come.
    /// What is kept, as it was before.
    ///
    /// # Errors
    /// [`DeskFault`]; then nothing is erased.
    pub async fn step_erasure(
        &self,
        look: &Look,
        customer: &str,
        open_orders: bool,
    ) -> Result<(Holdings, ErasureStep), DeskFault> {
        let (holdings, opening) = self.all_about(customer, open_orders).await?;
        let (goes, now) = (Goes::ToTheScreen, Timestamp::now());
        let what = self.what_idx(look, &opening, goes);
        let last = self.store().request_for(what, now).await.map_err(RelayFault::from)?;
        let is_nobody = is_nobody(&holdings, &opening);
        let state = last.map(|row| (queue_id(row.id), row.decision, row.used_at.is_some()));
        let done = match state {
            Some((_, _, true)) if is_nobody => return Ok((holdings, ErasureStep::Erased)),
            _ if is_nobody => {
                self.note_alone(look, &opening, 0, "previewed").await?;
                return Err(ErasureFault::Nobody.into());
            }
            Some((id, None, _)) => return Ok((holdings, ErasureStep::Asked(id))),
            Some((id, Some(word), false)) if word != "approved" => {
                return Ok((holdings, ErasureStep::Refused(id)));
            }
            Some((id, Some(_), false)) => self.open_for(look, &opening, goes, Some(&id)).await,
            // Since then the person began anew.
            None | Some((_, _, true)) => self.open_for(look, &opening, goes, None).await,
        };
        match done {
            // By another request at the same time.
            Ok(_) | Err(DeskFault::Used) => Ok((holdings, ErasureStep::Erased)),
            Err(DeskFault::SecondPerson(id)) => Ok((holdings, ErasureStep::Asked(id))),
            Err(fault) => Err(fault),
        }
    }

    /// Whether these conversations may be erased.
    pub(super) async fn may_erase(
        &self,
        conversations: &[i64],
        stranger: Index,
        open_orders: bool,
    ) -> Result<(), ErasureFault> {
        self.follow_held_persons().await?;
        let holdings = self
            .store()
            .holdings(conversations, stranger, Timestamp::now())
            .await
            .map_err(RelayFault::from)?;
        if !holdings.holds.is_empty() {
            let holds: Vec<String> = holdings.holds.into_iter().map(queue_id).collect();
            return Err(ErasureFault::Held(holds.join(", ")));
        }
        if holdings.open_orders > 0 && !open_orders {
            return Err(ErasureFault::OpenOrders(holdings.open_orders));
        }
        Ok(())
    }

    /// Erases in the database; the data keys whose leaves are to be taken out of the ring's tree.
    pub(super) async fn erase(
        &self,
        conversations: &[i64],
        (stranger, numbers): (Index, &[(i64, i64)]),
        now: Timestamp,
    ) -> Result<Vec<i64>, ErasureFault> {
        let id = self.next_id();
        let erased = self.store().erase(id, conversations, (stranger, numbers), || self.next_id(), now).await;
        let keys = erased.map_err(RelayFault::from)?;
        let keys = keys.ok_or_else(|| ErasureFault::Held("one that was set just now".into()))?;
        tracing::info!(event = "erased", erasure = queue_id(id), keys = keys.len());
        Ok(keys)
    }

    /// Data keys that were erased and whose leaves are still in this process's tree.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn keys_to_erase(&self) -> Result<Vec<i64>, RelayFault> {
        let vault = self.vault();
        if vault.erasure_tree.is_none() {
            return Ok(Vec::new());
        }
        let now = Timestamp::now();
        let since = *self.inner.erased_until.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = self.store().erased_keys(since).await?;
        keys.retain(|id| !vault.seal.is_erased(*id));
        // Those that are not out yet are asked for again.
        if keys.is_empty() {
            let late = i64::try_from(LATE.as_millis()).unwrap_or(0);
            let until = Timestamp::from_millis(now.as_millis().saturating_sub(late));
            *self.inner.erased_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
        Ok(keys)
    }

    /// Writes the certificates of erasures after which nothing opens any more; those that still wait.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn certify_erasures(&self, now: Timestamp) -> Result<Vec<ErasurePending>, RelayFault> {
        let mut waiting = Vec::new();
        for row in self.store().erasures_pending().await? {
            let seal_keys = self.seals_that_open(&row).await?;
            let is_gone = seal_keys.is_empty() && self.is_out(&row).await?;
            if is_gone && self.store().forget_pages().await? {
                let id = self.next_id();
                if self.store().certify_erasure(row.id, id, &body(&row, id, now), now).await? {
                    tracing::info!(event = "destroyed", class = "person", certificate = queue_id(id));
                }
            } else {
                waiting.push(ErasurePending { id: queue_id(row.id), at: row.at, seal_keys });
            }
        }
        Ok(waiting)
    }

    /// Whether the leaves of the keys are out of the tree, where there is one.
    async fn is_out(&self, row: &ErasureRow) -> Result<bool, RelayFault> {
        let vault = self.vault();
        if vault.erasure_tree.is_some() {
            return Ok(row.keys.iter().all(|id| vault.seal.is_erased(*id)));
        }
        let known = self.store().ring_keys().await?;
        Ok(!known.iter().any(|key| key.purpose == super::keys::TREE))
    }

    /// The seal keys of the ring that may have wrapped one of the keys without the tree: those as old as the one that did, and
    /// older.
    async fn seals_that_open(&self, row: &ErasureRow) -> Result<Vec<String>, RelayFault> {
        let seals = self.store().ring_keys().await?;
        let seals = || seals.iter().filter(|key| key.purpose == "seal");
        let since = row.bare.chars().map(|letter| {
            let own = seals().find(|key| key.name == letter.to_string());
            own.map_or(row.at, |key| key.since)
        });
        let Some(until) = since.max() else { return Ok(Vec::new()) };
        // A mark is not yet the end of a key, and may be taken back. Whose own ring still holds it certifies nothing.
        let ended = |at: Timestamp| at.after(FOLLOWED) < Timestamp::now();
        let vault = self.vault();
        let is_here = |key: &RingKeyRow| {
            let is_it = |line: &KeyLine| line.opens && line.fingerprint == key.fingerprint;
            vault.lines.iter().any(|line| line.purpose == Purpose::Seal && is_it(line))
        };
        let opens = seals()
            .filter(|key| (!self.gone_at(key).is_some_and(ended) || is_here(key)) && key.since <= until);
        Ok(opens.map(|key| format!("seal-{}", key.name)).collect())
    }
}

/// Whether nothing is kept about an address.
fn is_nobody(holdings: &Holdings, opening: &Opening) -> bool {
    matches!(opening, Opening::Erase { conversations, .. } if conversations.is_empty())
        && holdings.refused_days == 0
}

fn body(row: &ErasureRow, id: i64, now: Timestamp) -> String {
    format!(
        "anshin certificate of erasure 1\nid {id:016X}\nerasure {}\nerased {}\nended {}\nconversations {}\nkeys {}\n",
        queue_id(row.id),
        row.at.to_rfc3339(),
        now.to_rfc3339(),
        row.conversations,
        row.fingerprints
    )
}
