//! Which deliveries a look into the spool takes, on both engines: fairness between stores, classes, rest and wake, what is
//! doubtful, who is suppressed, and that the engines use the indexes.

use crate::peer::{Scratch, postgres, sqlite};
use crate::store::{claim, message, on_both, open, record, settlement, vault};
use anshin::mail::Timestamp;
use anshin::schedule::{Board, Bounds, Class, Groups, Left, Rest, Rooms};
use anshin::store::{Block, Gone, Leases, Mailbox, NewMessage, Next, Settlement};
use anshin::vault::{DataKey, Indexed, Vault};
use sqlx::{Connection, Row};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const REST: Rest = Rest { first: Duration::from_secs(60), max: Duration::from_secs(900) };

/// A message of one store to one destination.
fn to(vault: &Vault, key: &DataKey, merchant: i64, route: i64, class: Class) -> NewMessage {
    let mut new = message(vault, key, None);
    (new.merchant_id, new.delivery.route, new.delivery.class) = (merchant, route, class);
    new
}

#[test]
fn a_store_with_much_mail_does_not_keep_back_another_ones_single_one() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        for _ in 0..4 {
            let many = (0..100).map(|i| to(&vault, &key, 1, i % 50, Class::Order)).collect();
            store.accept(many).await.unwrap();
        }
        let single = to(&vault, &key, 2, 3, Class::Order);
        let expected = single.delivery.id;
        store.accept(vec![single]).await.unwrap();
        let now = Timestamp::now();
        let leased = claim(&store, now, now.after(Duration::from_secs(30)), 10, &[]).await;
        assert!(leased.iter().any(|work| work.delivery_id == expected));
        // What the other store left of its share is taken by the next look.
        let room = 10 - leased.len();
        assert_eq!(claim(&store, now, now.after(Duration::from_secs(30)), room, &[]).await.len(), room);
    });
}

#[test]
fn two_processes_that_accept_and_look_never_wait_for_each_other() {
    on_both(|url, vault| async move {
        let (first, key) = open(&url, &vault).await;
        let second = anshin::store::Store::open(&url, &vault.file).await.unwrap();
        let (vault, key) = (Arc::new(vault), Arc::new(key));
        let mut tasks = tokio::task::JoinSet::new();
        for store in [first, second] {
            for lane in 0..6_i64 {
                let (store, vault, key) = (store.clone(), vault.clone(), key.clone());
                tasks.spawn(async move {
                    for round in 0..20 {
                        // In no order of stores, so that two groups meet in each other's way.
                        let stores = (0..4).map(|i| (lane * 37 + round * 61 + i * 89) % 150);
                        let all =
                            stores.map(|merchant| to(&vault, &key, merchant, 7, Class::Order)).collect();
                        store.accept(all).await.map(|_| ()).unwrap();
                    }
                });
            }
            tasks.spawn(async move {
                for _ in 0..40 {
                    let (now, rooms) = (Timestamp::now(), Rooms::plain(50, 50, &[]));
                    let until = now.after(Duration::from_secs(600));
                    store
                        .claim(now, until, rooms, Class::ALL, Leases::TakenOver(now))
                        .await
                        .map(|_| ())
                        .unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
}

#[test]
fn notices_go_before_orders_and_orders_before_bulk() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let mut all: Vec<_> = [Class::Bulk, Class::Order, Class::Notice]
            .into_iter()
            .map(|class| to(&vault, &key, 1, 7, class))
            .collect();
        let expected: Vec<i64> = all.iter().rev().map(|new| new.delivery.id).collect();
        all.reverse();
        store.accept(all).await.unwrap();
        let (now, mut seen) = (Timestamp::now(), Vec::new());
        for _ in 0..3 {
            seen.extend(claim(&store, now, now.after(Duration::from_secs(30)), 1, &[]).await);
        }
        assert_eq!(seen.iter().map(|work| work.delivery_id).collect::<Vec<_>>(), expected);
    });
}

#[test]
fn what_rests_is_put_off_without_touching_its_deliveries_and_woken_at_once() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept((0..30).map(|_| to(&vault, &key, 1, 7, Class::Order)).collect()).await.unwrap();
        store.accept(vec![to(&vault, &key, 1, 8, Class::Order)]).await.unwrap();
        let bounds =
            Bounds { concurrency: 50, per_destination: 20, messages_per_connection: 100, rest: REST };
        let mut board = Board::new(bounds, Groups::default(), Vec::new());
        board.pause(&[7]);
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(30));
        let leased =
            store.claim(now, until, board.rooms(now, 50), Class::ALL, Leases::TakenOver(now)).await.unwrap();
        assert_eq!(leased.work.iter().map(|work| work.route).collect::<Vec<_>>(), [8]);
        // The lane rests, so that the next look does not even see it.
        assert!(claim(&store, now, until, 50, &[]).await.is_empty());
        assert_eq!(store.wake(Left::Only(vec![7]), now).await.unwrap(), 1);
        assert_eq!(claim(&store, now, until, 50, &[]).await.len(), 30);
    });
}

