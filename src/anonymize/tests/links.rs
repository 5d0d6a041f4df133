//! Addresses in links and pages as gateways, programs and systems write them anew: each line one lesson, in and out, and what
//! the gate alone says.

use super::written::{HTML, M, PLAIN, check, held, passed};
use super::{CUSTOMER, Direction, Files, Forbidden, MERCHANT, World, pass_gate};
use data_encoding::BASE64;

/// The customer's alias.
pub const C: &str = "a0c7kq2m4n6p8r0t2v4x6z8b0d2f@pc.fw.relay.example";

/// Claims what becomes of a text between these two parties, and that the gate sees what is replaced.
pub fn check_for(customer: &str, merchant: &str, head: &str, text: &[u8], expected: &[u8]) {
    let world = World::new(customer, merchant);
    let head = format!("{head}From: <visitor@third.example>\r\nMIME-Version: 1.0\r\n\r\n");
    let mail = [head.as_bytes(), text, b"\r\n"].concat();
    let forbidden = Forbidden { secrets: &world.secrets(), traces: &[], files: Files::Checked };
    assert_eq!(pass_gate(mail.clone(), &forbidden).is_err(), text != expected, "{}", text.escape_ascii());
    let out = world.pass(Direction::ToMerchant, &mail).map(|out| {
        let out = out.into_bytes();
        let body = memchr::memmem::find(&out, b"\r\n\r\n").unwrap() + 4;
        out[body..out.len() - 2].escape_ascii().to_string()
    });
    assert_eq!(out, Ok(expected.escape_ascii().to_string()), "{}", text.escape_ascii());
}

#[test]
fn links_of_a_gateway_are_read_as_it_reads_them() {
    let v2 = |link: &str| format!("<https://urldefense.proofpoint.com/v2/url?u={link}&d=DwMFaQ&c=a_b&e=>");
    let v3 = |link: &str, list: &str| format!("https://urldefense.com/v3/__{link}__;{list}!!AC-V!x_y$ z");
    let both = |texts: &[(String, String)]| {
        for head in [PLAIN, HTML] {
            let texts: Vec<(&str, &str)> =
                texts.iter().map(|(text, expected)| (text.as_str(), expected.as_str())).collect();
            check(head, &texts);
        }
    };
    let lesson = |write: &dyn Fn(&str) -> String, text: &str, expected: &str| (write(text), write(expected));
    both(&[
        lesson(
            &v2,
            "https-3A__x.example_u-3Fe-3Downer-2540tanuki-2Dshop.example-26id-3D1",
            "https-3A__x.example_u-3Fe-3D{M}-26id-3D1",
        ),
        lesson(
            &v2,
            "https-3A__x.example_u-3Fe-3Downer-40tanuki-2dshop.example",
            "https-3A__x.example_u-3Fe-3D{M}",
        ),
        lesson(&v2, "https-3A__x.example_owner-40tanuki-2Dshop.example_x", "https-3A__x.example_{M}_x"),
        lesson(&v2, "mailto-3Aowner-40tanuki-2Dshop-2Eexample", "mailto-3A{M}"),
        lesson(
            &v2,
            "https-3A__y.example_-3Fr-3Dhttps-253A-252F-252Fx.example-252F-253Fe-253Downer-252540tanuki-2Dshop.example",
            "https-3A__y.example_-3Fr-3Dhttps-253A-252F-252Fx.example-252F-253Fe-253D{M}",
        ),
        // Other people's.
        lesson(
            &v2,
            "https-3A__x.example_-3Fe-3Dcoowner-40tanuki-2Dshop.example",
            "https-3A__x.example_-3Fe-3Dcoowner-40tanuki-2Dshop.example",
        ),
        lesson(
            &v2,
            "https-3A__x.example_-3Fe-3Dthe-2Downer-40tanuki-2Dshop.example",
            "https-3A__x.example_-3Fe-3Dthe-2Downer-40tanuki-2Dshop.example",
        ),
        lesson(
            &v2,
            "https-3A__x.example_-3Fe-3Dan-5Fowner-40tanuki-2Dshop.example",
            "https-3A__x.example_-3Fe-3Dan-5Fowner-40tanuki-2Dshop.example",
        ),
        lesson(
            &v2,
            "https-3A__x.example_-3Fe-3Downer-40tanuki-2Dshop.example.tw",
            "https-3A__x.example_-3Fe-3Downer-40tanuki-2Dshop.example.tw",
        ),
        lesson(&v2, "https-3A__tanuki-2Dshop.example_owner", "https-3A__tanuki-2Dshop.example_owner"),
    ]);
    let third = |list: &'static str| move |link: &str| v3(link, list);
    both(&[
        lesson(
            &third("JQ"),
            "https://x.example/u?e=owner*40tanuki-shop.example&id=1",
            "https://x.example/u?e={L}*40{D}&id=1",
        ),
        lesson(
            &third("JSU"),
            "https://x.example/u?e=owner*2540tanuki-shop.example&r=*41",
            "https://x.example/u?e={L}*2540{D}&r=*41",
        ),
        lesson(
            &third("Kw"),
            "https://x.example/u?e=owner*rk@tanuki-shop.example",
            "https://x.example/u?e={M}",
        ),
        lesson(
            &third("KyU"),
            "https://x.example/u?e=owner*rk*40tanuki-shop.example",
            "https://x.example/u?e={M}",
        ),
        lesson(
            &third("KCklJQ"),
            "https://x.example/**Ax?e=owner*40tanuki*2Dshop.example",
            "https://x.example/**Ax?e={M}",
        ),
        lesson(&third(""), "mailto:owner@tanuki-shop.example", "mailto:{M}"),
        lesson(
            &third("JQ"),
            "https://x.example/u?e=coowner*40tanuki-shop.example",
            "https://x.example/u?e=coowner*40tanuki-shop.example",
        ),
        lesson(
            &third("JQ"),
            "https://x.example/u?e=owner*40tanuki-shop.examples",
            "https://x.example/u?e=owner*40tanuki-shop.examples",
        ),
    ]);
}

