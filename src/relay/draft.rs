//! A message between the anonymizer and its rows: what came out, what is sealed beside it, and what its sender is told.
//!
//! Rules: who is held is told how it goes on; of what was taken out the sender hears once a day for each kind, never a
//! program, and never somebody who may not be the sender. Notices are written in the transaction of the message.
//! When it fails: a notice that can't be made is left out and logged; the message is not.

use super::accept::{Incoming, header_block};
use super::admission::Ask;
use super::automatic::is_automatic;
use super::envelope::{AliasText, Envelope};
use super::hold::Why;
use super::leg::Leg;
use super::notice::{Outcome, Subject};
use super::record::About;
use super::{Relay, RelayFault, words};
use crate::anonymize::{DocumentRule, Outcome as Anonymization, Removed};
use crate::mail::{RealAddress, Timestamp};
use crate::store::NewNotice;
use crate::vault::{Index, Indexed};
use std::time::Duration;

/// How long the sender is not told again that the same kind of thing was taken out.
const TOLD_AGAIN: Duration = Duration::from_secs(86_400);

/// The field by which mail programs sort out what a filter marked; any that a sender wrote has gone.
const LABEL: &[u8] = b"X-Spam-Flag: YES\r\n";

/// One recipient's message, made.
pub(super) struct Draft<'a> {
    pub incoming: &'a Incoming<'a>,
    pub leg: &'a Leg<'a>,
    pub id: i64,
    pub delivery: i64,
    pub now: Timestamp,
    /// When it is given up, or no longer held.
    pub expires_at: Timestamp,
    pub body: Vec<u8>,
    pub hold: Option<Why>,
    pub removed: Vec<Removed>,
    /// The id its author gave it.
    pub own_id: Option<String>,
    /// The id that its recipient sees, where that is another one.
    pub sent_id: Option<String>,
    /// Whether it answers what its writer never got from us, nor wrote.
    pub answers_unknown: bool,
    /// The rule for which it is held.
    pub acted: Option<String>,
    pub envelope: Envelope,
}

/// What of a message its log says.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    pub incoming: &'a Incoming<'a>,
    pub leg: &'a Leg<'a>,
    pub id: i64,
    pub delivery: i64,
    pub now: Timestamp,
    pub own_id: Option<&'a str>,
    pub sent_id: Option<&'a str>,
    pub answers_unknown: bool,
    /// The rule for which it is held.
    pub acted: Option<&'a str>,
    /// Octets of what goes on.
    pub size: usize,
}

impl Taken<'_> {
    pub fn about(&self) -> About {
        About {
            merchant: Some(self.leg.merchant.id),
            conversation: self.leg.conversation.map(|conversation| conversation.id),
            message: Some(self.id),
            delivery: Some(self.delivery),
        }
    }
}

impl Draft<'_> {
    pub fn taken(&self) -> Taken<'_> {
        Taken {
            incoming: self.incoming,
            leg: self.leg,
            id: self.id,
            delivery: self.delivery,
            now: self.now,
            own_id: self.own_id.as_deref(),
            sent_id: self.sent_id.as_deref(),
            answers_unknown: self.answers_unknown,
            acted: self.acted.as_deref(),
            size: self.body.len(),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            message_id: self.id,
            delivery_id: self.delivery,
            merchant_id: self.leg.merchant.id,
            conversation_id: self.leg.conversation.map(|conversation| conversation.id),
            direction: self.leg.direction,
            received_at: self.now,
            expires_at: self.expires_at,
            removed: &self.removed,
            returned: None,
            is_kept: false,
            times: 0,
        }
    }
}

