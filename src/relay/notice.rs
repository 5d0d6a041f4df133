//! What we tell a sender of the fate of a message: a delivery status notification of our own (RFC 3464 in RFC 6522),
//! in Japanese and English; of a hold, or of what was taken out, a plain mail. It names the alias, a status code and a text from `words`; nothing that a remote
//! server said, and of the original only the header block as its own author wrote it; or, where it failed and its author
//! asked for it (RET=FULL, RFC 3461 §4.3), the message as it would have gone out, while that is there and not large.
//!
//! Never for a notice (RFC 3464 §2: no notification about a notification), and never where the sender asked not to be told
//! (RFC 3461 §4.1). It passes the gate like everything else; if what it repeats of the sender's own words (the header
//! block, ids, ENVID, ORCPT) should name the other side, it is sent without them.
//! When it fails: it does not. A result must never depend on whether its notice can be made, or the delivery would be
//! repeated without end; what can't be told is logged.

use super::accept::header_block;
use super::envelope::{AliasText, Envelope, body_place};
use super::own::Own;
use super::words;
use super::{Relay, RelayFault, queue_id};
use crate::anonymize::{self, Files, Forbidden, Hold, Removed, Secret};
use crate::mail::{Alias, RealAddress, Timestamp};
use crate::store::{NewMessage, SENT_AGAIN_MAX, Work};
use crate::vault::{DataKey, Decision, Plain};
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};
use mail_parser::MessageParser;

pub(super) use super::words::Outcome;

/// The largest message that is given back whole, in octets.
const RETURNED_MAX: usize = 256 * 1024;

/// The message that a notice is about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub message_id: i64,
    pub delivery_id: i64,
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    pub direction: &'a str,
    pub received_at: Timestamp,
    /// When it is given up, or no longer held.
    pub expires_at: Timestamp,
    /// What was taken out of it and is told with this notice.
    pub removed: &'a [Removed],
    /// The message as it would have gone out, where it is to be given back.
    pub returned: Option<&'a [u8]>,
    /// Its store can have it sent once more.
    pub is_kept: bool,
    /// How often it had it.
    pub times: i64,
}

impl<'a> From<&'a Work> for Subject<'a> {
    fn from(work: &'a Work) -> Self {
        Self {
            message_id: work.message_id,
            delivery_id: work.delivery_id,
            merchant_id: work.merchant_id,
            conversation_id: work.conversation_id,
            direction: &work.direction,
            received_at: work.received_at,
            expires_at: work.expires_at,
            removed: &[],
            returned: None,
            is_kept: false,
            times: work.times,
        }
    }
}

impl Relay {
    /// The notice to a message's sender, if one is due and wanted. None as well, with a word in the log, when it can't
    /// be made.
    pub(super) async fn notice(
        &self,
        key: &DataKey,
        work: &Work,
        outcome: Outcome,
        status: &str,
        now: Timestamp,
    ) -> Option<NewMessage> {
        let envelope = match Envelope::open(key, work.message_id, &work.envelope) {
            Ok(envelope) => envelope,
            Err(fault) => return not_made(work.message_id, &fault),
        };
        let returned = self.returned(key, work, &envelope, outcome).await;
        let returned = returned.as_ref().map(|body| body.as_slice());
        let is_kept = work.times < SENT_AGAIN_MAX && self.body_kept(work, now).is_some();
        let subject = Subject { returned, is_kept, ..Subject::from(work) };
        self.notice_about(key, subject, &envelope, outcome, status, now)
    }

    /// The message itself, where its sender asked for it back and it failed. What is gone already, large, or has a header
    /// in UTF-8, for which not every reader has a place (RFC 6533 §3), comes back as its header block.
    async fn returned(
        &self,
        key: &DataKey,
        work: &Work,
        envelope: &Envelope,
        outcome: Outcome,
    ) -> Option<Plain> {
        if !envelope.full || !matches!(outcome, Outcome::Failed | Outcome::Expired) {
            return None;
        }
        let body = self.store().body(work.message_id).await.ok()??;
        let plain = self.open_in(key, body_place(work.message_id), &body).await.ok()?;
        let fits = plain.len() <= RETURNED_MAX && header_block(&plain).is_ascii();
        fits.then_some(plain)
    }

