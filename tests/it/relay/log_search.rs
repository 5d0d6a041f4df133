//! Searching what a running relay recorded: by commands and by the API, where nobody is named unless the desk opens it.

use super::http::request;
use super::process::{On, Setup, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

on_both_databases! {
    mail_is_found_as_soon_as_it_is_accepted_and_no_answer_names_anybody,
    a_token_for_the_log_searches_in_pages_and_is_told_where_a_query_is_wrong,
    another_process_finds_each_mail_with_its_first_look_after_the_reply_while_others_send,
}

/// The rows of a search.
fn rows(scene: &Scene, query: &str) -> Vec<Value> {
    let found = scene.relay.anshin(&["log", "search", query, "--json"]);
    scene.watch.shown("an analyst", query, found.to_string().as_bytes());
    found["rows"].as_array().unwrap().clone()
}

/// What a command prints for a person, which names nobody.
fn told(scene: &Scene, arguments: &[&str]) -> String {
    let configured = scene.relay.binary();
    let mut command = std::process::Command::new(configured.get_program());
    command.envs(configured.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.arg("--config").arg(scene.relay.config()).arg("log").args(arguments);
    let ran = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}{}", text(&ran.stdout), text(&ran.stderr));
    for shown in [&ran.stdout, &ran.stderr] {
        scene.watch.shown("an analyst", &arguments.join(" "), shown);
    }
    text(&ran.stdout)
}

fn mail_is_found_as_soon_as_it_is_accepted_and_no_answer_names_anybody(on: On) {
    let scene = Scene::new(on);
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let accepted = rows(&scene, &format!("from:{} event:accepted", scene.mise.address));
    assert_eq!(accepted.len(), 1, "in the same moment as the reply");
    let row = &accepted[0];
    assert_eq!((&row["queue_id"], &row["store"]), (&id.as_str().into(), &"mise".into()));
    assert_eq!(row["direction"], "to_customer");
    assert!(row["size"].as_i64() > Some(0) && row["id"].is_string(), "{row}");
    eventually("it was delivered", || {
        (rows(&scene, &format!("to:{} event:delivered", scene.hana.address)).len() == 1).then_some(())
    });
    for query in [
        "order:mise/A-1001 event:accepted".to_owned(),
        "A-1001 event:accepted".into(),
        format!("alias:{} event:accepted", scene.order.customer_alias),
        format!("to:{} event:accepted", scene.order.customer_alias),
        format!("id:{id} event:accepted"),
        format!("{} -event:delivered after:1h", scene.hana.address),
        "store:mise direction:to_customer event:accepted".into(),
        "ip:127.0.0.1 event:accepted".into(),
    ] {
        let found = rows(&scene, &query);
        assert!(found.iter().any(|row| row["queue_id"] == id.as_str()), "{query}: {found:?}");
        assert!(found.iter().all(|row| !row["matched"].as_array().unwrap().is_empty()), "{query}");
    }
    assert!(rows(&scene, &format!("from:{}", scene.taro.address)).is_empty());

    let pair = told(&scene, &["pair", "--store-id", "mise", "--order-no", "A-1001"]);
    assert!(pair.contains("accepted") && pair.contains("delivered") && pair.contains("+09:00"), "{pair}");
    assert!(told(&scene, &["pivot", &scene.mise.address]).contains("  mise"));
    assert!(told(&scene, &["blast", "mise"]).contains("conversations  1"));
    assert!(told(&scene, &["same", &"07".repeat(32)]).contains("rows           0"));
    assert!(told(&scene, &["merchant", "mise"]).contains("accepted"));
    told(&scene, &["new-geo", "--since", "1h"]);
    let timeline = told(&scene, &["timeline", "mise", "--from", "1d"]);
    assert!(timeline.contains("  login  ") && timeline.contains("in this hour"), "{timeline}");
    let stats = told(&scene, &["stats", "--from", "today", "--by", "hour"]);
    assert!(
        stats.contains("  accepted") && stats.contains("  mise  ####") && stats.contains("on average"),
        "{stats}"
    );
    let explained = told(&scene, &["search", &format!("from:{}", scene.mise.address), "--explain"]);
    assert!(explained.contains("from_k") && explained.contains("cost"), "{explained}");
    assert_eq!(told(&scene, &["search", "store:mise event:accepted", "--count"]).trim(), "1");
    assert!(told(&scene, &["search", "store:mise ev", "--complete"]).contains("store:mise event:"));
    let csv = told(&scene, &["search", "store:mise", "--format", "csv", "--names", "ecs"]);
    assert!(csv.starts_with("@timestamp,event.id,") && csv.contains("Z,"), "{csv}");
    let file = scene.relay.state().join("rows.jsonl");
    let key = scene.relay.state().join("analyst.key");
    let key = key.to_str().unwrap();
    let made = scene.relay.anshin(&["compliance", "export-key", "--out", key]);
    let export =
        ["search", "store:mise", "--format", "jsonl", "--out", file.to_str().unwrap(), "--recipient"];
    told(&scene, &[&export[..], &[made["recipient"].as_str().unwrap()]].concat());
    let open = ["compliance", "open-export", file.to_str().unwrap(), "--key", key];
    let lines = String::from_utf8(scene.relay.binary().args(open).output().unwrap().stdout).unwrap();
    assert!(!lines.is_empty());
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["store"] == "mise"));
    scene.watch.shown("an analyst", "an export", lines.as_bytes());

    let wrong = scene.relay.run(&["log", "search", "evnt:held"]);
    assert_eq!(wrong.status, 1);
    let shown: Value = wrong.json();
    assert_eq!((&shown["details"]["column"], &shown["details"]["nearest"]), (&1.into(), &"event".into()));

    // What is sealed is opened at the desk, and each search stands in its book.
    let look = ["--actor", "akiko", "--purpose", "fraud-investigation", "--case", "C-1"];
    let query = format!("from:{} event:accepted", scene.mise.address);
    let opened = scene.relay.anshin(&[&["log", "search", &query, "--json"], &look[..]].concat());
    assert_eq!(opened[0]["detail"]["from"], scene.mise.address.as_str());
    let book = scene.relay.anshin(&["reveal", "log"]);
    let of = |outcome: &str| {
        book.as_array()
            .unwrap()
            .iter()
            .filter(|look| look["kind"] == "search" && look["outcome"] == outcome)
            .count()
    };
    assert!(of("masked") > 10 && of("opened") == 1, "{book}");
    // Of all stores, and of one for its timeline.
    let is_stats = |look: &&Value| look["detail"]["what"]["search"]["stats"].is_object();
    assert_eq!(book.as_array().unwrap().iter().filter(is_stats).count(), 2, "{book}");
    assert!(!book.to_string().contains(&scene.mise.address), "an index stands in place of an address");

    // Who looked at something, and what somebody looked at.
    let book = |arguments: &[&str]| {
        let found = scene.relay.anshin(&[&["reveal", "log"], arguments].concat());
        found.as_array().unwrap().clone()
    };
    let by = book(&["--by", "AKIKO"]);
    assert!(!by.is_empty() && by.iter().all(|look| look["detail"]["actor"] == "akiko"), "{by:?}");
    assert!(by.iter().any(|look| look["outcome"] == "opened"), "{by:?}");
    assert!(book(&["--by", "botan"]).is_empty());
    let about = book(&["--about", &scene.mise.address]);
    assert!(about.len() > 2 && about.iter().any(|look| look["outcome"] == "opened"), "{about:?}");
    assert_eq!(book(&["--about", &scene.hana.address, "--by", "akiko"]).len(), 0);
    assert!(book(&["--about", &scene.hana.address]).len() >= 2);
    assert!(book(&["--about", "mise/A-1001"]).len() >= 2 && book(&["--about", "A-100"]).is_empty());
    assert!(book(&["--about", &scene.order.customer_alias]).len() >= 2);
    assert_eq!(book(&["--about", "mise", "--limit", "2"]).len(), 2);
    assert!(book(&["--about", "mise", "--since", "1h"]).len() > 2);
}

