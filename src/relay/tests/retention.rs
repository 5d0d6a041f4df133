//! What retention destroys of a running relay, and what holds keep, with two persons to lift them.

use super::*;
use crate::config::Config;
use crate::vault;

const DAY: Duration = Duration::from_secs(86_400);

fn rules() -> crate::config::Retention {
    Config::development(&std::env::temp_dir()).unwrap().retention
}

fn look(actor: &str) -> Look {
    Look::new(actor, LookPurpose::LegalRequest, "C-9", Account { uid: 1, login: None, from: Origin::Here })
        .unwrap()
}

fn order() -> Opening {
    Opening::Trace(TraceOf::Order { store_id: "hana-ya".into(), order_no: "1".into() })
}

impl Shop {
    async fn traced(&self) -> Vec<TraceLine> {
        match self.relay.open_for(&look("akiko"), &order(), Goes::ToTheScreen, None).await {
            Ok(Opened::Trace(lines)) => lines,
            _ => panic!("no trace"),
        }
    }

    async fn one_mail(&self) {
        let to = [self.order.merchant_alias.to_string()];
        self.customer_writes(&to, "<1@x.example>", Notify::default(), None).await;
    }

    async fn all_done(&self, days: u32) -> usize {
        let (mut certificates, now) = (0, Timestamp::now().after(DAY * days));
        loop {
            match self.relay.destroy_due(&rules(), now).await.unwrap() {
                0 => return certificates,
                some => certificates += some,
            }
        }
    }
}

#[tokio::test]
async fn header_blocks_go_first_then_records_and_a_text_that_waits_keeps_its_keys() {
    let shop = Shop::open().await;
    shop.one_mail().await;
    assert!(shop.traced().await.iter().any(|line| line.headers.is_some()));
    assert_eq!(shop.all_done(30).await, 0);
    shop.all_done(182).await;
    let lines = shop.traced().await;
    assert!(!lines.is_empty() && lines.iter().all(|line| line.headers.is_none()));
    shop.all_done(397).await;
    assert!(shop.traced().await.is_empty());
    // Nobody has delivered it yet, so it opens still.
    let work = shop.lease().await.remove(0);
    assert!(shop.relay.outbound(&work).await.is_ok());
    let standings = shop.relay.retention(&rules(), Timestamp::now().after(DAY * 397)).await.unwrap();
    let of = |class| standings.iter().find(|standing| standing.class == class).unwrap();
    assert_eq!(of(vault::Class::Body).due.len(), 1);
    assert_eq!((of(vault::Class::Metadata).due.len(), of(vault::Class::Metadata).destroyed_days), (0, 1));
}

#[tokio::test]
async fn a_hold_on_a_person_keeps_the_persons_records_and_two_persons_lift_it() {
    let shop = Shop::open().await;
    shop.one_mail().await;
    let scope = |customer: &str| HoldScope { customer: Some(customer.into()), ..HoldScope::default() };
    let nobody = shop.relay.add_legal_hold(&look("akiko"), scope("nobody@x.example")).await;
    assert!(matches!(nobody, Err(DeskFault::Hold(HoldFault::Nobody))));
    let empty = shop.relay.add_legal_hold(&look("akiko"), HoldScope::default()).await;
    assert!(matches!(empty, Err(DeskFault::Hold(HoldFault::Empty))));
    let (hold, count) =
        shop.relay.add_legal_hold(&look("akiko"), scope("HANA@customer.example")).await.unwrap();
    assert_eq!(count, 1);
    shop.all_done(400).await;
    assert!(shop.traced().await.iter().any(|line| line.headers.is_some()));
    let lift = Opening::Lift { hold: hold.clone() };
    let open = async |actor: &str, approved| {
        shop.relay.open_for(&look(actor), &lift, Goes::ToTheScreen, approved).await
    };
    let Err(DeskFault::SecondPerson(request)) = open("akiko", None).await else { panic!("one was enough") };
    let own = shop
        .relay
        .decide_look(&request, "akiko", Account { uid: 1, login: None, from: Origin::Here }, Ruling::Approved)
        .await;
    assert!(matches!(own, Err(DeskFault::OwnRequest)));
    assert!(matches!(open("akiko", Some(&request)).await, Err(DeskFault::NotApproved)));
    shop.relay
        .decide_look(&request, "botan", Account { uid: 2, login: None, from: Origin::Here }, Ruling::Approved)
        .await
        .unwrap();
    assert!(matches!(open("akiko", Some(&request)).await, Ok(Opened::Lifted)));
    assert!(matches!(open("akiko", Some(&request)).await, Err(DeskFault::Hold(HoldFault::NoHold))));
    assert!(shop.relay.legal_holds().await.unwrap()[0].lifted_at.is_some());
    shop.all_done(400).await;
    assert!(shop.traced().await.is_empty());
}

