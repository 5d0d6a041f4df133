//! Texts that stay after their delivery: kept only where that was said, destroyed with their day and certified, or kept by a hold; and
//! extracts that end by their time.

use super::*;
use crate::config::{Config, Retention};
use crate::relay::{ExtractAsked, LEAST, Piece};
use sqlx::Row;

const DAY: Duration = Duration::from_secs(86_400);

fn rules() -> Retention {
    Config::development(&std::env::temp_dir()).unwrap().retention
}

fn account(uid: u32) -> Account {
    Account { uid, login: None, from: Origin::Here }
}

fn look(actor: &str) -> Look {
    Look::new(actor, LookPurpose::LegalRequest, "C-9", account(1)).unwrap()
}

impl Shop {
    async fn number(&self, of: &'static str) -> i64 {
        let mut connection = self.database().await;
        sqlx::query(of).fetch_one(&mut connection).await.unwrap().get(0)
    }

    async fn kept(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM kept_text").await
    }

    async fn delivered(&self, id: &str) {
        self.customer_writes(&self.store_alias(), id, Notify::default(), None).await;
        for work in self.lease().await {
            self.settle(&work, Verdict::Delivered, "250 2.0.0").await;
        }
    }

    /// Opens something for two.
    async fn by_two(&self, opening: &Opening) -> Result<Opened, DeskFault> {
        let open =
            async |approved| self.relay.open_for(&look("akiko"), opening, Goes::ToTheScreen, approved).await;
        match open(None).await {
            Err(DeskFault::SecondPerson(request)) => {
                self.relay.decide_look(&request, "botan", account(2), Ruling::Approved).await.unwrap();
                open(Some(&request)).await
            }
            other => other,
        }
    }

    async fn all_over(&self, days: u32) {
        while self.relay.destroy_due(&rules(), Timestamp::now().after(DAY * days)).await.unwrap() > 0 {}
    }
}

#[tokio::test]
async fn a_text_is_kept_only_where_that_was_said_and_goes_with_its_day() {
    let shop = Shop::open().await;
    shop.delivered("<1@x.example>").await;
    assert_eq!(shop.kept().await, 0, "nobody said so");
    shop.relay.keeps_texts(64);
    shop.delivered("<2@x.example>").await;
    assert_eq!(shop.kept().await, 1);
    let id = shop.number("SELECT id FROM kept_text").await;
    let content = Opening::Content { queue_id: crate::relay::queue_id(id) };
    let Ok(Opened::Content(text)) = shop.by_two(&content).await else { panic!("it did not open") };
    assert!(text.len() == 64 && text.contains(": "), "{text}");
    // A hold on the store keeps it with its records.
    let scope = HoldScope { store_id: Some("hana-ya".into()), ..HoldScope::default() };
    let (hold, _) = shop.relay.add_legal_hold(&look("akiko"), scope).await.unwrap();
    shop.all_over(32).await;
    assert_eq!(shop.kept().await, 1);
    assert!(matches!(shop.by_two(&Opening::Lift { hold }).await, Ok(Opened::Lifted)));
    shop.all_over(32).await;
    assert_eq!(shop.kept().await, 0);
    let certificates = shop.relay.certificates(100).await.unwrap();
    assert!(certificates.iter().any(|one| one.text.contains("class kept_text") && one.is_last), "certified");
    assert!(shop.number("SELECT COUNT(*) FROM record").await > 0, "the record stays for its own period");
    assert!(shop.by_two(&content).await.is_err(), "and its text is gone");
}