#[test]
fn links_of_a_gateway_are_read_where_they_are_cut_and_in_other_links() {
    check(
        PLAIN,
        &[
            (
                "https://urldefense.com/v3/__https://x.example/u?e=owner*40tanuki-shop.example",
                "https://urldefense.com/v3/__https://x.example/u?e={L}*40{D}",
            ),
            (
                "https://urldefense.com/v3/__https://x.example/u?e=owner*rk@tanuki-shop.example and",
                "https://urldefense.com/v3/__https://x.example/u?e={M} and",
            ),
            (
                "https://x.example/?u=https%3A%2F%2Furldefense.com%2Fv3%2F__https%3A%2F%2Fx%2F%3Fe%3Downer*40tanuki-shop.example__%3BJQ%21%21A%24",
                "https://x.example/?u=https%3A%2F%2Furldefense.com%2Fv3%2F__https%3A%2F%2Fx%2F%3Fe%3D{L}*40{D}__%3BJQ%21%21A%24",
            ),
            ("https://x.example/?e=owner*40tanuki-shop.example&x=1", "https://x.example/?e={L}*40{D}&x=1"),
            ("https://x.example/?e=owner*2540tanuki*2dshop*2eexample", "https://x.example/?e={M}"),
            ("https://x.example/?e=owner-2540tanuki-2Dshop.example", "https://x.example/?e={M}"),
            ("https://x.example/?e=owner~40tanuki-shop.example", "https://x.example/?e={M}"),
            ("https://x.example/?e=owner%2A40tanuki-shop.example", "https://x.example/?e={M}"),
            (
                "{\"u\":\"https:\\/\\/urldefense.com\\/v3\\/__https:\\/\\/x\\/?e=owner*40tanuki-shop.example__;JQ!!A!a$\"}",
                "{\"u\":\"https:\\/\\/urldefense.com\\/v3\\/__https:\\/\\/x\\/?e={L}*40{D}__;JQ!!A!a$\"}",
            ),
            (
                "> https://urldefense.proofpoint.com/v2/url?u=https-3A__x_-3Fe-3Downer-2540tan\r\n> uki-2Dshop.example&d=D",
                "> https://urldefense.proofpoint.com/v2/url?u=https-3A__x_-3Fe-3D{M}\r\n> &d=D",
            ),
            (
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__urldefense.com_v3_-5F-5Fhttps-3A_x_-3Fe-3Downer-2A40tanuki-2Dshop.example-5F-5F-3BJQ-21-21A&d=D",
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__urldefense.com_v3_-5F-5Fhttps-3A_x_-3Fe-3D{M}-5F-5F-3BJQ-21-21A&d=D",
            ),
            (
                "2*40 and 3*25 at 03-4012-2540, owner 5*40tanuki",
                "2*40 and 3*25 at 03-4012-2540, owner 5*40tanuki",
            ),
            (
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__x.example_ an_owner@tanuki-shop.example",
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__x.example_ an_owner@tanuki-shop.example",
            ),
            (
                "coowner*40tanuki-shop.example owner*40tanuki-shop.example.tw",
                "coowner*40tanuki-shop.example owner*40tanuki-shop.example.tw",
            ),
        ],
    );
    let subject =
        "Subject: https://urldefense.com/v3/__https://x/?e=owner*40tanuki-shop.example__;JQ!!A!a$\r\n";
    assert_eq!(passed(subject, b"x").map(drop), Ok(()));
    assert!(held(subject, b"x"));
}

