//! Finished messages read by three other parsers: Python's email package, Perl's MIME-tools and mail-parser. What was
//! valid stays valid: the same tree of parts, no defect that was not there before, and every part that nobody had a
//! reason to touch with the same decoded octets.
//!
//! Rules: the mails are the fixtures and one of each structure of the planted corpus, as it goes in and as it comes out.
//! When it fails: it names the mail, the parser and what differs. Python 3 and MIME-tools are installed by `tests/run`.

use anshin::anonymize::{Party, Passage, Rules, Secret, anonymize};
use anshin::mail::{Alias, Domain, RealAddress, Timestamp};
use mail_parser::{MessageParser, PartKind};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

// The trees of the planted corpus.
#[path = "../../src/anonymize/tests/planted/structure.rs"]
mod structure;
#[path = "../../src/anonymize/tests/planted/transfer.rs"]
#[expect(dead_code, reason = "the corpus uses more of it")]
mod transfer;

/// What one parser sees in one mail.
#[derive(PartialEq)]
struct Seen {
    tree: Vec<String>,
    defects: Vec<String>,
    leaves: Vec<String>,
}

/// A mail before and after.
struct Pair {
    name: String,
    before: PathBuf,
    after: PathBuf,
    /// Whether parts were taken out or unwrapped on purpose.
    changed: bool,
    /// How many leaves had a secret in them; the others keep their octets. `None` where that is not known.
    touched: Option<usize>,
}

fn passed(mail: &[u8]) -> Option<Vec<u8>> {
    let customer = RealAddress::parse("hana.suzuki@mailbox.example").unwrap();
    let merchant = RealAddress::parse("owner@tanuki-shop.example").unwrap();
    let alias = |local: &str, domain: &str| Alias::new(local, Domain::parse(domain).unwrap());
    let customer_alias = alias("a0c7kq2m4n6p8r0t2v4x6z8b0d2f", "pc.fw.relay.example");
    let merchant_alias = alias("a0m5hy3k7q9s1u3w5y7a9c1e3g5i", "shop.relay.example");
    let outcome = anonymize(
        mail,
        &Passage {
            from: &customer_alias,
            fallback_name: "Customer",
            to: std::slice::from_ref(&merchant_alias),
            secrets: &[
                Secret { address: &customer, alias: &customer_alias },
                Secret { address: &merchant, alias: &merchant_alias },
            ],
            message_id: &|_| "<1@fw.relay.example>".to_owned(),
            relay_host: "mx.relay.example",
            queue_id: "Q1",
            hops: "",
            at: Timestamp::parse_rfc3339("2026-11-22T00:00:05Z").unwrap(),
            peer: Some(&[]),
            writer: Party::Customer,
            rules: Rules::default(),
        },
    );
    Some(outcome.ok()?.message.ok()?.into_bytes())
}

fn pairs(scratch: &Path) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let top =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|top| top.join("fixtures").is_dir()).unwrap();
    for entry in std::fs::read_dir(top.join("fixtures/mail")).unwrap() {
        let path = entry.unwrap().path();
        let (before, after) = (path.join("in.eml"), path.join("out.eml"));
        if after.exists() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let changed = [
                "sign",
                "pgp",
                "winmail",
                "tnef",
                "key",
                "smime",
                "armour",
                "report",
                "two-",
                "comment-in-content-type",
                "no-boundary",
                // What programs read as different trees comes out as one that all of them read.
                "multipart-that-only-ends",
                "delimiter-that-was-damaged",
                "delimiter-without-empty-line",
                "blank-line-that-is-a-fold",
            ]
            .iter()
            .any(|word| name.contains(word));
            pairs.push(Pair { name, before, after, changed, touched: None });
        }
    }
    for (i, tree) in structure::structures().iter().enumerate() {
        for (kind, text) in [
            ("plain", "to hana.suzuki@mailbox.example\r\n"),
            ("html", "<p>hana.suzuki&#64;mailbox.example</p>\r\n"),
        ] {
            let body = transfer::Transfer::QuotedPrintable.encode(text.as_bytes()).unwrap();
            let leaf = format!(
                "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
                String::from_utf8(body).unwrap().trim_end()
            );
            let filled = tree.fill(leaf.as_bytes());
            let head = format!(
                "From: x@y.example\r\nTo: y@z.example\r\nDate: Sun, 22 Nov 2026 09:00:00 +0900\r\n{}",
                tree.mime_version
            );
            let mail = [head.as_bytes(), &filled.octets, b"\r\n"].concat();
            let Some(out) = passed(&mail) else { continue };
            let name = format!("{} {kind}", tree.name);
            let (before, after) =
                (scratch.join(format!("{i}-{kind}-in.eml")), scratch.join(format!("{i}-{kind}-out.eml")));
            std::fs::write(&before, &mail).unwrap();
            std::fs::write(&after, &out).unwrap();
            let changed = [
                "signed",
                "key",
                "two types",
                "two boundaries",
                "report",
                "two encodings",
                "boundary",
                "encoding on",
                "no field",
            ]
            .iter()
            .any(|word| {
                name.contains(word)
                    && !name.contains("boundary that begins")
                    && !name.contains("odd boundary")
            });
            pairs.push(Pair { name, before, after, changed, touched: Some(1) });
        }
    }
    pairs
}

