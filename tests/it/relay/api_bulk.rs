//! Many orders at once: two nodes that open the same orders agree on them, and a hundred thousand take no more memory than a thousand.
//!
//! With ANSHIN_API_ORDERS=100000 the second opens so many, in bulks of 10,000, and says the rate.

use super::http::{Answer, request};
use super::process::On;
use super::scene::Scene;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;

fn token(scene: &Scene) -> String {
    let made = scene.relay.anshin(&["token", "add", "--name", "shop system", "--scope", "orders"]);
    made["token"].as_str().unwrap().to_owned()
}

fn orders(from: usize, count: usize) -> Vec<Value> {
    let order = |i| json!({ "store_id": "mise", "order_no": format!("M-{i}"), "customer": format!("c{i}@customers.test") });
    (from..from + count).map(order).collect()
}

fn bulk(web: SocketAddr, token: &str, orders: &[Value]) -> Value {
    let answer = request(web, "POST", "/v1/orders/bulk", token, &json!({ "orders": orders }).to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn aliases(results: &Value) -> Vec<Value> {
    results["results"].as_array().unwrap().iter().map(|result| result["order"].clone()).collect()
}

#[test]
fn two_nodes_that_open_the_same_orders_at_once_give_the_same_aliases() {
    let mut scene = Scene::new(On::Postgres);
    let token = token(&scene);
    let one = scene.relay.web();
    scene.relay.start(&["web"]);
    let other = scene.relay.web();
    assert_ne!(one, other);
    // Each at the same moment, one by one and in bulks.
    for i in 0..10 {
        let body =
            json!({ "store_id": "mise", "order_no": format!("S-{i}"), "customer": scene.taro.address });
        let body = body.to_string();
        let both: Vec<Answer> = std::thread::scope(|scope| {
            let ask = |web| request(web, "POST", "/v1/orders", &token, &body);
            [one, other].map(|web| scope.spawn(move || ask(web))).map(|call| call.join().unwrap()).into()
        });
        let mut statuses: Vec<u16> = both.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201], "{} {}", both[0].body, both[1].body);
        assert_eq!(both[0].json(), both[1].json());
    }
    let many = orders(0, 300);
    let both: Vec<Value> = std::thread::scope(|scope| {
        let ask = |web| bulk(web, &token, &many);
        [one, other].map(|web| scope.spawn(move || ask(web))).map(|call| call.join().unwrap()).into()
    });
    assert_eq!(aliases(&both[0]), aliases(&both[1]));
    let opened: i64 = both.iter().map(|results| results["opened"].as_i64().unwrap()).sum();
    assert_eq!(opened, 300, "each was opened once");
}

/// The most memory that a process ever had, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn many_orders_are_opened_in_bounded_memory_and_the_same_again_changes_nothing() {
    let on = if std::env::var("ANSHIN_API_ON").is_ok_and(|on| on == "postgres") {
        On::Postgres
    } else {
        On::Sqlite
    };
    let scene = Scene::with(on, |setup| setup.key("web.requests", "'off'"));
    let token = token(&scene);
    let wanted = std::env::var("ANSHIN_API_ORDERS").map_or(2000, |text| text.parse().unwrap());
    let lot = 10_000.min(wanted / 2);
    let (web, process) = (scene.relay.web(), scene.relay.process_ids()[0]);
    let begun = Instant::now();
    let first = bulk(web, &token, &orders(0, lot));
    let after_one = peak(process);
    for from in (lot..wanted).step_by(lot) {
        let results = bulk(web, &token, &orders(from, lot));
        assert_eq!(results["opened"], lot, "{}", results["refused"]);
    }
    let (spent, after_all) = (begun.elapsed(), peak(process));
    let again = Instant::now();
    let second = bulk(web, &token, &orders(0, lot));
    assert_eq!((&second["opened"], &second["open"]), (&0.into(), &lot.into()));
    assert_eq!(aliases(&first), aliases(&second));
    println!(
        "{wanted} orders in {spent:?}: {:.0} a second; a lot again in {:?}; peak {after_one} KiB after {lot}, {after_all} KiB after all",
        wanted as f64 / spent.as_secs_f64(),
        again.elapsed(),
    );
    // Caches fill up to their bounds; what one bulk takes is taken once.
    assert!(after_all < after_one + 96 * 1024, "{after_one} KiB, then {after_all} KiB");
}
