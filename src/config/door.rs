//! What of `[limits]` is about peers: how often who may come, how long it is made to wait, and who is exempt.

use super::Profile;
use super::kind;
use super::network::{self, Network};
use super::rates::{AliasRates, MailRates, PeerRates};
use super::reader::Reader;
use super::show;
use serde::Serialize;
use std::time::Duration;

/// Networks that nothing but this machine can be in.
const LOOPBACK: &str = "[\"127.0.0.0/8\", \"::1/128\"]";

/// Limits on peers, stores, senders and aliases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoorLimits {
    /// Sessions at once from one IPv4 /24 or one IPv6 /56.
    pub sessions_per_network: u32,
    /// Networks whose rates nobody counts.
    pub exempt: Vec<Network>,
    /// Subjects that are remembered, of all kinds together.
    pub subjects: u32,
    /// Sessions that are made to wait at once.
    pub delayed_sessions: u32,
    /// The longest wait before a reply.
    #[serde(serialize_with = "show::duration")]
    pub longest_delay: Duration,
    /// Refusals and limited peers that are recorded, one by one.
    pub records_per_minute: u32,
    pub ip: PeerRates,
    pub network: PeerRates,
    pub credential: MailRates,
    pub store: MailRates,
    pub sender: MailRates,
    pub alias: AliasRates,
}

impl DoorLimits {
    pub(super) fn read(r: &mut Reader, profile: Option<Profile>) -> Option<Self> {
        let sessions_per_network = r.value("limits.sessions_per_network", "200", kind::count(1..=100_000));
        // The default of the one profile under which all peers are programs of the same machine.
        let is_development = profile == Some(Profile::Development) && !r.is_given("limits.exempt");
        let exempt = if is_development { LOOPBACK } else { "[]" };
        let exempt = r.value("limits.exempt", exempt, kind::list(network::network));
        let subjects = r.value("limits.subjects", "100000", kind::count(100..=10_000_000));
        let delayed_sessions = r.value("limits.delayed_sessions", "50", kind::count(0..=100_000));
        let longest_delay = r.value("limits.longest_delay", "5s", kind::duration);
        let records_per_minute = r.value("limits.records_per_minute", "120", kind::count(1..=100_000));
        let ip = PeerRates::read(r, "ip", ["120/1m", "20/10m", "50/10m", "6000/10m", "3000/10m", "4GiB/1h"]);
        let network = PeerRates::read(
            r,
            "network",
            ["600/1m", "100/10m", "250/10m", "24000/10m", "12000/10m", "16GiB/1h"],
        );
        let credential = MailRates::read(r, "credential", ["5000/1h", "3000/1h", "4GiB/1h"]);
        let store = MailRates::read(r, "store", ["10000/1h", "6000/1h", "8GiB/1h"]);
        let sender = MailRates::read(r, "sender", ["300/1h", "200/1h", "1GiB/1h"]);
        let alias = AliasRates::read(r, "alias", ["300/1h", "1GiB/1h"]);
        Some(Self {
            sessions_per_network: sessions_per_network?,
            exempt: exempt?,
            subjects: subjects?,
            delayed_sessions: delayed_sessions?,
            longest_delay: longest_delay?,
            records_per_minute: records_per_minute?,
            ip: ip?,
            network: network?,
            credential: credential?,
            store: store?,
            sender: sender?,
            alias: alias?,
        })
    }
}
