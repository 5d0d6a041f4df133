//! The anonymizer as a whole. Both parties have a canary address that no finished message may hold.

mod beside;
mod carried;
mod carriers;
mod cells;
mod fixtures;
mod gateways;
mod glued;
mod hostile;
mod links;
mod longer;
mod planted;
mod signs;
mod tokens;
mod written;

use super::{Anonymized, Files, Forbidden, Hold, Passage, Refusal, Rules, Secret, anonymize, pass_gate};
use crate::mail::{Alias, Domain, RealAddress, Timestamp};

/// The customer's real address.
pub const CUSTOMER: &str = "hana.suzuki@mailbox.example";
/// The merchant's real address.
pub const MERCHANT: &str = "owner@tanuki-shop.example";

/// A folder of the fixtures, wherever these sources are compiled from.
pub fn fixtures(folder: &str) -> std::path::PathBuf {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = own.ancestors().find(|top| top.join("fixtures").is_dir()).unwrap();
    top.join("fixtures").join(folder)
}

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToMerchant,
    ToCustomer,
}

/// Why a message did not pass.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    Refused(Refusal),
    Held(Hold),
}

/// A conversation: two parties, two canaries, two aliases.
pub struct World {
    pub customer: RealAddress,
    pub merchant: RealAddress,
    pub customer_alias: Alias,
    pub merchant_alias: Alias,
}

impl World {
    pub fn new(customer: &str, merchant: &str) -> Self {
        let alias = |local: &str, domain: &str| Alias::new(local, Domain::parse(domain).unwrap());
        Self {
            customer: RealAddress::parse(customer).unwrap(),
            merchant: RealAddress::parse(merchant).unwrap(),
            customer_alias: alias("a0c7kq2m4n6p8r0t2v4x6z8b0d2f", "pc.fw.relay.example"),
            merchant_alias: alias("a0m5hy3k7q9s1u3w5y7a9c1e3g5i", "shop.relay.example"),
        }
    }

    pub fn secrets(&self) -> [Secret<'_>; 2] {
        [
            Secret { address: &self.customer, alias: &self.customer_alias },
            Secret { address: &self.merchant, alias: &self.merchant_alias },
        ]
    }

    pub fn pass(&self, direction: Direction, message: &[u8]) -> Result<Anonymized, Stop> {
        let outcome = self.with_passage(direction, |passage| anonymize(message, passage));
        outcome.map_err(Stop::Refused)?.message.map_err(|held| Stop::Held(held.why))
    }

