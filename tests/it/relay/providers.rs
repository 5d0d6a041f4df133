//! The secrets of the ring lie wrapped: by a key in a token (SoftHSM), by a key in AWS KMS (moto). The relay starts, rotates
//! and delivers as with files, and without the provider nothing opens.

use super::process::{On, TestRelay};
use super::scene::Scene;
use crate::peer::{HOW_TO_RUN, Scratch, eventually};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

fn secret_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A token of its own, with a PIN and no key yet.
fn token(scratch: &Scratch) -> String {
    let path = |name: &str| scratch.path().join(name);
    fs::create_dir(path("tokens")).unwrap();
    let conf = path("softhsm2.conf");
    fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", path("tokens").display()))
        .unwrap();
    secret_file(&path("pin"), "4711\n");
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "anshin", "--so-pin", "0815", "--pin", "4711"])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap_or_else(|fault| panic!("softhsm2-util: {fault}; {HOW_TO_RUN}"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    conf.display().to_string()
}

/// No file of the ring holds a key that can be read.
fn check_wrapped(relay: &TestRelay, by: &str) {
    let mut count = 0;
    for entry in fs::read_dir(relay.state().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "key" || extension == "nodes") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text.contains(&format!("wrapped_by = \"{by}")) && !text.contains("\nkey ="),
                "{path:?}: {text}"
            );
            count += 1;
        }
    }
    // The tree of erasure is one of them.
    assert!(count >= 7);
}

fn works(scene: &mut Scene, by: &str) {
    check_wrapped(&scene.relay, by);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.relay.anshin(&["keys", "rotate", "--seals-after", "1s"]);
    check_wrapped(&scene.relay, by);
    let ended = scene.relay.terminate();
    assert!(ended.iter().all(|status| status.success()), "{ended:?}");
    scene.relay.start(&["all"]);
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.mise.mailbox.wait_for(1);
    // A wrapped key under another name does not open: it is bound to its own.
    let keys = scene.relay.state().join("keys");
    let own = fs::read_to_string(keys.join("seal-a.key")).unwrap();
    let other = fs::read_to_string(keys.join("body-a.key")).unwrap();
    let line = |text: &str| text.lines().find(|line| line.starts_with("wrapped = ")).unwrap().to_owned();
    fs::write(keys.join("seal-a.key"), own.replace(&line(&own), &line(&other))).unwrap();
    let refused = scene.relay.run(&["queue", "stats"]);
    assert_eq!(refused.status, 1, "{}", refused.stdout);
    fs::write(keys.join("seal-a.key"), own).unwrap();
    scene.relay.anshin(&["queue", "stats"]);
}

#[test]
fn a_token_wraps_the_ring_and_without_it_nothing_opens() {
    let scratch = Scratch::new("token");
    let conf = token(&scratch);
    let pin = scratch.path().join("pin");
    let mut scene = Scene::prepared(
        On::Sqlite,
        |setup| {
            setup
                .key("keys.provider", "'pkcs11'")
                .key("keys.pkcs11.module", &format!("'{SOFTHSM}'"))
                .key("keys.pkcs11.pin_file", &format!("'{}'", pin.display()))
        },
        |relay| relay.set("SOFTHSM2_CONF", &conf),
    );
    works(&mut scene, "pkcs11:anshin/anshin");
    let says = |scene: &Scene, why: &str| {
        let ran = scene.relay.run(&["queue", "stats"]);
        assert!(ran.status == 1 && ran.stdout.contains(why), "{}", ran.stdout);
        assert!(!ran.stdout.contains("4711") && !ran.stdout.contains("4712"), "{}", ran.stdout);
    };
    secret_file(&pin, "4712\n");
    says(&scene, "Login failed");
    secret_file(&pin, "4711\n");
    scene.relay.set("ANSHIN__KEYS__PKCS11__TOKEN", "another");
    says(&scene, "it is wrapped by pkcs11:anshin/anshin");
    scene.relay.set("ANSHIN__KEYS__PKCS11__TOKEN", "anshin");
    scene.relay.set("ANSHIN__KEYS__PROVIDER", "file");
    says(&scene, "it is wrapped by pkcs11:anshin/anshin");
}

#[test]
fn a_ring_of_files_moves_into_a_token_by_rewrapping() {
    let scratch = Scratch::new("token");
    let conf = token(&scratch);
    let mut scene = Scene::new(On::Sqlite);
    scene.relay.set("SOFTHSM2_CONF", &conf);
    scene.relay.set("ANSHIN__KEYS__PROVIDER", "pkcs11");
    scene.relay.set("ANSHIN__KEYS__PKCS11__MODULE", SOFTHSM);
    scene.relay.set("ANSHIN__KEYS__PKCS11__PIN_FILE", scratch.path().join("pin").to_str().unwrap());
    scene.relay.anshin(&["keys", "rewrap"]);
    scene.relay.terminate();
    scene.relay.start(&["all"]);
    works(&mut scene, "pkcs11:anshin/anshin");
    // And back. A ring that was left half moved serves, and the next rewrap does the rest.
    let keys = scene.relay.state().join("keys");
    let wrapped = fs::read_to_string(keys.join("seal-a.key")).unwrap();
    scene.relay.set("ANSHIN__KEYS__PROVIDER", "file");
    let alone = scene.relay.run(&["keys", "rewrap"]);
    assert!(alone.status == 1 && alone.stdout.contains("former_provider"), "{}", alone.stdout);
    scene.relay.set("ANSHIN__KEYS__FORMER_PROVIDER", "pkcs11");
    scene.relay.anshin(&["keys", "rewrap"]);
    secret_file(&keys.join("seal-a.key"), &wrapped);
    scene.relay.terminate();
    scene.relay.start(&["all"]);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    let stages = scene.relay.anshin(&["keys", "rewrap"]);
    assert_eq!((&stages[0]["stage"], &stages[0]["written"]), (&"key files".into(), &1.into()));
    // Without the token from now on.
    scene.relay.set("ANSHIN__KEYS__FORMER_PROVIDER", "file");
    scene.relay.set("ANSHIN__KEYS__PKCS11__MODULE", "");
    fs::remove_dir_all(scratch.path().join("tokens")).unwrap();
    scene.relay.terminate();
    scene.relay.start(&["all"]);
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.mise.mailbox.wait_for(2);
    let is_wrapped = |entry: fs::DirEntry| fs::read_to_string(entry.path()).unwrap().contains("wrapped_by");
    assert!(!fs::read_dir(&keys).unwrap().any(|entry| is_wrapped(entry.unwrap())));
}

