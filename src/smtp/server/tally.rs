//! Counts what a client does wrong or in vain in one session.
//!
//! Rules: an accepted message forgives errors and junk, not failures to authenticate; so a client that delivers may
//! keep its connection as long as it likes.

use super::config::Limits;
use super::replies::Says;

/// The counters of a session.
#[derive(Default)]
pub(super) struct Tally {
    errors: u32,
    junk: u32,
    long_lines: u32,
    auth_failures: u32,
    messages: u32,
}

impl Tally {
    /// A command that was wrong.
    pub(super) fn error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }

    /// A command that moves no mail.
    pub(super) fn junk(&mut self, limits: &Limits) {
        self.junk = self.junk.saturating_add(1);
        if self.junk > limits.max_junk {
            self.error();
        }
    }

    /// An overlong line; true from the second on.
    pub(super) fn long_line(&mut self) -> bool {
        self.long_lines = self.long_lines.saturating_add(1);
        self.long_lines > 1
    }

    /// A wrong name or password.
    pub(super) fn auth_failure(&mut self) {
        self.auth_failures = self.auth_failures.saturating_add(1);
    }

    /// A message that was read to its end, whatever became of it.
    pub(super) fn message(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    /// A message that was accepted.
    pub(super) fn accepted(&mut self) {
        self.errors = 0;
        self.junk = 0;
    }

    /// Why the session must end, if it must. After the last message it ends at once: a 421 to the next MAIL would
    /// make its sender defer that one, while a closed connection is opened anew.
    pub(super) fn verdict(&self, limits: &Limits) -> Option<Says> {
        if self.auth_failures >= limits.max_auth_failures {
            Some(Says::TooManyAuthFailures)
        } else if self.errors >= limits.max_errors {
            Some(Says::TooManyErrors)
        } else if self.messages >= limits.max_messages {
            Some(Says::EnoughMessages)
        } else {
            None
        }
    }
}
