//! The audit tree on both engines: what was entered verifies, and whatever is done to the database while nothing runs is
//! told, by hour and row.

mod attacks;
mod facts;
mod ground;
mod late;

use crate::peer::{postgres, sqlite};
use anshin::ledger::What;
use anshin::mail::Timestamp;
use anshin::relay::{Broken, Goes, Grown, Look, LookPurpose, Opening, TraceOf, Verification};
use anshin::vault::{KeyRing, Purpose};
use ground::*;
use sqlx::{AssertSqlSafe, Connection};
use std::process::Command;
use std::time::Duration;

/// The first thing that is broken, and that there is one.
fn first(found: &Verification) -> &Broken {
    assert!(!found.intact);
    &found.broken[0]
}

fn hour(hour: u32) -> Option<String> {
    Some(begins(hour).to_rfc3339())
}

#[test]
fn a_log_that_nobody_touched_verifies_and_an_hour_that_runs_is_open() {
    on_both(|ground| async move {
        let found = ground.verify(&ground.anchor().await).await;
        assert_eq!(found.broken, []);
        assert_eq!((found.rows, found.open, found.anchors, found.anchored), (20, 5, 1, found.leaves));
        ground.grow(4).await;
        assert_eq!(ground.verify(&[]).await.leaves, found.leaves, "nothing is entered twice");
        // New keys index the log anew; that is no change of it.
        let edit = "UPDATE record SET source = 6".to_owned();
        assert!(ground.edited(&[edit]).await.intact);
    });
}

#[test]
fn a_changed_row_is_named_whichever_column_was_changed() {
    for set in [
        "event = 'refused'",
        "at = at + 1",
        "merchant_id = 2",
        "conversation_id = NULL",
        "message_id = NULL, delivery_id = 7",
        "data_key_id = 2",
        "detail = headers",
        "headers = detail",
        "headers = NULL",
    ] {
        on_both(|ground| async move {
            let row = id(2, 2);
            let found = ground.edited(&[format!("UPDATE record SET {set} WHERE id = {row}")]).await;
            let broken = first(&found);
            assert_eq!((broken.what, &broken.hour, &broken.row), ("changed", &hour(2), &name(row)), "{set}");
            assert_eq!(found.broken.len(), 1, "{set}");
        });
    }
}

#[test]
fn a_fact_that_was_deleted_changed_moved_or_put_in_is_named_though_its_row_is_whole() {
    let (row, new) = (id(2, 2), id(2, 40));
    let set = |what: &str| format!("UPDATE fact SET {what} WHERE id = {row}");
    for (edit, told) in [
        (format!("DELETE FROM fact WHERE id = {row}"), vec![("deleted", row)]),
        (set("event = 'refused'"), vec![("changed", row)]),
        (set("at = at + 1"), vec![("changed", row)]),
        (set("merchant_id = 2"), vec![("changed", row)]),
        (set("conversation_id = NULL"), vec![("changed", row)]),
        (set("message_id = NULL, delivery_id = 7"), vec![("changed", row)]),
        (format!("INSERT INTO fact (id, at, event) VALUES ({new}, 1, 'accepted')"), vec![("inserted", new)]),
        (set(&format!("id = {new}")), vec![("deleted", row), ("inserted", new)]),
    ] {
        on_both(|ground| {
            let (edit, told) = (edit.clone(), told.clone());
            async move {
                let found = ground.edited(std::slice::from_ref(&edit)).await;
                assert!(!found.intact, "{edit}");
                let broken: Vec<_> = found.broken.iter().map(|one| (one.what, one.row.clone())).collect();
                let told: Vec<_> = told.into_iter().map(|(what, row)| (what, name(row))).collect();
                assert_eq!(broken, told, "{edit}");
            }
        });
    }
}

#[test]
fn facts_of_rows_that_came_late_or_went_lawfully_verify_and_one_of_a_row_that_was_deleted_is_told_once() {
    on_both(|ground| async move {
        ground.destroy(&[id(1, 1)], What::Rows, "a rule").await;
        ground.destroy(&[id(2, 0)], What::Headers, "a rule").await;
        ground.log(1, 50..53).await;
        ground.grow(60).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.late, found.destroyed, found.without_fact), (vec![], 3, 1, 0));
        let edits = [id(1, 52), id(3, 1)].map(|row| format!("DELETE FROM record WHERE id = {row}"));
        ground.edit(&edits).await;
        let found = ground.verify(&[]).await;
        let rows: Vec<_> = found.broken.iter().map(|one| (one.what, one.row.clone())).collect();
        assert_eq!(rows, [("deleted", name(id(1, 52))), ("deleted", name(id(3, 1)))]);
        // One that came late, and has no fact any more.
        ground.edit(&[format!("DELETE FROM fact WHERE id = {}", id(1, 50))]).await;
        let found = ground.verify(&[]).await;
        assert!(found.broken.iter().any(|one| one.row == name(id(1, 50)) && one.what == "deleted"));
    });
}

