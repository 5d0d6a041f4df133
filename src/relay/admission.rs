//! Whether a mail at port 25 is taken, held, admitted as a guest's or refused, by what is proven of its sender.
//!
//! | sender | in From is the party's address | another address | to a public alias |
//! |---|---|---|---|
//! | proven | taken | `senders.other_address`; the store itself: no such address | taken |
//! | unproven, its domain wants it refused | refused | refused | refused |
//! | unproven | `senders.unproven` | `senders.unproven` | `senders.unproven` |
//! | not to be known now | deferred | deferred | deferred |
//!
//! Rules: who wrote is decided before anybody looks whether it is the party, and what is not proven gets one reply,
//! right guess or wrong. So nobody can have a guess of a customer's address confirmed: neither at RCPT, which asks for no
//! address, nor at the end of data.
//! When it fails: [`Refusal`].

use super::accept::Incoming;
use super::orders::Lasts;
use super::{Conversation, Recipient, Refusal, Relay, RelayFault};
use crate::config::{OtherAddress, Unproven};
use crate::mail::{RealAddress, Timestamp};
use crate::senders::{Verdict, Wish};
use crate::vault::Side;

/// Addresses beside the order's that are admitted to one order. Nobody reads his mail in more places.
pub(super) const GUESTS_MAX: i64 = 5;

/// What a mail is held for that its sender gives reason to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing proves the sender.
    Unproven,
    /// It is proven to come from another address than the party's.
    OtherAddress,
}

/// Who is asked about a mail that is held, beside the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The party whose address the mail names, or to whose alias it was written.
    Party,
    Nobody,
}

/// What a mail's sender is to the conversation it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The party.
    Party,
    /// The store, from its own mailbox.
    Store,
    Other,
    /// Whoever writes to a public alias.
    Anybody,
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Take,
    Hold(Doubt),
    Guest,
    Refuse(Refusal),
}

/// How a recipient's message goes on.
#[derive(Default)]
pub(super) struct Admitted {
    /// The conversation it is written in, where it is not the recipient's: an inquiry's, a guest's.
    pub conversation: Option<Conversation>,
    pub doubt: Option<(Doubt, Ask)>,
}

fn judge(verdict: Verdict, standing: Standing, unproven: Unproven, other: OtherAddress) -> Judgement {
    match (verdict, standing) {
        (Verdict::Unknown, _) => Judgement::Refuse(Refusal::SenderUnknown),
        (Verdict::Unproven(Wish::Reject), _) => Judgement::Refuse(Refusal::SenderForged),
        (Verdict::Unproven(_), _) => match unproven {
            Unproven::Hold => Judgement::Hold(Doubt::Unproven),
            Unproven::Refuse => Judgement::Refuse(Refusal::SenderUnproven),
        },
        (Verdict::Proven(_), Standing::Party | Standing::Anybody) => Judgement::Take,
        (Verdict::Proven(_), Standing::Store) => Judgement::Refuse(Refusal::UnknownAlias),
        (Verdict::Proven(_), Standing::Other) => match other {
            OtherAddress::Refuse => Judgement::Refuse(Refusal::OtherSender),
            OtherAddress::Hold => Judgement::Hold(Doubt::OtherAddress),
            OtherAddress::Admit => Judgement::Guest,
        },
    }
}

impl Relay {
    /// Whether a mail by this author goes to this recipient, and how.
    pub(super) async fn admit(
        &self,
        incoming: &Incoming<'_>,
        recipient: &Recipient,
        author: &RealAddress,
        now: Timestamp,
    ) -> Result<Admitted, Refusal> {
        let verdict = self.prove(incoming, author).await;
        let policy = self.policy().senders;
        match recipient {
            Recipient::Inquiry(merchant) => {
                match judge(verdict, Standing::Anybody, policy.unproven, policy.other_address) {
                    Judgement::Refuse(refusal) => Err(refusal),
                    // What will be refused opens nothing.
                    Judgement::Hold(_) if !self.may_hold_inquiry(merchant.id).await? => {
                        Err(Refusal::SenderUnproven)
                    }
                    Judgement::Hold(doubt) => Ok(Admitted {
                        conversation: Some(self.open_inquiry(merchant, author, Lasts::AsItWas, now).await?),
                        // Whoever is named in From may never have heard of us.
                        doubt: Some((doubt, Ask::Nobody)),
                    }),
                    Judgement::Take | Judgement::Guest => Ok(Admitted {
                        conversation: Some(self.open_inquiry(merchant, author, Lasts::Longer, now).await?),
                        doubt: None,
                    }),
                }
            }
            Recipient::Party { conversation, side: Side::Merchant } => {
                let (standing, known) = self.standing(conversation, author).await?;
                match judge(verdict, standing, policy.unproven, policy.other_address) {
                    Judgement::Refuse(refusal) => Err(refusal),
                    Judgement::Take => {
                        // Only now: at RCPT the reply would tell anybody that the alias lives.
                        self.check_mailbox(conversation, Side::Merchant).await?;
                        Ok(Admitted { conversation: known, doubt: None })
                    }
                    Judgement::Guest => {
                        let guest = self.open_guest(conversation, author, now).await?;
                        Ok(Admitted { conversation: Some(guest), doubt: None })
                    }
                    // A mail that only pretends, and badly, is no question to anybody.
                    Judgement::Hold(Doubt::Unproven) if standing != Standing::Party => {
                        Ok(Admitted { conversation: None, doubt: Some((Doubt::Unproven, Ask::Nobody)) })
                    }
                    Judgement::Hold(doubt) => {
                        Ok(Admitted { conversation: known, doubt: Some((doubt, Ask::Party)) })
                    }
                }
            }
            _ => Ok(Admitted::default()),
        }
    }

