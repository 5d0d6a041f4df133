//! Slow peers at real sockets, with a clock that the test moves: whoever holds a session without using it loses it.

use super::connection::patience::GIVES_IDLE;
use super::{Ingress, Inherited, Listening, make_self_signed};
use crate::config::Config;
use crate::mail::{Domain, Timestamp};
use crate::relay::{Domains, NewMerchantRequest, OrderRequest, Policy, Relay};
use crate::store::Store;
use crate::vault::{KeyRing, Make, Vault};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const CUSTOMER: &str = "hana@customer.example";

/// An ingress that serves, with one order, on a database of its own.
struct Served {
    listening: Listening,
    alias: String,
    dir: PathBuf,
    _stop: watch::Sender<bool>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Served {
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = std::env::temp_dir().join(format!("anshin-ingress-{}", crate::store::random_id()));
        std::fs::create_dir(&dir).unwrap();
        let mut config = Config::development(&dir).unwrap();
        change(&mut config);
        let ring = KeyRing::open(&config.keys.dir, Make::Missing, Timestamp::now()).unwrap();
        let vault = Vault::open(&ring).unwrap();
        let store = Store::open(&config.storage.url.connect_url(), &vault.file).await.unwrap();
        let domain = |text| Domain::parse(text).unwrap();
        let domains = Domains::new(&domain("fw.example"), &domain("shop.example")).unwrap();
        let relay = Relay::open(store, vault, domains, Policy::for_tests()).await.unwrap();
        let merchant = NewMerchantRequest {
            store_id: "hana-ya".into(),
            name: "Hana-ya".into(),
            addresses: vec!["owner@store.example".into()],
        };
        relay.add_merchant(merchant).await.unwrap();
        let order = OrderRequest {
            store_id: "hana-ya".into(),
            order_no: "1".into(),
            customer: CUSTOMER.into(),
            expires_at: None,
        };
        let alias = relay.open_order(order).await.unwrap().merchant_alias.to_string();
        let files = &config.ingress.tls;
        make_self_signed(&files.certificate, &files.key, vec!["relay.example".into()]).unwrap();
        let senders = crate::senders::Setup {
            servers: vec![([127, 0, 0, 1], 9).into()],
            trusted_networks: config.senders.trusted_networks.clone(),
            trusted_forwarders: Vec::new(),
        };
        let ingress = Ingress::bind(&config, &relay, senders, &mut Inherited::default()).await.unwrap();
        let listening = ingress.listening.clone();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(ingress.serve(stopped));
        Self { listening, alias, dir, _stop: stop }
    }

    async fn start() -> Self {
        Self::with(|_| ()).await
    }
}

async fn connect(addresses: &[SocketAddr]) -> TcpStream {
    TcpStream::connect(addresses[0]).await.unwrap()
}

