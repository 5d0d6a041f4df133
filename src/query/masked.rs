//! What a term is called in an answer: enough for whoever typed it to know it again, nothing that names anybody.

use super::words::{Takes, Word};

/// A value without what it names.
pub(super) fn masked(word: Word, value: &str) -> String {
    match word.takes() {
        Takes::Correspondent | Takes::Address | Takes::Domain => match value.rsplit_once('@') {
            Some((local, domain)) => format!("{}@{}", first(local), first(domain)),
            None => first(value),
        },
        Takes::Ip | Takes::Net => network(value),
        Takes::Origin if value.len() > 2 => network(value),
        Takes::Order | Takes::Hash => first(value),
        // A store's id is on its pages.
        Takes::Text if word != Word::Store => first(value),
        _ => value.to_owned(),
    }
}

fn first(text: &str) -> String {
    let head: String = text.chars().take(1).collect();
    if head.is_empty() { head } else { format!("{head}…") }
}

/// The first part of an address, before its first dot or colon.
fn network(text: &str) -> String {
    let head = text.split(['.', ':']).next().unwrap_or_default();
    format!("{head}…")
}
