//! Each role runs with its own keys alone, and what it must not open it does not open; what a person sees goes through the
//! desk; keys stay out of core dumps.

use super::http::request;
use super::letter::Letter;
use super::process::{On, Setup, TestRelay, on_both_databases};
use super::scene::{Person, Scene};
use super::watch::Watch;
use crate::peer::eventually_within;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

on_both_databases! {
    each_role_does_its_work_with_its_own_keys_and_opens_nothing_else,
    a_text_and_a_file_take_a_second_person_and_every_look_is_written_down,
    a_process_whose_ring_is_out_of_date_ends_before_the_key_it_seals_with_is_destroyed,
}

const KEYS: &str = "ANSHIN__KEYS__DIR";

/// A ring beside the whole one, with all public halves and the secrets of these purposes.
fn part(relay: &TestRelay, name: &str, purposes: &[&str]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let dir = relay.state().join(name);
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(relay.state().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let purpose = file.split_once('-').unwrap().0;
        if file.ends_with(".pub") || purposes.contains(&purpose) {
            fs::copy(&path, dir.join(file)).unwrap();
        }
    }
    dir
}

/// A process for each role, each with its part of the ring, and a store and an order that the API made.
fn scene_of_roles(on: On) -> Scene {
    let watch = Arc::new(Watch::default());
    let [mise, hana] = ["mise", "hana"].map(|who| Person::new(&watch, who));
    let setup = [&mise, &hana]
        .into_iter()
        .fold(Setup::new(on), |setup, person| setup.route(&person.domain, person.mailbox.address()));
    let mut relay = setup.prepare(&watch);
    relay.anshin(&["keys", "rotate"]);
    let token =
        relay.anshin(&["token", "add", "--name", "shop", "--scope", "merchants,orders"])["token"].clone();
    let token = token.as_str().unwrap();
    // A role that opens an SQLite file takes its key; PostgreSQL has none.
    let basis: &[&str] =
        if on == On::Sqlite { &["alias", "index", "guard", "file"] } else { &["alias", "index", "guard"] };
    for (role, more) in [("web", &[][..]), ("ingress", &["seal"]), ("egress", &["seal", "body", "tree"])] {
        let dir = part(&relay, role, &[basis, more].concat());
        relay.set(KEYS, dir.to_str().unwrap());
        relay.start(&[role]);
    }
    // The API makes a store and an order without being able to read either again.
    let post = |path: &str, body: serde_json::Value| {
        let answer = request(relay.web(), "POST", path, token, &body.to_string());
        assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
        watch.shown("the marketplace", path, answer.body.as_bytes());
        answer
    };
    let added =
        post("/v1/merchants", json!({ "store_id": "mise", "name": "花屋", "addresses": [mise.address] }))
            .json();
    let order = json!({ "store_id": "mise", "order_no": "A-1001", "customer": hana.address });
    let opened = post("/v1/orders", order.clone()).json();
    assert_eq!(
        (
            post("/v1/orders", order).status,
            post(
                "/v1/orders",
                json!({
                    "store_id": "mise", "order_no": "A-1001", "customer": hana.address.to_uppercase(),
                })
            )
            .json()
        ),
        (200, opened.clone())
    );
    let other = json!({ "store_id": "mise", "order_no": "A-1001", "customer": mise.address });
    assert_eq!(request(relay.web(), "POST", "/v1/orders", token, &other.to_string()).status, 409);
    let text = |name: &str| opened[name].as_str().unwrap().to_owned();
    let account = super::scene::Account {
        public_alias: added["public_alias"].as_str().unwrap().into(),
        user: added["smtp"]["auth_id"].as_str().unwrap().into(),
        password: added["smtp"]["auth_password"].as_str().unwrap().into(),
        menu_password: added["menu"]["password"].as_str().unwrap().into(),
    };
    let order = super::scene::Order {
        customer_alias: text("customer_alias"),
        merchant_alias: text("merchant_alias"),
    };
    let taro = Person::new(&watch, "taro");
    Scene { relay, watch, mise, hana, taro, account, order }
}

