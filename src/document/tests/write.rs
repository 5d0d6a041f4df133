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