#[test]
fn what_waits_for_a_smarthost_is_woken_whole_and_nothing_else_is() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        for route in [7, 8, 9, -3] {
            store.accept(vec![to(&vault, &key, 1, route, Class::Order)]).await.unwrap();
        }
        let bounds =
            Bounds { concurrency: 50, per_destination: 20, messages_per_connection: 100, rest: REST };
        let groups = Groups::new(HashMap::new(), Some(vec![9]));
        let mut board = Board::new(bounds, groups, Vec::new());
        board.pause(&[7, 8, 9, -3]);
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(30));
        let rest = store.claim(now, until, board.rooms(now, 50), Class::ALL, Leases::TakenOver(now)).await;
        assert!(rest.unwrap().work.is_empty(), "all rest");
        assert_eq!(store.wake(board.siblings(7), now).await.unwrap(), 2);
        let mut woken: Vec<i64> =
            claim(&store, now, until, 50, &[]).await.into_iter().map(|work| work.route).collect();
        woken.sort_unstable();
        assert_eq!(woken, [7, 8]);
    });
}

#[test]
fn an_attempt_whose_end_nobody_saw_is_counted_as_doubtful() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept(vec![message(&vault, &key, None)]).await.unwrap();
        let now = Timestamp::now();
        let doubtful = || async { store.queue_totals().await.unwrap()[0].doubtful };
        claim(&store, now, now, 1, &[]).await;
        assert_eq!(doubtful().await, 0);
        let later = now.after(Duration::from_secs(1));
        claim(&store, later, later.after(Duration::from_secs(30)), 1, &[]).await;
        assert_eq!(doubtful().await, 1);
    });
}

#[test]
fn a_mailbox_that_refused_is_suppressed_for_longer_each_time_and_until_it_takes_mail() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let address = anshin::mail::RealAddress::parse("canary@mail.example").unwrap();
        let index = vault.index.of(Indexed::MailboxOf { merchant: 1, address: &address });
        let now = Timestamp::now();
        let settle = |mailbox: Mailbox| {
            let (store, vault, key) = (&store, &vault, &key);
            async move {
                store.accept(vec![message(vault, key, None)]).await.unwrap();
                let later = Timestamp::now();
                let work = claim(store, later, later.after(Duration::from_secs(30)), 1, &[]).await.remove(0);
                let settlement = Settlement {
                    record: Some(record(key, None)),
                    mailbox,
                    ..settlement(&work, now, Next::Failed)
                };
                assert!(store.settle(settlement).await.unwrap());
                store.suppression(std::iter::once(index), now).await.unwrap()
            }
        };
        let told = |late| {
            Mailbox::Gone(Gone {
                address_idx: index,
                merchant_id: 1,
                conversation_id: None,
                side: "customer",
                status: "550 5.1.1".into(),
                late,
            })
        };
        let gone = || told(false);
        let days = |row: anshin::store::SuppressedRow| row.expires_at.since(now).as_secs() / 86_400;
        assert_eq!(settle(gone()).await.map(days), None, "the first time is remembered");
        assert_eq!(settle(gone()).await.map(days), Some(1));
        assert_eq!(settle(gone()).await.map(days), Some(1), "what was under way says nothing new");
        assert!(settle(Mailbox::Alive(vec![index])).await.is_none());
        assert_eq!(settle(gone()).await.map(days), None);
        assert_eq!(settle(gone()).await.map(days), Some(1));
        let over = now.after(Duration::from_secs(2 * 86_400));
        assert!(store.suppression(std::iter::once(index), over).await.unwrap().is_none());
        // Who takes a mail and returns it later does not take it back by taking the next.
        assert_eq!(store.block(Block::Lift { address_idx: vec![index], record: None }).await.unwrap(), 1);
        assert_eq!(settle(told(true)).await.map(days), None);
        assert!(settle(Mailbox::Alive(vec![index])).await.is_none());
        assert_eq!(settle(told(true)).await.map(days), Some(1));
        assert!(settle(Mailbox::Alive(vec![index])).await.is_some(), "what was under way");
    });
}

