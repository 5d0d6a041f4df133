//! Residency against the real binary: each place misconfigured once stops the start, a signed statement lets it start, and a
//! place that lapses stops the taking of mail until it is proven again.

use super::process::{On, Setup, TestRelay};
use super::scene::Scene;
use super::watch::Watch;
use crate::peer::{Scratch, eventually, postgres};
use anshin::ledger::Signer;
use anshin::mail::Timestamp;
use anshin::store::{Replica, Store};
use anshin::vault::FileKeys;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const NETWORK: &str = "10.9.9.0/24";

fn officer(seed: u8) -> Signer {
    Signer::new("officer.example.jp", Zeroizing::new([seed; 32])).unwrap()
}

/// An installation whose configuration production takes, stopped.
fn production(watch: &Arc<Watch>) -> TestRelay {
    let mut relay = Setup::new(On::Sqlite).key("dns.servers", "['127.0.0.1']").start(watch);
    relay.terminate();
    let config = fs::read_to_string(relay.config()).unwrap();
    let stated = "profile = 'production'\nresidency.storage = 'JP'";
    fs::write(relay.config(), config.replace("profile = 'development'", stated)).unwrap();
    relay
}

/// Puts `lines` into the configuration, in place of what has the same key.
fn configure(base: &str, lines: &str) -> String {
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    let given: Vec<_> = lines.lines().filter_map(key).collect();
    let kept = base.lines().filter(|line| key(line).is_none_or(|key| !given.contains(&key)));
    kept.collect::<Vec<_>>().join("\n") + "\n" + lines
}

#[test]
fn each_place_that_is_not_proven_to_be_in_japan_stops_the_start() {
    let relay = production(&Arc::new(Watch::default()));
    let base = fs::read_to_string(relay.config()).unwrap();
    // One case has a URL that looks as if it held a password.
    fs::set_permissions(relay.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let credentials = relay.config().with_file_name("credentials.toml");
    fs::write(&credentials, "access_key_id = 'AKIDOFATEST'\nsecret_access_key = 'c2VjcmV0b2ZhdGVzdA'\n")
        .unwrap();
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/residency");
    let mut cases: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 21, "{cases:?}");
    for case in cases {
        let lines = fs::read_to_string(case.join("anshin.toml")).unwrap();
        fs::write(relay.config(), configure(&base, &lines)).unwrap();
        let ran = relay.run(&["serve"]);
        assert_eq!(ran.status, 1, "{}: {}{}", case.display(), ran.stdout, ran.stderr);
        let error = ran.json()["error"].as_str().unwrap().to_owned();
        let scratch = relay.config().parent().unwrap().display().to_string();
        let expected = fs::read_to_string(case.join("expected.txt")).unwrap();
        assert_eq!(error.replace(&scratch, "DIR"), expected.trim_end(), "{}", case.display());
        // Nor does a command ask a key service that is not proven, whatever else it does.
        if lines.contains("aws-kms") {
            let listed = relay.run(&["keys", "list"]);
            assert!(listed.status == 1 && listed.stdout.contains("art. 27-5"), "{}", listed.stdout);
        }
        // The report says the same, and fails.
        let report = relay.run(&["compliance", "residency", "report"]);
        assert_eq!(report.status, 1, "{}", case.display());
    }
    // A statement that no officer signed stops the start, one whose time is over does not.
    let note = relay.config().with_file_name("site.note");
    let stated = format!(
        "residency.officers = ['{}']\nresidency.sites = ['{}', '{}']\n",
        officer(1).verifier(),
        note.display(),
        note.with_file_name("old.note").display()
    );
    fs::write(relay.config(), configure(&base, &stated)).unwrap();
    let week = Timestamp::from_millis(Timestamp::now().as_millis() - 86_400_000 * 8);
    fs::write(note.with_file_name("old.note"), statement(&officer(1), week, 7)).unwrap();
    fs::write(&note, statement(&officer(2), Timestamp::now(), 365)).unwrap();
    let error = relay.run(&["serve"]).json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("site.note proves nothing: no key that is known here signed it"), "{error}");
    assert!(!error.contains("old.note"), "{error}");
    fs::write(&note, statement(&officer(1), Timestamp::now(), 365)).unwrap();
    assert_eq!(relay.anshin(&["compliance", "residency", "report"])["ok"], true);
    fs::write(relay.config(), base).unwrap();
    let report = relay.anshin(&["compliance", "residency", "report"]);
    assert_eq!(report["ok"], true, "{report}");
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["standing"] == "in-japan"));
}

