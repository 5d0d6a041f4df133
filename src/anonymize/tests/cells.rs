//! A secret planted in every place, transfer encoding, charset and spelling. For each cell: the finished message holds
//! nothing and the text around the secret is unharmed, parts without it keep their bytes, and (the negative control)
//! the message as it was does not pass the gate.

use super::super::rewrite;
use super::{Direction, World};
use crate::mime::charset::Charset;
use crate::mime::transfer::Encoding;
use data_encoding::BASE64;
use mail_parser::MessageParser;
use proptest::prelude::*;

/// No secret: nothing but the planted one may make the gate refuse.
const SENDER: &str = "visitor@third.example";
/// Bytes that must stay as they are, whatever happens beside them.
const CLEAN_PART: &str = "Content-Type: text/plain; charset=Shift_JIS\r\nContent-Transfer-Encoding: Base64\r\n\r\ngVyC4JVc\r\nlFwg";

/// Ways to write the secret; `true` where only markup is read so.
const SPELLINGS: [(&str, bool); 20] = [
    ("hana.suzuki@mailbox.example", false),
    ("HANA.Suzuki@MailBox.EXAMPLE", false),
    ("hana%2Esuzuki%40mailbox.example", false),
    ("hana.suzuki%2540mailbox.example", false),
    ("ｈａｎａ．ｓｕｚｕｋｉ＠ｍａｉｌｂｏｘ．ｅｘａｍｐｌｅ", false),
    ("hana.suzuki＠mailbox.example", false),
    ("hana.su\u{200b}zuki@mail\u{ad}box.example", false),
    ("hana.suzuki(at)mailbox.example", false),
    ("hana.suzuki [at] mailbox.example", false),
    ("\"hana.suzuki\"@mailbox.example", false),
    ("hana.suzuki+shop.1@mailbox.example", false),
    ("hana.suzuki\\u0040mailbox.example", false),
    ("mailto:hana.suzuki@mailbox.example", false),
    ("hana.suzuki&#64;mailbox.example", true),
    ("hana.suzuki&#x0040;mailbox&#46;example", true),
    ("hana.suzuki&commat;mailbox&period;example", true),
    ("hana.suzuki&amp;#64;mailbox.example", true),
    ("ha<b>na.suz</b>uki@<wbr>mailbox.<!-- > -->example", true),
    ("hana.suzuki<span\n class=\"x>\">@</span>mailbox.example", true),
    ("hana.suzuki@mailbox\r\n.example", false),
];

/// Charsets as labelled, with text around the secret that has no ASCII letter or digit next to it.
const CHARSETS: [(&str, &str, &str); 11] = [
    ("utf-8", "連絡先「", "」まで。表ソ能"),
    ("ISO-2022-JP", "連絡先「", "」まで。表ソ能"),
    ("Shift_JIS", "表ソ能：", "まで。表ソ能"),
    ("cp932", "①髙：", "まで。表"),
    ("EUC-JP", "連絡先＝", "まで。"),
    ("iso-8859-1", "Café à «", "», déjà"),
    ("windows-1252", "“é” ", " – é"),
    ("us-ascii", "write to: ", ", please"),
    ("gb18030", "联系：", "。"),
    ("koi8-r", "Пишите: ", " спасибо"),
    ("utf-16", "連絡先 ", " です"),
];

const ENCODINGS: [&str; 4] =
    ["8bit", "quoted-printable", "base64", "quoted-printable with soft breaks everywhere"];

fn encoded(label: &str, text: &str) -> Option<Vec<u8>> {
    let charset = Charset::for_label(label.as_bytes()).unwrap();
    if label == "us-ascii" && !text.is_ascii() {
        return None;
    }
    let mut bytes = charset.encode(text)?;
    if label == "utf-16" {
        bytes.splice(0..0, [0xff, 0xfe]);
    }
    // What does not come back as it was (half-width letters in ISO-2022-JP) proves nothing.
    (charset.decode(&bytes).0 == text).then_some(bytes)
}

