//! What is sealed opens for its recipients and nobody else, whole or not at all; with the tool of others see `tests/it/relay/export.rs`.

use super::*;
use std::io::Write;

const CHUNK: usize = 64 * 1024;

fn sealed(text: &[u8], to: &[Recipient]) -> Vec<u8> {
    let mut sealer = Sealer::new(Vec::new(), to).unwrap();
    // In pieces that meet no edge.
    text.chunks(1000).for_each(|piece| sealer.write_all(piece).unwrap());
    sealer.finish().unwrap()
}

fn opened(file: &[u8], identity: &Identity) -> Result<Vec<u8>, AgeFault> {
    let (mut opener, mut text) = (Opener::new(file, identity)?, Vec::new());
    while let Some(chunk) = opener.chunk()? {
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

#[test]
fn a_file_of_any_size_opens_for_each_of_its_recipients_and_for_nobody_else() {
    let people = [Identity::new(), Identity::new()];
    let to = people.each_ref().map(|person| person.recipient().unwrap());
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 200_000] {
        let text: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let file = sealed(&text, &to);
        for person in &people {
            assert!(opened(&file, person).unwrap() == text, "{size}");
        }
        assert!(matches!(opened(&file, &Identity::new()), Err(AgeFault::OtherKey)));
        assert!(size == 0 || !file.windows(16).any(|run| text.windows(16).take(1).any(|own| own == run)));
    }
    assert!(sealed(b"text", &to) != sealed(b"text", &to));
}

#[test]
fn a_file_that_was_altered_or_is_cut_off_does_not_open() {
    let person = Identity::new();
    let to = [person.recipient().unwrap()];
    let file = sealed(b"a text of some length", &to);
    for at in 0..file.len() {
        let mut other = file.clone();
        other[at] ^= 1;
        assert!(opened(&other, &person).is_err(), "octet {at}");
        assert!(opened(&file[..at], &person).is_err(), "length {at}");
    }
    assert!(opened(&[&file[..], b"x"].concat(), &person).is_err());
    // At the edge of a chunk, where all that is left is genuine.
    let long = sealed(&[7; 3 * CHUNK], &to);
    let head = long.len() - 3 * (CHUNK + 16);
    assert!(matches!(opened(&long[..head + CHUNK + 16], &person), Err(AgeFault::Altered)));
    let (one, two) = (head + CHUNK + 16, head + 2 * (CHUNK + 16));
    let swapped = [&long[..head], &long[one..two], &long[head..one], &long[two..]].concat();
    assert!(matches!(opened(&swapped, &person), Err(AgeFault::Altered)));
}

#[test]
fn keys_are_read_as_they_are_shown_and_what_is_none_is_refused() {
    let person = Identity::new();
    let file = format!("# created: 2026-11-27\n# public key: age1…\n{}\n", *person.show());
    let again = Identity::read(&file).unwrap();
    let recipient = again.recipient().unwrap();
    assert_eq!(recipient, person.recipient().unwrap());
    assert_eq!(Recipient::parse(&recipient.to_string()), Some(recipient));
    assert!(person.show().starts_with("AGE-SECRET-KEY-1"));
    assert!(matches!(Identity::read("# nothing"), Err(AgeFault::NoKey)));
    // A point of low order (RFC 7748 §6.1), and a secret key in the place of a public one.
    assert_eq!(Recipient::parse(&bech32::encode(RECIPIENT, &[0; 32])), None);
    assert_eq!(Recipient::parse(&person.show()), None);
    assert!(Sealer::new(Vec::new(), &[]).is_err());
    for other in ["", "age-encryption.org/v1\n", "age-encryption.org/v2\n--- x\n", "PK\u{3}\u{4}"] {
        assert!(matches!(opened(other.as_bytes(), &person), Err(AgeFault::Format)), "{other}");
    }
}
