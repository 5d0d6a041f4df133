//! What we tell a sender of the fate of a message: a delivery status notification of our own (RFC 3464 in RFC 6522),
//! in Japanese and English. It names the alias, a status code and a text from the table below; nothing that a remote
//! server said, and of the original only the header block as its own author wrote it.
//!
//! Never for a notice (RFC 3464 §2: no notification about a notification), and never where the sender asked not to be told
//! (RFC 3461 §4.1). It passes the gate like everything else; if what it repeats of the sender's own words (the header
//! block, ids, ENVID) should name the other side, it is sent without them.
//! When it fails: it does not. A result must never depend on whether its notice can be made, or the delivery would be
//! repeated without end; what can't be told is logged.

use super::envelope::{AliasText, Envelope, body_place, recipient_place};
use super::{Event, Notify, Relay, RelayFault, queue_id};
use crate::anonymize::{self, Anonymized, Files, Forbidden, Secret};
use crate::mail::{Alias, RealAddress, Timestamp};
use crate::store::{NewDelivery, NewMessage, Work};
use crate::vault::{DataKey, Indexed};
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The next hop has it.
    Relayed,
    /// It is late; it is being tried.
    Delayed,
    /// It was refused for good.
    Failed,
    /// It could not be delivered in time.
    Expired,
}

impl Outcome {
    fn action(self) -> &'static str {
        match self {
            Outcome::Relayed => "relayed",
            Outcome::Delayed => "delayed",
            Outcome::Failed | Outcome::Expired => "failed",
        }
    }

    fn wanted(self, notify: Notify) -> bool {
        match self {
            Outcome::Relayed => notify.success,
            Outcome::Delayed => notify.delay,
            Outcome::Failed | Outcome::Expired => notify.failure,
        }
    }

    fn subject(self) -> &'static str {
        match self {
            Outcome::Relayed => "配信完了のお知らせ / Delivered",
            Outcome::Delayed => "配信遅延のお知らせ / Delivery delayed",
            Outcome::Failed | Outcome::Expired => "配信不能のお知らせ / Undeliverable",
        }
    }

    fn text(self) -> (&'static str, &'static str) {
        match self {
            Outcome::Relayed => (
                "メールは相手先のメールサーバに届けられました。",
                "Your message was handed to the recipient's mail server.",
            ),
            Outcome::Delayed => (
                "メールはまだ届けられていません。引き続き自動的に再送しますので、再度送信いただく必要はありません。",
                "Your message has not been delivered yet. It is being tried again automatically; you need not send it again.",
            ),
            Outcome::Failed => (
                "メールを届けることができませんでした。再送は行われません。",
                "Your message could not be delivered and will not be tried again.",
            ),
            Outcome::Expired => (
                "期限までにメールを届けることができませんでした。再送は行われません。",
                "Your message could not be delivered in time and will not be tried again.",
            ),
        }
    }
}

/// The enhanced status that the sender is told: the class of what happened, and from the remote server's only what is
/// in this table (RFC 3463 §3). Other details could tell one provider from another.
fn public_status(outcome: Outcome, status: &str) -> (String, &'static str) {
    let enhanced = status.split(' ').nth(1).unwrap_or_default();
    let detail = enhanced.split_once('.').map_or("", |(_, detail)| detail);
    let (detail, reason) = match (outcome, detail) {
        (Outcome::Relayed, _) => ("0.0", "delivered"),
        (Outcome::Expired, _) => ("4.7", "delivery time expired"),
        (_, "1.1" | "1.2" | "1.10" | "2.1") => ("1.1", "the mailbox does not take mail"),
        (_, "2.2") => ("2.2", "the mailbox is full"),
        (_, "2.3" | "3.4") => ("3.4", "the message is too large for the recipient's system"),
        (_, "6.3" | "6.7") => ("6.3", "the recipient's system can't take a message of this form"),
        (_, "4.1" | "4.2" | "4.3" | "4.4" | "4.5") => ("4.1", "the recipient's system does not answer"),
        (_, "7.0" | "7.1" | "7.26" | "7.27" | "7.28") => {
            ("7.1", "the recipient's system refused the message")
        }
        _ => ("0.0", "the recipient's system did not take the message"),
    };
    let class = match outcome {
        Outcome::Relayed => 2,
        Outcome::Delayed => 4,
        Outcome::Failed | Outcome::Expired => 5,
    };
    (format!("{class}.{detail}"), reason)
}

