//! Mail programs of others against both services: msmtp and swaks over TLS 1.2 and 1.3, IPv4 and IPv6;
//! nodemailer, which many shops' tools are built on; Exim, which hands mail over in chunks; and what comes in binary.

use super::client::Client;
use super::letter::{Letter, header, show};
use super::process::On;
use super::scene::Scene;
use crate::peer::{HOW_TO_RUN, exim, msmtp, swaks};
use data_encoding::BASE64;
use std::process::{Command, Stdio};

#[test]
fn msmtp_submits_with_each_mechanism_over_both_versions_of_tls_and_both_families() {
    for host in ["127.0.0.1", "[::1]"] {
        let listen = format!("'{host}:0'");
        let scene = Scene::with(On::Sqlite, |setup| {
            setup.key("ingress.submission.listen", &listen).key("ingress.submission.tls_listen", &listen)
        });
        let mut count = 0;
        for mechanism in ["plain", "login", "scram-sha-256"] {
            for version in ["1.2", "1.3"] {
                for (server, starttls) in
                    [(scene.relay.submission(), "on"), (scene.relay.submissions(), "off")]
                {
                    let letter = scene.to_customer();
                    let mail = show(&letter.bytes()).replace("\r\n", "\n");
                    let account = (scene.account.user.as_str(), scene.account.password.as_str());
                    let options = [
                        &format!("--auth={mechanism}"),
                        &format!("--tls-priorities=NORMAL:-VERS-ALL:+VERS-TLS{version}"),
                        &format!("--tls-starttls={starttls}"),
                    ];
                    let options = options.map(String::as_str);
                    let sent = msmtp::send(server, &scene.mise.address, &letter.to, &mail, account, &options);
                    let asked = format!("AUTH {}", mechanism.to_ascii_uppercase());
                    assert!(
                        sent.accepted && sent.transcript.contains(&asked),
                        "{options:?}\n{}",
                        sent.transcript
                    );
                    count += 1;
                    let arrived = scene.hana.mailbox.wait_for(count).remove(count - 1).bytes;
                    assert_eq!(header(&arrived, "Subject").unwrap(), letter.subject);
                }
            }
        }
        let wrong = ("0000000000", scene.account.password.as_str());
        for mechanism in ["--auth=plain", "--auth=scram-sha-256"] {
            let letter = scene.to_customer();
            let mail = show(&letter.bytes()).replace("\r\n", "\n");
            let options = [mechanism, "--tls-starttls=on"];
            let server = scene.relay.submission();
            let sent = msmtp::send(server, &scene.mise.address, &letter.to, &mail, wrong, &options);
            assert!(!sent.accepted && sent.transcript.contains("535 5.7.8"), "{}", sent.transcript);
        }
        // TLS 1.1 is none any more (RFC 8996).
        let letter = scene.to_customer();
        let options =
            ["--auth=plain", "--tls-starttls=off", "--tls-priorities=NORMAL:-VERS-ALL:+VERS-TLS1.1"];
        let account = (scene.account.user.as_str(), scene.account.password.as_str());
        let server = scene.relay.submissions();
        assert!(!msmtp::send(server, &scene.mise.address, &letter.to, "\n", account, &options).accepted);
    }
}

/// Submits as shops' tools do: STARTTLS on 587, then TLS on 465, one mail each; prints what the server said.
const NODEMAILER: &str = r#"
const nodemailer = require("/usr/share/nodejs/nodemailer");
const [starttls, tls, user, pass, from, to, subject] = process.argv.slice(1);
(async () => {
  for (const [port, secure] of [[starttls, false], [tls, true]]) {
    const transport = nodemailer.createTransport({
      host: "127.0.0.1", port: Number(port), secure, requireTLS: !secure, auth: { user, pass },
      tls: { rejectUnauthorized: false },
    });
    const sent = await transport.sendMail({
      from, to, subject, text: "ご注文ありがとうございます。" + from,
      attachments: [{ filename: "data.bin", content: Buffer.from([0, 10, 13, 255]) }],
    });
    console.log(sent.response);
    transport.close();
  }
})().catch((fault) => { console.error(fault); process.exit(1); });
"#;

#[test]
fn nodemailer_submits_on_both_ports() {
    let scene = Scene::new(On::Sqlite);
    let letter = scene.to_customer();
    let ports = [scene.relay.submission(), scene.relay.submissions()].map(|server| server.port().to_string());
    let output = Command::new("node")
        .args(["-e", NODEMAILER, "--", &ports[0], &ports[1], &scene.account.user, &scene.account.password])
        .args([&scene.mise.address, &letter.to, &letter.subject])
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|fault| panic!("node: {fault}; {HOW_TO_RUN}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("250 2.0.0 Ok: queued as").count(), 2, "{said}");
    for mail in scene.hana.mailbox.wait_for(2) {
        assert_eq!(header(&mail.bytes, "Subject").unwrap(), letter.subject);
    }
}

#[test]
fn exim_hands_a_mail_over_in_chunks() {
    let scene = Scene::new(On::Sqlite);
    let letter = scene.to_merchant();
    let large = Letter {
        text: format!("{}\r\n{}", letter.text, "Nagai gyo desu\r\n".repeat(20_000)),
        ..scene.to_merchant()
    };
    for (letter, count) in [(letter, 1), (large, 2)] {
        let mail = show(&letter.bytes()).replace("\r\n", "\n");
        let log = exim::send(scene.relay.mx(), &scene.hana.address, &letter.to, mail.as_bytes());
        scene.watch.shown("hana", "her server's log", log.as_bytes());
        let delivered = log.lines().find(|line| line.contains(" => ")).unwrap_or_else(|| panic!("{log}"));
        assert!(delivered.contains(" K ") && delivered.contains("C=\"250"), "not in chunks: {log}");
        let arrived = scene.mise.mailbox.wait_for(count).remove(count - 1).bytes;
        assert_eq!(header(&arrived, "Subject").unwrap(), letter.subject);
        assert!(show(&arrived).contains(&letter.text), "{}", show(&arrived));
    }
}

/// A binary mail with a picture, its first line end missing or not.
fn binary(scene: &Scene, to: &str) -> (Letter, Vec<u8>) {
    let letter = Letter { to: to.to_owned(), ..scene.to_merchant() };
    let head = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\n\
         {}\nkara {} desu\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n",
        letter.from, letter.to, letter.subject, letter.message_id, letter.text, letter.from
    );
    let bytes = [head.as_bytes(), b"\0\r\r\n.\r\n\n\xff\x00", b"\r\n--b--\r\n"].concat();
    (letter, bytes)
}

