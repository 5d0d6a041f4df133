//! The octets of a session: what came in and is not yet read, what goes out and is not yet taken.
//!
//! Rules: a reply that the client must wait for is held back until the output is taken; octets that come before show
//! a client out of step. To a client that did not say EHLO every reply is one to wait for, because PIPELINING was not
//! offered. A line may hold a password, so lines are wiped once read; a message is not, for its octets are on their
//! way to the driver anyway.

use super::config::ServerConfig;
use super::replies::Says;
use super::tally::Tally;
use crate::smtp::line::{LineFault, LineProgress, LineReader};
use crate::smtp::reply::Reply;
use crate::smtp::scram::ChannelBinding;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Most octets that are buffered before they are read; beyond it the driver has not kept to
/// [`wants_input`](super::Session::wants_input).
const MAX_INPUT: usize = 1024 * 1024;
/// Buffered octets from which on no more are wanted.
const ENOUGH_INPUT: usize = 64 * 1024;
/// Refusals that are kept until the driver asks for them; of more it is told nothing.
const REFUSED: usize = 32;
/// An empty input buffer larger than this is given back.
const IDLE_INPUT: usize = 16 * 1024;

/// What became of an attempt to read a line.
pub(super) enum LineRead {
    /// The input ended first.
    More,
    Line(Result<Zeroizing<String>, LineFault>),
    Flood,
}

/// The two directions of a connection, and what is true of it.
pub(super) struct Wire {
    pub(super) config: Arc<ServerConfig>,
    pub(super) tally: Tally,
    pub(super) is_tls: bool,
    pub(super) is_authenticated: bool,
    /// What binds a proof to this TLS connection, where there is such a thing.
    pub(super) channel: Option<ChannelBinding>,
    input: Vec<u8>,
    /// How much of `input` has been read.
    at: usize,
    line: Option<LineReader>,
    output: Vec<u8>,
    held_back: Option<Reply>,
    is_lockstep: bool,
    is_hung_up: bool,
    /// What the table refused since the driver asked, by help page.
    refused: Vec<&'static str>,
}

impl Wire {
    pub(super) fn new(config: Arc<ServerConfig>, is_tls: bool) -> Self {
        Self {
            config,
            tally: Tally::default(),
            is_tls,
            is_authenticated: false,
            channel: None,
            input: Vec::new(),
            at: 0,
            line: None,
            output: Vec::new(),
            held_back: None,
            is_lockstep: true,
            is_hung_up: false,
            refused: Vec::new(),
        }
    }

    /// Replies from the table.
    pub(super) fn say(&mut self, says: Says) {
        let reply = self.reply_of(says);
        self.reply(reply);
    }

    /// A reply of the table, noted for the driver where it refuses.
    pub(super) fn reply_of(&mut self, says: Says) -> Reply {
        if let Some(page) = says.page()
            && self.refused.len() < REFUSED
        {
            self.refused.push(page);
        }
        says.reply(&self.config)
    }

