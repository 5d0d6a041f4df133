//! Calls of the API: pages, changes of an order, messages, bulks, and calls that come again with their idempotency key.

use super::http::{Answer, request, request_with};
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;
use serde_json::{Value, json};

on_both_databases! {
    a_call_that_comes_again_with_its_key_is_made_once,
    an_order_is_extended_readdressed_by_two_and_closed,
    a_bulk_opens_what_it_can_and_the_same_again_changes_nothing,
    orders_and_messages_come_in_pages,
}

fn token(scene: &Scene, scope: &str) -> String {
    let made = scene.relay.anshin(&["token", "add", "--name", "shop system", "--scope", scope]);
    let token = made["token"].as_str().unwrap().to_owned();
    scene.watch.secret(&token);
    token
}

fn call(scene: &Scene, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = request(scene.relay.web(), method, path, token, &body);
    scene.watch.shown("the marketplace", path, answer.body.as_bytes());
    answer
}

fn with_key(scene: &Scene, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    let fields = format!("Idempotency-Key: {key}\r\n");
    request_with(scene.relay.web(), "POST", path, token, &fields, &body.to_string())
}

fn a_call_that_comes_again_with_its_key_is_made_once(on: On) {
    let scene = Scene::new(on);
    let (one, other) = (token(&scene, "merchants,orders"), token(&scene, "merchants"));
    let store = |id: &str| json!({ "store_id": id, "name": "梅屋", "addresses": [scene.mise.address] });
    let first = with_key(&scene, &one, "/v1/merchants", "k-1", &store("ume"));
    assert_eq!((first.status, first.header("Idempotency-Replayed")), (201, None), "{}", first.body);
    let again = with_key(&scene, &one, "/v1/merchants", "k-1", &store("ume"));
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (201, Some("true")));
    assert_eq!(again.body, first.body, "the password that is shown once, to the same call");
    let changed = with_key(&scene, &one, "/v1/merchants", "k-1", &store("take"));
    assert!(changed.problem(422).contains("another method, path or body"), "{}", changed.body);
    let order = json!({ "store_id": "mise", "order_no": "K-1", "customer": scene.taro.address });
    with_key(&scene, &one, "/v1/orders", "k-1", &order).problem(422);
    // A key is its token's own.
    with_key(&scene, &other, "/v1/merchants", "k-1", &store("ume")).problem(409);
    // What was refused is answered alike, too: a new call takes a new key.
    let bad = json!({ "store_id": "mise", "order_no": "A-1001", "customer": scene.taro.address });
    let refused = with_key(&scene, &one, "/v1/orders", "k-2", &bad);
    refused.problem(409);
    let again = with_key(&scene, &one, "/v1/orders", "k-2", &bad);
    assert_eq!(
        (again.problem(409), again.header("Idempotency-Replayed")),
        (refused.problem(409), Some("true"))
    );
    with_key(&scene, &one, "/v1/orders", &"k".repeat(256), &order).problem(400);
    // Two at once: one is made, the other gets its answer or is told to come again.
    let both: Vec<Answer> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| with_key(&scene, &one, "/v1/merchants", "k-3", &store("take"))))
            .collect();
        made.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let statuses: Vec<u16> = both.iter().map(|answer| answer.status).collect();
    assert!(statuses.contains(&201) && statuses.iter().all(|s| [201, 409].contains(s)), "{statuses:?}");
    assert_eq!(with_key(&scene, &one, "/v1/merchants", "k-3", &store("take")).status, 201);
}