/// Reads one reply.
async fn reply(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n")
        || read.rsplitn(3, |b| *b == b'\n').nth(1).is_some_and(|l| l.get(3) == Some(&b'-'))
    {
        match stream.read_u8().await {
            Ok(octet) => read.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(read).unwrap()
}

async fn say(stream: &mut TcpStream, line: &str) -> String {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    reply(stream).await
}

/// Sends `drip` every `pause` until the other end closes, or says anything but 250; when that was, and what it said.
async fn drip(stream: &mut TcpStream, drip: &[u8], pause: Duration) -> (Duration, String) {
    let begun = Instant::now();
    let mut said = Vec::new();
    loop {
        tokio::select! {
            read = stream.read_buf(&mut said) => {
                while said.starts_with(b"250")
                    && let Some(end) = said.iter().position(|b| *b == b'\n')
                {
                    said.drain(..=end);
                }
                if read.is_ok_and(|read| read > 0) && (said.is_empty() || said.starts_with(b"2")) {
                    continue;
                }
                let _ = stream.read_to_end(&mut said).await;
                return (begun.elapsed(), String::from_utf8_lossy(&said).into_owned());
            }
            () = sleep(pause) => {
                let _ = stream.write_all(drip).await;
                // A moved clock waits for no socket, but for a thread: time for the octets to arrive.
                let pause = || std::thread::park_timeout(Duration::from_millis(5));
                let _ = tokio::task::spawn_blocking(pause).await;
            }
        }
    }
}

/// As [`drip`] of these octets, of whichever is cut first.
async fn first_cut(streams: Vec<TcpStream>, octets: &[u8], pause: Duration) -> (Duration, String) {
    let mut waiting = tokio::task::JoinSet::new();
    for mut stream in streams {
        let octets = octets.to_vec();
        waiting.spawn(async move { drip(&mut stream, &octets, pause).await });
    }
    waiting.join_next().await.unwrap().unwrap()
}

#[tokio::test]
async fn a_command_that_comes_by_drops_is_cut_five_minutes_after_our_last_reply() {
    let served = Served::start().await;
    let mut stream = connect(&served.listening.mx).await;
    assert!(reply(&mut stream).await.starts_with("220 "));
    assert!(say(&mut stream, "EHLO slow.example").await.starts_with("250"));
    tokio::time::pause();
    let (after, said) = drip(&mut stream, b"N", 7 * SECOND).await;
    assert!(said.starts_with("421 4.4.2"), "{said}");
    assert!((299 * SECOND..=301 * SECOND).contains(&after), "{after:?}");
}

#[tokio::test]
async fn a_peer_that_says_nothing_at_all_is_cut_too() {
    let served = Served::start().await;
    let mut stream = connect(&served.listening.mx).await;
    assert!(reply(&mut stream).await.starts_with("220 "));
    tokio::time::pause();
    let (after, said) = drip(&mut stream, b"", 1000 * SECOND).await;
    assert!(said.starts_with("421 4.4.2"), "{said}");
    assert!(after <= 301 * SECOND, "{after:?}");
}

#[tokio::test]
async fn who_has_not_logged_in_after_two_minutes_is_cut_whatever_it_says() {
    let served = Served::start().await;
    let mut silent = connect(&served.listening.submission).await;
    let mut talks = connect(&served.listening.submission).await;
    for stream in [&mut silent, &mut talks] {
        assert!(reply(stream).await.starts_with("220 "));
    }
    tokio::time::pause();
    let cut = tokio::join!(drip(&mut silent, b"", 1000 * SECOND), drip(&mut talks, b"NOOP\r\n", 11 * SECOND));
    for (after, said) in <[_; 2]>::from(cut) {
        assert!(said.starts_with("421 4.4.2") && said.contains("log in"), "{said}");
        assert!((119 * SECOND..=122 * SECOND).contains(&after), "{after:?}");
    }
}

#[tokio::test]
async fn who_brings_no_message_to_port_25_in_ten_minutes_is_cut_whatever_it_says() {
    let served = Served::start().await;
    let mut stream = connect(&served.listening.mx).await;
    assert!(reply(&mut stream).await.starts_with("220 "));
    tokio::time::pause();
    let (after, said) = drip(&mut stream, b"EHLO slow.example\r\n", 59 * SECOND).await;
    assert!(said.starts_with("421 4.4.2") && said.contains("no message"), "{after:?} {said}");
    assert!((599 * SECOND..=602 * SECOND).contains(&after), "{after:?}");
}

#[tokio::test]
async fn sessions_from_before_it_was_crowded_make_room_too_however_they_trickle() {
    let served = Served::with(|config| config.limits.sessions = 4).await;
    let mut before = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&served.listening.mx).await;
        assert!(reply(&mut stream).await.starts_with("220 "));
        before.push(stream);
    }
    tokio::time::pause();
    let submission = served.listening.submission.clone();
    let crowd = async {
        sleep(103 * SECOND).await;
        // The third of four.
        let _held = connect(&submission).await;
        std::future::pending::<()>().await
    };
    tokio::select! {
        (after, said) = first_cut(before, b"N", 7 * SECOND) => {
            assert!(said.starts_with("421 4.4.2"), "{said}");
            assert!((100 * SECOND..=115 * SECOND).contains(&after), "{after:?}");
        }
        () = crowd => {}
    }
}

#[tokio::test]
async fn where_no_place_is_left_who_has_shown_nothing_gives_his_to_the_next() {
    let served = Served::with(|config| config.limits.sessions = 5).await;
    // One of five is kept for port 25.
    let mut held = Vec::new();
    for addresses in [&served.listening.submissions, &served.listening.submission] {
        held.push(connect(addresses).await);
        held.push(connect(addresses).await);
    }
    for stream in &mut held[2..] {
        assert!(reply(stream).await.starts_with("220 "));
    }
    let mut early = connect(&served.listening.submission).await;
    assert!(reply(&mut early).await.starts_with("421 4.3.2"), "they may be about to log in");
    // Whoever talks has more time for his next command, and gives his place all the same.
    for pass in [GIVES_IDLE - 4 * SECOND, 4 * SECOND] {
        tokio::time::pause();
        tokio::time::advance(pass).await;
        tokio::time::resume();
        if pass > 4 * SECOND {
            for stream in &mut held[2..] {
                assert!(say(stream, "NOOP").await.starts_with("250"));
            }
        }
    }
    for _ in 0..4 {
        let mut next = connect(&served.listening.submission).await;
        assert!(reply(&mut next).await.starts_with("220 "));
        held.push(next);
    }
    let mut told = Vec::new();
    for stream in &mut held[..4] {
        told.push(reply(stream).await);
    }
    assert_eq!(&told[..2], ["", ""], "nothing can be said before TLS");
    assert!(told[2..].iter().all(|told| told.starts_with("421 4.3.2")), "{told:?}");
    let mut late = connect(&served.listening.submission).await;
    assert!(reply(&mut late).await.starts_with("421 4.3.2"));
}

