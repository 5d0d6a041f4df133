//! A customer's address is corrected at all stores: the aliases stay, and lead to the new address, once a mail to it
//! was answered.
//!
//! Rules: the mail that asks names neither the address before, nor a store, nor an order. Its token went to the new
//! address alone, so who writes to it from that address reads its mail: that is the proof, as with decisions about
//! held mail. It moves somebody's mail, so it takes a second person at the desk, and the address before is told by mail
//! that it was asked for, and what to do about it. Who asked for it, and that it was done, stands among the looks. What
//! waits already goes where it was taken for; a conversation that the new address has of its own stays.
//! When it fails: [`CorrectionFault`], or [`Refusal`] to who answers; then nothing is changed.

use super::accept::Incoming;
use super::automatic::is_automatic;
use super::conversation::{Conversation, former_place};
use super::envelope::{AliasText, Envelope};
use super::look::{Account, Look, LookPurpose, Opening};
use super::own::Own;
use super::{INSTALLATION, Refusal, Relay, RelayFault, queue_id};
use crate::mail::{AddressError, Alias, RealAddress, Timestamp};
use crate::residency::{Hidden, Origin};
use crate::store::{CarriedOut, CorrectionRow, Kind, NewCorrection, NewMessage, Repointed};
use crate::vault::{Decision, Index, Indexed, Place, VaultError};
use data_encoding::HEXLOWER;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the new address may take to answer.
const LASTS: Duration = Duration::from_secs(7 * 86_400);
/// Former addresses of a customer that are kept.
const FORMER_MAX: usize = 20;
/// How often a proof is carried out anew where others change the same conversations at that moment.
const TRIES: usize = 3;

/// Why nobody is asked.
#[derive(Debug, thiserror::Error)]
pub enum CorrectionFault {
    #[error("customer: {0}")]
    Customer(AddressError),
    #[error("to: {0}")]
    To(AddressError),
    #[error(
        "to: the address lies in one of this installation's own domains; give the customer's real address"
    )]
    OwnDomain,
    #[error("to: it is the address of now")]
    Same,
    #[error("customer: no live conversation has this address")]
    Nobody,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// A correction that waits for its proof.
pub struct CorrectionAsked {
    pub id: String,
    /// Live conversations that have the address before.
    pub conversations: usize,
    /// Live ones that keep their address: their rows do not open.
    pub unreadable: usize,
    pub expires_at: Timestamp,
}

/// Live conversations of an address, and how many more do not open.
struct Live {
    open: Vec<Conversation>,
    unreadable: usize,
}

/// Both addresses of a correction that somebody asks for.
pub(super) struct Correction {
    before: RealAddress,
    new: RealAddress,
    /// Live conversations that do not open.
    unreadable: usize,
}

/// What a correction says, opened.
struct Detail {
    before: RealAddress,
    new: RealAddress,
    look: Look,
}

impl Relay {
    /// How to have a customer's address corrected, at the desk.
    ///
    /// # Errors
    /// [`CorrectionFault`] when it can't be.
    pub async fn correction_of(&self, customer: &str, to: &str) -> Result<Opening, CorrectionFault> {
        let (_, Correction { before, new, .. }) = self.correctable(customer, to).await?;
        // The entry about it outlives the keys of whom it is about, so it has indexes and no address.
        let named = |address| HEXLOWER.encode(self.vault().index.of(Indexed::Stranger(address)).as_bytes());
        let (person, new) = (named(&before), named(&new));
        Ok(Opening::Correct { person, new, customer: customer.to_owned(), to: to.to_owned() })
    }

    /// What an address may be corrected to, and how many live conversations have the one before.
    pub(super) async fn correctable(
        &self,
        customer: &str,
        to: &str,
    ) -> Result<(usize, Correction), CorrectionFault> {
        let before = RealAddress::parse(customer.trim()).map_err(CorrectionFault::Customer)?;
        let new = RealAddress::parse(to.trim()).map_err(CorrectionFault::To)?;
        if self.domains().is_ours(new.reveal_domain()) {
            return Err(CorrectionFault::OwnDomain);
        }
        if before.same_mailbox(&new) {
            return Err(CorrectionFault::Same);
        }
        let Live { open, unreadable } = self.live_of(&before, Timestamp::now()).await?;
        match open.len() {
            0 => Err(CorrectionFault::Nobody),
            conversations => Ok((conversations, Correction { before, new, unreadable })),
        }
    }

