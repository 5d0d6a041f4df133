//! A PostgreSQL server that changes under the store: one that only reads for a while, one that lacks what was committed last.

use crate::peer::cluster::Cluster;
use crate::peer::{Scratch, postgres};
use crate::store::{message, open, vault};
use anshin::mail::Timestamp;
use anshin::store::{NewMessage, NewSegment, Store, StoreFault};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::time::Duration;

async fn administer(url: &str, text: String) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A store on a database of its own, with what administers it: its URL and its name.
fn on_a_server<F: Future<Output = ()>>(test: impl FnOnce(Store, Maker, String, String) -> F) {
    let (scratch, database) = (Scratch::new("failover"), postgres::fresh_database());
    let vault = vault(&scratch);
    let url = database.url();
    let name = url.rsplit_once('/').unwrap().1.to_owned();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (store, key) = open(&url, &vault).await;
        let maker: Maker = Box::new(move || message(&vault, &key, None));
        store.accept(vec![maker()]).await.unwrap();
        test(store, maker, url, name).await;
    });
}

/// Makes messages.
type Maker = Box<dyn Fn() -> NewMessage>;

/// Ends every connection to the database but this one.
const ENDS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[test]
fn a_server_that_only_reads_is_a_passing_fault_and_the_next_one_is_written_to() {
    on_a_server(|store, message, url, name| async move {
        // As a standby that is not promoted yet, or a server out of space.
        let only_reads = format!("ALTER DATABASE {name} SET default_transaction_read_only = on; {ENDS}");
        administer(&url, only_reads).await;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let fault = store.accept(vec![message()]).await.unwrap_err();
            assert!(fault.is_passing(), "{fault}");
            seen.push(fault);
        }
        let reads = StoreFault::Unreachable("SQLSTATE 25006".into());
        assert!(seen.contains(&reads), "{seen:?}");
        let writes = format!(
            "SET transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only"
        );
        administer(&url, writes).await;
        // Its connection to the one that only read is not kept.
        store.accept(vec![message()]).await.unwrap();
    });
}

#[test]
fn a_server_that_became_careless_is_written_to_no_more() {
    on_a_server(|store, message, url, name| async move {
        administer(&url, format!("ALTER DATABASE {name} SET synchronous_commit = off; {ENDS}")).await;
        let mut last = None;
        for _ in 0..3 {
            last = store.accept(vec![message()]).await.err();
        }
        assert_eq!(last, Some(StoreFault::NotDurable));
        administer(&url, format!("ALTER DATABASE {name} RESET synchronous_commit")).await;
        store.accept(vec![message()]).await.unwrap();
    });
}

#[test]
fn a_key_that_the_new_server_lacks_is_there_before_anything_is_sealed_with_it_again() {
    on_a_server(|store, message, url, _| async move {
        let day = Timestamp::now().as_millis().div_euclid(86_400_000);
        let segment =
            |id, day| NewSegment { id, class: "body", day, wrapped: vec![7; 48], at: Timestamp::now() };
        store.announce(segment(5, day - 1));
        store.accept(vec![message()]).await.unwrap();
        let mut other = segment(6, day);
        other.class = "log";
        store.announce(other);
        store.accept(vec![message()]).await.unwrap();
        // The primary died before its standby had them.
        administer(&url, format!("DELETE FROM segment; {ENDS}")).await;
        let again = async || store.accept(vec![message()]).await.is_ok();
        while !again().await {}
        let segment = async |id| loop {
            // Connections that read were ended too.
            if let Ok(found) = store.segment(id).await {
                break found;
            }
        };
        assert!(segment(6).await.is_some());
        assert!(segment(5).await.is_none(), "one of a day that is over stays destroyed");
    });
}

/// The next message with which the writer has nothing to do but the one before: so a check is due.
async fn outcome(store: &Store, message: &Maker, expected: Option<StoreFault>) {
    let begun = std::time::Instant::now();
    loop {
        let found = store.accept(vec![message()]).await.err();
        if found == expected {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{found:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_server_that_becomes_careless_under_a_connection_is_found_out_on_that_connection() {
    let scratch = Scratch::new("careless");
    let cluster = Cluster::new(scratch.path(), &[]);
    let keys = Scratch::new("careless-keys");
    let (vault, database) = (vault(&keys), cluster.database());
    let set = |what: &str| {
        cluster.ask("postgres", &format!("ALTER SYSTEM SET {what}"));
        cluster.reload();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (store, key) = open(&database.url(), &vault).await;
        let maker: Maker = Box::new(move || message(&vault, &key, None));
        store.accept(vec![maker()]).await.unwrap();
        set("synchronous_commit = off");
        outcome(&store, &maker, Some(StoreFault::NotDurable)).await;
        set("synchronous_commit = local");
        outcome(&store, &maker, None).await;
        // A standby is to be waited for, and is not.
        set("synchronous_standby_names = 'of_nobody'");
        outcome(&store, &maker, Some(StoreFault::NotDurable)).await;
        set("synchronous_standby_names = ''");
        outcome(&store, &maker, None).await;
    });
}

#[test]
fn a_change_that_takes_too_long_harms_none_of_its_group() {
    on_a_server(|store, message, url, _| async move {
        // What is so large keeps the server busy: for a second, or for ever.
        let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            PERFORM pg_sleep(CASE NEW.size WHEN 1001 THEN 1 WHEN 1002 THEN 600 ELSE 0 END); RETURN NEW; END $$; \
            CREATE TRIGGER slow BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION slow()";
        administer(&url, slow.to_owned()).await;
        let sized = |size| NewMessage { size, ..message() };
        let mut tasks = tokio::task::JoinSet::new();
        let all = [1001, 1002].into_iter().chain(std::iter::repeat_n(17, 30));
        for (number, size) in all.enumerate() {
            let (store, new) = (store.clone(), sized(size));
            tasks.spawn(async move { (size, store.accept(vec![new]).await) });
            if number == 0 {
                // The others come while it is under way, and make one group.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
        while let Some(done) = tasks.join_next().await {
            let (size, accepted) = done.unwrap();
            assert_eq!(accepted.is_err(), size == 1002, "{size}: {accepted:?}");
        }
    });
}