fn transferred(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    match encoding {
        "8bit" => bytes.to_vec(),
        "base64" => Encoding::Base64.encode(bytes),
        "quoted-printable" => Encoding::QuotedPrintable.encode(bytes),
        _ => {
            let mut out = Vec::new();
            for (i, b) in bytes.iter().enumerate() {
                let literal = b.is_ascii_alphanumeric() && i % 3 != 0;
                out.extend(if literal { vec![*b] } else { format!("={b:02x}").into_bytes() });
                out.extend_from_slice(if i % 7 == 6 { b"= \r\n".as_slice() } else { b"" });
            }
            out
        }
    }
}

/// Where a text body can stand. `{}` is the part.
const FRAMES: [&str; 5] = [
    "{}\r\n",
    "Content-Type: multipart/alternative; boundary=\"in\"\r\n\r\n--in\r\n{CLEAN}\r\n--in\r\n{}\r\n--in--\r\n",
    "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\nContent-Type: multipart/related; boundary=in\r\n\r\n--in\r\n{CLEAN}\r\n--in\r\n{}\r\n--in--\r\n--out\r\n{CLEAN}\r\n--out--\r\n",
    "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{CLEAN}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n{}\r\n--out--\r\n",
    "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{CLEAN}\r\n--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64}\r\n--out\r\n{CLEAN}\r\n--out--\r\n",
];

