//! A copy of the database from before an erasure, beside the key ring of today: nothing of it opens, and nothing of it is in the way.

use super::*;
use crate::relay::orders::Lasts;
use crate::vault::{Keeper, Take, Wrapping};
use sqlx::AssertSqlSafe;

const NEW: &str = "hana.new@customer.example";

fn look(actor: &str, uid: u32) -> Look {
    let account = Account { uid, login: Some(uid), from: Origin::Here };
    Look::new(actor, LookPurpose::DataSubjectRequest, "D-1", account).unwrap()
}

/// What erasing touches of the database, but for the log.
const TABLES: [&str; 12] = [
    "data_key",
    "conversation",
    "alias",
    "thread_id",
    "suppressed",
    "message",
    "message_body",
    "delivery",
    "stranger",
    "correction",
    "erased_key",
    "erasure",
];

impl Shop {
    pub(super) async fn backup(&self) {
        let mut database = self.database().await;
        for table in TABLES {
            let text = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut database).await.unwrap();
        }
    }

    pub(super) async fn restore(&self) {
        let mut database = self.database().await;
        for table in TABLES {
            let text = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut database).await.unwrap();
        }
    }

    /// The ring, to take leaves out of its tree.
    pub(super) fn keeper(&self) -> Keeper {
        let (dir, now) = (self.dir.join("keys"), Timestamp::now());
        Keeper::open(&dir, Wrapping::File, Take::Found, Make::Nothing, now).unwrap().0
    }

    /// Takes these keys out of the ring, and reads it again.
    pub(super) async fn take_out(&self, keys: &[i64]) {
        let mut keeper = self.keeper();
        keeper.erase(keys).unwrap();
        if let Some(vault) = keeper.look(Timestamp::now()).unwrap() {
            self.relay.renew(vault).await.unwrap();
        }
    }

    /// Erases as two persons do, in the database and in the ring.
    pub(super) async fn erase_for_good(&self, customer: &str) -> Vec<i64> {
        let (_, opening) = self.relay.preview_erasure(&look("akiko", 1), customer, true).await.unwrap();
        let open = async |approved| {
            self.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, approved).await
        };
        let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
        let by = look("botan", 2).account;
        self.relay.decide_look(&request, "botan", by, Ruling::Approved).await.unwrap();
        let Ok(Opened::Erased(keys)) = open(Some(&request)).await else { panic!("it was not erased") };
        self.take_out(&keys).await;
        keys
    }

    async fn open_it_again(&self) -> OrderView {
        let request = OrderRequest {
            store_id: "hana-ya".into(),
            order_no: "1".into(),
            customer: CUSTOMER.into(),
            expires_at: None,
        };
        self.relay.open_order(request).await.unwrap()
    }

    async fn inquires(&self) -> i64 {
        let merchant = self.relay.merchant("hana-ya").await.unwrap().unwrap();
        let (customer, now) = (address(CUSTOMER), Timestamp::now());
        self.relay.open_inquiry(&merchant, &customer, Lasts::Longer, now).await.unwrap().id
    }

    /// Asks to correct the customer's address.
    async fn ask_correction(&self) -> i64 {
        let (count, correction) = self.relay.correctable(CUSTOMER, NEW).await.unwrap();
        let asked = self.relay.ask_correction(&look("akiko", 1), &correction, count, Timestamp::now()).await;
        parse_queue_id(&asked.unwrap().id).unwrap()
    }
}

#[tokio::test]
async fn who_was_erased_is_erased_again_in_an_old_copy_of_the_database() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    shop.backup().await;
    let keys = shop.erase_for_good(CUSTOMER).await;
    shop.restore().await;
    let (held, opening) = shop.relay.preview_erasure(&look("akiko", 1), CUSTOMER, true).await.unwrap();
    assert_eq!((held.orders, held.open_orders, held.waiting), (1, 1, 1));
    let open = OpenOrder { store_id: "hana-ya".into(), order_no: None, is_destroyed: true };
    assert_eq!(shop.relay.against(&held, &opening).await.unwrap().orders, [open]);
    // By the API, step by step.
    let step = async || {
        let (_, step) = shop.relay.step_erasure(&look("chika", 3), CUSTOMER, true).await.unwrap();
        step
    };
    let ErasureStep::Asked(request) = step().await else { panic!("by one alone") };
    shop.relay.decide_look(&request, "botan", look("botan", 2).account, Ruling::Approved).await.unwrap();
    assert_eq!(step().await, ErasureStep::Erased);
    for table in ["conversation", "alias", "message", "message_body"] {
        let left = sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")));
        let left: i64 = left.fetch_one(&mut shop.database().await).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    // They are out of the tree already, so nothing waits.
    assert!(shop.relay.keys_to_erase().await.unwrap().is_empty());
    assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
    assert!(!keys.is_empty());
}

