//! The relay's decisions on a real database, without a socket: what an accepted message, a result and a bounce become.
//! Everybody in it is made up, and what they must never read of each other is looked for.

mod again;
mod altered;
mod binding;
mod credentials;
mod desk;
mod endings;
mod evidence;
mod expiring;
mod export;
mod facts;
mod forged;
mod given_up;
mod holds;
mod rekey;
mod roles;
mod rulings;
mod kept_texts;
mod logins;
mod menu;
mod operator_mail;
mod origin;
mod readdress;
mod senders;
mod reports;
mod restored;
mod retention;
mod scram;

use super::*;
use crate::anonymize::Rules;
use crate::config::{CustomerName, Enforce, MerchantName, Names, OtherAddress, Unproven};
use crate::mail::RealAddress;
use crate::residency::{Origin, Staff};
use crate::schedule::{Class, Rooms};
use crate::senders::Findings;
use crate::store::{Leases, MenuChanged, Told, Work};
use crate::vault::{KeyRing, Make, VaultError};
use std::path::PathBuf;
use std::time::Duration;

const CUSTOMER: &str = "hana@customer.example";
const OWNER: &str = "owner@store.example";
/// From where somebody logs in.
const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const MINUTE: Duration = Duration::from_secs(60);

/// A relay with one store and one order, on a database of its own that is gone with it.
struct Shop {
    relay: Relay,
    order: OrderView,
    login: Login,
    menu_password: crate::vault::Secret,
    dir: PathBuf,
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn peer() -> Peer {
    let address = (std::net::Ipv4Addr::LOCALHOST, 1).into();
    Peer { helo: "mail.example".into(), ..Peer::new(address, "mx") }
}

fn address(text: &str) -> RealAddress {
    RealAddress::parse(text).unwrap()
}

/// The decision addresses in a notice: to confirm, to withdraw.
fn choices(notice: &str) -> (String, String) {
    let mut found = notice.lines().filter_map(|line| {
        let line = line.trim();
        (line.starts_with(['c', 'w']) && line.len() > 34 && line.contains('@')).then(|| line.to_owned())
    });
    let (confirm, withdraw) = (found.next().unwrap(), found.next().unwrap());
    for (address, kind) in [(&confirm, 'c'), (&withdraw, 'w')] {
        let (local, _) = address.split_once('@').unwrap();
        assert!(address.starts_with(kind) && local.len() <= 40, "{address}");
        assert!(notice.contains(&format!("mailto:{address}")), "{notice}");
    }
    (confirm, withdraw)
}

impl Policy {
    /// What the tests of this floor and of those that stand on it need: an hour for everything.
    pub(crate) fn for_tests() -> Self {
        let hour = Duration::from_secs(3600);
        Self {
            hostname: "relay.example".into(),
            expire: hour,
            delay_notice: hour,
            keep_failed: None,
            order_lifetime: hour,
            duplicate_window: hour,
            postmaster: None,
            hold_expire: hour,
            rules: Rules::default(),
            names: Names { merchant: MerchantName::AsWritten, customer: CustomerName::AsWritten },
            senders: SenderPolicy { unproven: Unproven::Hold, other_address: OtherAddress::Refuse },
            brand: "Anshin Mail".into(),
            staff: Arc::new(Staff::of_nobody(Enforce::Refuse)),
        }
    }
}

impl Shop {
    async fn open() -> Self {
        let dir = std::env::temp_dir().join(format!("anshin-relay-{}", crate::store::random_id()));
        std::fs::create_dir(&dir).unwrap();
        let ring = KeyRing::open(&dir.join("keys"), Make::Missing, Timestamp::now()).unwrap();
        let vault = Vault::open(&ring).unwrap();
        let url = format!("sqlite:{}", dir.join("relay.db").display());
        let store = Store::open(&url, &vault.file).await.unwrap();
        let domain = |text| crate::mail::Domain::parse(text).unwrap();
        let domains = Domains::new(&domain("fw.example"), &domain("shop.example")).unwrap();
        let relay = Relay::open(store, vault, domains, Policy::for_tests()).await.unwrap();
        let merchant = NewMerchantRequest {
            store_id: "hana-ya".into(),
            name: "Hana-ya".into(),
            addresses: vec![OWNER.into()],
        };
        let added = relay.add_merchant(merchant).await.unwrap();
        let login = relay.authenticate(&added.auth_id, &added.auth_password, HERE).await.unwrap();
        let order = relay
            .open_order(OrderRequest {
                store_id: "hana-ya".into(),
                order_no: "1".into(),
                customer: CUSTOMER.into(),
                expires_at: None,
            })
            .await
            .unwrap();
        Self { relay, order, login, menu_password: added.menu_password, dir }
    }

