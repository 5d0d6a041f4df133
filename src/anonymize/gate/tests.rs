//! What the gate holds and what it lets through.

mod charsets;
mod places;
mod planted;
mod spellings;
mod traces;

use super::*;
use crate::mail::{Alias, Domain, RealAddress};

/// The secrets of these tests.
const SECRETS: [&str; 5] = [
    "bob@a.example",
    "eve@日本.example",
    "jane.doe@gmail.com",
    "ann+shop@b.example",
    "x.y-z_9@mail.long-name.example",
];

/// What the gate says to a message, with the given traces.
fn gate_with(message: &[u8], traces: &[&str], files: Files) -> Result<(), Refusal> {
    let addresses: Vec<RealAddress> = SECRETS.iter().map(|text| RealAddress::parse(text).unwrap()).collect();
    let alias = Alias::new("a0b1", Domain::parse("pc.fw.relay.example").unwrap());
    let secrets: Vec<Secret<'_>> =
        addresses.iter().map(|address| Secret { address, alias: &alias }).collect();
    let traces: Vec<String> = traces.iter().map(|trace| (*trace).to_owned()).collect();
    let forbidden = Forbidden { secrets: &secrets, traces: &traces, files };
    pass_gate(message.to_vec(), &forbidden).map(drop).map_err(|stopped| stopped.why)
}

fn gate(message: &str) -> Result<(), Refusal> {
    gate_with(message.as_bytes(), &[], Files::Checked)
}

/// Claims that each message is held, or passes.
fn check<M: AsRef<[u8]>>(expected: Result<(), Refusal>, messages: impl IntoIterator<Item = M>) {
    for message in messages {
        let message = message.as_ref();
        let shown = String::from_utf8_lossy(message);
        assert_eq!(gate_with(message, &[], Files::Checked), expected, "{shown:?}");
    }
}

const HELD: Result<(), Refusal> = Err(Refusal::Residue);

#[test]
fn a_residue_in_any_place_and_spelling_is_held() {
    for message in [
        "X: Bob@A.example\r\n\r\n",
        "X: =?utf-8?Q?bo?=\r\n =?utf-8?Q?b=40a.example?=\r\n\r\n",
        "X: bob (c) @a.example\r\n\r\n",
        "Return-Path: <bounce-bob=a.example@lists.example>\r\n\r\n",
        "List-Unsubscribe: <mailto:leave-7-bob=a.example@lists.example>\r\n\r\n",
        "X: =?utf-8?Q?bob=3Da.example?=\r\n\r\n",
        "Content-Type: application/x-db\r\n\r\n\u{1}bounce-bob=a.example\u{2}",
        "Content-Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n\r\neCx4LWJvYj1hLmV4YW1wbGVAbC5leGFtcGxl",
        "Content-Type: x/y; name*0=\"bob@a.\"; name*1=\"example\"\r\n\r\n",
        "S: s\r\n\r\nbob+tag@a.example",
        "S: s\r\n\r\nbob@a.exa\r\n> mple!",
        "S: s\r\n\r\nHana> to bob@a.\r\nHana> example",
        "S: s\r\n\r\n》to bob\r\n》@a.example",
        "S: s\r\n\r\n: to bob@a\r\n: .example",
        "S: s\r\n\r\nbob%2540a.example bob&#64;a.example",
        "S: s\r\n\r\nｂｏｂ＠ａ．ｅｘａｍｐｌｅ",
        "Content-Type: text/html\r\n\r\nb<i>ob&commat;a</i>.example",
        "S: s\r\n\r\nbob [at] a.example",
        "S: s\r\n\r\neve@xn--wgv71a.example",
        "S: s\r\n\r\neve@日本.example",
        "S: s\r\n\r\n\"bob\"@a.example",
        "S: s\r\n\r\n> To: =?utf-8?B?Ym9iQGEuZXhhbXBsZQ==?=",
        "Content-Transfer-Encoding: base64\r\n\r\nWA==\r\nnot base64 but bob@a.example",
        "S: s\r\n\r\nfor\r\nd3JpdGUgdG8gYm9iQGEu\r\nZXhhbXBsZSBub3c=\r\nend",
        "S: s\r\n\r\n<a href=\"data:text/plain;base64,Ym9iQGEuZXhhbXBsZQ==\">",
        "S: s\r\n\r\nb\0o\0b\0@\0a\0.\0e\0x\0a\0m\0p\0l\0e\0",
        "Content-Transfer-Encoding: base64\r\n\r\nYm9iQGEuZXhhbXBsZQ==",
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nbo=\r\nb=40a.example",
        "Content-Transfer-Encoding: base64\r\n\r\nYm=9iQGEuZXhhbXBsZQ==",
        "Content-Type: application/x-db\r\n\r\n\u{1}Bobbob@a.example42\u{2}",
        "Content-Type: text/plain; charset=iso-2022-kr\r\n\r\n\u{1b}$)C\u{e}#b#o#b#@#a#.#e#x#a#m#p#l#e\u{f}",
        "Content-Type: text/plain; charset=hz-gb-2312\r\n\r\n~{#b#o#b#@#a#.#e#x#a#m#p#l#e~}",
        "S: s\r\n\r\nhttps://t.example/c?u=/Ym9iQGEuZXhhbXBsZQ&x",
        "S: s\r\n\r\nhttps://t.example/626f6240612e6578616d706c65",
        "Content-Type: text/html\r\n\r\nbob@<i title = \">\">a</i>.example",
        "Content-Type: image/svg+xml\r\n\r\nbob<![CDATA[@]]>a.example",
        "Content-Type: text/html\r\n\r\n<style>a:after{content:'\\62 \\6f\\000062@a.example'}</style>",
        "S: s\r\n\r\n<p>bob<b>@</b>a.example</p>",
        "Content-Type: text/html\r\n\r\nbob&thinsp;@&ensp;a.example",
        "X: =?utf-8?B?Ym9iQGE?= =?utf-8?B?uZXhhbXBsZQ==?=\r\n\r\n",
        "X: =?utf-8?B?PT91dGYtOD9CP1ltOWlRR0V1WlhoaGJYQnNaUT09Pz0=?=\r\n\r\n",
        "Content-Type: text/plain; charset=utf-7\r\n\r\nbob+AEA-a.example",
        "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\u{1b}$B#b#o#b!w#a!%#e#x#a#m#p#l#e\u{1b}(B",
        "Content-Type: message/rfc822\r\n\r\nX: bob@a.example\r\n\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nWDogYm9iQGEuZXhhbXBsZQ0KDQo=",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\nbob@a.example\r\n--b\r\n\r\n\r\n--b--\r\n",
    ] {
        assert_eq!(gate(message), Err(Refusal::Residue), "{message:?}");
    }
}

