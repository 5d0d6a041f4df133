//! SIGKILL at random moments under load: what was acknowledged is delivered, and hardly anything twice.
//!
//! Rules: 16 sessions send without a pause, half of them each way, and repeat what was not acknowledged, as mail
//! programs do. After each kill the queue tells which attempts were in flight; only those can be doubled.
//! `ANSHIN_TEST_KILLS` sets how often (20), `ANSHIN_TEST_SEED` repeats a run.

use super::client::Client;
use super::letter::{body, header, show};
use super::mailbox::{Mailbox, Received};
use super::process::{Bound, On, on_both_databases};
use super::scene::Scene;
use super::watch::random_hex;
use crate::peer::eventually_within;
use data_encoding::BASE64_MIME;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

on_both_databases! {
    no_acknowledged_message_is_lost_however_often_the_relay_is_killed,
}

const SESSIONS: u64 = 16;
/// Leases of a killed process end by themselves after a minute.
pub(super) const LEASES_END: Duration = Duration::from_secs(150);

/// What the sessions share.
pub(super) struct Load {
    bound: Mutex<Bound>,
    pub stop: AtomicBool,
    next: AtomicU64,
    acknowledged: Mutex<Sender<Acknowledged>>,
    /// How long a session rests after each mail.
    rest: Duration,
}

/// A mail that was answered with 250.
pub(super) struct Acknowledged {
    pub token: String,
    pub queue_id: String,
}

impl Load {
    pub fn new(bound: Bound, acknowledged: Sender<Acknowledged>, rest: Duration) -> Self {
        Self {
            bound: Mutex::new(bound),
            stop: AtomicBool::new(false),
            next: AtomicU64::new(1),
            acknowledged: Mutex::new(acknowledged),
            rest,
        }
    }

    /// Where sessions connect to from now on.
    pub fn use_node(&self, bound: &Bound) {
        self.bound.lock().unwrap().clone_from(bound);
    }
}

fn no_acknowledged_message_is_lost_however_often_the_relay_is_killed(on: On) {
    kill_under_load(on, &[&["all"]]);
}

#[test]
fn nothing_is_lost_when_roles_of_their_own_share_one_sqlite_file_and_are_killed() {
    kill_under_load(On::Sqlite, &[&["ingress"], &["egress"], &["web"]]);
}

fn kill_under_load(on: On, processes: &[&[&str]]) {
    let kills = number("ANSHIN_TEST_KILLS").unwrap_or(20);
    let seed = number("ANSHIN_TEST_SEED").unwrap_or_else(|| u64::from_str_radix(&random_hex(8), 16).unwrap());
    println!("ANSHIN_TEST_SEED={seed} ANSHIN_TEST_KILLS={kills}");
    let mut random = Random(seed);
    let mut scene = Scene::with_roles(on, |setup| setup, processes);
    let (sender, acknowledged) = channel();
    let load = Arc::new(Load::new(scene.relay.bound().clone(), sender, Duration::ZERO));
    let sessions: Vec<_> = (0..SESSIONS).map(|number| session(&scene, load.clone(), number)).collect();

    let mut tokens = Vec::new();
    let mut in_flight = BTreeSet::new();
    for _ in 0..kills {
        let pause = Duration::from_micros(random.below(1_200_000));
        collect(&acknowledged, Instant::now() + pause, &mut tokens);
        scene.relay.kill();
        for line in scene.relay.queue(None).iter().filter(|line| line["state"] == "in delivery") {
            in_flight.insert((line["queue_id"].to_string(), line["attempts"].to_string()));
        }
        scene.relay.start_together(processes);
        load.use_node(scene.relay.bound());
    }
    load.stop.store(true, Ordering::Relaxed);
    sessions.into_iter().for_each(|session| session.join().unwrap());
    tokens.extend(acknowledged.try_iter());

    let mailboxes = [&scene.hana.mailbox, &scene.mise.mailbox];
    eventually_within(LEASES_END, "everything acknowledged is delivered", || {
        let seen = count(&mailboxes);
        tokens.iter().all(|one| seen.contains_key(&one.token)).then_some(())
    });
    eventually_within(LEASES_END, "the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));

    let seen = count(&mailboxes);
    let doubled: usize = seen.values().map(|times| times - 1).sum();
    println!(
        "{on:?}: {kills} kills, {} acknowledged, {} delivered, {doubled} doubled, {} attempts in flight at the kills",
        tokens.len(),
        seen.len(),
        in_flight.len()
    );
    assert!(tokens.len() as u64 >= kills, "hardly any load: {}", tokens.len());
    assert!(doubled <= in_flight.len(), "{doubled} doubled, only {} were in flight", in_flight.len());
}

/// Takes acknowledgements until a point in time.
pub(super) fn collect<T>(acknowledged: &Receiver<T>, until: Instant, all: &mut Vec<T>) {
    while let Ok(one) = acknowledged.recv_timeout(until.saturating_duration_since(Instant::now())) {
        all.push(one);
    }
}

/// How often each token was delivered; fails where a mail was damaged.
pub(super) fn count(mailboxes: &[&Mailbox]) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for mailbox in mailboxes {
        mailbox.look(|mails| {
            for mail in mails {
                *seen.entry(token(mail)).or_insert(0) += 1;
            }
        });
    }
    seen
}

