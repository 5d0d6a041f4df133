//! How an attempt ended: delivered, deferred or failed, with codes that agree with it.
//!
//! Rules: a deferral carries a 4yz code and a 4.y.z enhanced code, a failure 5 and 5, whatever digits the server
//! mixed (RFC 3463 §2: the class is the first digit of both). Loss after the final dot is a deferral that says so:
//! the next hop may have the message (RFC 1047, RFC 5321 §6.1).

use super::{Phase, RemoteText};

/// Codes of a reply, of a server's or of our own making where there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Three digits, 200 to 599.
    pub code: u16,
    /// `class.subject.detail` (RFC 3463); its class is the first digit of `code`.
    pub enhanced: Option<(u8, u16, u16)>,
}

impl Status {
    /// No way that keeps REQUIRETLS (RFC 8689 §6.2).
    pub const REQUIRE_TLS: Self = Self::ours(550, 7, 30);

    /// A status of our own: `code` and `class.subject.detail`, the class being that of `code`.
    #[must_use]
    pub const fn ours(code: u16, subject: u16, detail: u16) -> Self {
        Self { code, enhanced: Some((class_of(code), subject, detail)) }
    }

    /// The enhanced code, `class.0.0` where the server gave none.
    #[must_use]
    pub const fn enhanced_or_general(self) -> (u8, u16, u16) {
        match self.enhanced {
            Some(enhanced) => enhanced,
            None => (class_of(self.code), 0, 0),
        }
    }

    /// The same in the 4yz class. 552 becomes 452 (RFC 5321 §4.5.3.1.10), any other 5yz becomes 451.
    #[must_use]
    pub(super) fn as_deferral(self) -> Self {
        let code = match self.code {
            400..=499 => self.code,
            552 => 452,
            _ => 451,
        };
        Self { code, enhanced: self.enhanced.map(|(_, subject, detail)| (4, subject, detail)) }
    }
}

/// The first digit.
const fn class_of(code: u16) -> u8 {
    match code {
        200..=299 => 2,
        300..=399 => 3,
        400..=499 => 4,
        _ => 5,
    }
}

/// How a transaction, or the attempt to begin one, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop took responsibility.
    Delivered { status: Status },
    /// To be tried again. `ambiguous`: the final dot was sent and no answer to it was understood, so the next
    /// hop may have the message already.
    Deferred { status: Status, phase: Phase, ambiguous: bool },
    /// Trying again would not help.
    Failed { status: Status },
}

impl Outcome {
    /// Its codes.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Outcome::Delivered { status } | Outcome::Deferred { status, .. } | Outcome::Failed { status } => {
                *status
            }
        }
    }

    /// Whether the next hop may have the message although it is deferred.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Outcome::Deferred { ambiguous: true, .. })
    }
}

/// An outcome, where it came about, and what the server said about it.
pub struct Verdict {
    pub outcome: Outcome,
    pub phase: Phase,
    /// `None` where no server spoke.
    pub remote_text: Option<RemoteText>,
}

impl Verdict {
    /// A deferral of our own making.
    #[must_use]
    pub fn deferred(status: Status, phase: Phase) -> Self {
        Self {
            outcome: Outcome::Deferred { status: status.as_deferral(), phase, ambiguous: false },
            phase,
            remote_text: None,
        }
    }

    /// A failure of our own making.
    #[must_use]
    pub fn failed(status: Status, phase: Phase) -> Self {
        Self { outcome: Outcome::Failed { status }, phase, remote_text: None }
    }

    /// With what the server said.
    #[must_use]
    pub(super) fn with_text(mut self, text: RemoteText) -> Self {
        self.remote_text = Some(text);
        self
    }
}
