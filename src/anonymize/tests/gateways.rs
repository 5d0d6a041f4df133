//! Links of gateways that pages break, that stand in each other, and whose marks are escaped themselves; and what pages hide, wherever
//! and however it is written: each line one lesson, in and out, and what the gate alone says.

use super::links::{C, check_for};
use super::written::{HTML, PLAIN};
use super::{CUSTOMER, MERCHANT};
use crate::mime::transfer::hex;

/// Claims the same of a text and a page.
fn both(text: &str, expected: &str) {
    for head in [PLAIN, HTML] {
        check_for(CUSTOMER, MERCHANT, head, text.as_bytes(), expected.replace("{C}", C).as_bytes());
    }
}

#[test]
fn links_of_a_gateway_are_read_over_the_tags_and_line_ends_that_break_them() {
    let v2 = |link: &str| format!("<a href=\"#\">https://urldefense.proofpoint.com/v2/url?u={link}&d=D</a>");
    let v3 = |link: &str| format!("<a href=\"#\">https://urldefense.com/v3/__{link}__;JQ!!A!x_y$</a>");
    for (write, link, expected) in [
        (
            &v2 as &dyn Fn(&str) -> String,
            "https-3A__x.example_-3Fe-3Dhana.suzuki-<wbr>40mailbox.example",
            "https-3A__x.example_-3Fe-3D{C}<wbr>",
        ),
        (
            &v2,
            "https-3A__x.example_-3Fe-3Dhana.suzuki-4<wbr>0mailbox.example",
            "https-3A__x.example_-3Fe-3D{C}<wbr>",
        ),
        (&v3, "https://x.example/?e=hana.suz<wbr>uki*40mailbox.example", "https://x.example/?e={C}<wbr>"),
        (&v3, "https://x.example/?e=hana.suzuki*<wbr>40mailbox.example", "https://x.example/?e={C}<wbr>"),
        (
            &v3,
            "https://x.example/?e=rhana.suzuki*<wbr>40mailbox.example",
            "https://x.example/?e=rhana.suzuki*<wbr>40mailbox.example",
        ),
    ] {
        let (text, expected) = (write(link), write(expected).replace("{C}", C));
        check_for(CUSTOMER, MERCHANT, HTML, text.as_bytes(), expected.as_bytes());
    }
    let v2 = |link: &str| format!("> https://urldefense.proofpoint.com/v2/url?u={link}&d=D");
    for (link, expected) in [
        ("https-3A__x_-3Fe-3Dhana.suzuki-4\r\n> 0mailbox.example", "https-3A__x_-3Fe-3D{C}\r\n> "),
        ("https-3A__x_-3Fe-3Dhana.suzuki-\r\n> 40mailbox.example", "https-3A__x_-3Fe-3D{C}\r\n> "),
        ("https-3A__x_-3Fe-3Dhana.suzuki-25\r\n> 40mailbox.example", "https-3A__x_-3Fe-3D{C}\r\n> "),
    ] {
        let expected = v2(expected).replace("{C}", C);
        check_for(CUSTOMER, MERCHANT, PLAIN, v2(link).as_bytes(), expected.as_bytes());
    }
}

/// A link as the second form of a gateway writes it.
fn second(link: &str) -> String {
    let write = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' => c.to_string(),
        '/' => "_".to_owned(),
        c => format!("-{:02X}", u32::from(c)),
    };
    let link: String = link.chars().map(write).collect();
    format!("https://urldefense.proofpoint.com/v2/url?u={link}&d=D&c=ab")
}

/// The same of the third one.
fn third(link: &str) -> String {
    let stays = |c: char| c.is_ascii_alphanumeric() || "./:-_?=&@'()".contains(c);
    let body: String = link.chars().map(|c| if stays(c) { c } else { '*' }).collect();
    let list: String = link.chars().filter(|c| !stays(*c)).collect();
    let list = data_encoding::BASE64URL_NOPAD.encode(list.as_bytes());
    format!("https://urldefense.com/v3/__{body}__;{list}!!A-V!xy$")
}