#[tokio::test]
async fn who_was_refused_outside_of_a_conversation_is_erased_too_or_goes_with_the_day() {
    let shop = Shop::open().await;
    let refuse = async |from: &str| {
        let (from, to) = (address(from), address("nobody@fw.example"));
        shop.relay.record_refused_recipient(None, Some(&from), &to, &Refusal::Relaying, &peer()).await;
    };
    let keys = async || shop.relay.store().data_keys(-1, 1000).await.unwrap();
    let before = keys().await.len();
    for from in ["stray@x.example", "stray@x.example", "other@x.example"] {
        refuse(from).await;
    }
    let old = keys().await;
    // One key for an address and a day.
    assert_eq!(old.len(), before + 2);
    let (held, erasure) = shop.relay.erasure_of("stray@x.example", false).await.unwrap();
    assert_eq!((held.refused_days, held.orders, held.records), (1, 0, 0));
    let open =
        async |approved| shop.relay.open_for(&look("akiko"), &erasure, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("one was enough") };
    shop.relay
        .decide_look(&request, "botan", Account { uid: 2, login: None, from: Origin::Here }, Ruling::Approved)
        .await
        .unwrap();
    let Ok(Opened::Erased(erased)) = open(Some(&request)).await else { panic!("it was not erased") };
    assert_eq!(erased.len(), 1);
    assert_eq!(shop.relay.keys_to_erase().await.unwrap(), erased);
    // The certificate waits for the ring.
    assert_eq!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().len(), 1);
    let (dir, now) = (shop.dir.join("keys"), Timestamp::now());
    let take = vault::Take::Found;
    let (mut keeper, _) = vault::Keeper::open(&dir, vault::Wrapping::File, take, Make::Nothing, now).unwrap();
    assert_eq!(keeper.erase(&erased).unwrap(), 1);
    let renewed = keeper.look(Timestamp::now()).unwrap().unwrap();
    for row in &old {
        let opened = renewed.seal.unwrap_data_key(row.id, &row.wrapped);
        assert_eq!(
            opened.err(),
            erased.contains(&row.id).then_some(VaultError::Destroyed { table: "data_key", id: row.id })
        );
    }
    shop.relay.renew(renewed).await.unwrap();
    assert!(shop.relay.keys_to_erase().await.unwrap().is_empty());
    assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
    assert_eq!(shop.relay.certificates(1).await.unwrap()[0].kind, "erasure");
    let gone = async |who| matches!(shop.relay.erasure_of(who, false).await, Err(ErasureFault::Nobody));
    assert!(gone("stray@x.example").await && !gone("other@x.example").await);
    shop.all_done(32).await;
    assert!(gone("other@x.example").await);
}

