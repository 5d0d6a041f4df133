//! What stands behind an address without a blank: sentences, names of files and longer domains, in and out, and what the
//! gate alone holds of it.

use super::written::{HTML, M, PLAIN, check, held, passed};

#[test]
fn a_sentence_behind_an_address_is_none_of_its_domain() {
    let ends = [
        "。IDは1234です",
        "。TVで",
        "。AIで",
        "。IT担当",
        "。PRです",
        "。No.5",
        "。tv x",
        "｡id です",
        "．ＩＤは",
        ".IDは",
        ".idは",
    ];
    let ends = [&ends[..], &[".Is it", ".No, thanks", ".It", ".ok", ".no.5"]].concat();
    for (head, signs) in [
        (PLAIN, ["@", "＠", "(at)", "&#64;", "%40", " at ", "アットマーク"].as_slice()),
        (HTML, &["@", "＠", "&#64;", "<b>@</b>", "&commat;"]),
    ] {
        for sign in signs {
            let texts: Vec<(String, String)> = ends
                .iter()
                .map(|end| {
                    let rest = if sign.starts_with("<b>") { "<b></b>" } else { "" };
                    (
                        format!("連絡先：owner{sign}tanuki-shop.example{end}"),
                        format!("連絡先：{{M}}{rest}{end}"),
                    )
                })
                .collect();
            check(head, &texts.iter().map(|(text, out)| (text.as_str(), out.as_str())).collect::<Vec<_>>());
        }
    }
    let wide = "ｏｗｎｅｒ＠ｔａｎｕｋｉ－ｓｈｏｐ．ｅｘａｍｐｌｅ";
    let loud = "OWNER＠TANUKI-SHOP.EXAMPLE";
    for written in [wide, loud] {
        for end in ["。ＩＤは", "。IDは", "．Ｉｓ　ｉｔ", "。TV", "。ＴＶ", "。tw", "．ＴＶで"]
        {
            check(PLAIN, &[(&format!("{written}{end}"), &format!("{{M}}{end}"))]);
        }
    }
    check(HTML, &[("owner&#64;tanuki-shop.example&#12290;TV x", "{M}&#12290;TV x")]);
    check(
        PLAIN,
        &[
            ("先ID。owner＠tanuki-shop.example", "先ID。{M}"),
            ("先ID.owner＠tanuki-shop.example", "先ID.owner＠tanuki-shop.example"),
        ],
    );
    let sjis = "Content-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: 8bit\r\n";
    for end in ["。IDは1234です", "。TVで", ".IDは"] {
        for sign in ["@", "＠"] {
            let (text, ..) = encoding_rs::SHIFT_JIS.encode(end);
            let (sign, ..) = encoding_rs::SHIFT_JIS.encode(sign);
            let text = [b"owner", &sign[..], b"tanuki-shop.example", &text[..]].concat();
            assert!(held(sjis, &text), "{end}");
            let out = passed(sjis, &text).unwrap();
            assert!(out.starts_with(M.as_bytes()), "{end} {}", out.escape_ascii());
        }
    }
}

#[test]
fn a_particle_behind_an_address_is_none_of_its_domain() {
    let head = |charset: &str| {
        format!("Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n")
    };
    for end in ["まで", "へ", "に連絡", "から。", "宛", ".twへ", ".jpまで", ".co.jpへ", "．ｊｐまで"]
    {
        for sign in ["@", "＠", "(at)", " at ", " at\r\n", "%40", "アット"] {
            for charset in ["utf-8", "shift_jis", "euc-jp", "iso-2022-jp"] {
                let own = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap();
                let broken = if sign.contains('\n') { "\r\n" } else { "" };
                let written = |text: &str| own.encode(text).0.into_owned();
                let text = written(&format!("連絡先：owner{sign}tanuki-shop.example{end}"));
                let expected = written(&format!("連絡先：{M}{broken}{end}"));
                let out = passed(&head(charset), &text);
                let read = |octets: &[u8]| own.decode(octets).0.into_owned();
                assert_eq!(out.map(|out| read(&out)).unwrap(), read(&expected), "{charset} {sign} {end}");
                assert!(held(&head(charset), &text), "{charset} {sign} {end}");
            }
        }
    }
}

#[test]
fn a_file_or_a_site_behind_a_hyphen_is_none_of_a_domain() {
    let lessons = [
        "-2026.pdf",
        "-logo.png",
        "-www.tanuki.jp",
        "----www.tanuki.jp",
        "-x.py",
        "-2.jp",
        "-x.example",
        ".ai",
        ".md",
        ".ps",
        ".py",
        ".pl",
        ".sh",
        ".zip",
        ".mov",
    ]
    .map(|end| {
        (format!("<img alt=\"owner@tanuki-shop.example{end}\">"), format!("<img alt=\"{{M}}{end}\">"))
    });
    for head in [PLAIN, HTML] {
        for (text, out) in &lessons {
            check(head, &[(text, out)]);
        }
    }
}

#[test]
fn a_longer_domain_stays_however_it_is_written() {
    for end in [
        ".tw",
        ".co.jp",
        "-group.jp",
        ".com.py",
        ".tw。",
        ".co.jp です",
        ".tw\r\nです",
        ".tw\r\nTel",
        ".or.jp、",
    ] {
        let text = format!("owner@tanuki-shop.example{end}");
        let loud = text.to_ascii_uppercase().replace("\r\nTEL", "\r\nTel");
        let wide: String = text
            .chars()
            .map(|c| if c.is_ascii_graphic() { char::from_u32(u32::from(c) + 0xfee0).unwrap() } else { c })
            .collect();
        let escaped = text.replace('@', "&#64;").replace(".tw", "&#46;&#116;w");
        for head in [PLAIN, HTML] {
            for text in [
                &text,
                &loud,
                &wide,
                &escaped,
                &text.replace('@', "＠"),
                &format!("<a href=\"mailto:{text}\">"),
            ] {
                check(head, &[(text, text)]);
            }
        }
        if end.contains(['。', '、']) {
            // To another charset it is a letter.
            continue;
        }
        let sjis = "Content-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: 8bit\r\n";
        let (octets, ..) = encoding_rs::SHIFT_JIS.encode(&text);
        assert_eq!(passed(sjis, &octets).unwrap(), &octets[..], "{text}");
        assert!(!held(sjis, &octets), "{text}");
    }
    check(
        HTML,
        &[(
            "<a href=\"mailto:owner@tanuki-shop.example.org\">x</a>",
            "<a href=\"mailto:owner@tanuki-shop.example.org\">x</a>",
        )],
    );
}

#[test]
fn hosts_of_long_quoted_fields_are_replaced() {
    let ids = "\r\n>  <0.0123456789@y.example>".repeat(400);
    let text = format!("> References:{ids}\r\n>  <q.9@pos-7.back-office.example>");
    let out = format!("> References:{ids}\r\n>  <q.9@mx.relay.example>");
    check(PLAIN, &[(&text, &out)]);
}
