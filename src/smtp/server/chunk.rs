//! BDAT: chunks of declared size (RFC 3030), as many as it takes, the last one marked.
//!
//! Rules: whatever a BDAT is answered, its octets are read first and never taken for commands; nothing is allocated
//! for a size that was only said. A message is either DATA or BDAT. What spoils a message spoils its transaction: the
//! chunks that a pipelining client has already sent are thrown away up to LAST or RSET, each with its reply, and
//! nothing else is taken in between (RFC 3030 §2). Who makes us throw away too much is cut off.
//! When it fails: each fault has its reply behind the chunk that showed it.

use super::event::{Envelope, Event, Hello};
use super::replies::{self, Says};
use super::state::{Idle, Question, State, Turn};
use super::transaction::{Transaction, data_fault};
use super::wire::Wire;
use crate::smtp::chunk::{ChunkReader, Octets};
use crate::smtp::command::Chunk;
use crate::smtp::dot::DataFault;
use crate::smtp::params::Body;

/// What may be thrown away beyond one and a half times the limit before the client is cut off, in octets.
const FLOOD_MARGIN: u64 = 64 * 1024;

/// A message of which chunks have come, and not the last.
pub(super) struct Gathering<T, S> {
    pub(super) hello: Hello,
    envelope: Envelope<T, S>,
    pub(super) reader: ChunkReader,
}

/// A transaction that a chunk has spoilt; its further chunks are thrown away.
pub(super) struct Spoilt {
    pub(super) hello: Hello,
    /// Octets thrown away so far.
    wasted: u64,
}

/// A chunk is being read.
pub(super) struct Reading<T, S> {
    chunk: Chunk,
    /// Octets of it still to come.
    left: u64,
    of: Of<T, S>,
}

/// What a chunk belongs to.
enum Of<T, S> {
    Message(Gathering<T, S>),
    /// Thrown away; then the reply is given and the session stands here.
    Nothing(Box<State<T, S>>, Says, Blame),
}

/// Whether a refused chunk counts as an error: one that was sent before the client could know does not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blame {
    Counts,
    Forgiven,
}

impl<T, S> Transaction<T, S> {
    /// The first BDAT of a message.
    pub(super) fn bdat(self, chunk: Chunk, wire: &mut Wire) -> Turn<T, S> {
        let says = if !self.hello.is_extended {
            Says::NotOffered
        } else if !self.recipients.is_empty() {
            let octets = if self.params.body == Body::BinaryMime { Octets::Binary } else { Octets::Lines };
            let gathering = Gathering {
                hello: self.hello,
                envelope: Envelope { sender: self.sender, recipients: self.recipients, params: self.params },
                reader: ChunkReader::new(wire.config.limits.max_message, octets),
            };
            return gathering.bdat(chunk, wire);
        } else if self.has_tried {
            Says::NoValidRecipients
        } else {
            Says::RcptFirst
        };
        Spoilt { hello: self.hello, wasted: 0 }.waste(chunk, says, Blame::Counts, wire)
    }
}

impl<T, S> Gathering<T, S> {
    /// One more BDAT.
    pub(super) fn bdat(self, chunk: Chunk, wire: &mut Wire) -> Turn<T, S> {
        if chunk.size > flood(wire) {
            wire.refuse_and_hang_up(Says::TooLarge);
            return State::Closed.stay();
        }
        if chunk.size == 0 && !chunk.last {
            wire.tally.junk(&wire.config.limits);
        }
        Reading { chunk, left: chunk.size, of: Of::Message(self) }.read(wire)
    }

    /// The transaction is over.
    pub(super) fn abandon(self) -> Idle {
        Idle { hello: self.hello }
    }

