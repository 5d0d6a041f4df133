//! The states of a session and the commands that lead from one to another (RFC 5321 §4.1.4).
//!
//! ```text
//! Fresh ──EHLO──▶ Idle ──MAIL──▶ Transaction ──DATA──▶ Receiving ──.──▶ Idle
//!                  │ ▲              │  ▲ RCPT └──BDAT──▶ Chunk ──LAST──▶ Idle
//!                  │ │              │  │                  │ ▲
//!                  │ │              │  │        Gathering ▼ │ BDAT       Spoilt where a chunk was refused
//!                AUTH │    RSET, EHLO │
//!                  ▼ │              ▼
//!            Authenticating        Idle          STARTTLS from Idle or Transaction leads back to Fresh
//! ```
//!
//! Rules: a transition consumes the state, so what it does not carry over is gone. `Asking` stands wherever the
//! driver must decide, and holds what the session goes on with. Order is judged before syntax, and what must be
//! encrypted before order.

use super::chunk::{Gathering, Reading, Spoilt};
use super::event::{Event, Hello, ScramName};
use super::replies::{self, Says};
use super::transaction::{Receiving, Transaction};
use super::wire::Wire;
use crate::smtp::auth::{AuthFault, Exchange, Step};
use crate::smtp::command::{Command, CommandFault};
use crate::smtp::line::{LineFault, MAX_AUTH_LINE, MAX_COMMAND_LINE};
use crate::smtp::reply::Reply;
use crate::smtp::scram::ClientFirst;

/// Where a session stands.
pub(super) enum State<T, S> {
    /// Nobody has said EHLO, or TLS has just begun.
    Fresh,
    Idle(Idle),
    Authenticating(Authenticating),
    Transaction(Transaction<T, S>),
    Receiving(Receiving<T, S>),
    /// A chunk is being read.
    Chunk(Reading<T, S>),
    Gathering(Gathering<T, S>),
    Spoilt(Spoilt),
    Asking(Question<T, S>),
    Closed,
}

/// The client has introduced itself, and no transaction is open.
pub(super) struct Idle {
    pub(super) hello: Hello,
}

/// The client owes a line of the AUTH exchange.
pub(super) struct Authenticating {
    pub(super) idle: Idle,
    exchange: Exchange,
}

/// What the driver was asked, with what the session goes on with after the answer.
pub(super) enum Question<T, S> {
    Tls(Idle),
    /// With what the client is told next where it has proved its password without sending it.
    Auth {
        idle: Idle,
        proven: Option<Exchange>,
    },
    Scram {
        idle: Idle,
        first: ClientFirst,
    },
    Mail {
        idle: Idle,
        params: crate::smtp::params::MailParams,
    },
    Rcpt(Transaction<T, S>),
    Message(Idle),
}

/// The next state and what the driver must know.
pub(super) type Turn<T, S> = (State<T, S>, Option<Event<T, S>>);

impl<T, S> State<T, S> {
    /// This state, and nothing for the driver.
    pub(super) fn stay(self) -> Turn<T, S> {
        (self, None)
    }

    /// This state, and an event.
    pub(super) fn and_ask(self, event: Event<T, S>) -> Turn<T, S> {
        (self, Some(event))
    }

    /// How the client introduced itself.
    pub(super) fn hello(&self) -> Option<&Hello> {
        match self {
            State::Fresh | State::Closed => None,
            State::Idle(idle) => Some(&idle.hello),
            State::Authenticating(authenticating) => Some(&authenticating.idle.hello),
            State::Transaction(transaction) => Some(&transaction.hello),
            State::Receiving(receiving) => Some(&receiving.hello),
            State::Chunk(reading) => reading.hello(),
            State::Gathering(gathering) => Some(&gathering.hello),
            State::Spoilt(spoilt) => Some(&spoilt.hello),
            State::Asking(question) => Some(match question {
                Question::Tls(idle) | Question::Message(idle) => &idle.hello,
                Question::Mail { idle, .. } | Question::Scram { idle, .. } | Question::Auth { idle, .. } => {
                    &idle.hello
                }
                Question::Rcpt(transaction) => &transaction.hello,
            }),
        }
    }

    /// Longest line that may come next, in octets with its CRLF.
    pub(super) fn line_limit(&self) -> usize {
        if matches!(self, State::Authenticating(_)) { MAX_AUTH_LINE } else { MAX_COMMAND_LINE }
    }

