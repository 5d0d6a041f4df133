//! MAIL and RCPT of a session: who sends, and to whom, as the relay, the limits and the block lists judge it.
//!
//! When it fails: the reply that the refusal or the limit has.

use super::{Admitted, Connection, REFUSALS_RECORDED};
use crate::ingress::memory::Class;
use crate::ingress::words::recipient;
use crate::mail::RealAddress;
use crate::relay::{COPIES_MAX, Recipient, Refusal, Wishes};
use crate::smtp::server::{MailCommand, RcptCommand};
use crate::smtp::{ForwardPath, Reply};

impl Connection {
    /// Answers MAIL.
    pub(super) async fn mail(&mut self, command: MailCommand) {
        self.note_hello();
        self.smtputf8 = command.smtputf8;
        let stands = self.still_stands().await;
        let relay = &self.shared.relay;
        let verdict = match (&self.login, &command.reverse_path) {
            _ if relay.is_halted() => Err(Refusal::Halted),
            _ if stands.is_err() => stands,
            (Some(login), sender) => relay.submission_sender(login, sender.as_ref()).await,
            (None, Some(sender)) if relay.is_own_domain(sender) => Err(Refusal::OwnDomain),
            (None, _) => Ok(()),
        };
        if verdict.is_ok()
            && let Err(limited) = self.guard.mail(self.login.as_ref(), command.reverse_path.as_ref()).await
        {
            let reply = self.limited(&limited).await;
            return self.session.answer_mail(Err(reply));
        }
        match verdict {
            Ok(()) => {
                self.share.is_for(if self.login.is_some() { Class::Known } else { Class::Stranger });
                self.sender = command.reverse_path.as_ref().map(RealAddress::again);
                (self.declared, self.admitted) = (command.size, 0);
                self.session.answer_mail(Ok(command.reverse_path));
            }
            Err(refusal) => {
                self.note(&refusal, "mail");
                self.session.answer_mail(Err(self.told(&refusal)));
            }
        }
    }

    /// Answers RCPT.
    pub(super) async fn rcpt(&mut self, command: RcptCommand) {
        let relay = &self.shared.relay;
        let verdict = match &command.forward_path {
            ForwardPath::Mailbox(to) => {
                recipient(&self.shared, self.login.as_ref(), self.sender.as_ref(), &self.peer, to).await
            }
            ForwardPath::Postmaster => relay.postmaster().ok_or(Refusal::UnknownAlias),
        };
        match verdict {
            // Mail to the operator is wrapped, and that to others rewritten: each has a transaction of its own.
            Ok(ref recipient)
                if self.admitted > 0 && matches!(recipient, Recipient::Operator) != self.is_for_operator =>
            {
                let text = "Send to the postmaster in a message of its own";
                self.session.answer_rcpt(Err(Reply::new(452, 5, 3, text)));
            }
            // The client sends to the rest in its next transaction (RFC 5321 §4.5.3.1.10).
            Ok(_) if self.admitted > 0 && self.would_be() > COPIES_MAX => {
                let text =
                    "The message is too large for more recipients at once: send to the rest separately";
                let reply = self.shared.with_help(Reply::new(452, 5, 3, text), "too-large");
                self.session.answer_rcpt(Err(reply));
            }
            Ok(recipient) => {
                if let Some(refusal) = self.stopped(&recipient).await {
                    let reply = self.told(&refusal);
                    return self.session.answer_rcpt(Err(reply));
                }
                if let Err(limited) = self.guard.recipient(self.login.as_ref(), &recipient).await {
                    let reply = self.limited(&limited).await;
                    return self.session.answer_rcpt(Err(reply));
                }
                if let Recipient::Party { .. } = recipient {
                    self.share.is_for(Class::Known);
                }
                self.is_for_operator = matches!(recipient, Recipient::Operator);
                self.admitted += 1;
                let wishes = Wishes::from(&command.params);
                self.session.answer_rcpt(Ok(Admitted { recipient, wishes }));
            }
            Err(refusal) => {
                self.note(&refusal, "rcpt");
                self.refusals += 1;
                if let (true, ForwardPath::Mailbox(to)) =
                    (self.refusals <= REFUSALS_RECORDED && self.guard.may_record(), &command.forward_path)
                {
                    let login = self.login.as_ref();
                    relay
                        .record_refused_recipient(login, self.sender.as_ref(), to, &refusal, &self.peer)
                        .await;
                }
                let limited = match refusal {
                    Refusal::UnknownAlias => self.guard.unknown_recipient().await.err(),
                    _ => None,
                };
                let reply = match limited {
                    Some(limited) => self.limited(&limited).await,
                    None => self.told(&refusal),
                };
                self.session.answer_rcpt(Err(reply));
            }
        }
    }

    /// Octets of all messages, with one recipient more, by what MAIL declared.
    fn would_be(&self) -> u64 {
        self.declared.unwrap_or(0).saturating_mul(self.admitted.saturating_add(1))
    }
}
