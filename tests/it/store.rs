//! The store by itself, on both engines: leases, the duplicate guard, groups, idempotent opening, and that both engines answer alike.

use crate::peer::{Scratch, postgres, sqlite};
use anshin::anonymize::Rules;
use anshin::config::{CustomerName, MerchantName, Names, OtherAddress, Unproven};
use anshin::mail::{Domain, Timestamp};
use anshin::relay::{Domains, OrderFault, OrderRequest, Policy, Relay, RelayFault, SenderPolicy};
use anshin::schedule::{Class, Rooms};
use anshin::store::{
    Acceptance, Bound, Doubt, Kind, Leases, Mailbox, NewAlias, NewConversation, NewDelivery, NewKey,
    NewMessage, NewRecord, Next, Settlement, Store, StoreFault, Work, random_id,
};
use anshin::vault::{DataKey, Indexed, KeyRing, Make, Place, Vault};
use sqlx::Row;
use std::time::Duration;

/// Runs a test on SQLite and on PostgreSQL.
pub fn on_both<F: Future<Output = ()>>(test: impl Fn(String, Vault) -> F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = Scratch::new("store");
    let database = postgres::fresh_database();
    for url in [format!("sqlite:{}", scratch.path().join("relay.db").display()), database.url()] {
        runtime.block_on(test(url, vault(&scratch)));
    }
}

pub fn vault(scratch: &Scratch) -> Vault {
    let dir = scratch.path().join(format!("keys-{}", random_id()));
    Vault::open(&KeyRing::open(&dir, Make::Missing, Timestamp::now()).unwrap()).unwrap()
}

struct Subject {
    key: DataKey,
    new_key: NewKey,
}

fn subject(vault: &Vault) -> Subject {
    let id = random_id();
    let (key, wrapped) = vault.seal.new_data_key(id);
    Subject { key, new_key: NewKey { id, subject: "installation", wrapped, menu: None } }
}

pub fn record(key: &DataKey, message: Option<i64>) -> NewRecord {
    let id = random_id();
    NewRecord {
        id,
        at: Timestamp::now(),
        event: "accepted",
        merchant_id: None,
        conversation_id: None,
        message_id: message,
        delivery_id: None,
        source: None,
        data_key_id: key.id(),
        detail: key.seal(Place::new("record", "detail", id), b"{}"),
        headers: None,
        whence: None,
        fact: Box::default(),
    }
}

pub fn message(vault: &Vault, key: &DataKey, guarded_by: Option<&str>) -> NewMessage {
    let (id, delivery, at) = (random_id(), random_id(), Timestamp::now());
    NewMessage {
        id,
        merchant_id: 1,
        conversation_id: None,
        data_key_id: key.id(),
        direction: "copy",
        envelope: key.seal(Place::new("message", "envelope", id), b"{}"),
        body: key.seal(Place::new("message_body", "body", id), b"Subject: x\r\n\r\ny\r\n"),
        kept: None,
        size: 17,
        at,
        delivery: NewDelivery {
            id: delivery,
            class: Class::Order,
            look_at: at.after(Duration::from_secs(30)),
            route: 7,
            recipient: key.seal(Place::new("delivery", "recipient", delivery), b"a@b.example"),
            expires_at: at.after(Duration::from_secs(60)),
            hold: None,
        },
        record: record(key, Some(id)),
        threads: Vec::new(),
        guard: guarded_by.map(|message_id| {
            let index = vault.index.of(Indexed::Submission { alias: 1, message_id, digest: &[0; 32] });
            (index, at.after(Duration::from_secs(60)))
        }),
        notices: Vec::new(),
    }
}

/// Leases up to `count` due deliveries, none to a destination in `full`.
pub async fn claim(store: &Store, now: Timestamp, until: Timestamp, count: usize, full: &[i64]) -> Vec<Work> {
    store
        .claim(now, until, Rooms::plain(count, count, full), Class::ALL, Leases::TakenOver(now))
        .await
        .unwrap()
        .work
}

pub async fn open(url: &str, vault: &Vault) -> (Store, DataKey) {
    let store = Store::open(url, &vault.file).await.unwrap();
    let Subject { key, new_key } = subject(vault);
    let bound = vault.index.of(Indexed::Ruling { table: "installation", row: 1, said: "bound" });
    let probe = key.seal(Place::new("installation", "probe", 1), b"x");
    store.install(&new_key, &probe, bound, Timestamp::now()).await.unwrap();
    (store, key)
}