    /// What was refused since this was last asked.
    pub(super) fn take_refused(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.refused)
    }

    /// Replies from the table, and counts an error.
    pub(super) fn refuse(&mut self, says: Says) {
        self.say(says);
        self.tally.error();
    }

    /// Replies from the table, and ends the session.
    pub(super) fn refuse_and_hang_up(&mut self, says: Says) {
        let reply = self.reply_of(says);
        self.hang_up(reply);
    }

    /// Replies, and ends the session.
    pub(super) fn hang_up(&mut self, reply: Reply) {
        self.reply(reply);
        self.is_hung_up = true;
    }

    /// Replies. 221, 421 and 521 end the session (RFC 5321 §3.8, RFC 7504 §3).
    pub(super) fn reply(&mut self, reply: Reply) {
        self.is_hung_up |= matches!(reply.code(), 221 | 421 | 521);
        self.release();
        if self.is_lockstep {
            self.held_back = Some(reply);
        } else {
            reply.write_to(&mut self.output);
        }
    }

    /// Replies, and the client must wait for it: it was the last command of a group (RFC 2920 §3.1).
    pub(super) fn reply_and_wait(&mut self, reply: Reply) {
        self.release();
        self.held_back = Some(reply);
    }

    /// Whether the client may send several commands at once.
    pub(super) fn set_lockstep(&mut self, is_lockstep: bool) {
        self.is_lockstep = is_lockstep;
    }

    /// Whether a reply is held back.
    pub(super) fn is_waiting(&self) -> bool {
        self.held_back.is_some()
    }

    /// Ends the session when the client did not wait for a reply. If that reply would have invited the client to go
    /// on (the greeting, 354, 220 before TLS), it is not given.
    pub(super) fn check_step(&mut self) {
        if self.rest().is_empty() || self.is_hung_up {
            return;
        }
        if let Some(reply) = self.held_back.take() {
            if !matches!(reply.code(), 220 | 354) {
                reply.write_to(&mut self.output);
            }
            self.refuse_and_hang_up(Says::OutOfStep);
        }
    }

    /// Whether the session is over.
    pub(super) fn is_hung_up(&self) -> bool {
        self.is_hung_up
    }

    /// Drops what was not read; nothing of it counts any more.
    pub(super) fn drop_input(&mut self) {
        let unread = self.rest().len();
        self.consume_wiped(unread);
        self.input = Vec::new();
        self.line = None;
    }

    /// Drops everything of the connection in clear (RFC 3207 §4.2).
    pub(super) fn start_tls(&mut self) {
        self.drop_input();
        self.drop_output();
        self.is_tls = true;
        self.is_authenticated = false;
        self.channel = None;
        self.is_lockstep = true;
    }

    /// Drops replies that were not taken.
    pub(super) fn drop_output(&mut self) {
        self.output = Vec::new();
        self.held_back = None;
    }

    /// Adds what was read; false when there is no room for it.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> bool {
        if self.rest().len().saturating_add(bytes.len()) > MAX_INPUT {
            return false;
        }
        self.input.drain(..self.at.min(self.input.len()));
        self.at = 0;
        self.input.extend_from_slice(bytes);
        true
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.rest().len() < ENOUGH_INPUT
    }

    /// What is not yet read.
    pub(super) fn rest(&self) -> &[u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// Marks `octets` of the rest as read.
    pub(super) fn consume(&mut self, octets: usize) {
        self.at = self.at.saturating_add(octets);
        if self.at >= self.input.len() {
            self.at = 0;
            if self.input.capacity() > IDLE_INPUT {
                self.input = Vec::new();
            } else {
                self.input.clear();
            }
        }
    }

    /// Wipes `octets` of the rest and marks them as read.
    fn consume_wiped(&mut self, octets: usize) {
        let end = self.at.saturating_add(octets);
        if let Some(read) = self.input.get_mut(self.at..end) {
            read.zeroize();
        }
        self.consume(octets);
    }

    /// Reads a line of at most `limit` octets.
    pub(super) fn read_line(&mut self, limit: usize) -> LineRead {
        let mut reader = self.line.take().unwrap_or_else(|| LineReader::new(limit));
        let rest = self.rest();
        if rest.is_empty() {
            self.line = Some(reader);
            return LineRead::More;
        }
        let all = rest.len();
        match reader.read(rest) {
            LineProgress::More => {
                self.consume_wiped(all);
                self.line = Some(reader);
                LineRead::More
            }
            LineProgress::End(used) => {
                self.consume_wiped(used);
                LineRead::Line(reader.finish())
            }
            LineProgress::Flood => LineRead::Flood,
        }
    }

    /// What is to be written now, with the reply that was held back.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        self.release();
        std::mem::take(&mut self.output)
    }

    /// Octets of memory in both directions.
    pub(super) fn held(&self) -> usize {
        let line = self.line.as_ref().map_or(0, LineReader::held);
        self.input.capacity().saturating_add(self.output.capacity()).saturating_add(line)
    }

    fn release(&mut self) {
        if let Some(reply) = self.held_back.take() {
            reply.write_to(&mut self.output);
        }
    }
}
