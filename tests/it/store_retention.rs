//! Destruction by retention, on both engines: keys first, exact certificates wherever it was stopped, and what a hold keeps.

use crate::store::{on_both, open};
use crate::store_facts::{fact, number};
use anshin::mail::Timestamp;
use anshin::store::{
    DAY_MS, HeldScope, Ids, NewKey, NewLegalHold, NewLook, NewRecord, NewSegment, Noted, Progress, Proves,
    Store, random_id,
};
use anshin::vault::{Class, DataKey, Index, Indexed, Place, Sealed, Vault};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A day of the past: 2026-05-01.
const DAY: i64 = 20_574;
/// Ids of certificates, in their order.
static NEXT: AtomicI64 = AtomicI64::new(1);
const RULE: &str = "period 395d\nreason a test\napprover -\nreview -\n";

fn at(day: i64, second: u64) -> Timestamp {
    Timestamp::from_millis(day * DAY_MS).after(Duration::from_secs(second))
}

struct Past {
    ids: Ids,
}

impl Past {
    fn record(
        &self,
        key: &DataKey,
        event: &'static str,
        when: Timestamp,
        merchant: Option<i64>,
    ) -> NewRecord {
        let id = self.ids.next(when);
        NewRecord {
            id,
            at: when,
            event,
            merchant_id: merchant,
            conversation_id: merchant.map(|merchant| merchant * 10),
            message_id: None,
            delivery_id: None,
            source: None,
            data_key_id: key.id(),
            // The same in each database, so that their hashes can be compared.
            detail: Sealed::from_stored(id.to_be_bytes().to_vec()),
            headers: Some(Sealed::from_stored(vec![7; 3])),
            whence: None,
            fact: Box::new(fact(1)),
        }
    }
}

/// What proves a lifting; the store keeps it and compares nothing.
fn lifted(vault: &Vault) -> Index {
    vault.index.of(Indexed::Ruling { table: "legal_hold", row: 7, said: "lifted" })
}

/// Who has the key ring.
struct Ring<'a>(&'a Vault);

impl Proves for Ring<'_> {
    fn next_id(&self) -> i64 {
        random_id()
    }

    fn prove(&self, table: &'static str, row: i64, said: &str) -> Index {
        self.0.index.of(Indexed::Ruling { table, row, said })
    }

    fn owns(&self, _data_key: i64) -> bool {
        true
    }
}

/// The look that says that a hold was set.
fn set(vault: &Vault, key: &DataKey, now: Timestamp) -> NewLook {
    NewLook {
        id: random_id(),
        at: now,
        actor_idx: vault.index.of(Indexed::Actor("akiko")),
        login_idx: None,
        purpose: "legal-request",
        kind: "hold",
        rows: 0,
        outcome: "set",
        request_id: None,
        data_key_id: key.id(),
        detail: Sealed::from_stored(vec![7; 3]),
    }
}

/// Each record has its fact, each fact its record, and no attachment is left alone.
async fn agree(url: &str) {
    for text in [
        "SELECT COUNT(*) FROM record r WHERE NOT EXISTS (SELECT 1 FROM fact f WHERE f.id = r.id)",
        "SELECT COUNT(*) FROM fact f WHERE NOT EXISTS (SELECT 1 FROM record r WHERE r.id = f.id)",
        "SELECT COUNT(*) FROM fact_file l WHERE NOT EXISTS (SELECT 1 FROM fact f WHERE f.id = l.fact_id)",
    ] {
        assert_eq!(number(url, text).await, 0, "{text}");
    }
}

async fn segment(store: &Store, vault: &Vault, class: Class, day: i64) -> i64 {
    let id = random_id();
    let (_, wrapped) = vault.class(class).new_segment(class, id, day);
    store.announce(NewSegment { id, class: class.as_str(), day, wrapped, at: at(day, 0) });
    store.record(Vec::new()).await.unwrap();
    id
}

/// Works on a day for so many steps, as a node that stops then.
async fn work(store: &Store, class: Class, steps: usize, now: Timestamp) -> Option<Progress> {
    store.begin_destruction(class, DAY, now).await.unwrap();
    for _ in 0..steps {
        let next = store.next_rows(class, DAY).await.unwrap();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let done = store.destroy_rows(class, DAY, &next, &Noted::default(), id, RULE, now).await.unwrap();
        if done != Progress::More {
            return Some(done);
        }
    }
    None
}

async fn texts(store: &Store) -> Vec<String> {
    let rows = store.certificates(10).await.unwrap();
    rows.iter().rev().map(|row| String::from_utf8(row.body.clone()).unwrap()).collect()
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim()
}

