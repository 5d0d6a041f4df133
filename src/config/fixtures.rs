//! Runs the directories below `fixtures/config`: those in `good` must load, those in `bad` must be refused with
//! exactly the report in `expected.txt`. Holds `deploy/anshin.toml` and the code's defaults together.
//!
//! A case is a directory: `anshin.toml`, and if needed `env` (one `NAME=value` a line), `made` (one file a line
//! that is made before, `PATH MODE [certificate|key]`; a path ending in `/` is a directory). It is copied to a fresh
//! directory, which reports name `DIR`.

use super::*;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own below the system's temporary one, mode 0700, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("anshin-config-{}-{number}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config").join(kind);
    let mut cases: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Makes what the case asks for and loads it.
fn load(case: &Path) -> Result<Config, String> {
    let scratch = Scratch::new();
    let file = scratch.0.join("anshin.toml");
    if case.join("anshin.toml").exists() {
        fs::copy(case.join("anshin.toml"), &file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for line in fs::read_to_string(case.join("made")).unwrap_or_default().lines() {
        make(&scratch.0, &line.split_whitespace().collect::<Vec<_>>());
    }
    let env = fs::read_to_string(case.join("env")).unwrap_or_default();
    let env = env.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
    Config::load(Some(&file), env)
        .map_err(|errors| format!("{errors}\n").replace(&scratch.0.display().to_string(), "DIR"))
}

fn make(dir: &Path, words: &[&str]) {
    let path = dir.join(words[0]);
    if words[0].ends_with('/') {
        fs::create_dir_all(&path).unwrap();
    } else {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["relay.example.jp".to_owned()]).unwrap();
        match words.get(2) {
            Some(&"certificate") => fs::write(&path, made.cert.pem()).unwrap(),
            Some(&"key") => fs::write(&path, made.signing_key.serialize_pem()).unwrap(),
            _ if path.exists() => {}
            _ => fs::write(&path, "").unwrap(),
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(u32::from_str_radix(words[1], 8).unwrap()))
        .unwrap();
}

#[test]
fn every_bad_configuration_is_refused_with_key_reason_and_cure() {
    let cases = fixtures("bad");
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = fs::read_to_string(case.join("expected.txt")).unwrap_or_default();
        let found = load(case).err().unwrap_or_else(|| "it loads\n".to_owned());
        if found != expected {
            wrong.push(format!("{}\n-- expected\n{expected}-- found\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 30, "{} cases", cases.len());
}

#[test]
fn every_good_configuration_loads_and_reads_back_as_it_is_shown() {
    for case in fixtures("good") {
        let config = load(&case).unwrap_or_else(|errors| panic!("{}\n{errors}", case.display()));
        let shown = config.to_toml();
        let (again, reader) = Config::read(&shown, Path::new("/elsewhere"), std::iter::empty());
        assert_eq!(reader.finish(), [], "{shown}");
        assert_eq!(again.unwrap().to_toml(), shown);
        assert_eq!(config.to_json()["hostname"], config.hostname.as_str());
    }
}

#[test]
fn the_deployed_file_lists_every_key_with_the_default_of_the_code() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/anshin.toml")).unwrap();
    let dir = Path::new("/etc/anshin");
    let listed: std::collections::BTreeSet<String> =
        Tree::parse(&text, &mut Vec::new()).0.into_keys().collect();
    let (from_file, reader) = Config::read(&text, dir, std::iter::empty());
    let (from_code, code_reader) = Config::read("", dir, std::iter::empty());
    assert_eq!(&listed, code_reader.known());
    assert_eq!(reader.finish(), []);
    assert_eq!(from_file, from_code);
    assert!(from_file.is_some());
}

#[test]
fn the_development_defaults_need_nothing_but_a_directory() {
    let scratch = Scratch::new();
    let config = Config::development(&scratch.0).unwrap();
    assert_eq!(config.profile, Profile::Development);
    // Trying out needs no DNS.
    assert_eq!(
        config.to_json()["senders"]["trusted_networks"],
        serde_json::json!(["127.0.0.0/8", "::1/128"])
    );
    assert_eq!(config.storage.url.file(), Some(scratch.0.join("anshin.db").as_path()));
    assert!(config.ingress.listeners().all(|(_, a)| a.ip().is_loopback() && a.port() == 0));
    let file = scratch.0.join("shown.toml");
    fs::write(&file, config.to_toml()).unwrap();
    assert_eq!(Config::load(Some(&file), std::iter::empty()), Ok(config));
}

#[test]
fn a_process_that_only_sends_needs_no_certificate() {
    let scratch = Scratch::new();
    let file = scratch.0.join("anshin.toml");
    fs::write(&file, "profile = 'development'\n").unwrap();
    fs::create_dir(scratch.0.join("tls")).unwrap();
    fs::write(scratch.0.join("tls/key.pem"), "no key").unwrap();
    assert!(Config::load_for(&[Role::Egress, Role::Web], Some(&file), std::iter::empty()).is_ok());
    assert!(Config::load_for(&[Role::Ingress], Some(&file), std::iter::empty()).is_err());
}

#[test]
fn no_file_and_a_file_that_is_none_are_refused_with_a_cure() {
    let scratch = Scratch::new();
    let large = scratch.0.join("large.toml");
    fs::write(&large, vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    let binary = scratch.0.join("binary.toml");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    for (file, word) in [
        (&scratch.0, "directory"),
        (&scratch.0.join("no"), "not there"),
        (&large, "1 MiB"),
        (&binary, "UTF-8"),
    ] {
        let errors = Config::load(Some(file), std::iter::empty()).unwrap_err();
        assert!(errors.problems()[0].reason.contains(word), "{errors}");
        assert!(!errors.problems()[0].cure.is_empty());
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "\\PC*", value in "\\PC*") {
        let lines = ["hostname", "egress.route", "storage.url", "egress.retry.first", "limits.memory", "web.listen"];
        for key in lines {
            let env = [(format!("ANSHIN__{}", key.to_uppercase().replace('.', "__")), value.clone())];
            let (config, _) = Config::read(&text, Path::new("/x"), env.into_iter());
            proptest::prop_assert!(config.is_some());
        }
    }
}