#[test]
fn a_leased_delivery_is_not_leased_again_until_the_lease_ends() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept(vec![message(&vault, &key, None)]).await.unwrap();
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(30));
        let first = claim(&store, now, until, 10, &[]).await;
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].attempt, 1);
        assert!(claim(&store, now, until, 10, &[]).await.is_empty());
        // The lease ends by itself: nobody cleans up after a dead worker.
        let later = until.after(Duration::from_secs(1));
        let second = claim(&store, later, later.after(Duration::from_secs(30)), 10, &[]).await;
        assert_eq!(second.len(), 1);
        assert_eq!(second[0].attempt, 2);
    });
}

#[test]
fn a_busy_destination_is_left_alone() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let mut other = message(&vault, &key, None);
        other.delivery.route = 8;
        let expected = other.delivery.id;
        store.accept(vec![message(&vault, &key, None), other]).await.unwrap();
        let now = Timestamp::now();
        let leased = claim(&store, now, now.after(Duration::from_secs(30)), 10, &[7, 9]).await;
        assert_eq!(leased.iter().map(|work| work.delivery_id).collect::<Vec<_>>(), [expected]);
    });
}

#[test]
fn a_settlement_under_a_lost_lease_changes_nothing_but_the_log() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept(vec![message(&vault, &key, None)]).await.unwrap();
        let now = Timestamp::now();
        let lost = claim(&store, now, now, 1, &[]).await.pop().unwrap();
        let later = now.after(Duration::from_secs(1));
        let held = claim(&store, later, later.after(Duration::from_secs(30)), 1, &[]).await.pop().unwrap();
        let settlement = |lease: i64, next: Next| Settlement {
            lease,
            status: Some("550 5.1.1".into()),
            record: Some(record(&key, Some(held.message_id))),
            ..settlement(&held, later, next)
        };
        assert!(!store.settle(settlement(lost.lease, Next::Failed)).await.unwrap());
        assert!(store.body(held.message_id).await.unwrap().is_some());
        assert!(store.settle(settlement(held.lease, Next::Delivered)).await.unwrap());
        assert!(store.body(held.message_id).await.unwrap().is_none());
        assert_eq!(store.queue_of_message(held.message_id).await.unwrap()[0].state, "delivered");
        assert_eq!(store.records_of_message(held.message_id).await.unwrap().len(), 3);
    });
}

#[test]
fn the_same_message_is_accepted_once() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let first = message(&vault, &key, Some("<1@shop.example>"));
        let id = first.id;
        assert_eq!(store.accept(vec![first]).await.unwrap(), [Acceptance::New(id)]);
        let again = store.accept(vec![message(&vault, &key, Some("<1@shop.example>"))]).await.unwrap();
        assert_eq!(again, [Acceptance::Duplicate(id)]);
        let other = store.accept(vec![message(&vault, &key, Some("<2@shop.example>"))]).await.unwrap();
        assert!(matches!(other[..], [Acceptance::New(_)]));
        assert_eq!(store.queue_totals().await.unwrap()[0].count, 2);
    });
}

#[test]
fn of_many_messages_in_one_group_each_is_kept_whole_and_twins_once() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let ids = ["<1@x.example>", "<2@x.example>", "<1@x.example>"];
        let mut all: Vec<_> = ids.iter().map(|id| message(&vault, &key, Some(id))).collect();
        all.extend((0..40).map(|_| message(&vault, &key, None)));
        let first = all[0].id;
        let kept: Vec<i64> = all.iter().map(|message| message.id).filter(|id| *id != all[2].id).collect();
        let accepted = store.accept(all).await.unwrap();
        assert_eq!(accepted[2], Acceptance::Duplicate(first));
        assert_eq!(accepted.iter().filter(|a| matches!(a, Acceptance::New(_))).count(), 42);
        for id in kept {
            assert!(store.body(id).await.unwrap().is_some());
            assert_eq!(store.queue_of_message(id).await.unwrap().len(), 1);
            assert_eq!(store.records_of_message(id).await.unwrap().len(), 1);
        }
    });
}