#[tokio::test]
async fn an_extract_ends_by_its_time_and_its_key_goes_with_the_last_of_its_reader() {
    let shop = Shop::open().await;
    let extract = async |recipient: &str, days: u32| {
        let asked = ExtractAsked {
            recipient: recipient.into(),
            query: String::new(),
            kind: "rows",
            least: LEAST,
            days,
            rows: 0,
        };
        let Ok(Opened::Extract(extract)) = shop.by_two(&Opening::Extract(asked)).await else {
            panic!("refused")
        };
        shop.relay.finish_extract(&look("akiko"), &extract, &[7; 32], (0, 0)).await.unwrap();
        extract
    };
    let (first, second, other) =
        (extract("A Labo", 10).await, extract("a  labo", 20).await, extract("B", 10).await);
    let name = |extract: &crate::relay::Extracting| extract.pseudonyms.name("store", &[1]);
    assert_eq!(name(&first), name(&second));
    assert_ne!(name(&first), name(&other));
    let keys = async || {
        shop.number("SELECT COUNT(*) FROM data_key WHERE subject = 'extract' AND length(wrapped) > 0").await
    };
    assert_eq!(keys().await, 2);
    let at = |days: u32| Timestamp::now().after(DAY * days);
    let end = async |days: u32| shop.relay.end_extracts(None, at(days)).await.unwrap();
    assert_eq!((end(9).await, keys().await), (0, 2));
    assert_eq!((end(11).await, keys().await), (2, 1), "the second one still has it");
    assert_eq!((end(21).await, keys().await), (1, 0));
    assert_eq!(shop.number("SELECT COUNT(*) FROM erased_key").await, 2, "every ring takes their leaves out");
    let all = shop.relay.extracts().await.unwrap();
    assert!(
        all.len() == 3 && all.iter().all(|one| !one.is_good(at(0)) && one.detail["recipient"].is_string())
    );
    // It is part of what processes do beside their work.
    extract("C", 1).await;
    shop.relay.keep_retention(&rules(), Piece::Queue, at(2)).await.unwrap();
    assert_eq!(keys().await, 0);
    // The register itself goes with the looks that led to it, counted from the end of each.
    let looks = rules().rule(crate::vault::Class::Audit).period;
    let left = async || shop.number("SELECT COUNT(*) FROM extract").await;
    let forget = async |days: u32| {
        let before = Timestamp::from_millis(at(days).as_millis() - i64::try_from(looks.as_millis()).unwrap());
        shop.relay.store().forget_extracts(before).await.unwrap()
    };
    let days = u32::try_from(looks.as_secs() / 86_400).unwrap();
    assert_eq!((forget(days + 1).await, left().await), (0, 4));
    assert_eq!((forget(days + 12).await, left().await), (3, 1), "two that ended on day 11, one on day 2");
    assert_eq!((forget(days + 22).await, left().await), (1, 0));
}

#[tokio::test]
async fn who_gets_extracts_keeps_one_key_through_a_change_of_every_key_and_the_register_opens() {
    let shop = Shop::open().await;
    let asked = ExtractAsked {
        recipient: "A Labo".into(),
        query: "event:refused".into(),
        kind: "rows",
        least: LEAST,
        days: 30,
        rows: 0,
    };
    let name = |extract: &crate::relay::Extracting| extract.pseudonyms.name("store", &[1]);
    let first = shop.relay.begin_extract(&look("akiko"), &asked, Timestamp::now()).await.unwrap();
    let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), std::sync::Arc::default()).unwrap();
    for purpose in rekey::ROTATED {
        ring.make(purpose, Timestamp::now(), std::time::Duration::ZERO).unwrap();
    }
    let later = Timestamp::now().after(std::time::Duration::from_secs(60));
    let relay = rekey::reopen(&shop, later).await.unwrap();
    rekey::rekey(&relay, later).await;
    for purpose in rekey::ROTATED {
        assert_eq!(relay.needs(purpose, 'a', later).await.unwrap(), [], "{purpose:?}");
        relay.retire(purpose, 'a', Some(later)).await.unwrap();
        ring.destroy(purpose, 'a').unwrap();
    }
    let relay = rekey::reopen(&shop, later).await.unwrap();
    let second = relay.begin_extract(&look("akiko"), &asked, later).await.unwrap();
    assert_eq!(name(&first), name(&second));
    let all = relay.extracts().await.unwrap();
    assert!(all.len() == 2 && all.iter().all(|one| one.detail["recipient"] == "A Labo"), "{all:?}");
}