#[tokio::test]
async fn messages_that_trickle_for_minutes_give_their_places_too() {
    let served = Served::with(|config| config.limits.sessions = 4).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&served.listening.mx).await;
        assert!(reply(&mut stream).await.starts_with("220 "));
        assert!(say(&mut stream, "EHLO slow.example").await.starts_with("250"));
        assert!(say(&mut stream, &format!("MAIL FROM:<{CUSTOMER}>")).await.starts_with("250"));
        assert!(say(&mut stream, &format!("RCPT TO:<{}>", served.alias)).await.starts_with("250"));
        assert!(say(&mut stream, "DATA").await.starts_with("354"));
        held.push(stream);
    }
    tokio::time::pause();
    let mx = served.listening.mx.clone();
    let newcomers = async {
        sleep(100 * SECOND).await;
        assert!(reply(&mut connect(&mx).await).await.starts_with("421 4.3.2"));
        sleep(30 * SECOND).await;
        let mut next = connect(&mx).await;
        assert!(reply(&mut next).await.starts_with("220 "));
        std::future::pending::<()>().await
    };
    // More than is asked for.
    let lines = b"X-Slow: yes\r\n".repeat(50);
    tokio::select! {
        (after, said) = first_cut(held, &lines, SECOND) => {
            assert!(said.starts_with("421 4.3.2"), "{said}");
            assert!(after >= 120 * SECOND, "{after:?}");
        }
        () = newcomers => {}
    }
}

#[tokio::test]
async fn while_three_quarters_of_the_places_are_taken_idle_sessions_make_room() {
    let served = Served::with(|config| config.limits.sessions = 4).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&served.listening.submission).await;
        assert!(reply(&mut stream).await.starts_with("220 "));
        held.push(stream);
    }
    tokio::time::pause();
    let (after, said) = first_cut(held, b"N", 7 * SECOND).await;
    assert!(said.starts_with("421 4.4.2"), "{said}");
    assert!(after <= 12 * SECOND, "{after:?}");
}

#[tokio::test]
async fn a_handshake_that_comes_by_drops_is_cut_after_half_a_minute() {
    let served = Served::start().await;
    let mut at_once = connect(&served.listening.submissions).await;
    let mut later = connect(&served.listening.mx).await;
    assert!(reply(&mut later).await.starts_with("220 "));
    assert!(say(&mut later, "EHLO slow.example").await.starts_with("250"));
    assert!(say(&mut later, "STARTTLS").await.starts_with("220"));
    tokio::time::pause();
    // The beginning of a ClientHello of 512 octets.
    at_once.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await.unwrap();
    later.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await.unwrap();
    let begun = Instant::now();
    let ((first, _), (second, _)) =
        tokio::join!(drip(&mut at_once, &[3], SECOND), drip(&mut later, &[3], SECOND));
    assert!(first <= 31 * SECOND && second <= 31 * SECOND, "{first:?} {second:?}");
    assert!(begun.elapsed() >= 20 * SECOND);
}

#[tokio::test]
async fn a_message_slower_than_500_octets_a_second_is_cut_and_the_next_session_is_served() {
    let served = Served::start().await;
    let mut stream = connect(&served.listening.mx).await;
    assert!(reply(&mut stream).await.starts_with("220 "));
    assert!(say(&mut stream, "EHLO slow.example").await.starts_with("250"));
    assert!(say(&mut stream, &format!("MAIL FROM:<{CUSTOMER}>")).await.starts_with("250"));
    assert!(say(&mut stream, &format!("RCPT TO:<{}>", served.alias)).await.starts_with("250"));
    assert!(say(&mut stream, "DATA").await.starts_with("354"));
    tokio::time::pause();
    let (after, said) = drip(&mut stream, b"X-Slow: yes\r\n", SECOND).await;
    assert!(said.starts_with("421 4.4.2"), "{said}");
    assert!(after <= 35 * SECOND, "{after:?}");
    tokio::time::resume();
    let mut next = connect(&served.listening.mx).await;
    assert!(reply(&mut next).await.starts_with("220 "));
}

#[tokio::test]
async fn a_balancer_that_says_nothing_is_closed_after_five_seconds() {
    let loopback = crate::config::Network::parse("127.0.0.0/8").unwrap();
    let served = Served::with(|config| config.ingress.mx.proxy_protocol_from = vec![loopback]).await;
    let mut stream = connect(&served.listening.mx).await;
    tokio::time::pause();
    let (after, said) = drip(&mut stream, b"", 1000 * SECOND).await;
    assert_eq!(said, "");
    assert!((4 * SECOND..=6 * SECOND).contains(&after), "{after:?}");
}