impl Relay {
    /// The notice to a message's sender, if one is due and wanted. None as well, with a word in the log, when it can't
    /// be made.
    pub(super) fn notice(
        &self,
        key: &DataKey,
        work: &Work,
        outcome: Outcome,
        status: &str,
        now: Timestamp,
    ) -> Option<NewMessage> {
        self.try_notice(key, work, outcome, status, now).unwrap_or_else(|fault| {
            let queue_id = queue_id(work.message_id);
            tracing::error!(event = "fault", %fault, %queue_id, "the sender can't be told what became of a message");
            None
        })
    }

    fn try_notice(
        &self,
        key: &DataKey,
        work: &Work,
        outcome: Outcome,
        status: &str,
        now: Timestamp,
    ) -> Result<Option<NewMessage>, RelayFault> {
        if work.direction == "notice" {
            return Ok(None);
        }
        let envelope = Envelope::open(key, work.message_id, &work.envelope)?;
        let Some(sender) = envelope.sender.as_deref().filter(|_| outcome.wanted(envelope.notify)) else {
            return Ok(None);
        };
        let sender = RealAddress::parse(sender).map_err(|_| RelayFault::Malformed("message.envelope"))?;
        let to = envelope.to.alias()?;
        let sender_alias = envelope.sender_alias.alias()?;
        let all = envelope.secrets()?;
        // The sender's own address is no secret to the sender.
        let secrets: Vec<Secret<'_>> = all
            .iter()
            .filter(|(_, alias)| *alias == to)
            .map(|(address, alias)| Secret { address, alias })
            .collect();
        let id = self.next_id();
        let report = Report { relay: self, work, envelope: &envelope, outcome, status, now, id };
        let forbidden = Forbidden { secrets: &secrets, traces: &[], files: Files::Checked };
        let anonymized = [Repeated::All, Repeated::Ids, Repeated::Nothing]
            .into_iter()
            .find_map(|repeated| {
                anonymize::pass_gate(report.render(&to, &sender_alias, repeated), &forbidden).ok()
            })
            .ok_or(RelayFault::Malformed("a notice that does not pass the gate"))?;
        let from = mailer_daemon(&to);
        let sealed = Envelope {
            from: AliasText::from(&from),
            to: envelope.sender_alias.clone(),
            returns: false,
            sender: None,
            sender_alias: AliasText::from(&from),
            notify: Notify { success: false, failure: false, delay: false },
            envelope_id: None,
            secrets: secrets.iter().map(|s| (s.address.reveal(), AliasText::from(s.alias))).collect(),
            headers: String::new(),
            utf8: false,
        };
        self.notice_row(key, work, id, &sender, &anonymized, &sealed, outcome, now).map(Some)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one row")]
    fn notice_row(
        &self,
        key: &DataKey,
        work: &Work,
        id: i64,
        sender: &RealAddress,
        anonymized: &Anonymized,
        envelope: &Envelope,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<NewMessage, RelayFault> {
        let delivery = self.next_id();
        let mut about = self.about(work);
        (about.message, about.delivery) = (Some(id), Some(delivery));
        let detail = serde_json::json!({
            "direction": "notice",
            "about": queue_id(work.message_id),
            "action": outcome.action(),
            "size": anonymized.as_bytes().len(),
        });
        Ok(NewMessage {
            id,
            merchant_id: work.merchant_id,
            conversation_id: work.conversation_id,
            data_key_id: key.id(),
            direction: "notice",
            envelope: envelope.seal(key, id)?,
            body: key.seal(body_place(id), anonymized.as_bytes()),
            size: i64::try_from(anonymized.as_bytes().len()).unwrap_or(i64::MAX),
            at: now,
            delivery: NewDelivery {
                id: delivery,
                route: self.vault().index.of(Indexed::Domain(sender.reveal_domain())).to_i64(),
                recipient: key.seal(recipient_place(delivery), sender.reveal().as_bytes()),
                expires_at: now.after(self.policy().expire),
            },
            record: self.new_record(key, Event::Accepted, about, None, &detail, None),
            threads: Vec::new(),
            guard: None,
        })
    }
}

fn mailer_daemon(to: &Alias) -> Alias {
    Alias::new("mailer-daemon", to.domain().clone())
}

/// What a notice repeats of its reader's own words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    /// The header block, ENVID, the Message-ID.
    All,
    /// ENVID and Message-ID.
    Ids,
    Nothing,
}

struct Report<'a> {
    relay: &'a Relay,
    work: &'a Work,
    envelope: &'a Envelope,
    outcome: Outcome,
    status: &'a str,
    now: Timestamp,
    id: i64,
}

