//! The charsets in which a secret can be written, with right, wrong and no labels.

use super::*;
use encoding_rs::{BIG5, EUC_JP, EUC_KR, GB18030, ISO_2022_JP, SHIFT_JIS, UTF_8, WINDOWS_1252};

fn message(kind: &str, charset: &str, body: &[u8]) -> Vec<u8> {
    let label = if charset.is_empty() { String::new() } else { format!("; charset={charset}") };
    let mut out = format!("Content-Type: {kind}{label}\r\n\r\n").into_bytes();
    out.extend_from_slice(body);
    out
}

fn wide(text: &str, size: usize, little: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for c in text.chars() {
        let code = u32::from(c).to_be_bytes();
        let mut unit = code[4 - size..].to_vec();
        if little {
            unit.reverse();
        }
        out.extend(unit);
    }
    out
}

#[test]
fn every_charset_is_read_under_any_label() {
    for (text, expected) in [
        ("連絡先は bob@a.example まで", HELD),
        ("連絡先はｂｏｂ＠ａ．ｅｘａｍｐｌｅまで", HELD),
        ("連絡先はbob＠a.exampleまで", HELD),
        ("連絡先はBob@Ａ.exampleまで", HELD),
        ("連絡先は bob%40a.example まで", HELD),
        ("連絡先は rob.bob@a.example まで", Ok(())),
        ("連絡先はｘｂｏｂ＠ａ．ｅｘａｍｐｌｅまで", Ok(())),
        ("連絡先はｏｂ＠ａ．ｅｘａｍｐｌｅまで　ァ＠ミソ表能十", Ok(())),
    ] {
        for encoding in [UTF_8, SHIFT_JIS, EUC_JP, ISO_2022_JP, GB18030] {
            let (octets, _, unmappable) = encoding.encode(text);
            assert!(!unmappable, "{text}");
            for label in
                ["", encoding.name(), "utf-8", "us-ascii", "iso-8859-1", "shift_jis", "euc-kr", "x-unknown"]
            {
                for kind in ["text/plain", "text/html", "application/octet-stream", "text/csv"] {
                    check(expected, [message(kind, label, &octets)]);
                }
            }
        }
    }
}

#[test]
fn chinese_and_korean_charsets_are_read_under_any_label() {
    for (encoding, text, expected) in [
        (GB18030, "请联系ｂｏｂ＠ａ．ｅｘａｍｐｌｅ。", HELD),
        (GB18030, "请联系ｂｂ＠ａ．ｅｘａｍｐｌｅ。", Ok(())),
        (BIG5, "請聯絡ｂｏｂ＠ａ．ｅｘａｍｐｌｅ。", HELD),
        (BIG5, "請聯絡ｂｂ＠ａ．ｅｘａｍｐｌｅ。", Ok(())),
        (EUC_KR, "연락처ｂｏｂ＠ａ．ｅｘａｍｐｌｅ。", HELD),
        (EUC_KR, "연락처ｂｂ＠ａ．ｅｘａｍｐｌｅ。", Ok(())),
        (WINDOWS_1252, "Café bo\u{ad}b@a.example, déjà", HELD),
        (WINDOWS_1252, "Café rob.bob@a.example, déjà", Ok(())),
    ] {
        let (octets, _, unmappable) = encoding.encode(text);
        assert!(!unmappable, "{text}");
        let labels = [encoding.name(), if encoding == WINDOWS_1252 { "iso-8859-1" } else { "" }];
        check(expected, labels.map(|label| message("text/plain", label, &octets)));
    }
}

