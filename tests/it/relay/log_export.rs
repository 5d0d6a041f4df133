//! What leaves the log as a file: whole answers in three formats, which an independent reader reads; extracts for others, in which few
//! persons are never told of; a case with what proves it; and texts that stay where that was decided.

use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use crate::peer::{HOW_TO_RUN, Scratch, eventually, eventually_within, preload, sqlite};
use serde_json::{Value, json};
use sqlx::Connection;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

on_both_databases! {
    answers_are_exported_whole_in_three_formats_and_three_kinds_of_names,
    an_extract_tells_of_no_few_persons_joins_with_no_other_and_ends,
    a_text_stays_where_that_was_decided_opens_for_two_and_goes_with_the_person,
    attempts_are_found_by_their_order_s_number,
}

const LOOK: [&str; 6] = ["--actor", "akiko", "--purpose", "fraud-investigation", "--case", "C-7"];

/// Does something that takes a second person, with both.
pub fn by_two(scene: &Scene, arguments: &[&str]) -> Value {
    let asked = scene.relay.run(arguments);
    let why = asked.json()["error"].as_str().unwrap_or_default().to_owned();
    assert!(asked.status == 1 && why.contains("second person"), "{arguments:?}: {}", asked.stdout);
    let words: Vec<&str> = why.split([' ', ';', ':']).collect();
    let request = words[words.iter().position(|word| *word == "request").unwrap() + 1].to_owned();
    scene.relay.anshin(&["reveal", "approve", &request, "--actor", "botan"]);
    scene.relay.anshin(&[arguments, &["--approved", &request]].concat())
}

/// What pyarrow reads in a file of Parquet: one JSON document.
fn parquet(path: &Path) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/pyarrow/bin/python");
    let program = "import sys,json,pyarrow.parquet as q\nt=q.read_table(sys.argv[1])\n\
        print(json.dumps({'rows':t.to_pylist(),'types':{f.name:str(f.type) for f in t.schema}},default=str))";
    let ran = Command::new(&python).args(["-c", program]).arg(path).output();
    let ran = ran.unwrap_or_else(|fault| panic!("{}: {fault}; {HOW_TO_RUN}", python.display()));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn answers_are_exported_whole_in_three_formats_and_three_kinds_of_names(on: On) {
    let scene = Scene::new(on);
    for _ in 0..3 {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
    }
    scene.hana.mailbox.wait_for(3);
    let query = "store:mise event:accepted";
    let found = scene.relay.anshin(&["log", "search", query])["rows"].as_array().unwrap().clone();
    assert_eq!(found.len(), 3);
    let export = |format: &str, names: &str| {
        let file = scene.relay.state().join(format!("rows-{names}.{format}"));
        let path = file.to_str().unwrap();
        let done = scene
            .relay
            .anshin(&["log", "export", query, "--format", format, "--names", names, "--out", path]);
        assert_eq!((&done["rows"], &done["limited"]), (&3.into(), &false.into()));
        scene.watch.shown("an analyst", path, &std::fs::read(&file).unwrap());
        file
    };
    let lines = std::fs::read_to_string(export("jsonl", "own")).unwrap();
    let own: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(own, found);
    for (names, at, store, flags) in [
        ("own", "at", "store", "flags"),
        ("ecs", "@timestamp", "organization.id", "tags"),
        ("asim", "TimeGenerated", "SrcUserScopeId", "Flags"),
    ] {
        let csv = std::fs::read_to_string(export("csv", names)).unwrap();
        assert!(csv.starts_with(&format!("{at},")) && csv.lines().count() == 4, "{csv}");
        let read = parquet(&export("parquet", names));
        let rows = read["rows"].as_array().unwrap();
        assert_eq!(read["types"][at], "timestamp[ms, tz=UTC]");
        assert_eq!(read["types"][flags], "list<element: string not null>");
        assert_eq!(rows.len(), 3);
        for (row, own) in rows.iter().zip(&own) {
            assert_eq!((&row[store], &row[flags]), (&own["store"], &own["flags"]), "{row}");
            let told = row[at].as_str().unwrap();
            assert!(
                told.ends_with("+00:00") && own["at"].as_str().unwrap().starts_with(&told[..10]),
                "{told}"
            );
        }
        let numbers: i64 =
            rows.iter().flat_map(|row| row.as_object().unwrap().values().filter_map(Value::as_i64)).sum();
        let expected: i64 =
            own.iter().flat_map(|row| row.as_object().unwrap().values().filter_map(Value::as_i64)).sum();
        assert_eq!(numbers, expected);
    }
    let again = scene.relay.run(&[
        "log",
        "export",
        query,
        "--out",
        scene.relay.state().join("rows-own.csv").to_str().unwrap(),
    ]);
    assert!(again.status == 1 && again.stdout.contains("name a new file"), "{}", again.stdout);
    if on == On::Postgres {
        ctrl_c_leaves_no_file(&scene);
    }
}

