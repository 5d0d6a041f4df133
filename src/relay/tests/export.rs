//! What a person is given is the person's own: not what somebody else wrote in the person's name.

use super::*;

const IMPOSTOR: std::net::Ipv4Addr = std::net::Ipv4Addr::new(203, 0, 113, 66);

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
    };
    shop.relay.accept(incoming).await.unwrap();
    let look =
        Look::new("akiko", LookPurpose::DataSubjectRequest, "D-1", Account { uid: 1, login: None }).unwrap();
    let opening = shop.relay.export_of(CUSTOMER).await.unwrap();
    let open = async |approved| shop.relay.open_for(&look, &opening, Goes::ToAFile, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("one was enough") };
    let botan = Account { uid: 2, login: None };
    shop.relay.decide_look(&request, "botan", botan, Ruling::Approved).await.unwrap();
    let Ok(Opened::Export(document)) = open(Some(&request)).await else { panic!("nothing was given") };
    let text = document.to_string();
    assert!(text.contains("own@customer.example") && text.contains("Is it on its way?"), "{text}");
    for foreign in ["203.0.113.66", "evil", "forged", OWNER] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
    assert_eq!(document["conversations"][0]["mails_waiting"].as_array().unwrap().len(), 2, "it is told of");
}
