//! Documents without their metadata: nobody is named, and what is shown stays.

use super::write::{How, flate, gif, jpeg, pdf, png, stream, tiff, webp, zip};
use super::{HANA, look};
use crate::document::{Cleaned, Finding, Limits, kind, without_metadata};

fn clean(octets: &[u8]) -> Cleaned {
    without_metadata(octets, kind(octets, "", "").unwrap(), &Limits::for_size(octets.len()))
}

/// The cleaned document, which is clean and stays as it is when it is cleaned again.
#[track_caller]
fn cleaned(octets: &[u8]) -> Vec<u8> {
    assert_eq!(look(octets), Finding::Names);
    let Cleaned::Changed(out) = clean(octets) else { panic!("{:?}", clean(octets)) };
    assert_eq!(look(&out), Finding::Clean);
    assert_eq!(clean(&out), Cleaned::Unchanged);
    out
}

fn exif(turned: u16) -> Vec<u8> {
    let entries: [(u16, u16, &[u8]); 2] = [(0x0112, 3, &turned.to_be_bytes()), (0x013b, 2, HANA.as_bytes())];
    tiff(&entries)
}

#[test]
fn a_jpeg_keeps_its_picture_its_profile_and_how_it_is_turned() {
    let jfif: (u8, &[u8]) = (0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let kept: [(u8, &[u8]); 3] =
        [(0xe2, b"ICC_PROFILE\0\x01\x01profile"), (0xee, b"Adobe\0\x64"), (0xdb, b"table")];
    let photo = |turned: u16| [b"Exif\0\0".as_slice(), &exif(turned)].concat();
    let (turned, straight) = (photo(6), photo(1));
    for (photo, expected) in [(&turned, 6), (&straight, 1)] {
        let dropped: [(u8, &[u8]); 4] =
            [(0xe1, photo), (0xed, HANA.as_bytes()), (0xfe, HANA.as_bytes()), (0xe2, b"MPF\0x")];
        let segments = [[jfif].as_slice(), &dropped, &kept].concat();
        let out = cleaned(&jpeg(&segments, HANA.as_bytes()));
        let alone = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let left = if expected == 1 { vec![jfif] } else { vec![jfif, (0xe1, alone.as_slice())] };
        assert_eq!(out, jpeg(&[left.as_slice(), &kept].concat(), b""));
    }
    assert_eq!(clean(&jpeg(&[jfif], b"")), Cleaned::Unchanged);
    assert_eq!(clean(b"\xff\xd8\xff\xe0\0\x04ab"), Cleaned::CannotBeCleaned);
}

#[test]
fn a_png_keeps_its_picture_and_how_it_is_turned() {
    let chunks: [(&[u8; 4], &[u8]); 5] = [
        (b"gAMA", b"\0\0\xb1\x8f"),
        (b"tEXt", HANA.as_bytes()),
        (b"tIME", b"1234567"),
        (b"eXIf", &exif(1)),
        (b"pHYs", b"123456789"),
    ];
    let kept: [(&[u8; 4], &[u8]); 2] = [(b"gAMA", b"\0\0\xb1\x8f"), (b"pHYs", b"123456789")];
    assert_eq!(cleaned(&png(&chunks, HANA.as_bytes())), png(&kept, b""));
    let turned = cleaned(&png(&[(b"eXIf", &exif(8))], b""));
    let at = memchr::memmem::find(&turned, b"eXIf").unwrap();
    // The checksum of the new chunk is the only one that is not nought here.
    assert_eq!(turned[at + 4 + 26..][..4], 0xa2c2_031b_u32.to_be_bytes());
    assert_eq!(clean(&png(&[(b"ABCD", b"x")], b"")), Cleaned::CannotBeCleaned);
}

#[test]
fn a_gif_keeps_its_animation() {
    let animation: (u8, &[u8]) = (0xff, b"NETSCAPE2.0\x01\0\0");
    let picture: (u8, &[u8]) = (0xf9, b"\x04\0\0\0");
    let whole = gif(&[animation, (0xfe, HANA.as_bytes()), (0xff, b"SOME  APP1.hana"), picture]);
    assert_eq!(cleaned(&whole), gif(&[animation, picture]));
}

#[test]
fn a_webp_says_what_is_left() {
    let whole = webp(0x1c, &[(b"EXIF", &exif(1)), (b"XMP ", b"<x/>"), (b"ICCP", b"profile")]);
    assert_eq!(cleaned(&whole), webp(0x10, &[(b"ICCP", b"profile")]));
    let turned = cleaned(&webp(0x08, &[(b"EXIF", &exif(3))]));
    assert!(turned.len() < 100 && memchr::memmem::find(&turned, b"EXIF").is_some());
    assert_eq!(turned[20], 8);
}

#[test]
fn an_office_document_loses_its_authors_and_nothing_else() {
    let document = "<w:document><w:ins w:id=\"1\" w:author=\"hana@mailbox.example\"><w:t>text</w:t></w:ins></w:document>";
    let core = format!(
        "<cp:coreProperties><dc:title>T</dc:title><dc:creator>{HANA}</dc:creator><cp:lastModifiedBy>{HANA}</cp:lastModifiedBy></cp:coreProperties>"
    );
    let app = format!("<Properties><Company>{HANA}</Company><Pages>1</Pages></Properties>");
    let photo = jpeg(&[(0xe1, &[b"Exif\0\0".as_slice(), &exif(1)].concat())], b"");
    let other = "<w:styles>styles</w:styles>".repeat(50);
    let write = |document: &str, core: &str, app: &str, photo: &[u8], how: How| {
        zip(&[
            ("[Content_Types].xml", How::Deflated, b"<Types/>"),
            ("word/styles.xml", How::Streamed, other.as_bytes()),
            ("word/document.xml", how, document.as_bytes()),
            ("docProps/core.xml", how, core.as_bytes()),
            ("docProps/app.xml", how, app.as_bytes()),
            ("word/media/image1.jpeg", How::Stored, photo),
        ])
    };
    let plain_core = core.replace(HANA, "");
    let plain = (document.replace(HANA, "Author"), plain_core, app.replace(HANA, ""), jpeg(&[], b""));
    for how in [How::Deflated, How::Streamed] {
        let out = cleaned(&write(document, &core, &app, &photo, how));
        let expected = write(&plain.0, &plain.1, &plain.2, &plain.3, How::Deflated);
        assert_eq!(without_checksums(out), expected);
    }
}

/// What the writer of these tests leaves out.
fn without_checksums(mut archive: Vec<u8>) -> Vec<u8> {
    for (magic, at) in [(b"PK\x03\x04", 14), (b"PK\x01\x02", 16)] {
        let places: Vec<usize> = memchr::memmem::find_iter(&archive, magic).collect();
        for place in places {
            archive[place + at..place + at + 4].fill(0);
        }
    }
    archive
}

#[test]
fn an_open_document_loses_its_authors() {
    let meta = format!(
        "<office:meta><dc:title>T</dc:title><meta:initial-creator>{HANA}</meta:initial-creator><dc:creator>{HANA}</dc:creator></office:meta>"
    );
    let content =
        format!("<text:p>x<office:annotation><dc:creator>{HANA}</dc:creator></office:annotation></text:p>");
    let write = |meta: &str, content: &str| {
        zip(&[
            ("mimetype", How::Stored, b"application/vnd.oasis.opendocument.text"),
            ("content.xml", How::Deflated, content.as_bytes()),
            ("meta.xml", How::Deflated, meta.as_bytes()),
        ])
    };
    let out = cleaned(&write(&meta, &content));
    assert_eq!(without_checksums(out), write(&meta.replace(HANA, ""), &content.replace(HANA, "")));
}

#[test]
fn an_archive_that_is_no_office_document_or_is_signed_cannot_be_cleaned() {
    assert_eq!(clean(&zip(&[("a", How::Stored, b"a")])), Cleaned::CannotBeCleaned);
    let types: (&str, How, &[u8]) = ("[Content_Types].xml", How::Stored, b"<Types/>");
    assert_eq!(clean(&zip(&[types])), Cleaned::Unchanged);
    let signed = zip(&[types, ("_xmlsignatures/sig1.xml", How::Stored, b"<x/>")]);
    assert_eq!(clean(&signed), Cleaned::CannotBeCleaned);
}

#[test]
fn a_pdf_is_blanked_in_place() {
    let page = flate("", b"BT (text) Tj ET");
    let write = |author: &str, other: &str, xmp: &[u8]| {
        pdf(
            &[
                page.clone(),
                format!("<< /Author ({author}) /CreationDate (D:2026) /Title <{other}> >>").into_bytes(),
                stream("/Type /Metadata /Subtype /XML", xmp),
            ],
            "/Info 2 0 R",
        )
    };
    let out = cleaned(&write(&format!("\\({HANA}\\)"), "48616E 61", b"<x:xmpmeta>hana</x:xmpmeta>"));
    assert_eq!(out, write(&" ".repeat(HANA.len() + 4), "202020 20", &[b' '; 27]));
    assert_eq!(clean(&pdf(std::slice::from_ref(&page), "")), Cleaned::Unchanged);
}

#[test]
fn a_pdf_whose_information_is_out_of_reach_cannot_be_cleaned() {
    let information = format!("<< /Author ({HANA}) >>").into_bytes();
    for file in [
        pdf(&[flate("/Type /ObjStm", &information)], "/Info 7 0 R"),
        pdf(
            &[information.clone(), flate("/Type /ObjStm", &[b"1 0 ", information.as_slice()].concat())],
            "/Info 1 0 R",
        ),
        pdf(&[b"<< /Type /Annot /Contents (text) >>".to_vec()], "/Info 1 0 R"),
        pdf(&[flate("/Type /Metadata /Subtype /XML", b"<x/>")], ""),
        pdf(&[b"<< /Author 2 0 R >>".to_vec(), b"(hana)".to_vec()], "/Info 1 0 R"),
        pdf(std::slice::from_ref(&information), "/Info 1 0 R /Encrypt 9 0 R"),
        pdf(&[b"<< /ByteRange [0 1 2 3] >>".to_vec()], ""),
        pdf(&[stream("/Subtype /Image /Filter /DCTDecode", b"\xff\xd8\xff\xe1\0\x10Exif\0\0II*\0")], ""),
    ] {
        assert_eq!(clean(&file), Cleaned::CannotBeCleaned);
    }
}