    /// Its database, behind its back.
    async fn database(&self) -> sqlx::SqliteConnection {
        let ring = KeyRing::open(&self.dir.join("keys"), Make::Nothing, Timestamp::now()).unwrap();
        crate::store::connect_for_tests(&self.dir.join("relay.db"), &Vault::open(&ring).unwrap().file).await
    }

    /// The same installation under another policy.
    async fn reopen(&mut self, policy: Policy) {
        let ring = KeyRing::open(&self.dir.join("keys"), Make::Nothing, Timestamp::now()).unwrap();
        let (store, domains) = (self.relay.store().clone(), self.relay.domains().clone());
        self.relay = Relay::open(store, Vault::open(&ring).unwrap(), domains, policy).await.unwrap();
    }

    /// What RCPT is told, where the envelope proves the sender.
    async fn mx(&self, sender: Option<&RealAddress>, to: &RealAddress) -> Result<Recipient, Refusal> {
        self.relay.mx_recipient(sender, to, async || true).await
    }

    /// The customer's mail, with this Message-ID (or none) and these parameters.
    async fn customer_writes(&self, to: &[String], id: &str, notify: Notify, envid: Option<&str>) -> Receipt {
        let sender = address(CUSTOMER);
        let mut recipients = Vec::new();
        for to in to {
            recipients.push((self.mx(Some(&sender), &address(to)).await.unwrap(), notify.into()));
        }
        let id = if id.is_empty() { String::new() } else { format!("Message-ID: {id}\r\n") };
        let bytes = format!("From: {CUSTOMER}\r\nSubject: order\r\n{id}\r\nIs it on its way?\r\n");
        let parameters =
            MailParameters { envelope_id: envid.map(str::to_owned), ..MailParameters::default() };
        let (peer, bytes) = (peer(), bytes.into_bytes());
        self.relay
            .accept(Incoming {
                peer: &peer,
                login: None,
                sender: Some(&sender),
                recipients,
                parameters,
                bytes,
                proof: SenderProof::given(Findings::Trusted),
                said: crate::relay::Said::default(),
            })
            .await
            .unwrap()
    }

    fn store_alias(&self) -> Vec<String> {
        vec![self.order.merchant_alias.to_string()]
    }

    async fn lease(&self) -> Vec<Work> {
        self.lease_at(Timestamp::now()).await
    }

    async fn lease_at(&self, now: Timestamp) -> Vec<Work> {
        let (until, rooms) = (now.after(MINUTE), Rooms::plain(100, 100, &[]));
        self.relay.store().claim(now, until, rooms, Class::ALL, Leases::TakenOver(now)).await.unwrap().work
    }

    async fn settle(&self, work: &Work, verdict: Verdict, status: &str) {
        let result = AttemptResult {
            verdict,
            status: status.into(),
            was_tried: true,
            retry_at: None,
            doubt: crate::store::Doubt::Clear,
            is_time_sure: true,
            detail: serde_json::json!({}),
        };
        assert!(self.relay.settle(work, &result).await.unwrap());
    }
}

fn notify(success: bool) -> Notify {
    Notify { success, ..Notify::default() }
}

#[tokio::test]
async fn a_result_is_written_even_where_every_word_of_its_notice_would_name_the_other_side() {
    let shop = Shop::open().await;
    for (id, verdict, status) in [
        (format!("<{OWNER}>"), Verdict::Delivered, "250 2.0.0"),
        (format!("<{}>", OWNER.to_uppercase()), Verdict::Failed, "550 5.1.1"),
    ] {
        shop.customer_writes(&shop.store_alias(), &id, notify(true), Some(OWNER)).await;
        let work = shop.lease().await;
        assert_eq!(work.len(), 1);
        shop.settle(&work[0], verdict, status).await;
        let notice = shop.lease().await;
        assert_eq!(notice.len(), 1, "the sender is told");
        let outbound = shop.relay.outbound(&notice[0]).await.unwrap();
        assert_eq!(outbound.forward_path.reveal(), CUSTOMER);
        assert!(!String::from_utf8_lossy(outbound.message.as_bytes()).contains(OWNER));
        shop.settle(&notice[0], Verdict::Delivered, "250 2.0.0").await;
    }
}

#[tokio::test]
async fn a_message_sent_again_is_delivered_once_but_again_after_it_bounced() {
    let shop = Shop::open().await;
    let id = "<1@customer.example>";
    let send = async || shop.customer_writes(&shop.store_alias(), id, Notify::default(), None).await;
    let first = send().await;
    assert_eq!(send().await, first);
    let work = shop.lease().await;
    assert_eq!(work.len(), 1);
    shop.settle(&work[0], Verdict::Failed, "550 5.2.2").await;
    let again = send().await;
    assert!(again != first);
    assert_eq!(send().await, again);
    let due = shop.lease().await;
    assert_eq!(due.iter().filter(|work| work.direction == "to_merchant").count(), 1);
}

#[tokio::test]
async fn a_bounce_that_is_faster_than_our_own_commit_is_asked_to_come_again() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<1@customer.example>", Notify::default(), None).await;
    let work = shop.lease().await;
    let returns_to = shop.relay.outbound(&work[0]).await.unwrap().reverse_path.unwrap().to_string();
    let bounce = async || {
        let recipient = shop.mx(None, &address(&returns_to)).await.unwrap();
        let bytes = "MIME-Version: 1.0\r\nContent-Type: message/delivery-status\r\n\r\n\
                     Reporting-MTA: dns; mx.store.example\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n";
        let recipients = vec![(recipient, Wishes::default())];
        let (peer, parameters) = (peer(), MailParameters::default());
        let bytes = bytes.as_bytes().to_vec();
        let proof = SenderProof::given(Findings::Trusted);
        let incoming = Incoming {
            peer: &peer,
            login: None,
            sender: None,
            recipients,
            parameters,
            bytes,
            proof,
            said: crate::relay::Said::default(),
        };
        shop.relay.accept(incoming).await
    };
    assert_eq!(bounce().await, Err(Refusal::TryAgain));
    shop.settle(&work[0], Verdict::Delivered, "250 2.0.0").await;
    for _ in 0..2 {
        assert!(bounce().await.is_ok());
    }
    let notices = shop.lease().await;
    assert_eq!(notices.len(), 1, "the sender is told once");
    let told = shop.relay.outbound(&notices[0]).await.unwrap().forward_path.reveal();
    assert_eq!(told, CUSTOMER);
}

