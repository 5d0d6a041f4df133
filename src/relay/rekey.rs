//! Bringing what is kept to the newest keys of the ring, and saying what still needs an old one.
//!
//! Rules: in stages, each over one column, in batches by row id; a stage that was stopped goes on where it was, one that is
//! asked for again begins anew. It begins when the newest key has sealed for a while, so that nobody writes with an older
//! one behind it. What its subject's destroyed key has made unreadable is passed over: nothing finds it any more.
//! When it fails: [`RelayFault`]; the batch is done again.

use super::conversation::{Profile, open_address};
use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::{Column, IndexedRow, IndexedTable, RekeyingRow, Rewritten};
use crate::vault::{Class, DataKey, Index, Indexed, Place, Purpose, Sealed, VaultError};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Rows of one batch.
const BATCH: i64 = 200;
/// How long a key must have sealed until every process does so: more than a process's looks at the ring are apart.
const SETTLED: Duration = Duration::from_secs(15);

/// What is brought to the newest key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    DataKeys,
    Scrams,
    Bodies,
    Log,
    Stores,
    Addresses,
    Credentials,
    Conversations,
    Sources,
}

impl Stage {
    pub const ALL: [Stage; 9] = [
        Stage::DataKeys,
        Stage::Scrams,
        Stage::Bodies,
        Stage::Log,
        Stage::Stores,
        Stage::Addresses,
        Stage::Credentials,
        Stage::Conversations,
        Stage::Sources,
    ];

    /// The word in the database and in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::DataKeys => "data keys",
            Stage::Scrams => "verifiers",
            Stage::Bodies => "segments of texts",
            Stage::Log => "segments of the log",
            Stage::Stores => "index of stores",
            Stage::Addresses => "index of addresses",
            Stage::Credentials => "index of user names",
            Stage::Conversations => "index of conversations",
            Stage::Sources => "index of the log's peers",
        }
    }

    /// Whose newest key it is done with.
    fn purpose(self) -> Purpose {
        match self {
            Stage::DataKeys | Stage::Scrams => Purpose::Seal,
            Stage::Bodies => Purpose::Body,
            Stage::Log => Purpose::Log,
            _ => Purpose::Index,
        }
    }

    /// Whose secrets it takes.
    fn takes(self) -> &'static [Purpose] {
        match self {
            Stage::DataKeys | Stage::Scrams => &[Purpose::Seal],
            Stage::Bodies => &[Purpose::Body],
            Stage::Log => &[Purpose::Log],
            Stage::Stores | Stage::Addresses | Stage::Credentials | Stage::Conversations => &[Purpose::Seal],
            Stage::Sources => &[Purpose::Seal, Purpose::Log],
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
    },
    Done,
    /// The newest key seals from then on.
    Waits(Timestamp),
    /// A secret that it takes is not in this ring.
    NoKey(Purpose),
}

/// What still needs a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// It is no key of the ring.
    Unknown,
    /// New things are sealed with it.
    Seals,
    /// It numbers the running operation.
    Numbers,
    /// A newer key seals only from then on, or since then.
    Successor(Timestamp),
    Rows {
        count: i64,
        what: &'static str,
        cure: &'static str,
    },
    /// This stage was not brought to the newest key.
    Stage(Stage),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Unknown => write!(f, "there is no such key in the ring"),
            Need::Seals => write!(f, "it seals: make a newer one with `anshin keys rotate`"),
            Need::Numbers => write!(f, "it numbers routes, duplicates and salts, which must not change"),
            Need::Successor(at) => write!(f, "the newer key seals from {at}: come again 15 seconds later"),
            Need::Rows { count, what, cure } => write!(f, "{count} {what}: {cure}"),
            Need::Stage(stage) => write!(f, "{}: run `anshin keys rewrap`", stage.as_str()),
        }
    }
}

