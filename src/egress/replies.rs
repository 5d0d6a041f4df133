//! Replies that mean something else at some providers: a list from the configuration beside the one table of
//! `smtp::client`.
//!
//! Some servers answer 5yz to what passes (a rate limit, a full mailbox, a block list that will forget us), or 4yz to
//! what never will. An entry names the recipients' domain, the reply's beginning and words of its text; the first that fits
//! decides between failure and deferral.
//! Rules: only what the next hop said about sender, recipient or message (MAIL to final dot) is read again; never a
//! delivery, a loss, or a verdict of our own. The domain of an entry counts for those below it too; `*` is any.
//! When it fails: [`OverrideFault`], at start.

use super::Report;
use crate::mail::Domain;
use crate::smtp::client::{Outcome, Phase};

/// What a reply is made to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// To be tried again.
    Deferral,
    /// Not to be tried again.
    Failure,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// `None` is `*`.
    domain: Option<Domain>,
    /// Three digits, or those and an enhanced code.
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    /// Words that stand in the text, in any case; empty: any text.
    text: String,
    class: Class,
}

/// Why an entry is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverrideFault {
    #[error("the domain is neither a domain nor *")]
    Domain,
    #[error("the code is none such as 550 or 550 5.7.1, 400 to 599")]
    Code,
    #[error("class is one of defer, fail")]
    Class,
}

/// All entries, in their order.
#[derive(Debug, Clone, Default)]
pub struct Overrides(pub Vec<Override>);

impl Override {
    /// From the texts of the configuration.
    ///
    /// # Errors
    /// [`OverrideFault`] for the first that is malformed.
    pub fn parse(domain: &str, code: &str, text: &str, class: &str) -> Result<Self, OverrideFault> {
        let domain = match domain {
            "*" => None,
            domain => Some(Domain::parse(domain).map_err(|_| OverrideFault::Domain)?),
        };
        let (digits, enhanced) = match code.split_once(' ') {
            Some((digits, enhanced)) => (digits, Some(enhanced_code(enhanced).ok_or(OverrideFault::Code)?)),
            None => (code, None),
        };
        let code = digits.parse().ok().filter(|code| (400..600).contains(code)).ok_or(OverrideFault::Code)?;
        let class = match class {
            "defer" => Class::Deferral,
            "fail" => Class::Failure,
            _ => return Err(OverrideFault::Class),
        };
        Ok(Self { domain, code, enhanced, text: text.to_owned(), class })
    }

    fn fits(&self, domain: &Domain, report: &Report) -> bool {
        let status = report.outcome.status();
        let Some(said) = &report.remote_text else { return false };
        self.domain.as_ref().is_none_or(|own| domain.is_within(own))
            && said.code() == Some(self.code)
            // What stands in the status agrees with the class of the code; the server's own class may be the other.
            && self.enhanced.is_none_or(|(_, subject, detail)| {
                status.enhanced.is_some_and(|(_, s, d)| (s, d) == (subject, detail))
            })
            && said.mentions(&self.text)
    }
}

impl Overrides {
    /// The report as the list has it.
    #[must_use]
    pub fn apply(&self, domain: &Domain, report: Report) -> Report {
        let read_again =
            matches!(report.phase, Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Content | Phase::Dot)
                && !report.outcome.is_ambiguous();
        let Some(entry) = self.0.iter().find(|entry| read_again && entry.fits(domain, &report)) else {
            return report;
        };
        let outcome = match (report.outcome, entry.class) {
            (Outcome::Failed { status }, Class::Deferral) => {
                Outcome::Deferred { status: status.as_deferral(), phase: report.phase, ambiguous: false }
            }
            (Outcome::Deferred { status, .. }, Class::Failure) => {
                Outcome::Failed { status: status.as_failure() }
            }
            (outcome, _) => outcome,
        };
        Report { outcome, is_decided: true, ..report }
    }
}

fn enhanced_code(text: &str) -> Option<(u8, u16, u16)> {
    let mut parts = text.split('.');
    let code = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && matches!(code.0, 4 | 5)).then_some(code)
}