#[test]
fn links_of_gateways_are_read_in_each_other_three_deep() {
    let percent = |link: &str| link.replace('%', "%25").replace(':', "%3A").replace('/', "%2F");
    let outlook = |link: &str| format!("https://safe.example/?url={}&data=05", percent(link));
    let writers: [&dyn Fn(&str) -> String; 3] = [&second, &third, &outlook];
    for address in ["hana.suzuki@mailbox.example", "hana.suzuki%40mailbox.example"] {
        let link = format!("https://x.example/?e={address}");
        for first in writers {
            for next in writers {
                for last in [&str::to_owned as &dyn Fn(&str) -> String, &second] {
                    let text = last(&next(&first(&link)));
                    let world = super::World::default();
                    let mail = format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{PLAIN}\r\n{text}\r\n");
                    assert!(world.gate(mail.clone().into_bytes()).is_err(), "{text}");
                    let out = world.pass(super::Direction::ToMerchant, mail.as_bytes()).unwrap().into_bytes();
                    let out = String::from_utf8(out).unwrap();
                    assert!(out.contains("pc.fw.relay.example") && !out.contains("suzuki"), "{text}\n{out}");
                }
            }
        }
        // Other people's, in any of them.
        let other = second(&third(&format!("https://x.example/?e=x.{address}")));
        both(&other, &other);
    }
    // Behind an underscore that is escaped.
    let token = data_encoding::BASE64URL_NOPAD.encode(b"e=hana.suzuki%40mailbox.example");
    let expected = data_encoding::BASE64URL_NOPAD.encode(format!("e={C}").as_bytes());
    let link =
        |token: &str| format!("https://urldefense.proofpoint.com/v2/url?u=https-3A__x_t-5F{token}&d=D");
    both(&link(&token), &link(&expected));
}

#[test]
fn marks_of_escapes_are_read_where_they_are_escaped_themselves() {
    for mark in [
        "&#x2A;40",
        "&#42;40",
        "&ast;40",
        "%2A40",
        "%252A40",
        "%25252A40",
        "%252A2540",
        "&#x2a;2540",
        "&amp;#x2A;40",
        "&amp;#42;40",
        "\\u002a40",
        "&#45;40",
        "%2D40",
        "%252D40",
        "&#126;40",
        "&#x7e;40",
        "%7E40",
        "%257E40",
        "%26ast%3B40",
    ] {
        let link = |address: &str| format!("https://x.example/?e={address}&x=1");
        both(&link(&format!("hana.suzuki{mark}mailbox.example")), &link("{C}"));
        for other in
            ["x.hana.suzuki{}mailbox.example", "hana.suzuki{}mailbox.examples", "hana{}mailbox.example"]
        {
            let other = link(&other.replace("{}", mark));
            both(&other, &other);
        }
    }
    for text in ["A&nbsp;40 B&nbsp;25, #2a40ff, x2D40y, 5&times;40", "hana.suzuki ;40 mailbox.example"] {
        both(text, text);
    }
}

#[test]
fn marks_are_read_where_the_digits_behind_them_are_escaped_too() {
    for mark in [
        "%2A%34%30",
        "%2a%34%30",
        "%2A4%30",
        "%2a%340",
        "&#42&#52;0",
        "&#x2a&#52;0",
        "&#x2A;&#52;&#48;",
        "\\u002a\\u00340",
        "\\u002A\\u0034\\u0030",
        "\\u007e\\u00340",
        "\\u007E4\\u0030",
    ] {
        let link = |address: &str| format!("https://x.example/?e={address}&x=1");
        both(&link(&format!("hana.suzuki{mark}mailbox.example")), &link("{C}"));
        for other in ["x.hana.suzuki{}mailbox.example", "hana.suzuki{}mailbox.examples"] {
            let other = link(&other.replace("{}", mark));
            both(&other, &other);
        }
    }
    // The plus of a tag the same way: the gate holds it.
    for text in ["hana.suzuki%2A2Btag@mailbox.example", "hana.suzuki&ast;&#50;Btag@mailbox.example"] {
        let mail = format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{PLAIN}\r\n{text}\r\n");
        assert!(super::World::default().gate(mail.into_bytes()).is_err(), "{text}");
    }
}

/// An address as pages hide it, under 5a.
fn hidden(clear: &str) -> String {
    std::iter::once(0x5a).chain(clear.bytes().map(|b| b ^ 0x5a)).map(|b| format!("{b:02x}")).collect()
}