#[test]
fn a_binary_mail_arrives_in_lines_octet_for_octet_and_names_nobody() {
    let scene = Scene::new(On::Sqlite);
    let (letter, bytes) = binary(&scene, &scene.order.merchant_alias);
    let mut server = Client::hello(scene.relay.mx(), &scene.watch, "hana").unwrap();
    server.say(&format!("MAIL FROM:<{}> BODY=BINARYMIME", scene.hana.address)).unwrap().is("250");
    server.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().is("250");
    let (first, last) = bytes.split_at(bytes.len() / 2);
    for (chunk, mark, reply) in [(first, "", "250 2.0.0 "), (last, " LAST", "250 2.0.0 Ok: queued")] {
        let command = format!("BDAT {}{mark}\r\n", chunk.len());
        server.wire().write(&[command.as_bytes(), chunk].concat()).unwrap();
        server.read().unwrap().is(reply);
    }
    let arrived = scene.mise.mailbox.wait_for(1).remove(0).bytes;
    let parsed = mail_parser::MessageParser::default().parse(&arrived).unwrap();
    assert_eq!(parsed.subject(), Some(letter.subject.as_str()));
    let text = parsed.body_text(0).unwrap();
    assert!(text.contains(&letter.text) && text.contains(&scene.order.customer_alias), "{}", show(&arrived));
    let file = BASE64.encode(b"\0\r\r\n.\r\n\n\xff\x00");
    assert!(show(&arrived).contains(&file), "{}", show(&arrived));

    // Without the word for it the same is refused, and nothing of it arrives.
    server.say(&format!("MAIL FROM:<{}> BODY=8BITMIME", scene.hana.address)).unwrap().is("250");
    server.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().is("250");
    let command = format!("BDAT {} LAST\r\n", bytes.len());
    server.wire().write(&[command.as_bytes(), &bytes].concat()).unwrap();
    server.read().unwrap().is("550 5.6.0 Message refused: it has an LF without CR");
    // What cannot be written in lines is refused with its reason.
    server.say(&format!("MAIL FROM:<{}> BODY=BINARYMIME", scene.hana.address)).unwrap().is("250");
    server.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().is("250");
    let damaged = format!("From: {}\r\nSubject: a\nb\r\n\r\nx", scene.hana.address);
    server.wire().write(format!("BDAT {} LAST\r\n{damaged}", damaged.len()).as_bytes()).unwrap();
    server.read().unwrap().is("554 5.6.1 ");
    assert_eq!(scene.mise.mailbox.count(), 1);
}

#[test]
fn swaks_sends_over_ipv6_to_port_25_and_to_587_with_both_versions_of_tls() {
    let scene = Scene::with(On::Sqlite, |setup| {
        setup.key("ingress.mx.listen", "'[::1]:0'").key("ingress.submission.listen", "'[::1]:0'")
    });
    let user = format!("--auth-user={}", scene.account.user);
    let password = format!("--auth-password={}", scene.account.password);
    for (count, (version, recorded)) in [("tlsv1_2", "TLSv1_2 "), ("tlsv1_3", "TLSv1_3 ")].iter().enumerate()
    {
        let protocol = format!("--tls-protocol={version}");
        let ways: [(_, _, _, &[&str]); 2] = [
            (scene.relay.mx(), &scene.hana.address, scene.to_merchant(), &["-6", "--tls", &protocol]),
            (
                scene.relay.submission(),
                &scene.mise.address,
                scene.to_customer(),
                &["-6", "--tls", &protocol, "--auth=PLAIN", &user, &password],
            ),
        ];
        for (server, from, letter, options) in ways {
            assert!(server.is_ipv6());
            let mail = show(&letter.bytes()).replace("\r\n", "\n");
            let sent = swaks::send(server, from, &[&letter.to], &mail, options);
            assert!(sent.accepted(), "{options:?}\n{}", sent.transcript);
            let told = sent.transcript.split_once("queued as ").unwrap().1;
            let id: String = told.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            let accepted = scene.relay.trace(&["--message", &id]).remove(0).to_string();
            assert!(accepted.contains(recorded) && accepted.contains("\"::1\""), "{accepted}");
        }
        scene.mise.mailbox.wait_for(count + 1);
        scene.hana.mailbox.wait_for(count + 1);
    }
}
