//! Every dialogue under `fixtures/smtp`, in every chunking; the driver's side.

use super::script::play;
use super::{Event, Limits, Phase, ServerConfig, Service, Session};
use crate::smtp::reply::Reply;
use crate::smtp::scram::Verifier;
use std::sync::Arc;

/// Plays the dialogue whole, octet by octet and in pieces of changing size.
#[track_caller]
fn check(text: &str) {
    play(text, |all| all);
    play(text, |_| 1);
    for seed in [3, 7, 31] {
        let mut state = seed;
        play(text, |_| {
            state = state * 75 % 65_537;
            state % 11 + 1
        });
    }
}

macro_rules! dialogues {
    ($($name:ident,)+) => {
        $(
            #[test]
            fn $name() {
                check(include_str!(concat!("../../../fixtures/smtp/", stringify!($name), ".txt")));
            }
        )+

        #[test]
        fn every_dialogue_is_played() {
            let directory = crate::smtp::top().join("fixtures/smtp");
            let mut files: Vec<String> = std::fs::read_dir(directory)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            assert_eq!(files, [$(concat!(stringify!($name), ".txt")),+]);
        }
    };
}

dialogues! {
    a_binary_message_comes_in_chunks_only,
    a_broken_auth_exchange_leads_back_to_commands,
    a_browser_is_sent_away,
    a_chunk_far_beyond_the_limit_is_cut_off,
    a_chunk_out_of_order_is_thrown_away,
    a_chunk_without_size_ends_the_session,
    a_client_that_holds_its_place_for_nothing_is_told_so,
    a_client_that_is_late_is_told_so,
    a_client_that_says_helo_gets_no_chunks,
    a_client_that_says_helo_gets_no_extensions,
    a_client_that_says_helo_must_wait_for_each_reply,
    a_command_out_of_order_is_refused_and_the_session_goes_on,
    a_damaged_message_ends_its_transaction,
    a_faulty_line_is_refused_whole_and_the_session_goes_on,
    a_header_line_is_no_command,
    a_line_without_end_is_cut_off,
    a_mail_program_authenticates_as_thunderbird_does,
    a_merchant_sends_through_port_465_with_auth_login,
    a_merchant_sends_through_port_587,
    a_message_comes_in_chunks,
    a_message_goes_from_greeting_to_queue_id,
    a_message_in_chunks_without_memory_is_deferred,
    a_message_refused_by_policy_ends_its_transaction,
    a_message_too_large_is_refused_by_its_claim_and_by_its_octets,
    a_message_without_memory_is_deferred_after_its_end,
    a_refused_sender_leaves_no_transaction,
    a_smuggled_message_is_no_message,
    a_spoilt_chunk_spoils_its_transaction_up_to_last_or_rset,
    a_stop_in_the_middle_of_a_message_acknowledges_nothing,
    a_verdict_counts_for_one_message_only,
    after_three_wrong_passwords_the_session_ends,
    an_accepted_message_ends_its_transaction,
    an_accepted_message_forgives_errors,
    auth_keeps_ehlo_and_is_given_once_outside_a_transaction,
    chunks_that_are_thrown_away_are_bounded_too,
    chunks_without_a_valid_recipient_are_thrown_away,
    commands_that_move_no_mail_become_errors,
    data_and_bdat_are_not_mixed,
    data_before_the_354_ends_the_session,
    data_without_a_valid_recipient_is_refused,
    ehlo_ends_a_transaction,
    every_form_of_address_is_taken,
    many_closed_aliases_do_not_end_a_merchants_session,
    messages_beyond_the_limit_need_a_new_session,
    noop_vrfy_and_help_leave_a_transaction_alone,
    nothing_is_sent_before_tls_and_auth,
    octets_behind_ehlo_end_the_session,
    octets_behind_starttls_end_the_session,
    order_is_judged_before_syntax,
    parameters_are_read_or_refused_never_ignored,
    pipelined_commands_are_answered_in_order,
    port_25_takes_no_passwords,
    recipients_beyond_the_limit_are_deferred_and_the_others_served,
    refusals_lead_to_their_help_pages,
    refused_senders_end_the_session,
    requiretls_is_taken_inside_tls_only,
    rset_ends_a_transaction_and_keeps_the_rest,
    scram_confirms_no_proof_that_is_not_let_in,
    scram_is_bound_to_the_channel_where_that_is_offered,
    scram_proves_the_password_without_sending_it,
    starttls_forgets_everything_said_in_clear,
    starttls_is_refused_where_there_is_no_certificate,
    too_many_errors_end_the_session,
    utf8_addresses_need_smtputf8,
    what_is_no_address_is_refused_with_the_code_of_its_side,
    what_is_not_offered_is_told_from_what_is_not_known,
    what_stands_behind_a_message_of_a_helo_session_is_not_obeyed,
    who_sends_far_beyond_the_limit_is_cut_off,
}