fn each_role_does_its_work_with_its_own_keys_and_opens_nothing_else(on: On) {
    let mut scene = scene_of_roles(on);
    // Ingress takes mail both ways, egress delivers it.
    let out = scene.to_customer();
    scene.submit(&out).is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    // A text that waits, for what follows.
    scene.hana.mailbox.go_down();
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let look = |actor: &'static str| ["--actor", actor, "--purpose", "audit", "--case", "7"];
    let approved = {
        let asked = scene.relay.run(&[&["queue", "show", &id, "--content"][..], &look("a")].concat());
        request_of(&asked.json())
    };
    // Whoever has the keys of a role opens nothing that this role must not.
    for (role, opens_party) in [("web", false), ("ingress", true), ("egress", true)] {
        let dir = scene.relay.state().join(role);
        scene.relay.set(KEYS, dir.to_str().unwrap());
        let refused = |arguments: &[&str], key: &str| {
            let ran = scene.relay.run(arguments);
            let why = ran.json()["error"].as_str().unwrap_or_default().to_owned();
            assert_eq!(ran.status, 1, "{role} {arguments:?}: {}", ran.stdout);
            assert!(why.contains(&format!("it takes the {key} key")), "{role} {arguments:?}: {why}");
        };
        let list = ["order", "list", "--store-id", "mise"];
        if opens_party {
            drop(scene.relay.anshin(&list))
        } else {
            refused(&list, "seal")
        }
        refused(
            &[&["log", "trace", "--message", &id][..], &look("b")].concat(),
            if opens_party { "log" } else { "seal" },
        );
        refused(&["reveal", "approve", &approved, "--actor", "b"], if opens_party { "log" } else { "seal" });
        // Times and events are open to whoever runs the machine.
        let events = scene.relay.anshin(&["log", "trace", "--message", &id]);
        assert!(events[0]["event"] == "accepted" && events[0].get("detail").is_none(), "{events}");
    }
    let whole = scene.relay.state().join("keys");
    scene.relay.set(KEYS, whole.to_str().unwrap());
    scene.relay.anshin(&["reveal", "approve", &approved, "--actor", "b"]);
    // Approved by whoever may read the log, the text opens where the body's key is and nowhere else.
    for (role, opens) in [("web", false), ("ingress", false), ("egress", false), ("keys", true)] {
        let dir = scene.relay.state().join(role);
        scene.relay.set(KEYS, dir.to_str().unwrap());
        let shown = scene
            .relay
            .run(&[&["queue", "show", &id, "--content", "--approved", &approved][..], &look("a")].concat());
        assert_eq!(shown.status == 0, opens, "{role}: {}", shown.stdout);
    }
    scene.hana.mailbox.come_back();
    scene.relay.set(KEYS, whole.to_str().unwrap());
    scene.relay.anshin(&["queue", "retry", "--all"]);
    scene.hana.mailbox.wait_for(2);
    scene.relay.check_at_rest();
}

fn a_process_whose_ring_is_out_of_date_ends_before_the_key_it_seals_with_is_destroyed(on: On) {
    let mut scene = scene_of_roles(on);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    // Nobody brings the new key to the directories of the roles.
    let whole = scene.relay.state().join("keys");
    scene.relay.set(KEYS, whole.to_str().unwrap());
    scene.relay.anshin(&["keys", "rotate", "--purpose", "seal", "--seals-after", "1s"]);
    let retired = eventually_within(Duration::from_secs(120), "nothing is left under the old key", || {
        scene.relay.anshin(&["keys", "rewrap"]);
        let ran = scene.relay.run(&["keys", "retire", "seal-a"]);
        (ran.status == 0).then_some(ran)
    });
    assert_eq!(retired.json()["retired"], true);
    assert!(scene.relay.wait().iter().all(|ended| ended.code() == Some(1)));
    assert!(scene.relay.log().contains("seal-a was retired, but this process would seal with it"));
    // Nor does one start with such a ring; with the whole one it does, and old aliases are good.
    scene.relay.set(KEYS, scene.relay.state().join("web").to_str().unwrap());
    let started = scene.relay.run(&["serve", "--role", "web"]);
    assert!(started.status == 1 && started.stdout.contains("bring the key directory"), "{}", started.stdout);
    scene.relay.set(KEYS, whole.to_str().unwrap());
    scene.relay.start(&["all"]);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
}

fn request_of(refused: &serde_json::Value) -> String {
    let text = refused["error"].as_str().unwrap();
    text.split_once("request ").unwrap_or_else(|| panic!("{text}")).1[..16].to_owned()
}

