//! Each row of the table in `resolve.rs`, against a name server.

use super::name_server::NameServer;
use crate::egress::ground::Ground;
use crate::egress::resolve::{NextHops, Origin, Resolvers, Target};
use crate::egress::route::{Host, Route};
use crate::egress::tls::TlsClient;
use crate::mail::Domain;
use crate::smtp::client::Outcome;
use std::collections::HashSet;
use std::time::Duration;

const ZONE: &str = "
    mail.example MX 20 b.mx.example
    mail.example MX 10 a.mx.example
    a.mx.example A 8.8.1.1
    a.mx.example AAAA 2400:cb00::1
    b.mx.example A 8.8.2.2
    equal.example MX 10 a.mx.example
    equal.example MX 10 b.mx.example
    bare.example A 8.8.3.3
    web.example TXT x
    null.example MX 0 .
    mixed.example MX 0 .
    mixed.example MX 10 b.mx.example
    broken.example MX SERVFAIL
    broken.example A 8.8.9.9
    lame.example MX REFERRAL
    lame.example A 8.8.9.9
    gone.example MX 10 nowhere.mx.example
    halfbroken.example MX 10 broken.mx.example
    halfbroken.example MX 20 nowhere.mx.example
    rescued.example MX 10 broken.mx.example
    rescued.example MX 20 b.mx.example
    broken.mx.example A SERVFAIL
    broken.mx.example AAAA SERVFAIL
    private.example MX 10 inside.mx.example
    inside.mx.example A 127.0.0.1
    inside.mx.example A 10.0.0.1
    inside.mx.example A 169.254.169.254
    inside.mx.example AAAA ::1
    inside.mx.example AAAA ::ffff:8.8.8.8
    local.example MX 10 localhost
    literal.example MX 10 8.8.4.4
    partly.example MX 10 partly.mx.example
    partly.mx.example A 10.0.0.1
    partly.mx.example A 8.8.5.5
    many.example MX 10 many.mx.example
    many.mx.example A 8.8.6.1
    many.mx.example A 8.8.6.2
    many.mx.example A 8.8.6.3
    many.mx.example A 8.8.6.4
    many.mx.example AAAA 2400:cb00::61
    many.mx.example AAAA 2400:cb00::62
    several.example MX 10 many.mx.example
    several.example MX 20 b.mx.example
    alias.example CNAME mail.example
    backup.example MX 10 a.mx.example
    backup.example MX 20 relay.example
    backup.example MX 20 b.mx.example
    backup.example MX 30 b.mx.example
    ours.example MX 10 relay.example
    ours.example MX 20 b.mx.example
    address.example MX 10 disguised.mx.example
    disguised.mx.example A 8.8.7.7
    malformed.example MX 10 mx-.mx.example
    malformed.example A 8.8.9.9
    noughts.example MX 0 .
    noughts.example MX 10 mx-.mx.example
    noughts.example A 8.8.9.9
    halfgood.example MX 10 mx-.mx.example
    halfgood.example MX 20 b.mx.example
    circle.example MX 10 b.mx.example
    circle.example MX 10 disguised.mx.example
    relay.example A 8.8.7.7
    hub.internal.example A 10.1.2.3
";

struct Lab {
    hops: NextHops,
    _server: NameServer,
}

async fn lab(routes: Vec<Route>) -> Lab {
    let server = NameServer::start(ZONE).await;
    let tls = TlsClient::new(None, Duration::ZERO).unwrap();
    let hostname = Domain::parse("relay.example").unwrap();
    let own = vec!["8.8.7.7".parse().unwrap()];
    let hops = NextHops::new(
        &Resolvers::Plain(vec![server.address]),
        tls.proven_config(),
        routes,
        hostname,
        own,
        Ground::default(),
    )
    .unwrap();
    Lab { hops, _server: server }
}

/// The addresses in order, or the verdict.
async fn find(lab: &Lab, domain: &str, random: u64) -> String {
    match lab.hops.find(None, &Domain::parse(domain).unwrap(), random).await {
        Ok(targets) => {
            let host = |target: &Target| {
                target.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
            };
            targets.iter().map(host).collect::<Vec<_>>().join(" ")
        }
        Err(verdict) => {
            let kind = match verdict.outcome {
                Outcome::Delivered { .. } => "delivered",
                Outcome::Deferred { .. } => "deferred",
                Outcome::Failed { .. } => "failed",
            };
            let (c, s, d) = verdict.outcome.status().enhanced_or_general();
            format!("{kind} {} {c}.{s}.{d}", verdict.outcome.status().code)
        }
    }
}

