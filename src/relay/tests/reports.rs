//! What a report says of the parameters that its reader gave the message (RFC 3461 §6.3, RFC 3464 §2, RFC 8689 §5).

use super::*;

/// The customer's mail with these wishes, and what comes of its delivery: the notice, and whether it must have TLS.
async fn report(
    shop: &Shop,
    wishes: Wishes,
    parameters: MailParameters,
    verdict: Verdict,
) -> Option<(String, bool)> {
    let sender = address(CUSTOMER);
    let to = address(&shop.order.merchant_alias.to_string());
    let recipient = shop.mx(Some(&sender), &to).await.unwrap();
    let bytes = format!("From: {CUSTOMER}\r\nSubject: order\r\n\r\nIs it on its way?\r\n").into_bytes();
    let (peer, recipients) = (peer(), vec![(recipient, wishes)]);
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
    let work = shop.lease().await;
    let status = if verdict == Verdict::Delivered { "250 2.0.0" } else { "550 5.7.30" };
    shop.settle(&work[0], verdict, status).await;
    let notices = shop.lease().await;
    let notice = shop.relay.outbound(notices.first()?).await.unwrap();
    assert_eq!(notice.forward_path.reveal(), CUSTOMER);
    Some((String::from_utf8(notice.message.into_bytes()).unwrap(), notice.require_tls))
}

fn wishes(original: &str) -> Wishes {
    let (kind, original) = original.split_once(';').unwrap();
    Wishes { notify: notify(true), original: Some((kind.to_owned(), original.to_owned())) }
}

#[tokio::test]
async fn a_report_gives_back_what_its_reader_called_envelope_and_recipient() {
    let shop = Shop::open().await;
    let parameters = MailParameters { envelope_id: Some("QQ 314".into()), ..MailParameters::default() };
    for (verdict, action) in [(Verdict::Delivered, "relayed"), (Verdict::Failed, "failed")] {
        let own_word = wishes("rfc822;the-shop@list.customer.example");
        let (text, require_tls) = report(&shop, own_word, parameters.clone(), verdict).await.unwrap();
        assert!(text.contains("Original-Envelope-Id: QQ314\r\n"), "{text}");
        let recipient = format!(
            "\r\n\r\nOriginal-Recipient: rfc822; the-shop@list.customer.example\r\nFinal-Recipient: rfc822; {}\r\n\
             Action: {action}\r\n",
            shop.order.merchant_alias
        );
        assert!(text.contains(&recipient) && !require_tls, "{text}");
    }
}

#[tokio::test]
async fn a_report_names_nobody_whom_its_reader_may_not_know_whatever_orcpt_says() {
    let shop = Shop::open().await;
    let original = format!("rfc822;{}", OWNER);
    let (text, _) =
        report(&shop, wishes(&original), MailParameters::default(), Verdict::Failed).await.unwrap();
    assert!(!text.contains(OWNER) && text.contains("Final-Recipient"), "{text}");
}

#[tokio::test]
async fn what_tells_of_a_message_that_needs_tls_needs_it_too() {
    let shop = Shop::open().await;
    let parameters = MailParameters { require_tls: true, ..MailParameters::default() };
    let (text, require_tls) = report(&shop, Wishes::default(), parameters, Verdict::Failed).await.unwrap();
    assert!(require_tls && text.contains("Status: 5.7.30\r\n"), "{text}");
}

#[tokio::test]
async fn who_wants_no_report_gets_none() {
    let shop = Shop::open().await;
    let never = Wishes::from(Notify { success: false, failure: false, delay: false });
    assert!(report(&shop, never, MailParameters::default(), Verdict::Failed).await.is_none());
    let only_failure = Wishes::from(Notify::default());
    assert!(report(&shop, only_failure, MailParameters::default(), Verdict::Delivered).await.is_none());
}

#[tokio::test]
async fn who_asks_for_the_message_gets_it_back_when_it_failed_and_its_header_otherwise() {
    let shop = Shop::open().await;
    let full = MailParameters { full: true, ..MailParameters::default() };
    let text = "Is it on its way?";
    let (failed, _) = report(&shop, Wishes::default(), full.clone(), Verdict::Failed).await.unwrap();
    assert!(failed.contains("Content-Type: message/rfc822") && failed.contains(text), "{failed}");
    assert!(!failed.contains("text/rfc822-headers") && !failed.contains(OWNER), "{failed}");
    for (parameters, verdict) in [(full, Verdict::Delivered), (MailParameters::default(), Verdict::Failed)] {
        let (said, _) = report(&shop, notify(true).into(), parameters, verdict).await.unwrap();
        assert!(said.contains("text/rfc822-headers") && !said.contains(text), "{said}");
    }
}

#[tokio::test]
async fn that_a_sender_was_told_of_a_delay_stands_in_the_log_also_where_nobody_was_asked_to_take_the_mail() {
    let mut shop = Shop::open().await;
    shop.reopen(Policy { delay_notice: Duration::ZERO, ..Policy::for_tests() }).await;
    shop.customer_writes(&shop.store_alias(), "<1@customer.example>", Notify::default(), None).await;
    let records = async |work: &Work| {
        shop.relay.store().records_of_message(work.message_id).await.unwrap().into_iter().map(|row| row.event)
    };
    let now = Timestamp::now();
    let mut before = 0;
    for (round, told) in [(0, 1), (1, 0)] {
        let at = now.after(MINUTE * round);
        let leased = shop.lease_at(at).await;
        let work = leased.iter().find(|work| work.direction == "to_merchant").unwrap();
        if round == 0 {
            before = records(work).await.count();
        }
        let untried = AttemptResult {
            verdict: Verdict::Deferred,
            status: "451 4.3.0".into(),
            was_tried: false,
            retry_at: Some(at),
            doubt: crate::store::Doubt::Clear,
            is_time_sure: true,
            detail: serde_json::json!({ "reason": "given back at a stop" }),
        };
        assert!(shop.relay.settle(work, &untried).await.unwrap());
        // Once, however often it is given back.
        let events: Vec<_> = records(work).await.collect();
        before += told;
        assert_eq!(events.len(), before, "{events:?}");
        assert!(events.last().is_some_and(|event| event == "deferred"), "{events:?}");
    }
    let notices = shop.lease_at(now.after(MINUTE * 2)).await;
    assert_eq!(notices.iter().filter(|work| work.direction == "notice").count(), 1);
}