    /// Tells the operator that a notice did not arrive either, once a store and day: nobody else knows by then. It names what the
    /// operator can look up, and nobody's address.
    pub(super) async fn tell_undelivered(&self, work: &Work, status: &str, now: Timestamp) {
        let id = queue_id(work.message_id);
        tracing::warn!(event = "notice_failed", queue_id = %id, status, "a notice did not arrive; its reader knows nothing");
        let Some(operator) = self.policy().postmaster.clone() else { return };
        let day = now.as_millis().div_euclid(86_400_000);
        let once = format!("undelivered {} {day}", work.merchant_id);
        let text = format!(
            "配送の失敗をお知らせするメールが、お知らせ先にも届きませんでした。宛先のメールボックスの持ち主に、別の方法でご連絡ください。\r\n\
             同じ店舗の同じ日のほかのお知らせは、あらためてお伝えしません。\r\n\r\n\
             A notice about a mail did not arrive at its reader, who knows nothing of it: reach the reader another way. Other notices of the \
             same store and day are not told again.\r\n\r\n\
             キューID / Queue id: {id}\r\n状態 / Status: {status}\r\n\r\nanshin queue show {id}\r\nanshin log trace {id}\r\n"
        );
        let subject = "お知らせが届きませんでした / A notice did not arrive";
        if let Err(fault) = self.write_to(&operator, &once, subject, &text, now).await {
            tracing::error!(event = "fault", %fault, "the operator is not told of a notice that failed");
        }
    }

    /// The same, where the envelope is open already.
    pub(super) fn notice_about(
        &self,
        key: &DataKey,
        subject: Subject<'_>,
        envelope: &Envelope,
        outcome: Outcome,
        status: &str,
        now: Timestamp,
    ) -> Option<NewMessage> {
        self.try_notice(key, subject, envelope, outcome, status, now)
            .unwrap_or_else(|fault| not_made(subject.message_id, &fault))
    }

    fn try_notice(
        &self,
        key: &DataKey,
        subject: Subject<'_>,
        envelope: &Envelope,
        outcome: Outcome,
        status: &str,
        now: Timestamp,
    ) -> Result<Option<NewMessage>, RelayFault> {
        // A customer was told that it failed, and knows nothing of the store's having tried once more.
        let is_unknown =
            subject.times > 0 && subject.direction == "to_merchant" && outcome != Outcome::Relayed;
        if subject.direction == "notice" || is_unknown {
            return Ok(None);
        }
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
            .filter(|(_, alias)| *alias != sender_alias)
            .map(|(address, alias)| Secret { address, alias })
            .collect();
        let id = self.next_id();
        let report = Report { relay: self, subject, envelope, outcome, status, now, id };
        let forbidden = Forbidden { secrets: &secrets, traces: &[], files: Files::Checked };
        let anonymized = [Repeated::Message, Repeated::All, Repeated::Ids, Repeated::Nothing]
            .into_iter()
            .filter(|repeated| *repeated != Repeated::Message || subject.returned.is_some())
            .find_map(|repeated| {
                anonymize::pass_gate(report.render(&to, &sender_alias, repeated), &forbidden).ok()
            })
            .ok_or(RelayFault::Malformed("a notice that does not pass the gate"))?;
        let from = mailer_daemon(&to);
        let ours = Envelope {
            secrets: secrets.iter().map(|s| (s.address.reveal(), AliasText::from(s.alias))).collect(),
            // RFC 8689 §5: what tells of it is kept as it was.
            require_tls: envelope.require_tls,
            ..Envelope::of_ours(&from, envelope.sender_alias.clone())
        };
        let own = Own {
            key,
            id,
            merchant: subject.merchant_id,
            conversation: subject.conversation_id,
            to: &sender,
            envelope: ours,
            body: anonymized.as_bytes(),
            expires: self.policy().expire,
            detail: serde_json::json!({ "about": queue_id(subject.message_id), "action": outcome.word() }),
            guard: None,
        };
        self.own_row(own, now).map(Some)
    }
}

