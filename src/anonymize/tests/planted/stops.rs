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
    ("report", "Report", "reports are for the relay"),
    ("delivery status", "Report", "reports are for the relay"),
    ("delivery status, diagnostic", "Report", "reports are for the relay"),
    ("disposition notification", "Report", "reports are for the relay"),
    ("feedback report", "Report", "reports are for the relay"),
    ("boundary in pieces", "Mime(Boundary)", "programs read it differently"),
    ("two boundaries", "Mime(Boundary)", "programs read it differently"),
    ("no boundary", "Mime(Boundary)", "programs read it differently"),
    ("boundary that occurs nowhere", "Mime(Boundary)", "programs read it differently"),
    ("two types", "Mime(Duplicate)", "programs read it differently"),
    ("two types, the other last", "Mime(Duplicate)", "programs read it differently"),
    ("two encodings", "Mime(Duplicate)", "programs read it differently"),
    ("line that is no field in a part", "Mime(PartHeader)", "programs read it differently"),
    ("line that is no field, at the end", "Mime(PartHeader)", "the text begins there for some"),
    ("line that is no field in a message inside", "Mime(PartHeader)", "the text begins there for some"),
    ("part of a header without text", "Mime(PartHeader)", "the text begins there for some"),
    ("name of a field", "Mime(PartHeader)", "a name with such octets is no field"),
    ("type of a part", "Mime(ContentType)", "programs read it differently"),
    ("media subtype", "Mime(ContentType)", "programs read it differently"),
    ("name of a parameter", "Mime(ContentType)", "programs read it differently"),
    ("transfer encoding of a part", "Mime(TransferEncoding)", "programs read it differently"),
    ("boundary", "Mime(Boundary)", "no boundary has such octets"),
];

/// Whether stopping the mail of this variant is what the documentation says.
pub fn is_documented(variant: &Variant<'_>, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused(reason, _) => {
            let listed = |place: &str| REFUSED.iter().any(|(name, why, _)| *name == place && why == reason);
            reason == "Residue"
                || listed(&variant.inside)
                || listed(&variant.place)
                // Few programs read uuencode as a transfer encoding; what they show is not certain.
                || (variant.encoding == "uuencode" && reason == "Mime(TransferEncoding)")
        }
        // Its sender confirms a file; what the rewriter cannot write anew, the gate holds: nothing is lost, nothing leaks.
        Outcome::Held(_) => true,
        Outcome::Replaced | Outcome::Removed | Outcome::Fails => true,
    }
}