fn an_order_is_extended_readdressed_by_two_and_closed(on: On) {
    let scene = Scene::new(on);
    let orders = token(&scene, "orders");
    let path = "/v1/orders/mise/A-1001";
    let call = |method: &str, body: Value| call(&scene, &orders, method, path, &body);
    let extended = call("PATCH", json!({ "expires_at": "2099-01-31T23:59:59+09:00" }));
    assert_eq!((extended.status, &extended.json()["expires_at"]), (200, &"2099-01-31T14:59:59Z".into()));
    assert!(call("PATCH", json!({ "expires_at": "2001-01-01T00:00:00Z" })).problem(422).contains("future"));
    assert!(call("PATCH", json!({})).problem(422).contains("one of both"));
    let both = json!({ "expires_at": "2099-01-31T23:59:59+09:00", "customer": scene.taro.address });
    assert!(call("PATCH", both).problem(422).contains("one of both"));

    let change = json!({ "customer": scene.taro.address, "actor": "akiko", "case": "D-9" });
    assert!(call("PATCH", json!({ "customer": scene.taro.address })).problem(422).contains("actor"));
    let asked = call("PATCH", change.clone());
    assert_eq!(asked.status, 202, "{}", asked.body);
    let id = asked.json()["request"].as_str().unwrap().to_owned();
    assert_eq!(call("PATCH", change.clone()).json()["request"], id.as_str(), "the same request");
    scene.relay.anshin(&["reveal", "approve", &id, "--actor", "botan"]);
    let done = call("PATCH", change.clone());
    assert_eq!(
        (done.status, &done.json()["emailAddress"]),
        (200, &scene.order.customer_alias.as_str().into())
    );
    assert_eq!(call("PATCH", change).status, 200, "asked again it changes nothing");
    eventually("the address before is told", || (scene.hana.mailbox.wait_for(1).len() == 1).then_some(()));

    let closed = call("DELETE", Value::Null);
    assert!(closed.status == 200 && closed.json()["closed_at"].is_string(), "{}", closed.body);
    assert_eq!(call("DELETE", Value::Null).json(), closed.json(), "closed it stays");
    call("PATCH", json!({ "expires_at": "2099-01-31T23:59:59+09:00" })).problem(409);
}

fn a_bulk_opens_what_it_can_and_the_same_again_changes_nothing(on: On) {
    let scene = Scene::new(on);
    let orders = token(&scene, "orders");
    let order =
        |no: String, customer: &str| json!({ "store_id": "mise", "order_no": no, "customer": customer });
    let mut many: Vec<Value> = (0..300).map(|i| order(format!("B-{i}"), &scene.taro.address)).collect();
    many.push(order("A-1001".into(), &scene.taro.address));
    many.push(order("B-7".into(), &scene.taro.address));
    many.push(order("B-300".into(), "no address"));
    let bulk = json!({ "orders": many });
    let first = call(&scene, &orders, "POST", "/v1/orders/bulk", &bulk);
    assert_eq!(first.status, 200, "{}", first.body);
    let first = first.json();
    assert_eq!((&first["opened"], &first["open"], &first["refused"]), (&300.into(), &1.into(), &2.into()));
    let results = first["results"].as_array().unwrap();
    assert_eq!((&results[300]["status"], &results[302]["status"]), (&409.into(), &422.into()));
    assert!(results[302]["problem"]["detail"].as_str().unwrap().contains("customer"));
    assert_eq!(results[301]["order"], results[7]["order"], "twice in a bulk it is one order");
    let again = call(&scene, &orders, "POST", "/v1/orders/bulk", &bulk).json();
    assert_eq!((&again["opened"], &again["open"], &again["refused"]), (&0.into(), &301.into(), &2.into()));
    let of = |document: &Value, i: usize| document["results"][i]["order"].clone();
    assert!((0..302).all(|i| of(&first, i) == of(&again, i)), "the same aliases");

    let mut wrong = many.clone();
    wrong[3]["colour"] = "red".into();
    let refused = call(&scene, &orders, "POST", "/v1/orders/bulk", &json!({ "orders": wrong }));
    assert!(refused.problem(400).contains("orders 4, the fields are"), "{}", refused.body);
    let too_many: Vec<&Value> = many.iter().cycle().take(10_001).collect();
    let refused = call(&scene, &orders, "POST", "/v1/orders/bulk", &json!({ "orders": too_many }));
    assert!(refused.problem(422).contains("1 to 10000"), "{}", refused.body);
}

