//! What stands directly before an address where a blank was lost, and what goes on over quoted lines, through both the search and the
//! gate.

use super::{Direction, World};
use crate::mime::lines::MAX_LINE;

/// From somebody whose address is none of the secrets: only the text can make the gate refuse.
fn mail(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("From: visitor@third.example\r\nMIME-Version: 1.0\r\n{fields}\r\n");
    [head.as_bytes(), body].concat()
}

/// The text of the finished mail.
fn passed(fields: &str, body: &[u8]) -> Vec<u8> {
    let out = World::default().pass(Direction::ToMerchant, &mail(fields, body)).unwrap().into_bytes();
    let at = memchr::memmem::find(&out, b"\r\n\r\n").unwrap();
    out[at + 4..].to_vec()
}

const PLAIN: &str = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";

#[test]
fn a_label_or_a_number_before_an_address_is_none_of_it_for_the_search_and_the_gate() {
    let world = World::default();
    let alias = world.customer_alias.to_string();
    for before in
        ["Email", "E-MAIL", "mail", "e-mail_", "Mail.", "1.", "a\r\n> 2.", "TEL:03-1234-5678", "2026-11-22"]
    {
        for address in
            ["hana.suzuki@mailbox.example", "hana.suzuki＠mailbox.example", "hana.suzuki%40mailbox.example"]
        {
            let text = format!("{before}{address}\r\n");
            assert!(world.gate(mail(PLAIN, text.as_bytes())).is_err(), "{text}");
            let out = String::from_utf8(passed(PLAIN, text.as_bytes())).unwrap();
            assert_eq!(out, format!("{before}{alias}\r\n"), "{text}");
        }
    }
    for other in [
        "hotmailhana.suzuki@mailbox.example",
        "x1.hana.suzuki@mailbox.example",
        "mail-hana.suzuki@mailbox.example",
    ] {
        let text = format!("{other}\r\n");
        assert_eq!(String::from_utf8(passed(PLAIN, text.as_bytes())).unwrap(), text);
        assert!(world.gate(mail(PLAIN, text.as_bytes())).is_ok(), "{text}");
    }
}

#[test]
fn encoded_words_go_on_over_quoted_lines_and_keep_their_marks() {
    let alias = World::default().customer_alias.to_string();
    for (text, lines) in [
        (
            "> To: =?utf-8?B?6Yi05pyoIGhhbmEuc3V6?=\r\n>  =?utf-8?B?dWtpQG1haWxib3guZXhhbXBsZQ==?=\r\n> 本文\r\n",
            "> 本文\r\n",
        ),
        (
            "> Subject: =?UTF-8?Q?Re=3A_hana=2Esuzuki=40mail?=\r\n> =?UTF-8?Q?box=2Eexample?=\r\n本文\r\n",
            "本文\r\n",
        ),
        ("| To: =?utf-8?B?aGFuYS5zdXo=?=\r\n| =?utf-8?B?dWtpQG1haWxib3guZXhhbXBsZQ==?= x\r\n", " x\r\n"),
    ] {
        let out = String::from_utf8(passed(PLAIN, text.as_bytes())).unwrap();
        let read = |line: &str| crate::mime::words::text(line.trim_start_matches(['>', '|', ' ']).as_bytes());
        let plain: String = out.lines().map(read).collect();
        assert!(plain.contains(&alias), "{out}");
        assert!(out.ends_with(lines), "{out}");
        let mark = text.get(..1).unwrap();
        let quoted = out.lines().filter(|line| line.contains("=?"));
        assert!(quoted.clone().count() > 0 && quoted.clone().all(|line| line.starts_with(mark)), "{out}");
    }
}

#[test]
fn a_line_without_blanks_that_an_alias_makes_too_long_is_broken_and_passes() {
    let alias = World::default().customer_alias.to_string();
    for label in ["utf-8", "shift_jis", "euc-jp", "iso-2022-jp"] {
        let charset = crate::mime::charset::Charset::for_label(label.as_bytes()).unwrap();
        let line = |count| format!("{}hana.suzuki@mailbox.exampleまで。", "連絡先、".repeat(count));
        let fits = |count: &usize| charset.encode(&line(*count)).unwrap().len() <= MAX_LINE;
        let longer = format!("{}\r\n短い行\r\n", line((0..).take_while(fits).last().unwrap()));
        let body = charset.encode(&longer).unwrap();
        for kind in ["plain", "html"] {
            let fields =
                format!("Content-Type: text/{kind}; charset={label}\r\nContent-Transfer-Encoding: 8bit\r\n");
            let out = passed(&fields, &body);
            assert!(out.split(|b| *b == b'\n').all(|line| line.len() <= MAX_LINE + 1), "{label}");
            let (read, is_whole) = charset.decode(&out);
            assert!(is_whole, "{label}");
            let expected = longer.replace("hana.suzuki@mailbox.example", &alias).replace("\r\n", "");
            assert_eq!(read.replace("\r\n", ""), expected, "{label}");
        }
    }
}
