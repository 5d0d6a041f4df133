//! ZIP archives and what is in them.

use super::write::{How, flate, pdf, zip};
use super::{HANA, found, found_with, look};
use crate::document::{Finding, Kind, Limits, Why, kind, scan};

const DOCUMENT: &str = "word/document.xml";

fn word(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document xmlns:w=\"x\"><w:body><w:p>{body}</w:p></w:body></w:document>"
    )
}

#[test]
fn a_member_is_searched_however_it_is_stored() {
    for how in [How::Stored, How::Deflated, How::Streamed] {
        found_with(|who| zip(&[("a.txt", how, b"nothing"), ("b.txt", how, format!("ask {who}").as_bytes())]));
    }
}

#[test]
fn a_word_that_is_split_over_runs_is_found() {
    let split = |who: &str| {
        let (left, right) = who.split_at(3);
        let runs = format!(
            "<w:r><w:t>Write: </w:t></w:r><w:r><w:t>{left}</w:t></w:r>\n  <w:proofErr w:type=\"x\"/><w:r><w:rPr><w:b/></w:rPr><w:t>{}</w:t></w:r>",
            right.replace('@', "&#x40;")
        );
        let after = "<w:p><w:r><w:t>Thanks</w:t></w:r></w:p>";
        zip(&[(DOCUMENT, How::Deflated, word(&format!("{runs}</w:p>{after}<w:p>")).as_bytes())])
    };
    found_with(split);
}

#[test]
fn a_word_that_a_deletion_parts_is_found_with_and_without_it() {
    let with = |deleted: &str, left: &str, right: &str| {
        let runs = format!(
            "<w:r><w:t>Write: {left}</w:t></w:r><w:del w:id=\"1\"><w:r><w:delText xml:space=\"preserve\">{deleted}</w:delText></w:r></w:del><w:r><w:t>{right}</w:t></w:r>"
        );
        zip(&[(DOCUMENT, How::Deflated, word(&runs).as_bytes())])
    };
    found_with(|who| with("zzz", &who[..6], &who[6..]));
    found_with(|who| with(&who[3..8], &who[..3], &who[8..]));
    found_with(|who| with(who, "a ", " b"));
}

#[test]
fn letters_that_a_workbook_writes_as_numbers_are_read() {
    found_with(|who| {
        let text = format!(
            "<c t=\"inlineStr\"><is><t>{}</t></is></c>",
            who.replace('@', "_x0040_").replace('.', "_x002E_")
        );
        zip(&[("xl/worksheets/sheet1.xml", How::Deflated, text.as_bytes())])
    });
}

#[test]
fn an_attribute_with_references_is_found() {
    found_with(|who| {
        let target = format!("<Relationship Target=\"mailto:{}\"/>", who.replace('@', "&#64;"));
        zip(&[("word/_rels/document.xml.rels", How::Deflated, target.as_bytes())])
    });
}

#[test]
fn markup_in_utf_16_is_read() {
    found_with(|who| {
        let (left, right) = who.split_at(3);
        let text = format!("\u{feff}<a><b>{left}</b><c>{right}</c></a>");
        let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        zip(&[("customXml/item1.xml", How::Deflated, &octets)])
    });
}

#[test]
fn comments_and_character_data_of_markup_are_read() {
    found_with(|who| {
        let (left, right) = who.split_at(5);
        let text = format!("<a><!-- x > y --><![CDATA[{left}]]><b/><![CDATA[{right}]]><c/></a>");
        zip(&[("a.xml", How::Deflated, text.as_bytes())])
    });
}

#[test]
fn names_of_members_and_comments_are_searched() {
    found(&zip(&[(&format!("{HANA}.txt"), How::Stored, b"")]));
    let mut commented = zip(&[("a", How::Stored, b"")]);
    commented.extend(HANA.bytes());
    found(&commented);
}

#[test]
fn what_stands_before_between_and_behind_is_searched() {
    let archive = zip(&[("a", How::Deflated, format!("to {HANA}").as_bytes())]);
    let before = [b"#!/bin/sh\nexit 0\n".as_slice(), &archive].concat();
    assert_eq!(kind(&before, "", ""), Some(Kind::Zip));
    found(&before);
    let image = [b"\x89PNG\r\n\x1a\n".as_slice(), &archive].concat();
    assert_eq!(kind(&image, "", ""), Some(Kind::Png));
    found(&image);
}

