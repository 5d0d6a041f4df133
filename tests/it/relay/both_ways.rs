//! Mail passes both ways, anonymously, and threads hold together in both mailboxes.

use super::letter::{Letter, body, count_of, header, show};
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};

on_both_databases! {
    mail_of_an_order_passes_both_ways_and_stays_one_thread,
    a_mail_to_the_public_alias_opens_a_conversation_and_the_next_continues_it,
    one_mail_to_two_customers_becomes_one_mail_each,
}

fn mail_of_an_order_passes_both_ways_and_stays_one_thread(on: On) {
    let scene = Scene::new(on);
    let first = scene.to_customer();
    scene.submit(&first).is("250 2.0.0");
    let to_hana = scene.hana.mailbox.wait_for(1).remove(0);
    assert_eq!(to_hana.forward_paths, [scene.hana.address.as_str()]);
    assert!(to_hana.is_tls, "the next hop offers STARTTLS");
    let mail = &to_hana.bytes;
    let from = header(mail, "From").unwrap();
    assert!(from.ends_with(&format!("<{}>", scene.order.merchant_alias)), "{from}");
    assert!(header(mail, "To").unwrap().contains(&scene.order.customer_alias), "{}", show(mail));
    assert_eq!(header(mail, "Subject").unwrap(), first.subject);
    assert_eq!(body(mail), body(&first.bytes()), "the text passes byte for byte");
    assert_eq!(count_of(mail, "DKIM-Signature"), 2);
    let domain = scene.order.merchant_alias.rsplit_once('@').unwrap().1;
    assert!(to_hana.reverse_path.ends_with(&format!("@{domain}")), "SPF aligns with From");

    let answer = scene.to_merchant().answering(mail);
    scene.deliver(&answer).is("250 2.0.0");
    let to_mise = scene.mise.mailbox.wait_for(1).remove(0);
    assert_eq!(to_mise.forward_paths, [scene.mise.address.as_str()]);
    let mail = &to_mise.bytes;
    assert!(header(mail, "From").unwrap().contains(&scene.order.customer_alias), "{}", show(mail));
    assert_eq!(header(mail, "In-Reply-To").unwrap(), first.message_id, "the store's own id leads back");
    assert_eq!(header(mail, "References").unwrap(), first.message_id);
    assert_ne!(header(mail, "Message-ID").unwrap(), answer.message_id);

    let again = scene.to_customer().answering(mail);
    scene.submit(&again).is("250 2.0.0");
    let mails = scene.hana.mailbox.wait_for(2);
    assert_eq!(header(&mails[1].bytes, "In-Reply-To").unwrap(), answer.message_id, "so does the customer's");
}

fn a_mail_to_the_public_alias_opens_a_conversation_and_the_next_continues_it(on: On) {
    let scene = Scene::new(on);
    let ask = || Letter::new(&scene.watch, &scene.hana.address, &scene.account.public_alias);
    scene.deliver(&ask()).is("250 2.0.0");
    let asked = scene.mise.mailbox.wait_for(1).remove(0);
    let alias = header(&asked.bytes, "From").unwrap();
    let alias = alias.rsplit_once('<').unwrap().1.trim_end_matches('>').to_owned();
    assert_ne!(alias, scene.order.customer_alias, "an inquiry is not the order");

    let answer = Letter::new(&scene.watch, &scene.mise.address, &alias).answering(&asked.bytes);
    scene.submit(&answer).is("250 2.0.0");
    let answered = scene.hana.mailbox.wait_for(1).remove(0);
    let from = header(&answered.bytes, "From").unwrap();
    let merchant_alias = from.rsplit_once('<').unwrap().1.trim_end_matches('>').to_owned();
    assert_ne!(merchant_alias, scene.order.merchant_alias);

    // The next mail may go to the conversation's alias or to the public one.
    for to in [&merchant_alias, &scene.account.public_alias] {
        let letter = Letter::new(&scene.watch, &scene.hana.address, to).answering(&answered.bytes);
        scene.deliver(&letter).is("250 2.0.0");
    }
    for mail in &scene.mise.mailbox.wait_for(3)[1..] {
        assert!(header(&mail.bytes, "From").unwrap().contains(&alias), "{}", show(&mail.bytes));
        assert_eq!(header(&mail.bytes, "In-Reply-To").unwrap(), answer.message_id);
    }
}

fn one_mail_to_two_customers_becomes_one_mail_each(on: On) {
    let scene = Scene::new(on);
    let orders = [scene.order.clone(), open_order(&scene.relay, "mise", "A-1002", &scene.taro.address)];
    let (mise, hana, taro) = (&scene.mise, &scene.hana, &scene.taro);
    let to: Vec<&str> = orders.iter().map(|order| order.customer_alias.as_str()).collect();
    let letter = Letter::new(&scene.watch, &mise.address, &to.join(", "));
    // The Bcc copy that the store's tool makes goes along.
    let recipients = [to[0], to[1], mise.address.as_str()];
    let reply =
        scene.merchant().unwrap().send(&mise.address, &recipients, &letter.bytes()).unwrap().is("250 2.0.0");
    assert_eq!(reply.queue_ids().len(), 3);
    for (person, own, other) in [(hana, 0, 1), (taro, 1, 0)] {
        let mail = person.mailbox.wait_for(1).remove(0);
        assert!(header(&mail.bytes, "To").unwrap().contains(to[own]), "{}", show(&mail.bytes));
        assert!(
            !show(&mail.bytes).contains(to[other]),
            "a customer learned of another:\n{}",
            show(&mail.bytes)
        );
        assert!(header(&mail.bytes, "From").unwrap().contains(&orders[own].merchant_alias));
    }
    let copy = mise.mailbox.wait_for(1).remove(0);
    assert_eq!(copy.forward_paths, [mise.address.as_str()]);
    assert_eq!(header(&copy.bytes, "Subject").unwrap(), letter.subject);
    for alias in to {
        assert!(header(&copy.bytes, "To").unwrap().contains(alias), "{}", show(&copy.bytes));
    }
}
