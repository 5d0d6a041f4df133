//! Where a secret can stand in a message.

use super::*;
use data_encoding::BASE64;

const SECRET: &str = "bob@a.example";
/// The same with one letter less, and other people's addresses with one more.
const OTHERS: [&str; 6] =
    ["bb@a.example", "bob@a.exampl", "bob@a.examples", "xbob@a.example", "x.bob@a.example", "bob@aa.example"];

/// Places in a message; `{}` is the address as it stands, `{64}` the text `to {} now` in base64, `{64*2}` that in base64
/// again.
const PLACES: [&str; 51] = [
    "From: Bob <{}>\r\n\r\nx",
    "X-Any: a\r\nX-Any: {}\r\nX-Any: b\r\n\r\nx",
    "X: folded\r\n\t{}\r\n\r\nx",
    "X: \"{}\" (comment) <c@d.example>\r\n\r\nx",
    "X: (in a (deep) comment {})\r\n\r\nx",
    "no field at all {}\r\nS: s\r\n\r\nx",
    "S: s\r\n{}: name of a field\r\n\r\nx",
    "S: =?utf-8?Q?to_{}?=\r\n\r\nx",
    "S: =?utf-8?B?{64}?=\r\n\r\nx",
    "S: =?unknown-charset?B?{64}?=\r\n\r\nx",
    "S: x=?utf-8*en?B?{64}?=x\r\n\r\nx",
    "S: =?utf-8?B?{64}\r\n\r\nx",
    "Content-Type: x/y; name=\"=?utf-8?B?{64}?=\"\r\n\r\nx",
    "Content-Type: x/y; name=\"{}\"\r\n\r\nx",
    "Content-Disposition: attachment; filename*=utf-8''to%20{}\r\n\r\nx",
    "Message-ID: <1.{64}@c.example>\r\n\r\nx",
    "S: s\r\n\r\n{}",
    "S: s\r\n\r\nfirst\r\n> > {}\r\nlast",
    "S: s\r\n\r\n\r\n{64}\r\n\r\n",
    "S: s\r\n\r\n> {64}\r\n",
    "S: s\r\n\r\n<img src=\"data:text/plain;base64,{64}\">",
    "S: s\r\n\r\nhttps://c.example/?t={64}&u=1",
    "Content-Type: application/json\r\n\r\n{\"a\":\"{}\"}",
    "Content-Type: text/xml\r\n\r\n<a b='{}'/>",
    "Content-Type: application/octet-stream\r\n\r\n\u{1}\u{2} {} \u{3}",
    "Content-Type: text/calendar\r\n\r\nATTENDEE:mailto:{}\r\n",
    "Content-Transfer-Encoding: base64\r\n\r\n{64}",
    "Content-Transfer-Encoding: base64\r\n\r\nWA==\r\n{64}",
    "Content-Transfer-Encoding: x-unknown\r\n\r\n{}",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble {}\r\n--b\r\n\r\nx\r\n--b--\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\nepilogue {}\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b {}\r\n\r\nx\r\n--b--\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: {}\r\n\r\nx\r\n--b--\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\n{}",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\n{}\r\n",
    "Content-Type: multipart/mixed; boundary=c\r\n\r\n--b\r\n\r\n{}\r\n--b--\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n\r\n--b\r\nX: {}\r\n\r\n--b--\r\n",
    "Content-Type: message/rfc822\r\n\r\nTo: {}\r\n\r\nx",
    "Content-Type: message/rfc822\r\n\r\nS: s\r\nContent-Transfer-Encoding: base64\r\n\r\n{64}",
    "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; {}\r\n",
    "Content-Type: text/rfc822-headers\r\n\r\nTo: =?utf-8?B?{64}?=\r\n",
    "Content-Type: message/partial; id=x\r\n\r\nTo: {}\r\n\r\nx",
    "S: {64*2}\r\n\r\nx",
    "S: =?utf-8?B?{64*2}?=\r\n\r\nx",
    "S: s\r\n\r\nBefore {64*2} behind.\r\n",
    "S: s\r\n\r\n\r\n{64*2}\r\n\r\n",
    "S: s\r\n\r\nhttps://c.example/?t={64*2}&u=1",
    "S: s\r\n\r\n<img src=\"data:text/plain;base64,{64*2}\">",
    "Content-Transfer-Encoding: base64\r\n\r\n{64*2}",
    "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{64*2}",
    "Content-Type: application/octet-stream\r\n\r\n\u{1}\u{2} {64*2} \u{3}",
];

