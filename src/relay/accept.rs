//! Taking a message: the identity check on From, the anonymizer, and the one transaction that a 250 promises.
//!
//! Each recipient gets a message of its own, made for its conversation: no customer learns of another. If the message
//! cannot be made anonymous for one of them it is taken for none, since DATA has one reply (RFC 5321 §4.2.5).

use super::admission::{Admitted, Doubt};
use super::draft::{Draft, Taken};
use super::envelope::{body_place, recipient_place};
use super::hops::is_looping;
use super::leg::Leg;
use super::record::{Entry, Label, Moment, Peer, peer_json};
use super::{Event, Login, Recipient, Refusal, Relay, RelayFault, Said, SenderProof, Wishes, queue_id};
use crate::anonymize::{self, Party, Passage, Rules};
use crate::mail::{RealAddress, Timestamp};
use crate::mime::automatic::{self, Automatic, ReversePath};
use crate::mime::binary;
use crate::smtp::Body;
use crate::store::{Acceptance, NewDelivery, NewFact, NewHold, NewMessage, NewNotice, NewRecord, NewThread};
use crate::vault::{Class, Indexed, Nonce, Side, nonces};
use sha2::{Digest, Sha256};

/// Most octets of a header block that a bounce quotes and a record keeps.
const HEADERS_KEPT: usize = 32 * 1024;
/// Most octets of all the messages that one becomes, one a recipient: they are held in memory until their commit.
pub const COPIES_MAX: u64 = 128 * 1024 * 1024;

/// What came with MAIL, and what a filter said of what came behind it.
#[derive(Debug, Clone, Default)]
pub struct MailParameters {
    /// ENVID (RFC 3461 §4.4), decoded.
    pub envelope_id: Option<String>,
    /// RET=FULL (RFC 3461 §4.3): the sender wants the message back when it fails.
    pub full: bool,
    /// SMTPUTF8 (RFC 6531 §3.4): the sender vouches that UTF-8 in the header is meant as such. Raw UTF-8 without it is
    /// everyday mail and goes on as it came.
    pub smtputf8: bool,
    /// BODY (RFC 6152, RFC 3030 §3): whether the message is one of lines.
    pub body: Body,
    /// REQUIRETLS (RFC 8689 §3).
    pub require_tls: bool,
    /// Its recipient sees that a filter marked it.
    pub label: Option<Label>,
}

/// A message with its envelope, as a session received it.
pub struct Incoming<'a> {
    pub peer: &'a Peer,
    /// The store, at submission.
    pub login: Option<&'a Login>,
    pub sender: Option<&'a RealAddress>,
    pub recipients: Vec<(Recipient, Wishes)>,
    pub parameters: MailParameters,
    pub bytes: Vec<u8>,
    /// How the sender is proven.
    pub proof: SenderProof<'a>,
    /// What it says of itself, once that was read.
    pub said: Said,
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// One for each recipient, in order, those that nobody gets and decisions last; that of the first message for one that had been taken before.
    pub queue_ids: Vec<String>,
    /// Whether it is known who sent it: by login or by proof.
    pub is_proven: bool,
}

impl Receipt {
    pub(super) fn of(incoming: &Incoming<'_>, queue_ids: Vec<String>) -> Self {
        Self { queue_ids, is_proven: incoming.login.is_some() || incoming.proof.holds() }
    }
}

