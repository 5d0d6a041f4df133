//! Messages of our own on their way into the queue: notices, alerts, reports. One row for all of them.
//!
//! Rules: the reverse-path is null, nobody is told what becomes of it, and nothing is repeated of it: a message about a
//! message would go on for ever (RFC 3464 §2). What it says has passed the gate before it comes here.
//! When it fails: [`RelayFault`] where it cannot be sealed.

use super::conversation::Conversation;
use super::envelope::{AliasText, Envelope, body_place, recipient_place};
use super::record::About;
use super::{Event, Notify, Relay, RelayFault};
use crate::anonymize::HOPS_FIELD;
use crate::mail::{Alias, RealAddress, Timestamp};
use crate::schedule::Class;
use crate::store::{NewDelivery, NewMessage};
use crate::vault::{self, DataKey, Indexed};
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use std::time::Duration;

/// How long the operator's people are not told the same again.
const TOLD: Duration = Duration::from_secs(7 * 86_400);

/// A message of our own.
pub(super) struct Own<'a> {
    /// What seals it.
    pub key: &'a DataKey,
    pub id: i64,
    /// The store whose queue it is in.
    pub merchant: i64,
    pub conversation: Option<i64>,
    /// The real mailbox.
    pub to: &'a RealAddress,
    pub envelope: Envelope,
    pub body: &'a [u8],
    /// The longest time that it is tried.
    pub expires: Duration,
    /// What it is, for the record: `action` and what belongs to it.
    pub detail: serde_json::Value,
    /// That it is sent once in a time.
    pub guard: Option<(Indexed<'a>, Duration)>,
}

/// A letter of ours to somebody whom it calls by an alias.
pub(super) struct Letter<'a> {
    pub id: i64,
    /// Who we are, for a reader.
    pub name: &'a str,
    pub from: &'a Alias,
    pub to: &'a Alias,
    pub subject: &'a str,
    pub text: &'a str,
}

/// A letter to the customer of a conversation about it, once.
pub(super) struct ToCustomer<'a> {
    pub subject: &'static str,
    pub text: String,
    /// What it is, for the record.
    pub action: &'static str,
    /// By what it is known that it was written, and for how long that counts.
    pub once: (&'a str, Duration),
}

impl Envelope {
    /// Of a message of our own, from `from`, about nothing but itself.
    pub(super) fn of_ours(from: &Alias, to: AliasText) -> Self {
        Self {
            from: AliasText::from(from),
            to,
            returns: false,
            sender: None,
            sender_alias: AliasText::from(from),
            notify: Notify { success: false, failure: false, delay: false },
            envelope_id: None,
            secrets: Vec::new(),
            headers: String::new(),
            utf8: false,
            traces: Vec::new(),
            confirmed: false,
            original: None,
            full: false,
            require_tls: false,
            tells_of_tls: false,
            next_hop: None,
        }
    }
}

