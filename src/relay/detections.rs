//! Rules at work: what is recorded is held against each of them, and a mail that one holds or refuses is held or refused.
//!
//! Rules: a rule sees the fact of a mail or login and nothing else, so it finds at the door what it finds in a search. Rules are armed anew
//! each minute: then names become the numbers of the quarter, and what all nodes did today counts against a rule's budget. Beyond its budget a
//! rule holds and refuses nothing more until the next day. A rule that can't be armed (the store that it names is gone) finds nothing, and the log says so.
//! When it fails: what was armed before goes on; a mail is never kept back because rules could not be armed.

use super::draft::Draft;
use super::hold::Why;
use super::record::About;
use super::{Refusal, Relay, RelayFault};
use crate::anonymize::Hold;
use crate::detect::{Counting, Mode, Rules, Threshold};
use crate::mail::{Flags, Timestamp};
use crate::query::{Column, Outline, Plan, Row};
use crate::store::{NewDetection, NewFact, NewRecord};
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// For how long rules stay armed as they are.
const ARMED: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;
const JAPAN_MS: i64 = 9 * 3_600_000;

/// The rules of a process.
#[derive(Default)]
pub(super) struct Detections {
    rules: OnceLock<Arc<Rules>>,
    armed: ArcSwapOption<Armed>,
    /// Held while they are armed.
    arming: tokio::sync::Mutex<()>,
    /// What was counted for rules that count, by rule.
    counted: Mutex<HashMap<String, Counting>>,
}

struct Armed {
    at: Timestamp,
    rules: Vec<ArmedRule>,
}

struct ArmedRule {
    name: String,
    version: u32,
    mode: Mode,
    expires: Timestamp,
    threshold: Option<Threshold>,
    /// How many mails more it may hold or refuse today.
    left: AtomicI64,
    plan: Plan,
}

impl ArmedRule {
    fn finds(&self, row: &Row, files: &[i64]) -> bool {
        row.at < self.expires.as_millis() && self.plan.holds_with(row, files)
    }

    fn id(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }
}

impl Relay {
    /// Says by which rules fraud is looked for from now on.
    pub fn detects_by(&self, rules: Arc<Rules>) {
        let _ = self.inner.detections.rules.set(rules);
    }

    /// Arms the rules, unless they were within a minute.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer; those that were armed go on.
    pub async fn arm_rules(&self, now: Timestamp) -> Result<(), RelayFault> {
        let own = &self.inner.detections;
        let is_armed = |armed: &Armed| armed.at <= now && now < armed.at.after(ARMED);
        let Some(rules) = own.rules.get() else { return Ok(()) };
        if own.armed.load().as_ref().is_some_and(|armed| is_armed(armed)) {
            return Ok(());
        }
        // Whoever comes meanwhile goes on with those of before.
        let Ok(_arming) = own.arming.try_lock() else { return Ok(()) };
        let day = (now.as_millis() + JAPAN_MS).div_euclid(DAY_MS) * DAY_MS - JAPAN_MS;
        let done = self.store().detected_since(Timestamp::from_millis(day)).await?;
        let mut armed = Vec::new();
        for rule in rules.iter().filter(|rule| rule.is_good_at(now)) {
            let used: i64 = done
                .iter()
                .filter(|done| done.rule == rule.name && Mode::parse(&done.mode).is_some_and(Mode::acts))
                .map(|done| done.n)
                .sum();
            let planned = match Outline::of(&rule.when, now) {
                Ok(outline) => match self.named(&outline).await {
                    Ok(found) => Plan::new(outline, found).map_err(|problem| problem.reason),
                    Err(super::SearchFault::Query(problem)) => Err(problem.reason),
                    Err(super::SearchFault::Fault(fault)) => return Err(fault),
                    Err(_) => Err("it can't be looked up".into()),
                },
                Err(problem) => Err(problem.reason),
            };
            match planned {
                Ok(plan) => armed.push(ArmedRule {
                    name: rule.name.clone(),
                    version: rule.version,
                    mode: rule.mode,
                    expires: rule.expires,
                    threshold: rule.threshold,
                    left: AtomicI64::new(i64::from(rule.budget) - used),
                    plan,
                }),
                Err(reason) => {
                    tracing::warn!(event = "rule_idle", rule = rule.id(), reason, "a rule finds nothing")
                }
            }
        }
        own.armed.store(Some(Arc::new(Armed { at: now, rules: armed })));
        Ok(())
    }

    /// A record with what rules find of it. `acted`: the rule for which its mail is held.
    pub(super) fn examined(&self, mut record: NewRecord, acted: Option<&str>) -> NewRecord {
        let own = &self.inner.detections;
        let armed = own.armed.load();
        let Some(armed) = armed.as_ref() else { return record };
        let row = row_of(&record);
        let files = files_of(&record.fact);
        for rule in armed.rules.iter().filter(|rule| rule.finds(&row, &files)) {
            if let Some(threshold) = rule.threshold {
                let Some(value) = row.number(threshold.by) else { continue };
                let mut counted = own.counted.lock().unwrap_or_else(PoisonError::into_inner);
                let counting = counted.entry(rule.id()).or_insert_with(|| Counting::new(threshold));
                if !counting.comes(value, row.at) {
                    continue;
                }
            }
            let is_done = !rule.mode.acts() || acted == Some(rule.id().as_str());
            let mode = if is_done { rule.mode } else { Mode::Shadow };
            let version = i64::from(rule.version);
            record.fact.detected.push(NewDetection { rule: rule.name.clone(), version, mode: mode.as_str() });
        }
        record
    }

