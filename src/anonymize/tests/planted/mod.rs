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
mod reader;
mod report;
mod spelling;
mod structure;
mod transfer;
mod variant;

use claim::{Failure, Outcome, Wrong};
use report::Verdicts;
use std::collections::BTreeSet;
use variant::{Generator, Variant};

/// How many variants there must be at least, and structures.
const VARIANTS: usize = 50_000;
const STRUCTURES: usize = 300;

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Whether stopping a mail is what the documentation says.
fn may_stop(_variant: &Variant<'_>, _outcome: &Outcome) -> bool {
    false
}

#[test]
fn no_planted_secret_leaks_nothing_else_changes_and_each_would_be_seen() {
    let whole = env!("CARGO_PKG_NAME") == "anshin-fuzz";
    let every = number("ANSHIN_EVERY").unwrap_or(if whole { 1 } else { 40 });
    let seed = number("ANSHIN_SEED").unwrap_or(0);
    let only = number("ANSHIN_VARIANT");
    println!("every {every}th variant with the seed {seed}");
    let worlds = canary::worlds();
    let mut verdicts = Verdicts::default();
    let mut trees = BTreeSet::new();
    let mut sink = |variant: Variant<'_>| {
        if only.is_some_and(|only| only != variant.number) {
            return;
        }
        trees.insert((variant.inside.clone(), variant.place.clone(), variant.pass));
        let judged = claim::judge(&variant, &worlds[variant.world]);
        let failure = match judged {
            Err(failure) => Some(failure),
            Ok(outcome @ (Outcome::Refused(_) | Outcome::Held(_))) if !may_stop(&variant, &outcome) => {
                Some(Failure { wrong: Wrong::Stopped, note: format!("{outcome:?}") })
            }
            Ok(_) => None,
        };
        if only.is_some() {
            show(&variant, &worlds[variant.world], failure.as_ref());
        }
        verdicts.note(&variant, failure.as_ref());
    };
    Generator { sink: &mut sink, number: 0, every, seed }.run();
    println!("{} variants, {} structures", verdicts.count(), trees.len());
    assert_eq!(verdicts.failures(), 0, "{}", verdicts.groups());
    assert!(every > 1 || only.is_some() || (verdicts.count() >= VARIANTS && trees.len() >= STRUCTURES));
}

/// One variant for a person: the mail, and what became of it.
fn show(variant: &Variant<'_>, world: &super::World, failure: Option<&Failure>) {
    let out = world.with_passage(variant.canary.direction, |passage| {
        super::super::rewrite(&variant.mail, passage).map(|out| String::from_utf8_lossy(&out).into_owned())
    });
    println!(
        "{} in {} in {}, {}, {}, {}\n{}\n----\n{}",
        variant.canary.value,
        variant.place,
        variant.inside,
        variant.encoding,
        variant.charset,
        variant.spelling.name,
        String::from_utf8_lossy(&variant.mail),
        out.unwrap_or_else(|refusal| format!("{refusal:?}")),
    );
    if let Some(failure) = failure {
        println!("---- {:?}: {}", failure.wrong, failure.note);
    }
}