#[test]
fn what_is_only_unproven_lets_development_start_and_what_is_abroad_does_not() {
    let watch = Arc::new(Watch::default());
    let _relay = Setup::new(On::Sqlite).key("dns.servers", "['10.9.9.9']").start(&watch);
    let abroad = Setup::new(On::Sqlite).key("dns.servers", "['8.8.8.8']").prepare(&watch);
    assert_eq!(abroad.run(&["serve"]).status, 1);
    assert!(fs::read_dir(abroad.state()).unwrap().all(|entry| entry.unwrap().file_name() != "anshin.db"));
}

/// A statement about [`NETWORK`] that counts from `since` for `days`.
fn statement(signer: &Signer, since: Timestamp, days: u64) -> String {
    let until = since.after(Duration::from_secs(days * 86_400));
    signer
        .sign(&format!(
            "anshin-mail site statement v1\nsite tokyo-1\naddress 東京都江東区\ncountry JP\nnetwork {NETWORK}\nby \
             山田花子\nsince {}\nuntil {}\n",
            since.to_rfc3339(),
            until.to_rfc3339()
        ))
        .unwrap()
}

#[test]
fn a_signed_statement_proves_a_place_and_mail_stops_when_it_lapses() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("ingress.clamd.on_failure", "'accept'"));
    let mut relay = scene.relay;
    relay.terminate();
    let site = relay.config().with_file_name("tokyo-1.note");
    let now = Timestamp::now();
    fs::write(&site, statement(&officer(1), now, 365)).unwrap();
    let config = fs::read_to_string(relay.config()).unwrap();
    let stated = format!(
        "profile = 'production'\nresidency.storage = 'JP'\nresidency.sites = ['tokyo-1.note']\nresidency.officers = \
         ['{}']\ndns.servers = ['10.9.9.9']\nsenders.trusted_networks = ['127.0.0.0/8']",
        officer(1).verifier()
    );
    fs::write(relay.config(), configure(&config.replace("profile = 'development'", ""), &stated)).unwrap();
    relay.start(&["all"]);
    let ready = |relay: &TestRelay| super::http::request(relay.web(), "GET", "/readyz", "", "").status;
    let mail = |relay: &TestRelay| {
        let mut client = super::client::Client::hello(relay.mx(), &scene.watch, "taro").unwrap();
        client.say(&format!("MAIL FROM:<{}>", scene.taro.address)).unwrap().to_string()
    };
    assert_eq!(ready(&relay), 200);
    assert!(mail(&relay).starts_with("250 "));
    for broken in [
        statement(&officer(2), now, 365),
        statement(&officer(1), Timestamp::from_millis(now.as_millis() - 86_400_000 * 8), 7),
        statement(&officer(1), now, 365).replace(NETWORK, "10.0.0.0/8"),
    ] {
        fs::write(&site, broken).unwrap();
        relay.signal("HUP");
        eventually("mail is refused", || mail(&relay).starts_with("451 4.3.2 ").then_some(()));
        assert_eq!(ready(&relay), 503);
        assert!(relay.log().contains("residency_lapsed"));
        fs::write(&site, statement(&officer(1), now, 365)).unwrap();
        relay.signal("HUP");
        eventually("mail is taken again", || mail(&relay).starts_with("250 ").then_some(()));
    }
}

