//! Where a mail is stopped rather than passed: the list, each with its reason. Whatever else is stopped is a failure.

use super::claim::Outcome;
use super::variant::Variant;

/// Structures and places whose mails are refused, and the reason.
const REFUSED: &[(&str, &str, &str)] = &[
    ("encrypted", "Encrypted", "nothing can be checked"),
    ("signed, opaque", "Signed", "what is inside is no text that can be cut out"),
    ("signed, opaque", "Encrypted", "the same, where it is not even seen that it is signed"),
    ("beside a pointer elsewhere", "Incomplete", "the text is not in the mail"),
    ("pointer elsewhere", "Incomplete", "the text is not in the mail"),
    ("message in pieces", "Incomplete", "an address may lie in two mails"),
];

/// Most of a thousand variants that may be stopped outside the list.
pub const PER_MILLE: usize = 24;

/// Whether stopping the mail of this variant is what the list says.
pub fn is_documented(variant: &Variant<'_>, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused(reason, _) => {
            // Nobody here reads it, nor do most programs.
            if variant.charset == "EBCDIC" && reason == "Charset" {
                return true;
            }
            let listed = |place: &str| REFUSED.iter().any(|(name, why, _)| *name == place && why == reason);
            listed(&variant.inside) || listed(&variant.place)
        }
        // Its sender confirms a file; an address inside a token is found by the gate, and nobody can write another there.
        Outcome::Held(_) => variant.pass == "file" || variant.spelling.group == "tokens",
        Outcome::Replaced | Outcome::Removed | Outcome::Fails => true,
    }
}

/// Whether the gate stopped what the rewriter left: nothing leaks and nothing is lost, but a mail waits that need not.
/// How many do is bounded, so that the rewriter cannot leave its work to the gate.
pub fn is_by_the_gate(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Held(_) => true,
        Outcome::Refused(reason, _) => reason == "Residue",
        Outcome::Replaced | Outcome::Removed | Outcome::Fails => false,
    }
}
