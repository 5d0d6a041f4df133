//! What is done with random octets, and what must hold whatever they are.
//!
//! Rules: a target panics where something does not hold; it takes any octets, and time that grows with them.
//! When it fails: `tests/fuzz/run` keeps the octets below `regressions/TARGET`, and the tests here replay them for ever.

use crate::anonymize::{
    Outcome, Party, Passage, Refusal, Rules, Secret, anonymize, facts, header_from, message_id, message_ids,
};
use crate::document::{self, Limits};
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use crate::mime::automatic::{self, ReversePath};
use crate::mime::charset::Charset;
use crate::mime::downgrade::{Extent, downgrade, has_long_lines};
use crate::mime::transfer::{Edit, Encoding, apply};
use crate::mime::tree::{self, Budget};
use crate::mime::words::Segment;
use crate::mime::{cms, header, lines, params, pgp, rtf, tnef, uuencode, words};
use crate::proxy::{ProxyHeader, ProxyStep, proxy_step};
use crate::query::{Filter, IdSpan, Numbers, Outline, Plan, Query, complete};
use crate::reader::{self, Wanted};
use crate::wire;
use crate::{http_response, rua, sts};

/// All targets.
pub const TARGETS: [(&str, fn(&[u8])); 18] = [
    ("mime", mime),
    ("header", header),
    ("html", html),
    ("calendar", calendar),
    ("tnef", tnef),
    ("cms", cms),
    ("document", document),
    ("dsn", dsn),
    ("proxy", proxy),
    ("whole", whole),
    ("policy", policy),
    ("downgrade", downgrade_target),
    ("binary", binary),
    ("path", wire::path),
    ("auth", wire::auth),
    ("session", wire::session),
    ("client", wire::client),
    ("query", query_target),
];

const CUSTOMER: &str = "hana.suzuki@mailbox.example";
const MERCHANT: &str = "owner@tanuki-shop.example";
/// Longest input that is read slowly, in octets.
const MOST: usize = 64 * 1024;

fn passed(mail: &[u8]) -> Result<Outcome, Refusal> {
    let (customer, merchant) = (RealAddress::parse(CUSTOMER).unwrap(), RealAddress::parse(MERCHANT).unwrap());
    let alias = |local: &str, domain: &str| Alias::new(local, Domain::parse(domain).unwrap());
    let customer_alias = alias("a0c7kq2m4n6p8r0t2v4x6z8b0d2f", "pc.fw.relay.example");
    let merchant_alias = alias("a0m5hy3k7q9s1u3w5y7a9c1e3g5i", "shop.relay.example");
    let passage = Passage {
        from: &customer_alias,
        fallback_name: "Customer",
        to: std::slice::from_ref(&merchant_alias),
        secrets: &[
            Secret { address: &customer, alias: &customer_alias },
            Secret { address: &merchant, alias: &merchant_alias },
        ],
        message_id: &|id| {
            format!(
                "<{:08x}@fw.relay.example>",
                id.bytes().fold(7u32, |h, b| h.wrapping_mul(31) ^ u32::from(b))
            )
        },
        relay_host: "mx.relay.example",
        queue_id: "Q1",
        hops: "",
        at: Timestamp::parse_rfc3339("2026-11-22T00:00:05Z").unwrap(),
        peer: Some(&[]),
        writer: Party::Customer,
        rules: Rules::default(),
    };
    anonymize(mail, &passage)
}

fn longest_line(mail: &[u8]) -> usize {
    mail.split(|b| *b == b'\n').map(<[u8]>::len).max().unwrap_or(0)
}