#[test]
fn a_log_from_before_there_were_facts_verifies_and_says_how_many_rows_have_none() {
    on_both(|ground| async move {
        ground.edit(&["DELETE FROM fact".to_owned()]).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.without_fact), (vec![], 20));
        // Not where the database has had facts since before.
        let then = if ground.url.starts_with("sqlite") {
            "'2020-01-01 00:00:00'"
        } else {
            "TIMESTAMPTZ '2020-01-01 00:00:00Z'"
        };
        ground.edit(&[format!("UPDATE _sqlx_migrations SET installed_on = {then} WHERE version = 18")]).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken.len(), found.broken[0].what), (20, "deleted"));
    });
}

#[test]
fn a_deleted_row_is_named_and_the_first_of_several_first() {
    on_both(|ground| async move {
        let edit = [id(3, 4), id(1, 3), id(2, 0)].map(|row| format!("DELETE FROM record WHERE id = {row}"));
        let found = ground.edited(&edit).await;
        assert_eq!(
            (first(&found).what, &first(&found).hour, &first(&found).row),
            ("deleted", &hour(1), &name(id(1, 3)))
        );
        assert_eq!(found.broken.len(), 3);
    });
}

#[test]
fn a_row_that_was_changed_or_deleted_before_its_hour_was_entered_is_named_while_the_note_of_it_is_there() {
    for (edit, what) in [
        ("UPDATE record SET event = 'refused'", "changed"),
        ("UPDATE record SET headers = NULL", "changed"),
        ("DELETE FROM record", "deleted"),
    ] {
        on_both(|ground| async move {
            let row = id(4, 2);
            let found = ground.edited(&[format!("{edit} WHERE id = {row}")]).await;
            assert_eq!((first(&found).what, &first(&found).row), (what, &name(row)), "{edit}");
            assert_eq!(found.broken.len(), 1, "{edit}");
        });
    }
    // Without the notes, or where they are none, rows are entered as they are.
    for lost in [
        "DELETE FROM record_mark",
        "UPDATE record_mark SET marks = (SELECT detail FROM record ORDER BY id LIMIT 1)",
    ] {
        on_both(|ground| async move {
            let found = ground.edited(&[lost.to_owned()]).await;
            assert_eq!((found.broken, found.rows), (vec![], 25), "{lost}");
        });
    }
}

#[test]
fn a_row_that_was_put_in_is_named() {
    on_both(|ground| async move {
        let (row, from) = (id(1, 77), id(1, 1));
        let edit = format!(
            "INSERT INTO record (id, at, event, data_key_id, detail) SELECT {row}, at, event, data_key_id, detail \
             FROM record WHERE id = {from}"
        );
        let found = ground.edited(&[edit]).await;
        assert_eq!((first(&found).what, &first(&found).row), ("inserted", &name(row)));
    });
}

#[test]
fn rows_and_hours_that_changed_places_are_named() {
    on_both(|ground| async move {
        let (a, b) = (id(1, 1), id(2, 1));
        let edit = [(a, -1), (b, a), (-1, b)]
            .map(|(from, to)| format!("UPDATE record SET id = {to} WHERE id = {from}"));
        let found = ground.edited(&edit).await;
        assert_eq!((first(&found).what, &first(&found).row), ("changed", &name(a)));
        assert_eq!(found.broken.len(), 2);
    });
    on_both(|ground| async move {
        let edit = [(1, -1), (2, 1), (-1, 2)]
            .map(|(from, to)| format!("UPDATE tree_leaf SET position = {to} WHERE position = {from}"));
        let found = ground.edited(&edit).await;
        assert_eq!((first(&found).what, first(&found).leaf), ("changed", Some(1)));
    });
    on_both(|ground| async move {
        // The lists of two hours, with the rows themselves as they were.
        let edit = "UPDATE tree_leaf SET marks = (SELECT o.marks FROM tree_leaf o WHERE o.position = 3 - tree_leaf.position) \
                    WHERE position IN (1, 2)";
        let found = ground.edited(&[edit.to_owned()]).await;
        assert_eq!((first(&found).what, &first(&found).hour), ("changed", &hour(1)));
    });
}