pub(super) type TestSession = Session<u32, u32>;

pub(super) fn session(service: Service) -> TestSession {
    let mut limits = Limits::of(service);
    limits.max_errors = 1000;
    limits.max_junk = 1000;
    let hostname = "mx.example".to_owned();
    Session::new(Arc::new(ServerConfig { hostname, service, starttls_available: true, limits, help: None }))
}

pub(super) fn output(session: &mut TestSession) -> String {
    String::from_utf8(session.take_output()).unwrap()
}

/// Sends `octets`, says yes to everything, and returns what the session said.
pub(super) fn send(session: &mut TestSession, octets: &[u8]) -> String {
    session.take_output();
    session.receive(octets);
    let mut said = String::new();
    while let Some(event) = session.next_event() {
        match event {
            Event::StartTls => {
                said.push_str(&output(session));
                session.tls_started();
            }
            Event::Auth(_) => session.answer_auth(Ok(())),
            Event::Scram(_) => session.answer_scram(Ok((Verifier::of_nobody([0; 16], [0; 32]), [0; 18]))),
            Event::Mail(_) => session.answer_mail(Ok(1)),
            Event::Rcpt(_) => session.answer_rcpt(Ok(2)),
            Event::Message { .. } => session.answer_message(Ok("Q")),
            Event::LoggedIn | Event::Closed => {}
        }
    }
    said + &output(session)
}