#[test]
fn of_many_settlements_in_one_group_each_ends_its_own_delivery_once() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept((0..21).map(|_| message(&vault, &key, None)).collect()).await.unwrap();
        let now = Timestamp::now();
        let work = claim(&store, now, now.after(Duration::from_secs(30)), 20, &[]).await;
        let settlement = |work: &anshin::store::Work, next: Next, status: Option<&str>| Settlement {
            status: status.map(str::to_owned),
            record: Some(record(&key, Some(work.message_id))),
            late: matches!(next, Next::Held { .. }).then_some(now),
            ..settlement(work, now, next)
        };
        let results = [
            (Next::Delivered, Some("250 2.0.0"), "delivered"),
            (Next::Failed, Some("550 5.1.1"), "failed"),
            (Next::Again(now), Some("451 4.3.0"), "waiting"),
            (Next::Held { why: "residue", until: now.after(Duration::from_secs(9)) }, None, "held"),
        ];
        // The last is settled twice: a repetition after a lost answer.
        let mut asked: Vec<_> = work.iter().zip(results.iter().cycle()).collect();
        asked.push((&work[19], &results[3]));
        let tasks: Vec<_> = asked
            .iter()
            .map(|(work, (next, status, _))| {
                let (store, settlement) = (store.clone(), settlement(work, *next, *status));
                tokio::spawn(async move { store.settle(settlement).await.unwrap() })
            })
            .collect();
        let mut held = Vec::new();
        for task in tasks {
            held.push(task.await.unwrap());
        }
        assert_eq!(held.iter().filter(|held| **held).count(), 20);
        for (work, (next, status, state)) in asked {
            let row = store.queue_of_message(work.message_id).await.unwrap().pop().unwrap();
            assert_eq!((row.state.as_str(), row.last_status.as_deref()), (*state, *status));
            let is_held = matches!(next, Next::Held { .. });
            assert_eq!(row.held_for.as_deref(), is_held.then_some("residue"));
            assert_eq!(row.expires_at == now.after(Duration::from_secs(9)), is_held);
            let is_over = matches!(next, Next::Delivered | Next::Failed);
            assert_eq!(store.body(work.message_id).await.unwrap().is_none(), is_over);
        }
        // The one that was not leased is as it was.
        let totals = store.queue_totals().await.unwrap();
        let waiting = totals.iter().find(|total| total.state == "waiting").unwrap();
        assert_eq!(waiting.count, 6);
    });
}

#[test]
fn with_a_store_that_has_left_no_conversation_is_opened_even_if_it_was_there_a_moment_ago() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let mut connection = sqlite::connect(&url).await;
        let text = "INSERT INTO merchant (id, store_idx, data_key_id, profile, menu, created_at)              VALUES (1, 's', 1, 'p', 'm', 1)";
        sqlx::query(text).execute(&mut connection).await.unwrap();
        let new = |order_no| {
            let (id, key_id, now) = (random_id(), random_id(), Timestamp::now());
            let wrapped = vault.seal.new_data_key(key_id).1;
            let alias =
                |side| NewAlias { id: random_id(), side, key_name: "a".into(), domain: "fw.example".into() };
            NewConversation {
                id,
                merchant_id: 1,
                kind: Kind::Order,
                parent: None,
                key_idx: vault.index.of(Indexed::OrderNo { merchant: 1, order_no }),
                key: NewKey { id: key_id, subject: "conversation", wrapped, menu: None },
                customer_idx: vault.index.of(Indexed::OrderNo { merchant: 1, order_no }),
                customer: key.seal(Place::new("conversation", "customer", id), b"a@b.example"),
                label: key.seal(Place::new("conversation", "label", id), b"1"),
                aliases: [alias("customer"), alias("merchant")],
                bound: Bound {
                    revision: key.seal(Place::new("conversation", "revision", id), b"1"),
                    tags: Vec::new(),
                },
                at: now,
                expires_at: now.after(Duration::from_secs(60)),
            }
        };
        let (id, is_new) = store.open_conversation(new("1")).await.unwrap().unwrap();
        assert!(is_new);
        assert_eq!(store.open_conversation(new("1")).await.unwrap(), Some((id, false)));
        store.leave(1, Timestamp::now()).await.unwrap();
        assert_eq!(store.open_conversation(new("2")).await.unwrap(), None);
        let count =
            sqlx::query("SELECT COUNT(*) FROM conversation").fetch_one(&mut connection).await.unwrap();
        assert_eq!(count.try_get::<i64, _>(0).unwrap(), 1);
    });
}

#[test]
fn one_bad_change_harms_nobody_else_in_its_group() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let taken = message(&vault, &key, None);
        let id = taken.id;
        store.accept(vec![taken]).await.unwrap();
        let mut clash = message(&vault, &key, None);
        clash.id = id;
        let good: Vec<_> = (0..20).map(|_| message(&vault, &key, None)).collect();
        let tasks: Vec<_> = std::iter::once(clash)
            .chain(good)
            .map(|message| {
                let store = store.clone();
                tokio::spawn(async move { store.accept(vec![message]).await })
            })
            .collect();
        let mut refused = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(accepted) => assert_eq!(accepted.len(), 1),
                Err(fault) => {
                    assert_eq!(fault, StoreFault::Exists);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1);
        assert_eq!(store.queue_totals().await.unwrap()[0].count, 21);
    });
}

