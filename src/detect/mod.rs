//! Rules that find fraud in what is recorded: text files with an expression in the language of searches.
//! docs/detections.md has the form of a file, and every rule that comes with the program.
//!
//! Rules: pure. A rule asks of one row what a search asks of it, so that it finds at the door what a search finds in the past. Bounded:
//! 16 KiB a file, 200 rules, 100,000 values counted at a time.
//! When it fails: [`Flaw`], at its word.

mod builtin;
mod count;
mod field;
mod rule;
#[cfg(test)]
mod tests;

pub use builtin::built_in;
pub use count::Counting;
pub use field::Flaw;
pub use rule::{Mode, RULES_MAX, Rule, Rules, Threshold};