    /// Takes the line that came.
    pub(super) fn line(self, line: Result<&str, LineFault>, wire: &mut Wire) -> Turn<T, S> {
        match (self, line) {
            (State::Authenticating(state), Ok(line)) => state.idle.auth(state.exchange.proceed(line), wire),
            (State::Authenticating(state), Err(fault)) => {
                wire.refuse(if fault == LineFault::TooLong {
                    Says::AuthLineTooLong
                } else {
                    Says::AuthMalformed
                });
                State::Idle(state.idle).stay()
            }
            (state, Ok(line)) => match Command::parse(line) {
                Ok(command) => state.command(command, wire),
                Err(fault) => state.refuse_command(fault, wire),
            },
            (state, Err(fault)) => {
                match fault {
                    LineFault::TooLong if wire.tally.long_line() => {
                        wire.refuse_and_hang_up(Says::LineTooLong)
                    }
                    LineFault::TooLong => wire.refuse(Says::LineTooLong),
                    LineFault::BareCr | LineFault::BareLf => wire.refuse(Says::BareLineEnd),
                    LineFault::Nul => wire.refuse(Says::Control),
                    LineFault::NotUtf8 => wire.refuse(Says::NotUtf8),
                }
                state.stay()
            }
        }
    }

    fn command(self, command: Command<'_>, wire: &mut Wire) -> Turn<T, S> {
        let is_free = matches!(
            command,
            Command::Ehlo(_)
                | Command::Helo(_)
                | Command::Noop
                | Command::Quit
                | Command::StartTls
                | Command::Auth(_)
        );
        if wire.config.service.is_submission() && !wire.is_tls && !is_free {
            if let Command::Bdat(chunk) = command {
                return self.refuse_chunk(chunk, Says::TlsFirst, wire);
            }
            wire.refuse(Says::TlsFirst);
            return self.stay();
        }
        match command {
            Command::Ehlo(name) => hello(name, true, wire),
            Command::Helo(name) => hello(name, false, wire),
            Command::Mail(argument) => self.mail(argument, wire),
            Command::Rcpt(argument) => match self {
                State::Transaction(transaction) => transaction.rcpt(argument, wire),
                other => other.out_of_order(wire),
            },
            Command::Data => match self {
                State::Transaction(transaction) => transaction.data(wire),
                other => other.out_of_order(wire),
            },
            Command::Bdat(chunk) => match self {
                State::Transaction(transaction) => transaction.bdat(chunk, wire),
                State::Gathering(gathering) => gathering.bdat(chunk, wire),
                State::Spoilt(spoilt) => spoilt.bdat(chunk, wire),
                State::Fresh => self.refuse_chunk(chunk, Says::HelloFirst, wire),
                other => other.refuse_chunk(chunk, Says::MailFirst, wire),
            },
            Command::Rset => {
                wire.junk(Says::Done);
                self.abandon().stay()
            }
            Command::Noop => self.chat(Says::Done, wire),
            Command::Vrfy => self.chat(Says::NoVrfy, wire),
            Command::Help => self.chat(Says::Help, wire),
            Command::Quit => {
                wire.say(Says::Bye);
                State::Closed.stay()
            }
            Command::StartTls => self.start_tls(wire),
            Command::Auth(argument) => self.start_auth(argument, wire),
        }
    }

    /// A command that changes nothing.
    fn chat(self, says: Says, wire: &mut Wire) -> Turn<T, S> {
        wire.junk(says);
        self.stay()
    }

    /// RCPT or DATA where no transaction is open for it.
    fn out_of_order(self, wire: &mut Wire) -> Turn<T, S> {
        wire.refuse(match self {
            State::Fresh => Says::HelloFirst,
            State::Gathering(_) => Says::DataAfterChunk,
            State::Spoilt(_) => Says::ResetFirst,
            _ => Says::MailFirst,
        });
        self.stay()
    }

    /// The state behind RSET; unchanged where no transaction is open.
    fn abandon(self) -> Self {
        State::Idle(match self {
            State::Transaction(transaction) => transaction.abandon(),
            State::Gathering(gathering) => gathering.abandon(),
            State::Spoilt(spoilt) => spoilt.abandon(),
            other => return other,
        })
    }

    fn mail(self, argument: &str, wire: &mut Wire) -> Turn<T, S> {
        let says = match self {
            State::Idle(idle) if !wire.config.service.is_submission() || wire.is_authenticated => {
                return idle.mail(argument, wire);
            }
            State::Idle(_) => Says::AuthFirst,
            State::Transaction(_) => Says::NestedMail,
            State::Gathering(_) => Says::DataAfterChunk,
            State::Spoilt(_) => Says::ResetFirst,
            _ => Says::HelloFirst,
        };
        wire.refuse(says);
        self.stay()
    }