#[test]
fn comments_in_comments_between_sign_and_domain_hide_nothing() {
    let long = format!("({})", "(x) ".repeat(600));
    for comment in ["(c (d) e)", "(c (d)) ((e))", "(a(b(c(d))))", &long] {
        let message = format!("X: bob@{comment}a.example\r\n\r\n");
        assert_eq!(gate(&message), HELD, "{message:?}");
    }
}

#[test]
fn what_is_called_a_text_and_is_noise_hides_no_address() {
    let noise: Vec<u8> = (0..20_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let head = b"Content-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        .as_slice();
    assert_eq!(gate_with(&[head, &noise].concat(), &[], Files::Checked), Ok(()));
    for address in ["bob@a.example", "Bob%40a.example", "b\0o\0b\0@\0a\0.\0e\0x\0a\0m\0p\0l\0e\0"] {
        let message = [head, &noise, b" ", address.as_bytes(), b" ", &noise].concat();
        assert_eq!(gate_with(&message, &[], Files::Checked), HELD, "{address:?}");
    }
    // What spans it, and what stands in it as people write it.
    let html = String::from_utf8(head.to_vec()).unwrap().replace("plain", "html");
    let comment = [html.as_bytes(), b"<p>bob<!--", &noise, b"-->@a.example</p>"].concat();
    let spoken =
        [head, &noise, b" write to bob (at) a.example or \xef\xbd\x82ob@a.example ", &noise].concat();
    for message in [comment, spoken] {
        assert_eq!(gate_with(&message, &[], Files::Checked), HELD);
    }
}

#[test]
fn other_peoples_addresses_are_no_residue() {
    for message in [
        "S: s\r\n\r\nxbob@a.example, rob.bob@a.example, bob@a.examples, bob at home, bob@b.example",
        "From: <a0b1@pc.fw.relay.example>\r\n\r\nhello @a.example",
    ] {
        assert_eq!(gate(message), Ok(()), "{message:?}");
    }
}

#[test]
fn a_message_that_cannot_be_taken_apart_is_unreadable() {
    let mut message = String::from("Content-Type: multipart/mixed; boundary=b0\r\n\r\n");
    for depth in 0..100 {
        message += &format!("--b{depth}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", depth + 1);
    }
    check(Err(Refusal::Unreadable), [message, String::new()]);
}

#[test]
fn with_nothing_forbidden_everything_passes() {
    let forbidden = Forbidden { secrets: &[], traces: &["abc".to_owned()], files: Files::Checked };
    assert!(pass_gate(b"S: abc bob@a.example\r\n\r\n".to_vec(), &forbidden).is_ok());
}
