//! Mail to whoever runs this relay: `postmaster@` and `abuse@` in each of its domains (RFC 5321 §4.5.1; RFC 2142 §4, §5).
//!
//! Rules: it goes to the operator's mailbox as it came, as a message within one of ours, so nothing forged stands in
//! our name and no proof of its sender breaks. It belongs to no conversation. Providers send complaints (RFC 5965) to
//! one address of whoever registered for them: one that holds a return address of ours suppresses that customer's
//! mailbox, as one that comes to the return address itself does, and ends here too, since it quotes the mail. That
//! address is encrypted, so no other word is taken for one, wherever it stands; the alias is not enough, which
//! everybody has seen to whom a mail was forwarded. Who wrote can be erased like everybody else: mail and record are
//! sealed with a key of the day for his address. So much may wait and no more, since anybody may write.
//! When it fails: [`Refusal`]. Without a mailbox in the configuration these addresses are unknown.

use super::accept::{Incoming, Receipt};
use super::envelope::{AliasText, Envelope};
use super::own::Own;
use super::record::peer_json;
use super::tls::INSTALLATION;
use super::{Recipient, Refusal, Relay, RelayFault, queue_id};
use crate::anonymize::HOPS_FIELD;
use crate::mail::{Alias, RealAddress, Timestamp};
use crate::mime::automatic::{self, Automatic, ReversePath};
use crate::store::{Acceptance, NewFact};
use crate::vault::{Indexed, random_bytes};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Who is written to.
const LOCAL_PARTS: [&str; 2] = ["postmaster", "abuse"];
/// How long the same mail is not passed on again.
const ONCE: Duration = Duration::from_secs(86_400);
/// Length of the local part of a return address.
const RETURN_LENGTH: usize = 34;
/// Octets of a report in which it is looked for whose it is, and words that may say so.
const LOOKED_AT: usize = 256 * 1024;
const WORDS: usize = 200;
/// Mails to the operator that may wait, and their octets, before no more is taken.
pub(super) const WAITING_MAX: i64 = 200;
const WAITING_OCTETS: i64 = 128 * 1024 * 1024;
/// How long it is tried.
const EXPIRES: Duration = Duration::from_secs(5 * 86_400);

impl Relay {
    /// The operator as a recipient, if a mailbox is configured: `<Postmaster>`, which needs no domain.
    #[must_use]
    pub fn postmaster(&self) -> Option<Recipient> {
        self.policy().postmaster.is_some().then_some(Recipient::Operator)
    }

    /// The operator as the recipient behind an address in one of our domains.
    pub(super) fn operator_at(&self, local: &str) -> Option<Recipient> {
        LOCAL_PARTS.iter().find(|own| own.eq_ignore_ascii_case(local)).and_then(|_| self.postmaster())
    }

