//! What must hold after the exchange, each as one check with the evidence it was judged by.
//!
//! Rules: a check judges what was sent and what arrived, never what the relay says of itself, and it can fail: the
//! tests plant each fault and see it.
//! When it fails: a check is FAILED; there are no errors.

use super::cast::{CUSTOMER, RELAY_HOST, STORE};
use super::exchange::{Attempts, Exchange};
use super::letters::own_id;
use super::mailbox::Arrival;
use super::program::Sending;
use super::reading::Reading;
use super::traces::{self, Finding};
use crate::relay::OrderView;

/// Files of a running demo: the database at least, the keys, the certificate.
const FILES_MIN: usize = 5;

/// One check and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub name: String,
    pub ok: bool,
    /// What was seen.
    pub evidence: String,
}

fn check(name: impl Into<String>, ok: bool, evidence: impl Into<String>) -> Check {
    Check { name: name.into(), ok, evidence: evidence.into() }
}

/// All checks of an exchange.
pub(super) fn all(exchanges: &[Exchange], order: &OrderView, attempts: &Attempts) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut readings = Vec::new();
    for (number, exchange) in (1..).zip(exchanges) {
        let (Some(sent), Some(arrived)) =
            (Reading::of(&exchange.octets), Reading::of(&exchange.arrival.octets))
        else {
            checks.push(check(format!("mail {number} can be read"), false, "it is no mail"));
            continue;
        };
        checks.push(no_trace(number, exchange));
        checks.push(envelope(number, exchange, order));
        checks.push(sender(number, exchange, &arrived, order));
        checks.push(whole(number, &sent, &arrived, order));
        if !sent.attachments.is_empty() {
            checks.push(files(number, &sent, &arrived));
        }
        checks.push(signed(number, &arrived));
        checks.push(tls(number, &exchange.arrival));
        readings.push((sent, arrived));
    }
    checks.extend(threads(&readings));
    checks.push(refused(
        "a stranger's mail to an alias is refused",
        &attempts.stranger,
        "DATA",
        550,
        "5.7.1",
    ));
    checks.push(refused("a wrong password is refused", &attempts.wrong_password, "AUTH", 535, "5.7.8"));
    checks.push(at_rest(attempts));
    checks
}

/// Nothing of the writer is in what its reader got, envelope and greeting included.
fn no_trace(number: usize, exchange: &Exchange) -> Check {
    let arrival = &exchange.arrival;
    let mut found = traces::in_message(&arrival.octets, exchange.from.traces);
    for (place, text) in [("MAIL FROM", &arrival.mail_from), ("EHLO", &arrival.helo)] {
        let text = text.to_lowercase();
        let hits = exchange.from.traces.iter().filter(|trace| text.contains(**trace));
        found.extend(hits.map(|trace| Finding { trace: (*trace).to_owned(), place: place.to_owned() }));
    }
    let had = traces::in_message(&exchange.octets, exchange.from.traces).len();
    let evidence = match found.as_slice() {
        [] => format!("sent with {had}, arrived with none"),
        found => list(found),
    };
    let name = format!(
        "mail {number} has no address, host or IP of the {} in any header or part",
        exchange.from.role
    );
    // A mail that gave nothing away when it was sent would prove nothing.
    check(name, found.is_empty() && had > 0, evidence)
}

fn list(found: &[Finding]) -> String {
    let places: Vec<String> = found.iter().map(|f| format!("{} in {}", f.trace, f.place)).collect();
    places.join("; ")
}

/// The reader's server saw an address of the relay's as sender and its own mailbox as recipient.
fn envelope(number: usize, exchange: &Exchange, order: &OrderView) -> Check {
    let arrival = &exchange.arrival;
    let domain = if exchange.from.role == STORE.role {
        order.merchant_alias.domain()
    } else {
        order.customer_alias.domain()
    };
    let from_relay = arrival.mail_from.rsplit_once('@').is_some_and(|(_, d)| d == domain.as_str());
    let ok = from_relay && arrival.rcpt_to == [exchange.to.address()] && arrival.helo == RELAY_HOST;
    let evidence = format!("MAIL FROM:<{}> RCPT TO:<{}>", arrival.mail_from, arrival.rcpt_to.join("> <"));
    check(format!("mail {number} came from the relay to the {} alone", exchange.to.role), ok, evidence)
}

/// The reader sees the writer's alias, and answers to it.
fn sender(number: usize, exchange: &Exchange, arrived: &Reading, order: &OrderView) -> Check {
    let alias = if exchange.from.role == STORE.role { &order.merchant_alias } else { &order.customer_alias };
    let seen = arrived.address_in("From");
    let reply_to = arrived.all("Reply-To").next().map_or(seen, |_| arrived.address_in("Reply-To"));
    let ok = seen == alias.to_string() && reply_to == seen && arrived.all("From").count() == 1;
    check(format!("mail {number} shows the alias of the {} as its sender", exchange.from.role), ok, seen)
}

