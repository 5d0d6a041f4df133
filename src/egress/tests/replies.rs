//! Replies that the configuration reads otherwise.

use super::attempt::{ASK, HELLO, check};
use crate::egress::replies::{Override, OverrideFault, Overrides};

fn refused(reply: &str) -> String {
    format!("{ASK}s: 250 ok\ns: {reply}\ns: 503 5.5.1 no\n")
}

#[tokio::test]
async fn the_first_entry_that_fits_decides_between_failure_and_deferral() {
    let entries = [
        ("other.example", "550", "", "defer"),
        ("example", "550 5.7.1", "Rate LIMIT", "defer"),
        ("*", "452 4.2.2", "", "fail"),
        ("mail.example", "550 5.7.1", "", "fail"),
    ];
    for (reply, expected) in [
        ("550 5.7.1 your rate limit is reached", "deferred 4.7.1 rcpt"),
        ("550 5.7.1 blocked", "failed 5.7.1 rcpt"),
        ("550 5.1.1 rate limit of unknown users", "failed 5.1.1 rcpt"),
        ("452 4.2.2 full", "failed 5.2.2 rcpt"),
        ("450 4.2.2 full", "deferred 4.2.2 rcpt"),
    ] {
        let overrides = entries.map(|(a, b, c, d)| Override::parse(a, b, c, d).unwrap()).to_vec();
        let script = [HELLO, &refused(reply), "c: QUIT"];
        check(&[&script], "none", |config| config.replies = Overrides(overrides), &[expected]).await;
    }
}

#[test]
fn an_entry_that_is_none_says_why() {
    for (domain, code, class, fault) in [
        ("a..b", "550", "defer", OverrideFault::Domain),
        ("*", "250", "defer", OverrideFault::Code),
        ("*", "550 5.7", "defer", OverrideFault::Code),
        ("*", "550 2.0.0", "defer", OverrideFault::Code),
        ("*", "x", "defer", OverrideFault::Code),
        ("*", "550", "drop", OverrideFault::Class),
    ] {
        assert_eq!(Override::parse(domain, code, "", class), Err(fault), "{domain} {code} {class}");
    }
}

#[tokio::test]
async fn greylisting_passes_whatever_code_it_comes_under_and_the_file_comes_first() {
    let built_in = crate::config::Reply::built_in();
    let parse = |reply: &crate::config::Reply| {
        Override::parse(&reply.domain.to_string(), &reply.code, &reply.text, reply.class.as_str()).unwrap()
    };
    let all: Vec<Override> = built_in.iter().map(parse).collect();
    let mut own = vec![Override::parse("example", "554", "greylist", "fail").unwrap()];
    own.extend(all.iter().cloned());
    for (entries, reply, expected) in [
        (&all, "554 5.7.1 Greylisted, try again in 300 seconds", "deferred 4.7.1 rcpt"),
        (&all, "550 5.1.1 no", "failed 5.1.1 rcpt"),
        (&own, "554 5.7.1 Greylisted", "failed 5.7.1 rcpt"),
    ] {
        let script = [HELLO, &refused(reply), "c: QUIT"];
        check(&[&script], "none", |config| config.replies = Overrides(entries.clone()), &[expected]).await;
    }
}

#[tokio::test]
async fn a_host_that_the_operator_named_and_that_takes_no_mail_keeps_it_waiting() {
    check(&[&["s: 521 mx.example takes no mail"]], "none", |_| {}, &["deferred 4.3.2 greeting"]).await;
}
