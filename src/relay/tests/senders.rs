//! What becomes of mail at port 25 by what is proven of its sender: who is asked, who decides, what nobody learns. What was
//! found is given, so that each can be looked at alone.

use super::*;
use crate::relay::orders::Lasts;
use crate::senders::{Arc, Checked, Dmarc, Identity, Iprev, Mode, Spf, SpfFound, Wish};

/// Another address, of whoever it is.
const OTHER: &str = "hana@work.example";

fn found(author: &str, spf: Spf, wish: Wish) -> Findings {
    let domain = Some(address(author).reveal_domain().clone());
    Findings::Checked(Checked {
        author: domain.clone(),
        spf: SpfFound { result: spf, identity: Identity::MailFrom, domain },
        dkim: Vec::new(),
        arc: Arc::None,
        dmarc: Dmarc::Known { wish, spf: Mode::Relaxed, dkim: Mode::Relaxed },
        iprev: Iprev::Fail,
    })
}

fn proven(author: &str) -> Findings {
    found(author, Spf::Pass, Wish::Unpublished)
}

pub(super) fn unproven(author: &str) -> Findings {
    found(author, Spf::Fail, Wish::Unpublished)
}

impl Shop {
    async fn with(unproven: Unproven, other_address: OtherAddress) -> Self {
        let mut shop = Self::open().await;
        let senders = SenderPolicy { unproven, other_address };
        let policy = Policy { senders, ..shop.relay.policy().clone() };
        shop.reopen(policy).await;
        shop
    }

    /// A mail with this author in From and this reverse-path.
    async fn write(
        &self,
        (author, reverse_path): (&str, &str),
        to: &str,
        found: Findings,
        text: &str,
    ) -> Result<Receipt, Refusal> {
        let sender = address(reverse_path);
        let recipient = self.relay.mx_recipient(Some(&sender), &address(to), async || false).await?;
        let peer = peer();
        let bytes =
            format!("From: {author}\r\nSubject: order\r\nMessage-ID: <{text}@x.example>\r\n\r\n{text}\r\n");
        self.relay
            .accept(Incoming {
                peer: &peer,
                login: None,
                sender: Some(&sender),
                recipients: vec![(recipient, Wishes::default())],
                parameters: MailParameters::default(),
                bytes: bytes.into_bytes(),
                proof: SenderProof::given(found),
                said: crate::relay::Said::default(),
            })
            .await
    }

    async fn held(&self, receipt: &Receipt) -> (String, Option<String>) {
        let id = parse_queue_id(&receipt.queue_ids[0]).unwrap();
        let row = self.relay.store().queue_of_message(id).await.unwrap().remove(0);
        (row.state, row.held_for)
    }

    /// What is due, each with where it goes and what it says, and is then delivered.
    async fn sent(&self) -> Vec<(String, String)> {
        let mut sent = Vec::new();
        for work in self.lease().await {
            let outbound = self.relay.outbound(&work).await.unwrap();
            let to = outbound.forward_path.reveal();
            let bytes = outbound.message.into_bytes();
            let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
            let head = String::from_utf8_lossy(&bytes).split("\r\n\r\n").next().unwrap().to_owned();
            sent.push((to, format!("{head}\n{}", parsed.body_text(0).unwrap_or_default())));
            self.settle(&work, Verdict::Delivered, "250 2.0.0").await;
        }
        sent
    }
}

#[tokio::test]
async fn who_is_proven_needs_no_reverse_path_of_his_own() {
    let shop = Shop::open().await;
    let alias = shop.order.merchant_alias.to_string();
    for reverse_path in
        ["prvs=1234=hana@customer.example", "SRS0=x=y=customer.example=hana@forwarder.example"]
    {
        shop.write((CUSTOMER, reverse_path), &alias, proven(CUSTOMER), reverse_path.get(..4).unwrap())
            .await
            .unwrap();
    }
    let sent = shop.sent().await;
    assert_eq!(sent.len(), 2);
    for (to, mail) in sent {
        assert_eq!(to, OWNER);
        assert!(
            mail.contains(&shop.order.customer_alias.to_string()) && !mail.contains("customer.example"),
            "{mail}"
        );
    }
}

