//! What a person is given is the person's own: not what somebody else wrote in the person's name.

use super::*;

const IMPOSTOR: std::net::Ipv4Addr = std::net::Ipv4Addr::new(203, 0, 113, 66);

/// All that a person is given.
async fn export(shop: &Shop, person: &str) -> serde_json::Value {
    let look = Look::new(
        "akiko",
        LookPurpose::DataSubjectRequest,
        "D-1",
        Account { uid: 1, login: None, from: Origin::Here },
    )
    .unwrap();
    let opening = shop.relay.export_of(person).await.unwrap();
    let open = async |approved| shop.relay.open_for(&look, &opening, Goes::ToAFile, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("one was enough") };
    let botan = Account { uid: 2, login: None, from: Origin::Here };
    shop.relay.decide_look(&request, "botan", botan, Ruling::Approved).await.unwrap();
    let Ok(Opened::Export(document)) = open(Some(&request)).await else { panic!("nothing was given") };
    document
}

#[tokio::test]
async fn a_mail_that_somebody_wrote_in_a_persons_name_is_not_given_to_the_person() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<own@customer.example>", Notify::default(), None).await;
    let sender = address(CUSTOMER);
    let to = address(&shop.order.merchant_alias.to_string());
    let recipients = vec![(shop.mx(Some(&sender), &to).await.unwrap(), Wishes::default())];
    let bytes =
        format!("From: {CUSTOMER}\r\nSubject: forged\r\nMessage-ID: <evil@x.example>\r\n\r\nforged text\r\n");
    let peer = Peer { helo: "evil.example".into(), ..Peer::new((IMPOSTOR, 1).into(), "mx") };
    let proof = SenderProof::given(senders::unproven(CUSTOMER));
    let incoming = Incoming {
        peer: &peer,
        login: None,
        sender: Some(&sender),
        recipients,
        parameters: MailParameters::default(),
        bytes: bytes.into_bytes(),
        proof,
        said: crate::relay::Said::default(),
    };
    shop.relay.accept(incoming).await.unwrap();
    let document = export(&shop, CUSTOMER).await;
    let text = document.to_string();
    assert!(text.contains("own@customer.example") && text.contains("Is it on its way?"), "{text}");
    for foreign in ["203.0.113.66", "evil", "forged", OWNER] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
    assert_eq!(document["conversations"][0]["mails_waiting"].as_array().unwrap().len(), 2, "it is told of");
}

#[tokio::test]
async fn of_a_conversation_that_was_readdressed_each_address_is_given_its_own_alone() {
    const BEFORE: &str = "stranger@elsewhere.example";
    let shop = Shop::open().await;
    let typed = OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: BEFORE.into(),
        expires_at: None,
    };
    let order = shop.relay.open_order(typed).await.unwrap();
    let to = address(&order.merchant_alias.to_string());
    let write = async |from: &str, what: &str| {
        let sender = address(from);
        let recipients = vec![(shop.mx(Some(&sender), &to).await.unwrap(), Wishes::default())];
        let bytes = format!(
            "From: {from}\r\nSubject: subject-{what}\r\nMessage-ID: <{what}@id.example>\r\n\r\ntext-{what}\r\n"
        );
        let (peer, parameters) = (peer(), MailParameters::default());
        let proof = SenderProof::given(Findings::Trusted);
        let bytes = bytes.into_bytes();
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
        shop.relay.accept(incoming).await.unwrap();
    };
    // A store's mail reached the first address, and the server said so.
    let submit = async |what: &str| {
        let alias = address(&order.customer_alias.to_string());
        let owner = address(OWNER);
        let recipient = shop.relay.submission_recipient(&shop.login, &alias).await.unwrap();
        let bytes = format!("From: {OWNER}\r\nSubject: subject-{what}\r\n\r\ntext-{what}\r\n").into_bytes();
        let (peer, parameters) = (peer(), MailParameters::default());
        let proof = SenderProof::given(Findings::Trusted);
        let (recipients, login) = (vec![(recipient, Wishes::default())], Some(&shop.login));
        let incoming = Incoming {
            peer: &peer,
            login,
            sender: Some(&owner),
            recipients,
            parameters,
            bytes,
            proof,
            said: crate::relay::Said::default(),
        };
        shop.relay.accept(incoming).await.unwrap();
    };
    let deliver = async |host: &str| {
        for work in shop.lease().await.iter().filter(|work| work.direction == "to_customer") {
            let result = AttemptResult {
                verdict: Verdict::Delivered,
                status: "250 2.0.0".into(),
                was_tried: true,
                retry_at: None,
                doubt: crate::store::Doubt::Clear,
                is_time_sure: true,
                detail: serde_json::json!({ "host": host }),
            };
            assert!(shop.relay.settle(work, &result).await.unwrap());
        }
    };
    write(BEFORE, "before").await;
    submit("early").await;
    deliver("mx-before.example").await;
    shop.readdress("2", CUSTOMER).await;
    write(CUSTOMER, "after").await;
    submit("late").await;
    deliver("mx-after.example").await;
    submit("waits").await;

    let text = export(&shop, BEFORE).await.to_string();
    assert!(text.contains(BEFORE) && text.contains("before@id.example"), "her own: {text}");
    for foreign in [CUSTOMER, "after@id.example", "text-", "subject-after", "mx-after", OWNER] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
    let document = export(&shop, CUSTOMER).await;
    let text = document.to_string();
    assert!(text.contains(CUSTOMER) && text.contains("after@id.example"), "{text}");
    assert!(text.contains("text-after"), "her own that waits: {text}");
    for foreign in [BEFORE, "before@id.example", "text-before", "subject-before", "mx-before", OWNER] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
}
