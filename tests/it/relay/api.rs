//! The HTTP API: one call for each store and order, idempotent, with tokens that may only what they say.

use super::client::Client;
use super::http::{Answer, request};
use super::letter::Letter;
use super::process::{On, on_both_databases};
use super::scene::Scene;
use serde_json::json;

on_both_databases! {
    a_store_and_an_order_made_by_the_api_carry_mail_at_once,
    a_token_may_only_what_its_scopes_say,
}

fn token(scene: &Scene, scope: &str) -> String {
    let made = scene.relay.anshin(&["token", "add", "--name", "shop system", "--scope", scope]);
    assert_eq!(made.as_object().unwrap().keys().collect::<Vec<_>>(), ["token"]);
    let token = made["token"].as_str().unwrap().to_owned();
    scene.watch.secret(&token);
    token
}

fn call(scene: &Scene, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let answer = request(scene.relay.web(), method, path, token, body);
    scene.watch.shown("the marketplace", path, answer.body.as_bytes());
    answer
}

fn a_store_and_an_order_made_by_the_api_carry_mail_at_once(on: On) {
    let scene = Scene::new(on);
    let token = token(&scene, "merchants,orders");
    let post = |path: &str, body: serde_json::Value| call(&scene, "POST", path, &token, &body.to_string());
    let store = json!({ "store_id": "ume", "name": "梅屋", "addresses": [scene.mise.address] });
    let added = post("/v1/merchants", store.clone());
    assert_eq!(added.status, 201, "{}", added.body);
    let added = added.json();
    assert_eq!((&added["store_id"], &added["public_alias"]), (&"ume".into(), &"ume@shop.anshin.test".into()));
    assert_eq!(added["smtp"]["host"], "relay.anshin.test");
    assert_eq!(added["smtp"]["port"], scene.relay.submission().port());
    assert_eq!(added["menu"]["store_id"], "ume");
    assert!(added["menu"]["password"].as_str().unwrap().len() > 20);
    assert!(post("/v1/merchants", store).problem(409).contains("taken"));

    let order = json!({ "store_id": "ume", "order_no": "B/7 あ", "customer": scene.taro.address });
    let opened = post("/v1/orders", order.clone());
    assert_eq!(opened.status, 201, "{}", opened.body);
    let again = post("/v1/orders", order);
    assert_eq!((again.status, again.json()), (200, opened.json()), "the same order, the same aliases");
    let shown = call(&scene, "GET", "/v1/orders/ume/B%2F7%20%E3%81%82", &token, "");
    assert_eq!((shown.status, shown.json()), (200, opened.json()));
    let opened = opened.json();
    let keys: Vec<&String> = opened.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["customer_alias", "emailAddress", "expires_at", "merchant_alias", "order_no"]);
    assert_eq!(opened["emailAddress"], opened["customer_alias"], "what merchants' tools look for");

    let alias = opened["customer_alias"].as_str().unwrap();
    let letter = Letter::new(&scene.watch, &scene.mise.address, alias);
    let text = |name: &str| added["smtp"][name].as_str().unwrap();
    let (user, password) = (text("auth_id"), text("auth_password"));
    let mut tool = Client::hello(scene.relay.submission(), &scene.watch, "mise").unwrap();
    tool.say("STARTTLS").unwrap().is("220");
    tool.wire().start_tls().unwrap();
    tool.say("EHLO tool.test").unwrap().is("250");
    tool.say(&super::client::auth_plain(user, password)).unwrap().is("235 2.7.0");
    tool.send(&scene.mise.address, &[alias], &letter.bytes()).unwrap().is("250 2.0.0");
    assert_eq!(scene.taro.mailbox.wait_for(1)[0].forward_paths, [scene.taro.address.as_str()]);
}

fn a_token_may_only_what_its_scopes_say(on: On) {
    let scene = Scene::new(on);
    let (orders, merchants) = (token(&scene, "orders"), token(&scene, "merchants"));
    let path = "/v1/orders/mise/A-1001";
    assert_eq!(call(&scene, "GET", path, &orders, "").status, 200);
    assert!(call(&scene, "GET", path, &merchants, "").problem(403).contains("scope orders"));
    for wrong in ["", "anst_wrong", &orders.to_uppercase()] {
        let refused = call(&scene, "GET", path, wrong, "");
        assert!(refused.problem(401).contains("anshin token add"), "{}", refused.body);
        assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer"));
    }
    let none = scene.relay.run(&["token", "add", "--name", "x", "--scope", "orders,everything"]);
    assert!(none.status == 1 && none.json()["error"].as_str().unwrap().contains("scope"), "{}", none.stdout);
}

#[test]
fn every_error_is_a_problem_document_that_names_field_and_cure() {
    let scene = Scene::new(On::Sqlite);
    let token = token(&scene, "merchants,orders");
    let post = |path: &str, body: &str| call(&scene, "POST", path, &token, body);
    let order = |changed: serde_json::Value| {
        let mut order = json!({ "store_id": "mise", "order_no": "N", "customer": scene.taro.address });
        order.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        post("/v1/orders", &order.to_string())
    };
    assert!(order(json!({ "customer": "no address" })).problem(422).contains("customer"));
    assert!(order(json!({ "customer": "x@pc.fw.anshin.test" })).problem(422).contains("own domains"));
    assert!(order(json!({ "order_no": "" })).problem(422).contains("order_no: 1 to 64"));
    assert!(order(json!({ "order_no": " N" })).problem(422).contains("order number"));
    assert!(order(json!({ "order_no": "x".repeat(65) })).problem(422).contains("order_no: 1 to 64"));
    assert!(order(json!({ "expires_at": "tomorrow" })).problem(422).contains("RFC 3339"));
    assert!(order(json!({ "expires_at": "2001-01-01T00:00:00Z" })).problem(422).contains("future"));
    assert!(order(json!({ "store_id": "nobody" })).problem(404).contains("anshin merchant add"));
    assert!(order(json!({ "order_no": "A-1001" })).problem(409).contains("readdress"));
    assert!(order(json!({ "colour": "red" })).problem(400).contains("fields"));
    assert!(post("/v1/orders", "{").problem(400).contains("line 1"));
    let store = |id: &str, address: &str| {
        post("/v1/merchants", &json!({ "store_id": id, "name": "x", "addresses": [address] }).to_string())
    };
    assert!(store("Ume Ya", &scene.mise.address).problem(422).contains("store id"));
    assert!(store("postmaster", &scene.mise.address).problem(422).contains("reserved"));
    assert!(store("ume", "nothing").problem(422).contains("address 1"));
    call(&scene, "GET", "/v1/orders/mise/none", &token, "").problem(404);
    call(&scene, "GET", "/v1/nothing", &token, "").problem(404);
    let huge = format!("{{\"store_id\": \"{}\"}}", "x".repeat(70_000));
    assert_eq!(post("/v1/orders", &huge).status, 413);
    assert_eq!(call(&scene, "GET", "/readyz", "", "").status, 200);
}
