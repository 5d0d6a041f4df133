//! What a command of `anshin queue` moves: one message, or all that meet its filters.
//!
//! Rules: many are walked once, by id, a page at a time, without a transaction over two of them; what is accepted after the
//! beginning is not meant. Each message is decided about by itself, with its record; what can't be moved, since it is under way,
//! has ended or is stopped by the gate, is counted and left. How far it is stands on standard error.
//! When it fails: the database does not answer; what was done until then stays done, and the same command goes on.

use super::arguments_queue::{ClassName, QueueChoice, QueueSelection, TLS_WORDS};
use super::output::{Failure, print, progress};
use super::{arguments::Common, queue, queue_route};
use crate::config::Config;
use crate::mail::Timestamp;
use crate::relay::{Destination, QueueFault, Relay, RelayFault};
use crate::schedule::Class;
use crate::store::{QueueFilter, QueueRow};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Messages that are read at once.
const PAGE: i64 = 500;
/// Messages that are decided about at once, so that their commits are one, and their octets: some are looked through.
const ABREAST: usize = 16;
const ABREAST_OCTETS: i64 = 8 << 20;
/// After how many messages it is said how far it is.
const SAID_EVERY: u64 = 1000;

/// What is moved.
pub(super) enum Chosen {
    One(i64),
    Many(QueueFilter),
}

/// What a choice means. `states`: those of which messages can be moved so, and `verb` is how.
pub(super) async fn chosen(
    config: &Config,
    relay: &Relay,
    choice: &QueueChoice,
    states: &[&str],
    verb: &str,
) -> Result<Chosen, Failure> {
    if let Some(id) = &choice.queue_id {
        return Ok(Chosen::One(queue::parse(id)?));
    }
    let selection = &choice.selection;
    if selection.state.as_deref().is_some_and(|state| !states.contains(&state)) {
        return Err(Failure::new(format!("--state: only what is {} can be {verb}", states.join(" or "))));
    }
    let limit = choice.limit.map_or(i64::MAX, i64::from);
    let mut filter = filter(config, relay, selection, limit).await?;
    if let [only] = states {
        filter.state = Some((*only).to_owned());
    }
    let now = Timestamp::now();
    filter.received_by = Some(filter.received_by.map_or(now, |at| at.min(now)));
    Ok(Chosen::Many(filter))
}

/// The filter that a selection means.
pub(super) async fn filter(
    config: &Config,
    relay: &Relay,
    selection: &QueueSelection,
    limit: i64,
) -> Result<QueueFilter, Failure> {
    let merchant = match &selection.store_id {
        Some(id) => {
            Some(relay.merchant(id).await?.ok_or_else(|| Failure::new("--store-id: no such store"))?.id)
        }
        None => None,
    };
    let mut routes = Vec::new();
    if let Some(text) = &selection.destination {
        routes.push(relay.route(&destination(text)?));
    }
    if let Some(text) = &selection.via {
        let (next_hop, tls) = queue_route::named(config, text);
        let words = TLS_WORDS.into_iter().filter(|word| tls.as_deref().is_none_or(|tls| tls == *word));
        routes.extend(words.map(|word| relay.route_via(&next_hop, word)));
    }
    let received_by = match &selection.older {
        Some(text) => {
            let age = Config::duration(text)
                .ok_or_else(|| Failure::new("--older: write a time such as 30m, 4h or 2d"))?;
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            Some(Timestamp::from_millis(Timestamp::now().as_millis().saturating_sub(age)))
        }
        None => None,
    };
    Ok(QueueFilter {
        state: selection.state.clone(),
        merchant,
        class: selection.class.map(|class| match class {
            ClassName::Notice => Class::Notice,
            ClassName::Order => Class::Order,
            ClassName::Bulk => Class::Bulk,
        }),
        routes,
        is_own: false,
        received_by,
        status: selection.status.clone(),
        reason: selection.reason.clone(),
        after: 0,
        limit,
    })
}

/// A destination as an operator names it.
pub(super) fn destination(text: &str) -> Result<Destination, Failure> {
    Destination::parse(text).map_err(|flaw| {
        Failure::new(format!("the destination, a domain of recipients or other- and its number: {flaw}"))
    })
}

