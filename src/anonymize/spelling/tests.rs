//! Spellings of an address, one by one.

use super::*;

fn folded(text: &str) -> String {
    let mut text = text.as_bytes().to_vec();
    for _ in 0..4 {
        let next = fold(&text);
        text = next.view.into_bytes();
        if !next.escaped {
            break;
        }
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn every_spelling_of_an_address_is_one() {
    for text in [
        "BOB@A.Example",
        "ｂｏｂ＠ａ．ｅｘａｍｐｌｅ",
        "bob%40a%2Eexample",
        "bob%2540a.example",
        "%EF%BD%82ob@a.example",
        "bob&#64;a&period;example",
        "bob&#x0040;a.example",
        "bob&#64a.example",
        "bob&amp;commat;a.example",
        "b\u{200b}o\u{ad}b@a.example",
        "bob\\u0040a.example",
        "bob\\40 a\\2e example",
        "bob%u0040a.example",
        "bob\\U00000040a.example",
        "bob（at）a［ドット］example",
        "bob(アットマーク)a[ドット]example",
        "bob[@マーク]a.example",
        "bob-40a.example",
        "bob=40a=2Eexample",
        "bob\\100a.example",
        "ᵇₒb@ª.example",
        "𝖇𝗼𝒃@a.ℯxample",
        "⒝⒪⒝@🅐.🇪xample",
        "bob(at)a[dot]example",
        "bob [ AT ] a.example",
        "bob at a dot example",
        "𝐛𝐨𝐛@ⓐ。example",
    ] {
        assert_eq!(folded(text).replace(' ', ""), "bob@a.example", "{text}");
    }
}

#[test]
fn kana_that_is_passed_over_is_what_a_character_alone_would_be() {
    for c in ('\u{3000}'..='\u{30ff}').chain('\u{ff00}'..='\u{ffef}') {
        let text = c.to_string();
        assert!(kana_length(text.as_bytes()) == 0 || piece(text.as_bytes()).is_none(), "{c}");
    }
}

#[test]
fn what_is_no_escape_stays() {
    for text in
        ["100% a&b c\\d (a) [note] {x} <b>", "日本語、カナ", "%zz &#xffffffff; &copy;", "a\r\n\tb", "C:\\a40"]
    {
        assert_eq!(folded(text), text.to_lowercase(), "{text}");
    }
}

#[test]
fn an_octet_of_another_charset_is_no_letter() {
    let once = |text: &str| String::from_utf8(fold(text.as_bytes()).view.into_bytes()).unwrap();
    assert_eq!(once("%e3%81x%E9bob@"), "\u{fffd}\u{fffd}x\u{fffd}bob@");
    assert_eq!(once("%e3%81%82x"), "あx");
}

#[test]
fn a_tag_that_looks_like_a_code_stays_a_tag() {
    for text in ["bob+40th@a.example", "bob+2dx@a.example", "bob+5fa@a.example"] {
        assert_eq!(folded(text), text);
    }
}
