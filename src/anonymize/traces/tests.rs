//! Which names of a mail's path are known, and where they give way in a text.

use super::*;

#[test]
fn only_an_encoded_word_hides_the_beginning_of_a_name() {
    for word in ["=?utf-8?Q?", "x =?ISO-2022-JP?q?"] {
        assert!(begins_word(word.as_bytes()), "{word}");
    }
    for other in ["https://x.example/?q?", "?Q?", "=??q?", "=?utf-8?B?", ""] {
        assert!(!begins_word(other.as_bytes()), "{other}");
    }
}
use crate::anonymize::tests::{Direction, World};
use crate::mime::header;
use crate::mime::transfer::apply;

fn traces(mail: &str, run: impl Fn(&Traces)) {
    World::default().with_passage(Direction::ToMerchant, |passage| {
        let search = Search::new(passage).unwrap();
        let header = header::scan(mail.as_bytes(), 0..mail.len()).unwrap();
        let map = |_: &str| "<new@relay.example>".to_owned();
        let peer = ["203.0.113.9".to_owned(), "pc7.home.example".to_owned()];
        let own = ["mx.relay.example", "relay.example"];
        let known = Known { peer: &peer, own: &own, writer: Party::Customer, queue_id: "Q1" };
        run(&Traces::new(mail.as_bytes(), &header, &search, &known, &map));
    });
}

const MAIL: &str = "Received: from pc7.home.example (pc7 [198.51.100.7]) by out.mailbox.example (Postfix 3.5)\r\n\
    \twith ESMTPSA; Sun, 22 Nov 2026 09:00:00 +0900\r\nReceived: from [IPv6:2001:db8::7] by mx.relay.example\r\n\
    DKIM-Signature: v=1; d=sign.example; h=From:To; b=ab/cd+ef\r\nMessage-ID: <1.a@pc7.home.example>\r\n\
    Received: from [192.168.1.2] by localhost.localdomain\r\n\
    Authentication-Results: mx.relay.example; spf=pass smtp.mailfrom=some.body@mail.google.com header.d=gmail.com\r\n\r\n";

#[test]
fn hosts_and_addresses_of_the_path_are_known_and_others_are_not() {
    traces(MAIL, |traces| {
        let mut names = traces.names().to_vec();
        names.sort();
        assert_eq!(
            names,
            [
                "198.51.100.7",
                "2001:db8::7",
                "203.0.113.9",
                "mail.google.com",
                "out.mailbox.example",
                "pc7.home.example",
                "sign.example"
            ]
        );
    });
}