/// What was asked for, for the record.
pub(super) fn selected(choice: &QueueChoice) -> Value {
    let QueueSelection { state: _, store_id, class, destination, via, older, status, reason } =
        &choice.selection;
    json!({
        "store_id": store_id,
        "class": class.map(|class| match class {
            ClassName::Notice => "notice",
            ClassName::Order => "order",
            ClassName::Bulk => "bulk",
        }),
        "destination": destination,
        "via": via,
        "older": older,
        "status": status,
        "reason": reason,
        "limit": choice.limit,
    })
}

/// Counts what would be moved, where that is all that was asked for. Whether it was.
pub(super) async fn is_dry(
    common: &Common,
    relay: &Relay,
    choice: &QueueChoice,
    chosen: &Chosen,
) -> Result<bool, Failure> {
    let (true, Chosen::Many(filter)) = (choice.dry_run, chosen) else { return Ok(false) };
    let count = relay.store().queue_count(filter).await?;
    print(common, &json!({ "selected": count }), &format!("{count} are selected; nothing was moved"));
    Ok(true)
}

/// A walk over what a filter selects.
pub(super) struct Walk<'a> {
    relay: &'a Relay,
    filter: QueueFilter,
    seen: u64,
}

impl<'a> Walk<'a> {
    pub fn new(relay: &'a Relay, filter: QueueFilter) -> Self {
        Self { relay, filter, seen: 0 }
    }

    /// The next ones, none at the end. Says how far it is.
    pub async fn page(&mut self) -> Result<Vec<QueueRow>, Failure> {
        let page = QueueFilter { limit: self.filter.limit.min(PAGE), ..self.filter.clone() };
        let rows = self.relay.store().queue(&page).await?;
        if self.seen > 0 && self.seen.is_multiple_of(SAID_EVERY) {
            progress(&format!("{} done", self.seen));
        }
        self.filter.after = rows.last().map_or(self.filter.after, |row| row.delivery_id);
        self.filter.limit -= i64::try_from(rows.len()).unwrap_or(i64::MAX);
        self.seen += rows.len() as u64;
        Ok(rows)
    }
}

/// What a walk came to.
#[derive(Default)]
pub(super) struct Tally {
    pub moved: u64,
    /// What was left as it is, by why.
    pub left: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn count(&mut self, done: Result<(), QueueFault>) -> Result<(), Failure> {
        match done {
            Ok(()) => self.moved += 1,
            Err(QueueFault::Fault(fault @ RelayFault::Store(_))) => return Err(fault.into()),
            Err(fault) => *self.left.entry(fault.word()).or_default() += 1,
        }
        Ok(())
    }

    /// How many were left.
    pub fn left(&self) -> u64 {
        self.left.values().sum()
    }

    /// What was left and why, behind the count of what was moved.
    pub fn rest(&self) -> String {
        let why: Vec<String> = self.left.iter().map(|(why, count)| format!("{count} {why}")).collect();
        if why.is_empty() { String::new() } else { format!("; left as they are: {}", why.join(", ")) }
    }
}

/// How many of these are decided about at once: one at least.
fn abreast(rows: &[QueueRow]) -> usize {
    let sums = rows.iter().scan(0_i64, |sum, row| {
        *sum = sum.saturating_add(row.size);
        Some(*sum)
    });
    sums.take(ABREAST).take_while(|sum| *sum <= ABREAST_OCTETS).count().max(1)
}

/// Moves each that a filter selects.
pub(super) async fn each(
    relay: &Relay,
    filter: QueueFilter,
    act: impl AsyncFn(i64) -> Result<(), QueueFault>,
) -> Result<Tally, Failure> {
    let (mut walk, mut tally) = (Walk::new(relay, filter), Tally::default());
    loop {
        let rows = walk.page().await?;
        if rows.is_empty() {
            return Ok(tally);
        }
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(abreast(rest).min(rest.len()));
            rest = later;
            for done in join_all(now.iter().map(|row| act(row.message_id))).await {
                tally.count(done)?;
            }
        }
    }
}

/// Says what a walk came to.
pub(super) fn told(common: &Common, tally: &Tally, state: &str) {
    let document = json!({ state: tally.moved, "left": tally.left(), "why": tally.left });
    print(common, &document, &format!("{} {state}{}", tally.moved, tally.rest()));
}