    /// A mail that is about to be taken, held where a rule holds it. What waits for the operator, or for whose address it claims, stays so
    /// for that; a store's own copies go to itself alone.
    ///
    /// # Errors
    /// [`Refusal::Detected`] where a rule refuses it, or holds it and there is no more room for what is held.
    pub(super) async fn judged<'a>(&self, draft: Draft<'a>) -> Result<Draft<'a>, Refusal> {
        let found = {
            let armed = self.inner.detections.armed.load();
            let is_copy = draft.leg.direction == "copy";
            let acts = |armed: &&Arc<Armed>| !is_copy && armed.rules.iter().any(|rule| rule.mode.acts());
            let Some(armed) = armed.as_ref().filter(acts) else {
                return Ok(draft);
            };
            let taken = draft.taken();
            let fact = self.fact_of_taken(&taken, draft.now);
            let row = row(draft.id, draft.now, "accepted", taken.about(), &fact);
            let files = files_of(&fact);
            // What its sender alone could release would be no hold. Of a file the gate says at the release what it found.
            let is_open = matches!(draft.hold, None | Some(Why::Content(Hold::Document)));
            let may_act = |mode: Mode| mode == Mode::Refuse || is_open;
            let acts = |rule: &&ArmedRule| rule.mode.acts() && may_act(rule.mode);
            let acting = armed.rules.iter().filter(acts).filter(|rule| rule.finds(&row, &files));
            let has_room = |rule: &&ArmedRule| {
                let is_left = rule.left.load(Ordering::Relaxed) > 0;
                if !is_left {
                    tracing::warn!(
                        event = "rule_over_budget",
                        rule = rule.id(),
                        "a rule has used up its day: it only notes what it finds"
                    );
                }
                is_left
            };
            let picked = acting.filter(has_room).max_by_key(|rule| rule.mode);
            if let Some(rule) = picked {
                rule.left.fetch_sub(1, Ordering::Relaxed);
            }
            picked.map(|rule| (rule.mode, rule.name.clone(), rule.version))
        };
        let Some((mode, rule, version)) = found else { return Ok(draft) };
        if mode == Mode::Refuse || !self.may_hold(draft.leg).await? {
            return Err(Refusal::Detected { rule, version });
        }
        let expires_at = self.held_until(draft.now);
        let acted = Some(format!("{rule}/{version}"));
        Ok(Draft { hold: Some(Why::Rule), expires_at, acted, ..draft })
    }
}

fn files_of(fact: &NewFact) -> Vec<i64> {
    fact.attachments.iter().filter_map(|file| file.hash_k).collect()
}

fn row_of(record: &NewRecord) -> Row {
    let about = About {
        merchant: record.merchant_id,
        conversation: record.conversation_id,
        message: record.message_id,
        delivery: record.delivery_id,
    };
    row(record.id, record.at, record.event, about, &record.fact)
}

/// A fact as a search reads it.
fn row(id: i64, at: Timestamp, event: &str, about: About, fact: &NewFact) -> Row {
    let mut row = Row::new(id, at.as_millis());
    let own = |text: Option<&str>| text.map(str::to_owned);
    for (column, text) in [
        (Column::Event, Some(event)),
        (Column::Direction, fact.direction.as_deref()),
        (Column::Result, fact.result.as_deref()),
        (Column::Country, fact.country.as_deref()),
        (Column::Country2, fact.country2.as_deref()),
        (Column::OriginCountry, fact.origin_country.as_deref()),
        (Column::Tls, fact.tls.as_deref()),
        (Column::Spf, fact.spf),
        (Column::Dkim, fact.dkim),
        (Column::Dmarc, fact.dmarc),
        (Column::Arc, fact.arc),
    ] {
        row.set_text(column, own(text));
    }
    for (column, number) in [
        (Column::Merchant, about.merchant),
        (Column::Conversation, about.conversation),
        (Column::Message, about.message),
        (Column::Delivery, about.delivery),
        (Column::From, fact.from_k),
        (Column::Author, fact.author_k),
        (Column::Reply, fact.reply_k),
        (Column::To, fact.to_k),
        (Column::Rcpt, fact.rcpt_k),
        (Column::Order, fact.order_k),
        (Column::Login, fact.login_k),
        (Column::MessageId, fact.msgid_k),
        (Column::SentId, fact.sent_id_k),
        (Column::Answers, fact.answers_k),
        (Column::Ip, fact.ip_k),
        (Column::Net, fact.net_k),
        (Column::Origin, fact.origin_k),
        (Column::PeerDomain, fact.peer_dom_k),
        (Column::AuthorDomain, fact.author_dom_k),
        (Column::FromDomain, fact.from_dom_k),
        (Column::DkimDomain, fact.dkim_dom_k),
        (Column::Mailer, fact.mailer_k),
        (Column::Asn, fact.asn),
        (Column::Size, fact.size),
        (Column::Recipients, fact.recipients),
        (Column::Files, fact.files),
        (Column::Hops, fact.hops),
        (Column::Flags, fact.flags.map(Flags::bits)),
    ] {
        row.set_number(column, number);
    }
    row
}
