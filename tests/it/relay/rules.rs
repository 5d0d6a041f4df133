//! Rules: as files of an installation, and what they would have found in a generated log.

use super::process::{On, Setup, TestRelay, on_both_databases};
use super::watch::Watch;
use serde_json::Value;
use std::sync::Arc;

on_both_databases! {
    a_rule_is_tested_on_what_was_recorded_and_the_test_is_among_the_looks,
}

const RULE: &str = "name: X1-large\nversion: 2\nmode: shadow\nbudget: 1\nowner: the desk\nexpires: 2040-01-31\n\
    ja: \u{5927}\u{304d}\u{3044}\nen: Large\nwhen: event:accepted\n  flag:address_in_name\n";

fn write(relay: &TestRelay, name: &str, text: &str) -> String {
    let directory = relay.config().with_file_name("rules");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), text).unwrap();
    directory.join(name).display().to_string()
}

/// What became of planted frauds of a kind, each with its messages.
fn planted(truth: &str, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(truth).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"].as_str().is_some_and(|own| own.starts_with(kind))).collect()
}

fn a_rule_is_tested_on_what_was_recorded_and_the_test_is_among_the_looks(on: On) {
    let relay = Setup::new(on).key("detections.rules", "'rules'").prepare(&Arc::new(Watch::default()));
    write(&relay, "large.rule", RULE);
    let truth = relay.config().with_file_name("truth.jsonl").display().to_string();
    let generate = [
        "log", "generate", "--truth", &truth, "--rows", "2k", "--seed", "11", "--stores", "20", "--days", "6",
    ];
    relay.anshin(&generate);

    let found = relay.anshin(&["log", "rule", "test", "P8-dangerous-file"]);
    let plants = planted(&truth, "P8");
    let mails: usize = plants.iter().map(|plant| plant["messages"].as_array().unwrap().len()).sum();
    assert!(mails > 0 && found["hits"] == mails, "all planted ones and no other: {mails}, {found}");
    let days = found["days"].as_array().unwrap();
    assert_eq!(days.iter().map(|day| day["hits"].as_u64().unwrap()).sum::<u64>(), mails as u64);
    assert_eq!(found["sample"].as_array().unwrap().len(), mails.min(10));
    let shown = relay.run(&["log", "rule", "test", "P8-dangerous-file", "--sample", "1000"]);
    assert!(shown.status == 0 && !shown.stdout.contains('@'), "nobody is named: {}", shown.stdout);

    let counted = relay.anshin(&["log", "rule", "test", "P5-enumeration"]);
    // Of sixty within ten minutes the first nineteen are not enough yet.
    let plants = planted(&truth, "P5").len() as u64;
    assert_eq!(counted["hits"], plants * 41, "{counted}");

    let own = relay.anshin(&["log", "rule", "test", "x1-large", "--sample", "2"]);
    assert!(own["hits"].as_u64().unwrap() >= 7 && own["sample"].as_array().unwrap().len() == 2, "{own}");
    assert_eq!(
        (&own["rule"]["version"], &own["days_over_budget"]),
        (&2.into(), &own["days"].as_array().unwrap().len().into())
    );
    let looks = relay.anshin(&["reveal", "log"]);
    let queries: Vec<String> =
        looks.as_array().unwrap().iter().map(|look| look["detail"].to_string()).collect();
    assert!(queries.iter().any(|look| look.contains("event:accepted flag:address_in_name")), "{queries:?}");
}

#[test]
fn rules_are_listed_and_a_flaw_is_told_at_its_word_before_anything_starts() {
    let relay =
        Setup::new(On::Sqlite).key("detections.rules", "'rules'").prepare(&Arc::new(Watch::default()));
    write(&relay, "large.rule", RULE);
    let built_in = relay.anshin(&["log", "rule", "list"]);
    let built_in: Vec<&Value> =
        built_in.as_array().unwrap().iter().filter(|rule| rule["file"].is_null()).collect();
    assert!(built_in.len() >= 5 && built_in.iter().all(|rule| rule["is_over"] == false), "{built_in:?}");
    write(&relay, "taken.rule", &RULE.replace("X1-large", "P8-dangerous-file"));
    let listed = relay.anshin(&["log", "rule", "list"]);
    let modes: Vec<&Value> =
        listed.as_array().unwrap().iter().filter(|rule| rule["name"] == "P8-dangerous-file").collect();
    assert_eq!(modes.len(), 1, "it takes the other's place");
    assert_eq!((&modes[0]["mode"], &modes[0]["file"]), (&"shadow".into(), &"taken.rule".into()));
    let shown = relay.anshin(&["log", "rule", "show", "X1-large"]);
    assert_eq!(shown["when"], "event:accepted flag:address_in_name");
    assert_eq!(relay.anshin(&["log", "rule", "check"])["rules"], built_in.len() + 1);

    let wrong = write(&relay, "wrong.rule", &RULE.replace("flag:address_in_name", "flag:adress_in_name"));
    for arguments in [&["log", "rule", "check"][..], &["log", "rule", "check", &wrong], &["config", "check"]]
    {
        let ran = relay.run(arguments);
        assert_eq!(ran.status, 1, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        let said = ran.json();
        let at = (&said["details"][0]["file"], &said["details"][0]["line"], &said["details"][0]["column"]);
        assert_eq!(at, (&"wrong.rule".into(), &10.into(), &8.into()), "{arguments:?}: {said}");
        let text = said["error"].as_str().unwrap();
        assert!(text.contains("did you mean address_in_name?"), "{text}");
    }
    let ran = relay.run(&["serve"]);
    assert!(ran.status == 1 && ran.stdout.contains("wrong.rule"), "{}{}", ran.stdout, ran.stderr);
}
