//! Schemathesis, another author's client, makes up requests from the API's own description, right and wrong ones, and holds each answer
//! against it.
//!
//! Rules: about a minute of it; with ANSHIN_API_REQUESTS at least so many requests, however long they take. All its checks but one: that
//! whatever the description allows is taken, since no schema says that a time lies in the future, or that a store exists.
//! When it fails: its report, with a seed and a curl command for each finding.

use super::process::On;
use super::scene::Scene;
use crate::peer::{HOW_TO_RUN, Scratch};
use std::path::PathBuf;
use std::process::Command;

const SCOPES: &str = "merchants,orders,messages,erasures,log";

#[test]
fn no_made_up_request_is_answered_otherwise_than_the_openapi_document_says() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("web.requests", "'off'"));
    let made = scene.relay.anshin(&["token", "add", "--name", "fuzz", "--scope", SCOPES]);
    let token = made["token"].as_str().unwrap().to_owned();
    scene.watch.secret(&token);
    let wanted: u32 = std::env::var("ANSHIN_API_REQUESTS").ok().map_or(0, |text| text.parse().unwrap());
    let url = format!("http://{}/v1/openapi.json", scene.relay.web());
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/peers/schemathesis/bin/st");
    let scratch = Scratch::new("fuzz");
    let (mut made, mut seed) = (0, 1);
    while made == 0 || made < wanted {
        // A round that may take long has more examples of each operation.
        let examples = if wanted == 0 { "25" } else { "300" };
        let report = scratch.path().join(format!("{seed}.ndjson"));
        let mut command = Command::new(&program);
        command.args(["run", &url, "--header", &format!("Authorization: Bearer {token}")]);
        command.args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"]);
        command.args(["--max-examples", examples, "--seed", &seed.to_string(), "--continue-on-failure"]);
        command.args(["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"]);
        command.args(["--generation-database", "none", "--warnings", "off", "--no-color"]);
        command.args(["--report-ndjson-path", report.to_str().unwrap()]);
        if wanted == 0 {
            command.args(["--max-time", "45"]);
        }
        let done = command.current_dir(scratch.path()).output().unwrap_or_else(|fault| {
            panic!("{}: {fault}; {HOW_TO_RUN}", program.display());
        });
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
        let lines = std::fs::read_to_string(&report).unwrap();
        let requests = lines.matches("\"request\":").count();
        assert!(requests > 100, "it made {requests} requests: {said}");
        made += u32::try_from(requests).unwrap();
        seed += 1;
    }
    println!("{made} requests");
}