#[tokio::test]
async fn what_a_process_remembers_of_a_person_it_forgets_at_its_next_look_at_what_others_erased() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    let key = shop.relay.order("hana-ya", "1").await.unwrap().key.id();
    let remembers = || {
        let sealing = shop.relay.inner.segments.sealing();
        sealing.iter().filter(|segment| segment.remembers(key)).count()
    };
    assert!(remembers() >= 3, "text, record and header block");
    // Another process erases.
    let ring = KeyRing::open(&shop.dir.join("keys"), Make::Nothing, Timestamp::now()).unwrap();
    let (store, domains) = (shop.relay.store().clone(), shop.relay.domains().clone());
    let second = Relay::open(store, Vault::open(&ring).unwrap(), domains, Policy::for_tests()).await.unwrap();
    let (_, opening) = second.preview_erasure(&look("akiko", 1), CUSTOMER, true).await.unwrap();
    let open =
        async |approved| second.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
    second.decide_look(&request, "botan", look("botan", 2).account, Ruling::Approved).await.unwrap();
    assert!(matches!(open(Some(&request)).await, Ok(Opened::Erased(_))));
    assert!(remembers() >= 3);
    assert_eq!(shop.relay.keys_to_erase().await.unwrap(), [key]);
    assert_eq!(remembers(), 0);
}

#[tokio::test]
async fn a_correction_that_waits_goes_with_whoever_is_erased_of_both_its_addresses() {
    for who in [CUSTOMER, NEW] {
        let shop = Shop::open().await;
        let id = shop.ask_correction().await;
        shop.backup().await;
        let (held, _) = shop.relay.erasure_of(who, true).await.unwrap();
        assert_eq!(held.corrections, 1, "{who}");
        shop.erase_for_good(who).await;
        assert!(shop.relay.store().correction(id).await.unwrap().is_none(), "{who}");
        assert!(matches!(shop.relay.erasure_of(who, true).await, Err(ErasureFault::Nobody)), "{who}");
        assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
        shop.restore().await;
        let row = shop.relay.store().correction(id).await.unwrap().unwrap();
        let opened = shop.relay.data_key(&row.key);
        assert!(matches!(opened, Err(VaultError::Destroyed { .. })), "{who}");
        assert_eq!(shop.relay.order("hana-ya", "1").await.is_ok(), who == NEW);
    }
    // One that somebody changed may be anybody's.
    let shop = Shop::open().await;
    let id = shop.ask_correction().await;
    let mut database = shop.database().await;
    sqlx::query("UPDATE correction SET detail = X'00'").execute(&mut database).await.unwrap();
    shop.erase_for_good(CUSTOMER).await;
    assert!(shop.relay.store().correction(id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_order_whose_key_is_destroyed_is_told_and_opened_anew_and_never_prolonged() {
    let shop = Shop::open().await;
    let inquiry = shop.inquires().await;
    shop.backup().await;
    shop.erase_for_good(CUSTOMER).await;
    shop.restore().await;
    let orders = shop.relay.list_orders("hana-ya").await.unwrap();
    assert!(matches!(orders.as_slice(), [OrderView { is_destroyed: true, closed_at: None, .. }]));
    assert!(shop.relay.show_order("hana-ya", "1").await.unwrap().is_destroyed);
    let later = Timestamp::now().after(MINUTE * 600);
    let longer = shop.relay.extend_order("hana-ya", "1", later).await;
    assert!(matches!(longer, Err(OrderFault::Destroyed)));
    let new = shop.open_it_again().await;
    assert!(new.is_new && !new.is_destroyed && new.closed_at.is_none());
    assert!(new.customer_alias != shop.order.customer_alias);
    let again = shop.open_it_again().await;
    assert_eq!(again, OrderView { is_new: false, ..new });
    let orders = shop.relay.list_orders("hana-ya").await.unwrap();
    let states: Vec<_> = orders.iter().map(|order| (order.is_destroyed, order.closed_at.is_some())).collect();
    assert_eq!(states, [(true, true), (false, false)]);
    // Nor does an inquiry keep its sender out.
    assert_ne!(shop.inquires().await, inquiry);
}