/// Subject and every text arrived as sent, addresses aside, in the charsets in which they were sent.
fn whole(number: usize, sent: &Reading, arrived: &Reading, order: &OrderView) -> Check {
    let subject = sent.header("Subject") == arrived.header("Subject");
    let same = sent.texts.len() == arrived.texts.len()
        && sent.texts.iter().zip(&arrived.texts).all(|(sent, arrived)| {
            sent.subtype == arrived.subtype
                && sent.charset.eq_ignore_ascii_case(&arrived.charset)
                && aliased(&sent.content, order) == arrived.content
        });
    let seen: Vec<String> = arrived
        .texts
        .iter()
        .map(|text| {
            format!("text/{} {}, {} characters", text.subtype, text.charset, text.content.chars().count())
        })
        .collect();
    let name = format!("mail {number} kept its subject and every word, each text in its own charset");
    check(name, subject && same && !sent.texts.is_empty(), seen.join("; "))
}

/// A text with each real address replaced by its alias.
pub(super) fn aliased(text: &str, order: &OrderView) -> String {
    let mut text = text.to_owned();
    for (player, alias) in [(&STORE, &order.merchant_alias), (&CUSTOMER, &order.customer_alias)] {
        for address in player.addresses {
            text = text.replace(address, &alias.to_string());
        }
    }
    text
}

fn files(number: usize, sent: &Reading, arrived: &Reading) -> Check {
    let seen: Vec<String> = arrived
        .attachments
        .iter()
        .map(|file| format!("{}, {} octets", file.name, file.octets.len()))
        .collect();
    let ok = sent.attachments == arrived.attachments;
    check(format!("mail {number} kept its file, octet for octet"), ok, seen.join("; "))
}

/// Both algorithms, with the domain of the alias in From (RFC 6376, RFC 8463).
fn signed(number: usize, arrived: &Reading) -> Check {
    let domain = arrived.address_in("From").rsplit_once('@').map_or("", |(_, domain)| domain);
    let tags = |signature: &str| {
        let tag = |name: &str| {
            signature.split(';').find_map(|tag| tag.trim().strip_prefix(name).map(|v| v.trim().to_owned()))
        };
        (tag("a=").unwrap_or_default(), tag("d=").unwrap_or_default())
    };
    let signatures: Vec<(String, String)> = arrived.all("DKIM-Signature").map(tags).collect();
    let has = |algorithm: &str| signatures.iter().any(|(a, d)| a == algorithm && d == domain);
    let ok = signatures.len() == 2 && has("rsa-sha256") && has("ed25519-sha256");
    let seen: Vec<String> = signatures.iter().map(|(a, d)| format!("{a} by {d}")).collect();
    check(format!("mail {number} is signed by DKIM with RSA and Ed25519"), ok, seen.join("; "))
}

fn tls(number: usize, arrival: &Arrival) -> Check {
    let seen = arrival.tls.clone();
    check(
        format!("mail {number} was delivered inside TLS"),
        seen.is_some(),
        seen.unwrap_or("in clear".into()),
    )
}

/// Replies answer what their readers wrote, by the Message-IDs that their own programs gave.
fn threads(readings: &[(Reading, Reading)]) -> Vec<Check> {
    let [(_, first), (_, second), (_, third)] = readings else {
        return vec![check(
            "the mails form one thread in both mailboxes",
            false,
            "not all of them can be read",
        )];
    };
    let own = |number| own_id(number);
    let answered = second.header("In-Reply-To");
    let to_store = answered == own(1) && second.header("References") == own(1);
    let back = third.header("In-Reply-To");
    let references = format!("{} {}", first.header("Message-ID"), own(2));
    let to_customer = back == own(2) && third.header("References") == references;
    let hidden = [(first, 1), (second, 2), (third, 3)].iter().all(|(r, n)| {
        let id = r.header("Message-ID");
        !id.is_empty() && id != own(*n)
    });
    vec![
        check(
            "mail 2 answers, in the store's mailbox, the Message-ID that the store gave mail 1",
            to_store,
            answered,
        ),
        check(
            "mail 3 answers, in the customer's mailbox, the Message-ID that the customer gave mail 2",
            to_customer,
            back,
        ),
        check("no Message-ID reaches the other side as it was", hidden, first.header("Message-ID")),
    ]
}

fn refused(name: &str, sending: &Sending, place: &str, code: u16, enhanced: &str) -> Check {
    match sending {
        Sending::Taken(answer) => check(name, false, answer.to_string()),
        Sending::Refused { at, answer } => {
            let ok = *at == place && answer.code == code && answer.text.starts_with(enhanced);
            check(name, ok, format!("at {at}: {answer}"))
        }
    }
}

fn at_rest(attempts: &Attempts) -> Check {
    let sweep = &attempts.sweep;
    let evidence = match sweep.found.as_slice() {
        [] => format!("{} files, {} octets searched", sweep.files, sweep.octets),
        found => list(found),
    };
    let name = "database, WAL and all other files hold no address, name, subject or sentence of it";
    check(name, sweep.found.is_empty() && sweep.files >= FILES_MIN, evidence)
}

#[cfg(test)]
mod tests;
