//! Every command in every state, what may stand behind what in one packet, and what ends a message: played, compared with
//! the rules written here once more, and shown in `docs/smtp.md`.
//!
//! A cell of the page is the reply and where the session stands behind it. `ANSHIN_BLESS=1` writes the page anew.

use super::tests::{TestSession, output, send, session};
use super::{Event, Phase, Service};

mod endings;
mod page;

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Helo,
    Ehlo,
    InAuth,
    Mail,
    Rcpt,
    Chunks,
    Spoilt,
}

/// A column: a service, whether TLS and AUTH are behind it, and a stage.
#[derive(Debug, Clone, Copy)]
struct State {
    service: Service,
    is_tls: bool,
    is_authenticated: bool,
    stage: Stage,
}

const fn state(service: Service, is_tls: bool, is_authenticated: bool, stage: Stage) -> State {
    State { service, is_tls, is_authenticated, stage }
}

/// The columns of the first table.
const MX: [State; 9] = [
    state(Service::Mx, false, false, Stage::Fresh),
    state(Service::Mx, false, false, Stage::Helo),
    state(Service::Mx, false, false, Stage::Ehlo),
    state(Service::Mx, false, false, Stage::Mail),
    state(Service::Mx, false, false, Stage::Rcpt),
    state(Service::Mx, false, false, Stage::Chunks),
    state(Service::Mx, false, false, Stage::Spoilt),
    state(Service::Mx, true, false, Stage::Fresh),
    state(Service::Mx, true, false, Stage::Ehlo),
];

/// The columns of the second.
const SUBMISSION: [State; 12] = [
    state(Service::Submission, false, false, Stage::Fresh),
    state(Service::Submission, false, false, Stage::Ehlo),
    state(Service::Submission, true, false, Stage::Fresh),
    state(Service::Submission, true, false, Stage::Ehlo),
    state(Service::Submission, true, false, Stage::InAuth),
    state(Service::Submission, true, true, Stage::Ehlo),
    state(Service::Submission, true, true, Stage::Mail),
    state(Service::Submission, true, true, Stage::Rcpt),
    state(Service::Submission, true, true, Stage::Chunks),
    state(Service::Submission, true, true, Stage::Spoilt),
    state(Service::Submissions, true, false, Stage::Fresh),
    state(Service::Submissions, true, false, Stage::Ehlo),
];

/// The rows: how each is written on the page, and its octets.
const COMMANDS: [(&str, &str); 33] = [
    ("EHLO x", "EHLO x\r\n"),
    ("HELO x", "HELO x\r\n"),
    ("LHLO x", "LHLO x\r\n"),
    ("MAIL FROM:<>", "MAIL FROM:<>\r\n"),
    ("MAIL … BODY=BINARYMIME", "MAIL FROM:<> BODY=BINARYMIME\r\n"),
    ("MAIL … REQUIRETLS", "MAIL FROM:<> REQUIRETLS\r\n"),
    ("RCPT TO:<a@x.example>", "RCPT TO:<a@x.example>\r\n"),
    ("RCPT TO:<Postmaster>", "RCPT TO:<Postmaster>\r\n"),
    ("DATA", "DATA\r\n"),
    ("BDAT 3", "BDAT 3\r\na\r\n"),
    ("BDAT 3 LAST", "BDAT 3 LAST\r\na\r\n"),
    ("BDAT 0 LAST", "BDAT 0 LAST\r\n"),
    ("BDAT x", "BDAT x\r\n"),
    ("RSET", "RSET\r\n"),
    ("NOOP", "NOOP\r\n"),
    ("QUIT", "QUIT\r\n"),
    ("VRFY a", "VRFY a\r\n"),
    ("EXPN a", "EXPN a\r\n"),
    ("HELP", "HELP\r\n"),
    ("STARTTLS", "STARTTLS\r\n"),
    ("AUTH PLAIN response", "AUTH PLAIN AGEAYg==\r\n"),
    ("AUTH LOGIN", "AUTH LOGIN\r\n"),
    ("AUTH SCRAM-SHA-256", "AUTH SCRAM-SHA-256\r\n"),
    ("AUTH CRAM-MD5", "AUTH CRAM-MD5\r\n"),
    ("ETRN, TURN, ATRN", "ETRN x.example\r\n"),
    ("BURL", "BURL imap://x.example/ LAST\r\n"),
    ("SEND, SOML, SAML", "SOML FROM:<a@x.example>\r\n"),
    ("XCLIENT, XFORWARD", "XCLIENT ADDR=192.0.2.1\r\n"),
    ("FOO", "FOO\r\n"),
    ("(an empty line)", "\r\n"),
    ("*", "*\r\n"),
    ("GET / HTTP/1.1", "GET / HTTP/1.1\r\n"),
    ("Subject: x", "Subject: x\r\n"),
];