#[test]
fn the_commands_make_a_key_and_a_statement_that_count() {
    let relay = production(&Arc::new(Watch::default()));
    let dir = relay.config().parent().unwrap().to_owned();
    let (key, note) = (dir.join("officer.key"), dir.join("osaka.note"));
    let (key, note) = (key.to_str().unwrap(), note.to_str().unwrap());
    let made =
        relay.anshin(&["compliance", "residency", "key", "--name", "officer.example.jp", "--out", key]);
    let public = made["public"].as_str().unwrap();
    assert!(public.starts_with("officer.example.jp+") && !made.to_string().contains("PRIVATE"));
    let attest = |until: &str, by: &str| {
        relay.run(&[
            "compliance",
            "residency",
            "attest",
            "--key",
            key,
            "--site",
            "osaka-2",
            "--address",
            "大阪市北区",
            "--network",
            NETWORK,
            "--by",
            by,
            "--until",
            until,
            "--out",
            note,
        ])
    };
    let year = Timestamp::now().after(Duration::from_secs(365 * 86_400)).to_rfc3339();
    assert_eq!(attest("2099-01-01T00:00:00Z", "統括管理者").status, 1, "longer than two years");
    assert_eq!(attest(&year, "a\nnetwork 0.0.0.0/0").status, 1, "a line of its own");
    assert!(!Path::new(note).exists());
    assert_eq!(attest(&year, "統括管理者").status, 0);
    assert_eq!(attest(&year, "統括管理者").status, 1, "nothing is overwritten");
    let base = fs::read_to_string(relay.config()).unwrap();
    let lines = format!(
        "dns.servers = ['10.9.9.9']\nresidency.officers = ['{public}']\nresidency.sites = ['osaka.note']\n"
    );
    fs::write(relay.config(), configure(&base, &lines)).unwrap();
    let report = relay.anshin(&["compliance", "residency", "report"]);
    let evidence = report["findings"].to_string();
    assert!(evidence.contains("site osaka-2, stated by officer.example.jp until"), "{report}");
}

#[test]
fn who_copies_the_database_is_seen_and_told_apart_from_who_is_hidden() {
    let database = postgres::fresh_database();
    let scratch = Scratch::new("replica");
    let url = database.url();
    let mut copier = Command::new("pg_receivewal")
        .args(["--no-loop", "--dbname", &url, "--directory"])
        .arg(scratch.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|fault| panic!("pg_receivewal: {fault}"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seen = |url: &str| {
        let keys = FileKeys::default();
        runtime.block_on(async { Store::open(url, &keys).await.unwrap().replicas().await.unwrap() })
    };
    eventually("the copier is seen", || (!seen(&url).is_empty()).then_some(()));
    let all = seen(&url);
    assert!(all.iter().all(|replica| matches!(replica, Replica::At(ip) if ip.is_loopback())), "{all:?}");
    // A user who may use the database, but not see who copies it.
    let (other, weak) = (postgres::fresh_database(), format!("anshin_weak_{}", std::process::id()));
    let psql = |sql: &str| {
        let url = other.url();
        let done = Command::new("psql").args(["--no-psqlrc", "--quiet", "--command", sql, &url]).status();
        assert!(done.unwrap().success(), "{sql}");
    };
    psql(&format!("CREATE ROLE {weak} LOGIN"));
    psql(&format!("GRANT ALL ON SCHEMA public TO {weak}"));
    let hidden = seen(&other.url().replacen("://anshin@", &format!("://{weak}@"), 1));
    copier.kill().unwrap();
    copier.wait().unwrap();
    psql(&format!("DROP OWNED BY {weak}"));
    psql(&format!("DROP ROLE {weak}"));
    assert!(!hidden.is_empty() && hidden.iter().all(|replica| *replica == Replica::Hidden), "{hidden:?}");
}