    pub fn with_passage<T>(&self, direction: Direction, run: impl FnOnce(&Passage<'_>) -> T) -> T {
        let (from, to, name) = match direction {
            Direction::ToMerchant => (&self.customer_alias, &self.merchant_alias, "お客様 / Customer"),
            Direction::ToCustomer => (&self.merchant_alias, &self.customer_alias, "Tanuki \"Shop\""),
        };
        run(&Passage {
            from,
            fallback_name: name,
            to: std::slice::from_ref(to),
            secrets: &self.secrets(),
            message_id: &mapped,
            relay_host: "mx.relay.example",
            queue_id: "Q1",
            hops: "",
            at: Timestamp::parse_rfc3339("2026-11-22T00:00:05Z").unwrap(),
            peer: Some(&[]),
            writer: if direction == Direction::ToMerchant {
                super::Party::Customer
            } else {
                super::Party::Merchant
            },
            rules: Rules::default(),
        })
    }

    /// Whether the gate lets a finished message through.
    pub fn gate(&self, message: Vec<u8>) -> Result<Anonymized, Refusal> {
        let forbidden = Forbidden { secrets: &self.secrets(), traces: &[], files: Files::Checked };
        pass_gate(message, &forbidden).map_err(|stopped| stopped.why)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(CUSTOMER, MERCHANT)
    }
}

/// Our own pseudonyms go back to what they stand for, all else gets one.
fn mapped(id: &str) -> String {
    match id.strip_suffix("@fw.relay.example>") {
        Some(known) => format!("{known}@tanuki-shop.example>"),
        None => {
            let hash = id
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
            format!("<{hash:016x}@fw.relay.example>")
        }
    }
}

/// What this thread has computed so far, in nanoseconds: waiting for a busy machine does not count.
fn computed_ns() -> u64 {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    read.split(' ').next().unwrap().parse().unwrap()
}

/// Claims that sixteen times as much costs no more than four times sixteen times as much: what is quadratic costs 256
/// times as much.
pub fn grows_linearly(what: &str, run: impl Fn(usize)) {
    let size = if env!("CARGO_PKG_NAME") == "anshin-fuzz" { 4_000 } else { 1_250 };
    let cost = |size: usize| {
        let before = computed_ns();
        run(size);
        computed_ns() - before
    };
    let (once, more) = (cost(size), cost(16 * size));
    // Below a millisecond what is done once for a message counts for more than the message.
    let once = once.max(1_000_000);
    assert!(more < 64 * once, "{what}: {once} ns for {size} octets, {more} ns for {}", 16 * size);
}

/// Claims that three layers of something cost not many times what one does in a mail of the same length.
pub fn grows_no_more_than_the_mail(what: &str, run: impl Fn(usize)) {
    let cost = |layers: usize| {
        let before = computed_ns();
        run(layers);
        computed_ns() - before
    };
    let (once, more) = (cost(1).max(10_000_000), cost(3));
    assert!(more < 32 * once, "{what}: {once} ns for one layer, {more} ns for three");
}

#[test]
fn nothing_that_is_mapped_can_break_a_line() {
    let world = World::default();
    let mail = format!("From: {CUSTOMER}\r\nMessage-ID: <1@x>\r\nReferences: <2@x>\r\n\r\nx\r\n");
    let out = world.with_passage(Direction::ToMerchant, |passage| {
        let passage = Passage {
            message_id: &|_| "<a@b>\r\nBcc: eve@x.example".into(),
            fallback_name: "Eve\r\nBcc: eve@x.example",
            relay_host: "mx\r\nBcc: eve@x.example",
            ..*passage
        };
        anonymize(mail.as_bytes(), &passage).unwrap().message.ok().unwrap().into_bytes()
    });
    assert!(!String::from_utf8(out).unwrap().contains("\r\nBcc"));
}

#[test]
fn an_address_that_ends_like_the_other_partys_gives_way_as_a_whole() {
    for (customer, merchant) in [
        ("suzuki@mailbox.example", "hana-suzuki@mailbox.example"),
        ("hana-suzuki@mailbox.example", "suzuki@mailbox.example"),
        ("hana@shop.example.com", "hana@shop.example"),
        ("hana@shop.example", "hana@shop.example.com"),
    ] {
        let world = World::new(customer, merchant);
        let mail = format!("From: {customer}\r\n\r\n{merchant}, {customer} and bounce-{merchant}\r\n");
        let out = world.pass(Direction::ToMerchant, mail.as_bytes()).unwrap().into_bytes();
        let out = String::from_utf8(out).unwrap();
        let text = out.split_once("\r\n\r\n").unwrap().1;
        let aliases = format!("{}, {} and bounce-", world.merchant_alias, world.customer_alias);
        assert!(text.starts_with(&aliases), "{customer} {merchant}: {text}");
    }
}

#[test]
fn a_message_needs_8bit_or_smtputf8_only_where_it_has_such_octets() {
    let world = World::default();
    for (subject, body, eight_bit, utf8) in
        [("x", "x", false, false), ("x", "日", true, false), ("日", "x", true, true)]
    {
        let mail = format!("From: {CUSTOMER}\r\nSubject: {subject}\r\n\r\n{body}\r\n");
        let out = world.pass(Direction::ToMerchant, mail.as_bytes()).unwrap();
        assert_eq!((out.needs_8bit(), out.needs_smtputf8()), (eight_bit, utf8), "{subject} {body}");
    }
}

#[test]
fn an_alias_that_could_not_stand_in_a_header_is_refused() {
    let world = World::default();
    let odd = Alias::new("a>\r\nBcc: <x", Domain::parse("relay.example").unwrap());
    let result = world.with_passage(Direction::ToMerchant, |passage| {
        anonymize(b"From: a@b.example\r\n\r\n", &Passage { from: &odd, ..*passage }).err()
    });
    assert_eq!(result, Some(Refusal::Alias));
}
