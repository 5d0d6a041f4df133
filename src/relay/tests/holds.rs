//! Holds: who is told what, who may decide, and that nothing is sent without a decision. The anonymizer's verdict is
//! given, so that each can be looked at alone.

use super::super::admission::Admitted;
use super::*;
use crate::anonymize::{self, Files, Forbidden, Held, Hold, Removed};
use crate::store::{Ruled, Ruling, Standing};
use crate::vault::Side;

const TEXT: &[u8] = b"Subject: order\r\n\r\nIs it on its way?\r\n";

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Customer,
    Store,
}

impl By {
    fn address(self) -> &'static str {
        match self {
            By::Customer => CUSTOMER,
            By::Store => OWNER,
        }
    }
}

/// A verdict of the anonymizer.
fn verdict(hold: Option<Hold>, removed: &[Removed]) -> anonymize::Outcome {
    let (bytes, removed) = (TEXT.to_vec(), removed.to_vec());
    let forbidden = Forbidden { secrets: &[], traces: &[], files: Files::Checked };
    let message = match hold {
        None => Ok(anonymize::pass_gate(bytes, &forbidden).ok().unwrap()),
        Some(why) => Err(Held { bytes, why }),
    };
    anonymize::Outcome { message, removed, traces: vec!["mail.example".into()] }
}

impl Shop {
    fn incoming<'a>(
        &'a self,
        by: By,
        (peer, sender): &'a (Peer, RealAddress),
        recipients: Vec<(Recipient, Notify)>,
        bytes: String,
    ) -> Incoming<'a> {
        Incoming {
            peer,
            login: (by == By::Store).then_some(&self.login),
            sender: Some(sender),
            recipients: recipients.into_iter().map(|(to, notify)| (to, notify.into())).collect(),
            parameters: MailParameters::default(),
            bytes: bytes.into_bytes(),
            said: crate::relay::Said::default(),
            proof: match by {
                By::Store => SenderProof::of_login(),
                By::Customer => SenderProof::given(Findings::Trusted),
            },
        }
    }

    fn alias_for(&self, by: By) -> &crate::mail::Alias {
        match by {
            By::Customer => &self.order.merchant_alias,
            By::Store => &self.order.customer_alias,
        }
    }

    async fn recipient(&self, by: By, to: &RealAddress) -> Result<Recipient, Refusal> {
        match by {
            By::Customer => self.mx(Some(&address(CUSTOMER)), to).await,
            By::Store => self.relay.submission_recipient(&self.login, to).await,
        }
    }

    /// Accepts a mail of which the anonymizer said so; its id.
    pub(super) async fn take(&self, by: By, header: &str, hold: Option<Hold>, removed: &[Removed]) -> i64 {
        let to = address(&self.alias_for(by).to_string());
        let recipient = self.recipient(by, &to).await.unwrap();
        let who = (peer(), address(by.address()));
        let bytes = format!("From: {}\r\n{header}Message-ID: <1@x.example>\r\n\r\nx\r\n", by.address());
        let incoming = self.incoming(by, &who, Vec::new(), bytes);
        let admitted = Admitted::default();
        let leg = self.relay.leg(&incoming, &recipient, Notify::default(), &admitted).await.unwrap();
        let (id, now) = (self.relay.next_id(), Timestamp::now());
        let draft = self.relay.draft(&incoming, &leg, id, now, verdict(hold, removed), None);
        let notices = self.relay.notices(&draft).await.unwrap();
        let message = self.relay.new_message(&draft, Vec::new(), notices).unwrap();
        self.relay.store().accept(vec![message]).await.unwrap();
        id
    }

    /// The text of the only thing that is due, a notice to this one, which is then delivered.
    async fn notice_to(&self, by: By) -> String {
        let due = self.lease().await;
        assert_eq!(due.iter().map(|work| work.direction.as_str()).collect::<Vec<_>>(), ["notice"]);
        let outbound = self.relay.outbound(&due[0]).await.unwrap();
        assert_eq!((outbound.forward_path.reveal(), outbound.reverse_path), (by.address().into(), None));
        self.settle(&due[0], Verdict::Delivered, "250 2.0.0").await;
        let bytes = outbound.message.into_bytes();
        let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
        assert!(parsed.reply_to().is_none(), "an answer must go nowhere");
        let head = String::from_utf8_lossy(&bytes).split("\r\n\r\n").next().unwrap().to_owned();
        assert!(head.contains("Auto-Submitted: auto-replied"), "{head}");
        format!("{head}\n{}", parsed.body_text(0).unwrap())
    }

    /// A mail to a decision address.
    async fn decide(&self, by: By, to: &str, header: &str) -> Result<Receipt, Refusal> {
        let recipient = self.recipient(by, &address(to)).await?;
        let who = (peer(), address(by.address()));
        let bytes = format!("From: {}\r\n{header}Subject: OK\r\n\r\n", by.address());
        self.relay.accept(self.incoming(by, &who, vec![(recipient, Notify::default())], bytes)).await
    }

    pub(super) async fn state(&self, message: i64) -> (String, Option<String>) {
        let row = self.relay.store().queue_of_message(message).await.unwrap().remove(0);
        (row.state, row.held_for)
    }
}