/// All pages of the database file and of its WAL, free ones too, as they are below the encryption of SQLCipher 4: AES-256-CBC, the
/// vector at the beginning of the 80 octets at the end of a page; the first 16 of the file are the salt.
fn pages(shop: &Shop) -> Vec<u8> {
    use aes::cipher::{BlockCipherDecrypt, KeyInit};
    const PAGE: usize = 4096;
    let ring = KeyRing::open(&shop.dir.join("keys"), Make::Nothing, Timestamp::now()).unwrap();
    let file = Vault::open(&ring).unwrap().file;
    let raw = file.newest().unwrap().raw();
    let hex = raw.trim_start_matches("x'").trim_end_matches('\'').to_ascii_lowercase();
    let key: [u8; 32] = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap();
    let cipher = aes::Aes256::new(&key.into());
    let database = std::fs::read(shop.dir.join("relay.db")).unwrap();
    let wal = std::fs::read(shop.dir.join("relay.db-wal")).unwrap_or_default();
    let of_wal = wal.get(32..).unwrap_or_default().chunks_exact(24 + PAGE).map(|frame| &frame[24..]);
    let mut plain = Vec::new();
    for (number, page) in database.chunks_exact(PAGE).chain(of_wal).enumerate() {
        let mut before: [u8; 16] = page[PAGE - 80..PAGE - 64].try_into().unwrap();
        let begin = if number == 0 { 16 } else { 0 };
        for sealed in page[begin..PAGE - 80].chunks_exact(16) {
            let sealed: [u8; 16] = sealed.try_into().unwrap();
            let mut block = sealed.into();
            cipher.decrypt_block(&mut block);
            plain.extend(block.iter().zip(before).map(|(octet, mask)| octet ^ mask));
            before = sealed;
        }
    }
    plain
}

#[tokio::test]
async fn no_octet_of_a_destroyed_key_is_left_in_the_files_of_the_database() {
    let shop = Shop::open().await;
    // Enough that pages are split, also under the one that goes.
    for number in 0..300 {
        let (order_no, customer) = (format!("N-{number}"), format!("c{number}@customer.example"));
        let request = OrderRequest { store_id: "hana-ya".into(), order_no, customer, expires_at: None };
        shop.relay.open_order(request).await.unwrap();
    }
    shop.one_mail().await;
    let octets = || pages(&shop);
    let key = shop.relay.order_of("hana-ya", "1").await.unwrap().key;
    assert!(memchr::memmem::find(&octets(), &key.wrapped).is_some());
    let (_, erasure) = shop.relay.erasure_of(CUSTOMER, true).await.unwrap();
    let open =
        async |approved| shop.relay.open_for(&look("akiko"), &erasure, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("one was enough") };
    let account = Account { uid: 2, login: None, from: Origin::Here };
    shop.relay.decide_look(&request, "botan", account, Ruling::Approved).await.unwrap();
    let Ok(Opened::Erased(erased)) = open(Some(&request)).await else { panic!("it was not erased") };
    let (now, take) = (Timestamp::now(), vault::Take::Found);
    let (mut keeper, _) =
        vault::Keeper::open(&shop.dir.join("keys"), vault::Wrapping::File, take, Make::Nothing, now).unwrap();
    keeper.erase(&erased).unwrap();
    shop.relay.renew(keeper.look(now).unwrap().unwrap()).await.unwrap();
    assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
    assert!(memchr::memmem::find(&octets(), &key.wrapped).is_none());

    let segments = shop.relay.store().segments(vault::Purpose::Log, -1, 1000).await.unwrap();
    assert!(segments.iter().all(|row| memchr::memmem::find(&octets(), &row.wrapped).is_some()));
    let until = Timestamp::now().after(DAY * 400);
    while shop.relay.destroy_due(&rules(), until).await.unwrap() > 0 {}
    let gone = segments.iter().filter(|row| row.class != "audit");
    assert!(gone.clone().count() > 0);
    for row in gone {
        assert!(memchr::memmem::find(&octets(), &row.wrapped).is_none(), "{}", row.class);
    }
}