/// What a row is answered in a column, by the rules of RFC 5321 §4.1.4, 3030, 3207, 4954, 8689 and our own: what must be
/// encrypted before order, order before syntax.
fn expected(state: State, command: &str) -> u16 {
    use Stage::{Chunks, Ehlo, Fresh, Helo, InAuth, Mail, Rcpt, Spoilt};
    let is_submission = state.service != Service::Mx;
    let verb = command.split([' ', ',']).next().unwrap_or_default();
    if state.stage == InAuth {
        // Whatever comes is the response to LOGIN's first 334; these two are base64 of some name.
        return if matches!(verb, "RSET" | "QUIT") { 334 } else { 501 };
    }
    let is_free = matches!(verb, "EHLO" | "HELO" | "NOOP" | "QUIT" | "STARTTLS" | "AUTH");
    let is_ours = is_free || matches!(verb, "MAIL" | "RCPT" | "DATA" | "BDAT" | "RSET" | "VRFY" | "HELP");
    if command == "BDAT x" {
        return 501;
    }
    if is_submission && !state.is_tls && is_ours && !is_free {
        return 530;
    }
    match verb {
        "EHLO" | "HELO" | "NOOP" | "RSET" => 250,
        "QUIT" | "GET" | "Subject:" | "*" => 221,
        "VRFY" => 252,
        "HELP" => 214,
        "EXPN" | "ETRN" | "BURL" | "SEND" | "XCLIENT" => 502,
        "STARTTLS" if state.is_tls || state.stage == Fresh => 503,
        "STARTTLS" => 220,
        "AUTH" if !is_submission => 503,
        "AUTH" if !state.is_tls => 538,
        "AUTH" if state.is_authenticated || state.stage != Ehlo => 503,
        "AUTH" => match command {
            "AUTH PLAIN response" => 235,
            "AUTH CRAM-MD5" => 504,
            _ => 334,
        },
        "MAIL" => match state.stage {
            Ehlo | Helo if is_submission && !state.is_authenticated => 530,
            // Parameters belong to extensions, which HELO was not offered.
            Helo if command.contains('…') => 555,
            Ehlo if command.contains("REQUIRETLS") && !state.is_tls => 555,
            Ehlo | Helo => 250,
            _ => 503,
        },
        "RCPT" => {
            if matches!(state.stage, Mail | Rcpt) {
                250
            } else {
                503
            }
        }
        "DATA" => {
            if state.stage == Rcpt {
                354
            } else {
                503
            }
        }
        "BDAT" => {
            if matches!(state.stage, Rcpt | Chunks) {
                250
            } else {
                503
            }
        }
        "LHLO" | "FOO" | "(an" => 500,
        other => panic!("no rule for {other} in {:?}", (Helo, Spoilt)),
    }
}

/// Brings a session into a state by saying yes to everything.
fn session_in(state: State) -> TestSession {
    let mut session = session(state.service);
    let mut say = |octets: &[u8], code: &str| {
        let said = send(&mut session, octets);
        assert!(said.starts_with(code), "{state:?}: {said}");
    };
    if state.is_tls && state.service != Service::Submissions {
        say(b"EHLO x\r\n", "250");
        say(b"STARTTLS\r\n", "220");
    }
    match state.stage {
        Stage::Fresh => return session,
        Stage::Helo => say(b"HELO x\r\n", "250"),
        _ => say(b"EHLO x\r\n", "250"),
    }
    if state.is_authenticated {
        say(b"AUTH PLAIN AGEAYg==\r\n", "235");
    }
    if state.stage == Stage::InAuth {
        say(b"AUTH LOGIN\r\n", "334");
    }
    if matches!(state.stage, Stage::Mail | Stage::Rcpt | Stage::Chunks | Stage::Spoilt) {
        say(b"MAIL FROM:<>\r\n", "250");
    }
    if matches!(state.stage, Stage::Rcpt | Stage::Chunks | Stage::Spoilt) {
        say(b"RCPT TO:<a@x.example>\r\n", "250");
    }
    match state.stage {
        Stage::Chunks => say(b"BDAT 3\r\na\r\n", "250"),
        Stage::Spoilt => say(b"BDAT 3\r\na\n\n", "550"),
        _ => {}
    }
    session
}

