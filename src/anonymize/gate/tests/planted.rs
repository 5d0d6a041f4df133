//! A secret planted by a random chain of encoders is found; the same with one letter less passes.

use super::*;
use data_encoding::BASE64;
use proptest::prelude::*;

/// What stands around the secret; no letter of it.
const AROUND: [(&str, &str); 5] =
    [("", ""), ("See: ", ", ok."), ("連絡先は「", "」まで。"), ("> x <", ">"), ("\r\n", "\r\n")];

/// Ways to spell a text in which only letters, digits and the signs of an address are.
fn spelled(how: usize, text: &str) -> String {
    let each = |spell: &dyn Fn(char) -> String| text.chars().map(spell).collect();
    let sign = |with: &str| text.replace('@', with);
    match how {
        0 => text.to_uppercase(),
        1 => each(&|c| {
            if c.is_ascii() { char::from_u32(u32::from(c) + 0xfee0).unwrap().into() } else { c.into() }
        }),
        2 => each(&|c| format!("{c}\u{200b}")),
        3 => sign(" (at) ").replace('.', " (dot) "),
        4 => sign("＠"),
        5 => sign("\r\n@"),
        _ => text.to_owned(),
    }
}

fn escaped(how: usize, text: &str) -> String {
    let each = |spell: &dyn Fn(char) -> String| text.chars().map(spell).collect();
    let percent = |c: char| c.encode_utf8(&mut [0; 4]).bytes().map(|b| format!("%{b:02X}")).collect();
    match how {
        0 => each(&percent),
        1 => each(&|c| format!("&#{};", u32::from(c))),
        2 => each(&|c| format!("&#x{:x};", u32::from(c))),
        3 => each(&|c| if u32::from(c) < 0x10000 { format!("\\u{:04x}", u32::from(c)) } else { c.into() }),
        4 => text.replace('@', "%40"),
        5 => text.replace('@', "&commat;"),
        6 => text.replace('&', "&amp;").replace('@', "&#64;"),
        7 => text.replace('%', "%25").replace('@', "%40"),
        _ => text.to_owned(),
    }
}

fn charset(which: usize, text: &str) -> Option<(&'static str, Vec<u8>)> {
    let legacy = |name: &'static str, label: &'static str| {
        let (octets, _, unmappable) = encoding_rs::Encoding::for_label(name.as_bytes()).unwrap().encode(text);
        (!unmappable).then(|| (label, octets.into_owned()))
    };
    let units = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    match which {
        0 => legacy("iso-2022-jp", "iso-2022-jp"),
        1 => legacy("shift_jis", "Shift_JIS"),
        2 => legacy("shift_jis", "utf-8"),
        3 => legacy("euc-jp", "EUC-JP"),
        4 => legacy("euc-jp", "iso-8859-1"),
        5 => legacy("gb18030", "gb2312"),
        6 => legacy("iso-2022-jp", "cp50220"),
        7 => Some(("utf-16", [vec![0xff, 0xfe], units(u16::to_le_bytes)].concat())),
        8 => Some(("utf-16be", units(u16::to_be_bytes))),
        9 => Some(("utf-32", text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect())),
        10 => {
            let shifted = |c: char| {
                let units: Vec<u8> =
                    c.encode_utf16(&mut [0; 2]).iter().flat_map(|u| u.to_be_bytes()).collect();
                format!("+{}-", BASE64.encode(&units).trim_end_matches('='))
            };
            let text: String =
                text.chars().map(|c| if c.is_ascii_alphanumeric() { c.into() } else { shifted(c) }).collect();
            Some(("utf-7", text.into_bytes()))
        }
        _ => Some(("utf-8", text.as_bytes().to_vec())),
    }
}

fn transferred(how: usize, octets: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    match how {
        0 => {
            let lines: Vec<String> = octets.chunks(57).map(|line| BASE64.encode(line)).collect();
            Some(("base64", lines.join("\r\n").into_bytes()))
        }
        1 => {
            let mut out = String::new();
            for (i, b) in octets.iter().enumerate() {
                out += &format!("={b:02X}");
                out += if i % 20 == 19 { "=\r\n" } else { "" };
            }
            Some(("quoted-printable", out.into_bytes()))
        }
        // Line ends and NULs cannot travel as they are.
        _ => (!octets.contains(&0)).then(|| ("8bit", octets.to_vec())),
    }
}

