//! Rules as they are read, and what counts.

use super::{Counting, Mode, Rule, Rules, built_in};
use crate::mail::Timestamp;
use crate::query::Column;
use std::time::Duration;

const GOOD: &str = "# Why.\nname: X1-test\nversion: 3\nmode: rank\nbudget: 10\nowner: the desk\nexpires: 2027-01-31\n\
    ja: \u{7406}\u{7531}\nen: Why\nat-least: 4 by net within 90s\nwhen: event:accepted\n  (flag:listed or size:>1m)\n";

fn flaw(text: &str) -> (usize, usize, String) {
    let flaw = Rule::parse("x.rule", text).map(|rule| rule.id()).unwrap_err();
    assert!(flaw.shown.starts_with(&format!("x.rule:{}:{}\n", flaw.line, flaw.column)), "{}", flaw.shown);
    (flaw.line, flaw.column, flaw.reason)
}

#[test]
fn a_rule_is_read_as_it_is_written() {
    let rule = Rule::parse("x.rule", GOOD).unwrap_or_else(|flaw| panic!("{}", flaw.shown));
    assert_eq!((rule.id().as_str(), rule.mode, rule.budget), ("X1-test/3", Mode::Rank, 10));
    assert_eq!((rule.owner.as_str(), rule.ja.as_str()), ("the desk", "\u{7406}\u{7531}"));
    let threshold = rule.threshold.unwrap();
    let counted = (threshold.at_least, threshold.by, threshold.within);
    assert_eq!(counted, (4, Column::Net, Duration::from_secs(90)));
    assert_eq!(rule.when.to_text(), "event:accepted (flag:listed or size:>1048576)");
    let at = |text| Timestamp::parse_rfc3339(text).unwrap();
    assert!(rule.is_good_at(at("2027-01-31T23:59:59+09:00")), "its last day is whole");
    assert!(!rule.is_good_at(at("2027-02-01T00:00:00+09:00")));
}

#[test]
fn a_flaw_points_at_its_word() {
    let with = |from: &str, to: &str| flaw(&GOOD.replacen(from, to, 1));
    assert_eq!(
        with("mode: rank", "mode: hodl"),
        (4, 7, "one of shadow, rank, hold and refuse; did you mean hold?".into())
    );
    let (line, column, reason) = with("flag:listed", "flag:lsited");
    assert_eq!((line, column), (12, 9), "within an expression, on its second line: {reason}");
    assert!(reason.contains("did you mean listed?"), "{reason}");
    assert_eq!(with("owner: the desk", "owners: the desk").1, 1);
    assert!(with("owner: the desk", "owners: the desk").2.ends_with("did you mean owner?"));
    assert_eq!(with("version: 3", "version: three").0, 3);
    assert_eq!(with("version: 3", "name: Y").2, "it stands there twice");
    assert_eq!(with("by net", "by nte").1, 16);
    assert_eq!(with("within 90s", "within 90d").1, 27);
    assert_eq!(with("2027-01-31", "2027-02-30").0, 7);
    assert_eq!(with("owner: the desk\n", "").2, "owner: is missing");
    let acting = GOOD.replace("mode: rank", "mode: hold");
    assert_eq!(flaw(&acting).0, 10, "what holds counts nothing");
    let acting = acting.replace("at-least: 4 by net within 90s\n", "");
    assert!(Rule::parse("x.rule", &acting).is_ok());
    assert_eq!(flaw(&acting.replace("event:accepted", "event:refused")).0, 4, "it could never hold anything");
    assert_eq!(with("event:accepted", "event:accepted all:").1, 22);
    assert_eq!(with("event:accepted", "event:accepted after:2026-01-01").1, 22);
    assert_eq!(with("flag:listed", "hash:@x.pdf").1, 4);
    assert_eq!(with("Why.\n", "Why.\nnothing\n"), (2, 1, "a line is a name, a colon and a value".into()));
    assert!(flaw("").2.contains("name: is missing"));
}

#[test]
fn the_rules_that_come_with_the_program_are_sound_and_a_file_takes_ones_place() {
    let built = built_in().unwrap_or_else(|flaws| panic!("{}", flaws[0].shown));
    for rule in &built {
        let names = (rule.text.lines().any(|line| line.starts_with('#')), rule.name.starts_with(['P', 'A']));
        assert_eq!(names, (true, true), "{}: says why, and is called by its kind", rule.name);
    }
    let first = &built[0];
    let text = GOOD.replace("X1-test", &first.name);
    let rules = Rules::with_files(&[("own.rule".into(), text.clone())]).unwrap_or_default();
    assert_eq!(rules.iter().count(), built.len());
    assert_eq!(rules.named(&first.name).unwrap().file.as_deref(), Some("own.rule"));
    let twice = Rules::with_files(&[("a.rule".into(), text.clone()), ("b.rule".into(), text)]);
    assert_eq!(twice.err().unwrap()[0].reason, "a.rule has a rule of this name too");
}

#[test]
fn what_comes_often_enough_within_the_time_is_found_and_what_is_spread_is_not() {
    let threshold = Rule::parse("x.rule", GOOD).ok().and_then(|rule| rule.threshold).unwrap();
    let mut counting = Counting::new(threshold);
    let quick: Vec<bool> = (0..5).map(|n| counting.comes(1, n * 1000)).collect();
    assert_eq!(quick, [false, false, false, true, true]);
    assert!(!(0..50).any(|n| counting.comes(2, n * 31_000)), "three in 90 seconds at most");
    assert!(
        !(0..300_000_i64).any(|n| counting.comes(1000 + n, n)),
        "many values are bounded, and none is found"
    );
}
