//! DMARC (RFC 7489): what the domain in From asks for, and which other names stand for it.
//!
//! Rules: the record of the domain itself, else of its organizational domain (§6.6.3), which is found by the public suffix
//! list (§3.2) that is compiled in. Two records, or one that cannot be read, are none. A record that says `psd=n`
//! (RFC 9989 §4.7) cuts its domain off from those above and beside it. `pct=0` and `t=y` mean that the domain is still
//! trying its policy out: one step milder (RFC 7489 §6.6.4, RFC 9989 §4.7).
//! When it fails: [`Dmarc::Unknown`], where the DNS did not answer.

use super::dns::{Dns, Found};
use crate::mail::Domain;
use mail_auth::dmarc::{Alignment, DmarcRecord, Policy, Psd};
use mail_auth::dns::TxtRecordParser;

/// What a domain asks to be done with mail that does not prove to come from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It publishes nothing.
    Unpublished,
    None,
    Quarantine,
    Reject,
}

impl Wish {
    /// The word in records and events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Wish::Unpublished => "unpublished",
            Wish::None => "none",
            Wish::Quarantine => "quarantine",
            Wish::Reject => "reject",
        }
    }

    fn milder(self) -> Self {
        match self {
            Wish::Reject => Wish::Quarantine,
            Wish::Quarantine | Wish::None => Wish::None,
            Wish::Unpublished => Wish::Unpublished,
        }
    }
}

/// How a name must agree with the domain in From (RFC 7489 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By organizational domain.
    Relaxed,
    /// To the letter.
    Strict,
    /// It or what lies below it: the domain says that it is an organization of its own.
    OwnOrganization,
}

/// What was found of a domain's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dmarc {
    Known {
        wish: Wish,
        spf: Mode,
        dkim: Mode,
    },
    /// The DNS did not say.
    Unknown,
}

impl Dmarc {
    /// A domain without a record: alignment is relaxed, and nothing is asked for.
    pub const UNPUBLISHED: Dmarc =
        Dmarc::Known { wish: Wish::Unpublished, spf: Mode::Relaxed, dkim: Mode::Relaxed };
}

/// Looks up what a domain asks for.
pub(super) async fn policy(dns: &Dns, author: &Domain) -> Dmarc {
    match record(dns, author).await {
        Ok(Some(text)) => return read(&text, Of::Itself).unwrap_or(Dmarc::UNPUBLISHED),
        Ok(None) => {}
        Err(()) => return Dmarc::Unknown,
    }
    let organization = organization(author);
    if organization == author.as_str() {
        return Dmarc::UNPUBLISHED;
    }
    let Ok(organization) = Domain::parse(organization) else { return Dmarc::UNPUBLISHED };
    match record(dns, &organization).await {
        Ok(text) => text.and_then(|text| read(&text, Of::Subdomain)).unwrap_or(Dmarc::UNPUBLISHED),
        Err(()) => Dmarc::Unknown,
    }
}

/// The one record at a domain.
async fn record(dns: &Dns, domain: &Domain) -> Result<Option<Vec<u8>>, ()> {
    match dns.txt(&format!("_dmarc.{domain}")).await {
        Found::Some(texts) => {
            let mut records = texts.iter().filter_map(|text| as_record(text));
            Ok(records.next().filter(|_| records.next().is_none()))
        }
        Found::Nothing => Ok(None),
        Found::Unknown => Err(()),
    }
}

/// A text that is a record, its version written without blanks (RFC 7489 §6.4 allows some around the sign).
fn as_record(text: &[u8]) -> Option<Vec<u8>> {
    let rest = text.strip_prefix(b"v")?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"DMARC1")?;
    let is_version = rest.trim_ascii_start().first().is_none_or(|next| *next == b';');
    is_version.then(|| [b"v=DMARC1", rest].concat())
}

/// Whose record it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Itself,
    Subdomain,
}

/// What a record means for the domain in From.
fn read(text: &[u8], of: Of) -> Option<Dmarc> {
    let record = DmarcRecord::parse(text).ok()?;
    let wish = |policy: Policy| match policy {
        Policy::Reject => Some(Wish::Reject),
        Policy::Quarantine => Some(Wish::Quarantine),
        Policy::None => Some(Wish::None),
        Policy::Unspecified => None,
    };
    // RFC 7489 §6.6.3: without `p` a record counts only if somebody wants reports.
    let own = wish(record.p).or((!record.rua.is_empty()).then_some(Wish::None))?;
    let asked = match of {
        Of::Itself => own,
        Of::Subdomain => wish(record.sp).unwrap_or(own),
    };
    let asked = if record.t || is_sampled_out(text) { asked.milder() } else { asked };
    let mode = |alignment: &Alignment| match (alignment, &record.psd, of) {
        (Alignment::Strict, _, _) => Mode::Strict,
        (Alignment::Relaxed, Psd::No | Psd::Yes, Of::Itself) => Mode::OwnOrganization,
        (Alignment::Relaxed, _, _) => Mode::Relaxed,
    };
    Some(Dmarc::Known { wish: asked, spf: mode(&record.aspf), dkim: mode(&record.adkim) })
}

