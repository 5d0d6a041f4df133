//! What a file is, by its content.
//!
//! Rules: the first octets decide, since programs that open files look there too; the name and the declared type count
//! only where the content says nothing.
//! When it fails: never; what is not known is no document.

use super::inflate::{Inflater, State, Wrapper};

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ZIP and all that is one: Office documents since 2007, OpenDocument, EPUB, JAR.
    Zip,
    Pdf,
    Jpeg,
    Png,
    Gif,
    Webp,
    Tiff,
    /// HEIC, HEIF and AVIF.
    Heif,
    /// Compound files: Office documents before 2007, Outlook's messages, encrypted Office documents.
    Ole,
    Rtf,
    Gzip,
    /// Deflated octets alone (RFC 1950).
    Zlib,
    Tar,
    /// Known and not read: 7z, RAR, bzip2, xz, zstd, LZH, CAB, lzip, lzma, lz4, compress, ARJ.
    Packed,
}

/// Where a PDF may begin (ISO 32000-1, annex H, implementation note 13).
const PDF_HEAD: usize = 1024;
/// How far from the end the end of a ZIP may be: its record and the longest comment.
const ZIP_END: usize = 22 + 0xffff;

/// The kind of a file, if it is one that can hold texts out of sight. Of other files the raw octets are all there is.
#[must_use]
pub fn kind(octets: &[u8], file_name: &str, media: &str) -> Option<Kind> {
    let at = |from: usize, magic: &[u8]| octets.get(from..from + magic.len()) == Some(magic);
    let begins = |magic: &[u8]| octets.starts_with(magic);
    if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") || begins(b"PK\x07\x08") || begins(b"PK00PK") {
        return Some(Kind::Zip);
    }
    if begins(b"\xff\xd8\xff") {
        return Some(Kind::Jpeg);
    }
    if begins(b"\x89PNG\r\n\x1a\n") {
        return Some(Kind::Png);
    }
    if begins(b"GIF8") {
        return Some(Kind::Gif);
    }
    if begins(b"RIFF") && at(8, b"WEBP") {
        return Some(Kind::Webp);
    }
    if begins(b"II*\0") || begins(b"MM\0*") || begins(b"II+\0") || begins(b"MM\0+") {
        return Some(Kind::Tiff);
    }
    if begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Some(Kind::Ole);
    }
    if begins(b"{\\rt") {
        return Some(Kind::Rtf);
    }
    if begins(b"\x1f\x8b\x08") {
        return Some(Kind::Gzip);
    }
    let packed: [&[u8]; 10] = [
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"MSCF\0\0\0\0",
        b"LZIP\x01",
        b"\x04\x22\x4d\x18",
        b"\x02\x21\x4c\x18",
        b"\x1f\x9d",
        b"\x1f\xa0",
    ];
    let lzh = at(2, b"-lh") && octets.get(6) == Some(&b'-');
    if packed.iter().any(|magic| begins(magic)) || (begins(b"BZh") && at(4, b"1AY&SY")) || lzh {
        return Some(Kind::Packed);
    }
    if is_lzma(octets) || is_arj(octets) {
        return Some(Kind::Packed);
    }
    if is_zlib(octets) {
        return Some(Kind::Zlib);
    }
    let brands: [&[u8]; 8] = [b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1", b"avif", b"avis"];
    if at(4, b"ftyp") && brands.iter().any(|brand| at(8, brand)) {
        return Some(Kind::Heif);
    }
    if has_pdf_head(octets) {
        return Some(Kind::Pdf);
    }
    if at(257, b"ustar") {
        return Some(Kind::Tar);
    }
    if has_zip_end(octets) {
        return Some(Kind::Zip);
    }
    hint(file_name, media)
}

/// Whether octets begin like the stream of lzma alone: the usual properties, a size of the dictionary that is a power of two or
/// one and a half, the length or that it is not known.
fn is_lzma(octets: &[u8]) -> bool {
    let Some(header) = octets.first_chunk::<13>() else { return false };
    let [0x5d, a, b, c, d, length @ ..] = *header else { return false };
    let dictionary = u32::from_le_bytes([a, b, c, d]);
    let usual =
        dictionary.is_power_of_two() || (dictionary.is_multiple_of(3) && (dictionary / 3).is_power_of_two());
    let length = u64::from_le_bytes(length);
    dictionary >= 1 << 12 && usual && (length == u64::MAX || length < 1 << 38)
}

/// Whether octets begin like an ARJ archive: its mark, the length of the header, and in it that of its fixed part.
fn is_arj(octets: &[u8]) -> bool {
    let Some([0x60, 0xea, low, high, first, ..]) = octets.get(..11) else { return false };
    let length = u16::from_le_bytes([*low, *high]);
    (30..=2600).contains(&length) && (30..=length).contains(&u16::from(*first))
}

/// Whether octets are deflated behind a header of two (RFC 1950 §2.2): what they hold can be read from the beginning, and
/// they are no text that begins with `x^`.
fn is_zlib(octets: &[u8]) -> bool {
    let Some([0x78, flags]) = octets.first_chunk::<2>() else { return false };
    let head = octets.get(..octets.len().min(PDF_HEAD)).unwrap_or_default();
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    if !(0x7800 + u16::from(*flags)).is_multiple_of(31)
        || flags & 0x20 != 0
        || head.iter().skip(2).all(is_text)
    {
        return false;
    }
    let mut inflater = Inflater::new(Wrapper::Zlib);
    let mut made = 0;
    inflater.push(head, &mut |out| {
        made += out.len();
        true
    });
    made > 0 && inflater.state() != State::Broken
}

/// What the name or the type says, for the kinds that programs open even with something before their beginning.
fn hint(file_name: &str, media: &str) -> Option<Kind> {
    let name = file_name.trim().to_ascii_lowercase();
    let media = media.trim().to_ascii_lowercase();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    if end == "pdf" || media == "application/pdf" {
        return Some(Kind::Pdf);
    }
    let zip = ["zip", "docx", "docm", "xlsx", "xlsm", "pptx", "pptm", "odt", "ods", "odp", "epub"];
    (zip.contains(&end)
        || media == "application/zip"
        || media.starts_with("application/vnd.openxmlformats-officedocument.")
        || media.starts_with("application/vnd.oasis.opendocument."))
    .then_some(Kind::Zip)
}

/// Whether a PDF begins near the beginning.
pub fn has_pdf_head(octets: &[u8]) -> bool {
    let head = octets.get(..PDF_HEAD).unwrap_or(octets);
    memchr::memmem::find(head, b"%PDF-").is_some()
        || (head.starts_with(b"%!PS-Adobe-") && memchr::memmem::find(head, b" PDF-").is_some())
}

/// Whether a ZIP ends near the end (APPNOTE.TXT §4.3.16).
pub fn has_zip_end(octets: &[u8]) -> bool {
    let tail = octets.get(octets.len().saturating_sub(ZIP_END)..).unwrap_or_default();
    let end = memchr::memmem::rfind(tail, b"PK\x05\x06");
    // A record that is whole, of a ZIP that has at least one member or claims to be empty at its place.
    end.is_some_and(|at| tail.len() - at >= 22)
}