#[test]
fn wide_characters_are_read_with_and_without_a_mark() {
    for (text, expected) in [
        ("連絡先 bob@a.example まで", HELD),
        ("連絡先ｂｏｂ＠ａ．ｅｘａｍｐｌｅまで。 Thanks.", HELD),
        ("連絡先 bob%40a.example まで", HELD),
        ("連絡先 bob [at] a.example まで", HELD),
        ("連絡先 ob@a.example まで", Ok(())),
    ] {
        for (size, little) in [(2, true), (2, false), (4, true), (4, false)] {
            let octets = wide(text, size, little);
            let marked = wide(&format!("\u{feff}{text}"), size, little);
            for kind in ["text/plain", "text/html"] {
                check(
                    expected,
                    [
                        message(kind, if size == 2 { "utf-16" } else { "utf-32" }, &marked),
                        message(kind, "", &octets),
                        message(kind, "", &marked),
                        message(kind, "utf-8", &octets),
                        message("application/x-db", "", &octets),
                    ],
                );
            }
        }
    }
    for text in [
        "連絡先 =?utf-8?Q?bob=40a.example?= まで",
        "連絡先\r\nbegin 644 x\r\n-8F]B0&$N97AA;7!L90``\r\n`\r\nend\r\n",
        "連絡先\r\nYm9iQGEu\r\nZXhhbXBsZQ==\r\n",
        "連絡先\r\n*Ym9iQGEu !\r\n*ZXhhbXBsZQ== !\r\n",
    ] {
        let long = format!("{}\r\n{text}\r\n{}", "長い文。 ".repeat(20_000), "長い文。 ".repeat(20_000));
        check(HELD, [text, &long].map(|text| message("text/plain", "utf-16be", &wide(text, 2, false))));
        check(HELD, [message("text/plain", "utf-32le", &wide(text, 4, true))]);
    }
    let record = |address: &str, skip: usize| [vec![7; skip], wide(address, 2, true), vec![0, 0, 9]].concat();
    for skip in [1, 2] {
        check(HELD, [message("application/x-db", "", &record("\u{1}\u{2}bob@a.example", skip))]);
        check(Ok(()), [message("application/x-db", "", &record("\u{1}\u{2}bo@a.example", skip))]);
    }
}

#[test]
fn wide_characters_are_read_in_any_step_and_what_is_out_of_step_hides_nothing() {
    for little in [true, false] {
        let secret = wide("「bob@a.exampleま", 2, little);
        let decoy = wide(" x@b.example ", 2, little);
        for skip in [0, 1] {
            let moved = [&vec![b'-'; skip][..], &secret].concat();
            check(HELD, [message("text/plain", "", &[&b"\x01"[..], &decoy, &b"-"[..], &moved].concat())]);
        }
        let word = |octets: &[u8]| data_encoding::BASE64.encode(octets);
        for name in ["S", "Cc"] {
            check(HELD, [format!("{name}: =?us-ascii?B?{}?=\r\n\r\n", word(&secret))]);
        }
    }
}

#[test]
fn characters_shifted_to_seven_bits_are_read() {
    let wide = "#b#o#b!w#a!%#e#x#a#m#p#l#e";
    let other = "#x#b#o#b!w#a!%#e#x#a#m#p#l#e";
    let korean = wide.replace("!w", "#@").replace("!%", "#.");
    for (charset, held, passes) in [
        ("iso-2022-jp", format!("\u{1b}$B{wide}\u{1b}(B"), format!("\u{1b}$B{other}\u{1b}(B")),
        ("iso-2022-jp", format!("\u{1b}$@$3{wide}$3\u{1b}(J"), format!("\u{1b}$@$3{other}$3\u{1b}(J")),
        ("iso-2022-jp", format!("\u{1b}&@\u{1b}$B{wide}\u{1b}(B"), format!("\u{1b}$B{other}\u{1b}(B")),
        ("iso-2022-jp-1", format!("\u{1b}$(D0!\u{1b}$(B{wide}\u{1b}(B"), format!("\u{1b}$(D{wide}\u{1b}(B")),
        ("iso-2022-jp-3", format!("\u{1b}$(Q{wide}\u{1b}(B"), format!("\u{1b}$(Q{other}\u{1b}(B")),
        ("iso-2022-jp-2", format!("\u{1b}$(C{korean}\u{1b}(B"), "\u{1b}$(C0!\u{1b}(B".into()),
        (
            "iso-2022-jp",
            "\u{1b}(I1\u{1b}(Bbob@a.example\u{1b}(I1\u{1b}(B".into(),
            "\u{1b}(Ibob@a.exampl\u{1b}(B".into(),
        ),
        (
            "iso-2022-jp",
            "\u{e}1\u{f}bob@a.example\u{e}1\u{f}".into(),
            "\u{e}1\u{f}ob@a.example\u{e}1\u{f}".into(),
        ),
        ("iso-2022-jp", "\u{1b}$B#b#o#b\u{1b}(B@a.example".into(), "\u{1b}$B#r#o#b\u{1b}(B@a.example".into()),
        (
            "iso-2022-jp",
            format!("\u{1b}$B$3\r\n{wide}\r\n\u{1b}(B"),
            format!("\u{1b}$B$3\r\n{other}\r\n\u{1b}(B"),
        ),
        (
            "iso-2022-jp",
            "\u{1b}$B$3$l\r\nbob@a.example\r\n".into(),
            "\u{1b}$B$3$l\r\nob@a.example\r\n".into(),
        ),
        ("iso-2022-kr", format!("\u{1b}$)C\u{e}{korean}\u{f}"), format!("\u{1b}$)C\u{e}#r{korean}\u{f}")),
        ("iso-2022-cn", format!("\u{1b}$)A\u{e}{korean}\u{f}"), format!("\u{1b}$)A\u{e}#r{korean}\u{f}")),
        ("hz-gb-2312", format!("~{{{korean}~}}"), format!("~{{#r{korean}~}}")),
        ("hz-gb-2312", "bob~{#@~}a.example".into(), "bb~{#@~}a.example".into()),
    ] {
        for label in [charset, "", "us-ascii"] {
            check(HELD, [message("text/plain", label, held.as_bytes())]);
            check(Ok(()), [message("text/plain", label, passes.as_bytes())]);
        }
    }
}