#[test]
fn a_cut_off_end_is_seen_by_what_was_kept_outside_alone() {
    on_both(|ground| async move {
        // Everything of the last hour goes, the tree is what it was before: who is that thorough leaves no trace here.
        let early = ground.relay.store().tree("").await.unwrap();
        ground.log(4, 10..12).await;
        ground.grow(5).await;
        let anchors = ground.anchor().await;
        let hex = data_encoding::HEXLOWER.encode(&early.edge);
        let edge =
            if ground.url.starts_with("sqlite") { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") };
        let size = early.size;
        let edit = [
            format!("DELETE FROM record WHERE id >= {}", id(4, 0)),
            format!("DELETE FROM tree_leaf WHERE position >= {size}"),
            format!("DELETE FROM tree_checkpoint WHERE size > {size}"),
            format!("UPDATE tree SET size = {size}, edge = {edge}"),
        ];
        let mut connection = sqlite::connect(&ground.url).await;
        for text in edit {
            sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        assert!(ground.verify(&[]).await.intact);
        let found = ground.verify(&anchors).await;
        assert_eq!((first(&found).what, first(&found).leaf), ("truncated", Some(size.unsigned_abs())));
    });
}

#[test]
fn an_old_copy_of_the_database_is_seen_by_what_was_kept_outside_also_when_it_goes_on() {
    on_both(|ground| async move {
        let other = postgres::fresh_database();
        let old = copy(&ground, &other);
        ground.log(4, 10..12).await;
        ground.grow(5).await;
        let anchors = ground.anchor().await;
        let keys = ground.keys.clone();
        drop(ground);
        let again = Ground { relay: open(&old, &keys).await, url: old, keys };
        let found = again.verify(&anchors).await;
        assert_eq!((first(&found).what, first(&found).why.contains("old copy")), ("truncated", true));
        // It grows to the same size with other rows, and beyond.
        for hour in 5..8 {
            again.grow(hour).await;
        }
        let found = again.verify(&anchors).await;
        assert_eq!(first(&found).what, "changed");
        assert!(found.broken.iter().any(|broken| broken.why.contains("anchors.txt")), "{:?}", found.broken);
    });
}

/// A copy of the database as it is; its URL.
fn copy(ground: &Ground, other: &postgres::Database) -> String {
    let Some(path) = ground.url.strip_prefix("sqlite:") else {
        let dump = Command::new("pg_dump").arg(&ground.url).output().unwrap();
        let path = ground.keys.with_extension("sql");
        std::fs::write(&path, dump.stdout).unwrap();
        let psql = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--file"])
            .arg(&path)
            .arg(other.url())
            .output();
        assert!(psql.unwrap().status.success());
        return other.url();
    };
    let old = format!("{path}.old");
    for end in ["", "-wal"] {
        std::fs::copy(format!("{path}{end}"), format!("{old}{end}")).unwrap();
    }
    format!("sqlite:{old}")
}

#[test]
fn a_tree_that_was_computed_anew_over_a_changed_log_has_no_signature() {
    on_both(|ground| async move {
        let anchors = ground.anchor().await;
        let row = id(1, 1);
        let edit = [
            format!("UPDATE record SET event = 'refused' WHERE id = {row}"),
            "DELETE FROM tree_leaf".into(),
            "DELETE FROM tree_node".into(),
            "DELETE FROM tree_checkpoint".into(),
            "DELETE FROM tree_pass".into(),
            "DELETE FROM tree".into(),
            "DELETE FROM ring_key WHERE purpose = 'tree'".into(),
        ];
        let mut connection = sqlite::connect(&ground.url).await;
        for text in edit {
            sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        // By somebody with a key of his own.
        std::fs::remove_file(ground.keys.join("tree-a.key")).unwrap();
        let mut ring = KeyRing::open_or_begin(&ground.keys, std::sync::Arc::default()).unwrap();
        ring.make(Purpose::Tree, Timestamp::now(), Duration::ZERO).unwrap();
        let own = open(&ground.url, &ground.keys).await;
        let now = begins(4).after(Duration::from_secs(400));
        while own.grow_tree(now, true).await.unwrap() == Grown::More {}
        let found = ground.verify(&anchors).await;
        assert_eq!(first(&found).what, "changed");
        assert!(found.broken.iter().any(|broken| broken.what == "unsigned"), "{:?}", found.broken);
    });
}

#[test]
fn who_looked_can_be_neither_changed_nor_forgotten() {
    for edit in
        ["DELETE FROM look", "UPDATE look SET outcome = 'refused'", "UPDATE look SET actor_idx = detail"]
    {
        on_both(|ground| async move {
            let look = Look::new(
                "akiko",
                LookPurpose::Audit,
                "C-1",
                anshin::relay::Account { uid: 1, login: None, from: anshin::residency::Origin::Here },
            )
            .unwrap();
            let opening = Opening::Trace(TraceOf::Message(format!("{:016X}", 8)));
            let _ = ground.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await;
            ground.grow(5).await;
            assert_eq!(ground.verify(&[]).await.looks, 1);
            let found = ground.edited(&[edit.to_owned()]).await;
            let what = if edit.starts_with("DELETE") { "deleted" } else { "changed" };
            assert_eq!((first(&found).what, found.broken.len()), (what, 1), "{edit}");
        });
    }
}

#[test]
fn lawful_destruction_verifies_and_any_other_does_not() {
    on_both(|ground| async move {
        let all: Vec<i64> = (0..ROWS).map(|row| id(0, row)).collect();
        assert_eq!(ground.destroy(&all, What::Rows, "metadata, 395 days").await, 1);
        let some = [id(1, 0), id(1, 2), id(2, 4)];
        assert_eq!(ground.destroy(&some, What::Headers, "headers, 180 days").await, 1);
        ground.grow(5).await;
        let found = ground.verify(&ground.anchor().await).await;
        assert_eq!((found.broken, found.rows, found.destroyed), (vec![], 20, 5));
        // The rest of a row whose header block is gone counts on.
        let row = id(1, 2);
        let found = ground.edited(&[format!("UPDATE record SET event = 'refused' WHERE id = {row}")]).await;
        assert_eq!((first(&found).what, &first(&found).row), ("changed", &name(row)));
    });
    on_both(|ground| async move {
        ground.destroy(&[id(1, 1)], What::Rows, "a rule").await;
        // A certificate that somebody copied and altered, to cover what he destroyed himself.
        let edit = [
            "INSERT INTO destruction (id, note) SELECT id + 1, REPLACE(note, 'a rule', 'my rule') FROM destruction".to_owned(),
            format!("DELETE FROM record WHERE id = {}", id(2, 2)),
        ];
        let found = ground.edited(&edit).await;
        let whats: Vec<&str> = found.broken.iter().map(|broken| broken.what).collect();
        assert_eq!((whats, &found.broken[0].row), (vec!["deleted", "unsigned"], &name(id(2, 2))));
    });
    on_both(|ground| async move {
        ground.destroy(&[id(1, 1)], What::Rows, "a rule").await;
        ground.log(1, 1..2).await;
        let found = ground.verify(&[]).await;
        assert_eq!((first(&found).what, &first(&found).row), ("restored", &name(id(1, 1))));
        let edit = "DELETE FROM destruction".to_owned();
        ground.grow(5).await;
        let found = ground.edited(&[edit]).await;
        assert_eq!(first(&found).what, "deleted");
    });
}

#[test]
fn of_processes_that_add_at_once_one_does_and_the_tree_is_whole() {
    on_both(|ground| async move {
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(open(&ground.url, &ground.keys).await);
        }
        let now = begins(30);
        let all = others
            .iter()
            .map(|relay| async move { while relay.grow_tree(now, true).await.unwrap() != Grown::Whole {} });
        futures_util::future::join_all(all).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.rows, found.open), (vec![], 25, 0));
    });
}

