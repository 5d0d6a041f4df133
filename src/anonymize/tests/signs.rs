//! Signs that are written twice, in brackets with blanks, tags and wide letters, as numbers or names of pages, and before domains whose
//! letters and marks are apart: what becomes of each, and what the gate alone says.

use super::links::{C, check_for};
use super::written::{HTML, M, PLAIN};
use super::{CUSTOMER, MERCHANT};
use unicode_normalization::UnicodeNormalization;

fn becomes(head: &str, text: &str, expected: &str) {
    check_for(CUSTOMER, MERCHANT, head, text.as_bytes(), expected.as_bytes());
}

#[test]
fn a_sign_in_brackets_is_one_whatever_blanks_and_wide_letters_are_among_them() {
    for sign in [
        "（ a ）",
        "（　ａ　）",
        "( a )",
        "[ a ]",
        "（Ａ）",
        "(ＡＴ)",
        "［ａ］",
        " （ａ） ",
        "（ａ） ",
        "（ａｔｍａｒｋ）",
        "(アット マーク)",
        "（半角ａｔ）",
        "(半角のアットマーク)",
        "〔a〕",
        "「a」",
        "『a』",
        "《a》",
        "〈a〉",
        "((at))",
        "＊ａｔ＊",
        "／ａｔ／",
    ] {
        let text = format!("mail hana.suzuki{sign}mailbox.example を");
        becomes(PLAIN, &text, &format!("mail {C} を"));
        for other in [
            format!("mail x.hana.suzuki{sign}mailbox.example を"),
            format!("mail hana.suzuki{sign}mailbox.examples を"),
            format!("mail owner{sign}xtanuki-shop.example を"),
        ] {
            becomes(PLAIN, &other, &other);
        }
    }
    for sign in ["（<b>a</b>）", "<b>（</b>a<b>）</b>", "<i>（</i>&#65345;<i>）</i>", "<b>(a)</b>"] {
        let tags: String =
            sign.split_inclusive('>').filter_map(|piece| piece.get(piece.find('<')?..)).collect();
        let text = format!("<p>mail hana.suzuki{sign}mailbox.example を</p>");
        becomes(HTML, &text, &format!("<p>mail {C}{tags} を</p>"));
        let other = format!("<p>mail x.hana.suzuki{sign}mailbox.example を</p>");
        becomes(HTML, &other, &other);
    }
    for text in [
        "hana.suzuki（a社）mailbox.example",
        "hana.suzuki（ ）mailbox.example",
        "hana.suzuki（案）mailbox.example",
        "hana.suzuki a mailbox.example",
        "<p>hana.suzuki<br>a<br>mailbox.example</p>",
        "<td>hana.suzuki</td><td>mailbox.example</td>",
    ] {
        becomes(PLAIN, text, text);
        becomes(HTML, text, text);
    }
}

#[test]
fn a_sign_that_is_written_twice_is_one() {
    for sign in [
        "＠＠",
        "@＠",
        "＠@",
        "@@@",
        "&#64;&#64;",
        "&#x40;&#x40;",
        "&commat;&commat;",
        "%40%40",
        "%2540%2540",
        "@%40",
        "%EF%BC%A0%EF%BC%A0",
        "&#65312;&#65312;",
        "\\u0040\\u0040",
        "@ @",
    ] {
        for (local, domain, alias) in
            [("hana.suzuki", "mailbox.example", C), ("owner", "tanuki-shop.example", M)]
        {
            for head in [PLAIN, HTML] {
                let text = format!("mail {local}{sign}{domain} を");
                let world = super::World::default();
                let mail = format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{head}\r\n{text}\r\n");
                assert!(world.gate(mail.clone().into_bytes()).is_err(), "{text}");
                let out = world.pass(super::Direction::ToMerchant, mail.as_bytes()).unwrap().into_bytes();
                let out = String::from_utf8(out).unwrap();
                let (host, own) = (alias.split_once('@').unwrap().1, alias.split_once('@').unwrap().0);
                assert!(out.contains(own) && out.contains(host) && !out.contains(domain), "{text}\n{out}");
                for other in
                    [format!("mail x{local}{sign}{domain} を"), format!("mail {local}{sign}{domain}s を")]
                {
                    becomes(head, &other, &other);
                }
            }
        }
    }
}

#[test]
fn a_mark_that_is_drawn_is_a_sign_as_a_number_a_name_or_octets_too() {
    for sign in
        ["&starf;", "&star;", "&#9733;", "&#9733", "&#x2605;", "&#9678;", "&#8251;", "%E2%98%85", "\\u2605"]
    {
        for head in [PLAIN, HTML] {
            becomes(head, &format!("mail hana.suzuki{sign}mailbox.example を"), &format!("mail {C} を"));
            let other = format!("mail x.hana.suzuki{sign}mailbox.example を");
            becomes(head, &other, &other);
            // With a blank beside it, it is the mark of an item.
            let item = format!("HANA.SUZUKI {sign} mailbox.example を");
            becomes(head, &item, &item);
        }
    }
    let verp = C.replace('@', "#");
    for sign in ["&#35;", "&num;"] {
        becomes(HTML, &format!("mail hana.suzuki{sign}mailbox.example を"), &format!("mail {verp} を"));
    }
}

