//! Planted frauds: of each kind that shows in what the relay records, some cases, each with its truth.
//!
//! The kinds are those by which marketplaces and mail gateways know fraud: P… break a rule of the relay, A… are unusual for who does
//! them. What stands in a text alone is not among them, since no text is made.

use super::chance::Chance;
use super::letter::File;
use super::traffic::{DAY, Deed, HOUR, MINUTE, Traffic, Twist};
use super::world::elsewhere;
use crate::relay::{Peer, Refusal};
use crate::vault::Side;

/// A kind: its name, and whether it is made of refusals, which are kept for a short time.
pub(super) struct Kind {
    pub name: &'static str,
    pub is_refused: bool,
    makes: fn(&mut Case<'_>),
}

/// One case of it.
struct Case<'a> {
    traffic: &'a mut Traffic,
    plant: Option<usize>,
    at: i64,
    /// Its number, from which its networks and names come.
    number: u64,
    store: usize,
}

const fn kind(name: &'static str, is_refused: bool, makes: fn(&mut Case<'_>)) -> Kind {
    Kind { name, is_refused, makes }
}

pub(super) const KINDS: [Kind; 23] = [
    kind("P1 unregistered sender", true, |case| case.strays(12, true, |_| Refusal::SenderNotRegistered)),
    kind("P3 forged registered domain", false, |case| {
        let forged = Twist { is_forged: true, peer: Some(case.abroad("mx")), ..Twist::default() };
        case.customers_write(5, 3 * HOUR, &forged);
    }),
    kind("P4 answer to an id never given", false, |case| {
        let answers = format!("<never.{}@elsewhere.example>", case.number);
        case.customers_write(6, 12 * HOUR, &Twist { answers: Some(answers), ..Twist::default() });
    }),
    kind("P5 enumeration of aliases", true, |case| case.strays(60, false, |_| Refusal::UnknownAlias)),
    kind("P6 another store's sender", true, |case| case.strays(8, true, |_| Refusal::FromNotRegistered)),
    kind("P7 no order any more", true, |case| case.strays(10, false, |_| Refusal::Expired)),
    kind("P8 dangerous file", false, |case| {
        let file =
            File { name: "invoice.pdf.exe", kind: "application/pdf", begins: "MZ", number: case.number };
        case.store_writes(9, 2 * HOUR, &Twist { file: Some(file), ..Twist::default() });
    }),
    kind("P9 known bad sender", true, |case| case.strays(15, false, |_| Refusal::Listed)),
    kind("A1 abused credential", false, |case| {
        let peer = case.abroad("submission");
        for n in 0..5 {
            case.will(n * MINUTE, |case| case.login(&peer, n == 4));
        }
        case.at += 10 * MINUTE;
        case.store_writes(40, HOUR, &Twist { peer: Some(peer), ..Twist::default() });
    }),
    kind("A2 burst", false, |case| case.store_writes(120, HOUR, &Twist::default())),
    kind("A3 snowshoe", false, |case| {
        for _ in 0..25 {
            let peer = case.abroad("mx");
            case.customers_write(1, 30 * MINUTE, &Twist { peer: Some(peer), ..Twist::default() });
        }
    }),
    kind("A4 new geography", false, |case| {
        let peer = case.abroad("submission");
        case.store_writes(6, 8 * HOUR, &Twist { peer: Some(peer), ..Twist::default() });
    }),
    kind("A5 identity drift", false, |case| {
        let twist = Twist { mailer: Some("PHPMailer 5.2.1"), zone: Some(480), ..Twist::default() };
        case.store_writes(20, DAY, &twist);
    }),
    kind("A6 Reply-To elsewhere", false, |case| {
        let reply_to = Some(format!("refund.{}@gmail.com", case.number));
        case.store_writes(12, 5 * HOUR, &Twist { reply_to, ..Twist::default() });
    }),
    kind("A7 look-alike domain", false, |case| {
        let domain = case.traffic.world.shops.get(case.store).map_or("", |shop| &shop.domain);
        let from = Some(format!("shop@{}", domain.replace('o', "0").replace('-', "")));
        case.customers_write(8, 6 * HOUR, &Twist { from, ..Twist::default() });
    }),
    kind("A8 address in the name", false, |case| {
        let name = Some(format!("\"support{}@help-center.example\"", case.number));
        case.store_writes(7, 6 * HOUR, &Twist { name, ..Twist::default() });
    }),
    kind("A9 leaked aliases", true, |case| case.strays(30, false, |_| Refusal::OtherSender)),
    kind("A10 one file from several stores", false, |case| {
        let file = File {
            name: "notice.pdf",
            kind: "application/pdf",
            begins: "%PDF-1.7",
            number: case.number << 20,
        };
        for _ in 0..4 {
            case.store = case.any_store();
            case.store_writes(5, 2 * DAY, &Twist { file: Some(file.clone()), ..Twist::default() });
        }
    }),
    kind("A11 refund with one photo", false, |case| {
        let file =
            File { name: "broken.jpg", kind: "image/jpeg", begins: "\u{ff}", number: case.number << 24 };
        for _ in 0..6 {
            case.store = case.any_store();
            case.customers_write(1, 14 * DAY, &Twist { file: Some(file.clone()), ..Twist::default() });
        }
    }),
    kind("A13 takeover", false, |case| {
        let peer = case.abroad("submission");
        case.login(&peer, true);
        case.at += 3 * HOUR;
        let (mailer, reply_to) = (Some("PHPMailer 6.0"), Some(format!("pay.{}@proton.me", case.number)));
        case.store_writes(15, 20 * HOUR, &Twist { peer: Some(peer), mailer, reply_to, ..Twist::default() });
    }),
    kind("A14 forged header", false, |case| {
        case.store_writes(5, DAY, &Twist { skew: 40 * DAY, zone: Some(480), ..Twist::default() });
    }),
    kind("A15 many bounces", false, |case| {
        case.store_writes(30, 4 * HOUR, &Twist { fails: true, ..Twist::default() });
    }),
    kind("A17 loop of automatic replies", false, |case| {
        case.customers_write(50, 20 * MINUTE, &Twist { is_automatic: true, ..Twist::default() });
    }),
];