fn placed(place: &str, address: &str) -> String {
    let text = format!("to {address} now");
    let once = BASE64.encode(text.as_bytes());
    place.replace("{}", address).replace("{64*2}", &BASE64.encode(once.as_bytes())).replace("{64}", &once)
}

#[test]
fn a_secret_is_found_in_every_place_and_other_peoples_addresses_pass() {
    for place in PLACES {
        check(HELD, [placed(place, SECRET)]);
        // In a name of a file a joint parts, and in a file that is no text the next field of a record may be joined.
        let is_name = place.contains("name");
        let is_record = place.contains('\u{1}');
        let joins =
            |other: &str| (is_name && other.starts_with("x.")) || (is_record && other.contains(SECRET));
        for other in OTHERS.iter().filter(|other| !joins(other)) {
            check(Ok(()), [placed(place, other)]);
        }
    }
}

#[test]
fn a_nested_message_is_read_through_its_transfer_encoding() {
    let inner = |address: &str| {
        format!(
            "S: s\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n{address}\r\n--i\r\n\r\nx\r\n--i--\r\n{address}"
        )
    };
    let frame = |encoding: &str, body: &str| {
        format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}")
    };
    let quoted = |text: &str| text.replace('=', "=3D").replace("@", "=4\u{30}");
    for (address, expected) in [(SECRET, HELD), ("ob@a.example", Ok(()))] {
        check(
            expected,
            [
                frame("base64", &BASE64.encode(inner(address).as_bytes())),
                frame("quoted-printable", &quoted(&inner(address))),
                frame("7bit", &inner(address)),
            ],
        );
    }
}

#[test]
fn words_are_read_however_they_are_cut() {
    check(
        HELD,
        [
            "S: =?utf-8?B?Ym9iQGE?= =?utf-8?B?uZXhhbXBsZQ==?=\r\n\r\n",
            "S: =?utf-8?B?Ym9?=\r\n =?utf-8?B?iQGEuZXhhbXBsZQ==?=\r\n\r\n",
            "S: =?utf-8?Q?bo?= =?iso-2022-jp?B?GyRCI2IbKEI=?= =?utf-8?Q?=40a.example?=\r\n\r\n",
            "S: =?iso-2022-jp?B?GyRCI2IjbyNi?= =?utf-8?Q?=40a.example?=\r\n\r\n",
            "S: =?utf-8?B?776C776C?= bob=?us-ascii?Q?=40?=a.example\r\n\r\n",
            "S: =?utf-8?Q?b=EF=BD?= =?utf-8?Q?=8F?= =?utf-8?Q?b@a.example?=\r\n\r\n",
            "S: =?shift_jis?B?goKCj4KCgZeCgQ==?= =?shift_jis?B?gUSChYKYgoGCjYKQgoyChQ==?=\r\n\r\n",
            "S: =?utf-16?B?/v8AYgBvAGIAQABhAC4AZQB4AGEAbQBwAGwAZQ==?=\r\n\r\n",
            "S: =?utf-7?Q?bob+AEA-a.example?=\r\n\r\n",
            "S: =?utf-8?Q?a?= =?utf-8?Q?_?= =?utf-8?Q?bob@?= =?utf-8?Q?a.?= =?utf-8?Q?example?=\r\n\r\n",
            "S: s\r\n\r\nSubject: =?utf-8?Q?bob=40a.exam?=\r\n =?utf-8?Q?ple?=\r\n",
        ],
    );
    check(
        Ok(()),
        [
            "S: =?utf-8?B?b2JAYQ?= =?utf-8?B?LmV4YW1wbGU=?=\r\n\r\n",
            "S: =?utf-8?Q?bob?= at the =?utf-8?Q?a.example?=\r\n\r\n",
        ],
    );
}