/// While the table is locked an export waits; Ctrl-C ends it, and there is neither the file nor a part of it.
fn ctrl_c_leaves_no_file(scene: &Scene) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let file = scene.relay.state().join("stopped.csv");
    let part = scene.relay.state().join("stopped.csv.part");
    let mut lock = runtime.block_on(async {
        let mut connection = sqlite::connect(&scene.relay.database_url()).await;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        connection
    });
    let configured = scene.relay.binary();
    let mut command = Command::new(configured.get_program());
    command.envs(configured.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.arg("--config").arg(scene.relay.config());
    command.args(["log", "export", "event:accepted after:1h", "--out", file.to_str().unwrap()]);
    runtime.block_on(async {
        sqlx::raw_sql("LOCK TABLE fact IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    });
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it writes", || part.exists().then_some(()));
    let pid = child.id().to_string();
    // It may not have begun to listen yet, and is asked until it ends.
    let asked = std::cell::Cell::new(0);
    let mut child = Some(child);
    let ended = eventually("it ends", || {
        asked.set(asked.get() + 1);
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        child.as_mut().unwrap().try_wait().unwrap()
    });
    assert!(!ended.success());
    runtime.block_on(async {
        sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
        lock.close().await.unwrap();
    });
    assert!(!file.exists());
    // A process that was stopped before it listened leaves the part, and no file.
    let _ = std::fs::remove_file(part);
}

fn attempts_are_found_by_their_order_s_number(on: On) {
    let scene = Scene::new(on);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    let events = |query: &str| {
        let found = scene.relay.anshin(&["log", "search", query]);
        let rows = found["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    eventually("the attempt is found", || {
        (events("order:A-1001") == ["delivered", "accepted"]).then_some(())
    });
    assert!(events("order:A-1002").is_empty());
    let pair = scene.relay.anshin(&["log", "pair", "--store-id", "mise", "--order-no", "A-1001"]);
    let mail = &pair["mails"][0];
    assert_eq!(
        (&mail["direction"], &mail["outcome"], &mail["attempts"]),
        (&"to_customer".into(), &"delivered".into(), &1.into())
    );
    // Who is behind an alias takes a name, a purpose and a case, and stands in the book.
    let alias = scene.order.customer_alias.as_str();
    assert_eq!(scene.relay.run(&["reveal", "alias", alias]).status, 1);
    let party = scene.relay.anshin(&[&["reveal", "alias", alias][..], &LOOK].concat());
    assert_eq!((&party["store_id"], &party["side"]), (&"mise".into(), &"customer".into()));
    assert_eq!(party["address"], scene.hana.address.as_str());
    let store = scene.relay.anshin(&[&["reveal", "alias", &scene.order.merchant_alias][..], &LOOK].concat());
    assert_eq!(
        (&store["side"], &store["addresses"][0]),
        (&"store".into(), &scene.mise.address.as_str().into())
    );
    assert!(!store.to_string().contains(&scene.hana.address));
    let book = scene.relay.anshin(&["reveal", "log"]);
    let looked = |look: &Value| look["kind"] == "alias" && look["outcome"] == "opened";
    assert_eq!(book.as_array().unwrap().iter().filter(|look| looked(look)).count(), 2, "{book}");
}

fn an_extract_tells_of_no_few_persons_joins_with_no_other_and_ends(on: On) {
    let scene = Scene::new(on);
    // Six orders of five customers of one store, and one mail that differs from all others.
    let mut aliases = vec![scene.order.customer_alias.clone()];
    for n in 0..5 {
        let customer = match n {
            0 => scene.hana.address.clone(),
            n => format!("{n}{}", scene.hana.address),
        };
        aliases.push(open_order(&scene.relay, "mise", &format!("X-{n}"), &customer).customer_alias);
    }
    for alias in &aliases {
        let mut letter = scene.to_customer();
        letter.to.clone_from(alias);
        scene.submit(&letter).is("250 2.0.0");
    }
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(6);
    let scratch = Scratch::new("extract");
    let path = |name: &str| scratch.path().join(name);
    let make = |name: &str, whom: &str, more: &[&str]| {
        let out = path(name).display().to_string();
        let base = ["log", "extract", "make", "event:accepted", "--for", whom, "--out", &out];
        by_two(&scene, &[&base[..], &LOOK, more].concat())
    };
    let made = make("one.jsonl", "Daigaku Labo", &["--format", "jsonl"]);
    assert_eq!((&made["rows"], &made["left_out"]), (&6.into(), &1.into()), "{made}");
    make("two.jsonl", "Another Labo", &["--format", "jsonl"]);
    let third = make("three.jsonl", "  daigaku  LABO ", &["--format", "jsonl"]);
    let counts = make("counts.parquet", "Daigaku Labo", &["--format", "parquet", "--kind", "counts"]);
    assert_eq!(counts["rows"], 1);
    let read = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(path(name)).unwrap();
        scene.watch.shown("a laboratory", name, text.as_bytes());
        for word in ["mise", "A-1001", "X-1", &aliases[0]] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (one, two, three) = (read("one.jsonl"), read("two.jsonl"), read("three.jsonl"));
    assert_eq!(one.len(), 6);
    assert_eq!(one, three, "whoever gets several can join them");
    for column in ["store", "conversation", "message", "sender", "network"] {
        let all = |rows: &[Value]| {
            rows.iter().map(|row| row[column].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(all(&one).iter().all(|name| !all(&two).contains(name)), "{column}: two can't");
    }
    let mut conversations: Vec<&str> = one.iter().map(|row| row["conversation"].as_str().unwrap()).collect();
    conversations.sort_unstable();
    conversations.dedup();
    assert_eq!(conversations.len(), 6);
    let counted = parquet(&path("counts.parquet"));
    let told = (&counted["rows"][0]["rows"], &counted["rows"][0]["persons"]);
    assert_eq!(told, (&6.into(), &5.into()), "two orders of one customer are of one person");
    let most = make("six.jsonl", "Daigaku Labo", &["--format", "jsonl", "--least", "6"]);
    assert_eq!((&most["rows"], &most["left_out"]), (&0.into(), &7.into()), "{most}");
    let few = ["log", "extract", "make", "event:accepted", "--for", "x", "--out", "y", "--least", "1"];
    assert_eq!(scene.relay.run(&[&few[..], &LOOK].concat()).status, 2, "fewer than five is nobody's choice");

    // The register knows each by its hash, until it ends; then its key is gone with the last that has it.
    let verified = scene.relay.anshin(&["log", "extract", "verify", path("one.jsonl").to_str().unwrap()]);
    assert_eq!((&verified["id"], &verified["state"]), (&third["id"], &"good".into()));
    assert_eq!(verified["for"], "daigaku  LABO", "of two that are the same the last");
    let about: Value =
        serde_json::from_slice(&std::fs::read(path("three.jsonl.about.json")).unwrap()).unwrap();
    assert_eq!((&about["sha256"], &about["destroy_by"]), (&verified["sha256"], &verified["destroy_by"]));
    std::fs::write(path("forged.jsonl"), "{}\n").unwrap();
    let forged = scene.relay.run(&["log", "extract", "verify", path("forged.jsonl").to_str().unwrap()]);
    assert!(forged.status == 1 && forged.stdout.contains("no extract of the register"), "{}", forged.stdout);
    let keys = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut connection = sqlite::connect(&scene.relay.database_url()).await;
            let text = "SELECT COUNT(*) FROM data_key WHERE subject = 'extract' AND length(wrapped) > 0";
            let count: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            count
        })
    };
    assert_eq!(keys(), 2);
    let list = scene.relay.anshin(&["log", "extract", "list"]);
    let of = |whom: &str| -> Vec<String> {
        let all = list.as_array().unwrap().iter().filter(|extract| extract["for"] == whom);
        all.map(|extract| extract["id"].as_str().unwrap().to_owned()).collect()
    };
    for id in of("Another Labo") {
        scene.relay.anshin(&["log", "extract", "end", &id, "--actor", "akiko", "--case", "C-7"]);
    }
    assert_eq!(keys(), 1);
    let ended = scene.relay.run(&["log", "extract", "verify", path("two.jsonl").to_str().unwrap()]);
    assert!(ended.status == 1 && ended.stdout.contains("destroy it"), "{}", ended.stdout);
    let book = scene.relay.anshin(&["reveal", "log"]);
    let noted = |outcome: &str| {
        let all = book.as_array().unwrap();
        all.iter().filter(|look| look["kind"] == "extract" && look["outcome"] == outcome).count()
    };
    assert_eq!((noted("asked"), noted("exported"), noted("written"), noted("ended")), (5, 5, 5, 1), "{book}");
}

fn a_text_stays_where_that_was_decided_opens_for_two_and_goes_with_the_person(on: On) {
    let scene = Scene::with(on, |setup| {
        setup
            .key("retention.kept_texts.keep", "'on'")
            .key("retention.kept_texts.approver", "'the chief manager'")
            .key("retention.kept_texts.largest", "'2KiB'")
    });
    let letter = scene.to_customer();
    let id = scene.submit(&letter).is("250 2.0.0").queue_ids().remove(0);
    let answer = scene.to_merchant();
    scene.deliver(&answer).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    let text =
        by_two(&scene, &[&["log", "text", &id][..], &LOOK].concat())["text"].as_str().unwrap().to_owned();
    assert!(text.contains(&letter.text) && text.contains(&scene.order.merchant_alias), "{text}");
    assert!(!text.contains(&scene.mise.address), "as its recipient got it");
    assert_eq!(scene.relay.run(&["log", "text", &id]).status, 1);
    // No search finds a word of it.
    let found =
        scene.relay.anshin(&["log", "search", &format!("\"{}\"", &letter.text[..12.min(letter.text.len())])]);
    assert_eq!(found["rows"], json!([]));
    // The person gets it, and it goes with her.
    let scratch = Scratch::new("kept");
    let out = scratch.path().join("hana").display().to_string();
    let subject = ["--actor", "akiko", "--purpose", "data-subject-request", "--case", "D-9"];
    let key = format!("{out}.key");
    let made = scene.relay.anshin(&["compliance", "export-key", "--out", &key]);
    let recipient = made["recipient"].as_str().unwrap();
    let whose = ["compliance", "export", "--customer", &scene.hana.address];
    by_two(&scene, &[&whose[..], &["--out", &out, "--recipient", recipient], &subject].concat());
    let open = ["compliance", "open-export", &format!("{out}.json.age"), "--key", &key];
    let document = scene.relay.binary().args(open).output().unwrap().stdout;
    scene.watch.shown("hana", "her export", &document);
    let document: Value = serde_json::from_slice(&document).unwrap();
    let kept = document["conversations"][0]["texts_kept"].as_array().unwrap();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().any(|mail| mail.to_string().contains(&answer.subject)), "{kept:?}");
    let erase = ["compliance", "erase", "--customer", &scene.hana.address, "--yes", "--open-orders"];
    by_two(&scene, &[&erase[..], &subject].concat());
    let left = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = sqlite::connect(&scene.relay.database_url()).await;
        let left: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM kept_text").fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        left
    });
    assert_eq!(left, 0);
}

