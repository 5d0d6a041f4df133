//! Mails in `fixtures/facts`, and what each says of itself.

use super::*;
use data_encoding::HEXLOWER;
use std::fmt::Write;

fn told(facts: &MailFacts) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "{name}: {value}");
        }
    };
    line("author", facts.author.as_ref().map(RealAddress::reveal));
    line("reply", facts.reply.as_ref().map(RealAddress::reveal));
    line("id", facts.message_id.clone());
    line("answers", facts.answers.clone());
    line("date", facts.dated_at.map(|at| format!("{at} {:+}", facts.zone.unwrap())));
    line("hops", Some(facts.hops.to_string()));
    line("origin", facts.origin.map(|ip| ip.to_string()));
    line("mailer", facts.mailer.clone());
    line("files", (facts.files > 0).then(|| facts.files.to_string()));
    for file in &facts.described {
        let (extension, found) = (file.extension.unwrap_or("-"), file.found.unwrap_or("-"));
        let digest = HEXLOWER.encode(&file.digest[..8]);
        let locked = if file.is_encrypted { " encrypted" } else { "" };
        line("file", Some(format!("{extension} {} {found} {} {digest}{locked}", file.declared, file.size)));
    }
    let flags: Vec<&str> = facts.flags.iter().map(Flag::as_str).collect();
    line("flags", (!flags.is_empty()).then(|| flags.join(" ")));
    out
}

#[test]
fn mails_say_of_themselves_what_stands_beside_them() {
    let dir = crate::anonymize::tests::fixtures("facts");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap();
            assert_eq!(told(&facts(&std::fs::read(&path).unwrap())), expected, "{}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 5);
}

#[test]
fn many_attachments_are_counted_and_the_first_described_and_no_mail_is_too_odd() {
    let part = "--b\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7\r\n";
    let mail = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(40));
    let many = facts(mail.as_bytes());
    assert_eq!((many.files, many.described.len(), many.flags.has(Flag::MoreFiles)), (40, FILES_MAX, true));
    let parts = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", part.repeat(2000));
    assert!(facts(parts.as_bytes()).flags.has(Flag::Unreadable));
    let long = vec![b'a'; 300 * 1024];
    assert!(facts(&long).flags.has(Flag::Unreadable));
    for odd in [
        b"".as_slice(),
        b"\r\n",
        b"\xff\xfe\0",
        b"Received:\r\n by \r\nDate:\r\nFrom:\r\nUser-Agent: 1/2\r\n\r\n",
    ] {
        assert!(facts(odd).author.is_none());
    }
}

#[test]
fn what_somebody_wrote_as_a_type_or_an_extension_is_told_only_where_it_is_a_known_one() {
    let mail = "Content-Type: application/hana-needle; name=a.hana-needle\r\n\r\nx\r\n";
    let facts = facts(mail.as_bytes());
    assert_eq!((facts.described[0].extension, facts.described[0].declared), (Some("other"), "other"));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_read(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
        let _ = facts(&octets);
    }
}
