//! Staff who come from elsewhere than Japan: refused and written down, at the commands and at the API; let through by a second
//! person for a while; and judged by the operator's files, which are read again.

use super::http::{Answer, request, request_with};
use super::process::{On, Ran, TestRelay, on_both_databases};
use super::scene::Scene;
use crate::peer::{eventually, eventually_within};
use anshin::mail::Timestamp;
use mail_parser::MessageParser;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

#[path = "../../../src/geo/made.rs"]
mod made;
use made::{Value as Made, mmdb};

on_both_databases! {
    a_command_from_abroad_is_refused_and_in_the_audit_tree_and_one_from_the_office_passes,
    a_second_person_lets_somebody_come_from_elsewhere_for_a_while,
}

const OFFICE: &str = "[{ name = 'Tokyo office', networks = ['203.0.113.0/24'] }]";
/// Some rounds of the auditing.
const ROUNDS: Duration = Duration::from_secs(120);

fn come_from(relay: &mut TestRelay, ip: &str) {
    relay.set("SSH_CONNECTION", &format!("{ip} 50000 192.0.2.1 22"));
}

fn show(relay: &TestRelay, actor: &str) -> Ran {
    let name = ["order", "show", "--store-id", "mise", "--order-no", "A-1001"];
    let look = ["--actor", actor, "--purpose", "dispute-support", "--case", "C-7"];
    relay.run(&[&name[..], &look].concat())
}

#[track_caller]
fn refused(ran: &Ran) -> String {
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    ran.json()["error"].as_str().unwrap().to_owned()
}

fn a_command_from_abroad_is_refused_and_in_the_audit_tree_and_one_from_the_office_passes(on: On) {
    let mut scene = Scene::with(on, |setup| {
        setup.key("residency.staff.enforce", "'refuse'").key("residency.staff.network", OFFICE)
    });
    let relay = &mut scene.relay;
    come_from(relay, "8.8.8.8");
    let error = refused(&show(relay, "akiko"));
    assert!(
        error.contains("you come from 8.8.8.8: it is registered in US (registry US, overlay nothing)"),
        "{error}"
    );
    assert!(error.contains("break-glass"), "the cure: {error}");
    for command in [
        &["reveal", "log"][..],
        &["reveal", "approve", "0000000000000001", "--actor", "akiko"],
        &["queue", "list"],
        &["log", "trace", "--message", "0000000000000001"],
        &["order", "list", "--store-id", "mise"],
        &["token", "add", "--name", "x", "--scope", "orders"],
        &["merchant", "credential", "list", "--store-id", "mise"],
        &["compliance", "erase", "--customer", &scene.hana.address],
        &["compliance", "leave", "--store-id", "mise"],
        &["compliance", "hold", "list"],
        &["compliance", "review", "begin", "--actor", "akiko"],
        &["compliance", "breach", "list"],
        &["compliance", "statement", "--year", "2026"],
        &["compliance", "break-glass", "list"],
        &["keys", "rewrap"],
    ] {
        let ran = relay.binary().args(command).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        // There is no such request: that is asked first, since a request has the case.
        let is_without = command.contains(&"approve") && text.contains("no such request");
        assert!(
            !ran.status.success() && (text.contains("registered in US") || is_without),
            "{command:?}: {text}"
        );
    }
    for (ip, word) in [
        ("49.212.1.1", "its network is of SAKURA Internet"),
        ("127.0.0.1", "which hides where it began"),
        ("192.168.7.7", "nothing shows that it is in Japan"),
    ] {
        come_from(relay, ip);
        let error = refused(&show(relay, "akiko"));
        assert!(error.contains(word), "{ip}: {error}");
    }
    let origin = relay.anshin(&["compliance", "residency", "origin"]);
    assert_eq!((&origin["by"], &origin["allowed"]), (&"ssh-connection".into(), &false.into()));
    let tried = relay.anshin(&["compliance", "residency", "origin", "126.1.2.3"]);
    assert_eq!(
        (&tried["registry"], &tried["ruling"], &tried["allowed"]),
        (&"JP".into(), &"japan".into(), &true.into())
    );
    for ip in ["203.0.113.9", "126.1.2.3"] {
        come_from(relay, ip);
        let shown = show(relay, "akiko");
        assert_eq!(shown.status, 0, "{ip}: {}", shown.stdout);
        assert_eq!(shown.json()["customer"], scene.hana.address.as_str());
    }
    let looks = relay.anshin(&["reveal", "log"]);
    let looks = looks.as_array().unwrap();
    let elsewhere = |look: &&Value| look["outcome"] == "elsewhere" && look["detail"]["actor"] == "akiko";
    let entry = looks.iter().rev().find(elsewhere).unwrap();
    let found = &entry["detail"]["origin"];
    assert_eq!(
        (&found["ruling"], &found["registry"], &found["overlay"]),
        (&"abroad".into(), &"US".into(), &Value::Null)
    );
    let opened = looks.iter().find(|look| look["outcome"] == "opened").unwrap();
    assert_eq!(opened["detail"]["origin"]["ruling"], "japan");
    let by_command = |look: &Value| look["detail"]["what"]["command"] == "compliance erase";
    assert!(looks.iter().any(|look| by_command(look) && look["detail"]["actor"].is_null()));
    // It is in the tree: it can be proven.
    let id = entry["id"].as_str().unwrap().to_owned();
    let out = relay.config().with_file_name("bundle.txt");
    eventually_within(ROUNDS, "the entry is in the audit tree", || {
        let _ = fs::remove_file(&out);
        let proven = relay.run(&["log", "prove", "--look", &id, "--out", out.to_str().unwrap()]);
        (proven.status == 0).then_some(())
    });
    assert_eq!(relay.run(&["log", "verify"]).status, 0);
    let report = relay.anshin(&["compliance", "residency", "report"]);
    assert_eq!(report["staff"]["networks"][0]["name"], "Tokyo office");
    assert_eq!(report["staff"]["enforce"], "refuse");
}

