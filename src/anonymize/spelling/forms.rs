//! Forms of single characters: what each is without its width, its brackets and its case.
//!
//! When it fails: never; what has no other form stays.

use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// What a character is in NFKC and lower case.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Stays,
    One(char),
    Several,
}

/// The forms of the first plane, found once.
pub(super) static FORMS: LazyLock<Vec<Form>> =
    LazyLock::new(|| (0..=0xffff).map(|code| char::from_u32(code).map_or(Form::Stays, form)).collect());

pub(super) fn form(c: char) -> Form {
    let mut plain = c.nfkc();
    match (plain.next(), plain.next()) {
        (Some(one), None) => match one.to_lowercase().next() {
            Some(lower) if lower != c => Form::One(lower),
            _ => Form::Stays,
        },
        (None, _) => Form::Stays,
        _ => Form::Several,
    }
}

/// The same place in another row of letters.
pub(super) fn shifted(c: char, from: u32, to: char) -> Option<char> {
    char::from_u32(u32::from(c) - from + u32::from(to))
}
