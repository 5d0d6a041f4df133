//! Whether a domain goes on behind its end: `shop.example` in `shop.example.tw`, `shop.example.co.jp` and
//! `shop.example-group.jp`, which are other people's.
//!
//! Rules: a dot and labels that end domains (RFC 1034 §3.1; the countries of ISO 3166-1 and a few others, RFC 1591 §2), or a
//! hyphen and labels that end in one of them; no letter of any script directly behind them. They are written like the domain,
//! in small letters or all in capitals: any other word begins a sentence, where the blank is missing. What also ends names of
//! files is no country, and a full stop of Japanese (`。`) is none of a domain.
//! When it fails: never. In doubt the domain ends. What looks like a country and is a word (`shop.example.it's`) leaves
//! another address than the one that is looked for.

use super::search::down;
use super::spelling;
use crate::mime::view::View;
use std::ops::Range;

/// Longest stretch of a text that is looked at on either side of a domain's end, in octets.
const NEAR: usize = 255;

/// Labels of countries, two letters each.
const COUNTRIES: &[u8] = b"acadaeafagaialamaoaqarasatauawaxazbabbbdbebfbgbhbibjbmbnbobrbsbtbwbybzcacccdcfcgchcick\
clcmcncocrcucvcwcxcyczdedjdkdmdodzeceeegereseteufifjfkfmfofrgagdgegfggghgiglgmgngpgqgrgsgtgugwgyhkhmhnhrhthuidieilimin\
ioiqirisitjejmjojpkekgkhkikmknkpkrkwkykzlalblclilklrlsltlulvlymamcmdmemgmhmkmlmmmnmompmqmrmsmtmumvmwmxmymznancnenfngni\
nlnonpnrnunzompapepfpgphpkplpmpnprpsptpwpyqarerorsrurwsasbscsdsesgshsiskslsmsnsosrssstsvsxsysztctdtftgthtjtktltmtntotr\
tttvtwtzuaugukusuyuzvavcvevgvivnvuwfwsyeytzazmzw";
/// Longer labels that end domains or stand before a country's.
const GENERIC: [&[u8]; 8] = [b"com", b"net", b"org", b"info", b"biz", b"edu", b"gov", b"jp"];
/// Labels that only stand before a country's.
const SECOND: [&[u8]; 9] = [b"co", b"ne", b"or", b"ac", b"go", b"gr", b"ad", b"ed", b"lg"];

/// Labels of countries that are also endings of file names.
const FILES: [&[u8]; 11] = [b"ai", b"cc", b"md", b"ml", b"pl", b"pm", b"ps", b"py", b"rs", b"sh", b"so"];
/// Labels before which such a country is one.
const BEFORE_FILES: [&[u8]; 6] = [b"com", b"net", b"org", b"edu", b"gov", b"co"];

/// Whether what stands `behind` a domain, with which `before` ends, goes on with it.
pub fn goes_on(before: &[u8], behind: &[u8]) -> bool {
    let Some((joint @ (b'.' | b'-'), mut rest)) = behind.split_first() else { return false };
    let mut labels: Vec<&[u8]> = Vec::new();
    loop {
        let next = label(rest);
        if next.is_empty() {
            break;
        }
        labels.push(next);
        rest = rest.get(next.len()..).unwrap_or_default();
        let Some(behind) = rest.strip_prefix(b".") else { break };
        rest = behind;
    }
    if begins_with_letter(rest) || !are_written_like(before, &labels) {
        return false;
    }
    match (joint, labels.as_slice()) {
        (b'.', [only]) => ends_domain(only),
        (b'.', [first, last]) if is_in(&FILES, last) => is_in(&BEFORE_FILES, first),
        (b'.', [first, last]) if is_in(&GENERIC, first) || is_in(&SECOND, first) => is_country(last),
        (b'.', [first, last]) => is_country(first) && ends_domain(last),
        (b'-', [first, .., last]) => {
            let begins = first.first().is_some_and(u8::is_ascii_alphabetic) && !first.ends_with(b"-");
            let has_site = labels.iter().any(|label| label.to_ascii_lowercase().starts_with(b"www"));
            begins && !has_site && ends_domain(last)
        }
        _ => false,
    }
}

/// Whether the domain that ends `range` in a view goes on behind it, as it is written in the `text` to which `stack` leads
/// back.
pub fn goes_on_below(hay: &[u8], range: &Range<usize>, stack: &[&View], text: &[u8]) -> bool {
    let near = range.start.max(range.end.saturating_sub(NEAR))..range.end;
    let before = as_written(hay, near, stack, text);
    let behind = as_written(hay, range.end..(range.end + NEAR).min(hay.len()), stack, text);
    goes_on(&before, &behind)
}

