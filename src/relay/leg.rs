//! One recipient's side of a message: which alias writes to which, what must not be in it, who is told when it fails.

use super::accept::Incoming;
use super::admission::{Admitted, Ask, Doubt};
use super::registered::speaking;
use super::{Conversation, Login, Merchant, Notify, Recipient, Relay, RelayFault};
use crate::anonymize::{NameRule, may_be_shown};
use crate::config::{CustomerName, MerchantName};
use crate::mail::{Alias, RealAddress};
use crate::vault::{DataKey, Side};
use std::sync::Arc;

/// What a party is, where its name does not pass or shall not be shown.
const CUSTOMER_ROLE: &str = "お客様 / Customer";
const MERCHANT_ROLE: &str = "店舗 / Store";

/// One recipient's message, before it is made.
pub(super) struct Leg<'a> {
    pub conversation: Option<&'a Conversation>,
    pub merchant: &'a Merchant,
    pub key: &'a Arc<DataKey>,
    pub direction: &'static str,
    /// Whose message it is; none for a copy.
    pub writer: Option<Side>,
    pub from: Alias,
    /// What the sender calls the recipient.
    pub to: Alias,
    /// Whose name the recipient sees: the sender's own words, or always the fallback.
    pub name: NameRule,
    pub fallback_name: &'a str,
    /// What the recipient sees in To.
    pub shown_to: Vec<Alias>,
    pub forward_path: RealAddress,
    pub secrets: Vec<(RealAddress, Alias)>,
    pub notify: Notify,
    /// What the sender called the recipient at first.
    pub original: Option<(String, String)>,
    pub bounces_to: Option<String>,
    /// Whether a bounce may quote the header block.
    pub quotes: bool,
    /// Why it is held whatever is in it, and who is asked.
    pub doubt: Option<(Doubt, Ask)>,
    /// Whether a program wrote it: it goes out from the null sender, once a day, and nobody is told of its fate.
    pub automatic: bool,
}

impl Leg<'_> {
    /// The same, held for its sender. Nobody is told of its fate but who is asked about it.
    fn doubted(self, doubt: Option<(Doubt, Ask)>) -> Self {
        let Some((_, ask)) = doubt else { return self };
        let notify = Notify { success: false, failure: false, delay: false };
        let bounces_to = self.bounces_to.filter(|_| ask == Ask::Party);
        Self { doubt, notify, bounces_to, quotes: false, ..self }
    }

    /// The same for an automatic reply (RFC 3834 §4): it must never be answered by a program again.
    pub fn of_a_program(self) -> Self {
        let notify = Notify { success: false, failure: false, delay: false };
        Self { automatic: self.writer.is_some(), notify, bounces_to: None, ..self }
    }
}

