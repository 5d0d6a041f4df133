//! Logins at a running relay: what too many wrong ones come to, and one that its client breaks off.

use super::client::{Client, Reply, auth_plain};
use super::door::{limited, log_has, records};
use super::process::On;
use super::scene::Scene;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

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