    fn start_tls(self, wire: &mut Wire) -> Turn<T, S> {
        let says = if wire.is_tls {
            Says::TlsAlready
        } else if wire.config.starttls_available {
            Says::HelloFirst
        } else {
            Says::NoStartTls
        };
        let may = !wire.is_tls && wire.config.starttls_available;
        let idle = match if may { self.abandon() } else { self } {
            State::Idle(idle) if may => idle,
            other => {
                wire.refuse(says);
                return other.stay();
            }
        };
        wire.reply_and_wait(Says::StartTls.reply(&wire.config));
        // Octets that came with the command were sent in clear: the session ends instead (RFC 3207 §4.2, §6).
        wire.check_step();
        if wire.is_hung_up() {
            return State::Closed.stay();
        }
        State::Asking(Question::Tls(idle)).and_ask(Event::StartTls)
    }

    fn start_auth(self, argument: &str, wire: &mut Wire) -> Turn<T, S> {
        let says = if !wire.config.service.is_submission() {
            Says::NoAuth
        } else if !wire.is_tls {
            Says::AuthNeedsTls
        } else if wire.is_authenticated {
            Says::AuthAlready
        } else {
            match self {
                State::Idle(idle) => return idle.auth(Exchange::start(argument, wire.channel), wire),
                State::Transaction(_) | State::Gathering(_) | State::Spoilt(_) => Says::InTransaction,
                _ => Says::HelloFirst,
            }
        };
        wire.refuse(says);
        self.stay()
    }

    fn refuse_command(self, fault: CommandFault, wire: &mut Wire) -> Turn<T, S> {
        match fault {
            CommandFault::NotSmtp => wire.say(Says::NotSmtp),
            // The octets that follow cannot be counted off, so they would be read as commands.
            CommandFault::Chunk => wire.refuse_and_hang_up(Says::BadChunk),
            CommandFault::Unknown => wire.refuse(Says::Unknown),
            CommandFault::NotOffered => wire.refuse(Says::NotOffered),
            CommandFault::Control => wire.refuse(Says::Control),
            CommandFault::NeedlessArgument => wire.refuse(Says::NeedlessArgument),
            CommandFault::MissingArgument => wire.refuse(Says::MissingArgument),
            CommandFault::NoFrom => wire.refuse(Says::NoFrom),
            CommandFault::NoTo => wire.refuse(Says::NoTo),
        }
        self.stay()
    }
}

/// EHLO or HELO, which end any transaction (RFC 5321 §4.1.4).
fn hello<T, S>(name: &str, is_extended: bool, wire: &mut Wire) -> Turn<T, S> {
    wire.tally.junk(&wire.config.limits);
    let reply = if is_extended {
        replies::ehlo(&wire.config, wire.is_tls, wire.channel)
    } else {
        replies::helo(&wire.config)
    };
    wire.reply_and_wait(reply);
    wire.set_lockstep(!is_extended);
    State::Idle(Idle { hello: Hello { name: name.to_owned(), is_extended } }).stay()
}

impl Idle {
    /// Goes on with an AUTH exchange.
    pub(super) fn auth<T, S>(self, step: Result<Step, AuthFault>, wire: &mut Wire) -> Turn<T, S> {
        let says = match step {
            Ok(Step::Ask(exchange)) => {
                wire.reply(Reply::bare(334, exchange.challenge()));
                return State::Authenticating(Authenticating { idle: self, exchange }).stay();
            }
            Ok(Step::LookUp(first)) => {
                let name = ScramName(first.name().to_owned());
                return State::Asking(Question::Scram { idle: self, first }).and_ask(Event::Scram(name));
            }
            Ok(Step::Done(credentials)) => {
                let question = Question::Auth { idle: self, proven: None };
                return State::Asking(question).and_ask(Event::Auth(credentials));
            }
            Ok(Step::Proven(credentials, exchange)) => {
                let question = Question::Auth { idle: self, proven: Some(exchange) };
                return State::Asking(question).and_ask(Event::Auth(credentials));
            }
            Ok(Step::Taken) => {
                wire.is_authenticated = true;
                wire.say(Says::Authenticated);
                return State::Idle(self).and_ask(Event::LoggedIn);
            }
            Err(AuthFault::Mechanism) => Says::AuthMechanism,
            Err(AuthFault::Cancelled) => Says::AuthCancelled,
            Err(AuthFault::Base64) => Says::AuthBase64,
            Err(AuthFault::Malformed) => Says::AuthMalformed,
            Err(AuthFault::OtherIdentity) => {
                wire.tally.auth_failure();
                Says::AuthFailed
            }
            Err(AuthFault::Binding) => {
                wire.tally.auth_failure();
                Says::AuthBinding
            }
        };
        wire.refuse(says);
        State::Idle(self).stay()
    }
}

impl Wire {
    /// Replies to a command that moves no mail.
    fn junk(&mut self, says: Says) {
        self.say(says);
        self.tally.junk(&self.config.limits);
    }
}