fn a_second_person_lets_somebody_come_from_elsewhere_for_a_while(on: On) {
    let mut scene = Scene::prepared(
        on,
        |setup| setup.key("residency.staff.enforce", "'refuse'").key("residency.staff.network", OFFICE),
        |relay| {
            let mut text = fs::read_to_string(relay.config()).unwrap();
            let domain = text.split('\'').find(|word| word.starts_with("taro-")).unwrap();
            let needle = domain.trim_start_matches("taro-").trim_end_matches(".test").to_owned();
            text.push_str(&format!("audit.officer = 'taro.{needle}@{domain}'\n"));
            fs::write(relay.config(), text).unwrap();
        },
    );
    let relay = &mut scene.relay;
    let glass = ["compliance", "break-glass"];
    come_from(relay, "8.8.8.8");
    let reason = "the queue is stuck and nobody else is awake";
    let request = ["request", "--actor", "akiko", "--case", "C-7", "--reason", reason, "--hours", "1"];
    let asked = relay.anshin(&[&glass[..], &request].concat());
    let id = asked["break_glass"].as_str().unwrap().to_owned();
    refused(&show(relay, "akiko"));
    let approve = |relay: &TestRelay, actor: &str| {
        relay.run(&[&glass[..], &["approve", &id, "--actor", actor]].concat())
    };
    assert!(refused(&approve(relay, "botan")).contains("registered in US"));
    come_from(relay, "203.0.113.9");
    assert!(refused(&approve(relay, "AKIKO")).contains("second person"));
    let approved = approve(relay, "botan");
    assert_eq!(approved.status, 0, "{}", approved.stdout);
    assert_eq!((&approved.json()["state"], &approved.json()["told"]), (&"stands".into(), &1.into()));

    come_from(relay, "8.8.8.8");
    let shown = show(relay, "akiko");
    assert_eq!(shown.status, 0, "{}{}", shown.stdout, shown.stderr);
    refused(&show(relay, "eve"));
    // The officer has a mail without case and reason, and the log of the process that serves a warning.
    let text = eventually_within(ROUNDS, "the officer is told", || {
        let received = scene.taro.mailbox.received();
        let messages =
            received.iter().filter_map(|mail| MessageParser::default().parse(mail.bytes.as_slice()));
        let mut texts =
            messages.filter(|message| message.subject().unwrap_or_default().contains("Break-glass"));
        texts.next()?.body_text(0).map(|text| text.into_owned())
    });
    assert!(text.contains("akiko") && text.contains("botan") && text.contains(&id), "{text}");
    assert!(!text.contains("C-7") && !text.contains("stuck"), "{text}");
    eventually_within(ROUNDS, "the log warns", || relay.log().contains("\"break_glass\"").then_some(()));

    come_from(relay, "203.0.113.9");
    let looks = relay.anshin(&["reveal", "log"]);
    let of = |outcome: &str| {
        let looks = looks.as_array().unwrap().iter();
        looks.filter(|look| look["kind"] == "break-glass" && look["outcome"] == outcome).count()
    };
    assert_eq!((of("asked"), of("approved"), of("used")), (1, 1, 1));
    let begun = relay.anshin(&["compliance", "review", "begin", "--actor", "chiyo"]);
    assert_eq!(
        (&begun["break_glass"][0]["actor"], &begun["break_glass"][0]["state"]),
        (&"akiko".into(), &"stands".into())
    );
    let year = Timestamp::now().to_rfc3339()[..4].to_owned();
    let stated = relay.run(&["compliance", "statement", "--year", &year]);
    let document: Value = serde_json::from_str(&stated.stdout).unwrap();
    assert_eq!(document["break_glass"][0]["reason"], reason);

    relay.anshin(&[&glass[..], &["end", &id, "--actor", "chiyo"]].concat());
    assert_eq!(relay.anshin(&[&glass[..], &["list"]].concat())[0]["state"], "ended");
    come_from(relay, "8.8.8.8");
    refused(&show(relay, "akiko"));
}