pub(super) fn token(mail: &Received) -> String {
    // A next hop that knew no EHLO took it in seven bits.
    let is_encoded = header(&mail.bytes, "Content-Transfer-Encoding").is_some_and(|name| name == "base64");
    let body = body(&mail.bytes);
    let octets = if is_encoded { BASE64_MIME.decode(body).unwrap() } else { body.to_vec() };
    let text = String::from_utf8_lossy(&octets).into_owned();
    let token = text.split("\r\n").next().unwrap_or_default().to_owned();
    assert_eq!(text, text_of(&token), "a damaged mail:\n{}", show(&mail.bytes));
    token
}

/// The body of a token's mail: some kilobytes, lines that need dots stuffed.
fn text_of(token: &str) -> String {
    format!("{token}\r\n..\r\n{}.\r\n", ".日本語のテキスト 0123456789\r\n".repeat(40))
}

pub(super) fn session(scene: &Scene, load: Arc<Load>, number: u64) -> thread::JoinHandle<()> {
    let is_merchant = number.is_multiple_of(2);
    let (from, to) = match is_merchant {
        true => (scene.mise.address.clone(), scene.order.customer_alias.clone()),
        false => (scene.hana.address.clone(), scene.order.merchant_alias.clone()),
    };
    let (watch, account) = (scene.watch.clone(), scene.account.clone());
    let connect = move |bound: &Bound| -> io::Result<Client> {
        if is_merchant {
            let server = bound.submissions.unwrap();
            Client::log_in(server, &watch, "mise", &account.user, &account.password)
        } else {
            Client::hello(bound.mx.unwrap(), &watch, "hana")
        }
    };
    thread::spawn(move || {
        let mut client = None;
        let mut token = String::new();
        while !load.stop.load(Ordering::Relaxed) {
            if token.is_empty() {
                token = format!("token{:08}", load.next.fetch_add(1, Ordering::Relaxed));
            }
            let bound = load.bound.lock().unwrap().clone();
            let Some(connected) = client.as_mut() else {
                client = connect(&bound).ok();
                if client.is_none() {
                    thread::park_timeout(Duration::from_millis(5));
                }
                continue;
            };
            match connected.send(&from, &[&to], &mail(&from, &to, &token)) {
                Ok(reply) if reply.code == 250 => {
                    let queue_id = reply.queue_ids().remove(0);
                    let one = Acknowledged { token: std::mem::take(&mut token), queue_id };
                    load.acknowledged.lock().unwrap().send(one).unwrap();
                    thread::park_timeout(load.rest);
                }
                Ok(reply) => {
                    assert!(reply.code < 500, "refused for good: {reply}");
                    client = None;
                }
                Err(_) => client = None,
            }
        }
    })
}

fn mail(from: &str, to: &str, token: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: load\r\nMessage-ID: <{token}@load.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}",
        text_of(token)
    )
    .into_bytes()
}

pub(super) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// SplitMix64 (Steele, Lea, Flood 2014): a run is repeated by its seed.
pub(super) struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
