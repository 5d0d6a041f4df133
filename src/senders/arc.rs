//! ARC (RFC 8617): what a forwarder that the operator trusts says of the mail as it came to it.
//!
//! Rules: a chain is looked at only where its last sealer is trusted, since anybody can seal anything. The chain must hold
//! as a whole (§5.2); then every sealer from the last one back, as long as they are trusted, is believed: that DMARC passed for
//! this author, or SPF or DKIM for a name that stands for it. The last message signature must cover From. A chain with a
//! broken list of tags, SHA-1 (RFC 8301 §3.1) or a message signature over seals (RFC 8617 §4.1.2) does not hold.
//! When it fails: [`Arc::TempError`], where the DNS did not answer.

use super::dmarc::{Dmarc, is_aligned};
use super::dns::{Dns, Found};
use super::results;
use super::signed::{BrokenChain, Message, Set};
use crate::mail::{Domain, Timestamp};
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
    /// The word of RFC 8617 §4.4, or that of RFC 8601 where the DNS did not answer.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Arc::None => "none",
            Arc::Proven { .. } | Arc::Silent => "pass",
            Arc::Broken => "fail",
            Arc::TempError => "temperror",
        }
    }

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
pub(super) async fn chain(dns: &Dns, message: &Message<'_>) -> Chain {
    match message.chain() {
        Ok(None) => Chain::None,
        Err(BrokenChain) => Chain::Fail,
        Ok(Some(sets)) => holds(dns, message, &sets).await,
    }
}

/// Whether the last set signs the message, and every seal is over what stood before it (RFC 8617 §5.2).
async fn holds(dns: &Dns, message: &Message<'_>, sets: &[Set<'_>]) -> Chain {
    let Some((last, _)) = sets.split_last() else { return Chain::None };
    let [name, _] = last.key_names();
    match dns.txt(&name).await {
        Found::Some(records) if last.signs(message, &records, Timestamp::now()) => {}
        Found::Some(_) | Found::Nothing => return Chain::Fail,
        Found::Unknown => return Chain::TempError,
    }
    for (number, set) in sets.iter().enumerate().rev() {
        let [_, name] = set.key_names();
        let before = sets.get(..number).unwrap_or_default();
        match dns.txt(&name).await {
            Found::Some(records) if set.seals(message, before, &records) => {}
            Found::Some(_) | Found::Nothing => return Chain::Fail,
            Found::Unknown => return Chain::TempError,
        }
    }
    Chain::Pass
}

/// Whether the last sealer is one of the trusted: then the chain is worth its look-ups.
pub(super) fn is_from_trusted(message: &Message<'_>, trusted: &[Domain]) -> bool {
    !trusted.is_empty() && message.last_sealer().is_some_and(|sealer| is_trusted(&sealer, trusted))
}

/// What a chain that came from a trusted sealer says of the author.
pub(super) async fn said(
    dns: &Dns,
    message: &Message<'_>,
    trusted: &[Domain],
    author: &Domain,
    dmarc: &Dmarc,
) -> Arc {
    let sets = match message.chain() {
        Ok(Some(sets)) => sets,
        Ok(None) => return Arc::None,
        Err(BrokenChain) => return Arc::Broken,
    };
    match holds(dns, message, &sets).await {
        Chain::Pass => {}
        Chain::None => return Arc::None,
        Chain::Fail => return Arc::Broken,
        Chain::TempError => return Arc::TempError,
    }
    let believed = sets.iter().rev();
    let mut believed =
        believed.take_while(|set| is_trusted(&set.seal, trusted) && is_trusted(&set.signer, trusted));
    match believed.find(|set| proves(set, author, dmarc)) {
        Some(set) => Arc::Proven { sealer: set.seal.clone() },
        None => Arc::Silent,
    }
}

fn is_trusted(name: &Domain, trusted: &[Domain]) -> bool {
    trusted.iter().any(|trusted| name.is_within(trusted))
}

/// Whether a sealer wrote down that the author was proven when it got the mail.
fn proves(set: &Set<'_>, author: &Domain, dmarc: &Dmarc) -> bool {
    // Strictness that the DNS did not tell is no reason to look away from DMARC's own pass.
    let modes = match dmarc {
        Dmarc::Known { spf, dkim, .. } => Some((*spf, *dkim)),
        Dmarc::Unknown => None,
    };
    results::passed(set.results).iter().any(|passed| {
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
