//! The search near signs against the search of all of a text.

use super::*;
use crate::anonymize::tests::{Direction, World};
use proptest::prelude::*;

/// What may stand for the sign, and anywhere else; apart by a bar.
const SIGNS: &str = "@|@|@|＠|%40|&#64;|&#64|(at)|(@)| at |\\u0040|=40|\\'40|アット|[あっと]|@マーク|(アットマーク)|%2540|&amp;#64;|=";
const NOISE: &str = "||||.|字|か|\u{fffd}|ｶ|한|\u{200b}|\u{ad}|\u{1}|\t| |\r\n|\r\n> |\r\n字> |<b>|</b>|<!-- x -->|(x)|\"|'| + |=\r\n|\\|)|！|\
    &shy;|&#|%|+|*|;|<|[|ア";
const DOMAINS: &str = "mailbox.example|MAILBOX.example|ｍailbox.example|m%61ilbox.example|&#109;ailbox.example|=6Dailbox.example|mail<b>box.example|mailbox\r\n.example|other.example";

fn one_of(words: &'static str) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words.split('|').collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn near_its_sign_every_address_is_found(
        (before, local, left) in (one_of(NOISE), one_of("hana.suzuki|hana.suzuki|HANA.suzuki|suzuki"), one_of(NOISE)),
        (sign, right, more) in (one_of(SIGNS), one_of(NOISE), one_of(NOISE)),
        (domain, behind) in (one_of(DOMAINS), one_of(NOISE)),
        kind in prop_oneof![Just(Kind::Plain), Just(Kind::Markup), Just(Kind::Addresses)],
    ) {
        let text = [before, local, left, sign, right, more, domain, behind].concat();
        World::default().with_passage(Direction::ToMerchant, |passage| {
            let (search, traces) = (Search::new(passage).unwrap(), Traces::default());
            let sought = Sought { search: &search, traces: &traces, ids: None, kind };
            assert_eq!(hits_near(text.as_bytes(), &sought), search.hits(text.as_bytes(), kind, None), "{text}");
        });
    }
}

#[test]
fn edits_between_others_take_no_more_than_linear_time() {
    crate::anonymize::tests::grows_linearly("edits between edits", |size| {
        let mut all = Edits::default();
        for start in (0..size).step_by(2).chain((1..size).step_by(2)).chain(0..size) {
            all.insert(Edit { range: start..start + 1, with: Vec::new() });
        }
        let edits = all.into_vec();
        assert!(edits.len() == size && edits.is_sorted_by_key(|edit| edit.range.start));
    });
}