    /// What an author is to a conversation, and the conversation of the same order in which he is the party, where it is
    /// another.
    async fn standing(
        &self,
        conversation: &Conversation,
        author: &RealAddress,
    ) -> Result<(Standing, Option<Conversation>), RelayFault> {
        if conversation.customer.same_mailbox(author) {
            return Ok((Standing::Party, None));
        }
        if self.registered(&conversation.merchant).await?.iter().any(|own| own.same_mailbox(author)) {
            return Ok((Standing::Store, None));
        }
        if let Some(order) = conversation.parent {
            let order = self.conversation_by_id(order).await?;
            if let Some(order) = order.filter(|order| order.customer.same_mailbox(author)) {
                return Ok((Standing::Party, Some(order)));
            }
        }
        match self.find_guest(conversation, author).await? {
            Some(guest) => Ok((Standing::Party, Some(guest))),
            None => Ok((Standing::Other, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::senders::By;

    #[test]
    fn what_is_not_proven_gets_one_reply_whoever_it_says_it_is() {
        let everybody = [Standing::Party, Standing::Store, Standing::Other, Standing::Anybody];
        for other in [OtherAddress::Refuse, OtherAddress::Hold, OtherAddress::Admit] {
            for unproven in [Unproven::Hold, Unproven::Refuse] {
                for verdict in [
                    Verdict::Unknown,
                    Verdict::Unproven(Wish::Unpublished),
                    Verdict::Unproven(Wish::None),
                    Verdict::Unproven(Wish::Quarantine),
                    Verdict::Unproven(Wish::Reject),
                ] {
                    let of = |standing| judge(verdict, standing, unproven, other);
                    assert!(
                        everybody.iter().all(|standing| of(*standing) == of(Standing::Party)),
                        "{verdict:?}"
                    );
                    assert_ne!(of(Standing::Party), Judgement::Take, "{verdict:?}");
                }
            }
        }
    }

    #[test]
    fn what_becomes_of_a_mail_follows_from_who_wrote_it() {
        let proven = Verdict::Proven(By::Spf);
        let (hold, refuse) = (Unproven::Hold, Unproven::Refuse);
        let nothing = Verdict::Unproven(Wish::Unpublished);
        for (verdict, standing, unproven, other, becomes) in [
            (proven, Standing::Party, hold, OtherAddress::Refuse, Judgement::Take),
            (proven, Standing::Anybody, refuse, OtherAddress::Refuse, Judgement::Take),
            (proven, Standing::Store, hold, OtherAddress::Admit, Judgement::Refuse(Refusal::UnknownAlias)),
            (proven, Standing::Other, hold, OtherAddress::Refuse, Judgement::Refuse(Refusal::OtherSender)),
            (proven, Standing::Other, hold, OtherAddress::Hold, Judgement::Hold(Doubt::OtherAddress)),
            (proven, Standing::Other, hold, OtherAddress::Admit, Judgement::Guest),
            (nothing, Standing::Party, hold, OtherAddress::Refuse, Judgement::Hold(Doubt::Unproven)),
            (
                nothing,
                Standing::Party,
                refuse,
                OtherAddress::Admit,
                Judgement::Refuse(Refusal::SenderUnproven),
            ),
            (
                Verdict::Unproven(Wish::Quarantine),
                Standing::Party,
                hold,
                OtherAddress::Refuse,
                Judgement::Hold(Doubt::Unproven),
            ),
            (
                Verdict::Unproven(Wish::Reject),
                Standing::Party,
                hold,
                OtherAddress::Refuse,
                Judgement::Refuse(Refusal::SenderForged),
            ),
            (
                Verdict::Unknown,
                Standing::Party,
                hold,
                OtherAddress::Refuse,
                Judgement::Refuse(Refusal::SenderUnknown),
            ),
        ] {
            assert_eq!(judge(verdict, standing, unproven, other), becomes, "{verdict:?} {standing:?}");
        }
    }
}
