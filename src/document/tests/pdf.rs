//! PDF files, as the programs that people use write them.

use super::write::{How, flate, hex, jpeg, pdf, stream, tiff, utf16be, zip};
use super::{HANA, found, found_with, look};
use crate::document::{Finding, Why};
use miniz_oxide::deflate::compress_to_vec_zlib;

fn catalog() -> Vec<u8> {
    b"<< /Type /Catalog /Pages 2 0 R >>".to_vec()
}

/// A ToUnicode CMap for the glyphs 0x0003 and up, one for each letter of `text`.
fn cmap(text: &str) -> Vec<u8> {
    let mut out = String::from(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange\n",
    );
    out += &format!("{} beginbfchar\n", text.len());
    for (code, c) in (3..).zip(text.chars()) {
        out += &format!("<{code:04X}> <{:04X}>\n", u32::from(c));
    }
    (out + "endbfchar endcmap end end").into_bytes()
}

/// The same text in these glyphs, for a show operator.
fn glyphs(text: &str) -> Vec<u16> {
    (3..).take(text.len()).collect()
}

#[test]
fn document_information_is_read_in_every_notation() {
    found_with(|who| pdf(&[catalog(), format!("<< /Author ({who}) >>").into_bytes()], "/Info 2 0 R"));
    found_with(|who| {
        let octal: String = who.bytes().map(|b| format!("\\{b:03o}")).collect();
        pdf(&[format!("<< /Author ({octal}) >>").into_bytes()], "")
    });
    found_with(|who| pdf(&[format!("<< /Author <{}> >>", hex(who.as_bytes())).into_bytes()], ""));
    found_with(|who| pdf(&[format!("<< /Author <FEFF{}> >>", hex(&utf16be(who))).into_bytes()], ""));
    found_with(|who| {
        let (left, right) = who.split_at(7);
        pdf(&[format!("<< /Author (\\(x\\) {left}\\\r\n{right}) >>").into_bytes()], "")
    });
}

#[test]
fn objects_in_object_streams_are_read() {
    found_with(|who| {
        let objects = format!("4 0 5 20 << /Type /Annot >> << /A << /URI (mailto:{who}) >> >>");
        pdf(&[catalog(), flate("/Type /ObjStm /N 2 /First 8", objects.as_bytes())], "")
    });
    found_with(|who| {
        // With a predictor: every row has its kind before it.
        let text = format!("<< /Author ({who}) >>");
        let rows: Vec<u8> = text
            .as_bytes()
            .chunks(8)
            .flat_map(|row| {
                let mut last = 0;
                std::iter::once(1)
                    .chain(row.iter().map(move |b| {
                        let difference = b.wrapping_sub(last);
                        last = *b;
                        difference
                    }))
                    .collect::<Vec<u8>>()
            })
            .collect();
        pdf(&[flate("/Type /ObjStm /DecodeParms << /Predictor 12 /Columns 8 >>", &rows)], "")
    });
}

#[test]
fn page_text_in_pieces_is_put_together() {
    for content in [
        "BT /F1 12 Tf 72 700 Td [(ha)-20(na@mail)15(box.exam)3(ple)]TJ ET",
        "BT 72 700 Td (hana@mai) Tj 40 0 Td (lbox.example) Tj ET",
        "BT 1 0 0 1 72 700 Tm (hana@mailbox) Tj 1 0 0 1 99 700 Tm (.example) Tj 1 0 0 1 72 680 Tm (Hana) Tj ET",
        "BT (Mail) Tj (hana@mailbox.example) Tj (Tel) Tj ET",
        "BT [(Mail)-333(hana@mailbox.exa)-20(mple)-333(T)80(el)]TJ ET",
        "BT (Mail:) ' (hana@) ' (mailbox.example) ' ET",
        "BT <68616E61406D61696C> Tj <626F782E6578616D706C65> Tj ET",
        "BI /W 1 /H 1 ID (\x01((\x02 EI BT (hana@mail) Tj (box.example) Tj ET",
    ] {
        let file = pdf(&[catalog(), flate("", content.as_bytes())], "");
        assert_eq!(look(&file), Finding::Names, "{content}");
        let other = content.replace("hana", "jiro").replace("68616E61", "6A69726F").replace("(ha)", "(ji)");
        assert_eq!(look(&pdf(&[catalog(), flate("", other.as_bytes())], "")), Finding::Clean, "{other}");
    }
}

