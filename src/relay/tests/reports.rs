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
