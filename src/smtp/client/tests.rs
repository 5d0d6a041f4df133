//! Dialogues. Each file in `fixtures/smtp-client` reads like the protocol and is run three times: what the server
//! says in one piece for each turn, octet by octet, and in random pieces.
//!
//! | line | is |
//! |---|---|
//! | `s: …` | a line of the server |
//! | `s~: …` | the beginning of a line of the server, whose end does not come |
//! | `c: …` | a line we must send; a block of them must come in one write, and nothing else with it |
//! | `> tls never`, `may`, `required` | what we do about STARTTLS; before the first line |
//! | `> named by hand` | the next hop stands in the configuration; before the first line |
//! | `> mail …` | a transaction begins, with `size=N`, `8bit`, `utf8`, `null` (reverse-path), `to=ADDRESS`, `requiretls` |
//! | `> handshake` | TLS is awaited now, and succeeds |
//! | `> content` | the message is awaited now, and is written |
//! | `> lost` | the connection breaks |
//! | `> quit` | we are done |
//! | `= …` | the verdict: `delivered`, `deferred`, `ambiguous`, `failed`, codes, phase |
//! | `= reusable`, `= closed` | whether another transaction may follow |

use super::*;
use crate::mail::{Alias, Domain, RealAddress};

struct Play {
    session: Session,
    sent: Vec<u8>,
    step: Option<Step>,
    verdict: Option<Verdict>,
}

impl Play {
    fn advance(&mut self) {
        let step = self.session.step();
        self.sent.extend(self.session.take_output());
        self.note(step);
    }

    fn note(&mut self, step: Step) {
        match step {
            Step::Finished(verdict) => {
                assert!(self.verdict.is_none(), "a second verdict");
                self.verdict = Some(verdict);
            }
            step => self.step = Some(step),
        }
    }
}

fn begin(play: &mut Play, words: &str) {
    play.advance();
    assert!(matches!(play.step, Some(Step::Ready)), "not ready for a transaction");
    let alias = Alias::new("aa7", Domain::parse("pc.fw.example").unwrap());
    let mut to = RealAddress::parse("hana@mail.example").unwrap();
    let (mut size, mut eight_bit, mut utf8_headers, mut null) = (100, false, false, false);
    let mut require_tls = false;
    for word in words.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("size", n) => size = n.parse().unwrap(),
            ("to", address) => to = RealAddress::parse(address).unwrap(),
            ("8bit", _) => eight_bit = true,
            ("utf8", _) => utf8_headers = true,
            ("null", _) => null = true,
            ("requiretls", _) => require_tls = true,
            other => panic!("{other:?}"),
        }
    }
    let reverse_path = (!null).then_some(&alias);
    let envelope = Envelope { reverse_path, forward_path: &to, size, eight_bit, utf8_headers, require_tls };
    let step = play.session.begin(&envelope);
    play.sent.extend(play.session.take_output());
    play.note(step);
}

fn describe(verdict: &Verdict) -> String {
    let kind = match verdict.outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Deferred { ambiguous: true, .. } => "ambiguous",
        Outcome::Deferred { .. } => "deferred",
        Outcome::Failed { .. } => "failed",
    };
    let status = verdict.outcome.status();
    let (c, s, d) = status.enhanced_or_general();
    format!("{kind} {} {c}.{s}.{d} {}", status.code, verdict.phase.name())
}

fn direct(play: &mut Play, words: &str) {
    match words.split_once(' ').unwrap_or((words, "")) {
        ("mail", rest) => begin(play, rest),
        ("handshake", _) => {
            assert!(matches!(play.session.step(), Step::Handshake), "TLS is not awaited");
            play.session.secured();
            play.advance();
        }
        ("content", _) => {
            assert!(matches!(play.session.step(), Step::Content), "the message is not awaited");
            assert_eq!(play.session.phase(), Phase::Content);
            play.session.content_sent();
            play.advance();
        }
        ("lost", _) => {
            let verdict = play.session.lost();
            play.note(Step::Finished(verdict));
        }
        ("quit", _) => {
            play.session.quit();
            play.advance();
        }
        other => panic!("{other:?}"),
    }
}

