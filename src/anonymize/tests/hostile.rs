//! Hostile input: whatever comes, there is an answer, and what passes is clean.

use super::{CUSTOMER, Direction, World};
use crate::anonymize::{header_from, message_ids};
use proptest::prelude::*;
use std::sync::LazyLock;

static MAILS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = super::fixtures("mail");
    let mut paths: Vec<_> =
        std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path().join("in.eml")).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| std::fs::read(path).ok()).collect()
});

fn answers(mail: &[u8]) {
    let world = World::default();
    let _ = (header_from(mail).is_ok(), message_ids(mail).len());
    if let Ok(out) = world.pass(Direction::ToMerchant, mail) {
        assert!(!crate::mime::lines::has_bare(out.as_bytes()));
        assert!(out.as_bytes().starts_with(b"Received: by mx.relay.example id Q1; "));
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        answers(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_header_get_an_answer(kind in 0usize..8, bytes in proptest::collection::vec(any::<u8>(), 0..800)) {
        let head = [
            "Content-Type: text/html; charset=iso-2022-jp\r\n\r\n",
            "Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            "Content-Type: text/plain; charset=gb18030\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            "Subject: =?",
            "Content-Type: text/plain; name*0*=",
            "Content-Disposition: attachment; filename=\"",
        ];
        let mut mail = format!("From: {CUSTOMER}\r\n{}", head[kind]).into_bytes();
        mail.extend(bytes);
        answers(&mail);
    }

    #[test]
    fn a_damaged_mail_gets_an_answer(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), cut in 0usize..40, with in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'='), Just(b'"'), Just(b'<'), Just(b'-'), Just(0x1b)], 0..12)) {
        let mut mail = which.get(&MAILS).clone();
        let from = at.index(mail.len());
        let to = (from + cut).min(mail.len());
        mail.splice(from..to, with);
        answers(&mail);
    }
}

#[test]
fn repeated_openings_take_no_more_than_linear_time() {
    for piece in [
        "<",
        "=?",
        "&#",
        "%4",
        "\\u{",
        "(",
        "[at",
        "<!--",
        "\"",
        "--a\r\n",
        "@",
        "a@b.example ",
        "<a \"",
        "=?utf-8?q?",
        "=?u",
        "=?u?b?",
        "\u{1b}$B",
        "hana.suzuki@mailbox.example ",
        "cid:a@b ",
        "KEY:x\r\n",
        "UID:a@b\r\n",
        ":",
        "x;y:",
        ";encoding=b:",
        "a::AAAAAAAA\r\n",
        "=ybegin \r\n",
        "begin 644 a\r\n#0V%T\r\nend\r\n",
        "hana.suzuki@mailbox.example hana.suzuki%mailbox.example\r\n",
        "YSBsZXR0ZXIgZm9yIHlvdSB4\r\n\r\n",
        // Blocks of a letter in no charset that is declared, with what may be an at sign and a domain.
        "a:: 6W9Abelh\r\n",
        "6WhhbmFAbSU2MWls6WJveGU=\r\n\r\n",
        "+AEA-+",
        " at\r\n",
        "\r\nat ",
        "(@",
        "mailbox.example",
        "mailbox.example=",
        "=\r\n",
        "%4\r\n ",
        "QUJDREVGR0hJ\r\n ",
        "a\\\r\n nb",
        "x?q=a+hana.suzuki@",
    ] {
        for kind in ["text/plain", "text/html", "text/vcard", "multipart/mixed; boundary=a"] {
            super::grows_linearly(&format!("{piece:?} in {kind}"), |size| {
                let body = piece.repeat(size / piece.len());
                let line = body[..size / 10].replace(['\r', '\n'], "");
                let mail = format!(
                    "From: {CUSTOMER}\r\nReferences: {line}\r\nSubject: {line}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n"
                );
                answers(mail.as_bytes());
            });
        }
    }
}