impl Relay {
    /// Takes a message for all its recipients, or for none.
    ///
    /// # Errors
    /// [`Refusal`] with the reply for the end of DATA. Whatever it is, a record of it is kept.
    pub async fn accept(&self, mut incoming: Incoming<'_>) -> Result<Receipt, Refusal> {
        self.may_take()?;
        let result = match self.prepare(&mut incoming).await {
            Ok(()) => {
                Self::add_own_copy(&mut incoming);
                self.in_turn(incoming.bytes.len(), || incoming.said()).await;
                self.take(&incoming).await
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &result {
            self.record_refusal(&incoming, refusal).await;
        }
        result
    }

    /// Makes a message what is taken: of lines, and a person's where a daemon's address is a person's.
    async fn prepare(&self, incoming: &mut Incoming<'_>) -> Result<(), Refusal> {
        if incoming.parameters.body == Body::BinaryMime {
            // A signature is over what came, not over what becomes of it.
            let from = anonymize::header_from(&incoming.bytes).unwrap_or_default();
            if let (None, [author]) = (incoming.login, from.as_slice()) {
                self.prove(incoming, author).await;
            }
            let octets = incoming.bytes.len();
            self.in_turn(octets, || as_lines(incoming)).await?;
        }
        if self.is_a_person_after_all(incoming).await? {
            let recipients = std::mem::take(&mut incoming.recipients);
            incoming.recipients =
                recipients.into_iter().map(|(to, wishes)| (to.for_a_person(), wishes)).collect();
        }
        Ok(())
    }

    async fn take(&self, incoming: &Incoming<'_>) -> Result<Receipt, Refusal> {
        let now = Timestamp::now();
        if is_looping(&incoming.bytes) {
            return Err(Refusal::Loop);
        }
        if let Some(receipt) = self.take_for_operator(incoming, now).await? {
            return Ok(receipt);
        }
        if incoming.recipients.iter().any(|(recipient, _)| recipient.is_for_programs()) {
            return self.take_automatic(incoming, now).await;
        }
        let copies = incoming.bytes.len().saturating_mul(incoming.recipients.len());
        if incoming.recipients.len() > 1 && u64::try_from(copies).unwrap_or(u64::MAX) > COPIES_MAX {
            return Err(Refusal::TooLargeForAll);
        }
        let author = self.check_from(incoming).await?;
        let kind = automatic::read(&incoming.bytes, ReversePath::Named);
        if let Some(receipt) = self.keep_back(incoming, &kind).await? {
            return Ok(receipt);
        }
        if let Some(author) = &author {
            self.may_decide(incoming, author).await?;
        }
        // A decision is taken last: what is refused is sent again, and a decision that counts twice counts once.
        let written: Vec<&(Recipient, Wishes)> = incoming
            .recipients
            .iter()
            .filter(|(recipient, _)| !matches!(recipient, Recipient::Decision { .. }))
            .collect();
        let mut admitted = Vec::new();
        for (recipient, _) in &written {
            admitted.push(match &author {
                Some(author) => self.admit(incoming, recipient, author, now).await?,
                None => Admitted::default(),
            });
        }
        let mut messages: Vec<NewMessage> = Vec::with_capacity(written.len());
        // Which message stands for which recipient: one who is named twice gets one.
        let mut places: Vec<(&Recipient, usize)> = Vec::with_capacity(written.len());
        let mut kept = Vec::new();
        for ((recipient, wishes), admitted) in written.into_iter().zip(&admitted) {
            if kind == Automatic::AutoReply && admitted.doubt.is_some() {
                // Whom it is proven to come from for another recipient, that one gets it.
                self.record_reply_in_doubt(recipient, admitted, incoming).await;
                kept.push(queue_id(self.next_id()));
                continue;
            }
            if let Some((_, place)) = places.iter().find(|(earlier, _)| earlier.is_same(recipient)) {
                places.push((recipient, *place));
                continue;
            }
            places.push((recipient, messages.len()));
            let leg = self.leg(incoming, recipient, wishes.notify, admitted).await?;
            let leg = Leg { original: wishes.original.clone(), ..leg };
            let leg = if kind == Automatic::AutoReply { leg.of_a_program() } else { leg };
            messages.push(self.compose(incoming, leg, now).await?);
        }
        let holds: Vec<Option<&'static str>> =
            messages.iter().map(|message| message.delivery.hold.as_ref().map(|hold| hold.why)).collect();
        let accepted = if messages.is_empty() { Vec::new() } else { self.store().accept(messages).await? };
        // Who is only claimed to have written has not.
        if admitted.iter().all(|admitted| admitted.doubt.is_none()) {
            self.heard_from(incoming, &places, &accepted).await;
        }
        for (acceptance, hold) in accepted.iter().zip(holds) {
            if let (Acceptance::New(id), Some(why)) = (acceptance, hold) {
                super::hold::alert(*id, why);
            }
        }
        if kind == Automatic::AutoReply {
            self.record_held_replies(incoming, &places, &accepted).await;
        }
        let mut queue_ids: Vec<String> = places
            .into_iter()
            .filter_map(|(_, place)| accepted.get(place))
            .map(|acceptance| match acceptance {
                Acceptance::New(id) | Acceptance::Duplicate(id) => queue_id(*id),
            })
            .collect();
        queue_ids.append(&mut kept);
        for (recipient, _) in &incoming.recipients {
            if let Recipient::Decision { delivery, decision } = recipient {
                queue_ids.push(self.decide(*delivery, *decision, incoming).await?);
            }
        }
        Ok(Receipt::of(incoming, queue_ids))
    }

    /// The header From must be the login's, or at port 25 one address: the author, of whom a proof is sought.
    async fn check_from(&self, incoming: &Incoming<'_>) -> Result<Option<RealAddress>, Refusal> {
        let from = anonymize::header_from(&incoming.bytes).map_err(Refusal::Content)?;
        match incoming.login {
            Some(login) => {
                for address in &from {
                    if !self.is_own(login, address).await? {
                        return Err(Refusal::FromNotRegistered);
                    }
                }
                if from.is_empty() { Err(Refusal::FromNotRegistered) } else { Ok(None) }
            }
            None => match from.as_slice() {
                [only] => Ok(Some(only.again())),
                _ => Err(Refusal::FromNotCustomer),
            },
        }
    }

    /// Makes one recipient's message and everything that is committed with it.
    pub(super) async fn compose(
        &self,
        incoming: &Incoming<'_>,
        leg: Leg<'_>,
        now: Timestamp,
    ) -> Result<NewMessage, Refusal> {
        let id = self.next_id();
        let queue_id = queue_id(id);
        let events = anonymize::calendar_ids(&incoming.bytes);
        let threads = match (leg.conversation, leg.writer) {
            (Some(conversation), Some(writer)) => {
                let mut ids = anonymize::message_ids(&incoming.bytes);
                ids.extend(events.iter().cloned());
                Some(self.threads(conversation, writer, &ids).await?)
            }
            _ => None,
        };
        let own_id = anonymize::message_id(&incoming.bytes);
        let hops = self.next_hop_mark(&incoming.bytes)?;
        let bytes = super::returns::marked(&incoming.bytes, &leg);
        let map = |id: &str| threads.as_ref().map_or_else(|| id.to_owned(), |threads| threads.map(id));
        let peer: Vec<String> = [incoming.peer.ip.to_canonical().to_string(), incoming.peer.helo.clone()]
            .into_iter()
            .filter(|known| !known.is_empty())
            .collect();
        let rewrite = || {
            let secrets: Vec<anonymize::Secret<'_>> =
                leg.secrets.iter().map(|(address, alias)| anonymize::Secret { address, alias }).collect();
            let passage = Passage {
                from: &leg.from,
                fallback_name: leg.fallback_name,
                to: &leg.shown_to,
                secrets: &secrets,
                message_id: &map,
                relay_host: &self.policy().hostname,
                queue_id: &queue_id,
                hops: &hops,
                at: now,
                peer: leg.writer.is_some().then_some(peer.as_slice()),
                writer: match leg.writer {
                    Some(Side::Customer) => Party::Customer,
                    Some(Side::Merchant) | None => Party::Merchant,
                },
                rules: Rules { name: leg.name, ..self.policy().rules },
            };
            anonymize::anonymize(&bytes, &passage)
        };
        let outcome = self.in_turn(incoming.bytes.len(), rewrite).await.map_err(Refusal::Content)?;
        if (outcome.message.is_err() || leg.doubt.is_some()) && !self.may_hold(&leg).await? {
            return Err(match leg.doubt {
                Some((Doubt::Unproven, _)) => Refusal::SenderUnproven,
                Some((Doubt::OtherAddress, _)) => Refusal::OtherSender,
                None => Refusal::Content(anonymize::Refusal::Residue),
            });
        }
        let mut new_threads = Vec::new();
        if let (Some(conversation), Some(threads)) = (leg.conversation, &threads) {
            new_threads.extend(own_id.iter().map(|own| Relay::new_thread(conversation, threads, own, id)));
            // An answer to an invitation must name its event as its author knows it.
            let new = events.iter().filter(|event| !threads.is_known(event));
            new_threads.extend(new.map(|event| Relay::new_thread(conversation, threads, event, id)));
        }
        let sent_id = match (&threads, &own_id) {
            (Some(threads), Some(own)) => Some(threads.map(own)),
            (Some(_), None) => Some(format!("<{queue_id}@{}>", self.policy().hostname)),
            (None, _) => None,
        };
        let answers_unknown = match (&threads, leg.conversation, &incoming.said().answers) {
            (Some(threads), Some(conversation), Some(id)) if !threads.is_known(id) => {
                !self.is_own_id(conversation, threads, id).await?
            }
            _ => false,
        };
        let draft = self.draft(incoming, &leg, id, now, outcome, own_id);
        let draft = self.judged(Draft { sent_id, answers_unknown, ..draft }).await?;
        let notices = self.notices(&draft).await?;
        Ok(self.new_message(&draft, new_threads, notices)?)
    }

    /// The record of a message that was taken.
    pub(super) fn record_of_taken(
        &self,
        drawn: [Nonce; 2],
        moment: Moment,
        taken: &Taken<'_>,
        headers: Option<&[u8]>,
    ) -> NewRecord {
        let Taken { incoming, leg, .. } = *taken;
        let detail = serde_json::json!({
            "direction": leg.direction,
            "from": incoming.sender.map(RealAddress::reveal),
            "to": leg.to.to_string(),
            "order_no": leg.conversation.map(|conversation| conversation.order_no.as_str()),
            "credential": incoming.login.map(|login| login.credential_id),
            "peer": peer_json(incoming.peer),
            "proof": incoming.proof.to_json(),
            "label": incoming.parameters.label.map(|label| (label.action, label.score)),
            "size_received": incoming.bytes.len(),
            "size": taken.size,
            "message_id": taken.own_id,
        });
        let (event, about, source) = (Event::Accepted, taken.about(), Some(incoming.peer.ip));
        let entry = Entry { event, about, source, detail: &detail, headers };
        let record = self.sealed_with(drawn, moment, leg.key, &entry);
        let fact = self.fact_of_taken(taken, record.at);
        self.examined(record.found_by(fact), taken.acted)
    }

    /// The rows of a draft.
    pub(super) fn new_message(
        &self,
        draft: &Draft<'_>,
        threads: Vec<NewThread>,
        notices: Vec<NewNotice>,
    ) -> Result<NewMessage, RelayFault> {
        let Draft { incoming, leg, id, delivery, now, .. } = *draft;
        let headers = header_block(&incoming.bytes);
        let taken = draft.taken();
        let about = taken.about();
        let guard = draft.own_id.as_deref().map(|message_id| {
            let text = incoming.bytes.get(headers.len()..).unwrap_or_default();
            let mut digest = Sha256::new()
                .chain_update(leg.forward_path.reveal_canonical().as_bytes())
                .chain_update([0])
                .chain_update(text);
            if leg.doubt.is_some() {
                // What somebody pretends to have written stands in the way of nobody's own mail.
                digest.update([0]);
                for author in anonymize::header_from(&incoming.bytes).unwrap_or_default() {
                    digest.update(author.reveal_canonical().as_bytes());
                }
            }
            let digest: [u8; 32] = digest.finalize().into();
            // A copy has no conversation: there the store stands for it. Ids of rows never repeat across tables.
            let scope = match (leg.conversation, leg.writer) {
                (Some(conversation), Some(writer)) => conversation.alias_id(writer.other()),
                _ => leg.merchant.id,
            };
            let index =
                self.vault().index.of(Indexed::Submission { alias: scope, message_id, digest: &digest });
            (index, now.after(self.policy().duplicate_window))
        });
        let guard = if leg.automatic { self.one_reply_a_day(leg, now) } else { guard };
        let domain = leg.forward_path.reveal_domain();
        let [of_envelope, of_body, of_recipient, of_detail, of_block] = nonces();
        let drawn = [of_detail, of_block];
        let record = self.record_of_taken(drawn, self.moment(), &taken, Some(headers));
        let hold = draft.hold.map(|hold| {
            let why = super::hold::word(hold);
            let detail = serde_json::json!({ "reason": why, "rule": draft.acted });
            let record = self.sealed_record(leg.key, Event::Held, about, None, &detail, None);
            // Its attachments stand with its acceptance, and it was sent once.
            let (attachments, usual) = (Vec::new(), Vec::new());
            let fact = NewFact { attachments, usual, ..self.fact_of_taken(&taken, record.at) };
            NewHold { why, record: record.found_by(fact) }
        });
        let address = leg.forward_path.reveal();
        Ok(NewMessage {
            id,
            merchant_id: leg.merchant.id,
            conversation_id: about.conversation,
            data_key_id: leg.key.id(),
            direction: leg.direction,
            envelope: draft.envelope.seal_with(of_envelope, leg.key, id)?,
            body: self.seal_in_with(
                of_body,
                Class::Body,
                Timestamp::now(),
                leg.key,
                body_place(id),
                &draft.body,
            ),
            kept: self.kept_of(draft),
            size: i64::try_from(draft.body.len()).unwrap_or(i64::MAX),
            at: now,
            delivery: NewDelivery {
                id: delivery,
                class: super::class::of(incoming),
                look_at: self.deadlines().first(now),
                route: self.vault().index.of(Indexed::Domain(domain)).to_i64(),
                recipient: leg.key.seal_with(of_recipient, recipient_place(delivery), address.as_bytes()),
                expires_at: draft.expires_at,
                hold,
            },
            record,
            threads,
            guard,
            notices,
        })
    }
}

/// A binary message becomes one of lines, which every next hop takes (RFC 3030 §3: or it is refused).
fn as_lines(incoming: &mut Incoming<'_>) -> Result<(), Refusal> {
    incoming.bytes = binary::to_lines(&incoming.bytes).map_err(Refusal::Binary)?;
    Ok(())
}

/// The header block with its last line end, without the empty line; cut at a line where it is very long.
pub(super) fn header_block(message: &[u8]) -> &[u8] {
    let end = if message.starts_with(b"\r\n") {
        0
    } else {
        memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 2)
    };
    let block = message.get(..end).unwrap_or_default();
    if block.len() <= HEADERS_KEPT {
        return block;
    }
    let cut = block.get(..HEADERS_KEPT).unwrap_or_default();
    let line_end = memchr::memmem::rfind(cut, b"\r\n").map_or(0, |at| at + 2);
    cut.get(..line_end).unwrap_or_default()
}