#[test]
fn a_day_goes_keys_first_and_one_certificate_is_exact_however_often_it_was_stopped() {
    let (past, now) = (Past { ids: Ids::default() }, at(DAY + 400, 5));
    // The same rows in every database, so that each hash must be the same.
    let ids: Vec<i64> = (0..4500).map(|second| past.ids.next(at(DAY, second))).collect();
    let [refused, next_day] = [at(DAY, 4500), at(DAY + 1, 0)].map(|when| past.ids.next(when));
    let roots = std::sync::Mutex::new(std::collections::BTreeSet::new());
    on_both(async |url, vault| {
        let (store, key) = open(&url, &vault).await;
        let id = segment(&store, &vault, Class::Metadata, DAY).await;
        for some in ids.chunks(500) {
            let row = |id: &i64| NewRecord {
                id: *id,
                data_key_id: 1,
                detail: Sealed::from_stored(id.to_be_bytes().to_vec()),
                ..past.record(&key, "accepted", at(DAY, 1), Some(1))
            };
            store.record(some.iter().map(row).collect()).await.unwrap();
        }
        let others = [("refused", refused), ("accepted", next_day)];
        let other = |(event, id)| NewRecord { id, ..past.record(&key, event, at(DAY, 1), Some(1)) };
        store.record(others.map(other).into()).await.unwrap();
        assert_eq!(store.rows_of_day(Class::Metadata, DAY).await.unwrap(), (4500, 0));
        assert_eq!(store.days_left(Class::Metadata, DAY).await.unwrap(), [DAY]);
        // The keys go before any row does.
        assert_eq!(work(&store, Class::Metadata, 0, now).await, None);
        assert!(store.segment(id).await.unwrap().unwrap().wrapped.is_empty());
        assert_eq!(store.rows_of_day(Class::Metadata, DAY).await.unwrap(), (4500, 0));
        // Nodes that come and go; on PostgreSQL two at a time, and on SQLite one after the other.
        let other = Store::open(&url, &vault.file).await.unwrap();
        let mut certified = 0;
        for _ in 0..20 {
            let pair = (work(&store, Class::Metadata, 1, now), work(&other, Class::Metadata, 1, now));
            let (a, b) = match url.starts_with("postgres") {
                true => tokio::join!(pair.0, pair.1),
                false => (pair.0.await, pair.1.await),
            };
            let is_it = |done: &Progress| *done == Progress::Done { certified: true };
            certified += [a, b].into_iter().flatten().filter(is_it).count();
        }
        assert_eq!(certified, 1);
        let texts = texts(&store).await;
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert_eq!((line(&texts[0], "rows "), line(&texts[0], "day ")), ("4500", "2026-05-01"));
        assert_eq!(line(&texts[0], "keys destroyed ").split(' ').count(), 2, "{}", texts[0]);
        roots.lock().unwrap().insert(line(&texts[0], "root ").to_owned());
        assert!(store.days_left(Class::Metadata, DAY).await.unwrap().is_empty());
        // Rows of another class and of the next day stay.
        assert_eq!(store.rows_of_day(Class::Rejected, DAY).await.unwrap(), (1, 0));
        assert_eq!(store.rows_of_day(Class::Metadata, DAY + 1).await.unwrap(), (1, 0));
    });
    assert_eq!(roots.into_inner().unwrap().len(), 1);
}

#[test]
fn what_a_hold_keeps_stays_readable_and_goes_when_it_is_lifted() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let (past, now) = (Past { ids: Ids::default() }, at(DAY + 400, 5));
        let id = segment(&store, &vault, Class::Metadata, DAY).await;
        let headers = segment(&store, &vault, Class::Headers, DAY).await;
        let rows = [(1, 1), (2, 2), (3, 2), (4, 3)];
        let rows = rows.map(|(second, store)| past.record(&key, "accepted", at(DAY, second), Some(store)));
        store.record(rows.into_iter().collect()).await.unwrap();
        let hold = |id, merchant_id, conversations: Option<Vec<i64>>, until: Option<Timestamp>| {
            let (own, wrapped) = vault.seal.new_data_key(id);
            let by_person = conversations.is_some();
            let until = until.map(Timestamp::as_millis);
            NewLegalHold {
                id,
                at: now,
                scope: HeldScope { merchant_id, by_person, from: None, until },
                conversations: conversations.unwrap_or_default(),
                key: NewKey { id, subject: "hold", wrapped, menu: None },
                detail: own.seal(Place::new("legal_hold", "detail", id), b"{}"),
            }
        };
        for new in [
            hold(7, Some(2), None, Some(at(DAY, 3))),
            hold(8, None, Some(vec![30]), None),
            hold(9, Some(3), Some(vec![20]), None),
        ] {
            store.add_hold(&set(&vault, &key, now), &new).await.unwrap();
        }
        // Store 2 before the third second, and the conversation of store 3; what must meet two things meets none.
        assert_eq!(store.rows_of_day(Class::Metadata, DAY).await.unwrap(), (4, 2));
        for class in [Class::Headers, Class::Metadata] {
            agree(&url).await;
            assert_eq!(work(&store, class, 9, now).await, Some(Progress::Done { certified: true }));
            assert_eq!(work(&store, class, 9, now).await, Some(Progress::Done { certified: false }));
            assert_eq!(store.rows_of_day(class, DAY).await.unwrap(), (2, 2));
        }
        for id in [id, headers] {
            assert!(!store.segment(id).await.unwrap().unwrap().wrapped.is_empty());
        }
        assert_eq!(store.days_left(Class::Metadata, DAY).await.unwrap(), [DAY]);
        assert!(store.lift_hold(7, lifted(&vault), &Ring(&vault), now).await.unwrap());
        assert!(!store.lift_hold(7, lifted(&vault), &Ring(&vault), now).await.unwrap());
        assert_eq!(work(&store, Class::Metadata, 9, now).await, Some(Progress::Done { certified: true }));
        assert_eq!(store.rows_of_day(Class::Metadata, DAY).await.unwrap(), (1, 1));
        assert!(store.lift_hold(8, lifted(&vault), &Ring(&vault), now).await.unwrap());
        assert_eq!(work(&store, Class::Metadata, 9, now).await, Some(Progress::Done { certified: true }));
        assert_eq!(store.rows_of_day(Class::Metadata, DAY).await.unwrap(), (0, 0));
        assert!(store.segment(id).await.unwrap().unwrap().wrapped.is_empty());
        assert!(!store.segment(headers).await.unwrap().unwrap().wrapped.is_empty());
        let texts = texts(&store).await;
        let of = |class: &str| texts.iter().filter(|text| line(text, "class ") == class).collect::<Vec<_>>();
        let rows: Vec<&str> = of("metadata").into_iter().map(|text| line(text, "rows ")).collect();
        assert_eq!((rows, line(of("headers")[0], "rows ")), (vec!["2", "1", "1"], "2"));
        assert_eq!(line(of("metadata")[1], "keys "), "kept: a hold touches the day");
        assert!(line(of("metadata")[2], "keys ").starts_with("destroyed "));
        agree(&url).await;
        // A lifted hold says no more whom it named.
        let lifted = store.legal_holds().await.unwrap();
        assert!(lifted.iter().filter(|row| row.lifted_at.is_some()).all(|row| row.key.wrapped.is_empty()));
    });
}

