//! Host names and IP addresses of the mail path.

use super::*;

const TRACES: [&str; 9] = [
    "registered.example",
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
const TOKENS: [(&str, bool, bool); 57] = [
    ("https://x.example/?a=1&account=registered.example", true, false),
    ("https://x.example/?a=1&account=mail.shop.example", true, true),
    ("https://x.example/?a=1&account=192.0.2.17", true, true),
    ("https://x.example/account=mail.shop.example", true, true),
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
    ("someone@mail.shop.example", false, false),
    ("someone@x.mail.shop.example", false, false),
    ("someone@[192.0.2.17]", false, false),
    ("bounces+ann=registered.example@list.example", true, false),
    ("bounces+ann=mail.shop.example@list.example", true, true),
    ("ann=192.0.2.17@list.example", true, true),
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
fn behind_an_at_sign_a_name_is_somebodys_address_but_in_message_identifiers() {
    for (message, expected) in [
        ("To: a <someone@mail.shop.example>, b@mail.shop.example\r\n\r\nx", false),
        ("Cc: \"a b\"@mail.shop.example\r\n\r\nx", false),
        ("Subject: write to someone@mail.shop.example\r\n\r\nx", false),
        ("Subject: =?utf-8?Q?someone=40mail.shop.example?=\r\n\r\nx", false),
        ("Content-Type: x/y; name=\"someone@mail.shop.example\"\r\n\r\nx", false),
        ("X: someone%40mail.shop.example\r\n\r\nx", false),
        ("X: i=@mail.shop.example; d\r\n\r\nx", true),
        ("X: <@mail.shop.example:a@c.example>\r\n\r\nx", true),
        ("X: someone @ mail.shop.example\r\n\r\nx", true),
        ("X: someone@c.example by mail.shop.example\r\n\r\nx", true),
        ("Message-ID: <1@mail.shop.example>\r\n\r\nx", true),
        ("References: <1@c.example>\r\n <2@mail.shop.example>\r\n\r\nx", true),
        ("in-reply-to: <1@mail.shop.example>\r\n\r\nx", true),
        ("Content-Type: message/rfc822\r\n\r\nMessage-Id: <1@x.mail.shop.example>\r\n\r\nx", true),
        ("Content-Type: message/rfc822\r\n\r\nTo: <1@x.mail.shop.example>\r\n\r\nx", false),
    ] {
        held(message, expected);
    }
}

#[test]
fn a_link_in_a_subject_is_content_like_one_in_a_text() {
    for (message, expected) in [
        ("Subject: see https://mail.shop.example/x\r\n and more\r\n\r\nx", false),
        ("Subject: =?utf-8?Q?https://mail.shop.example/?=\r\n\r\nx", false),
        ("Subject: by mail.shop.example\r\n\r\nx", true),
        ("Subject: s\r\nX: https://mail.shop.example/x\r\n\r\nx", true),
        ("Subject: s\r\n https://mail.shop.example/ mail.shop.example\r\n\r\nx", true),
        ("Subject: =?utf-8?Q?by_mail.shop.exam?=\r\n =?utf-8?Q?ple?=\r\n\r\nx", true),
    ] {
        held(message, expected);
    }
}

#[test]
fn an_address_that_tags_cut_up_is_somebodys_too() {
    for (body, expected) in [
        ("<a>newsletter@</a>mail.<a>shop.example</a>", false),
        ("<span>1</span><span>@</span><span>mail</span><span>.shop.example</span>", false),
        ("<b>by</b>mail.<a>shop.example</a>", true),
    ] {
        held(&format!("Content-Type: text/html\r\n\r\n{body}"), expected);
    }
}

#[test]
fn values_that_lines_declare_are_read() {
    let value = data_encoding::BASE64.encode(b"by mail.shop.example (192.0.2.17)");
    let (head, tail) = value.split_at(21);
    for (body, expected) in [
        (format!("dn: x\r\nmail:: {value}\r\n"), true),
        (format!("mail::{head}\n {tail}\nsn: y"), true),
        (format!("NOTE;ENCODING=b:{value}\r\nEND:VCARD"), true),
        (format!("NOTE;X=y;encoding=BASE64;A=b:\r\n {head}\r\n {tail}\r\n\r\n"), true),
        (format!("a link ?x={value}"), false),
    ] {
        held(&format!("S: s\r\n\r\n{body}"), expected);
        held(&format!("Content-Type: text/vcard\r\n\r\n{body}"), expected);
    }
}

#[test]
fn what_one_may_register_is_hit_alone_and_what_is_longer_with_all_below_it() {
    let all =
        ["shop.example", "shop.co.jp", "shop.com.gr", "mail.shop.jp", "a.shop.example", "shop.example.org"];
    for (token, trace, expected) in [
        ("shop.example", "shop.example", true),
        ("SHOP.example.", "shop.example", true),
        ("x.shop.example", "shop.example", false),
        ("x-shop.example", "shop.example", false),
        ("shop.example.jp", "shop.example", false),
        ("shop.co.jp", "shop.co.jp", true),
        ("www1.shop.co.jp", "shop.co.jp", false),
        ("x.shop.com.gr", "shop.com.gr", false),
        ("mail.shop.jp", "mail.shop.jp", true),
        ("x.mail.shop.jp", "mail.shop.jp", true),
        ("x.a.shop.example", "a.shop.example", true),
        ("x.y.a.shop.example", "a.shop.example", true),
        ("x.shop.example.org", "shop.example.org", true),
    ] {
        assert!(all.contains(&trace));
        let expected = if expected { HELD } else { Ok(()) };
        for message in [format!("X: by {token} with\r\n\r\nx"), format!("S: s\r\n\r\nby {token} with\r\n")] {
            assert_eq!(gate_with(message.as_bytes(), &[trace], Files::Checked), expected, "{message:?}");
        }
    }
}

/// Spellings, and whether each holds a trace.
const SPELLED: [(&str, bool); 66] = [
    ("mail%2eshop%2Eexample", true),
    ("mail%252eshop.example", true),
    ("%6d%61%69%6c%2e%73%68%6f%70%2e%65%78%61%6d%70%6c%65", true),
    ("%6dail.shop.example", true),
    ("mail.shop.exampl%65", true),
    ("mail.sh%6fp.example", true),
    ("mail&#46;shop&period;example", true),
    ("mail&amp;period;shop.example", true),
    ("mail&#x2e;shop&#X2E;example", true),
    (
        "&#109;&#97;&#105;&#108;&#46;&#115;&#104;&#111;&#112;&#46;&#101;&#120;&#97;&#109;&#112;&#108;&#101;",
        true,
    ),
    ("ma&shy;il.shop.example", true),
    ("mail&zwnj;.shop&shy;&shy;.example", true),
    ("mail\\u002eshop.example", true),
    ("mail\\x2eshop.example", true),
    ("mail=2Eshop=2Eexample", true),
    ("ｍａｉｌ．ｓｈｏｐ．ｅｘａｍｐｌｅ", true),
    ("mail．shop.example", true),
    ("ｍail.shop.example", true),
    ("サーバーｍａｉｌ．ｓｈｏｐ．ｅｘａｍｐｌｅです", true),
    ("𝐦𝐚𝐢𝐥.shop.example", true),
    ("ⓜⓐⓘⓛ.shop.example", true),
    ("ma\u{200b}il.shop.example", true),
    ("mail\u{200b}.\u{200c}shop.example", true),
    ("mail.\u{ad}shop.example", true),
    ("mail.sh\u{2060}op.example", true),
    ("mail.sh\u{feff}op.example", true),
    ("mail.sh\u{fe0f}op.example", true),
    ("mail.sh\u{34f}op.example", true),
    ("mail.sh\u{3164}op.example", true),
    ("mail.sh\u{e0061}\u{e007f}op.example", true),
    ("mail.sh\r\nop.example", true),
    ("mail.\r\nshop.example", true),
    ("mail\r\n.shop.example", true),
    ("> x mail.sh\r\n> op.example y", true),
    ("> > x mail.sh \r\n> > op.example y", true),
    ("mail.sh=\r\nop.example", true),
    ("mail.sh\nop.example", true),
    ("mail.sh\r\n ｏｐ.example, sh\r\nop", false),
    ("mail%2esh\r\nop.example", true),
    ("192%2e0%2e2%2e17", true),
    ("&#49;92.0.2.17", true),
    ("１９２．０．２．１７", true),
    ("192.0.\u{200b}2.17", true),
    ("192.0.\r\n2.17", true),
    ("2001%3adb8%3A%3A25", true),
    ("2001&#58;db8&#58;&#58;25", true),
    ("2001：db8：：25", true),
    ("2001:db\u{200b}8::25", true),
    ("2001:db8:\r\n:25", true),
    ("2001:0db8:0:0:0:0:0%3a25", true),
    ("https%3A%2F%2Fmail.shop.example%2Fx", false),
    ("https%3a%2f%2fx.mail.shop.example%2fx", false),
    ("https%253A%252F%252Fmail%252eshop.example", false),
    ("https://mail%2eshop.example/", false),
    ("https&#58;&#47;&#47;mail.shop.example", false),
    ("https&#x3a;&#x2F;&#x2F;mail&#46;shop.example", false),
    ("https:\\u002f\\u002fmail.shop.example", false),
    ("https://mail.sh\r\nop.example/", false),
    ("www%2email.shop.example", false),
    ("www&#46;mail.shop.example", false),
    ("someone%40mail.shop.example", false),
    ("someone&#64;mail.shop.example", false),
    ("someone＠ｍａｉｌ．ｓｈｏｐ．ｅｘａｍｐｌｅ", false),
    ("xｍａｉｌ．ｓｈｏｐ．ｅｘａｍｐｌｅ", false),
    ("mail%2eshop%2eexamples", false),
    ("x\r\nmail.sho\r\np.examples", false),
];

#[test]
fn other_spellings_of_traces_are_read_in_texts_and_no_link_or_address_is() {
    for (token, expected) in SPELLED {
        held(&format!("S: s\r\n\r\nBefore {token} behind\r\n"), expected);
        held(&format!("S: s\r\n\r\n{token}"), expected);
        held(&format!("Content-Type: text/html; charset=utf-8\r\n\r\n<p title=x>{token}</p>\r\n"), expected);
        let long = "長い文。Some more text in it. ".repeat(500);
        held(&format!("S: s\r\n\r\n{long} {token} {long}"), expected);
    }
    for message in [
        "Received: by mail.\r\n\tshop.example with\r\n\r\nx",
        "X: mail%2Eshop.example\r\n\r\nx",
        "X: =?utf-8?B?772N772B772J772MLnNob3AuZXhhbXBsZQ==?=\r\n\r\nx",
        "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\u{1b}$B#m#a#i#l!%\u{1b}(Bshop.example",
    ] {
        held(message, true);
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

#[test]
fn a_trace_is_seen_behind_a_label_and_behind_a_bracket_in_any_charset_and_not_inside_a_longer_name() {
    let gate = |text: &[u8]| {
        let message = [b"S: s\r\n\r\n", text, b"\r\n"].concat();
        gate_with(&message, &["2001:db8::7", "pc7.home.example"], Files::Checked)
    };
    for text in [
        "ip:2001:db8::7".as_bytes(),
        b"mailto:2001:db8:0:0:0:0:0:7 face:2001:db8::7",
        b"IPv6:2001:db8::7",
        b"\x81\x75pc7.home.example\x81\x76",
        b"\x82\xcc\x81\x752001:db8::7\x81\x76",
    ] {
        assert_eq!(gate(text), HELD, "{}", String::from_utf8_lossy(text));
    }
    for text in ["例upc7.home.example", "éupc7.home.example", "a2001:db8::7", "2001:db8::77"] {
        assert_eq!(gate(text.as_bytes()), Ok(()), "{text}");
    }
}
