//! Bringing what is kept to the newest keys of the ring.
//!
//! Rules: in stages, each over one column, in batches by row id; a stage that was stopped goes on where it was, one that is
//! asked for again begins anew. It begins when the newest key has sealed for a while, so that nobody writes with an older
//! one behind it. What its subject's destroyed key has made unreadable is passed over: nothing finds it any more.
//! When it fails: [`RelayFault`]; the batch is done again.

use super::conversation::{Profile, open_address};
use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::{
    Column, IndexedConversation, IndexedRecord, IndexedRow, IndexedTable, RekeyingRow, Rewritten, ended_idx,
};
use crate::vault::{Class, Index, Indexed, Place, Purpose, Sealed, VaultError};
use std::net::IpAddr;
use std::time::Duration;

/// Rows of one batch.
const BATCH: i64 = 200;
/// How long a key must have sealed until every process does so: more than a process's looks at the ring are apart.
pub const SETTLED: Duration = Duration::from_secs(15);

/// What is brought to the newest key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    DataKeys,
    Scrams,
    Bodies,
    Log,
    Menu,
    MenuKeys,
    Stores,
    Addresses,
    Credentials,
    Conversations,
    Sources,
    Periods,
}

impl Stage {
    pub const ALL: [Stage; 12] = [
        Stage::DataKeys,
        Stage::Scrams,
        Stage::Bodies,
        Stage::Log,
        Stage::Menu,
        Stage::MenuKeys,
        Stage::Stores,
        Stage::Addresses,
        Stage::Credentials,
        Stage::Conversations,
        Stage::Sources,
        Stage::Periods,
    ];

    /// The word in the database and in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::DataKeys => "data keys",
            Stage::Scrams => "verifiers",
            Stage::Bodies => "segments of texts",
            Stage::Log => "segments of the log",
            Stage::Menu => "segments of the menu",
            Stage::MenuKeys => "keys of stores for the menu",
            Stage::Stores => "index of stores",
            Stage::Addresses => "index of addresses",
            Stage::Credentials => "index of user names",
            Stage::Conversations => "index of conversations",
            Stage::Sources => "index of the log's peers",
            Stage::Periods => "keys of quarters",
        }
    }

    /// Whose newest key it is done with.
    pub(super) fn purpose(self) -> Purpose {
        match self {
            Stage::DataKeys | Stage::Scrams => Purpose::Seal,
            Stage::Bodies => Purpose::Body,
            Stage::Log => Purpose::Log,
            Stage::Menu | Stage::MenuKeys => Purpose::Menu,
            _ => Purpose::Index,
        }
    }

    /// Whose secrets it takes.
    fn takes(self) -> &'static [Purpose] {
        match self {
            Stage::DataKeys | Stage::Scrams => &[Purpose::Seal],
            Stage::Bodies => &[Purpose::Body],
            Stage::Log => &[Purpose::Log],
            Stage::Menu | Stage::MenuKeys => &[Purpose::Menu],
            Stage::Stores | Stage::Addresses | Stage::Credentials | Stage::Conversations => &[Purpose::Seal],
            Stage::Sources => &[Purpose::Seal, Purpose::Log],
            Stage::Periods => &[Purpose::Index],
        }
    }
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A batch is done, and there may be more.
    More {
        written: u64,
        looked: u64,
        /// Rows that do not open, and stay as they are.
        unreadable: u64,
    },
    Done,
    /// The newest key seals from then on.
    Waits(Timestamp),
    /// A secret that it takes is not in this ring.
    NoKey(Purpose),
}

impl Relay {
    /// Does a batch of a stage.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or a key is not in this ring.
    pub async fn rekey(&self, stage: Stage, now: Timestamp) -> Result<Step, RelayFault> {
        let vault = self.vault();
        for purpose in stage.takes() {
            if !vault.lines.iter().any(|line| line.purpose == *purpose && line.opens) {
                return Ok(Step::NoKey(*purpose));
            }
        }
        let lines = vault.lines.iter().filter(|line| line.purpose == stage.purpose());
        let Some(newest) = lines.max_by_key(|line| line.created_at) else {
            return Ok(Step::NoKey(stage.purpose()));
        };
        // A first key has nothing before it.
        let is_first = vault.lines.iter().filter(|line| line.purpose == stage.purpose()).count() == 1;
        if is_first && stage.purpose() != Purpose::Seal {
            return Ok(Step::Done);
        }
        if !is_first && now < newest.seals_from.after(SETTLED) {
            return Ok(Step::Waits(newest.seals_from));
        }
        let target = newest.fingerprint.clone();
        let place = match self.store().rekeying(stage.as_str()).await? {
            Some(place) if place.target == target && place.finished_at.is_none() => place,
            // Asked for again within the same run: it has just come to its end.
            Some(place) if place.target == target && place.begun_at >= self.inner.opened_at => {
                return Ok(Step::Done);
            }
            _ => RekeyingRow { target, position: -1, done: 0, begun_at: now, finished_at: None },
        };
        let Batch { rows, last, looked, unreadable } = self.batch(stage, place.position).await?;
        let is_over = looked < BATCH;
        let done = place.done + i64::try_from(rows.len()).unwrap_or(0);
        let place = RekeyingRow {
            position: last.unwrap_or(place.position),
            done,
            finished_at: is_over.then_some(now),
            ..place
        };
        let written = self.store().rekey(stage.as_str(), &place, &rows).await?;
        let looked = u64::try_from(looked).unwrap_or(0);
        // One more call says that it is done, of which the caller may have counted rows.
        Ok(if is_over && looked == 0 { Step::Done } else { Step::More { written, looked, unreadable } })
    }

