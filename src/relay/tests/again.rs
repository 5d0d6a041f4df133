//! What failed is sent once more: to whom it may go still, how often, and who is told of it.

use super::*;
use crate::vault::Secret;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(86_400);

fn visit() -> Visit {
    Visit { ip: HERE, is_known: true, agent: String::new(), device: None }
}

impl Shop {
    /// One whose failed mails stay, and its administrator at the menu.
    async fn keeping(texts: Duration) -> (Self, MenuSession) {
        let mut shop = Self::open().await;
        let keep_failed = Some(KeepFailed { period: DAY, texts });
        shop.reopen(Policy { keep_failed, ..Policy::for_tests() }).await;
        let own = Secret::received(Zeroizing::new("umi no mieru basho 5".to_owned()));
        let once = &shop.menu_password;
        let session = shop.signed_in("", once).await;
        shop.relay.change_password(&session, (once, &own), &visit()).await.unwrap();
        let boss = shop.signed_in("admin", &own).await;
        for told in shop.lease().await {
            shop.settle(&told, Verdict::Delivered, "250 2.0.0").await;
        }
        (shop, boss)
    }

    async fn signed_in(&self, name: &str, password: &Secret) -> MenuSession {
        let asked = SignIn { store_id: "hana-ya", name, password, stays: Stays::Own };
        let Ok(signed_in) = self.relay.sign_in(&asked, &visit()).await else {
            panic!("{name} is not let in")
        };
        self.relay.menu_session(signed_in.token.show()).await.unwrap().unwrap()
    }

    /// The store's mail to its customer.
    async fn store_writes(&self, id: &str) {
        let (alias, owner) = (address(&self.order.customer_alias.to_string()), address(OWNER));
        let recipient = self.relay.submission_recipient(&self.login, &alias).await.unwrap();
        let bytes = format!("From: {OWNER}\r\nSubject: order\r\nMessage-ID: {id}\r\n\r\nThank you.\r\n");
        let peer = peer();
        let incoming = Incoming {
            peer: &peer,
            login: Some(&self.login),
            sender: Some(&owner),
            recipients: vec![(recipient, notify(false).into())],
            parameters: MailParameters::default(),
            bytes: bytes.into_bytes(),
            proof: SenderProof::given(Findings::Trusted),
            said: Said::default(),
        };
        self.relay.accept(incoming).await.unwrap();
    }

    /// Lets all that is due fail so. Of it those between store and customer, and how many notices there were.
    async fn all_fail(&self, status: &str) -> (Vec<i64>, usize) {
        let (mut failed, mut notices) = (Vec::new(), 0);
        loop {
            let due = self.lease().await;
            if due.is_empty() {
                return (failed, notices);
            }
            for work in due {
                if work.direction == "notice" {
                    notices += 1;
                    self.settle(&work, Verdict::Delivered, "250 2.0.0").await;
                } else {
                    self.settle(&work, Verdict::Failed, status).await;
                    failed.push(work.message_id);
                }
            }
        }
    }

    async fn sends_again(&self, boss: &MenuSession, message: i64) -> Result<(), MailFault> {
        // The page offers what would be done, and nothing else.
        let (view, _) = self.relay.menu_mail_with_steps(boss, message).await.unwrap().unwrap();
        let done = self.relay.menu_decide(boss, (message, MailDecision::Again), "mail", &visit()).await;
        assert_eq!(view.again_until.is_some(), done.is_ok(), "{done:?}");
        done
    }
}

#[tokio::test]
async fn a_customer_is_told_once_and_a_mail_is_sent_again_three_times_at_most() {
    let (shop, boss) = Shop::keeping(30 * DAY).await;
    shop.customer_writes(&shop.store_alias(), "<1@c.example>", notify(false), None).await;
    let (failed, notices) = shop.all_fail("550 5.7.1").await;
    assert_eq!((failed.len(), notices), (1, 1));
    for _ in 0..3 {
        shop.sends_again(&boss, failed[0]).await.unwrap();
        assert_eq!(
            shop.all_fail("550 5.7.1").await,
            (failed.clone(), 0),
            "the customer is told no second time"
        );
    }
    assert!(matches!(shop.sends_again(&boss, failed[0]).await, Err(MailFault::NoText)));
    assert!(shop.relay.store().body(failed[0]).await.unwrap().is_none(), "and nothing is kept for it");
}

#[tokio::test]
async fn it_goes_to_nobody_whom_mail_would_not_go_to_today() {
    let (shop, boss) = Shop::keeping(30 * DAY).await;
    // The customer has another address by now.
    shop.store_writes("<1@s.example>").await;
    let (failed, notices) = shop.all_fail("550 5.7.1").await;
    assert_eq!((failed.len(), notices), (1, 1));
    shop.readdress("1", "hana.new@customer.example").await;
    assert!(matches!(shop.sends_again(&boss, failed[0]).await, Err(MailFault::Elsewhere)));
    shop.readdress("1", CUSTOMER).await;
    // The mailbox refuses mail.
    shop.relay.suppress(&shop.order.customer_alias.to_string()).await.unwrap();
    assert!(matches!(shop.sends_again(&boss, failed[0]).await, Err(MailFault::Unreachable)));
    shop.relay.unsuppress(&shop.order.customer_alias.to_string()).await.unwrap();
    shop.sends_again(&boss, failed[0]).await.unwrap();
}

#[tokio::test]
async fn a_text_stays_no_longer_than_texts_do() {
    // An hour is how long it would be tried once more.
    for (texts, is_kept) in [(Duration::from_secs(3600), false), (Duration::from_secs(7200), true)] {
        let (shop, boss) = Shop::keeping(texts).await;
        shop.customer_writes(&shop.store_alias(), "<1@c.example>", notify(false), None).await;
        let (failed, _) = shop.all_fail("550 5.7.1").await;
        let row = shop.relay.store().queue_of_message(failed[0]).await.unwrap().remove(0);
        assert_eq!(row.body_until.is_some(), is_kept);
        assert_eq!(shop.relay.store().body(failed[0]).await.unwrap().is_some(), is_kept);
        assert!(row.body_until.is_none_or(|until| until < Timestamp::now().after(Duration::from_secs(3600))));
        assert_eq!(shop.sends_again(&boss, failed[0]).await.is_ok(), is_kept);
    }
}