#[tokio::test]
async fn an_erasure_is_certified_when_the_file_of_the_key_is_gone_and_not_when_it_is_marked() {
    let mut shop = Shop::open().await;
    // As an older version made it: wrapped without the tree.
    let mut database = shop.database().await;
    sqlx::query("UPDATE data_key SET bare = 'a'").execute(&mut database).await.unwrap();
    let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), Arc::default()).unwrap();
    ring.make(vault::Purpose::Seal, Timestamp::now(), Duration::ZERO).unwrap();
    shop.reopen(Policy::for_tests()).await;
    let (_, erasure) = shop.relay.erasure_of(CUSTOMER, true).await.unwrap();
    let open =
        async |approved| shop.relay.open_for(&look("akiko"), &erasure, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("one was enough") };
    let account = Account { uid: 2, login: None, from: Origin::Here };
    shop.relay.decide_look(&request, "botan", account, Ruling::Approved).await.unwrap();
    let Ok(Opened::Erased(erased)) = open(Some(&request)).await else { panic!("it was not erased") };
    // Times of keys are whole seconds: by then the new one seals.
    let now = Timestamp::now().after(Duration::from_secs(2));
    let take = vault::Take::Found;
    let (mut keeper, _) =
        vault::Keeper::open(&shop.dir.join("keys"), vault::Wrapping::File, take, Make::Nothing, now).unwrap();
    keeper.erase(&erased).unwrap();
    shop.relay.renew(keeper.look(now).unwrap().unwrap()).await.unwrap();
    let waits = async |relay: &Relay| {
        let pending = relay.certify_erasures(Timestamp::now()).await.unwrap();
        pending.into_iter().flat_map(|pending| pending.seal_keys).collect::<Vec<_>>()
    };
    assert_eq!(waits(&shop.relay).await, ["seal-a"]);
    let later = Timestamp::now().after(MINUTE);
    // Whoever retired it was killed in his sleep, an hour ago.
    let long_ago = Timestamp::from_millis(now.as_millis() - 3_600_000);
    shop.relay.retire(vault::Purpose::Seal, 'a', Some(long_ago)).await.unwrap();
    assert_eq!(waits(&shop.relay).await, ["seal-a"]);
    assert!(shop.relay.keys_to_destroy(later).await.unwrap().is_empty(), "a mark may be taken back");
    // Nor does a word in the database end anything.
    sqlx::query("UPDATE ring_key SET gone_at = 1, ruling = X'00'").execute(&mut database).await.unwrap();
    assert_eq!(waits(&shop.relay).await, ["seal-a"]);
    assert!(shop.relay.keys_to_destroy(later).await.unwrap().is_empty());
    // Gone on another machine, and still in this ring.
    shop.relay.key_is_gone(vault::Purpose::Seal, 'a', long_ago).await.unwrap();
    assert_eq!(waits(&shop.relay).await, ["seal-a"]);
    assert!(shop.relay.keys_to_destroy(later).await.unwrap().is_empty(), "data keys are wrapped with it");
    while shop.relay.rekey(Stage::DataKeys, later).await.unwrap() != Step::Done {}
    assert_eq!(shop.relay.keys_to_destroy(later).await.unwrap(), [(vault::Purpose::Seal, 'a')]);
    keeper.destroy(vault::Purpose::Seal, 'a').unwrap();
    assert!(!shop.dir.join("keys/seal-a.key").exists());
    shop.relay.renew(keeper.look(now).unwrap().unwrap()).await.unwrap();
    assert!(shop.relay.is_half_retired(vault::Purpose::Seal, 'a').await.unwrap());
    // Others have a minute to follow.
    shop.relay.key_is_gone(vault::Purpose::Seal, 'a', Timestamp::now()).await.unwrap();
    assert_eq!(waits(&shop.relay).await, ["seal-a"]);
    shop.relay.key_is_gone(vault::Purpose::Seal, 'a', long_ago).await.unwrap();
    assert!(waits(&shop.relay).await.is_empty());
    assert_eq!(shop.relay.certificates(1).await.unwrap()[0].kind, "erasure");
}

