//! What binds a conversation's rows to each other, as it is kept, and whether all are bound.
//!
//! When it fails: [`StoreFault`]; nothing is bound, or all of a batch.

use super::fault::StoreFault;
use super::handle::Store;
use crate::vault::{Index, Sealed};
use sqlx::{AnyConnection, Row};

/// What binds a conversation and its aliases, by their ids.
#[derive(Clone)]
pub struct Bound {
    pub revision: Sealed,
    pub tags: Vec<(i64, Sealed)>,
}

impl Store {
    /// What says that everything is bound, if it was said.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn bound(&self) -> Result<Option<Vec<u8>>, StoreFault> {
        let text = "SELECT bound FROM installation WHERE id = 1 AND bound IS NOT NULL";
        let row = sqlx::query(text).fetch_optional(self.pool()).await?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error: sqlx::Error| error.into())
    }

    /// Says that everything is bound.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn set_bound(&self, mark: Index) -> Result<(), StoreFault> {
        let text = "UPDATE installation SET bound = $1 WHERE id = 1";
        sqlx::query(text).bind(mark.as_bytes()).execute(self.pool()).await?;
        Ok(())
    }

    /// Binds conversations that have these addresses still. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then none is bound.
    pub async fn bind(&self, conversations: &[(i64, Sealed, Bound)]) -> Result<u64, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let mut count = 0;
                for (id, customer, bound) in conversations {
                    let text = "UPDATE conversation SET revision = $1 WHERE id = $2 AND customer = $3";
                    let query = sqlx::query(text).bind(bound.revision.stored()).bind(*id);
                    let query = query.bind(customer.stored());
                    let written = query.execute(&mut *transaction).await?.rows_affected();
                    if written == 1 {
                        tag(&mut transaction, *id, bound).await?;
                    }
                    count += written;
                }
                transaction.commit().await?;
                Ok(count)
            })
            .await
    }
}

/// Writes the tags of a conversation's aliases.
pub(super) async fn tag(
    connection: &mut AnyConnection,
    conversation: i64,
    bound: &Bound,
) -> Result<(), sqlx::Error> {
    for (alias, tag) in &bound.tags {
        let text = "UPDATE alias SET tag = $1 WHERE id = $2 AND conversation_id = $3";
        let query = sqlx::query(text).bind(tag.stored()).bind(*alias).bind(conversation);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
