//! Random clients and random drivers: nothing breaks a session, fills the memory or is repeated to the client.

use super::{Event, Limits, Phase, ServerConfig, Service, Session};
use crate::smtp::params::Body;
use crate::smtp::reply::Reply;
use crate::smtp::scram::Verifier;
use proptest::prelude::*;
use std::sync::Arc;

/// What a random client says: what belongs there, what belongs elsewhere, and what belongs nowhere.
/// The first is for a session that waits for a command, the second for one that waits for data.
fn piece() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let one_of = |texts: &'static [&'static str]| {
        prop::sample::select(texts).prop_map(|text| text.as_bytes().to_vec())
    };
    let command = one_of(&[
        "MAIL FROM:<kanari@x.example>\r\nRCPT TO:<kanari@x.example>\r\nDATA\r\n",
        "RSET\r\nMAIL FROM:<kanari@x.example> SIZE=10\r\n",
        "RCPT TO:<kanari@x.example>\r\n",
        "DATA\r\n",
        "EHLO kanari\r\n",
        "NOOP kanari\r\n",
    ]);
    let data = one_of(&[
        "kanari\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<kanari@x.example>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n",
        ".\r\n",
        "..kanari\r\n",
        "\r\n.\r\n",
        ".\n",
    ]);
    let rare = one_of(&[
        "HELO kanari\r\n",
        "MAIL FROM:<> SIZE=10 kanari\r\n",
        "RCPT TO:<\"kanari",
        "VRFY kanari\r\n",
        "STARTTLS\r\n",
        "AUTH PLAIN\r\n",
        "AUTH PLAIN AGthbmFyaQBrYW5hcmk=\r\n",
        "AUTH LOGIN a2FuYXJp\r\n",
        "AUTH SCRAM-SHA-256 biwsbj1rYW5hcmkscj1rYW5hcmk=\r\n",
        "BDAT 3\r\nka\r",
        "BDAT 0\r\n",
        "BDAT 7 LAST\r\n\nanari\n",
        "BDAT 600 LAST\r\n",
        "BDAT kanari\r\n",
        "MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<kanari@x.example>\r\nBDAT 8 LAST\r\n\0\n\rnari\n",
        "a2FuYXJp\r\n",
        "*\r\n",
        "QUIT\r\n",
        "\r",
        "\n",
        "\0",
        "<",
        "\u{85}あ",
    ]);
    let octets = || prop::collection::vec(any::<u8>(), 0..40);
    (prop_oneof![30 => command, 3 => rare, 1 => octets()], prop_oneof![5 => data, 1 => octets()])
}

/// How a session begins, so that most come as far as a message.
fn opening(service: Service) -> &'static [&'static str] {
    match service {
        Service::Mx => &["EHLO kanari\r\n"],
        Service::Submission => {
            &["EHLO kanari\r\n", "STARTTLS\r\n", "EHLO kanari\r\n", "AUTH PLAIN AGthbmFyaQBrYW5hcmk=\r\n"]
        }
        Service::Submissions => &["EHLO kanari\r\n", "AUTH PLAIN AGthbmFyaQBrYW5hcmk=\r\n"],
    }
}

proptest! {
    #[test]
    fn no_input_and_no_answers_break_a_session(
        service in prop::sample::select(vec![Service::Mx, Service::Submission, Service::Submissions]),
        pieces in prop::collection::vec((piece(), any::<u8>()), 0..60),
    ) {
        let mut limits = Limits::of(service);
        limits.max_message = 500;
        limits.max_errors = 30;
        limits.max_recipients = 3;
        let hostname = "mx.example".to_owned();
        let mut session: Session<u32, u32> =
            Session::new(Arc::new(ServerConfig { hostname, service, starttls_available: true, limits, help: None }));
        let mut said = session.take_output();
        // 255: the driver says yes and nothing else.
        let opening = opening(service).iter().map(|text| ((text.as_bytes().to_vec(), Vec::new()), 255));
        for ((command, data), choice) in opening.chain(pieces) {
            let piece = if session.phase() == Phase::Data && choice % 32 != 7 { data } else { command };
            session.receive(&piece);
            // Some drivers are late, and some are wrong.
            if choice == 0 { session.shutting_down(); }
            if choice == 4 { session.timed_out(); }
            if choice == 8 { session.answer_rcpt(Ok(1)); }
            if choice == 12 { session.discard_message(); }
            while let Some(event) = session.next_event() {
                let yes = choice % 4 != 0;
                let no = || Reply::new(if choice % 8 == 0 { 550 } else { 450 }, 7, 1, "No");
                match event {
                    Event::StartTls => {
                        said.extend(session.take_output());
                        session.tls_started();
                    }
                    Event::Scram(_) => session.answer_scram(if yes {
                        Ok((Verifier::of_nobody([0; 16], [0; 32]), [0; 18]))
                    } else {
                        Err(no())
                    }),
                    Event::Auth(_) => session.answer_auth(if yes { Ok(()) } else { Err(no()) }),
                    Event::LoggedIn => prop_assert!(session.is_tls()),
                    Event::Mail(_) => session.answer_mail(if yes { Ok(1) } else { Err(no()) }),
                    Event::Rcpt(_) => session.answer_rcpt(if yes { Ok(1) } else { Err(no()) }),
                    Event::Message { envelope, bytes } => {
                        prop_assert!((1..=3).contains(&envelope.recipients.len()));
                        prop_assert!(bytes.len() <= 500);
                        let is_binary = envelope.params.body == Body::BinaryMime;
                        prop_assert!(is_binary || bytes.is_empty() || bytes.ends_with(b"\r\n"));
                        session.answer_message(if yes { Ok("Q") } else { Err(no()) });
                    }
                    Event::Closed => prop_assert!(session.is_closed()),
                }
            }
            prop_assert!(session.held() < 128 * 1024);
            prop_assert!(session.wants_input() || session.is_closed());
            if choice % 32 != 5 { said.extend(session.take_output()); }
        }
        said.extend(session.take_output());
        let said = String::from_utf8(said).unwrap();
        prop_assert!(!said.contains("kanari"), "what the client said is repeated: {said}");
        for line in said.split_terminator("\r\n") {
            let (code, rest) = line.split_at_checked(3).unwrap_or_default();
            prop_assert!(code.parse::<u16>().is_ok_and(|code| (220..=555).contains(&code) || code == 214), "{line}");
            prop_assert!(rest.starts_with([' ', '-']), "{line}");
            prop_assert!(!line.contains(['\r', '\n']), "{line}");
        }
    }
}
