//! What is claimed of each planted mail, and what came of it.

use super::canary;
use super::header::Keep;
use super::reader::{self, Wanted};
use super::spelling::Shows;
use super::variant::{Text, Variant};
use crate::anonymize::tests::World;
use crate::anonymize::{Outcome as Passed, Passage, Refusal, anonymize};

/// What became of a mail in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The alias stands in the place of the secret.
    Replaced,
    /// The secret is gone with what it stood in.
    Removed,
    /// Refused, with the reason and the text for the sender.
    Refused(String, String),
    /// Held for a decision.
    Held(String),
    /// Not as it must be: such a page is no page to publish.
    Fails,
}

/// What is wrong, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// The secret can be read in the passed message.
    Leak,
    /// The reader does not see the secret in the mail as it was: the cell proves nothing.
    Blind,
    /// A part without a secret changed or moved.
    OtherPart,
    /// The text around the secret changed, or the alias does not stand there.
    Text,
    /// The alias is not in a field that keeps its text.
    Field,
    /// Parts came or went.
    Tree,
    /// A line, line end or octet that was not there before and may not be there.
    Form,
    /// Refused or held where that is not documented.
    Stopped,
}

/// What is wrong with one variant, for a person.
pub struct Failure {
    pub wrong: Wrong,
    pub note: String,
}

/// The mail as it comes in, with what its way left in it.
fn whole(variant: &Variant<'_>) -> Vec<u8> {
    let end: &[u8] = if variant.mail.ends_with(b"\r\n") { b"" } else { b"\r\n" };
    [variant.trace.as_bytes(), &variant.mail, end].concat()
}

fn pass(whole: &[u8], variant: &Variant<'_>, world: &World) -> Result<Passed, Refusal> {
    world.with_passage(variant.canary.direction, |passage| {
        anonymize(whole, &Passage { peer: Some(&canary::peer()), ..*passage })
    })
}

