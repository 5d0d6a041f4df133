//! A clock that is ahead destroys nothing, on both engines, whether it jumped while a process ran or while none did.

use crate::store::{domains, on_both, policy};
use anshin::config::Config;
use anshin::mail::Timestamp;
use anshin::relay::{Account, ClockDoubt, Look, LookPurpose, Piece, Relay};
use anshin::store::{DAY_MS, Ids, NewRecord, NewSegment, Store, random_id};
use anshin::vault::{Class, KeyRing, Make, Sealed, Vault};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

async fn start(url: &str, keys: &Path) -> Relay {
    let vault = Vault::open(&KeyRing::open(keys, Make::Missing, Timestamp::now()).unwrap()).unwrap();
    Relay::open(Store::open(url).await.unwrap(), vault, domains(), policy()).await.unwrap()
}

/// A record of a day, with the key of its day.
async fn record(relay: &Relay, vault: &Vault, ids: &Ids, day: i64) {
    let store = relay.store();
    let (id, at) = (random_id(), Timestamp::from_millis(day * DAY_MS + 5));
    let class = Class::Metadata;
    let (_, wrapped) = vault.class(class).new_segment(class, id, day);
    store.announce(NewSegment { id, class: class.as_str(), day, wrapped, at });
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
        headers: None,
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
            let mut connection = AnyConnection::connect(&url).await.unwrap();
            let ago = (400 * DAY).as_millis();
            let text = format!("UPDATE clock SET known_at = known_at - {ago}");
            sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            let relay = start(&url, &keys).await;
            let old = now.as_millis() / DAY_MS - 396;
            record(&relay, &vault, &ids, old).await;
            assert!(matches!(keep(&relay, now).await, Some(ClockDoubt::Ahead { .. })));
            assert_eq!(left(&relay).await, [old, today]);
            let account = Account { uid: 1, login: None };
            let look = Look::new("akiko", LookPurpose::Audit, "K-1", account).unwrap();
            relay.trust_clock(&look, now).await.unwrap();
            assert_eq!(keep(&relay, now).await, None);
            assert_eq!(left(&relay).await, [today], "what is due goes again");
            assert_eq!(relay.looks().await.unwrap()[0].kind, "clock");
            std::fs::remove_dir_all(&keys).unwrap();
        }
    });
}