    /// Takes mail to the operator; `None` for all other.
    pub(super) async fn take_for_operator(
        &self,
        incoming: &Incoming<'_>,
        now: Timestamp,
    ) -> Result<Option<Receipt>, Refusal> {
        let is_for_operator = |(to, _): &(Recipient, _)| matches!(to, Recipient::Operator);
        let Some(to) =
            self.policy().postmaster.as_ref().filter(|_| incoming.recipients.iter().all(is_for_operator))
        else {
            return Ok(None);
        };
        let reverse_path = if incoming.sender.is_some() { ReversePath::Named } else { ReversePath::Null };
        if automatic::read(&incoming.bytes, reverse_path) == Automatic::Complaint
            && self.take_complaint(incoming, now).await?
        {
            let ids = incoming.recipients.iter().map(|_| queue_id(self.next_id())).collect();
            return Ok(Some(Receipt::of(incoming, ids)));
        }
        let hops = self.next_hop_mark(&incoming.bytes)?;
        let key = self.key_of_writer(incoming.sender).await;
        let id = self.next_id();
        let from = Alias::new("postmaster", self.domains().merchant().clone());
        let message = wrapped(&queue_id(id), &from, to, &hops, incoming, now);
        let digest = HEXLOWER.encode(&Sha256::digest(&incoming.bytes));
        let own = Own {
            key: &key,
            id,
            merchant: INSTALLATION,
            conversation: None,
            to,
            // Files are the operator's to judge.
            envelope: Envelope {
                confirmed: true,
                require_tls: incoming.parameters.require_tls,
                ..Envelope::of_ours(&from, AliasText::from(&from))
            },
            body: &message,
            expires: EXPIRES,
            detail: serde_json::json!({
                "action": "for-operator",
                "from": incoming.sender.map(RealAddress::reveal),
                "peer": peer_json(incoming.peer),
            }),
            guard: Some((Indexed::Told { conversation: INSTALLATION, what: &digest }, ONCE)),
        };
        let mut row = self.own_row(own, now)?;
        let rcpt_k = row.record.fact.rcpt_k;
        let direction = Some("notice".into());
        *row.record.fact = NewFact { direction, rcpt_k, ..self.fact_of_mail(incoming, row.record.at) };
        // One at a time in this process, so that what is counted is what waits.
        let _turn = self.inner.for_operator.lock().await;
        let (waiting, octets) =
            self.store().waiting_for_installation(row.delivery.route).await.map_err(RelayFault::from)?;
        if waiting >= WAITING_MAX || octets >= WAITING_OCTETS {
            tracing::warn!(
                event = "operator_full",
                waiting,
                "mail to the operator waits and no more is taken"
            );
            return Err(Refusal::OperatorFull);
        }
        let accepted = self.store().accept(vec![row]).await.map_err(RelayFault::from)?;
        let id = match accepted.first() {
            Some(Acceptance::New(id) | Acceptance::Duplicate(id)) => queue_id(*id),
            None => queue_id(id),
        };
        Ok(Some(Receipt::of(incoming, vec![id; incoming.recipients.len()])))
    }

    /// Suppresses the mailbox whose owner complained. Whether the report tells whose it is.
    async fn take_complaint(&self, incoming: &Incoming<'_>, now: Timestamp) -> Result<bool, Refusal> {
        let vault = self.vault();
        let head = incoming.bytes.get(..LOOKED_AT).unwrap_or(&incoming.bytes);
        let words = head.split(|b| !b.is_ascii_alphanumeric()).filter(|word| word.len() == RETURN_LENGTH);
        let mut words = words.take(WORDS).filter_map(|word| str::from_utf8(word).ok());
        let Some(returned) = words.find_map(|word| vault.returns.open(word, now)) else { return Ok(false) };
        let work = match returned.expired {
            true => None,
            false => self.store().delivered_work(returned.delivery).await.map_err(RelayFault::from)?,
        };
        // What is over, or erased, has nobody left to be kept from mail.
        if let Some((work, key)) = work.and_then(|work| self.data_key(&work.key).ok().map(|key| (work, key)))
        {
            self.complained(&key, &work).await?;
            self.record_automatic(&key, self.about(&work), "complaint", incoming).await?;
        }
        Ok(true)
    }
}

/// The mail within one of ours.
fn wrapped(
    id: &str,
    from: &Alias,
    to: &RealAddress,
    hops: &str,
    incoming: &Incoming<'_>,
    now: Timestamp,
) -> Vec<u8> {
    let boundary = format!("{id}-{}", HEXLOWER.encode(&random_bytes::<12>()));
    // Our own header stays ASCII; the attached one has the address in any case.
    let sender = incoming.sender.map(RealAddress::reveal_for_wire).filter(|sender| sender.is_ascii());
    let answer = sender.map_or_else(String::new, |sender| format!("Reply-To: <{sender}>\r\n"));
    let head = format!(
        "From: <{from}>\r\nTo: <{}>\r\n{answer}Subject: Mail for the postmaster\r\nDate: {}\r\nMessage-ID: <{id}@{}>\r\n\
         {HOPS_FIELD}: {hops}\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         This came for postmaster or abuse of the relay. It is attached as it came.\r\n\
         リレーの postmaster または abuse 宛のメールです。届いたまま添付します。\r\n\
         --{boundary}\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        to.reveal_for_wire(),
        now.to_rfc5322(),
        from.domain(),
    );
    let ends_line = if incoming.bytes.ends_with(b"\r\n") { "" } else { "\r\n" };
    [head.as_bytes(), &incoming.bytes, format!("{ends_line}--{boundary}--\r\n").as_bytes()].concat()
}
