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
                // Behind what begins like streams and is none.
                BASE64URL_NOPAD.encode(&[b"x\x9c".repeat(20), compress_to_vec_zlib(octets, 6)].concat()),
                BASE64.encode(&[b"\x1f\x8b\x08\0".repeat(30), gzip(octets)].concat()),
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

#[test]
fn all_digests_of_a_run_give_way_as_far_as_the_gate_reads_it() {
    let [md5, sha1, sha256] = digests(CUSTOMER.as_bytes());
    let [own_md5, own_sha1, own_sha256] = digests(C.as_bytes());
    let both = |text: &str, expected: &str| {
        check_for(CUSTOMER, MERCHANT, PLAIN, text.as_bytes(), expected.as_bytes())
    };
    both(&format!("{md5}{md5}"), &format!("{own_md5}{own_md5}"));
    both(&format!("{md5}0{sha1}{sha256}"), &format!("{own_md5}0{own_sha1}{own_sha256}"));
    for before in [97, 98, 127, 128] {
        let zeroes = "0".repeat(before);
        both(&format!("{zeroes}{md5}"), &format!("{zeroes}{own_md5}"));
    }
    // No digest is so long, nor what escapes put before one.
    let long = format!("{}{md5}", "0".repeat(129));
    both(&long, &long);
}

#[test]
fn what_is_unpacked_from_a_token_is_not_unpacked_again() {
    let token = |text: &[u8], size: usize| {
        let mut octets = compress_to_vec_zlib(text, 9).repeat(8);
        octets.resize(octets.len().max(size), 0);
        BASE64URL_NOPAD.encode(&octets)
    };
    super::grows_no_more_than_the_mail("tokens in tokens", |layers| {
        let (size, mut text) = (4_000, "lorem ipsum dolor ".repeat(7_000));
        for _ in 0..layers {
            let token = format!("{} ", token(text.as_bytes(), size));
            text = token.repeat((32 * size / token.len()).max(1));
        }
        let link = text.split(' ').next().unwrap();
        let mail =
            format!("From: <a@b.example>\r\nMIME-Version: 1.0\r\n{PLAIN}\r\nhttps://x.example/?{link}\r\n");
        assert!(World::default().gate(mail.into_bytes()).is_ok());
    });
}
