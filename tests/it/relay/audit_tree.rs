//! The audit tree of a running relay: what happens at the desk is signed within seconds, shown to a witness on another
//! machine and told to the officer; an officer verifies and proves with commands; and a database that was put back is noticed
//! while mail goes on.

use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::{Scratch, eventually_within, sqlite};
use anshin::ledger::notes;
use mail_parser::MessageParser;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

on_both_databases! {
    a_look_is_signed_witnessed_told_and_proven_and_its_deletion_is_noticed,
}

/// Some rounds of the auditing.
const ROUNDS: Duration = Duration::from_secs(120);

/// A witness, ended when dropped.
struct Witness {
    child: Child,
    key: String,
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has no configuration.
fn anshin(arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_anshin")).arg("--json").args(arguments).output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

impl Witness {
    /// Starts one that knows a tree; where it listens.
    fn start(dir: &Path, tree: &str) -> (Self, String) {
        let (secret, state) = (path(dir, "witness.key"), path(dir, "witness.txt"));
        let (_, made) = anshin(&["log", "witness-key", "--name", "witness.test", "--out", &secret]);
        let mut child = Command::new(env!("CARGO_BIN_EXE_anshin"))
            .args(["--json", "log", "witness", "--listen", "127.0.0.1:0", "--key", &secret, "--tree", tree])
            .args(["--state", &state])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let address = started["fields"]["witness"].as_str().unwrap().to_owned();
        (Self { child, key: made["public"].as_str().unwrap().to_owned() }, address)
    }
}

fn edit(url: &str, statements: &[&str]) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = sqlite::connect(url).await;
        for text in statements {
            sqlx::query(AssertSqlSafe(text.to_string())).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    });
}

fn a_look_is_signed_witnessed_told_and_proven_and_its_deletion_is_noticed(on: On) {
    let scratch = Scratch::new("witness");
    let dir = scratch.path();
    let (mut witness, mut tree) = (None, String::new());
    let mut scene = Scene::prepared(
        on,
        |setup| setup,
        |relay| {
            // The key is made with the rest at the first command.
            tree = relay.anshin(&["log", "key"])["keys"][0].as_str().unwrap().to_owned();
            let (started, address) = Witness::start(dir, &tree);
            let mut text = fs::read_to_string(relay.config()).unwrap();
            let domain = text.split('\'').find(|word| word.starts_with("taro-")).unwrap();
            let needle = domain.trim_start_matches("taro-").trim_end_matches(".test");
            let officer = format!("taro.{needle}@{domain}");
            text.push_str(&format!(
                "audit.officer = '{officer}'\naudit.witness = [{{ address = '{address}', key = '{}' }}]\n",
                started.key
            ));
            fs::write(relay.config(), text).unwrap();
            witness = Some(started);
        },
    );
    let witness = witness.unwrap();
    scene.relay.trace(&["--alias", &scene.order.merchant_alias]);
    let anchors = scene.relay.config().with_file_name("anchors.txt");
    let (anchors_name, witnessed) = (anchors.display().to_string(), dir.join("witness.txt"));
    let look = scene.relay.anshin(&["reveal", "log"])[0]["id"].as_str().unwrap().to_owned();
    let bundle = eventually_within(ROUNDS, "the look is in the tree and the witness has signed", || {
        let out = path(dir, &format!("bundle-{}", anshin::store::random_id()));
        let proven = scene.relay.run(&["log", "prove", "--look", &look, "--out", &out]).status == 0;
        let seen = fs::read_to_string(&witnessed).unwrap_or_default();
        (proven && !notes(&seen).is_empty() && fs::read_to_string(&out).unwrap().contains("witness.test"))
            .then_some(out)
    });
    let (status, checked) = anshin(&["log", "verify-bundle", &bundle, "--key", &tree, "--key", &witness.key]);
    assert_eq!((status, &checked["proven"]), (0, &true.into()), "{checked}");
    assert_eq!(checked["signed_by"].as_array().unwrap().len(), 2);
    let (status, unknown) = anshin(&["log", "verify-bundle", &bundle, "--key", &witness.key]);
    assert_eq!(status, 1, "{unknown}");

    // The officer has it by mail.
    let told = eventually_within(ROUNDS, "the officer is told", || {
        let mails = scene.taro.mailbox.received();
        let mail = mails.first()?;
        let message = MessageParser::default().parse(mail.bytes.as_slice())?;
        Some(message.body_text(0)?.replace("\r\n", "\n"))
    });
    let mail = path(dir, "mail.txt");
    fs::write(&mail, &told).unwrap();
    let verified = scene.relay.anshin(&[
        "log",
        "verify",
        "--anchors",
        &mail,
        "--anchors",
        &witnessed.display().to_string(),
    ]);
    // And that the process has started.
    assert_eq!((&verified["intact"], &verified["looks"]), (&true.into(), &2.into()), "{verified}");
    assert_eq!(verified["decisions"], true);
    assert!(verified["anchors"].as_u64().unwrap() >= 3, "{verified}");

    // Edited while nothing runs: also what happened in the hour of the stop.
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    assert!(scene.relay.terminate().iter().all(std::process::ExitStatus::success));
    let url = scene.relay.database_url();
    let intact = scene.relay.anshin(&["log", "verify"]);
    assert_eq!((&intact["intact"], &intact["open"]), (&true.into(), &0.into()), "{intact}");
    edit(&url, &["UPDATE record SET event = 'failed' WHERE event = 'delivered'"]);
    let error = scene.relay.run(&["log", "verify"]).json();
    let broken = &error["broken"][0];
    assert!(broken["what"] == "changed" && broken["row"].is_string(), "{error}");
    edit(&url, &["UPDATE record SET event = 'delivered' WHERE event = 'failed'"]);
    assert_eq!(scene.relay.anshin(&["log", "verify"])["intact"], true);
    edit(&url, &["DELETE FROM look WHERE kind <> 'process'"]);
    let broken = scene.relay.run(&["log", "verify"]);
    assert_eq!(broken.status, 1, "{}", broken.stdout);
    let error = broken.json();
    assert!(error["error"].as_str().unwrap().contains("row of look is gone"), "{error}");
    assert_eq!(error["broken"][0]["row"], look.as_str());

    // As it was before the first entry.
    edit(
        &url,
        &[
            "DELETE FROM tree",
            "DELETE FROM tree_leaf",
            "DELETE FROM tree_checkpoint",
            "DELETE FROM tree_cosignature",
        ],
    );
    let kept = fs::read_to_string(&anchors).unwrap();
    scene.relay.start(&["all"]);
    eventually_within(ROUNDS, "it is noticed", || {
        scene.relay.log().contains("does not continue the checkpoint").then_some(())
    });
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    assert_eq!(fs::read_to_string(&anchors).unwrap(), kept, "nothing is added to {anchors_name}");
    let broken = scene.relay.run(&["log", "verify"]).json();
    assert_eq!(broken["broken"][0]["what"], "truncated", "{broken}");
}
