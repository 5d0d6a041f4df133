//! An installation whose log has some hours, on both engines, and ways to change its database behind its back.

use crate::peer::{Scratch, postgres, sqlite};
use crate::store::{domains, policy};
use anshin::ledger::{Verifier, What};
use anshin::mail::Timestamp;
use anshin::relay::{Anchors, Grown, Relay, Verification};
use anshin::store::{Ids, NewRecord, NextRows, Store};
use anshin::vault::{KeyRing, Make, Sealed, Vault};
use sqlx::{AssertSqlSafe, Connection};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

pub const HOUR: Duration = Duration::from_secs(3600);
/// Rows of each hour.
pub const ROWS: i64 = 5;

/// An installation whose log has some hours.
pub struct Ground {
    pub url: String,
    pub keys: PathBuf,
    pub relay: Relay,
}

/// Runs a test on SQLite and on PostgreSQL, with four hours of the log entered and a fifth that is not.
pub fn on_both<F: Future<Output = ()>>(test: impl Fn(Ground) -> F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = Scratch::new("tree");
    let database = postgres::fresh_database();
    for (number, url) in [format!("sqlite:{}", scratch.path().join("relay.db").display()), database.url()]
        .into_iter()
        .enumerate()
    {
        let keys = scratch.path().join(format!("keys-{number}"));
        runtime.block_on(async {
            let ground = Ground { relay: open(&url, &keys).await, url, keys };
            for hour in 0..5 {
                ground.log(hour, 0..ROWS).await;
            }
            for hour in 1..5 {
                ground.grow(hour).await;
            }
            test(ground).await;
        });
    }
}

pub async fn open(url: &str, keys: &std::path::Path) -> Relay {
    let vault = Vault::open(&KeyRing::open(keys, Make::Missing, Timestamp::now()).unwrap()).unwrap();
    let store = Store::open(url, &vault.file).await.unwrap();
    Relay::open(store, vault, domains(), policy()).await.unwrap()
}

/// The beginning of an hour of the test. The fifth is the one that runs: rows of the desk and certificates have the
/// time of now.
pub fn begins(hour: u32) -> Timestamp {
    static FIRST: OnceLock<Timestamp> = OnceLock::new();
    let hour_ms = i64::try_from(HOUR.as_millis()).unwrap();
    let first = FIRST.get_or_init(|| {
        Timestamp::from_millis((Timestamp::now().as_millis().div_euclid(hour_ms) - 5) * hour_ms)
    });
    first.after(hour * HOUR)
}

pub fn id(hour: u32, row: i64) -> i64 {
    Ids::first_of(begins(hour).after(Duration::from_secs(60))) + row
}

pub fn name(id: i64) -> Option<String> {
    Some(format!("{id:016X}"))
}

impl Ground {
    /// Writes rows of an hour.
    pub async fn log(&self, hour: u32, rows: std::ops::Range<i64>) {
        let row = |n: i64| NewRecord {
            id: id(hour, n),
            at: begins(hour),
            event: "accepted",
            merchant_id: Some(1),
            conversation_id: Some(n),
            message_id: Some(7),
            delivery_id: None,
            source: Some(5),
            data_key_id: 1,
            detail: Sealed::from_stored(vec![n.to_be_bytes()[7]; 40]),
            headers: (n % 2 == 0).then(|| Sealed::from_stored(vec![9; 50])),
            whence: None,
            fact: Box::default(),
        };
        self.relay.store().record(rows.map(row).collect()).await.unwrap();
    }

    /// Enters the hours before this one.
    pub async fn grow(&self, hour: u32) {
        let now = begins(hour).after(Duration::from_secs(400));
        while self.relay.grow_tree(now, true).await.unwrap() == Grown::More {}
    }

    /// Does something to the database behind the relay's back, while it runs.
    pub async fn edit(&self, edit: &[String]) {
        let mut connection = sqlite::connect(&self.url).await;
        for text in edit {
            sqlx::query(AssertSqlSafe(text.clone())).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// Destroys rows of the log as retention does; how many certificates the tree gets.
    pub async fn destroy(&self, ids: &[i64], what: What, rule: &str) -> usize {
        let headers_alone = what == What::Headers;
        let next = NextRows { table: "record", headers_alone, ids: ids.to_vec(), begun_at: Timestamp::now() };
        let notes = self.relay.certify_destruction(&next, rule).await.unwrap().unwrap().notes;
        let mut connection = sqlite::connect(&self.url).await;
        for (id, note) in &notes {
            let query = sqlx::query("INSERT INTO destruction (id, note) VALUES ($1, $2)")
                .bind(*id)
                .bind(note.as_str());
            query.execute(&mut connection).await.unwrap();
        }
        let head = if headers_alone { "UPDATE record SET headers = NULL" } else { "DELETE FROM record" };
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        let text = format!("{head} WHERE id IN ({})", ids.join(", "));
        sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        if !headers_alone {
            let text = format!("DELETE FROM fact WHERE id IN ({})", ids.join(", "));
            sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        notes.len()
    }

    /// What is kept outside the database.
    pub async fn anchor(&self) -> Vec<Anchors> {
        let note = self.relay.last_checkpoint().await.unwrap().unwrap().note;
        vec![Anchors { name: "anchors.txt".into(), text: format!("{note}\n") }]
    }

    pub async fn keys(&self) -> Vec<Verifier> {
        self.relay.tree_keys().await.unwrap()
    }

    pub async fn verify(&self, anchors: &[Anchors]) -> Verification {
        self.relay.verify_tree(&self.keys().await, anchors, None, |_| {}).await.unwrap()
    }

    /// Stops everything, edits, starts anew, verifies with what was kept outside.
    pub async fn edited(self, edit: &[String]) -> Verification {
        let anchors = self.anchor().await;
        let (url, keys) = (self.url.clone(), self.keys.clone());
        self.edit(edit).await;
        drop(self);
        let again = Ground { relay: open(&url, &keys).await, url, keys };
        // What runs on adds to whatever is there.
        again.grow(5).await;
        again.verify(&anchors).await
    }
}
