//! From what was found to who wrote: the decision. Pure.
//!
//! | found | means |
//! |---|---|
//! | the client's network is trusted | proven |
//! | DKIM passes for a name that stands for the author's domain | proven |
//! | SPF passes for such a name | proven |
//! | a trusted forwarder says that one of these held when it got the mail | proven |
//! | none of these, but for one of them the DNS did not answer | unknown: try again |
//! | none of these, and the author's policy is unknown | unknown: try again |
//! | none of these | unproven, with what the author's domain asks for |
//!
//! "Stands for" is DMARC's identifier alignment (RFC 7489 §3.1), also where the domain publishes no policy. Where the policy
//! is unknown, only the author's very domain counts, since the policy may ask for that.

use super::arc::Arc;
use super::dmarc::{Dmarc, Mode, Wish, is_aligned};
use super::findings::{Checked, Dkim, Findings};
use super::spf::Spf;
use crate::mail::Domain;

/// What proved a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Network,
    Dkim,
    Spf,
    Forwarder,
}

/// Who wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The domain in From answers for it.
    Proven(By),
    /// Nothing says so, and this is what the domain asks for.
    Unproven(Wish),
    /// The DNS did not answer (RFC 7208 §2.6.6, RFC 7489 §6.6.3).
    Unknown,
}

impl Verdict {
    /// The word in records and events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Proven(By::Network) => "trusted",
            Verdict::Proven(By::Dkim) => "proven by dkim",
            Verdict::Proven(By::Spf) => "proven by spf",
            Verdict::Proven(By::Forwarder) => "proven by forwarder",
            Verdict::Unproven(_) => "unproven",
            Verdict::Unknown => "unknown",
        }
    }
}

impl Findings {
    /// Decides.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Findings::Trusted => Verdict::Proven(By::Network),
            Findings::Checked(checked) => of_checks(checked),
        }
    }
}

