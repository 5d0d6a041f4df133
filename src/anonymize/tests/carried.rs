//! Signs that were garbled, and tokens that carry an address in any spelling: what becomes of each, and what the gate alone says.

use super::links::{C, check_for};
use super::written::PLAIN;
use super::{CUSTOMER, MERCHANT};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

#[test]
fn a_sign_that_a_charset_or_a_habit_garbled_is_one_between_a_whole_local_part_and_a_whole_domain() {
    let signs = [
        "(atmark)",
        "(at-mark)",
        "[atmark]",
        "(半角アット)",
        "（半角アット）",
        "(a)",
        "[a]",
        "（a）",
        "|at|",
        "*at*",
        "/at/",
        ".at.",
        " at-mark ",
        " ａｔマーク ",
        "atマーク",
        "%81%97",
        "%A1%F7",
        "+%40+",
        "~40",
        "*40",
        "$B!w(B",
        "ï¼\u{a0}",
        "\u{81}\u{97}",
        "\u{fffd}—",
        "¡÷",
        "\u{fffd}ｼ\u{f8f0}",
        "_40",
        "!40",
    ];
    for sign in signs {
        // The form of some is kept.
        let expected = if sign == "*40" { C.replace('@', "*40") } else { C.to_owned() };
        let text = format!("mail hana.suzuki{sign}mailbox.example を");
        check_for(CUSTOMER, MERCHANT, PLAIN, text.as_bytes(), format!("mail {expected} を").as_bytes());
        let link = format!("https://x.example/?e=Hana.Suzuki{sign}Mailbox.example&x=1");
        if !sign.contains(' ') {
            check_for(
                CUSTOMER,
                MERCHANT,
                PLAIN,
                link.as_bytes(),
                format!("https://x.example/?e={expected}&x=1").as_bytes(),
            );
        }
        for other in [
            format!("x.hana.suzuki{sign}mailbox.example"),
            format!("xhana.suzuki{sign}mailbox.example"),
            format!("hana.suzuki{sign}mailbox.example.tw"),
            format!("hana.suzuki{sign}mailbox.examples"),
            format!("hana.suzuki{sign}xmailbox.example"),
        ] {
            check_for(CUSTOMER, MERCHANT, PLAIN, other.as_bytes(), other.as_bytes());
        }
    }
    let shifted = "$B8f@<(BHana.suzuki$B!w(Bmailbox.example $B%a!<%k(B";
    let expected = format!("$B8f@<(B{C} $B%a!<%k(B");
    check_for(CUSTOMER, MERCHANT, PLAIN, shifted.as_bytes(), expected.as_bytes());
    // Lists have both apart; an `owner` is a word; and what is none of the forms is no sign.
    for text in [
        "hana.suzuki/mailbox.example",
        "hana.suzuki,mailbox.example",
        "hana.suzuki;mailbox.example",
        "hana.suzuki:mailbox.example",
        "hana.suzuki|mailbox.example",
        "\"hana.suzuki\",\"mailbox.example\"",
        "hana.suzuki\tmailbox.example",
        "hana.suzuki mailbox.example",
        "hana.suzuki（mailbox.example）",
        "hana.suzuki(mailbox.example)",
        "hana.suzuki、mailbox.example",
        "hana.suzuki／mailbox.example",
        "hana.suzuki：mailbox.example",
        "hana.suzukiさんのmailbox.example",
        "hana.suzuki → mailbox.example",
        "?u=hana.suzuki&d=mailbox.example",
        "hana.suzuki a mailbox.example",
        "owner(a)tanuki-shop.example",
        "owner/at/tanuki-shop.example",
        "hana.suzuki・mailbox.example",
    ] {
        check_for(CUSTOMER, MERCHANT, PLAIN, text.as_bytes(), text.as_bytes());
        let (sjis, _, lossy) = encoding_rs::SHIFT_JIS.encode(text);
        if !lossy {
            let head = "Content-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: 8bit\r\n";
            check_for(CUSTOMER, MERCHANT, head, &sjis, &sjis);
        }
        let (euc, _, lossy) = encoding_rs::EUC_JP.encode(text);
        // In Big5, as which it may be meant, a wide slash is a mark that people draw.
        if !lossy && !text.contains('／') {
            let head = "Content-Type: text/plain; charset=euc-jp\r\nContent-Transfer-Encoding: 8bit\r\n";
            check_for(CUSTOMER, MERCHANT, head, &euc, &euc);
        }
    }
}

