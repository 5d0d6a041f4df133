//! One connection to a server as a state machine: greeting, EHLO, STARTTLS, any number of transactions, QUIT.
//!
//! Rules:
//! - One recipient a transaction. Where PIPELINING is offered MAIL, RCPT and DATA go in one write (RFC 2920 §3.1),
//!   and RSET before them when the last transaction did not end in an accepted message.
//! - When RCPT was refused and 354 came all the same, a lone dot is sent and its reply ignored. When MAIL was
//!   refused and RCPT was not, and 354 came, the connection is dropped: a lone dot might deliver an empty message.
//! - A reply that comes while the message is written refuses it, or makes no sense; it never accepts it. What is
//!   left over at the end of a transaction closes the connection. Octets that came before TLS are forgotten at the switch (RFC 3207 §4.2, CVE-2011-0411).
//! - A yes to the final dot counts as soon as its three digits are there: with the code the server has taken the message on
//!   (RFC 5321 §4.2.5, §6.1), and acts come from the code alone (§4.2). Neither a line end that never comes nor what follows and can't be
//!   read makes it a no. Whoever writes 250 and means something else would have to write it before knowing; to send again on that doubt would
//!   double each mail that a hasty server took. A no whose code came is no doubt either: the server has not got it, and it is tried again.
//!   What has less than three digits stays ambiguous, and is sent again: doubled rather than lost.
//! - A server that greets with our own name is ourselves (5.4.6), unless the next hop was named by hand.
//!
//! When it fails: [`Step::Finished`] with a [`Verdict`], after which [`Session::is_reusable`] tells whether the
//! connection still serves. When the connection broke, the driver says so to [`Session::lost`].

mod replies;

use super::classify::protocol_error;
use super::{Capabilities, Envelope, Outcome, Phase, ReplyReader, Status, Verdict};
use std::collections::VecDeque;

/// What to do about STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Do not ask for it.
    Never,
    /// Use it where offered, go on in clear where not.
    IfOffered,
    /// No message without it.
    Required,
}

/// Whether a server with our own name is taken for ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopCheck {
    /// The host was found through DNS.
    Refuse,
    /// The host was named in our configuration.
    Allow,
}

/// What a session needs to know beforehand.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Our name in EHLO, a fully qualified domain name (RFC 5321 §4.1.4).
    pub hostname: String,
    pub start_tls: StartTls,
    pub loop_check: LoopCheck,
}

/// What the driver does next.
pub enum Step {
    /// Write the output, if there is any, then read and feed.
    Wait,
    /// Do the TLS handshake, then call [`Session::secured`].
    Handshake,
    /// Idle: a transaction may begin.
    Ready,
    /// Write the message in wire form with its final dot, then call [`Session::content_sent`].
    Content,
    /// The transaction, or the attempt to reach one, is over.
    Finished(Verdict),
}

enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    Ready,
    /// Replies to these are awaited, first one first; the commands after the written ones are still to be sent.
    Commands {
        awaited: VecDeque<Phase>,
        unsent: VecDeque<(Phase, Vec<u8>)>,
        refused: Option<Refused>,
    },
    /// 354 came.
    Content,
    Dot,
    /// A dot was sent for a transaction that is over; the verdict is known.
    LoneDot(Verdict),
    Closed,
}

/// A transaction that was refused while replies to its other commands are still to come.
struct Refused {
    verdict: Verdict,
    rcpt_taken: bool,
}

/// The client's side of one connection.
pub struct Session {
    settings: SessionSettings,
    state: State,
    reader: ReplyReader,
    output: Vec<u8>,
    offered: Capabilities,
    secured: bool,
    /// The server has a transaction open that must be reset.
    dirty: bool,
    /// Counts replies and writes of ours: when it moves, the deadline starts anew.
    exchange: u64,
}

impl Session {
    /// A session on a fresh connection, before the greeting.
    #[must_use]
    pub fn new(settings: SessionSettings) -> Self {
        Self {
            settings,
            state: State::Greeting,
            reader: ReplyReader::new(),
            output: Vec::new(),
            offered: Capabilities::default(),
            secured: false,
            dirty: false,
            exchange: 0,
        }
    }

    /// Takes what was received.
    pub fn feed(&mut self, octets: &[u8]) {
        self.reader.feed(octets);
    }

