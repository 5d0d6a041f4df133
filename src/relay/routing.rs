//! Who may write to whom. Only the envelope and the authenticated sender choose the route: at port 25 the recipient alone,
//! since who writes is not known before the end of data (`admission.rs`); From chooses nothing. No alias of another
//! conversation is ever resolved for a sender.

use super::decision::Decider;
use super::{Conversation, Login, Merchant, Refusal, Relay, RelayFault};
use crate::mail::{RealAddress, Timestamp};
use crate::store::ConversationRow;
use crate::vault::{Decision, Indexed, Side, VaultError};

/// A recipient that was admitted, with what is needed to write to it.
pub enum Recipient {
    /// A party of a conversation, by its alias; `side` is whose alias it is.
    Party { conversation: Box<Conversation>, side: Side },
    /// One of the store's own registered addresses: its tool's Bcc copy. By position in the login.
    Copy(RealAddress),
    /// A store's public alias.
    Inquiry(Box<Merchant>),
    /// A return address of ours.
    Return { delivery: i64 },
    /// The address by which the sender of a held message decides about it.
    Decision { delivery: i64, decision: Decision },
    /// Whoever runs this relay: `postmaster@`, `abuse@`.
    Operator,
    /// An alias, written to from the null sender or by a mailer daemon: it takes automatic mail alone.
    Automatic { conversation: Box<Conversation>, side: Side },
}

impl Recipient {
    /// Whether it takes automatic mail alone.
    pub(super) fn is_for_programs(&self) -> bool {
        matches!(self, Recipient::Return { .. } | Recipient::Automatic { .. })
    }

    /// The same recipient, where a person wrote to it.
    pub(super) fn for_a_person(self) -> Self {
        match self {
            Recipient::Automatic { conversation, side } => Recipient::Party { conversation, side },
            other => other,
        }
    }

    /// Whether both get one and the same message.
    pub(super) fn is_same(&self, other: &Recipient) -> bool {
        match (self, other) {
            (
                Recipient::Party { conversation, side },
                Recipient::Party { conversation: other, side: other_side },
            ) => conversation.id == other.id && side == other_side,
            (Recipient::Copy(address), Recipient::Copy(other)) => address.same_mailbox(other),
            (Recipient::Inquiry(merchant), Recipient::Inquiry(other)) => merchant.id == other.id,
            (
                Recipient::Decision { delivery, decision },
                Recipient::Decision { delivery: other, decision: other_decision },
            ) => delivery == other && decision == other_decision,
            (Recipient::Operator, Recipient::Operator) => true,
            _ => false,
        }
    }
}

impl Relay {
    /// Whether a store may use this reverse-path.
    ///
    /// # Errors
    /// [`Refusal`] when it is not registered and no alias of the store's own.
    pub async fn submission_sender(
        &self,
        login: &Login,
        sender: Option<&RealAddress>,
    ) -> Result<(), Refusal> {
        let sender = sender.ok_or(Refusal::NullSender)?;
        if self.is_own(login, sender).await? { Ok(()) } else { Err(Refusal::SenderNotRegistered) }
    }

    /// Whether an address is one of the store's: registered, its public alias, or its side of a conversation.
    pub(super) async fn is_own(&self, login: &Login, address: &RealAddress) -> Result<bool, Refusal> {
        if login.is_registered(address) {
            return Ok(true);
        }
        if !self.domains().is_ours(address.reveal_domain()) {
            return Ok(false);
        }
        let text = address.reveal();
        if text.eq_ignore_ascii_case(&login.public_alias.to_string()) {
            return Ok(true);
        }
        let found = self.find_alias(address).await?;
        Ok(found.is_some_and(|(conversation, side)| {
            side == Side::Merchant && conversation.merchant.id == login.merchant.id
        }))
    }