#[test]
fn rows_without_a_key_of_their_day_are_found_and_a_hold_near_midnight_keeps_the_keys_of_both_days() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let (past, now) = (Past { ids: Ids::default() }, at(DAY + 400, 5));
        // Of a version that had no keys of days; then a mail just after midnight, sealed with the key of the day that
        // ended.
        let rows = [at(DAY - 40, 7), at(DAY - 30, 7), at(DAY, 9), at(DAY + 1, 0)];
        let rows = rows.map(|when| past.record(&key, "accepted", when, Some(2)));
        store.record(rows.into_iter().collect()).await.unwrap();
        let id = segment(&store, &vault, Class::Metadata, DAY).await;
        assert_eq!(store.days_left(Class::Metadata, DAY + 5).await.unwrap(), [DAY]);
        let strays = async |until| store.stray_days(Class::Metadata, until).await.unwrap();
        assert_eq!(strays(DAY + 5).await, [DAY - 40, DAY - 30, DAY + 1]);
        assert_eq!(strays(DAY - 40).await, [DAY - 40]);
        assert!(store.stray_days(Class::Logins, DAY + 5).await.unwrap().is_empty());
        // A hold on what is sealed with the day's key and stands in the next.
        let (own, wrapped) = vault.seal.new_data_key(7);
        let hold = NewLegalHold {
            id: 7,
            at: now,
            scope: HeldScope {
                merchant_id: Some(2),
                by_person: false,
                from: Some(at(DAY + 1, 0).as_millis()),
                until: None,
            },
            conversations: Vec::new(),
            key: NewKey { id: 7, subject: "hold", wrapped, menu: None },
            detail: own.seal(Place::new("legal_hold", "detail", 7), b"{}"),
        };
        store.add_hold(&set(&vault, &key, now), &hold).await.unwrap();
        assert_eq!(work(&store, Class::Metadata, 9, now).await, Some(Progress::Done { certified: true }));
        assert!(!store.segment(id).await.unwrap().unwrap().wrapped.is_empty(), "the hold needs it");
        assert!(store.lift_hold(7, lifted(&vault), &Ring(&vault), now).await.unwrap());
        assert_eq!(work(&store, Class::Metadata, 9, now).await, Some(Progress::Done { certified: true }));
        assert!(store.segment(id).await.unwrap().unwrap().wrapped.is_empty());
        for day in strays(DAY + 5).await {
            store.begin_destruction(Class::Metadata, day, now).await.unwrap();
            loop {
                let next = store.next_rows(Class::Metadata, day).await.unwrap();
                let (id, none) = (NEXT.fetch_add(1, Ordering::Relaxed), Noted::default());
                let done = store.destroy_rows(Class::Metadata, day, &next, &none, id, RULE, now);
                if done.await.unwrap() != Progress::More {
                    break;
                }
            }
            assert!(store.is_destroyed(Class::Metadata, day).await.unwrap());
        }
        assert!(strays(DAY + 5).await.is_empty());
        assert!(store.log_rows(0, i64::MAX, 9).await.unwrap().is_empty());
        agree(&url).await;
    });
}
