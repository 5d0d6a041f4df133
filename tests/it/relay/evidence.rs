//! Evidence for people at a running relay: the register of breaches, reviews, and the yearly statement, as commands and pages.

use super::process::On;
use super::scene::Scene;
use std::path::PathBuf;

/// What a page says, and that it needs nothing from elsewhere.
fn page(path: &PathBuf) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    for word in ["<script", "http:", "https:", "src=", "@import", "url("] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    text
}

#[test]
fn breaches_reviews_and_the_statement_are_commands_and_pages_in_japanese() {
    for on in [On::Sqlite, On::Postgres] {
        let scene = Scene::with(on, |setup| setup.key("compliance.company", "'花工房株式会社'"));
        let relay = &scene.relay;
        let file = |name: &str| relay.state().join(name);
        let letter = scene.to_customer();
        scene.submit(&letter).is("250 2.0.0");
        let show = [
            "order",
            "show",
            "--store-id",
            "mise",
            "--order-no",
            "A-1001",
            "--actor",
            "akiko",
            "--purpose",
            "audit",
        ];
        relay.anshin(&[&show[..], &["--case", "C-1"]].concat());

        let known = "2026-01-05T09:00:00+09:00";
        let add =
            ["compliance", "breach", "add", "--actor", "akiko", "--breached", "secrecy", "--known", known];
        let entered = relay.anshin(&[&add[..], &["--summary", "<b>宛先の取り違え</b>"]].concat());
        let breach = entered["breach"].as_str().unwrap();
        assert_eq!(entered["reports"][0]["due_at"], "2026-01-06T00:00:00Z");
        let listed = relay.run(&["compliance", "breach", "list"]);
        assert_eq!(listed.status, 1, "a report is overdue: {}", listed.stdout);
        let report = file("breach.html");
        relay.anshin(&["compliance", "breach", "report", breach, "--out", report.to_str().unwrap()]);
        let text = page(&report);
        for word in ["花工房株式会社", "&lt;b&gt;宛先の取り違え", "(10) 再発防止策", "2026-02-04 09:00 JST"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
        let span = ["compliance", "breach", "affected", "--from", "2026-01-01T00:00:00+09:00"];
        let touched = relay.anshin(&span);
        assert_eq!((&touched["conversations"], &touched["customers"]), (&1.into(), &1.into()));

        let begun = relay.anshin(&["compliance", "review", "begin", "--actor", "botan"]);
        let accesses = begun["accesses"].as_array().unwrap();
        let akiko = accesses.iter().find(|access| access["name"] == "akiko").unwrap();
        assert_eq!((&akiko["state"], &akiko["facts"]["opened"]), (&"open".into(), &1.into()));
        let id = akiko["access"].as_str().unwrap();
        let revoked = relay.anshin(&["compliance", "review", "revoke", id, "--actor", "botan"]);
        let is_revoked = |access: &serde_json::Value| access["access"] == *id && access["state"] == "revoked";
        assert!(revoked["accesses"].as_array().unwrap().iter().any(is_revoked));
        let refused = relay.run(&[&show[..], &["--case", "C-1"]].concat());
        assert!(refused.status == 1 && refused.stdout.contains("suspended"), "{}", refused.stdout);
        let signed = file("review.html");
        relay.anshin(&["compliance", "review", "page", "--out", signed.to_str().unwrap()]);
        assert!(page(&signed).contains("akiko"));
        let places = file("places.html");
        relay.run(&["compliance", "residency", "report", "--out", places.to_str().unwrap()]);
        assert!(page(&places).contains("花工房株式会社") && page(&places).contains("<td>データベース</td>"));

        let statement = file("statement.html");
        let year = ["compliance", "statement", "--year", "2026", "--out", statement.to_str().unwrap()];
        let ran = relay.run(&year);
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let tables = document["inventory"].as_array().unwrap();
        let customer = tables.iter().find(|table| table["table"] == "conversation").unwrap();
        let sealed =
            |column: &serde_json::Value| column["column"] == "customer" && column["protection"] == "sealed";
        assert!(customer["columns"].as_array().unwrap().iter().any(sealed));
        let opened = |look: &serde_json::Value| look["purpose"] == "audit" && look["outcome"] == "opened";
        assert!(document["looks"].as_array().unwrap().iter().any(opened));
        assert_eq!(document["breaches"][0]["breach"], breach);
        let text = page(&statement);
        for word in ["花工房株式会社", "過去10年間の漏えい等", "鍵付き索引", "購入者のアドレス"]
        {
            assert!(text.contains(word), "{word}");
        }
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        // A page shows nobody's address.
        for path in [&report, &signed, &statement, &places] {
            only_japanese(&page(path));
            scene.watch.shown("an operator", "a page", &std::fs::read(path).unwrap());
        }
        let twice = relay.run(&year);
        assert_eq!(twice.status, 1, "no file is written over");
    }
}

/// Fails where a page for people in Japan has an English sentence: more than two words in a row that are no names of things.
fn only_japanese(page: &str) {
    let body = page.split_once("<body>").unwrap().1;
    for text in body.split(['<', '>']).skip(2).step_by(2).flat_map(|text| text.split('\n')) {
        let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
        let words = text.split_whitespace().filter(is_word).count();
        assert!(words < 3, "{text}");
    }
}

#[test]
fn a_token_that_is_revoked_is_refused() {
    let scene = Scene::new(On::Sqlite);
    let relay = &scene.relay;
    let token = relay.anshin(&["token", "add", "--name", "shop system", "--scope", "orders"]);
    scene.watch.secret(token["token"].as_str().unwrap());
    let listed = relay.anshin(&["token", "list"]);
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&"shop system".into(), &"stands".into()));
    relay.anshin(&["token", "revoke", id]);
    assert_eq!(relay.anshin(&["token", "list"])[0]["state"], "revoked");
    assert_eq!(relay.run(&["token", "revoke", id]).status, 1);
}
