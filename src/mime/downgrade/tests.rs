//! What a message becomes for a next hop that takes fewer octets.

use super::*;
use proptest::prelude::*;

fn whole(message: &str) -> String {
    String::from_utf8(downgrade(message.as_bytes(), Extent::Whole).unwrap()).unwrap()
}

#[test]
fn what_is_ascii_stays_octet_for_octet() {
    let message =
        "From:  a <a@b.example>\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\n\r\n1\r\n--x--\r\n";
    assert_eq!(whole(message), message);
}

#[test]
fn an_encoded_body_with_raw_octets_is_decoded_before_it_is_encoded_anew() {
    let quoted = "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E3=81=82 あ a=3Db\r\n";
    assert_eq!(whole(quoted), "Content-Transfer-Encoding: base64\r\n\r\n44GCIOOBgiBhPWINCg==\r\n");
    let footer = "Content-Transfer-Encoding: base64\r\n\r\n44GC\r\n-- 花\r\n";
    let out = whole(footer);
    let read = mail_parser::MessageParser::default();
    let read = read.parse(out.as_bytes()).unwrap();
    let body = String::from_utf8(read.parts().next().unwrap().decoded_checked().0.to_vec()).unwrap();
    assert!(body.contains('あ') && body.contains("花"), "{out} {body}");
}

#[test]
fn long_fields_are_folded_and_what_cannot_be_written_otherwise_is_left_to_fail() {
    let many = vec!["<someone@somewhere.example>"; 60].join(", ");
    let out =
        whole(&format!("To: 花 <a@b.example>, {many}\r\nX-Long: 花 {}\r\n\r\nx\r\n", "word ".repeat(300)));
    assert!(out.split("\r\n").all(|line| line.len() <= 998), "{out}");
    for field in [
        "To: \"花\"@b.example",
        "Message-ID: <花@b.example>",
        "List-Unsubscribe: <https://b.example/花>",
        "Content-Type: a/b; name*0=\"花a\"; name*1=\"店\"",
        "Content-Type: multipart/mixed; boundary=\"花\"\r\n\r\n--花\r\n\r\nx",
    ] {
        assert!(downgrade(format!("{field}\r\n\r\nx\r\n").as_bytes(), Extent::Whole).is_none(), "{field}");
    }
}

#[test]
fn an_ideographic_blank_beside_an_address_is_part_of_the_name() {
    let out = whole("From: 花屋\u{3000}<a@b.example>\r\nTo: \u{3000} <c@d.example>\r\n\r\nx\r\n");
    assert!(out.is_ascii() && out.contains("<a@b.example>") && out.contains("<c@d.example>"), "{out}");
}

#[test]
fn bodies_are_encoded_and_say_so() {
    let french = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nUn café, et beaucoup de texte.\r\n";
    assert_eq!(
        whole(french),
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nUn caf=C3=A9, et beaucoup de texte.\r\n"
    );
    let japanese = "Content-Type: text/plain; charset=utf-8\r\n\r\n日本\r\n";
    assert_eq!(
        whole(japanese),
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n5pel5pysDQo=\r\n"
    );
}

