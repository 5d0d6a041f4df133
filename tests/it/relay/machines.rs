//! More than one process on one database, and a new version beside an old one.

use super::kills::LEASES_END;
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::{eventually_within, sqlite};
use sqlx::Connection;

on_both_databases! {
    a_process_that_runs_goes_on_when_a_newer_version_has_extended_the_schema,
}

/// What a later version may do to the schema while this one runs: it expands.
const EXPANDS: &str = "ALTER TABLE delivery ADD COLUMN of_later BIGINT; \
    ALTER TABLE message ADD COLUMN of_later BIGINT NOT NULL DEFAULT 7; \
    CREATE TABLE of_later (id BIGINT PRIMARY KEY); \
    CREATE INDEX of_later_index ON delivery (of_later)";

fn a_process_that_runs_goes_on_when_a_newer_version_has_extended_the_schema(on: On) {
    let mut scene = Scene::new(on);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    let url = scene.relay.database_url();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut later = sqlite::connect(&url).await;
        sqlx::raw_sql(EXPANDS).execute(&mut later).await.unwrap();
        let octet = if on == On::Sqlite { "X'00'" } else { "'\\x00'" };
        let text = format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of later', TRUE, {octet}, 1)"
        );
        sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut later).await.unwrap();
        later.close().await.unwrap();
    });
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    scene.mise.mailbox.wait_for(1);
    // It ends as it should, and does not start again on what it does not know.
    let ended = scene.relay.terminate();
    assert!(ended.iter().all(|status| status.success()), "{ended:?}");
    let refused = scene.relay.run(&["queue", "stats"]);
    assert_eq!(refused.status, 1);
    assert!(refused.stdout.contains("9999"), "{}", refused.stdout);
}

#[test]
fn three_processes_on_postgres_share_the_work_and_none_is_missed_when_it_leaves() {
    let mut scene = Scene::with_roles(On::Postgres, |setup| setup, &[&["ingress"], &["egress"], &["egress"]]);
    let first: Vec<_> = (0..10).map(|_| scene.to_customer()).collect();
    first.iter().for_each(|letter| drop(scene.submit(letter).is("250 2.0.0")));
    scene.hana.mailbox.wait_for(10);
    scene.relay.kill_one(2);
    first.iter().for_each(|_| drop(scene.submit(&scene.to_customer()).is("250 2.0.0")));
    scene.hana.mailbox.wait_for(20);
    // What the dead one had leased comes up when its leases end.
    eventually_within(LEASES_END, "the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
}
