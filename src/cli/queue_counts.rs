//! `anshin queue stats|summary|watch`: how much there is, by state, destination, reason, store or class.
//!
//! Rules: a destination has its name where it is a receiver that millions share and that a shape names; any other domain
//! could be one person's, and has a number that stays the same, which other commands take. What the operator moved is
//! counted by its next hop, which is named beside the number.

use super::arguments::Common;
use super::arguments_queue::CountBy;
use super::output::{Failure, clear, print, print_look, table};
use crate::config::{Config, Shape};
use crate::mail::Timestamp;
use crate::relay::{Destination, Relay};
use crate::schedule::{Class, Resting};
use crate::store::{By, QueueCount, QueueTotals};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// Totals by state, once, or anew every so many seconds until Ctrl-C.
pub(super) async fn stats(common: &Common, relay: &Relay, follow: Option<u64>) -> Result<(), Failure> {
    loop {
        let (document, mut text) = totals(&relay.store().queue_totals().await?);
        text.push_str(&ways_out(relay).await?.1);
        let Some(seconds) = follow else {
            print(common, &document, &text);
            return Ok(());
        };
        print_look(common, &document, &text);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// How many egress processes there are, and which of them do not trust their own ways out, by what each said last. One that was killed
/// counts until the others forget it.
async fn ways_out(relay: &Relay) -> Result<(Value, String), Failure> {
    let words = relay.store().words_of_nodes().await?;
    let in_doubt = words.iter().filter(|word| Resting::says_doubt(word)).count();
    let text = match in_doubt {
        0 => String::new(),
        _ => format!(
            "{in_doubt} of {} egress processes can reach nobody: look for egress_suspects_itself in their logs\n",
            words.len()
        ),
    };
    Ok((json!({ "processes": words.len(), "in_doubt": in_doubt }), text))
}

fn totals(totals: &[QueueTotals]) -> (Value, String) {
    let document = totals
        .iter()
        .map(|total| {
            json!({
                "state": total.state,
                "held_for": total.held_for,
                "count": total.count,
                "oldest_at": total.oldest_at.map(Timestamp::to_rfc3339),
                "doubtful_attempts": total.doubtful,
            })
        })
        .collect();
    let line = |total: &QueueTotals| {
        let why = total.held_for.clone().unwrap_or_else(|| "-".into());
        vec![
            total.state.clone(),
            why,
            total.count.to_string(),
            total.doubtful.to_string(),
            time(total.oldest_at),
        ]
    };
    let head = ["state", "held for", "deliveries", "doubtful attempts", "oldest received"];
    (Value::Array(document), table(&head, &totals.iter().map(line).collect::<Vec<_>>()))
}

/// Totals and what waits by destination and by reason, anew every so many seconds until Ctrl-C; as JSON one document a line.
pub(super) async fn watch(
    common: &Common,
    config: &Config,
    relay: &Relay,
    seconds: u64,
    limit: u32,
) -> Result<(), Failure> {
    loop {
        clear(common);
        let (states, text) = totals(&relay.store().queue_totals().await?);
        let ways_out = ways_out(relay).await?;
        let destinations = counted(config, relay, By::Destination, limit).await?;
        let reasons = counted(config, relay, By::Reason, limit).await?;
        let document = json!({
            "at": Timestamp::now().to_rfc3339(),
            "states": states,
            "egress": ways_out.0,
            "destinations": destinations.0,
            "reasons": reasons.0,
        });
        print_look(common, &document, &format!("{text}{}{}{}", ways_out.1, destinations.1, reasons.1));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// What waits and is held, counted.
pub(super) async fn summary(
    common: &Common,
    config: &Config,
    relay: &Relay,
    by: CountBy,
    limit: u32,
) -> Result<(), Failure> {
    let by = match by {
        CountBy::Destination => By::Destination,
        CountBy::Reason => By::Reason,
        CountBy::Store => By::Store,
        CountBy::Class => By::Class,
    };
    let (document, text) = counted(config, relay, by, limit).await?;
    print(common, &document, &text);
    Ok(())
}

async fn counted(config: &Config, relay: &Relay, by: By, limit: u32) -> Result<(Value, String), Failure> {
    let counts = relay.store().queue_counts(by, i64::from(limit)).await?;
    let receivers: HashMap<i64, String> = Shape::in_force(&config.egress.shapes)
        .iter()
        .flat_map(|shape| shape.domains.iter().map(|domain| (relay.route_of(domain), domain.to_string())))
        .collect();
    let (mut named, mut via) = (Vec::with_capacity(counts.len()), Vec::with_capacity(counts.len()));
    for count in &counts {
        let number: i64 = count.of.parse().unwrap_or_default();
        named.push(match by {
            By::Destination => {
                receivers.get(&number).cloned().unwrap_or_else(|| Destination::Number(number).to_string())
            }
            By::Store => relay.store_id_of(number).await?.unwrap_or_else(|| "-".into()),
            By::Class => Class::of(number).as_str().to_owned(),
            By::Reason => count.of.clone(),
        });
        via.push(match by {
            By::Destination if number < 0 => relay.moved_to(count.delivery_id).await?,
            _ => None,
        });
    }
    let all = || named.iter().zip(&via).zip(&counts);
    let document = all().map(|((name, via), count)| {
        json!({
            "of": name,
            "via": via,
            "waiting": count.waiting,
            "held": count.held,
            "tried": count.tried,
            "oldest_at": count.oldest_at.map(Timestamp::to_rfc3339),
        })
    });
    let line = |((name, via), count): ((&String, &Option<String>), &QueueCount)| {
        let numbers = [count.waiting, count.tried, count.held].map(|number| number.to_string());
        let name = via.as_ref().map_or_else(|| name.clone(), |via| format!("{name} via {via}"));
        [vec![name], numbers.to_vec(), vec![time(count.oldest_at)]].concat()
    };
    let head = ["of", "waiting", "tried", "held", "oldest received"];
    Ok((Value::Array(document.collect()), table(&head, &all().map(line).collect::<Vec<_>>())))
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".into(), Timestamp::to_rfc3339)
}
