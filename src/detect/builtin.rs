//! The rules that come with the program, each in a file of its own in `rules/`.

use super::{Flaw, Rule};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("rules/", $name, ".rule")))),*]
    };
}

const FILES: [(&str, &str); 8] = files![
    "P1-unregistered-sender",
    "P3-forged-sender",
    "P4-unknown-thread",
    "P5-enumeration",
    "P6-other-sender",
    "P7-no-order",
    "P8-dangerous-file",
    "P9-known-bad",
];

/// All of them.
///
/// # Errors
/// All flaws that there are; a test holds that there are none.
pub fn built_in() -> Result<Vec<Rule>, Vec<Flaw>> {
    let read: Vec<Result<Rule, Flaw>> =
        FILES.into_iter().map(|(name, text)| Rule::parse(name, text)).collect();
    let flaws: Vec<Flaw> = read.iter().filter_map(|rule| rule.as_ref().err().cloned()).collect();
    if flaws.is_empty() { Ok(read.into_iter().flatten().collect()) } else { Err(flaws) }
}
