//! A PostgreSQL server that changes under the store: one that only reads for a while, one that lacks what was committed last.

use crate::peer::Scratch;
use crate::peer::postgres;
use crate::store::{message, open, vault};
use anshin::mail::Timestamp;
use anshin::store::{NewMessage, NewSegment, Store, StoreFault};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

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
