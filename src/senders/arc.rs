//! ARC (RFC 8617): what a forwarder that the operator trusts says of the mail as it came to it.
//!
//! Rules: a chain is looked at only where its last sealer is trusted, since anybody can seal anything. The chain must hold
//! as a whole (§5.2); then every sealer from the last one back, as long as they are trusted, is believed: that DMARC passed for
//! this author, or SPF or DKIM for a name that stands for it. The last message signature must cover From. A chain with a
//! broken list of tags, SHA-1 (RFC 8301 §3.1) or a message signature over seals (RFC 8617 §4.1.2) does not hold.
//! When it fails: [`Arc::TempError`], where the DNS did not answer.

use super::dmarc::{Dmarc, is_aligned};
use super::dns::Dns;
use super::results;
use super::tags::is_sound;
use crate::mail::Domain;
use mail_auth::arc::ChainLink;
use mail_auth::{AuthenticatedMessage, DkimResult};
use serde_json::{Value, json};

/// What a chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arc {
    /// There is none, or none whose last sealer is trusted.
    None,
    /// It holds, and a trusted sealer says that the author was proven.
    Proven {
        sealer: Domain,
    },
    /// It holds, and nobody trusted says so.
    Silent,
    /// It does not hold.
    Broken,
    TempError,
}

impl Arc {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Arc::None => Value::Null,
            Arc::Proven { sealer } => json!({ "result": "pass", "proves": true, "sealer": sealer.as_str() }),
            Arc::Silent => json!({ "result": "pass", "proves": false }),
            Arc::Broken => json!({ "result": "fail" }),
            Arc::TempError => json!({ "result": "temperror" }),
        }
    }
}

/// Whether a chain holds (RFC 8617 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    None,
    Pass,
    Fail,
    TempError,
}

impl Chain {
    /// The word of RFC 8617 §4.4, or that of RFC 8601 where the DNS did not answer.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Chain::None => "none",
            Chain::Pass => "pass",
            Chain::Fail => "fail",
            Chain::TempError => "temperror",
        }
    }
}

/// Checks a whole chain, whoever sealed it.
pub(super) async fn chain(dns: &Dns, message: &AuthenticatedMessage<'_>) -> Chain {
    if !is_well_formed(message) {
        return Chain::Fail;
    }
    of_result(dns.authenticator.verify_arc(message).await.result())
}

fn of_result(result: &DkimResult) -> Chain {
    match result {
        DkimResult::Pass => Chain::Pass,
        DkimResult::None => Chain::None,
        DkimResult::TempError(_) => Chain::TempError,
        DkimResult::Fail(_) | DkimResult::Neutral(_) | DkimResult::PermError(_) => Chain::Fail,
    }
}

/// Whether the fields of a chain are what the crate takes for granted.
fn is_well_formed(message: &AuthenticatedMessage<'_>) -> bool {
    let (seals, signatures) = (message.arc_seals(), message.arc_message_signatures());
    seals.len() == signatures.len()
        && seals.iter().all(|seal| is_sound(seal.value, &["i", "a", "b", "cv", "d", "s"]))
        && signatures.iter().all(|signature| {
            is_sound(signature.value, &["i", "a", "b", "bh", "d", "h", "s"])
                && !signature.header.h.iter().any(|name| name.trim().eq_ignore_ascii_case("arc-seal"))
        })
}

/// Whether the last sealer is one of the trusted: then the chain is worth its look-ups.
pub(super) fn is_from_trusted(message: &AuthenticatedMessage<'_>, trusted: &[Domain]) -> bool {
    let last = message.arc_seals().iter().max_by_key(|seal| seal.header.i);
    last.is_some_and(|seal| is_trusted(&seal.header.d, trusted))
}

/// What a chain that came from a trusted sealer says of the author.
pub(super) async fn said(
    dns: &Dns,
    message: &AuthenticatedMessage<'_>,
    trusted: &[Domain],
    author: &Domain,
    dmarc: &Dmarc,
) -> Arc {
    if !is_well_formed(message) {
        return Arc::Broken;
    }
    let output = dns.authenticator.verify_arc(message).await;
    match of_result(output.result()) {
        Chain::Pass => {}
        Chain::None => return Arc::None,
        Chain::Fail => return Arc::Broken,
        Chain::TempError => return Arc::TempError,
    }
    let covers_from = output.chain().last().is_some_and(|link| {
        link.signature.header.h.iter().any(|name| name.trim().eq_ignore_ascii_case("from"))
    });
    let links = output.chain().iter().rev().take_while(|link| {
        is_trusted(&link.seal.header.d, trusted) && is_trusted(&link.signature.header.d, trusted)
    });
    let says = links.filter(|_| covers_from).find(|link| proves(link, author, dmarc));
    match says.map(|link| Domain::parse(&link.seal.header.d)) {
        Some(Ok(sealer)) => Arc::Proven { sealer },
        _ => Arc::Silent,
    }
}

fn is_trusted(name: &str, trusted: &[Domain]) -> bool {
    Domain::parse(name).is_ok_and(|name| trusted.iter().any(|trusted| name.is_within(trusted)))
}

/// Whether a sealer wrote down that the author was proven when it got the mail.
fn proves(link: &ChainLink<'_>, author: &Domain, dmarc: &Dmarc) -> bool {
    // Strictness that the DNS did not tell is no reason to look away from DMARC's own pass.
    let modes = match dmarc {
        Dmarc::Known { spf, dkim, .. } => Some((*spf, *dkim)),
        Dmarc::Unknown => None,
    };
    results::passed(link.results.value).iter().any(|passed| {
        let aligned = |name: Option<Domain>, mode| name.is_some_and(|name| is_aligned(author, &name, mode));
        match (passed.method.as_str(), modes) {
            ("dmarc", _) => passed.domain("header.from").as_ref() == Some(author),
            ("dkim", Some((_, mode))) => {
                aligned(passed.domain("header.d").or_else(|| passed.domain("header.i")), mode)
            }
            ("spf", Some((mode, _))) => aligned(passed.domain("smtp.mailfrom"), mode),
            _ => false,
        }
    })
}