/// A cell: the code, and where the session stands behind it.
fn play(state: State, octets: &str) -> (u16, &'static str) {
    let mut session = session_in(state);
    // Within AUTH a line is a response, whatever it says, and nothing belongs to it but itself.
    let line = octets.split_inclusive('\n').next().unwrap_or_default();
    let said = send(&mut session, if state.stage == Stage::InAuth { line } else { octets }.as_bytes());
    assert!(said.ends_with("\r\n"), "{octets:?} in {state:?}: {said:?}");
    let last = said.lines().last().unwrap_or_default();
    let code: u16 = last.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
    let lines = said.lines().filter(|line| line.as_bytes().get(3) != Some(&b'-')).count();
    assert_eq!(lines, 1, "one reply to {octets:?} in {state:?}: {said}");
    (code, stands(&session))
}

/// Where a session stands, in a word.
fn stands(session: &TestSession) -> &'static str {
    match session.phase() {
        Phase::Hello => "hello",
        Phase::Command => "idle",
        Phase::Auth => "auth",
        Phase::Transaction => "transaction",
        Phase::Data => "message",
        Phase::Tls | Phase::Answer => panic!("the driver owes an answer"),
        Phase::Closed => "closed",
    }
}

#[test]
fn every_command_in_every_state_has_the_reply_of_the_rules() {
    for state in MX.into_iter().chain(SUBMISSION) {
        for (name, octets) in COMMANDS {
            let (code, _) = play(state, octets);
            assert_eq!(code, expected(state, name), "{name} in {state:?}");
        }
    }
    // The other verbs of the rows that show several.
    for verb in ["TURN", "ATRN x.example", "SEND FROM:<>", "SAML FROM:<>", "XFORWARD NAME=x", "ONEX"] {
        assert_eq!(play(MX[2], &format!("{verb}\r\n")).0, 502, "{verb}");
    }
}

/// What may stand in one packet behind what: the first command in a state, what stands behind it, and what becomes of it.
const BEHIND: [(&str, State, &str, &str); 13] = [
    ("EHLO", MX[0], "EHLO x\r\n", "NOOP\r\n"),
    ("HELO", MX[0], "HELO x\r\n", "NOOP\r\n"),
    ("any command behind HELO", MX[1], "NOOP\r\n", "NOOP\r\n"),
    ("STARTTLS", MX[2], "STARTTLS\r\n", "MAIL FROM:<evil@x.example>\r\n"),
    ("DATA", MX[4], "DATA\r\n", "a\r\n.\r\n"),
    ("the final dot", MX[4], "DATA\r\n\u{0}a\r\n.\r\n", "NOOP\r\n"),
    ("MAIL", MX[2], "MAIL FROM:<>\r\n", "NOOP\r\n"),
    ("RCPT", MX[3], "RCPT TO:<a@x.example>\r\n", "NOOP\r\n"),
    ("RSET", MX[4], "RSET\r\n", "NOOP\r\n"),
    ("BDAT 3", MX[4], "BDAT 3\r\na\r\n", "NOOP\r\n"),
    ("BDAT 3 LAST", MX[4], "BDAT 3 LAST\r\na\r\n", "NOOP\r\n"),
    ("QUIT", MX[2], "QUIT\r\n", "MAIL FROM:<>\r\n"),
    ("AUTH PLAIN response", SUBMISSION[3], "AUTH PLAIN AGEAYg==\r\n", "MAIL FROM:<>\r\n"),
];

/// The codes that a packet of two is answered; a `\0` in the first parts what is sent in packets of its own.
fn play_behind(state: State, first: &str, behind: &str) -> Vec<u16> {
    let mut session = session_in(state);
    let first = match first.split_once('\0') {
        Some((alone, first)) => {
            send(&mut session, alone.as_bytes());
            first
        }
        None => first,
    };
    let said = send(&mut session, format!("{first}{behind}").as_bytes());
    let finals = said.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    finals.filter_map(|line| line.get(..3)?.parse().ok()).collect()
}

#[test]
fn nothing_that_came_before_its_invitation_is_obeyed() {
    for (name, state, first, behind) in BEHIND {
        let codes = play_behind(state, first, behind);
        let expected: &[u16] = match name {
            // Its reply changes what the client may say: octets that came before show that it did not wait.
            "EHLO" | "HELO" | "any command behind HELO" => &[250, 554],
            // Its reply invites, and is not given.
            "STARTTLS" | "DATA" => &[554],
            "QUIT" => &[221],
            "AUTH PLAIN response" => &[235, 250],
            _ => &[250, 250],
        };
        assert_eq!(codes, expected, "{name}");
    }
}

#[test]
fn who_speaks_before_the_greeting_gets_none() {
    let mut session = session(Service::Mx);
    session.receive(b"EHLO x\r\nMAIL FROM:<>\r\n");
    assert!(matches!(session.next_event(), Some(Event::Closed)));
    assert!(output(&mut session).starts_with("554 5.5.0"));
}