#[test]
fn calendars_escape_the_semicolon_of_an_entity() {
    let calendar = "Content-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    let text = |inner: &str| format!("BEGIN:VCALENDAR\r\nX:{inner}\r\nEND:VCALENDAR");
    for (inner, expected) in [
        ("owner&#64\\;tanuki-shop.example", "{M}"),
        ("owner&#x40\\;tanuki-shop.example", "{M}"),
        ("owner&commat\\;tanuki-shop.example\\, x", "{M}\\, x"),
        ("owner&nbsp\\;@&nbsp\\;tanuki-shop.example", "{M}&nbsp\\;&nbsp\\;"),
        ("owner&#8203\\;@tanuki-shop.example", "{M}&#8203\\;"),
        ("owner&shy\\;@tanuki-shop&period\\;example", "{M}&shy\\;"),
        ("owner@tanuki-shop&#46\\;example", "{M}"),
        ("&lt\\;owner@tanuki-shop.example&gt\\;", "&lt\\;{M}&gt\\;"),
        ("owner&amp\\;#64\\;tanuki-shop.example", "{M}"),
        ("&#111\\;wner@tanuki-shop.example\\;", "{M}\\;"),
        ("coowner&#64\\;tanuki-shop.example", "coowner&#64\\;tanuki-shop.example"),
        ("co&nbsp\\;x &amp\\; y&#8203\\;\\, z", "co&nbsp\\;x &amp\\; y&#8203\\;\\, z"),
    ] {
        check(calendar, &[(&text(inner), &text(expected))]);
        check(PLAIN, &[(inner, expected)]);
    }
}

#[test]
fn pages_that_hide_addresses_hide_the_alias_in_the_same_way() {
    let hidden = |clear: &str, key: u8, upper: bool| {
        let octets = std::iter::once(key).chain(clear.bytes().map(|b| b ^ key));
        octets.map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect::<String>()
    };
    for (key, upper) in [(0x5a, false), (0x21, false), (0xff, true)] {
        let write = |clear: &str| {
            let digits = hidden(clear, key, upper);
            [
                format!("<a class=\"__cf_email__\" data-cfemail=\"{digits}\">[email&#160;protected]</a>"),
                format!("<a data-cfemail='{digits}'>x</a> <a data-cfemail={digits}>x</a>"),
                format!("<a href=\"https://www.x.example/cdn-cgi/l/email-protection#{digits}\">x</a>"),
                format!(
                    "<a href=\"https://r.example/?u=%2Fcdn-cgi%2Fl%2Femail-protection%23{digits}&amp;x=1\">x</a>"
                ),
            ]
        };
        for (clear, expected) in [
            ("owner@tanuki-shop.example", "{M}"),
            ("Owner@Tanuki-Shop.example?subject=x", "{M}?subject=x"),
            ("owner%40tanuki-shop.example", "{M}"),
            ("coowner@tanuki-shop.example", "coowner@tanuki-shop.example"),
            ("owner@tanuki-shop.examples", "owner@tanuki-shop.examples"),
        ] {
            let expected = expected.replace("{M}", M);
            for (text, expected) in write(clear).iter().zip(&write(&expected)) {
                check(HTML, &[(text, expected)]);
                check(PLAIN, &[(text, expected)]);
            }
        }
    }
    let texts =
        ["data-cfemail=\"5a\"", "data-cfemail= cdn-cgi/l/email-protection#", "cfemail 0123456789abcdef"];
    texts.iter().for_each(|text| check(HTML, &[(text, text)]));
}

