//! Whole attempts over real sockets.

use super::attempt::{
    ASK, HELLO, HELLO_TLS, TAKE, check, config, deliver, deliver_in_utf8, deliver_to, describe, to_server,
};
use super::name_server::NameServer;
use super::script::Script;
use crate::egress::ground::Ground;
use crate::egress::resolve::{Origin, Resolvers};
use crate::egress::{Dotted, Outgoing, Purpose, Transport};
use crate::mail::RealAddress;
use crate::smtp::client::Outcome;
use std::time::Duration;

#[test]
fn an_attempt_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let transport = Transport::new(config(&[])).unwrap();
        let to = RealAddress::parse("hana@mail.example").unwrap();
        let outgoing = Outgoing {
            messages_per_connection: 100,
            route: None,
            reverse_path: None,
            forward_path: &to,
            message: b"",
            eight_bit: false,
            utf8_headers: false,
            purpose: Purpose::Mail,
            require_tls: false,
            dotted: &Dotted::default(),
        };
        is_send(&transport.deliver(outgoing));
    });
}

#[tokio::test]
async fn a_message_arrives_as_it_was_handed_over() {
    let script = format!("{HELLO}{TAKE}{TAKE}c: QUIT");
    let server = Script::start(&[script]).await;
    let transport = Transport::new(to_server(server.address, "none")).unwrap();
    let small = b".\r\n..a\r\n\r\n.\r\n".to_vec();
    let large = b"A line that is repeated until there are some pieces of it.\r\n.dot\r\n".repeat(5000);
    for message in [&small, &large] {
        let report = deliver_to(&transport, "hana@mail.example", message).await;
        assert!(matches!(report.outcome, Outcome::Delivered { status } if status.code == 250));
        assert_eq!(report.remote_text.unwrap().reveal(), "250 2.0.0 taken");
        assert_eq!((report.origin, report.address), (Some(Origin::Route), Some(server.address)));
    }
    transport.close().await;
    assert_eq!(server.ended().await, [small, large]);
}

#[tokio::test]
async fn a_refused_connection_is_a_deferral() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let transport = Transport::new(to_server(nobody, "may")).unwrap();
    assert_eq!(describe(&deliver(&transport).await), "deferred 4.4.1 connect");
}

#[tokio::test]
async fn a_busy_greeting_is_a_deferral() {
    check(&[&["s: 421 4.3.2 busy"]], "may", |_| {}, &["deferred 4.3.2 greeting"]).await;
}

#[tokio::test]
async fn each_phase_has_a_deadline() {
    let short = Duration::from_millis(60);
    check(&[&["hang"]], "may", |c| c.deadlines.greeting = short, &["deferred 4.4.2 greeting"]).await;
    check(&[&["drip"]], "may", |c| c.deadlines.greeting = short, &["deferred 4.4.2 greeting"]).await;
    let ehlo = "s: 220 mx\nc: EHLO relay.example\nhang";
    check(&[&[ehlo]], "may", |c| c.deadlines.ehlo = short, &["deferred 4.4.2 ehlo"]).await;
    check(&[&[HELLO, ASK, "hang"]], "may", |c| c.deadlines.mail = short, &["deferred 4.4.2 mail"]).await;
    let rcpt = "s: 250 ok\nhang";
    check(&[&[HELLO, ASK, rcpt]], "may", |c| c.deadlines.rcpt = short, &["deferred 4.4.2 rcpt"]).await;
    let data = "s: 250 ok\ns: 250 ok\nhang";
    check(&[&[HELLO, ASK, data]], "may", |c| c.deadlines.data = short, &["deferred 4.4.2 data"]).await;
    let dot = "s: 250 ok\ns: 250 ok\ns: 354 go\ncontent\nhang";
    check(&[&[HELLO, ASK, dot]], "may", |c| c.deadlines.dot = short, &["ambiguous 4.4.2 dot"]).await;
    let hello_tls = format!("{HELLO_TLS}c: STARTTLS\nhang");
    check(&[&[&hello_tls]], "encrypt", |c| c.deadlines.start_tls = short, &["deferred 4.4.2 starttls"]).await;
    let handshake = format!("{HELLO_TLS}c: STARTTLS\ns: 220 go\nhang");
    check(&[&[&handshake]], "encrypt", |c| c.deadlines.handshake = short, &["deferred 4.7.5 handshake"])
        .await;
}

#[tokio::test]
async fn a_next_hop_that_stops_reading_does_not_hold_us() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stuck = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mx\r\n").await.unwrap();
        let mut buffer = [0; 512];
        let _ = stream.read(&mut buffer).await.unwrap();
        stream.write_all(b"250-mx\r\n250 PIPELINING\r\n").await.unwrap();
        let _ = stream.read(&mut buffer).await.unwrap();
        stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
        stream
    });
    let mut config = to_server(address, "none");
    config.deadlines.content = Duration::from_millis(60);
    config.deadlines.quit = Duration::from_millis(60);
    let transport = Transport::new(config).unwrap();
    let large = b"0123456789012345678901234567890123456789\r\n".repeat(500_000);
    let report = deliver_to(&transport, "hana@mail.example", &large).await;
    assert_eq!(describe(&report), "deferred 4.4.2 content");
    drop(stuck.await);
}

