//! What retention destroys of a running relay, and what holds keep, with two persons to lift them.

use super::*;
use crate::config::Config;
use crate::vault;

const DAY: Duration = Duration::from_secs(86_400);

fn rules() -> crate::config::Retention {
    Config::development(&std::env::temp_dir()).unwrap().retention
}

fn look(actor: &str) -> Look {
    Look::new(actor, LookPurpose::LegalRequest, "C-9", "uid 1".into()).unwrap()
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
    assert!(matches!(nobody, Err(HoldFault::Nobody)));
    let empty = shop.relay.add_legal_hold(&look("akiko"), HoldScope::default()).await;
    assert!(matches!(empty, Err(HoldFault::Empty)));
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
    let own = shop.relay.decide_look(&request, "akiko", "uid 1".into(), Ruling::Approved).await;
    assert!(matches!(own, Err(DeskFault::OwnRequest)));
    assert!(matches!(open("akiko", Some(&request)).await, Err(DeskFault::NotApproved)));
    shop.relay.decide_look(&request, "botan", "uid 2".into(), Ruling::Approved).await.unwrap();
    assert!(matches!(open("akiko", Some(&request)).await, Ok(Opened::Lifted)));
    assert!(matches!(open("akiko", Some(&request)).await, Err(DeskFault::Hold(HoldFault::NoHold))));
    assert!(shop.relay.legal_holds().await.unwrap()[0].lifted_at.is_some());
    shop.all_done(400).await;
    assert!(shop.traced().await.is_empty());
}
