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
use crate::store::{Erasing, ErasureRow, Holdings, Kind, RingKeyRow, day_text};
use crate::vault::{Index, Indexed, KeyLine, Purpose};
use data_encoding::HEXLOWER;
use std::fmt;
use std::time::Duration;

/// How long after the first file of a key of the ring is destroyed those of other machines may last: each process looks every
/// five seconds.
const FOLLOWED: Duration = Duration::from_secs(60);

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

/// An order that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOrder {
    pub store_id: String,
    /// None where its row does not open.
    pub order_no: Option<String>,
    /// Its key is, as in a copy of the database from before an erasure.
    pub is_destroyed: bool,
}

/// What stands against an erasure, for a person to act on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Against {
    pub orders: Vec<OpenOrder>,
    /// Holds that keep some of it, each with its case.
    pub holds: Vec<(String, Option<String>)>,
}

/// An erasure that waits for its certificate.
pub struct ErasurePending {
    pub id: String,
    pub at: Timestamp,
    /// Seal keys that still open old copies; empty: the tree of another key ring does, which its process sees to.
    pub seal_keys: Vec<String>,
    /// Whether somebody with the key ring wrote it so. Nothing is certified of one that is not.
    pub is_proven: bool,
    /// What it left, since nothing showed whose its key is: it has a certificate that says so, and is told until it is erased again.
    pub left: Vec<LeftKey>,
}

/// What has a key of which nothing showed whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftKey {
    /// A conversation, by its id.
    Conversation(String),
    /// A correction of an address that waited for its proof, by its id.
    Correction(String),
    /// What was refused outside of conversations on a day (UTC).
    RefusedOn(String),
}

impl LeftKey {
    /// What to do about it.
    pub const CURE: &str = "put its row, and the row of data_key that it names, back from a copy of the database from before it was altered, and \
        erase again; until then its key stays, and a copy opens it";

    fn of((table, row): (String, i64)) -> Self {
        match table.as_str() {
            "stranger" => LeftKey::RefusedOn(day_text(row)),
            "correction" => LeftKey::Correction(queue_id(row)),
            _ => LeftKey::Conversation(queue_id(row)),
        }
    }
}

impl fmt::Display for LeftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeftKey::Conversation(id) => write!(f, "conversation {id}"),
            LeftKey::Correction(id) => write!(f, "correction {id}"),
            LeftKey::RefusedOn(day) => write!(f, "refused mail of {day}"),
        }
    }
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

    /// The open orders and the holds that a preview counted, by their names.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn against(&self, held: &Holdings, opening: &Opening) -> Result<Against, RelayFault> {
        let (mut against, now) = (Against::default(), Timestamp::now());
        if let (Opening::Erase { conversations, .. }, true) = (opening, held.open_orders > 0) {
            for id in conversations {
                let Some(row) = self.store().conversation(*id).await? else { continue };
                if row.kind != Kind::Order || row.closed_at.is_some() || row.expires_at <= now {
                    continue;
                }
                // Whatever its rows say of each other, and whether it opens or not: it goes all the same.
                let opened = self.data_key(&row.key).map_err(RelayFault::from);
                let order_no = match opened.and_then(|key| self.open_unbound(&row, key)) {
                    Ok(order) => Some(order.order_no),
                    Err(fault) if fault.is_of_one_row() => None,
                    Err(fault) => return Err(fault),
                };
                let store_id = self.open_merchant(&row.merchant)?.store_id;
                let is_destroyed = self.is_destroyed(&row.key);
                against.orders.push(OpenOrder { store_id, order_no, is_destroyed });
            }
        }
        if !held.holds.is_empty() {
            let own = |id: &String| held.holds.iter().any(|hold| queue_id(*hold) == *id);
            let views = self.legal_holds().await?.into_iter();
            against.holds = views.filter(|view| own(&view.id)).map(|view| (view.id, view.case)).collect();
        }
        Ok(against)
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
        let mut holdings = holdings.map_err(RelayFault::from)?;
        holdings.corrections = self.corrections_about(stranger).await?.0.len();
        // The entry about it outlives the person's keys, so it has an index and no address.
        let person = HEXLOWER.encode(stranger.as_bytes());
        let aliases = self.aliases_in(&conversations).await?;
        let numbers = self.numbers_of(&address, &aliases).await?;
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
        let (id, others) = (self.next_id(), self.own_keys(conversations).await?);
        let (corrections, keys) = self.corrections_about(stranger).await?;
        let own = others.iter().map(|(_, key)| *key).chain(keys);
        let erasing = Erasing {
            id,
            at: now,
            conversations,
            address: stranger,
            numbers,
            corrections: &corrections,
            others: &others,
        };
        let erased = self.store().erase(&erasing, &self.destroying(own)).await;
        let keys = erased.map_err(RelayFault::from)?;
        let keys = keys.ok_or_else(|| ErasureFault::Held("one that was set just now".into()))?;
        self.forget_keys(&keys);
        tracing::info!(event = "erased", erasure = queue_id(id), keys = keys.len());
        Ok(keys)
    }

    /// Writes the certificates of erasures after which nothing opens any more, and of those that left something, which say so; those that
    /// still wait, and those that are not complete.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn certify_erasures(&self, now: Timestamp) -> Result<Vec<ErasurePending>, RelayFault> {
        let mut waiting = Vec::new();
        let left = |row: &ErasureRow| row.still_left().into_iter().map(LeftKey::of).collect();
        for row in self.store().erasures_pending().await? {
            if !self.is_erasure_proven(&row) && !self.prove_old_erasure(&row).await? {
                waiting.push(ErasurePending {
                    id: queue_id(row.id),
                    at: row.at,
                    seal_keys: Vec::new(),
                    is_proven: false,
                    left: left(&row),
                });
                continue;
            }
            let seal_keys = self.seals_that_open(&row).await?;
            let is_gone = seal_keys.is_empty() && self.is_out(&row).await?;
            if is_gone && self.store().forget_pages().await? {
                let id = self.next_id();
                if self.store().certify_erasure(row.id, id, &body(&row, id, now), now).await? {
                    let is_complete = row.unproven.is_empty();
                    let certificate = queue_id(id);
                    tracing::info!(event = "destroyed", class = "person", certificate, is_complete);
                }
            } else {
                let (id, at, left) = (queue_id(row.id), row.at, left(&row));
                waiting.push(ErasurePending { id, at, seal_keys, is_proven: true, left });
            }
        }
        for row in self.store().erasures_incomplete().await? {
            let (id, at, left) = (queue_id(row.id), row.at, left(&row));
            waiting.push(ErasurePending { id, at, seal_keys: Vec::new(), is_proven: true, left });
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
        && holdings.corrections == 0
}

fn body(row: &ErasureRow, id: i64, now: Timestamp) -> String {
    let mut text = format!(
        "anshin certificate of erasure 1\nid {id:016X}\nerasure {}\nerased {}\nended {}\nconversations {}\nkeys {}\n",
        queue_id(row.id),
        row.at.to_rfc3339(),
        now.to_rfc3339(),
        row.conversations,
        row.fingerprints
    );
    for left in row.all_left() {
        text.push_str(&format!("not complete, nothing shows whose its key is: {}\n", LeftKey::of(left)));
    }
    if !row.unproven.is_empty() {
        text.push_str(&format!("to do: {}\n", LeftKey::CURE));
    }
    text
}