    /// Whether a store may write to this forward-path.
    ///
    /// # Errors
    /// [`Refusal`] that names the rule; the same for unknown, foreign and forged aliases.
    pub async fn submission_recipient(&self, login: &Login, to: &RealAddress) -> Result<Recipient, Refusal> {
        if let Some(own) = login.registered(to) {
            return Ok(Recipient::Copy(own.address.again()));
        }
        if !self.domains().is_ours(to.reveal_domain()) {
            return Err(Refusal::NotAnAlias);
        }
        let text = to.reveal();
        let local = text.rsplit_once('@').map_or("", |(local, _)| local);
        if let Some(operator) = self.operator_at(local) {
            return Ok(operator);
        }
        if let Some(decision) = self.decision_recipient(Decider::Store(login), local).await? {
            return Ok(decision);
        }
        match self.find_alias(to).await? {
            Some((conversation, Side::Customer)) if conversation.merchant.id == login.merchant.id => {
                check_alive(&conversation, Timestamp::now())?;
                self.check_mailbox(&conversation, Side::Customer).await?;
                Ok(Recipient::Party { conversation, side: Side::Customer })
            }
            None if self.is_gone(login, to).await? => Err(Refusal::Closed),
            _ => Err(Refusal::UnknownAlias),
        }
    }

    /// Whether an alias that leads nowhere was of a conversation of this store: its customer was erased, and the database is from
    /// before. Its row says whose it was, to that store alone.
    async fn is_gone(&self, login: &Login, to: &RealAddress) -> Result<bool, RelayFault> {
        let row = self.alias_row_and_side(to).await?;
        Ok(row.is_some_and(|(row, side)| side == Side::Customer && row.merchant.id == login.merchant.id))
    }

    /// Whether an address lies in one of our own domains.
    #[must_use]
    pub fn is_own_domain(&self, address: &RealAddress) -> bool {
        self.domains().is_ours(address.reveal_domain())
    }

    /// Whether a sender who opens an inquiry from this network has waited long enough. One who was never seen is noted if
    /// `may_note` says so, and has to wait all the same.
    ///
    /// # Errors
    /// [`Refusal::Greylisted`] when it has not.
    pub async fn first_contact(
        &self,
        network: std::net::IpAddr,
        sender: &RealAddress,
        patience: crate::store::Patience,
        may_note: impl FnOnce() -> bool,
    ) -> Result<(), Refusal> {
        let (guard, now) = (self.vault().index.of(Indexed::Contact { network, sender }), Timestamp::now());
        let left = match self.store().first_contact(&guard, now).await? {
            None if !may_note() => patience.wait,
            Some(first) if now.since(first) < patience.wait => patience.wait - now.since(first),
            _ => self.store().greylist(guard, now, patience).await?,
        };
        if left.is_zero() { Ok(()) } else { Err(Refusal::Greylisted(left)) }
    }

    /// Whether mail from outside may go to this forward-path. Whose address the reverse-path is makes a difference only
    /// where the alias has ended and `proves_sender` says that the envelope is proven: then its party is told so.
    ///
    /// # Errors
    /// [`Refusal`] that names the rule; the same for unknown, foreign and forged aliases.
    pub async fn mx_recipient(
        &self,
        sender: Option<&RealAddress>,
        to: &RealAddress,
        proves_sender: impl AsyncFnOnce() -> bool,
    ) -> Result<Recipient, Refusal> {
        if !self.domains().is_ours(to.reveal_domain()) {
            return Err(Refusal::Relaying);
        }
        let now = Timestamp::now();
        let text = to.reveal();
        let local = text.rsplit_once('@').map_or("", |(local, _)| local);
        if let Some(operator) = self.operator_at(local) {
            return Ok(operator);
        }
        if let Some(returned) = self.vault().returns.open(local, now) {
            // Bounces come from the null sender (RFC 5321 §4.5.5), complaints from a provider's own (RFC 5965). Anything else has
            // no business here, which its text tells.
            return if returned.expired {
                Err(Refusal::UnknownAlias)
            } else {
                Ok(Recipient::Return { delivery: returned.delivery })
            };
        }
        if sender.is_some()
            && let Some(decision) = self.decision_recipient(Decider::Outside, local).await?
        {
            return Ok(decision);
        }
        if let Some((conversation, side)) = self.find_alias(to).await? {
            if let Err(ended) = check_alive(&conversation, now) {
                // To a stranger an alias that has ended looks like one that never was.
                let Some(sender) = sender.filter(|_| side == Side::Merchant) else {
                    return Err(Refusal::UnknownAlias);
                };
                // In this order: asking a stranger's own name servers would tell him that there was an alias.
                let is_party = is_written_by(sender, &conversation.customer) && proves_sender().await;
                return Err(if is_party { ended } else { Refusal::UnknownAlias });
            }
            // Some mail systems bounce to From. Whatever domain a daemon has, it gets the same answer, so that nobody can
            // ask for a party's; what it brings is looked at.
            if is_program(sender) {
                return Ok(Recipient::Automatic { conversation, side });
            }
            // Stores write to customers through the submission port alone.
            if side == Side::Customer {
                return Err(Refusal::UnknownAlias);
            }
            return Ok(Recipient::Party { conversation, side: Side::Merchant });
        }
        let store_id = local.to_ascii_lowercase();
        if to.reveal_domain() == self.domains().merchant()
            && super::merchants::is_store_id(&store_id)
            && sender.is_some()
            && let Some(merchant) = self.merchant(&store_id).await?
            && !self.store().has_left(merchant.id).await?
        {
            return Ok(Recipient::Inquiry(Box::new(merchant)));
        }
        Err(Refusal::UnknownAlias)
    }

