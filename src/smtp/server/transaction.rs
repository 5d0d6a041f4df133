//! One mail transaction: from an accepted MAIL to the end of its message (RFC 5321 §3.3).
//!
//! Rules: it is a value, held by the state, and every way out takes it. A refused RCPT leaves it as it was.

use super::event::{Envelope, Event, Hello, MailCommand, RcptCommand};
use super::replies::Says;
use super::state::{Idle, Question, State, Turn};
use super::wire::Wire;
use crate::smtp::dot::{Damage, DataFault, DotProgress, DotReader};
use crate::smtp::params::{Body, MailParams, ParamFault, RcptParams};
use crate::smtp::path::{parse_forward, parse_reverse};

/// A sender was accepted, and perhaps recipients.
pub(super) struct Transaction<T, S> {
    pub(super) hello: Hello,
    pub(super) sender: S,
    pub(super) params: MailParams,
    pub(super) recipients: Vec<T>,
    /// Whether RCPT was tried at all, with whatever result.
    pub(super) has_tried: bool,
}

/// The message is being read.
pub(super) struct Receiving<T, S> {
    pub(super) hello: Hello,
    envelope: Envelope<T, S>,
    pub(super) reader: DotReader,
}

impl Idle {
    /// MAIL.
    pub(super) fn mail<T, S>(self, argument: &str, wire: &mut Wire) -> Turn<T, S> {
        match read_mail(argument, &self.hello, wire) {
            Ok((command, params)) => {
                State::Asking(Question::Mail { idle: self, params }).and_ask(Event::Mail(command))
            }
            Err(says) => {
                wire.refuse(says);
                State::Idle(self).stay()
            }
        }
    }
}

fn read_mail(argument: &str, hello: &Hello, wire: &Wire) -> Result<(MailCommand, MailParams), Says> {
    let (reverse_path, params) = parse_reverse(argument).map_err(|_| Says::BadSender)?;
    no_params_after_helo(hello, params)?;
    let params = MailParams::parse(params).map_err(param_fault)?;
    if !argument.is_ascii() && !params.smtputf8 {
        return Err(Says::NeedsSmtpUtf8);
    }
    // It is offered inside TLS only (RFC 8689 §4.1).
    if params.require_tls && !wire.is_tls {
        return Err(Says::UnknownParameter);
    }
    if params.size.is_some_and(|size| size > wire.config.limits.max_message) {
        return Err(Says::TooLarge);
    }
    let command = MailCommand { reverse_path, size: params.size, smtputf8: params.smtputf8 };
    Ok((command, params))
}

fn read_rcpt(argument: &str, hello: &Hello, mail: &MailParams) -> Result<RcptCommand, Says> {
    let (forward_path, params) = parse_forward(argument).map_err(|_| Says::BadRecipient)?;
    no_params_after_helo(hello, params)?;
    let params = RcptParams::parse(params).map_err(param_fault)?;
    if !argument.is_ascii() && !mail.smtputf8 {
        return Err(Says::NeedsSmtpUtf8);
    }
    Ok(RcptCommand { forward_path, params })
}

/// Parameters belong to extensions, which HELO was not offered (RFC 5321 §4.1.1.11).
fn no_params_after_helo(hello: &Hello, params: &str) -> Result<(), Says> {
    if hello.is_extended || params.trim_start_matches(' ').is_empty() {
        Ok(())
    } else {
        Err(Says::UnknownParameter)
    }
}

fn param_fault(fault: ParamFault) -> Says {
    match fault {
        ParamFault::Syntax => Says::BadParameter,
        ParamFault::Unknown => Says::UnknownParameter,
        ParamFault::Value => Says::BadValue,
        ParamFault::Duplicate => Says::DuplicateParameter,
    }
}

impl<T, S> Transaction<T, S> {
    /// The state after this transaction, which is gone.
    pub(super) fn abandon(self) -> Idle {
        Idle { hello: self.hello }
    }

    /// RCPT.
    pub(super) fn rcpt(mut self, argument: &str, wire: &mut Wire) -> Turn<T, S> {
        self.has_tried = true;
        match read_rcpt(argument, &self.hello, &self.params) {
            // Not an error: a client with more recipients sends the rest in the next transaction
            // (RFC 5321 §4.5.3.1.10).
            Ok(_) if self.recipients.len() >= wire.config.limits.max_recipients => {
                wire.say(Says::TooManyRecipients);
                State::Transaction(self).stay()
            }
            Ok(command) => State::Asking(Question::Rcpt(self)).and_ask(Event::Rcpt(command)),
            Err(says) => {
                wire.refuse(says);
                State::Transaction(self).stay()
            }
        }
    }

    /// DATA.
    pub(super) fn data(self, wire: &mut Wire) -> Turn<T, S> {
        if self.recipients.is_empty() {
            wire.refuse(if self.has_tried { Says::NoValidRecipients } else { Says::RcptFirst });
            return State::Transaction(self).stay();
        }
        if self.params.body == Body::BinaryMime {
            wire.refuse(Says::BinaryNeedsChunks);
            return State::Transaction(self).stay();
        }
        wire.reply_and_wait(Says::GoOn.reply(&wire.config));
        State::Receiving(Receiving {
            hello: self.hello,
            envelope: Envelope { sender: self.sender, recipients: self.recipients, params: self.params },
            reader: DotReader::new(wire.config.limits.max_message),
        })
        .stay()
    }
}

impl<T, S> Receiving<T, S> {
    /// Reads on in the message, to its end if it has come.
    pub(super) fn read(mut self, wire: &mut Wire) -> Turn<T, S> {
        let used = match self.reader.read(wire.rest()) {
            DotProgress::More => {
                wire.consume(usize::MAX);
                return State::Receiving(self).stay();
            }
            DotProgress::Flood => {
                wire.refuse_and_hang_up(Says::TooLarge);
                return State::Closed.stay();
            }
            DotProgress::End(used) => used,
        };
        wire.consume(used);
        wire.tally.message();
        let idle = Idle { hello: self.hello };
        let says = match self.reader.finish() {
            Ok(bytes) => {
                let message = Event::Message { envelope: self.envelope, bytes };
                return State::Asking(Question::Message(idle)).and_ask(message);
            }
            Err(DataFault::Discarded) => {
                wire.say(Says::NoMemory);
                return State::Idle(idle).stay();
            }
            Err(fault) => data_fault(fault),
        };
        wire.refuse(says);
        State::Idle(idle).stay()
    }
}

/// The reply to a message that was read and is not kept.
pub(super) fn data_fault(fault: DataFault) -> Says {
    match fault {
        DataFault::Damaged(Damage::BareCr) => Says::BareCr,
        DataFault::Damaged(Damage::BareLf) => Says::BareLf,
        DataFault::Damaged(Damage::Nul) => Says::Nul,
        DataFault::TooLarge => Says::TooLarge,
        DataFault::Discarded => Says::NoMemory,
    }
}