#[test]
fn a_ring_moves_from_kms_into_a_token() {
    let (moto, scratch) = (Moto::start(), Scratch::new("move"));
    let (conf, credentials) = (token(&scratch), scratch.path().join("credentials.toml"));
    secret_file(&credentials, "access_key_id = 'AKIDOFATEST'\nsecret_access_key = 'c2VjcmV0b2ZhdGVzdA'\n");
    let osaka = moto.key("ap-northeast-3", "{}");
    let mut scene = Scene::with(On::Sqlite, |setup| {
        setup
            .key("keys.provider", "'aws-kms'")
            .key("keys.aws_kms.key", &format!("'{osaka}'"))
            .key("keys.aws_kms.credentials_file", &format!("'{}'", credentials.display()))
            .key("keys.aws_kms.endpoint", &format!("'{}'", moto.url))
    });
    check_wrapped(&scene.relay, &format!("aws-kms:{osaka}"));
    scene.relay.set("SOFTHSM2_CONF", &conf);
    scene.relay.set("ANSHIN__KEYS__PROVIDER", "pkcs11");
    scene.relay.set("ANSHIN__KEYS__FORMER_PROVIDER", "aws-kms");
    scene.relay.set("ANSHIN__KEYS__PKCS11__MODULE", SOFTHSM);
    scene.relay.set("ANSHIN__KEYS__PKCS11__PIN_FILE", scratch.path().join("pin").to_str().unwrap());
    scene.relay.anshin(&["keys", "rewrap"]);
    check_wrapped(&scene.relay, "pkcs11:anshin/anshin");
    scene.relay.set("ANSHIN__KEYS__FORMER_PROVIDER", "file");
    drop(moto);
    scene.relay.terminate();
    scene.relay.start(&["all"]);
    works(&mut scene, "pkcs11:anshin/anshin");
}

/// KMS as moto has it.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/moto/bin/moto_server");
        let mut child = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|fault| panic!("{}: {fault}; {HOW_TO_RUN}", program.display()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let url = lines
            .find_map(|line| line.split_once("http://").map(|(_, rest)| format!("http://{}", rest.trim())))
            .expect("moto says where it listens");
        // What it says later must be read, or it stops.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// Calls KMS through the same client that the relay has, by curl: `action` with a JSON document.
    fn call(&self, region: &str, action: &str, body: &str) -> serde_json::Value {
        let answered = eventually("moto answers", || {
            let output = Command::new("curl")
                .args(["--silent", "--show-error", "--data", body, &self.url])
                .args(["--header", &format!("X-Amz-Target: TrentService.{action}")])
                .args(["--header", "Content-Type: application/x-amz-json-1.1"])
                .args(["--header", &format!(
                    "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/kms/aws4_request, SignedHeaders=host, Signature=0"
                )])
                .output()
                .unwrap();
            output.status.success().then_some(output.stdout)
        });
        serde_json::from_slice(&answered).unwrap()
    }

    fn key(&self, region: &str, body: &str) -> String {
        self.call(region, "CreateKey", body)["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn kms_in_japan_wraps_the_ring_and_a_key_elsewhere_is_refused() {
    let moto = Moto::start();
    let scratch = Scratch::new("kms");
    let credentials = scratch.path().join("credentials.toml");
    secret_file(&credentials, "access_key_id = 'AKIDOFATEST'\nsecret_access_key = 'c2VjcmV0b2ZhdGVzdA'\n");
    let tokyo = moto.key("ap-northeast-1", "{}");
    assert!(tokyo.starts_with("arn:aws:kms:ap-northeast-1:"), "{tokyo}");
    let mut scene = Scene::with(On::Sqlite, |setup| {
        setup
            .key("keys.provider", "'aws-kms'")
            .key("keys.aws_kms.key", &format!("'{tokyo}'"))
            .key("keys.aws_kms.credentials_file", &format!("'{}'", credentials.display()))
            .key("keys.aws_kms.endpoint", &format!("'{}'", moto.url))
    });
    works(&mut scene, &format!("aws-kms:{tokyo}"));
    let copied = moto.key("ap-northeast-1", "{\"MultiRegion\":true}");
    let abroad = moto.key("us-east-1", "{}");
    let another = moto.key("ap-northeast-3", "{}");
    for (key, why) in [
        (copied.as_str(), "multi-Region"),
        (abroad.as_str(), "outside Japan"),
        (another.as_str(), "it is wrapped by aws-kms:"),
        (&tokyo.replace("key/", "key/0"), "was refused"),
    ] {
        scene.relay.set("ANSHIN__KEYS__AWS_KMS__KEY", key);
        let ran = scene.relay.run(&["queue", "stats"]);
        assert!(ran.status == 1 && ran.stdout.contains(why), "{key}: {}", ran.stdout);
        assert!(!ran.stdout.contains("c2VjcmV0b2ZhdGVzdA"), "{}", ran.stdout);
    }
}
