//! The SMTP wire with random octets: sessions of both sides, paths, the exchanges of AUTH.
//!
//! Rules: as in `targets`. What is known beforehand: a message is given to the driver only behind MAIL and RCPT, within its
//! limit, as lines unless it was declared binary; nothing that was said in clear counts inside TLS; nothing that a client
//! said is in a reply; what a session holds is bounded.

use crate::mail::{Alias, Domain, RealAddress};
use crate::mime::lines::has_bare;
use crate::smtp::client::{self, Envelope};
use crate::smtp::scram::Verifier;
use crate::smtp::server::{Event, Limits, ServerConfig, Service, Session};
use crate::smtp::{Body, ForwardPath, Proof, Reply};
use std::sync::Arc;

/// Largest message in a session, in octets.
const LARGEST: usize = 300;
const USER: &str = "0123456789";
const PASSWORD: &str = "ansm_geheimgeheimgeheimgeheimgeheim2345";

/// A session of the server. The first octet chooses the service, the second how the rest is cut, the third when the driver
/// says no.
pub fn session(octets: &[u8]) {
    let [service, cut, no, wire @ ..] = octets else { return };
    let service = match service % 3 {
        0 => Service::Mx,
        1 => Service::Submission,
        _ => Service::Submissions,
    };
    let mut limits = Limits::of(service);
    limits.max_message = LARGEST as u64;
    limits.max_recipients = 3;
    let hostname = "mx.relay.example".to_owned();
    let config = Arc::new(ServerConfig { hostname, service, starttls_available: true, limits, help: None });
    let mut session: Session<u8, u8> = Session::new(config);
    session.bind_channel([7; 32]);
    let (mut said, mut count, mut is_authenticated) = (session.take_output(), 0_usize, false);
    for piece in wire.chunks(usize::from(*cut).max(1)) {
        if !session.wants_input() {
            break;
        }
        session.receive(piece);
        while let Some(event) = session.next_event() {
            count += 1;
            let yes = *no == 0 || !count.is_multiple_of(usize::from(*no));
            let refusal = || Reply::new(if count.is_multiple_of(3) { 450 } else { 550 }, 7, 1, "No");
            match event {
                Event::StartTls => {
                    said.extend(session.take_output());
                    session.tls_started();
                    session.bind_channel([7; 32]);
                    is_authenticated = false;
                }
                Event::Scram(_) => {
                    let verifier = Verifier::derive(PASSWORD, [1; 16], 2);
                    session.answer_scram(if yes { Ok((verifier, [2; 18])) } else { Err(refusal()) });
                }
                Event::Auth(credentials) => {
                    assert!(session.is_tls(), "AUTH in clear");
                    assert!(!matches!(credentials.proof(), Proof::Known), "a proof from nothing");
                    is_authenticated = yes;
                    session.answer_auth(if yes { Ok(()) } else { Err(refusal()) });
                }
                Event::LoggedIn => panic!("in without a proof"),
                Event::Mail(_) => {
                    assert!(service == Service::Mx || is_authenticated, "MAIL without AUTH");
                    session.answer_mail(if yes { Ok(1) } else { Err(refusal()) });
                }
                Event::Rcpt(_) => session.answer_rcpt(if yes { Ok(1) } else { Err(refusal()) }),
                Event::Message { envelope, bytes } => {
                    assert!((1..=3).contains(&envelope.recipients.len()));
                    // A last line end that was missing is added.
                    assert!(bytes.len() <= LARGEST + 2);
                    let is_lines = !has_bare(&bytes) && !bytes.contains(&0);
                    assert!(is_lines || envelope.params.body == Body::BinaryMime, "no lines");
                    session.answer_message(if yes { Ok("Q") } else { Err(refusal()) });
                }
                Event::Closed => assert!(session.is_closed()),
            }
        }
        assert!(session.held() < 128 * 1024);
        said.extend(session.take_output());
    }
    said.extend(session.take_output());
    let said = String::from_utf8(said).expect("replies are UTF-8");
    for line in said.split_terminator("\r\n") {
        assert!(line.len() <= 510 && !line.contains(['\r', '\n']), "{line:?}");
        let (code, rest) = line.split_at_checked(3).expect("a code");
        assert!(code.parse::<u16>().is_ok_and(|code| (214..=555).contains(&code)), "{line}");
        assert!(rest.starts_with([' ', '-']), "{line}");
    }
}