    /// What is to be sent, in one write.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What the session is doing, for deadlines and the log.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Greeting => Phase::Greeting,
            State::Ehlo | State::Helo => Phase::Ehlo,
            State::StartTls => Phase::StartTls,
            State::Handshake => Phase::Handshake,
            State::Ready => Phase::Mail,
            State::Commands { awaited, .. } => awaited.front().copied().unwrap_or(Phase::Mail),
            State::Content => Phase::Content,
            State::Dot => Phase::Dot,
            State::LoneDot(_) => Phase::Reset,
            State::Closed => Phase::Quit,
        }
    }

    /// A number that changes with every reply and command: the deadline of [`Session::phase`] counts from there.
    #[must_use]
    pub fn exchange(&self) -> u64 {
        self.exchange
    }

    /// What the server offers now.
    #[must_use]
    pub fn offered(&self) -> Capabilities {
        self.offered
    }

    /// Whether another transaction may begin on this connection.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        matches!(self.state, State::Ready) && self.reader.is_empty() && self.output.is_empty()
    }

    /// Whether something was received that is no whole reply.
    #[must_use]
    pub fn has_words(&self) -> bool {
        !self.reader.is_empty()
    }

    /// Goes as far as the received octets allow.
    pub fn step(&mut self) -> Step {
        loop {
            match &self.state {
                State::Handshake => return Step::Handshake,
                State::Ready => return Step::Ready,
                State::Content if self.reader.is_empty() => return Step::Content,
                State::Closed => return Step::Wait,
                _ => {}
            }
            let reply = match self.reader.take() {
                Ok(Some(reply)) => reply,
                Ok(None) if matches!(self.state, State::Content) => return Step::Content,
                Ok(None) => return Step::Wait,
                Err(_) => {
                    let verdict = self.taken().unwrap_or_else(|| protocol_error(self.phase(), None));
                    return self.finish(verdict, State::Closed);
                }
            };
            self.exchange += 1;
            if let Some(step) = self.take_reply(reply) {
                return step;
            }
        }
    }

    /// Begins a transaction. To be called after [`Step::Ready`]; what the server cannot take is finished at once,
    /// without a word on the wire.
    #[must_use]
    pub fn begin(&mut self, envelope: &Envelope<'_>) -> Step {
        if !self.is_reusable() {
            return self.finish(protocol_error(self.phase(), None), State::Closed);
        }
        if let Err(status) = envelope.fits(&self.offered) {
            return Step::Finished(Verdict::failed(status, Phase::Mail));
        }
        let mut commands = VecDeque::new();
        if self.dirty {
            commands.push_back((Phase::Reset, b"RSET\r\n".to_vec()));
        }
        let mut line = Vec::new();
        envelope.write_mail(&self.offered, &mut line);
        commands.push_back((Phase::Mail, line));
        let mut line = Vec::new();
        envelope.write_rcpt(&mut line);
        commands.push_back((Phase::Rcpt, line));
        commands.push_back((Phase::Data, b"DATA\r\n".to_vec()));
        self.dirty = true;
        self.exchange += 1;
        let at_once = if self.offered.pipelining { commands.len() } else { 1 };
        let mut awaited = VecDeque::new();
        for (phase, line) in commands.drain(..at_once) {
            self.output.extend_from_slice(&line);
            awaited.push_back(phase);
        }
        self.state = State::Commands { awaited, unsent: commands, refused: None };
        Step::Wait
    }

    /// The TLS handshake succeeded: everything learnt in clear is forgotten.
    pub fn secured(&mut self) {
        self.reader.discard();
        self.offered = Capabilities::default();
        self.secured = true;
        self.say_ehlo();
    }

    /// The message and its final dot were written.
    pub fn content_sent(&mut self) {
        if matches!(self.state, State::Content) {
            self.exchange += 1;
            self.state = State::Dot;
        }
    }

    /// The connection broke, or a deadline passed. What is known stands; after the final dot it is ambiguous.
    #[must_use]
    pub fn lost(&mut self) -> Verdict {
        let phase = self.phase();
        if let Some(verdict) = self.taken() {
            self.state = State::Closed;
            return verdict;
        }
        let status = Status::ours(451, 4, 2);
        match std::mem::replace(&mut self.state, State::Closed) {
            State::LoneDot(verdict) => verdict,
            State::Commands { refused: Some(refused), .. } => refused.verdict,
            State::Dot => Verdict {
                outcome: Outcome::Deferred { status, phase, ambiguous: !self.has_begun(400..600) },
                phase,
                remote_text: None,
            },
            _ => Verdict::deferred(status, phase),
        }
    }

    /// After the final dot: the server has begun to say yes, whatever kept it from the end of its words.
    fn taken(&self) -> Option<Verdict> {
        let code = self.reader.begun().filter(|code| (200..300).contains(code))?;
        let outcome = Outcome::Delivered { status: Status { code, enhanced: None } };
        matches!(self.state, State::Dot).then_some(Verdict { outcome, phase: Phase::Dot, remote_text: None })
    }

    /// Whether the server has begun a reply with one of these codes.
    fn has_begun(&self, codes: std::ops::Range<u16>) -> bool {
        self.reader.begun().is_some_and(|code| codes.contains(&code))
    }

    /// Says QUIT. Its reply need not be awaited.
    pub fn quit(&mut self) {
        self.output.extend_from_slice(b"QUIT\r\n");
        self.state = State::Closed;
    }

    fn say_ehlo(&mut self) {
        self.say(State::Ehlo, &format!("EHLO {}\r\n", self.settings.hostname));
    }

    fn say(&mut self, next: State, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.exchange += 1;
        self.state = next;
    }

    fn finish(&mut self, verdict: Verdict, next: State) -> Step {
        self.state = next;
        Step::Finished(verdict)
    }
}