#[tokio::test]
async fn a_recipient_who_is_named_twice_gets_one_message() {
    let shop = Shop::open().await;
    let twice = [shop.store_alias(), vec![shop.order.merchant_alias.to_string().to_uppercase()]].concat();
    let receipt = shop.customer_writes(&twice, "", Notify::default(), None).await;
    assert_eq!((receipt.queue_ids.len(), shop.lease().await.len()), (2, 1));
}

#[tokio::test]
async fn an_address_the_customer_had_before_passes_no_more_than_the_present_one() {
    let shop = Shop::open().await;
    let now = "hana.new@customer.example";
    shop.readdress("1", now).await;
    let sender = address(now);
    let to = address(&shop.order.merchant_alias.to_string());
    let recipient = shop.mx(Some(&sender), &to).await.unwrap();
    let bytes = format!("From: {now}\r\nSubject: new address\r\n\r\nHana, once {CUSTOMER}\r\n").into_bytes();
    let (peer, parameters, recipients) =
        (peer(), MailParameters::default(), vec![(recipient, Wishes::default())]);
    let proof = SenderProof::given(Findings::Trusted);
    let incoming = Incoming {
        peer: &peer,
        login: None,
        sender: Some(&sender),
        recipients,
        parameters,
        bytes,
        proof,
        said: crate::relay::Said::default(),
    };
    shop.relay.accept(incoming).await.unwrap();
    let due = shop.lease().await;
    let work = due.iter().find(|work| work.direction == "to_merchant").unwrap();
    let sent = shop.relay.outbound(work).await.unwrap().message.into_bytes();
    let sent = String::from_utf8(sent).unwrap();
    assert!(sent.contains("Hana, once a") && !sent.contains("@customer.example"), "{sent}");
}

fn make_alias_key(keys: &std::path::Path) {
    let mut ring = KeyRing::open_or_begin(keys, Arc::default()).unwrap();
    ring.make(crate::vault::Purpose::Alias, Timestamp::now(), Duration::ZERO).unwrap();
}

#[tokio::test]
async fn a_key_that_was_replaced_or_lost_stops_the_start_and_a_new_one_does_not() {
    let shop = Shop::open().await;
    let keys = shop.dir.join("keys");
    let url = format!("sqlite:{}", shop.dir.join("relay.db").display());
    let open = async || {
        let ring = KeyRing::open(&keys, Make::Missing, Timestamp::now()).unwrap();
        let vault = Vault::open(&ring).unwrap();
        let store = Store::open(&url, &vault.file).await.unwrap();
        let (domains, policy) = (shop.relay.domains().clone(), shop.relay.policy().clone());
        Relay::open(store, vault, domains, policy).await.err().map(|e| e.to_string())
    };
    make_alias_key(&keys);
    assert_eq!(open().await, None, "a rotated key is remembered");
    // By another process than the one that makes what is missing.
    std::fs::remove_file(keys.join("alias-b.key")).unwrap();
    assert!(open().await.is_some_and(|why| why.contains("alias-b.key is missing")));
    make_alias_key(&keys);
    assert!(open().await.is_some_and(|why| why.contains("alias-b.key is another one")));
}