/// Runs a program over files, some at a time.
fn by(program: &str, script: &str, files: &[&Path]) -> Vec<Seen> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|top| top.join("tests/it/validity").join(script))
        .find(|path| path.exists())
        .unwrap();
    let run = Command::new(program).arg(script).args(files).output().unwrap();
    assert!(run.status.success(), "{program}: {}", String::from_utf8_lossy(&run.stderr));
    let seen: Vec<Seen> = String::from_utf8(run.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            let list = |name: &str| {
                value[name].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
            };
            Seen { tree: list("tree"), defects: list("defects"), leaves: list("leaves") }
        })
        .collect();
    assert_eq!(seen.len(), files.len(), "{program}: {}", String::from_utf8_lossy(&run.stderr));
    seen
}

fn by_mail_parser(files: &[&Path]) -> Vec<Seen> {
    files
        .iter()
        .map(|path| {
            let mail = std::fs::read(path).unwrap();
            let mut seen = Seen { tree: Vec::new(), defects: Vec::new(), leaves: Vec::new() };
            let Some(parsed) = MessageParser::new().max_encoded_nesting(32).parse(&mail) else {
                seen.defects.push("no message".to_owned());
                return seen;
            };
            for part in parsed.parts() {
                let kind = part.content_type().map_or_else(String::new, |value| {
                    format!("{}/{}", value.ctype(), value.subtype().unwrap_or_default())
                });
                seen.tree.push(kind.to_lowercase());
                if !matches!(part.kind(), PartKind::Multipart | PartKind::Message(_)) {
                    seen.leaves.push(format!("{:?}", part.decoded().trim_ascii_end()));
                }
            }
            seen
        })
        .collect()
}

/// What one parser sees differently in the finished message, for a person.
fn difference(pair: &Pair, before: &Seen, after: &Seen) -> Option<String> {
    let fresh: Vec<&String> = after.defects.iter().filter(|one| !before.defects.contains(one)).collect();
    if !fresh.is_empty() {
        return Some(format!("new defects {fresh:?}"));
    }
    if pair.changed {
        return None;
    }
    if before.tree != after.tree {
        return Some(format!("{:?} became {:?}", before.tree, after.tree));
    }
    let moved = before.leaves.iter().zip(&after.leaves).filter(|(old, new)| old != new).count();
    (pair.touched.is_some_and(|touched| moved > touched)).then(|| format!("{moved} parts have other octets"))
}

/// Mails whose parts programs see differently, and of which one reading is written.
const MENDED: [&str; 4] = [
    "multipart-that-only-ends",
    "delimiter-that-was-damaged",
    "blank-line-that-is-a-fold-before-the-first-delimiter",
    "delimiter-without-empty-line-before-it",
];

#[test]
fn three_other_parsers_see_in_a_finished_message_what_they_saw_in_the_mail() {
    let scratch = std::env::temp_dir().join(format!("anshin-validity-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let pairs = pairs(&scratch);
    assert!(pairs.len() > 100, "{}", pairs.len());
    let (before, after): (Vec<&Path>, Vec<&Path>) =
        pairs.iter().map(|pair| (&*pair.before, &*pair.after)).unzip();
    let mut wrong = Vec::new();
    for (name, old, new) in [
        ("Python's email", by("python3", "python.py", &before), by("python3", "python.py", &after)),
        ("MIME-tools", by("perl", "perl.pl", &before), by("perl", "perl.pl", &after)),
        ("mail-parser", by_mail_parser(&before), by_mail_parser(&after)),
    ] {
        for (pair, (old, new)) in pairs.iter().zip(old.iter().zip(&new)) {
            // Where the delimiters are broken, one reading of several is written for all.
            if MENDED.contains(&pair.name.as_str()) {
                continue;
            }
            if let Some(difference) = difference(pair, old, new) {
                wrong.push(format!("{}: {name}: {difference}", pair.name));
            }
        }
    }
    std::fs::remove_dir_all(&scratch).unwrap();
    assert!(wrong.is_empty(), "{} of {} mails\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}