#[test]
fn what_an_older_version_accepted_is_adopted() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept(vec![message(&vault, &key, None)]).await.unwrap();
        // As a process writes it that knows no lanes.
        let mut old = sqlite::connect(&url).await;
        let text = "UPDATE delivery SET class = NULL, merchant_id = NULL, look_at = NULL; DELETE FROM lane; DELETE FROM turn";
        sqlx::raw_sql(text).execute(&mut old).await.unwrap();
        old.close().await.unwrap();
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(30));
        assert!(claim(&store, now, until, 9, &[]).await.is_empty());
        assert_eq!((store.adopt(now).await.unwrap(), store.adopt(now).await.unwrap()), (1, 0));
        assert_eq!(claim(&store, now, until, 9, &[]).await.len(), 1);
    });
}

#[test]
fn what_one_process_accepts_wakes_another_one_on_postgres() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (scratch, database) = (Scratch::new("wake"), postgres::fresh_database());
    let vault = vault(&scratch);
    runtime.block_on(async {
        let (store, key) = open(&database.url(), &vault).await;
        let other = anshin::store::Store::open(&database.url(), &vault.file).await.unwrap();
        other.serve_due();
        // It may not listen yet when the first is accepted.
        let mut woken = false;
        for _ in 0..100 {
            store.accept(vec![message(&vault, &key, None)]).await.unwrap();
            woken |= tokio::time::timeout(Duration::from_millis(100), other.due()).await.is_ok();
            if woken {
                break;
            }
        }
        assert!(woken);
    });
}

/// What an attempt came to.
fn recorded(work: &anshin::store::Work, key: &anshin::vault::DataKey, next: Next) -> Settlement {
    Settlement { record: Some(record(key, None)), ..settlement(work, Timestamp::now(), next) }
}

#[test]
fn what_was_put_off_untried_costs_no_attempt_and_leaves_no_record() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept(vec![message(&vault, &key, None)]).await.unwrap();
        let mut now = Timestamp::now();
        for (was_tried, attempt) in [(false, 1), (false, 1), (true, 1), (true, 2)] {
            let until = now.after(Duration::from_secs(30));
            let work = claim(&store, now, until, 1, &[]).await.pop().unwrap();
            assert_eq!(work.attempt, attempt);
            let next = recorded(&work, &key, Next::Again(now));
            let record = next.record.filter(|_| was_tried);
            assert!(store.settle(Settlement { was_tried, record, ..next }).await.unwrap());
            now = now.after(Duration::from_secs(1));
        }
    });
}

#[test]
fn what_others_may_be_about_to_settle_is_left_to_them_and_what_was_delivered_is_delivered_whoever_has_it() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept(vec![message(&vault, &key, None), message(&vault, &key, None)]).await.unwrap();
        let now = Timestamp::now();
        let first = claim(&store, now, now, 1, &[]).await.remove(0);
        let later = now.after(Duration::from_secs(1));
        let until = later.after(Duration::from_secs(30));
        let look = async |leases| {
            store.claim(later, until, Rooms::plain(9, 9, &[]), Class::ALL, leases).await.unwrap().work
        };
        // Its lease is over, and another is due.
        let found = look(Leases::Left).await;
        assert_eq!(found.len(), 1);
        assert_ne!(found[0].delivery_id, first.delivery_id);
        // Nor is it over by the clock that all share.
        assert!(look(Leases::TakenOver(Timestamp::from_millis(now.as_millis() - 1))).await.is_empty());
        let second = look(Leases::TakenOver(later)).await.remove(0);
        assert_eq!(second.delivery_id, first.delivery_id);
        // The first one's late word that it is to be tried again counts for nothing, that it was delivered does.
        assert!(!store.settle(recorded(&first, &key, Next::Again(later))).await.unwrap());
        assert!(store.settle(recorded(&first, &key, Next::Delivered)).await.unwrap());
        assert!(!store.settle(recorded(&second, &key, Next::Again(later))).await.unwrap());
        assert!(!store.settle(recorded(&second, &key, Next::Delivered)).await.unwrap(), "once");
        let states: Vec<String> = store
            .queue_of_message(first.message_id)
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.state)
            .collect();
        assert_eq!(states, ["delivered"]);
    });
}