    /// The conversation of an alias, and whose alias it is. A token that does not open costs no look-up; the domain must
    /// be the one the alias was issued in.
    ///
    /// One whose conversation's key is destroyed leads nowhere for ever, so it is none: to defer its mail would keep it for
    /// days and then bounce it.
    pub(super) async fn find_alias(
        &self,
        address: &RealAddress,
    ) -> Result<Option<(Box<Conversation>, Side)>, RelayFault> {
        let Some((row, side)) = self.alias_row_and_side(address).await? else { return Ok(None) };
        match self.open_bound(&row).await {
            Err(RelayFault::Vault(VaultError::Destroyed { table: "data_key", id })) if id == row.key.id => {
                Ok(None)
            }
            opened => Ok(Some((Box::new(opened?), side))),
        }
    }

    /// The row of an alias's conversation, which nothing opens.
    pub(super) async fn alias_row(
        &self,
        address: &RealAddress,
    ) -> Result<Option<ConversationRow>, RelayFault> {
        Ok(self.alias_row_and_side(address).await?.map(|(row, _)| row))
    }

    /// The same with whose alias it is.
    pub(super) async fn alias_row_and_side(
        &self,
        address: &RealAddress,
    ) -> Result<Option<(ConversationRow, Side)>, RelayFault> {
        let text = address.reveal();
        let local = text.rsplit_once('@').map_or("", |(local, _)| local);
        let vault = self.vault();
        let Some((side, id)) = vault.alias.open(local) else {
            if vault.alias.lacks_key_of(local) {
                self.miss_a_key();
            }
            return Ok(None);
        };
        let Some(row) = self.store().conversation_of_alias(id, side).await? else { return Ok(None) };
        let alias = match side {
            Side::Customer => &row.customer_alias,
            Side::Merchant => &row.merchant_alias,
        };
        let is_in_its_domain = alias.domain == address.reveal_domain().as_str();
        Ok(is_in_its_domain.then_some((row, side)))
    }
}

/// Whether a program sends: the null sender (RFC 5321 §4.5.5), or a mailer daemon that has an address.
pub(super) fn is_program(sender: Option<&RealAddress>) -> bool {
    sender.is_none_or(|sender| {
        let text = sender.reveal();
        let local = text.rsplit_once('@').map_or("", |(local, _)| local);
        ["mailer-daemon", "postmaster"].iter().any(|daemon| local.eq_ignore_ascii_case(daemon))
    })
}

/// Whether a reverse-path is that of this address, signed against forged bounces or not: `prvs=TAG=local@domain` (BATV).
pub(super) fn is_written_by(reverse_path: &RealAddress, address: &RealAddress) -> bool {
    if reverse_path.same_mailbox(address) {
        return true;
    }
    let text = reverse_path.reveal();
    let signed = text.strip_prefix("prvs=").and_then(|signed| signed.split_once('='));
    signed
        .and_then(|(_, plain)| RealAddress::parse(plain).ok())
        .is_some_and(|plain| plain.same_mailbox(address))
}

pub(super) fn check_alive(conversation: &Conversation, now: Timestamp) -> Result<(), Refusal> {
    if conversation.closed_at.is_some() {
        Err(Refusal::Closed)
    } else if conversation.expires_at <= now {
        Err(Refusal::Expired)
    } else {
        Ok(())
    }
}