#[tokio::test]
async fn the_attempt_as_a_whole_has_an_end() {
    let short = Duration::from_millis(60);
    check(&[&[HELLO, ASK, "hang"]], "may", |c| c.attempt = short, &["deferred 4.4.2 mail"]).await;
}

#[tokio::test]
async fn a_refused_recipient_with_pipelined_data_leaves_no_empty_message() {
    for (reply, expected) in
        [("450 4.2.0 later", "deferred 4.2.0 rcpt"), ("550 5.1.1 nobody", "failed 5.1.1 rcpt")]
    {
        let lone =
            format!("{ASK}s: 250 ok\ns: {reply}\ns: 354 go\nc: .\ns: 554 5.5.1 nobody to send to\ngone");
        check(&[&[HELLO, &lone]], "may", |_| {}, &[expected]).await;
        let plain = format!("{ASK}s: 250 ok\ns: {reply}\ns: 503 5.5.1 no\nc: RSET\n");
        let script =
            [HELLO, &plain, ASK, "s: 250 ok\ns: 250 ok\ns: 250 ok\ns: 354 go\ncontent\ns: 250 ok\nc: QUIT"];
        check(&[&script], "may", |_| {}, &[expected, "delivered 2.0.0 dot reused"]).await;
    }
}

#[tokio::test]
async fn a_close_after_the_dot_is_ambiguous_and_no_other_host_is_tried() {
    let names = NameServer::start("mx.test.example A 127.0.0.1\nmx.test.example A 127.0.0.2").await;
    let first = Script::start(&[[HELLO, ASK, "s: 250 ok\ns: 250 ok\ns: 354 go\ncontent"].concat()]).await;
    let port = first.address.port();
    let second = Script::start_at(&format!("127.0.0.2:{port}"), &[]).await;
    let mut config = config(&[("mail.example", &format!("mx.test.example:{port}"), "may")]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    let transport = Transport::new(config).unwrap();
    assert_eq!(describe(&deliver(&transport).await), "ambiguous 4.4.2 dot");
    transport.close().await;
    first.ended().await;
    second.ended().await;
}

/// Two hosts for one domain; what is reported in the end.
async fn two_hosts(first: &[&str], second: &[&str], expected: &str) {
    let names = NameServer::start("mx.test.example A 127.0.0.1\nmx.test.example A 127.0.0.2").await;
    let as_scripts = |parts: &[&str]| if parts.is_empty() { vec![] } else { vec![parts.concat()] };
    let first = Script::start(&as_scripts(first)).await;
    let port = first.address.port();
    let second = Script::start_at(&format!("127.0.0.2:{port}"), &as_scripts(second)).await;
    let mut config = config(&[("mail.example", &format!("mx.test.example:{port}"), "may")]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    let transport = Transport::new(config).unwrap();
    assert_eq!(describe(&deliver(&transport).await), expected);
    transport.close().await;
    first.ended().await;
    second.ended().await;
}

#[tokio::test]
async fn another_host_is_tried_where_it_may_help_and_only_there() {
    let take = [HELLO, TAKE, "c: QUIT"];
    two_hosts(&["s: 421 busy"], &take, "delivered 2.0.0 dot").await;
    two_hosts(&["s: 451 later"], &take, "delivered 2.0.0 dot").await;
    two_hosts(&["s: 521 no mail"], &take, "delivered 2.0.0 dot").await;
    two_hosts(&[HELLO, ASK], &take, "delivered 2.0.0 dot").await;
    two_hosts(&[HELLO, ASK, "s: 421 4.3.2 closing"], &take, "delivered 2.0.0 dot").await;
    let nobody = format!("{ASK}s: 250 ok\ns: 550 5.1.1 nobody\ns: 503 no\ngone");
    two_hosts(&[HELLO, &nobody], &[], "failed 5.1.1 rcpt").await;
    let grey = format!("{ASK}s: 250 ok\ns: 450 4.2.0 later\ns: 503 no\ngone");
    two_hosts(&[HELLO, &grey], &[], "deferred 4.2.0 rcpt").await;
    // What may be mended outweighs what may not, whichever comes first.
    two_hosts(&["s: 521 no mail"], &["s: 421 4.3.2 busy"], "deferred 4.3.2 greeting").await;
    two_hosts(&["s: 421 4.3.2 busy"], &["s: 521 no mail"], "deferred 4.3.2 greeting").await;
    two_hosts(&["s: 521 5.3.0 no mail"], &["s: 521 5.3.0 no mail"], "deferred 4.3.2 greeting").await;
    // The message is too large for one of them.
    let small = HELLO.replace("250-mx", "250-mx\n    s: 250-SIZE 10");
    two_hosts(&[&small], &take, "delivered 2.0.0 dot").await;
    two_hosts(&[&small], &["s: 421 4.3.2 busy"], "deferred 4.3.2 greeting").await;
    two_hosts(&[&small], &[&small], "failed 5.3.4 mail").await;
}

#[tokio::test]
async fn what_the_dns_names_is_dialled_only_in_public() {
    let names = NameServer::start("mail.example MX 10 mx.test.example\nmx.test.example A 127.0.0.1").await;
    let mut config = config(&[]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    let transport = Transport::new(config).unwrap();
    let report = deliver(&transport).await;
    assert_eq!(describe(&report), "failed 5.4.4 resolve");
    assert_eq!((report.origin, report.address), (None, None));
}

#[tokio::test]
async fn silence_of_the_name_server_is_a_deferral() {
    let names = NameServer::start("mail.example MX SILENCE").await;
    let mut config = config(&[]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    config.deadlines.resolve = Duration::from_millis(60);
    let transport = Transport::new(config).unwrap();
    assert_eq!(describe(&deliver(&transport).await), "deferred 4.4.3 resolve");
}

#[tokio::test]
async fn hosts_whose_name_servers_are_silent_do_not_keep_mail_from_one_that_is_known() {
    let silent = "lame1.test.example A SILENCE\nlame2.test.example A SILENCE\nlame3.test.example A SILENCE\n\
        lame1.test.example AAAA SILENCE\nlame2.test.example AAAA SILENCE\nlame3.test.example AAAA SILENCE\n\
        good.test.example A 127.0.1.1\n";
    let preferred = "mail.example MX 10 good.test.example\nmail.example MX 20 lame1.test.example\n\
        mail.example MX 30 lame2.test.example\nmail.example MX 40 lame3.test.example\n";
    let last = "mail.example MX 10 lame1.test.example\nmail.example MX 10 lame2.test.example\n\
        mail.example MX 10 lame3.test.example\nmail.example MX 20 good.test.example\n";
    let lab = async |zone: String| {
        let names = NameServer::start(&zone).await;
        let server = Script::start_at("127.0.1.1:0", &[[HELLO, TAKE, "c: QUIT"].concat()]).await;
        let mut config = config(&[]);
        config.resolvers = Resolvers::Plain(vec![names.address]);
        config.ground = Ground { smtp: server.address.port(), may_dial: |_| true, ..Ground::default() };
        let transport = Transport::new(config).unwrap();
        assert_eq!(describe(&deliver(&transport).await), "delivered 2.0.0 dot", "{zone}");
        transport.close().await;
        server.ended().await;
    };
    tokio::join!(lab(format!("{silent}{preferred}")), lab(format!("{silent}{last}")));
}

#[tokio::test]
async fn a_message_with_a_bare_line_feed_is_not_sent() {
    let refuse = format!("{ASK}s: 250 ok\ns: 250 ok\ns: 354 go\ngone");
    let server = Script::start(&[[HELLO, &refuse].concat()]).await;
    let transport = Transport::new(to_server(server.address, "may")).unwrap();
    let report = deliver_to(&transport, "hana@mail.example", b"a\n.\r\nMAIL FROM:<evil@x.example>\r\n").await;
    assert_eq!(describe(&report), "failed 5.6.0 content");
    transport.close().await;
    assert!(server.contents().is_empty());
}

#[tokio::test]
async fn what_a_server_says_before_it_has_the_message_is_no_answer_to_it() {
    for (early, expected) in [
        ("250 2.0.0 taken", "deferred 4.5.0 content"),
        ("554 5.7.1 no", "failed 5.7.1 content"),
        ("421 4.3.2 going", "deferred 4.3.2 content"),
    ] {
        let answer = format!("{ASK}s: 250 ok\ns: 250 ok\ns: 354 go\ns: {early}\ngone");
        check(&[&[HELLO, &answer]], "none", |_| {}, &[expected]).await;
    }
}

#[tokio::test]
async fn a_host_that_is_away_hides_nothing_of_what_another_does_not_take() {
    let names = NameServer::start("mx.test.example A 127.0.0.1\nmx.test.example A 127.0.0.2").await;
    let first = Script::start(&[HELLO.to_owned()]).await;
    let port = first.address.port();
    let second = Script::start_at(&format!("127.0.0.2:{port}"), &[]).await;
    let mut config = config(&[("mail.example", &format!("mx.test.example:{port}"), "may")]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    let transport = Transport::new(config).unwrap();
    // What it lacks is ours to do without, and the second would not be asked in vain.
    assert_eq!(describe(&deliver_in_utf8(&transport).await), "failed 5.6.7 mail");
    transport.close().await;
    first.ended().await;
    second.ended().await;
}