#[test]
fn glyphs_of_two_octets_are_read_through_the_tables_of_their_fonts() {
    let codes = |text: &str| glyphs(text).iter().flat_map(|g| g.to_be_bytes()).collect::<Vec<u8>>();
    found_with(|who| {
        let shown = codes(who);
        let (left, right) = shown.split_at(12);
        let content = format!("BT /F4 11 Tf <{}> Tj 9 0 Td <{}> Tj ET", hex(left), hex(right));
        // The table comes behind the page that needs it, and another font's before.
        pdf(&[flate("", &cmap("xyz@")), flate("", content.as_bytes()), flate("", &cmap(who))], "")
    });
    found_with(|who| {
        let ranges = who.bytes().map(|b| format!("<{b:02X}> <{b:02X}> <{b:04X}>\n")).collect::<String>();
        let table = format!(
            "begincmap 1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfrange\n{ranges}endbfrange"
        );
        let shifted = table.replace("beginbfrange\n", "beginbfrange\n<01> <03> [<0041> <0042> <0043>]\n");
        let content = format!("BT [{}] TJ ET", who.chars().map(|c| format!("({c})")).collect::<String>());
        pdf(&[flate("", content.as_bytes()), flate("", shifted.as_bytes())], "")
    });
}

#[test]
fn fonts_without_tables_are_read_as_they_usually_are() {
    for shift in [29u16, 31] {
        found_with(|who| {
            let codes: Vec<u8> = who.bytes().flat_map(|b| (u16::from(b) - shift).to_be_bytes()).collect();
            pdf(&[flate("", format!("BT <{}> Tj ET", hex(&codes)).as_bytes())], "")
        });
    }
    found_with(|who| {
        let names = |c: char| match c {
            '@' => "at".to_owned(),
            '.' => "period".to_owned(),
            c => c.to_string(),
        };
        let differences: String = who.chars().map(|c| format!("/{}", names(c))).collect();
        let font = format!("<< /Type /Encoding /Differences [ 1 {differences} ] >>");
        let codes: Vec<u8> = (1..).take(who.len()).collect();
        pdf(&[font.into_bytes(), flate("", format!("BT <{}> Tj ET", hex(&codes)).as_bytes())], "")
    });
}

#[test]
fn every_filter_of_texts_is_undone() {
    let content = |who: &str| format!("BT ({}) Tj ({}) Tj ET", &who[..4], &who[4..]).into_bytes();
    found_with(|who| pdf(&[stream("/Filter /ASCIIHexDecode", (hex(&content(who)) + ">").as_bytes())], ""));
    found_with(|who| {
        let hex = hex(&compress_to_vec_zlib(&content(who), 6)) + ">";
        pdf(&[stream("/Filter [/ASCIIHexDecode /FlateDecode]", hex.as_bytes())], "")
    });
    found_with(|who| {
        let mut text = content(who);
        text.resize(text.len().next_multiple_of(4), b' ');
        let mut out = String::new();
        for four in text.chunks(4) {
            let value = u32::from_be_bytes(four.try_into().unwrap());
            for power in (0..5).rev() {
                let digit = value / 85u32.pow(power) % 85;
                out.push(char::from(b'!' + u8::try_from(digit).unwrap()));
            }
        }
        pdf(&[stream("/Filter /ASCII85Decode", (out + "~>").as_bytes())], "")
    });
    found_with(|who| {
        let runs: Vec<u8> = content(who).iter().flat_map(|b| [0, *b]).chain([128]).collect();
        pdf(&[stream("/Filter /RunLengthDecode", &runs)], "")
    });
    found_with(|who| {
        // LZW in its dullest form: a clear code before every eight octets keeps codes at nine bits.
        let codes = content(who);
        let codes = codes.chunks(8).flat_map(|c| std::iter::once(256).chain(c.iter().map(|b| u32::from(*b))));
        let bits: Vec<u32> = codes.chain([257]).flat_map(|c| (0..9).rev().map(move |i| c >> i & 1)).collect();
        let octets: Vec<u8> = bits
            .chunks(8)
            .map(|c| (0..8).fold(0, |b, i| b << 1 | c.get(i).copied().unwrap_or(0) as u8))
            .collect();
        pdf(&[stream("/Filter /LZWDecode", &octets)], "")
    });
}

