//! Holds in the store, on both engines: what is accepted as held, who may decide when, and what is told once.

use crate::store::{claim, message, on_both, open, record, settlement};
use anshin::mail::Timestamp;
use anshin::store::{
    Acceptance, NewHold, NewMessage, NewNotice, Next, QueueRow, Ruled, Ruling, Settlement, Standing, Store,
};
use anshin::vault::{DataKey, Indexed, Place, Vault};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn held(vault: &Vault, key: &DataKey, why: &'static str) -> NewMessage {
    let mut new = message(vault, key, None);
    new.delivery.hold = Some(NewHold { why, record: record(key, Some(new.id)) });
    new
}

fn ruling(key: &DataKey, of: (i64, i64), at: Timestamp, from: Standing, to: Ruled) -> Ruling {
    let (message_id, delivery_id) = of;
    Ruling { delivery_id, message_id, at, from, to, record: record(key, Some(message_id)), notice: None }
}

fn released(key: &DataKey, message: i64, at: Timestamp) -> Ruled {
    let envelope = key.seal(Place::new("message", "envelope", message), b"{\"confirmed\":true}");
    Ruled::Released { envelope, expires_at: at.after(5 * MINUTE), look_at: at.after(5 * MINUTE) }
}

async fn row(store: &Store, message: i64) -> QueueRow {
    store.queue_of_message(message).await.unwrap().remove(0)
}

#[test]
fn a_message_accepted_as_held_is_leased_to_nobody_until_it_is_released() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let new = held(&vault, &key, "document");
        let (id, delivery, at) = (new.id, new.delivery.id, new.at);
        assert_eq!(store.accept(vec![new]).await.unwrap(), [Acceptance::New(id)]);
        let later = at.after(Duration::from_secs(1));
        assert!(claim(&store, later, later.after(MINUTE), 10, &[]).await.is_empty());
        assert_eq!(row(&store, id).await.held_for.as_deref(), Some("document"));
        assert_eq!(store.records_of_message(id).await.unwrap().len(), 2, "accepted and held");
        let rule = async |from, to| store.rule(ruling(&key, (id, delivery), later, from, to)).await.unwrap();
        // Whoever decides about something else decides nothing.
        for from in [Standing::HeldFor("residue"), Standing::Overdue, Standing::Waiting] {
            assert!(!rule(from, released(&key, id, later)).await, "{from:?}");
            assert!(!rule(from, Ruled::Dropped).await, "{from:?}");
        }
        assert!(rule(Standing::HeldFor("document"), released(&key, id, later)).await);
        assert!(!rule(Standing::HeldFor("document"), Ruled::Dropped).await, "it is decided");
        assert!(!rule(Standing::Held, Ruled::Dropped).await, "it is decided");
        let work = claim(&store, later, later.after(MINUTE), 10, &[]).await.remove(0);
        assert_eq!(work.expires_at, later.after(5 * MINUTE));
        let place = Place::new("message", "envelope", id);
        assert_eq!(key.open(place, &work.envelope).unwrap().as_slice(), b"{\"confirmed\":true}");
        // While an attempt runs, nobody can take it away.
        assert!(!rule(Standing::Waiting, Ruled::Held { why: "operator", until: later }).await);
        assert!(!rule(Standing::Idle, Ruled::Dropped).await);
        assert_eq!(store.records_of_message(id).await.unwrap().len(), 3, "what counted is recorded");
    });
}

