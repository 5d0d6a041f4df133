//! The ways to write a secret.
//!
//! Rules: a spelling is written for an address and, where it makes sense, for a bare name (a host, an IP address, a
//! domain); where it cannot be written it gives nothing. All that a person or a program reads as the secret counts.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};

/// Where a spelling can stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fits {
    /// In any text and any header.
    Any,
    /// In bodies: it has blanks, quotes or brackets that mean something else in a header.
    Body,
    /// Where there is markup.
    Markup,
    /// In bodies that are read by lines: it has a line break.
    Lines,
    /// In formats whose lines fold with a blank (calendar, card).
    Folds,
}

/// What is read afterwards in the place of the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shows {
    /// The alias, in the clear.
    Alias,
    /// Whatever an encoded token may become.
    Anything,
}

/// A way to write a secret.
pub struct Spelling {
    pub group: &'static str,
    pub name: &'static str,
    pub fits: Fits,
    pub shows: Shows,
    pub write: fn(&str) -> Option<String>,
}

/// The halves of an address.
fn halves(secret: &str) -> Option<(&str, &str)> {
    secret.rsplit_once('@')
}

fn each(secret: &str, write: impl Fn(char) -> String) -> Option<String> {
    Some(secret.chars().map(write).collect())
}

fn with_at(secret: &str, sign: &str) -> Option<String> {
    let (local, domain) = halves(secret)?;
    Some(format!("{local}{sign}{domain}"))
}

/// With `piece` after every `step`-th letter.
fn between(secret: &str, step: usize, piece: &str) -> Option<String> {
    let mut out = String::new();
    for (i, c) in secret.chars().enumerate() {
        if i > 0 && i % step == 0 {
            out.push_str(piece);
        }
        out.push(c);
    }
    Some(out)
}

/// With `piece` at the middle of the secret, which for an address lies in its domain.
fn broken(secret: &str, piece: &str) -> Option<String> {
    between(secret, secret.chars().count() / 2 + 1, piece)
}

fn around_at(secret: &str, before: &str, behind: &str) -> Option<String> {
    with_at(secret, &format!("{before}@{behind}"))
}

fn shifted(secret: &str, lower: u32, upper: Option<u32>, digit: Option<u32>) -> Option<String> {
    let moved = |c: char, from: char, to: u32| char::from_u32(u32::from(c) - u32::from(from) + to).unwrap();
    let text: String = secret
        .chars()
        .map(|c| match c {
            'a'..='z' => moved(c, 'a', lower),
            'A'..='Z' => upper.map_or(c, |to| moved(c, 'A', to)),
            '0'..='9' => digit.map_or(c, |to| moved(c, '0', to)),
            c => c,
        })
        .collect();
    (text != secret).then_some(text)
}