#[test]
fn every_revision_is_read() {
    let first = pdf(&[format!("<< /Author ({HANA}) >>").into_bytes()], "");
    let second = pdf(&[b"<< /Author () >>".to_vec()], "");
    found(&[first, second].concat());
}

#[test]
fn embedded_files_are_read() {
    found_with(|who| {
        let archive = zip(&[("a.txt", How::Deflated, format!("to {who}").as_bytes())]);
        pdf(&[flate("/Type /EmbeddedFile", &archive)], "")
    });
    found_with(|who| {
        let archive = zip(&[("a.txt", How::Deflated, format!("to {who}").as_bytes())]);
        pdf(&[stream("/Type /EmbeddedFile", &archive)], "")
    });
}

#[test]
fn a_string_that_is_not_closed_hides_nothing_behind_its_object() {
    found_with(|who| {
        let author: String = who.bytes().map(|b| format!("\\{b:03o}")).collect();
        pdf(&[b"<< /Title (open ((( >>".to_vec(), format!("<< /Author ({author}) >>").into_bytes()], "")
    });
}

#[test]
fn wrong_lengths_and_headers_hide_nothing() {
    found_with(|who| {
        let content = format!("BT ({}) Tj ({}) Tj ET", &who[..4], &who[4..]);
        let file = pdf(&[flate("", content.as_bytes())], "");
        let at = memchr::memmem::find(&file, b"/Length ").unwrap();
        [&file[..at + 8], b"1", &file[at + 8..]].concat()
    });
    found_with(|who| {
        let content = format!("BT ({}) Tj ({}) Tj ET", &who[..4], &who[4..]);
        let mut file = pdf(&[flate("", content.as_bytes())], "");
        let at = memchr::memmem::find(&file, b"stream\n").unwrap();
        file[at + 7] = 0xff;
        file
    });
}

#[test]
fn the_contents_of_a_page_are_put_together_from_several_streams() {
    found_with(|who| {
        let (left, right) = who.split_at(6);
        let (left, right) = (format!("BT ({left}) Tj"), format!("({right}) Tj ET"));
        pdf(&[flate("", left.as_bytes()), b"<< /Length 3 0 R >>".to_vec(), flate("", right.as_bytes())], "")
    });
}

#[test]
fn a_photograph_that_is_packed_once_more_is_read() {
    found_with(|who| {
        let author: Vec<u8> = who.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let exif = [b"Exif\0\0".to_vec(), tiff(&[(0x9c9d, 1, &author)])].concat();
        let packed = compress_to_vec_zlib(&jpeg(&[(0xe1, &exif)], b""), 6);
        pdf(&[stream("/Subtype /Image /Filter [/FlateDecode /DCTDecode]", &packed)], "")
    });
}

#[test]
fn a_filter_that_is_named_elsewhere_is_undone() {
    found_with(|who| {
        let content = format!("BT ({}) Tj ({}) Tj ET", &who[..4], &who[4..]);
        let deflated = compress_to_vec_zlib(content.as_bytes(), 6);
        pdf(&[stream("/Filter 2 0 R", &deflated), b"/FlateDecode".to_vec()], "")
    });
}

#[test]
fn a_password_makes_a_file_opaque_and_what_is_in_the_clear_is_still_found() {
    assert_eq!(look(&pdf(&[catalog()], "/Encrypt 9 0 R")), Finding::Opaque(Why::Encrypted));
    found(&pdf(&[format!("<< /Contact ({HANA}) >>").into_bytes()], "/Encrypt 9 0 R"));
    assert_eq!(look(b"%PDF-1.7\nnothing"), Finding::Opaque(Why::Damaged));
}

#[test]
fn images_in_a_file_cost_nothing() {
    let points = vec![7; 60 << 20];
    assert_eq!(look(&pdf(&[flate("/Type /XObject /Subtype /Image /Width 9", &points)], "")), Finding::Clean);
    assert_eq!(look(&pdf(&[flate("", &points)], "")), Finding::Opaque(Why::TooLarge));
}
