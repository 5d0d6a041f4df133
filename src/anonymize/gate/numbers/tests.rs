//! Numbers that are addresses of a path, in the forms in which the gate knows them, and numbers that are not.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

fn stands(address: &str, text: &str) -> bool {
    let mut numbers = Numbers::default();
    match address.parse() {
        Ok(std::net::IpAddr::V4(ip)) => numbers.add_four(ip),
        Ok(std::net::IpAddr::V6(ip)) => numbers.add_six(ip),
        Err(_) => {}
    }
    numbers.stand_in(text.as_bytes())
}

#[test]
fn an_address_is_known_by_its_value() {
    for text in [
        "0313.00.0161.0115",
        "0313.0000.0161.0115",
        "203.000.113.077",
        "0xcb.0x0.0x71.0x4d",
        "0xCB00714D",
        "(cb00714d)",
        "cb00714d.dyn.example",
        "http://3405803853/",
        "3405803853.",
        "031300070515",
        "203000113077",
        "http://203.0.29005/",
        "http://203.29005/",
        "http://0xcb.29005/",
        "http://0313.0x714d:80/",
        "http://0xcb.0x714D.",
        "http://0xcb.0.0x71.77/",
        "http://0x00cb00714d/x",
        "http://0031300070515",
        "227 Entering Passive Mode (203,0,113,77,19,136).",
        "PORT 203,0,113,77,4,1",
        "cb:00:71:4d",
        "CB00:714D,",
        "77.113.0.203.in-addr.arpa",
        "ip-203-0-113-77",
        "p203-0-113-77x.example",
        "77-113-0-203.dyn.example",
        "ec2-203-0-113-77.x",
        "203_0_113_77",
        "203-000-113-077",
        "x.203-0-113-77.y",
    ] {
        assert!(stands("203.0.113.77", text), "{text}");
    }
    for text in [
        "203-0-113",
        "34058038530",
        "13405803853",
        "3405803853.5",
        "T3405803853",
        "x-3405803853",
        "cb00714d0",
        "acb00714d",
        "1203-0-113-77",
        "1-203-0-113-77",
        "203-0-113-771",
        "203-0-113-77-1",
        "77.113.0.2031",
        "x77.113.0.203",
        "77.113.0.20",
        "203.0.29005",
        "0xcb.29005",
        "http://0xcb.29006/",
        "http://0xcb.29005.1/",
        "203,0,113,77",
        "203,0,113,77,19,136,1",
        "1,203,0,113,77,19,136",
        "203,0,113,77,19,256",
        "cb:00:71:4d:00",
        "1:cb:00:71:4d",
        "203000113078",
        "203.0.113.77",
    ] {
        assert!(!stands("203.0.113.77", text), "{text}");
    }
    let six = "2001:db8:7a7a::77";
    for text in [
        "7.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.7.a.7.8.b.d.0.1.0.0.2.ip6.arpa",
        "2001-db8-7a7a--77.ipv6.example",
        "20010db87a7a00000000000000000077",
        "2001-0db8-7a7a-0000-0000-0000-0000-0077",
    ] {
        assert!(stands(six, text), "{text}");
    }
}

#[test]
fn a_number_of_a_house_or_a_version_is_no_address() {
    for text in ["3-12-4-5", "5.4.12.3", "3_12_4_5"] {
        assert!(!stands("3.12.4.5", text), "{text}");
    }
    assert!(stands("3.12.4.5", "ip-3-12-4-5") && stands("3.12.4.5", "5.4.12.3.in-addr.arpa"));
}

proptest! {
    #[test]
    fn the_words_are_those_that_a_look_at_each_octet_finds(text in "[0-9a-g./ ,_-]{0,60}") {
        let text = text.as_bytes();
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        let (mut expected, mut from) = (Vec::new(), 0);
        for at in 0..=text.len() {
            if text.get(at).is_some_and(is_part) {
                continue;
            }
            let digits = text[from..at].iter().filter(|b| b.is_ascii_hexdigit()).count();
            if digits >= FEWEST || (digits > 0 && text[..from].ends_with(b"//")) {
                expected.push((from, at));
            }
            from = at + 1;
        }
        let found = RefCell::new(BTreeSet::new());
        words(text, |word| !found.borrow_mut().insert((word.start, word.end)));
        prop_assert_eq!(found.into_inner().into_iter().collect::<Vec<_>>(), expected);
    }
}
