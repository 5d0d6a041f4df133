//! The search for what must not be there: in a mail that arrived, in any encoding; in everything that lies on disk.
//!
//! Rules: nothing of the relay's own search or decoding is used. A mail is searched as raw octets, unfolded, with its
//! base64 runs decoded, and as every header and part of every nested message decoded. Case never matters. A file is
//! searched for each phrase in every charset and transfer encoding in which it passed through.
//! When it fails: a file that can't be read is itself a finding.

use super::compose::quoted_printable;
use super::words;
use data_encoding::BASE64;
use encoding_rs::{ISO_2022_JP, SHIFT_JIS};
use mail_parser::{HeaderForm, HeaderValue, MessageParser, html_to_text};
use memchr::memmem;
use std::collections::BTreeSet;
use std::path::Path;

/// Shortest run of base64 that can hold a trace.
const BASE64_RUN: usize = 12;

/// A trace and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    pub trace: String,
    pub place: String,
}

/// All places of a mail in which one of these traces (in lower case) stands.
pub(super) fn in_message(mail: &[u8], traces: &[&str]) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    let mut look = |place: &str, text: &str| {
        let folded = text.to_lowercase();
        // Blanks and line ends may stand inside what a reader sees as one address.
        let glued: String = folded.chars().filter(|c| !c.is_whitespace()).collect();
        for trace in traces.iter().filter(|trace| folded.contains(**trace) || glued.contains(**trace)) {
            found.insert(Finding { trace: (*trace).to_owned(), place: place.to_owned() });
        }
    };
    let raw = String::from_utf8_lossy(mail);
    look("the raw mail", &raw);
    look("the raw mail, soft breaks taken out", &raw.replace("=\r\n", ""));
    for run in base64_runs(&raw) {
        look("base64 in the raw mail", &run);
    }
    let Some(message) = MessageParser::new().parse(mail) else {
        found.insert(Finding { trace: "?".into(), place: "a mail that can't be read".into() });
        return found.into_iter().collect();
    };
    for (number, part) in (1..).zip(message.parts()) {
        for header in part.headers().iter() {
            let place = format!("part {number}, header {}", header.raw_name());
            look(&place, &words::decoded(&String::from_utf8_lossy(header.raw_value())));
            if let HeaderValue::Text(text) = header.parse_as(HeaderForm::Text).value() {
                look(&place, text);
            }
            if let HeaderValue::Address(list) = header.parse_as(HeaderForm::Addresses).value() {
                for mailbox in list.mailboxes() {
                    look(&place, mailbox.name().unwrap_or_default());
                    look(&place, mailbox.address().unwrap_or_default());
                }
            }
            if let HeaderValue::ContentType(value) = header.parse_as(HeaderForm::ContentType).value() {
                value.attributes().for_each(|(_, text)| look(&place, text));
            }
        }
        let place = format!("part {number}, decoded");
        look(&place, &String::from_utf8_lossy(&part.decoded()));
        if let Some(text) = part.text() {
            look(&place, &text);
            look(&place, &html_to_text(&text));
        }
    }
    found.into_iter().collect()
}

/// What every long enough run of base64 lines decodes to.
fn base64_runs(raw: &str) -> Vec<String> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let (mut runs, mut run) = (Vec::new(), String::new());
    for line in raw.lines().chain([" "]) {
        if !line.is_empty() && line.chars().all(is_base64) {
            run.push_str(line.trim_end_matches('='));
            continue;
        }
        if run.len() >= BASE64_RUN {
            let whole = run.get(..run.len() / 4 * 4).unwrap_or_default();
            runs.extend(BASE64.decode(whole.as_bytes()).map(|o| String::from_utf8_lossy(&o).into_owned()));
        }
        run.clear();
    }
    runs
}

/// What a search of a directory came to.
pub(super) struct Sweep {
    pub files: usize,
    pub octets: u64,
    pub found: Vec<Finding>,
}

/// Searches all files below a directory, by content and by name, for these phrases in every spelling in which they passed.
pub(super) fn in_directory(dir: &Path, phrases: &[&str]) -> Sweep {
    let spellings: Vec<(&str, Vec<u8>)> =
        phrases.iter().flat_map(|phrase| spellings(phrase).into_iter().map(move |s| (*phrase, s))).collect();
    let mut sweep = Sweep { files: 0, octets: 0, found: Vec::new() };
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let name = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
        if path.is_dir() {
            match std::fs::read_dir(&path) {
                Ok(entries) => open.extend(entries.flatten().map(|entry| entry.path())),
                Err(_) => {
                    sweep.found.push(Finding { trace: "?".into(), place: format!("{name} can't be read") })
                }
            }
            continue;
        }
        let Ok(mut content) = std::fs::read(&path) else {
            sweep.found.push(Finding { trace: "?".into(), place: format!("{name} can't be read") });
            continue;
        };
        sweep.files += 1;
        sweep.octets += content.len() as u64;
        content.extend_from_slice(name.as_bytes());
        content.make_ascii_lowercase();
        for (phrase, spelling) in &spellings {
            if memmem::find(&content, spelling).is_some() {
                sweep.found.push(Finding { trace: (*phrase).to_owned(), place: name.clone() });
            }
        }
    }
    sweep.found.sort();
    sweep.found.dedup();
    sweep
}

