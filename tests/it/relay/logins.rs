//! Logins at a running relay: what too many wrong ones come to, and one that its client breaks off.

use super::client::{Client, Reply, auth_plain};
use super::door::{limited, log_has, records};
use super::process::On;
use super::scene::Scene;
use crate::peer::eventually;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

#[test]
fn after_too_many_wrong_passwords_the_right_one_is_not_looked_at_from_there_either() {
    let scene = limited(&[("limits.ip.login_failures", "'2/1h'"), ("limits.longest_delay", "'1ms'")]);
    let log_in = |password: &str| {
        let user = &scene.account.user;
        Client::log_in(scene.relay.submissions(), &scene.watch, "mise", user, password)
    };
    for _ in 0..2 {
        assert!(log_in("wrong").err().unwrap().to_string().starts_with("535 5.7.8"));
    }
    let refused = log_in(&scene.account.password).err().unwrap().to_string();
    assert!(refused.starts_with("421 4.7.0") && refused.contains("wrong passwords"), "{refused}");
    assert!(log_has(&scene.relay, "limited", "login_failures"));
}

/// The last message of a SCRAM client (RFC 5802 §3) to `server_first`.
fn client_final(first_bare: &str, server_first: &str, password: &str) -> String {
    let hmac = |key: &[u8], message: &[u8]| -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    };
    let field = |name: &str| server_first.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
    let mut salt = BASE64.decode(field("s=").as_bytes()).unwrap();
    salt.extend(1_u32.to_be_bytes());
    let mut last = hmac(password.as_bytes(), &salt);
    let mut salted = last;
    for _ in 1..field("i=").parse::<u32>().unwrap() {
        last = hmac(password.as_bytes(), &last);
        salted.iter_mut().zip(last).for_each(|(all, last)| *all ^= last);
    }
    let mut proof = hmac(&salted, b"Client Key");
    let without_proof = format!("c=biws,r={}", field("r="));
    let message = format!("{first_bare},{server_first},{without_proof}");
    let signature = hmac(&Sha256::digest(proof), message.as_bytes());
    proof.iter_mut().zip(signature).for_each(|(key, mask)| *key ^= mask);
    format!("{without_proof},p={}", BASE64.encode(&proof))
}

/// The first message of SCRAM without its head, and how the server answers the whole.
fn begin(client: &mut Client, user: &str) -> (String, Reply) {
    let first = format!("n={user},r=client");
    let begin = format!("AUTH SCRAM-SHA-256 {}", BASE64.encode(format!("n,,{first}").as_bytes()));
    (first, client.say(&begin).unwrap())
}

/// Begins SCRAM and shows that it knows this password; how the server answers.
fn show(client: &mut Client, user: &str, password: &str) -> Reply {
    let (first, told) = begin(client, user);
    let server_first = BASE64.decode(&told.is("334 ").lines[0].as_bytes()[4..]).unwrap();
    let last = client_final(&first, std::str::from_utf8(&server_first).unwrap(), password);
    client.say(&BASE64.encode(last.as_bytes())).unwrap()
}

/// Logs in by SCRAM up to the word with which the client takes the server's proof.
fn prove(client: &mut Client, user: &str, password: &str) {
    show(client, user, password).is("334 ");
}

/// A session for stores, in TLS, before it logs in.
fn session(scene: &Scene) -> Client {
    let mut client = Client::open(scene.relay.submissions(), &scene.watch, "mise").unwrap();
    client.wire().start_tls().unwrap();
    client.read().unwrap().is("220 ");
    client.say("EHLO client.test").unwrap().is("250 ");
    client
}

#[test]
fn wrong_proofs_count_as_wrong_passwords_do_and_first_steps_that_are_left_do_not() {
    let scene = limited(&[("limits.ip.login_failures", "'4/1h'"), ("limits.longest_delay", "'1ms'")]);
    let (user, password) = (scene.account.user.as_str(), scene.account.password.as_str());
    // Twice as many as may be wrong: cancelled, left without a word, spoilt, for names that are there and not.
    for name in [user, "nobody"] {
        for end in ["*", "", "Yz1iaXdzLHI9eCxwPUFBQUE=", "no base64!"] {
            let mut client = session(&scene);
            begin(&mut client, name).1.is("334 ");
            if !end.is_empty() {
                client.say(end).unwrap().is("501 5.");
            }
        }
    }
    prove(&mut session(&scene), user, password);
    assert!(!log_has(&scene.relay, "limited", "login_failures"));
    // Two wrong proofs for a store, one for nobody, one wrong password: each counts once.
    let mut client = session(&scene);
    for name in [user, user] {
        show(&mut client, name, "wrong").is("535 5.7.8");
    }
    let mut client = session(&scene);
    show(&mut client, "nobody", password).is("535 5.7.8");
    client.say(&auth_plain(user, "wrong")).unwrap().is("535 5.7.8");
    assert_eq!(records(&scene.relay, "login_refused"), 4);
    // Neither way is open now, and the right password is not looked at.
    let told = begin(&mut session(&scene), user).1.is("421 4.7.0");
    assert!(told.to_string().contains("wrong passwords"), "{told}");
    session(&scene).say(&auth_plain(user, password)).unwrap().is("421 4.7.0");
}