#[tokio::test]
async fn who_only_claims_to_be_the_customer_is_held_and_the_customer_decides() {
    let shop = Shop::open().await;
    let alias = shop.order.merchant_alias.to_string();
    let claimed = shop.write((CUSTOMER, CUSTOMER), &alias, unproven(CUSTOMER), "one").await.unwrap();
    assert_eq!(shop.held(&claimed).await, ("held".into(), Some("unproven".into())));
    let mut sent = shop.sent().await;
    let (to, notice) = sent.remove(0);
    assert_eq!((to.as_str(), sent.len()), (CUSTOMER, 0));
    assert!(
        !notice.contains("Subject: order") && !notice.contains("one@"),
        "the pretender's words: {notice}"
    );
    // Asked once a day, whatever comes.
    let more = shop.write((CUSTOMER, CUSTOMER), &alias, unproven(CUSTOMER), "two").await.unwrap();
    assert_eq!((shop.held(&more).await.0.as_str(), shop.sent().await.len()), ("held", 0));
    let (confirm, _) = choices(&notice);
    shop.write((CUSTOMER, "bounce@list.example"), &confirm, unproven(CUSTOMER), "yes").await.unwrap();
    let sent = shop.sent().await;
    assert_eq!(sent.len(), 1);
    assert!(sent[0].0 == OWNER && sent[0].1.contains("one"), "{sent:?}");
    assert_eq!(shop.held(&more).await.0, "held");
}

#[tokio::test]
async fn a_wrong_guess_is_told_from_a_right_one_by_no_reply_and_asks_nobody() {
    for (policy, wish, reply) in [
        (Unproven::Hold, Wish::Unpublished, None),
        (Unproven::Hold, Wish::Quarantine, None),
        (Unproven::Refuse, Wish::None, Some(Refusal::SenderUnproven)),
        (Unproven::Hold, Wish::Reject, Some(Refusal::SenderForged)),
        (Unproven::Refuse, Wish::Reject, Some(Refusal::SenderForged)),
    ] {
        let shop = Shop::with(policy, OtherAddress::Admit).await;
        let alias = shop.order.merchant_alias.to_string();
        for guess in [OTHER, OWNER, CUSTOMER] {
            let taken = shop.write((guess, guess), &alias, found(guess, Spf::Fail, wish), "guess").await;
            assert_eq!(taken.as_ref().err(), reply.as_ref(), "{guess}");
            let asked: Vec<String> = shop.sent().await.into_iter().map(|(to, _)| to).collect();
            let should_ask = guess == CUSTOMER && reply.is_none();
            assert_eq!(asked, if should_ask { vec![CUSTOMER] } else { vec![] }, "{guess}");
        }
    }
}

#[tokio::test]
async fn what_the_dns_does_not_say_is_asked_to_come_again() {
    let shop = Shop::open().await;
    let alias = shop.order.merchant_alias.to_string();
    for author in [CUSTOMER, OTHER] {
        let unknown = found(author, Spf::TempError, Wish::Unpublished);
        let taken = shop.write((author, author), &alias, unknown, "x").await;
        assert_eq!(taken, Err(Refusal::SenderUnknown), "{author}");
    }
}

#[tokio::test]
async fn another_address_of_somebody_is_refused_held_or_admitted() {
    let refusing = Shop::with(Unproven::Hold, OtherAddress::Refuse).await;
    let alias = refusing.order.merchant_alias.to_string();
    let refused = refusing.write((OTHER, OTHER), &alias, proven(OTHER), "x").await;
    assert_eq!(refused, Err(Refusal::OtherSender));
    let store = refusing.write((OWNER, OWNER), &alias, proven(OWNER), "x").await;
    assert_eq!(store, Err(Refusal::UnknownAlias), "the store learns nothing from its own mailbox");

    let holding = Shop::with(Unproven::Hold, OtherAddress::Hold).await;
    let alias = holding.order.merchant_alias.to_string();
    let held = holding.write((OTHER, OTHER), &alias, proven(OTHER), "from-elsewhere").await.unwrap();
    assert_eq!(holding.held(&held).await, ("held".into(), Some("other_address".into())));
    let (to, notice) = holding.sent().await.remove(0);
    assert_eq!(to, CUSTOMER);
    assert!(!notice.contains("work.example"), "{notice}");
    let (confirm, _) = choices(&notice);
    let stranger = holding.write((OTHER, OTHER), &confirm, proven(OTHER), "me").await;
    assert_eq!(stranger, Err(Refusal::UnknownAlias), "who is held does not decide");
    holding.write((CUSTOMER, CUSTOMER), &confirm, proven(CUSTOMER), "yes").await.unwrap();
    let (to, mail) = holding.sent().await.remove(0);
    assert_eq!(to, OWNER);
    assert!(
        mail.contains(&holding.order.customer_alias.to_string()) && !mail.contains("work.example"),
        "{mail}"
    );
}