#[test]
fn parameters_in_pieces_are_put_together() {
    check(
        HELD,
        [
            "Content-Type: x/y; name*0=bob@; name*1=a.example\r\n\r\n",
            "Content-Type: x/y; name*1=\"a.example\"; name*0=\"bob@\"\r\n\r\n",
            "Content-Type: x/y; name*2=\"ple\";\r\n name*1=\"a.exam\";\r\n name*0*=utf-16''bob%40\r\n\r\n",
            "Content-Disposition: x; filename*1*=%40a.example; size=1; filename*0*=utf-16''bob\r\n\r\n",
            "Content-Disposition: x;\r\n filename*0*=utf-8''bo;\r\n filename*1*=b%40a.;\r\n filename*2=\"example\"\r\n\r\n",
            "Content-Disposition: x; filename*=iso-2022-jp''%1B%24B%23b%23o%23b%1B%28B@a.example\r\n\r\n",
            "Content-Disposition: x; filename=\"order_bob@a.example.pdf\"\r\n\r\n",
        ],
    );
    check(
        Ok(()),
        [
            "Content-Type: x/y; name*0=bob; name*1=a.example\r\n\r\n",
            "Content-Type: x/y; name*1=bob@; name*0=a.example\r\n\r\n",
            "Content-Disposition: x; filename=\"bob.pdf\"; size=\"1\"\r\n\r\n",
        ],
    );
}

#[test]
fn confirmed_files_are_not_looked_into_but_texts_and_headers_are() {
    let file = |kind: &str, header: &str| {
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: {kind}\r\n{header}\r\nbob@a.example mx.c.example\r\n--b--\r\n"
        )
    };
    for (kind, expected) in [
        ("application/pdf", Ok(())),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Ok(())),
        ("image/png", Ok(())),
        ("text/plain", HELD),
        ("text/html", HELD),
        ("application/json", HELD),
        ("application/ld+json", HELD),
        ("image/svg+xml", HELD),
        ("message/delivery-status", HELD),
        ("application/pdf\r\nContent-Type: text/html", HELD),
        ("text/html\r\nContent-Type: application/pdf", HELD),
    ] {
        assert_eq!(
            gate_with(file(kind, "").as_bytes(), &["mx.c.example"], Files::Confirmed),
            expected,
            "{kind}"
        );
        assert_eq!(gate_with(file(kind, "").as_bytes(), &[], Files::Checked), HELD, "{kind}");
    }
    // What is called a text and is an RTF is asked about like a file; what is none is a text.
    for (body, expected) in [("{\\rtf1 bob@a.example}", Ok(())), ("bob@a.example", HELD)] {
        let rtf = format!("Content-Type: text/rtf\r\n\r\n{body}");
        assert_eq!(gate_with(rtf.as_bytes(), &[], Files::Confirmed), expected, "{body}");
        assert_eq!(gate_with(rtf.as_bytes(), &[], Files::Checked), HELD, "{body}");
    }
    let named = file("application/pdf", "Content-Disposition: x; filename=\"bob@a.example.pdf\"\r\n");
    assert_eq!(gate_with(named.as_bytes(), &[], Files::Confirmed), HELD);
    let traced = file("application/pdf", "X-From: mx.c.example\r\n");
    assert_eq!(gate_with(traced.as_bytes(), &["mx.c.example"], Files::Confirmed), HELD);
}

#[test]
fn what_is_longer_than_a_piece_is_read_to_its_end_whatever_stands_between_its_digits() {
    let letter = "a letter of the day, ".repeat(9_000);
    // Lengths of digits between the marks, one in a fold, in each phase of a group.
    for (at, width) in [(50_000, 73), (100_000, 74), (180_000, 75), (185_000, 76)] {
        let text = format!("{} bob@a.example {}", &letter[..at], &letter[at..]);
        let digits = BASE64.encode(text.as_bytes());
        let parts = |between: &str| {
            let lines: Vec<&str> =
                digits.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            lines.join(between)
        };
        let padded = format!("x===={}", digits);
        let lines: Vec<&str> =
            padded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        check(
            HELD,
            [
                format!("S: s\r\n\r\ndn: x\r\nnote:: {}\r\ncn: y\r\n", parts("\r\n ")),
                format!("S: s\r\n\r\nNOTE;Encoding=B:{}\r\nEND:VCARD\r\n", parts("\r\n  ")),
                format!("S: s\r\n\r\n<a href='data:text/plain;base64,{}'>x</a>\r\n", parts("\r\n")),
                format!("S: s\r\n\r\n<a href='data:text/plain;base64,{}'>x</a>\r\n", parts("%0D%0A")),
                format!("S: s\r\n\r\n<a href='data:text/plain;base64,{}'>x</a>\r\n", parts("&#10;")),
                format!("S: s\r\n\r\n{}\r\n", lines.join("\r\n")),
            ],
        );
    }
    let clean = BASE64.encode(letter.as_bytes()).replace('Y', "Y\r\n ");
    check(Ok(()), [format!("S: s\r\n\r\nnote:: {clean}\r\n")]);
}