/// Many logins that fail, of many stores, from one network: no store's own case.
pub(super) const STUFFING: Kind = kind("A18 stuffing", false, |case| {
    let peer = case.abroad("submission");
    for n in 0..40 {
        case.store = case.any_store();
        case.will(n * 20_000, |case| case.login(&peer, false));
    }
});

impl Kind {
    /// Has one case of it happen from `at` on.
    pub fn plant(&self, traffic: &mut Traffic, number: u64, at: i64) {
        let mut chance = Chance::of(number, 77);
        // The largest stores have so many mails that nothing in them is unusual.
        let all = traffic.stores.len() as u64;
        let store = usize::try_from(all / 10 + chance.below(all - all / 10)).unwrap_or(0);
        let name = traffic.world.shops.get(store).map(|shop| shop.store_id.clone());
        let values = vec![elsewhere(number, &mut chance, "mx").ip.to_string()];
        let plant = traffic.truth.plant(self.name, name.as_deref(), at, values);
        (self.makes)(&mut Case { traffic, plant, at, number, store });
    }
}

impl Case<'_> {
    fn any_store(&mut self) -> usize {
        let count = self.traffic.stores.len() as u64;
        usize::try_from(self.traffic.chance.below(count)).unwrap_or(0)
    }

    fn any_customer(&mut self) -> u64 {
        self.traffic.world.customer(&mut self.traffic.chance)
    }

    /// The network of this case.
    fn abroad(&mut self, service: &'static str) -> Peer {
        elsewhere(self.number, &mut self.traffic.chance, service)
    }

    fn will(&mut self, after: i64, act: impl FnOnce(&mut Self)) {
        let at = self.at;
        self.at += after;
        act(self);
        self.at = at;
    }

    fn login(&mut self, peer: &Peer, is_good: bool) {
        let deed = Deed::Login { store: self.store, peer: peer.clone(), is_good };
        self.traffic.will(self.at, self.plant, deed);
    }

    /// The store writes to so many customers, one each, within some time.
    fn store_writes(&mut self, count: u64, within: i64, twist: &Twist) {
        for _ in 0..count {
            self.write(vec![(2000, Side::Merchant)], within, twist);
        }
    }

    /// So many customers write, each to an order that was just opened.
    fn customers_write(&mut self, count: u64, within: i64, twist: &Twist) {
        for _ in 0..count {
            self.write(vec![(2000, Side::Customer)], within, twist);
        }
    }

    fn write(&mut self, mails: Vec<(i64, Side)>, within: i64, twist: &Twist) {
        let (store, customer) = (self.store, self.any_customer());
        let deed = Deed::Begin { store, customer, is_inquiry: false, mails, twist: twist.clone() };
        let after = self.traffic.chance.ms(within);
        self.traffic.will(self.at + after, self.plant, deed);
    }

    /// So many recipients are refused within ten minutes, at submission or at port 25.
    fn strays(&mut self, count: u64, is_store: bool, why: fn(u64) -> Refusal) {
        for n in 0..count {
            let service = if is_store { "submission" } else { "mx" };
            let peer = self.abroad(service);
            let customer = self.any_customer();
            let deed = Deed::Stray {
                store: is_store.then_some(self.store),
                sender: format!("case{}.{n}@elsewhere.example", self.number),
                to: match is_store {
                    true => self.traffic.world.address(customer),
                    false => format!("guess{n:04}{}@pc.fw.example", self.number),
                },
                refusal: why(n),
                peer,
            };
            let after = self.traffic.chance.ms(10 * MINUTE);
            self.traffic.will(self.at + after, self.plant, deed);
        }
    }
}
