//! One bad session never harms another.

use super::client::{Client, auth_plain};
use super::process::On;
use super::scene::Scene;
use crate::peer::eventually;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn half_a_tls_handshake_holds_up_nobody() {
    let scene = Scene::new(On::Sqlite);
    // The beginning of a ClientHello, then silence.
    let halves: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(scene.relay.submissions()).unwrap();
            stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).unwrap();
            stream
        })
        .collect();
    let mut starttls = scene.customer().unwrap();
    starttls.say("STARTTLS").unwrap().is("220");
    starttls.wire().write(&[22, 3, 1]).unwrap();
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    drop(halves);
}

#[test]
fn one_neighbour_cannot_take_every_place_and_is_told_so() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("limits.sessions_per_ip", "3"));
    let held: Vec<_> = (0..3).map(|_| scene.customer().unwrap()).collect();
    let refused = scene.customer().err().unwrap().to_string();
    assert!(refused.starts_with("421 4.7.0"), "{refused}");
    drop(held);
    eventually("places are free again", || scene.customer().ok());
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.mise.mailbox.wait_for(1);
}

#[test]
fn messages_beyond_the_memory_bound_are_deferred_and_small_ones_taken() {
    let scene = Scene::with(On::Sqlite, |setup| {
        setup.key("limits.message_size", "'2MiB'").key("limits.memory", "'4MiB'")
    });
    let letter = scene.to_merchant();
    let big = [letter.bytes(), b"0123456789\r\n".repeat(110_000)].concat();
    // A chunk is answered when it is held, so what the next ones find is no chance. It holds up to twice its size.
    let chunk = b"X-Much: 0123456789abcdefghijklmnopqrstuvwxyz\r\n".repeat(6_500);
    let hoards = || {
        let mut hoarder = scene.customer().unwrap();
        hoarder.say(&format!("MAIL FROM:<{}>", scene.hana.address)).unwrap().is("250");
        hoarder.say(&format!("RCPT TO:<{}>", scene.order.merchant_alias)).unwrap().is("250");
        let command = format!("BDAT {}\r\n", chunk.len());
        hoarder.wire().write(&[command.as_bytes(), &chunk].concat()).unwrap();
        (hoarder.read().unwrap(), hoarder)
    };
    let mut hoarders = Vec::new();
    let told = loop {
        match hoards() {
            (told, hoarder) if told.code == 250 => hoarders.push(hoarder),
            (told, _) => break told,
        }
    };
    told.is("452 4.3.1 ");
    assert!((6..16).contains(&hoarders.len()), "{}", hoarders.len());
    // Now there is room for one chunk or two, and none for the big one.
    hoarders.pop();
    eventually("a small one is taken", || (scene.deliver(&scene.to_merchant()).code == 250).then_some(()));
    scene.customer().unwrap().send(&scene.hana.address, &[&letter.to], &big).unwrap().is("452");
    drop(hoarders);
    eventually("it is given back", || (scene.deliver(&letter).code == 250).then_some(()));
}

#[test]
fn a_store_gets_in_although_silent_sessions_hold_every_place() {
    let scene = Scene::with(On::Sqlite, |setup| {
        setup.key("limits.sessions", "12").key("limits.sessions_per_ip", "12")
    });
    let (mx, starttls, tls) = (scene.relay.mx(), scene.relay.submission(), scene.relay.submissions());
    // Six silent at each door for stores, which could take all places for minutes.
    let held: Vec<TcpStream> =
        [starttls, tls].into_iter().cycle().take(12).map(|door| TcpStream::connect(door).unwrap()).collect();
    for door in [starttls, tls] {
        eventually("a store gets in", || {
            let (user, password) = (&scene.account.user, &scene.account.password);
            let letter = scene.to_customer();
            let mut client = if door == tls {
                scene.merchant().ok()?
            } else {
                let mut client = Client::hello(door, &scene.watch, "mise").ok()?;
                client.say("STARTTLS").ok()?.is("220");
                client.wire().start_tls().ok()?;
                client.say("EHLO client.test").ok()?.is("250");
                client.say(&auth_plain(user, password)).ok()?.is("235");
                client
            };
            client.send(&scene.mise.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
            Some(())
        });
    }
    eventually("a customer gets in", || {
        let letter = scene.to_merchant();
        let mut client = Client::hello(mx, &scene.watch, "hana").ok()?;
        client.send(&scene.hana.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
        Some(())
    });
    scene.hana.mailbox.wait_for(2);
    scene.mise.mailbox.wait_for(1);
    drop(held);
}