impl Relay {
    /// Does a batch of a stage.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or a row does not open.
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
        let (last, rows, looked) = self.batch(stage, place.position).await?;
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
        Ok(if is_over && looked == 0 { Step::Done } else { Step::More { written, looked } })
    }

    /// The rows of a batch that must be written, the id of the last one looked at, and how many were.
    async fn batch(
        &self,
        stage: Stage,
        position: i64,
    ) -> Result<(Option<i64>, Vec<Rewritten>, i64), RelayFault> {
        let mut batch = Batch::default();
        let vault = self.vault();
        match stage {
            Stage::DataKeys => {
                for row in self.store().data_keys(position, BATCH).await? {
                    let new = vault.seal.rewrap(row.id, &row.wrapped)?;
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
                        if let Some(sealed) = sealed.filter(Sealed::is_boxed) {
                            let plain = self.open_for_installation(place, &sealed)?;
                            let new = self.inner.installation.seal(place, &plain).into_stored();
                            batch.also(id, column, sealed.into_stored(), new);
                        }
                    }
                }
            }
            Stage::Bodies | Stage::Log => {
                for row in self.store().segments(stage.purpose(), position, BATCH).await? {
                    let class = Class::parse(&row.class).ok_or(RelayFault::Malformed("segment.class"))?;
                    let new = vault.class(class).rewrap(class, row.id, row.day, &row.wrapped)?;
                    batch.look(row.id, Column::Segment, row.wrapped, new);
                }
            }
            Stage::Stores => {
                for row in self.store().indexed(IndexedTable::Stores, position, BATCH).await? {
                    let index = self.value(&row, Place::new("merchant", "profile", row.id))?.map(|plain| {
                        serde_json::from_slice::<Profile>(&plain)
                            .map(|profile| vault.index.of(Indexed::StoreId(&profile.store_id)))
                            .map_err(|_| RelayFault::Malformed("merchant.profile"))
                    });
                    batch.index(row, Column::Store, index.transpose()?);
                }
            }
            Stage::Addresses => {
                for row in self.store().indexed(IndexedTable::Addresses, position, BATCH).await? {
                    let place = Place::new("merchant_address", "address", row.id);
                    let address = self.living(&row.key)?.map(|key| open_address(&key, place, &row.value));
                    let index =
                        address.transpose()?.map(|address| vault.index.of(Indexed::Address(&address)));
                    batch.index(row, Column::Address, index);
                }
            }
            Stage::Credentials => {
                for row in self.store().indexed(IndexedTable::Credentials, position, BATCH).await? {
                    let index = self.value(&row, Place::new("credential", "label", row.id))?.map(|plain| {
                        let label: serde_json::Value = serde_json::from_slice(&plain).unwrap_or_default();
                        let auth_id = label.get("auth_id").and_then(serde_json::Value::as_str);
                        auth_id
                            .map(|auth_id| vault.index.of(Indexed::AuthId(auth_id)))
                            .ok_or(RelayFault::Malformed("credential.label"))
                    });
                    batch.index(row, Column::Credential, index.transpose()?);
                }
            }
            Stage::Conversations => self.conversations(position, &mut batch).await?,
            Stage::Sources => self.sources(position, &mut batch).await?,
        }
        Ok((batch.last, batch.rows, batch.looked))
    }

    async fn conversations(&self, position: i64, batch: &mut Batch) -> Result<(), RelayFault> {
        let vault = self.vault();
        for row in self.store().indexed_conversations(position, BATCH).await? {
            let Some(key) = self.living(&row.key)? else {
                batch.pass(row.id);
                continue;
            };
            let customer = open_address(&key, Place::new("conversation", "customer", row.id), &row.customer)?;
            let merchant = row.merchant_id;
            let own = vault.index.of(Indexed::CustomerOf { merchant, address: &customer });
            let new = match (row.kind.as_str(), row.parent) {
                ("order", _) => {
                    let label = key.open(Place::new("conversation", "label", row.id), &row.label)?;
                    let order_no = String::from_utf8_lossy(&label);
                    vault.index.of(Indexed::OrderNo { merchant, order_no: &order_no })
                }
                ("guest", Some(conversation)) => {
                    vault.index.of(Indexed::GuestOf { conversation, address: &customer })
                }
                _ => own,
            };
            batch.look(row.id, Column::Conversation, row.key_idx, Some(new.as_bytes().to_vec()));
            batch.also(row.id, Column::Customer, row.customer_idx, own.as_bytes().to_vec());
        }
        Ok(())
    }

    async fn sources(&self, position: i64, batch: &mut Batch) -> Result<(), RelayFault> {
        let vault = self.vault();
        for row in self.store().indexed_records(position, BATCH).await? {
            let Some(key) = self.living(&row.key)? else {
                batch.pass(row.id);
                continue;
            };
            let place = Place::new("record", "detail", row.id);
            let plain = match self.open_in(&key, place, &row.detail).await {
                Ok(plain) => plain,
                // The day's key is gone, and the record with it.
                Err(RelayFault::Vault(VaultError::Destroyed { .. })) => {
                    batch.pass(row.id);
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let detail: serde_json::Value = serde_json::from_slice(&plain).unwrap_or_default();
            let ip = detail.pointer("/peer/ip").and_then(serde_json::Value::as_str);
            let ip = ip.and_then(|ip| ip.parse::<IpAddr>().ok());
            let new = ip.map(|ip| vault.index.of(Indexed::Ip(ip)).to_i64().to_be_bytes().to_vec());
            batch.look(row.id, Column::Source, row.source.to_be_bytes().to_vec(), new);
        }
        Ok(())
    }

    fn value(
        &self,
        row: &IndexedRow,
        place: Place,
    ) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, RelayFault> {
        Ok(self.living(&row.key)?.map(|key| key.open(place, &row.value)).transpose()?)
    }

    /// A data key, unless it was destroyed.
    fn living(&self, row: &crate::store::KeyRow) -> Result<Option<Arc<DataKey>>, RelayFault> {
        match self.data_key(row) {
            Ok(key) => Ok(Some(key)),
            Err(VaultError::Destroyed { .. }) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// What still needs a key of the ring. Nothing: it can be destroyed.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn needs(&self, purpose: Purpose, name: char, now: Timestamp) -> Result<Vec<Need>, RelayFault> {
        let vault = self.vault();
        let lines = || vault.lines.iter().filter(|line| line.purpose == purpose);
        let Some(own) = lines().find(|line| line.name == name) else { return Ok(vec![Need::Unknown]) };
        if purpose == Purpose::Guard || (purpose == Purpose::Index && vault.numbers_with(name)) {
            return Ok(vec![Need::Numbers]);
        }
        let newest = lines().max_by_key(|line| line.created_at).unwrap_or(own);
        if own.seals && newest.name == name {
            return Ok(vec![Need::Seals]);
        }
        let since = newest.seals_from.after(SETTLED);
        if now < since {
            return Ok(vec![Need::Successor(newest.seals_from)]);
        }
        let letter = u8::try_from(name).unwrap_or_default();
        let (store, mut needs) = (self.store(), Vec::new());
        let mut rows = |count: i64, what: &'static str, cure: &'static str| {
            if count > 0 {
                needs.push(Need::Rows { count, what, cure });
            }
        };
        const REWRAP: &str = "run `anshin keys rewrap`";
        match purpose {
            Purpose::Alias => {
                let name = name.to_string();
                rows(
                    store.aliases_under(&name).await?,
                    "aliases were minted with it",
                    "they live as long as it does",
                );
                let count = store.deliveries_before(since).await?;
                rows(
                    count,
                    "deliveries in the queue may have return addresses of it",
                    "wait until they are purged",
                );
            }
            Purpose::Seal => {
                rows(store.data_keys_under(letter).await?, "data keys are wrapped with it", REWRAP);
                rows(
                    store.boxes_under(crate::vault::boxed_head(letter)).await?,
                    "verifiers are sealed to it",
                    REWRAP,
                );
            }
            Purpose::Body | Purpose::Log => {
                let count = store.segments_under(purpose, letter).await?;
                rows(count, "segments are wrapped with it", REWRAP);
            }
            Purpose::Index => {
                let count = store.tokens_before(since).await?;
                rows(count, "API tokens may be indexed with it", "a token is indexed anew at its next use");
                let count = store.suppressed_before(since, now).await?;
                rows(
                    count,
                    "suppressed mailboxes may be indexed with it",
                    "wait until they end, or remove them",
                );
                for stage in Stage::ALL.into_iter().filter(|stage| stage.purpose() == Purpose::Index) {
                    let place = store.rekeying(stage.as_str()).await?;
                    let is_done = |place: RekeyingRow| {
                        place.target == newest.fingerprint
                            && place.finished_at.is_some()
                            && place.begun_at >= since
                    };
                    if !place.is_some_and(is_done) {
                        needs.push(Need::Stage(stage));
                    }
                }
            }
            Purpose::Guard => {}
        }
        Ok(needs)
    }

    /// Notes that a key is retired: its file may go.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn retire(&self, purpose: Purpose, name: char, now: Timestamp) -> Result<(), RelayFault> {
        Ok(self.store().retire_ring_key(purpose.as_str(), &name.to_string(), now).await?)
    }
}

#[derive(Default)]
struct Batch {
    rows: Vec<Rewritten>,
    last: Option<i64>,
    looked: i64,
}

impl Batch {
    fn pass(&mut self, id: i64) {
        self.last = Some(id);
        self.looked += 1;
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

    fn index(&mut self, row: IndexedRow, column: Column, new: Option<Index>) {
        self.look(row.id, column, row.index, new.map(|index| index.as_bytes().to_vec()));
    }
}
