//! Compound files, RTF, gzip and tar.

use super::write::{How, hex, ole, zip};
use super::{HANA, found, found_with, look};
use crate::document::{Finding, Kind, Limits, Text, Why, kind, scan};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

fn gzip(content: &[u8]) -> Vec<u8> {
    [b"\x1f\x8b\x08\x08\0\0\0\0\0\x03a.txt\0".as_slice(), &compress_to_vec(content, 6), &[0; 8]].concat()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in members {
        let mut header = name.as_bytes().to_vec();
        header.resize(124, 0);
        header.extend(format!("{:011o}\0", content.len()).bytes());
        header.resize(257, 0);
        header.extend(b"ustar\0");
        header.resize(512, 0);
        out.extend(header);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn a_stream_is_put_together_from_its_sectors() {
    found_with(|who| {
        let text = format!("{}{who} and more", "x ".repeat(251));
        ole(&[("WordDocument", text.as_bytes())])
    });
    found_with(|who| {
        let text: Vec<u8> =
            format!("{}{who} and more", "x ".repeat(122)).encode_utf16().flat_map(u16::to_le_bytes).collect();
        ole(&[("a", b"a"), ("__substg1.0_0C1F001F", &text)])
    });
    found_with(|who| ole(&[("Package", &zip(&[("a", How::Deflated, format!("to {who}").as_bytes())]))]));
}

#[test]
fn a_string_of_a_workbook_goes_on_over_records() {
    found_with(|who| {
        let (left, right) = who.split_at(6);
        let mut book = vec![0xfc, 0, 6, 0];
        book.extend(left.bytes());
        book.extend([0x3c, 0, u8::try_from(right.len() + 2).unwrap(), 0, 0]);
        book.extend(right.bytes());
        book.push(b' ');
        ole(&[("Workbook", &book)])
    });
}

#[test]
fn a_password_makes_a_compound_file_opaque() {
    let encrypted = Finding::Opaque(Why::Encrypted);
    assert_eq!(look(&ole(&[("EncryptedPackage", b"x")])), encrypted);
    assert_eq!(look(&ole(&[("Workbook", &[0x2f, 0, 2, 0, 1, 0])])), encrypted);
    let mut head = vec![0; 32];
    (head[0], head[1], head[11]) = (0xec, 0xa5, 1);
    assert_eq!(look(&ole(&[("WordDocument", &head)])), encrypted);
    assert_eq!(look(&ole(&[("WordDocument", b"text")])), Finding::Clean);
}

#[test]
fn a_ring_of_sectors_ends() {
    let mut file = ole(&[("WordDocument", &vec![b'x'; 5000])]);
    // Every sector is followed by itself or another one of the stream.
    for at in (512 + 8..512 + 48).step_by(4) {
        file[at..at + 4].copy_from_slice(&3u32.to_le_bytes());
    }
    assert_eq!(look(&file), Finding::Clean);
    file[512 + 512 + 128 + 120..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(look(&file), Finding::Opaque(Why::TooLarge));
}

#[test]
fn rich_text_is_read_without_its_control_words() {
    for text in [
        "ha{\\b na}@mail\\i box.exa\r\nmple",
        "hana\\'40mailbox\\'2eexample",
        "hana\\u64?mailbox.example",
        "hana\\uc2\\u64 ??mailbox.example",
        "hana@mailbox.example\\par Hana",
    ] {
        found_with(|who| {
            let (name, domain) = who.split_once('@').unwrap();
            let (host, end) = domain.split_once('.').unwrap();
            let text = if who == HANA {
                text.to_owned()
            } else {
                text.replace("ha{\\b na}", name)
                    .replace("hana", name)
                    .replace("mail\\i box", host)
                    .replace("mailbox", host)
                    .replace("exa\r\nmple", end)
            };
            format!("{{\\rtf1\\ansi{{\\fonttbl{{\\f0 Arial;}}}}Mail: {text}\\par}}").into_bytes()
        });
    }
    found_with(|who| {
        let archive = zip(&[("a", How::Deflated, format!("to {who}").as_bytes())]);
        format!("{{\\rtf1{{\\object{{\\*\\objdata 0105{}}}}}}}", hex(&archive)).into_bytes()
    });
}

#[test]
fn gzip_and_tar_are_searched() {
    found_with(|who| gzip(format!("to {who}").as_bytes()));
    found_with(|who| [gzip(b"first"), gzip(format!("to {who}").as_bytes())].concat());
    found_with(|who| {
        let inner = zip(&[("a", How::Deflated, format!("to {who}").as_bytes())]);
        gzip(&tar(&[("a", b"a"), ("b.zip", &inner)]))
    });
    found(&tar(&[(HANA, b"")]));
    found_with(|who| compress_to_vec_zlib(format!("to {who}, {who}").as_bytes(), 6));
    found_with(|who| {
        zip(&[("a.z", How::Deflated, &compress_to_vec_zlib(format!("to {who} {who}").as_bytes(), 9))])
    });
    let cut = gzip(&b"abcdefgh".repeat(500));
    assert_eq!(look(&cut[..cut.len() - 20]), Finding::Opaque(Why::Damaged));
}

#[test]
fn what_is_packed_in_other_ways_is_unreadable() {
    for magic in [
        b"7z\xbc\xaf\x27\x1c\0\x04".as_slice(),
        b"Rar!\x1a\x07\x01\0",
        b"BZh91AY&SY",
        b"\xfd7zXZ\0",
        b"\x1c\0-lh5-",
        b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
        b"\x04\x22\x4d\x18\x40\x40\xc0",
        b"\x1f\x9d\x90ab",
        b"\x60\xea\x2a\0\x22\x0b\x01\x02\0\0\0",
    ] {
        assert_eq!(kind(magic, "a.pdf", "application/pdf"), Some(Kind::Packed));
        assert_eq!(look(magic), Finding::Opaque(Why::Unreadable));
    }
}

#[test]
fn what_is_no_document_has_no_kind() {
    for (octets, name, media) in [
        (b"plain text".as_slice(), "a.txt", "text/plain"),
        (b"x^2 + y^2 = z^2", "a.txt", "text/plain"),
        (b"x\x01 and more octets that are none\xff\xff", "a.bin", ""),
        (b"]\0\0\0\0\0\0\0\0\0\0\0\0\0", "a.bin", ""),
        (b"`\xea\xff\xff\xff\0\0\0\0\0\0\0", "a.bin", ""),
        (b"", "", ""),
        (b"BM\0\0", "a.bmp", "image/bmp"),
        (b"\0\0\0\x20ftypisom", "a.mp4", "video/mp4"),
    ] {
        assert_eq!(kind(octets, name, media), None);
    }
    assert_eq!(kind(b"junk", "Invoice.PDF ", ""), Some(Kind::Pdf));
    assert_eq!(kind(b"\0\0\0\x20ftypheic", "a.jpg", "image/jpeg"), Some(Kind::Heif));
}

#[test]
fn the_search_ends_with_the_first_yes() {
    let archive = zip(&[("a", How::Deflated, b"x"), ("b", How::Deflated, b"y")]);
    let mut asked = 0;
    let finding = scan(&archive, Kind::Zip, &Limits::for_size(archive.len()), &mut |text| {
        asked += 1;
        matches!(text, Text::Octets(_))
    });
    assert_eq!((finding, asked), (Finding::Names, 1));
}