/// A phrase as it may stand in a file that was made from mail, in lower case where it is ASCII.
fn spellings(phrase: &str) -> Vec<Vec<u8>> {
    let plain = [
        phrase.as_bytes().to_vec(),
        ISO_2022_JP.encode(phrase).0.into_owned(),
        SHIFT_JIS.encode(phrase).0.into_owned(),
        phrase.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        phrase.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    let mut all = vec![quoted_printable(phrase).into_bytes()];
    for octets in plain {
        // Base64 of the phrase wherever it stands among the threes: what the octets around it decide is left out.
        for shift in 0..3 {
            let padded = [vec![0; shift], octets.clone()].concat();
            let start = if shift == 0 { 0 } else { 4 };
            let inner = BASE64.encode(&padded).get(start..padded.len() / 3 * 4).map(str::to_owned);
            all.extend(inner.filter(|text| text.len() >= BASE64_RUN).map(String::into_bytes));
        }
        all.push(octets);
    }
    for spelling in &mut all {
        spelling.make_ascii_lowercase();
    }
    all.retain(|spelling| !spelling.is_empty());
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    const TRACES: &[&str] = &["hanako@mail.test", "192.0.2.9"];

    #[test]
    fn a_trace_planted_anywhere_in_a_mail_is_found() {
        for mail in [
            "From: <HANAKO@mail.test>\r\n\r\nx\r\n",
            "X: a [192.0.2.9] b\r\n\r\nx\r\n",
            "X: hanako@\r\n mail.test\r\n\r\nx\r\n",
            "Subject: =?utf-8?Q?hanako?= =?utf-8?Q?=40mail.test?=\r\n\r\nx\r\n",
            "To: \"a\" <x@y.example>, =?utf-8?B?aGFuYWtvQG1haWwudGVzdA==?= <x@y.example>\r\n\r\nx\r\n",
            "Content-Type: text/plain; name*0=\"hanako@ma\"; name*1=\"il.test\"\r\n\r\nx\r\n",
            "A: b\r\nContent-Transfer-Encoding: base64\r\n\r\nPiBoYW5ha29AbWFpbC50ZXN0\r\n",
            "A: b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nhana=\r\nko=40mail.test\r\n",
            "A: b\r\nContent-Type: text/html\r\n\r\n<b>hanako</b>&#64;mail.test\r\n",
            "A: b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\u{1b}$B2V\u{1b}(Bhanako@mail.test\r\n",
            "A: b\r\nContent-Type: message/rfc822\r\n\r\nFrom: hanako@mail.test\r\n\r\nx\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nJVBERiBoYW5ha29AbWFpbC50ZXN0\r\n--b--\r\n",
        ] {
            assert!(!in_message(mail.as_bytes(), TRACES).is_empty(), "{mail:?}");
        }
    }

    #[test]
    fn a_mail_without_a_trace_has_no_finding() {
        let mail = "From: <a0@pc.fw.anshin.example>\r\nSubject: hanako\r\n\r\nmail.test, hanako at home\r\n";
        assert_eq!(in_message(mail.as_bytes(), TRACES), []);
    }

    #[test]
    fn a_phrase_planted_in_a_file_is_found_in_each_spelling() {
        let phrase = "お誕生日おめでとう";
        let around = format!("ab {phrase} カード");
        let contents = [
            around.clone().into_bytes(),
            ISO_2022_JP.encode(&around).0.into_owned(),
            SHIFT_JIS.encode(&around).0.into_owned(),
            quoted_printable(phrase).into_bytes(),
            BASE64.encode(format!("a{around}").as_bytes()).into_bytes(),
            BASE64.encode(format!("ab{around}").as_bytes()).into_bytes(),
            BASE64.encode(around.as_bytes()).into_bytes(),
            BASE64.encode(&SHIFT_JIS.encode(&around).0).into_bytes(),
        ];
        for (number, content) in contents.iter().enumerate() {
            let scratch = Scratch::new().unwrap();
            std::fs::create_dir(scratch.path().join("below")).unwrap();
            std::fs::write(scratch.path().join("below/wal"), [b"\0\x01".as_slice(), content].concat())
                .unwrap();
            let sweep = in_directory(scratch.path(), &["nothing of it", phrase]);
            assert_eq!(sweep.files, 1);
            assert_eq!(
                sweep.found,
                [Finding { trace: phrase.into(), place: "below/wal".into() }],
                "{number}"
            );
            assert_eq!(in_directory(scratch.path(), &["nothing of it"]).found, []);
        }
    }
}