#[test]
fn parts_and_nested_messages_are_changed_where_they_stand() {
    let message = "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: 8bit\r\n\r\npré\r\n--x\r\n\
        Content-Type: text/plain\r\n\r\nascii\r\n--x\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        Subject: é\r\nContent-Transfer-Encoding: binary\r\n\r\né and much more that is ASCII\r\n--x--\r\n";
    let out = whole(message);
    assert!(
        out.starts_with(
            "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        ),
        "{out}"
    );
    assert!(out.contains("\r\nContent-Type: text/plain\r\n\r\nascii\r\n--x\r\n"), "{out}");
    assert!(
        out.contains(
            "message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject:\r\n =?UTF-8?B?w6k=?=\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9 and"
        ),
        "{out}"
    );
    assert!(out.ends_with("\r\n--x--\r\n"), "{out}");
}

#[test]
fn header_fields_keep_their_text() {
    for (field, expected) in [
        ("Subject: Re: ご注文 ありがとう order 5", "Re: ご注文 ありがとう order 5"),
        (
            "From: 花工房 <a@b.example>, \"み \\\"ど\" <c@d.example> (森)",
            "花工房 <a@b.example>, み \"ど <c@d.example> (森)",
        ),
        ("From: \"みど\\\"\" <c@d.example>", "みど\" <c@d.example>"),
        ("Subject: =?UTF-8?B?6Iqx?= 花 =?UTF-8?B?6Iqx?= x 花", "花 花 花 x 花"),
        (
            "To: =?UTF-8?B?6Iqx?= 店 <a@b.example> (a (森\\)) b), c@d.example",
            "花 店 <a@b.example> (a (森)) b), c@d.example",
        ),
    ] {
        let out = whole(&format!("{field}\r\n\r\n"));
        let value = out.split_once(':').unwrap().1.trim_end();
        let text = words::text(value.as_bytes());
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed, expected, "{out}");
        assert!(out.lines().all(|line| line.len() <= 78), "{out}");
    }
    let name = "日本語のとても長いファイル名がここにある.pdf";
    let out = whole(&format!("Content-Disposition: attachment; filename=\"{name}\"; size=5\r\n\r\n"));
    let value = out.split_once(':').unwrap().1;
    assert_eq!(params::parse(value.as_bytes()).text("filename").as_deref(), Some(name), "{out}");
    assert!(out.contains("size=5"), "{out}");
}

#[test]
fn headers_alone_leave_the_body() {
    let message = "Subject: é\r\n\r\né\r\n";
    let out = downgrade(message.as_bytes(), Extent::Headers).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "Subject:\r\n =?UTF-8?B?w6k=?=\r\n\r\né\r\n");
}

#[test]
fn an_address_with_other_letters_cannot_go_that_way() {
    for message in ["To: 花@mail.example\r\n\r\n", "To: a <花@mail.example>\r\n\r\n"] {
        assert_eq!(downgrade(message.as_bytes(), Extent::Whole), None, "{message}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_out_is_ascii_and_reads_the_same(body in ".{0,200}", subject in "[a-zé日 ]{0,60}") {
        let body = body.replace(['\r', '\n'], " ");
        let message = format!("Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n");
        let out = downgrade(message.as_bytes(), Extent::Whole).unwrap();
        prop_assert!(out.is_ascii());
        let parsed = mail_parser::MessageParser::default().parse(&out).unwrap();
        let read = parsed.body_text(0).unwrap_or_default();
        prop_assert_eq!(read.trim_end(), body.trim_end());
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(squeeze(parsed.subject().unwrap_or_default()), squeeze(&subject));
    }
}

#[test]
fn long_lines_alone_are_written_in_shorter_ones_and_nothing_else_changes() {
    let long = "a".repeat(5000);
    let parts = [
        "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\u{1b}$B2V\u{1b}(B\r\n".to_owned(),
        format!(
            "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>花{long}</p>\r\n"
        ),
        format!(
            "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            "AAAA".repeat(600)
        ),
        "Content-Type: text/plain; charset=utf-8\r\n\r\n店\r\n".to_owned(),
    ];
    let message = format!(
        "Subject: 花\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n{}--x--\r\n",
        parts.join("\r\n--x\r\n")
    );
    assert!(has_long_lines(message.as_bytes()));
    let out = String::from_utf8(downgrade(message.as_bytes(), Extent::Lines).unwrap()).unwrap();
    assert!(!has_long_lines(out.as_bytes()), "{out}");
    assert!(
        out.starts_with("Subject: 花\r\n") && out.contains(&parts[0]) && out.contains(&parts[3]),
        "{out}"
    );
    let read = mail_parser::MessageParser::default();
    let (before, after) = (read.parse(message.as_bytes()).unwrap(), read.parse(out.as_bytes()).unwrap());
    let texts = |message: &mail_parser::Message<'_>| {
        let leaves = message.parts().skip(1).map(|part| part.decoded_checked().0.to_vec());
        leaves.collect::<Vec<_>>()
    };
    assert_eq!((texts(&before), texts(&before).len()), (texts(&after), 4));
    let short = "Subject: x\r\n\r\n花\r\n";
    assert_eq!(downgrade(short.as_bytes(), Extent::Lines).unwrap(), short.as_bytes());
    assert!(!has_long_lines(format!("{}\r\n", "a".repeat(998)).as_bytes()));
    assert!(has_long_lines("a".repeat(999).as_bytes()));
}