#[tokio::test]
async fn a_guest_has_an_alias_pair_of_its_own_that_lives_as_long_as_the_order() {
    let shop = Shop::with(Unproven::Hold, OtherAddress::Admit).await;
    let alias = shop.order.merchant_alias.to_string();
    shop.write((OTHER, OTHER), &alias, proven(OTHER), "guest-one").await.unwrap();
    shop.write((OTHER, OTHER), &alias, proven(OTHER), "guest-two").await.unwrap();
    let sent = shop.sent().await;
    let from = |mail: &str| mail.lines().find(|line| line.starts_with("From:")).unwrap().to_owned();
    assert_eq!(sent.len(), 2);
    assert_eq!(from(&sent[0].1), from(&sent[1].1), "one pair for one address");
    let guest = from(&sent[0].1).split(['<', '>']).nth(1).unwrap().to_owned();
    assert_ne!(guest, shop.order.customer_alias.to_string());
    for (to, mail) in &sent {
        assert!(to == OWNER && !mail.contains("work.example") && !mail.contains(CUSTOMER), "{mail}");
    }
    // The store answers the guest; the guest sees neither the store nor the order's own pair.
    let recipient = shop.relay.submission_recipient(&shop.login, &address(&guest)).await.unwrap();
    let (peer, sender) = (peer(), address(OWNER));
    let bytes = format!("From: {OWNER}\r\nTo: {guest}\r\nSubject: Re: order\r\n\r\n{OWNER} answers\r\n");
    let incoming = Incoming {
        peer: &peer,
        login: Some(&shop.login),
        sender: Some(&sender),
        recipients: vec![(recipient, Wishes::default())],
        parameters: MailParameters::default(),
        bytes: bytes.into_bytes(),
        proof: SenderProof::of_login(),
        said: crate::relay::Said::default(),
    };
    shop.relay.accept(incoming).await.unwrap();
    let (to, mail) = shop.sent().await.remove(0);
    assert_eq!(to, OTHER);
    assert!(!mail.contains(OWNER) && !mail.contains(&alias), "{mail}");
    let reply_to = from(&mail).split(['<', '>']).nth(1).unwrap().to_owned();
    shop.write((OTHER, OTHER), &reply_to, proven(OTHER), "guest-again").await.unwrap();
    assert!(from(&shop.sent().await[0].1).contains(&guest));
    // The order's own address may write to the guest's alias, and is itself.
    shop.write((CUSTOMER, CUSTOMER), &reply_to, proven(CUSTOMER), "own").await.unwrap();
    assert!(from(&shop.sent().await[0].1).contains(&shop.order.customer_alias.to_string()));
    // Five are enough, and what ends the order ends its guests.
    for n in 2..=5 {
        let another = format!("n{n}@work.example");
        shop.write((&another, &another), &alias, proven(&another), "more").await.unwrap();
    }
    let sixth = shop.write(("six@work.example", OTHER), &alias, proven(OTHER), "x").await;
    assert_eq!(sixth, Err(Refusal::OtherSender));
    assert_eq!(shop.relay.list_orders("hana-ya").await.unwrap().len(), 1, "a guest is no order");
    shop.relay.close_order("hana-ya", "1").await.unwrap();
    let late = shop.relay.mx_recipient(Some(&address(OTHER)), &address(&reply_to), async || true).await;
    assert_eq!(late.err(), Some(Refusal::Closed));
    let late = shop.relay.mx_recipient(Some(&address(OTHER)), &address(&reply_to), async || false).await;
    assert_eq!(late.err(), Some(Refusal::UnknownAlias));
}

#[tokio::test]
async fn an_inquiry_is_its_authors_and_one_that_nothing_proves_asks_nobody() {
    let shop = Shop::open().await;
    let to = "hana-ya@shop.example";
    let held = shop.write((OTHER, OTHER), to, unproven(OTHER), "inquiry").await.unwrap();
    assert_eq!(shop.held(&held).await, ("held".into(), Some("unproven".into())));
    assert_eq!(shop.sent().await, []);
    let id = parse_queue_id(&held.queue_ids[0]).unwrap();
    shop.relay.release(id, crate::anonymize::Files::Checked).await.unwrap();
    let work = shop.lease().await;
    shop.settle(&work[0], Verdict::Failed, "550 5.1.1").await;
    assert_eq!(shop.lease().await.len(), 0, "whoever is named in it hears nothing");
    // One that is proven is treated like anybody's mail.
    shop.write((OTHER, OTHER), to, proven(OTHER), "proven").await.unwrap();
    let work = shop.lease().await;
    shop.settle(&work[0], Verdict::Failed, "550 5.1.1").await;
    let (told, notice) = shop.sent().await.remove(0);
    assert!(told == OTHER && notice.contains("Auto-Submitted: auto-replied"), "{told} {notice}");
}