#[test]
fn they_give_way_in_a_text_and_links_and_other_hosts_stay() {
    for (text, expected) in [
        ("from PC7.home.example ([198.51.100.7])", "from mx.relay.example ([mx.relay.example])"),
        ("x.pc7.home.example.", "mx.relay.example."),
        ("id <1.a@pc7.home.example>", "id <new@relay.example>"),
        (
            "> Message-ID: <2.b@pc7.home.example>\r\n> References: <3@out.mailbox.example>\r\n>  <4@x.mailbox.example> <5@y.example>",
            "> Message-ID: <2.b@mx.relay.example>\r\n> References: <3@mx.relay.example>\r\n>  <4@mx.relay.example> <5@y.example>",
        ),
        (
            "Message-ID: <6@mailbox.example>\r\nFrom: <taro@mailbox.example>\r\nReferences: Taro <taro@sign.example>",
            "Message-ID: <6@mx.relay.example>\r\nFrom: <taro@mailbox.example>\r\nReferences: Taro <taro@sign.example>",
        ),
        ("https://sign.example/a www.sign.example", "https://sign.example/a www.sign.example"),
        ("info@sign.example, mailbox.example", "info@sign.example, mailbox.example"),
        (
            "198.51.100.77 design.example sign.examples sign.example.net",
            "198.51.100.77 design.example sign.examples sign.example.net",
        ),
        ("sign.example、ok", "mx.relay.example、ok"),
        ("x.sign.example b.c.out.mailbox.example", "x.sign.example mx.relay.example"),
        (
            "https:\\/\\/sign.example &#47;&#47;sign.example",
            "https:\\/\\/sign.example &#47;&#47;sign.example",
        ),
        ("http://198.51.100.7/", "http://mx.relay.example/"),
        ("https://a.example/?b=1&account=sign.example", "https://a.example/?b=1&account=sign.example"),
        ("https://a.example/?ip=198.51.100.7", "https://a.example/?ip=mx.relay.example"),
        ("https://a.example/?h=pc7.home.example", "https://a.example/?h=mx.relay.example"),
        ("https://a.example/? host=sign.example", "https://a.example/? host=mx.relay.example"),
        ("https://a.example/host=sign.example", "https://a.example/host=mx.relay.example"),
        (
            "https%3A%2F%2Fsign.example https%3A%2F%2Fx.pc7.home.example",
            "https%3A%2F%2Fsign.example https%3A%2F%2Fx.pc7.home.example",
        ),
        ("pc7.home.example@third.example", "pc7.home.example@third.example"),
        (
            "2001:0DB8:0000:0000:0000:0000:0000:0007, ip:2001:db8:0:0:0:0:0:7",
            "mx.relay.example, ip:mx.relay.example",
        ),
        ("éupc7.home.example", "éupc7.home.example"),
        (
            "http://0xc6.51.25607/ http://0306.0x336407/x http://0x00c6336407:80 http://3325256711.",
            "http://mx.relay.example/ http://mx.relay.example/x http://mx.relay.example:80 http://mx.relay.example.",
        ),
        (
            "227 Entering Passive Mode (198,51,100,7,19,136).",
            "227 Entering Passive Mode (mx.relay.example,19,136).",
        ),
        ("c6:33:64:07 or C633:6407,", "mx.relay.example or mx.relay.example,"),
        (
            "198,51,100,7 1,198,51,100,7,1,2 198,51,100,7,1,2,3 198,51,100,7,256,1 0xc6.51.25607 http://0xc6.51.25608/",
            "198,51,100,7 1,198,51,100,7,1,2 198,51,100,7,1,2,3 198,51,100,7,256,1 0xc6.51.25607 http://0xc6.51.25608/",
        ),
        ("c6:33:64:07:08 1:c6:33:64:07 http://1.2.3", "c6:33:64:07:08 1:c6:33:64:07 http://1.2.3"),
    ] {
        traces(MAIL, |traces| {
            let out = apply(text.as_bytes(), &traces.edits(text.as_bytes()));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        });
    }
}

#[test]
fn the_numbers_of_further_addresses_are_known_in_names() {
    let hops: String = (1..9)
        .map(|n| format!("Received: from x ([198.51.100.{n}1]) by out.mailbox.example; Sun, 22 Nov 2026 09:00:00 +0900\r\n"))
        .collect();
    traces(&format!("{hops}\r\n"), |traces| {
        for text in ["81.100.51.198.list.example", "p198-51-100-81.isp.example"] {
            assert_eq!(traces.edits(text.as_bytes()).len(), 1, "{text}");
        }
    });
}

#[test]
fn a_bracket_of_shift_jis_is_no_letter_of_a_host() {
    traces(MAIL, |traces| {
        for bracket in [&b"\x81\x75"[..], b"\x82\xcc\x81\x75"] {
            let text = [bracket, b"pc7.home.example\x81\x76"].concat();
            let expected = [bracket, b"mx.relay.example\x81\x76"].concat();
            assert_eq!(apply(&text, &traces.edits(&text)), expected);
        }
    });
}

#[test]
fn a_text_of_nothing_but_addresses_is_searched_in_a_time_that_grows_with_it() {
    traces(MAIL, |traces| {
        for line in ["198-51-100-7\r\n", "198.51.100.7\r\n", "3325256711 x\r\n"] {
            crate::anonymize::tests::grows_linearly(line, |n| {
                assert_eq!(traces.edits(line.repeat(n).as_bytes()).len(), n);
            });
        }
    });
}
