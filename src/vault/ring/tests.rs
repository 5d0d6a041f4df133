//! Rings on disk: what is made, taken, refused and destroyed.

use super::*;
use std::os::unix::fs::PermissionsExt;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn temporary() -> PathBuf {
    let dir = std::env::temp_dir()
        .join(format!("anshin-ring-{}", data_encoding::HEXLOWER.encode(&random_bytes::<8>())));
    fs::create_dir(&dir).unwrap();
    dir
}

fn sealing(ring: &KeyRing, now: Timestamp) -> Vec<String> {
    let lines = ring.list(now).into_iter().filter(|line| line.seals);
    lines.map(|line| format!("{}-{}", line.purpose.as_str(), line.name)).collect()
}

#[test]
fn a_ring_is_made_once_and_found_again() {
    let dir = temporary().join("keys");
    assert!(matches!(KeyRing::open(&dir, Make::Nothing, NOW), Err(RingError::Directory { .. })));
    let made = KeyRing::open(&dir, Make::Missing, NOW).unwrap();
    let found = KeyRing::open(&dir, Make::Nothing, NOW).unwrap();
    assert_eq!(made.list(NOW), found.list(NOW));
    assert_eq!(found.list(NOW).len(), 9);
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let mode = if path.extension().unwrap() == "pub" { 0o644 } else { 0o600 };
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{path:?}");
    }
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
}

#[test]
fn a_new_key_seals_when_its_time_has_come_and_opens_before() {
    let dir = temporary();
    let mut ring = KeyRing::open(&dir, Make::Missing, NOW).unwrap();
    ring.make(Purpose::Seal, NOW, Duration::from_secs(60)).unwrap();
    let ring = KeyRing::open(&dir, Make::Nothing, NOW).unwrap();
    let first = ["alias-a", "index-a", "guard-a", "seal-a", "body-a", "log-a", "menu-a", "tree-a", "file-a"];
    assert_eq!(sealing(&ring, NOW), first);
    let later = NOW.after(Duration::from_secs(60));
    assert_eq!(ring.next_change(NOW), Some(later));
    assert!(sealing(&ring, later).contains(&"seal-b".to_owned()));
    assert_eq!(ring.keys(Purpose::Seal, NOW).unwrap().len(), 2);
    assert_eq!(ring.next_change(later), None);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_process_takes_the_secrets_it_needs_and_no_others() {
    let dir = temporary();
    KeyRing::open(&dir, Make::Missing, NOW).unwrap();
    let take = Take::Only(vec![Purpose::Alias, Purpose::Index, Purpose::Guard, Purpose::Seal]);
    let open = || KeyRing::open_for(&dir, Arc::default(), &take, Make::Nothing, NOW);
    let secrets = |ring: KeyRing| -> Vec<_> {
        ring.list(NOW).into_iter().filter(|line| line.opens).map(|line| line.purpose).collect()
    };
    let wanted = [Purpose::Alias, Purpose::Index, Purpose::Guard, Purpose::Seal];
    assert_eq!(secrets(open().unwrap()), wanted);
    for absent in ["body-a.key", "log-a.key"] {
        fs::remove_file(dir.join(absent)).unwrap();
    }
    assert_eq!(secrets(open().unwrap()), wanted);
    fs::remove_file(dir.join("log-a.pub")).unwrap();
    assert!(matches!(open().err(), Some(RingError::NoPublic { purpose: "log", .. })));
    fs::remove_file(dir.join("seal-a.key")).unwrap();
    assert!(matches!(open().err(), Some(RingError::Missing { purpose: "seal", .. })));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_ring_of_an_older_version_numbers_with_its_oldest_index_key_and_gets_what_is_new() {
    let dir = temporary();
    KeyRing::open(&dir, Make::Missing, NOW).unwrap();
    fs::remove_file(dir.join("tree-a.key")).unwrap();
    assert!(KeyRing::open(&dir, Make::Nothing, NOW).is_ok());
    for absent in ["guard-a.key", "seal-a.pub", "body-a.key", "body-a.pub", "log-a.key", "log-a.pub"] {
        fs::remove_file(dir.join(absent)).unwrap();
    }
    fs::remove_file(dir.join("file-a.key")).unwrap();
    let ring = KeyRing::open(&dir, Make::Missing, NOW).unwrap();
    assert!(!dir.join("file-a.key").exists(), "a part of a ring must not get another one");
    assert!(!dir.join("guard-a.key").exists() && dir.join("seal-a.pub").exists());
    assert!(!dir.join("tree-a.key").exists(), "who does not sign must not make another one");
    assert_eq!(ring.guard().unwrap().purpose, Purpose::Index);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_file_that_others_may_read_or_that_holds_another_key_is_refused() {
    let dir = temporary();
    KeyRing::open(&dir, Make::Missing, NOW).unwrap();
    let open = || KeyRing::open(&dir, Make::Nothing, NOW).err();
    let path = dir.join("seal-a.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(open(), Some(RingError::Exposed { mode: 0o640, .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let public = dir.join("seal-a.pub");
    fs::set_permissions(&public, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(matches!(open(), Some(RingError::Exposed { mode: 0o664, .. })));
    fs::set_permissions(&public, fs::Permissions::from_mode(0o644)).unwrap();
    let (own, other) =
        (fs::read_to_string(&public).unwrap(), fs::read_to_string(dir.join("log-a.pub")).unwrap());
    fs::write(&public, other.replace("log", "seal")).unwrap();
    assert!(matches!(open(), Some(RingError::Malformed { .. })));
    fs::write(&public, own).unwrap();
    assert!(open().is_none());
    fs::write(&path, "key = 1").unwrap();
    assert!(matches!(open(), Some(RingError::Malformed { .. })));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_destroyed_key_is_gone_and_its_name_comes_back_last() {
    let dir = temporary();
    let mut ring = KeyRing::open(&dir, Make::Missing, NOW).unwrap();
    assert_eq!(ring.make(Purpose::Alias, NOW, Duration::ZERO).unwrap(), 'b');
    ring.destroy(Purpose::Alias, 'a').unwrap();
    assert!(!dir.join("alias-a.key").exists());
    assert_eq!(ring.make(Purpose::Alias, NOW, Duration::ZERO).unwrap(), 'c');
    assert_eq!(KeyRing::open(&dir, Make::Nothing, NOW).unwrap().keys(Purpose::Alias, NOW).unwrap().len(), 2);
    fs::remove_dir_all(dir).unwrap();
}