#[test]
fn archives_in_archives_are_searched_as_deep_as_the_bound() {
    let nest = |who: &str, deep: usize, how: How| {
        let mut archive = zip(&[("a.txt", How::Deflated, format!("to {who}").as_bytes())]);
        for _ in 0..deep {
            archive = zip(&[("inner.zip", how, &archive), ("b.txt", How::Deflated, b"b")]);
        }
        archive
    };
    for how in [How::Stored, How::Deflated, How::Streamed] {
        found_with(|who| nest(who, 3, how));
    }
    assert_eq!(look(&nest(HANA, 6, How::Deflated)), Finding::Opaque(Why::TooLarge));
}

#[test]
fn a_pdf_in_an_archive_is_searched() {
    let page = |who: &str| pdf(&[flate("", format!("BT ({who}) Tj ET").as_bytes())], "");
    for how in [How::Stored, How::Deflated] {
        found_with(|who| zip(&[("a.pdf", how, &page(who))]));
    }
}

#[test]
fn a_member_that_the_directory_does_not_know_is_searched() {
    found_with(|who| {
        let hidden = zip(&[("a", How::Deflated, format!("to {who}").as_bytes())]);
        let known = zip(&[("b", How::Deflated, b"nothing")]);
        let members = memchr::memmem::find(&hidden, b"PK\x01\x02").unwrap();
        [&hidden[..members], &known].concat()
    });
}

#[test]
fn where_header_and_directory_disagree_both_are_believed() {
    for (at, value) in [(8, 0u8), (10, 8)] {
        found_with(|who| {
            let how = if value == 0 { How::Deflated } else { How::Stored };
            let mut archive = zip(&[("a", how, format!("to {who}").as_bytes())]);
            // The member's own header says stored, the directory deflated; or the other way round.
            let header = if value == 0 { 0 } else { memchr::memmem::find(&archive, b"PK\x01\x02").unwrap() };
            archive[header + at] = value;
            if value == 8 {
                archive[8] = 0;
                return [archive.clone(), zip(&[("b", How::Deflated, who.as_bytes())])].concat();
            }
            archive
        });
    }
}

#[test]
fn members_of_pages_and_numbers_are_unpacked() {
    let pages = |left: &str, right: &str| {
        // A literal, a copy of the octet before its last one, a literal.
        let length = u8::try_from(left.len() + 1 + right.len()).unwrap();
        let mut piece = vec![length, u8::try_from(left.len() - 1).unwrap() << 2];
        piece.extend(left.bytes());
        piece.extend([2, 2, 0, u8::try_from(right.len() - 1).unwrap() << 2]);
        piece.extend(right.bytes());
        let iwa = [[0, u8::try_from(piece.len()).unwrap(), 0, 0].as_slice(), &piece].concat();
        zip(&[("Index/Document.iwa", How::Stored, &iwa)])
    };
    found(&pages("han", "@mailbox.example"));
    assert_eq!(look(&pages("hen", "@mailbox.example")), Finding::Clean);
    assert_eq!(
        look(&zip(&[("a.iwa", How::Stored, b"\0\x04\0\0\x04\x0e\xff\xff")])),
        Finding::Opaque(Why::Damaged)
    );
}

#[test]
fn a_password_makes_an_archive_opaque() {
    let mut archive = zip(&[("a.txt", How::Deflated, b"secret")]);
    archive[6] |= 1;
    assert_eq!(look(&archive), Finding::Opaque(Why::Encrypted));
    let manifest = b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let odf = zip(&[("META-INF/manifest.xml", How::Deflated, manifest)]);
    assert_eq!(look(&odf), Finding::Opaque(Why::Encrypted));
}

#[test]
fn an_unknown_method_or_broken_data_make_an_archive_opaque() {
    let mut archive = zip(&[("a.txt", How::Stored, b"something")]);
    let directory = memchr::memmem::find(&archive, b"PK\x01\x02").unwrap();
    (archive[8], archive[directory + 10]) = (14, 14);
    assert_eq!(look(&archive), Finding::Opaque(Why::Unreadable));
    let mut broken = zip(&[("a.txt", How::Deflated, &b"something else ".repeat(100))]);
    broken[36] = 0xff;
    assert_eq!(look(&broken), Finding::Opaque(Why::Damaged));
}