impl Report<'_> {
    fn render(&self, to: &Alias, sender_alias: &Alias, repeated: Repeated) -> Vec<u8> {
        let (status, reason) = public_status(self.outcome, self.status);
        let (japanese, english) = self.outcome.text();
        let queue_id = queue_id(self.work.message_id);
        let text = format!(
            "{japanese}\r\n\r\n{english}\r\n\r\n\
             宛先 / Recipient: {to}\r\n\
             受付 / Accepted: {}\r\n\
             受付番号 / Queue id: {queue_id}\r\n\
             結果 / Status: {status} ({reason})\r\n",
            self.work.received_at,
        );
        let mut fields = format!("Reporting-MTA: dns; {}\r\n", self.relay.policy().hostname);
        let ids = repeated != Repeated::Nothing;
        if let Some(id) = self.envelope.envelope_id.as_ref().filter(|_| ids) {
            fields.push_str(&format!("Original-Envelope-Id: {}\r\n", printable(id)));
        }
        fields.push_str(&format!(
            "Arrival-Date: {}\r\n\r\nFinal-Recipient: rfc822; {to}\r\nAction: {}\r\nStatus: {status}\r\n",
            self.work.received_at.to_rfc5322(),
            self.outcome.action(),
        ));
        if self.outcome == Outcome::Delayed {
            fields.push_str(&format!("Will-Retry-Until: {}\r\n", self.work.expires_at.to_rfc5322()));
        }
        let mut parts = vec![
            MimePart::new("text/plain", BodyPart::Text(text.into())),
            raw("message/delivery-status", fields.into_bytes()),
        ];
        if repeated == Repeated::All {
            let headers = self.envelope.headers.as_str();
            parts.push(MimePart::new("text/rfc822-headers", BodyPart::Text(headers.into())));
        }
        let from = mailer_daemon(to).to_string();
        let mut message = MessageBuilder::new()
            .from(Address::new_address(Some("Mail Delivery System"), from))
            .to(Address::new_address(None::<&str>, sender_alias.to_string()))
            .subject(self.outcome.subject())
            .date(self.now.as_millis() / 1000)
            .message_id(format!("n{}@{}", super::queue_id(self.id).to_ascii_lowercase(), to.domain()))
            .header("Auto-Submitted", Raw::new("auto-replied"))
            .header(anonymize::HOPS_FIELD, Raw::new(self.relay.vault().hops.mint(1)));
        if let Some(id) = anonymize::message_id(self.envelope.headers.as_bytes()).filter(|_| ids) {
            // The sender's program files the notice with the message it is about.
            let id = id.trim_matches(['<', '>']).to_owned();
            message = message.in_reply_to(id.clone()).references(id);
        }
        let report =
            MimePart::new("multipart/report; report-type=delivery-status", BodyPart::Multipart(parts));
        message.body(report).write_to_vec().unwrap_or_default()
    }
}

/// A part that must not be transfer-encoded (RFC 3464 §2.1: 7bit).
fn raw(content_type: &'static str, bytes: Vec<u8>) -> MimePart<'static> {
    MimePart::new(content_type, BodyPart::Binary(bytes.into())).transfer_encoding("7bit")
}

/// ENVID again as it may stand in a field: printable ASCII.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(100).collect()
}