    /// Asks the new address by mail whether it is the customer's, and tells the one before.
    pub(super) async fn ask_correction(
        &self,
        look: &Look,
        Correction { before, new, unreadable }: &Correction,
        conversations: usize,
        now: Timestamp,
    ) -> Result<CorrectionAsked, RelayFault> {
        let (id, expires_at) = (self.next_id(), now.after(LASTS));
        let what = json!({
            "correction": queue_id(id), "conversations": conversations, "unreadable": unreadable,
        });
        self.note_deed(look, "correction", what, "asked").await?;
        let (key, new_key) = self.new_data_key("correction");
        let detail = json!({
            "before": before.reveal(),
            "new": new.reveal(),
            "actor": look.actor,
            "purpose": look.purpose.as_str(),
            "case": look.case,
            "uid": look.account.uid,
            "login": look.account.login,
        });
        let detail = Zeroizing::new(detail.to_string());
        let row = NewCorrection {
            id,
            at: now,
            expires_at,
            key: new_key,
            detail: key.seal(place(id), detail.as_bytes()),
        };
        self.store().add_correction(&row).await?;
        // Together: nobody is asked without the other's knowing.
        let mails =
            vec![self.question(id, new, expires_at, now).await?, self.warning(id, before, now).await?];
        self.store().accept(mails).await?;
        tracing::info!(event = "correction", correction = queue_id(id), "asked");
        Ok(CorrectionAsked { id: queue_id(id), conversations, unreadable: *unreadable, expires_at })
    }