impl Relay {
    /// Writes to somebody who works for the operator, in the installation's name; once for each `once`.
    pub(super) async fn write_to(
        &self,
        to: &RealAddress,
        once: &str,
        subject: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<(), RelayFault> {
        let id = self.next_id();
        let from = Alias::new("mailer-daemon", self.domains().merchant().clone());
        let body = MessageBuilder::new()
            .from(Address::new_address(None::<&str>, from.to_string()))
            .to(Address::new_address(None::<&str>, to.reveal().to_owned()))
            .subject(subject)
            .date(now.as_millis().div_euclid(1000))
            .message_id(format!("{}@{}", super::queue_id(id), from.domain()))
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .text_body(text)
            .write_to_vec()
            .unwrap_or_default();
        let own = Own {
            key: &self.inner.installation,
            id,
            merchant: super::INSTALLATION,
            conversation: None,
            to,
            envelope: Envelope { confirmed: true, ..Envelope::of_ours(&from, AliasText::from(&from)) },
            body: &body,
            expires: self.policy().expire,
            detail: serde_json::json!({ "action": "told", "what": once }),
            guard: Some((Indexed::Told { conversation: super::INSTALLATION, what: once }, TOLD)),
        };
        self.store().accept(vec![self.own_row(own, now)?]).await?;
        Ok(())
    }

    /// A letter as it is sent, with a mark that ends loops.
    pub(super) fn letter(&self, letter: &Letter<'_>, now: Timestamp) -> Vec<u8> {
        let Letter { id, name, from, to, subject, text } = letter;
        MessageBuilder::new()
            .from(Address::new_address(Some(*name), from.to_string()))
            .to(Address::new_address(None::<&str>, to.to_string()))
            .subject(*subject)
            .date(now.as_millis().div_euclid(1000))
            .message_id(format!("n{}@{}", super::queue_id(*id).to_ascii_lowercase(), from.domain()))
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .header(HOPS_FIELD, Raw::new(self.vault().hops.mint(1)))
            .text_body(*text)
            .write_to_vec()
            .unwrap_or_default()
    }

    /// Writes to the customer of a conversation; nothing in it may name the addresses of its store.
    pub(super) async fn write_to_customer(
        &self,
        conversation: &Conversation,
        registered: &[RealAddress],
        mail: ToCustomer<'_>,
        now: Timestamp,
    ) -> Result<(), RelayFault> {
        let ToCustomer { subject, text, action, once: (what, lasts) } = mail;
        let id = self.next_id();
        let from = Alias::new("mailer-daemon", conversation.merchant_alias.domain().clone());
        let to = &conversation.customer_alias;
        let letter = Letter { id, name: "Mail Delivery System", from: &from, to, subject, text: &text };
        let body = self.letter(&letter, now);
        let secret =
            |address: &RealAddress| (address.reveal(), AliasText::from(&conversation.merchant_alias));
        let own = Own {
            key: &conversation.key,
            id,
            merchant: conversation.merchant.id,
            conversation: Some(conversation.id),
            to: &conversation.customer,
            envelope: Envelope {
                secrets: registered.iter().map(secret).collect(),
                ..Envelope::of_ours(&from, AliasText::from(to))
            },
            body: &body,
            expires: self.policy().expire,
            detail: serde_json::json!({ "action": action }),
            guard: Some((Indexed::Told { conversation: conversation.id, what }, lasts)),
        };
        self.store().accept(vec![self.own_row(own, now)?]).await?;
        Ok(())
    }

    /// The row of a message of our own.
    pub(super) fn own_row(&self, own: Own<'_>, now: Timestamp) -> Result<NewMessage, RelayFault> {
        let Own { key, id, merchant, conversation, to, envelope, body, expires, mut detail, guard } = own;
        let delivery = self.next_id();
        let about = About {
            merchant: (merchant != super::INSTALLATION).then_some(merchant),
            conversation,
            message: Some(id),
            delivery: Some(delivery),
        };
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("direction".into(), "notice".into());
            fields.insert("size".into(), body.len().into());
        }
        let record = self.sealed_record(key, Event::Accepted, about, None, &detail, None);
        let fact = self.fact_of_own(to, body.len(), record.at);
        let index = &self.vault().index;
        Ok(NewMessage {
            id,
            merchant_id: merchant,
            conversation_id: conversation,
            data_key_id: key.id(),
            direction: "notice",
            envelope: envelope.seal(key, id)?,
            body: self.seal_in(vault::Class::Body, key, body_place(id), body),
            kept: None,
            size: i64::try_from(body.len()).unwrap_or(i64::MAX),
            at: now,
            delivery: NewDelivery {
                id: delivery,
                class: Class::Notice,
                look_at: self.deadlines().first(now),
                route: index.of(Indexed::Domain(to.reveal_domain())).to_i64(),
                recipient: key.seal(recipient_place(delivery), to.reveal().as_bytes()),
                expires_at: now.after(expires.min(self.policy().expire)),
                hold: None,
            },
            record: record.found_by(fact),
            threads: Vec::new(),
            guard: guard.map(|(what, lasts)| (index.of(what), now.after(lasts))),
            notices: Vec::new(),
        })
    }
}