#[tokio::test]
async fn a_held_document_is_sent_when_its_sender_confirms_it_and_no_second_time() {
    for by in [By::Customer, By::Store] {
        let shop = Shop::open().await;
        let id = shop.take(by, "", Some(Hold::Document), &[]).await;
        assert_eq!(shop.state(id).await, ("held".into(), Some("document".into())));
        let notice = shop.notice_to(by).await;
        for part in [shop.alias_for(by).to_string(), queue_id(id), "保留".into(), "has not been sent".into()]
        {
            assert!(notice.contains(&part), "{part}: {notice}");
        }
        let (confirm, withdraw) = choices(&notice);
        assert_eq!(shop.lease().await.len(), 0);
        let receipt = shop.decide(by, &confirm, "").await.unwrap();
        assert_eq!(receipt.queue_ids, [queue_id(id)]);
        let sent = shop.lease().await;
        assert_eq!(sent.len(), 1, "the mail itself and nothing of the decision");
        let outbound = shop.relay.outbound(&sent[0]).await.unwrap();
        assert_eq!(outbound.message.as_bytes(), TEXT);
        shop.settle(&sent[0], Verdict::Delivered, "250 2.0.0").await;
        for again in [&confirm, &withdraw] {
            assert!(shop.decide(by, again, "").await.is_ok(), "{again}");
        }
        assert_eq!(shop.state(id).await.0, "delivered");
        assert_eq!(shop.lease().await.len(), 0);
    }
}

#[tokio::test]
async fn a_withdrawn_document_is_destroyed_and_cannot_be_confirmed_any_more() {
    for by in [By::Customer, By::Store] {
        let shop = Shop::open().await;
        let id = shop.take(by, "", Some(Hold::Document), &[]).await;
        let (confirm, withdraw) = choices(&shop.notice_to(by).await);
        shop.decide(by, &withdraw.to_uppercase(), "").await.unwrap();
        shop.decide(by, &confirm, "").await.unwrap();
        assert_eq!(shop.state(id).await, ("dropped".into(), None));
        assert!(shop.relay.store().body(id).await.unwrap().is_none());
        assert_eq!(shop.lease().await.len(), 0, "who withdrew knows it");
        let events: Vec<String> = shop
            .relay
            .events(&TraceOf::Message(queue_id(id)))
            .await
            .unwrap()
            .into_iter()
            .map(|line| line.event)
            .collect();
        assert_eq!(events, ["accepted", "held", "dropped"]);
    }
}

#[tokio::test]
async fn nobody_else_decides_and_no_program() {
    for by in [By::Customer, By::Store] {
        let shop = Shop::open().await;
        let id = shop.take(by, "", Some(Hold::Document), &[]).await;
        let (confirm, withdraw) = choices(&shop.notice_to(by).await);
        for to in [&confirm, &withdraw] {
            let other = if by == By::Customer { By::Store } else { By::Customer };
            assert_eq!(shop.decide(other, to, "").await, Err(Refusal::UnknownAlias));
            let to = address(to);
            assert_eq!(shop.mx(None, &to).await.err(), Some(Refusal::UnknownAlias));
            for sender in ["eve@elsewhere.example", OWNER] {
                let refused = match shop.mx(Some(&address(sender)), &to).await {
                    Ok(recipient) => {
                        let who = (peer(), address(CUSTOMER));
                        let bytes = format!("From: {sender}\r\n\r\n");
                        let to = vec![(recipient, Notify::default())];
                        shop.relay.accept(shop.incoming(By::Customer, &who, to, bytes)).await.err()
                    }
                    Err(refusal) => Some(refusal),
                };
                assert_eq!(refused, Some(Refusal::UnknownAlias));
            }
            let automatic = "Auto-Submitted: auto-replied\r\n";
            assert!(shop.decide(by, &to.reveal(), automatic).await.is_ok());
        }
        assert_eq!(shop.state(id).await, ("held".into(), Some("document".into())));
        let forged = confirm.replacen('c', "w", 1);
        assert_eq!(shop.decide(by, &forged, "").await, Err(Refusal::UnknownAlias));
        assert_eq!(shop.lease().await.len(), 0);
    }
}