/// The message, or why there is none, for a person.
pub fn shown(variant: &Variant<'_>, world: &World) -> String {
    match pass(&whole(variant), variant, world).map(|outcome| outcome.message) {
        Ok(Ok(message)) => String::from_utf8_lossy(message.as_bytes()).into_owned(),
        Ok(Err(held)) => format!("held, {:?}\n{}", held.why, String::from_utf8_lossy(&held.bytes)),
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// Judges one variant.
pub fn judge(variant: &Variant<'_>, world: &World) -> Result<Outcome, Failure> {
    let fail = |wrong, note: String| Err(Failure { wrong, note });
    let wanted = if variant.canary.alias.is_some() {
        Wanted::address(&variant.canary.value)
    } else {
        Wanted::name(&variant.canary.value)
    };
    let mut control = variant.mail.clone();
    if !control.ends_with(b"\r\n") {
        control.extend_from_slice(b"\r\n");
    }
    if reader::sees(&control, &wanted).is_none() {
        return fail(Wrong::Blind, String::new());
    }
    let whole = whole(variant);
    let out = match pass(&whole, variant, world) {
        Err(refusal) => return Ok(Outcome::Refused(format!("{refusal:?}"), refusal.to_string())),
        Ok(outcome) => match outcome.message {
            Err(held) => return Ok(Outcome::Held(format!("{:?}", held.why))),
            Ok(message) => message.into_bytes(),
        },
    };
    if let Some(place) = reader::sees(&out, &wanted) {
        return fail(Wrong::Leak, place);
    }
    if let Some(note) = form(&whole, &out) {
        return fail(Wrong::Form, note);
    }
    let mut at = 0;
    for (i, part) in variant.clean.iter().enumerate() {
        match memchr::memmem::find(&out[at..], part) {
            Some(found) => at += found + part.len(),
            None => return fail(Wrong::OtherPart, format!("part {i}")),
        }
    }
    let signed = variant.inside.contains("signed") || variant.inside.contains("key");
    // What two programs read as two trees may come out as one of them.
    let ambiguous = ["two types", "two encodings", "two boundaries", "no boundary", "occurs nowhere"]
        .iter()
        .any(|name| variant.inside.starts_with(name) || variant.inside.ends_with(name));
    if !signed && !ambiguous && variant.text.is_some() && reader::shape(&control) != reader::shape(&out) {
        return fail(Wrong::Tree, reader::shape(&out).join(" "));
    }
    let alias = variant.canary.alias.as_deref().map(|alias| reader::squeeze(&reader::fold(alias)));
    if let Some(text) = &variant.text
        && !ambiguous
        // What the reader cannot take apart before it cannot be asked for afterwards.
        && text_around(&control, text).is_some()
    {
        let Some(middle) = text_around(&out, text) else {
            return fail(Wrong::Text, "head or tail".to_owned());
        };
        if let Some(note) = middle_is_wrong(variant, text, &middle, alias.as_deref()) {
            return fail(Wrong::Text, note);
        }
    }
    let replaced = alias.as_deref().is_some_and(|alias| shows(&out, alias));
    if variant.keep == Keep::Shown && variant.canary.alias.is_some() && !replaced {
        return fail(Wrong::Field, String::new());
    }
    Ok(if replaced { Outcome::Replaced } else { Outcome::Removed })
}

/// Whether the alias stands anywhere but in the fields that always have it.
fn shows(out: &[u8], alias: &str) -> bool {
    let mut rest = Vec::with_capacity(out.len());
    let (mut ours, mut header) = (false, true);
    for line in out.split_inclusive(|b| *b == b'\n') {
        header &= line != b"\r\n";
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            ours = [&b"From:"[..], b"Reply-To:", b"To:"].iter().any(|name| line.starts_with(name));
        }
        if !(header && ours) {
            rest.extend_from_slice(line);
        }
    }
    let wanted = Wanted::address(alias);
    reader::headers(&rest).contains(alias) || reader::sees(&rest, &wanted).is_some()
}

/// The octets between head and tail of the planted text, in whichever part has both.
fn text_around(mail: &[u8], text: &Text) -> Option<Vec<u8>> {
    reader::leaves(mail).into_iter().find_map(|leaf| {
        let rest = leaf.strip_prefix(&text.head[..])?;
        let end = if text.tail.is_empty() { rest.len() } else { memchr::memmem::rfind(rest, &text.tail)? };
        Some(rest[..end].to_vec())
    })
}

fn middle_is_wrong(variant: &Variant<'_>, text: &Text, middle: &[u8], alias: Option<&str>) -> Option<String> {
    // A fold of a calendar may fall into an entity.
    let whole = |text: &str| text.replace("=\r\n", "").replace("\r\n ", "").replace("&shy;", "");
    let bare = |text: &str| reader::squeeze(&reader::fold(&whole(text)));
    let shown = |text: &str| bare(&reader::visible(&reader::fold(text)).swap_remove(0));
    let read = text.charset.decode(middle);
    let (before, behind) = (bare(&text.before), bare(&text.behind));
    let squeezed = bare(&read);
    let around = squeezed.strip_prefix(&before).and_then(|rest| rest.strip_suffix(&behind));
    let good = match alias {
        Some(alias) if variant.spelling.shows == Shows::Alias => {
            let whole = format!(
                "{}{}{}",
                text.before,
                variant.canary.alias.as_deref().unwrap_or_default(),
                text.behind
            );
            around == Some(alias)
                || shown(&read) == shown(&whole)
                || around.is_some_and(|rest| {
                    rest.contains(alias) && rest.len() <= alias.len() + keeps_more(variant.spelling.name)
                })
        }
        _ => around.is_some(),
    };
    (!good).then_some(read)
}

/// How many letters beside the address a spelling may have that are no part of it.
fn keeps_more(spelling: &str) -> usize {
    match spelling {
        "mailto" => 7,
        "dot at the end" => 1,
        "query of a link" => 30,
        "comment" => 4,
        _ => 0,
    }
}

/// Lines, line ends and octets that were not in the mail and must not be in the message.
fn form(before: &[u8], after: &[u8]) -> Option<String> {
    let longest = |mail: &[u8]| {
        mail.split(|b| *b == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line).len())
            .max()
            .unwrap_or(0)
    };
    if longest(after) > 998 && longest(before) <= 998 {
        return Some(format!("line of {} octets", longest(after)));
    }
    let bare = after.iter().enumerate().any(|(i, b)| match b {
        b'\n' => i == 0 || after[i - 1] != b'\r',
        b'\r' => after.get(i + 1) != Some(&b'\n'),
        _ => false,
    });
    if bare {
        return Some("bare line end".to_owned());
    }
    if before.is_ascii() && !after.is_ascii() {
        return Some("octets above 127 in a mail that had none".to_owned());
    }
    (after.contains(&0) && !before.contains(&0)).then(|| "NUL".to_owned())
}
