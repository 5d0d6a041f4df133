//! What the tests of whole attempts share: dialogues, one message, one report in words.

use super::script::Script;
use crate::egress::resolve::Resolvers;
use crate::egress::route::Route;
use crate::egress::{Dotted, EgressConfig, Outgoing, Purpose, Report, Transport};
use crate::mail::{Alias, Domain, RealAddress};
use crate::smtp::client::Outcome;
use std::net::SocketAddr;
use std::time::Duration;

pub const HELLO: &str = "
    s: 220 mx ESMTP
    c: EHLO relay.example
    s: 250-mx
    s: 250 PIPELINING
";
pub const HELLO_TLS: &str = "
    s: 220 mx ESMTP
    c: EHLO relay.example
    s: 250-mx
    s: 250-STARTTLS
    s: 250 PIPELINING
";
pub const AGAIN: &str = "
    c: EHLO relay.example
    s: 250-mx
    s: 250 PIPELINING
";
pub const ASK: &str = "
    c: MAIL FROM:<aa7@pc.fw.example>
    c: RCPT TO:<hana@mail.example>
    c: DATA
";
pub const TAKE: &str = "
    c: MAIL FROM:<aa7@pc.fw.example>
    c: RCPT TO:<hana@mail.example>
    c: DATA
    s: 250 ok
    s: 250 ok
    s: 354 go
    content
    s: 250 2.0.0 taken
";

pub fn config(routes: &[(&str, &str, &str)]) -> EgressConfig {
    let mut config = EgressConfig::new(Domain::parse("relay.example").unwrap());
    config.routes = routes.iter().map(|(domain, hop, tls)| Route::parse(domain, hop, tls).unwrap()).collect();
    // No test may depend on the machine's name servers; this one answers nobody.
    config.resolvers = Resolvers::Plain(vec!["127.0.0.1:9".parse().unwrap()]);
    config
}

pub fn to_server(address: SocketAddr, tls: &str) -> EgressConfig {
    config(&[("mail.example", &address.to_string(), tls)])
}

pub async fn deliver(transport: &Transport) -> Report {
    deliver_to(transport, "hana@mail.example", b"Subject: a\r\n\r\nHello\r\n.\r\n").await
}

pub async fn deliver_to(transport: &Transport, address: &str, message: &[u8]) -> Report {
    deliver_as(Purpose::Mail, transport, address, message, Needs::Nothing).await
}

pub async fn deliver_for(purpose: Purpose, transport: &Transport, address: &str, message: &[u8]) -> Report {
    deliver_as(purpose, transport, address, message, Needs::Nothing).await
}

pub async fn deliver_requiring_tls(transport: &Transport) -> Report {
    deliver_as(Purpose::Mail, transport, "hana@mail.example", b"a\r\n", Needs::Tls).await
}

/// With a field in UTF-8.
pub async fn deliver_in_utf8(transport: &Transport) -> Report {
    let message = "Subject: 花\r\n\r\nHello\r\n".as_bytes();
    deliver_as(Purpose::Mail, transport, "hana@mail.example", message, Needs::Utf8).await
}

#[derive(PartialEq, Eq)]
enum Needs {
    Nothing,
    Tls,
    Utf8,
}

async fn deliver_as(
    purpose: Purpose,
    transport: &Transport,
    address: &str,
    message: &[u8],
    needs: Needs,
) -> Report {
    let alias = Alias::new("aa7", Domain::parse("pc.fw.example").unwrap());
    let forward_path = RealAddress::parse(address).unwrap();
    let outgoing = Outgoing {
        messages_per_connection: 100,
        route: None,
        reverse_path: Some(&alias),
        forward_path: &forward_path,
        message,
        eight_bit: false,
        utf8_headers: needs == Needs::Utf8,
        require_tls: needs == Needs::Tls,
        purpose,
        dotted: &Dotted::default(),
    };
    tokio::time::timeout(Duration::from_secs(20), transport.deliver(outgoing)).await.expect("it never ended")
}

pub fn describe(report: &Report) -> String {
    let kind = match report.outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Deferred { ambiguous: true, .. } => "ambiguous",
        Outcome::Deferred { .. } => "deferred",
        Outcome::Failed { .. } => "failed",
    };
    let (c, s, d) = report.outcome.status().enhanced_or_general();
    let reused = if report.connection_reused { " reused" } else { "" };
    format!("{kind} {c}.{s}.{d} {}{reused}", report.phase.name())
}

/// Starts a server with these scripts and expects these reports of one delivery after the other.
pub async fn check(scripts: &[&[&str]], tls: &str, tune: impl FnOnce(&mut EgressConfig), expected: &[&str]) {
    let scripts: Vec<String> = scripts.iter().map(|parts| parts.concat()).collect();
    let server = Script::start(&scripts).await;
    let mut config = to_server(server.address, tls);
    tune(&mut config);
    let transport = Transport::new(config).unwrap();
    for expected in expected {
        assert_eq!(describe(&deliver(&transport).await), *expected);
    }
    transport.close().await;
    server.ended().await;
}