#[test]
fn tokens_are_read_in_any_spelling_and_written_as_they_were() {
    let url = |text: &str| format!("https://t.example/c?d={}&x=1", BASE64URL_NOPAD.encode(text.as_bytes()));
    let standard =
        |text: &str| format!("https://p.example/?u={}&h=abc", BASE64_NOPAD.encode(text.as_bytes()));
    let lower = |text: &str| format!("https://t.example/c?d={}", HEXLOWER.encode(text.as_bytes()));
    let upper = |text: &str| format!("https://t.example/c?d={}", HEXUPPER.encode(text.as_bytes()));
    let writers: [&dyn Fn(&str) -> String; 4] = [&url, &standard, &lower, &upper];
    for (customer, text, expected) in [
        (CUSTOMER, "https://x.example/?e=hana.suzuki%40mailbox.example", "https://x.example/?e={C}"),
        (
            CUSTOMER,
            "{\"email\": \"hana.suzuki\\u0040mailbox.example\", \"n\":1}",
            "{\"email\": \"{C}\", \"n\":1}",
        ),
        (CUSTOMER, "a=1&e=hana.suzuki+tag@mailbox.example", "a=1&e={C}"),
        (CUSTOMER, "hana.suzuki&#64;mailbox.example, hana.suzuki@mailbox.example", "{C}, {C}"),
        (CUSTOMER, "coowner hana.suzuki2@mailbox.example", "coowner hana.suzuki2@mailbox.example"),
        (CUSTOMER, "?e=x.hana.suzuki%40mailbox.example", "?e=x.hana.suzuki%40mailbox.example"),
        (CUSTOMER, "hana.suzuki%40mailbox.examples", "hana.suzuki%40mailbox.examples"),
        (CUSTOMER, "https://mailbox.example/hana", "https://mailbox.example/hana"),
        ("hana.suzuki@gmail.com", "?e=hanasuzuki@gmail.com", "?e={C}"),
        ("hana.suzuki@gmail.com", "h.anasuzuki%40googlemail.com", "{C}"),
        ("hana.suzuki@gmail.com", "?e=hanasuzuki2@gmail.com", "?e=hanasuzuki2@gmail.com"),
        ("hana.suzuki@gmail.com", "abcdefghij123456789 hanasuzuki@m", "abcdefghij123456789 {C}"),
        ("hana+rk@gmail.com", "abcdefghij1234567890 hana@m", "abcdefghij1234567890 {C}"),
        ("hana+rk@gmail.com", "abcdefghij123456789 hana@m", "abcdefghij123456789 {C}"),
        ("hana+rk@gmail.com", "abcdefghij12345678 hana@m", "abcdefghij12345678 {C}"),
        ("hana+rk@gmail.com", "x=hana@gmail.com&y", "x={C}&y"),
        ("hana+rk@gmail.com", "abcdefghij12345678 ohana@m", "abcdefghij12345678 ohana@m"),
        ("hana+rk@mailbox.example", "hana@mailbox.example", "{C}"),
    ] {
        for write in writers {
            // The short form is Google Calendar's, which writes base64.
            if text.ends_with("@m") && !write("a").contains("YQ") {
                continue;
            }
            let expected = expected.replace("{C}", C);
            check_for(customer, MERCHANT, PLAIN, write(text).as_bytes(), write(&expected).as_bytes());
        }
    }
    // Octets that are no text around it.
    let octets = |address: &str| {
        let octets = [b"\x0a\xff\x12\x1c".as_slice(), address.as_bytes(), b"\x12\x80\x01"].concat();
        format!("https://t.example/c?d={}", BASE64URL_NOPAD.encode(&octets))
    };
    check_for(
        CUSTOMER,
        MERCHANT,
        PLAIN,
        octets("hana.suzuki%40mailbox.example").as_bytes(),
        octets(C).as_bytes(),
    );
}