#[tokio::test]
async fn a_clock_that_slips_a_little_again_and_again_is_in_doubt_until_a_person_says_that_it_is_right() {
    let shop = Shop::open().await;
    let now = Timestamp::now();
    let minutes = |minutes: u64| now.after(Duration::from_secs(60 * minutes));
    assert_eq!(shop.relay.know_time(now).await.unwrap(), None);
    assert_eq!(shop.relay.know_time(minutes(50)).await.unwrap(), None);
    for later in [100, 149, 2000] {
        assert!(shop.relay.know_time(minutes(later)).await.unwrap().is_some(), "{later}");
    }
    shop.relay.trust_clock(&look("akiko"), minutes(2000)).await.unwrap();
    assert_eq!(shop.relay.know_time(minutes(2050)).await.unwrap(), None);
    assert!(shop.relay.know_time(minutes(2100)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_once_the_log_has_nothing_of_it() {
    let shop = Shop::open().await;
    let open = async |order_no: &str, customer: &str| {
        let (store_id, order_no) = ("hana-ya".into(), order_no.into());
        let request = OrderRequest { store_id, order_no, customer: customer.into(), expires_at: None };
        shop.relay.open_order(request).await.unwrap()
    };
    open("2", "taro@customer.example").await;
    open("3", "held@customer.example").await;
    shop.one_mail().await;
    let scope = HoldScope { customer: Some("held@customer.example".into()), ..HoldScope::default() };
    shop.relay.add_legal_hold(&look("akiko"), scope).await.unwrap();
    let rule = &rules().conversations;
    let orders = async || {
        let rows = shop.relay.list_orders("hana-ya").await.unwrap();
        rows.into_iter().map(|order| order.order_no).collect::<Vec<_>>()
    };
    let end = async |days: u32, minutes: u32| {
        let mut count = 0;
        for _ in 0..3 {
            count += shop
                .relay
                .end_conversations(rule, Timestamp::now().after(DAY * days + MINUTE * minutes))
                .await
                .unwrap();
        }
        count
    };
    assert_eq!(end(90, 0).await, 0, "it ended an hour after it began");
    assert_eq!((end(90, 120).await, orders().await.len()), (0, 3), "closed first");
    let row = shop.relay.order_of("hana-ya", "2").await.unwrap();
    assert!(row.closed_at.is_some() && !row.key.wrapped.is_empty());
    assert_eq!((end(90, 190).await, orders().await), (1, vec!["1".to_owned(), "3".to_owned()]));
    let certificate = shop.relay.certificates(1).await.unwrap().remove(0);
    assert!(
        certificate.kind == "conversations" && certificate.text.contains("conversations 1\n"),
        "{}",
        certificate.text
    );
    let mut database = shop.database().await;
    for (text, left) in [
        ("SELECT COUNT(*) FROM alias", 4),
        ("SELECT COUNT(*) FROM conversation", 2),
        ("SELECT COUNT(*) FROM data_key WHERE subject = 'conversation'", 2),
        ("SELECT COUNT(*) FROM erased_key", 0),
    ] {
        let count: i64 = sqlx::query_scalar(text).fetch_one(&mut database).await.unwrap();
        assert_eq!(count, left, "{text}");
    }
    // The mail of the first waits, and its records are there; the third is held.
    assert_eq!(end(300, 0).await, 0);
    let work = shop.lease().await.remove(0);
    shop.settle(&work, Verdict::Delivered, "250 2.0.0").await;
    shop.relay.store().purge(Timestamp::now().after(DAY), Timestamp::now().after(DAY)).await.unwrap();
    assert_eq!(end(300, 0).await, 0, "its records are sealed with its key");
    shop.all_done(397).await;
    end(397, 0).await;
    assert_eq!((end(397, 120).await, orders().await), (1, vec!["3".to_owned()]));
    assert!(open("1", CUSTOMER).await.is_new);
}