/// A whole mail: there is an answer, and what passes names nobody, can be read, and passes again as it is.
pub fn whole(mail: &[u8]) {
    let mail = &mail[..mail.len().min(MOST)];
    let _ = (header_from(mail).is_ok(), message_id(mail), message_ids(mail), facts(mail).files);
    let Ok(Outcome { message: Ok(message), .. }) = passed(mail) else { return };
    let out = message.as_bytes();
    assert!(!lines::has_bare(out), "a bare line end");
    // Where a line was too long before (RFC 5322 §2.1.1), it may stay so.
    let was_long = longest_line(&lines::only_crlf(mail)) > 1000;
    assert!(was_long || longest_line(out) <= 1000, "a line that is too long");
    for secret in [CUSTOMER, MERCHANT] {
        let seen = reader::sees_plainly(out, &Wanted::address(secret));
        assert!(seen.is_none(), "{secret} can be read: {seen:?}");
    }
    assert!(mail_parser::MessageParser::new().parse(out).is_some(), "no message for another parser");
    match passed(out) {
        Ok(Outcome { message: Ok(again), .. }) => {
            // Ids of messages inside and of calendars are mapped once more.
            let maps =
                [&b"message"[..], b"digest", b"BEGIN:V", b"rfc822"].iter().any(|word| holds(out, word));
            assert!(maps || body(again.as_bytes()) == body(out), "the second pass changes the body");
        }
        Ok(Outcome { message: Err(held), .. }) => panic!("held at the second pass: {:?}", held.why),
        Err(refusal) => panic!("refused at the second pass: {refusal:?}"),
    }
}

fn holds(octets: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(&octets.to_ascii_lowercase(), &word.to_ascii_lowercase()).is_some()
}

fn body(mail: &[u8]) -> &[u8] {
    memchr::memmem::find(mail, b"\r\n\r\n").map_or(&[], |at| &mail[at..])
}

/// A mail made of what a reader reads: there is an answer, and what passes is a message. Whether it names somebody is
/// `whole`'s to say, and the planted corpus's.
fn around(fields: &str, body: &[u8]) {
    let mail = [b"From: x@y.example\r\nMIME-Version: 1.0\r\n", fields.as_bytes(), b"\r\n\r\n", body].concat();
    let mail = &mail[..mail.len().min(MOST)];
    let Ok(Outcome { message: Ok(message), .. }) = passed(mail) else { return };
    let out = message.as_bytes();
    assert!(!lines::has_bare(out), "a bare line end");
    let was_long = longest_line(&lines::only_crlf(mail)) > 1000;
    assert!(was_long || longest_line(out) <= 1000, "a line that is too long");
    assert!(mail_parser::MessageParser::new().parse(out).is_some(), "no message for another parser");
}

/// What is read of strangers before mail goes to them: MTA-STS and TLS-RPT.
pub fn policy(octets: &[u8]) {
    let texts: Vec<Vec<u8>> = octets.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
    let id = sts::read_record(&texts);
    assert!(id.is_none_or(|id| (1..=32).contains(&id.len()) && id.is_ascii()));
    let readers = rua::readers(&texts);
    assert!(readers.addresses.len() <= 4 && readers.endpoints.len() <= 4);
    for endpoint in &readers.endpoints {
        assert!(
            endpoint.path.starts_with('/') && endpoint.path.bytes().all(|octet| octet.is_ascii_graphic())
        );
    }
    for end in [http_response::End::Open, http_response::End::Closed] {
        if let Ok(Some(body)) = http_response::body_of(octets, end, &["text/plain"], sts::MAX_POLICY) {
            assert!(body.len() <= sts::MAX_POLICY);
        }
    }
    if let Some(policy) = sts::Policy::read(octets) {
        assert!(policy.max_age <= sts::MAX_AGE);
        assert!(policy.lines.iter().all(|line| !line.chars().any(char::is_control)));
        for host in policy.patterns().filter_map(|pattern| Domain::parse(&pattern.replace('*', "mx")).ok()) {
            assert!(policy.names(&host), "a policy does not name what its own pattern is");
        }
    }
}

/// The header of a balancer, read as from a socket: each step asks for something, never for more than a header has, and
/// whoever it names is an address of the family that was written.
pub fn proxy(octets: &[u8]) {
    let mut read = 0;
    loop {
        match proxy_step(&octets[..read]) {
            Ok(ProxyStep::Need(more)) => {
                assert!(more > 0, "it asks for nothing");
                if read + more > octets.len() {
                    return;
                }
                read += more;
            }
            Ok(ProxyStep::Done(header)) => {
                assert!(read <= 16 + 2048, "a header of {read} octets");
                let v6 = octets.starts_with(b"PROXY TCP6") || octets.get(13) == Some(&0x21);
                assert!(!matches!(header, ProxyHeader::Client(client) if client.is_ipv6() && !v6));
                return;
            }
            Err(_) => return,
        }
    }
}

