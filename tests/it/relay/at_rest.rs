//! Nothing can be read in the database, its WAL, the key ring's neighbours or a dump, while mail waits in it.

use super::letter::Letter;
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;

on_both_databases! {
    no_address_subject_header_or_text_can_be_read_where_waiting_mail_lies,
}

fn no_address_subject_header_or_text_can_be_read_where_waiting_mail_lies(on: On) {
    let scene = Scene::new(on);
    scene.hana.mailbox.go_down();
    scene.mise.mailbox.go_down();
    for letter in [scene.to_customer(), scene.to_customer()] {
        scene.submit(&letter).is("250 2.0.0");
        scene.watch.secret(&letter.message_id);
    }
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene
        .deliver(&Letter::new(&scene.watch, &scene.hana.address, &scene.account.public_alias))
        .is("250 2.0.0");
    for secret in [
        "A-1001",
        "花屋",
        "Hanaya",
        "MIME-Version",
        "Message-ID:",
        "text/plain",
        "Mail Delivery",
        "client.test",
        &scene.account.user,
        &scene.account.password,
        &scene.order.customer_alias,
        &scene.order.merchant_alias,
    ] {
        scene.watch.secret(secret);
    }
    eventually("all four wait", || {
        let queue = scene.relay.queue(None);
        (queue.len() == 4 && queue.iter().all(|line| line["attempts"].as_i64() > Some(0))).then_some(())
    });
    scene.relay.check_at_rest();
    // The search itself works: what is not secret is found.
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scene.watch.secret("shop.anshin.test");
        scene.relay.check_at_rest();
    }));
    assert!(found.is_err(), "the domain of an alias stands in the database and was not found");
    scene.watch.forget_secret("shop.anshin.test");
}