#[test]
fn domains_are_read_with_marks_behind_their_letters_and_in_half_width() {
    for (domain, texts, others) in [
        (
            "がくぶち屋.example",
            vec!["info@か\u{3099}くふ\u{3099}ち屋.example", "info＠か\u{3099}くふ\u{3099}ち屋。example"],
            vec![
                "info@かくふち屋.example",
                "info@か\u{3099}くふち屋.example",
                "info@か\u{3099}くふ\u{3099}ち屋2.example",
            ],
        ),
        (
            "ガクブチ.example",
            vec![
                "info@ｶﾞｸﾌﾞﾁ.example",
                "info＠ｶﾞｸﾌﾞﾁ．example",
                "info@カ\u{3099}クフ\u{3099}チ.example",
                "info@ｶ\u{3099}ｸﾌ\u{3099}ﾁ.example",
            ],
            vec!["info@ｶｸﾌﾞﾁ.example", "info@ｶﾞｸﾌﾟﾁ.example", "xinfo@ｶﾞｸﾌﾞﾁ.example"],
        ),
        ("パン.example", vec!["info@ハ\u{309a}ン.example", "info@ﾊﾟﾝ.example"], vec!["info@ﾊﾞﾝ.example"]),
        (
            "café.example",
            vec!["info@cafe\u{301}.example", "INFO@CAFE\u{301}.EXAMPLE"],
            vec!["info@cafe.example"],
        ),
    ] {
        let secret = format!("info@{}", idna::domain_to_ascii(domain).unwrap());
        let percent = |text: &str| {
            let octet = |b: u8| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02X}") };
            text.bytes().map(octet).collect::<String>()
        };
        let numbers = |text: &str| {
            let number = |c: char| if c.is_ascii() { c.to_string() } else { format!("&#{};", u32::from(c)) };
            text.chars().map(number).collect::<String>()
        };
        for write in [&str::to_owned as &dyn Fn(&str) -> String, &percent, &numbers] {
            for text in texts.iter().filter(|text| text.contains('@')) {
                check_for(CUSTOMER, &secret, PLAIN, write(text).as_bytes(), M.as_bytes());
                check_for(
                    CUSTOMER,
                    &secret,
                    HTML,
                    format!("<p>{}</p>", write(text)).as_bytes(),
                    format!("<p>{M}</p>").as_bytes(),
                );
            }
            for text in &others {
                check_for(CUSTOMER, &secret, PLAIN, write(text).as_bytes(), write(text).as_bytes());
            }
        }
        let sjis = "Content-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: 8bit\r\n";
        for text in texts {
            check_for(CUSTOMER, &secret, PLAIN, text.as_bytes(), M.as_bytes());
            let (octets, _, lossy) = encoding_rs::SHIFT_JIS.encode(text);
            if !lossy {
                check_for(CUSTOMER, &secret, sjis, &octets, M.as_bytes());
            }
        }
    }
    let clean = "か\u{3099}くふ\u{3099}ち ｶﾞｸﾌﾞﾁ e\u{301} info@か\u{3099}.example";
    check(PLAIN, &[(clean, clean)]);
}

#[test]
fn a_name_that_is_a_mailbox_without_its_dots_is_not_shown() {
    let shown = |name: &str, customer: &str| {
        let world = World::new(customer, MERCHANT);
        let mail = format!("From: {name} <{customer}>\r\n\r\nx\r\n");
        let out = world.pass(Direction::ToMerchant, mail.as_bytes()).unwrap().into_bytes();
        memchr::memmem::find(&out, name.as_bytes()).is_some()
    };
    let gmail = "hana.suzuki@gmail.com";
    for name in [
        "hanasuzuki",
        "\"HanaSuzuki\"",
        "\"h.anasuzuki\"",
        "\"hanasuzuki(Gmail)\"",
        "\"Gmail hanasuzuki\"",
        "\"hanasuzuki+x\"",
    ] {
        assert!(!shown(name, gmail), "{name}");
    }
    let word = format!("=?UTF-8?B?{}?=", BASE64.encode("鈴木花子hanasuzuki".as_bytes()));
    assert!(!shown(&word, gmail));
    for name in ["\"hana suzuki\"", "\"Hana Suzuki\"", "\"hanasuzukix\"", "\"Suzuki\""] {
        assert!(shown(name, gmail), "{name}");
    }
    assert!(shown("hanasuzuki", "hana.suzuki@mailbox.example"));
}