/// A message for a hop that takes ASCII alone: nothing else comes out, and what was ASCII in lines that go through stays.
pub fn downgrade_target(octets: &[u8]) {
    let mail = lines::only_crlf(octets);
    let out = downgrade(&mail, Extent::Whole);
    assert!(out.as_ref().is_none_or(|out| out.is_ascii() && !lines::has_bare(out)));
    if mail.is_ascii() && !has_long_lines(&mail) {
        assert!(out.is_none_or(|out| out == *mail), "ASCII was changed");
    }
}

/// The readers of structure, fields, parameters, words, encodings and charsets.
pub fn mime(octets: &[u8]) {
    let clean = lines::only_crlf(octets);
    let _ = tree::parse(&clean, &mut Budget::default()).is_ok();
    let _ = header::scan(&clean, 0..clean.len()).is_ok();
    let structured = params::parse(octets);
    let _ = (structured.text("charset"), structured.text("filename"), structured.plain("boundary"));
    let covered: usize = words::segments(octets)
        .iter()
        .map(|segment| match segment {
            Segment::Plain(range) | Segment::Between(range) => range.len(),
            Segment::Word(word) => word.range.len(),
        })
        .sum();
    assert_eq!(covered, octets.len(), "segments do not cover the value");
    let _ = (words::text(octets), uuencode::blocks(octets), rtf::read(octets));
    for encoding in [Encoding::Identity, Encoding::QuotedPrintable, Encoding::Base64] {
        let decoded = encoding.decode(octets).into_owned();
        // Letters go, as those of an address do: a line end that goes would take blanks before it along.
        let letters =
            |at: &usize| decoded[*at..].iter().take(3).filter(|b| b.is_ascii_alphanumeric()).count() == 3;
        let Some(at) = (decoded.len() / 2..decoded.len()).find(letters) else { continue };
        let edits = [Edit { range: at..at + 3, with: b"alias@relay.example".to_vec() }];
        // What follows text that is decoded to nothing is decoded to nothing too: only sound bodies are held to it.
        if decoded.len() > 8
            && encoding.decode(&encoding.encode(&decoded)) == decoded
            && is_sound(encoding, octets)
        {
            let edited = encoding.edit(octets, &edits);
            assert!(
                encoding.decode(&edited).trim_ascii_end() == apply(&decoded, &edits).trim_ascii_end(),
                "{encoding:?}: an edit changes more"
            );
        }
    }
    for label in [
        "utf-8",
        "iso-2022-jp",
        "shift_jis",
        "euc-jp",
        "gb18030",
        "big5",
        "euc-kr",
        "utf-16",
        "utf-7",
        "utf-32",
    ] {
        let Some(charset) = Charset::for_label(label.as_bytes()) else { continue };
        let (text, good) = charset.decode(octets);
        let view = charset.decode_view(octets);
        assert!(!good || view.bytes() == text.as_bytes(), "{label}: the view is another text");
    }
}

/// Bodies that end where their encoding ends: octets behind base64's end are read by some programs alone.
fn is_sound(encoding: Encoding, octets: &[u8]) -> bool {
    match encoding {
        Encoding::Base64 => octets.iter().all(|b| b.is_ascii_alphanumeric() || b"+/ \r\n!*".contains(b)),
        _ => octets.is_ascii() && !octets.contains(&0) && !lines::has_bare(octets),
    }
}

/// One field of the header, in the message and in a message inside.
pub fn header(octets: &[u8]) {
    whole(&[b"From: x@y.example\r\n", octets, b"\r\n\r\nx\r\n"].concat());
    around("Content-Type: message/rfc822", &[octets, b"\r\n\r\nx\r\n"].concat());
    let _ = header_from(octets).is_ok();
}

/// A page.
pub fn html(octets: &[u8]) {
    around("Content-Type: text/html; charset=utf-8", octets);
}

