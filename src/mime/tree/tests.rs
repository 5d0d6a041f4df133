//! Structures as programs write, break and forget them.

use super::*;

fn bodies(mail: &str) -> Result<Vec<String>, MimeError> {
    fn walk(mail: &str, entity: &Entity, out: &mut Vec<String>) {
        match &entity.content {
            Content::Leaf => out.push(mail[entity.body.clone()].to_owned()),
            Content::Multipart(multipart) => {
                multipart.parts.iter().for_each(|(_, part)| walk(mail, part, out))
            }
            Content::Message(inner) => walk(mail, inner, out),
        }
    }
    let mut out = Vec::new();
    walk(mail, &parse(mail.as_bytes(), &mut Budget::default())?, &mut out);
    Ok(out)
}

#[test]
fn only_a_whole_line_at_a_line_start_is_a_delimiter() {
    let mail = "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\nx --b y\r\n--bb\r\n--b z\r\n --b\r\n--b \t\r\n\r\n\r\n--b--\r\nepilogue --b\r\n--b\r\n";
    assert_eq!(bodies(mail).unwrap(), ["x --b y\r\n--bb\r\n--b z\r\n --b", ""]);
}

#[test]
fn an_outer_boundary_ends_inner_parts_and_a_close_may_be_missing() {
    let mail = "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\na\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nb";
    assert_eq!(bodies(mail).unwrap(), ["a", "b"]);
}

#[test]
fn a_part_without_type_is_text_and_in_a_digest_a_message() {
    let digest = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--";
    assert_eq!(bodies(digest).unwrap(), ["x"]);
    assert_eq!(bodies("Content-Type: text\r\n\r\nx").unwrap(), ["x"]);
    assert_eq!(bodies("no header at all").unwrap(), ["no header at all"]);
}

#[test]
fn what_two_programs_could_read_differently_is_read_in_one_way_that_can_be_written() {
    for (head, body, media, as_read) in [
        ("Content-Type: text/plain\r\nContent-Type: text/html", "x", "text/plain", Some(" text/plain")),
        ("Content-Type: rubbish\r\nContent-Type: text/html", "x", "text/html", Some(" text/html")),
        ("Content-Type: text/html\r\nContent-Type: text/html", "x", "text/html", None),
        ("Content-Type: multipart/mixed", "--b\r\n\r\nx", "text/plain", Some(" text/plain")),
        ("Content-Type: multipart", "x", "text/plain", Some(" text/plain")),
        ("Content-Type: multipart/mixed; boundary=absent", "x", "text/plain", Some(" text/plain")),
        (
            "Content-Type: multipart/mixed; boundary=a; boundary=b",
            "--b\r\n\r\nx",
            "multipart/mixed",
            Some(" multipart/mixed; boundary=\"b\""),
        ),
        (
            "Content-Type: multipart/related; type=\"text/html\"; boundary*=us-ascii''b",
            "--b\r\n\r\nx",
            "multipart/related",
            Some(" multipart/related; boundary=\"b\";\r\n\ttype=\"text/html\""),
        ),
        (
            "Content-Type: multipart/mixed; boundary=b (c)",
            "--b\r\n\r\nx",
            "multipart/mixed",
            Some(" multipart/mixed; boundary=\"b\""),
        ),
        ("Content-Type: multipart/mixed; boundary=b", "--b\r\n\r\nx", "multipart/mixed", None),
        ("Content-Transfer-Encoding: x-uuencode", "x", "text/plain", None),
    ] {
        let mail = format!("{head}\r\n\r\n{body}");
        let entity = parse(mail.as_bytes(), &mut Budget::default()).unwrap();
        let written = entity.type_as_read.map(|value| String::from_utf8(value).unwrap());
        assert_eq!((entity.media.as_str(), written.as_deref()), (media, as_read), "{head}");
    }
}

#[test]
fn a_text_without_empty_line_before_it_is_the_body() {
    for (mail, expected) in [
        ("Subject: s\r\nHello there\r\nfoo: bar\r\n\r\nend", vec!["Hello there\r\nfoo: bar\r\n\r\nend"]),
        ("Subject: s\r\nno field\r\nContent-Type: text/html\r\n\r\nend", vec!["end"]),
        ("From hana Mon\r\nSubject: s\r\n\r\nend", vec!["end"]),
        ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno header\r\n--b--", vec!["no header"]),
    ] {
        assert_eq!(bodies(mail).unwrap(), expected);
    }
}

#[test]
fn a_delimiter_without_empty_line_before_it_is_one_whatever_fields_follow() {
    for mail in [
        "Content-Type: multipart/mixed; boundary=b\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--",
        "Content-Type: multipart/mixed; boundary=b\r\n \r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--",
        "Content-Type: multipart/mixed;\r\n boundary=\"1:2\"\r\n--1:2\r\nContent-Type: text/html\r\n\r\nx\r\n--1:2--",
        "Content-Type: multipart/mixed; boundary=b\r\nIn several parts:\r\nno field\r\n--b\r\nContent-ID: <1>\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n--c\r\nContent-ID: <1>\r\n\r\nx\r\n--b--",
    ] {
        assert_eq!(bodies(mail).unwrap(), ["x"], "{mail}");
    }
    // What only looks like one, or like another's.
    for mail in [
        "--b\r\nContent-Type: text/plain\r\n\r\nx",
        "Content-Type: text/plain; charset=utf-8\r\n--b\r\nX-A: 1\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=b\r\n--c\r\nX-A: 1\r\n\r\n--b\r\n\r\nx",
    ] {
        assert_eq!(bodies(mail).unwrap(), ["x"], "{mail}");
    }
}

#[test]
fn a_multipart_that_only_ends_is_a_text() {
    for body in ["x\r\n--b--", "--b--\r\nx\r\n--b--", "--b--"] {
        let mail = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}");
        assert_eq!(bodies(&mail).unwrap(), [body]);
    }
    let opened = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--";
    assert_eq!(bodies(opened).unwrap(), ["x", "y"]);
}

#[test]
fn a_hundred_levels_and_too_many_parts_are_refused() {
    let mut deep = String::new();
    for i in 0..100 {
        deep += &format!("Content-Type: multipart/mixed; boundary=b{i}x\r\n\r\n--b{i}x\r\n");
    }
    assert_eq!(bodies(&deep).unwrap_err(), MimeError::TooDeep);
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(100);
    assert_eq!(bodies(&nested).unwrap_err(), MimeError::TooDeep);
    let many = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\n\r\n".repeat(2000));
    assert_eq!(bodies(&many).unwrap_err(), MimeError::TooManyParts);
}