fn framed(frame: &str, part: &[u8]) -> Vec<u8> {
    let mut out = format!("From: {SENDER}\r\nTo: x@y.example\r\nMIME-Version: 1.0\r\n").into_bytes();
    let inner = [b"Subject: inner\r\n", part].concat();
    let mut rest = frame;
    while let Some(at) = rest.find('{') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix("{}") {
            out.extend_from_slice(part);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("{CLEAN}") {
            out.extend_from_slice(CLEAN_PART.as_bytes());
            rest = tail;
        } else {
            out.extend_from_slice(Encoding::Base64.encode(&inner).trim_ascii_end());
            rest = rest.strip_prefix("{B64}").unwrap();
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn occurrences(hay: &[u8], needle: &str) -> usize {
    memchr::memmem::find_iter(hay, needle.as_bytes()).count()
}

/// What a person reads: every text that another decoder finds, without tags, blanks and what has no width.
fn read_by_another(mail: &[u8]) -> String {
    let parsed = MessageParser::new().max_encoded_nesting(9).parse(mail).unwrap();
    let mut out = String::new();
    for part in parsed.parts() {
        for name in ["subject", "to", "cc", "content-type", "content-disposition", "content-description"] {
            for header in part.headers().all(name.to_owned()) {
                out += &format!("{:?}|", header.parse_as(mail_parser::HeaderForm::Text).value());
                out += &format!("{:?}|", header.parse_as(mail_parser::HeaderForm::ContentType).value());
            }
        }
        if let Some(text) = part.text() {
            out += &text;
            out += "|";
        }
    }
    let mut plain = String::new();
    let mut inside = false;
    let markup = out.replace("<!-- > -->", "").replace("class=\"x>\"", "");
    for c in markup.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            _ if inside || c.is_whitespace() || matches!(c, '\u{200b}' | '\u{ad}') => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// The claim of a cell. `expected` is what must be readable afterwards.
fn holds(world: &World, what: &str, mail: &[u8], expected: Option<&str>, clean_parts: usize) {
    assert!(
        world.gate(mail.to_vec()).is_err(),
        "{what}: the gate does not see it\n{}",
        String::from_utf8_lossy(mail)
    );
    let rewritten =
        world.with_passage(Direction::ToMerchant, |passage| rewrite(mail, passage).map(|out| out.bytes));
    let rewritten = rewritten.unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
    let shown = String::from_utf8_lossy(&rewritten).into_owned();
    let out = world.gate(rewritten);
    let out = out.unwrap_or_else(|refusal| panic!("{what}: {refusal}\n{shown}")).into_bytes();
    assert_eq!(
        occurrences(&out, CLEAN_PART),
        clean_parts,
        "{what}: a part without a hit was changed\n{shown}"
    );
    if let Some(expected) = expected {
        let read = read_by_another(&out);
        let expected: String = expected.chars().filter(|c| !c.is_whitespace()).collect();
        assert!(read.contains(&expected), "{what}: {expected:?} is not in {read:?}\n{shown}");
    }
}

fn part(label: &str, kind: &str, encoding: &str, text: &str) -> Option<Vec<u8>> {
    let wide = label == "utf-16" && !encoding.starts_with("base64");
    if wide {
        return None;
    }
    let name = encoding.split(' ').next().unwrap();
    let mut out =
        format!("Content-Type: {kind}; charset={label}\r\nContent-Transfer-Encoding: {name}\r\n\r\n")
            .into_bytes();
    out.extend(transferred(encoding, &encoded(label, text)?));
    Some(out)
}

#[test]
fn no_cell_of_place_encoding_charset_and_spelling_leaks_and_each_would() {
    let world = World::default();
    let alias = world.customer_alias.to_string();
    let mut cells = 0;
    for (spelling, markup_only) in SPELLINGS {
        for (label, before, behind) in CHARSETS {
            for encoding in ENCODINGS {
                for kind in ["text/plain", "text/html"] {
                    if markup_only && kind == "text/plain" {
                        continue;
                    }
                    let Some(part) = part(label, kind, encoding, &format!("{before}{spelling}{behind}"))
                    else {
                        continue;
                    };
                    for (i, frame) in FRAMES.iter().enumerate() {
                        let what = format!("{spelling} in {label}, {encoding}, {kind}, frame {i}");
                        let mail = framed(frame, &part);
                        let tail = if spelling.starts_with("mailto") { "mailto:" } else { "" };
                        // The other decoder does not know the label cp932.
                        let expected = (label != "cp932").then(|| format!("{before}{tail}{alias}{behind}"));
                        holds(&world, &what, &mail, expected.as_deref(), frame.matches("{CLEAN}").count());
                        cells += 1;
                    }
                }
            }
        }
    }
    assert!(cells > 3000, "{cells}");
}

/// Header fields and other places that are no body. `{}` is the secret, `{W}` an encoded word or two that hold it.
const PLACES: [(&str, bool); 24] = [
    ("Subject: a {} b\r\n\r\nx\r\n", true),
    ("Subject: {W}\r\n\r\nx\r\n", true),
    ("Subject: a\r\n {}\r\n\tb\r\n\r\nx\r\n", true),
    ("Subject : {}\r\n\r\nx\r\n", true),
    ("Content-Type: text/plain; name=\"{}\"\r\n\r\nx\r\n", true),
    ("Content-Type: text/plain; name=\"{W}\"\r\n\r\nx\r\n", true),
    ("Content-Type: text/plain; name={}.txt\r\n\r\nx\r\n", true),
    ("Content-Type: text/plain; (for {}) charset=utf-8\r\n\r\nx\r\n", false),
    ("Content-Disposition: attachment; filename*=utf-8''{%}.txt\r\n\r\nx\r\n", true),
    ("Content-Disposition: attachment; filename*0=\"a-{1}\"; filename*1=\"{2}.txt\"\r\n\r\nx\r\n", true),
    ("Content-Disposition: attachment; filename*1*={2%}.txt; filename*0*=utf-8'ja'a-{1%}\r\n\r\nx\r\n", true),
    ("Content-Description: {W}\r\n\r\nx\r\n", true),
    ("Content-ID: <{}>\r\n\r\nx\r\n", false),
    ("Content-Location: mailto:{}\r\n\r\nx\r\n", false),
    ("Cc: {}\r\nReply-To: {W} <x@y.example>\r\nX-Any: {}\r\n\r\nx\r\n", false),
    ("Received: from x (auth {})\r\n\tby y\r\nAutocrypt: addr={}\r\n\r\nx\r\n", false),
    ("Date: Sun, 22 Nov 2026 09:00:00 +0900 ({})\r\n\r\nx\r\n", false),
    ("Message-ID: <{}>\r\nIn-Reply-To: your mail to {} <1@x>\r\nReferences: <{}> <3@x>\r\n\r\nx\r\n", false),
    ("no field but {}\r\nSubject: x\r\n\r\nx\r\n", false),
    (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble {}\r\n--b\r\n{CLEAN}\r\n--b\r\nX-Part: {}\r\n\r\nx\r\n--b--\r\nepilogue {}\r\n",
        false,
    ),
    (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{CLEAN}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nTo: \"a\" <{}>, (c) {}\r\nCc: {W} <x@y.example>\r\nX-To: {}\r\nSubject: {W}\r\n\r\nx\r\n--b--\r\n",
        true,
    ),
    (
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nDelivered-To: {}\r\nTo: {}\r\n\r\nx\r\n--b--\r\n",
        true,
    ),
    (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{CLEAN}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nTo: {}\r\nReceived: for {}\r\n--b--\r\n",
        true,
    ),
    (
        "Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nATTENDEE;CN=x:mailto:{1}\r\n {2}\r\nEND:VCALENDAR\r\n",
        true,
    ),
];

fn planted(place: &str, spelling: &str, label: &str, around: (&str, &str), coding: char) -> Option<Vec<u8>> {
    let cut = 9;
    let halves = (spelling.get(..cut)?, spelling.get(cut..)?);
    let percent = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let word = |text: &str| {
        let bytes = encoded(label, text)?;
        Some(match coding {
            'B' => format!("=?{label}?B?{}?=", BASE64.encode(&bytes)),
            _ => format!("=?{label}?q?{}?=", bytes.iter().map(|b| format!("={b:02X}")).collect::<String>()),
        })
    };
    let words = [word(around.0)?, word(halves.0)?, word(halves.1)?, word(around.1)?].join("\r\n ");
    let text = place
        .replace("{CLEAN}", CLEAN_PART)
        .replace("{W}", &words)
        .replace("{%}", &percent(spelling))
        .replace("{1%}", &percent(halves.0))
        .replace("{2%}", &percent(halves.1))
        .replace("{1}", halves.0)
        .replace("{2}", halves.1)
        .replace("{}", spelling);
    Some(format!("From: {SENDER}\r\nMIME-Version: 1.0\r\n{text}").into_bytes())
}

#[test]
fn no_header_or_hidden_place_leaks_and_each_would() {
    let world = World::default();
    let alias = world.customer_alias.to_string();
    let mut cells = 0;
    for (place, stays) in PLACES {
        for (spelling, markup_only) in SPELLINGS {
            // What would not be one line, or no value, of a header.
            if markup_only || spelling.contains(['\r', '"', ' ']) || spelling.contains("(at)") {
                continue;
            }
            // Between quotes a backslash is a quoted-pair: no address is written there.
            if spelling.contains('\\') && place.contains("*0=\"") {
                continue;
            }
            for (label, before, behind) in CHARSETS {
                if label == "utf-16" || !(place.contains("{W}") || label == "utf-8") {
                    continue;
                }
                for coding in ['B', 'Q'] {
                    let Some(mail) = planted(place, spelling, label, (before, behind), coding) else {
                        continue;
                    };
                    let what = format!("{spelling} as {label} {coding} in {place:?}");
                    holds(
                        &world,
                        &what,
                        &mail,
                        stays.then_some(alias.as_str()),
                        place.matches("{CLEAN}").count(),
                    );
                    cells += 1;
                }
            }
        }
    }
    assert!(cells > 500, "{cells}");
}

#[test]
fn a_domain_beyond_ascii_is_found_in_both_forms() {
    let world = World::new("花子@例え.example", "owner@xn--r8jz45g.example");
    for spelling in [
        "花子@例え.example",
        "花子@xn--r8jz45g.example",
        "花子@XN--R8JZ45G.example",
        "花子@例え。example",
        "%E8%8A%B1%E5%AD%90@例え.example",
        "owner@例え.example",
        "owner@xn--r8jz45g.example",
    ] {
        let mail = format!("From: x@y.example\r\nSubject: {spelling}\r\n\r\nto {spelling}.\r\n");
        holds(&world, spelling, mail.as_bytes(), None, 0);
    }
}

#[test]
fn odd_addresses_of_carriers_are_found() {
    for secret in [
        "a..b@carrier.example",
        ".ab@carrier.example",
        "ab.@carrier.example",
        "\"a b\"@carrier.example",
        "a+b@carrier.example",
        "a%b@carrier.example",
        "a'b@carrier.example",
        "a&b@carrier.example",
        "a@[192.0.2.1]",
    ] {
        let world = World::new(secret, "owner@shop.example");
        for text in
            [format!("to {secret}."), format!("<{}>", secret.to_uppercase()), secret.replace('@', "%40")]
        {
            let mail = format!("From: x@y.example\r\n\r\n{text}\r\n");
            holds(&world, &text, mail.as_bytes(), None, 0);
        }
    }
}

/// A text of up to 40 characters: those of JIS X 0208, which every charset of Japan has, and those of `others`, which mean something to
/// some reader.
fn japanese_and(others: &'static str) -> impl Strategy<Value = String> {
    // Rows 16 to 47: the kanji of the first level.
    let kanji = (0x30_u8..0x50, 0x21_u8..0x7f).prop_map(|(row, cell)| {
        let bytes = [0x1b, b'$', b'B', row, cell, 0x1b, b'(', b'B'];
        Charset::for_label(b"ISO-2022-JP").unwrap().decode(&bytes).0.into_owned()
    });
    let one = prop_oneof![2 => kanji, 2 => "[ぁ-んァ-ヶ 、。]", 1 => others];
    prop::collection::vec(one, 0..40).prop_map(|characters| characters.concat())
}

proptest! {
    #[test]
    fn a_secret_between_any_texts_is_replaced_and_nothing_else_changes(
        before in japanese_and("[a-z<>=&%;\\\\()]"),
        behind in japanese_and("[A-Z<>=&%;\\\\()]"),
        spelling in prop::sample::select(vec!["hana.suzuki@mailbox.example", "Hana.Suzuki@Mailbox.example", "ｈａｎａ．ｓｕｚｕｋｉ＠ｍａｉｌｂｏｘ．ｅｘａｍｐｌｅ"]),
        label in prop::sample::select(vec!["utf-8", "ISO-2022-JP", "Shift_JIS", "EUC-JP"]),
        encoding in prop::sample::select(ENCODINGS.to_vec()),
        frame in prop::sample::select(FRAMES.to_vec()),
    ) {
        // A blank on both sides: what stands there is no part of the address.
        let text = format!("{before} {spelling} {behind}");
        if let Some(part) = part(label, "text/plain", encoding, &text) {
            let world = World::default();
            let mail = framed(frame, &part);
            let out = world.pass(Direction::ToMerchant, &mail).unwrap().into_bytes();
            prop_assert_eq!(occurrences(&out, CLEAN_PART), frame.matches("{CLEAN}").count());
            prop_assert!(world.gate(mail).is_err());
            let expected = format!("{before} {} {behind}", world.customer_alias);
            let parsed = MessageParser::new().parse(&out).unwrap();
            let found = parsed.parts().any(|part| part.text().is_some_and(|read| read.trim_end() == expected.trim_end()));
            prop_assert!(found, "{:?}\n{}", expected, String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn a_text_without_a_secret_keeps_its_bytes(text in "[ -~ぁ-んａ-ｚ＠\r\n]{0,200}", label in prop::sample::select(vec!["utf-8", "ISO-2022-JP", "Shift_JIS", "x-unknown"]), encoding in prop::sample::select(ENCODINGS.to_vec()), kind in prop::sample::select(vec!["text/plain", "text/html"])) {
        let text = String::from_utf8(crate::mime::lines::only_crlf(text.as_bytes()).into_owned()).unwrap();
        let bytes = encoded(if label == "x-unknown" { "EUC-JP" } else { label }, &text);
        if let Some(bytes) = bytes {
            let name = encoding.split(' ').next().unwrap();
            let mut part = format!("Content-Type: {kind}; charset={label}\r\nContent-Transfer-Encoding: {name}\r\n\r\n").into_bytes();
            part.extend(transferred(encoding, &bytes));
            let part = crate::mime::lines::only_crlf(&part).into_owned();
            let out = World::default().pass(Direction::ToMerchant, &framed(FRAMES[1], &part)).unwrap().into_bytes();
            prop_assert!(memchr::memmem::find(&out, &part).is_some());
        }
    }
}