#[tokio::test]
async fn doubted_mail_does_not_take_the_places_of_other_holds() {
    let shop = Shop::open().await;
    let alias = shop.order.merchant_alias.to_string();
    for n in 0..5 {
        shop.write((CUSTOMER, CUSTOMER), &alias, unproven(CUSTOMER), &format!("n{n}")).await.unwrap();
    }
    let sixth = shop.write((CUSTOMER, CUSTOMER), &alias, unproven(CUSTOMER), "n6").await;
    assert_eq!(sixth, Err(Refusal::SenderUnproven));
    // The same mail again, now proven, is another than the one that is held.
    let fine = shop.write((CUSTOMER, CUSTOMER), &alias, proven(CUSTOMER), "n0").await.unwrap();
    assert_eq!(shop.held(&fine).await, ("waiting".into(), None));
}

#[tokio::test]
async fn who_forges_a_reverse_path_learns_nothing_of_an_alias_that_ended() {
    let shop = Shop::open().await;
    let alias = address(&shop.order.merchant_alias.to_string());
    let ask = async |sender: &str, proven: bool| {
        shop.relay.mx_recipient(Some(&address(sender)), &alias, async || proven).await.err()
    };
    for sender in [CUSTOMER, OTHER, OWNER] {
        assert_eq!(ask(sender, false).await, None, "{sender}");
    }
    shop.relay.close_order("hana-ya", "1").await.unwrap();
    for sender in [CUSTOMER, OTHER, OWNER] {
        assert_eq!(ask(sender, false).await, Some(Refusal::UnknownAlias), "{sender}");
    }
    assert_eq!(ask(OTHER, true).await, Some(Refusal::UnknownAlias));
    assert_eq!(ask(CUSTOMER, true).await, Some(Refusal::Closed));
    assert_eq!(ask("prvs=9a=hana@customer.example", true).await, Some(Refusal::Closed));
}

#[tokio::test]
async fn a_full_place_does_not_tell_a_right_guess_from_a_wrong_one() {
    let shop = Shop::with(Unproven::Hold, OtherAddress::Admit).await;
    let alias = shop.order.merchant_alias.to_string();
    let guest = "guest@work.example";
    shop.write((guest, guest), &alias, proven(guest), "guest").await.unwrap();
    // The places of the order are taken by mail that names nobody in it.
    for n in 0..5 {
        shop.write((OTHER, OTHER), &alias, unproven(OTHER), &format!("n{n}")).await.unwrap();
    }
    for guess in [OTHER, guest, CUSTOMER] {
        let taken = shop.write((guess, guess), &alias, unproven(guess), "guess").await;
        assert_eq!(taken, Err(Refusal::SenderUnproven), "{guess}");
    }
    // Those that a store has in all are the same for every guess too.
    let shop = Shop::with(Unproven::Hold, OtherAddress::Refuse).await;
    for n in 0..8 {
        let request = OrderRequest {
            store_id: "hana-ya".into(),
            order_no: format!("full-{n}"),
            customer: CUSTOMER.into(),
            expires_at: None,
        };
        let alias = shop.relay.open_order(request).await.unwrap().merchant_alias.to_string();
        for m in 0..4 {
            shop.write((OTHER, OTHER), &alias, unproven(OTHER), &format!("n{n}-{m}")).await.unwrap();
        }
    }
    let alias = shop.order.merchant_alias.to_string();
    for guess in [OTHER, CUSTOMER] {
        let taken = shop.write((guess, guess), &alias, unproven(guess), "guess").await;
        assert!(taken.is_ok(), "{guess}");
    }
}

#[tokio::test]
async fn an_inquiry_lasts_longer_by_proven_mail_alone() {
    let shop = Shop::open().await;
    let to = "hana-ya@shop.example";
    shop.write((OTHER, OTHER), to, proven(OTHER), "first").await.unwrap();
    let end = async || {
        let merchant = shop.relay.merchant("hana-ya").await.unwrap().unwrap();
        let author = address(OTHER);
        let found = shop.relay.open_inquiry(&merchant, &author, Lasts::AsItWas, Timestamp::now());
        let inquiry = found.await.unwrap();
        (inquiry.id, inquiry.expires_at)
    };
    let (id, _) = end().await;
    let soon = Timestamp::now().after(MINUTE);
    shop.relay.store().extend_conversation(id, soon).await.unwrap();
    let held = shop.write((OTHER, OTHER), to, unproven(OTHER), "claimed").await.unwrap();
    assert_eq!(end().await, (id, soon));
    let message = parse_queue_id(&held.queue_ids[0]).unwrap();
    shop.relay.release(message, crate::anonymize::Files::Checked).await.unwrap();
    assert!(end().await.1 > soon, "the operator vouches for it");
    shop.relay.store().extend_conversation(id, soon).await.unwrap();
    shop.write((OTHER, OTHER), to, proven(OTHER), "again").await.unwrap();
    assert!(end().await.1 > soon);
}

