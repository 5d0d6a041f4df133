//! The rows of docs/senders.md: where each mail comes from, how it is made, and what becomes of it.

use super::senders::{ELSEWHERE, FORWARDER, PROVIDER, Stage, idn};
use super::senders_rows::*;
use crate::peer::{dkimpy, eventually};
use anshin::mail::Timestamp;
use mail_auth::crypto::Ed25519Key;
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::HeaderWriter;
use std::time::Duration;

/// All rows.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn rows(stage: &Stage) -> Vec<Row> {
    use Outcome::{Arrives, Deferred, Held, Refused};
    let at = |name: &str| format!("hana@{}", of(stage, name));
    let (spf, dkim, reject) = (at("spf"), at("dkim"), at("reject"));
    let forwarded = format!("bounces@{}", of(stage, "forward"));
    let helo = format!("out.spf-{}.test", stage.needle);
    let mut rows = Vec::new();
    let mut row =
        |case, address: &str, path: &str, ip, make: fn(&Stage, Vec<u8>) -> Vec<u8>, outcome, code| {
            let (customer, from, path) = (address.to_owned(), address.to_owned(), path.to_owned());
            rows.push(Row { case, customer, from, path, ip, helo: helo.clone(), make, outcome, code });
        };
    // The envelope.
    row("From the provider's server, which SPF names", &spf, &spf, PROVIDER, as_written, Arrives, "250");
    row("From another server, nothing else published", &spf, &spf, ELSEWHERE, as_written, Held, "250");
    row("A domain that publishes nothing", &at("bare"), &at("bare"), PROVIDER, as_written, Held, "250");
    row(
        "DMARC asks for quarantine, and nothing passes",
        &at("quarantine"),
        &at("quarantine"),
        ELSEWHERE,
        as_written,
        Held,
        "250",
    );
    row(
        "DMARC asks for refusal, and nothing passes",
        &reject,
        &reject,
        ELSEWHERE,
        as_written,
        Refused,
        "550 5.7.26",
    );
    row(
        "BATV: the reverse-path is prvs=TAG=local@domain",
        &spf,
        &format!("prvs=0123456789={spf}"),
        PROVIDER,
        as_written,
        Arrives,
        "250",
    );
    row(
        "BATV with another tag: btv1==TAG==local@domain",
        &spf,
        &format!("btv1==0123456789=={spf}"),
        PROVIDER,
        as_written,
        Arrives,
        "250",
    );
    row(
        "SRS0 of a forwarder, DKIM survives",
        &dkim,
        &format!("SRS0=ab12=cd={}=hana@{}", of(stage, "dkim"), of(stage, "forward")),
        FORWARDER,
        own_signature,
        Arrives,
        "250",
    );
    row(
        "SRS0 of a forwarder, no DKIM",
        &spf,
        &format!("SRS0=ab12=cd={}=hana@{}", of(stage, "spf"), of(stage, "forward")),
        FORWARDER,
        as_written,
        Held,
        "250",
    );
    row(
        "SRS1 of a second forwarder, DKIM survives",
        &dkim,
        &format!("SRS1=ab12=x.test==cd=ef={}=hana@{}", of(stage, "dkim"), of(stage, "forward")),
        FORWARDER,
        own_signature,
        Arrives,
        "250",
    );
    row(
        "A carrier's gateway that SPF does not name, no DKIM",
        &spf,
        &spf,
        FORWARDER,
        as_written,
        Held,
        "250",
    );
    row(
        "A plain forwarder: SPF breaks, DKIM survives",
        &dkim,
        &dkim,
        FORWARDER,
        own_signature,
        Arrives,
        "250",
    );
    row(
        "An address of a hiding service, bounces to its own subdomain",
        &spf,
        &format!("x7@bounce.spf-{}.test", stage.needle),
        PROVIDER,
        as_written,
        Arrives,
        "250",
    );
    row(
        "The reverse-path lies in a subdomain",
        &spf,
        &format!("b@bounce.spf-{}.test", stage.needle),
        PROVIDER,
        as_written,
        Arrives,
        "250",
    );
    row(
        "The same, where DMARC asks for strict alignment",
        &at("strict"),
        &format!("b@bounce.strict-{}.test", stage.needle),
        PROVIDER,
        as_written,
        Refused,
        "550 5.7.26",
    );
    row(
        "Strict alignment, the very domain",
        &at("strict"),
        &at("strict"),
        PROVIDER,
        as_written,
        Arrives,
        "250",
    );
    row(
        "The reverse-path is a stranger's, proven",
        &spf,
        &format!("x@liar-{}.test", stage.needle),
        ELSEWHERE,
        as_written,
        Held,
        "250",
    );
    row("SPF with more than ten look-ups", &at("many"), &at("many"), PROVIDER, as_written, Held, "250");
    row("SPF with three look-ups of nothing", &at("void"), &at("void"), PROVIDER, as_written, Held, "250");
    row(
        "The DNS does not answer for what SPF includes",
        &at("slow"),
        &at("slow"),
        PROVIDER,
        as_written,
        Deferred,
        "451 4.7.0",
    );
    row(
        "The DNS does not answer for the domain",
        &format!("hana@x.broken-{}.test", stage.needle),
        &format!("hana@x.broken-{}.test", stage.needle),
        PROVIDER,
        as_written,
        Deferred,
        "451 4.7.0",
    );
    // The header.
    row(
        "Several addresses in From",
        &spf,
        &spf,
        PROVIDER,
        |_, mail| with_from(&mail, |own| format!("From: {own}, other@x.test\r\n")),
        Refused,
        "550 5.7.1",
    );
    row("No From", &spf, &spf, PROVIDER, |_, mail| with_from(&mail, |_| String::new()), Refused, "554 5.6.0");
    row(
        "Two From fields",
        &spf,
        &spf,
        PROVIDER,
        |_, mail| with_from(&mail, |own| format!("From: {own}\r\nFrom: {own}\r\n")),
        Refused,
        "554 5.6.0",
    );
    row(
        "A group in From",
        &spf,
        &spf,
        PROVIDER,
        |_, mail| with_from(&mail, |own| format!("From: Us: {own};\r\n")),
        Refused,
        "554 5.6.0",
    );
    row(
        "A domain in U-labels in From, in A-labels on the wire",
        &format!("hana@花{}.test", stage.needle),
        &format!("hana@{}", idn(&stage.needle)),
        PROVIDER,
        as_written,
        Arrives,
        "250",
    );
    row(
        "A local part in UTF-8",
        &format!("花@spf-{}.test", stage.needle),
        &format!("b@spf-{}.test", stage.needle),
        PROVIDER,
        as_written,
        Arrives,
        "250",
    );
    // Signatures.
    row(
        "DKIM, Ed25519",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| {
            let key = Ed25519Key::from_pkcs8_der(&stage.ed25519).unwrap();
            signed(key, &of(stage, "dkim"), "ed", &SIGNED, &mail)
        },
        Arrives,
        "250",
    );
    row(
        "DKIM, and the body was changed",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| with_footer(&own_signature(stage, mail)),
        Held,
        "250",
    );
    row(
        "DKIM, and the subject was changed",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| replaced(&own_signature(stage, mail), "Subject: ", "Subject: [list] "),
        Held,
        "250",
    );
    row(
        "Two signatures, the first one broken",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| {
            let good = own_signature(stage, mail);
            let bad = replaced(
                &own_signature(stage, b"From: x@y.test\r\n\r\n\r\n".to_vec()),
                "\r\nFrom: x@y.test\r\n\r\n\r\n",
                "\r\n",
            );
            [bad, good].concat()
        },
        Arrives,
        "250",
    );
    row(
        "Its own signature behind fifteen of others",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| {
            (0..15).fold(own_signature(stage, mail), |mail, n| {
                signed(rsa(stage), &format!("n{n}.liar-{}.test", stage.needle), "own", &SIGNED, &mail)
            })
        },
        Arrives,
        "250",
    );
    row(
        "A signature of another domain",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| signed(rsa(stage), &of(stage, "liar"), "own", &SIGNED, &mail),
        Held,
        "250",
    );
    row(
        "A signature with l=",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| {
            let signer = DkimSigner::from_key(rsa(stage))
                .domain(of(stage, "dkim"))
                .selector("own")
                .headers(SIGNED.to_vec());
            [signer.body_length(true).sign(&mail).unwrap().to_header().into_bytes(), mail].concat()
        },
        Held,
        "250",
    );
    row(
        "A signature that has expired (x=)",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| {
            let signer = DkimSigner::from_key(rsa(stage))
                .domain(of(stage, "dkim"))
                .selector("own")
                .headers(SIGNED.to_vec());
            let signature = signer.expiration(Duration::from_secs(1)).sign(&mail).unwrap().to_header();
            let over = Timestamp::now().after(Duration::from_secs(2));
            eventually("the signature has expired", || (Timestamp::now() > over).then_some(()));
            [signature.into_bytes(), mail].concat()
        },
        Held,
        "250",
    );
    row(
        "An RSA key below 1024 bits",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| dkimpy::sign(&mail, &of(stage, "dkim"), "short", "rsa-sha256", &stage.keys[1]),
        Held,
        "250",
    );
    row(
        "SHA-1",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| dkimpy::sign(&mail, &of(stage, "dkim"), "own", "rsa-sha1", &stage.keys[0]),
        Held,
        "250",
    );
    row(
        "Another program's signature, SHA-256",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| dkimpy::sign(&mail, &of(stage, "dkim"), "own", "rsa-sha256", &stage.keys[0]),
        Arrives,
        "250",
    );
    row(
        "A signature that does not cover From",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| signed(rsa(stage), &of(stage, "dkim"), "own", &["Subject", "Date"], &mail),
        Held,
        "250",
    );
    row(
        "A key that is being tried out (t=y)",
        &dkim,
        &forwarded,
        FORWARDER,
        |stage, mail| signed(rsa(stage), &of(stage, "dkim"), "trial", &SIGNED, &mail),
        Held,
        "250",
    );
    // Lists.
    row(
        "A mailing list that keeps From and breaks DKIM",
        &reject,
        &forwarded,
        FORWARDER,
        |stage, mail| with_footer(&rejecting_signature(stage, mail)),
        Refused,
        "550 5.7.26",
    );
    row(
        "The same, sealed by a forwarder that is trusted (ARC)",
        &reject,
        &forwarded,
        FORWARDER,
        |stage, mail| listed(stage, mail, &of(stage, "forward")),
        Arrives,
        "250",
    );
    row(
        "The same, sealed by one that is not",
        &reject,
        &forwarded,
        FORWARDER,
        |stage, mail| listed(stage, mail, &of(stage, "liar")),
        Refused,
        "550 5.7.26",
    );
    row(
        "Sealed by a trusted one, changed afterwards",
        &reject,
        &forwarded,
        FORWARDER,
        |stage, mail| with_footer(&listed(stage, mail, &of(stage, "forward"))),
        Refused,
        "550 5.7.26",
    );
    // Programs.
    row(
        "A vacation text from the null sender, SPF by HELO",
        &format!("hana@out.spf-{}.test", stage.needle),
        "",
        PROVIDER,
        automatic,
        Arrives,
        "250",
    );
    row(
        "The same from another server",
        &format!("hana@out.spf-{}.test", stage.needle),
        "",
        ELSEWHERE,
        automatic,
        Refused,
        "550 5.7.1",
    );
    row("A letter from the null sender", &spf, "", PROVIDER, as_written, Refused, "550 5.7.1");
    rows
}