fn a_token_for_the_log_searches_in_pages_and_is_told_where_a_query_is_wrong(on: On) {
    // The process that answers opens nothing.
    let scene = Scene::with_roles(on, |setup| setup, &[&["ingress", "egress"], &["web"]]);
    for _ in 0..3 {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
    }
    let token = |scope: &str| {
        let made = scene.relay.anshin(&["token", "add", "--name", "siem", "--scope", scope]);
        let token = made["token"].as_str().unwrap().to_owned();
        scene.watch.secret(&token);
        token
    };
    let (log, orders) = (token("log"), token("orders"));
    let get = |path: &str, token: &str| {
        let answer = request(scene.relay.web(), "GET", path, token, "");
        scene.watch.shown("a program", path, answer.body.as_bytes());
        answer
    };
    assert!(get("/v1/log", &orders).problem(403).contains("scope log"));
    let query = format!("from:{}+event:accepted", scene.mise.address.replace('@', "%40"));
    let (mut path, mut ids) = (format!("/v1/log?query={query}&limit=2"), Vec::new());
    let mut pages = 0;
    loop {
        let page = get(&path, &log);
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        let is_number = |row: &Value| row["store"].as_str().is_some_and(|store| store.len() == 16);
        assert!(page["rows"].as_array().unwrap().iter().all(is_number), "{page}");
        ids.extend(page["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/log?query={query}&limit=2&cursor={cursor}");
    }
    let mut once = ids.clone();
    once.dedup();
    assert!(pages >= 2 && ids.len() == 3 && once == ids, "{ids:?}");
    let wrong = get("/v1/log?query=form:x%40y.example", &log);
    assert!(wrong.problem(422).contains("did you mean from?"), "{}", wrong.body);
    assert_eq!(wrong.json()["query"], serde_json::json!({ "from": 0, "until": 4, "nearest": "from" }));
    assert!(get("/v1/log?query=hash:@invoice.pdf", &log).problem(422).contains("SHA-256"));
    assert!(get("/v1/log?limit=0", &log).problem(422).contains("limit"));
    assert!(get("/v1/log?cursor=x", &log).problem(422).contains("cursor"));
    assert!(get("/v1/log?colour=red", &log).problem(400).contains("parameters"));
    let planned = get(&format!("/v1/log/plan?query={query}"), &log).json();
    assert!(planned["plan"].as_str().unwrap().contains("from_k"), "{planned}");
    assert!(planned["rows"].as_u64() >= Some(3) && planned["rows_are_all"] == true, "{planned}");
    assert_eq!(get("/v1/log/plan?query=form:x%40y.example", &log).status, 422);
    let completed = get("/v1/log/complete?query=ev", &log).json();
    assert_eq!(completed["items"][0]["text"], "event:");
}

/// Says that it is over when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn another_process_finds_each_mail_with_its_first_look_after_the_reply_while_others_send(on: On) {
    let unlimited = |setup: Setup| {
        ["credential", "store", "sender", "alias"]
            .iter()
            .fold(setup, |setup, of| setup.key(&format!("limits.{of}.messages"), "'off'"))
    };
    let scene = Scene::with_roles(on, unlimited, &[&["ingress", "egress"], &["web"]]);
    let made = scene.relay.anshin(&["token", "add", "--name", "siem", "--scope", "log"]);
    let token = made["token"].as_str().unwrap();
    scene.watch.secret(token);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    scene.submit(&scene.to_customer()).is("250 2.0.0");
                    scene.deliver(&scene.to_merchant());
                }
            });
        }
        // The others end, whatever is seen.
        let _ends = Ends(&is_over);
        let seen: Vec<bool> = (0..8)
            .map(|_| {
                let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
                let path = format!("/v1/log?query=id:{id}+event:accepted");
                let page = request(scene.relay.web(), "GET", &path, token, "").json();
                page["rows"][0]["queue_id"] == id.as_str()
            })
            .collect();
        assert!(seen.iter().all(|seen| *seen), "{seen:?}");
    });
}