/// Paths and parameters of MAIL and RCPT: read or refused in a session that says yes to all; what was read is read again
/// from the form in which it goes out.
pub fn path(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if text.contains(['\r', '\n', '\0']) || text.len() > 1500 {
        return;
    }
    let config = ServerConfig {
        hostname: "mx.relay.example".to_owned(),
        service: Service::Mx,
        starttls_available: false,
        limits: Limits::of(Service::Mx),
        help: None,
    };
    let mut session: Session<(), ()> = Session::new(Arc::new(config));
    let mut say = |line: &str| {
        session.take_output();
        session.receive(line.as_bytes());
        while let Some(event) = session.next_event() {
            match event {
                Event::Mail(mail) => {
                    mail.reverse_path.as_ref().inspect(|address| again(address));
                    session.answer_mail(Ok(()));
                }
                Event::Rcpt(rcpt) => {
                    if let ForwardPath::Mailbox(address) = &rcpt.forward_path {
                        again(address);
                    }
                    session.answer_rcpt(Ok(()));
                }
                _ => {}
            }
        }
    };
    say("EHLO x\r\n");
    say(&format!("MAIL FROM:{text}\r\n"));
    say("RSET\r\n");
    say("MAIL FROM:<> SMTPUTF8\r\n");
    say(&format!("RCPT TO:{text}\r\n"));
}

/// An address that was taken is the same mailbox in the form of the wire, and that form stays.
fn again(address: &RealAddress) {
    let wire = address.reveal_for_wire();
    let read = RealAddress::parse(&wire).unwrap_or_else(|why| panic!("{wire}: {why}"));
    assert!(read.same_mailbox(address) && read.reveal_for_wire() == wire, "{wire}");
}

/// AUTH: the mechanism and its lines, in a session inside TLS whose one user's password is known. Nobody is let in
/// without it.
pub fn auth(octets: &[u8]) {
    let config = ServerConfig {
        hostname: "mx.relay.example".to_owned(),
        service: Service::Submissions,
        starttls_available: false,
        limits: Limits { max_errors: 100, max_auth_failures: 100, ..Limits::of(Service::Submissions) },
        help: None,
    };
    let mut session: Session<(), ()> = Session::new(Arc::new(config));
    session.take_output();
    session.bind_channel([7; 32]);
    session.receive(b"EHLO x\r\n");
    assert!(session.next_event().is_none());
    let mut said = session.take_output();
    for line in octets.split(|b| *b == b'\n').take(40) {
        session.receive(line);
        session.receive(b"\r\n");
        while let Some(event) = session.next_event() {
            match event {
                Event::Scram(_) => {
                    session.answer_scram(Ok((Verifier::derive(PASSWORD, [1; 16], 2), [2; 18])));
                }
                Event::Auth(credentials) => {
                    let is_right = match credentials.proof() {
                        Proof::Password(password) => {
                            credentials.auth_id() == USER && password.reveal() == PASSWORD
                        }
                        Proof::Known => panic!("a proof from nothing"),
                        Proof::Unknown => false,
                    };
                    let no = Err(Reply::new(535, 7, 8, "No"));
                    session.answer_auth(if is_right { Ok(()) } else { no });
                }
                Event::LoggedIn => panic!("in without a proof"),
                Event::Mail(_) => panic!("MAIL without AUTH"),
                _ => {}
            }
        }
        said.extend(session.take_output());
    }
    assert!(!String::from_utf8_lossy(&said).contains("235 "), "let in without a password");
}

/// A server that says anything: there is an outcome, and none that says *delivered* before the final dot.
pub fn client(octets: &[u8]) {
    let [cut, wire @ ..] = octets else { return };
    let mut session = client::Session::new(client::SessionSettings {
        hostname: "relay.example".to_owned(),
        start_tls: client::StartTls::IfOffered,
        loop_check: client::LoopCheck::Refuse,
    });
    let to = RealAddress::parse("hana@mailbox.example").unwrap();
    let alias = Alias::new("aa7", Domain::parse("pc.fw.relay.example").unwrap());
    let envelope = Envelope {
        reverse_path: Some(&alias),
        forward_path: &to,
        size: 10,
        eight_bit: cut.is_multiple_of(2),
        utf8_headers: false,
        require_tls: cut.is_multiple_of(3),
    };
    let mut was_sent = false;
    for piece in wire.chunks(usize::from(*cut).max(1)) {
        session.feed(piece);
        for _ in 0..4 {
            match session.step() {
                client::Step::Wait => {}
                client::Step::Finished(verdict) => {
                    let is_delivered = matches!(verdict.outcome, client::Outcome::Delivered { .. });
                    assert!(!is_delivered || was_sent, "delivered what was not sent");
                    let text = verdict.remote_text.as_ref().map_or("", |text| text.reveal());
                    let is_bounded = text.len() <= client::RemoteText::MAX;
                    assert!(is_bounded && !text.contains(char::is_control), "a log could be forged");
                    was_sent = false;
                }
                client::Step::Handshake => session.secured(),
                client::Step::Ready => drop(session.begin(&envelope)),
                client::Step::Content => {
                    was_sent = true;
                    session.content_sent();
                }
            }
        }
        let _ = session.take_output();
    }
}