    async fn batch(&self, stage: Stage, position: i64) -> Result<Batch, RelayFault> {
        let mut batch = Batch::default();
        let vault = self.vault();
        match stage {
            Stage::DataKeys => {
                for row in self.store().data_keys(position, BATCH).await? {
                    let new = vault.seal.rewrap(row.id, &row.wrapped).map_err(RelayFault::from);
                    let new = batch.readable(stage, row.id, new)?;
                    batch.look(row.id, Column::DataKey, row.wrapped, new);
                }
            }
            Stage::Scrams => {
                for (id, scram, verifier) in self.store().verifiers(position, BATCH).await? {
                    batch.pass(id);
                    let columns = [
                        (Column::Scram, super::login::scram_place(id), scram),
                        (Column::Verifier, super::login::verifier_place(id), verifier),
                    ];
                    for (column, place, sealed) in columns {
                        // Those that a process sealed which opens nothing are sealed as all others are.
                        let Some(sealed) = sealed.filter(Sealed::is_boxed) else { continue };
                        let plain = self.open_for_installation(place, &sealed).map(Some);
                        if let Some(plain) = batch.readable(stage, id, plain.map_err(RelayFault::from))? {
                            let new = self.inner.installation.seal(place, &plain).into_stored();
                            batch.also(id, column, sealed.into_stored(), new);
                        }
                    }
                }
            }
            Stage::MenuKeys => {
                for row in self.store().menu_keys(position, BATCH).await? {
                    let new = vault.menu.rewrap(row.id, &row.wrapped).map_err(RelayFault::from);
                    let new = batch.readable(stage, row.id, new)?;
                    batch.look(row.id, Column::MenuKey, row.wrapped, new);
                }
            }
            Stage::Bodies | Stage::Log | Stage::Menu => {
                for row in self.store().segments(stage.purpose(), position, BATCH).await? {
                    let class = Class::parse(&row.class).ok_or(RelayFault::Malformed("segment.class"))?;
                    let new = vault.class(class).rewrap(class, row.id, row.day, &row.wrapped);
                    let new = batch.readable(stage, row.id, new.map_err(RelayFault::from))?;
                    batch.look(row.id, Column::Segment, row.wrapped, new);
                }
            }
            Stage::Periods => {
                for row in self.store().periods_after(position, BATCH).await? {
                    let new = vault.index.rewrap_period(row.id, row.quarter, &row.wrapped);
                    let new = batch.readable(stage, row.id, new.map_err(RelayFault::from))?;
                    batch.look(row.id, Column::Period, row.wrapped, new);
                }
            }
            Stage::Stores | Stage::Addresses | Stage::Credentials => {
                let (table, column) = match stage {
                    Stage::Stores => (IndexedTable::Stores, Column::Store),
                    Stage::Addresses => (IndexedTable::Addresses, Column::Address),
                    _ => (IndexedTable::Credentials, Column::Credential),
                };
                for row in self.store().indexed(table, position, BATCH).await? {
                    let new = batch.readable(stage, row.id, self.index_of(stage, &row))?;
                    batch.look(row.id, column, row.index, new.map(|index| index.as_bytes().to_vec()));
                }
            }
            Stage::Conversations => {
                for row in self.store().indexed_conversations(position, BATCH).await? {
                    let new = batch.readable(stage, row.id, self.indexes_of_conversation(&row))?;
                    let (new, own) = new.map(|(new, own)| (new.as_bytes().to_vec(), own)).unzip();
                    // One that ended is no longer found by its address, which another may have.
                    let new = new.filter(|_| row.key_idx != ended_idx(row.id));
                    batch.look(row.id, Column::Conversation, row.key_idx, new);
                    if let Some(own) = own {
                        batch.also(row.id, Column::Customer, row.customer_idx, own.as_bytes().to_vec());
                    }
                }
            }
            Stage::Sources => {
                for row in self.store().indexed_records(position, BATCH).await? {
                    let new = batch.readable(stage, row.id, self.source_of(&row).await)?;
                    batch.look(row.id, Column::Source, row.source.to_be_bytes().to_vec(), new);
                }
            }
        }
        Ok(batch)
    }