fn a_text_and_a_file_take_a_second_person_and_every_look_is_written_down(on: On) {
    let scene = Scene::new(on);
    scene.hana.mailbox.go_down();
    let letter: Letter = scene.to_customer();
    let id = scene.submit(&letter).is("250 2.0.0").queue_ids().remove(0);
    let look = |actor: &'static str| ["--actor", actor, "--purpose", "dispute-support", "--case", "C-7"];
    let run = |head: &[&str], actor: &'static str| scene.relay.run(&[head, &look(actor)].concat());

    // Alone: who, from where, to whom.
    let traced = run(&["log", "trace", "--message", &id], "Akiko").json();
    assert_eq!(traced[0]["detail"]["from"], scene.mise.address.as_str());
    let shown = run(&["order", "show", "--store-id", "mise", "--order-no", "A-1001"], "akiko").json();
    assert_eq!(shown["customer"], scene.hana.address.as_str());

    // With a second person: the text, and a file.
    let content = ["queue", "show", &id, "--content"];
    let asked = run(&content, "akiko");
    assert_eq!(asked.status, 1);
    let request = request_of(&asked.json());
    let with = |request: &str, actor| run(&[&content[..], &["--approved", request]].concat(), actor);
    let refusal = |ran: super::process::Ran, why: &str| {
        let text = ran.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(ran.status == 1 && text.contains(why), "{text}");
    };
    refusal(with(&request, "akiko"), "nobody has approved");
    refusal(
        scene.relay.run(&["reveal", "approve", &request, "--actor", " AKIKO "]),
        "a second person decides",
    );
    let open = scene.relay.anshin(&["reveal", "list"]);
    assert_eq!((&open[0]["request"], &open[0]["state"]), (&request.as_str().into(), &"open".into()));
    scene.relay.anshin(&["reveal", "approve", &request, "--actor", "Botan"]);
    refusal(scene.relay.run(&["reveal", "refuse", &request, "--actor", "Botan"]), "decided already");
    refusal(with(&request, "chika"), "somebody else's");
    let text = with(&request, "akiko").json();
    assert!(text["content"].as_str().unwrap().contains("Message-ID"), "{text}");
    refusal(with(&request, "akiko"), "used already");

    // A file that the shell writes is one too, and would have it in clear.
    let redirected = scene.relay.state().join("redirected.json");
    for (said, why) in
        [(&[][..], "standard output is a file"), (&["--clear"][..], "this takes a second person")]
    {
        let mut command = scene.relay.binary();
        command.args([&["log", "trace", "--message", &id][..], &look("akiko"), said].concat());
        let status =
            command.stdout(fs::File::create(&redirected).unwrap()).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(1));
        assert!(fs::read_to_string(&redirected).unwrap().contains(why), "{said:?}");
    }

    let (file, key) = (scene.relay.state().join("export.json"), scene.relay.state().join("officer.key"));
    let key = key.to_str().unwrap();
    let made = scene.relay.anshin(&["compliance", "export-key", "--out", key]);
    let recipient = made["recipient"].as_str().unwrap();
    let export =
        ["log", "trace", "--message", &id, "--export", file.to_str().unwrap(), "--recipient", recipient];
    let request = request_of(&run(&export, "akiko").json());
    assert!(!file.exists());
    scene.relay.anshin(&["reveal", "refuse", &request, "--actor", "botan"]);
    refusal(run(&[&export[..], &["--approved", &request]].concat(), "akiko"), "was refused");
    let request = request_of(&run(&export, "akiko").json());
    scene.relay.anshin(&["reveal", "approve", &request, "--actor", "botan"]);
    let written = run(&[&export[..], &["--approved", &request]].concat(), "akiko").json();
    assert!(written["rows"].as_u64() >= Some(1), "{written}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read(&file).unwrap().starts_with(b"age-encryption.org/v1\n"));
    let open = ["compliance", "open-export", file.to_str().unwrap(), "--key", key];
    let opened = String::from_utf8(scene.relay.binary().args(open).output().unwrap().stdout).unwrap();
    assert!(opened.contains(&scene.mise.address), "{opened}");
    fs::remove_file(&file).unwrap();

    let mut log = scene.relay.run(&["reveal", "log"]).json();
    let log = log.as_array_mut().unwrap();
    // That the process has started.
    log.retain(|entry| entry["kind"] != "process");
    let outcomes: Vec<&str> = log.iter().rev().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    // A decision that came too late is none, and no entry of one.
    assert_eq!(
        outcomes,
        [
            "opened", "opened", "asked", "approved", "opened", "asked", "asked", "refused", "asked",
            "approved", "exported", "written"
        ]
    );
    assert!(log.iter().all(|entry| entry["detail"]["case"] == "C-7"), "{log:?}");
    scene.hana.mailbox.come_back();
}

#[test]
fn those_who_rotate_at_once_take_turns() {
    let scene = Scene::new(On::Sqlite);
    let rotate = || {
        let mut command = scene.relay.binary();
        command.args(["keys", "rotate", "--purpose", "seal"]).stdout(Stdio::null()).spawn().unwrap()
    };
    let running: Vec<_> = (0..6).map(|_| rotate()).collect();
    running.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    let keys = scene.relay.anshin(&["keys", "list"]);
    let seal = keys.as_array().unwrap().iter().filter(|key| key["purpose"] == "seal");
    let mut names: Vec<&str> = seal.map(|key| key["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d", "e", "f", "g"]);
}

#[test]
fn keys_stay_out_of_core_dumps_and_swap_and_the_command_line() {
    let scene = Scene::new(On::Sqlite);
    for process in scene.relay.process_ids() {
        let read = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap();
        let limits = read("limits");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_ascii_whitespace().nth(4), Some("0"), "{core}");
        let locked =
            read("status").lines().find_map(|line| line.strip_prefix("VmLck:").map(str::to_owned)).unwrap();
        assert!(!locked.trim().starts_with("0 kB"), "{locked}");
        for entry in fs::read_dir(scene.relay.state().join("keys")).unwrap() {
            let file = fs::read_to_string(entry.unwrap().path()).unwrap();
            let Some(key) = file.lines().find_map(|line| line.strip_prefix("key = \"")) else { continue };
            assert!(!read("cmdline").contains(key) && !read("environ").contains(key));
        }
    }
}
