//! Who there is: stores of all sizes, customers of the providers that Japan uses, from where each of them sends, and with what.
//!
//! Rules: everybody is made up; stores lie below `.example`, and nothing of this is ever sent anywhere. Networks are those that the
//! named companies have, so that countries come out as they do.

use super::chance::{Chance, Shares};
use crate::relay::Peer;
use std::net::{IpAddr, Ipv4Addr};

/// A provider of mailboxes: its domain, its share, its mail servers (a network, a name), and whether its customers' own addresses stand
/// in Received.
pub(super) struct Provider {
    pub domain: &'static str,
    share: u64,
    servers: [u8; 2],
    pub server: &'static str,
    is_of_computers: bool,
}

const fn provider(
    domain: &'static str,
    share: u64,
    servers: [u8; 2],
    server: &'static str,
    is_of_computers: bool,
) -> Provider {
    Provider { domain, share, servers, server, is_of_computers }
}

pub(super) const PROVIDERS: [Provider; 18] = [
    provider("gmail.com", 310, [209, 85], "google.com", false),
    provider("yahoo.co.jp", 170, [183, 79], "yahoo.co.jp", false),
    provider("docomo.ne.jp", 130, [49, 98], "docomo.ne.jp", false),
    provider("ezweb.ne.jp", 60, [111, 86], "ezweb.ne.jp", false),
    provider("au.com", 40, [111, 87], "au.com", false),
    provider("i.softbank.jp", 55, [126, 240], "softbank.jp", false),
    provider("softbank.ne.jp", 40, [126, 241], "softbank.ne.jp", false),
    provider("icloud.com", 60, [17, 58], "icloud.com", false),
    provider("outlook.jp", 25, [40, 107], "outlook.com", false),
    provider("hotmail.co.jp", 25, [40, 92], "outlook.com", false),
    provider("nifty.com", 15, [106, 153], "nifty.com", true),
    provider("ocn.ne.jp", 15, [153, 149], "ocn.ad.jp", true),
    provider("biglobe.ne.jp", 12, [133, 208], "biglobe.ne.jp", true),
    provider("so-net.ne.jp", 10, [202, 238], "so-net.ne.jp", true),
    provider("plala.or.jp", 8, [60, 36], "plala.or.jp", true),
    provider("rakuten.jp", 8, [133, 237], "rakuten.jp", false),
    provider("ymobile.ne.jp", 10, [126, 242], "ymobile.ne.jp", false),
    provider("kcn.jp", 7, [202, 229], "kcn.jp", true),
];

/// Networks of customers' computers.
const HOMES: [[u8; 2]; 8] =
    [[126, 65], [60, 64], [153, 200], [106, 128], [118, 103], [114, 48], [210, 165], [220, 150]];
/// What stores send with: the program, and the network of whoever runs it. The first are services that many use.
const MAILERS: [(&str, [u8; 2], &str); 10] = [
    ("ShopMail 4.2", [153, 120], "shopmail.example"),
    ("NextOrder 7.1", [150, 95], "nextorder.example"),
    ("CartMailer 2.0", [54, 238], "cartmailer.example"),
    ("TenpoStar 11.3", [153, 121], "tenpostar.example"),
    ("GoodSystem 3.8", [133, 242], "goodsystem.example"),
    ("CrossMall 5.5", [210, 188], "crossmall.example"),
    ("Microsoft Outlook 16.0", [125, 53], ""),
    ("Mozilla Thunderbird 128.3", [118, 106], ""),
    ("Becky! ver. 2.81", [219, 110], ""),
    ("Apple Mail 16.0", [126, 68], ""),
];
/// What customers write with.
const READERS: [&str; 7] = [
    "iPhone Mail 22A3354",
    "Apple Mail 2.3774",
    "Mozilla Thunderbird 128.4",
    "Microsoft Outlook 16.0",
    "YahooMailWebService 0.9",
    "docomo mail 1.2",
    "Becky! ver. 2.75",
];
/// Networks from which crime comes, with countries of all sorts.
const ELSEWHERE: [[u8; 2]; 8] =
    [[197, 210], [102, 89], [114, 114], [113, 160], [185, 220], [95, 24], [103, 21], [41, 58]];
const WORDS: [&str; 20] = [
    "hana", "sakura", "kaze", "umi", "yama", "hoshi", "midori", "tsuki", "sora", "kawa", "momo", "yuki",
    "ao", "kaede", "nagomi", "wakaba", "akari", "minato", "hikari", "fuji",
];
const GIVEN: [&str; 16] = [
    "haruto", "yui", "sota", "aoi", "ren", "hina", "yuto", "sakura", "daiki", "mio", "kenji", "yoko",
    "takashi", "naomi", "hiroshi", "keiko",
];

/// A store as it is made up.
pub(super) struct Shop {
    pub store_id: String,
    pub name: String,
    pub address: String,
    pub domain: String,
    pub mailer: &'static str,
    network: [u8; 2],
    helo: String,
    host: u8,
}

