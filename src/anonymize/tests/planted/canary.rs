//! What is planted: both addresses of a conversation, and what the way of a mail says of its sender.

use crate::anonymize::tests::{CUSTOMER, Direction, MERCHANT, World};

/// Host that passed the mail on, in Received.
const HOST: &str = "mx-out7.hidden-isp.example";
/// What the sender's machine called itself.
const HELO: &str = "helo-name.hana-lan.example";
const IPV4: &str = "198.51.100.77";
const IPV6: &str = "2001:db8:7a7a::77";
const ID_DOMAIN: &str = "pc-4711.hana-home.example";
const SIGNER: &str = "signer-domain.example";

/// What the peer is known to be, beside the message.
pub fn peer() -> Vec<String> {
    vec![IPV4.to_owned(), HELO.to_owned()]
}

/// The fields that the way of the mail left in it.
pub fn trace() -> String {
    format!(
        "Return-Path: <x@bounces.example>\r\n\
         Received: from {HOST} ({HELO} [{IPV4}])\r\n\tby in.relay.example with ESMTPS id 1; Sun, 22 Nov 2026 09:00:03 +0900\r\n\
         Received: from [IPv6:{IPV6}] by {HOST} with ESMTPSA id 0; Sun, 22 Nov 2026 09:00:01 +0900\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; d={SIGNER}; i=@{SIGNER}; s=a; h=from; bh=AA==; b=AA==\r\n\
         Authentication-Results: in.relay.example; dkim=pass header.d={SIGNER}; spf=pass smtp.helo={HELO}\r\n\
         Message-ID: <20261122.1@{ID_DOMAIN}>\r\n"
    )
}

/// One thing that the other side must not learn.
pub struct Canary {
    pub name: &'static str,
    pub value: String,
    /// What takes its place; `None` where anything may.
    pub alias: Option<String>,
    pub direction: Direction,
}

/// The conversations: usual addresses; a provider that ignores dots, a domain beyond ASCII and ligatures; an address
/// of a carrier that no standard allows, and a local part beyond ASCII.
pub fn worlds() -> [World; 3] {
    [
        World::new(CUSTOMER, MERCHANT),
        World::new("fiona.suzuki.ban@gmail.com", "office.staff@xn--r8jz45g.example"),
        World::new("shop..info.@carrier-mail.example", "花子@例え-shop.example"),
    ]
}

/// Both addresses, in both directions.
pub fn addresses(world: usize) -> Vec<Canary> {
    let (customer, merchant) = [
        (CUSTOMER, MERCHANT),
        ("fiona.suzuki.ban@gmail.com", "office.staff@xn--r8jz45g.example"),
        ("shop..info.@carrier-mail.example", "花子@例え-shop.example"),
    ][world];
    let own = &worlds()[world];
    let one = |name, value: &str, alias: String, direction| Canary {
        name,
        value: value.to_owned(),
        alias: Some(alias),
        direction,
    };
    let (for_customer, for_merchant) = (own.customer_alias.to_string(), own.merchant_alias.to_string());
    vec![
        one("address of the writer", customer, for_customer.clone(), Direction::ToMerchant),
        one("address of the recipient", merchant, for_merchant.clone(), Direction::ToMerchant),
        one("address of the writer", merchant, for_merchant, Direction::ToCustomer),
        one("address of the recipient", customer, for_customer, Direction::ToCustomer),
    ]
}

/// What the way of the mail says.
pub fn traces() -> Vec<Canary> {
    let all = [
        ("host name in Received", HOST),
        ("name in EHLO", HELO),
        ("IPv4 address", IPV4),
        ("IPv6 address", IPV6),
        ("domain of the Message-ID", ID_DOMAIN),
        ("domain of a signature", SIGNER),
    ];
    let mut out = Vec::new();
    for (name, value) in all {
        for direction in [Direction::ToMerchant, Direction::ToCustomer] {
            // A domain that a store registered is on all its pages, and stays in its texts.
            if direction == Direction::ToCustomer
                && (value == ID_DOMAIN || value == SIGNER)
                && value.matches('.').count() == 1
            {
                continue;
            }
            out.push(Canary { name, value: value.to_owned(), alias: None, direction });
        }
    }
    out
}
