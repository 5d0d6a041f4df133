//! A generated log: through the commands, beside the truth that is told of it.

use super::process::{On, Setup, TestRelay, on_both_databases};
use super::watch::Watch;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

on_both_databases! {
    a_generated_log_answers_for_each_planted_fraud_and_goes_on_where_it_stopped,
}

fn a_generated_log_answers_for_each_planted_fraud_and_goes_on_where_it_stopped(on: On) {
    let relay = Setup::new(on).prepare(&Arc::new(Watch::default()));
    let truth = relay.config().with_file_name("truth.jsonl").display().to_string();
    let generate = ["log", "generate", "--truth", &truth];
    let asked = ["--rows", "2k", "--seed", "7", "--stores", "20", "--days", "6"];
    let made = relay.anshin(&[&generate[..], &asked].concat());
    let rows = made["rows"].as_u64().unwrap();
    assert!((1500..9000).contains(&rows), "{made}");
    let counted = relay.anshin(&["log", "search", "after:60d", "--count"]);
    assert_eq!(counted["rows"], rows, "each row that it tells of is found");
    stats_are_the_counts_of_searches(&relay, rows);

    let lines: Vec<Value> = std::fs::read_to_string(&truth)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&lines[0]["seed"], &lines[0]["rows"]), (&7.into(), &2000.into()));
    let plants: Vec<&Value> = lines.iter().filter(|line| line["messages"].is_array()).collect();
    let kinds: BTreeSet<&str> = plants.iter().map(|plant| plant["kind"].as_str().unwrap()).collect();
    assert!(kinds.len() >= 20, "{kinds:?}");
    let count = |query: &str| {
        let found = relay.anshin(&["log", "search", query, "--count"]);
        found["rows"].as_u64().unwrap()
    };
    for (kind, query) in [
        ("P8", "flag:executable_file"),
        ("A1", "event:login_refused"),
        ("A5", "mailer:PHPMailer"),
        ("A6", "flag:reply_differs direction:to_customer"),
        ("A8", "flag:address_in_name"),
        ("A14", "flag:date_far"),
        ("A15", "event:failed"),
        ("P3", "auth:dmarc=fail"),
    ] {
        let of_kind = plants.iter().filter(|plant| plant["kind"].as_str().unwrap().starts_with(kind));
        let messages: usize = of_kind.map(|plant| plant["messages"].as_array().unwrap().len()).sum();
        let found = count(&format!("{query} after:60d"));
        assert!(found > 0 && (kind == "P3" || messages > 0 || kind == "A1"), "{kind}: {found} by {query}");
    }
    // A takeover on one axis of time: what failed and what did not, from a country that is new to the store, and what went out then.
    let taken_over = plants.iter().find(|plant| plant["kind"].as_str().unwrap().starts_with("A13")).unwrap();
    let of_store = taken_over["store"].as_str().unwrap();
    let at = |field: &str| taken_over[field].as_str().unwrap();
    let timeline = relay.anshin(&["log", "timeline", of_store, "--from", at("from")]);
    let steps = timeline["steps"].as_array().unwrap();
    let times: Vec<&str> = steps.iter().map(|step| step["first"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(steps.iter().any(|step| step["event"] == "login"), "{timeline}");
    assert!(
        steps.iter().any(|step| step["event"] == "accepted" && step["n"].as_u64() > Some(0)),
        "{timeline}"
    );
    assert!(steps.iter().any(|step| step["new"].to_string().contains("country")), "{timeline} {taken_over}");
    let one = plants.iter().find(|plant| plant["messages"][0].is_string()).unwrap();
    assert!(count(&format!("all: id:{}", one["messages"][0].as_str().unwrap())) >= 1);
    let order = one["orders"][0].as_str().unwrap();
    let (store, order_no) = order.split_once('/').unwrap();
    let pair = relay.anshin(&["log", "pair", "--store-id", store, "--order-no", order_no]);
    assert!(!pair["rows"].as_array().unwrap().is_empty(), "{pair}");
    let alias = relay.anshin(&["order", "show", "--store-id", store, "--order-no", order_no]);
    assert!(count(&format!("all: alias:{}", alias["customer_alias"].as_str().unwrap())) >= 1);
    assert_eq!(relay.anshin(&["log", "verify"])["intact"], true);

    // Again: it was done, and what is left until the end of its span is little.
    let again = relay.anshin(&generate);
    assert!(again["rows"].as_u64().unwrap() >= rows, "{again}");
    let other = relay.run(&[&generate[..], &["--seed", "8"]].concat());
    assert!(other.status == 1 && other.json()["error"].as_str().unwrap().contains("seed 7"));
    let elsewhere = relay.run(&["log", "generate", "--truth", &format!("{truth}.2")]);
    assert!(elsewhere.status == 1 && elsewhere.json()["error"].as_str().unwrap().contains("has rows"));
}

/// Counts are of all rows, by whatever they are asked.
fn stats_are_the_counts_of_searches(relay: &TestRelay, rows: u64) {
    let stats = |more: &[&str]| relay.anshin(&[&["log", "stats", "--from", "60d"][..], more].concat());
    let sum = |of: &Value, field: &str| -> u64 {
        of.as_array().unwrap().iter().map(|one| one[field].as_u64().unwrap()).sum()
    };
    let all = stats(&[]);
    assert_eq!(all["rows"], rows);
    for by in ["hour", "day", "month"] {
        let by = stats(&["--by", by, "--utc"]);
        assert_eq!(sum(&by["volume"], "rows"), rows);
        assert_eq!(by["events"], all["events"]);
    }
    let total = |of: &Value| -> u64 { of.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum() };
    assert_eq!(total(&all["events"]), rows);
    let count = |query: &str| relay.anshin(&["log", "search", query, "--count"])["rows"].clone();
    for (event, n) in all["events"].as_object().unwrap() {
        assert_eq!(*n, count(&format!("event:{event} after:60d")), "{event}");
    }
    for (result, n) in all["results"].as_object().unwrap() {
        assert_eq!(*n, count(&format!("result:\"{result}\" after:60d")), "{result}");
    }
    let stores = all["stores"].as_array().unwrap();
    assert!(stores.len() > 10 && sum(&all["stores"], "rows") <= rows, "{all}");
    for store in stores.iter().take(2) {
        let id = store["store"].as_str().unwrap();
        assert_eq!(store["rows"], count(&format!("store:{id} after:60d")), "{id}");
        let own = stats(&["--store-id", id, "--by", "month"]);
        assert_eq!((&own["rows"], &own["store"]), (&store["rows"], &store["store"]));
        assert!(own["stores"].as_array().unwrap().is_empty());
    }
    let size = &all["sizes"]["to_customer"];
    let (mails, octets) = (size["mails"].as_i64().unwrap(), size["octets"].as_i64().unwrap());
    assert!(mails > 100 && size["mean"] == octets / mails, "{size}");
    assert_eq!(size["mails"], count("event:accepted direction:to_customer after:60d"));
    assert_eq!(relay.run(&["log", "stats", "--store-id", "nobody"]).status, 1);
    // From long ago: nothing is read of the time before there was anything, and nobody looks at half a million hours.
    let since = |by: &str| relay.run(&["log", "stats", "--from", "1970-01-01", "--by", by]);
    assert_eq!(since("month").json()["rows"], rows);
    let refused = since("hour");
    assert!(
        refused.status == 1 && refused.json()["error"].as_str().unwrap().contains("--by day"),
        "{}",
        refused.stdout
    );
}
