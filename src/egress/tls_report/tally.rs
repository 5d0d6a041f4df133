//! Counting how TLS sessions went, by recipient domain and policy, for the daily reports (RFC 8460 §4).
//!
//! Rules: a session is counted once, when its connection is opened; what is counted names domains and mail servers, never
//! a person or a message. At most [`MAX_KINDS`] kinds are counted between two looks; what comes beyond is not counted.
//! When it fails: it does not.

use crate::egress::demand::{Demand, TlsFailure};
use crate::egress::reach::TlsSeen;
use crate::egress::resolve::Target;
use crate::egress::sts::Policy;
use crate::egress::sts_policies::Holding;
use crate::mail::Domain;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Kinds counted between two looks.
const MAX_KINDS: usize = 4096;

/// The policy that a session was held against (RFC 8460 §4.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ReportedPolicy {
    #[serde(rename = "policy-type")]
    pub kind: String,
    #[serde(rename = "policy-string", default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    #[serde(rename = "policy-domain")]
    pub domain: String,
    #[serde(rename = "mx-host", default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// How a session failed (RFC 8460 §4.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ReportedFailure {
    #[serde(rename = "result-type")]
    pub result: String,
    #[serde(rename = "receiving-mx-hostname")]
    pub host: String,
    #[serde(rename = "receiving-ip", default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    #[serde(rename = "failure-reason-code")]
    pub reason: String,
}

/// One kind of session.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Kind {
    pub policy: ReportedPolicy,
    pub failure: Option<ReportedFailure>,
}

/// The counts since the last look.
#[derive(Default)]
pub(in crate::egress) struct Tally {
    counts: Mutex<HashMap<Kind, u64>>,
}

impl Tally {
    /// Counts what was seen of the TLS of a host on the way to `domain`.
    pub(in crate::egress) fn count(
        &self,
        domain: &Domain,
        holding: &Holding,
        target: &Target,
        seen: TlsSeen,
        ip: Option<IpAddr>,
    ) {
        let result = match (seen, &target.demand, holding.policy.as_deref()) {
            (TlsSeen::Nothing, ..) => return,
            (TlsSeen::Failed(failure), ..) => Err(failure),
            (TlsSeen::Secured(_), Demand::Dane(_), _) => Ok(()),
            (TlsSeen::Secured(_), _, Some(policy)) if !is_named(policy, target) => {
                Err(TlsFailure::MxNotInPolicy)
            }
            (TlsSeen::Secured(public), _, Some(_)) => public,
            (TlsSeen::Secured(_), _, None) => holding.failure.map_or(Ok(()), Err),
        };
        let failure = result.err().map(|failure| ReportedFailure {
            result: failure.result_type().to_owned(),
            host: target.host.to_string(),
            ip,
            reason: failure.reason().to_owned(),
        });
        let kind = Kind { policy: policy_of(domain, holding, target), failure };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MAX_KINDS || counts.contains_key(&kind) {
            *counts.entry(kind).or_default() += 1;
        }
    }

    /// The counts since this was last asked.
    pub(in crate::egress) fn take(&self) -> Vec<(Kind, u64)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *counts).into_iter().collect()
    }
}

fn is_named(policy: &Policy, target: &Target) -> bool {
    target.host_name().is_some_and(|host| policy.names(host))
}

fn policy_of(domain: &Domain, holding: &Holding, target: &Target) -> ReportedPolicy {
    let domain = domain.to_string();
    match (&target.demand, &holding.policy) {
        (Demand::Dane(dane), _) => ReportedPolicy {
            kind: "tlsa".to_owned(),
            lines: dane.records.iter().map(super::super::tlsa::Tlsa::text).collect(),
            domain,
            hosts: vec![dane.base.to_string()],
        },
        (_, Some(policy)) => ReportedPolicy {
            kind: "sts".to_owned(),
            lines: policy.lines.clone(),
            domain,
            hosts: policy.patterns().collect(),
        },
        (_, None) => {
            let kind = if holding.failure.is_some() { "sts" } else { "no-policy-found" };
            ReportedPolicy { kind: kind.to_owned(), lines: Vec::new(), domain, hosts: Vec::new() }
        }
    }
}