#[test]
fn a_call_that_erases_is_judged_by_whom_a_declared_proxy_names_and_others_are_not() {
    let scene = Scene::with(On::Sqlite, |setup| {
        setup.key("residency.staff.enforce", "'refuse'").key("web.proxies", "['127.0.0.1/32']")
    });
    let relay = &scene.relay;
    let made = relay.anshin(&["token", "add", "--name", "privacy desk", "--scope", "erasures,orders"]);
    let token = made["token"].as_str().unwrap();
    let preview = json!({ "customer": scene.hana.address, "actor": "akiko", "case": "D-7" });
    let call = |path: &str, fields: &str, body: &Value| -> Answer {
        request_with(relay.web(), "POST", path, token, fields, &body.to_string())
    };
    let erase = |fields: &str, body: &Value| call("/v1/erasures", fields, body);
    let detail = erase("X-Forwarded-For: 126.1.2.3, 8.8.8.8\r\n", &preview).problem(403);
    assert!(detail.contains("you come from 8.8.8.8: it is registered in US"), "{detail}");
    assert!(erase("", &preview).problem(403).contains("does not say for whom it asks"));
    assert_eq!(erase("X-Forwarded-For: 126.1.2.3\r\n", &preview).status, 200);
    let body = json!({
        "customer": scene.hana.address, "carry_out": true, "open_orders": true, "actor": "akiko", "case": "D-7",
    });
    assert!(erase("X-Forwarded-For: 8.8.8.8\r\n", &body).problem(403).contains("US"));
    assert_eq!(erase("X-Forwarded-For: 126.1.2.3\r\n", &body).status, 202);
    // A machine of the marketplace opens orders from wherever it is.
    let order = json!({ "store_id": "mise", "order_no": "A-2", "customer": scene.taro.address });
    assert_eq!(call("/v1/orders", "X-Forwarded-For: 8.8.8.8\r\n", &order).status, 201);
    let looks = relay.anshin(&["reveal", "log"]);
    let elsewhere: Vec<&Value> =
        looks.as_array().unwrap().iter().filter(|look| look["outcome"] == "elsewhere").collect();
    assert_eq!(elsewhere.len(), 3, "{looks}");
    assert!(elsewhere.iter().all(|look| look["detail"]["actor"] == "akiko"), "{looks}");
}