#[test]
fn what_is_held_for_too_long_is_found_and_dropped_with_its_body_but_not_what_does_not_open() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let all = ["residue", "document", "operator", "fault"].map(|why| held(&vault, &key, why));
        let (at, ids) = (all[0].at, all.each_ref().map(|new| (new.id, new.delivery.id)));
        store.accept(all.into()).await.unwrap();
        assert!(store.overdue(at, 10).await.unwrap().is_empty());
        let over = at.after(2 * MINUTE);
        let mut overdue = store.overdue(over, 10).await.unwrap();
        overdue.sort_unstable();
        let why = ["residue", "document", "operator"].map(str::to_owned);
        let mut expected = ids[..3].iter().map(|(_, delivery)| *delivery).zip(why).collect::<Vec<_>>();
        expected.sort_unstable();
        assert_eq!(overdue, expected);
        let drop = ruling(&key, ids[0], over, Standing::Overdue, Ruled::Dropped);
        assert!(store.rule(drop).await.unwrap());
        assert_eq!(row(&store, ids[0].0).await.state, "dropped");
        assert_eq!(row(&store, ids[0].0).await.held_for, None);
        assert!(store.body(ids[0].0).await.unwrap().is_none());
        assert!(store.body(ids[1].0).await.unwrap().is_some());
        assert_eq!(
            store
                .retry(ids.iter().map(|(_, delivery)| *delivery).collect(), over, record(&key, None))
                .await
                .unwrap(),
            0,
            "nothing that is held is retried"
        );
        assert_eq!(store.held(1, None).await.unwrap(), (3, 3));
        assert_eq!(store.held(1, Some(7)).await.unwrap(), (3, 0));
        assert_eq!(store.held(2, None).await.unwrap(), (0, 0));
        let keep = Ruled::Held { why: "fault", until: over };
        assert!(store.rule(ruling(&key, ids[1], over, Standing::Overdue, keep)).await.unwrap());
        let totals = store.queue_totals().await.unwrap();
        let count = |state: &str, why: Option<&str>| {
            totals.iter().find(|t| t.state == state && t.held_for.as_deref() == why).map(|t| t.count)
        };
        assert_eq!(count("held", Some("fault")), Some(2));
        assert_eq!(count("held", Some("operator")), Some(1));
        assert_eq!(count("dropped", None), Some(1));
    });
}

#[test]
fn a_notice_comes_with_a_new_message_alone_and_once_while_its_guard_stands() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let guard = |what: &str| vault.index.of(Indexed::Told { conversation: 1, what });
        let told = |guarded_by: Option<&str>, kinds: &[&str]| {
            let mut new = message(&vault, &key, guarded_by);
            let notice = message(&vault, &key, None);
            let (id, until) = (notice.id, notice.at.after(MINUTE));
            let once = kinds.iter().map(|kind| guard(kind)).collect();
            new.notices.push(NewNotice { message: notice, once, until });
            (new, id)
        };
        let written = async |id: i64| !store.queue_of_message(id).await.unwrap().is_empty();
        let (first, notice) = told(Some("<1@x.example>"), &[]);
        let (again, second) = told(Some("<1@x.example>"), &[]);
        store.accept(vec![first]).await.unwrap();
        store.accept(vec![again]).await.unwrap();
        assert!(written(notice).await && !written(second).await, "a repetition is not told again");
        for (kinds, is_due) in [
            (&["key"][..], true),
            (&["key"], false),
            (&["key", "signature"], true),
            (&["key", "signature"], false),
        ] {
            let (new, notice) = told(None, kinds);
            let at = new.at;
            store.accept(vec![new]).await.unwrap();
            assert_eq!(written(notice).await, is_due, "{kinds:?}");
            assert!(store.stands(&guard("key"), at).await.unwrap());
        }
        let (mut late, notice) = told(None, &["key"]);
        late.notices[0].message.at = late.at.after(2 * MINUTE);
        assert!(!store.stands(&guard("key"), late.at.after(2 * MINUTE)).await.unwrap());
        store.accept(vec![late]).await.unwrap();
        assert!(written(notice).await, "its time was over");
    });
}

