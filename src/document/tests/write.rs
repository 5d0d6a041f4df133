//! Writers of small documents, for tests.

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

/// How a member is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    Stored,
    Deflated,
    /// Deflated, its sizes behind it.
    Streamed,
}

/// A ZIP archive with these members.
pub fn zip(members: &[(&str, How, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, how, content) in members {
        let offset = u32::try_from(out.len()).unwrap();
        let data = if *how == How::Stored { content.to_vec() } else { compress_to_vec(content, 6) };
        let (flags, method): (u16, u16) = match how {
            How::Stored => (0, 0),
            How::Deflated => (0, 8),
            How::Streamed => (8, 8),
        };
        let size = u32::try_from(data.len()).unwrap();
        let plain = u32::try_from(content.len()).unwrap();
        let common = |known: bool| {
            let mut fields = Vec::new();
            fields.extend(20u16.to_le_bytes());
            fields.extend(flags.to_le_bytes());
            fields.extend(method.to_le_bytes());
            fields.extend([0; 8]);
            let (size, plain) = if known { (size, plain) } else { (0, 0) };
            fields.extend(size.to_le_bytes());
            fields.extend(plain.to_le_bytes());
            fields.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            fields.extend(0u16.to_le_bytes());
            fields
        };
        out.extend(b"PK\x03\x04");
        out.extend(common(*how != How::Streamed));
        out.extend(name.as_bytes());
        out.extend(&data);
        if *how == How::Streamed {
            out.extend(b"PK\x07\x08");
            out.extend([0; 4]);
            out.extend(size.to_le_bytes());
            out.extend(plain.to_le_bytes());
        }
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(common(true));
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, size) = (u32::try_from(out.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    let count = u16::try_from(members.len()).unwrap();
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// A PDF file with these objects, numbered from 1, and this trailer.
pub fn pdf(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    for (number, object) in (1..).zip(objects) {
        out.extend(format!("{number} 0 obj\n").bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    out.extend(format!("trailer\n<< /Root 1 0 R {trailer} >>\nstartxref\n0\n%%EOF\n").bytes());
    out
}

/// A stream as it is, with these entries in its dictionary.
pub fn stream(entries: &str, content: &[u8]) -> Vec<u8> {
    let mut out = format!("<< {entries} /Length {} >>\nstream\n", content.len()).into_bytes();
    out.extend(content);
    out.extend(b"\nendstream");
    out
}

/// A deflated stream.
pub fn flate(entries: &str, content: &[u8]) -> Vec<u8> {
    stream(&format!("/Filter /FlateDecode {entries}"), &compress_to_vec_zlib(content, 6))
}

/// Text in UTF-16 with the low octet last.
pub fn utf16be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02X}")).collect()
}

/// A TIFF block, the high octet first, with these entries (tag, type, value) in its only directory.
pub fn tiff(entries: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut out = b"MM\0*\0\0\0\x08".to_vec();
    out.extend(u16::try_from(entries.len()).unwrap().to_be_bytes());
    let mut values = Vec::new();
    let base = 8 + 2 + entries.len() * 12 + 4;
    for (tag, kind, value) in entries {
        out.extend(tag.to_be_bytes());
        out.extend(kind.to_be_bytes());
        let size = if *kind == 3 { 2 } else { 1 };
        out.extend(u32::try_from(value.len() / size).unwrap().to_be_bytes());
        if value.len() <= 4 {
            out.extend(value.iter().chain(&[0; 4]).take(4));
        } else {
            out.extend(u32::try_from(base + values.len()).unwrap().to_be_bytes());
            values.extend_from_slice(value);
        }
    }
    out.extend([0; 4]);
    out.extend(values);
    out
}

/// A JPEG with these application segments and a picture that is none, and with what stands behind it.
pub fn jpeg(segments: &[(u8, &[u8])], behind: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    for (marker, content) in segments {
        out.extend([0xff, *marker]);
        out.extend(u16::try_from(content.len() + 2).unwrap().to_be_bytes());
        out.extend_from_slice(content);
    }
    out.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0PICTURE\xff\0\xff\xd3POINTS\xff\xd9");
    out.extend(behind);
    out
}

/// A PNG with these chunks; checksums are nought.
pub fn png(chunks: &[(&[u8; 4], &[u8])], behind: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let header: (&[u8; 4], &[u8]) = (b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    let picture: [(&[u8; 4], &[u8]); 2] = [(b"IDAT", b"PICTURE"), (b"IEND", b"")];
    for (name, content) in std::iter::once(&header).chain(chunks).chain(&picture) {
        out.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        out.extend_from_slice(*name);
        out.extend_from_slice(content);
        out.extend([0; 4]);
    }
    out.extend(behind);
    out
}

/// A GIF with these extensions (label, content).
pub fn gif(extensions: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    for (label, content) in extensions {
        out.extend([0x21, *label]);
        for block in content.chunks(if *label == 0xff { 11 } else { 255 }) {
            out.push(u8::try_from(block.len()).unwrap());
            out.extend_from_slice(block);
        }
        out.push(0);
    }
    out.extend(b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b");
    out
}

/// A WebP with these chunks behind its picture.
pub fn webp(flags: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut out = b"WEBPVP8X\x0a\0\0\0".to_vec();
    out.extend([flags, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let picture: (&[u8; 4], &[u8]) = (b"VP8 ", b"PICTURE");
    for (name, content) in std::iter::once(&picture).chain(chunks) {
        out.extend_from_slice(*name);
        out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(2), 0);
    }
    [b"RIFF".as_slice(), &u32::try_from(out.len()).unwrap().to_le_bytes(), &out].concat()
}

/// A compound file with these streams, each cut into sectors that lie in reverse order.
pub fn ole(streams: &[(&str, &[u8])]) -> Vec<u8> {
    const SECTOR: usize = 512;
    // Sector 0 is the allocation table, sector 1 the directory, the rest streams, all of them beyond the cutoff of 0.
    let mut table = vec![0xffff_fffd_u32, 0xffff_fffe];
    let mut sectors: Vec<Vec<u8>> = Vec::new();
    let mut directory = Vec::new();
    let mut entry = |name: &str, kind: u8, first: u32, size: usize| {
        let mut out: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        out.resize(64, 0);
        out.extend(u16::try_from((name.len() + 1) * 2).unwrap().to_le_bytes());
        out.extend([kind, 1]);
        out.resize(116, 0);
        out.extend(first.to_le_bytes());
        out.extend(u64::try_from(size).unwrap().to_le_bytes());
        directory.extend(out);
    };
    entry("Root Entry", 5, 0xffff_fffe, 0);
    for (name, content) in streams {
        let base = u32::try_from(table.len()).unwrap();
        let pieces: Vec<&[u8]> = content.chunks(SECTOR).collect();
        let count = u32::try_from(pieces.len()).unwrap();
        for (i, piece) in (0..).zip(pieces.iter().rev()) {
            let mut sector = piece.to_vec();
            sector.resize(SECTOR, 0);
            sectors.push(sector);
            table.push(if i == 0 { 0xffff_fffe } else { base + i - 1 });
        }
        entry(name, 2, base + count - 1, content.len());
    }
    let mut out = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    out.resize(24, 0);
    out.extend(b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0\0\0\0\0\0\0");
    out.extend([0; 4]);
    out.extend(1u32.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend([0; 8]);
    out.extend([0; 0]);
    out.extend([0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.resize(SECTOR, 0xff);
    let mut table: Vec<u8> = table.iter().flat_map(|next| next.to_le_bytes()).collect();
    table.resize(SECTOR, 0xff);
    directory.resize(SECTOR, 0);
    out.extend(table);
    out.extend(directory);
    out.extend(sectors.concat());
    out
}