fn not_made(message: i64, fault: &RelayFault) -> Option<NewMessage> {
    let queue_id = queue_id(message);
    tracing::error!(event = "fault", %fault, %queue_id, "the sender can't be told what became of a message");
    None
}

fn mailer_daemon(to: &Alias) -> Alias {
    Alias::new("mailer-daemon", to.domain().clone())
}

/// What a notice repeats of its reader's own words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    /// The message, ENVID, the Message-ID.
    Message,
    /// The header block, ENVID, the Message-ID.
    All,
    /// ENVID and Message-ID.
    Ids,
    Nothing,
}

struct Report<'a> {
    relay: &'a Relay,
    subject: Subject<'a>,
    envelope: &'a Envelope,
    outcome: Outcome,
    status: &'a str,
    now: Timestamp,
    id: i64,
}

impl Report<'_> {
    fn render(&self, to: &Alias, sender_alias: &Alias, repeated: Repeated) -> Vec<u8> {
        let ids = repeated != Repeated::Nothing;
        let text = MimePart::new("text/plain", BodyPart::Text(self.text(to, repeated).into()));
        let body = match self.outcome.action() {
            None => text,
            Some(action) => {
                let mut parts =
                    vec![text, raw("message/delivery-status", self.fields(to, action, ids).into_bytes())];
                if let (Repeated::Message, Some(message)) = (repeated, self.subject.returned) {
                    let encoding = if message.is_ascii() { "7bit" } else { "8bit" };
                    let part = MimePart::new("message/rfc822", BodyPart::Binary(message.into()));
                    parts.push(part.transfer_encoding(encoding));
                }
                if repeated == Repeated::All {
                    let headers = self.envelope.headers.as_str();
                    parts.push(MimePart::new("text/rfc822-headers", BodyPart::Text(headers.into())));
                }
                let kind = "multipart/report; report-type=delivery-status";
                MimePart::new(kind, BodyPart::Multipart(parts))
            }
        };
        // No Reply-To: an answer to a notice goes nowhere, whatever it says.
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
        message.body(body).write_to_vec().unwrap_or_default()
    }

    /// What a person reads.
    fn text(&self, to: &Alias, repeated: Repeated) -> String {
        let (status, reason) = self.outcome.public_status(self.status);
        let (japanese, english) = self.outcome.text();
        let mut text = format!("{japanese}\r\n\r\n{english}\r\n\r\n");
        if matches!(self.outcome, Outcome::Failed | Outcome::Expired) {
            let (japanese, english) = advice(self.subject.direction, self.subject.is_kept);
            text.push_str(&format!("{japanese}\r\n\r\n{english}\r\n\r\n"));
        }
        let removed: Vec<&str> =
            self.subject.removed.iter().filter_map(|what| words::removed(*what)).collect();
        if !removed.is_empty() {
            text.push_str(&format!("除いたもの / Removed: {}\r\n\r\n", removed.join("; ")));
        }
        if matches!(self.outcome, Outcome::Held(Hold::Document) | Outcome::Doubted(_)) {
            let address = |decision| {
                let until = self.subject.expires_at;
                let token = self.relay.vault().decisions.mint(decision, self.subject.delivery_id, until);
                Alias::new(token, to.domain().clone()).to_string()
            };
            text.push_str(&words::choice(&address(Decision::Confirm), &address(Decision::Withdraw)));
        }
        let queue_id = queue_id(self.subject.message_id);
        text.push_str(&format!(
            "宛先 / Recipient: {to}\r\n\
             受付 / Accepted: {}\r\n\
             受付番号 / Queue id: {queue_id}\r\n",
            words::time(self.subject.received_at),
        ));
        // A report quotes the header.
        let quotes = matches!(repeated, Repeated::All | Repeated::Message);
        let subject = self.own_subject().filter(|_| quotes);
        if let (Some(subject), None) = (subject, self.outcome.action()) {
            text.push_str(&format!("件名 / Subject: {subject}\r\n"));
        }
        text.push_str(&format!("結果 / Status: {status} ({reason})\r\n"));
        if matches!(self.outcome, Outcome::Held(_) | Outcome::Examined | Outcome::Doubted(_)) {
            let until = words::time(self.subject.expires_at);
            text.push_str(&format!("保留期限 / Held until: {until}\r\n"));
        }
        text
    }

    /// The subject of the message, as its author wrote it.
    fn own_subject(&self) -> Option<String> {
        let parsed = MessageParser::default().parse(self.envelope.headers.as_bytes())?;
        parsed.subject().map(words::one_line).filter(|subject| !subject.trim().is_empty())
    }

    /// The fields of the report (RFC 3464 §2).
    fn fields(&self, to: &Alias, action: &str, ids: bool) -> String {
        let (status, _) = self.outcome.public_status(self.status);
        let mut fields = format!("Reporting-MTA: dns; {}\r\n", self.relay.policy().hostname);
        if let Some(id) = self.envelope.envelope_id.as_ref().filter(|_| ids) {
            fields.push_str(&format!("Original-Envelope-Id: {}\r\n", printable(id)));
        }
        // The sender's own word for the recipient (RFC 3464 §2.3.1); in ASCII, as the part is (RFC 6533 §3 has no other way).
        let original = self.envelope.original.as_ref().filter(|(_, address)| ids && address.is_ascii());
        let original = original.map_or_else(String::new, |(kind, address)| {
            format!("Original-Recipient: {kind}; {}\r\n", printable(address))
        });
        fields.push_str(&format!(
            "Arrival-Date: {}\r\n\r\n{original}Final-Recipient: rfc822; {to}\r\nAction: {action}\r\nStatus: {status}\r\n",
            self.subject.received_at.to_rfc5322(),
        ));
        if self.outcome == Outcome::Delayed {
            fields.push_str(&format!("Will-Retry-Until: {}\r\n", self.subject.expires_at.to_rfc5322()));
        }
        fields
    }
}