#[test]
fn what_an_operator_holds_or_moves_behind_a_dead_worker_counts_as_sent() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        for to in 0..2 {
            let new = message(&vault, &key, None);
            let (id, delivery, at) = (new.id, new.delivery.id, new.at);
            store.accept(vec![new]).await.unwrap();
            let (begun, over) = (at.after(MINUTE), at.after(5 * MINUTE));
            claim(&store, begun, begun.after(MINUTE), 10, &[]).await;
            let envelope = key.seal(Place::new("message", "envelope", id), b"{}");
            let to = match to {
                0 => Ruled::Held { why: "operator", until: over.after(MINUTE) },
                _ => Ruled::Rerouted { envelope, route: -7 },
            };
            assert!(store.rule(ruling(&key, (id, delivery), over, Standing::Waiting, to)).await.unwrap());
        }
        let doubtful: i64 = store.queue_totals().await.unwrap().iter().map(|total| total.doubtful).sum();
        assert_eq!(doubtful, 2);
    });
}

#[test]
fn what_failed_is_sent_again_while_its_body_is_kept_by_one_of_two_and_its_body_goes_in_time() {
    on_both(|url, vault| async move {
        let (store, key) = open(&url, &vault).await;
        let all = [(); 3].map(|()| message(&vault, &key, None));
        // The last one is due when the others are.
        let (at, ids) = (all[2].at, all.each_ref().map(|new| (new.id, new.delivery.id)));
        store.accept(all.into()).await.unwrap();
        let fail = async |at: Timestamp, keep: [Option<Timestamp>; 3]| {
            for work in claim(&store, at, at.after(MINUTE), 10, &[]).await {
                let place = ids.iter().position(|(id, _)| *id == work.message_id).unwrap();
                let done = Settlement { keep_body: keep[place], ..settlement(&work, at, Next::Failed) };
                assert!(store.settle(done).await.unwrap());
            }
        };
        let (until, later) = (at.after(2 * MINUTE), at.after(MINUTE));
        fail(at, [Some(until), Some(until), None]).await;
        let again = |of, at: Timestamp| {
            let to = Ruled::Again { expires_at: at.after(5 * MINUTE), look_at: at.after(5 * MINUTE) };
            store.rule(ruling(&key, of, at, Standing::Failed, to))
        };
        assert!(store.body(ids[2].0).await.unwrap().is_none(), "nothing is kept that is not to be");
        assert!(!again(ids[2], later).await.unwrap());
        assert_eq!(row(&store, ids[0].0).await.body_until, Some(until));
        let records = store.records_of_message(ids[0].0).await.unwrap().len();
        let both = futures_util::future::join(again(ids[0], later), again(ids[0], later)).await;
        assert!(both.0.unwrap() != both.1.unwrap(), "one of two");
        assert_eq!(store.records_of_message(ids[0].0).await.unwrap().len(), records + 1);
        let found = row(&store, ids[0].0).await;
        assert_eq!((found.state.as_str(), found.attempts, found.body_until), ("waiting", 0, None));
        assert_eq!(found.expires_at, later.after(5 * MINUTE));
        // The purge takes nothing whose time has not come, nor what waits once more, whenever that is.
        store.purge(at.before(MINUTE), later).await.unwrap();
        assert!(store.body(ids[1].0).await.unwrap().is_some());
        store.purge(at.before(MINUTE), until).await.unwrap();
        assert!(store.body(ids[1].0).await.unwrap().is_none());
        assert!(!again(ids[1], later).await.unwrap(), "its body is gone");
        assert!(store.body(ids[0].0).await.unwrap().is_some());
        // It is one delivery like any other: leased, and its body goes with its end.
        let end = later.after(MINUTE);
        fail(later, [Some(end), None, None]).await;
        assert_eq!(row(&store, ids[0].0).await.state, "failed");
        assert!(store.body(ids[0].0).await.unwrap().is_some());
        // Where the delivery is forgotten in the same moment, its body goes with it.
        store.purge(end, end).await.unwrap();
        assert!(store.queue_of_message(ids[0].0).await.unwrap().is_empty());
        assert!(store.body(ids[0].0).await.unwrap().is_none());
    });
}