#[tokio::test]
async fn another_store_decides_nothing() {
    let shop = Shop::open().await;
    shop.take(By::Store, "", Some(Hold::Document), &[]).await;
    let (confirm, _) = choices(&shop.notice_to(By::Store).await);
    let other = NewMerchantRequest {
        store_id: "ume-ya".into(),
        name: "Ume-ya".into(),
        addresses: vec!["ume@other.example".into()],
    };
    let added = shop.relay.add_merchant(other).await.unwrap();
    let login = shop.relay.authenticate(&added.auth_id, &added.auth_password, HERE).await.unwrap();
    let admitted = shop.relay.submission_recipient(&login, &address(&confirm)).await;
    assert_eq!(admitted.err(), Some(Refusal::UnknownAlias));
}

#[tokio::test]
async fn what_nobody_decides_about_is_dropped_in_the_end_and_its_sender_told() {
    for (hold, by) in [(Hold::Document, By::Customer), (Hold::Residue, By::Store)] {
        let shop = Shop::open().await;
        let id = shop.take(by, "", Some(hold), &[]).await;
        let notice = shop.notice_to(by).await;
        assert_eq!(notice.contains("mailto:"), hold == Hold::Document, "{notice}");
        let now = Timestamp::now();
        assert_eq!(shop.relay.end_holds(now.after(59 * MINUTE)).await.unwrap(), 0);
        assert_eq!(shop.relay.end_holds(now.after(61 * MINUTE)).await.unwrap(), 1);
        assert_eq!(shop.relay.end_holds(now.after(61 * MINUTE)).await.unwrap(), 0);
        assert_eq!(shop.state(id).await.0, "dropped");
        let now = now.after(61 * MINUTE);
        let due = shop.lease_at(now).await;
        assert_eq!(due.len(), 1);
        let told = shop.relay.outbound(&due[0]).await.unwrap();
        assert_eq!(told.forward_path.reveal(), by.address());
        let text = String::from_utf8(told.message.into_bytes()).unwrap();
        assert!(text.contains("Action: failed") && text.contains("Status: 5.4.7"), "{text}");
    }
}

#[tokio::test]
async fn a_spooled_message_that_the_gate_stops_now_is_held_for_good_and_told_once() {
    let shop = Shop::open().await;
    // It came when the order knew another address less.
    let id = shop.take(By::Customer, "", None, &[]).await;
    shop.relay.hold_waiting(id).await.unwrap();
    let work = shop.relay.store().queue_of_message(id).await.unwrap().remove(0).delivery_id;
    let work = shop.relay.store().delivered_work(work).await.unwrap().unwrap();
    let key = shop.relay.data_key(&work.key).unwrap();
    let mut envelope = envelope::Envelope::open(&key, id, &work.envelope).unwrap();
    assert_eq!(envelope.traces, ["mail.example"], "the gate looks for them again");
    let new = "is@it.on.its.way.example";
    envelope.secrets.push((new.into(), envelope.to.clone()));
    let place = envelope::body_place(id);
    let body = format!("Subject: order\r\n\r\n{new}\r\n");
    let sealed = key.seal(place, body.as_bytes());
    replace_body(&shop, id, sealed.stored()).await;
    let (now, expires_at) = (Timestamp::now(), Timestamp::now().after(MINUTE));
    let ruling = Ruling {
        delivery_id: work.delivery_id,
        message_id: id,
        at: now,
        from: Standing::Held,
        to: Ruled::Released { envelope: envelope.seal(&key, id).unwrap(), expires_at, look_at: expires_at },
        record: shop.relay.new_record(&key, Event::Released, shop.relay.about(&work), None, &"".into(), None),
        notice: None,
    };
    assert!(shop.relay.store().rule(ruling).await.unwrap());
    let due = shop.lease().await.remove(0);
    let unsent = shop.relay.outbound(&due).await.err().unwrap();
    assert!(matches!(unsent, Unsent::Gate));
    assert!(shop.relay.hold(&due, &unsent).await.unwrap());
    assert!(!shop.relay.hold(&due, &unsent).await.unwrap(), "the lease is over");
    assert_eq!(shop.state(id).await, ("held".into(), Some("residue".into())));
    let notice = shop.notice_to(By::Customer).await;
    assert!(notice.contains("cannot be replaced") && !notice.contains(new), "{notice}");
    let later = Timestamp::now().after(30 * MINUTE);
    let again = shop.lease_at(later).await;
    assert_eq!(again.len(), 0, "it is not tried again");
    let fault = shop.relay.release(id, Files::Checked).await.unwrap_err();
    assert!(matches!(fault, QueueFault::StillFound), "{fault}");
    let fault = shop.relay.release(id, Files::Confirmed).await.unwrap_err();
    assert!(matches!(fault, QueueFault::FoundInText), "{fault}");
    shop.relay.drop_message(id).await.unwrap();
    assert!(shop.notice_to(By::Customer).await.contains("decided not to send it"));
}