#[test]
fn what_a_page_hides_is_read_in_capitals_in_links_of_gateways_and_far_behind_its_mark() {
    let digits = hidden(CUSTOMER);
    let (own, other) = (hidden(C), hidden(&format!("x.{CUSTOMER}")));
    for text in [
        "<a data-cfemail   =        \"           {}\">x</a>",
        "<a data-cfemail=&quot;&#32;&#32;&#32;&#32;&#32;{}&quot;>x</a>",
        "<a DATA-CFEMAIL=\"{}\">x</a>",
        "data-cfemail%3D%2522%2520%2520%2520%2520%2520{}",
        "https://urldefense.proofpoint.com/v2/url?u=https-3A__x_cdn-2Dcgi_l_email-2Dprotection-23{}&d=D",
        "https://urldefense.com/v3/__https://x/cdn-cgi/l/email-protection*{}__;Iw!!A!x$",
        "https://s.example/?u=https-3A__x_cdn-2Dcgi_l_email-2Dprotection-23{}%26d%3DD&x",
        "https://x.example/?u=cdn%2Dcgi/l/email%2Dprotection%23{}",
        "https://x.example/?u=cdn%252Dcgi/l/email%252Dprotection%252523{}",
    ] {
        both(&text.replace("{}", &digits), &text.replace("{}", &own));
        both(&text.replace("{}", &other), &text.replace("{}", &other));
    }
    let link =
        |digits: &str| format!("HTTPS://X.EXAMPLE/CDN-CGI/L/EMAIL-PROTECTION#{}", digits.to_uppercase());
    both(&link(&digits), &link(&own));
    both("child-protection 5a323b343b74292f202f31331a37", "child-protection 5a323b343b74292f202f31331a37");
}

#[test]
fn what_a_page_hides_is_read_over_line_ends_and_each_line_keeps_its_length() {
    let (digits, own) = (hidden(CUSTOMER), hidden(C));
    for cut in [8, 9, 20, 21, 40] {
        for (before, seam, behind) in [
            ("<a data-cfemail=\"", "\r\n", "\">x</a>"),
            ("> https://x.example/cdn-cgi/l/email-protection#", "\r\n> ", "\r\n> Dear all"),
            ("https://x.example/cdn-cgi/l/email-protection#", "<wbr>", " x"),
            ("https://x.example/cdn-cgi/l/email-protection#", "\r\n", "\r\nbeef and more"),
        ] {
            let write = |digits: &str| {
                let (head, tail) = digits.split_at(cut);
                format!("{before}{head}{seam}{tail}{behind}")
            };
            both(&write(&digits), &write(&own));
        }
    }
    // What follows on the next line is none of it, though it may be digits.
    for next in ["beef", "deadbeef", "Dear all"] {
        let write = |digits: &str| format!("https://x.example/cdn-cgi/l/email-protection#{digits}\r\n{next}");
        both(&write(&digits), &write(&own));
    }
    assert!(own.bytes().all(|b| hex(b).is_some()));
}

#[test]
fn what_a_page_hides_is_replaced_up_to_its_last_line_and_over_short_tags() {
    let (two, own) = (format!("{CUSTOMER} {CUSTOMER}"), format!("{C} {C}"));
    let (digits, own) = (hidden(&two), hidden(&own));
    for (seam, behind) in
        [("\r\n", "\r\nbeef"), ("\r\n> ", " x"), ("<br>", " x"), ("</b><i>", " x"), ("<WBR/>", "<br>12")]
    {
        for cut in [20, 54, 58, 70] {
            let write = |digits: &str| {
                let (head, tail) = digits.split_at(cut);
                format!("https://x.example/cdn-cgi/l/email-protection#{head}{seam}{tail}{behind}")
            };
            both(&write(&digits), &write(&own));
        }
    }
    // One without an end, and one with a mark in it, begin another.
    let text =
        |digits: &str| format!("cfemail 0000000000000000<cfemail>{digits} <b cfemail=\"{digits}\">x</b>");
    both(&text(&hidden(CUSTOMER)), &text(&hidden(C)));
}

#[test]
fn what_pages_hide_in_each_other_is_read_no_oftener_than_it_stands_there() {
    let page = |clear: &str| {
        let digits = [hidden(""), hidden(""), hidden(""), hidden(""), hidden(clear)].concat();
        let (head, tail) = digits.split_at(digits.len() - 14);
        let seams: Vec<&str> = (0..7).filter_map(|i| tail.get(2 * i..2 * i + 2)).collect();
        format!("{}{head}\r\n{} x", "cfemail".repeat(12), seams.join("\r\n"))
    };
    super::grows_no_more_than_the_mail("pages in pages", |levels| {
        let clear = "hello world ".repeat(if levels == 1 { 150 } else { 30 });
        let text = (0..levels).fold(clear, |clear, _| page(&clear));
        let mail = format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{PLAIN}\r\n{text}\r\n");
        assert!(super::World::default().gate(mail.into_bytes()).is_ok());
    });
}