#[tokio::test]
async fn each_row_of_the_table_holds() {
    let lab = lab(Vec::new()).await;
    for (domain, expected) in [
        ("mail.example", "[2400:cb00::1]:25|8.8.1.1:25 8.8.2.2:25"),
        ("MAIL.example.", "[2400:cb00::1]:25|8.8.1.1:25 8.8.2.2:25"),
        ("alias.example", "[2400:cb00::1]:25|8.8.1.1:25 8.8.2.2:25"),
        ("bare.example", "8.8.3.3:25"),
        ("nothing.example", "failed 550 5.1.2"),
        ("web.example", "failed 550 5.4.4"),
        ("null.example", "failed 556 5.1.10"),
        ("mixed.example", "8.8.2.2:25"),
        ("broken.example", "deferred 451 4.4.3"),
        ("lame.example", "deferred 451 4.4.3"),
        ("gone.example", "failed 550 5.4.4"),
        ("halfbroken.example", "deferred 451 4.4.3"),
        ("rescued.example", "8.8.2.2:25"),
        ("malformed.example", "failed 550 5.4.4"),
        ("noughts.example", "failed 550 5.4.4"),
        ("halfgood.example", "8.8.2.2:25"),
        ("private.example", "failed 550 5.4.4"),
        ("local.example", "failed 550 5.4.4"),
        ("literal.example", "failed 550 5.4.4"),
        ("partly.example", "8.8.5.5:25"),
        ("many.example", "[2400:cb00::61]:25|8.8.6.1:25 [2400:cb00::62]:25|8.8.6.2:25 8.8.6.3:25 8.8.6.4:25"),
        ("several.example", "[2400:cb00::61]:25|8.8.6.1:25 8.8.2.2:25"),
        ("backup.example", "[2400:cb00::1]:25|8.8.1.1:25"),
        ("ours.example", "failed 550 5.4.6"),
        ("address.example", "failed 550 5.4.6"),
        ("circle.example", "failed 550 5.4.6"),
        ("relay.example", "failed 550 5.4.6"),
        ("[8.8.8.8]", "failed 550 5.1.2"),
    ] {
        for random in [1, 2, 77] {
            assert_eq!(find(&lab, domain, random).await, expected, "{domain}");
        }
    }
}

#[tokio::test]
async fn equal_preferences_take_turns_by_chance() {
    let lab = lab(Vec::new()).await;
    let mut orders = HashSet::new();
    for random in 0u64..20 {
        orders.insert(find(&lab, "equal.example", random.wrapping_mul(0x9e37_79b9_7f4a_7c15)).await);
    }
    assert_eq!(orders.len(), 2, "{orders:?}");
}

#[tokio::test]
async fn a_route_comes_before_the_dns_and_may_lead_anywhere() {
    let routes = vec![
        Route::parse("mail.example", "127.0.0.1:2525", "none").unwrap(),
        Route::parse("nothing.example", "hub.internal.example:587", "verify").unwrap(),
        Route::parse("ours.example", "missing.internal.example:25", "may").unwrap(),
        Route::parse("[8.8.8.8]", "[::1]:2525", "may").unwrap(),
    ];
    let lab = lab(routes).await;
    assert_eq!(find(&lab, "mail.example", 1).await, "127.0.0.1:2525");
    assert_eq!(find(&lab, "nothing.example", 1).await, "10.1.2.3:587");
    assert_eq!(find(&lab, "[8.8.8.8]", 1).await, "[::1]:2525");
    assert_eq!(find(&lab, "bare.example", 1).await, "8.8.3.3:25");
    // A slip in the operator's own DNS must not make mail fail.
    assert_eq!(find(&lab, "ours.example", 1).await, "deferred 451 4.4.3");
}

#[tokio::test]
async fn a_target_knows_its_origin_and_host() {
    let lab = lab(vec![Route::parse("x.example", "hub.internal.example:25", "may").unwrap()]).await;
    for (domain, origin, host) in [
        ("mail.example", Origin::Mx, "a.mx.example"),
        ("bare.example", Origin::ImplicitMx, "bare.example"),
        ("x.example", Origin::Route, "hub.internal.example"),
    ] {
        let targets = lab.hops.find(None, &Domain::parse(domain).unwrap(), 1).await.ok().unwrap();
        assert_eq!(targets[0].origin, origin, "{domain}");
        assert_eq!(targets[0].host, Host::Name(Domain::parse(host).unwrap()), "{domain}");
    }
}

#[tokio::test]
async fn a_plain_question_gets_records_none_or_unknown() {
    use crate::dns::{Kind, Looked, Lookup};
    let server = NameServer::start(
        "relay.test A 192.0.2.1\nrelay.test AAAA 2001:db8::1\nshop.test MX 10 relay.test\n\
         shop.test TXT v=spf1 a:rel|ay.test -all\n1.2.0.192.in-addr.arpa PTR relay.test\nbroken.test MX SERVFAIL",
    )
    .await;
    let lookup = Lookup::new(&[server.address]).unwrap();
    let found = |texts: &[&str]| Looked::Found(texts.iter().map(|&text| text.to_owned()).collect());
    for (name, kind, looked) in [
        ("relay.test", Kind::Address, found(&["192.0.2.1", "2001:db8::1"])),
        ("shop.test", Kind::Mx, found(&["10 relay.test."])),
        ("shop.test", Kind::Txt, found(&["v=spf1 a:relay.test -all"])),
        ("1.2.0.192.in-addr.arpa", Kind::Ptr, found(&["relay.test."])),
        ("relay.test", Kind::Mx, Looked::None),
        ("nowhere.test", Kind::Txt, Looked::None),
        ("broken.test", Kind::Mx, Looked::Unknown),
    ] {
        assert_eq!(lookup.ask(name, kind).await, looked, "{name}");
    }
}