#[test]
fn what_ended_is_purged_and_what_waits_is_not() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store
            .accept(vec![message(&vault, &key, Some("<1@x.example>")), message(&vault, &key, None)])
            .await
            .unwrap();
        let now = Timestamp::now();
        let work = claim(&store, now, now.after(Duration::from_secs(9)), 1, &[]).await.pop().unwrap();
        let settlement =
            Settlement { record: Some(record(&key, None)), ..settlement(&work, now, Next::Failed) };
        store.settle(settlement).await.unwrap();
        let later = now.after(Duration::from_secs(3600));
        store.purge(later, later).await.unwrap();
        let totals = store.queue_totals().await.unwrap();
        assert_eq!((totals.len(), totals[0].state.as_str(), totals[0].count), (1, "waiting", 1));
        // The guard's time is over too: the same message may come again.
        let again = store.accept(vec![message(&vault, &key, Some("<1@x.example>"))]).await.unwrap();
        assert!(matches!(again[..], [Acceptance::New(_)]));
    });
}

/// What became of an attempt, of which nothing else is said.
pub fn settlement(work: &Work, at: Timestamp, next: Next) -> Settlement {
    Settlement {
        delivery_id: work.delivery_id,
        message_id: work.message_id,
        lease: work.lease,
        at,
        next,
        status: None,
        was_tried: true,
        record: None,
        notice: None,
        late: None,
        doubt: Doubt::Clear,
        mailbox: Mailbox::Nothing,
        keep_body: None,
    }
}

pub fn policy() -> Policy {
    Policy {
        hostname: "relay.example".into(),
        expire: Duration::from_secs(3600),
        delay_notice: Duration::from_secs(60),
        keep_failed: None,
        order_lifetime: Duration::from_secs(3600),
        duplicate_window: Duration::from_secs(3600),
        postmaster: None,
        hold_expire: Duration::from_secs(3600),
        rules: Rules::default(),
        names: Names { merchant: MerchantName::AsWritten, customer: CustomerName::AsWritten },
        senders: SenderPolicy { unproven: Unproven::Hold, other_address: OtherAddress::Refuse },
        brand: "Anshin Mail".into(),
        staff: std::sync::Arc::new(anshin::residency::Staff::of_nobody(anshin::config::Enforce::Refuse)),
    }
}

pub fn domains() -> Domains {
    Domains::new(&Domain::parse("fw.example").unwrap(), &Domain::parse("shop.example").unwrap()).unwrap()
}

async fn relay(url: &str, vault: Vault) -> Relay {
    let store = Store::open(url, &vault.file).await.unwrap();
    Relay::open(store, vault, domains(), policy()).await.unwrap()
}

#[test]
fn the_same_order_opened_at_once_by_many_has_one_pair_of_aliases() {
    on_both(|url, vault| async move {
        let relay = relay(&url, vault).await;
        let request = anshin::relay::NewMerchantRequest {
            store_id: "hana".into(),
            name: "Hana".into(),
            addresses: vec!["canary-shop@hana.example".into()],
        };
        relay.add_merchant(request).await.unwrap();
        let order = |customer: &str| OrderRequest {
            store_id: "hana".into(),
            order_no: "2026-1".into(),
            customer: customer.into(),
            expires_at: None,
        };
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let (relay, order) = (relay.clone(), order("canary-hanako@mail.example"));
                tokio::spawn(async move { relay.open_order(order).await.unwrap() })
            })
            .collect();
        let mut views = Vec::new();
        for task in tasks {
            views.push(task.await.unwrap());
        }
        assert_eq!(views.iter().filter(|view| view.is_new).count(), 1);
        let aliases =
            |view: &anshin::relay::OrderView| (view.customer_alias.clone(), view.merchant_alias.clone());
        assert!(views.windows(2).all(|w| aliases(&w[0]) == aliases(&w[1])));
        let other = relay.open_order(order("canary-taro@mail.example")).await;
        assert!(matches!(other, Err(OrderFault::OtherCustomer)));
    });
}

#[test]
fn a_database_with_another_key_ring_is_refused() {
    on_both(async |url, vault| {
        let (scratch, file) = (Scratch::new("rings"), vault.file.clone());
        drop(relay(&url, vault).await);
        let store = Store::open(&url, &file).await.unwrap();
        let refused = Relay::open(store, self::vault(&scratch), domains(), policy()).await;
        assert!(matches!(refused.err(), Some(RelayFault::WrongRing(_))));
    });
}
