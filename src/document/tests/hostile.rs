//! Hostile documents: whatever comes, there is an answer within the limits.

use super::write::{How, flate, gif, jpeg, ole, pdf, png, tiff, webp, zip};
use crate::document::search::WINDOW;
use crate::document::{Cleaned, Kind, Limits, Text, kind, scan, without_metadata};
use proptest::prelude::*;
use std::sync::LazyLock;

const KINDS: [Kind; 14] = [
    Kind::Zip,
    Kind::Pdf,
    Kind::Jpeg,
    Kind::Png,
    Kind::Gif,
    Kind::Webp,
    Kind::Tiff,
    Kind::Heif,
    Kind::Ole,
    Kind::Rtf,
    Kind::Gzip,
    Kind::Zlib,
    Kind::Tar,
    Kind::Packed,
];

static DOCUMENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let exif =
        [b"Exif\0\0".as_slice(), &tiff(&[(0x0112, 3, &[0, 6]), (0x9286, 7, b"UNICODE\0abcd")])].concat();
    let page = flate("", b"BT /F1 9 Tf [(a)-300(b)]TJ 0 -9 Td <00410042> Tj ET");
    let table = b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange 2 beginbfrange <00> <40> <0000> <41> <42> [<0040> <0041>] endbfrange";
    let file = pdf(&[page, flate("", table), b"<< /Author (a) >>".to_vec()], "/Info 3 0 R");
    let photo = jpeg(&[(0xe1, &exif), (0xfe, b"comment")], b"behind");
    let office = zip(&[
        ("[Content_Types].xml", How::Deflated, b"<Types/>"),
        ("docProps/core.xml", How::Streamed, b"<a><dc:creator>a &amp; b</dc:creator></a>"),
        ("word/media/image1.jpg", How::Stored, &photo),
        ("embedded.pdf", How::Deflated, &file),
    ]);
    vec![
        ole(&[("Workbook", &[0xfc, 0, 2, 0, 1, 2, 0x3c, 0, 2, 0, 0, 1]), ("Package", &office)]),
        file,
        photo,
        office,
        png(&[(b"tEXt", b"a\0b"), (b"eXIf", &tiff(&[(0x0112, 3, &[0, 6])]))], b"x"),
        gif(&[(0xfe, b"comment"), (0xff, b"NETSCAPE2.0\x01\0\0")]),
        webp(0x0c, &[(b"EXIF", &exif), (b"XMP ", b"<x>y</x>")]),
        tiff(&[(0x8769, 4, &[0, 0, 0, 8]), (0x02bc, 1, b"<x a='b'>y</x>")]),
        b"{\\rtf1\\ansi a\\'40\\u64?{\\b b}\\par{\\*\\objdata 504b0304}}".to_vec(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0".to_vec(),
        b"\x78\x9c\x4b\x04\0\0\x62\0\x62".to_vec(),
        b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\nbegin 644 a\r\n#86)C\r\n`\r\nend\r\n".to_vec(),
    ]
});

/// Looks at it in every way. Gives back how much was given to the closure.
fn answers(octets: &[u8], kinds: &[Kind]) -> usize {
    let limits = Limits::for_size(octets.len());
    let mut given = 0;
    for kind in kinds {
        scan(octets, *kind, &limits, &mut |text| {
            let length = match text {
                Text::Unicode(text) => text.len(),
                Text::Octets(octets) => octets.len(),
            };
            assert!(length <= 4 * WINDOW);
            given += length;
            false
        });
        if let Cleaned::Changed(out) = without_metadata(octets, *kind, &limits) {
            assert!(out.len() <= octets.len() + 1024);
        }
    }
    given
}

proptest! {
    #[test]
    fn any_octets_get_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        answers(&octets, &KINDS);
    }

    #[test]
    fn a_damaged_document_gets_an_answer(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(b'(')]), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut octets = which.get(&DOCUMENTS).clone();
        for (at, with) in changes {
            let at = at.index(octets.len());
            octets[at] = with;
        }
        answers(&octets, &KINDS);
        octets.truncate(cut.index(octets.len()));
        let kind = kind(&octets, "a.zip", "").unwrap();
        answers(&octets, &[kind]);
    }
}

#[test]
fn what_repeats_costs_no_more_than_the_limits() {
    let zlib = miniz_oxide::deflate::compress_to_vec_zlib(&[b'x'; 4000], 9);
    let stream = [b"1 0 obj <</Filter/FlateDecode>> stream\n".as_slice(), &zlib].concat();
    let exif = tiff(&[(0x8769, 4, &[0, 0, 0, 8]), (0x014a, 4, &[0; 64])]);
    for piece in [
        b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(),
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\x7f\0\0\0\0\x01\0\0\0a",
        b"PK\x01\x02",
        b"<< stream\n",
        b"obj << /Filter [/LZW /LZW /LZW /LZW] >> stream\n",
        b"obj << /Length 9 >> stream\n",
        b"endobj",
        b"(\\",
        b"/Info 1 0 R ",
        b"1 0 obj ",
        b"<?xpacket begin",
        b"%PDF-",
        b"\xff\xe1\0\x02",
        b"\xff\xe1\0\x4ahttp://ns.adobe.com/xmp/extension/\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"\0\0\0\0tEXt\0\0\0\0",
        b"\x21\xfe\x01a\0",
        b"EXIF\0\0\0\0",
        b"{\\objdata PK}",
        b"\\u1",
        b"Exif\0\0II*\0\x08\0\0\0",
        b"<a ",
        b"&#",
        b"]]>",
        &stream,
        &exif,
    ] {
        let octets = piece.repeat(100_000 / piece.len());
        let begins: [&[u8]; 6] = [
            b"",
            b"\xff\xd8",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a\0\0\0\0\0\0\0",
            b"RIFF\0\0\0\0WEBP",
            b"{\\rtf1",
        ];
        for begin in begins {
            let given = answers(&[begin, &octets].concat(), &KINDS);
            // Thirteen kinds, each within its limit, and each text in a few ways.
            assert!(given < 13 * 4 * (16 << 20), "{given} of {:?}", String::from_utf8_lossy(piece));
        }
    }
}
