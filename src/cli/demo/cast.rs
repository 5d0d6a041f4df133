//! Who plays: the store and the customer, their machines, and what must never be found on the other side.
//!
//! Rules: all names lie in domains that RFC 2606 keeps for examples and tests, all public IP addresses in blocks that
//! RFC 5737 keeps for documentation. Each side speaks from a loopback address of its own where the system has one, so
//! that an IP address that slips through is seen.

use std::net::{IpAddr, Ipv4Addr};

/// One side of the exchange, with the machines it writes and receives with.
pub(super) struct Player {
    /// What the text calls it.
    pub role: &'static str,
    /// The name in From.
    pub name: &'static str,
    /// The real addresses; the first is written from and delivered to.
    pub addresses: &'static [&'static str],
    /// The domain of the addresses.
    pub domain: &'static str,
    /// The name with which its program or outgoing server introduces itself.
    pub sends_as: &'static str,
    /// The name of the server that takes its mail.
    pub receives_as: &'static str,
    /// What stands behind the `@` in its Message-IDs.
    pub id_host: &'static str,
    /// Where its program or outgoing server connects from.
    pub source: IpAddr,
    /// What must not reach the other side, in lower case.
    pub traces: &'static [&'static str],
}

impl Player {
    /// The address that is written from and delivered to.
    pub fn address(&self) -> &'static str {
        self.addresses.first().copied().unwrap_or_default()
    }
}

/// A small florist.
pub(super) const STORE: Player = Player {
    role: "store",
    name: "花工房みどり",
    addresses: &["info@hanaya.example", "order@hanaya.example"],
    domain: "hanaya.example",
    sends_as: "counter.hanaya.example",
    receives_as: "mx.hanaya.example",
    id_host: "pos.hanaya.example",
    source: IpAddr::V4(Ipv4Addr::new(127, 81, 7, 11)),
    traces: &["hanaya.example", "127.81.7.11", "192.0.2.17", "info@hanaya", "order@hanaya"],
};

/// Who ordered flowers.
pub(super) const CUSTOMER: Player = Player {
    role: "customer",
    name: "山田 花子",
    addresses: &["hanako.yamada@mail.test"],
    domain: "mail.test",
    sends_as: "out3.mail.test",
    receives_as: "mx.mail.test",
    id_host: "phone.mail.test",
    source: IpAddr::V4(Ipv4Addr::new(127, 81, 7, 22)),
    traces: &["mail.test", "127.81.7.22", "198.51.100.77", "hanako.yamada"],
};

/// Someone who knows an alias and nothing else.
pub(super) const STRANGER: &str = "someone@elsewhere.test";

/// The relay's own name, the parents of its alias domains, and the store in it.
pub(super) const RELAY_HOST: &str = "relay.anshin.test";
pub(super) const CUSTOMER_DOMAIN: &str = "fw.anshin.test";
pub(super) const MERCHANT_DOMAIN: &str = "shop.anshin.test";
pub(super) const STORE_ID: &str = "midori";
pub(super) const ORDER_NO: &str = "2026-1122";