/// Puts another body in the place of a message's.
async fn replace_body(shop: &Shop, message: i64, body: &[u8]) {
    let mut database = shop.database().await;
    sqlx::query("UPDATE message_body SET body = $1 WHERE message_id = $2")
        .bind(body)
        .bind(message)
        .execute(&mut database)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_operator_releases_a_document_only_by_vouching_for_it() {
    let shop = Shop::open().await;
    let id = shop.take(By::Customer, "", Some(Hold::Document), &[]).await;
    shop.notice_to(By::Customer).await;
    let fault = shop.relay.release(id, Files::Checked).await.unwrap_err();
    assert!(matches!(fault, QueueFault::NotConfirmed), "{fault}");
    shop.relay.release(id, Files::Confirmed).await.unwrap();
    let due = shop.lease().await;
    assert_eq!(due.len(), 1);
    for fault in [shop.relay.drop_message(id).await, shop.relay.hold_waiting(id).await] {
        assert!(matches!(fault, Err(QueueFault::InDelivery)), "{fault:?}");
    }
    shop.settle(&due[0], Verdict::Delivered, "250 2.0.0").await;
    assert!(matches!(shop.relay.drop_message(id).await, Err(QueueFault::Ended(_))));
    assert!(matches!(shop.relay.release(id, Files::Checked).await, Err(QueueFault::NotHeld(_))));
}

#[tokio::test]
async fn what_was_taken_out_is_told_once_a_day_a_side_and_a_kind() {
    let shop = Shop::open().await;
    let settle = async |count: usize| {
        let mut told = Vec::new();
        for work in shop.lease().await {
            let outbound = shop.relay.outbound(&work).await.unwrap();
            if work.direction == "notice" {
                let bytes = outbound.message.into_bytes();
                let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
                told.push((outbound.forward_path.reveal(), parsed.body_text(0).unwrap().into_owned()));
            }
            shop.settle(&work, Verdict::Delivered, "250 2.0.0").await;
        }
        assert_eq!(told.len(), count, "{told:?}");
        told.pop().unwrap_or_default()
    };
    shop.take(By::Customer, "Auto-Submitted: auto-replied\r\n", None, &[Removed::Signature]).await;
    settle(0).await;
    shop.take(By::Customer, "", None, &[Removed::Tnef]).await;
    settle(0).await;
    shop.take(By::Customer, "", None, &[Removed::Signature, Removed::Key]).await;
    let (to, text) = settle(1).await;
    assert!(to == CUSTOMER && text.contains("署名") && text.contains("certificate"), "{to}: {text}");
    shop.take(By::Customer, "", None, &[Removed::Key]).await;
    settle(0).await;
    shop.take(By::Customer, "", None, &[Removed::Signature, Removed::Metadata]).await;
    let (_, text) = settle(1).await;
    assert!(text.contains("metadata") && !text.contains("signature"), "{text}");
    shop.take(By::Store, "", None, &[Removed::Key]).await;
    assert_eq!(settle(1).await.0, OWNER);
}

#[tokio::test]
async fn a_name_is_shown_as_the_installation_decided() {
    use crate::anonymize::NameRule::{AsWritten, Given};
    let mut shop = Shop::open().await;
    for (merchant, customer, expected) in [
        (
            MerchantName::AsWritten,
            CustomerName::AsWritten,
            [(AsWritten, "Hana-ya"), (AsWritten, "お客様 / Customer")],
        ),
        (MerchantName::Registered, CustomerName::Role, [(Given, "Hana-ya"), (Given, "お客様 / Customer")]),
        (
            MerchantName::Role,
            CustomerName::AsWritten,
            [(Given, "店舗 / Store"), (AsWritten, "お客様 / Customer")],
        ),
    ] {
        let policy = Policy { names: Names { merchant, customer }, ..shop.relay.policy().clone() };
        shop.reopen(policy).await;
        for (side, (rule, name)) in [Side::Customer, Side::Merchant].into_iter().zip(expected) {
            let by = if side == Side::Customer { By::Store } else { By::Customer };
            let to = address(&shop.alias_for(by).to_string());
            let recipient = shop.recipient(by, &to).await.unwrap();
            let who = (peer(), address(by.address()));
            let incoming = shop.incoming(by, &who, Vec::new(), String::new());
            let admitted = Admitted::default();
            let leg = shop.relay.leg(&incoming, &recipient, Notify::default(), &admitted).await.unwrap();
            assert_eq!((leg.name, leg.fallback_name), (rule, name));
        }
    }
}

#[tokio::test]
async fn an_envelope_of_an_older_version_opens_and_its_files_are_looked_at() {
    let shop = Shop::open().await;
    let id = shop.take(By::Customer, "", None, &[]).await;
    let work = shop.lease().await.remove(0);
    let key = shop.relay.data_key(&work.key).unwrap();
    let place = crate::vault::Place::new("message", "envelope", id);
    let plain = key.open(place, &work.envelope).unwrap();
    let mut old: serde_json::Value = serde_json::from_slice(&plain).unwrap();
    for field in ["traces", "confirmed"] {
        assert!(old.as_object_mut().unwrap().remove(field).is_some());
    }
    let sealed = key.seal(place, old.to_string().as_bytes());
    let opened = envelope::Envelope::open(&key, id, &sealed).unwrap();
    assert!(opened.traces.is_empty() && opened.files() == Files::Checked);
}

/// A customer's mail whose file holds an address that the rewriter leaves there.
async fn send_residue(shop: &Shop, id: usize, notify: Notify) -> Result<Receipt, Refusal> {
    let to = address(&shop.order.merchant_alias.to_string());
    let recipient = shop.recipient(By::Customer, &to).await.unwrap();
    let bytes = format!(
        "From: {CUSTOMER}\r\nMessage-ID: <{id}@x.example>\r\nContent-Type: application/octet-stream\r\n\r\n\
         \u{1}{CUSTOMER}\u{2}\r\n"
    );
    let who = (peer(), address(CUSTOMER));
    shop.relay.accept(shop.incoming(By::Customer, &who, vec![(recipient, notify)], bytes)).await
}

#[tokio::test]
async fn who_does_not_read_the_notices_is_refused_in_the_end() {
    let shop = Shop::open().await;
    for id in 0..20 {
        assert!(send_residue(&shop, id, Notify::default()).await.is_ok(), "{id}");
    }
    let refused = send_residue(&shop, 20, Notify::default()).await;
    assert!(matches!(refused, Err(Refusal::Content(_))), "{refused:?}");
}

#[tokio::test]
async fn a_hold_is_told_even_to_who_wants_no_notices_but_its_end_is_not() {
    let shop = Shop::open().await;
    let never = Notify { success: false, failure: false, delay: false };
    let receipt = send_residue(&shop, 1, never).await.unwrap();
    let text = shop.notice_to(By::Customer).await;
    assert!(text.contains(&receipt.queue_ids[0]), "{text}");
    shop.relay.drop_message(parse_queue_id(&receipt.queue_ids[0]).unwrap()).await.unwrap();
    assert_eq!(shop.lease().await.len(), 0);
}

#[tokio::test]
async fn nobody_is_told_of_an_automatic_reply_that_is_held() {
    let shop = Shop::open().await;
    let recipient = shop.recipient(By::Customer, &address(&shop.store_alias()[0])).await.unwrap();
    let bytes = format!(
        "From: {CUSTOMER}\r\nAuto-Submitted: auto-replied\r\nContent-Type: application/octet-stream\r\n\r\n\
         \u{1}{CUSTOMER}\u{2}\r\n"
    );
    let (who, recipients) = ((peer(), address(CUSTOMER)), vec![(recipient, Notify::default())]);
    let taken = shop.relay.accept(shop.incoming(By::Customer, &who, recipients, bytes)).await.unwrap();
    let id = parse_queue_id(&taken.queue_ids[0]).unwrap();
    assert_eq!(shop.state(id).await, ("held".into(), Some("document".into())));
    assert_eq!(shop.lease().await.len(), 0);
}