/// Whether the dot before `start` in a view is the end of a sentence in the text below.
pub fn is_behind_stop(hay: &[u8], start: usize, stack: &[&View], text: &[u8]) -> bool {
    let Some(dot) = start.checked_sub(1).filter(|dot| hay.get(*dot) == Some(&b'.')) else { return false };
    down(dot..start, stack).first().and_then(|range| text.get(range.clone())).is_some_and(is_stop)
}

/// A stretch of a view in the letters of the text below, up to where it is not in one piece there or a sentence ends.
fn as_written(hay: &[u8], range: Range<usize>, stack: &[&View], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(range.len());
    let mut last: Option<Range<usize>> = None;
    for at in range {
        let pieces = down(at..at + 1, stack);
        let ([piece], Some(b)) = (pieces.as_slice(), hay.get(at)) else { break };
        if last.as_ref().is_some_and(|last| last.end != piece.start && last != piece) {
            break;
        }
        let raw = text.get(piece.clone()).unwrap_or_default();
        match (raw, b) {
            (_, b'.') if is_stop(raw) => break,
            ([one], _) if one.eq_ignore_ascii_case(b) => out.push(*one),
            (_, b'a'..=b'z') => out.push(match spelling::is_capital(raw) {
                Some(true) => b.to_ascii_uppercase(),
                Some(false) => *b,
                None => b'?',
            }),
            _ => out.push(*b),
        }
        last = Some(piece.clone());
    }
    out
}

/// Whether what reads as a dot is a full stop of Japanese, as a character or an escape.
fn is_stop(raw: &[u8]) -> bool {
    let raw = raw.to_ascii_lowercase();
    let spelled =
        ["。", "｡", "3002", "ff61", "12290", "65377", "e3%80%82", "ef%bd%a1", "e3%2580%2582", "ef%25bd%25a1"];
    spelled.iter().any(|stop| memchr::memmem::find(&raw, stop.as_bytes()).is_some())
}

/// Whether labels have capitals where the domain has no small letters, and none where it has.
fn are_written_like(before: &[u8], labels: &[&[u8]]) -> bool {
    let is_in_domain = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let mut domain =
        before.iter().rev().take(NEAR).take_while(is_in_domain).filter(|b| b.is_ascii_alphabetic());
    let is_loud = domain.next().is_some_and(u8::is_ascii_uppercase) && domain.all(u8::is_ascii_uppercase);
    labels
        .iter()
        .copied()
        .flatten()
        .all(|b| if is_loud { !b.is_ascii_lowercase() } else { !b.is_ascii_uppercase() })
}

fn label(text: &[u8]) -> &[u8] {
    let length =
        text.iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    text.get(..length).unwrap_or_default()
}

/// Whether a letter or number of any script stands at the beginning of a text in UTF-8.
fn begins_with_letter(text: &[u8]) -> bool {
    let first = text.get(..text.len().min(4)).unwrap_or_default().utf8_chunks().next();
    first.and_then(|chunk| chunk.valid().chars().next()).is_some_and(char::is_alphanumeric)
}

fn ends_domain(label: &[u8]) -> bool {
    is_in(&GENERIC, label) || is_country(label) && !is_in(&FILES, label)
}

fn is_in(list: &[&[u8]], label: &[u8]) -> bool {
    list.iter().any(|own| label.eq_ignore_ascii_case(own))
}

fn is_country(label: &[u8]) -> bool {
    label.len() == 2 && COUNTRIES.as_chunks::<2>().0.iter().any(|own| label.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_end_domains_go_on_and_words_do_not() {
        for behind in [
            ".tw",
            ".tw>",
            ".tw。",
            ".co.jp",
            ".com",
            ".org,",
            ".com.au",
            ".or.jp/",
            "-group.jp",
            "-x.y.com",
            ".uk.",
            ".com.py",
            ".co.jp. ",
            ".uk.com",
        ] {
            assert!(goes_on(b"bob@a.example", behind.as_bytes()), "{behind}");
            let loud = behind.to_ascii_uppercase();
            assert!(goes_on("前BOB@A.EXAMPLE".as_bytes(), loud.as_bytes()), "{loud}");
            assert!(loud == behind || !goes_on(b"bob@a.example", loud.as_bytes()), "{loud}");
        }
        for behind in [
            "",
            ".",
            ". it",
            ".Is",
            ".It's",
            ".thanks",
            ".ok",
            ".or else",
            ".go",
            ".twx",
            ".tw-x",
            "..tw",
            "-",
            "-group",
            "-thanks.Bye",
            "-x.1",
            ".です",
            ".com2",
            "/tw",
            ".TVで",
            ".idは",
            ".twへ",
            ".No.5",
            ".no.5",
            ".py",
            ".md",
            ".zip",
            "-2026.pdf",
            "-logo.png",
            "-www.x.jp",
            "----www.x.jp",
            "-x.py",
            "-x-.jp",
            "-2.jp",
            ".info.md",
            ".com.pdf",
        ] {
            assert!(!goes_on(b"bob@a.example", behind.as_bytes()), "{behind}");
        }
    }
}