/// Whether the record says `pct=0`.
fn is_sampled_out(text: &[u8]) -> bool {
    text.split(|b| *b == b';').any(|tag| {
        let tag: Vec<u8> = tag.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        tag.eq_ignore_ascii_case(b"pct=0")
    })
}

/// Whether a proven name stands for the domain in From.
pub(super) fn is_aligned(author: &Domain, name: &Domain, mode: Mode) -> bool {
    if name == author {
        return true;
    }
    match mode {
        Mode::Strict => false,
        Mode::OwnOrganization => name.is_within(author),
        Mode::Relaxed => organization(author) == organization(name),
    }
}

/// The domain that somebody registered, by the public suffix list. A public suffix, and a literal, is its own.
#[must_use]
pub fn registrable(domain: &Domain) -> Domain {
    Domain::parse(organization(domain)).unwrap_or_else(|_| domain.clone())
}

/// The organizational domain (RFC 7489 §3.2). A public suffix, and a literal, is its own.
fn organization(domain: &Domain) -> &str {
    let text = domain.as_str();
    if domain.is_literal() { text } else { psl::domain_str(text).unwrap_or(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn two_names_are_one_organizations_below_one_public_suffix() {
        for (author, name, relaxed) in [
            ("example.com", "example.com", true),
            ("example.com", "mail.example.com", true),
            ("news.example.com", "bounce.example.com", true),
            ("example.com", "example.net", false),
            ("example.com", "notexample.com", false),
            ("a.co.jp", "b.co.jp", false),
            ("docomo.ne.jp", "mfsmax.docomo.ne.jp", true),
            ("ezweb.ne.jp", "docomo.ne.jp", false),
            ("a.github.io", "b.github.io", false),
            ("com", "example.com", false),
            ("日本語.jp", "mx.xn--wgv71a119e.jp", true),
            ("[192.0.2.1]", "[192.0.2.1]", true),
        ] {
            assert_eq!(is_aligned(&domain(author), &domain(name), Mode::Relaxed), relaxed, "{author} {name}");
        }
        assert!(is_aligned(&domain("example.com"), &domain("example.com"), Mode::Strict));
        assert!(!is_aligned(&domain("example.com"), &domain("mail.example.com"), Mode::Strict));
        let own = |author, name| is_aligned(&domain(author), &domain(name), Mode::OwnOrganization);
        assert!(own("a.example.com", "mx.a.example.com"));
        assert!(!own("a.example.com", "b.example.com") && !own("a.example.com", "example.com"));
    }

    #[test]
    fn a_record_begins_with_its_version_and_nothing_like_it() {
        for text in
            ["v=DMARC1; p=reject", "v = DMARC1 ;p=reject", "v\t=\tDMARC1; p=reject", "v=DMARC1;p=reject"]
        {
            let found = as_record(text.as_bytes()).and_then(|text| read(&text, Of::Itself));
            assert!(matches!(found, Some(Dmarc::Known { wish: Wish::Reject, .. })), "{text}: {found:?}");
        }
        for text in [
            "v=DMARC10; p=reject",
            "V=DMARC1; p=reject",
            "v=dmarc1; p=reject",
            "p=reject; v=DMARC1",
            "v=spf1 -all",
        ] {
            assert_eq!(as_record(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_record_asks_for_what_it_says_and_a_broken_one_for_nothing() {
        use Mode::{OwnOrganization, Relaxed, Strict};
        let known = |wish, spf, dkim| Some(Dmarc::Known { wish, spf, dkim });
        for (text, itself, subdomain) in [
            (
                "v=DMARC1; p=reject",
                known(Wish::Reject, Relaxed, Relaxed),
                known(Wish::Reject, Relaxed, Relaxed),
            ),
            (
                "v=DMARC1; p=reject; sp=none; aspf=s",
                known(Wish::Reject, Strict, Relaxed),
                known(Wish::None, Strict, Relaxed),
            ),
            (
                "v=DMARC1;p=quarantine;adkim=s",
                known(Wish::Quarantine, Relaxed, Strict),
                known(Wish::Quarantine, Relaxed, Strict),
            ),
            (
                "v=DMARC1; p=reject; pct = 0",
                known(Wish::Quarantine, Relaxed, Relaxed),
                known(Wish::Quarantine, Relaxed, Relaxed),
            ),
            (
                "v=DMARC1; p=quarantine; t=y",
                known(Wish::None, Relaxed, Relaxed),
                known(Wish::None, Relaxed, Relaxed),
            ),
            (
                "v=DMARC1; p=reject; psd=n",
                known(Wish::Reject, OwnOrganization, OwnOrganization),
                known(Wish::Reject, Relaxed, Relaxed),
            ),
            (
                "v=DMARC1; rua=mailto:dmarc@example.com",
                known(Wish::None, Relaxed, Relaxed),
                known(Wish::None, Relaxed, Relaxed),
            ),
            ("v=DMARC1; p=everything", None, None),
            ("v=DMARC1", None, None),
            ("v=DMARC2; p=reject", None, None),
        ] {
            assert_eq!(read(text.as_bytes(), Of::Itself), itself, "{text}");
            assert_eq!(read(text.as_bytes(), Of::Subdomain), subdomain, "{text}, below");
        }
    }
}
