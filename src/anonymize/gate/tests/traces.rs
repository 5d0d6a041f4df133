//! Host names and IP addresses of the mail path.

use super::*;

const TRACES: [&str; 8] = [
    "mail.shop.example",
    "192.0.2.17",
    "2001:db8::25",
    "abc",
    "localhost",
    "www.b.example",
    "a.b",
    "mx1.c-d.example",
];

fn held(message: &str, expected: bool) {
    let expected = if expected { HELD } else { Ok(()) };
    assert_eq!(gate_with(message.as_bytes(), &TRACES, Files::Checked), expected, "{message:?}");
}

/// A token, whether it holds a trace, and whether it does so in a text too.
const TOKENS: [(&str, bool, bool); 50] = [
    ("mail.shop.example", true, true),
    ("MAIL.Shop.Example", true, true),
    ("x.mail.shop.example", true, true),
    ("(mail.shop.example)", true, true),
    ("[mail.shop.example]", true, true),
    ("mail.shop.example.", true, true),
    ("mail.shop.example:25", true, true),
    ("host=mail.shop.example;", true, true),
    ("from_mail.shop.example", true, true),
    ("サーバーmail.shop.exampleです", true, true),
    ("xmail.shop.example", false, false),
    ("x-mail.shop.example", false, false),
    ("mail.shop.examples", false, false),
    ("mail.shop.example-x", false, false),
    ("mail.shop.example.com", false, false),
    ("shop.example", false, false),
    ("mail.shop.exampl", false, false),
    ("192.0.2.17", true, true),
    ("[192.0.2.17]", true, true),
    ("192.0.2.17:2525", true, true),
    ("192.0.2.17.", true, true),
    ("::ffff:192.0.2.17", true, true),
    ("1192.0.2.17", false, false),
    ("192.0.2.170", false, false),
    ("192.0.2.17.5", false, false),
    ("5.192.0.2.17", false, false),
    ("v192.0.2.17", false, false),
    ("2001:db8::25", true, true),
    ("2001:DB8::25", true, true),
    ("2001:0db8:0:0:0:0:0:0025", true, true),
    ("[2001:db8::25]", true, true),
    ("[IPv6:2001:db8::25]", true, true),
    ("2001:db8::25.", true, true),
    ("2001:db8::25:", true, true),
    ("2001:db8::2", false, false),
    ("2001:db8::251", false, false),
    ("x2001:db8::25", false, false),
    ("abc localhost a.b 10:20:30", false, false),
    ("https://mail.shop.example/x", true, false),
    ("//mail.shop.example/x", true, false),
    ("https:\\/\\/mail.shop.example\\/x", true, false),
    ("https://x.mail.shop.example/x", true, false),
    ("http://192.0.2.17/", true, false),
    ("http://[2001:db8::25]/", true, false),
    ("www.b.example", true, false),
    ("www.mail.shop.example", true, false),
    ("someone@mail.shop.example", true, false),
    ("someone@x.mail.shop.example", true, false),
    ("someone@[192.0.2.17]", true, false),
    ("mx1.c-d.example", true, true),
];

#[test]
fn a_trace_is_a_whole_name_and_in_texts_no_part_of_a_link_or_address() {
    for (token, header, text) in TOKENS {
        held(&format!("X-Y: by {token} with\r\n\r\nx"), header);
        held(&format!("X-Y: {token}\r\n\r\nx"), header);
        held(&format!("S: s\r\n\r\nBefore {token} behind\r\n"), text);
        held(&format!("S: s\r\n\r\n{token}"), text);
        held(&format!("Content-Type: text/html\r\n\r\n<p title='{token}'>x</p>\r\n"), text);
        held(&format!("Content-Type: application/x-db\r\n\r\n\u{1}\u{2} {token} \u{3}"), text);
    }
}

#[test]
fn traces_are_read_through_encodings() {
    for (message, expected) in [
        ("S: =?utf-8?Q?mail=2Eshop.example?=\r\n\r\nx", true),
        ("S: =?utf-8?B?bWFpbC5zaG9wLmV4YW1wbGU=?=\r\n\r\nx", true),
        ("S: =?utf-8?Q?https://mail=2Eshop.example/?=\r\n\r\nx", true),
        ("Content-Type: x/y; name*=utf-8''mail%2Eshop.example\r\n\r\nx", true),
        ("Content-Type: x/y; name*0=\"mail.sh\"; name*1=\"op.example\"\r\n\r\nx", true),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: mail.shop.example\r\n\r\nx\r\n--b--",
            true,
        ),
        ("Content-Type: multipart/mixed; boundary=b\r\n\r\nmail.shop.example\r\n--b\r\n\r\nx\r\n--b--", true),
        ("Content-Type: message/rfc822\r\n\r\nReceived: from mail.shop.example\r\n\r\nx", true),
        ("Content-Type: message/rfc822\r\n\r\nX: http://mail.shop.example\r\n\r\nx", true),
        ("Content-Type: message/rfc822\r\n\r\nS: s\r\n\r\nhttp://mail.shop.example", false),
        ("Content-Transfer-Encoding: base64\r\n\r\nbWFpbC5zaG9wLmV4YW1wbGU=", true),
        ("Content-Transfer-Encoding: quoted-printable\r\n\r\nmail.shop=2Eexam=\r\nple", true),
        (
            "Content-Transfer-Encoding: base64\r\nContent-Type: message/rfc822\r\n\r\nWDogbWFpbC5zaG9wLmV4YW1wbGUNCg0KeA==",
            true,
        ),
        (
            "Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\nbQBhAGkAbAAuAHMAaABvAHAALgBlAHgAYQBtAHAAbABlAA==",
            true,
        ),
        ("S: s\r\n\r\nhttps://c.example/?h=mail.shop.example", true),
    ] {
        held(message, expected);
    }
}
