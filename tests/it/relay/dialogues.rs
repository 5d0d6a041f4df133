//! Plays written dialogues against the running relay: `fixtures/relay/*.txt`.
//!
//! A dialogue reads like the protocol:
//!
//! ```text
//! # a comment; empty lines are skipped
//! connect mx                 a new session: mx, submission or submissions; the greeting is expected by the next lines
//! s: 250 mx.example          the next line of the server, all of it
//! s~ 550 5.1.1               the next reply, all its lines, by how it begins
//! c: EHLO x                  a line of the client's; CRLF is added
//! c> a\r\n.\r\n              octets of the client's, as they are
//! t                          the TLS handshake
//! x                          the server closes
//! anshin order close …       a command is run, and must go well
//! ```
//!
//! Octets are written `\r \n \0 \\ \xHH`, repetition `\{a*3000}`, base64 `\b{…}`. `{name}` stands for what the scene
//! made: see [`Stage::new`].

use super::client::Client;
use super::letter::Letter;
use super::process::On;
use super::scene::{Account, Order, Scene, add_merchant, open_order};
use data_encoding::BASE64;
use std::collections::VecDeque;
use std::fs;

/// The relay of one dialogue, with what its placeholders stand for.
struct Stage {
    scene: Scene,
    words: Vec<(&'static str, String)>,
}

impl Stage {
    fn new() -> Self {
        let scene = Scene::with(On::Sqlite, |setup| setup.key("limits.message_size", "'64KiB'"));
        let relay = &scene.relay;
        let foreign: Account = add_merchant(relay, "ume", &["ume@other-store.test"]);
        let foreign_order = open_order(relay, "ume", "Z-1", &scene.taro.address);
        let ended = |number: &str| open_order(relay, "mise", number, &scene.hana.address);
        let (closed, expired): (Order, Order) = (ended("CLOSED"), ended("EXPIRED"));
        relay.anshin(&["order", "close", "--store-id", "mise", "--order-no", "CLOSED"]);
        scene.expire("EXPIRED");
        scene.submit(&scene.to_customer()).is("250 2.0.0");
        let return_address = scene.hana.mailbox.wait_for(1).remove(0).reverse_path;
        let forged = |alias: &str| {
            let (local, domain) = alias.rsplit_once('@').unwrap();
            // Another character in the middle: the same form, but nobody made it.
            let other = if local.as_bytes()[10] == b'a' { "b" } else { "a" };
            format!("{}{other}{}@{domain}", &local[..10], &local[11..])
        };
        let words = vec![
            ("mise", scene.mise.address.clone()),
            ("hana", scene.hana.address.clone()),
            ("taro", scene.taro.address.clone()),
            ("public_alias", scene.account.public_alias.clone()),
            ("user", scene.account.user.clone()),
            ("password", scene.account.password.clone()),
            ("foreign_user", foreign.user),
            ("foreign_password", foreign.password),
            ("customer_alias", scene.order.customer_alias.clone()),
            ("merchant_alias", scene.order.merchant_alias.clone()),
            ("foreign_customer_alias", foreign_order.customer_alias),
            ("foreign_merchant_alias", foreign_order.merchant_alias),
            ("closed_customer_alias", closed.customer_alias),
            ("closed_merchant_alias", closed.merchant_alias),
            ("expired_customer_alias", expired.customer_alias),
            ("expired_merchant_alias", expired.merchant_alias),
            ("forged_customer_alias", forged(&scene.order.customer_alias)),
            ("forged_merchant_alias", forged(&scene.order.merchant_alias)),
            ("return_address", return_address.clone()),
            ("forged_return_address", forged(&return_address)),
        ];
        Self { scene, words }
    }