#[test]
fn a_bundle_proves_a_message_and_a_look_without_the_database() {
    on_both(|ground| async move {
        let look = Look::new(
            "akiko",
            LookPurpose::Audit,
            "C-1",
            anshin::relay::Account { uid: 1, login: None, from: anshin::residency::Origin::Here },
        )
        .unwrap();
        let message = format!("{:016X}", 7);
        let opening = Opening::Trace(TraceOf::Message(message.clone()));
        ground.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await.ok();
        // Enough leaves for subtrees to be kept.
        ground.grow(300).await;
        let bundle = ground.relay.prove_messages(std::slice::from_ref(&message)).await.unwrap();
        let keys = ground.keys().await;
        let text = serde_json::to_string(&bundle).unwrap();
        let looks = ground.relay.looks().await.unwrap_or_default();
        for look in looks {
            let bundle = ground.relay.prove_look(&look.id).await.unwrap();
            assert!(bundle.check(&keys).is_ok() && bundle.leaves[0].look.is_some());
        }
        drop(ground);
        let bundle: anshin::ledger::Bundle = serde_json::from_str(&text).unwrap();
        let (checkpoint, _) = bundle.check(&keys).unwrap();
        assert!(checkpoint.size > 256);
        assert_eq!(bundle.leaves.iter().map(|leaf| leaf.rows.len()).sum::<usize>(), 25);
        let mut forged = bundle.clone();
        forged.leaves[0].rows[0].row.event = "refused".into();
        assert!(forged.check(&keys).is_err());
    });
}
