//! What retention destroys by the machine's own clock, on both engines: nothing by one that is ahead, whether it
//! jumped while a process ran or while none did; and what it does destroy verifies, unless somebody changed it before.

use crate::peer::sqlite;
use crate::store::{domains, on_both, policy};
use anshin::config::Config;
use anshin::mail::Timestamp;
use anshin::relay::{Account, ClockDoubt, Grown, Look, LookPurpose, Piece, Relay};
use anshin::store::{DAY_MS, Ids, NewRecord, NewSegment, Store, random_id};
use anshin::vault::{Class, KeyRing, Make, Sealed, Vault};
use sqlx::{AssertSqlSafe, Connection};
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

async fn start(url: &str, keys: &Path) -> Relay {
    let vault = Vault::open(&KeyRing::open(keys, Make::Missing, Timestamp::now()).unwrap()).unwrap();
    let store = Store::open(url, &vault.file).await.unwrap();
    Relay::open(store, vault, domains(), policy()).await.unwrap()
}

/// A record of a day, with the key of its day.
async fn record(relay: &Relay, vault: &Vault, ids: &Ids, day: i64) {
    let store = relay.store();
    let (id, at) = (random_id(), Timestamp::from_millis(day * DAY_MS + 5));
    for (id, class) in [(id, Class::Metadata), (random_id(), Class::Headers)] {
        let (_, wrapped) = vault.class(class).new_segment(class, id, day);
        store.announce(NewSegment { id, class: class.as_str(), day, wrapped, at });
    }
    let row = NewRecord {
        id: ids.next(at),
        at,
        event: "accepted",
        merchant_id: None,
        conversation_id: None,
        message_id: None,
        delivery_id: None,
        source: None,
        data_key_id: 1,
        detail: Sealed::from_stored(vec![1; 40]),
        headers: Some(Sealed::from_stored(vec![2; 40])),
        whence: None,
        fact: Box::default(),
    };
    store.record(vec![row]).await.unwrap();
}

#[test]
fn a_clock_that_jumped_ahead_destroys_nothing_until_it_is_right_or_somebody_says_so() {
    let rules = Config::development(&std::env::temp_dir()).unwrap().retention;
    on_both(|url, _| {
        let rules = rules.clone();
        async move {
            let keys = std::env::temp_dir().join(format!("anshin-clock-{}", random_id()));
            let (relay, ids, now) = (start(&url, &keys).await, Ids::default(), Timestamp::now());
            let vault = Vault::open(&KeyRing::open(&keys, Make::Nothing, now).unwrap()).unwrap();
            let today = now.as_millis() / DAY_MS;
            record(&relay, &vault, &ids, today).await;
            let left = async |relay: &Relay| relay.store().days_left(Class::Metadata, today).await.unwrap();
            let keep = async |relay: &Relay, now| {
                relay.keep_retention(&rules, Piece::Queue, now).await.unwrap();
                relay.keep_retention(&rules, Piece::Days, now).await.unwrap()
            };
            assert_eq!(keep(&relay, now).await, None);
            // While it runs.
            let later = now.after(400 * DAY);
            assert!(keep(&relay, later).await.is_some());
            assert_eq!(left(&relay).await, [today]);
            // While nothing ran: the time that was known is a year ago, and all that was not due then is still there.
            drop(relay);
            let mut connection = sqlite::connect_with(&url, &keys).await;
            let ago = (400 * DAY).as_millis();
            let text = format!("UPDATE clock SET known_at = known_at - {ago}");
            sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            let relay = start(&url, &keys).await;
            let old = now.as_millis() / DAY_MS - 396;
            record(&relay, &vault, &ids, old).await;
            assert!(matches!(keep(&relay, now).await, Some(ClockDoubt::Ahead { .. })));
            assert_eq!(left(&relay).await, [old, today]);
            let account = Account { uid: 1, login: None, from: anshin::residency::Origin::Here };
            let look = Look::new("akiko", LookPurpose::Audit, "K-1", account).unwrap();
            relay.trust_clock(&look, now).await.unwrap();
            assert_eq!(keep(&relay, now).await, None);
            assert_eq!(left(&relay).await, [today], "what is due goes again");
            assert_eq!(relay.looks().await.unwrap()[0].kind, "clock");
            std::fs::remove_dir_all(&keys).unwrap();
        }
    });
}

#[test]
fn what_retention_destroys_verifies_and_a_row_that_was_changed_before_it_went_does_not() {
    let mut rules = Config::development(&std::env::temp_dir()).unwrap().retention;
    rules.headers.period = DAY;
    for changed in [false, true] {
        on_both(|url, _| {
            let mut rules = rules.clone();
            async move {
                let keys = std::env::temp_dir().join(format!("anshin-clock-{}", random_id()));
                let (relay, ids, now) = (start(&url, &keys).await, Ids::default(), Timestamp::now());
                let vault = Vault::open(&KeyRing::open(&keys, Make::Nothing, now).unwrap()).unwrap();
                let day = now.as_millis() / DAY_MS - 3;
                for _ in 0..5 {
                    record(&relay, &vault, &ids, day).await;
                }
                let grow = async || {
                    while relay.grow_tree(Timestamp::now(), true).await.unwrap() != Grown::Whole {}
                };
                grow().await;
                // First the header blocks, then the rows.
                relay.keep_retention(&rules, Piece::Days, now).await.unwrap();
                if changed {
                    let mut connection = sqlite::connect_with(&url, &keys).await;
                    let text = "UPDATE record SET message_id = 5 WHERE id = (SELECT MIN(id) FROM record)";
                    sqlx::query(text).execute(&mut connection).await.unwrap();
                    connection.close().await.unwrap();
                }
                rules.metadata.period = DAY;
                relay.keep_retention(&rules, Piece::Days, now).await.unwrap();
                grow().await;
                let keys_of_tree = relay.tree_keys().await.unwrap();
                let found = relay.verify_tree(&keys_of_tree, &[], None, |_| {}).await.unwrap();
                let whats: Vec<&str> = found.broken.iter().map(|broken| broken.what).collect();
                assert_eq!((whats, found.destroyed), (if changed { vec!["forged"] } else { vec![] }, 5));
                let said = relay.certificates(9).await.unwrap();
                let about = |class: &str| said.iter().filter(|one| one.text.contains(class)).count();
                assert_eq!((about("class headers"), about("class metadata")), (1, 1));
                assert!(
                    said.iter()
                        .all(|one| one.text.contains("rows 5\n") && one.text.contains("unentered 0\n"))
                );
                std::fs::remove_dir_all(&keys).unwrap();
            }
        });
    }
}
