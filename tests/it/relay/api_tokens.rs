//! Tokens of the API: rotated with an overlap, listed with their last use, counted, revoked.

use super::http::request;
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;
use serde_json::Value;

on_both_databases! {
    a_rotated_token_counts_beside_its_successor_until_it_ends,
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
