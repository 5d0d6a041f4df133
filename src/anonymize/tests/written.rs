//! How people and systems write an address, a sign or an id: each line one lesson, in and out; and the gate alone, which
//! must hold what goes in wherever something is to be replaced.

use super::{Direction, Files, Forbidden, Stop, World, pass_gate};

/// What came of a text; `None` where the mail was stopped.
pub fn passed(head: &str, text: &[u8]) -> Result<Vec<u8>, Stop> {
    let mail = [HEAD.as_bytes(), head.as_bytes(), b"\r\n", text, b"\r\n"].concat();
    let out = World::default().pass(Direction::ToMerchant, &mail)?.into_bytes();
    let body = memchr::memmem::find(&out, b"\r\n\r\n").unwrap() + 4;
    Ok(out[body..out.len() - 2].to_vec())
}

const HEAD: &str = "Received: from pos-7.back-office.example (pos-7 [203.0.113.47]) by mx.relay.example with ESMTP id x;\r\n\
    \tSun, 22 Nov 2026 09:00:03 +0900\r\nFrom: <visitor@third.example>\r\nMessage-ID: <m.q1@pos-7.back-office.example>\r\n\
    MIME-Version: 1.0\r\n";
/// The merchant's alias.
pub const M: &str = "a0m5hy3k7q9s1u3w5y7a9c1e3g5i@shop.relay.example";

/// Whether the gate alone holds a text.
pub fn held(head: &str, text: &[u8]) -> bool {
    let mail = [b"From: <a@b.example>\r\n", head.as_bytes(), b"\r\n", text, b"\r\n"].concat();
    let world = World::default();
    let traces =
        ["pos-7.back-office.example", "203.0.113.47", "m.q1@pos-7.back-office.example"].map(str::to_owned);
    let forbidden = Forbidden { secrets: &world.secrets(), traces: &traces, files: Files::Checked };
    pass_gate(mail, &forbidden).is_err()
}