#[test]
fn signs_are_read_before_domains_whose_letters_and_marks_are_apart() {
    let domain = "がくぶち屋.example";
    let secret = format!("info.shop@{}", idna::domain_to_ascii(domain).unwrap());
    let apart: String = domain.nfd().collect();
    for sign in [
        "アットマーク",
        " アットマーク ",
        "アット",
        "あっと",
        "★",
        "◎",
        "※",
        "（at）",
        "(at)",
        "《at》",
        "(atmark)",
        "|at|",
        "(半角アット)",
        "%81%97",
        "$B!w(B",
        "＠",
        "%40",
    ] {
        for domain in [domain, &apart] {
            let text = format!("mail info.shop{sign}{domain} を");
            check_for(CUSTOMER, &secret, PLAIN, text.as_bytes(), format!("mail {M} を").as_bytes());
            let other = format!("mail x.info.shop{sign}{domain} を");
            check_for(CUSTOMER, &secret, PLAIN, other.as_bytes(), other.as_bytes());
        }
    }
}

#[test]
fn a_character_between_a_name_and_a_domain_is_none_of_a_wrong_charset() {
    let latin = "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n";
    for sign in [" × ", "×", " ÷ ", "÷", " ± ", "±", "·", " » ", "«"] {
        let text = format!("hana.suzuki{sign}mailbox.example");
        becomes(PLAIN, &text, &text);
        let octets: Vec<u8> = text.chars().filter_map(|c| u8::try_from(c).ok()).collect();
        check_for(CUSTOMER, MERCHANT, latin, &octets, &octets);
    }
}

#[test]
fn a_letter_of_a_wrong_charset_between_a_name_and_a_domain_is_held() {
    for sign in ["§", "à", "É", "¤", "©", "°", "ï¼", "¿"] {
        for (text, is_held) in
            [("hana.suzuki{}mailbox.example", true), ("x.hana.suzuki{}mailbox.example", false)]
        {
            let text = text.replace("{}", sign);
            let mail = format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{PLAIN}\r\n{text}\r\n");
            assert_eq!(super::World::default().gate(mail.into_bytes()).is_err(), is_held, "{text}");
        }
    }
}

#[test]
fn a_sign_is_none_where_a_line_a_cell_or_an_item_ends_before_or_behind_it() {
    for text in [
        "ID: hana.suzuki<br>★mailbox.example",
        "ID：hana.suzuki<br />●mailbox.example（PC）",
        "<p>hana.suzuki</p><p>●mailbox.example</p>",
        "<p>hana.suzuki</P>\r\n<P>●mailbox.example</p>",
        "<td>hana.suzuki</td><td>&#9733;</td><td>mailbox.example</td>",
        "<tr><td>hana.suzuki<tr><td>&#9733;mailbox.example",
        "<td>hana.suzuki</td><td>(A)</td><td>mailbox.example</td>",
        "<td>hana.suzuki</td><td>「a」</td><td>mailbox.example</td>",
        "<li>hana.suzuki</li><li>※<b>mailbox.example</b></li>",
        "hana.suzuki<br>'A' mailbox.example",
        "hana.suzuki<br>(a) mailbox.example",
        "<h2>hana.suzuki</h2>(a)<b>mailbox.example</b>",
        "<div>hana.suzuki</div><div>[a] mailbox.example</div>",
        "hana.suzuki<hr class=\"x\">(atmark)mailbox.example",
    ] {
        becomes(HTML, text, text);
    }
    // Other tags part nothing.
    for sign in ["<b>(a)</b>", "<pre>(a)</pre>", "<span>(atmark)</span>"] {
        let tags: String =
            sign.split_inclusive('>').filter_map(|piece| piece.get(piece.find('<')?..)).collect();
        becomes(HTML, &format!("hana.suzuki{sign}mailbox.example を"), &format!("{C}{tags} を"));
    }
}

#[test]
fn an_address_is_read_in_utf_8_whatever_charset_of_two_octets_is_declared() {
    for label in ["shift_jis", "gbk", "big5", "euc-kr"] {
        let head =
            format!("Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: 8bit\r\n");
        for blank in ["\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}"] {
            for before in ["", "注文は"] {
                let text = format!("{before} hana.suzuki{blank}@mailbox.example");
                let expected = format!("{before} {C}{blank}");
                check_for(CUSTOMER, MERCHANT, &head, text.as_bytes(), expected.as_bytes());
            }
        }
    }
}

#[test]
fn half_a_character_before_an_at_sign_is_a_blank_in_shift_jis_alone() {
    for label in ["gbk", "big5", "gb18030"] {
        let head =
            format!("Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: 8bit\r\n");
        let expected = [C.as_bytes(), b"\xa1"].concat();
        check_for(CUSTOMER, MERCHANT, &head, b"hana.suzuki\xa1@mailbox.example", &expected);
    }
}

#[test]
fn a_wide_blank_in_shift_jis_is_no_sign() {
    for blanks in ["　", "　　", " 　 ", "　・　", "。　"] {
        for text in [
            format!("担当 hana.suzuki{blanks}mailbox.example です"),
            format!("担当 owner{blanks}tanuki-shop.example です"),
            format!("owner{blanks}tanuki-shop.example"),
        ] {
            for label in ["shift_jis", "euc-jp", "iso-2022-jp", "utf-8"] {
                let head = format!(
                    "Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: 8bit\r\n"
                );
                let charset = crate::mime::charset::Charset::for_label(label.as_bytes()).unwrap();
                let octets = charset.encode(&text).unwrap();
                check_for(CUSTOMER, MERCHANT, &head, &octets, &octets);
            }
        }
    }
}
