//! The session as its driver sees it: octets in, events out, answers in, octets out.

use super::config::{ServerConfig, Service};
use super::event::{Event, Hello, Phase};
use super::replies::{self, Says};
use super::state::{Question, State};
use super::transaction::Transaction;
use super::wire::{LineRead, Wire};
use crate::smtp::auth::{Exchange, Step};
use crate::smtp::chunk::ChunkReader;
use crate::smtp::reply::Reply;
use crate::smtp::scram::{ChannelBinding, NONCE, Verifier};
use std::sync::Arc;

/// One SMTP session. `T` is the driver's verdict on a recipient, `S` that on a sender.
pub struct Session<T, S> {
    wire: Wire,
    state: State<T, S>,
    /// Whether the session ends after the driver's answer.
    is_draining: bool,
    is_announced: bool,
}

impl<T, S> Session<T, S> {
    /// A session whose greeting is in the output. For [`Service::Submissions`], and only there, TLS has begun.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Self {
        let is_tls = config.service == Service::Submissions;
        let mut wire = Wire::new(config, is_tls);
        wire.reply_and_wait(replies::greeting(&wire.config));
        Self { wire, state: State::Fresh, is_draining: false, is_announced: false }
    }

    /// Takes octets that were read. The driver writes the output before it reads, and reads only while
    /// [`wants_input`](Self::wants_input). More than 1 MiB that is not processed ends the session.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !self.is_closed() && !self.wire.receive(bytes) {
            let reply = self.wire.reply_of(Says::Fault);
            self.end(reply);
        }
    }

    /// Whether octets may be read from the connection now: not while an event is unanswered, nor while 64 KiB are
    /// buffered, nor after the end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(self.state, State::Asking(_) | State::Closed) && self.wire.has_room()
    }

    /// Processes what was received up to the next event; `None` when more octets or an answer are needed. The
    /// output is good to be written at any `None`, and before anything slow.
    pub fn next_event(&mut self) -> Option<Event<T, S>> {
        loop {
            self.wire.check_step();
            self.settle();
            if self.is_closed() {
                return (!std::mem::replace(&mut self.is_announced, true)).then_some(Event::Closed);
            }
            if self.wire.is_waiting() || matches!(self.state, State::Asking(_)) || self.wire.rest().is_empty()
            {
                return None;
            }
            let limit = self.state.line_limit();
            let (state, event) = match std::mem::replace(&mut self.state, State::Closed) {
                State::Receiving(receiving) => receiving.read(&mut self.wire),
                State::Chunk(reading) => reading.read(&mut self.wire),
                state => match self.wire.read_line(limit) {
                    LineRead::More => state.stay(),
                    LineRead::Line(Ok(line)) => state.line(Ok(&line), &mut self.wire),
                    LineRead::Line(Err(fault)) => state.line(Err(fault), &mut self.wire),
                    LineRead::Flood => {
                        self.wire.refuse_and_hang_up(Says::LineTooLong);
                        State::Closed.stay()
                    }
                },
            };
            self.state = state;
            if event.is_some() {
                return event;
            }
        }
    }

    /// The replies that are to be written now, several at once where the client sent several commands.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.wire.check_step();
        self.settle();
        self.wire.take_output()
    }

    /// What the session itself refused since this was last asked: the help page of each, in order, a bounded number.
    pub fn take_refused(&mut self) -> Vec<&'static str> {
        self.wire.take_refused()
    }

    /// TLS has begun, after [`Event::StartTls`]. Everything that was said in clear is forgotten, octets that were
    /// received and not processed included (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Asking(Question::Tls(_)) => {
                self.wire.start_tls();
                self.state = State::Fresh;
                self.settle();
            }
            _ => self.fault(),
        }
    }

    /// Answers [`Event::Auth`]. Who has sent no password is told our proof of it next, and is in once it takes it
    /// ([`Event::LoggedIn`]). A refusal with a 5yz code counts as a failed attempt; one with 4yz says that the credentials could not be checked.
    pub fn answer_auth(&mut self, verdict: Result<(), Reply>) {
        let State::Asking(Question::Auth { idle, proven }) =
            std::mem::replace(&mut self.state, State::Closed)
        else {
            return self.fault();
        };
        match verdict {
            Ok(()) => {
                let step = proven.map_or(Step::Taken, Step::Ask);
                let (state, _) = idle.auth(Ok(step), &mut self.wire);
                self.state = state;
            }
            Err(reply) => {
                self.state = State::Idle(idle);
                if reply.code() >= 500 {
                    self.wire.tally.auth_failure();
                }
                self.refuse(reply);
            }
        }
        self.settle();
    }

    /// What binds proofs to the TLS connection that has begun (RFC 9266), where it has such a thing. To be said before
    /// the client speaks; without it channel binding is not offered.
    pub fn bind_channel(&mut self, channel: ChannelBinding) {
        self.wire.channel = self.wire.is_tls.then_some(channel);
    }

    /// Answers [`Event::Scram`]: with the verifier of that name and fresh randomness, or a refusal. For a name that does
    /// not exist it gets a verifier that nothing fits.
    pub fn answer_scram(&mut self, verdict: Result<(Verifier, [u8; NONCE]), Reply>) {
        let State::Asking(Question::Scram { idle, first }) =
            std::mem::replace(&mut self.state, State::Closed)
        else {
            return self.fault();
        };
        match verdict {
            Ok((verifier, random)) => {
                let exchange = Exchange::scram(first, verifier, random);
                let (state, _) = idle.auth(Ok(Step::Ask(exchange)), &mut self.wire);
                self.state = state;
            }
            Err(reply) => {
                self.state = State::Idle(idle);
                self.refuse(reply);
            }
        }
        self.settle();
    }

    /// Answers [`Event::Mail`]: with the verdict that the envelope shall carry, or a refusal. A refusal with a 5yz
    /// code counts as an error.
    pub fn answer_mail(&mut self, verdict: Result<S, Reply>) {
        let State::Asking(Question::Mail { idle, params }) =
            std::mem::replace(&mut self.state, State::Closed)
        else {
            return self.fault();
        };
        match verdict {
            Ok(sender) => {
                let hello = idle.hello;
                self.state = State::Transaction(Transaction {
                    hello,
                    sender,
                    params,
                    recipients: Vec::new(),
                    has_tried: false,
                });
                self.wire.say(Says::SenderGood);
            }
            Err(reply) => {
                self.state = State::Idle(idle);
                if reply.code() >= 500 {
                    self.wire.tally.error();
                }
                self.refuse(reply);
            }
        }
        self.settle();
    }

    /// Answers [`Event::Rcpt`]: with the verdict that the envelope shall carry, or a refusal. On [`Service::Mx`] a
    /// refusal with a 5yz code counts as an error, because that is how addresses are guessed; a merchant's list
    /// with many closed aliases must not end its session.
    pub fn answer_rcpt(&mut self, verdict: Result<T, Reply>) {
        let State::Asking(Question::Rcpt(mut transaction)) =
            std::mem::replace(&mut self.state, State::Closed)
        else {
            return self.fault();
        };
        match verdict {
            Ok(recipient) => {
                transaction.recipients.push(recipient);
                self.state = State::Transaction(transaction);
                self.wire.say(Says::RecipientGood);
            }
            Err(reply) => {
                self.state = State::Transaction(transaction);
                if reply.code() >= 500 && self.wire.config.service == Service::Mx {
                    self.wire.tally.error();
                }
                self.refuse(reply);
            }
        }
        self.settle();
    }

    /// Answers [`Event::Message`]: with the queue id once the message is durable, or a refusal of the whole.
    pub fn answer_message(&mut self, verdict: Result<&str, Reply>) {
        let State::Asking(Question::Message(idle)) = std::mem::replace(&mut self.state, State::Closed) else {
            return self.fault();
        };
        self.state = State::Idle(idle);
        match verdict {
            Ok(queue_id) => {
                self.wire.tally.accepted();
                self.wire.reply(replies::queued(queue_id));
            }
            Err(reply) => self.refuse(reply),
        }
        self.settle();
    }

    /// There is no memory for the message that is being received: it is read to its end, thrown away and answered
    /// with `452 4.3.1`. In any other state nothing happens.
    pub fn discard_message(&mut self) {
        match &mut self.state {
            State::Receiving(receiving) => receiving.reader.discard(),
            State::Gathering(gathering) => gathering.reader.discard(),
            State::Chunk(reading) => {
                if let Some(reader) = reading.reader_mut() {
                    reader.discard();
                }
            }
            _ => {}
        }
    }

    /// Ends the session before its greeting was taken, with `reply` in place of the greeting: the connection is one
    /// too many, say.
    pub fn turn_away(&mut self, reply: Reply) {
        self.wire.drop_output();
        self.end(reply);
    }

    /// The client let its deadline pass: `421 4.4.2`. While the driver owes an answer nothing happens, for then it
    /// is not the client that is late.
    pub fn timed_out(&mut self) {
        self.end_unless_asking(Says::TimedOut);
    }

    /// It took too long in all to log in: as [`timed_out`](Self::timed_out), with another text. So are the next two.
    pub fn login_is_due(&mut self) {
        self.end_unless_asking(Says::LoginDue);
    }

    /// It held its place too long without a message that was accepted.
    pub fn message_is_due(&mut self) {
        self.end_unless_asking(Says::MessageDue);
    }

    /// Somebody else needs its place.
    pub fn make_room(&mut self) {
        self.end_unless_asking(Says::MakingRoom);
    }

    /// We stop: `421 4.3.2`, now or after the answer that the driver owes.
    pub fn shutting_down(&mut self) {
        if matches!(self.state, State::Asking(_)) {
            self.is_draining = true;
        } else if !self.is_closed() {
            let reply = self.wire.reply_of(Says::ShuttingDown);
            self.end(reply);
        }
    }

    /// What the session waits for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Fresh => Phase::Hello,
            State::Idle(_) => Phase::Command,
            State::Authenticating(_) => Phase::Auth,
            State::Transaction(_) => Phase::Transaction,
            State::Receiving(_) | State::Chunk(_) | State::Gathering(_) => Phase::Data,
            State::Spoilt(_) => Phase::Transaction,
            State::Asking(Question::Tls(_)) => Phase::Tls,
            State::Asking(_) => Phase::Answer,
            State::Closed => Phase::Closed,
        }
    }

    /// Whether the session is over, so that the connection is closed once the output is written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether TLS is in use.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.wire.is_tls
    }

    /// How the client introduced itself since the session or TLS began; `None` before that and after the end.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.state.hello()
    }

    /// Octets of memory that the session holds in buffers and in the message being received. What an event took
    /// out is the driver's.
    #[must_use]
    pub fn held(&self) -> usize {
        let message = match &self.state {
            State::Receiving(receiving) => receiving.reader.held(),
            State::Gathering(gathering) => gathering.reader.held(),
            State::Chunk(reading) => reading.reader().map_or(0, ChunkReader::held),
            _ => 0,
        };
        self.wire.held().saturating_add(message)
    }

    /// Gives the driver's refusal. One that says yes would acknowledge what was not accepted.
    fn refuse(&mut self, reply: Reply) {
        if reply.is_positive() {
            self.wire.say(Says::Fault);
        } else {
            self.wire.reply(reply);
        }
    }

    /// An answer that nobody asked for.
    fn fault(&mut self) {
        if !self.wire.is_hung_up() {
            let reply = self.wire.reply_of(Says::Fault);
            self.end(reply);
        }
    }

    fn end(&mut self, reply: Reply) {
        self.wire.hang_up(reply);
        self.settle();
    }

    fn end_unless_asking(&mut self, says: Says) {
        if !matches!(self.state, State::Asking(_) | State::Closed) {
            let reply = self.wire.reply_of(says);
            self.end(reply);
        }
    }

    /// Ends the session where a limit, a reply or the driver asks for it.
    fn settle(&mut self) {
        if !self.wire.is_hung_up() && !matches!(self.state, State::Asking(_)) {
            if let Some(says) = self.wire.tally.verdict(&self.wire.config.limits) {
                self.wire.say(says);
            } else if std::mem::take(&mut self.is_draining) {
                self.wire.say(Says::ShuttingDown);
            }
        }
        if self.wire.is_hung_up() {
            self.state = State::Closed;
            self.wire.drop_input();
        }
    }
}