#[test]
fn what_can_not_be_read_is_held_once_and_keeps_nothing_else_from_being_leased() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let all: Vec<NewMessage> = (0..4).map(|_| message(&vault, &key, None)).collect();
        let (ids, deliveries): (Vec<i64>, Vec<i64>) = all.iter().map(|new| (new.id, new.delivery.id)).unzip();
        store.accept(all).await.unwrap();
        let mut connection = sqlite::connect(&url).await;
        let mut broken = vec![ids[0]];
        sqlx::query("DELETE FROM message WHERE id = $1").bind(ids[0]).execute(&mut connection).await.unwrap();
        if url.starts_with("sqlite:") {
            // There a column holds whatever is put into it.
            let text = "UPDATE delivery SET expires_at = 'soon' WHERE id = $1";
            sqlx::query(text).bind(deliveries[1]).execute(&mut connection).await.unwrap();
            broken.push(ids[1]);
        }
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(60));
        let look = async |now| {
            store
                .claim(now, until, Rooms::plain(9, 9, &[]), Class::ALL, Leases::TakenOver(now))
                .await
                .unwrap()
        };
        let mut found = look(now).await;
        found.unreadable.sort_unstable();
        broken.sort_unstable();
        assert_eq!((found.work.len(), found.unreadable), (4 - broken.len(), broken));
        let row = sqlx::query("SELECT state, held_for, lease FROM delivery WHERE id = $1");
        let row = row.bind(deliveries[0]).fetch_one(&mut connection).await.unwrap();
        let state = (row.get::<String, _>(0), row.get::<String, _>(1), row.get::<i64, _>(2));
        assert_eq!(state, ("held".to_owned(), "fault".to_owned(), 0));
        // Nor does it come up again when leases end.
        let found = look(until.after(Duration::from_secs(1))).await;
        assert!(found.unreadable.is_empty() && !found.work.is_empty());
        connection.close().await.unwrap();
    });
}

#[test]
fn a_result_whose_answer_was_lost_is_recorded_once_and_a_hold_under_a_lost_lease_never() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        store.accept(vec![message(&vault, &key, None), message(&vault, &key, None)]).await.unwrap();
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(60));
        let work = claim(&store, now, now, 2, &[]).await;
        let result = |work: &anshin::store::Work, next| {
            let record = record(&key, Some(work.message_id));
            Settlement { record: Some(record), ..recorded(work, &key, next) }
        };
        let records =
            async |work: &anshin::store::Work| store.records_of_message(work.message_id).await.unwrap().len();
        for next in [Next::Again(now), Next::Delivered] {
            // The second has other ids, as it has in a process that never heard of the first.
            let again = claim(&store, until, until, 2, &[]).await;
            let mine = again.iter().find(|one| one.delivery_id == work[0].delivery_id).unwrap();
            let before = records(mine).await;
            assert!(store.settle(result(mine, next)).await.unwrap());
            assert!(!store.settle(result(mine, next)).await.unwrap());
            assert_eq!(records(mine).await, before + 1, "{next:?}");
        }
        assert!(!store.has_lease(work[1].delivery_id, work[1].lease).await.unwrap());
        let held = Next::Held { why: "fault", until };
        let before = records(&work[1]).await;
        assert!(!store.settle(result(&work[1], held)).await.unwrap());
        assert_eq!(records(&work[1]).await, before);
        // What else it came to stands in the log, as ever.
        assert!(!store.settle(result(&work[1], Next::Failed)).await.unwrap());
        assert_eq!(records(&work[1]).await, before + 1);
    });
}