#[test]
fn a_request_that_somebody_else_forwarded_has_no_origin_and_this_machine_s_own_has() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("residency.staff.enforce", "'refuse'"));
    let made = scene.relay.anshin(&["token", "add", "--name", "privacy desk", "--scope", "erasures"]);
    let body = json!({ "customer": scene.hana.address, "actor": "akiko", "case": "D-7" }).to_string();
    let token = made["token"].as_str().unwrap();
    let (web, path) = (scene.relay.web(), "/v1/erasures");
    let forwarded = request_with(web, "POST", path, token, "X-Forwarded-For: 126.1.2.3\r\n", &body);
    assert!(forwarded.problem(403).contains("web.proxies"));
    assert_eq!(request(web, "POST", path, token, &body).status, 200);
}

#[test]
fn a_file_about_addresses_that_is_replaced_counts_at_sighup_and_an_old_one_is_warned_of() {
    let now = u32::try_from(Timestamp::now().as_millis() / 1000).unwrap();
    let code = |code: &str| Made::map([("country", Made::map([("iso_code", Made::text(code))]))]);
    let system = |asn| Made::map([("autonomous_system_number", Made::Number(asn))]);
    let scene = Scene::prepared(
        On::Sqlite,
        |setup| {
            setup
                .key("residency.staff.enforce", "'refuse'")
                .key("web.proxies", "['127.0.0.1/32']")
                .key("residency.country_overlay", "'country.mmdb'")
                .key("residency.network_overlay", "'networks.mmdb'")
        },
        |relay| {
            let file = |name| relay.config().with_file_name(name);
            fs::write(file("country.mmdb"), mmdb(now, &[("126.0.0.0/8", code("JP"))])).unwrap();
            let old = now - 61 * 86_400;
            fs::write(file("networks.mmdb"), mmdb(old, &[("126.0.0.0/8", system(17676))])).unwrap();
        },
    );
    let relay = &scene.relay;
    let warned =
        |document: &Value| document["warnings"].to_string().contains("networks.mmdb was made 61 days ago");
    assert!(warned(&relay.anshin(&["config", "check"])));
    let report = relay.anshin(&["compliance", "residency", "report"]);
    assert!(warned(&report) && report["staff"]["files"].as_array().unwrap().len() == 2, "{report}");
    let made = relay.anshin(&["token", "add", "--name", "privacy desk", "--scope", "erasures"]);
    let body = json!({ "customer": scene.hana.address, "actor": "akiko", "case": "D-7" }).to_string();
    let token = made["token"].as_str().unwrap();
    let call =
        || request_with(relay.web(), "POST", "/v1/erasures", token, "X-Forwarded-For: 126.1.2.3\r\n", &body);
    assert_eq!(call().status, 200);
    let put = |name: &str, octets: &[u8]| {
        let (file, new) = (relay.config().with_file_name(name), relay.config().with_file_name("new"));
        fs::write(&new, octets).unwrap();
        fs::rename(&new, &file).unwrap();
        relay.signal("HUP");
    };
    put("country.mmdb", &mmdb(now, &[("126.0.0.0/8", code("US"))]));
    let detail = eventually("the new file counts", || {
        let answer = call();
        (answer.status == 403).then(|| answer.problem(403))
    });
    assert!(detail.contains("disputed (registry JP, overlay US)"), "{detail}");
    // What is no database changes nothing.
    put("country.mmdb", b"none");
    eventually("it is told", || relay.log().contains("it is judged by the file as it was").then_some(()));
    assert_eq!(call().status, 403);
    put("country.mmdb", &mmdb(now, &[("126.0.0.0/8", code("JP"))]));
    eventually("it counts again", || (call().status == 200).then_some(()));
    put("networks.mmdb", &mmdb(now, &[("126.0.0.0/8", system(9370))]));
    eventually("the other file counts", || (call().status == 403).then_some(()));
}