    fn fill(&self, text: &str) -> String {
        self.words
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// A session as far as it was played.
struct Player<'a> {
    stage: &'a Stage,
    client: Option<Client>,
    lines: VecDeque<String>,
}

impl Player<'_> {
    fn play(&mut self, line: &str) {
        let line = self.stage.fill(line);
        let (kind, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        match kind {
            "connect" => {
                self.nothing_is_left();
                let relay = &self.stage.scene.relay;
                let server = match rest {
                    "mx" => relay.mx(),
                    "submission" => relay.submission(),
                    "submissions" => relay.submissions(),
                    other => panic!("no such service: {other}"),
                };
                self.client = Some(Client::open(server, &self.stage.scene.watch, "somebody").unwrap());
            }
            "s:" => assert_eq!(self.line(), rest),
            "s~" => {
                let first = self.line();
                assert!(first.starts_with(rest), "the reply is {first}");
                let mut line = first;
                while line.as_bytes().get(3) == Some(&b'-') {
                    line = self.line();
                }
            }
            "c:" => self.write(&[unescape(rest), b"\r\n".to_vec()].concat()),
            "c>" => self.write(&unescape(rest)),
            "t" => self.client().wire().start_tls().unwrap(),
            "x" => {
                self.nothing_is_left();
                let told = self.client().read();
                assert!(told.is_err(), "the server goes on: {told:?}");
                self.client = None;
            }
            "anshin" => {
                self.stage.scene.relay.anshin(&rest.split(' ').collect::<Vec<_>>());
            }
            _ => panic!("not understood"),
        }
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("connect first")
    }

    fn write(&mut self, octets: &[u8]) {
        // A server that has had enough may close before it has read everything.
        let _ = self.client().wire().write(octets);
    }

    fn line(&mut self) -> String {
        if self.lines.is_empty() {
            let reply = self.client().read().unwrap();
            self.lines.extend(reply.lines);
        }
        self.lines.pop_front().unwrap()
    }

    fn nothing_is_left(&self) {
        assert!(self.lines.is_empty(), "the server also said {:?}", self.lines);
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        octets.extend(before.bytes());
        let (kind, after) = escape.split_at(1);
        rest = after;
        match kind {
            "r" => octets.push(b'\r'),
            "n" => octets.push(b'\n'),
            "0" => octets.push(0),
            "\\" => octets.push(b'\\'),
            "x" => {
                octets.push(u8::from_str_radix(&after[..2], 16).unwrap());
                rest = &after[2..];
            }
            "{" => {
                let (inner, after) = after.split_once('}').unwrap();
                let (what, times) = inner.rsplit_once('*').unwrap();
                octets.extend(unescape(what).repeat(times.parse().unwrap()));
                rest = after;
            }
            "b" => {
                let (inner, after) = after[1..].split_once('}').unwrap();
                octets.extend(BASE64.encode(&unescape(inner)).bytes());
                rest = after;
            }
            other => panic!("no such escape: {other}"),
        }
    }
    octets.extend(rest.bytes());
    octets
}

/// Plays a fixture; then mail still passes, and only what the dialogue got through has arrived.
fn play(name: &str) {
    let stage = Stage::new();
    let path = format!("{}/fixtures/relay/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    let mut player = Player { stage: &stage, client: None, lines: VecDeque::new() };
    for (number, line) in
        (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| player.play(line)));
        assert!(played.is_ok(), "fixtures/relay/{name}.txt:{number}: {line}");
    }
    player.nothing_is_left();
    drop(player);
    let taken = text.lines().filter(|line| line.starts_with("s~ 250 2.0.0 Ok: queued")).count();
    let scene = &stage.scene;
    let letter: Letter = scene.to_merchant();
    scene.deliver(&letter).is("250 2.0.0");
    let arrived = || scene.hana.mailbox.count() + scene.mise.mailbox.count() + scene.taro.mailbox.count();
    // One was sent while the stage was set, one just now.
    crate::peer::eventually("what was taken arrives", || (arrived() >= taken + 2).then_some(()));
    assert_eq!(arrived(), taken + 2, "what was refused was delivered");
}

macro_rules! dialogues {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { play(stringify!($name)); })+

        #[test]
        fn every_dialogue_is_played() {
            let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/relay");
            let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.trim_end_matches(".txt").to_owned()
            }).collect();
            names.sort();
            let mut played = vec![$(stringify!($name)),+];
            played.sort_unstable();
            assert_eq!(names, played);
        }
    };
}

dialogues! {
    wrong_credentials_get_one_answer_whatever_is_wrong,
    passwords_are_not_taken_in_clear_nor_mail_without_them,
    a_store_writes_to_its_own_live_aliases_and_nowhere_else,
    a_store_writes_only_as_itself,
    a_customer_writes_only_from_the_address_of_the_order,
    an_alias_that_ended_says_so_to_its_own_parties_alone,
    nothing_is_relayed_to_a_third_party,
    the_null_sender_brings_what_programs_write_and_no_letter,
    a_message_over_the_limit_is_refused_by_claim_and_by_octets,
    what_cannot_be_made_anonymous_with_certainty_is_refused,
    a_line_end_that_is_none_smuggles_no_message,
    ten_thousand_recipients_are_no_burden,
    a_command_without_end_and_a_browser_are_sent_away,
}
