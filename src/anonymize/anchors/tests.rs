//! The quick search against plain ones.

use super::signs::PAIRS;
use super::*;
use proptest::prelude::*;

fn count(text: &[u8]) -> usize {
    windows(text, Charset::Utf8, &[Needle::new("bob@a.example", String::new())], &[], &[]).len()
}

#[test]
fn what_can_be_the_address_has_a_window_and_what_cannot_has_none() {
    for text in [
        b"x bob@a.example".as_slice(),
        b"bob%40a.example",
        b"bob%2540a",
        b"bob%25252540a",
        b"bob\\'40a",
        b"bob\x81\x69at\x81\x6aa",
        b"bob\x1b$B!J\x1b(Bat\x1b$B!K\x1b(Ba",
        b"bob&#64;a",
        b"bob&#0064a",
        b"bob&#x40;a",
        b"bob&commat;a",
        b"bob&amp;commat;a",
        b"bob\\u0040a",
        b"bob\\x40a",
        b"bob\\100a",
        b"bob=40a",
        b"bob (at) a",
        b"bob at a.example",
        "bob＠a".as_bytes(),
        b"\xffbob\x81\x97a",
        b"bob@<b>a",
        b"bob+tag@a.example",
        b"b<b>ob</b>@a",
    ] {
        assert_eq!(count(text), 1, "{}", String::from_utf8_lossy(text));
    }
    for text in [
        b"info@other.example, rob@a.example".as_slice(),
        b"1,400 yen at 40%, look at that, 640x480",
        b"width=\"640\" style=\"a:140px\"",
        "日本語のテキスト、価格は4,640円でした".as_bytes(),
    ] {
        assert_eq!(count(text), 0, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn long_windows_are_cut_so_that_every_place_belongs_to_one() {
    let text = b"bob@a.example ".repeat(40_000);
    let windows = windows(&text, Charset::Utf8, &[Needle::new("bob@a.example", String::new())], &[], &[]);
    assert!(windows.len() > 5);
    assert_eq!((windows[0].core_start, windows.last().unwrap().core_end), (0, text.len()));
    for pair in windows.windows(2) {
        assert_eq!(pair[0].core_end, pair[1].core_start);
        assert!(
            pair[1].range.start + MARGIN <= pair[1].core_start
                && pair[0].range.end >= pair[0].core_end + OVERLAP
        );
        assert!(pair[0].range.len() <= MAX_WINDOW);
    }
}

proptest! {
    #[test]
    fn a_sign_is_found_wherever_it_stands(
        parts in proptest::collection::vec(prop_oneof![
            (0..PAIRS.len()).prop_map(|i| PAIRS[i].2.to_vec()),
            proptest::collection::vec(prop_oneof![any::<u8>(), 0x81u8..0xa8], 0..4),
        ], 0..12),
    ) {
        let text = parts.concat();
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some((key, range)) = next_sign(&text, from) {
            found.push(range);
            from = key + 1;
        }
        found.sort_by_key(|range| range.start);
        let text = &text;
        let begins = |at: usize| PAIRS.iter().filter(move |pair| text[at..].starts_with(pair.2)).map(move |pair| at..at + pair.2.len());
        let expected: Vec<Range<usize>> = (0..text.len()).flat_map(begins).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn letters_are_plain_where_nothing_shifts_them_and_no_half_of_a_character_stands_beside_them() {
    let far = [b"\x1b$B".as_slice(), &b"$\"".repeat(3000), b" bob@a.example\n"].concat();
    for (text, plain) in [
        (b"bob@a.example".as_slice(), true),
        (b"<a href='mailto:bob@a.example'>", true),
        (b"x\n\"bob@a.example\", y", true),
        (b"\x1b$B$\"\x1b(B bob@a.example\n", true),
        (b"\x1b$B$\"\n(bob@a.example)", true),
        (b"\x1b$B$\" bob@a.example\x1b(B", false),
        (b"\x1b(I1 bob@a.example", false),
        (b"\x81bob@a.example", false),
        (b"bob@a.example\x81", false),
        (b"=bob@a.example", false),
        (b"bob@a.example.", false),
        (b"\\bob@a.example", false),
        (&far, false),
    ] {
        let at = memchr::memmem::find(text, b"bob@").unwrap();
        assert_eq!(is_plain(text, &(at..at + 13)), plain, "{}", text.escape_ascii());
    }
    assert!(has_shifts(b"a\x0eb") && has_shifts(b"a~{b") && !has_shifts(b"\x1b(B~ {"));
}
