//! Rows of the spool that somebody altered behind the relay's back.

use super::holds::By;
use super::*;
use crate::anonymize::Hold;

#[tokio::test]
async fn a_row_that_somebody_altered_keeps_no_other_from_its_end() {
    let shop = Shop::open().await;
    let altered = shop.take(By::Customer, "", Some(Hold::Document), &[]).await;
    let waits = shop.take(By::Store, "", None, &[]).await;
    let (held, late) = (
        shop.take(By::Store, "", Some(Hold::Document), &[]).await,
        shop.take(By::Customer, "", None, &[]).await,
    );
    let mut database = shop.database().await;
    let text = "UPDATE message SET received_at = 'x' WHERE id IN ($1, $2)";
    sqlx::query(text).bind(altered).bind(waits).execute(&mut database).await.unwrap();
    let end = Timestamp::now().after(Duration::from_secs(30 * 86_400));
    assert_eq!(shop.relay.end_holds(end).await.unwrap(), 1);
    assert_eq!(shop.state(held).await.0, "dropped");
    shop.relay.look_at_waiting(end, |_| true).await.unwrap();
    assert_eq!(shop.state(late).await.0, "failed");
    let text = "SELECT state, held_for FROM delivery WHERE message_id IN ($1, $2) ORDER BY message_id";
    let left: Vec<(String, Option<String>)> =
        sqlx::query_as(text).bind(altered).bind(waits).fetch_all(&mut database).await.unwrap();
    assert_eq!(left, [("held".into(), Some("fault".into())), ("waiting".into(), None)]);
}