#[test]
fn escape_sequences_hide_nothing_from_programs_that_do_not_know_them() {
    check(
        HELD,
        [
            message("text/plain", "us-ascii", b"\x1b$B bob@a.example"),
            message("text/plain", "iso-2022-jp", b"\x1b$B bob@a.example"),
            message("text/plain", "us-ascii", b"\x1b$B bob%40a.example"),
            message("text/plain", "", b"~{ bob@a.example"),
            message("text/plain", "utf-7", b"bob@a.example +"),
        ],
    );
}

#[test]
fn utf_7_is_read_where_it_is_declared_or_nothing_is() {
    for label in ["utf-7", "UTF-7", "unicode-1-1-utf-7", ""] {
        check(
            HELD,
            ["bob+AEA-a.example", "+AGIAbwBiAEAAYQ-.example", "bob+/yA-a.example", "bob+AEA a.example"]
                .map(|text| message("text/plain", label, text.as_bytes())),
        );
        check(
            Ok(()),
            ["ob+AEA-a.example", "bob+AEE-a.example", "bob+AEA-a.exampl"]
                .map(|text| message("text/plain", label, text.as_bytes())),
        );
    }
}

#[test]
fn uuencode_is_read_in_a_text_and_as_a_transfer_encoding() {
    let encoded = |text: &[u8]| {
        let digit = |value: u8| if value == 0 { '`' } else { char::from(value + 32) };
        let mut out = String::from("begin 644 a.txt\r\n");
        for line in text.chunks(45) {
            out.push(digit(u8::try_from(line.len()).unwrap()));
            for group in line.chunks(3) {
                let at = |i: usize| group.get(i).copied().unwrap_or(0);
                let digits = [at(0) >> 2, at(0) << 4 | at(1) >> 4, at(1) << 2 | at(2) >> 6, at(2)];
                out.extend(digits.map(|value| digit(value & 0x3f)));
            }
            out += "\r\n";
        }
        out + "`\r\nend\r\n"
    };
    for (address, expected) in [("bob@a.example", HELD), ("bb@a.example", Ok(()))] {
        let text = format!("This text goes on over more than one line, and names {address} in it.");
        let block = encoded(text.as_bytes());
        let wide = encoded(&wide(&text.replace('@', "%40"), 2, false));
        check(
            expected,
            [
                format!("S: s\r\n\r\nSee:\r\n{block}\r\nBye\r\n"),
                format!("Content-Transfer-Encoding: x-uuencode\r\n\r\n{block}"),
                format!("Content-Transfer-Encoding: x-uuencode\r\n\r\n{wide}"),
                format!("S: s\r\n\r\n{}", block.replace("begin 644", "BEGIN  0644")),
                format!("S: s\r\n\r\n> {}", block.replace("\r\n", "\r\n> ")),
                format!("S: s\r\n\r\nGoes on:\r\n{}", block.replace("begin 644 a.txt\r\n", "")),
                format!("S: s\r\n\r\nSee:\r\n{wide}"),
                format!("Content-Type: application/x-y\r\nContent-Transfer-Encoding: x-uue\r\n\r\n{block}"),
            ],
        );
    }
}

#[test]
fn signs_in_pairs_of_octets_are_read_under_any_label() {
    for label in ["", "; charset=x-unknown", "; charset=us-ascii", "; charset=big5"] {
        for text in [
            // What comes before the sign ends with a letter.
            b"\x81ubob\x81iat\x81ja.example\x81v".as_slice(),
            b"\x81ubob\x81\x97a.example\x81v",
            b"\xa1\xb8bob\xa9\x88a.example\xa1\xb9",
            b"\xa1\xb8bob\xa3\xbda.example\xa1\xb9",
        ] {
            let message =
                [format!("Content-Type: text/plain{label}\r\n\r\n").as_bytes(), text, b"\r\n"].concat();
            check(HELD, [message]);
        }
    }
}