#[test]
fn a_host_of_the_path_that_tags_cut_up_gives_way_wherever_it_stands() {
    let world = World::new(CUSTOMER, crate::anonymize::tests::MERCHANT);
    for body in [
        "<p>see pc-ha<b></b>na-7.home.example</p>".to_owned(),
        "<p>x</p><p>pc-ha<b></b>na-7.home.example</p><p>see x</p>".to_owned(),
        "<p>see <i>PC-HANA</i>-7.ho<!-- x > -->me.example.</p>".to_owned(),
        "<p>see <b>mx</b> pc<i>-</i>hana<i>-</i>7.home.example</p>".to_owned(),
        format!("<p>see pc-ha<b class='>'></b>na-7.home.example or {CUSTOMER}</p>"),
    ] {
        let message = format!(
            "Received: from pc-hana-7.home.example ([198.51.100.77]) by mx.mailbox.example; Thu, 1 Jan 2026 00:00:00 +0000\r\n\
             From: {CUSTOMER}\r\nTo: x@shop.relay.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/html; charset=utf-8\r\n\r\n{body}\r\n"
        );
        let bytes = world.pass(Direction::ToMerchant, message.as_bytes()).ok().unwrap().into_bytes();
        let text = String::from_utf8(bytes).unwrap().to_lowercase();
        assert!(!text.contains("hana<i>") && !text.contains("198<"), "{text}");
        assert!(text.contains("see ") && text.contains("mx.relay.example"), "{text}");
        assert!(!text.contains("na-7.home") && !text.contains("me.example"), "{text}");
    }
}

#[test]
fn the_gate_reads_a_host_of_the_path_through_tags_by_itself() {
    use crate::anonymize::{Files, Forbidden, pass_gate};
    let traces = ["pc-hana-7.home.example", "203.0.113.5", "2001:db8:0:1::5"].map(str::to_owned);
    let forbidden = Forbidden { secrets: &[], traces: &traces, files: Files::Checked };
    let passes = |body: &str| {
        let head =
            "From: a@relay.example\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n";
        pass_gate(format!("{head}{body}\r\n").into_bytes(), &forbidden).is_ok()
    };
    assert!(!passes("<p>pc-hana-7.ho<b></b>me.example</p>"));
    assert!(!passes("<p>pc-h<span a='>'>ana-7.home.exam</span>ple</p>"));
    assert!(passes("<p>pc-hana-7.ho<b></b>mely.example</p>"));
    assert!(
        passes("<p>epc-hana-7.ho<b></b>me.example</p>") && passes("<p>pc-hana-7.ho<b></b>me.examples</p>")
    );
    assert!(!passes("<p>x</p><p>pc-hana-7.ho<b></b>me.example</p><p>x</p>"));
    assert!(!passes("<p>pc<span>-</span>hana-7.home.example</p>"));
    assert!(!passes("<p>203<span>.</span>0<span>.</span>113<span>.</span>5</p>"));
    assert!(!passes("<p>2001:db8:0:1<b></b>::5</p>") && passes("<p>2001:db8:0:1<b></b>::6</p>"));
    assert!(!passes(&format!("{}<p>pc-hana-7.ho<b></b>me.example</p>", "<p>pc-h<i>x</i></p>".repeat(5_000))));
}

#[test]
fn a_file_beyond_those_that_are_looked_into_holds_the_message_and_a_text_among_many_is_edited() {
    use crate::anonymize::Hold;
    use crate::anonymize::tests::Stop;
    let world = World::new(CUSTOMER, crate::anonymize::tests::MERCHANT);
    let pass = |body: &[u8]| {
        let head = format!("From: {CUSTOMER}\r\nSubject: x\r\nMIME-Version: 1.0\r\n\r\n");
        world.pass(Direction::ToMerchant, &[head.as_bytes(), body].concat())
    };
    let is_held = |body: &[u8]| matches!(pass(body), Err(Stop::Held(Hold::Document)));
    let yenc = b"=ybegin line=128 size=6 name=a\r\nabcdef\r\n=yend size=6\r\n";
    assert!(pass(&yenc.repeat(64)).is_ok() && is_held(&yenc.repeat(65)));
    let file = crate::mime::uuencode::encode(b"\x01\x02\x03\x04", b"a.bin");
    assert!(pass(&file.repeat(64)).is_ok() && is_held(&file.repeat(65)));
    let letter = crate::mime::uuencode::encode(b"a letter of the day", b"a.txt");
    let last = crate::mime::uuencode::encode(format!("to {CUSTOMER}").as_bytes(), b"a.txt");
    assert!(pass(&[letter.repeat(1_500), last].concat()).is_ok());
    let value = format!("cn:: {}\n", data_encoding::BASE64.encode(format!("to {CUSTOMER}!").as_bytes()));
    assert!(pass(&[b"dn: x\ncn:: YSBsZXR0ZXI=\n".repeat(1_500), value.into_bytes()].concat()).is_ok());
}