/// Brings a session into a phase by saying yes to everything.
fn session_in(service: Service, phase: &str) -> TestSession {
    let mut session = session(service);
    let all: &[&[u8]] = match (service, phase) {
        (_, "fresh") => &[],
        (_, "hello") => &[b"EHLO x\r\n"],
        (_, "tls") => &[b"EHLO x\r\n", b"STARTTLS\r\n", b"EHLO x\r\n"],
        (Service::Mx, "mail") => &[b"EHLO x\r\n", b"MAIL FROM:<>\r\n"],
        (Service::Mx, _) => &[b"EHLO x\r\n", b"MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n"],
        (_, "auth") => &[b"EHLO x\r\n", b"STARTTLS\r\n", b"EHLO x\r\n", b"AUTH PLAIN AGEAYg==\r\n"],
        (_, "mail") => {
            &[b"EHLO x\r\n", b"STARTTLS\r\n", b"EHLO x\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"MAIL FROM:<>\r\n"]
        }
        _ => &[
            b"EHLO x\r\n",
            b"STARTTLS\r\n",
            b"EHLO x\r\n",
            b"AUTH PLAIN AGEAYg==\r\n",
            b"MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n",
        ],
    };
    for octets in all {
        let said = send(&mut session, octets);
        assert!(said.starts_with('2'), "{phase}: {said}");
    }
    session
}

#[test]
fn octets_before_the_greeting_get_no_greeting() {
    let mut session = session(Service::Mx);
    session.receive(b"EHLO x\r\n");
    assert!(matches!(session.next_event(), Some(Event::Closed)));
    assert!(session.next_event().is_none());
    assert!(output(&mut session).starts_with("554 5.5.0 "));
}

#[test]
fn who_is_turned_away_gets_one_reply_and_no_greeting() {
    let mut session = session(Service::Mx);
    session.turn_away(Reply::new(421, 7, 0, "mx.example too many connections"));
    assert!(matches!(session.next_event(), Some(Event::Closed)));
    assert_eq!(output(&mut session), "421 4.7.0 mx.example too many connections\r\n");
}

#[test]
fn the_empty_challenge_of_plain_is_a_space() {
    let mut session = session_in(Service::Submission, "tls");
    assert_eq!(send(&mut session, b"AUTH PLAIN\r\n"), "334 \r\n");
    assert_eq!(session.phase(), Phase::Auth);
}

#[test]
fn no_reply_goes_out_before_the_driver_has_answered() {
    let mut session = session_in(Service::Mx, "hello");
    session.receive(b"MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n");
    assert!(matches!(session.next_event(), Some(Event::Mail(_))));
    assert_eq!((session.phase(), session.wants_input()), (Phase::Answer, false));
    assert!(session.next_event().is_none());
    assert_eq!(output(&mut session), "");
    session.answer_mail(Ok(1));
    assert!(matches!(session.next_event(), Some(Event::Rcpt(_))));
    assert_eq!(output(&mut session), "250 2.1.0 Ok\r\n");
}

#[test]
fn a_stop_waits_for_the_answer_that_the_driver_owes() {
    let mut session = session_in(Service::Mx, "rcpt");
    assert!(send(&mut session, b"DATA\r\n").starts_with("354"));
    session.receive(b"x\r\n.\r\nNOOP\r\n");
    assert!(matches!(session.next_event(), Some(Event::Message { .. })));
    session.shutting_down();
    session.timed_out();
    assert_eq!(output(&mut session), "");
    session.answer_message(Ok("Q7"));
    assert!(matches!(session.next_event(), Some(Event::Closed)));
    let said = output(&mut session);
    assert_eq!(
        said,
        "250 2.0.0 Ok: queued as Q7\r\n421 4.3.2 mx.example shutting down; connect again later\r\n"
    );
}

#[test]
fn an_answer_that_nobody_asked_for_acknowledges_nothing() {
    let answers: [fn(&mut TestSession); 6] = [
        |session| session.answer_scram(Err(Reply::new(454, 7, 0, "No"))),
        |session| session.answer_message(Ok("Q")),
        |session| session.answer_rcpt(Ok(1)),
        |session| session.answer_auth(Ok(())),
        |session| session.tls_started(),
        |session| session.answer_mail(Ok(1)),
    ];
    for answer in answers {
        let mut session = session_in(Service::Mx, "rcpt");
        session.take_output();
        answer(&mut session);
        assert!(session.is_closed());
        assert_eq!(output(&mut session), "421 4.3.0 mx.example internal fault; try again later\r\n");
        answer(&mut session);
        assert_eq!(output(&mut session), "");
    }
}

#[test]
fn a_refusal_that_says_yes_acknowledges_nothing() {
    let mut session = session_in(Service::Mx, "rcpt");
    send(&mut session, b"DATA\r\n");
    session.receive(b"x\r\n.\r\n");
    assert!(matches!(session.next_event(), Some(Event::Message { .. })));
    session.answer_message(Err(Reply::new(250, 0, 0, "Ok")));
    assert!(session.is_closed());
    assert_eq!(output(&mut session), "421 4.3.0 mx.example internal fault; try again later\r\n");
}

#[test]
fn a_421_of_the_driver_ends_the_session() {
    let mut session = session_in(Service::Mx, "hello");
    session.receive(b"MAIL FROM:<>\r\nNOOP\r\n");
    assert!(matches!(session.next_event(), Some(Event::Mail(_))));
    session.answer_mail(Err(Reply::new(421, 3, 2, "mx.example load shedding")));
    assert!(matches!(session.next_event(), Some(Event::Closed)));
    assert_eq!(output(&mut session), "421 4.3.2 mx.example load shedding\r\n");
}

#[test]
fn credentials_that_could_not_be_checked_are_no_failed_attempt() {
    let mut session = session_in(Service::Submission, "tls");
    for _ in 0..5 {
        session.take_output();
        session.receive(b"AUTH PLAIN AGEAYg==\r\n");
        assert!(matches!(session.next_event(), Some(Event::Auth(_))));
        session.answer_auth(Err(Reply::new(454, 7, 0, "Temporary authentication failure")));
        assert!(session.next_event().is_none());
        assert!(output(&mut session).starts_with("454 4.7.0"));
    }
}

#[test]
fn octets_that_come_during_the_tls_handshake_are_never_read() {
    let mut session = session_in(Service::Mx, "hello");
    session.receive(b"STARTTLS\r\n");
    assert!(matches!(session.next_event(), Some(Event::StartTls)));
    assert!(output(&mut session).starts_with("220 2.0.0"));
    assert_eq!(session.phase(), Phase::Tls);
    session.receive(b"EHLO evil.example\r\nMAIL FROM:<evil@x.example>\r\n");
    assert!(session.next_event().is_none());
    session.tls_started();
    assert!(session.is_tls() && session.hello().is_none());
    assert!(session.next_event().is_none());
    assert_eq!(output(&mut session), "");
    assert!(send(&mut session, b"MAIL FROM:<>\r\n").starts_with("503 5.5.1 Send EHLO"));
}

#[test]
fn octets_behind_starttls_begin_no_handshake() {
    let mut session = session_in(Service::Mx, "hello");
    session.take_output();
    session.receive(b"STARTTLS\r\nEHLO evil.example\r\n");
    assert!(matches!(session.next_event(), Some(Event::Closed)));
    assert!(output(&mut session).starts_with("554 5.5.0"));
}

#[test]
fn pipelining_is_offered_anew_inside_tls() {
    let mut session = session_in(Service::Mx, "hello");
    assert!(send(&mut session, b"NOOP\r\nNOOP\r\n").starts_with("250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"));
    assert!(send(&mut session, b"STARTTLS\r\n").starts_with("220"));
    let said = send(&mut session, b"NOOP\r\nNOOP\r\n");
    assert!(said.starts_with("250 2.0.0 Ok\r\n554 5.5.0"), "{said}");
}

#[test]
fn the_client_s_name_is_known_until_tls_or_the_end() {
    let mut session = session_in(Service::Mx, "rcpt");
    assert!(session.hello().is_some_and(|hello| hello.reveal_name() == "x" && hello.is_extended()));
    send(&mut session, b"HELO y\r\n");
    assert!(session.hello().is_some_and(|hello| hello.reveal_name() == "y" && !hello.is_extended()));
    send(&mut session, b"QUIT\r\n");
    assert!(session.hello().is_none());
}

#[test]
fn memory_grows_with_what_was_received_and_not_with_what_was_claimed() {
    let mut session = session_in(Service::Mx, "hello");
    send(&mut session, b"MAIL FROM:<> SIZE=26214400\r\nRCPT TO:<a@x.example>\r\nDATA\r\n");
    assert!(session.held() < 32 * 1024, "{}", session.held());
    for _ in 0..16 {
        session.receive(&[b'a'; 64 * 1024]);
        assert!(session.next_event().is_none());
    }
    assert!((1024 * 1024..4 * 1024 * 1024).contains(&session.held()), "{}", session.held());
    session.discard_message();
    assert!(session.held() < 32 * 1024, "{}", session.held());
    assert!(send(&mut session, b"\r\n.\r\n").starts_with("452 4.3.1"));
}

#[test]
fn what_was_read_is_given_back_even_if_something_always_waits() {
    let mut session = session_in(Service::Mx, "hello");
    let group = format!("MAIL FROM:<>{}\r\nRSET\r\n", " ".repeat(2000));
    for _ in 0..500 {
        session.receive(group.as_bytes());
        assert!(matches!(session.next_event(), Some(Event::Mail(_))));
        session.answer_mail(Ok(1));
        session.take_output();
        assert!(session.held() < 32 * 1024, "{}", session.held());
    }
}

#[test]
fn no_more_than_a_megabyte_waits_unread() {
    let mut session = session_in(Service::Mx, "hello");
    session.receive(b"MAIL FROM:<>\r\n");
    assert!(matches!(session.next_event(), Some(Event::Mail(_))));
    assert!(!session.wants_input());
    for _ in 0..40 {
        session.receive(&[b'a'; 64 * 1024]);
        assert!(session.held() <= 2 * 1024 * 1024 + 64 * 1024);
    }
    assert!(session.is_closed());
    assert!(session.held() < 1024);
    assert!(output(&mut session).starts_with("421 4.3.0"));
}

#[test]
fn a_session_can_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<TestSession>();
}