    fn index_of(&self, stage: Stage, row: &IndexedRow) -> Result<Option<Index>, RelayFault> {
        let key = self.data_key(&row.key)?;
        let index = &self.vault().index;
        Ok(Some(match stage {
            Stage::Stores => {
                let plain = key.open(Place::new("merchant", "profile", row.id), &row.value)?;
                let profile: Profile =
                    serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("merchant.profile"))?;
                index.of(Indexed::StoreId(&profile.store_id))
            }
            Stage::Addresses => {
                let place = Place::new("merchant_address", "address", row.id);
                index.of(Indexed::Address(&open_address(&key, place, &row.value)?))
            }
            _ => {
                let plain = key.open(Place::new("credential", "label", row.id), &row.value)?;
                let label: serde_json::Value = serde_json::from_slice(&plain).unwrap_or_default();
                let auth_id = label.get("auth_id").and_then(serde_json::Value::as_str);
                index.of(Indexed::AuthId(auth_id.ok_or(RelayFault::Malformed("credential.label"))?))
            }
        }))
    }

    /// The index by which a conversation is found, and that of its customer.
    fn indexes_of_conversation(
        &self,
        row: &IndexedConversation,
    ) -> Result<Option<(Index, Index)>, RelayFault> {
        let key = self.data_key(&row.key)?;
        let index = &self.vault().index;
        let customer = open_address(&key, Place::new("conversation", "customer", row.id), &row.customer)?;
        let merchant = row.merchant_id;
        let own = index.of(Indexed::CustomerOf { merchant, address: &customer });
        let new = match (row.kind.as_str(), row.parent) {
            ("order", _) => {
                let label = key.open(Place::new("conversation", "label", row.id), &row.label)?;
                let order_no = String::from_utf8_lossy(&label);
                index.of(Indexed::OrderNo { merchant, order_no: &order_no })
            }
            ("guest", Some(conversation)) => index.of(Indexed::GuestOf { conversation, address: &customer }),
            _ => own,
        };
        Ok(Some((new, own)))
    }

    /// The keyed number of the peer that a record names, if it names one.
    async fn source_of(&self, row: &IndexedRecord) -> Result<Option<Vec<u8>>, RelayFault> {
        let key = self.data_key(&row.key)?;
        let place = Place::new("record", "detail", row.id);
        let plain = self.open_in(&key, place, &row.detail).await?;
        let detail: serde_json::Value = serde_json::from_slice(&plain).unwrap_or_default();
        let ip = detail.pointer("/peer/ip").and_then(serde_json::Value::as_str);
        let ip = ip.and_then(|ip| ip.parse::<IpAddr>().ok());
        Ok(ip.map(|ip| self.vault().index.of(Indexed::Ip(ip)).to_i64().to_be_bytes().to_vec()))
    }
}

/// What a batch came to: the rows that must be written, the id of the last one looked at, and how many were.
#[derive(Default)]
struct Batch {
    rows: Vec<Rewritten>,
    last: Option<i64>,
    looked: i64,
    unreadable: u64,
}

impl Batch {
    fn pass(&mut self, id: i64) {
        self.last = Some(id);
        self.looked += 1;
    }

    /// What was made of a row; nothing where its subject's or day's key was destroyed. One that does not open is told,
    /// counted and left as it is: it stops no other.
    fn readable<T>(
        &mut self,
        stage: Stage,
        id: i64,
        made: Result<Option<T>, RelayFault>,
    ) -> Result<Option<T>, RelayFault> {
        match made {
            Err(RelayFault::Vault(VaultError::Destroyed { .. })) => Ok(None),
            Err(fault @ (RelayFault::Vault(VaultError::DoesNotOpen { .. }) | RelayFault::Malformed(_))) => {
                tracing::warn!(event = "unreadable", stage = stage.as_str(), id, %fault);
                self.unreadable += 1;
                Ok(None)
            }
            made => made,
        }
    }

    fn look(&mut self, id: i64, column: Column, old: Vec<u8>, new: Option<Vec<u8>>) {
        self.pass(id);
        if let Some(new) = new {
            self.also(id, column, old, new);
        }
    }

    fn also(&mut self, id: i64, column: Column, old: Vec<u8>, new: Vec<u8>) {
        if old != new {
            self.rows.push(Rewritten { id, column, old, new });
        }
    }
}
