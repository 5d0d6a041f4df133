//! Tokens of links that are cut, and those in other alphabets or packed; digests of addresses: what becomes of each, and what the gate
//! alone says.

use super::links::{C, check_for};
use super::written::{HTML, PLAIN};
use super::{CUSTOMER, Direction, MERCHANT, World};
use crate::mail::digests;
use data_encoding::{BASE32_NOPAD, BASE32HEX_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

#[test]
fn a_token_with_an_escaped_sign_gives_way_over_line_ends_and_leaves_the_next_line() {
    let text =
        |address: &str| format!("{{\"email\":\"{address}\",\"k\":\"abcdefghijklmnopqrstuvwxyz0123456789\"}}");
    let token = BASE64URL_NOPAD.encode(text("hana.suzuki%40mailbox.example").as_bytes());
    let own = BASE64URL_NOPAD.encode(text(C).as_bytes());
    let calendar = "Content-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    for cut in [19, 25, 30, 40, 45, 50] {
        for (head, before, seam, behind) in [
            (PLAIN, "https://t.example/c?d=", "\r\n", "\r\nok"),
            (PLAIN, "https://t.example/c?d=", "\r\n", "\r\n\r\nTomorrow at 10"),
            (PLAIN, "https://t.example/c?d=", "\r\n", "&x=1\r\nok"),
            (PLAIN, "> https://t.example/c?d=", "\r\n> ", "&x=1\r\n> ok"),
            (HTML, "<a href=\"https://t.example/c?d=", "\r\n", "\">x</a>"),
        ] {
            let write = |token: &str| {
                let (head, tail) = token.split_at(cut);
                format!("{before}{head}{seam}{tail}{behind}")
            };
            check_for(CUSTOMER, MERCHANT, head, write(&token).as_bytes(), write(&own).as_bytes());
        }
        let (start, tail) = token.split_at(cut);
        let text = format!(
            "BEGIN:VCALENDAR\r\nDESCRIPTION:https://t.example/c?d={start}\r\n {tail}\r\nEND:VCALENDAR\r\n"
        );
        let mail = format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{calendar}\r\n{text}");
        assert!(World::default().gate(mail.clone().into_bytes()).is_err());
        let out = World::default().pass(Direction::ToMerchant, mail.as_bytes()).unwrap().into_bytes();
        let out = String::from_utf8(out).unwrap().replace("\r\n ", "");
        assert!(out.contains(&format!("?d={own}\r\nEND")), "{out}");
    }
}

#[test]
fn the_gate_holds_tokens_in_other_alphabets_and_packed_ones() {
    let held = |token: &str| {
        let text = format!("https://t.example/path/c?d={token}&x=1");
        let mail = format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{PLAIN}\r\n{text}\r\n");
        World::default().gate(mail.into_bytes()).is_err()
    };
    let gzip = |text: &[u8]| {
        [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &compress_to_vec(text, 6), &[1, 2, 3, 4, 9, 0, 0, 0]]
            .concat()
    };
    let wide = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    for (address, is_held) in [(CUSTOMER, true), ("x.hana.suzuki@mailbox.example", false)] {
        for before in ["", "a ", "{\"e\":\"", "id=3;e="] {
            let text = format!("{before}{address}");
            let octets = text.as_bytes();
            for token in [
                BASE32_NOPAD.encode(octets),
                BASE32_NOPAD.encode(octets).to_lowercase(),
                BASE32HEX_NOPAD.encode(octets),
                BASE64.encode(&wide(&text, false)),
                BASE64URL_NOPAD.encode(&wide(&text, true)),
                HEXLOWER.encode(&wide(&text, false)),
                BASE64URL_NOPAD.encode(&gzip(octets)),
                BASE64.encode(&gzip(octets)).replace('+', "%2B").replace('/', "%2F"),
                BASE64.encode(&compress_to_vec_zlib(octets, 6)),
                HEXLOWER.encode(&gzip(octets)),
            ] {
                assert_eq!(held(&token), is_held, "{text} {token}");
            }
        }
    }
}

#[test]
fn the_digest_of_an_address_gives_way_to_that_of_the_alias() {
    let own = digests(C.as_bytes());
    let link = |digest: &str| format!("https://www.gravatar.example/avatar/{digest}?s=80");
    let escaped = |digest: &str| format!("https://x.example/?u=%2Favatar%2F{digest}%3Fs%3D80");
    for writer in [&link as &dyn Fn(&str) -> String, &escaped] {
        for (digest, own) in digests(CUSTOMER.as_bytes()).iter().zip(&own) {
            for (digest, own) in [(digest.clone(), own.clone()), (digest.to_uppercase(), own.to_uppercase())]
            {
                for head in [PLAIN, HTML] {
                    check_for(CUSTOMER, MERCHANT, head, writer(&digest).as_bytes(), writer(&own).as_bytes());
                    // With a tag, and as its owner writes it.
                    let tagged = "Hana.Suzuki+rk@mailbox.example";
                    check_for(tagged, MERCHANT, head, writer(&digest).as_bytes(), writer(&own).as_bytes());
                }
            }
        }
        for digest in digests(b"x.hana.suzuki@mailbox.example") {
            check_for(CUSTOMER, MERCHANT, PLAIN, writer(&digest).as_bytes(), writer(&digest).as_bytes());
        }
    }
}