fn orders_and_messages_come_in_pages(on: On) {
    let scene = Scene::new(on);
    let all = token(&scene, "orders,messages");
    let get = |path: &str| call(&scene, &all, "GET", path, &Value::Null);
    for no in ["P-1", "P-2"] {
        let order = json!({ "store_id": "mise", "order_no": no, "customer": scene.taro.address });
        assert_eq!(call(&scene, &all, "POST", "/v1/orders", &order).status, 201);
    }
    let first = get("/v1/orders?store_id=mise&limit=2").json();
    let numbers = |page: &Value| -> Vec<Value> {
        page["orders"].as_array().unwrap().iter().map(|order| order["order_no"].clone()).collect()
    };
    assert_eq!(numbers(&first), ["A-1001", "P-1"]);
    let second =
        get(&format!("/v1/orders?store_id=mise&limit=2&cursor={}", first["cursor"].as_str().unwrap())).json();
    assert_eq!((numbers(&second), &second["cursor"]), (vec!["P-2".into()], &Value::Null));
    get("/v1/orders?store_id=mise&cursor=x").problem(422);
    get("/v1/orders?store_id=mise&limit=0").problem(422);
    get("/v1/orders?store_id=mise&colour=red").problem(400);
    get("/v1/orders").problem(400);
    get("/v1/orders?store_id=nobody").problem(404);

    let path = "/v1/orders/mise/A-1001/messages";
    assert_eq!(get(path).json(), json!({ "messages": [], "cursor": null }));
    for _ in 0..2 {
        scene.submit(&scene.to_customer()).is("250");
    }
    scene.hana.mailbox.wait_for(2);
    let delivered = eventually("both are delivered", || {
        let page = get(path).json();
        let messages = page["messages"].as_array().unwrap().clone();
        messages.iter().all(|message| message["state"] == "delivered").then_some(messages)
    });
    assert_eq!(delivered.len(), 2);
    assert_eq!((&delivered[0]["direction"], delivered[0]["size"].is_i64()), (&"to_customer".into(), true));
    let page = get(&format!("{path}?limit=1")).json();
    assert_eq!(page["messages"], json!([delivered[0]]), "the latest first");
    let next = get(&format!("{path}?limit=1&cursor={}", page["cursor"].as_str().unwrap())).json();
    assert_eq!(next["messages"], json!([delivered[1]]));
    let orders = token(&scene, "orders");
    call(&scene, &orders, "GET", path, &Value::Null).problem(403);
    let looks = scene.relay.anshin(&["reveal", "log"]);
    let said =
        |look: &&Value| look["kind"] == "search" && look["detail"]["user"].to_string().contains(", token ");
    assert!(looks.as_array().unwrap().iter().filter(said).count() >= 4, "each page is entered");
}

#[test]
fn what_the_framework_refuses_is_a_problem_document_too() {
    let scene = Scene::new(On::Sqlite);
    let token = token(&scene, "orders,merchants");
    let web = scene.relay.web();
    request(web, "GET", "/v1/orders/mise/%FF", &token, "").problem(400);
    request(web, "GET", "/v1/nothing", &token, "").problem(404);
    let refused = request(web, "PUT", "/v1/orders", &token, "{}");
    refused.problem(405);
    let allowed = refused.header("Allow").unwrap_or_default();
    assert!(allowed.contains("POST") && allowed.contains("GET"), "{allowed}");
    request(web, "POST", "/v1/orders", &token, "{").problem(400);
    request(web, "POST", "/v1/orders", &token, "").problem(400);
    let text = "POST /v1/orders HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nAuthorization: Bearer";
    for (fields, status) in
        [("Content-Type: text/plain", 415), ("Content-Type: application/JSON; charset=utf-8", 400)]
    {
        let request = format!("{text} {token}\r\n{fields}\r\nContent-Length: 2\r\n\r\n{{}}");
        super::http::raw(web, request.as_bytes()).problem(status);
    }
    let huge = format!("{{\"store_id\": \"{}\"}}", "x".repeat(70_000));
    request(web, "POST", "/v1/orders", &token, &huge).problem(413);
    let store = request(web, "GET", "/v1/merchants/mise", &token, "");
    assert_eq!(store.json()["public_alias"], scene.account.public_alias.as_str());
    request(web, "GET", "/v1/merchants/nobody", &token, "").problem(404);
    let document = request(web, "GET", "/v1/openapi.json", "", "").json();
    assert_eq!(document["openapi"], "3.1.0");
}
