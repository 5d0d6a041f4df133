//! What an operator selects in the queue and makes due, on both engines: by filters, a page at a time, each delivery once.

use crate::store::{claim, message, on_both, open, record};
use anshin::mail::Timestamp;
use anshin::schedule::{Board, Bounds, Class, Groups, Rest, Rooms};
use anshin::store::{Leases, QueueFilter, RetryMark};
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_walk_by_pages_meets_each_delivery_once_whatever_its_pages_change() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let mut expected = BTreeSet::new();
        for _ in 0..6 {
            let many: Vec<_> = (0..200)
                .map(|i| {
                    let mut new = message(&vault, &key, None);
                    new.delivery.route = i % 50;
                    expected.insert(new.delivery.id);
                    new
                })
                .collect();
            store.accept(many).await.unwrap();
        }
        let now = Timestamp::now();
        // Under way: these are left alone.
        let leased: BTreeSet<i64> =
            claim(&store, now, now.after(HOUR), 10, &[]).await.iter().map(|work| work.delivery_id).collect();
        let filter = QueueFilter { state: Some("waiting".into()), limit: 300, ..QueueFilter::default() };
        assert_eq!(
            store.queue_count(&QueueFilter { limit: i64::MAX, ..filter.clone() }).await.unwrap(),
            1200
        );
        let routes = QueueFilter { routes: vec![3, 7], limit: 500, ..filter.clone() };
        assert_eq!(
            (store.queue_count(&routes).await.unwrap(), store.queue(&routes).await.unwrap().len()),
            (48, 48)
        );
        let (mut after, mut seen, mut due) = (0, BTreeSet::new(), 0);
        loop {
            let rows = store.queue(&QueueFilter { after, ..filter.clone() }).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = last.delivery_id;
            let ids: Vec<i64> = rows.iter().map(|row| row.delivery_id).collect();
            assert!(ids.iter().all(|id| seen.insert(*id)), "met twice");
            due += store.retry(ids, now.after(HOUR / 2), record(&key, None)).await.unwrap();
        }
        assert_eq!((seen, due), (expected, 1200 - leased.len() as u64));
    });
}

#[test]
fn what_rests_is_known_and_is_made_due_again_of_all_destinations() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let many: Vec<_> = [1, 2, 3]
            .map(|route| {
                let mut new = message(&vault, &key, None);
                new.delivery.route = route;
                new
            })
            .into();
        let ids: Vec<i64> = many.iter().map(|new| new.delivery.id).collect();
        store.accept(many).await.unwrap();
        let now = Timestamp::now();
        let rest = Rest { first: HOUR, max: HOUR };
        let bounds = Bounds { concurrency: 50, per_destination: 50, messages_per_connection: 100, rest };
        let mut board = Board::new(bounds, Groups::default(), Vec::new());
        board.pause(&[1, 3]);
        let look = async |rooms: Rooms| {
            let claimed = store.claim(now, now.after(HOUR), rooms, Class::ALL, Leases::TakenOver(now)).await;
            claimed.unwrap().work.len()
        };
        assert!(store.resting(&ids, now).await.unwrap().is_empty());
        assert_eq!(look(board.rooms(now, 50)).await, 1);
        assert_eq!(store.resting(&ids, now).await.unwrap(), [1, 3].into());
        assert_eq!(look(Rooms::plain(50, 50, &[])).await, 0, "they were put off");
        store.wake_lanes(now).await.unwrap();
        assert_eq!(look(Rooms::plain(50, 50, &[])).await, 2);
    });
}

#[test]
fn marks_are_read_by_everybody_and_forgotten_after_a_while() {
    on_both(|url, vault| async move {
        let (store, _) = open(&url, &vault).await;
        let now = Timestamp::now();
        store.mark_retry(Some(&[1, -2]), now).await.unwrap();
        store.mark_retry(None, now).await.unwrap();
        let routes = |marks: Vec<RetryMark>| marks.iter().map(|mark| mark.route).collect::<BTreeSet<_>>();
        assert_eq!(routes(store.retry_marks().await.unwrap()), [None, Some(1), Some(-2)].into());
        store.mark_retry(Some(&[5]), now.after(HOUR)).await.unwrap();
        assert_eq!(routes(store.retry_marks().await.unwrap()), [Some(5)].into());
    });
}
