//! The planted corpus: a secret in every place, transfer encoding, charset, spelling and structure, and what must hold
//! of each mail: the negative control sees the secret in the mail as it was; afterwards nothing of it is left, or the
//! mail is stopped where the documentation says so; all other parts keep their octets and their order, the text around
//! the secret stays, and the message is as valid as the mail was.
//!
//! Rules: deterministic. The whole corpus runs in `tests/fuzz`, where it takes seconds; the relay's own unit tests, which
//! are not optimized, run a part of it, chosen by the seed that is printed (`ANSHIN_SEED` sets it).

mod canary;
mod charset;
mod claim;
mod header;
mod hidden;
mod kind;
mod passes;
mod reader;
mod report;
mod spelling;
mod stops;
mod structure;
mod table;
mod transfer;
mod variant;

pub use hidden::zip;

use claim::{Failure, Outcome, Wrong};
use report::Verdicts;
use std::collections::BTreeSet;
use std::sync::Mutex;
use table::Page;
use variant::{Generator, Variant};

/// How many variants there must be at least, and structures.
const VARIANTS: usize = 50_000;
const STRUCTURES: usize = 300;

/// How many threads share the corpus.
const PARTS: usize = 2;

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_planted_secret_leaks_nothing_else_changes_and_each_would_be_seen() {
    let whole = env!("CARGO_PKG_NAME") == "anshin-fuzz";
    let every = number("ANSHIN_EVERY").unwrap_or(if whole { 1 } else { 40 });
    let seed = number("ANSHIN_SEED").unwrap_or(0);
    println!("every {every}th variant with the seed {seed}");
    if let Some(only) = number("ANSHIN_VARIANT") {
        return show(only);
    }
    let results = Mutex::new((Verdicts::default(), Page::default(), BTreeSet::new(), 0));
    std::thread::scope(|scope| {
        for part in 0..PARTS {
            let results = &results;
            scope.spawn(move || {
                let worlds = canary::worlds();
                let mut sink = |variant: Variant<'_>| {
                    let judged = judged(&variant, &worlds[variant.world]);
                    let mut results = results.lock().unwrap();
                    results.1.note(&variant, judged.as_ref().unwrap_or(&Outcome::Fails));
                    if variant.text.is_some() {
                        results.2.insert((variant.inside.clone(), variant.place.clone()));
                    }
                    let stopped = |outcome| !stops::is_documented(&variant, outcome);
                    results.3 += usize::from(judged.as_ref().is_ok_and(stopped));
                    results.0.note(&variant, judged.as_ref().err());
                };
                Generator { sink: &mut sink, number: 0, every, seed, part }.run();
            });
        }
    });
    let (verdicts, page, structures, stopped) = results.into_inner().unwrap();
    println!("{} variants, {} structures", verdicts.count(), structures.len());
    println!("{stopped} stopped by the gate outside the list");
    if std::env::var_os("ANSHIN_BLESS").is_some() && every == 1 {
        agrees(&page.text());
    }
    assert_eq!(verdicts.failures(), 0, "{}", verdicts.groups());
    if every == 1 {
        assert!(verdicts.count() >= VARIANTS && structures.len() >= STRUCTURES);
        assert!(
            stopped * 1000 <= verdicts.count() * stops::PER_MILLE,
            "{stopped} are stopped outside the list"
        );
        agrees(&page.text());
    }
}

#[test]
fn the_reader_sees_an_address_behind_encodings_and_no_longer_one() {
    let wanted = reader::Wanted::address(super::CUSTOMER);
    let mail = |text: &str| format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").into_bytes();
    for (text, squeezed, plainly) in [
        ("to hana.suzuki@mailbox.example.", true, false),
        ("to hana.suzuki@mailbox.example", true, true),
        ("to ｈａｎａ.suzuki%40mailbox.example", true, true),
        ("aGFuYS5zdXp1a2lAbWFpbGJveC5leGFtcGxl", true, true),
        ("hana. suzuki\r\n> @mailbox.example", true, false),
        ("hana.suzuki@mailbox.example.org", true, false),
        ("hana.suzuki@mail.example", false, false),
        ("suzuki@mailbox.example", false, false),
    ] {
        let mail = mail(text);
        assert_eq!(reader::sees(&mail, &wanted).is_some(), squeezed, "{text}");
        assert_eq!(reader::sees_plainly(&mail, &wanted).is_some(), plainly, "{text}");
    }
}

/// The verdict, with the list of documented stops.
fn judged(variant: &Variant<'_>, world: &super::World) -> Result<Outcome, Failure> {
    let outcome = claim::judge(variant, world)?;
    if stops::is_documented(variant, &outcome) || stops::is_by_the_gate(&outcome) {
        Ok(outcome)
    } else {
        Err(Failure { wrong: Wrong::Stopped, note: format!("{outcome:?}") })
    }
}

/// The page of places says what the run showed.
fn agrees(text: &str) {
    let path = super::fixtures("..").join("docs/places.md");
    if std::env::var_os("ANSHIN_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(page == text, "docs/places.md is not what the run shows (ANSHIN_BLESS=1 writes it): {differs:?}");
}

/// One variant for a person: the mail, and what became of it.
fn show(only: usize) {
    let worlds = canary::worlds();
    for part in 0..PARTS {
        let mut sink = |variant: Variant<'_>| {
            if variant.number != only {
                return;
            }
            let world = &worlds[variant.world];
            let out = claim::shown(&variant, world);
            let verdict = match judged(&variant, world) {
                Ok(outcome) => format!("{outcome:?}"),
                Err(failure) => format!("{:?}: {}", failure.wrong, failure.note),
            };
            println!(
                "{} in {} in {}, {}, {}, {}\n{}\n---- becomes\n{out}\n---- {verdict}",
                variant.canary.value,
                variant.place,
                variant.inside,
                variant.encoding,
                variant.charset,
                variant.spelling.name,
                String::from_utf8_lossy(&variant.mail),
            );
        };
        Generator { sink: &mut sink, number: 0, every: 1, seed: 0, part }.run();
    }
}
