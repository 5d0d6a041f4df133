//! Plays a written dialogue against a session. Tests only.
//!
//! A dialogue reads like the protocol. Its head says how the driver decides; after `--` come the lines:
//!
//! ```text
//! # a comment                                service submission        no starttls
//! limit recipients 2                         user shop-1 secret
//! refuse mail <a@x.example> 550 5.7.1 No     refuse rcpt <b@x.example> 550 5.1.1 No
//! refuse message TEXT 554 5.6.0 No           (a message that has TEXT in it)
//! refuse login shop-1 535 5.7.8 No           (whatever the password)     help https://x.example/help
//! --
//! s: 220 mx.example ESMTP                    the server's next line
//! s~ 250                                     the server's next reply, all its lines, by how it begins
//! c: EHLO x                                  the client's line; CRLF is added
//! c> a\r\n.\r\n                              the client's octets, as they are
//! m: a@x.example -> b@y.example: text        the driver was given this message
//! t                                          the TLS handshake
//! t channel                                  the same, with something to bind proofs to: 32 times `c`
//! l                                          the driver was told that the client is in (SCRAM)
//! p: secret                                  the client's proof in SCRAM that it knows this password
//! d timeout | shutdown | discard             the driver acts; also: login is due, message is due, make room
//! x                                          the session is over
//! ```
//!
//! Octets are written `\r \n \t \0 \\ \xHH`, repetition `\{a*3000}`, base64 `\b{...}`. Client lines in a row are sent
//! as one group; nothing the server says may be left over before the next group, and no message unnamed.

use super::{Event, Limits, ServerConfig, Service, Session};
use crate::smtp::auth::Proof;
use crate::smtp::path::ForwardPath;
use crate::smtp::reply::Reply;
use crate::smtp::scram::{ChannelBinding, NONCE, SALT, Verifier, tests::client_final};
use data_encoding::BASE64;
use std::collections::VecDeque;
use std::sync::Arc;

/// How the driver decides.
#[derive(Default)]
struct Rules {
    users: Vec<(String, String)>,
    mail: Vec<(String, Reply)>,
    rcpt: Vec<(String, Reply)>,
    login: Vec<(String, Reply)>,
    message: Vec<(String, Reply)>,
}

/// What binds a channel in a dialogue.
const CHANNEL: ChannelBinding = [b'c'; 32];

struct Player {
    session: Session<String, String>,
    rules: Rules,
    lines: VecDeque<String>,
    messages: VecDeque<String>,
    queued: u32,
    /// What the client last said, for its proof.
    said: String,
    is_tls_due: bool,
    is_in: bool,
    is_closed: bool,
}

