//! Rows that come after their hour was entered, or of which nothing was noted.

use super::ground::*;
use anshin::ledger::What;

/// Writes the fact of a row that was put in by hand.
fn fact_of(row: i64) -> String {
    format!("INSERT INTO fact (id, at, event) SELECT id, at, event FROM record WHERE id = {row}")
}

#[test]
fn rows_that_come_late_become_a_leaf_of_their_own() {
    on_both(|ground| async move {
        let before = ground.relay.store().leaves(0, 100).await.unwrap();
        ground.log(1, 50..53).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken[0].what, found.broken.len()), ("inserted", 3));
        // The next passes over the hour find them.
        ground.grow(60).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.late), (vec![], 3));
        let after = ground.relay.store().leaves(0, 100).await.unwrap();
        for (old, new) in before.iter().zip(&after) {
            assert_eq!((&old.entry, &old.marks), (&new.entry, &new.marks));
        }
    });
}

#[test]
fn rows_that_come_late_are_entered_once_by_a_round_that_looks_at_their_hour_more_than_once() {
    on_both(|ground| async move {
        // Every hour that is looked at again is due to every one of these passes by then.
        for hour in 1..4 {
            ground.log(hour, 50..53).await;
        }
        ground.grow(24 * 30).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.rows, found.late), (vec![], 34, 9));
        let leaves = ground.relay.store().leaves(0, 1000).await.unwrap();
        let late = leaves.iter().filter(|leaf| leaf.entry.contains("\nrows 3\n")).count();
        assert_eq!(late, 3, "one leaf for each hour");
    });
}

#[test]
fn rows_that_come_late_are_entered_where_as_many_were_destroyed_meanwhile() {
    on_both(|ground| async move {
        ground.destroy(&[id(3, 0), id(3, 1)], What::Rows, "a rule").await;
        ground.log(3, 50..52).await;
        ground.grow(60).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.late, found.destroyed), (vec![], 2, 2));
    });
}

#[test]
fn rows_of_a_version_that_notes_nothing_are_entered_with_their_hour_whatever_became_of_those_that_were_noted()
{
    on_both(|ground| async move {
        let copy = |to: i64, from: i64| {
            format!(
                "INSERT INTO record (id, at, event, data_key_id, detail) SELECT {to}, at, event, data_key_id, detail \
                 FROM record WHERE id = {from}"
            )
        };
        let gone = |row: i64| format!("DELETE FROM record WHERE id = {row}");
        let rows = [50, 51].map(|row| copy(id(4, row), id(4, 2)));
        ground.edit(&rows).await;
        ground.edit(&[50, 51].map(|row| fact_of(id(4, row)))).await;
        ground.edit(&[gone(id(4, 0)), gone(id(4, 1))]).await;
        ground.grow(5).await;
        let found = ground.verify(&[]).await;
        let told: Vec<_> = found.broken.iter().map(|broken| (broken.what, broken.row.clone())).collect();
        assert_eq!(told, [("deleted", name(id(4, 0))), ("deleted", name(id(4, 1)))]);
        assert_eq!((found.rows, found.late), (25, 0), "those are the hour's own");
    });
}

#[test]
fn many_rows_and_few_that_nothing_was_noted_of_are_found_among_those_that_were() {
    on_both(|ground| async move {
        let copies = |rows: std::ops::Range<i64>| {
            rows.flat_map(|row| {
                let (to, from) = (id(4, row), id(4, 2));
                let text = format!(
                    "INSERT INTO record (id, at, event, data_key_id, detail) SELECT {to}, at, event, data_key_id, detail \
                     FROM record WHERE id = {from}"
                );
                [text, fact_of(to)]
            })
            .collect::<Vec<_>>()
        };
        ground.edit(&copies(100..180)).await;
        ground.grow(5).await;
        ground.edit(&copies(200..203)).await;
        ground.grow(60).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.rows, found.late), (vec![], 108, 3));
    });
}