    /// The chunk has been read.
    fn chunk_read(self, chunk: Chunk, wire: &mut Wire) -> Turn<T, S> {
        match (self.reader.fault(), chunk.last) {
            (None, false) => {
                wire.reply(replies::chunk(chunk.size));
                return State::Gathering(self).stay();
            }
            (Some(fault), false) => {
                wire.tally.message();
                let spoilt = Spoilt { hello: self.hello, wasted: 0 };
                refuse(fault, wire);
                return State::Spoilt(spoilt).stay();
            }
            (_, true) => wire.tally.message(),
        }
        let idle = Idle { hello: self.hello };
        match self.reader.finish() {
            Ok(bytes) => State::Asking(Question::Message(idle))
                .and_ask(Event::Message { envelope: self.envelope, bytes }),
            Err(fault) => {
                refuse(fault, wire);
                State::Idle(idle).stay()
            }
        }
    }
}

impl Spoilt {
    /// One more BDAT, which the client sent before it could know.
    pub(super) fn bdat<T, S>(self, chunk: Chunk, wire: &mut Wire) -> Turn<T, S> {
        self.waste(chunk, Says::ChunkWasted, Blame::Forgiven, wire)
    }

    /// The transaction is over.
    pub(super) fn abandon(self) -> Idle {
        Idle { hello: self.hello }
    }

    fn waste<T, S>(mut self, chunk: Chunk, says: Says, blame: Blame, wire: &mut Wire) -> Turn<T, S> {
        self.wasted = self.wasted.saturating_add(chunk.size);
        if self.wasted > flood(wire) {
            wire.refuse_and_hang_up(Says::TooLarge);
            return State::Closed.stay();
        }
        let next = if chunk.last { State::Idle(self.abandon()) } else { State::Spoilt(self) };
        Reading { chunk, left: chunk.size, of: Of::Nothing(Box::new(next), says, blame) }.read(wire)
    }
}

impl<T, S> State<T, S> {
    /// BDAT where none may come: its octets are thrown away, and the session stands where it stood.
    pub(super) fn refuse_chunk(self, chunk: Chunk, says: Says, wire: &mut Wire) -> Turn<T, S> {
        if chunk.size > flood(wire) {
            wire.refuse_and_hang_up(says);
            return State::Closed.stay();
        }
        Reading { chunk, left: chunk.size, of: Of::Nothing(Box::new(self), says, Blame::Counts) }.read(wire)
    }
}

impl<T, S> Reading<T, S> {
    /// Reads on in the chunk, to its end if it has come.
    pub(super) fn read(mut self, wire: &mut Wire) -> Turn<T, S> {
        let rest = wire.rest();
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
        if let Of::Message(gathering) = &mut self.of {
            gathering.reader.read(rest.get(..here).unwrap_or_default());
        }
        wire.consume(here);
        self.left = self.left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
        if self.left > 0 {
            return State::Chunk(self).stay();
        }
        match self.of {
            Of::Message(gathering) => gathering.chunk_read(self.chunk, wire),
            Of::Nothing(next, says, blame) => {
                match blame {
                    Blame::Counts => wire.refuse(says),
                    Blame::Forgiven => wire.say(says),
                }
                next.stay()
            }
        }
    }

    /// Whose chunk it is, if a message is being collected or the session stood behind EHLO.
    pub(super) fn hello(&self) -> Option<&Hello> {
        match &self.of {
            Of::Message(gathering) => Some(&gathering.hello),
            Of::Nothing(next, ..) => next.hello(),
        }
    }

    /// The message that is being collected.
    pub(super) fn reader(&self) -> Option<&ChunkReader> {
        match &self.of {
            Of::Message(gathering) => Some(&gathering.reader),
            Of::Nothing(..) => None,
        }
    }

    /// The same, to give it up.
    pub(super) fn reader_mut(&mut self) -> Option<&mut ChunkReader> {
        match &mut self.of {
            Of::Message(gathering) => Some(&mut gathering.reader),
            Of::Nothing(..) => None,
        }
    }
}

fn refuse(fault: DataFault, wire: &mut Wire) {
    match data_fault(fault) {
        // Want of memory is no error of the client's.
        Says::NoMemory => wire.say(Says::NoMemory),
        says => wire.refuse(says),
    }
}

/// How much is thrown away for one client's message.
fn flood(wire: &Wire) -> u64 {
    let limit = wire.config.limits.max_message;
    limit.saturating_add(limit / 2).saturating_add(FLOOD_MARGIN)
}
