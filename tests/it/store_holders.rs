//! A delivery with two holders, on both engines: the lease of the first was over, another took it over, and both write what it came to.
//!
//! The only word of the first that counts is that the next hop has the mail: all else is the second's to say.

use crate::store::{claim, message, on_both, open, record, settlement};
use anshin::mail::Timestamp;
use anshin::store::{Doubt, NewMessage, Next, Settlement, Work};
use anshin::vault::DataKey;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn with_status(work: &Work, key: &DataKey, next: Next) -> Settlement {
    Settlement {
        status: Some("451 4.4.1".into()),
        record: Some(record(key, Some(work.message_id))),
        ..settlement(work, Timestamp::now(), next)
    }
}

#[test]
fn the_first_holder_of_two_moves_nothing_tells_nobody_and_leaves_the_text_to_the_second() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let now = Timestamp::now();
        let held = Next::Held { why: "fault", until: now };
        for (next, was_tried) in
            [(Next::Again(now), true), (Next::Again(now), false), (Next::Failed, true), (held, true)]
        {
            store.accept(vec![message(&vault, &key, None)]).await.unwrap();
            let now = Timestamp::now();
            let first = claim(&store, now, now, 1, &[]).await.remove(0);
            let second = claim(&store, now.after(MINUTE), now.after(2 * MINUTE), 1, &[]).await.remove(0);
            assert_eq!((second.delivery_id, second.attempt), (first.delivery_id, 2));
            let row = async || store.queue_of_message(first.message_id).await.unwrap().remove(0);
            let seen = |row: &anshin::store::QueueRow| {
                (
                    row.state.clone(),
                    row.attempts,
                    row.next_at,
                    row.leased,
                    row.doubtful,
                    row.last_status.clone(),
                )
            };
            let before = row().await;
            let notice: NewMessage = message(&vault, &key, None);
            let told = notice.id;
            let late = matches!(next, Next::Again(_)).then_some(now);
            let word = Settlement {
                was_tried,
                late,
                notice: Some(Box::new(notice)),
                doubt: Doubt::Ambiguous,
                ..with_status(&first, &key, next)
            };
            assert!(!store.settle(word).await.unwrap(), "{next:?}");
            assert_eq!(seen(&row().await), seen(&before), "{next:?}");
            assert!(store.queue_of_message(told).await.unwrap().is_empty(), "{next:?}: its sender was told");
            assert!(store.body(first.message_id).await.unwrap().is_some(), "{next:?}");
            // The second has its lease still, and says what became of it.
            assert!(store.has_lease(second.delivery_id, second.lease).await.unwrap());
            assert!(store.settle(with_status(&second, &key, Next::Delivered)).await.unwrap());
            assert_eq!(row().await.state, "delivered");
        }
    });
}

#[test]
fn the_words_of_both_holders_in_one_commit_count_each_by_its_lease() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let now = Timestamp::now();
        let again = Next::Again(now.after(MINUTE));
        for round in 0..30 {
            let (older, newer, expected, state) = match round % 3 {
                0 => (again, Next::Delivered, [false, true], "delivered"),
                1 => (Next::Failed, again, [false, true], "waiting"),
                _ => (Next::Delivered, Next::Failed, [true, false], "delivered"),
            };
            store.accept(vec![message(&vault, &key, None)]).await.unwrap();
            let now = Timestamp::now();
            let first = claim(&store, now, now, 1, &[]).await.remove(0);
            let second = claim(&store, now.after(MINUTE), now.after(2 * MINUTE), 1, &[]).await.remove(0);
            // In this order, most often in one group.
            let (one, other) = tokio::join!(
                store.settle(with_status(&first, &key, older)),
                store.settle(with_status(&second, &key, newer)),
            );
            assert_eq!([one.unwrap(), other.unwrap()], expected, "{older:?} {newer:?}");
            let row = store.queue_of_message(first.message_id).await.unwrap().remove(0);
            assert_eq!((row.state.as_str(), row.leased), (state, false));
            // Both stand in the log.
            assert_eq!(store.records_of_message(first.message_id).await.unwrap().len(), 3);
            if state == "waiting" {
                let work =
                    claim(&store, now.after(3 * MINUTE), now.after(4 * MINUTE), 1, &[]).await.remove(0);
                assert!(store.settle(with_status(&work, &key, Next::Delivered)).await.unwrap());
            }
        }
    });
}