/// A calendar or a card.
pub fn calendar(octets: &[u8]) {
    around("Content-Type: text/calendar; method=REQUEST; charset=utf-8", octets);
}

/// Outlook's format.
pub fn tnef(octets: &[u8]) {
    let _ = (tnef::is_tnef(octets), tnef::unwrap(octets).is_some());
    let body = Encoding::Base64.encode(octets);
    around("Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64", &body);
}

/// S/MIME in one piece, and PGP in a text.
pub fn cms(octets: &[u8]) {
    let _ = (cms::kind(octets), cms::signed_content(octets));
    let _ = (pgp::cleartext(octets), pgp::keys(octets), pgp::is_encrypted(octets));
    let body = Encoding::Base64.encode(octets);
    around(
        "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64",
        &body,
    );
}

/// A file, searched and without its metadata.
pub fn document(octets: &[u8]) {
    let Some(kind) = document::kind(octets, "", "") else { return };
    let limits = Limits::for_size(octets.len());
    let _ = document::scan(octets, kind, &limits, &mut |_| false);
    let _ = document::without_metadata(octets, kind, &limits);
}

/// Bounces and automatic replies.
pub fn dsn(octets: &[u8]) {
    let _ = automatic::read(octets, ReversePath::Null);
    let _ = automatic::read(octets, ReversePath::Named);
}

/// A binary message as one of lines: it is one, and stays so.
pub fn binary(octets: &[u8]) {
    let Ok(out) = crate::mime::binary::to_lines(octets) else { return };
    assert!(!lines::has_bare(&out) && !out.contains(&0), "no lines");
    assert!(out.is_empty() || out.ends_with(b"\r\n"), "the last line has no end");
    assert!(crate::mime::binary::to_lines(&out).as_ref() == Ok(&out), "the second pass changes it");
}

/// A query: a problem at a place of its text, or a query that is printed as itself and has a plan whose statements hold none of
/// its values.
pub fn query_target(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    for cursor in [0, text.len() / 2, text.len()] {
        let replaces = complete(text, cursor).replaces;
        assert!(text.get(replaces.start..replaces.end).is_some(), "it completes no part of the text");
    }
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(problem) => {
            assert!(text.get(problem.span.start..problem.span.end).is_some(), "no part of the text");
            assert!(problem.show(text).lines().count() >= 3);
            return;
        }
    };
    let printed = query.to_text();
    match Query::parse(&printed) {
        Ok(again) => assert!(again == query && again.to_text() == printed, "{printed}"),
        Err(problem) => panic!("{}", problem.show(&printed)),
    }
    let now = Timestamp::from_millis(1_795_000_000_000);
    let Ok(outline) = Outline::of(&query, now) else { return };
    let found = outline.seeks.iter().map(|seek| {
        seek.filter(&mut |_| Numbers::by_quarter(vec![(226, 7), (227, 8)])).unwrap_or(Filter::Never)
    });
    let found = found.collect();
    let Ok(plan) = Plan::new(outline, found) else { return };
    let _ = plan.explain();
    for slice in plan.slices() {
        let span = IdSpan { from: 1, until: 2, quarters: slice.quarters };
        let few = plan.probes.iter().filter_map(|probe| plan.few(probe, span, 9));
        for statement in plan
            .probes
            .iter()
            .map(Some)
            .chain([None])
            .filter_map(|probe| plan.rows(probe, span, 9))
            .chain(few)
        {
            // The one literal of ours: the index of countries leaves out the most frequent.
            let text = statement.text.replace("<> 'JP'", "<> JP");
            assert!(!text.contains(['\'', ';', '"', '@']), "{text}");
            assert_eq!(statement.text.matches('$').count(), statement.bound.len(), "{}", statement.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Everything that once failed. A folder that is no target is an error.
    #[test]
    fn what_once_failed_does_so_no_more() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
        for folder in
            std::fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
        {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let target =
                TARGETS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}")).1;
            for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                println!("{}", file.display());
                target(&std::fs::read(&file).unwrap());
            }
        }
    }
}
