//! Tokens of the API: rotated with an overlap, listed with their last use, counted, revoked.

use super::http::request;
use super::process::{On, Setup, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;
use serde_json::Value;

on_both_databases! {
    a_rotated_token_counts_beside_its_successor_until_it_ends,
    the_log_has_who_used_a_token_and_who_was_not_let_in_and_no_more_than_its_bound,
}

const PATH: &str = "/v1/orders/mise/A-1001";

fn status(scene: &Scene, token: &str) -> u16 {
    request(scene.relay.web(), "GET", PATH, token, "").status
}

fn listed(scene: &Scene) -> Vec<Value> {
    scene.relay.anshin(&["token", "list"]).as_array().unwrap().clone()
}

fn made(scene: &Scene, arguments: &[&str]) -> Value {
    let made = scene.relay.anshin(arguments);
    scene.watch.secret(made["token"].as_str().unwrap());
    made
}

fn a_rotated_token_counts_beside_its_successor_until_it_ends(on: On) {
    let scene = Scene::new(on);
    let first = made(&scene, &["token", "add", "--name", "shop", "--scope", "orders"]);
    let first = first["token"].as_str().unwrap();
    assert_eq!(status(&scene, first), 200);
    let id = listed(&scene)[0]["id"].as_str().unwrap().to_owned();
    assert!(listed(&scene)[0]["last_used_at"].is_string(), "its last use is told");

    let second = made(&scene, &["token", "rotate", &id]);
    assert_eq!(second["before"]["id"], id.as_str());
    let second_token = second["token"].as_str().unwrap();
    assert_eq!((status(&scene, first), status(&scene, second_token)), (200, 200), "both count for a day");
    let all = listed(&scene);
    assert_eq!(all.len(), 2);
    assert_eq!((&all[1]["name"], &all[1]["scopes"]), (&all[0]["name"], &all[0]["scopes"]));
    assert!(all[0]["ends_at"].is_string() && all[1]["ends_at"].is_null(), "{all:?}");

    // Without an overlap the one before is refused at once.
    let second_id = second["id"].as_str().unwrap();
    let third = made(&scene, &["token", "rotate", second_id, "--overlap", "0s"]);
    eventually("it has ended", || (status(&scene, second_token) == 401).then_some(()));
    assert_eq!(status(&scene, third["token"].as_str().unwrap()), 200);
    let again = scene.relay.run(&["token", "rotate", second_id]);
    assert!(again.status == 1 && again.json()["error"].as_str().unwrap().contains("none of this id"));
    let long = scene.relay.run(&["token", "rotate", third["id"].as_str().unwrap(), "--overlap", "31d"]);
    assert!(
        long.status == 1 && long.json()["error"].as_str().unwrap().contains("30 days"),
        "{}",
        long.stdout
    );

    scene.relay.anshin(&["token", "revoke", third["id"].as_str().unwrap()]);
    assert_eq!(status(&scene, third["token"].as_str().unwrap()), 401);
}

#[test]
fn a_token_that_asks_too_often_is_told_when_to_come_again_and_keeps_no_other_from_it() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("web.requests", "'5/1h'"));
    let [one, other] = ["one", "other"].map(|name| {
        let made = made(&scene, &["token", "add", "--name", name, "--scope", "orders"]);
        made["token"].as_str().unwrap().to_owned()
    });
    for _ in 0..5 {
        assert_eq!(status(&scene, &one), 200);
    }
    let refused = request(scene.relay.web(), "GET", PATH, &one, "");
    assert!(refused.problem(429).contains("Retry-After"), "{}", refused.body);
    let after: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=720).contains(&after), "{after}");
    assert_eq!(status(&scene, &other), 200, "another token is not held up");
}

fn the_log_has_who_used_a_token_and_who_was_not_let_in_and_no_more_than_its_bound(on: On) {
    // The process that is called opens nothing of the log.
    let bounded = |setup: Setup| setup.key("limits.records_per_minute", "20");
    let scene = Scene::with_roles(on, bounded, &[&["ingress", "egress"], &["web"]]);
    let token = made(&scene, &["token", "add", "--name", "shop", "--scope", "orders"]);
    let token = token["token"].as_str().unwrap();
    let id = listed(&scene)[0]["id"].as_str().unwrap().to_owned();
    let rows = |query: &str| {
        let found = scene.relay.anshin(&["log", "search", query, "--all"]);
        scene.watch.shown("an analyst", query, found.to_string().as_bytes());
        found["rows"].as_array().unwrap().clone()
    };
    for _ in 0..5 {
        assert_eq!(status(&scene, token), 200);
    }
    let used = rows(&format!("login:\"token {id}\""));
    assert_eq!(used.len(), 1, "once an hour and network: {used:?}");
    assert_eq!((&used[0]["event"], &used[0]["result"]), (&"api_login".into(), &"orders".into()));

    // The right that it lacks, then tokens that do not stand, many times.
    assert_eq!(request(scene.relay.web(), "GET", "/v1/log", token, "").status, 403);
    for _ in 0..30 {
        assert_eq!(status(&scene, "anst_none"), 401);
    }
    let refused = rows("event:api_refused");
    assert_eq!(refused.len(), 2, "a tenth of what all may have, since it is one network: {refused:?}");
    let of = |result: &str| refused.iter().filter(|row| row["result"] == result).count();
    assert_eq!((of("scope"), of("unknown")), (1, 1));
    assert_eq!(rows(&format!("login:\"token {id}\" event:api_refused")).len(), 1);

    // From where is opened at the desk alone, and nothing of the token stands anywhere.
    let look = ["--actor", "akiko", "--purpose", "security-incident", "--case", "S-1"];
    let opened = scene.relay.anshin(&[&["log", "search", "event:api_login"], &look[..]].concat());
    let detail = &opened[0]["detail"];
    assert_eq!((&detail["token"], &detail["peer"]["ip"]), (&id.as_str().into(), &"127.0.0.1".into()));
    assert_eq!(detail["peer"]["service"], "api");
    assert!(!opened.to_string().contains(token));
    assert_eq!(scene.relay.anshin(&["log", "verify"])["intact"], true);
}
