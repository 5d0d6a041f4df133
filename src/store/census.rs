//! Which rows the log has, without their rows: what finds the ones that were never entered.
//!
//! Rules: both statements are answered by an index that holds ids alone (`migrations/0029_log_ids.sql`), so that to look at an hour again
//! costs a small part of reading it.
//! When it fails: [`StoreFault`] where the database does not answer.

use super::fault::StoreFault;
use super::handle::Store;
use sqlx::Row;

/// A prime below 2^31: the sum of 2^32 rows fits a column.
const MODULUS: i64 = 2_147_483_647;
const CENSUS: &str = "SELECT COUNT(*), CAST(COALESCE(SUM((id - $1) % $3), 0) AS BIGINT) FROM record WHERE id >= $1 AND id < $2";
const IDS: &str = "SELECT id FROM record WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";

/// How many rows there are, and a sum over their ids, so that one that went and one that came do not pass for the same. Other rows of the
/// same number have the same sum with a probability of 2^-31; who changes rows by hand so that it is the same is named by what verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    count: i64,
    sum: i64,
}

impl Census {
    /// What [`Store::log_census`] finds from this id on where there are these rows.
    pub fn of(from: i64, ids: impl Iterator<Item = i64>) -> Self {
        let add = |census: Self, id: i64| Self {
            count: census.count + 1,
            sum: census.sum.wrapping_add(id.wrapping_sub(from) % MODULUS),
        };
        ids.fold(Self { count: 0, sum: 0 }, add)
    }
}

impl Store {
    /// Which rows of the log there are from one id to before another, as one can compare it.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn log_census(&self, from: i64, to: i64) -> Result<Census, StoreFault> {
        let query = sqlx::query(CENSUS).bind(from).bind(to).bind(MODULUS);
        let row = query.fetch_one(self.pool()).await?;
        Ok(Census { count: row.try_get(0)?, sum: row.try_get(1)? })
    }

    /// Ids of rows of the log from one to before another, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn log_ids(&self, from: i64, to: i64, limit: i64) -> Result<Vec<i64>, StoreFault> {
        let rows = sqlx::query(IDS).bind(from).bind(to).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::{Database, Engine};
    use crate::store::schema::migrate;
    use crate::vault::FileKeys;
    use sqlx::AssertSqlSafe;

    #[tokio::test]
    async fn sqlite_counts_and_lists_rows_of_the_log_without_reading_their_pages() {
        let database = Database::from_url("sqlite::memory:", &FileKeys::for_tests('a', 1)).await.unwrap();
        let mut connection = database.connect().await.unwrap();
        migrate(Engine::Sqlite, &mut connection).await.unwrap();
        for analyzed in [false, true] {
            for text in [CENSUS, IDS, "SELECT COUNT(*) FROM record WHERE id >= $1 AND id < $2"] {
                let query = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
                let mut query = query.bind(1_i64).bind(2_i64);
                if text.contains("$3") {
                    query = query.bind(3_i64);
                }
                let plan: String = query.fetch_one(&mut connection).await.unwrap().get(3);
                assert!(plan.contains("COVERING INDEX record_id"), "{analyzed} {text}: {plan}");
            }
            let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
                INSERT INTO record (id, at, event, data_key_id, detail) SELECT i, i, 'accepted', 1, zeroblob(900) FROM n \
                WHERE NOT EXISTS (SELECT 1 FROM record)";
            sqlx::query(fill).execute(&mut connection).await.unwrap();
            sqlx::raw_sql("ANALYZE").execute(&mut connection).await.unwrap();
        }
    }

    #[test]
    fn a_census_tells_rows_that_came_in_place_of_others() {
        let from = 1 << 50;
        let of = |rows: &[i64]| Census::of(from, rows.iter().map(|row| from + row));
        assert_eq!(of(&[1, 2, 1 << 43]), of(&[1 << 43, 2, 1]));
        assert_ne!(of(&[1, 2, 3]), of(&[1, 2, 4]));
        assert_ne!(of(&[1, 2]), of(&[3]));
    }
}