fn wide(c: char) -> String {
    match c {
        '!'..='~' => char::from_u32(u32::from(c) - 0x21 + 0xff01).unwrap().to_string(),
        c => c.to_string(),
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn unaligned(secret: &str, lead: &str) -> Option<String> {
    Some(BASE64.encode(format!("{lead}{secret}, please").as_bytes()))
}

/// The address with other dots in front, where the provider does not read them.
fn dotted(secret: &str) -> Option<(String, &str)> {
    let (local, domain) = halves(secret)?;
    (domain == "gmail.com").then(|| (local.replace('.', ""), domain))
}

fn uuencoded(secret: &str) -> Option<String> {
    let mut out = String::from("\r\nbegin 644 a.txt\r\n");
    for line in secret.as_bytes().chunks(45) {
        out.push(char::from(b' ' + u8::try_from(line.len()).ok()?));
        for three in line.chunks(3) {
            let octet = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
            let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
            for shift in [18, 12, 6, 0] {
                let six = u8::try_from(bits >> shift & 0x3f).ok()?;
                out.push(if six == 0 { '`' } else { char::from(six + b' ') });
            }
        }
        out.push_str("\r\n");
    }
    Some(out + "`\r\nend\r\n")
}

fn word_q(secret: &str) -> Option<String> {
    Some(format!("=?utf-8?Q?{}?=", secret.bytes().map(|b| format!("={b:02X}")).collect::<String>()))
}

macro_rules! spellings {
    ($($group:literal { $($fits:ident $shows:ident $name:literal = $write:expr;)* })*) => {
        &[$($(Spelling { group: $group, name: $name, fits: Fits::$fits, shows: Shows::$shows, write: $write },)*)*]
    };
}

/// All spellings, in groups.
pub const SPELLINGS: &[Spelling] = spellings! {
    "as written" {
        Any Alias "plain" = |s| Some(s.to_owned());
        Any Alias "upper case" = |s| Some(s.to_uppercase());
        Any Alias "mixed case" = |s| Some(s.char_indices().map(|(i, c)| if i % 3 == 0 { c.to_ascii_uppercase() } else { c }).collect());
        Any Alias "mailto" = |s| halves(s).map(|_| format!("mailto:{s}"));
        Any Alias "dot at the end" = |s| Some(format!("{s}."));
    }
    "percent" {
        Any Alias "percent at" = |s| with_at(s, "%40");
        Any Alias "percent dots" = |s| Some(s.replace('.', "%2e"));
        Any Alias "percent all" = |s| Some(percent(s));
        Any Alias "percent twice" = |s| Some(s.replace('@', "%2540").replace('.', "%252E"));
        Any Alias "percent thrice" = |s| with_at(s, "%252540");
        Any Alias "percent u" = |s| with_at(s, "%u0040");
    }
    "entities" {
        Any Alias "decimal" = |s| Some(s.replace('@', "&#64;").replace('.', "&#46;"));
        Any Alias "hexadecimal" = |s| Some(s.replace('@', "&#x40;").replace('.', "&#X2e;"));
        Any Alias "named" = |s| Some(s.replace('@', "&commat;").replace('.', "&period;"));
        Any Alias "every letter" = |s| each(s, |c| format!("&#{};", u32::from(c)));
        Any Alias "zeros in front" = |s| with_at(s, "&#0000064;");
        Any Alias "no semicolon" = |s| with_at(s, "&#64");
        Any Alias "nested" = |s| Some(s.replace('@', "&amp;#64;").replace('.', "&amp;period;"));
        Any Alias "nested twice" = |s| with_at(s, "&amp;amp;#64;");
        Any Alias "soft hyphen" = |s| broken(s, "&shy;");
    }
    "wide letters" {
        Any Alias "full-width" = |s| each(s, wide);
        Any Alias "full-width at" = |s| with_at(s, "＠");
        Any Alias "full-width dots" = |s| Some(s.replace('.', "．"));
        Any Alias "ideographic stop" = |s| { let (local, domain) = halves(s)?; Some(format!("{local}@{}", domain.replace('.', "。"))) };
        Any Alias "small at" = |s| with_at(s, "﹫");
        Any Alias "one dot leader" = |s| Some(s.replace('.', "\u{2024}"));
    }
    "compatibility letters" {
        Any Alias "bold" = |s| shifted(s, 0x1d41a, Some(0x1d400), Some(0x1d7ce));
        Any Alias "monospace" = |s| shifted(s, 0x1d68a, Some(0x1d670), Some(0x1d7f6));
        Any Alias "circled" = |s| shifted(s, 0x24d0, Some(0x24b6), None);
        Any Alias "bracketed" = |s| shifted(s, 0x249c, None, None);
        Any Alias "ligature" = |s| s.contains("fi").then(|| s.replace("ffi", "ﬃ").replace("fi", "ﬁ"));
        Any Alias "long s" = |s| s.contains('s').then(|| s.replace('s', "ſ"));
        Any Alias "superscript" = |s| s.contains('a').then(|| s.replace('a', "ª"));
    }
    "invisible" {
        Any Alias "zero-width space" = |s| between(s, 3, "\u{200b}");
        Any Alias "soft hyphen" = |s| between(s, 4, "\u{ad}");
        Any Alias "zero-width joiner" = |s| around_at(s, "\u{200d}", "\u{200c}");
        Any Alias "word joiner" = |s| broken(s, "\u{2060}");
        Any Alias "byte order mark" = |s| broken(s, "\u{feff}");
        Any Alias "direction marks" = |s| Some(format!("\u{202d}{}\u{202c}", s.replace('.', "\u{200e}.")));
        Any Alias "variation selector" = |s| broken(s, "\u{fe0f}");
        Any Alias "grapheme joiner" = |s| broken(s, "\u{34f}");
        Any Alias "tag letters" = |s| broken(s, "\u{e0061}\u{e007f}");
        Any Alias "hangul filler" = |s| broken(s, "\u{3164}");
    }
    "words for the sign" {
        Body Alias "(at)" = |s| with_at(s, "(at)");
        Any Alias "[at]" = |s| with_at(s, "[at]");
        Body Alias "[ AT ]" = |s| with_at(s, " [ AT ] ");
        Any Alias "{at}" = |s| with_at(s, "{at}");
        Body Alias " at " = |s| with_at(s, " at ");
        Body Alias " @ " = |s| with_at(s, " @ ");
        Body Alias "(@)" = |s| with_at(s, "(@)");
        Body Alias "at and dots" = |s| with_at(&s.replace('.', "[dot]"), " [at] ");
        Body Alias "at and dots in words" = |s| with_at(&s.replace('.', " dot "), " at ");
        Body Alias "full-width brackets" = |s| with_at(s, "（at）");
        Body Alias "in katakana" = |s| with_at(s, " アット ");
        Body Alias "in katakana, dots too" = |s| with_at(&s.replace('.', " ドット "), " アット ");
        Any Alias "in hiragana" = |s| with_at(s, "あっと");
        Any Alias "star" = |s| with_at(s, "★");
        Any Alias "double angle brackets" = |s| with_at(s, "《＠》");
        Body Alias "wide letters between wide blanks" = |s| with_at(s, "　ａｔ　");
        Any Anything "equals sign" = |s| with_at(s, "=");
    }
    "escapes" {
        Any Alias "JSON" = |s| Some(s.replace('@', "\\u0040").replace('.', "\\u002E"));
        Any Alias "script x" = |s| with_at(s, "\\x40");
        Any Alias "script u" = |s| with_at(s, "\\u{40}");
        Any Alias "long u" = |s| with_at(s, "\\U00000040");
        Any Alias "octal" = |s| with_at(s, "\\100");
        Any Alias "style sheet" = |s| with_at(s, "\\40 ");
        Any Alias "style sheet zeros" = |s| with_at(s, "\\000040");
        Any Alias "rtf" = |s| with_at(s, "\\'40");
        Any Alias "undeclared quoted-printable" = |s| Some(s.replace('@', "=40").replace('.', "=2E"));
        Body Alias "Markdown" = |s| Some(s.replace('@', "\\@").replace('.', "\\.").replace('-', "\\-"));
        Any Alias "entity in JSON" = |s| with_at(s, "\\u0026#64;");
    }
    "address syntax" {
        Body Alias "quoted" = |s| { let (local, domain) = halves(s)?; Some(format!("\"{local}\"@{domain}")) };
        Body Alias "quoted in JSON" = |s| { let (local, domain) = halves(s)?; Some(format!("\\\"{local}\\\"@{domain}")) };
        Any Alias "tag" = |s| { let (local, domain) = halves(s)?; (!local.contains(['+', '"'])).then(|| format!("{local}+shop.1@{domain}")) };
        Any Alias "other dots" = |s| { let (local, domain) = dotted(s)?; Some(format!("{}@{domain}", between(&local, 2, ".")?)) };
        Any Alias "no dots" = |s| { let (local, domain) = dotted(s)?; Some(format!("{local}@{domain}")) };
        Any Alias "other name of the provider" = |s| { let (local, _) = dotted(s)?; Some(format!("{local}+x@googlemail.com")) };
        Any Alias "domain in A-labels" = |s| { let (local, domain) = halves(s)?; let other = idna::domain_to_ascii(domain).ok()?; (other != domain).then(|| format!("{local}@{other}")) };
        Any Alias "domain in U-labels" = |s| { let (local, domain) = halves(s)?; let (other, _) = idna::domain_to_unicode(domain); (other != domain).then(|| format!("{local}@{other}")) };
        Body Alias "comment" = |s| around_at(s, "(a)", "(b)");
    }
    "tags between" {
        Markup Alias "tags" = |s| between(s, 5, "<b></b>");
        Markup Alias "tag around the sign" = |s| around_at(s, "<span class=\"x>\">", "</span>");
        Markup Alias "break hint" = |s| around_at(s, "<wbr>", "<wbr/>");
        Markup Alias "comment" = |s| broken(s, "<!-- x > y -->");
        Markup Alias "comment with an address" = |s| broken(s, "<!-- a@b.example -->");
        Markup Alias "style element" = |s| broken(s, "<style>i{color:red}</style>");
        Markup Alias "hidden element" = |s| broken(s, "<span style=\"display:none\">nobody</span>");
        Markup Alias "cells of a table" = |s| around_at(s, "</td><td>", "");
        Markup Alias "tag over lines" = |s| broken(s, "<font\r\n color=red></font>");
    }
    "line breaks" {
        Lines Alias "at the sign" = |s| around_at(s, "", "\r\n");
        Lines Alias "in a word" = |s| broken(s, "\r\n");
        Lines Alias "quoted" = |s| broken(s, "\r\n> ");
        Lines Alias "quoted twice" = |s| around_at(s, "", "\r\n> > ");
        Lines Alias "flowed" = |s| broken(s, " \r\n");
        Lines Alias "flowed and quoted" = |s| broken(s, " \r\n> ");
        Folds Alias "folded" = |s| broken(s, "\r\n ");
        Folds Alias "folded by a tab" = |s| broken(s, "\r\n\t");
        Lines Alias "undeclared soft break" = |s| broken(s, "=\r\n");
    }
    "tokens" {
        Any Anything "encoded word B" = |s| Some(format!("=?utf-8?B?{}?=", BASE64.encode(s.as_bytes())));
        Any Anything "encoded word Q" = word_q;
        Any Anything "base64" = |s| Some(BASE64.encode(s.as_bytes()));
        Any Anything "base64 behind one sign" = |s| unaligned(s, ":");
        Any Anything "base64 behind two signs" = |s| unaligned(s, "x:");
        Any Anything "base64 of JSON" = |s| Some(BASE64.encode(format!("{{\"e\":\"{s}\",\"n\":7}}").as_bytes()));
        Any Anything "base64 twice" = |s| Some(BASE64.encode(BASE64.encode(s.as_bytes()).as_bytes()));
        Any Anything "base64url in a link" = |s| Some(format!("https://x.example/u/{}?k=1", BASE64URL_NOPAD.encode(s.as_bytes())));
        Any Anything "hexadecimal in a link" = |s| Some(format!("https://x.example/u?e={}", HEXLOWER.encode(s.as_bytes())));
        Any Anything "data link" = |s| Some(format!("data:text/plain;base64,{}", BASE64.encode(format!("to {s}").as_bytes())));
        Any Anything "data link in clear" = |s| Some(format!("data:text/plain,to%20{}", percent(s)));
        Any Alias "query of a link" = |s| Some(format!("https://x.example/u?e={}&k=1", s.replace('@', "%40")));
        Lines Anything "uuencode" = uuencoded;
    }
};
