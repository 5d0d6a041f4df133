//! A person is erased by the API: a preview, a second person at the relay, and the same call again says how far it is.

use super::http::{Answer, request};
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use serde_json::{Value, json};

on_both_databases! {
    a_call_previews_asks_a_second_person_erases_once_and_says_so_again,
}

fn call(scene: &Scene, token: &str, body: &Value) -> Answer {
    request(scene.relay.web(), "POST", "/v1/erasures", token, &body.to_string())
}

fn token(scene: &Scene, scope: &str) -> String {
    let made = scene.relay.anshin(&["token", "add", "--name", "privacy desk", "--scope", scope]);
    made["token"].as_str().unwrap().to_owned()
}

fn a_call_previews_asks_a_second_person_erases_once_and_says_so_again(on: On) {
    let scene = Scene::new(on);
    let (erasures, orders) = (token(&scene, "erasures"), token(&scene, "orders"));
    open_order(&scene.relay, "mise", "A-1002", &scene.taro.address);
    scene.by_two(&[
        "order",
        "readdress",
        "--store-id",
        "mise",
        "--order-no",
        "A-1001",
        "--customer",
        "hana.new@elsewhere.test",
    ]);
    // By the address that she had before.
    let preview = json!({ "customer": scene.hana.address, "actor": "akiko", "case": "D-7" });
    // Who asks is written down, whether there is anything or not.
    let nameless = json!({ "customer": scene.hana.address });
    assert!(call(&scene, &erasures, &nameless).problem(422).contains("actor"));
    assert!(call(&scene, &orders, &preview).problem(403).contains("scope erasures"));
    let answer = call(&scene, &erasures, &preview);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let found = answer.json();
    assert_eq!(
        (&found["orders"], &found["open_orders"], &found["erased"]),
        (&1.into(), &1.into(), &false.into())
    );
    let nobody = json!({ "customer": "nobody@elsewhere.test", "actor": "akiko", "case": "D-7" });
    assert!(call(&scene, &erasures, &nobody).problem(404).contains("nothing is kept"));
    assert!(
        call(&scene, &erasures, &json!({ "customer": "no address", "actor": "a", "case": "1" }))
            .problem(422)
            .contains("customer")
    );
    let looks = scene.relay.anshin(&["reveal", "log"]);
    let previews = looks.as_array().unwrap().iter().filter(|look| look["outcome"] == "previewed");
    let users: Vec<&str> = previews.filter_map(|look| look["detail"]["user"].as_str()).collect();
    assert!(users.len() == 2 && users.iter().all(|user| user.contains(", token ")), "{users:?}");
    let body = |open_orders: bool| {
        json!({
            "customer": scene.hana.address, "carry_out": true, "open_orders": open_orders, "actor": "akiko", "case": "D-7",
        })
    };
    let without = json!({ "customer": scene.hana.address, "carry_out": true });
    assert!(call(&scene, &erasures, &without).problem(422).contains("actor"));
    assert!(call(&scene, &erasures, &body(false)).problem(409).contains("1 orders are open"));
    let asked = call(&scene, &erasures, &body(true));
    assert_eq!(asked.status, 202, "{}", asked.body);
    let id = asked.json()["request"].as_str().unwrap().to_owned();
    let again = call(&scene, &erasures, &body(true));
    assert_eq!(
        (again.status, again.json()["request"].as_str()),
        (202, Some(id.as_str())),
        "the same request"
    );
    let own = scene.relay.run(&["reveal", "approve", &id, "--actor", "Akiko"]);
    assert!(
        own.status == 1 && own.json()["error"].as_str().unwrap().contains("second person"),
        "{}",
        own.stdout
    );
    scene.relay.anshin(&["reveal", "approve", &id, "--actor", "botan"]);
    let erased = call(&scene, &erasures, &body(true));
    assert_eq!((erased.status, &erased.json()["erased"]), (200, &true.into()), "{}", erased.body);
    let again = call(&scene, &erasures, &body(true));
    assert_eq!((again.status, &again.json()["erased"]), (200, &true.into()), "{}", again.body);
    assert!(call(&scene, &erasures, &preview).problem(404).contains("nothing is kept"));
    scene.relay.run(&["order", "show", "--store-id", "mise", "--order-no", "A-1002"]);
    // The ring follows, and then it is certified.
    crate::peer::eventually("it is certified", || {
        let certificates = scene.relay.anshin(&["compliance", "retention"])["certificates"].clone();
        (certificates[0]["kind"] == "erasure").then_some(())
    });
    let looks = scene.relay.anshin(&["reveal", "log"]);
    let looks = looks.as_array().unwrap();
    let opened = looks.iter().filter(|look| look["kind"] == "erasure" && look["outcome"] == "opened").count();
    assert_eq!(opened, 1, "{looks:?}");
    // She begins anew: that is another erasure, with its own approval.
    open_order(&scene.relay, "mise", "A-1001", &scene.hana.address);
    assert_eq!(call(&scene, &erasures, &body(true)).status, 202);
}

#[test]
fn a_process_that_opens_nothing_says_who_does() {
    let mut scene = Scene::new(On::Sqlite);
    let erasures = token(&scene, "erasures");
    scene.relay.terminate();
    scene.relay.start(&["web"]);
    let preview = json!({ "customer": scene.hana.address, "actor": "akiko", "case": "D-7" });
    let refused = call(&scene, &erasures, &preview);
    assert!(refused.problem(503).contains("anshin compliance erase"), "{}", refused.body);
}
