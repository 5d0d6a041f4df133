//! The usual people of a test: a store with its mailbox and mail program, customers with theirs, and orders between
//! them. Every address and host name of a person has that person's needle in it.

use super::client::{Client, Reply};
use super::letter::Letter;
use super::mailbox::Mailbox;
use super::process::{On, Setup, TestRelay};
use super::watch::Watch;
use crate::peer::eventually;
use anshin::mail::Timestamp;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A person with an address and a mail server.
pub struct Person {
    pub address: String,
    pub domain: String,
    pub mailbox: Mailbox,
}

impl Person {
    pub fn new(watch: &Arc<Watch>, who: &str) -> Self {
        let needle = watch.needle(who);
        let domain = format!("{who}-{needle}.test");
        let address = format!("{who}.{needle}@{domain}");
        Self { address, domain, mailbox: Mailbox::start(watch, who) }
    }
}

/// What `merchant add` told.
#[derive(Clone)]
pub struct Account {
    pub public_alias: String,
    pub user: String,
    pub password: String,
    /// The one-time password of the menu.
    pub menu_password: String,
}

/// What `order open` told.
#[derive(Clone)]
pub struct Order {
    pub customer_alias: String,
    pub merchant_alias: String,
}

/// A relay with the store `mise`, the customers `hana` and `taro`, and one order of `hana`.
pub struct Scene {
    // Dropped first: it reads what the others were shown.
    pub relay: TestRelay,
    pub watch: Arc<Watch>,
    pub mise: Person,
    pub hana: Person,
    pub taro: Person,
    pub account: Account,
    pub order: Order,
}

impl Scene {
    pub fn new(on: On) -> Self {
        Self::with(on, |setup| setup)
    }

    /// With a changed set-up.
    pub fn with(on: On, change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::with_roles(on, change, &[&["all"]])
    }

    /// With a process for each of these lists of roles, all started at the same moment.
    pub fn with_roles(on: On, change: impl FnOnce(Setup) -> Setup, processes: &[&[&str]]) -> Self {
        Self::build(on, change, |_| {}, processes)
    }

    /// With something done between its making and its start.
    pub fn prepared(
        on: On,
        change: impl FnOnce(Setup) -> Setup,
        before: impl FnOnce(&mut TestRelay),
    ) -> Self {
        Self::build(on, change, before, &[&["all"]])
    }

    fn build(
        on: On,
        change: impl FnOnce(Setup) -> Setup,
        before: impl FnOnce(&mut TestRelay),
        processes: &[&[&str]],
    ) -> Self {
        let watch = Arc::new(Watch::default());
        let [mise, hana, taro] = ["mise", "hana", "taro"].map(|who| Person::new(&watch, who));
        let setup = [&mise, &hana, &taro]
            .into_iter()
            .fold(Setup::new(on), |setup, person| setup.route(&person.domain, person.mailbox.address()));
        let mut relay = change(setup).prepare(&watch);
        before(&mut relay);
        relay.start_together(processes);
        let account = add_merchant(&relay, "mise", &[&mise.address]);
        let order = open_order(&relay, "mise", "A-1001", &hana.address);
        Self { relay, watch, mise, hana, taro, account, order }
    }

    /// Lets an order of the store's end by its time: to the second, and waits for it.
    pub fn expire(&self, order_no: &str) {
        let soon = Timestamp::now().after(Duration::from_secs(2));
        let name = ["--store-id", "mise", "--order-no", order_no];
        self.relay.anshin(&[&["order", "extend"], &name[..], &["--expires-at", &soon.to_rfc3339()]].concat());
        eventually("it has expired", || (Timestamp::now() > soon).then_some(()));
    }

    /// What a command prints that takes two persons: one asks, another approves, and the first repeats it.
    #[track_caller]
    pub fn by_two(&self, arguments: &[&str]) -> serde_json::Value {
        const LOOK: [&str; 6] = ["--actor", "akiko", "--purpose", "dispute-support", "--case", "C-2"];
        let asked = self.relay.run(&[arguments, &LOOK].concat()).json();
        let why = asked["error"].as_str().unwrap_or_default();
        assert!(why.contains("second person"), "{asked}");
        let words: Vec<&str> = why.split([' ', ';', ':']).collect();
        let request = words[words.iter().position(|word| *word == "request").unwrap() + 1];
        self.relay.anshin(&["reveal", "approve", request, "--actor", "botan"]);
        self.relay.anshin(&[arguments, &LOOK, &["--approved", request]].concat())
    }

    /// A session of the store's mail program, logged in.
    pub fn merchant(&self) -> io::Result<Client> {
        let (user, password) = (&self.account.user, &self.account.password);
        Client::log_in(self.relay.submissions(), &self.watch, "mise", user, password)
    }

    /// A session of the customer's mail server.
    pub fn customer(&self) -> io::Result<Client> {
        Client::hello(self.relay.mx(), &self.watch, "hana")
    }

    /// A mail from the store to the order's customer.
    pub fn to_customer(&self) -> Letter {
        Letter::new(&self.watch, &self.mise.address, &self.order.customer_alias)
    }

    /// A mail from the order's customer to the store.
    pub fn to_merchant(&self) -> Letter {
        Letter::new(&self.watch, &self.hana.address, &self.order.merchant_alias)
    }

    /// Submits a mail as the store.
    pub fn submit(&self, letter: &Letter) -> Reply {
        self.merchant().unwrap().send(&self.mise.address, &[&letter.to], &letter.bytes()).unwrap()
    }

    /// Sends a mail as the customer's server.
    pub fn deliver(&self, letter: &Letter) -> Reply {
        self.customer().unwrap().send(&self.hana.address, &[&letter.to], &letter.bytes()).unwrap()
    }
}

/// `anshin merchant add`.
#[track_caller]
pub fn add_merchant(relay: &TestRelay, store_id: &str, addresses: &[&str]) -> Account {
    let mut arguments = vec!["merchant", "add", "--store-id", store_id, "--name", "花屋 Hanaya"];
    arguments.extend(addresses.iter().flat_map(|address| ["--address", address]));
    let added = relay.anshin(&arguments);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    Account {
        public_alias: text(&added["public_alias"]),
        user: text(&added["smtp"]["auth_id"]),
        password: text(&added["smtp"]["auth_password"]),
        menu_password: text(&added["menu"]["password"]),
    }
}

/// `anshin order open`.
#[track_caller]
pub fn open_order(relay: &TestRelay, store_id: &str, order_no: &str, customer: &str) -> Order {
    let opened = relay.anshin(&[
        "order",
        "open",
        "--store-id",
        store_id,
        "--order-no",
        order_no,
        "--customer",
        customer,
    ]);
    let text = |name: &str| opened[name].as_str().unwrap().to_owned();
    Order { customer_alias: text("customer_alias"), merchant_alias: text("merchant_alias") }
}
