//! `anshin merchant contain`: a store that somebody suspects another behind sends nothing, and nobody is in its menu, until it is let go on; what
//! waits of its mail is held.
//!
//! Rules: the store first, then the queue, until nothing of it is under way, so that nothing new comes behind what is held. Each mail is held by itself,
//! with its record; what customers write goes on.
//! When it fails: [`Failure`]; where the store is contained and holding stopped, `anshin queue hold` goes on, by id.

use super::arguments::Common;
use super::arguments_desk::LookArguments;
use super::desk;
use super::output::{Failure, print};
use super::queue_many::{self, Tally};
use crate::mail::Timestamp;
use crate::relay::{Contains, Relay};
use crate::store::QueueFilter;
use serde_json::json;
use std::time::Duration;

/// For how long a session may go by what it knew of its credential, and a little more.
const KNOWN_AFTER: Duration = Duration::from_millis(1500);
/// How often the queue is looked through for what was being delivered: a minute.
const PASSES: u32 = 40;

pub(super) async fn run(
    store_id: &str,
    lifts: bool,
    look: &LookArguments,
    common: &Common,
) -> Result<(), Failure> {
    let (_, relay, named) = desk::relay_named(common, "merchant contain", look).await?;
    if lifts {
        relay.contain(store_id, &named, Contains::NoMore).await?;
        let text = format!(
            "{store_id} goes on, with the passwords that it had. What was held goes out by `anshin queue release --store-id {store_id} --reason operator`."
        );
        print(common, &json!({ "store_id": store_id, "contained": false }), &text);
        return Ok(());
    }
    let merchant = relay.contain(store_id, &named, Contains::FromNow).await?;
    let mut tally = held(&relay, merchant).await?;
    // What came in by a session that did not know it yet.
    tokio::time::sleep(KNOWN_AFTER).await;
    for _ in 0..PASSES {
        let late = held(&relay, merchant).await?;
        (tally.moved, tally.left) = (tally.moved + late.moved, late.left);
        if tally.left() == 0 {
            break;
        }
        // What is being delivered is held where it did not arrive.
        tokio::time::sleep(KNOWN_AFTER).await;
    }
    let document = json!({
        "store_id": store_id, "contained": true, "held": tally.moved, "left": tally.left(), "why": tally.left,
    });
    let text = format!(
        "{store_id} sends nothing new, and nobody is in its menu, until --lift. {} held{}{}",
        tally.moved,
        tally.rest(),
        if tally.left() == 0 {
            String::new()
        } else {
            format!("; hold by its id what of it does not arrive: anshin queue list --store-id {store_id}")
        }
    );
    print(common, &document, &text);
    Ok(())
}

/// Holds what waits of a store.
async fn held(relay: &Relay, merchant: i64) -> Result<Tally, Failure> {
    let filter = QueueFilter {
        state: Some("waiting".into()),
        merchant: Some(merchant),
        class: None,
        routes: Vec::new(),
        // What customers write, and what the relay tells them, goes on.
        is_own: true,
        received_by: Some(Timestamp::now()),
        status: None,
        reason: None,
        after: 0,
        limit: i64::MAX,
    };
    queue_many::each(relay, filter, async |message| relay.hold_waiting(message).await).await
}
