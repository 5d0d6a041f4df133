//! One report: what stands in its JSON (RFC 8460 §4.4), packed with gzip (RFC 1952).

use super::tally::{Kind, ReportedFailure, ReportedPolicy};
use crate::mail::Timestamp;
use miniz_oxide::deflate::compress_to_vec;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Failures told of one policy.
const MAX_FAILURES: usize = 500;

/// One day, in UTC (RFC 8460 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Days since 1970.
    pub day: i64,
}

impl Period {
    /// The day that holds this time.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self { day: at.as_millis().div_euclid(DAY) }
    }

    /// Its first second.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(self.day.saturating_mul(DAY))
    }

    /// Its last second.
    #[must_use]
    pub fn end(self) -> Timestamp {
        Timestamp::from_millis(self.day.saturating_add(1).saturating_mul(DAY) - 1000)
    }
}

/// Who reports to whom about what.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) organization: &'a str,
    pub(super) contact: &'a str,
    pub(super) id: &'a str,
    pub(super) period: Period,
}

#[derive(Default)]
struct Sums<'a> {
    good: u64,
    bad: u64,
    failures: Vec<(&'a ReportedFailure, u64)>,
}

/// The report about the sessions to one domain.
pub(super) fn json_of(about: &About<'_>, kinds: &[(Kind, u64)]) -> Value {
    let mut policies: Vec<(&ReportedPolicy, Sums<'_>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (kind, sessions) in kinds {
        let name = serde_json::to_string(&kind.policy).unwrap_or_default();
        let place = *places.entry(name).or_insert_with(|| {
            policies.push((&kind.policy, Sums::default()));
            policies.len() - 1
        });
        let Some((_, sums)) = policies.get_mut(place) else { continue };
        match &kind.failure {
            None => sums.good = sums.good.saturating_add(*sessions),
            Some(failure) => {
                sums.bad = sums.bad.saturating_add(*sessions);
                sums.failures.push((failure, *sessions));
            }
        }
    }
    let policies = policies.into_iter().map(|(policy, sums)| {
        let details = sums.failures.iter().take(MAX_FAILURES).map(|(failure, sessions)| {
            let mut detail = serde_json::to_value(failure).unwrap_or_default();
            if let Some(fields) = detail.as_object_mut() {
                fields.insert("failed-session-count".into(), json!(sessions));
            }
            detail
        });
        json!({
            "policy": policy,
            "summary": {
                "total-successful-session-count": sums.good,
                "total-failure-session-count": sums.bad,
            },
            "failure-details": details.collect::<Vec<_>>(),
        })
    });
    json!({
        "organization-name": about.organization,
        "date-range": {
            "start-datetime": seconds(about.period.start()),
            "end-datetime": seconds(about.period.end()),
        },
        "contact-info": about.contact,
        "report-id": about.id,
        "policies": policies.collect::<Vec<_>>(),
    })
}

/// RFC 3339 in whole seconds.
fn seconds(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}

/// One gzip member (RFC 1952 §2.3): no name, no time.
pub(super) fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    packed.extend(compress_to_vec(octets, 9));
    packed.extend(crc32(octets).to_le_bytes());
    // The length counts modulo 2^32.
    packed.extend(u32::try_from(octets.len() & 0xffff_ffff).unwrap_or(u32::MAX).to_le_bytes());
    packed
}

/// RFC 1952 §8.
fn crc32(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for octet in octets {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