#[tokio::test]
async fn an_automatic_reply_to_two_aliases_reaches_the_one_whose_party_wrote_it() {
    let shop = Shop::with(Unproven::Hold, OtherAddress::Hold).await;
    let request = OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: OTHER.into(),
        expires_at: None,
    };
    let other = shop.relay.open_order(request).await.unwrap();
    let (peer, sender) = (peer(), address(CUSTOMER));
    let mut recipients = Vec::new();
    for alias in [&other.merchant_alias, &shop.order.merchant_alias] {
        let recipient = shop.mx(Some(&sender), &address(&alias.to_string())).await.unwrap();
        recipients.push((recipient, Wishes::default()));
    }
    let bytes = format!("From: {CUSTOMER}\r\nAuto-Submitted: auto-replied\r\nSubject: away\r\n\r\nAway.\r\n");
    let incoming = Incoming {
        peer: &peer,
        login: None,
        sender: Some(&sender),
        recipients,
        parameters: MailParameters::default(),
        bytes: bytes.into_bytes(),
        proof: SenderProof::given(proven(CUSTOMER)),
        said: crate::relay::Said::default(),
    };
    assert_eq!(shop.relay.accept(incoming).await.unwrap().queue_ids.len(), 2);
    let sent = shop.sent().await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].0 == OWNER && sent[0].1.contains(&shop.order.customer_alias.to_string()));
}

#[tokio::test]
async fn a_store_sees_in_its_own_copy_what_it_wrote_whatever_it_guessed() {
    let shop = Shop::open().await;
    let (peer, sender) = (peer(), address(OWNER));
    let mut recipients = Vec::new();
    for to in [shop.order.customer_alias.to_string(), OWNER.to_owned()] {
        let recipient = shop.relay.submission_recipient(&shop.login, &address(&to)).await.unwrap();
        recipients.push((recipient, Wishes::default()));
    }
    let text = format!("Are you {CUSTOMER} or {OTHER}?");
    let bytes = format!("From: {OWNER}\r\nTo: {}\r\nSubject: x\r\n\r\n{text}\r\n", shop.order.customer_alias);
    let incoming = Incoming {
        peer: &peer,
        login: Some(&shop.login),
        sender: Some(&sender),
        recipients,
        parameters: MailParameters::default(),
        bytes: bytes.into_bytes(),
        proof: SenderProof::of_login(),
        said: crate::relay::Said::default(),
    };
    shop.relay.accept(incoming).await.unwrap();
    let sent = shop.sent().await;
    let to = |whom: &str| sent.iter().find(|(to, _)| to == whom).unwrap().1.clone();
    assert!(to(OWNER).contains(&text), "{}", to(OWNER));
    assert!(!to(CUSTOMER).contains(OWNER) && !to(CUSTOMER).contains(CUSTOMER), "{}", to(CUSTOMER));
}

#[tokio::test]
async fn a_mail_that_takes_longer_than_its_store_stays_opens_nothing() {
    let shop = Shop::open().await;
    let sender = address(OTHER);
    let recipient = shop.mx(Some(&sender), &address("hana-ya@shop.example")).await.unwrap();
    let merchant = shop.relay.merchant("hana-ya").await.unwrap().unwrap().id;
    let now = Timestamp::now();
    shop.relay.store().leave(merchant, now).await.unwrap();
    let (peer, parameters) = (peer(), MailParameters::default());
    let bytes = format!("From: {OTHER}\r\nSubject: x\r\n\r\nIs it there?\r\n").into_bytes();
    let (recipients, proof) = (vec![(recipient, Wishes::default())], SenderProof::given(proven(OTHER)));
    let sender = Some(&sender);
    let incoming = Incoming {
        peer: &peer,
        login: None,
        sender,
        recipients,
        parameters,
        bytes,
        proof,
        said: crate::relay::Said::default(),
    };
    assert_eq!(shop.relay.accept(incoming).await.err(), Some(Refusal::UnknownAlias));
    let live = shop.relay.store().live_conversations(merchant, now, 100).await.unwrap();
    assert_eq!(live.len(), 1, "the order's alone");
}
