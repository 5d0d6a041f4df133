//! Frames and blocks as programs write, quote and wrap them, and texts that only speak of them.

use super::*;
use crate::mime::transfer::apply;
use proptest::prelude::*;

const ARMOUR: &str =
    "\r\niQIzBAEBCAAdFiEEabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV\r\n+/==\r\n=aB3d\r\n";

fn armoured(label: &str) -> String {
    format!("-----BEGIN {label}-----\r\n{ARMOUR}-----END {label}-----\r\n")
}

fn frame(text: &str) -> String {
    format!("-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n{text}{}", armoured("PGP SIGNATURE"))
}

fn quoted_by(mark: &str, text: &str) -> String {
    text.split_inclusive('\n').map(|line| format!("{mark}{line}")).collect()
}

/// As RFC 9580 §7.2 escapes a text.
fn with_escapes(text: &str) -> String {
    let line = |line: &str| if line.starts_with('-') { format!("- {line}") } else { line.to_owned() };
    text.split_inclusive('\n').map(line).collect()
}

fn cleared(text: &str) -> Option<String> {
    cleartext(text.as_bytes()).map(|edits| String::from_utf8(apply(text.as_bytes(), &edits)).unwrap())
}

fn without_keys(text: &str) -> String {
    String::from_utf8(apply(text.as_bytes(), &keys(text.as_bytes()))).unwrap()
}

#[test]
fn a_signed_text_is_left_as_it_was_before_it_was_signed() {
    let text = "Hello\r\n\r\n- item\r\n-- \r\nFrom me\r\n";
    let escaped = "Hello\r\n\r\n- - item\r\n- -- \r\n- From me\r\n";
    for (signed, expected) in [
        (frame(escaped), text.to_owned()),
        (frame(escaped).replace("\r\n", "\n"), text.replace("\r\n", "\n")),
        (
            format!("before\r\n{}after\r\n- - list\r\n", frame(escaped)),
            format!("before\r\n{text}after\r\n- - list\r\n"),
        ),
        (frame(escaped) + &frame("second\r\n"), format!("{text}second\r\n")),
        (quoted_by("> ", &frame(escaped)), quoted_by("> ", text)),
        (quoted_by(">>", &frame(escaped)), quoted_by(">>", text)),
        (frame(&with_escapes(&frame(&with_escapes("- - inner\r\n")))), "- - inner\r\n".to_owned()),
        (frame("- item\r\n"), "- item\r\n".to_owned()),
        (
            format!("{}-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nno signature\r\n", frame("a\r\n")),
            "a\r\nno signature\r\n".to_owned(),
        ),
    ] {
        assert_eq!(cleared(&signed).as_deref(), Some(expected.as_str()), "{signed}");
    }
}

#[test]
fn a_signature_without_its_end_goes_as_far_as_it_is_one() {
    let whole = armoured("PGP SIGNATURE");
    let cut = whole.split("=aB3d").next().unwrap();
    assert_eq!(
        cleared(&format!("a\r\n{cut}\r\nText goes on.\r\n")).as_deref(),
        Some("a\r\n\r\nText goes on.\r\n")
    );
    assert_eq!(cleared(&format!("a\r\n{cut}")).as_deref(), Some("a\r\n"));
    let headed = cut.replacen("\r\n\r\n", "\r\nVersion: GnuPG v2\r\nComment: mine\r\n\r\n", 1);
    assert_eq!(cleared(&format!("a\r\n> {}", headed.replace('\n', "\n> "))).as_deref(), Some("a\r\n> "));
}

#[test]
fn a_frame_is_found_between_tags_and_its_tags_stay_in_balance() {
    let html = |text: &str| text.replace("\r\n", "<br>\r\n");
    let paragraphs =
        |text: &str| -> String { text.lines().map(|line| format!("<div>{line}</div>")).collect() };
    let spaced =
        frame("Hello\r\n").replace("BEGIN PGP", "BEGIN&nbsp;PGP").replace("\r\n", "&nbsp;<br />\r\n");
    for (signed, expected) in [
        (format!("<p>{}</p>", html(&frame("Hello\r\n"))), "<p>Hello<br>\r\n</p>"),
        (format!("<p class=\"a\">{}</p>", spaced), "<p class=\"a\">Hello&nbsp;<br />\r\n</p>"),
        (
            format!(
                "<p>one<br>\r\n&gt; {}</p>",
                html(&armoured("PGP SIGNATURE")).replace("\r\n", "\r\n&gt; ")
            ),
            "<p>one<br>\r\n&gt; </p>",
        ),
        (paragraphs(&frame("Hello\r\n")), "<div></div><div></div><div>Hello</div><div></div>"),
        (format!("<p>a -- {}</p>", armoured("PGP SIGNATURE").replace("\r\n", " ")), "<p>a -- </p>"),
    ] {
        assert_eq!(cleared(&signed).as_deref(), Some(expected), "{signed}");
    }
}

