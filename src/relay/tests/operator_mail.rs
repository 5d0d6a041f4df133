//! Mail to whoever runs the relay: so much of it waits and no more, and who wrote it can be erased.

use super::*;

const WRITER: &str = "writer@outside.example";

impl Shop {
    async fn with_operator() -> Self {
        let mut shop = Shop::open().await;
        let postmaster = Some(Arc::new(address("ops@operator.example")));
        shop.reopen(Policy { postmaster, ..Policy::for_tests() }).await;
        shop
    }

    async fn to_operator(&self, from: Option<&str>, n: i64) -> Result<Receipt, Refusal> {
        let sender = from.map(address);
        let recipients = vec![(self.relay.postmaster().unwrap(), Wishes::default())];
        let bytes = format!("From: {WRITER}\r\nSubject: question {n}\r\n\r\nWho are you?\r\n").into_bytes();
        let (peer, parameters) = (peer(), MailParameters::default());
        let (sender, proof) = (sender.as_ref(), SenderProof::given(Findings::Trusted));
        self.relay
            .accept(Incoming {
                peer: &peer,
                login: None,
                sender,
                recipients,
                parameters,
                bytes,
                proof,
                said: crate::relay::Said::default(),
            })
            .await
    }
}

#[tokio::test]
async fn so_much_mail_to_the_operator_waits_and_no_more_until_some_of_it_has_gone() {
    let shop = Shop::with_operator().await;
    let most = super::super::postmaster::WAITING_MAX;
    for n in 0..most {
        assert!(shop.to_operator((n % 2 == 0).then_some(WRITER), n).await.is_ok(), "{n}");
    }
    assert_eq!(shop.to_operator(Some(WRITER), most).await, Err(Refusal::OperatorFull));
    assert_eq!(Refusal::OperatorFull.reply().code(), 452);
    // Mail of orders is not concerned, and the next goes once one has gone.
    shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    let work = shop.lease().await.into_iter().find(|work| work.merchant_id == INSTALLATION).unwrap();
    shop.settle(&work, Verdict::Delivered, "250 2.0.0").await;
    assert!(shop.to_operator(Some(WRITER), most).await.is_ok());
    assert_eq!(shop.to_operator(Some(WRITER), most + 1).await, Err(Refusal::OperatorFull));
}

#[tokio::test]
async fn who_wrote_to_the_operator_is_erased_with_mail_and_record_and_nobody_else_is() {
    let shop = Shop::with_operator().await;
    shop.to_operator(Some(WRITER), 1).await.unwrap();
    shop.to_operator(Some("other@outside.example"), 2).await.unwrap();
    let look = Look::new(
        "akiko",
        LookPurpose::DataSubjectRequest,
        "D-1",
        Account { uid: 1, login: None, from: Origin::Here },
    )
    .unwrap();
    let trace = async |queue_id: &str| {
        let opening = Opening::Trace(TraceOf::Message(queue_id.to_owned()));
        shop.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await
    };
    let (held, erasure) = shop.relay.erasure_of(WRITER, false).await.unwrap();
    assert_eq!((held.refused_days, held.waiting), (1, 1));
    let ids: Vec<String> = shop.lease().await.iter().map(|work| queue_id(work.message_id)).collect();
    assert_eq!(ids.len(), 2);
    for id in &ids {
        assert!(matches!(trace(id).await, Ok(Opened::Trace(_))));
    }
    let open = async |approved| shop.relay.open_for(&look, &erasure, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("one was enough") };
    let botan = Account { uid: 2, login: None, from: Origin::Here };
    shop.relay.decide_look(&request, "botan", botan, Ruling::Approved).await.unwrap();
    assert!(matches!(open(Some(&request)).await, Ok(Opened::Erased(keys)) if keys.len() == 1));
    let waits = shop.relay.store().waiting_for_installation(
        shop.relay.route_of(&crate::mail::Domain::parse("operator.example").unwrap()),
    );
    assert_eq!(waits.await.unwrap().0, 1, "the other's");
    let mut opened = 0;
    for id in &ids {
        let Ok(Opened::Trace(lines)) = trace(id).await else { panic!("no lines") };
        opened += usize::from(lines.iter().any(|line| !line.detail.is_null()));
    }
    assert_eq!(opened, 1);
    assert!(matches!(shop.relay.erasure_of(WRITER, false).await, Err(ErasureFault::Nobody)));
}

#[tokio::test]
async fn the_key_of_who_wrote_to_the_operator_lives_as_long_as_the_record() {
    let shop = Shop::with_operator().await;
    shop.to_operator(Some(WRITER), 1).await.unwrap();
    let rules = crate::config::Config::development(&std::env::temp_dir()).unwrap().retention;
    let keep = async |days: u32| {
        let now = Timestamp::now().after(Duration::from_secs(86_400) * days);
        while shop.relay.destroy_due(&rules, now).await.unwrap() > 0 {}
    };
    let days = async || match shop.relay.erasure_of(WRITER, false).await {
        Ok((held, _)) => held.refused_days,
        Err(ErasureFault::Nobody) => 0,
        Err(fault) => panic!("{fault}"),
    };
    keep(40).await;
    assert_eq!(days().await, 1, "its record is kept for longer than that of a refused mail");
    keep(397).await;
    assert_eq!(days().await, 1, "something may be noted about it some days later");
    keep(404).await;
    assert_eq!(days().await, 0);
}
