//! What each reply does to a session, state by state.

use super::{LoopCheck, Refused, Session, StartTls, State, Step};
use crate::smtp::client::classify::{Meaning, classify, protocol_error};
use crate::smtp::client::{Capabilities, Outcome, Phase, RemoteReply, Status, Verdict};
use std::collections::VecDeque;

impl Session {
    pub(super) fn take_reply(&mut self, reply: RemoteReply) -> Option<Step> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Greeting => match self.classify_name(Phase::Greeting, reply) {
                Ok(_) => self.say_ehlo(),
                Err(step) => return Some(step),
            },
            // RFC 5321 §3.2: a server that knows no EHLO is asked with HELO.
            State::Ehlo if (500..=599).contains(&reply.code()) && !matches!(reply.code(), 521 | 556) => {
                self.say(State::Helo, &format!("HELO {}\r\n", self.settings.hostname));
            }
            State::Ehlo => match self.classify_name(Phase::Ehlo, reply) {
                Ok(reply) => {
                    self.offered = Capabilities::read(&reply);
                    return self.after_ehlo();
                }
                Err(step) => return Some(step),
            },
            State::Helo => match self.classify_name(Phase::Ehlo, reply) {
                Ok(_) => {
                    self.offered = Capabilities::default();
                    return self.after_ehlo();
                }
                Err(step) => return Some(step),
            },
            State::StartTls => return self.after_start_tls(reply),
            State::Commands { awaited, unsent, refused } => {
                return self.after_command(awaited, unsent, refused, reply);
            }
            State::Dot => return Some(self.after_dot(reply)),
            State::LoneDot(verdict) => return Some(self.finish(verdict, State::Closed)),
            State::Content => return Some(self.refused_early(reply)),
            State::Handshake | State::Ready | State::Closed => {}
        }
        None
    }

    /// Reads a reply that carries the server's name: greeting, EHLO, HELO.
    fn classify_name(&mut self, phase: Phase, reply: RemoteReply) -> Result<RemoteReply, Step> {
        if (200..300).contains(&reply.code()) {
            let name = reply.texts().next().unwrap_or_default().split(|b| b.is_ascii_whitespace()).next();
            let ours = name.is_some_and(|name| name.eq_ignore_ascii_case(self.settings.hostname.as_bytes()));
            if ours && self.settings.loop_check == LoopCheck::Refuse {
                let verdict = Verdict::failed(Status::ours(554, 4, 6), phase).with_text(reply.into_text());
                return Err(self.finish(verdict, State::Closed));
            }
            if phase == Phase::Greeting && reply.code() != 220 {
                let verdict = protocol_error(phase, Some(reply.into_text()));
                return Err(self.finish(verdict, State::Closed));
            }
            return Ok(reply);
        }
        match classify(phase, reply) {
            Meaning::No { verdict, .. } => Err(self.finish(verdict, State::Closed)),
            Meaning::Yes(_) => Err(self.finish(protocol_error(phase, None), State::Closed)),
        }
    }

    fn after_ehlo(&mut self) -> Option<Step> {
        if self.secured || self.settings.start_tls == StartTls::Never {
            self.state = State::Ready;
        } else if self.offered.start_tls {
            self.say(State::StartTls, "STARTTLS\r\n");
        } else if self.settings.start_tls == StartTls::Required {
            return Some(self.finish(without_tls(), State::Closed));
        } else {
            self.state = State::Ready;
        }
        None
    }

    fn after_start_tls(&mut self, reply: RemoteReply) -> Option<Step> {
        if reply.code() == 220 {
            self.state = State::Handshake;
            return None;
        }
        if self.settings.start_tls == StartTls::Required {
            // 454: not now (RFC 3207 §4). A server that offers it and refuses for good has none.
            let verdict = match reply.code() {
                400..=499 => Verdict::deferred(Status::ours(454, 7, 0), Phase::StartTls),
                _ => without_tls(),
            };
            return Some(self.finish(verdict.with_text(reply.into_text()), State::Closed));
        }
        match classify(Phase::StartTls, reply) {
            // 454 and the like (RFC 3207 §4): the session goes on in clear.
            Meaning::No { closing: false, .. } => self.state = State::Ready,
            Meaning::No { verdict, .. } => {
                return Some(self.finish(as_deferred(verdict), State::Closed));
            }
            Meaning::Yes(_) => {
                return Some(self.finish(protocol_error(Phase::StartTls, None), State::Closed));
            }
        }
        None
    }

    fn after_command(
        &mut self,
        mut awaited: VecDeque<Phase>,
        mut unsent: VecDeque<(Phase, Vec<u8>)>,
        refused: Option<Refused>,
        reply: RemoteReply,
    ) -> Option<Step> {
        let Some(phase) = awaited.pop_front() else {
            return Some(self.finish(protocol_error(Phase::Mail, Some(reply.into_text())), State::Closed));
        };
        let refused = match (refused, classify(phase, reply)) {
            (Some(mut refused), Meaning::Yes(_)) => {
                refused.rcpt_taken |= phase == Phase::Rcpt;
                if phase == Phase::Data {
                    return Some(self.unwanted_354(refused));
                }
                Some(refused)
            }
            // The transaction is over as the first refusal said. Only what closes the connection matters now.
            (Some(refused), Meaning::No { closing: false, .. }) => Some(refused),
            (Some(refused), Meaning::No { closing: true, .. }) => {
                return Some(self.finish(refused.verdict, State::Closed));
            }
            (None, Meaning::No { verdict, closing }) => {
                if closing || phase == Phase::Reset {
                    return Some(self.finish(as_deferred_at_reset(verdict), State::Closed));
                }
                Some(Refused { verdict, rcpt_taken: false })
            }
            (None, Meaning::Yes(_)) if phase == Phase::Data => {
                self.state = State::Content;
                return None;
            }
            (None, Meaning::Yes(_)) => None,
        };
        match (awaited.is_empty(), refused) {
            (true, Some(refused)) => {
                let next = if self.reader.is_empty() { State::Ready } else { State::Closed };
                return Some(self.finish(refused.verdict, next));
            }
            (true, None) => {
                let Some((phase, line)) = unsent.pop_front() else {
                    return Some(self.finish(protocol_error(phase, None), State::Closed));
                };
                self.output.extend_from_slice(&line);
                awaited.push_back(phase);
                self.state = State::Commands { awaited, unsent, refused: None };
            }
            (false, refused) => self.state = State::Commands { awaited, unsent, refused },
        }
        None
    }

    /// 354 for a transaction that is over (RFC 2920 §3.1).
    fn unwanted_354(&mut self, refused: Refused) -> Step {
        if refused.rcpt_taken {
            return self.finish(refused.verdict, State::Closed);
        }
        self.say(State::LoneDot(refused.verdict), ".\r\n");
        Step::Wait
    }

    /// A reply before the final dot. A no counts; a yes makes no sense, since the message was not sent.
    fn refused_early(&mut self, reply: RemoteReply) -> Step {
        let verdict = match classify(Phase::Content, reply) {
            Meaning::No { verdict, .. } => verdict,
            Meaning::Yes(_) => protocol_error(Phase::Content, None),
        };
        self.finish(verdict, State::Closed)
    }

    fn after_dot(&mut self, reply: RemoteReply) -> Step {
        let status = reply.status();
        match classify(Phase::Dot, reply) {
            Meaning::Yes(reply) => {
                self.dirty = false;
                let outcome = Outcome::Delivered { status };
                let remote_text = Some(reply.into_text());
                let verdict = Verdict { outcome, phase: Phase::Dot, remote_text };
                let next = if self.reader.is_empty() { State::Ready } else { State::Closed };
                self.finish(verdict, next)
            }
            Meaning::No { verdict, closing } => {
                let next = if closing || !self.reader.is_empty() { State::Closed } else { State::Ready };
                self.finish(verdict, next)
            }
        }
    }
}

/// TLS is required and there is none (X.7.10, "Encryption Needed", RFC 5248).
fn without_tls() -> Verdict {
    Verdict::deferred(Status::ours(451, 7, 10), Phase::StartTls)
}

/// A failure that is about the connection and not about the message.
fn as_deferred(verdict: Verdict) -> Verdict {
    let status = verdict.outcome.status().as_deferral();
    let outcome = Outcome::Deferred { status, phase: verdict.phase, ambiguous: false };
    Verdict { outcome, ..verdict }
}

/// A refused RSET says nothing about the message that was to follow it.
fn as_deferred_at_reset(verdict: Verdict) -> Verdict {
    if verdict.phase == Phase::Reset { as_deferred(verdict) } else { verdict }
}
