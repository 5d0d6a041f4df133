//! The one table that says what a reply means in each phase.
//!
//! | reply | means |
//! |---|---|
//! | 2yz where it is awaited (354 for DATA) | go on; to the final dot: delivered |
//! | 421 anywhere | deferred, and the server is about to close (RFC 5321 §3.8) |
//! | 4yz | deferred |
//! | 521, 556 | failed: the host takes no mail (RFC 7504) |
//! | 521 to the greeting or to HELO, of a policy, for now (5.3.2) or with words about us | deferred: a block list, for all mail that comes from here |
//! | 5yz to the greeting or to HELO | deferred: another host, or the same one later, may serve |
//! | 530, 534, 535, 538 | deferred: the next hop wants us to log in, which is ours to mend (RFC 4954) |
//! | 552 to RCPT | deferred (RFC 5321 §4.5.3.1.10), unless its enhanced code says the message is too large |
//! | 5yz | failed |
//! | any other 2yz or 3yz | a protocol error: deferred 4.5.0, connection closed; after the dot: ambiguous |
//!
//! A reply that cannot be read is a protocol error too, see [`protocol_error`].

use super::{Outcome, Phase, RemoteReply, RemoteText, Status, Verdict};
use crate::mime::automatic;

/// What a reply means.
pub(super) enum Meaning {
    /// Go on; to the final dot it means delivered.
    Yes(RemoteReply),
    /// The transaction, or the connection before it, is over. `closing`: the connection must not be used again.
    No { verdict: Verdict, closing: bool },
}

/// Reads the table.
pub(super) fn classify(phase: Phase, reply: RemoteReply) -> Meaning {
    let status = reply.status();
    let no = |outcome, closing, text| Meaning::No {
        verdict: Verdict { outcome, phase, remote_text: Some(text) },
        closing,
    };
    let deferred = Outcome::Deferred { status: status.as_deferral(), phase, ambiguous: false };
    let failed = Outcome::Failed { status };
    let awaited = if phase == Phase::Data { reply.code() == 354 } else { (200..300).contains(&reply.code()) };
    match reply.code() {
        _ if awaited => Meaning::Yes(reply),
        421 => no(deferred, true, reply.into_text()),
        400..=499 => no(deferred, false, reply.into_text()),
        521 if matches!(phase, Phase::Greeting | Phase::Ehlo) && is_of_us(status, &reply) => {
            no(deferred, true, reply.into_text())
        }
        521 | 556 => no(failed, true, reply.into_text()),
        500..=599 if matches!(phase, Phase::Greeting | Phase::Ehlo) => no(deferred, true, reply.into_text()),
        530 | 534 | 535 | 538 => no(deferred, false, reply.into_text()),
        552 if phase == Phase::Rcpt && !matches!(status.enhanced, Some((5, 3, 4) | (5, 2, 3))) => {
            no(deferred, false, reply.into_text())
        }
        500..=599 => no(failed, false, reply.into_text()),
        _ => Meaning::No { verdict: protocol_error(phase, Some(reply.into_text())), closing: true },
    }
}

/// Whether a host that takes no mail takes none from us: the greeting that falls to whoever is in a block list is often a 521.
fn is_of_us(status: Status, reply: &RemoteReply) -> bool {
    matches!(status.enhanced, Some((5, 7, _) | (5, 3, 2))) || {
        let words: Vec<&[u8]> = reply.texts().collect();
        automatic::speaks_of_sender(&String::from_utf8_lossy(&words.join(&b' ')))
    }
}

/// What a server said makes no sense here.
pub(super) fn protocol_error(phase: Phase, remote_text: Option<RemoteText>) -> Verdict {
    let outcome =
        Outcome::Deferred { status: Status::ours(451, 5, 0), phase, ambiguous: phase == Phase::Dot };
    Verdict { outcome, phase, remote_text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::client::ReplyReader;

    fn check(phase: Phase, reply: &str, expected: &str) {
        let mut reader = ReplyReader::new();
        reader.feed(format!("{reply}\r\n").as_bytes());
        let reply_read = reader.take().unwrap().unwrap();
        let seen = match classify(phase, reply_read) {
            Meaning::Yes(_) => "yes".to_owned(),
            Meaning::No { verdict, closing } => {
                let (c, s, d) = verdict.outcome.status().enhanced_or_general();
                let kind = match verdict.outcome {
                    Outcome::Delivered { .. } => "delivered",
                    Outcome::Deferred { ambiguous: true, .. } => "ambiguous",
                    Outcome::Deferred { .. } => "deferred",
                    Outcome::Failed { .. } => "failed",
                };
                let code = verdict.outcome.status().code;
                format!("{kind} {code} {c}.{s}.{d}{}", if closing { " closing" } else { "" })
            }
        };
        assert_eq!(seen, expected, "{} {reply}", phase.name());
    }

    #[test]
    fn each_row_of_the_table_holds() {
        check(Phase::Greeting, "220 hi", "yes");
        check(Phase::Greeting, "421 4.3.2 busy", "deferred 421 4.3.2 closing");
        check(Phase::Greeting, "554 no", "deferred 451 4.0.0 closing");
        check(Phase::Greeting, "521 no mail here", "failed 521 5.0.0 closing");
        check(Phase::Greeting, "521 5.7.1 blocked using a list", "deferred 451 4.7.1 closing");
        check(Phase::Ehlo, "521 5.3.2 not now", "deferred 451 4.3.2 closing");
        check(Phase::Greeting, "521 your IP address is in a blacklist", "deferred 451 4.0.0 closing");
        check(Phase::Rcpt, "521 5.7.1 no mail", "failed 521 5.7.1 closing");
        check(Phase::Mail, "250 ok", "yes");
        check(Phase::Mail, "354 what", "deferred 451 4.5.0 closing");
        check(Phase::Mail, "530 5.7.0 log in", "deferred 451 4.7.0");
        check(Phase::Mail, "552 5.3.4 too big", "failed 552 5.3.4");
        check(Phase::Rcpt, "251 ok", "yes");
        check(Phase::Rcpt, "550 5.1.1 unknown", "failed 550 5.1.1");
        check(Phase::Rcpt, "556 5.1.10 null MX", "failed 556 5.1.10 closing");
        check(Phase::Rcpt, "552 5.2.2 full", "deferred 452 4.2.2");
        check(Phase::Rcpt, "552 too many", "deferred 452 4.0.0");
        check(Phase::Rcpt, "552 5.3.4 too big", "failed 552 5.3.4");
        check(Phase::Rcpt, "450 4.2.0 grey", "deferred 450 4.2.0");
        check(Phase::Data, "354 go", "yes");
        check(Phase::Data, "250 go", "deferred 451 4.5.0 closing");
        check(Phase::Dot, "250 2.0.0 taken", "yes");
        check(Phase::Dot, "354 what", "ambiguous 451 4.5.0 closing");
        check(Phase::Dot, "550 4.7.1 mixed", "failed 550 5.0.0");
    }
}