    /// The mail that asks.
    async fn question(
        &self,
        correction: i64,
        new: &RealAddress,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<NewMessage, RelayFault> {
        let token = self.vault().decisions.mint(Decision::Correct, correction, expires_at);
        let answer = Alias::new(token, self.domains().merchant().clone()).to_string();
        let subject = "メールアドレス変更の確認 / Please confirm your new address";
        let about = json!({ "action": "correction", "what": queue_id(correction) });
        self.mail_about(about, new, subject, super::words::new_address(&answer, expires_at), now).await
    }

    /// The mail that tells the address before.
    async fn warning(
        &self,
        correction: i64,
        before: &RealAddress,
        now: Timestamp,
    ) -> Result<NewMessage, RelayFault> {
        let subject = "メールアドレス変更のお申し出について / Your address is asked to be changed";
        let about = json!({ "action": "correction", "what": queue_id(correction) });
        self.mail_about(about, before, subject, super::words::address_before(), now).await
    }

    /// A mail to a person in the installation's name, about a change of the address.
    pub(super) async fn mail_about(
        &self,
        detail: Value,
        to: &RealAddress,
        subject: &str,
        text: String,
        now: Timestamp,
    ) -> Result<NewMessage, RelayFault> {
        let from = Alias::new("mailer-daemon", self.domains().merchant().clone());
        let id = self.next_id();
        let body = MessageBuilder::new()
            .from(Address::new_address(Some("Mail Delivery System"), from.to_string()))
            .to(Address::new_address(None::<&str>, to.reveal().to_owned()))
            .subject(subject)
            .date(now.as_millis().div_euclid(1000))
            .message_id(format!("{}@{}", queue_id(id), from.domain()))
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .text_body(text)
            .write_to_vec()
            .unwrap_or_default();
        let key = self.key_of_writer(Some(to)).await;
        let own = Own {
            key: &key,
            id,
            merchant: INSTALLATION,
            conversation: None,
            to,
            envelope: Envelope { confirmed: true, ..Envelope::of_ours(&from, AliasText::from(&from)) },
            body: &body,
            expires: self.policy().expire,
            detail,
            guard: None,
        };
        self.own_row(own, now)
    }

    /// Whether a token names a correction that may be proven, or was.
    pub(super) async fn is_correction(&self, id: i64) -> Result<bool, Refusal> {
        let now = Timestamp::now();
        let row = self.store().correction(id).await?;
        Ok(row.is_some_and(|row| row.done_at.is_some() || row.expires_at > now))
    }

    /// Whether an author may prove a correction: it is his address. Of one that is proven nothing is left to compare.
    pub(super) async fn may_correct(&self, id: i64, author: &RealAddress) -> Result<(), Refusal> {
        let row = self.store().correction(id).await?.ok_or(Refusal::UnknownAlias)?;
        if row.done_at.is_some() {
            return Ok(());
        }
        let is_own = self.correction_detail(id, &row)?.new.same_mailbox(author);
        if is_own { Ok(()) } else { Err(Refusal::UnknownAlias) }
    }

    /// Takes the proof. Proven already: nothing happens.
    pub(super) async fn correct(&self, id: i64, incoming: &Incoming<'_>) -> Result<String, Refusal> {
        let (now, said) = (Timestamp::now(), queue_id(id));
        let row = self.store().correction(id).await?.ok_or(Refusal::UnknownAlias)?;
        if row.done_at.is_some() {
            return Ok(said);
        }
        if is_automatic(&incoming.bytes) {
            let reason = "a mail that says a program wrote it proves nothing";
            tracing::warn!(event = "ignored", correction = %said, by = "sender", reason);
            return Ok(said);
        }
        let Detail { before, new, look } = self.correction_detail(id, &row)?;
        for _ in 0..TRIES {
            let mut repointed = Vec::new();
            let Live { open, unreadable } = self.live_of(&before, now).await?;
            for conversation in &open {
                repointed.push(self.repointed(conversation, &new)?);
            }
            match self
                .store()
                .carry_out_correction(id, &repointed, &self.destroying([row.key.id]), now)
                .await?
            {
                // One of them got another address since we read it. What has the address before still is read again.
                CarriedOut::Moved => continue,
                CarriedOut::Over => {}
                CarriedOut::Done(changed) => {
                    let what =
                        json!({ "correction": said, "conversations": changed, "unreadable": unreadable });
                    self.note_deed(&look, "correction", what, "done").await?;
                    tracing::info!(event = "correction", correction = %said, changed, unreadable, "done");
                }
            }
            return Ok(said);
        }
        // The proof is deferred, and comes again.
        Err(Refusal::TryAgain)
    }

    /// Corrections that wait for their proof and have an address, by its index as a stranger's, as the one before or the new one.
    /// One that does not open may be anybody's: it goes with the first who is erased, and is asked for again. And the keys that are
    /// theirs.
    pub(super) async fn corrections_about(
        &self,
        stranger: Index,
    ) -> Result<(Vec<i64>, Vec<i64>), RelayFault> {
        let (mut about, mut own) = (Vec::new(), Vec::new());
        for (id, row) in self.store().corrections_pending().await? {
            let index = &self.vault().index;
            let is_its = |address| index.all(Indexed::Stranger(address)).contains(&stranger);
            match self.correction_detail(id, &row) {
                Ok(Detail { before, new, .. }) if is_its(&before) || is_its(&new) => {
                    about.push(id);
                    own.push(row.key.id);
                }
                Ok(_) => {}
                Err(RelayFault::Vault(VaultError::Destroyed { .. })) => {}
                Err(fault) if fault.is_of_one_row() || matches!(fault, RelayFault::Malformed(_)) => {
                    tracing::warn!(event = "unreadable", stage = "erasure", id, %fault);
                    about.push(id);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok((about, own))
    }

    /// Ends corrections whose proof has not come in time.
    pub(super) async fn end_corrections(&self, now: Timestamp) -> Result<(), RelayFault> {
        let mut own = Vec::new();
        for (id, row) in self.store().corrections_pending().await? {
            if row.expires_at > now {
                continue;
            }
            match self.data_key(&row.key).and_then(|key| key.open(place(id), &row.detail)) {
                Ok(_) => own.push(row.key.id),
                Err(fault @ (VaultError::Destroyed { .. } | VaultError::DoesNotOpen { .. })) => {
                    tracing::warn!(event = "unreadable", stage = "correction", id, %fault);
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        self.store().end_corrections(&self.destroying(own), now).await?;
        Ok(())
    }

    fn correction_detail(&self, id: i64, row: &CorrectionRow) -> Result<Detail, RelayFault> {
        let malformed = || RelayFault::Malformed("correction.detail");
        let plain = self.data_key(&row.key)?.open(place(id), &row.detail)?;
        let detail: Value = serde_json::from_slice(&plain).map_err(|_| malformed())?;
        let word = |name: &str| detail.get(name).and_then(Value::as_str).ok_or_else(malformed);
        let address = |name: &str| RealAddress::parse(word(name)?).map_err(|_| malformed());
        let number =
            |name: &str| detail.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let uid = number("uid").ok_or_else(malformed)?;
        // From where it was asked for stands in the entry about that.
        let account = Account { uid, login: number("login"), from: Origin::Hidden(Hidden::Earlier) };
        let purpose = LookPurpose::parse(word("purpose")?).ok_or_else(malformed)?;
        let look = Look::new(word("actor")?, purpose, word("case")?, account).map_err(|_| malformed())?;
        Ok(Detail { before: address("before")?, new: address("new")?, look })
    }

    /// Conversations in which an address is the customer's, and whose aliases live. One that does not open is passed over,
    /// and counted.
    async fn live_of(&self, address: &RealAddress, now: Timestamp) -> Result<Live, RelayFault> {
        let mut live = Live { open: Vec::new(), unreadable: 0 };
        for id in self.conversations_now(address).await? {
            let row = self.store().conversation(id).await?;
            let Some(row) = row.filter(|row| row.closed_at.is_none() && row.expires_at > now) else {
                continue;
            };
            match self.open_bound(&row).await {
                // Those of an order's guests come with it, and are somebody else's.
                Ok(found) => {
                    live.open.extend(Some(found).filter(|found| found.customer.same_mailbox(address)))
                }
                Err(fault) if fault.is_of_one_row() => {
                    tracing::warn!(event = "unreadable", stage = "correction", id, %fault);
                    live.unreadable += 1;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(live)
    }

    /// A conversation with another customer address. What an old signature says, or a mail that was quoted, must not
    /// reach the store either, so the address before is kept as a former one.
    pub(super) fn repointed(
        &self,
        conversation: &Conversation,
        new: &RealAddress,
    ) -> Result<Repointed, RelayFault> {
        let (id, merchant, key) = (conversation.id, conversation.merchant.id, &conversation.key);
        let index = &self.vault().index;
        let customer_idx = index.of(Indexed::CustomerOf { merchant, address: new });
        let former = conversation.former.iter().chain([&conversation.customer]);
        let mut former: Vec<String> =
            former.filter(|old| !old.same_mailbox(new)).map(RealAddress::reveal).collect();
        former.drain(..former.len().saturating_sub(FORMER_MAX));
        let malformed = |_| RelayFault::Malformed("conversation.former");
        let former = Zeroizing::new(serde_json::to_vec(&former).map_err(malformed)?);
        let customer = key.seal(Place::new("conversation", "customer", id), new.reveal().as_bytes());
        let former = key.seal(former_place(id), &former);
        Ok(Repointed {
            id,
            from: conversation.customer_sealed.clone(),
            customer_idx,
            bound: conversation.bound_to(&customer, &former)?,
            customer,
            former,
            key_idx: match conversation.kind {
                Kind::Order => None,
                Kind::Inquiry => Some(customer_idx),
                Kind::Guest => {
                    let conversation = conversation.order();
                    Some(index.of(Indexed::GuestOf { conversation, address: new }))
                }
            },
        })
    }
}

const fn place(id: i64) -> Place {
    Place::new("correction", "detail", id)
}