/// Claims that each text becomes what stands beside it, `M` the alias, and that the gate sees what is replaced.
pub fn check(head: &str, lessons: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, expected) in lessons {
        let (local, domain) = M.split_once('@').unwrap();
        let squeezed = M.replace(['@', '.'], "_");
        let expected = expected
            .replace("{M}", M)
            .replace("{L}", local)
            .replace("{D}", domain)
            .replace("{S}", &squeezed)
            .replace("{ID}", "081dde1afcc110de@fw.relay.example");
        match passed(head, text.as_bytes()) {
            Ok(out) if out == expected.as_bytes() => {}
            Ok(out) => wrong.push(format!("{text}\n    became {}", String::from_utf8_lossy(&out))),
            Err(stop) => wrong.push(format!("{text}\n    {stop:?}")),
        }
        if held(head, text.as_bytes()) != (*text != expected) {
            wrong.push(format!("{text}\n    the gate says {}", held(head, text.as_bytes())));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

pub const PLAIN: &str = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
pub const HTML: &str = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";

#[test]
fn ids_and_machines_of_the_path_are_read_behind_any_at_sign() {
    check(
        PLAIN,
        &[
            (
                "https://groups.x.example/d/msgid/x/m.q1%40pos-7.back-office.example",
                "https://groups.x.example/d/msgid/x/{ID}",
            ),
            ("%3Cm.q1%40pos-7.back-office.example%3E", "%3C{ID}%3E"),
            ("\"m.q1\\u0040pos-7.back-office.example\"", "\"{ID}\""),
            ("m.q1=40pos-7.back-office.example", "{ID}"),
            ("m.q1&#64;pos-7.back-office.example", "{ID}"),
            ("m.q1＠pos-7.back-office.example", "{ID}"),
            ("write to r@203.0.113.47 now", "write to r@mx.relay.example now"),
            ("write to r%40203.0.113.47 now", "write to r%40mx.relay.example now"),
            ("203[.]0[.]113[.]47 and pos-7[.]back-office[.]example", "mx.relay.example and mx.relay.example"),
            ("pos-7(dot)back-office[dot]example", "mx.relay.example"),
            ("m.q2%40pos-8.back-office.example", "m.q2%40pos-8.back-office.example"),
            ("r@203.0.113.48 203[.]0[.]113[.]48", "r@203.0.113.48 203[.]0[.]113[.]48"),
        ],
    );
}

#[test]
fn a_domain_that_only_begins_like_a_partys_is_somebody_elses() {
    check(
        PLAIN,
        &[
            ("owner@tanuki-shop.example.tw", "owner@tanuki-shop.example.tw"),
            ("<owner@tanuki-shop.example.co.jp>", "<owner@tanuki-shop.example.co.jp>"),
            ("owner@tanuki-shop.example.com, x", "owner@tanuki-shop.example.com, x"),
            ("owner@tanuki-shop.example-group.jp", "owner@tanuki-shop.example-group.jp"),
            ("OWNER@TANUKI-SHOP.EXAMPLE.DE", "OWNER@TANUKI-SHOP.EXAMPLE.DE"),
            ("owner@tanuki-shop.example.thanks", "{M}.thanks"),
            ("owner@tanuki-shop.example. it", "{M}. it"),
            ("owner@tanuki-shop.example-thanks", "{M}-thanks"),
            ("owner@tanuki-shop.example.です", "{M}.です"),
            ("owner@tanuki-shop.example...tw", "{M}...tw"),
        ],
    );
}

#[test]
fn utf_7_is_read_under_any_label() {
    for label in ["utf-8", "iso-8859-1", "iso-2022-jp", "shift_jis", "us-ascii", "x-unknown"] {
        let head = format!("Content-Type: text/plain; charset={label}\r\n");
        check(
            &head,
            &[
                ("to owner+AEA-tanuki-shop.example now", "to {M} now"),
                ("1+1=2, a+bcd and owner+tag", "1+1=2, a+bcd and owner+tag"),
            ],
        );
    }
}

#[test]
fn addresses_are_read_as_systems_write_them() {
    check(
        PLAIN,
        &[
            ("owner_tanuki-shop.example#EXT#@tenant.onmicrosoft.com", "{L}_{D}#EXT#@tenant.onmicrosoft.com"),
            (
                "https://x.example/owner_tanuki-shop.example%23EXT%23%40tenant.onmicrosoft.com",
                "https://x.example/{L}_{D}%23EXT%23%40tenant.onmicrosoft.com",
            ),
            (
                "https://t-my.sharepoint.com/personal/owner_tanuki-shop_example/Documents",
                "https://t-my.sharepoint.com/personal/{S}/Documents",
            ),
            (
                "https://t-my.sharepoint.com/:x:/r/personal/owner_tanuki_shop_example?x",
                "https://t-my.sharepoint.com/:x:/r/personal/{S}?x",
            ),
            ("%2Fpersonal%2Fowner_tanuki-shop_example%2F", "%2Fpersonal%2F{S}%2F"),
            ("owner%tanuki-shop.example@gw.example", "{L}%{D}@gw.example"),
            ("tanuki-shop.example!owner", "{D}!{L}"),
            ("gw!tanuki-shop.example!owner and", "gw!{D}!{L} and"),
            ("ftp://owner:pw@tanuki-shop.example/", "ftp://{L}:pw@{D}/"),
            ("owner_at_tanuki-shop.example", "{L}_at_{D}"),
            ("x/owner-at-tanuki-shop.example/", "x/{L}-at-{D}/"),
            ("owner_tanuki-shop.example is a file", "owner_tanuki-shop.example is a file"),
            ("/team/owner_tanuki-shop_example/", "/team/owner_tanuki-shop_example/"),
            ("/personal/x_owner_tanuki-shop_example/", "/personal/x_owner_tanuki-shop_example/"),
            ("xowner_at_tanuki-shop.example", "xowner_at_tanuki-shop.example"),
            ("owner%tanuki-shop.examples", "owner%tanuki-shop.examples"),
            ("tanuki-shop.example!owners", "tanuki-shop.example!owners"),
            ("ftp://an.owner:pw@tanuki-shop.example/", "ftp://an.owner:pw@tanuki-shop.example/"),
        ],
    );
}

#[test]
fn signs_are_read_as_people_say_and_draw_them() {
    check(
        PLAIN,
        &[
            ("連絡は owner アット tanuki-shop.example まで", "連絡は {M} まで"),
            ("連絡はownerあっとtanuki-shop.exampleまで", "連絡は{M}まで"),
            ("owner アットマーク tanuki-shop ドット example", "{M}"),
            ("owner《at》tanuki-shop.example", "{M}"),
            ("owner『アット』tanuki-shop.example", "{M}"),
            ("owner《＠》tanuki-shop.example", "{M}"),
            ("owner★tanuki-shop.example", "{M}"),
            ("owner☆tanuki-shop.example, owner◎tanuki-shop.example", "{M}, {M}"),
            ("owner■tanuki-shop.example", "{M}"),
            ("owner　ａｔ　tanuki-shop.example", "{M}"),
            ("あっとtanuki-shop.example", "あっとtanuki-shop.example"),
            ("owner★tanuki-shop.example.tw", "owner★tanuki-shop.example.tw"),
            ("coowner★tanuki-shop.example", "coowner★tanuki-shop.example"),
            ("owner ドット tanuki-shop.example", "owner ドット tanuki-shop.example"),
            ("ホットownerなtanuki-shop.example", "ホットownerなtanuki-shop.example"),
        ],
    );
}

#[test]
fn a_line_may_end_beside_the_word_for_a_sign() {
    for head in [PLAIN, HTML] {
        check(
            head,
            &[
                ("to owner at\r\ntanuki-shop.example, please", "to {M}\r\n, please"),
                ("to owner AT\r\ntanuki-shop dot\r\nexample", "to {M}\r\n\r\n"),
                ("to owner\r\nat tanuki-shop.example", "to {M}"),
                ("to owner \r\nat tanuki-shop\r\ndot example.", "to {M} ."),
                ("to owner\r\nat\r\ntanuki-shop.example", "to {M}\r\n"),
                ("> to owner at\r\n> tanuki-shop.example", "> to {M}\r\n> "),
                ("to coowner at\r\ntanuki-shop.example", "to coowner at\r\ntanuki-shop.example"),
                ("to owner at\r\ntanuki-shop.example.tw", "to owner at\r\ntanuki-shop.example.tw"),
                ("to owner\r\nat tanuki-shop.examples", "to owner\r\nat tanuki-shop.examples"),
                ("the owner\r\nattanuki-shop.example", "the owner\r\nattanuki-shop.example"),
                ("the owner that\r\ntanuki-shop.example has", "the owner that\r\ntanuki-shop.example has"),
            ],
        );
    }
    let sjis = "Content-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: 8bit\r\n";
    let (text, ..) = encoding_rs::SHIFT_JIS.encode("連絡は owner at\r\ntanuki-shop.example まで");
    let (expected, ..) = encoding_rs::SHIFT_JIS.encode(" まで");
    let out = passed(sjis, &text).unwrap();
    assert!(out.ends_with(&[M.as_bytes(), b"\r\n", &expected[..]].concat()), "{}", out.escape_ascii());
}

/// Texts in which a domain stands and no address, all as they are.
fn stays(head: &str, texts: &[&str]) {
    let same: Vec<(&str, &str)> = texts.iter().map(|text| (*text, *text)).collect();
    check(head, &same);
}

#[test]
fn a_domain_that_a_sentence_ends_with_is_no_path() {
    let texts = [
        "ようこそtanuki-shop.example！Owner からのお知らせ",
        "新しくなったtanuki-shop.example! Owner からのお知らせ",
        "新しくなったtanuki-shop.example!Owner からのお知らせ",
        "https://tanuki-shop.example!owner",
        "x@tanuki-shop.example!owner",
        "the-tanuki-shop.example!owner",
        "www.tanuki-shop.example!owner",
        "Visit tanuki-shop.example! Owner sale",
        "Visit tanuki-shop.example!\r\nOwner sale",
        "tanuki-shop.example!ownerからのお知らせ",
        "tanuki-shop.example!owner-x tanuki-shop.example!owner_x",
    ];
    stays(PLAIN, &texts);
    stays(HTML, &texts);
    stays(HTML, &["<b>tanuki-shop.example!</b>Owner sale"]);
    check(
        PLAIN,
        &[
            ("路gw!tanuki-shop.example!owner, x", "路gw!{D}!{L}, x"),
            ("（tanuki-shop.example!owner）", "（tanuki-shop.example!owner）"),
        ],
    );
}

#[test]
fn a_mark_with_a_blank_beside_it_begins_an_item() {
    let texts = [
        "担当: Owner\r\n※tanuki-shop.example からのメールを受信できるようにしてください",
        "TANUKI OWNER\r\n■ tanuki-shop.example",
        "Owner ※tanuki-shop.example からのメールを受信できるように",
        "TANUKI OWNER ★ tanuki-shop.example",
        "TANUKI OWNER★ tanuki-shop.example",
        "TANUKI OWNER　◆　tanuki-shop.example",
        "OWNER（★）tanuki-shop.example",
        "OWNER\r\n★tanuki-shop.example ■tanuki-shop.example",
        "担当 Owner アット\r\ntanuki-shop.example",
        "担当 Owner\r\nアット tanuki-shop.example",
    ];
    stays(PLAIN, &texts);
    stays(HTML, &texts);
    check(
        PLAIN,
        &[
            ("Owner※tanuki-shop.exampleへ\r\n※ x", "{M}へ\r\n※ x"),
            ("担当 owner アット tanuki-shop.example", "担当 {M}"),
        ],
    );
}

#[test]
fn signs_nearby_make_no_address_of_a_sentence_that_is_none_without_them() {
    for text in
        ["Owner at tanuki-shop.example", "Owner looks at tanuki-shop.example", "Owner: tanuki-shop.example"]
    {
        for sign in ["「案内」", "アット ", "★ ", "※"] {
            let both = format!("{sign}{text}");
            assert_eq!(held(PLAIN, both.as_bytes()), held(PLAIN, text.as_bytes()), "{both}");
        }
    }
}

#[test]
fn what_markdown_and_pages_put_in_between_is_taken_out() {
    check(
        PLAIN,
        &[
            ("owner\\@tanuki-shop.example", "{M}"),
            ("owner@tanuki\\-shop\\.example", "{M}"),
            ("C:\\owner\\x \\_ \\- \\'a", "C:\\owner\\x \\_ \\- \\'a"),
        ],
    );
    check(
        HTML,
        &[
            ("<p>owner<span hidden>x</span>@tanuki-shop.example</p>", "<p>{M}<span hidden>x</span></p>"),
            (
                "<p>owner<span hidden=\"\">x</span>@tanuki-shop.example</p>",
                "<p>{M}<span hidden=\"\">x</span></p>",
            ),
            (
                "<p>owner<span style=\"mso-hide: all\">x</span>@tanuki-shop.example</p>",
                "<p>{M}<span style=\"mso-hide: all\">x</span></p>",
            ),
            (
                "<p>owner<span style='line-height:0'>x</span>@tanuki-shop.example</p>",
                "<p>owner<span style='line-height:0'>x</span>@tanuki-shop.example</p>",
            ),
            (
                "<p>owner<span style='opacity:0'>x</span>@tanuki-shop.example</p>",
                "<p>{M}<span style='opacity:0'>x</span></p>",
            ),
        ],
    );
}

#[test]
fn what_a_style_sheet_hides_and_what_is_shown_backwards_is_held() {
    let backwards: String = "owner@tanuki-shop.example".chars().rev().collect();
    let other: String = "rowner@tanuki-shop.example".chars().rev().collect();
    let sheet = "<style>p{color:red}.a, i.n {display: none}</style>";
    for (text, is_held) in [
        (format!("{sheet}<p>owner<span class=n>x</span>@tanuki-shop.example</p>"), true),
        (format!("{sheet}<p>owner@<span class=\"b a\">x</span>tanuki-shop.example</p>"), true),
        (format!("{sheet}<p>owner<span class=m>x</span>@tanuki-shop.example</p>"), false),
        (format!("<p>\u{202e}{backwards}\u{202c}</p>"), true),
        (format!("<p>x <bdo dir=rtl>{backwards}</bdo></p>"), true),
        (format!("<p><span style='unicode-bidi:bidi-override'>{backwards}</span></p>"), true),
        (format!("<p><bdo dir=rtl>{other}</bdo></p>"), false),
        (format!("<p>{backwards}</p>"), false),
    ] {
        assert_eq!(held(HTML, text.as_bytes()), is_held, "{text}");
        assert_eq!(passed(HTML, text.as_bytes()).is_err(), is_held, "{text}");
    }
}

#[test]
fn tokens_hold_an_address_in_any_case() {
    use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
    let token =
        |address: &str| BASE64URL_NOPAD.encode(format!("{{\"sub\":\"{address}\",\"n\":1}}").as_bytes());
    let link = |address: &str| format!("https://x.example/?t=eyJhbGciOiJub25lIn0.{}.x&k=1", token(address));
    let digits = |address: &str| format!("https://x.example/{}/", HEXLOWER.encode(address.as_bytes()));
    for write in [&link as &dyn Fn(&str) -> String, &digits] {
        let out = passed(PLAIN, write("Owner@Tanuki-Shop.Example").as_bytes());
        assert_eq!(out.map(|out| String::from_utf8(out).unwrap()), Ok(write(M)));
    }
}

#[test]
fn files_in_files_are_read_in_either_order_and_mails_in_them_are_read_as_mails() {
    use super::planted::zip;
    use data_encoding::BASE64;
    let wide = |text: &str, size: usize, big: bool| -> Vec<u8> {
        text.chars()
            .flat_map(|c| {
                let mut unit = u32::from(c).to_be_bytes()[4 - size..].to_vec();
                if !big {
                    unit.reverse();
                }
                unit
            })
            .collect()
    };
    let mail = |fields: &str, body: &[u8]| {
        format!("From: x@y.example\r\nSubject: s\r\n{fields}\r\n\r\n{}", BASE64.encode(body)).into_bytes()
    };
    let b64 = "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64";
    for (address, is_held) in [("owner@tanuki-shop.example", true), ("rowner@tanuki-shop.example", false)] {
        let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
        for text in [address.to_owned(), format!("前{address}"), format!("\u{feff}前{address}で")] {
            for size in [2, 4] {
                for big in [false, true] {
                    files.push(("a.txt", wide(&text, size, big)));
                    files.push(("b.txt", [b"x", wide(&text, size, big).as_slice()].concat()));
                }
            }
        }
        files.push(("a.eml", mail(b64, &wide(&format!("x {address} で"), 2, false))));
        files.push((
            "a.eml",
            mail(
                b64,
                format!("owner&#64;{}", &address[address.find('@').unwrap() + 1..])
                    .replace("owner", &address[..address.find('@').unwrap()])
                    .as_bytes(),
            ),
        ));
        let jis = |c: char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => format!("#{c}"),
            '@' => "!w".to_owned(),
            '.' => "!%".to_owned(),
            _ => "!]".to_owned(),
        };
        let jis: String = address.chars().map(jis).collect();
        files.push(("a.eml", mail(b64, format!("\u{1b}$B!!{jis}\u{1b}(B").as_bytes())));
        let first = mail(b64, b"nothing");
        let second = mail(b64, format!("\u{1b}$B!!{jis}\u{1b}(B").as_bytes());
        files.push((
            "m.mbox",
            [b"From x Sun Nov 22 09:00:00 2026\n", &first[..], b"\n\nFrom y Sun Nov 22\n", &second].concat(),
        ));
        files.push((
            "m.eml",
            [
                b"Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
                &second[..],
                b"\r\n--b--\r\n",
            ]
            .concat(),
        ));
        for (name, file) in files {
            let octets = zip(&[(name, &file)]);
            let head = "Content-Type: multipart/mixed; boundary=out\r\n";
            let body = format!(
                "--out\r\n\r\nx\r\n--out\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--out--",
                BASE64.encode(&octets)
            );
            let outcome = passed(head, body.as_bytes()).map(drop);
            // What stands before an address in a file may be the end of another field.
            let is_record = file.contains(&0);
            let as_expected = if is_held {
                outcome == Err(Stop::Held(super::Hold::Document))
            } else {
                is_record || outcome == Ok(())
            };
            assert!(as_expected, "{name} {address} {outcome:?} {}", file.escape_ascii());
        }
    }
}