/// Plays one dialogue; `pieces` gives the length of each piece the server's words are cut into.
fn play(name: &str, text: &str, pieces: &mut dyn FnMut() -> usize) {
    let mut settings = SessionSettings {
        hostname: "relay.example".into(),
        start_tls: StartTls::IfOffered,
        loop_check: LoopCheck::Refuse,
    };
    let mut lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).peekable();
    while let Some(line) = lines.next_if(|l| l.starts_with("> tls ") || *l == "> named by hand") {
        match line {
            "> tls never" => settings.start_tls = StartTls::Never,
            "> tls may" => settings.start_tls = StartTls::IfOffered,
            "> tls required" => settings.start_tls = StartTls::Required,
            _ => settings.loop_check = LoopCheck::Allow,
        }
    }
    let mut play = Play { session: Session::new(settings), sent: Vec::new(), step: None, verdict: None };
    play.advance();
    while let Some(line) = lines.next() {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            "s:" | "s~:" => {
                assert_eq!(String::from_utf8_lossy(&play.sent), "", "{name}: sent before {line}");
                let mut wire = rest.to_owned();
                if mark == "s:" {
                    wire.push_str("\r\n");
                }
                while let Some(more) = lines.next_if(|l| l.starts_with("s:")) {
                    wire.push_str(more.strip_prefix("s: ").unwrap_or_default());
                    wire.push_str("\r\n");
                }
                let mut left = wire.as_bytes();
                while !left.is_empty() {
                    let (piece, after) = left.split_at(pieces().clamp(1, left.len()));
                    left = after;
                    play.session.feed(piece);
                    play.advance();
                }
            }
            "c:" => {
                let mut expected = format!("{rest}\r\n");
                while let Some(more) = lines.next_if(|l| l.starts_with("c:")) {
                    expected.push_str(more.strip_prefix("c: ").unwrap_or_default());
                    expected.push_str("\r\n");
                }
                assert_eq!(String::from_utf8_lossy(&std::mem::take(&mut play.sent)), expected, "{name}");
            }
            ">" => direct(&mut play, rest),
            "=" if rest == "reusable" => assert!(play.session.is_reusable(), "{name}: not reusable"),
            "=" if rest == "closed" => assert!(!play.session.is_reusable(), "{name}: reusable"),
            "=" => {
                let verdict = play.verdict.take().unwrap_or_else(|| panic!("{name}: no verdict at {line}"));
                assert_eq!(describe(&verdict), rest, "{name}");
            }
            _ => panic!("{name}: {line}"),
        }
    }
    assert_eq!(String::from_utf8_lossy(&play.sent), "", "{name}: sent at the end");
    assert!(play.verdict.is_none(), "{name}: a verdict nobody looked at");
}

fn dialogues() -> Vec<(String, String)> {
    let dir = crate::smtp::top().join("fixtures/smtp-client");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn every_dialogue_goes_as_written_in_whole_turns() {
    let all = dialogues();
    assert!(all.len() >= 20, "{}", all.len());
    for (name, text) in all {
        play(&name, &text, &mut || usize::MAX);
    }
}

#[test]
fn every_dialogue_goes_as_written_octet_by_octet() {
    for (name, text) in dialogues() {
        play(&name, &text, &mut || 1);
    }
}

#[test]
fn every_dialogue_goes_as_written_in_random_pieces() {
    let first_seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    for round in 0..50 {
        let mut seed = first_seed.wrapping_add(round) | 1;
        println!("seed {seed}");
        for (name, text) in dialogues() {
            play(&name, &text, &mut || {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                (seed % 23) as usize + 1
            });
        }
    }
}

#[test]
fn what_the_server_said_is_kept_for_sealing() {
    let mut session = Session::new(SessionSettings {
        hostname: "relay.example".into(),
        start_tls: StartTls::Never,
        loop_check: LoopCheck::Refuse,
    });
    session.feed(b"421-4.3.2 busy\r\n421 4.3.2 call again\r\n");
    let Step::Finished(verdict) = session.step() else { panic!("not finished") };
    assert_eq!(verdict.remote_text.unwrap().reveal(), "421-4.3.2 busy  421 4.3.2 call again");
}

proptest::proptest! {
    #[test]
    fn no_server_makes_it_panic(
        lines in proptest::collection::vec("(220|250|354|421|450|550|999)[ -][A-Z0-9 .]{0,12}\r?\n", 0..20),
        size in 1usize..30,
    ) {
        let mut session = Session::new(SessionSettings {
            hostname: "relay.example".into(),
            start_tls: StartTls::IfOffered,
            loop_check: LoopCheck::Refuse,
        });
        let to = RealAddress::parse("hana@mail.example").unwrap();
        let envelope =
            Envelope { reverse_path: None, forward_path: &to, size: 10, eight_bit: false, utf8_headers: false, require_tls: false };
        for piece in lines.concat().as_bytes().chunks(size) {
            session.feed(piece);
            for _ in 0..4 {
                match session.step() {
                    Step::Wait | Step::Finished(_) => {}
                    Step::Handshake => session.secured(),
                    Step::Ready => drop(session.begin(&envelope)),
                    Step::Content => session.content_sent(),
                }
            }
        }
        let known = session.phase();
        // Whatever was read, only a loss after the final dot leaves open who has the message.
        let is_ambiguous = session.lost().outcome.is_ambiguous();
        proptest::prop_assert!(!is_ambiguous || known == Phase::Dot);
    }
}