#[test]
fn a_bomb_is_too_large_and_a_document_that_shrinks_well_is_not() {
    let bomb = zip(&[("a", How::Deflated, &vec![0; 40 << 20])]);
    assert_eq!(look(&bomb), Finding::Opaque(Why::TooLarge));
    let sheet = "<c r=\"A1\"><v>0</v></c>".repeat(300_000);
    assert_eq!(look(&zip(&[("xl/worksheets/sheet1.xml", How::Deflated, sheet.as_bytes())])), Finding::Clean);
}

#[test]
fn members_that_share_their_octets_stay_within_the_bound() {
    let inner = zip(&[("a", How::Deflated, &vec![b'x'; 1 << 20])]);
    let header = &inner[..31];
    let mut archive = Vec::new();
    for _ in 0..2_000 {
        archive.extend(header);
    }
    archive.extend(&inner);
    let mut inflated = 0u64;
    let limits = Limits::for_size(archive.len());
    let finding = scan(&archive, Kind::Zip, &limits, &mut |text| {
        inflated += match text {
            crate::document::Text::Octets(octets) => octets.len() as u64,
            crate::document::Text::Unicode(text) => text.len() as u64,
        };
        false
    });
    assert!(matches!(finding, Finding::Opaque(_)), "{finding:?}");
    assert!(inflated < limits.inflated * 3, "{inflated}");
}

#[test]
fn an_address_over_the_edge_of_a_window_is_found() {
    for before in (65_400..65_600).step_by(7) {
        let text = format!("{} {HANA} and more", "x".repeat(before));
        found(&zip(&[("a.txt", How::Deflated, text.as_bytes())]));
        found(&zip(&[("a.xml", How::Deflated, format!("<a>{text}</a>").as_bytes())]));
    }
}

#[test]
fn another_address_that_ends_alike_is_not_taken_for_hers_at_the_edge_of_a_window() {
    let text = format!("{}johana@mailbox.example ", "x.".repeat(30)).repeat(4000);
    assert_eq!(look(&zip(&[("a.txt", How::Deflated, text.as_bytes())])), Finding::Clean);
}

#[test]
fn a_table_or_a_log_whose_lines_look_like_fields_is_searched_as_the_text_it_is() {
    let long = |line: &str, octets: usize| line.repeat(octets / line.len());
    let member = |text: &str| zip(&[("a.log", How::Deflated, text.as_bytes())]);
    for line in [
        "Date: 2026-11-22 \"From: x\" To: y\n",
        "Date: 2026-11-22\nSubject: a job\nTo: Osaka\n",
        "Date: 2026-11-22\nMessage-ID: <a1>\nTo: Osaka\n",
        "From Tokyo to Osaka\n515 km\n",
    ] {
        for octets in [300 << 10, 6 << 20] {
            let text = long(line, octets);
            assert_eq!(look(&member(&text)), Finding::Clean, "{line} {octets}");
            assert_eq!(look(&member(&format!("{text}To: {HANA}\n"))), Finding::Names, "{line} {octets}");
        }
    }
    // What may hold something encoded is held.
    for field in ["MIME-Version: 1.0\n", "content-transfer-encoding: base64\n"] {
        for octets in [300 << 10, 6 << 20] {
            let text = format!("{field}{}", long("Date: 2026-11-22\nMessage-ID: <a1>\nTo: Osaka\n", octets));
            assert_eq!(look(&member(&text)), Finding::Opaque(Why::TooLarge), "{field} {octets}");
        }
    }
}

#[test]
fn a_mail_in_an_archive_is_read_as_one_by_two_fields_at_its_head() {
    let body = |who: &str| data_encoding::BASE64.encode(format!("ask {who} now").as_bytes());
    for head in [
        "From: x\nSubject: y\nContent-Transfer-Encoding: base64\n",
        "Received: from x\n by y\nFrom: z\nContent-Transfer-Encoding: base64\n",
        "X-Own: 1\nDate: x\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n",
    ] {
        found_with(|who| zip(&[("a.eml", How::Deflated, format!("{head}\n{}\n", body(who)).as_bytes())]));
    }
}