/// What to do about a mail that could not be delivered.
fn advice(direction: &str, is_kept: bool) -> (&'static str, &'static str) {
    match direction {
        "to_merchant" => (
            "お急ぎの場合は、マーケットプレイスの問い合わせフォームなど、ほかの方法でお店にご連絡ください。",
            "If it is urgent, reach the store in another way, such as the contact form of the marketplace.",
        ),
        "to_customer" if is_kept => (
            "届かない原因がなくなったあと、数日のあいだは、店舗メニューの「メール」からもう一度送ることができます。\
             新しいメールとして送り直すこともできます。両方を行うと、お客様に2通届きます。",
            "Once the cause is gone it can, for some days, be sent once more in the store's menu (Mails). You can also send a new message; after \
             both the customer gets two.",
        ),
        _ => (
            "届かない原因がなくなったあと、必要であれば、新しいメールとして送り直してください。",
            "If it is still needed once the cause is gone, send it as a new message.",
        ),
    }
}

/// A part that must not be transfer-encoded (RFC 3464 §2.1: 7bit).
fn raw(content_type: &'static str, bytes: Vec<u8>) -> MimePart<'static> {
    MimePart::new(content_type, BodyPart::Binary(bytes.into())).transfer_encoding("7bit")
}

/// ENVID or ORCPT again as it may stand in a field: printable ASCII.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(500).collect()
}