#[test]
fn who_breaks_off_before_it_takes_our_proof_is_not_in_and_its_right_password_is_recorded() {
    let scene = Scene::new(On::Sqlite);
    let (user, password) = (&scene.account.user, &scene.account.password);
    let mut client = session(&scene);
    prove(&mut client, user, password);
    client.say("*").unwrap().is("501 5.7.0");
    client.say("MAIL FROM:<>").unwrap().is("530 5.7.0");
    assert_eq!((records(&scene.relay, "login_proven"), records(&scene.relay, "login")), (1, 0));
    prove(&mut client, user, password);
    client.say("").unwrap().is("235 2.7.0");
    assert_eq!((records(&scene.relay, "login_proven"), records(&scene.relay, "login")), (2, 1));
}

/// The credentials of the scene's store, as `list` shows them.
fn credentials(scene: &Scene) -> Vec<serde_json::Value> {
    let listed = scene.relay.anshin(&["merchant", "credential", "list", "--store-id", "mise"]);
    listed.as_array().unwrap().clone()
}

#[test]
fn a_store_changes_its_password_under_a_running_program_without_a_refused_mail() {
    let scene = Scene::new(On::Sqlite);
    let user = scene.account.user.clone();
    let log_in = |user: &str, password: &str| {
        Client::log_in(scene.relay.submissions(), &scene.watch, "mise", user, password)
    };
    let send = |client: &mut Client| {
        let letter = scene.to_customer();
        client.send(&scene.mise.address, &[&letter.to], &letter.bytes()).unwrap()
    };
    let mut running = log_in(&user, &scene.account.password).unwrap();
    send(&mut running).is("250 2.0.0");
    let replace =
        ["merchant", "credential", "add", "--store-id", "mise", "--replaces", &user, "--overlap", "1h"];
    let added = scene.relay.anshin(&replace);
    let smtp = &added["smtp"];
    let (new_user, new_password) =
        (smtp["auth_id"].as_str().unwrap(), smtp["auth_password"].as_str().unwrap());
    scene.watch.secret(new_password);
    // Both go on: the running program with the old one, another with the new one.
    send(&mut running).is("250 2.0.0");
    send(&mut log_in(&user, &scene.account.password).unwrap()).is("250 2.0.0");
    let mut changed = log_in(new_user, new_password).unwrap();
    send(&mut changed).is("250 2.0.0");
    let kept = credentials(&scene);
    assert_eq!((kept[0]["state"].as_str(), kept[1]["state"].as_str()), (Some("ends"), Some("stands")));
    assert!(kept.iter().all(|one| one["last_network"] == "127.0.0.0/24" && one["last_used_at"].is_string()));
    // Ended for good: the running program is told at its next mail, and gets no further.
    scene.relay.anshin(&["merchant", "credential", "revoke", "--store-id", "mise", "--auth-id", &user]);
    eventually("the running program is told", || {
        let told = send(&mut running);
        match told.code {
            250 => None,
            _ => Some(told),
        }
    })
    .is("421 4.7.0");
    assert!(running.read().is_err(), "the session is over");
    assert!(log_in(&user, &scene.account.password).err().unwrap().to_string().starts_with("535 5.7.8"));
    send(&mut changed).is("250 2.0.0");
    assert_eq!(credentials(&scene)[0]["state"], "ended");
    assert_eq!(records(&scene.relay, "credential"), 2);
}

#[test]
fn a_password_that_is_revoked_while_a_message_comes_in_sends_it_no_more() {
    let scene = Scene::new(On::Postgres);
    let (user, password) = (&scene.account.user, &scene.account.password);
    let mut client = Client::log_in(scene.relay.submissions(), &scene.watch, "mise", user, password).unwrap();
    let letter = scene.to_customer();
    client.say(&format!("MAIL FROM:<{}>", scene.mise.address)).unwrap().is("250 ");
    client.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().is("250 ");
    client.say("DATA").unwrap().is("354 ");
    scene.relay.anshin(&["merchant", "credential", "revoke", "--store-id", "mise", "--auth-id", user]);
    // What a session knows of its credential is good for a second.
    let since = Instant::now();
    eventually("a second has gone by", || (since.elapsed() > Duration::from_secs(1)).then_some(()));
    client.wire().write(&letter.bytes()).unwrap();
    client.wire().write(b"\r\n.\r\n").unwrap();
    client.read().unwrap().is("421 4.7.0");
    assert!(scene.relay.queue(None).is_empty());
}

#[test]
fn from_elsewhere_than_a_credential_may_be_used_the_right_password_is_wrong() {
    let scene = Scene::new(On::Sqlite);
    let (user, password) = (&scene.account.user, &scene.account.password);
    let limit = |from: &[&str]| {
        let name = ["merchant", "credential", "limit", "--store-id", "mise", "--auth-id", user];
        scene.relay.anshin(&[&name[..], from].concat())
    };
    let log_in = || Client::log_in(scene.relay.submissions(), &scene.watch, "mise", user, password);
    limit(&["--from", "192.0.2.0/24"]);
    assert!(log_in().err().unwrap().to_string().starts_with("535 5.7.8"));
    assert!(log_has(&scene.relay, "login_refused_elsewhere", "network"));
    limit(&["--from", "192.0.2.0/24", "--from", "127.0.0.0/8"]);
    log_in().unwrap();
    limit(&["--anywhere"]);
    log_in().unwrap();
    let ran = scene.relay.run(&["merchant", "credential", "limit", "--store-id", "mise", "--auth-id", user]);
    assert_eq!(ran.status, 2, "neither networks nor --anywhere");
}
