//! A database that is slow to write, and lives: who holds a lease waits for the commit that prolongs it.

use super::letter::{Letter, body};
use super::mailbox::Manner;
use super::process::On;
use super::scene::Scene;
use crate::peer::{eventually_within, sqlite};
use sqlx::{AssertSqlSafe, Connection};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Makes each commit that writes deliveries take so many seconds.
const SLOW: &str = "CREATE TABLE pace (seconds DOUBLE PRECISION NOT NULL); INSERT INTO pace VALUES (0); \
    CREATE FUNCTION pace() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    IF current_setting('test.paced', true) IS DISTINCT FROM 'yes' THEN \
    PERFORM set_config('test.paced', 'yes', true); PERFORM pg_sleep((SELECT seconds FROM pace)); END IF; \
    RETURN NULL; END $$; \
    CREATE CONSTRAINT TRIGGER pace AFTER INSERT OR UPDATE ON delivery DEFERRABLE INITIALLY DEFERRED \
    FOR EACH ROW EXECUTE FUNCTION pace()";

/// A third of the usual one; what else there is of times of leases shrinks with it, and so do the commits.
const LEASE: &str = "'20s'";
/// Longer than a process that began leaves alone what others had.
const SETTLED: Duration = Duration::from_millis(8400);
/// Longer than two leases.
const WHILE: Duration = Duration::from_secs(44);
/// How long each commit takes: two fifths of a lease, and longer than it takes to be prolonged or the database to be called slow.
const COMMIT: &str = "UPDATE pace SET seconds = 8.4";

#[test]
fn two_processes_on_a_database_whose_commits_take_two_fifths_of_a_lease_send_nothing_twice() {
    let scene =
        Scene::with_roles(On::Postgres, |setup| setup.key("egress.lease", LEASE), &[&["all"], &["egress"]]);
    let url = scene.relay.database_url();
    let tell = |text: &str| {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut connection = sqlite::connect(&url).await;
            sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    };
    tell(SLOW);
    let begun = Instant::now();
    // Its answer is waited for all the time.
    scene.hana.mailbox.behave(Manner::WaitsAfterDot);
    let first = scene.to_customer();
    scene.submit(&first).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    eventually_within(2 * SETTLED, "both may take over", || (begun.elapsed() > SETTLED).then_some(()));
    tell(COMMIT);
    let slow_since = Instant::now();
    while slow_since.elapsed() < WHILE {
        let letter: Letter = scene.to_customer();
        // It may hear that the commit took too long, or nothing in time: that is not what this is about.
        let client = scene.merchant();
        let _ =
            client.and_then(|mut client| client.send(&scene.mise.address, &[&letter.to], &letter.bytes()));
    }
    tell("UPDATE pace SET seconds = 0");
    scene.hana.mailbox.behave(Manner::Kind);
    eventually_within(4 * WHILE, "the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    let mut copies = BTreeMap::new();
    for mail in scene.hana.mailbox.received() {
        *copies.entry(body(&mail.bytes).to_vec()).or_insert(0) += 1;
    }
    let twice: Vec<_> = copies.values().filter(|count| **count > 1).collect();
    assert!(twice.is_empty(), "{} of {} came more than once", twice.len(), copies.len());
    assert!(copies.contains_key(body(&first.bytes())));
}
