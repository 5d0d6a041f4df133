//! What was found of a sender, as it is judged and recorded. Pure.

use super::arc::Arc;
use super::dmarc::{Dmarc, Wish};
use super::signed::Check;
use super::spf::Spf;
use super::verdict::{By, Verdict};
use crate::mail::Domain;
use serde_json::{Value, json};

/// Signatures that a record tells of.
const RECORDED: usize = 10;

/// Which name SPF was asked for (RFC 7208 §2.3, §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The domain of the reverse-path.
    MailFrom,
    /// What the client said of itself, where the reverse-path is null.
    Helo,
}

/// SPF, with the name it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpfFound {
    pub result: Spf,
    pub identity: Identity,
    /// `None` where that name is none.
    pub domain: Option<Domain>,
}

/// What one signature is worth (RFC 8601 §2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dkim {
    Pass,
    Fail,
    /// It verifies, but is none that we count: of a key that is being tried out (RFC 6376 §3.6.1).
    Policy,
    Neutral,
    PermError,
    TempError,
}

impl Dkim {
    pub(super) fn of(check: Check) -> Self {
        match check {
            Check::Pass => Dkim::Pass,
            Check::Fail => Dkim::Fail,
            Check::OnTrial => Dkim::Policy,
            Check::Idle => Dkim::Neutral,
            Check::NoKey => Dkim::PermError,
        }
    }

    /// The word of RFC 8601 §2.7.1.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Dkim::Pass => "pass",
            Dkim::Fail => "fail",
            Dkim::Policy => "policy",
            Dkim::Neutral => "neutral",
            Dkim::PermError => "permerror",
            Dkim::TempError => "temperror",
        }
    }
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimFound {
    pub result: Dkim,
    /// `d=`; `None` where it could not be read.
    pub domain: Option<Domain>,
    pub selector: String,
}

/// Whether the client's address has a name that leads back to it (RFC 8601 §2.7.3). It proves nothing of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iprev {
    Pass,
    Fail,
    TempError,
    PermError,
}

impl Iprev {
    /// The word of RFC 8601 §2.7.3.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Iprev::Pass => "pass",
            Iprev::Fail => "fail",
            Iprev::TempError => "temperror",
            Iprev::PermError => "permerror",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Findings {
    /// The client is in a network that is trusted: nothing was asked.
    Trusted,
    Checked(Checked),
}

/// What the checks gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The domain in From.
    pub author: Option<Domain>,
    pub spf: SpfFound,
    pub dkim: Vec<DkimFound>,
    pub arc: Arc,
    pub dmarc: Dmarc,
    pub iprev: Iprev,
}

impl Checked {
    /// The domain of the first signature that holds.
    #[must_use]
    pub fn signer(&self) -> Option<&Domain> {
        self.dkim.iter().find(|found| found.result == Dkim::Pass).and_then(|found| found.domain.as_ref())
    }
}

impl Findings {
    /// For the sealed log record: names of domains, no addresses.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Findings::Checked(checked) = self else { return json!({ "network": "trusted" }) };
        let name = |domain: &Option<Domain>| domain.as_ref().map(Domain::as_str).map(str::to_owned);
        let identity = match checked.spf.identity {
            Identity::MailFrom => "mailfrom",
            Identity::Helo => "helo",
        };
        let signatures: Vec<Value> = checked
            .dkim
            .iter()
            .take(RECORDED)
            .map(|found| json!({ "result": found.result.word(), "d": name(&found.domain), "s": found.selector }))
            .collect();
        let dmarc = match &checked.dmarc {
            Dmarc::Known { wish, .. } => wish.word(),
            Dmarc::Unknown => "temperror",
        };
        json!({
            "author": name(&checked.author),
            "spf": { "result": checked.spf.result.word(), identity: name(&checked.spf.domain) },
            "dkim": signatures,
            "arc": checked.arc.to_json(),
            "dmarc_policy": dmarc,
            "iprev": checked.iprev.word(),
        })
    }

    /// DMARC in one word (RFC 7489 §11.2); `None` where nothing was asked.
    #[must_use]
    pub fn dmarc_word(&self) -> Option<&'static str> {
        let Findings::Checked(checked) = self else { return None };
        Some(match (&checked.dmarc, self.verdict()) {
            (Dmarc::Unknown, _) => "temperror",
            (Dmarc::Known { wish: Wish::Unpublished, .. }, _) => "none",
            (Dmarc::Known { .. }, Verdict::Proven(By::Dkim | By::Spf)) => "pass",
            (Dmarc::Known { .. }, Verdict::Unknown) => "temperror",
            (Dmarc::Known { .. }, _) => "fail",
        })
    }

    /// SPF in one word, for events.
    #[must_use]
    pub fn spf_word(&self) -> &'static str {
        match self {
            Findings::Trusted => "trusted",
            Findings::Checked(checked) => checked.spf.result.word(),
        }
    }

    /// The best of the signatures in one word, for events.
    #[must_use]
    pub fn dkim_word(&self) -> &'static str {
        let Findings::Checked(checked) = self else { return "trusted" };
        let rank = |result: Dkim| match result {
            Dkim::Pass => 0,
            Dkim::TempError => 1,
            Dkim::Fail => 2,
            Dkim::Policy => 3,
            Dkim::Neutral => 4,
            Dkim::PermError => 5,
        };
        checked
            .dkim
            .iter()
            .map(|found| found.result)
            .min_by_key(|result| rank(*result))
            .map_or("none", Dkim::word)
    }
}
