//! Where mail servers and policy hosts are looked for: on the internet's ports, at public addresses. Only tests stand on
//! other ground; no configuration leads there.

use super::public_address::is_public;
use std::net::IpAddr;

/// Ports and reachable addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    /// Of an exchange that the DNS named (RFC 5321 §4.5.4.2).
    pub(super) smtp: u16,
    /// Of a host that serves an MTA-STS policy (RFC 8461 §3.3).
    pub(super) https: u16,
    /// Whether an address that the DNS named may be dialled.
    pub(super) may_dial: fn(IpAddr) -> bool,
}

impl Default for Ground {
    fn default() -> Self {
        Self { smtp: 25, https: 443, may_dial: is_public }
    }
}