#[test]
fn keys_and_certificates_go_and_the_text_around_them_stays() {
    for label in KEYS {
        let text = format!("see\r\n{}\r\nbye\r\n", armoured(label));
        assert_eq!(without_keys(&text), "see\r\n\r\nbye\r\n");
        assert_eq!(without_keys(&quoted_by("> ", &text)), "> see\r\n> \r\n> bye\r\n");
    }
    let ssh = format!(
        "---- BEGIN SSH2 PUBLIC KEY ----\r\nComment: \"merchant@shop.example\"\r\n{ARMOUR}---- END SSH2 PUBLIC KEY ----\r\n"
    );
    assert_eq!(without_keys(&ssh), "");
    let cut = armoured("PGP PUBLIC KEY BLOCK").replace("-----END PGP PUBLIC KEY BLOCK-----\r\n", "bye\r\n");
    assert_eq!(without_keys(&cut), "bye\r\n");
    assert_eq!(without_keys(&frame("a\r\n")), frame("a\r\n"));
    assert_eq!(cleared(&armoured("PGP PUBLIC KEY BLOCK")), None);
}

#[test]
fn a_text_that_only_speaks_of_blocks_stays() {
    for text in [
        "Look for -----BEGIN PGP SIGNED MESSAGE----- and -----BEGIN PGP SIGNATURE-----, then -----END PGP SIGNATURE-----.\r\n",
        "Look for -----BEGIN CERTIFICATE-----\r\n",
        "----- BEGIN of the line -----\r\n--------- END\r\n-----BEGIN-----\r\n",
        "-- \r\nBEGIN PGP SIGNATURE\r\n",
    ] {
        assert_eq!(cleared(text), None, "{text}");
        assert_eq!(without_keys(text), text);
        assert!(!is_encrypted(text.as_bytes()));
    }
}

#[test]
fn an_encrypted_block_is_seen_at_the_start_of_a_line() {
    let block = armoured("PGP MESSAGE");
    for (text, expected) in [
        (block.clone(), true),
        (quoted_by("> > ", &block), true),
        (format!("<p>{}", block.replace("\r\n", "<br>")), true),
        (block.replace("MESSAGE", "MESSAGE, PART 1/2"), true),
        (format!("Such as {block}"), false),
        (frame("a\r\n"), false),
        (block.replace("PGP MESSAGE", "PGP MESSAGES"), false),
    ] {
        assert_eq!(is_encrypted(text.as_bytes()), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn edits_are_in_order_and_apart_and_leave_no_signature(parts in proptest::collection::vec(prop_oneof![
        prop::sample::select(vec![
            "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----", "Hash: SHA1", "\r\n", "\n", "> ",
            "- ", "<br>", "<p>", "</div>", "&nbsp;", "text", "-", "iQIzBAEBCAAdFiEEabcdefghijklmnopqrstuvwxyz", "\u{a0}",
        ]).prop_map(str::to_owned),
        any::<String>(),
    ], 0..40)) {
        let text = parts.concat();
        for edits in [cleartext(text.as_bytes()).unwrap_or_default(), keys(text.as_bytes())] {
            let mut at = 0;
            for edit in &edits {
                prop_assert!(edit.range.start >= at && edit.range.end >= edit.range.start && edit.range.end <= text.len());
                at = edit.range.end;
            }
        }
        let whole = format!("{text}\r\n{}", armoured("PGP SIGNATURE"));
        let cleared = cleared(&whole).unwrap_or_default();
        prop_assert!(!cleared.contains("=aB3d"), "{whole:?} {cleared:?}");
        prop_assert!(!is_encrypted(text.as_bytes()));
    }
}
