//! Many rows in one statement: a statement costs two changes of thread, which under load weigh more than its row.
//!
//! Rules: rows come in lots of a power of two, so that there are few texts and each stays prepared. A text is put
//! together from literals of this floor and numbers alone. PostgreSQL counts parameters (`$1`, `$2`, …); SQLite takes a number as a
//! name, of which it keeps a list that is walked for each that is bound, so there they stay `?`: with 32 rows of a fact that walking
//! was a quarter of all that recording costs.

use super::engine::Engine;
use std::fmt::Write as _;

/// Most rows of one statement: 32 rows of 11 columns stay far below SQLite's 32,766 parameters.
const LOT: usize = 32;

/// Cuts rows into lots.
pub(super) fn lots<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = 1_usize.checked_shl(rest.len().checked_ilog2()?)?.min(LOT);
        let (lot, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(lot)
    })
}

/// A statement with `row` so many times, separated by commas, between `head` and `tail`. Each `?`, wherever it stands, is the
/// next parameter, as the engine writes it.
pub(super) fn statement(engine: Engine, head: &str, row: &str, rows: usize, tail: &str) -> String {
    let mut text = String::with_capacity(head.len() + rows * (row.len() + 16) + tail.len());
    let mut number = 0;
    let mut put = |part: &str| match engine {
        Engine::Sqlite => text.push_str(part),
        Engine::Postgres => {
            for piece in part.split_inclusive('?') {
                match piece.strip_suffix('?') {
                    Some(before) => {
                        number += 1;
                        // Writing into a string does not fail.
                        let _ = write!(text, "{before}${number}");
                    }
                    None => text.push_str(piece),
                }
            }
        }
    };
    put(head);
    for i in 0..rows {
        put(if i == 0 { " " } else { ", " });
        put(row);
    }
    put(" ");
    put(tail);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_lot_and_lots_have_few_sizes() {
        for count in [0, 1, 2, 3, 31, 32, 33, 255, 256] {
            let rows: Vec<usize> = (0..count).collect();
            let cut: Vec<&[usize]> = lots(&rows).collect();
            assert_eq!(cut.concat(), rows);
            assert!(cut.iter().all(|lot| lot.len().is_power_of_two() && lot.len() <= LOT), "{count}");
        }
    }

    #[test]
    fn parameters_are_numbered_through_and_for_sqlite_only_in_order() {
        let text = |engine| statement(engine, "VALUES", "(?, 'x', ?)", 2, "END ?");
        assert_eq!(text(Engine::Postgres), "VALUES ($1, 'x', $2), ($3, 'x', $4) END $5");
        assert_eq!(text(Engine::Sqlite), "VALUES (?, 'x', ?), (?, 'x', ?) END ?");
    }
}