/// Plays `text`; `cut` says how many octets of those left the session is given next.
///
/// # Panics
/// Where the session does not do what is written.
#[track_caller]
pub(super) fn play(text: &str, mut cut: impl FnMut(usize) -> usize) {
    let (head, body) = text.split_once("\n--\n").expect("a head, `--` and a dialogue");
    let (config, rules) = read_head(head);
    let mut player = Player {
        session: Session::new(Arc::new(config)),
        rules,
        lines: VecDeque::new(),
        messages: VecDeque::new(),
        queued: 0,
        said: String::new(),
        is_tls_due: false,
        is_in: false,
        is_closed: false,
    };
    player.flush();
    let mut group = Vec::new();
    for (number, line) in body.lines().enumerate() {
        let at = format!("line {} of the dialogue: {line}", number + 1);
        let (kind, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if kind.starts_with('c') {
            if group.is_empty() {
                player.nothing_is_left(&at);
            }
            group.extend(unescape(rest));
            player.said = String::from_utf8_lossy(&unescape(rest)).into_owned();
            if kind == "c:" {
                group.extend(b"\r\n");
            }
            continue;
        }
        player.send(&std::mem::take(&mut group), &mut cut);
        match kind {
            "s:" => assert_eq!(player.lines.pop_front().as_deref(), Some(rest), "{at}"),
            "s~" => player.expect_reply(rest, &at),
            "m:" => assert_eq!(player.messages.pop_front().as_deref(), Some(rest), "{at}"),
            "l" => assert!(std::mem::take(&mut player.is_in), "nobody is in, {at}"),
            "p:" => {
                let last = player.prove(rest);
                player.send(&last, &mut cut);
            }
            "t" | "t " => {
                assert!(std::mem::take(&mut player.is_tls_due), "no TLS was asked for, {at}");
                player.nothing_is_left(&at);
                player.session.tls_started();
                if rest == "channel" {
                    player.session.bind_channel(CHANNEL);
                }
                player.run();
                player.flush();
            }
            "d " => {
                match rest {
                    "timeout" => player.session.timed_out(),
                    "login is due" => player.session.login_is_due(),
                    "message is due" => player.session.message_is_due(),
                    "make room" => player.session.make_room(),
                    "shutdown" => player.session.shutting_down(),
                    "discard" => player.session.discard_message(),
                    other => panic!("no such act of the driver: {other}"),
                }
                player.run();
                player.flush();
            }
            "x" => assert!(std::mem::take(&mut player.is_closed), "the session goes on, {at}"),
            _ => assert!(line.is_empty() || line.starts_with('#'), "not understood: {at}"),
        }
    }
    player.send(&group, &mut cut);
    player.nothing_is_left("at the end of the dialogue");
    assert!(!player.is_closed, "the session ended, and the dialogue does not say so");
}

impl Player {
    fn send(&mut self, mut octets: &[u8], cut: &mut impl FnMut(usize) -> usize) {
        if octets.is_empty() {
            return;
        }
        while !octets.is_empty() {
            let (piece, rest) = octets.split_at(cut(octets.len()).clamp(1, octets.len()));
            octets = rest;
            self.session.receive(piece);
            self.run();
        }
        self.flush();
    }

    /// The client's last message of SCRAM, from its first one and the server's `334`.
    fn prove(&mut self, password: &str) -> Vec<u8> {
        let challenge = self.lines.pop_front().expect("a challenge");
        let text = |base64: &str| String::from_utf8(BASE64.decode(base64.as_bytes()).unwrap()).unwrap();
        let server_first = text(challenge.strip_prefix("334 ").expect("a challenge"));
        let first = text(self.said.rsplit(' ').next().unwrap());
        let channel: &[u8] = if first.starts_with('p') { &CHANNEL } else { b"" };
        let last = client_final(&first, &server_first, password, channel);
        format!("{}\r\n", BASE64.encode(last.as_bytes())).into_bytes()
    }

    /// Answers events until there are none.
    fn run(&mut self) {
        while let Some(event) = self.session.next_event() {
            match event {
                Event::StartTls => self.is_tls_due = true,
                Event::Auth(credentials) => {
                    let auth_id = credentials.auth_id();
                    let is_right = match credentials.proof() {
                        Proof::Password(password) => self.password_of(auth_id) == Some(password.reveal()),
                        Proof::Known => self.password_of(auth_id).is_some(),
                        Proof::Unknown => false,
                    };
                    let wrong = || Reply::new(535, 7, 8, "Authentication credentials invalid");
                    let refusal =
                        if is_right { find(&self.rules.login, |who| who == auth_id) } else { Some(wrong()) };
                    self.session.answer_auth(refusal.map_or(Ok(()), Err));
                }
                Event::Scram(name) => {
                    let verifier = match self.password_of(name.auth_id()) {
                        Some(password) => Verifier::derive(password, [b's'; SALT], 10),
                        None => Verifier::of_nobody([b'n'; SALT], [0; 32]),
                    };
                    self.session.answer_scram(Ok((verifier, [b'r'; NONCE])));
                }
                Event::LoggedIn => self.is_in = true,
                Event::Mail(mail) => {
                    let sender = mail.reverse_path.map_or("<>".to_owned(), |address| address.reveal());
                    let refusal = find(&self.rules.mail, |who| who == sender);
                    self.session.answer_mail(refusal.map_or(Ok(sender), Err));
                }
                Event::Rcpt(rcpt) => {
                    let recipient = match rcpt.forward_path {
                        ForwardPath::Postmaster => "postmaster".to_owned(),
                        ForwardPath::Mailbox(address) => address.reveal(),
                    };
                    let refusal = find(&self.rules.rcpt, |who| who == recipient);
                    self.session.answer_rcpt(refusal.map_or(Ok(recipient), Err));
                }
                Event::Message { envelope, bytes } => {
                    let text = bytes.escape_ascii().to_string();
                    let (from, to) = (&envelope.sender, envelope.recipients.join(", "));
                    let refusal = find(&self.rules.message, |part| text.contains(part));
                    self.messages.push_back(format!("{from} -> {to}: {text}").trim_end().to_owned());
                    self.queued += 1;
                    let id = format!("Q{}", self.queued);
                    self.session.answer_message(refusal.map_or(Ok(id.as_str()), Err));
                }
                Event::Closed => {
                    self.is_closed = true;
                    self.is_tls_due = false;
                }
            }
        }
    }

    fn password_of(&self, auth_id: &str) -> Option<&str> {
        self.rules.users.iter().find(|(user, _)| user == auth_id).map(|(_, password)| password.as_str())
    }

    /// Takes the output, whose form is always that of replies.
    fn flush(&mut self) {
        let output = String::from_utf8(self.session.take_output()).expect("replies are UTF-8");
        assert!(output.is_empty() || output.ends_with("\r\n"), "a reply without end: {output:?}");
        for line in output.split_terminator("\r\n") {
            assert!(line.len() <= 510, "a reply line is too long: {line}");
            assert!(!line.contains(['\r', '\n']), "a line end within a reply: {line:?}");
            self.lines.push_back(line.to_owned());
        }
        self.run();
    }

    fn expect_reply(&mut self, prefix: &str, at: &str) {
        let first = self.lines.pop_front().unwrap_or_else(|| panic!("no reply, {at}"));
        assert!(first.starts_with(prefix), "the reply is {first}, {at}");
        let mut line = first;
        while line.as_bytes().get(3) == Some(&b'-') {
            line = self.lines.pop_front().unwrap_or_else(|| panic!("a reply without last line, {at}"));
        }
    }

    #[track_caller]
    fn nothing_is_left(&self, at: &str) {
        assert!(self.lines.is_empty(), "the server also said {:?}, {at}", self.lines);
        assert!(self.messages.is_empty(), "the driver was also given {:?}, {at}", self.messages);
        assert!(!self.is_tls_due, "TLS is due, {at}");
        assert!(!self.is_in, "the driver was told that somebody is in, {at}");
    }
}

fn find(rules: &[(String, Reply)], is_meant: impl Fn(&str) -> bool) -> Option<Reply> {
    rules.iter().find(|(key, _)| is_meant(key)).map(|(_, reply)| reply.clone())
}

fn read_head(head: &str) -> (ServerConfig, Rules) {
    let mut service = Service::Mx;
    let mut starttls_available = true;
    let mut limits = Vec::new();
    let mut help = None;
    let mut rules = Rules::default();
    for line in head.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["service", "mx"] => service = Service::Mx,
            ["service", "submission"] => service = Service::Submission,
            ["service", "submissions"] => service = Service::Submissions,
            ["help", url] => help = Some((*url).to_owned()),
            ["no", "starttls"] => starttls_available = false,
            ["limit", name, number] => limits.push((*name, number.parse::<u32>().expect("a number"))),
            ["user", auth_id, password] => rules.users.push(((*auth_id).into(), (*password).into())),
            ["refuse", what, whom, code, enhanced, text @ ..] => {
                let mut digits = enhanced.split('.').skip(1).map(|digit| digit.parse().expect("a number"));
                let (subject, detail) = (digits.next().expect("a subject"), digits.next().expect("a detail"));
                let reply = Reply::new(code.parse().expect("a code"), subject, detail, text.join(" "));
                let rule = (whom.trim_matches(['<', '>']).to_owned(), reply);
                match *what {
                    "login" => rules.login.push(rule),
                    "mail" => rules.mail.push(rule),
                    "rcpt" => rules.rcpt.push(rule),
                    "message" => rules.message.push(rule),
                    other => panic!("cannot refuse {other}"),
                }
            }
            _ => panic!("not understood: {line}"),
        }
    }
    let mut config = ServerConfig {
        hostname: "mx.example".into(),
        service,
        starttls_available,
        limits: Limits::of(service),
        help,
    };
    for (name, number) in limits {
        match name {
            "message" => config.limits.max_message = number.into(),
            "recipients" => config.limits.max_recipients = number.try_into().expect("a usize"),
            "messages" => config.limits.max_messages = number,
            "errors" => config.limits.max_errors = number,
            "junk" => config.limits.max_junk = number,
            "auth" => config.limits.max_auth_failures = number,
            other => panic!("no such limit: {other}"),
        }
    }
    (config, rules)
}

/// Octets as they are written in a dialogue.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend(rest[..at].bytes());
        let escape = &rest[at + 1..];
        let (kind, after) = escape.split_at(1);
        rest = after;
        match kind {
            "r" => octets.push(b'\r'),
            "n" => octets.push(b'\n'),
            "t" => octets.push(b'\t'),
            "0" => octets.push(0),
            "\\" => octets.push(b'\\'),
            "x" => {
                octets.push(u8::from_str_radix(&after[..2], 16).expect("two hexadecimal digits"));
                rest = &after[2..];
            }
            "{" => {
                let (inner, after) = after.split_once('}').expect("a closing brace");
                let (what, times) = inner.rsplit_once('*').expect("a star");
                octets.extend(unescape(what).repeat(times.parse().expect("a number")));
                rest = after;
            }
            "b" => {
                let (inner, after) = after[1..].split_once('}').expect("a closing brace");
                octets.extend(data_encoding::BASE64.encode(&unescape(inner)).bytes());
                rest = after;
            }
            other => panic!("no such escape: {other}"),
        }
    }
    octets.extend(rest.bytes());
    octets
}