impl Relay {
    /// What the anonymizer gave, as a draft.
    pub(super) fn draft<'a>(
        &self,
        incoming: &'a Incoming<'a>,
        leg: &'a Leg<'a>,
        id: i64,
        now: Timestamp,
        outcome: Anonymization,
        own_id: Option<String>,
    ) -> Draft<'a> {
        let (body, hold) = match outcome.message {
            Ok(anonymized) => (anonymized.into_bytes(), None),
            Err(held) => (held.bytes, Some(Why::Content(held.why))),
        };
        let body = match incoming.parameters.label {
            // In front: no word of anybody, and what the gate looks at again before it is sent.
            Some(_) if leg.writer.is_some() => [LABEL, &body].concat(),
            _ => body,
        };
        // Who wrote comes first: what is in it is looked at again before it is sent.
        let hold = leg.doubt.map(|(doubt, ask)| Why::Sender(doubt, ask)).or(hold);
        let expires_at = match hold {
            Some(_) => self.held_until(now),
            None => now.after(self.policy().expire),
        };
        let envelope = Envelope {
            from: AliasText::from(&leg.from),
            to: AliasText::from(&leg.to),
            returns: !leg.automatic,
            // Of a copy that fails nobody hears, but one that is held is somebody's to decide. No program is asked.
            sender: match (&leg.bounces_to, hold) {
                (Some(sender), _) => Some(sender.clone()),
                (None, Some(Why::Content(_))) if !leg.automatic => incoming.sender.map(RealAddress::reveal),
                (None, _) => None,
            },
            sender_alias: AliasText::from(&leg.from),
            notify: leg.notify,
            // Who may have lied about the address chooses no word of what it gets.
            envelope_id: incoming.parameters.envelope_id.clone().filter(|_| leg.quotes),
            original: leg.original.clone().filter(|_| leg.quotes),
            full: incoming.parameters.full && leg.quotes && leg.doubt.is_none(),
            require_tls: incoming.parameters.require_tls,
            tells_of_tls: false,
            next_hop: None,
            secrets: leg
                .secrets
                .iter()
                .map(|(real, alias)| (real.reveal(), AliasText::from(alias)))
                .collect(),
            headers: match (leg.quotes, &own_id) {
                // Not a word of somebody who may be anybody.
                _ if leg.doubt.is_some() => String::new(),
                (true, _) => String::from_utf8_lossy(header_block(&incoming.bytes)).into_owned(),
                (false, Some(id)) => format!("Message-ID: {id}\r\n"),
                (false, None) => String::new(),
            },
            utf8: incoming.parameters.smtputf8,
            traces: outcome.traces,
            // Where documents pass by policy, the gate has no say in them either.
            confirmed: self.policy().rules.documents == DocumentRule::Pass,
        };
        Draft {
            incoming,
            leg,
            id,
            delivery: self.next_id(),
            now,
            expires_at,
            body,
            hold,
            removed: outcome.removed,
            own_id,
            sent_id: None,
            answers_unknown: false,
            acted: None,
            envelope,
        }
    }

    /// What the sender is told at once.
    pub(super) async fn notices(&self, draft: &Draft<'_>) -> Result<Vec<NewNotice>, RelayFault> {
        let (subject, key) = (draft.subject(), draft.leg.key);
        let (outcome, once, removed) = match draft.hold {
            // Who may have lied about the address is told nothing.
            Some(Why::Rule) if draft.leg.doubt.is_some() => return Ok(Vec::new()),
            Some(Why::Rule) => (Outcome::Examined, Vec::new(), Vec::new()),
            Some(Why::Content(hold)) => (Outcome::Held(hold), Vec::new(), draft.removed.clone()),
            // A wrong guess of the customer's address must not take less time than a right one: the question is made all
            // the same, and thrown away.
            Some(Why::Sender(doubt, Ask::Nobody)) => {
                if draft.leg.conversation.is_some() {
                    let outcome = Outcome::Doubted(doubt);
                    let _ = self.notice_about(key, subject, &draft.envelope, outcome, "", draft.now);
                }
                return Ok(Vec::new());
            }
            // Anybody can make us ask: once a day will do.
            Some(Why::Sender(doubt, Ask::Party)) => {
                let conversation = draft.leg.conversation.map_or(0, |conversation| conversation.id);
                let guard = self.vault().index.of(Indexed::Told { conversation, what: "doubt" });
                (Outcome::Doubted(doubt), vec![guard], Vec::new())
            }
            None => {
                let due = self.due_of_removed(draft).await?;
                if due.is_empty() {
                    return Ok(Vec::new());
                }
                let (removed, once) = due.into_iter().unzip();
                (Outcome::Altered, once, removed)
            }
        };
        let subject = Subject { removed: &removed, ..subject };
        let notice = self.notice_about(key, subject, &draft.envelope, outcome, "", draft.now);
        let until = draft.now.after(TOLD_AGAIN);
        Ok(notice.map(|message| NewNotice { message, once, until }).into_iter().collect())
    }

    /// The kinds of things taken out of which the sender has not heard today, each with its guard.
    async fn due_of_removed(&self, draft: &Draft<'_>) -> Result<Vec<(Removed, Index)>, RelayFault> {
        let mut due = Vec::new();
        let (Some(conversation), Some(writer)) = (draft.leg.conversation, draft.leg.writer) else {
            return Ok(due);
        };
        // Who may have lied about the address is not told, nor is a program.
        let leg = draft.leg;
        if !leg.quotes || leg.automatic || draft.removed.is_empty() || is_automatic(&draft.incoming.bytes) {
            return Ok(due);
        }
        for removed in draft.removed.iter().copied().filter(|what| words::removed(*what).is_some()) {
            let what = format!("{} {}", writer.as_str(), words::kind(removed));
            let told = Indexed::Told { conversation: conversation.id, what: &what };
            let guard = self.vault().index.of(told);
            if !self.store().stands(&guard, draft.now).await? {
                due.push((removed, guard));
            }
        }
        Ok(due)
    }
}