impl Relay {
    pub(super) async fn leg<'a>(
        &self,
        incoming: &Incoming<'a>,
        recipient: &'a Recipient,
        notify: Notify,
        admitted: &'a Admitted,
    ) -> Result<Leg<'a>, RelayFault> {
        match (recipient, &admitted.conversation) {
            (Recipient::Party { side: Side::Merchant, .. } | Recipient::Inquiry(_), Some(conversation)) => {
                let leg = self.party_leg(incoming, conversation, Side::Merchant, notify).await?;
                Ok(leg.doubted(admitted.doubt))
            }
            (Recipient::Party { conversation, side } | Recipient::Automatic { conversation, side }, _) => {
                let leg = self.party_leg(incoming, conversation, *side, notify).await?;
                Ok(leg.doubted(admitted.doubt))
            }
            (Recipient::Copy(address), _) => {
                let login = incoming.login.ok_or(RelayFault::Malformed("a copy without a login"))?;
                self.copy_leg(incoming, login, address, notify)
            }
            _ => Err(RelayFault::Malformed("a recipient that is none")),
        }
    }

    pub(super) async fn party_leg<'a>(
        &self,
        incoming: &Incoming<'a>,
        conversation: &'a Conversation,
        side: Side,
        notify: Notify,
    ) -> Result<Leg<'a>, RelayFault> {
        let writer = side.other();
        let mut registered = self.known_addresses(&conversation.merchant).await?.into_iter();
        let primary = registered.next().ok_or(RelayFault::Malformed("merchant_address"))?;
        let mut secrets = vec![
            (conversation.customer.again(), conversation.customer_alias.clone()),
            (primary.again(), conversation.merchant_alias.clone()),
        ];
        secrets.extend(registered.map(|address| (address, conversation.merchant_alias.clone())));
        for former in &conversation.former {
            secrets.push((former.again(), conversation.customer_alias.clone()));
        }
        self.add_other_addresses(incoming, conversation, side, &mut secrets).await?;
        let (name, fallback_name) = self.name(incoming, conversation, writer, &secrets);
        let (direction, forward_path, bounces_to) = match side {
            Side::Customer => {
                let sender = incoming
                    .login
                    .zip(incoming.sender)
                    .filter(|(login, sender)| login.is_registered(sender))
                    .map_or_else(|| primary.reveal(), |(_, sender)| sender.reveal());
                ("to_customer", conversation.customer.again(), sender)
            }
            Side::Merchant => ("to_merchant", primary, conversation.customer.reveal()),
        };
        // Who is not proven may have lied about the address, which would get what we send: of success and delay it is not
        // told, and of failure without a word that the liar chose.
        let may_lie = side == Side::Merchant && !incoming.proof.holds();
        let notify = if may_lie { Notify { success: false, delay: false, ..notify } } else { notify };
        Ok(Leg {
            doubt: None,
            automatic: false,
            quotes: !may_lie,
            conversation: Some(conversation),
            merchant: &conversation.merchant,
            key: &conversation.key,
            direction,
            writer: Some(writer),
            from: conversation.alias(writer).clone(),
            to: conversation.alias(side).clone(),
            name,
            fallback_name,
            shown_to: vec![conversation.alias(side).clone()],
            forward_path,
            secrets,
            notify,
            original: None,
            bounces_to: Some(bounces_to),
        })
    }

    /// Further addresses of a customer that must not pass: those that this mail came from, where they are not the
    /// party's own, and a guest's first one.
    async fn add_other_addresses(
        &self,
        incoming: &Incoming<'_>,
        conversation: &Conversation,
        side: Side,
        secrets: &mut Vec<(RealAddress, Alias)>,
    ) -> Result<(), RelayFault> {
        let mut others = Vec::new();
        if let Some(order) = conversation.parent
            && let Some(order) = self.conversation_by_id(order).await?
        {
            others.push(order.customer);
            others.extend(order.former);
        }
        if side == Side::Merchant {
            others.extend(crate::anonymize::header_from(&incoming.bytes).unwrap_or_default());
            others.extend(incoming.sender.map(RealAddress::again));
        }
        for other in others {
            if !secrets.iter().any(|(known, _)| known.same_mailbox(&other)) {
                secrets.push((other, conversation.customer_alias.clone()));
            }
        }
        Ok(())
    }

    /// How the name of a party is shown, and what stands in for it.
    fn name<'a>(
        &self,
        incoming: &Incoming<'a>,
        conversation: &'a Conversation,
        writer: Side,
        secrets: &[(RealAddress, Alias)],
    ) -> (NameRule, &'a str) {
        let names = self.policy().names;
        let registered = conversation.merchant.name.as_str();
        // What the store's people chose in the menu comes before what a program writes, not before what the operator rules.
        let chosen = || speaking(incoming).map(|own| own.label.name.as_str()).filter(|name| !name.is_empty());
        match writer {
            Side::Merchant => match names.merchant {
                // It was looked at when it was chosen; what must not be seen is another thing in each conversation.
                MerchantName::AsWritten if let Some(chosen) = chosen() => {
                    let passes = may_be_shown(chosen, secrets.iter().map(|(address, _)| address));
                    (NameRule::Given, if passes { chosen } else { registered })
                }
                MerchantName::AsWritten => (NameRule::AsWritten, registered),
                MerchantName::Registered => (NameRule::Given, registered),
                MerchantName::Role => (NameRule::Given, MERCHANT_ROLE),
            },
            Side::Customer => match names.customer {
                CustomerName::AsWritten => (NameRule::AsWritten, CUSTOMER_ROLE),
                CustomerName::Role => (NameRule::Given, CUSTOMER_ROLE),
            },
        }
    }

    /// The store's own copy: nothing of the customer is in it but what the store wrote itself. So nothing is sought in it:
    /// if the customer's address were, a store that writes a guess would see in its copy whether it was right.
    fn copy_leg<'a>(
        &self,
        incoming: &Incoming<'a>,
        login: &'a Login,
        address: &RealAddress,
        notify: Notify,
    ) -> Result<Leg<'a>, RelayFault> {
        let mut shown_to = Vec::new();
        for (recipient, _) in &incoming.recipients {
            if let Recipient::Party { conversation, side: Side::Customer } = recipient {
                shown_to.push(conversation.customer_alias.clone());
            }
        }
        if shown_to.is_empty() {
            shown_to.push(login.public_alias.clone());
        }
        Ok(Leg {
            doubt: None,
            automatic: false,
            quotes: true,
            conversation: None,
            merchant: &login.merchant,
            key: &login.merchant.key,
            direction: "copy",
            writer: None,
            from: login.public_alias.clone(),
            to: login.public_alias.clone(),
            name: NameRule::AsWritten,
            fallback_name: &login.merchant.name,
            shown_to,
            forward_path: address.again(),
            secrets: Vec::new(),
            notify,
            original: None,
            bounces_to: None,
        })
    }
}
