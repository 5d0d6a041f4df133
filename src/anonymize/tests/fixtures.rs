//! Mail in, mail out: `fixtures/mail/NAME/in.eml` gives exactly `out.eml`, or the text in `refused.txt`, or why it is
//! held in `held.txt`. A name that begins with `merchant-` goes to the customer, any other one to the merchant.
//! `ANSHIN_BLESS=1` writes them anew, to be read before they are kept.

use super::{CUSTOMER, Direction, MERCHANT, Stop, World};
use std::path::PathBuf;

fn all() -> Vec<(String, PathBuf)> {
    let root = super::fixtures("mail");
    let mut all: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .collect();
    all.sort();
    all
}

fn direction(name: &str) -> Direction {
    if name.starts_with("merchant-") { Direction::ToCustomer } else { Direction::ToMerchant }
}

#[test]
fn every_fixture_gives_what_stands_beside_it() {
    let world = World::default();
    let mut wrong = Vec::new();
    let all = all();
    assert!(all.len() >= 25);
    for (name, path) in all {
        let mail = std::fs::read(path.join("in.eml")).unwrap();
        let (file, got) = match world.pass(direction(&name), &mail) {
            Ok(out) => ("out.eml", out.into_bytes()),
            Err(Stop::Refused(refusal)) => ("refused.txt", format!("{refusal}\n").into_bytes()),
            Err(Stop::Held(why)) => ("held.txt", format!("{why:?}\n").into_bytes()),
        };
        if std::env::var_os("ANSHIN_BLESS").is_some() {
            for other in ["out.eml", "refused.txt", "held.txt"].iter().filter(|other| **other != file) {
                let _ = std::fs::remove_file(path.join(other));
            }
            std::fs::write(path.join(file), &got).unwrap();
        }
        let expected = std::fs::read(path.join(file)).unwrap_or_default();
        if got != expected {
            wrong.push(format!("--- {name}: not {file}, but\n{}", String::from_utf8_lossy(&got)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_went_through_goes_through_again_with_no_other_change_than_the_trace() {
    let world = World::default();
    for (name, path) in all() {
        let Ok(out) = std::fs::read(path.join("out.eml")) else { continue };
        let again = world.pass(direction(&name), &out).unwrap().into_bytes();
        let body = |mail: &[u8]| mail[memchr::memmem::find(mail, b"\r\n\r\n").unwrap()..].to_vec();
        // Ids of nested messages and of calendars are mapped once more.
        let has_ids = [b"message/rfc822".as_slice(), b"UID:"];
        if has_ids.iter().all(|word| memchr::memmem::find(&out, word).is_none()) {
            assert_eq!(
                String::from_utf8_lossy(&body(&again)),
                String::from_utf8_lossy(&body(&out)),
                "{name}"
            );
        }
    }
}

#[test]
fn no_finished_fixture_holds_a_canary_or_a_line_it_should_not() {
    for (name, path) in all() {
        let Ok(out) = std::fs::read(path.join("out.eml")) else { continue };
        let text = String::from_utf8_lossy(&out).to_lowercase();
        for canary in [CUSTOMER, MERCHANT] {
            assert!(!text.contains(&format!("<{canary}>")), "{name}");
        }
        assert!(!crate::mime::lines::has_bare(&out), "{name}");
        let long = |mail: &[u8]| mail.split(|b| *b == b'\n').any(|line| line.len() > 999);
        assert!(!long(&out) || long(&std::fs::read(path.join("in.eml")).unwrap()), "{name}");
        assert!(World::default().gate(out).is_ok(), "{name}");
    }
}