fn of_checks(found: &Checked) -> Verdict {
    let Some(author) = &found.author else { return Verdict::Unproven(Wish::Unpublished) };
    let (spf_mode, dkim_mode) = match found.dmarc {
        Dmarc::Known { spf, dkim, .. } => (spf, dkim),
        Dmarc::Unknown => (Mode::Strict, Mode::Strict),
    };
    let stands =
        |name: &Option<Domain>, mode| name.as_ref().is_some_and(|name| is_aligned(author, name, mode));
    let signed = |result| {
        found.dkim.iter().any(|signature| signature.result == result && stands(&signature.domain, dkim_mode))
    };
    let sent = |result| found.spf.result == result && stands(&found.spf.domain, spf_mode);
    if signed(Dkim::Pass) {
        return Verdict::Proven(By::Dkim);
    }
    if sent(Spf::Pass) {
        return Verdict::Proven(By::Spf);
    }
    if matches!(found.arc, Arc::Proven { .. }) {
        return Verdict::Proven(By::Forwarder);
    }
    match found.dmarc {
        Dmarc::Unknown => Verdict::Unknown,
        Dmarc::Known { .. } if signed(Dkim::TempError) || sent(Spf::TempError) => Verdict::Unknown,
        Dmarc::Known { .. } if found.arc == Arc::TempError => Verdict::Unknown,
        Dmarc::Known { wish, .. } => Verdict::Unproven(wish),
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::{DkimFound, Identity, Iprev, SpfFound};
    use super::*;

    fn domain(text: &str) -> Option<Domain> {
        Domain::parse(text).ok()
    }

    fn nothing() -> Checked {
        Checked {
            author: domain("mail.example"),
            spf: SpfFound { result: Spf::None, identity: Identity::MailFrom, domain: domain("mail.example") },
            dkim: Vec::new(),
            arc: Arc::None,
            dmarc: Dmarc::UNPUBLISHED,
            iprev: Iprev::Pass,
        }
    }

    fn spf(result: Spf, name: &str) -> SpfFound {
        SpfFound { result, identity: Identity::MailFrom, domain: domain(name) }
    }

    fn dkim(result: Dkim, name: &str) -> DkimFound {
        DkimFound { result, domain: domain(name), selector: "s".into() }
    }

    fn policy(wish: Wish, mode: Mode) -> Dmarc {
        Dmarc::Known { wish, spf: mode, dkim: mode }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn who_wrote_follows_from_what_was_found() {
        use Verdict::{Proven, Unknown, Unproven};
        let reject = policy(Wish::Reject, Mode::Relaxed);
        let strict = policy(Wish::Reject, Mode::Strict);
        let sealer = Arc::Proven { sealer: Domain::parse("list.example").unwrap() };
        let none = Vec::new;
        for (case, spf, dkim, arc, dmarc, verdict) in [
            (
                "nothing",
                spf(Spf::None, "mail.example"),
                none(),
                Arc::None,
                Dmarc::UNPUBLISHED,
                Unproven(Wish::Unpublished),
            ),
            ("SPF", spf(Spf::Pass, "mail.example"), none(), Arc::None, Dmarc::UNPUBLISHED, Proven(By::Spf)),
            (
                "SPF of a subdomain",
                spf(Spf::Pass, "b.mail.example"),
                none(),
                Arc::None,
                reject,
                Proven(By::Spf),
            ),
            (
                "the same, strict",
                spf(Spf::Pass, "b.mail.example"),
                none(),
                Arc::None,
                strict,
                Unproven(Wish::Reject),
            ),
            (
                "SPF of another",
                spf(Spf::Pass, "liar.example"),
                none(),
                Arc::None,
                reject,
                Unproven(Wish::Reject),
            ),
            (
                "SPF neutral",
                spf(Spf::Neutral, "mail.example"),
                none(),
                Arc::None,
                reject,
                Unproven(Wish::Reject),
            ),
            (
                "SPF softfail",
                spf(Spf::SoftFail, "mail.example"),
                none(),
                Arc::None,
                Dmarc::UNPUBLISHED,
                Unproven(Wish::Unpublished),
            ),
            (
                "SPF permerror",
                spf(Spf::PermError, "mail.example"),
                none(),
                Arc::None,
                Dmarc::UNPUBLISHED,
                Unproven(Wish::Unpublished),
            ),
            ("SPF temperror", spf(Spf::TempError, "mail.example"), none(), Arc::None, reject, Unknown),
            (
                "SPF temperror of another",
                spf(Spf::TempError, "liar.example"),
                none(),
                Arc::None,
                reject,
                Unproven(Wish::Reject),
            ),
            (
                "DKIM, SPF fails",
                spf(Spf::Fail, "mail.example"),
                vec![dkim(Dkim::Pass, "mail.example")],
                Arc::None,
                strict,
                Proven(By::Dkim),
            ),
            (
                "DKIM of another",
                spf(Spf::None, "x.example"),
                vec![dkim(Dkim::Pass, "liar.example")],
                Arc::None,
                reject,
                Unproven(Wish::Reject),
            ),
            (
                "one of several",
                spf(Spf::None, "x.example"),
                vec![dkim(Dkim::Fail, "mail.example"), dkim(Dkim::Pass, "mail.example")],
                Arc::None,
                reject,
                Proven(By::Dkim),
            ),
            (
                "DKIM temperror",
                spf(Spf::Fail, "x.example"),
                vec![dkim(Dkim::TempError, "mail.example")],
                Arc::None,
                reject,
                Unknown,
            ),
            (
                "DKIM temperror, SPF",
                spf(Spf::Pass, "mail.example"),
                vec![dkim(Dkim::TempError, "mail.example")],
                Arc::None,
                reject,
                Proven(By::Spf),
            ),
            (
                "DKIM of a key on trial",
                spf(Spf::Fail, "x.example"),
                vec![dkim(Dkim::Policy, "mail.example")],
                Arc::None,
                reject,
                Unproven(Wish::Reject),
            ),
            (
                "a forwarder",
                spf(Spf::Pass, "list.example"),
                vec![dkim(Dkim::Fail, "mail.example")],
                sealer,
                reject,
                Proven(By::Forwarder),
            ),
            (
                "a silent forwarder",
                spf(Spf::Pass, "list.example"),
                none(),
                Arc::Silent,
                reject,
                Unproven(Wish::Reject),
            ),
            (
                "a broken chain",
                spf(Spf::Pass, "list.example"),
                none(),
                Arc::Broken,
                reject,
                Unproven(Wish::Reject),
            ),
            ("a chain unknown", spf(Spf::Pass, "list.example"), none(), Arc::TempError, reject, Unknown),
            ("policy unknown", spf(Spf::None, "mail.example"), none(), Arc::None, Dmarc::Unknown, Unknown),
            (
                "policy unknown, SPF to the letter",
                spf(Spf::Pass, "mail.example"),
                none(),
                Arc::None,
                Dmarc::Unknown,
                Proven(By::Spf),
            ),
            (
                "policy unknown, SPF of a subdomain",
                spf(Spf::Pass, "b.mail.example"),
                none(),
                Arc::None,
                Dmarc::Unknown,
                Unknown,
            ),
        ] {
            let found = Checked { spf, dkim, arc, dmarc, ..nothing() };
            assert_eq!(Findings::Checked(found).verdict(), verdict, "{case}");
        }
        let anonymous = Checked { author: None, spf: spf(Spf::Pass, "mail.example"), ..nothing() };
        assert_eq!(Findings::Checked(anonymous).verdict(), Unproven(Wish::Unpublished));
        assert_eq!(Findings::Trusted.verdict(), Proven(By::Network));
    }
}