#[test]
fn a_case_is_proven_hop_by_hop_to_who_has_nothing_but_two_files_and_a_key() {
    let control = Scratch::new("clock");
    let (library, offset): (PathBuf, PathBuf) =
        (preload::build("clock", &control), control.path().join("offset"));
    let scene = Scene::with(On::Sqlite, |setup| {
        let setup = setup.environment("LD_PRELOAD", &library.display().to_string());
        setup.environment("ANSHIN_TEST_CLOCK", &offset.display().to_string())
    });
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    scene.relay.anshin(&[&["log", "trace", "--message", &id][..], &LOOK].concat());
    // Who does not say why and for which case is shown what names nobody, and stands in the book and in the tree all the same.
    let masked = scene.relay.anshin(&["log", "search", &format!("from:{}", scene.mise.address)]).to_string();
    assert!(masked.contains("accepted") && !masked.contains(&scene.mise.domain), "{masked}");
    let half = ["log", "search", "event:accepted", "--actor", "akiko", "--purpose", "audit"];
    assert_eq!(scene.relay.run(&half).status, 2, "a purpose alone is half of it");
    let book = scene.relay.anshin(&["reveal", "log"]);
    let masked = |look: &&Value| look["kind"] == "search" && look["outcome"] == "masked";
    let masked = book.as_array().unwrap().iter().find(masked).unwrap()["id"].as_str().unwrap().to_owned();
    // Two hours later the hour is in the tree.
    std::fs::write(&offset, "7800").unwrap();
    let scratch = Scratch::new("case");
    let out = |name: &str| scratch.path().join(name).display().to_string();
    eventually_within(Duration::from_secs(150), "the hour is in the tree", || {
        let name = out(&format!("try-{}", anshin::store::random_id()));
        (scene.relay.run(&["log", "prove", "--message", &id, "--out", &name]).status == 0).then_some(())
    });
    scene.relay.anshin(&["log", "prove", "--look", &masked, "--out", &out("look.json")]);
    let reader = out("reader.key");
    let made = scene.relay.anshin(&["compliance", "export-key", "--out", &reader]);
    let recipient = made["recipient"].as_str().unwrap();
    let of = |name: &str, more: &[&str]| {
        let out = out(name);
        let asked = ["log", "prove", "--out", &out, "--recipient", recipient];
        by_two(&scene, &[&asked[..], &LOOK, more].concat())
    };
    let opened = of("opened", &[]);
    let whole = of("whole", &["--order", "mise/A-1001"]);
    assert!(whole["rows"].as_i64() > opened["rows"].as_i64(), "{whole} {opened}");
    assert!(opened["rows"].as_i64() >= Some(2) && opened["looks"].as_i64() >= Some(1), "{opened}");
    let sealed = std::fs::read(out("whole.html.age")).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1"));
    let open = ["compliance", "open-export", &out("whole.html.age"), "--key", &reader];
    let page = String::from_utf8(scene.relay.binary().args(open).output().unwrap().stdout).unwrap();
    std::fs::write(out("whole.html"), &page).unwrap();
    for word in ["C-7", "akiko", &scene.hana.address, &scene.mise.address, "配信済み / delivered", &id] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let key = whole["keys"][0].as_str().unwrap();
    let binary = scene.relay.binary().get_program().to_owned();
    let verify = |page: &str| {
        let ran = Command::new(&binary)
            .args(["--json", "log", "verify-bundle", &out("whole.json"), "--page", page, "--key", key])
            .env_clear()
            .output()
            .unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned())
    };
    let (is_good, told) = verify(&out("whole.html"));
    assert!(is_good && told.contains("\"case\": \"C-7\""), "{told}");
    let bundle = std::fs::read_to_string(out("whole.json")).unwrap();
    assert!(!bundle.contains(&scene.hana.address), "what it proves stays sealed");
    std::fs::write(out("forged.html"), page.replace("akiko", "someone")).unwrap();
    let (is_good, told) = verify(&out("forged.html"));
    assert!(!is_good && told.contains("not the page that was stated"), "{told}");
    // A row less, a leaf twice, nothing at all: what is left is proven still, and is not what was stated.
    let is_good_with = |change: fn(&mut Vec<Value>)| {
        let mut changed: Value = serde_json::from_str(&bundle).unwrap();
        change(changed["leaves"].as_array_mut().unwrap());
        std::fs::write(out("whole.json"), changed.to_string()).unwrap();
        verify(&out("whole.html")).0
    };
    assert!(is_good_with(|_| ()));
    assert!(!is_good_with(|leaves| drop(leaves[0]["rows"].as_array_mut().unwrap().pop())));
    assert!(!is_good_with(|leaves| drop(leaves.pop())));
    assert!(!is_good_with(|leaves| leaves.push(leaves[0].clone())));
    assert!(!is_good_with(Vec::clear));
    std::fs::write(out("whole.json"), bundle.replace("\"event\": \"accepted\"", "\"event\": \"refused\""))
        .unwrap();
    assert!(!verify(&out("whole.html")).0);
}
