//! What the tests of this floor share: whom they look for, and a search like a caller's.

mod clean;
mod hostile;
mod image;
mod office;
mod pdf;
mod write;
mod zip;

use super::{Finding, Kind, Limits, Text, kind, scan};

/// Whom the documents must not name.
const HANA: &str = "hana@mailbox.example";

/// A caller's search: the address alone, no part of a longer one, in UTF-8, in UTF-16 of both orders.
fn names(text: Text<'_>) -> bool {
    let wide = |swap: bool| {
        HANA.encode_utf16().flat_map(move |unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() })
    };
    match text {
        Text::Unicode(text) => alone(text.as_bytes(), HANA.as_bytes()),
        Text::Octets(octets) => {
            let (le, be): (Vec<u8>, Vec<u8>) = (wide(false).collect(), wide(true).collect());
            alone(octets, HANA.as_bytes())
                || memchr::memmem::find(octets, &le).is_some()
                || memchr::memmem::find(octets, &be).is_some()
        }
    }
}

fn alone(hay: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find_iter(hay, needle).any(|at| {
        let before = at.checked_sub(1).and_then(|at| hay.get(at));
        let behind = hay.get(at + needle.len());
        [before, behind].iter().all(|b| b.is_none_or(|b| !b.is_ascii_alphanumeric()))
    })
}

fn look(octets: &[u8]) -> Finding {
    let kind = kind(octets, "", "").expect("a document");
    look_as(octets, kind)
}

fn look_as(octets: &[u8], kind: Kind) -> Finding {
    scan(octets, kind, &Limits::for_size(octets.len()), &mut names)
}

#[track_caller]
fn found(octets: &[u8]) {
    assert_eq!(look(octets), Finding::Names);
}

/// The document names her only where it says so: the same one with another name is clean.
#[track_caller]
fn found_with(write: impl Fn(&str) -> Vec<u8>) {
    assert_eq!(look(&write(HANA)), Finding::Names);
    assert_eq!(look(&write("kenji@elsewhere.test")), Finding::Clean);
}
