//! Images and what they carry beside the picture.

use super::write::{How, gif, hex, jpeg, png, tiff, webp, zip};
use super::{HANA, found, found_with, look};
use crate::document::{Finding, Why};
use miniz_oxide::deflate::compress_to_vec_zlib;

fn utf16le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn exif(entries: &[(u16, u16, &[u8])]) -> Vec<u8> {
    [b"Exif\0\0".as_slice(), &tiff(entries)].concat()
}

#[test]
fn exif_is_read_in_the_charset_of_each_tag() {
    found_with(|who| jpeg(&[(0xe1, &exif(&[(0x013b, 2, format!("{who}\0").as_bytes())]))], b""));
    found_with(|who| jpeg(&[(0xe1, &exif(&[(0x9c9d, 1, &utf16le(who))]))], b""));
    found_with(|who| {
        let comment = [b"UNICODE\0".to_vec(), utf16le(who)].concat();
        jpeg(&[(0xe1, &exif(&[(0x9286, 7, &comment)]))], b"")
    });
    found_with(|who| tiff(&[(0x9286, 7, format!("ASCII\0\0\0{who}").as_bytes())]));
    found_with(|who| png(&[(b"eXIf", &tiff(&[(0x9c9d, 1, &utf16le(who))]))], b""));
    found_with(|who| webp(8, &[(b"EXIF", &exif(&[(0x9c9d, 1, &utf16le(who))]))]));
}

#[test]
fn xmp_is_read_as_markup() {
    let xmp = |who: &str| format!("<x:xmpmeta><rdf:li>{}</rdf:li></x:xmpmeta>", who.replace('@', "&#x40;"));
    found_with(|who| {
        jpeg(&[(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0".to_vec(), xmp(who).into_bytes()].concat())], b"")
    });
    found_with(|who| webp(4, &[(b"XMP ", xmp(who).as_bytes())]));
    found_with(|who| {
        let text = [b"XML:com.adobe.xmp\0\0\0\0\0".to_vec(), xmp(who).into_bytes()].concat();
        png(&[(b"iTXt", &text)], b"")
    });
}

#[test]
fn xmp_over_several_segments_is_put_together_in_its_order() {
    found_with(|who| {
        let text = format!("<a>{who}</a>");
        let (left, right) = text.split_at(9);
        let piece = |at: usize, text: &str| {
            let mut out = b"http://ns.adobe.com/xmp/extension/\0".to_vec();
            out.extend([b'0'; 32]);
            out.extend([0; 4]);
            out.extend(u32::try_from(at).unwrap().to_be_bytes());
            out.extend(text.bytes());
            out
        };
        jpeg(&[(0xe1, &piece(9, right)), (0xe1, &piece(0, left))], b"")
    });
}

#[test]
fn comments_and_photoshops_texts_are_read() {
    found(&jpeg(&[(0xfe, HANA.as_bytes())], b""));
    found_with(|who| {
        let (left, right) = who.split_at(5);
        let segment = |text: &str| [b"Photoshop 3.0\0".as_slice(), text.as_bytes()].concat();
        jpeg(&[(0xed, &segment(left)), (0xed, &segment(&format!("{right}\x1c")))], b"")
    });
    found_with(|who| gif(&[(0xfe, format!("{}{who}", "x ".repeat(123)).as_bytes())]));
}

#[test]
fn texts_of_a_png_are_read_compressed_or_not() {
    found_with(|who| png(&[(b"tEXt", format!("Author\0{who}").as_bytes())], b""));
    found_with(|who| {
        png(&[(b"zTXt", &[b"Author\0\0".to_vec(), compress_to_vec_zlib(who.as_bytes(), 6)].concat())], b"")
    });
    found_with(|who| {
        let text = [b"Author\0\x01\0\0\0".to_vec(), compress_to_vec_zlib(who.as_bytes(), 6)].concat();
        png(&[(b"iTXt", &text)], b"")
    });
    found_with(|who| {
        let profile = format!("\nexif\n      64\n{}\n", hex(&exif(&[(0x9c9d, 1, &utf16le(who))])));
        let text =
            [b"Raw profile type exif\0\0".to_vec(), compress_to_vec_zlib(profile.as_bytes(), 6)].concat();
        png(&[(b"zTXt", &text)], b"")
    });
}

#[test]
fn files_behind_an_image_are_read() {
    let archive = |who: &str| zip(&[("a", How::Deflated, format!("to {who}").as_bytes())]);
    found_with(|who| jpeg(&[], &archive(who)));
    found_with(|who| png(&[], &archive(who)));
    found_with(|who| jpeg(&[], &jpeg(&[(0xe1, &exif(&[(0x9c9d, 1, &utf16le(who))]))], b"")));
}

#[test]
fn an_image_without_structure_is_damaged_and_one_that_breaks_off_in_its_picture_is_not() {
    assert_eq!(look(b"\xff\xd8\xff\xe0\xff\xff"), Finding::Opaque(Why::Damaged));
    let whole = jpeg(&[(0xe0, b"JFIF\0")], b"");
    assert_eq!(look(&whole[..whole.len() - 6]), Finding::Clean);
    assert_eq!(look(&png(&[(b"zTXt", b"a\0\0\x78\x9c\xff\xff")], b"")), Finding::Opaque(Why::Damaged));
}