fn framed(place: usize, kind: &str, label: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("Content-Type: {kind}; charset={label}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    let part = [head.as_bytes(), body].concat();
    let clean =
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoAAAANSUhEUg==";
    match place {
        0 => part,
        1 => {
            let open = b"Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n".as_slice();
            [open, clean, b"\r\n--=_b\r\n", &part, b"\r\n--=_b--\r\n"].concat()
        }
        2 => [b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n".as_slice(), &part].concat(),
        _ => {
            let inner = [b"Subject: x\r\n".as_slice(), &part].concat();
            let head = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
            [head.as_bytes(), BASE64.encode(&inner).as_bytes()].concat()
        }
    }
}

/// How a text is planted.
#[derive(Debug, Clone)]
struct Chain {
    around: usize,
    spelling: usize,
    escapes: Vec<usize>,
    charset: usize,
    transfer: usize,
    place: usize,
    kind: usize,
    padding: usize,
}

impl Chain {
    fn message(&self, address: &str) -> Option<Vec<u8>> {
        let mut text = spelled(self.spelling, address);
        for how in &self.escapes {
            text = escaped(*how, &text);
        }
        let (before, behind) = AROUND[self.around];
        let padding = "そのほかの文。 And so on.\r\n".repeat(self.padding);
        let (label, octets) = charset(self.charset, &format!("{padding}{before}{text}{behind}{padding}"))?;
        let (encoding, body) = transferred(self.transfer, &octets)?;
        let kind = ["text/plain", "text/html", "text/csv"][self.kind];
        Some(framed(self.place, kind, label, encoding, &body))
    }
}

fn chains() -> impl Strategy<Value = Chain> {
    let escapes = proptest::collection::vec(0usize..9, 0..3);
    (
        0usize..5,
        0usize..8,
        escapes,
        0usize..13,
        0usize..3,
        0usize..4,
        0usize..3,
        prop_oneof![12 => Just(0), 6 => Just(3), 1 => Just(2500)],
    )
        .prop_map(|(around, spelling, escapes, charset, transfer, place, kind, padding)| Chain {
            around,
            spelling,
            escapes,
            charset,
            transfer,
            place,
            kind,
            padding,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_planted_secret_is_found_and_with_one_letter_less_it_passes(
        chain in chains(),
        address in prop_oneof![Just("bob@a.example"), Just("x.y-z_9@mail.long-name.example"), Just("jane.doe@gmail.com"), Just("eve@日本.example")],
        cut in any::<prop::sample::Index>(),
    ) {
        // What a charset has no character for cannot be planted in it.
        if let Some(message) = chain.message(address) {
            let shown = String::from_utf8_lossy(&message[..message.len().min(400)]).into_owned();
            prop_assert_eq!(gate_with(&message, &[], Files::Checked), HELD, "{}", shown);
        }
        let letters: Vec<usize> = address.char_indices().filter(|(_, c)| c.is_alphanumeric()).map(|(i, _)| i).collect();
        let mut less = address.to_owned();
        less.remove(*cut.get(&letters));
        if let Some(message) = chain.message(&less) {
            let shown = String::from_utf8_lossy(&message[..message.len().min(400)]).into_owned();
            prop_assert_eq!(gate_with(&message, &[], Files::Checked), Ok(()), "{} {}", less, shown);
        }
    }

    #[test]
    fn any_octets_get_an_answer(head in 0usize..6, octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let head = ["S: ", "S: s\r\n\r\n", "S: s\r\nContent-Transfer-Encoding: base64\r\n\r\n", "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\u{1b}$B", "Content-Type: x/y; name*0*=", "Content-Type: text/html\r\n\r\n@<"][head];
        let message = [head.as_bytes(), &octets].concat();
        prop_assert!(matches!(gate_with(&message, &["mail.shop.example"], Files::Checked), Ok(()) | Err(Refusal::Residue | Refusal::Unreadable)));
    }
}

#[test]
fn hostile_repetition_takes_no_more_than_linear_time() {
    for piece in [
        "@",
        "@<",
        "@a.example ",
        "b@a.example ",
        "=?",
        "=?u?b?",
        "=?u?q?x",
        "<",
        "<!--",
        "<![CDATA[",
        "<a \"",
        "@ <a \"",
        "<style>",
        "@<style>",
        "@<b hidden>",
        "@<b hidden></b>",
        "<b style='display:none'>@a.example",
        "=",
        "=a.example",
        "&#",
        "&amp;",
        "%25",
        "\\",
        "\\u{",
        "(",
        "(at)",
        "(at)<",
        " at ",
        "\u{1b}$B",
        "\u{e}",
        "~{",
        "+AEA",
        "QUJDREVG",
        "base64,",
        "begin 644 x\r\n",
        "name*0=",
        "''%40",
        "1.",
        "::",
        "//",
        "\u{81}@",
        "&#x0000000000000000000026;",
        "%u",
        "=3D",
        "[dot]",
        "\0@",
        "bob+",
    ] {
        crate::anonymize::tests::grows_linearly(piece, |size| {
            let text = piece.repeat(size / piece.len());
            check(
                Ok(()),
                [
                    format!("Content-Type: text/html\r\n\r\n{text}"),
                    format!("Content-Type: text/plain; charset=shift_jis\r\n\r\n\u{e9}{text}"),
                    format!("S: {}\r\n\r\nx", text.replace(['\r', '\n'], " ")),
                ],
            );
        });
    }
}