/// Everybody.
pub(super) struct World {
    pub shops: Vec<Shop>,
    pub sizes: Shares,
    customers: u64,
    providers: Shares,
    seed: u64,
}

fn ip(network: [u8; 2], third: u64, fourth: u64) -> IpAddr {
    let octet = |n: u64, of: u64| u8::try_from(n % of).unwrap_or(0);
    Ipv4Addr::new(network[0], network[1], octet(third, 256), 1 + octet(fourth, 254)).into()
}

fn peer(ip: IpAddr, helo: String, service: &'static str) -> Peer {
    let tls = Some("TLSv1_3 TLS13_AES_256_GCM_SHA384".to_owned());
    Peer { helo, tls, ..Peer::new((ip, 40_000).into(), service) }
}

impl World {
    pub fn new(seed: u64, stores: usize, customers: u64) -> Self {
        let mut chance = Chance::of(seed, 1);
        let shops = (0..stores).map(|n| {
            let word = chance.one(&WORDS).copied().unwrap_or("hana");
            let store_id = format!("{word}-{n:04}");
            let domain = format!("{store_id}.example");
            let (mailer, network, service) = chance.one(&MAILERS).copied().unwrap_or(MAILERS[0]);
            let helo = if service.is_empty() { format!("pc.{domain}") } else { format!("out.{service}") };
            let host = u8::try_from(chance.below(200)).unwrap_or(0);
            let (name, address) = (format!("{word} {n}"), format!("shop@{domain}"));
            Shop { store_id, name, address, domain, mailer, network, helo, host }
        });
        Self {
            shops: shops.collect(),
            sizes: Shares::zipf(stores),
            customers: customers.max(1),
            providers: Shares::of(PROVIDERS.iter().map(|provider| provider.share)),
            seed,
        }
    }

    /// A customer, by his number: few buy often.
    pub fn customer(&self, chance: &mut Chance) -> u64 {
        let most = chance.below(self.customers) + 1;
        chance.below(most)
    }

    fn of(&self, customer: u64) -> Chance {
        Chance::of(self.seed, customer.wrapping_add(1 << 32))
    }

    pub fn provider(&self, customer: u64) -> &'static Provider {
        PROVIDERS.get(self.providers.draw(&mut self.of(customer))).unwrap_or(&PROVIDERS[0])
    }

    /// His address.
    pub fn address(&self, customer: u64) -> String {
        let mut chance = self.of(customer);
        chance.next();
        let given = chance.one(&GIVEN).copied().unwrap_or("yui");
        let word = chance.one(&WORDS).copied().unwrap_or("hana");
        format!("{given}.{word}.{customer}@{}", self.provider(customer).domain)
    }

    /// What he writes with.
    pub fn reader(&self, customer: u64) -> &'static str {
        self.of(customer ^ 0x55).one(&READERS).copied().unwrap_or(READERS[0])
    }

    /// The server from which his mail comes, and his own address where that stands in Received.
    pub fn peer_of_customer(&self, customer: u64, chance: &mut Chance) -> (Peer, Option<IpAddr>) {
        let provider = self.provider(customer);
        let host = chance.below(24);
        let address = ip(provider.servers, host % 4, 10 + host);
        let peer = peer(address, format!("mail{host}.{}", provider.server), "mx");
        let home = provider.is_of_computers.then(|| {
            let mut own = self.of(customer ^ 0xaa);
            let network = own.one(&HOMES).copied().unwrap_or(HOMES[0]);
            ip(network, own.next(), own.next())
        });
        (peer, home)
    }

    /// From where a store sends.
    pub fn peer_of_store(&self, store: usize, chance: &mut Chance) -> Peer {
        let (network, host, helo) = match self.shops.get(store) {
            Some(shop) => (shop.network, shop.host, shop.helo.clone()),
            None => (HOMES[0], 0, String::new()),
        };
        peer(ip(network, u64::from(host), u64::from(host) + chance.below(2)), helo, "submission")
    }

    /// Where the next hop of a customer's provider is.
    pub fn next_hop(&self, customer: u64, chance: &mut Chance) -> String {
        let provider = self.provider(customer);
        format!("{}:25", ip(provider.servers, 200, chance.below(8)))
    }

    /// The next hop of a store.
    pub fn store_hop(&self, store: usize) -> String {
        let host = self.shops.get(store).map_or(1, |shop| u64::from(shop.host));
        format!("{}:25", ip([160, 16], host, 5))
    }
}

/// From where crime comes: one of a few networks, by a number of the case.
pub(super) fn elsewhere(case: u64, chance: &mut Chance, service: &'static str) -> Peer {
    let network = ELSEWHERE.get(usize::try_from(case).unwrap_or(0) % ELSEWHERE.len()).copied();
    let third = case.wrapping_mul(31);
    let address = ip(network.unwrap_or(ELSEWHERE[0]), third, chance.below(200));
    peer(address, format!("host-{}.example", case % 1000), service)
}
